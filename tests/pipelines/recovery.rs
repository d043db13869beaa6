//! What `ci/cutover/recover.sh` makes of what it finds, without a pipeline around it.

use crate::Repository;
use crate::common::{Ended, argument, ended};
use crate::{expect_taken_back, order};
use std::path::Path;

fn recover(repository: &Repository) -> Ended {
    let mut script = repository.program(Path::new("bash"));
    script.arg("ci/cutover/recover.sh").env("CUTPROOF", env!("CARGO_BIN_EXE_cutproof"));
    script.env("CUTPROOF_EVIDENCE_DIR", repository.desk.path("kept"));
    script.env("DESK_ORDER", repository.desk.path("order"));
    ended(script)
}

fn cutover(repository: &Repository, variable: &str) -> Ended {
    let mut cutover = repository.program(Path::new(env!("CARGO_BIN_EXE_cutproof")));
    cutover.args([
        "cutover",
        "--execute",
        "--yes",
        "--evidence-dir",
        &argument(&repository.desk.path("kept")),
    ]);
    cutover.env("DESK_ORDER", repository.desk.path("order")).env(variable, "yes");
    ended(cutover)
}

#[test]
fn where_the_evidence_is_not_nobody_concludes_that_there_was_no_cutover() {
    let repository = Repository::new();
    let ended = recover(&repository).with_code(1);
    assert!(ended.error().contains("or this is another machine"), "{}", ended.stderr);
}

#[test]
fn a_cutover_that_began_nothing_needs_no_recovery() {
    let repository = Repository::new();
    std::fs::create_dir(repository.desk.path("kept")).expect("a folder of ours");
    let ended = recover(&repository).with_code(0);
    assert!(ended.stdout.contains("nothing to recover"), "{}", ended.stdout);
}

#[test]
fn a_killed_cutover_is_taken_back_once() {
    let repository = Repository::new();
    cutover(&repository, "DESK_KILL");
    recover(&repository).with_code(0);
    expect_taken_back(&repository.desk.path("order"));
    // Asked a second time it finds all as it must be, and does nothing.
    recover(&repository).with_code(0);
    expect_taken_back(&repository.desk.path("order"));
}

#[test]
fn a_rollback_that_fails_is_red_and_calls_for_a_person() {
    let repository = Repository::new();
    let template = "configs/ops/ctp_rollback_drill.template.env";
    let text = std::fs::read_to_string(repository.path(template)).expect("the template");
    repository.write(
        template,
        &text.replace("rollback restore_previous_binaries >>", "x >> /dev/null; false; false >>"),
    );
    let text = std::fs::read_to_string(repository.path(template)).expect("the template");
    assert!(text.contains("false"), "{text}");
    cutover(&repository, "DESK_KILL");
    let ended = recover(&repository);
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("a person must look now"), "{}", ended.stderr);
    assert!(
        !order(&repository.desk.path("order")).iter().any(|step| step.contains("previous_core_engine_start"))
    );
}

#[test]
fn a_cutover_that_is_good_and_was_cancelled_afterwards_stays() {
    let repository = Repository::new();
    cutover(&repository, "DESK_NOTHING").with_code(0);
    recover(&repository).with_code(0);
    assert_eq!(order(&repository.desk.path("order")).len(), 10, "nothing was rolled back");
}
