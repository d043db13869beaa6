//! JSON as values: members in any order, each once; a number is its value, however it is written.

use super::{Difference, MOST, Origin};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

pub(super) fn differences(expected: &str, seen: &str) -> Vec<Difference> {
    let Ok(must) = serde_json::from_str::<Value>(expected) else { return Vec::new() };
    let is = no_key_twice(seen.as_bytes()).and_then(|()| serde_json::from_str::<Value>(seen));
    match is {
        Ok(is) => values(&must, &is, Some(seen)),
        Err(fault) => {
            let line = Some(fault.line()).filter(|line| *line > 0);
            vec![Difference::other("the file", line, "JSON with each key once", &fault.to_string())]
        }
    }
}

/// Where a value is not as it must be. Lines are those of the keys in `text`, where a key stands there once.
pub(in crate::verify) fn values(expected: &Value, seen: &Value, text: Option<&str>) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut String::new(), expected, seen, &mut found);
    found.truncate(MOST);
    if let Some(text) = text {
        found.iter_mut().for_each(|difference| difference.line = line_of(&difference.subject, text));
    }
    found
}

fn walk(path: &mut String, expected: &Value, seen: &Value, found: &mut Vec<Difference>) {
    if found.len() >= MOST {
        return;
    }
    let before = path.len();
    match (expected, seen) {
        (Value::Object(must), Value::Object(is)) => {
            for (key, value) in must {
                push_key(path, key);
                match is.get(key) {
                    Some(there) => walk(path, value, there, found),
                    None => found.push(differs(path, &value.to_string(), "no such key").form()),
                }
                path.truncate(before);
            }
            for (key, value) in is.iter().filter(|(key, _)| !must.contains_key(*key)) {
                push_key(path, key);
                found.push(differs(path, "no such key", &value.to_string()).form());
                path.truncate(before);
            }
        }
        (Value::Array(must), Value::Array(is)) => {
            for (place, (value, there)) in must.iter().zip(is).enumerate() {
                path.push_str(&format!("[{place}]"));
                walk(path, value, there, found);
                path.truncate(before);
            }
            if must.len() != is.len() {
                let count = |list: &[Value]| format!("{} entries", list.len());
                found.push(differs(path, &count(must), &count(is)));
            }
        }
        // Whole numbers are compared as such: beyond 2^53 several are one f64.
        (Value::Number(must), Value::Number(is))
            if (must.is_f64() || is.is_f64()) && must.as_f64() == is.as_f64() => {}
        (must, is) if must == is => {}
        (must, is) => found.push(differs(path, &must.to_string(), &is.to_string())),
    }
}

fn differs(path: &str, expected: &str, seen: &str) -> Difference {
    let subject = if path.is_empty() { "the file" } else { path };
    Difference::other(subject, None, expected, seen)
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(&crate::evidence::text::cut(key, 60));
}

/// The line of a path's last key, where that key stands in one place only.
fn line_of(path: &str, text: &str) -> Option<usize> {
    let key = path.rsplit('.').next()?.split('[').next()?;
    let quoted = format!("\"{key}\":");
    let mut places = text.match_indices(&quoted);
    let (at, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    Some(text[..at].matches('\n').count() + 1)
}

pub(super) fn origin(text: &str) -> Origin {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let version = value.get("version").filter(|version| version.is_number()).map(Value::to_string);
    Origin { projection: word("projection"), version, run: word("run").or_else(|| word("run_id")) }
}

/// Refuses a text in which an object has a key twice: readers would not agree on what it says. What is no JSON is
/// refused too. Nothing is kept but the keys of the objects that are open.
///
/// # Errors
/// Which key, with line and column.
pub(in crate::verify) fn no_key_twice(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Unique.deserialize(&mut reader)?;
    reader.end()
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` is there twice")));
            }
            keys.insert(key);
            members.next_value_seed(Unique)?;
        }
        Ok(())
    }
}
