//! Whether the keys that others rely on are there: of which type, how long they live, how old what they hold is.

use super::client::redis::Session;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, ServiceKind, Stamp};
use redis::cmd;
use serde_json::Value;
use std::collections::BTreeSet;

/// The probe `redis_keys`.
pub struct RedisKeys;

/// The longest value in which a time stamp is looked for.
const LONGEST: usize = 64 << 10;

/// Keys that one pipeline asks for, and one SCAN looks at.
const BATCH: usize = 1_000;

/// How far in the future a stamp may lie: clocks differ. What lies further was read in the wrong unit.
const AHEAD_MS: f64 = 60_000.0;

const FIELDS: &[Field] = &[
    Field::required(
        "keys",
        FieldKind::Texts,
        "keys, or patterns with `*`, `?` and `[…]`, that must each be there",
    ),
    Field::optional(
        "type",
        FieldKind::Choice(&["string", "hash", "list", "set", "zset", "stream"]),
        "the type that they must have",
    ),
    Field::with_default(
        "limit",
        FieldKind::Integer { min: 1, max: 1_000_000 },
        "10000",
        "the most keys that a pattern may find",
    ),
    Field::optional(
        "time_field",
        FieldKind::Text,
        "the hash field, or the top-level JSON key of a string, that holds when the value was made",
    ),
    Field::with_default(
        "time_unit",
        FieldKind::Choice(&["ns", "us", "ms", "s"]),
        "\"ns\"",
        "its unit, since 1970",
    ),
];

