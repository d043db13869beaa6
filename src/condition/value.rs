//! What a metric can be at a moment.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::units::{Quantity, Unit, figure};

/// A measured value, or the value that a condition compares it with.
///
/// In JSON as simple as can be: `true`, `"RUNNING"`, `6`, and `{"value": 812, "unit": "ms"}` for a
/// number with a unit (or one that is not finite).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub enum Value {
    Number(Quantity),
    Text(String),
    Bool(bool),
}

impl Value {
    /// What kind of value it is, as messages say it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bool(_) => "true or false",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(quantity) => quantity.fmt(f),
            Self::Text(text) => write_quoted(text, f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// Writes a text in double quotes so that it reads back as the same text.
pub(super) fn write_quoted(text: &str, f: &mut dyn fmt::Write) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Quantity> for Value {
    fn from(value: Quantity) -> Self {
        Self::Number(value)
    }
}

/// [`Value`] in JSON. The order decides what a text is read as.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Bool(bool),
    Text(String),
    Measured(Quantity),
    Plain(#[serde(with = "figure")] f64),
}

impl From<Value> for Form {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(truth) => Self::Bool(truth),
            Value::Text(text) => Self::Text(text),
            Value::Number(q) if q.unit == Unit::None && q.value.is_finite() => Self::Plain(q.value),
            Value::Number(quantity) => Self::Measured(quantity),
        }
    }
}

impl From<Form> for Value {
    fn from(form: Form) -> Self {
        match form {
            Form::Bool(truth) => Self::Bool(truth),
            Form::Text(text) => Self::Text(text),
            Form::Plain(value) => Self::Number(Quantity::new(value, Unit::None)),
            Form::Measured(quantity) => Self::Number(quantity),
        }
    }
}

/// What is known of a metric at a moment. In JSON `{"value": …}`, `"no_events"` or `"missing"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    Value(Value),
    /// The series is there, and nothing has happened yet that a value could be made of: the p99 of no
    /// reconnects is neither 0 nor infinite.
    NoEvents,
    /// The series is not there, or could not be read.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(value: impl Into<Value>) -> String {
        serde_json::to_string(&value.into()).unwrap()
    }

    #[test]
    fn values_have_the_simplest_json_form() {
        assert_eq!(json(true), "true");
        assert_eq!(json("RUNNING"), "\"RUNNING\"");
        assert_eq!(json(Quantity::new(6.0, Unit::None)), "6");
        assert_eq!(json(Quantity::new(0.5, Unit::None)), "0.5");
        assert_eq!(json(Quantity::new(812.0, Unit::Millisecond)), r#"{"value":812,"unit":"ms"}"#);
        assert_eq!(json(Quantity::new(f64::NAN, Unit::None)), r#"{"value":"NaN","unit":"none"}"#);
        assert_eq!(serde_json::to_string(&Sample::Value(true.into())).unwrap(), r#"{"value":true}"#);
        assert_eq!(serde_json::to_string(&Sample::NoEvents).unwrap(), "\"no_events\"");
        assert!(serde_json::from_str::<Value>("null").is_err());
        assert!(serde_json::from_str::<Value>(r#"{"value":5}"#).is_err());
    }

    proptest! {
        #[test]
        fn json_keeps_every_value(value in prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            (proptest::num::f64::NORMAL, proptest::sample::select(Unit::ALL.to_vec()))
                .prop_map(|(value, unit)| Value::Number(Quantity::new(value, unit))),
        ]) {
            let text = json(value.clone());
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
