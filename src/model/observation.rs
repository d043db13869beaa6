//! What a probe measured. It is judged elsewhere.

use super::time::Stamp;
use super::units::Unit;
use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The name that conditions use.
    pub name: String,
    /// The value.
    #[serde(flatten)]
    pub reading: Reading,
    /// When it was taken.
    pub at: Stamp,
    /// Where it came from: an endpoint, a query, a file. Never holds a secret.
    pub source: String,
    /// How the value came about.
    pub origin: Origin,
    /// How many samples stand behind it.
    pub samples: u64,
}

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reading {
    /// A number in a unit.
    Number {
        /// The number. JSON has no NaN and no infinities: a probe gives [`Reading::Missing`] instead.
        value: f64,
        /// Its unit.
        unit: Unit,
    },
    /// A text.
    Text {
        /// The text.
        value: String,
    },
    /// A truth.
    Bool {
        /// The truth.
        value: bool,
    },
    /// The series is there, and nothing happened in it.
    NoEvents,
    /// The series is not there.
    Missing,
}

/// How a value came about. Only a measured one can be healthy where measuring is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By a probe.
    Measured,
    /// Typed by a person.
    Declared,
    /// Nobody said.
    Defaulted,
}

impl Reading {
    /// A number; what is not finite is [`Reading::Missing`].
    pub fn number(value: f64, unit: Unit) -> Reading {
        if value.is_finite() { Reading::Number { value, unit } } else { Reading::Missing }
    }

    /// A text.
    pub fn text(value: impl Into<String>) -> Reading {
        Reading::Text { value: value.into() }
    }

    /// A truth.
    pub fn bool(value: bool) -> Reading {
        Reading::Bool { value }
    }
}
