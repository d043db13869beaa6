//! What a verification found, for a person, for programs, for CI that reads JUnit and for GitHub's annotations. What
//! is quoted of the evidence is nobody's word: everything is escaped for where it goes.

use crate::evidence::text::{cdata, cut, visible};
use crate::evidence::{JunitError, stack};
use crate::model::Stamp;
use crate::verify::{Code, Finding, Group, Level, More, Severity, Verification};
use junit_report::{Duration, OffsetDateTime, Report, TestCase, TestResult, TestSuite};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The version of the JSON document: it goes up when a key changes its meaning or goes.
pub const VERSION: u32 = 1;
/// GitHub shows so many annotations of a kind for a step.
const ANNOTATIONS: usize = 10;
/// The longest path, in characters.
const FILE: usize = 500;

/// What is told where the evidence holds.
pub fn passed(of: &Verification) -> String {
    let [cutover, rollback] = &of.paths;
    format!("verification passed: {cutover} {rollback}\n")
}

/// What is told where it does not, behind `error: `: a line for each finding.
pub fn refusal(of: &Verification) -> String {
    let counted = of.more.iter().filter(|more| more.severity == Severity::Error);
    let lines = of.errors().map(line).chain(counted.map(more));
    format!("ctp cutover evidence verification failed: {}", lines.collect::<Vec<_>>().join("\n  "))
}

/// A finding in a line: its code, where it is, what must be and what is.
pub fn line(finding: &Finding) -> String {
    format!("{} {}: {}", finding.code, place(finding), sentence(finding))
}

fn more(more: &More) -> String {
    format!("{}: {} more of these", more.code, more.count)
}

/// `FILE:LINE`, or the file alone.
fn place(finding: &Finding) -> String {
    let file = file(finding);
    finding.line.map_or(file.clone(), |line| format!("{file}:{line}"))
}

fn file(finding: &Finding) -> String {
    plain(&cut(&visible(&finding.file), FILE))
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
fn plain(text: &str) -> String {
    text.replace("##", "#\\#")
}

/// A JSON document; its keys are in docs/evidence.md.
pub fn json(of: &Verification) -> String {
    let [cutover, rollback] = &of.paths;
    let document = json!({
        "projection": "verification",
        "version": VERSION,
        "verdict": if of.passed() { "passed" } else { "refused" },
        "level": of.rules.level.as_str(),
        "mode": of.rules.mode.as_str(),
        "allow_dry_run": of.rules.allow_dry_run,
        "max_rollback_seconds": of.rules.max_rollback.text,
        "since": of.rules.since,
        "cutover_evidence_file": cutover,
        "rollback_evidence_file": rollback,
        "findings": of.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "not_listed": of.more.iter().map(more_json).collect::<Vec<_>>(),
    });
    // Within a string, where alone it can stand, this is the same character.
    format!("{document:#}\n").replace("##", "#\\u0023")
}

fn more_json(more: &More) -> Value {
    json!({ "code": more.code.as_str(), "severity": more.severity.as_str(), "count": more.count })
}

fn finding_json(finding: &Finding) -> Value {
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

/// Workflow commands that become annotations: GitHub shows ten errors and ten warnings of a step, so where there are
/// more the tenth sums up the rest.
pub fn github(of: &Verification) -> String {
    annotations(of, Severity::Error) + &annotations(of, Severity::Warning)
}

fn annotations(of: &Verification, severity: Severity) -> String {
    let kind = severity.as_str();
    let findings: Vec<_> = of.findings.iter().filter(|finding| finding.severity == severity).collect();
    let counted: usize = of.more.iter().filter(|more| more.severity == severity).map(|more| more.count).sum();
    let total = findings.len() + counted;
    let told = if total > ANNOTATIONS { ANNOTATIONS - 1 } else { total };
    let mut lines: String = findings.iter().take(told).map(|finding| annotation(kind, finding)).collect();
    if total > told {
        let left = total - told;
        // Writing to a String can't fail.
        let _ =
            writeln!(lines, "::{kind} title=cutproof verify::{left} more findings: see the log of this step");
    }
    lines
}

fn annotation(kind: &str, finding: &Finding) -> String {
    let line = finding.line.map_or(String::new(), |line| format!(",line={line}"));
    let (file, title) = (property(&file(finding)), finding.code);
    format!("::{kind} file={file}{line},title={title}::{}\n", data(&sentence(finding)))
}

/// As GitHub's own toolkit escapes the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As GitHub's own toolkit escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A JUnit report: a case for each finding, and one for each group of rules without any. A group that was not asked
/// for, or could not be judged since values it needs are not there, is skipped and not green.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub fn junit(of: &Verification, now: Stamp) -> Result<Vec<u8>, JunitError> {
    let mut names = Names::default();
    let mut cases = Vec::new();
    for group in Group::ALL {
        let before = cases.len();
        let findings = of.findings.iter().filter(|finding| finding.code.group() == group);
        cases.extend(findings.map(|finding| finding_case(finding, &mut names)));
        let more = of.more.iter().filter(|more| more.code.group() == group);
        cases.extend(more.map(|more| more_case(of, more)));
        if cases[before..].iter().all(|case| matches!(case.result, TestResult::Success)) {
            cases.push(group_case(of, group));
        }
    }
    let suite = TestSuite {
        name: format!("cutover evidence ({})", of.rules.level.as_str()),
        package: "cutproof".to_owned(),
        timestamp: moment(now),
        hostname: "localhost".to_owned(),
        testcases: cases,
        system_out: None,
        system_err: None,
    };
    let mut report = Report::new();
    report.add_testsuite(suite);
    let mut out = Vec::new();
    report.write_xml(&mut out)?;
    out.push(b'\n');
    Ok(out)
}

/// Readers of JUnit take two cases of one name for one.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(&mut self, finding: &Finding) -> String {
        let subject = visible(&finding.subject);
        let name = format!("{} {} ({})", finding.code, subject, finding.evidence.as_str());
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} {count}") }
    }
}

