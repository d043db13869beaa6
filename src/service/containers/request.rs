//! What is asked for: which service as which container, and how long that may take. It knows no Docker.

use crate::model::ServiceKind;
use crate::process::{Cancel, Worker};
use std::path::PathBuf;
use std::time::Duration;

/// A service to start in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Its name in the profile, by which the other containers of the run know it too.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// Its image: `redis:8.2-alpine`, `cutproof/kafka:local`, `postgres@sha256:…`. A Kafka whose image's name contains
    /// `redpanda` is started as Redpanda.
    pub image: String,
    /// The user that is made (PostgreSQL, ClickHouse); the image's usual one where it is absent.
    pub user: Option<String>,
    /// The database that is made (PostgreSQL) or used (ClickHouse).
    pub database: Option<String>,
    /// For Kafka Connect: the name of the Kafka of the same start that it works with.
    pub kafka: Option<String>,
}

/// How to start.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The run's id: a label of all that is made, and part of its names.
    pub run: String,
    /// The folder for `NAME.log`, each container's output. It is made where it is not there.
    pub logs: PathBuf,
    /// How long a service may take from its image being there until it answers.
    pub limit: Duration,
    /// Whether containers of an earlier, equal start are taken up, and left running at the end.
    pub reuse: bool,
    /// Ends all waiting.
    pub cancel: Cancel,
    /// The right to start something that must not outlive the run.
    pub worker: Worker,
}
