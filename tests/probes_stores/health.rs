use crate::support::*;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::json;

fn stores() -> Vec<Endpoint> {
    [ServiceKind::Redis, ServiceKind::Clickhouse, ServiceKind::Postgres].map(engine).into()
}

/// ClickHouse's front page, as any HTTP service.
fn http() -> Endpoint {
    Endpoint::at(ServiceKind::Http, format!("{}/ping", engine(ServiceKind::Clickhouse).address))
}

#[test]
fn services_that_answer_are_healthy() {
    let mut services = stores();
    services.push(http());
    let outcome = measure("health", json!({}), &services, ENOUGH);
    assert_eq!(outcome.reading("unhealthy"), &Reading::text(""));
    assert_eq!((outcome.number("services"), outcome.number("healthy")), (4.0, 4.0));
    assert!(outcome.fact("postgres").contains("answered in"));
}

#[test]
fn services_that_do_not_answer_are_named_with_the_reason() {
    let mut services = stores();
    services[0] = through(&services[0], nobody());
    services[1] = through(&services[1], in_front_of(&services[1].address, Luck::Stalls(0)));
    for kind in [ServiceKind::Kafka, ServiceKind::Connect, ServiceKind::Prometheus] {
        let scheme = if kind == ServiceKind::Kafka { "" } else { "http://" };
        services.push(Endpoint::at(kind, format!("{scheme}{}", nobody())));
    }
    services.push(http());
    let outcome = measure("health", json!({"connect_timeout": 700}), &services, ENOUGH);
    assert_eq!(outcome.reading("unhealthy"), &Reading::text("redis, clickhouse, kafka, connect, prometheus"));
    assert_eq!((outcome.number("services"), outcome.number("healthy")), (7.0, 2.0));
    assert!(outcome.fact("redis").contains("nothing listens"), "{}", outcome.fact("redis"));
    assert!(outcome.fact("clickhouse").contains("no answer from"), "{}", outcome.fact("clickhouse"));
    assert!(outcome.fact("kafka").contains("nothing answers as Kafka at"), "{}", outcome.fact("kafka"));
    assert!(outcome.fact("prometheus").contains("nothing listens"), "{}", outcome.fact("prometheus"));
}

#[test]
fn a_service_of_another_kind_is_not_healthy() {
    let redis = engine(ServiceKind::Redis);
    let clickhouse = engine(ServiceKind::Clickhouse);
    let services = [
        Endpoint::at(ServiceKind::Postgres, redis.address.clone()),
        Endpoint::at(ServiceKind::Redis, clickhouse.address.trim_start_matches("http://")),
        Endpoint::at(ServiceKind::Prometheus, clickhouse.address.clone()),
        Endpoint::at(ServiceKind::Connect, clickhouse.address),
    ];
    let outcome = measure("health", json!({"connect_timeout": 2000}), &services, ENOUGH);
    assert_eq!(outcome.number("healthy"), 0.0, "{:?}", outcome.measurement().facts);
}

#[test]
fn a_gate_that_uses_nothing_is_an_error() {
    assert!(measure("health", json!({}), &[], ENOUGH).error().contains("there is none"));
}
