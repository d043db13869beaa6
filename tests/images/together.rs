//! All five on one network, as a rehearsal uses them: a row of PostgreSQL reaches ClickHouse by Debezium and Kafka,
//! every container by the others' names.

use super::docker::{Container, Network, until};
use super::{clickhouse, jvm, postgres, redis};
use serde_json::{Value, json};
use std::time::Duration;

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(60))).build().into()
}

fn get(url: &str) -> Result<Value, String> {
    let mut answer = agent().get(url).call().map_err(|error| error.to_string())?;
    let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
}

fn connector() -> String {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "postgres",
        "database.port": "5432",
        "database.user": "postgres",
        "database.password": "s3cret",
        "database.dbname": "postgres",
        "plugin.name": "pgoutput",
        "topic.prefix": "pg",
        "topic.creation.default.partitions": 1,
        "topic.creation.default.replication.factor": 1,
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    })
    .to_string()
}

fn worker(on: &[&str]) -> Container {
    let mut options = vec!["--publish", "127.0.0.1::8083"];
    options.extend(on);
    for variable in [
        "BOOTSTRAP_SERVERS=kafka:9092",
        "GROUP_ID=gates",
        "CONFIG_STORAGE_TOPIC=connect-configs",
        "OFFSET_STORAGE_TOPIC=connect-offsets",
        "STATUS_STORAGE_TOPIC=connect-status",
        "CONNECT_OFFSET_STORAGE_PARTITIONS=1",
        "CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE=false",
        "CONNECT_VALUE_CONVERTER_SCHEMAS_ENABLE=false",
    ] {
        options.extend(["--env", variable]);
    }
    Container::run(jvm::CONNECT, &options, &[])
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn a_row_reaches_clickhouse_by_debezium_and_kafka() {
    let network = Network::new();
    let on = |alias| ["--network", network.0.as_str(), "--network-alias", alias];
    let redis = Container::run(redis::IMAGE, &on("redis"), &[]);
    let options = [&on("postgres")[..], &["--env", "POSTGRES_PASSWORD=s3cret"]].concat();
    let postgres = Container::run(postgres::IMAGE, &options, &["-c", "wal_level=logical"]);
    let clickhouse = clickhouse::start(&on("clickhouse"), "s3cret");
    let (kafka, broker) = jvm::kafka(&on("kafka"), &["AUTO_CREATE_TOPICS_ENABLE=false"]);
    let cluster = jvm::cluster_id(&broker);
    // Connect waits for no broker that is not there yet.
    let connect = worker(&on("connect"));

    let psql = |sql: &str| postgres.exec(&["psql", "-h", "127.0.0.1", "-U", "postgres", "-c", sql]);
    until("PostgreSQL", || {
        let ready = postgres.exec(&["sh", "-c", "pg_isready -q -h 127.0.0.1 && echo yes || echo no"]);
        if ready == "yes" { Ok(()) } else { Err(ready) }
    });
    psql("CREATE TABLE orders (id int PRIMARY KEY, note text)");
    psql("INSERT INTO orders VALUES (1, 'before')");

    let url = format!("http://{}", connect.address(8083));
    let seen = until("worker", || get(&url));
    assert_eq!(seen["kafka_cluster_id"], cluster.as_str());
    // The worker answers before it is a member of its group.
    until("connector", || {
        let request = agent().put(format!("{url}/connectors/orders/config")).content_type("application/json");
        let mut answer = request.send(connector()).map_err(|error| error.to_string())?;
        let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        if matches!(answer.status().as_u16(), 200 | 201) { Ok(()) } else { Err(body) }
    });
    until("running task", || match get(&format!("{url}/connectors/orders/status"))? {
        status if status["tasks"][0]["state"] == "RUNNING" => Ok(()),
        status => Err(status.to_string()),
    });
    psql("INSERT INTO orders VALUES (2, 'after, ü')");

    let address = clickhouse.address(8123);
    let ask = |sql: &str| clickhouse::query(&address, "s3cret", sql);
    until("ClickHouse", || ask("SELECT 1"));
    for sql in [
        "CREATE TABLE feed (id UInt32, note String) ENGINE = Kafka SETTINGS kafka_broker_list = 'kafka:9092', \
         kafka_topic_list = 'pg.public.orders', kafka_group_name = 'feed', kafka_format = 'JSONEachRow', \
         kafka_flush_interval_ms = 200, kafka_poll_timeout_ms = 50",
        "CREATE TABLE orders (id UInt32, note String) ENGINE = MergeTree ORDER BY id",
        "CREATE MATERIALIZED VIEW feeds TO orders AS SELECT id, note FROM feed",
    ] {
        ask(sql).unwrap();
    }
    until("both rows", || match ask("SELECT arraySort(groupArray((id, note))) FROM orders FORMAT TSVRaw")? {
        rows if rows == "[(1,'before'),(2,'after, ü')]\n" => Ok(()),
        rows => Err(rows),
    });
    for container in [connect, clickhouse, kafka, postgres, redis] {
        container.stop();
    }
}
