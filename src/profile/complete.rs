//! Settings that were not read from TOML but come from flags: checked against the same fields, with the same defaults.

use crate::model::Args;
use crate::model::field::{Field, FieldKind, Presence};
use crate::settings::decode::{default, expected};
use crate::settings::names::{self, quoted};
use serde_json::{Map, Value};

/// Checks settings, durations in milliseconds and sizes in bytes, and fills in what is absent.
///
/// # Errors
/// The first setting at fault, in words.
pub(super) fn complete(fields: &[Field], given: &Args) -> Result<Args, String> {
    object(fields, given).map(Args::new)
}

fn object(fields: &[Field], given: &Args) -> Result<Map<String, Value>, String> {
    if let Some((name, _)) = given.iter().find(|(name, _)| !fields.iter().any(|field| field.name == *name)) {
        let hint = names::hint(name, fields.iter().map(|field| field.name));
        return Err(format!("unknown setting {}{hint}", quoted(name)));
    }
    let mut values = Map::new();
    for field in fields {
        let said = given.get(field.name).filter(|value| !value.is_null());
        let value = match (said, field.presence) {
            (Some(value), _) => {
                checked(&field.kind, value).map_err(|why| format!("{}: {why}", quoted(field.name)))?
            }
            (None, Presence::Default(written)) => default(field, written)?,
            (None, Presence::Optional) => continue,
            (None, Presence::Required) => {
                return Err(format!("{} is missing: expected {}", quoted(field.name), expected(&field.kind)));
            }
        };
        values.insert(field.name.to_owned(), value);
    }
    Ok(values)
}

/// The value, with what is absent in its tables filled in.
fn checked(kind: &FieldKind, value: &Value) -> Result<Value, String> {
    let wrong = || format!("expected {}", expected(kind));
    let table = |fields: &[Field], value: &Value| {
        let inner = value.as_object().ok_or_else(wrong)?;
        object(fields, &Args::new(inner.clone())).map(Value::Object)
    };
    let good = match kind {
        FieldKind::Table(fields) => return table(fields, value),
        FieldKind::Tables(fields) => {
            let items = value.as_array().ok_or_else(wrong)?;
            return items.iter().map(|item| table(fields, item)).collect();
        }
        FieldKind::Text => value.is_string(),
        FieldKind::Choice(choices) => value.as_str().is_some_and(|text| choices.contains(&text)),
        FieldKind::Bool => value.is_boolean(),
        FieldKind::Integer { min, max } => value.as_i64().is_some_and(|whole| (*min..=*max).contains(&whole)),
        FieldKind::Number => value.is_number(),
        FieldKind::Duration => value.as_f64().is_some_and(|millis| millis > 0.0),
        FieldKind::Bytes => value.is_u64(),
        FieldKind::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        FieldKind::Map => value.as_object().is_some_and(|entries| entries.values().all(Value::is_string)),
        FieldKind::Regex => value.as_str().is_some_and(|pattern| regex::Regex::new(pattern).is_ok()),
    };
    if good { Ok(value.clone()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PARTITION: &[Field] = &[
        Field::required("topic", FieldKind::Text, ""),
        Field::with_default("count", FieldKind::Integer { min: 1, max: 9 }, "6", ""),
    ];
    const FIELDS: &[Field] = &[
        Field::required("server", FieldKind::Text, ""),
        Field::with_default("timeout", FieldKind::Duration, "\"5s\"", ""),
        Field::optional("topics", FieldKind::Tables(PARTITION), ""),
    ];

    fn completed(given: Value) -> Result<Value, String> {
        let given = Args::new(given.as_object().unwrap().clone());
        complete(FIELDS, &given).map(|args| serde_json::to_value(args).unwrap())
    }

    #[test]
    fn defaults_are_filled_in_also_in_tables_within() {
        let given = json!({"server": "a:1", "timeout": null, "topics": [{"topic": "t"}]});
        let expected = json!({"server": "a:1", "timeout": 5000, "topics": [{"topic": "t", "count": 6}]});
        assert_eq!(completed(given), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let fault = |given| completed(given).unwrap_err();
        assert_eq!(fault(json!({"sever": "x"})), "unknown setting `sever`; nearest: `server`");
        assert_eq!(fault(json!({})), "`server` is missing: expected a text in quotes");
        assert_eq!(
            fault(json!({"server": "x", "topics": [{"topic": "t", "count": 10}]})),
            "`topics`: `count`: expected a whole number from 1 to 9"
        );
        assert!(fault(json!({"server": "x", "timeout": 0})).contains("expected a duration"));
    }
}
