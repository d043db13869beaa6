//! Runs the gates of a plan: order, needs, retries, deadlines, cancellation. Every gate runs once, whoever asks
//! for it first: test trials, the command line and `needs` all call [`Runner::gate`], so that one test thread
//! cannot deadlock and a needed gate is never measured twice.
//!
//! It hands events to a sink and knows neither the journal nor the terminal.

mod attempt;
mod schedule;

use crate::model::event::{GateEnded, ServiceReady, StepEnded, StepStarted, StepStatus};
use crate::model::redact::Redactor;
use crate::model::time::millis;
use crate::model::{Clock, Counts, Endpoint, Event, GateId, RunId, Verdict, event::Sink};
use crate::plan::{Plan, PlannedGate};
use crate::process::{Cancel, Worker};
use crate::service::{Environment, ServiceError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the runner is given besides the plan.
#[derive(Clone)]
pub struct Settings {
    /// The environment to measure; none in a dry run.
    pub environment: Option<Arc<dyn Environment>>,
    /// How long services have to answer, from the runner's start.
    pub service_deadline: Duration,
    /// Where events go.
    pub sink: Arc<dyn Sink + Send + Sync>,
    /// Tells the run to end early.
    pub cancel: Cancel,
    /// The run's clock.
    pub clock: Clock,
    /// The run's name.
    pub run: RunId,
    /// Knows the run's secrets.
    pub redactor: Arc<Redactor>,
    /// The right to start processes, for probes that run commands.
    pub worker: Worker,
}

/// What came of a gate: what those who wait for it need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; empty for a plain pass.
    pub reason: String,
    /// Head and tail of what a command printed.
    pub excerpt: String,
    /// How often it was tried; 0 where it was not run.
    pub attempts: u32,
}

/// A service of the plan: what it stands for, and, once somebody asked, where it is.
struct Service {
    stands_for: Option<String>,
    found: OnceLock<Result<Endpoint, ServiceError>>,
}

/// A plan that is being run. Clones share the run.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

struct Inner {
    gates: Vec<PlannedGate>,
    /// Gates of other shards that this one needs.
    set_up: BTreeSet<GateId>,
    index: BTreeMap<GateId, usize>,
    outcomes: Vec<OnceLock<Outcome>>,
    services: BTreeMap<String, Service>,
    settings: Settings,
    began: Instant,
}

impl Runner {
    /// Makes a plan ready to run. Nothing is started yet.
    pub fn new(plan: &Plan, settings: Settings) -> Runner {
        let gates = plan.gates.clone();
        let index = gates.iter().enumerate().map(|(i, planned)| (planned.gate.id.clone(), i)).collect();
        let outcomes = gates.iter().map(|_| OnceLock::new()).collect();
        let services = plan
            .services
            .iter()
            .map(|service| {
                let (stands_for, found) = (service.stands_for.clone(), OnceLock::new());
                (service.name.clone(), Service { stands_for, found })
            })
            .collect();
        let set_up = plan.partition.iter().flat_map(|partition| &partition.setup).cloned().collect();
        Runner(Arc::new(Inner { gates, set_up, index, outcomes, services, settings, began: Instant::now() }))
    }

    /// Runs a gate, or waits for whoever is running it, or says what came of it. Gates that it needs run first, on
    /// the same thread. A name that is not in the plan gives an error.
    pub fn gate(&self, id: &GateId) -> Outcome {
        match self.0.index.get(id) {
            Some(index) => self.at(*index).clone(),
            None => outcome(Verdict::Error, format!("there is no gate `{id}` in the plan")),
        }
    }

    /// Runs every gate of the plan, up to `jobs` side by side, each as soon as what it uses and needs is there.
    pub fn all(&self, jobs: usize) {
        schedule::run(self, jobs.max(1));
    }

    /// How the gates that were asked for ended, and the worst verdict of the required ones. A gate that nobody has
    /// asked for counts as skipped. What runs only because this shard needs it is not counted, but a run in which it did
    /// not pass has not passed.
    pub fn tally(&self) -> (Verdict, Counts) {
        let mut counts = Counts::default();
        let mut worst = Verdict::Passed;
        for (planned, outcome) in
            self.0.gates.iter().zip(&self.0.outcomes).filter(|(planned, _)| planned.selected)
        {
            let verdict = outcome.get().map_or(Verdict::Skipped, |outcome| outcome.verdict);
            if !self.0.set_up.contains(&planned.gate.id) {
                counts.add(verdict);
            }
            if planned.gate.required {
                worst = worst.max(verdict);
            }
        }
        (worst, counts)
    }

    fn at(&self, index: usize) -> &Outcome {
        self.0.outcomes[index].get_or_init(|| {
            let planned = &self.0.gates[index];
            let ended = self.decide(planned);
            let outcome = Outcome {
                verdict: ended.verdict,
                reason: ended.reason.clone(),
                excerpt: ended.excerpt.clone(),
                attempts: ended.attempts,
            };
            self.tell(Event::GateEnded(Box::new(ended)));
            outcome
        })
    }

