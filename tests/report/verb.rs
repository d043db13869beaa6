//! `cutproof report` on runs' folders: what it writes, where it refuses to, and its exit codes.

#[path = "../common/mod.rs"]
mod common;

use common::{Desk, argument};
use std::fs;
use std::path::PathBuf;

const PROFILE: &str = r#"
environment = "desk"

[[gate]]
id = "ready"
about = "The <b>new</b> core is ready."
phase = "readiness"
probe = "command"
with.argv = ["test", "-e", "READY"]
"#;

/// A desk with a run of one gate, which passed or did not; and the run's folder.
fn run(passes: bool) -> (Desk, PathBuf) {
    let desk = Desk::new();
    let ready = desk.path("ready");
    if passes {
        desk.write("ready", "");
    }
    let profile = desk.write("desk.toml", &PROFILE.replace("READY", &argument(&ready)));
    let evidence = argument(&desk.path("evidence"));
    desk.run(&["gates", "run", "--profile", &profile, "--evidence-dir", &evidence])
        .with_code(i32::from(!passes));
    let folder =
        fs::read_dir(desk.path("evidence")).expect("the evidence").flatten().map(|entry| entry.path());
    let run = folder.into_iter().find(|path| path.join("journal.jsonl").is_file()).expect("a run");
    (desk, run)
}

#[test]
fn a_run_that_passed_is_told_as_a_go() {
    let (desk, run) = run(true);
    let (html, markdown) = (argument(&desk.path("out/report.html")), argument(&desk.path("out/report.md")));
    let told =
        desk.run(&["report", &argument(&run), "--output-html", &html, "--output-md", &markdown]).with_code(0);
    assert_eq!(told.stdout, format!("{html}\n{markdown}\n"));
    assert!(told.stderr.contains("GO: desk"), "{}", told.stderr);
    let page = fs::read_to_string(&html).expect("the page");
    assert!(page.contains("<title>GO: desk</title>") && page.contains("readiness::ready"));
    let markdown = fs::read_to_string(&markdown).expect("the Markdown");
    assert!(markdown.starts_with("# GO\n") && markdown.contains("`readiness::ready`"), "{markdown}");
}

#[test]
fn without_an_output_the_markdown_goes_to_stdout_and_the_exit_code_is_the_verdict() {
    let (desk, run) = run(false);
    let told = desk.run(&["report", &argument(&run)]).with_code(1);
    assert!(told.stdout.starts_with("# NO-GO\n"), "{}", told.stdout);
    let command = told.stdout.lines().find(|line| line.starts_with("cutproof report ")).expect("the command");
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let again = desk.run(&words).with_code(1);
    assert_eq!(again.stdout, told.stdout, "the command on the page gives the page");
}

#[test]
fn evidence_that_was_changed_is_told_as_such() {
    let (desk, run) = run(true);
    let junit = run.join("junit.xml");
    let text = fs::read_to_string(&junit).expect("a file of the run");
    fs::write(&junit, text.replace("ready", "steady")).expect("the file can be changed");
    let told = desk.run(&["report", &argument(&run)]).with_code(5);
    assert!(told.stdout.starts_with("# NO-GO\n"), "{}", told.stdout);
    assert!(
        told.stdout.contains("No run counts")
            && told.stdout.contains("only what it claims")
            && told.stdout.contains("junit.xml"),
        "{}",
        told.stdout
    );
}

#[test]
fn nothing_is_written_into_a_runs_folder() {
    let (desk, run) = run(true);
    for inside in ["report.html", "new/report.html"] {
        let path = argument(&run.join(inside));
        let refused = desk.run(&["report", &argument(&run), "--output-html", &path]).with_code(2);
        assert!(refused.stderr.contains("nothing may be added"), "{}", refused.stderr);
        assert!(!run.join(inside).exists());
    }
    let path = argument(&desk.path("one"));
    let both = ["report", &argument(&run), "--output-html", &path, "--output-md", &path];
    desk.run(&both).with_code(2);
}

/// The report in a step of GitHub, whose files may hold something already.
fn step(desk: &Desk, run: &str) -> (common::Ended, String, String) {
    let (summary, outputs) = (desk.write("summary", "before\n"), desk.write("outputs", "x=1\n"));
    let mut report = desk.cutproof(&["report", run, "--github"]);
    report.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs);
    let ended = common::ended(report);
    (ended, desk.read("summary"), desk.read("outputs"))
}

#[test]
fn in_a_step_of_github_red_gates_are_annotated_at_their_line_and_the_page_is_the_summary() {
    let (desk, run) = run(false);
    let (told, summary, outputs) = step(&desk, &argument(&run));
    let told = told.with_code(1);
    let line = told.stdout.strip_prefix("::error file=").expect("an annotation");
    assert!(
        line.contains("desk.toml,line=5,title=readiness%3A%3Aready failed::exit_code = 1"),
        "{}",
        told.stdout
    );
    assert_eq!(told.stdout.lines().count(), 1);
    assert!(summary.starts_with("before\n# NO-GO\n"), "{summary}");
    assert_eq!(outputs, "x=1\nverdict=failed\ndecision=NO-GO\n");
}

#[test]
fn a_summary_that_is_full_is_not_made_longer_than_github_takes() {
    let (desk, run) = run(true);
    let summary = desk.write("summary", &"x".repeat(1024 * 1024 - 700));
    let mut report = desk.cutproof(&["report", &argument(&run), "--github"]);
    report.env("GITHUB_STEP_SUMMARY", &summary);
    let told = common::ended(report).with_code(0);
    assert!(told.stderr.contains("GITHUB_OUTPUT is not set"), "{}", told.stderr);
    let summary = fs::read_to_string(summary).expect("the summary");
    assert!(summary.len() <= 1024 * 1024 && summary.contains("# GO\n"), "{}", summary.len());
    assert!(summary.ends_with("the report is in the evidence's files\n"));
}

#[test]
fn the_predicate_is_what_signing_would_sign() {
    let (desk, run) = run(true);
    let (run, output) = (argument(&run), argument(&desk.path("predicate.json")));
    desk.run(&["report", &run, "--output-predicate", &output]).with_code(0);
    let predicate: serde_json::Value = serde_json::from_str(&desk.read("predicate.json")).expect("JSON");
    assert_eq!(predicate["result"], "PASSED");
    assert_eq!(predicate["passedTests"], serde_json::json!(["readiness::ready"]));
    let told = desk.run(&["report", &run, &run, "--output-predicate", &output]).with_code(2);
    assert!(told.error().contains("expected one folder"), "{}", told.stderr);
    fs::write(std::path::Path::new(&run).join("junit.xml"), "").expect("a file of ours");
    let told = desk.run(&["report", &run, "--output-predicate", &output]).with_code(2);
    assert!(told.error().contains("is not attested"), "{}", told.stderr);
}
