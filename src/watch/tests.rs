use super::*;
use crate::model::Position;
use crate::model::units::Unit;
use crate::model::watch::WatchSource;

pub(super) fn source(name: &str) -> WatchSource {
    WatchSource {
        name: name.to_owned(),
        probe: "prometheus".to_owned(),
        with: Default::default(),
        uses: Vec::new(),
        timeout_ms: 1000.0,
        at: at(),
    }
}

fn at() -> Position {
    Position { file: "gates/desk.toml".to_owned(), line: 1, column: 1 }
}

pub(super) fn metric(name: &str, source: &str, expect: Option<&str>) -> WatchMetric {
    WatchMetric {
        name: name.to_owned(),
        source: source.to_owned(),
        value: name.to_owned(),
        expect: expect.map(str::to_owned),
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        warmup_ms: 0.0,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: at(),
    }
}

/// Ten ticks of a second; the trigger and the metrics as given; a source for each that they name.
pub(super) fn plan(trigger: &str, metrics: Vec<WatchMetric>) -> WatchPlan {
    let mut sources: Vec<_> = metrics.iter().map(|metric| metric.source.clone()).collect();
    sources.sort();
    sources.dedup();
    WatchPlan {
        duration_ms: 10_000.0,
        planned_ms: 10_000.0,
        interval_ms: 1000.0,
        max_age_ms: 3000.0,
        trigger: trigger.to_owned(),
        monitor_keys: Vec::new(),
        sources: sources.iter().map(|name| source(name)).collect(),
        metrics,
    }
}

pub(super) fn sample(tick: u64, source: &str, readings: &[(&str, Reading)]) -> WatchSample {
    WatchSample {
        tick,
        source: source.to_owned(),
        at_ms: tick as f64 * 1000.0 + 10.0,
        took_ms: 10.0,
        readings: readings.iter().map(|(name, reading)| ((*name).to_owned(), reading.clone())).collect(),
        at_least: Default::default(),
        error: None,
    }
}

pub(super) fn lost(tick: u64, source: &str) -> WatchSample {
    WatchSample { error: Some("no answer".to_owned()), ..sample(tick, source, &[]) }
}

pub(super) fn ms(value: f64) -> Reading {
    Reading::number(value, Unit::Millisecond)
}

fn latency(expect: Option<&str>) -> WatchPlan {
    plan("p99_ms > 100", vec![metric("p99_ms", "engine", expect)])
}

/// Judges the values of ticks 0, 1, … of `p99_ms`, none for a lost sample.
fn judged(plan: &WatchPlan, values: &[Option<f64>]) -> WatchVerdict {
    let mut judge = Judge::new(plan).unwrap();
    for (tick, value) in (0..).zip(values) {
        judge.take(&match value {
            Some(value) => sample(tick, "engine", &[("p99_ms", ms(*value))]),
            None => lost(tick, "engine"),
        });
    }
    judge.verdict(10_000.0)
}

#[test]
fn a_watch_whose_samples_are_all_as_expected_passes_without_a_word() {
    let verdict = judged(&latency(Some("p99_ms < 50")), &[Some(3.0); 10]);
    assert_eq!((verdict.verdict, verdict.reason.as_str()), (Verdict::Passed, ""));
    assert_eq!((verdict.metrics[0].successful, verdict.metrics[0].last.as_str()), (10, "3 ms"));
}

#[test]
fn more_failures_than_the_limit_fail_the_watch_and_the_reason_says_how_often() {
    let mut plan = latency(Some("p99_ms < 50"));
    plan.metrics[0].failure_limit = 2;
    let mut values = vec![Some(3.0); 10];
    (values[1], values[4]) = (Some(60.0), Some(61.0));
    assert_eq!(judged(&plan, &values).verdict, Verdict::Passed);
    values[8] = Some(62.5);
    let verdict = judged(&plan, &values);
    assert_eq!(verdict.verdict, Verdict::Failed);
    let expected = "p99_ms failed in 3 of 10 samples, allowed 2; last: p99_ms = 62.5 ms, expected < 50 ms";
    assert_eq!((verdict.reason.as_str(), verdict.rollback), (expected, None));
}

