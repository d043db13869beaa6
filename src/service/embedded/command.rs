//! Runs one helper program to its end (Maven, npm, javac, tar, initdb), with its output in a log file and a
//! deadline.

use crate::process::{Enlisted, Worker, enlist};
use rustix::process::{Signal, kill_process_group};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(10);
/// How long what was killed may take to be gone.
const LAST: Duration = Duration::from_secs(3);
/// How many lines of a log are shown in an error.
const TAIL: usize = 20;

/// A helper that did not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{what} {how}; its log {} ends with\n{}", log.display(), quote(tail))]
pub struct CommandError {
    /// Which program, to do what.
    pub what: String,
    /// What became of it: its exit status, or why it did not start.
    pub how: String,
    /// Everything that it printed.
    pub log: PathBuf,
    /// The last lines of it.
    pub tail: Vec<String>,
}

/// How a helper is run.
#[derive(Clone, Copy)]
pub struct Helper<'a> {
    /// Its name in errors.
    pub what: &'a str,
    /// The right to start it.
    pub worker: Worker,
    /// Where its output goes.
    pub log: &'a Path,
    /// How long it may take.
    pub limit: Duration,
}

impl Helper<'_> {
    /// Runs a program, with the standard input that it was given; `tick` is called while it runs, and ends it
    /// by saying false.
    ///
    /// # Errors
    /// Where it does not start, fails, or is not over in time.
    pub fn run(&self, command: &mut Command, tick: &mut dyn FnMut() -> bool) -> Result<(), CommandError> {
        let out = File::create(self.log).map_err(|error| self.failed(format!("has no log: {error}")))?;
        let err = out.try_clone().map_err(|error| self.failed(format!("has no log: {error}")))?;
        let start = Instant::now();
        let mut child = enlist(&self.worker, command.stdout(out).stderr(err)).map_err(|error| {
            self.failed(format!("did not start: {}: {error}", command.get_program().to_string_lossy()))
        })?;
        loop {
            match child.exited() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(exited(status))),
                Ok(None) if start.elapsed() < self.limit && tick() => std::thread::sleep(POLL),
                Ok(None) => return Err(self.end(&mut child, start)),
                Err(error) => return Err(self.failed(format!("can't be waited for: {error}"))),
            }
        }
    }

    fn end(&self, child: &mut Enlisted, start: Instant) -> CommandError {
        let why = if start.elapsed() < self.limit { "was told to end" } else { "was not over in time" };
        let how = format!("{why} after {:.0} s", start.elapsed().as_secs_f64());
        // It may have ended by itself in between.
        let _ = kill_process_group(child.pid(), Signal::KILL);
        let killed = Instant::now();
        while matches!(child.exited(), Ok(None)) && killed.elapsed() < LAST {
            std::thread::sleep(POLL);
        }
        self.failed(how)
    }

    fn failed(&self, how: String) -> CommandError {
        CommandError { what: self.what.to_owned(), how, log: self.log.to_owned(), tail: tail(self.log) }
    }
}

/// How a process ended, in words.
pub fn exited(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The last lines of a log, without colours and control characters.
pub fn tail(log: &Path) -> Vec<String> {
    let Ok(bytes) = read_end(log) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

/// Lines as a block under a message.
pub fn quote(lines: &[String]) -> String {
    if lines.is_empty() {
        return "  | (nothing)".to_owned();
    }
    lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// The last 64 KiB: enough for the lines that are shown, whatever an engine printed.
fn read_end(log: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(64 << 10)))?;
    let mut bytes = Vec::new();
    file.take(64 << 10).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                // A colour: ESC [ digits and semicolons, then one letter.
                let _ = chars.by_ref().find(char::is_ascii_alphabetic);
            }
            '\t' => out.push_str("    "),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        if out.len() >= 500 {
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn sh(script: &str, limit: Duration) -> Result<(), CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let helper = Helper { what: "sh", worker: Worker::unheld().unwrap(), log: &log, limit };
        helper.run(Command::new("sh").args(["-c", script]).stdin(Stdio::null()), &mut || true)
    }

    #[test]
    fn a_command_that_fails_shows_its_status_and_last_lines() {
        let error = sh("seq 100; printf '\\033[31mred\\033[0m\\a\\n' >&2; exit 3", Duration::from_secs(60))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh exited with status 3") && text.contains("  | 100\n  | red\u{fffd}"),
            "{text}"
        );
        assert_eq!(error.tail.len(), 20);
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = sh("exec sleep 600", Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("was not over in time"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let (log, limit) = (folder.path().join("log"), Duration::from_secs(60));
        let helper = Helper { what: "initdb", worker: Worker::unheld().unwrap(), log: &log, limit };
        let error = helper.run(&mut Command::new("/nonexistent/initdb"), &mut || true).unwrap_err();
        assert!(
            error.to_string().contains("initdb did not start: /nonexistent/initdb: No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_command_ends_when_its_caller_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (log, limit) = (folder.path().join("log"), Duration::from_secs(60));
        let helper = Helper { what: "sleep", worker: Worker::unheld().unwrap(), log: &log, limit };
        let error = helper.run(Command::new("sleep").arg("600"), &mut || false).unwrap_err();
        assert!(error.to_string().contains("sleep was told to end after 0 s"), "{error}");
    }

    #[test]
    fn a_log_line_of_any_length_is_shown_in_part() {
        assert!(plain(&"x".repeat(10_000)).len() < 510);
        assert_eq!(plain("a\tb\u{1b}[1;31mc"), "a    bc");
    }
}
