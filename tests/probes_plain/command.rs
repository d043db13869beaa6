use super::bench::{Bench, fact, judged, number, reading, refused, text};
use cutproof::condition::Truth;
use cutproof::model::{Endpoint, Reading, Secret, ServiceKind};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_command_is_measured_by_its_exit_code_and_what_it_prints() {
    let with = json!({ "shell": "echo out; echo err >&2; exit 3" });
    let measured = Bench::new().measure("command", with).unwrap();
    assert_eq!(number(&measured, "exit_code"), 3.0);
    assert!(number(&measured, "duration_ms") > 0.0);
    assert_eq!(text(&measured, "stdout"), "out");
    assert_eq!(text(&measured, "stderr"), "err");
    assert_eq!(measured.excerpt, "out\nstderr:\nerr\n");
    assert_eq!(judged(&measured, "exit_code == 0"), Truth::False);
}

#[test]
fn arguments_reach_the_program_without_a_shell() {
    let measured =
        Bench::new().measure("command", json!({ "argv": ["printf", "%s|", "a b", "$HOME", "'"] })).unwrap();
    assert_eq!(text(&measured, "stdout"), "a b|$HOME|'|");
    assert_eq!(measured.observations[0].source, r"printf '%s|' 'a b' '$HOME' ''\'''");
}

#[test]
fn folder_and_variables_are_those_of_the_settings_beside_the_inherited() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    let with = json!({ "shell": "pwd; echo $STAGE; test -n \"$PATH\"", "cwd": place.to_str().unwrap(), "env": { "STAGE": "dry" } });
    let measured = Bench::new().measure("command", with).unwrap();
    assert_eq!(text(&measured, "stdout"), format!("{}\ndry", place.display()));
    assert_eq!(number(&measured, "exit_code"), 0.0);
}

#[test]
fn a_command_is_told_where_the_services_are_that_it_uses() {
    let mut endpoint = Endpoint::at(ServiceKind::Postgres, "127.0.0.1:5433");
    endpoint.password = Some(Secret::new("s3cret-of-this-run"));
    let bench = Bench { endpoints: vec![("trade-db".to_owned(), endpoint)], ..Bench::new() };
    bench.redactor.add("s3cret-of-this-run");
    let line = "echo $CUTPROOF_ENDPOINT_TRADE_DB; test \"$CUTPROOF_PASSWORD_TRADE_DB\" = s3cret-of-this-run";
    let measured = bench.measure("command", json!({ "shell": line })).unwrap();
    assert_eq!(text(&measured, "stdout"), "127.0.0.1:5433");
    assert_eq!(number(&measured, "exit_code"), 0.0);
    assert!(!format!("{measured:?}").contains("s3cret"), "{measured:?}");
}

#[test]
fn values_are_read_out_of_what_it_prints() {
    let with = json!({ "shell": "echo 'p99=41.5ms state=UP'; echo 'lag 7' >&2",
        "match": [
            { "name": "latency_ms", "regex": r"p99=([\d.]+)ms", "as": "ms" },
            { "name": "state", "regex": r"state=(\w+)" },
            { "name": "failed", "regex": "FAIL", "as": "bool" },
            { "name": "absent", "regex": "absent=(.*)" },
        ],
        "match_stderr": [{ "name": "lag", "regex": r"lag (\d+)", "as": "count" }] });
    let measured = Bench::new().measure("command", with).unwrap();
    let condition =
        r#"latency_ms < 50 and latency_ms > 0.04s and state == "UP" and failed == false and lag == 7"#;
    assert_eq!(judged(&measured, condition), Truth::True);
    assert_eq!(reading(&measured, "absent"), &Reading::Missing);
}

#[test]
fn a_value_that_is_no_number_is_an_error() {
    let with =
        json!({ "shell": "echo p99=unknown", "match": [{ "name": "p99", "regex": "p99=(.*)", "as": "ms" }] });
    let error = Bench::new().error("command", with);
    assert!(error.contains("expected a number (in ms) as p99 (see `match`), seen `unknown`"), "{error}");
}

#[test]
fn an_end_by_a_signal_is_128_and_its_number() {
    let measured = Bench::new().measure("command", json!({ "shell": "kill -9 $$" })).unwrap();
    assert_eq!(number(&measured, "exit_code"), 137.0);
    assert_eq!(fact(&measured, "signal"), "9");
}

#[test]
fn a_command_that_does_not_end_in_time_is_an_error_with_the_last_it_printed() {
    let bench = Bench { within: Duration::from_millis(300), ..Bench::new() };
    let error =
        bench.error("command", json!({ "shell": "echo waiting for DB_PASSWORD=hunter2; exec sleep 1000" }));
    assert!(error.contains("did not end within") && error.contains("`timeout`"), "{error}");
    assert!(error.ends_with("the last it printed:\nwaiting for DB_PASSWORD=***"), "{error}");
}

