use crate::support::*;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use cutproof::probe::client::clickhouse::query;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/clickhouse");

fn engine() -> Endpoint {
    crate::support::engine(ServiceKind::Clickhouse)
}

fn run(sql: &str) -> String {
    query(&engine(), sql, &[], ENOUGH).unwrap_or_else(|error| panic!("{error}"))
}

/// A database that is dropped with it.
struct Database(String);

impl Database {
    /// Only its name: it is not there yet.
    fn named() -> Database {
        Database(unique("cutproof_test"))
    }

    fn new() -> Database {
        let database = Database::named();
        run(&format!("CREATE DATABASE {}", database.0));
        database
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = query(&engine(), &format!("DROP DATABASE IF EXISTS {}", self.0), &[], ENOUGH);
    }
}

fn asked(sql: &str, observes: Value) -> Outcome {
    measure("clickhouse_query", json!({"sql": sql, "observes": observes}), &[engine()], ENOUGH)
}

#[test]
fn columns_of_the_first_row_are_observed_as_declared() {
    let sql = "SELECT 42 AS n, 1.5::Decimal(9, 3) AS d, 18446744073709551615 AS big, 'RUNNING' AS state, true AS ok, \
               NULL AS nothing, nan AS odd, 1/0 AS more, unhex('ff41') AS bytes, 'seen' AS other FROM numbers(3)";
    let observes = json!({
        "n": "ms", "d": "ratio", "big": "count", "state": "text", "ok": "bool", "nothing": "s", "odd": "ms",
        "more": "ms", "bytes": "text",
    });
    let outcome = asked(sql, observes);
    assert_eq!((outcome.number("rows"), outcome.number("n"), outcome.number("d")), (3.0, 42.0, 1.5));
    assert_eq!(outcome.number("big"), 18_446_744_073_709_551_615.0);
    assert_eq!(outcome.reading("state"), &Reading::text("RUNNING"));
    assert_eq!(outcome.reading("ok"), &Reading::bool(true));
    for missing in ["nothing", "odd", "more"] {
        assert_eq!(outcome.reading(missing), &Reading::Missing, "{missing}");
    }
    assert_eq!(outcome.reading("bytes"), &Reading::text("\u{fffd}A"));
    assert_eq!(outcome.fact("other"), "\"seen\"");
    assert!(outcome.number("elapsed_ms") > 0.0);
}

#[test]
fn an_answer_without_rows_leaves_its_columns_missing() {
    let outcome = asked("SELECT number AS n FROM numbers(0)", json!({"n": "count"}));
    assert_eq!(outcome.number("rows"), 0.0);
    assert_eq!(outcome.reading("n"), &Reading::Missing);
}

#[test]
fn rows_are_counted_and_huge_answers_refused() {
    assert_eq!(asked("SELECT number FROM numbers(200000)", json!({})).number("rows"), 200_000.0);
    let outcome = asked("SELECT number, repeat('x', 1000000) FROM numbers(20)", json!({}));
    assert!(outcome.error().contains("more than 16 MiB"), "{}", outcome.error());
}

#[test]
fn parameters_reach_the_statement_as_they_are() {
    let odd = "a'b\\c\td\ne{}☃";
    let args = json!({"sql": "SELECT {odd:String} AS odd, length({odd:String}) AS n", "params": {"odd": odd},
                      "observes": {"odd": "text", "n": "count"}});
    let outcome = measure("clickhouse_query", args, &[engine()], ENOUGH);
    assert_eq!(outcome.reading("odd"), &Reading::text(odd));
    assert_eq!(outcome.number("n"), odd.len() as f64);
}

