//! Judges a watch: a pure function of its plan and its samples in their order, so that what was judged live can be
//! judged again from a journal or a file, with the same verdict. It reads no clock, file or network.
//!
//! Limits mean what they mean in an Argo Rollouts AnalysisTemplate (`failureLimit`, `inconclusiveLimit`,
//! `consecutiveErrorLimit`, `initialDelay`; analysis/analysis.go in argoproj/argo-rollouts): a metric is failed by
//! *more* failures than its limit, and an error in a row is ended by any sample that is none. Two things differ. A
//! limit that is passed does not end the watch, since the trigger must still be seen. And a tick of which there is no
//! sample at all is an error: what was left out of a series makes nothing green.

mod metric;
mod trigger;

/// The first two reasons; where a core does not answer, all its metrics have the same.
fn short(reasons: &[String]) -> String {
    const TOLD: usize = 2;
    let mut text = reasons.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more: Vec<_> = reasons.iter().skip(TOLD).filter_map(|reason| reason.split(' ').next()).collect();
    if !more.is_empty() {
        text.push_str(&format!("; likewise {}", more.join(", ")));
    }
    text
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::condition::{Condition, Sample};
use crate::model::units::Quantity;
use crate::model::watch::{MetricCounts, OnNoData, WatchMetric, WatchPlan, WatchSample, WatchVerdict};
use crate::model::{Reading, Verdict};
use metric::{Passed, Tally};
use std::collections::BTreeMap;
use std::time::Duration;
use trigger::Trigger;

pub use metric::State;

/// How many intervals a `for` bridges in which nothing is known: three lost samples, with room for a late one.
const BRIDGED: f64 = 3.5;

/// Judges samples as they come in.
#[derive(Debug, Clone)]
pub struct Judge {
    plan: WatchPlan,
    places: BTreeMap<String, usize>,
    latest: Vec<Latest>,
    tallies: Vec<Tally>,
    trigger: Option<Trigger>,
    /// Each source's next tick.
    next: BTreeMap<String, u64>,
    now: Duration,
    rollback: Option<String>,
}

/// A plan that can't be judged: a condition that can't be read or names what nobody measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPlan(pub String);

/// What a sample meant for each metric of its source, in the plan's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// The metrics.
    pub metrics: Vec<MetricLook>,
    /// Why the new core must be rolled back, at the sample by which it must.
    pub rollback: Option<String>,
}

/// What a sample meant for one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricLook {
    /// Its place in the plan.
    pub place: usize,
    /// What it is counted as.
    pub state: State,
    /// Why: what was expected and seen; empty where it is as expected.
    pub detail: String,
}

/// What is known of a metric at a moment.
#[derive(Debug, Clone, Default)]
enum Latest {
    /// Nothing was heard of it yet that counts.
    #[default]
    Unheard,
    /// It could not be had so far.
    Lost,
    /// Its last reading, and when that was.
    Read(Reading, Duration),
}

impl Judge {
    /// A judge that has seen nothing yet.
    ///
    /// # Errors
    /// [`BadPlan`].
    pub fn new(plan: &WatchPlan) -> Result<Judge, BadPlan> {
        let places = places(plan)?;
        let known = |text: &str, whose: &str| {
            let condition = Condition::parse(text).map_err(|error| BadPlan(format!("{whose}: {error}")))?;
            match condition.names().iter().find(|used| !places.contains_key(used.name)) {
                None => Ok(condition),
                Some(used) => {
                    Err(BadPlan(format!("{whose}: no metric of the watch is called `{}`", used.name)))
                }
            }
        };
        let bridge = duration(plan.interval_ms * BRIDGED);
        let tally = |metric: &WatchMetric| {
            let expect = metric.expect.as_deref();
            let expect = expect.map(|text| known(text, &format!("metric `{}`", metric.name))).transpose()?;
            Ok(Tally::new(expect, bridge))
        };
        let tallies = plan.metrics.iter().map(tally).collect::<Result<Vec<_>, BadPlan>>()?;
        let trigger = match plan.trigger.trim() {
            "" => None,
            text => Some(Trigger::new(known(text, "the trigger")?, bridge)),
        };
        if let Some(key) = plan.monitor_keys.iter().find(|key| !places.contains_key(*key)) {
            return Err(BadPlan(format!("MONITOR_KEYS: no metric of the watch is called `{key}`")));
        }
        let latest = vec![Latest::default(); tallies.len()];
        let (plan, next, now) = (plan.clone(), BTreeMap::new(), Duration::ZERO);
        Ok(Judge { plan, places, latest, tallies, trigger, next, now, rollback: None })
    }

    /// Takes a sample. Gives why the new core must be rolled back, once, at the sample by which it must.
    pub fn take(&mut self, sample: &WatchSample) -> Option<String> {
        self.look(sample).rollback
    }

