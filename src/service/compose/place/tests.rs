use super::*;
use crate::service::compose::ps;
use proptest::prelude::*;
use serde_json::json;

fn container(
    service: &str,
    image: &str,
    state: &str,
    health: &str,
    exit_code: i64,
    ports: &[(&str, u16, u16)],
) -> Container {
    let ports = ports.iter().map(|(url, target, published)| {
        json!({ "URL": url, "TargetPort": target, "PublishedPort": published, "Protocol": "tcp" })
    });
    let container = json!({
        "Service": service, "Name": format!("p-{service}-1"), "Image": image, "State": state, "Health": health,
        "ExitCode": exit_code, "Publishers": ports.collect::<Vec<_>>(),
    });
    ps::list(&container.to_string()).unwrap().remove(0)
}

fn up(service: &str, image: &str, target: u16, published: u16) -> Container {
    container(service, image, "running", "", 0, &[("127.0.0.1", target, published)])
}

/// The runbook's stack, as its compose file has it.
fn stack() -> Vec<Container> {
    vec![
        up("redis", "redis:7.2-alpine", 6379, 40001),
        up("timescale", "timescale/timescaledb:2.14.2-pg16", 5432, 40002),
        up("kafka", "apache/kafka:4.1.0", 19092, 40003),
        up("kafka-connect", "debezium/connect:2.7.3.Final", 8083, 40004),
        up("clickhouse", "clickhouse/clickhouse-server:24.8", 8123, 40005),
        container("kafka-exporter", "danielqsj/kafka-exporter", "running", "", 0, &[("", 9308, 40006)]),
        container("migrate-init", "postgres:16", "exited", "", 0, &[]),
    ]
}

fn sought(name: &str, kind: ServiceKind, names: &[&str], containers: &[Container]) -> Place {
    let names = names.iter().map(|name| (*name).to_owned()).chain([name.to_owned()]).collect();
    Sought { name, kind, scheme: "http", names: &names, host: "127.0.0.1" }.among(containers)
}

fn found(name: &str, kind: ServiceKind, containers: &[Container]) -> (String, String) {
    match sought(name, kind, &[], containers) {
        Place::At { address, inside, .. } => (address, inside),
        other => panic!("{name}: {other:?}"),
    }
}

fn why(place: Place) -> String {
    match place {
        Place::Wrong { why, .. } | Place::Absent(why) => why,
        Place::At { address, .. } => panic!("it was found at {address}"),
    }
}

#[test]
fn each_service_of_the_runbook_is_found_by_its_name_or_its_image() {
    let stack = stack();
    let at = |name, kind| found(name, kind, &stack);
    let pair = |address: &str, inside: &str| (address.to_owned(), inside.to_owned());
    assert_eq!(at("redis", ServiceKind::Redis), pair("127.0.0.1:40001", "redis:6379"));
    assert_eq!(at("postgres", ServiceKind::Postgres), pair("127.0.0.1:40002", "timescale:5432"));
    assert_eq!(at("kafka", ServiceKind::Kafka), pair("127.0.0.1:40003", "kafka:9092"));
    let connect = pair("http://127.0.0.1:40004", "http://kafka-connect:8083");
    assert_eq!(at("connect", ServiceKind::Connect), connect);
    assert_eq!(at("kafka-connect", ServiceKind::Connect), connect);
    assert_eq!(
        at("clickhouse", ServiceKind::Clickhouse),
        pair("http://127.0.0.1:40005", "http://clickhouse:8123")
    );
}

#[test]
fn an_image_without_a_telling_name_is_known_by_its_service() {
    let stack = [
        up("trade-postgres", "registry.example:5000/base/db@sha256:0f", 5432, 1),
        up("x", "a/redis-ui:1", 6379, 2),
    ];
    assert_eq!(found("db", ServiceKind::Postgres, &stack).0, "127.0.0.1:1");
    assert!(why(sought("cache", ServiceKind::Redis, &[], &stack)).contains("it has `trade-postgres`, `x`"));
    // The tag is no name: `base:redis` may hold anything.
    let stack = [up("x", "base:redis", 6379, 2)];
    assert!(matches!(sought("cache", ServiceKind::Redis, &[], &stack), Place::Absent(_)));
}

#[test]
fn a_container_that_is_another_service_by_name_is_never_a_second_one() {
    let one = [up("redis", "redis:7", 6379, 1)];
    assert!(matches!(sought("cache", ServiceKind::Redis, &["redis"], &one), Place::Absent(_)));
    let two = [up("redis", "redis:7", 6379, 1), up("redis-b", "redis:7", 6379, 2)];
    let Place::At { address, .. } = sought("cache", ServiceKind::Redis, &["redis"], &two) else { panic!() };
    assert_eq!(address, "127.0.0.1:2");
}

