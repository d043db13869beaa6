//! Brokers that are down, paused, or no brokers.

use crate::bench::{Bench, GRACE, alone, engine, nobody, text};
use crate::cluster::{Paused, unique};
use cutproof::model::{Endpoint, ServiceKind};
use cutproof::service::embedded::Started;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub fn an_init_where_nothing_listens_fails_its_first_step_within_the_connect_timeout() {
    let bench = Bench::on([Endpoint::at(ServiceKind::Kafka, nobody())]);
    let began = Instant::now();
    let found = bench.ok("kafka_init", json!({"topics": ["a", "b"]}));
    println!("nothing listens: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5) + GRACE);
    assert_eq!(text(&found, "failed_step"), "create_a");
    assert_eq!(bench.told.names(), ["create_a"]);
    let said = bench.told.said("create_a").unwrap_err();
    println!("{said}");
    assert!(said.contains("Connection refused"), "{said}");
}

/// Each probe of Kafka alone, with settings that would measure.
fn kafka_probes() -> Vec<(&'static str, Value)> {
    vec![
        ("kafka_topics", json!({"topics": ["a"], "config": {"retention.ms": "1"}})),
        ("kafka_round_trip", json!({})),
        ("kafka_round_trip", json!({"topic": "a"})),
        ("kafka_lag", json!({"group": "g", "topics": ["a"]})),
    ]
}

pub fn a_broker_that_is_down_is_an_error_that_says_so() {
    for (name, args) in kafka_probes() {
        let began = Instant::now();
        let error = Bench::on([Endpoint::at(ServiceKind::Kafka, nobody())]).error(name, args);
        println!("{name} {:?}: {error}", began.elapsed());
        assert!(error.starts_with("nothing answers as Kafka at 127.0.0.1:"), "{error}");
        assert!(error.contains("Connection refused"), "{error}");
    }
}

pub fn a_name_that_no_host_has_is_an_error_that_says_so() {
    let endpoint = Endpoint::at(ServiceKind::Kafka, "no-such-host.invalid:9092");
    let error = Bench::on([endpoint]).error("kafka_topics", json!({"topics": ["a"]}));
    println!("{error}");
    assert!(error.contains("resolve"), "{error}");
}

pub fn something_else_than_kafka_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        }
    });
    let error = Bench::on([Endpoint::at(ServiceKind::Kafka, address)])
        .error("kafka_topics", json!({"topics": ["a"]}));
    println!("{error}");
    assert!(error.starts_with("what answers at 127.0.0.1:") && error.contains("is not Kafka"), "{error}");
}

pub fn a_broker_that_is_paused_is_an_error_at_the_deadline() {
    let _alone = alone();
    let Started { endpoint: kafka, pid, .. } = engine(ServiceKind::Kafka);
    let paused = Paused::new(pid);
    let found: Vec<_> = kafka_probes()
        .into_iter()
        .map(|(name, args)| {
            let began = Instant::now();
            let found = Bench::on([kafka.clone()]).within(Duration::from_secs(2)).measure(name, args);
            (name, found, began.elapsed())
        })
        .collect();
    let init = Bench::on([kafka]);
    let init_found = init.measure("kafka_init", json!({"topics": ["a"], "connect_timeout": 700}));
    drop(paused);
    for (name, found, took) in found {
        let error = found.expect_err(name).0;
        println!("{name} {took:?}: {error}");
        assert!(error.contains("no answer from Kafka at"), "{error}");
    }
    assert_eq!(text(&init_found.unwrap(), "failed_step"), "create_a");
    print!("{}", init.told.lines());
}

pub fn a_broker_that_is_paused_in_the_middle_of_an_init_fails_the_step_it_came_to() {
    let _alone = alone();
    let Started { endpoint: kafka, pid, .. } = engine(ServiceKind::Kafka);
    let topics = [unique("paused"), unique("paused")];
    let bench = Bench::on([kafka]);
    let paused = Rc::new(RefCell::new(None));
    let (holds, second) = (Rc::clone(&paused), format!("verify_{}", topics[1]));
    bench.told.before(move |step| {
        if step == second {
            holds.replace(Some(Paused::new(pid)));
        }
    });
    let found = bench.ok("kafka_init", json!({"topics": topics, "operation_timeout": 6000}));
    paused.take();
    print!("{}", bench.told.lines());
    assert_eq!(text(&found, "failed_step"), format!("verify_{}", topics[1]));
    let said = bench.told.said(&format!("verify_{}", topics[1])).unwrap_err();
    assert!(
        said.contains("no answer in time") && said.contains("its brokers advertise 127.0.0.1:"),
        "{said}"
    );
}
