//! Gates under a real cargo-nextest: one process a test, and one run. Ignored: needs cargo-nextest (`ci/tools/nextest`),
//! and builds fixtures/consumer.

mod common;

use common::consumer::{nextest, words};
use common::{Desk, Ended, Going, Run, argument, ended, expect_soon, journal, run_folder};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// nextest's exit code where a test failed.
const TEST_FAILED: i32 = 100;

/// Where a setup script failed.
const SETUP_FAILED: i32 = 105;

/// Where nothing was selected.
const NO_TESTS: i32 = 4;

/// A bench for one test: a profile of its own, which the crate's target takes for its gates.
struct Bench {
    desk: Desk,
    evidence: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let desk = Desk::new();
        let evidence = desk.evidence();
        Bench { desk, evidence }
    }

    /// With these gates.
    fn with(gates: &str) -> Bench {
        let mut bench = Bench::new();
        let services = "environment = \"nextest\"\n[services.redis]\nkind = \"redis\"\n";
        let profile = bench.desk.write("nextest.toml", &format!("{services}{gates}"));
        bench.desk.set("CUTPROOF_PROFILE", &profile);
        bench
    }

    fn nextest(&self, arguments: &str) -> Command {
        let mut command = nextest(&self.desk, &self.evidence);
        command.args(words(arguments));
        command
    }

    fn run(&self, arguments: &str) -> Run {
        let ended = ended(self.nextest(arguments));
        self.desk.expect_nothing_left();
        Run::of(ended, &self.evidence)
    }

    /// Starts it in the background, and waits until the journal has an event of this gate's start.
    fn start(&self, arguments: &str, gate: &str) -> Going {
        let file = |name: &str| File::create(self.desk.path(name)).expect("a file of ours");
        let going = Going::start(self.nextest(arguments).stdout(file("out")).stderr(file("err")));
        expect_soon_or(
            &format!("{gate} begins"),
            || run_folder(&self.evidence).is_some_and(|folder| started(&folder).contains(&gate.to_owned())),
            || self.desk.read("err"),
        );
        going
    }

    /// The run's folder, once it can be judged.
    fn folder(&self) -> PathBuf {
        run_folder(&self.evidence).expect("a run")
    }
}

#[track_caller]
fn expect_soon_or(what: &str, mut holds: impl FnMut() -> bool, why: impl Fn() -> String) {
    assert!(common::within(common::PATIENCE, &mut holds), "{what}: this did not come true:\n{}", why());
}

/// Gates whose measurement began, in order, each as often as it did.
fn started(folder: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(folder.join("journal.jsonl")) else { return Vec::new() };
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let gates = events.filter(|event| event["event"] == "gate_started");
    gates.filter_map(|event| Some(event["gate"].as_str()?.to_owned())).collect()
}

fn command(id: &str, more: &str, shell: &str) -> String {
    format!(
        "[[gate]]\nid = \"{id}\"\nphase = \"readiness\"\nprobe = \"command\"\ntimeout = \"120s\"\n{more}\nwith = {{ shell = '{shell}' }}\n"
    )
}

fn ping(id: &str, more: &str) -> String {
    format!(
        "[[gate]]\nid = \"{id}\"\nphase = \"infra\"\nprobe = \"redis_ping\"\nuses = [\"redis\"]\n{more}\n"
    )
}

