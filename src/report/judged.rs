//! What came of judging runs and files one by one, for a person, for programs, for CI that reads JUnit and for GitHub's
//! annotations. Many of them are shown one after another, so that none but the last has to be in memory.

use super::findings::JunitError;
use super::findings::{
    self, Names, annotations, case, document, finding_case, finding_json, more_case, more_json, plain,
};
use crate::model::Stamp;
use crate::verify::{Class, Finding, Group, Judged, More, Severity};
use serde_json::json;
use std::fmt::Write as _;

/// The version of the JSON document: it goes up when a key changes its meaning or goes.
pub const VERSION: u32 = 1;

/// The word for what came of it.
pub fn word(class: Option<Class>) -> &'static str {
    match class {
        None => "passed",
        Some(Class::Inconclusive) => "inconclusive",
        Some(Class::Missing) => "missing",
        Some(Class::Refused) => "refused",
        Some(Class::Tampered) => "tampered",
    }
}

/// How many were judged, and as what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that hold.
    pub passed: usize,
    /// Those that say that something is not as it must be.
    pub refused: usize,
    /// Those that lack something.
    pub missing: usize,
    /// Those that are not as they were written.
    pub tampered: usize,
    /// Those that this cutproof can't judge.
    pub inconclusive: usize,
    /// The worst of them.
    pub class: Option<Class>,
}

impl Totals {
    /// Counts one.
    pub fn add(&mut self, class: Option<Class>) {
        let count = match class {
            None => &mut self.passed,
            Some(Class::Refused) => &mut self.refused,
            Some(Class::Missing) => &mut self.missing,
            Some(Class::Tampered) => &mut self.tampered,
            Some(Class::Inconclusive) => &mut self.inconclusive,
        };
        *count += 1;
        self.class = self.class.max(class);
    }

    /// How many there are.
    pub fn all(&self) -> usize {
        self.passed + self.refused + self.missing + self.tampered + self.inconclusive
    }

    /// In a line: what is none is not told.
    pub fn line(&self) -> String {
        let counts = [
            (self.passed, None),
            (self.refused, Some(Class::Refused)),
            (self.missing, Some(Class::Missing)),
            (self.tampered, Some(Class::Tampered)),
            (self.inconclusive, Some(Class::Inconclusive)),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, class)| format!("{count} {}", word(*class))).collect::<Vec<_>>().join(", ")
    }
}

fn name(of: &Judged) -> String {
    findings::path(&of.path)
}

/// What is told of one that holds.
pub fn passed(of: &Judged) -> String {
    format!("verification passed: {}\n", name(of))
}

/// What is told of one that does not, behind `error: `: a line for each finding.
pub fn refusal(of: &Judged) -> String {
    let told = of.findings.iter().filter(|finding| finding.severity == Severity::Error).map(findings::line);
    let counted = of.more.iter().filter(|more| more.severity == Severity::Error).map(findings::more);
    let lines: Vec<_> = told.chain(counted).collect();
    format!("{} {}: {}\n  {}", of.kind, word(of.class()), name(of), lines.join("\n  "))
}

/// What is only told, a line each.
pub fn warnings(of: &Judged) -> impl Iterator<Item = String> {
    of.findings.iter().filter(|finding| finding.severity == Severity::Warning).map(findings::line)
}

/// One of many, in a line: what came of it, its path, and of one that does not hold what counts most.
pub fn line(of: &Judged) -> String {
    let class = of.class();
    let mut line = format!("{:<12} {}", word(class), name(of));
    let errors = || of.findings.iter().filter(|finding| finding.severity == Severity::Error);
    if let Some(first) = errors().find(|finding| Some(finding.code.class()) == class) {
        let counted = of.more.iter().filter(|more| more.severity == Severity::Error);
        let others = errors().count() + counted.map(|more| more.count).sum::<usize>() - 1;
        // Writing to a String can't fail.
        let _ = write!(line, "  {}", findings::line(first));
        if others > 0 {
            let _ = write!(line, " (and {others} more)");
        }
    }
    line.push('\n');
    line
}

/// How a JSON document of several begins; its keys are in docs/evidence.md.
pub fn json_opens() -> String {
    format!("{{\"projection\":\"judged\",\"version\":{VERSION},\"judged\":[")
}

/// One of a JSON document; `first` is the one behind [`json_opens`].
pub fn json_one(of: &Judged, first: bool) -> String {
    let one = json!({
        "kind": of.kind,
        "path": of.path,
        "run": of.run,
        "verdict": word(of.class()),
        "findings": of.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "not_listed": of.more.iter().map(more_json).collect::<Vec<_>>(),
    });
    document(&format!("{}\n{one}", if first { "" } else { "," }))
}

/// How a JSON document of several ends.
pub fn json_closes(totals: &Totals) -> String {
    let counts = json!({
        "passed": totals.passed,
        "refused": totals.refused,
        "missing": totals.missing,
        "tampered": totals.tampered,
        "inconclusive": totals.inconclusive,
    });
    format!("\n],\"counts\":{counts},\"verdict\":\"{}\"}}\n", word(totals.class))
}

/// Workflow commands that become annotations: GitHub shows ten errors and ten warnings of a step, so where there are
/// more the tenth sums up the rest.
pub fn github(of: &[Judged]) -> String {
    let findings = || -> Vec<&Finding> { of.iter().flat_map(|judged| &judged.findings).collect() };
    let more = || -> Vec<&More> { of.iter().flat_map(|judged| &judged.more).collect() };
    let all = |severity| annotations(findings(), more(), severity);
    all(Severity::Error) + &all(Severity::Warning)
}

/// A JUnit report: a suite for each, with a case for each finding; one that holds has a case that says so.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub fn junit(of: &[Judged], now: Stamp) -> Result<Vec<u8>, JunitError> {
    findings::report(of.iter().map(|judged| {
        let mut names = Names::default();
        let mut cases: Vec<_> =
            judged.findings.iter().map(|finding| finding_case(finding, &mut names)).collect();
        cases.extend(judged.more.iter().map(|more| more_case(more, name(judged))));
        if judged.class().is_none() {
            cases.push(case(&format!("{} holds", judged.kind), Group::Bundle, name(judged)));
        }
        findings::suite(plain(&format!("evidence {}", name(judged))), now, cases)
    }))
}

#[cfg(test)]
#[path = "judged_tests.rs"]
mod tests;
