//! A process that somebody else started, told from a later one of its number by when it began: nextest, which the run
//! ends with, and the run's holder.

use super::NextestError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many processes above this one are looked at: shells, cargo, wrappers.
const GENERATIONS: usize = 32;

/// Every event ends a wait; this is only so that none is without end.
const LONG: Duration = Duration::from_secs(60);

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it began, in the kernel's ticks since boot.
    pub began: u64,
}

impl Process {
    /// The process of a number, where it is there.
    pub fn of(pid: i32) -> Option<Process> {
        stat(pid).map(|stat| Process { pid, began: stat.began })
    }

    /// The process that holds this one: its parent.
    pub fn parent() -> Option<Process> {
        Process::of(rustix::process::getppid()?.as_raw_nonzero().get())
    }

    /// cargo-nextest among the processes above this one.
    ///
    /// # Errors
    /// None of them is.
    pub fn nextest() -> Result<Process, NextestError> {
        let mut pid = rustix::process::getpid().as_raw_nonzero().get();
        for _ in 0..GENERATIONS {
            let Some(stat) = stat(pid) else { break };
            let caller = Process { pid, began: stat.began };
            if is_nextest(&caller.words()) {
                return Ok(caller);
            }
            pid = stat.parent;
        }
        Err(NextestError(
            "expected to be started by cargo-nextest as a setup script, and none of the processes above this one is \
             cargo-nextest"
                .to_owned(),
        ))
    }

    /// Whether it is still there.
    pub fn is_there(&self) -> bool {
        Process::of(self.pid) == Some(*self)
    }

    /// Its command line.
    pub fn words(&self) -> Vec<String> {
        self.list("cmdline")
    }

    /// Its environment, as it was started with.
    pub fn variables(&self) -> Vec<(String, String)> {
        let pairs = self.list("environ");
        pairs.iter().filter_map(|pair| pair.split_once('=')).map(owned).collect()
    }

    /// The folder that it is in.
    pub fn folder(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Its program, also where another has taken that path since.
    pub fn program(&self) -> PathBuf {
        let link = PathBuf::from(format!("/proc/{}/exe", self.pid));
        std::fs::read_link(&link).ok().filter(|path| path.is_file()).unwrap_or(link)
    }

    fn list(&self, file: &str) -> Vec<String> {
        let bytes = std::fs::read(format!("/proc/{}/{file}", self.pid)).unwrap_or_default();
        let parts = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }

    /// Waits until it has ended, at most until then. Says whether it has.
    pub fn wait(&self, until: Instant) -> bool {
        let Some(handle) = self.handle() else { return !self.is_there() };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(&handle, PollFlags::IN)];
            match poll(&mut fds, Some(&spec(left.min(LONG)))) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return true,
                // Without a poll it is looked at instead.
                Err(_) => std::thread::sleep(left.min(Duration::from_millis(100))),
            }
            if !self.is_there() {
                return true;
            }
        }
    }

    /// A descriptor of exactly this process: opened first, and compared after, it can't be a later one's.
    fn handle(&self) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        self.is_there().then_some(handle)
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn spec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

/// Whether these are the words of cargo-nextest: cargo starts it as `cargo-nextest nextest …`, and so does a person
/// who starts it without cargo.
fn is_nextest(words: &[String]) -> bool {
    let program = words.first().and_then(|word| Path::new(word).file_name()?.to_str());
    program.is_some_and(|name| name.starts_with("cargo-nextest"))
        && words.get(1).is_some_and(|word| word == "nextest")
}

struct Stat {
    parent: i32,
    began: u64,
}

/// Fields 4 and 22 of /proc/PID/stat; none where there is no such process, or only what is left of it.
fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(text: &str) -> Option<Stat> {
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { parent, began: fields.nth(17)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_there_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let caller = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(caller.is_there() && !caller.wait(Instant::now()));
        assert_eq!(Process { began: caller.began + 1, ..caller }.handle().map(drop), None);
        child.kill().unwrap();
        // Nobody has waited for it yet: what is left of it is no process.
        assert!(caller.wait(Instant::now() + Duration::from_secs(60)));
        assert!(!caller.is_there());
        child.wait().unwrap();
        assert!(caller.wait(Instant::now()));
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = parse("42 (a) Z (b c) S 7 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 12345 0 0").unwrap();
        assert_eq!((stat.parent, stat.began), (7, 12345));
        assert!(parse("42 (x) Z 7 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 12345 0 0").is_none());
        assert!(parse("42 (x").is_none());
    }

    #[test]
    fn nextest_is_told_from_a_program_that_names_it() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_nextest(&words("/x/bin/cargo-nextest nextest run")));
        assert!(!is_nextest(&words("cargo nextest run")));
        assert!(!is_nextest(&words("cargo-nextest --version")));
        assert!(!is_nextest(&words("cutproof nextest setup")));
        assert!(Process::nextest().is_err() || std::env::var_os("NEXTEST").is_some());
    }

    #[test]
    fn what_a_process_was_started_with_is_seen() {
        let me = Process::of(rustix::process::getpid().as_raw_nonzero().get()).unwrap();
        assert!(!me.words().is_empty() && me.program().is_file());
        assert_eq!(me.folder(), std::env::current_dir().ok());
        assert!(me.variables().iter().any(|(name, _)| name == "PATH"));
    }
}
