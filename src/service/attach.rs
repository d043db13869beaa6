//! An environment that already runs: endpoints come from flags, variables or the profile. Nothing is started and
//! nothing is ended.

use super::identify::identify;
use super::{Environment, ServiceError};
use crate::model::Endpoint;
use crate::model::service::variable;
use crate::process::Cancel;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long one attempt to reach a service may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The pause between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// An environment that already runs.
pub struct Attached {
    endpoints: BTreeMap<String, Endpoint>,
    provisioner: &'static str,
    /// The topics whose offsets are to be known, by the Kafka that has them.
    topics: BTreeMap<String, BTreeSet<String>>,
    /// How long a service has to answer: it is said to be up already.
    patience: Duration,
    cancel: Cancel,
}

impl Attached {
    /// An environment of these services, by their names in the profile. `provisioner` is the name for evidence:
    /// who started them, where that is known.
    pub fn new(
        endpoints: BTreeMap<String, Endpoint>,
        provisioner: &'static str,
        patience: Duration,
        cancel: Cancel,
    ) -> Attached {
        Attached { endpoints, provisioner, topics: BTreeMap::new(), patience, cancel }
    }

    /// With the topics of each Kafka whose end offsets its identity is to tell.
    pub fn with_topics(self, topics: BTreeMap<String, BTreeSet<String>>) -> Attached {
        Attached { topics, ..self }
    }
}

impl Environment for Attached {
    fn provisioner(&self) -> &'static str {
        self.provisioner
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let endpoint = self.endpoints.get(service).ok_or_else(|| {
            let variable = variable("ENDPOINT", service);
            ServiceError(format!(
                "no endpoint is known: set `endpoint` in [services.{service}], the variable {variable}, or give \
                 --endpoint {service}=ADDRESS"
            ))
        })?;
        let deadline = deadline.min(Instant::now() + self.patience);
        let (none, known) = (BTreeSet::new(), self.topics.get(service));
        let topics = known.unwrap_or(&none);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match identify(endpoint, topics, left.clamp(Duration::from_millis(100), ATTEMPT)) {
                Ok(known) => return Ok(known),
                // A password that is wrong is not tried again: that may lock the account.
                Err(refused) if !refused.passes || left <= PAUSE || self.cancel.is_cancelled() => {
                    return Err(ServiceError(refused.error.0));
                }
                Err(_) => self.cancel.pause(PAUSE),
            };
        }
    }

    fn stop(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceKind;

    fn attached(endpoints: BTreeMap<String, Endpoint>) -> Attached {
        Attached::new(endpoints, "attach", Duration::from_millis(300), Cancel::new().expect("a descriptor"))
    }

    #[test]
    fn a_service_without_an_endpoint_is_an_error_that_says_how_to_give_one() {
        let found = attached(BTreeMap::new()).wait("trade-db", Instant::now() + Duration::from_secs(5));
        let text = found.expect_err("there is none").0;
        assert!(
            text.contains("CUTPROOF_ENDPOINT_TRADE_DB") && text.contains("--endpoint trade-db="),
            "{text}"
        );
    }

    #[test]
    fn a_service_where_nothing_listens_is_an_error_that_names_the_address() {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
        for kind in ServiceKind::ALL {
            let http = !matches!(kind, ServiceKind::Redis | ServiceKind::Kafka | ServiceKind::Postgres);
            let address = if http { format!("http://{free}") } else { free.to_string() };
            let endpoints = BTreeMap::from([("it".to_owned(), Endpoint::at(kind, address))]);
            let found = attached(endpoints).wait("it", Instant::now() + Duration::from_secs(5));
            let text = found.expect_err("nothing listens").0;
            assert!(text.contains(&free.to_string()), "{kind}: {text}");
        }
    }
}
