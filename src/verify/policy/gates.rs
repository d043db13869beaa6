//! The gates of the run that counts against the rules: each a row, what is asked for and is not as it must be a finding.

use super::drill::earliest;
use super::runs::{Run, View};
use super::until::Until;
use super::waivers::Waivers;
use super::{rule, stands};
use crate::evidence::GateView;
use crate::model::{Gate, GateId, Stamp, Verdict};
use crate::policy::{GateRule, Policy, Select};
use crate::verify::code::Code;
use crate::verify::decision::{GateRow, GateStatus, WaiverRow};
use crate::verify::finding::{Evidence, Findings, Place, quoted};
use crate::watch::shown;
use std::collections::HashMap;
use std::time::Duration;

/// What came of the gates.
pub(super) struct Judged {
    pub rows: Vec<GateRow>,
    pub waivers: Vec<WaiverRow>,
}

/// A gate of the run that counts, in whichever of its runs.
struct Planned<'a> {
    gate: &'a Gate,
    /// Whether any of the runs requires it.
    required: bool,
    /// What came of it, wherever it ran for its own sake: the bundle's own run, the stages of its cutover, its steps.
    results: Vec<(&'a View<'a>, &'a GateView<'a>)>,
}

pub(super) fn judge(
    run: &Run<'_>,
    policy: &Policy,
    at: Stamp,
    found: &mut Findings,
    until: &mut Until,
) -> Judged {
    let planned = planned(run);
    let mut waivers = Waivers::of(run, policy, at);
    let mut rows = Vec::with_capacity(planned.len());
    for gate in &planned {
        rows.push(row(gate, policy, at, &mut waivers));
    }
    for rule in &policy.gates {
        rows.extend(missing(rule, &rows, &planned, policy, found));
    }
    for row in &rows {
        tell(row, policy, at, found, until);
    }
    Judged { waivers: waivers.finish(&rows, found, until), rows }
}

/// All gates, in the order of the plans, the bundle's own first.
fn planned<'a>(run: &'a Run<'a>) -> Vec<Planned<'a>> {
    let mut list: Vec<Planned<'a>> = Vec::new();
    let mut places: HashMap<&'a GateId, usize> = HashMap::new();
    let (tops, within) =
        (run.views.iter().filter(|view| view.top), run.views.iter().filter(|view| !view.top));
    for view in tops.chain(within) {
        for gate in &view.run.gates {
            let place = *places.entry(&gate.gate.id).or_insert(list.len());
            if place == list.len() {
                list.push(Planned { gate: gate.gate, required: false, results: Vec::new() });
            }
            let planned = &mut list[place];
            planned.required |= gate.gate.required;
            if gate.selected && !view.is_setup(&gate.gate.id) {
                planned.results.push((view, gate));
            }
        }
    }
    list
}

/// A gate and the rules that select it. The worst of its results counts; where all passed, the latest.
fn row(planned: &Planned<'_>, policy: &Policy, at: Stamp, waivers: &mut Waivers<'_>) -> GateRow {
    let gate = planned.gate;
    let rules: Vec<&GateRule> = policy.gates.iter().filter(|rule| rule.select.selects(gate)).collect();
    let max_age = rules.iter().filter_map(|rule| rule.max_age).min();
    let result = planned.results.iter().max_by_key(|(_, view)| (view.verdict, view.ended_at));
    let (status, reason) = match result {
        None => (GateStatus::NotRun, "a selection left it out".to_owned()),
        Some((of, view)) => status(of, view),
    };
    let measured = result.and_then(|(_, view)| view.ended_at);
    let tried = planned.results.iter().map(|(_, view)| *view).max_by_key(|view| view.attempts());
    let mut row = GateRow {
        gate: gate.id.clone(),
        phase: Some(gate.phase),
        asked_by: rules.iter().map(|rule| rule.select.clone()).collect(),
        required: planned.required || !rules.is_empty(),
        expect: gate.expect.clone(),
        seen: result.map(|(_, view)| seen(view)).unwrap_or_default(),
        verdict: result.map(|(_, view)| view.verdict).filter(|_| status != GateStatus::NotRun),
        attempts: tried.map_or(0, |view| view.attempts()),
        before: tried.map(before).unwrap_or_default(),
        measured,
        max_age,
        status,
        reason,
        at: format!("{}:{}", gate.at.file, gate.at.line),
    };
    if row.status == GateStatus::Passed && row.attempts > 1 {
        (row.status, row.reason) = (GateStatus::PassedOnRetry, format!("it took {} attempts", row.attempts));
    }
    when(&mut row, at);
    if is_red(row.status) {
        match row.required {
            true => waivers.waive(&mut row, at),
            false if row.status != GateStatus::Blocked => row.status = GateStatus::Unexpected,
            false => {}
        }
    }
    row
}

