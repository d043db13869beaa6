//! One engine process: how it is started, watched until it is ready, and ended. Which engine it is stands in
//! the files beside this one.

use super::account::Folder;
use super::command;
use super::install::Installed;
use super::ports::{Port, PortSource};
use crate::model::{Endpoint, ServiceKind};
use crate::process::{Enlisted, Worker, enlist};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An engine answers within milliseconds of being ready; asking more often would slow its start.
const POLL: Duration = Duration::from_millis(5);
/// How long an engine that is asked to end in order may take before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// An engine that can be started. One process may give several services (Kafka and Connect share a JVM).
pub(super) trait Launch: Send {
    /// What it gives: names and kinds.
    fn services(&self) -> Vec<(String, ServiceKind)>;

    /// Lays out the data in a fresh folder, picks ports, and says what to run.
    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure>;

    /// Waits until each service really answers, and hands over each as soon as it does.
    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure>;
}

/// Where and with what an engine starts.
pub(super) struct Place {
    /// An empty folder for its data.
    pub data: PathBuf,
    /// The folder of all logs.
    pub logs: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// Where ports come from.
    pub ports: PortSource,
    /// The pinned engines, where they are installed.
    pub installed: Option<Arc<Installed>>,
    /// The program with the hidden verb `clickhouse-front`.
    pub exe: PathBuf,
    /// Waits for another service, of the same start or beside it.
    pub others: Others,
    /// When to give up.
    pub deadline: Instant,
    /// Set when the run ends.
    pub stopping: Arc<AtomicBool>,
    /// The right to start it.
    pub worker: Worker,
}

impl Place {
    /// The pinned engines.
    pub fn installed(&self) -> Result<&Installed, Failure> {
        let installed = self.installed.as_deref();
        installed.ok_or_else(|| Failure::new("engines that are installed", "this start is of commands only"))
    }
}

/// Gives where a service of the same start or beside it is, once it answers, or why it does not by the deadline.
pub(super) type Others = Arc<dyn Fn(&str, Instant) -> Result<Endpoint, String> + Send + Sync>;

/// An engine about to be started.
pub(super) struct Prepared {
    pub command: Command,
    /// Ports held for it until it is ready.
    pub ports: Vec<Port>,
    /// What ends it: KILL where its data is thrown away anyhow.
    pub ending: Signal,
    /// Folders that go with it; it holds the first one's lock.
    pub folders: Vec<Folder>,
}

/// Why an engine is not ready.
#[derive(Debug)]
pub(super) struct Failure {
    pub expected: String,
    pub seen: String,
}

impl Failure {
    pub fn new(expected: impl Into<String>, seen: impl ToString) -> Failure {
        Failure { expected: expected.into(), seen: seen.to_string() }
    }
}

/// Names what could not be done with a file.
pub(super) fn at<E: ToString>(path: &Path) -> impl FnOnce(E) -> Failure + '_ {
    move |error| Failure::new(format!("to use {}", path.display()), error)
}

/// A command with nothing of our environment that could steer an engine (PGDATA, JAVA_TOOL_OPTIONS, …).
pub(super) fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_clear().envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]);
    for kept in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    command
}

/// A running engine.
#[derive(Debug)]
pub(super) struct Process {
    child: Mutex<Enlisted>,
    pid: Pid,
    log: PathBuf,
    ending: Signal,
    folders: Mutex<Vec<Folder>>,
}

impl Process {
    /// Starts it in a process group of its own, so that a Ctrl-C in the terminal reaches only us.
    pub fn spawn(prepared: Prepared, log: &Path, worker: Worker) -> Result<(Process, Vec<Port>), Failure> {
        let Prepared { mut command, ports, ending, folders } = prepared;
        let out = File::create(log).map_err(at(log))?;
        let err = out.try_clone().map_err(at(log))?;
        if let Some(folder) = folders.first() {
            // The server holds the folders' lock for as long as it lives.
            command.stdin(folder.lock().map_err(at(folder.path()))?);
        }
        let child = enlist(&worker, command.stdout(out).stderr(err));
        let program = command.get_program().to_string_lossy();
        let child = child.map_err(|error| Failure::new(format!("to start {program}"), error))?;
        let pid = child.pid();
        let process = Process {
            child: Mutex::new(child),
            pid,
            log: log.to_owned(),
            ending,
            folders: Mutex::new(folders),
        };
        Ok((process, ports))
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, where it did.
    pub fn ended(&self) -> Option<String> {
        match self.child().exited() {
            Ok(None) => None,
            Ok(Some(status)) => Some(command::exited(status)),
            Err(error) => Some(format!("can't be waited for: {error}")),
        }
    }

    /// Asks it to end; [`Process::end`] sees to it.
    pub fn signal(&self) {
        if self.ended().is_none() {
            // It may end by itself in between.
            let _ = match self.ending {
                Signal::KILL => kill_process_group(self.pid, Signal::KILL),
                other => kill_process(self.pid, other),
            };
        }
    }

    /// Ends it, and removes the folders that go with it.
    pub fn end(&self) {
        self.signal();
        if !self.gone_within(GRACE) {
            // It may have ended in between; that it can't be signalled then is no matter.
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.gone_within(GRACE);
        }
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn gone_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while self.ended().is_none() {
            if start.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Leaves it and its folders to themselves.
    pub fn leave(&self) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(Folder::keep);
    }

    fn child(&self) -> MutexGuard<'_, Enlisted> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one process to become ready.
pub(super) struct Watch<'a> {
    pub process: &'a Process,
    pub deadline: Instant,
    pub stopping: &'a AtomicBool,
}

impl Watch<'_> {
    /// Asks until the answer is right, the process ends, the run ends, or the deadline passes.
    pub fn until<T>(&self, expected: &str, mut ask: impl FnMut() -> Result<T, String>) -> Result<T, Failure> {
        loop {
            // First: who answers after our process has ended is somebody else.
            if let Some(ended) = self.process.ended() {
                return Err(Failure::new(expected, format!("the process {ended}")));
            }
            let seen = match ask() {
                Ok(answer) => return Ok(answer),
                Err(seen) => seen,
            };
            if self.stopping.load(Ordering::Relaxed) {
                return Err(Failure::new(expected, "the run was told to end"));
            }
            if Instant::now() >= self.deadline {
                return Err(Failure::new(expected, format!("{seen}, when the time allowed was over")));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits for a line of its output that begins so, and gives the rest of the line.
    pub fn line(&self, prefix: &str) -> Result<String, Failure> {
        self.until(&format!("the line `{prefix}…` in its output"), || {
            let log = std::fs::read(self.process.log()).map_err(|error| error.to_string())?;
            let log = String::from_utf8_lossy(&log);
            // A line without its end is still being written.
            let mut lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let rest = lines.find_map(|line| line.strip_prefix(prefix));
            rest.map(|rest| rest.trim().to_owned()).ok_or_else(|| "no such line".to_owned())
        })
    }

    /// What is left of the time allowed, for one question: between 1 ms and 2 s.
    pub fn patience(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .clamp(Duration::from_millis(1), Duration::from_secs(2))
    }
}

/// Makes an empty folder, whatever was there. Nobody else may look into it: a topic of Connect holds
/// passwords.
pub(super) fn fresh(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::DirBuilder::new().mode(0o700).create(folder),
    }
}
