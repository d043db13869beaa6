//! The watched metrics: a chart each with its limits, the breach, and where there was no data; and the same in words.

use super::said::{REASON, VALUE, lasting_ms, many, tidy};
use super::series::{Looked, Series};
use super::{Said, Sources, said};
use crate::condition::Condition;
use crate::evidence::RunView;
use crate::evidence::watch::WatchView;
use crate::model::Verdict;
use crate::model::units::Unit;
use crate::model::watch::{WatchMetric, WatchPlan};
use crate::watch::{Judge, State};
use std::collections::BTreeMap;

/// So many metrics are drawn.
const MOST: usize = 24;

/// A watch.
#[derive(Debug)]
pub(in crate::report) struct Watch {
    pub run: Said,
    /// How it went, in a sentence of ours.
    pub told: String,
    pub verdict: Option<Verdict>,
    pub reason: Said,
    pub trigger: Said,
    pub charts: Vec<Chart>,
    /// How many more metrics there are.
    pub left_out: usize,
}

/// A metric.
#[derive(Debug)]
pub(in crate::report) struct Chart {
    pub name: Said,
    /// What is expected of each sample; empty where it is only recorded.
    pub expect: Said,
    /// The unit's name; empty where there is none.
    pub unit: &'static str,
    pub series: Series,
    pub limits: Vec<Limit>,
    /// When the core had to be rolled back, in milliseconds from the watch's start.
    pub breach_ms: Option<f64>,
    /// How long is drawn: more than 0.
    pub spans_ms: f64,
    /// What was counted, what was the lowest and highest, and what was lost, in a sentence of ours.
    pub told: String,
    pub last: Said,
    pub texts: Vec<Said>,
    pub state: ChartState,
}

/// What is made of a metric; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum ChartState {
    /// All samples are as expected.
    Good,
    /// Nothing is expected of it.
    Recorded,
    /// Samples without data, or none for a while.
    NoData,
    /// The plan can't be judged.
    NotJudged,
    /// Samples that are not as expected.
    Failed,
    /// The core had to be rolled back because of it.
    Breached,
}

impl ChartState {
    pub fn as_str(self) -> &'static str {
        match self {
            ChartState::Good => "good",
            ChartState::Recorded => "only recorded",
            ChartState::NoData => "no data at times",
            ChartState::NotJudged => "not judged",
            ChartState::Failed => "failed",
            ChartState::Breached => "breached",
        }
    }
}

/// A line that must not be crossed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Limit {
    pub value: f64,
    /// What it is of: `limit` of the metric itself or `trigger`.
    pub of: &'static str,
}

pub(super) fn gather(sources: &Sources<'_>) -> Vec<Watch> {
    sources.views().filter_map(|run| Some(watch(run, run.watch.as_ref()?))).collect()
}

/// What the judge makes of the samples, told once more.
struct Judged<'a> {
    /// By metric's place in the plan.
    looked: Vec<Vec<Looked<'a>>>,
    /// When it had to be rolled back, and why.
    breach: Option<(f64, String)>,
}

fn judged<'a>(view: &WatchView<'a>) -> Judged<'a> {
    let mut judge = Judge::new(view.plan).ok();
    let mut by_source: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, metric) in view.plan.metrics.iter().enumerate() {
        by_source.entry(&metric.source).or_default().push(place);
    }
    let mut judged = Judged { looked: vec![Vec::new(); view.plan.metrics.len()], breach: None };
    for (_, sample) in &view.samples {
        let look = judge.as_mut().map(|judge| judge.look(sample));
        let states: BTreeMap<usize, State> =
            look.iter().flat_map(|look| &look.metrics).map(|metric| (metric.place, metric.state)).collect();
        for place in by_source.get(sample.source.as_str()).into_iter().flatten() {
            judged.looked[*place].push((sample, states.get(place).copied()));
        }
        if let Some(why) = look.and_then(|look| look.rollback) {
            judged.breach = Some((sample.at_ms, why));
        }
    }
    judged
}

fn watch(run: &RunView<'_>, view: &WatchView<'_>) -> Watch {
    let plan = view.plan;
    let judged = judged(view);
    let places = shown(plan);
    let verdict = view.verdict.map(|verdict| verdict.verdict);
    let reason = view.contradiction().or(view.verdict.map(|verdict| verdict.reason.as_str())).unwrap_or("");
    Watch {
        run: said(run.started.run.as_str(), VALUE),
        told: told(view),
        verdict,
        reason: said(reason, REASON),
        trigger: said(&plan.trigger, REASON),
        charts: places.iter().take(MOST).map(|place| chart(view, &judged, *place)).collect(),
        left_out: places.len().saturating_sub(MOST),
    }
}

/// The places of the metrics in the plan, MONITOR_KEYS first.
fn shown(plan: &WatchPlan) -> Vec<usize> {
    let place = |name: &String| plan.metrics.iter().position(|metric| metric.name == *name);
    let mut places: Vec<usize> = plan.monitor_keys.iter().filter_map(place).collect();
    for other in 0..plan.metrics.len() {
        if !places.contains(&other) {
            places.push(other);
        }
    }
    places
}

fn told(view: &WatchView<'_>) -> String {
    let plan = view.plan;
    let verdict = view.verdict.map_or("no verdict", |verdict| verdict.verdict.as_str());
    let watched = view.verdict.map_or(0.0, |verdict| verdict.watched_ms);
    let compressed = match plan.planned_ms > 1.001 * plan.duration_ms {
        true => format!(", shortened from {}", lasting_ms(plan.planned_ms)),
        false => String::new(),
    };
    let (watched, lasts, every) =
        (lasting_ms(watched), lasting_ms(plan.duration_ms), lasting_ms(plan.interval_ms));
    let back =
        if view.verdict.is_some_and(|verdict| verdict.rollback.is_some()) { " It rolled back." } else { "" };
    format!("{verdict}: {watched} of {lasts}{compressed}, a sample every {every}.{back}")
}

