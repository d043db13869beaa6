use super::super::sample::{Sample, gate, id, number, observation};
use super::super::{Reason, documents};
use super::*;
use crate::journal::Records;
use crate::model::Position;
use crate::model::event::{Event, GateEnded};
use crate::model::readiness::LEVELS;
use proptest::prelude::*;
use serde_json::Value;

const QUERY: &str = "quant_hft_ctp_query_latency_p99_ms";
const REDIS: &str = "quant_hft_storage_redis_health";
const RATE: &str = "quant_hft_ctp_disconnect_recovery_success_rate";
const HITS: &str = "quant_hft_ctp_flow_control_hits";

fn by(gate: &str, value: Option<&str>) -> SliSource {
    let at = Position { file: "gates/desk.toml".to_owned(), line: 80, column: 1 };
    SliSource::Measured { gate: id(gate), value: value.map(str::to_owned), at }
}

fn typed(value: f64) -> SliSource {
    SliSource::Declared { value, flag: format!("--flag {value}") }
}

/// A level of the contract, with its target.
fn sli(name: &str, from: SliSource) -> SliPlan {
    let level = level(name).unwrap();
    SliPlan {
        name: name.to_owned(),
        unit: level.unit.as_str().to_owned(),
        target: level.target,
        at_most: level.at_most,
        from,
    }
}

fn readiness(slis: Vec<SliPlan>) -> ReadinessPlan {
    ReadinessPlan {
        scope: "precheck".to_owned(),
        environment: "desk".to_owned(),
        service: "core_engine".to_owned(),
        measuring: true,
        require_measured: false,
        slis,
    }
}

/// A run with the gate `latency`, which ended like this.
fn run_with(plan: ReadinessPlan, verdict: Verdict, reason: &str, seen: Vec<Observation>) -> Sample {
    let mut sample = Sample::new(vec![gate("latency", "prometheus")]);
    sample.started.readiness = Some(Box::new(plan));
    sample.begin("latency");
    sample.end_with("latency", verdict, reason, |ended: &mut GateEnded| ended.observations = seen);
    sample.done();
    sample
}

/// A run without gates.
fn run_of(plan: ReadinessPlan) -> Sample {
    let mut sample = Sample::new(Vec::new());
    sample.started.readiness = Some(Box::new(plan));
    sample.done();
    sample
}

struct Judged {
    value: Option<f64>,
    origin: Origin,
    healthy: bool,
    samples: u64,
    detail: String,
}

/// The first level of a run, which its file and its verdict must agree with.
#[track_caller]
fn judged(sample: &Sample) -> Judged {
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    let first = slis(&view).remove(0);
    let file = file(&records);
    let row = &file["slis"][0];
    assert_eq!((row["healthy"].as_bool(), row["value"].as_f64()), (Some(first.healthy), first.value));
    let judged = verdict(&view);
    assert_eq!(judged.verdict.is_fine(), file["overall_healthy"].as_bool().unwrap(), "{judged:?}");
    if !first.healthy {
        assert_eq!(file["overall_healthy"], false);
        assert!(
            judged.reasons.iter().any(
                |reason| matches!(reason, Reason::Unhealthy(told) if told.starts_with(&first.plan.name))
            )
        );
    }
    let Sli { value, origin, healthy, samples, detail, .. } = first;
    Judged { value, origin, healthy, samples, detail }
}

fn file(records: &Records) -> Value {
    let view = RunView::of(records).unwrap();
    let document = documents(&view).unwrap().into_iter().find(|document| document.name == FILE).unwrap();
    serde_json::from_slice(&document.bytes).unwrap()
}

/// The level, where the gate passed and saw this as `seen`.
#[track_caller]
fn measured(name: &str, reading: Reading) -> Judged {
    let plan = readiness(vec![sli(name, by("latency", Some("seen")))]);
    judged(&run_with(plan, Verdict::Passed, "", vec![observation("seen", reading)]))
}

