use super::bench::{Bench, fact, number, reading, refused};
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::json;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn a_listener_is_connected_and_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let measured = Bench::new().measure("tcp", json!({ "address": address })).unwrap();
    assert_eq!(reading(&measured, "connected"), &Reading::bool(true));
    assert!(number(&measured, "latency_ms") > 0.0);
    assert_eq!(measured.observations[0].source, address);
    let (mut stream, _) = listener.accept().unwrap();
    let mut seen = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut seen).unwrap();
    assert!(seen.is_empty());
}

#[test]
fn a_service_is_reached_at_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bench = Bench::using(Endpoint::at(ServiceKind::Http, url));
    let measured = bench.measure("tcp", json!({})).unwrap();
    assert_eq!(reading(&measured, "connected"), &Reading::bool(true));
    assert!(Bench::new().error("tcp", json!({})).contains("there are none"));
}

#[test]
fn a_refused_connection_is_a_measured_value() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let measured = Bench::new().measure("tcp", json!({ "address": address })).unwrap();
    assert_eq!(reading(&measured, "connected"), &Reading::bool(false));
    assert_eq!(reading(&measured, "latency_ms"), &Reading::Missing);
    assert!(fact(&measured, &address).contains("connection refused"));
}

#[test]
fn one_who_does_not_answer_in_time_is_not_connected() {
    // A full backlog: the kernel drops further requests to connect.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 10);
    }
    let with = json!({ "address": address.to_string(), "connect_timeout": "200ms" });
    let measured = Bench::new().measure("tcp", with).unwrap();
    assert_eq!(reading(&measured, "connected"), &Reading::bool(false));
    assert!(fact(&measured, &address.to_string()).contains("no answer"));
}

#[test]
fn a_name_that_nobody_knows_is_an_error() {
    let error = Bench::new().error("tcp", json!({ "address": "nowhere.invalid:80" }));
    assert!(error.contains("nowhere.invalid:80: expected the address of a host"), "{error}");
}

#[test]
fn an_address_without_a_port_is_refused_before_anything_is_measured() {
    assert_eq!(refused("tcp", json!({ "address": "localhost" })).field, "address");
}