/// So many attempts of a gate are told.
const ATTEMPTS: usize = 10;

/// The attempts after which a gate was tried again.
fn before(view: &GateView<'_>) -> Vec<String> {
    let all = view.given_up();
    let between = all.len().saturating_sub(ATTEMPTS);
    let first = if between > 0 { ATTEMPTS / 2 } else { all.len() };
    let mut told: Vec<String> = all[..first].iter().map(ToString::to_string).collect();
    if between > 0 {
        told.push(format!("… and {between} attempts between"));
        told.extend(all[first + between..].iter().map(ToString::to_string));
    }
    told
}

fn status(of: &View<'_>, view: &GateView<'_>) -> (GateStatus, String) {
    let reason = view.reason.clone().into_owned();
    let status = match view.verdict {
        Verdict::Passed => GateStatus::Passed,
        Verdict::Failed => GateStatus::Failed,
        Verdict::Error => GateStatus::Error,
        Verdict::Inconclusive => GateStatus::Inconclusive,
        Verdict::Skipped if is_blocked(of, view) => GateStatus::Blocked,
        Verdict::Skipped => GateStatus::NotRun,
    };
    (status, reason)
}

/// Whether a gate that it needs did not pass in the same run.
fn is_blocked(of: &View<'_>, view: &GateView<'_>) -> bool {
    let passed =
        |id: &GateId| of.run.gates.iter().any(|gate| gate.gate.id == *id && gate.verdict == Verdict::Passed);
    view.gate.needs.iter().any(|id| !passed(id))
}

/// What is green must have been measured, before the moment that it is judged for, and not too long before.
fn when(row: &mut GateRow, at: Stamp) {
    if !matches!(row.status, GateStatus::Passed | GateStatus::PassedOnRetry) {
        return;
    }
    match row.measured {
        None => {
            (row.status, row.reason) = (GateStatus::Error, "it is not on record when it passed".to_owned())
        }
        Some(measured) if measured > at => {
            let reason = format!("measured at {measured}, later than the moment that it is judged for");
            (row.status, row.reason) = (GateStatus::Error, reason);
        }
        Some(measured) => {
            if let Some(reason) = too_old(measured, row.max_age, at) {
                (row.status, row.reason) = (GateStatus::Stale, reason);
            }
        }
    }
}

/// Why a measurement is too old.
pub(super) fn too_old(measured: Stamp, max_age: Option<Duration>, at: Stamp) -> Option<String> {
    let max_age = max_age.filter(|max_age| at.since(measured) > *max_age)?;
    Some(format!("measured at {measured}, expected not before {}", earliest(at, max_age)))
}

/// Whether this is what a waiver is for.
fn is_red(status: GateStatus) -> bool {
    matches!(status, GateStatus::Failed | GateStatus::Error | GateStatus::Inconclusive | GateStatus::Blocked)
}

/// What was observed, in a line.
fn seen(view: &GateView<'_>) -> String {
    let observed = view.ended.map_or(&[][..], |ended| &ended.observations);
    let told: Vec<String> =
        observed.iter().map(|seen| format!("{} {}", seen.name, shown(&seen.reading))).collect();
    match told.is_empty() {
        true if view.reason.is_empty() => String::new(),
        true => quoted(&view.reason),
        false => quoted(&told.join(", ")),
    }
}

