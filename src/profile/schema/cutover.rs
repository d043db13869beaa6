//! The tables of a cutover as JSON Schema.

use super::super::fields::{self, MARKS};
use super::{NAME, narrow, object, property};
use crate::model::field::Field;
use serde_json::{Map, Value, json};

/// A table that may name a probe.
fn measuring(fields: &[Field]) -> Map<String, Value> {
    let mut table = object(fields);
    property(&mut table, &fields::WITH, json!({ "type": "object" }));
    table.insert("allOf".to_owned(), json!([{ "$ref": "#/$defs/measure" }]));
    table
}

/// A list of at least one of these tables.
fn list(items: Map<String, Value>) -> Value {
    json!({ "type": "array", "minItems": 1, "items": items })
}

pub(super) fn step() -> Value {
    let mut step = measuring(fields::STEP);
    let background = json!({
        "if": { "properties": { "background": { "const": true } }, "required": ["background"] },
        "then": { "required": ["ready", "probe"] },
        "else": { "not": { "anyOf": [{ "required": ["ready"] }, { "required": ["probe"] }] } }
    });
    if let Some(Value::Array(rules)) = step.get_mut("allOf") {
        rules.push(background);
    }
    Value::Object(step)
}

pub(super) fn switch() -> Value {
    let mut mark = object(fields::MARK);
    mark.insert("oneOf".to_owned(), json!([{ "required": ["value"] }, { "required": ["match"] }]));
    let order = MARKS.map(|name| json!({ "properties": { "name": { "const": name } } }));
    let mut marks = list(mark);
    marks["minItems"] = json!(MARKS.len());
    marks["maxItems"] = json!(MARKS.len());
    marks["allOf"] = json!([{ "prefixItems": order }]);
    let mut switch = measuring(fields::SWITCH);
    property(&mut switch, &fields::SWITCH_MARK, marks);
    switch.insert("required".to_owned(), json!([fields::SWITCH_MARK.name]));
    Value::Object(switch)
}

pub(super) fn watch() -> Value {
    let mut source = measuring(fields::SOURCE);
    if let Some(Value::Object(properties)) = source.get_mut("properties") {
        narrow(properties, "name", "pattern", json!(NAME));
    }
    let mut metric = object(fields::METRIC);
    if let Some(Value::Object(properties)) = metric.get_mut("properties") {
        narrow(properties, "name", "pattern", json!("^[A-Za-z_][A-Za-z0-9_]*$"));
    }
    let mut watch = object(fields::WATCH);
    property(&mut watch, &fields::SOURCE_LIST, list(source));
    property(&mut watch, &fields::METRIC_LIST, list(metric));
    watch.insert("required".to_owned(), json!([fields::SOURCE_LIST.name, fields::METRIC_LIST.name]));
    Value::Object(watch)
}

pub(super) fn readiness() -> Value {
    let mut readiness = object(fields::READINESS);
    property(&mut readiness, &fields::SLI_LIST, list(object(fields::SLI)));
    readiness.insert("required".to_owned(), json!([fields::SLI_LIST.name]));
    Value::Object(readiness)
}