impl Probe for RedisKeys {
    fn name(&self) -> &'static str {
        "redis_keys"
    }

    fn about(&self) -> &'static str {
        "keys are there: found by name or pattern, with their type, time to live and age"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Redis]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::number("keys_found", Unit::Count, "keys that were found"),
            Metric::number("keys_missing", Unit::Count, "names and patterns of `keys` that found nothing"),
            Metric::number(
                "ttl_min_s",
                Unit::Second,
                "the shortest time to live; no events where none expires",
            ),
        ];
        if args.text("type").is_some() {
            metrics.push(Metric::number("types_wrong", Unit::Count, "keys of another type than `type`"));
        }
        if args.text("time_field").is_some() {
            metrics.push(Metric::number("age_youngest_ms", Unit::Millisecond, "age of the youngest value"));
            let about = "age of the oldest value; missing where a key has no time";
            metrics.push(Metric::number("age_oldest_ms", Unit::Millisecond, about));
        }
        metrics
    }

    fn expect(&self, args: &Args) -> String {
        let types = if args.text("type").is_some() { " and types_wrong == 0" } else { "" };
        format!("keys_missing == 0{types}")
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let keys = args.texts("keys");
        let message = "expected at least one key or pattern, none of them empty".to_owned();
        if keys.is_empty() || keys.contains(&"") { Err(BadArgs { field: "keys", message }) } else { Ok(()) }
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let mut session = Session::open(context.endpoint(ServiceKind::Redis)?, context.deadline)?;
        let limit = args.integer("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10_000);
        let mut found = BTreeSet::new();
        let mut missing = Vec::new();
        for key in args.texts("keys") {
            let keys =
                if is_pattern(key) { scan(&mut session, key, limit)? } else { named(&mut session, key)? };
            if keys.is_empty() {
                missing.push(key);
            }
            found.extend(keys);
        }
        let keys: Vec<_> = found.into_iter().collect();
        let described = describe(&mut session, &keys)?;
        let number =
            |name: &str, value: f64, unit| context.observed(name, Reading::number(value, unit), &session.at);
        let count = |name: &str, value: usize| number(name, value as f64, Unit::Count);
        let ttl = described.iter().filter_map(|key| key.ttl_ms).min();
        let ttl = ttl.map_or(Reading::NoEvents, |ms| Reading::number(ms as f64 / 1e3, Unit::Second));
        let mut observations = vec![
            count("keys_found", keys.len()),
            count("keys_missing", missing.len()),
            context.observed("ttl_min_s", if keys.is_empty() { Reading::Missing } else { ttl }, &session.at),
        ];
        let mut facts = Args::default();
        if !missing.is_empty() {
            facts.set("missing", missing);
        }
        if let Some(expected) = args.text("type") {
            let wrong = described.iter().zip(&keys).filter(|(key, _)| key.kind != expected);
            let wrong: Vec<_> = wrong.map(|(key, name)| format!("{}: {}", shown(name), key.kind)).collect();
            observations.push(count("types_wrong", wrong.len()));
            if !wrong.is_empty() {
                facts.set("wrong_types", head(wrong));
            }
        }
        if let Some(field) = args.text("time_field") {
            let unit = args.text("time_unit").unwrap_or("ns");
            let times = times(&mut session, &keys, &described, field)?;
            observations.extend(ages(context, &session.at, &keys, &times, unit, &mut facts)?);
        }
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

/// Whether Redis reads a key as a pattern.
fn is_pattern(key: &str) -> bool {
    key.contains(['*', '?', '['])
}

/// A key as a person reads it: keys are bytes.
fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(200).collect()
}

/// The first of many, with how many more there are.
fn head(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(20);
    if more > 0 {
        lines.truncate(20);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn named(session: &mut Session, key: &str) -> Result<BTreeSet<Vec<u8>>, ProbeError> {
    let there: bool = session.ask(cmd("EXISTS").arg(key))?;
    Ok(there.then(|| key.as_bytes().to_vec()).into_iter().collect())
}

/// All keys that match a pattern: SCAN, which does not stop the server as KEYS does.
fn scan(session: &mut Session, pattern: &str, limit: usize) -> Result<BTreeSet<Vec<u8>>, ProbeError> {
    let mut found = BTreeSet::new();
    let mut cursor: u64 = 0;
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(BATCH);
        let (next, keys): (u64, Vec<Vec<u8>>) = session.ask(&scan)?;
        found.extend(keys);
        if found.len() > limit {
            return Err(ProbeError(format!(
                "{}: more than {limit} keys match `{pattern}`: narrow it, or raise `limit`",
                session.at
            )));
        }
        if next == 0 {
            return Ok(found);
        }
        cursor = next;
    }
}

/// What is known of a key.
struct Key {
    kind: String,
    /// None where it does not expire.
    ttl_ms: Option<i64>,
}

fn describe(session: &mut Session, keys: &[Vec<u8>]) -> Result<Vec<Key>, ProbeError> {
    let mut described = Vec::new();
    for batch in keys.chunks(BATCH) {
        let ask = |name: &str, key: &Vec<u8>| cmd(name).arg(key).to_owned();
        let kinds: Vec<String> =
            session.ask_all(&batch.iter().map(|key| ask("TYPE", key)).collect::<Vec<_>>())?;
        let ttls: Vec<i64> =
            session.ask_all(&batch.iter().map(|key| ask("PTTL", key)).collect::<Vec<_>>())?;
        let key = |(kind, ttl): (String, i64)| Key { kind, ttl_ms: (ttl >= 0).then_some(ttl) };
        described.extend(kinds.into_iter().zip(ttls).map(key));
    }
    Ok(described)
}

/// The time stamps in the keys' values, as they stand there. Lengths are asked for first, so that no value is
/// fetched that is too long to hold one.
fn times(
    session: &mut Session,
    keys: &[Vec<u8>],
    described: &[Key],
    field: &str,
) -> Result<Vec<Option<f64>>, ProbeError> {
    let mut times = vec![None; keys.len()];
    let readable: Vec<_> =
        (0..keys.len()).filter(|key| matches!(described[*key].kind.as_str(), "hash" | "string")).collect();
    for batch in readable.chunks(BATCH) {
        let hash = |key: usize| described[key].kind == "hash";
        let length = |key: &usize| match hash(*key) {
            true => cmd("HSTRLEN").arg(&keys[*key]).arg(field).to_owned(),
            false => cmd("STRLEN").arg(&keys[*key]).to_owned(),
        };
        let lengths: Vec<usize> = session.ask_all(&batch.iter().map(length).collect::<Vec<_>>())?;
        let batch: Vec<_> = batch
            .iter()
            .zip(lengths)
            .filter(|(_, length)| (1..=LONGEST).contains(length))
            .map(|(key, _)| *key)
            .collect();
        for key in batch {
            let name = &keys[key];
            let value: Option<Vec<u8>> = if hash(key) {
                session.ask(cmd("HGET").arg(name).arg(field))?
            } else {
                session.ask(cmd("GET").arg(name))?
            };
            let Some(value) = value else { continue };
            let text = || number(std::str::from_utf8(&value).ok()?);
            times[key] = if hash(key) { text() } else { json_number(&value, field) };
        }
    }
    Ok(times)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

fn json_number(value: &[u8], field: &str) -> Option<f64> {
    let value: Value = serde_json::from_slice(value).ok()?;
    match value.get(field)? {
        Value::String(text) => number(text),
        other => other.as_f64(),
    }
}

/// The ages of the youngest and the oldest value.
fn ages(
    context: &Context<'_>,
    at: &str,
    keys: &[Vec<u8>],
    times: &[Option<f64>],
    unit: &str,
    facts: &mut Args,
) -> Result<Vec<Observation>, ProbeError> {
    let per_ms = match unit {
        "ns" => 1e6,
        "us" => 1e3,
        "s" => 1e-3,
        _ => 1.0,
    };
    let now = context.clock.now();
    let mut known = Vec::new();
    for (key, time) in keys.iter().zip(times) {
        let Some(time) = time else { continue };
        // Whole milliseconds, as the clock has them: nanoseconds since 1970 are more than an f64 can hold.
        let age = now.millis() as f64 - (time / per_ms).round();
        if age < -AHEAD_MS {
            let when = Stamp::from_millis((time / per_ms) as i64);
            let key = shown(key);
            return Err(ProbeError(format!(
                "{at}: the time in `{key}` is {when}, in the future: is `time_unit` right?"
            )));
        }
        known.push(age);
    }
    let without: Vec<_> =
        keys.iter().zip(times).filter(|(_, time)| time.is_none()).map(|(key, _)| shown(key)).collect();
    let reading =
        |age: Option<f64>| age.map_or(Reading::Missing, |age| Reading::number(age, Unit::Millisecond));
    let youngest = known.iter().copied().reduce(f64::min);
    let oldest = known.iter().copied().reduce(f64::max).filter(|_| without.is_empty());
    if !without.is_empty() {
        facts.set("without_time", head(without));
    }
    let observed =
        |name, age| Observation { samples: known.len() as u64, ..context.observed(name, reading(age), at) };
    Ok(vec![observed("age_youngest_ms", youngest), observed("age_oldest_ms", oldest)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_a_pattern_where_redis_would_expand_it() {
        for pattern in ["market:state7d:*:latest", "a?", "a[bc]"] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        assert!(!is_pattern("market:state7d:rb2501:latest"));
    }

    #[test]
    fn a_gate_without_keys_is_refused() {
        let mut args = Args::default();
        assert!(RedisKeys.check(&args).is_err());
        args.set("keys", vec!["a", ""]);
        assert!(RedisKeys.check(&args).is_err());
        args.set("keys", vec!["a*"]);
        assert!(RedisKeys.check(&args).is_ok());
    }

    #[test]
    fn a_time_is_read_from_json_and_from_text() {
        assert_eq!(
            json_number(br#"{"ts_ns": 1795376463120000000}"#, "ts_ns"),
            Some(1_795_376_463_120_000_000.0)
        );
        assert_eq!(json_number(br#"{"ts_ns": "17"}"#, "ts_ns"), Some(17.0));
        for bad in [&b"{"[..], b"[]", br#"{"other": 1}"#, b"\xff\xfe", br#"{"ts_ns": null}"#] {
            assert_eq!(json_number(bad, "ts_ns"), None);
        }
        assert_eq!(number("inf"), None);
    }

    #[test]
    fn a_long_list_of_keys_is_cut_with_its_length() {
        let lines: Vec<_> = (0..25).map(|n| n.to_string()).collect();
        assert_eq!(head(lines).last().map(String::as_str), Some("and 5 more"));
    }

    proptest! {
        #[test]
        fn any_value_has_a_time_or_none(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = json_number(&value, "ts_ns");
            prop_assert!(shown(&value).chars().count() <= 200);
        }
    }
}
