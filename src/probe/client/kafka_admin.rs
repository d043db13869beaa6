//! Kafka's admin requests: creating and deleting topics, reading their configuration. It knows no probe.

use super::kafka::{self, Link};
use super::kafka_error::{Complaints, describe_code};
use super::parting::Parting;
use crate::model::Endpoint;
use crate::probe::ProbeError;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::time::Duration;

/// An admin client of a cluster that a link has reached. Its requests keep the link's deadline.
pub struct Admin<'a> {
    client: Parting<AdminClient<Complaints>>,
    link: &'a Link,
    most: Duration,
}

/// What came of a request to create a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// It was there.
    Existing,
}

impl<'a> Admin<'a> {
    /// A client beside `link`.
    ///
    /// # Errors
    /// No client can be made, for want of memory or threads.
    pub fn open(endpoint: &Endpoint, link: &'a Link) -> Result<Admin<'a>, ProbeError> {
        let client = kafka::config(endpoint, link.left())?.create_with_context(Complaints::default());
        let client = client.map_err(|error| {
            ProbeError(format!("{}: no admin client could be made for it: {error}", link.at()))
        })?;
        Ok(Admin { client: Parting::new(client), link, most: Duration::MAX })
    }

    /// The same client, whose requests take no longer than this each.
    pub fn at_most(self, most: Duration) -> Admin<'a> {
        Admin { most, ..self }
    }

    /// librdkafka answers within the request's timeout, whatever the broker does: so waiting for it ends.
    fn options(&self) -> AdminOptions {
        let left = self.link.left().min(self.most).max(Duration::from_millis(1));
        AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left))
    }

    /// Creates topics in one request. What came of each, by name: made, already there, or why not.
    ///
    /// # Errors
    /// No answer in time.
    pub fn create(
        &self,
        topics: &[&str],
        partitions: i32,
        replication_factor: i32,
    ) -> Result<BTreeMap<String, Result<Created, String>>, ProbeError> {
        let replication = || TopicReplication::Fixed(replication_factor);
        let new: Vec<_> =
            topics.iter().map(|topic| NewTopic::new(topic, partitions, replication())).collect();
        let answer = pollster::block_on(self.client.create_topics(&new, &self.options()));
        let answer = answer.map_err(|error| self.failure("the topics to be created", &error))?;
        let each = answer.into_iter().map(|result| match result {
            Ok(topic) => (topic, Ok(Created::New)),
            Err((topic, Code::TopicAlreadyExists)) => (topic, Ok(Created::Existing)),
            Err((topic, code)) => (topic, Err(describe_code(code))),
        });
        Ok(each.collect())
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// No answer in time, or the cluster refuses.
    pub fn delete(&self, topic: &str) -> Result<(), ProbeError> {
        let doing = format!("topic {topic} to be deleted");
        let answer = pollster::block_on(self.client.delete_topics(&[topic], &self.options()));
        match answer.map_err(|error| self.failure(&doing, &error))?.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => Err(self.failure(&doing, &KafkaError::AdminOp(code))),
            None => {
                Err(ProbeError(format!("{}: expected {doing}, and got no answer for it", self.link.at())))
            }
        }
    }

    /// The configuration of topics, defaults included: by topic and entry. What is not told (secrets) is left out.
    ///
    /// # Errors
    /// No answer in time, or no right to ask.
    pub fn configs(&self, topics: &[&str]) -> Result<BTreeMap<String, BTreeMap<String, String>>, ProbeError> {
        let doing = "the configuration of the topics";
        let specifiers: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answer = pollster::block_on(self.client.describe_configs(&specifiers, &self.options()));
        let answer = answer.map_err(|error| self.failure(doing, &error))?;
        let mut configs = BTreeMap::new();
        for resource in answer {
            let resource = resource.map_err(|code| self.failure(doing, &KafkaError::AdminOp(code)))?;
            if let OwnedResourceSpecifier::Topic(topic) = resource.specifier {
                let entries = resource.entries.into_iter();
                let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
                configs.insert(topic, entries.collect());
            }
        }
        Ok(configs)
    }

    fn failure(&self, doing: &str, error: &KafkaError) -> ProbeError {
        self.link.failure(doing, error)
    }
}
