//! `cdc`: how long a row takes from PostgreSQL to its Kafka topic and on to its ClickHouse table, by one row that
//! no other run has. The row is deleted afterwards; what was captured of it stays in the topic and the table.

use super::clickhouse_ingest::{CLEANING, Lookup, check_templates};
use super::client::kafka::{CONNECT_TIMEOUT, Edge, Link, Next};
use super::client::kafka_error::check_topic;
use super::client::postgres;
use super::placeholder::Unique;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use rdkafka::message::Message;
use std::time::{Duration, Instant};

/// The probe.
pub struct Cdc;

const FIELDS: &[Field] = &[
    Field::required(
        "insert",
        FieldKind::Text,
        "a PostgreSQL statement that inserts one row, with `{{id}}` or `{{number}}` in it, which no other run has",
    ),
    Field::required("delete", FieldKind::Text, "a PostgreSQL statement that deletes that row again"),
    Field::with_default(
        "topic",
        FieldKind::Text,
        "\"quant_hft_pg.trading_core.orders\"",
        "the topic that the row's changes go to",
    ),
    Field::required(
        "lookup",
        FieldKind::Text,
        "a ClickHouse query for the number of rows that it became: `SELECT count() FROM orders_cdc WHERE order_id = \
         '{{id}}'`",
    ),
];

/// How long one look for the record waits; then cancellation is looked at.
const LOOK: Duration = Duration::from_millis(50);

impl Probe for Cdc {
    fn name(&self) -> &'static str {
        "cdc"
    }

    fn about(&self) -> &'static str {
        "change data capture: how long a row takes from PostgreSQL to its Kafka topic and its ClickHouse table"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Postgres, ServiceKind::Kafka, ServiceKind::Clickhouse]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, _: &Args) -> Vec<Metric> {
        let delay = |name, about| Metric::number(name, Unit::Millisecond, about);
        vec![
            Metric::bool("in_kafka", "whether the row came to its topic"),
            Metric::bool("in_clickhouse", "whether the row came to its table"),
            delay("kafka_delay_ms", "from the row being committed until it is read from its topic"),
            delay("clickhouse_delay_ms", "from the row being committed until a query finds it"),
            Metric::bool("cleaned", "whether the row is deleted again"),
        ]
    }

    fn expect(&self, _: &Args) -> String {
        "in_kafka == true and in_clickhouse == true and cleaned == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_topic(args.text("topic").unwrap_or_default())
            .map_err(|message| BadArgs { field: "topic", message })?;
        check_templates(args, &["insert", "delete", "lookup"])
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let unique = Unique::new(context);
        let text = |name| unique.fill(args.text(name).unwrap_or_default()).map_err(ProbeError);
        let (insert, delete, lookup) = (text("insert")?, text("delete")?, text("lookup")?);
        let topic = args.text("topic").unwrap_or_default();
        let link =
            Link::open(context, context.endpoint(ServiceKind::Kafka)?, Some("cutproof"), CONNECT_TIMEOUT)?;
        let endpoint = context.endpoint(ServiceKind::Clickhouse)?;
        let row = Row {
            context,
            postgres: context.endpoint(ServiceKind::Postgres)?,
            table: Lookup { context, endpoint, sql: &lookup },
            link: &link,
            topic,
            unique: &unique,
        };
        row.measure(&insert, &delete)
    }
}

struct Row<'a> {
    context: &'a Context<'a>,
    postgres: &'a Endpoint,
    table: Lookup<'a>,
    link: &'a Link,
    topic: &'a str,
    unique: &'a Unique,
}

/// How far the row came, and when.
#[derive(Default)]
struct Seen {
    kafka: Option<Duration>,
    clickhouse: Option<Duration>,
}

