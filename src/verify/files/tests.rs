//! The rules of files that are judged on their own, each against a file in which one thing is not as it must be.

use super::super::finding::{Finding, Severity};
use super::*;
use crate::evidence::sample::{KAFKA_STEPS, Sample, kafka_init};
use crate::evidence::watch::tests as watch_tests;
use crate::evidence::{Outcome, RunView, documents, sample_switch, verdict};
use crate::model::Verdict;
use crate::model::event::StepStatus;
use crate::model::readiness::LEVELS;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;

use Code as C;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn judged(name: &str, text: &str, asked: &Asked) -> Judged {
    let dir = folder(&[(name, text)]);
    judge_as(&dir.path().join(name), asked)
}

fn of(judged: &Judged, severity: Severity) -> Vec<Code> {
    let of_it = judged.findings.iter().filter(|finding| finding.severity == severity);
    sorted(of_it.map(|finding| finding.code))
}

fn sorted(codes: impl IntoIterator<Item = Code>) -> Vec<Code> {
    codes.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[track_caller]
fn expect(name: &str, text: &str, errors: &[Code], warnings: &[Code]) -> Vec<Finding> {
    let judged = judged(name, text, &Asked::default());
    let (errors, warnings) = (sorted(errors.iter().copied()), sorted(warnings.iter().copied()));
    assert_eq!(of(&judged, Severity::Error), errors, "{:#?}\n{text}", judged.findings);
    assert_eq!(of(&judged, Severity::Warning), warnings, "{:#?}\n{text}", judged.findings);
    judged.findings
}

/// The files of a run.
fn files(sample: &Sample) -> Vec<(String, String)> {
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    documents(&view).unwrap().into_iter().map(|document| (document.name, text(document.bytes))).collect()
}

fn the(files: &[(String, String)], name: &str) -> String {
    files.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
}

fn kafka() -> String {
    let mut sample = kafka_init();
    sample.begin("kafka-init");
    for (number, name) in (1..).zip(KAFKA_STEPS) {
        sample.step("kafka-init", number, name, StepStatus::Ok, "");
    }
    the(&files(sample.end("kafka-init", Verdict::Passed, "").done()), "kafka_topic_init_result.env")
}

/// An init's file as an older tool writes it: no key of cutproof.
fn older(prefix: &str, settings: &[(&str, &str)], steps: &[&str]) -> String {
    let mut text = format!("{prefix}_DRY_RUN=0\n{prefix}_SUCCESS=true\n{prefix}_FAILED_STEP=\n");
    for (key, value) in settings {
        text += &format!("{prefix}_{key}={value}\n");
    }
    text += &format!("{prefix}_TOTAL_STEPS={}\n", steps.len());
    for (n, name) in (1..).zip(steps) {
        text += &format!(
            "STEP_{n}_NAME={name}\nSTEP_{n}_STATUS=ok\nSTEP_{n}_DURATION_MS=12\nSTEP_{n}_COMMAND=x\n"
        );
    }
    text
}

const COMPOSE: [(&str, &str); 3] =
    [("COMPOSE_FILE", "infra/x.yaml"), ("PROJECT_NAME", "quant"), ("ENV_FILE", "infra/x.env")];

fn clickhouse(steps: &[&str]) -> String {
    let more = [("SCHEMA_DIR", "infra/clickhouse/init"), ("SERVICE", "clickhouse"), ("DB", "quant_hft")];
    older("CLICKHOUSE_SCHEMA_INIT", &[&COMPOSE[..], &more].concat(), steps)
}

fn timescale(steps: &[&str]) -> String {
    let more = [
        ("SCHEMA_FILE", ""),
        ("SCHEMA_DIR", "infra/timescale/init"),
        ("SCHEMA_FILE_COUNT", "3"),
        ("EXPECTED_TABLE_COUNT", "12"),
        ("SERVICE", "timescale"),
        ("DB", "quant_hft"),
        ("USER", "quant"),
    ];
    older("TIMESCALE_SCHEMA_INIT", &[&COMPOSE[..], &more].concat(), steps)
}

fn debezium(steps: &[&str]) -> String {
    let settings = [
        ("CONNECT_URL", "http://localhost:8083"),
        ("TRADING_CORE_FILE", "a.json"),
        ("OPS_AUDIT_FILE", "b.json"),
        ("TRADING_CORE_NAME", "trading-core-connector"),
        ("OPS_AUDIT_NAME", "ops-audit-connector"),
    ];
    older("DEBEZIUM_CONNECTOR_INIT", &settings, steps)
}

fn bootstrap(action: &str, steps: &[&str]) -> String {
    let keys = [
        "HEALTH_REPORT",
        "TIMESCALE_SCHEMA_EVIDENCE",
        "KAFKA_TOPIC_EVIDENCE",
        "DEBEZIUM_EVIDENCE",
        "CLICKHOUSE_SCHEMA_EVIDENCE",
    ];
    let mut settings = vec![("PROFILE", "single-host"), ("ACTION", action)];
    settings.extend(COMPOSE);
    settings.extend(keys.map(|key| (key, "docs/results/x")));
    settings.extend([("HEALTH_WAIT_TIMEOUT_SEC", "120"), ("HEALTH_WAIT_POLL_INTERVAL_SEC", "3")]);
    older("PRODLIKE", &settings, steps)
}

const TIMESCALE: [&str; 3] = ["wait_ready", "apply_schema", "verify_schema"];
const DEBEZIUM: [&str; 4] =
    ["apply_trading_core", "verify_trading_core", "apply_ops_audit", "verify_ops_audit"];
const CLICKHOUSE: [&str; 3] = ["verify_clickhouse", "apply_010_a.sql", "apply_020_b.sql"];
const BOOTSTRAP: [&str; 6] = [
    "compose_up",
    "timescale_schema_init",
    "kafka_topic_init",
    "debezium_connector_init",
    "clickhouse_schema_init",
    "health_check",
];

#[test]
fn files_of_older_tools_are_accepted_with_a_warning() {
    for text in [
        timescale(&TIMESCALE),
        debezium(&DEBEZIUM),
        clickhouse(&CLICKHOUSE),
        bootstrap("up", &BOOTSTRAP),
        bootstrap("health", &BOOTSTRAP[1..]),
        bootstrap("down", &["compose_down"]),
    ] {
        expect("x.env", &text, &[], &[C::NoRunId]);
    }
    let without_timescale = [&BOOTSTRAP[..1], &BOOTSTRAP[2..]].concat();
    expect("x.env", &bootstrap("up", &without_timescale), &[], &[C::NoRunId, C::StepsLeftOut]);
}

#[test]
fn the_name_of_a_file_does_not_say_what_it_is() {
    let found = judged("ctp_rollback_result.env", &kafka(), &Asked::default());
    assert_eq!((found.kind, found.class()), ("kafka-init", None));
    assert_eq!(found.run.unwrap().as_str(), "20261122T194103Z-rehearse-4f7k2q");
}

#[test]
fn an_init_says_the_same_of_itself_everywhere() {
    let good = kafka();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in\n{good}");
        good.replacen(from, to, 1)
    };
    expect("k.env", &good, &[], &[]);
    for (text, codes) in [
        (change("TOPIC_COUNT=2", "TOPIC_COUNT=3"), &[C::CountAgainstList][..]),
        (change("TOPICS=a.v1,b.v1", "TOPICS=a.v1"), &[C::UnknownStep, C::CountAgainstList]),
        (change("TOPICS=a.v1,b.v1", "TOPICS=a.v1,,b.v1"), &[C::CountAgainstList]),
        (change("TOPICS=a.v1,b.v1", "TOPICS=b.v1,a.v1"), &[C::StepOrder]),
        (change("TOTAL_STEPS=4", "TOTAL_STEPS=5"), &[C::StepCount]),
        (change("TOTAL_STEPS=4", "TOTAL_STEPS=04"), &[C::BadNumber]),
        (change("STEP_4_", "STEP_5_").replace("STEP_4_", "STEP_5_"), &[C::StepGap]),
        (change("STEP_2_STATUS=ok", "STEP_2_STATUS=simulated_ok"), &[C::SimulatedStep]),
        (change("STEP_4_STATUS=ok", "STEP_4_STATUS=failed"), &[C::SuccessWithFailedStep]),
        (change("STEP_2_DURATION_MS=12", "STEP_2_DURATION_MS=nan"), &[C::BadNumber]),
        (change("STEP_2_DURATION_MS=12", "STEP_2_DURATION_MS=60000"), &[C::StepsLongerThanTotal]),
        (change("STEP_2_COMMAND=", "STEP_2_COMAND="), &[C::MissingKey]),
        (change("INIT_SUCCESS=true", "INIT_SUCCESS=yes"), &[C::BadBoolean]),
        (change("INIT_DRY_RUN=0", "INIT_DRY_RUN=1"), &[C::DryRun, C::ExecutedStep]),
        (change("FAILED_STEP=", "FAILED_STEP=create_a.v1"), &[C::SuccessNamesFailedStep]),
        (change("INIT_SUCCESS=true", "INIT_SUCCESS=false"), &[C::NotSuccessful, C::FailureWithoutStep]),
        (change("KAFKA_TOPIC_INIT_SERVICE", "NOTE"), &[C::MissingKey]),
        (format!("{good}KAFKA_TOPIC_INIT_SUCCESS=true\n"), &[C::DuplicateKey]),
        (change("PARTITIONS=6", "PARTITIONS=six"), &[C::BadNumber]),
        (change("topic_init/1", "topic_init/2"), &[C::UnknownProjection]),
        (change("COMPLETED_UTC=2026-11-22", "COMPLETED_UTC=2025-11-22"), &[C::CompletedBeforeStart]),
        (change("COMPLETED_UTC=2026-11-22T19:41:04Z", "COMPLETED_UTC="), &[C::RunUnfinished]),
        (change("COMPLETED_UTC=2026-11-22T", "COMPLETED_UTC=2026-11-22 "), &[C::BadTime]),
    ] {
        expect("k.env", &text, codes, &[]);
    }
    expect("k.env", &change("PARTIAL=false", "PARTIAL=true"), &[], &[C::PartialRun]);
}

