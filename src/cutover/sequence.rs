//! Steps in order: each on record before it begins, the first that fails ends the sequence.

use super::Flow;
use super::limit::Limit;
use super::plan::Work;
use crate::model::Event;
use crate::model::event::StepStatus;
use crate::model::switch::{CommandEnded, CommandStarted, Sequence};
use crate::process::Cancel;

/// How a sequence ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every step did its work.
    Done,
    /// This step did not, and why.
    Failed(String),
    /// The next step was not begun, as the run is being ended.
    Stopped,
}

/// The step by which the new core is started.
const START: &str = "start_new_core_engine";
/// The step whose output may hold the marks of the switch.
const WARMUP: &str = "warmup_query";

impl Flow<'_> {
    /// Runs the steps of a sequence from this one on. The way back is not stopped by a journal that can't be written.
    /// `begun` is called when the first command is about to begin.
    pub(super) fn steps(
        &mut self,
        sequence: Sequence,
        from: u32,
        cancel: &Cancel,
        limit: Option<&Limit>,
        begun: &dyn Fn(),
    ) -> End {
        let settings = self.settings;
        for work in settings.prepared.steps(sequence).iter().filter(|work| work.step.number >= from) {
            if cancel.is_cancelled() {
                return End::Stopped;
            }
            settings.worker.stand_still_if_lost();
            let (number, name) = (work.step.number, work.step.name.clone());
            self.record.event(Event::CommandStarted(CommandStarted { sequence, number, name }));
            if settings.dry_run {
                self.record.event(Event::CommandEnded(Box::new(simulated(sequence, work))));
                continue;
            }
            if sequence == Sequence::Cutover && self.record.failure().is_some() {
                // What is not on record is not done; the journal's loss has cancelled what waits.
                return End::Stopped;
            }
            if sequence == Sequence::Cutover && work.step.name == START {
                self.core_started = Some(self.record.clock.now());
            }
            begun();
            let mut ended = self.stepper.run(sequence, work, cancel);
            settings.worker.stand_still_if_lost();
            if let Some(limit) = limit {
                let left = limit.told();
                ended.detail =
                    if ended.detail.is_empty() { left } else { format!("{}; {left}", ended.detail) };
            }
            if sequence == Sequence::Cutover && work.step.name == WARMUP && !ended.log.is_empty() {
                self.warmup_log = Some(self.record.folder.join(&ended.log));
            }
            let failed =
                (ended.status == StepStatus::Failed).then(|| format!("{}: {}", ended.name, ended.detail));
            self.record.event(Event::CommandEnded(Box::new(ended)));
            self.tell_children(&format!("{sequence}/{number}"), false);
            if let Some(why) = failed {
                return End::Failed(why);
            }
        }
        End::Done
    }

    /// Takes note of the runs that a step started.
    pub(super) fn tell_children(&mut self, step: &str, last: bool) {
        for child in self.children.new_ones(step, last) {
            self.record.event(match child {
                Ok(child) => Event::ChildRun(Box::new(child)),
                Err(text) => Event::Warning { text },
            });
        }
    }
}

fn simulated(sequence: Sequence, work: &Work) -> CommandEnded {
    CommandEnded {
        sequence,
        number: work.step.number,
        name: work.step.name.clone(),
        status: StepStatus::SimulatedOk,
        exit_code: 0,
        duration_ms: 0.0,
        detail: String::new(),
        excerpt: String::new(),
        log: String::new(),
    }
}
