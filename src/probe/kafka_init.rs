//! `kafka_init`: creates topics and verifies them, in steps. Run twice it gives the same state and says what was
//! there already. A topic that is there with other partitions than asked for fails: it is never altered.

use super::client::init::{self, Work};
use super::client::kafka::{CONNECT_TIMEOUT, Link, Topic};
use super::client::kafka_admin::{Admin, Created};
use super::kafka_topics::check_topics;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Reading, ServiceKind};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The probe.
pub struct KafkaInit;

const FIELDS: &[Field] = &[
    Field::required("topics", FieldKind::Texts, "the topics to create"),
    Field::with_default(
        "partitions",
        FieldKind::Integer { min: 1, max: 100_000 },
        "6",
        "how many partitions each of them has",
    ),
    Field::with_default(
        "replication_factor",
        FieldKind::Integer { min: 1, max: 1000 },
        "1",
        "how many replicas each partition has at least",
    ),
    init::CONNECT_TIMEOUT,
    Field::with_default(
        "operation_timeout",
        FieldKind::Duration,
        "\"30s\"",
        "how long creating the topics may take, and then each topic until it is seen",
    ),
    init::recorded("bootstrap_server"),
    init::recorded("service"),
    init::recorded("compose_file"),
    init::recorded("project_name"),
    init::recorded("env_file"),
];

/// Pause between two looks at a topic that has just been made.
const AGAIN: Duration = Duration::from_millis(5);

impl Probe for KafkaInit {
    fn name(&self) -> &'static str {
        "kafka_init"
    }

    fn about(&self) -> &'static str {
        "creates Kafka topics and verifies them; what is there already is left as it is"
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

    fn metrics(&self, _: &Args) -> Vec<Metric> {
        vec![
            Metric::bool("success", "whether every topic is there as asked for"),
            Metric::number("topics_created", Unit::Count, "topics that are new"),
            Metric::number("topics_existing", Unit::Count, "topics that were there already"),
            Metric::number("topics_mismatched", Unit::Count, "topics that are there, and not as asked for"),
            Metric::text("failed_step", "the step that failed, and nothing where none did"),
        ]
    }

    fn expect(&self, _: &Args) -> String {
        "success == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_topics(&args.texts("topics"))
    }

    fn steps(&self, args: &Args) -> Result<Vec<PlannedStep>, String> {
        let Settings { topics, partitions, replication_factor, .. } = Settings::of(args);
        let shape = format!("with {partitions} partitions and replication factor {replication_factor}");
        let mut steps = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            // One request makes all: the first step waits for it, the others take what it says of theirs.
            let command = match index {
                0 => format!("CreateTopics {} {shape}", topics.join(" ")),
                _ => format!("CreateTopics {topic} {shape}, in the request of the first step"),
            };
            steps.push(PlannedStep { name: format!("create_{topic}"), command });
            let command = format!("Metadata {topic}: expect {partitions} partitions, each with a leader");
            steps.push(PlannedStep { name: format!("verify_{topic}"), command });
        }
        Ok(steps)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        self.check(args).map_err(|bad| ProbeError(bad.message))?;
        let settings = Settings::of(args);
        let mut work = Init { settings, context, link: None, answers: BTreeMap::new(), mismatched: 0 };
        let steps = self.steps(args).map_err(ProbeError)?;
        let (failed_step, said) = init::run(context, &steps, &mut work);
        Ok(work.measurement(&failed_step, said))
    }
}

struct Settings<'a> {
    topics: Vec<&'a str>,
    partitions: i32,
    replication_factor: i32,
    connect: Duration,
    operation: Duration,
}

