//! Draft → what holds: names, needs, services and conditions are checked against each other. Where a fault is
//! found nothing is guessed; everything that does not depend on it is still checked.

mod gates;
mod services;
mod uses;

use super::conditions::Thresholds;
use super::draft::{Draft, Placed};
use super::fault::Report;
use super::graph;
use super::names::quoted;
use super::{CheckedGate, Service};
use crate::model::{GateId, Retry};
use std::collections::BTreeMap;
use std::time::Duration;

/// Checks all that can be checked without a service. What comes back is whole only where no fault was reported.
pub(super) fn check(draft: Draft, report: &mut Report<'_>) -> (Vec<Service>, Vec<CheckedGate>) {
    if let Some(environment) = &draft.environment {
        check_environment(environment, report);
    }
    let services = services::check(&draft.services, report);
    let thresholds = Thresholds::new(draft.thresholds, report);
    let Some(gates) = draft.gates else { return (services, Vec::new()) };
    if gates.is_empty() {
        report.fault(&(0..0), "a profile needs at least one gate: this one has no [[gate]]");
    }
    for service in services::unused(&draft.services, &gates::services_used(&gates)) {
        report.warn(&service.span, format!("no gate uses service {}", quoted(&service.value)));
    }
    thresholds.refuse_unused(&gates::thresholds_used(&gates), report);
    let gates = gates::check(gates, &draft.services, &thresholds, report);
    (services, gates)
}

/// The journal has times in whole milliseconds: less would be none.
const LEAST: Duration = Duration::from_millis(1);

/// Whether a deadline is one; a fault where not.
pub(super) fn timeout(timeout: &Placed<Duration>, what: &str, report: &mut Report<'_>) -> bool {
    let good = timeout.value >= LEAST;
    if !good {
        report.fault(&timeout.span, format!("`timeout` of {what}: expected at least 1ms"));
    }
    good
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
        report.fault(&span, format!("{what} need each other in a circle: {}", names.join(" → ")));
    }
}
