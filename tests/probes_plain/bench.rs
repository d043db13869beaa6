//! Runs one probe as a gate would: settings with their defaults, checked, then measured.

use cutproof::condition::{Condition, Truth};
use cutproof::model::event::PlannedStep;
use cutproof::model::field::{Field, FieldKind, Presence};
use cutproof::model::redact::Redactor;
use cutproof::model::units::parse_duration;
use cutproof::model::{Args, Clock, Endpoint, Observation, Reading, RunId};
use cutproof::probe::{BadArgs, Context, Measurement, Probe, ProbeError, Steps, find};
use cutproof::process::{Cancel, Worker};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// Long enough for the busiest machine; nothing waits for it to pass.
pub const GENEROUS: Duration = Duration::from_secs(60);

pub struct Bench {
    pub endpoints: Vec<(String, Endpoint)>,
    pub redactor: Redactor,
    pub cancel: Cancel,
    pub within: Duration,
}

struct NoSteps;

impl Steps for NoSteps {
    fn step(
        &self,
        planned: &PlannedStep,
        _work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        panic!("{planned:?}: these probes take no steps")
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            endpoints: Vec::new(),
            redactor: Redactor::new(),
            cancel: Cancel::new().unwrap(),
            within: GENEROUS,
        }
    }

    pub fn using(endpoint: Endpoint) -> Bench {
        Bench { endpoints: vec![("service".to_owned(), endpoint)], ..Bench::new() }
    }

    pub fn measure(&self, probe: &str, with: Value) -> Result<Measurement, ProbeError> {
        let probe = find(probe).unwrap();
        let args = args(probe, with);
        probe.check(&args).unwrap();
        let clock = Clock::start();
        let context = Context {
            endpoints: &self.endpoints,
            deadline: Instant::now() + self.within,
            cancel: &self.cancel,
            clock,
            run: &RunId::new(clock.started(), "test"),
            redactor: &self.redactor,
            steps: &NoSteps,
            worker: Worker::unheld().unwrap(),
        };
        let measured = probe.measure(&args, &context)?;
        all_are_declared(probe, &args, &measured.observations);
        Ok(measured)
    }

    pub fn error(&self, probe: &str, with: Value) -> String {
        self.measure(probe, with).unwrap_err().0
    }
}

/// Every metric is observed once, and as what it was declared.
fn all_are_declared(probe: &dyn Probe, args: &Args, observations: &[Observation]) {
    let declared: Vec<_> = probe.metrics(args).into_iter().map(|metric| metric.name.into_owned()).collect();
    let observed: Vec<_> = observations.iter().map(|observation| observation.name.clone()).collect();
    assert_eq!(declared, observed);
}

/// What is wrong with settings.
pub fn refused(probe: &str, with: Value) -> BadArgs {
    let probe = find(probe).unwrap();
    probe.check(&args(probe, with)).unwrap_err()
}

/// Settings as the profile gives them.
pub fn args(probe: &dyn Probe, with: Value) -> Args {
    let Value::Object(given) = with else { panic!("expected a table") };
    Args::new(filled(probe.fields(), given))
}

fn filled(fields: &[Field], mut given: Map<String, Value>) -> Map<String, Value> {
    let mut filled = Map::new();
    for field in fields {
        let value = match (given.remove(field.name), field.presence) {
            (Some(value), _) => value,
            // Where a default is a plain text, number, truth or list, TOML and JSON write it alike.
            (None, Presence::Default(text)) => serde_json::from_str(text).unwrap(),
            (None, Presence::Optional) => continue,
            (None, Presence::Required) => panic!("`{}` is required", field.name),
        };
        filled.insert(field.name.to_owned(), decoded(&field.kind, value));
    }
    assert!(given.is_empty(), "unknown settings: {given:?}");
    filled
}

fn decoded(kind: &FieldKind, value: Value) -> Value {
    match (kind, value) {
        (FieldKind::Duration, Value::String(text)) => {
            Value::from(parse_duration(&text).unwrap().as_secs_f64() * 1e3)
        }
        (FieldKind::Tables(fields), Value::Array(items)) => {
            let one = |item| match item {
                Value::Object(given) => Value::Object(filled(fields, given)),
                other => panic!("expected a table, found {other}"),
            };
            items.into_iter().map(one).collect()
        }
        (_, value) => value,
    }
}

/// The reading of a name.
pub fn reading<'m>(measured: &'m Measurement, name: &str) -> &'m Reading {
    &observation(measured, name).reading
}

pub fn observation<'m>(measured: &'m Measurement, name: &str) -> &'m Observation {
    measured.observations.iter().find(|observation| observation.name == name).unwrap()
}

pub fn number(measured: &Measurement, name: &str) -> f64 {
    match reading(measured, name) {
        Reading::Number { value, .. } => *value,
        other => panic!("{name}: {other:?}"),
    }
}

pub fn text<'m>(measured: &'m Measurement, name: &str) -> &'m str {
    match reading(measured, name) {
        Reading::Text { value } => value,
        other => panic!("{name}: {other:?}"),
    }
}

pub fn fact(measured: &Measurement, name: &str) -> String {
    measured.facts.get(name).map(Value::to_string).unwrap_or_default()
}

/// Whether a condition holds on what was measured.
pub fn judged(measured: &Measurement, condition: &str) -> Truth {
    Condition::parse(condition).unwrap().judge(&measured.observations).unwrap().truth
}
