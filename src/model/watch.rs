//! A watch as it was resolved from a profile and the templates, and its samples: all that is needed to judge it, now
//! or from a file years later.

use super::args::Args;
use super::gate::Position;
use super::observation::Reading;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a watch measures, for how long, and by what it is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchPlan {
    /// How long it lasts.
    pub duration_ms: f64,
    /// How long the template says that it should; where that is more, the watch is compressed (a rehearsal).
    pub planned_ms: f64,
    /// From one sample to the next.
    pub interval_ms: f64,
    /// How old a value may be for the trigger and for limits: above that it is missing.
    pub max_age_ms: f64,
    /// The condition that rolls back; empty where nothing does (a watch of its own).
    pub trigger: String,
    /// MONITOR_KEYS; each is a metric below.
    pub monitor_keys: Vec<String>,
    /// Where values come from, each asked once an interval.
    pub sources: Vec<WatchSource>,
    /// What is judged.
    pub metrics: Vec<WatchMetric>,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchSource {
    /// Its name.
    pub name: String,
    /// The probe that measures.
    pub probe: String,
    /// The probe's settings.
    #[serde(default, skip_serializing_if = "Args::is_empty")]
    pub with: Args,
    /// The services it measures.
    pub uses: Vec<String>,
    /// How long one sample may take.
    pub timeout_ms: f64,
    /// Where it stands.
    pub at: Position,
}

/// A watched metric and its limits, which mean what they mean in an Argo Rollouts AnalysisTemplate
/// (https://argo-rollouts.readthedocs.io/en/stable/features/analysis/).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchMetric {
    /// The name that conditions use.
    pub name: String,
    /// The source it comes from.
    pub source: String,
    /// The source's observation.
    pub value: String,
    /// What is expected of each sample: true is a success, false a failure, unknown inconclusive. A metric without
    /// is only recorded, and used by the trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// More failures than this fail the watch.
    pub failure_limit: u32,
    /// More inconclusive samples than this mean that there is no data.
    pub inconclusive_limit: u32,
    /// More errors in a row than this mean that there is no data.
    pub consecutive_error_limit: u32,
    /// Samples in this time after the watch's start are recorded, and count for nothing: neither limits nor trigger.
    pub warmup_ms: f64,
    /// What it means that there is no data.
    pub on_no_data: OnNoData,
    /// Whether it shows that the core is doing something: silence is not health.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub activity: bool,
    /// Where it stands.
    pub at: Position,
}

/// What it means that a metric has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// The watch goes on and ends inconclusive, or as an error where it could not be measured: never green.
    Hold,
    /// The watch fails.
    Fail,
    /// As if the trigger held.
    Rollback,
}

/// What one source said at one tick. The samples of a watch, in the order of the journal, are all that its judge is
/// given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchSample {
    /// Which tick, from 0.
    pub tick: u64,
    /// Which source.
    pub source: String,
    /// When the answer was complete, from the watch's start.
    pub at_ms: f64,
    /// How long it took.
    pub took_ms: f64,
    /// The values by the metrics' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<String, Reading>,
    /// Metrics whose value is a bound that it is above, nobody knows how far: a quantile above the highest bucket.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub at_least: BTreeSet<String>,
    /// Why there are none: the source could not be asked, or did not answer in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What came of a watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchVerdict {
    /// The whole: passed, inconclusive, error or failed.
    pub verdict: super::verdict::Verdict,
    /// Why, in one line; empty for a plain pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Where the trigger held, or the lack of data rolls back: what did it, with values and the sample's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// How long it was watched.
    pub watched_ms: f64,
    /// Counts by metric, in the plan's order.
    pub metrics: Vec<MetricCounts>,
}

/// How often a metric was what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricCounts {
    /// Which metric.
    pub name: String,
    /// As expected, or only recorded.
    pub successful: u64,
    /// Not as expected.
    pub failed: u64,
    /// No data to judge.
    pub inconclusive: u64,
    /// Not measured.
    pub errors: u64,
    /// The last value, as people read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last: String,
}
