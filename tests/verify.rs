//! `cutproof verify` as a script and a person meet it: exit codes, the exact lines, every format, files that are none,
//! and that it needs no network. The evidence is in tests/verify/.

mod common;

use common::{Desk, Ended, argument, ended};
use std::fs;
use std::process::Stdio;

/// Runs it on one of the pairs.
fn verify(desk: &Desk, pair: &str, flags: &[&str]) -> Ended {
    let files = files(pair);
    desk.run(&[&["verify"], &files.each_ref().map(String::as_str)[..], flags].concat())
}

/// The flags that name a pair.
fn files(pair: &str) -> [String; 2] {
    ["cutover", "rollback"]
        .map(|kind| format!("--{kind}-evidence-file=tests/verify/{pair}/ctp_{kind}_result.env"))
}

/// A copy of a pair with one thing replaced in the cutover's file; gives the flags that name it.
fn changed(desk: &Desk, pair: &str, from: &str, to: &str) -> [String; 2] {
    let copy = |kind: &str| {
        let text =
            fs::read_to_string(format!("tests/verify/{pair}/ctp_{kind}_result.env")).expect("the evidence");
        let text = if kind == "cutover" {
            assert!(text.contains(from), "no {from}");
            text.replace(from, to)
        } else {
            text
        };
        format!("--{kind}-evidence-file={}", desk.write(&format!("{kind}.env"), &text))
    };
    ["cutover", "rollback"].map(copy)
}

/// What was printed, with the desk's folder as DESK.
fn plain(desk: &Desk, text: &str) -> String {
    text.replace(&argument(&desk.path("")), "DESK/")
}

