//! From a profile's `[watch]` and what the templates say to a plan that can be journaled: pure.

use crate::condition::{Condition, MetricType};
use crate::model::MetricKind;
use crate::model::time::millis;
use crate::model::watch::{WatchMetric, WatchPlan, WatchSource};
use crate::profile::switch::{Measure, Metric, Watch};
use crate::settings::names;
use crate::watch::{BadPlan, Judge};
use std::time::Duration;

/// The watch of a profile with the trigger (empty: none) and MONITOR_KEYS of the templates. `minutes` is how long the
/// template says that it should last, and `lasts` how long it will; where that is less the watch is compressed, and
/// warm-ups with it.
///
/// A metric that compares two samples has none at the first tick: its warm-up is at least one interval.
///
/// # Errors
/// All that is wrong, in one text: a trigger or key that no metric measures (with the nearest that one does), a source
/// that is not there or writes, a warm-up that outlasts the watch.
pub fn plan(
    watch: &Watch,
    trigger: &str,
    monitor_keys: &[String],
    minutes: Duration,
    lasts: Duration,
) -> Result<WatchPlan, BadPlan> {
    let compressed = (lasts.as_secs_f64() / minutes.as_secs_f64()).min(1.0);
    let metrics = watch.metrics.iter().map(|metric| resolved(watch, metric, compressed)).collect::<Vec<_>>();
    let used = |name: &str| watch.metrics.iter().any(|metric| metric.source == name);
    let plan = WatchPlan {
        duration_ms: millis(lasts),
        planned_ms: millis(minutes),
        interval_ms: millis(watch.interval),
        max_age_ms: millis(watch.max_age),
        trigger: trigger.trim().to_owned(),
        monitor_keys: monitor_keys.to_vec(),
        // What no metric comes from is not asked for anything.
        sources: watch.sources.iter().filter(|(name, _)| used(name)).map(source).collect(),
        metrics,
    };
    let mut faults = faults(watch, &plan);
    if faults.is_empty()
        && let Err(BadPlan(fault)) = Judge::new(&plan)
    {
        faults.push(fault);
    }
    if faults.is_empty() { Ok(plan) } else { Err(BadPlan(faults.join("; "))) }
}

fn source((name, measure): &(String, Measure)) -> WatchSource {
    WatchSource {
        name: name.clone(),
        probe: measure.probe.name().to_owned(),
        with: measure.with.clone(),
        uses: measure.uses.clone(),
        timeout_ms: millis(measure.timeout),
        at: measure.at.clone(),
    }
}

fn resolved(watch: &Watch, metric: &Metric, compressed: f64) -> WatchMetric {
    let measure = watch.sources.iter().find(|(name, _)| *name == metric.source).map(|(_, measure)| measure);
    let compares = measure.is_some_and(|measure| measure.probe.compares(&measure.with, &metric.value));
    let least = if compares { watch.interval } else { Duration::ZERO };
    WatchMetric {
        name: metric.name.clone(),
        source: metric.source.clone(),
        value: metric.value.clone(),
        expect: metric.expect.as_ref().map(|expect| expect.text().to_owned()),
        failure_limit: metric.failure_limit,
        inconclusive_limit: metric.inconclusive_limit,
        consecutive_error_limit: metric.consecutive_error_limit,
        warmup_ms: (millis(metric.warmup) * compressed).max(millis(least)),
        on_no_data: metric.on_no_data,
        activity: metric.activity,
        at: metric.at.clone(),
    }
}

fn faults(watch: &Watch, plan: &WatchPlan) -> Vec<String> {
    let mut faults = Vec::new();
    for metric in &plan.metrics {
        let at = format!("metric `{}` ({}:{})", metric.name, metric.at.file, metric.at.line);
        let Some((_, measure)) = watch.sources.iter().find(|(name, _)| *name == metric.source) else {
            let known = watch.sources.iter().map(|(name, _)| name.as_str());
            let hint = names::hint(&metric.source, known);
            faults.push(format!("{at}: unknown source `{}`{hint}", metric.source));
            continue;
        };
        let observed = measure.probe.metrics(&measure.with);
        if !observed.iter().any(|known| known.name == metric.value) {
            let hint = names::hint(&metric.value, observed.iter().map(|known| &*known.name));
            faults.push(format!("{at}: source `{}` observes no `{}`{hint}", metric.source, metric.value));
        }
        if metric.warmup_ms >= plan.duration_ms {
            let (warmup, lasts) = (time(metric.warmup_ms), time(plan.duration_ms));
            faults.push(format!("{at}: its warm-up of {warmup:?} outlasts the watch of {lasts:?}"));
        }
    }
    for (name, measure) in &watch.sources {
        if measure.probe.writes() {
            let (at, probe) = (&measure.at, measure.probe.name());
            faults.push(format!(
                "source `{name}` ({}:{}): a watch only reads, and `{probe}` writes",
                at.file, at.line
            ));
        }
    }
    let known: Vec<&str> = plan.metrics.iter().map(|metric| metric.name.as_str()).collect();
    for key in plan.monitor_keys.iter().filter(|key| !known.contains(&key.as_str())) {
        let hint = names::hint(key, known.iter().copied());
        faults.push(format!("MONITOR_KEYS: no metric of the watch measures `{key}`{hint}"));
    }
    if !plan.trigger.is_empty() {
        faults.extend(condition_faults(watch, &plan.trigger, "the trigger"));
    }
    for metric in &plan.metrics {
        let whose = format!("metric `{}` ({}:{})", metric.name, metric.at.file, metric.at.line);
        faults.extend(metric.expect.iter().flat_map(|expect| condition_faults(watch, expect, &whose)));
    }
    faults
}

