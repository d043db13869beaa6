//! Profile and selection → plan: which gates run, in which order, on which services. A pure function: it reads no
//! file, reaches nothing and knows no time.
//!
//! It knows nothing of how gates are run or services provided.

mod select;

pub use select::{Selection, SelectionError, phase};

use crate::condition::Condition;
use crate::model::event::{FileDigest, PlannedService};
use crate::model::{Gate, GateId, Phase};
use crate::probe::Probe;
use crate::profile::{Profile, Service, graph};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// What a run sets out to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The environment's name.
    pub environment: String,
    /// The profile's file, where there is one.
    pub profile: Option<FileDigest>,
    /// Services that the gates that run use, with those that these need, each after those that it needs.
    pub services: Vec<Service>,
    /// All gates of the profile, also those that do not run: phases in order, and in a phase each gate after those
    /// that it needs, otherwise as in the profile.
    pub gates: Vec<PlannedGate>,
    /// How the selection was made, in the words of the flags; nothing where all gates run. A run of a selection
    /// never signs anything off.
    pub selection: Option<String>,
}

/// A gate with what is needed to run and judge it.
#[derive(Clone)]
pub struct PlannedGate {
    /// The gate.
    pub gate: Gate,
    /// What it expects; `gate.expect` is its text.
    pub condition: Condition,
    /// What measures.
    pub probe: &'static dyn Probe,
    /// Whether it runs, and why.
    pub role: Role,
}

/// Whether a gate runs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It is selected.
    Selected,
    /// It runs because a selected gate needs it.
    SetUp,
    /// It does not run, for this reason.
    LeftOut(String),
}

impl PlannedGate {
    /// Whether it is selected itself.
    pub fn selected(&self) -> bool {
        self.role == Role::Selected
    }

    /// Whether it runs: selected, or needed by one that is.
    pub fn runs(&self) -> bool {
        !matches!(self.role, Role::LeftOut(_))
    }
}

impl fmt::Debug for PlannedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedGate")
            .field("gate", &self.gate)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Resolves a selection of a profile's gates.
    ///
    /// # Errors
    /// Names that select nothing, with the nearest right one; a selection that leaves no gate to run.
    pub fn new(profile: &Profile, selection: &Selection) -> Result<Plan, SelectionError> {
        let needs = needs(profile);
        let roles = select::roles(profile, selection, &needs)?;
        let gates = graph::order(&needs, |number| profile.gates[number].gate.phase);
        let gates: Vec<PlannedGate> =
            gates.into_iter().map(|number| planned(profile, number, &roles)).collect();
        Ok(Plan {
            environment: profile.environment.clone(),
            profile: profile.file.clone(),
            services: services(profile, &gates),
            gates,
            selection: selection.to_words(),
        })
    }

    /// Whether this is a selection: such a run never signs anything off.
    pub fn partial(&self) -> bool {
        self.selection.is_some()
    }

    /// The gates that run, in order.
    pub fn running(&self) -> impl Iterator<Item = &PlannedGate> {
        self.gates.iter().filter(|gate| gate.runs())
    }

    /// The gate of an id.
    pub fn gate(&self, id: &GateId) -> Option<&PlannedGate> {
        self.gates.iter().find(|gate| gate.gate.id == *id)
    }

    /// The phases that have gates that run, in order.
    pub fn phases(&self) -> Vec<Phase> {
        let run = |phase: &Phase| self.running().any(|gate| gate.gate.phase == *phase);
        Phase::ALL.into_iter().filter(run).collect()
    }

    /// The services as the run's first event has them.
    pub fn planned_services(&self) -> BTreeMap<String, PlannedService> {
        let planned =
            |service: &Service| PlannedService { kind: service.kind, stands_for: service.stands_for.clone() };
        self.services.iter().map(|service| (service.name.clone(), planned(service))).collect()
    }
}

