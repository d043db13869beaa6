//! `kafka_topics`: whether topics are there with the partitions, replicas and configuration that they should have.
//! It reads metadata only and creates nothing by asking.

use super::client::kafka::{CONNECT_TIMEOUT, Link, Topic};
use super::client::kafka_admin::Admin;
use super::client::kafka_error::check_topic;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Reading, ServiceKind};
use std::collections::BTreeMap;

/// The probe.
pub struct KafkaTopics;

const FIELDS: &[Field] = &[
    Field::required("topics", FieldKind::Texts, "the topics that must be there"),
    Field::optional(
        "partitions",
        FieldKind::Integer { min: 1, max: 100_000 },
        "how many partitions each of them has; a topic with more or fewer counts as mismatched",
    ),
    Field::optional(
        "replication_factor",
        FieldKind::Integer { min: 1, max: 1000 },
        "how many replicas each partition has",
    ),
    Field::optional(
        "config",
        FieldKind::Map,
        "entries of the topics' configuration and their values: `{ \"retention.ms\" = \"604800000\" }`",
    ),
    Field::optional(
        "observe",
        FieldKind::Texts,
        "numbers of the topics' configuration to observe, with `_` for `.`: `retention.ms` is `retention_ms`, the \
         least of all topics. -1 stands for no limit",
    ),
];

impl Probe for KafkaTopics {
    fn name(&self) -> &'static str {
        "kafka_topics"
    }

    fn about(&self) -> &'static str {
        "Kafka topics: whether they are there, with which partitions, replicas and configuration"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Kafka]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let count = |name, about| Metric::number(name, Unit::Count, about);
        let mut metrics = vec![
            count("topics_expected", "topics that must be there"),
            count("topics_missing", "topics of these that are not there"),
            count("partitions", "partitions of the topic that has the fewest"),
            count("replication_factor", "replicas of the partition that has the fewest"),
            count("under_replicated", "partitions of which a replica is not in sync"),
            count("offline_partitions", "partitions that no broker leads"),
            count("mismatched", "topics that differ from what is asked for; the facts say how"),
        ];
        let observed = args.texts("observe").into_iter();
        metrics.extend(observed.map(|entry| {
            Metric::named(
                &metric_name(entry),
                metric_unit(entry),
                "the least of all topics' entries of this name",
            )
        }));
        metrics
    }

    fn expect(&self, _: &Args) -> String {
        "topics_missing == 0 and mismatched == 0 and offline_partitions == 0 and under_replicated == 0"
            .to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_topics(&args.texts("topics"))
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        self.check(args).map_err(|bad| ProbeError(bad.message))?;
        let endpoint = context.endpoint(ServiceKind::Kafka)?;
        let link = Link::open(context, endpoint, None, CONNECT_TIMEOUT)?;
        let names = args.texts("topics");
        let mut found = Vec::new();
        for name in &names {
            found.extend(link.topic(name)?);
        }
        let expected: BTreeMap<_, _> = args.map("config").into_iter().collect();
        let observe = args.texts("observe");
        let mut configs = BTreeMap::new();
        if !(expected.is_empty() && observe.is_empty() || found.is_empty()) {
            let there: Vec<_> = found.iter().map(|topic| topic.name.as_str()).collect();
            configs = Admin::open(endpoint, &link)?.configs(&there)?;
        }
        let wanted = Wanted {
            partitions: args.integer("partitions"),
            replication_factor: args.integer("replication_factor"),
            config: expected,
        };
        Ok(report(&names, &found, &wanted, &configs, &observe, context, link.at()))
    }
}

/// Checks a list of topic names.
pub(super) fn check_topics(topics: &[&str]) -> Result<(), BadArgs> {
    let bad = |message: String| BadArgs { field: "topics", message };
    if topics.is_empty() {
        return Err(bad("expected at least one topic".to_owned()));
    }
    for (index, topic) in topics.iter().enumerate() {
        check_topic(topic).map_err(bad)?;
        if topics[..index].contains(topic) {
            return Err(bad(format!("`{topic}` stands there twice")));
        }
    }
    Ok(())
}

