//! What is measured beside the gates: by a probe that only reads, on services of the kinds that it takes.

use super::super::conditions::Thresholds;
use super::super::draft::switch::{CutoverDraft, MeasureDraft};
use super::super::draft::{Placed, ServiceDraft};
use super::super::switch::Measure;
use super::uses::{self, Measuring};
use super::{services, timeout};
use crate::model::{Metric, MetricKind};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use std::collections::BTreeMap;

/// What parts of a profile are checked against.
pub(super) struct Around<'a> {
    services: &'a [ServiceDraft],
    numbers: BTreeMap<&'a str, usize>,
    pub thresholds: &'a Thresholds,
}

impl<'a> Around<'a> {
    pub(super) fn new(services: &'a [ServiceDraft], thresholds: &'a Thresholds) -> Around<'a> {
        Around { services, numbers: services::numbers(services), thresholds }
    }
}

/// All measurements of a cutover.
fn all(cutover: &CutoverDraft) -> impl Iterator<Item = &MeasureDraft> {
    let steps = cutover.steps.iter().filter_map(|step| step.measure.as_ref());
    let switch = cutover.switch.iter().filter_map(|switch| switch.measure.as_ref());
    let sources = cutover.watch.iter().filter_map(|watch| watch.sources.as_ref()).flatten();
    steps.chain(switch).chain(sources.map(|source| &source.measure))
}

/// All services that a cutover names.
pub(super) fn services_used(cutover: &CutoverDraft) -> impl Iterator<Item = &str> {
    all(cutover).flat_map(|measure| measure.uses.value.iter().map(|used| used.value.as_str()))
}

/// All conditions of a cutover, as they are written.
pub(super) fn conditions(cutover: &CutoverDraft) -> impl Iterator<Item = &str> {
    let ready = cutover.steps.iter().filter_map(|step| step.ready.text());
    let metrics = cutover.watch.iter().filter_map(|watch| watch.metrics.as_ref()).flatten();
    ready.chain(metrics.filter_map(|metric| metric.expect.text())).map(|text| text.value.as_str())
}

/// What can be observed; nothing where that is not known.
pub(super) fn metrics(draft: &MeasureDraft) -> Option<Vec<Metric>> {
    let (probe, with) = draft.probe.as_ref().zip(draft.with.as_ref())?;
    Some(probe.value.metrics(with))
}

/// What a metric's values are, in words.
pub(super) fn kind_of(metric: &Metric) -> String {
    match metric.kind {
        MetricKind::Number(unit) => unit.dimension().to_string(),
        MetricKind::Text => "a text".to_owned(),
        MetricKind::Bool => "true or false".to_owned(),
    }
}

/// Checks a measurement.
pub(super) fn check(
    draft: MeasureDraft,
    what: &str,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<Measure> {
    let MeasureDraft { probe, with, uses, timeout: limit } = draft;
    let measuring =
        Measuring { uses: &uses, probe: probe.as_ref().map(|probe| probe.value).zip(with.as_ref()) };
    uses::check(&measuring, what, around.services, &around.numbers, report);
    timeout(&limit, what, report);
    let Placed { value: probe, span } = probe?;
    if probe.writes() {
        let name = quoted(probe.name());
        let told = format!("{what}: probe {name} writes to what it measures; expected one that only reads");
        report.fault(&span, told);
    }
    let uses = uses.value.into_iter().map(|used| used.value).collect();
    Some(Measure { probe, with: with?, uses, timeout: limit.value, at: report.source.position(span.start) })
}
