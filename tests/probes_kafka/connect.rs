//! Connectors: their state, and putting them in place.

use crate::bench::{Bench, GRACE, PATIENCE, connect, facts, nobody, number, postgres, text, truth, well};
use crate::cluster::values;
use cutproof::model::{Endpoint, Secret, ServiceKind};
use cutproof::probe;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A client of the tests' own.
pub fn sql(statements: &str) {
    let server = postgres();
    let (host, port) = server.address.split_once(':').unwrap();
    let mut client = ::postgres::Config::new()
        .host(host)
        .port(port.parse().unwrap())
        .user(server.user.as_deref().unwrap())
        .password(server.password.as_ref().map(Secret::reveal).unwrap())
        .dbname(server.database.as_deref().unwrap())
        .connect(::postgres::NoTls)
        .unwrap();
    client.batch_execute(statements).unwrap();
}

/// A schema with a table that is captured, and the file of its connector.
struct Captured {
    name: String,
    folder: TempDir,
    config: Value,
}

impl Captured {
    fn new() -> Captured {
        let name = format!("t{:012x}", fastrand::u64(..1 << 48));
        sql(&format!("CREATE SCHEMA {name}; CREATE TABLE {name}.orders (id text PRIMARY KEY)"));
        let config = json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "{{postgres.host}}",
            "database.port": "{{postgres.port}}",
            "database.user": "{{postgres.user}}",
            "database.password": "{{postgres.password}}",
            "database.dbname": "{{ postgres.database }}",
            "plugin.name": "pgoutput",
            "slot.name": name, "publication.name": name, "topic.prefix": name,
            "schema.include.list": name,
            "publication.autocreate.mode": "filtered",
            "topic.creation.default.partitions": 1,
            "topic.creation.default.replication.factor": 1,
            "poll.interval.ms": 50,
            "errors.max.retries": 0,
        });
        Captured { name, folder: tempfile::tempdir().unwrap(), config }
    }

    fn set(&mut self, entry: &str, value: impl Into<Value>) {
        self.config[entry] = value.into();
    }

    /// Settings with this connector alone, as its file is now.
    fn args(&self) -> Value {
        let file = self.folder.path().join("connector.json");
        let body = json!({"name": self.name, "config": self.config});
        std::fs::write(&file, body.to_string()).unwrap();
        json!({"connectors": [{"key": "it", "file": file}]})
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        let url = format!("{}/connectors/{}", connect().address, self.name);
        // It may not have come to be; its slot is dropped once nobody reads it any more.
        let _ = ureq::delete(url).call();
        let slot = &self.name;
        sql(&format!(
            "DO $$ BEGIN FOR n IN 1..100 LOOP
                EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}' AND active);
                PERFORM pg_sleep(0.1);
            END LOOP; END $$;
            SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active"
        ));
    }
}

fn bench() -> Bench {
    Bench::on([connect(), postgres()])
}

/// No fact, no observation, no step and no plan may hold a secret.
fn assert_no_secret(bench: &Bench, found: &probe::Measurement, args: &Value) {
    let password = postgres().password.unwrap();
    let Value::Object(args) = args.clone() else { panic!("an object") };
    let steps = probe::find("debezium_init").unwrap().steps(&cutproof::model::Args::new(args)).unwrap();
    let told = format!("{found:?} {} {steps:?}", bench.told.lines());
    assert!(!told.contains(password.reveal()), "{told}");
}

