//! The report of cutovers as its readers find it.

use super::super::junit_fit::{LIMITS, Limits};
use super::super::sample::Sample;
use super::super::sample_switch::*;
use super::super::{Outcome, RunView, junit, verdict};
use crate::model::switch::Stage;
use crate::model::{Event, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use std::collections::BTreeSet;

fn written(sample: &Sample) -> String {
    let records = sample.records();
    String::from_utf8(junit(&RunView::of(&records).unwrap())).unwrap()
}

fn read(sample: &Sample) -> Report {
    Report::deserialize_from_str(&written(sample)).unwrap()
}

/// Every suite with its cases: a name alone passed.
fn cases(sample: &Sample) -> String {
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    for suite in &read(sample).test_suites {
        lines.push(suite.name.as_str().to_owned());
        for case in &suite.test_cases {
            let class = case.classname.as_ref().unwrap().as_str().to_owned();
            assert!(
                seen.insert((suite.name.as_str().to_owned(), class, case.name.as_str().to_owned())),
                "{}",
                case.name.as_str()
            );
            let told = match &case.status {
                TestCaseStatus::Success { .. } => String::new(),
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, .. } => {
                    format!(": FAILURE {}", message.as_ref().unwrap().as_str())
                }
                TestCaseStatus::NonSuccess { message, .. } => {
                    format!(": ERROR {}", message.as_ref().unwrap().as_str())
                }
                TestCaseStatus::Skipped { message, .. } => {
                    format!(": skipped {}", message.as_ref().unwrap().as_str())
                }
            };
            lines.push(format!("  {}{told}", case.name.as_str()));
        }
    }
    lines.join("\n")
}

fn red(sample: &Sample) -> usize {
    read(sample).test_suites.iter().map(|suite| suite.failures + suite.errors).sum()
}

