//! Services and where they are reached.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What speaks at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// Redis, or what speaks its protocol.
    Redis,
    /// A Kafka broker, or what speaks its protocol.
    Kafka,
    /// Kafka Connect's REST interface.
    Connect,
    /// ClickHouse's HTTP interface.
    Clickhouse,
    /// PostgreSQL, with or without TimescaleDB.
    Postgres,
    /// A Prometheus server's query API.
    Prometheus,
    /// Anything that answers HTTP: an engine's metrics page, a web front.
    Http,
}

impl ServiceKind {
    /// All kinds.
    pub const ALL: [ServiceKind; 7] = [
        ServiceKind::Redis,
        ServiceKind::Kafka,
        ServiceKind::Connect,
        ServiceKind::Clickhouse,
        ServiceKind::Postgres,
        ServiceKind::Prometheus,
        ServiceKind::Http,
    ];

    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceKind::Redis => "redis",
            ServiceKind::Kafka => "kafka",
            ServiceKind::Connect => "connect",
            ServiceKind::Clickhouse => "clickhouse",
            ServiceKind::Postgres => "postgres",
            ServiceKind::Prometheus => "prometheus",
            ServiceKind::Http => "http",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<ServiceKind> {
        ServiceKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is never written or shown: it has no `Serialize`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes charge of a secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself, for the client that logs in with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where and how a service is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// What speaks there.
    pub kind: ServiceKind,
    /// `host:port` for Redis, Kafka (a list with commas) and PostgreSQL; a URL without userinfo and without a
    /// final slash for those that speak HTTP.
    pub address: String,
    /// The same place as the other services see it, where that is not `address` (containers on one network).
    pub inside: Option<String>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database to use, where the kind has databases.
    pub database: Option<String>,
    /// What runs there, as it says itself.
    pub product: Option<Product>,
    /// What binds a measurement to this very cluster: `cluster_id`, `run_id`, `system_identifier`, …
    pub identity: BTreeMap<String, String>,
}

impl Endpoint {
    /// An endpoint of which only the address is known.
    pub fn at(kind: ServiceKind, address: impl Into<String>) -> Endpoint {
        Endpoint {
            kind,
            address: address.into(),
            inside: None,
            user: None,
            password: None,
            database: None,
            product: None,
            identity: BTreeMap::new(),
        }
    }

    /// The address for another service of the same environment.
    pub fn inside(&self) -> &str {
        self.inside.as_deref().unwrap_or(&self.address)
    }
}

/// The variable that holds something of a service: `CUTPROOF_ENDPOINT_REDIS`, `CUTPROOF_PASSWORD_TRADE_DB`.
pub fn variable(what: &str, service: &str) -> String {
    format!("CUTPROOF_{what}_{}", service.to_ascii_uppercase().replace(['-', '.'], "_"))
}

/// Where a service is and as whom to log in, in the variables by which commands are told.
pub fn variables(service: &str, endpoint: &Endpoint) -> impl Iterator<Item = (String, String)> {
    let parts = [
        ("ENDPOINT", Some(endpoint.address.as_str())),
        ("USER", endpoint.user.as_deref()),
        ("PASSWORD", endpoint.password.as_ref().map(Secret::reveal)),
    ];
    parts.into_iter().filter_map(move |(what, value)| Some((variable(what, service), value?.to_owned())))
}

/// What runs at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `Apache Kafka`, `Redpanda`, …
    pub name: String,
    /// Its version as it gives it.
    pub version: String,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}
