//! What a profile says about a cutover: its templates, steps, switch gate, watch and readiness. Only the checked
//! settings; they are read and checked beside the gates.

use crate::condition::Condition;
use crate::model::readiness::SliSource;
use crate::model::watch::OnNoData;
use crate::model::{Args, Position};
use crate::probe::Probe;
use std::fmt;
use std::time::Duration;

/// `[cutover]`
#[derive(Debug, Clone, PartialEq)]
pub struct CutoverSettings {
    /// The cutover template's path.
    pub cutover_template: Option<String>,
    /// The rollback template's path.
    pub rollback_template: Option<String>,
    /// Whether a cutover outside its window is an error.
    pub enforce_window: bool,
    /// How long a step may take that does not say otherwise.
    pub step_timeout: Duration,
    /// How long the watch lasts in a rehearsal.
    pub rehearsal_watch: Duration,
    /// Where it stands.
    pub at: Position,
}

/// Something that is measured outside of gates: a probe with its settings.
#[derive(Clone)]
pub struct Measure {
    /// What measures.
    pub probe: &'static dyn Probe,
    /// Its settings.
    pub with: Args,
    /// The services.
    pub uses: Vec<String>,
    /// How long one measurement may take.
    pub timeout: Duration,
    /// Where it stands.
    pub at: Position,
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measure")
            .field("probe", &self.probe.name())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// `[[step]]`: what a template cannot say about a step.
#[derive(Debug, Clone)]
pub struct StepSettings {
    /// One of the seventeen.
    pub name: String,
    /// How long it may take; the sequence's default where it is absent.
    pub timeout: Option<Duration>,
    /// A server in the foreground, which is left running.
    pub background: bool,
    /// By what a background step is ready.
    pub ready: Option<Ready>,
    /// Where it stands.
    pub at: Position,
}

/// `ready = "CONDITION"` with what it is measured by.
#[derive(Debug, Clone)]
pub struct Ready {
    /// What must hold.
    pub condition: Condition,
    /// What measures.
    pub measure: Measure,
}

/// `[switch]`: login, settlement, instruments.
#[derive(Debug, Clone)]
pub struct SwitchGate {
    /// What measures the marks that are values; none where all come from the output of WARMUP_QUERY_CMD.
    pub measure: Option<Measure>,
    /// Login, settlement, instruments, in this order.
    pub marks: Vec<Mark>,
    /// Where it stands.
    pub at: Position,
}

/// One mark of the switch gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// `login`, `settlement` or `instruments`.
    pub name: String,
    /// Where its time comes from.
    pub from: MarkSource,
    /// How long after the new core's start it may happen at the latest.
    pub within: Duration,
    /// Where it stands.
    pub at: Position,
}

/// Where a mark's time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkSource {
    /// An observation of `measure`: a time since 1970, as a number with its unit.
    Value(String),
    /// A regular expression with the group `at` on the output of WARMUP_QUERY_CMD: RFC 3339, or seconds since 1970.
    Output(String),
}

/// `[watch]`
#[derive(Debug, Clone)]
pub struct Watch {
    /// From one sample to the next.
    pub interval: Duration,
    /// How old a value may be.
    pub max_age: Duration,
    /// Where values come from: names and what measures.
    pub sources: Vec<(String, Measure)>,
    /// What is judged.
    pub metrics: Vec<Metric>,
    /// Where it stands.
    pub at: Position,
}

/// `[[watch.metric]]`; see [`crate::model::watch::WatchMetric`].
#[derive(Debug, Clone)]
pub struct Metric {
    /// The name that conditions use.
    pub name: String,
    /// Its source.
    pub source: String,
    /// The source's observation.
    pub value: String,
    /// What is expected of each sample.
    pub expect: Option<Condition>,
    /// More failures than this fail the watch.
    pub failure_limit: u32,
    /// More inconclusive samples than this mean no data.
    pub inconclusive_limit: u32,
    /// More errors in a row than this mean no data.
    pub consecutive_error_limit: u32,
    /// Samples before this count for nothing.
    pub warmup: Duration,
    /// What no data means.
    pub on_no_data: OnNoData,
    /// It shows that the core is doing something.
    pub activity: bool,
    /// Where it stands.
    pub at: Position,
}

/// `[readiness]`
#[derive(Debug, Clone, PartialEq)]
pub struct Readiness {
    /// The service's name in the evidence.
    pub service: String,
    /// The levels that are measured, by name, with where from and the target where the profile sets one.
    pub slis: Vec<Sli>,
}

/// `[[readiness.sli]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Sli {
    /// One of the ten.
    pub name: String,
    /// Which gate measures it.
    pub from: SliSource,
    /// Its target, where it is another than the contract's.
    pub target: Option<f64>,
}
