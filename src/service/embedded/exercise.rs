//! One run of Kafka, Connect, PostgreSQL and a connector, for the JVM's class data: what it loads here is
//! mapped, not parsed, at each later start. It also shows that what was installed works.

use super::http;
use super::install::{InstallError, Installed};
use super::postgres;
use super::start::{EngineKind, EngineRequest, EngineSource, Running, StartOptions, Started, start};
use crate::process::Worker;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For the whole run: cold, on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);
const ASK: Duration = Duration::from_secs(30);

/// Makes the class data of this installation's Java.
pub(super) fn class_data(
    installed: &Installed,
    worker: Worker,
    told: &mut dyn FnMut(u64, u64),
) -> Result<(), InstallError> {
    let deadline = Instant::now() + LIMIT;
    let mut step = 0;
    let mut next = || {
        told(step, 5);
        step += 1;
    };
    next();
    let archive = installed.root().join(installed.class_data_name());
    let new = archive.with_extension("new");
    let folder =
        tempfile::tempdir_in(installed.root()).map_err(|error| InstallError::io(installed.root(), error))?;
    let mut options = StartOptions::new(worker).map_err(|error| InstallError::io(installed.root(), error))?;
    options.limit = LIMIT;
    options.jvm = vec![format!("-XX:ArchiveClassesAtExit={}", new.display()), "-Xlog:cds=off".to_owned()];
    let running =
        start(&Arc::new(installed.clone()), &requests(), folder.path(), &options).map_err(Box::new)?;
    let wait = |name| running.wait(name, deadline).map_err(Box::new);
    let (kafka, postgres, connect) = (wait("kafka")?, wait("postgres")?, wait("connect")?);
    next();
    table(&postgres).map_err(|seen| unusable("a table in PostgreSQL", seen))?;
    connector(&connect, &postgres, deadline).map_err(|seen| unusable("a running connector", seen))?;
    next();
    change(&kafka, deadline).map_err(|seen| unusable("a change of the table in its topic", seen))?;
    next();
    end_in_order(&running, &kafka, deadline).map_err(|seen| unusable("the JVM to end in order", seen))?;
    next();
    running.stop();
    let made = std::fs::rename(&new, &archive);
    made.map_err(|error| unusable("class data", format!("{}: {error}", new.display())))?;
    next();
    Ok(())
}

fn unusable(expected: &str, seen: String) -> InstallError {
    InstallError::Unusable { expected: expected.to_owned(), seen }
}

fn requests() -> [EngineRequest; 3] {
    let postgres = EngineKind::Postgres {
        from: EngineSource::Pinned,
        user: "exercise".to_owned(),
        database: "exercise".to_owned(),
    };
    [
        ("kafka", EngineKind::Kafka),
        ("connect", EngineKind::Connect { kafka: "kafka".to_owned() }),
        ("postgres", postgres),
    ]
    .map(|(name, kind)| EngineRequest { name: name.to_owned(), kind })
}

fn table(postgres: &Started) -> Result<(), String> {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, price numeric, at timestamptz, note text);
               INSERT INTO t VALUES (1, 1.5, now(), 'x')";
    postgres::connect(&postgres.endpoint, ASK)?.batch_execute(sql).map_err(|error| error.to_string())
}

fn connector(connect: &Started, postgres: &Started, deadline: Instant) -> Result<(), String> {
    let endpoint = &postgres.endpoint;
    let (host, port) = endpoint.address.split_once(':').ok_or("an address without a port")?;
    let config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": host,
        "database.port": port,
        "database.user": endpoint.user,
        "database.password": endpoint.password.as_ref().map(|password| password.reveal()),
        "database.dbname": endpoint.database,
        "plugin.name": "pgoutput",
        "topic.prefix": "exercise",
        "topic.creation.default.partitions": 1,
        "topic.creation.default.replication.factor": 1,
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    });
    let url = format!("{}/connectors/exercise", connect.endpoint.address);
    http::put(&format!("{url}/config"), &config.to_string(), ASK)?;
    loop {
        let status = http::get(&format!("{url}/status"), ASK);
        let running = status.as_ref().is_ok_and(|status| status.matches("\"RUNNING\"").count() == 2);
        let failed = status.as_ref().is_ok_and(|status| status.contains("\"FAILED\""));
        if running {
            return Ok(());
        }
        if failed || Instant::now() > deadline {
            return Err(status.unwrap_or_else(|seen| seen));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn change(kafka: &Started, deadline: Instant) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.endpoint.address).set("group.id", "exercise");
    config.set("auto.offset.reset", "earliest").set("topic.metadata.refresh.interval.ms", "100");
    let consumer: BaseConsumer = config.create().map_err(|error| error.to_string())?;
    consumer.subscribe(&["exercise.public.t"]).map_err(|error| error.to_string())?;
    let mut seen = "nothing".to_owned();
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) if message.payload().is_some() => return Ok(()),
            Some(Err(error)) => seen = error.to_string(),
            _ => {}
        }
    }
    Err(seen)
}

/// TERM: class data is written by a JVM that ends in order.
fn end_in_order(running: &Running, kafka: &Started, deadline: Instant) -> Result<(), String> {
    let pid = i32::try_from(kafka.pid).ok().and_then(Pid::from_raw).ok_or("no process")?;
    kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
    while running.health("kafka").is_ok() {
        if Instant::now() > deadline {
            return Err("it is still running".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
