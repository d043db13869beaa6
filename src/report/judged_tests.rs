use super::*;
use crate::verify::{Code, Evidence};

fn finding(code: Code, severity: Severity, file: &str) -> Finding {
    Finding {
        code,
        severity,
        evidence: Evidence::Junit,
        file: file.to_owned(),
        line: None,
        subject: "the size".to_owned(),
        expected: "10 bytes".to_owned(),
        seen: "9 bytes ##[x]".to_owned(),
        advice: None,
    }
}

fn judged(findings: Vec<Finding>) -> Judged {
    let run = Some(crate::model::RunId::from_text("20261122T194103Z-cutover-4f7k2q"));
    Judged { kind: "run", path: "evidence/r".to_owned(), run, findings, more: Vec::new() }
}

#[test]
fn one_of_many_is_told_in_a_line_with_what_counts_most() {
    assert_eq!(line(&judged(Vec::new())), "passed       evidence/r\n");
    let bad = judged(vec![
        finding(Code::RunNotPassed, Severity::Error, "evidence/r/journal.jsonl"),
        finding(Code::FileTruncated, Severity::Error, "evidence/r/junit.xml"),
        finding(Code::RunUntold, Severity::Warning, "evidence/r/x"),
    ]);
    insta::assert_snapshot!(line(&bad), @r"
    tampered     evidence/r  file-truncated evidence/r/junit.xml: the size must be 10 bytes; seen: 9 bytes #\#[x] (and 1 more)
    ");
    insta::assert_snapshot!(refusal(&bad), @r"
    run tampered: evidence/r
      run-not-passed evidence/r/journal.jsonl: the size must be 10 bytes; seen: 9 bytes #\#[x]
      file-truncated evidence/r/junit.xml: the size must be 10 bytes; seen: 9 bytes #\#[x]
    ");
}

#[test]
fn json_of_several_is_one_document() {
    let mut totals = Totals::default();
    let all = [judged(Vec::new()), judged(vec![finding(Code::FileAdded, Severity::Error, "evidence/r/x")])];
    let mut text = json_opens();
    for one in &all {
        text.push_str(&json_one(one, totals.all() == 0));
        totals.add(one.class());
    }
    text.push_str(&json_closes(&totals));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["verdict"], "tampered");
    assert_eq!(document["counts"]["passed"], 1);
    assert_eq!(document["judged"][1]["findings"][0]["code"], "file-added");
    assert!(!text.contains("##"));
    assert_eq!(totals.line(), "1 passed, 1 tampered");
}

#[test]
fn junit_has_a_suite_for_each_and_a_case_for_what_holds() {
    let all = [
        judged(Vec::new()),
        judged(vec![finding(Code::FileAdded, Severity::Error, "evidence/r/x")]),
        judged(vec![finding(Code::RunUntold, Severity::Warning, "evidence/r/x")]),
    ];
    let text = String::from_utf8(junit(&all, Stamp::from_millis(0)).unwrap()).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let counts: Vec<_> = report.test_suites.iter().map(|suite| (suite.tests, suite.failures)).collect();
    assert_eq!(counts, [(1, 0), (1, 1), (2, 0)]);
    assert!(github(&all).starts_with("::error file=evidence/r/x,title=file-added::"));
}