#[test]
fn a_command_that_cannot_be_started_is_an_error_that_says_why() {
    let error = Bench::new().error("command", json!({ "argv": ["no-such-program-here"] }));
    assert!(
        error.contains("could not be started: program no-such-program-here not found on PATH"),
        "{error}"
    );
    let error = Bench::new().error("command", json!({ "argv": ["true"], "cwd": "/no/such/folder" }));
    assert!(error.contains("the folder to run in is missing: /no/such/folder"), "{error}");
}

#[test]
fn a_cancelled_run_is_an_error_that_says_who_cancelled() {
    let bench = Bench::new();
    bench.cancel.cancel("SIGINT");
    let error = bench.error("command", json!({ "argv": ["true"] }));
    assert!(error.contains("as the run is being ended (SIGINT)"), "{error}");
}

#[test]
fn a_daemon_that_is_left_behind_is_ended_and_told() {
    let measured = Bench::new().measure("command", json!({ "shell": "sleep 1000 & echo $!" })).unwrap();
    let pid = text(&measured, "stdout");
    let left = fact(&measured, "left_behind");
    assert!(left.contains(&format!("sleep (pid {pid}): ended")), "{left}");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn secrets_and_control_characters_are_kept_out_of_what_is_shown() {
    let bench = Bench::new();
    bench.redactor.add("correct-horse");
    let with = json!({ "shell": r"printf 'a\033[1mcorrect-horse\377\n'; echo correct-horse >&2; echo correct-horse >/dev/null",
        "match": [{ "name": "word", "regex": "1m(.*?).\n" }] });
    let measured = bench.measure("command", with).unwrap();
    assert_eq!(measured.excerpt, "a\\x1b[1m***\\xff\nstderr:\n***\n");
    assert_eq!(text(&measured, "word"), "***");
    assert!(!format!("{measured:?}").contains("correct-horse"));
}

#[test]
fn a_value_behind_a_name_that_names_a_secret_is_masked_though_it_was_asked_for() {
    let with = json!({ "shell": "echo API_TOKEN=abcdef", "match": [{ "name": "seen", "regex": "N=(.*)" }] });
    assert_eq!(text(&Bench::new().measure("command", with).unwrap(), "seen"), "***");
}

#[test]
fn of_an_endless_output_only_head_and_tail_are_kept_and_nothing_is_judged_that_was_not_seen() {
    let line = "seq 1 200000; echo p99=12";
    let measured = Bench::new().measure("command", json!({ "shell": line })).unwrap();
    assert_eq!(reading(&measured, "stdout"), &Reading::Missing);
    assert_eq!(judged(&measured, r#"not stdout matches "FATAL""#), Truth::Unknown);
    assert!(fact(&measured, "stdout").contains("1288902 bytes, too many"), "{}", fact(&measured, "stdout"));
    assert!(measured.excerpt.starts_with("1\n2\n") && measured.excerpt.ends_with("200000\np99=12\n"));
    assert!(measured.excerpt.contains(" bytes …]\n") && measured.excerpt.len() < 40_000);

    let with = json!({ "shell": line, "match": [{ "name": "p99", "regex": r"p99=(\d+)", "as": "ms" }] });
    assert_eq!(number(&Bench::new().measure("command", with).unwrap(), "p99"), 12.0);
    let with = json!({ "shell": line, "match": [{ "name": "fatal", "regex": "FATAL", "as": "bool" }] });
    let error = Bench::new().error("command", with);
    assert!(error.contains("matches nothing in the head and tail that were kept"), "{error}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (with, field) in [
        (json!({}), "argv"),
        (json!({ "argv": [] }), "argv"),
        (json!({ "argv": ["a"], "shell": "a" }), "shell"),
        (json!({ "shell": " " }), "shell"),
        (json!({ "argv": ["a\0"] }), "argv"),
        (json!({ "argv": ["a"], "env": { "DB_PASSWORD": "x" } }), "env"),
        (json!({ "argv": ["a"], "env": { "A=B": "x" } }), "env"),
        (json!({ "argv": ["a"], "match": [{ "name": "a", "regex": "a" }] }), "match"),
        (json!({ "argv": ["a"], "match": [{ "name": "a", "regex": "(a)(b)" }] }), "match"),
        (json!({ "argv": ["a"], "match": [{ "name": "stdout", "regex": "(a)" }] }), "match"),
        (
            json!({ "argv": ["a"], "match": [{ "name": "x", "regex": "(a)" }], "match_stderr": [{ "name": "x", "regex": "(a)" }] }),
            "match_stderr",
        ),
    ] {
        assert_eq!(refused("command", with.clone()).field, field, "{with}");
    }
}
