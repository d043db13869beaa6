//! What readiness is judged by: a profile's service levels and what a person declared, put together into the plan that
//! the journal keeps, and the gates that measure it.
//!
//! It knows neither arguments nor what is measured: whoever judges reads the journal.

use crate::model::readiness::{LEVELS, Level, LevelUnit, ReadinessPlan, SliPlan, SliSource, level};
use crate::model::{GateId, MetricKind};
use crate::plan::{Plan, PlanError, Selection};
use crate::profile::names::{hint, quoted};
use crate::profile::switch::Readiness;
use crate::profile::{CheckedGate, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// The service's name in the evidence, where nobody says another.
pub const SERVICE: &str = "core_engine";

/// What a person said about service levels: checked values, by the levels' names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    /// Values in the level's unit, each with the flag and what was typed. They go before what the profile measures.
    pub values: BTreeMap<&'static str, Said>,
    /// Targets in the level's unit. They go before the profile's.
    pub targets: BTreeMap<&'static str, f64>,
    /// The environment's name in the evidence, where it is another than the profile's.
    pub environment: Option<String>,
    /// The service's name in the evidence, where it is another than the profile's.
    pub service: Option<String>,
    /// Only measured values are to count.
    pub require_measured: bool,
}

/// A declared value.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// In the level's unit.
    pub value: f64,
    /// The flag and what was typed: `--query-latency-ms 1200`.
    pub flag: String,
}

/// Why readiness can't be measured as the profile says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadinessError {
    /// The profile has none.
    #[error(
        "profile {profile} has no [readiness], so nothing can be measured by it: add one, or leave --profile out"
    )]
    NoReadiness {
        /// The profile's path, or its environment.
        profile: String,
    },
    /// A level that can't be judged as the profile says; with its place.
    #[error("{0}")]
    Level(String),
    /// The gates that measure.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Gates that write are needed.
    #[error(
        "readiness only reads, and these gates write: {0}; expected service levels whose gates, and those that they \
         need, only read"
    )]
    Writes(String),
}

/// What readiness is judged by where a profile measures it. What nobody says is defaulted, and never healthy.
///
/// # Errors
/// The profile has no readiness, or a level that can't be judged as it says: an unknown level, gate or observation, a
/// unit or a target that does not fit.
pub fn plan(profile: &Profile, declared: &Declared, scope: &str) -> Result<ReadinessPlan, ReadinessError> {
    let readiness = profile.readiness.as_ref().ok_or_else(|| {
        let file = profile.file.as_ref().map(|file| file.path.clone());
        ReadinessError::NoReadiness { profile: file.unwrap_or_else(|| profile.environment.clone()) }
    })?;
    check(readiness, profile).map_err(ReadinessError::Level)?;
    let measured = |level: &Level| readiness.slis.iter().find(|sli| sli.name == level.name);
    let slis = LEVELS.iter().map(|level| {
        let measured = measured(level);
        let from = measured.map_or(SliSource::Defaulted { value: None }, |sli| sli.from.clone());
        resolve(level, measured.and_then(|sli| sli.target), from, declared)
    });
    let service = declared.service.as_ref().unwrap_or(&readiness.service);
    Ok(ReadinessPlan {
        scope: scope.to_owned(),
        environment: declared.environment.as_ref().unwrap_or(&profile.environment).clone(),
        service: service.clone(),
        measuring: true,
        require_measured: declared.require_measured,
        slis: slis.collect(),
    })
}

/// What readiness is judged by where nothing is measured: what was declared, and the contract's defaults for the rest.
/// These are 0 ms for the strategy bridge's latency, and for PostgreSQL what was said of TimescaleDB; whatever else
/// nobody says is not known.
pub fn declared_only(environment: &str, declared: &Declared, scope: &str) -> ReadinessPlan {
    let said = |name: &str| declared.values.get(name).map(|said| said.value);
    let default = |level: &Level| match level.name {
        "quant_hft_strategy_bridge_latency_p99_ms" => Some(0.0),
        "quant_hft_storage_postgres_health" => said("quant_hft_storage_timescale_health"),
        _ => None,
    };
    let slis = LEVELS
        .iter()
        .map(|level| resolve(level, None, SliSource::Defaulted { value: default(level) }, declared));
    ReadinessPlan {
        scope: scope.to_owned(),
        environment: declared.environment.as_deref().unwrap_or(environment).to_owned(),
        service: declared.service.as_deref().unwrap_or(SERVICE).to_owned(),
        measuring: false,
        require_measured: declared.require_measured,
        slis: slis.collect(),
    }
}

fn resolve(level: &Level, target: Option<f64>, from: SliSource, declared: &Declared) -> SliPlan {
    let said = declared.values.get(level.name);
    let said = said.map(|said| SliSource::Declared { value: said.value, flag: said.flag.clone() });
    let target = declared.targets.get(level.name).copied().or(target);
    SliPlan {
        name: level.name.to_owned(),
        unit: level.unit.as_str().to_owned(),
        target: target.unwrap_or(level.target),
        at_most: level.at_most,
        from: said.unwrap_or(from),
    }
}

