//! Tests of the renderings. What is rendered comes of real verifications.

use super::*;
use crate::verify::{Code, Mode, Seconds};
use crate::verify::{Rules, Source, verify};
use proptest::prelude::*;

const CUTOVER: &str = include_str!("../../tests/verify/success/ctp_cutover_result.env");
const ROLLBACK: &str = include_str!("../../tests/verify/success/ctp_rollback_result.env");
const PATHS: [&str; 2] = ["docs/results/ctp_cutover_result.env", "docs/results/ctp_rollback_result.env"];

fn rules(level: Level) -> Rules {
    let max_rollback: Seconds = "180".parse().unwrap();
    Rules {
        level,
        mode: Mode::Cutover,
        allow_dry_run: false,
        allow_partial: false,
        fail_on_flaky: false,
        max_rollback,
        since: None,
    }
}

fn verified_as(paths: [&str; 2], cutover: &str, rollback: &str, level: Level) -> Verification {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: Ok(text.to_owned()) };
    verify(&source(paths[0], cutover), &source(paths[1], rollback), &rules(level))
}

fn verified(cutover: &str, rollback: &str) -> Verification {
    verified_as(PATHS, cutover, rollback, Level::Strict)
}

fn read(of: &Verification) -> quick_junit::Report {
    let written = String::from_utf8(junit(of, Stamp::from_millis(1_795_376_463_120)).unwrap()).unwrap();
    quick_junit::Report::deserialize_from_str(&written)
        .unwrap_or_else(|error| panic!("{error} in:\n{written}"))
}

fn is_skipped(case: &quick_junit::TestCase) -> bool {
    matches!(case.status, quick_junit::TestCaseStatus::Skipped { .. })
}

#[test]
fn a_refusal_has_a_line_for_each_finding() {
    let cutover = CUTOVER.replace("STEP_2_EXIT_CODE=0", "STEP_2_EXIT_CODE=7");
    let rollback = ROLLBACK.replace("CUTPROOF_RUN_ID=20260212", "CUTPROOF_RUN_ID=20260211");
    insta::assert_snapshot!(refusal(&verified(&cutover, &rollback)), @r"
    ctp cutover evidence verification failed: exit-code docs/results/ctp_cutover_result.env:22: STEP_2_EXIT_CODE must be 0 where STEP_2_STATUS is ok; seen: 7
      other-run docs/results/ctp_rollback_result.env:15: this is another run's file: CUTPROOF_RUN_ID must be 20260212T040000Z-cutover-4f7k2q, the cutover file's run; seen: 20260211T040000Z-cutover-4f7k2q
    ");
}

#[test]
fn a_good_pair_is_all_green_in_junit() {
    let report = read(&verified(CUTOVER, ROLLBACK));
    let suite = &report.test_suites[0];
    let groups = Group::ALL.iter().filter(|group| **group <= Group::Pair).count();
    assert_eq!((suite.tests, suite.failures, suite.errors), (groups, 0, 0));
    assert!(!suite.test_cases.iter().any(is_skipped));
}

#[test]
fn what_was_not_judged_is_not_green_in_junit() {
    let broken = CUTOVER.replace("CUTOVER_SUCCESS=true", "CUTOVER_SUCCESS=maybe");
    for of in [verified(&broken, ROLLBACK), verified("", ""), {
        let gone = crate::template::FileFault::NotFound;
        let gone = Source { path: PATHS[0].to_owned(), text: Err(gone) };
        let there = Source { path: PATHS[1].to_owned(), text: Ok(ROLLBACK.to_owned()) };
        verify(&gone, &there, &rules(Level::Strict))
    }] {
        let report = read(&of);
        let cases = &report.test_suites[0].test_cases;
        let green =
            cases.iter().filter(|case| matches!(case.status, quick_junit::TestCaseStatus::Success { .. }));
        let green: Vec<_> = green.map(|case| case.name.as_str()).collect();
        for judged_later in ["outcome", "claim", "times", "rollback", "pair"] {
            assert!(!green.contains(&judged_later), "{green:?}");
        }
        assert!(report.test_suites[0].failures > 0);
    }
}

#[test]
fn what_a_level_does_not_ask_for_is_skipped_in_junit() {
    let report = read(&verified_as(PATHS, CUTOVER, ROLLBACK, Level::Contract));
    let skipped: Vec<_> = report.test_suites[0]
        .test_cases
        .iter()
        .filter(|case| is_skipped(case))
        .map(|case| &*case.name)
        .collect();
    assert_eq!(skipped, ["times"]);
}

#[test]
fn warnings_are_told_in_junit_and_are_green() {
    let report = read(&verified(CUTOVER, &ROLLBACK.replace("CUTPROOF_RUN_ID", "OTHER")));
    let suite = &report.test_suites[0];
    assert_eq!(suite.failures, 0);
    let told = suite.test_cases.iter().find(|case| case.name.as_str().starts_with("no-run-id ")).unwrap();
    assert!(told.system_out.as_ref().unwrap().as_str().contains("left over from another run"));
}

#[test]
fn a_finding_in_junit_leads_to_its_line() {
    let report = read(&verified(&CUTOVER.replace("STEP_2_EXIT_CODE=0", "STEP_2_EXIT_CODE=7"), ROLLBACK));
    let case =
        report.test_suites[0].test_cases.iter().find(|case| case.name.as_str().starts_with("exit-code"));
    let quick_junit::TestCaseStatus::NonSuccess { description, message, .. } = &case.unwrap().status else {
        panic!("{case:?}");
    };
    let (description, message) = (description.as_ref().unwrap().as_str(), message.as_ref().unwrap().as_str());
    assert!(description.starts_with(message), "{description}");
    assert!(description.contains("\n    at docs.results(ctp_cutover_result.env:22)"), "{description}");
}

#[test]
fn names_in_junit_are_there_once() {
    let lines: String = (0..300).map(|_| "=x\n").collect();
    let of = verified(&format!("{CUTOVER}{lines}"), ROLLBACK);
    let report = read(&of);
    let mut names: Vec<_> = report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.contains(&"empty-key (not listed errors)"), "{names:?}");
    assert!(refusal(&of).ends_with("\n  empty-key: 200 more of these"));
}

