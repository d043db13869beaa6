//! `kafka_round_trip`: produces a record and reads it back. Without a topic it makes one of its own and deletes it
//! afterwards; to a given topic it adds one record, which stays. It leaves no consumer group.

use super::client::kafka::{CONNECT_TIMEOUT, Edge, Link, Next};
use super::client::kafka_admin::Admin;
use super::client::kafka_error::check_topic;
use super::client::kafka_producer::{Record, produce};
use super::placeholder::Unique;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use rdkafka::message::Message;
use std::time::{Duration, Instant};

/// The probe.
pub struct KafkaRoundTrip;

const FIELDS: &[Field] = &[
    Field::optional(
        "topic",
        FieldKind::Text,
        "the topic to write one record to; it stays there. Without it, a topic is made and deleted again",
    ),
    Field::with_default(
        "partition",
        FieldKind::Integer { min: 0, max: 100_000 },
        "0",
        "the partition of that topic",
    ),
];

/// How much of the time is kept for deleting the topic.
const CLEANING: Duration = Duration::from_secs(1);

/// Pause between two looks at a topic that has just been made.
const AGAIN: Duration = Duration::from_millis(5);

/// How long one look for the record waits; then cancellation is looked at.
const LOOK: Duration = Duration::from_millis(50);

impl Probe for KafkaRoundTrip {
    fn name(&self) -> &'static str {
        "kafka_round_trip"
    }

    fn about(&self) -> &'static str {
        "produces a record to Kafka and reads it back"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Kafka]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::bool("returned", "whether the record came back as it was sent"),
            Metric::number(
                "latency_ms",
                Unit::Millisecond,
                "from sending it to having it back, the producer's connection to the broker included",
            ),
        ];
        if args.text("topic").is_none() {
            metrics.push(Metric::bool("cleaned", "whether the topic that was made is deleted again"));
        }
        metrics
    }

    fn expect(&self, args: &Args) -> String {
        let cleaned = if args.text("topic").is_none() { " and cleaned == true" } else { "" };
        format!("returned == true{cleaned}")
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let topic = args.text("topic").map_or(Ok(()), check_topic);
        topic.map_err(|message| BadArgs { field: "topic", message })?;
        if args.text("topic").is_none() && args.integer("partition").is_some_and(|partition| partition != 0) {
            let message = "expected 0 where there is no `topic`: the topic that is made has one partition";
            return Err(BadArgs { field: "partition", message: message.to_owned() });
        }
        Ok(())
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let endpoint = context.endpoint(ServiceKind::Kafka)?;
        // Reading needs the name of a group; none is joined, and nothing is committed for it.
        let link = Link::open(context, endpoint, Some("cutproof"), CONNECT_TIMEOUT)?;
        let unique = Unique::new(context);
        let partition = args.integer("partition").and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
        if let Some(topic) = args.text("topic") {
            let trip = Trip { context, endpoint, link: &link, topic, partition, key: &unique.id };
            let mut measurement = trip.measure()?;
            let stays = format!("one record with key {} stays in {topic}", unique.id);
            measurement.facts.set("written", stays);
            return Ok(measurement);
        }
        let topic = format!("cutproof.round_trip.{}", unique.id);
        let trip = Trip { context, endpoint, link: &link, topic: &topic, partition, key: &unique.id };
        trip.on_own_topic()
    }
}

struct Trip<'a> {
    context: &'a Context<'a>,
    endpoint: &'a Endpoint,
    link: &'a Link,
    topic: &'a str,
    partition: i32,
    key: &'a str,
}

