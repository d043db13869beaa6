//! Runs within a cutover: a step that calls cutproof joins its parent's run.

use crate::common::{argument, journal};
use crate::runbook::Runbook;

const PROFILE: &str = "environment = \"desk\"\n[[gate]]\nid = \"looks\"\nphase = \"infra\"\nprobe = \"command\"\n\
                       with.argv = [\"true\"]\n";

#[test]
fn a_step_that_runs_gates_has_its_run_within_this_one() {
    let mut runbook = Runbook::new();
    let profile = runbook.desk.write("profile.toml", PROFILE);
    runbook.and(
        "PRECHECK_CMD",
        &format!("$CUTPROOF gates run --profile {profile} --evidence-dir DESKelsewhere"),
    );
    runbook.run(&["cutover", "--execute"]).with_code(0);
    assert!(!runbook.exists("elsewhere"));
    let entries = journal(&runbook.folder());
    let child = entries.iter().find(|entry| entry["event"] == "child_run").expect("the run is on record");
    assert_eq!((child["step"].as_str(), child["verb"].as_str()), (Some("cutover/3"), Some("gates-run")));
    assert_eq!(
        (child["outcome"].as_str(), child["gates"][0]["case"].as_str()),
        (Some("passed"), Some("infra::looks"))
    );
    let folder = runbook.folder().join(child["folder"].as_str().expect("a folder"));
    let own = journal(&folder);
    let parent = runbook.folder().file_name().map(|name| name.to_string_lossy().into_owned());
    assert_eq!(own[0]["parent"].as_str(), parent.as_deref());
    let summary = std::fs::read_to_string(folder.join("summary.json")).expect("a summary");
    assert!(summary.contains(child["head"].as_str().expect("a head")));
}

#[test]
fn a_run_that_still_goes_on_at_the_end_is_on_record_as_unfinished() {
    let mut runbook = Runbook::new();
    let slow =
        PROFILE.replace("[\"true\"]", "[\"sleep\", \"60\"]").replace("id =", "timeout = \"90s\"\nid =");
    let profile = runbook.desk.write("profile.toml", &slow);
    runbook.and(
        "PRECHECK_CMD",
        &format!("setsid $CUTPROOF gates run --profile {profile} >&- 2>&- & echo $! > DESKpid"),
    );
    runbook.and(
        "WARMUP_QUERY_CMD",
        "while ! grep -q gate_started $CUTPROOF_RUN_FOLDER/runs/*/journal.jsonl; do sleep 0.05; done",
    );
    runbook.run(&["cutover", "--execute"]).with_code(0);
    let entries = journal(&runbook.folder());
    let child = entries.iter().find(|entry| entry["event"] == "child_run").expect("the run is on record");
    assert_eq!(child["outcome"], "unfinished");
    // The step behind which it was first seen.
    assert!(child["step"].as_str().is_some_and(|step| step.starts_with("cutover/")), "{child}");
    let pid = crate::runbook::pid_of(&runbook.desk.path("pid")).expect("a pid");
    crate::common::signal(pid, rustix::process::Signal::KILL);
}

#[test]
fn a_parent_that_is_not_there_is_told_and_the_run_kept_by_itself() {
    let runbook = Runbook::new();
    let profile = runbook.desk.write("profile.toml", PROFILE);
    let evidence = argument(&runbook.desk.path("own"));
    let mut command =
        runbook.desk.cutproof(&["gates", "run", "--profile", &profile, "--evidence-dir", &evidence]);
    command.env("CUTPROOF_PARENT_RUN", runbook.desk.path("nowhere"));
    let done = crate::common::ended(command).with_code(0);
    assert!(done.stderr.contains("warning: CUTPROOF_PARENT_RUN"), "{}", done.stderr);
    assert!(runbook.exists("own"));
}
