use super::bench::{Bench, fact, judged, number, reading, refused, text};
use cutproof::condition::Truth;
use cutproof::model::Reading;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn shown(path: &Path) -> Value {
    Value::from(path.to_str().unwrap())
}

#[test]
fn a_file_is_measured_by_size_age_digest_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    fs::write(
        &path,
        r#"{"lag":812,"tasks":[{"state":"RUNNING"}],"ok":true,"db_password":"hunter2","gone":null}"#,
    )
    .unwrap();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
    let with = json!({ "path": shown(&path), "digest": true, "matches": "RUN+ING", "json": [
        { "name": "lag_ms", "pointer": "/lag", "as": "ms" },
        { "name": "state", "pointer": "/tasks/0/state" },
        { "name": "ok", "pointer": "/ok", "as": "bool" },
        { "name": "password", "pointer": "/db_password" },
        { "name": "gone", "pointer": "/gone" },
        { "name": "nowhere", "pointer": "/tasks/7", "as": "count" },
    ]});
    let measured = Bench::new().measure("file", with).unwrap();
    assert_eq!(number(&measured, "bytes"), fs::metadata(&path).unwrap().len() as f64);
    // The run's clock counts milliseconds, the file system's less.
    assert!((3599.9..7200.0).contains(&number(&measured, "age_s")));
    // As sha256sum has it.
    assert_eq!(text(&measured, "sha256"), "1f4cf8595d97f85d7c71e5a35fa6e966d70ee3c887a3ef5cfcbe470a4a8fa434");
    for condition in ["exists == true and regular == true", "lag_ms > 800ms", "lag_ms < 1s", "ok == true"] {
        assert_eq!(judged(&measured, condition), Truth::True, "{condition}");
    }
    assert_eq!(text(&measured, "state"), "RUNNING");
    assert_eq!(text(&measured, "password"), "***");
    assert_eq!(reading(&measured, "gone"), &Reading::Missing);
    assert_eq!(reading(&measured, "nowhere"), &Reading::Missing);
}

#[test]
fn a_file_that_is_not_there_does_not_exist_and_has_no_values() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["absent", "absent/below"] {
        let with = json!({ "path": shown(&folder.path().join(name)), "digest": true, "matches": "x",
            "json": [{ "name": "lag", "pointer": "/lag" }] });
        let measured = Bench::new().measure("file", with).unwrap();
        assert_eq!(reading(&measured, "exists"), &Reading::bool(false));
        for name in ["regular", "bytes", "age_s", "sha256", "matches", "lag"] {
            assert_eq!(reading(&measured, name), &Reading::Missing, "{name}");
        }
        assert_eq!(judged(&measured, "exists == true and regular == true"), Truth::False);
    }
}

#[test]
fn a_fifo_a_folder_and_a_device_are_told_and_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let cases =
        [(fifo.as_path(), "a FIFO"), (folder.path(), "a folder"), (Path::new("/dev/zero"), "a device")];
    for (path, kind) in cases {
        let measured = Bench::new().measure("file", json!({ "path": shown(path) })).unwrap();
        assert_eq!(reading(&measured, "exists"), &Reading::bool(true));
        assert_eq!(reading(&measured, "regular"), &Reading::bool(false));
        assert_eq!(reading(&measured, "bytes"), &Reading::Missing);
        let error = Bench::new().error("file", json!({ "path": shown(path), "digest": true }));
        assert!(error.contains(&format!("seen {kind}")), "{error}");
    }
}

#[test]
fn what_is_no_json_is_an_error_and_not_a_missing_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let with = json!({ "path": shown(&path), "json": [{ "name": "lag_ms", "pointer": "/lag", "as": "ms" }] });
    fs::write(&path, "TOKEN=hunter2 no json").unwrap();
    let error = Bench::new().error("file", with.clone());
    assert!(error.contains("expected a JSON document") && error.contains("TOKEN=***"), "{error}");
    fs::write(&path, r#"{"lag":"many"}"#).unwrap();
    let error = Bench::new().error("file", with);
    assert!(error.contains("expected a number (in ms) at /lag (see `json`), seen many"), "{error}");
}

#[test]
fn a_file_too_large_for_values_is_an_error_but_has_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    File::create(&path).unwrap().set_len((16 << 20) + 1).unwrap();
    let error = Bench::new().error("file", json!({ "path": shown(&path), "matches": "x" }));
    assert!(error.contains("expected at most 16 MiB") && error.contains("16777217 bytes"), "{error}");
    let measured = Bench::new().measure("file", json!({ "path": shown(&path), "digest": true })).unwrap();
    assert_eq!(text(&measured, "sha256").len(), 64);
}

#[test]
fn a_digest_that_takes_longer_than_there_is_time_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endless");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let bench = Bench { within: Duration::from_millis(100), ..Bench::new() };
    let error = bench.error("file", json!({ "path": shown(&path), "digest": true }));
    assert!(error.contains("not read within the time that was left"), "{error}");
}

#[test]
fn a_time_stamp_of_the_future_is_no_age() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tomorrow");
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    File::create(&path).unwrap().set_modified(tomorrow).unwrap();
    let measured = Bench::new().measure("file", json!({ "path": shown(&path) })).unwrap();
    assert_eq!(judged(&measured, "age_s < 60"), Truth::Unknown);
    assert!(fact(&measured, "modified").contains("yet to come"));
}

#[test]
fn names_that_conditions_cannot_use_are_refused() {
    for name in ["bytes", "and", "a b", ""] {
        let with = json!({ "path": "x", "json": [{ "name": name, "pointer": "/a" }] });
        assert_eq!(refused("file", with).field, "json", "{name}");
    }
    let kind = json!({ "path": "x", "json": [{ "name": "a", "pointer": "/a", "as": "parsec" }] });
    assert!(refused("file", kind).message.contains("as = \"parsec\""));
    let pointer = json!({ "path": "x", "json": [{ "name": "a", "pointer": "a" }] });
    assert!(refused("file", pointer).message.contains("begins with `/`"));
    assert_eq!(refused("file", json!({ "path": "" })).field, "path");
}
