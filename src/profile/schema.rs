//! The JSON Schema of a profile, for editors: the same lists of fields, in another language.

mod cutover;

use super::fields::{self, Apart};
use crate::model::field::{Field, FieldKind, Presence};
use crate::model::units::{Dimension, Unit};
use crate::probe::{self, Probe};
use serde_json::{Map, Value, json};
use toml::de::DeValue;

/// A number above or at zero with a unit of a dimension; `spellings` are what else its units are called.
fn quantity(dimension: Dimension, spellings: &[&'static str]) -> String {
    let units = Unit::ALL.into_iter().filter(|unit| unit.dimension() == dimension && unit.is_written());
    let mut names: Vec<&str> = units.map(Unit::name).chain(spellings.iter().copied()).collect();
    // The longest first, for engines that take the first alternative that fits.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    format!("^\\s*[0-9]+(\\.[0-9]+)?\\s*({})\\s*$", names.join("|"))
}

fn duration() -> String {
    quantity(Dimension::Time, &["µs", "μs", "m"])
}

fn size() -> String {
    quantity(Dimension::Bytes, &["kB"])
}

const NAME: &str = "^[a-z][a-z0-9_-]{0,99}$";
const ID: &str = "^[a-z][a-z0-9_.-]{0,99}$";

/// The JSON Schema (draft 2020-12) of profiles, as docs/profile.schema.json keeps it.
pub fn schema() -> Value {
    schema_of(probe::registry())
}

/// The schema of profiles that use these probes.
fn schema_of(probes: &[&'static dyn Probe]) -> Value {
    let mut schema = object(fields::PROFILE);
    let [services, thresholds, gate, step, switch, watch, readiness] = &fields::PROFILE_APART;
    property(
        &mut schema,
        services,
        json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "$ref": "#/$defs/service" }
        }),
    );
    property(
        &mut schema,
        thresholds,
        json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": {
                "type": ["number", "string"],
                "pattern": "^\\s*-?[0-9]+(\\.[0-9]+)?\\s*[A-Za-zµμ%]*\\s*$"
            }
        }),
    );
    let items = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/gate" } });
    property(&mut schema, gate, items);
    require(&mut schema, gate.name);
    property(&mut schema, step, json!({ "type": "array", "items": cutover::step() }));
    property(&mut schema, switch, cutover::switch());
    property(&mut schema, watch, cutover::watch());
    property(&mut schema, readiness, cutover::readiness());
    let defs = json!({
        "service": service_schema(),
        "gate": gate_schema(probes),
        "measure": measure_schema(probes),
        "with": withs(probes),
    });
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A profile of cutproof: one environment, its services and gates"
    });
    let mut whole = head.as_object().cloned().unwrap_or_default();
    whole.extend(schema);
    whole.insert("$defs".to_owned(), defs);
    Value::Object(whole)
}

