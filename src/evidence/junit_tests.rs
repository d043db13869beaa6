//! The report as its readers find it. quick-junit's reader is the second opinion on everything that is written.

use super::super::junit_case::NO_ROOM;
use super::super::sample::{Sample, args, gate, id, number, observation};
use super::super::text::lines;
use super::*;
use crate::model::{Event, Reading, Verdict};
use proptest::prelude::*;
use quick_junit::{Report as Read, TestCase as ReadCase, TestCaseStatus, TestSuite as ReadSuite};

fn written(sample: &Sample) -> String {
    within(sample, LIMITS.bytes)
}

fn within(sample: &Sample, bytes: usize) -> String {
    let records = sample.records();
    junit_within(&RunView::of(&records).unwrap(), Limits { bytes, ..LIMITS })
}

/// Reads a report, after a look at what XML 1.0 allows and readers don't always insist on.
fn read(xml: &str) -> Read {
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(allowed));
    Read::deserialize_from_str(xml).unwrap()
}

fn suite<'a>(report: &'a Read, name: &str) -> &'a ReadSuite {
    report.test_suites.iter().find(|suite| suite.name.as_str() == name).unwrap()
}

/// Kind, type, message and text.
fn said(case: &ReadCase) -> (&'static str, String, String, String) {
    let (kind, ty, message, text) = match &case.status {
        TestCaseStatus::Success { .. } => ("passed", None, None, None),
        TestCaseStatus::NonSuccess { kind, message, ty, description, .. } => {
            let kind = match kind {
                quick_junit::NonSuccessKind::Failure => "failure",
                quick_junit::NonSuccessKind::Error => "error",
            };
            (kind, ty.as_ref(), message.as_ref(), description.as_ref())
        }
        TestCaseStatus::Skipped { message, ty, description } => {
            ("skipped", ty.as_ref(), message.as_ref(), description.as_ref())
        }
    };
    let text_of =
        |text: Option<&quick_junit::XmlString>| text.map(|text| text.as_str().to_owned()).unwrap_or_default();
    (kind, text_of(ty), text_of(message), text_of(text))
}

/// One gate of each verdict.
fn every_verdict() -> Sample {
    let mut gates: Vec<_> = Verdict::ALL.iter().map(|verdict| gate(verdict.as_str(), "tcp")).collect();
    gates[4].phase = Phase::Watch;
    let mut sample = Sample::new(gates);
    for verdict in Verdict::ALL {
        sample.end_with(
            verdict.as_str(),
            verdict,
            "expected ok, seen <b>&amp;\u{1b}[31m]]>\nmore",
            |ended| {
                ended.excerpt = "out ]]> \u{0}\r\nline".to_owned();
                if verdict == Verdict::Failed {
                    ended.observations =
                        vec![number("lag_ms", 900.0, "ms"), observation("x", Reading::Missing)];
                    ended.facts = args(serde_json::json!({"trace": "t"}));
                }
            },
        );
    }
    sample.done();
    sample
}

#[test]
fn every_verdict_reads_as_it_should() {
    let xml = written(&every_verdict());
    let report = read(&xml);
    assert_eq!(report.test_suites.len(), 2);
    let infra = suite(&report, "single-host-ubuntu infra");
    assert_eq!((infra.tests, infra.failures, infra.errors), (4, 0, 2));
    let told: Vec<_> = infra
        .test_cases
        .iter()
        .chain(&suite(&report, "single-host-ubuntu watch").test_cases)
        .map(|case| {
            let (kind, ty, message, text) = said(case);
            assert!(text.starts_with(&message), "{text}");
            assert_eq!(case.extra.get("file").unwrap().as_str(), "gates/single-host.toml");
            (case.name.as_str().to_owned(), kind, ty)
        })
        .collect();
    let expected = [
        ("passed", "passed", ""),
        ("skipped", "skipped", "GateSkipped"),
        ("inconclusive", "error", "GateInconclusive"),
        ("error", "error", "GateError"),
        ("failed", "failure", "GateFailed"),
    ];
    assert_eq!(told, expected.map(|(name, kind, ty)| (name.to_owned(), kind, ty.to_owned())));
    let case = &suite(&report, "single-host-ubuntu watch").test_cases[0];
    assert_eq!(case.classname.as_ref().unwrap().as_str(), "cutproof.single-host-ubuntu.watch");
    assert_eq!(case.system_out.as_ref().unwrap().as_str(), "out ]]> \\u{0}\nline");
    insta::assert_snapshot!(said(case).3, @r"
    expected ok, seen <b>&amp;\u{1b}[31m]]>\nmore
    expected: ok
    attempts: 1
    seen: lag_ms = 900 ms (2026-11-22T19:41:04.000Z, 1 sample, from localhost:9092)
    seen: x is missing (2026-11-22T19:41:04.000Z, 1 sample, from localhost:9092)

    gate watch::failed at gates/single-host.toml:42
        at gates(single-host.toml:42)
    ");
}