/// The row of a gate that a rule names and the run's plan does not have; of a rule that selects no gate of the run a
/// finding, since there is no gate to make a row of.
fn missing(
    rule: &GateRule,
    rows: &[GateRow],
    planned: &[Planned<'_>],
    policy: &Policy,
    found: &mut Findings,
) -> Option<GateRow> {
    if planned.iter().any(|planned| rule.select.selects(planned.gate)) {
        return None;
    }
    match &rule.select {
        Select::Id(id) if rows.iter().all(|row| row.gate != *id) => {
            let rules =
                policy.gates.iter().filter(|rule| matches!(&rule.select, Select::Id(named) if named == id));
            Some(GateRow {
                gate: id.clone(),
                phase: None,
                asked_by: rules.clone().map(|rule| rule.select.clone()).collect(),
                required: true,
                expect: String::new(),
                seen: String::new(),
                verdict: None,
                attempts: 0,
                before: Vec::new(),
                measured: None,
                max_age: rules.filter_map(|rule| rule.max_age).min(),
                status: GateStatus::Missing,
                reason: "the run's plan does not have it".to_owned(),
                at: stands(&rule.at),
            })
        }
        Select::Id(_) | Select::Required => None,
        Select::Tag(_) | Select::Phase(_) => {
            let place = super::rule(&rule.at, rule.select.to_string());
            found.refuse(
                Code::GateMissing,
                place,
                "some gate of the run",
                "none: the run's plan has no such gate",
            );
            None
        }
    }
}

/// Tells of a row that is not simply as it must be, and until when one that is good holds.
fn tell(row: &GateRow, policy: &Policy, at: Stamp, found: &mut Findings, until: &mut Until) {
    let place = || place(row, policy);
    let seen = || told(row);
    // Also of one that is too old.
    if policy.requires.no_flaky && row.verdict == Some(Verdict::Passed) && row.attempts > 1 {
        let seen = format!("passed after {} attempts", row.attempts);
        found.refuse(Code::GateFlaky, place(), "passed at the first attempt", seen);
    }
    let code = match row.status {
        GateStatus::Passed | GateStatus::PassedOnRetry | GateStatus::Waived => {
            if let (Some(measured), Some(max_age)) = (row.measured, row.max_age) {
                until.ages(measured, max_age, || format!("the gate {} is too old", row.gate));
            }
            return;
        }
        GateStatus::Unexpected => {
            found.warn(Code::GateUnexpected, place(), "passed, though nobody asks for it", seen());
            return;
        }
        _ if !row.required => return,
        GateStatus::NotRun => Code::GateNotRun,
        GateStatus::Blocked => Code::GateBlocked,
        GateStatus::Missing => Code::GateMissing,
        GateStatus::Stale => Code::GateStale,
        GateStatus::Error if row.measured.is_some_and(|measured| measured > at) => Code::GateFromTheFuture,
        GateStatus::Inconclusive | GateStatus::Error | GateStatus::Failed => Code::GateNotPassed,
    };
    let expected = match (row.status, &row.asked_by[..]) {
        (GateStatus::Stale, _) => {
            format!("measured within {} h", row.max_age.unwrap_or_default().as_secs_f64() / 3600.0)
        }
        (_, []) => "passed, as the profile requires".to_owned(),
        (_, _) => "passed".to_owned(),
    };
    found.refuse(code, place(), expected, seen());
}

/// What a row says, in a line.
pub(super) fn told(row: &GateRow) -> String {
    let status = match row.verdict {
        Some(verdict) if row.status != GateStatus::Stale && row.status != GateStatus::Blocked => {
            verdict.as_str()
        }
        _ => row.status.as_str(),
    };
    if row.reason.is_empty() { status.to_owned() } else { format!("{status}: {}", row.reason) }
}

/// Where the profile has the gate, or the rule that names it.
fn place(row: &GateRow, policy: &Policy) -> Place {
    let subject = match row.phase {
        Some(phase) => format!("{phase}::{}", row.gate),
        None => row.gate.to_string(),
    };
    let named = |rule: &&GateRule| rule.select == Select::Id(row.gate.clone());
    let of_rule = || policy.gates.iter().find(named).map(|of| rule(&of.at, subject.clone()));
    match position(&row.at) {
        Some((file, line)) if row.phase.is_some() => Place::in_file(Evidence::Gate, file, subject).line(line),
        _ => of_rule().unwrap_or_else(|| Place::nowhere(Evidence::Gate, subject)),
    }
}

fn position(at: &str) -> Option<(&str, usize)> {
    let (file, line) = at.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}
