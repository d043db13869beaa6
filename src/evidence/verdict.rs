//! The rule that says what a run is worth. The runner's exit code and every file go by this one.

use super::view::{GateView, RunView};
use crate::journal::End;
use crate::model::Verdict;
use serde::Serialize;
use std::fmt;

/// What a run is worth, and why it is not worth more.
#[derive(Debug)]
pub struct RunVerdict<'a> {
    /// What it is worth.
    pub verdict: Outcome,
    /// What stands against it; empty where nothing does.
    pub reasons: Vec<Reason<'a>>,
}

/// What a run is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every required gate of the plan passed.
    Passed,
    /// Every required gate of a selection passed. That signs nothing off.
    Partial,
    /// A dry run: the plan is sound, and nothing was touched or measured. That signs nothing off.
    Simulated,
    /// A required gate did not pass, or there was none.
    Failed,
    /// It was told to end early.
    Interrupted,
    /// Its journal has no end: it was killed, could not write any more, or still runs.
    Unfinished,
}

impl Outcome {
    /// The word for it in every file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Partial => "partial",
            Outcome::Simulated => "simulated",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::Unfinished => "unfinished",
        }
    }

    /// Whether nothing stands against the run: the exit code is 0.
    pub fn is_fine(self) -> bool {
        matches!(self, Outcome::Passed | Outcome::Partial | Outcome::Simulated)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What stands against a run.
#[derive(Debug, Clone, Copy)]
pub enum Reason<'a> {
    /// The journal has no end.
    NoEnd(End),
    /// It was told to end early, by this.
    Interrupted(&'a str),
    /// There was no gate to run.
    NoGates,
    /// A required gate did not pass.
    Gate(&'a GateView<'a>),
    /// All gates that are recorded passed, and yet the runner ended the run with another verdict.
    EndedAs(Verdict),
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoEnd(End::Cut { .. }) => {
                f.write_str("the journal ends in the middle of an entry: the run was killed while it wrote")
            }
            Reason::NoEnd(_) => f.write_str("the journal has no end: the run was killed or still runs"),
            Reason::Interrupted(by) => write!(f, "interrupted by {by}"),
            Reason::NoGates => f.write_str("no gate was run, and that proves nothing"),
            Reason::Gate(view) => {
                let (gate, verdict) = (view.gate, view.verdict);
                write!(f, "{} {verdict}: {} ({}:{})", gate.case(), view.reason, gate.at.file, gate.at.line)
            }
            Reason::EndedAs(verdict) => {
                write!(f, "the run ended as {verdict}, though all required gates on record passed")
            }
        }
    }
}

/// Judges a run: it passed only if it ended in order, was not interrupted, had a gate, and every required gate
/// passed. A required gate that was skipped has not passed; only in a dry run is skipping what should happen. Gates
/// that are not required, and those that a selection left out, don't count.
pub fn verdict<'a>(run: &'a RunView<'a>) -> RunVerdict<'a> {
    let mut reasons = Vec::new();
    if run.end != End::Finished || run.ended.is_none() {
        reasons.push(Reason::NoEnd(run.end));
    }
    reasons.extend(run.interrupted.map(Reason::Interrupted));
    if run.selected().next().is_none() {
        reasons.push(Reason::NoGates);
    }
    let dry = run.started.dry_run;
    let stands = |gate: &&GateView<'_>| gate.gate.required && !fine(gate.verdict, dry);
    reasons.extend(run.selected().filter(stands).map(Reason::Gate));
    if let Some(end) = run.ended
        && reasons.is_empty()
        && !run.partial()
        && !fine(end.verdict, dry)
    {
        reasons.push(Reason::EndedAs(end.verdict));
    }
    let verdict = match reasons.first() {
        Some(Reason::NoEnd(_)) => Outcome::Unfinished,
        Some(Reason::Interrupted(_)) => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None if dry => Outcome::Simulated,
        None if run.partial() => Outcome::Partial,
        None => Outcome::Passed,
    };
    RunVerdict { verdict, reasons }
}

/// Whether this is what should come of a required gate.
fn fine(verdict: Verdict, dry: bool) -> bool {
    verdict == Verdict::Passed || (dry && verdict == Verdict::Skipped)
}
