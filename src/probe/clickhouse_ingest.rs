//! `clickhouse_ingest`: how long a record takes from being produced to Kafka until it is in its ClickHouse table,
//! by one record that no other run has. The record stays in the topic, and its row in the table unless `cleanup`
//! says otherwise.

use super::client::clickhouse;
use super::client::kafka::{CONNECT_TIMEOUT, Link};
use super::client::kafka_error::check_topic;
use super::client::kafka_producer::{Record, produce};
use super::placeholder::Unique;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use std::time::{Duration, Instant};

/// The probe.
pub struct ClickhouseIngest;

const FIELDS: &[Field] = &[
    Field::with_default("topic", FieldKind::Text, "\"market.ticks.v1\"", "the topic to produce to"),
    Field::required(
        "record",
        FieldKind::Text,
        "what to produce: JSON with `{{id}}` or `{{number}}` in it, which no other run has, and `{{now_ms}}` or \
         `{{now}}`",
    ),
    Field::optional("key", FieldKind::Text, "the record's key, with the same placeholders"),
    Field::required(
        "lookup",
        FieldKind::Text,
        "a ClickHouse query for the number of rows that the record became: `SELECT count() FROM market_ticks WHERE \
         trace_id = '{{id}}'`",
    ),
    Field::optional("cleanup", FieldKind::Text, "a ClickHouse statement that removes the row afterwards"),
];

/// Pause between two looks into the table. It bounds the precision of the delay.
pub(super) const AGAIN: Duration = Duration::from_millis(10);

/// A look that is given less time may come to its end before ClickHouse has answered, whatever ClickHouse does.
const FAIR: Duration = Duration::from_secs(1);

/// How much of the time is kept for cleaning up.
pub(super) const CLEANING: Duration = Duration::from_secs(2);

impl Probe for ClickhouseIngest {
    fn name(&self) -> &'static str {
        "clickhouse_ingest"
    }

    fn about(&self) -> &'static str {
        "how long a record takes from being produced to Kafka until it is in its ClickHouse table"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Kafka, ServiceKind::Clickhouse]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::bool("arrived", "whether the record came to be in the table"),
            Metric::number("delay_ms", Unit::Millisecond, "from producing the record until a query finds it"),
            Metric::number(
                "produce_ms",
                Unit::Millisecond,
                "the part of it until the brokers had the record",
            ),
        ];
        if args.text("cleanup").is_some() {
            metrics.push(Metric::bool("cleaned", "whether the clean-up went through"));
        }
        metrics
    }

    fn expect(&self, args: &Args) -> String {
        let cleaned = if args.text("cleanup").is_some() { " and cleaned == true" } else { "" };
        format!("arrived == true{cleaned}")
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_topic(args.text("topic").unwrap_or_default())
            .map_err(|message| BadArgs { field: "topic", message })?;
        let key = args.text("key").map_or(Ok(()), Unique::check);
        key.map_err(|message| BadArgs { field: "key", message })?;
        check_templates(args, &["record", "lookup", "cleanup"])
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let kafka = context.endpoint(ServiceKind::Kafka)?;
        let clickhouse = context.endpoint(ServiceKind::Clickhouse)?;
        let unique = Unique::new(context);
        let text = |name| args.text(name).map(|text| unique.fill(text)).transpose().map_err(ProbeError);
        let (record, lookup) = (text("record")?.unwrap_or_default(), text("lookup")?.unwrap_or_default());
        let (key, cleanup) = (text("key")?, text("cleanup")?);
        let topic = args.text("topic").unwrap_or_default();

        let link = Link::open(context, kafka, None, CONNECT_TIMEOUT)?;
        if link.topic(topic)?.is_none() {
            let at = link.at();
            return Err(ProbeError(format!("{at}: topic {topic} does not exist; is it there (init kafka)?")));
        }
        // Whatever is wrong with the query is wrong before anything is written.
        let table = Lookup { context, endpoint: clickhouse, sql: &lookup };
        table.expect_none()?;
        let began = Instant::now();
        let record = Record { topic, key: key.as_deref(), payload: &record, ..Record::default() };
        let (partition, offset) = produce(context, kafka, &link, record)?;
        let produced = began.elapsed();
        let left = context.remaining();
        let reserve = if cleanup.is_some() { CLEANING.min(left / 4) } else { Duration::ZERO };
        let arrived = table.wait(context.deadline.checked_sub(reserve).unwrap_or(context.deadline));
        let delay = began.elapsed();
        // A row that did not come yet would come behind the clean-up: then there is nothing to remove.
        let cleaned = cleanup.map(|sql| clickhouse::query(clickhouse, &sql, &[], context.remaining()));

        let source = format!("{}, {topic}/{partition}@{offset}, then {}", link.at(), clickhouse.address);
        let see = |name: &str, reading| context.observed(name, reading, &source);
        let (arrived, delay) = match arrived? {
            true => (true, Reading::number(millis(delay), Unit::Millisecond)),
            false => (false, Reading::Missing),
        };
        let mut observations = vec![
            see("arrived", Reading::bool(arrived)),
            see("delay_ms", delay),
            see("produce_ms", Reading::number(millis(produced), Unit::Millisecond)),
        ];
        let mut facts = Args::default();
        facts.set("id", unique.id.as_str());
        facts.set("written", format!("the record at {topic}/{partition}@{offset} stays"));
        if let Some(cleaned) = cleaned {
            observations.push(see("cleaned", Reading::bool(cleaned.is_ok() && arrived)));
            if let Err(why) = cleaned {
                facts.set("left_behind", context.redactor.text(&why.0).into_owned());
            }
        }
        Ok(Measurement { observations, facts, excerpt: String::new() })
    }
}