#[test]
fn every_step_of_an_init_is_there_and_in_order() {
    for (text, codes) in [
        (timescale(&TIMESCALE[..2]), &[C::StepsLeftOut][..]),
        (timescale(&["wait_ready", "verify_schema", "apply_schema"]), &[C::StepOrder]),
        (debezium(&DEBEZIUM[..2]), &[C::StepsLeftOut]),
        (debezium(&[DEBEZIUM[0], DEBEZIUM[2], DEBEZIUM[1], DEBEZIUM[3]]), &[C::StepOrder]),
        (debezium(&["apply_x", "verify_x"]), &[C::UnknownStep, C::StepsLeftOut]),
        (clickhouse(&CLICKHOUSE[..1]), &[C::StepsLeftOut]),
        (clickhouse(&["apply_010_a.sql", "verify_clickhouse"]), &[C::StepOrder, C::StepsLeftOut]),
        (clickhouse(&["verify_clickhouse", "apply_020_b.sql", "apply_010_a.sql"]), &[C::StepOrder]),
        (clickhouse(&["verify_clickhouse", "apply_a.sql", "apply_a.sql"]), &[C::StepOrder]),
        (clickhouse(&["verify_clickhouse", "coffee"]), &[C::UnknownStep, C::StepsLeftOut]),
        (bootstrap("up", &["health_check", "compose_up"]), &[C::StepOrder]),
        (bootstrap("health", &BOOTSTRAP), &[C::UnknownStep]),
        (bootstrap("up", &[]), &[C::NoSteps]),
    ] {
        let found = judged("x.env", &text, &Asked::default());
        let codes = sorted(codes.iter().copied());
        assert_eq!(of(&found, Severity::Error), codes, "{:#?}\n{text}", found.findings);
    }
}

