//! The watch: sources and metrics by name, values that their sources observe, conditions on what is watched.

use super::super::conditions::{self, Judged, Known};
use super::super::draft::Placed;
use super::super::draft::switch::{MetricDraft, Said, SourceDraft, WatchDraft};
use super::super::switch::{Measure, Metric, Watch};
use super::measure::{self, Around, kind_of};
use super::{NAME, is_name, refuse_doubled, told, whole};
use crate::condition::MetricType;
use crate::model::units::{Unit, unit_of_metric_name};
use crate::model::{self, MetricKind};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Shorter intervals would measure the measuring.
const SHORTEST: Duration = Duration::from_millis(100);

/// What sources observe, by their names; nothing where that is not known.
type Observed = BTreeMap<String, Option<Vec<model::Metric>>>;

/// Checks the watch.
pub(super) fn check(draft: WatchDraft, around: &Around<'_>, report: &mut Report<'_>) -> Option<Watch> {
    let interval = draft.interval.value;
    if interval < SHORTEST {
        report.fault(&draft.interval.span, "`interval` of `[watch]`: expected at least 100ms");
    }
    if let Some(max_age) = draft.max_age.as_ref().filter(|max_age| max_age.value < interval) {
        let told = "is shorter than the interval, so every value would be missing before the next one comes";
        report.fault(&max_age.span, format!("`max_age` of `[watch]` {told}"));
    }
    for (list, key) in
        [(draft.sources.as_ref().map(Vec::len), "source"), (draft.metrics.as_ref().map(Vec::len), "metric")]
    {
        if list == Some(0) {
            report.fault(&draft.span, format!("`[watch]` needs at least one [[watch.{key}]], and has none"));
        }
    }
    // Metrics are checked also where the list of sources is at fault: what does not depend on it.
    let observed = draft.sources.as_ref().map(|sources| observed(sources));
    if let (Some(sources), Some(metrics)) = (&draft.sources, &draft.metrics) {
        warn_of_silence(sources, metrics, &draft, report);
    }
    let metrics = draft.metrics.map(|metrics| check_metrics(metrics, observed.as_ref(), around, report));
    let sources = draft.sources.map(|sources| check_sources(sources, around, report));
    Some(Watch {
        interval,
        max_age: draft.max_age.map_or(interval * 3, |max_age| max_age.value),
        sources: sources??,
        metrics: metrics??,
        at: report.source.position(draft.span.start),
    })
}

fn observed(sources: &[SourceDraft]) -> Observed {
    let named =
        |source: &SourceDraft| Some((source.name.as_ref()?.value.clone(), measure::metrics(&source.measure)));
    sources.iter().filter_map(named).collect()
}

/// What lets a watch look healthy that sees nothing.
fn warn_of_silence(
    sources: &[SourceDraft],
    metrics: &[MetricDraft],
    watch: &WatchDraft,
    report: &mut Report<'_>,
) {
    let used: HashSet<&str> =
        metrics.iter().filter_map(|metric| Some(metric.source.as_ref()?.value.as_str())).collect();
    for name in sources.iter().filter_map(|source| source.name.as_ref()) {
        if !used.contains(name.value.as_str()) {
            report.warn(&name.span, format!("no watch metric comes from source {}", quoted(&name.value)));
        }
    }
    if !metrics.is_empty() && !metrics.iter().any(|metric| metric.activity) {
        let told = "no metric has activity = true: a core that does nothing at all would look healthy";
        report.warn(&watch.span, format!("`[watch]`: {told}"));
    }
}

