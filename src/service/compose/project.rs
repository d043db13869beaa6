//! One compose project, and the commands by which it is asked and brought up.

use super::ps::{self, Container, Listed};
use crate::process::{Cancel, Capture, Command, Excerpt, Exit, Outcome, Output, Worker};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long compose has to say what runs; it takes a few tenths of a second.
const ASK: Duration = Duration::from_secs(15);

/// The longest list of containers that is read.
const LIST: Capture = Capture { head: 4 << 20, tail: 0 };

/// How much is kept of what compose says of its work.
const SAID: Capture = Capture { head: 1 << 20, tail: 1 << 14 };

/// How many of the last lines are told of what compose said before it failed, and how much of each.
const LINES: usize = 3;
const LINE: usize = 400;

/// How many other projects are named where this one has nothing.
const NAMED: usize = 8;

/// A compose project, and by what program it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The program whose `compose` is run: `docker`.
    pub docker: String,
    /// The compose file.
    pub file: PathBuf,
    /// The project's name.
    pub name: String,
    /// A file with the variables of the compose file.
    pub env_file: Option<PathBuf>,
}

/// What compose said of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// On its standard output.
    pub stdout: String,
    /// On its standard error, where it tells of its progress.
    pub stderr: String,
}

/// Why compose did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{told}")]
pub struct ComposeError {
    told: String,
    /// That it hangs or is not there: asking again is of no use.
    pub(super) lasting: bool,
}

impl Project {
    /// The whole command: `docker compose -f FILE -p NAME --env-file FILE WORDS…`.
    pub fn argv(&self, words: &[&str]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = vec![(&self.docker).into(), "compose".into(), "-f".into()];
        argv.extend([self.file.clone().into_os_string(), "-p".into(), (&self.name).into()]);
        if let Some(file) = &self.env_file {
            argv.extend(["--env-file".into(), file.clone().into_os_string()]);
        }
        argv.extend(words.iter().map(OsString::from));
        argv
    }

    /// The same as one line, for people.
    pub fn line(&self, words: &[&str]) -> String {
        joined(&self.argv(words))
    }

    /// Lets compose do something, and gives what it said, or as much as is kept of that.
    ///
    /// # Errors
    /// It did not end well within `limit`: how it ended, and the last of what it said. All that it started itself is
    /// ended then; containers are not.
    pub fn run(
        &self,
        words: &[&str],
        limit: Duration,
        worker: &Worker,
        cancel: &Cancel,
    ) -> Result<Said, ComposeError> {
        let outcome = capture(self.argv(words), SAID, limit, worker, cancel)?;
        Ok(Said { stdout: whole(&outcome.stdout), stderr: whole(&outcome.stderr) })
    }

    /// The containers of the project, those that have ended too.
    ///
    /// # Errors
    /// Compose can't be asked, or there are none.
    pub(super) fn containers(
        &self,
        worker: &Worker,
        cancel: &Cancel,
    ) -> Result<Vec<Container>, ComposeError> {
        let words = ["ps", "--all", "--format", "json"];
        let found: Vec<Container> = self.list(self.argv(&words), worker, cancel)?;
        if found.is_empty() {
            return Err(self.nothing(worker, cancel));
        }
        Ok(found)
    }

    /// That the project has no containers, and which projects have some.
    fn nothing(&self, worker: &Worker, cancel: &Cancel) -> ComposeError {
        let argv = [&*self.docker, "compose", "ls", "--all", "--format", "json"].map(OsString::from);
        let others = match self.list::<Listed>(argv.to_vec(), worker, cancel) {
            Ok(listed) if listed.is_empty() => "no other project has any".to_owned(),
            Ok(listed) => {
                let names = listed.iter().take(NAMED).map(|listed| format!("`{}`", listed.name));
                let more = if listed.len() > NAMED { ", …" } else { "" };
                format!("projects that have some: {}{more}", names.collect::<Vec<_>>().join(", "))
            }
            Err(error) => format!("which projects have some is not known: {error}"),
        };
        let up = self.line(&["up", "-d"]);
        let told = format!(
            "compose project `{}` has no containers; {others}; expected it to be up (`{up}`), or another --project-name",
            self.name
        );
        ComposeError { told, lasting: false }
    }

