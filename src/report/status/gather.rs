//! From a journal's entries to a status.

use super::{
    AttemptStatus, GateStatus, Life, MetricStatus, Progress, RollbackTime, StageStatus, State, Status,
    StepStanding, VERSION, WatchStatus,
};
use crate::evidence::{Contradiction, GateView, RunView, verdict};
use crate::journal::{End, Records};
use crate::model::event::StepStatus;
use crate::model::switch::{Resumed, Sequence, Stage, SwitchStep};
use crate::model::time::millis;
use crate::model::watch::WatchPlan;
use crate::model::{Event, GateId, Reading, Stamp, Verdict};
use std::collections::HashMap;

impl Status {
    /// Where the run stands whose journal has these entries; `now` is the moment of looking.
    ///
    /// # Errors
    /// Where there is no entry, or they can't all be true.
    pub fn of(records: &Records, life: &Life, now: Stamp) -> Result<Status, Contradiction> {
        let view = RunView::of(records)?;
        let state = match (records.end, life) {
            (End::Finished, _) => State::Ended,
            (_, Life::Lives) => State::Running,
            (_, Life::Gone) => State::Killed,
            (_, Life::Unknown(_)) => State::Unknown,
        };
        // What was running in a run that is over did so until its last entry, as far as anyone knows.
        let looked = if state == State::Ended { view.last } else { now.max(view.last) };
        let now = if state == State::Running { looked } else { view.last };
        let mut gatherer = Gatherer::of_plan(&view, state, now);
        for record in &records.entries {
            gatherer.take(&record.event, record.at);
        }
        let mut status = gatherer.finish(looked);
        if state == State::Ended {
            let judged = verdict(&view);
            status.outcome = Some(judged.verdict);
            status.reasons = judged.reasons.iter().map(ToString::to_string).collect();
        }
        if let (State::Unknown, Life::Unknown(why)) = (state, life) {
            status.reasons.push(why.clone());
        }
        Ok(status)
    }
}

struct Gatherer<'a> {
    status: Status,
    now: Stamp,
    limit_ms: Option<f64>,
    rollback_began: Option<Stamp>,
    rollback_ended: Option<Stamp>,
    watch: Option<&'a WatchPlan>,
    watch_began: Option<Stamp>,
    gates: HashMap<&'a GateId, usize>,
}

