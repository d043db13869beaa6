//! What a journal's entries say about a cutover and its rollback: stages, steps, and what was told beside them. It
//! judges nothing but whether the entries fit each other. A step ends only where it began, follows the one before it,
//! and never follows one that failed, unless a person resumed the run in between.

use super::proof;
use crate::journal::Record;
use crate::model::event::StepStatus;
use crate::model::switch::{
    ChildRun, CommandEnded, Resumed, Sequence, Stage, SwitchMark, SwitchPlan, SwitchStep,
};
use crate::model::watch::WatchVerdict;
use crate::model::{Event, Stamp, Verdict};
use std::borrow::Cow;

/// A cutover, or a rollback on its own, as its journal tells it.
#[derive(Debug)]
pub struct SwitchView<'a> {
    /// What it set out to do.
    pub plan: &'a SwitchPlan,
    /// All stages in their order, those that were not run too.
    pub stages: Vec<StageView<'a>>,
    /// The way there; without steps where only the rollback was asked for.
    pub cutover: SequenceView<'a>,
    /// The way back.
    pub rollback: SequenceView<'a>,
    /// Runs within this one.
    pub children: Vec<&'a ChildRun>,
    /// What the switch gate saw last: the new core's start, and the marks.
    pub marks: Option<(Stamp, &'a [SwitchMark])>,
    /// What came of the watch.
    pub watch: Option<&'a WatchVerdict>,
    /// How many samples the watch took.
    pub samples: usize,
    /// Worth knowing, and stopped nothing.
    pub warnings: Vec<&'a str>,
    /// Limits that were passed while something went on.
    pub alarms: Vec<&'a str>,
    /// How often it was killed and went on, and how.
    pub resumed: Vec<&'a Resumed>,
    /// A person resumed the run to roll back, which was not going on then: that is no drill.
    pub(super) rolled_back_by_hand: bool,
    dry: bool,
    /// When the last entry was written. It never goes back: a run that is resumed has another clock.
    latest: Stamp,
    open_stage: Option<Stage>,
    open_step: Option<(Sequence, usize)>,
    /// The last stage that began since the run was resumed.
    reached: Option<Stage>,
}

/// A part of a cutover and what came of it.
#[derive(Debug)]
pub struct StageView<'a> {
    /// Which.
    pub stage: Stage,
    /// When it first began; none where it was not run.
    pub began: Option<Stamp>,
    /// When it ended, or was cut off and the run resumed.
    pub ended: Option<Stamp>,
    /// What it was started by, where that is told.
    pub started_by: &'a str,
    /// What came of it. One that began and has no end is an error, one that never began was skipped.
    pub verdict: Verdict,
    /// Why, in one line; empty for a plain pass.
    pub reason: Cow<'a, str>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Whether the journal says that it was not run.
    pub told: bool,
    said: Option<(Verdict, &'a str)>,
    again: bool,
}

/// A sequence of steps.
#[derive(Debug)]
pub struct SequenceView<'a> {
    /// Which.
    pub sequence: Sequence,
    /// All of its steps, in order.
    pub steps: Vec<CommandView<'a>>,
    /// When it began; none where it did not.
    pub began: Option<Stamp>,
    /// When it ended, or was cut off and the run went on with something else; none while it runs.
    pub ended: Option<Stamp>,
    /// How many milliseconds lie between the two, or to the last entry.
    pub duration_ms: u64,
    /// How many of the steps have begun.
    reached: usize,
    again: bool,
}

/// A step and what came of it.
#[derive(Debug)]
pub struct CommandView<'a> {
    /// The step as it was planned.
    pub planned: &'a SwitchStep,
    /// When it began, the last time that it did.
    pub began: Option<Stamp>,
    /// How it ended.
    pub ended: Option<&'a CommandEnded>,
    /// How often it began: more than once only in a run that was resumed.
    pub runs: u32,
    /// How many milliseconds it took: as it says, and never more than lie between the two entries.
    pub duration_ms: f64,
}

impl CommandView<'_> {
    /// Whether it did its work, or a dry run simulated it.
    pub fn is_done(&self) -> bool {
        self.ended.is_some_and(|ended| ended.status != StepStatus::Failed)
    }

    /// Whether it failed, or began and has no end.
    pub fn is_broken(&self) -> bool {
        self.began.is_some() && !self.is_done()
    }
}

