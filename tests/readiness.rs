//! Readiness: the runbook's command line and its mistakes on the real binary, and levels that are measured on a real
//! Redis and a metrics page.

mod common;
#[allow(dead_code, reason = "it has more than is used here")]
#[path = "probes_plain/web.rs"]
mod web;

use common::{Desk, Ended, Engines, argument, run_folder, signal};
use cutproof::cli::Display;
use cutproof::model::GateId;
use cutproof::model::Position;
use cutproof::model::readiness::{LEVELS, SliSource};
use cutproof::process::{Cancel, Worker};
use cutproof::profile::Profile;
use cutproof::profile::switch::{Readiness, Sli};
use cutproof::rehearsal::provision::Provision;
use cutproof::rehearsal::readiness::{Declared, Said, plan, plan_of_gates, refuse_writers};
use cutproof::rehearsal::{Options, Rehearsal};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use web::{Web, answer};

/// The runbook's section 4.2, without the output's path.
const RUNBOOK: [&str; 18] = [
    "--environment",
    "single-host-ubuntu",
    "--query-latency-ms",
    "1200",
    "--flow-control-hits",
    "1",
    "--disconnect-recovery-success-rate",
    "1.0",
    "--reject-classified-ratio",
    "1.0",
    "--core-process-alive",
    "true",
    "--redis-health",
    "healthy",
    "--timescale-health",
    "healthy",
    "--strategy-bridge-chain-status",
    "complete",
];

/// A run of the verb in a folder of its own.
struct Answer {
    ended: Ended,
    file: Option<Value>,
}

fn ask(desk: &Desk, flags: &[&str]) -> Answer {
    let output = desk.path("results/ctp_readiness_precheck.json");
    fs::remove_file(&output).ok();
    let (path, evidence) = (argument(&output), desk.evidence());
    let given = ["readiness", "--output-json", &path, "--evidence-dir", &argument(&evidence)];
    let ended = desk.run(&[&given, flags].concat());
    let text = fs::read_to_string(&output).ok();
    if text.is_some() {
        assert_eq!(ended.stdout, format!("{path}\n"), "it prints where the evidence is");
        let kept = run_folder(&evidence).expect("the run's folder").join("ctp_readiness.json");
        assert_eq!(text, fs::read_to_string(kept).ok(), "the export is the run's own file");
    } else {
        assert!(!evidence.exists(), "nothing is written: {ended:?}");
    }
    Answer { ended, file: text.map(|text| serde_json::from_str(&text).expect("it is JSON")) }
}

impl Answer {
    #[track_caller]
    fn with_code(self, code: i32) -> Value {
        self.ended.with_code(code);
        self.file.expect("evidence was written")
    }
}

/// The levels of a file by name: value, health and origin.
fn levels(file: &Value) -> BTreeMap<&str, (Option<f64>, bool, &str)> {
    let rows = file["slis"].as_array().expect("a list of levels").iter();
    let told = |row: &'_ Value| (row["value"].as_f64(), row["healthy"] == true);
    rows.map(|row| {
        let (value, healthy) = told(row);
        (
            row["name"].as_str().unwrap_or_default(),
            (value, healthy, row["origin"].as_str().unwrap_or_default()),
        )
    })
    .collect()
}

#[test]
fn the_runbooks_command_line_is_healthy_and_marks_what_nobody_measured() {
    let desk = Desk::new();
    let file = ask(&desk, &RUNBOOK).with_code(0);
    assert_eq!((&file["overall_healthy"], &file["scope"]), (&Value::from(true), &Value::from("precheck")));
    let metadata = &file["metadata"];
    assert_eq!(metadata["evidence_type"], "ctp_readiness");
    assert_eq!(
        (&metadata["environment"], &metadata["service"]),
        (&Value::from("single-host-ubuntu"), &Value::from("core_engine"))
    );
    let defaulted = ["quant_hft_storage_postgres_health", "quant_hft_strategy_bridge_latency_p99_ms"];
    for (name, (value, healthy, origin)) in levels(&file) {
        assert!(healthy && value.is_some(), "{name}");
        assert_eq!(origin, if defaulted.contains(&name) { "defaulted" } else { "declared" }, "{name}");
    }
    let names: Vec<_> =
        file["slis"].as_array().into_iter().flatten().map(|row| row["name"].as_str()).collect();
    assert_eq!(names, LEVELS.map(|level| Some(level.name)));
}

#[test]
fn a_level_beyond_its_target_is_told_and_ends_with_3() {
    let desk = Desk::new();
    let answer = ask(&desk, &[&RUNBOOK[..], &["--query-latency-target-ms", "1000"]].concat());
    let told = "quant_hft_ctp_query_latency_p99_ms is 1200 ms, expected at most 1000 ms: declared by --query-latency-ms 1200";
    assert!(answer.ended.stderr.contains(told), "{}", answer.ended.stderr);
    let file = answer.with_code(3);
    assert_eq!(file["overall_healthy"], false);
    assert_eq!(levels(&file).values().filter(|(_, healthy, _)| !healthy).count(), 1);
}

