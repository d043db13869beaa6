//! What the tests that drive the real binary share: a folder of a test's own, runs with a deadline, what a run left
//! in its evidence, and the certainty that no process is left. It knows the binary, its files and /proc; of the
//! library it uses nothing.

#![allow(dead_code, reason = "each test target uses its own part")]

pub mod consumer;
pub mod libraries;
pub mod sealed;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Machines that build something else at the same time are slow; and the first run on a machine installs engines.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What must come comes within this time.
pub const SOON: Duration = Duration::from_secs(60);

/// What is ended is gone within this time.
pub const GONE: Duration = Duration::from_secs(3);

/// The flags by which a bootstrap finds this repository's own schemas and connectors.
pub const FILES: [&str; 8] = [
    "--schema-dir",
    "fixtures/postgres",
    "--clickhouse-schema-dir",
    "fixtures/clickhouse",
    "--trading-core-connector-file",
    "fixtures/debezium/connector-trading-core.json",
    "--ops-audit-connector-file",
    "fixtures/debezium/connector-ops-audit.json",
];

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A place of a test's own. Everything that is started in it can be told from what others run on this machine, and
/// nothing of that may be left when it is dropped.
pub struct Desk {
    folder: tempfile::TempDir,
    runs: AtomicU32,
    variables: Vec<(String, String)>,
}

impl Desk {
    pub fn new() -> Desk {
        let folder = tempfile::Builder::new().prefix("cutproof-test-").tempdir().expect("a temporary folder");
        // The engine that refuses root runs as another user, who must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        Desk { folder, runs: AtomicU32::new(0), variables: Vec::new() }
    }

    /// A variable for all that is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A variable that was set.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().rev().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("{name} was not set")).1
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and gives its path as an argument.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder of ours");
        fs::write(&path, text).expect("a file of ours");
        argument(&path)
    }

    /// A program with the repository as its folder, and only the variables that the test gave.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let told = name.to_string_lossy();
            if told.starts_with("CUTPROOF_") || told.starts_with("NEXTEST") || name == "CI" {
                command.env_remove(name);
            }
        }
        command.env("XDG_STATE_HOME", self.path("state"));
        // Whatever machine it is on; tests of containers say so.
        command.env("CUTPROOF_PROVISION", "embedded");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The binary under test.
    pub fn cutproof(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_cutproof"));
        command.args(arguments);
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.cutproof(arguments))
    }

    /// Runs a verb that makes a run, with an evidence folder of its own.
    pub fn measure(&self, arguments: &[&str]) -> Run {
        let evidence = self.evidence();
        let flag = argument(&evidence);
        let ended = self.run(&[arguments, &["--evidence-dir", &flag]].concat());
        Run::of(ended, &evidence)
    }

    /// A folder for the evidence of one run.
    pub fn evidence(&self) -> PathBuf {
        self.path(&format!("evidence-{}", self.runs.fetch_add(1, Ordering::SeqCst)))
    }

    /// Starts the binary and lets it run; what it prints goes to the files `out` and `err`.
    pub fn start(&self, arguments: &[&str]) -> Going {
        let file = |name| File::create(self.path(name)).expect("a file of ours");
        Going::start(self.cutproof(arguments).stdout(file("out")).stderr(file("err")))
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).expect("the file is there")).into_owned()
    }

    /// The processes that were started here, by id, each with what it is.
    pub fn processes(&self) -> BTreeMap<i32, String> {
        let mark = self.folder.path().as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter_map(|pid| Some((pid, of_mark(pid, mark)?))).collect()
    }

    /// Waits until nothing runs here.
    pub fn expect_nothing_left(&self) {
        self.expect_nothing_left_but(&BTreeSet::new());
    }

    /// Waits until only these run here.
    pub fn expect_nothing_left_but(&self, kept: &BTreeSet<i32>) {
        let left = || self.processes().into_iter().filter(|(pid, _)| !kept.contains(pid)).collect::<Vec<_>>();
        if !within(GONE, || left().is_empty()) {
            panic!("these processes are left: {:#?}", left());
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_nothing_left();
        }
        // In order first: an engine with an environment of its own is known to its holder only.
        self.signal_until_gone(Signal::TERM);
        self.signal_until_gone(Signal::KILL);
    }
}

impl Desk {
    fn signal_until_gone(&self, which: Signal) {
        let send = |left: &BTreeMap<i32, String>| {
            for pid in left.keys().filter_map(|pid| Pid::from_raw(*pid)) {
                // It may have ended in between.
                kill_process(pid, which).ok();
            }
        };
        send(&self.processes());
        within(GONE, || {
            let left = self.processes();
            if which == Signal::KILL {
                send(&left);
            }
            left.is_empty()
        });
    }
}

