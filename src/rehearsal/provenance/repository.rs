//! Asks git for the state of a repository. It changes nothing there, not even the index's cache, and runs none of the
//! hooks or file monitors that the repository's settings name. It knows nothing of runs.

use crate::evidence;
use crate::model::event::Source;
use crate::process::{Cancel, Capture, Command, Exit, Output, Worker};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long git may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// From being told to end until it is killed.
const GRACE: Duration = Duration::from_millis(500);
/// How much of an answer is read. A longer list of changes still says that there are some.
const MOST: usize = 8 << 20;
/// How many changed paths are named.
const NAMED: usize = 10;

/// Where the runbook has the files of runs, in the working directory.
const RESULTS: &str = "docs/results";

/// Variables that would show git another repository or other settings than those that lie here.
const MISLEADING: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_CEILING_DIRECTORIES",
];

/// The repository in a folder, and what in it is the runs' own.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    /// Folders of which nothing counts.
    own: Vec<PathBuf>,
    /// Files, and folders of which only files with the names of evidence don't count.
    exports: Vec<PathBuf>,
}

impl Repository {
    /// The one in the working directory.
    ///
    /// # Errors
    /// There is none.
    pub fn here(evidence: &Path, exports: &[PathBuf]) -> Result<Repository, String> {
        let folder = std::env::current_dir().map_err(|error| format!("no working directory: {error}"))?;
        Ok(Repository::at(&folder, evidence, exports))
    }

    fn at(folder: &Path, evidence: &Path, exports: &[PathBuf]) -> Repository {
        let whole = |path: &Path| resolved(&folder.join(path));
        Repository {
            own: vec![whole(evidence), whole(Path::new(RESULTS))],
            exports: exports.iter().map(|path| whole(path)).collect(),
            folder: folder.to_owned(),
        }
    }

    /// Its commit, and whether the work tree differs from that: changed files, and files that are neither tracked nor
    /// ignored.
    ///
    /// # Errors
    /// Why that is not known: no git, no repository, no commit, no answer in time.
    pub fn source(&self, worker: &Worker, cancel: &Cancel) -> Result<Source, String> {
        let top = self.ask(&["rev-parse", "--show-toplevel"], worker, cancel)?.text;
        let top = String::from_utf8(top).map_err(|_| "its path is not UTF-8".to_owned())?;
        let top = PathBuf::from(top.trim_end_matches('\n'));
        let status = [
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=all",
            "--no-renames",
            "--ignore-submodules=none",
        ];
        let status = self.ask(&status, worker, cancel)?;
        self.read(&status, &top)
    }