fn gate_schema(probes: &[&'static dyn Probe]) -> Value {
    let mut gate = object(fields::GATE);
    property(&mut gate, &fields::WITH, json!({ "type": "object" }));
    let names: Vec<&str> = probes.iter().map(|probe| probe.name()).collect();
    if let Some(Value::Object(properties)) = gate.get_mut("properties") {
        narrow(properties, "id", "pattern", json!(ID));
        narrow(properties, "probe", "enum", json!(names));
    }
    let rules: Vec<Value> = probes.iter().map(|probe| rule(*probe)).collect();
    gate.insert("allOf".to_owned(), json!(rules));
    Value::Object(gate)
}

fn service_schema() -> Value {
    let mut service = object(fields::SERVICE);
    let tls = json!({ "oneOf": [{ "type": "boolean" }, object(fields::TLS_FILES)] });
    property(&mut service, &fields::TLS, tls);
    let never =
        [["from", "start"], ["password_env", "password_file"]].map(|keys| json!({ "required": keys }));
    service.insert("not".to_owned(), json!({ "anyOf": never }));
    Value::Object(service)
}

/// What holds for whatever names a probe beside the gates.
fn measure_schema(probes: &[&'static dyn Probe]) -> Value {
    let reading = probes.iter().filter(|probe| !probe.writes());
    let names: Vec<&str> = reading.clone().map(|probe| probe.name()).collect();
    let rules: Vec<Value> = reading.map(|probe| when(*probe, takes(*probe))).collect();
    json!({
        "properties": { "probe": { "enum": names } },
        "dependentRequired": { "with": ["probe"], "uses": ["probe"] },
        "allOf": rules
    })
}

/// Each probe's own settings, by its name.
fn withs(probes: &[&'static dyn Probe]) -> Value {
    let with = |probe: &&'static dyn Probe| {
        let mut with = object(probe.fields());
        with.insert("description".to_owned(), json!(format!("{}: {}", probe.name(), probe.about())));
        (probe.name().to_owned(), Value::Object(with))
    };
    Value::Object(probes.iter().map(with).collect())
}

/// What holds for a gate with this probe.
fn rule(probe: &dyn Probe) -> Value {
    let mut then = takes(probe);
    if probe.writes() || !probe.services().is_empty() {
        then["properties"]["writes"] = json!({ "const": probe.writes() });
    }
    if probe.writes() {
        let mut required = then["required"].as_array().cloned().unwrap_or_default();
        required.push(json!("writes"));
        then["required"] = json!(required);
    }
    when(probe, then)
}

/// What holds where this probe is named.
fn when(probe: &dyn Probe, then: Value) -> Value {
    json!({ "if": { "properties": { "probe": { "const": probe.name() } }, "required": ["probe"] }, "then": then })
}

/// What must stand beside a probe's name.
fn takes(probe: &dyn Probe) -> Value {
    let mut then = json!({ "properties": { "with": { "$ref": format!("#/$defs/with/{}", probe.name()) } } });
    let mut required = Vec::new();
    if probe.fields().iter().any(|field| field.presence == Presence::Required) {
        required.push(fields::WITH.name);
    }
    if !probe.services().is_empty() {
        required.push("uses");
        then["properties"]["uses"] = json!({ "minItems": probe.services().len() });
    }
    if !required.is_empty() {
        then["required"] = json!(required);
    }
    then
}

/// A table of these fields and no others.
fn object(fields: &[Field]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    let needed = fields.iter().filter(|field| field.presence == Presence::Required);
    let needed: Vec<&str> = needed.map(|field| field.name).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("additionalProperties".to_owned(), json!(false));
    if !needed.is_empty() {
        object.insert("required".to_owned(), json!(needed));
    }
    object.insert("properties".to_owned(), Value::Object(properties));
    object
}

fn field_schema(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    schema.insert("description".to_owned(), json!(field.about));
    if let Presence::Default(written) = field.presence
        && let Ok(value) = DeValue::parse(written)
    {
        schema.insert("default".to_owned(), plain(value.get_ref()));
    }
    Value::Object(schema)
}

fn kind(kind: &FieldKind) -> Map<String, Value> {
    let schema = match kind {
        FieldKind::Text => json!({ "type": "string" }),
        FieldKind::Choice(choices) => json!({ "type": "string", "enum": choices }),
        FieldKind::Bool => json!({ "type": "boolean" }),
        FieldKind::Integer { min, max } => {
            let mut schema = json!({ "type": "integer" });
            if *min != i64::MIN {
                schema["minimum"] = json!(min);
            }
            if *max != i64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        FieldKind::Number => json!({ "type": "number" }),
        FieldKind::Duration => json!({ "type": "string", "pattern": duration() }),
        FieldKind::Bytes => json!({ "type": "string", "pattern": size() }),
        FieldKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        FieldKind::Map => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        FieldKind::Regex => json!({ "type": "string", "format": "regex" }),
        FieldKind::Table(fields) => return object(fields),
        FieldKind::Tables(fields) => json!({ "type": "array", "items": object(fields) }),
    };
    schema.as_object().cloned().unwrap_or_default()
}

/// Puts in a key that is not of one of the plain kinds.
fn property(schema: &mut Map<String, Value>, key: &Apart, mut value: Value) {
    value["description"] = json!(key.about);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert(key.name.to_owned(), value);
    }
}

fn require(schema: &mut Map<String, Value>, name: &str) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.push(json!(name));
    }
}

