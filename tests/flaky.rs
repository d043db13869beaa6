//! Gates that pass only when they are tried again: each attempt is told wherever a run is told of, and where flaky gates
//! count, the run does not pass, nor is it verified or signed off.

mod common;

use common::{Desk, Run, argument};
use quick_junit::TestCaseStatus;
use std::fs;

/// A gate that fails twice and then passes, and one that passes at once.
fn profile(desk: &Desk, required: bool) -> String {
    let count = argument(&desk.path("count"));
    let flaky = format!("echo x >> {count}; echo try $(wc -l < {count}); test $(wc -l < {count}) -ge 3");
    desk.write(
        "flaky.toml",
        &format!(
            r#"environment = "desk"

[[gate]]
id = "flaky"
phase = "infra"
probe = "command"
required = {required}
retry = {{ every = "10ms", for = "10m" }}
with = {{ shell = '''{flaky}''' }}

[[gate]]
id = "steady"
phase = "infra"
probe = "command"
with = {{ shell = "true" }}
"#
        ),
    )
}

fn measure(desk: &Desk, required: bool, flags: &[&str]) -> Run {
    fs::remove_file(desk.path("count")).ok();
    let profile = profile(desk, required);
    desk.measure(&[&["rehearse", "--profile", &profile][..], flags].concat())
}

#[test]
fn every_attempt_is_told_wherever_the_run_is() {
    let desk = Desk::new();
    let run = measure(&desk, true, &[]).with_code(0);
    let screen = &run.ended.stdout;
    for told in ["↻ infra::flaky  passed at attempt 3", "    attempt 1 failed after ", ", 1 on retry"] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    let flaky = run.summary["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == "flaky").unwrap();
    let tries: Vec<_> = flaky["tries"].as_array().unwrap().iter().collect();
    let verdicts: Vec<_> = tries.iter().map(|attempt| attempt["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["failed", "failed", "passed"]);
    assert!(tries.iter().all(|attempt| attempt["duration_ms"].as_f64().unwrap() > 0.0), "{tries:?}");
    assert_eq!(run.summary["counts"]["on_retry"], 1);
    let report = run.junit();
    let case = report.test_suites[0].test_cases.iter().find(|case| case.name.as_str() == "flaky").unwrap();
    let TestCaseStatus::Success { flaky_runs } = &case.status else { panic!("{case:?}") };
    let messages: Vec<_> = flaky_runs.iter().map(|run| run.message.as_ref().unwrap().as_str()).collect();
    assert!(messages[0].starts_with("attempt 1 failed after ") && messages.len() == 2, "{messages:?}");
    let folder = argument(&run.folder);
    let status = desk.run(&["status", &folder]).with_code(0).stdout;
    assert!(status.contains(", attempt 3\n    attempt 1 failed  "), "{status}");
    let page = desk.path("report.html");
    desk.run(&[
        "report",
        &folder,
        "--output-html",
        &argument(&page),
        "--output-md",
        &argument(&desk.path("md")),
    ]);
    for page in [fs::read_to_string(&page).unwrap(), desk.read("md")] {
        assert!(page.contains("attempt 2 failed after "), "{page}");
    }
}

#[test]
fn where_flaky_gates_count_the_run_does_not_pass() {
    let desk = Desk::new();
    let run = measure(&desk, true, &["--fail-on-flaky"]).with_code(1);
    assert_eq!((&run.summary["verdict"], run.verdict("flaky")), (&"failed".into(), "passed"));
    let reason = run.summary["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("infra::flaky passed only at attempt 3; attempt 2 failed after "), "{reason}");
    assert_eq!(run.junit().test_suites[0].failures, 1);
    let verified = desk.run(&["verify", &argument(&run.folder)]).with_code(1);
    assert!(verified.stderr.contains("gate-flaky"), "{}", verified.stderr);
    // Told by what the profile requires, and only by that.
    measure(&desk, false, &["--fail-on-flaky"]).with_code(0);
}

#[test]
fn a_verifier_refuses_flaky_gates_of_any_run() {
    let desk = Desk::new();
    let run = measure(&desk, true, &[]).with_code(0);
    let folder = argument(&run.folder);
    desk.run(&["verify", &folder]).with_code(0);
    let report = argument(&run.folder.join("junit.xml"));
    for (path, place) in [(&folder, "infra::flaky"), (&report, "flaky")] {
        let refused = desk.run(&["verify", path, "--fail-on-flaky"]).with_code(1);
        assert!(
            refused.stderr.contains("gate-flaky") && refused.stderr.contains(place),
            "{}",
            refused.stderr
        );
    }
    desk.run(&["verify", "--fail-on-flaky"]).with_code(2);
    let policy = desk.write("policy.toml", "name = \"desk\"\n");
    let output = argument(&desk.path("signoff.json"));
    let signoff = ["signoff", &folder, "--policy", &policy, "--output", &output];
    let refused = desk.run(&[&signoff[..], &["--fail-on-flaky"]].concat()).with_code(1);
    assert!(refused.stderr.contains("gate-flaky"), "{}", refused.stderr);
    let refused = desk.run(&["verify", &folder, "--policy", &policy, "--fail-on-flaky"]).with_code(1);
    assert!(refused.stderr.contains("gate-flaky"), "{}", refused.stderr);
}