impl<'a> Settings<'a> {
    fn of(args: &'a Args) -> Settings<'a> {
        let number =
            |name, default| args.integer(name).and_then(|n| i32::try_from(n).ok()).unwrap_or(default);
        Settings {
            topics: args.texts("topics"),
            partitions: number("partitions", 6),
            replication_factor: number("replication_factor", 1),
            connect: args.duration("connect_timeout").unwrap_or(CONNECT_TIMEOUT),
            operation: args.duration("operation_timeout").unwrap_or(Duration::from_secs(30)),
        }
    }
}

/// An initialisation as far as it came.
struct Init<'a> {
    settings: Settings<'a>,
    context: &'a Context<'a>,
    /// There from the first step on.
    link: Option<Link>,
    /// What the cluster said of each topic that was to be created.
    answers: BTreeMap<String, Result<Created, String>>,
    mismatched: usize,
}

impl Work for Init<'_> {
    fn step(&mut self, planned: &PlannedStep) -> Result<String, String> {
        match planned.name.split_once('_') {
            Some(("create", topic)) => self.create(topic),
            Some(("verify", topic)) => self.verify(topic),
            _ => Err(format!("no topic has the step {}", planned.name)),
        }
    }
}

impl Init<'_> {
    /// The first call reaches the cluster and asks it for all topics; each gives the answer for its own.
    fn create(&mut self, topic: &str) -> Result<String, String> {
        if self.link.is_none() {
            self.create_all().map_err(|error| error.0)?;
        }
        match self.answers.get(topic) {
            Some(Ok(Created::New)) => Ok(format!("{topic} created")),
            Some(Ok(Created::Existing)) => Ok(format!("{topic} already exists")),
            Some(Err(why)) => Err(format!("{topic} was not created: {why}{}", self.others())),
            None => Err(format!("{topic} was not created: the cluster's answer does not name it")),
        }
    }

    fn create_all(&mut self) -> Result<(), ProbeError> {
        let endpoint = self.context.endpoint(ServiceKind::Kafka)?;
        let link = Link::open(self.context, endpoint, None, self.settings.connect)?;
        let admin = Admin::open(endpoint, &link)?.at_most(self.settings.operation);
        let Settings { topics, partitions, replication_factor, .. } = &self.settings;
        self.answers = admin.create(topics, *partitions, *replication_factor)?;
        drop(admin);
        self.link = Some(link);
        Ok(())
    }

    /// Which topics the same request made, for whoever reads of one that it did not make.
    fn others(&self) -> String {
        let new = self.answers.iter().filter(|(_, answer)| **answer == Ok(Created::New));
        let new: Vec<_> = new.map(|(topic, _)| topic.as_str()).collect();
        if new.is_empty() { String::new() } else { format!("; the same request created {}", new.join(", ")) }
    }

    /// Looks at a topic until it is as asked for. A topic that was there already has no time to change.
    fn verify(&mut self, topic: &str) -> Result<String, String> {
        let Some(link) = &self.link else { return Err("the cluster was not reached".to_owned()) };
        let until = self.context.deadline.min(Instant::now() + self.settings.operation);
        link.keep(until);
        let new = self.answers.get(topic) == Some(&Ok(Created::New));
        loop {
            let found = link.topic(topic).map_err(|error| error.0)?;
            let (seen, differs) = match compare(topic, found.as_ref(), &self.settings) {
                Seen::AsAsked(words) => return Ok(words),
                Seen::NotYet(words) => (words, false),
                Seen::Differs(words) => (words, true),
            };
            if Instant::now() + AGAIN >= until || (differs && !new) {
                self.mismatched += usize::from(differs);
                return Err(seen);
            }
            if self.context.cancel.pause(AGAIN) {
                return Err(format!("told to stop while waiting for {topic}: {seen}"));
            }
        }
    }

    fn measurement(self, failed_step: &str, said: Vec<String>) -> Measurement {
        let source = match &self.link {
            Some(link) => link.at().to_owned(),
            None => "kafka_init".to_owned(),
        };
        let see = |name: &str, reading| self.context.observed(name, reading, &source);
        let count = |number: usize| Reading::number(number as f64, Unit::Count);
        let answered = |wanted| count(self.answers.values().filter(|answer| **answer == Ok(wanted)).count());
        let observations = vec![
            see("success", Reading::bool(failed_step.is_empty())),
            see("topics_created", answered(Created::New)),
            see("topics_existing", answered(Created::Existing)),
            see("topics_mismatched", count(self.mismatched)),
            see("failed_step", Reading::text(failed_step)),
        ];
        let mut facts = Args::default();
        facts.set("steps", said);
        Measurement { observations, facts, excerpt: String::new() }
    }
}

