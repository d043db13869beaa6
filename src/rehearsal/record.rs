//! A run's record: its folder, its journal and its clock, and where its events go. A run with gates has one, and a
//! cutover, which has steps instead. It knows what of a run must be on the disk before it goes on, and nothing else of
//! what happens in it.

use super::parent::Parent;
use super::provenance::Gathering;
use super::{Finished, RehearsalError, Watcher};
use crate::bundle;
use crate::evidence::{self, RunView};
use crate::journal::{self, Journal, JournalError};
use crate::model::event::Sink;
use crate::model::time::millis;
use crate::model::{Clock, Counts, Event, RunId, Verdict};
use crate::process::{Cancel, Worker};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is reserved on the disk for a journal before a run begins, so that a full disk is found then.
pub const JOURNAL_ROOM: u64 = 1 << 20;

/// Where a run is kept.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The folder that the runs' folders are in.
    pub evidence_dir: &'a Path,
    /// The run that it is part of: then it is kept in that one's folder.
    pub parent: Option<&'a Parent>,
    /// What is reserved for the journal, in bytes.
    pub room: u64,
    /// Where its files are exported to: they may lie in the repository, and are no change of it.
    pub exports: &'a [PathBuf],
}

/// A run's record.
pub struct Record {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
    /// Its clock.
    pub clock: Clock,
    journal: Arc<Journal>,
    sink: Arc<Fan>,
    /// What a run says at its end that belongs to no other, where it has not said it.
    provenance: Option<Gathering>,
}

impl Record {
    /// Makes the folder and the journal of a run that begins now. Nothing is written yet. A journal that can't be
    /// written later cancels `cancel`.
    ///
    /// # Errors
    /// Where they can't be made, or there is no room: what was expected, what was seen, and what to do.
    pub fn begin(
        verb: &str,
        place: Place<'_>,
        watcher: Arc<dyn Watcher + Sync>,
        worker: Worker,
        cancel: &Cancel,
    ) -> Result<Record, RehearsalError> {
        let clock = Clock::start();
        let run = RunId::new(clock.started(), verb);
        let runs = place.parent.map_or_else(|| place.evidence_dir.to_owned(), Parent::runs);
        let folder = runs.join(run.as_str());
        std::fs::create_dir_all(&folder).map_err(|error| {
            RehearsalError(format!(
                "expected to make the run's folder {}: {error}; choose another with --evidence-dir",
                folder.display()
            ))
        })?;
        let journal = Journal::create(&folder, clock).map_err(RehearsalError::of)?;
        journal.reserve(place.room).map_err(RehearsalError::of)?;
        let record = Record::over(run, folder, clock, Arc::new(journal), watcher, cancel);
        Ok(match place.parent {
            None => record.gathering(place.evidence_dir, place.exports, worker, cancel),
            Some(_) => record,
        })
    }

    /// Begins to gather what the run is made with and from, to be said at its end. Nothing waits for it until then.
    pub fn gathering(
        self,
        evidence_dir: &Path,
        exports: &[PathBuf],
        worker: Worker,
        cancel: &Cancel,
    ) -> Record {
        Record { provenance: Some(Gathering::begin(evidence_dir, exports, worker, cancel)), ..self }
    }

    /// Takes it back: a run that may not begin leaves nothing.
    pub fn discard(self) {
        // What can't be removed is an empty journal, which proves nothing.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// The record of a run whose journal is there already, and is gone on with.
    pub fn over(
        run: RunId,
        folder: PathBuf,
        clock: Clock,
        journal: Arc<Journal>,
        watcher: Arc<dyn Watcher + Sync>,
        cancel: &Cancel,
    ) -> Record {
        let sink = Arc::new(Fan { journal: Arc::clone(&journal), watcher, cancel: cancel.clone() });
        Record { run, folder, clock, journal, sink, provenance: None }
    }

    /// Where the run's events go.
    pub fn sink(&self) -> Arc<dyn Sink + Send + Sync> {
        self.sink.clone()
    }

    /// Keeps an event, and shows it.
    pub fn event(&self, event: Event) {
        self.sink.event(event);
    }

    /// Why the journal can't be written any more. Such a run has not passed.
    pub fn failure(&self) -> Option<JournalError> {
        self.journal.failure()
    }

    /// What the journal says so far, as it is on the disk.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn read(&self) -> Result<journal::Records, RehearsalError> {
        journal::read(self.journal.path()).map_err(RehearsalError::of)
    }

    /// The run as someone that others belong to.
    pub fn as_parent(&self) -> Parent {
        Parent { run: self.run.clone(), folder: self.folder.clone() }
    }

    /// The run's last event, behind what it was made with and from.
    pub fn end(&self, verdict: Verdict, counts: Counts) {
        if let Some(gathering) = &self.provenance {
            self.event(Event::Provenance(Box::new(gathering.end())));
        }
        let duration_ms = millis(self.clock.elapsed());
        self.event(Event::RunEnded { verdict, counts, duration_ms });
    }

    /// Reads the journal of a run that has ended back from the disk, writes all evidence from what it says, and seals
    /// the run's folder. Nothing may be written there afterwards.
    ///
    /// # Errors
    /// Where the journal or a file could not be written, or the folder can't be sealed: the run has no evidence then, and is not green.
    pub fn finish(self, interrupted: Option<String>) -> Result<Finished, RehearsalError> {
        if let Some(failure) = self.journal.failure() {
            return Err(RehearsalError(format!(
                "the run's journal is not whole, so nothing is proven: {failure}"
            )));
        }
        self.journal.sync().map_err(RehearsalError::of)?;
        let records = self.read()?;
        let view = RunView::of(&records).map_err(RehearsalError::of)?;
        let documents = evidence::documents(&view).map_err(RehearsalError::of)?;
        evidence::write(&self.folder, &documents).map_err(RehearsalError::of)?;
        bundle::seal(&self.folder).map_err(RehearsalError::of)?;
        Ok(Finished { records, folder: self.folder, documents, interrupted })
    }
}

/// The machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Hands each event to the journal first, and then to who watches. A journal that can't be written ends the run:
/// what is not on record proves nothing.
struct Fan {
    journal: Arc<Journal>,
    watcher: Arc<dyn Watcher + Sync>,
    cancel: Cancel,
}

impl Sink for Fan {
    fn event(&self, event: Event) {
        // A failure is remembered by the journal.
        match must_be_synced(&event) {
            true => self.journal.append_synced(&event).ok(),
            false => self.journal.append(&event).ok(),
        };
        if self.journal.failure().is_some() {
            self.cancel.cancel(LOST_JOURNAL);
        }
        self.watcher.event(event);
    }
}

/// Why a run is ended whose journal could not be written.
pub const LOST_JOURNAL: &str = "a journal that could not be written";

/// What changes the world is on the disk before it begins, and what came of a command when it has ended; measurements
/// are at the run's end.
fn must_be_synced(event: &Event) -> bool {
    matches!(event, Event::StepStarted(_) | Event::CommandStarted(_) | Event::CommandEnded(_))
}