/// Checks that these texts, where they are set, can be filled and are unique to the run.
pub(super) fn check_templates(args: &Args, fields: &[&'static str]) -> Result<(), BadArgs> {
    for field in fields.iter().copied() {
        if let Some(text) = args.text(field) {
            Unique::check_unique(text).map_err(|message| BadArgs { field, message })?;
        }
    }
    Ok(())
}

/// A query for the number of rows with this run's unique value.
pub(super) struct Lookup<'a> {
    pub context: &'a Context<'a>,
    pub endpoint: &'a Endpoint,
    pub sql: &'a str,
}

impl Lookup<'_> {
    /// Makes sure that the query works and finds nothing yet: otherwise it would find whatever is asked for.
    ///
    /// # Errors
    /// It fails, or finds something.
    pub fn expect_none(&self) -> Result<(), ProbeError> {
        match self.rows(self.context.deadline)? {
            0 => Ok(()),
            rows => Err(ProbeError(format!(
                "ClickHouse at {}: the lookup gives {rows} before anything was written, expected 0: does it ask for \
                 this run's {{{{id}}}} or {{{{number}}}}?",
                self.endpoint.address
            ))),
        }
    }

    /// Whether a row comes to be there.
    ///
    /// # Errors
    /// The query fails, or the run is to stop.
    pub fn wait(&self, until: Instant) -> Result<bool, ProbeError> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.rows(until) {
                Ok(0) => {}
                Ok(_) => return Ok(true),
                // Time was up before the last look had a fair chance; those before it found nothing.
                Err(_) if left < FAIR && Instant::now() >= until => return Ok(false),
                Err(error) => return Err(error),
            }
            if Instant::now() + AGAIN >= until {
                return Ok(false);
            }
            if self.context.cancel.pause(AGAIN) {
                return Err(ProbeError("told to stop while waiting for the row in ClickHouse".to_owned()));
            }
        }
    }

    fn rows(&self, until: Instant) -> Result<u64, ProbeError> {
        let left = until.saturating_duration_since(Instant::now());
        let answer = clickhouse::query(self.endpoint, self.sql, &[], left)?;
        answer.trim().parse().map_err(|_| {
            let shown: String = answer.trim().chars().take(80).collect();
            let at = &self.endpoint.address;
            ProbeError(format!(
                "ClickHouse at {at}: expected a number of rows from the lookup, and got `{shown}`"
            ))
        })
    }
}
