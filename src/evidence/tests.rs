//! What projections say of runs that went well, and of those that did not.

use super::sample::{KAFKA_STEPS, Sample, args, gate, id, kafka_init, number};
use super::*;
use crate::journal::Records;
use crate::model::event::StepStatus;
use crate::model::{Event, ServiceKind, Verdict};
use serde_json::json;

fn document(records: &Records, name: &str) -> Option<Env<'static>> {
    let view = RunView::of(records).unwrap();
    let documents = documents(&view).unwrap();
    let document = documents.into_iter().find(|document| document.name == name)?;
    Some(Env::parse(&String::from_utf8(document.bytes).unwrap()).into_owned())
}

fn kafka_file(sample: &Sample) -> Env<'static> {
    document(&sample.records(), "kafka_topic_init_result.env").unwrap()
}

fn outcome(sample: &Sample) -> (Outcome, Vec<String>) {
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    let judged = verdict(&view);
    (judged.verdict, judged.reasons.iter().map(ToString::to_string).collect())
}

/// Success, the failed step, and each listed step with its status.
fn story(env: &Env, prefix: &str) -> String {
    let of = |key: &str| env.get(&format!("{prefix}_{key}")).unwrap().to_owned();
    let steps: usize = of("TOTAL_STEPS").parse().unwrap();
    let step = |n: usize, what: &str| env.get(&format!("STEP_{n}_{what}")).unwrap().to_owned();
    let steps: Vec<_> = (1..=steps).map(|n| format!("{} {}", step(n, "NAME"), step(n, "STATUS"))).collect();
    assert_eq!(env.get(&format!("STEP_{}_NAME", steps.len() + 1)), None);
    format!("{} [{}] {}", of("SUCCESS"), of("FAILED_STEP"), steps.join(", "))
}

