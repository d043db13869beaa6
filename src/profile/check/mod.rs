//! Draft → what holds: names, needs, services and conditions are checked against each other. Where a fault is
//! found nothing is guessed; everything that does not depend on it is still checked.

mod gates;
mod measure;
mod readiness;
mod services;
mod switch;
mod uses;
mod watch;

use super::conditions::{TextFault, Thresholds, thresholds_used};
use super::draft::switch::CutoverDraft;
use super::draft::{Draft, GateDraft, Placed, ServiceDraft};
use super::graph;
use super::switch::{CutoverSettings, Readiness, StepSettings, SwitchGate, Watch};
use super::{CheckedGate, Service};
use crate::condition::Condition;
use crate::model::{GateId, Retry};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use crate::settings::source::Span;
use crate::settings::text;
use measure::Around;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// All that a profile says, checked.
#[derive(Default)]
pub(super) struct Checked {
    pub services: Vec<Service>,
    pub gates: Vec<CheckedGate>,
    pub cutover: Option<CutoverSettings>,
    pub steps: Vec<StepSettings>,
    pub switch_gate: Option<SwitchGate>,
    pub watch: Option<Watch>,
    pub readiness: Option<Readiness>,
}

/// Checks all that can be checked without a service. What comes back is whole only where no fault was reported.
pub(super) fn check(draft: Draft, report: &mut Report<'_>) -> Checked {
    if let Some(environment) = &draft.environment {
        check_environment(environment, report);
    }
    let checked = services::check(&draft.services, report);
    let thresholds = Thresholds::new(draft.thresholds, report);
    if let Some(gates) = &draft.gates {
        if gates.is_empty() {
            report.fault(&(0..0), "a profile needs at least one gate: this one has no [[gate]]");
        }
        check_used(&draft.services, &thresholds, gates, &draft.cutover, report);
    }
    let outlines = draft.gates.as_deref().map(gates::outlines);
    let gates = draft.gates.unwrap_or_default();
    let gates = gates::check(gates, &draft.services, &thresholds, report);
    let CutoverDraft { settings, steps, switch, watch, readiness } = draft.cutover;
    let around = Around::new(&draft.services, &thresholds);
    Checked {
        services: checked,
        gates,
        cutover: settings,
        steps: switch::steps(steps, &around, report),
        switch_gate: switch.and_then(|switch| whole(report, |report| switch::gate(switch, &around, report))),
        watch: watch.and_then(|watch| whole(report, |report| watch::check(watch, &around, report))),
        readiness: readiness.and_then(|readiness| {
            whole(report, |report| readiness::check(readiness, outlines.as_ref(), report))
        }),
    }
}

/// What was built of a part; nothing of one at fault. A part that is left out in silence would be a false green.
fn whole<'s, T>(report: &mut Report<'s>, build: impl FnOnce(&mut Report<'s>) -> Option<T>) -> Option<T> {
    let built = build(report);
    if built.is_none() && report.count() == 0 {
        report.fault(&(0..0), "a part of the profile could not be resolved, which is a fault of cutproof");
    }
    built
}

/// Services and thresholds that nothing uses.
fn check_used(
    services: &[ServiceDraft],
    thresholds: &Thresholds,
    gates: &[GateDraft],
    cutover: &CutoverDraft,
    report: &mut Report<'_>,
) {
    let used: HashSet<&str> = gates::services_used(gates).chain(measure::services_used(cutover)).collect();
    for service in services::unused(services, &used) {
        report.warn(&service.span, format!("nothing uses service {}", quoted(&service.value)));
    }
    let conditions = gates::conditions(gates).chain(measure::conditions(cutover));
    thresholds.refuse_unused(&conditions.flat_map(thresholds_used).map(str::to_owned).collect(), report);
}

/// The condition, or its faults reported with their places in what was written at `span`.
fn told(
    checked: Result<Condition, Vec<TextFault>>,
    span: &Span,
    of: &str,
    report: &mut Report<'_>,
) -> Option<Condition> {
    let faults = match checked {
        Ok(condition) => return Some(condition),
        Err(faults) => faults,
    };
    for (part, message) in faults {
        let at = text::within(report.source, span, &part);
        report.fault(&at, format!("{of}: {message}"));
    }
    None
}

/// The journal has times in whole milliseconds: less would be none.
const LEAST: Duration = Duration::from_millis(1);