impl Row<'_> {
    fn measure(&self, insert: &str, delete: &str) -> Result<Measurement, ProbeError> {
        self.watch_topic()?;
        self.table.expect_none()?;
        let left = self.context.remaining();
        let until = Instant::now() + left.saturating_sub(CLEANING.min(left / 4));
        let inserted = self.run(insert, until);
        let began = Instant::now();
        let seen = match inserted {
            Ok(0) => {
                Err(ProbeError(format!("PostgreSQL at {}: the insert made no row", self.postgres.address)))
            }
            Ok(_) => self.follow(began, until),
            Err(error) => Err(error),
        };
        // Also after an insert that failed: where only its answer was lost, the row is there.
        let cleaned = self.run(delete, self.context.deadline);
        let cleaned = cleaned.map_err(|error| self.context.redactor.text(&error.0).into_owned());
        match (seen, cleaned) {
            (Ok(seen), cleaned) => Ok(self.report(&seen, cleaned)),
            (Err(error), Ok(_)) => Err(error),
            (Err(error), Err(why)) => Err(ProbeError(format!(
                "{error}; and the row {} could not be deleted: {why}",
                self.unique.id
            ))),
        }
    }

    /// Runs a statement on a connection of its own, so that one that was cut off does not keep the row from being
    /// deleted. Gives how many rows it touched.
    fn run(&self, sql: &str, deadline: Instant) -> Result<u64, ProbeError> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let mut client = postgres::connect(self.postgres, timeout)?;
        let at = format!("PostgreSQL at {}", self.postgres.address);
        client.execute(sql, &[]).map_err(|error| postgres::failure(&error, &at, deadline))
    }

    /// Begins to read the topic where its records end now.
    fn watch_topic(&self) -> Result<(), ProbeError> {
        let Some(topic) = self.link.topic(self.topic)? else {
            let (at, topic) = (self.link.at(), self.topic);
            return Err(ProbeError(format!("{at}: topic {topic} does not exist; is it there (init kafka)?")));
        };
        let partitions: Vec<_> = topic.partitions.iter().map(|part| (topic.name.clone(), part.id)).collect();
        let ends = self.link.edge(&partitions, Edge::End)?;
        let ends: Vec<_> = ends.into_iter().map(|((_, id), offset)| (id, offset)).collect();
        self.link.read_from(self.topic, &ends)
    }

    /// Follows the row to its topic and then to its table, which it reaches by way of the topic.
    fn follow(&self, began: Instant, until: Instant) -> Result<Seen, ProbeError> {
        let mut seen = Seen::default();
        while seen.kafka.is_none() {
            if self.context.cancel.is_cancelled() {
                return Err(ProbeError(format!("told to stop while waiting for the row in {}", self.topic)));
            }
            if Instant::now() >= until {
                return Ok(seen);
            }
            if let Next::Record(record) = self.link.next(LOOK)?
                && [record.key(), record.payload()]
                    .into_iter()
                    .flatten()
                    .any(|bytes| self.unique.stands_in(bytes))
            {
                seen.kafka = Some(began.elapsed());
            }
        }
        seen.clickhouse = self.table.wait(until)?.then(|| began.elapsed());
        Ok(seen)
    }

    fn report(&self, seen: &Seen, cleaned: Result<u64, String>) -> Measurement {
        let delay = |delay: Option<Duration>| {
            delay.map_or(Reading::Missing, |delay| Reading::number(millis(delay), Unit::Millisecond))
        };
        let (postgres, kafka) = (&self.postgres.address, self.link.at());
        let to_kafka = format!("PostgreSQL at {postgres} to {kafka}, {}", self.topic);
        let to_table = format!("{to_kafka}, to ClickHouse at {}", self.table.endpoint.address);
        let see = |name: &str, reading, source: &str| self.context.observed(name, reading, source);
        let deleted = matches!(cleaned, Ok(rows) if rows > 0);
        let observations = vec![
            see("in_kafka", Reading::bool(seen.kafka.is_some()), &to_kafka),
            see("in_clickhouse", Reading::bool(seen.clickhouse.is_some()), &to_table),
            see("kafka_delay_ms", delay(seen.kafka), &to_kafka),
            see("clickhouse_delay_ms", delay(seen.clickhouse), &to_table),
            see("cleaned", Reading::bool(deleted), &format!("PostgreSQL at {postgres}")),
        ];
        let mut facts = Args::default();
        facts.set("id", self.unique.id.as_str());
        match cleaned {
            Ok(0) => facts.set("left_behind", "the delete found no row: does it ask for this run's {{id}}?"),
            Ok(_) => facts.set(
                "written",
                format!(
                    "the row was deleted in PostgreSQL; its changes stay in {} and in ClickHouse",
                    self.topic
                ),
            ),
            Err(why) => facts.set("left_behind", format!("the row in PostgreSQL: {why}")),
        }
        Measurement { observations, facts, excerpt: String::new() }
    }
}
