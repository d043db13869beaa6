//! `kafka_lag`: how far a consumer group is behind, in records and in time. It reads the group's committed offsets
//! and the records there; it joins no group and commits nothing.
//!
//! Records: the end of the log minus the committed offset, summed over partitions, as Kafka's own tools count.
//! Time: now minus the time stamp of the oldest record that the group has not committed past, and 0 where there is
//! none. "Now" is the run's clock on this machine; a record's time stamp is the producer's clock, or the broker's
//! for topics with `message.timestamp.type=LogAppendTime`. Clocks that differ shift the lag by as much: a lag below
//! 0 is given as 0, with a fact that says so.

use super::client::kafka::{CONNECT_TIMEOUT, Edge, Link, Next, Offsets};
use super::kafka_topics::check_topics;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, ServiceKind};
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The probe.
pub struct KafkaLag;

const FIELDS: &[Field] = &[
    Field::required("group", FieldKind::Text, "The consumer group."),
    Field::required("topics", FieldKind::Texts, "Topics that it consumes."),
];

/// How long one look for a record waits; then cancellation is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Probe for KafkaLag {
    fn name(&self) -> &'static str {
        "kafka_lag"
    }

    fn about(&self) -> &'static str {
        "How far a Kafka consumer group is behind: in records, and in time by the oldest record not consumed."
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
                "Now minus the time stamp of the oldest record that is not consumed; 0 where all are.",
            ),
            Metric::number("lag_records", Unit::Count, "Records that are not consumed, over all partitions."),
            Metric::number(
                "out_of_range",
                Unit::Count,
                "Partitions whose committed offset is before the first record (records expired unread) or behind the \
                 end (the topic was made anew).",
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
        let mut survey = Survey { context, link: &link, group, lags: Vec::new(), gaps: Vec::new() };
        survey.take(&args.texts("topics"))?;
        survey.report()
    }
}

/// Where a partition stands. Offsets count records from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stand {
    /// The first record that is still there.
    start: i64,
    /// Where the next record will go.
    end: i64,
    /// Where the group goes on; none where it has committed nothing.
    committed: Option<i64>,
}

/// What a partition's stand means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lag {
    /// All is consumed.
    None,
    /// So many records are not consumed, the oldest that is still there at `from`; `lost` of them expired unread.
    /// Nothing is left to read where `from` is none.
    Behind { records: i64, from: Option<i64>, lost: i64 },
    /// The group goes on where the log has not come yet: the topic was made anew.
    Ahead { by: i64 },
}

impl Stand {
    fn lag(self) -> Lag {
        let committed = self.committed.unwrap_or(self.start);
        if committed > self.end {
            return Lag::Ahead { by: committed - self.end };
        }
        if committed == self.end {
            return Lag::None;
        }
        let from = committed.max(self.start);
        Lag::Behind {
            records: self.end - committed,
            from: (from < self.end).then_some(from),
            lost: (self.start - committed).max(0),
        }
    }
}

/// One partition's part of the lag.
struct Part {
    topic: String,
    id: i32,
    stand: Stand,
    /// Of the oldest record that is not consumed.
    oldest: Oldest,
}

