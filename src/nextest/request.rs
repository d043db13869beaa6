//! What the setup script leaves for the run's holder, and what the holder leaves for those who look for the run: two
//! small files in a folder of this run of nextest, in the user's state folder.

use super::NextestError;
use super::caller::Process;
use crate::rehearsal::folder::state;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many runs' folders are kept.
const KEPT: usize = 20;

const REQUEST: &str = "request.json";
const HELD: &str = "held.json";

/// What the holder is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The profile: a path, or a name as `--profile` takes it.
    pub profile: String,
    /// nextest's name for its run.
    pub run: String,
    /// nextest's own process: the run ends with it.
    pub caller: Process,
    /// The cases that nextest will run; nothing where that could not be found out.
    pub cases: Option<Vec<String>>,
    /// The selection in nextest's words.
    pub words: String,
}

/// A run that is held, or was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    /// nextest's name for its run.
    pub run: String,
    /// nextest's own process.
    pub caller: Process,
    /// The process that holds the run.
    pub holder: Process,
    /// Where it listens.
    pub socket: PathBuf,
    /// The run's folder, with its evidence.
    pub folder: PathBuf,
}

/// The folder of a run of nextest.
///
/// # Errors
/// Its name is none of nextest's.
pub fn folder(run: &str) -> Result<PathBuf, NextestError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if run.is_empty() || run.len() > 64 || !run.chars().all(plain) {
        return Err(NextestError(format!(
            "expected the id of a run of nextest, letters, digits and `-`, and saw `{run}`"
        )));
    }
    Ok(all().join(run))
}

/// The folder of all of them.
pub fn all() -> PathBuf {
    state().join("nextest")
}

/// Makes the folder of a run, and clears away those of old ones. A run of nextest may have several profiles, each
/// with a folder of its own.
///
/// # Errors
/// It can't be made.
pub fn make(run: &str) -> Result<PathBuf, NextestError> {
    let first = folder(run)?;
    clear_away();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let refused = |path: &Path, error| {
        NextestError(format!(
            "expected to make {}: {error}; set XDG_STATE_HOME to another folder",
            path.display()
        ))
    };
    builder.create(all()).map_err(|error| refused(&all(), error))?;
    builder.recursive(false);
    for number in 1..100 {
        let path = if number == 1 { first.clone() } else { first.with_extension(number.to_string()) };
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(&path, error)),
        }
    }
    Err(NextestError(format!("expected one setup script a profile, and saw 100 in the run {run}")))
}

/// Runs that are held, or were, the latest last.
pub fn held() -> Vec<Held> {
    let entries = std::fs::read_dir(all()).into_iter().flatten().flatten();
    let begun = |folder: PathBuf| {
        let when = std::fs::metadata(folder.join(HELD)).and_then(|about| about.modified()).ok()?;
        Some((when, Held::read(&folder).ok()?))
    };
    let mut held: Vec<_> = entries.filter_map(|entry| begun(entry.path())).collect();
    held.sort_by_key(|(when, _)| *when);
    held.into_iter().map(|(_, held)| held).collect()
}

/// Removes the folders of runs that have ended, but for the last ones, and sockets that killed holders left. What can't
/// be removed now is tried again.
fn clear_away() {
    for held in held().iter().filter(|held| !held.holder.is_there()) {
        std::fs::remove_file(&held.socket).ok();
        // It goes only where it is empty.
        held.socket.parent().and_then(|folder| std::fs::remove_dir(folder).ok());
    }
    let entries = std::fs::read_dir(all()).into_iter().flatten().flatten();
    let age = |path: &Path| std::fs::metadata(path).and_then(|about| about.modified()).ok();
    let mut folders: Vec<_> = entries.map(|entry| (age(&entry.path()), entry.path())).collect();
    folders.sort_by(|a, b| b.cmp(a));
    for (_, folder) in folders.iter().skip(KEPT) {
        let going = Held::read(folder).is_ok_and(|held| held.holder.is_there());
        if !going {
            std::fs::remove_dir_all(folder).ok();
        }
    }
}

impl Request {
    /// Leaves it for the holder.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), NextestError> {
        write(&folder.join(REQUEST), self)
    }

    /// What was left.
    ///
    /// # Errors
    /// It is not there, or not whole.
    pub fn read(folder: &Path) -> Result<Request, NextestError> {
        read(&folder.join(REQUEST))
    }
}

impl Held {
    /// Says that the run is held.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), NextestError> {
        write(&folder.join(HELD), self)
    }

    /// The run that is held.
    ///
    /// # Errors
    /// None is, or it can't be read.
    pub fn read(folder: &Path) -> Result<Held, NextestError> {
        read(&folder.join(HELD))
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), NextestError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut part| {
        part.write_all(&serde_json::to_vec_pretty(value)?)?;
        part.persist(path).map_err(|error| error.error)
    });
    written.map_err(|error| NextestError(format!("expected to write {}: {error}", path.display())))?;
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, NextestError> {
    let text = std::fs::read_to_string(path).map_err(std::io::Error::other);
    let value = text.and_then(|text| Ok(serde_json::from_str(&text)?));
    value.map_err(|error| NextestError(format!("expected to read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_run_can_not_leave_its_folder() {
        assert!(folder("4aa5b6d2-8ce7-4b1e-9d9f-0b7f4b5f2a11").is_ok());
        for bad in ["", "..", "a/b", "a.b", &"x".repeat(65)] {
            assert!(folder(bad).is_err(), "{bad}");
        }
    }
}
