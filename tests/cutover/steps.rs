//! How a step is run and what is told of it.

use crate::common::{expect_soon, signal};
use crate::runbook::{Runbook, lives, pid_of};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_steps_output_goes_to_a_log_of_its_own_and_secrets_to_no_evidence() {
    let mut runbook = Runbook::new();
    runbook.desk.set("CORE_PASSWORD", "correct-horse");
    runbook.and("PRECHECK_CMD", "echo out $CORE_PASSWORD; echo err >&2; DB_TOKEN=hunter2 true");
    runbook.run(&["cutover", "--execute"]).with_code(0);
    let log = runbook.folder().join("logs/03-precheck.log");
    assert_eq!(fs::read_to_string(&log).expect("a log"), "out correct-horse\nerr\n");
    assert_eq!(fs::metadata(&log).expect("a log").permissions().mode() & 0o777, 0o600);
    let ended = runbook.ended("precheck");
    assert_eq!(
        (ended["excerpt"].as_str(), ended["log"].as_str()),
        (Some("out ***\nerr\n"), Some("logs/03-precheck.log"))
    );
    let journal = fs::read_to_string(runbook.folder().join("journal.jsonl")).expect("a journal");
    assert!(!journal.contains("correct-horse") && !journal.contains("hunter2"));
    assert!(runbook.result("cutover")["STEP_3_COMMAND"].contains("DB_TOKEN=***"));
}

#[test]
fn a_step_knows_its_run_and_this_program() {
    let mut runbook = Runbook::new();
    runbook.and(
        "PRECHECK_CMD",
        "test -x $CUTPROOF && test -f $CUTPROOF_RUN_FOLDER/journal.jsonl && \
        test $CUTPROOF_PARENT_RUN = $CUTPROOF_RUN_FOLDER",
    );
    runbook.run(&["cutover", "--execute"]).with_code(0);
}

#[test]
fn a_step_that_does_not_end_is_ended_with_all_that_it_started() {
    let mut runbook = Runbook::new();
    runbook.and("NEW_CORE_ENGINE_START_CMD", "sleep 300 & echo $! > DESKpid; wait");
    runbook.run(&["cutover", "--execute", "--step-timeout", "500ms"]).with_code(2);
    let ended = runbook.ended("start_new_core_engine");
    assert_eq!(ended["exit_code"], 124);
    let detail = ended["detail"].as_str().unwrap_or_default();
    // The runbook's start commands are servers: it is said how they are to be run.
    assert!(detail.contains("within 0.5 s") && detail.contains("background = true"), "{detail}");
    assert!(!lives(pid_of(&runbook.desk.path("pid")).expect("a pid")));
    assert_eq!(runbook.result("rollback")["ROLLBACK_SUCCESS"], "true");
}

#[test]
fn only_a_start_step_is_told_how_servers_are_run() {
    let mut runbook = Runbook::new();
    runbook.and("PRECHECK_CMD", "sleep 300");
    runbook.run(&["cutover", "--execute", "--step-timeout", "300ms"]).with_code(2);
    let ended = runbook.ended("precheck");
    assert!(!ended["detail"].as_str().unwrap_or_default().contains("background"), "{ended}");
}

#[test]
fn a_step_that_a_signal_ends_has_failed_with_its_number() {
    let mut runbook = Runbook::new();
    runbook.and("PRECHECK_CMD", "kill -SEGV $$");
    runbook.run(&["cutover", "--execute"]).with_code(2);
    let ended = runbook.ended("precheck");
    assert_eq!((ended["exit_code"].as_i64(), ended["status"].as_str()), (Some(139), Some("failed")));
    assert!(ended["detail"].as_str().is_some_and(|why| why.contains("signal 11 (SIGSEGV)")), "{ended}");
    assert_eq!(runbook.result("cutover")["STEP_3_EXIT_CODE"], "139");
}

#[test]
fn what_a_step_leaves_running_is_the_new_core_and_lives_on() {
    let mut runbook = Runbook::new();
    runbook.and("NEW_CORE_ENGINE_START_CMD", "(while :; do sleep 0.1; done) & echo $! > DESKpid");
    runbook.run(&["cutover", "--execute"]).with_code(0);
    let pid = pid_of(&runbook.desk.path("pid")).expect("a pid");
    assert!(lives(pid));
    let ended = runbook.ended("start_new_core_engine");
    let detail = ended["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("left running") && detail.contains(&pid.to_string()), "{detail}");
    signal(pid, Signal::KILL);
    expect_soon("the core ends", || !lives(pid));
}

#[test]
fn no_time_at_all_is_no_time_for_a_step() {
    let runbook = Runbook::new();
    for bad in ["0", "0s", "-5s", "soon"] {
        let refused = runbook.run(&["cutover", "--execute", &format!("--step-timeout={bad}")]).with_code(2);
        assert!(refused.error().contains("--step-timeout"), "{}", refused.stderr);
    }
    assert!(runbook.order().is_empty());
}