#[test]
fn what_nobody_says_is_not_known() {
    let file = ask(&Desk::new(), &[]).with_code(3);
    for (name, (value, healthy, origin)) in levels(&file) {
        let expected =
            if name.ends_with("bridge_latency_p99_ms") { (Some(0.0), true) } else { (None, false) };
        assert_eq!(((value, healthy), origin), (expected, "defaulted"), "{name}");
    }
    let strict = ask(&Desk::new(), &["--require-measured"]);
    assert!(strict.ended.stderr.contains("only measured values count here"), "{}", strict.ended.stderr);
    assert!(levels(&strict.with_code(3)).values().all(|(_, healthy, _)| !healthy));
}

#[test]
fn bad_input_ends_with_2_and_writes_nothing() {
    let desk = Desk::new();
    for flags in [
        &["--query-latency-ms", "nan"][..],
        &["--query-latency-ms", "inf"],
        &["--query-latency-ms", "-1"],
        &["--query-latency-ms", "1e999"],
        &["--query-latency-ms", ""],
        &["--query-latency-ms", "1200ms"],
        &["--query-latency-target-ms", "NaN"],
        &["--strategy-bridge-latency-ms", "-0.1"],
        &["--strategy-bridge-target-ms", "-inf"],
        &["--flow-control-hits", "-3"],
        &["--flow-control-hits-target", "many"],
        &["--disconnect-recovery-success-rate", "1.01"],
        &["--disconnect-recovery-target", "99"],
        &["--reject-classified-ratio", "95%"],
        &["--reject-classified-target", "-1"],
        &["--core-process-alive", "perhaps"],
        &["--strategy-bridge-chain-status", "unknown"],
        &["--redis-health", "healty"],
        &["--timescale-health", "green"],
        &["--postgres-health", ""],
    ] {
        let answer = ask(&desk, flags);
        assert!(answer.file.is_none(), "{flags:?}");
        let ended = answer.ended.with_code(2);
        let expected = format!("error: {}: expected ", flags[0]);
        assert!(
            ended.error().starts_with(&expected) && ended.error().ends_with(&format!("saw `{}`", flags[1])),
            "{}",
            ended.error()
        );
    }
    for flags in [
        &["--require-measured", "--redis-health", "healthy"][..],
        &["--query-latency", "1200"],
        &["--environment", ""],
        &["--endpoint", "redis"],
        &["--profile", "gates/absent.toml"],
        // It has no [readiness].
        &["--profile", "web-shop"],
    ] {
        let answer = ask(&desk, flags);
        assert!(answer.file.is_none(), "{flags:?}");
        answer.ended.with_code(2).error();
    }
}

#[test]
fn an_output_that_can_not_be_written_is_an_error() {
    let desk = Desk::new();
    let evidence = argument(&desk.evidence());
    let folder = desk.write("taken/in-the-way", "");
    let folder = folder.trim_end_matches("/in-the-way");
    let flags = ["readiness", "--output-json", folder, "--evidence-dir", &evidence];
    let ended = desk.run(&[&flags, &RUNBOOK[..]].concat()).with_code(2);
    assert!(ended.error().contains(folder), "{}", ended.error());
}

