//! `ctp_readiness.json`: the service levels of a run, each with its value, whether that is healthy, and where it came
//! from. A level of which the journal knows no value is not healthy.

use super::text::{cut, visible};
use super::verdict::{Outcome, verdict};
use super::view::{GateView, RunView};
use super::{Document, ProjectionError};
use crate::model::event::FileDigest;
use crate::model::readiness::{LevelUnit, ReadinessPlan, SliPlan, SliSource, level};
use crate::model::units::{Quantity, Unit};
use crate::model::{GateId, Observation, Origin, Reading, RunId, Stamp, Verdict};
use serde::Serialize;

/// The version of this projection.
pub const VERSION: u32 = 1;

/// The file in a run's folder.
pub const FILE: &str = "ctp_readiness.json";

/// How many reasons are listed.
const REASONS: usize = 100;

/// The longest reason of a gate in a detail, in characters.
const LONGEST: usize = 500;

/// A service level of a run, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Sli<'a> {
    /// What it is judged by.
    pub plan: &'a SliPlan,
    /// Its value in the plan's unit; none where it is not known.
    pub value: Option<f64>,
    /// How the value came about.
    pub origin: Origin,
    /// Whether it is healthy.
    pub healthy: bool,
    /// How many samples stand behind it.
    pub samples: u64,
    /// Where it came from, or why it is not known.
    pub detail: String,
    /// When it was measured.
    pub at: Option<Stamp>,
}

/// The levels of a run in its plan's order; none where it measures no readiness.
pub fn slis<'a>(run: &RunView<'a>) -> Vec<Sli<'a>> {
    let Some(plan) = run.started.readiness.as_deref() else { return Vec::new() };
    plan.slis.iter().map(|sli| judge(plan, sli, run)).collect()
}

impl Sli<'_> {
    /// What was seen and expected, and where it came from, in one line.
    pub fn told(&self) -> String {
        let SliPlan { name, target, at_most, .. } = self.plan;
        let unit = LevelUnit::parse(&self.plan.unit);
        let Some(value) = self.value else { return format!("{name} is {}", self.detail) };
        let text = |value: f64| match unit {
            Some(LevelUnit::Bool) => (if value == 1.0 { "true" } else { "false" }).to_owned(),
            Some(LevelUnit::Ms) => format!("{value} ms"),
            _ => value.to_string(),
        };
        let expected = match (unit, at_most) {
            _ if self.plan.is_met(value) => String::new(),
            (Some(LevelUnit::Bool), _) => format!(", expected {}", text(*target)),
            (_, true) => format!(", expected at most {}", text(*target)),
            (_, false) => format!(", expected at least {}", text(*target)),
        };
        format!("{name} is {}{expected}: {}", text(value), self.detail)
    }
}

/// What the journal knows of a value.
struct Found {
    value: Option<f64>,
    origin: Origin,
    samples: u64,
    detail: String,
    at: Option<Stamp>,
}

fn judge<'a>(plan: &ReadinessPlan, sli: &'a SliPlan, run: &RunView<'_>) -> Sli<'a> {
    let mut found = find(sli, run);
    let refused = match found.origin {
        Origin::Measured => None,
        Origin::Declared | Origin::Defaulted if plan.require_measured => {
            Some("only measured values count here (--require-measured)")
        }
        Origin::Defaulted if plan.measuring => Some("where a profile measures, a default is never healthy"),
        Origin::Declared | Origin::Defaulted => None,
    };
    if let (Some(refused), Some(_)) = (refused, found.value) {
        found.detail = format!("{}; {refused}", found.detail);
    }
    Sli {
        plan: sli,
        value: found.value,
        origin: found.origin,
        healthy: refused.is_none() && found.value.is_some_and(|value| sli.is_met(value)),
        samples: found.samples,
        detail: found.detail,
        at: found.at,
    }
}

fn find(sli: &SliPlan, run: &RunView<'_>) -> Found {
    let typed = |value, origin, detail| Found { value, origin, samples: 0, detail, at: None };
    let Some(unit) = LevelUnit::parse(&sli.unit) else {
        return typed(None, Origin::Defaulted, format!("not known: there is no unit {}", sli.unit));
    };
    match &sli.from {
        SliSource::Measured { gate, value, .. } => measured(run, gate, value.as_deref(), unit)
            .unwrap_or_else(|why| Found {
                detail: format!("not known: {why}"),
                ..typed(None, Origin::Measured, String::new())
            }),
        SliSource::Declared { value, flag } => {
            let value = Some(*value).filter(|value| unit.accepts(*value));
            let known = if value.is_some() { "" } else { "not known: " };
            typed(value, Origin::Declared, format!("{known}declared by {}", visible(flag)))
        }
        SliSource::Defaulted { value } => {
            let value = value.filter(|value| unit.accepts(*value));
            let known = if value.is_some() { "the contract's default" } else { "not known" };
            let flag = level(&sli.name).map_or("a flag", |level| level.flag);
            typed(value, Origin::Defaulted, format!("{known}: neither {flag} nor a gate says it"))
        }
    }
}

