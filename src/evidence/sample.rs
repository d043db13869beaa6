//! Runs for the tests of evidence and reports.

use crate::journal::{Digest, End, Record, Records};
use crate::model::event::{
    FileDigest, GateEnded, PlannedService, PlannedStep, RunStarted, ServiceReady, StepEnded, StepStarted,
    StepStatus,
};
use crate::model::{
    Args, Counts, Event, Gate, GateId, Observation, Origin, Phase, Position, Product, Reading, RunId,
    ServiceKind, Stamp, Verdict,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) fn id(text: &str) -> GateId {
    GateId::new(text).unwrap()
}

pub(crate) fn args(value: serde_json::Value) -> Args {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn gate(name: &str, probe: &str) -> Gate {
    Gate {
        id: id(name),
        about: String::new(),
        phase: Phase::Infra,
        probe: probe.to_owned(),
        with: Args::default(),
        expect: "ok".to_owned(),
        uses: Vec::new(),
        needs: Vec::new(),
        after: Vec::new(),
        required: true,
        timeout: Duration::from_secs(5),
        retry: None,
        tags: Vec::new(),
        writes: false,
        at: Position { file: "gates/single-host.toml".to_owned(), line: 42, column: 1 },
    }
}

pub(crate) fn number(name: &str, value: f64, unit: &str) -> Observation {
    let reading = serde_json::from_value(json!({"kind": "number", "value": value, "unit": unit})).unwrap();
    observation(name, reading)
}

pub(crate) fn observation(name: &str, reading: Reading) -> Observation {
    let (at, source) = (Stamp::from_millis(1_795_376_464_000), "localhost:9092".to_owned());
    Observation { name: name.to_owned(), reading, at, source, origin: Origin::Measured, samples: 1 }
}

/// A run that is put together event by event.
pub(crate) struct Sample {
    pub started: RunStarted,
    pub events: Vec<Event>,
    /// By how much the clock moves before an event, besides the 100 ms between any two, by its place.
    pub pauses: BTreeMap<usize, i64>,
}

impl Sample {
    pub fn new(gates: Vec<Gate>) -> Sample {
        let started = RunStarted {
            run: RunId::from_text("20261122T194103Z-rehearse-4f7k2q"),
            verb: "rehearse".to_owned(),
            tool: "0.1.0".to_owned(),
            environment: "single-host-ubuntu".to_owned(),
            profile: Some(FileDigest { path: "gates/single-host.toml".to_owned(), sha256: "ab".repeat(32) }),
            provisioner: "embedded".to_owned(),
            provisioner_why: None,
            dry_run: false,
            partial: false,
            selection: None,
            host: "host".to_owned(),
            started: Stamp::from_millis(1_795_376_463_120),
            services: Default::default(),
            gates,
            partition: None,
            not_selected: Default::default(),
            steps: Default::default(),
            bootstrap: Args::default(),
            parent: None,
            switch: None,
            watch: None,
            readiness: None,
            fail_on_flaky: false,
            rehearses: false,
            fault: None,
        };
        Sample { started, events: Vec::new(), pauses: BTreeMap::new() }
    }

    pub fn service(&mut self, name: &str, kind: ServiceKind, stands_for: Option<&str>) -> &mut Self {
        let planned = PlannedService { kind, stands_for: stands_for.map(str::to_owned) };
        self.started.services.insert(name.to_owned(), planned);
        self
    }

    pub fn plan_steps(&mut self, gate: &str, names: &[&str]) -> &mut Self {
        let step = |name: &&str| PlannedStep { name: (*name).to_owned(), command: format!("do {name}") };
        self.started.steps.insert(id(gate), names.iter().map(step).collect());
        self
    }

    /// So many milliseconds pass before the next event.
    pub fn pause(&mut self, millis: i64) -> &mut Self {
        *self.pauses.entry(self.events.len()).or_default() += millis;
        self
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        self.events.push(event);
        self
    }

    pub fn ready(
        &mut self,
        service: &str,
        kind: ServiceKind,
        product: &str,
        differs: Option<&str>,
    ) -> &mut Self {
        let (name, version) = product.split_once(' ').unwrap();
        self.event(Event::ServiceReady(ServiceReady {
            service: service.to_owned(),
            kind,
            address: "127.0.0.1:4711".to_owned(),
            product: Some(Product { name: name.to_owned(), version: version.to_owned() }),
            differs: differs.map(str::to_owned),
            image: None,
            identity: Default::default(),
            took_ms: 812.5,
        }))
    }

    pub fn begin(&mut self, gate: &str) -> &mut Self {
        self.event(Event::GateStarted { gate: id(gate) })
    }

    pub fn begin_step(&mut self, gate: &str, number: u32, name: &str) -> &mut Self {
        self.event(Event::StepStarted(StepStarted { gate: id(gate), number, name: name.to_owned() }))
    }

    pub fn step(
        &mut self,
        gate: &str,
        number: u32,
        name: &str,
        status: StepStatus,
        detail: &str,
    ) -> &mut Self {
        self.begin_step(gate, number, name).event(Event::StepEnded(StepEnded {
            gate: id(gate),
            number,
            name: name.to_owned(),
            status,
            duration_ms: 12.9,
            command: format!("do {name}"),
            detail: detail.to_owned(),
        }))
    }

    pub fn again(&mut self, gate: &str, attempt: u32) -> &mut Self {
        self.event(Event::AttemptEnded {
            gate: id(gate),
            attempt,
            verdict: Verdict::Failed,
            reason: "not yet".to_owned(),
            duration_ms: 10.0,
        })
    }

    pub fn end(&mut self, gate: &str, verdict: Verdict, reason: &str) -> &mut Self {
        self.end_with(gate, verdict, reason, |_| {})
    }

    pub fn end_with(
        &mut self,
        gate: &str,
        verdict: Verdict,
        reason: &str,
        change: impl FnOnce(&mut GateEnded),
    ) -> &mut Self {
        let run = verdict != Verdict::Skipped;
        let mut ended = GateEnded {
            gate: id(gate),
            verdict,
            reason: reason.to_owned(),
            attempts: u32::from(run),
            duration_ms: if run { 80.0 } else { 0.0 },
            attempt_ms: None,
            observations: Vec::new(),
            facts: Args::default(),
            excerpt: String::new(),
        };
        change(&mut ended);
        self.event(Event::GateEnded(Box::new(ended)))
    }

    /// A gate that failed at first, and passed at this attempt.
    pub fn flaky(&mut self, gate: &str, attempts: u32) -> &mut Self {
        self.begin(gate);
        (1..attempts).for_each(|attempt| {
            self.again(gate, attempt);
        });
        self.end_with(gate, Verdict::Passed, "", |ended| {
            (ended.attempts, ended.attempt_ms) = (attempts, Some(10.0));
        })
    }

    /// Ends the run in order.
    pub fn done(&mut self) -> &mut Self {
        let mut counts = Counts::default();
        let mut worst = Verdict::Passed;
        for event in &self.events {
            if let Event::GateEnded(ended) = event {
                counts.add(ended.verdict);
                let required = self.started.gates.iter().any(|gate| gate.id == ended.gate && gate.required);
                worst = if required { worst.max(ended.verdict) } else { worst };
            }
        }
        self.event(Event::RunEnded { verdict: worst, counts, duration_ms: 6_412.0 })
    }

    pub fn records(&self) -> Records {
        let start = Event::RunStarted(Box::new(self.started.clone()));
        let events = std::iter::once(start).chain(self.events.iter().cloned());
        let paused = |seq: u64| self.pauses.range(..(seq as usize).saturating_sub(1)).map(|(_, pause)| pause);
        let at = |seq: u64| {
            Stamp::from_millis(1_795_376_463_120 + 100 * (seq as i64 - 1) + paused(seq).sum::<i64>())
        };
        let entries: Vec<_> =
            (1..).zip(events).map(|(seq, event)| Record { seq, at: at(seq), event }).collect();
        let ended = matches!(entries.last().map(|record| &record.event), Some(Event::RunEnded { .. }));
        let end = if ended { End::Finished } else { End::Unfinished };
        Records { entries, head: Digest::of(b"a sample"), end }
    }
}

/// Kafka's init with two topics, as it is planned.
pub(crate) fn kafka_init() -> Sample {
    let mut gate = gate("kafka-init", "kafka_init");
    gate.uses = vec!["kafka".to_owned()];
    gate.with = args(json!({
        "topics": ["a.v1", "b.v1"],
        "partitions": 6,
        "replication_factor": 1,
        "compose_file": "infra/docker-compose.single-host.yaml",
        "project_name": "quant-hft-single-host",
        "env_file": "infra/env/prodlike.env",
        "service": "kafka",
        "bootstrap_server": "kafka:9092",
    }));
    let mut sample = Sample::new(vec![gate]);
    sample.service("kafka", ServiceKind::Kafka, Some("redpandadata/redpanda:v24.2.7"));
    sample.plan_steps("kafka-init", &KAFKA_STEPS);
    sample
}

pub(crate) const KAFKA_STEPS: [&str; 4] = ["create_a.v1", "verify_a.v1", "create_b.v1", "verify_b.v1"];
