//! What tests do to Kafka themselves, with a client that is not the probes'.

use crate::bench::{PATIENCE, kafka};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// A name that no other test and no other run has.
pub fn unique(name: &str) -> String {
    format!("test.{name}.{:012x}", fastrand::u64(..1 << 48))
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", kafka().address).create().unwrap()
}

pub fn create_topic(partitions: i32, config: &[(&str, &str)]) -> String {
    let name = unique("topic");
    let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    topic.config = config.to_vec();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let made = pollster::block_on(admin().create_topics([&topic], &options)).unwrap();
    assert_eq!(made, [Ok(name.clone())]);
    // The broker hears of it a moment after its controller.
    let end = Instant::now() + PATIENCE;
    while !topics().contains(&name) {
        assert!(Instant::now() < end, "{name} does not appear");
    }
    name
}

pub fn delete_topic(name: &str) {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let gone = pollster::block_on(admin().delete_topics(&[name], &options)).unwrap();
    assert_eq!(gone, [Ok(name.to_owned())]);
    let end = Instant::now() + PATIENCE;
    while topics().iter().any(|topic| topic == name) {
        assert!(Instant::now() < end, "{name} stays");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn topics() -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka().address).create().unwrap();
    let cluster = consumer.fetch_metadata(None, PATIENCE).unwrap();
    cluster.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

pub fn groups() -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka().address).create().unwrap();
    consumer.fetch_metadata(None, PATIENCE).unwrap();
    let groups = consumer.fetch_group_list(None, PATIENCE).unwrap();
    groups.groups().iter().map(|group| group.name().to_owned()).collect()
}

/// A process that stands still for as long as this lives.
pub struct Paused(rustix::process::Pid);

impl Paused {
    pub fn new(pid: u32) -> Paused {
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        Paused(pid)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        rustix::process::kill_process(self.0, rustix::process::Signal::CONT).unwrap();
    }
}

/// Produces one record with this time stamp to a partition.
pub fn produce(topic: &str, partition: i32, stamp: i64) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka().address).create().unwrap();
    let record = BaseRecord::<str, str>::to(topic).partition(partition).payload("{}").timestamp(stamp);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
}

pub fn member(group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", kafka().address)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

pub fn commit(group: &str, topic: &str, offsets: &[(i32, i64)]) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).unwrap();
    }
    member(group).commit(&list, CommitMode::Sync).unwrap();
}

/// Values of all records of a topic, until as many are there as are wanted; the topic may come to be meanwhile.
pub fn values(topic: &str, wanted: usize) -> Vec<String> {
    let consumer = member("test.values");
    let (mut values, end) = (Vec::new(), Instant::now() + PATIENCE);
    while !topics().iter().any(|there| there == topic) {
        assert!(Instant::now() < end, "{topic} does not appear");
    }
    let mut list = TopicPartitionList::new();
    let cluster = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    for partition in cluster.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    while values.len() < wanted {
        assert!(Instant::now() < end, "{topic}: {values:?}");
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8_lossy(record.payload().unwrap_or(b"null")).into_owned());
        }
    }
    values
}
