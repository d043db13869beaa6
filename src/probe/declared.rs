//! Values that a gate's settings declare and that are read out of a text: by JSON pointer, or by a regular
//! expression. Each has a name for conditions and says what it is, so that conditions can be checked before
//! anything is measured. It knows no file, server or command.

use super::{BadArgs, Context, ProbeError};
use crate::condition::KEYWORDS;
use crate::model::field::{Field, FieldKind};
use crate::model::redact::{MASK, names_a_secret};
use crate::model::units::Unit;
use crate::model::{Args, Metric, MetricKind, Observation, Reading};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;

const NAME: Field = Field::required("name", FieldKind::Text, "the name that conditions use");
const AS: Field = Field::with_default(
    "as",
    FieldKind::Text,
    "\"text\"",
    "what the value is: `text`, `bool`, or the unit of a number (`ms`, `count`, `none`, …)",
);

/// The key `json`: values of a JSON document.
pub const JSON: Field = Field::optional(
    "json",
    FieldKind::Tables(&[
        NAME,
        Field::required(
            "pointer",
            FieldKind::Text,
            "where the value stands (RFC 6901): `/tasks/0/state`; empty for the whole document",
        ),
        AS,
    ]),
    "values of the JSON document that conditions may use",
);

/// What a list of captures takes: values of a text, found by regular expressions.
pub const CAPTURES: &[Field] = &[
    NAME,
    Field::required(
        "regex",
        FieldKind::Regex,
        "its first match counts; the one group in parentheses is the value. As `bool` and without a group: whether it matches",
    ),
    AS,
];

/// What the values declared in `field` can be observed as.
pub fn metrics(args: &Args, field: &str, about: &'static str) -> Vec<Metric> {
    let metric = |item: Args| {
        let name = Cow::Owned(item.text("name")?.to_owned());
        Some(Metric { name, kind: MetricKind::parse(word(&item))?, about: Cow::Borrowed(about) })
    };
    args.tables(field).into_iter().filter_map(metric).collect()
}

fn word(item: &Args) -> &str {
    item.text("as").unwrap_or("text")
}

/// Checks names: usable in conditions, none twice, none of those that are `taken`, to which they are added.
///
/// # Errors
/// The field, and which name is at fault.
pub fn check_names(args: &Args, field: &'static str, taken: &mut Vec<String>) -> Result<(), BadArgs> {
    for item in args.tables(field) {
        let name = item.text("name").unwrap_or_default();
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let message = if !plain || KEYWORDS.contains(&name) {
            format!(
                "`{name}` can't be a name in a condition: expected letters, digits and `_`, and no word of the language"
            )
        } else if taken.iter().any(|known| known == name) {
            format!("`{name}` is observed already: expected another name")
        } else {
            taken.push(name.to_owned());
            continue;
        };
        return Err(BadArgs { field, message });
    }
    Ok(())
}

fn check_kinds(args: &Args, field: &'static str) -> Result<(), BadArgs> {
    for item in args.tables(field) {
        if MetricKind::parse(word(&item)).is_none() {
            let message = format!(
                "as = \"{}\": expected text, bool, count, none or a unit such as ms or MiB",
                word(&item)
            );
            return Err(BadArgs { field, message });
        }
    }
    Ok(())
}

/// Checks the key `json`.
///
/// # Errors
/// A name, kind or pointer that can't be used.
pub fn check_json(args: &Args, taken: &mut Vec<String>) -> Result<(), BadArgs> {
    check_names(args, "json", taken)?;
    check_kinds(args, "json")?;
    for item in args.tables("json") {
        let pointer = item.text("pointer").unwrap_or_default();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let message =
                format!("pointer = \"{pointer}\": expected one that begins with `/`, such as /state");
            return Err(BadArgs { field: "json", message });
        }
    }
    Ok(())
}

/// Checks a list of captures.
///
/// # Errors
/// A name, kind or regular expression that can't be used.
pub fn check_captures(args: &Args, field: &'static str, taken: &mut Vec<String>) -> Result<(), BadArgs> {
    check_names(args, field, taken)?;
    check_kinds(args, field)?;
    for item in args.tables(field) {
        let text = item.text("regex").unwrap_or_default();
        let regex = Regex::new(text).map_err(|error| BadArgs { field, message: error.to_string() })?;
        let groups = regex.captures_len() - 1;
        if groups != 1 && (groups > 1 || word(&item) != "bool") {
            let message = format!(
                "regex = \"{text}\": expected one group in parentheses, which is the value, seen {groups}; (?:…) groups without capturing"
            );
            return Err(BadArgs { field, message });
        }
    }
    Ok(())
}

