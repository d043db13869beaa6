//! A spanned TOML table and its declared fields → checked settings. What a profile's tables are called and mean is
//! not known here.

use super::fault::Report;
use super::names::{self, quoted};
use super::source::{Source, Span};
use super::text;
use crate::model::Args;
use crate::model::field::{Field, FieldKind, Presence};
use crate::model::units::{Dimension, NoDuration, Quantity};
use serde_json::{Map, Value};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Up to here every whole number is exact as a float, and so in any reader's JSON.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How a table is called in messages, and what may stand in it.
pub(crate) struct Shape<'a> {
    /// ``gate `redis-ping` ``
    pub what: &'a str,
    /// Its keys.
    pub fields: &'a [Field],
    /// Keys that the caller reads.
    pub apart: &'a [&'a str],
    /// Keys that are refused, and why.
    pub refused: &'a [(&'a str, &'a str)],
}

/// Where a value stands, for messages.
struct Place<'a> {
    key: String,
    what: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", quoted(&self.key), self.what)
    }
}

/// Reads a table. Every fault is reported, and a key at fault is left out of what is returned.
pub(crate) fn table(shape: &Shape<'_>, table: &DeTable<'_>, span: &Span, report: &mut Report<'_>) -> Args {
    let meant = keys(shape, table, report);
    let mut values = Map::new();
    for field in shape.fields.iter().filter(|field| !meant.contains(&field.name)) {
        let place = Place { key: field.name.to_owned(), what: shape.what };
        if let Some(value) = entry(field, table, span, &place, report) {
            values.insert(field.name.to_owned(), value);
        }
    }
    Args::new(values)
}

/// Refuses keys that have no place in the table. Gives the keys that were meant by them and are not there: whoever
/// is told of the misspelt one need not be told that the right one is missing.
fn keys<'a>(shape: &Shape<'a>, table: &DeTable<'_>, report: &mut Report<'_>) -> Vec<&'a str> {
    let mut meant = Vec::new();
    for key in table.keys() {
        let name: &str = key.get_ref();
        let known = shape.fields.iter().map(|field| field.name).chain(shape.apart.iter().copied());
        if let Some((_, why)) = shape.refused.iter().find(|(refused, _)| *refused == name) {
            report.key(&key.span(), format!("{} in {}: {why}", quoted(name), shape.what));
        } else if !known.clone().any(|known| known == name) {
            let hint = match known.clone().next() {
                Some(_) => report.hint(name, known.clone()),
                None => ", which takes no keys".to_owned(),
            };
            report.key(&key.span(), format!("unknown key {} in {}{hint}", quoted(name), shape.what));
            meant.extend(names::nearest(name, known).filter(|meant| !table.contains_key(*meant)));
        }
    }
    meant
}

/// The value of a field, its default where it is absent.
fn entry(
    field: &Field,
    table: &DeTable<'_>,
    span: &Span,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    match (table.get(field.name), field.presence) {
        (Some(found), _) => value(&field.kind, found, place, report),
        (None, Presence::Optional) => None,
        (None, Presence::Default(written)) => match default(field, written) {
            Ok(value) => Some(value),
            Err(fault) => {
                report.fault(span, fault);
                None
            }
        },
        (None, Presence::Required) => {
            let expected = expected(&field.kind);
            report.fault(
                span,
                format!("{} is missing {}: expected {expected}", place.what, quoted(&place.key)),
            );
            None
        }
    }
}

/// The value of a field that is absent.
pub(crate) fn default(field: &Field, written: &str) -> Result<Value, String> {
    let fault = |why: String| {
        format!("the default of {} is not valid, which is a fault of cutproof: {why}", quoted(field.name))
    };
    let parsed = DeValue::parse(written).map_err(|error| fault(error.message().to_owned()))?;
    let source = Source::new("default", written);
    let mut report = Report::new(&source);
    let place = Place { key: field.name.to_owned(), what: "its declaration" };
    let found = value(&field.kind, &parsed, &place, &mut report);
    report.finish().map_err(|faults| fault(faults.to_string()))?;
    found.ok_or_else(|| fault("no value".to_owned()))
}