#[test]
fn errors_count_in_a_row_and_any_other_sample_ends_the_row() {
    let plan = latency(Some("p99_ms < 50"));
    let row = |errors: usize| {
        let mut values = vec![Some(3.0), None, None, None, Some(3.0)];
        values.extend(vec![None; errors]);
        values.resize(10, Some(3.0));
        judged(&plan, &values)
    };
    assert_eq!(row(4).verdict, Verdict::Passed);
    let verdict = row(5);
    assert_eq!(verdict.verdict, Verdict::Error);
    let expected = "p99_ms could not be measured 5 times in a row of 10 samples, allowed 4; last: no answer";
    assert_eq!(verdict.reason, expected);
}

#[test]
fn what_no_data_means_is_said_by_the_metric() {
    for (on_no_data, verdict, rolls_back) in [
        (OnNoData::Hold, Verdict::Error, false),
        (OnNoData::Fail, Verdict::Failed, false),
        (OnNoData::Rollback, Verdict::Failed, true),
    ] {
        let mut plan = latency(Some("p99_ms < 50"));
        plan.metrics[0].on_no_data = on_no_data;
        let judged = judged(&plan, &[Some(3.0), None, None, None, None, None, None]);
        assert_eq!((judged.verdict, judged.rollback.is_some()), (verdict, rolls_back), "{on_no_data:?}");
    }
    let mut plan = latency(None);
    plan.metrics[0].on_no_data = OnNoData::Rollback;
    let mut judge = Judge::new(&plan).unwrap();
    let told: Vec<_> = (0..7).map(|tick| judge.take(&lost(tick, "engine")).is_some()).collect();
    assert_eq!(told, [false, false, false, false, true, false, false], "once, when the limit is passed");
}

#[test]
fn a_series_without_events_is_not_missing_and_is_no_success_either() {
    let mut judge = Judge::new(&latency(Some("p99_ms < 50"))).unwrap();
    judge.take(&sample(0, "engine", &[("p99_ms", Reading::NoEvents)]));
    let verdict = judge.verdict(1000.0);
    assert_eq!(verdict.metrics[0].inconclusive, 1);
    assert!(verdict.reason.contains("p99_ms has no events yet"), "{}", verdict.reason);
    let quiet = latency(Some("p99_ms < 50 or no_events(p99_ms)"));
    let mut judge = Judge::new(&quiet).unwrap();
    for tick in 0..10 {
        judge.take(&sample(tick, "engine", &[("p99_ms", Reading::NoEvents)]));
    }
    assert_eq!(judge.verdict(10_000.0).verdict, Verdict::Passed);
}

#[test]
fn silence_of_a_metric_of_activity_is_a_failure() {
    let mut plan = plan("", vec![metric("ticks_per_s", "engine", None)]);
    for silent in [Reading::number(0.0, Unit::None), Reading::NoEvents, Reading::bool(false)] {
        for (activity, state) in [(true, State::Failed), (false, State::Successful)] {
            plan.metrics[0].activity = activity;
            let mut judge = Judge::new(&plan).unwrap();
            let look = judge.look(&sample(0, "engine", &[("ticks_per_s", silent.clone())]));
            assert_eq!(look.metrics[0].state, state, "{silent:?}");
        }
    }
}

#[test]
fn the_trigger_rolls_back_once_and_names_condition_values_time_and_source() {
    let mut judge = Judge::new(&latency(None)).unwrap();
    assert_eq!(judge.take(&sample(0, "engine", &[("p99_ms", ms(100.0))])), None);
    let why = judge.take(&sample(1, "engine", &[("p99_ms", ms(101.0))])).unwrap();
    let expected = "trigger p99_ms > 100: p99_ms = 101 ms (> 100 ms); at 1.010 s (tick 1 of source engine)";
    assert_eq!(why, expected);
    assert_eq!(judge.take(&sample(2, "engine", &[("p99_ms", ms(102.0))])), None);
    let verdict = judge.verdict(2010.0);
    assert_eq!((verdict.verdict, verdict.rollback.as_deref()), (Verdict::Failed, Some(expected)));
}