impl<'a> SequenceView<'a> {
    fn planned(sequence: Sequence, steps: &'a [SwitchStep]) -> Result<SequenceView<'a>, String> {
        for (number, step) in (1..).zip(steps) {
            if step.number != number {
                return Err(format!("the {sequence}'s step {number} has the number {}", step.number));
            }
        }
        let step = |planned| CommandView { planned, began: None, ended: None, runs: 0, duration_ms: 0.0 };
        Ok(SequenceView {
            sequence,
            steps: steps.iter().map(step).collect(),
            began: None,
            ended: None,
            duration_ms: 0,
            reached: 0,
            again: false,
        })
    }

    /// Whether every step did its work.
    pub fn is_complete(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(CommandView::is_done)
    }

    /// The first step that failed, or that began and has no end.
    pub fn broken(&self) -> Option<&CommandView<'a>> {
        self.steps.iter().find(|step| step.is_broken())
    }

    /// How many steps did their work before the first that did not.
    pub fn done(&self) -> usize {
        self.steps.iter().take_while(|step| step.is_done()).count()
    }

    /// Which step this entry begins: the next one, or, in a run that was resumed, one that was begun before.
    fn begin(&mut self, number: u32, name: &str, at: Stamp) -> Result<usize, String> {
        let sequence = self.sequence;
        let place = self.find(number, name)?;
        let (next, before) = (self.reached, self.reached.checked_sub(1).map(|last| &self.steps[last]));
        match before {
            _ if self.again && place <= next => {}
            Some(before) if !before.is_done() => {
                let (before, failed) = (&before.planned.name, before.ended.is_some());
                let what = if failed { "failed" } else { "has no end" };
                return Err(format!("the {sequence}'s step {name} begins, and {before} before it {what}"));
            }
            _ if place == next => {}
            _ => {
                let expected = self.steps.get(next).map_or("none", |step| &step.planned.name);
                return Err(format!("the {sequence}'s step {name} begins, expected {expected}"));
            }
        }
        // What was done behind it before the run was killed is done again, or not at all.
        for step in &mut self.steps[place..] {
            (step.began, step.ended, step.duration_ms) = (None, None, 0.0);
        }
        let step = &mut self.steps[place];
        (step.began, step.runs) = (Some(at), step.runs + 1);
        (self.reached, self.again) = (place + 1, false);
        Ok(place)
    }

    fn find(&self, number: u32, name: &str) -> Result<usize, String> {
        let is_it = |step: &CommandView<'_>| step.planned.number == number && step.planned.name == name;
        let unknown = || format!("the {} has no step {number} {name}", self.sequence);
        self.steps.iter().position(is_it).ok_or_else(unknown)
    }

    /// Settles its times: one that has no end in a run that has ends with the run.
    fn conclude(&mut self, over: bool, latest: Stamp) {
        if let Some(began) = self.began {
            self.ended = self.ended.or(over.then_some(latest));
            self.duration_ms = between(began, self.ended.unwrap_or(latest));
        }
    }
}

impl<'a> StageView<'a> {
    fn of(stage: Stage) -> StageView<'a> {
        StageView {
            stage,
            began: None,
            ended: None,
            started_by: "",
            verdict: Verdict::Skipped,
            reason: Cow::Borrowed(""),
            duration_ms: 0.0,
            told: false,
            said: None,
            again: false,
        }
    }

    /// Whether it began and has no end.
    pub fn is_open(&self) -> bool {
        self.began.is_some() && self.said.is_none()
    }

    /// Settles the verdict, never for the better: what was not recorded did not pass. `doubt` is why one that is said
    /// to have passed has not.
    fn conclude(&mut self, over: bool, doubt: Option<String>) {
        let (verdict, reason) = match (self.said, doubt) {
            (Some((Verdict::Passed, _)), Some(doubt)) => {
                (Verdict::Error, Cow::Owned(format!("it is said to have passed, and {doubt}")))
            }
            (Some((verdict, reason)), _) => (verdict, Cow::Borrowed(reason)),
            (None, _) if self.began.is_some() => {
                (Verdict::Error, Cow::Borrowed("it began and has no end: the run was cut off while it ran"))
            }
            (None, _) if over => (Verdict::Skipped, Cow::Borrowed("not run, and nothing says why")),
            (None, _) => (Verdict::Skipped, Cow::Borrowed("not run: the run was cut off before")),
        };
        (self.verdict, self.reason) = (verdict, reason);
    }
}

impl<'a> SwitchView<'a> {
    /// A cutover of which only the plan is known.
    pub(super) fn planned(plan: &'a SwitchPlan, dry: bool, at: Stamp) -> Result<SwitchView<'a>, String> {
        let cutover = plan.cutover.as_ref().map_or(&[][..], |cutover| &cutover.steps);
        Ok(SwitchView {
            plan,
            stages: Stage::ALL.into_iter().map(StageView::of).collect(),
            cutover: SequenceView::planned(Sequence::Cutover, cutover)?,
            rollback: SequenceView::planned(Sequence::Rollback, &plan.rollback.steps)?,
            children: Vec::new(),
            marks: None,
            watch: None,
            samples: 0,
            warnings: Vec::new(),
            alarms: Vec::new(),
            resumed: Vec::new(),
            rolled_back_by_hand: false,
            dry,
            latest: at,
            open_stage: None,
            open_step: None,
            reached: None,
        })
    }

    /// A stage.
    pub fn stage(&self, stage: Stage) -> &StageView<'a> {
        &self.stages[stage as usize]
    }