#[test]
fn a_failed_init_is_refused_for_what_it_says_and_for_nothing_else() {
    let text = timescale(&TIMESCALE[..2])
        .replace("SUCCESS=true", "SUCCESS=false")
        .replace("FAILED_STEP=", "FAILED_STEP=apply_schema")
        .replace("STEP_2_STATUS=ok", "STEP_2_STATUS=failed");
    expect("x.env", &text, &[C::NotSuccessful], &[C::NoRunId]);
    let text = text.replace("FAILED_STEP=apply_schema", "FAILED_STEP=post_switch_watch");
    expect("x.env", &text, &[C::NotSuccessful, C::FailedStepUnknown], &[C::NoRunId]);
}

#[test]
fn one_file_of_a_cutover_is_judged_without_the_other() {
    let pair = crate::verify::tests::success();
    expect("c.env", &pair.cutover, &[], &[]);
    expect("r.env", &pair.rollback, &[], &[]);
    let failed = pair.cutover.replace("CUTOVER_SUCCESS=true", "CUTOVER_SUCCESS=false");
    expect("c.env", &failed, &[C::CutoverFailed, C::FailureWithoutStep], &[]);
}

/// Readiness as cutproof writes it, with the values of the contract's targets.
fn readiness() -> Value {
    let sli = |level: &crate::model::readiness::Level| {
        json!({
            "name": level.name, "slo_name": level.name, "environment": "desk", "service": "core_engine",
            "value": level.target, "target": level.target, "unit": level.unit.as_str(), "healthy": true,
            "detail": "by a gate", "origin": "measured", "samples": 3, "gate": "g", "measured": null,
        })
    };
    json!({
        "generated_ts_ns": 1_795_394_509_575_000_000u64, "scope": "precheck", "overall_healthy": true,
        "metadata": {"evidence_type": "ctp_readiness", "environment": "desk", "service": "core_engine"},
        "slis": LEVELS.iter().map(sli).collect::<Vec<_>>(), "projection": "ctp_readiness", "version": 1,
        "run": "20261122T194103Z-readiness-4f7k2q", "verdict": "passed", "measuring": true,
        "require_measured": false, "dry_run": false, "partial": false,
    })
}

/// The same as an older tool writes it.
fn older_readiness() -> Value {
    let mut file = readiness();
    let map = file.as_object_mut().unwrap();
    map.retain(|key, _| {
        ["generated_ts_ns", "scope", "overall_healthy", "metadata", "slis"].contains(&key.as_str())
    });
    for sli in map["slis"].as_array_mut().unwrap() {
        let added = ["origin", "samples", "gate", "measured"];
        sli.as_object_mut().unwrap().retain(|key, _| !added.contains(&key.as_str()));
    }
    file
}

