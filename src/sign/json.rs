//! JSON of which two readers can't read different things: a key that an object has twice is an error, wherever it is.
//! So is anything behind the value, and more than 128 levels.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Why a text is not such JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    pub(super) fn of(error: &serde_json::Error) -> JsonError {
        JsonError(super::resource::short(&error.to_string()))
    }
}

/// Reads a value.
///
/// # Errors
/// Where it is not JSON in UTF-8, has a key twice, is nested too deeply, or goes on behind its end.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = Once.deserialize(&mut from).map_err(|error| JsonError::of(&error))?;
    from.end().map_err(|error| JsonError::of(&error))?;
    Ok(value)
}

/// A value, each key of which is there once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(Once)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom("an object has the same key twice"));
            }
            object.insert(key, from.next_value_seed(Once)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_read_as_it_is() {
        let text = r#" {"a": [1, -2, 2.5, "x", true, null], "b": {"c": {}}} "#;
        assert_eq!(parse(text.as_bytes()), Ok(json!({"a": [1, -2, 2.5, "x", true, null], "b": {"c": {}}})));
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error_wherever_it_is() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(parse(text.as_bytes()).unwrap_err().to_string().contains("same key twice"), "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_goes_on_or_is_too_deep_is_an_error() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for text in ["", "{", "{} {}", "{\"a\":1,}", "\u{feff}{}", "nul", "1e999", deep.as_str()] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }
}
