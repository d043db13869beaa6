//! Kafka and Connect: settings from the environment.

use super::docker::{Container, free_port, until};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::time::Duration;

pub const KAFKA: &str = "cutproof/kafka:local";
pub const CONNECT: &str = "cutproof/connect:local";
const ASK: Duration = Duration::from_secs(5);

/// A broker for clients on its network (`kafka:9092`) and on this host (the address that is returned).
pub fn kafka(options: &[&str], settings: &[&str]) -> (Container, String) {
    let port = free_port();
    let (publish, listeners) =
        (format!("127.0.0.1:{port}:{port}"), format!("INSIDE://:9092,OUTSIDE://:{port},CONTROLLER://:9093"));
    let mut all = vec![
        "NODE_ID=1".to_owned(),
        "PROCESS_ROLES=broker,controller".to_owned(),
        format!("LISTENERS={listeners}"),
        format!("ADVERTISED_LISTENERS=INSIDE://kafka:9092,OUTSIDE://127.0.0.1:{port}"),
        "LISTENER_SECURITY_PROTOCOL_MAP=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        "CONTROLLER_QUORUM_VOTERS=1@localhost:9093".to_owned(),
        "CONTROLLER_LISTENER_NAMES=CONTROLLER".to_owned(),
        "INTER_BROKER_LISTENER_NAME=INSIDE".to_owned(),
        "OFFSETS_TOPIC_REPLICATION_FACTOR=1".to_owned(),
        "OFFSETS_TOPIC_NUM_PARTITIONS=1".to_owned(),
        "GROUP_INITIAL_REBALANCE_DELAY_MS=0".to_owned(),
    ];
    all.extend(settings.iter().map(|setting| (*setting).to_owned()));
    let variables: Vec<String> = all.into_iter().map(|setting| format!("KAFKA_{setting}")).collect();
    let mut given = vec!["--publish", &publish];
    variables.iter().for_each(|variable| given.extend(["--env", variable]));
    (Container::run(KAFKA, &[&given, options].concat(), &[]), format!("127.0.0.1:{port}"))
}

pub fn cluster_id(address: &str) -> String {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    until("answer of the broker", || {
        client.fetch_metadata(None, ASK).map_err(|error| error.to_string())?;
        client.client().fetch_cluster_id(ASK).ok_or_else(|| "no cluster id".to_owned())
    })
}

fn setting(address: &str, name: &str) -> Option<String> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(60)));
    let asked = admin.describe_configs([&ResourceSpecifier::Broker(1)], &options);
    let broker = pollster::block_on(asked).unwrap().remove(0).unwrap();
    broker.get(name).and_then(|entry| entry.value.clone())
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn variables_are_the_brokers_settings_and_the_cluster_survives_a_kill() {
    let own = ["NUM_PARTITIONS=3", "LOG_RETENTION_MS=86400000", "LOG_DIRS=/var/lib/kafka/data/one"];
    let (kafka, address) = kafka(&["--env", "CLUSTER_ID=4L6g3nShT-eMCtK--X86sw"], &own);
    assert_eq!(cluster_id(&address), "4L6g3nShT-eMCtK--X86sw");
    assert_eq!(setting(&address, "num.partitions").as_deref(), Some("3"));
    assert_eq!(setting(&address, "log.retention.ms").as_deref(), Some("86400000"));
    assert_eq!(kafka.exec(&["ls", "/var/lib/kafka/data"]), "one");
    let formatted = kafka.exec(&["cat", "/var/lib/kafka/data/one/meta.properties"]);
    kafka.kill_and_start();
    assert_eq!(cluster_id(&address), "4L6g3nShT-eMCtK--X86sw");
    assert_eq!(kafka.exec(&["cat", "/var/lib/kafka/data/one/meta.properties"]), formatted);
    assert!(!kafka.exec(&["cat", "/proc/1/status"]).contains("Uid:\t0"));
    kafka.stop();
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn underscores_are_written_as_the_public_image_documents() {
    // Names that no broker has, so that only the file shows them; it ends because the roles are missing.
    let variables = ["KAFKA_A_B=dot", "KAFKA_A__B=underscore", "KAFKA_A___B=dash", "KAFKA_HEAP_OPTS=-Xmx64m"];
    let mut options = vec!["--entrypoint", "/bin/bash"];
    variables.iter().for_each(|variable| options.extend(["--env", variable]));
    let script = "/etc/kafka/docker/run; cat /tmp/server.properties";
    let (_, said) = Container::run(KAFKA, &options, &["-c", script]).ended();
    assert!(said.contains("error: process.roles is not set: KAFKA_PROCESS_ROLES is missing"), "{said}");
    let mut lines: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("error") && !line.is_empty()).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a-b=dash", "a.b=dot", "a_b=underscore"], "{said}");
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn without_any_setting_there_is_a_broker_for_its_own_host() {
    let kafka = Container::run(KAFKA, &[], &[]);
    until("line that the server started", || match kafka.logs() {
        logs if logs.contains("Kafka Server started") => Ok(()),
        logs => Err(logs),
    });
    kafka.stop();
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn connect_says_which_topic_it_was_not_given() {
    let (status, said) = Container::run(CONNECT, &["--env", "CONFIG_STORAGE_TOPIC=c"], &[]).ended();
    assert!(status != 0 && said.contains("OFFSET_STORAGE_TOPIC: is missing"), "{status}: {said}");
}