const PROFILE: &str = r#"
environment = "desk"
[services.redis]
kind = "redis"
[services.core]
kind = "http"
[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
timeout = "5s"
[[gate]]
id = "core-metrics"
phase = "readiness"
probe = "prometheus"
uses = ["core"]
[gate.with]
window = "200ms"
series = [
  { name = "query_latency_p99_ms", select = "query_seconds", take = "quantile", q = 0.99 },
  { name = "hits", select = "hits_total", take = "counter", unit = "count" },
  { name = "recovered_ratio", select = "recoveries_total", take = "ratio", of = "disconnects_total" },
  { name = "classified_ratio", select = 'rejects_total{classified="true"}', take = "ratio", of = "rejects_total" },
]
"#;

fn page(queries: u32) -> String {
    format!(
        "query_seconds_bucket{{le=\"1\"}} {}\nquery_seconds_bucket{{le=\"2\"}} {queries}\n\
         query_seconds_bucket{{le=\"+Inf\"}} {queries}\nhits_total 3\nrecoveries_total 0\ndisconnects_total 0\n\
         rejects_total{{classified=\"true\"}} 19\nrejects_total{{classified=\"false\"}} 1\n",
        queries / 2
    )
}

/// The profile with what its gates measure.
fn profile() -> Profile {
    let by = |level: usize, gate: &str, value: Option<&str>| {
        let gate = GateId::new(gate).expect("a gate's name");
        let at = Position { file: "gates/desk.toml".to_owned(), line: 1, column: 1 };
        let from = SliSource::Measured { gate, value: value.map(str::to_owned), at };
        Sli { name: LEVELS[level].name.to_owned(), from, target: None }
    };
    let slis = vec![
        by(0, "core-metrics", None),
        by(3, "redis-ping", None),
        by(6, "core-metrics", Some("query_latency_p99_ms")),
        by(7, "core-metrics", Some("hits")),
        by(8, "core-metrics", Some("recovered_ratio")),
        by(9, "core-metrics", Some("classified_ratio")),
    ];
    let mut profile =
        Profile::parse("gates/desk.toml", PROFILE, cutproof::probe::registry()).expect("it is sound");
    profile.readiness = Some(Readiness { service: "core_engine".to_owned(), slis });
    profile
}

/// Measures, and gives the file.
fn measure(desk: &Desk, endpoints: Vec<(String, String)>, declared: &Declared) -> Value {
    let profile = profile();
    let readiness = plan(&profile, declared, "precheck").expect("it can be judged");
    let plan = plan_of_gates(&profile, &readiness).expect("it has gates");
    refuse_writers(&plan).expect("they only read");
    let options = Options {
        verb: "readiness",
        provision: Provision::Attach,
        endpoints,
        evidence_dir: desk.evidence(),
        readiness: Some(Box::new(readiness)),
        ..Options::default()
    };
    let worker = Worker::unheld().expect("a worker");
    let cancel = Cancel::new().expect("a descriptor");
    let run = Rehearsal::open(&plan, &options, worker, &cancel, Arc::new(Display::new())).expect("it begins");
    run.runner().all(2);
    let finished = run.finish().expect("it has evidence");
    let file = finished.documents.iter().find(|document| document.name == "ctp_readiness.json");
    serde_json::from_slice(&file.expect("it has readiness").bytes).expect("it is JSON")
}

#[test]
fn levels_are_measured_declared_and_defaulted_in_one_run_and_a_service_that_dies_is_seen() {
    let desk = Desk::new();
    let redis = desk.write("redis.toml", PROFILE);
    let engines = Engines::up(&desk, &redis);
    let asked = AtomicUsize::new(0);
    let web = Web::start(move |_, mut stream| {
        let asked = u32::try_from(asked.fetch_add(1, Ordering::SeqCst)).unwrap_or(u32::MAX);
        let _ =
            stream.write_all(answer("200 OK", "text/plain; version=0.0.4", &page(100 * asked)).as_bytes());
    });
    let endpoints = || {
        vec![("redis".to_owned(), engines.address("redis").to_owned()), ("core".to_owned(), web.url.clone())]
    };
    let said = |value| Said { value, flag: "--x".to_owned() };
    let mut declared = Declared::default();
    for level in [1, 2, 4, 5, 8] {
        declared.values.insert(LEVELS[level].name, said(if level == 1 { 20.0 } else { 1.0 }));
    }
    let file = measure(&desk, endpoints(), &declared);
    let seen = levels(&file);
    assert_eq!(file["overall_healthy"], true, "{file:#}");
    let origin = |level: usize| seen[LEVELS[level].name].2;
    assert_eq!([0, 3, 6, 7, 9].map(origin), ["measured"; 5]);
    assert_eq!([1, 2, 4, 5, 8].map(origin), ["declared"; 5]);
    assert_eq!(seen["quant_hft_ctp_flow_control_hits"].0, Some(3.0));
    assert_eq!(seen["quant_hft_ctp_reject_classified_ratio"].0, Some(0.95));
    // Half of the window's queries took more than 1 s and at most 2: the 99th percentile lies at 0.98 of that bucket.
    let p99 = seen["quant_hft_ctp_query_latency_p99_ms"].0.expect("it was measured");
    assert!((p99 - 1980.0).abs() < 1e-6, "{p99}");
    let detail = file["slis"][6]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("quantile 0.99 of query_seconds over 0.2 s at http://"), "{detail}");
    assert!(detail.contains(", 100 samples, at "), "{detail}");

    declared.values.remove(LEVELS[8].name);
    declared.values.remove(LEVELS[5].name);
    let file = measure(&desk, endpoints(), &declared);
    let seen = levels(&file);
    assert_eq!(file["overall_healthy"], false);
    assert_eq!(seen[LEVELS[8].name], (None, false, "measured"), "there was no disconnect to recover from");
    assert_eq!(seen[LEVELS[5].name], (None, false, "defaulted"));

    signal(engines.pids["redis"], Signal::KILL);
    let file = measure(&desk, endpoints(), &declared);
    assert_eq!(levels(&file)["quant_hft_storage_redis_health"], (None, false, "measured"));
    let detail = file["slis"][3]["detail"].as_str().unwrap_or_default();
    assert!(
        detail.starts_with("not known: gate `redis-ping` could not be measured: service `redis`"),
        "{detail}"
    );
    engines.down();
}
