//! Whether the services that a gate or another measurement uses are those that its probe measures.

use super::super::draft::{Placed, ServiceDraft};
use super::follow;
use crate::model::{Args, ServiceKind};
use crate::probe::Probe;
use crate::settings::fault::Report;
use crate::settings::names::{list, quoted};
use crate::settings::source::Span;
use std::collections::BTreeMap;

/// Who measures, and on what.
pub(super) struct Measuring<'a> {
    pub uses: &'a Placed<Vec<Placed<String>>>,
    /// The probe with its settings; nothing where one of them is at fault.
    pub probe: Option<(&'static dyn Probe, &'a Args)>,
}

/// Reports services that lack, that are too many, and that the probe has no use for.
pub(super) fn check(
    measuring: &Measuring<'_>,
    what: &str,
    services: &[ServiceDraft],
    known: &BTreeMap<&str, usize>,
    report: &mut Report<'_>,
) {
    let links = &measuring.uses.value;
    let found = follow(links, known, "service", &format!("`uses` of {what}"), report);
    let Some((probe, with)) = measuring.probe else { return };
    if probe.any_services() {
        return;
    }
    let mut given: Vec<(ServiceKind, &Placed<String>)> = Vec::new();
    for (number, link) in &found {
        // A service whose kind is at fault may be any.
        let Some(kind) = services[*number].kind else { return };
        given.push((kind, link));
    }
    let all = found.len() == links.len();
    let uses = Uses { span: &measuring.uses.span, what, probe: probe.name(), services, all };
    for kind in probe.services() {
        let fitting = take(&mut given, &[*kind]);
        uses.hold(&[*kind], &fitting, true, report);
    }
    let one_of = probe.one_of(with);
    if !one_of.is_empty() {
        let fitting = take(&mut given, one_of);
        uses.hold(one_of, &fitting, true, report);
    }
    for kind in probe.may_use() {
        let fitting = take(&mut given, &[*kind]);
        uses.hold(&[*kind], &fitting, false, report);
    }
    let takes = [probe.services(), one_of, probe.may_use()].concat();
    for (kind, link) in given {
        let takes = if takes.is_empty() { "none".to_owned() } else { kinds(&takes, ", ") };
        let message = format!(
            "{} in `uses` of {what} is of kind {kind}; kinds that probe {} takes there: {takes}",
            quoted(&link.value),
            quoted(probe.name()),
        );
        report.fault(&link.span, message);
    }
}

/// A measurement's services, for messages.
struct Uses<'a> {
    span: &'a Span,
    what: &'a str,
    probe: &'static str,
    services: &'a [ServiceDraft],
    /// Whether every name was one of a service; an unknown one may be what lacks.
    all: bool,
}

impl Uses<'_> {
    /// Reports where not exactly one service fits, or more than one where it may be absent.
    fn hold(
        &self,
        wanted: &[ServiceKind],
        fitting: &[&Placed<String>],
        needed: bool,
        report: &mut Report<'_>,
    ) {
        let (what, probe, kinds) = (self.what, quoted(self.probe), kinds(wanted, " or "));
        match fitting {
            [] if needed && self.all => {
                let fits = |service: &&ServiceDraft| service.kind.is_some_and(|kind| wanted.contains(&kind));
                let there = self.services.iter().filter(fits).map(|service| service.name.value.as_str());
                let there: Vec<&str> = there.collect();
                let there = if there.is_empty() { "none".to_owned() } else { list(there) };
                let told =
                    format!("`uses` of {what} lacks the service of kind {kinds} that probe {probe} measures");
                report.fault(self.span, format!("{told}; there is: {there}"));
            }
            [first, others @ ..] => {
                for other in others {
                    let (first, name) = (quoted(&first.value), quoted(&other.value));
                    let told = format!("`uses` of {what}: probe {probe} takes one service of kind {kinds}");
                    report.fault(&other.span, format!("{told}, and {name} is another beside {first}"));
                }
            }
            [] => {}
        }
    }
}

/// Takes out the services of these kinds.
fn take<'a>(
    given: &mut Vec<(ServiceKind, &'a Placed<String>)>,
    kinds: &[ServiceKind],
) -> Vec<&'a Placed<String>> {
    given.extract_if(.., |(kind, _)| kinds.contains(kind)).map(|(_, link)| link).collect()
}

fn kinds(kinds: &[ServiceKind], between: &str) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(between)
}