pub fn connectors_are_created_found_and_updated() {
    let _well = well();
    let mut captured = Captured::new();
    let first = bench();
    let found = first.ok("debezium_init", captured.args());
    print!("{}", first.told.lines());
    assert!(truth(&found, "success"), "{}", facts(&found));
    assert_eq!(first.told.names(), ["apply_it", "verify_it"]);
    assert_eq!(first.told.said("apply_it"), Ok(format!("{} created", captured.name)));
    assert_no_secret(&first, &found, &captured.args());

    let second = bench();
    let found = second.ok("debezium_init", captured.args());
    assert_eq!(number(&found, "connectors_unchanged"), Some(1.0), "{}", second.told.lines());

    captured.set("poll.interval.ms", 60);
    let third = bench();
    let found = third.ok("debezium_init", captured.args());
    print!("{}", third.told.lines());
    assert!(truth(&found, "success") && number(&found, "connectors_updated") == Some(1.0));
    let url = format!("{}/connectors/{}", connect().address, captured.name);
    let tasks = ureq::get(format!("{url}/tasks")).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(tasks.contains(r#""poll.interval.ms":"60""#), "the task that runs has the new configuration");

    let state = Bench::on([connect()]).ok("connector", json!({"name": captured.name}));
    assert_eq!(text(&state, "state"), "RUNNING");
    assert_eq!((number(&state, "tasks"), number(&state, "tasks_running")), (Some(1.0), Some(1.0)));
    assert_eq!((number(&state, "tasks_failed"), number(&state, "tasks_not_running")), (Some(0.0), Some(0.0)));
    sql(&format!("INSERT INTO {}.orders VALUES ('one')", captured.name));
    assert!(values(&format!("{0}.{0}.orders", captured.name), 1)[0].contains("one"));

    ureq::put(format!("{url}/pause")).send_empty().unwrap();
    let end = Instant::now() + PATIENCE;
    while text(&Bench::on([connect()]).ok("connector", json!({"name": captured.name})), "state") != "PAUSED" {
        assert!(Instant::now() < end);
    }
    let fourth = bench();
    let found = fourth.ok("debezium_init", captured.args());
    assert!(truth(&found, "success"), "{}", fourth.told.lines());
    assert!(fourth.told.said("apply_it").unwrap().contains("it was paused and is resumed"));
}

pub fn a_task_that_failed_is_no_connector_that_runs() {
    let _well = well();
    let mut captured = Captured::new();
    let name = captured.name.clone();
    sql(&format!("CREATE PUBLICATION {name} FOR TABLE {name}.orders"));
    captured.set("publication.autocreate.mode", "disabled");
    let found = bench().ok("debezium_init", captured.args());
    assert!(truth(&found, "success"), "{}", facts(&found));
    sql(&format!("DROP PUBLICATION {name}; INSERT INTO {name}.orders VALUES ('one')"));
    let end = Instant::now() + PATIENCE;
    let state = loop {
        let state = Bench::on([connect()]).ok("connector", json!({"name": name}));
        if number(&state, "tasks_failed") == Some(1.0) {
            break state;
        }
        assert!(Instant::now() < end, "the task does not fail");
    };
    assert_eq!(text(&state, "state"), "RUNNING", "the connector itself still runs");
    assert_eq!(
        (number(&state, "tasks_running"), number(&state, "tasks_not_running")),
        (Some(0.0), Some(1.0))
    );
    println!("{}", facts(&state));
    assert!(
        facts(&state).contains("task_0_failed") && facts(&state).contains("publication"),
        "{}",
        facts(&state)
    );
    assert!(state.facts.text("task_0_trace").unwrap().len() <= 2100);

    let bench = bench();
    let found = bench.ok("debezium_init", captured.args());
    assert_eq!(text(&found, "failed_step"), "verify_it");
    let said = bench.told.said("verify_it").unwrap_err();
    println!("{said}");
    assert!(said.contains("task 0 FAILED") && said.contains("onlyFailed=true"), "{said}");
}

pub fn a_configuration_that_connect_refuses_fails_its_step() {
    let _well = well();
    let mut captured = Captured::new();
    captured.set("database.port", "1");
    let bench = bench();
    let found = bench.ok("debezium_init", captured.args());
    assert_eq!(text(&found, "failed_step"), "apply_it");
    let said = bench.told.said("apply_it").unwrap_err();
    println!("{said}");
    assert!(
        said.contains("status 400")
            && said.contains("Connection to 127.0.0.1:1 refused")
            && !said.contains('\n'),
        "{said}"
    );
    assert_no_secret(&bench, &found, &captured.args());
}

pub fn a_connector_that_is_not_there_is_missing() {
    let _well = well();
    let state = Bench::on([connect()]).ok("connector", json!({"name": "not there, at all"}));
    assert_eq!(text(&state, "state"), "MISSING");
    assert_eq!(number(&state, "tasks"), Some(0.0));
}

pub fn an_init_where_nobody_listens_fails_its_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, r#"{"connector.class": "x"}"#).unwrap();
    let keys = ["trading_core", "ops_audit"];
    let connectors: Vec<_> = keys.iter().map(|key| json!({"key": key, "file": file})).collect();
    let bench = Bench::on([Endpoint::at(ServiceKind::Connect, format!("http://{}", nobody()))]);
    let found = bench.ok("debezium_init", json!({"connectors": connectors}));
    assert_eq!(text(&found, "failed_step"), "apply_trading_core");
    assert_eq!(bench.told.names(), ["apply_trading_core"]);
    let said = bench.told.said("apply_trading_core").unwrap_err();
    assert!(said.contains("connection refused"), "{said}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let bench = Bench::on([Endpoint::at(ServiceKind::Connect, address)]);
    let began = Instant::now();
    let args = json!({"connectors": connectors, "connect_timeout": 500});
    assert_eq!(text(&bench.ok("debezium_init", args), "failed_step"), "apply_trading_core");
    assert!(began.elapsed() < Duration::from_millis(500) + GRACE);
    assert!(bench.told.said("apply_trading_core").unwrap_err().contains("no answer"));
}

/// Something that answers each request with what `answer` gives for its number.
fn worker(answer: impl Fn(usize) -> (u16, String) + Send + 'static) -> (Endpoint, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::at(ServiceKind::Connect, format!("http://{}", listener.local_addr().unwrap()));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let (status, body) = answer(counter.fetch_add(1, Ordering::SeqCst));
            let head =
                format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.take(1 << 20).read_to_end(&mut Vec::new());
        }
    });
    (endpoint, asked)
}

