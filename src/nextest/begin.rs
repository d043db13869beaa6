//! The setup script: finds nextest and what it selected, starts the process that holds the run, waits until the
//! services have answered, and tells the tests where they are.

use super::caller::Process;
use super::request::{self, Held, Request};
use super::selected::{self, Unknown};
use super::{NextestError, SERVE, SOCKET_VARIABLE, ask, settings};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the run may take to begin: the first one on a machine installs engines.
const BEGIN: Duration = Duration::from_secs(900);

/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// Sets up a run of nextest on a profile, for a setup script: `own` is the profile's path or name. When this returns the
/// services have answered, and nextest hands the tests what they need to know.
///
/// # Errors
/// It was not started by nextest, nextest runs no gate of the profile, or the run could not begin.
pub fn setup(own: &str) -> Result<(), NextestError> {
    let to_tests = variable("NEXTEST_ENV")?;
    let run = variable("NEXTEST_RUN_ID")?;
    let nextest = Process::nextest()?;
    let path = settings::profile_path(own);
    let (_, plan) = settings::load(&path).map_err(NextestError)?;
    let folder = request::make(&run)?;
    let cases: Vec<_> = plan.gates.iter().map(|planned| planned.gate.case()).collect();
    let chosen = match selected::ask(&nextest, &cases, &folder) {
        Ok(chosen) => Some(chosen),
        Err(Unknown::NotOurs(why)) => {
            return Err(NextestError(format!(
                "{why} {}: check the filter of this setup script in .config/nextest.toml",
                path.display()
            )));
        }
        Err(Unknown::Silent(why)) => {
            say(&format!(
                "warning: nextest does not say what it selected, so every gate of {} counts as selected: {why}",
                path.display()
            ));
            None
        }
    };
    let words = nextest.words().get(1..).unwrap_or_default().join(" ");
    Request { profile: path.to_string_lossy().into_owned(), run, caller: nextest, cases: chosen, words }
        .write(&folder)?;
    let held = begin(&folder)?;
    let mut log = Log::of(&folder);
    log.skip_to(held.told);
    let (variables, missing) = ask::services(&held.run.socket, &mut || log.show())?;
    log.show();
    for (service, why) in &missing {
        say(&format!("warning: service `{service}` is not there: {why}"));
    }
    let socket = (SOCKET_VARIABLE.to_owned(), held.run.socket.to_string_lossy().into_owned());
    tell(Path::new(&to_tests), variables.into_iter().chain([socket]))?;
    say(&format!("evidence: {}", held.run.folder.display()));
    Ok(())
}

/// The run that has begun, and how much its holder has printed until then.
struct Begun {
    run: Held,
    told: u64,
}

/// Starts the holder, shows what it says, and waits until the run has begun.
fn begin(folder: &Path) -> Result<Begun, NextestError> {
    let mut child = spawn(folder)
        .map_err(|error| NextestError(format!("expected to start the run's holder: {error}")))?;
    let mut log = Log::of(folder);
    let end = Instant::now() + BEGIN;
    loop {
        log.show();
        if let Ok(run) = Held::read(folder) {
            return Ok(Begun { run, told: log.shown });
        }
        match child.try_wait() {
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
            Ok(None) => {
                // It ends its services when it is told to; it also ends with nextest.
                terminate(&child);
                let (seconds, log) = (BEGIN.as_secs(), log.path.display());
                return Err(NextestError(format!("the run did not begin within {seconds} s; see {log}")));
            }
            Ok(Some(status)) => {
                log.show();
                let why = log
                    .error
                    .unwrap_or_else(|| format!("it ended with {status}; see {}", log.path.display()));
                return Err(NextestError(format!("the run could not begin: {why}")));
            }
            Err(error) => {
                return Err(NextestError(format!("expected to see how the run's holder is: {error}")));
            }
        }
    }
}

fn spawn(folder: &Path) -> io::Result<Child> {
    let out = OpenOptions::new().create_new(true).append(true).mode(0o600).open(log_in(folder))?;
    let err = out.try_clone()?;
    Command::new(std::env::current_exe()?)
        .args(SERVE)
        .arg(folder)
        .env_remove(crate::process::WORKER_VARIABLE)
        .env_remove(crate::process::COMMAND_VARIABLE)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
}

fn terminate(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended in this instant.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
    }
}

fn variable(name: &str) -> Result<String, NextestError> {
    std::env::var(name).map_err(|_| {
        NextestError(format!(
            "expected to be started by cargo-nextest as a setup script, and {name} is not set"
        ))
    })
}

/// Writes variables for the tests, a line each. They may be secrets; nextest made the file for its user only.
fn tell(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<(), NextestError> {
    let refused = |error: &dyn std::fmt::Display| {
        NextestError(format!("expected to write {}, which NEXTEST_ENV names: {error}", path.display()))
    };
    let mut text = String::new();
    for (name, value) in variables {
        if value.contains(['\n', '\r']) {
            return Err(refused(&format!("the value of {name} has more than one line")));
        }
        text.push_str(&format!("{name}={value}\n"));
    }
    let mut file = OpenOptions::new().append(true).open(path).map_err(|error| refused(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| refused(&error))
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// What the holder prints, shown as it comes.
struct Log {
    path: PathBuf,
    shown: u64,
    /// Its last error, without the word before it.
    error: Option<String>,
}

impl Log {
    fn of(folder: &Path) -> Log {
        Log { path: log_in(folder), shown: 0, error: None }
    }

    fn skip_to(&mut self, at: u64) {
        self.shown = at;
    }

    /// Shows the whole lines that have come since; a log that can't be read shows nothing.
    fn show(&mut self) {
        use io::Seek;
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(io::SeekFrom::Start(self.shown))?;
            file.read_to_end(&mut text)
        });
        let Some(end) = read.ok().and_then(|_| text.iter().rposition(|byte| *byte == b'\n')) else { return };
        self.shown += end as u64 + 1;
        for line in String::from_utf8_lossy(&text[..end]).lines() {
            match line.strip_prefix("error: ") {
                Some(error) => self.error = Some(error.to_owned()),
                None => say(line),
            }
        }
    }
}

/// A line on stderr; a closed stderr is no reason to end.
fn say(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holders_lines_are_shown_once_and_its_error_is_kept_for_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::of(folder.path());
        log.show();
        std::fs::write(log_in(folder.path()), "up redis\nerror: no room\nhalf a li").unwrap();
        log.show();
        assert_eq!((log.shown, log.error.as_deref()), (24, Some("no room")));
        log.show();
        assert_eq!(log.shown, 24);
    }

    #[test]
    fn variables_for_tests_are_a_line_each() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pair = |value: &str| [("A".to_owned(), value.to_owned())].into_iter();
        tell(file.path(), pair("x y=z")).unwrap();
        let told = tell(file.path(), pair("secret\nB=1")).unwrap_err().0;
        assert!(told.contains("more than one line") && !told.contains("secret"), "{told}");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "A=x y=z\n");
    }
}