/// What a process is, where it was started by someone who holds this mark: in its environment, its arguments or the
/// folder that it is in. One that has ended and was not waited for is no process any more.
fn of_mark(pid: i32, mark: &[u8]) -> Option<String> {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let has = |text: &[u8]| text.windows(mark.len()).any(|window| window == mark);
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let arguments = read("cmdline");
    let marked = has(&arguments) || has(&read("environ")) || has(folder.as_os_str().as_encoded_bytes());
    let stat = String::from_utf8_lossy(&read("stat")).into_owned();
    let state = stat.rsplit(") ").next()?.chars().next()?;
    let alive = !matches!(state, 'Z' | 'X');
    let words = String::from_utf8_lossy(&arguments).replace('\0', " ");
    (marked && alive).then(|| words.chars().take(300).collect())
}

/// A path as an argument.
pub fn argument(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}

/// Whether something comes true within a time.
pub fn within(time: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits for something that must come.
pub fn expect_soon(what: &str, holds: impl FnMut() -> bool) {
    assert!(within(SOON, holds), "{what}: this did not come true within {} s", SOON.as_secs());
}

/// A process that is going on. It does not outlive this value.
pub struct Going(Child);

impl Going {
    pub fn start(command: &mut Command) -> Going {
        Going(command.spawn().expect("the program can be started"))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a process id")
    }

    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Waits for its end.
    pub fn end(mut self) -> ExitStatus {
        let mut status = None;
        expect_soon("the process ends", || {
            status = self.0.try_wait().expect("a child of ours");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Sends a signal to a process that must be there.
pub fn signal(pid: i32, which: Signal) {
    let pid = Pid::from_raw(pid).expect("a process id");
    kill_process(pid, which).expect("the process is there");
}

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program to its end.
pub fn ended(command: Command) -> Ended {
    let output =
        assert_cmd::Command::from_std(command).timeout(PATIENCE).output().expect("it can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ended {
    /// The same, where it ended as it must.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The line that says what is wrong; there is exactly one.
    #[track_caller]
    pub fn error(&self) -> &str {
        let lines: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(lines.len(), 1, "expected one line that begins with `error:` in:\n{}", self.stderr);
        lines[0]
    }
}

/// A run and its evidence.
#[derive(Debug)]
pub struct Run {
    pub ended: Ended,
    pub folder: PathBuf,
    pub summary: Value,
}

impl Run {
    #[track_caller]
    pub fn of(ended: Ended, evidence: &Path) -> Run {
        let folder =
            run_folder(evidence).unwrap_or_else(|| panic!("no run in {}: {ended:#?}", evidence.display()));
        let summary = fs::read_to_string(folder.join("summary.json"));
        let summary = summary.unwrap_or_else(|error| panic!("summary.json: {error}: {ended:#?}"));
        Run { ended, summary: serde_json::from_str(&summary).expect("summary.json is JSON"), folder }
    }

    /// The same, where it ended with this exit code.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Run {
        Run { ended: self.ended.with_code(code), ..self }
    }

    /// The gates that were selected: their verdicts and reasons by id.
    pub fn gates(&self) -> BTreeMap<&str, (&str, &str)> {
        let gates = self.summary["gates"].as_array().expect("a list of gates").iter();
        let gates = gates.filter(|gate| gate["selected"] == true);
        gates.map(|gate| (text(&gate["id"]), (text(&gate["verdict"]), text(&gate["reason"])))).collect()
    }

    #[track_caller]
    pub fn verdict(&self, gate: &str) -> &str {
        self.gates().get(gate).unwrap_or_else(|| panic!("no gate {gate} in {:#}", self.summary)).0
    }

    #[track_caller]
    pub fn reason(&self, gate: &str) -> &str {
        self.gates().get(gate).unwrap_or_else(|| panic!("no gate {gate} in {:#}", self.summary)).1
    }

    /// The ids of the gates with this verdict.
    pub fn with_verdict(&self, verdict: &str) -> BTreeSet<&str> {
        let gates = self.gates();
        gates.into_iter().filter(|(_, (seen, _))| *seen == verdict).map(|(id, _)| id).collect()
    }

    pub fn read(&self, file: &str) -> String {
        let read = fs::read_to_string(self.folder.join(file));
        read.unwrap_or_else(|error| panic!("{file} of {}: {error}", self.folder.display()))
    }

    /// An `.env` file's keys and values.
    pub fn env(&self, file: &str) -> BTreeMap<String, String> {
        env(&self.read(file))
    }

    /// junit.xml, as a parser reads it.
    pub fn junit(&self) -> quick_junit::Report {
        let text = self.read("junit.xml");
        quick_junit::Report::deserialize_from_str(&text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
    }

    /// That summary and JUnit tell the same of every gate.
    #[track_caller]
    pub fn expect_junit_agrees(&self) {
        let junit = self.junit();
        let cases = junit.test_suites.iter().flat_map(|suite| &suite.test_cases);
        let gates =
            cases.filter(|case| !case.classname.as_ref().is_some_and(|name| name.as_str().ends_with(".run")));
        let told: BTreeMap<_, _> = gates.map(|case| (case.name.as_str(), in_junit(&case.status))).collect();
        // Those that were not selected are told too, as skipped.
        let seen = self.summary["gates"].as_array().expect("a list of gates").iter();
        let seen = seen.map(|gate| match text(&gate["verdict"]) {
            "inconclusive" => (text(&gate["id"]), "error"),
            verdict => (text(&gate["id"]), verdict),
        });
        assert_eq!(told, seen.collect::<BTreeMap<_, _>>());
        for suite in &junit.test_suites {
            let count =
                |what: &str| suite.test_cases.iter().filter(|case| in_junit(&case.status) == what).count();
            assert_eq!(
                (suite.tests, suite.failures, suite.errors),
                (suite.test_cases.len(), count("failed"), count("error"))
            );
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn in_junit(status: &quick_junit::TestCaseStatus) -> &'static str {
    use quick_junit::{NonSuccessKind, TestCaseStatus};
    match status {
        TestCaseStatus::Success { .. } => "passed",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failed",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "error",
        TestCaseStatus::Skipped { .. } => "skipped",
    }
}

/// The folder of the only run in an evidence folder.
pub fn run_folder(evidence: &Path) -> Option<PathBuf> {
    let folders: Vec<_> = fs::read_dir(evidence).ok()?.flatten().map(|entry| entry.path()).collect();
    assert!(folders.len() <= 1, "expected one run, and saw {folders:?}");
    folders.into_iter().next()
}

/// Lines of `KEY=VALUE`.
pub fn env(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The journal's events, in order; every line must be whole.
#[track_caller]
pub fn journal(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("journal.jsonl")).expect("there is a journal");
    // A killed run leaves what was reserved for the rest.
    let lines = text.trim_end_matches('\0').lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

/// That a folder has whole files only: no temporary ones, none that is empty.
#[track_caller]
pub fn expect_whole_files(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(
            !name.starts_with('.') && !name.ends_with(".part") && !name.ends_with(".tmp"),
            "half a file: {name}"
        );
        assert!(entry.metadata().expect("a file").size() > 0, "{name} is empty");
    }
}

/// Engines that stay up for several tests of a file.
pub struct Engines<'a> {
    desk: &'a Desk,
    /// The variables that point to them.
    pub variables: BTreeMap<String, String>,
    /// The process of each.
    pub pids: BTreeMap<String, i32>,
}

impl Engines<'_> {
    /// Starts the engines of a profile.
    pub fn up<'a>(desk: &'a Desk, profile: &str) -> Engines<'a> {
        let up = desk.run(&["engines", "up", "--name", "test", "--profile", profile]).with_code(0);
        let file = desk.read("state/cutproof/engines/test.json");
        let file: Value = serde_json::from_str(&file).expect("the engines' file is JSON");
        let services = file["services"].as_array().expect("a list of services").iter();
        let pid = |service: &Value| {
            Some((service["name"].as_str()?.to_owned(), service["pid"].as_i64()?.try_into().ok()?))
        };
        let pids = services.map(|service| pid(service).expect("each has a name and a process")).collect();
        Engines { desk, variables: env(&up.stdout), pids }
    }

    /// Runs gates on them.
    pub fn gates(&self, arguments: &[&str]) -> Run {
        let evidence = self.desk.evidence();
        let mut command = self.desk.cutproof(&["gates", "run", "--evidence-dir", &argument(&evidence)]);
        command.args(arguments).envs(&self.variables);
        Run::of(ended(command), &evidence)
    }

    pub fn address(&self, service: &str) -> &str {
        &self.variables[&format!("CUTPROOF_ENDPOINT_{}", service.to_uppercase())]
    }

    /// Ends them.
    pub fn down(self) {
        self.desk.run(&["engines", "down", "--name", "test"]).with_code(0);
        self.desk.expect_nothing_left();
    }
}
