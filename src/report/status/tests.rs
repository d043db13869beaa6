//! Runs that are looked at while they go on, after their end, and after they were killed.

use super::*;
use crate::cutover::resume::tests::Cutover;
use crate::evidence::sample::{KAFKA_STEPS, Sample, gate, kafka_init};
use crate::journal::Records;
use crate::model::event::StepStatus;
use crate::model::switch::Sequence::{Cutover as There, Rollback as Back};
use crate::model::watch::{OnNoData, WatchMetric, WatchPlan, WatchSample, WatchSource};
use crate::model::{Args, Event, Position, Reading};
use std::time::Duration;

const NAME: &str = "20261122T194103Z-cutover-4f7k2q";

/// So long after the last entry.
fn later(records: &Records, millis: u64) -> Stamp {
    records.entries.last().unwrap().at.plus(Duration::from_millis(millis))
}

fn told(records: &Records, life: &Life, millis: u64) -> String {
    text(&Status::of(records, life, later(records, millis)).unwrap(), NAME, false)
}

fn lines(records: &Records) -> String {
    records.entries.iter().filter_map(line).map(|line| line + "\n").collect()
}

fn watch() -> WatchPlan {
    let at = Position { file: "gates/desk.toml".to_owned(), line: 9, column: 1 };
    let metric = |name: &str, source: &str| WatchMetric {
        name: name.to_owned(),
        source: source.to_owned(),
        value: name.to_owned(),
        expect: None,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        warmup_ms: 0.0,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: at.clone(),
    };
    let source = |name: &str| WatchSource {
        name: name.to_owned(),
        probe: "prometheus".to_owned(),
        with: Args::default(),
        uses: Vec::new(),
        timeout_ms: 1_000.0,
        at: at.clone(),
    };
    WatchPlan {
        duration_ms: 1_800_000.0,
        planned_ms: 1_800_000.0,
        interval_ms: 1_000.0,
        max_age_ms: 5_000.0,
        trigger: "kafka_lag_ms > 1000".to_owned(),
        monitor_keys: vec!["kafka_lag_ms".to_owned()],
        sources: vec![source("engine"), source("kafka")],
        metrics: vec![metric("order_latency_p99_ms", "engine"), metric("kafka_lag_ms", "kafka")],
    }
}

fn sample(source: &str, metric: &str, value: Result<f64, &str>) -> Event {
    let reading = |value| (metric.to_owned(), Reading::number(value, "ms".parse().unwrap()));
    Event::WatchSampled(Box::new(WatchSample {
        tick: 0,
        source: source.to_owned(),
        at_ms: 100.0,
        took_ms: 3.0,
        readings: value.ok().map(reading).into_iter().collect(),
        error: value.err().map(str::to_owned),
        at_least: Default::default(),
    }))
}

