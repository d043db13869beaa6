//! Runs for readers of JUnit: all verdicts, hostile text, every way in which a run may end, a cutover with its watch, and
//! one that is too large for them.

use crate::common::{Desk, argument};
use cutproof::evidence::{RunView, junit};
use cutproof::journal::{Digest, End, Record, Records};
use cutproof::model::{Event, Stamp};
use serde_json::{Value, json};

/// A run's report.
pub struct Run {
    pub name: String,
    pub junit: String,
}

const STARTED: i64 = 1_795_376_463_120;
const NAME: &str = "20261122T194103Z-rehearse-4f7k2q";

/// The line of each gate in the profile.
pub fn line_of(gate: &str) -> usize {
    10 + gate.bytes().map(usize::from).sum::<usize>() % 500
}

fn at(gate: &str) -> Value {
    json!({"file": "gates/single-host.toml", "line": line_of(gate), "column": 1})
}

fn gate(id: &str, phase: &str, required: bool) -> Value {
    json!({
        "id": id, "about": "", "phase": phase, "probe": "kafka_lag", "with": {}, "expect": "lag_ms < 5 s", "uses": [],
        "needs": [], "required": required, "timeout": 5000, "retry": null, "tags": [], "writes": false, "at": at(id),
    })
}

fn started(gates: &[Value], changes: &Value) -> Value {
    let mut started = json!({
        "event": "run_started", "run": NAME, "verb": "rehearse", "tool": "0.1.0", "environment": "single-host-ubuntu",
        "profile": {"path": "gates/single-host.toml", "sha256": "ab".repeat(32)}, "provisioner": "embedded",
        "dry_run": false, "partial": false, "host": "host", "started": Stamp::from_millis(STARTED), "services": {},
        "gates": gates,
    });
    for (key, value) in changes.as_object().unwrap() {
        started[key] = value.clone();
    }
    started
}

fn ended(gate: &str, verdict: &str, reason: &str, changes: &Value) -> Value {
    let attempts = u32::from(verdict != "skipped");
    let mut ended = json!({
        "event": "gate_ended", "gate": gate, "verdict": verdict, "reason": reason, "attempts": attempts,
        "duration_ms": 81.25,
    });
    for (key, value) in changes.as_object().unwrap() {
        ended[key] = value.clone();
    }
    ended
}

fn attempt(gate: &str, attempt: u32, verdict: &str, reason: &str) -> Value {
    json!({
        "event": "attempt_ended", "gate": gate, "attempt": attempt, "verdict": verdict, "reason": reason,
        "duration_ms": 250.0,
    })
}

fn run_ended(verdict: &str) -> Value {
    let counts = json!({"passed": 0, "skipped": 0, "inconclusive": 0, "error": 0, "failed": 0});
    json!({"event": "run_ended", "verdict": verdict, "counts": counts, "duration_ms": 6_412.0})
}

/// Entries as a journal has them: an event each 100 ms.
fn records(events: impl Iterator<Item = Event>) -> Records {
    let record = |(place, event): (usize, Event)| {
        let at = Stamp::from_millis(STARTED + 100 * place as i64);
        Record { seq: place as u64 + 1, at, event }
    };
    let entries: Vec<_> = events.enumerate().map(record).collect();
    let is_over = matches!(entries.last().map(|record| &record.event), Some(Event::RunEnded { .. }));
    let end = if is_over { End::Finished } else { End::Unfinished };
    Records { entries, end, head: Digest::of(b"head") }
}

fn reported(name: &str, events: impl IntoIterator<Item = Value>) -> Run {
    let event = |value: Value| {
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
    };
    let records = records(events.into_iter().map(event));
    let junit = String::from_utf8(junit(&RunView::of(&records).unwrap())).unwrap();
    Run { name: name.to_owned(), junit }
}

