//! The services as containers, by testcontainers: Redis, Kafka or Redpanda, ClickHouse, PostgreSQL with or without
//! TimescaleDB, Kafka Connect with Debezium, on one network of the run.
//!
//! It knows neither profiles nor gates; the caller says which services it wants under which names. The asynchronous
//! runtime that Docker's client needs is started with the first [`Daemon`], and by nothing else.

mod daemon;
mod image;
mod request;
mod start;
mod sweep;

pub use daemon::Daemon;
pub use image::default_image;
pub use request::{ContainerRequest, StartOptions};
pub use start::{Containers, start};
pub use sweep::sweep;
