//! Settings of a probe or service, after they were checked against their declared fields.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// Checked settings: durations are milliseconds, sizes are bytes, defaults are filled in. Reading a key that was
/// not declared, or as another kind than it was declared, gives nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Args(Map<String, Value>);

impl Args {
    /// From values that the caller has checked.
    pub fn new(values: Map<String, Value>) -> Args {
        Args(values)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a key; for callers that build settings from command-line flags.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The value as it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All keys with their values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A text, choice or regular expression.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A truth; absent is false.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        let millis = self.number(name)?;
        Duration::try_from_secs_f64(millis / 1e3).ok()
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// A list of texts; absent is empty.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Names with texts; absent is empty.
    pub fn map(&self, name: &str) -> Vec<(&str, &str)> {
        let map = self.0.get(name).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
    }

    /// Changes every text in it, at any depth; names stay.
    pub fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        self.0.values_mut().for_each(|value| each_text(value, change));
    }

    /// A table of its own.
    pub fn table(&self, name: &str) -> Option<Args> {
        self.0.get(name)?.as_object().cloned().map(Args)
    }

    /// A list of tables; absent is empty.
    pub fn tables(&self, name: &str) -> Vec<Args> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|item| item.as_object().cloned().map(Args)).collect()
    }
}

fn each_text(value: &mut Value, change: &dyn Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(table) => table.values_mut().for_each(|item| each_text(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_is_changed_and_no_name() {
        let mut args = Args::default();
        args.set("a", "x");
        args.set("x", json!([{ "x": ["x", 1, null] }]));
        args.each_text(&|text| text.push('!'));
        assert_eq!(
            serde_json::to_value(&args).unwrap(),
            json!({ "a": "x!", "x": [{ "x": ["x!", 1, null] }] })
        );
    }
}