/// A topic held against what is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    AsAsked(String),
    /// Not there, or without leaders: that passes.
    NotYet(String),
    Differs(String),
}

fn compare(name: &str, found: Option<&Topic>, wanted: &Settings<'_>) -> Seen {
    let Some(topic) = found else {
        return Seen::NotYet(format!("{name} is not there, expected {} partitions", wanted.partitions));
    };
    let (partitions, expected) = (topic.partitions.len(), wanted.partitions);
    if partitions as i64 != i64::from(expected) {
        return Seen::Differs(format!(
            "{name} has {partitions} partitions, expected {expected}; it is left as it is: partitions can be \
             added, but keys then change their partition"
        ));
    }
    let least = topic.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0);
    if (least as i64) < i64::from(wanted.replication_factor) {
        let factor = wanted.replication_factor;
        return Seen::Differs(format!("{name} has replication factor {least}, expected {factor}"));
    }
    match topic.partitions.iter().find(|partition| !partition.led) {
        Some(partition) => Seen::NotYet(format!("no broker leads partition {} of {name}", partition.id)),
        None => Seen::AsAsked(format!("{name} has {partitions} partitions, replication factor {least}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::client::kafka::Partition;
    use serde_json::json;

    fn args(topics: &[&str]) -> Args {
        let mut args = Args::default();
        args.set("topics", json!(topics));
        args.set("partitions", 6);
        args.set("replication_factor", 2);
        args
    }

    fn topic(partitions: i32, replicas: usize, led: bool) -> Topic {
        let partition = |id| Partition { id, led, replicas, in_sync: replicas };
        Topic { name: "t".to_owned(), partitions: (0..partitions).map(partition).collect() }
    }

    #[test]
    fn each_topic_is_created_and_then_verified() {
        let steps = KafkaInit.steps(&args(&["a", "b"])).unwrap();
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["create_a", "verify_a", "create_b", "verify_b"]);
        assert_eq!(steps[0].command, "CreateTopics a b with 6 partitions and replication factor 2");
    }

    #[test]
    fn a_topic_with_other_partitions_or_too_few_replicas_differs() {
        let args = args(&["t"]);
        let wanted = Settings::of(&args);
        let Seen::Differs(words) = compare("t", Some(&topic(3, 2, true)), &wanted) else { panic!() };
        assert!(words.starts_with("t has 3 partitions, expected 6"), "{words}");
        assert!(matches!(compare("t", Some(&topic(9, 2, true)), &wanted), Seen::Differs(_)));
        assert!(matches!(compare("t", Some(&topic(6, 1, true)), &wanted), Seen::Differs(_)));
    }

    #[test]
    fn a_topic_that_nobody_leads_yet_is_waited_for() {
        let args = args(&["t"]);
        let wanted = Settings::of(&args);
        assert!(matches!(compare("t", None, &wanted), Seen::NotYet(_)));
        assert!(matches!(compare("t", Some(&topic(6, 2, false)), &wanted), Seen::NotYet(_)));
    }

    #[test]
    fn a_topic_as_asked_for_may_have_more_replicas() {
        let args = args(&["t"]);
        let wanted = Settings::of(&args);
        for replicas in [2, 3] {
            assert!(matches!(compare("t", Some(&topic(6, replicas, true)), &wanted), Seen::AsAsked(_)));
        }
    }
}