/// Reads a value of a kind.
fn value(
    kind: &FieldKind,
    found: &Spanned<DeValue<'_>>,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    let read = match (kind, found.get_ref()) {
        (FieldKind::Text, DeValue::String(text)) => Ok(Value::from(&**text)),
        (FieldKind::Bool, DeValue::Boolean(truth)) => Ok(Value::from(*truth)),
        (FieldKind::Choice(choices), DeValue::String(text)) => {
            return choice(choices, text, found, place, report);
        }
        (FieldKind::Integer { min, max }, DeValue::Integer(_)) => match integer(found.get_ref()) {
            Some(whole) if (*min..=*max).contains(&whole) => Ok(Value::from(whole)),
            _ => Err(wrong(kind, found)),
        },
        (FieldKind::Number, DeValue::Integer(_) | DeValue::Float(_)) => {
            number(found.get_ref()).ok_or_else(|| wrong(kind, found))
        }
        (FieldKind::Duration | FieldKind::Bytes, DeValue::String(text)) => {
            return quantity(kind, text, found, place, report);
        }
        (FieldKind::Regex, DeValue::String(pattern)) => match regex::Regex::new(pattern) {
            Ok(_) => Ok(Value::from(&**pattern)),
            Err(error) => Err(format!("not a regular expression: {}", last_line(&error.to_string()))),
        },
        (FieldKind::Texts, DeValue::Array(items)) => return texts(items, place, report),
        (FieldKind::Map, DeValue::Table(entries)) => return map(entries, place, report),
        (FieldKind::Table(fields), DeValue::Table(inner)) => {
            return nested(fields, inner, &found.span(), place, report);
        }
        (FieldKind::Tables(fields), DeValue::Array(items)) => return tables(fields, items, place, report),
        _ => Err(wrong(kind, found)),
    };
    read.map_err(|why| report.fault(&found.span(), format!("{place}: {why}"))).ok()
}

fn choice(
    choices: &[&str],
    text: &str,
    found: &Spanned<DeValue<'_>>,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    if choices.contains(&text) {
        return Some(Value::from(text));
    }
    let message = format!("{place}: {} is not one of its words", quoted(text));
    report.unknown(&found.span(), message, text, choices.iter().copied());
    None
}

/// A duration in milliseconds, or a size in bytes.
fn quantity(
    kind: &FieldKind,
    text: &str,
    found: &Spanned<DeValue<'_>>,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    let (at, why) = match Quantity::parse(text) {
        Err(fault) => {
            let nearest =
                fault.nearest.map(|unit| format!("; nearest unit: {}", quoted(unit))).unwrap_or_default();
            (
                text::within(report.source, &found.span(), &fault.span),
                format!("{}{nearest}", expecting(kind, text)),
            )
        }
        Ok(quantity) => match (kind, quantity.to_duration()) {
            (FieldKind::Duration, Ok(duration)) => return Some(milliseconds(duration)),
            (FieldKind::Duration, Err(NoDuration::NotAboveZero)) => {
                (found.span(), format!("expected a duration above zero; got {}", quoted(text)))
            }
            (FieldKind::Duration, Err(NoDuration::TooLong)) => {
                (found.span(), format!("expected a duration of at most 366d; got {}", quoted(text)))
            }
            (FieldKind::Bytes, _) if quantity.unit.dimension() == Dimension::Bytes => match bytes(quantity) {
                Some(bytes) => return Some(bytes),
                None => {
                    let expected = "expected a whole number of bytes, not negative and below 8 PiB";
                    (found.span(), format!("{expected}; got {}", quoted(text)))
                }
            },
            _ => (found.span(), expecting(kind, text)),
        },
    };
    report.fault(&at, format!("{place}: {why}"));
    None
}

fn expecting(kind: &FieldKind, text: &str) -> String {
    format!("expected {}; got {}", expected(kind), quoted(text))
}

/// Whole milliseconds as a whole number.
fn milliseconds(duration: Duration) -> Value {
    match u64::try_from(duration.as_millis()) {
        Ok(whole) if duration.subsec_nanos().is_multiple_of(1_000_000) => Value::from(whole),
        _ => Value::from(duration.as_secs_f64() * 1e3),
    }
}

fn bytes(quantity: Quantity) -> Option<Value> {
    let bytes = quantity.value * quantity.unit.factor();
    // The bounds make the conversion exact.
    (bytes.fract() == 0.0 && (0.0..EXACT).contains(&bytes)).then(|| Value::from(bytes as u64))
}