#[test]
fn a_cutover_that_goes_on_shows_what_is_done_what_runs_and_for_how_long() {
    let mut run = Cutover::new();
    run.stage(Stage::Preflight).stage_ended(Stage::Preflight, Verdict::Passed, "");
    run.stage(Stage::Cutover).done(There, 2).begin(There, 3);
    let records = run.records();
    insta::assert_snapshot!(told(&records, &Life::Lives, 12_000), @"
    cutover  desk  20261122T194103Z-cutover-4f7k2q on host
    RUNNING for 13 s; last entry 2026-11-22T19:41:03Z
    preflight          passed  0.90 s
    cutover            RUNNING for 13 s
       1 stop_old_core_engine            ok  0.08 s
       2 stop_old_strategy_runner        ok  0.08 s
       3 precheck                        RUNNING for 12 s, of at most 10 min
       4 bootstrap_infra                 -
       5 init_kafka_topic                -
       6 init_clickhouse_schema          -
       7 init_debezium_connector         -
       8 start_new_core_engine           -
       9 start_new_strategy_runner       -
      10 warmup_query                    -
    switch_gate        -
    readiness          -
    watch              -
    rollback           -
    rollback_readiness -
    ");
    let status = Status::of(&records, &Life::Lives, later(&records, 12_000)).unwrap();
    assert!(status.is_fine());
    insta::assert_snapshot!(now_line(&status), @"cutover precheck RUNNING for 12 s, of at most 10 min");
    insta::assert_snapshot!(lines(&records), @"
    19:41:03Z  run 20261122T194103Z-cutover-4f7k2q of desk on host begins
    19:41:03Z  preflight begins
    19:41:03Z  preflight passed  0.90 s
    19:41:03Z  cutover begins
    19:41:03Z  cutover 1 stop_old_core_engine begins
    19:41:03Z  cutover 1 stop_old_core_engine ok  0.08 s
    19:41:03Z  cutover 2 stop_old_strategy_runner begins
    19:41:03Z  cutover 2 stop_old_strategy_runner ok  0.08 s
    19:41:03Z  cutover 3 precheck begins
    ");
}

#[test]
fn a_killed_cutover_shows_what_was_cut_off_and_how_to_go_on() {
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 2).begin(There, 3);
    let records = run.records();
    insta::assert_snapshot!(told(&records, &Life::Gone, 3_600_000), @"
    cutover  desk  20261122T194103Z-cutover-4f7k2q on host
    KILLED: it has no end, and its process is gone; last entry 2026-11-22T19:41:03Z, after 0.60 s
    preflight          -
    cutover            CUT OFF: began 2026-11-22T19:41:03Z and has no end
       1 stop_old_core_engine            ok  0.08 s
       2 stop_old_strategy_runner        ok  0.08 s
       3 precheck                        CUT OFF: began 2026-11-22T19:41:03Z and has no end
       4 bootstrap_infra                 -
       5 init_kafka_topic                -
       6 init_clickhouse_schema          -
       7 init_debezium_connector         -
       8 start_new_core_engine           -
       9 start_new_strategy_runner       -
      10 warmup_query                    -
    switch_gate        -
    readiness          -
    watch              -
    rollback           -
    rollback_readiness -
    see what it left, and choose: cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q
    ");
    let status = Status::of(&records, &Life::Gone, later(&records, 3_600_000)).unwrap();
    assert!(!status.is_fine());
    let elsewhere = Life::Unknown("it ran on desk-1, and this is desk-2: look there".to_owned());
    let told = told(&records, &elsewhere, 0);
    assert!(told.contains("NO END, and whether it still runs can't be told here"), "{told}");
    assert!(told.contains("\nit ran on desk-1, and this is desk-2: look there\n"), "{told}");
    assert!(!Status::of(&records, &elsewhere, later(&records, 0)).unwrap().is_fine());
}

#[test]
fn a_rollback_shows_the_time_that_is_left_and_by_how_much_it_is_late() {
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 7).begin(There, 8).end(There, 8, 3);
    run.stage_ended(Stage::Cutover, Verdict::Failed, "start_new_core_engine failed");
    run.event(Event::StageStarted { stage: Stage::Rollback, reason: "a step failed".to_owned() });
    run.done(Back, 2).begin(Back, 3);
    let records = run.records();
    insta::assert_snapshot!(told(&records, &Life::Lives, 70_000), @"
    cutover  desk  20261122T194103Z-cutover-4f7k2q on host
    RUNNING for 72 s; last entry 2026-11-22T19:41:05Z
    preflight          -
    cutover            FAILED  0.90 s
      start_new_core_engine failed
       1 stop_old_core_engine            ok  0.08 s
       2 stop_old_strategy_runner        ok  0.08 s
       3 precheck                        ok  0.08 s
       4 bootstrap_infra                 ok  0.08 s
       5 init_kafka_topic                ok  0.08 s
       6 init_clickhouse_schema          ok  0.08 s
       7 init_debezium_connector         ok  0.08 s
       8 start_new_core_engine           FAILED with exit code 3 after 0.08 s
       9 start_new_strategy_runner       -
      10 warmup_query                    -
    switch_gate        -
    readiness          -
    watch              -
    rollback           RUNNING for 71 s; 110 s left of 3 min
       1 stop_new_core_engine            ok  0.08 s
       2 stop_new_strategy_runner        ok  0.08 s
       3 restore_previous_binaries       RUNNING for 70 s, of at most 10 min
       4 restore_redis_bridge_compat     -
       5 start_previous_core_engine      -
       6 start_previous_strategy_runner  -
       7 post_rollback_validate          -
    rollback_readiness -
    ");
    let status = |millis| Status::of(&records, &Life::Lives, later(&records, millis)).unwrap();
    insta::assert_snapshot!(now_line(&status(70_000)), @"rollback restore_previous_binaries RUNNING for 70 s, of at most 10 min; 110 s left of 3 min");
    insta::assert_snapshot!(now_line(&status(200_000)), @"rollback restore_previous_binaries RUNNING for 3 min 20 s, of at most 10 min; OVER its limit of 3 min by 21 s");
    assert!(status(200_000).rollback.unwrap().left_ms < 0.0);

    // The limit knows no break: it goes on for a rollback that was killed.
    let killed = Status::of(&records, &Life::Gone, later(&records, 200_000)).unwrap();
    assert!(killed.rollback.unwrap().left_ms < 0.0);

    // What came after it does not count.
    run.end(Back, 3, 0).stage_ended(Stage::Rollback, Verdict::Passed, "");
    let records = run.stage(Stage::RollbackReadiness).records();
    let status = Status::of(&records, &Life::Lives, later(&records, 600_000)).unwrap();
    assert!(status.rollback.unwrap().used_ms < 2_000.0);
}

#[test]
fn a_watch_shows_the_last_values_how_old_they_are_and_who_does_not_answer() {
    let mut run = Cutover::new();
    run.started().watch = Some(Box::new(watch()));
    run.stage(Stage::Cutover).done(There, 10).stage_ended(Stage::Cutover, Verdict::Passed, "");
    run.stage_ended(Stage::SwitchGate, Verdict::Skipped, "no profile says how to measure it");
    run.stage(Stage::Watch);
    run.event(sample("engine", "order_latency_p99_ms", Ok(3.25))).event(sample(
        "kafka",
        "kafka_lag_ms",
        Ok(7.0),
    ));
    run.event(sample("kafka", "kafka_lag_ms", Err("no answer within 1 s")));
    let records = run.records();
    let text = told(&records, &Life::Lives, 4_000);
    insta::assert_snapshot!(&text[text.find("switch_gate").unwrap()..], @"
    switch_gate        not run
      no profile says how to measure it
    readiness          -
    watch              RUNNING for 4.3 s
      watched 4.3 s of 30 min, 3 samples
         order_latency_p99_ms            3.25 ms  4.2 s ago
         kafka_lag_ms                    7 ms  4.1 s ago  ERROR no answer within 1 s
    rollback           -
    rollback_readiness -
    ");
    let status = Status::of(&records, &Life::Lives, later(&records, 4_000)).unwrap();
    insta::assert_snapshot!(now_line(&status), @"watch RUNNING for 4.3 s; order_latency_p99_ms 3.25 ms; kafka_lag_ms ERROR");
    assert_eq!(status.watch.unwrap().samples, 3);
}

#[test]
fn a_run_that_goes_on_after_a_kill_does_not_show_as_running_what_was_cut_off() {
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 2).begin(There, 3);
    run.event(Event::Resumed(Resumed {
        choice: "rollback".to_owned(),
        next: "stop_new_core_engine".to_owned(),
        unknown: Some("precheck".to_owned()),
        cut_off: 0,
        host: "host".to_owned(),
    }));
    run.stage(Stage::Rollback).begin(Back, 1);
    insta::assert_snapshot!(told(&run.records(), &Life::Lives, 1_000), @"
    cutover  desk  20261122T194103Z-cutover-4f7k2q on host
    RUNNING for 1.9 s; last entry 2026-11-22T19:41:04Z
    preflight          -
    cutover            CUT OFF: began 2026-11-22T19:41:03Z and has no end
       1 stop_old_core_engine            ok  0.08 s
       2 stop_old_strategy_runner        ok  0.08 s
       3 precheck                        CUT OFF: began 2026-11-22T19:41:03Z and has no end
       4 bootstrap_infra                 -
       5 init_kafka_topic                -
       6 init_clickhouse_schema          -
       7 init_debezium_connector         -
       8 start_new_core_engine           -
       9 start_new_strategy_runner       -
      10 warmup_query                    -
    switch_gate        -
    readiness          -
    watch              -
    rollback           RUNNING for 1.1 s; 2 min 59 s left of 3 min
       1 stop_new_core_engine            RUNNING for 1.0 s, of at most 10 min
       2 stop_new_strategy_runner        -
       3 restore_previous_binaries       -
       4 restore_redis_bridge_compat     -
       5 start_previous_core_engine      -
       6 start_previous_strategy_runner  -
       7 post_rollback_validate          -
    rollback_readiness -
    went on after it was killed: --rollback from stop_new_core_engine
    ");
}

#[test]
fn a_run_of_gates_shows_those_that_run_and_those_that_are_not_good() {
    let names = ["redis-ping", "kafka-topics", "optional", "slow", "behind"];
    let mut run = Sample::new(names.map(|name| gate(name, "redis_ping")).to_vec());
    run.started.gates[2].required = false;
    run.begin("redis-ping").end("redis-ping", Verdict::Passed, "");
    run.begin("kafka-topics").end("kafka-topics", Verdict::Failed, "expected 6 topics, saw 5");
    run.begin("optional").end("optional", Verdict::Inconclusive, "no data");
    run.begin("slow");
    insta::assert_snapshot!(told(&run.records(), &Life::Lives, 1_000), @"
    rehearse  single-host-ubuntu  20261122T194103Z-rehearse-4f7k2q on host
    RUNNING for 1.7 s; last entry 2026-11-22T19:41:03Z
    1 of 5 gates passed, 1 not begun
      kafka-topics                    FAILED  0.08 s
        expected 6 topics, saw 5
      optional                        INCONCLUSIVE  0.08 s (not required)
        no data
      slow                            RUNNING for 1.0 s
    ");
    let gone = told(&run.records(), &Life::Gone, 1_000);
    assert!(gone.contains("slow                            CUT OFF: began"), "{gone}");
    assert!(!gone.contains("--resume"), "only a cutover is resumed: {gone}");
    run.end("slow", Verdict::Passed, "").end("behind", Verdict::Skipped, "blocked by kafka-topics").done();
    insta::assert_snapshot!(told(&run.records(), &Life::Gone, 9_000), @"
    rehearse  single-host-ubuntu  20261122T194103Z-rehearse-4f7k2q on host
    ENDED failed after 6.4 s, at 2026-11-22T19:41:04Z
    infra::kafka-topics failed: expected 6 topics, saw 5 (gates/single-host.toml:42)
    infra::behind skipped: blocked by kafka-topics (gates/single-host.toml:42)
    2 of 5 gates passed, 0 not begun
      kafka-topics                    FAILED  0.08 s
        expected 6 topics, saw 5
      optional                        INCONCLUSIVE  0.08 s (not required)
        no data
      behind                          not run
        blocked by kafka-topics
    ");
    insta::assert_snapshot!(lines(&run.records()), @"
    19:41:03Z  run 20261122T194103Z-rehearse-4f7k2q of single-host-ubuntu on host begins
    19:41:03Z  redis-ping passed  0.08 s
    19:41:03Z  kafka-topics FAILED  0.08 s: expected 6 topics, saw 5
    19:41:03Z  optional INCONCLUSIVE  0.08 s: no data
    19:41:03Z  slow passed  0.08 s
    19:41:04Z  behind skipped  0.00 s: blocked by kafka-topics
    19:41:04Z  run ends
    ");
}

#[test]
fn a_gate_that_is_tried_again_shows_its_attempts() {
    let mut run = Sample::new(["lag", "ping"].map(|name| gate(name, "kafka_lag")).to_vec());
    run.begin("lag").again("lag", 1).again("lag", 2);
    let going = told(&run.records(), &Life::Lives, 100);
    assert!(going.contains(", attempt 3\n    attempt 1 failed  0.01 s  not yet\n"), "{going}");
    let mut run = Sample::new(vec![gate("lag", "kafka_lag")]);
    run.flaky("lag", 6).done();
    let ended = told(&run.records(), &Life::Gone, 100);
    assert!(ended.contains("passed  0.08 s, attempt 6\n    2 attempts before these\n"), "{ended}");
    assert!(lines(&run.records()).contains("lag passed at attempt 6  0.08 s"), "{}", lines(&run.records()));
}

#[test]
fn an_init_shows_its_step() {
    let mut run = kafka_init();
    run.begin("kafka-init").step("kafka-init", 1, KAFKA_STEPS[0], StepStatus::Ok, "created");
    run.begin_step("kafka-init", 2, KAFKA_STEPS[1]);
    let told = told(&run.records(), &Life::Lives, 1_000);
    assert!(told.contains("RUNNING for 1.3 s, in step verify_a.v1"), "{told}");
    assert!(lines(&run.records()).contains("kafka-init create_a.v1 ok  0.01 s: created"));
}

#[test]
fn what_is_told_cannot_move_the_cursor_and_a_status_is_json() {
    let mut run = Cutover::new();
    run.event(Event::Warning { text: "\u{1b}[2Jgone\nnext".to_owned() });
    run.event(Event::Alarm { text: "late".to_owned() });
    let records = run.records();
    let told = told(&records, &Life::Lives, 0);
    assert!(told.contains("ALARM: late\nwarning: \\u{1b}[2Jgone\\nnext\n"), "{told}");
    assert!(lines(&records).lines().all(|line| !line.contains(char::is_control)));
    let status = Status::of(&records, &Life::Lives, later(&records, 0)).unwrap();
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!((json["version"].as_u64(), json["state"].as_str()), (Some(1), Some("running")));
    assert_eq!(json["steps"][0]["state"], "not_begun");
    assert_eq!(json["stages"][0]["stage"], "preflight");
}

#[test]
fn a_journal_without_an_entry_has_no_status() {
    let mut records = Cutover::new().records();
    records.entries.clear();
    assert!(Status::of(&records, &Life::Lives, Stamp::now()).is_err());
}

#[test]
fn durations_are_written_as_people_say_them() {
    let told =
        [0.0, 420.0, 6_412.0, 68_400.0, 600_000.0, 724_000.0, 11_520_000.0, -5.0].map(super::text::span);
    assert_eq!(told, ["0.00 s", "0.42 s", "6.4 s", "68 s", "10 min", "12 min 4 s", "3 h 12 min", "0.00 s"]);
}
