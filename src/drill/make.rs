//! Makes a fault: some change what will be done, before it begins; the others strike while it is done. Whoever strikes
//! stands between the run and who watches it, so that it knows when.

use super::fault::{Fault, Make};
use crate::cutover::plan::Prepared;
use crate::model::event::Sink;
use crate::model::switch::{Sequence, Stage};
use crate::model::{Endpoint, Event};
use crate::rehearsal::Watcher;
use crate::service::embedded::{Phase, Progress};
use crate::service::{Environment, Strike};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The connector that fails.
const CONNECTOR: &str = "trading-core-connector";

/// How long a core or a connector has to take a fault.
const TAKE: Duration = Duration::from_secs(10);

/// How long after its beginning a watch is struck: it has seen that all is well.
const AFTER: Duration = Duration::from_secs(2);

/// The step of the way back from which on nothing can be written.
const FULL_FROM: &str = "new_core_engine";

/// Changes what will be done, where the fault is of that kind.
pub fn prepare(fault: &Fault, prepared: &mut Prepared) {
    match fault.make {
        Make::CoreAtStart(fault) => {
            edit(prepared, "start_new_core_engine", |line| format!("{line} --fault {fault}"));
        }
        Make::Step { name, before, timeout } => {
            edit(prepared, name, |line| format!("{before} && {line}"));
            for work in all(prepared).filter(|work| work.step.name == name) {
                work.step.timeout_ms = timeout.map_or(work.step.timeout_ms, |limit| limit as f64 * 1e3);
            }
        }
        Make::Late { step, sleep, limit } => {
            edit(prepared, step, |line| format!("sleep {sleep} && {line}"));
            prepared.plan.rollback.limit_ms = limit as f64 * 1e3;
            prepared.plan.rollback.max_seconds = limit.to_string();
        }
        // Our own limit, not that of the commands.
        Make::DiskFull => {
            let steps: Vec<_> = prepared.rollback.iter().map(|work| work.step.name.clone()).collect();
            steps
                .iter()
                .for_each(|step| edit(prepared, step, |line| format!("ulimit -S -f unlimited; {line}")));
        }
        Make::Core { .. } | Make::Pause(_) | Make::Kill { .. } | Make::Connector => {}
    }
    let steps = |works: &[crate::cutover::plan::Work]| works.iter().map(|work| work.step.clone()).collect();
    if let Some(cutover) = &mut prepared.plan.cutover {
        cutover.steps = steps(&prepared.cutover);
    }
    prepared.plan.rollback.steps = steps(&prepared.rollback);
}

fn all(prepared: &mut Prepared) -> impl Iterator<Item = &mut crate::cutover::plan::Work> {
    prepared.cutover.iter_mut().chain(&mut prepared.rollback)
}

fn edit(prepared: &mut Prepared, name: &str, line: impl Fn(&str) -> String) {
    for work in all(prepared).filter(|work| work.step.name == name) {
        work.line = line(&work.line);
        work.step.command = line(&work.step.command);
    }
}

/// Strikes at the fault's moment, and hands everything on to who watches.
pub struct Saboteur {
    fault: &'static Fault,
    endpoints: BTreeMap<String, Endpoint>,
    environment: Arc<dyn Environment>,
    watcher: Arc<dyn Watcher + Sync>,
    limit: Mutex<Option<Rlimit>>,
    failed: Mutex<Option<String>>,
}

impl Saboteur {
    /// `environment` has the services that can be struck, which are at `endpoints`.
    pub fn new(
        fault: &'static Fault,
        endpoints: BTreeMap<String, Endpoint>,
        environment: Arc<dyn Environment>,
        watcher: Arc<dyn Watcher + Sync>,
    ) -> Saboteur {
        let (limit, failed) = Default::default();
        Saboteur { fault, endpoints, environment, watcher, limit, failed }
    }