/// What is wrong with a condition on the watch's metrics. A slip in a label reads as one strange name: it is told as
/// one that nobody measures.
fn condition_faults(watch: &Watch, text: &str, whose: &str) -> Vec<String> {
    let condition = match Condition::parse(text) {
        Ok(condition) => condition,
        Err(error) => return vec![format!("{whose} `{text}`: {error}")],
    };
    let names: Vec<&str> = watch.metrics.iter().map(|metric| metric.name.as_str()).collect();
    let kind = |name: &str| {
        let metric = watch.metrics.iter().find(|metric| metric.name == name)?;
        let (_, measure) = watch.sources.iter().find(|(source, _)| *source == metric.source)?;
        let observed = measure.probe.metrics(&measure.with);
        Some(match observed.into_iter().find(|known| known.name == metric.value)?.kind {
            MetricKind::Number(unit) => MetricType::Number(unit),
            MetricKind::Text => MetricType::Text,
            MetricKind::Bool => MetricType::Bool,
        })
    };
    condition.check(&kind, &names).iter().map(|fault| format!("{whose} `{text}`: {fault}")).collect()
}

/// What is worth saying of a plan and stops nothing.
pub fn warnings(plan: &WatchPlan) -> Vec<String> {
    let mut warnings = Vec::new();
    let trigger = Some(("the trigger".to_owned(), plan.trigger.as_str(), 0.0));
    let expects = plan.metrics.iter().filter_map(|metric| {
        Some((format!("metric `{}`", metric.name), metric.expect.as_deref()?, metric.warmup_ms))
    });
    for (whose, text, warmup) in trigger.into_iter().chain(expects) {
        let hold = Condition::parse(text).ok().and_then(|condition| condition.longest_hold());
        let left = time(plan.duration_ms - warmup);
        if let Some(hold) = hold.filter(|hold| *hold >= left) {
            warnings.push(format!(
                "{whose} asks for {hold:?}, and the watch lasts {left:?}: it can't see that hold"
            ));
        }
    }
    if plan.max_age_ms < plan.interval_ms {
        let (age, interval) = (time(plan.max_age_ms), time(plan.interval_ms));
        warnings.push(format!(
            "a value is too old after {age:?}, and there is one every {interval:?}: in between it is missing"
        ));
    }
    if !plan.metrics.iter().any(|metric| metric.activity) {
        warnings
            .push("no metric of the watch has activity = true: a core that is silent may pass".to_owned());
    }
    warnings
}

