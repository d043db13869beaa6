//! Every example of docs/conditions.md, judged.

use std::time::Duration;

use super::{Condition, MetricType, Sample, Tracker, Value};
use crate::model::units::{Quantity, Unit, parse_duration};

const PAGE: &str = include_str!("../../docs/conditions.md");

/// The lines of all fenced blocks of a language; a block that has none would be a check that cannot fail.
fn examples(language: &str) -> Vec<&'static str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in PAGE.lines() {
        match line.strip_prefix("```") {
            Some(info) => inside = info == language,
            None if inside => lines.push(line),
            None => {}
        }
    }
    assert!(!lines.is_empty(), "the page has no example of {language}");
    lines
}

fn pair(line: &'static str) -> (&'static str, &'static str) {
    line.split_once("  =>  ").map_or((line, line), |(text, expected)| (text.trim(), expected.trim()))
}

/// Reads `a = 7 ms, b missing, c no events`.
fn samples(text: &str) -> impl Fn(&str) -> Sample {
    let read = |one: &str| match one.split_once(" = ") {
        None if one.ends_with(" missing") => (one.trim_end_matches(" missing").to_owned(), Sample::Missing),
        None => (one.strip_suffix(" no events").expect(one).to_owned(), Sample::NoEvents),
        Some((name, "NaN")) => (name.to_owned(), number(f64::NAN)),
        Some((name, "inf")) => (name.to_owned(), number(f64::INFINITY)),
        Some((name, value)) => {
            let text = value.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let value = text.map_or_else(|| Quantity::parse(value).unwrap().into(), Value::from);
            (name.to_owned(), Sample::Value(value))
        }
    };
    let all: Vec<(String, Sample)> = text.split(", ").map(read).collect();
    move |name| all.iter().find(|(known, _)| known == name).expect(name).1.clone()
}

fn number(value: f64) -> Sample {
    Sample::Value(Value::Number(Quantity::new(value, Unit::None)))
}

#[test]
fn conditions_read_as_the_page_says() {
    for line in examples("condition") {
        let (text, canonical) = pair(line);
        let condition = Condition::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        if line.contains("  =>  ") {
            assert_eq!(condition.to_string(), canonical);
        }
        assert_eq!(Condition::parse(&condition.to_string()).unwrap(), condition, "{text}");
    }
}

#[test]
fn what_the_page_calls_refused_is_refused_in_these_words() {
    for line in examples("condition-refused") {
        let (text, told) = pair(line);
        match Condition::parse(text) {
            Ok(condition) => panic!("{text}: was read as {condition}"),
            Err(fault) => assert_eq!(fault.to_string(), told, "{text}"),
        }
    }
}

#[test]
fn what_the_page_calls_a_mismatch_is_found_in_these_words() {
    let kind = |name: &str| match name {
        "lag_ms" => Some(MetricType::Number(Unit::Millisecond)),
        "backlog" => Some(MetricType::Number(Unit::None)),
        "state" => Some(MetricType::Text),
        "up" => Some(MetricType::Bool),
        _ => None,
    };
    for line in examples("condition-mismatch") {
        let (text, told) = pair(line);
        let faults = Condition::parse(text).unwrap().check(&kind, &["lag_ms", "backlog", "state", "up"]);
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [told], "{text}");
    }
}

#[test]
fn conditions_are_judged_and_explained_as_the_page_says() {
    for line in examples("condition-judged") {
        let [seen, text, truth, told] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let judged = Condition::parse(text).unwrap().explain(&samples(seen)).unwrap();
        assert_eq!((judged.truth.to_string().as_str(), judged.to_string().as_str()), (truth, told), "{line}");
    }
}

#[test]
fn conditions_are_tracked_as_the_page_says() {
    let mut lines = examples("condition-tracked").into_iter();
    let condition = Condition::parse(lines.next().unwrap()).unwrap();
    let mut tracker = Tracker::new(condition, Duration::from_secs(25));
    for line in lines {
        let [at, seen, truth, told] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let at = if at == "0 s" { Duration::ZERO } else { parse_duration(at).unwrap() };
        let judged = tracker.observe(at, &samples(seen)).unwrap();
        assert_eq!((judged.truth.to_string().as_str(), judged.to_string().as_str()), (truth, told), "{line}");
    }
}
