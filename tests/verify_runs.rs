//! `cutproof verify PATH…` and `--recursive` as a script and a person meet them: exit codes, lines, every format, and
//! that they need no network. The runs are real ones, of gates that need no engine.

mod common;

use common::{Desk, Ended, argument, ended};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const GOOD: &str = "environment = \"desk\"\n[[gate]]\nid = \"looks\"\nphase = \"infra\"\nprobe = \"command\"\n\
                    with.argv = [\"true\"]\n[[gate]]\nid = \"sees\"\nphase = \"infra\"\nprobe = \"command\"\n\
                    with.argv = [\"true\"]\n";

/// A run of two gates, of which the second has this command; in a folder of runs.
fn run(desk: &Desk, archive: &str, command: &str, flags: &[&str]) -> PathBuf {
    let profile = match GOOD.rsplit_once("\"true\"") {
        Some((before, behind)) => desk.write("desk.toml", &format!("{before}\"{command}\"{behind}")),
        None => unreachable!("the profile has a command"),
    };
    let evidence = desk.path(archive);
    let before = folders(&evidence);
    let flag = argument(&evidence);
    let made = desk.run(&[&["gates", "run", "--profile", &profile, "--evidence-dir", &flag], flags].concat());
    let new: Vec<_> = folders(&evidence).into_iter().filter(|folder| !before.contains(folder)).collect();
    assert_eq!(new.len(), 1, "{made:?}");
    new[0].clone()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

fn verify(desk: &Desk, run: &Path, flags: &[&str]) -> Ended {
    desk.run(&[&["verify", &argument(run)], flags].concat())
}

fn replace(path: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&path).expect("the file is there");
    assert!(text.contains(from), "no {from}");
    fs::write(path, text.replacen(from, to, 1)).expect("a file of ours");
}

#[test]
fn a_good_run_passes_and_each_verdict_has_its_exit_code() {
    let desk = Desk::new();
    let good = run(&desk, "evidence", "true", &[]);
    let passed = verify(&desk, &good.join(""), &[]).with_code(0);
    assert_eq!(passed.stdout, format!("verification passed: {}\n", good.display()));
    assert_eq!(passed.stderr, "");

    let red = run(&desk, "evidence", "false", &[]);
    let refused = verify(&desk, &red, &[]).with_code(1);
    assert!(refused.stderr.starts_with("error: run refused: "), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("run-not-passed") && refused.stderr.contains("infra::sees"),
        "{}",
        refused.stderr
    );

    let partial = run(&desk, "evidence", "true", &["--only", "looks"]);
    assert!(verify(&desk, &partial, &[]).with_code(1).stderr.contains("partial-run"));
    assert!(
        verify(&desk, &partial, &["--allow-partial"]).with_code(0).stderr.contains("warning: partial-run")
    );

    let missing = verify(&desk, &desk.path("evidence/absent"), &[]).with_code(4);
    assert!(missing.stderr.contains("evidence-not-found"), "{}", missing.stderr);
    desk.write("a.env", "A=1\n");
    desk.run(&["verify", &argument(&good), "--cutover-evidence-file", "x"]).with_code(2);

    let unsealed = run(&desk, "evidence", "true", &[]);
    fs::remove_file(unsealed.join("manifest.json")).expect("it was there");
    assert!(verify(&desk, &unsealed, &[]).with_code(4).stderr.contains("manifest-missing"));
    let text = fs::read_to_string(unsealed.join("journal.jsonl")).expect("it is there");
    let end = text.trim_end().rfind('\n').expect("there are several entries");
    fs::write(unsealed.join("journal.jsonl"), &text[..=end]).expect("a file of ours");
    let unfinished = verify(&desk, &unsealed, &[]).with_code(4);
    assert!(unfinished.stderr.contains("run-unfinished") && unfinished.stderr.contains("cutproof status"));

    replace(red.join("summary.json"), "\"failed\"", "\"passed\"");
    let tampered = verify(&desk, &red, &[]).with_code(5);
    assert!(
        tampered.stderr.contains("file-changed") && tampered.stderr.contains("evidence-differs"),
        "{}",
        tampered.stderr
    );
    // Of several the worst.
    desk.run(&["verify", &argument(&good), &argument(&red), &argument(&partial)]).with_code(5);

    replace(good.join("manifest.json"), "\"version\": 1", "\"version\": 2");
    let later = verify(&desk, &good, &[]).with_code(6);
    assert!(later.stderr.contains("no sign of tampering"), "{}", later.stderr);
}

