//! After nextest: waits until the evidence of its run is whole, and says where it is.

use super::NextestError;
use super::request::{self, Held};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longer than this nobody waits.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Waits until a run of nextest has ended and its holders are gone, and gives their runs' folders, one for each profile:
/// those of the run of this id, else of the latest one.
///
/// # Errors
/// There was none, or it does not end in time.
pub fn wait(run: Option<&str>, limit: Duration) -> Result<Vec<PathBuf>, NextestError> {
    let all = request::held();
    let run = match run {
        Some(run) => run.to_owned(),
        None => all.last().map(|held| held.run.clone()).ok_or_else(none)?,
    };
    let held: Vec<_> = all.into_iter().filter(|held| held.run == run).collect();
    if held.is_empty() {
        return Err(NextestError(format!(
            "expected a run of nextest with the id {run}, begun on this machine by this user, and there is none"
        )));
    }
    let end = Instant::now() + limit.min(LONGEST);
    held.iter().map(|held| ended(held, end, limit).map(|()| held.folder.clone())).collect()
}

fn ended(held: &Held, end: Instant, limit: Duration) -> Result<(), NextestError> {
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
    Ok(())
}

fn none() -> NextestError {
    NextestError(format!(
        "expected a run of nextest under {}, and there is none: the setup script of .config/nextest.toml begins one",
        request::all().display()
    ))
}