#[test]
fn what_could_be_one_of_two_is_not_guessed() {
    let two = [up("redis-a", "redis:7", 6379, 1), up("redis-b", "redis:7", 6379, 2)];
    assert_eq!(
        why(sought("redis", ServiceKind::Redis, &[], &two)),
        "2 containers could be it (`p-redis-a-1`, `p-redis-b-1`); give --endpoint redis=ADDRESS"
    );
    let ports = [container("kafka", "k", "running", "", 0, &[("", 9092, 1), ("", 19092, 2)])];
    let told = why(sought("kafka", ServiceKind::Kafka, &[], &ports));
    assert!(
        told.contains("publishes the ports 9092, 19092, and which of them is kafka is not plain"),
        "{told}"
    );
}

#[test]
fn a_service_that_does_not_run_is_named_with_its_state_and_exit_code() {
    let told = |state: &str, health: &str, code| {
        let stack = [container("redis", "redis:7", state, health, code, &[("", 6379, 1)])];
        why(sought("redis", ServiceKind::Redis, &[], &stack))
    };
    assert_eq!(
        told("exited", "", 137),
        "compose service `redis` is exited (exit code 137): expected it to run; see `docker logs p-redis-1`, or give \
         --endpoint redis=ADDRESS"
    );
    assert!(told("restarting", "", 1).contains("is restarting (exit code 1)"));
    assert!(told("running", "unhealthy", 0).contains("is running (unhealthy)"));
    assert!(told("paused", "", 0).contains("is paused"));
    assert!(told("created", "", 0).contains("was never started"));
}

#[test]
fn only_a_container_that_has_ended_is_not_waited_for() {
    for (state, expected) in
        [("exited", true), ("dead", true), ("restarting", false), ("paused", false), ("created", false)]
    {
        let stack = [container("redis", "redis:7", state, "", 1, &[])];
        let Place::Wrong { ended, .. } = sought("redis", ServiceKind::Redis, &[], &stack) else {
            panic!("{state}")
        };
        assert_eq!(ended, expected, "{state}");
    }
}

#[test]
fn a_service_without_a_published_port_says_so() {
    for ports in [&[][..], &[("", 6379, 0)]] {
        let stack = [container("redis", "redis:7", "running", "", 0, ports)];
        let told = why(sought("redis", ServiceKind::Redis, &[], &stack));
        assert!(told.starts_with("compose service `redis` publishes no port"), "{told}");
    }
}

#[test]
fn a_port_of_every_address_is_reached_at_the_host_of_docker() {
    let at = |urls: &[&str], host: &str| {
        let ports: Vec<_> = urls.iter().map(|url| (*url, 6379, 1)).collect();
        let stack = [container("redis", "redis:7", "running", "", 0, &ports)];
        let names = BTreeSet::new();
        match (Sought { name: "redis", kind: ServiceKind::Redis, scheme: "http", names: &names, host })
            .among(&stack)
        {
            Place::At { address, .. } => address,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at(&["0.0.0.0", "::"], "127.0.0.1"), "127.0.0.1:1");
    assert_eq!(at(&["::1", "127.0.0.2"], "127.0.0.1"), "127.0.0.2:1");
    assert_eq!(at(&["::1"], "127.0.0.1"), "[::1]:1");
    assert_eq!(at(&[""], "build-7"), "build-7:1");
    for (variable, host) in [
        (None, "127.0.0.1"),
        (Some("unix:///var/run/docker.sock"), "127.0.0.1"),
        (Some("tcp://build-7:2376"), "build-7"),
        (Some("tcp://[fd00::7]:2376"), "[fd00::7]"),
        (Some("ssh://ci@build-7"), "build-7"),
        (Some("nonsense"), "127.0.0.1"),
    ] {
        assert_eq!(docker_host(variable), host, "{variable:?}");
    }
}

#[test]
fn the_usual_port_is_taken_among_several() {
    let stack = [container("clickhouse", "c", "running", "healthy", 0, &[("", 9000, 1), ("", 8123, 2)])];
    assert_eq!(found("clickhouse", ServiceKind::Clickhouse, &stack).0, "http://127.0.0.1:2");
    let stack = [up("core", "core:1", 9464, 7)];
    assert_eq!(found("core", ServiceKind::Http, &stack).0, "http://127.0.0.1:7");
}

proptest! {
    #[test]
    fn whatever_compose_says_something_is_made_of_it(
        service in "[a-z]{0,3}(kafka|redis|connect)?", image in "\\PC{0,20}", state in "(running|exited|\\PC{0,5})",
        health in "(|healthy|unhealthy)", ports in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..3),
    ) {
        let ports: Vec<_> = ports.iter().map(|(target, published)| ("0.0.0.0", *target, *published)).collect();
        let stack = [container(&service, &image, &state, &health, 1, &ports)];
        for kind in ServiceKind::ALL {
            if let Place::At { .. } = sought("redis", kind, &[], &stack) {
                prop_assert!(state == "running" && health != "unhealthy");
                prop_assert!(ports.iter().any(|(_, _, published)| *published != 0));
            }
        }
    }
}
