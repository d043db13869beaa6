//! Provisioners: whoever gives the endpoints of the services that gates measure. Gates can't tell which it was.

pub mod attach;
pub mod containers;
pub mod embedded;
pub mod identify;

use crate::model::{Endpoint, Product};
use std::time::Instant;

/// An environment that is there, or is coming up.
pub trait Environment: Sync + Send {
    /// The provisioner's name in evidence: `embedded`, `attach`, …
    fn provisioner(&self) -> &'static str;

    /// Waits until this service answers.
    ///
    /// # Errors
    /// Where it does not by the deadline, or the run is cancelled: what was expected, what was seen, where, the
    /// last lines of its log.
    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError>;

    /// Does something to a service that this provisioner started.
    ///
    /// # Errors
    /// It is none of those, or it can't be done.
    fn strike(&self, service: &str, _strike: Strike) -> Result<(), ServiceError> {
        Err(ServiceError(format!("`{service}` was not started by this run: nothing is done to it")))
    }

    /// Ends what this provisioner started; afterwards `wait` fails.
    fn stop(&self);

    /// What is worth telling a person, also of the end: an engine that was started again, a container that is left.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a rehearsal does to a service on purpose, to see what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Ends it at once, as the kernel does where memory is short.
    Kill,
    /// Lets it stand still: connections stay open and nothing answers.
    Freeze,
    /// Lets it go on.
    Thaw,
}

/// A service that could not be started or reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServiceError(pub String);

/// Where what runs differs from what it stands for, in words; nothing where it does not. `stands_for` is written
/// as an image: `redis:7.2-alpine`, `timescale/timescaledb:2.14.2-pg16`.
pub fn differs(product: Option<&Product>, stands_for: Option<&str>) -> Option<String> {
    let stands_for = stands_for?;
    let Some(product) = product else {
        return Some(format!("its product is unknown; stands for {stands_for}"));
    };
    let image = stands_for.rsplit('/').next().unwrap_or(stands_for);
    let (name, tag) = image.split_once(':').unwrap_or((image, ""));
    // An image is named in one word after its product (`clickhouse-server`), or after the folder that it is in
    // (`apache/kafka`, `debezium/connect`).
    let squeezed = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let whole = squeezed(stands_for.split(':').next().unwrap_or(stands_for)).replace('/', "");
    let named = squeezed(&product.name);
    let same_name = named.contains(&squeezed(name)) || whole.contains(&named);
    let wanted = tag.trim_start_matches('v').split(['-', '@']).next().unwrap_or("");
    let same_version =
        !wanted.starts_with(|c: char| c.is_ascii_digit()) || same_release(&product.version, wanted);
    (!(same_name && same_version)).then(|| format!("{product} stands for {stands_for}"))
}

/// Whether every part of `wanted` that begins with a digit is the part of `version` at its place: 7.2 and 7.2.4.
fn same_release(version: &str, wanted: &str) -> bool {
    let digits = |part: &'_ str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let seen: Vec<_> = version.trim_start_matches('v').split('.').map(digits).collect();
    wanted
        .split('.')
        .map(digits)
        .take_while(|part| !part.is_empty())
        .enumerate()
        .all(|(i, part)| seen.get(i) == Some(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, version: &str, stands_for: &str) -> Option<String> {
        let product = Product { name: name.to_owned(), version: version.to_owned() };
        differs(Some(&product), Some(stands_for))
    }

    #[test]
    fn another_version_or_another_product_differs_and_is_named() {
        let other = told("Redis", "6.2.13", "redis:7.2-alpine");
        assert_eq!(other.as_deref(), Some("Redis 6.2.13 stands for redis:7.2-alpine"));
        assert!(told("Apache Kafka", "4.3.1", "redpandadata/redpanda:v24.2.7").is_some());
        assert!(told("PostgreSQL", "16.9", "timescale/timescaledb:2.14.2-pg16").is_some());
    }

    #[test]
    fn the_same_release_does_not_differ() {
        assert_eq!(told("Redis", "7.2.4", "redis:7.2-alpine"), None);
        assert_eq!(told("ClickHouse", "24.8.1.5", "clickhouse/clickhouse-server:24.8"), None);
        assert_eq!(told("Apache Kafka", "4.1.0", "apache/kafka:latest"), None);
        assert_eq!(told("PostgreSQL", "16.9", "postgres:16"), None);
    }
}
