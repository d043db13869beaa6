//! The runbook's stack in containers: brought up, set up, measured and taken down.

use crate::common::{FILES, Run, argument, ended, env, expect_soon, run_folder};
use crate::project::{Project, desk, to};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Steps of a bootstrap, all of which went well.
const STEPS: [&str; 6] = [
    "compose_up",
    "timescale_schema_init",
    "kafka_topic_init",
    "debezium_connector_init",
    "clickhouse_schema_init",
    "health_check",
];

const STACK: [&str; 5] = ["clickhouse", "kafka", "kafka-connect", "redis", "timescale"];

fn steps(values: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let step = |number| {
        let value = |key: &str| values.get(&format!("STEP_{number}_{key}")).cloned();
        Some((value("NAME")?, value("STATUS")?))
    };
    (1..).map_while(step).collect()
}

#[test]
#[ignore = "needs Docker, its compose plugin and the local images"]
fn the_runbooks_stack_is_brought_up_set_up_measured_and_taken_down() {
    let desk = desk();
    let neighbour = Project::new(&desk, "neighbour");
    neighbour.compose(&["up", "-d", "redis"]).with_code(0);
    let project = Project::new(&desk, "stack");

    // Twice: the second time all is there already.
    for round in ["first", "second"] {
        let (evidence, output) = (desk.evidence(), to(&desk, &format!("{round}/bootstrap.env")));
        let flags =
            ["bootstrap", "--execute", "--profile", "gates/single-host.toml", "--output-file", &output];
        let evidence_flag = argument(&evidence);
        let flags = [&flags, &project.flags()[..], &FILES, &["--evidence-dir", &evidence_flag]].concat();
        desk.run(&flags).with_code(0);
        let values = env(&desk.read(&format!("{round}/bootstrap.env")));
        assert_eq!(values["PRODLIKE_SUCCESS"], "true", "{round}: {values:#?}");
        assert_eq!(values["PRODLIKE_PROJECT_NAME"], project.name);
        assert!(values["STEP_1_COMMAND"].ends_with(" up -d"), "{values:#?}");
        assert_eq!(steps(&values), STEPS.map(|step| (step.to_owned(), "ok".to_owned())), "{round}");
        for (file, prefix) in [
            ("timescale_schema_init", "TIMESCALE_SCHEMA_INIT"),
            ("kafka_topic_init", "KAFKA_TOPIC_INIT"),
            ("debezium_connector_init", "DEBEZIUM_CONNECTOR_INIT"),
            ("clickhouse_schema_init", "CLICKHOUSE_SCHEMA_INIT"),
        ] {
            let values = env(&desk.read(&format!("{round}/{file}_result.env")));
            assert_eq!(values[&format!("{prefix}_SUCCESS")], "true", "{round} {file}: {values:#?}");
        }
        let folder = argument(&run_folder(&evidence).expect("the run's folder"));
        desk.run(&["verify", &folder]).with_code(0);
    }
    assert_eq!(project.running(), STACK);

    let gates = ["gates", "run", "--profile", "gates/single-host.toml", "--phase", "infra", "--allow-writes"];
    let run = desk.measure(&[&gates, &project.flags()[..]].concat()).with_code(0);
    let (passed, all) = (run.with_verdict("passed").len(), run.gates().len());
    assert!(passed == all && passed >= 15, "{passed} of {all}: {:#?}", run.gates());
    run.expect_junit_agrees();

    health(&project, &desk, &[], true);
    let listed = bootstrap(&project, &desk, "ps").stdout;
    assert!(
        STACK.iter().all(|service| listed.contains(&format!("{}-{service}-1", project.name))),
        "{listed}"
    );

    // One that stands still is red within the deadline, and green when it goes on.
    project.compose(&["pause", "redis"]).with_code(0);
    let began = Instant::now();
    let values = health(&project, &desk, &["--health-wait-timeout-sec", "2"], false);
    assert_eq!(values["PRODLIKE_FAILED_STEP"], "health_check", "{values:#?}");
    assert!(values["STEP_1_DETAIL"].contains("compose service `redis` is paused"), "{values:#?}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    project.compose(&["unpause", "redis"]).with_code(0);
    expect_soon("redis is healthy again", || {
        project.compose(&["ps", "redis", "--format", "{{.Health}}"]).stdout.trim() == "healthy"
    });
    health(&project, &desk, &[], true);

    bootstrap(&project, &desk, "down");
    assert_eq!(project.compose(&["ps", "--all", "--quiet"]).stdout, "");
    assert_eq!(neighbour.running(), ["redis"]);
    let values = health(&project, &desk, &["--health-wait-timeout-sec", "1"], false);
    assert!(
        values["STEP_1_DETAIL"].contains(&format!("`{}` has no containers", project.name)),
        "{values:#?}"
    );
}

fn bootstrap(project: &Project<'_>, desk: &crate::common::Desk, action: &str) -> crate::common::Ended {
    desk.run(&[&["bootstrap", "--execute", "--action", action], &project.flags()[..]].concat()).with_code(0)
}

/// The evidence of a health check, which ends as it must.
#[track_caller]
fn health(
    project: &Project<'_>,
    desk: &crate::common::Desk,
    more: &[&str],
    good: bool,
) -> BTreeMap<String, String> {
    let (evidence, output) = (argument(&desk.evidence()), to(desk, "health.env"));
    let flags = ["bootstrap", "--execute", "--action", "health", "--profile", "gates/single-host.toml"];
    let to = ["--output-file", &output, "--evidence-dir", &evidence];
    desk.run(&[&flags, &project.flags()[..], &to, more].concat()).with_code(if good { 0 } else { 2 });
    let values = env(&desk.read("health.env"));
    assert_eq!(values["PRODLIKE_SUCCESS"], good.to_string(), "{values:#?}");
    let status = if good { "ok" } else { "failed" };
    assert_eq!(steps(&values), [("health_check".to_owned(), status.to_owned())]);
    values
}

const REDIS: &str = r#"environment = "small"
[services.redis]
kind = "redis"
endpoint = "127.0.0.1:1"
[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
[readiness]
service = "core"
[[readiness.sli]]
name = "quant_hft_storage_redis_health"
gate = "redis-ping"
[watch]
interval = "500ms"
[[watch.source]]
name = "redis"
probe = "redis_ping"
uses = ["redis"]
[[watch.metric]]
name = "redis_latency_ms"
source = "redis"
value = "latency_ms"
expect = "redis_latency_ms < 5000ms"
"#;

#[test]
#[ignore = "needs Docker, its compose plugin and the local images"]
fn a_service_that_stops_and_a_project_of_another_name_are_told_as_what_they_are() {
    let desk = desk();
    let profile = desk.write("small.toml", REDIS);
    let project = Project::new(&desk, "small");
    let stranger = Project::new(&desk, "stranger");
    project.compose(&["up", "-d", "redis"]).with_code(0);
    let gates = |project: &Project<'_>| -> Run {
        let flags = ["gates", "run", "--profile", &profile];
        desk.measure(&[&flags, &project.flags()[..]].concat())
    };
    assert_eq!(gates(&project).with_code(0).verdict("redis-ping"), "passed");

    let output = to(&desk, "readiness.json");
    let readiness = ["readiness", "--profile", &profile, "--output-json", &output];
    // Nobody says anything of the other nine.
    desk.measure(&[&readiness, &project.flags()[..]].concat()).with_code(3);
    let levels: serde_json::Value = serde_json::from_str(&desk.read("readiness.json")).expect("it is JSON");
    let mut levels = levels["slis"].as_array().expect("a list").iter();
    let redis = levels.find(|level| level["name"] == "quant_hft_storage_redis_health").expect("its level");
    assert_eq!(redis["healthy"], true, "{redis:#}");
    let watch =
        ["watch", "--profile", &profile, "--minutes", "0.03", "--trigger", "redis_latency_ms_gt_5000ms"];
    desk.measure(&[&watch, &project.flags()[..]].concat()).with_code(0);

    let foreign = gates(&stranger).with_code(1);
    assert_eq!(foreign.verdict("redis-ping"), "error");
    let why = foreign.reason("redis-ping");
    assert!(why.contains(&format!("`{}` has no containers", stranger.name)), "{why}");
    assert!(why.contains(&format!("`{}`", project.name)), "it names the one that has: {why}");
    bootstrap(&stranger, &desk, "down");
    assert_eq!(project.running(), ["redis"], "another project's containers are not touched");

    project.compose(&["kill", "redis"]).with_code(0);
    let stopped = gates(&project).with_code(1);
    assert_eq!(stopped.verdict("redis-ping"), "error");
    let why = stopped.reason("redis-ping");
    assert!(why.contains("compose service `redis` is exited (exit code 137)"), "{why}");
}

#[test]
#[ignore = "needs Docker's compose plugin"]
fn compose_takes_both_of_the_stacks_files() {
    let desk = desk();
    for file in ["single-host.yaml", "single-host.redpanda.yaml"] {
        let mut docker = desk.program("docker");
        docker.args(["compose", "-f", &format!("fixtures/compose/{file}"), "--profile", "metrics", "config"]);
        let config = ended(docker).with_code(0).stdout;
        assert_eq!(
            config.contains("image: redpandadata/redpanda:v24.2.7"),
            file.contains("redpanda"),
            "{config}"
        );
        assert_eq!(config.contains("KAFKA_LISTENERS"), !file.contains("redpanda"), "{config}");
        assert!(config.matches("host_ip: 127.0.0.1").count() == 6, "every port is on the loopback: {config}");
    }
}