    /// Gives back what the fault took from this process. To be called when the run has ended.
    ///
    /// # Errors
    /// The fault could not be made, so that nothing was shown by the run.
    pub fn end(&self) -> Result<(), String> {
        if let Some(limit) = self.limit.lock().unwrap_or_else(PoisonError::into_inner).take() {
            setrlimit(Resource::Fsize, limit).map_err(|error| format!("the disk stays full: {error}"))?;
        }
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(why) => Err(format!("the fault {} could not be made: {why}", self.fault.name)),
            None => Ok(()),
        }
    }

    fn strike(self: &Arc<Self>, event: &Event) {
        match (self.fault.make, event) {
            (Make::Core { name, value }, Event::StageStarted { stage: Stage::Watch, .. }) => {
                self.later(move |own| own.core(name, value));
            }
            (Make::Pause(service), Event::StageStarted { stage: Stage::Watch, .. }) => {
                self.later(move |own| own.strike_service(service, Strike::Freeze));
            }
            (Make::Connector, Event::StageStarted { stage: Stage::Watch, .. }) => {
                self.later(|own| own.connector());
            }
            (Make::Kill { service, before }, Event::CommandStarted(step)) if step.name == before => {
                self.note(self.strike_service(service, Strike::Kill));
            }
            (Make::DiskFull, Event::CommandEnded(step))
                if step.sequence == Sequence::Rollback && step.name.ends_with(FULL_FROM) =>
            {
                self.note(self.fill());
            }
            _ => {}
        }
    }

    /// Strikes when the watch has seen something, on a thread of its own.
    fn later(self: &Arc<Self>, strike: impl FnOnce(&Saboteur) -> Result<(), String> + Send + 'static) {
        let own = Arc::clone(self);
        let started = std::thread::Builder::new().name("fault".to_owned()).spawn(move || {
            std::thread::sleep(AFTER);
            own.note(strike(&own));
        });
        self.note(started.map(drop).map_err(|error| error.to_string()));
    }

    fn note(&self, struck: Result<(), String>) {
        if let Err(why) = struck {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        }
    }

    fn endpoint(&self, service: &str) -> Result<&str, String> {
        let known = self.endpoints.get(service).map(|endpoint| endpoint.address.as_str());
        known.ok_or_else(|| format!("there is no service `{service}`"))
    }

    fn core(&self, name: &str, value: Option<&str>) -> Result<(), String> {
        let value = value.map(|value| format!("&value={value}")).unwrap_or_default();
        let url = format!("{}/fault?name={name}{value}", self.endpoint("core")?);
        agent().post(&url).send_empty().map(drop).map_err(|error| format!("{url}: {error}"))
    }

    fn strike_service(&self, service: &str, strike: Strike) -> Result<(), String> {
        self.environment.strike(service, strike).map_err(|error| error.to_string())
    }

    /// A publication that is not there: the task begins anew and fails.
    fn connector(&self) -> Result<(), String> {
        let url = format!("{}/connectors/{CONNECTOR}/config", self.endpoint("connect")?);
        let wrong = |error: ureq::Error| format!("{url}: {error}");
        let text = agent().get(&url).call().map_err(wrong)?.body_mut().read_to_string().map_err(wrong)?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| format!("{url}: {error}"))?;
        config["publication.name"] = "there_is_none".into();
        config["publication.autocreate.mode"] = "disabled".into();
        let put = agent().put(&url).content_type("application/json").send(config.to_string());
        put.map(drop).map_err(wrong)
    }

    /// No file of this process can grow any more.
    fn fill(&self) -> Result<(), String> {
        let limit = getrlimit(Resource::Fsize);
        let full = Rlimit { current: Some(0), maximum: limit.maximum };
        setrlimit(Resource::Fsize, full).map_err(|error| error.to_string())?;
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
        Ok(())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).timeout_global(Some(TAKE)).build().into()
}

/// A saboteur that many hold.
pub struct Struck(pub Arc<Saboteur>);

impl Sink for Struck {
    fn event(&self, event: Event) {
        self.0.strike(&event);
        self.0.watcher.event(event);
    }
}

impl Progress for Struck {
    fn at(&self, phase: Phase, done: u64, total: u64) {
        self.0.watcher.at(phase, done, total);
    }

    fn done(&self, phase: Phase, took: Duration) {
        self.0.watcher.done(phase, took);
    }

    fn note(&self, text: &str) {
        self.0.watcher.note(text);
    }
}
