//! One source of a watch on its thread: sleeps until a tick is due, samples, and answers.

use super::ticks::due;
use super::{GRACE, Settings};
use crate::model::event::PlannedStep;
use crate::model::redact::Redactor;
use crate::model::watch::{WatchMetric, WatchSource};
use crate::model::{Clock, Endpoint, Reading, RunId};
use crate::probe::{Context, Probe, ProbeError, Sampled, Sampler, Steps, sampler};
use crate::process::{Cancel, Worker};
use crate::profile::switch::Measure;
use crate::watch::BadPlan;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// What a source says to one tick.
pub(super) struct Answer {
    /// The source's place in the plan.
    pub place: usize,
    pub tick: u64,
    pub ended: Instant,
    pub took: Duration,
    /// The values, or why there are none.
    pub found: Result<Found, String>,
}

/// Values by the metrics' names.
pub(super) struct Found {
    pub readings: BTreeMap<String, Reading>,
    pub at_least: BTreeSet<String>,
}

/// A source and all that it needs; it may be left behind, so everything is its own.
pub(super) struct Source {
    place: usize,
    probe: &'static dyn Probe,
    measure: Measure,
    metrics: Vec<WatchMetric>,
    timeout: Duration,
    endpoints: Result<Vec<(String, Endpoint)>, String>,
    stop: Cancel,
    clock: Clock,
    run: RunId,
    redactor: Arc<Redactor>,
    worker: Worker,
    tell: mpsc::Sender<Answer>,
}

impl Source {
    pub fn new(
        place: usize,
        source: &WatchSource,
        measure: &Measure,
        settings: &Settings<'_>,
        stop: &Cancel,
        tell: mpsc::Sender<Answer>,
    ) -> Source {
        let endpoint = |name: &String| match settings.endpoints.get(name) {
            Some(endpoint) => Ok((name.clone(), endpoint.clone())),
            None => Err(format!("service `{name}` is not there")),
        };
        let mine = settings.plan.metrics.iter().filter(|metric| metric.source == source.name);
        Source {
            place,
            probe: measure.probe,
            measure: measure.clone(),
            metrics: mine.cloned().collect(),
            timeout: super::plan::time(source.timeout_ms),
            endpoints: measure.uses.iter().map(endpoint).collect(),
            stop: stop.clone(),
            clock: settings.clock,
            run: settings.run.clone(),
            redactor: Arc::clone(settings.redactor),
            worker: settings.worker,
            tell,
        }
    }

    /// Starts the thread.
    pub fn begin(self, start: Instant, interval: Duration, end: Instant) -> Result<(), BadPlan> {
        let name = format!("watch {}", self.place);
        let thread = std::thread::Builder::new().name(name).spawn(move || self.go_on(start, interval, end));
        thread.map(drop).map_err(|error| {
            BadPlan(format!("expected to start a thread for each source, and the system said: {error}"))
        })
    }

    fn go_on(self, start: Instant, interval: Duration, end: Instant) {
        let mut sampler = sampler(self.probe, &self.measure.with);
        let mut tick = 0;
        loop {
            let begins = due(start, interval, tick);
            if begins >= end || self.stop.pause(begins.saturating_duration_since(Instant::now())) {
                return;
            }
            let began = Instant::now();
            let found = self.sample(&mut sampler, begins + self.timeout);
            let ended = Instant::now();
            self.answer(tick, ended, ended - began, found);
            tick += 1;
            // Ticks that were over before this one was: the next one is asked in time.
            while due(start, interval, tick + 1) <= ended {
                let took = (ended - began).as_secs_f64();
                let why = format!("not asked: the sample before took {took:.3} s");
                self.answer(tick, ended, Duration::ZERO, Err(why));
                tick += 1;
            }
        }
    }

    fn answer(&self, tick: u64, ended: Instant, took: Duration, found: Result<Found, String>) {
        // Nobody listens any more where this thread was left behind.
        self.tell.send(Answer { place: self.place, tick, ended, took, found }).ok();
    }

    fn sample(&self, sampler: &mut Box<dyn Sampler>, deadline: Instant) -> Result<Found, String> {
        let endpoints = self.endpoints.as_ref().map_err(Clone::clone)?;
        let context = Context {
            endpoints,
            deadline,
            cancel: &self.stop,
            clock: self.clock,
            run: &self.run,
            redactor: &self.redactor,
            steps: &NoSteps,
            worker: self.worker,
        };
        let sampled = std::panic::catch_unwind(AssertUnwindSafe(|| sampler.sample(&context)));
        let sampled = sampled.unwrap_or_else(|_| {
            *sampler = crate::probe::sampler(self.probe, &self.measure.with);
            let name = self.probe.name();
            Err(ProbeError(format!("the probe `{name}` broke off, which is a fault in cutproof")))
        });
        match sampled {
            Ok(_) if Instant::now() > deadline + GRACE => {
                Err(format!("no answer within {:?}: it came later", self.timeout))
            }
            Ok(sampled) => Ok(self.found(&sampled)),
            Err(error) => Err(self.redactor.text(&error.0).into_owned()),
        }
    }

    fn found(&self, sampled: &Sampled) -> Found {
        let observed = |metric: &WatchMetric| {
            let found = sampled.observations.iter().find(|observation| observation.name == metric.value);
            let mut reading = found.map_or(Reading::Missing, |observation| observation.reading.clone());
            if let Reading::Text { value } = &mut reading {
                *value = self.redactor.text(value).into_owned();
            }
            (metric.name.clone(), reading)
        };
        let bound = |metric: &&WatchMetric| sampled.at_least.contains(&metric.value);
        Found {
            readings: self.metrics.iter().map(observed).collect(),
            at_least: self.metrics.iter().filter(bound).map(|metric| metric.name.clone()).collect(),
        }
    }
}

/// A watch changes nothing.
struct NoSteps;

impl Steps for NoSteps {
    fn step(
        &self,
        planned: &PlannedStep,
        _work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        Err(format!("a watch only reads, and `{}` would change something", planned.name))
    }
}