#[test]
fn good_evidence_passes_with_the_runbooks_line() {
    let desk = Desk::new();
    let passed = verify(&desk, "success", &[]).with_code(0);
    insta::assert_snapshot!(passed.stdout, @r"
    verification passed: tests/verify/success/ctp_cutover_result.env tests/verify/success/ctp_rollback_result.env
    ");
    assert_eq!(passed.stderr, "");
    verify(&desk, "rolled-back", &["--allow-cutover-rollback", "--max-rollback-seconds", "180"]).with_code(0);
    verify(&desk, "drill", &["--expect-rollback-drill"]).with_code(0);
    verify(&desk, "dry-run", &["--allow-dry-run"]).with_code(0);
}

#[test]
fn without_flags_the_runbooks_paths_are_read() {
    let desk = Desk::new();
    let mut command = desk.cutproof(&["verify"]);
    command.current_dir(desk.path(""));
    let refused = ended(command).with_code(2);
    insta::assert_snapshot!(refused.stderr, @r"
    error: ctp cutover evidence verification failed: evidence-not-found docs/results/ctp_cutover_result.env: the cutover evidence file must be there; seen: nothing: evidence file not found
      evidence-not-found docs/results/ctp_rollback_result.env: the rollback evidence file must be there; seen: nothing: evidence file not found
    ");
    for kind in ["cutover", "rollback"] {
        let text =
            fs::read_to_string(format!("tests/verify/success/ctp_{kind}_result.env")).expect("the evidence");
        desk.write(&format!("docs/results/ctp_{kind}_result.env"), &text);
    }
    let mut command = desk.cutproof(&["verify"]);
    command.current_dir(desk.path(""));
    insta::assert_snapshot!(ended(command).with_code(0).stdout, @r"
    verification passed: docs/results/ctp_cutover_result.env docs/results/ctp_rollback_result.env
    ");
}

#[test]
fn each_outcome_is_refused_where_another_was_asked_for() {
    let desk = Desk::new();
    let told: String = [
        ("rolled-back", &[][..]),
        ("rolled-back", &["--expect-rollback-drill"]),
        ("rolled-back", &["--allow-cutover-rollback", "--max-rollback-seconds=12"]),
        ("drill", &[]),
        ("drill", &["--allow-cutover-rollback", "--level=contract"]),
        ("success", &["--expect-rollback-drill"]),
        ("dry-run", &[]),
    ]
    .map(|(pair, flags)| {
        let refused = verify(&desk, pair, flags).with_code(2);
        assert_eq!(refused.stdout, "");
        format!("# {}\n{}", [&[pair], flags].concat().join(" "), refused.stderr)
    })
    .concat();
    insta::assert_snapshot!(told, @r"
    # rolled-back
    error: ctp cutover evidence verification failed: cutover-failed tests/verify/rolled-back/ctp_cutover_result.env:5: CUTOVER_SUCCESS must be true; seen: false (failed step init_kafka_topic); where a rollback was the expected end: --allow-cutover-rollback
      rollback-triggered tests/verify/rolled-back/ctp_rollback_result.env:4: ROLLBACK_TRIGGERED must be false where no rollback is allowed; seen: true
    # rolled-back --expect-rollback-drill
    error: ctp cutover evidence verification failed: cutover-failed tests/verify/rolled-back/ctp_cutover_result.env:5: CUTOVER_SUCCESS must be true; seen: false (failed step init_kafka_topic)
    # rolled-back --allow-cutover-rollback --max-rollback-seconds=12
    error: ctp cutover evidence verification failed: rollback-over-limit tests/verify/rolled-back/ctp_rollback_result.env:9: ROLLBACK_DURATION_SECONDS must be at most 12 (--max-rollback-seconds); seen: 12.160
    # drill
    error: ctp cutover evidence verification failed: rollback-triggered tests/verify/drill/ctp_rollback_result.env:4: ROLLBACK_TRIGGERED must be false where CUTOVER_SUCCESS is true; seen: true; where it was a drill after a good cutover: --expect-rollback-drill
    # drill --allow-cutover-rollback --level=contract
    error: ctp cutover evidence verification failed: rollback-triggered tests/verify/drill/ctp_rollback_result.env:4: ROLLBACK_TRIGGERED must be false where CUTOVER_SUCCESS is true; seen: true; where it was a drill after a good cutover: --expect-rollback-drill
    # success --expect-rollback-drill
    error: ctp cutover evidence verification failed: rollback-not-triggered tests/verify/success/ctp_rollback_result.env:4: ROLLBACK_TRIGGERED must be true; seen: false
    # dry-run
    error: ctp cutover evidence verification failed: dry-run tests/verify/dry-run/ctp_cutover_result.env:4: a dry run proves nothing about a real one: CUTOVER_DRY_RUN must be 0; seen: 1; to check a dry run's files: --allow-dry-run
      dry-run tests/verify/dry-run/ctp_rollback_result.env:3: a dry run proves nothing about a real one: ROLLBACK_DRY_RUN must be 0; seen: 1; to check a dry run's files: --allow-dry-run
    ");
}

#[test]
fn a_run_that_was_killed_is_told_in_plain_words() {
    let desk = Desk::new();
    let told: String = [
        ("unfinished", "--level=strict"),
        ("unfinished", "--level=contract"),
        ("interrupted", "--allow-cutover-rollback"),
    ]
    .map(|(pair, flag)| verify(&desk, pair, &[flag]).with_code(2).stderr)
    .concat();
    insta::assert_snapshot!(told, @r"
    error: ctp cutover evidence verification failed: run-unfinished tests/verify/unfinished/ctp_cutover_result.env:12: the run did not finish: it was killed or still runs: CUTOVER_COMPLETED_UTC must be the time at which the run ended; seen: nothing; see how far it came with `cutproof status 20260212T040000Z-cutover-4f7k2q`, go on with `cutproof cutover --resume 20260212T040000Z-cutover-4f7k2q`
      run-unfinished tests/verify/unfinished/ctp_rollback_result.env:12: the run did not finish: it was killed or still runs: ROLLBACK_COMPLETED_UTC must be the time at which the run ended; seen: nothing
    error: ctp cutover evidence verification failed: run-unfinished tests/verify/unfinished/ctp_cutover_result.env:12: the run did not finish: it was killed or still runs: CUTOVER_COMPLETED_UTC must be the time at which the run ended; seen: nothing; see how far it came with `cutproof status 20260212T040000Z-cutover-4f7k2q`, go on with `cutproof cutover --resume 20260212T040000Z-cutover-4f7k2q`
      run-unfinished tests/verify/unfinished/ctp_rollback_result.env:12: the run did not finish: it was killed or still runs: ROLLBACK_COMPLETED_UTC must be the time at which the run ended; seen: nothing
    error: ctp cutover evidence verification failed: run-interrupted tests/verify/interrupted/ctp_cutover_result.env:7: the run was interrupted: somebody ended it before it was done: CUTOVER_FAILED_STEP must be empty or what failed by itself; seen: interrupted; see how far it came with `cutproof status 20260212T040000Z-cutover-4f7k2q` before anything is run again
    ");
}

#[test]
fn evidence_of_older_tools_passes_with_warnings() {
    let desk = Desk::new();
    let passed = verify(&desk, "older", &["--since", "2026-02-12T13:00:00+08:00"]).with_code(0);
    insta::assert_snapshot!(passed.stderr, @r"
    warning: no-run-id tests/verify/older/ctp_cutover_result.env: the file may be left over from another run: CUTPROOF_RUN_ID should be there; seen: nothing
    warning: older-than-since tests/verify/older/ctp_cutover_result.env:12: the file may be left over from another run: CUTOVER_COMPLETED_UTC should be at or after 2026-02-12T05:00:00Z (--since); seen: 2026-02-12T04:00:23Z
    warning: no-run-id tests/verify/older/ctp_rollback_result.env: the file may be left over from another run: CUTPROOF_RUN_ID should be there; seen: nothing
    warning: steps-left-out tests/verify/older/ctp_cutover_result.env:6: the steps should be the 10 that the plan has up to there; seen: 3, not among them stop_old_core_engine, stop_old_strategy_runner, bootstrap_infra, init_kafka_topic, init_clickhouse_schema, init_debezium_connector, start_new_strategy_runner
    ");
    assert!(passed.stdout.starts_with("verification passed: "), "{}", passed.stdout);
}

#[test]
fn every_finding_is_told_in_one_pass() {
    let desk = Desk::new();
    let files = changed(
        &desk,
        "success",
        "STATUS=ok\nSTEP_3_DURATION_MS=2214",
        "STATUS=failed\nSTEP_3_DURATION_MS=nan",
    );
    let refused = desk.run(&["verify", &files[0], &files[1]]).with_code(2);
    insta::assert_snapshot!(plain(&desk, &refused.stderr), @r"
    error: ctp cutover evidence verification failed: bad-number DESK/cutover.env:26: STEP_3_DURATION_MS must be a plain decimal, not negative, such as 2.000; seen: nan
      exit-code DESK/cutover.env:27: STEP_3_EXIT_CODE must be other than 0 where STEP_3_STATUS is failed; seen: 0
      step-after-failed DESK/cutover.env:29: STEP_4_NAME must be absent: a failed step ends the sequence; seen: a step after STEP_3, which failed
      success-with-failed-step DESK/cutover.env:25: STEP_3_STATUS must be other than failed where CUTOVER_SUCCESS is true; seen: failed
    ");
}

#[test]
fn contract_level_takes_the_last_of_duplicate_keys_and_no_nan() {
    let desk = Desk::new();
    let twice = "CUTOVER_SUCCESS=false\nCUTOVER_SUCCESS=true";
    let files = changed(&desk, "success", "CUTOVER_SUCCESS=true", twice);
    desk.run(&["verify", "--level", "contract", &files[0], &files[1]]).with_code(0);
    let refused = desk.run(&["verify", &files[0], &files[1]]).with_code(2);
    assert!(refused.stderr.contains("duplicate-key"), "{}", refused.stderr);
    for level in ["strict", "contract"] {
        let files = changed(&desk, "success", "SECONDS=23.412", "SECONDS=nan");
        let refused = desk.run(&["verify", "--level", level, &files[0], &files[1]]).with_code(2);
        assert!(refused.stderr.starts_with("error: ctp cutover evidence verification failed: bad-number "));
    }
}

#[test]
fn every_format_goes_to_stdout_and_the_lines_for_people_to_stderr() {
    let desk = Desk::new();
    for format in ["json", "junit", "github"] {
        let passed = verify(&desk, "success", &["--format", format]).with_code(0);
        assert!(passed.stderr.starts_with("verification passed: "), "{}", passed.stderr);
        let refused = verify(&desk, "drill", &["--format", format]).with_code(2);
        assert!(refused.stderr.starts_with("error: ctp cutover evidence verification failed: "));
    }
    insta::assert_snapshot!(verify(&desk, "drill", &["--format=json"]).stdout, @r#"
    {
      "projection": "verification",
      "version": 1,
      "verdict": "refused",
      "level": "strict",
      "mode": "cutover",
      "allow_dry_run": false,
      "max_rollback_seconds": "180",
      "since": null,
      "cutover_evidence_file": "tests/verify/drill/ctp_cutover_result.env",
      "rollback_evidence_file": "tests/verify/drill/ctp_rollback_result.env",
      "findings": [
        {
          "code": "rollback-triggered",
          "group": "outcome",
          "severity": "error",
          "evidence": "rollback",
          "file": "tests/verify/drill/ctp_rollback_result.env",
          "line": 4,
          "subject": "ROLLBACK_TRIGGERED",
          "meaning": null,
          "expected": "false where CUTOVER_SUCCESS is true",
          "seen": "true",
          "advice": "where it was a drill after a good cutover: --expect-rollback-drill"
        }
      ],
      "not_listed": []
    }
    "#);
    insta::assert_snapshot!(verify(&desk, "drill", &["--format=github"]).stdout, @r"
    ::error file=tests/verify/drill/ctp_rollback_result.env,line=4,title=rollback-triggered::ROLLBACK_TRIGGERED must be false where CUTOVER_SUCCESS is true; seen: true; where it was a drill after a good cutover: --expect-rollback-drill
    ");
    let junit = verify(&desk, "drill", &["--format=junit"]).stdout;
    let junit = quick_junit::Report::deserialize_from_str(&junit).expect("a parser reads it");
    let suite = &junit.test_suites[0];
    assert_eq!((suite.name.as_str(), suite.tests, suite.failures), ("cutover evidence (strict)", 9, 1));
}

#[test]
fn flags_that_make_no_sense_are_errors() {
    let desk = Desk::new();
    for value in ["0", "-1", "nan", "inf", "1e3", "", "three"] {
        let refused = verify(&desk, "success", &["--max-rollback-seconds", value]).with_code(2);
        assert!(refused.stderr.starts_with("error: "), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    verify(&desk, "success", &["--since", "yesterday"]).with_code(2);
    verify(&desk, "success", &["--since", "2026-02-12T04:00:00"]).with_code(2);
    verify(&desk, "success", &["--level", "lax"]).with_code(2);
    verify(&desk, "drill", &["--expect-rollback-drill", "--allow-cutover-rollback"]).with_code(2);
}

#[test]
fn what_is_no_file_of_text_is_refused_at_once() {
    let desk = Desk::new();
    let fifo = desk.path("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO of ours");
    fs::write(desk.path("latin"), b"CUTOVER_ENV=x\nCUTOVER_WINDOW_LOCAL=\xff\n").expect("a file of ours");
    let huge = fs::File::create(desk.path("huge")).expect("a file of ours");
    huge.set_len(10 << 30).expect("a file with a hole");
    let told: String = ["fifo", "latin", "huge", "", "gone"]
        .map(|name| {
            let path = argument(&desk.path(name));
            desk.run(&["verify", "--cutover-evidence-file", &path, &files("success")[1]]).with_code(2).stderr
        })
        .concat();
    insta::assert_snapshot!(plain(&desk, &told), @r"
    error: ctp cutover evidence verification failed: evidence-unreadable DESK/fifo: the cutover evidence file must be a text file of at most 1 MiB; seen: it is a FIFO, not a file
    error: ctp cutover evidence verification failed: evidence-unreadable DESK/latin: the cutover evidence file must be a text file of at most 1 MiB; seen: it is not UTF-8 (line 2)
    error: ctp cutover evidence verification failed: evidence-unreadable DESK/huge: the cutover evidence file must be a text file of at most 1 MiB; seen: it is larger than 1 MiB
    error: ctp cutover evidence verification failed: evidence-unreadable DESK/: the cutover evidence file must be a text file of at most 1 MiB; seen: it is a folder, not a file
    error: ctp cutover evidence verification failed: evidence-not-found DESK/gone: the cutover evidence file must be there; seen: nothing: evidence file not found
    ");
    let device =
        desk.run(&["verify", "--cutover-evidence-file=/dev/zero", &files("success")[1]]).with_code(2);
    assert!(device.stderr.contains("it is a device, not a file"), "{}", device.stderr);
}

#[test]
fn it_needs_no_network() {
    let desk = Desk::new();
    let isolated = |arguments: &[&str]| {
        let mut command = desk.program("unshare");
        command.args(["--user", "--map-root-user", "--net", "--"]).args(arguments);
        command
    };
    let mut probe = isolated(&["true"]);
    if !probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine allows no network namespace of one's own");
        return;
    }
    // Nothing but a loopback that is down.
    let links = ended(isolated(&["cat", "/proc/net/dev"])).with_code(0).stdout;
    assert!(links.lines().skip(2).all(|line| line.trim_start().starts_with("lo:")), "{links}");
    let files = files("success");
    let binary = env!("CARGO_BIN_EXE_cutproof");
    let passed = ended(isolated(&[binary, "verify", &files[0], &files[1]])).with_code(0);
    assert!(passed.stdout.starts_with("verification passed: "), "{}", passed.stdout);
    let refused =
        ended(isolated(&[binary, "verify", &files[0], &files[1], "--expect-rollback-drill"])).with_code(2);
    assert!(refused.stderr.starts_with("error: "), "{}", refused.stderr);
}

#[test]
fn help_names_the_flags() {
    insta::assert_snapshot!(Desk::new().run(&["verify", "-h"]).with_code(0).stdout, @r"
    Judge evidence: runs' folders, files, or the two files of a cutover and its rollback; reads files
    and nothing else

    Usage: cutproof verify [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  A run's folder: its files against its manifest, its journals and each other, and what
                 the run is worth; or a file of evidence, or a folder of such files, each on its own

    Options:
          --recursive <DIR>                 Judge every run below this folder, side by side, a line each
                                            and a summary
          --key <PUB>                       A public key: each run must be signed by at least one of
                                            those given, over its manifest as it is
          --policy <FILE>                   Judge the runs together by a policy: a path, or the NAME of
                                            gates/policy/NAME.toml
          --at <TIME>                       The moment for which the policy judges [default: now]
          --cutover-evidence-file <FILE>    The cutover's evidence [default:
                                            docs/results/ctp_cutover_result.env]
          --rollback-evidence-file <FILE>   The rollback's evidence [default:
                                            docs/results/ctp_rollback_result.env]
          --level <LEVEL>                   How much is asked: all of it, or only what the runbook's own
                                            verifier asked [default: strict] [possible values: strict,
                                            contract]
          --allow-cutover-rollback          Also accept a cutover that failed and was rolled back, with
                                            success and within the limit
          --expect-rollback-drill           Expect a cutover that succeeded, and a rollback all the
                                            same, with success and within the limit
          --allow-dry-run                   Accept a dry run, which proves nothing about a real one
          --allow-partial                   Accept a run of a selection of its gates, which signs
                                            nothing off; of runs' folders only
          --fail-on-flaky                   Refuse runs in which a required gate passed only after
                                            another attempt, also those made without that flag
          --max-rollback-seconds <SECONDS>  The longest rollback, in seconds [default: 180]
          --since <TIME>                    Warn of evidence that was completed before this time, e.g.
                                            2026-02-12T04:00:00Z
          --format <FORMAT>                 What goes to stdout [default: text] [possible values: text,
                                            json, junit, github]
      -h, --help                            Print help (see more with '--help')
    ");
}