#[test]
fn the_document_has_the_shape_that_readers_expect() {
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    sample.end("redis-ping", Verdict::Passed, "").done();
    insta::assert_snapshot!(written(&sample), @r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite id="0" name="single-host-ubuntu infra" package="cutproof" tests="1" errors="0" failures="0" skipped="0" hostname="host" timestamp="2026-11-22T19:41:03Z" time="0.08"><testcase name="redis-ping" time="0.08" classname="cutproof.single-host-ubuntu.infra" file="gates/single-host.toml"/></testsuite></testsuites>"#);
}

#[test]
fn a_stack_line_leads_test_reporter_to_the_file() {
    let at = |file: &str| stack(file, 7);
    assert_eq!(at("gates/kafka.toml"), "gates(kafka.toml:7)");
    assert_eq!(at("ops/My/gates/kafka.toml"), "gates(kafka.toml:7)");
    assert_eq!(at("/srv/ops/gates/kafka.toml"), "srv.ops.gates(kafka.toml:7)");
    assert_eq!(at("kafka.toml"), "profile(kafka.toml:7)");
}

#[test]
fn a_gate_that_is_not_required_says_so() {
    let mut optional = gate("lag", "kafka_lag");
    optional.required = false;
    let mut sample = Sample::new(vec![optional]);
    sample.end("lag", Verdict::Failed, "too much").done();
    let report = read(&written(&sample));
    assert_eq!(said(&report.test_suites[0].test_cases[0]).2, "not required: too much");
    assert_eq!(report.test_suites.len(), 1);
}

#[test]
fn a_run_that_is_not_good_is_red_even_where_no_gate_is() {
    let two = || Sample::new(vec![gate("one", "tcp"), gate("two", "tcp")]);
    let mut killed = two();
    killed.end("one", Verdict::Passed, "");
    let mut skipped = two();
    skipped.end("one", Verdict::Passed, "").end("two", Verdict::Skipped, "blocked").done();
    let mut interrupted = two();
    interrupted.end("one", Verdict::Passed, "").end("two", Verdict::Passed, "");
    interrupted.event(Event::Interrupted { by: "SIGTERM".to_owned() }).done();
    let mut empty = Sample::new(vec![]);
    empty.done();
    let told = [&killed, &skipped, &interrupted, &empty].map(|sample| {
        let report = read(&written(sample));
        let case = &suite(&report, "single-host-ubuntu run").test_cases[0];
        let (kind, _, message, _) = said(case);
        format!("{} {kind} {message}", case.name.as_str())
    });
    insta::assert_snapshot!(told.join("\n"), @r"
    verdict error the run is unfinished: the journal has no end: the run was killed or still runs; infra::two skipped: not run: the run was cut off before (gates/single-host.toml:42)
    verdict error the run is failed: infra::two skipped: blocked (gates/single-host.toml:42)
    verdict error the run is interrupted: interrupted by SIGTERM
    verdict error the run is failed: no gate was run, and that proves nothing
    ");
}

#[test]
fn dry_and_partial_runs_say_so_in_every_suite() {
    let mut sample = Sample::new(vec![gate("one", "tcp"), gate("two", "tcp")]);
    sample.started.dry_run = true;
    sample.end("one", Verdict::Skipped, "dry run");
    sample.started.not_selected.insert(id("two"));
    sample.done();
    let report = read(&written(&sample));
    let cases = &suite(&report, "single-host-ubuntu infra (partial, dry run)").test_cases;
    let told: Vec<_> = cases.iter().map(|case| (said(case).0, said(case).2)).collect();
    assert_eq!(told, [("skipped", "dry run".to_owned()), ("skipped", "not selected".to_owned())]);
    assert_eq!(report.test_suites.len(), 1);
}

/// A run of so many gates, each failed with a reason of so many characters.
fn many(gates: usize, reason: usize, verdict: Verdict) -> Sample {
    let names: Vec<_> = (0..gates).map(|at| format!("gate-{at}")).collect();
    let mut sample = Sample::new(names.iter().map(|name| gate(name, "tcp")).collect());
    names.iter().for_each(|name| {
        sample.end(name, verdict, &"x<".repeat(reason / 2));
    });
    sample.done();
    sample
}

#[test]
fn a_large_run_keeps_every_verdict_and_gives_up_texts_with_a_notice() {
    let xml = within(&many(300, 900, Verdict::Failed), 250_000);
    assert!(xml.len() < 250_000);
    let report = read(&xml);
    let suite = &report.test_suites[0];
    assert_eq!((suite.tests, suite.failures), (300, 300));
    let cut =
        suite.test_cases.iter().filter(|case| said(case).2 == NO_ROOM && said(case).3 == NO_ROOM).count();
    assert!(cut > 0 && cut < 300, "{cut}");
    assert_ne!(said(&suite.test_cases[0]).2, NO_ROOM);
}

#[test]
fn a_larger_run_leaves_out_what_passed_before_what_did_not() {
    let mut gates: Vec<_> = (0..500).map(|at| gate(&format!("gate-{at}"), "tcp")).collect();
    gates.push(gate("last", "tcp"));
    let mut sample = Sample::new(gates);
    for at in 0..500 {
        sample.end(&format!("gate-{at}"), Verdict::Passed, "");
    }
    sample.end("last", Verdict::Failed, "no").done();
    let xml = within(&sample, 60_000);
    assert!(xml.len() < 60_000);
    let report = read(&xml);
    let infra = suite(&report, "single-host-ubuntu infra");
    assert_eq!(infra.failures, 1);
    let left_out = &suite(&report, "single-host-ubuntu run").test_cases[0];
    let (kind, _, message, _) = said(left_out);
    let expected =
        format!("{} gates that passed are not listed: this report is at its size limit", 501 - infra.tests);
    assert_eq!((kind, message), ("skipped", expected));

    let report = read(&within(&many(500, 10, Verdict::Failed), 60_000));
    let left_out = &suite(&report, "single-host-ubuntu run").test_cases[0];
    assert_eq!((said(left_out).0, left_out.name.as_str()), ("error", "left-out-failed"));
}

#[test]
fn a_message_is_no_longer_than_an_annotation_can_be() {
    let report = read(&written(&many(1, 100_000, Verdict::Failed)));
    let (_, _, message, text) = said(&report.test_suites[0].test_cases[0]);
    assert_eq!(message.chars().count(), 4096);
    assert!(text.chars().count() < 20_000);
    assert!(
        text.ends_with("gate infra::gate-0 at gates/single-host.toml:42\n    at gates(single-host.toml:42)")
    );
}

/// The attempts before the last one of a case: kind and message.
fn before(case: &ReadCase) -> Vec<(&'static str, String)> {
    let runs = match &case.status {
        TestCaseStatus::Success { flaky_runs } => flaky_runs,
        TestCaseStatus::NonSuccess { reruns, .. } => &reruns.runs,
        TestCaseStatus::Skipped { .. } => return Vec::new(),
    };
    let kind = |kind| match kind {
        quick_junit::NonSuccessKind::Failure => "failure",
        quick_junit::NonSuccessKind::Error => "error",
    };
    runs.iter().map(|run| (kind(run.kind), run.message.as_ref().unwrap().as_str().to_owned())).collect()
}

#[test]
fn attempts_are_told_of_what_passed_in_the_end_and_of_what_did_not() {
    let mut sample = Sample::new(vec![gate("flaky", "tcp"), gate("red", "tcp"), gate("unsaid", "tcp")]);
    sample.flaky("flaky", 3);
    sample.begin("red").again("red", 1);
    sample.end_with("red", Verdict::Inconclusive, "no data", |ended| ended.attempts = 2);
    sample.end_with("unsaid", Verdict::Passed, "", |ended| ended.attempts = 2).done();
    let report = read(&written(&sample));
    let suite = &report.test_suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors), (3, 0, 1));
    let told: Vec<_> = suite.test_cases.iter().map(|case| (said(case).0, before(case))).collect();
    let attempt = |number| ("failure", format!("attempt {number} failed after 0.01 s: not yet"));
    let unsaid = "an attempt before did not pass, and it is not on record why".to_owned();
    let expected = [
        ("passed", vec![attempt(1), attempt(2)]),
        ("error", vec![attempt(1)]),
        ("passed", vec![("error", unsaid)]),
    ];
    assert_eq!(told, expected);
    let out = suite.test_cases[0].system_out.as_ref().unwrap().as_str();
    assert_eq!(
        out,
        "passed at attempt 3\nattempt 1 failed after 0.01 s: not yet\nattempt 2 failed after 0.01 s: not yet"
    );
    let text = said(&suite.test_cases[1]).3;
    assert!(text.contains("attempts: 2\nattempt 1 failed after 0.01 s: not yet\n"), "{text}");
}

