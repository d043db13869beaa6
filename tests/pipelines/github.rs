//! GitHub's workflows, by act. What act can't fetch has a stand-in, which does what the workflow relies on.

use crate::common::{Ended, Going, argument, ended, expect_soon, run_folder};
use crate::{Repository, expect_merged, expect_taken_back, junit, source, tool};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Third-party actions, as the workflows pin them.
const STAND_INS: [(&str, &str); 4] = [
    ("actions/checkout@v4.2.2", "checkout"),
    ("actions/upload-artifact@v4.6.2", "upload-artifact"),
    ("actions/download-artifact@v4.3.0", "download-artifact"),
    // It has no identity to attest with: the workflow passes it over, and says so.
    ("actions/attest@v2.4.0", "attest"),
];

impl Repository {
    fn artifact(&self, path: &str) -> PathBuf {
        self.desk.path("artifacts").join(path)
    }

    /// Runs a workflow; `inputs` are those of a person who starts it, `more` goes to act.
    fn act(&self, workflow: &str, inputs: &[(&str, &str)], more: &[&str]) -> Ended {
        let mut act = self.program(&tool("act"));
        act.args(["workflow_dispatch", "--workflows", workflow]);
        act.args(["-P", "ubuntu-latest=-self-hosted", "-P", "cutover=-self-hosted"]);
        // Nothing is fetched, and no server is started that another test could be in the way of.
        act.args(["--no-skip-checkout", "--action-offline-mode", "--no-cache-server"]);
        for (action, stand_in) in STAND_INS {
            let folder = argument(&source("tests/pipelines/stand-ins").join(stand_in));
            act.args(["--local-repository", &format!("{action}={folder}")]);
        }
        fs::create_dir_all(self.artifact("")).expect("a folder of ours");
        for (name, path) in [("STAND_IN_SOURCE", self.path("")), ("STAND_IN_ARTIFACTS", self.artifact(""))] {
            act.args(["--env", &format!("{name}={}", argument(&path))]);
        }
        for (name, value) in inputs {
            act.args(["--input", &format!("{name}={value}")]);
        }
        act.args(more);
        let ended = ended(act);
        fs::write(self.desk.path("act.log"), format!("{}{}", ended.stdout, ended.stderr)).ok();
        ended
    }

    fn gates(&self) -> Ended {
        let binary = env!("CARGO_BIN_EXE_cutproof");
        let inputs = [("profile", "desk"), ("verb", "gates-run"), ("binary", binary)];
        self.act(".github/workflows/gates.yml", &inputs, &[])
    }
}

/// Lines that act took for annotations, without what it puts before them.
fn annotations(ended: &Ended) -> Vec<&str> {
    let said = ended.stdout.lines().filter(|line| line.contains('❗') || line.contains('🚧'));
    let said = said.filter_map(|line| line.split_once("::error ").or(line.split_once("::warning ")));
    said.map(|(_, rest)| rest).collect()
}

#[test]
#[ignore = "needs act"]
fn two_shards_are_run_merged_verified_and_shown() {
    let repository = Repository::new();
    repository.commit("https://localhost/desk/desk.git");
    let ended = repository.gates().with_code(0);
    let merged = repository.artifact("evidence/merged");
    expect_merged(&repository.desk, &merged, 0);
    assert_eq!(junit(&merged.join("junit.xml")), (Vec::new(), 5));
    let shards: usize = [1, 2].iter().map(|shard| shard_cases(&repository, *shard)).sum();
    assert_eq!(shards, 5, "each gate is reported by one shard");
    for said in [
        "# shard 1/2: partial",
        "# shard 2/2: partial",
        "# GO\n",
        "Not attested",
        "verdict=passed",
        "decision=GO",
    ] {
        assert!(ended.stdout.contains(said), "no {said:?} in:\n{}", ended.stdout);
    }
    assert_eq!(annotations(&ended), Vec::<&str>::new());
    // The jobs' own files are no change of the work tree.
    let manifest = fs::read_to_string(merged.join("manifest.json")).expect("a manifest");
    assert!(manifest.contains("\"dirty\": false"), "{manifest}");
}

fn shard_cases(repository: &Repository, shard: usize) -> usize {
    let folder = repository.artifact(&format!("shard-{shard}"));
    let run = run_folder(&folder).unwrap_or_else(|| panic!("no run of shard {shard}"));
    junit(&run.join("junit.xml")).1
}

