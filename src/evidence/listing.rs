//! The steps of an init or a bootstrap as its evidence lists them: up to the first that failed, which it names.

use super::env::Env;
use super::view::{GateView, RunView, StepView};
use crate::model::Verdict;
use crate::model::event::{PlannedStep, StepStatus};

/// What stands in place of a failed step where a run ended between two steps.
pub(super) const INTERRUPTED: &str = "interrupted";

/// Steps in order, with what made the listing end early.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub steps: Vec<Step>,
    /// The failed step's name, or [`INTERRUPTED`].
    pub failed: Option<String>,
}

/// One step of a listing.
#[derive(Debug)]
pub(super) struct Step {
    pub name: String,
    pub status: StepStatus,
    pub duration_ms: f64,
    /// Only a cutover's and a rollback's steps have one.
    pub exit_code: Option<i32>,
    pub command: String,
    pub detail: String,
}

impl Step {
    /// A step that did not happen, for this reason.
    pub fn failed(name: &str, command: &str, detail: &str) -> Step {
        Step {
            name: name.to_owned(),
            status: StepStatus::Failed,
            duration_ms: 0.0,
            exit_code: None,
            command: command.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// A step of a dry run.
    pub fn simulated(name: &str, command: &str) -> Step {
        Step { status: StepStatus::SimulatedOk, ..Step::failed(name, command, "") }
    }
}

impl Listing {
    /// Whether every step is there and none failed.
    pub fn success(&self) -> bool {
        self.failed.is_none() && !self.steps.is_empty()
    }

    /// Adds a step; gives false where it failed, and then none may follow.
    pub fn push(&mut self, step: Step) -> bool {
        let good = step.status != StepStatus::Failed;
        if !good {
            self.failed = Some(step.name.clone());
        }
        self.steps.push(step);
        good
    }

    /// Why it failed, in one line; empty where it did not.
    pub fn reason(&self) -> &str {
        match (&self.failed, self.steps.last()) {
            (Some(_), Some(step)) if step.status == StepStatus::Failed => &step.detail,
            (Some(_), _) => "the run ended before all steps were taken and recorded",
            (None, _) => "",
        }
    }

    /// Writes `STEP_n_…` behind the file's own keys.
    pub fn write_steps(&self, env: &mut Env) {
        for (n, step) in self.numbered() {
            env.set(format!("STEP_{n}_NAME"), &step.name);
            env.set(format!("STEP_{n}_STATUS"), step.status.as_str());
            env.set(format!("STEP_{n}_DURATION_MS"), whole_millis(step.duration_ms));
            if let Some(code) = step.exit_code {
                env.set(format!("STEP_{n}_EXIT_CODE"), code);
            }
            env.set(format!("STEP_{n}_COMMAND"), &step.command);
        }
    }

    /// Writes what was found in each step; these keys stand behind all others.
    pub fn write_details(&self, env: &mut Env) {
        for (n, step) in self.numbered().filter(|(_, step)| !step.detail.is_empty()) {
            env.set(format!("STEP_{n}_DETAIL"), &step.detail);
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Step)> {
        self.steps.iter().enumerate().map(|(at, step)| (at + 1, step))
    }

    /// The steps of an init's gate. `first` names its first step, for a gate that announced none.
    pub fn of_gate(run: &RunView<'_>, gate: &GateView<'_>, first: &str) -> Listing {
        let mut listing = Listing::default();
        if !listing.take_steps(run, gate) {
            return listing;
        }
        let passed = gate.verdict == Verdict::Passed || simulated(run, gate);
        match listing.steps.last_mut() {
            _ if gate.ended.is_none() => listing.failed = Some(INTERRUPTED.to_owned()),
            Some(_) if passed => {
                // True of this init, but a run without an end vouches for nothing.
                listing.failed = run.ended.is_none().then(|| INTERRUPTED.to_owned());
            }
            // All steps were taken, and what they led to is not what the gate expects.
            Some(last) => {
                (last.status, last.detail) = (StepStatus::Failed, gate.reason.clone().into_owned());
                listing.failed = Some(last.name.clone());
            }
            None => {
                let reason = if passed { "no step of it is on record" } else { &*gate.reason };
                listing.push(Step::failed(first, "", reason));
            }
        }
        listing
    }

    /// Lists announced steps, then any others on record; gives false where the listing ended early.
    fn take_steps(&mut self, run: &RunView<'_>, gate: &GateView<'_>) -> bool {
        let announced = (1u32..).zip(gate.planned);
        let others = gate.steps.iter().filter(|(number, _)| **number as usize > gate.planned.len());
        announced
            .map(|(number, planned)| (gate.steps.get(&number), Some(planned)))
            .chain(others.map(|(_, step)| (Some(step), None)))
            .all(|(step, planned)| match (step, planned) {
                (Some(step), _) => self.push(recorded(run, gate, step)),
                (None, Some(planned)) if simulated(run, gate) => {
                    self.push(Step::simulated(&planned.name, &planned.command))
                }
                (None, Some(_)) if gate.ended.is_none() => {
                    self.failed = Some(INTERRUPTED.to_owned());
                    false
                }
                (None, Some(planned)) => {
                    self.push(Step::failed(&planned.name, &planned.command, untaken(gate)))
                }
                (None, None) => true,
            })
    }
}

/// Whether a gate did what it should in a dry run: nothing.
fn simulated(run: &RunView<'_>, gate: &GateView<'_>) -> bool {
    run.started.dry_run && gate.ended.is_some() && matches!(gate.verdict, Verdict::Passed | Verdict::Skipped)
}

fn untaken<'a>(gate: &'a GateView<'_>) -> &'a str {
    if gate.verdict == Verdict::Passed {
        "the gate passed, and this step is not on record"
    } else {
        &gate.reason
    }
}

/// A step on record. One that began and has no end failed, as did one that says the opposite of what the run is: a
/// step that was taken in a dry run, or simulated in a real one.
fn recorded(run: &RunView<'_>, gate: &GateView<'_>, step: &StepView<'_>) -> Step {
    let command = |planned: &&PlannedStep| planned.name == step.name;
    let command = gate.planned.iter().find(command).map_or("", |planned| planned.command.as_str());
    let Some(ended) = step.ended else {
        let cut_off = "it began and has no end: the run was cut off while it ran";
        let detail = if gate.ended.is_some() { &*gate.reason } else { cut_off };
        return Step::failed(step.name, command, detail);
    };
    let (status, detail) = match (ended.status, run.started.dry_run) {
        (StepStatus::Ok, true) => {
            (StepStatus::Failed, "it was taken, though the run is a dry one".to_owned())
        }
        (StepStatus::SimulatedOk, false) => {
            (StepStatus::Failed, "it was only simulated, though the run is no dry one".to_owned())
        }
        (status, _) => (status, ended.detail.clone()),
    };
    let command = if ended.command.is_empty() { command } else { &ended.command };
    let (name, command, duration_ms) = (step.name.to_owned(), command.to_owned(), ended.duration_ms);
    Step { name, status, duration_ms, exit_code: None, command, detail }
}

/// Whole milliseconds, cut off and not rounded, so that steps never add up to more than the whole.
fn whole_millis(millis: f64) -> u64 {
    // A cast saturates, and takes what is no number for 0.
    millis as u64
}