    /// Whether the way back was begun; a rollback on its own is nothing else.
    pub fn triggered(&self) -> bool {
        self.rollback.began.is_some() || self.plan.cutover.is_none()
    }

    /// When the last entry was written, by a clock that does not go back.
    pub(super) fn latest(&self) -> Stamp {
        self.latest
    }

    /// The last run of a stage's gates.
    pub fn child(&self, stage: Stage) -> Option<&'a ChildRun> {
        self.children.iter().rev().find(|child| child.stage == Some(stage)).copied()
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// What is wrong, where it does not fit those before it.
    pub(super) fn take(&mut self, record: &'a Record) -> Result<(), String> {
        let before = self.latest;
        self.latest = before.max(record.at);
        match &record.event {
            Event::StageStarted { stage, reason } => self.begin_stage(*stage, reason)?,
            Event::StageEnded { stage, verdict, reason, duration_ms } => {
                self.end_stage(*stage, (*verdict, reason), *duration_ms)?;
            }
            Event::CommandStarted(step) => self.begin_step(step.sequence, step.number, &step.name)?,
            Event::CommandEnded(step) => self.end_step(step)?,
            Event::ChildRun(child) => self.children.push(child),
            Event::SwitchMarks { core_started, marks } => self.marks = Some((*core_started, marks)),
            Event::WatchSampled(_) => self.samples += 1,
            Event::WatchEnded(verdict) => self.watch = Some(verdict),
            Event::Warning { text } => self.warnings.push(text),
            Event::Alarm { text } => self.alarms.push(text),
            Event::Resumed(resumed) => self.resume(resumed, before),
            _ => {}
        }
        Ok(())
    }

