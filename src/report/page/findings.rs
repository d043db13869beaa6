//! All findings, in the order in which verification tells them.

use super::said::{PATH, REASON, VALUE};
use super::{Said, said};
use crate::verify::decision::{GateRow, GateStatus, Judgement};
use crate::verify::{Finding, Group, Severity};

/// What was found.
#[derive(Debug)]
pub(in crate::report) struct Findings {
    pub told: Vec<Found>,
    /// How many more there are that are only counted: code, severity, count.
    pub counted: Vec<(&'static str, Severity, usize)>,
}

/// A finding.
#[derive(Debug)]
pub(in crate::report) struct Found {
    pub severity: Severity,
    pub code: &'static str,
    /// In which kind of evidence.
    pub evidence: &'static str,
    /// `FILE:LINE`.
    pub place: Said,
    pub sentence: Said,
}

pub(super) fn gather(judgement: &Judgement) -> Findings {
    let counted = judgement.more.iter().map(|more| (more.code.as_str(), more.severity, more.count));
    Findings { told: judgement.findings.iter().map(found).collect(), counted: counted.collect() }
}

fn found(finding: &Finding) -> Found {
    Found {
        severity: finding.severity,
        code: finding.code.as_str(),
        evidence: finding.evidence.as_str(),
        place: place(finding),
        sentence: sentence(finding),
    }
}

/// Whether the finding says of a gate what its row in the matrix says.
pub(in crate::report) fn is_of_row(judgement: &Judgement, finding: &Finding) -> bool {
    let of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let red = |row: &&GateRow| row.required && row.status > GateStatus::Waived;
    finding.code.group() == Group::Gates
        && finding
            .subject
            .split(|c| !of_id(c))
            .any(|word| judgement.gates.iter().filter(red).any(|row| row.gate.as_str() == word))
}

pub(super) fn place(finding: &Finding) -> Said {
    match finding.line {
        Some(line) => said(format!("{}:{line}", finding.file), PATH),
        None => said(&finding.file, PATH),
    }
}

/// What must be and what is.
pub(super) fn sentence(finding: &Finding) -> Said {
    let Finding { subject, expected, seen, .. } = finding;
    let must = match finding.severity {
        Severity::Error => "must",
        Severity::Warning => "should",
    };
    let short = |text: &str| said(text, VALUE);
    let meaning = finding.code.meaning().map_or(String::new(), |meaning| format!("{meaning}: "));
    said(
        format!("{meaning}{} {must} be {}; seen: {}", short(subject), short(expected), short(seen)),
        2 * REASON,
    )
}
