//! Bad luck in the middle of a run: it is told to end, it is killed, nobody reads what it prints, its evidence can't be
//! written. Whatever happens, no process is left, no half file, and nothing is green.

mod common;

use common::{
    Desk, Going, Run, argument, ended, expect_soon, expect_whole_files, journal, run_folder, signal,
};
use rustix::process::{Signal, geteuid};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A gate that passes, one that waits for something that does not come, and one behind it.
const WAITING: &str = r#"
environment = "waiting"
[services.redis]
kind = "redis"
[[gate]]
id = "answers"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
[[gate]]
id = "waits"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
needs = ["answers"]
expect = "latency_ms > 3600000"
retry = { every = "100ms", for = "10m" }
[[gate]]
id = "behind"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
needs = ["waits"]
"#;

/// Two gates that pass.
const SHORT: &str = r#"
environment = "short"
[services.redis]
kind = "redis"
[[gate]]
id = "answers"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
[[gate]]
id = "takes-keys"
phase = "infra"
probe = "redis_round_trip"
uses = ["redis"]
writes = true
with = { keys = ["{{id}}"] }
"#;

/// A run that has come to the gate that waits.
struct Waiting {
    desk: Desk,
    evidence: PathBuf,
    going: Going,
    /// The processes of the run.
    began: BTreeSet<i32>,
}