const RUNNING: &str = r#"{"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "RUNNING"}]}"#;
const REBALANCE: &str =
    r#"{"error_code": 409, "message": "Cannot complete request momentarily due to rebalance"}"#;

pub fn a_worker_that_rebalances_is_asked_again() {
    let (endpoint, asked) =
        worker(|n| if n < 3 { (409, REBALANCE.to_owned()) } else { (200, RUNNING.to_owned()) });
    let state = Bench::on([endpoint]).ok("connector", json!({"name": "x"}));
    assert_eq!((text(&state, "state"), asked.load(Ordering::SeqCst)), ("RUNNING".to_owned(), 4));
}

pub fn a_worker_that_never_stops_rebalancing_is_an_error() {
    let (endpoint, asked) = worker(|_| (409, REBALANCE.to_owned()));
    let error = Bench::on([endpoint]).within(Duration::from_secs(1)).error("connector", json!({"name": "x"}));
    assert!(error.contains("rebalancing all the time"), "{error}");
    assert!(asked.load(Ordering::SeqCst) > 2);
}

pub fn answers_that_are_not_connects_are_errors() {
    let error = |status: u16, body: String| {
        let (endpoint, _) = worker(move |_| (status, body.clone()));
        Bench::on([endpoint]).error("connector", json!({"name": "x"}))
    };
    for (status, body) in
        [(200, "<html>hello</html>"), (404, "not found"), (200, ""), (200, "[1]"), (200, "{\"a\":")]
    {
        let error = error(status, body.to_owned());
        assert!(error.contains("is this Kafka Connect's REST port?"), "{status} {body}: {error}");
    }
    let said = error(200, r#"{"connector": {}}"#.to_owned());
    assert!(said.contains("expected `connector.state`"), "{said}");
    let said = error(200, "[".repeat(5 << 20));
    assert!(said.contains("more than 4 MiB"), "{said}");
    let said = error(200, "[".repeat(1 << 20));
    assert!(said.contains("no JSON object"), "{said}");
    let said = error(500, r#"{"message": "password=hunter2 was wrong"}"#.to_owned());
    assert!(said.contains("status 500") && !said.contains("hunter2"), "{said}");
}

pub fn a_file_that_is_not_there_is_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    let steps = |text: Option<&str>| {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let Value::Object(args) = json!({"connectors": [{"key": "a", "file": file}]}) else {
            panic!("an object")
        };
        probe::find("debezium_init").unwrap().steps(&cutproof::model::Args::new(args))
    };
    assert_eq!(steps(None).unwrap_err(), format!("connector file not found: {}", file.display()));
    for (text, said) in [
        ("", "expected JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "expected `connector.class`"),
        (r#"{"name": "n", "config": []}"#, "expected `config` to be an object"),
        (r#"{"connector.class": "x", "y": {}}"#, "expected a text, number or truth for `y`"),
    ] {
        let error = steps(Some(text)).unwrap_err();
        assert!(error.contains(said) && error.contains("a.json"), "{error}");
    }
    let names: Vec<_> =
        steps(Some(r#"{"connector.class": "x"}"#)).unwrap().into_iter().map(|step| step.command).collect();
    assert!(names[0].starts_with("PUT /connectors/a/config from "), "{names:?}");
}

pub fn a_placeholder_without_a_value_fails_its_step() {
    let _well = well();
    let mut captured = Captured::new();
    captured.set("database.password", "{{env.CUTPROOF_TEST_NO_SUCH_PASSWORD}}");
    let bench = bench();
    assert_eq!(text(&bench.ok("debezium_init", captured.args()), "failed_step"), "apply_it");
    let said = bench.told.said("apply_it").unwrap_err();
    assert!(said.contains("CUTPROOF_TEST_NO_SUCH_PASSWORD is not set"), "{said}");
    let alone = Bench::on([connect()]);
    captured.set("database.password", "x");
    alone.ok("debezium_init", captured.args());
    let said = alone.told.said("apply_it").unwrap_err();
    assert!(said.contains("the gate uses no service of kind postgres"), "{said}");
}