    fn list<T: serde::de::DeserializeOwned>(
        &self,
        argv: Vec<OsString>,
        worker: &Worker,
        cancel: &Cancel,
    ) -> Result<Vec<T>, ComposeError> {
        let line = joined(&argv);
        let said = capture(argv, LIST, ASK, worker, cancel)?.stdout;
        let odd = |why: String| ComposeError {
            told: format!("`{line}` gave no list as it should: {why}"),
            lasting: false,
        };
        let whole = said.whole().ok_or_else(|| odd(format!("more than {} bytes", LIST.head)))?;
        ps::list(&String::from_utf8_lossy(whole)).map_err(odd)
    }
}

/// Runs a command that must end well.
fn capture(
    argv: Vec<OsString>,
    keep: Capture,
    limit: Duration,
    worker: &Worker,
    cancel: &Cancel,
) -> Result<Outcome, ComposeError> {
    let line = joined(&argv);
    let outcome =
        Command { output: Output::Captured(keep), ..Command::argv(argv, limit) }.run(worker, cancel);
    let (how, lasting) = match &outcome.exit {
        Exit::Exited(0) => return Ok(outcome),
        Exit::Exited(code) => (format!("ended with exit code {code}"), false),
        Exit::Signalled(signal) => (format!("was ended by signal {signal}"), false),
        Exit::TimedOut => (format!("was not done within {} s, and was ended", limit.as_secs_f64()), true),
        Exit::Cancelled => {
            (format!("was ended, as the run is: {}", cancel.why().unwrap_or("told to end")), true)
        }
        Exit::NotStarted(error) => (format!("was not started: {error}"), true),
        Exit::Unknown(error) => (format!("ended somehow: {error}"), false),
    };
    let said = told(&outcome.stderr).or_else(|| told(&outcome.stdout));
    let hint = said.as_deref().and_then(hint).unwrap_or_default();
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Err(ComposeError { told: format!("`{line}` {how}{said}{hint}"), lasting })
}

/// The text of what was said; what was not kept of it shows.
fn whole(said: &Excerpt) -> String {
    let gap = if said.dropped > 0 { format!("\n… {} bytes …\n", said.dropped) } else { String::new() };
    let text = [&*said.head, gap.as_bytes(), &*said.tail].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn joined(argv: &[OsString]) -> String {
    argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of what was said, in one; none where nothing was said.
fn told(said: &Excerpt) -> Option<String> {
    let text = whole(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].iter();
    let last: Vec<String> = last.map(|line| line.chars().take(LINE).collect()).collect();
    (!last.is_empty()).then(|| last.join(" | "))
}

/// What helps where Docker's own words don't.
fn hint(said: &str) -> Option<&'static str> {
    // Without the plugin, docker takes compose's flags for its own.
    let lacking =
        ["is not a docker command", "unknown shorthand flag: 'f' in -f", "unknown command: docker compose"];
    lacking.iter().any(|words| said.contains(words)).then_some(
        "; Docker's compose plugin seems not to be installed: see what `docker compose version` says",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(env_file: Option<&str>) -> Project {
        Project {
            docker: "docker".to_owned(),
            file: "infra/c.yaml".into(),
            name: "p".to_owned(),
            env_file: env_file.map(PathBuf::from),
        }
    }

    #[test]
    fn the_command_names_file_project_and_variables() {
        assert_eq!(project(None).line(&["up", "-d"]), "docker compose -f infra/c.yaml -p p up -d");
        assert_eq!(
            project(Some("e.env")).line(&["ps"]),
            "docker compose -f infra/c.yaml -p p --env-file e.env ps"
        );
    }

    #[test]
    fn the_last_lines_are_told_in_one_and_long_ones_are_cut() {
        let said = |text: &str| told(&Excerpt { head: text.into(), ..Excerpt::default() });
        assert_eq!(said(" \n\n"), None);
        assert_eq!(said("a\nb\n\nc\r\nd\n").as_deref(), Some("b | c | d"));
        assert_eq!(said(&"é".repeat(1000)).map(|told| told.chars().count()), Some(LINE));
        let split = Excerpt { head: b"a\nb".to_vec(), tail: b"c\nd\ne\n".to_vec(), dropped: 7 };
        assert_eq!(told(&split).as_deref(), Some("c | d | e"));
    }

    #[test]
    fn a_docker_without_compose_is_told_apart() {
        assert!(hint("unknown shorthand flag: 'f' in -f | See 'docker --help'.").is_some());
        assert_eq!(hint("Cannot connect to the Docker daemon at unix:///var/run/docker.sock."), None);
    }
}
