//! What containers cost: `cargo bench --bench containers`. Needs Docker and the images of `ci/images/build`, or others
//! in CUTPROOF_IMAGE_NAME; the images are there before, so that nothing is pulled.
//!
//! Prints, of one run: all five services as containers against the chain that can't be shortened (Kafka, then
//! Connect), and how long after its service is ready a gate begins.

mod common;

use cutproof::model::ServiceKind;
use cutproof::process::{Cancel, Worker};
use cutproof::service::Environment;
use cutproof::service::containers::{ContainerRequest, Daemon, StartOptions, start};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const CUTPROOF: &str = env!("CARGO_BIN_EXE_cutproof");
const ROUNDS: usize = 5;
/// For a service, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Kafka and Connect first: they are the chain.
const SERVICES: [(&str, ServiceKind, &str); 5] = [
    ("kafka", ServiceKind::Kafka, "cutproof/kafka:local"),
    ("connect", ServiceKind::Connect, "cutproof/connect:local"),
    ("redis", ServiceKind::Redis, "cutproof/redis:local"),
    ("clickhouse", ServiceKind::Clickhouse, "cutproof/clickhouse-server:local"),
    ("postgres", ServiceKind::Postgres, "cutproof/postgres:local"),
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    common::held(bench)
}

fn bench(worker: Worker) -> Result<()> {
    let daemon = Daemon::find(Duration::from_secs(5))?;
    let images: Vec<String> = requests().into_iter().map(|request| request.image).collect();
    if let Some((image, why)) = daemon.missing(&images, Duration::from_secs(10)).into_iter().next() {
        return Err(format!("{image}: {why}; make it with ci/images/build").into());
    }
    chain(&daemon, worker)?;
    gates()
}

fn image(service: &str, local: &str) -> String {
    std::env::var(variable(service))
        .ok()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| local.to_owned())
}

fn variable(service: &str) -> String {
    format!("CUTPROOF_IMAGE_{}", service.to_uppercase())
}

fn requests() -> Vec<ContainerRequest> {
    let request = |(name, kind, local): &(&str, ServiceKind, &str)| ContainerRequest {
        name: (*name).to_owned(),
        kind: *kind,
        image: image(name, local),
        user: None,
        database: (*kind == ServiceKind::Postgres).then(|| "quant_hft".to_owned()),
        kafka: (*kind == ServiceKind::Connect).then(|| "kafka".to_owned()),
    };
    SERVICES.iter().map(request).collect()
}

/// All containers side by side, and Kafka with Connect alone, by turns.
fn chain(daemon: &Daemon, worker: Worker) -> Result<()> {
    let (mut all, mut chain) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        chain.push(ready(daemon, worker, &requests()[..2], &format!("bench-chain-{round}"))?);
        all.push(ready(daemon, worker, &requests(), &format!("bench-all-{round}"))?);
    }
    let (all, chain) = (median(all), median(chain));
    println!("five containers ready          {:>8.0} ms", all.as_secs_f64() * 1e3);
    println!(
        "  against Kafka, then Connect  {:>8.2} times ({:.0} ms; limit 1.30)",
        all.as_secs_f64() / chain.as_secs_f64(),
        chain.as_secs_f64() * 1e3
    );
    Ok(())
}

fn ready(daemon: &Daemon, worker: Worker, requests: &[ContainerRequest], run: &str) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let options = StartOptions {
        run: format!("{run}-{}", std::process::id()),
        logs: folder.path().to_owned(),
        limit: LIMIT,
        reuse: false,
        cancel: Cancel::new()?,
        worker,
    };
    let begun = Instant::now();
    let containers = start(daemon, requests, options)?;
    for request in requests {
        containers.wait(&request.name, begun + LIMIT)?;
    }
    let took = begun.elapsed();
    containers.stop();
    Ok(took)
}

/// A gate for each service, each as soon as its service is ready: the times of both stand in the journal.
fn gates() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("each.toml");
    std::fs::write(&profile, each())?;
    let mut late: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let evidence = folder.path().join(round.to_string());
        let mut command = Command::new(CUTPROOF);
        command.args(["rehearse", "--gates-only", "--provision", "containers", "--jobs", "5", "--profile"]);
        command.arg(&profile).arg("--evidence-dir").arg(&evidence);
        command.envs(SERVICES.map(|(name, _, local)| (variable(name), image(name, local))));
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(
                format!("the rehearsal did not pass: {}", String::from_utf8_lossy(&output.stderr)).into()
            );
        }
        let journal = std::fs::read_dir(&evidence)?.next().ok_or("no run")??.path().join("journal.jsonl");
        for (service, took) in waits(&journal)? {
            late.entry(service).or_default().push(took);
        }
    }
    println!("a gate begins after its service was ready (median of {ROUNDS}, and worst; limit 150 ms)");
    for (service, took) in late {
        let worst = took.iter().max().copied().unwrap_or_default();
        println!(
            "  {service:<28} {:>8.0} ms {:>8.0} ms",
            median(took).as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// A profile of five services and a gate that needs nothing but its service.
fn each() -> String {
    let mut text = "environment = \"bench\"\n".to_owned();
    for (name, kind, _) in SERVICES {
        let needs = if kind == ServiceKind::Connect { "needs = [\"kafka\"]\n" } else { "" };
        let _ = write!(
            text,
            "[services.{name}]\nkind = \"{name}\"\n{needs}\n[[gate]]\nid = \"uses-{name}\"\nphase = \"infra\"\n\
             probe = \"command\"\nwith = {{ argv = [\"true\"] }}\nuses = [\"{name}\"]\n\n"
        );
    }
    text
}

/// For each service, how long after it was ready its gate began.
fn waits(journal: &Path) -> Result<Vec<(&'static str, Duration)>> {
    let text = std::fs::read_to_string(journal)?;
    let events = text.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<Value>, _>>()?;
    let at = |event: &str, key: &str, name: &str| -> Result<jiff::Timestamp> {
        let found = events.iter().find(|line| line["event"] == event && line[key] == name);
        let at = found.and_then(|line| line["at"].as_str()).ok_or_else(|| format!("no {event} of {name}"))?;
        Ok(at.parse()?)
    };
    let wait = |(service, _, _): (&'static str, ServiceKind, &str)| {
        let ready = at("service_ready", "service", service)?;
        let began = at("gate_started", "gate", &format!("uses-{service}"))?;
        // A gate that began before its service was ready is a fault, and no time of zero.
        Ok((service, Duration::try_from(began.duration_since(ready))?))
    };
    SERVICES.into_iter().map(wait).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
