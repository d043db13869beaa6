//! What a cutover and its rollback did when, step by step, against the limit of the way back.

use super::said::{REASON, VALUE, lasting_ms, moment, output};
use super::{Said, Sources, said};
use crate::evidence::{CommandView, RunView, SequenceView, StageView, SwitchView};
use crate::model::event::StepStatus;
use crate::model::switch::{Sequence, SwitchMark};
use crate::model::{Stamp, Verdict};

/// A cutover, or a rollback on its own.
#[derive(Debug)]
pub(in crate::report) struct Switch {
    pub run: Said,
    pub stages: Vec<Stage>,
    pub timelines: Vec<Timeline>,
    /// What the switch gate saw, after the new core's start.
    pub marks: Vec<Mark>,
    /// Warnings, alarms, interruptions, resumptions: what it is, and what it says.
    pub notes: Vec<(&'static str, Said)>,
}

/// A part of it.
#[derive(Debug)]
pub(in crate::report) struct Stage {
    pub name: String,
    pub verdict: Verdict,
    pub began: String,
    pub took: String,
    pub reason: Said,
}

/// The steps of one way.
#[derive(Debug)]
pub(in crate::report) struct Timeline {
    pub sequence: Sequence,
    /// How it went, in a sentence of ours: how long it took, of how long it may.
    pub told: String,
    /// Why it began, where that is told.
    pub started_by: Said,
    /// How much time the bars span, in milliseconds: more than 0.
    pub spans_ms: f64,
    /// Where the limit is, in milliseconds from the beginning.
    pub limit_ms: Option<f64>,
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Debug)]
pub(in crate::report) struct Step {
    pub number: u32,
    pub name: Said,
    pub state: StepState,
    /// From the sequence's beginning to the step's, and how long it took, in milliseconds.
    pub bar: Option<(f64, f64)>,
    pub began: String,
    pub took: String,
    /// How long it may take.
    pub limit: String,
    pub exit_code: Option<i32>,
    pub detail: Said,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum StepState {
    Done,
    Simulated,
    Failed,
    /// It began, and has no end.
    CutOff,
    NotRun,
}

impl StepState {
    pub fn as_str(self) -> &'static str {
        match self {
            StepState::Done => "ok",
            StepState::Simulated => "simulated",
            StepState::Failed => "failed",
            StepState::CutOff => "cut off",
            StepState::NotRun => "not run",
        }
    }
}

/// Something that the new core had to do.
#[derive(Debug)]
pub(in crate::report) struct Mark {
    pub name: Said,
    /// When, after the core's start; or that it was not seen. In words of ours.
    pub seen: String,
    pub good: bool,
}

pub(super) fn gather(sources: &Sources<'_>) -> Vec<Switch> {
    sources.views().filter_map(|run| Some(switch(run, run.switch.as_ref()?))).collect()
}

fn switch(run: &RunView<'_>, switch: &SwitchView<'_>) -> Switch {
    let sequences = [&switch.cutover, &switch.rollback];
    let planned = sequences.into_iter().filter(|sequence| !sequence.steps.is_empty());
    Switch {
        run: said(run.started.run.as_str(), VALUE),
        stages: switch.stages.iter().map(stage).collect(),
        timelines: planned.map(|sequence| timeline(switch, sequence)).collect(),
        marks: marks(switch),
        notes: notes(run, switch),
    }
}

fn stage(view: &StageView<'_>) -> Stage {
    Stage {
        name: view.stage.as_str().replace('_', " "),
        verdict: view.verdict,
        began: view.began.map_or_else(String::new, moment),
        took: view.began.map_or_else(String::new, |_| lasting_ms(view.duration_ms)),
        reason: said(&view.reason, REASON),
    }
}

fn timeline(switch: &SwitchView<'_>, view: &SequenceView<'_>) -> Timeline {
    let limit_ms = match view.sequence {
        Sequence::Rollback => Some(switch.plan.rollback.limit_ms).filter(|ms| ms.is_finite() && *ms > 0.0),
        Sequence::Cutover => None,
    };
    let took = view.duration_ms as f64;
    let began = view.began;
    let steps: Vec<_> = view.steps.iter().map(|view| step(view, began)).collect();
    let last =
        steps.iter().filter_map(|step| step.bar).map(|(start, took)| start + took).fold(took, f64::max);
    let started_by = switch.stages.iter().find(|stage| stage.stage.as_str() == view.sequence.as_str());
    Timeline {
        sequence: view.sequence,
        told: told(view, limit_ms),
        started_by: said(started_by.map_or("", |stage| stage.started_by), REASON),
        // A limit far beyond what it took would make every bar a dot.
        spans_ms: limit_ms
            .filter(|limit| *limit <= 4.0 * last)
            .map_or(last, |limit| last.max(1.05 * limit))
            .max(1.0),
        limit_ms,
        steps,
    }
}

