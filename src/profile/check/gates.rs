//! Gates: ids, needs, uses, writes, retries and conditions.

use super::super::CheckedGate;
use super::super::conditions::{self, Thresholds};
use super::super::draft::{GateDraft, Placed, ServiceDraft};
use super::uses::{self, Measuring};
use super::{NAME, follow, is_name, refuse_circles, retry, services, timeout, told};
use crate::condition::Condition;
use crate::model::{Args, Gate, GateId, Metric, Phase};
use crate::probe::Probe;
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use std::collections::BTreeMap;

/// A gate as what measures by it sees it.
pub(super) struct Outline {
    /// Nothing where it is at fault.
    pub phase: Option<Phase>,
    /// What its probe observes; nothing where probe or settings are at fault.
    pub metrics: Option<Vec<Metric>>,
}

/// The gates by their ids; of two with one id, the first.
pub(super) fn outlines(gates: &[GateDraft]) -> BTreeMap<String, Outline> {
    let outline = |gate: &GateDraft| {
        let measured = gate.probe.as_ref().zip(gate.with.as_ref());
        Outline { phase: gate.phase, metrics: measured.map(|(probe, with)| probe.value.metrics(with)) }
    };
    ids(gates).into_iter().map(|(id, number)| (id.to_owned(), outline(&gates[number]))).collect()
}

/// All services that gates name.
pub(super) fn services_used(gates: &[GateDraft]) -> impl Iterator<Item = &str> {
    gates.iter().flat_map(|gate| gate.uses.value.iter().map(|used| used.value.as_str()))
}

/// All conditions of gates, as they are written.
pub(super) fn conditions(gates: &[GateDraft]) -> impl Iterator<Item = &str> {
    gates.iter().filter_map(|gate| Some(gate.expect.as_ref()?.value.as_str()))
}

/// Checks gates. Those at fault are left out of what is returned.
pub(super) fn check(
    gates: Vec<GateDraft>,
    services: &[ServiceDraft],
    thresholds: &Thresholds,
    report: &mut Report<'_>,
) -> Vec<CheckedGate> {
    refuse_doubled(&gates, report);
    check_order(&gates, report);
    let known = services::numbers(services);
    let mut checked = Vec::with_capacity(gates.len());
    for gate in gates {
        let what = what(&gate);
        let before = report.count();
        let id = check_id(&gate, report);
        let probe = gate.probe.as_ref().map(|probe| probe.value).zip(gate.with.as_ref());
        uses::check(&Measuring { uses: &gate.uses, probe }, &what, services, &known, report);
        check_writes(&gate, &what, report);
        timeout(&gate.timeout, &what, report);
        if let Some(own) = &gate.retry {
            retry(own, &what, report);
        }
        for tag in gate.tags.iter().filter(|tag| !is_name(&tag.value)) {
            let shown = quoted(&tag.value);
            report.fault(&tag.span, format!("tag {shown} in {what}: expected {NAME}"));
        }
        let condition = check_expect(&gate, &what, thresholds, report);
        let built = build(gate, id, condition, report);
        if built.is_none() && report.count() == 0 {
            // A gate that is left out in silence would be a false green.
            report.fault(&(0..0), format!("{what} could not be resolved, which is a fault of cutproof"));
        }
        if report.count() == before {
            checked.extend(built);
        }
    }
    checked
}

fn what(gate: &GateDraft) -> String {
    gate.id
        .as_ref()
        .map_or_else(|| "a gate without id".to_owned(), |id| format!("gate {}", quoted(&id.value)))
}

fn ids(gates: &[GateDraft]) -> BTreeMap<&str, usize> {
    let mut numbers = BTreeMap::new();
    for (number, gate) in gates.iter().enumerate() {
        if let Some(id) = &gate.id {
            numbers.entry(id.value.as_str()).or_insert(number);
        }
    }
    numbers
}

fn refuse_doubled(gates: &[GateDraft], report: &mut Report<'_>) {
    let first = ids(gates);
    for (number, gate) in gates.iter().enumerate() {
        let Some(id) = &gate.id else { continue };
        let Some(other) = first.get(id.value.as_str()).filter(|other| **other != number) else { continue };
        let at = gates[*other].id.as_ref().map_or(0, |id| id.span.start);
        let at = report.source.position(at);
        let message = format!(
            "gate id {} is taken: the first stands on line {}, column {}",
            quoted(&id.value),
            at.line,
            at.column
        );
        report.fault(&id.span, message);
    }
}

fn check_id(gate: &GateDraft, report: &mut Report<'_>) -> Option<GateId> {
    let id = gate.id.as_ref()?;
    match GateId::new(&id.value) {
        Ok(id) => Some(id),
        Err(fault) => {
            report.fault(&id.span, fault.to_string());
            None
        }
    }
}

