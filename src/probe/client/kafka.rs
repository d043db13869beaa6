//! Kafka through librdkafka: clients that end at a deadline, join no group, create nothing by looking at it and
//! print nothing. It knows no probe.
//!
//! librdkafka retries for as long as it lives and tells only by events why. So every client is reached first
//! ([`Link::open`]), every call has a timeout, and an error carries what librdkafka complained of last.

use crate::model::Endpoint;
use crate::probe::{Context, ProbeError};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cluster has to answer for the first time, where the settings don't say.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// librdkafka takes milliseconds as i32, and admin requests of at most an hour.
const LONGEST: Duration = Duration::from_secs(3600);

/// The settings that all clients share. No request takes longer than `timeout`.
pub fn config(endpoint: &Endpoint, timeout: Duration) -> ClientConfig {
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
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// Settings of a consumer that leaves no trace: it commits nothing and creates no topic by asking for it. Records
/// of open transactions count as written.
fn reading(endpoint: &Endpoint, timeout: Duration, group: Option<&str>) -> ClientConfig {
    let mut config = config(endpoint, timeout);
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
    config
}

/// Whether a topic can have this name.
///
/// # Errors
/// What is allowed.
pub fn check_topic(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=249).contains(&name.len()) && name.chars().all(allowed) && !matches!(name, "." | "..") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(format!("`{shown}` is no topic name: expected 1 to 249 letters, digits, `.`, `_` or `-`"))
}

/// What librdkafka complained of.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    last: String,
    all_down: bool,
}

impl Complaints {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Complaints {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error, KafkaError::Global(Code::AllBrokersDown)) {
            self.heard().all_down = true;
        } else {
            // `host:9092/bootstrap: Connect to ipv4#1.2.3.4:9092 failed: Connection refused (after 0ms in state ...`
            self.heard().last = reason.split(" (after ").next().unwrap_or(reason).to_owned();
        }
    }
}

impl ConsumerContext for Complaints {}

/// A client whose end is waited for elsewhere: librdkafka ends its threads one by one, and one that resolves a
/// name or polls for admin answers takes its time.
pub struct Parting<T: Send + Sync + 'static>(Arc<T>);

impl<T: Send + Sync + 'static> Parting<T> {
    /// Takes charge of a client.
    pub fn new(client: T) -> Parting<T> {
        Parting(Arc::new(client))
    }
}

impl<T: Send + Sync + 'static> Deref for Parting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Drop for Parting<T> {
    fn drop(&mut self) {
        let client = Arc::clone(&self.0);
        let wait = move || {
            // Until this thread holds the last of it, so that the end is here and not there.
            while Arc::strong_count(&client) > 1 {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        // Where no thread can be had, the client ends here.
        std::thread::Builder::new().name("kafka-parting".into()).spawn(wait).ok();
    }
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
    at: String,
    advertised: String,
    deadline: Instant,
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
        let config = reading(endpoint, context.remaining().min(LONGEST), group);
        let consumer: BaseConsumer<Complaints> = config
            .create_with_context(complaints.clone())
            .map_err(|error| ProbeError(format!("{at}: no client could be made for it: {error}")))?;
        let consumer = Parting::new(consumer);
        let mut link =
            Link { consumer, complaints, at, advertised: String::new(), deadline: context.deadline };
        link.advertised = link.reach(context, connect)?;
        Ok(link)
    }

    /// Asks for the cluster until it answers; gives the addresses that its brokers advertise.
    fn reach(&self, context: &Context<'_>, connect: Duration) -> Result<String, ProbeError> {
        let until = self.deadline.min(Instant::now() + connect.min(LONGEST));
        let mut slice = Duration::from_millis(500);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.consumer.fetch_metadata(None, slice.min(left)) {
                Ok(cluster) => {
                    let brokers = cluster.brokers().iter();
                    let brokers = brokers.map(|broker| format!("{}:{}", broker.host(), broker.port()));
                    return Ok(brokers.collect::<Vec<_>>().join(", "));
                }
                Err(error) => {
                    let why = self.complaint();
                    let over = Instant::now() >= until || self.complaints.heard().all_down;
                    if over || context.cancel.is_cancelled() {
                        return Err(self.unreachable(&error, &why, connect));
                    }
                }
            }
            slice *= 2;
        }
    }

    fn unreachable(&self, error: &KafkaError, why: &str, connect: Duration) -> ProbeError {
        let at = &self.at;
        if why.is_empty() && silent(error) {
            return ProbeError(format!(
                "no answer from {at} within {} s: is the broker overloaded, paused or behind a firewall?",
                connect.as_secs_f64()
            ));
        }
        let why = if why.is_empty() { error.to_string() } else { why.to_owned() };
        ProbeError(format!("nothing answers as {at}: {why}: is the broker up, and is this its address?"))
    }

    /// Time left for a call.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(LONGEST)
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
        for _ in 0..32 {
            // Told to `Complaints` on the way.
            let _ = self.consumer.poll(Duration::ZERO);
        }
        self.complaints.heard().last.clone()
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