/// The oldest record that is not consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oldest {
    /// There is none.
    None,
    /// Its offset and its age in milliseconds; below 0 where its clock is ahead of ours.
    Aged { offset: i64, ms: i64 },
    /// It can't be known: it expired, or it has no time stamp.
    Unknown(&'static str),
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

/// The group's lag over all partitions; none is unknown.
#[derive(Debug, PartialEq, Eq)]
struct Total {
    records: Option<i64>,
    ms: Option<i64>,
    out_of_range: Option<usize>,
}

impl Total {
    fn of(parts: &[Part], gaps: &[String]) -> Total {
        let records = |part: &Part| match part.stand.lag() {
            Lag::None => Some(0),
            Lag::Behind { records, .. } => Some(records),
            Lag::Ahead { .. } => None,
        };
        let ms = |part: &Part| match (part.stand.lag(), part.oldest) {
            (Lag::Ahead { .. }, _) | (_, Oldest::Unknown(_)) => None,
            (_, Oldest::None) => Some(0),
            (_, Oldest::Aged { ms, .. }) => Some(ms.max(0)),
        };
        if parts.is_empty() || !gaps.is_empty() {
            return Total { records: None, ms: None, out_of_range: None };
        }
        let outside = |part: &&Part| match part.stand.lag() {
            Lag::Ahead { .. } => true,
            Lag::Behind { lost, .. } => lost > 0,
            Lag::None => false,
        };
        Total {
            records: parts.iter().map(records).try_fold(0i64, |sum, more| Some(sum.saturating_add(more?))),
            ms: parts.iter().map(ms).try_fold(0, |most, ms| Some(ms?.max(most))),
            out_of_range: Some(parts.iter().filter(outside).count()),
        }
    }
}

impl Part {
    /// What a person should know of this partition; nothing where all is consumed.
    fn notes(&self) -> Vec<String> {
        let Part { topic, id, stand, oldest } = self;
        let name = format!("{topic}/{id}");
        let mut notes = Vec::new();
        match stand.lag() {
            Lag::None => {}
            Lag::Ahead { by } => notes.push(format!(
                "{name}: the committed offset is {by} behind the end of the log: was the topic made anew?"
            )),
            Lag::Behind { records, from, lost } => {
                let age = match oldest {
                    Oldest::Aged { ms, .. } => format!(", the oldest of {ms} ms ago"),
                    Oldest::Unknown(why) => format!(", the oldest {why}"),
                    Oldest::None => ", of which none is left but markers of transactions".to_owned(),
                };
                notes.push(format!("{name}: {records} records not consumed{age}"));
                if stand.committed.is_none() {
                    notes.push(format!("{name}: the group has committed nothing here: all records count"));
                } else if lost > 0 {
                    notes.push(format!("{name}: {lost} records expired before they were consumed"));
                }
                notes.extend(self.shifted(from));
            }
        }
        notes
    }

    /// Where the record that was read is not the one at the committed offset, or is from the future.
    fn shifted(&self, from: Option<i64>) -> Option<String> {
        let Oldest::Aged { offset, ms } = self.oldest else { return None };
        let name = format!("{}/{}", self.topic, self.id);
        match from {
            _ if ms < 0 => {
                Some(format!("{name}: its time stamp is ahead of this machine's clock: lag given as 0"))
            }
            Some(from) if offset > from => Some(format!(
                "{name}: the record at offset {from} is gone (compacted): the age is that of offset {offset}"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(start: i64, end: i64, committed: Option<i64>, oldest: Oldest) -> Part {
        Part { topic: "t".to_owned(), id: 0, stand: Stand { start, end, committed }, oldest }
    }

    fn lag(start: i64, end: i64, committed: Option<i64>) -> Lag {
        Stand { start, end, committed }.lag()
    }

    #[test]
    fn a_group_at_the_end_has_no_lag() {
        assert_eq!(lag(0, 7, Some(7)), Lag::None);
        assert_eq!(lag(3, 3, None), Lag::None);
    }

    #[test]
    fn a_group_that_has_committed_nothing_has_all_before_it() {
        assert_eq!(lag(3, 7, None), Lag::Behind { records: 4, from: Some(3), lost: 0 });
    }

    #[test]
    fn records_that_expired_unread_count_and_are_told() {
        assert_eq!(lag(5, 7, Some(2)), Lag::Behind { records: 5, from: Some(5), lost: 3 });
        assert_eq!(lag(7, 7, Some(2)), Lag::Behind { records: 5, from: None, lost: 5 });
        let total = Total::of(&[part(7, 7, Some(2), Oldest::Unknown("expired unread"))], &[]);
        assert_eq!(total, Total { records: Some(5), ms: None, out_of_range: Some(1) });
    }

    #[test]
    fn an_offset_behind_the_end_is_no_lag_that_is_known() {
        assert_eq!(lag(0, 2, Some(9)), Lag::Ahead { by: 7 });
        let total = Total::of(&[part(0, 2, Some(9), Oldest::None)], &[]);
        assert_eq!(total, Total { records: None, ms: None, out_of_range: Some(1) });
    }

    #[test]
    fn what_does_not_exist_has_no_lag_rather_than_none() {
        let unknown = Total { records: None, ms: None, out_of_range: None };
        assert_eq!(Total::of(&[], &[]), unknown);
        assert_eq!(
            Total::of(&[part(0, 0, None, Oldest::None)], &["topic x does not exist".to_owned()]),
            unknown
        );
    }

    #[test]
    fn a_time_stamp_from_the_future_is_no_lag_and_is_told() {
        let part = part(0, 1, Some(0), Oldest::Aged { offset: 0, ms: -12 });
        assert!(part.notes().iter().any(|note| note.contains("ahead of this machine's clock")));
        assert_eq!(Total::of(&[part], &[]).ms, Some(0));
    }

    #[test]
    fn a_compacted_record_is_told_with_the_one_that_stands_for_it() {
        let part = part(0, 9, Some(3), Oldest::Aged { offset: 5, ms: 40 });
        assert!(
            part.notes().iter().any(|note| note.contains("offset 3 is gone") && note.contains("offset 5"))
        );
    }

    #[test]
    fn the_time_of_all_partitions_is_that_of_the_one_furthest_behind() {
        let parts = [
            part(0, 9, Some(9), Oldest::None),
            part(0, 9, Some(3), Oldest::Aged { offset: 3, ms: 40 }),
            part(0, 9, Some(8), Oldest::Aged { offset: 8, ms: 900 }),
        ];
        assert_eq!(Total::of(&parts, &[]), Total { records: Some(7), ms: Some(900), out_of_range: Some(0) });
    }

    proptest! {
        #[test]
        fn lag_is_what_lies_between_the_committed_offset_and_the_end(
            start in 0..1000i64, length in 0..1000i64, committed in proptest::option::of(0..3000i64),
        ) {
            let end = start + length;
            match lag(start, end, committed) {
                Lag::None => prop_assert!(committed == Some(end) || (committed.is_none() && length == 0)),
                Lag::Ahead { by } => prop_assert_eq!(committed, Some(end + by)),
                Lag::Behind { records, from, lost } => {
                    prop_assert!(records > 0 && lost >= 0 && lost <= records);
                    prop_assert_eq!(committed.unwrap_or(start), end - records);
                    prop_assert!(from.is_none_or(|from| start <= from && from < end));
                    prop_assert_eq!(from.is_none(), length == 0);
                }
            }
        }

        #[test]
        fn one_unknown_partition_makes_the_time_unknown(known in 0..5usize, at in 0..5usize) {
            let mut parts: Vec<_> =
                (0..known).map(|_| part(0, 2, Some(1), Oldest::Aged { offset: 1, ms: 5 })).collect();
            parts.insert(at.min(known), part(0, 2, Some(1), Oldest::Unknown("has no time stamp")));
            prop_assert_eq!(Total::of(&parts, &[]).ms, None);
        }
    }
}