#[test]
fn the_trigger_sees_the_last_value_of_every_source_until_it_is_too_old() {
    let both = plan(
        "p99_ms > 100 and lag_ms > 100",
        vec![metric("p99_ms", "engine", None), metric("lag_ms", "kafka", None)],
    );
    for (tick, held) in [(1, true), (3, true), (4, false)] {
        let mut judge = Judge::new(&both).unwrap();
        judge.take(&sample(0, "engine", &[("p99_ms", ms(200.0))]));
        let why = judge.take(&sample(tick, "kafka", &[("lag_ms", ms(200.0))]));
        assert_eq!(why.is_some(), held, "a value of tick 0 at tick {tick}");
    }
}

#[test]
fn a_trigger_with_a_time_holds_only_after_it_and_bridges_lost_samples() {
    let held = plan("p99_ms > 100 for 4s", vec![metric("p99_ms", "engine", None)]);
    let when = |values: &[Option<f64>]| {
        let mut judge = Judge::new(&held).unwrap();
        (0..).zip(values).find_map(|(tick, value)| {
            judge.take(&match value {
                Some(value) => sample(tick, "engine", &[("p99_ms", ms(*value))]),
                None => lost(tick, "engine"),
            })?;
            Some(tick)
        })
    };
    assert_eq!(when(&[Some(200.0); 8]), Some(4));
    assert_eq!(when(&[Some(200.0), None, None, Some(200.0), Some(200.0)]), Some(4));
    assert_eq!(when(&[Some(200.0), Some(200.0), Some(5.0), Some(200.0), Some(200.0), Some(200.0)]), None);
}

#[test]
fn a_trigger_on_what_is_missing_waits_until_it_was_asked_for() {
    let missing = plan(
        "missing(p99_ms) or lag_ms > 100",
        vec![metric("p99_ms", "engine", None), metric("lag_ms", "kafka", None)],
    );
    let mut judge = Judge::new(&missing).unwrap();
    assert_eq!(judge.take(&sample(0, "kafka", &[("lag_ms", ms(5.0))])), None, "kafka was faster");
    assert_eq!(judge.clone().take(&sample(0, "engine", &[("p99_ms", ms(5.0))])), None);
    assert!(judge.clone().take(&lost(0, "engine")).is_some());
    assert!(judge.take(&sample(1, "kafka", &[("lag_ms", ms(500.0))])).is_some(), "the other side holds");
}

#[test]
fn samples_of_the_warm_up_count_for_nothing() {
    let mut plan = latency(Some("p99_ms < 50"));
    plan.metrics[0].warmup_ms = 2500.0;
    let mut values = vec![Some(3.0); 10];
    values[..3].fill(Some(900.0));
    let verdict = judged(&plan, &values);
    assert_eq!((verdict.verdict, verdict.metrics[0].successful), (Verdict::Passed, 7), "{verdict:?}");
    plan.metrics[0].warmup_ms = 60_000.0;
    let verdict = judged(&plan, &values);
    let expected = "p99_ms was never measured after its warm-up";
    assert_eq!((verdict.verdict, verdict.reason.as_str()), (Verdict::Inconclusive, expected));
}

#[test]
fn a_quantile_above_its_highest_bucket_is_seen_by_the_trigger_and_passes_no_limit() {
    let above = |value: f64| {
        let at_least = ["p99_ms".to_owned()].into();
        WatchSample { at_least, ..sample(0, "engine", &[("p99_ms", ms(value))]) }
    };
    let mut judge = Judge::new(&latency(Some("p99_ms < 500"))).unwrap();
    assert!(judge.take(&above(250.0)).is_some(), "above 250 ms is above 100 ms");
    let mut judge = Judge::new(&latency(Some("p99_ms < 500"))).unwrap();
    let look = &judge.look(&above(50.0)).metrics[0];
    let told = "p99_ms is above 50 ms, and how far is not known";
    assert_eq!((look.state, look.detail.as_str()), (State::Inconclusive, told));
    let look = judge.look(&above(600.0)).metrics[0].clone();
    assert_eq!(look.state, State::Failed, "{look:?}");
}