#[test]
fn of_many_attempts_the_first_and_the_last_are_told() {
    let mut sample = Sample::new(vec![gate("flaky", "tcp")]);
    sample.flaky("flaky", 1_000).done();
    let report = read(&written(&sample));
    let case = &report.test_suites[0].test_cases[0];
    let told = before(case);
    assert_eq!(told.len(), ATTEMPTS);
    assert!(told[4].1.starts_with("attempt 5 ") && told[5].1.starts_with("attempt 995 "), "{told:?}");
    let out = case.system_out.as_ref().unwrap().as_str();
    assert!(out.chars().count() <= EXCERPT_OF_PASS, "{out}");
}

#[test]
fn a_flaky_gate_is_red_where_flaky_ones_count() {
    let mut sample = Sample::new(vec![gate("flaky", "tcp"), gate("fine", "tcp")]);
    sample.started.fail_on_flaky = true;
    sample.flaky("flaky", 2).end("fine", Verdict::Passed, "").done();
    let report = read(&written(&sample));
    assert_eq!(report.test_suites.len(), 1, "its own case shows why the run is not good");
    let case = &report.test_suites[0].test_cases[0];
    let (kind, ty, message, text) = said(case);
    assert_eq!((kind, ty.as_str()), ("failure", "GateFlaky"));
    insta::assert_snapshot!(message, @"passed only at attempt 2, which --fail-on-flaky counts as failed; attempt 1 failed after 0.01 s: not yet");
    assert!(text.ends_with("    at gates(single-host.toml:42)"), "{text}");
}

