//! The Indexed Job: against Kubernetes' own schemas, and its command as its pods would run it.

use crate::common::{Desk, argument, ended};
use crate::{expect_merged, junit, source, tool};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const JOB: &str = "ci/kubernetes/job.yaml";

/// The interpreter that has a reader of YAML, which the validator brings.
fn job() -> Value {
    let validator = tool("kubernetes-validate");
    let python = validator.with_file_name("kubernetes-validate-venv").join("bin/python");
    let mut read = Command::new(python);
    read.args(["-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"])
        .arg(source(JOB));
    serde_json::from_str(&ended(read).with_code(0).stdout).expect("JSON")
}

fn validate(file: &Path) -> crate::common::Ended {
    let mut validate = Command::new(tool("kubernetes-validate"));
    validate.arg("--strict").arg(file);
    ended(validate)
}

#[test]
#[ignore = "needs kubernetes-validate"]
fn the_job_is_as_kubernetes_schema_asks_and_a_slip_in_it_would_be_found() {
    validate(&source(JOB)).with_code(0);
    let desk = Desk::new();
    let text = std::fs::read_to_string(source(JOB)).expect("the job");
    for (from, to) in [("completionMode", "completionsMode"), ("parallelism: 3", "parallelism: three")] {
        assert!(text.contains(from));
        let slip = desk.write("job.yaml", &text.replace(from, to));
        assert_ne!(validate(Path::new(&slip)).code, Some(0), "{to}");
    }
}

#[test]
#[ignore = "needs kubernetes-validate"]
fn the_jobs_numbers_agree_and_nothing_that_is_red_runs_again() {
    let job = job();
    let spec = &job["spec"];
    let container = &spec["template"]["spec"]["containers"][0];
    let total = container["env"].as_array().expect("variables").iter();
    let total = total.filter(|variable| variable["name"] == "CUTPROOF_PARTITION_TOTAL");
    let total: Vec<_> = total.map(|variable| variable["value"].as_str().expect("a text")).collect();
    assert_eq!(total, [spec["completions"].to_string()]);
    assert_eq!(
        (&spec["parallelism"], &spec["completionMode"]),
        (&spec["completions"], &Value::from("Indexed"))
    );
    assert_eq!((&spec["backoffLimitPerIndex"], &spec["backoffLimit"]), (&Value::from(0), &Value::Null));
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    assert_eq!(spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"], container["name"]);
}

#[test]
#[ignore = "needs kubernetes-validate"]
fn its_pods_are_shards_that_merge() {
    let desk = Desk::new();
    let container = job()["spec"]["template"]["spec"]["containers"][0].take();
    let words = container["args"].as_array().expect("arguments").iter();
    let words: Vec<_> = words.map(|word| word.as_str().expect("a word").to_owned()).collect();
    let mut shards = Vec::new();
    for (index, total) in [("0", "2"), ("1", "2")] {
        let put = |word: &String| {
            let word = word.replace("$(JOB_NAME)", "gates").replace("$(POD_NAME)", &format!("gates-{index}"));
            let word = word.replace("/evidence", &argument(&desk.path("evidence")));
            if word == "single-host" {
                argument(&source("tests/pipelines/repository/gates/desk.toml"))
            } else {
                word
            }
        };
        let words: Vec<_> = words.iter().map(put).collect();
        let mut pod = desk.cutproof(&words.iter().map(String::as_str).collect::<Vec<_>>());
        pod.env_remove("CI_NODE_INDEX").env_remove("CI_NODE_TOTAL");
        pod.env("JOB_COMPLETION_INDEX", index).env("CUTPROOF_PARTITION_TOTAL", total);
        ended(pod).with_code(0);
        let folder = desk.path("evidence/gates").join(format!("gates-{index}"));
        shards.push(argument(&crate::common::run_folder(&folder).expect("a run")));
    }
    let merged = desk.path("merged");
    desk.run(&["merge", &shards[0], &shards[1], "--output", &argument(&merged)]).with_code(0);
    expect_merged(&desk, &merged, 0);
    assert_eq!(junit(&merged.join("junit.xml")), (Vec::new(), 5));
}
