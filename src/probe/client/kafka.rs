//! Kafka through librdkafka: clients that end at a deadline, join no group, create nothing by looking at it and
//! print nothing. It knows no probe.
//!
//! librdkafka retries for as long as it lives and tells only by events why. So every client is reached first
//! ([`Link::open`]), every call has a timeout, and an error carries what librdkafka complained of last.

use super::kafka_error::{Complaints, check_topic, describe, passing, silent};
use super::kafka_group::assigned_topics;
use super::kafka_secure::{self, unreachable};
use super::parting::Parting;
use super::refused::Refused;
use crate::model::Endpoint;
use crate::probe::{Context, ProbeError};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a cluster has to answer for the first time, where the settings don't say.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// librdkafka takes milliseconds as i32, and admin requests of at most an hour.
const LONGEST: Duration = Duration::from_secs(3600);

/// The settings that all clients share: where the brokers are, as whom and how protected they are spoken to. No request
/// takes longer than `timeout`.
///
/// # Errors
/// The files of TLS are not what they should be, or there is a mechanism to log in and no user or password.
pub fn config(endpoint: &Endpoint, timeout: Duration) -> Result<ClientConfig, ProbeError> {
    let millis = |least: u128| timeout.as_millis().clamp(least, 300_000).to_string();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &endpoint.address)
        .set("client.id", "cutproof")
        .set("socket.timeout.ms", millis(10))
        .set("socket.connection.setup.timeout.ms", millis(1000))
        .set("api.version.request.timeout.ms", millis(10))
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        // The broker would otherwise be sent measurements of this client.
        .set("enable.metrics.push", "false")
        // Goes to `Complaints`, which prints nothing.
        .set_log_level(RDKafkaLogLevel::Info);
    kafka_secure::protect(&mut config, endpoint)?;
    Ok(config)
}

/// Settings of a consumer that leaves no trace: it commits nothing and creates no topic by asking for it. Records
/// of open transactions count as written.
fn reading(endpoint: &Endpoint, timeout: Duration, group: Option<&str>) -> Result<ClientConfig, ProbeError> {
    let mut config = config(endpoint, timeout)?;
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_uncommitted")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        // What is not read is not fetched: probes look at few records, wherever they are.
        .set("queued.min.messages", "100")
        .set("queued.max.messages.kbytes", "4096");
    if let Some(group) = group {
        config.set("group.id", group);
    }
    Ok(config)
}

/// A consumer that belongs to no group, and what its cluster said of itself within a time.
pub struct Cluster {
    /// The consumer.
    pub consumer: BaseConsumer<Complaints>,
    /// Brokers and topics.
    pub metadata: Metadata,
}

/// Asks a cluster who it is, within `timeout`.
///
/// # Errors
/// Nothing answers as Kafka, or the brokers refuse us, and whether that may pass.
pub fn cluster(endpoint: &Endpoint, timeout: Duration) -> Result<Cluster, Refused> {
    let until = Instant::now() + timeout;
    let complaints = Complaints::default();
    let config = config(endpoint, timeout).map_err(Refused::for_good)?;
    let consumer: BaseConsumer<Complaints> =
        config.create_with_context(complaints.clone()).map_err(|error| no_client(endpoint, &error))?;
    // Short at first: who is refused is told so by an event, and the request itself would wait for its end.
    let mut slice = Duration::from_millis(100);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match consumer.fetch_metadata(None, left.min(slice).max(Duration::from_millis(1))) {
            Ok(metadata) => return Ok(Cluster { consumer, metadata }),
            Err(error) if left <= slice || all_down(&consumer, &complaints) => {
                return Err(unreachable(endpoint, &error, &complaints.last_or_cut(), timeout));
            }
            Err(_) => slice = slice.saturating_mul(2),
        }
    }
}

fn all_down(consumer: &BaseConsumer<Complaints>, complaints: &Complaints) -> bool {
    drain(consumer);
    complaints.all_down()
}

/// Lets librdkafka tell what it has to say.
fn drain(consumer: &BaseConsumer<Complaints>) {
    for _ in 0..32 {
        // Told to `Complaints` on the way.
        let _ = consumer.poll(Duration::ZERO);
    }
}

fn no_client(endpoint: &Endpoint, error: &KafkaError) -> ProbeError {
    ProbeError(format!("Kafka at {}: no client could be made for it: {error}", endpoint.address))
}

/// A topic as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, by id.
    pub partitions: Vec<Partition>,
}

/// A partition as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// Whether a broker leads it: without one it can't be read or written.
    pub led: bool,
    /// How many replicas it should have.
    pub replicas: usize,
    /// How many of them are in sync.
    pub in_sync: usize,
}

/// Which end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The first record that is still there.
    Start,
    /// Where the next record will go.
    End,
}