fn chart(view: &WatchView<'_>, judged: &Judged<'_>, place: usize) -> Chart {
    let (plan, metric) = (view.plan, &view.plan.metrics[place]);
    let looked = &judged.looked[place];
    let watched = view.verdict.map(|verdict| verdict.watched_ms);
    let until = watched.unwrap_or_else(|| looked.last().map_or(0.0, |(sample, _)| sample.at_ms));
    let until = if until.is_finite() { until.max(1.0) } else { plan.duration_ms.max(1.0) };
    let series = Series::of(plan, metric, looked, until);
    let limits = limits(plan, metric, &series);
    let breached = judged.breach.as_ref().is_some_and(|(_, why)| held(plan, why).contains(&metric.name));
    let counts = judged_counts(view, place);
    let state = match view.judged.as_ref().ok().and_then(|judged| judged.metrics.get(place)) {
        _ if breached => ChartState::Breached,
        None => ChartState::NotJudged,
        Some(counts) if counts.failed > 0 => ChartState::Failed,
        Some(counts) if counts.inconclusive + counts.errors > 0 => ChartState::NoData,
        Some(_) if !series.gaps.is_empty() => ChartState::NoData,
        Some(_) if metric.expect.is_none() => ChartState::Recorded,
        Some(_) => ChartState::Good,
    };
    Chart {
        name: said(&metric.name, VALUE),
        expect: said(metric.expect.as_deref().unwrap_or(""), REASON),
        unit: unit(series.unit),
        breach_ms: judged.breach.as_ref().map(|(at, _)| at.clamp(0.0, until)),
        spans_ms: until,
        told: in_words(&series, counts.as_deref(), looked.len()),
        last: said(view.verdict.and_then(|verdict| last(verdict, &metric.name)).unwrap_or(""), VALUE),
        texts: series.texts.iter().map(|text| said(text, VALUE)).collect(),
        state,
        limits,
        series,
    }
}

fn last<'v>(verdict: &'v crate::model::watch::WatchVerdict, name: &str) -> Option<&'v str> {
    verdict.metrics.iter().find(|counts| counts.name == name).map(|counts| counts.last.as_str())
}

/// What rolled back, without the trigger itself, which names every metric.
fn held<'w>(plan: &WatchPlan, why: &'w str) -> &'w str {
    let trigger = Condition::parse(plan.trigger.trim()).map(|trigger| format!("trigger {trigger}: "));
    trigger.ok().and_then(|head| why.strip_prefix(&head)).unwrap_or(why)
}

/// The numbers that the metric is compared with, by its own limit and by the trigger.
fn limits(plan: &WatchPlan, metric: &WatchMetric, series: &Series) -> Vec<Limit> {
    let sources = [("trigger", Some(plan.trigger.trim())), ("limit", metric.expect.as_deref())];
    let mut limits: Vec<Limit> = Vec::new();
    for (of, text) in sources {
        let Some(condition) = text.and_then(|text| Condition::parse(text).ok()) else { continue };
        for (name, limit) in condition.thresholds() {
            let Some(value) = series.in_unit(limit).filter(|_| name == metric.name) else { continue };
            match limits.iter_mut().find(|limit| limit.value == value) {
                Some(limit) if limit.of != of => limit.of = "limit and trigger",
                Some(_) => {}
                None => limits.push(Limit { value, of }),
            }
        }
    }
    limits
}

/// What the samples count as: good, failed, without data, not measured. None where the plan can't be judged.
fn judged_counts(view: &WatchView<'_>, place: usize) -> Option<Vec<(u64, &'static str)>> {
    let counts = view.judged.as_ref().ok()?.metrics.get(place)?;
    let all = [
        (counts.successful, "good"),
        (counts.failed, "failed"),
        (counts.inconclusive, "without data"),
        (counts.errors, "not measured"),
    ];
    Some(all.into_iter().filter(|(count, what)| *count > 0 || *what == "good").collect())
}

fn in_words(series: &Series, counts: Option<&[(u64, &'static str)]>, samples: usize) -> String {
    let unit = unit(series.unit);
    let value = |value: f64| measure(value, unit);
    let mut parts = match counts {
        Some(counts) => counts.iter().map(|(count, what)| format!("{count} {what}")).collect(),
        None => vec![format!("{}, not judged", many(samples, "sample"))],
    };
    let by_value =
        |one: &&super::series::Point, other: &&super::series::Point| one.value.total_cmp(&other.value);
    if let (Some(low), Some(high)) = (series.points().min_by(by_value), series.points().max_by(by_value)) {
        parts.push(format!("lowest {}", value(low.value)));
        parts.push(format!("highest {} at {}", value(high.value), lasting_ms(high.at_ms)));
    }
    if series.bounds > 0 {
        parts.push(format!("{} only a lower bound", many(series.bounds, "value")));
    }
    if series.no_events > 0 {
        parts.push(format!("{} without events", many(series.no_events, "sample")));
    }
    if !series.gaps.is_empty() {
        let lost: f64 = series.gaps.iter().map(|(from, to)| to - from).sum();
        parts.push(format!("no data for {} in {}", lasting_ms(lost), many(series.gaps.len(), "gap")));
    }
    parts.join(", ")
}

/// A unit's name where it has one that people write.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None | Unit::Count | Unit::Ratio => "",
        unit => unit.name(),
    }
}

/// A value with its unit.
pub(in crate::report) fn measure(value: f64, unit: &str) -> String {
    if unit.is_empty() { tidy(value) } else { format!("{} {unit}", tidy(value)) }
}
