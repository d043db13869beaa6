//! The folder of a run's engines: their data, which is thrown away, and their logs, which are kept for the last
//! runs. It lies in the user's state folder, and is locked while its run lasts, so that nobody clears away what
//! another run is using.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many runs' logs are kept.
const KEPT: usize = 20;

/// A run's folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

/// The folder for what is kept between runs: `$XDG_STATE_HOME/cutproof`, else `~/.local/state/cutproof`, else a
/// folder of this user's in the system's folder for temporary files.
pub fn state() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let temporary = || std::env::temp_dir().join(format!("cutproof-{}", rustix::process::getuid().as_raw()));
    state.map_or_else(temporary, |state| state.join("cutproof"))
}

impl RunFolder {
    /// Makes the folder of a run, and clears away what ended runs left behind.
    ///
    /// # Errors
    /// Where it can't be made or locked.
    pub fn make(run: &str) -> io::Result<RunFolder> {
        let runs = state().join("runs");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&runs)?;
        let path = runs.join(run);
        std::fs::create_dir(&path)?;
        let lock = File::create(path.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        clear_away(&runs, run);
        Ok(RunFolder { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the data of runs that have ended, and all of those that are older than the last few. What can't be
/// removed now is tried again by the next run.
fn clear_away(runs: &Path, mine: &str) {
    let Ok(entries) = std::fs::read_dir(runs) else { return };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name()).filter(|name| name != mine).collect();
    // Names begin with the time: the newest first.
    names.sort_unstable_by(|a, b| b.cmp(a));
    for (age, name) in names.iter().enumerate() {
        let folder = runs.join(name);
        let Ok(lock) = File::open(folder.join("lock")) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let gone = if age < KEPT { folder.join("data") } else { folder };
        std::fs::remove_dir_all(gone).ok();
    }
}