#[test]
#[ignore = "needs act"]
fn a_red_gate_makes_the_workflow_red_and_stands_at_its_line() {
    let repository = Repository::new();
    repository.write("red", "");
    repository.commit("https://localhost/desk/desk.git");
    let ended = repository.gates();
    assert_ne!(ended.code, Some(0), "{}", ended.stdout);
    let merged = repository.artifact("evidence/merged");
    expect_merged(&repository.desk, &merged, 1);
    assert_eq!(junit(&merged.join("junit.xml")), (vec!["beta".to_owned(), "gamma".to_owned()], 5));
    let text = fs::read_to_string(repository.path("gates/desk.toml")).expect("the profile");
    let lines: Vec<_> = text.lines().collect();
    let line = lines.iter().position(|line| *line == "id = \"beta\"").expect("the gate") + 1;
    let told = annotations(&ended);
    let at = format!("file=gates/desk.toml,line={line},title=readiness%3A%3Abeta failed::exit_code = 3");
    assert!(told.iter().any(|told| told.starts_with(&at)), "no {at} in {told:#?}");
    let set_up = format!("file=gates/desk.toml,line={line},title=set-up readiness%3A%3Abeta failed::");
    assert!(told.iter().any(|told| told.starts_with(&set_up)), "the shard that needs it says so: {told:#?}");
    // Once of the shard, once of the whole.
    assert_eq!(told.iter().filter(|told| told.contains("title=readiness%3A%3Agamma skipped")).count(), 2);
    assert!(!told.iter().any(|told| told.contains("forged")), "what a gate printed is no command: {told:#?}");
    assert!(ended.stdout.contains("# NO-GO\n"), "{}", ended.stdout);
}

#[test]
#[ignore = "needs act"]
fn a_profile_with_a_mistake_is_told_in_an_annotation_and_no_shard_is_merged() {
    let repository = Repository::new();
    repository
        .write("gates/desk.toml", "environment = \"desk\"\n[[gate]]\nid = \"a\"\nprobbe = \"command\"\n");
    repository.commit("https://localhost/desk/desk.git");
    let ended = repository.gates();
    assert_ne!(ended.code, Some(0));
    let told = annotations(&ended);
    assert!(
        told.iter().any(|told| told.contains("gates/desk.toml:4") && told.contains("probbe")),
        "{told:#?}"
    );
    assert!(told.iter().any(|told| told.contains("expected the runs of all shards")), "{told:#?}");
    assert!(!repository.artifact("evidence/merged").exists());
}

fn cutover(kill: &str, signal: &str) -> (Repository, Ended) {
    let repository = Repository::new();
    repository.commit("https://localhost/desk/desk.git");
    let evidence = argument(&repository.desk.path("kept"));
    let order = format!("DESK_ORDER={}", argument(&repository.desk.path("order")));
    let inputs = [
        ("environment", "desk"),
        ("profile", ""),
        ("signoff", ""),
        ("binary", env!("CARGO_BIN_EXE_cutproof")),
        ("evidence", &evidence),
    ];
    let variable = format!("{kill}={signal}");
    let ended =
        repository.act(".github/workflows/cutover.yml", &inputs, &["--env", &order, "--env", &variable]);
    (repository, ended)
}

#[test]
#[ignore = "needs act"]
fn a_cutover_that_is_killed_is_rolled_back_by_the_recovery_job() {
    let (repository, ended) = cutover("DESK_KILL", "yes");
    assert_ne!(ended.code, Some(0), "the cutover's own job is red");
    expect_taken_back(&repository.desk.path("order"));
    assert!(ended.stdout.contains("verification passed: "), "{}", ended.stdout);
    assert!(job_succeeded(&ended, "recovery"), "{}", ended.stdout);
    let kept = repository.artifact("recovery-1");
    let run = run_folder(&kept).expect("the evidence is kept with the job");
    assert!(run.join("ctp_rollback_result.env").is_file() && run.join("manifest.json").is_file());
}

#[test]
#[ignore = "needs act"]
fn a_cutover_that_rolled_back_by_itself_is_left_as_it_is() {
    let (repository, ended) = cutover("DESK_FAIL", "yes");
    assert_ne!(ended.code, Some(0));
    expect_taken_back(&repository.desk.path("order"));
    assert!(job_succeeded(&ended, "recovery"), "{}", ended.stdout);
}

