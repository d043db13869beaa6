//! The rollback drill that a policy asks for. Of all drills of the same environment, commit and profile the latest
//! counts: that an earlier one went well is no comfort.

use super::runs::{Run, View};
use super::until::Until;
use super::{rule, stands};
use crate::evidence::{Outcome, verdict};
use crate::model::Stamp;
use crate::policy::{DrillRule, Policy};
use crate::verify::code::Code;
use crate::verify::finding::Findings;
use std::time::Duration;

/// A rollback that was made to see whether it can be made.
struct Drill<'a> {
    run: &'a Run<'a>,
    view: &'a View<'a>,
    /// When it ended, or was last heard of.
    at: Stamp,
    took: Duration,
}

pub(super) fn check(
    runs: &[Run<'_>],
    counting: &Run<'_>,
    policy: &Policy,
    at: Stamp,
    found: &mut Findings,
    until: &mut Until,
) {
    let Some(wanted) = &policy.requires.rollback_drill else { return };
    for run in runs.iter().filter(|run| !std::ptr::eq(*run, counting) && is_unknown(run)) {
        let (expected, seen) =
            ("known: it may be a later drill that failed", "a bundle that is not all there");
        found.refuse(Code::DrillUnknown, run.here("a rollback drill"), expected, seen);
    }
    let drills = runs.iter().filter(|run| is_same(run, counting)).flat_map(drills);
    match drills.max_by_key(|drill| drill.at) {
        Some(drill) => judge(&drill, wanted, at, found, until),
        None => {
            let advice = "make one: `cutproof rehearse`, or `cutproof cutover --force-rollback`";
            let expected = "of the same environment, commit and profile, in one of the runs";
            let place = rule(&wanted.at, "a rollback drill");
            found.refuse_and_advise(Code::DrillMissing, place, expected, "none", advice);
        }
    }
}

fn judge(drill: &Drill<'_>, wanted: &DrillRule, at: Stamp, found: &mut Findings, until: &mut Until) {
    let place = || drill.run.at(drill.view, "the rollback drill");
    let worth = verdict(&drill.view.run);
    if worth.verdict != Outcome::Passed {
        let reasons: Vec<_> = worth.reasons.iter().map(ToString::to_string).collect();
        let seen = format!("{}: {}", worth.verdict, reasons.join("; "));
        found.refuse(Code::DrillFailed, place(), "passed: the latest one counts", seen);
        return;
    }
    if !drill.run.is_intact() {
        found.refuse(Code::DrillUnknown, place(), "of a bundle that is intact", "one that is not");
        return;
    }
    if drill.at > at {
        found.refuse(Code::FromTheFuture, place(), format!("not later than {at}"), drill.at.to_string());
        return;
    }
    if let Some(most) = wanted.max_duration.filter(|most| drill.took > *most) {
        let expected = format!("at most {} s ({})", most.as_secs_f64(), stands(&wanted.at));
        found.refuse(Code::DrillTooSlow, place(), expected, format!("{} s", drill.took.as_secs_f64()));
    }
    if at.since(drill.at) > wanted.max_age {
        let expected = format!("not before {} ({})", earliest(at, wanted.max_age), stands(&wanted.at));
        found.refuse(Code::DrillStale, place(), expected, drill.at.to_string());
    }
    until.ages(drill.at, wanted.max_age, || "the rollback drill is too old".to_owned());
}

/// The oldest moment that is still young enough.
pub(super) fn earliest(at: Stamp, max_age: Duration) -> Stamp {
    let age = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
    Stamp::from_millis(at.millis().saturating_sub(age))
}

/// The drills of a bundle: cutovers that were to be rolled back anyway, and rollbacks on their own. What was made to
/// fail is no drill, and neither is a dry run.
fn drills<'a>(run: &'a Run<'a>) -> impl Iterator<Item = Drill<'a>> {
    let real = run.views.iter().all(|view| view.run.started.fault.is_none() && !view.run.started.dry_run);
    run.views.iter().filter(move |_| real).filter_map(move |view| {
        let switch = view.run.switch.as_ref()?;
        let drilled = switch.plan.cutover.is_none() || switch.plan.force_rollback;
        drilled.then(|| Drill {
            run,
            view,
            at: switch.rollback.ended.unwrap_or(view.run.last),
            took: Duration::from_millis(switch.rollback.duration_ms),
        })
    })
}

/// Whether two bundles are of the same environment, commit and profile. A commit that is not known is that of no other.
fn is_same(run: &Run<'_>, other: &Run<'_>) -> bool {
    if std::ptr::eq(run, other) {
        return true;
    }
    let (Some(one), Some(two)) = (run.started(), other.started()) else { return false };
    let profile = |run: &Run<'_>| run.started()?.profile.as_ref().map(|profile| profile.sha256.clone());
    let commit = |run: &Run<'_>| run.source().map(|source| source.commit.clone());
    one.environment == two.environment
        && profile(run) == profile(other)
        && commit(run).is_some()
        && commit(run) == commit(other)
}

/// Whether a bundle may hold a drill that nobody can see. Of a run that was killed all is there that it made.
fn is_unknown(run: &Run<'_>) -> bool {
    let over = |view: &View<'_>| view.run.ended.is_some();
    let killed = run.bundle.manifest.is_none() && !run.views.is_empty() && !run.views.iter().any(over);
    !run.is_whole() && !killed
}
