//! `cutproof status` on runs that go on, have ended, and were killed. It only reads.

mod common;

use common::{Desk, Ended, Going, argument, expect_soon, run_folder};
use cutproof::journal::{FILE, Journal};
use cutproof::model::event::Sink as _;
use cutproof::model::{Clock, Event};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const RUN: &str = "20261122T194103Z-cutover-4f7k2q";

/// A cutover with two steps there and one back.
fn started(run: &str, host: &str) -> Event {
    let step = |number: u32, name: &str| {
        json!({"number": number, "name": name, "command": format!("ops/{name}.sh"), "timeout_ms": 600_000.0,
               "at": {"file": "cutover.env", "line": number, "column": 1}})
    };
    let template = json!({"path": "cutover.env", "sha256": "ab".repeat(32)});
    event(json!({
        "event": "run_started", "run": run, "verb": "cutover", "tool": "0.1.0", "environment": "desk",
        "profile": null, "provisioner": "attach", "dry_run": false, "partial": false, "host": host,
        "started": Clock::start().started(), "services": {}, "gates": [],
        "switch": {
            "cutover": {
                "template": template, "environment": "desk", "window": "2026-11-22 19:30",
                "window_start": "2026-11-22T19:30:00.000Z", "window_met": true, "config_path": "configs/ctp.yaml",
                "monitor_minutes": "30", "monitor_keys": "kafka_lag_ms", "output": "ctp_cutover_result.env",
                "steps": [step(1, "stop_old_core_engine"), step(2, "stop_old_strategy_runner")],
            },
            "rollback": {
                "template": template, "environment": "desk", "trigger": "kafka_lag_ms > 1000",
                "max_seconds": "180", "limit_ms": 180_000.0, "output": "ctp_rollback_result.env",
                "steps": [step(1, "stop_new_core_engine")],
            },
            "profile": false, "force_rollback": false, "rollback_on_interrupt": true,
        },
    }))
}

fn event(value: Value) -> Event {
    serde_json::from_value(value).expect("an event")
}

fn begins(number: u32, name: &str) -> Event {
    event(json!({"event": "command_started", "sequence": "cutover", "number": number, "name": name}))
}

fn ends(number: u32, name: &str) -> Event {
    event(json!({"event": "command_ended", "sequence": "cutover", "number": number, "name": name,
                 "status": "ok", "exit_code": 0, "duration_ms": 420.0}))
}

/// A cutover in its second step, that is going on: this process writes its journal.
fn going(evidence: &Path, run: &str, host: &str) -> Journal {
    let journal = Journal::create(&evidence.join(run), Clock::start()).expect("a journal");
    journal.event(started(run, host));
    journal.event(event(json!({"event": "stage_started", "stage": "cutover"})));
    journal.event(begins(1, "stop_old_core_engine"));
    journal.event(ends(1, "stop_old_core_engine"));
    journal.event(begins(2, "stop_old_strategy_runner"));
    journal
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn status(desk: &Desk, evidence: &Path, arguments: &[&str]) -> Ended {
    desk.run(&[&["status", "--evidence-dir", &argument(evidence)], arguments].concat())
}

#[test]
fn a_run_that_goes_on_is_shown_and_nothing_of_it_is_touched() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    let journal = going(&evidence, RUN, &host());
    let before = fs::read(journal.path()).expect("a journal");
    let shown = status(&desk, &evidence, &[]).with_code(0);
    for told in [
        format!("cutover  desk  {RUN} on {}\nRUNNING for ", host()),
        "\ncutover            RUNNING for ".to_owned(),
        "\n   1 stop_old_core_engine            ok  0.42 s\n".to_owned(),
        "\n   2 stop_old_strategy_runner        RUNNING for ".to_owned(),
        ", of at most 10 min\n".to_owned(),
    ] {
        assert!(shown.stdout.contains(&told), "{told} in {}", shown.stdout);
    }
    let shown = status(&desk, &evidence, &["20261122", "--format", "json"]).with_code(0);
    let told: Value = serde_json::from_str(&shown.stdout).expect("one JSON object");
    assert_eq!((told["run"].as_str(), told["state"].as_str()), (Some(RUN), Some("running")));
    assert_eq!(told["steps"][1]["state"], "running");
    assert_eq!(fs::read(journal.path()).expect("a journal"), before);
    let names: Vec<_> = fs::read_dir(evidence.join(RUN)).expect("a folder").flatten().collect();
    assert_eq!(names.len(), 1, "only the journal is there");
    journal.event(ends(2, "stop_old_strategy_runner"));
    assert_eq!(journal.failure(), None);
}

