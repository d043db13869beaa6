//! Waivers: a gate that is red may be let through by one that is for this gate, this commit or run, and this time. The
//! gate stays red in its row, and a waiver that does nothing is told.

use super::gates::{told, too_old};
use super::rule;
use super::runs::Run;
use super::until::Until;
use crate::model::Stamp;
use crate::policy::{Bound, Policy, Waiver};
use crate::verify::code::Code;
use crate::verify::decision::{GateRow, GateStatus, WaiverRow, WaiverState};
use crate::verify::finding::Findings;

/// The policy's waivers, and what becomes of them.
pub(super) struct Waivers<'a> {
    list: Vec<(&'a Waiver, WaiverState)>,
}

impl<'a> Waivers<'a> {
    pub fn of(run: &Run<'_>, policy: &'a Policy, at: Stamp) -> Waivers<'a> {
        let state = |waiver: &Waiver| {
            if at >= waiver.expires {
                WaiverState::Expired
            } else if is_bound(waiver, run) {
                WaiverState::Unused
            } else {
                WaiverState::OtherBound
            }
        };
        Waivers { list: policy.waivers.iter().map(|waiver| (waiver, state(waiver))).collect() }
    }

    /// Lets a red gate through, where a waiver does. It must have run, and not too long ago, all the same.
    pub fn waive(&mut self, row: &mut GateRow, at: Stamp) {
        let usable = |state: &WaiverState| matches!(state, WaiverState::Unused | WaiverState::Used);
        let mut fitting =
            self.list.iter_mut().filter(|(waiver, state)| waiver.gate == row.gate && usable(state));
        let Some((waiver, state)) = fitting.next() else { return };
        let Some(measured) = row.measured.filter(|measured| *measured <= at) else { return };
        *state = WaiverState::Used;
        fitting.for_each(|(_, state)| *state = WaiverState::Used);
        match too_old(measured, row.max_age, at) {
            Some(reason) => (row.status, row.reason) = (GateStatus::Stale, reason),
            None => {
                let (approver, expires) = (&waiver.approver, waiver.expires);
                row.reason =
                    format!("{}; waived by {approver} until {expires}: {}", row.reason, waiver.reason);
                row.status = GateStatus::Waived;
            }
        }
    }

    /// What became of each, in the policy's order.
    pub fn finish(self, rows: &[GateRow], found: &mut Findings, until: &mut Until) -> Vec<WaiverRow> {
        let finish = |(waiver, state): (&Waiver, WaiverState)| {
            let row = rows.iter().find(|row| row.gate == waiver.gate);
            let result = row.map_or_else(|| "the run does not have it".to_owned(), result);
            let subject = format!("the waiver of {}", waiver.gate);
            let place = rule(&waiver.at, subject);
            match state {
                WaiverState::Used => {
                    until.ends(waiver.expires, || format!("the waiver of {} expires", waiver.gate));
                    let seen = format!("{result}; waived by {}: {}", waiver.approver, waiver.reason);
                    found.warn(Code::GateWaived, place, "not needed", seen);
                }
                WaiverState::Unused => found.warn(Code::WaiverUnused, place, "needed", result.clone()),
                WaiverState::Expired => {
                    let seen = format!("expired at {}", waiver.expires);
                    found.warn(Code::WaiverExpired, place, "valid", seen);
                }
                WaiverState::OtherBound => {
                    let seen = match &waiver.bound {
                        Bound::Commit(commit) => format!("for the commit {commit}, as it is without changes"),
                        Bound::Evidence(digest) => format!("for the run with the manifest {digest}"),
                    };
                    found.warn(Code::WaiverOfOther, place, "for this commit or run", seen);
                }
            }
            WaiverRow {
                gate: waiver.gate.clone(),
                reason: waiver.reason.clone(),
                approver: waiver.approver.clone(),
                expires: waiver.expires,
                bound: waiver.bound.clone(),
                state,
                result,
            }
        };
        self.list.into_iter().map(finish).collect()
    }
}

/// What a gate says itself.
fn result(row: &GateRow) -> String {
    match (row.verdict, row.seen.as_str()) {
        (Some(verdict), "") => verdict.to_string(),
        (Some(verdict), seen) => format!("{verdict}: {seen}"),
        (None, _) => told(row),
    }
}

/// Whether a waiver is for this run. One for a commit is not for a work tree that differs from it.
fn is_bound(waiver: &Waiver, run: &Run<'_>) -> bool {
    match &waiver.bound {
        Bound::Commit(commit) => {
            run.source().is_some_and(|source| !source.dirty && source.commit.eq_ignore_ascii_case(commit))
        }
        Bound::Evidence(digest) => run.bundle.manifest_sha256.as_ref() == Some(digest),
    }
}
