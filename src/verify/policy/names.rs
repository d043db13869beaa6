//! What a policy names must be there, in some run: a rule that selects nothing would be no rule.

use super::runs::Run;
use crate::model::{Gate, Position};
use crate::policy::{Policy, Select};
use crate::settings::names::{hint, quoted};
use crate::settings::{Fault, Faults};
use std::collections::BTreeSet;

/// A policy that names what no run has. All of it at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct BadPolicy(#[from] pub Faults);

/// Checks what the policy names against the plans of all runs.
///
/// # Errors
/// What none of them has. Of a run that is not all there nothing is known, and nothing is said of the policy.
pub(super) fn check(runs: &[Run<'_>], counting: &Run<'_>, policy: &Policy) -> Result<(), BadPolicy> {
    if !counting.is_whole() {
        return Ok(());
    }
    let started = || runs.iter().flat_map(|run| &run.views).map(|view| view.run.started);
    let gates: Vec<&Gate> = started().flat_map(|started| &started.gates).collect();
    let mut known = Known { gates, services: BTreeSet::new(), faults: Vec::new() };
    known.services.extend(started().flat_map(|started| started.services.keys().map(String::as_str)));
    known
        .services
        .extend(runs.iter().flat_map(|run| &run.views).flat_map(|view| view.run.services.keys().copied()));
    for rule in &policy.gates {
        known.rule(&rule.select, &rule.at);
    }
    for waiver in &policy.waivers {
        known.gate(waiver.gate.as_str(), "a waiver", &waiver.at);
    }
    for product in &policy.requires.products {
        known.service(&product.service, &product.at);
    }
    if known.faults.is_empty() { Ok(()) } else { Err(BadPolicy(Faults(known.faults))) }
}

struct Known<'a> {
    gates: Vec<&'a Gate>,
    services: BTreeSet<&'a str>,
    faults: Vec<Fault>,
}

impl Known<'_> {
    fn rule(&mut self, select: &Select, at: &Position) {
        if self.gates.iter().any(|gate| select.selects(gate)) {
            return;
        }
        match select {
            Select::Id(id) => self.gate(id.as_str(), "a rule", at),
            Select::Tag(tag) => {
                let tags: BTreeSet<&str> =
                    self.gates.iter().flat_map(|gate| &gate.tags).map(String::as_str).collect();
                let hint = hint(tag, tags);
                self.fault(
                    at,
                    format!("unknown tag {} in a rule: no gate of any run has it{hint}", quoted(tag)),
                );
            }
            Select::Phase(phase) => {
                self.fault(at, format!("no gate of any run is of the phase {phase}, which a rule requires"));
            }
            // A profile may leave all to the policy.
            Select::Required => {}
        }
    }

    fn gate(&mut self, id: &str, by: &str, at: &Position) {
        if self.gates.iter().any(|gate| gate.id.as_str() == id) {
            return;
        }
        let known: BTreeSet<&str> = self.gates.iter().map(|gate| gate.id.as_str()).collect();
        let hint = hint(id, known);
        self.fault(at, format!("unknown gate {} in {by}: no run's plan has it{hint}", quoted(id)));
    }

    fn service(&mut self, service: &str, at: &Position) {
        if !self.services.contains(service) {
            let hint = hint(service, self.services.iter().copied());
            self.fault(at, format!("unknown service {} in a product: no run has it{hint}", quoted(service)));
        }
    }

    fn fault(&mut self, at: &Position, message: String) {
        self.faults.push(Fault { at: at.clone(), message, excerpt: None });
    }
}
