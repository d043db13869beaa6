//! Findings as they are shown to a person, to programs, to CI that reads JUnit and as GitHub's annotations: the same
//! words everywhere. What is quoted of evidence is nobody's word: everything is escaped for where it goes.

use super::annotations::{self, Annotation, Kind};
use crate::evidence::stack;
use crate::evidence::text::{cdata, cut, visible};
use crate::model::Stamp;
use crate::verify::{Finding, Group, More, Severity};
use junit_report::{Duration, OffsetDateTime, Report, TestCase, TestResult, TestSuite};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The longest path, in characters.
const FILE: usize = 500;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JunitError(#[from] junit_report::Error);

/// A finding in a line: its code, where it is, what must be and what is.
pub(super) fn line(finding: &Finding) -> String {
    format!("{} {}: {}", finding.code, place(finding), sentence(finding))
}

/// How many more there are of a code.
pub(super) fn more(more: &More) -> String {
    format!("{}: {} more of these", more.code, more.count)
}

/// `FILE:LINE`, or the file alone.
fn place(finding: &Finding) -> String {
    let file = file(finding);
    finding.line.map_or(file.clone(), |line| format!("{file}:{line}"))
}

fn file(finding: &Finding) -> String {
    path(&finding.file)
}

/// A path as it is shown.
pub(super) fn path(path: &str) -> String {
    plain(&cut(&visible(path), FILE))
}

fn sentence(finding: &Finding) -> String {
    let must = match finding.severity {
        Severity::Error => "must",
        Severity::Warning => "should",
    };
    let Finding { subject, expected, seen, .. } = finding;
    let meaning = finding.code.meaning().map_or(String::new(), |meaning| format!("{meaning}: "));
    let advice = finding.advice.as_ref().map_or(String::new(), |advice| format!("; {advice}"));
    plain(&visible(&format!("{meaning}{subject} {must} be {expected}; seen: {seen}{advice}")))
}

/// A text in which no runner of pipelines sees a command of its own: GitHub's old form `##[…]` and Azure's `##vso[…]`
/// count anywhere in a line.
pub(super) fn plain(text: &str) -> String {
    // Twice: in `###` the second pair begins in the middle of the first.
    text.replace("##", "#\\#").replace("##", "#\\#")
}

/// A JSON document as text: `##` within a string, where alone it can stand, is written so that no runner of pipelines
/// sees a command.
pub(super) fn document(text: &str) -> String {
    text.replace("##", "#\\u0023")
}

/// Counted findings as JSON.
pub(super) fn more_json(more: &More) -> Value {
    json!({ "code": more.code.as_str(), "severity": more.severity.as_str(), "count": more.count })
}

/// A finding as JSON; its keys are in docs/evidence.md.
pub(super) fn finding_json(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "group": finding.code.group().as_str(),
        "severity": finding.severity.as_str(),
        "evidence": finding.evidence.as_str(),
        "file": finding.file,
        "line": finding.line,
        "subject": finding.subject,
        "meaning": finding.code.meaning(),
        "expected": finding.expected,
        "seen": finding.seen,
        "advice": finding.advice,
    })
}

/// Workflow commands for findings of a severity: ten at most, as many as GitHub shows.
pub(super) fn annotations<'f>(
    findings: impl IntoIterator<Item = &'f Finding>,
    more: impl IntoIterator<Item = &'f More>,
    severity: Severity,
) -> String {
    let of_severity = findings.into_iter().filter(|finding| finding.severity == severity);
    let told: Vec<_> = of_severity.map(annotation).collect();
    let counted = more.into_iter().filter(|more| more.severity == severity).map(|more| more.count).sum();
    annotations::lines(kind(severity), &told, counted, "cutproof verify")
}

/// A finding at its place in a file.
pub(super) fn annotation(finding: &Finding) -> Annotation {
    Annotation {
        file: Some(file(finding)),
        line: finding.line,
        title: finding.code.to_string(),
        message: sentence(finding),
    }
}

fn kind(severity: Severity) -> Kind {
    match severity {
        Severity::Error => Kind::Error,
        Severity::Warning => Kind::Warning,
    }
}

/// Readers of JUnit take two cases of one name for one.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(&mut self, finding: &Finding) -> String {
        let subject = visible(&finding.subject);
        let name = format!("{} {} ({})", finding.code, subject, finding.evidence.as_str());
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} {count}") }
    }
}

/// A case of a group that passed.
pub(super) fn case(name: &str, group: Group, file: String) -> TestCase {
    let mut case = TestCase::success(name, Duration::ZERO);
    case.classname = Some(format!("cutproof.verify.{}", group.as_str()));
    case.filepath = Some(file);
    case
}

/// A warning is a case that passed and has something to say.
pub(super) fn finding_case(finding: &Finding, names: &mut Names) -> TestCase {
    let mut case = case(&names.of(finding), finding.code.group(), file(finding));
    let text = format!("{}\n\n{}\n", line(finding), trace(finding));
    match finding.severity {
        Severity::Error => {
            let (message, cause) = (line(finding), Some(cdata(&text).into_owned()));
            case.result = TestResult::Failure { type_: "EvidenceRefused".to_owned(), message, cause };
        }
        Severity::Warning => case.system_out = Some(cdata(&text).into_owned()),
    }
    case
}

fn trace(finding: &Finding) -> String {
    let line = finding.line.unwrap_or(1);
    format!("at {}\n    at {}", place(finding), stack(&file(finding), line))
}

/// Findings that are only counted, of this file.
pub(super) fn more_case(counted: &More, file: String) -> TestCase {
    let name = format!("{} (not listed {}s)", counted.code, counted.severity.as_str());
    let mut case = case(&name, counted.code.group(), file);
    let message = more(counted);
    if counted.severity == Severity::Error {
        let cause = Some(message.clone());
        case.result = TestResult::Failure { type_: "EvidenceRefused".to_owned(), message, cause };
    } else {
        case.system_out = Some(message);
    }
    case
}

/// A suite of cases.
pub(super) fn suite(name: String, now: Stamp, cases: Vec<TestCase>) -> TestSuite {
    TestSuite {
        name,
        package: "cutproof".to_owned(),
        timestamp: moment(now),
        hostname: "localhost".to_owned(),
        testcases: cases,
        system_out: None,
        system_err: None,
    }
}

/// A report of suites.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub(super) fn report(suites: impl IntoIterator<Item = TestSuite>) -> Result<Vec<u8>, JunitError> {
    let mut report = Report::new();
    suites.into_iter().for_each(|suite| report.add_testsuite(suite));
    let mut out = Vec::new();
    report.write_xml(&mut out)?;
    out.push(b'\n');
    Ok(out)
}

/// To the second, in the years that RFC 3339 can write: the writer can't refuse.
fn moment(now: Stamp) -> OffsetDateTime {
    let seconds = now.millis().div_euclid(1000).clamp(0, 253_402_300_799);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
