//! Profile and selection → plan: which gates run, in which order, on which services. A pure function of the two and of
//! the files that inits take their steps from: it reaches nothing and knows no time.
//!
//! It knows nothing of how gates are run or services provided.

mod select;

pub use select::{Selection, SelectionError};

use crate::condition::Condition;
use crate::model::event::{FileDigest, Partition, PlannedService, PlannedStep};
use crate::model::{Gate, GateId, Phase, Shard};
use crate::probe::Probe;
use crate::profile::{COMMAND_LINE, CheckedGate, Profile, Service, graph};
use select::Role;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// What a run sets out to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The environment's name.
    pub environment: String,
    /// The profile's file, where there is one.
    pub file: Option<FileDigest>,
    /// Services that the selected gates use, with those that these need, each after those that it needs.
    pub services: Vec<Service>,
    /// All gates of the profile, also those that do not run: phases in order, and in a phase each gate after those
    /// that it needs or is to come after, otherwise as in the profile.
    pub gates: Vec<PlannedGate>,
    /// How the selection was made, in the words of the flags; nothing where all gates run.
    pub selection: Option<String>,
    /// The shard that this is, where the gates are shared out among several runs.
    pub partition: Option<Partition>,
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
    /// The steps that it will take, where it changes things in steps; none where it does not run.
    pub steps: Vec<PlannedStep>,
    /// Whether it runs: it was asked for, or a gate that was asked for needs it.
    pub selected: bool,
    /// Whether it runs only because a gate that was asked for needs it.
    pub set_up: bool,
    /// Why it does not run; empty where it does.
    pub reason: String,
}

impl fmt::Debug for PlannedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedGate")
            .field("gate", &self.gate)
            .field("selected", &self.selected)
            .field("set_up", &self.set_up)
            .finish_non_exhaustive()
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A selection that can't be what was meant.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The files that a gate's steps come from.
    #[error("{0}")]
    Steps(String),
    /// Gates that need each other have no order; a profile that was checked has none.
    #[error("the profile has gates that wait for each other in a circle: it was not checked")]
    Circle,
}

impl Plan {
    /// Resolves a selection of a profile's gates.
    ///
    /// # Errors
    /// Names that select nothing, with the nearest right one; a selection that leaves no gate to run; files of a
    /// selected gate's steps that are not there.
    pub fn new(profile: &Profile, selection: &Selection) -> Result<Plan, PlanError> {
        let needs = links(profile, |gate| &gate.needs);
        let roles = select::roles(profile, selection, &needs)?;
        let after = links(profile, |gate| &gate.after);
        let before: Vec<_> =
            needs.into_iter().zip(after).map(|(needs, after)| [needs, after].concat()).collect();
        let order = graph::order(&before, |number| profile.gates[number].gate.phase);
        if order.len() < profile.gates.len() {
            return Err(PlanError::Circle);
        }
        let gates = order.into_iter().map(|number| planned(&profile.gates[number], &roles[number]));
        let gates = gates.collect::<Result<Vec<PlannedGate>, PlanError>>()?;
        Ok(Plan {
            environment: profile.environment.clone(),
            file: profile.file.clone(),
            services: services(profile, &gates),
            selection: selection.to_words(),
            partition: selection.shard.map(|shard| partition(shard, &gates)),
            gates,
        })
    }

    /// Whether this is a selection or a shard: such a run never signs anything off.
    pub fn partial(&self) -> bool {
        self.selection.is_some() || self.partition.is_some()
    }

    /// The gates that run, in order.
    pub fn selected(&self) -> impl Iterator<Item = &PlannedGate> {
        self.gates.iter().filter(|gate| gate.selected)
    }

    /// The gate of an id.
    pub fn gate(&self, id: &GateId) -> Option<&PlannedGate> {
        self.gates.iter().find(|gate| gate.gate.id == *id)
    }

    /// The phases that have gates that run, in order.
    pub fn phases(&self) -> Vec<Phase> {
        let run = |phase: &Phase| self.selected().any(|gate| gate.gate.phase == *phase);
        Phase::ALL.into_iter().filter(run).collect()
    }

    /// The services as the run's first event has them.
    pub fn planned_services(&self) -> BTreeMap<String, PlannedService> {
        let planned =
            |service: &Service| PlannedService { kind: service.kind, stands_for: service.stands_for.clone() };
        self.services.iter().map(|service| (service.name.clone(), planned(service))).collect()
    }
}

/// For each gate the numbers of those that it names in one of its lists.
fn links(profile: &Profile, named: impl Fn(&Gate) -> &[GateId]) -> Vec<Vec<usize>> {
    let gates = profile.gates.iter().enumerate();
    let numbers: HashMap<&GateId, usize> = gates.map(|(number, gate)| (&gate.gate.id, number)).collect();
    let numbered = |gate: &Gate| named(gate).iter().filter_map(|id| numbers.get(id).copied()).collect();
    profile.gates.iter().map(|gate| numbered(&gate.gate)).collect()
}