    fn ask(&self, words: &[&str], worker: &Worker, cancel: &Cancel) -> Result<Answer, String> {
        let without = MISLEADING.iter().flat_map(|name| ["-u", name]);
        let settings = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-pager"];
        let argv = ["env"].into_iter().chain(without).chain(["git"]).chain(settings);
        let variables = [
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ];
        let command = Command {
            folder: Some(self.folder.clone()),
            environment: variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).into(),
            grace: GRACE,
            output: Output::Captured(Capture { head: MOST, tail: 0 }),
            ..Command::argv(argv.chain(words.iter().copied()), PATIENCE)
        };
        let outcome = command.run(worker, cancel);
        let (cut, text) = (outcome.stdout.dropped > 0, outcome.stdout.head);
        match outcome.exit {
            Exit::Exited(0) => Ok(Answer { text, cut }),
            // Of `env`, which found no git.
            Exit::Exited(127) => Err("there is no `git` on PATH".to_owned()),
            Exit::Exited(code) => Err(said(code, &outcome.stderr.head)),
            Exit::Signalled(signal) => Err(format!("git was ended by signal {signal}")),
            Exit::TimedOut => Err(format!("git gave no answer within {} s", PATIENCE.as_secs())),
            Exit::Cancelled => Err("the run was told to end before git answered".to_owned()),
            Exit::NotStarted(error) => Err(format!("git could not be started: {error}")),
            Exit::Unknown(error) => Err(format!("what became of git is not known: {error}")),
        }
    }

    /// Reads `git status --porcelain=v2 --branch -z`. Its paths count from `top`.
    fn read(&self, status: &Answer, top: &Path) -> Result<Source, String> {
        let mut source = Source { commit: String::new(), dirty: false, changed: Vec::new() };
        let mut entries = status.text.split(|byte| *byte == 0);
        while let Some(entry) = entries.next() {
            let entry = String::from_utf8_lossy(entry);
            if let Some(commit) = entry.strip_prefix("# branch.oid ") {
                commit.clone_into(&mut source.commit);
            }
            let Some(path) = changed(&entry) else { continue };
            if entry.starts_with('2') {
                // A renamed file's old path is an entry of its own.
                entries.next();
            }
            if !self.is_own(top, path) {
                source.dirty = true;
                if source.changed.len() < NAMED {
                    source.changed.push(path.to_owned());
                }
            }
        }
        match source.commit.as_str() {
            "" => Err("git gave no commit".to_owned()),
            "(initial)" => Err("the repository has no commit yet".to_owned()),
            _ if status.cut && !source.dirty => {
                Err(format!("git named more than {} MiB of differences", MOST >> 20))
            }
            _ => Ok(source),
        }
    }

    /// Whether runs put this here. A folder of theirs that holds the whole repository says nothing of what is in it.
    fn is_own(&self, top: &Path, path: &str) -> bool {
        let path = top.join(path.trim_end_matches('/'));
        let named = path.file_name().and_then(|name| name.to_str()).is_some_and(evidence::is_document);
        self.own.iter().any(|own| !top.starts_with(own) && path.starts_with(own))
            || self.exports.iter().any(|export| path == *export || (named && path.parent() == Some(export)))
    }
}

/// What git printed.
struct Answer {
    text: Vec<u8>,
    /// Whether there was more of it.
    cut: bool,
}

/// The path of an entry that is a difference: `? PATH`, `1 XY … PATH`, `2 XY … PATH`, `u XY … PATH`.
fn changed(entry: &str) -> Option<&str> {
    let fields = match entry.split_once(' ')?.0 {
        "?" => 1,
        "1" => 8,
        "2" => 9,
        "u" => 10,
        _ => return None,
    };
    entry.splitn(fields + 1, ' ').nth(fields)
}

/// Git's own words, in one line.
fn said(code: i32, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let line: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
    format!("git ended with {code}: {line}")
}

