//! Rules about which steps a file lists, and what each says of itself.

use super::Level;
use super::claim::{Claim, Step};
use super::code::Code;
use super::finding::{Findings, Place, Which, quoted};
use super::plan::Plan;
use super::value::Status;
use crate::model::steps::{INTERRUPTED, POST_SWITCH_WATCH, PREFLIGHT, SWITCH_GATE};
use std::collections::HashSet;

/// All rules of a level.
pub(super) fn check(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    no_steps(claim, level, found);
    match level {
        Level::Contract => listed_steps(claim, found),
        Level::Strict => {
            step_numbers(claim, found);
            step_gap(claim, found);
            step_count(claim, found);
            planned(claim, found);
            step_after_failed(claim, found);
            exit_codes(claim, found);
            simulated_steps(claim, found);
            executed_steps(claim, found);
        }
    }
}

/// Which steps there are, against the plan.
fn planned(claim: &Claim<'_>, found: &mut Findings) {
    match Plan::of(claim) {
        Plan::Any => {}
        Plan::Files => files_in_order(claim, found),
        plan => {
            let in_order = planned_steps(claim, &plan, found);
            steps_left_out(claim, &plan, in_order, found);
        }
    }
}

/// A step's number is written as 1, 2, 3.
fn step_numbers(claim: &Claim<'_>, found: &mut Findings) {
    for entry in &claim.odd_steps {
        found.refuse(Code::BadStepNumber, claim.at(entry), "numbered as 1, 2, 3 …", "another number");
    }
}

/// The numbers have no gap.
fn step_gap(claim: &Claim<'_>, found: &mut Findings) {
    let counted = (1..).zip(&claim.steps).find(|(expected, step)| *expected != step.number);
    if let Some((expected, Step { number, .. })) = counted {
        let at = Place::nowhere(claim.which, format!("STEP_{expected}"));
        found.refuse(Code::StepGap, at, "there before the steps behind it", format!("STEP_{number} next"));
    }
}

/// There are as many steps as TOTAL_STEPS says.
fn step_count(claim: &Claim<'_>, found: &mut Findings) {
    let Some(total) = claim.total_steps else { return };
    let listed = claim.steps.len();
    if usize::try_from(total.value) != Ok(listed) {
        let expected = format!("{listed}, as many as the file has steps");
        found.refuse(Code::StepCount, claim.at(total.entry), expected, total.value.to_string());
    }
}

/// At contract level: the steps up to TOTAL_STEPS are there. What is behind them was not read.
fn listed_steps(claim: &Claim<'_>, found: &mut Findings) {
    let Some(total) = claim.total_steps else { return };
    if claim.which == Which::Rollback && claim.was_triggered() != Some(true) {
        return;
    }
    let listed = (1..).zip(&claim.steps).take_while(|(expected, step)| *expected == step.number).count();
    if listed < usize::try_from(total.value).unwrap_or(usize::MAX) {
        let expected = format!("at most {listed}: STEP_{} is not there", listed + 1);
        found.refuse(Code::StepCount, claim.at(total.entry), expected, total.value.to_string());
    }
}

/// A cutover, and a rollback that was triggered, has steps, unless it says that it ended before the first.
fn no_steps(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    let idle = claim.which == Which::Rollback && claim.was_triggered() != Some(true);
    let before_the_first = matches!(claim.failed_step(), Some(PREFLIGHT | INTERRUPTED));
    let excused = idle || (level == Level::Strict && before_the_first && claim.succeeded() == Some(false));
    if let Some(total) = claim.total_steps.filter(|total| total.value == 0 && !excused) {
        found.refuse(Code::NoSteps, claim.at(total.entry), "above 0", "0");
    }
}

/// Each step is one of the plan's, and they come in the plan's order, each once. Gives whether all of that is so.
fn planned_steps(claim: &Claim<'_>, plan: &Plan, found: &mut Findings) -> bool {
    let mut before: Option<(usize, &str)> = None;
    let mut fine = true;
    for name in claim.names() {
        let next = before.map_or(0, |(last, _)| last + 1);
        let is_next = plan.name(next) == Some(name.value);
        let place = if is_next { Some(next) } else { plan.place(name.value) };
        match (place, before) {
            (None, _) => {
                fine = false;
                let expected = format!("a step of a {}", claim.which.as_str());
                found.refuse(Code::UnknownStep, claim.at(name.entry), expected, quoted(name.value));
            }
            (Some(at), Some((last, other))) if last >= at => {
                fine = false;
                let expected = format!("a step that the plan has after {}", quoted(other));
                found.refuse(Code::StepOrder, claim.at(name.entry), expected, quoted(name.value));
            }
            (Some(at), _) => before = Some((at, name.value)),
        }
    }
    fine
}