/// Partitions with an offset each.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// What the next look at an assignment gave.
pub enum Next<'a> {
    /// A record.
    Record(BorrowedMessage<'a>),
    /// This partition has no record left to read.
    End(i32),
    /// Nothing yet.
    Nothing,
}

/// A consumer that has reached its cluster. It never subscribes and never commits, so no group learns of it.
pub struct Link {
    consumer: Parting<BaseConsumer<Complaints>>,
    complaints: Complaints,
    endpoint: Endpoint,
    at: String,
    advertised: String,
    deadline: Cell<Instant>,
}

impl Link {
    /// Reaches the cluster within `connect`, and no later than the context's deadline, which all later calls keep
    /// too. `group` is the consumer group to ask about; reading records needs a name too, whatever it is.
    ///
    /// # Errors
    /// Nothing answers as Kafka: with the reason that librdkafka gave.
    pub fn open(
        context: &Context<'_>,
        endpoint: &Endpoint,
        group: Option<&str>,
        connect: Duration,
    ) -> Result<Link, ProbeError> {
        let at = format!("Kafka at {}", endpoint.address);
        let complaints = Complaints::default();
        let config = reading(endpoint, context.remaining().min(LONGEST), group)?;
        let consumer: BaseConsumer<Complaints> =
            config.create_with_context(complaints.clone()).map_err(|error| no_client(endpoint, &error))?;
        let consumer = Parting::new(consumer);
        let (endpoint, deadline) = (endpoint.clone(), Cell::new(context.deadline));
        let mut link = Link { consumer, complaints, endpoint, at, advertised: String::new(), deadline };
        link.advertised = link.reach(context, connect)?;
        Ok(link)
    }

