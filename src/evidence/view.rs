//! What a journal's entries say about a run, gathered once for all projections. It judges nothing but whether the
//! entries fit each other: a journal that contradicts itself has no view.

use super::shards::ShardView;
use super::switch::{self, SwitchView};
use super::text::visible;
use super::watch::WatchView;
use crate::journal::{Digest, End, Record, Records};
use crate::model::event::{
    GateEnded, PlannedService, PlannedStep, Provenance, RunStarted, ServiceReady, StepEnded,
};
use crate::model::switch::Stage;
use crate::model::time::millis;
use crate::model::{Counts, Event, Gate, GateId, Stamp, Verdict};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

/// A run as its journal tells it.
#[derive(Debug)]
pub struct RunView<'a> {
    /// What it set out to do.
    pub started: &'a RunStarted,
    /// What it was made with and from, where that is on record.
    pub provenance: Option<&'a Provenance>,
    /// The plan's gates in the plan's order.
    pub gates: Vec<GateView<'a>>,
    /// The plan's services and any other that was told of, by name.
    pub services: BTreeMap<&'a str, ServiceView<'a>>,
    /// Its watch, where it planned one.
    pub watch: Option<WatchView<'a>>,
    /// The cutover or rollback, where the run is one.
    pub switch: Option<SwitchView<'a>>,
    /// The cutover that a rehearsal has made, and why it is what it is; empty for a plain pass.
    pub rehearsed: Option<(Verdict, &'a str)>,
    /// By what it was told to end early.
    pub interrupted: Option<&'a str>,
    /// Its last entry, where it ended in order.
    pub ended: Option<RunEnd>,
    /// How the journal ends.
    pub end: End,
    /// The digest of the journal's last entry.
    pub head: Digest,
    /// How many entries it has.
    pub entries: usize,
    /// When the last of them was written.
    pub last: Stamp,
    /// The shards that it was joined from, by index; empty for a run with a journal of its own.
    pub shards: Vec<ShardView<'a>>,
}

/// How a run ended that ended in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunEnd {
    /// The runner's own verdict.
    pub verdict: Verdict,
    /// The runner's own counts.
    pub counts: Counts,
    /// From the run's start.
    pub duration_ms: f64,
    /// When.
    pub at: Stamp,
}

/// A gate and what came of it.
#[derive(Debug, Clone)]
pub struct GateView<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// Whether it belongs to the run; not so where a selection left it out, or where it belongs to another shard.
    pub selected: bool,
    /// Whether it ran all the same, because gates of this shard need it: what came of it is no result.
    pub set_up: bool,
    /// Whether an attempt or a step of it began.
    pub begun: bool,
    /// What came of it. A gate that began and has no end is an error, one that never began was skipped.
    pub verdict: Verdict,
    /// Why, in one line; empty for a plain pass.
    pub reason: Cow<'a, str>,
    /// Its end, where it has one.
    pub ended: Option<&'a GateEnded>,
    /// When that was.
    pub ended_at: Option<Stamp>,
    /// The steps that it announced.
    pub planned: &'a [PlannedStep],
    /// The steps of the last attempt that took any, by number.
    pub steps: BTreeMap<u32, StepView<'a>>,
    /// The attempts after which another one followed.
    given_up: Vec<Attempt<'a>>,
    attempt_ended: bool,
}

/// An attempt of a gate and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt<'a> {
    /// From 1.
    pub number: u32,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in one line; empty for a plain pass.
    pub reason: &'a str,
    /// How long it took, where that is on record.
    pub duration_ms: Option<f64>,
}

/// A step and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its end, where it has one.
    pub ended: Option<&'a StepEnded>,
}

/// A service and whether it answers.
#[derive(Debug, Clone, Default)]
pub struct ServiceView<'a> {
    /// As the plan has it.
    pub planned: Option<&'a PlannedService>,
    /// What was last heard of it.
    pub state: ServiceState<'a>,
}

/// What was last heard of a service.
#[derive(Debug, Clone, Copy, Default)]
pub enum ServiceState<'a> {
    /// Nothing.
    #[default]
    Unknown,
    /// It answers.
    Ready(&'a ServiceReady),
    /// It could not be started or reached.
    Failed {
        /// Why.
        reason: &'a str,
        /// From the start of provisioning.
        took_ms: f64,
    },
}

/// Entries that do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal contradicts itself in line {line}: {what}")]
pub struct Contradiction {
    /// Which line.
    pub line: u64,
    /// Expected and seen.
    pub what: String,
}

