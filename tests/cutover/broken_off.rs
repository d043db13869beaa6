//! Cutovers that are told to end, or whose terminal is closed.

use crate::common::{expect_soon, signal};
use crate::runbook::{CUTOVER, ROLLBACK, Runbook, lives, names, pid_of};
use rustix::process::Signal;

/// A cutover that waits in its precheck.
fn waiting(runbook: &mut Runbook) {
    runbook.and("PRECHECK_CMD", "echo $$ > DESKpid; sleep 300");
}

#[track_caller]
fn await_step(runbook: &Runbook) {
    expect_soon("the step begins", || pid_of(&runbook.desk.path("pid")).is_some());
}

#[test]
fn a_signal_ends_the_running_step_and_rolls_back() {
    for (which, name, code) in [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143)] {
        let mut runbook = Runbook::new();
        waiting(&mut runbook);
        let going = runbook.start(&["cutover", "--execute"]);
        await_step(&runbook);
        going.signal(which);
        assert_eq!(going.end().code(), Some(code), "{}", runbook.desk.read("err"));
        assert!(!lives(pid_of(&runbook.desk.path("pid")).expect("a pid")));
        assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)].concat());
        assert_eq!(runbook.ended("precheck")["exit_code"], 130);
        let cutover = runbook.result("cutover");
        assert_eq!(cutover["CUTOVER_SUCCESS"], "false");
        assert!(["interrupted", "precheck"].contains(&&*cutover["CUTOVER_FAILED_STEP"]), "{cutover:?}");
        assert_eq!(runbook.result("rollback")["ROLLBACK_SUCCESS"], "true");
        let journal = crate::common::journal(&runbook.folder());
        assert!(journal.iter().any(|entry| entry["event"] == "interrupted" && entry["by"] == name));
    }
}

#[test]
fn an_interrupted_cutover_is_left_as_it_is_where_that_is_asked_for() {
    let mut runbook = Runbook::new();
    waiting(&mut runbook);
    let going = runbook.start(&["cutover", "--execute", "--no-rollback-on-interrupt"]);
    await_step(&runbook);
    going.signal(Signal::INT);
    assert_eq!(going.end().code(), Some(130));
    assert_eq!(runbook.order(), names(&CUTOVER)[..3]);
    assert_eq!(runbook.result("rollback")["ROLLBACK_TRIGGERED"], "false");
    let err = runbook.desk.read("err");
    assert!(err.contains("cutproof rollback --rollback-template"), "{err}");
}

#[test]
fn a_rollback_is_not_broken_off_by_signals_and_says_what_would() {
    let mut runbook = Runbook::new();
    runbook.and("PRECHECK_CMD", "exit 1");
    runbook.and(
        "RESTORE_PREVIOUS_BINARIES_CMD",
        "echo $$ > DESKpid; while [ ! -e DESKgo ]; do sleep 0.05; done",
    );
    let going = runbook.start(&["cutover", "--execute"]);
    await_step(&runbook);
    going.signal(Signal::INT);
    expect_soon("it is told that it goes on", || runbook.desk.read("err").contains("the rollback goes on"));
    going.signal(Signal::INT);
    going.signal(Signal::TERM);
    going.signal(Signal::HUP);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(lives(pid_of(&runbook.desk.path("pid")).expect("a pid")));
    runbook.desk.write("go", "");
    // The precheck failed: the signals did not change what this run is.
    assert_eq!(going.end().code(), Some(2), "{}", runbook.desk.read("err"));
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)].concat());
    assert_eq!(runbook.result("rollback")["ROLLBACK_SUCCESS"], "true");
    assert!(runbook.desk.read("err").contains("kill -KILL"));
}

#[test]
fn a_second_signal_does_not_break_off_the_rollback_that_the_first_began() {
    let mut runbook = Runbook::new();
    waiting(&mut runbook);
    runbook.and("RESTORE_PREVIOUS_BINARIES_CMD", "touch DESKrestoring; sleep 0.6");
    let going = runbook.start(&["cutover", "--execute"]);
    await_step(&runbook);
    going.signal(Signal::INT);
    expect_soon("the restore begins", || runbook.exists("restoring"));
    going.signal(Signal::INT);
    assert_eq!(going.end().code(), Some(130));
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)].concat());
    assert_eq!(runbook.ended("restore_previous_binaries")["status"], "ok");
}

#[test]
fn a_hangup_and_a_closed_terminal_end_nothing() {
    let mut runbook = Runbook::new();
    runbook.and("PRECHECK_CMD", "echo $$ > DESKpid; while [ ! -e DESKgo ]; do sleep 0.05; done");
    let mut command = runbook.command(&["cutover", "--execute"]);
    let mut going = crate::common::Going::start(
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()),
    );
    await_step(&runbook);
    drop((going.child().stdout.take(), going.child().stderr.take()));
    signal(going.pid(), Signal::HUP);
    std::thread::sleep(std::time::Duration::from_millis(100));
    runbook.desk.write("go", "");
    assert_eq!(going.end().code(), Some(0));
    assert_eq!(runbook.order(), names(&CUTOVER));
    assert_eq!(runbook.result("cutover")["CUTOVER_SUCCESS"], "true");
}