#[test]
fn each_level_is_healthy_up_to_its_target_and_not_beyond() {
    for level in LEVELS {
        let beyond = match (level.unit, level.at_most) {
            (LevelUnit::Bool, _) => 0.0,
            (_, true) => level.target + 0.001,
            (_, false) => level.target - 0.001,
        };
        let better = match (level.unit, level.at_most) {
            (LevelUnit::Bool | LevelUnit::Ratio, _) => 1.0,
            _ => level.target - 1.0,
        };
        let unit = match level.unit {
            LevelUnit::Ms => Unit::Millisecond,
            LevelUnit::Count => Unit::Count,
            LevelUnit::Ratio => Unit::Ratio,
            LevelUnit::Bool => Unit::None,
        };
        for (value, healthy) in [(level.target, true), (better, true), (beyond, false)] {
            let found = measured(level.name, Reading::number(value, unit));
            assert_eq!((found.value, found.healthy), (Some(value), healthy), "{} {value}", level.name);
            let mut plan = readiness(vec![sli(level.name, typed(value))]);
            plan.measuring = false;
            let found = judged(&run_of(plan));
            assert_eq!((found.value, found.healthy), (Some(value), healthy), "{} {value}", level.name);
        }
    }
}

#[test]
fn a_value_is_judged_in_the_unit_of_its_level() {
    let found = measured(QUERY, Reading::number(2.0, Unit::Second));
    assert_eq!((found.value, found.healthy), (Some(2000.0), true));
    assert!(!measured(QUERY, Reading::number(2.001, Unit::Second)).healthy);
    assert_eq!(measured(RATE, Reading::number(99.0, Unit::Percent)).value, Some(0.99));
    assert!(measured(REDIS, Reading::bool(true)).healthy);
    assert!(!measured(REDIS, Reading::bool(false)).healthy);
}

#[test]
fn what_can_not_be_a_value_of_the_level_is_not_known() {
    for (name, reading, why) in [
        (QUERY, Reading::number(12.0, Unit::None), "expected a number of milliseconds, 0 or more, seen 12"),
        (
            QUERY,
            Reading::number(-1.0, Unit::Millisecond),
            "expected a number of milliseconds, 0 or more, seen -1",
        ),
        (QUERY, Reading::bool(true), "expected a number of milliseconds, 0 or more, seen true"),
        (QUERY, Reading::text("fast\u{1b}"), r"seen the text `fast\u{1b}`"),
        (RATE, Reading::number(1.01, Unit::Ratio), "expected a ratio from 0 to 1, seen 1.01"),
        (RATE, Reading::NoEvents, "nothing happened that it could be made of"),
        (HITS, Reading::number(5.0, Unit::Second), "expected a count, 0 or more, seen 5 s"),
        (HITS, Reading::Missing, "it was not there"),
        (REDIS, Reading::number(2.0, Unit::None), "expected true or false, seen 2"),
    ] {
        let found = measured(name, reading);
        assert_eq!((found.value, found.healthy), (None, false), "{name} {why}");
        assert!(found.detail.starts_with("not known: ") && found.detail.contains(why), "{}", found.detail);
    }
}

#[test]
fn a_gate_that_gave_no_value_leaves_its_level_unknown_and_says_why() {
    let plan = |value| readiness(vec![sli(REDIS, by("latency", value))]);
    let seen = || vec![observation("other", Reading::bool(true))];
    for (value, verdict, why) in [
        (None, Verdict::Error, "gate `latency` could not be measured: because"),
        (None, Verdict::Skipped, "gate `latency` was not run: because"),
        (None, Verdict::Inconclusive, "gate `latency` has no data to be judged by: because"),
        (Some("seen"), Verdict::Error, "gate `latency` could not be measured: because"),
        (Some("seen"), Verdict::Failed, "gate `latency` observed no `seen`: because"),
    ] {
        let found = judged(&run_with(plan(value), verdict, "because", seen()));
        assert_eq!((found.value, found.healthy), (None, false), "{why}");
        assert_eq!(found.detail, format!("not known: {why}"));
    }
    let mut foreign = plan(None);
    foreign.slis[0].from = by("elsewhere", None);
    let found = judged(&run_with(foreign, Verdict::Passed, "", Vec::new()));
    assert_eq!(found.detail, "not known: the run has no gate `elsewhere`");
}

#[test]
fn a_gate_that_was_cut_off_leaves_its_level_unknown() {
    let mut sample = Sample::new(vec![gate("latency", "prometheus")]);
    sample.started.readiness = Some(Box::new(readiness(vec![sli(REDIS, by("latency", None))])));
    sample.begin("latency");
    let found = judged(&sample);
    assert_eq!((found.value, found.healthy), (None, false));
    assert!(found.detail.contains("it began and has no end"), "{}", found.detail);
    assert_eq!(file(&sample.records())["completed"], Value::Null);
}

