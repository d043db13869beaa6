//! Rules about times and durations of one file, and what a rollback says of its limit.

use super::Level;
use super::claim::Claim;
use super::code::Code;
use super::finding::{Findings, quoted};
use crate::model::steps::ROLLBACK_DURATION_EXCEEDED;
use std::time::Duration;

/// Times are cut to the second, both ends of a duration: so much may be between it and their difference.
const CUT: Duration = Duration::from_secs(1);

/// What times and durations say of each other.
pub(super) fn check(claim: &Claim<'_>, found: &mut Findings) {
    let (Some(started), Some(completed)) = (claim.started, claim.completed) else {
        steps_longer_than_total(claim, found);
        return;
    };
    match u64::try_from(completed.value.saturating_sub(started.value)) {
        Ok(between) => duration_against_times(claim, Duration::from_secs(between), found),
        Err(_) => {
            let expected = format!("at or after {}", started.entry.value);
            let seen = &*completed.entry.value;
            found.refuse(Code::CompletedBeforeStart, claim.at(completed.entry), expected, seen);
        }
    }
    steps_longer_than_total(claim, found);
}

fn duration_against_times(claim: &Claim<'_>, between: Duration, found: &mut Findings) {
    if let Some(duration) = claim.duration.filter(|duration| duration.value.abs_diff(between) > CUT) {
        let expected = format!("within a second of the {} s between the two times", between.as_secs());
        let seen = quoted(&duration.entry.value);
        found.refuse(Code::DurationAgainstTimes, claim.at(duration.entry), expected, seen);
    }
}

fn steps_longer_than_total(claim: &Claim<'_>, found: &mut Findings) {
    let sum = claim.steps_duration();
    if let Some(total) = claim.duration.filter(|total| sum > total.value) {
        let expected = format!("at least {:.3}, what the steps took together", sum.as_secs_f64());
        let seen = quoted(&total.entry.value);
        found.refuse(Code::StepsLongerThanTotal, claim.at(total.entry), expected, seen);
    }
}

/// What a rollback says of its limit, and of not having been triggered.
pub(super) fn rollback(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    match (claim.was_triggered(), level) {
        (Some(true), Level::Strict) => {
            slo_against_duration(claim, found);
            success_over_limit(claim, found);
            limit_not_exceeded(claim, found);
        }
        (Some(false), _) => not_triggered_with_traces(claim, level, found),
        _ => {}
    }
}

fn is_within_limit(claim: &Claim<'_>) -> Option<bool> {
    Some(claim.duration?.value <= claim.max_seconds?.value)
}

fn slo_against_duration(claim: &Claim<'_>, found: &mut Findings) {
    let (Some(met), Some(within)) = (claim.slo_met, is_within_limit(claim)) else { return };
    if met.value != within {
        let value = |name| claim.entry(name).map_or(String::new(), |entry| quoted(&entry.value));
        let (took, limit) = (value("DURATION_SECONDS"), value("MAX_SECONDS"));
        let expected = format!("{within}: it took {took} s and the limit is {limit} s");
        found.refuse(Code::SloAgainstDuration, claim.at(met.entry), expected, met.value.to_string());
    }
}

fn success_over_limit(claim: &Claim<'_>, found: &mut Findings) {
    if let (Some(success), Some(met)) = (claim.success, claim.slo_met)
        && success.value
        && !met.value
    {
        let expected = "false where ROLLBACK_SLO_MET is false";
        found.refuse(Code::SuccessOverLimit, claim.at(success.entry), expected, "true");
    }
}

fn limit_not_exceeded(claim: &Claim<'_>, found: &mut Findings) {
    if claim.failed_step() == Some(ROLLBACK_DURATION_EXCEEDED) && is_within_limit(claim) == Some(true) {
        let expected = "another: the rollback was within its limit";
        let at = claim.at_key("FAILED_STEP");
        found.refuse(Code::LimitNotExceeded, at, expected, ROLLBACK_DURATION_EXCEEDED);
    }
}

/// A rollback that was not triggered has no steps, no times, took no time, and did not fail.
fn not_triggered_with_traces(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    let mut refuse = |name: &str, expected: &str| {
        let seen = claim.entry(name).map_or(String::new(), |entry| quoted(&entry.value));
        let expected = format!("{expected} where ROLLBACK_TRIGGERED is false");
        found.refuse(Code::NotTriggeredWithTraces, claim.at_key(name), expected, seen);
    };
    if claim.total_steps.is_some_and(|total| total.value != 0) {
        refuse("TOTAL_STEPS", "0");
    }
    // That a success names a failed step is a finding of its own at strict level.
    let named = claim.failed_step().is_some_and(|step| !step.is_empty());
    if named && level == Level::Contract {
        refuse("FAILED_STEP", "empty");
    }
    if level == Level::Contract {
        return;
    }
    if claim.succeeded() == Some(false) {
        refuse("SUCCESS", "true");
    }
    if claim.slo_met.is_some_and(|met| !met.value) {
        refuse("SLO_MET", "true");
    }
    if claim.duration.is_some_and(|duration| !duration.value.is_zero()) {
        refuse("DURATION_SECONDS", "0.000");
    }
    for name in ["STARTED_UTC", "COMPLETED_UTC"] {
        if claim.entry(name).is_some_and(|entry| !entry.value.is_empty()) {
            refuse(name, "empty");
        }
    }
}