/// Reads the values of the key `json` out of a document. A value that is not there, or null, is missing.
///
/// # Errors
/// It is no JSON document, or a value is of another kind than was declared: were that called missing, a condition
/// that wants a value missing would hold though nothing was read.
pub fn json(
    args: &Args,
    context: &Context<'_>,
    text: &[u8],
    source: &str,
) -> Result<Vec<Observation>, ProbeError> {
    let items = args.tables("json");
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let document: Value = serde_json::from_slice(text).map_err(|error| {
        let head = context.redactor.text(&head(&String::from_utf8_lossy(text))).into_owned();
        ProbeError(format!("{source}: expected a JSON document (see `json`), seen `{head}`: {error}"))
    })?;
    let observe = |item: &Args| {
        let name = item.text("name").unwrap_or_default();
        let pointer = item.text("pointer").unwrap_or_default();
        let reading = match document.pointer(pointer) {
            None | Some(Value::Null) => Reading::Missing,
            Some(value) => json_reading(value, item, pointer, context).ok_or_else(|| {
                let seen = head(&shown(value, pointer, context));
                ProbeError(format!(
                    "{source}: expected {} at {pointer} (see `json`), seen {seen}",
                    expected(item)
                ))
            })?,
        };
        Ok(context.observed(name, reading, source))
    };
    items.iter().map(observe).collect()
}

fn json_reading(value: &Value, item: &Args, pointer: &str, context: &Context<'_>) -> Option<Reading> {
    match (MetricKind::parse(word(item))?, value) {
        (MetricKind::Number(unit), Value::Number(number)) => Some(Reading::number(number.as_f64()?, unit)),
        (MetricKind::Bool, Value::Bool(value)) => Some(Reading::bool(*value)),
        (MetricKind::Text, value) => Some(Reading::text(shown(value, pointer, context))),
        _ => None,
    }
}

/// A value as text, without secrets.
fn shown(value: &Value, pointer: &str, context: &Context<'_>) -> String {
    let name = pointer.rsplit('/').next().unwrap_or_default();
    match value {
        Value::String(_) if names_a_secret(name) => MASK.to_owned(),
        Value::String(text) => context.redactor.text(text).into_owned(),
        other => context.redactor.text(&other.to_string()).into_owned(),
    }
}

/// Reads a list of captures out of a text, in which secrets are masked before. `whole` says whether it is all that there was: what is found nowhere in
/// the whole is missing, what is not found in a part is not known.
///
/// # Errors
/// A value is no number or truth though it was declared one, or is not in the part.
pub fn captures(
    args: &Args,
    field: &str,
    context: &Context<'_>,
    parts: &[&str],
    whole: bool,
    source: &str,
) -> Result<Vec<Observation>, ProbeError> {
    let items = args.tables(field);
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<_> = parts.iter().map(|part| context.redactor.text(part)).collect();
    let observe = |item: Args| {
        let name = item.text("name").unwrap_or_default();
        let pattern = item.text("regex").unwrap_or_default();
        let regex = Regex::new(pattern).map_err(|error| ProbeError(format!("{field}: {error}")))?;
        let found = parts.iter().find_map(|part| regex.captures(part));
        let reading = match found {
            None if !whole => {
                return Err(ProbeError(format!(
                    "{source}: `{pattern}` (see `{field}`) matches nothing in the head and tail that were kept of a longer output: print less"
                )));
            }
            None if word(&item) == "bool" && regex.captures_len() == 1 => Reading::bool(false),
            None => Reading::Missing,
            Some(found) => match found.get(1) {
                None if regex.captures_len() == 1 => Reading::bool(true),
                None => Reading::Missing,
                Some(value) => text_reading(value.as_str(), name, &item).ok_or_else(|| {
                    let seen = head(value.as_str());
                    let expected = expected(&item);
                    ProbeError(format!(
                        "{source}: expected {expected} as {name} (see `{field}`), seen `{seen}`"
                    ))
                })?,
            },
        };
        Ok(context.observed(name, reading, source))
    };
    items.into_iter().map(observe).collect()
}

fn text_reading(text: &str, name: &str, item: &Args) -> Option<Reading> {
    match MetricKind::parse(word(item))? {
        MetricKind::Number(unit) => {
            let value: f64 = text.trim().parse().ok()?;
            value.is_finite().then(|| Reading::number(value, unit))
        }
        MetricKind::Bool => match text.trim() {
            "true" | "1" => Some(Reading::bool(true)),
            "false" | "0" => Some(Reading::bool(false)),
            _ => None,
        },
        MetricKind::Text if names_a_secret(name) => Some(Reading::text(MASK)),
        MetricKind::Text => Some(Reading::text(text)),
    }
}

fn expected(item: &Args) -> String {
    match MetricKind::parse(word(item)) {
        Some(MetricKind::Text) | None => "a text".to_owned(),
        Some(MetricKind::Bool) => "true or false".to_owned(),
        Some(MetricKind::Number(Unit::None | Unit::Count)) => "a number".to_owned(),
        Some(MetricKind::Number(unit)) => format!("a number (in {unit})"),
    }
}

/// The beginning of a text, on one line.
pub fn head(text: &str) -> String {
    let mut head: String = text.chars().take(120).flat_map(char::escape_debug).collect();
    if text.chars().nth(120).is_some() {
        head.push('…');
    }
    head
}