    fn sequence(&mut self, sequence: Sequence) -> &mut SequenceView<'a> {
        match sequence {
            Sequence::Cutover => &mut self.cutover,
            Sequence::Rollback => &mut self.rollback,
        }
    }

    fn begin_stage(&mut self, stage: Stage, reason: &'a str) -> Result<(), String> {
        if let Some(open) = self.open_stage {
            return Err(format!("the stage {stage} begins, and {open} has not ended"));
        }
        let behind = if self.rollback.began.is_some() { Some(Stage::Watch) } else { None };
        if let Some(later) = behind.max(self.reached).filter(|later| *later >= stage) {
            return Err(format!("the stage {stage} begins behind {later}"));
        }
        let (at, view) = (self.latest, &mut self.stages[stage as usize]);
        if view.said.is_some() && !view.again {
            return Err(format!("the stage {stage} begins, and had ended already"));
        }
        if view.began.is_none() {
            (view.began, view.started_by) = (Some(at), reason);
        }
        (view.said, view.ended, view.again) = (None, None, false);
        match stage {
            Stage::SwitchGate => self.marks = None,
            Stage::Watch => (self.watch, self.samples) = (None, 0),
            _ => {}
        }
        (self.open_stage, self.reached) = (Some(stage), Some(stage));
        if let Some(sequence) = of_stage(stage) {
            let sequence = self.sequence(sequence);
            (sequence.began, sequence.ended) = (sequence.began.or(Some(at)), None);
        }
        Ok(())
    }

    fn end_stage(&mut self, stage: Stage, said: (Verdict, &'a str), duration_ms: f64) -> Result<(), String> {
        if self.open_stage != Some(stage) {
            return self.skip_stage(stage, said);
        }
        if let Some((sequence, place)) = self.open_step {
            let step = &self.sequence(sequence).steps[place].planned.name;
            return Err(format!("the stage {stage} ends, and its step {step} has not"));
        }
        let at = self.latest;
        let view = &mut self.stages[stage as usize];
        (view.said, view.ended, view.told) = (Some(said), Some(at), true);
        view.duration_ms += duration_ms;
        self.open_stage = None;
        if let Some(sequence) = of_stage(stage) {
            self.sequence(sequence).ended = Some(at);
        }
        Ok(())
    }

    /// A stage that was not run may be told of at any time. One that was, before the run was killed, stays what it is.
    fn skip_stage(&mut self, stage: Stage, said: (Verdict, &'a str)) -> Result<(), String> {
        let view = &mut self.stages[stage as usize];
        match (said.0, view.began, view.said) {
            (Verdict::Skipped, None, None) => (view.said, view.told) = (Some(said), true),
            (Verdict::Skipped, None, _) if view.again => (view.said, view.again) = (Some(said), false),
            (Verdict::Skipped, Some(_), _) if view.again => {}
            (_, _, Some(_)) => return Err(format!("the stage {stage} ends a second time")),
            (_, _, None) => return Err(format!("the stage {stage} ends, and had not begun")),
        }
        Ok(())
    }

    fn begin_step(&mut self, sequence: Sequence, number: u32, name: &str) -> Result<(), String> {
        let stage = stage_of(sequence);
        // A run that is resumed may go on without telling that the stage begins once more.
        if self.open_stage.is_none() && self.stages[stage as usize].again {
            self.begin_stage(stage, "resumed")?;
        }
        if self.open_stage != Some(stage) {
            return Err(format!("the {sequence}'s step {name} begins outside of its stage"));
        }
        let at = self.latest;
        let place = self.sequence(sequence).begin(number, name, at)?;
        self.open_step = Some((sequence, place));
        Ok(())
    }

    fn end_step(&mut self, ended: &'a CommandEnded) -> Result<(), String> {
        let (sequence, name) = (ended.sequence, &ended.name);
        // A dry run may tell of a step in one entry.
        if self.open_step.is_none() && ended.status == StepStatus::SimulatedOk && self.dry {
            self.begin_step(sequence, ended.number, name)?;
        }
        let place = self.sequence(sequence).find(ended.number, name)?;
        if self.open_step.take() != Some((sequence, place)) {
            return Err(format!("the {sequence}'s step {name} ends, and had not begun"));
        }
        let fault = match (ended.status, ended.exit_code) {
            (StepStatus::Failed, 0) => Some("failed"),
            (StepStatus::Ok | StepStatus::SimulatedOk, code) if code != 0 => Some("is said to be ok"),
            (StepStatus::Ok | StepStatus::Failed, _) if self.dry => Some("was run in a dry run"),
            (StepStatus::SimulatedOk, _) if !self.dry => Some("was simulated in a run that is not dry"),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(format!(
                "the {sequence}'s step {name} {fault}, with the exit code {}",
                ended.exit_code
            ));
        }
        let at = self.latest;
        let step = &mut self.sequence(sequence).steps[place];
        let most = between(step.began.unwrap_or(at), at) as f64;
        step.ended = Some(ended);
        step.duration_ms = if ended.duration_ms > 0.0 { ended.duration_ms.min(most) } else { 0.0 };
        Ok(())
    }

    /// What was open when the run was killed ended then, as far as anyone knows.
    fn resume(&mut self, resumed: &'a Resumed, killed: Stamp) {
        if let Some(stage) = self.open_stage.take() {
            self.stages[stage as usize].ended = Some(killed);
        }
        self.rolled_back_by_hand |= self.rollback.began.is_none() && resumed.choice == "rollback";
        self.open_step = None;
        self.reached = None;
        for sequence in [&mut self.cutover, &mut self.rollback] {
            sequence.again = true;
            if sequence.began.is_some() {
                sequence.ended = sequence.ended.or(Some(killed));
            }
        }
        self.stages.iter_mut().for_each(|stage| stage.again = true);
        self.resumed.push(resumed);
    }

    /// Settles what came of each stage, when all entries are known.
    pub(super) fn conclude(&mut self, over: bool) {
        self.cutover.conclude(over, self.latest);
        self.rollback.conclude(over, self.latest);
        for stage in Stage::ALL {
            let doubt = if self.dry { None } else { proof::doubt(self, stage) };
            self.stages[stage as usize].conclude(over, doubt);
        }
    }
}

/// Refuses what only a cutover tells.
pub(super) fn refuse(event: &Event) -> Result<(), String> {
    let what = match event {
        Event::StageStarted { stage, .. } | Event::StageEnded { stage, .. } => format!("the stage {stage}"),
        Event::CommandStarted(step) => format!("the {}'s step {}", step.sequence, step.name),
        Event::CommandEnded(step) => format!("the {}'s step {}", step.sequence, step.name),
        _ => return Ok(()),
    };
    Err(format!("the run is no cutover, and {what} is told of"))
}

fn stage_of(sequence: Sequence) -> Stage {
    match sequence {
        Sequence::Cutover => Stage::Cutover,
        Sequence::Rollback => Stage::Rollback,
    }
}

fn of_stage(stage: Stage) -> Option<Sequence> {
    match stage {
        Stage::Cutover => Some(Sequence::Cutover),
        Stage::Rollback => Some(Sequence::Rollback),
        _ => None,
    }
}

/// Whole milliseconds between two moments; 0 where the second is the earlier one.
pub(super) fn between(from: Stamp, to: Stamp) -> u64 {
    u64::try_from(to.millis().saturating_sub(from.millis())).unwrap_or(0)
}
