//! Judgements and bundles as sign-offs make them, put together by hand: a good run, a rollback, and one that is hostile
//! in every text. Shared by the tests and the benchmark of reports.

use cutproof::bundle::Manifest;
use cutproof::journal::{Digest, End, Record, Records};
use cutproof::model::event::FileDigest;
use cutproof::model::steps::{CUTOVER_STEPS, ROLLBACK_STEPS};
use cutproof::model::{Event, GateId, Phase, RunId, Stamp, Verdict};
use cutproof::policy::{Bound, Select};
use cutproof::verify::bundle::{Bundle, Journal};
use cutproof::verify::decision::{
    Decision, GateRow, GateStatus, JudgedRun, Judgement, Signer, WaiverRow, WaiverState,
};
use cutproof::verify::{Code, Evidence, Finding, Severity};
use cutproof::watch::Judge;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// When the run began: 2026-11-22T19:41:03.120Z.
const STARTED: i64 = 1_795_376_463_120;
const HOUR: i64 = 3_600_000;
const RUN: &str = "20261122T194103Z-cutover-4f7k2q";
const TRIGGER: &str = "order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s";
/// The six metrics: name, unit, what is expected.
const METRICS: [(&str, &str, &str); 6] = [
    ("order_latency_p99_ms", "ms", "order_latency_p99_ms <= 5ms"),
    ("breaker_state", "none", "breaker_state == 0"),
    ("query_rate_violation", "count", "query_rate_violation == 0"),
    ("reconnect_p99_s", "s", "reconnect_p99_s <= 10s"),
    ("kafka_lag_ms", "ms", "kafka_lag_ms < 500ms"),
    ("clickhouse_ingest_delay_ms", "ms", "clickhouse_ingest_delay_ms < 2000ms"),
];

/// What a report is made of.
pub struct Made {
    pub judgement: Judgement,
    pub bundles: Vec<Bundle>,
}

impl Made {
    pub fn html(&self) -> String {
        cutproof::report::html(&self.judgement, &self.bundles.iter().collect::<Vec<_>>())
    }

    pub fn markdown(&self) -> String {
        cutproof::report::markdown(&self.judgement, &self.bundles.iter().collect::<Vec<_>>())
    }
}

/// A cutover that went well and holds.
pub fn good() -> Made {
    let mut story = Story::new("", 0, false);
    story.switched(120).marks();
    story.watch(120, usual);
    story.watched(120_000.0);
    story.stage_ended("watch", "passed", "");
    story.stage_ended("rollback", "skipped", "not needed");
    story.stage_ended("rollback_readiness", "skipped", "there was no rollback");
    story.end("passed");
    let mut judgement = judgement(Decision::Go, "");
    judgement.gates =
        NAMES.iter().map(|(phase, name, expect, seen)| passed(*phase, name, expect, seen)).collect();
    judgement.gates[4].status = GateStatus::PassedOnRetry;
    judgement.gates[4].attempts = 2;
    judgement.signers = ["Ada Lovelace", "Charles Babbage"].map(signer).to_vec();
    let what = "infra::kafka-topics is at most 24 h old".to_owned();
    judgement.valid_until = Some((Stamp::from_millis(STARTED + 24 * HOUR), what));
    Made { judgement, bundles: vec![bundle(story, "")] }
}