fn narrow(properties: &mut Map<String, Value>, name: &str, keyword: &str, value: Value) {
    if let Some(Value::Object(property)) = properties.get_mut(name) {
        property.insert(keyword.to_owned(), value);
    }
}

/// A value as it is written, units in their texts.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.as_str().parse::<i64>().ok()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().ok()),
        DeValue::Boolean(truth) => json!(truth),
        DeValue::Datetime(moment) => json!(moment.to_string()),
        DeValue::Array(items) => items.iter().map(|item| plain(item.get_ref())).collect(),
        DeValue::Table(entries) => {
            let entry =
                |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                    (key.get_ref().to_string(), plain(value.get_ref()))
                };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::PROBES;
    use super::*;
    use crate::model::units::Quantity;

    #[test]
    fn the_patterns_accept_what_the_decoder_reads() {
        for (pattern, dimension) in [(duration(), Dimension::Time), (size(), Dimension::Bytes)] {
            let pattern = regex::Regex::new(&pattern).unwrap();
            for unit in Unit::ALL.map(Unit::name).into_iter().chain(["m", "µs", "μs", "kB", "sec", "mb"]) {
                for number in ["5", "1.5", " 5 ", ".5", "-5", "5e3"] {
                    let text = format!("{number}{unit}");
                    let read = Quantity::parse(&text)
                        .is_ok_and(|q| q.unit.dimension() == dimension && q.value >= 0.0);
                    assert_eq!(pattern.is_match(&text), read, "{text}");
                }
            }
        }
    }

    #[test]
    fn settings_depend_on_the_probe() {
        let schema = schema_of(PROBES);
        let rules = schema["$defs"]["gate"]["allOf"].as_array().unwrap();
        let rule =
            rules.iter().find(|rule| rule["if"]["properties"]["probe"]["const"] == "kafka_init").unwrap();
        let expected = json!({
            "properties": {
                "with": { "$ref": "#/$defs/with/kafka_init" },
                "writes": { "const": true },
                "uses": { "minItems": 1 }
            },
            "required": ["with", "uses", "writes"]
        });
        assert_eq!(rule["then"], expected);
        let expected = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["topics"],
            "properties": {
                "topics": { "type": "array", "items": { "type": "string" }, "description": "The topics." }
            },
            "description": "kafka_init: Declares itself, for tests."
        });
        assert_eq!(schema["$defs"]["with"]["kafka_init"], expected);
    }

    #[test]
    fn what_writes_has_no_place_beside_the_gates() {
        let measure = &schema_of(PROBES)["$defs"]["measure"];
        let names = measure["properties"]["probe"]["enum"].as_array().unwrap();
        assert!(names.contains(&json!("kafka_topics")) && !names.contains(&json!("kafka_init")));
        assert_eq!(measure["allOf"].as_array().unwrap().len(), names.len());
    }

    #[test]
    fn every_key_of_a_profile_is_described() {
        let schema = schema_of(PROBES);
        let described = |object: &Value| {
            let properties = object["properties"].as_object().unwrap();
            properties
                .values()
                .all(|property| property["description"].as_str().is_some_and(|text| !text.is_empty()))
        };
        assert!(
            described(&schema)
                && described(&schema["$defs"]["gate"])
                && described(&schema["$defs"]["service"])
        );
        let properties = &schema["properties"];
        for table in [
            &properties["cutover"],
            &properties["step"]["items"],
            &properties["switch"],
            &properties["switch"]["properties"]["mark"]["items"],
            &properties["watch"],
            &properties["watch"]["properties"]["source"]["items"],
            &properties["watch"]["properties"]["metric"]["items"],
            &properties["readiness"],
            &properties["readiness"]["properties"]["sli"]["items"],
        ] {
            assert!(described(table), "{table:#}");
        }
        assert_eq!(schema["required"], json!(["environment", "gate"]));
    }
}