/// All of them.
pub fn runs() -> Vec<Run> {
    vec![
        verdicts("verdicts", &json!({})),
        verdicts("flaky-counts", &json!({"fail_on_flaky": true})),
        hostile(),
        selection(),
        dry(),
        reported(
            "killed",
            [
                started(&[gate("lag", "infra", true), gate("ping", "infra", true)], &json!({})),
                ended("ping", "passed", "", &json!({})),
            ],
        ),
        reported(
            "interrupted",
            [
                started(&[gate("lag", "infra", true)], &json!({})),
                json!({"event": "interrupted", "by": "SIGTERM"}),
                ended("lag", "skipped", "not run: interrupted by SIGTERM", &json!({})),
                run_ended("skipped"),
            ],
        ),
        reported("nothing", [started(&[], &json!({})), run_ended("passed")]),
        init(),
        switched(),
    ]
}

/// Every verdict, and every way to come to it.
fn verdicts(name: &str, changes: &Value) -> Run {
    let optional = ["optional-red"];
    let phases = [
        ("passes", "infra"),
        ("fails", "readiness"),
        ("errs", "readiness"),
        ("no-data", "readiness"),
        ("needs-fails", "switch"),
        ("flaky", "switch"),
        ("retried-red", "watch"),
        ("optional-red", "evidence"),
    ];
    let gates: Vec<_> = phases.iter().map(|(id, phase)| gate(id, phase, !optional.contains(id))).collect();
    let seen = json!([{
        "name": "lag_ms", "kind": "number", "value": 9000.0, "unit": "ms",
        "at": Stamp::from_millis(STARTED), "source": "localhost:9092", "origin": "measured", "samples": 3,
    }]);
    reported(
        name,
        [
            started(&gates, changes),
            ended("passes", "passed", "", &json!({"excerpt": "pong\n"})),
            ended("fails", "failed", "expected lag_ms < 5 s, seen 9 s", &json!({"observations": seen})),
            ended("errs", "error", "localhost:9092: connection refused", &json!({})),
            ended("no-data", "inconclusive", "lag_ms had no events", &json!({})),
            ended("needs-fails", "skipped", "blocked: needs `fails`, which failed", &json!({})),
            attempt("flaky", 1, "error", "localhost:9092: connection refused"),
            attempt("flaky", 2, "failed", "expected lag_ms < 5 s, seen 9 s"),
            ended("flaky", "passed", "", &json!({"attempts": 3, "attempt_ms": 4.0, "excerpt": "pong\n"})),
            attempt("retried-red", 1, "inconclusive", "lag_ms had no events"),
            ended("retried-red", "failed", "expected lag_ms < 5 s, seen 8 s", &json!({"attempts": 2})),
            ended("optional-red", "failed", "expected lag_ms < 5 s, seen 7 s", &json!({})),
            run_ended("failed"),
        ],
    )
}

/// Text that wants to be something else: markup, a workflow's command, another line, another direction.
fn hostile() -> Run {
    let text = "\n::error file=a,line=1::x\n]]> <b a=\"1\">&amp;'\u{0}\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{1b}[31mred\u{1b}[0m\u{fffe}\
                \u{ffff}\u{feff}\u{202e}אבג\u{2028}<![CDATA[ <!-- --> %0A 😀 a::b \r";
    let mut hostile = gate("hostile", "infra", true);
    hostile["expect"] = text.into();
    hostile["at"]["file"] = format!("gates/a b/{text}.toml").into();
    let seen = json!([{
        "name": text, "kind": "text", "value": text, "at": Stamp::from_millis(STARTED), "source": text,
        "origin": "measured", "samples": 1,
    }]);
    let long = "long <line> ".repeat(100_000);
    let changes = json!({"environment": format!("env {text}"), "host": text});
    reported(
        "hostile",
        [
            started(&[hostile, gate("long", "infra", true), gate("loud", "infra", true)], &changes),
            attempt("hostile", 1, "failed", text),
            ended("hostile", "failed", text, &json!({"excerpt": text, "observations": seen, "attempts": 2})),
            ended("long", "error", &long, &json!({"excerpt": long})),
            attempt("loud", 1, "failed", &long),
            ended("loud", "passed", "", &json!({"excerpt": format!("{text}{long}"), "attempts": 2})),
            run_ended("failed"),
        ],
    )
}

fn selection() -> Run {
    let gates = [gate("chosen", "infra", true), gate("left-out", "infra", true)];
    let changes = json!({"partial": true, "selection": "--only chosen", "not_selected": ["left-out"]});
    reported(
        "selection",
        [
            started(&gates, &changes),
            ended("chosen", "passed", "", &json!({})),
            ended("left-out", "skipped", "not selected: --only chosen", &json!({})),
            run_ended("passed"),
        ],
    )
}

