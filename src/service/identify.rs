//! Asks a service what it is: its product, its version, and what binds a measurement to this very cluster. What
//! answers is there; what does not is told apart by the error. It only reads.

use crate::model::{Endpoint, Product, ServiceKind};
use crate::probe::ProbeError;
use crate::probe::client::{clickhouse, http, kafka, postgres, redis};
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The longest answer of a page that tells a version.
const LIMIT: u64 = 1 << 20;

/// The endpoint with product and identity as the service itself gives them; those that it does not give are left
/// as they were.
///
/// # Errors
/// Nothing answers there within `timeout`, or not as this kind of service, or it refuses us.
pub fn identify(endpoint: &Endpoint, timeout: Duration) -> Result<Endpoint, ProbeError> {
    let mut known = endpoint.clone();
    match endpoint.kind {
        ServiceKind::Redis => redis_server(&mut known, timeout)?,
        ServiceKind::Kafka => kafka_cluster(&mut known, timeout)?,
        ServiceKind::Connect => connect_worker(&mut known, timeout)?,
        ServiceKind::Clickhouse => clickhouse_server(&mut known, timeout)?,
        ServiceKind::Postgres => postgres_server(&mut known, timeout)?,
        ServiceKind::Prometheus => prometheus_server(&mut known, timeout)?,
        ServiceKind::Http => listens(&known, timeout)?,
    }
    Ok(known)
}

fn product(name: &str, version: &str) -> Option<Product> {
    (!version.is_empty()).then(|| Product { name: name.to_owned(), version: version.to_owned() })
}

fn note(known: &mut Endpoint, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        known.identity.insert(name.to_owned(), value.to_owned());
    }
}

fn redis_server(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let mut session = redis::Session::open(known, std::time::Instant::now() + timeout)?;
    let info: String = session.ask(::redis::cmd("INFO").arg("server"))?;
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // Valkey gives its own version beside the one of Redis that it is compatible with.
    known.product = match field("valkey_version") {
        Some(version) => product("Valkey", version),
        None => product("Redis", field("redis_version").unwrap_or_default()),
    };
    note(known, "run_id", field("run_id"));
    Ok(())
}

fn kafka_cluster(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let at = format!("Kafka at {}", known.address);
    let wrong = |error: rdkafka::error::KafkaError| {
        ProbeError(format!("nothing answers as {at}: {error}; is the broker up, and is this its address?"))
    };
    let consumer: BaseConsumer = kafka::config(known, timeout).create().map_err(wrong)?;
    // What is asked first waits until a broker is reached.
    consumer.fetch_metadata(None, timeout).map_err(wrong)?;
    let cluster = consumer.client().fetch_cluster_id(timeout);
    note(known, "cluster_id", cluster.as_deref());
    Ok(())
}

fn connect_worker(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let page = json(known, "Kafka Connect", "/", timeout)?;
    let text = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
    let version = text("version").ok_or_else(|| {
        ProbeError(format!("expected Kafka Connect's version at {}/, and saw another page", known.address))
    })?;
    known.product = product("Kafka Connect", &version);
    note(known, "cluster_id", text("kafka_cluster_id").as_deref());
    Ok(())
}

fn clickhouse_server(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    // Its database may not be there yet.
    let asked = Endpoint { database: None, ..known.clone() };
    let answer = clickhouse::query(&asked, "SELECT version(), serverUUID() FORMAT TSV", &[], timeout)?;
    let (version, uuid) = answer.trim_end().split_once('\t').unwrap_or((answer.trim_end(), ""));
    known.product = product("ClickHouse", version);
    note(known, "server_uuid", Some(uuid).filter(|uuid| uuid.chars().any(|c| !matches!(c, '0' | '-'))));
    Ok(())
}

fn postgres_server(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let at = format!("PostgreSQL at {}", known.address);
    let deadline = std::time::Instant::now() + timeout;
    let mut client = postgres::connect(known, timeout)?;
    let sql = "SELECT split_part(current_setting('server_version'), ' ', 1), \
               (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')";
    let row = client.query_one(sql, &[]).map_err(|error| postgres::failure(&error, &at, deadline))?;
    let (version, timescale): (String, Option<String>) = (row.get(0), row.get(1));
    known.product = match &timescale {
        Some(timescale) => product("TimescaleDB", &format!("{timescale} on PostgreSQL {version}")),
        None => product("PostgreSQL", &version),
    };
    // Not every user may see it; evidence then goes without.
    let sql = "SELECT system_identifier::text FROM pg_control_system()";
    if let Ok(row) = client.query_one(sql, &[]) {
        note(known, "system_identifier", Some(row.get(0)));
    }
    Ok(())
}

fn prometheus_server(known: &mut Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let page = json(known, "Prometheus", "/api/v1/status/buildinfo", timeout)?;
    let version = page.pointer("/data/version").and_then(Value::as_str).unwrap_or_default();
    known.product = product("Prometheus", version);
    Ok(())
}

/// What answers HTTP may answer anything; that something listens is all that can be asked of it.
fn listens(known: &Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    let at = &known.address;
    let (scheme, rest) = at.split_once("://").unwrap_or(("http", at));
    let host = rest.split('/').next().unwrap_or(rest);
    let port = if scheme == "https" { 443 } else { 80 };
    let bare = !host.rsplit(']').next().unwrap_or(host).contains(':');
    let host = if bare { format!("{host}:{port}") } else { host.to_owned() };
    let places = host.to_socket_addrs().map_err(|error| ProbeError(format!("{at}: {error}")))?;
    let mut last = format!("{at}: no host of this name is known: check the address");
    for place in places {
        match TcpStream::connect_timeout(&place, timeout) {
            Ok(_) => return Ok(()),
            Err(error) => last = format!("nothing listens at {at}: {error}; is the service up?"),
        }
    }
    Err(ProbeError(last))
}

fn json(known: &Endpoint, what: &str, path: &str, timeout: Duration) -> Result<Value, ProbeError> {
    let at = format!("{what} at {}", known.address);
    let mut response = http::agent(timeout)
        .get(format!("{}{path}", known.address))
        .call()
        .map_err(|error| http::failure(&error, &at))?;
    let status = response.status();
    let body = http::text(&mut response, LIMIT, &at)?;
    if !status.is_success() {
        return Err(ProbeError(format!("{at} answered {path} with status {status}, expected 200")));
    }
    serde_json::from_str(&body)
        .map_err(|error| ProbeError(format!("{at}: expected JSON at {path}, and it is not: {error}")))
}