/// What gates say in `needs` and `after`: both order them.
fn check_order(gates: &[GateDraft], report: &mut Report<'_>) {
    let known = ids(gates);
    let mut links = Vec::with_capacity(gates.len());
    for gate in gates {
        let what = what(gate);
        let needs = follow(&gate.needs, &known, "gate", &format!("`needs` of {what}"), report);
        refuse_later(gate, "needs", &needs, gates, report);
        let after = follow(&gate.after, &known, "gate", &format!("`after` of {what}"), report);
        refuse_later(gate, "is to come after", &after, gates, report);
        links.push([needs, after].concat());
    }
    let name = |number: usize| gates[number].id.as_ref().map_or_else(String::new, |id| id.value.clone());
    refuse_circles(&links, name, "gates", report);
}

/// Phases run in order: nothing waits for a later one.
fn refuse_later(
    gate: &GateDraft,
    how: &str,
    links: &[(usize, &Placed<String>)],
    gates: &[GateDraft],
    report: &mut Report<'_>,
) {
    for (number, link) in links {
        let (Some(phase), Some(later)) = (gate.phase, gates[*number].phase) else { continue };
        if later > phase {
            let (what, other) = (what(gate), quoted(&link.value));
            let told = format!("{what} of phase {phase} {how} gate {other} of the later phase {later}");
            report.fault(&link.span, told);
        }
    }
}

/// Nothing is written that the profile does not say; and what it says is so. What a probe does that measures no
/// service of its own, as a command does, only the profile's author knows.
fn check_writes(gate: &GateDraft, what: &str, report: &mut Report<'_>) {
    let Some(probe) = gate.probe.as_ref().map(|probe| probe.value) else { return };
    let name = quoted(probe.name());
    if probe.writes() && !gate.writes.value {
        let told = format!("{what}: probe {name} writes to what it measures; say so: writes = true");
        report.fault(&gate.writes.span, told);
    } else if gate.writes.value && !probe.writes() && measures_services(probe) {
        report.fault(&gate.writes.span, format!("{what}: probe {name} only reads; leave `writes` out"));
    }
}

/// Whether the probe measures services, and nothing else that the profile's author may have put there.
fn measures_services(probe: &dyn Probe) -> bool {
    !probe.any_services() && !probe.services().is_empty()
}

/// The gate's condition, or its probe's where it says none. Where it is not known what the probe can observe, what
/// is wrong with the condition by itself is told all the same.
fn check_expect(
    gate: &GateDraft,
    what: &str,
    thresholds: &Thresholds,
    report: &mut Report<'_>,
) -> Option<Condition> {
    let measured = gate.probe.as_ref().zip(gate.with.as_ref());
    let Some(Placed { value: written, span }) = &gate.expect else {
        let (probe, with) = measured?;
        return own_expect(probe, with, what, report);
    };
    let metrics = measured.map(|(probe, with)| probe.value.metrics(with));
    let checked = conditions::check_expect(written, thresholds, metrics.as_deref());
    told(checked, span, &format!("`expect` of {what}"), report)
}

fn own_expect(
    probe: &Placed<&'static dyn Probe>,
    with: &Args,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Condition> {
    let written = probe.value.expect(with);
    let metrics = probe.value.metrics(with);
    let faults = match conditions::check_expect(&written, &Thresholds::default(), Some(&metrics)) {
        Ok(condition) => return Some(condition),
        Err(faults) => faults,
    };
    for (_, message) in faults {
        let name = quoted(probe.value.name());
        let own = quoted(&written);
        report.fault(
            &probe.span,
            format!("{what}: the expectation {own} of probe {name} itself does not hold together: {message}"),
        );
    }
    None
}

fn build(
    gate: GateDraft,
    id: Option<GateId>,
    condition: Option<Condition>,
    report: &Report<'_>,
) -> Option<CheckedGate> {
    let (condition, probe) = (condition?, gate.probe?.value);
    let at = report.source.position(gate.id?.span.start);
    let phase: Phase = gate.phase?;
    let names = |placed: Vec<Placed<String>>| placed.into_iter().map(|placed| placed.value).collect();
    let ids = |links: &[Placed<String>]| links.iter().filter_map(|id| GateId::new(&id.value).ok()).collect();
    let gate = Gate {
        id: id?,
        about: gate.about,
        phase,
        probe: probe.name().to_owned(),
        with: gate.with?,
        expect: condition.to_string(),
        uses: names(gate.uses.value),
        needs: ids(&gate.needs),
        after: ids(&gate.after),
        required: gate.required,
        timeout: gate.timeout.value,
        retry: gate.retry.map(|retry| retry.value),
        tags: names(gate.tags),
        writes: gate.writes.value,
        at,
    };
    Some(CheckedGate { gate, condition, probe })
}