fn told(view: &SequenceView<'_>, limit_ms: Option<f64>) -> String {
    let (done, all) = (view.done(), view.steps.len());
    let Some(began) = view.began else { return "Not begun.".to_owned() };
    let took = lasting_ms(view.duration_ms as f64);
    let ended = if view.ended.is_some() { "took" } else { "has no end; its last entry came after" };
    let limit = limit_ms.map_or(String::new(), |limit| {
        let (within, limit_text) = (view.duration_ms as f64 <= limit, lasting_ms(limit));
        match within {
            true => format!(", within its limit of {limit_text}"),
            false => format!(", LONGER than its limit of {limit_text}"),
        }
    });
    format!("{done} of {all} steps done. It began at {} and {ended} {took}{limit}.", moment(began))
}

fn step(view: &CommandView<'_>, sequence_began: Option<Stamp>) -> Step {
    let state = match (view.began, view.ended) {
        (_, Some(ended)) => match ended.status {
            StepStatus::Ok => StepState::Done,
            StepStatus::SimulatedOk => StepState::Simulated,
            StepStatus::Failed => StepState::Failed,
        },
        (Some(_), None) => StepState::CutOff,
        (None, None) => StepState::NotRun,
    };
    let after = |began: Stamp| sequence_began.map_or(0.0, |first| began.since(first).as_secs_f64() * 1e3);
    let ended = view.ended;
    let detail = ended.map_or("", |ended| ended.detail.as_str());
    Step {
        number: view.planned.number,
        name: said(&view.planned.name, VALUE),
        state,
        bar: view.began.map(|began| (after(began), view.duration_ms)).filter(|(_, took)| took.is_finite()),
        began: view.began.map_or_else(String::new, |began| format!("+{}", lasting_ms(after(began)))),
        took: ended.map_or_else(String::new, |_| lasting_ms(view.duration_ms)),
        limit: lasting_ms(view.planned.timeout_ms),
        exit_code: ended.map(|ended| ended.exit_code).filter(|_| state != StepState::Simulated),
        detail: match view.runs {
            0 | 1 => said(detail, REASON),
            runs => said(format!("run {runs} times; {detail}"), REASON),
        },
    }
}

/// The head and tail of what a failed step printed.
pub(super) fn printed(view: &CommandView<'_>) -> Vec<Said> {
    view.ended.map_or_else(Vec::new, |ended| output(&ended.excerpt))
}

fn marks(switch: &SwitchView<'_>) -> Vec<Mark> {
    let Some((started, marks)) = switch.marks else { return Vec::new() };
    let mark = |mark: &SwitchMark| {
        let judged = crate::model::switch::judge_mark(started, mark);
        let within = lasting_ms(mark.within_ms);
        let seen = match mark.at {
            Some(at) if at < started => {
                format!("{} before the new core's start", lasting_ms(between(at, started)))
            }
            Some(at) => format!(
                "{} after the new core's start, of at most {within}",
                lasting_ms(between(started, at))
            ),
            None => format!("not seen within {within} of the new core's start"),
        };
        Mark { name: said(&mark.name, VALUE), seen, good: judged.is_ok() }
    };
    marks.iter().map(mark).collect()
}

fn between(from: Stamp, to: Stamp) -> f64 {
    to.since(from).as_secs_f64() * 1e3
}

fn notes(run: &RunView<'_>, switch: &SwitchView<'_>) -> Vec<(&'static str, Said)> {
    let alarms = switch.alarms.iter().map(|text| ("alarm", said(text, REASON)));
    let warnings = switch.warnings.iter().map(|text| ("warning", said(text, REASON)));
    let resumed = switch.resumed.iter().map(|resumed| {
        let unknown = resumed.unknown.as_ref().map_or(String::new(), |step| format!("; {step} was cut off"));
        ("resumed", said(format!("to {}, from {}{unknown}", resumed.choice, resumed.next), REASON))
    });
    let interrupted = run.interrupted.map(|by| ("interrupted", said(format!("by {by}"), REASON)));
    alarms.chain(interrupted).chain(resumed).chain(warnings).collect()
}
