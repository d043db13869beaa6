//! Gates as libtest trials, as `cargo test` drives them. This binary is also the test target that is driven: started
//! with a variable of its own it is a `main` that hands a profile to the harness, as users write it.

mod common;

use common::{Desk, Ended, Going, Run, argument, ended, expect_soon, run_folder};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

const SUBJECT: &str = "HARNESS_TEST_PROFILE";

/// Gates on one engine and on none.
const PROFILE: &str = r#"
environment = "harness"
[services.redis]
kind = "redis"
[[gate]]
id = "answers"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
[[gate]]
id = "answers-again"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
needs = ["answers"]
[[gate]]
id = "fails"
phase = "readiness"
probe = "command"
with = { shell = "echo here is why; exit 3" }
[[gate]]
id = "behind"
phase = "readiness"
probe = "command"
needs = ["fails"]
with = { argv = ["true"] }
[[gate]]
id = "optional"
phase = "readiness"
probe = "command"
required = false
with = { argv = ["false"] }
"#;

fn main() -> ExitCode {
    if let Ok(profile) = std::env::var(SUBJECT) {
        return cutproof::harness::main(&profile);
    }
    macro_rules! trials {
        ($($name:ident),* $(,)?) => { vec![$(Trial::test(stringify!($name), || { $name(); Ok::<(), Failed>(()) })),*] };
    }
    let trials = trials![
        a_list_names_every_gate_and_starts_nothing,
        every_gate_is_a_trial_and_services_are_gone_afterwards,
        one_thread_is_enough_for_gates_that_need_others,
        a_filter_selects_and_brings_what_is_needed,
        a_needed_gate_that_fails_fails_the_run_of_those_that_need_it,
        no_threads_are_refused,
        a_filter_that_selects_nothing_warns_and_is_an_error_under_ci,
        what_would_be_green_without_a_measurement_is_refused,
        a_stdout_that_nobody_reads_is_no_success,
        two_gates_with_one_name_are_refused,
        a_killed_run_has_no_junit_and_does_not_verify,
        a_test_of_nextest_without_a_setup_script_says_what_to_configure,
        what_a_test_of_nextest_starts_is_no_test_of_nextest,
        a_dry_run_simulates_every_gate,
        a_profile_that_is_wrong_is_an_error,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

struct Target {
    desk: Desk,
    profile: String,
    evidence: PathBuf,
}

impl Target {
    fn new() -> Target {
        let desk = Desk::new();
        let (profile, evidence) = (desk.write("harness.toml", PROFILE), desk.evidence());
        Target { desk, profile, evidence }
    }

    /// Drives the test target with these arguments and variables.
    fn test(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let this = argument(&std::env::current_exe().expect("this program has a path"));
        let mut command = self.desk.program(&this);
        command.args(arguments).env(SUBJECT, &self.profile).env("CUTPROOF_EVIDENCE_DIR", &self.evidence);
        let ended = ended({
            command.envs(variables.iter().copied());
            command
        });
        self.desk.expect_nothing_left();
        ended
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        Run::of(self.test(arguments, variables), &self.evidence)
    }

    fn expect_no_run(&self) {
        assert!(run_folder(&self.evidence).is_none(), "nothing may be measured");
        assert!(!self.desk.path("state").exists(), "nothing may be started");
    }
}

/// The trials' results, by name.
fn results(ended: &Ended) -> Vec<(String, String)> {
    let lines = ended.stdout.lines().filter_map(|line| line.strip_prefix("test "));
    let parts = lines.filter_map(|line| line.split_once(" ... "));
    let mut results: Vec<_> =
        parts.map(|(name, result)| (name.trim().to_owned(), result.trim().to_owned())).collect();
    results.sort();
    results
}

#[track_caller]
fn expect_results(ended: &Ended, expected: &[(&str, &str)]) {
    let seen = results(ended);
    let seen: Vec<_> = seen.iter().map(|(name, result)| (name.as_str(), result.as_str())).collect();
    assert_eq!(seen, expected, "stdout:\n{}\nstderr:\n{}", ended.stdout, ended.stderr);
}

fn a_list_names_every_gate_and_starts_nothing() {
    let target = Target::new();
    let began = Instant::now();
    let listed = target.test(&["--list"], &[]).with_code(0);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let names: Vec<_> = listed.stdout.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let expected = [
        "infra::answers",
        "infra::answers-again",
        "readiness::fails",
        "readiness::behind",
        "readiness::optional",
    ];
    assert_eq!(names, expected);
    target.expect_no_run();
}

fn every_gate_is_a_trial_and_services_are_gone_afterwards() {
    let target = Target::new();
    let run = target.run(&[], &[]);
    assert_ne!(run.ended.code, Some(0));
    expect_results(
        &run.ended,
        &[
            ("infra::answers", "ok"),
            ("infra::answers-again", "ok"),
            ("readiness::behind", "FAILED"),
            ("readiness::fails", "FAILED"),
            ("readiness::optional", "ignored (failed, not required: exit_code = 1, expected 0)"),
        ],
    );
    assert!(run.ended.stdout.contains("here is why"), "{}", run.ended.stdout);
    assert!(run.ended.stdout.contains("blocked: needs `fails`"), "{}", run.ended.stdout);
    assert_eq!((&run.summary["verdict"], &run.summary["partial"]), (&"failed".into(), &false.into()));
    run.expect_junit_agrees();
}

fn one_thread_is_enough_for_gates_that_need_others() {
    let target = Target::new();
    let run = target.run(&["--test-threads", "1", "answers"], &[]).with_code(0);
    expect_results(&run.ended, &[("infra::answers", "ok"), ("infra::answers-again", "ok")]);
    assert_eq!(run.summary["verdict"], "partial");
}

fn a_filter_selects_and_brings_what_is_needed() {
    let target = Target::new();
    let run = target.run(&["--exact", "infra::answers-again"], &[]).with_code(0);
    expect_results(&run.ended, &[("infra::answers-again", "ok")]);
    assert_eq!(run.with_verdict("passed").into_iter().collect::<Vec<_>>(), ["answers", "answers-again"]);
    assert_eq!(run.summary["partial"], true);

    let target = Target::new();
    let run = target.run(&["--skip", "readiness", "--skip", "again"], &[]).with_code(0);
    expect_results(&run.ended, &[("infra::answers", "ok")]);
    assert_eq!(run.summary["partial"], true);
}

fn a_needed_gate_that_fails_fails_the_run_of_those_that_need_it() {
    let target = Target::new();
    let run = target.run(&["--exact", "readiness::behind"], &[]);
    assert_ne!(run.ended.code, Some(0));
    expect_results(&run.ended, &[("readiness::behind", "FAILED")]);
    assert_eq!((run.verdict("fails"), run.verdict("behind")), ("failed", "skipped"));
    // Also where nobody asked for what needs it to be required.
    let target = Target::new();
    assert_eq!(
        target.run(&["--exact", "readiness::optional"], &[]).with_code(0).verdict("optional"),
        "failed"
    );
}

fn no_threads_are_refused() {
    let target = Target::new();
    assert!(target.test(&["--test-threads", "0"], &[]).with_code(2).error().contains("--test-threads"));
    target.expect_no_run();
}

fn a_filter_that_selects_nothing_warns_and_is_an_error_under_ci() {
    let target = Target::new();
    let warned = target.test(&["no_such_test"], &[]).with_code(0);
    assert!(
        warned.stderr.starts_with("warning:") && warned.stderr.contains("`no_such_test`"),
        "{}",
        warned.stderr
    );
    let refused = target.test(&["no_such_test"], &[("CI", "true")]).with_code(2);
    assert!(refused.error().contains("`no_such_test`"), "{}", refused.stderr);
    target.expect_no_run();
}

fn what_would_be_green_without_a_measurement_is_refused() {
    let target = Target::new();
    target.test(&["--bench"], &[]).with_code(2);
    assert!(target.test(&["--ignored"], &[]).with_code(0).stderr.starts_with("warning:"));
    target.test(&["--ignored"], &[("CI", "true")]).with_code(2);
    target.expect_no_run();
}

fn a_stdout_that_nobody_reads_is_no_success() {
    let target = Target::new();
    let this = argument(&std::env::current_exe().expect("this program has a path"));
    let mut command = target.desk.program("bash");
    command.args(["-c", "\"$0\" \"$@\" | true; exit ${PIPESTATUS[0]}", &this, "--exact", "infra::answers"]);
    command.env(SUBJECT, &target.profile).env("CUTPROOF_EVIDENCE_DIR", &target.evidence);
    let run = Run::of(ended(command), &target.evidence).with_code(2);
    assert!(run.ended.error().contains("is stdout closed?"), "{}", run.ended.stderr);
    run.expect_junit_agrees();
    target.desk.expect_nothing_left();
}

fn two_gates_with_one_name_are_refused() {
    let mut target = Target::new();
    let twice = PROFILE.replace("id = \"fails\"", "id = \"answers\"").replace("needs = [\"fails\"]", "");
    target.profile = target.desk.write("twice.toml", &twice);
    for arguments in [&["--list"][..], &[], &["--exact", "infra::answers"]] {
        assert!(target.test(arguments, &[]).with_code(2).error().contains("`answers`"));
    }
    target.expect_no_run();
}

fn a_killed_run_has_no_junit_and_does_not_verify() {
    let mut target = Target::new();
    let slow = PROFILE.replace("echo here is why; exit 3", "sleep 100");
    target.profile = target.desk.write("slow.toml", &slow);
    let this = argument(&std::env::current_exe().expect("this program has a path"));
    let mut command = target.desk.program(&this);
    command.env(SUBJECT, &target.profile).env("CUTPROOF_EVIDENCE_DIR", &target.evidence);
    let going = Going::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let begun = || {
        let journal = run_folder(&target.evidence).map(|folder| folder.join("journal.jsonl"));
        let text = journal.and_then(|journal| std::fs::read_to_string(journal).ok());
        text.is_some_and(|text| text.contains("\"gate_started\",\"gate\":\"fails\""))
    };
    expect_soon("the slow gate begins", begun);
    going.signal(Signal::KILL);
    going.end();
    target.desk.expect_nothing_left();
    let folder = run_folder(&target.evidence).expect("a run");
    assert!(!folder.join("junit.xml").exists());
    assert_ne!(target.desk.run(&["verify", &argument(&folder)]).code, Some(0));
}

/// How nextest starts a test.
const AS_NEXTEST: [(&str, &str); 2] = [("NEXTEST", "1"), ("NEXTEST_EXECUTION_MODE", "process-per-test")];

fn a_test_of_nextest_without_a_setup_script_says_what_to_configure() {
    let target = Target::new();
    let ended = target.test(&["infra::answers", "--nocapture", "--exact"], &AS_NEXTEST).with_code(2);
    assert!(ended.error().contains(".config/nextest.toml"), "{}", ended.stderr);
    assert!(ended.stderr.contains("[scripts.setup.cutproof]"), "{}", ended.stderr);
    // One that is no gate of the profile is no success either.
    let named = [AS_NEXTEST[0], AS_NEXTEST[1], ("CUTPROOF_NEXTEST", "/nowhere/run")];
    let gone = target.test(&["infra::gone", "--nocapture", "--exact"], &named).with_code(2);
    assert!(gone.error().contains("nothing was measured"), "{}", gone.stderr);
    // And a holder that is gone fails the test.
    let alone = target.test(&["infra::answers", "--nocapture", "--exact"], &named).with_code(1);
    assert!(alone.stdout.contains("cannot reach the process that holds the run"), "{}", alone.stdout);
    target.expect_no_run();
}

fn what_a_test_of_nextest_starts_is_no_test_of_nextest() {
    let target = Target::new();
    let named = [AS_NEXTEST[0], AS_NEXTEST[1], ("NEXTEST_TEST_NAME", "another::test")];
    let run = target.run(&["infra::answers", "--nocapture", "--exact"], &named).with_code(0);
    expect_results(&run.ended, &[("infra::answers", "ok")]);
}

fn a_dry_run_simulates_every_gate() {
    let target = Target::new();
    let run = target.run(&[], &[("CUTPROOF_DRY_RUN", "1")]).with_code(0);
    assert_eq!(run.summary["verdict"], "simulated");
    let lines: Vec<_> = run.ended.stdout.lines().filter(|line| line.starts_with("test ")).collect();
    let trials: Vec<_> = lines.iter().filter(|line| line.contains(" ... ")).collect();
    assert_eq!(trials.len(), 5, "{}", run.ended.stdout);
    assert!(trials.iter().all(|line| line.contains("[simulated]")), "{trials:?}");
    assert!(
        run.gates().values().all(|(verdict, reason)| *verdict == "skipped" && reason.contains("simulated"))
    );
    assert!(run.ended.stderr.contains("DRY RUN"), "{}", run.ended.stderr);
    assert!(!target.desk.path("state").exists(), "nothing may be started");
}

fn a_profile_that_is_wrong_is_an_error() {
    let mut target = Target::new();
    target.profile = target.desk.write("wrong.toml", "environment = \"x\"\n");
    for arguments in [&["--list"][..], &[]] {
        assert!(target.test(arguments, &[]).with_code(2).error().contains("wrong.toml"));
    }
    target.expect_no_run();
}
