//! The runbook's own verbs on the real engines: each init twice, then the bootstrap.

mod common;

use common::{Desk, Engines, FILES, argument, ended, env};
use std::collections::BTreeMap;

const PROFILE: &str = "gates/single-host.toml";

/// Each init: its verb and flags, its evidence and the first words of its keys, and its steps.
const INITS: [(&[&str], &str, &str, &[&str]); 4] = [
    (
        &["kafka"],
        "kafka_topic_init_result.env",
        "KAFKA_TOPIC_INIT",
        &["create_market.ticks.v1", "verify_market.ticks.v1"],
    ),
    (
        &["timescale", "--schema-dir", "fixtures/postgres"],
        "timescale_schema_init_result.env",
        "TIMESCALE_SCHEMA_INIT",
        &["wait_ready", "apply_schema", "verify_schema"],
    ),
    (
        &["clickhouse", "--schema-dir", "fixtures/clickhouse"],
        "clickhouse_schema_init_result.env",
        "CLICKHOUSE_SCHEMA_INIT",
        &["verify_clickhouse", "apply_000_ingest_errors.sql", "apply_010_market_ticks.sql"],
    ),
    (
        &[
            "debezium",
            "--trading-core-connector-file",
            "fixtures/debezium/connector-trading-core.json",
            "--ops-audit-connector-file",
            "fixtures/debezium/connector-ops-audit.json",
        ],
        "debezium_connector_init_result.env",
        "DEBEZIUM_CONNECTOR_INIT",
        &["apply_trading_core", "verify_trading_core", "apply_ops_audit", "verify_ops_audit"],
    ),
];

#[test]
fn every_init_gives_the_same_the_second_time_and_the_bootstrap_does_all_of_them() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, PROFILE);
    for round in ["first", "second"] {
        for (flags, file, prefix, steps) in INITS {
            let output = argument(&desk.path(&format!("{round}/{file}")));
            let printed = run(&desk, &engines, &[&["init"], flags, &["--output-file", &output]].concat());
            assert!(printed.contains(&output), "{printed}");
            let values = env(&desk.read(&format!("{round}/{file}")));
            assert_eq!(values[&format!("{prefix}_SUCCESS")], "true", "{round} {file}: {values:?}");
            assert_eq!(values[&format!("{prefix}_DRY_RUN")], "0");
            for (number, step) in (1..).zip(steps) {
                assert_eq!(values[&format!("STEP_{number}_NAME")], *step, "{file}");
                assert_eq!(values[&format!("STEP_{number}_STATUS")], "ok", "{file}");
            }
            let found = |value: &String| {
                let counted = value.split_once("already there as asked for: ");
                counted.is_some_and(|(_, count)| count != "0") || value.contains("already exists")
            };
            assert_eq!(values.values().any(found), round == "second", "{round} {file}: {values:#?}");
        }
    }
    bootstrap(&desk, &engines);
    engines.down();
}

/// Runs a verb on the engines with --execute, which must go well; gives what it printed.
fn run(desk: &Desk, engines: &Engines<'_>, arguments: &[&str]) -> String {
    let evidence = argument(&desk.evidence());
    let mut command = desk.cutproof(arguments);
    command.args(["--execute", "--profile", PROFILE, "--evidence-dir", &evidence]).envs(&engines.variables);
    ended(command).with_code(0).stdout
}

fn bootstrap(desk: &Desk, engines: &Engines<'_>) {
    let output = argument(&desk.path("bootstrap/result.env"));
    run(desk, engines, &[&["bootstrap", "--output-file", &output][..], &FILES].concat());
    let values = env(&desk.read("bootstrap/result.env"));
    assert_eq!(values["PRODLIKE_SUCCESS"], "true", "{values:#?}");
    assert_eq!(values["PRODLIKE_ACTION"], "up");
    assert_eq!(
        steps(&values),
        [
            "compose_up",
            "timescale_schema_init",
            "kafka_topic_init",
            "debezium_connector_init",
            "clickhouse_schema_init",
            "health_check"
        ]
    );
    run(desk, engines, &["bootstrap", "--action", "health", "--output-file", &output]);
    let values = env(&desk.read("bootstrap/result.env"));
    assert_eq!(
        (values["PRODLIKE_ACTION"].as_str(), steps(&values)),
        ("health", vec!["health_check".to_owned()])
    );
}

fn steps(values: &BTreeMap<String, String>) -> Vec<String> {
    (1..).map_while(|number| values.get(&format!("STEP_{number}_NAME")).cloned()).collect()
}

#[test]
fn a_bootstrap_whose_compose_does_not_start_fails_its_first_step_and_says_why() {
    let desk = Desk::new();
    let compose = desk.write("compose.yaml", "services: {}\n");
    let output = argument(&desk.path("result.env"));
    let evidence = argument(&desk.evidence());
    let flags = ["bootstrap", "--execute", "--docker-bin", "/nonexistent/docker", "--compose-file", &compose];
    let flags = [&flags[..], &["--output-file", &output, "--evidence-dir", &evidence], &FILES].concat();
    let refused = desk.run(&flags).with_code(2);
    assert!(refused.error().contains("/nonexistent/docker"), "{}", refused.stderr);
    let values = env(&desk.read("result.env"));
    assert_eq!(values["PRODLIKE_FAILED_STEP"], "compose_up", "{values:#?}");
    assert_eq!(values["PRODLIKE_COMPOSE_FILE"], compose);
    assert_eq!(steps(&values), ["compose_up"]);
    assert!(values["STEP_1_COMMAND"].starts_with("/nonexistent/docker compose -f "), "{values:#?}");
}
