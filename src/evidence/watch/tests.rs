use super::*;
use crate::evidence::sample::Sample;
use crate::evidence::{documents, verdict};
use crate::model::units::Unit;
use crate::model::watch::{OnNoData, WatchMetric, WatchSource};
use crate::model::{Position, Reading};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at() -> Position {
    Position { file: "gates/desk.toml".to_owned(), line: 1, column: 1 }
}

fn plan() -> WatchPlan {
    let source = |name: &str| WatchSource {
        name: name.to_owned(),
        probe: "prometheus".to_owned(),
        with: Default::default(),
        uses: Vec::new(),
        timeout_ms: 1000.0,
        at: at(),
    };
    let metric = |name: &str, source: &str, expect: Option<&str>| WatchMetric {
        name: name.to_owned(),
        source: source.to_owned(),
        value: name.to_owned(),
        expect: expect.map(str::to_owned),
        failure_limit: 1,
        inconclusive_limit: 1,
        consecutive_error_limit: 1,
        warmup_ms: 0.0,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: at(),
    };
    WatchPlan {
        duration_ms: 3000.0,
        planned_ms: 1_800_000.0,
        interval_ms: 1000.0,
        max_age_ms: 3000.0,
        trigger: "p99_ms > 500".to_owned(),
        monitor_keys: vec!["p99_ms".to_owned()],
        sources: vec![source("engine"), source("=kafka")],
        metrics: vec![
            metric("p99_ms", "engine", Some("p99_ms < 50")),
            metric("state", "engine", None),
            metric("lag_ms", "=kafka", None),
        ],
    }
}

fn samples(p99: [f64; 3]) -> Vec<WatchSample> {
    let sample = |tick: u64, source: &str, readings: &[(&str, Reading)], error: Option<&str>| WatchSample {
        tick,
        source: source.to_owned(),
        at_ms: tick as f64 * 1000.0 + 10.125,
        took_ms: 10.1,
        readings: readings.iter().map(|(name, reading)| ((*name).to_owned(), reading.clone())).collect(),
        at_least: Default::default(),
        error: error.map(str::to_owned),
    };
    let mut all = Vec::new();
    for (tick, p99) in (0..).zip(p99) {
        let readings = [
            ("p99_ms", Reading::number(p99, Unit::Millisecond)),
            ("state", Reading::text("=RUNNING, \"ok\"\n")),
        ];
        all.push(sample(tick, "engine", &readings, None));
        let lost = (tick == 1).then_some("-no answer, \"yet\"");
        let lag =
            if tick == 1 { vec![] } else { vec![("lag_ms", Reading::number(-0.25, Unit::Millisecond))] };
        all.push(sample(tick, "=kafka", &lag, lost));
    }
    all
}

/// A run that watched three metrics, of which one was so.
pub(crate) fn run(p99: [f64; 3], change: impl FnOnce(&mut WatchVerdict)) -> Sample {
    let mut sample = Sample::new(Vec::new());
    let (plan, samples) = (plan(), samples(p99));
    let mut ended = judge(&plan, samples.iter(), None).unwrap();
    let mut judge = Judge::new(&plan).unwrap();
    samples.iter().for_each(|sample| drop(judge.take(sample)));
    ended.clone_from(&judge.verdict(3001.5));
    change(&mut ended);
    sample.started.verb = "watch".to_owned();
    sample.started.watch = Some(Box::new(plan));
    for one in samples {
        sample.event(Event::WatchSampled(Box::new(one)));
    }
    sample.event(Event::WatchEnded(Box::new(ended)));
    sample.done();
    sample
}

fn text<'d>(documents: &'d [Document], name: &str) -> &'d str {
    let found = documents.iter().find(|document| document.name == name).unwrap();
    std::str::from_utf8(&found.bytes).unwrap()
}

