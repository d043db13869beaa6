//! Gates in another repository's crate, as its owner writes and runs them: `cargo test`, and the same gates under
//! nextest. Ignored, since the crate and cutproof are built once more for it (a minute on two free cores).

mod common;

use common::consumer::{cargo, nextest};
use common::{Desk, Run, ended};
use std::collections::BTreeMap;

/// What JUnit says of each case.
fn told(run: &Run) -> BTreeMap<String, String> {
    let junit = run.junit();
    let suites = junit.test_suites.iter();
    let cases = suites.flat_map(|suite| suite.test_cases.iter().map(move |case| (suite, case)));
    let told = cases.map(|(suite, case)| {
        let class = case.classname.as_ref().map_or("", |name| name.as_str());
        (format!("{} {class} {}", suite.name.as_str(), case.name.as_str()), format!("{:?}", case.status))
    });
    told.collect()
}

#[test]
#[ignore = "builds another crate; needs cargo-nextest"]
fn another_crates_gates_say_the_same_whichever_runner_started_them() {
    let desk = Desk::new();
    let evidence = desk.evidence();
    let mut command = cargo(&desk, &evidence);
    command.args(["test", "--test", "gates"]);
    let by_cargo = Run::of(ended(command), &evidence).with_code(0);
    for gate in ["infra::stock-answers", "infra::stock-is-written", "readiness::prices-are-there"] {
        assert!(by_cargo.ended.stdout.contains(&format!("test {gate}")), "{}", by_cargo.ended.stdout);
    }
    assert!(by_cargo.ended.stdout.contains("3 passed; 0 failed"), "{}", by_cargo.ended.stdout);

    let evidence = desk.evidence();
    let by_nextest = Run::of(ended(nextest(&desk, &evidence)), &evidence).with_code(0);
    assert_eq!(told(&by_cargo), told(&by_nextest));
    assert_eq!(by_cargo.gates(), by_nextest.gates());
    for part in ["environment", "verdict", "partial", "provisioner"] {
        assert_eq!(by_cargo.summary[part], by_nextest.summary[part], "{part}");
    }
}

#[test]
#[ignore = "builds another crate"]
fn a_filter_of_cargo_test_for_another_target_measures_nothing_and_says_so() {
    let desk = Desk::new();
    let evidence = desk.evidence();
    let mut command = cargo(&desk, &evidence);
    command.args(["test", "nobody_sells"]);
    let ended = ended(command).with_code(0);
    assert!(
        ended.stderr.contains("none of the 3 gates is selected by the filter `nobody_sells`"),
        "{}",
        ended.stderr
    );
    assert!(!evidence.exists());
}