/// The value that a gate measured.
///
/// # Errors
/// Why it is not known.
fn measured(run: &RunView<'_>, id: &GateId, value: Option<&str>, unit: LevelUnit) -> Result<Found, String> {
    let view = run.gates.iter().find(|view| view.gate.id == *id);
    let view = view.ok_or_else(|| format!("the run has no gate `{id}`"))?;
    let because = |what: &str| format!("gate `{id}` {what}{}", reason(view));
    match (view.verdict, value) {
        (Verdict::Skipped, _) => Err(because("was not run")),
        (Verdict::Error, _) => Err(because("could not be measured")),
        (Verdict::Inconclusive, None) => Err(because("has no data to be judged by")),
        (_, None) if unit != LevelUnit::Bool => {
            Err(format!("expected {}, and gate `{id}` only says whether it passed", unit.expected()))
        }
        (Verdict::Passed, None) => Ok(passed(view, 1.0, format!("gate `{id}` passed"))),
        (Verdict::Failed, None) => Ok(passed(view, 0.0, because("failed"))),
        (_, Some(name)) => observed(view, name, unit),
    }
}

/// A truth that is whether a gate passed.
fn passed(view: &GateView<'_>, value: f64, what: String) -> Found {
    let samples = u64::from(view.attempts());
    let attempts = if samples == 1 { "attempt" } else { "attempts" };
    Found {
        value: Some(value),
        origin: Origin::Measured,
        samples,
        detail: format!("{what}, {samples} {attempts} ({})", visible(&view.gate.at.to_string())),
        at: last(view),
    }
}

/// When the last of a gate's observations was taken.
fn last(view: &GateView<'_>) -> Option<Stamp> {
    view.ended?.observations.iter().map(|seen| seen.at).max()
}

fn observed(view: &GateView<'_>, name: &str, unit: LevelUnit) -> Result<Found, String> {
    let id = &view.gate.id;
    let ended = view.ended.ok_or_else(|| format!("gate `{id}` has no end"))?;
    let seen = ended.observations.iter().find(|seen| seen.name == name);
    let seen = seen.ok_or_else(|| format!("gate `{id}` observed no `{name}`{}", reason(view)))?;
    let note = ended.facts.text(name).map(|note| format!("; {}", short(note))).unwrap_or_default();
    let source = short(&seen.source);
    let at = format!("`{name}` of gate `{id}`, {source}");
    let value = number(seen, unit).map_err(|why| format!("{at}: {why}{note}"))?;
    let verdict = match view.verdict {
        Verdict::Passed => String::new(),
        verdict => format!("; the gate is {verdict}{}", reason(view)),
    };
    let samples = if seen.samples == 1 { "sample" } else { "samples" };
    Ok(Found {
        value: Some(value),
        origin: seen.origin,
        samples: seen.samples,
        detail: format!("{at}, {} {samples}, at {}{note}{verdict}", seen.samples, seen.at),
        at: Some(seen.at),
    })
}

/// A reading in the level's unit.
///
/// # Errors
/// That there is none, or none that can be.
fn number(seen: &Observation, unit: LevelUnit) -> Result<f64, String> {
    let wrong = |what: String| format!("expected {}, seen {what}", unit.expected());
    let value = match &seen.reading {
        Reading::Bool { value } if unit == LevelUnit::Bool => f64::from(u8::from(*value)),
        Reading::Number { value, unit: measured } if unit.fits(*measured) => {
            let to = match unit {
                LevelUnit::Ms => Unit::Millisecond,
                LevelUnit::Ratio if *measured == Unit::Percent => Unit::Ratio,
                _ => *measured,
            };
            Quantity::new(*value, *measured).convert(to).map_err(|error| wrong(error.to_string()))?.value
        }
        Reading::Number { value, unit: measured } => {
            return Err(wrong(Quantity::new(*value, *measured).to_string()));
        }
        Reading::Bool { value } => return Err(wrong(value.to_string())),
        Reading::Text { value } => return Err(wrong(format!("the text `{}`", short(value)))),
        Reading::NoEvents => return Err("nothing happened that it could be made of".to_owned()),
        Reading::Missing => return Err("it was not there".to_owned()),
    };
    if !unit.accepts(value) {
        return Err(wrong(value.to_string()));
    }
    // The zero below zero is zero.
    Ok(value + 0.0)
}

