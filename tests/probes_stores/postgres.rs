use crate::support::*;
use cutproof::model::{Endpoint, Reading, Secret, ServiceKind};
use cutproof::probe::client::postgres::connect;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/postgres");

fn engine() -> Endpoint {
    crate::support::engine(ServiceKind::Postgres)
}

/// A database that is dropped with it.
struct Database(Endpoint);

impl Database {
    fn new() -> Database {
        let name = unique("cutproof_test");
        let mut direct = connect(&engine(), ENOUGH).expect("the engine");
        direct.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database");
        Database(Endpoint { database: Some(name), ..engine() })
    }

    fn name(&self) -> &str {
        self.0.database.as_deref().expect("a name")
    }

    fn run(&self, sql: &str) {
        connect(&self.0, ENOUGH)
            .expect("the engine")
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn count(&self, sql: &str) -> i64 {
        connect(&self.0, ENOUGH).expect("the engine").query_one(sql, &[]).expect("a row").get(0)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(mut direct) = connect(&engine(), ENOUGH) {
            let _ = direct.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name()));
        }
    }
}

fn asked(sql: &str, observes: Value) -> Outcome {
    measure("postgres_query", json!({"sql": sql, "observes": observes}), &[engine()], ENOUGH)
}

#[test]
fn columns_of_the_first_row_are_observed_as_declared() {
    let sql = "SELECT 42::int8 AS n, 1.005::numeric AS d, -0.25::float4 AS f, 'RUNNING' AS state, true AS ok, \
               NULL::int AS nothing, 'NaN'::numeric AS odd, 'infinity'::float8 AS more, now() AS at, \
               interval '1 s' AS other, 'a'::name AS name FROM generate_series(1, 3)";
    let observes = json!({
        "n": "ms", "d": "ratio", "f": "count", "state": "text", "ok": "bool", "nothing": "s", "odd": "ms",
        "more": "ms", "at": "text", "name": "text",
    });
    let outcome = asked(sql, observes);
    assert_eq!((outcome.number("rows"), outcome.number("n"), outcome.number("d")), (3.0, 42.0, 1.005));
    assert_eq!(outcome.number("f"), -0.25);
    assert_eq!(outcome.reading("state"), &Reading::text("RUNNING"));
    assert_eq!(outcome.reading("ok"), &Reading::bool(true));
    for missing in ["nothing", "odd", "more"] {
        assert_eq!(outcome.reading(missing), &Reading::Missing, "{missing}");
    }
    let Reading::Text { value } = outcome.reading("at") else { panic!("no time") };
    assert!(value.starts_with("20") && value.ends_with('Z'), "{value}");
    assert!(outcome.fact("other").contains("type interval: cast it"), "{}", outcome.fact("other"));
}

#[test]
fn an_interval_is_read_where_it_is_cast() {
    let sql = "SELECT extract(epoch FROM interval '1500 ms') AS lag";
    assert_eq!(asked(sql, json!({"lag": "s"})).number("lag"), 1.5);
}

#[test]
fn many_rows_are_counted() {
    assert_eq!(
        asked("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) AS n", json!({})).number("rows"),
        1e5
    );
    assert_eq!(asked("SELECT 1 AS n WHERE false", json!({"n": "count"})).reading("n"), &Reading::Missing);
}

#[test]
fn a_query_that_would_write_is_refused_by_the_server() {
    let database = Database::new();
    database.run("CREATE TABLE t (a int)");
    let of = |sql: &str| {
        measure("postgres_query", json!({"sql": sql}), std::slice::from_ref(&database.0), ENOUGH)
            .error()
            .to_owned()
    };
    for sql in [
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TABLE u (a int)",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
    ] {
        let error = of(sql);
        assert!(error.contains("(25006)") && error.contains("only reads"), "{sql}: {error}");
    }
    let two = of("COMMIT; INSERT INTO t VALUES (1)");
    assert!(two.contains("(42601)"), "{two}");
    assert_eq!(database.count("SELECT count(*) FROM t"), 0);
}

#[test]
fn what_is_wrong_with_a_query_is_told() {
    let of = |sql: &str, observes: Value| asked(sql, observes).error().to_owned();
    let error = of("SELECT 1 AS a, 2 AS b, 3 AS b", json!({"b": "ms"}));
    assert!(error.contains("expected one column `b`") && error.ends_with("seen: a, b, b"), "{error}");
    let error = of("SELECT interval '1 s' AS a", json!({"a": "s"}));
    assert!(error.contains("cast it"), "{error}");
    let error = of("SELECT * FROM nowhere", json!({}));
    assert!(error.contains("(42P01)") && error.contains("init timescale"), "{error}");
    let slow = json!({"sql": "SELECT pg_sleep(3600)"});
    let outcome = measure("postgres_query", slow, &[engine()], Duration::from_secs(1));
    let error = outcome.error();
    assert!(error.contains("(57014)") || error.contains("no answer"), "{error}");
}