/// The path as git gives it: without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            // Without a trailing slash, which an empty rest would add.
            return real.join(rest).components().collect();
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A repository with one commit.
    struct Desk {
        root: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Desk {
            let desk = Desk { root: tempfile::tempdir().unwrap() };
            desk.git(&["init", "--quiet"]);
            desk.put("src/core.rs", "fn main() {}");
            desk.put(".gitignore", "target/\n");
            desk.commit();
            desk
        }

        fn git(&self, words: &[&str]) {
            let done = std::process::Command::new("git")
                .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"])
                .args(words)
                .current_dir(self.root.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }

        fn commit(&self) {
            self.git(&["add", "."]);
            self.git(&["commit", "--quiet", "-m", "state"]);
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn source_of(&self, evidence: &str, exports: &[&str]) -> Result<Source, String> {
            let exports: Vec<_> = exports.iter().map(PathBuf::from).collect();
            let repository = Repository::at(self.root.path(), Path::new(evidence), &exports);
            repository.source(&Worker::unheld().unwrap(), &Cancel::new().unwrap())
        }

        fn changed(&self, evidence: &str, exports: &[&str]) -> Vec<String> {
            let source = self.source_of(evidence, exports).unwrap();
            assert_eq!(source.dirty, !source.changed.is_empty());
            assert!(source.commit.len() >= 40 && source.commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
            source.changed
        }
    }

    #[test]
    fn changed_staged_and_untracked_files_make_it_dirty_and_ignored_ones_do_not() {
        let desk = Desk::new();
        desk.put("target/out", "built");
        assert_eq!(desk.changed("evidence", &[]), [""; 0]);
        desk.put("src/core.rs", "fn main() { }");
        desk.put("a new file", "");
        desk.put("staged.rs", "");
        desk.git(&["add", "staged.rs"]);
        assert_eq!(desk.changed("evidence", &[]), ["src/core.rs", "staged.rs", "a new file"]);
    }

    #[test]
    fn what_runs_put_there_does_not_count() {
        let desk = Desk::new();
        desk.put("docs/results/ctp_cutover_result.env", "A=1\n");
        desk.commit();
        desk.put("docs/results/ctp_cutover_result.env", "A=2\n");
        desk.put("evidence/1-rehearse/journal.jsonl", "");
        desk.put("out/junit.xml", "<x/>");
        desk.put("last.env", "");
        assert_eq!(desk.changed("evidence", &["out", "last.env"]), [""; 0]);
        desk.put("out/other.rs", "");
        assert_eq!(desk.changed("evidence", &["out", "last.env"]), ["out/other.rs"]);
        assert_eq!(desk.changed("elsewhere", &["out", "last.env"]).len(), 2);
    }

    #[test]
    fn evidence_in_the_repository_s_own_folder_hides_nothing() {
        let desk = Desk::new();
        desk.put("src/core.rs", "fn main() { }");
        assert_eq!(desk.changed(".", &["."]), ["src/core.rs"]);
        assert_eq!(desk.changed("/", &["/"]), ["src/core.rs"]);
    }

    #[test]
    fn only_the_first_few_changes_are_named() {
        let desk = Desk::new();
        (0..30).for_each(|n| desk.put(&format!("f{n:02}"), ""));
        assert_eq!(desk.changed("evidence", &[]).len(), NAMED);
    }

    #[test]
    fn what_the_repository_s_settings_name_is_not_run() {
        let desk = Desk::new();
        let ran = desk.root.path().join("target/ran");
        fs::create_dir_all(ran.parent().unwrap()).unwrap();
        let script = desk.root.path().join("target/monitor");
        fs::write(&script, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        desk.git(&["config", "core.fsmonitor", script.to_str().unwrap()]);
        assert_eq!(desk.changed("evidence", &[]), [""; 0]);
        assert!(!ran.exists());
    }

    #[test]
    fn a_folder_without_a_repository_or_a_commit_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (worker, cancel) = (Worker::unheld().unwrap(), Cancel::new().unwrap());
        let none = Repository::at(folder.path(), Path::new("evidence"), &[]);
        let told = none.source(&worker, &cancel).unwrap_err();
        assert!(told.contains("not a git repository"), "{told}");
        let desk = Desk { root: tempfile::tempdir().unwrap() };
        desk.git(&["init", "--quiet"]);
        assert_eq!(desk.source_of("evidence", &[]).unwrap_err(), "the repository has no commit yet");
        cancel.cancel("SIGINT");
        let told = desk.source_of("evidence", &[]).and(none.source(&worker, &cancel)).unwrap_err();
        assert!(!told.is_empty());
    }

    #[test]
    fn a_list_that_was_cut_off_is_never_a_clean_tree() {
        let repository = Repository::at(Path::new("/desk"), Path::new("evidence"), &[]);
        let read = |text: &str, cut: bool| {
            repository.read(&Answer { text: text.as_bytes().to_vec(), cut }, Path::new("/desk"))
        };
        let head = "# branch.oid c0ffee\0# branch.head main\0";
        assert!(!read(head, false).unwrap().dirty);
        assert!(read(&format!("{head}? evidence/a\0"), true).is_err());
        assert!(read(&format!("{head}? evidence/a\0? b\0"), true).unwrap().dirty);
        let renamed = format!("{head}2 R. N... 1 1 1 a b R100 new name\0evidence/x\0? y\0");
        assert_eq!(read(&renamed, false).unwrap().changed, ["new name", "y"]);
        assert!(read("", false).is_err());
    }
}