    /// Asks for the cluster until it answers; gives the addresses that its brokers advertise.
    fn reach(&self, context: &Context<'_>, connect: Duration) -> Result<String, ProbeError> {
        let most = self.left().min(connect);
        let until = Instant::now() + most;
        // Long enough for a name with several addresses to be tried at each.
        let mut slice = Duration::from_millis(500);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.consumer.fetch_metadata(None, slice.min(left)) {
                Ok(cluster) => {
                    let brokers = cluster.brokers().iter();
                    let brokers = brokers.map(|broker| format!("{}:{}", broker.host(), broker.port()));
                    return Ok(brokers.collect::<Vec<_>>().join(", "));
                }
                Err(error) => error,
            };
            drain(&self.consumer);
            let why = self.complaints.last_or_cut();
            // librdkafka knows no less than a millisecond.
            let over = left.saturating_sub(slice) < Duration::from_millis(1);
            if over || self.complaints.all_down() || context.cancel.is_cancelled() {
                return Err(unreachable(&self.endpoint, &error, &why, most).error);
            }
            slice = slice.saturating_mul(2).min(LONGEST);
        }
    }

    /// Time left for a call.
    pub fn left(&self) -> Duration {
        self.deadline.get().saturating_duration_since(Instant::now()).min(LONGEST)
    }

    /// Calls from here on keep this deadline.
    pub fn keep(&self, deadline: Instant) {
        self.deadline.set(deadline);
    }

    /// `Kafka at host:9092`.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What the cluster says of a topic; none where it is not there.
    ///
    /// # Errors
    /// No answer in time, a name that no topic can have, or no right to see it.
    pub fn topic(&self, name: &str) -> Result<Option<Topic>, ProbeError> {
        check_topic(name).map_err(ProbeError)?;
        let doing = format!("the description of topic {name}");
        let answer = self.consumer.fetch_metadata(Some(name), self.left());
        let answer = answer.map_err(|error| self.failure(&doing, &error))?;
        let Some(topic) = answer.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        match topic.error().map(Code::from) {
            None | Some(Code::LeaderNotAvailable) => {}
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
            Some(code) => return Err(self.failure(&doing, &KafkaError::MetadataFetch(code))),
        }
        let mut partitions: Vec<_> = topic
            .partitions()
            .iter()
            .map(|partition| Partition {
                id: partition.id(),
                led: partition.leader() >= 0,
                replicas: partition.replicas().len(),
                in_sync: partition.isr().len(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.id);
        Ok(Some(Topic { name: name.to_owned(), partitions }))
    }

    /// Offsets of one edge of these partitions, asked for together.
    ///
    /// # Errors
    /// No answer in time, or a partition that has none: it is gone, or nobody leads it.
    pub fn edge(&self, partitions: &[(String, i32)], edge: Edge) -> Result<Offsets, ProbeError> {
        let (doing, wanted) = match edge {
            Edge::Start => ("the first offsets", Offset::Beginning),
            Edge::End => ("the end offsets", Offset::End),
        };
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let list = self.list(partitions.iter().map(|(topic, id)| (topic.as_str(), *id, wanted)))?;
        // ListOffsets takes time stamps, and -1 and -2, which are librdkafka's End and Beginning, for the edges.
        let found = self.consumer.offsets_for_times(list, self.left());
        let found = found.map_err(|error| self.failure(doing, &error))?;
        let mut offsets = Offsets::new();
        for item in found.elements() {
            item.error().map_err(|error| {
                self.failure(&format!("{doing} of {}/{}", item.topic(), item.partition()), &error)
            })?;
            if let Offset::Offset(offset @ 0..) = item.offset() {
                offsets.insert((item.topic().to_owned(), item.partition()), offset);
            }
        }
        match partitions.iter().find(|partition| !offsets.contains_key(partition)) {
            None => Ok(offsets),
            Some((topic, id)) => {
                Err(ProbeError(format!("{}: expected {doing} of {topic}/{id}, and got none", self.at)))
            }
        }
    }

    /// What the link's group has committed for these partitions; those that it has committed nothing for are left
    /// out.
    ///
    /// # Errors
    /// No answer in time, or no right to ask.
    pub fn committed(&self, partitions: &[(String, i32)]) -> Result<Offsets, ProbeError> {
        let doing = "the group's committed offsets";
        let list = self.list(partitions.iter().map(|(topic, id)| (topic.as_str(), *id, Offset::Invalid)))?;
        let found = self.consumer.committed_offsets(list, self.left());
        let found = found.map_err(|error| self.failure(doing, &error))?;
        let mut offsets = Offsets::new();
        for item in found.elements() {
            item.error().map_err(|error| self.failure(doing, &error))?;
            if let Offset::Offset(offset @ 0..) = item.offset() {
                offsets.insert((item.topic().to_owned(), item.partition()), offset);
            }
        }
        Ok(offsets)
    }

    /// Topics that members of this group are reading now; none where there is no such group.
    ///
    /// # Errors
    /// No answer in time, or no right to ask.
    pub fn group(&self, group: &str) -> Result<Option<Vec<String>>, ProbeError> {
        let found = self.consumer.fetch_group_list(Some(group), self.left());
        let found = found.map_err(|error| self.failure("the state of the group", &error))?;
        let Some(group) = found.groups().iter().find(|found| found.name() == group) else { return Ok(None) };
        if group.state() == "Dead" {
            return Ok(None);
        }
        let assigned = group.members().iter().filter_map(|member| member.assignment());
        Ok(Some(assigned.flat_map(assigned_topics).collect()))
    }

    /// Reads from these offsets on; what was read from before is let go.
    ///
    /// # Errors
    /// librdkafka refuses, such as for a name that no topic can have.
    pub fn read_from(&self, topic: &str, starts: &[(i32, i64)]) -> Result<(), ProbeError> {
        let list = self.list(starts.iter().map(|(id, offset)| (topic, *id, Offset::Offset(*offset))))?;
        self.consumer.assign(&list).map_err(|error| self.failure(&format!("to read {topic}"), &error))
    }

    /// Lets go of what was read from: nothing more is fetched until the next time.
    ///
    /// # Errors
    /// librdkafka refuses; the link is of no use then.
    pub fn rest(&self) -> Result<(), ProbeError> {
        self.consumer.unassign().map_err(|error| self.failure("to stop reading", &error))
    }

    /// The next record, for at most `wait`.
    ///
    /// # Errors
    /// The topic is gone, or may not be read. A broker that is away is waited for.
    pub fn next(&self, wait: Duration) -> Result<Next<'_>, ProbeError> {
        match self.consumer.poll(wait.min(self.left())) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(id))) => Ok(Next::End(id)),
            Some(Err(KafkaError::MessageConsumption(code))) if passing(code) => Ok(Next::Nothing),
            Some(Err(error)) => Err(self.failure("a record", &error)),
        }
    }

    fn list<'a>(
        &self,
        parts: impl Iterator<Item = (&'a str, i32, Offset)>,
    ) -> Result<TopicPartitionList, ProbeError> {
        let mut list = TopicPartitionList::new();
        for (topic, id, offset) in parts {
            check_topic(topic).map_err(ProbeError)?;
            list.add_partition_offset(topic, id, offset)
                .map_err(|error| ProbeError(format!("{}: {topic}/{id} at {offset:?}: {error}", self.at)))?;
        }
        Ok(list)
    }

    /// What librdkafka complained of last; asking collects what it has to say. Only to be used where no record is
    /// waited for any more.
    fn complaint(&self) -> String {
        drain(&self.consumer);
        self.complaints.last()
    }

    /// Why `doing` did not come about.
    pub fn failure(&self, doing: &str, error: &KafkaError) -> ProbeError {
        let mut text = format!("{}: expected {doing}, and got ", self.at);
        if silent(error) {
            text += "no answer in time";
            let why = self.complaint();
            if !why.is_empty() {
                text += &format!(" ({why})");
            }
            if !self.advertised.is_empty() {
                text += &format!(
                    "; its brokers advertise {}: are they up, and reachable from here?",
                    self.advertised
                );
            }
        } else {
            text += &describe(error);
        }
        ProbeError(text)
    }
}