#[test]
fn every_format_says_the_same() {
    let desk = Desk::new();
    let good = run(&desk, "evidence", "true", &[]);
    let bad = run(&desk, "evidence", "true", &[]);
    fs::write(bad.join("added"), "x").expect("a file of ours");
    let both = [argument(&good), argument(&bad)];
    let as_format = |format: &str| desk.run(&["verify", &both[0], &both[1], "--format", format]).with_code(5);
    let json = as_format("json");
    let document: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!((&document["projection"], &document["verdict"]), (&"judged".into(), &"tampered".into()));
    assert_eq!(document["judged"][0]["verdict"], "passed");
    assert_eq!(document["judged"][0]["run"].as_str(), good.file_name().and_then(|name| name.to_str()));
    assert_eq!(document["judged"][1]["findings"][0]["code"], "file-added");
    assert!(json.stderr.contains("error: run tampered"), "{}", json.stderr);
    let junit = as_format("junit").stdout;
    let report = quick_junit::Report::deserialize_from_str(&junit).expect("it is JUnit");
    let failures: Vec<_> = report.test_suites.iter().map(|suite| suite.failures).collect();
    assert_eq!(failures, [0, 1]);
    let github = as_format("github").stdout;
    assert!(github.starts_with("::error file=") && github.contains("title=file-added::"), "{github}");
}

#[test]
fn an_archive_is_told_in_lines_in_order_with_a_summary() {
    let desk = Desk::new();
    let mut runs: Vec<_> =
        ["true", "false", "true"].map(|command| run(&desk, "archive/2026", command, &[])).into();
    fs::write(runs[2].join("added"), "x").expect("a file of ours");
    runs.sort();
    let archive = argument(&desk.path("archive"));
    let all = desk.run(&["verify", "--recursive", &archive]).with_code(5);
    let lines: Vec<_> = all.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", all.stdout);
    for (line, run) in lines.iter().zip(&runs) {
        assert!(line.contains(&argument(run)), "{line}");
    }
    assert_eq!(lines[3], "verified 3: 1 passed, 1 refused, 1 tampered");
    let json = desk.run(&["verify", "--recursive", &archive, "--format", "json"]).with_code(5);
    let document: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(document["judged"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["counts"]["tampered"], 1);
    for format in ["junit", "github"] {
        desk.run(&["verify", "--recursive", &archive, "--format", format]).with_code(5);
    }
    // Nothing that could be judged is nothing that passed.
    fs::create_dir(desk.path("empty")).expect("a folder of ours");
    desk.run(&["verify", "--recursive", &argument(&desk.path("empty"))]).with_code(4);
    desk.run(&["verify", "--recursive", &argument(&desk.path("absent"))]).with_code(1);
}

#[test]
fn it_needs_no_network() {
    let desk = Desk::new();
    let good = run(&desk, "evidence", "true", &[]);
    let mut command = desk.program("unshare");
    command.args(["--net", "--user", "--map-root-user", env!("CARGO_BIN_EXE_cutproof"), "verify"]).arg(&good);
    let alone = ended(command);
    if alone.stderr.contains("unshare") {
        eprintln!("skipped: this machine allows no network namespace of one's own: {}", alone.stderr.trim());
        return;
    }
    assert_eq!(alone.with_code(0).stdout, format!("verification passed: {}\n", good.display()));
}
