//! What a run that was killed knows already, read from its journal: what later stages ask for.

use crate::journal::Records;
use crate::model::switch::{Sequence, Stage};
use crate::model::{Event, Stamp};
use std::collections::BTreeSet;

/// What was done before a run goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// When the start of the new core was begun.
    pub core_started: Option<Stamp>,
    /// The log of WARMUP_QUERY_CMD, relative to the run's folder.
    pub warmup_log: Option<String>,
    /// When the way back was begun.
    pub rollback_began: Option<Stamp>,
    /// The folders of runs within it that are on record.
    pub children: Vec<String>,
    /// The stages that are on record.
    pub told: BTreeSet<Stage>,
}

impl Before {
    /// What a journal says.
    pub fn of(records: &Records) -> Before {
        let mut before = Before::default();
        for record in &records.entries {
            if let Event::StageStarted { stage, .. } | Event::StageEnded { stage, .. } = &record.event {
                before.told.insert(*stage);
            }
            match &record.event {
                Event::CommandStarted(step)
                    if step.sequence == Sequence::Cutover && step.name == "start_new_core_engine" =>
                {
                    before.core_started = Some(record.at);
                }
                Event::CommandEnded(step)
                    if step.sequence == Sequence::Cutover
                        && step.name == "warmup_query"
                        && !step.log.is_empty() =>
                {
                    before.warmup_log = Some(step.log.clone());
                }
                Event::StageStarted { stage: Stage::Rollback, .. } => {
                    before.rollback_began = before.rollback_began.or(Some(record.at));
                }
                Event::ChildRun(child) => before.children.push(child.run.to_string()),
                _ => {}
            }
        }
        before
    }
}
