//! What was found, and where.

use super::code::Code;
use crate::evidence::Entry;
use std::collections::BTreeMap;

/// So many findings of a code are told; the rest is counted.
pub const MOST_OF_A_CODE: usize = 100;
/// So many characters of a value are told.
const LONGEST: usize = 120;

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// Of the cutover.
    Cutover,
    /// Of the rollback.
    Rollback,
}

impl Which {
    /// What the names of its keys begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Which::Cutover => "CUTOVER_",
            Which::Rollback => "ROLLBACK_",
        }
    }

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Which::Cutover => "cutover",
            Which::Rollback => "rollback",
        }
    }
}

/// Whether a finding refuses the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It does.
    Error,
    /// It is only told.
    Warning,
}

impl Severity {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing that is not as it must be. What it quotes of the files is cut to a hundred characters or so, and is not
/// escaped: whoever shows it does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub code: Code,
    /// Whether it refuses the evidence.
    pub severity: Severity,
    /// In which of the two files.
    pub which: Which,
    /// That file's path, as it was given.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is not as it must be: mostly a key.
    pub subject: String,
    /// What it must be; reads on from "must be".
    pub expected: String,
    /// What it is.
    pub seen: String,
    /// What to do next, where that is not plain.
    pub advice: Option<String>,
}

/// Findings that are only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct More {
    /// Of which code.
    pub code: Code,
    /// Whether they refuse the evidence.
    pub severity: Severity,
    /// How many there are besides those that are told.
    pub count: usize,
}

/// Where something stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub which: Which,
    pub line: Option<usize>,
    pub subject: String,
}

impl Place {
    /// Where an entry stands.
    pub fn of(which: Which, entry: &Entry) -> Place {
        Place { which, line: Some(entry.line), subject: cut(&entry.key) }
    }

    /// Something that stands in no line.
    pub fn nowhere(which: Which, subject: impl Into<String>) -> Place {
        Place { which, line: None, subject: subject.into() }
    }
}

/// Collects findings.
#[derive(Debug)]
pub(super) struct Findings {
    paths: [String; 2],
    list: Vec<Finding>,
    counts: BTreeMap<(Code, Severity), usize>,
}

impl Findings {
    pub fn new(cutover: &str, rollback: &str) -> Findings {
        let paths = [cutover.to_owned(), rollback.to_owned()];
        Findings { paths, list: Vec::new(), counts: BTreeMap::new() }
    }

    /// Something that refuses the evidence.
    pub fn refuse(&mut self, code: Code, at: Place, expected: impl Into<String>, seen: impl Into<String>) {
        self.add(code, Severity::Error, at, expected.into(), seen.into(), None);
    }

    /// The same, with what to do next.
    pub fn refuse_and_advise(
        &mut self,
        code: Code,
        at: Place,
        expected: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(code, Severity::Error, at, expected.into(), seen.into(), Some(advice.into()));
    }

    /// Something that is only told.
    pub fn warn(&mut self, code: Code, at: Place, expected: impl Into<String>, seen: impl Into<String>) {
        self.add(code, Severity::Warning, at, expected.into(), seen.into(), None);
    }

    fn add(
        &mut self,
        code: Code,
        severity: Severity,
        at: Place,
        expected: String,
        seen: String,
        advice: Option<String>,
    ) {
        let count = self.counts.entry((code, severity)).or_default();
        *count += 1;
        if *count <= MOST_OF_A_CODE {
            let file = self.paths[at.which as usize].clone();
            let Place { which, line, subject } = at;
            self.list.push(Finding { code, severity, which, file, line, subject, expected, seen, advice });
        }
    }

    /// Whether there is one of this code already.
    pub fn has(&self, code: Code) -> bool {
        self.list.iter().any(|finding| finding.code == code)
    }

    /// The findings in the order in which they are told, and what was only counted.
    pub fn finish(mut self) -> (Vec<Finding>, Vec<More>) {
        self.list.sort_by_key(|finding| {
            (finding.severity, finding.code.group(), finding.which, finding.line.unwrap_or(0))
        });
        let counts = self.counts.into_iter().filter(|(_, count)| *count > MOST_OF_A_CODE);
        let more = counts.map(|((code, severity), count)| {
            let count = count - MOST_OF_A_CODE;
            More { code, severity, count }
        });
        (self.list, more.collect())
    }
}

/// A value as a finding quotes it.
pub(super) fn quoted(value: &str) -> String {
    if value.is_empty() { "nothing".to_owned() } else { cut(value) }
}

fn cut(text: &str) -> String {
    crate::evidence::text::cut(text, LONGEST).into_owned()
}
