//! The rule that says what a run is worth. The runner's exit code and every file go by this one.

use super::against::{self, Against};
use super::readiness::slis;
use super::view::{GateView, RunView};
use crate::journal::End;
use crate::model::Verdict;
use crate::model::readiness::SliSource;
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
    /// Every required gate of the plan passed, and every service level is healthy where the run measures readiness.
    Passed,
    /// Every required gate of a selection passed. That signs nothing off.
    Partial,
    /// A dry run: the plan is sound, and nothing was touched or measured. That signs nothing off.
    Simulated,
    /// A required gate did not pass, a service level is not healthy, or there was nothing to judge.
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
#[derive(Debug, Clone)]
pub enum Reason<'a> {
    /// The journal has no end.
    NoEnd(End),
    /// It was told to end early, by this.
    Interrupted(&'a str),
    /// There was no gate to run.
    NoGates,
    /// A required gate did not pass.
    Gate(&'a GateView<'a>),
    /// A required gate of another shard did not pass where this one needs it.
    SetUp(&'a GateView<'a>),
    /// A required gate passed only after another attempt, in a run for which that counts.
    Flaky(&'a GateView<'a>),
    /// A service level is not healthy: which, what was seen and expected, and where the value came from.
    Unhealthy(String),
    /// Readiness was to be judged, by no service level.
    NoLevels,
    /// The watch is not what it should be.
    Watch(&'a str),
    /// The rehearsed cutover did not end as it must.
    Rehearsed(&'a str),
    /// Something of a cutover or a rollback is not as it must be.
    Switch(Against<'a>),
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
            Reason::Gate(view) | Reason::SetUp(view) => {
                let (gate, verdict) = (view.gate, view.verdict);
                let what = if matches!(self, Reason::SetUp(_)) { "set-up " } else { "" };
                write!(
                    f,
                    "{what}{} {verdict}: {} ({}:{})",
                    gate.case(),
                    view.reason,
                    gate.at.file,
                    gate.at.line
                )
            }
            Reason::Flaky(view) => {
                let (gate, attempts) = (view.gate, view.attempts());
                write!(f, "{} passed only at attempt {attempts}", gate.case())?;
                if let Some(before) = view.given_up().last() {
                    write!(f, "; {before}")?;
                }
                write!(f, " ({}:{})", gate.at.file, gate.at.line)
            }
            Reason::Unhealthy(told) => f.write_str(told),
            Reason::NoLevels => f.write_str("no service level was judged, and that proves nothing"),
            Reason::Rehearsed(why) => write!(f, "the rehearsed cutover: {why}"),
            Reason::Watch(why) => f.write_str(why),
            Reason::Switch(against) => against.fmt(f),
            Reason::EndedAs(verdict) => {
                write!(f, "the run ended as {verdict}, though nothing on record stands against it")
            }
        }
    }
}

/// Judges a run: it passed only if it ended in order, was not interrupted, had a gate, every required gate passed, and
/// every service level is healthy where readiness is measured. A required gate that was skipped has not passed; only
/// in a dry run is skipping what should happen. One that passed only after another attempt counts against a run that
/// was made with `--fail-on-flaky`. Gates that are not required, and those that a selection left out, don't
/// count. A shard may have no gate: it is partial, and what is joined from all shards must have one. A run that judges readiness, is a cutover or has a watch needs no gate. Of a cutover all steps went well, no
/// stage is red, and it was not rolled back but for a drill, which went well too.
pub fn verdict<'a>(run: &'a RunView<'a>) -> RunVerdict<'a> {
    let mut reasons = Vec::new();
    if run.end != End::Finished || run.ended.is_none() {
        reasons.push(Reason::NoEnd(run.end));
    }
    reasons.extend(run.interrupted.map(Reason::Interrupted));
    let started = run.started;
    let judges_more = started.readiness.is_some() || started.switch.is_some() || started.watch.is_some();
    if !judges_more && started.partition.is_none() && run.selected().next().is_none() {
        reasons.push(Reason::NoGates);
    }
    let dry = started.dry_run;
    let stands = |gate: &&GateView<'_>| gate.gate.required && !fine(gate.verdict, dry);
    reasons.extend(run.selected().filter(stands).map(Reason::Gate));
    reasons.extend(run.set_up().filter(stands).map(Reason::SetUp));
    if started.fail_on_flaky {
        reasons.extend(flaky(run).map(Reason::Flaky));
    }
    reasons.extend(unhealthy(run));
    reasons.extend(rehearsed(run).map(Reason::Rehearsed));
    reasons.extend(run.watch.as_ref().and_then(|watch| watch.against(run.started)).map(Reason::Watch));
    if let Some(switch) = &run.switch {
        let of_switch = against::all(run, switch).into_iter();
        // That it was interrupted is said of the whole run.
        let of_it = of_switch.filter(|against| !matches!(against, Against::Interrupted(_)));
        reasons.extend(of_it.map(Reason::Switch));
    }
    // A cutover may have stages that it could not run, and said so.
    let may_skip = dry || run.switch.is_some();
    if let Some(end) = run.ended
        && reasons.is_empty()
        && !run.partial()
        && !fine(end.verdict, may_skip)
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

/// The required gates of a run that passed only after another attempt. Where the run was made with `--fail-on-flaky`
/// they stand against it; whoever judges it may ask for that too.
pub fn flaky<'a>(run: &'a RunView<'a>) -> impl Iterator<Item = &'a GateView<'a>> {
    run.selected().filter(|gate| gate.gate.required && gate.is_flaky())
}

/// What stands against a run's readiness. In a dry run nothing is measured, and that is what should happen.
fn unhealthy<'a>(run: &RunView<'_>) -> Vec<Reason<'a>> {
    let slis = slis(run);
    if run.started.readiness.is_some() && slis.is_empty() {
        return vec![Reason::NoLevels];
    }
    let dry = run.started.dry_run;
    let stands = slis.iter().filter(|sli| !sli.healthy);
    let stands = stands.filter(|sli| !(dry && matches!(sli.plan.from, SliSource::Measured { .. })));
    stands.map(|sli| Reason::Unhealthy(sli.told())).collect()
}

/// What stands against the cutover of a rehearsal that was to have one.
fn rehearsed<'a>(run: &RunView<'a>) -> Option<&'a str> {
    match run.rehearsed {
        Some((Verdict::Passed, _)) => None,
        Some((_, "")) => Some("the rehearsed cutover is not good, and nothing says why"),
        Some((_, reason)) => Some(reason),
        None => run.started.rehearses.then_some("no cutover was rehearsed, though one was to be"),
    }
}

/// Whether this is what should come of a required gate, or of a run.
fn fine(verdict: Verdict, may_skip: bool) -> bool {
    verdict == Verdict::Passed || (may_skip && verdict == Verdict::Skipped)
}