fn dry() -> Run {
    reported(
        "dry-run",
        [
            started(&[gate("lag", "infra", true)], &json!({"dry_run": true})),
            ended("lag", "skipped", "dry run: simulated, nothing was measured", &json!({})),
            run_ended("skipped"),
        ],
    )
}

/// An init whose second step failed.
fn init() -> Run {
    let step = |number: u32, name: &str, status: &str| {
        json!({
            "event": "step_ended", "gate": "kafka-init", "number": number, "name": name, "status": status,
            "duration_ms": 12.0, "command": name, "detail": "",
        })
    };
    let began = |number: u32, name: &str| json!({"event": "step_started", "gate": "kafka-init", "number": number, "name": name});
    let mut init = gate("kafka-init", "infra", true);
    init["probe"] = "kafka_init".into();
    let planned = |name: &str| json!({"name": name, "command": name});
    let steps = json!({"kafka-init": [planned("create_market.ticks.v1"), planned("verify_market.ticks.v1")]});
    reported(
        "init",
        [
            started(&[init], &json!({"verb": "init-kafka", "steps": steps})),
            json!({"event": "gate_started", "gate": "kafka-init"}),
            began(1, "create_market.ticks.v1"),
            step(1, "create_market.ticks.v1", "ok"),
            began(2, "verify_market.ticks.v1"),
            step(2, "verify_market.ticks.v1", "failed"),
            ended("kafka-init", "failed", "step verify_market.ticks.v1 failed", &json!({})),
            run_ended("failed"),
        ],
    )
}

fn steps(names: &[&str]) -> Vec<Value> {
    let step = |(number, name): (usize, &&str)| json!({"number": number, "name": name, "command": format!("run {name}"), "timeout_ms": 600000.0, "at": at(name)});
    (1..).zip(names).map(step).collect()
}

/// A cutover whose watch rolled it back.
fn switched() -> Run {
    use cutproof::model::steps::{CUTOVER_STEPS, ROLLBACK_STEPS};
    let digest = |path: &str| json!({"path": path, "sha256": "cd".repeat(32)});
    let plan = json!({
        "cutover": {
            "template": digest("cutover.env"), "environment": "single-host-ubuntu", "window": "2026-11-22T19:30:00Z",
            "window_start": Stamp::from_millis(STARTED - 60_000), "window_met": true, "config_path": "ctp.yaml",
            "monitor_minutes": "30", "monitor_keys": "order_latency_p99_ms", "steps": steps(&CUTOVER_STEPS),
            "output": "docs/results/ctp_cutover_result.env",
        },
        "rollback": {
            "template": digest("rollback.env"), "environment": "single-host-ubuntu",
            "trigger": "order_latency_p99_ms_gt_5ms", "max_seconds": "180", "limit_ms": 180000.0,
            "steps": steps(&ROLLBACK_STEPS), "output": "docs/results/ctp_rollback_result.env",
        },
        "profile": true, "force_rollback": false, "rollback_on_interrupt": true,
    });
    let metric = json!({
        "name": "order_latency_p99_ms", "source": "engine", "value": "order_latency_p99_ms",
        "expect": "order_latency_p99_ms <= 5ms", "failure_limit": 2, "inconclusive_limit": 1,
        "consecutive_error_limit": 3, "warmup_ms": 0.0, "on_no_data": "hold", "at": at("order_latency_p99_ms"),
    });
    let watch = json!({
        "duration_ms": 10000.0, "planned_ms": 1800000.0, "interval_ms": 1000.0, "max_age_ms": 5000.0,
        "trigger": "order_latency_p99_ms_gt_5ms", "monitor_keys": ["order_latency_p99_ms"], "sources": [],
        "metrics": [metric],
    });
    let changes = json!({"verb": "cutover", "provisioner": "attach", "switch": plan, "watch": watch});
    let mut events = vec![started(&[], &changes)];
    let begin = |stage: &str, why: &str| json!({"event": "stage_started", "stage": stage, "reason": why});
    let end = |stage: &str, verdict: &str, why: &str| json!({"event": "stage_ended", "stage": stage, "verdict": verdict, "reason": why, "duration_ms": 200.0});
    let run = |sequence: &str, names: &[&str], events: &mut Vec<Value>| {
        for (number, name) in (1..).zip(names) {
            let number: u32 = number;
            events.push(
                json!({"event": "command_started", "sequence": sequence, "number": number, "name": name}),
            );
            events.push(json!({
                "event": "command_ended", "sequence": sequence, "number": number, "name": name, "status": "ok",
                "exit_code": 0, "duration_ms": 90.25, "excerpt": "done ]]>\n", "log": format!("steps/{name}.log"),
            }));
        }
    };
    let why = "order_latency_p99_ms 7.2 ms is above 5 ms";
    events.extend([begin("preflight", ""), end("preflight", "passed", ""), begin("cutover", "")]);
    run("cutover", &CUTOVER_STEPS, &mut events);
    events.extend([
        end("cutover", "passed", ""),
        end("switch_gate", "skipped", "the profile has none"),
        end("readiness", "skipped", "the profile has none"),
        begin("watch", ""),
        json!({
            "event": "watch_ended", "verdict": "failed", "reason": why, "rollback": why, "watched_ms": 3000.0,
            "metrics": [{"name": "order_latency_p99_ms", "successful": 1, "failed": 3, "inconclusive": 0, "errors": 0,
                         "last": "7.2 ms"}],
        }),
        end("watch", "failed", why),
        begin("rollback", why),
    ]);
    run("rollback", &ROLLBACK_STEPS, &mut events);
    events.extend([
        end("rollback", "passed", ""),
        end("rollback_readiness", "skipped", "the profile has none"),
        run_ended("failed"),
    ]);
    reported("cutover", events)
}