fn set(mut file: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => {
            other.as_object_mut().unwrap().insert(key.to_owned(), value);
        }
    }
    file
}

#[track_caller]
fn expect_readiness(file: &Value, errors: &[Code], warnings: &[Code]) {
    expect("ctp_readiness_precheck.json", &serde_json::to_string_pretty(file).unwrap(), errors, warnings);
}

#[test]
fn good_readiness_is_accepted_and_an_older_tools_with_warnings() {
    expect_readiness(&readiness(), &[], &[]);
    expect_readiness(&older_readiness(), &[], &[C::NoRunId, C::NoOrigin]);
    expect_readiness(&set(older_readiness(), "/slis/0/value", json!(true)), &[], &[C::NoRunId, C::NoOrigin]);
}

#[test]
fn a_level_is_healthy_where_its_value_meets_its_target() {
    for (sli, value, codes) in [
        (1, json!(1500.0001), &[C::HealthAgainstValue][..]),
        (1, json!(0), &[]),
        (7, json!(11), &[C::HealthAgainstValue]),
        (8, json!(0.98), &[C::HealthAgainstValue]),
        (8, json!(1.5), &[C::LevelOutOfRange]),
        (8, json!(1), &[]),
        (0, json!(0), &[C::HealthAgainstValue]),
        (0, json!(0.5), &[C::LevelOutOfRange]),
        (0, json!(false), &[C::HealthAgainstValue]),
        (1, json!(-1), &[C::LevelOutOfRange]),
        (1, json!("1"), &[C::BadNumber]),
        (1, json!(true), &[C::BadNumber]),
        (1, Value::Null, &[C::HealthAgainstValue]),
    ] {
        expect_readiness(&set(readiness(), &format!("/slis/{sli}/value"), value), codes, &[]);
    }
    let unhealthy = set(readiness(), "/slis/1/healthy", json!(false));
    expect_readiness(&unhealthy, &[C::HealthAgainstValue, C::OverallAgainstLevels], &[]);
    let late = set(set(unhealthy, "/slis/1/value", json!(9000)), "/overall_healthy", json!(false));
    expect_readiness(&late, &[C::Unhealthy], &[]);
}

#[test]
fn the_whole_is_healthy_where_every_level_is() {
    let file = set(readiness(), "/overall_healthy", json!(false));
    expect_readiness(&file, &[C::OverallAgainstLevels], &[]);
    expect_readiness(&set(file, "/verdict", json!("interrupted")), &[C::Unhealthy], &[]);
    let file = set(readiness(), "/verdict", json!("failed"));
    expect_readiness(&file, &[C::OverallAgainstLevels], &[]);
    expect_readiness(&set(readiness(), "/overall_healthy", json!("true")), &[C::BadBoolean], &[]);
    let none = set(readiness(), "/slis", json!([]));
    expect_readiness(&none, &[C::LevelMissing, C::OverallAgainstLevels], &[]);
}

#[test]
fn each_of_the_ten_levels_is_there_once_in_its_unit() {
    let name = |name: &str| set(readiness(), "/slis/3/name", json!(name));
    expect_readiness(&name("quant_hft_coffee"), &[C::LevelMissing, C::LevelUnknown], &[]);
    let twice = set(name(LEVELS[4].name), "/slis/3/slo_name", json!(LEVELS[4].name));
    expect_readiness(&twice, &[C::LevelMissing, C::LevelTwice], &[]);
    expect_readiness(&set(readiness(), "/slis/1/unit", json!("s")), &[C::LevelUnit], &[]);
    expect_readiness(&set(readiness(), "/slis/1/slo_name", json!("x")), &[C::BadValue], &[]);
    expect_readiness(&set(readiness(), "/slis/1/environment", json!("prod")), &[C::BadValue], &[]);
    expect_readiness(&set(readiness(), "/slis/0/target", json!(0)), &[C::LevelOutOfRange], &[]);
    expect_readiness(&set(readiness(), "/slis/1/target", json!(9000)), &[], &[C::LooserTarget]);
    let target = set(readiness(), "/slis/8/target", json!(0));
    expect_readiness(&target, &[], &[C::LooserTarget]);
}

#[test]
fn a_value_that_nobody_measured_is_not_healthy_where_a_profile_measures() {
    let origin = |word: &str| set(readiness(), "/slis/7/origin", json!(word));
    expect_readiness(&origin("defaulted"), &[C::NotMeasured], &[]);
    expect_readiness(&origin("declared"), &[], &[]);
    expect_readiness(&origin("guessed"), &[C::BadValue], &[]);
    expect_readiness(&set(origin("defaulted"), "/measuring", json!(false)), &[], &[]);
    expect_readiness(&set(origin("declared"), "/require_measured", json!(true)), &[C::NotMeasured], &[]);
    let mut file = readiness();
    file["slis"][7].as_object_mut().unwrap().remove("origin");
    expect_readiness(&file, &[C::MissingKey], &[]);
}