/// An entry's name as conditions use it.
fn metric_name(entry: &str) -> String {
    entry.replace(['.', '-'], "_")
}

fn metric_unit(entry: &str) -> Unit {
    match entry.rsplit('.').next() {
        Some("ms") => Unit::Millisecond,
        Some("bytes") => Unit::Byte,
        _ => Unit::Count,
    }
}

/// What each topic should have.
struct Wanted<'a> {
    partitions: Option<i64>,
    replication_factor: Option<i64>,
    config: BTreeMap<&'a str, &'a str>,
}

/// Configuration by topic and entry.
type Configs = BTreeMap<String, BTreeMap<String, String>>;

fn report(
    names: &[&str],
    found: &[Topic],
    wanted: &Wanted<'_>,
    configs: &Configs,
    observe: &[&str],
    context: &Context<'_>,
    at: &str,
) -> Measurement {
    let missing: Vec<_> =
        names.iter().filter(|name| found.iter().all(|topic| topic.name != **name)).collect();
    let none = BTreeMap::new();
    let config = |topic: &Topic| configs.get(&topic.name).unwrap_or(&none);
    let differing: Vec<_> = found.iter().map(|topic| differences(topic, wanted, config(topic))).collect();
    let partitions = || found.iter().flat_map(|topic| &topic.partitions);
    let count = |count: usize| Reading::number(count as f64, Unit::Count);
    let least = |least: Option<usize>| least.map_or(Reading::Missing, count);
    let see = |name: &str, reading| context.observed(name, reading, at);
    let mut observations = vec![
        see("topics_expected", count(names.len())),
        see("topics_missing", count(missing.len())),
        see("partitions", least(found.iter().map(|topic| topic.partitions.len()).min())),
        see("replication_factor", least(partitions().map(|partition| partition.replicas).min())),
        see("under_replicated", count(partitions().filter(|part| part.in_sync < part.replicas).count())),
        see("offline_partitions", count(partitions().filter(|part| !part.led).count())),
        see("mismatched", count(differing.iter().filter(|differences| !differences.is_empty()).count())),
    ];
    for entry in observe {
        // A topic that does not say makes the least unknown.
        let values: Option<Vec<f64>> =
            found.iter().map(|topic| config(topic).get(*entry)?.parse().ok()).collect();
        let least = values.and_then(|values| values.into_iter().reduce(f64::min));
        let reading = least.map_or(Reading::Missing, |least| Reading::number(least, metric_unit(entry)));
        observations.push(see(&metric_name(entry), reading));
    }
    let mut differs: Vec<String> = missing.iter().map(|name| format!("{name} is not there")).collect();
    differs.extend(differing.into_iter().flatten());
    differs.extend(found.iter().flat_map(troubles));
    let mut facts = Args::default();
    if !differs.is_empty() {
        facts.set("differs", differs);
    }
    Measurement { observations, facts, excerpt: String::new() }
}

/// How a topic differs from what is asked for, in words.
fn differences(topic: &Topic, wanted: &Wanted<'_>, config: &BTreeMap<String, String>) -> Vec<String> {
    let name = &topic.name;
    let mut differs = Vec::new();
    let partitions = topic.partitions.len();
    if wanted.partitions.is_some_and(|wanted| wanted != partitions as i64) {
        differs.push(format!(
            "{name} has {partitions} partitions, expected {}",
            wanted.partitions.unwrap_or_default()
        ));
    }
    if let Some(factor) = wanted.replication_factor {
        let other = topic.partitions.iter().find(|partition| partition.replicas as i64 != factor);
        differs.extend(other.map(|partition| {
            let (id, replicas) = (partition.id, partition.replicas);
            format!("{name} has replication factor {replicas} (partition {id}), expected {factor}")
        }));
    }
    for (entry, value) in &wanted.config {
        match config.get(*entry) {
            Some(seen) if seen == value => {}
            Some(seen) => differs.push(format!("{name} has {entry} = {seen}, expected {value}")),
            None => differs.push(format!("{name} has no entry {entry}, expected {value}")),
        }
    }
    differs
}

