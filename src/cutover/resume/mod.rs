//! A cutover or rollback that was killed: where it stands, and how it goes on, when a person says so. It runs no step.

mod standing;
mod text;

pub use standing::{Choice, NoWay, Standing, StartAt, StepStanding, StepState, begun};
pub use text::{going_on, text};

use super::lock::{EnvironmentLock, LockError};
use crate::journal::{self, Journal, JournalError, ReadError, Records, ReopenError};
use crate::model::switch::Resumed;
use crate::model::{Clock, Event};
use std::path::{Path, PathBuf};

/// A run that goes on. It is on the disk that it does.
#[derive(Debug)]
pub struct Resumption {
    /// What is written to.
    pub journal: Journal,
    /// The run's clock.
    pub clock: Clock,
    /// What the journal held before; its first entry has the plan.
    pub records: Records,
    /// Where the run stood.
    pub standing: Standing,
    /// Where it goes on.
    pub at: StartAt,
    /// What the journal says about that.
    pub resumed: Resumed,
    /// The environment is this run's again. It is to be dropped last, when the journal has its end.
    pub lock: EnvironmentLock,
}

/// Why a run does not go on. Nothing was run then.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Its process lives.
    #[error("{run} still goes on; follow it with `cutproof status --follow {run}`", run = .0.display())]
    Running(PathBuf),
    /// There is no such way.
    #[error(transparent)]
    NoWay(#[from] NoWay),
    /// Its journal can't be read, or whether its process lives can't be told.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its environment can't be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its journal can't be taken up.
    #[error(transparent)]
    Reopen(#[from] ReopenError),
    /// Its journal can't be written to.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Where the run in this folder stands; nothing is changed by looking.
///
/// # Errors
/// Where it still goes on, its journal can't be read, or it is none that can be resumed.
pub fn look(folder: &Path) -> Result<Standing, ResumeError> {
    let path = folder.join(journal::FILE);
    if journal::is_being_written(&path)? {
        return Err(ResumeError::Running(folder.to_owned()));
    }
    Ok(Standing::of(&journal::read(&path)?)?)
}

/// Takes up the run in this folder: its environment's lock, then its journal, in which it says what was chosen. No step
/// is run yet.
///
/// # Errors
/// As [`look`]; where there is no such way on; where another run has, or had since, the environment.
pub fn begin(folder: &Path, choice: Choice) -> Result<Resumption, ResumeError> {
    let standing = look(folder)?;
    standing.start_at(choice)?;
    let lock = EnvironmentLock::take_again(&standing.environment, &standing.run, folder, standing.started)?;
    begin_with(lock, folder, choice)
}

fn begin_with(lock: EnvironmentLock, folder: &Path, choice: Choice) -> Result<Resumption, ResumeError> {
    let reopened = Journal::reopen(folder)?;
    // Again, from what is now ours alone.
    let standing = Standing::of(&reopened.records)?;
    let (at, resumed) = standing.resumed(choice, reopened.cut_off, &lock.holder().host)?;
    reopened.journal.append_synced(&Event::Resumed(resumed.clone()))?;
    let journal::Reopened { journal, clock, records, .. } = reopened;
    Ok(Resumption { journal, clock, records, standing, at, resumed, lock })
}

#[cfg(test)]
pub(crate) mod tests;