#[test]
fn readiness_says_when_and_what_it_is_of() {
    let of = |pointer: &str, value: Value| set(readiness(), pointer, value);
    expect_readiness(&of("/generated_ts_ns", json!(1_795_394_509)), &[C::BadTime], &[]);
    expect_readiness(&of("/generated_ts_ns", json!(1.5e18)), &[C::BadNumber], &[]);
    expect_readiness(&of("/metadata/evidence_type", json!("x")), &[C::BadValue], &[]);
    expect_readiness(&of("/metadata/service", json!("")), &[C::EmptyValue], &[]);
    expect_readiness(&of("/scope", json!(7)), &[C::BadValue], &[]);
    expect_readiness(&of("/version", json!(2)), &[C::UnknownProjection], &[]);
    expect_readiness(&of("/dry_run", json!(true)), &[C::DryRun], &[]);
    expect_readiness(&of("/partial", json!(true)), &[], &[C::PartialRun]);
}

#[test]
fn a_key_that_is_there_again_in_json_is_refused_with_both_lines() {
    let text = serde_json::to_string_pretty(&readiness()).unwrap();
    let again = text.replacen("\"healthy\": true,", "\"healthy\": false,\n      \"healthy\": true,", 1);
    let found = expect("ctp_readiness.json", &again, &[C::DuplicateKey], &[]);
    assert!(found[0].line.is_some() && found[0].seen.contains("first in line"), "{found:?}");
    let cut = &text[..text.len() / 2];
    expect("ctp_readiness.json", cut, &[C::Malformed], &[]);
}

#[test]
fn what_is_older_than_asked_for_is_told() {
    let asked = Asked { since: Some(Stamp::from_millis(1_895_394_509_575)), ..Asked::default() };
    let told = |name: &str, text: &str| of(&judged(name, text, &asked), Severity::Warning);
    assert_eq!(told("r.json", &readiness().to_string()), [C::OlderThanSince]);
    assert_eq!(told("k.env", &kafka()), [C::OlderThanSince]);
    assert_eq!(told("j.xml", JUNIT), [C::NoRunId, C::OlderThanSince]);
}

const JUNIT: &str = r#"<?xml version="1.0" encoding="utf-8"?><testsuites>
<testsuite id="0" name="desk infra" package="cutproof" tests="3" errors="0" failures="0" hostname="vm" timestamp="2026-11-23T00:41:14Z" time="1.5">
<testcase name="a" time="0.5" classname="cutproof.desk.infra" file="gates/desk.toml"/>
<testcase name="b" time="1" classname="cutproof.desk.infra" file="gates/desk.toml"><system-out><![CDATA[x < y]]></system-out></testcase>
<testcase name="c" time="0" classname="cutproof.desk.infra"><skipped type="GateSkipped" message="why"><![CDATA[why]]></skipped></testcase>
</testsuite></testsuites>
"#;

#[track_caller]
fn expect_junit(from: &str, to: &str, errors: &[Code], more: &[Code]) -> Vec<Finding> {
    assert!(JUNIT.contains(from), "{from}");
    let warnings = [&[C::NoRunId], more].concat();
    expect("junit.xml", &JUNIT.replacen(from, to, 1), errors, &warnings)
}

#[test]
fn a_report_counts_its_cases() {
    expect_junit("", "", &[], &[]);
    expect_junit("tests=\"3\"", "tests=\"4\"", &[C::CountAgainstCases], &[]);
    expect_junit("failures=\"0\"", "failures=\"1\"", &[C::CountAgainstCases], &[]);
    expect_junit("failures=\"0\"", "failures=\"-1\"", &[C::BadNumber], &[]);
    expect_junit("<testsuites>", "<testsuites tests=\"2\">", &[C::CountAgainstCases], &[]);
    expect_junit("<testsuites>", "<testsuites tests=\"3\" skipped=\"1\">", &[], &[]);
    expect_junit("name=\"b\"", "name=\"a\"", &[C::CaseTwice], &[]);
    expect_junit("time=\"0.5\"", "time=\"NaN\"", &[C::BadNumber], &[]);
    expect_junit("timestamp=\"2026", "timestamp=\"x\" y=\"2026", &[C::BadTime], &[]);
    expect_junit("desk infra", "desk infra (dry run)", &[C::DryRun], &[]);
    expect_junit(
        "classname=\"cutproof.desk.infra\" file",
        "classname=\"a::b\" file",
        &[],
        &[C::JunitDialect],
    );
}

