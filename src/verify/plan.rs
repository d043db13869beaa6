//! Which steps a file may have, in which order, and what its FAILED_STEP may name besides them.

use super::claim::Claim;
use super::finding::Which;
use crate::model::steps;
use std::collections::HashMap;

/// The steps of the bootstrap.
const BOOTSTRAP: [&str; 6] = [
    "compose_up",
    "timescale_schema_init",
    "kafka_topic_init",
    "debezium_connector_init",
    "clickhouse_schema_init",
    "health_check",
];

/// The steps of an init of the TimescaleDB schema.
const TIMESCALE: [&str; 3] = ["wait_ready", "apply_schema", "verify_schema"];

/// The steps of an init of the Debezium connectors.
const DEBEZIUM: [&str; 4] =
    ["apply_trading_core", "verify_trading_core", "apply_ops_audit", "verify_ops_audit"];

/// The steps of a file in order.
#[derive(Debug)]
pub(super) enum Plan {
    /// These, of which some may not be planned: older tools ran shorter ones, and so do smaller environments.
    Some(&'static [&'static str]),
    /// Each of these.
    Each(&'static [&'static str]),
    /// Each of these, which the file names itself.
    Own { names: Vec<String>, places: HashMap<String, usize> },
    /// `verify_clickhouse`, then `apply_FILE` for the files in the order of their names.
    Files,
    /// Nothing is known of them.
    Any,
}

impl Plan {
    pub fn of(claim: &Claim<'_>) -> Plan {
        match claim.which {
            Which::Cutover => Plan::Some(&steps::CUTOVER_STEPS),
            Which::Rollback => Plan::Some(&steps::ROLLBACK_STEPS),
            Which::Kafka => Plan::topics(claim.entry("TOPICS").map_or("", |entry| &entry.value)),
            Which::Clickhouse => Plan::Files,
            Which::Timescale => Plan::Each(&TIMESCALE),
            Which::Debezium => Plan::connectors(claim),
            Which::Bootstrap => match claim.entry("ACTION").map(|entry| &*entry.value) {
                Some("up") => Plan::Some(&BOOTSTRAP),
                Some("health") => Plan::Some(&BOOTSTRAP[1..]),
                _ => Plan::Any,
            },
        }
    }

    fn own(names: Vec<String>) -> Plan {
        let places = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Plan::Own { names, places }
    }

    fn topics(list: &str) -> Plan {
        let both = |topic: &str| [format!("create_{topic}"), format!("verify_{topic}")];
        Plan::own(topics(list).flat_map(both).collect())
    }

    /// Those of the contract. An environment of cutproof may have connectors of its own, in an order of its own, and
    /// of the contract's those for which it has a file.
    fn connectors(claim: &Claim<'_>) -> Plan {
        if !claim.is_of_cutproof() {
            return Plan::Each(&DEBEZIUM);
        }
        let mut keys: Vec<&str> =
            claim.names().filter_map(|name| name.value.strip_prefix("apply_")).collect();
        for (key, file) in [("trading_core", "TRADING_CORE_FILE"), ("ops_audit", "OPS_AUDIT_FILE")] {
            let given = claim.entry(file).is_some_and(|entry| !entry.value.is_empty());
            if given && !keys.contains(&key) {
                keys.push(key);
            }
        }
        let both = |key: &str| [format!("apply_{key}"), format!("verify_{key}")];
        Plan::own(keys.into_iter().flat_map(both).collect())
    }

    /// The place of a step. Files are no plan of their own: they have none.
    pub fn place(&self, name: &str) -> Option<usize> {
        match self {
            Plan::Some(names) | Plan::Each(names) => names.iter().position(|planned| *planned == name),
            Plan::Own { places, .. } => places.get(name).copied(),
            Plan::Files | Plan::Any => None,
        }
    }

    /// The step of a place.
    pub fn name(&self, place: usize) -> Option<&str> {
        match self {
            Plan::Some(names) | Plan::Each(names) => names.get(place).copied(),
            Plan::Own { names, .. } => names.get(place).map(String::as_str),
            Plan::Files | Plan::Any => None,
        }
    }

    /// How many steps there are, where that is known.
    pub fn len(&self) -> Option<usize> {
        match self {
            Plan::Some(names) | Plan::Each(names) => Some(names.len()),
            Plan::Own { names, .. } => Some(names.len()),
            Plan::Files | Plan::Any => None,
        }
    }

    /// Whether the file may not leave one out, whoever wrote it.
    pub fn is_whole(&self) -> bool {
        matches!(self, Plan::Each(_) | Plan::Own { .. })
    }
}

/// The topics of a list with commas.
pub(super) fn topics(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|topic| !topic.is_empty())
}

/// What FAILED_STEP may be besides a step.
pub(super) fn other_failures(which: Which) -> &'static [&'static str] {
    match which {
        Which::Cutover => &steps::CUTOVER_FAILURES,
        Which::Rollback => &steps::ROLLBACK_FAILURES,
        _ => &[steps::INTERRUPTED],
    }
}
