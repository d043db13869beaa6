//! What each image is told: its variables, its arguments and its ports, as the images' own documents have them. Pure.
//!
//! | image | contract |
//! | --- | --- |
//! | redis, valkey | arguments of the server |
//! | apache/kafka | `KAFKA_A_B` is the setting `a.b`; `CLUSTER_ID` |
//! | redpandadata/redpanda | `redpanda start`, the arguments of `rpk redpanda start` |
//! | debezium/connect | `BOOTSTRAP_SERVERS`, `GROUP_ID`, `…_STORAGE_TOPIC`; `CONNECT_A_B` is the setting `a.b` |
//! | clickhouse/clickhouse-server | `CLICKHOUSE_USER`, `CLICKHOUSE_PASSWORD`, `CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT` |
//! | postgres, timescale/timescaledb | `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`; arguments of the server |

use super::ContainerRequest;
use super::image::is_redpanda;
use crate::model::{Endpoint, Secret, ServiceKind};

/// The user that PostgreSQL makes, and the database, where nobody names one.
const POSTGRES: &str = "postgres";
/// ClickHouse's own user.
const CLICKHOUSE: &str = "default";
/// The port of Kafka that other containers use.
const INSIDE: u16 = 9092;
/// The port of Kafka that is published.
const OUTSIDE: u16 = 9094;

/// How a container is started.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// Its arguments; the image's own where there are none.
    pub args: Vec<String>,
    /// The port that is published.
    pub port: u16,
    /// Where other containers reach it: a host and a port.
    pub inside: String,
}

/// What a start decides for a container before it is made.
pub(super) struct Chosen<'a> {
    /// The name by which other containers find it.
    pub host: &'a str,
    /// The name of its Kafka, where it needs one.
    pub kafka: &'a str,
    /// The service's password, where its kind has one.
    pub password: Option<&'a Secret>,
    /// For Kafka: the id of its cluster, and where it is reached from outside.
    pub cluster: &'a str,
    pub outside: &'a str,
}

/// Whether services of this kind are given a password.
pub(super) fn has_password(kind: ServiceKind) -> bool {
    matches!(kind, ServiceKind::Clickhouse | ServiceKind::Postgres)
}

/// The variable that an image is told its password by.
pub(super) fn password_variable(kind: ServiceKind) -> Option<&'static str> {
    match kind {
        ServiceKind::Clickhouse => Some("CLICKHOUSE_PASSWORD"),
        ServiceKind::Postgres => Some("POSTGRES_PASSWORD"),
        _ => None,
    }
}

/// Whether the address that a service tells its clients holds the published port, which must be known before then.
pub(super) fn advertises(kind: ServiceKind) -> bool {
    kind == ServiceKind::Kafka
}

/// How to start a service; none for kinds that have no image.
pub(super) fn recipe(request: &ContainerRequest, chosen: &Chosen<'_>) -> Option<Recipe> {
    let plain = |port, env: Vec<(String, String)>, args: &[&str]| {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Some(Recipe { env, args, port, inside: format!("{}:{port}", chosen.host) })
    };
    let broker = |env: Vec<(String, String)>, args: Vec<String>| {
        Some(Recipe { env, args, port: OUTSIDE, inside: format!("{}:{INSIDE}", chosen.host) })
    };
    match request.kind {
        // Nothing is kept: a full disk must not make it refuse writes.
        ServiceKind::Redis => plain(6379, Vec::new(), &["--save", "", "--appendonly", "no"]),
        ServiceKind::Kafka if is_redpanda(&request.image) => broker(Vec::new(), redpanda(chosen)),
        ServiceKind::Kafka => broker(kafka(chosen), Vec::new()),
        ServiceKind::Connect => plain(8083, connect(chosen), &[]),
        ServiceKind::Clickhouse => plain(8123, clickhouse(request, chosen), &[]),
        ServiceKind::Postgres => plain(5432, postgres(request, chosen), &POSTGRES_ARGS),
        ServiceKind::Prometheus | ServiceKind::Http => None,
    }
}

/// Where a service is reached: from here at `host:port`, from other containers by its name.
pub(super) fn endpoint(
    request: &ContainerRequest,
    password: Option<&Secret>,
    recipe: &Recipe,
    reached: &str,
) -> Endpoint {
    let scheme = match request.kind {
        ServiceKind::Connect | ServiceKind::Clickhouse => "http://",
        _ => "",
    };
    let own = match request.kind {
        ServiceKind::Clickhouse => Some(CLICKHOUSE),
        ServiceKind::Postgres => Some(POSTGRES),
        _ => None,
    };
    let or_own = |said: &Option<String>| said.clone().or_else(|| own.map(str::to_owned));
    Endpoint {
        inside: Some(format!("{scheme}{}", recipe.inside)),
        user: or_own(&request.user),
        password: password.cloned(),
        database: or_own(&request.database),
        ..Endpoint::at(request.kind, format!("{scheme}{reached}"))
    }
}