impl<'a> Gatherer<'a> {
    fn of_plan(view: &RunView<'a>, state: State, now: Stamp) -> Gatherer<'a> {
        let started = view.started;
        let plan = started.switch.as_deref();
        let cutover = plan.and_then(|plan| plan.cutover.as_ref());
        let back = plan.map(|plan| &plan.rollback);
        let planned = |sequence, steps: &[SwitchStep]| {
            steps.iter().map(move |step| not_begun(sequence, step)).collect::<Vec<_>>()
        };
        let mut steps = cutover.map(|plan| planned(Sequence::Cutover, &plan.steps)).unwrap_or_default();
        steps.extend(back.iter().flat_map(|plan| planned(Sequence::Rollback, &plan.steps)));
        let there = [Stage::Cutover, Stage::SwitchGate, Stage::Readiness, Stage::Watch];
        let stages = Stage::ALL.into_iter().filter(|stage| cutover.is_some() || !there.contains(stage));
        let stage = |stage| StageStatus { stage, progress: Progress::NotBegun };
        let gates: Vec<_> = view.selected().map(gate).collect();
        let places = view.selected().enumerate().map(|(place, gate)| (&gate.gate.id, place)).collect();
        let status = Status {
            version: VERSION,
            run: started.run.clone(),
            verb: started.verb.clone(),
            environment: started.environment.clone(),
            host: started.host.clone(),
            dry_run: started.dry_run,
            state,
            outcome: None,
            reasons: Vec::new(),
            started: started.started,
            last_entry: view.last,
            entries: view.entries,
            elapsed_ms: view.ended.map_or_else(|| millis(now.since(started.started)), |end| end.duration_ms),
            stages: if plan.is_some() { stages.map(stage).collect() } else { Vec::new() },
            steps,
            gates,
            rollback: None,
            watch: None,
            interrupted: view.interrupted.map(str::to_owned),
            resumed: Vec::new(),
            warnings: Vec::new(),
            alarms: Vec::new(),
        };
        Gatherer {
            status,
            now,
            limit_ms: back.map(|plan| plan.limit_ms),
            rollback_began: None,
            rollback_ended: None,
            watch: started.watch.as_deref(),
            // A watch on its own has no stages: it is watched from the beginning.
            watch_began: plan.is_none().then_some(started.started),
            gates: places,
        }
    }

    /// What began then and has not ended yet.
    fn since(&self, at: Stamp) -> Progress {
        match self.status.state {
            State::Running => Progress::Running { for_ms: millis(self.now.since(at)) },
            State::Ended | State::Killed | State::Unknown => Progress::CutOff { since: at },
        }
    }

    fn take(&mut self, event: &'a Event, at: Stamp) {
        match event {
            Event::StageStarted { stage, .. } => self.stage(*stage, self.since(at), at),
            Event::StageEnded { stage, verdict, reason, duration_ms } => {
                let good = *verdict <= Verdict::Skipped;
                let ended = ended(verdict.as_str(), good, *duration_ms, reason);
                self.stage(*stage, ended, at);
            }
            Event::CommandStarted(step) => {
                self.begin_sequence(step.sequence, at);
                self.step(step.sequence, step.number, None, self.since(at));
            }
            Event::CommandEnded(step) => {
                let (word, good) = (step.status.as_str(), step.status != StepStatus::Failed);
                let ended = ended(word, good, step.duration_ms, &step.detail);
                self.step(step.sequence, step.number, Some(step.exit_code), ended);
            }
            Event::GateStarted { gate } => self.gate(gate, self.since(at)),
            Event::StepStarted(step) => self.gate_step(&step.gate, &step.name, None, at),
            Event::StepEnded(step) => self.gate_step(&step.gate, &step.name, Some(step.status), at),
            Event::AttemptEnded { gate, attempt, verdict, reason, duration_ms } => {
                let (number, reason) = (*attempt, reason.clone());
                let attempt = AttemptStatus { number, verdict: *verdict, reason, duration_ms: *duration_ms };
                self.gate_attempt(gate, attempt);
            }
            Event::GateEnded(gate) => {
                let good = gate.verdict == Verdict::Passed
                    || (self.status.dry_run && gate.verdict == Verdict::Skipped);
                self.gate(&gate.gate, ended(gate.verdict.as_str(), good, gate.duration_ms, &gate.reason));
            }
            Event::WatchSampled(sample) => {
                let (readings, error) = (&sample.readings, &sample.error);
                self.sampled(&sample.source, readings.iter().collect(), error.as_deref(), at);
            }
            Event::WatchEnded(verdict) => {
                if let Some(watch) = self.watched() {
                    (watch.verdict, watch.watched_ms) = (Some(verdict.verdict), verdict.watched_ms);
                }
            }
            Event::Resumed(resumed) => self.resume(resumed),
            Event::Warning { text } => self.status.warnings.push(text.clone()),
            Event::Alarm { text } => self.status.alarms.push(text.clone()),
            Event::RunStarted(_)
            | Event::Provenance(_)
            | Event::ServiceReady(_)
            | Event::ServiceFailed { .. }
            | Event::ChildRun(_)
            | Event::SwitchMarks { .. }
            | Event::Interrupted { .. }
            | Event::RunEnded { .. } => {}
        }
    }

    fn stage(&mut self, stage: Stage, progress: Progress, at: Stamp) {
        let begins = !matches!(progress, Progress::Ended { .. });
        match stage {
            Stage::Rollback if begins => self.begin_rollback(at),
            Stage::Rollback => self.rollback_ended = Some(at),
            Stage::Watch if begins => self.begin_watch(at),
            _ => {}
        }
        if let Some(known) = self.status.stages.iter_mut().find(|known| known.stage == stage) {
            known.progress = progress;
        }
    }

    /// A sequence goes on with its steps, also where its stage is not told of again.
    fn begin_sequence(&mut self, sequence: Sequence, at: Stamp) {
        let stage = match sequence {
            Sequence::Cutover => Stage::Cutover,
            Sequence::Rollback => Stage::Rollback,
        };
        let running =
            |known: &StageStatus| known.stage == stage && matches!(known.progress, Progress::Running { .. });
        if !self.status.stages.iter().any(running) {
            self.stage(stage, self.since(at), at);
        }
    }

    fn step(&mut self, sequence: Sequence, number: u32, exit_code: Option<i32>, progress: Progress) {
        let mut steps = self.status.steps.iter_mut();
        if let Some(step) = steps.find(|step| step.sequence == sequence && step.number == number) {
            (step.exit_code, step.progress) = (exit_code, progress);
        }
    }

    fn gate(&mut self, id: &GateId, progress: Progress) {
        if let Some(gate) = self.gates.get(id).and_then(|place| self.status.gates.get_mut(*place)) {
            gate.progress = progress;
        }
    }

    fn gate_attempt(&mut self, id: &GateId, attempt: AttemptStatus) {
        if let Some(gate) = self.gates.get(id).and_then(|place| self.status.gates.get_mut(*place)) {
            gate.attempts.push(attempt);
        }
    }

    fn gate_step(&mut self, id: &GateId, name: &str, status: Option<StepStatus>, at: Stamp) {
        let begun = self.since(at);
        if let Some(gate) = self.gates.get(id).and_then(|place| self.status.gates.get_mut(*place)) {
            gate.step = Some((name.to_owned(), status));
            if gate.progress == Progress::NotBegun {
                gate.progress = begun;
            }
        }
    }

    /// The limit counts from the first beginning, also where the rollback was killed and goes on.
    fn begin_rollback(&mut self, at: Stamp) {
        self.rollback_began.get_or_insert(at);
        self.rollback_ended = None;
    }

    /// The rollback's limit knows no break: it goes on also while nobody runs it.
    fn finish(mut self, looked: Stamp) -> Status {
        if let (Some(began), Some(limit_ms)) = (self.rollback_began, self.limit_ms) {
            let used_ms = millis(self.rollback_ended.unwrap_or(looked).since(began));
            self.status.rollback = Some(RollbackTime { limit_ms, used_ms, left_ms: limit_ms - used_ms });
        }
        self.status
    }

    /// A watch that begins again, in a run that goes on, is watched anew.
    fn begin_watch(&mut self, at: Stamp) {
        self.watch_began = Some(at);
        self.status.watch = None;
        self.watched();
    }

    /// The watch, where it has begun.
    fn watched(&mut self) -> Option<&mut WatchStatus> {
        let (plan, began) = (self.watch?, self.watch_began?);
        let now = self.now;
        Some(self.status.watch.get_or_insert_with(|| WatchStatus {
            duration_ms: plan.duration_ms,
            watched_ms: millis(now.since(began)).min(plan.duration_ms),
            samples: 0,
            verdict: None,
            metrics: plan.metrics.iter().map(|metric| unseen(&metric.name)).collect(),
        }))
    }

    fn sampled(&mut self, source: &str, readings: Vec<(&String, &Reading)>, error: Option<&str>, at: Stamp) {
        let (plan, now) = (self.watch, self.now);
        let Some(watch) = self.watched() else { return };
        watch.samples += 1;
        let of_source = plan.iter().flat_map(|plan| &plan.metrics).filter(|metric| metric.source == source);
        for metric in of_source {
            let Some(known) = watch.metrics.iter_mut().find(|known| known.name == metric.name) else {
                continue;
            };
            known.error = error.map(str::to_owned);
            if let Some((_, reading)) = readings.iter().find(|(name, _)| **name == metric.name) {
                known.value = Some(super::text::reading(reading));
                known.age_ms = Some(millis(now.since(at)));
            }
        }
    }

    /// What was cut off when the run was killed stays so until it begins again.
    fn resume(&mut self, resumed: &Resumed) {
        let now = self.now;
        let stages = self.status.stages.iter_mut().map(|stage| &mut stage.progress);
        for progress in stages.chain(self.status.steps.iter_mut().map(|step| &mut step.progress)) {
            if let Progress::Running { for_ms } = *progress {
                *progress = Progress::CutOff { since: Stamp::from_millis(now.millis() - for_ms as i64) };
            }
        }
        self.status.resumed.push(resumed.clone());
    }
}

fn not_begun(sequence: Sequence, step: &SwitchStep) -> StepStanding {
    let SwitchStep { number, timeout_ms, .. } = *step;
    let name = step.name.clone();
    StepStanding { sequence, number, name, timeout_ms, exit_code: None, progress: Progress::NotBegun }
}

fn gate(view: &GateView<'_>) -> GateStatus {
    let (id, required) = (view.gate.id.clone(), view.gate.required);
    GateStatus { id, required, step: None, attempts: Vec::new(), progress: Progress::NotBegun }
}

fn unseen(name: &str) -> MetricStatus {
    MetricStatus { name: name.to_owned(), value: None, age_ms: None, error: None }
}

fn ended(result: &'static str, good: bool, duration_ms: f64, reason: &str) -> Progress {
    Progress::Ended { result, good, duration_ms, reason: reason.to_owned() }
}
