//! ClickHouse: user, password and database, over HTTP.

use super::docker::{Container, until};
use std::time::Duration;

pub const IMAGE: &str = "cutproof/clickhouse-server:local";

/// An answer of HTTP: its status, ClickHouse's code of an exception, and the body.
#[derive(Debug, PartialEq)]
pub struct Answer(pub u16, pub String, pub String);

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(60))).build().into()
}

pub fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let request =
        headers.iter().fold(agent().post(url), |request, (name, value)| request.header(*name, *value));
    let mut answer = request.send(body).map_err(|error| error.to_string())?;
    let code =
        answer.headers().get("X-ClickHouse-Exception-Code").map(|code| code.to_str().unwrap().to_owned());
    let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok(Answer(answer.status().as_u16(), code.unwrap_or_default(), body))
}

/// The text that SQL gives, which must succeed.
pub fn query(address: &str, password: &str, sql: &str) -> Result<String, String> {
    let headers = [("X-ClickHouse-User", "gate"), ("X-ClickHouse-Key", password)];
    match post(&format!("http://{address}/"), &headers, sql)? {
        Answer(200, _, body) => Ok(body),
        other => Err(format!("{sql}: {other:?}")),
    }
}

pub fn start(options: &[&str], password: &str) -> Container {
    let password = format!("CLICKHOUSE_PASSWORD={password}");
    let fixed = ["--publish", "127.0.0.1::8123", "--env", "CLICKHOUSE_USER=gate", "--env", &password];
    Container::run(IMAGE, &[&fixed, options].concat(), &[])
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn the_password_is_demanded_in_each_way_and_what_was_inserted_survives_a_kill() {
    let options = ["--env", "CLICKHOUSE_DB=quant_hft", "--env", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT=1"];
    let clickhouse = start(&options, "s3cret");
    let url = |clickhouse: &Container| format!("http://{}/", clickhouse.address(8123));
    let own = url(&clickhouse);
    let right = [("X-ClickHouse-User", "gate"), ("X-ClickHouse-Key", "s3cret")];
    until("answer", || post(&own, &right, "SELECT 1").and_then(|answer| is(answer, "1\n")));
    let basic = [("Authorization", "Basic Z2F0ZTpzM2NyZXQ=")];
    assert_eq!(post(&own, &basic, "SELECT 2").unwrap().2, "2\n");
    assert_eq!(post(&format!("{own}?user=gate&password=s3cret"), &[], "SELECT 3").unwrap().2, "3\n");
    for (address, headers) in [
        (own.clone(), vec![]),
        (own.clone(), vec![("X-ClickHouse-User", "gate"), ("X-ClickHouse-Key", "wrong")]),
        (own.clone(), vec![("Authorization", "Basic Z2F0ZTp4")]),
        (format!("{own}?user=default&password=s3cret"), vec![]),
    ] {
        let Answer(status, code, said) = post(&address, &headers, "SELECT 1").unwrap();
        assert_eq!((status, &*code), (403, "516"), "{headers:?}: {said}");
    }

    let table = "CREATE TABLE quant_hft.t (a UInt32, note String) ENGINE = MergeTree ORDER BY a";
    assert_eq!(post(&own, &right, table).unwrap().0, 200);
    let rows =
        "INSERT INTO quant_hft.t FORMAT JSONEachRow\n{\"a\":1,\"note\":\"ü\"}\n\n{\"a\":2,\"note\":\"x\"}";
    assert_eq!(post(&own, &right, rows).unwrap().0, 200);
    clickhouse.kill_and_start();
    let own = url(&clickhouse);
    let sum = "SELECT sum(a), max(note) FROM quant_hft.t";
    until("sum after the kill", || post(&own, &right, sum).and_then(|answer| is(answer, "3\tü\n")));
    assert!(!clickhouse.exec(&["cat", "/proc/1/status"]).contains("Uid:\t0"));
    clickhouse.stop();
}

fn is(answer: Answer, wanted: &str) -> Result<(), String> {
    if answer.2 == wanted { Ok(()) } else { Err(format!("{answer:?}")) }
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn scripts_that_it_would_not_run_are_refused() {
    let scripts = tempfile::tempdir().unwrap();
    std::fs::write(scripts.path().join("1.sql"), "SELECT 1").unwrap();
    let volume = format!("{}:/docker-entrypoint-initdb.d:ro", scripts.path().display());
    let (status, said) = start(&["--volume", &volume], "x").ended();
    assert!(status != 0 && said.contains("1.sql: this local image runs no scripts"), "{status}: {said}");
}