#[test]
fn bad_luck_with_postgres_is_told() {
    assert_bad_luck_is_told("postgres_query", &json!({"sql": "SELECT 1"}), &engine());
    assert_bad_luck_is_told("postgres_schema", &json!({"tables": [{"name": "t"}]}), &engine());
}

#[test]
fn a_wrong_password_and_a_wrong_database_are_told() {
    let wrong = Endpoint { password: Some(Secret::new("wrong-password")), ..engine() };
    let outcome = measure("postgres_query", json!({"sql": "SELECT 1"}), &[wrong], ENOUGH);
    let error = outcome.error();
    assert!(error.contains("(28P01)") && error.contains("check the service's user and password"), "{error}");
    assert!(!error.contains("wrong-password"), "{error}");
    let nowhere = Endpoint { database: Some("no_such_database".into()), ..engine() };
    let outcome = measure("postgres_query", json!({"sql": "SELECT 1"}), &[nowhere], ENOUGH);
    assert!(outcome.error().contains("(3D000)"), "{}", outcome.error());
}

/// The server's process behind this very connection, stopped as a debugger would; it goes on when this is dropped.
struct Stopped(String);

impl Stopped {
    fn process(pid: i32) -> Stopped {
        let stopped = Stopped(pid.to_string());
        stopped.signal("-STOP");
        stopped
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.0]).status().expect("kill");
        assert!(sent.success(), "no right to signal the engine's process {}", self.0);
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn a_server_that_is_stopped_ends_the_connection_at_its_deadline() {
    let mut client = connect(&engine(), Duration::from_secs(2)).expect("the engine");
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).expect("a row").get(0);
    let stopped = Stopped::process(pid);
    let began = Instant::now();
    let error = client.query_one("SELECT 1", &[]).expect_err("no answer");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}: {error}", began.elapsed());
    drop(stopped);
}

#[test]
fn tables_are_compared_with_what_is_expected() {
    let database = Database::new();
    database.run(
        "CREATE SCHEMA s; CREATE TYPE s.side AS ENUM ('buy', 'sell'); \
         CREATE TABLE s.orders (id text PRIMARY KEY, price numeric(20, 8), at timestamptz(3), n varchar(9)[], \
         quantity numeric(20), ratio float(4), code char(3), side s.side, number bigserial)",
    );
    let of = |tables: Value| {
        measure("postgres_schema", json!({"tables": tables}), std::slice::from_ref(&database.0), ENOUGH)
    };
    let columns = json!({
        "id": "TEXT", "price": "decimal(20,8)", "at": "timestamp(3) with time zone", "n": "varchar(9)[]",
        "quantity": "numeric(20)", "ratio": "float(4)", "code": "char(3)", "side": "s.side", "number": "bigserial",
    });
    let good = of(json!([{"name": "s.orders", "columns": columns}]));
    let counts = ["tables_found", "tables_missing", "columns_missing", "columns_wrong"];
    assert_eq!(counts.map(|name| good.number(name)), [1.0, 0.0, 0.0, 0.0], "{:?}", good.measurement().facts);
    assert!(matches!(good.reading("timescaledb"), Reading::Bool { .. }));
    assert!(matches!(good.reading("wal_level"), Reading::Text { value } if !value.is_empty()));
    let bad = of(json!([
        {"name": "s.orders", "columns": {"id": "int", "price": "numeric(20, 4)", "who": "text", "code": "no_such_type"}},
        {"name": "trades"},
    ]));
    assert_eq!(counts.map(|name| bad.number(name)), [1.0, 1.0, 1.0, 3.0]);
    assert!(
        bad.fact("differences").contains("s.orders.id: expected integer, seen text"),
        "{}",
        bad.fact("differences")
    );
    assert!(bad.fact("differences").contains("public.trades: not there"), "{}", bad.fact("differences"));
}

fn init(database: &Database, args: Value) -> Outcome {
    let mut args = args;
    args["database"] = json!(database.name());
    measure("timescale_init", args, &[engine()], ENOUGH)
}

