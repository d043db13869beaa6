//! Data on its way: ticks to ClickHouse, rows to Kafka and ClickHouse, by the schemas and connectors of fixtures/.

use crate::bench::{
    Bench, PATIENCE, alone, connect, engine, facts, kafka, number, postgres, text, truth, well,
};
use crate::cluster::{Paused, create_topic, delete_topic, topics, values};
use crate::connect::sql;
use cutproof::model::{Endpoint, ServiceKind};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const TOPICS: [&str; 6] = [
    "market.ticks.v1",
    "quant_hft_pg.trading_core.orders",
    "quant_hft_pg.trading_core.trades",
    "quant_hft_pg.trading_core.position_detail",
    "quant_hft_pg.trading_core.account_funds",
    "quant_hft_pg.trading_core.risk_events",
];

fn clickhouse() -> Endpoint {
    Endpoint { database: Some("quant_hft".to_owned()), ..engine(ServiceKind::Clickhouse).endpoint }
}

fn connectors() -> Value {
    json!({"connectors": [
        {"key": "trading_core", "file": "fixtures/debezium/connector-trading-core.json"},
        {"key": "ops_audit", "file": "fixtures/debezium/connector-ops-audit.json"},
    ]})
}

/// Topics, schemas and connectors, made once by the inits themselves.
fn flowing() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let made = |bench: Bench, name: &str, args: Value| {
            let found = bench.ok(name, args);
            assert!(truth(&found, "success"), "{name}: {}", bench.told.lines());
            println!("{name}\n{}", bench.told.lines());
        };
        made(Bench::on([kafka()]), "kafka_init", json!({"topics": TOPICS}));
        let sql = json!({"schema_dir": "fixtures/postgres", "database": "quant_hft"});
        made(Bench::on([postgres()]), "timescale_init", sql);
        let sql = json!({"schema_dir": "fixtures/clickhouse", "database": "quant_hft"});
        made(Bench::on([engine(ServiceKind::Clickhouse).endpoint, kafka()]), "clickhouse_init", sql);
        made(Bench::on([connect(), postgres()]), "debezium_init", connectors());
    });
}

fn tick() -> Value {
    json!({
        "topic": "market.ticks.v1",
        "record": r#"{"instrument_id": "CUTPROOF", "trace_id": "{{id}}", "last_price": 1.0, "event_ts_ms": {{now_ms}}}"#,
        "lookup": "SELECT count() FROM market_ticks WHERE trace_id = '{{id}}'",
    })
}

fn order() -> Value {
    order_of("cutproof")
}

fn order_of(account: &str) -> Value {
    let insert = format!(
        "INSERT INTO trading_core.orders (order_id, account_id, instrument_id, side, price, volume)
         VALUES ('{{{{id}}}}', '{account}', 'CUTPROOF', 'buy', 1.25, 1)"
    );
    json!({
        "topic": "quant_hft_pg.trading_core.orders",
        "insert": insert,
        "delete": "DELETE FROM trading_core.orders WHERE order_id = '{{id}}'",
        "lookup": "SELECT count() FROM orders_cdc WHERE order_id = '{{id}}' AND price = 1.25 AND volume = 1",
    })
}

fn orders(account: &str) -> Option<f64> {
    let sql = format!("SELECT count(*) AS orders FROM trading_core.orders WHERE account_id = '{account}'");
    let args = json!({"sql": sql, "observes": {"orders": "count"}});
    number(&Bench::on([postgres()]).ok("postgres_query", args), "orders")
}

pub fn the_connectors_of_the_fixtures_run_and_are_found_the_second_time() {
    let _well = well();
    flowing();
    let again = Bench::on([connect(), postgres()]);
    let found = again.ok("debezium_init", connectors());
    assert_eq!(number(&found, "connectors_unchanged"), Some(2.0), "{}", again.told.lines());
    assert!(truth(&found, "success"));
    let steps = ["apply_trading_core", "verify_trading_core", "apply_ops_audit", "verify_ops_audit"];
    assert_eq!(again.told.names(), steps);
}