/// The shard, with what runs in it of others.
fn partition(shard: Shard, gates: &[PlannedGate]) -> Partition {
    let setup = gates.iter().filter(|planned| planned.selected && !shard.holds(&planned.gate.id));
    Partition {
        index: shard.index(),
        total: shard.total(),
        setup: setup.map(|planned| planned.gate.id.clone()).collect(),
    }
}

fn planned(checked: &CheckedGate, role: &Role) -> Result<PlannedGate, PlanError> {
    let CheckedGate { gate, condition, probe } = checked;
    let (selected, reason) = match role {
        Role::LeftOut(reason) => (false, reason.clone()),
        Role::Asked | Role::SetUp => (true, String::new()),
    };
    let steps =
        if selected { probe.steps(&gate.with).map_err(|why| steps_fault(gate, &why))? } else { Vec::new() };
    Ok(PlannedGate {
        gate: gate.clone(),
        condition: condition.clone(),
        probe: *probe,
        steps,
        selected,
        set_up: *role == Role::SetUp,
        reason,
    })
}

fn steps_fault(gate: &Gate, why: &str) -> PlanError {
    if gate.at.file == COMMAND_LINE {
        return PlanError::Steps(why.to_owned());
    }
    PlanError::Steps(format!("{}: gate `{}`: {why}", gate.at, gate.id))
}

