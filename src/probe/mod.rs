//! One file a gate kind, in one flat registry. A probe measures and returns observations; it judges nothing, and
//! knows neither the profile nor the runner.

mod cdc;
mod clickhouse_ingest;
mod clickhouse_init;
mod clickhouse_query;
mod clickhouse_schema;
pub mod client;
mod command;
mod connector;
mod debezium_init;
mod declared;
mod file;
mod health;
mod http;
mod kafka_init;
mod kafka_lag;
mod kafka_round_trip;
mod kafka_topics;
mod placeholder;
mod postgres_query;
mod postgres_schema;
mod prometheus;
mod prometheus_query;
mod redis_keys;
mod redis_ping;
mod redis_round_trip;
mod sampler;
mod tcp;
mod timescale_init;

pub(crate) use command::excerpt;

use crate::model::event::PlannedStep;
use crate::model::field::Field;
use crate::model::redact::Redactor;
use crate::model::{Args, Clock, Endpoint, Metric, Observation, Origin, Reading, RunId, ServiceKind};
use crate::process::{Cancel, Worker};
use std::time::{Duration, Instant};

pub use sampler::{Sampled, Sampler, sampler};

/// A kind of gate.
pub trait Probe: Sync {
    /// Its name in profiles: `kafka_topics`.
    fn name(&self) -> &'static str;

    /// One line for the docs.
    fn about(&self) -> &'static str;

    /// Kinds of services that the gate's `uses` must give, each exactly once.
    fn services(&self) -> &'static [ServiceKind] {
        &[]
    }

    /// Kinds of services that `uses` may give besides, each at most once.
    fn may_use(&self) -> &'static [ServiceKind] {
        &[]
    }

    /// Whether the gate's `uses` may give any services, of any kinds and numbers; then `services` says nothing.
    fn any_services(&self) -> bool {
        false
    }

    /// Kinds of services of which the gate's `uses` must give exactly one, of whichever kind. With settings that
    /// name the place themselves (`url`, `address`) none, and then `uses` gives none.
    fn one_of(&self, _args: &Args) -> &'static [ServiceKind] {
        &[]
    }

    /// The settings it takes.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    /// Whether it writes to what it measures.
    fn writes(&self) -> bool {
        false
    }

    /// Whether nothing that it does outlasts the deadline by more than a moment, whatever it measures. It is then
    /// measured on the caller's thread: handing over to another costs a tenth of starting a process.
    fn ends_by_itself(&self) -> bool {
        false
    }

    /// What it can observe with these settings.
    fn metrics(&self, args: &Args) -> Vec<Metric>;

    /// What is expected where the gate does not say.
    fn expect(&self, args: &Args) -> String;

    /// Checks what the fields alone cannot: settings that contradict each other.
    ///
    /// # Errors
    /// The field at fault and what is wrong with it.
    fn check(&self, _args: &Args) -> Result<(), BadArgs> {
        Ok(())
    }

    /// The steps it will take, where it changes things in steps: the inits.
    ///
    /// # Errors
    /// Where a file that the steps come from is not there or can't be read: what was expected and where.
    fn steps(&self, _args: &Args) -> Result<Vec<PlannedStep>, String> {
        Ok(Vec::new())
    }

    /// Measures once, within the context's deadline.
    ///
    /// # Errors
    /// Where it could not be measured: that is an error of the gate, not a failure.
    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError>;

    /// What measures these settings again and again, where that is more than measuring anew each time: see
    /// [`sampler`].
    fn sampler(&self, _args: &Args) -> Option<Box<dyn Sampler>> {
        None
    }

    /// Whether the value of this name compares two samples, so that the first of a sampler's has none.
    fn compares(&self, _args: &Args, _name: &str) -> bool {
        false
    }
}

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadArgs {
    /// The field at fault.
    pub field: &'static str,
    /// Expected and seen.
    pub message: String,
}

/// Why something could not be measured: what was expected, what was seen, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

impl ProbeError {
    /// From any text.
    pub fn new(text: impl Into<String>) -> ProbeError {
        ProbeError(text.into())
    }
}

/// What a probe found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurement {
    /// Values to judge.
    pub observations: Vec<Observation>,
    /// Facts worth reading that are not judged.
    pub facts: Args,
    /// Head and tail of what a command printed, redacted.
    pub excerpt: String,
}

