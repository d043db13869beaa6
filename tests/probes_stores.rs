//! The probes of the stores against the real engines. Each test makes what it needs under names of its own, so that
//! all run side by side on one set of engines.

#[path = "probes_stores/support.rs"]
mod support;

#[path = "probes_stores/clickhouse.rs"]
mod clickhouse;
#[path = "probes_stores/health.rs"]
mod health;
#[path = "probes_stores/postgres.rs"]
mod postgres;
#[path = "probes_stores/redis.rs"]
mod redis;
