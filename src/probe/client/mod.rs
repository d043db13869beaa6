//! Clients of the services that probes measure: connected within a deadline, bounded in what they take, and with
//! errors that say what was expected, what was seen, where, and what to do. They know no probe and no gate.

pub mod clickhouse;
pub mod connect;
pub mod http;
pub mod kafka;
pub mod kafka_admin;
pub mod kafka_error;
mod kafka_group;
pub mod kafka_producer;
pub mod parting;
pub mod postgres;