/// For each gate the numbers of those that it needs.
fn needs(profile: &Profile) -> Vec<Vec<usize>> {
    let gates = profile.gates.iter().enumerate();
    let numbers: HashMap<&GateId, usize> = gates.map(|(number, gate)| (&gate.gate.id, number)).collect();
    let needs = |gate: &Gate| gate.needs.iter().filter_map(|id| numbers.get(id).copied()).collect();
    profile.gates.iter().map(|gate| needs(&gate.gate)).collect()
}

fn planned(profile: &Profile, number: usize, roles: &[Role]) -> PlannedGate {
    let checked = &profile.gates[number];
    PlannedGate {
        gate: checked.gate.clone(),
        condition: checked.condition.clone(),
        probe: checked.probe,
        role: roles[number].clone(),
    }
}

/// The services of the gates that run, with what these services need.
fn services(profile: &Profile, gates: &[PlannedGate]) -> Vec<Service> {
    let number = |name: &String| profile.services.iter().position(|service| service.name == *name);
    let needs = |service: &Service| service.needs.iter().filter_map(number).collect();
    let needs: Vec<Vec<usize>> = profile.services.iter().map(needs).collect();
    let used: HashSet<&String> =
        gates.iter().filter(|gate| gate.runs()).flat_map(|gate| &gate.gate.uses).collect();
    let wanted = closure(used.into_iter().filter_map(number), &needs);
    let ordered = graph::order(&needs, |_| ());
    ordered
        .into_iter()
        .filter(|number| wanted.contains(number))
        .map(|number| profile.services[number].clone())
        .collect()
}

/// These numbers with all that they need.
fn closure(start: impl IntoIterator<Item = usize>, needs: &[Vec<usize>]) -> HashSet<usize> {
    let mut open: Vec<usize> = start.into_iter().collect();
    let mut reached = HashSet::new();
    while let Some(number) = open.pop() {
        if reached.insert(number) {
            open.extend(&needs[number]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::samples::{SHOP, parse};

    pub(super) fn plan(selection: &Selection) -> Result<Plan, String> {
        Plan::new(&parse(SHOP).unwrap(), selection).map_err(|error| error.to_string())
    }

    fn ids(gates: impl IntoIterator<Item = PlannedGate>) -> Vec<String> {
        gates.into_iter().map(|gate| gate.gate.id.to_string()).collect()
    }

    #[test]
    fn gates_run_by_phase_after_what_they_need_and_otherwise_as_written() {
        let plan = plan(&Selection::default()).unwrap();
        assert_eq!(ids(plan.gates.clone()), ["redis-ping", "kafka-init", "kafka-topics", "shop-answers"]);
        assert!(plan.gates.iter().all(PlannedGate::selected) && !plan.partial());
        assert_eq!(plan.phases(), [Phase::Infra, Phase::Readiness]);
    }

    #[test]
    fn services_are_those_that_running_gates_use_and_what_these_need() {
        let names = |only: &str| -> Vec<String> {
            let plan = plan(&Selection { only: vec![only.to_owned()], ..Selection::default() }).unwrap();
            plan.services.into_iter().map(|service| service.name).collect()
        };
        assert_eq!(names("redis-ping"), ["redis"]);
        assert_eq!(names("kafka-init"), ["redis", "kafka"]);
    }

    #[test]
    fn what_a_selected_gate_needs_runs_as_set_up() {
        let plan =
            plan(&Selection { only: vec!["kafka-topics".to_owned()], ..Selection::default() }).unwrap();
        let role = |id: &str| plan.gate(&GateId::new(id).unwrap()).unwrap().role.clone();
        assert_eq!(role("kafka-topics"), Role::Selected);
        assert_eq!(role("kafka-init"), Role::SetUp);
        assert_eq!(role("redis-ping"), Role::LeftOut("not selected".to_owned()));
        assert_eq!(plan.running().count(), 2);
        assert!(plan.partial());
        assert_eq!(plan.gates.len(), 4);
    }
}