fn check_sources(
    sources: Vec<SourceDraft>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<(String, Measure)>> {
    refuse_doubled("watch source", sources.iter().map(|source| source.name.as_ref()), report);
    let checked =
        sources.into_iter().map(|source| whole(report, |report| check_source(source, around, report)));
    // All are checked before one at fault makes the list none.
    checked.collect::<Vec<_>>().into_iter().collect()
}

fn check_source(
    source: SourceDraft,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<(String, Measure)> {
    let what = match &source.name {
        Some(name) => format!("watch source {}", quoted(&name.value)),
        None => "a watch source".to_owned(),
    };
    if let Some(name) = source.name.as_ref().filter(|name| !is_name(&name.value)) {
        report.fault(&name.span, format!("{what}: expected a name of {NAME}"));
    }
    let measure = measure::check(source.measure, &what, around, report);
    Some((source.name?.value, measure?))
}

fn check_metrics(
    metrics: Vec<MetricDraft>,
    observed: Option<&Observed>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<Metric>> {
    refuse_doubled("watch metric", metrics.iter().map(|metric| metric.name.as_ref()), report);
    let known = known(&metrics, observed);
    let given = Given { observed, known: &known, around };
    let checked =
        metrics.into_iter().map(|metric| whole(report, |report| check_metric(metric, &given, report)));
    checked.collect::<Vec<_>>().into_iter().collect()
}

/// What a metric is checked against.
struct Given<'a> {
    observed: Option<&'a Observed>,
    known: &'a Known,
    around: &'a Around<'a>,
}

/// Which of its source's observations a metric is; nothing where that is at fault.
fn value(metric: &MetricDraft) -> Option<&Placed<String>> {
    match &metric.value {
        Said::Yes(value) => Some(value),
        Said::No => metric.name.as_ref(),
        Said::Wrong => None,
    }
}

/// The watched names for conditions. What is at fault may be anything.
fn known(metrics: &[MetricDraft], observed: Option<&Observed>) -> Known {
    let kind = |metric: &MetricDraft| {
        let from = observed?.get(&metric.source.as_ref()?.value)?.as_ref()?;
        let found = from
            .iter()
            .find(|found| Some(&*found.name) == value(metric).map(|value| value.value.as_str()))?;
        fits(&metric.name.as_ref()?.value, found).then(|| conditions::type_of(found))
    };
    let mut known = Known::new();
    for metric in metrics {
        let Some(name) = &metric.name else { continue };
        if !known.iter().any(|(other, _)| *other == name.value) {
            known.push((name.value.clone(), kind(metric).unwrap_or(MetricType::Any)));
        }
    }
    known
}

/// Whether an observation is of the kind that a metric's name states, where it states one.
fn fits(name: &str, found: &model::Metric) -> bool {
    let Some(own) = unit_of_metric_name(name) else { return true };
    matches!(found.kind, MetricKind::Number(unit) if unit == Unit::None || unit.dimension() == own.dimension())
}

fn check_metric(draft: MetricDraft, given: &Given<'_>, report: &mut Report<'_>) -> Option<Metric> {
    let what = match &draft.name {
        Some(name) => format!("watch metric {}", quoted(&name.value)),
        None => "a watch metric".to_owned(),
    };
    let before = report.count();
    if let Some(name) = draft.name.as_ref().filter(|name| !conditions::is_metric_name(&name.value)) {
        let expected =
            "expected a name of letters, digits and `_`, no digit first, and no word of conditions";
        report.fault(&name.span, format!("{what}: {expected}"));
    }
    check_value(&draft, &what, given.observed, report);
    let expect = match &draft.expect {
        Said::Yes(expect) => Some(check_expect(expect, &draft, &what, given, report)?),
        Said::Wrong => return None,
        Said::No => None,
    };
    let value = value(&draft)?.value.clone();
    let name = draft.name?;
    let at = report.source.position(name.span.start);
    let metric = Metric {
        name: name.value,
        source: draft.source?.value,
        value,
        expect,
        failure_limit: draft.failure_limit,
        inconclusive_limit: draft.inconclusive_limit,
        consecutive_error_limit: draft.consecutive_error_limit,
        warmup: draft.warmup,
        on_no_data: draft.on_no_data,
        activity: draft.activity,
        at,
    };
    (report.count() == before).then_some(metric)
}

/// The condition. One that speaks of other metrics only was most likely copied.
fn check_expect(
    expect: &Placed<String>,
    draft: &MetricDraft,
    what: &str,
    given: &Given<'_>,
    report: &mut Report<'_>,
) -> Option<crate::condition::Condition> {
    let checked = conditions::check(&expect.value, given.around.thresholds, Some(given.known), Judged::Watch);
    let condition = told(checked, &expect.span, &format!("`expect` of {what}"), report)?;
    if let Some(name) = &draft.name
        && !condition.names().iter().any(|used| used.name == name.value)
    {
        report.warn(&expect.span, format!("`expect` of {what} does not speak of {}", quoted(&name.value)));
    }
    Some(condition)
}

/// Whether the source is one, has the value, and in a unit that the metric's name may state.
fn check_value(draft: &MetricDraft, what: &str, observed: Option<&Observed>, report: &mut Report<'_>) {
    let (Some(source), Some(observed)) = (&draft.source, observed) else { return };
    let Some(metrics) = observed.get(&source.value) else {
        let message = format!("`source` of {what}: unknown watch source {}", quoted(&source.value));
        report.unknown(&source.span, message, &source.value, observed.keys().map(String::as_str));
        return;
    };
    let (Some(metrics), Some(value)) = (metrics, value(draft)) else { return };
    let Some(metric) = metrics.iter().find(|metric| metric.name == value.value) else {
        let message =
            format!("{what}: source {} does not observe {}", quoted(&source.value), quoted(&value.value));
        report.unknown(&value.span, message, &value.value, metrics.iter().map(|metric| &*metric.name));
        return;
    };
    if let Some(name) = draft.name.as_ref().filter(|name| !fits(&name.value, metric))
        && let Some(own) = unit_of_metric_name(&name.value)
    {
        let (value_shown, seen) = (quoted(&value.value), kind_of(metric));
        report.fault(
            &value.span,
            format!("{what} says {own} by its name, and {value_shown} of its source is {seen}"),
        );
    }
}
