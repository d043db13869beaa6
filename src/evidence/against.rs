//! What stands against a cutover or a rollback. The run's verdict, the two `.env` files and the reports all go by
//! this: a file can't say of itself what another one denies.

use super::switch::{CommandView, SequenceView, StageView, SwitchView};
use super::view::RunView;
use crate::model::Verdict;
use crate::model::switch::{Sequence, Stage};
use std::fmt;

/// One thing that stands against it.
#[derive(Debug, Clone, Copy)]
pub enum Against<'a> {
    /// A step failed, or began and has no end.
    Step(Sequence, &'a CommandView<'a>),
    /// A sequence ended before all of its steps were taken.
    Incomplete(&'a SequenceView<'a>),
    /// A stage did not pass, or was not run though it must be.
    Stage(&'a StageView<'a>),
    /// The run was told to end early, by this, before all was done.
    Interrupted(&'a str),
    /// The old core was brought back, and not for a drill.
    RolledBack(&'a StageView<'a>),
    /// The rollback took longer than it may.
    Limit {
        /// How long it took, in whole milliseconds.
        took_ms: u64,
        /// How long it may take.
        limit_ms: u64,
    },
    /// A drill was asked for and not made.
    NoDrill,
}

impl Against<'_> {
    /// Whether a case of its own shows it as red.
    pub(super) fn is_red(&self) -> bool {
        match self {
            Against::Step(..) | Against::Limit { .. } => true,
            Against::Stage(stage) => stage.verdict > Verdict::Skipped,
            _ => false,
        }
    }
}

impl fmt::Display for Against<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Against::Step(sequence, step) => {
                let (planned, at) = (step.planned, &step.planned.at);
                write!(f, "{sequence} step {} {}: {}", planned.number, planned.name, step_fault(step))?;
                write!(f, " ({}:{})", at.file, at.line)
            }
            Against::Incomplete(sequence) => {
                let (done, all, name) = (sequence.done(), sequence.steps.len(), sequence.sequence);
                write!(f, "{name}: {done} of {all} steps were taken and recorded")
            }
            Against::Stage(stage) => write!(f, "{} {}: {}", stage.stage, stage.verdict, stage.reason),
            Against::Interrupted(by) => write!(f, "interrupted by {by}"),
            Against::RolledBack(stage) if stage.started_by.is_empty() => f.write_str("it was rolled back"),
            Against::RolledBack(stage) => write!(f, "it was rolled back: {}", stage.started_by),
            Against::Limit { took_ms, limit_ms } => {
                write!(
                    f,
                    "the rollback took {} s, expected at most {} s",
                    Seconds(*took_ms),
                    Seconds(*limit_ms)
                )
            }
            Against::NoDrill => f.write_str("a rollback drill was asked for, and not made"),
        }
    }
}

/// How a step failed, in one line.
pub(super) fn step_fault(step: &CommandView<'_>) -> String {
    match step.ended {
        None => CUT_OFF.to_owned(),
        Some(ended) if ended.detail.is_empty() => format!("exit code {}", ended.exit_code),
        Some(ended) => format!("exit code {}: {}", ended.exit_code, ended.detail),
    }
}

/// What is said of a step that has no end.
pub(super) const CUT_OFF: &str =
    "it began and has no end: it still runs, or was cut off and may have done its work or not";

/// Milliseconds as seconds with three decimals.
pub(super) struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// The rollback's limit in whole milliseconds. What is below a millisecond is cut off: durations are whole, so that
/// changes no judgement.
pub(super) fn limit_ms(switch: &SwitchView<'_>) -> u64 {
    // A cast saturates. Microseconds first: 0.29 s are 290 ms, also where a float is slightly less.
    (switch.plan.rollback.limit_ms * 1e3).round() as u64 / 1000
}