#[test]
fn every_metric_of_every_sample_is_a_row() {
    let records = run([3.0, 61.5, 4.0], |_| ()).records();
    let view = RunView::of(&records).unwrap();
    let documents = documents(&view).unwrap();
    insta::assert_snapshot!(text(&documents, "watch.csv").replace('\r', ""), @r#"
    tick,at_utc,elapsed_ms,source,metric,value,unit,state,took_ms,detail
    0,2026-11-22T19:41:03.220Z,10.125,engine,p99_ms,3,ms,successful,10.1,
    0,2026-11-22T19:41:03.220Z,10.125,engine,state,"'=RUNNING, ""ok""
    ",text,successful,10.1,
    0,2026-11-22T19:41:03.320Z,10.125,'=kafka,lag_ms,-0.25,ms,successful,10.1,
    1,2026-11-22T19:41:03.420Z,1010.125,engine,p99_ms,61.5,ms,failed,10.1,"p99_ms = 61.5 ms, expected < 50 ms"
    1,2026-11-22T19:41:03.420Z,1010.125,engine,state,"'=RUNNING, ""ok""
    ",text,successful,10.1,
    1,2026-11-22T19:41:03.520Z,1010.125,'=kafka,lag_ms,,error,error,10.1,"'-no answer, ""yet"""
    2,2026-11-22T19:41:03.620Z,2010.125,engine,p99_ms,4,ms,successful,10.1,
    2,2026-11-22T19:41:03.620Z,2010.125,engine,state,"'=RUNNING, ""ok""
    ",text,successful,10.1,
    2,2026-11-22T19:41:03.720Z,2010.125,'=kafka,lag_ms,-0.25,ms,successful,10.1,
    "#);
    let json: serde_json::Value = serde_json::from_str(text(&documents, "watch.json")).unwrap();
    assert_eq!((&json["compressed"], &json["samples"]), (&600.0.into(), &6.into()));
    assert_eq!(json["verdict"]["verdict"], "passed");
    assert_eq!(verdict(&view).verdict, crate::evidence::Outcome::Passed);
}

#[test]
fn what_the_files_say_is_judged_as_the_journal_is() {
    for p99 in [[3.0, 4.0, 5.0], [60.0, 70.0, 80.5], [3.0, 501.0, 3.0]] {
        let records = run(p99, |_| ()).records();
        let view = RunView::of(&records).unwrap();
        let documents = documents(&view).unwrap();
        let read = Recorded::of_files(text(&documents, "watch.csv"), text(&documents, "watch.json")).unwrap();
        assert_eq!(read, Recorded::of_run(&view).unwrap());
        let judged = read.judge().unwrap();
        assert_eq!(Some(&judged), read.verdict.as_ref());
        assert_eq!(read.contradiction(&judged), None);
    }
}

#[test]
fn a_watch_that_is_not_passed_stands_against_a_run_of_its_own() {
    let records = run([60.0, 70.0, 80.0], |_| ()).records();
    let view = RunView::of(&records).unwrap();
    let judged = verdict(&view);
    assert_eq!(judged.verdict, crate::evidence::Outcome::Failed);
    let expected = "p99_ms failed in 3 of 3 samples, allowed 1; last: p99_ms = 80 ms, expected < 50 ms";
    assert_eq!(judged.reasons[0].to_string(), expected);
}

#[test]
fn a_verdict_that_the_samples_do_not_give_stands_against_the_run() {
    let records = run([60.0, 70.0, 80.0], |verdict| {
        (verdict.verdict, verdict.reason) = (Verdict::Passed, String::new());
    })
    .records();
    let view = RunView::of(&records).unwrap();
    let judged = verdict(&view);
    assert_eq!(judged.verdict, crate::evidence::Outcome::Failed);
    let told = judged.reasons[0].to_string();
    assert!(
        told.starts_with("the watch is recorded as passed, and its samples give failed (p99_ms"),
        "{told}"
    );
    let records = run([3.0, 4.0, 5.0], |verdict| verdict.metrics[0].successful = 1800).records();
    let view = RunView::of(&records).unwrap();
    let told = verdict(&view).reasons[0].to_string();
    assert!(told.contains("other counts than its samples give"), "{told}");
}

#[test]
fn a_run_whose_watch_has_no_verdict_is_not_passed() {
    let mut sample = Sample::new(Vec::new());
    sample.started.watch = Some(Box::new(plan()));
    let records = sample.done().records();
    let view = RunView::of(&records).unwrap();
    assert_eq!(verdict(&view).reasons[0].to_string(), "the watch has no verdict");
    assert!(!documents(&view).unwrap().iter().any(|document| document.name.starts_with("watch.")));
}

#[test]
fn samples_of_a_run_without_a_watch_contradict_it() {
    let mut sample = Sample::new(Vec::new());
    let one = samples([1.0; 3]).remove(0);
    let records = sample.event(Event::WatchSampled(Box::new(one))).done().records();
    assert_eq!(RunView::of(&records).unwrap_err().what, "the plan has no watch");
}

#[test]
fn files_that_are_none_of_ours_are_refused_with_their_line() {
    let records = run([3.0, 4.0, 5.0], |_| ()).records();
    let view = RunView::of(&records).unwrap();
    let documents = documents(&view).unwrap();
    let (csv, json) = (text(&documents, "watch.csv"), text(&documents, "watch.json"));
    let refused = |csv: &str, json: &str| Recorded::of_files(csv, json).unwrap_err().to_string();
    assert!(refused("", json).starts_with("watch.csv: line 1: expected the header tick,at_utc"));
    for (from, to, told) in [
        ("0,2026", "x,2026", "watch.csv: line 2: tick: expected a whole number, seen \"x\""),
        (",10.125,", ",NaN,", "watch.csv: line 2: elapsed_ms: expected a number, seen \"NaN\""),
        (",3,ms,", ",3,sm,", "watch.csv: line 2: unit: expected a unit"),
        (",3,ms,", ",inf,ms,", "watch.csv: line 2: value: expected a number, seen \"inf\""),
        (",3,ms,", ",3,", "watch.csv: line 2: expected 10 cells, seen 9"),
    ] {
        let told_of = refused(&csv.replacen(from, to, 1), json);
        assert!(told_of.starts_with(told), "{told_of}");
    }
    let shorter = csv.rsplit_once("2,2026").unwrap().0;
    assert!(refused(shorter, json).starts_with("watch.csv has 5 samples, and watch.json says 6"));
    assert!(refused(csv, "{}").starts_with("watch.json: expected the plan of a watch: missing field"));
    assert!(refused(csv, &json.replacen("\"version\": 1", "\"version\": 2", 1)).contains("has version 2"));
}

proptest! {
    #[test]
    fn any_sample_is_read_back_from_its_rows(
        tick in any::<u64>(),
        at_ms in 0.0f64..1e9,
        text in "[ -~\r\n\t'é]{0,12}",
        number in prop::num::f64::NORMAL,
        unit in prop::sample::select(Unit::ALL.to_vec()),
        bound in any::<bool>(),
        error in prop::option::of("[ -~\r\n']{0,12}"),
    ) {
        let mut readings = BTreeMap::new();
        let mut at_least = std::collections::BTreeSet::new();
        if error.is_none() {
            readings.insert("p99_ms".to_owned(), Reading::Number { value: number, unit });
            readings.insert("state".to_owned(), Reading::text(text));
            if bound {
                at_least.insert("p99_ms".to_owned());
            }
        }
        let sample = WatchSample { tick, source: "engine".to_owned(), at_ms, took_ms: 0.5, readings, at_least, error };
        let plan = plan();
        let mut view = WatchView::of_plan(&plan);
        view.samples.push((Stamp::from_millis(0), &sample));
        prop_assert_eq!(rows::read(&rows::write(&view)).unwrap(), vec![sample.clone()]);
    }
}