    /// Whether the gate is run at all; where it is, runs it.
    fn decide(&self, planned: &PlannedGate) -> GateEnded {
        let skipped = |reason: String| ended(&planned.gate.id, Verdict::Skipped, reason);
        if !planned.selected {
            return skipped(planned.reason.clone());
        }
        if self.0.settings.environment.is_none() {
            self.simulate(planned);
            return skipped("dry run: simulated, nothing was measured".to_owned());
        }
        if let Some(by) = self.0.settings.cancel.why() {
            return skipped(format!("not run: interrupted by {by}"));
        }
        for need in &planned.gate.needs {
            let needed = self.gate(need);
            if needed.verdict != Verdict::Passed {
                return skipped(format!("blocked: needs `{need}`, which {}", in_words(needed.verdict)));
            }
        }
        self.tell(Event::GateStarted { gate: planned.gate.id.clone() });
        let mut endpoints = Vec::new();
        for name in &planned.gate.uses {
            match self.service(name) {
                Ok(endpoint) => endpoints.push((name.clone(), endpoint)),
                Err(error) => {
                    let reason = format!("service `{name}` is not there: {error}");
                    return ended(&planned.gate.id, Verdict::Error, reason);
                }
            }
        }
        self.attempts(planned, endpoints)
    }

    /// Attempts until one passes or the retry's time is over.
    fn attempts(&self, planned: &PlannedGate, endpoints: Vec<(String, Endpoint)>) -> GateEnded {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let started = Instant::now();
            let mut ended = attempt::run(&self.0.settings, planned, &endpoints);
            ended.attempts = attempt;
            ended.duration_ms = millis(began.elapsed());
            ended.attempt_ms = (attempt > 1).then(|| millis(started.elapsed()));
            let again = planned.gate.retry.filter(|retry| {
                ended.verdict != Verdict::Passed
                    && began.elapsed() + retry.every <= retry.within
                    && !self.0.settings.cancel.is_cancelled()
            });
            let Some(retry) = again else { return ended };
            self.tell(Event::AttemptEnded {
                gate: planned.gate.id.clone(),
                attempt,
                verdict: ended.verdict,
                reason: ended.reason.clone(),
                duration_ms: millis(started.elapsed()),
            });
            self.0.settings.cancel.pause(retry.every);
            attempt += 1;
        }
    }

    /// A dry run announces each step of an init as simulated.
    fn simulate(&self, planned: &PlannedGate) {
        for (number, step) in (1..).zip(&planned.steps) {
            let gate = planned.gate.id.clone();
            self.tell(Event::StepStarted(StepStarted {
                gate: gate.clone(),
                number,
                name: step.name.clone(),
            }));
            self.tell(Event::StepEnded(StepEnded {
                gate,
                number,
                name: step.name.clone(),
                status: StepStatus::SimulatedOk,
                duration_ms: 0.0,
                command: step.command.clone(),
                detail: String::new(),
            }));
        }
    }

    /// Waits for a service; told once, whoever asks first.
    ///
    /// # Errors
    /// Where it does not answer in time, or is none of the plan.
    pub fn service(&self, name: &str) -> Result<Endpoint, ServiceError> {
        let Some(Service { stands_for, found }) = self.0.services.get(name) else {
            return Err(ServiceError(format!("there is no service `{name}` in the plan")));
        };
        found.get_or_init(|| self.wait(name, stands_for.as_deref())).clone()
    }

    fn wait(&self, name: &str, stands_for: Option<&str>) -> Result<Endpoint, ServiceError> {
        let Some(environment) = &self.0.settings.environment else {
            return Err(ServiceError("a dry run has no services".to_owned()));
        };
        let found = environment.wait(name, self.0.began + self.0.settings.service_deadline);
        let took_ms = millis(self.0.began.elapsed());
        match &found {
            Ok(endpoint) => {
                if let Some(password) = &endpoint.password {
                    self.0.settings.redactor.add(password.reveal());
                }
                self.tell(Event::ServiceReady(ServiceReady {
                    service: name.to_owned(),
                    kind: endpoint.kind,
                    address: endpoint.address.clone(),
                    product: endpoint.product.clone(),
                    differs: crate::service::differs(endpoint.product.as_ref(), stands_for),
                    image: endpoint.image.clone(),
                    identity: endpoint.identity.clone(),
                    took_ms,
                }));
            }
            Err(error) => self.tell(Event::ServiceFailed {
                service: name.to_owned(),
                reason: self.0.settings.redactor.text(&error.0).into_owned(),
                took_ms,
            }),
        }
        found
    }

    fn tell(&self, event: Event) {
        self.0.settings.sink.event(event);
    }
}

fn outcome(verdict: Verdict, reason: String) -> Outcome {
    Outcome { verdict, reason, excerpt: String::new(), attempts: 0 }
}

fn ended(gate: &GateId, verdict: Verdict, reason: String) -> GateEnded {
    GateEnded {
        gate: gate.clone(),
        verdict,
        reason,
        attempts: 0,
        duration_ms: 0.0,
        attempt_ms: None,
        observations: Vec::new(),
        facts: Default::default(),
        excerpt: String::new(),
    }
}

/// The verdict of a gate that others need, as a sentence goes on.
fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Skipped => "was not run",
        Verdict::Inconclusive => "was inconclusive",
        Verdict::Error => "could not be measured",
        Verdict::Failed => "failed",
    }
}