#[test]
fn a_query_that_would_write_is_refused_by_the_server() {
    let database = Database::new();
    let table = format!("{}.t", database.0);
    run(&format!("CREATE TABLE {table} (a Int8) ENGINE = Memory"));
    for sql in [
        format!("INSERT INTO {table} VALUES (1)"),
        format!("INSERT INTO {table} SELECT 1 SETTINGS readonly = 0"),
        format!("DROP TABLE {table}"),
        format!("CREATE TABLE {}.u (a Int8) ENGINE = Memory", database.0),
    ] {
        let outcome = asked(&sql, json!({}));
        assert!(outcome.error().contains("code 164"), "{sql}: {}", outcome.error());
    }
    assert_eq!(run(&format!("SELECT count() FROM {table}")).trim(), "0");
    assert_eq!(
        run(&format!("SELECT count() FROM system.tables WHERE database = '{}'", database.0)).trim(),
        "1"
    );
}

#[test]
fn what_is_wrong_with_a_query_is_told() {
    let of = |sql: &str, observes: Value| asked(sql, observes).error().to_owned();
    let error = of("SELECT 1 AS a", json!({"b": "ms"}));
    assert!(error.contains("expected one column `b`") && error.ends_with("seen: a"), "{error}");
    let error = of("SELECT 'x' AS a", json!({"a": "ms"}));
    assert!(error.contains("expected ms") && error.ends_with("seen x"), "{error}");
    let error = of("SELECT * FROM nowhere", json!({}));
    assert!(error.contains("code 60") && error.contains("init clickhouse"), "{error}");
    let error = of("SELECT 1 FORMAT CSV", json!({}));
    assert!(error.contains("leave FORMAT out"), "{error}");
    let error = of("SELECT throwIf(number = 60000) FROM numbers(100000)", json!({}));
    assert!(error.contains("code 395"), "{error}");
    let endpoint = Endpoint { database: Some("no_such_database".into()), ..engine() };
    let outcome = measure("clickhouse_query", json!({"sql": "SELECT 1"}), &[endpoint], ENOUGH);
    assert!(outcome.error().contains("code 81"), "{}", outcome.error());
}

#[test]
fn bad_luck_with_clickhouse_is_told() {
    assert_bad_luck_is_told("clickhouse_query", &json!({"sql": "SELECT 1"}), &engine());
    assert_bad_luck_is_told("clickhouse_schema", &json!({"tables": [{"name": "t"}]}), &engine());
}

#[test]
fn a_port_that_speaks_something_else_is_told() {
    let redis = crate::support::engine(ServiceKind::Redis);
    let endpoint = Endpoint::at(ServiceKind::Clickhouse, format!("http://{}", redis.address));
    let outcome = measure("clickhouse_query", json!({"sql": "SELECT 1"}), &[endpoint], ENOUGH);
    let error = outcome.error();
    assert!(error.contains("does not answer in HTTP") || error.contains("cut the connection"), "{error}");
}

#[test]
fn tables_are_compared_with_what_is_expected() {
    let database = Database::new();
    run(&format!(
        "CREATE TABLE {}.ticks (instrument LowCardinality(String), t DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY t",
        database.0
    ));
    let of = |tables: Value| {
        measure("clickhouse_schema", json!({"database": database.0, "tables": tables}), &[engine()], ENOUGH)
    };
    let good = of(json!([{"name": "ticks", "engine": "MergeTree", "columns": {"t": "DateTime64(3,'UTC')"}}]));
    let counts = ["tables_found", "tables_missing", "engines_wrong", "columns_missing", "columns_wrong"];
    assert_eq!(counts.map(|name| good.number(name)), [1.0, 0.0, 0.0, 0.0, 0.0]);
    let bad = of(json!([
        {"name": "ticks", "engine": "Log", "columns": {"t": "DateTime", "price": "Float64"}},
        {"name": "orders"},
    ]));
    assert_eq!(counts.map(|name| bad.number(name)), [1.0, 1.0, 1.0, 1.0, 1.0]);
    assert!(
        bad.fact("differences").contains("ticks.t: expected DateTime, seen DateTime64(3, 'UTC')"),
        "{}",
        bad.fact("differences")
    );
    let nowhere = json!({"database": "no_such_database", "tables": [{"name": "ticks"}]});
    assert_eq!(measure("clickhouse_schema", nowhere, &[engine()], ENOUGH).number("tables_missing"), 1.0);
}