impl Trip<'_> {
    /// Makes the topic, measures, and deletes it whatever came of it.
    fn on_own_topic(&self) -> Result<Measurement, ProbeError> {
        let left = self.link.left();
        self.link.keep(Instant::now() + left.saturating_sub(CLEANING.min(left / 4)));
        let admin = Admin::open(self.endpoint, self.link)?;
        // As many replicas as the cluster gives by default: fewer could be less than it needs to take a record.
        let measured = match admin.create(&[self.topic], 1, -1)?.remove(self.topic) {
            Some(Err(why)) => {
                return Err(ProbeError(format!(
                    "{}: topic {} was not created: {why}",
                    self.link.at(),
                    self.topic
                )));
            }
            _ => self.led().and_then(|()| self.measure()),
        };
        self.link.keep(self.context.deadline);
        let cleaned = admin.delete(self.topic);
        let mut measurement = measured.map_err(|error| match &cleaned {
            Ok(()) => error,
            Err(why) => ProbeError(format!("{error}; topic {} was left behind: {why}", self.topic)),
        })?;
        if let Err(why) = &cleaned {
            let why = self.context.redactor.text(&why.0).into_owned();
            measurement.facts.set("left_behind", format!("topic {}: {why}", self.topic));
        }
        let reading = Reading::bool(cleaned.is_ok());
        measurement.observations.push(self.context.observed("cleaned", reading, self.link.at()));
        Ok(measurement)
    }

    /// Waits until the new topic can be used.
    fn led(&self) -> Result<(), ProbeError> {
        loop {
            let topic = self.link.topic(self.topic)?;
            if topic.is_some_and(|topic| topic.partitions.first().is_some_and(|partition| partition.led)) {
                return Ok(());
            }
            if self.link.left().is_zero() || self.context.cancel.pause(AGAIN) {
                let (at, topic) = (self.link.at(), self.topic);
                return Err(ProbeError(format!(
                    "{at}: topic {topic} was created, and no broker leads it in time"
                )));
            }
        }
    }

    fn measure(&self) -> Result<Measurement, ProbeError> {
        let (at, topic, partition) = (self.link.at(), self.topic, self.partition);
        let known = self.link.topic(topic)?;
        let Some(known) = known else {
            return Err(ProbeError(format!("{at}: topic {topic} does not exist; is it there (init kafka)?")));
        };
        if known.partitions.iter().all(|known| known.id != partition) {
            let count = known.partitions.len();
            return Err(ProbeError(format!(
                "{at}: topic {topic} has {count} partitions, and none {partition}"
            )));
        }
        let place = (topic.to_owned(), partition);
        let end = self.link.edge(std::slice::from_ref(&place), Edge::End)?;
        let end = end.get(&place).copied().unwrap_or(0);
        self.link.read_from(topic, &[(partition, end)])?;
        let began = Instant::now();
        let record = Record {
            topic,
            partition: Some(partition),
            key: Some(self.key),
            payload: self.key,
            header: Some(("cutproof", self.key)),
        };
        let (_, offset) = produce(self.context, self.endpoint, self.link, record)?;
        let returned = self.read_back(offset)?;
        let latency = match returned {
            true => Reading::number(millis(began.elapsed()), Unit::Millisecond),
            false => Reading::Missing,
        };
        let source = format!("{at}, {topic}/{partition}@{offset}");
        let observations = vec![
            self.context.observed("returned", Reading::bool(returned), &source),
            self.context.observed("latency_ms", latency, &source),
        ];
        Ok(Measurement { observations, ..Measurement::default() })
    }

    /// Whether the record that was taken at `offset` comes back, and is the one that was sent. Others' records are
    /// passed over.
    fn read_back(&self, offset: i64) -> Result<bool, ProbeError> {
        let sent = Some(self.key.as_bytes());
        while !self.link.left().is_zero() {
            if self.context.cancel.is_cancelled() {
                return Err(ProbeError("told to stop while waiting for the record to come back".to_owned()));
            }
            if let Next::Record(record) = self.link.next(LOOK)?
                && record.offset() >= offset
            {
                return Ok(record.offset() == offset && record.key() == sent && record.payload() == sent);
            }
        }
        Ok(false)
    }
}
