//! The stages of the way there, one after another until one is red.

use super::decide::{self, Way};
use super::sequence::End;
use super::{Flow, gates, marks, watched};
use crate::model::switch::{Sequence, Stage};
use crate::model::time::millis;
use crate::model::{Event, Verdict};
use crate::monitor;
use crate::process::Cancel;
use crate::rehearsal::Finished;
use crate::rehearsal::record::LOST_JOURNAL;
use std::time::{Duration, Instant};

impl Flow<'_> {
    /// The way there, from this step on.
    pub(super) fn there(&mut self, from: u32) -> Way {
        let cancel = self.settings.cancel.clone();
        let alone = self.settings.prepared.plan.cutover.is_none();
        if from == 1
            && let Err(why) = self.preflight(&cancel)
        {
            return why;
        }
        if alone {
            return Way::Back("asked for".to_owned());
        }
        let way = self.sequence(from, &cancel);
        if way != Way::Good || self.settings.dry_run {
            return way;
        }
        for stage in [Self::switch_gate, Self::readiness, Self::watch] {
            let way = match self.broken_off(&cancel) {
                Some(way) => way,
                None => stage(self, &cancel),
            };
            if way != Way::Good {
                return way;
            }
        }
        Way::Good
    }

    /// Whether the run is to end, and by what.
    fn broken_off(&self, cancel: &Cancel) -> Option<Way> {
        if let Some(failure) = self.record.failure() {
            return Some(Way::Unrecorded(failure.to_string()));
        }
        let why = cancel.why().filter(|why| *why != LOST_JOURNAL)?;
        self.record.event(Event::Interrupted { by: why.to_owned() });
        Some(Way::Interrupted(why.to_owned()))
    }

    fn preflight(&mut self, cancel: &Cancel) -> Result<(), Way> {
        let (red, _) = self.gates(Stage::Preflight, cancel);
        match (self.broken_off(cancel), red) {
            (Some(Way::Interrupted(by)), _) => Err(Way::NotBegun(format!("interrupted by {by}"))),
            (Some(_), _) => Err(Way::NotBegun("the journal can't be written".to_owned())),
            (None, Some(why)) => Err(Way::NotBegun(format!("the preflight is red: {why}"))),
            (None, None) => Ok(()),
        }
    }

    fn sequence(&mut self, from: u32, cancel: &Cancel) -> Way {
        let stage = Stage::Cutover;
        let began = self.begin(stage, "");
        let end = self.steps(Sequence::Cutover, from, cancel, None, &|| ());
        let why = match end {
            End::Done => None,
            End::Failed(step) => Some(step),
            End::Stopped => Some("the steps were ended before their time".to_owned()),
        };
        let way = why.map_or(Way::Good, |why| self.broken_off(cancel).unwrap_or(Way::Red(why)));
        let (verdict, reason) = match &way {
            Way::Good => (self.done(), String::new()),
            other => (Verdict::Failed, decide::why(other)),
        };
        self.end(stage, verdict, reason, began.elapsed());
        way
    }

    fn switch_gate(&mut self, cancel: &Cancel) -> Way {
        let stage = Stage::SwitchGate;
        let gate = match self.settings.profile.map(|profile| (profile, &profile.switch_gate)) {
            None => return self.pass_over(stage, NO_PROFILE),
            Some((profile, None)) => {
                return self.pass_over(stage, &format!("{} has no [switch]", watched::name(profile)));
            }
            Some((_, Some(gate))) => gate,
        };
        let Some(core_started) = self.core_started else {
            let why = "when the new core was started is not on record".to_owned();
            let began = self.begin(stage, "");
            self.end(stage, Verdict::Error, why.clone(), began.elapsed());
            return Way::Red(format!("{stage}: {why}"));
        };
        let began = self.begin(stage, "");
        let output = self.warmup_log.as_deref();
        let seen = marks::look(gate, core_started, output, &self.stepper.measuring, cancel);
        self.record.event(Event::SwitchMarks { core_started, marks: seen.marks });
        let (verdict, reason) = match seen.judged {
            Ok(()) => (Verdict::Passed, String::new()),
            Err(why) => (Verdict::Failed, self.stepper.redactor().text(&why).into_owned()),
        };
        self.end(stage, verdict, reason.clone(), began.elapsed());
        match (verdict, self.broken_off(cancel)) {
            (Verdict::Passed, _) => Way::Good,
            (_, Some(way)) => way,
            _ => Way::Red(format!("{stage}: {reason}")),
        }
    }

    fn readiness(&mut self, cancel: &Cancel) -> Way {
        let (red, _) = self.gates(Stage::Readiness, cancel);
        match (red, self.broken_off(cancel)) {
            (None, _) => Way::Good,
            (_, Some(way)) => way,
            (Some(why), _) => Way::Red(format!("{}: {why}", Stage::Readiness)),
        }
    }

    fn watch(&mut self, cancel: &Cancel) -> Way {
        let stage = Stage::Watch;
        let watched = self.settings.profile.and_then(|profile| profile.watch.as_ref());
        let (Some(watch), Some(plan)) = (watched, &self.settings.prepared.watch) else {
            return self.pass_over(stage, NO_PROFILE);
        };
        let began = self.begin(stage, "");
        let sink = self.record.sink();
        let judged = monitor::watch(&monitor::Settings {
            plan,
            sources: &watch.sources,
            endpoints: &self.settings.endpoints,
            sink: &*sink,
            cancel,
            clock: self.record.clock,
            run: &self.record.run,
            redactor: &self.settings.redactor,
            worker: self.settings.worker,
        });
        let way = match &judged {
            Ok(verdict) => decide::of_watch(verdict),
            Err(error) => Way::Unsettled(format!("the watch could not be made: {error}")),
        };
        // A trigger that held goes before whatever else ended the watch; and nothing is between it and the way back.
        let triggered = matches!(way, Way::Red(_));
        let (verdict, reason) = match &judged {
            Ok(judged) if triggered => (Verdict::Failed, judged.rollback.clone().unwrap_or_default()),
            Ok(judged) => (judged.verdict, judged.reason.clone()),
            Err(error) => (Verdict::Error, error.to_string()),
        };
        self.end(stage, verdict, reason, began.elapsed());
        if triggered { way } else { self.broken_off(cancel).unwrap_or(way) }
    }

    /// Runs the gates of a stage, and gives why they are red, where they are, and the run that they were.
    pub(super) fn gates(&mut self, stage: Stage, cancel: &Cancel) -> (Option<String>, Option<Finished>) {
        let settings = self.settings;
        let alone = settings.prepared.plan.cutover.is_none();
        let gates = match settings.profile {
            _ if settings.dry_run => Err("not run: dry run".to_owned()),
            None => Err(NO_PROFILE.to_owned()),
            Some(profile) => gates::of_stage(profile, stage, alone)
                .ok_or_else(|| format!("{} has no gates for it that only read", watched::name(profile))),
        };
        let gates = match gates {
            Ok(gates) => gates,
            Err(why) => {
                self.pass_over(stage, &why);
                return (None, None);
            }
        };
        let began = self.begin(stage, "");
        let judged = gates::run(settings, &gates, stage, &mut self.children, cancel);
        let (verdict, reason, finished) = match judged {
            Ok(judged) => {
                let (fine, reason) = (judged.is_fine(), judged.child.reason.clone());
                self.record.event(Event::ChildRun(Box::new(judged.child)));
                let verdict = if fine { Verdict::Passed } else { Verdict::Failed };
                (verdict, reason, Some(judged.finished))
            }
            Err(why) => (Verdict::Error, why, None),
        };
        self.end(stage, verdict, reason.clone(), began.elapsed());
        ((verdict != Verdict::Passed).then_some(reason), finished)
    }

    /// A stage that can't be run, which is no fault.
    fn pass_over(&mut self, stage: Stage, why: &str) -> Way {
        self.skip(stage, why);
        Way::Good
    }

    /// A stage begins; gives when.
    pub(super) fn begin(&mut self, stage: Stage, reason: &str) -> Instant {
        self.settings.worker.stand_still_if_lost();
        self.told.insert(stage);
        self.record.event(Event::StageStarted { stage, reason: reason.to_owned() });
        Instant::now()
    }

    /// A stage that began has ended.
    pub(super) fn end(&mut self, stage: Stage, verdict: Verdict, reason: String, took: Duration) {
        self.settings.worker.stand_still_if_lost();
        self.record.event(Event::StageEnded { stage, verdict, reason, duration_ms: millis(took) });
    }

    /// Takes note of a stage that is not run.
    pub(super) fn skip(&mut self, stage: Stage, reason: &str) {
        self.told.insert(stage);
        self.end(stage, Verdict::Skipped, reason.to_owned(), Duration::ZERO);
    }

    /// The verdict of what was done, which in a dry run is nothing.
    pub(super) fn done(&self) -> Verdict {
        if self.settings.dry_run { Verdict::Skipped } else { Verdict::Passed }
    }
}

/// Why what a profile says can't be done.
const NO_PROFILE: &str = "there is no profile that says how to measure it";