/// A cutover that was rolled back, with gates of every status.
pub fn rolled_back() -> Made {
    let mut story = Story::new("", 0, true);
    story.switched(120).marks();
    story.watch(41, |metric, tick| match (metric, tick) {
        (0, 36..) => Some(5.6 + 0.3 * f64::from(tick - 36)),
        (4, 12..19) => None,
        _ => usual(metric, tick),
    });
    let why = "trigger order_latency_p99_ms > 5 ms or reconnect_p99_s > 10 s: order_latency_p99_ms = 5.6 ms";
    story.watched(41_000.0);
    story.stage_ended("watch", "failed", "the trigger held");
    story.event(json!({"event": "alarm", "text": "the rollback has not ended within 180 s, and goes on"}));
    story.rolled_back(why).end("failed");
    let mut judgement = judgement(Decision::NoGo, "");
    judgement.gates =
        NAMES.iter().map(|(phase, name, expect, seen)| passed(*phase, name, expect, seen)).collect();
    let statuses = [
        (GateStatus::Failed, Verdict::Failed, "expected latency_ms < 250 ms, seen 812 ms"),
        (GateStatus::Stale, Verdict::Passed, "measured 31 h before, and may be 24 h old"),
        (GateStatus::Waived, Verdict::Failed, "expected lag < 500, seen 2210"),
        (GateStatus::Blocked, Verdict::Skipped, "needs postgres-answers, which failed"),
        (GateStatus::Error, Verdict::Error, "no answer from 127.0.0.1:5432 within 10 s"),
        (GateStatus::NotRun, Verdict::Skipped, "not selected"),
        (GateStatus::Unexpected, Verdict::Failed, "expected 5 tables, seen 4"),
        (GateStatus::Inconclusive, Verdict::Inconclusive, "no samples"),
    ];
    for (row, (status, verdict, reason)) in judgement.gates.iter_mut().zip(statuses) {
        (row.status, row.verdict, row.reason) = (status, Some(verdict), reason.to_owned());
        (row.seen, row.attempts) = (reason.split("seen ").last().unwrap_or("").to_owned(), 1);
    }
    judgement.gates[1].measured = Some(Stamp::from_millis(STARTED - 31 * HOUR));
    let mut missing = passed(Phase::Readiness, "core-metrics", "scraped > 0", "");
    (missing.status, missing.verdict, missing.measured) = (GateStatus::Missing, None, None);
    missing.reason = "no run has it".to_owned();
    judgement.gates.push(missing);
    judgement.gates.iter_mut().take(2).for_each(|row| row.asked_by = vec![Select::Tag("core".to_owned())]);
    judgement.waivers =
        vec![waiver("kafka-lag", WaiverState::Used, ""), waiver("redis-ping", WaiverState::Expired, "")];
    judgement.findings = vec![
        finding(Code::RunUnfinished, "runs/precheck/summary.json", "the verdict", "passed", "unfinished"),
        finding(Code::NoRunId, "ctp_rollback_result.env", "ROLLBACK_RUN_ID", "there", "nothing"),
    ];
    judgement.findings[1].severity = Severity::Warning;
    judgement.runs.push(discarded(""));
    Made { judgement, bundles: vec![bundle(story, "")] }
}

/// So many gates, and this text wherever a text can stand.
pub fn hostile(gates: usize, text: &str) -> Made {
    let mut story = Story::new(text, 200, true);
    story.switched(10).marks();
    story.watch(20, |metric, tick| if metric == 0 { Some(f64::from(tick)) } else { None });
    story.event(json!({"event": "warning", "text": text}));
    story.event(json!({"event": "watch_ended", "verdict": "failed", "reason": text, "rollback": text,
        "watched_ms": 20_000.0, "metrics": []}));
    story.stage_ended("watch", "failed", text);
    story.rolled_back(text).end("failed");
    let mut judgement = judgement(Decision::NoGo, text);
    let statuses = [GateStatus::Passed, GateStatus::Failed, GateStatus::Error, GateStatus::Missing];
    for (number, status) in (0..gates).zip(statuses.into_iter().cycle()) {
        let mut row = passed(Phase::Infra, &format!("gate-{number}"), text, text);
        (row.status, row.reason, row.at) = (status, text.to_owned(), text.to_owned());
        row.asked_by = vec![Select::Tag(text.to_owned())];
        judgement.gates.push(row);
    }
    judgement.signers = vec![signer(text)];
    judgement.waivers = vec![waiver("gate-1", WaiverState::Used, text)];
    judgement.findings = vec![finding(Code::RunUnfinished, text, text, text, text); 40];
    judgement.findings[0].advice = Some(text.to_owned());
    judgement.runs.push(discarded(text));
    Made { judgement, bundles: vec![bundle(story, text)] }
}

/// As the rehearsal of the whole plan has it, so many times.
pub fn large(gates: usize) -> Made {
    let mut made = good();
    made.judgement.gates.clear();
    for number in 0..gates {
        let (phase, _, expect, seen) = NAMES[number % NAMES.len()];
        made.judgement.gates.push(passed(phase, &format!("partition-{number}-lag"), expect, seen));
    }
    made
}

