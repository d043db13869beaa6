//! Provisioners: whoever gives the endpoints of the services that gates measure. Gates can't tell which it was.

pub mod embedded;

use crate::model::Endpoint;
use std::time::Instant;

/// A running environment.
pub trait Environment: Sync + Send {
    /// The provisioner's name in evidence: `embedded`, `attach`, …
    fn provisioner(&self) -> &'static str;

    /// Waits until this service answers.
    ///
    /// # Errors
    /// Where it does not by the deadline: what was expected, what was seen, where, the last lines of its log.
    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError>;

    /// Ends what this provisioner started.
    fn stop(self: Box<Self>);
}

/// A service that could not be started or reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServiceError(pub String);
