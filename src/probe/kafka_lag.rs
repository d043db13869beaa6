//! `kafka_lag`: how far a consumer group is behind, in records and in time. It reads the group's committed offsets
//! and the records there; it joins no group and commits nothing.
//!
//! Records: the end of the log minus the committed offset, summed over partitions, as Kafka's own tools count.
//! Time: now minus the time stamp of the oldest record that the group has not committed past, and 0 where there is
//! none. "Now" is the run's clock on this machine; a record's time stamp is the producer's clock, or the broker's
//! for topics with `message.timestamp.type=LogAppendTime`. Clocks that differ shift the lag by as much: a lag below
//! 0 is given as 0, with a fact that says so.

mod stand;

use self::stand::{Lag, Oldest, Part, Stand, Total};
use super::client::kafka::{CONNECT_TIMEOUT, Edge, Link, Next, Offsets};
use super::kafka_topics::check_topics;
use super::{BadArgs, Context, Measurement, Probe, ProbeError, Sampled, Sampler};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, ServiceKind};
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The probe.
pub struct KafkaLag;

const FIELDS: &[Field] = &[
    Field::required("group", FieldKind::Text, "the consumer group"),
    Field::required("topics", FieldKind::Texts, "topics that it consumes"),
];

/// How long one look for a record waits; then cancellation is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Probe for KafkaLag {
    fn name(&self) -> &'static str {
        "kafka_lag"
    }

    fn about(&self) -> &'static str {
        "how far a Kafka consumer group is behind: in records, and in time by the oldest record not consumed"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Kafka]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, _: &Args) -> Vec<Metric> {
        vec![
            Metric::number(
                "lag_ms",
                Unit::Millisecond,
                "now minus the time stamp of the oldest record that is not consumed; 0 where all are",
            ),
            Metric::number("lag_records", Unit::Count, "records that are not consumed, over all partitions"),
            Metric::number(
                "out_of_range",
                Unit::Count,
                "partitions whose committed offset is before the first record (records expired unread) or behind the \
                 end (the topic was made anew)",
            ),
        ]
    }

    fn expect(&self, _: &Args) -> String {
        "lag_ms < 5s and out_of_range == 0".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        if args.text("group").is_none_or(str::is_empty) {
            return Err(BadArgs {
                field: "group",
                message: "expected the name of a consumer group".to_owned(),
            });
        }
        check_topics(&args.texts("topics"))
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let endpoint = context.endpoint(ServiceKind::Kafka)?;
        let group = args.text("group").unwrap_or_default();
        let link = Link::open(context, endpoint, Some(group), CONNECT_TIMEOUT)?;
        Survey::make(args, context, &link)
    }

    fn sampler(&self, args: &Args) -> Option<Box<dyn Sampler>> {
        Some(Box::new(Again { args: args.clone(), link: None }))
    }
}

/// Looks again and again with one client. One that failed is let go: the next sample begins anew.
struct Again {
    args: Args,
    link: Option<Link>,
}

impl Sampler for Again {
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let endpoint = context.endpoint(ServiceKind::Kafka)?;
                Link::open(context, endpoint, self.args.text("group"), CONNECT_TIMEOUT)?
            }
        };
        link.keep(context.deadline);
        let found = Survey::make(&self.args, context, &link)?;
        link.rest()?;
        self.link = Some(link);
        Ok(Sampled::from(found))
    }
}

struct Survey<'a> {
    context: &'a Context<'a>,
    link: &'a Link,
    group: &'a str,
    lags: Vec<Part>,
    /// Why there is no lag: what does not exist.
    gaps: Vec<String>,
}

