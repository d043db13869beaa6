//! Where a cutover or rollback stands, as its journal tells it, and what may come next. Pure.

use crate::journal::{End, Records};
use crate::model::event::{RunStarted, StepStatus};
use crate::model::switch::{Resumed, Sequence, Stage, SwitchPlan, SwitchStep};
use crate::model::{Event, RunId, Stamp, Verdict};
use std::fmt;

/// Where a run begins, or goes on. Steps count from 0; a number behind the last means that all of them are done, and
/// what comes after them is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its beginning, with the preflight.
    Start,
    /// With this step of the cutover; behind the last: with the switch gate.
    Cutover(usize),
    /// With this step of the rollback; behind the last: with the readiness of the restored core.
    Rollback(usize),
}

/// What a person chooses for a run that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Back to the old core.
    Rollback,
    /// On to the new one.
    Continue,
}

impl Choice {
    /// The word for it in the journal; with two dashes, its flag.
    pub fn as_str(self) -> &'static str {
        match self {
            Choice::Rollback => "rollback",
            Choice::Continue => "continue",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The run.
    pub run: RunId,
    /// Its verb.
    pub verb: String,
    /// Its environment.
    pub environment: String,
    /// The machine on which it began.
    pub host: String,
    /// When it began.
    pub started: Stamp,
    /// When its last entry was written.
    pub last: Stamp,
    /// The stage that began and has no end.
    pub stage: Option<Stage>,
    /// The steps of the cutover; none where only the rollback was asked for.
    pub cutover: Vec<StepStanding>,
    /// The steps of the rollback.
    pub rollback: Vec<StepStanding>,
    /// When the rollback began, where it did: its limit counts from then, whoever runs it.
    pub rollback_began: Option<Stamp>,
    /// When the new core's start step began last: what the switch gate counts from.
    pub core_started: Option<Stamp>,
    /// Why there is no way on; none where there is one.
    pub no_way_on: Option<String>,
}

/// A step of a plan and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepStanding {
    /// Its name.
    pub name: String,
    /// Its command, with secrets masked.
    pub command: String,
    /// It leaves a server running.
    pub background: bool,
    /// What is known.
    pub state: StepState,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It was not begun.
    NotBegun,
    /// It began then and has no end: it may have done its work, a part of it, or nothing.
    Unknown(Stamp),
    /// It ended well.
    Done,
    /// It ended, and not well: with this exit code.
    Failed(i32),
}

/// Why a run does not go on, in one text that says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoWay(pub String);

/// The last step that a run began, where it began any for real. It was not undone by the run's end.
pub fn begun(records: &Records) -> Option<&str> {
    if matches!(&records.entries.first()?.event, Event::RunStarted(started) if started.dry_run) {
        return None;
    }
    records.entries.iter().rev().find_map(|record| match &record.event {
        Event::CommandStarted(step) => Some(step.name.as_str()),
        _ => None,
    })
}

impl Standing {
    /// Where the run stands whose journal this is.
    ///
    /// # Errors
    /// Where it is none that can go on: no cutover, a dry run, a part of another run, one that has ended.
    pub fn of(records: &Records) -> Result<Standing, NoWay> {
        let mut standing = planned(records)?;
        for record in &records.entries {
            standing.take(&record.event, record.at);
        }
        Ok(standing)
    }

    /// The step that began and has no end, with its sequence.
    pub fn unknown(&self) -> Option<(Sequence, &StepStanding)> {
        let cutover = self.cutover.iter().map(|step| (Sequence::Cutover, step));
        let mut steps = cutover.chain(self.rollback.iter().map(|step| (Sequence::Rollback, step)));
        steps.find(|(_, step)| matches!(step.state, StepState::Unknown(_)))
    }

    /// Where the run goes on for this choice.
    ///
    /// # Errors
    /// Where there is no such way, and why.
    pub fn start_at(&self, choice: Choice) -> Result<StartAt, NoWay> {
        if self.cutover.iter().chain(&self.rollback).all(|step| step.state == StepState::NotBegun) {
            return Err(NoWay(format!(
                "{} was killed before its first step, so nothing was touched: there is nothing to resume; begin anew",
                self.run
            )));
        }
        match (choice, &self.no_way_on) {
            (Choice::Continue, Some(why)) => {
                Err(NoWay(format!("{} can't be continued: {why}; choose --rollback", self.run)))
            }
            (Choice::Continue, None) => Ok(StartAt::Cutover(first_open(&self.cutover))),
            (Choice::Rollback, _) => Ok(StartAt::Rollback(first_open(&self.rollback))),
        }
    }

    /// The step with which a run goes on there; none where all steps are done.
    pub fn next(&self, at: StartAt) -> Option<&StepStanding> {
        match at {
            StartAt::Start => None,
            StartAt::Cutover(step) => self.cutover.get(step),
            StartAt::Rollback(step) => self.rollback.get(step),
        }
    }

    /// The entry that says that the run goes on.
    ///
    /// # Errors
    /// As [`Standing::start_at`].
    pub fn resumed(&self, choice: Choice, cut_off: u64, host: &str) -> Result<(StartAt, Resumed), NoWay> {
        let at = self.start_at(choice)?;
        let after = match at {
            StartAt::Start => Stage::Preflight,
            StartAt::Cutover(_) => Stage::SwitchGate,
            StartAt::Rollback(_) => Stage::RollbackReadiness,
        };
        let next = self.next(at).map_or(after.as_str(), |step| &step.name).to_owned();
        let unknown = self.unknown().map(|(_, step)| step.name.clone());
        let resumed = Resumed { choice: choice.to_string(), next, unknown, cut_off, host: host.to_owned() };
        Ok((at, resumed))
    }

