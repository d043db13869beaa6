//! PostgreSQL: user, password, database, arguments and scripts.

use super::docker::{Container, until};
use ::postgres::{Client, NoTls};
use std::collections::BTreeSet;

pub const IMAGE: &str = "cutproof/postgres:local";
const PUBLISH: [&str; 2] = ["--publish", "127.0.0.1::5432"];

fn connect(address: &str, user: &str, password: &str, database: &str) -> Result<Client, String> {
    let (host, port) = address.split_once(':').unwrap();
    let mut config = ::postgres::Config::new();
    config.host(host).port(port.parse().unwrap()).user(user).password(password).dbname(database);
    config.connect(NoTls).map_err(|error| match error.as_db_error() {
        Some(said) => said.to_string(),
        None => error.to_string(),
    })
}

fn value(client: &mut Client, sql: &str) -> String {
    client.query_one(sql, &[]).unwrap().get(0)
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn user_database_arguments_and_scripts_are_as_asked_for_and_survive_a_restart() {
    let scripts = tempfile::tempdir().unwrap();
    std::fs::write(
        scripts.path().join("1.sql"),
        "CREATE TABLE made (at text); INSERT INTO made VALUES ('sql');",
    )
    .unwrap();
    let second =
        r#"psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -c "INSERT INTO made VALUES ('sh')""#;
    std::fs::write(scripts.path().join("2.sh"), second).unwrap();
    std::fs::set_permissions(scripts.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let volume = format!("{}:/docker-entrypoint-initdb.d:ro", scripts.path().display());
    let mut options = PUBLISH.to_vec();
    for variable in ["POSTGRES_USER=feed owner", "POSTGRES_PASSWORD=s3'cret\\", "POSTGRES_DB=quant \"hft\""] {
        options.extend(["--env", variable]);
    }
    options.extend(["--volume", &volume]);
    let postgres = Container::run(IMAGE, &options, &["postgres", "-c", "wal_level=logical"]);
    let reach = |postgres: &Container| {
        let address = postgres.address(5432);
        until("connection", || connect(&address, "feed owner", "s3'cret\\", "quant \"hft\""))
    };
    let mut client = reach(&postgres);
    assert_eq!(value(&mut client, "SHOW wal_level"), "logical");
    assert_eq!(value(&mut client, "SHOW server_encoding"), "UTF8");
    assert_eq!(value(&mut client, "SELECT string_agg(at, ',') FROM made"), "sql,sh");
    let refused = connect(&postgres.address(5432), "feed owner", "wrong", "quant \"hft\"").err().unwrap();
    assert!(refused.contains("password authentication failed"), "{refused}");
    assert!(!postgres.exec(&["cat", "/proc/1/status"]).contains("Uid:\t0"));

    postgres.restart();
    assert_eq!(value(&mut reach(&postgres), "SELECT string_agg(at, ',') FROM made"), "sql,sh");
    postgres.stop();
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn without_a_password_it_does_not_start() {
    let (status, said) = Container::run(IMAGE, &[], &[]).ended();
    assert!(status != 0 && said.contains("POSTGRES_PASSWORD is missing"), "{status}: {said}");
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn trust_and_arguments_of_initdb_are_as_asked_for_and_no_two_clusters_are_the_same() {
    let trust = [&PUBLISH[..], &["--env", "POSTGRES_HOST_AUTH_METHOD=trust"]].concat();
    let own = [&trust[..], &["--env", "POSTGRES_INITDB_ARGS=--data-checksums"]].concat();
    let identifier = "SELECT system_identifier::text FROM pg_control_system()";
    let mut identifiers = BTreeSet::new();
    for (options, checksums) in [(&trust, "off"), (&trust, "off"), (&own, "on")] {
        let postgres = Container::run(IMAGE, options, &["-c", "max_connections=7"]);
        let address = postgres.address(5432);
        let mut client = until("connection", || connect(&address, "postgres", "any", "postgres"));
        assert_eq!(value(&mut client, "SHOW max_connections"), "7");
        assert_eq!(value(&mut client, "SHOW data_checksums"), checksums);
        identifiers.insert(value(&mut client, identifier));
        drop(client);
        postgres.stop();
    }
    assert_eq!(identifiers.len(), 3, "{identifiers:?}");
}
