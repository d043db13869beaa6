//! The services as containers, by testcontainers: Redis, Kafka or Redpanda, ClickHouse, PostgreSQL with or without
//! TimescaleDB, Kafka Connect with Debezium, on one network of the run.
//!
//! It knows neither profiles nor gates; the caller says which services it wants under which names. The asynchronous
//! runtime that Docker's client needs is started with the first [`Daemon`], and by nothing else.

mod board;
mod container;
mod daemon;
mod fault;
mod ground;
mod image;
mod labels;
mod launch;
mod ready;
mod recipe;
mod request;
mod runtime;
mod socket;
mod start;
mod sweep;

pub use daemon::Daemon;
pub use image::default_image;
pub use request::{ContainerRequest, StartOptions};
pub use start::{Containers, start};
pub use sweep::sweep;
