//! GitLab's pipelines, by gitlab-ci-local.

use crate::common::{Ended, argument, ended, run_folder};
use crate::{Repository, expect_merged, expect_taken_back, junit, tool};
use std::fs;
use std::path::PathBuf;

const GATES: &str = r#"
stages: [gates, merge]
include:
  - local: ci/gitlab/templates/cutproof/template.yml
    inputs:
      stage: gates
      merge-stage: merge
      profile: desk
      verb: gates run
      binary: BINARY
"#;

const CUTOVER: &str = r#"
stages: [deploy, recovery]
include:
  - local: ci/gitlab/templates/cutover/template.yml
    inputs:
      binary: BINARY
      evidence: KEPT
      profile: ""
      args: ""
      when: on_success
"#;

impl Repository {
    fn gitlab(&self, pipeline: &str, variables: &[(&str, &str)]) -> Ended {
        let pipeline = pipeline
            .replace("BINARY", env!("CARGO_BIN_EXE_cutproof"))
            .replace("KEPT", &argument(&self.desk.path("kept")));
        self.write(".gitlab-ci.yml", &pipeline);
        self.commit("git@localhost:desk/desk.git");
        let mut run = self.program(&tool("gitlab-ci-local"));
        // Jobs have folders of their own, as on GitLab: what one hands to another is what its artifacts say.
        run.args([
            "--force-shell-executor",
            "--shell-isolation",
            "--no-color",
            "--artifacts-to-source=false",
        ]);
        for (name, value) in variables {
            run.args(["--variable", &format!("{name}={value}")]);
        }
        ended(run)
    }

    /// What a job kept, by the beginning of its name.
    fn kept_by(&self, job: &str) -> Vec<PathBuf> {
        let folder = self.path(".gitlab-ci-local/artifacts");
        let jobs = fs::read_dir(folder).expect("artifacts").flatten().map(|entry| entry.path());
        // Names are kept in a form of letters: `:` is Og.
        let job = job.replace(':', "Og").replace('-', "LQ");
        let named =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&job));
        let mut found: Vec<_> = jobs.filter(named).collect();
        found.sort();
        found
    }
}

#[test]
#[ignore = "needs gitlab-ci-local"]
fn two_shards_are_run_merged_and_verified() {
    let repository = Repository::new();
    let ended = repository.gitlab(GATES, &[]).with_code(0);
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert!(told.contains("PARTIAL shard 1/2") && told.contains("PARTIAL shard 2/2"), "{told}");
    let [merge] = &repository.kept_by("cutproof:merge")[..] else {
        panic!("no artifacts of the merge:\n{told}")
    };
    let merged = merge.join("evidence/merged");
    expect_merged(&repository.desk, &merged, 0);
    assert_eq!(junit(&merged.join("junit.xml")), (Vec::new(), 5));
    let page = fs::read_to_string(merge.join("evidence/report.md")).expect("the report");
    assert!(page.starts_with("# GO\n"), "{page}");
    let shards = repository.kept_by("cutproof:shard");
    assert_eq!(shards.len(), 2, "{shards:?}");
    let cases: usize = (1..)
        .zip(&shards)
        .map(|(index, shard)| {
            let run = run_folder(&shard.join(format!("evidence/shard-{index}"))).expect("a run");
            junit(&run.join("junit.xml")).1
        })
        .sum();
    assert_eq!(cases, 5, "each gate is reported by one shard");
}

#[test]
#[ignore = "needs gitlab-ci-local"]
fn a_red_gate_makes_the_pipeline_red_and_its_evidence_is_kept() {
    let repository = Repository::new();
    repository.write("red", "");
    let ended = repository.gitlab(GATES, &[]);
    assert_ne!(ended.code, Some(0), "{}", ended.stdout);
    let [merge] = &repository.kept_by("cutproof:merge")[..] else {
        panic!("nothing merged: {}", ended.stdout)
    };
    let merged = merge.join("evidence/merged");
    expect_merged(&repository.desk, &merged, 1);
    assert_eq!(junit(&merged.join("junit.xml")), (vec!["beta".to_owned(), "gamma".to_owned()], 5));
}

fn cutover(variable: &str) -> (Repository, Ended) {
    let repository = Repository::new();
    let order = argument(&repository.desk.path("order"));
    let ended = repository.gitlab(CUTOVER, &[("DESK_ORDER", &order), (variable, "yes")]);
    (repository, ended)
}

#[test]
#[ignore = "needs gitlab-ci-local"]
fn a_cutover_that_is_killed_is_rolled_back_by_the_recovery_job() {
    let (repository, ended) = cutover("DESK_KILL");
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_ne!(ended.code, Some(0), "the cutover's own job is red: {told}");
    expect_taken_back(&repository.desk.path("order"));
    assert!(told.contains("PASS  cutproof:recovery"), "{told}");
    let [kept] = &repository.kept_by("cutproof:recovery")[..] else { panic!("nothing was kept: {told}") };
    let run = run_folder(&kept.join("cutover-evidence")).expect("the evidence is kept with the job");
    assert!(run.join("ctp_rollback_result.env").is_file());
}

#[test]
#[ignore = "needs gitlab-ci-local"]
fn a_good_cutover_has_no_recovery() {
    let (repository, ended) = cutover("DESK_NOTHING");
    let ended = ended.with_code(0);
    assert_eq!(crate::order(&repository.desk.path("order")).len(), 10);
    assert!(!ended.stdout.contains("PASS  cutproof:recovery"), "{}", ended.stdout);
}
