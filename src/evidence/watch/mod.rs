//! The watch of a run: `watch.csv` with every sample and `watch.json` with the plan that judges them. Together they are
//! all that is needed to judge the watch again, without the journal.

mod csv;
mod rows;
#[cfg(test)]
mod tests;

use super::{Document, ProjectionError, RunView};
use crate::model::event::RunStarted;
use crate::model::switch::Stage;
use crate::model::watch::{WatchPlan, WatchSample, WatchVerdict};
use crate::model::{Event, RunId, Stamp, Verdict};
use crate::watch::{BadPlan, Judge};
use serde::{Deserialize, Serialize};

pub use rows::SeriesFault;

/// The version of these projections.
pub const VERSION: u32 = 1;

/// The name of the series' file.
pub const SERIES: &str = "watch.csv";

/// The name of the plan's and verdict's file.
pub const PLAN: &str = "watch.json";

/// A watch as the journal tells it.
#[derive(Debug)]
pub struct WatchView<'a> {
    /// What was to be watched.
    pub plan: &'a WatchPlan,
    /// The samples in the order in which they were told, with when that was.
    pub samples: Vec<(Stamp, &'a WatchSample)>,
    /// What was said to have come of it.
    pub verdict: Option<&'a WatchVerdict>,
    /// What comes of it when the samples are judged again.
    pub judged: Result<WatchVerdict, BadPlan>,
    against: Option<String>,
}

impl<'a> WatchView<'a> {
    pub(super) fn of_plan(plan: &'a WatchPlan) -> WatchView<'a> {
        let judged = Err(BadPlan("not judged".to_owned()));
        WatchView { plan, samples: Vec::new(), verdict: None, judged, against: None }
    }

    /// Takes an entry of the journal. A watch that begins once more, after the run was resumed, begins anew.
    pub(super) fn take(&mut self, at: Stamp, event: &'a Event) {
        match event {
            Event::StageStarted { stage: Stage::Watch, .. } => {
                self.samples.clear();
                self.verdict = None;
            }
            Event::WatchSampled(sample) => self.samples.push((at, sample)),
            Event::WatchEnded(verdict) => self.verdict = Some(verdict),
            _ => {}
        }
    }

    /// Judges the samples again, and holds what was recorded against that.
    pub(super) fn conclude(&mut self) {
        self.judged = judge(self.plan, self.samples.iter().map(|(_, sample)| *sample), self.verdict);
        self.against = contradiction(self.verdict, &self.judged);
    }

    /// Where the recorded verdict is not the one that the samples give: both, in one line.
    pub fn contradiction(&self) -> Option<&str> {
        self.against.as_deref()
    }

    /// What stands against the run. In a cutover a watch that is not passed is told by its stage.
    pub(super) fn against(&self, started: &RunStarted) -> Option<&str> {
        let alone = started.switch.is_none();
        match (self.contradiction(), self.verdict) {
            (Some(contradiction), _) if alone || self.judged.is_ok() => Some(contradiction),
            (_, None) if alone => Some("the watch has no verdict"),
            (_, Some(verdict)) if alone && verdict.verdict != Verdict::Passed => {
                Some(if verdict.reason.is_empty() { "the watch is not passed" } else { &verdict.reason })
            }
            _ => None,
        }
    }
}

/// Judges samples by a plan. They end where the recorded verdict says; without one with the last sample.
fn judge<'a>(
    plan: &WatchPlan,
    samples: impl Iterator<Item = &'a WatchSample>,
    recorded: Option<&WatchVerdict>,
) -> Result<WatchVerdict, BadPlan> {
    let mut judge = Judge::new(plan)?;
    let mut last = 0.0;
    for sample in samples {
        judge.take(sample);
        last = sample.at_ms;
    }
    Ok(judge.verdict(recorded.map_or(last, |recorded| recorded.watched_ms)))
}

fn contradiction(recorded: Option<&WatchVerdict>, judged: &Result<WatchVerdict, BadPlan>) -> Option<String> {
    let recorded = recorded?;
    let in_words = |verdict: &WatchVerdict| match verdict.reason.as_str() {
        "" => verdict.verdict.to_string(),
        reason => format!("{} ({reason})", verdict.verdict),
    };
    match judged {
        Ok(judged) if judged == recorded => None,
        Ok(judged) if judged.verdict == recorded.verdict && judged.reason == recorded.reason => {
            Some(format!(
                "the watch is recorded with other counts than its samples give, both as {}",
                in_words(judged)
            ))
        }
        Ok(judged) => Some(format!(
            "the watch is recorded as {}, and its samples give {}",
            in_words(recorded),
            in_words(judged)
        )),
        Err(fault) => Some(format!(
            "the watch is recorded as {}, and its plan cannot be judged: {fault}",
            in_words(recorded)
        )),
    }
}