#[test]
fn the_schema_is_created_once_and_then_found_as_asked_for() {
    let database = Database::new();
    let args = json!({"schema_dir": FIXTURES, "expected_table_count": 7});
    let first = init(&database, args.clone());
    assert_eq!(first.reading("success"), &Reading::bool(true), "{}", first.fact("steps"));
    assert_eq!(first.step_names(), ["wait_ready", "apply_schema", "verify_schema"]);
    assert_eq!((first.number("applied"), first.number("created"), first.number("existed")), (3.0, 7.0, 0.0));
    assert_eq!(first.number("tables"), 7.0);
    let extension = "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'";
    let timescaledb = database.count(extension) > 0;
    assert_eq!(first.reading("timescaledb"), &Reading::bool(timescaledb));
    let words = if timescaledb { "with TimescaleDB" } else { "without TimescaleDB" };
    assert!(first.fact("steps").contains(words), "{}", first.fact("steps"));
    eprintln!("schema created in {:?}", first.took);
    let second = init(&database, args);
    assert_eq!(second.reading("success"), &Reading::bool(true), "{}", second.fact("steps"));
    assert_eq!((second.number("created"), second.number("existed")), (0.0, 7.0));
    let order = "INSERT INTO trading_core.orders (order_id, account_id, instrument_id, side, price, volume) \
                 VALUES ('1', 'a', 'rb2501', 'buy', 1, 1)";
    database.run(order);

    let few = init(&database, json!({"schema_dir": FIXTURES, "expected_table_count": 8}));
    assert_eq!(few.reading("failed_step"), &Reading::text("verify_schema"));
    assert!(
        few.fact("steps").contains("expected 8 tables in ops, trading_core, seen 7"),
        "{}",
        few.fact("steps")
    );

    database.run("ALTER TABLE trading_core.orders ALTER price TYPE numeric(20, 4)");
    let changed = init(&database, json!({"schema_dir": FIXTURES}));
    assert_eq!(changed.reading("failed_step"), &Reading::text("apply_schema"));
    let why = changed.fact("steps");
    assert!(why.contains("trading_core.orders.price: expected numeric(20,8), seen numeric(20,4)"), "{why}");
}

#[test]
fn a_file_that_fails_is_told_with_its_line_and_leaves_nothing() {
    let database = Database::new();
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("010_a.sql"), "CREATE TABLE a (x int);").expect("a file");
    fs::write(folder.path().join("020_b.sql"), "CREATE TABLE b (x int);\n\nCREATE TABLE c (x no_such_type);")
        .expect("a file");
    let outcome = init(&database, json!({"schema_dir": folder.path()}));
    assert_eq!(outcome.reading("failed_step"), &Reading::text("apply_schema"));
    assert!(outcome.fact("steps").contains("020_b.sql:3: "), "{}", outcome.fact("steps"));
    assert_eq!(outcome.number("applied"), 1.0);
    assert_eq!(outcome.reading("tables"), &Reading::Missing);
    let tables = "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b', 'c')";
    assert_eq!(database.count(tables), 1);
}

#[test]
fn names_and_types_that_are_written_otherwise_are_the_same() {
    let database = Database::new();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("a.sql");
    fs::write(
        &file,
        "CREATE TABLE IF NOT EXISTS Public.Folded (ID INT, \"Price\" DECIMAL(9, 2), at TIMESTAMPTZ);",
    )
    .expect("a file");
    for (created, existed) in [(1.0, 0.0), (0.0, 1.0)] {
        let outcome = init(&database, json!({"schema_file": file}));
        assert_eq!(outcome.reading("success"), &Reading::bool(true), "{}", outcome.fact("steps"));
        assert_eq!((outcome.number("created"), outcome.number("existed")), (created, existed));
    }
}

#[test]
fn one_file_can_be_named_instead_of_a_folder() {
    let database = Database::new();
    let outcome = init(&database, json!({"schema_file": format!("{FIXTURES}/020_ops.sql")}));
    assert_eq!(outcome.reading("success"), &Reading::bool(true), "{}", outcome.fact("steps"));
    assert_eq!(outcome.number("tables"), 1.0);
}

#[test]
fn an_init_with_nothing_listening_names_its_first_step() {
    let endpoint = through(&engine(), nobody());
    let args = json!({"schema_dir": FIXTURES, "connect_timeout": 600});
    let outcome = measure("timescale_init", args, &[endpoint], ENOUGH);
    assert_eq!(outcome.reading("failed_step"), &Reading::text("wait_ready"));
    assert_eq!(outcome.step_names(), ["wait_ready"]);
    assert!(outcome.fact("steps").contains("nothing listens"), "{}", outcome.fact("steps"));
}

#[test]
fn a_refused_user_is_not_asked_again_and_a_server_that_comes_up_is_waited_for() {
    let database = Database::new();
    let wrong = Endpoint { password: Some(Secret::new("wrong-password")), ..engine() };
    let args = json!({"schema_dir": FIXTURES, "database": database.name(), "connect_timeout": 20_000});
    let outcome = measure("timescale_init", args.clone(), &[wrong], ENOUGH);
    assert!(outcome.fact("steps").contains("(28P01)"), "{}", outcome.fact("steps"));

    let address = nobody();
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(400));
        let listener = TcpListener::bind(address).expect("the port is still free");
        let server = crate::support::engine(ServiceKind::Postgres).address;
        for client in listener.incoming().flatten() {
            let server = std::net::TcpStream::connect(&server).expect("the engine");
            let (asked, answered) =
                (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            thread::spawn(move || std::io::copy(&mut &asked, &mut &server));
            thread::spawn(move || std::io::copy(&mut &answered, &mut &client));
        }
    });
    let outcome = measure("timescale_init", args, &[through(&engine(), address)], ENOUGH);
    assert_eq!(outcome.reading("success"), &Reading::bool(true), "{}", outcome.fact("steps"));
    drop(opener);
}
