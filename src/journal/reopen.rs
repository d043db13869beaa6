//! Taking up the journal of a run that was killed, exactly behind its last whole entry.

use super::line::Record;
use super::lock::{self, Claim};
use super::read::{self, End, Fault, MAX_FILE, ReadError, Records};
use super::write::{Journal, JournalError};
use crate::model::{Clock, Event, Stamp};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

/// A journal that goes on.
#[derive(Debug)]
pub struct Reopened {
    /// What is written to now.
    pub journal: Journal,
    /// The run's clock, which stamps its entries: it goes on, and never behind the last one.
    pub clock: Clock,
    /// What was in it.
    pub records: Records,
    /// How many bytes of a half-written entry were cut off.
    pub cut_off: u64,
}

/// Why a journal is not taken up. It is as it was then.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// The run ended.
    #[error("{}: expected a run without an end, and this one has ended: nothing is written behind that", .0.display())]
    Ended(PathBuf),
    /// Its process lives.
    #[error("{}: another process writes to it: the run goes on; see `cutproof status`", .0.display())]
    Busy(PathBuf),
    /// There is not one whole entry.
    #[error("{}: it has no whole entry: the run was killed before it began; nothing was done", .0.display())]
    Empty(PathBuf),
    /// Nobody can tell whether its process lives.
    #[error(
        "{}: its file system has no locks, so whether another process writes to it can't be told; \
         expected an --evidence-dir on a file system with locks",
        .0.display()
    )]
    NoLocks(PathBuf),
    /// It can't be read, or is not as it was written.
    #[error(transparent)]
    Unsound(#[from] ReadError),
    /// The half-written entry can't be cut off.
    #[error(transparent)]
    Write(#[from] JournalError),
}

impl Journal {
    /// Takes up the journal in this folder: checks all of it, cuts off what was half written, and goes on behind
    /// the last whole entry with its number, its digest and a clock that never goes back.
    ///
    /// # Errors
    /// Where the run ended or goes on, or the journal is damaged or has no whole entry; nothing was changed then.
    pub fn reopen(dir: &Path) -> Result<Reopened, ReopenError> {
        let path = dir.join(super::FILE);
        let unsound = |fault| ReopenError::Unsound(ReadError { path: path.clone(), fault });
        let file = read::open_with(&path, OFlags::RDWR | OFlags::APPEND).map_err(unsound)?;
        match lock::claim(&file).map_err(|cause| unsound(Fault::Io(cause)))? {
            Claim::Ours => {}
            Claim::Held => return Err(ReopenError::Busy(path)),
            Claim::Unknown => return Err(ReopenError::NoLocks(path)),
        }
        let taken = check(&path, &file);
        if taken.is_err() {
            lock::give_up(&file);
        }
        let Sound { records, clock, cut_off, length } = taken?;
        let entries = records.entries.len() as u64;
        let journal = Journal::behind(path, file, clock, (entries, records.head), length);
        Ok(Reopened { journal, clock, records, cut_off })
    }
}

/// A journal that can go on.
struct Sound {
    records: Records,
    clock: Clock,
    cut_off: u64,
    /// How many bytes it has now.
    length: u64,
}

/// Checks a journal that is ours, and cuts off what was half written.
fn check(path: &Path, file: &File) -> Result<Sound, ReopenError> {
    let unsound = |fault| ReopenError::Unsound(ReadError { path: path.to_owned(), fault });
    // Asked again: until it was locked, it may have grown.
    let length = file.metadata().map_err(|cause| unsound(Fault::Io(cause)))?.len();
    if length > MAX_FILE {
        return Err(unsound(Fault::TooLarge(length)));
    }
    let records = read::read_from(BufReader::new(file.take(length))).map_err(unsound)?;
    let (Some(first), Some(last)) = (records.entries.first(), records.entries.last()) else {
        return Err(ReopenError::Empty(path.to_owned()));
    };
    let clock = Clock::continued(start(first), last.at);
    let cut_off = match records.end {
        End::Finished => return Err(ReopenError::Ended(path.to_owned())),
        End::Unfinished => 0,
        End::Cut { bytes } => bytes as u64,
    };
    let length = length.saturating_sub(cut_off);
    // Also where nothing is cut off: what the last process did not sync is on the disk before the run goes on.
    file.set_len(length).and_then(|()| file.sync_all()).map_err(|cause| {
        ReopenError::Write(JournalError::new(path, "cut off the half-written entry of", &cause))
    })?;
    Ok(Sound { records, clock, cut_off, length })
}

/// When the run began.
fn start(first: &Record) -> Stamp {
    match &first.event {
        Event::RunStarted(started) => started.started,
        _ => first.at,
    }
}
