//! Topics: looked at, created, written to and read.

use crate::bench::{Bench, PATIENCE, facts, kafka, number, text, truth, well};
use crate::cluster::{create_topic, delete_topic, groups, produce, topics, unique};
use serde_json::json;
use std::time::Instant;

pub fn topics_as_asked_for_have_nothing_that_differs() {
    let _well = well();
    let (six, two) = (create_topic(6, &[("retention.ms", "3600000")]), create_topic(2, &[]));
    let args = json!({
        "topics": [six], "partitions": 6, "replication_factor": 1,
        "config": {"retention.ms": "3600000", "cleanup.policy": "delete"},
        "observe": ["retention.ms", "max.message.bytes", "cleanup.policy"],
    });
    let found = Bench::on([kafka()]).ok("kafka_topics", args);
    assert_eq!(number(&found, "topics_missing"), Some(0.0));
    assert_eq!(number(&found, "mismatched"), Some(0.0), "{}", facts(&found));
    assert_eq!(number(&found, "partitions"), Some(6.0));
    assert_eq!(number(&found, "replication_factor"), Some(1.0));
    assert_eq!(number(&found, "under_replicated"), Some(0.0));
    assert_eq!(number(&found, "offline_partitions"), Some(0.0));
    assert_eq!(number(&found, "retention_ms"), Some(3_600_000.0));
    assert_eq!(number(&found, "max_message_bytes"), Some(1_048_588.0));
    assert_eq!(number(&found, "cleanup_policy"), None, "a text is no number");
    assert!(found.facts.is_empty());

    let args = json!({"topics": [six, two]});
    let found = Bench::on([kafka()]).ok("kafka_topics", args);
    assert_eq!(number(&found, "partitions"), Some(2.0), "the least of all");
}

pub fn a_cluster_is_reached_by_a_name_with_several_addresses() {
    let _well = well();
    let mut endpoint = kafka();
    // Where `localhost` is ::1 too, nobody listens there.
    endpoint.address = endpoint.address.replace("127.0.0.1", "localhost");
    let topic = create_topic(1, &[]);
    for _ in 0..5 {
        let found = Bench::on([endpoint.clone()]).ok("kafka_topics", json!({"topics": [topic]}));
        assert_eq!(number(&found, "topics_missing"), Some(0.0));
    }
}

pub fn a_topic_that_is_missing_deleted_or_other_than_asked_for_is_named() {
    let _well = well();
    let (there, gone) = (create_topic(3, &[]), create_topic(6, &[]));
    let args = json!({
        "topics": [there, gone], "partitions": 6, "replication_factor": 2, "config": {"retention.ms": "1", "no.such": "x"},
    });
    let found = Bench::on([kafka()]).ok("kafka_topics", args.clone());
    assert_eq!(number(&found, "topics_missing"), Some(0.0));
    assert_eq!(number(&found, "mismatched"), Some(2.0));
    delete_topic(&gone);
    let found = Bench::on([kafka()]).ok("kafka_topics", args);
    assert_eq!((number(&found, "topics_missing"), number(&found, "mismatched")), (Some(1.0), Some(1.0)));
    let facts = facts(&found);
    for said in [
        format!("{gone} is not there"),
        format!("{there} has 3 partitions, expected 6"),
        format!("{there} has replication factor 1 (partition 0), expected 2"),
        format!("{there} has retention.ms = 604800000, expected 1"),
        format!("{there} has no entry no.such, expected x"),
    ] {
        assert!(facts.contains(&said), "{said}: {facts}");
    }
    assert!(!topics().contains(&gone), "asking for a topic does not make it");
    let found = Bench::on([kafka()]).ok("kafka_topics", json!({"topics": [gone]}));
    assert_eq!(number(&found, "partitions"), None);
}

