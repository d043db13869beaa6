//! The real engines as local processes: Redis, Kafka and Kafka Connect, ClickHouse, PostgreSQL, without
//! Docker and without root. Installed once into the user's cache ([`install()`]), started in a folder of the
//! run ([`start()`]).
//!
//! It knows neither profiles nor gates; the caller says which engines it wants under which names.

mod account;
mod build;
mod clickhouse;
mod command;
mod exercise;
mod http;
mod install;
mod jvm;
mod launch;
mod lock;
mod marker;
mod pins;
mod ports;
mod postgres;
mod progress;
mod redis;
mod served;
mod start;
mod tools;

pub use command::CommandError;
pub use install::{InstallError, Installed, install, installed, user_cache};
pub use ports::{Port, PortSource};
pub use progress::{Lines, Phase, Progress, Quiet};
pub use start::{
    EngineKind, EngineRequest, EngineSource, Running, StartError, StartOptions, Started, start,
    start_commands,
};
pub use tools::{Java, Missing};
