//! SIGKILL to each of a run's two processes, and to both: Docker has nothing of the run afterwards.

use crate::common::{expect_soon, signal};
use crate::support::{Late, desk_of, expect_removed, of_run};
use rustix::process::Signal;

/// The process that does the work, which is the first child of the holder.
fn worker_of(holder: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"));
    let children = children.expect("the holder is there");
    children.split_whitespace().next().expect("the holder has a worker").parse().expect("a process id")
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn no_container_is_left_when_the_worker_is_killed() {
    let desk = desk_of(&["redis"]);
    let late = Late::start(&desk);
    let run = late.run();
    assert!(!of_run(&run).is_empty());
    signal(worker_of(late.going.pid()), Signal::KILL);
    assert_eq!(late.going.end().code(), Some(137));
    // At once: the holder has seen to it before it ended.
    assert_eq!(of_run(&run), [""; 0]);
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn no_container_is_left_when_the_holder_is_killed() {
    let desk = desk_of(&["redis"]);
    let late = Late::start(&desk);
    let run = late.run();
    late.going.signal(Signal::KILL);
    expect_removed(&run);
    expect_soon("no process is left", || desk.processes().is_empty());
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn no_container_is_left_when_the_run_is_killed_while_it_starts_them() {
    let desk = desk_of(&["redis"]);
    let late = Late::begin(&desk);
    let run = || crate::common::run_folder(&desk.path("evidence-0")).map(|_| late.run());
    expect_soon("the first thing is made", || run().is_some_and(|run| !of_run(&run).is_empty()));
    let (run, worker) = (late.run(), worker_of(late.going.pid()));
    signal(worker, Signal::KILL);
    late.going.end();
    assert_eq!(of_run(&run), [""; 0]);
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn what_is_left_when_both_are_killed_is_removed_by_the_next_run() {
    let desk = desk_of(&["redis"]);
    let late = Late::start(&desk);
    let (run, holder) = (late.run(), late.going.pid());
    let worker = worker_of(holder);
    assert!(!of_run(&run).is_empty());
    // The holder stands still, so that it can't do anything about the worker's end.
    signal(holder, Signal::STOP);
    signal(worker, Signal::KILL);
    signal(holder, Signal::KILL);
    late.going.end();
    // The gate's own command.
    desk.write("go", "");
    std::fs::remove_file(desk.path("waits")).expect("the first run wrote it");
    let next = Late::start(&desk).end().with_code(0);
    assert_eq!(of_run(&run), [""; 0]);
    expect_removed(next.summary["run"].as_str().expect("a run has an id"));
}