/// A gate's reason as a sentence goes on with it.
fn reason(view: &GateView<'_>) -> String {
    if view.reason.is_empty() { String::new() } else { format!(": {}", short(&view.reason)) }
}

fn short(text: &str) -> String {
    cut(&visible(text), LONGEST).into_owned()
}

#[derive(Serialize)]
struct File<'a> {
    generated_ts_ns: i64,
    scope: &'a str,
    overall_healthy: bool,
    metadata: Metadata<'a>,
    slis: Vec<Row<'a>>,
    projection: &'static str,
    version: u32,
    tool: &'a str,
    run: &'a RunId,
    parent: Option<&'a RunId>,
    verb: &'a str,
    verdict: Outcome,
    reasons: Vec<String>,
    measuring: bool,
    require_measured: bool,
    dry_run: bool,
    partial: bool,
    provisioner: &'a str,
    host: &'a str,
    started: Stamp,
    completed: Option<Stamp>,
    profile: Option<&'a FileDigest>,
    journal: Journal,
}

#[derive(Serialize)]
struct Metadata<'a> {
    evidence_type: &'static str,
    environment: &'a str,
    service: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    slo_name: &'a str,
    environment: &'a str,
    service: &'a str,
    value: Option<f64>,
    target: f64,
    unit: &'a str,
    healthy: bool,
    detail: String,
    origin: Origin,
    samples: u64,
    gate: Option<&'a GateId>,
    measured: Option<Stamp>,
}

#[derive(Serialize)]
struct Journal {
    file: &'static str,
    entries: usize,
    head: String,
}

/// The file of a run; none where it measures no readiness.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub(super) fn document(run: &RunView<'_>) -> Result<Option<Document>, ProjectionError> {
    let started = run.started;
    let Some(plan) = started.readiness.as_deref() else { return Ok(None) };
    let slis = slis(run);
    let judged = verdict(run);
    let healthy = !slis.is_empty() && slis.iter().all(|sli| sli.healthy) && judged.verdict.is_fine();
    let generated = run.ended.map_or(run.last, |end| end.at);
    let file = File {
        generated_ts_ns: generated.millis().saturating_mul(1_000_000),
        scope: &plan.scope,
        overall_healthy: healthy,
        metadata: Metadata {
            evidence_type: "ctp_readiness",
            environment: &plan.environment,
            service: &plan.service,
        },
        slis: slis.into_iter().map(|sli| row(plan, sli)).collect(),
        projection: "ctp_readiness",
        version: VERSION,
        tool: &started.tool,
        run: &started.run,
        parent: started.parent.as_ref(),
        verb: &started.verb,
        verdict: judged.verdict,
        reasons: judged.reasons.iter().take(REASONS).map(ToString::to_string).collect(),
        measuring: plan.measuring,
        require_measured: plan.require_measured,
        dry_run: started.dry_run,
        partial: run.partial(),
        provisioner: &started.provisioner,
        host: &started.host,
        started: started.started,
        completed: run.ended.map(|end| end.at),
        profile: started.profile.as_ref(),
        journal: Journal { file: crate::journal::FILE, entries: run.entries, head: run.head.to_string() },
    };
    let mut bytes = serde_json::to_vec_pretty(&file).map_err(ProjectionError::Readiness)?;
    bytes.push(b'\n');
    Ok(Some(Document { name: FILE.to_owned(), bytes }))
}

fn row<'a>(plan: &'a ReadinessPlan, sli: Sli<'a>) -> Row<'a> {
    let gate = match &sli.plan.from {
        SliSource::Measured { gate, .. } => Some(gate),
        SliSource::Declared { .. } | SliSource::Defaulted { .. } => None,
    };
    Row {
        name: &sli.plan.name,
        slo_name: &sli.plan.name,
        environment: &plan.environment,
        service: &plan.service,
        value: sli.value,
        target: sli.plan.target,
        unit: &sli.plan.unit,
        healthy: sli.healthy,
        detail: sli.detail,
        origin: sli.origin,
        samples: sli.samples,
        gate,
        measured: sli.at,
    }
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