#[test]
fn a_watch_that_ended_early_is_not_passed() {
    let mut judge = Judge::new(&latency(Some("p99_ms < 50"))).unwrap();
    for tick in 0..10 {
        judge.take(&sample(tick, "engine", &[("p99_ms", ms(3.0))]));
    }
    assert_eq!(judge.verdict(10_000.0).verdict, Verdict::Passed);
    for early in [9_999.0, 0.0, -1.0, f64::NAN] {
        let verdict = judge.verdict(early);
        assert_eq!(verdict.verdict, Verdict::Inconclusive, "{early}");
        assert!(verdict.reason.starts_with("it ended after "), "{}", verdict.reason);
    }
}

#[test]
fn ticks_without_a_sample_are_errors() {
    let plan = latency(Some("p99_ms < 50"));
    let of = |ticks: &[u64]| {
        let mut judge = Judge::new(&plan).unwrap();
        for tick in ticks {
            judge.take(&sample(*tick, "engine", &[("p99_ms", ms(3.0))]));
        }
        judge.verdict(10_000.0)
    };
    assert_eq!(of(&[0, 1, 2, 3, 8, 9]).verdict, Verdict::Passed, "four in a row are allowed");
    assert_eq!(of(&[0, 1, 2, 8, 9]).verdict, Verdict::Error);
    assert_eq!(of(&[0, 1, 2, 3, 4]).verdict, Verdict::Error);
    assert_eq!(of(&[9]).metrics[0].errors, 9);
    let verdict = of(&[]);
    assert_eq!((verdict.verdict, verdict.metrics[0].errors), (Verdict::Error, 10));
    assert_eq!(of(&[u64::MAX]).verdict, Verdict::Error);
}

#[test]
fn plans_that_cannot_be_judged_are_refused() {
    let of = |change: &dyn Fn(&mut WatchPlan)| {
        let mut plan = latency(Some("p99_ms < 50"));
        change(&mut plan);
        Judge::new(&plan).unwrap_err().0
    };
    let told = of(&|plan| plan.trigger = "p99_sm > 5".to_owned());
    assert_eq!(told, "the trigger: no metric of the watch is called `p99_sm`");
    let told = of(&|plan| plan.metrics[0].expect = Some("p99_ms <".to_owned()));
    assert!(told.starts_with("metric `p99_ms`: expected a number"), "{told}");
    let told = of(&|plan| plan.monitor_keys = vec!["lag_ms".to_owned()]);
    assert_eq!(told, "MONITOR_KEYS: no metric of the watch is called `lag_ms`");
    let told = of(&|plan| plan.interval_ms = 0.0);
    assert_eq!(told, "the interval: expected a time above zero, seen 0 ms");
    assert!(of(&|plan| plan.duration_ms = f64::NAN).contains("the watch's duration"));
    let told = of(&|plan| plan.metrics.push(plan.metrics[0].clone()));
    assert_eq!(told, "two metrics of the watch are called `p99_ms`");
    assert_eq!(of(&|plan| plan.sources.clear()), "metric `p99_ms`: there is no source `engine`");
}

#[test]
fn a_value_is_shown_as_people_read_it() {
    for (value, text) in [(95.70307692307692, "95.7031 ms"), (0.0, "0 ms"), (-1234567.0, "-1234570 ms")] {
        assert_eq!(shown(&ms(value)), text);
    }
    assert_eq!(shown(&Reading::text("a\nb")), r#""a\nb""#);
    assert_eq!(shown(&Reading::NoEvents), "no events");
}