fn texts(items: &[Spanned<DeValue<'_>>], place: &Place<'_>, report: &mut Report<'_>) -> Option<Value> {
    let read = items.iter().map(|item| value(&FieldKind::Text, item, place, report));
    // All items are read before one that is at fault makes the list none.
    let read: Vec<Option<Value>> = read.collect();
    read.into_iter().collect::<Option<Vec<Value>>>().map(Value::from)
}

fn map(entries: &DeTable<'_>, place: &Place<'_>, report: &mut Report<'_>) -> Option<Value> {
    let mut values = Map::new();
    for (key, found) in in_order(entries) {
        let place = Place { key: format!("{}.{}", place.key, key.get_ref()), what: place.what };
        if let Some(value) = value(&FieldKind::Text, found, &place, report) {
            values.insert(key.get_ref().to_string(), value);
        }
    }
    (values.len() == entries.len()).then_some(Value::Object(values))
}

fn nested(
    fields: &[Field],
    inner: &DeTable<'_>,
    span: &Span,
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    let what = place.to_string();
    let before = report.count();
    let args = table(&Shape { what: &what, fields, apart: &[], refused: &[] }, inner, span, report);
    (report.count() == before).then(|| Value::Object(args.iter().map(owned).collect()))
}

fn tables(
    fields: &'static [Field],
    items: &[Spanned<DeValue<'_>>],
    place: &Place<'_>,
    report: &mut Report<'_>,
) -> Option<Value> {
    let mut read = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let place = Place { key: format!("{}[{}]", place.key, number + 1), what: place.what };
        match item.get_ref() {
            DeValue::Table(inner) => read.extend(nested(fields, inner, &item.span(), &place, report)),
            _ => report.fault(&item.span(), format!("{place}: {}", wrong(&FieldKind::Table(fields), item))),
        }
    }
    (read.len() == items.len()).then(|| Value::from(read))
}

fn owned((name, value): (&str, &Value)) -> (String, Value) {
    (name.to_owned(), value.clone())
}

/// The entries of a table in the order of the file; TOML's own order of keys is the alphabet's.
pub(crate) fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let found = value.as_integer()?;
    i64::from_str_radix(found.as_str(), found.radix()).ok()
}

/// A finite number, a whole one as such.
fn number(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Integer(_) => integer(value).map(Value::from),
        DeValue::Float(float) => {
            let number: f64 = float.as_str().parse().ok()?;
            serde_json::Number::from_f64(number).map(Value::from)
        }
        _ => None,
    }
}

/// A finite number as a condition writes it: without an exponent.
pub(crate) fn plain_number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(_) => integer(value).map(|whole| whole.to_string()),
        _ => number(value)?.as_f64().map(|number| number.to_string()),
    }
}

fn wrong(kind: &FieldKind, found: &Spanned<DeValue<'_>>) -> String {
    format!("expected {}; got {}", expected(kind), seen(found.get_ref()))
}

/// What a kind takes, in the words of messages and docs.
pub(crate) fn expected(kind: &FieldKind) -> String {
    match kind {
        FieldKind::Text => "a text in quotes".to_owned(),
        FieldKind::Choice(choices) => match choices {
            [one] => format!("\"{one}\""),
            several => format!(
                "one of {}",
                several.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ")
            ),
        },
        FieldKind::Bool => "true or false".to_owned(),
        FieldKind::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".to_owned(),
        FieldKind::Integer { min, max: i64::MAX } => format!("a whole number, at least {min}"),
        FieldKind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        FieldKind::Number => "a number".to_owned(),
        FieldKind::Duration => "a duration with its unit, such as \"200ms\" or \"5s\"".to_owned(),
        FieldKind::Bytes => "a size with its unit, such as \"512B\" or \"10MiB\"".to_owned(),
        FieldKind::Texts => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
        FieldKind::Map => "a table of texts, such as { a = \"b\" }".to_owned(),
        FieldKind::Regex => "a regular expression in quotes".to_owned(),
        FieldKind::Table(fields) => {
            format!("a table of {}", names::list(fields.iter().map(|field| field.name)))
        }
        FieldKind::Tables(fields) => {
            format!("a list of tables of {}", names::list(fields.iter().map(|field| field.name)))
        }
    }
}

/// A value as a message shows it. Texts are not shown: one may be a secret in the wrong place.
pub(crate) fn seen(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => format!("the date {moment}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn last_line(text: &str) -> &str {
    let line = text.trim_end().rsplit('\n').next().unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}