impl fmt::Display for Attempt<'_> {
    /// `attempt 1 failed after 0.50 s: expected lag_ms < 5 s, seen 9 s`, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} {}", self.number, self.verdict)?;
        if let Some(millis) = self.duration_ms {
            write!(f, " after {:.2} s", millis / 1e3)?;
        }
        let colon = if self.reason.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", visible(self.reason))
    }
}

impl<'a> RunView<'a> {
    /// Gathers what the entries say.
    ///
    /// # Errors
    /// Where they can't all be true: no plan in the first entry, a second one, a gate that the plan does not have or
    /// has twice, or that ends twice; a cutover's steps in another order than the plan's, or one that ends and had not
    /// begun.
    pub fn of(records: &'a Records) -> Result<RunView<'a>, Contradiction> {
        let mut builder = Builder::of_plan(records)?;
        for record in &records.entries[1..] {
            builder.take(record)?;
        }
        Ok(builder.finish())
    }

    /// Whether this is a run of a selection or a shard only.
    pub fn partial(&self) -> bool {
        let started = self.started;
        started.partial || started.partition.is_some() || !started.not_selected.is_empty()
    }

    /// The gates that belong to the run.
    pub fn selected(&self) -> impl Iterator<Item = &GateView<'a>> {
        self.gates.iter().filter(|gate| gate.selected)
    }

    /// The gates that reports list. A gate that a selection left out is told of; one that belongs to another shard is
    /// told of there.
    pub fn is_listed(&self, gate: &GateView<'_>) -> bool {
        gate.selected || self.started.partition.is_none()
    }

    /// Gates that ran only because a shard needs them, the run itself or one of those that it was joined from.
    pub fn set_up(&self) -> impl Iterator<Item = &GateView<'a>> {
        let of_shards = self.shards.iter().flat_map(|shard| &shard.set_up);
        self.gates.iter().filter(|gate| gate.set_up).chain(of_shards)
    }

    /// The run's gates by verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.selected().for_each(|gate| counts.add(gate.verdict));
        counts
    }

    /// How long the run took, in milliseconds: to its end, or to its last entry where it has none.
    pub fn duration_ms(&self) -> f64 {
        match &self.ended {
            Some(end) => end.duration_ms,
            None => {
                let known = self.last.millis().saturating_sub(self.started.started.millis());
                millis(Duration::from_millis(u64::try_from(known).unwrap_or(0)))
            }
        }
    }
}

impl<'a> GateView<'a> {
    /// How often it was tried: by what its end says, and by the attempts on record where they are more.
    pub fn attempts(&self) -> u32 {
        let given_up = u32::try_from(self.given_up.len()).unwrap_or(u32::MAX);
        match self.ended {
            Some(ended) if ended.attempts == 0 => given_up,
            Some(ended) => ended.attempts.max(given_up.saturating_add(1)),
            None => u32::from(self.begun).max(given_up),
        }
    }

    /// Whether it passed, and not at its first attempt.
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && self.attempts() > 1
    }

    /// The attempts after which another one followed, in order.
    pub fn given_up(&self) -> &[Attempt<'a>] {
        &self.given_up
    }

    /// All attempts on record of a gate that was tried more than once; none of any other. The last one is what the
    /// gate's end says.
    pub fn tries(&self) -> impl Iterator<Item = Attempt<'a>> {
        let last = self.ended.filter(|_| self.attempts() > 1).map(|ended| Attempt {
            number: self.attempts(),
            verdict: ended.verdict,
            reason: &ended.reason,
            duration_ms: ended.attempt_ms,
        });
        self.given_up.iter().copied().chain(last)
    }

    /// How long it took, in milliseconds; 0 where that is not known.
    pub fn duration_ms(&self) -> f64 {
        self.ended.map_or(0.0, |ended| ended.duration_ms)
    }
}

struct Builder<'a> {
    view: RunView<'a>,
    places: HashMap<&'a GateId, usize>,
}