const NAMES: [(Phase, &str, &str, &str); 10] = [
    (
        Phase::Infra,
        "redis-ping",
        "latency_ms < 250 ms and role == \"master\"",
        "latency_ms 0.94 ms, role master",
    ),
    (Phase::Infra, "kafka-topics", "topics_found == 6", "topics_found 6"),
    (Phase::Infra, "kafka-lag", "lag_ms < 500 ms", "lag_ms 138 ms"),
    (Phase::Infra, "postgres-schema", "tables_found >= 5", "tables_found 5"),
    (Phase::Infra, "postgres-answers", "wal_level == \"logical\"", "wal_level logical"),
    (Phase::Infra, "clickhouse-answers", "rows == 1", "rows 1"),
    (Phase::Readiness, "timescale-health", "healthy", "healthy"),
    (Phase::Readiness, "core-alive", "status == 200", "status 200"),
    (Phase::Readiness, "strategy-bridge-chain", "chain_complete == 1", "chain_complete 1"),
    (Phase::Readiness, "disconnect-recovery", "rate >= 0.99", "rate 1"),
];

/// What each metric usually is.
fn usual(metric: usize, tick: u32) -> Option<f64> {
    let wave = f64::from(tick * 7919 % 100) / 100.0;
    Some([1.5 + wave, 0.0, 0.0, 0.4 + wave / 4.0, 30.0 + 160.0 * wave, 90.0 + 150.0 * wave][metric])
}

fn judgement(decision: Decision, text: &str) -> Judgement {
    let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    Judgement {
        decision,
        policy: FileDigest { path: or("gates/policy/production.toml"), sha256: "5e".repeat(32) },
        policy_name: or("production"),
        at: Stamp::from_millis(STARTED + HOUR / 2),
        environment: or("single-host-ubuntu"),
        commit: Some(or(&"4f94597".repeat(6)[..40])),
        profile: Some(FileDigest { path: or("gates/single-host.toml"), sha256: "ab".repeat(32) }),
        runs: vec![JudgedRun {
            run: RunId::from_text(RUN),
            folder: folder(text),
            manifest_sha256: Some("c0".repeat(32)),
            started: Stamp::from_millis(STARTED),
            outcome: or(if decision.is_go() { "passed" } else { "failed" }),
            counts: true,
            why: or("the newest whole run of this window"),
        }],
        gates: Vec::new(),
        waivers: Vec::new(),
        signers: Vec::new(),
        valid_until: None,
        findings: Vec::new(),
        more: Vec::new(),
    }
}

fn folder(text: &str) -> String {
    if text.is_empty() { format!("evidence/{RUN}") } else { text.to_owned() }
}

fn passed(phase: Phase, name: &str, expect: &str, seen: &str) -> GateRow {
    GateRow {
        gate: GateId::new(name).expect("a gate's id"),
        phase: Some(phase),
        asked_by: vec![Select::Required],
        required: true,
        expect: expect.to_owned(),
        seen: seen.to_owned(),
        verdict: Some(Verdict::Passed),
        before: Vec::new(),
        attempts: 1,
        measured: Some(Stamp::from_millis(STARTED + 1_500)),
        max_age: Some(Duration::from_secs(24 * 3600)),
        status: GateStatus::Passed,
        reason: String::new(),
        at: "gates/single-host.toml:69".to_owned(),
    }
}

fn signer(name: &str) -> Signer {
    Signer {
        name: name.to_owned(),
        key: format!("sha256:{}", "7d".repeat(32)),
        role: "approver".to_owned(),
        signed: "signoff.json".to_owned(),
    }
}

fn waiver(gate: &str, state: WaiverState, text: &str) -> WaiverRow {
    let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    WaiverRow {
        gate: GateId::new(gate).expect("a gate's id"),
        reason: or("the consumer is drained by hand before the window"),
        approver: or("Ada Lovelace"),
        expires: Stamp::from_millis(STARTED + 48 * HOUR),
        bound: Bound::Commit(or(&"4f94597".repeat(6)[..40])),
        state,
        result: or("failed: expected lag < 500, seen 2210"),
    }
}

