//! Who has a journal open for writing. Its writer holds an advisory lock on the file for as long as it lives, so that
//! no second process writes to it, and others can see whether the run still goes on. The kernel gives it up with the
//! writer, however that ends. Readers need no lock and are never held up.

use super::read::{self, Fault, ReadError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who looks whether a journal is held holds it for an instant. A writer waits for so long before it takes that for
/// another writer.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(5);

/// What came of trying to lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is ours, until the file is closed.
    Ours,
    /// Another process has it.
    Held,
    /// The file system has no locks.
    Unknown,
}

/// Locks a journal for writing.
pub(super) fn claim(file: &File) -> io::Result<Claim> {
    let start = Instant::now();
    loop {
        match attempt(file, FlockOperation::NonBlockingLockExclusive)? {
            Claim::Held if start.elapsed() < PATIENCE => std::thread::sleep(POLL),
            claim => return Ok(claim),
        }
    }
}

/// Whether some process has this journal open for writing: so its run goes on. Ask before reading: a run that ends
/// in between has then written its end.
///
/// # Errors
/// Where the journal can't be opened, or the file system has no locks: then it can't be told.
pub fn is_being_written(path: &Path) -> Result<bool, ReadError> {
    let failed = |fault| ReadError { path: path.to_owned(), fault };
    let file = read::open(path).map_err(failed)?;
    // Shared, so that two who look don't take each other for a writer.
    match attempt(&file, FlockOperation::NonBlockingLockShared).map_err(|cause| failed(Fault::Io(cause)))? {
        Claim::Ours => {
            give_up(&file);
            Ok(false)
        }
        Claim::Held => Ok(true),
        Claim::Unknown => Err(failed(Fault::Io(io::Error::other(
            "its file system has no locks, so whether its run still goes on can't be told",
        )))),
    }
}

/// Gives a lock up. Closing the file is not enough: a child that is being started has it open too, until it is another
/// program.
pub(super) fn give_up(file: &File) {
    // Where that fails, there was none.
    let _ = flock(file, FlockOperation::Unlock);
}

fn attempt(file: &File, how: FlockOperation) -> io::Result<Claim> {
    loop {
        return match flock(file, how) {
            Ok(()) => Ok(Claim::Ours),
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => Ok(Claim::Held),
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(Claim::Unknown),
            Err(other) => Err(other.into()),
        };
    }
}
