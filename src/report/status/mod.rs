//! Where a run stands, for whoever looks while it goes on or after it was killed: gathered from the entries that its
//! journal has so far. Pure; it reads no clock and no file, and nothing in it is evidence.

mod gather;
mod lines;
mod text;

pub use lines::line;
pub use text::{now_line, text};

use crate::evidence::Outcome;
use crate::model::event::StepStatus;
use crate::model::switch::{Resumed, Sequence, Stage};
use crate::model::{GateId, RunId, Stamp, Verdict};
use serde::Serialize;

/// The version of the status as JSON.
pub const VERSION: u32 = 1;

/// Whether a run's process lives, as whoever looks found it before reading the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It has the journal open.
    Lives,
    /// Nobody has.
    Gone,
    /// That can't be told here, and why.
    Unknown(String),
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Running,
    /// It ended in order.
    Ended,
    /// Its process is gone, and it has no end.
    Killed,
    /// It has no end, and whether it goes on can't be told here.
    Unknown,
}

/// Where a run stands. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// Its verb.
    pub verb: String,
    /// Its environment.
    pub environment: String,
    /// The machine.
    pub host: String,
    /// Nothing is touched.
    pub dry_run: bool,
    /// What it is doing.
    pub state: State,
    /// What it is worth, where it has ended.
    pub outcome: Option<Outcome>,
    /// What stands against it, where it has ended; why its state is not known.
    pub reasons: Vec<String>,
    /// When it began.
    pub started: Stamp,
    /// When its last entry was written.
    pub last_entry: Stamp,
    /// How many entries it has.
    pub entries: usize,
    /// How long it has run, or ran.
    pub elapsed_ms: f64,
    /// The stages of a cutover or rollback, in order.
    pub stages: Vec<StageStatus>,
    /// The steps of a cutover and of its rollback, in order.
    pub steps: Vec<StepStanding>,
    /// The gates of the run, in order, without those that were not selected.
    pub gates: Vec<GateStatus>,
    /// The rollback's time, once it has begun.
    pub rollback: Option<RollbackTime>,
    /// The watch, once it has begun.
    pub watch: Option<WatchStatus>,
    /// By what it was told to end early.
    pub interrupted: Option<String>,
    /// How it went on after it was killed.
    pub resumed: Vec<Resumed>,
    /// What was worth knowing.
    pub warnings: Vec<String>,
    /// Limits that were passed.
    pub alarms: Vec<String>,
}

/// How far a part of a run has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Progress {
    /// Not begun.
    NotBegun,
    /// It goes on.
    Running {
        /// For how long.
        for_ms: f64,
    },
    /// It began and has no end, and the run is over: it may have done its work or not.
    CutOff {
        /// When it began.
        since: Stamp,
    },
    /// It ended.
    Ended {
        /// What came of it: a verdict, or a step's status.
        result: &'static str,
        /// Whether that is as it should be.
        good: bool,
        /// How long it took.
        duration_ms: f64,
        /// Why; empty for a plain pass.
        reason: String,
    },
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageStatus {
    /// Which.
    pub stage: Stage,
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
}

/// A step of a cutover or rollback.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepStanding {
    /// Of which sequence.
    pub sequence: Sequence,
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// How long it may take.
    pub timeout_ms: f64,
    /// Its exit code, where it ended.
    pub exit_code: Option<i32>,
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateStatus {
    /// Its name.
    pub id: GateId,
    /// Whether it counts.
    pub required: bool,
    /// Its step that began last, where it has steps: name, and its status where it ended.
    pub step: Option<(String, Option<StepStatus>)>,
    /// The attempts after which it was tried again, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptStatus>,
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
}

/// An attempt of a gate, after which it was tried again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptStatus {
    /// From 1.
    pub number: u32,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// How long it took.
    pub duration_ms: f64,
}

/// The rollback's time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RollbackTime {
    /// How long it may take.
    pub limit_ms: f64,
    /// How long it has taken.
    pub used_ms: f64,
    /// What is left; below 0 where it is over its limit.
    pub left_ms: f64,
}

/// A watch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WatchStatus {
    /// How long it lasts.
    pub duration_ms: f64,
    /// How long it has lasted.
    pub watched_ms: f64,
    /// How many samples there are.
    pub samples: usize,
    /// What came of it, where it ended.
    pub verdict: Option<Verdict>,
    /// The plan's metrics, in order.
    pub metrics: Vec<MetricStatus>,
}

/// A metric's last value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricStatus {
    /// Its name.
    pub name: String,
    /// The last value, as people read it; none where there was none yet.
    pub value: Option<String>,
    /// How old that is.
    pub age_ms: Option<f64>,
    /// Why its source did not answer the last time, where it did not.
    pub error: Option<String>,
}

impl Status {
    /// Whether nothing speaks against the run: it goes on, or it ended and is fine.
    pub fn is_fine(&self) -> bool {
        match self.state {
            State::Running => true,
            State::Ended => self.outcome.is_some_and(Outcome::is_fine),
            State::Killed | State::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests;
