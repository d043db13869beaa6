//! Writing a journal, on disks that fill up and in runs that are killed.

use super::digest::Digest;
use super::line::{self, MAX_LINE};
use super::lock::{self, Claim};
use crate::model::event::Sink;
use crate::model::{Clock, Event};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A journal that is being written. Threads share it.
///
/// Each entry goes out in one `write(2)`, so that a killed process loses nothing that it had written. The first
/// entry that can't be kept ends the journal: it is remembered, nothing is written behind it, and a journal without
/// the run's end never counts as passed.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: u64,
    head: Digest,
    length: u64,
    ended: bool,
    reserved: bool,
    failure: Option<JournalError>,
    line: Vec<u8>,
}

/// Why an entry could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} {}: {cause}{}", path.display(), advice(*errno))]
pub struct JournalError {
    /// The journal.
    pub path: PathBuf,
    /// What was tried: `create the journal`, `write to the journal`, …
    pub action: &'static str,
    /// Why it failed.
    pub cause: String,
    errno: Option<i32>,
}

const FULL: [Errno; 3] = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG];

fn advice(errno: Option<i32>) -> &'static str {
    let is = |known: Errno| errno == Some(known.raw_os_error());
    if FULL.into_iter().any(is) {
        "; free space there, or give another --evidence-dir"
    } else if [Errno::ROFS, Errno::ACCESS, Errno::PERM].into_iter().any(is) {
        "; give an --evidence-dir that can be written to"
    } else {
        ""
    }
}

impl JournalError {
    pub(super) fn new(path: &Path, action: &'static str, cause: &io::Error) -> JournalError {
        let (cause, errno) = (cause.to_string(), cause.raw_os_error());
        JournalError { path: path.to_owned(), action, cause, errno }
    }

    /// Whether there is no more room: the disk, the quota or the limit of a file's size.
    pub fn is_full(&self) -> bool {
        FULL.into_iter().any(|known| self.errno == Some(known.raw_os_error()))
    }
}

impl Journal {
    /// Begins `journal.jsonl` in this folder, which is made where it is not there. Entries are stamped by `clock`.
    ///
    /// # Errors
    /// Where there is a journal already (it is never written to again), or none can be made.
    pub fn create(dir: &Path, clock: Clock) -> Result<Journal, JournalError> {
        let path = dir.join(super::FILE);
        let failed = |action, cause: io::Error| JournalError::new(&path, action, &cause);
        std::fs::create_dir_all(dir).map_err(|cause| failed("make the folder of", cause))?;
        let file = OpenOptions::new().append(true).create_new(true).mode(0o644).open(&path);
        let file = file.map_err(|cause| failed("create the journal", cause))?;
        // Where the file system knows no locks, nobody can tell whether this run lives; that is no reason not to run.
        if lock::claim(&file).map_err(|cause| failed("lock the journal", cause))? == Claim::Held {
            return Err(failed("lock the journal", io::Error::other("another process has it open")));
        }
        // The entry of the file in its folder has to survive a power cut as its contents do.
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|cause| failed("sync the folder of", cause))?;
        Ok(Journal::over(path, file, clock))
    }

    pub(super) fn over(path: PathBuf, file: File, clock: Clock) -> Journal {
        Journal::behind(path, file, clock, (0, Digest::ZERO), 0)
    }

    /// A journal that goes on behind so many entries with this head, and so many bytes.
    pub(super) fn behind(
        path: PathBuf,
        file: File,
        clock: Clock,
        (entries, head): (u64, Digest),
        length: u64,
    ) -> Journal {
        let state = State {
            entries,
            head,
            length,
            ended: false,
            reserved: false,
            failure: None,
            line: Vec::with_capacity(1024),
        };
        Journal { path, file, clock, state: Mutex::new(state) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the last entry.
    pub fn head(&self) -> Digest {
        self.state().head
    }

    /// The first entry or sync that failed, if one did. Such a run has not passed.
    pub fn failure(&self) -> Option<JournalError> {
        self.state().failure.clone()
    }

    /// Keeps an event. It is safe from the end of this process, not from a power cut.
    ///
    /// # Errors
    /// Where it can't be written, or an earlier one could not. The journal remembers that: see [`Journal::failure`].
    pub fn append(&self, event: &Event) -> Result<(), JournalError> {
        let mut state = self.state();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        let written = self.write(&mut state, event);
        if let Err(failure) = &written {
            state.failure = Some(failure.clone());
        }
        written
    }

    /// Keeps an event, and returns when it is on the disk: for steps that change the world, before they begin.
    ///
    /// # Errors
    /// As [`Journal::append`]; the step must not be taken then.
    pub fn append_synced(&self, event: &Event) -> Result<(), JournalError> {
        self.append(event)?;
        self.sync()
    }

    /// Returns when everything that was kept is on the disk.
    ///
    /// # Errors
    /// Where the disk says no; remembered as a failure.
    pub fn sync(&self) -> Result<(), JournalError> {
        // Not under the lock: other threads go on writing.
        rustix::fs::fdatasync(&self.file).map_err(|errno| {
            let failure = JournalError::new(&self.path, "sync the journal", &errno.into());
            self.state().failure.get_or_insert(failure).clone()
        })
    }

    /// Sets room aside for so many more bytes, so that a disk that fills later does not end the journal. Gives
    /// false where the file system can't. What was not needed is given back when the journal is dropped.
    ///
    /// # Errors
    /// Where there is no such room. Nothing was lost by that, and it is not remembered.
    pub fn reserve(&self, bytes: u64) -> Result<bool, JournalError> {
        let mut state = self.state();
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, state.length, bytes) {
            Ok(()) => {
                state.reserved = true;
                Ok(true)
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(errno) => Err(JournalError::new(&self.path, "reserve room for the journal", &errno.into())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, event: &Event) -> Result<(), JournalError> {
        let failed = |cause: io::Error| JournalError::new(&self.path, "write to the journal", &cause);
        if state.ended {
            return Err(failed(io::Error::other("the run's end is written already")));
        }
        let mut bytes = std::mem::take(&mut state.line);
        let kept = line::encode(&mut bytes, state.entries + 1, self.clock.now(), &state.head, event)
            .and_then(|head| self.put(&bytes, state.length).map(|()| head));
        let length = bytes.len() as u64;
        state.line = bytes;
        state.head = kept.map_err(failed)?;
        state.entries += 1;
        state.length += length;
        state.ended = matches!(event, Event::RunEnded { .. });
        Ok(())
    }

    /// Writes a whole line, or, as far as the file system lets us, nothing of it.
    fn put(&self, line: &[u8], length: u64) -> io::Result<()> {
        if line.len() > MAX_LINE {
            return Err(io::Error::other(format!(
                "an entry of {} bytes is longer than the {MAX_LINE} that can be read back",
                line.len()
            )));
        }
        let written = (&self.file).write_all(line);
        if written.is_err() {
            // A part may have been written. If it can't be cut off, it is read as what it is: a cut-off line.
            let _ = self.file.set_len(length);
        }
        written
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let state = self.state();
        if state.reserved {
            // Gives back what was set aside behind the end; if not, only disk space is wasted.
            let _ = self.file.set_len(state.length);
        }
        lock::give_up(&self.file);
    }
}

impl Sink for Journal {
    fn event(&self, event: Event) {
        // A failure is remembered by `append`, and the run's end asks for it.
        let _ = self.append(&event);
    }
}
