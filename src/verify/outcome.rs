//! Rules about how a run ended: whether it did, what it says of its success against what it says of its steps, and
//! whether that is the outcome that was asked for.

use super::claim::Claim;
use super::code::Code;
use super::finding::{Findings, Place, Which, quoted};
use super::plan::other_failures;
use super::value::Status;
use super::{Level, Mode, Rules};
use crate::model::steps::{INTERRUPTED, PREFLIGHT, ROLLBACK_DURATION_EXCEEDED};

/// A run that was killed or still runs. Gives whether it is one.
pub(super) fn unfinished(claim: &Claim<'_>, found: &mut Findings) -> bool {
    if !claim.is_unfinished() {
        return false;
    }
    let (at, expected) = (claim.at_key("COMPLETED_UTC"), "the time at which the run ended");
    // Both files are of one run, so what to do is said once.
    if found.has(Code::RunUnfinished) {
        found.refuse(Code::RunUnfinished, at, expected, quoted(""));
    } else {
        let run = run_word(claim);
        let advice = format!(
            "see how far it came with `cutproof status {run}`, go on with `cutproof cutover --resume {run}`"
        );
        found.refuse_and_advise(Code::RunUnfinished, at, expected, quoted(""), advice);
    }
    true
}

/// A run that somebody ended. Gives whether it is one.
pub(super) fn interrupted(claim: &Claim<'_>, found: &mut Findings) -> bool {
    if claim.failed_step() != Some(INTERRUPTED) || claim.succeeded() != Some(false) {
        return false;
    }
    let run = run_word(claim);
    let advice = format!("see how far it came with `cutproof status {run}` before anything is run again");
    let (at, expected) = (claim.at_key("FAILED_STEP"), "empty or what failed by itself");
    found.refuse_and_advise(Code::RunInterrupted, at, expected, INTERRUPTED, advice);
    true
}

/// The run id for a command that is shown, or a word in its place. An id that a shell would read otherwise is none.
fn run_word<'e>(claim: &Claim<'e>) -> &'e str {
    let plain = |id: &&str| {
        id.starts_with(|c: char| c.is_ascii_alphanumeric())
            && id.len() <= 100
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    claim.run_id().map(|entry| &*entry.value).filter(plain).unwrap_or("RUN")
}

/// A dry run proves nothing about a real one. The runbook's verifier did not ask.
pub(super) fn dry_run(claim: &Claim<'_>, rules: &Rules, found: &mut Findings) {
    if rules.allow_dry_run || claim.is_dry_run() != Some(true) {
        return;
    }
    let (at, expected) = (claim.at_key("DRY_RUN"), "0");
    match rules.level {
        Level::Strict => {
            let advice = "to check a dry run's files: --allow-dry-run";
            found.refuse_and_advise(Code::DryRun, at, expected, "1", advice);
        }
        Level::Contract => found.warn(Code::DryRun, at, expected, "1"),
    }
}

/// What SUCCESS, FAILED_STEP and the steps say of each other.
pub(super) fn claims(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    // The runbook's verifier did not ask this of a rollback that was not triggered.
    let idle = claim.which == Which::Rollback && claim.was_triggered() != Some(true);
    if !(level == Level::Contract && idle) {
        success_names_failed_step(claim, found);
        failure_without_step(claim, found);
    }
    if level == Level::Strict {
        success_with_failed_step(claim, found);
        failed_step_unknown(claim, found);
        failed_step_not_failed(claim, found);
        failed_step_not_named(claim, found);
        preflight_with_steps(claim, found);
    }
}

fn success_names_failed_step(claim: &Claim<'_>, found: &mut Findings) {
    if let Some(entry) = claim.failed_step.filter(|entry| !entry.value.is_empty())
        && claim.succeeded() == Some(true)
    {
        let expected = format!("empty where {} is true", claim.key("SUCCESS"));
        found.refuse(Code::SuccessNamesFailedStep, claim.at(entry), expected, quoted(&entry.value));
    }
}

fn failure_without_step(claim: &Claim<'_>, found: &mut Findings) {
    if claim.succeeded() == Some(false) && claim.failed_step() == Some("") {
        let expected = format!("set where {} is false", claim.key("SUCCESS"));
        found.refuse(Code::FailureWithoutStep, claim.at_key("FAILED_STEP"), expected, quoted(""));
    }
}

fn success_with_failed_step(claim: &Claim<'_>, found: &mut Findings) {
    if claim.succeeded() == Some(true) {
        for status in claim.with_status(Status::Failed) {
            let expected = format!("other than failed where {} is true", claim.key("SUCCESS"));
            found.refuse(Code::SuccessWithFailedStep, claim.at(status.entry), expected, "failed");
        }
    }
}

fn failed_step_unknown(claim: &Claim<'_>, found: &mut Findings) {
    // Where the whole succeeded, that FAILED_STEP names anything is the finding.
    let failed = claim.failed_step.filter(|_| claim.succeeded() == Some(false));
    let Some(entry) = failed.filter(|entry| !entry.value.is_empty()) else { return };
    let is_step = claim.names().any(|name| name.value == entry.value);
    if !is_step && !other_failures(claim.which).contains(&&*entry.value) {
        let expected = format!("a step of the file or one of {}", other_failures(claim.which).join(", "));
        found.refuse(Code::FailedStepUnknown, claim.at(entry), expected, quoted(&entry.value));
    }
}