    /// Takes a sample, and says what it meant for each metric of its source.
    pub fn look(&mut self, sample: &WatchSample) -> Look {
        // What is journaled is in order; a file may say anything.
        self.now = self.now.max(duration(sample.at_ms));
        let mine = self.metrics_of(&sample.source);
        self.count_missing(&mine, sample);
        for place in &mine {
            self.hear(*place, sample);
        }
        let metrics: Vec<_> = mine.into_iter().map(|place| self.judge(place, sample)).collect();
        let rollback = self.rolls_back(&metrics, sample).filter(|_| self.rollback.is_none());
        self.rollback = self.rollback.take().or_else(|| rollback.clone());
        Look { metrics, rollback }
    }

    /// What came of the watch, when it has lasted for so long. One that ended before its time is not passed.
    pub fn verdict(&self, watched_ms: f64) -> WatchVerdict {
        let mut tallies = self.tallies.clone();
        if self.rollback.is_none() {
            self.count_missing_at_the_end(&mut tallies, watched_ms);
        }
        let against = self.against(&tallies, watched_ms);
        let verdict = against.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Passed);
        let worst = against.into_iter().filter(|(one, _)| *one == verdict).map(|(_, reason)| reason);
        let worst: Vec<_> = worst.collect();
        WatchVerdict {
            verdict,
            reason: short(&worst),
            rollback: self.rollback.clone(),
            watched_ms,
            metrics: self.counts(&tallies),
        }
    }

    /// What was counted so far, in the plan's order.
    pub fn counted(&self) -> Vec<MetricCounts> {
        self.counts(&self.tallies)
    }

    fn counts(&self, tallies: &[Tally]) -> Vec<MetricCounts> {
        self.plan.metrics.iter().zip(tallies).map(|(metric, tally)| tally.counts(&metric.name)).collect()
    }

    /// The places of a source's metrics.
    fn metrics_of(&self, source: &str) -> Vec<usize> {
        let metrics = self.plan.metrics.iter().enumerate();
        metrics.filter(|(_, metric)| metric.source == source).map(|(place, _)| place).collect()
    }

    /// Ticks between the last sample of this source and this one, of which there is none.
    fn count_missing(&mut self, mine: &[usize], sample: &WatchSample) {
        let next = self.next.entry(sample.source.clone()).or_default();
        let (from, to) = (*next, sample.tick);
        *next = (*next).max(sample.tick.saturating_add(1));
        for place in mine {
            let (metric, tally) = (&self.plan.metrics[*place], &mut self.tallies[*place]);
            if miss(&self.plan, metric, tally, from, to) {
                self.latest[*place].lose();
            }
        }
    }

    /// Ticks that were over when the watch ended, and of which there is no sample.
    fn count_missing_at_the_end(&self, tallies: &mut [Tally], watched_ms: f64) {
        // A cast saturates, and takes what is no number for 0.
        let over = (watched_ms.min(self.plan.duration_ms) / self.plan.interval_ms).floor() as u64;
        for (metric, tally) in self.plan.metrics.iter().zip(tallies) {
            let next = self.next.get(&metric.source).copied().unwrap_or(0);
            miss(&self.plan, metric, tally, next, over);
        }
    }

    /// Takes note of what a sample says of a metric.
    fn hear(&mut self, place: usize, sample: &WatchSample) {
        let metric = &self.plan.metrics[place];
        if warming_up(&self.plan, metric, sample.tick) {
            return;
        }
        match &sample.error {
            Some(_) => self.latest[place].lose(),
            None => {
                let reading = sample.readings.get(&metric.name).cloned().unwrap_or(Reading::Missing);
                self.latest[place] = Latest::Read(reading, self.now);
            }
        }
    }

    fn judge(&mut self, place: usize, sample: &WatchSample) -> MetricLook {
        let (metric, now, max_age) = (&self.plan.metrics[place], self.now, self.max_age());
        let (places, latest) = (&self.places, &self.latest);
        let known = |name: &str| match places.get(name) {
            Some(place) => latest[*place].at(now, max_age, Sample::Missing),
            None => Sample::Missing,
        };
        let tally = &mut self.tallies[place];
        let (state, detail) = match (&sample.error, &latest[place]) {
            _ if warming_up(&self.plan, metric, sample.tick) => (State::Warmup, String::new()),
            (None, Latest::Read(reading, _)) => {
                let bound = sample.at_least.contains(&metric.name);
                tally.read(metric, reading, bound, now, &known)
            }
            (error, _) => tally.fail_to_read(metric, error.as_deref().unwrap_or("nothing was read"), 1),
        };
        MetricLook { place, state, detail }
    }

    fn max_age(&self) -> Duration {
        duration(self.plan.max_age_ms)
    }

    /// Why the core must be rolled back now.
    fn rolls_back(&mut self, looks: &[MetricLook], sample: &WatchSample) -> Option<String> {
        let at =
            format!("at {:.3} s (tick {} of source {})", self.now.as_secs_f64(), sample.tick, sample.source);
        let (places, latest, now, max_age) = (&self.places, &self.latest, self.now, self.max_age());
        let known = |name: &str, unheard: Sample| match places.get(name) {
            Some(place) => latest[*place].at(now, max_age, unheard),
            None => Sample::Missing,
        };
        if let Some(trigger) = &mut self.trigger
            && let Some(held) = trigger.look(now, &known)
        {
            return Some(format!("trigger {}: {held}; {at}", trigger.condition()));
        }
        let rolls = |place: usize| {
            let (metric, tally) = (&self.plan.metrics[place], &self.tallies[place]);
            let no_data = tally.passed().iter().find(|passed| passed.is_no_data());
            no_data.filter(|_| metric.on_no_data == OnNoData::Rollback).map(|passed| {
                format!("{}, and on_no_data = \"rollback\"; {at}", passed.explain(metric, tally))
            })
        };
        looks.iter().find_map(|look| rolls(look.place))
    }

    /// What stands against the watch.
    fn against(&self, tallies: &[Tally], watched_ms: f64) -> Vec<(Verdict, String)> {
        let mut against = Vec::new();
        if let Some(rollback) = &self.rollback {
            return vec![(Verdict::Failed, rollback.clone())];
        }
        if !matches!(
            watched_ms.partial_cmp(&self.plan.duration_ms),
            Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater)
        ) {
            let (watched, planned) = (watched_ms / 1e3, self.plan.duration_ms / 1e3);
            let ended = format!("it ended after {watched:.1} s of {planned:.1} s");
            against.push((Verdict::Inconclusive, ended));
        }
        if self.plan.metrics.is_empty() {
            against.push((Verdict::Inconclusive, "nothing was measured".to_owned()));
        }
        for (metric, tally) in self.plan.metrics.iter().zip(tallies) {
            let known = against.len();
            against.extend(tally.passed().iter().map(|passed| {
                let verdict = match (passed, metric.on_no_data) {
                    (Passed::Failures, _) | (_, OnNoData::Fail | OnNoData::Rollback) => Verdict::Failed,
                    (Passed::Errors, OnNoData::Hold) => Verdict::Error,
                    (Passed::Inconclusive, OnNoData::Hold) => Verdict::Inconclusive,
                };
                (verdict, passed.explain(metric, tally))
            }));
            if against.len() == known {
                against.extend(tally.never_read(metric).map(|why| (Verdict::Inconclusive, why)));
            }
        }
        against
    }
}