#[test]
fn a_case_that_is_red_is_refused_unless_its_gate_is_not_required() {
    let red = |result: &str| {
        let case = format!("file=\"gates/desk.toml\">{result}</testcase>\n<testcase name=\"b\"");
        let text = JUNIT.replacen("file=\"gates/desk.toml\"/>\n<testcase name=\"b\"", &case, 1);
        text.replace("failures=\"0\"", "failures=\"1\"")
    };
    let failure =
        |message: &str| format!("<failure type=\"GateFailed\" message=\"{message}\">{message}</failure>");
    expect("j.xml", &red(&failure("lag")), &[C::CaseNotPassed], &[C::NoRunId]);
    expect("j.xml", &red(&failure("not required: lag")), &[], &[C::NoRunId, C::CaseNotPassed]);
    let strange = red(&failure("not required: lag")).replace("package=\"cutproof\"", "");
    expect("j.xml", &strange, &[C::CaseNotPassed], &[C::NoRunId]);
    let both = format!("{}<skipped/>", failure("not required: lag"));
    expect("j.xml", &red(&both), &[C::CaseNotPassed, C::CaseContradicts], &[C::NoRunId]);
}

#[test]
fn a_case_that_passed_at_another_attempt_is_refused_where_that_is_asked_for() {
    let flaky = "<flakyFailure type=\"GateFailed\" message=\"m\">m</flakyFailure>";
    let text = JUNIT.replacen("<system-out>", &format!("{flaky}<system-out>"), 1);
    assert_ne!(text, JUNIT);
    expect("j.xml", &text, &[], &[C::NoRunId]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    std::fs::write(&path, text).unwrap();
    let asked = Asked { fail_on_flaky: true, ..Asked::default() };
    let judged = judge_as(&path, &asked);
    assert!(judged.findings.iter().any(|finding| finding.code == C::GateFlaky), "{:#?}", judged.findings);
}

#[test]
fn a_report_in_which_nothing_was_run_is_refused() {
    expect("j.xml", "<testsuites></testsuites>", &[C::NoCases], &[C::NoRunId]);
    expect("j.xml", "<testsuite name=\"a\" tests=\"0\"/>", &[C::NoCases], &[C::NoRunId]);
    let skipped =
        r#"<testsuite name="a"><testcase name="c" classname="d"><skipped>x</skipped></testcase></testsuite>"#;
    expect("j.xml", skipped, &[C::NoCases], &[C::NoRunId]);
}

#[test]
fn what_is_no_well_formed_report_is_told_with_its_line() {
    for (from, to) in [
        ("</testsuite>", ""),
        ("</testsuites>", "</testsuites><testsuites/>"),
        ("</testsuites>", "</testsuites>x"),
        ("name=\"a\"", "name=\"a\" name=\"a\""),
        ("name=\"a\"", "name=\"&unknown;\""),
        ("name=\"a\"", "name=\"a<b\""),
        ("<![CDATA[x < y]]>", "&unknown;"),
        ("<![CDATA[x < y]]>", "\u{1}"),
        ("<![CDATA[x < y]]>", "&#1;"),
        ("<testsuites>", "<!DOCTYPE x [<!ENTITY a \"b\">]><testsuites>"),
        ("<testsuites>", "<other><testsuites>"),
        ("name=\"b\"", "name=b"),
    ] {
        let found = expect_junit(from, to, &[C::Malformed], &[]);
        assert!(found[0].line.is_some(), "{found:?}");
    }
    let nested = JUNIT.replacen("</testsuite>", "<testsuite name=\"x\"/></testsuite>", 1);
    expect("j.xml", &nested, &[C::Malformed], &[C::NoRunId]);
}

/// The two files of a watch.
fn watch() -> (String, String) {
    let files = files(&watch_tests::run([3.0, 4.0, 5.0], |_| ()));
    (the(&files, "watch.csv"), the(&files, "watch.json"))
}

#[track_caller]
fn expect_watch(csv: &str, json: &str, errors: &[Code]) {
    let dir = folder(&[("watch.csv", csv), ("watch.json", json)]);
    for name in ["watch.csv", "watch.json"] {
        let judged = judge(&dir.path().join(name), None);
        let errors = sorted(errors.iter().copied());
        assert_eq!(of(&judged, Severity::Error), errors, "{:#?}\n{csv}\n{json}", judged.findings);
        assert_eq!(judged.kind, "watch");
    }
}

#[test]
fn a_watch_is_judged_again_by_its_samples() {
    let (csv, json) = watch();
    expect_watch(&csv, &json, &[]);
    let change = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text.replacen(from, to, 1)
    };
    let rows: Vec<_> = csv.split_inclusive('\n').collect();
    expect_watch(&rows[..rows.len() - 1].concat(), &json, &[C::SeriesCount]);
    expect_watch(&csv, &change(&json, "\"version\": 1", "\"version\": 2"), &[C::UnknownProjection]);
    expect_watch(&csv, &change(&json, "\"compressed\": ", "\"compressed\": 7"), &[C::CompressionAgainstPlan]);
    expect_watch(&csv, &change(&json, "\"successful\": ", "\"successful\": 1"), &[C::VerdictAgainstSeries]);
    let failed = change(&json, "\"verdict\": \"passed\"", "\"verdict\": \"failed\"");
    expect_watch(&csv, &failed, &[C::VerdictAgainstSeries, C::WatchNotPassed]);
    expect_watch(
        &csv,
        &change(&json, "\"run\":", "\"run\": \"x\", \"run\":"),
        &[C::DuplicateKey, C::Malformed],
    );
    expect_watch(&change(&csv, "elapsed_ms", "elapsed"), &json, &[C::Malformed]);
    expect_watch(&csv, &json[..json.len() - 3], &[C::Malformed]);
}