fn discarded(text: &str) -> JudgedRun {
    let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    JudgedRun {
        run: RunId::from_text(&or("20261122T181500Z-cutover-aaaaaa")),
        folder: or("evidence/20261122T181500Z-cutover-aaaaaa"),
        manifest_sha256: None,
        started: Stamp::from_millis(STARTED - HOUR),
        outcome: or("unfinished"),
        counts: false,
        why: or("it was killed in its third step"),
    }
}

fn finding(code: Code, file: &str, subject: &str, expected: &str, seen: &str) -> Finding {
    Finding {
        code,
        severity: Severity::Error,
        evidence: Evidence::Summary,
        file: file.to_owned(),
        line: Some(3),
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        seen: seen.to_owned(),
        advice: None,
    }
}

fn bundle(story: Story, text: &str) -> Bundle {
    let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    let manifest: Manifest = serde_json::from_value(json!({
        "projection": "manifest", "version": 1, "run": RUN, "verb": "cutover",
        "environment": or("single-host-ubuntu"), "host": or("build-7"), "started": Stamp::from_millis(STARTED),
        "completed": Stamp::from_millis(STARTED + 200_000),
        "tool": {"version": or("0.1.0"), "sha256": or(&"1f".repeat(32))},
        "source": {"commit": or(&"4f94597".repeat(6)[..40]), "dirty": !text.is_empty(), "changed": [or("x")]},
        "provisioner": or("attach"), "dry_run": false, "partial": false, "partition": null,
        "profile": {"path": or("gates/single-host.toml"), "sha256": "ab".repeat(32)},
        "templates": [{"path": or("configs/ops/ctp_cutover.template.env"), "sha256": "cd".repeat(32)}],
        "services": {"redis": {"kind": "redis", "product": null, "stands_for": null, "differs": null,
            "image": or(&format!("sha256:{}", "aa".repeat(32))), "identity": {}}},
        "journals": [{"path": or("runs/lost/journal.jsonl"), "run": "lost", "entries": 7, "head": "ee".repeat(32)}],
        "files": [{"path": or("junit.xml"), "size": 12_345, "sha256": "bb".repeat(32),
            "media_type": "application/xml", "role": "projection"}],
    }))
    .expect("a manifest");
    Bundle {
        folder: PathBuf::from(folder(text)),
        manifest: Some(manifest),
        manifest_sha256: Some("c0".repeat(32)),
        journals: vec![Journal { path: or("journal.jsonl"), records: story.records() }],
        envelopes: Vec::new(),
        findings: Vec::new(),
        more: Vec::new(),
    }
}

/// A journal that is put together event by event.
struct Story {
    text: String,
    at: i64,
    entries: Vec<Record>,
}

