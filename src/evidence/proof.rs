//! What a stage must have on record to have passed. A journal that says so without is not believed.

use super::switch::{SequenceView, SwitchView};
use crate::model::switch::{ChildRun, Stage, SwitchMark, judge_mark};
use crate::model::{Stamp, Verdict};

/// Why a stage can't have passed; nothing where all of its proof is on record.
pub(super) fn doubt(switch: &SwitchView<'_>, stage: Stage) -> Option<String> {
    match stage {
        Stage::Cutover => incomplete(&switch.cutover),
        Stage::Rollback => incomplete(&switch.rollback),
        Stage::SwitchGate => doubt_of_marks(switch),
        Stage::Watch => match switch.watch {
            Some(watch) if watch.verdict == Verdict::Passed && watch.rollback.is_none() => None,
            Some(watch) => Some(format!("its verdict is {}: {}", watch.verdict, watch.reason)),
            None => Some("its verdict is not on record".to_owned()),
        },
        Stage::Preflight | Stage::Readiness | Stage::RollbackReadiness => match switch.child(stage) {
            None => Some("no run of its gates is on record".to_owned()),
            Some(child) => doubt_of_child(child),
        },
    }
}

fn doubt_of_marks(switch: &SwitchView<'_>) -> Option<String> {
    let Some((started, marks)) = switch.marks.filter(|(_, marks)| !marks.is_empty()) else {
        return Some("what it saw is not on record".to_owned());
    };
    marks.iter().find_map(|mark| {
        let fault = mark_fault(started, mark)?;
        Some(format!("{} {fault}", mark.name))
    })
}

/// Why a mark is not what it must be, by the rule of [`judge_mark`].
pub(super) fn mark_fault(started: Stamp, mark: &SwitchMark) -> Option<String> {
    judge_mark(started, mark).err()?;
    let Some(at) = mark.at else { return Some("was not seen".to_owned()) };
    let after = at.millis().saturating_sub(started.millis()) as f64;
    if after <= 0.0 {
        return Some(format!("was at {at}, before the new core's start at {started}: it is the old core's"));
    }
    let (after, within) = (after / 1e3, mark.within_ms / 1e3);
    Some(format!("was {after:.1} s after the new core's start, expected {within:.1} s at most"))
}

fn doubt_of_child(child: &ChildRun) -> Option<String> {
    if !matches!(child.outcome.as_str(), "passed" | "partial") {
        return Some(format!("its run {} is {}", child.run, child.outcome));
    }
    let bad = child.gates.iter().find(|gate| gate.required && gate.verdict != Verdict::Passed)?;
    Some(format!("its gate {} is {}", bad.case, bad.verdict))
}

fn incomplete(sequence: &SequenceView<'_>) -> Option<String> {
    let next = sequence.steps.iter().find(|step| !step.is_done());
    match next {
        None if sequence.steps.is_empty() => Some("it has no steps".to_owned()),
        None => None,
        Some(step) => Some(format!("its step {} was not done", step.planned.name)),
    }
}
