//! Whole rehearsals on the real engines: all green, twice, side by side, in parts, and kept up.

mod common;

use common::{Desk, Engines, argument, env, expect_whole_files, journal, run_folder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const PROFILE: &str = "gates/single-host.toml";

/// The `.env` files of a rehearsal of the single host, and the first words of their keys.
const EVIDENCE: [(&str, &str); 5] = [
    ("single_host_bootstrap_result.env", "PRODLIKE"),
    ("kafka_topic_init_result.env", "KAFKA_TOPIC_INIT"),
    ("clickhouse_schema_init_result.env", "CLICKHOUSE_SCHEMA_INIT"),
    ("timescale_schema_init_result.env", "TIMESCALE_SCHEMA_INIT"),
    ("debezium_connector_init_result.env", "DEBEZIUM_CONNECTOR_INIT"),
];

#[test]
fn a_rehearsal_of_the_single_host_is_green_and_leaves_evidence_and_nothing_else() {
    let desk = Desk::new();
    let exports = argument(&desk.path("results"));
    let run = desk.measure(&["rehearse", "--profile", PROFILE, "--export", &exports]).with_code(0);
    desk.expect_nothing_left();
    assert_eq!(run.summary["verdict"], "passed");
    assert_eq!(run.with_verdict("passed").len(), run.gates().len());
    assert!(run.gates().len() >= 18, "{:?}", run.gates());
    run.expect_junit_agrees();
    expect_whole_files(&run.folder);
    for (file, prefix) in EVIDENCE {
        let values = run.env(file);
        assert_eq!(values[&format!("{prefix}_SUCCESS")], "true", "{file}");
        assert_eq!(values[&format!("{prefix}_DRY_RUN")], "0", "{file}");
        assert_eq!(values[&format!("{prefix}_FAILED_STEP")], "", "{file}");
        let exported = fs::read_to_string(desk.path("results").join(file)).expect("it is exported");
        assert_eq!(env(&exported), values, "{file}");
    }
    let lines = journal(&run.folder);
    assert_eq!(run.summary["journal"]["entries"], lines.len());
    // What readiness measures, and a rehearsal must make first or wait for: none of it is flaky by order.
    for (gate, other) in
        [("timescale-health", "timescale-schema-init"), ("strategy-bridge-chain", "core-metrics")]
    {
        let at = |event: &str, gate: &str| {
            lines.iter().position(|line| line["event"] == event && line["gate"] == gate)
        };
        assert!(at("gate_started", gate) > at("gate_ended", other), "{gate} did not wait for {other}");
    }
    let last = run.ended.stdout.lines().filter(|line| line.starts_with("PASSED")).count();
    assert_eq!(last, 1, "{}", run.ended.stdout);
    // A busy machine adds the attempts of gates that had to wait.
    let attempt = |line: &&str| line.starts_with('↻') || line.starts_with("    attempt ");
    let shown = run.ended.stdout.lines().take_while(|line| !line.starts_with("PASSED"));
    let shown: Vec<_> = shown.filter(|line| !attempt(line)).collect();
    assert!(shown.len() < 24, "it fits a screen: {shown:#?}");
    for service in ["redis", "kafka", "postgres"] {
        let line = format!("~ {service}");
        assert!(
            run.ended.stdout.contains(&line),
            "{service} differs from the real host's:\n{}",
            run.ended.stdout
        );
    }

    // A dry run replaces nothing of it.
    let before = files(&desk, "results");
    desk.measure(&["rehearse", "--dry-run", "--profile", PROFILE, "--export", &exports]);
    assert_eq!(files(&desk, "results"), before);
}

/// Names and contents of the files in a folder of the desk.
fn files(desk: &Desk, folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(desk.path(folder)).expect("a folder").flatten();
    let named = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries
        .map(|entry| (named(entry), ()))
        .map(|(name, ())| (name.clone(), desk.read(&format!("{folder}/{name}"))))
        .collect()
}

#[test]
fn what_is_kept_can_be_measured_again_and_finds_everything_there() {
    let desk = Desk::new();
    let kept = desk.measure(&["rehearse", "--keep", "--profile", PROFILE]).with_code(0);
    let variables = env(&kept.ended.stdout);
    let name =
        kept.ended.stderr.rsplit("--name ").next().expect("how to end them").trim_end().trim_end_matches('`');
    assert_eq!(kept.summary["provisioner"], "embedded");
    let status = desk.run(&["engines", "status"]).with_code(0).stdout;
    for service in ["redis", "kafka", "connect", "clickhouse", "postgres"] {
        let address = &variables[&format!("CUTPROOF_ENDPOINT_{}", service.to_uppercase())];
        assert!(status.contains(address), "{service} is not in:\n{status}");
    }

    let again = |arguments: &[&str]| {
        let evidence = desk.evidence();
        let mut command = desk.cutproof(arguments);
        command.args(["--evidence-dir", &argument(&evidence)]).envs(&variables);
        (common::ended(command), evidence)
    };
    let (ended, evidence) = again(&["gates", "run", "--allow-writes", "--profile", PROFILE]);
    let run = common::Run::of(ended, &evidence).with_code(0);
    let facts: BTreeMap<_, _> = kept_counts(&run.folder);
    assert_eq!(facts["topics_created"], 0.0);
    assert_eq!(facts["topics_existing"], 6.0);
    assert_eq!(facts["connectors_created"], 0.0);
    assert_eq!(facts["connectors_unchanged"], 2.0);

    // A topic that is there with other partitions than asked for is no success.
    let output = argument(&desk.path("kafka.env"));
    let flags = ["--kafka-topic", "market.ticks.v1", "--kafka-partitions", "3", "--output-file", &output];
    let (refused, evidence) =
        again(&[&["init", "kafka", "--execute", "--profile", PROFILE][..], &flags].concat());
    let refused = refused.with_code(2);
    assert!(refused.error().contains("has 6 partitions, expected 3"), "{}", refused.stderr);
    let values = env(&desk.read("kafka.env"));
    assert_eq!(values["KAFKA_TOPIC_INIT_SUCCESS"], "false");
    assert!(values["KAFKA_TOPIC_INIT_FAILED_STEP"].ends_with("market.ticks.v1"), "{values:?}");
    assert!(run_folder(&evidence).is_some());

    desk.run(&["engines", "down", "--name", name]).with_code(0);
    desk.expect_nothing_left();
    assert_eq!(desk.run(&["engines", "status"]).with_code(0).stdout, "no engines are up\n");
}

#[test]
fn engines_that_were_to_be_kept_are_ended_where_the_run_can_not_begin() {
    let desk = Desk::new();
    let profile = desk.write(
        "redis.toml",
        "environment = \"t\"\n[services.redis]\nkind = \"redis\"\n\
         [[gate]]\nid = \"ping\"\nphase = \"infra\"\nprobe = \"redis_ping\"\nuses = [\"redis\"]\n",
    );
    let file = desk.write("a-file", "");
    let evidence = format!("{file}/evidence");
    let flags = ["rehearse", "--keep", "--profile", &profile, "--evidence-dir", &evidence];
    let refused = desk.run(&flags).with_code(2);
    assert!(refused.error().contains(&evidence), "{}", refused.stderr);
    desk.expect_nothing_left();
}

/// All numbers that the gates of a run observed, by name.
fn kept_counts(folder: &std::path::Path) -> BTreeMap<String, f64> {
    fn collect(value: &serde_json::Value, into: &mut BTreeMap<String, f64>) {
        match value {
            serde_json::Value::Object(fields) => {
                if let (Some(name), Some(number)) = (fields.get("name"), fields.get("value")) {
                    let name = name.as_str().map(str::to_owned);
                    into.extend(name.zip(number.as_f64()));
                }
                fields.values().for_each(|value| collect(value, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut counts = BTreeMap::new();
    journal(folder).iter().for_each(|line| collect(line, &mut counts));
    counts
}

#[test]
fn a_profile_of_another_system_runs_twice_side_by_side_in_one_state_folder() {
    let desk = Desk::new();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let start = || scope.spawn(|| desk.measure(&["rehearse", "--profile", "gates/web-shop.toml"]));
        [start(), start()].map(|run| run.join().expect("it ran")).into()
    });
    for run in &runs {
        assert_eq!(run.ended.code, Some(0), "{:#?}", run.ended);
        assert_eq!(run.summary["verdict"], "passed");
        run.expect_junit_agrees();
    }
    let names: BTreeSet<_> = runs.iter().map(|run| run.summary["run"].as_str()).collect();
    assert_eq!(names.len(), 2);
}

#[test]
fn a_selection_is_marked_partial_and_runs_what_it_needs() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, "gates/web-shop.toml");
    let run = engines.gates(&["--allow-writes", "--profile", "gates/web-shop.toml"]).with_code(0);
    let all: BTreeSet<_> = run.gates().into_keys().map(str::to_owned).collect();
    let first = all.first().expect("there are gates").clone();
    let phase = run.summary["gates"][0]["phase"].as_str().expect("a phase").to_owned();
    for flags in [["--only", first.as_str()], ["--skip", first.as_str()]] {
        let run =
            engines.gates(&[&["--allow-writes", "--profile", "gates/web-shop.toml"][..], &flags].concat());
        assert_eq!(
            (run.ended.code, &run.summary["partial"]),
            (Some(0), &true.into()),
            "{flags:?}: {:#?}",
            run.ended
        );
        assert_eq!(run.summary["verdict"], "partial");
        assert!(run.gates().len() < all.len());
        assert_eq!(run.gates().contains_key(first.as_str()), flags[0] == "--only");
        assert!(run.ended.stdout.lines().any(|line| line.starts_with("PARTIAL")), "{}", run.ended.stdout);
        assert!(run.read("junit.xml").contains("(partial)"));
        run.expect_junit_agrees();
    }
    let run = engines
        .gates(&["--allow-writes", "--profile", "gates/web-shop.toml", "--phase", &phase])
        .with_code(0);
    assert_eq!(run.summary["partial"], true);
    engines.down();
}
