//! Names of gates and runs.

use super::time::Stamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a gate: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter; at most 100
/// characters. It is a file name, a JUnit case and a command-line filter, so nothing in it needs escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GateId(String);

/// A text that is no gate id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no gate id: expected lower-case letters, digits, `-`, `_` or `.`, a letter first, at most 100 in all"
)]
pub struct BadGateId(String);

impl GateId {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadGateId`] for a text that holds anything but what the type's description allows.
    pub fn new(text: &str) -> Result<GateId, BadGateId> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let good = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 100
            && text.chars().all(allowed);
        if good { Ok(GateId(text.to_owned())) } else { Err(BadGateId(text.chars().take(120).collect())) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GateId {
    type Error = BadGateId;
    fn try_from(text: String) -> Result<Self, BadGateId> {
        GateId::new(&text)
    }
}

impl From<GateId> for String {
    fn from(id: GateId) -> String {
        id.0
    }
}

impl fmt::Display for GateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a run, and of its folder: `20261122T194103Z-rehearse-4f7k2q`: when it began, which verb, and six
/// random characters, so that names sort by time and two runs of one second differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new id for a run of `verb` that begins at `start`.
    pub fn new(start: Stamp, verb: &str) -> RunId {
        let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        RunId(format!("{}-{verb}-{}", start.compact(), random.to_ascii_lowercase()))
    }

    /// An id as it was read from evidence.
    pub fn from_text(text: &str) -> RunId {
        RunId(text.to_owned())
    }

    /// Whether a name has the form of an id: `20261122T194103Z-cutover-4f7k2q`.
    pub fn is_form(name: &str) -> bool {
        let form = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        name.len() > 17 && name.bytes().take(17).enumerate().all(form)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_id_is_safe_in_a_path_a_filter_and_a_report() {
        assert!(GateId::new("kafka-topics.v1").is_ok());
        for bad in ["", "Kafka", "1st", "a b", "a::b", "../x", "é", &"a".repeat(101)] {
            assert!(GateId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_runs_of_one_second_have_different_names() {
        let now = Stamp::now();
        assert_ne!(RunId::new(now, "rehearse"), RunId::new(now, "rehearse"));
    }
}
