//! The condition language of gates, SLIs, the watch and the rollback trigger.
//!
//! A condition is parsed once, checked against the metrics that there are, and judged either at a
//! moment ([`Condition::explain`]) or over time ([`Tracker`], for `… for 30s`). Its grammar and meaning
//! are in `docs/conditions.md`, whose examples are tests.
//!
//! A pure leaf: it reads no clock, file or network, and knows no probe, profile or journal, so that
//! evidence can be judged again from what was recorded.

mod check;
mod error;
mod judge;
mod label;
mod lexer;
mod number;
mod observed;
mod parser;
mod syntax;
mod tracker;
mod value;

#[cfg(test)]
mod docs;
#[cfg(test)]
mod properties;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use check::MetricType;
pub use error::{ConditionError, Problem};
pub use judge::{Explanation, Truth};
pub use tracker::{TimeWentBack, Tracker};
pub use value::{Sample, Value};

use crate::model::units::Quantity;
use syntax::Node;

/// The longest text that is read as a condition, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// Words that conditions read as something else than a name.
pub const KEYWORDS: [&str; 10] =
    ["and", "or", "not", "for", "matches", "true", "false", "missing", "present", "no_events"];
/// How deep parentheses and `not` may nest.
pub const MAX_DEPTH: usize = 64;

/// A parsed condition. Two conditions are equal when they mean the same by their structure, however
/// they were written; [`fmt::Display`] prints the canonical form.
///
/// ```
/// use cutproof::condition::{Condition, Sample, Truth, Value};
/// use cutproof::model::units::{Quantity, Unit};
///
/// let condition = Condition::parse("kafka_lag_ms < 500 and state == 'RUNNING'")?;
/// let seen = condition.explain(&|name| match name {
///     "kafka_lag_ms" => Sample::Value(Value::Number(Quantity::new(0.812, Unit::Second))),
///     _ => Sample::Missing,
/// })?;
/// assert_eq!(seen.truth, Truth::False);
/// assert_eq!(seen.to_string(), "kafka_lag_ms = 812 ms, expected < 500 ms");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    root: Node,
}

/// A metric's name where a condition uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameUse<'a> {
    pub name: &'a str,
    /// The bytes of [`Condition::text`] where it stands.
    pub span: Range<usize>,
}

/// The condition says `for`, and one moment cannot decide that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a condition with `for` needs samples over time and cannot be judged at one moment")]
pub struct NeedsHistory;

impl Condition {
    /// Reads an expression (`lag_ms < 500 and state == "RUNNING"`) or a runbook's label
    /// (`lag_ms_gt_5ms_or_reconnect_p99_s_gt_10s`).
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_LENGTH {
            return Err(ConditionError::new(text, 0..text.len(), Problem::TooLong(text.len())));
        }
        let root = if label::is_label(text) { label::parse(text)? } else { parser::parse(text)? };
        Ok(Self { text: text.to_owned(), root })
    }

    /// The text as it was written; spans point into it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every use of a metric's name, in the order of the text.
    pub fn names(&self) -> Vec<NameUse<'_>> {
        self.root.leaves().map(|leaf| NameUse { name: &leaf.name, span: leaf.name_span.clone() }).collect()
    }

    /// Every number that a metric is compared with, in the order of the text: where a chart has its lines.
    pub fn thresholds(&self) -> Vec<(&str, Quantity)> {
        let threshold = |leaf: &'_ syntax::Leaf| match leaf.test {
            syntax::Test::Compare(_, Value::Number(limit)) => Some(limit),
            _ => None,
        };
        self.root.leaves().filter_map(|leaf| Some((leaf.name.as_str(), threshold(leaf)?))).collect()
    }

    /// What is wrong with the condition given the metrics that there are: names that `kind` does not
    /// know (with the nearest of `names`), types and units that cannot be compared. Empty when sound.
    pub fn check(&self, kind: &dyn Fn(&str) -> Option<MetricType>, names: &[&str]) -> Vec<ConditionError> {
        self.root.leaves().filter_map(|leaf| check::check(leaf, &self.text, kind, names)).collect()
    }

    /// Whether the condition says `for`, so that only a [`Tracker`] can judge it.
    pub fn needs_history(&self) -> bool {
        self.root.holds().next().is_some()
    }

    /// The longest time that a `for` asks for. A watch shorter than this cannot see it hold.
    pub fn longest_hold(&self) -> Option<Duration> {
        self.root.holds().map(|held| held.duration).max()
    }

    /// Judges the condition at a moment.
    pub fn eval(&self, samples: &dyn Fn(&str) -> Sample) -> Result<Truth, NeedsHistory> {
        self.explain(samples).map(|explanation| explanation.truth)
    }

    /// Judges the condition at a moment and says which comparisons decided, with the values seen.
    pub fn explain(&self, samples: &dyn Fn(&str) -> Sample) -> Result<Explanation, NeedsHistory> {
        if self.needs_history() {
            return Err(NeedsHistory);
        }
        Ok(judge::judge(&self.root, samples, &mut judge::Moment))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        Self::parse(text)
    }
}

/// As its text, the way it was written.
impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