#[test]
fn a_watch_without_its_other_file_is_refused() {
    let (csv, json) = watch();
    expect("watch.csv", &csv, &[C::EvidenceNotFound], &[]);
    expect("watch.json", &json, &[C::EvidenceNotFound], &[]);
}

#[test]
fn every_file_of_every_sample_that_passed_is_accepted() {
    let kafka = {
        let mut sample = kafka_init();
        sample.begin("kafka-init");
        for (number, name) in (1..).zip(KAFKA_STEPS) {
            sample.step("kafka-init", number, name, StepStatus::Ok, "");
        }
        sample.end("kafka-init", Verdict::Passed, "").done();
        ("kafka", sample)
    };
    let watch = ("watch", watch_tests::run([3.0, 4.0, 5.0], |_| ()));
    let mut passed = 0;
    for (name, sample) in sample_switch::every().into_iter().chain([kafka, watch]) {
        let records = sample.records();
        let view = RunView::of(&records).unwrap();
        let worth = verdict(&view).verdict;
        let worth_of_watch = view.watch.as_ref().is_some_and(|watch| watch.judged.is_ok());
        let files = files(&sample);
        let dir = folder(&files.iter().map(|(name, text)| (&**name, &**text)).collect::<Vec<_>>());
        // The samples' watches have plans by which nobody can judge.
        let is_judged = |file: &str| file != "summary.json" && (worth_of_watch || !file.starts_with("watch"));
        for (file, _) in files.iter().filter(|(file, _)| is_judged(file)) {
            let asked = Asked { allow_dry_run: true, ..Asked::default() };
            let judged = judge_as(&dir.path().join(file), &asked);
            if matches!(worth, Outcome::Passed | Outcome::Simulated) {
                assert_eq!(of(&judged, Severity::Error), [], "{name} {file}: {:#?}", judged.findings);
                passed += 1;
            }
            // Whatever came of a run, no file of it contradicts itself.
            let says_so = [
                C::CutoverFailed,
                C::RollbackFailed,
                C::RollbackOverLimit,
                C::RunInterrupted,
                C::RunUnfinished,
                C::WatchNotPassed,
                C::CaseNotPassed,
                C::NotSuccessful,
            ];
            let refused = of(&judged, Severity::Error);
            assert!(
                refused.iter().all(|code| says_so.contains(code)),
                "{name} {file}: {:#?}",
                judged.findings
            );
        }
    }
    assert!(passed > 8, "{passed}");
}

#[test]
fn a_folder_is_all_of_its_files_and_the_outputs_that_are_missing() {
    let pair = crate::verify::tests::success();
    let (csv, json) = watch();
    let dir = folder(&[
        ("kafka_topic_init_result.env", &kafka()),
        ("ctp_cutover_result.env", &pair.cutover),
        ("ctp_rollback_result.env", &pair.rollback),
        ("ctp_readiness_precheck.json", &readiness().to_string()),
        ("watch.csv", &csv),
        ("watch.json", &json),
        ("checklist.json", "{\"cutover_env\": \"x\"}"),
        ("checklist.md", "# CUTOVER"),
        ("notes.env", "A=1\n"),
    ]);
    let all = judge_folder(dir.path(), None);
    let kinds: Vec<_> = all.iter().map(|judged| judged.kind).collect();
    assert_eq!(kinds, ["readiness", "kafka-init", "watch", "cutover and rollback", "folder"]);
    assert!(all.iter().all(|judged| judged.class().is_none()), "{all:#?}");
    let missing =
        |judged: &Judged| judged.findings.iter().map(|finding| finding.evidence).collect::<Vec<_>>();
    let outputs = [Evidence::Bootstrap, Evidence::ClickhouseInit, Evidence::DebeziumInit];
    assert!(outputs.iter().all(|output| missing(&all[4]).contains(output)), "{:#?}", all[4]);
    let whole = judge_as(dir.path(), &Asked { whole: true, ..Asked::default() });
    assert_eq!(whole.class(), Some(crate::verify::Class::Missing));
    assert_eq!(judge(dir.path(), None).class(), None);
    fs::remove_file(dir.path().join("ctp_rollback_result.env")).unwrap();
    fs::write(dir.path().join("kafka_topic_init_result.env"), "nothing\n").unwrap();
    let judged = judge(dir.path(), None);
    assert!(of(&judged, Severity::Error).contains(&C::UnknownEvidence), "{judged:#?}");
}

