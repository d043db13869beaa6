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

impl From<Which> for Evidence {
    fn from(which: Which) -> Evidence {
        match which {
            Which::Cutover => Evidence::Cutover,
            Which::Rollback => Evidence::Rollback,
        }
    }
}

/// What a finding is about: a kind of evidence, in the order in which findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// A run's folder as a whole.
    Bundle,
    /// `manifest.json`.
    Manifest,
    /// `journal.jsonl`.
    Journal,
    /// The cutover's file.
    Cutover,
    /// The rollback's file.
    Rollback,
    /// The file of the Kafka topics' init.
    KafkaInit,
    /// The file of the ClickHouse schema's init.
    ClickhouseInit,
    /// The file of the TimescaleDB schema's init.
    TimescaleInit,
    /// The file of the Debezium connectors' init.
    DebeziumInit,
    /// The bootstrap's file.
    Bootstrap,
    /// A readiness JSON.
    Readiness,
    /// `watch.csv` and `watch.json`.
    Watch,
    /// `junit.xml`.
    Junit,
    /// `summary.json`.
    Summary,
    /// An envelope with signatures.
    Signature,
    /// A policy.
    Policy,
    /// What a policy asks of the runs.
    Gate,
    /// `signoff.json`.
    Signoff,
}

impl Evidence {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Bundle => "bundle",
            Evidence::Manifest => "manifest",
            Evidence::Journal => "journal",
            Evidence::Cutover => "cutover",
            Evidence::Rollback => "rollback",
            Evidence::KafkaInit => "kafka-init",
            Evidence::ClickhouseInit => "clickhouse-init",
            Evidence::TimescaleInit => "timescale-init",
            Evidence::DebeziumInit => "debezium-init",
            Evidence::Bootstrap => "bootstrap",
            Evidence::Readiness => "readiness",
            Evidence::Watch => "watch",
            Evidence::Junit => "junit",
            Evidence::Summary => "summary",
            Evidence::Signature => "signature",
            Evidence::Policy => "policy",
            Evidence::Gate => "gate",
            Evidence::Signoff => "signoff",
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
    /// In which kind of evidence.
    pub evidence: Evidence,
    /// The file's path, as it was given.
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
    pub evidence: Evidence,
    /// The file, where it is not the one that [`Findings`] know by the kind of evidence.
    pub file: Option<String>,
    pub line: Option<usize>,
    pub subject: String,
}

impl Place {
    /// Where an entry stands.
    pub fn of(evidence: impl Into<Evidence>, entry: &Entry) -> Place {
        Place { evidence: evidence.into(), file: None, line: Some(entry.line), subject: cut(&entry.key) }
    }

    /// Something that stands in no line.
    pub fn nowhere(evidence: impl Into<Evidence>, subject: impl Into<String>) -> Place {
        Place { evidence: evidence.into(), file: None, line: None, subject: subject.into() }
    }

    /// Something of this file.
    pub fn in_file(evidence: Evidence, file: impl Into<String>, subject: impl Into<String>) -> Place {
        Place { file: Some(file.into()), ..Place::nowhere(evidence, subject) }
    }

    /// The same in this line.
    pub fn line(self, line: usize) -> Place {
        Place { line: Some(line), ..self }
    }
}

/// Collects findings.
#[derive(Debug)]
pub(super) struct Findings {
    paths: BTreeMap<Evidence, String>,
    list: Vec<Finding>,
    counts: BTreeMap<(Code, Severity), usize>,
}

impl Findings {
    /// None yet. `paths` are the files' names, for findings that don't name one themselves.
    pub fn new(paths: impl IntoIterator<Item = (Evidence, String)>) -> Findings {
        Findings { paths: paths.into_iter().collect(), list: Vec::new(), counts: BTreeMap::new() }
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

    /// Something of this severity.
    pub fn add(
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
            let Place { evidence, file, line, subject } = at;
            let file = file.or_else(|| self.paths.get(&evidence).cloned()).unwrap_or_default();
            self.list.push(Finding { code, severity, evidence, file, line, subject, expected, seen, advice });
        }
    }

    /// Whether there is one of this code already.
    pub fn has(&self, code: Code) -> bool {
        self.list.iter().any(|finding| finding.code == code)
    }

    /// Whether one that is told is about this file.
    pub fn names(&self, file: &str) -> bool {
        self.list.iter().any(|finding| finding.file == file)
    }

    /// Takes over what another collection found.
    pub fn take(&mut self, list: Vec<Finding>, more: Vec<More>) {
        for finding in list {
            let count = self.counts.entry((finding.code, finding.severity)).or_default();
            *count += 1;
            if *count <= MOST_OF_A_CODE {
                self.list.push(finding);
            }
        }
        for more in more {
            *self.counts.entry((more.code, more.severity)).or_default() += more.count;
        }
    }

    /// The findings in the order in which they are told, and what was only counted.
    pub fn finish(mut self) -> (Vec<Finding>, Vec<More>) {
        self.list.sort_by_key(|finding| {
            (finding.severity, finding.code.group(), finding.evidence, finding.line.unwrap_or(0))
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