#[test]
fn no_more_cases_are_listed_than_gitlab_takes() {
    let records = many(300, 4, Verdict::Passed).records();
    let view = RunView::of(&records).unwrap();
    let report = read(&junit_within(&view, Limits { cases: 100, ..LIMITS }));
    assert_eq!(report.test_suites[0].tests, 100);
    let left_out = &report.test_suites[1].test_cases[0];
    assert_eq!(said(left_out).2, "200 gates that passed are not listed: this report is at its size limit");
    assert_eq!(junit_cut(&view), None);
}

#[test]
fn odd_times_do_not_stop_the_writer() {
    for millis in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        let mut sample = Sample::new(vec![gate("one", "tcp"), gate("two", "tcp")]);
        sample.started.started = crate::model::Stamp::from_millis(i64::MIN);
        for name in ["one", "two"] {
            sample.end_with(name, Verdict::Passed, "", |ended| ended.duration_ms = millis);
        }
        read(&written(sample.done()));
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_document_that_can_be_read(texts in prop::array::uniform6(any::<String>())) {
        let [environment, reason, excerpt, file, source, host] = texts;
        let mut one = gate("one", "tcp");
        one.at.file = file;
        one.expect = source.clone();
        let mut sample = Sample::new(vec![one]);
        (sample.started.environment, sample.started.host) = (environment, host);
        sample.end_with("one", Verdict::Failed, &reason, |ended| {
            ended.excerpt = excerpt.clone();
            ended.observations = vec![observation(&source, Reading::text(source.clone()))];
        });
        let report = read(&written(sample.done()));
        prop_assert_eq!(report.test_suites[0].failures, 1);
        let case = &report.test_suites[0].test_cases[0];
        if !reason.is_empty() {
            let message = said(case).2;
            prop_assert!(message == visible(&reason) || message.ends_with("(cut)"));
        }
        let out = case.system_out.as_ref().map(|out| out.as_str().to_owned()).unwrap_or_default();
        let excerpt = cut(&excerpt, EXCERPT);
        let expected = lines(&excerpt);
        // quick-junit's reader trims.
        prop_assert_eq!(out.trim(), expected.trim());
    }
}
