//! What is refused before anything is run: with exit 2, in one line, and no run folder left behind where none began.

use crate::common::argument;
use crate::runbook::Runbook;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::os::unix::fs::symlink;

#[track_caller]
fn refused(runbook: &Runbook, flags: &[&str]) -> String {
    let ended = runbook.run(flags).with_code(2);
    assert!(runbook.order().is_empty(), "something was run");
    assert_eq!(ended.stdout, "");
    ended.error().to_owned()
}

#[test]
fn keys_that_are_missing_or_empty_are_named_in_the_contracts_words() {
    let mut runbook = Runbook::new();
    runbook.set("WARMUP_QUERY_CMD", "").set("PRECHECK_CMD", "");
    let told = refused(&runbook, &["cutover", "--execute"]);
    assert_eq!(told, "error: cutover template missing required keys: PRECHECK_CMD,WARMUP_QUERY_CMD");
    let mut runbook = Runbook::new();
    runbook.set("MAX_ROLLBACK_SECONDS", "");
    let told = refused(&runbook, &["rollback", "--execute"]);
    assert_eq!(told, "error: rollback template missing required keys: MAX_ROLLBACK_SECONDS");
}

#[test]
fn a_template_that_is_no_small_text_file_is_refused_at_once() {
    let runbook = Runbook::new();
    let path = runbook.template("cutover");
    fs::remove_file(&path).expect("a file of ours");
    let told = refused(&runbook, &["cutover"]);
    assert_eq!(told, format!("error: cutover template not found: {}", path.display()));
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a FIFO");
    assert!(refused(&runbook, &["cutover"]).contains("is a FIFO, not a file"));
    fs::remove_file(&path).expect("a file of ours");
    fs::File::create(&path).and_then(|file| file.set_len(100 << 20)).expect("a file of ours");
    assert!(refused(&runbook, &["cutover"]).contains("larger than 1 MiB"));
    fs::write(&path, b"A=caf\xe9\n").expect("a file of ours");
    assert!(refused(&runbook, &["cutover"]).contains("is not UTF-8 (line 1)"));
    fs::remove_file(&path).expect("a file of ours");
    fs::create_dir(&path).expect("a folder of ours");
    assert!(refused(&runbook, &["cutover"]).contains("is a folder"));
}

#[test]
fn a_limit_that_is_no_time_is_refused() {
    for bad in ["-180", "NaN", "inf", "0", "3m"] {
        let mut runbook = Runbook::new();
        runbook.set("MAX_ROLLBACK_SECONDS", bad);
        let told = refused(&runbook, &["cutover", "--execute"]);
        assert!(told.contains("MAX_ROLLBACK_SECONDS must be a plain number of seconds"), "{told}");
    }
}

#[test]
fn templates_of_two_environments_are_refused() {
    let mut runbook = Runbook::new();
    runbook.set("ROLLBACK_ENV_NAME", "elsewhere");
    let told = refused(&runbook, &["cutover"]);
    assert!(told.contains("CUTOVER_ENV_NAME=desk") && told.contains("ROLLBACK_ENV_NAME=elsewhere"), "{told}");
}

#[test]
fn evidence_that_has_no_place_is_found_before_the_first_step() {
    let runbook = Runbook::new();
    let file = runbook.desk.write("file", "in the way");
    let link = runbook.desk.path("link");
    symlink(&file, &link).expect("a link of ours");
    for place in [
        format!("{file}/out.env"),
        "/proc/out.env".to_owned(),
        argument(&link),
        argument(&runbook.desk.path("")),
    ] {
        for flag in ["--cutover-output", "--rollback-output"] {
            let told = refused(&runbook, &["cutover", "--execute", flag, &place]);
            assert!(
                told.contains(place.trim_end_matches('/')) && told.contains("--cutover-output"),
                "{told}"
            );
        }
    }
    assert_eq!(runbook.desk.read("file"), "in the way");
    assert!(!runbook.exists("evidence"), "nothing was begun");
}

#[test]
fn evidence_never_takes_the_place_of_a_template_or_of_other_evidence() {
    let runbook = Runbook::new();
    let template = argument(&runbook.template("rollback"));
    let told = refused(&runbook, &["cutover", "--execute", "--cutover-output", &template]);
    assert!(told.contains("is the template itself"), "{told}");
    let one = argument(&runbook.desk.path("one.env"));
    let told =
        refused(&runbook, &["cutover", "--execute", "--cutover-output", &one, "--rollback-output", &one]);
    assert!(told.contains("two evidence files"), "{told}");
}

#[test]
fn a_cutover_outside_of_its_window_is_warned_of_and_not_stopped() {
    let mut runbook = Runbook::new();
    runbook.set("CUTOVER_WINDOW_LOCAL", "2020-01-01T00:00:00Z");
    let ended = runbook.run(&["cutover", "--execute"]).with_code(0);
    assert!(
        ended.stderr.contains("warning: this is outside of the window 2020-01-01T00:00:00Z"),
        "{}",
        ended.stderr
    );
    let journal = crate::common::journal(&runbook.folder());
    assert_eq!(journal[0]["switch"]["cutover"]["window_met"], false);
}

#[test]
fn an_endpoint_of_no_service_and_a_profile_that_is_not_there_are_refused() {
    let runbook = Runbook::new();
    assert!(refused(&runbook, &["cutover", "--endpoint", "redis=127.0.0.1:1"]).contains("--endpoint redis"));
    assert!(refused(&runbook, &["cutover", "--profile", "nowhere.toml"]).contains("profile not found"));
}

#[test]
fn a_profile_that_can_not_watch_what_the_templates_ask_for_is_refused() {
    let runbook = Runbook::new();
    let profile = runbook.desk.write(
        "profile.toml",
        "environment = \"desk\"\n[[gate]]\nid = \"g\"\nphase = \"infra\"\nprobe = \"command\"\nwith.argv = [\"true\"]\n",
    );
    let told = refused(&runbook, &["cutover", "--execute", "--profile", &profile]);
    assert!(told.contains("[watch]") && told.contains("order_latency_p99_ms, breaker_state"), "{told}");
}
