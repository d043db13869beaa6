//! What a verification of the runbook's two files found, for a person, for programs, for CI that reads JUnit and for
//! GitHub's annotations.

use super::findings::JunitError;
use super::findings::{
    self, Names, annotations, case, finding_case, finding_json, more, more_case, more_json,
};
use crate::model::Stamp;
use crate::verify::{Code, Finding, Group, Level, Severity, Verification};
use junit_report::{TestCase, TestResult};
use serde_json::json;

/// The version of the JSON document: it goes up when a key changes its meaning or goes.
pub const VERSION: u32 = 1;

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
    findings::line(finding)
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
    findings::document(&format!("{document:#}\n"))
}

/// Workflow commands that become annotations: GitHub shows ten errors and ten warnings of a step, so where there are
/// more the tenth sums up the rest.
pub fn github(of: &Verification) -> String {
    let all = |severity| annotations(&of.findings, &of.more, severity);
    all(Severity::Error) + &all(Severity::Warning)
}

/// A JUnit report: a case for each finding, and one for each group of rules without any. A group that was not asked
/// for, or could not be judged since values it needs are not there, is skipped and not green.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub fn junit(of: &Verification, now: Stamp) -> Result<Vec<u8>, JunitError> {
    let mut names = Names::default();
    let mut cases = Vec::new();
    // The others are about runs, policies and signatures.
    for group in Group::ALL.into_iter().filter(|group| *group <= Group::Pair) {
        let before = cases.len();
        let findings = of.findings.iter().filter(|finding| finding.code.group() == group);
        cases.extend(findings.map(|finding| finding_case(finding, &mut names)));
        let more = of.more.iter().filter(|more| more.code.group() == group);
        cases.extend(more.map(|more| more_case(more, first_file(of))));
        if cases[before..].iter().all(|case| matches!(case.result, TestResult::Success)) {
            cases.push(group_case(of, group));
        }
    }
    let name = format!("cutover evidence ({})", of.rules.level.as_str());
    findings::report([findings::suite(name, now, cases)])
}

/// The file of what concerns both.
fn first_file(of: &Verification) -> String {
    findings::path(&of.paths[0])
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

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
