//! Pipelines, run for real: the workflows of GitHub by act, those of GitLab by gitlab-ci-local, each on a repository of a
//! test's own, with the binary under test. What they leave is judged by that binary: the merged bundle, JUnit, summaries,
//! annotations; and that a red gate makes them red with its evidence kept, and a cutover that is broken off is taken
//! back. The Job of Kubernetes is checked against Kubernetes' schemas, and its command is run as its pods would.
//!
//! The tools come from registries, by ci/tools/, into CUTPROOF_TOOLS or the target folder, which is why these tests run
//! only where they are asked for: `--ignored`. A tool that can't be had is a failure.

mod common;
#[path = "pipelines/docs.rs"]
mod docs;
#[path = "pipelines/github.rs"]
mod github;
#[path = "pipelines/gitlab.rs"]
mod gitlab;
#[path = "pipelines/kubernetes.rs"]
mod kubernetes;
#[path = "pipelines/recovery.rs"]
mod recovery;

use common::{Desk, Ended, argument, ended};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// What is checked out: profile, templates.
const FIXTURES: &str = "tests/pipelines/repository";

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A tool by its name, installed by its script where it is not there yet.
fn tool(name: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let folder = std::env::var_os("CUTPROOF_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools"), PathBuf::from);
    let script = source("ci/tools").join(name);
    let mut install = Command::new(&script);
    install.arg(&folder);
    let installed = ended(install);
    assert_eq!(
        installed.code,
        Some(0),
        "{} is missing: {} {} could not install it:\n{}{}",
        name,
        script.display(),
        folder.display(),
        installed.stdout,
        installed.stderr
    );
    folder.join(name)
}

/// A repository of a test's own with the pipelines and what they run.
struct Repository {
    desk: Desk,
}

impl Repository {
    fn new() -> Repository {
        let repository = Repository { desk: Desk::new() };
        let root = repository.path("");
        for (from, to) in [(FIXTURES, ""), ("ci", "ci"), (".github", ".github")] {
            copy(&source(from), &root.join(to));
        }
        repository.write(".gitignore", "/evidence\n/.gitlab-ci-local\n");
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path("repository").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        self.desk.write(&format!("repository/{name}"), text);
    }

    /// Makes a commit of what is there; `remote` is where it would come from.
    fn commit(&self, remote: &str) {
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        let git = |arguments: &[&str]| {
            let mut command = self.desk.program("git");
            command.current_dir(self.path("")).args(who).args(arguments);
            ended(command).with_code(0);
        };
        git(&["init", "-q", "-b", "main"]);
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "a desk"]);
        git(&["remote", "add", "origin", remote]);
    }

    /// A program in the repository, of which nothing is left when the test ends.
    fn program(&self, program: &Path) -> Command {
        let mut command = self.desk.program(&argument(program));
        command.current_dir(self.path(""));
        command.env("HOME", self.desk.path("home")).env("XDG_CACHE_HOME", self.desk.path("cache"));
        fs::create_dir_all(self.desk.path("home")).expect("a folder of ours");
        command
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours");
    for entry in fs::read_dir(from).expect("the folder is there").flatten() {
        let to = to.join(entry.file_name());
        match entry.file_type().expect("it is there").is_dir() {
            true => copy(&entry.path(), &to),
            false => {
                fs::copy(entry.path(), to).expect("a file");
            }
        }
    }
}

/// The names of a report's gates that are not green, and how many gates there are.
fn junit(path: &Path) -> (Vec<String>, usize) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let report = quick_junit::Report::deserialize_from_str(&text).expect("JUnit");
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    // What stands against the run itself is a case too.
    let of_run = |name: &quick_junit::XmlString| name.as_str().ends_with(".run");
    let cases: Vec<_> = cases.filter(|case| !case.classname.as_ref().is_some_and(of_run)).collect();
    let red = cases.iter().filter(|case| !matches!(case.status, quick_junit::TestCaseStatus::Success { .. }));
    (red.map(|case| case.name.to_string()).collect(), cases.len())
}

/// What the real binary makes of a merged bundle, by its exit code.
#[track_caller]
fn expect_merged(desk: &Desk, merged: &Path, code: i32) -> Ended {
    let ended = desk.run(&["verify", &argument(merged)]).with_code(code);
    let shards = fs::read_dir(merged.join("shards")).expect("two shards").count();
    assert_eq!(shards, 2);
    ended
}

/// What a cutover and its rollback did, a step a line.
fn order(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// That a cutover went to its eighth step, and then all of the way back, once.
#[track_caller]
fn expect_taken_back(path: &Path) {
    let order = order(path);
    let (there, back) = order.split_at(8.min(order.len()));
    assert_eq!(there.last().map(String::as_str), Some("cutover new_core_engine_start"), "{order:#?}");
    assert_eq!(back.len(), 7, "{order:#?}");
    assert_eq!(back[0], "rollback new_core_engine_stop");
    assert_eq!(back[6], "rollback post_rollback_validate");
}