/// `verify_clickhouse`, and then `apply_FILE` for each file in the order of the files' names.
fn files_in_order(claim: &Claim<'_>, found: &mut Findings) {
    const FIRST: &str = "verify_clickhouse";
    let mut before: Option<&str> = None;
    for (at, name) in claim.names().enumerate() {
        let file = name.value.strip_prefix("apply_").filter(|file| file.ends_with(".sql"));
        let expected = match (at, file, before) {
            (0, ..) if name.value == FIRST => continue,
            (0, ..) => FIRST.to_owned(),
            (_, None, _) => "apply_FILE.sql".to_owned(),
            (_, Some(file), Some(last)) if last >= file => format!("a file behind {}", quoted(last)),
            (_, Some(file), _) => {
                before = Some(file);
                continue;
            }
        };
        let known = file.is_some() || name.value == FIRST;
        let code = if known { Code::StepOrder } else { Code::UnknownStep };
        found.refuse(code, claim.at(name.entry), expected, quoted(name.value));
    }
    if claim.succeeded() == Some(true) && !claim.steps.is_empty() && before.is_none() {
        let at = Place { subject: "the steps".to_owned(), ..claim.at_key("TOTAL_STEPS") };
        found.refuse(Code::StepsLeftOut, at, "one for each file of the schema", "none of a file");
    }
}

/// No step of the plan is left out: none at all where all went well, none before the last one where not. Older tools
/// ran shorter plans of a cutover, so of these this refuses only what cutproof says that it wrote; and a bootstrap has
/// no steps for what an environment does not have.
fn steps_left_out(claim: &Claim<'_>, plan: &Plan, in_order: bool, found: &mut Findings) {
    let Some(all) = plan.len().filter(|_| !claim.steps.is_empty()) else { return };
    let of_cutover = claim.failed_step().filter(|_| claim.which == Which::Cutover);
    let after_all = matches!(of_cutover, Some(POST_SWITCH_WATCH | SWITCH_GATE));
    let reached = match claim.succeeded() {
        Some(true) => all,
        _ if after_all => all,
        _ => claim.names().filter_map(|name| plan.place(name.value)).max().map_or(0, |last| last + 1),
    };
    let count = claim.names().count();
    if in_order && count == reached {
        return;
    }
    let listed: HashSet<_> = claim.names().map(|name| name.value).collect();
    let planned = (0..reached).filter_map(|place| plan.name(place));
    let left_out: Vec<_> = planned.filter(|planned| !listed.contains(planned)).collect();
    if left_out.is_empty() {
        return;
    }
    let expected = format!("the {reached} that the plan has up to there");
    // Names that the file gives itself are any text, and any number of them.
    let left_out = left_out.join(", ");
    let left_out = if matches!(plan, Plan::Own { .. }) { quoted(&left_out) } else { left_out };
    let seen = format!("{count}, not among them {left_out}");
    let at = Place { subject: "the steps".to_owned(), ..claim.at_key("TOTAL_STEPS") };
    if plan.is_whole() || (claim.is_of_cutproof() && claim.which.has_times()) {
        found.refuse(Code::StepsLeftOut, at, expected, seen);
    } else {
        found.warn(Code::StepsLeftOut, at, expected, seen);
    }
}

/// A failed step is the last one.
fn step_after_failed(claim: &Claim<'_>, found: &mut Findings) {
    let mut steps = claim.steps.iter();
    let is_failed = |status: Status| status == Status::Failed;
    let failed = steps.find(|step| step.status.is_some_and(|status| is_failed(status.value)));
    if let (Some(Step { number: failed, .. }), Some(step)) = (failed, steps.next()) {
        let at = match step.name {
            Some(name) => claim.at(name.entry),
            None => Place::nowhere(claim.which, format!("STEP_{}", step.number)),
        };
        let seen = format!("a step after STEP_{failed}, which failed");
        found.refuse(Code::StepAfterFailed, at, "absent: a failed step ends the sequence", seen);
    }
}

/// A step that failed has an exit code other than 0, every other has 0.
fn exit_codes(claim: &Claim<'_>, found: &mut Findings) {
    for step in &claim.steps {
        let (Some(status), Some(code)) = (step.status, step.exit_code) else { continue };
        let failed = status.value == Status::Failed;
        if failed == (code.value == 0) {
            let expected = if failed { "other than 0" } else { "0" };
            let expected = format!("{expected} where {} is {}", status.entry.key, status.entry.value);
            found.refuse(Code::ExitCode, claim.at(code.entry), expected, code.value.to_string());
        }
    }
}

/// Nothing is simulated in a real run.
fn simulated_steps(claim: &Claim<'_>, found: &mut Findings) {
    if claim.is_dry_run() == Some(false) {
        for status in claim.with_status(Status::Simulated) {
            let seen = &*status.entry.value;
            found.refuse(Code::SimulatedStep, claim.at(status.entry), "ok or failed in a real run", seen);
        }
    }
}

/// Nothing is run in a dry run.
fn executed_steps(claim: &Claim<'_>, found: &mut Findings) {
    if claim.is_dry_run() == Some(true) {
        let executed = claim.with_status(Status::Ok).chain(claim.with_status(Status::Failed));
        for status in executed {
            let seen = &*status.entry.value;
            found.refuse(Code::ExecutedStep, claim.at(status.entry), "simulated_ok in a dry run", seen);
        }
    }
}