impl Story {
    /// The plan of a cutover with a watch; `text`, where there is one, stands wherever a text can.
    fn new(text: &str, services: usize, ends_badly: bool) -> Story {
        let or = |usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
        let at = json!({"file": or("configs/ops/ctp_cutover.template.env"), "line": 4, "column": 1});
        let steps = |names: &[&str]| {
            let step = |(number, name): (usize, &&str)| json!({"number": number + 1, "name": or(name), "command": or("run it"), "timeout_ms": 60_000.0, "at": at});
            names.iter().enumerate().map(step).collect::<Vec<_>>()
        };
        let template = json!({"path": or("configs/ops/ctp_cutover.template.env"), "sha256": "cd".repeat(32)});
        let metric = |(name, _, expect): &(&str, &str, &str)| {
            json!({"name": name, "source": "core", "value": name, "expect": expect, "failure_limit": 2,
                "inconclusive_limit": 5, "consecutive_error_limit": 9, "warmup_ms": 0.0, "on_no_data": "hold",
                "at": at})
        };
        let mut planned = serde_json::Map::new();
        for number in 0..services {
            planned.insert(format!("{text}{number}"), json!({"kind": "http", "stands_for": text}));
        }
        for (name, kind, real) in [
            ("redis", "redis", "redis:7.2-alpine"),
            ("kafka", "kafka", "redpandadata/redpanda:v24.2.7"),
            ("postgres", "postgres", "timescale/timescaledb:2.14.2-pg16"),
        ]
        .into_iter()
        .take(if ends_badly { 3 } else { 2 })
        {
            planned.insert(name.to_owned(), json!({"kind": kind, "stands_for": or(real)}));
        }
        let started = json!({
            "event": "run_started", "run": RUN, "verb": "cutover", "tool": "0.1.0",
            "environment": or("single-host-ubuntu"), "profile": null, "provisioner": "attach", "dry_run": false,
            "partial": false, "host": or("build-7"), "started": Stamp::from_millis(STARTED), "services": planned,
            "gates": [],
            "switch": {
                "cutover": {"template": template, "environment": or("single-host-ubuntu"),
                    "window": or("2026-11-22T19:30:00Z"), "window_start": "2026-11-22T19:30:00Z",
                    "window_met": true, "config_path": or("configs/prod/ctp.yaml"), "monitor_minutes": "2",
                    "monitor_keys": "", "steps": steps(&CUTOVER_STEPS), "output": or("docs/results/c.env")},
                "rollback": {"template": template, "environment": or("single-host-ubuntu"), "trigger": TRIGGER,
                    "max_seconds": "60", "limit_ms": 60_000.0, "steps": steps(&ROLLBACK_STEPS),
                    "output": or("docs/results/r.env")},
                "profile": true, "force_rollback": false, "rollback_on_interrupt": true},
            "watch": {"duration_ms": 120_000.0, "planned_ms": 120_000.0, "interval_ms": 1_000.0,
                "max_age_ms": 5_000.0, "trigger": TRIGGER,
                "monitor_keys": METRICS.iter().map(|(name, _, _)| name).collect::<Vec<_>>(),
                "sources": [{"name": "core", "probe": "prometheus", "uses": [], "timeout_ms": 900.0, "at": at}],
                "metrics": METRICS.iter().map(metric).collect::<Vec<_>>()},
        });
        let mut story = Story { text: text.to_owned(), at: STARTED, entries: Vec::new() };
        story.event(started);
        let products = [("redis", "Redis", "6.2.11"), ("kafka", "Apache Kafka", "4.3.1")];
        for (name, product, version) in products {
            story.event(json!({"event": "service_ready", "service": name, "kind": name,
                "address": or("127.0.0.1:4711"), "product": {"name": or(product), "version": or(version)},
                "differs": or(&format!("{product} {version} stands in for the real one")),
                "identity": {"run_id": or("85f753580311126d")}, "took_ms": 22.0}));
        }
        let reason = or("no answer from 127.0.0.1:5432 within 10 s");
        story.event(
            json!({"event": "service_failed", "service": "postgres", "reason": reason, "took_ms": 9.0}),
        );
        story.gates("preflight");
        story
    }

    /// A stage that is a run of gates, all of which passed.
    fn gates(&mut self, stage: &str) -> &mut Story {
        let run = format!("20261122T194103Z-{}-aaaaaa", stage.replace('_', "-"));
        let gate = json!({"case": "infra::redis-ping", "verdict": "passed", "required": true, "duration_ms": 12.5,
            "at": {"file": "gates/single-host.toml", "line": 69, "column": 1}});
        self.stage(stage, "");
        self.event(json!({"event": "child_run", "stage": stage, "run": run, "verb": stage,
            "folder": format!("runs/{run}"), "head": "ef".repeat(32), "outcome": "passed", "gates": [gate]}));
        self.stage_ended(stage, "passed", "")
    }

    fn event(&mut self, event: Value) -> &mut Story {
        let event: Event = serde_json::from_value(event).expect("an event");
        self.at += 100;
        let seq = self.entries.len() as u64 + 1;
        self.entries.push(Record { seq, at: Stamp::from_millis(self.at), event });
        self
    }

    fn stage(&mut self, stage: &str, reason: &str) -> &mut Story {
        self.event(json!({"event": "stage_started", "stage": stage, "reason": reason}))
    }

    fn stage_ended(&mut self, stage: &str, verdict: &str, reason: &str) -> &mut Story {
        self.event(json!({"event": "stage_ended", "stage": stage, "verdict": verdict, "reason": reason,
            "duration_ms": if verdict == "skipped" { 0.0 } else { 200.0 }}))
    }