pub fn six_topics_are_created_verified_and_found_the_second_time() {
    let _well = well();
    let topics: Vec<_> = (0..6).map(|_| unique("init")).collect();
    let first = Bench::on([kafka()]);
    let found = first.ok("kafka_init", json!({"topics": topics}));
    print!("{}", first.told.lines());
    assert!(truth(&found, "success"), "{}", facts(&found));
    assert_eq!(number(&found, "topics_created"), Some(6.0));
    assert_eq!(number(&found, "topics_existing"), Some(0.0));
    assert_eq!(text(&found, "failed_step"), "");
    let names: Vec<_> = topics.iter().flat_map(|t| [format!("create_{t}"), format!("verify_{t}")]).collect();
    assert_eq!(first.told.names(), names);

    let second = Bench::on([kafka()]);
    let found = second.ok("kafka_init", json!({"topics": topics}));
    assert!(truth(&found, "success"));
    assert_eq!((number(&found, "topics_created"), number(&found, "topics_existing")), (Some(0.0), Some(6.0)));
    let said = second.told.said(&format!("create_{}", topics[0]));
    assert_eq!(said, Ok(format!("{} already exists", topics[0])));
}

pub fn a_topic_with_other_partitions_than_asked_for_fails_its_verification() {
    let _well = well();
    let (new, other) = (unique("init"), create_topic(3, &[]));
    let bench = Bench::on([kafka()]);
    let found = bench.ok("kafka_init", json!({"topics": [new, other, unique("init")]}));
    assert!(!truth(&found, "success"));
    assert_eq!(text(&found, "failed_step"), format!("verify_{other}"));
    assert_eq!(number(&found, "topics_mismatched"), Some(1.0));
    let last = bench.told.said(&format!("verify_{other}")).unwrap_err();
    assert!(last.starts_with(&format!("{other} has 3 partitions, expected 6")), "{last}");
    assert_eq!(bench.told.names().len(), 4, "a failed step ends the sequence");
}

pub fn a_topic_that_the_cluster_refuses_fails_its_creation() {
    let _well = well();
    let bench = Bench::on([kafka()]);
    let topic = unique("init");
    let found = bench.ok("kafka_init", json!({"topics": [topic], "replication_factor": 3}));
    assert_eq!(text(&found, "failed_step"), format!("create_{topic}"));
    assert!(facts(&found).contains("are there as many brokers?"), "{}", facts(&found));
}

pub fn a_record_makes_its_round_trip_and_nothing_is_left() {
    let _well = well();
    let before = groups();
    let found = Bench::on([kafka()]).ok("kafka_round_trip", json!({}));
    assert!(truth(&found, "returned") && truth(&found, "cleaned"), "{}", facts(&found));
    println!("round trip: {:?} ms", number(&found, "latency_ms"));
    assert!(number(&found, "latency_ms").is_some());
    let end = Instant::now() + PATIENCE;
    while topics().iter().any(|topic| topic.starts_with("cutproof.round_trip.")) {
        assert!(Instant::now() < end, "the topic stays");
    }
    assert_eq!(
        groups().iter().any(|group| group == "cutproof"),
        before.iter().any(|group| group == "cutproof")
    );
    assert!(!groups().iter().any(|group| group == "cutproof"));
}

pub fn a_round_trip_on_a_given_topic_passes_others_records_over() {
    let _well = well();
    let topic = create_topic(3, &[]);
    produce(&topic, 2, 1000);
    let args = json!({"topic": topic, "partition": 2});
    std::thread::scope(|scope| {
        let trips: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Bench::on([kafka()]).ok("kafka_round_trip", args.clone())))
            .collect();
        for trip in trips {
            let found = trip.join().unwrap();
            assert!(truth(&found, "returned"), "{found:?}");
            assert!(facts(&found).contains(&format!("stays in {topic}")));
        }
    });
    let bench = Bench::on([kafka()]);
    assert!(bench.error("kafka_round_trip", json!({"topic": topic, "partition": 3})).contains("and none 3"));
    let error = bench.error("kafka_round_trip", json!({"topic": unique("absent")}));
    assert!(error.contains("does not exist"), "{error}");
}