/// What stands against the cutover, the cause before its consequences; nothing where there was none to make.
pub(super) fn of_cutover<'a>(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Vec<Against<'a>> {
    let mut found = Vec::new();
    if switch.plan.cutover.is_none() {
        return found;
    }
    let preflight = switch.stage(Stage::Preflight);
    found.extend(red(preflight).or_else(|| untold(run, switch, preflight)).map(Against::Stage));
    of_sequence(&switch.cutover, switch.stage(Stage::Cutover), &mut found);
    for stage in AFTER.map(|stage| switch.stage(stage)) {
        let missing = || untold(run, switch, stage).filter(|_| found.is_empty());
        let stands = red(stage).or_else(missing);
        found.extend(stands.map(Against::Stage));
    }
    let unsure = || AFTER.iter().any(|stage| switch.stage(*stage).verdict != Verdict::Passed);
    if let Some(by) = run.interrupted
        && (switch.rollback.began.is_none() || unsure())
    {
        found.push(Against::Interrupted(by));
    }
    let drill = switch.plan.force_rollback && !switch.rolled_back_by_hand && found.is_empty();
    if switch.rollback.began.is_some() && !drill {
        found.push(Against::RolledBack(switch.stage(Stage::Rollback)));
    }
    found
}

/// Whether the rollback was made of a cutover against which nothing stands.
pub(super) fn is_drill(run: &RunView<'_>, switch: &SwitchView<'_>) -> bool {
    switch.plan.cutover.is_some() && of_cutover(run, switch).is_empty()
}

/// The stages between the steps and the end.
const AFTER: [Stage; 3] = [Stage::SwitchGate, Stage::Readiness, Stage::Watch];

/// What stands against the rollback itself, where it was begun or must be.
pub(super) fn of_rollback<'a>(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Vec<Against<'a>> {
    let mut found = Vec::new();
    if !switch.triggered() {
        let drill = switch.plan.force_rollback && of_cutover(run, switch).is_empty();
        found.extend(drill.then_some(Against::NoDrill));
        return found;
    }
    // A rollback that was made in spite of its preflight was made.
    found.extend(preflight_alone(run, switch).filter(|_| !switch.rollback.is_complete()));
    of_sequence(&switch.rollback, switch.stage(Stage::Rollback), &mut found);
    let (took_ms, limit_ms) = (switch.rollback.duration_ms, limit_ms(switch));
    if took_ms > limit_ms {
        // The stage is red for that, and says no more.
        found.retain(|against| !matches!(against, Against::Stage(stage) if stage.stage == Stage::Rollback));
        found.push(Against::Limit { took_ms, limit_ms });
    }
    found
}

/// What stands against the preflight of a rollback on its own.
fn preflight_alone<'a>(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Option<Against<'a>> {
    let preflight = switch.stage(Stage::Preflight);
    let stands = red(preflight).or_else(|| untold(run, switch, preflight));
    stands.filter(|_| switch.plan.cutover.is_none()).map(Against::Stage)
}

/// What stands against the core that was restored. It makes the rollback's seven steps no worse, and the run red.
pub(super) fn of_restored<'a>(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Option<Against<'a>> {
    let stage = switch.stage(Stage::RollbackReadiness);
    let missing = || untold(run, switch, stage).filter(|_| switch.rollback.is_complete());
    red(stage).or_else(missing).map(Against::Stage)
}

/// Everything, in the order in which it happened, and each thing once.
pub(super) fn all<'a>(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Vec<Against<'a>> {
    let mut found = of_cutover(run, switch);
    found.extend(preflight_alone(run, switch).filter(|_| switch.rollback.is_complete()));
    found.extend(of_rollback(run, switch));
    found.extend(of_restored(run, switch));
    found
}

fn of_sequence<'a>(sequence: &'a SequenceView<'a>, stage: &'a StageView<'a>, found: &mut Vec<Against<'a>>) {
    if let Some(step) = sequence.broken() {
        found.push(Against::Step(sequence.sequence, step));
    } else if let Some(stage) = red(stage).filter(|_| sequence.is_complete()) {
        found.push(Against::Stage(stage));
    } else if !sequence.is_complete() && found.is_empty() {
        found.push(Against::Incomplete(sequence));
    }
}

fn red<'a>(stage: &'a StageView<'a>) -> Option<&'a StageView<'a>> {
    Some(stage).filter(|stage| stage.verdict > Verdict::Skipped)
}

/// A stage that a real run, which has ended, did not run: though the plan has what it needs and nothing says why, or
/// though it is the watch and one was planned.
fn untold<'a>(
    run: &RunView<'_>,
    switch: &SwitchView<'_>,
    stage: &'a StageView<'a>,
) -> Option<&'a StageView<'a>> {
    let planned = stage.stage == Stage::Watch && run.started.watch.is_some();
    let silent = switch.plan.profile && !stage.told;
    let real = run.ended.is_some() && !run.started.dry_run;
    Some(stage).filter(|stage| stage.verdict == Verdict::Skipped && real && (planned || silent))
}
