//! Services and where they are reached.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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

/// How a connection is protected with TLS. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who vouches for the server; the system's authorities where it is absent.
    pub ca: Option<PathBuf>,
    /// The certificate by which we are known to the server, with `key`.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// How a Kafka client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sasl {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

impl Sasl {
    /// All mechanisms.
    pub const ALL: [Sasl; 3] = [Sasl::Plain, Sasl::ScramSha256, Sasl::ScramSha512];

    /// Its name in SASL, as Kafka has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Sasl::Plain => "PLAIN",
            Sasl::ScramSha256 => "SCRAM-SHA-256",
            Sasl::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// The image that a container was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As it was asked for: `apache/kafka:4.1.0`.
    pub name: String,
    /// What it was: the digest in its registry (`apache/kafka@sha256:…`), or for an image that was only made here, its id
    /// (`sha256:…`).
    pub digest: String,
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
    /// How the connection is protected; a plain one where it is absent. What speaks HTTP says so by `https` in its
    /// address, and has this for its files.
    pub tls: Option<Tls>,
    /// How to log in, for Kafka.
    pub sasl: Option<Sasl>,
    /// The image, where it runs in a container that cutproof started.
    pub image: Option<Image>,
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
            tls: None,
            sasl: None,
            image: None,
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

/// Where a service is (and where the other services see it, if that is another place) and as whom to log in, in the variables by which commands are told.
pub fn variables(service: &str, endpoint: &Endpoint) -> impl Iterator<Item = (String, String)> {
    let parts = [
        ("ENDPOINT", Some(endpoint.address.as_str())),
        ("INSIDE", endpoint.inside.as_deref()),
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
