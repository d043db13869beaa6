//! What the templates ask to be watched, and whether the profile can: every key of MONITOR_KEYS and every name of the
//! trigger is a metric that some source gives.

use super::plan::{PlanError, Request};
use crate::condition::{Condition, MetricType};
use crate::model::MetricKind;
use crate::model::time::millis;
use crate::model::watch::{WatchMetric, WatchPlan, WatchSource};
use crate::profile::Profile;
use crate::profile::switch::{Measure, Metric, Watch};
use crate::template::{Cutover, Rollback};

/// The watch of a cutover; none without a profile, and then it is said.
///
/// # Errors
/// A profile that can't watch what the templates ask for.
pub fn plan(
    request: &Request<'_>,
    cutover: &Cutover,
    rollback: &Rollback,
    warnings: &mut Vec<String>,
) -> Result<Option<WatchPlan>, PlanError> {
    let trigger = Condition::parse(&rollback.trigger_condition.text);
    let Some(profile) = request.profile else {
        warnings.push(unwatched(cutover, rollback));
        return Ok(None);
    };
    let path = request.templates.rollback.file.path.as_str();
    let line = rollback.trigger_condition.line;
    let trigger = trigger.map_err(|error| {
        PlanError(format!("{path}:{line}: ROLLBACK_TRIGGER_CONDITION can't be read as a condition: {error}"))
    })?;
    let watch = profile.watch.as_ref().ok_or_else(|| {
        PlanError(format!(
            "{}: expected a [watch] that measures MONITOR_KEYS ({}) and the trigger, and there is none; add it, or \
             leave --profile out",
            name(profile),
            cutover.monitor_keys.join(", ")
        ))
    })?;
    keys_are_measured(profile, watch, cutover)?;
    if let Some(fault) = faults(watch, &trigger).first() {
        return Err(PlanError(format!("{path}:{line}: ROLLBACK_TRIGGER_CONDITION: {fault}")));
    }
    let planned = cutover.monitor.duration;
    Ok(Some(WatchPlan {
        duration_ms: millis(request.watch.unwrap_or(planned)),
        planned_ms: millis(planned),
        interval_ms: millis(watch.interval),
        max_age_ms: millis(watch.max_age),
        trigger: rollback.trigger_condition.text.clone(),
        monitor_keys: cutover.monitor_keys.clone(),
        sources: watch.sources.iter().map(|(name, measure)| source(name, measure)).collect(),
        metrics: watch.metrics.iter().map(metric).collect(),
    }))
}

fn unwatched(cutover: &Cutover, rollback: &Rollback) -> String {
    format!(
        "there is no profile that measures MONITOR_KEYS ({}), so nobody watches, and the trigger {} can't hold: watch \
         by hand for {} min",
        cutover.monitor_keys.join(", "),
        rollback.trigger_condition.text,
        cutover.monitor.text
    )
}

fn keys_are_measured(profile: &Profile, watch: &Watch, cutover: &Cutover) -> Result<(), PlanError> {
    let measured = |key: &&String| watch.metrics.iter().any(|metric| metric.name == **key);
    let missing: Vec<_> = cutover.monitor_keys.iter().filter(|key| !measured(key)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PlanError(format!(
        "{}: MONITOR_KEYS asks for {}, which no [[watch.metric]] of {} measures",
        cutover.template.path.display(),
        missing.join(", "),
        name(profile)
    )))
}

/// What is wrong with the trigger, given the metrics that are measured.
fn faults(watch: &Watch, trigger: &Condition) -> Vec<String> {
    let names: Vec<_> = watch.metrics.iter().map(|metric| metric.name.as_str()).collect();
    let kind = |name: &str| {
        watch.metrics.iter().find(|metric| metric.name == name).map(|metric| kind(watch, metric))
    };
    trigger.check(&kind, &names).iter().map(ToString::to_string).collect()
}

/// What a metric's values are, as its source's probe says.
fn kind(watch: &Watch, metric: &Metric) -> MetricType {
    let source = watch.sources.iter().find(|(name, _)| *name == metric.source);
    let given = source.map(|(_, measure)| measure.probe.metrics(&measure.with)).unwrap_or_default();
    match given.iter().find(|given| given.name == metric.value).map(|given| given.kind) {
        Some(MetricKind::Number(unit)) => MetricType::Number(unit),
        Some(MetricKind::Text) => MetricType::Text,
        Some(MetricKind::Bool) => MetricType::Bool,
        None => MetricType::Any,
    }
}

/// The profile as people know it.
pub fn name(profile: &Profile) -> String {
    profile.file.as_ref().map_or_else(|| profile.environment.clone(), |file| file.path.clone())
}

fn source(name: &str, measure: &Measure) -> WatchSource {
    WatchSource {
        name: name.to_owned(),
        probe: measure.probe.name().to_owned(),
        with: measure.with.clone(),
        uses: measure.uses.clone(),
        timeout_ms: millis(measure.timeout),
        at: measure.at.clone(),
    }
}

fn metric(metric: &Metric) -> WatchMetric {
    WatchMetric {
        name: metric.name.clone(),
        source: metric.source.clone(),
        value: metric.value.clone(),
        expect: metric.expect.as_ref().map(|expect| expect.text().to_owned()),
        failure_limit: metric.failure_limit,
        inconclusive_limit: metric.inconclusive_limit,
        consecutive_error_limit: metric.consecutive_error_limit,
        warmup_ms: millis(metric.warmup),
        on_no_data: metric.on_no_data,
        activity: metric.activity,
        at: metric.at.clone(),
    }
}
