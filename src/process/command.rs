//! One command, from start to end: its output kept within bounds, its time limited, and what it started
//! ended with it. Knows exit codes and signals, not what they mean for a gate or a step.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::capture::{Capture, Excerpt};
use super::roster::{Family, Kind, ROSTER};
use super::run::Run;
use super::start::{self, Line, Recipe, StartError, Started, User};
use super::streams::{Stream, Streams};
use super::worker::Worker;

/// A command line and how it is to be run. The fields are set directly:
/// `Command { grace, ..Command::shell("make check", timeout) }`. Standard input is empty.
#[derive(Clone, Debug)]
pub struct Command {
    pub line: Line,
    /// The folder it runs in; ours if None.
    pub folder: Option<PathBuf>,
    /// Added to our environment.
    pub environment: Vec<(OsString, OsString)>,
    pub user: Option<User>,
    /// From its start until it is told to end.
    pub timeout: Duration,
    /// From being told to end (SIGTERM) until it is killed.
    pub grace: Duration,
    pub output: Output,
    pub daemons: Daemons,
}

/// Where the output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Through us, each stream kept in part. It ends when the command's first process ends, though a
    /// daemon may still hold it.
    Captured(Capture),
    /// Both streams straight to a file that must not exist yet (mode 0600): a daemon that is left behind
    /// keeps a valid standard output. The excerpt of the file is then in [`Outcome::stdout`].
    Log { path: PathBuf, excerpt: Capture },
}

/// What becomes of processes that are still there when the command's first process has ended by itself.
/// After a timeout or a cancellation all are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemons {
    /// They are ended. Those that end by themselves within 50 ms are not spoken of.
    End,
    /// They live on, also after the run: a cutover step starts the new core. Whatever its exit code.
    Release,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    pub exit: Exit,
    /// From the start until its first process ended, or was given up.
    pub duration: Duration,
    pub stdout: Excerpt,
    pub stderr: Excerpt,
    pub left_behind: Vec<LeftBehind>,
}

/// How a command ended.
#[derive(Debug)]
pub enum Exit {
    Exited(i32),
    /// By a signal that did not come from us.
    Signalled(i32),
    /// Ended by us, as its time was up.
    TimedOut,
    /// Ended by us, or not begun, as the run is being ended; [`Cancel::why`] tells more.
    Cancelled,
    /// Nothing has run.
    NotStarted(StartError),
    /// It ran, but what became of it or of its processes could not be found out.
    Unknown(io::Error),
}

/// A process that was still there when the command's first process had ended; after a timeout or a
/// cancellation, one that could not be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    pub pid: u32,
    /// The kernel's short name (at most 15 bytes), never arguments.
    pub name: String,
    pub fate: Fate,
    /// False if another command that ran at the same time may have started it.
    pub certain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Ended,
    Released,
    /// It could not be ended: another user's, or waiting for a broken device.
    Survived,
}

/// From being told to end until it is killed, unless said otherwise.
const GRACE: Duration = Duration::from_secs(5);
impl Command {
    /// A program and its arguments.
    pub fn argv<A: Into<OsString>>(argv: impl IntoIterator<Item = A>, timeout: Duration) -> Command {
        Command::of(Line::Argv(argv.into_iter().map(Into::into).collect()), timeout)
    }

    /// A line for the shell.
    pub fn shell(line: impl Into<OsString>, timeout: Duration) -> Command {
        Command::of(Line::Shell(line.into()), timeout)
    }

    fn of(line: Line, timeout: Duration) -> Command {
        Command {
            line,
            folder: None,
            environment: Vec::new(),
            user: None,
            timeout,
            grace: GRACE,
            output: Output::Captured(Capture::default()),
            daemons: Daemons::End,
        }
    }

    /// Runs it to its end. Takes no longer than timeout + grace + about 2 s. Blocks for good if the run is
    /// being ended because its holder was lost.
    pub fn run(&self, _worker: &Worker, cancel: &Cancel) -> Outcome {
        let begun = Instant::now();
        if cancel.is_cancelled() {
            return Outcome::without_output(Exit::Cancelled, begun.elapsed());
        }
        match self.start_run(begun) {
            Ok(run) => run.to_end(self, cancel),
            Err(error) => Outcome::without_output(Exit::NotStarted(error), begun.elapsed()),
        }
    }

    fn start_run(&self, begun: Instant) -> Result<Run, StartError> {
        let kind = match self.daemons {
            Daemons::End => Kind::Command,
            Daemons::Release => Kind::Step,
        };
        let (log, stdout, stderr) = match &self.output {
            Output::Captured(_) => (None, Stdio::piped(), Stdio::piped()),
            Output::Log { path, .. } => {
                let (log, stdout, stderr) = open_log(path)?;
                (Some(log), stdout, stderr)
            }
        };
        let (family, mut started) = self.start_family(kind, stdout, stderr)?;
        let (Output::Captured(keep) | Output::Log { excerpt: keep, .. }) = self.output;
        let stdout = Stream::new(started.child.stdout.take().map(OwnedFd::from), keep);
        let stderr = Stream::new(started.child.stderr.take().map(OwnedFd::from), keep);
        let streams = Streams::new(stdout, stderr, started.handle, begun);
        Ok(Run { family, child: started.child, streams, log: log.map(|log| (log, keep)) })
    }

    /// Starts the first process of a new family.
    pub(super) fn start_family(
        &self,
        kind: Kind,
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<(Family, Started), StartError> {
        let refused = |source| StartError::System { program: self.name(), source };
        let mut family = ROSTER.enter(kind).map_err(refused)?;
        let recipe = Recipe {
            line: &self.line,
            folder: self.folder.as_deref(),
            environment: &self.environment,
            user: self.user,
            stdout,
            stderr,
        };
        let started = start::start(recipe, &mut family)?;
        Ok((family, started))
    }

    fn name(&self) -> String {
        match &self.line {
            Line::Argv(argv) => argv.first().map_or(String::new(), |p| p.to_string_lossy().into_owned()),
            Line::Shell(_) => "sh".to_string(),
        }
    }
}

/// The log, and the handles that the process gets. Appending, as a daemon and what starts later share it.
pub(super) fn open_log(path: &Path) -> Result<(File, Stdio, Stdio), StartError> {
    let open = || {
        let log = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
        let (stdout, stderr) = (log.try_clone()?, log.try_clone()?);
        Ok((log, Stdio::from(stdout), Stdio::from(stderr)))
    };
    open().map_err(|source| StartError::Log { path: path.to_path_buf(), source })
}

impl Outcome {
    fn without_output(exit: Exit, duration: Duration) -> Outcome {
        let (stdout, stderr) = (Excerpt::default(), Excerpt::default());
        Outcome { exit, duration, stdout, stderr, left_behind: Vec::new() }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Exited(code),
            (None, Some(signal)) => Exit::Signalled(signal),
            (None, None) => no_status(),
        }
    }
}

pub(super) fn no_status() -> Exit {
    Exit::Unknown(io::Error::other("the process has ended, but the system has no exit status of it"))
}
