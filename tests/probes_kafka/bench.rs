//! The engines of all tests, and a bench to measure on.

use cutproof::model::event::PlannedStep;
use cutproof::model::field::{FieldKind, Presence};
use cutproof::model::redact::Redactor;
use cutproof::model::{Args, Clock, Endpoint, Reading, RunId, ServiceKind};
use cutproof::probe::{self, Context, Measurement, ProbeError, Steps};
use cutproof::process::{Cancel, Worker};
use cutproof::service::embedded::{
    EngineKind, EngineRequest, EngineSource, Lines, Running, StartOptions, Started, install, start,
    user_cache,
};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::{Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Machines that build something else at the same time are slow.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How much later than its deadline a probe may answer: the runner's grace.
pub const GRACE: Duration = Duration::from_secs(2);

/// Held to read by tests that need the engines well, to write by those that pause one.
pub static WELL: RwLock<()> = RwLock::new(());

pub fn well() -> RwLockReadGuard<'static, ()> {
    WELL.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub fn alone() -> RwLockWriteGuard<'static, ()> {
    WELL.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The engines of all tests, started by the first that asks for one.
pub static ENGINES: Mutex<Option<(Running, TempDir)>> = Mutex::new(None);

pub static WORKER: OnceLock<Worker> = OnceLock::new();

/// Where an engine of this kind is, and its process. The one place that knows how the engines come to be there.
pub fn engine(kind: ServiceKind) -> Started {
    let mut engines = ENGINES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (running, _) = engines.get_or_insert_with(|| {
        let request = |name: &str, kind| EngineRequest { name: name.to_owned(), kind };
        let (user, database) = ("quant_hft".to_owned(), "quant_hft".to_owned());
        let requests = [
            request("kafka", EngineKind::Kafka),
            request("connect", EngineKind::Connect { kafka: "kafka".to_owned() }),
            request("clickhouse", EngineKind::Clickhouse),
            request("postgres", EngineKind::Postgres { from: EngineSource::Pinned, user, database }),
        ];
        let worker = *WORKER.get().expect("set by main");
        let progress = Lines::new(std::io::stderr());
        let installed = install(&user_cache().unwrap(), worker, &progress).unwrap();
        let mut options = StartOptions::with_exe(env!("CARGO_BIN_EXE_cutproof"), worker);
        options.limit = PATIENCE;
        let folder = tempfile::tempdir().unwrap();
        (start(&installed, &requests, folder.path(), &options).unwrap(), folder)
    });
    running.wait(kind.as_str(), Instant::now() + PATIENCE).unwrap_or_else(|error| panic!("{error}"))
}

pub fn kafka() -> Endpoint {
    engine(ServiceKind::Kafka).endpoint
}

pub fn connect() -> Endpoint {
    engine(ServiceKind::Connect).endpoint
}

pub fn postgres() -> Endpoint {
    engine(ServiceKind::Postgres).endpoint
}

/// What is done before a step of this name.
type Before = Box<dyn FnMut(&str)>;

/// A step that was taken: its name, what it found or why it failed, and how long it took.
type Taken = (String, Result<String, String>, Duration);

/// Remembers steps as the journal would.
#[derive(Default)]
pub struct Told {
    steps: RefCell<Vec<Taken>>,
    before: RefCell<Option<Before>>,
}

impl Steps for Told {
    fn step(
        &self,
        planned: &PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        if let Some(before) = self.before.borrow_mut().as_mut() {
            before(&planned.name);
        }
        let began = Instant::now();
        let result = work();
        self.steps.borrow_mut().push((planned.name.clone(), result.clone(), began.elapsed()));
        result
    }
}

impl Told {
    /// Names of the steps, in their order.
    pub fn names(&self) -> Vec<String> {
        self.steps.borrow().iter().map(|(name, ..)| name.clone()).collect()
    }

    /// What a step of this name found, or why it failed.
    pub fn said(&self, step: &str) -> Result<String, String> {
        let steps = self.steps.borrow();
        steps.iter().find(|(name, ..)| name == step).unwrap_or_else(|| panic!("no step {step}")).1.clone()
    }

    /// All steps in lines to look at.
    pub fn lines(&self) -> String {
        let line =
            |(name, said, took): &Taken| format!("{:>8.3} ms  {name}: {said:?}\n", took.as_secs_f64() * 1e3);
        self.steps.borrow().iter().map(line).collect()
    }

    /// Does this before each step.
    pub fn before(&self, before: impl FnMut(&str) + 'static) {
        *self.before.borrow_mut() = Some(Box::new(before));
    }
}

/// One measurement, with all that a probe is given.
pub struct Bench {
    endpoints: Vec<(String, Endpoint)>,
    pub redactor: Redactor,
    pub told: Told,
    timeout: Duration,
    cancel: Cancel,
}

impl Bench {
    pub fn on(endpoints: impl IntoIterator<Item = Endpoint>) -> Bench {
        let endpoints = endpoints.into_iter().map(|endpoint| (endpoint.kind.to_string(), endpoint)).collect();
        Bench {
            endpoints,
            redactor: Redactor::new(),
            told: Told::default(),
            timeout: PATIENCE,
            cancel: Cancel::new().unwrap(),
        }
    }

    pub fn within(self, timeout: Duration) -> Bench {
        Bench { timeout, ..self }
    }

    /// Tells the measurement to stop after this time.
    pub fn stopped_after(self, time: Duration) -> Bench {
        let cancel = self.cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            cancel.cancel("SIGINT");
        });
        self
    }

    pub fn measure(&self, name: &str, args: Value) -> Result<Measurement, ProbeError> {
        let args = with_defaults(name, args);
        let probe = probe::find(name).unwrap();
        probe.check(&args).unwrap();
        let clock = Clock::start();
        let run = RunId::new(clock.started(), "test");
        let began = Instant::now();
        let context = Context {
            endpoints: &self.endpoints,
            deadline: began + self.timeout,
            cancel: &self.cancel,
            clock,
            run: &run,
            redactor: &self.redactor,
            steps: &self.told,
            worker: *WORKER.get().expect("set by main"),
        };
        let found = probe.measure(&args, &context);
        assert!(began.elapsed() < self.timeout + GRACE, "{name} took {:?}", began.elapsed());
        if let Ok(found) = &found {
            let declared: Vec<_> =
                probe.metrics(&args).iter().map(|metric| metric.name.to_string()).collect();
            let seen: Vec<_> = found.observations.iter().map(|seen| seen.name.clone()).collect();
            assert_eq!(declared, seen, "{name} observes what it declares");
        }
        found
    }

    pub fn error(&self, name: &str, args: Value) -> String {
        self.measure(name, args).expect_err(name).0
    }

    pub fn ok(&self, name: &str, args: Value) -> Measurement {
        self.measure(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// Settings as the profile would hand them over: with the fields' defaults. Durations are given in milliseconds.
pub fn with_defaults(name: &str, args: Value) -> Args {
    let Value::Object(mut args) = args else { panic!("an object") };
    for field in probe::find(name).unwrap().fields() {
        if let Presence::Default(text) = field.presence
            && !args.contains_key(field.name)
        {
            let text = text.trim_matches('"');
            let value = match field.kind {
                FieldKind::Integer { .. } => json!(text.parse::<i64>().unwrap()),
                FieldKind::Duration => json!(text.trim_end_matches('s').parse::<i64>().unwrap() * 1000),
                _ => json!(text),
            };
            args.insert(field.name.to_owned(), value);
        }
    }
    Args::new(args)
}

pub fn number(found: &Measurement, name: &str) -> Option<f64> {
    match &found.observations.iter().find(|seen| seen.name == name).expect(name).reading {
        Reading::Number { value, .. } => Some(*value),
        Reading::Missing => None,
        other => panic!("{name} is {other:?}"),
    }
}

pub fn truth(found: &Measurement, name: &str) -> bool {
    let seen = found.observations.iter().find(|seen| seen.name == name).expect(name);
    seen.reading == Reading::bool(true)
}

pub fn text(found: &Measurement, name: &str) -> String {
    match &found.observations.iter().find(|seen| seen.name == name).expect(name).reading {
        Reading::Text { value } => value.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

pub fn facts(found: &Measurement) -> String {
    serde_json::to_string(&found.facts).unwrap()
}

/// An address where nothing listens.
pub fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Ends the engines, where any were started.
pub fn end() {
    let engines = ENGINES.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some((running, folder)) = engines {
        running.stop();
        drop(folder);
    }
}
