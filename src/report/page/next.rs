//! What to do next: a few lines, the worst first. Whoever reads only these must do nothing wrong.

use super::findings::{self, place, sentence};
use super::said::{REASON, VALUE, many, moment};
use super::{Said, Sources, said};
use crate::verify::decision::{Decision, GateRow, GateStatus, Judgement, WaiverState};
use crate::verify::{Class, Code, Finding, Severity};

/// So many lines are told.
const MOST: usize = 6;
/// So many gates are named in a line.
const NAMED: usize = 3;

/// Something to do: what, in words of ours, and what it is about.
#[derive(Debug, PartialEq)]
pub(in crate::report) struct Advice {
    pub what: String,
    pub about: Vec<Said>,
}

pub(super) fn gather(sources: &Sources<'_>) -> Vec<Advice> {
    let judgement = sources.judgement;
    match judgement.decision {
        Decision::Go => vec![holds(judgement)],
        Decision::GoWithWaivers => vec![waived(judgement), holds(judgement)],
        Decision::Incomplete | Decision::NoGo => against(judgement),
    }
}

fn holds(judgement: &Judgement) -> Advice {
    match &judgement.valid_until {
        Some((until, what)) => Advice {
            what: format!("The window may be used before {}; what ends that first:", moment(*until)),
            about: vec![said(what, REASON)],
        },
        None => Advice {
            what: "The window may be used; nothing that this rests on expires.".to_owned(),
            about: vec![],
        },
    }
}

fn waived(judgement: &Judgement) -> Advice {
    let used = judgement.waivers.iter().filter(|waiver| waiver.state == WaiverState::Used);
    let gates: Vec<_> = used.map(|waiver| said(waiver.gate.as_str(), VALUE)).collect();
    listed("Know what is red and let through by a waiver:".to_owned(), gates)
}

/// What stands against it, the worst class first: findings by their code, and required gates by their status.
fn against(judgement: &Judgement) -> Vec<Advice> {
    let errors = judgement.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let errors = errors.filter(|finding| !findings::is_of_row(judgement, finding));
    let mut codes: Vec<(Class, Code, Vec<&Finding>)> = Vec::new();
    for finding in errors {
        match codes.iter_mut().find(|(_, code, _)| *code == finding.code) {
            Some((_, _, list)) => list.push(finding),
            None => codes.push((finding.code.class(), finding.code, vec![finding])),
        }
    }
    let mut advice: Vec<_> =
        codes.iter().map(|(class, code, list)| (*class, of_code(*class, *code, list))).collect();
    advice.extend(gates(judgement));
    // A stable sort: within a class the order is that of verification.
    advice.sort_by_key(|(class, _)| std::cmp::Reverse(*class));
    let mut advice: Vec<_> = advice.into_iter().map(|(_, advice)| advice).collect();
    if advice.is_empty() {
        advice.push(Advice { what: "Nothing says why: verify the runs again.".to_owned(), about: vec![] });
    }
    if advice.len() > MOST {
        let more = advice.len() - (MOST - 1);
        advice.truncate(MOST - 1);
        advice.push(Advice { what: format!("{more} more kinds of findings: see below."), about: vec![] });
    }
    advice
}

fn of_code(class: Class, code: Code, findings: &[&Finding]) -> Advice {
    let what = match class {
        Class::Tampered => "Do not use this evidence; find out who changed it, and run again",
        Class::Refused => "Repair, and run again",
        Class::Missing => "Bring what is not there, or measure again what is too old",
        Class::Inconclusive => "Judge it with the cutproof that wrote it",
    };
    let first = findings.first();
    let advice = first.and_then(|finding| finding.advice.as_deref());
    let count = if findings.len() > 1 { format!(", {} times", findings.len()) } else { String::new() };
    let mut about: Vec<_> =
        first.map(|finding| [place(finding), sentence(finding)]).into_iter().flatten().collect();
    about.extend(advice.map(|advice| said(advice, REASON)));
    about.retain(|said| !said.is_empty());
    Advice { what: format!("{what} ({code}{count}):"), about }
}

/// Required gates that are not as they must be, by status.
fn gates(judgement: &Judgement) -> Vec<(Class, Advice)> {
    let mut advice = Vec::new();
    for status in super::gates::STATUSES {
        let what = match status {
            GateStatus::Failed => "Repair what these gates measure, and run again",
            GateStatus::Error => "Find out why these gates could not be measured, and run again",
            GateStatus::Inconclusive => "Find out why these gates had no data, and run again",
            GateStatus::Stale => "Measure these gates again: what is there is too old",
            GateStatus::Missing => "Run these gates: no run has them",
            GateStatus::Blocked => "Repair what these gates need, and run again",
            GateStatus::NotRun => "Run these gates too: the selection left them out",
            GateStatus::Waived | GateStatus::Unexpected | GateStatus::PassedOnRetry | GateStatus::Passed => {
                continue;
            }
        };
        let rows = judgement.gates.iter().filter(|row| row.required && row.status == status);
        let name = |row: &GateRow| match row.reason.as_str() {
            "" => said(row.gate.as_str(), VALUE),
            reason => said(format!("{}: {reason}", row.gate), VALUE),
        };
        let names: Vec<_> = rows.map(name).collect();
        if !names.is_empty() {
            let class = if status > GateStatus::Stale { Class::Refused } else { Class::Missing };
            advice.push((class, listed(format!("{what} ({}):", many(names.len(), "gate")), names)));
        }
    }
    advice
}

fn listed(what: String, mut names: Vec<Said>) -> Advice {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(said(format!("and {more} more"), VALUE));
    }
    Advice { what, about: names }
}