impl Survey<'_> {
    fn make(args: &Args, context: &Context<'_>, link: &Link) -> Result<Measurement, ProbeError> {
        let group = args.text("group").unwrap_or_default();
        let mut survey = Survey { context, link, group, lags: Vec::new(), gaps: Vec::new() };
        survey.take(&args.texts("topics"))?;
        survey.report()
    }

    fn take(&mut self, topics: &[&str]) -> Result<(), ProbeError> {
        let mut partitions = Vec::new();
        for name in topics {
            match self.link.topic(name)? {
                Some(topic) => {
                    partitions.extend(topic.partitions.iter().map(|part| (topic.name.clone(), part.id)))
                }
                None => self.gaps.push(format!("topic {name} does not exist")),
            }
        }
        if partitions.is_empty() {
            return Ok(());
        }
        // Committed before the ends: what is produced or committed meanwhile can only add to the lag.
        let committed = self.link.committed(&partitions)?;
        let start = self.link.edge(&partitions, Edge::Start)?;
        let end = self.link.edge(&partitions, Edge::End)?;
        let stand = |key: &(String, i32)| {
            Some(Stand {
                start: *start.get(key)?,
                end: *end.get(key)?,
                committed: committed.get(key).copied(),
            })
        };
        self.check_group(topics, &committed)?;
        let stands: Vec<_> = partitions.iter().filter_map(|key| Some((key, stand(key)?))).collect();
        for name in topics {
            let of_topic = stands.iter().filter(|((topic, _), _)| topic == name);
            let of_topic: Vec<_> = of_topic.map(|((_, id), stand)| (*id, *stand)).collect();
            self.read_oldest(name, &of_topic)?;
        }
        Ok(())
    }

    /// A group that has committed nothing for a topic may still be reading it, where nothing was produced yet. One
    /// that is not reading it either does not consume it.
    fn check_group(&mut self, topics: &[&str], committed: &Offsets) -> Result<(), ProbeError> {
        let silent = |topic: &&&str| !committed.keys().any(|(of, _)| of == **topic);
        let silent: Vec<&str> = topics.iter().filter(silent).copied().collect();
        if silent.is_empty() {
            return Ok(());
        }
        let group = self.group;
        match self.link.group(group)? {
            None if committed.is_empty() => self.gaps.push(format!("consumer group {group} does not exist")),
            reading => {
                let reading = reading.unwrap_or_default();
                let unread = silent.into_iter().filter(|topic| !reading.iter().any(|read| read == topic));
                self.gaps.extend(unread.map(|topic| {
                    format!("consumer group {group} has committed nothing for {topic} and does not read it")
                }));
            }
        }
        Ok(())
    }

    /// Reads the oldest record not consumed of each partition of a topic that has one.
    fn read_oldest(&mut self, topic: &str, stands: &[(i32, Stand)]) -> Result<(), ProbeError> {
        let from = |(id, stand): &(i32, Stand)| match stand.lag() {
            Lag::Behind { from, .. } => Some((*id, from?)),
            _ => None,
        };
        let starts: Vec<_> = stands.iter().filter_map(from).collect();
        let mut found = BTreeMap::new();
        if !starts.is_empty() {
            self.link.read_from(topic, &starts)?;
        }
        while found.len() < starts.len() {
            match self.link.next(LOOK)? {
                Next::Record(record) if record.topic() == topic => {
                    let now = self.context.clock.now().millis();
                    let aged = record.timestamp().to_millis();
                    let aged = aged
                        .map(|stamp| Oldest::Aged { offset: record.offset(), ms: now.saturating_sub(stamp) });
                    found
                        .entry(record.partition())
                        .or_insert(aged.unwrap_or(Oldest::Unknown("has no time stamp")));
                }
                // Only transaction markers are left: nothing that could be consumed.
                Next::End(id) => {
                    found.entry(id).or_insert(Oldest::None);
                }
                _ if self.link.left().is_zero() => {
                    let at = self.link.at();
                    return Err(ProbeError(format!(
                        "{at}: expected the records of {topic} at the group's committed offsets, and they did not \
                         come in time"
                    )));
                }
                _ if self.context.cancel.is_cancelled() => {
                    return Err(ProbeError("told to stop while reading records".to_owned()));
                }
                _ => {}
            }
        }
        for (id, stand) in stands {
            let lost = matches!(stand.lag(), Lag::Behind { from: None, .. });
            let none = if lost { Oldest::Unknown("expired unread") } else { Oldest::None };
            let oldest = found.remove(id).unwrap_or(none);
            self.lags.push(Part { topic: topic.to_owned(), id: *id, stand: *stand, oldest });
        }
        Ok(())
    }

    fn report(self) -> Result<Measurement, ProbeError> {
        let total = Total::of(&self.lags, &self.gaps);
        let source = format!("{}, group {}", self.link.at(), self.group);
        let samples = self.lags.len() as u64;
        let see =
            |name: &str, reading| Observation { samples, ..self.context.observed(name, reading, &source) };
        let observations = vec![
            see(
                "lag_ms",
                total.ms.map_or(Reading::Missing, |ms| Reading::number(ms as f64, Unit::Millisecond)),
            ),
            see(
                "lag_records",
                total
                    .records
                    .map_or(Reading::Missing, |records| Reading::number(records as f64, Unit::Count)),
            ),
            see(
                "out_of_range",
                total.out_of_range.map_or(Reading::Missing, |n| Reading::number(n as f64, Unit::Count)),
            ),
        ];
        let mut facts = Args::default();
        if !self.gaps.is_empty() {
            facts.set("missing", self.gaps.clone());
        }
        let notes: Vec<_> = self.lags.iter().flat_map(Part::notes).collect();
        if !notes.is_empty() {
            facts.set("partitions", notes);
        }
        Ok(Measurement { observations, facts, excerpt: String::new() })
    }
}