/// librdkafka's code of an error, wherever it keeps it.
pub fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// An error in words, with what to do where that is plain.
pub fn describe(error: &KafkaError) -> String {
    match code(error) {
        Some(code) => describe_code(code),
        None => error.to_string(),
    }
}

/// As [`describe`], for a code.
pub fn describe_code(code: Code) -> String {
    let hint = match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => "; the user lacks this right",
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            "; is the topic there (init kafka)?"
        }
        Code::InvalidReplicationFactor => "; are there as many brokers?",
        Code::MessageSizeTooLarge => "; see the topic's max.message.bytes",
        _ => "",
    };
    format!("{code}{hint}")
}

/// Whether an error only says that no answer came.
fn silent(error: &KafkaError) -> bool {
    use Code::{
        AllBrokersDown, BrokerTransportFailure, MessageTimedOut, OperationTimedOut, RequestTimedOut,
        TimedOutQueue, WaitingForCoordinator,
    };
    let silence = [
        AllBrokersDown,
        BrokerTransportFailure,
        MessageTimedOut,
        OperationTimedOut,
        RequestTimedOut,
        TimedOutQueue,
        WaitingForCoordinator,
    ];
    code(error).is_some_and(|code| silence.contains(&code))
}

/// Whether reading may still go on after this: brokers come back, and the group is only a name.
fn passing(code: Code) -> bool {
    use Code::{
        AllBrokersDown, BrokerTransportFailure, CoordinatorLoadInProgress, CoordinatorNotAvailable,
        GroupAuthorizationFailed, NotCoordinator, OperationTimedOut, Resolve,
    };
    let passing = [
        AllBrokersDown,
        BrokerTransportFailure,
        CoordinatorLoadInProgress,
        CoordinatorNotAvailable,
        GroupAuthorizationFailed,
        NotCoordinator,
        OperationTimedOut,
        Resolve,
    ];
    passing.contains(&code)
}

/// Topics in a member's assignment, as the consumer protocol encodes it: version i16, then an array of topics, each
/// a string and an array of i32. What does not fit is no topic.
/// <https://kafka.apache.org/protocol#The_Messages_ConsumerProtocolAssignment>
fn assigned_topics(mut bytes: &[u8]) -> Vec<String> {
    fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        let (head, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(head)
    }
    fn number(bytes: &mut &[u8], width: usize) -> Option<usize> {
        take(bytes, width).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }
    let mut topics = Vec::new();
    let mut topic = |bytes: &mut &[u8]| {
        let length = number(bytes, 2)?;
        let name = take(bytes, length)?;
        let partitions = number(bytes, 4)?;
        take(bytes, partitions.checked_mul(4)?)?;
        topics.push(String::from_utf8_lossy(name).into_owned());
        Some(())
    };
    let count = take(&mut bytes, 2).and_then(|_| number(&mut bytes, 4)).unwrap_or(0);
    for _ in 0..count {
        if topic(&mut bytes).is_none() {
            break;
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assignment(topics: &[(&str, i32)]) -> Vec<u8> {
        let mut bytes = 1i16.to_be_bytes().to_vec();
        bytes.extend((topics.len() as i32).to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend((name.len() as i16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(partitions.to_be_bytes());
            (0..*partitions).for_each(|id| bytes.extend(id.to_be_bytes()));
        }
        bytes.extend((-1i32).to_be_bytes());
        bytes
    }

    #[test]
    fn topics_of_an_assignment_are_read() {
        assert_eq!(assigned_topics(&assignment(&[("a.b", 6), ("c", 0)])), ["a.b", "c"]);
        assert_eq!(assigned_topics(&assignment(&[])), Vec::<String>::new());
    }

    #[test]
    fn an_assignment_that_is_cut_gives_only_what_is_whole() {
        let whole = assignment(&[("a", 1), ("b", 2)]);
        assert_eq!(assigned_topics(&whole[..whole.len() - 6]), ["a"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_as_an_assignment(bytes: Vec<u8>) {
            prop_assert!(assigned_topics(&bytes).len() <= bytes.len());
        }

        #[test]
        fn a_topic_name_is_safe_for_the_native_library(name: String) {
            if check_topic(&name).is_ok() {
                prop_assert!(name.is_ascii() && !name.contains('\0') && !name.is_empty());
            }
        }
    }

    #[test]
    fn names_that_no_topic_can_have_are_refused() {
        for bad in ["", ".", "..", "a b", "a\0b", "ä", &"a".repeat(250)] {
            assert!(check_topic(bad).is_err(), "{bad}");
        }
        assert!(check_topic("quant_hft_pg.trading_core.orders").is_ok());
    }

    #[test]
    fn what_librdkafka_complains_of_is_kept_without_its_inner_states() {
        let complaints = Complaints::default();
        let reason = "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        complaints.error(KafkaError::Global(Code::BrokerTransportFailure), reason);
        complaints.error(KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert!(complaints.heard().all_down);
        assert!(complaints.heard().last.ends_with("Connection refused"));
    }
}