impl<'a> Builder<'a> {
    fn of_plan(records: &'a Records) -> Result<Builder<'a>, Contradiction> {
        let first = records.entries.first();
        let (started, at) = match first.map(|record| (&record.event, record.at)) {
            Some((Event::RunStarted(started), at)) => (&**started, at),
            Some(_) => return Err(contradiction(1, "expected the run's start with its plan".to_owned())),
            None => {
                return Err(contradiction(1, "expected the run's start, and there is no entry".to_owned()));
            }
        };
        let mut places = HashMap::with_capacity(started.gates.len());
        for (place, gate) in started.gates.iter().enumerate() {
            if places.insert(&gate.id, place).is_some() {
                return Err(contradiction(1, format!("the plan has the gate `{}` twice", gate.id)));
            }
        }
        let named =
            |service: &'a PlannedService| ServiceView { planned: Some(service), ..Default::default() };
        let planned = |plan| SwitchView::planned(plan, started.dry_run, at);
        let switch = started.switch.as_deref().map(planned).transpose();
        let view = RunView {
            started,
            provenance: None,
            switch: switch.map_err(|what| contradiction(1, what))?,
            gates: started.gates.iter().map(|gate| GateView::planned(gate, started)).collect(),
            services: started
                .services
                .iter()
                .map(|(name, service)| (name.as_str(), named(service)))
                .collect(),
            watch: started.watch.as_deref().map(WatchView::of_plan),
            rehearsed: None,
            interrupted: None,
            ended: None,
            end: records.end,
            head: records.head,
            entries: records.entries.len(),
            last: records.entries.last().map_or(at, |record| record.at),
            shards: Vec::new(),
        };
        Ok(Builder { view, places })
    }

    fn take(&mut self, record: &'a Record) -> Result<(), Contradiction> {
        self.watch(record)?;
        let of_switch = match &mut self.view.switch {
            Some(switch) => switch.take(record),
            None => self.rehearsed(&record.event),
        };
        of_switch.map_err(|what| contradiction(record.seq, what))?;
        match &record.event {
            Event::RunStarted(_) => {
                return Err(contradiction(record.seq, "the run starts a second time".to_owned()));
            }
            Event::Provenance(provenance) => {
                if self.view.provenance.replace(provenance).is_some() {
                    return Err(contradiction(record.seq, "the run's provenance is told twice".to_owned()));
                }
            }
            Event::ServiceReady(ready) => self.service(&ready.service, ServiceState::Ready(ready)),
            Event::ServiceFailed { service, reason, took_ms } => {
                self.service(service, ServiceState::Failed { reason, took_ms: *took_ms });
            }
            Event::GateStarted { gate } => self.gate(gate, record)?.begun = true,
            Event::StepStarted(step) => {
                self.step(&step.gate, record, step.number, StepView { name: &step.name, ended: None })?;
            }
            Event::StepEnded(step) => {
                self.step(&step.gate, record, step.number, StepView { name: &step.name, ended: Some(step) })?;
            }
            Event::AttemptEnded { gate, attempt, verdict, reason, duration_ms } => {
                let gate = self.gate(gate, record)?;
                (gate.begun, gate.attempt_ended) = (true, true);
                let (number, verdict, duration_ms) = (*attempt, *verdict, Some(*duration_ms));
                gate.given_up.push(Attempt { number, verdict, reason, duration_ms });
            }
            Event::GateEnded(ended) => {
                let gate = self.gate(&ended.gate, record)?;
                (gate.ended, gate.ended_at) = (Some(&**ended), Some(record.at));
            }
            Event::StageStarted { .. }
            | Event::StageEnded { .. }
            | Event::CommandStarted(_)
            | Event::CommandEnded(_)
            | Event::ChildRun(_)
            | Event::SwitchMarks { .. }
            | Event::WatchSampled(_)
            | Event::WatchEnded(_)
            | Event::Warning { .. }
            | Event::Alarm { .. }
            | Event::Resumed(_) => {}
            Event::Interrupted { by } => self.view.interrupted = Some(by),
            Event::RunEnded { verdict, counts, duration_ms } => {
                // A run that was resumed has another clock, and yet no end before its steps'.
                let at = self.view.switch.as_ref().map_or(record.at, SwitchView::latest);
                let (verdict, counts, duration_ms) = (*verdict, *counts, *duration_ms);
                self.view.ended = Some(RunEnd { verdict, counts, duration_ms, at });
            }
        }
        Ok(())
    }

    fn watch(&mut self, record: &'a Record) -> Result<(), Contradiction> {
        match (&mut self.view.watch, &record.event) {
            (Some(watch), event) => watch.take(record.at, event),
            (None, Event::WatchSampled(_) | Event::WatchEnded(_)) => {
                return Err(contradiction(record.seq, "the plan has no watch".to_owned()));
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// A stage of a rehearsal is its cutover, which is a run of its own; no other run without steps has any.
    fn rehearsed(&mut self, event: &'a Event) -> Result<(), String> {
        match event {
            Event::StageStarted { stage: Stage::Cutover, .. } if self.view.started.rehearses => Ok(()),
            Event::StageEnded { stage: Stage::Cutover, verdict, reason, .. }
                if self.view.started.rehearses =>
            {
                match self.view.rehearsed.replace((*verdict, reason)) {
                    None => Ok(()),
                    Some(_) => Err("the rehearsed cutover ends twice".to_owned()),
                }
            }
            event => switch::refuse(event),
        }
    }

    fn service(&mut self, name: &'a str, state: ServiceState<'a>) {
        self.view.services.entry(name).or_default().state = state;
    }

    /// Takes a step. One that is told after its gate's end comes from an attempt that was given up: what it did late
    /// makes the gate no better.
    fn step(
        &mut self,
        id: &GateId,
        record: &Record,
        number: u32,
        step: StepView<'a>,
    ) -> Result<(), Contradiction> {
        let gate = self.planned(id, record)?;
        if gate.ended.is_none() {
            gate.step(number, step);
        }
        Ok(())
    }

    /// The gate of an event; none but a late step may come after the gate's end.
    fn gate(&mut self, id: &GateId, record: &Record) -> Result<&mut GateView<'a>, Contradiction> {
        let gate = self.planned(id, record)?;
        if gate.ended.is_some() {
            return Err(contradiction(record.seq, format!("the gate `{id}` had ended already")));
        }
        Ok(gate)
    }

    fn planned(&mut self, id: &GateId, record: &Record) -> Result<&mut GateView<'a>, Contradiction> {
        let place = self.places.get(id).copied();
        place
            .and_then(|place| self.view.gates.get_mut(place))
            .ok_or_else(|| contradiction(record.seq, format!("the plan has no gate `{id}`")))
    }

    fn finish(mut self) -> RunView<'a> {
        let over = self.view.ended.is_some();
        self.view.gates.iter_mut().for_each(|gate| gate.conclude(over));
        if let Some(watch) = &mut self.view.watch {
            watch.conclude();
        }
        if let Some(switch) = &mut self.view.switch {
            switch.conclude(over);
        }
        self.view
    }
}

impl<'a> GateView<'a> {
    fn planned(gate: &'a Gate, started: &'a RunStarted) -> GateView<'a> {
        let left_out = started.not_selected.contains(&gate.id);
        let set_up = started.partition.as_ref().is_some_and(|partition| partition.setup.contains(&gate.id));
        GateView {
            gate,
            selected: !left_out && !set_up,
            set_up: !left_out && set_up,
            begun: false,
            verdict: Verdict::Skipped,
            reason: Cow::Borrowed(""),
            ended: None,
            ended_at: None,
            planned: started.steps.get(&gate.id).map(Vec::as_slice).unwrap_or_default(),
            steps: BTreeMap::new(),
            given_up: Vec::new(),
            attempt_ended: false,
        }
    }

