//! What a probe can observe, said before it is run, so that a condition's names and units are checked early.

use super::units::Unit;
use std::borrow::Cow;

/// One name that a probe may observe.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name that conditions use.
    pub name: Cow<'static, str>,
    /// What its values are.
    pub kind: MetricKind,
    /// One line for the docs.
    pub about: Cow<'static, str>,
}

/// What values a metric has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    /// A number in this unit.
    Number(Unit),
    /// A text.
    Text,
    /// True or false.
    Bool,
}

impl MetricKind {
    /// The kind that a word of a profile means: `text`, `bool`, or a unit.
    pub fn parse(word: &str) -> Option<MetricKind> {
        match word {
            "text" => Some(MetricKind::Text),
            "bool" => Some(MetricKind::Bool),
            unit => unit.parse().ok().map(MetricKind::Number),
        }
    }
}

impl Metric {
    /// A number with a fixed name.
    pub const fn number(name: &'static str, unit: Unit, about: &'static str) -> Metric {
        Metric { name: Cow::Borrowed(name), kind: MetricKind::Number(unit), about: Cow::Borrowed(about) }
    }

    /// A text with a fixed name.
    pub const fn text(name: &'static str, about: &'static str) -> Metric {
        Metric { name: Cow::Borrowed(name), kind: MetricKind::Text, about: Cow::Borrowed(about) }
    }

    /// A truth with a fixed name.
    pub const fn bool(name: &'static str, about: &'static str) -> Metric {
        Metric { name: Cow::Borrowed(name), kind: MetricKind::Bool, about: Cow::Borrowed(about) }
    }

    /// A number whose name comes from the profile.
    pub fn named(name: &str, unit: Unit, about: &'static str) -> Metric {
        Metric {
            name: Cow::Owned(name.to_owned()),
            kind: MetricKind::Number(unit),
            about: Cow::Borrowed(about),
        }
    }
}
