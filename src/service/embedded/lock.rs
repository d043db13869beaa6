//! One installation at a time on a machine: a file lock, with a deadline and the holder's name in it.

use super::install::InstallError;
use super::progress::{Phase, Progress};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);

/// The right to install; ends with the value, or with the process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes the lock, waiting for whoever has it.
///
/// # Errors
/// Where the file can't be written, or is still held after `patience`: by whom.
pub fn acquire(path: &Path, patience: Duration, progress: &dyn Progress) -> Result<Lock, InstallError> {
    let at = |source| InstallError::io(path, source);
    let mut options = File::options();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(at)?;
    let start = Instant::now();
    let mut told = false;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(other) => return Err(at(other.into())),
        }
        let waited = start.elapsed();
        if waited >= patience || !progress.going() {
            return Err(InstallError::Locked { path: path.to_owned(), holder: holder(&mut file), waited });
        }
        if !told {
            progress.note(&format!("waiting for {}, which is installing", holder(&mut file)));
            told = true;
        }
        progress.at(Phase::Waiting, waited.as_secs(), patience.as_secs());
        std::thread::sleep(POLL);
    }
    if told {
        progress.done(Phase::Waiting, start.elapsed());
    }
    file.set_len(0).map_err(at)?;
    file.rewind().map_err(at)?;
    writeln!(file, "process {} since {}", std::process::id(), jiff::Timestamp::now().strftime("%FT%TZ"))
        .map_err(at)?;
    Ok(Lock(file))
}

/// What the holder wrote about itself.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    match text.trim() {
        holder if read.is_ok() && !holder.is_empty() => holder.to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::Quiet;
    use super::*;

    #[test]
    fn a_lock_that_is_not_given_up_says_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = acquire(&path, Duration::ZERO, &Quiet).unwrap();
        let refused = acquire(&path, Duration::from_millis(150), &Quiet).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} since 2", std::process::id())), "{refused}");
        drop(held);
        acquire(&path, Duration::ZERO, &Quiet).unwrap();
    }

    #[test]
    fn a_lock_that_is_given_up_in_time_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = acquire(&path, Duration::ZERO, &Quiet).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| acquire(&path, Duration::from_secs(60), &Quiet).map(drop));
            std::thread::sleep(Duration::from_millis(150));
            drop(held);
            second.join().unwrap().unwrap();
        });
    }
}