    fn take(&mut self, event: &Event, at: Stamp) {
        match event {
            Event::StageStarted { stage, .. } => self.begin(*stage, at),
            Event::StageEnded { stage, verdict, reason, .. } => self.end(*stage, *verdict, reason),
            Event::CommandStarted(step) => {
                if step.sequence == Sequence::Rollback {
                    self.begin(Stage::Rollback, at);
                } else if step.name == NEW_CORE {
                    self.core_started = Some(at);
                }
                self.set(step.sequence, step.number, StepState::Unknown(at));
            }
            Event::CommandEnded(step) if step.status == StepStatus::Failed => {
                self.set(step.sequence, step.number, StepState::Failed(step.exit_code));
                self.block(format!("its step {} failed with exit code {}", step.name, step.exit_code));
            }
            Event::CommandEnded(step) => self.set(step.sequence, step.number, StepState::Done),
            Event::WatchEnded(watch) => {
                if let Some(why) = &watch.rollback {
                    self.block(format!("the watch calls for a rollback: {why}"));
                }
            }
            Event::Interrupted { by } => self.block(format!("it was interrupted by {by}")),
            // A run that goes on is in none of the stages in which it was cut off.
            Event::Resumed(_) => self.stage = None,
            _ => {}
        }
    }

    fn begin(&mut self, stage: Stage, at: Stamp) {
        self.stage = Some(stage);
        if stage == Stage::Rollback {
            self.rollback_began.get_or_insert(at);
            self.block("its rollback has begun".to_owned());
        }
    }

    fn end(&mut self, stage: Stage, verdict: Verdict, reason: &str) {
        if self.stage == Some(stage) {
            self.stage = None;
        }
        if verdict > Verdict::Skipped {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            self.block(format!("its stage {stage} ended as {verdict}{why}"));
        }
    }

    /// The first reason stays: what follows is mostly its consequence.
    fn block(&mut self, why: String) {
        self.no_way_on.get_or_insert(why);
    }

    /// Steps count from 1 in the journal. A number that the plan does not have says nothing of a step of it.
    fn set(&mut self, sequence: Sequence, number: u32, state: StepState) {
        let steps = match sequence {
            Sequence::Cutover => &mut self.cutover,
            Sequence::Rollback => &mut self.rollback,
        };
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        if let Some(step) = place.and_then(|place| steps.get_mut(place)) {
            step.state = state;
        }
    }
}

/// The step after which a switch gate counts.
const NEW_CORE: &str = "start_new_core_engine";

/// The first step that is not known to be done: one that began and has no end, or failed, is taken again.
fn first_open(steps: &[StepStanding]) -> usize {
    steps.iter().position(|step| step.state != StepState::Done).unwrap_or(steps.len())
}

/// A run of which nothing is known but its plan.
fn planned(records: &Records) -> Result<Standing, NoWay> {
    let (started, last) = match (records.entries.first(), records.entries.last()) {
        (Some(first), Some(last)) => match &first.event {
            Event::RunStarted(started) => (started, last.at),
            _ => return Err(NoWay("the journal does not begin with a run's start".to_owned())),
        },
        _ => return Err(NoWay("the journal has no entry: the run was killed before it began".to_owned())),
    };
    let plan = may_go_on(started, records.end)?;
    let steps = |steps: &[SwitchStep]| steps.iter().map(step).collect::<Vec<_>>();
    Ok(Standing {
        run: started.run.clone(),
        verb: started.verb.clone(),
        environment: started.environment.clone(),
        host: started.host.clone(),
        started: started.started,
        last,
        stage: None,
        cutover: plan.cutover.as_ref().map(|plan| steps(&plan.steps)).unwrap_or_default(),
        rollback: steps(&plan.rollback.steps),
        rollback_began: None,
        core_started: None,
        no_way_on: plan.cutover.is_none().then(|| "it is a rollback".to_owned()),
    })
}

fn may_go_on(started: &RunStarted, end: End) -> Result<&SwitchPlan, NoWay> {
    let RunStarted { run, verb, .. } = started;
    let no = |why: String| Err(NoWay(format!("{run} can't be resumed: {why}")));
    let Some(plan) = started.switch.as_deref().filter(|_| matches!(verb.as_str(), "cutover" | "rollback"))
    else {
        return no(format!("expected a cutover or a rollback, and it is a run of `{verb}`; begin that anew"));
    };
    if let Some(parent) = &started.parent {
        return no(format!("it is a part of {parent}, and what that had started ended with it"));
    }
    if started.dry_run {
        return no("it is a dry run, which touches nothing; begin it anew".to_owned());
    }
    if end == End::Finished {
        return no("it has ended; `cutproof status` shows how, and `cutproof rollback` goes back".to_owned());
    }
    Ok(plan)
}

fn step(step: &SwitchStep) -> StepStanding {
    let SwitchStep { name, command, background, .. } = step.clone();
    StepStanding { name, command, background, state: StepState::NotBegun }
}