fn verify(bench: &Bench, folder: &Path) -> Ended {
    bench.desk.run(&["verify", &argument(folder)])
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_whole_run_is_one_bundle_that_verifies() {
    let bench = Bench::new();
    let run = bench.run("--run-ignored all").with_code(0);
    assert_eq!((&run.summary["verdict"], &run.summary["partial"]), (&"passed".into(), &false.into()));
    assert_eq!(run.with_verdict("passed").len(), 3);
    run.expect_junit_agrees();
    let measured = started(&run.folder);
    assert_eq!(measured.len(), 3, "each gate once: {measured:?}");
    assert!(
        run.ended.stderr.contains(&format!("evidence: {}", run.folder.display())),
        "{}",
        run.ended.stderr
    );
    let waited = bench.desk.run(&["nextest", "wait"]).with_code(0);
    assert_eq!(waited.stdout.trim_end(), argument(&run.folder));
    verify(&bench, &run.folder).with_code(0);
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_filtered_run_is_partial_and_measures_what_is_needed_once() {
    let bench =
        Bench::with(&[ping("first", ""), ping("second", "needs = [\"first\"]"), ping("third", "")].concat());
    let run = bench.run("second --profile default --retries 1 --no-fail-fast -j 2").with_code(0);
    assert_eq!((&run.summary["verdict"], &run.summary["partial"]), (&"partial".into(), &true.into()));
    assert!(
        run.summary["selection"].as_str().is_some_and(|words| words.contains("run second")),
        "{:#}",
        run.summary
    );
    assert_eq!(started(&run.folder), ["first", "second"]);
    assert_eq!(run.with_verdict("passed"), BTreeSet::from(["first", "second"]));
    run.expect_junit_agrees();
    assert_ne!(verify(&bench, &run.folder).code, Some(0));
    bench.desk.run(&["verify", "--allow-partial", &argument(&run.folder)]).with_code(0);
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_gate_that_fails_fails_its_test_and_what_it_blocks_also_when_tried_again() {
    let gates = [
        command("fails", "", "echo here is why; exit 3"),
        command("behind", "needs = [\"fails\"]", "true"),
        command("optional", "required = false", "exit 1"),
        ping("answers", ""),
    ];
    let bench = Bench::with(&gates.concat());
    let run = bench.run("--retries 2 --no-fail-fast -E binary(gates)").with_code(TEST_FAILED);
    assert_eq!(run.summary["verdict"], "failed");
    assert_eq!(
        (run.verdict("fails"), run.verdict("behind"), run.verdict("answers")),
        ("failed", "skipped", "passed")
    );
    assert_eq!(run.verdict("optional"), "failed");
    let mut measured = started(&run.folder);
    measured.sort();
    assert_eq!(
        measured,
        ["answers", "fails", "optional"],
        "a test that is tried again measures nothing again"
    );
    let said = format!("{}{}", run.ended.stdout, run.ended.stderr);
    assert!(said.contains("here is why") && said.contains("blocked: needs `fails`"), "{said}");
    assert!(said.contains("2 passed") && said.contains("2 failed"), "{said}");
    run.expect_junit_agrees();
}

#[test]
#[ignore = "needs cargo-nextest"]
fn gates_that_nextest_gave_up_are_skipped_and_the_run_is_not_green() {
    let gates =
        [command("a-fails", "", "exit 3"), command("b-waits", "", "true"), command("c-waits", "", "true")];
    let bench = Bench::with(&gates.concat());
    let run = bench.run("--fail-fast -j1 -E binary(gates)").with_code(TEST_FAILED);
    assert_eq!(run.summary["verdict"], "interrupted");
    assert_eq!(run.verdict("a-fails"), "failed");
    for gate in ["b-waits", "c-waits"] {
        assert_eq!(run.verdict(gate), "skipped");
        assert!(run.reason(gate).contains("the end of nextest"), "{}", run.reason(gate));
    }
    assert_ne!(verify(&bench, &run.folder).code, Some(0));
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_killed_nextest_leaves_no_engine_and_evidence_that_is_not_green() {
    for (signal, how) in [(Signal::KILL, "killed"), (Signal::INT, "interrupted")] {
        let gates = [
            ping("answers", ""),
            command("slow", "", "sleep 100"),
            command("later", "needs = [\"slow\"]", "true"),
        ];
        let bench = Bench::with(&gates.concat());
        let going = bench.start("-E binary(gates)", "slow");
        going.signal(signal);
        going.end();
        expect_soon(how, || bench.desk.processes().is_empty());
        let folder = bench.folder();
        let summary: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["verdict"], "interrupted", "{how}");
        assert_eq!(journal(&folder).last().map(|event| event["event"].clone()), Some("run_ended".into()));
        assert_ne!(verify(&bench, &folder).code, Some(0));
        assert_eq!(bench.desk.run(&["nextest", "wait"]).with_code(0).stdout.trim_end(), argument(&folder));
    }
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_holder_that_is_killed_fails_the_tests_that_ask_it() {
    // A holder and its worker: whichever of the two dies, the other ends what was started.
    for which in [0, 1] {
        let gates = [
            ping("answers", ""),
            command("slow", "", "sleep 100"),
            command("later", "needs = [\"slow\"]", "true"),
        ];
        let bench = Bench::with(&gates.concat());
        let going = bench.start("--no-fail-fast -E binary(gates)", "slow");
        let holders = || -> Vec<_> {
            let all = bench.desk.processes().into_iter();
            all.filter(|(_, words)| words.contains("nextest serve")).map(|(pid, _)| pid).collect()
        };
        // A command that is being started has its parent's words for a moment.
        expect_soon("a holder and its worker", || holders().len() == 2);
        let holders = holders();
        common::signal(holders[which], Signal::KILL);
        assert_eq!(going.end().code(), Some(TEST_FAILED));
        bench.desk.expect_nothing_left();
        let said = bench.desk.read("err");
        for gate in ["slow", "later"] {
            let passed = |line: &str| line.contains("PASS") && line.ends_with(&format!("::{gate}"));
            assert!(!said.lines().any(passed), "{said}");
        }
        assert!(said.contains("2 failed") || said.contains("3 failed"), "{said}");
        if which == 1 {
            assert!(said.contains("nothing more is measured"), "{said}");
        }
        assert_ne!(verify(&bench, &bench.folder()).code, Some(0));
    }
}

#[test]
#[ignore = "needs cargo-nextest"]
fn two_runs_at_the_same_time_do_not_mix() {
    let gates =
        |mark: &str| [ping("answers", ""), command("marked", "", &format!("sleep 2; echo {mark}"))].concat();
    let benches = [Bench::with(&gates("one")), Bench::with(&gates("two"))];
    let runs: Vec<_> = std::thread::scope(|scope| {
        let run = |bench| scope.spawn(move || Bench::run(bench, "-E binary(gates)").with_code(0));
        let going: Vec<_> = benches.iter().map(run).collect();
        going.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_ne!(runs[0].summary["run"], runs[1].summary["run"]);
    for (run, mark) in runs.iter().zip(["one", "two"]) {
        assert_eq!(run.summary["verdict"], "passed");
        assert_eq!(started(&run.folder).len(), 2);
        assert!(run.read("journal.jsonl").contains(mark));
    }
}

#[test]
#[ignore = "needs cargo-nextest"]
fn without_the_setup_script_every_gate_fails_and_says_what_to_configure() {
    let bench = Bench::new();
    let config = bench.desk.write("none.toml", "");
    let ended =
        ended(bench.nextest(&format!("--config-file {config} --no-fail-fast"))).with_code(TEST_FAILED);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("3 failed") && said.contains("[scripts.setup.cutproof]"), "{said}");
    assert!(!bench.evidence.exists(), "nothing was measured");
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_filter_that_selects_nothing_is_an_error() {
    let bench = Bench::new();
    ended(bench.nextest("no_such_test")).with_code(NO_TESTS);
    assert!(!bench.evidence.exists(), "nothing was measured");
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_run_whose_evidence_is_lost_fails_a_test_though_every_gate_passed() {
    let bench = Bench::with(&command("loses", "", "rm -rf \"$CUTPROOF_EVIDENCE_DIR\""));
    let ended = ended(bench.nextest("-E binary(gates)")).with_code(TEST_FAILED);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("the gate passed, and the run is not green: the run has no evidence"), "{said}");
}

#[test]
#[ignore = "needs cargo-nextest"]
fn a_run_that_can_not_begin_fails_the_setup_script() {
    let mut bench = Bench::with(&ping("answers", ""));
    bench.desk.set("CUTPROOF_PROVISION", "nobody");
    let ended = ended(bench.nextest("-E binary(gates)")).with_code(SETUP_FAILED);
    assert!(
        ended.stderr.contains("the run could not begin") && ended.stderr.contains("`nobody`"),
        "{}",
        ended.stderr
    );
    assert!(!bench.evidence.exists());
}
