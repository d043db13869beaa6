//! Cutovers as they may come: an orchestrator that throws dice, is killed at any entry, and is resumed or not. Whatever
//! it journals, the files never contradict themselves, and claim nothing that did not happen.

use super::sample::Sample;
use super::sample_switch::*;
use super::switch_tests::{contradictions, files, get, outcome, prefix};
use super::{Outcome, RunView, documents};
use crate::model::switch::{Sequence, Stage};
use crate::model::{Event, Verdict};
use proptest::prelude::*;

/// The run was killed.
struct Killed;

/// An orchestrator whose every choice is a throw.
struct Walk {
    sample: Sample,
    throws: Vec<u8>,
    thrown: usize,
    kill_at: Option<usize>,
    /// Stages that have ended.
    done: Vec<Stage>,
    /// The next step of each sequence.
    next: [u32; 2],
    /// Whether anything stands against the cutover, and the rollback.
    bad: [bool; 2],
    /// Whether a step of this sequence began and has no end.
    unknown: [bool; 2],
    rolled_back: bool,
    interrupted: bool,
}

impl Walk {
    fn new(throws: Vec<u8>) -> Walk {
        let mut walk = Walk {
            sample: cutover(),
            throws,
            thrown: 0,
            kill_at: None,
            done: Vec::new(),
            next: [1, 1],
            bad: [false, false],
            unknown: [false, false],
            rolled_back: false,
            interrupted: false,
        };
        let (profile, dry) = (walk.one_in(2), walk.one_in(8));
        walk.sample.started.dry_run = dry;
        walk.sample.plan().force_rollback = walk.one_in(3);
        walk.sample.plan().profile = profile;
        if !profile || walk.one_in(4) {
            walk.sample.started.watch = None;
        }
        if walk.one_in(6) {
            walk.sample.plan().cutover = None;
            walk.sample.started.watch = None;
        }
        walk
    }

    fn throw(&mut self) -> usize {
        let throw = self.throws[self.thrown % self.throws.len()];
        self.thrown += 1;
        usize::from(throw)
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.throw().is_multiple_of(sides)
    }

    /// Makes one entry, after a while.
    fn tell(&mut self, tell: impl FnOnce(&mut Sample) -> &mut Sample) -> Result<(), Killed> {
        let pause = [0, 0, 0, 0, 1, 999, 61_000][self.throw() % 7];
        self.sample.pause(pause);
        tell(&mut self.sample);
        if self.kill_at.is_some_and(|at| self.sample.events.len() >= at) {
            self.kill_at = None;
            return Err(Killed);
        }
        Ok(())
    }

    fn whole(&mut self) {
        // A dry run changes nothing that would have to be gone on with.
        if self.one_in(3) && !self.sample.started.dry_run {
            self.kill_at = Some(1 + self.throw() % 50);
        }
        while self.attempt().is_err() {
            if self.one_in(4) {
                return;
            }
            self.resume();
        }
        self.sample.ended(Verdict::Skipped);
    }

    /// A person chose; on a machine whose clock may be behind.
    fn resume(&mut self) {
        let pause = [-500_000, 0, 3_600_000][self.throw() % 3];
        let rollback = self.next[1] > 1 || self.one_in(2);
        self.sample.pause(pause).event(resume(
            if rollback { "rollback" } else { "continue" },
            "somewhere",
            None,
        ));
        if rollback && !self.rolled_back {
            self.rolled_back = true;
            self.bad[0] = true;
            self.done.retain(|stage| *stage < Stage::Rollback);
        }
        // What began may be run again, or be taken for done.
        let place = usize::from(self.rolled_back);
        if self.unknown[place] && self.one_in(2) {
            self.bad[place] = true;
            self.next[place] += 1;
        }
        self.unknown = [false, false];
    }

    fn attempt(&mut self) -> Result<(), Killed> {
        let alone = self.sample.plan().cutover.is_none();
        if !self.rolled_back {
            let good = self.gates(Stage::Preflight, 0)?;
            if alone && !good {
                self.bad[1] = true;
                return Ok(());
            }
            if !alone {
                self.cutover(good)?;
                if self.bad[0] && !good {
                    return Ok(());
                }
            }
            let by_need = self.bad[0] && !self.one_in(4);
            let drill = !self.bad[0] && self.sample.plan().force_rollback;
            self.rolled_back = by_need || drill || alone;
        }
        if !self.rolled_back {
            return self.skip(Stage::Rollback);
        }
        let good = self.steps(Sequence::Rollback)?;
        if good {
            self.gates(Stage::RollbackReadiness, 1).map(drop)
        } else {
            self.skip(Stage::RollbackReadiness)
        }
    }

    fn cutover(&mut self, mut good: bool) -> Result<(), Killed> {
        good = good && self.steps(Sequence::Cutover)?;
        let profile = self.sample.plan().profile && !self.sample.started.dry_run;
        if good && profile && self.one_in(8) {
            self.interrupted = true;
            self.bad[0] = true;
            self.tell(|it| it.event(Event::Interrupted { by: "SIGINT".to_owned() }))?;
            good = false;
        }
        good = self.switch_gate(good && profile)? && good;
        let readiness = if good && profile {
            self.gates(Stage::Readiness, 0)?
        } else {
            self.skip(Stage::Readiness).map(|()| true)?
        };
        self.watch(good && readiness && profile)
    }

