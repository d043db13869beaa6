//! Lag of consumer groups.

use crate::bench::{Bench, PATIENCE, facts, kafka, number, well};
use crate::cluster::{admin, commit, create_topic, groups, member, produce, unique};
use cutproof::model::Clock;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use std::time::{Duration, Instant};

pub fn a_group_that_has_consumed_all_has_no_lag_and_is_left_as_it_was() {
    let _well = well();
    let (topic, group) = (create_topic(3, &[]), unique("group"));
    produce(&topic, 1, 1000);
    commit(&group, &topic, &[(1, 1)]);
    let args = json!({"group": group, "topics": [topic]});
    let found = Bench::on([kafka()]).ok("kafka_lag", args.clone());
    assert_eq!(number(&found, "lag_records"), Some(0.0), "{}", facts(&found));
    assert_eq!(number(&found, "lag_ms"), Some(0.0));
    assert_eq!(number(&found, "out_of_range"), Some(0.0));
    assert_eq!(found.observations[0].samples, 3);

    let stamp = Clock::start().now().millis() - 40_000;
    produce(&topic, 1, stamp);
    produce(&topic, 1, stamp + 30_000);
    produce(&topic, 2, stamp + 35_000);
    let found = Bench::on([kafka()]).ok("kafka_lag", args);
    assert_eq!(number(&found, "lag_records"), Some(3.0), "{}", facts(&found));
    let ms = number(&found, "lag_ms").unwrap();
    assert!((40_000.0..100_000.0).contains(&ms), "{ms}");
    let list = member(&group);
    let info = list.fetch_group_list(Some(&group), PATIENCE).unwrap();
    assert_eq!(info.groups()[0].state(), "Empty", "nobody joined");
}

pub fn a_group_or_topic_that_does_not_exist_has_no_lag_that_is_known() {
    let _well = well();
    let (topic, group) = (create_topic(1, &[]), unique("group"));
    produce(&topic, 0, 1000);
    let found = Bench::on([kafka()]).ok("kafka_lag", json!({"group": group, "topics": [topic]}));
    for name in ["lag_ms", "lag_records", "out_of_range"] {
        assert_eq!(number(&found, name), None, "{name}");
    }
    assert!(facts(&found).contains(&format!("consumer group {group} does not exist")), "{}", facts(&found));
    assert!(!groups().contains(&group), "asking for a group does not make it");

    commit(&group, &topic, &[(0, 1)]);
    let (absent, empty) = (unique("absent"), create_topic(1, &[]));
    let found = Bench::on([kafka()]).ok("kafka_lag", json!({"group": group, "topics": [topic, absent]}));
    assert_eq!(number(&found, "lag_ms"), None);
    assert!(facts(&found).contains(&format!("topic {absent} does not exist")));
    let found = Bench::on([kafka()]).ok("kafka_lag", json!({"group": group, "topics": [topic, empty]}));
    assert_eq!(number(&found, "lag_ms"), None, "an empty topic that the group does not read");
    assert!(facts(&found).contains(&format!("nothing for {empty}")), "{}", facts(&found));
}

pub fn a_group_that_reads_an_empty_topic_has_no_lag() {
    let _well = well();
    let (topic, group) = (create_topic(2, &[]), unique("group"));
    let reader = member(&group);
    reader.subscribe(&[&topic]).unwrap();
    let end = Instant::now() + PATIENCE;
    while reader.assignment().unwrap().count() < 2 {
        let _ = reader.poll(Duration::from_millis(50));
        assert!(Instant::now() < end, "the group was not joined");
    }
    let args = json!({"group": group, "topics": [topic]});
    let found = Bench::on([kafka()]).ok("kafka_lag", args.clone());
    assert_eq!(number(&found, "lag_ms"), Some(0.0), "{}", facts(&found));
    produce(&topic, 0, 1000);
    let found = Bench::on([kafka()]).ok("kafka_lag", args);
    assert_eq!(number(&found, "lag_records"), Some(1.0), "nothing committed: all records count");
    assert!(number(&found, "lag_ms").unwrap() > 1e12, "since 1970");
}

pub fn records_that_are_gone_and_offsets_outside_of_the_log_are_told() {
    let _well = well();
    let (topic, group) = (create_topic(1, &[]), unique("group"));
    (0..5).for_each(|n| produce(&topic, 0, 1000 + n));
    commit(&group, &topic, &[(0, 1)]);
    let mut until = TopicPartitionList::new();
    until.add_partition_offset(&topic, 0, Offset::Offset(3)).unwrap();
    pollster::block_on(admin().delete_records(&until, &AdminOptions::new())).unwrap();
    let args = json!({"group": group, "topics": [topic]});
    let found = Bench::on([kafka()]).ok("kafka_lag", args.clone());
    assert_eq!((number(&found, "lag_records"), number(&found, "out_of_range")), (Some(4.0), Some(1.0)));
    assert!(number(&found, "lag_ms").unwrap() > 1e12);
    assert!(facts(&found).contains("2 records expired before they were consumed"), "{}", facts(&found));

    until.set_partition_offset(&topic, 0, Offset::End).unwrap();
    pollster::block_on(admin().delete_records(&until, &AdminOptions::new())).unwrap();
    let found = Bench::on([kafka()]).ok("kafka_lag", args.clone());
    assert_eq!((number(&found, "lag_ms"), number(&found, "out_of_range")), (None, Some(1.0)));

    commit(&group, &topic, &[(0, 99)]);
    let found = Bench::on([kafka()]).ok("kafka_lag", args);
    assert_eq!((number(&found, "lag_ms"), number(&found, "lag_records")), (None, None));
    assert_eq!(number(&found, "out_of_range"), Some(1.0));
    assert!(facts(&found).contains("94 behind the end of the log"), "{}", facts(&found));
}

pub fn markers_of_transactions_are_no_records_to_wait_for() {
    let _well = well();
    let (topic, group) = (create_topic(1, &[]), unique("group"));
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka().address)
        .set("transactional.id", &group)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<str, str>::to(&topic).payload("{}")).map_err(|(error, _)| error).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    commit(&group, &topic, &[(0, 1)]);
    let found = Bench::on([kafka()]).ok("kafka_lag", json!({"group": group, "topics": [topic]}));
    assert_eq!(number(&found, "lag_records"), Some(1.0), "as Kafka's own tools count");
    assert_eq!(number(&found, "lag_ms"), Some(0.0), "{}", facts(&found));
    assert!(facts(&found).contains("markers of transactions"));
}
