//! What readiness is judged by: a profile's service levels and what a person declared, put together into the plan that
//! the journal keeps, and the gates that measure it.
//!
//! It knows neither arguments nor what is measured: whoever judges reads the journal.

use crate::model::readiness::{LEVELS, Level, LevelUnit, ReadinessPlan, SliPlan, SliSource, level};
use crate::model::{GateId, MetricKind};
use crate::plan::{Plan, PlanError, Selection};
use crate::profile::switch::Readiness;
use crate::profile::{CheckedGate, Profile};
use crate::settings::names::{hint, quoted};
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
        "profile {profile} has no [readiness]: expected one that says which gates measure the service levels"
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
        partition: None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;
    use crate::profile::samples::{SHOP, parse};
    use crate::profile::switch::Sli;

    const REDIS: &str = "quant_hft_storage_redis_health";
    const QUERY: &str = "quant_hft_ctp_query_latency_p99_ms";
    const BRIDGE: &str = "quant_hft_strategy_bridge_latency_p99_ms";
    const TIMESCALE: &str = "quant_hft_storage_timescale_health";
    const POSTGRES: &str = "quant_hft_storage_postgres_health";

    fn at() -> Position {
        Position { file: "gates/x.toml".to_owned(), line: 70, column: 1 }
    }

    fn by(name: &str, gate: &str, value: Option<&str>) -> Sli {
        let gate = GateId::new(gate).unwrap();
        let from = SliSource::Measured { gate, value: value.map(str::to_owned), at: at() };
        Sli { name: name.to_owned(), from, target: None }
    }

    fn shop(slis: Vec<Sli>) -> Profile {
        let readiness = Some(Readiness { service: "shop".to_owned(), slis });
        Profile { readiness, ..parse(SHOP).unwrap() }
    }

    fn said(name: &'static str, value: f64) -> Declared {
        let said = Said { value, flag: format!("--x {value}") };
        Declared { values: BTreeMap::from([(name, said)]), ..Declared::default() }
    }

    fn of<'a>(plan: &'a ReadinessPlan, name: &str) -> &'a SliPlan {
        plan.slis.iter().find(|sli| sli.name == name).unwrap()
    }

    #[test]
    fn what_a_profile_measures_what_was_declared_and_what_nobody_said_are_told_apart() {
        let profile = shop(vec![
            by(REDIS, "redis-ping", None),
            by(QUERY, "shop-answers", Some("latency_ms")),
            by(BRIDGE, "redis-ping", Some("latency_ms")),
        ]);
        let plan = plan(&profile, &said(QUERY, 1200.0), "precheck").unwrap();
        assert_eq!(
            plan.slis.iter().map(|sli| sli.name.as_str()).collect::<Vec<_>>(),
            LEVELS.map(|level| level.name)
        );
        assert!(plan.measuring && !plan.require_measured);
        assert_eq!((plan.scope.as_str(), plan.service.as_str()), ("precheck", "shop"));
        assert_eq!(plan.environment, profile.environment);
        assert!(
            matches!(&of(&plan, REDIS).from, SliSource::Measured { gate, value: None, .. } if gate.as_str() == "redis-ping")
        );
        assert_eq!(of(&plan, QUERY).from, SliSource::Declared { value: 1200.0, flag: "--x 1200".to_owned() });
        // Whoever measures takes no default for a measurement.
        assert_eq!(of(&plan, TIMESCALE).from, SliSource::Defaulted { value: None });
        assert_eq!(gates(&plan), [GateId::new("redis-ping").unwrap()]);
    }

    #[test]
    fn a_run_of_readiness_has_its_gates_with_what_they_need_and_is_no_selection() {
        let profile =
            shop(vec![by(QUERY, "kafka-topics", Some("topics_missing")), by(REDIS, "redis-ping", None)]);
        let told = plan(&profile, &Declared::default(), "precheck").unwrap_err().to_string();
        assert!(told.starts_with("gates/x.toml:70:1: service level `quant_hft_ctp_query"), "{told}");
        let profile = shop(vec![by(REDIS, "kafka-topics", None), by(TIMESCALE, "redis-ping", Some("alive"))]);
        let readiness = plan(&profile, &Declared::default(), "precheck").unwrap();
        let run = plan_of_gates(&profile, &readiness).unwrap();
        let ids: Vec<_> = run.gates.iter().map(|planned| planned.gate.id.as_str()).collect();
        assert_eq!(ids, ["redis-ping", "kafka-init", "kafka-topics"]);
        assert!(!run.partial());
        let told = refuse_writers(&run).unwrap_err().to_string();
        assert!(told.contains("readiness only reads, and these gates write: `kafka-init`"), "{told}");
        let alone =
            plan(&shop(vec![by(REDIS, "redis-ping", None)]), &Declared::default(), "precheck").unwrap();
        let run = plan_of_gates(&profile, &alone).unwrap();
        assert_eq!((run.gates.len(), run.services.len(), refuse_writers(&run)), (1, 1, Ok(())));
        let nothing =
            plan(&shop(vec![by(REDIS, "redis-ping", None)]), &said(REDIS, 1.0), "precheck").unwrap();
        assert!(plan_of_gates(&profile, &nothing).unwrap().gates.is_empty());
    }

    #[test]
    fn flags_go_before_the_profile_and_that_before_the_contract() {
        let mut query = by(QUERY, "shop-answers", Some("latency_ms"));
        query.target = Some(500.0);
        let profile = shop(vec![query]);
        let target =
            |declared: &Declared, name| of(&plan(&profile, declared, "precheck").unwrap(), name).target;
        assert_eq!(target(&Declared::default(), BRIDGE), 1500.0);
        assert_eq!(target(&Declared::default(), QUERY), 500.0);
        let declared = Declared {
            targets: BTreeMap::from([(QUERY, 300.0)]),
            environment: Some("night".to_owned()),
            service: Some("core".to_owned()),
            ..Declared::default()
        };
        assert_eq!(target(&declared, QUERY), 300.0);
        let plan = plan(&profile, &declared, "rollback").unwrap();
        assert_eq!((plan.environment.as_str(), plan.service.as_str()), ("night", "core"));
        assert_eq!(plan_of_gates(&profile, &plan).unwrap().environment, "night");
    }

    #[test]
    fn with_flags_alone_the_contracts_defaults_are_marked_and_the_rest_is_not_known() {
        let plan = declared_only("single-host-ubuntu", &said(TIMESCALE, 0.0), "precheck");
        assert!(!plan.measuring);
        assert_eq!((plan.environment.as_str(), plan.service.as_str()), ("single-host-ubuntu", SERVICE));
        for sli in &plan.slis {
            let expected = match sli.name.as_str() {
                TIMESCALE => SliSource::Declared { value: 0.0, flag: "--x 0".to_owned() },
                BRIDGE | POSTGRES => SliSource::Defaulted { value: Some(0.0) },
                _ => SliSource::Defaulted { value: None },
            };
            assert_eq!(sli.from, expected, "{}", sli.name);
        }
        let plan = declared_only("x", &Declared::default(), "precheck");
        assert_eq!(of(&plan, POSTGRES).from, SliSource::Defaulted { value: None });
        assert!(gates(&plan).is_empty());
    }

    #[test]
    fn a_level_that_can_not_be_judged_as_the_profile_says_is_refused_with_its_place() {
        let wide = |target: f64| Sli { target: Some(target), ..by(QUERY, "redis-ping", Some("latency_ms")) };
        let truth = Sli { target: Some(0.0), ..by(REDIS, "redis-ping", None) };
        let rate = "quant_hft_ctp_reject_classified_ratio";
        let mut told = Vec::new();
        for slis in [
            vec![by("quant_hft_storage_redis_helth", "redis-ping", None)],
            vec![by(REDIS, "redis-ping", None), by(REDIS, "redis-ping", None)],
            vec![by(REDIS, "redis-pnig", None)],
            vec![by(REDIS, "redis-ping", Some("latency_ms"))],
            vec![by(REDIS, "redis-ping", Some("state"))],
            vec![by(QUERY, "redis-ping", None)],
            vec![by(QUERY, "redis-ping", Some("latency"))],
            vec![by(rate, "redis-ping", Some("alive"))],
            vec![wide(f64::NAN)],
            vec![wide(-1.0)],
            vec![truth],
        ] {
            told.push(plan(&shop(slis), &Declared::default(), "precheck").unwrap_err().to_string());
        }
        told.push(plan(&parse(SHOP).unwrap(), &Declared::default(), "precheck").unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"), @r"
        gates/x.toml:70:1: service level `quant_hft_storage_redis_helth`: there is none of this name; nearest: `quant_hft_storage_redis_health`
        gates/x.toml:70:1: service level `quant_hft_storage_redis_health`: it is there twice
        gates/x.toml:70:1: service level `quant_hft_storage_redis_health`: unknown gate `redis-pnig`; nearest: `redis-ping`
        gates/x.toml:70:1: service level `quant_hft_storage_redis_health`: expected true or false, and `latency_ms` of gate `redis-ping` is a number in ms
        gates/x.toml:70:1: service level `quant_hft_storage_redis_health`: expected true or false, and `state` of gate `redis-ping` is a text
        gates/x.toml:70:1: service level `quant_hft_ctp_query_latency_p99_ms`: expected `value`, the observation of gate `redis-ping` that is a number of milliseconds, 0 or more
        gates/x.toml:70:1: service level `quant_hft_ctp_query_latency_p99_ms`: gate `redis-ping` observes no `latency`; nearest: `latency_ms`
        gates/x.toml:70:1: service level `quant_hft_ctp_reject_classified_ratio`: expected a ratio from 0 to 1, and `alive` of gate `redis-ping` is a truth
        gates/x.toml:70:1: service level `quant_hft_ctp_query_latency_p99_ms`: target: expected a number of milliseconds, 0 or more, seen NaN
        gates/x.toml:70:1: service level `quant_hft_ctp_query_latency_p99_ms`: target: expected a number of milliseconds, 0 or more, seen -1
        gates/x.toml:70:1: service level `quant_hft_storage_redis_health`: the target of a truth is 1, seen 0
        profile web-shop has no [readiness]: expected one that says which gates measure the service levels
        ");
    }
}
