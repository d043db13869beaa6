//! A core on the real engines: what it publishes, stores and serves, and what it does while they are away.

use crate::common::{Desk, Engines, expect_soon, signal};
use crate::support::{ANSWER, Core};
use postgres::{Client, Config, NoTls};
use redis::{Connection, cmd};
use reference_engine::ask;
use rustix::process::Signal;
use std::collections::BTreeMap;

const PROFILE: &str = "tests/common/engines.toml";

/// Creates topic and tables.
fn init(engines: &Engines<'_>) {
    let gates = ["kafka-topic-init", "timescale-schema-init", "clickhouse-schema-init"];
    let only: Vec<_> = gates.iter().flat_map(|gate| ["--only", gate]).collect();
    engines.gates(&[&["--allow-writes"], &only[..]].concat()).with_code(0);
}

fn connected(core: &Core<'_>, service: &str, as_it_must_be: f64) {
    core.expect(&format!("ctp_service_connected{{service=\"{service}\"}}"), |value| value == as_it_must_be);
}

fn database(engines: &Engines<'_>) -> Client {
    let (host, port) = engines.address("postgres").rsplit_once(':').expect("HOST:PORT");
    let mut config = Config::new();
    config.host(host).port(port.parse().expect("a port")).dbname("quant_hft");
    config.user(&engines.variables["CUTPROOF_USER_POSTGRES"]);
    config.password(&engines.variables["CUTPROOF_PASSWORD_POSTGRES"]);
    config.connect(NoTls).expect("PostgreSQL answers")
}

fn number(client: &mut Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

fn bridge(engines: &Engines<'_>) -> Connection {
    let client = redis::Client::open(format!("redis://{}/", engines.address("redis"))).expect("an address");
    client.get_connection().expect("Redis answers")
}

fn hash(redis: &mut Connection, key: &str) -> BTreeMap<String, String> {
    cmd("HGETALL").arg(key).query(redis).expect("a hash")
}

#[test]
fn a_core_waits_for_topic_and_tables_then_publishes_stores_and_serves() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, PROFILE);
    let core = Core::on(&engines, &desk, &["--version", "new"]).ready();
    connected(&core, "redis", 1.0);
    expect_soon("it says what lacks", || {
        let told = core.run(&["status"]).with_code(0).stdout;
        told.contains("market.ticks.v1 is not there (init kafka)") && told.contains("(init timescale)")
    });
    init(&engines);
    ["kafka", "postgres"].iter().for_each(|service| connected(&core, service, 1.0));

    core.expect("market_ticks_published_total", |ticks| ticks >= 40.0);
    let sql = "/?query=SELECT%20count()%20FROM%20quant_hft.market_ticks%20WHERE%20last_price%20%3E%200";
    let clickhouse = engines.address("clickhouse").parse().expect("an address");
    expect_soon("ticks are in ClickHouse, with a price", || {
        let answer = ask(&clickhouse, "GET", sql, ANSWER).expect("ClickHouse answers");
        answer.body.trim().parse::<u32>().expect("a number") >= 40
    });

    // What was traded before there were tables, too.
    let (mut client, orders) = (database(&engines), core.value("ctp_orders_total"));
    core.expect("ctp_orders_stored_total", |stored| stored >= orders);
    let stored = number(&mut client, "SELECT count(*) FROM trading_core.orders WHERE order_id LIKE 'new-%'");
    assert!(stored as f64 >= orders, "{stored} of {orders}");
    assert!(
        number(
            &mut client,
            "SELECT count(*) FROM trading_core.trades JOIN trading_core.orders USING (order_id)"
        ) > 0
    );

    core.expect("strategy_bridge_chain_complete", |complete| complete == 1.0);
    assert!(core.value("strategy_bridge_latency_seconds_count") > 0.0);
    let mut redis = bridge(&engines);
    let market = hash(&mut redis, "market:state7d:rb2701:latest");
    assert_eq!((market["version"].as_str(), market["mode"].as_str()), ("new", "direct"));
    assert!(
        market["ts_ns"].parse::<u64>().expect("a time") > 0 && market["last_price"].parse::<f64>().is_ok()
    );
    assert!(hash(&mut redis, "strategy:intent:core:latest").contains_key("ts_ns"));
    let keys: Vec<String> = cmd("KEYS").arg("trade:order:*:info").query(&mut redis).expect("keys");
    assert!(!keys.is_empty());
    for key in &keys {
        let left: i64 = cmd("TTL").arg(key).query(&mut redis).expect("a time");
        // One that has just gone says -2.
        assert!((0..=60).contains(&left) || left == -2, "{key}: {left}");
    }
    core.run(&["stop"]).with_code(0);
    assert!(core.end().success());
    engines.down();
}