/// What a probe is given besides its settings.
pub struct Context<'a> {
    /// The endpoints of the services that the gate uses.
    pub endpoints: &'a [(String, Endpoint)],
    /// When the measurement must have ended.
    pub deadline: Instant,
    /// Told when the run is to end early.
    pub cancel: &'a Cancel,
    /// The run's clock.
    pub clock: Clock,
    /// The run, for names that must not collide.
    pub run: &'a RunId,
    /// Knows the run's secrets.
    pub redactor: &'a Redactor,
    /// Where steps are told.
    pub steps: &'a dyn Steps,
    /// The right to start processes.
    pub worker: Worker,
}

impl Context<'_> {
    /// The endpoint of the one service of this kind that the gate uses.
    ///
    /// # Errors
    /// Where there is none; the plan checks that before, so this is a fault of the caller.
    pub fn endpoint(&self, kind: ServiceKind) -> Result<&Endpoint, ProbeError> {
        let found = self.endpoints.iter().find(|(_, endpoint)| endpoint.kind == kind);
        found.map(|(_, endpoint)| endpoint).ok_or_else(|| {
            ProbeError(format!("expected a service of kind {kind} in the gate's `uses`, and there is none"))
        })
    }

    /// The endpoint of the one service of any of these kinds that the gate uses.
    ///
    /// # Errors
    /// Where there is none or more than one; the plan checks that before, so this is a fault of the caller.
    pub fn one_endpoint(&self, kinds: &[ServiceKind]) -> Result<&Endpoint, ProbeError> {
        let mut found = self.endpoints.iter().filter(|(_, endpoint)| kinds.contains(&endpoint.kind));
        match (found.next(), found.next()) {
            (Some((_, endpoint)), None) => Ok(endpoint),
            (first, _) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                let seen = if first.is_none() { "none" } else { "several" };
                let kinds = kinds.join(", ");
                Err(ProbeError(format!(
                    "expected one service of kind {kinds} in the gate's `uses`, and there are {seen}"
                )))
            }
        }
    }

    /// Time left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// An observation of this moment.
    pub fn observed(&self, name: &str, reading: Reading, source: &str) -> Observation {
        Observation {
            name: name.to_owned(),
            reading,
            at: self.clock.now(),
            source: self.redactor.text(source).into_owned(),
            origin: Origin::Measured,
            samples: 1,
        }
    }
}

/// Takes the steps of an init as they happen, so that a killed run still knows how far it came.
pub trait Steps {
    /// Runs one step: told before it begins and when it ended. `Ok` carries a line on what was done or already
    /// there, `Err` why it failed; both come back to the caller.
    ///
    /// # Errors
    /// What `work` returned.
    fn step(
        &self,
        planned: &PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String>;
}

/// All probes, by name.
pub fn registry() -> &'static [&'static dyn Probe] {
    &[
        &cdc::Cdc,
        &clickhouse_ingest::ClickhouseIngest,
        &clickhouse_init::ClickhouseInit,
        &clickhouse_query::ClickhouseQuery,
        &clickhouse_schema::ClickhouseSchema,
        &command::Command,
        &connector::Connector,
        &debezium_init::DebeziumInit,
        &file::File,
        &health::Health,
        &http::Http,
        &kafka_init::KafkaInit,
        &kafka_lag::KafkaLag,
        &kafka_round_trip::KafkaRoundTrip,
        &kafka_topics::KafkaTopics,
        &postgres_query::PostgresQuery,
        &postgres_schema::PostgresSchema,
        &prometheus::Prometheus,
        &prometheus_query::PrometheusQuery,
        &redis_keys::RedisKeys,
        &redis_ping::RedisPing,
        &redis_round_trip::RedisRoundTrip,
        &tcp::Tcp,
        &timescale_init::TimescaleInit,
    ]
}

/// The probe of a name.
pub fn find(name: &str) -> Option<&'static dyn Probe> {
    registry().iter().copied().find(|probe| probe.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_has_no_name_twice() {
        let names: Vec<_> = registry().iter().map(|probe| probe.name()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    #[test]
    fn what_is_expected_by_default_can_be_judged_on_what_the_probe_observes() {
        use crate::condition::{Condition, MetricType};
        use crate::model::MetricKind;
        for probe in registry() {
            let args = Args::default();
            let metrics = probe.metrics(&args);
            let kind = |name: &str| {
                let metric = metrics.iter().find(|metric| metric.name == name)?;
                Some(match metric.kind {
                    MetricKind::Number(unit) => MetricType::Number(unit),
                    MetricKind::Text => MetricType::Text,
                    MetricKind::Bool => MetricType::Bool,
                })
            };
            let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_ref()).collect();
            let condition = Condition::parse(&probe.expect(&args)).unwrap();
            assert!(condition.check(&kind, &names).is_empty(), "{}", probe.name());
        }
    }
}
