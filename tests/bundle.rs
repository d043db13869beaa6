//! Runs without engines are sealed: the manifest lists what `find` and `sha256sum` see, and says what the run was made
//! with, from and against.

mod common;

use common::sealed::{expect_sealed, manifest};
use common::{Desk, Ended, argument, ended, expect_soon, journal, run_folder};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const PROFILE: &str = "environment = \"desk\"\n[[gate]]\nid = \"looks\"\nphase = \"infra\"\nprobe = \"command\"\n\
                       with.argv = [\"true\"]\n";

/// A repository with a profile and one commit, in the test's folder.
fn repository(desk: &Desk) -> std::path::PathBuf {
    desk.write("repository/gates/desk.toml", PROFILE);
    desk.write("repository/.gitignore", "/evidence/\n");
    let folder = desk.path("repository");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "state"]);
    folder
}

fn git(folder: &Path, words: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"])
        .args(words)
        .current_dir(folder)
        .output()
        .expect("git is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("its output is text").trim().to_owned()
}

/// Runs the binary in a folder.
fn run_in(desk: &Desk, folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = desk.cutproof(arguments);
    // What a CI says of its commit is not believed.
    command.current_dir(folder).env("GITHUB_SHA", "0".repeat(40)).env("CI_COMMIT_SHA", "0".repeat(40));
    ended(command)
}

#[test]
fn a_run_of_gates_is_sealed_with_its_tool_commit_and_profile() {
    let desk = Desk::new();
    let folder = repository(&desk);
    run_in(&desk, &folder, &["gates", "run", "--profile", "desk"]).with_code(0);
    let run = run_folder(&folder.join("evidence")).expect("a run");
    let sealed = expect_sealed(&run);
    assert_eq!((&sealed["projection"], &sealed["version"]), (&Value::from("manifest"), &Value::from(1)));
    assert_eq!(sealed["run"].as_str(), run.file_name().and_then(|name| name.to_str()));
    assert_eq!(sealed["source"]["commit"], git(&folder, &["rev-parse", "HEAD"]).as_str());
    assert_eq!(sealed["source"]["dirty"], false);
    assert_eq!(sealed["tool"]["sha256"], sha256sum(Path::new(env!("CARGO_BIN_EXE_cutproof"))).as_str());
    assert_eq!(sealed["profile"]["sha256"], sha256sum(&folder.join("gates/desk.toml")).as_str());
    let events: Vec<_> = journal(&run).iter().map(|entry| entry["event"].clone()).collect();
    assert_eq!(events[events.len() - 2..], ["provenance", "run_ended"]);
}

#[test]
fn a_tree_that_differs_is_dirty_and_runs_and_their_exports_are_no_difference() {
    let desk = Desk::new();
    let folder = repository(&desk);
    fs::remove_file(folder.join(".gitignore")).expect("it is there");
    git(&folder, &["commit", "--quiet", "-am", "evidence is not ignored"]);
    let dirty = |name: &str| {
        let arguments = ["init", "kafka", "--evidence-dir", name];
        run_in(&desk, &folder, &arguments).with_code(0);
        expect_sealed(&run_folder(&folder.join(name)).expect("a run"))["source"].clone()
    };
    assert_eq!(dirty("evidence")["dirty"], false);
    assert!(folder.join("docs/results/kafka_topic_init_result.env").is_file());
    // The first run's folder is an untracked one for a run that has its own elsewhere.
    let other = dirty("other");
    assert_eq!(other["dirty"], true);
    assert!(other["changed"][0].as_str().is_some_and(|path| path.starts_with("evidence/")), "{other}");
    fs::remove_dir_all(folder.join("evidence")).expect("it is ours");
    fs::remove_dir_all(folder.join("other")).expect("it is ours");
    fs::write(folder.join("gates/desk.toml"), format!("{PROFILE}# changed\n")).expect("it is ours");
    let changed = dirty("evidence");
    assert_eq!((&changed["dirty"], &changed["changed"][0]), (&true.into(), &"gates/desk.toml".into()));
}

#[test]
fn without_a_repository_it_is_said_why_the_commit_is_not_known() {
    let desk = Desk::new();
    let profile = desk.write("desk.toml", PROFILE);
    let folder = desk.path("plain");
    fs::create_dir(&folder).expect("a folder of ours");
    run_in(&desk, &folder, &["rehearse", "--dry-run", "--profile", &profile]);
    let run = run_folder(&folder.join("evidence")).expect("a run");
    let sealed = expect_sealed(&run);
    assert_eq!((&sealed["source"], &sealed["dry_run"]), (&Value::Null, &true.into()));
    let entries = journal(&run);
    let provenance = entries.iter().find(|entry| entry["event"] == "provenance").expect("it is on record");
    let unknown = provenance["unknown"][0].as_str().unwrap_or_default();
    assert!(unknown.contains("not a git repository"), "{provenance}");
}

#[test]
fn a_run_that_is_killed_has_no_manifest() {
    let desk = Desk::new();
    let slow =
        PROFILE.replace("[\"true\"]", "[\"sleep\", \"300\"]").replace("id =", "timeout = \"400s\"\nid =");
    let profile = desk.write("slow.toml", &slow);
    let evidence = desk.evidence();
    let mut going =
        desk.start(&["gates", "run", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    expect_soon("the gate begins", || {
        let text = run_folder(&evidence).and_then(|run| fs::read_to_string(run.join("journal.jsonl")).ok());
        text.is_some_and(|text| text.contains("gate_started"))
    });
    going.signal(Signal::KILL);
    going.child().wait().expect("a child of ours");
    desk.expect_nothing_left();
    let run = run_folder(&evidence).expect("a run");
    assert!(!run.join("manifest.json").exists());
}

#[test]
fn a_folder_that_can_not_be_sealed_is_an_error_and_not_green() {
    let desk = Desk::new();
    let evidence = desk.evidence();
    // The gate puts a link into the folder of its own run.
    let link = format!("cd {}/* && ln -s /etc/hosts link", argument(&evidence));
    let text = PROFILE.replace("with.argv = [\"true\"]", &format!("with.shell = \"{link}\""));
    let profile = desk.write("link.toml", &text);
    let refused = desk
        .run(&["gates", "run", "--profile", &profile, "--evidence-dir", &argument(&evidence)])
        .with_code(2);
    assert!(refused.error().contains("link is a symbolic link"), "{}", refused.stderr);
    assert!(!refused.stdout.contains("PASSED"), "{}", refused.stdout);
    assert!(!run_folder(&evidence).expect("a run").join("manifest.json").exists());
}

#[test]
fn what_a_gate_puts_beside_the_evidence_is_an_attachment() {
    let desk = Desk::new();
    let evidence = desk.evidence();
    let put = format!(
        "cd {}/* && mkdir -p kept logs && echo a > kept/a.txt && echo b > logs/b",
        argument(&evidence)
    );
    let text = PROFILE.replace("with.argv = [\"true\"]", &format!("with.shell = \"{put}\""));
    let profile = desk.write("put.toml", &text);
    desk.run(&["gates", "run", "--profile", &profile, "--evidence-dir", &argument(&evidence)]).with_code(0);
    let run = run_folder(&evidence).expect("a run");
    expect_sealed(&run);
    let roles: Vec<_> = manifest(&run)["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| {
            format!(
                "{} {}",
                file["role"].as_str().unwrap_or_default(),
                file["path"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let expected =
        ["journal journal.jsonl", "projection junit.xml", "attachment kept/a.txt", "projection summary.json"];
    assert_eq!(roles, expected);
}

fn sha256sum(path: &Path) -> String {
    let done = Command::new("sha256sum").arg(path).output().expect("sha256sum is there");
    String::from_utf8(done.stdout)
        .expect("its output is text")
        .split(' ')
        .next()
        .expect("a digest")
        .to_owned()
}