#[test]
fn a_good_init_has_the_keys_of_the_contract_in_their_order() {
    let mut sample = kafka_init();
    sample.begin("kafka-init");
    for (number, name) in (1..).zip(KAFKA_STEPS) {
        sample.step(
            "kafka-init",
            number,
            name,
            StepStatus::Ok,
            if number == 1 { "there already" } else { "" },
        );
    }
    sample.end("kafka-init", Verdict::Passed, "").done();
    insta::assert_snapshot!(kafka_file(&sample), @r"
    KAFKA_TOPIC_INIT_DRY_RUN=0
    KAFKA_TOPIC_INIT_SUCCESS=true
    KAFKA_TOPIC_INIT_FAILED_STEP=
    KAFKA_TOPIC_INIT_COMPOSE_FILE=infra/docker-compose.single-host.yaml
    KAFKA_TOPIC_INIT_PROJECT_NAME=quant-hft-single-host
    KAFKA_TOPIC_INIT_ENV_FILE=infra/env/prodlike.env
    KAFKA_TOPIC_INIT_SERVICE=kafka
    KAFKA_TOPIC_INIT_BOOTSTRAP_SERVER=kafka:9092
    KAFKA_TOPIC_INIT_TOPIC=a.v1
    KAFKA_TOPIC_INIT_TOPICS=a.v1,b.v1
    KAFKA_TOPIC_INIT_TOPIC_COUNT=2
    KAFKA_TOPIC_INIT_PARTITIONS=6
    KAFKA_TOPIC_INIT_REPLICATION_FACTOR=1
    KAFKA_TOPIC_INIT_TOTAL_STEPS=4
    STEP_1_NAME=create_a.v1
    STEP_1_STATUS=ok
    STEP_1_DURATION_MS=12
    STEP_1_COMMAND=do create_a.v1
    STEP_2_NAME=verify_a.v1
    STEP_2_STATUS=ok
    STEP_2_DURATION_MS=12
    STEP_2_COMMAND=do verify_a.v1
    STEP_3_NAME=create_b.v1
    STEP_3_STATUS=ok
    STEP_3_DURATION_MS=12
    STEP_3_COMMAND=do create_b.v1
    STEP_4_NAME=verify_b.v1
    STEP_4_STATUS=ok
    STEP_4_DURATION_MS=12
    STEP_4_COMMAND=do verify_b.v1
    CUTPROOF_PROJECTION=kafka_topic_init/1
    CUTPROOF_VERSION=0.1.0
    CUTPROOF_RUN_ID=20261122T194103Z-rehearse-4f7k2q
    CUTPROOF_ENVIRONMENT=single-host-ubuntu
    CUTPROOF_PROVISIONER=embedded
    CUTPROOF_PARTIAL=false
    CUTPROOF_STARTED_UTC=2026-11-22T19:41:03Z
    CUTPROOF_COMPLETED_UTC=2026-11-22T19:41:04Z
    CUTPROOF_JOURNAL_HEAD=a02d817c50f2f0e2863495102a37e26d48643f9831478fe536f3b2698635a84f
    CUTPROOF_REASON=
    STEP_1_DETAIL=there already
    ");
    assert_eq!(outcome(&sample), (Outcome::Passed, vec![]));
}

#[test]
fn a_failed_step_ends_the_listing_and_is_named() {
    let mut sample = kafka_init();
    sample.begin("kafka-init").step("kafka-init", 1, "create_a.v1", StepStatus::Ok, "");
    sample.step("kafka-init", 2, "verify_a.v1", StepStatus::Failed, "expected 6 partitions, seen 3");
    sample.end("kafka-init", Verdict::Failed, "verify_a.v1: expected 6 partitions, seen 3").done();
    let env = kafka_file(&sample);
    assert_eq!(story(&env, "KAFKA_TOPIC_INIT"), "false [verify_a.v1] create_a.v1 ok, verify_a.v1 failed");
    assert_eq!(env.get("STEP_2_DETAIL"), Some("expected 6 partitions, seen 3"));
    assert_eq!(env.get("CUTPROOF_REASON"), Some("expected 6 partitions, seen 3"));
}

#[test]
fn a_killed_run_never_reads_as_a_success() {
    let mut sample = kafka_init();
    let mut stories = Vec::new();
    let mut note = |sample: &Sample| stories.push(story(&kafka_file(sample), "KAFKA_TOPIC_INIT"));
    note(&sample);
    note(sample.begin("kafka-init"));
    note(sample.begin_step("kafka-init", 1, "create_a.v1"));
    for (number, name) in (1..).zip(KAFKA_STEPS) {
        note(sample.step("kafka-init", number, name, StepStatus::Ok, ""));
    }
    note(sample.end("kafka-init", Verdict::Passed, ""));
    assert_eq!(outcome(&sample).0, Outcome::Unfinished);
    note(sample.done());
    insta::assert_snapshot!(stories.join("\n"), @r"
    false [interrupted] 
    false [interrupted] 
    false [create_a.v1] create_a.v1 failed
    false [interrupted] create_a.v1 ok
    false [interrupted] create_a.v1 ok, verify_a.v1 ok
    false [interrupted] create_a.v1 ok, verify_a.v1 ok, create_b.v1 ok
    false [interrupted] create_a.v1 ok, verify_a.v1 ok, create_b.v1 ok, verify_b.v1 ok
    false [interrupted] create_a.v1 ok, verify_a.v1 ok, create_b.v1 ok, verify_b.v1 ok
    true [] create_a.v1 ok, verify_a.v1 ok, create_b.v1 ok, verify_b.v1 ok
    ");
}

#[test]
fn an_init_that_found_nobody_listening_names_its_first_step() {
    let mut sample = kafka_init();
    sample.begin("kafka-init").end("kafka-init", Verdict::Error, "nothing listens on localhost:9092").done();
    let env = kafka_file(&sample);
    assert_eq!(story(&env, "KAFKA_TOPIC_INIT"), "false [create_a.v1] create_a.v1 failed");
    assert_eq!(env.get("STEP_1_DETAIL"), Some("nothing listens on localhost:9092"));
    sample.started.steps.clear();
    assert_eq!(story(&kafka_file(&sample), "KAFKA_TOPIC_INIT"), "false [create_a.v1] create_a.v1 failed");
}

#[test]
fn an_init_whose_steps_all_went_well_and_whose_gate_failed_is_no_success() {
    let mut sample = kafka_init();
    for (number, name) in (1..).zip(KAFKA_STEPS) {
        sample.step("kafka-init", number, name, StepStatus::Ok, "");
    }
    sample.end("kafka-init", Verdict::Failed, "expected 3 topics").done();
    let env = kafka_file(&sample);
    let expected = "false [verify_b.v1] create_a.v1 ok, verify_a.v1 ok, create_b.v1 ok, verify_b.v1 failed";
    assert_eq!(story(&env, "KAFKA_TOPIC_INIT"), expected);
    assert_eq!(env.get("STEP_4_DETAIL"), Some("expected 3 topics"));
}

#[test]
fn a_gate_that_passed_without_its_steps_on_record_is_no_success() {
    let mut sample = kafka_init();
    sample
        .step("kafka-init", 1, "create_a.v1", StepStatus::Ok, "")
        .end("kafka-init", Verdict::Passed, "")
        .done();
    let expected = "false [verify_a.v1] create_a.v1 ok, verify_a.v1 failed";
    assert_eq!(story(&kafka_file(&sample), "KAFKA_TOPIC_INIT"), expected);
    let mut sample = kafka_init();
    sample.started.steps.clear();
    sample.end("kafka-init", Verdict::Passed, "").done();
    assert_eq!(story(&kafka_file(&sample), "KAFKA_TOPIC_INIT"), "false [create_a.v1] create_a.v1 failed");
}

#[test]
fn a_second_attempt_takes_the_place_of_the_first() {
    let mut sample = kafka_init();
    sample.begin("kafka-init").step("kafka-init", 1, "create_a.v1", StepStatus::Ok, "");
    sample.step("kafka-init", 2, "verify_a.v1", StepStatus::Failed, "no leader").again("kafka-init", 1);
    for (number, name) in (1..).zip(KAFKA_STEPS) {
        sample.step("kafka-init", number, name, StepStatus::Ok, "there already");
    }
    sample.end("kafka-init", Verdict::Passed, "").done();
    assert!(story(&kafka_file(&sample), "KAFKA_TOPIC_INIT").starts_with("true []"));
}

#[test]
fn a_step_that_is_told_after_its_gate_was_given_up_changes_nothing() {
    let mut sample = kafka_init();
    sample.begin("kafka-init").begin_step("kafka-init", 1, "create_a.v1");
    sample.end("kafka-init", Verdict::Error, "no answer within 5 s");
    sample.step("kafka-init", 1, "create_a.v1", StepStatus::Ok, "").done();
    let env = kafka_file(&sample);
    assert_eq!(story(&env, "KAFKA_TOPIC_INIT"), "false [create_a.v1] create_a.v1 failed");
    assert_eq!(env.get("STEP_1_DETAIL"), Some("no answer within 5 s"));
}

#[test]
fn a_dry_run_is_simulated_everywhere() {
    for told in [true, false] {
        let mut sample = kafka_init();
        sample.started.dry_run = true;
        for (number, name) in (1..).zip(KAFKA_STEPS).filter(|_| told) {
            sample.step("kafka-init", number, name, StepStatus::SimulatedOk, "");
        }
        sample.end("kafka-init", Verdict::Skipped, "dry run").done();
        let env = kafka_file(&sample);
        assert_eq!(env.get("KAFKA_TOPIC_INIT_DRY_RUN"), Some("1"));
        let steps = KAFKA_STEPS.map(|name| format!("{name} simulated_ok")).join(", ");
        assert_eq!(story(&env, "KAFKA_TOPIC_INIT"), format!("true [] {steps}"));
        assert_eq!(outcome(&sample), (Outcome::Simulated, vec![]));
    }
}

#[test]
fn steps_that_contradict_the_kind_of_the_run_count_as_failed() {
    for (dry, status) in [(true, StepStatus::Ok), (false, StepStatus::SimulatedOk)] {
        let mut sample = kafka_init();
        sample.started.dry_run = dry;
        sample.step("kafka-init", 1, "create_a.v1", status, "");
        sample.end("kafka-init", if dry { Verdict::Skipped } else { Verdict::Passed }, "").done();
        assert_eq!(story(&kafka_file(&sample), "KAFKA_TOPIC_INIT"), "false [create_a.v1] create_a.v1 failed");
    }
}

#[test]
fn the_other_inits_have_the_keys_of_the_contract_in_their_order() {
    let mut clickhouse = gate("clickhouse-init", "clickhouse_init");
    clickhouse.with =
        args(json!({"schema_dir": "infra/clickhouse/init", "service": "ch", "database": "quant_hft"}));
    let mut timescale = gate("timescale-init", "timescale_init");
    timescale.uses = vec!["pg".to_owned()];
    timescale.with =
        args(json!({"schema_dir": "infra/ts", "expected_table_count": 7, "database": "quant_hft"}));
    let mut debezium = gate("debezium-init", "debezium_init");
    debezium.uses = vec!["connect".to_owned()];
    debezium.with = args(json!({"connectors": [
        {"key": "trading_core", "file": "core.json", "name": "trading-core-connector"},
        {"key": "ops_audit", "file": "ops.json"},
    ]}));
    let mut sample = Sample::new(vec![clickhouse, timescale, debezium]);
    sample.service("pg", ServiceKind::Postgres, None).service("connect", ServiceKind::Connect, None);
    sample.ready("connect", ServiceKind::Connect, "Connect 4.3.1", None);
    sample.plan_steps("clickhouse-init", &["verify_clickhouse", "apply_010.sql"]);
    sample.plan_steps("timescale-init", &["wait_ready", "apply_schema", "verify_schema"]);
    sample.step("clickhouse-init", 1, "verify_clickhouse", StepStatus::Ok, "");
    sample.step("clickhouse-init", 2, "apply_010.sql", StepStatus::Ok, "").end(
        "clickhouse-init",
        Verdict::Passed,
        "",
    );
    sample.end_with("timescale-init", Verdict::Skipped, "blocked", |ended| {
        ended.facts = args(json!({"schema_file_count": 3}));
    });
    sample.end_with("debezium-init", Verdict::Error, "no answer", |ended| {
        ended.facts = args(json!({"ops_audit_name": "ops-audit-connector"}));
    });
    sample.done();
    let records = sample.records();
    let contract = |name: &str| {
        let env = document(&records, name).unwrap();
        let keys = env.entries().iter().take_while(|entry| !entry.key.starts_with("CUTPROOF_"));
        keys.map(|entry| format!("{}={}\n", entry.key, entry.value)).collect::<String>()
    };
    insta::assert_snapshot!(contract("clickhouse_schema_init_result.env"), @r"
    CLICKHOUSE_SCHEMA_INIT_DRY_RUN=0
    CLICKHOUSE_SCHEMA_INIT_SUCCESS=true
    CLICKHOUSE_SCHEMA_INIT_FAILED_STEP=
    CLICKHOUSE_SCHEMA_INIT_COMPOSE_FILE=
    CLICKHOUSE_SCHEMA_INIT_PROJECT_NAME=
    CLICKHOUSE_SCHEMA_INIT_ENV_FILE=
    CLICKHOUSE_SCHEMA_INIT_SCHEMA_DIR=infra/clickhouse/init
    CLICKHOUSE_SCHEMA_INIT_SERVICE=ch
    CLICKHOUSE_SCHEMA_INIT_DB=quant_hft
    CLICKHOUSE_SCHEMA_INIT_TOTAL_STEPS=2
    STEP_1_NAME=verify_clickhouse
    STEP_1_STATUS=ok
    STEP_1_DURATION_MS=12
    STEP_1_COMMAND=do verify_clickhouse
    STEP_2_NAME=apply_010.sql
    STEP_2_STATUS=ok
    STEP_2_DURATION_MS=12
    STEP_2_COMMAND=do apply_010.sql
    ");
    insta::assert_snapshot!(contract("timescale_schema_init_result.env"), @r"
    TIMESCALE_SCHEMA_INIT_DRY_RUN=0
    TIMESCALE_SCHEMA_INIT_SUCCESS=false
    TIMESCALE_SCHEMA_INIT_FAILED_STEP=wait_ready
    TIMESCALE_SCHEMA_INIT_COMPOSE_FILE=
    TIMESCALE_SCHEMA_INIT_PROJECT_NAME=
    TIMESCALE_SCHEMA_INIT_ENV_FILE=
    TIMESCALE_SCHEMA_INIT_SCHEMA_FILE=
    TIMESCALE_SCHEMA_INIT_SCHEMA_DIR=infra/ts
    TIMESCALE_SCHEMA_INIT_SCHEMA_FILE_COUNT=3
    TIMESCALE_SCHEMA_INIT_EXPECTED_TABLE_COUNT=7
    TIMESCALE_SCHEMA_INIT_SERVICE=pg
    TIMESCALE_SCHEMA_INIT_DB=quant_hft
    TIMESCALE_SCHEMA_INIT_USER=
    TIMESCALE_SCHEMA_INIT_TOTAL_STEPS=1
    STEP_1_NAME=wait_ready
    STEP_1_STATUS=failed
    STEP_1_DURATION_MS=0
    STEP_1_COMMAND=do wait_ready
    ");
    insta::assert_snapshot!(contract("debezium_connector_init_result.env"), @r"
    DEBEZIUM_CONNECTOR_INIT_DRY_RUN=0
    DEBEZIUM_CONNECTOR_INIT_SUCCESS=false
    DEBEZIUM_CONNECTOR_INIT_FAILED_STEP=apply_trading_core
    DEBEZIUM_CONNECTOR_INIT_CONNECT_URL=127.0.0.1:4711
    DEBEZIUM_CONNECTOR_INIT_TRADING_CORE_FILE=core.json
    DEBEZIUM_CONNECTOR_INIT_OPS_AUDIT_FILE=ops.json
    DEBEZIUM_CONNECTOR_INIT_TRADING_CORE_NAME=trading-core-connector
    DEBEZIUM_CONNECTOR_INIT_OPS_AUDIT_NAME=ops-audit-connector
    DEBEZIUM_CONNECTOR_INIT_TOTAL_STEPS=1
    STEP_1_NAME=apply_trading_core
    STEP_1_STATUS=failed
    STEP_1_DURATION_MS=0
    STEP_1_COMMAND=
    ");
}

#[test]
fn what_stands_in_files_is_taken_from_what_the_steps_announce() {
    let mut debezium = gate("debezium-init", "debezium_init");
    debezium.with = args(json!({"connectors": [{"key": "trading_core", "file": "core.json"}]}));
    let mut timescale = gate("timescale-init", "timescale_init");
    timescale.with = args(json!({"schema_dir": "infra/ts"}));
    let mut sample = Sample::new(vec![debezium, timescale]);
    sample.started.dry_run = true;
    sample
        .plan_steps("debezium-init", &["apply_trading_core"])
        .plan_steps("timescale-init", &["apply_schema"]);
    let mut announce = |gate: &str, command: &str| {
        sample.started.steps.get_mut(&id(gate)).unwrap()[0].command = command.to_owned();
    };
    announce("debezium-init", "PUT /connectors/trading-core-connector/config from core.json");
    announce("timescale-init", "apply infra/ts/010.sql, infra/ts/020.sql");
    sample
        .end("debezium-init", Verdict::Skipped, "dry")
        .end("timescale-init", Verdict::Skipped, "dry")
        .done();
    let value =
        |file: &str, key: &str| document(&sample.records(), file).unwrap().get(key).unwrap().to_owned();
    let name = value("debezium_connector_init_result.env", "DEBEZIUM_CONNECTOR_INIT_TRADING_CORE_NAME");
    let count = value("timescale_schema_init_result.env", "TIMESCALE_SCHEMA_INIT_SCHEMA_FILE_COUNT");
    assert_eq!((name.as_str(), count.as_str()), ("trading-core-connector", "2"));
}

#[test]
fn a_second_init_of_a_kind_has_a_file_of_its_own() {
    let mut sample = Sample::new(vec![gate("one", "kafka_init"), gate("two", "kafka_init")]);
    sample.end("one", Verdict::Passed, "").end("two", Verdict::Failed, "no").done();
    let records = sample.records();
    let names: Vec<_> = documents(&RunView::of(&records).unwrap())
        .unwrap()
        .into_iter()
        .map(|document| document.name)
        .collect();
    let expected =
        ["kafka_topic_init_result.env", "kafka_topic_init_result.two.env", "junit.xml", "summary.json"];
    assert_eq!(names, expected);
}

fn bootstrap() -> Sample {
    let probes = [("kafka-init", "kafka_init"), ("ch-init", "clickhouse_init"), ("all-up", "health")];
    let mut sample = Sample::new(probes.map(|(name, probe)| gate(name, probe)).to_vec());
    sample.started.bootstrap = args(json!({
        "profile": "single-host", "action": "up", "compose_file": "infra/docker-compose.single-host.yaml",
        "health_wait_timeout_sec": 120,
    }));
    sample.service("kafka", ServiceKind::Kafka, None).service("redis", ServiceKind::Redis, None);
    sample
}

fn bootstrap_file(sample: &Sample) -> Option<Env<'static>> {
    document(&sample.records(), "single_host_bootstrap_result.env")
}

#[test]
fn a_bootstrap_lists_services_inits_and_health_in_the_order_of_the_contract() {
    let mut sample = bootstrap();
    sample.ready("kafka", ServiceKind::Kafka, "Kafka 4.3.1", None);
    sample.ready("redis", ServiceKind::Redis, "Redis 6.2.14", None);
    for name in ["ch-init", "kafka-init", "all-up"] {
        sample.begin(name).end(name, Verdict::Passed, "");
    }
    sample.done();
    insta::assert_snapshot!(bootstrap_file(&sample).unwrap(), @r"
    PRODLIKE_PROFILE=single-host
    PRODLIKE_ACTION=up
    PRODLIKE_DRY_RUN=0
    PRODLIKE_SUCCESS=true
    PRODLIKE_TOTAL_STEPS=4
    PRODLIKE_FAILED_STEP=
    PRODLIKE_COMPOSE_FILE=infra/docker-compose.single-host.yaml
    PRODLIKE_PROJECT_NAME=
    PRODLIKE_ENV_FILE=
    PRODLIKE_HEALTH_REPORT=
    PRODLIKE_TIMESCALE_SCHEMA_EVIDENCE=
    PRODLIKE_KAFKA_TOPIC_EVIDENCE=
    PRODLIKE_DEBEZIUM_EVIDENCE=
    PRODLIKE_CLICKHOUSE_SCHEMA_EVIDENCE=
    PRODLIKE_HEALTH_WAIT_TIMEOUT_SEC=120
    PRODLIKE_HEALTH_WAIT_POLL_INTERVAL_SEC=
    STEP_1_NAME=compose_up
    STEP_1_STATUS=ok
    STEP_1_DURATION_MS=812
    STEP_1_COMMAND=provision (embedded): kafka, redis
    STEP_2_NAME=kafka_topic_init
    STEP_2_STATUS=ok
    STEP_2_DURATION_MS=80
    STEP_2_COMMAND=gate infra::kafka-init
    STEP_3_NAME=clickhouse_schema_init
    STEP_3_STATUS=ok
    STEP_3_DURATION_MS=80
    STEP_3_COMMAND=gate infra::ch-init
    STEP_4_NAME=health_check
    STEP_4_STATUS=ok
    STEP_4_DURATION_MS=80
    STEP_4_COMMAND=gate infra::all-up
    CUTPROOF_PROJECTION=single_host_bootstrap/1
    CUTPROOF_VERSION=0.1.0
    CUTPROOF_RUN_ID=20261122T194103Z-rehearse-4f7k2q
    CUTPROOF_ENVIRONMENT=single-host-ubuntu
    CUTPROOF_PROVISIONER=embedded
    CUTPROOF_PARTIAL=false
    CUTPROOF_STARTED_UTC=2026-11-22T19:41:03Z
    CUTPROOF_COMPLETED_UTC=2026-11-22T19:41:04Z
    CUTPROOF_JOURNAL_HEAD=a02d817c50f2f0e2863495102a37e26d48643f9831478fe536f3b2698635a84f
    CUTPROOF_REASON=
    STEP_1_DETAIL=2 services answer
    ");
}

#[test]
fn a_bootstrap_names_what_stopped_it() {
    let mut sample = bootstrap();
    let told = |sample: &Sample| story(&bootstrap_file(sample).unwrap(), "PRODLIKE");
    assert_eq!(told(&sample), "false [interrupted] ");
    sample.ready("redis", ServiceKind::Redis, "Redis 6.2.14", None);
    assert_eq!(told(&sample), "false [interrupted] ");
    sample.event(Event::ServiceFailed {
        service: "kafka".to_owned(),
        reason: "port taken".to_owned(),
        took_ms: 3.0,
    });
    assert_eq!(told(&sample), "false [compose_up] compose_up failed");
    assert_eq!(bootstrap_file(&sample).unwrap().get("STEP_1_DETAIL"), Some("kafka: port taken"));

    let mut sample = bootstrap();
    sample.ready("redis", ServiceKind::Redis, "Redis 6.2.14", None);
    sample.ready("kafka", ServiceKind::Kafka, "Kafka 4.3.1", None).begin("kafka-init");
    assert_eq!(told(&sample), "false [kafka_topic_init] compose_up ok, kafka_topic_init failed");
    sample.end("kafka-init", Verdict::Passed, "").end("ch-init", Verdict::Skipped, "blocked");
    let expected =
        "false [clickhouse_schema_init] compose_up ok, kafka_topic_init ok, clickhouse_schema_init failed";
    assert_eq!(told(&sample), expected);
}

#[test]
fn a_selection_without_an_init_makes_no_bootstrap_file() {
    let mut sample = bootstrap();
    sample.started.not_selected.insert(id("ch-init"));
    assert!(bootstrap_file(&sample).is_none());
}

#[test]
fn a_run_passes_only_if_every_required_gate_did() {
    let sample = |verdict: Verdict, required: bool| {
        let mut gates = vec![gate("one", "tcp"), gate("two", "tcp")];
        gates[1].required = required;
        let mut sample = Sample::new(gates);
        sample.end("one", Verdict::Passed, "").end("two", verdict, "why not").done();
        outcome(&sample)
    };
    assert_eq!(sample(Verdict::Passed, true).0, Outcome::Passed);
    for verdict in &Verdict::ALL[1..] {
        let (outcome, reasons) = sample(*verdict, true);
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(reasons, [format!("infra::two {verdict}: why not (gates/single-host.toml:42)")]);
        assert_eq!(sample(*verdict, false).0, Outcome::Passed);
    }
}

#[test]
fn a_gate_that_passed_only_at_another_attempt_counts_where_that_was_asked_for() {
    let mut sample = Sample::new(vec![gate("lag", "kafka_lag"), gate("ping", "redis_ping")]);
    sample.flaky("lag", 3).end("ping", Verdict::Passed, "").done();
    assert_eq!(outcome(&sample), (Outcome::Passed, vec![]));
    sample.started.fail_on_flaky = true;
    let why = "infra::lag passed only at attempt 3; attempt 2 failed after 0.01 s: not yet (gates/single-host.toml:42)";
    assert_eq!(outcome(&sample), (Outcome::Failed, vec![why.to_owned()]));
    sample.started.gates[0].required = false;
    assert_eq!(outcome(&sample), (Outcome::Passed, vec![]));
}

#[test]
fn an_attempt_on_record_makes_a_gate_flaky_whatever_its_end_says() {
    let mut sample = Sample::new(vec![gate("lag", "kafka_lag")]);
    sample.begin("lag").again("lag", 1).end("lag", Verdict::Passed, "").done();
    sample.started.fail_on_flaky = true;
    assert_eq!(outcome(&sample).0, Outcome::Failed);
    // One of which no attempt is on record.
    let mut sample = Sample::new(vec![gate("lag", "kafka_lag")]);
    sample.begin("lag").end_with("lag", Verdict::Passed, "", |ended| ended.attempts = 2).done();
    sample.started.fail_on_flaky = true;
    let why = "infra::lag passed only at attempt 2 (gates/single-host.toml:42)";
    assert_eq!(outcome(&sample), (Outcome::Failed, vec![why.to_owned()]));
}

#[test]
fn nothing_is_no_pass() {
    assert_eq!(outcome(Sample::new(vec![]).done()).0, Outcome::Failed);
    let mut none_selected = Sample::new(vec![gate("one", "tcp")]);
    none_selected.started.not_selected.insert(id("one"));
    assert_eq!(outcome(none_selected.done()).0, Outcome::Failed);
    assert_eq!(outcome(Sample::new(vec![gate("one", "tcp")]).done()).0, Outcome::Failed);
    let mut claimed = Sample::new(vec![gate("one", "tcp")]);
    claimed.end_with("one", Verdict::Passed, "", |ended| ended.attempts = 0).done();
    assert_eq!(outcome(&claimed).0, Outcome::Failed);
}

#[test]
fn an_interrupted_a_partial_and_a_contradicted_run_say_so() {
    let passed = || {
        let mut sample = Sample::new(vec![gate("one", "tcp"), gate("two", "tcp")]);
        sample.end("one", Verdict::Passed, "");
        sample
    };
    let mut interrupted = passed();
    interrupted.event(Event::Interrupted { by: "SIGINT".to_owned() }).end("two", Verdict::Passed, "").done();
    assert_eq!(outcome(&interrupted), (Outcome::Interrupted, vec!["interrupted by SIGINT".to_owned()]));
    let mut partial = passed();
    partial.started.not_selected.insert(id("two"));
    partial.end("two", Verdict::Skipped, "not selected").done();
    assert_eq!(outcome(&partial).0, Outcome::Partial);
    let mut contradicted = passed();
    contradicted.end("two", Verdict::Passed, "");
    contradicted.event(Event::RunEnded {
        verdict: Verdict::Failed,
        counts: Default::default(),
        duration_ms: 1.0,
    });
    assert_eq!(outcome(&contradicted).0, Outcome::Failed);
}

#[test]
fn a_journal_that_contradicts_itself_has_no_view() {
    let refused = |change: &dyn Fn(&mut Sample)| {
        let mut sample = Sample::new(vec![gate("one", "tcp")]);
        change(&mut sample);
        RunView::of(&sample.records()).map(|_| ()).unwrap_err().to_string()
    };
    let errors = [
        refused(&|sample| sample.started.gates.push(gate("one", "tcp"))),
        refused(&|sample| {
            sample.end("one", Verdict::Failed, "").end("one", Verdict::Passed, "");
        }),
        refused(&|sample| {
            sample.end("other", Verdict::Passed, "");
        }),
        refused(&|sample| {
            let again = Event::RunStarted(Box::new(sample.started.clone()));
            sample.event(again);
        }),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    the journal contradicts itself in line 1: the plan has the gate `one` twice
    the journal contradicts itself in line 3: the gate `one` had ended already
    the journal contradicts itself in line 2: the plan has no gate `other`
    the journal contradicts itself in line 2: the run starts a second time
    ");
}

#[test]
fn the_summary_has_what_programs_ask_for() {
    let mut optional = gate("lag", "kafka_lag");
    optional.required = false;
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping"), optional, gate("other", "tcp")]);
    sample.started.not_selected.insert(id("other"));
    sample.started.selection = Some("--skip other".to_owned());
    sample.service("redis", ServiceKind::Redis, Some("redis:7.2-alpine"));
    sample.ready("redis", ServiceKind::Redis, "Redis 6.2.14", Some("version 6.2.14 for 7.2"));
    sample.begin("redis-ping").end_with("redis-ping", Verdict::Passed, "", |ended| {
        ended.observations.push(number("latency_ms", 0.3, "ms"));
    });
    sample.end("lag", Verdict::Failed, "expected lag_ms < 500, seen 900 ms").done();
    let records = sample.records();
    let summary = String::from_utf8(summary(&RunView::of(&records).unwrap()).unwrap()).unwrap();
    insta::assert_snapshot!(summary, @r#"
    {
      "projection": "summary",
      "version": 1,
      "tool": "0.1.0",
      "run": "20261122T194103Z-rehearse-4f7k2q",
      "verb": "rehearse",
      "verdict": "partial",
      "reasons": [],
      "environment": "single-host-ubuntu",
      "provisioner": "embedded",
      "dry_run": false,
      "partial": true,
      "selection": "--skip other",
      "interrupted": null,
      "finished": true,
      "host": "host",
      "started": "2026-11-22T19:41:03.120Z",
      "completed": "2026-11-22T19:41:03.620Z",
      "duration_ms": 6412.0,
      "profile": {
        "path": "gates/single-host.toml",
        "sha256": "abababababababababababababababababababababababababababababababab"
      },
      "journal": {
        "file": "journal.jsonl",
        "entries": 6,
        "head": "a02d817c50f2f0e2863495102a37e26d48643f9831478fe536f3b2698635a84f"
      },
      "counts": {
        "total": 2,
        "passed": 1,
        "skipped": 0,
        "inconclusive": 0,
        "error": 0,
        "failed": 1,
        "not_selected": 1
      },
      "gates": [
        {
          "id": "redis-ping",
          "phase": "infra",
          "probe": "redis_ping",
          "verdict": "passed",
          "reason": "",
          "required": true,
          "selected": true,
          "attempts": 1,
          "duration_ms": 80.0,
          "file": "gates/single-host.toml",
          "line": 42
        },
        {
          "id": "lag",
          "phase": "infra",
          "probe": "kafka_lag",
          "verdict": "failed",
          "reason": "expected lag_ms < 500, seen 900 ms",
          "required": false,
          "selected": true,
          "attempts": 1,
          "duration_ms": 80.0,
          "file": "gates/single-host.toml",
          "line": 42
        },
        {
          "id": "other",
          "phase": "infra",
          "probe": "tcp",
          "verdict": "skipped",
          "reason": "not selected",
          "required": true,
          "selected": false,
          "attempts": 0,
          "duration_ms": 0.0,
          "file": "gates/single-host.toml",
          "line": 42
        }
      ],
      "services": [
        {
          "name": "redis",
          "kind": "redis",
          "state": "ready",
          "address": "127.0.0.1:4711",
          "product": {
            "name": "Redis",
            "version": "6.2.14"
          },
          "stands_for": "redis:7.2-alpine",
          "differs": "version 6.2.14 for 7.2",
          "reason": null,
          "took_ms": 812.5
        }
      ]
    }
    "#);
}

#[test]
fn every_file_of_every_run_is_known_by_its_name() {
    let samples = super::sample_switch::every().into_iter().map(|(_, sample)| sample);
    for sample in samples.chain([kafka_init()]) {
        let records = sample.records();
        for document in documents(&RunView::of(&records).unwrap()).unwrap() {
            assert!(is_document(&document.name), "{}", document.name);
        }
    }
    assert!(is_document("kafka_topic_init_result.second-gate.env"));
    for other in ["journal.jsonl", "manifest.json", "kafka_topic_init_result.txt", "x.env", "junit.xml.tmp"] {
        assert!(!is_document(other), "{other}");
    }
}
