//! One `KEY=VALUE` file on its own: the rules of a cutover's two files as far as they are about one, and what the files
//! of inits and bootstraps say besides.

use super::super::claim::Claim;
use super::super::code::Code;
use super::super::finding::{Findings, Place, Which, quoted};
use super::super::{Level, Rules, check_lines, one, plan, value};
use super::{Asked, run_id};
use crate::evidence::Env;
use crate::model::RunId;
use crate::model::steps::INTERRUPTED;
use std::collections::HashSet;
use std::time::Duration;

pub(super) fn judge(which: Which, text: &str, asked: &Asked, found: &mut Findings) -> Option<RunId> {
    let rules = asked.rules();
    let env = Env::parse(text);
    check_lines(which, text, &env, Level::Strict, found);
    let claim = Claim::read(which, &env, Level::Strict);
    tell_partial(&claim, found);
    if which.has_times() {
        one(&claim, &rules, found);
        success_of_its_own(&claim, &rules, found);
    } else {
        run_of_cutproof(&claim, found);
        let ended = one(&claim, &rules, found);
        topics_are_counted(&claim, found);
        if ended {
            not_successful(&claim, found);
        }
    }
    run_id(claim.run_id().map_or("", |entry| &entry.value))
}

/// A run of a selection signs nothing off.
fn tell_partial(claim: &Claim<'_>, found: &mut Findings) {
    if let Some(partial) = claim.partial.filter(|partial| partial.value) {
        found.warn(Code::PartialRun, claim.at(partial.entry), "false", "true: a part of the gates");
    }
}

/// What a cutover or a rollback says of its success, without the other file.
fn success_of_its_own(claim: &Claim<'_>, rules: &Rules, found: &mut Findings) {
    let refused = found.has(Code::RunUnfinished) || found.has(Code::RunInterrupted);
    if let Some(success) = claim.success.filter(|success| !success.value && !refused) {
        let code = if claim.which == Which::Cutover { Code::CutoverFailed } else { Code::RollbackFailed };
        let seen = format!("false (failed step {})", quoted(claim.failed_step().unwrap_or_default()));
        found.refuse(code, claim.at(success.entry), "true", seen);
    }
    let limit = &rules.max_rollback;
    let of_rollback = claim.duration.filter(|_| claim.which == Which::Rollback);
    if let Some(duration) = of_rollback.filter(|duration| duration.value > limit.duration) {
        let expected = format!("at most {} (--max-rollback-seconds)", limit.text);
        found.refuse(
            Code::RollbackOverLimit,
            claim.at(duration.entry),
            expected,
            quoted(&duration.entry.value),
        );
    }
}

/// What an init or a bootstrap says of its success.
fn not_successful(claim: &Claim<'_>, found: &mut Findings) {
    if let Some(success) = claim.success.filter(|success| !success.value) {
        let seen = format!("false (failed step {})", quoted(claim.failed_step().unwrap_or_default()));
        found.refuse(Code::NotSuccessful, claim.at(success.entry), "true", seen);
    }
}

/// Times of an init's run stand only in what cutproof wrote: they are times, the run has its end, and in it there was
/// time for the steps. Those of a bootstrap go on beside each other.
fn run_of_cutproof(claim: &Claim<'_>, found: &mut Findings) {
    for entry in claim.run_times().into_iter().flatten() {
        if !entry.value.is_empty() && value::moment(&entry.value).is_none() {
            let expected = "a time in UTC to the second, such as 2026-02-12T04:00:00Z";
            found.refuse(Code::BadTime, claim.at(entry), expected, quoted(&entry.value));
        }
        if entry.value.is_empty() && claim.failed_step() != Some(INTERRUPTED) {
            let expected = "the time at which the run began and ended";
            found.refuse(Code::RunUnfinished, claim.at(entry), expected, quoted(""));
        }
    }
    let (Some(started), Some(completed)) = (claim.started, claim.completed) else { return };
    let between = completed.value.saturating_sub(started.value);
    let (sum, longest) =
        (claim.steps_duration(), u64::try_from(between).map(|between| between.saturating_add(1)));
    // Both times are cut to the second.
    if claim.which != Which::Bootstrap && longest.is_ok_and(|longest| sum > Duration::from_secs(longest)) {
        let expected =
            format!("{:.3} s behind the start or later: so long the steps took", sum.as_secs_f64());
        let seen = &*completed.entry.value;
        found.refuse(Code::StepsLongerThanTotal, claim.at(completed.entry), expected, seen);
    }
}

/// TOPIC_COUNT is how many topics TOPICS has, each of which is there once.
fn topics_are_counted(claim: &Claim<'_>, found: &mut Findings) {
    let Some(list) = claim.entry("TOPICS").filter(|list| !list.value.is_empty()) else { return };
    let topics: Vec<_> = plan::topics(&list.value).collect();
    if let Some(count) = claim.entry("TOPIC_COUNT")
        && let Some(counted) = value::whole(&count.value, Level::Strict)
        && usize::try_from(counted) != Ok(topics.len())
    {
        let expected = format!("{}, as many as {} has", topics.len(), list.key);
        found.refuse(Code::CountAgainstList, claim.at(count), expected, counted.to_string());
    }
    let mut seen = HashSet::new();
    if let Some(again) = topics.iter().find(|topic| !seen.insert(**topic)) {
        let seen = format!("{} more than once", quoted(again));
        found.refuse(Code::CountAgainstList, claim.at(list), "a list of topics, each once", seen);
    }
    if list.value.split(',').any(|topic| topic.trim().is_empty()) {
        let at = Place::of(claim.which, list);
        found.refuse(Code::CountAgainstList, at, "topics with a comma between each two", quoted(&list.value));
    }
}