    fn step(&mut self, sequence: &str, number: usize, name: &str, took: i64, exit_code: i32) -> &mut Story {
        let name = if self.text.is_empty() { name.to_owned() } else { self.text.clone() };
        self.event(json!({"event": "command_started", "sequence": sequence, "number": number, "name": name}));
        self.at += took;
        let (detail, status) = (self.text.clone(), if exit_code == 0 { "ok" } else { "failed" });
        let printed = format!("starting\n{}\ncannot bind\n", self.text);
        self.event(json!({"event": "command_ended", "sequence": sequence, "number": number, "name": name,
            "status": status, "exit_code": exit_code, "duration_ms": took, "detail": detail, "excerpt": printed}))
    }

    /// The ten steps, each so many milliseconds longer than the one before.
    fn switched(&mut self, longer: i64) -> &mut Story {
        self.stage("cutover", "");
        for (number, name) in (1..).zip(CUTOVER_STEPS) {
            self.step("cutover", number, name, longer * number as i64, 0);
        }
        self.stage_ended("cutover", "passed", "")
    }

    fn marks(&mut self) -> &mut Story {
        let started = Stamp::from_millis(self.at);
        let source = if self.text.is_empty() { "http://localhost:9108/metrics" } else { &self.text };
        let mark = |(name, after): (&str, i64)| {
            json!({"name": name, "at": Stamp::from_millis(started.millis() + after), "source": source,
                "within_ms": 30_000.0})
        };
        let marks: Vec<_> = [("login", 400), ("settlement", 900), ("instruments", 2_100)].map(mark).to_vec();
        self.stage("switch_gate", "");
        self.event(json!({"event": "switch_marks", "core_started": started, "marks": marks}));
        self.stage_ended("switch_gate", "passed", "").gates("readiness")
    }

    /// A sample a second; a metric without a value is missing.
    fn watch(&mut self, ticks: u32, value: impl Fn(usize, u32) -> Option<f64>) -> &mut Story {
        self.stage("watch", "");
        for tick in 0..ticks {
            let mut readings = serde_json::Map::new();
            for (place, (name, unit, _)) in METRICS.iter().enumerate() {
                let reading = match value(place, tick) {
                    Some(value) => json!({"kind": "number", "value": value, "unit": unit}),
                    None => json!({"kind": "missing"}),
                };
                readings.insert((*name).to_owned(), reading);
            }
            self.at += 900;
            self.event(json!({"event": "watch_sampled", "tick": tick, "source": "core",
                "at_ms": 1_000.0 * f64::from(tick) + 6.0, "took_ms": 5.0, "readings": readings}));
        }
        self
    }

    /// The way back, of which the fourth step takes most of a minute and the last one fails.
    fn rolled_back(&mut self, why: &str) -> &mut Story {
        self.stage("rollback", why);
        for (number, name) in (1..).zip(ROLLBACK_STEPS) {
            let (took, exit_code) = match number {
                4 => (52_000, 0),
                7 => (900, 3),
                number => (700 * number as i64, 0),
            };
            self.step("rollback", number, name, took, exit_code);
        }
        self.stage_ended("rollback", "failed", "post_rollback_validate: exit code 3");
        self.stage_ended("rollback_readiness", "skipped", "the rollback failed")
    }

    /// The verdict that the samples give.
    fn watched(&mut self, watched_ms: f64) {
        let Event::RunStarted(started) = &self.entries[0].event else {
            unreachable!("the first entry is the start")
        };
        let plan = started.watch.as_deref().expect("a watch");
        let mut judge = Judge::new(plan).expect("a plan that can be judged");
        for entry in &self.entries {
            if let Event::WatchSampled(sample) = &entry.event {
                judge.take(sample);
            }
        }
        let verdict = serde_json::to_value(Event::WatchEnded(Box::new(judge.verdict(watched_ms))));
        self.event(verdict.expect("an event"));
    }

    fn end(&mut self, verdict: &str) {
        let counts = json!({"passed": 0, "skipped": 0, "inconclusive": 0, "error": 0, "failed": 0});
        self.event(
            json!({"event": "run_ended", "verdict": verdict, "counts": counts, "duration_ms": 200_000.0}),
        );
    }

    fn records(self) -> Records {
        Records { entries: self.entries, head: Digest::of(b"a story"), end: End::Finished }
    }
}
