//! The gate matrix: what is asked, what was seen, how old it is, and what is made of it; and the waivers with the
//! result beneath each.

use super::said::{PATH, REASON, VALUE, lasting, moment};
use super::{Said, Sources, said};
use crate::model::Stamp;
use crate::policy::{Bound, Select};
use crate::verify::decision::{GateRow, GateStatus, Judgement, WaiverRow, WaiverState};

/// All statuses, the worst first.
pub(in crate::report) const STATUSES: [GateStatus; 11] = [
    GateStatus::Failed,
    GateStatus::Error,
    GateStatus::Inconclusive,
    GateStatus::Stale,
    GateStatus::Missing,
    GateStatus::Blocked,
    GateStatus::NotRun,
    GateStatus::Waived,
    GateStatus::Unexpected,
    GateStatus::PassedOnRetry,
    GateStatus::Passed,
];

/// The gates in two lists: those to look at, and those that simply passed.
#[derive(Debug)]
pub(in crate::report) struct Gates {
    /// How many there are of each status that there is, the worst first.
    pub counts: Vec<(GateStatus, usize)>,
    /// All that did not simply pass, the worst first, in the plan's order among their like.
    pub notable: Vec<Gate>,
    /// The others, in the plan's order.
    pub passed: Vec<Gate>,
}

/// A row of the matrix.
#[derive(Debug)]
pub(in crate::report) struct Gate {
    pub status: GateStatus,
    /// `infra::redis-ping`.
    pub case: Said,
    /// Whether it must have passed, and by what the policy selects it.
    pub required: Said,
    /// What it is judged by.
    pub threshold: Said,
    pub observed: Said,
    /// How old that is, and how old it may be.
    pub age: String,
    pub reason: Said,
    /// Where the profile has it.
    pub at: Said,
    /// How often it was tried, where that was more than once.
    pub attempts: Option<u32>,
    /// The attempts after which it was tried again.
    pub before: Vec<Said>,
}

/// A waiver with the result beneath it.
#[derive(Debug)]
pub(in crate::report) struct Waiver {
    pub state: WaiverState,
    pub gate: Said,
    pub result: Said,
    pub reason: Said,
    pub approver: Said,
    pub expires: String,
    /// What it holds for.
    pub bound: Said,
}

pub(super) fn gather(sources: &Sources<'_>) -> Gates {
    let judgement = sources.judgement;
    let count = |status: &GateStatus| judgement.gates.iter().filter(|row| row.status == *status).count();
    let counts = STATUSES.iter().map(|status| (*status, count(status))).filter(|(_, count)| *count > 0);
    let (passed, mut notable): (Vec<_>, Vec<_>) =
        judgement.gates.iter().partition(|row| row.status == GateStatus::Passed);
    notable.sort_by_key(|row| std::cmp::Reverse((row.status, row.required)));
    let told = |rows: Vec<&GateRow>| rows.into_iter().map(|row| gate(row, judgement.at)).collect();
    Gates { counts: counts.collect(), notable: told(notable), passed: told(passed) }
}

fn gate(row: &GateRow, at: Stamp) -> Gate {
    let case = match row.phase {
        Some(phase) => format!("{phase}::{}", row.gate),
        None => row.gate.to_string(),
    };
    Gate {
        status: row.status,
        case: said(case, VALUE),
        required: said(required(row), VALUE),
        threshold: said(&row.expect, VALUE),
        observed: said(&row.seen, VALUE),
        age: age(row, at),
        reason: said(&row.reason, REASON),
        at: said(&row.at, PATH),
        attempts: Some(row.attempts).filter(|attempts| *attempts > 1),
        before: row.before.iter().map(|attempt| said(attempt, REASON)).collect(),
    }
}

fn required(row: &GateRow) -> String {
    let asks = |select: &Select| match select {
        Select::Id(_) => "by name".to_owned(),
        Select::Tag(tag) => format!("tag {tag}"),
        Select::Phase(phase) => format!("phase {phase}"),
        Select::Required => "all required".to_owned(),
    };
    let by: Vec<_> = row.asked_by.iter().map(asks).collect();
    match (row.required, by.is_empty()) {
        (true, true) => "yes".to_owned(),
        (true, false) => format!("yes ({})", by.join(", ")),
        (false, true) => "no".to_owned(),
        (false, false) => format!("no ({})", by.join(", ")),
    }
}

fn age(row: &GateRow, at: Stamp) -> String {
    let most = row.max_age.map(|most| format!(" of at most {}", lasting(most))).unwrap_or_default();
    match row.measured {
        Some(measured) if measured > at => {
            format!("{} after the judged moment{most}", lasting(measured.since(at)))
        }
        Some(measured) => format!("{}{most}", lasting(at.since(measured))),
        None => "never measured".to_owned(),
    }
}

pub(super) fn waivers(judgement: &Judgement) -> Vec<Waiver> {
    judgement.waivers.iter().map(waiver).collect()
}

fn waiver(row: &WaiverRow) -> Waiver {
    let bound = match &row.bound {
        Bound::Commit(commit) => format!("commit {commit}"),
        Bound::Evidence(manifest) => format!("the run with the manifest {manifest}"),
    };
    Waiver {
        state: row.state,
        gate: said(row.gate.as_str(), VALUE),
        result: said(&row.result, REASON),
        reason: said(&row.reason, REASON),
        approver: said(&row.approver, VALUE),
        expires: moment(row.expires),
        bound: said(bound, VALUE),
    }
}

/// What became of a waiver, in words.
pub(in crate::report) fn state(state: WaiverState) -> &'static str {
    match state {
        WaiverState::Used => "used: the gate is red and let through",
        WaiverState::Unused => "not needed",
        WaiverState::Expired => "expired: it waives nothing",
        WaiverState::OtherBound => "for other evidence: it waives nothing here",
    }
}