    fn skip(&mut self, stage: Stage) -> Result<(), Killed> {
        if self.done.contains(&stage) {
            return Ok(());
        }
        self.tell(|it| it.skip(stage, "it was not to be"))?;
        self.done.push(stage);
        Ok(())
    }

    /// Whether a stage is still to be made.
    fn is_open(&mut self, stage: Stage) -> bool {
        !self.done.contains(&stage)
    }

    fn verdict(&mut self) -> Verdict {
        match self.throw() % 8 {
            0 => Verdict::Failed,
            1 => Verdict::Error,
            _ => Verdict::Passed,
        }
    }

    fn gates(&mut self, stage: Stage, place: usize) -> Result<bool, Killed> {
        if !self.is_open(stage) {
            return Ok(true);
        }
        if !self.sample.plan().profile || self.sample.started.dry_run {
            return self.skip(stage).map(|()| true);
        }
        let verdict = self.verdict();
        let mut parts = cutover();
        parts.gates_stage(stage, verdict);
        for event in parts.events {
            self.tell(|it| it.event(event))?;
        }
        self.done.push(stage);
        // The restored core's readiness is no part of the rollback's claim.
        self.bad[place] |= verdict != Verdict::Passed && stage != Stage::RollbackReadiness;
        Ok(verdict == Verdict::Passed)
    }

    fn steps(&mut self, sequence: Sequence) -> Result<bool, Killed> {
        let (stage, place, last) = match sequence {
            Sequence::Cutover => (Stage::Cutover, 0, 10),
            Sequence::Rollback => (Stage::Rollback, 1, 7),
        };
        if !self.is_open(stage) {
            return Ok(!self.bad[place]);
        }
        self.tell(|it| it.stage(stage, "because"))?;
        let mut good = true;
        while good && self.next[place] <= last {
            let number = self.next[place];
            self.unknown[place] = true;
            self.tell(|it| it.command(sequence, number))?;
            let code =
                if self.one_in(24) && !self.sample.started.dry_run { 1 + self.throw() as i32 } else { 0 };
            (self.unknown[place], self.next[place]) = (false, number + 1);
            good = code == 0;
            self.bad[place] |= !good;
            self.tell(|it| it.command_end(sequence, number, code, "as it may"))?;
        }
        let verdict = if good { Verdict::Passed } else { Verdict::Failed };
        self.tell(|it| it.stage_end(stage, verdict, ""))?;
        self.done.push(stage);
        Ok(good)
    }

    fn switch_gate(&mut self, run: bool) -> Result<bool, Killed> {
        if !self.is_open(Stage::SwitchGate) {
            return Ok(true);
        }
        if !run {
            return self.skip(Stage::SwitchGate).map(|()| true);
        }
        let seen = if self.one_in(6) { 2 } else { 3 };
        let mut parts = cutover();
        parts.marks(seen);
        for event in parts.events {
            self.tell(|it| it.event(event))?;
        }
        self.done.push(Stage::SwitchGate);
        self.bad[0] |= seen < 3;
        Ok(seen == 3)
    }

    fn watch(&mut self, run: bool) -> Result<(), Killed> {
        if !self.is_open(Stage::Watch) {
            return Ok(());
        }
        if !run || self.sample.started.watch.is_none() {
            return self.skip(Stage::Watch);
        }
        let (verdict, held) = (self.verdict(), self.one_in(6));
        let mut parts = cutover();
        parts.watch(if held { Verdict::Failed } else { verdict }, "seen", held.then_some(BREACH));
        for event in parts.events {
            self.tell(|it| it.event(event))?;
        }
        self.done.push(Stage::Watch);
        self.bad[0] |= held || verdict != Verdict::Passed;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn files_never_contradict_themselves(throws in prop::collection::vec(any::<u8>(), 40..120)) {
        let mut walk = Walk::new(throws);
        walk.whole();
        let records = walk.sample.records();
        let view = RunView::of(&records);
        prop_assert!(view.is_ok(), "{}\n{:#?}", view.unwrap_err(), walk.sample.events);
        for entries in 1..=records.entries.len() {
            let part = prefix(&records, entries);
            let (cutover, rollback) = files(&part);
            let found = contradictions(cutover.as_ref(), &rollback);
            prop_assert!(found.is_empty(), "after {entries} entries: {}", found.join("\n"));
        }
        prop_assert!(documents(&view.unwrap()).is_ok());
        let finished = records.end == crate::journal::End::Finished;
        let (cutover, rollback) = files(&records);
        if let Some(cutover) = &cutover {
            let truth = finished && !walk.bad[0];
            prop_assert_eq!(get(cutover, "CUTOVER_SUCCESS"), truth.to_string(), "{}", cutover);
        }
        // What is late is only known to the clock.
        let on_time = get(&rollback, "ROLLBACK_SLO_MET") == "true";
        let truth = finished && on_time && !((walk.rolled_back || cutover.is_none()) && walk.bad[1]);
        prop_assert_eq!(get(&rollback, "ROLLBACK_SUCCESS"), truth.to_string(), "{}", rollback);
        let fine = outcome(&records).0.is_fine();
        prop_assert!(!fine || (!walk.interrupted && truth && cutover.is_none_or(|it| get(&it, "CUTOVER_SUCCESS") == "true")));
        prop_assert!(finished || outcome(&records).0 == Outcome::Unfinished);
    }
}