#[test]
fn a_run_whose_process_is_gone_was_killed() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    drop(going(&evidence, RUN, &host()));
    let folder = argument(&evidence.join(RUN));
    let shown = desk.run(&["status", &folder]).with_code(1);
    for told in [
        "\nKILLED: it has no end, and its process is gone; last entry ".to_owned(),
        "\n   2 stop_old_strategy_runner        CUT OFF: began ".to_owned(),
        format!("\nsee what it left, and choose: cutproof cutover --resume {folder}\n"),
    ] {
        assert!(shown.stdout.contains(&told), "{told} in {}", shown.stdout);
    }
    // Half an entry changes nothing about that.
    let mut journal = File::options().append(true).open(evidence.join(RUN).join(FILE)).expect("a journal");
    journal.write_all(b"{\"v\":1,\"seq\":6").expect("room");
    assert_eq!(desk.run(&["status", &folder, "--follow"]).with_code(1).stdout.matches("KILLED").count(), 1);
}

#[test]
fn a_run_of_another_machine_is_not_said_to_be_killed() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    drop(going(&evidence, RUN, "desk-of-someone-else"));
    let shown = status(&desk, &evidence, &[]).with_code(1);
    assert!(shown.stdout.contains("it ran on desk-of-someone-else, and this is "), "{}", shown.stdout);
    assert!(!shown.stdout.contains("KILLED"), "{}", shown.stdout);
}

/// What a follower has printed so far.
fn expect_told(desk: &Desk, told: &str) {
    expect_soon(told, || desk.read("out").contains(told));
}

fn follow(desk: &Desk, evidence: &Path, arguments: &[&str]) -> Going {
    desk.start(&[&["status", "--follow", "--evidence-dir", &argument(evidence)], arguments].concat())
}

#[test]
fn a_follower_prints_what_happens_waits_for_half_a_line_and_ends_with_the_run() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    let journal = going(&evidence, RUN, &host());
    let follower = follow(&desk, &evidence, &[]);
    expect_told(&desk, "cutover 2 stop_old_strategy_runner begins\n");
    journal.event(ends(2, "stop_old_strategy_runner"));
    expect_told(&desk, "cutover 2 stop_old_strategy_runner ok  0.42 s\n");
    journal.event(event(json!({"event": "alarm", "text": "the limit is passed"})));
    expect_told(&desk, "ALARM: the limit is passed\n");
    journal.event(event(json!({"event": "interrupted", "by": "SIGTERM"})));
    journal.event(event(json!({"event": "run_ended", "verdict": "failed", "duration_ms": 6412.0,
        "counts": {"passed": 0, "skipped": 0, "inconclusive": 0, "error": 0, "failed": 0}})));
    assert_eq!(follower.end().code(), Some(1), "a run that was interrupted is not fine");
    let out = desk.read("out");
    assert!(out.contains("run ends\n\n") && out.contains("\nENDED interrupted after 6.4 s"), "{out}");
    assert_eq!(out.matches("stop_old_core_engine begins").count(), 1, "nothing is told twice: {out}");
}

#[test]
fn a_follower_sees_that_the_run_is_gone() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    let journal = going(&evidence, RUN, &host());
    let follower = follow(&desk, &evidence, &["--format", "json"]);
    expect_told(&desk, "\"running\"");
    File::options()
        .append(true)
        .open(journal.path())
        .and_then(|mut file| file.write_all(b"{\"v\":1,"))
        .expect("half an entry");
    drop(journal);
    assert_eq!(follower.end().code(), Some(1));
    let out = desk.read("out");
    let last: Value = serde_json::from_str(out.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["state"], "killed");
    assert!(out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{out}");
}

