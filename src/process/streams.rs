//! The output of a running process and its end, waited for in one poll. Never blocks the process: what
//! it prints is read as it comes, and kept in part.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, ioctl_fionread, read};

use super::cancel::Cancel;
use super::capture::{Capture, Excerpt, Keeper};
use super::poll::poll;

/// As much as a pipe holds: one read empties it.
const CHUNK: usize = 64 * 1024;

/// Both streams of a process, and its end.
pub(super) struct Streams {
    pub stdout: Stream,
    pub stderr: Stream,
    chunk: Vec<u8>,
    handle: OwnedFd,
    begun: Instant,
    ended: Option<Duration>,
}

/// Why waiting was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Ended,
    TimeUp,
    Cancelled,
}

impl Streams {
    /// `handle` polls readable when the process has ended.
    pub fn new(stdout: Stream, stderr: Stream, handle: OwnedFd, begun: Instant) -> Streams {
        Streams { stdout, stderr, chunk: Vec::new(), handle, begun, ended: None }
    }

    /// From the beginning until the end, or until now.
    pub fn duration(&self) -> Duration {
        self.ended.unwrap_or_else(|| self.begun.elapsed())
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Reads until the process ends, its time is up, or the run is cancelled.
    pub fn wait(&mut self, timeout: Duration, cancel: &Cancel) -> io::Result<Over> {
        loop {
            let left = timeout.saturating_sub(self.begun.elapsed());
            self.pump(left, Some(cancel))?;
            if self.has_ended() {
                return Ok(Over::Ended);
            }
            if cancel.is_cancelled() {
                return Ok(Over::Cancelled);
            }
            if left.is_zero() {
                return Ok(Over::TimeUp);
            }
        }
    }

    /// Reads for `time`, or until the process ends if it has not yet.
    pub fn pump_for(&mut self, time: Duration) {
        let (begun, had_ended) = (Instant::now(), self.has_ended());
        while had_ended == self.has_ended() {
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            if self.pump(left, None).is_err() {
                std::thread::sleep(left);
            }
        }
    }

    /// One wait, and one read of each stream that has something.
    fn pump(&mut self, limit: Duration, cancel: Option<&Cancel>) -> io::Result<()> {
        let mut fds = Vec::with_capacity(4);
        let stdout = self.stdout.pipe.as_ref().map(|pipe| enlist(&mut fds, pipe));
        let stderr = self.stderr.pipe.as_ref().map(|pipe| enlist(&mut fds, pipe));
        let end = self.ended.is_none().then(|| enlist(&mut fds, &self.handle));
        if let Some(cancel) = cancel {
            enlist(&mut fds, cancel);
        }
        poll(&mut fds, limit)?;
        let is_ready = |index: Option<usize>| index.is_some_and(|index| !fds[index].revents().is_empty());
        let (stdout, stderr, end) = (is_ready(stdout), is_ready(stderr), is_ready(end));
        if end {
            self.ended = Some(self.begun.elapsed());
        }
        if stdout {
            self.stdout.read(&mut self.chunk)?;
        }
        if stderr {
            self.stderr.read(&mut self.chunk)?;
        }
        Ok(())
    }

    /// Reads what the pipes hold at this moment, and no more: a daemon may write to them for ever.
    pub fn drain(&mut self) -> io::Result<()> {
        self.stdout.drain(&mut self.chunk)?;
        self.stderr.drain(&mut self.chunk)
    }

    /// What was kept of standard output and standard error.
    pub fn finish(self) -> (Excerpt, Excerpt) {
        (self.stdout.kept.finish(), self.stderr.kept.finish())
    }
}

/// Returns its place.
fn enlist<'a>(fds: &mut Vec<PollFd<'a>>, fd: &'a impl AsFd) -> usize {
    fds.push(PollFd::new(fd, PollFlags::IN));
    fds.len() - 1
}

/// One of them.
pub(super) struct Stream {
    /// None once it has ended, or if it does not come to us.
    pipe: Option<OwnedFd>,
    kept: Keeper,
}

impl Stream {
    pub fn new(pipe: Option<OwnedFd>, keep: Capture) -> Stream {
        Stream { pipe, kept: Keeper::new(keep) }
    }

    /// Reads once; returns how many bytes. The pipe must be readable, or this would wait.
    fn read(&mut self, chunk: &mut Vec<u8>) -> io::Result<usize> {
        let Some(pipe) = &self.pipe else { return Ok(0) };
        chunk.clear();
        chunk.reserve_exact(CHUNK);
        match read(pipe, spare_capacity(chunk)) {
            Ok(0) => self.pipe = None,
            Ok(_) => self.kept.push(chunk),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(chunk.len())
    }

    fn drain(&mut self, chunk: &mut Vec<u8>) -> io::Result<()> {
        let mut held = match &self.pipe {
            Some(pipe) => ioctl_fionread(pipe)?,
            None => 0,
        };
        while held > 0 && self.pipe.is_some() {
            held = held.saturating_sub(self.read(chunk)? as u64);
        }
        Ok(())
    }
}