#[test]
fn a_folder_without_evidence_is_refused() {
    let dir = folder(&[("notes.txt", "x")]);
    assert_eq!(judge(dir.path(), None).class(), Some(crate::verify::Class::Missing));
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let dir = folder(&[("good.env", &kafka())]);
    let at = |name: &str| dir.path().join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("kafka_topic_init_result.env"), rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("loop.env", at("loop.env")).unwrap();
    std::os::unix::fs::symlink(at("good.env"), at("single_host_bootstrap_result.env")).unwrap();
    fs::File::create(at("huge.env")).unwrap().set_len(10 << 30).unwrap();
    fs::write(at("latin.env"), b"KAFKA_TOPIC_INIT_X=\xff\n").unwrap();
    for (name, code) in [
        ("kafka_topic_init_result.env", C::EvidenceUnreadable),
        ("loop.env", C::EvidenceUnreadable),
        ("huge.env", C::EvidenceUnreadable),
        ("latin.env", C::EvidenceUnreadable),
        ("gone.env", C::EvidenceNotFound),
    ] {
        assert_eq!(of(&judge(&at(name), None), Severity::Error), [code], "{name}");
    }
    assert_eq!(judge(Path::new("/dev/zero"), None).findings[0].code, C::EvidenceUnreadable);
    // A link is followed where a person names it, and not where it is only found.
    assert_eq!(judge(&at("single_host_bootstrap_result.env"), None).class(), None);
    let found = judge_folder(dir.path(), None);
    let link = found.iter().find(|judged| judged.path.contains("bootstrap")).unwrap();
    assert!(link.findings[0].seen.contains("a symbolic link"), "{link:#?}");
}

#[test]
fn a_file_of_a_great_many_topics_is_judged_in_no_time() {
    let topics: Vec<_> = (0..12_000).map(|n| format!("t{n}")).collect();
    let settings = [("TOPICS", topics.join(",")), ("TOPIC_COUNT", topics.len().to_string())];
    let mut text = settings.map(|(key, value)| format!("KAFKA_TOPIC_INIT_{key}={value}\n")).concat();
    for n in 0..20_000 {
        text += &format!("STEP_{}_NAME=create_t{n}\n", 20_000 - n);
    }
    assert!(judged("k.env", &text, &Asked::default()).class().is_some());
}

proptest! {
    #[test]
    fn any_text_is_judged(text in any::<String>(), xml in "(<|</|>|testsuite|s|testcase|failure| name=|\"|&|;|a|]]>|<!\\[CDATA\\[|/){0,60}") {
        for name in ["x.env", "x.json", "x.xml", "watch.csv"] {
            let all = ["", "{\"slis\": [", "<testsuites>", "tick,at_utc,", "KAFKA_TOPIC_INIT_A=1\n"];
            for start in all {
                let _ = judged(name, &format!("{start}{text}"), &Asked::default());
            }
        }
        let _ = judged("x.xml", &xml, &Asked::default());
    }

    #[test]
    fn readiness_with_any_value_in_any_place_is_judged(
        at in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![json!(null), json!("x"), json!(-1), json!(1e308), json!([]), json!({}), json!(true)]),
    ) {
        let mut pointers = vec!["/slis".to_owned(), "/metadata".to_owned()];
        for key in ["generated_ts_ns", "scope", "overall_healthy", "verdict", "measuring", "run", "projection"] {
            pointers.push(format!("/{key}"));
        }
        for sli in 0..10 {
            pointers.push(format!("/slis/{sli}"));
            for key in ["name", "value", "target", "unit", "healthy", "detail", "origin", "environment"] {
                pointers.push(format!("/slis/{sli}/{key}"));
            }
        }
        let file = set(readiness(), at.get::<String>(&pointers), value);
        let found = judged("r.json", &file.to_string(), &Asked::default());
        prop_assert!(found.findings.iter().all(|finding| !finding.expected.is_empty()));
    }

    #[test]
    fn good_evidence_that_is_cut_off_is_never_accepted_in_silence(at in any::<prop::sample::Index>()) {
        for (name, text) in [("k.env", kafka()), ("r.json", readiness().to_string()), ("j.xml", JUNIT.trim_end().to_owned())] {
            // What stands behind the steps may be left out by whoever wrote the file.
            let whole = text.find("CUTPROOF_").unwrap_or(text.len() - 1);
            let cut = &text[..at.index(whole)];
            let found = judged(name, cut, &Asked::default());
            prop_assert!(!found.findings.is_empty(), "{cut}");
        }
    }
}
