//! Whether what is written to Redis comes back: under names of this run only, and gone again afterwards.

use super::client::redis::Session;
use super::redis_ping::percentile;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, ServiceKind};
use redis::{Value, cmd};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The probe `redis_round_trip`.
pub struct RedisRoundTrip;

/// What stands for a name that is new with every measurement.
const ID: &str = "{{id}}";

const FIELDS: &[Field] = &[
    Field::required(
        "keys",
        FieldKind::Texts,
        "keys to write, each with {{id}} in it, which is new each time",
    ),
    Field::with_default(
        "value",
        FieldKind::Text,
        "\"{{id}}\"",
        "the string that is written; {{id}} as in `keys`",
    ),
    Field::optional(
        "fields",
        FieldKind::Map,
        "the hash that is written instead of a string; {{id}} as in `keys`",
    ),
    Field::with_default(
        "ttl",
        FieldKind::Duration,
        "\"60s\"",
        "when Redis drops a key that could not be deleted",
    ),
];

impl Probe for RedisRoundTrip {
    fn name(&self) -> &'static str {
        "redis_round_trip"
    }

    fn about(&self) -> &'static str {
        "what is written to Redis comes back the same; under names of its own, deleted afterwards"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Redis]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        vec![
            Metric::bool("matched", "whether every key was read back as it was written"),
            Metric::bool("cleaned", "whether every key is deleted again"),
            Metric::number("round_trips", Unit::Count, "keys that were written and read back the same"),
            Metric::number(
                "latency_ms",
                Unit::Millisecond,
                "99th percentile (nearest rank) of write and read of a key",
            ),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        "matched == true and cleaned == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let keys = args.texts("keys");
        if keys.is_empty() {
            return Err(BadArgs { field: "keys", message: "expected at least one key".to_owned() });
        }
        match keys.iter().find(|key| !key.contains(ID)) {
            Some(key) => {
                let message = format!("expected {ID} in `{key}`: only names of its own are written");
                Err(BadArgs { field: "keys", message })
            }
            None => Ok(()),
        }
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        self.check(args).map_err(|bad| ProbeError(bad.message))?;
        let mut session = Session::open(context.endpoint(ServiceKind::Redis)?, context.deadline)?;
        let mut trips = Vec::new();
        let (mut mismatched, mut left) = (Vec::new(), Vec::new());
        for key in args.texts("keys") {
            let id = format!("cutproof-{}-{:08x}", context.run, fastrand::u32(..));
            let key = key.replace(ID, &id);
            let content = Content::of(args, &id);
            let began = Instant::now();
            content.write(&mut session, &key, args.duration("ttl").unwrap_or(Duration::from_secs(60)))?;
            let read = content.read(&mut session, &key);
            let took = millis(began.elapsed());
            // What was written is deleted also where it could not be read.
            let deleted: Result<i64, _> = session.ask(cmd("DEL").arg(&key));
            if read? {
                trips.push(took);
            } else {
                mismatched.push(key.clone());
            }
            if deleted? != 1 {
                left.push(key);
            }
        }
        let latency =
            percentile(&mut trips, 99).map_or(Reading::Missing, |ms| Reading::number(ms, Unit::Millisecond));
        let at = &session.at;
        let samples = trips.len() as u64;
        let observations = vec![
            context.observed("matched", Reading::bool(mismatched.is_empty()), at),
            context.observed("cleaned", Reading::bool(left.is_empty()), at),
            context.observed("round_trips", Reading::number(samples as f64, Unit::Count), at),
            Observation { samples, ..context.observed("latency_ms", latency, at) },
        ];
        let mut facts = Args::default();
        for (fact, keys) in [("mismatched", mismatched), ("not_found_to_delete", left)] {
            if !keys.is_empty() {
                facts.set(fact, keys);
            }
        }
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

/// What is written.
#[derive(Debug, PartialEq)]
enum Content {
    Text(String),
    Hash(BTreeMap<String, String>),
}

impl Content {
    fn of(args: &Args, id: &str) -> Content {
        let fields = args.map("fields");
        if fields.is_empty() {
            return Content::Text(args.text("value").unwrap_or(ID).replace(ID, id));
        }
        Content::Hash(
            fields.into_iter().map(|(name, text)| (name.to_owned(), text.replace(ID, id))).collect(),
        )
    }

    /// Writes, with a time to live from the first moment on, and only where nothing is.
    fn write(&self, session: &mut Session, key: &str, ttl: Duration) -> Result<(), ProbeError> {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let written = match self {
            Content::Text(text) => session
                .ask::<Option<String>>(cmd("SET").arg(key).arg(text).arg("NX").arg("PX").arg(ttl))?
                .is_some(),
            Content::Hash(fields) => {
                // The transaction is void if anyone touches the key after it was seen to be free.
                session.ask::<()>(cmd("WATCH").arg(key))?;
                let free = !session.ask::<bool>(cmd("EXISTS").arg(key))?;
                free && {
                    let mut hset = cmd("HSET");
                    hset.arg(key).arg(fields.iter().collect::<Vec<_>>());
                    let expire = cmd("PEXPIRE").arg(key).arg(ttl).to_owned();
                    session.ask_all::<Value>(&[cmd("MULTI"), hset, expire])?;
                    session.ask::<Option<(i64, i64)>>(&cmd("EXEC"))?.is_some()
                }
            }
        };
        if written {
            return Ok(());
        }
        Err(ProbeError(format!(
            "{}: expected no key `{key}`, and there is one: it was left as it is",
            session.at
        )))
    }

    /// Whether what is there is what was written.
    fn read(&self, session: &mut Session, key: &str) -> Result<bool, ProbeError> {
        Ok(match self {
            Content::Text(text) => {
                session.ask::<Option<Vec<u8>>>(cmd("GET").arg(key))?.as_deref() == Some(text.as_bytes())
            }
            Content::Hash(fields) => {
                let read: BTreeMap<Vec<u8>, Vec<u8>> = session.ask(cmd("HGETALL").arg(key))?;
                let written = fields.iter().map(|(name, text)| (name.as_bytes(), text.as_bytes()));
                written.eq(read.iter().map(|(name, text)| (name.as_slice(), text.as_slice())))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_names_of_its_own_are_written() {
        let mut args = Args::default();
        assert!(RedisRoundTrip.check(&args).is_err());
        args.set("keys", vec!["market:state7d:{{id}}:latest", "trade:order:1:info"]);
        let bad = RedisRoundTrip.check(&args).unwrap_err();
        assert_eq!(bad.message, "expected {{id}} in `trade:order:1:info`: only names of its own are written");
    }

    #[test]
    fn the_id_stands_in_every_part_of_what_is_written() {
        let mut args = Args::default();
        assert_eq!(Content::of(&args, "7"), Content::Text("7".into()));
        args.set("fields", json!({"trace": "t-{{id}}", "side": "buy"}));
        let fields = [("side".to_owned(), "buy".to_owned()), ("trace".to_owned(), "t-7".to_owned())];
        assert_eq!(Content::of(&args, "7"), Content::Hash(fields.into()));
    }
}