/// A broker with its own controller, as fixtures/engines/broker.properties has it for the embedded one.
fn kafka(chosen: &Chosen<'_>) -> Vec<(String, String)> {
    let listeners = format!("INSIDE://:{INSIDE},OUTSIDE://:{OUTSIDE},CONTROLLER://:9093");
    let advertised = format!("INSIDE://{}:{INSIDE},OUTSIDE://{}", chosen.host, chosen.outside);
    pairs(&[
        ("CLUSTER_ID", chosen.cluster),
        ("KAFKA_NODE_ID", "1"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "INSIDE"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("KAFKA_LISTENERS", &listeners),
        ("KAFKA_ADVERTISED_LISTENERS", &advertised),
        // A topic that nobody created is an error, as on the real host.
        ("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false"),
        ("KAFKA_DEFAULT_REPLICATION_FACTOR", "1"),
        ("KAFKA_MIN_INSYNC_REPLICAS", "1"),
        ("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "1"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        ("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS", "1"),
        ("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
    ])
}

/// Redpanda in the mode that it has for development, on one core, with topics only where somebody creates them.
fn redpanda(chosen: &Chosen<'_>) -> Vec<String> {
    let listen = format!("inside://0.0.0.0:{INSIDE},outside://0.0.0.0:{OUTSIDE}");
    let advertised = format!("inside://{}:{INSIDE},outside://{}", chosen.host, chosen.outside);
    let args = [
        ("redpanda", "start"),
        ("--mode", "dev-container"),
        ("--smp", "1"),
        ("--kafka-addr", &listen),
        ("--advertise-kafka-addr", &advertised),
        ("--set", "redpanda.auto_create_topics_enabled=false"),
    ];
    args.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

/// A worker as fixtures/engines/worker.properties has it for the embedded one. Debezium's image sets how often offsets
/// are flushed from a variable of its own.
fn connect(chosen: &Chosen<'_>) -> Vec<(String, String)> {
    const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
    let kafka = format!("{}:{INSIDE}", chosen.kafka);
    pairs(&[
        ("BOOTSTRAP_SERVERS", &kafka),
        ("GROUP_ID", "cutproof-connect"),
        ("CONFIG_STORAGE_TOPIC", "connect-configs"),
        ("OFFSET_STORAGE_TOPIC", "connect-offsets"),
        ("STATUS_STORAGE_TOPIC", "connect-status"),
        ("KEY_CONVERTER", JSON),
        ("VALUE_CONVERTER", JSON),
        ("OFFSET_FLUSH_INTERVAL_MS", "500"),
        ("CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE", "false"),
        ("CONNECT_VALUE_CONVERTER_SCHEMAS_ENABLE", "false"),
        ("CONNECT_CONFIG_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_OFFSET_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_STATUS_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_OFFSET_STORAGE_PARTITIONS", "1"),
        ("CONNECT_STATUS_STORAGE_PARTITIONS", "1"),
        ("CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS", "0"),
        // It is there before its Kafka is, and tries again soon.
        ("CONNECT_RECONNECT_BACKOFF_MAX_MS", "200"),
    ])
}

/// The database is not made here, as no embedded one is: CLICKHOUSE_DB would start the server twice, and creating it is
/// the work of a gate.
fn clickhouse(request: &ContainerRequest, chosen: &Chosen<'_>) -> Vec<(String, String)> {
    let user = request.user.as_deref().unwrap_or(CLICKHOUSE);
    pairs(&[
        ("CLICKHOUSE_USER", user),
        ("CLICKHOUSE_PASSWORD", chosen.password.map_or("", Secret::reveal)),
        ("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1"),
    ])
}

fn postgres(request: &ContainerRequest, chosen: &Chosen<'_>) -> Vec<(String, String)> {
    pairs(&[
        ("POSTGRES_USER", request.user.as_deref().unwrap_or(POSTGRES)),
        ("POSTGRES_PASSWORD", chosen.password.map_or("", Secret::reveal)),
        ("POSTGRES_DB", request.database.as_deref().unwrap_or(POSTGRES)),
    ])
}

/// Throwaway data, and logical decoding.
const POSTGRES_ARGS: [&str; 9] = [
    "postgres",
    "-c",
    "wal_level=logical",
    "-c",
    "max_replication_slots=8",
    "-c",
    "max_wal_senders=8",
    "-c",
    "fsync=off",
];

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: ServiceKind, image: &str) -> ContainerRequest {
        ContainerRequest {
            name: "it".to_owned(),
            kind,
            image: image.to_owned(),
            user: None,
            database: None,
            kafka: Some("bus".to_owned()),
        }
    }

    fn told(request: &ContainerRequest) -> Recipe {
        let password = Secret::new("s3cret");
        let password = has_password(request.kind).then_some(&password);
        let (host, kafka) = ("run-it", "run-bus");
        let chosen = Chosen { host, kafka, password, cluster: "AAAA", outside: "127.0.0.1:40001" };
        recipe(request, &chosen).expect("it has an image")
    }

    fn variable<'a>(recipe: &'a Recipe, name: &str) -> Option<&'a str> {
        recipe.env.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn kafka_tells_each_side_the_address_that_it_can_reach() {
        let kafka = told(&request(ServiceKind::Kafka, "apache/kafka:4.3.1"));
        let advertised = variable(&kafka, "KAFKA_ADVERTISED_LISTENERS");
        assert_eq!(advertised, Some("INSIDE://run-it:9092,OUTSIDE://127.0.0.1:40001"));
        let listeners = variable(&kafka, "KAFKA_LISTENERS").unwrap_or_default();
        assert!(listeners.contains(&format!("OUTSIDE://:{}", kafka.port)), "{listeners}");
        assert!(kafka.args.is_empty() && kafka.inside == "run-it:9092");
    }

    #[test]
    fn an_image_of_redpanda_is_started_as_redpanda() {
        for image in ["redpandadata/redpanda:v24.2.7", "registry:5000/RedPanda@sha256:0"] {
            let redpanda = told(&request(ServiceKind::Kafka, image));
            assert_eq!(redpanda.args[..6], ["redpanda", "start", "--mode", "dev-container", "--smp", "1"]);
            let at =
                redpanda.args.iter().position(|arg| arg == "--advertise-kafka-addr").expect("it is told");
            assert_eq!(redpanda.args[at + 1], "inside://run-it:9092,outside://127.0.0.1:40001");
            assert!(redpanda.env.is_empty());
        }
        // A tag is not a name.
        assert!(told(&request(ServiceKind::Kafka, "apache/kafka:redpanda")).args.is_empty());
    }

    #[test]
    fn connect_works_with_the_kafka_of_its_request() {
        let connect = told(&request(ServiceKind::Connect, "debezium/connect:3"));
        assert_eq!(variable(&connect, "BOOTSTRAP_SERVERS"), Some("run-bus:9092"));
        for name in ["GROUP_ID", "CONFIG_STORAGE_TOPIC", "OFFSET_STORAGE_TOPIC", "STATUS_STORAGE_TOPIC"] {
            assert!(variable(&connect, name).is_some_and(|value| !value.is_empty()), "{name}");
        }
        assert_eq!(variable(&connect, "CONNECT_VALUE_CONVERTER_SCHEMAS_ENABLE"), Some("false"));
    }

    #[test]
    fn databases_are_told_their_users_and_passwords() {
        let postgres = told(&request(ServiceKind::Postgres, "postgres:17"));
        assert_eq!(variable(&postgres, "POSTGRES_PASSWORD"), Some("s3cret"));
        assert!(postgres.args.contains(&"wal_level=logical".to_owned()));
        let clickhouse = ContainerRequest {
            user: Some("feed".to_owned()),
            ..request(ServiceKind::Clickhouse, "clickhouse/clickhouse-server:26.3")
        };
        let clickhouse = told(&clickhouse);
        assert_eq!(variable(&clickhouse, "CLICKHOUSE_USER"), Some("feed"));
        assert_eq!(variable(&clickhouse, "CLICKHOUSE_PASSWORD"), Some("s3cret"));
    }

    #[test]
    fn the_variable_of_the_password_is_the_one_that_holds_it() {
        for kind in ServiceKind::ALL.into_iter().filter(|kind| has_password(*kind)) {
            let recipe = told(&request(kind, "image"));
            let name = password_variable(kind).expect("it has one");
            assert_eq!(variable(&recipe, name), Some("s3cret"));
        }
    }

    #[test]
    fn an_endpoint_has_an_address_for_each_side() {
        let request = request(ServiceKind::Clickhouse, "c");
        let recipe = told(&request);
        let endpoint = endpoint(&request, Some(&Secret::new("x")), &recipe, "127.0.0.1:40001");
        assert_eq!(endpoint.address, "http://127.0.0.1:40001");
        assert_eq!(endpoint.inside(), "http://run-it:8123");
        assert_eq!(endpoint.user.as_deref(), Some("default"));
    }

    #[test]
    fn what_has_no_image_has_no_recipe() {
        let chosen = Chosen { host: "", kafka: "", password: None, cluster: "", outside: "" };
        for kind in [ServiceKind::Prometheus, ServiceKind::Http] {
            assert!(recipe(&request(kind, "x"), &chosen).is_none());
        }
    }
}
