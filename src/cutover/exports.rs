//! The two `.env` files of a run at the runbook's paths: as far as the journal goes when the run begins and when it
//! turns back, and whole at its end. A run that is killed in between leaves files that read as unfinished.

use crate::evidence::{self, CUTOVER_FILE, Document, Exported, ROLLBACK_FILE, RunView};
use crate::model::switch::SwitchPlan;
use crate::rehearsal::record::Record;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which file of the run goes where, and what was put there last.
#[derive(Debug, Default)]
pub struct Exports {
    to: Vec<(&'static str, PathBuf)>,
    last: BTreeMap<&'static str, Vec<u8>>,
}

/// A file that was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Where what it replaced is kept, if that was kept nowhere yet.
    pub kept: Option<PathBuf>,
}

impl Exports {
    /// The exports of a plan: of a rollback on its own only the one.
    pub fn of(plan: &SwitchPlan) -> Exports {
        let cutover = plan.cutover.iter().map(|cutover| (CUTOVER_FILE, PathBuf::from(&cutover.output)));
        let rollback = (ROLLBACK_FILE, PathBuf::from(&plan.rollback.output));
        Exports { to: cutover.chain([rollback]).collect(), last: BTreeMap::new() }
    }

    /// Exports what the journal says so far.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn publish(&mut self, record: &Record) -> Result<Vec<Written>, String> {
        let records = record.read().map_err(|error| error.to_string())?;
        let view = RunView::of(&records).map_err(|error| error.to_string())?;
        let documents = evidence::switch_documents(&view);
        evidence::write(&record.folder, &documents).map_err(|error| error.to_string())?;
        self.put(&record.folder, &documents)
    }

    /// Exports these files of a run's folder.
    ///
    /// # Errors
    /// What could not be written; a file that the run does not have.
    pub fn put(&mut self, folder: &Path, documents: &[Document]) -> Result<Vec<Written>, String> {
        let mut written = Vec::new();
        for (name, to) in &self.to {
            let document = documents.iter().find(|document| document.name == *name);
            let document = document.ok_or_else(|| format!("the run gave no {name}"))?;
            let last = self.last.get(name).map(Vec::as_slice);
            let exported = evidence::renew(folder, name, to, last).map_err(|error| error.to_string())?;
            let kept = match exported {
                Exported::Written { kept } => kept,
                Exported::Same => None,
            };
            self.last.insert(name, document.bytes.clone());
            written.push(Written { path: to.clone(), kept });
        }
        Ok(written)
    }
}
