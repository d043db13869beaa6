//! Producing single records to Kafka, each waited for until all replicas in sync have it. It knows no probe.

use super::kafka::{self, Link};
use super::kafka_error::{Complaints, check_topic};
use super::parting::Parting;
use crate::model::Endpoint;
use crate::probe::{Context, ProbeError};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What became of a record that was sent: its partition and offset, or why it was not taken.
#[derive(Default)]
pub struct Delivery(Mutex<Option<Result<(i32, i64), KafkaError>>>);

impl ProducerContext for Complaints {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        let told = match result {
            Ok(record) => Ok((record.partition(), record.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        *delivery.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

/// A record to send.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition; by its key where there is none.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'a str>,
    /// What it says.
    pub payload: &'a str,
    /// A header: name and value.
    pub header: Option<(&'a str, &'a str)>,
}

/// Sends a record to a topic that `link` knows to be there (a producer that asks for one that is not may create it)
/// and waits until it is taken, no longer than the link's deadline. Gives its partition and offset.
///
/// # Errors
/// The cluster does not take it, or no answer in time: then it may be there all the same.
pub fn produce(
    context: &Context<'_>,
    endpoint: &Endpoint,
    link: &Link,
    record: Record<'_>,
) -> Result<(i32, i64), ProbeError> {
    check_topic(record.topic).map_err(ProbeError)?;
    let doing = format!("a record to be taken by {}", record.topic);
    let timeout = link.left();
    let mut config = kafka::config(endpoint, timeout)?;
    config.set("message.timeout.ms", timeout.as_millis().max(1).to_string()).set("linger.ms", "0");
    let producer: BaseProducer<Complaints> = config
        .create_with_context(Complaints::default())
        .map_err(|error| ProbeError(format!("{}: no producer could be made for it: {error}", link.at())))?;
    let producer = Parting::new(producer);
    let delivery = Arc::new(Delivery::default());
    let mut sent = BaseRecord::with_opaque_to(record.topic, Arc::clone(&delivery)).payload(record.payload);
    sent.partition = record.partition;
    sent.key = record.key;
    sent.headers =
        record.header.map(|(key, value)| OwnedHeaders::new().insert(Header { key, value: Some(value) }));
    producer.send(sent).map_err(|(error, _)| link.failure(&doing, &error))?;
    loop {
        producer.poll(Duration::from_millis(1));
        let known = delivery.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match known {
            Some(Ok(place)) => return Ok(place),
            Some(Err(error)) => return Err(link.failure(&doing, &error)),
            None if link.left().is_zero() => {
                let at = link.at();
                return Err(ProbeError(format!(
                    "{at}: expected {doing}, and it was not acknowledged in time"
                )));
            }
            None if context.cancel.is_cancelled() => {
                return Err(ProbeError(format!("{}: told to stop while waiting for {doing}", link.at())));
            }
            None => {}
        }
    }
}
