//! Asks a service what it is: its product, its version, and what binds a measurement to this very cluster and to the
//! state that it was in. What answers is there; what does not is told apart by the error. Of what binds, what can't be
//! had is left out: no service is refused for that. It only reads.

use crate::model::{Endpoint, Product, ServiceKind};
use crate::probe::ProbeError;
use crate::probe::client::kafka_error::Complaints;
use crate::probe::client::refused::Refused;
use crate::probe::client::{clickhouse, http, kafka, postgres, redis, tcp, tls, tls_error};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The longest answer of a page that tells a version.
const LIMIT: u64 = 1 << 20;

/// How many topics or connectors are named; of more it is said how many.
const NAMED: usize = 200;

/// The endpoint with product and identity as the service itself gives them; those that it does not give are left
/// as they were. `topics` are those of a Kafka whose end offsets are to be known.
///
/// | service | what binds to it |
/// | --- | --- |
/// | Kafka | `cluster_id`; `end_offsets`: by topic the sum over its partitions, `a.v1=12,b.v1=0` |
/// | Kafka Connect | `kafka_cluster_id`; `connectors`: each with its tasks' ids, `orders[0,1],trades[0]` |
/// | ClickHouse | `server_uuid`, or `default_database_uuid` where the server has none |
/// | Redis | `run_id` |
/// | PostgreSQL | `system_identifier`; `wal_lsn`: where its log stood, on a standby what was replayed |
///
/// # Errors
/// Nothing answers there within `timeout`, or not as this kind of service, or it refuses us; and whether that may pass.
pub fn identify(
    endpoint: &Endpoint,
    topics: &BTreeSet<String>,
    timeout: Duration,
) -> Result<Endpoint, Refused> {
    let mut known = endpoint.clone();
    match endpoint.kind {
        ServiceKind::Redis => redis_server(&mut known, timeout)?,
        ServiceKind::Kafka => kafka_cluster(&mut known, topics, timeout)?,
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

fn redis_server(known: &mut Endpoint, timeout: Duration) -> Result<(), Refused> {
    let mut session = redis::Session::attempt_open(known, Instant::now() + timeout)?;
    let info: String = session.ask_or_refused(::redis::cmd("INFO").arg("server"))?;
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

fn kafka_cluster(known: &mut Endpoint, topics: &BTreeSet<String>, timeout: Duration) -> Result<(), Refused> {
    let deadline = Instant::now() + timeout;
    let kafka::Cluster { consumer, metadata: cluster } = kafka::cluster(known, timeout)?;
    note(known, "cluster_id", consumer.client().fetch_cluster_id(timeout).as_deref());
    note(known, "end_offsets", end_offsets(&consumer, &cluster, topics, deadline).as_deref());
    Ok(())
}

/// How many records each of these topics was ever given, as far as that can be had. A topic that is not there, or of
/// which a partition gives no offset, is left out.
fn end_offsets(
    consumer: &BaseConsumer<Complaints>,
    cluster: &Metadata,
    topics: &BTreeSet<String>,
    deadline: Instant,
) -> Option<String> {
    let mut list = TopicPartitionList::new();
    for topic in cluster.topics().iter().filter(|topic| topics.contains(topic.name())) {
        for partition in topic.partitions() {
            list.add_partition_offset(topic.name(), partition.id(), Offset::End).ok()?;
        }
    }
    if list.count() == 0 {
        return None;
    }
    // librdkafka knows no less than a millisecond.
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let found = consumer.offsets_for_times(list, left).ok()?;
    let offsets = found.elements().into_iter().map(|item| {
        let offset = match (item.error(), item.offset()) {
            (Ok(()), Offset::Offset(offset @ 0..)) => Some(offset),
            _ => None,
        };
        (item.topic().to_owned(), offset)
    });
    told(sums(offsets).into_iter().map(|(topic, sum)| format!("{topic}={sum}")))
}

/// The sum by topic, of those all of whose partitions have an offset.
fn sums(offsets: impl Iterator<Item = (String, Option<i64>)>) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for (topic, offset) in offsets {
        let sum = sums.entry(topic).or_insert(Some(0));
        *sum = sum.zip(offset).and_then(|(sum, offset)| sum.checked_add(offset));
    }
    sums.into_iter().filter_map(|(topic, sum)| Some((topic, sum?))).collect()
}

/// One text of several, of which not too many are named; none where there are none.
fn told(each: impl Iterator<Item = String>) -> Option<String> {
    let mut each: Vec<_> = each.collect();
    if let Some(more) = each.len().checked_sub(NAMED).filter(|more| *more > 0) {
        each.truncate(NAMED);
        each.push(format!("and {more} more"));
    }
    (!each.is_empty()).then(|| each.join(","))
}

fn connect_worker(known: &mut Endpoint, timeout: Duration) -> Result<(), Refused> {
    let page = json(known, "Kafka Connect", "/", timeout)?;
    let text = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
    let version = text("version").ok_or_else(|| {
        ProbeError(format!("expected Kafka Connect's version at {}/, and saw another page", known.address))
    })?;
    known.product = product("Kafka Connect", &version);
    note(known, "kafka_cluster_id", text("kafka_cluster_id").as_deref());
    let page = json(known, "Kafka Connect", "/connectors?expand=status", timeout);
    note(known, "connectors", page.ok().and_then(|page| connectors(&page)).as_deref());
    Ok(())
}

/// The connectors with the ids of their tasks. A Connect that does not know of `expand` gives the names alone.
fn connectors(page: &Value) -> Option<String> {
    let tasks = |connector: &Value| {
        let tasks = connector.pointer("/status/tasks").and_then(Value::as_array);
        let mut ids: Vec<_> =
            tasks.into_iter().flatten().filter_map(|task| task.get("id")?.as_i64()).collect();
        ids.sort_unstable();
        ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let mut each: Vec<_> = match page {
        Value::Object(connectors) => {
            connectors.iter().map(|(name, connector)| format!("{name}[{}]", tasks(connector))).collect()
        }
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    each.sort_unstable();
    told(each.into_iter())
}

fn clickhouse_server(known: &mut Endpoint, timeout: Duration) -> Result<(), Refused> {
    // Its database may not be there yet.
    let asked = Endpoint { database: None, ..known.clone() };
    let answer = clickhouse::attempt(&asked, "SELECT version(), serverUUID() FORMAT TSV", &[], timeout)?;
    let (version, uuid) = answer.trim_end().split_once('\t').unwrap_or((answer.trim_end(), ""));
    known.product = product("ClickHouse", version);
    let some = |uuid: &str| uuid.chars().any(|c| !matches!(c, '0' | '-'));
    if some(uuid) {
        note(known, "server_uuid", Some(uuid));
    } else {
        let sql = "SELECT uuid FROM system.databases WHERE name = 'default' FORMAT TSV";
        let answer = clickhouse::query(&asked, sql, &[], timeout).unwrap_or_default();
        note(known, "default_database_uuid", Some(answer.trim_end()).filter(|uuid| some(uuid)));
    }
    Ok(())
}

fn postgres_server(known: &mut Endpoint, timeout: Duration) -> Result<(), Refused> {
    let at = format!("PostgreSQL at {}", known.address);
    let deadline = Instant::now() + timeout;
    let mut client = postgres::attempt(known, timeout)?;
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
        note(known, "system_identifier", row.try_get(0).ok());
    }
    let sql = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
               ELSE pg_current_wal_lsn() END)::text";
    if let Ok(row) = client.query_one(sql, &[]) {
        note(known, "wal_lsn", row.try_get(0).ok());
    }
    Ok(())
}

fn prometheus_server(known: &mut Endpoint, timeout: Duration) -> Result<(), Refused> {
    let page = json(known, "Prometheus", "/api/v1/status/buildinfo", timeout)?;
    let version = page.pointer("/data/version").and_then(Value::as_str).unwrap_or_default();
    known.product = product("Prometheus", version);
    Ok(())
}

/// What answers HTTP may answer anything; that something listens, and in TLS where the address says so, is all that can
/// be asked of it.
fn listens(known: &Endpoint, timeout: Duration) -> Result<(), Refused> {
    let at = &known.address;
    let deadline = Instant::now() + timeout;
    let (scheme, rest) = at.split_once("://").unwrap_or(("http", at));
    let host = rest.split('/').next().unwrap_or(rest);
    let port = if scheme == "https" { 443 } else { 80 };
    let bare = !host.rsplit(']').next().unwrap_or(host).contains(':');
    let host = if bare { format!("{host}:{port}") } else { host.to_owned() };
    tcp::dial(&host, deadline).map_err(|error| tcp::failure(&error, at))?;
    if scheme == "https" {
        let tls = known.tls.clone().unwrap_or_default();
        tls::check(&tls).map_err(Refused::for_good)?;
        tls::look(&tls, &host, deadline).map_err(|error| tls_error::of_handshake(&error, at))?;
    }
    Ok(())
}

fn json(known: &Endpoint, what: &str, path: &str, timeout: Duration) -> Result<Value, Refused> {
    let at = format!("{what} at {}", known.address);
    let asked = http::get(known, path, timeout).map_err(Refused::for_good)?;
    let mut response = asked.map_err(|error| http::refused(&error, &at))?;
    let status = response.status();
    let body = http::text(&mut response, LIMIT, &at)?;
    if let Some(refused) = http::refusal(status.as_u16(), &body, known, &at) {
        return Err(refused);
    }
    if !status.is_success() {
        let error = ProbeError(format!("{at} answered {path} with status {status}, expected 200"));
        return Err(error.into());
    }
    let wrong = |error| ProbeError(format!("{at}: expected JSON at {path}, and it is not: {error}")).into();
    serde_json::from_str(&body).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_topic_with_a_partition_that_gives_no_offset_has_no_sum() {
        let offset = |topic: &str, offset| (topic.to_owned(), offset);
        let offsets = [offset("b", Some(1)), offset("a", Some(3)), offset("c", Some(0)), offset("b", None)];
        let again = [offset("a", Some(4)), offset("b", Some(5))];
        let sums = sums(offsets.into_iter().chain(again));
        assert_eq!(sums.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 7), ("c".to_owned(), 0)]);
    }

    #[test]
    fn connectors_are_told_in_order_with_their_tasks() {
        let page = json!({
            "trades": {"status": {"tasks": [{"id": 1, "state": "RUNNING"}, {"id": 0, "state": "FAILED"}]}},
            "orders": {"status": {"tasks": []}},
        });
        assert_eq!(connectors(&page).as_deref(), Some("orders[],trades[0,1]"));
        assert_eq!(connectors(&json!(["b", "a"])).as_deref(), Some("a,b"));
        assert_eq!(connectors(&json!({})), None);
        assert_eq!(connectors(&json!("not a list")), None);
    }

    #[test]
    fn no_more_are_named_than_a_person_reads() {
        let text = told((0..NAMED + 3).map(|n| n.to_string())).unwrap();
        assert!(text.ends_with(",199,and 3 more"), "{text}");
        assert_eq!(told((0..2).map(|n| n.to_string())).as_deref(), Some("0,1"));
    }
}