    /// A step of a new attempt takes the place of all of the attempt before.
    fn step(&mut self, number: u32, step: StepView<'a>) {
        if std::mem::take(&mut self.attempt_ended) {
            self.steps.clear();
        }
        self.begun = true;
        self.steps.insert(number, step);
    }

    /// Settles the verdict, never for the better: what was not recorded did not pass.
    fn conclude(&mut self, run_over: bool) {
        let (verdict, reason) = match self.ended {
            Some(ended) if ended.verdict == Verdict::Passed && ended.attempts == 0 => {
                (Verdict::Error, Cow::Borrowed("it is said to have passed, and no attempt was made"))
            }
            Some(ended) => (ended.verdict, Cow::Borrowed(ended.reason.as_str())),
            None if !self.selected && !self.set_up => (Verdict::Skipped, Cow::Borrowed("not selected")),
            None if self.begun => {
                (Verdict::Error, Cow::Borrowed("it began and has no end: the run was cut off while it ran"))
            }
            None if run_over => (Verdict::Skipped, Cow::Borrowed("not run, and nothing says why")),
            None => (Verdict::Skipped, Cow::Borrowed("not run: the run was cut off before")),
        };
        (self.verdict, self.reason) = (verdict, reason);
    }
}

fn contradiction(line: u64, what: String) -> Contradiction {
    Contradiction { line, what }
}