fn failed_step_not_failed(claim: &Claim<'_>, found: &mut Findings) {
    let Some(failed) = claim.failed_step().filter(|_| claim.succeeded() == Some(false)) else { return };
    let steps = claim.steps.iter().filter(|step| step.name.is_some_and(|name| name.value == failed));
    for status in steps.filter_map(|step| step.status).filter(|status| status.value != Status::Failed) {
        let expected = format!("failed, as {} names this step", claim.key("FAILED_STEP"));
        let seen = &*status.entry.value;
        found.refuse(Code::FailedStepNotFailed, claim.at(status.entry), expected, seen);
    }
}

/// The step that was running at an interruption failed with it, and a rollback that is too late may fail as well.
fn failed_step_not_named(claim: &Claim<'_>, found: &mut Findings) {
    let Some(entry) = claim.failed_step.filter(|_| claim.succeeded() == Some(false)) else { return };
    let goes_with_a_step = [INTERRUPTED, ROLLBACK_DURATION_EXCEEDED].contains(&&*entry.value);
    if goes_with_a_step || !other_failures(claim.which).contains(&&*entry.value) {
        return;
    }
    if let Some(status) = claim.with_status(Status::Failed).next() {
        let expected = format!("the step that failed, as {} says", status.entry.key);
        found.refuse(Code::FailedStepNotNamed, claim.at(entry), expected, &*entry.value);
    }
}

fn preflight_with_steps(claim: &Claim<'_>, found: &mut Findings) {
    let preflight = claim.which == Which::Cutover && claim.failed_step() == Some(PREFLIGHT);
    if preflight && !claim.steps.is_empty() {
        let seen = format!("{} steps", claim.steps.len());
        let at = Place { subject: "the steps".to_owned(), ..claim.at_key("FAILED_STEP") };
        found.refuse(Code::PreflightWithSteps, at, "none: a red preflight touches nothing", seen);
    }
}

/// Whether the two files tell the outcome that was asked for.
pub(super) fn expected(cutover: &Claim<'_>, rollback: &Claim<'_>, rules: &Rules, found: &mut Findings) {
    match (rules.mode, cutover.succeeded()) {
        (Mode::CutoverOrRollback, Some(false)) => rolled_back(rollback, rules, found),
        (Mode::CutoverOrRollback, None) => {}
        (Mode::Cutover, _) | (Mode::CutoverOrRollback, Some(true)) => {
            cutover_succeeded(cutover, rules, found);
            no_rollback(cutover, rollback, found);
        }
        (Mode::RollbackDrill, _) => {
            cutover_succeeded(cutover, rules, found);
            rolled_back(rollback, rules, found);
        }
    }
}

fn cutover_succeeded(cutover: &Claim<'_>, rules: &Rules, found: &mut Findings) {
    if let Some(success) = cutover.success.filter(|success| !success.value) {
        let (at, seen) = (cutover.at(success.entry), &*success.entry.value);
        let failed = cutover.failed_step().filter(|step| !step.is_empty());
        let seen = failed.map_or(seen.to_owned(), |step| format!("{seen} (failed step {})", quoted(step)));
        match rules.mode {
            Mode::Cutover => {
                let advice = "where a rollback was the expected end: --allow-cutover-rollback";
                found.refuse_and_advise(Code::CutoverFailed, at, "true", seen, advice);
            }
            _ => found.refuse(Code::CutoverFailed, at, "true", seen),
        }
    }
}

fn no_rollback(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let Some(triggered) = rollback.triggered.filter(|triggered| triggered.value) {
        let (at, seen) = (rollback.at(triggered.entry), &*triggered.entry.value);
        if cutover.succeeded() == Some(true) {
            let expected = "false where CUTOVER_SUCCESS is true";
            let advice = "where it was a drill after a good cutover: --expect-rollback-drill";
            found.refuse_and_advise(Code::RollbackTriggered, at, expected, seen, advice);
        } else {
            found.refuse(Code::RollbackTriggered, at, "false where no rollback is allowed", seen);
        }
    }
}

/// A rollback was triggered, and it succeeded within the limit.
fn rolled_back(rollback: &Claim<'_>, rules: &Rules, found: &mut Findings) {
    if let Some(triggered) = rollback.triggered.filter(|triggered| !triggered.value) {
        let seen = &*triggered.entry.value;
        found.refuse(Code::RollbackNotTriggered, rollback.at(triggered.entry), "true", seen);
        return;
    }
    if let Some(success) = rollback.success.filter(|success| !success.value) {
        let seen = &*success.entry.value;
        let failed = rollback.failed_step().filter(|step| !step.is_empty());
        let seen = failed.map_or(seen.to_owned(), |step| format!("{seen} (failed step {})", quoted(step)));
        found.refuse(Code::RollbackFailed, rollback.at(success.entry), "true", seen);
    }
    let limit = &rules.max_rollback;
    if let Some(duration) = rollback.duration.filter(|duration| duration.value > limit.duration) {
        let expected = format!("at most {} (--max-rollback-seconds)", limit.text);
        let seen = quoted(&duration.entry.value);
        found.refuse(Code::RollbackOverLimit, rollback.at(duration.entry), expected, seen);
    }
}
