//! Judges a watch: a pure function of its plan and its samples in their order, so that what was judged live can be
//! judged again from a journal or a file, with the same verdict. It reads no clock, file or network.

use crate::model::Verdict;
use crate::model::watch::{WatchPlan, WatchSample, WatchVerdict};

/// Judges samples as they come in.
#[derive(Debug)]
pub struct Judge {
    plan: WatchPlan,
}

/// A plan that can't be judged: a condition that can't be read or names what nobody measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPlan(pub String);

impl Judge {
    /// A judge that has seen nothing yet.
    ///
    /// # Errors
    /// [`BadPlan`].
    pub fn new(plan: &WatchPlan) -> Result<Judge, BadPlan> {
        Ok(Judge { plan: plan.clone() })
    }

    /// Takes a sample. Gives why the new core must be rolled back, once, at the sample by which it must.
    pub fn take(&mut self, _sample: &WatchSample) -> Option<String> {
        None
    }

    /// What came of the watch, when it has lasted for so long. One that ended before its time is not passed.
    pub fn verdict(&self, watched_ms: f64) -> WatchVerdict {
        let (verdict, reason) = (Verdict::Inconclusive, format!("nothing judges {}", self.plan.trigger));
        WatchVerdict { verdict, reason, rollback: None, watched_ms, metrics: Vec::new() }
    }
}
