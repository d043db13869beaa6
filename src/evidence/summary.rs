//! `summary.json`: what came of a run, for programs that don't want to read a journal.

use super::shards::ShardView;
use super::summary_switch::Switch;
use super::verdict::{Outcome, verdict};
use super::view::{GateView, RunView, ServiceState, ServiceView};
use crate::model::event::{FileDigest, Partition};
use crate::model::{Counts, GateId, Phase, Product, RunId, ServiceKind, Stamp, Verdict};
use serde::{Serialize, Serializer};

/// The version of this projection.
pub const VERSION: u32 = 1;

/// How many reasons are listed; each gate carries its own anyway.
const REASONS: usize = 100;

#[derive(Serialize)]
struct Summary<'a> {
    projection: &'static str,
    version: u32,
    tool: &'a str,
    run: &'a RunId,
    verb: &'a str,
    verdict: Outcome,
    reasons: Vec<String>,
    environment: &'a str,
    provisioner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioner_why: Option<&'a str>,
    dry_run: bool,
    partial: bool,
    selection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a Partition>,
    interrupted: Option<&'a str>,
    finished: bool,
    host: &'a str,
    started: Stamp,
    completed: Option<Stamp>,
    duration_ms: f64,
    profile: Option<&'a FileDigest>,
    journal: Option<Journal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shards: Vec<Shard<'a>>,
    counts: Totals,
    gates: Sequence<'a, GateView<'a>, Gate<'a>>,
    services: Vec<Service<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    switch: Option<Switch<'a>>,
}

#[derive(Serialize)]
struct Journal {
    file: &'static str,
    entries: usize,
    head: String,
}

/// A shard that the run was joined from.
#[derive(Serialize)]
struct Shard<'a> {
    index: u32,
    run: &'a RunId,
    folder: String,
    host: &'a str,
    verdict: Outcome,
    gates: usize,
    entries: usize,
    head: String,
}

/// Gates that belong to the run, by verdict; those that a selection left out are counted apart.
#[derive(Serialize)]
struct Totals {
    total: usize,
    #[serde(flatten)]
    by_verdict: Counts,
    not_selected: usize,
}

#[derive(Serialize)]
struct Gate<'a> {
    id: &'a GateId,
    phase: Phase,
    probe: &'a str,
    verdict: Verdict,
    reason: &'a str,
    required: bool,
    selected: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    set_up: bool,
    attempts: u32,
    duration_ms: f64,
    file: &'a str,
    line: usize,
}

#[derive(Serialize)]
struct Service<'a> {
    name: &'a str,
    kind: Option<ServiceKind>,
    state: &'static str,
    address: Option<&'a str>,
    product: Option<&'a Product>,
    stands_for: Option<&'a str>,
    differs: Option<&'a str>,
    reason: Option<&'a str>,
    took_ms: Option<f64>,
}

/// Written one by one, so that a run of 100,000 gates needs no second copy of them.
struct Sequence<'a, T, U>(&'a [T], fn(&'a T) -> U);

impl<T, U: Serialize> Serialize for Sequence<'_, T, U> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(self.1))
    }
}

/// The summary of a run, as JSON with a newline at its end.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub fn summary(run: &RunView<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let started = run.started;
    let verdict = verdict(run);
    let mut reasons: Vec<_> = verdict.reasons.iter().take(REASONS).map(ToString::to_string).collect();
    if verdict.reasons.len() > REASONS {
        reasons.push(format!("and {} more", verdict.reasons.len() - REASONS));
    }
    let by_verdict = run.counts();
    let not_selected = run.gates.len() - by_verdict.total();
    let summary = Summary {
        projection: "summary",
        version: VERSION,
        tool: &started.tool,
        run: &started.run,
        verb: &started.verb,
        verdict: verdict.verdict,
        reasons,
        environment: &started.environment,
        provisioner: &started.provisioner,
        provisioner_why: started.provisioner_why.as_deref(),
        dry_run: started.dry_run,
        partial: run.partial(),
        selection: started.selection.as_deref(),
        partition: started.partition.as_ref(),
        interrupted: run.interrupted,
        finished: run.ended.is_some(),
        host: &started.host,
        started: started.started,
        completed: run.ended.map(|end| end.at),
        duration_ms: run.duration_ms(),
        profile: started.profile.as_ref(),
        journal: run.shards.is_empty().then(|| journal(run)),
        shards: run.shards.iter().map(shard).collect(),
        counts: Totals { total: by_verdict.total(), by_verdict, not_selected },
        gates: Sequence(&run.gates, gate),
        services: run.services.iter().map(|(name, view)| service(name, view)).collect(),
        switch: run.switch.as_ref().map(|switch| Switch::of(run, switch)),
    };
    let mut bytes = serde_json::to_vec_pretty(&summary)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn journal(run: &RunView<'_>) -> Journal {
    Journal { file: crate::journal::FILE, entries: run.entries, head: run.head.to_string() }
}

fn shard<'a>(view: &'a ShardView<'a>) -> Shard<'a> {
    Shard {
        index: view.shard.index(),
        run: &view.started.run,
        folder: view.folder(),
        host: &view.started.host,
        verdict: view.outcome,
        gates: view.gates,
        entries: view.entries,
        head: view.head.to_string(),
    }
}

fn gate<'a>(view: &'a GateView<'a>) -> Gate<'a> {
    Gate {
        id: &view.gate.id,
        phase: view.gate.phase,
        probe: &view.gate.probe,
        verdict: view.verdict,
        reason: &view.reason,
        required: view.gate.required,
        selected: view.selected,
        set_up: view.set_up,
        attempts: view.attempts(),
        duration_ms: view.duration_ms(),
        file: &view.gate.at.file,
        line: view.gate.at.line,
    }
}

fn service<'a>(name: &'a str, view: &ServiceView<'a>) -> Service<'a> {
    let planned = view.planned;
    let mut service = Service {
        name,
        kind: planned.map(|planned| planned.kind),
        state: "unknown",
        address: None,
        product: None,
        stands_for: planned.and_then(|planned| planned.stands_for.as_deref()),
        differs: None,
        reason: None,
        took_ms: None,
    };
    match view.state {
        ServiceState::Unknown => {}
        ServiceState::Ready(ready) => {
            service.state = "ready";
            service.kind = Some(ready.kind);
            service.address = Some(&ready.address);
            service.product = ready.product.as_ref();
            service.differs = ready.differs.as_deref();
            service.took_ms = Some(ready.took_ms);
        }
        ServiceState::Failed { reason, took_ms } => {
            service.state = "failed";
            service.reason = Some(reason);
            service.took_ms = Some(took_ms);
        }
    }
    service
}
