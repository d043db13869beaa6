//! Units of measured values.

use serde::{Deserialize, Serialize};

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// ms
    #[serde(rename = "ms")]
    Milliseconds,
    /// s
    #[serde(rename = "s")]
    Seconds,
    /// B
    #[serde(rename = "B")]
    Bytes,
    /// A part of one.
    #[serde(rename = "ratio")]
    Ratio,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
}