/// The services of the gates that run, with what these services need.
fn services(profile: &Profile, gates: &[PlannedGate]) -> Vec<Service> {
    let number = |name: &String| profile.services.iter().position(|service| service.name == *name);
    let needs = |service: &Service| service.needs.iter().filter_map(number).collect();
    let needs: Vec<Vec<usize>> = profile.services.iter().map(needs).collect();
    let used: HashSet<&String> =
        gates.iter().filter(|gate| gate.selected).flat_map(|gate| &gate.gate.uses).collect();
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
    use proptest::prelude::*;

    pub(super) fn plan(selection: &Selection) -> Result<Plan, String> {
        Plan::new(&parse(SHOP).unwrap(), selection).map_err(|error| error.to_string())
    }

    fn only(id: &str) -> Selection {
        Selection { only: vec![id.to_owned()], ..Selection::default() }
    }

    #[test]
    fn gates_run_by_phase_after_what_they_need_and_otherwise_as_written() {
        let plan = plan(&Selection::default()).unwrap();
        let ids: Vec<&str> = plan.gates.iter().map(|planned| planned.gate.id.as_str()).collect();
        assert_eq!(ids, ["redis-ping", "kafka-init", "kafka-topics", "shop-answers"]);
        assert!(plan.gates.iter().all(|planned| planned.selected && !planned.set_up) && !plan.partial());
        assert_eq!(plan.phases(), [Phase::Infra, Phase::Readiness]);
    }

    #[test]
    fn services_are_those_that_selected_gates_use_and_what_these_need() {
        let names = |id: &str| -> Vec<String> {
            plan(&only(id)).unwrap().services.into_iter().map(|service| service.name).collect()
        };
        assert_eq!(names("redis-ping"), ["redis"]);
        assert_eq!(names("kafka-init"), ["redis", "kafka"]);
    }

    #[test]
    fn what_a_selected_gate_needs_runs_as_set_up() {
        let plan = plan(&only("kafka-topics")).unwrap();
        let role = |id: &str| {
            let planned = plan.gate(&GateId::new(id).unwrap()).unwrap();
            (planned.selected, planned.set_up, planned.reason.as_str())
        };
        assert_eq!(role("kafka-topics"), (true, false, ""));
        assert_eq!(role("kafka-init"), (true, true, ""));
        assert_eq!(role("redis-ping"), (false, false, "not selected"));
        assert!(plan.partial());
        assert_eq!((plan.selected().count(), plan.gates.len()), (2, 4));
    }

    fn shard(index: u32, total: u32) -> Selection {
        Selection { shard: Some(Shard::new(index, total).unwrap()), ..Selection::default() }
    }

    /// The ids of a shard's own gates, and of those that are set-up.
    fn shares(plan: &Plan) -> [Vec<String>; 2] {
        let setup = &plan.partition.as_ref().unwrap().setup;
        let of = |set_up: bool| {
            let gates = plan.selected().filter(|planned| setup.contains(&planned.gate.id) == set_up);
            gates.map(|planned| planned.gate.id.to_string()).collect()
        };
        [of(false), of(true)]
    }

    #[test]
    fn a_shard_runs_its_own_gates_and_what_they_need_as_set_up() {
        let [first, second] = [plan(&shard(1, 2)).unwrap(), plan(&shard(2, 2)).unwrap()];
        // kafka-topics belongs to 1/2 and needs kafka-init of 2/2.
        assert!(shares(&first)[0].contains(&"kafka-topics".to_owned()));
        assert_eq!(shares(&first)[1], ["kafka-init"]);
        assert!(shares(&second)[0].contains(&"kafka-init".to_owned()));
        assert!(first.partial() && first.selection.is_none());
        let left = first.gate(&GateId::new("redis-ping").unwrap()).unwrap();
        assert_eq!(left.reason, "not selected: it belongs to shard 2/2");
        assert!(!left.selected);
    }

    #[test]
    fn a_shard_of_a_selection_shares_out_what_the_selection_runs() {
        let of = |index| {
            let selection = Selection { shard: Some(Shard::new(index, 2).unwrap()), ..only("kafka-topics") };
            let plan = plan(&selection).unwrap();
            assert_eq!(plan.selection.as_deref(), Some("--only kafka-topics"));
            shares(&plan)
        };
        // Alone, the selection runs kafka-init because kafka-topics needs it: its result is that of 2/2.
        assert_eq!(of(1), [vec!["kafka-topics".to_owned()], vec!["kafka-init".to_owned()]]);
        assert_eq!(of(2), [vec!["kafka-init".to_owned()], vec![]]);
    }

    #[test]
    fn a_shard_to_which_no_gate_falls_is_a_plan_all_the_same() {
        let empty = (1..=100)
            .map(|index| plan(&shard(index, 100)).unwrap())
            .find(|plan| plan.selected().count() == 0);
        let empty = empty.expect("four gates can't fill a hundred shards");
        assert!(empty.partial() && empty.services.is_empty() && empty.gates.len() == 4);
    }

    /// A profile of gates by number; each needs some of those before it.
    fn profile_of(needs: &[Vec<usize>]) -> Profile {
        let gate = |(number, needs): (usize, &Vec<usize>)| {
            let needs: Vec<String> =
                needs.iter().map(|need| format!("\"g{}\"", need % number.max(1))).collect();
            let needs: std::collections::BTreeSet<String> =
                if number == 0 { vec![] } else { needs }.into_iter().collect();
            let needs: Vec<String> = needs.into_iter().collect();
            format!(
                "[[gate]]\nid=\"g{number}\"\nphase=\"infra\"\nprobe=\"command\"\nwith.argv=[\"true\"]\nneeds=[{}]\n",
                needs.join(",")
            )
        };
        let gates: String = needs.iter().enumerate().map(gate).collect();
        parse(&format!("environment=\"x\"\n{gates}")).unwrap()
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_and_cover_the_plan(
            needs in proptest::collection::vec(proptest::collection::vec(0usize..20, 0..3), 1..20),
            total in 1u32..12,
        ) {
            let profile = profile_of(&needs);
            let mut reported: Vec<String> = Vec::new();
            for index in 1..=total {
                let plan = Plan::new(&profile, &shard(index, total)).unwrap();
                let [own, set_up] = shares(&plan);
                // All that a gate needs runs too.
                for planned in plan.selected() {
                    for need in &planned.gate.needs {
                        prop_assert!(own.contains(&need.to_string()) || set_up.contains(&need.to_string()));
                    }
                }
                reported.extend(own);
            }
            reported.sort();
            let mut all: Vec<String> = profile.gates.iter().map(|gate| gate.gate.id.to_string()).collect();
            all.sort();
            prop_assert_eq!(reported, all);
        }

        #[test]
        fn a_gate_more_moves_no_other(count in 1usize..20, total in 1u32..12) {
            let own = |gates: usize, index| {
                let plan = Plan::new(&profile_of(&vec![Vec::new(); gates]), &shard(index, total)).unwrap();
                shares(&plan)[0].clone()
            };
            for index in 1..=total {
                let (before, mut after) = (own(count, index), own(count + 1, index));
                after.retain(|gate| *gate != format!("g{count}"));
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn steps_are_announced_by_those_that_run() {
        let plan = plan(&only("kafka-init")).unwrap();
        let steps: Vec<&str> =
            plan.gates.iter().flat_map(|planned| &planned.steps).map(|step| step.name.as_str()).collect();
        assert_eq!(steps, ["create_shop.orders.v1"]);
    }

    #[test]
    fn steps_whose_files_are_not_there_are_told_with_the_gate() {
        let text =
            SHOP.replace("with = { topics = [\"shop.orders.v1\"] }", "with = { topics = [\"absent\"] }");
        let profile = parse(&text).unwrap();
        let told = Plan::new(&profile, &Selection::default()).unwrap_err().to_string();
        assert_eq!(told, "gates/x.toml:49:6: gate `kafka-init`: topics file not found: absent");
        assert!(Plan::new(&profile, &only("redis-ping")).is_ok());
    }

    #[test]
    fn ten_thousand_gates_are_loaded_and_planned() {
        let gate = |n: usize| {
            let needs =
                if n.is_multiple_of(10) { String::new() } else { format!("needs=[\"g{}\"]\n", n - 1) };
            format!(
                "[[gate]]\nid=\"g{n}\"\nphase=\"infra\"\nprobe=\"command\"\nwith.argv=[\"true\"]\n{needs}"
            )
        };
        let text: String =
            std::iter::once("environment=\"x\"\n".to_owned()).chain((0..10_000).map(gate)).collect();
        assert!(text.len() as u64 <= crate::profile::MAX_SIZE);
        let started = std::time::Instant::now();
        let profile = parse(&text).unwrap();
        let loaded = started.elapsed();
        let plan = Plan::new(&profile, &Selection::default()).unwrap();
        println!("{} bytes loaded in {loaded:?}, planned in {:?}", text.len(), started.elapsed() - loaded);
        assert_eq!(plan.selected().count(), 10_000);
    }
}