#[test]
fn the_runs_of_other_verbs_are_shown_too() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    let output = argument(&desk.path("kafka.env"));
    let compose = desk.write("compose.yaml", "services: {}\n");
    let init = ["init", "kafka", "--compose-file", &compose, "--output-file", &output];
    desk.run(&[&init[..], &["--evidence-dir", &argument(&evidence)]].concat()).with_code(0);
    let shown = status(&desk, &evidence, &[]).with_code(0);
    assert!(shown.stdout.starts_with("init-kafka (dry run)  "), "{}", shown.stdout);
    assert!(shown.stdout.contains("\nENDED simulated after "), "{}", shown.stdout);
    let followed = status(&desk, &evidence, &["--follow"]).with_code(0);
    assert!(followed.stdout.contains("\nENDED simulated after "), "{}", followed.stdout);
}

/// A run whose only gate takes a minute.
fn slow(desk: &Desk) -> (Going, PathBuf) {
    let text = "environment = \"slow\"\n[[gate]]\nid = \"slow\"\nphase = \"infra\"\nprobe = \"command\"\n\
                timeout = \"90s\"\nwith = { shell = 'sleep 60' }\n";
    let profile = desk.write("slow.toml", text);
    let evidence = desk.evidence();
    let arguments = ["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)];
    let quiet = |file| File::create(desk.path(file)).expect("a file of ours");
    let run = Going::start(desk.cutproof(&arguments).stdout(quiet("run.out")).stderr(quiet("run.err")));
    (run, evidence)
}

#[test]
fn a_real_run_is_running_until_it_is_killed() {
    let desk = Desk::new();
    let (run, evidence) = slow(&desk);
    expect_soon("the gate runs", || {
        let journal = run_folder(&evidence).map(|folder| fs::read_to_string(folder.join(FILE)));
        journal.is_some_and(|text| text.is_ok_and(|text| text.contains("gate_started")))
    });
    let shown = status(&desk, &evidence, &[]).with_code(0);
    assert!(shown.stdout.contains("\n  slow                            RUNNING for "), "{}", shown.stdout);
    let follower = follow(&desk, &evidence, &[]);
    expect_told(&desk, "begins\n");
    run.signal(Signal::KILL);
    assert_eq!(follower.end().code(), Some(1));
    assert!(
        desk.read("out").contains("\nKILLED: it has no end, and its process is gone"),
        "{}",
        desk.read("out")
    );
    drop(run);
    desk.expect_nothing_left();
}

#[test]
fn what_is_not_there_or_is_damaged_is_an_error() {
    let desk = Desk::new();
    let evidence = desk.path("evidence");
    let told = status(&desk, &evidence, &[]).with_code(2);
    assert!(told.stderr.contains("error: expected a folder with runs, and "), "{}", told.stderr);
    drop(going(&evidence, RUN, &host()));
    let told = status(&desk, &evidence, &["2027"]).with_code(2);
    assert!(told.stderr.contains(&format!("no run `2027` in {}", evidence.display())), "{}", told.stderr);
    let path = evidence.join(RUN).join(FILE);
    let text = fs::read_to_string(&path).expect("a journal");
    fs::write(&path, text.replace("\"exit_code\":0", "\"exit_code\":1")).expect("room");
    for arguments in [&["--follow"][..], &[], &["--format", "json"]] {
        let told = status(&desk, &evidence, arguments).with_code(2);
        assert!(
            told.stderr.contains("journal.jsonl: line 4 was changed after it was written"),
            "{}",
            told.stderr
        );
    }
    fs::write(&path, "").expect("room");
    let told = status(&desk, &evidence, &[]).with_code(2);
    assert!(
        told.stderr.contains("the run was killed before it began, and nothing was done"),
        "{}",
        told.stderr
    );
}