pub fn rows_of_every_table_come_unwrapped_to_the_topic_of_its_name() {
    let _well = well();
    flowing();
    sql(
        "INSERT INTO trading_core.trades (trade_id, order_id, account_id, instrument_id, side, price, volume)
            VALUES ('t-1', 'o-1', 'a-1', 'i-1', 'buy', 2.5, 3);
        INSERT INTO trading_core.position_detail
            (account_id, instrument_id, direction, open_date, trade_id, volume, open_price)
            VALUES ('a-1', 'i-1', 'long', '2026-11-22', 't-1', 3, 2.5);
        INSERT INTO trading_core.account_funds (account_id, balance, available) VALUES ('a-1', 10, 10);
        INSERT INTO trading_core.risk_events (event_id, rule, severity) VALUES ('e-1', 'r', 'info');
        INSERT INTO ops.audit_events (event_id, actor, action) VALUES ('e-2', 'me', 'test');
        DELETE FROM trading_core.risk_events WHERE event_id = 'e-1'",
    );
    let first = |topic: &str, wanted: usize| -> Vec<Value> {
        values(topic, wanted).iter().map(|value| serde_json::from_str(value).unwrap()).collect()
    };
    let trade = first("quant_hft_pg.trading_core.trades", 1).remove(0);
    println!("{trade}");
    assert_eq!(trade["trade_id"], "t-1", "the row itself, without schema or envelope");
    assert_eq!(trade["price"], "2.50000000", "decimals as exact texts");
    assert_eq!((&trade["__op"], &trade["__deleted"]), (&json!("c"), &json!("false")));
    assert_eq!(first("quant_hft_pg.trading_core.position_detail", 1)[0]["volume"], 3);
    assert_eq!(first("quant_hft_pg.trading_core.account_funds", 1)[0]["account_id"], "a-1");
    assert_eq!(first("quant_hft_pg.ops.audit_events", 1)[0]["actor"], "me");
    let events = first("quant_hft_pg.trading_core.risk_events", 2);
    assert_eq!(events[1]["__deleted"], "true", "a deleted row is a record, no null");
    assert_eq!(events[1]["severity"], "info", "and whole");
    let of_core =
        topics().into_iter().filter(|topic| topic.starts_with("quant_hft_pg.trading_core.")).count();
    assert_eq!(of_core, 5, "no topic but those of the contract");
}

pub fn a_tick_is_in_clickhouse_and_its_group_has_no_lag() {
    let _well = well();
    flowing();
    let bench = Bench::on([kafka(), clickhouse()]);
    for _ in 0..2 {
        let found = bench.ok("clickhouse_ingest", tick());
        assert!(truth(&found, "arrived"), "{}", facts(&found));
        println!(
            "tick: {:?} ms of which {:?} to Kafka",
            number(&found, "delay_ms"),
            number(&found, "produce_ms")
        );
        assert!(number(&found, "delay_ms") > number(&found, "produce_ms"));
    }
    let mut cleaning = tick();
    cleaning["cleanup"] =
        json!("ALTER TABLE market_ticks DELETE WHERE trace_id = '{{id}}' SETTINGS mutations_sync = 1");
    let found = bench.ok("clickhouse_ingest", cleaning);
    assert!(truth(&found, "arrived") && truth(&found, "cleaned"), "{}", facts(&found));

    let end = Instant::now() + PATIENCE;
    let lag = json!({"group": "quant_hft_clickhouse_market_ticks", "topics": ["market.ticks.v1"]});
    loop {
        let found = Bench::on([kafka()]).ok("kafka_lag", lag.clone());
        if number(&found, "lag_ms") == Some(0.0) {
            break;
        }
        assert!(Instant::now() < end, "{}", facts(&found));
    }
}

pub fn an_order_is_in_kafka_and_in_clickhouse_and_is_deleted_again() {
    let _well = well();
    flowing();
    let bench = Bench::on([postgres(), kafka(), clickhouse()]);
    for _ in 0..2 {
        let found = bench.ok("cdc", order());
        assert!(truth(&found, "in_kafka") && truth(&found, "in_clickhouse"), "{}", facts(&found));
        let delays = (number(&found, "kafka_delay_ms"), number(&found, "clickhouse_delay_ms"));
        println!("order: {delays:?} ms");
        assert!(truth(&found, "cleaned") && delays.0 < delays.1);
    }
}

pub fn what_is_wrong_is_told_before_anything_is_written() {
    let _well = well();
    flowing();
    let topic = create_topic(1, &[]);
    let bench = Bench::on([postgres(), kafka(), clickhouse()]);
    let mut wrong = tick();
    wrong["topic"] = json!(topic);
    for (lookup, said) in [
        ("SELECT count() FROM no_such_table WHERE x = '{{id}}'", "no_such_table"),
        ("SELECT 'x{{id}}'", "expected a number of rows"),
        ("SELECT 3 -- {{id}}", "expected 0"),
    ] {
        wrong["lookup"] = json!(lookup);
        let error = bench.error("clickhouse_ingest", wrong.clone());
        assert!(error.contains(said), "{error}");
        let mut order = order();
        order["lookup"] = json!(lookup);
        let error = bench.error("cdc", order);
        assert!(error.contains(said), "{error}");
    }
    let lag = Bench::on([kafka()]).ok("kafka_lag", json!({"group": "nobody", "topics": [topic]}));
    assert_eq!(number(&lag, "lag_ms"), None);
    let mut order = order();
    order["topic"] = json!("no.such.topic");
    assert!(bench.error("cdc", order).contains("topic no.such.topic does not exist"));
}