impl Waiting {
    fn begin() -> Waiting {
        let desk = Desk::new();
        let (profile, evidence) = (desk.write("waiting.toml", WAITING), desk.evidence());
        let going = desk.start(&["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
        expect_soon("the gate waits", || {
            run_folder(&evidence).is_some_and(|run| journal_says(&run, "attempt_ended"))
        });
        let began: BTreeSet<_> = desk.processes().into_keys().collect();
        assert!(began.len() >= 3, "holder, worker and Redis: {:#?}", desk.processes());
        Waiting { desk, evidence, going, began }
    }

    fn worker(&self) -> i32 {
        let holder = self.going.pid();
        let of_holder = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"));
        let of_holder = of_holder.expect("the holder is there");
        of_holder.split_whitespace().next().expect("the holder has a worker").parse().expect("a process id")
    }

    /// That nothing is left of a run that was killed but a journal that ends in the middle.
    fn expect_gone_without_an_end(self) {
        self.desk.expect_nothing_left();
        for pid in &self.began {
            assert!(!Path::new(&format!("/proc/{pid}/exe")).exists(), "process {pid} is left");
        }
        let folder = run_folder(&self.evidence).expect("the run has a folder");
        let events = events(&folder);
        assert_eq!(events.first().map(String::as_str), Some("run_started"));
        assert!(!events.iter().any(|event| event == "run_ended"), "{events:?}");
        let files: Vec<_> =
            fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(files, ["journal.jsonl"]);
    }
}

fn journal_says(folder: &Path, event: &str) -> bool {
    fs::read_to_string(folder.join("journal.jsonl")).is_ok_and(|text| text.contains(&format!("\"{event}\"")))
}

fn events(folder: &Path) -> Vec<String> {
    let text = |value: &serde_json::Value| value["event"].as_str().map(str::to_owned);
    let event = |line: serde_json::Value| text(&line).or_else(|| line.as_object()?.values().find_map(text));
    journal(folder).into_iter().filter_map(event).collect()
}

#[test]
fn a_run_that_is_told_to_end_does_so_in_order_and_says_interrupted() {
    for (which, name, code) in [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143)] {
        let Waiting { desk, evidence, going, .. } = Waiting::begin();
        going.signal(which);
        let status = going.end();
        assert_eq!(status.code(), Some(code), "{name}: {}", desk.read("err"));
        desk.expect_nothing_left();
        let said = common::Ended { code: status.code(), stdout: desk.read("out"), stderr: desk.read("err") };
        let run = Run::of(said, &evidence);
        assert_eq!(run.summary["verdict"], "interrupted");
        assert_eq!(run.summary["interrupted"], name);
        assert_eq!(run.verdict("answers"), "passed");
        assert_ne!(run.verdict("waits"), "passed");
        assert_eq!(run.verdict("behind"), "skipped");
        assert!(
            run.reason("behind").contains(name) || run.reason("behind").contains("waits"),
            "{:?}",
            run.gates()
        );
        run.expect_junit_agrees();
        let junit = run.junit();
        assert!(junit.test_suites.iter().map(|suite| suite.errors + suite.failures).sum::<usize>() > 0);
        assert_eq!(
            events(&run.folder).iter().rev().take(3).collect::<Vec<_>>(),
            ["run_ended", "provenance", "interrupted"]
        );
        let last = run.ended.stdout.lines().rfind(|line| line.starts_with("INTERRUPTED"));
        assert!(last.is_some_and(|line| line.contains(name)), "{}", run.ended.stdout);
        expect_whole_files(&run.folder);
    }
}

#[test]
fn nothing_is_left_of_a_run_whose_holder_is_killed() {
    let mut waiting = Waiting::begin();
    waiting.going.signal(Signal::KILL);
    waiting.going.child().wait().expect("a child of ours");
    waiting.expect_gone_without_an_end();
}

#[test]
fn nothing_is_left_of_a_run_whose_worker_is_killed() {
    let mut waiting = Waiting::begin();
    signal(waiting.worker(), Signal::KILL);
    expect_soon("the holder ends", || waiting.going.child().try_wait().expect("a child of ours").is_some());
    let status = waiting.going.child().wait().expect("a child of ours");
    assert_eq!(status.code(), Some(137));
    waiting.expect_gone_without_an_end();
}

#[test]
fn a_run_that_nobody_listens_to_writes_its_evidence() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("short.toml", SHORT), desk.evidence());
    let mut command =
        desk.cutproof(&["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    let err = File::create(desk.path("err")).expect("a file of ours");
    let mut going = Going::start(command.stdout(Stdio::piped()).stderr(err));
    drop(going.child().stdout.take());
    let code = going.end().code();
    desk.expect_nothing_left();
    let run = Run::of(common::Ended { code, stdout: String::new(), stderr: desk.read("err") }, &evidence);
    assert_eq!(run.summary["verdict"], "passed");
    run.expect_junit_agrees();
    expect_whole_files(&run.folder);
    // Who asked for the summary did not get it, and is told.
    assert!(run.with_code(2).ended.error().contains("stdout"));
}

#[test]
fn a_closed_standard_error_ends_nothing() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("short.toml", SHORT), desk.evidence());
    let mut command =
        desk.cutproof(&["rehearse", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    let out = File::create(desk.path("out")).expect("a file of ours");
    let mut going = Going::start(command.stdout(out).stderr(Stdio::piped()));
    drop(going.child().stderr.take());
    let code = going.end().code();
    let run = Run::of(common::Ended { code, stdout: desk.read("out"), stderr: String::new() }, &evidence)
        .with_code(0);
    assert_eq!(run.summary["verdict"], "passed");
}

#[test]
fn a_run_whose_evidence_has_no_place_is_refused_and_starts_nothing() {
    let desk = Desk::new();
    let (profile, file) = (desk.write("short.toml", SHORT), desk.write("file", "in the way"));
    for place in [format!("{file}/evidence"), "/proc/evidence".to_owned()] {
        let refused = desk.run(&["rehearse", "--profile", &profile, "--evidence-dir", &place]).with_code(2);
        let error = refused.error();
        assert!(error.contains(&place) && error.contains("--evidence-dir"), "{error}");
        assert_eq!(refused.stdout, "");
        desk.expect_nothing_left();
    }
    assert_eq!(desk.read("file"), "in the way");
}

#[test]
fn a_disk_that_is_full_before_the_run_is_found_before_the_run() {
    let desk = Desk::new();
    let Some(small) = SmallDisk::of(&desk, "64k") else { return };
    let profile = desk.write("short.toml", SHORT);
    let refused = ended(small.cutproof(&["rehearse", "--profile", &profile])).with_code(2);
    assert!(refused.error().to_lowercase().contains("space"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("passed"), "nothing is run: {}", refused.stderr);
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_not_green() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("short.toml", SHORT), desk.evidence());
    let mut command = desk.program("sh");
    let line = "ulimit -f 1 && exec \"$0\" rehearse --dry-run --profile \"$1\" --evidence-dir \"$2\"";
    command.args(["-c", line, env!("CARGO_BIN_EXE_cutproof"), &profile, &argument(&evidence)]);
    let refused = ended(command).with_code(2);
    assert!(refused.error().contains("journal"), "{}", refused.stderr);
    let files = run_folder(&evidence).map(|run| fs::read_dir(run).expect("a folder").flatten().count());
    assert!(files.is_none_or(|files| files <= 1), "nothing but the journal may be there");
}

#[test]
fn a_disk_that_runs_full_is_an_error_and_leaves_no_half_file() {
    let desk = Desk::new();
    let Some(small) = SmallDisk::of(&desk, "1200k") else { return };
    let fill = r#"
environment = "full"
[[gate]]
id = "fills-the-disk"
phase = "infra"
probe = "command"
with = { shell = "cat /dev/zero > $disk/fill 2>&-; true" }
"#;
    let profile = desk.write("fill.toml", fill);
    let line = "\"$@\" --evidence-dir \"$disk/evidence\"; code=$?; ls -A $disk/evidence/* >&2; exit $code";
    let mut command = small.shell(line, &[env!("CARGO_BIN_EXE_cutproof"), "rehearse", "--profile", &profile]);
    command.env("LC_ALL", "C");
    let refused = ended(command).with_code(2);
    assert!(refused.error().contains("No space left"), "{}", refused.stderr);
    assert!(!refused.stdout.contains("PASSED"), "{}", refused.stdout);
    let files: Vec<_> = refused.stderr.lines().rev().take_while(|line| !line.starts_with("error:")).collect();
    assert_eq!(files, ["journal.jsonl"]);
}

/// A disk of a size, mounted for one command only, that holds the evidence.
struct SmallDisk<'a> {
    desk: &'a Desk,
    size: &'static str,
}

impl<'a> SmallDisk<'a> {
    /// None where this machine lets nobody mount anything, and says so.
    fn of(desk: &'a Desk, size: &'static str) -> Option<SmallDisk<'a>> {
        let small = SmallDisk { desk, size };
        fs::create_dir(desk.path("disk")).expect("a folder of ours");
        let possible = ended(small.shell("true", &[])).code == Some(0);
        if !possible {
            eprintln!("not tested here: a small disk can't be mounted");
        }
        possible.then_some(small)
    }

    fn cutproof(&self, arguments: &[&str]) -> std::process::Command {
        let line = "\"$@\" --evidence-dir \"$disk/evidence\"";
        self.shell(line, &[&[env!("CARGO_BIN_EXE_cutproof")], arguments].concat())
    }

    fn shell(&self, line: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = self.desk.program("unshare");
        command.args(if geteuid().is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        let mount = format!("mount -t tmpfs -o size={} none \"$disk\" && {{ {line}; }}", self.size);
        command.args(["sh", "-c", &mount, "sh"]).args(arguments).env("disk", self.desk.path("disk"));
        command
    }
}