/// The gates that measure, each once, in the levels' order.
pub fn gates(plan: &ReadinessPlan) -> Vec<GateId> {
    let mut seen = BTreeSet::new();
    let measured = plan.slis.iter().filter_map(|sli| match &sli.from {
        SliSource::Measured { gate, .. } => Some(gate),
        SliSource::Declared { .. } | SliSource::Defaulted { .. } => None,
    });
    measured.filter(|gate| seen.insert(*gate)).cloned().collect()
}

/// The plan of a run that measures readiness and nothing else: these gates and those that they need. It is whole, not
/// a selection; where everything is declared it has no gate.
///
/// # Errors
/// Files of the gates' steps that are not there.
pub fn plan_of_gates(profile: &Profile, readiness: &ReadinessPlan) -> Result<Plan, ReadinessError> {
    let only: Vec<_> = gates(readiness).iter().map(ToString::to_string).collect();
    if only.is_empty() {
        return Ok(Plan { file: profile.file.clone(), ..plan_of_nothing(&readiness.environment) });
    }
    let mut plan = Plan::new(profile, &Selection { only, ..Selection::default() })?;
    plan.gates.retain(|planned| planned.selected);
    plan.selection = None;
    readiness.environment.clone_into(&mut plan.environment);
    Ok(plan)
}

/// The plan of a run that measures nothing: all is declared.
pub fn plan_of_nothing(environment: &str) -> Plan {
    Plan {
        environment: environment.to_owned(),
        file: None,
        services: Vec::new(),
        gates: Vec::new(),
        selection: None,
    }
}

/// Refuses a plan with gates that write.
///
/// # Errors
/// Their names.
pub fn refuse_writers(plan: &Plan) -> Result<(), ReadinessError> {
    let writers = plan.selected().filter(|planned| planned.gate.writes);
    let writers: Vec<_> = writers.map(|planned| quoted(planned.gate.id.as_str())).collect();
    if writers.is_empty() { Ok(()) } else { Err(ReadinessError::Writes(writers.join(", "))) }
}

/// Checks that every level of a profile can be judged as it says.
fn check(readiness: &Readiness, profile: &Profile) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for sli in &readiness.slis {
        let told = |why: String| match &sli.from {
            SliSource::Measured { at, .. } => format!("{at}: service level {}: {why}", quoted(&sli.name)),
            _ => format!("service level {}: {why}", quoted(&sli.name)),
        };
        let level = level(&sli.name).ok_or_else(|| {
            told(format!(
                "there is none of this name{}",
                hint(&sli.name, LEVELS.iter().map(|level| level.name))
            ))
        })?;
        if !seen.insert(&sli.name) {
            return Err(told("it is there twice".to_owned()));
        }
        match sli.target {
            Some(target) if level.unit == LevelUnit::Bool && target != 1.0 => {
                return Err(told(format!("the target of a truth is 1, seen {target}")));
            }
            Some(target) if !level.unit.accepts(target) => {
                return Err(told(format!("target: expected {}, seen {target}", level.unit.expected())));
            }
            _ => {}
        }
        if let SliSource::Measured { gate, value, .. } = &sli.from {
            check_gate(level, gate, value.as_deref(), profile).map_err(told)?;
        }
    }
    Ok(())
}

fn check_gate(level: &Level, gate: &GateId, value: Option<&str>, profile: &Profile) -> Result<(), String> {
    let ids = || profile.gates.iter().map(|checked| checked.gate.id.as_str());
    let found = profile.gates.iter().find(|checked| checked.gate.id == *gate);
    let CheckedGate { gate, probe, .. } = found
        .ok_or_else(|| format!("unknown gate {}{}", quoted(gate.as_str()), hint(gate.as_str(), ids())))?;
    let Some(value) = value else {
        return match level.unit {
            LevelUnit::Bool => Ok(()),
            unit => Err(format!(
                "expected `value`, the observation of gate `{}` that is {}",
                gate.id,
                unit.expected()
            )),
        };
    };
    let metrics = probe.metrics(&gate.with);
    let metric = metrics.iter().find(|metric| metric.name == value).ok_or_else(|| {
        let names = metrics.iter().map(|metric| &*metric.name);
        format!("gate `{}` observes no {}{}", gate.id, quoted(value), hint(value, names))
    })?;
    let (fits, seen) = match metric.kind {
        MetricKind::Number(unit) => (level.unit.fits(unit), format!("a number in {unit}")),
        MetricKind::Bool => (level.unit == LevelUnit::Bool, "a truth".to_owned()),
        MetricKind::Text => (false, "a text".to_owned()),
    };
    if fits {
        return Ok(());
    }
    Err(format!("expected {}, and {} of gate `{}` is {seen}", level.unit.expected(), quoted(value), gate.id))
}
