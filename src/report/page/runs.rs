//! The runs that were handed in: which one counts, and why the others don't.

use super::said::{PATH, REASON, VALUE, moment};
use super::{Said, said};
use crate::verify::decision::{JudgedRun, Judgement};

/// A run that was handed in.
#[derive(Debug)]
pub(in crate::report) struct Run {
    pub counts: bool,
    pub run: Said,
    pub started: String,
    pub outcome: Said,
    pub why: Said,
    pub folder: Said,
}

/// The one that counts first, the others as they come: newest first.
pub(super) fn gather(judgement: &Judgement) -> Vec<Run> {
    let (counting, others): (Vec<_>, Vec<_>) = judgement.runs.iter().partition(|run| run.counts);
    counting.into_iter().chain(others).map(run).collect()
}

fn run(run: &JudgedRun) -> Run {
    Run {
        counts: run.counts,
        run: said(run.run.as_str(), VALUE),
        started: moment(run.started),
        outcome: said(&run.outcome, VALUE),
        why: said(&run.why, REASON),
        folder: said(&run.folder, PATH),
    }
}
