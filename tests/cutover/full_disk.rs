//! A disk that fills up while a cutover goes on: it turns back, the rollback is run all the same, and nothing is green.

use crate::common::{Desk, argument, ended};
use crate::runbook::{CUTOVER, ROLLBACK, Runbook, names};
use rustix::process::geteuid;
use std::process::Command;

/// Runs a cutover whose evidence is on a small disk, mounted for this one command only. None where this machine lets
/// nobody mount anything, and says so.
fn on_a_small_disk(runbook: &Runbook, flags: &[&str]) -> Option<crate::common::Ended> {
    let disk = runbook.desk.path("disk");
    std::fs::create_dir(&disk).expect("a folder of ours");
    if ended(mounted(&runbook.desk, "true", &[])).code != Some(0) {
        eprintln!("not tested here: a small disk can't be mounted");
        return None;
    }
    let templates = ["cutover", "rollback"].map(|name| argument(&runbook.template(name)));
    let mut arguments = vec![env!("CARGO_BIN_EXE_cutproof"), "cutover", "--cutover-template", &templates[0]];
    arguments.extend(["--rollback-template", &templates[1], "--execute"]);
    arguments.extend(flags);
    let line =
        "\"$@\" --evidence-dir \"$disk/evidence\"; code=$?; cp -r $disk/evidence ${disk%/*}/kept; exit $code";
    let mut command = mounted(&runbook.desk, line, &arguments);
    command.env("LC_ALL", "C");
    Some(ended(command))
}

fn mounted(desk: &Desk, line: &str, arguments: &[&str]) -> Command {
    let mut command = desk.program("unshare");
    command.args(if geteuid().is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    let mount = format!("mount -t tmpfs -o size=2m none \"$disk\" && {{ {line}; }}");
    command.args(["sh", "-c", &mount, "sh"]).args(arguments).env("disk", desk.path("disk"));
    command
}

const FILL: &str = "cat /dev/zero > $disk/fill 2>&-; true";

/// More output than a log has room for on a full disk.
const TALK: &str =
    "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done";

#[test]
fn a_disk_that_fills_in_the_rollback_does_not_stop_it_and_it_never_passes() {
    let mut runbook = Runbook::new();
    runbook.and("PRECHECK_CMD", "exit 1").and("NEW_CORE_ENGINE_STOP_CMD", FILL);
    // A restore that prints, and fails where it can't.
    runbook.and("RESTORE_PREVIOUS_BINARIES_CMD", &format!("set -e; {TALK}; echo restored"));
    let Some(done) = on_a_small_disk(&runbook, &[]) else { return };
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..3], &names(&ROLLBACK)].concat(), "{}", done.stderr);
    assert!(done.stderr.contains("is in no log: No space left"), "{}", done.stderr);
    let done = done.with_code(2);
    assert!(done.error().starts_with("error:"), "{}", done.stderr);
}

#[test]
fn a_cutover_whose_journal_can_not_be_written_any_more_turns_back() {
    let mut runbook = Runbook::new();
    if ended(runbook.desk.program("prlimit")).code.is_none() {
        eprintln!("not tested here: there is no prlimit");
        return;
    }
    // From here on no file of the run may grow beyond this; the journal is larger already.
    runbook.and("BOOTSTRAP_INFRA_CMD", "prlimit --pid $PPID --fsize=2000");
    let done = runbook.run(&["cutover", "--execute"]).with_code(2);
    assert_eq!(runbook.order(), [&names(&CUTOVER)[..4], &names(&ROLLBACK)].concat(), "{}", done.stderr);
    assert!(done.error().contains("journal") && done.error().contains("rolled back"), "{}", done.error());
    let (cutover, rollback) = (runbook.result("cutover"), runbook.result("rollback"));
    assert_eq!((&*cutover["CUTOVER_SUCCESS"], &*cutover["CUTOVER_COMPLETED_UTC"]), ("false", ""));
    assert_eq!((&*rollback["ROLLBACK_SUCCESS"], &*rollback["ROLLBACK_COMPLETED_UTC"]), ("false", ""));
}

#[test]
fn a_disk_without_room_for_the_evidence_is_found_before_the_first_step() {
    let runbook = Runbook::new();
    let templates = ["cutover", "rollback"].map(|name| argument(&runbook.template(name)));
    let line = "ulimit -f 8 && exec \"$0\" cutover --execute --cutover-template \"$1\" --rollback-template \"$2\" \
                --evidence-dir \"$3\"";
    let mut command = runbook.desk.program("sh");
    let evidence = argument(&runbook.desk.path("evidence"));
    command.args(["-c", line, env!("CARGO_BIN_EXE_cutproof"), &templates[0], &templates[1], &evidence]);
    let done = ended(command).with_code(2);
    assert!(done.error().contains("ctp_cutover_result.env"), "{}", done.stderr);
    assert!(runbook.order().is_empty());
}
