//! Runs within a cutover: those of its stages' gates, and those that a step's command started. The cutover's journal
//! holds what came of each and the head of its journal, so that none can be exchanged later.

use crate::evidence::{self, GateView, RunView};
use crate::journal::{self, End};
use crate::model::switch::{ChildGate, ChildRun, Stage};
use crate::rehearsal::Finished;
use crate::rehearsal::parent::Parent;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The runs within a run that are on record.
pub struct Children {
    parent: Parent,
    known: BTreeSet<String>,
    /// Those that were seen and had not ended, with the step behind which that was first.
    going: BTreeMap<String, String>,
}

impl Children {
    /// The children of a run; those that are there already are known where the run goes on.
    pub fn of(parent: Parent, known: impl IntoIterator<Item = String>) -> Children {
        Children { parent, known: known.into_iter().collect(), going: BTreeMap::new() }
    }

    /// The run that they belong to.
    pub fn parent(&self) -> &Parent {
        &self.parent
    }

    /// Takes note of the run of a stage's gates.
    pub fn of_stage(&mut self, stage: Stage, finished: &Finished) -> Result<ChildRun, String> {
        let name = folder_name(&finished.folder).to_owned();
        let child = self.read(&finished.folder)?;
        self.known.insert(name);
        Ok(ChildRun { stage: Some(stage), ..child })
    }

    /// Runs that a step has started and that were not there before. One that goes on is told when it has ended, or, at
    /// the end of this run, as the `last` time that is looked, as it is.
    pub fn new_ones(&mut self, step: &str, last: bool) -> Vec<Result<ChildRun, String>> {
        let Ok(entries) = fs::read_dir(self.parent.runs()) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.retain(|folder| {
            !self.known.contains(folder_name(folder)) && folder.join(journal::FILE).is_file()
        });
        // Names begin with the time.
        folders.sort();
        let mut told = Vec::new();
        for folder in folders {
            let name = folder_name(&folder).to_owned();
            let child = self.read(&folder);
            let step = self.going.entry(name.clone()).or_insert_with(|| step.to_owned()).clone();
            // One that was begun a moment ago has no entry yet.
            if !last && child.as_ref().map_or(true, |child| child.outcome == UNFINISHED) {
                continue;
            }
            self.known.insert(name);
            told.push(child.map(|child| ChildRun { step, ..child }));
        }
        told
    }

    fn read(&self, folder: &Path) -> Result<ChildRun, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the run {} within this one can't be read: {error}", folder_name(folder))
        };
        let records = journal::read(&folder.join(journal::FILE)).map_err(|error| failed(&error))?;
        let view = RunView::of(&records).map_err(|error| failed(&error))?;
        let inside = folder.strip_prefix(&self.parent.folder).unwrap_or(folder);
        Ok(child(&view, inside))
    }
}

/// The outcome of a run that has no end.
const UNFINISHED: &str = evidence::Outcome::Unfinished.as_str();

fn folder_name(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn child(view: &RunView<'_>, folder: &Path) -> ChildRun {
    let verdict = evidence::verdict(view);
    let reasons: Vec<_> = verdict.reasons.iter().map(ToString::to_string).collect();
    let outcome = if view.end == End::Finished { verdict.verdict.as_str() } else { UNFINISHED };
    ChildRun {
        stage: None,
        step: String::new(),
        run: view.started.run.clone(),
        verb: view.started.verb.clone(),
        folder: folder.to_string_lossy().into_owned(),
        head: view.head.to_string(),
        outcome: outcome.to_owned(),
        reason: reasons.join("; ").replace('\n', " "),
        gates: view.selected().map(gate).collect(),
    }
}

fn gate(view: &GateView<'_>) -> ChildGate {
    ChildGate {
        case: view.gate.case(),
        verdict: view.verdict,
        required: view.gate.required,
        reason: view.reason.clone().into_owned(),
        duration_ms: view.duration_ms(),
        at: view.gate.at.clone(),
    }
}
