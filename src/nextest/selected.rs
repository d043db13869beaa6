//! What nextest will run. Nobody tells a setup script, so nextest is asked: the same program with the same words, but
//! `list` for `run`, in the same folder and environment. So a filter, a profile's default filter and a partition are
//! what nextest makes of them, and the run's first entry can say what was left out.

use super::caller::Process;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long nextest may take to list tests that it has just listed: cargo looks through the workspace again.
const LIMIT: Duration = Duration::from_secs(120);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Flags of `run` that `list` does not know, with a value.
const WITH_VALUE: &[&str] = &[
    "--debugger",
    "--failure-output",
    "--final-status-level",
    "--flaky-result",
    "--jobs",
    "--max-fail",
    "--max-progress-running",
    "--message-format",
    "--message-format-version",
    "--no-tests",
    "--retries",
    "--show-progress",
    "--status-level",
    "--stress-count",
    "--stress-duration",
    "--success-output",
    "--test-threads",
    "--tracer",
    "-j",
];

/// Flags of `run` that `list` does not know, without one.
const ALONE: &[&str] = &[
    "--fail-fast",
    "--ff",
    "--hide-progress-bar",
    "--nff",
    "--no-capture",
    "--no-fail-fast",
    "--no-input-handler",
    "--no-output-indent",
    "--no-run",
    "--nocapture",
];

/// Why it is not known what nextest will run.
#[derive(Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It does not say.
    Silent(String),
    /// It runs none of the cases: the setup script is not for what it was started for.
    NotOurs(String),
}

/// Asks this nextest which of these cases it will run, in their order. Its answer passes through `folder`.
///
/// # Errors
/// It does not say, or lists no test target with all of them, or runs none.
pub fn ask(nextest: &Process, cases: &[String], folder: &Path) -> Result<Vec<String>, Unknown> {
    let listed = list(nextest, folder).map_err(Unknown::Silent)?;
    of(&listed, cases).map_err(Unknown::NotOurs)
}

fn list(nextest: &Process, folder: &Path) -> Result<Value, String> {
    let words = nextest.words();
    let list = listing(&words).ok_or_else(|| format!("`{}` runs no tests", words.join(" ")))?;
    let (out, err) = (folder.join("list.json"), folder.join("list.err"));
    let mut command = Command::new(nextest.program());
    command.args(&list).env_clear().envs(nextest.variables()).stdin(Stdio::null());
    if let Some(folder) = nextest.folder() {
        command.current_dir(folder);
    }
    let file = |path: &PathBuf| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
    command.stdout(file(&out)?).stderr(file(&err)?);
    let shown = format!("`cargo-nextest {}`", list.join(" "));
    let status = run(&mut command).map_err(|error| format!("{shown}: {error}"))?;
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    if !status.success() {
        return Err(format!("{shown} ended with {status}: {}", last_lines(&read(&err))));
    }
    serde_json::from_str(&read(&out)).map_err(|error| format!("{shown}: {error}"))
}

/// The words by which the same tests are listed; none where these run none.
fn listing(words: &[String]) -> Option<Vec<String>> {
    let at = words.iter().position(|word| word == "run" || word == "r")?;
    let mut list = words[1..at].to_vec();
    list.extend(["list", "--message-format", "json"].map(str::to_owned));
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            list.push(word.clone());
            list.extend(rest.cloned());
            break;
        }
        let (flag, value) =
            word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
        // `-j4` too.
        let joined = word.starts_with("-j") && word != "-j";
        match () {
            () if ALONE.contains(&flag) || joined => {}
            () if WITH_VALUE.contains(&flag) => {
                if value.is_none() {
                    rest.next();
                }
            }
            () => list.push(word.clone()),
        }
    }
    Some(list)
}

/// Of all test targets those count that have every one of these cases.
fn of(listed: &Value, cases: &[String]) -> Result<Vec<String>, String> {
    let suites = listed["rust-suites"].as_object().into_iter().flat_map(|suites| suites.values());
    let ours = suites.filter_map(|suite| suite["testcases"].as_object());
    let ours: Vec<_> = ours.filter(|found| cases.iter().all(|case| found.contains_key(case))).collect();
    if ours.is_empty() {
        return Err("nextest lists no test target that has all gates of the profile".to_owned());
    }
    let runs = |case: &&String| ours.iter().any(|found| found[*case]["filter-match"]["status"] == "matches");
    let chosen: BTreeSet<&String> = cases.iter().filter(runs).collect();
    if chosen.is_empty() {
        return Err("nextest runs none of the profile's gates".to_owned());
    }
    Ok(cases.iter().filter(|case| chosen.contains(case)).cloned().collect())
}

/// Runs it to its end, which may not take for ever.
fn run(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            let seconds = LIMIT.as_secs();
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {seconds} s")));
        }
        std::thread::sleep(LOOK);
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_only_run_knows_is_left_out_of_the_list() {
        for (run, list) in [
            ("run", ""),
            ("r -E test(kafka)", " -E test(kafka)"),
            ("run --retries 2 -p shop --no-fail-fast", " -p shop"),
            ("run -j4 --test-threads=2 -j 3 --test gates", " --test gates"),
            ("run kafka -- --skip redis -j4", " kafka -- --skip redis -j4"),
            ("run --partition hash:1/2 --profile ci", " --partition hash:1/2 --profile ci"),
        ] {
            let seen = listing(&words(&format!("cargo-nextest nextest --color never {run}"))).unwrap();
            let expected = format!("nextest --color never list --message-format json{list}");
            assert_eq!(seen, words(&expected), "{run}");
        }
        assert_eq!(listing(&words("cargo-nextest nextest list")), None);
    }

    #[test]
    fn only_the_target_with_all_gates_is_asked() {
        let case = |status: &str| json!({ "ignored": false, "filter-match": { "status": status } });
        let listed = json!({ "rust-suites": {
            "shop::gates": { "testcases": { "a": case("matches"), "b": case("mismatch") } },
            "shop": { "testcases": { "b": case("matches") } },
        }});
        let cases = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(of(&listed, &cases(&["b", "a"])), Ok(cases(&["a"])));
        assert!(of(&listed, &cases(&["a", "b", "c"])).unwrap_err().contains("no test target"));
        assert!(of(&json!({}), &cases(&["a"])).unwrap_err().contains("no test target"));
        let none = json!({ "rust-suites": { "x": { "testcases": { "a": case("mismatch") } } } });
        assert!(of(&none, &cases(&["a"])).unwrap_err().contains("none of"));
    }
}