#[test]
#[ignore = "needs act"]
fn a_good_cutover_has_no_recovery() {
    let (repository, ended) = cutover("DESK_KILL", "no");
    let ended = ended.with_code(0);
    assert_eq!(crate::order(&repository.desk.path("order")).len(), 10);
    assert!(!job_succeeded(&ended, "recovery"), "{}", ended.stdout);
}

fn job_succeeded(ended: &Ended, job: &str) -> bool {
    let line = |line: &str| line.contains(&format!("/{job}")) && line.contains("Job succeeded");
    ended.stdout.lines().any(line)
}

#[test]
#[ignore = "needs actionlint"]
fn the_workflows_are_sound() {
    let mut lint = std::process::Command::new(tool("actionlint"));
    let folder = source(".github/workflows");
    let files = fs::read_dir(folder).expect("workflows").flatten().map(|entry| entry.path());
    let workflows: Vec<_> = files.collect();
    assert!(workflows.len() >= 3, "{workflows:?}");
    lint.current_dir(source(".")).args(workflows);
    ended(lint).with_code(0);
}

/// What a runner does with a job that is cancelled: SIGINT to the process that it started, and to no other.
#[test]
fn a_step_that_is_cancelled_ends_in_order_and_says_where_its_evidence_is() {
    let repository = Repository::new();
    repository.write("gates/slow.toml", SLOW);
    let mut step = repository.program(Path::new("bash"));
    step.arg("ci/github/run.sh").env("CUTPROOF", env!("CARGO_BIN_EXE_cutproof"));
    let (outputs, evidence) = (repository.desk.path("outputs"), repository.desk.path("evidence"));
    step.env("GITHUB_OUTPUT", &outputs).env("STEP_VERB", "gates-run").env("STEP_PROFILE", "slow");
    step.env("STEP_EVIDENCE_DIR", &evidence).env("STEP_SHARDS", "shards");
    for unset in ["STEP_PROVISION", "STEP_PARTITION", "STEP_ARGS"] {
        step.env(unset, "");
    }
    let mut going = Going::start(step.stdout(Stdio::null()).stderr(Stdio::null()));
    expect_soon("the gate runs", || repository.path("begun").exists());
    going.signal(Signal::INT);
    expect_soon("the step ends", || going.child().try_wait().expect("a child of ours").is_some());
    let run = run_folder(&evidence).expect("a run");
    let told = fs::read_to_string(&outputs).expect("the step's outputs");
    assert_eq!(told, format!("run={}\nexit-code=143\n", argument(&run)));
    let summary = fs::read_to_string(run.join("summary.json")).expect("a summary");
    assert!(summary.contains("\"verdict\": \"interrupted\""), "{summary}");
}

const SLOW: &str = r#"
environment = "desk"

[[gate]]
id = "slow"
phase = "readiness"
probe = "command"
timeout = "300s"
with = { shell = "touch begun; sleep 250" }
"#;

/// Whatever a caller gives reaches a shell as a variable: as a part of a script it would be run.
#[test]
fn no_script_has_an_expression_in_it() {
    let files = [
        ".github/workflows/cutproof.yml",
        ".github/workflows/cutover.yml",
        ".github/workflows/gates.yml",
        "ci/github/action.yml",
    ];
    for file in files {
        let text = fs::read_to_string(source(file)).expect("a file of ours");
        let mut script = None;
        for (number, line) in (1..).zip(text.lines()) {
            let indent = line.len() - line.trim_start().len();
            if script.is_some_and(|of| indent <= of && !line.trim().is_empty()) {
                script = None;
            }
            // With a value: an output may be called `run` too.
            if line.trim_start().trim_start_matches("- ").starts_with("run: ") {
                script = Some(indent);
            }
            assert!(script.is_none() || !line.contains("${{"), "{file}:{number}: {line}");
        }
    }
}

/// A branch of another's repository may change under us.
#[test]
fn what_others_made_is_pinned_and_has_a_stand_in() {
    for file in [
        ".github/workflows/cutproof.yml",
        ".github/workflows/cutover.yml",
        ".github/workflows/gates.yml",
        "ci/github/action.yml",
    ] {
        let text = fs::read_to_string(source(file)).expect("a file of ours");
        let uses =
            text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "));
        for used in uses.filter(|used| !used.starts_with("./")) {
            assert!(STAND_INS.iter().any(|(known, _)| *known == used), "{file}: {used}");
            let (_, version) = used.split_once('@').expect("a version");
            assert!(version.matches('.').count() == 2, "{file}: {used}");
        }
    }
}
