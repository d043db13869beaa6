//! Engines, probes and bad luck.

use cutproof::model::event::PlannedStep;
use cutproof::model::redact::Redactor;
use cutproof::model::{Args, Clock, Endpoint, Reading, RunId, Stamp};
use cutproof::probe::{self, Context, Measurement, ProbeError, Steps};
use cutproof::process::{Cancel, Worker};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

pub use engines::engine;

#[path = "../common/engines.rs"]
mod engines;

/// A name that no other test has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}_{:08x}", fastrand::u32(..))
}

/// A generous time for a measurement.
pub const ENOUGH: Duration = Duration::from_secs(30);

/// What a measurement gave, with the steps that it took.
pub struct Outcome {
    pub result: Result<Measurement, ProbeError>,
    pub steps: Vec<(String, Result<String, String>)>,
    pub took: Duration,
}

impl Outcome {
    pub fn measurement(&self) -> &Measurement {
        self.result.as_ref().unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn error(&self) -> &str {
        &self.result.as_ref().expect_err("an error").0
    }

    pub fn reading(&self, name: &str) -> &Reading {
        let found = self.measurement().observations.iter().find(|observation| observation.name == name);
        &found.unwrap_or_else(|| panic!("no observation {name}")).reading
    }

    pub fn number(&self, name: &str) -> f64 {
        match self.reading(name) {
            Reading::Number { value, .. } => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub fn fact(&self, name: &str) -> String {
        self.measurement().facts.get(name).map(ToString::to_string).unwrap_or_default()
    }

    pub fn step_names(&self) -> Vec<&str> {
        self.steps.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Measures as the runner would, on these services.
pub fn measure(probe: &str, args: serde_json::Value, services: &[Endpoint], timeout: Duration) -> Outcome {
    measure_in(&RunId::new(Stamp::now(), "test"), probe, args, services, timeout)
}

/// As [`measure`], in this run.
pub fn measure_in(
    run: &RunId,
    probe: &str,
    args: serde_json::Value,
    services: &[Endpoint],
    timeout: Duration,
) -> Outcome {
    let probe = probe::find(probe).expect("a probe of this name");
    let serde_json::Value::Object(args) = args else { panic!("settings are a table") };
    let args = Args::new(args);
    probe.check(&args).unwrap_or_else(|bad| panic!("{bad}"));
    let endpoints: Vec<_> = services.iter().map(|it| (it.kind.as_str().to_owned(), it.clone())).collect();
    let steps = Recorded::default();
    let context = Context {
        endpoints: &endpoints,
        deadline: Instant::now() + timeout,
        cancel: &Cancel::new().expect("a descriptor"),
        clock: Clock::start(),
        run,
        redactor: &Redactor::new(),
        steps: &steps,
        worker: Worker::unheld().expect("this process may inherit orphans"),
    };
    let began = Instant::now();
    let result = probe.measure(&args, &context);
    let took = began.elapsed();
    if let Ok(measurement) = &result {
        // What the plan was told is what is observed.
        let known: Vec<_> = probe.metrics(&args).into_iter().map(|metric| metric.name.into_owned()).collect();
        let seen: Vec<_> =
            measurement.observations.iter().map(|observation| observation.name.clone()).collect();
        let unknown: Vec<_> = seen.iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "not among the metrics: {unknown:?}");
        assert_eq!(known.len(), seen.len(), "{known:?} against {seen:?}");
    }
    Outcome { result, steps: steps.0.into_inner().expect("no test panics while it holds this"), took }
}

#[derive(Default)]
struct Recorded(Mutex<Vec<(String, Result<String, String>)>>);

impl Steps for Recorded {
    fn step(
        &self,
        planned: &PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        let result = work();
        self.0
            .lock()
            .expect("no test panics while it holds this")
            .push((planned.name.clone(), result.clone()));
        result
    }
}

/// A port of this machine on which nothing listens.
pub fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port")
}

/// What happens to a connection.
#[derive(Clone, Copy)]
pub enum Luck {
    /// After this many bytes of answers nothing comes any more, and the connection stays.
    Stalls(usize),
    /// After this many bytes of answers both sides are closed.
    Breaks(usize),
}

/// A place in front of an engine where connections have bad luck. Gives its address.
pub fn in_front_of(engine: &str, luck: Luck) -> SocketAddr {
    let engine = engine.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = TcpStream::connect(&engine).expect("the engine");
            let (asked, answered) =
                (client.try_clone().expect("a socket"), engine.try_clone().expect("a socket"));
            // A client whose engine is gone is not told: it has only bad luck.
            thread::spawn(move || std::io::copy(&mut &asked, &mut &engine));
            thread::spawn(move || answer(&answered, &client, luck));
        }
    });
    address
}

fn answer(mut engine: &TcpStream, mut client: &TcpStream, luck: Luck) {
    let (Luck::Stalls(mut left) | Luck::Breaks(mut left)) = luck;
    let mut buffer = [0; 4096];
    while left > 0 {
        let length = engine.read(&mut buffer).unwrap_or(0).min(left);
        if length == 0 || client.write_all(&buffer[..length]).is_err() {
            break;
        }
        left -= length;
    }
    // The engine need not wait for this client: PostgreSQL would hold up others who make databases.
    let _ = engine.shutdown(Shutdown::Both);
    if matches!(luck, Luck::Stalls(_)) {
        thread::sleep(Duration::from_secs(3600));
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// The endpoint, reached through another address.
pub fn through(endpoint: &Endpoint, address: SocketAddr) -> Endpoint {
    let scheme = if endpoint.address.starts_with("http://") { "http://" } else { "" };
    Endpoint { address: format!("{scheme}{address}"), ..endpoint.clone() }
}

/// Bad luck of every kind ends in an error that says so, within the deadline.
pub fn assert_bad_luck_is_told(probe: &str, args: &serde_json::Value, endpoint: &Endpoint) {
    let told = |endpoint: &Endpoint, timeout: Duration, expected: &[&str]| {
        let outcome = measure(probe, args.clone(), std::slice::from_ref(endpoint), timeout);
        let error = outcome.error();
        assert!(
            expected.iter().any(|words| error.contains(words)),
            "{probe}: expected {expected:?}, seen {error}"
        );
        assert!(
            error.contains(endpoint.address.trim_start_matches("http://")),
            "{probe}: no place in {error}"
        );
        assert!(outcome.took < timeout + Duration::from_secs(5), "{probe} took {:?}", outcome.took);
    };
    let told = &told;
    thread::scope(|scope| {
        scope.spawn(move || told(&through(endpoint, nobody()), ENOUGH, &["nothing listens"]));
        for bytes in [0, 1, 7] {
            let paused = through(endpoint, in_front_of(&endpoint.address, Luck::Stalls(bytes)));
            scope.spawn(move || told(&paused, Duration::from_millis(700), &["no answer from"]));
            let broken = through(endpoint, in_front_of(&endpoint.address, Luck::Breaks(bytes)));
            scope.spawn(move || told(&broken, ENOUGH, &["cut the connection"]));
        }
    });
}
