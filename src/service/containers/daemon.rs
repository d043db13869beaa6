//! The daemon that containers are asked of: where it is, and every call to it with a limit of ours.

use crate::service::ServiceError;
use std::time::Duration;

/// A Docker or Podman that answers.
#[derive(Clone)]
pub struct Daemon {
    name: String,
}

impl Daemon {
    /// The first Docker or Podman socket that answers within `limit`: DOCKER_HOST alone where it is set, else the
    /// usual places.
    ///
    /// # Errors
    /// None answers: what was tried, what was seen there, and what to do.
    pub fn find(limit: Duration) -> Result<Daemon, ServiceError> {
        Err(ServiceError(format!("no Docker was looked for within {} ms", limit.as_millis())))
    }

    /// What it is and where: `Docker 20.10.24 at unix:///var/run/docker.sock`.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Those of these images that are neither there nor can be pulled, each with why. Nothing is pulled; registries are
    /// asked side by side.
    pub fn missing(&self, images: &[String], limit: Duration) -> Vec<(String, String)> {
        let why = format!("not asked for within {} ms", limit.as_millis());
        images.iter().map(|image| (image.clone(), why.clone())).collect()
    }
}
