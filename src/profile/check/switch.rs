//! Steps and the switch gate: each step and mark once, ready by a condition that holds together with its probe.

use super::super::conditions::{self, Judged};
use super::super::draft::switch::{MarkDraft, MeasureDraft, StepDraft, SwitchDraft};
use super::super::fields::MARKS;
use super::super::switch::{Mark, MarkSource, Ready, StepSettings, SwitchGate};
use super::measure::{self, Around, kind_of};
use super::{refuse_doubled, timeout, told, whole};
use crate::model::units::{Dimension, Unit, unit_of_metric_name};
use crate::model::{Metric, MetricKind};
use crate::settings::fault::Report;
use crate::settings::names::{list, quoted};
use crate::settings::source::Span;

/// Checks steps. Those at fault are left out of what is returned.
pub(super) fn steps(
    steps: Vec<StepDraft>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Vec<StepSettings> {
    refuse_doubled("step", steps.iter().map(|step| step.name.as_ref()), report);
    steps.into_iter().filter_map(|draft| whole(report, |report| step(draft, around, report))).collect()
}

fn step(draft: StepDraft, around: &Around<'_>, report: &mut Report<'_>) -> Option<StepSettings> {
    let what = match &draft.name {
        Some(name) => format!("step {}", quoted(&name.value)),
        None => "a step".to_owned(),
    };
    if let Some(limit) = &draft.timeout {
        timeout(limit, &what, report);
    }
    let known = draft.measure.as_ref().and_then(measure::metrics).map(|metrics| conditions::known(&metrics));
    let condition = draft.ready.text().and_then(|ready| {
        let checked = conditions::check(&ready.value, around.thresholds, known.as_deref(), Judged::Ready);
        told(checked, &ready.span, &format!("`ready` of {what}"), report)
    });
    let before = report.count();
    let measure = draft.measure.and_then(|draft| measure::check(draft, &what, around, report));
    if report.count() > before {
        return None;
    }
    // Which of them must be there together was told where the table was read.
    let ready = condition.zip(measure).map(|(condition, measure)| Ready { condition, measure });
    if draft.background && ready.is_none() {
        return None;
    }
    let name = draft.name?;
    Some(StepSettings {
        timeout: draft.timeout.map(|timeout| timeout.value),
        background: draft.background,
        ready,
        at: report.source.position(name.span.start),
        name: name.value,
    })
}

/// Checks the switch gate.
pub(super) fn gate(draft: SwitchDraft, around: &Around<'_>, report: &mut Report<'_>) -> Option<SwitchGate> {
    let metrics = draft.measure.as_ref().map(measure::metrics);
    if let Some(marks) = &draft.marks {
        refuse_disorder(marks, &draft.span, report);
        warn_of_idle_probe(marks, draft.measure.as_ref(), report);
    }
    let measure = match draft.measure {
        Some(draft) => measure::check(draft, "`[switch]`", around, report).map(Some),
        None => Some(None),
    };
    let marks = draft.marks?.into_iter();
    let marks: Vec<Option<Mark>> =
        marks.map(|mark| whole(report, |report| check_mark(mark, metrics.as_ref(), report))).collect();
    let at = report.source.position(draft.span.start);
    // All are checked before one at fault makes the gate none.
    Some(SwitchGate { measure: measure?, marks: marks.into_iter().collect::<Option<_>>()?, at })
}

/// A probe that no mark has a value of.
fn warn_of_idle_probe(marks: &[MarkDraft], measure: Option<&MeasureDraft>, report: &mut Report<'_>) {
    let Some(probe) = measure.and_then(|measure| measure.probe.as_ref()) else { return };
    let output =
        |mark: &MarkDraft| matches!(mark.from.as_ref().map(|from| &from.value), Some(MarkSource::Output(_)));
    if marks.iter().all(output) {
        let told = "no mark has a `value` of the probe, so it is asked for nothing";
        report.warn(&probe.span, format!("`[switch]`: {told}"));
    }
}

/// The marks are all there, once, and in the order in which they must happen.
fn refuse_disorder(marks: &[MarkDraft], switch: &Span, report: &mut Report<'_>) {
    const EXPECTED: &str =
        "expected [[switch.mark]] of `login`, `settlement` and `instruments`, in this order";
    refuse_doubled("mark", marks.iter().map(|mark| mark.name.as_ref()), report);
    if marks.iter().any(|mark| mark.name.is_none()) {
        // Which one it was meant to be nobody knows.
        return;
    }
    let there =
        |wanted: &str| marks.iter().filter_map(|mark| mark.name.as_ref()).find(|name| name.value == wanted);
    let missing: Vec<&str> = MARKS.into_iter().filter(|wanted| there(wanted).is_none()).collect();
    if !missing.is_empty() {
        let missing = list(missing);
        report.fault(switch, format!("`[switch]` is missing {missing}: {EXPECTED}"));
        return;
    }
    let places = MARKS.map(|wanted| there(wanted).map_or(0, |name| name.span.start));
    for (at, pair) in places.windows(2).enumerate() {
        let Some(later) = there(MARKS[at]).filter(|_| pair[0] > pair[1]) else { continue };
        let before = quoted(MARKS[at + 1]);
        report
            .fault(&later.span, format!("mark {} stands behind {before}: {EXPECTED}", quoted(&later.value)));
    }
}

/// Checks a mark. `metrics`: what the probe observes, where there is one and that is known.
fn check_mark(
    draft: MarkDraft,
    metrics: Option<&Option<Vec<Metric>>>,
    report: &mut Report<'_>,
) -> Option<Mark> {
    let (name, from, within) = (draft.name, draft.from?, draft.within);
    let what = name.as_ref().map_or("a mark".to_owned(), |name| format!("mark {}", quoted(&name.value)));
    let before = report.count();
    if let MarkSource::Value(value) = &from.value {
        match metrics {
            None => {
                let told = "is an observation of a probe, and `[switch]` names none";
                report.fault(&from.span, format!("`value` of {what}: {} {told}", quoted(value)));
            }
            Some(None) => {}
            Some(Some(metrics)) => check_moment(value, &from.span, &what, metrics, report),
        }
    }
    let name = name?;
    let mark = Mark {
        name: name.value,
        from: from.value,
        within: within?,
        at: report.source.position(name.span.start),
    };
    (report.count() == before).then_some(mark)
}

/// Whether an observation can be a time since 1970.
fn check_moment(value: &str, span: &Span, what: &str, metrics: &[Metric], report: &mut Report<'_>) {
    let Some(metric) = metrics.iter().find(|metric| metric.name == value) else {
        let message = format!("`value` of {what}: unknown metric {}", quoted(value));
        report.unknown(span, message, value, metrics.iter().map(|metric| &*metric.name));
        return;
    };
    let time = |unit: Unit| unit.dimension() == Dimension::Time;
    let good = match metric.kind {
        MetricKind::Number(Unit::None) => unit_of_metric_name(value).is_some_and(time),
        MetricKind::Number(unit) => time(unit),
        MetricKind::Text | MetricKind::Bool => false,
    };
    if !good {
        let told = format!("expected a number in a unit of time; {} is {}", quoted(value), kind_of(metric));
        report.fault(span, format!("`value` of {what}: {told}"));
    }
}