/// `watch.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchFile {
    projection: String,
    version: u32,
    /// The run.
    pub run: RunId,
    /// Its environment.
    pub environment: String,
    /// By how much the watch is shorter than the template says that it should be: 1 where it is not.
    pub compressed: f64,
    /// How many samples there are.
    pub samples: usize,
    /// What came of it; null where the run was cut off.
    pub verdict: Option<WatchVerdict>,
    /// What was watched.
    pub plan: WatchPlan,
}

/// A watch that is read back from its files, or from a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The run.
    pub run: RunId,
    /// Its environment.
    pub environment: String,
    /// What was watched.
    pub plan: WatchPlan,
    /// The samples in their order.
    pub samples: Vec<WatchSample>,
    /// What was said to have come of it.
    pub verdict: Option<WatchVerdict>,
}

/// Why a series can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The plan's file.
    #[error("{PLAN}: expected the plan of a watch: {0}")]
    Plan(serde_json::Error),
    /// Written by another cutproof.
    #[error("{PLAN} has version {0}, and this cutproof reads version {VERSION}: use the one that wrote it")]
    Version(u32),
    /// The series' file.
    #[error("{SERIES}: {0}")]
    Series(#[from] SeriesFault),
    /// The two files do not fit each other.
    #[error("{SERIES} has {seen} samples, and {PLAN} says {expected}: rows were removed or added")]
    Samples {
        /// As `watch.json` says.
        expected: usize,
        /// As there are.
        seen: usize,
    },
    /// A run without a watch.
    #[error("run {0} has no watch")]
    NoWatch(RunId),
}

impl Recorded {
    /// From the texts of `watch.csv` and `watch.json`.
    ///
    /// # Errors
    /// A file that is none of ours, with the line at fault.
    pub fn of_files(series: &str, plan: &str) -> Result<Recorded, ReplayError> {
        let file: WatchFile = serde_json::from_str(plan).map_err(ReplayError::Plan)?;
        if file.version != VERSION || file.projection != "watch" {
            return Err(ReplayError::Version(file.version));
        }
        let samples = rows::read(series)?;
        if samples.len() != file.samples {
            return Err(ReplayError::Samples { expected: file.samples, seen: samples.len() });
        }
        let WatchFile { run, environment, plan, verdict, .. } = file;
        Ok(Recorded { run, environment, plan, samples, verdict })
    }

    /// From a journal.
    ///
    /// # Errors
    /// The run has no watch.
    pub fn of_run(run: &RunView<'_>) -> Result<Recorded, ReplayError> {
        let name = run.started.run.clone();
        let watch = run.watch.as_ref().ok_or_else(|| ReplayError::NoWatch(name.clone()))?;
        Ok(Recorded {
            run: name,
            environment: run.started.environment.clone(),
            plan: watch.plan.clone(),
            samples: watch.samples.iter().map(|(_, sample)| (*sample).clone()).collect(),
            verdict: watch.verdict.cloned(),
        })
    }

    /// Judges the samples again.
    ///
    /// # Errors
    /// A plan that can't be judged.
    pub fn judge(&self) -> Result<WatchVerdict, BadPlan> {
        judge(&self.plan, self.samples.iter(), self.verdict.as_ref())
    }

    /// Where the recorded verdict is not this one: both, in one line.
    pub fn contradiction(&self, judged: &WatchVerdict) -> Option<String> {
        contradiction(self.verdict.as_ref(), &Ok(judged.clone()))
    }
}

/// The rows of a series' file as cells, each with the line that it begins in.
///
/// # Errors
/// A file that is no CSV.
pub fn cells(series: &str) -> Result<Vec<(usize, Vec<String>)>, SeriesFault> {
    csv::lines(series).map_err(|csv::Fault { line, what }| SeriesFault { line, what: what.to_owned() })
}

/// The watch's files; none of a run that watched nothing.
pub(super) fn documents(run: &RunView<'_>) -> Result<Vec<Document>, ProjectionError> {
    let Some(watch) = &run.watch else { return Ok(Vec::new()) };
    if watch.samples.is_empty() && watch.verdict.is_none() {
        return Ok(Vec::new());
    }
    let file = WatchFile {
        projection: "watch".to_owned(),
        version: VERSION,
        run: run.started.run.clone(),
        environment: run.started.environment.clone(),
        compressed: (watch.plan.planned_ms / watch.plan.duration_ms).max(1.0),
        samples: watch.samples.len(),
        verdict: watch.verdict.cloned(),
        plan: watch.plan.clone(),
    };
    let mut json = serde_json::to_vec_pretty(&file).map_err(ProjectionError::Watch)?;
    json.push(b'\n');
    let series = rows::write(watch).into_bytes();
    Ok(vec![
        Document { name: SERIES.to_owned(), bytes: series },
        Document { name: PLAN.to_owned(), bytes: json },
    ])
}