/// What is wrong with a topic whatever is asked for.
fn troubles(topic: &Topic) -> Vec<String> {
    let ids = |which: &dyn Fn(&super::client::kafka::Partition) -> bool| {
        let ids = topic.partitions.iter().filter(|partition| which(partition));
        ids.map(|partition| partition.id.to_string()).collect::<Vec<_>>().join(", ")
    };
    let mut troubles = Vec::new();
    let unled = ids(&|partition| !partition.led);
    if !unled.is_empty() {
        troubles.push(format!("{}: no broker leads partition {unled}", topic.name));
    }
    let behind = ids(&|partition| partition.in_sync < partition.replicas);
    if !behind.is_empty() {
        troubles.push(format!("{}: not all replicas of partition {behind} are in sync", topic.name));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::client::kafka::Partition;
    use proptest::prelude::*;

    fn topic(partitions: i32, replicas: usize) -> Topic {
        let partition = |id| Partition { id, led: true, replicas, in_sync: replicas };
        Topic { name: "t".to_owned(), partitions: (0..partitions).map(partition).collect() }
    }

    fn wanted(partitions: i64, replication_factor: i64) -> Wanted<'static> {
        Wanted {
            partitions: Some(partitions),
            replication_factor: Some(replication_factor),
            config: BTreeMap::from([("retention.ms", "1000")]),
        }
    }

    fn retention(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("retention.ms".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_topic_as_asked_for_does_not_differ() {
        assert!(differences(&topic(6, 1), &wanted(6, 1), &retention("1000")).is_empty());
    }

    #[test]
    fn what_differs_is_said_with_what_was_expected() {
        let differs = differences(&topic(3, 2), &wanted(6, 1), &retention("5"));
        assert_eq!(
            differs,
            [
                "t has 3 partitions, expected 6",
                "t has replication factor 2 (partition 0), expected 1",
                "t has retention.ms = 5, expected 1000"
            ]
        );
        let differs = differences(&topic(6, 1), &wanted(6, 1), &BTreeMap::new());
        assert_eq!(differs, ["t has no entry retention.ms, expected 1000"]);
    }

    #[test]
    fn partitions_without_leader_or_replica_are_named() {
        let mut topic = topic(3, 2);
        topic.partitions[1].led = false;
        topic.partitions[2].in_sync = 1;
        assert_eq!(
            troubles(&topic),
            ["t: no broker leads partition 1", "t: not all replicas of partition 2 are in sync"]
        );
    }

    #[test]
    fn an_empty_list_bad_names_and_repetitions_are_refused() {
        for bad in [&[][..], &["a b"], &["a", "b", "a"]] {
            assert_eq!(check_topics(bad).unwrap_err().field, "topics");
        }
        assert!(check_topics(&["a", "b"]).is_ok());
    }

    #[test]
    fn entries_have_names_and_units_that_conditions_can_use() {
        assert_eq!(
            (metric_name("retention.ms"), metric_unit("retention.ms")),
            ("retention_ms".into(), Unit::Millisecond)
        );
        assert_eq!(metric_unit("max.message.bytes"), Unit::Byte);
        assert_eq!(metric_unit("min.insync.replicas"), Unit::Count);
    }

    proptest! {
        #[test]
        fn a_topic_differs_exactly_where_a_number_does(
            partitions in 1..9i32, replicas in 1..4usize, want_partitions in 1..9i64, want_replicas in 1..4i64,
        ) {
            let wanted = Wanted {
                partitions: Some(want_partitions),
                replication_factor: Some(want_replicas),
                config: BTreeMap::new(),
            };
            let differs = differences(&topic(partitions, replicas), &wanted, &BTreeMap::new());
            let expected = usize::from(i64::from(partitions) != want_partitions)
                + usize::from(replicas as i64 != want_replicas);
            prop_assert_eq!(differs.len(), expected);
        }
    }
}