/// Whether a deadline is one; a fault where not.
pub(super) fn timeout(timeout: &Placed<Duration>, what: &str, report: &mut Report<'_>) -> bool {
    time(timeout, "timeout", what, report)
}

/// Whether a time is one; a fault where not.
pub(super) fn time(time: &Placed<Duration>, key: &str, what: &str, report: &mut Report<'_>) -> bool {
    let good = time.value >= LEAST;
    if !good {
        report.fault(&time.span, format!("`{key}` of {what}: expected at least 1ms"));
    }
    good
}

/// Reports names that stand there before.
fn refuse_doubled<'a>(
    kind: &str,
    names: impl Iterator<Item = Option<&'a Placed<String>>>,
    report: &mut Report<'_>,
) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names.flatten() {
        if let Some(at) = first.get(name.value.as_str()) {
            let at = report.source.position(*at);
            let name_shown = quoted(&name.value);
            let message = format!(
                "{kind} {name_shown} is taken: the first stands on line {}, column {}",
                at.line, at.column
            );
            report.fault(&name.span, message);
        } else {
            first.insert(&name.value, name.span.start);
        }
    }
}

/// Whether it would ever be tried again, and not without a pause; a fault where not.
pub(super) fn retry(retry: &Placed<Retry>, what: &str, report: &mut Report<'_>) -> bool {
    let Retry { every, within } = retry.value;
    let told = if every < LEAST {
        "expected `every` to be at least 1ms"
    } else if every > within {
        "`every` is longer than `for`, so nothing would ever be tried again"
    } else {
        return true;
    };
    report.fault(&retry.span, format!("`retry` of {what}: {told}"));
    false
}

/// It stands in file names and in KEY=VALUE evidence.
fn check_environment(name: &Placed<String>, report: &mut Report<'_>) {
    let text = &name.value;
    if text.trim().is_empty() || text.trim() != text || text.len() > 100 || text.chars().any(char::is_control)
    {
        let expected = "expected 1 to 100 characters on one line, no spaces around them";
        report.fault(&name.span, format!("`environment`: {expected}; got {}", quoted(text)));
    }
}

/// Whether a text may name a service or a tag: what a gate id may be, without `.`.
fn is_name(text: &str) -> bool {
    GateId::new(text).is_ok() && !text.contains('.')
}

const NAME: &str = "lower-case letters, digits, `-` and `_`, a letter first, at most 100 in all";

/// Numbers of the names that `links` say, with a fault for each that is not known or stands there twice.
fn follow<'a>(
    links: &'a [Placed<String>],
    known: &BTreeMap<&str, usize>,
    what: &str,
    of: &str,
    report: &mut Report<'_>,
) -> Vec<(usize, &'a Placed<String>)> {
    let mut found: Vec<(usize, &Placed<String>)> = Vec::new();
    for link in links {
        match known.get(link.value.as_str()) {
            Some(number) if found.iter().any(|(other, _)| other == number) => {
                report.fault(&link.span, format!("{} stands twice in {of}", quoted(&link.value)));
            }
            Some(number) => found.push((*number, link)),
            None => {
                let message = format!("unknown {what} {} in {of}", quoted(&link.value));
                report.unknown(&link.span, message, &link.value, known.keys().copied());
            }
        }
    }
    found
}

/// Reports circles among things that need each other, at the link that leads on from the first of each.
fn refuse_circles(
    needs: &[Vec<(usize, &Placed<String>)>],
    name: impl Fn(usize) -> String,
    what: &str,
    report: &mut Report<'_>,
) {
    /// A circle with more names than this is shown with its middle left out.
    const SHOWN: usize = 12;
    let numbers: Vec<Vec<usize>> =
        needs.iter().map(|links| links.iter().map(|(to, _)| *to).collect()).collect();
    for circle in graph::circles(&numbers) {
        let [first, rest @ ..] = circle.as_slice() else { continue };
        let next = rest.first().unwrap_or(first);
        let link = needs[*first].iter().find(|(to, _)| to == next);
        let span = link.map_or(0..0, |(_, link)| link.span.clone());
        let mut names: Vec<String> = circle.iter().take(SHOWN).map(|node| name(*node)).collect();
        if circle.len() > SHOWN {
            names.push(format!("{} more", circle.len() - SHOWN));
        }
        names.push(name(*first));
        report.fault(&span, format!("{what} wait for each other in a circle: {}", names.join(" → ")));
    }
}
