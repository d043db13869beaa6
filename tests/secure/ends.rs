//! What the tests ask: a service who it is, and single probes.

use cutproof::model::redact::Redactor;
use cutproof::model::service::{Sasl, Tls};
use cutproof::model::{Args, Clock, Endpoint, Reading, RunId, Secret, ServiceKind, Stamp};
use cutproof::probe::client::refused::Refused;
use cutproof::probe::{self, Context, Measurement, ProbeError, Steps};
use cutproof::process::{Cancel, Worker};
use cutproof::service::identify::identify;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A password that must be nowhere but in the engines.
pub const PASSWORD: &str = "correct-horse-battery";

/// One that is wrong, and must be nowhere either.
pub const WRONG: &str = "staple-of-the-wrong-kind";

/// Enough on a machine that does something else at the same time.
const ENOUGH: Duration = Duration::from_secs(20);

/// An endpoint and what it is spoken to with.
pub fn end(kind: ServiceKind, address: impl Into<String>) -> Endpoint {
    Endpoint::at(kind, address)
}

/// Who logs in and how protected, put onto an endpoint.
pub trait With {
    fn by(self, user: &str, password: &str) -> Self;
    fn tls(self, tls: Tls) -> Self;
    fn sasl(self, sasl: Sasl) -> Self;
}

impl With for Endpoint {
    fn by(self, user: &str, password: &str) -> Endpoint {
        let user = (!user.is_empty()).then(|| user.to_owned());
        Endpoint { user, password: Some(Secret::new(password)), ..self }
    }

    fn tls(self, tls: Tls) -> Endpoint {
        Endpoint { tls: Some(tls), ..self }
    }

    fn sasl(self, sasl: Sasl) -> Endpoint {
        Endpoint { sasl: Some(sasl), ..self }
    }
}

/// The service says who it is, and its health is good.
#[track_caller]
pub fn expect_known(endpoint: &Endpoint) -> Endpoint {
    let known = identify(endpoint, &BTreeSet::new(), ENOUGH);
    let known = known.unwrap_or_else(|refused| panic!("{endpoint:?}: {refused}"));
    let found = measure("health", serde_json::json!({}), endpoint).expect("it can be asked");
    assert_eq!(text(&found, "unhealthy"), "", "{:?}", found.facts);
    known
}

/// Whether the service says who it is.
pub fn answers(endpoint: &Endpoint) -> bool {
    identify(endpoint, &BTreeSet::new(), ENOUGH).is_ok()
}

/// The service refuses us for good, and says so in these words both where it is attached to and where its health is
/// asked.
#[track_caller]
pub fn expect_refused(endpoint: &Endpoint, words: &[&str]) {
    let refused = expect_error(endpoint, words);
    assert!(!refused.passes, "asking again changes nothing: {refused}");
}

/// As [`expect_refused`], where it may pass.
#[track_caller]
pub fn expect_error(endpoint: &Endpoint, words: &[&str]) -> Refused {
    let began = Instant::now();
    let refused = identify(endpoint, &BTreeSet::new(), ENOUGH).expect_err("it lets us in");
    let said = refused.to_string();
    println!("{} after {:?}: {said}", endpoint.address, began.elapsed());
    check(&said, words);
    let asked = serde_json::json!({"connect_timeout": 15000});
    let found = measure("health", asked, endpoint).expect("health is measured");
    assert_eq!(text(&found, "unhealthy"), endpoint.kind.as_str(), "{words:?}");
    check(found.facts.text(endpoint.kind.as_str()).unwrap_or_default(), words);
    refused
}

#[track_caller]
fn check(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "expected `{word}` in: {said}");
    }
    assert!(!said.contains(PASSWORD) && !said.contains(WRONG), "a password: {said}");
}

/// Measures one probe on one service.
pub fn measure(probe: &str, args: Value, endpoint: &Endpoint) -> Result<Measurement, ProbeError> {
    let probe = probe::find(probe).expect("a probe of this name");
    let Value::Object(args) = args else { panic!("settings are a table") };
    let endpoints = [(endpoint.kind.as_str().to_owned(), endpoint.clone())];
    let context = Context {
        endpoints: &endpoints,
        deadline: Instant::now() + ENOUGH,
        cancel: &Cancel::new().expect("a descriptor"),
        clock: Clock::start(),
        run: &RunId::new(Stamp::now(), "test"),
        redactor: &Redactor::new(),
        steps: &NoSteps,
        worker: Worker::unheld().expect("this process may inherit orphans"),
    };
    probe.measure(&Args::new(args), &context)
}

/// The value of a measurement.
#[track_caller]
pub fn reading<'m>(found: &'m Measurement, name: &str) -> &'m Reading {
    let observation = found.observations.iter().find(|observation| observation.name == name);
    &observation.unwrap_or_else(|| panic!("no {name} in {found:?}")).reading
}

#[track_caller]
pub fn text(found: &Measurement, name: &str) -> String {
    match reading(found, name) {
        Reading::Text { value } => value.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[track_caller]
pub fn number(found: &Measurement, name: &str) -> f64 {
    match reading(found, name) {
        Reading::Number { value, .. } => *value,
        other => panic!("{name} is {other:?}"),
    }
}

struct NoSteps;

impl Steps for NoSteps {
    fn step(
        &self,
        _: &cutproof::model::event::PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        work()
    }
}
