//! The bundle of a cutover: its own folder, and those of the runs within it, are sealed when all is over.

use crate::common::sealed::{expect_sealed, manifest};
use crate::common::{argument, expect_soon, journal, signal};
use crate::runbook::{Runbook, pid_of};
use rustix::process::Signal;

const PROFILE: &str = "environment = \"desk\"\n[[gate]]\nid = \"looks\"\nphase = \"infra\"\nprobe = \"command\"\n\
                       with.argv = [\"true\"]\n";

#[test]
fn a_cutover_is_sealed_with_the_runs_within_it_and_its_templates() {
    let mut runbook = Runbook::new();
    let profile = runbook.desk.write("profile.toml", PROFILE);
    runbook.and("PRECHECK_CMD", &format!("$CUTPROOF gates run --profile {profile}"));
    runbook.run(&["cutover", "--execute", "--force-rollback"]);
    let sealed = expect_sealed(&runbook.folder());
    assert_eq!(sealed["journals"].as_array().map(Vec::len), Some(2));
    let roles = sealed["files"].as_array().expect("a list").iter();
    assert_eq!(roles.filter(|file| file["role"] == "manifest").count(), 1);
    let templates: Vec<_> = sealed["templates"].as_array().expect("a list").iter().collect();
    assert_eq!(templates.len(), 2);
    assert!(templates[0]["path"].as_str().is_some_and(|path| path.ends_with("cutover.env")), "{templates:?}");
    // What steps printed is in no bundle.
    assert!(runbook.folder().join("logs/03-precheck.log").is_file());
    let events = journal(&runbook.folder());
    let provenances = events.iter().filter(|entry| entry["event"] == "provenance").count();
    assert_eq!(provenances, 1);
    // A run within another leaves that to it.
    let child =
        sealed["journals"][1]["path"].as_str().expect("a path").trim_end_matches("/journal.jsonl").to_owned();
    let within = journal(&runbook.folder().join(child));
    assert!(within.iter().all(|entry| entry["event"] != "provenance"));
}

#[test]
fn a_dry_run_is_sealed_too() {
    let runbook = Runbook::new();
    runbook.run(&["cutover"]).with_code(0);
    assert_eq!(expect_sealed(&runbook.folder())["dry_run"], true);
}

#[test]
fn a_cutover_that_was_killed_is_sealed_when_it_has_been_resumed() {
    let mut runbook = Runbook::new();
    runbook.and("WARMUP_QUERY_CMD", "echo $$ > DESKpid; exec sleep 300");
    let mut going = runbook.start(&["cutover", "--execute"]);
    expect_soon("the step begins", || pid_of(&runbook.desk.path("pid")).is_some());
    signal(going.pid(), Signal::KILL);
    going.child().wait().expect("a child of ours");
    runbook.desk.expect_nothing_left();
    assert!(!runbook.folder().join("manifest.json").exists());
    let folder = runbook.folder();
    let (run, evidence) = (argument(&folder), argument(&runbook.desk.path("evidence")));
    runbook.desk.run(&["cutover", "--resume", &run, "--rollback", "--yes", "--evidence-dir", &evidence]);
    expect_sealed(&folder);
    assert!(manifest(&folder)["tool"]["sha256"].is_string());
}