fn case(name: &str, group: Group, file: String) -> TestCase {
    let mut case = TestCase::success(name, Duration::ZERO);
    case.classname = Some(format!("cutproof.verify.{}", group.as_str()));
    case.filepath = Some(file);
    case
}

/// A warning is a case that passed and has something to say.
fn finding_case(finding: &Finding, names: &mut Names) -> TestCase {
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

fn more_case(of: &Verification, counted: &More) -> TestCase {
    let name = format!("{} (not listed {}s)", counted.code, counted.severity.as_str());
    let mut case = case(&name, counted.code.group(), first_file(of));
    let message = more(counted);
    if counted.severity == Severity::Error {
        let cause = Some(message.clone());
        case.result = TestResult::Failure { type_: "EvidenceRefused".to_owned(), message, cause };
    } else {
        case.system_out = Some(message);
    }
    case
}

/// The file of what concerns both.
fn first_file(of: &Verification) -> String {
    cut(&visible(&of.paths[0]), FILE).into_owned()
}

fn group_case(of: &Verification, group: Group) -> TestCase {
    let mut case = case(group.as_str(), group, first_file(of));
    if let Some(why) = not_judged(of, group) {
        let cause = Some(why.to_owned());
        case.result =
            TestResult::SkippedWithCause { type_: "NotJudged".to_owned(), message: why.to_owned(), cause };
    }
    case
}

/// Why a group of rules without a finding says nothing all the same.
fn not_judged(of: &Verification, group: Group) -> Option<&'static str> {
    let stands = |groups: &[Group]| of.errors().any(|finding| groups.contains(&finding.code.group()));
    let unfinished = of.errors().any(|finding| finding.code == Code::RunUnfinished);
    let unread =
        |finding: &Finding| matches!(finding.code, Code::EvidenceNotFound | Code::EvidenceUnreadable);
    if group != Group::File && of.errors().any(unread) {
        Some("not judged: a file could not be read")
    } else if group == Group::Times && of.rules.level == Level::Contract {
        Some("not asked for at --level contract")
    } else if group > Group::Values && stands(&[Group::Values]) {
        Some("not wholly judged: values that it needs are missing or malformed")
    } else if group > Group::Run && group != Group::Values && unfinished {
        Some("not wholly judged: the run did not finish")
    } else if group == Group::Outcome && stands(&[Group::Values, Group::Run]) {
        Some("not wholly judged: see what else was found")
    } else {
        None
    }
}

/// To the second, in the years that RFC 3339 can write: the writer can't refuse.
fn moment(now: Stamp) -> OffsetDateTime {
    let seconds = now.millis().div_euclid(1000).clamp(0, 253_402_300_799);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