pub fn a_record_that_does_not_arrive_has_no_delay() {
    let _well = well();
    flowing();
    let mut lost = tick();
    lost["topic"] = json!(create_topic(1, &[]));
    let bench = Bench::on([kafka(), clickhouse()]).within(Duration::from_secs(3));
    let found = bench.ok("clickhouse_ingest", lost);
    assert!(!truth(&found, "arrived"));
    assert_eq!(number(&found, "delay_ms"), None);
}

pub fn who_is_told_to_stop_cleans_up_and_stops() {
    let _well = well();
    flowing();
    let began = Instant::now();
    let mut lost = tick();
    lost["topic"] = json!(create_topic(1, &[]));
    let bench = Bench::on([kafka(), clickhouse()]).stopped_after(Duration::from_millis(300));
    assert!(bench.error("clickhouse_ingest", lost).contains("told to stop"));
    let mut elsewhere = order_of("stopped");
    elsewhere["topic"] = json!(create_topic(1, &[]));
    let bench = Bench::on([postgres(), kafka(), clickhouse()]).stopped_after(Duration::from_secs(2));
    let error = bench.error("cdc", elsewhere);
    assert!(error.contains("told to stop"), "{error}");
    assert_eq!(orders("stopped"), Some(0.0));
    assert!(began.elapsed() < PATIENCE, "long before the deadlines");
}

pub fn a_topic_that_is_deleted_in_between_has_no_row_and_the_row_is_deleted() {
    let _well = well();
    flowing();
    let mut elsewhere = order_of("deleted");
    let topic = create_topic(1, &[]);
    elsewhere["topic"] = json!(topic);
    let deleting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        delete_topic(&topic);
    });
    // How soon librdkafka tells that a topic is gone is up to it: it may be an error, too.
    let bench = Bench::on([postgres(), kafka(), clickhouse()]).within(Duration::from_secs(6));
    let found = bench.measure("cdc", elsewhere);
    assert!(found.is_err() || !truth(&found.unwrap(), "in_kafka"));
    deleting.join().unwrap();
    assert_eq!(orders("deleted"), Some(0.0));
}

pub fn a_row_that_goes_nowhere_is_deleted_all_the_same() {
    let _alone = alone();
    flowing();
    let url = format!("{}/connectors/trading-core-connector", connect().address);
    ureq::put(format!("{url}/stop")).send_empty().unwrap();
    let end = Instant::now() + PATIENCE;
    let state =
        || text(&Bench::on([connect()]).ok("connector", json!({"name": "trading-core-connector"})), "state");
    while state() != "STOPPED" {
        assert!(Instant::now() < end);
    }
    let bench = Bench::on([postgres(), kafka(), clickhouse()]).within(Duration::from_secs(3));
    let found = bench.ok("cdc", order_of("nowhere"));
    assert!(!truth(&found, "in_kafka") && !truth(&found, "in_clickhouse"));
    assert_eq!((number(&found, "kafka_delay_ms"), number(&found, "clickhouse_delay_ms")), (None, None));
    assert!(truth(&found, "cleaned"), "{}", facts(&found));
    assert_eq!(orders("nowhere"), Some(0.0));
    let again = Bench::on([connect(), postgres()]).ok("debezium_init", connectors());
    assert!(truth(&again, "success"), "{}", facts(&again));
    let found = Bench::on([postgres(), kafka(), clickhouse()]).ok("cdc", order());
    assert!(truth(&found, "in_clickhouse"), "{}", facts(&found));
}

pub fn engines_that_are_paused_are_errors_at_the_deadline() {
    let _alone = alone();
    flowing();
    for kind in [ServiceKind::Postgres, ServiceKind::Clickhouse] {
        let bench = Bench::on([postgres(), kafka(), clickhouse()]).within(Duration::from_secs(2));
        let paused = Paused::new(engine(kind).pid);
        let error = bench.error("cdc", order());
        drop(paused);
        println!("{kind}: {error}");
        assert!(error.contains("no answer") && error.to_lowercase().contains(kind.as_str()), "{error}");
    }
}