#[test]
fn engines_that_stop_answering_are_said_and_used_again_when_they_are_back() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, PROFILE);
    init(&engines);
    let core = Core::on(&engines, &desk, &["--version", "old"]).ready();
    ["kafka", "postgres", "redis"].iter().for_each(|service| connected(&core, service, 1.0));

    for (service, series) in
        [("kafka", "market_ticks_published_total"), ("redis", "strategy_bridge_latency_seconds_count")]
    {
        signal(engines.pids[service], Signal::STOP);
        connected(&core, service, 0.0);
        core.more_orders(2.0);
        signal(engines.pids[service], Signal::CONT);
        connected(&core, service, 1.0);
        let before = core.value(series);
        core.expect(series, |now| now > before);
    }

    // PostgreSQL's own process for this connection, since the others go on without the first.
    let mut client = database(&engines);
    let ours = "FROM pg_stat_activity WHERE application_name = 'reference-engine'";
    let process = number(&mut client, &format!("SELECT pid::bigint {ours}"));
    let process = i32::try_from(process).expect("a process id");
    signal(process, Signal::STOP);
    connected(&core, "postgres", 0.0);
    core.more_orders(2.0);
    assert!(core.run(&["status"]).stdout.contains("postgres not connected: no answer"));
    signal(process, Signal::CONT);
    connected(&core, "postgres", 1.0);

    // A connection that the server ends; nothing of what was traded is lost.
    number(&mut client, &format!("SELECT count(pg_terminate_backend(pid)) {ours}"));
    expect_soon("its end is noticed", || core.log().contains("postgres: not connected: "));
    connected(&core, "postgres", 1.0);
    let orders = core.value("ctp_orders_total");
    core.expect("ctp_orders_stored_total", |stored| stored >= orders);
    assert!(number(&mut client, "SELECT count(*) FROM trading_core.orders") as f64 >= orders);

    // Dead for good: the chain of the bridge is broken, and the core lives.
    signal(engines.pids["redis"], Signal::KILL);
    connected(&core, "redis", 0.0);
    assert_eq!(core.value("strategy_bridge_chain_complete"), 0.0);
    core.more_orders(2.0);
    assert_eq!(core.get("/ready").0, 200);
    core.run(&["stop"]).with_code(0);
    assert!(core.end().success());
    engines.down();
}

#[test]
fn the_old_core_takes_the_mode_of_the_bridge_from_redis_or_from_its_flag() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, PROFILE);
    let mut redis = bridge(&engines);
    let mode = |core: &Core<'_>| core.status()["mode"].as_str().expect("a mode").to_owned();

    let core = Core::on(&engines, &desk, &["--version", "old"]).ready();
    core.expect("strategy_bridge_compat", |compat| compat == 0.0);
    assert_eq!(core.run(&["redis-compat", "status"]).with_code(0).stdout, "bridge mode=direct\n");
    assert_eq!(core.run(&["redis-compat", "on"]).with_code(0).stdout, "bridge mode=compat\n");
    core.expect("strategy_bridge_compat", |compat| compat == 1.0);
    assert_eq!(mode(&core), "compat");
    expect_soon("the keys say so", || {
        let market = hash(&mut redis, "market:state7d:rb2701:latest");
        market.get("mode").is_some_and(|mode| mode == "compat")
    });
    core.run(&["stop"]).with_code(0);

    // The new core knows no such mode, whatever a drill has left.
    let new = Core::on(&engines, &desk, &["--version", "new"]).ready();
    connected(&new, "redis", 1.0);
    new.expect("strategy_bridge_chain_complete", |complete| complete == 1.0);
    assert_eq!((mode(&new).as_str(), new.value("strategy_bridge_compat")), ("direct", 0.0));
    assert_eq!(new.run(&["redis-compat", "off"]).with_code(0).stdout, "bridge mode=direct\n");
    new.run(&["stop"]).with_code(0);

    let flagged = Core::on(&engines, &desk, &["--version", "old", "--redis-compat"]).ready();
    assert_eq!((mode(&flagged).as_str(), flagged.value("strategy_bridge_compat")), ("compat", 1.0));
    drop(flagged);
    let nobody = desk.run(&["core", "redis-compat", "on", "--redis", "127.0.0.1:1"]).with_code(2);
    assert!(nobody.error().contains("nothing listens"), "{}", nobody.stderr);
    engines.down();
}
