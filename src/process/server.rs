//! A process that runs along: an engine. Started like a command, watched, and ended with all it started, or
//! released to live on. Knows nothing of what it serves or when it is ready.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fd::OwnedFd;
use rustix::process::{Signal, pidfd_send_signal};

use super::cancel::Cancel;
use super::capture::{Capture, Excerpt};
use super::command::{Command, Fate, LeftBehind, open_log};
use super::ending::{self, Patience};
use super::poll::poll;
use super::roster::{Family, Kind, ROSTER};
use super::run::left_behind;
use super::start::StartError;
use super::table::Entry;
use super::worker::{self, Worker};

/// A running server. Dropping it ends it at once (KILL); [`Server::stop`] ends it in order, and
/// [`Server::release`] lets it live on.
#[derive(Debug)]
pub struct Server {
    family: Family,
    child: Child,
    handle: OwnedFd,
    log: PathBuf,
    released: bool,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Of its first process; None if that could not be ended.
    pub status: Option<ExitStatus>,
    /// It ended by itself within the grace.
    pub in_order: bool,
    /// How many of its processes could not be ended.
    pub survivors: usize,
}

/// For what is left when the first process has ended, or is to be ended without ado.
const REST: Patience<'static> =
    Patience { grace: Duration::from_millis(300), hurry: None, kill: Duration::from_secs(2) };

impl Command {
    /// Starts it to run along, both its streams going to `log`, which must not exist yet (mode 0600). The
    /// command's own `timeout`, `grace`, `output` and `daemons` say nothing here.
    ///
    /// # Errors
    /// Nothing was started, and why.
    pub fn start(&self, _worker: &Worker, log: &Path) -> Result<Server, StartError> {
        let (_, stdout, stderr) = open_log(log)?;
        self.start_server(log, stdout, stderr)
    }

    /// As [`Command::start`], for where there is no room for a log: what it prints is lost.
    ///
    /// # Errors
    /// Nothing was started, and why.
    pub fn start_unlogged(&self, _worker: &Worker) -> Result<Server, StartError> {
        self.start_server(Path::new("/dev/null"), Stdio::null(), Stdio::null())
    }

    fn start_server(&self, log: &Path, stdout: Stdio, stderr: Stdio) -> Result<Server, StartError> {
        let (family, started) = self.start_family(Kind::Server, stdout, stderr)?;
        let (child, handle, log) = (started.child, started.handle, log.to_path_buf());
        Ok(Server { family, child, handle, log, released: false })
    }
}

impl Server {
    /// The pid of its first process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What its log holds now.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn printed(&self, keep: Capture) -> io::Result<Excerpt> {
        if self.log == Path::new("/dev/null") {
            return Ok(Excerpt::default());
        }
        Excerpt::of_file(&File::open(&self.log)?, keep)
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// The system would not say.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            ROSTER.reaped(&mut self.family);
        }
        Ok(status)
    }

    /// Waits until it has ended, `limit` is over (None), or the run is cancelled (None).
    ///
    /// # Errors
    /// The system would not say.
    pub fn wait(&mut self, limit: Duration, cancel: Option<&Cancel>) -> io::Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.exited()? {
                return Ok(Some(status));
            }
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() || cancel.is_some_and(Cancel::is_cancelled) {
                return Ok(None);
            }
            let mut fds = vec![PollFd::new(&self.handle, PollFlags::IN)];
            fds.extend(cancel.map(|cancel| PollFd::new(cancel, PollFlags::IN)));
            poll(&mut fds, left)?;
        }
    }

    /// Sends a signal to its first process; false if that has ended.
    pub fn signal(&mut self, signal: Signal) -> io::Result<bool> {
        if self.exited()?.is_some() {
            return Ok(false);
        }
        pidfd_send_signal(&self.handle, signal)?;
        Ok(true)
    }

    /// Ends it: `signal` to its first process, which has `grace` to end all in order (SIGINT is a fast
    /// shutdown to PostgreSQL, SIGTERM the usual word); then TERM and KILL to all that is left.
    ///
    /// # Errors
    /// It could not be found out whether all have ended.
    pub fn stop(mut self, signal: Signal, grace: Duration) -> io::Result<Stopped> {
        self.signal(signal)?;
        let in_order = self.wait(grace, None)?.is_some();
        let survivors = self.end(REST)?;
        Ok(Stopped { status: self.exited()?, in_order, survivors })
    }

    /// Lets it live on with all that it has started and will start, now and after the run, as what a finished step
    /// leaves behind ([`Daemons::Release`](super::Daemons)). Gives who was released; nobody where all have ended.
    ///
    /// # Errors
    /// It could not be found out who belongs to it. It is ended then: nobody may live on unseen.
    pub fn release(mut self) -> io::Result<Vec<LeftBehind>> {
        let members = ROSTER.members(&self.family)?;
        let left = members.iter().map(|member| left_behind(&member.entry, Fate::Released, member.certain));
        let left = left.collect();
        let entries: Vec<Entry> = members.into_iter().map(|member| member.entry).collect();
        ROSTER.release(&self.family, &entries);
        self.released = true;
        // What the holder can't take just now, the guard tells it at a later tick.
        let _ = worker::tell_holder();
        Ok(left)
    }

    fn end(&mut self, patience: Patience<'_>) -> io::Result<usize> {
        let members = || Ok(ROSTER.members(&self.family)?.into_iter().map(|member| member.entry).collect());
        let survivors = ending::end(patience, members, std::thread::sleep)?;
        // Its end is seen a moment after the last of its threads is gone from the table.
        let handle = &self.handle;
        if survivors.is_empty() {
            poll(&mut [PollFd::new(handle, PollFlags::IN)], REST.kill)?;
        }
        Ok(survivors.len())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.released {
            // Reaped by the guard, when it ends.
            return;
        }
        // Nothing can be reported from here; what is still there, the end of the run ends.
        let _ = self.end(Patience { grace: Duration::ZERO, ..REST });
        let _ = self.exited();
    }
}
