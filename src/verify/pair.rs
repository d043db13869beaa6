//! Rules about the two files together, and about whether they are of this run at all.

use super::claim::Claim;
use super::code::Code;
use super::finding::{Findings, Place, quoted};
use crate::model::Stamp;

/// Both say the same of whether a rollback was triggered.
pub(super) fn triggered_differs(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let (Some(told), Some(seen)) = (cutover.triggered, rollback.triggered)
        && told.value != seen.value
    {
        let expected = format!("{}, as {} says", told.value, told.entry.key);
        found.refuse(Code::TriggeredDiffers, rollback.at(seen.entry), expected, seen.value.to_string());
    }
}

/// Both are of the same environment.
pub(super) fn environment_differs(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let (Some(one), Some(other)) = (cutover.entry("ENV"), rollback.entry("ENV"))
        && one.value != other.value
    {
        let expected = format!("{}, as CUTOVER_ENV says", quoted(&one.value));
        found.refuse(Code::EnvironmentDiffers, rollback.at(other), expected, quoted(&other.value));
    }
}

/// Both are of a dry run, or of a real one.
pub(super) fn dry_run_differs(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let (Some(one), Some(other)) = (cutover.dry_run, rollback.dry_run)
        && one.value != other.value
    {
        let expected = format!("{}, as CUTOVER_DRY_RUN says", one.entry.value);
        found.refuse(Code::DryRunDiffers, rollback.at(other.entry), expected, &*other.entry.value);
    }
}

/// The rollback began when the cutover's last step had ended.
pub(super) fn rollback_before_cutover_end(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let (Some(ended), Some(began)) = (cutover.completed, rollback.started)
        && began.value < ended.value
    {
        let expected = format!("at or after {}, the cutover's end", ended.entry.value);
        let seen = &*began.entry.value;
        found.refuse(Code::RollbackBeforeCutoverEnd, rollback.at(began.entry), expected, seen);
    }
}

/// Both are of the same run, as far as they say of which.
pub(super) fn other_run(cutover: &Claim<'_>, rollback: &Claim<'_>, found: &mut Findings) {
    if let (Some(one), Some(other)) = (cutover.run_id(), rollback.run_id())
        && one.value != other.value
    {
        let expected = format!("{}, the cutover file's run", quoted(&one.value));
        found.refuse(Code::OtherRun, rollback.at(other), expected, quoted(&other.value));
    }
}

/// A file that does not say of which run it is.
pub(super) fn tell_no_run_id(claim: &Claim<'_>, found: &mut Findings) {
    if claim.run_id().is_none() {
        let at = Place::nowhere(claim.which, "CUTPROOF_RUN_ID");
        found.warn(Code::NoRunId, at, "there", quoted(""));
    }
}

/// A file whose run ended before this time. Times in evidence are cut to the second.
pub(super) fn tell_older(claim: &Claim<'_>, since: Stamp, found: &mut Findings) {
    let since_second = since.millis().div_euclid(1000);
    if let Some(completed) = claim.completed.filter(|completed| completed.value < since_second) {
        let expected = format!("at or after {} (--since)", since.to_seconds());
        found.warn(Code::OlderThanSince, claim.at(completed.entry), expected, &*completed.entry.value);
    }
}