impl Latest {
    /// A sample that is an error takes nothing away from what was read before: that has its age.
    fn lose(&mut self) {
        if matches!(self, Latest::Unheard) {
            *self = Latest::Lost;
        }
    }

    fn at(&self, now: Duration, max_age: Duration, unheard: Sample) -> Sample {
        match self {
            Latest::Unheard => unheard,
            Latest::Read(reading, at) if now.saturating_sub(*at) <= max_age => Sample::from(reading),
            Latest::Lost | Latest::Read(..) => Sample::Missing,
        }
    }
}

/// The metrics by name; also checks what the plan is made of.
fn places(plan: &WatchPlan) -> Result<BTreeMap<String, usize>, BadPlan> {
    let times = [
        ("the watch's duration", plan.duration_ms),
        ("the interval", plan.interval_ms),
        ("the greatest age of a value", plan.max_age_ms),
    ];
    if let Some((what, ms)) = times.into_iter().find(|(_, ms)| !(ms.is_finite() && *ms > 0.0)) {
        return Err(BadPlan(format!("{what}: expected a time above zero, seen {ms} ms")));
    }
    let mut places = BTreeMap::new();
    for (place, metric) in plan.metrics.iter().enumerate() {
        if places.insert(metric.name.clone(), place).is_some() {
            return Err(BadPlan(format!("two metrics of the watch are called `{}`", metric.name)));
        }
        if !plan.sources.iter().any(|source| source.name == metric.source) {
            let (name, source) = (&metric.name, &metric.source);
            return Err(BadPlan(format!("metric `{name}`: there is no source `{source}`")));
        }
    }
    Ok(places)
}

/// Whether a metric's sample of this tick counts for nothing yet. A tick counts by when it was due, so that a slow
/// answer does not decide it.
fn warming_up(plan: &WatchPlan, metric: &WatchMetric, tick: u64) -> bool {
    (tick as f64) * plan.interval_ms < metric.warmup_ms
}

/// Counts ticks that have no sample; whether any of them counted.
fn miss(plan: &WatchPlan, metric: &WatchMetric, tally: &mut Tally, from: u64, to: u64) -> bool {
    let counted = (metric.warmup_ms / plan.interval_ms).ceil() as u64;
    let missing = to.saturating_sub(from.max(counted));
    if missing > 0 {
        tally.fail_to_read(metric, "ticks without a sample", missing);
    }
    missing > 0
}

/// Milliseconds as a duration; what is none is zero.
fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

/// A reading as people read it.
pub fn shown(reading: &Reading) -> String {
    match reading {
        Reading::Number { value, unit } => Quantity::new(six_digits(*value), *unit).to_string(),
        Reading::Text { value } => format!("{value:?}"),
        Reading::Bool { value } => value.to_string(),
        Reading::NoEvents => "no events".to_owned(),
        Reading::Missing => "missing".to_owned(),
    }
}

/// A number as precise as people read it.
fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
