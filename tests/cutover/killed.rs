//! Cutovers that are killed at some instant: what ran is gone, and the evidence reads as unfinished.

use crate::common::{expect_soon, signal, within};
use crate::runbook::{CUTOVER, ROLLBACK, Runbook, lives, names, pid_of};
use rustix::process::Signal;
use std::time::Duration;

fn worker_of(holder: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"))
        .expect("the holder is there");
    children.split_whitespace().next().expect("the holder has a worker").parse().expect("a process id")
}

/// Kills one of the two while this step runs; the other ends everything.
fn kill_one_in(key: &'static str, holder: bool, before: impl Fn(&mut Runbook)) -> Runbook {
    let mut runbook = Runbook::new();
    before(&mut runbook);
    runbook.and(key, "trap '' TERM; sleep 300 & echo $! > DESKpid; while :; do sleep 0.1; done");
    let mut going = runbook.start(&["cutover", "--execute"]);
    expect_soon("the step begins", || pid_of(&runbook.desk.path("pid")).is_some());
    let worker = worker_of(going.pid());
    signal(if holder { going.pid() } else { worker }, Signal::KILL);
    let pid = pid_of(&runbook.desk.path("pid")).expect("a pid");
    // Two seconds, and what a busy machine takes to look.
    assert!(within(Duration::from_secs(3), || !lives(pid)), "the step outlived the run");
    expect_soon("the run is gone", || !lives(worker));
    going.child().wait().expect("a child of ours");
    runbook.desk.expect_nothing_left();
    runbook
}

#[track_caller]
fn expect_unfinished(runbook: &Runbook) {
    let (cutover, rollback) = (runbook.result("cutover"), runbook.result("rollback"));
    assert_eq!((&*cutover["CUTOVER_SUCCESS"], &*cutover["CUTOVER_COMPLETED_UTC"]), ("false", ""));
    assert_eq!((&*rollback["ROLLBACK_SUCCESS"], &*rollback["ROLLBACK_COMPLETED_UTC"]), ("false", ""));
}

#[test]
fn a_cutover_that_is_killed_in_a_step_leaves_nothing_running_and_no_green_evidence() {
    for (place, (key, name)) in [(0, CUTOVER[0]), (4, CUTOVER[4]), (9, CUTOVER[9])] {
        for holder in [true, false] {
            let runbook = kill_one_in(key, holder, |_| ());
            assert_eq!(runbook.order(), names(&CUTOVER)[..=place]);
            expect_unfinished(&runbook);
            // Every step that had ended is on record, and that this one began.
            let happened = runbook.happened();
            let ended = happened.iter().filter(|event| event.starts_with("command_ended")).count();
            assert_eq!(ended, place, "{happened:#?}");
            assert_eq!(
                happened.iter().rfind(|event| event.starts_with("command_")),
                Some(&format!("command_started {name}"))
            );
        }
    }
}

#[test]
fn a_rollback_that_is_killed_in_a_step_leaves_no_green_evidence() {
    for holder in [true, false] {
        let runbook = kill_one_in(ROLLBACK[2].0, holder, |runbook| {
            // The way back is on record at the runbook's path before the kill.
            runbook.and("WARMUP_QUERY_CMD", "exit 1");
            runbook.and(
                ROLLBACK[1].0,
                "until grep -q TRIGGERED=true DESKresults/ctp_rollback_result.env; do sleep 0.05; done",
            );
        });
        assert_eq!(runbook.result("cutover")["CUTOVER_TRIGGERED_ROLLBACK"], "true");
        assert_eq!(runbook.order(), [&names(&CUTOVER)[..], &names(&ROLLBACK)[..3]].concat());
        expect_unfinished(&runbook);
    }
}
