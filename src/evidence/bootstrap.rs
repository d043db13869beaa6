//! The evidence of a bootstrap: services up, then the inits, then the health check. Its steps are gathered from the
//! services and from the gates of the probes behind them.

use super::Document;
use super::env::Env;
use super::inits::{text, write_origin};
use super::listing::{INTERRUPTED, Listing, Step};
use super::view::{GateView, RunView, ServiceState};
use crate::model::Verdict;
use crate::model::event::StepStatus;

/// The file's name.
pub(super) const FILE: &str = "single_host_bootstrap_result.env";

/// Steps behind `compose_up`, each with the probe of its gates.
const STEPS: [(&str, &str); 5] = [
    ("timescale_schema_init", "timescale_init"),
    ("kafka_topic_init", "kafka_init"),
    ("debezium_connector_init", "debezium_init"),
    ("clickhouse_schema_init", "clickhouse_init"),
    ("health_check", "health"),
];

/// Recorded settings behind `FAILED_STEP`.
const SETTINGS: [&str; 10] = [
    "COMPOSE_FILE",
    "PROJECT_NAME",
    "ENV_FILE",
    "HEALTH_REPORT",
    "TIMESCALE_SCHEMA_EVIDENCE",
    "KAFKA_TOPIC_EVIDENCE",
    "DEBEZIUM_EVIDENCE",
    "CLICKHOUSE_SCHEMA_EVIDENCE",
    "HEALTH_WAIT_TIMEOUT_SEC",
    "HEALTH_WAIT_POLL_INTERVAL_SEC",
];

/// The file, where the run brings services up or checks their health, and no selection left out a gate of that.
pub(super) fn document(run: &RunView<'_>) -> Option<Document> {
    let settings = &run.started.bootstrap;
    let of_it = |gate: &&GateView<'_>| STEPS.iter().any(|(_, probe)| gate.gate.probe == *probe);
    let whole = !run.gates.iter().filter(of_it).any(|gate| !gate.selected);
    if !whole || !["up", "health"].contains(&settings.text("action")?) {
        return None;
    }
    let listing = listing(run);
    let mut env = Env::new();
    let mut set = |name: &str, value: &str| env.set(format!("PRODLIKE_{name}"), value);
    set("PROFILE", &text(settings, "profile"));
    set("ACTION", &text(settings, "action"));
    set("DRY_RUN", if run.started.dry_run { "1" } else { "0" });
    set("SUCCESS", if listing.success() { "true" } else { "false" });
    set("TOTAL_STEPS", &listing.steps.len().to_string());
    set("FAILED_STEP", listing.failed.as_deref().unwrap_or_default());
    for name in SETTINGS {
        set(name, &text(settings, &name.to_ascii_lowercase()));
    }
    listing.write_steps(&mut env);
    write_origin(&mut env, run, "single_host_bootstrap", listing.reason());
    listing.write_details(&mut env);
    Some(Document { name: FILE.to_owned(), bytes: env.to_string().into_bytes() })
}

fn listing(run: &RunView<'_>) -> Listing {
    let mut listing = Listing::default();
    // With `--action health` nothing is brought up.
    let up = text(&run.started.bootstrap, "action") != "health";
    if up && !take(&mut listing, compose_up(run)) {
        return listing;
    }
    for (name, probe) in STEPS {
        let gates: Vec<_> = run.gates.iter().filter(|gate| gate.gate.probe == probe).collect();
        if !gates.is_empty() && !take(&mut listing, gates_step(run, name, &gates)) {
            return listing;
        }
    }
    if run.ended.is_none() {
        listing.failed = Some(INTERRUPTED.to_owned());
    }
    listing
}

/// Adds a step, or notes that the run ended before it.
fn take(listing: &mut Listing, step: Option<Step>) -> bool {
    match step {
        Some(step) => listing.push(step),
        None => {
            listing.failed = Some(INTERRUPTED.to_owned());
            false
        }
    }
}

/// All services of the plan answer. None where the run ended before that was known.
fn compose_up(run: &RunView<'_>) -> Option<Step> {
    const NAME: &str = "compose_up";
    let recorded = text(&run.started.bootstrap, "compose_up_command");
    let names = || run.started.services.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let provision = || format!("provision ({}): {}", run.started.provisioner, names());
    let command = if recorded.is_empty() { provision() } else { recorded };
    if run.started.dry_run {
        return Some(Step::simulated(NAME, &command));
    }
    let mut longest = 0.0f64;
    let mut silent = Vec::new();
    for (name, service) in run.services.iter().filter(|(_, service)| service.planned.is_some()) {
        match service.state {
            ServiceState::Ready(ready) => longest = longest.max(ready.took_ms),
            ServiceState::Failed { reason, took_ms } => {
                let failed = Step::failed(NAME, &command, &format!("{name}: {reason}"));
                return Some(Step { duration_ms: took_ms, ..failed });
            }
            ServiceState::Unknown => silent.push(*name),
        }
    }
    match (silent.is_empty(), run.ended.is_some()) {
        (true, _) => {
            let detail = format!("{} services answer", run.started.services.len());
            let done = Step::failed(NAME, &command, &detail);
            Some(Step { status: StepStatus::Ok, duration_ms: longest, ..done })
        }
        (false, true) => {
            let detail = format!("nothing says whether these services answer: {}", silent.join(", "));
            Some(Step::failed(NAME, &command, &detail))
        }
        (false, false) => None,
    }
}

/// All gates behind a step passed. None where the run ended before one of them began.
fn gates_step(run: &RunView<'_>, name: &str, gates: &[&GateView<'_>]) -> Option<Step> {
    let cases: Vec<_> = gates.iter().map(|gate| gate.gate.case()).collect();
    let command = format!("gate {}", cases.join(", "));
    if gates.iter().any(|gate| gate.ended.is_none() && !gate.begun) && run.ended.is_none() {
        return None;
    }
    let fine = |gate: &&&GateView<'_>| {
        gate.verdict == Verdict::Passed || (run.started.dry_run && gate.verdict == Verdict::Skipped)
    };
    let duration_ms = gates.iter().map(|gate| gate.duration_ms()).fold(0.0, f64::max);
    let step = match gates.iter().find(|gate| !fine(gate)) {
        Some(gate) => {
            Step::failed(name, &command, &format!("{} {}: {}", gate.gate.id, gate.verdict, gate.reason))
        }
        None if run.started.dry_run => Step::simulated(name, &command),
        None => Step { status: StepStatus::Ok, ..Step::failed(name, &command, "") },
    };
    Some(Step { duration_ms, ..step })
}
