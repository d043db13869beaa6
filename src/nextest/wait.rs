//! After nextest: waits until the evidence of its run is whole, and says where it is.

use super::NextestError;
use super::request::{self, Held};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often is looked whether the run begins to be held; its end is waited for as an event.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Waits until a run of nextest has ended and its holder is gone, and gives the run's folder: that of the run of this id,
/// else of the latest one.
///
/// # Errors
/// There was none, or it does not end in time.
pub fn wait(run: Option<&str>, limit: Duration) -> Result<PathBuf, NextestError> {
    let held = match run {
        Some(run) => Held::read(&request::folder(run)?).map_err(|_| {
            NextestError(format!(
                "expected a run of nextest with the id {run} on this machine, by this user, and there is none that has begun"
            ))
        })?,
        None => latest()?,
    };
    let end = Instant::now() + limit.min(LONGEST);
    if !held.caller.wait(end) {
        return Err(NextestError(format!(
            "nextest still runs (process {}): expected to be called when it has ended",
            held.caller.pid
        )));
    }
    if !held.holder.wait(end) {
        return Err(NextestError(format!(
            "process {} still holds the run {}, {} s after nextest has ended",
            held.holder.pid,
            held.folder.display(),
            limit.as_secs()
        )));
    }
    Ok(held.folder)
}

fn latest() -> Result<Held, NextestError> {
    let entries = std::fs::read_dir(request::all()).into_iter().flatten().flatten();
    let began = |entry: &std::fs::DirEntry| Some((entry.metadata().ok()?.created().ok()?, entry.path()));
    let mut folders: Vec<_> = entries.filter_map(|entry| began(&entry)).collect();
    folders.sort();
    let held = folders.iter().rev().find_map(|(_, folder)| Held::read(folder).ok());
    held.ok_or_else(|| {
        NextestError(format!(
            "expected a run of nextest under {}, and there is none: the setup script of .config/nextest.toml begins one",
            request::all().display()
        ))
    })
}