#[test]
fn a_truth_may_be_whether_a_gate_passed() {
    let plan = || readiness(vec![sli(REDIS, by("latency", None))]);
    let passed = judged(&run_with(plan(), Verdict::Passed, "", Vec::new()));
    assert_eq!((passed.value, passed.healthy, passed.samples), (Some(1.0), true, 1));
    assert_eq!(passed.detail, "gate `latency` passed, 1 attempt (gates/single-host.toml:42:1)");
    let failed = judged(&run_with(plan(), Verdict::Failed, "role is replica", Vec::new()));
    assert_eq!((failed.value, failed.healthy), (Some(0.0), false));
    assert!(failed.detail.starts_with("gate `latency` failed: role is replica"), "{}", failed.detail);
    let latency = readiness(vec![sli(QUERY, by("latency", None))]);
    let no_number = judged(&run_with(latency, Verdict::Passed, "", Vec::new()));
    assert_eq!((no_number.value, no_number.healthy), (None, false));
}

#[test]
fn a_healthy_level_of_a_gate_that_failed_makes_nothing_healthy() {
    let plan = readiness(vec![sli(QUERY, by("latency", Some("p99_ms")))]);
    let sample = run_with(plan, Verdict::Failed, "p99_ms is 1500", vec![number("p99_ms", 1500.0, "ms")]);
    let found = judged(&sample);
    assert!(
        found.healthy && found.detail.ends_with("; the gate is failed: p99_ms is 1500"),
        "{}",
        found.detail
    );
    assert_eq!(file(&sample.records())["overall_healthy"], false);
}

#[test]
fn a_run_that_was_interrupted_or_has_no_end_is_not_healthy_whatever_its_levels_say() {
    let mut sample = Sample::new(Vec::new());
    sample.started.readiness = Some(Box::new(readiness(vec![sli(REDIS, typed(1.0))])));
    let killed = file(&sample.records());
    assert_eq!(
        (killed["overall_healthy"].as_bool(), &killed["verdict"]),
        (Some(false), &Value::from("unfinished"))
    );
    sample.event(Event::Interrupted { by: "SIGTERM".to_owned() }).done();
    let told = file(&sample.records());
    assert_eq!(
        (told["overall_healthy"].as_bool(), &told["verdict"]),
        (Some(false), &Value::from("interrupted"))
    );
}

#[test]
fn a_default_is_healthy_only_where_nothing_is_measured() {
    let plan = |measuring, value| {
        let slis = vec![sli("quant_hft_strategy_bridge_latency_p99_ms", SliSource::Defaulted { value })];
        ReadinessPlan { measuring, ..readiness(slis) }
    };
    let found = judged(&run_of(plan(false, Some(0.0))));
    assert_eq!((found.value, found.healthy, found.origin), (Some(0.0), true, Origin::Defaulted));
    assert_eq!(
        found.detail,
        "the contract's default: neither --strategy-bridge-latency-ms nor a gate says it"
    );
    let found = judged(&run_of(plan(true, Some(0.0))));
    assert!(!found.healthy && found.detail.contains("a default is never healthy"), "{}", found.detail);
    let found = judged(&run_of(plan(false, None)));
    assert_eq!((found.value, found.healthy), (None, false));
}

#[test]
fn where_only_measured_values_count_no_other_is_healthy() {
    let strict = |from| ReadinessPlan { require_measured: true, ..readiness(vec![sli(HITS, from)]) };
    for from in [typed(1.0), SliSource::Defaulted { value: Some(0.0) }] {
        let mut plan = strict(from);
        plan.measuring = false;
        let found = judged(&run_of(plan));
        assert!(!found.healthy && found.detail.contains("--require-measured"), "{}", found.detail);
    }
    let seen = vec![number("hits", 1.0, "count")];
    assert!(judged(&run_with(strict(by("latency", Some("hits"))), Verdict::Passed, "", seen)).healthy);
    let mut declared = number("hits", 1.0, "count");
    declared.origin = Origin::Declared;
    let found = judged(&run_with(strict(by("latency", Some("hits"))), Verdict::Passed, "", vec![declared]));
    assert_eq!((found.origin, found.healthy), (Origin::Declared, false));
}