#[test]
fn a_cutover_has_a_suite_for_each_stage() {
    insta::assert_snapshot!(cases(&good()), @r"
    single-host-ubuntu preflight
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu cutover
      stop_old_core_engine
      stop_old_strategy_runner
      precheck
      bootstrap_infra
      init_kafka_topic
      init_clickhouse_schema
      init_debezium_connector
      start_new_core_engine
      start_new_strategy_runner
      warmup_query
    single-host-ubuntu switch_gate
      login
      settlement
      instruments
    single-host-ubuntu readiness
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu watch
      order_latency_p99_ms
      kafka_lag_ms
      trigger
    single-host-ubuntu rollback
      rollback: skipped not needed
    single-host-ubuntu rollback_readiness
      rollback_readiness: skipped there was no rollback
    ");
}

#[test]
fn a_failed_step_a_trigger_and_a_late_rollback_are_red_where_they_happened() {
    insta::assert_snapshot!(cases(&failed_step()), @r"
    single-host-ubuntu preflight
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu cutover
      stop_old_core_engine
      stop_old_strategy_runner
      precheck
      bootstrap_infra: FAILURE exit code 3: expected exit code 0
      init_kafka_topic: skipped not run: bootstrap_infra before it did not go well
      init_clickhouse_schema: skipped not run: bootstrap_infra before it did not go well
      init_debezium_connector: skipped not run: bootstrap_infra before it did not go well
      start_new_core_engine: skipped not run: bootstrap_infra before it did not go well
      start_new_strategy_runner: skipped not run: bootstrap_infra before it did not go well
      warmup_query: skipped not run: bootstrap_infra before it did not go well
    single-host-ubuntu switch_gate
      switch_gate: skipped the cutover failed
    single-host-ubuntu readiness
      readiness: skipped the cutover failed
    single-host-ubuntu watch
      watch: skipped the cutover failed
    single-host-ubuntu rollback
      stop_new_core_engine
      stop_new_strategy_runner
      restore_previous_binaries
      restore_redis_bridge_compat
      start_previous_core_engine
      start_previous_strategy_runner
      post_rollback_validate
      rollback_duration
    single-host-ubuntu rollback_readiness
      infra::kafka-topics
      readiness::redis
    ");
    insta::assert_snapshot!(cases(&triggered(180_001)), @r"
    single-host-ubuntu preflight
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu cutover
      stop_old_core_engine
      stop_old_strategy_runner
      precheck
      bootstrap_infra
      init_kafka_topic
      init_clickhouse_schema
      init_debezium_connector
      start_new_core_engine
      start_new_strategy_runner
      warmup_query
    single-host-ubuntu switch_gate
      login
      settlement
      instruments
    single-host-ubuntu readiness
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu watch
      order_latency_p99_ms: FAILURE 3 samples failed (at most 2 may), 0 inconclusive (at most 1), 0 errors, 7 as expected; the last was 7.2 ms
      kafka_lag_ms
      trigger: FAILURE order_latency_p99_ms = 7.2 ms at 2026-11-22T19:41:07.100Z: order_latency_p99_ms > 5 ms
    single-host-ubuntu rollback
      stop_new_core_engine
      stop_new_strategy_runner
      restore_previous_binaries
      restore_redis_bridge_compat
      start_previous_core_engine
      start_previous_strategy_runner
      post_rollback_validate
      rollback_duration: FAILURE the rollback took 181.601 s, expected at most 180.000 s
    single-host-ubuntu rollback_readiness
      infra::kafka-topics
      readiness::redis
    ");
}

#[test]
fn stages_that_were_not_run_are_skipped_with_their_reason() {
    insta::assert_snapshot!(cases(&without_profile()), @r"
    single-host-ubuntu preflight
      preflight: skipped no profile says how to measure
    single-host-ubuntu cutover
      stop_old_core_engine
      stop_old_strategy_runner
      precheck
      bootstrap_infra
      init_kafka_topic
      init_clickhouse_schema
      init_debezium_connector
      start_new_core_engine
      start_new_strategy_runner
      warmup_query
    single-host-ubuntu switch_gate
      switch_gate: skipped no profile says how to measure
    single-host-ubuntu readiness
      readiness: skipped no profile says how to measure
    single-host-ubuntu watch
      watch: skipped no profile says how to measure
    single-host-ubuntu rollback
      rollback: skipped not needed
    single-host-ubuntu rollback_readiness
      rollback_readiness: skipped there was no rollback
    ");
    insta::assert_snapshot!(cases(&preflight_red()), @r"
    single-host-ubuntu preflight
      infra::kafka-topics
      readiness::redis: FAILURE expected role == master, seen replica
    single-host-ubuntu cutover
      cutover: skipped preflight is red: nothing was touched
    single-host-ubuntu switch_gate
      switch_gate: skipped preflight is red: nothing was touched
    single-host-ubuntu readiness
      readiness: skipped preflight is red: nothing was touched
    single-host-ubuntu watch
      watch: skipped preflight is red: nothing was touched
    single-host-ubuntu rollback
      rollback: skipped preflight is red: nothing was touched
    single-host-ubuntu rollback_readiness
      rollback_readiness: skipped preflight is red: nothing was touched
    ");
    insta::assert_snapshot!(cases(&rollback_alone()), @r"
    single-host-ubuntu preflight
      infra::kafka-topics
      readiness::redis
    single-host-ubuntu rollback
      stop_new_core_engine
      stop_new_strategy_runner
      restore_previous_binaries
      restore_redis_bridge_compat
      start_previous_core_engine
      start_previous_strategy_runner
      post_rollback_validate
      rollback_duration
    single-host-ubuntu rollback_readiness
      infra::kafka-topics
      readiness::redis
    ");
}

#[test]
fn a_failed_step_has_its_command_its_place_and_its_output() {
    let report = read(&failed_step());
    let suite = report.test_suites.iter().find(|suite| suite.name.as_str().ends_with(" cutover")).unwrap();
    let case = suite.test_cases.iter().find(|case| case.name.as_str() == "bootstrap_infra").unwrap();
    assert_eq!(case.extra.get("file").unwrap().as_str(), "configs/ops/ctp_cutover.template.env");
    assert_eq!(case.system_out.as_ref().unwrap().as_str(), "starting\n… (cut) …\ncannot bind\nexiting");
    let TestCaseStatus::NonSuccess { description, .. } = &case.status else { panic!("it passed") };
    insta::assert_snapshot!(description.as_ref().unwrap().as_str(), @r"
    exit code 3: expected exit code 0
    command: run bootstrap_infra_cmd
    log: steps/cutover-04-bootstrap_infra.log

    step bootstrap_infra at configs/ops/ctp_cutover.template.env:7
        at configs.ops(ctp_cutover.template.env:7)
    ");
}

#[test]
fn the_report_is_red_just_where_the_run_is_not_good() {
    for (name, sample) in every() {
        let records = sample.records();
        let view = RunView::of(&records).unwrap();
        let fine = verdict(&view).verdict.is_fine();
        assert_eq!(red(&sample) == 0, fine, "{name}\n{}", cases(&sample));
        for events in 0..sample.events.len() {
            let mut part = cutover();
            (part.started, part.events) = (sample.started.clone(), sample.events[..events].to_vec());
            assert!(red(&part) > 0, "{name} after {events} events");
        }
    }
}

#[test]
fn a_stage_that_is_red_for_no_gate_has_a_case_of_its_own() {
    let mut sample = good();
    for event in &mut sample.events {
        if let Event::ChildRun(child) = event
            && child.stage == Some(Stage::Preflight)
        {
            child.outcome = "unfinished".to_owned();
        }
    }
    let told = cases(&sample);
    assert!(told.contains("  preflight: ERROR it is said to have passed, and its run"), "{told}");
}

#[test]
fn gates_that_were_run_twice_have_names_of_their_own() {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).event(resume("continue", "cutover/1", None));
    sample.gates_stage(Stage::Preflight, Verdict::Failed);
    let told = cases(&sample);
    assert!(
        told.contains("  readiness::redis\n") && told.contains("  readiness::redis (2): FAILURE"),
        "{told}"
    );
}

#[test]
fn a_report_without_room_says_what_it_left_out() {
    let mut sample = failed_step();
    for event in &mut sample.events {
        if let Event::CommandEnded(ended) = event {
            ended.excerpt = "x".repeat(20_000);
        }
    }
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    assert_eq!(verdict(&view).verdict, Outcome::Failed);
    let text = |bytes| super::super::junit::junit_within(&view, Limits { bytes, ..LIMITS });
    let small = text(28_000);
    assert!(
        small.len() < 28_000 && small.contains("bootstrap_infra") && small.contains("no room"),
        "{small}"
    );
    let tiny = text(21_000);
    assert!(tiny.len() < 21_000, "{}", tiny.len());
    assert!(tiny.contains("bootstrap_infra") && tiny.contains("left-out-passed"), "{tiny}");
}