/// So many gates that failed, with reasons of so many characters, and so many that passed.
pub fn large(failing: usize, passing: usize, reason: usize) -> Run {
    let names: Vec<_> = (0..failing + passing).map(|at| format!("gate-{at:06}")).collect();
    let gates: Vec<_> = names.iter().map(|name| gate(name, "infra", true)).collect();
    let text = "expected <5 s; seen 9 s, ".repeat(reason / 25) + "often";
    let of_gate = |(place, name): (usize, &String)| match place < passing {
        true => ended(name, "passed", "", &json!({})),
        false => ended(name, "failed", &text, &json!({})),
    };
    let ends = names.iter().enumerate().map(of_gate);
    let start = std::iter::once(started(&gates, &json!({})));
    reported("large", start.chain(ends).chain([run_ended(if failing > 0 { "failed" } else { "passed" })]))
}

/// The templates of a cutover whose fourth step fails.
pub fn templates(desk: &Desk) -> (String, String) {
    use cutproof::model::steps::{CUTOVER_STEP_KEYS, ROLLBACK_STEP_KEYS};
    let result = |name: &str| argument(&desk.path(&format!("results/{name}.env")));
    let command = |(place, key): (usize, &&str)| {
        format!("{key}={}\n", if place == 3 { "printf 'no ]]>\\033[31m\\n'; exit 3" } else { "true" })
    };
    let cutover: String = CUTOVER_STEP_KEYS.iter().enumerate().map(command).collect();
    let cutover = format!(
        "CUTOVER_ENV_NAME=desk\nCUTOVER_WINDOW_LOCAL=2020-01-01T00:00:00Z/2100-01-01T00:00:00Z\n\
         CTP_CONFIG_PATH=ctp.yaml\nPOST_SWITCH_MONITOR_MINUTES=30\nMONITOR_KEYS=order_latency_p99_ms\n\
         CUTOVER_EVIDENCE_OUTPUT={}\n{cutover}",
        result("cutover")
    );
    let rollback: String = ROLLBACK_STEP_KEYS.iter().map(|key| format!("{key}=true\n")).collect();
    let rollback = format!(
        "ROLLBACK_ENV_NAME=desk\nROLLBACK_TRIGGER_CONDITION=order_latency_p99_ms_gt_5ms\nMAX_ROLLBACK_SECONDS=180\n\
         ROLLBACK_EVIDENCE_OUTPUT={}\n{rollback}",
        result("rollback")
    );
    (desk.write("cutover.env", &cutover), desk.write("rollback.env", &rollback))
}