#[test]
fn github_gets_ten_annotations_of_a_kind_at_most() {
    let pair = |errors: usize| {
        let lines: String = (0..errors).map(|_| "=x\n").collect();
        github(&verified(&format!("{CUTOVER}{lines}"), ROLLBACK))
    };
    assert_eq!(pair(0), "");
    assert_eq!(pair(10).lines().count(), 10);
    assert!(!pair(10).contains("more findings"));
    let many = pair(500);
    assert_eq!(many.lines().count(), 10);
    assert!(
        many.ends_with("::error title=cutproof verify::491 more findings: see the log of this step\n"),
        "{many}"
    );
}

#[test]
fn github_gets_the_file_and_the_line_with_everything_escaped() {
    let cutover = CUTOVER.replace("CUTOVER_SUCCESS=true", "CUTOVER_SUCCESS=100%::error::x ##[add-mask]y");
    let of = verified_as(["a,b:c.env", PATHS[1]], &cutover, ROLLBACK, Level::Strict);
    insta::assert_snapshot!(github(&of), @r"
    ::error file=a%2Cb%3Ac.env,line=5,title=bad-boolean::CUTOVER_SUCCESS must be true or false; seen: 100%25::error::x #\#[add-mask]y
    ");
}

#[test]
fn json_says_all_of_a_finding_and_has_a_version() {
    let of = verified(&CUTOVER.replace("STEP_2_EXIT_CODE=0", "STEP_2_EXIT_CODE=7"), ROLLBACK);
    insta::assert_snapshot!(json(&of), @r#"
    {
      "projection": "verification",
      "version": 1,
      "verdict": "refused",
      "level": "strict",
      "mode": "cutover",
      "allow_dry_run": false,
      "max_rollback_seconds": "180",
      "since": null,
      "cutover_evidence_file": "docs/results/ctp_cutover_result.env",
      "rollback_evidence_file": "docs/results/ctp_rollback_result.env",
      "findings": [
        {
          "code": "exit-code",
          "group": "steps",
          "severity": "error",
          "evidence": "cutover",
          "file": "docs/results/ctp_cutover_result.env",
          "line": 22,
          "subject": "STEP_2_EXIT_CODE",
          "meaning": null,
          "expected": "0 where STEP_2_STATUS is ok",
          "seen": "7",
          "advice": null
        }
      ],
      "not_listed": []
    }
    "#);
}

proptest! {
    #[test]
    fn nothing_that_stands_in_a_file_gets_out_of_its_place(
        value in any::<String>(),
        path in any::<String>(),
        marks in prop::sample::select(vec!["", "]]>", "<a>&", "\n::error::x", "##vso[x]", "\u{1b}[2J", "\u{202e}"]),
    ) {
        let value = format!("{value}{marks}");
        let cutover = CUTOVER.replace("CUTOVER_SUCCESS=true", &format!("CUTOVER_SUCCESS={value}"));
        let cutover = cutover.replace("CUTOVER_ENV=", &format!("CUTOVER_ENV={marks}"));
        let of = verified_as([&path, PATHS[1]], &cutover, ROLLBACK, Level::Strict);
        let text = refusal(&of);
        prop_assert_eq!(text.lines().count(), of.errors().count());
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains("##"));
        for line in github(&of).lines() {
            prop_assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{}", line);
            prop_assert!(!line.contains("##"));
        }
        let written = json(&of);
        let document: serde_json::Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&document["cutover_evidence_file"], &serde_json::Value::from(path.as_str()));
        prop_assert!(!written.contains("##"));
        let report = read(&of);
        prop_assert_eq!(report.test_suites[0].failures, of.errors().count());
    }
}

#[test]
fn a_code_that_is_only_counted_as_a_warning_refuses_nothing() {
    let lines: String = (0..300).map(|number| format!("stray {number}\n")).collect();
    let of = verified(&format!("{CUTOVER}{lines}"), ROLLBACK);
    assert!(of.passed() && of.more.iter().any(|more| more.code == Code::LineWithoutKey));
    assert_eq!(read(&of).test_suites[0].failures, 0);
    assert!(github(&of).lines().all(|line| line.starts_with("::warning ")));
}
