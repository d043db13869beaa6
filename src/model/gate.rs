//! A gate as it was resolved from a profile: all that is needed to run it, and, in the journal, to judge it again.

use super::args::Args;
use super::id::GateId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A gate: one test case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name, unique in a profile.
    pub id: GateId,
    /// One line on why it is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The part of the cutover it belongs to.
    pub phase: Phase,
    /// The probe that measures.
    pub probe: String,
    /// The probe's own settings, checked against its fields.
    #[serde(default, skip_serializing_if = "Args::is_empty")]
    pub with: Args,
    /// The condition on what was measured.
    pub expect: String,
    /// Services that it measures, by their names in the profile.
    #[serde(default)]
    pub uses: Vec<String>,
    /// Gates that must have passed before.
    #[serde(default)]
    pub needs: Vec<GateId>,
    /// Gates that it begins after where they run too, however they end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GateId>,
    /// Whether a run fails where it does not pass.
    pub required: bool,
    /// The deadline of one attempt.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// Attempts after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Words to select by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it writes to what it measures.
    pub writes: bool,
    /// Where it stands.
    pub at: Position,
}

impl Gate {
    /// The name of the test case: `infra::redis-ping`.
    pub fn case(&self) -> String {
        format!("{}::{}", self.phase, self.id)
    }
}

/// The parts of a cutover, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Topics, schemas, connectors: what must be there.
    Infra,
    /// Whether the core is fit to be switched to.
    Readiness,
    /// Login, settlement, instruments.
    Switch,
    /// The minutes after.
    Watch,
    /// The way back.
    Rollback,
    /// Whether what was written holds.
    Evidence,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Phase; 6] =
        [Phase::Infra, Phase::Readiness, Phase::Switch, Phase::Watch, Phase::Rollback, Phase::Evidence];

    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Infra => "infra",
            Phase::Readiness => "readiness",
            Phase::Switch => "switch",
            Phase::Watch => "watch",
            Phase::Rollback => "rollback",
            Phase::Evidence => "evidence",
        }
    }

    /// The phase of a word.
    pub fn parse(word: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a gate that did not pass is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Pause between attempts.
    #[serde(with = "millis", rename = "every_ms")]
    pub every: Duration,
    /// No attempt begins later than this after the first.
    #[serde(with = "millis", rename = "for_ms")]
    pub within: Duration,
}

/// A place in a file that a person wrote. Line and column count from 1; column counts characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file, relative to the working directory where it can be.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Durations as whole milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