fn init(schema: &str, database: &Database, broker: &str) -> Outcome {
    let args = json!({"schema_dir": schema, "database": database.0, "kafka_broker": broker});
    measure("clickhouse_init", args, &[engine()], ENOUGH)
}

#[test]
fn the_schema_is_created_once_and_then_found_as_asked_for() {
    let database = Database::named();
    // Nothing listens there: the tables are made all the same, and nothing is read.
    let broker = nobody().to_string();
    let first = init(FIXTURES, &database, &broker);
    assert_eq!(first.reading("success"), &Reading::bool(true), "{:?}", first.steps);
    assert_eq!(first.reading("failed_step"), &Reading::text(""));
    assert_eq!((first.number("applied"), first.number("created"), first.number("existed")), (7.0, 26.0, 0.0));
    assert_eq!(
        first.step_names()[..3],
        ["verify_clickhouse", "apply_000_ingest_errors.sql", "apply_010_market_ticks.sql"]
    );
    eprintln!("schema created in {:?}", first.took);

    let second = init(FIXTURES, &database, &broker);
    assert_eq!(second.reading("success"), &Reading::bool(true), "{:?}", second.steps);
    assert_eq!(
        (second.number("applied"), second.number("created"), second.number("existed")),
        (7.0, 0.0, 25.0)
    );
    assert!(second.fact("existed").contains(&format!("{}.orders_cdc_mv", database.0)));
    eprintln!("schema found in {:?}", second.took);

    let tables = json!([
        {"name": "market_ticks", "engine": "MergeTree", "columns": {"event_time": "DateTime64(3, 'UTC')"}},
        {"name": "market_ticks_kafka", "engine": "Kafka"},
        {"name": "market_ticks_mv", "engine": "MaterializedView"},
        {"name": "risk_events_cdc", "engine": "MergeTree"},
    ]);
    let schema =
        measure("clickhouse_schema", json!({"database": database.0, "tables": tables}), &[engine()], ENOUGH);
    assert_eq!(schema.number("tables_found"), 4.0);

    let moved = init(FIXTURES, &database, "elsewhere:9092");
    assert_eq!(moved.reading("success"), &Reading::bool(false));
    assert_eq!(moved.reading("failed_step"), &Reading::text("apply_010_market_ticks.sql"));
    let why = moved.fact("steps");
    assert!(why.contains("kafka_broker_list = 'elsewhere:9092', seen"), "{why}");
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

#[test]
fn a_table_that_is_there_otherwise_fails_and_is_left_as_it_is() {
    let database = Database::new();
    run(&format!("CREATE TABLE {}.t (a UInt8, b String) ENGINE = MergeTree ORDER BY a", database.0));
    for (sql, why) in [
        (
            "CREATE TABLE IF NOT EXISTS t (a UInt16) ENGINE = MergeTree ORDER BY a",
            "t.a: expected UInt16, seen UInt8",
        ),
        ("CREATE TABLE IF NOT EXISTS t (c String) ENGINE = MergeTree ORDER BY a", "t.c: not there"),
        ("CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = Log", "expected engine Log, seen MergeTree"),
        ("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY (a, b)", "expected ORDER BY a,b, seen a"),
        (
            "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a TTL today() + INTERVAL 1 DAY",
            "expected TTL",
        ),
    ] {
        let folder = folder(&[("a.sql", &format!("CREATE TABLE new (a UInt8) ENGINE = Memory;\n{sql}"))]);
        let outcome = init(folder.path().to_str().expect("a path"), &database, "b:1");
        assert_eq!(outcome.reading("success"), &Reading::bool(false), "{sql}");
        assert!(outcome.fact("steps").contains(why), "{}", outcome.fact("steps"));
        assert!(outcome.fact("steps").contains("a.sql:2:"), "{}", outcome.fact("steps"));
    }
    // What differs only in how it is written is the same; nothing was created beside the table that did not fit.
    let folder = folder(&[(
        "a.sql",
        "create table t ( `a` TINYINT UNSIGNED, b VARCHAR ) engine=MergeTree() order by ( a )",
    )]);
    let outcome = init(folder.path().to_str().expect("a path"), &database, "b:1");
    assert_eq!(outcome.reading("success"), &Reading::bool(true), "{}", outcome.fact("steps"));
    assert_eq!(
        run(&format!("SELECT count() FROM system.tables WHERE database = '{}'", database.0)).trim(),
        "1"
    );
}

#[test]
fn an_init_that_stopped_half_way_goes_on_when_its_file_is_mended() {
    let database = Database::named();
    let folder = folder(&[
        ("010_a.sql", "CREATE TABLE IF NOT EXISTS {{database}}.a (x UInt8) ENGINE = Memory;"),
        ("020_b.sql", "-- b\n\nCREATE TABLE IF NOT EXISTS b (x Unt8) ENGINE = Memory"),
        ("030_c.sql", "ALTER TABLE a ADD COLUMN IF NOT EXISTS y String"),
    ]);
    let path = folder.path().to_str().expect("a path");
    let broken = init(path, &database, "b:1");
    assert_eq!(broken.reading("failed_step"), &Reading::text("apply_020_b.sql"));
    assert_eq!(broken.step_names(), ["verify_clickhouse", "apply_010_a.sql", "apply_020_b.sql"]);
    assert!(broken.fact("steps").contains("020_b.sql:3:"), "{}", broken.fact("steps"));
    fs::write(folder.path().join("020_b.sql"), "CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = Memory")
        .expect("a file");
    for (created, existed) in [(1.0, 1.0), (0.0, 2.0)] {
        let mended = init(path, &database, "b:1");
        assert_eq!(mended.reading("success"), &Reading::bool(true), "{}", mended.fact("steps"));
        assert_eq!((mended.number("created"), mended.number("existed")), (created, existed));
    }
    assert_eq!(run(&format!("SELECT x, y FROM {}.a", database.0)), "");
}

#[test]
fn the_brokers_come_from_the_gates_kafka_as_clickhouse_sees_it() {
    let database = Database::named();
    let args = json!({"schema_dir": FIXTURES, "database": database.0});
    let alone = measure("clickhouse_init", args.clone(), &[engine()], ENOUGH);
    assert!(alone.error().contains("set `kafka_broker`"), "{}", alone.error());
    let mut kafka = Endpoint::at(ServiceKind::Kafka, "127.0.0.1:9");
    kafka.inside = Some("kafka:9092".into());
    let both = measure("clickhouse_init", args, &[engine(), kafka], ENOUGH);
    assert_eq!(both.reading("success"), &Reading::bool(true), "{}", both.fact("steps"));
    let made = run(&format!(
        "SELECT engine_full FROM system.tables WHERE database = '{}' AND name = 'orders_cdc_kafka'",
        database.0
    ));
    assert!(made.contains("kafka:9092") && made.contains("quant_hft_clickhouse_orders_cdc"), "{made}");
}

#[test]
fn an_init_with_nothing_listening_names_its_first_step() {
    let endpoint = through(&engine(), nobody());
    let args = json!({"schema_dir": FIXTURES, "kafka_broker": "b:1"});
    let outcome = measure("clickhouse_init", args.clone(), &[endpoint], ENOUGH);
    assert_eq!(outcome.reading("success"), &Reading::bool(false));
    assert_eq!(outcome.reading("failed_step"), &Reading::text("verify_clickhouse"));
    assert_eq!(outcome.step_names(), ["verify_clickhouse"]);
    assert!(outcome.fact("steps").contains("nothing listens"), "{}", outcome.fact("steps"));
    let paused = through(&engine(), in_front_of(&engine().address, Luck::Stalls(0)));
    let mut args = args;
    args["connect_timeout"] = json!(500);
    let outcome = measure("clickhouse_init", args, &[paused], ENOUGH);
    assert_eq!(outcome.reading("failed_step"), &Reading::text("verify_clickhouse"));
    assert!(outcome.fact("steps").contains("no answer from"), "{}", outcome.fact("steps"));
}
