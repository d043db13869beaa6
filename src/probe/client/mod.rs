//! Clients of the services that probes measure: connected within a deadline, bounded in what they take, and with
//! errors that say what was expected, what was seen, where, and what to do. They know no probe and no gate.

pub mod clickhouse;
pub mod columns;
pub mod connect;
pub mod ddl;
pub mod http;
pub mod init;
pub mod kafka;
pub mod kafka_admin;
pub mod kafka_error;
pub mod kafka_group;
pub mod kafka_producer;
mod kafka_secure;
pub mod parting;
pub mod postgres;
pub mod redis;
pub mod refused;
mod relay;
pub mod schema;
pub mod sql;
pub mod sql_files;
pub mod tcp;
pub mod tls;
pub mod tls_error;
mod tls_files;