#[test]
fn one_level_that_is_not_healthy_is_enough() {
    let mut plan = readiness(vec![
        sli(REDIS, typed(1.0)),
        sli(HITS, typed(11.0)),
        sli(QUERY, by("latency", Some("p99"))),
    ]);
    plan.slis[2].target = 1000.0;
    let seen = vec![number("p99", 1.5, "s")];
    let records = run_with(plan, Verdict::Passed, "", seen).records();
    let view = RunView::of(&records).unwrap();
    let judged = verdict(&view);
    let reasons: Vec<_> = judged.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(judged.verdict, Outcome::Failed);
    insta::assert_snapshot!(reasons.join("\n"), @r"
    quant_hft_ctp_flow_control_hits is 11, expected at most 10: declared by --flag 11
    quant_hft_ctp_query_latency_p99_ms is 1500 ms, expected at most 1000 ms: `p99` of gate `latency`, localhost:9092, 1 sample, at 2026-11-22T19:41:04.000Z
    ");
}

#[test]
fn a_run_with_readiness_needs_no_gate_but_a_level() {
    let records = run_of(readiness(Vec::new())).records();
    let view = RunView::of(&records).unwrap();
    assert!(matches!(verdict(&view).reasons[..], [Reason::NoLevels]));
    assert_eq!(file(&records)["overall_healthy"], false);
    let records = run_of(readiness(vec![sli(HITS, typed(1.0))])).records();
    assert_eq!(verdict(&RunView::of(&records).unwrap()).verdict, Outcome::Passed);
}

#[test]
fn a_dry_run_measures_nothing_and_is_not_healthy() {
    let mut sample = Sample::new(vec![gate("latency", "prometheus")]);
    sample.started.dry_run = true;
    sample.started.readiness = Some(Box::new(readiness(vec![sli(REDIS, by("latency", None))])));
    sample.end("latency", Verdict::Skipped, "dry run").done();
    let records = sample.records();
    assert_eq!(verdict(&RunView::of(&records).unwrap()).verdict, Outcome::Simulated);
    let file = file(&records);
    assert_eq!((file["overall_healthy"].as_bool(), file["dry_run"].as_bool()), (Some(false), Some(true)));
}

#[test]
fn a_run_without_readiness_has_no_such_file() {
    let mut sample = Sample::new(vec![gate("latency", "prometheus")]);
    sample.begin("latency").end("latency", Verdict::Passed, "").done();
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    assert!(documents(&view).unwrap().iter().all(|document| document.name != FILE));
    assert!(slis(&view).is_empty());
}

#[test]
fn the_file_has_the_keys_of_the_contract_and_ours_behind() {
    let mut plan = readiness(vec![
        sli(REDIS, by("latency", None)),
        sli(QUERY, by("latency", Some("p99_ms"))),
        sli(HITS, typed(1.0)),
        sli(RATE, SliSource::Defaulted { value: None }),
    ]);
    plan.slis[1].target = 50.0;
    let mut p99 = number("p99_ms", 12.5, "ms");
    p99.samples = 240;
    "quantile 0.99 of ctp_query_latency_seconds over 5 s at http://127.0.0.1:9100/metrics"
        .clone_into(&mut p99.source);
    let records = run_with(plan, Verdict::Passed, "", vec![p99]).records();
    let view = RunView::of(&records).unwrap();
    let document = document(&view).unwrap().unwrap();
    insta::assert_snapshot!(String::from_utf8(document.bytes).unwrap(), @r#"
    {
      "generated_ts_ns": 1795376463420000000,
      "scope": "precheck",
      "overall_healthy": false,
      "metadata": {
        "evidence_type": "ctp_readiness",
        "environment": "desk",
        "service": "core_engine"
      },
      "slis": [
        {
          "name": "quant_hft_storage_redis_health",
          "slo_name": "quant_hft_storage_redis_health",
          "environment": "desk",
          "service": "core_engine",
          "value": 1.0,
          "target": 1.0,
          "unit": "bool",
          "healthy": true,
          "detail": "gate `latency` passed, 1 attempt (gates/single-host.toml:42:1)",
          "origin": "measured",
          "samples": 1,
          "gate": "latency",
          "measured": "2026-11-22T19:41:04.000Z"
        },
        {
          "name": "quant_hft_ctp_query_latency_p99_ms",
          "slo_name": "quant_hft_ctp_query_latency_p99_ms",
          "environment": "desk",
          "service": "core_engine",
          "value": 12.5,
          "target": 50.0,
          "unit": "ms",
          "healthy": true,
          "detail": "`p99_ms` of gate `latency`, quantile 0.99 of ctp_query_latency_seconds over 5 s at http://127.0.0.1:9100/metrics, 240 samples, at 2026-11-22T19:41:04.000Z",
          "origin": "measured",
          "samples": 240,
          "gate": "latency",
          "measured": "2026-11-22T19:41:04.000Z"
        },
        {
          "name": "quant_hft_ctp_flow_control_hits",
          "slo_name": "quant_hft_ctp_flow_control_hits",
          "environment": "desk",
          "service": "core_engine",
          "value": 1.0,
          "target": 10.0,
          "unit": "count",
          "healthy": true,
          "detail": "declared by --flag 1",
          "origin": "declared",
          "samples": 0,
          "gate": null,
          "measured": null
        },
        {
          "name": "quant_hft_ctp_disconnect_recovery_success_rate",
          "slo_name": "quant_hft_ctp_disconnect_recovery_success_rate",
          "environment": "desk",
          "service": "core_engine",
          "value": null,
          "target": 0.99,
          "unit": "ratio",
          "healthy": false,
          "detail": "not known: neither --disconnect-recovery-success-rate nor a gate says it",
          "origin": "defaulted",
          "samples": 0,
          "gate": null,
          "measured": null
        }
      ],
      "projection": "ctp_readiness",
      "version": 1,
      "tool": "0.1.0",
      "run": "20261122T194103Z-rehearse-4f7k2q",
      "parent": null,
      "verb": "rehearse",
      "verdict": "failed",
      "reasons": [
        "quant_hft_ctp_disconnect_recovery_success_rate is not known: neither --disconnect-recovery-success-rate nor a gate says it"
      ],
      "measuring": true,
      "require_measured": false,
      "dry_run": false,
      "partial": false,
      "provisioner": "embedded",
      "host": "host",
      "started": "2026-11-22T19:41:03.120Z",
      "completed": "2026-11-22T19:41:03.420Z",
      "profile": {
        "path": "gates/single-host.toml",
        "sha256": "abababababababababababababababababababababababababababababababab"
      },
      "journal": {
        "file": "journal.jsonl",
        "entries": 4,
        "head": "a02d817c50f2f0e2863495102a37e26d48643f9831478fe536f3b2698635a84f"
      }
    }
    "#);
}

#[test]
fn the_page_of_docs_has_every_level_with_its_target_and_flag() {
    let page = include_str!("../../docs/evidence.md");
    for level in LEVELS {
        let side = if level.at_most { "below" } else { "above" };
        let (name, unit, target, flag) = (level.name, level.unit.as_str(), level.target, level.flag);
        let row = format!("| `{name}` | {unit} | {target} | at or {side} | `{flag}` |");
        assert!(page.contains(&row), "{row}");
    }
}

proptest! {
    #[test]
    fn no_value_but_a_plain_one_is_ever_healthy_or_shown(
        value in prop_oneof![any::<f64>(), -2.0..2.0f64, Just(f64::NAN), Just(f64::INFINITY)],
        target in prop_oneof![Just(f64::NAN), 0.0..2.0f64, any::<f64>()],
        level in 0..LEVELS.len(),
        declared in any::<bool>(),
    ) {
        let level = LEVELS[level];
        let from = if declared { typed(value) } else { by("latency", Some("seen")) };
        let mut sli = sli(level.name, from);
        sli.target = target;
        let unit = if level.unit == LevelUnit::Ms { Unit::Millisecond } else { Unit::None };
        let seen = observation("seen", Reading::Number { value, unit });
        let records = run_with(readiness(vec![sli]), Verdict::Passed, "", vec![seen]).records();
        let view = RunView::of(&records).unwrap();
        let found = slis(&view).remove(0);
        prop_assert_eq!(found.value.is_some(), level.unit.accepts(value));
        if let Some(value) = found.value {
            prop_assert!(value.is_finite() && value >= 0.0);
        }
        let meets = if level.at_most { value <= target } else { value >= target };
        prop_assert_eq!(found.healthy, level.unit.accepts(value) && meets);
    }
}