/// Milliseconds of a plan as a duration; what is none is zero.
pub(super) fn time(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::watch::OnNoData;
    use crate::model::{Args, Position};
    use crate::probe;
    use serde_json::json;

    fn args(value: serde_json::Value) -> Args {
        serde_json::from_value(value).unwrap()
    }

    fn at(line: usize) -> Position {
        Position { file: "gates/desk.toml".to_owned(), line, column: 1 }
    }

    fn measure(probe: &str, with: serde_json::Value) -> Measure {
        let (probe, with) = (probe::find(probe).unwrap(), args(with));
        Measure { probe, with, uses: vec!["core".to_owned()], timeout: Duration::from_secs(1), at: at(5) }
    }

    fn metric(name: &str, source: &str, value: &str) -> Metric {
        Metric {
            name: name.to_owned(),
            source: source.to_owned(),
            value: value.to_owned(),
            expect: None,
            failure_limit: 0,
            inconclusive_limit: 0,
            consecutive_error_limit: 4,
            warmup: Duration::ZERO,
            on_no_data: OnNoData::Hold,
            activity: false,
            at: at(9),
        }
    }

    fn watch() -> Watch {
        let series = json!([
            {"name": "order_latency_p99_ms", "select": "order_seconds", "take": "quantile", "q": 0.99},
            {"name": "breaker", "select": "breaker_open", "take": "gauge"},
        ]);
        Watch {
            interval: Duration::from_secs(1),
            max_age: Duration::from_secs(3),
            sources: vec![
                ("engine".to_owned(), measure("prometheus", json!({"series": series, "window": 5000}))),
                ("kafka".to_owned(), measure("kafka_lag", json!({"group": "g", "topics": ["t"]}))),
            ],
            metrics: vec![
                metric("order_latency_p99_ms", "engine", "order_latency_p99_ms"),
                metric("breaker_state", "engine", "breaker"),
                metric("kafka_lag_ms", "kafka", "lag_ms"),
            ],
            at: at(1),
        }
    }

    const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

    fn of(watch: &Watch, trigger: &str, keys: &[&str]) -> Result<WatchPlan, BadPlan> {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        plan(watch, trigger, &keys, HALF_AN_HOUR, HALF_AN_HOUR)
    }

    fn refused(watch: &Watch, trigger: &str, keys: &[&str]) -> String {
        of(watch, trigger, keys).unwrap_err().0
    }

    #[test]
    fn a_sound_watch_gives_a_plan_that_can_be_judged() {
        let label = "order_latency_p99_ms_gt_5ms_or_kafka_lag_ms_gt_10s";
        let plan = of(&watch(), label, &["kafka_lag_ms", "breaker_state"]).unwrap();
        assert_eq!((plan.duration_ms, plan.planned_ms, plan.interval_ms), (1.8e6, 1.8e6, 1e3));
        assert_eq!(
            plan.sources.iter().map(|source| &*source.probe).collect::<Vec<_>>(),
            ["prometheus", "kafka_lag"]
        );
        let warmups: Vec<_> = plan.metrics.iter().map(|metric| metric.warmup_ms).collect();
        assert_eq!(warmups, [1000.0, 0.0, 0.0], "a quantile has no value at the first tick");
        Judge::new(&plan).unwrap();
    }

    #[test]
    fn what_no_metric_measures_is_named_with_the_nearest_that_one_does() {
        let told = refused(&watch(), "order_latency_p99_sm_gt_5", &[]);
        assert!(told.contains("`order_latency_p99_sm`; did you mean `order_latency_p99_ms`?"), "{told}");
        let told = refused(&watch(), "", &["kafka_lag_mss"]);
        assert_eq!(
            told,
            "MONITOR_KEYS: no metric of the watch measures `kafka_lag_mss`; nearest: `kafka_lag_ms`"
        );
        let told = refused(&watch(), "kafka_lag_ms > 5MiB", &["x"]);
        assert!(told.contains("MONITOR_KEYS") && told.contains("cannot be compared with 5 MiB"), "{told}");
    }

    #[test]
    fn a_slip_in_a_label_is_told_as_a_name_that_nobody_measures() {
        let told = refused(&watch(), "order_latency_p99_ms_get_5ms", &[]);
        assert!(told.contains("the trigger `order_latency_p99_ms_get_5ms`"), "{told}");
    }

    #[test]
    fn sources_and_values_that_are_not_there_are_refused() {
        let mut wrong = watch();
        wrong.metrics[2].value = "lag".to_owned();
        wrong.metrics[1].source = "engin".to_owned();
        let told = refused(&wrong, "", &[]);
        assert!(
            told.contains(
                "metric `breaker_state` (gates/desk.toml:9): unknown source `engin`; nearest: `engine`"
            ),
            "{told}"
        );
        assert!(told.contains("source `kafka` observes no `lag`"), "{told}");
        let mut writes = watch();
        writes.sources.push(("ingest".to_owned(), measure("clickhouse_ingest", json!({}))));
        let told = refused(&writes, "", &[]);
        assert!(told.contains("source `ingest` (gates/desk.toml:5): a watch only reads"), "{told}");
    }

    #[test]
    fn a_compressed_watch_has_compressed_warm_ups_that_it_outlasts() {
        let mut warm = watch();
        warm.metrics[2].warmup = Duration::from_secs(180);
        let compressed = plan(&warm, "", &[], HALF_AN_HOUR, Duration::from_secs(10)).unwrap();
        assert_eq!((compressed.duration_ms, compressed.planned_ms), (1e4, 1.8e6));
        assert_eq!(compressed.metrics[2].warmup_ms, 1000.0);
        warm.metrics[2].warmup = HALF_AN_HOUR;
        let told = plan(&warm, "", &[], HALF_AN_HOUR, Duration::from_secs(10)).unwrap_err().0;
        assert!(told.contains("its warm-up of 10s outlasts the watch of 10s"), "{told}");
    }

    #[test]
    fn what_a_watch_cannot_see_is_warned_of() {
        let mut held = watch();
        held.metrics[2].activity = true;
        let at_most = of(&held, "kafka_lag_ms > 5 for 29min", &[]).unwrap();
        assert_eq!(warnings(&at_most), Vec::<String>::new());
        let too_long = of(&held, "kafka_lag_ms > 5 for 30min", &[]).unwrap();
        assert!(warnings(&too_long)[0].contains("the trigger asks for 1800s"), "{:?}", warnings(&too_long));
        let silent = of(&watch(), "", &[]).unwrap();
        assert!(warnings(&silent)[0].contains("activity = true"), "{:?}", warnings(&silent));
    }
}
