//! Gates that may be red all the same.

use super::entry::Entry;
use crate::policy::{Bound, Waiver};
use crate::settings::fault::Report;
use crate::settings::names::quoted;

pub(super) fn waiver(entry: &Entry<'_>, report: &mut Report<'_>) -> Option<Waiver> {
    let gate = entry.gate(report);
    let reason = entry.filled("reason", report);
    let approver = entry.filled("approver", report);
    let expires = entry.time("expires", report);
    let bound = match entry.exactly_one(&["commit", "evidence"], report)? {
        "commit" => Bound::Commit(entry.hex("commit", &[40, 64], report)?),
        _ => Bound::Evidence(entry.hex("evidence", &[64], report)?),
    };
    Some(Waiver {
        gate: gate?,
        reason: reason?,
        approver: approver?,
        expires: expires?,
        bound,
        at: entry.at(report),
    })
}

/// What it waives, and for what.
pub(super) fn shown(waiver: &Waiver) -> String {
    let gate = quoted(waiver.gate.as_str());
    match &waiver.bound {
        Bound::Commit(commit) => format!("gate {gate} and commit {commit}"),
        Bound::Evidence(digest) => format!("gate {gate} and evidence {digest}"),
    }
}
