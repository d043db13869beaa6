//! A cutover's cases: one suite a stage, in the order of the stages. A stage that was not run is one case, skipped with
//! its reason; one that is red has a red case, whatever came of its parts.

use super::against::{CUT_OFF, Seconds, limit_ms};
use super::junit::{EXCERPT, EXCERPT_OF_PASS, FILE, MESSAGE, Names, TEXT, kind, micros, stack, type_of};
use super::junit_case::{Case, Fault};
use super::proof::mark_fault;
use super::switch::{CommandView, SequenceView, StageView, SwitchView};
use super::text::{cut, cut_middle, visible};
use super::view::RunView;
use crate::model::event::StepStatus;
use crate::model::switch::{ChildGate, ChildRun, Stage, SwitchMark};
use crate::model::watch::{MetricCounts, WatchMetric, WatchVerdict};
use crate::model::{Position, Stamp, Verdict};
use std::collections::HashSet;
use std::fmt::Write as _;

/// The cases of a cutover, stage by stage, with their verdicts; none of any other run.
pub(super) fn cases(run: &RunView<'_>, names: &Names) -> Vec<(Stage, Verdict, Case<'static>)> {
    let Some(switch) = &run.switch else { return Vec::new() };
    let mut all = Vec::new();
    for stage in switch.stages.iter().filter(|stage| is_planned(switch, stage.stage)) {
        let class = names.class(&format!("stage-{}", stage.stage));
        let mut seen = HashSet::new();
        for mut told in told(run, switch, stage) {
            told.make_unique(&mut seen);
            all.push((stage.stage, told.verdict, told.case(&class, run)));
        }
    }
    all
}

/// A rollback on its own has no stages of a cutover but its preflight.
fn is_planned(switch: &SwitchView<'_>, stage: Stage) -> bool {
    let of_rollback = matches!(stage, Stage::Preflight | Stage::Rollback | Stage::RollbackReadiness);
    switch.plan.cutover.is_some() || of_rollback
}

/// What a case says.
struct Told<'a> {
    name: String,
    /// `Gate`, `Step`, …: what is judged.
    kind: &'static str,
    verdict: Verdict,
    /// Why; may be empty.
    message: String,
    /// Lines behind the message.
    details: String,
    /// What stands where.
    at: Option<&'a Position>,
    duration_ms: f64,
    output: &'a str,
}

impl<'a> Told<'a> {
    fn new(name: &str, kind: &'static str, verdict: Verdict, message: impl Into<String>) -> Told<'a> {
        Told {
            name: name.to_owned(),
            kind,
            verdict,
            message: message.into(),
            details: String::new(),
            at: None,
            duration_ms: 0.0,
            output: "",
        }
    }

    /// A stage whose gates were run twice has them twice.
    fn make_unique(&mut self, seen: &mut HashSet<String>) {
        let name = cut(&visible(&self.name), 300).into_owned();
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !seen.contains(name));
        self.name = free.unwrap_or(name);
        seen.insert(self.name.clone());
    }

    fn case(self, class: &str, run: &RunView<'_>) -> Case<'static> {
        let mut case = Case::new(self.name.clone(), class.to_owned(), micros(self.duration_ms));
        let profile = run.started.profile.as_ref().map(|profile| profile.path.as_str());
        let file = self.at.map(|at| at.file.as_str()).or(profile);
        case.file = file.map(|file| cut(&visible(file), FILE).into_owned().into());
        case.fault = self.fault();
        if !self.output.is_empty() {
            let most = if self.verdict == Verdict::Passed { EXCERPT_OF_PASS } else { EXCERPT };
            case.output = cut_middle(self.output, most).into_owned();
        }
        case
    }

    fn fault(&self) -> Option<Fault> {
        let kind = kind(self.verdict)?;
        let message = if self.message.is_empty() { self.verdict.as_str() } else { &self.message };
        let message = cut(&visible(message), MESSAGE).into_owned();
        let mut text = format!("{message}{}", self.details);
        text = cut(&text, TEXT).into_owned();
        if let Some(at) = self.at {
            let (file, what) = (visible(&at.file), self.kind.to_ascii_lowercase());
            // Writing to a String can't fail.
            let _ = write!(
                text,
                "\n\n{what} {} at {file}:{}\n    at {}\n",
                self.name,
                at.line,
                stack(&file, at.line)
            );
        }
        Some(Fault { kind, type_: type_of(self.kind, self.verdict), message, text })
    }
}

fn told<'a>(run: &'a RunView<'_>, switch: &'a SwitchView<'_>, stage: &'a StageView<'_>) -> Vec<Told<'a>> {
    let mut cases = match stage.stage {
        _ if stage.began.is_none() => Vec::new(),
        Stage::Preflight | Stage::Readiness | Stage::RollbackReadiness => gates(switch, stage.stage),
        Stage::Cutover => steps(run, &switch.cutover),
        Stage::SwitchGate => marks(switch, stage),
        Stage::Watch => metrics(run, switch, stage),
        Stage::Rollback => steps(run, &switch.rollback).into_iter().chain(limit(run, switch)).collect(),
    };
    let worst = cases.iter().map(|case| case.verdict).max();
    if worst.is_none_or(|worst| worst < stage.verdict) {
        let whole = Told::new(stage.stage.as_str(), "Stage", stage.verdict, &*stage.reason);
        cases.push(Told { duration_ms: stage.duration_ms, ..whole });
    }
    cases
}

fn gates<'a>(switch: &SwitchView<'a>, stage: Stage) -> Vec<Told<'a>> {
    let runs = switch.children.iter().filter(|child| child.stage == Some(stage));
    runs.flat_map(|child| child.gates.iter().map(|gate| of_gate(child, gate))).collect()
}

fn of_gate<'a>(child: &ChildRun, gate: &'a ChildGate) -> Told<'a> {
    let optional = if gate.required || gate.verdict == Verdict::Passed { "" } else { "not required: " };
    let reason = if gate.reason.is_empty() { gate.verdict.as_str() } else { &gate.reason };
    Told {
        details: format!("\nrun: {}", visible(&child.folder)),
        at: Some(&gate.at),
        duration_ms: gate.duration_ms,
        ..Told::new(&gate.case, "Gate", gate.verdict, format!("{optional}{reason}"))
    }
}

fn steps<'a>(run: &RunView<'_>, sequence: &'a SequenceView<'_>) -> Vec<Told<'a>> {
    sequence.steps.iter().map(|step| of_step(run, sequence, step)).collect()
}

fn of_step<'a>(run: &RunView<'_>, sequence: &SequenceView<'_>, step: &'a CommandView<'_>) -> Told<'a> {
    let (verdict, message) = match (step.ended, step.began) {
        (Some(ended), _) => match ended.status {
            StepStatus::Ok => (Verdict::Passed, String::new()),
            StepStatus::SimulatedOk => (Verdict::Skipped, "simulated: this is a dry run".to_owned()),
            // Ended with the run, it says nothing of the command.
            StepStatus::Failed if ended.exit_code == 130 && run.interrupted.is_some() => {
                (Verdict::Error, super::against::step_fault(step))
            }
            StepStatus::Failed => (Verdict::Failed, super::against::step_fault(step)),
        },
        (None, Some(_)) => (Verdict::Error, CUT_OFF.to_owned()),
        (None, None) => {
            let why = match sequence.broken() {
                Some(broken) => format!("{} before it did not go well", broken.planned.name),
                None => "the run ended before, or is not there yet".to_owned(),
            };
            (Verdict::Skipped, format!("not run: {why}"))
        }
    };
    let mut details = format!("\ncommand: {}", visible(&step.planned.command));
    if let Some(ended) = step.ended.filter(|ended| !ended.log.is_empty()) {
        // Writing to a String can't fail.
        let _ = write!(details, "\nlog: {}", visible(&ended.log));
    }
    Told {
        details,
        at: Some(&step.planned.at),
        duration_ms: step.duration_ms,
        output: step.ended.map_or("", |ended| &ended.excerpt),
        ..Told::new(&step.planned.name, "Step", verdict, message)
    }
}

fn marks<'a>(switch: &SwitchView<'a>, stage: &StageView<'_>) -> Vec<Told<'a>> {
    let Some((started, marks)) = switch.marks else { return Vec::new() };
    marks.iter().map(|mark| of_mark(started, mark, stage.verdict)).collect()
}

fn of_mark<'a>(started: Stamp, mark: &'a SwitchMark, stage: Verdict) -> Told<'a> {
    let fault = mark_fault(started, mark).filter(|_| stage != Verdict::Passed);
    let verdict = if fault.is_some() { Verdict::Failed } else { Verdict::Passed };
    let message = fault.map(|fault| format!("{} {fault}", mark.name)).unwrap_or_default();
    let details = format!("\nread from: {}", visible(&mark.source));
    Told { details, ..Told::new(&mark.name, "Mark", verdict, message) }
}

fn metrics<'a>(run: &'a RunView<'_>, switch: &SwitchView<'a>, stage: &StageView<'_>) -> Vec<Told<'a>> {
    let Some(watch) = switch.watch else { return Vec::new() };
    let plan = run.started.watch.as_deref();
    let planned = |name: &str| plan.and_then(|plan| plan.metrics.iter().find(|metric| metric.name == name));
    let metric = |counts: &MetricCounts| of_metric(counts, planned(&counts.name), stage.verdict);
    let mut cases: Vec<_> = watch.metrics.iter().map(metric).collect();
    cases.push(trigger(watch, plan.map_or("", |plan| &plan.trigger)));
    cases
}

fn of_metric<'a>(counts: &MetricCounts, plan: Option<&'a WatchMetric>, stage: Verdict) -> Told<'a> {
    let MetricCounts { name, successful, failed, inconclusive, errors, last } = counts;
    let (may_fail, may_lack) = plan.map_or((0, 0), |plan| (plan.failure_limit, plan.inconclusive_limit));
    let verdict = match stage {
        Verdict::Passed => Verdict::Passed,
        _ if *failed > u64::from(may_fail) => Verdict::Failed,
        _ if *inconclusive > u64::from(may_lack) => Verdict::Inconclusive,
        _ if *successful == 0 => Verdict::Error,
        _ => Verdict::Passed,
    };
    let expected = plan.and_then(|plan| plan.expect.as_deref()).unwrap_or("nothing: it is only recorded");
    let message = format!(
        "{failed} samples failed (at most {may_fail} may), {inconclusive} inconclusive (at most {may_lack}), \
         {errors} errors, {successful} as expected; the last was {last}"
    );
    Told {
        details: format!("\nexpected: {}", visible(expected)),
        at: plan.map(|plan| &plan.at),
        ..Told::new(name, "Metric", verdict, message)
    }
}

fn trigger<'a>(watch: &WatchVerdict, condition: &str) -> Told<'a> {
    let (verdict, message) = match &watch.rollback {
        Some(by) => (Verdict::Failed, by.clone()),
        None => (Verdict::Passed, String::new()),
    };
    let details = format!("\ntrigger: {}", visible(condition));
    Told { details, ..Told::new("trigger", "Trigger", verdict, message) }
}

fn limit<'a>(run: &RunView<'_>, switch: &SwitchView<'_>) -> Option<Told<'a>> {
    let (took, limit) = (switch.rollback.duration_ms, limit_ms(switch));
    let message = format!("the rollback took {} s, expected at most {} s", Seconds(took), Seconds(limit));
    let verdict = match took > limit {
        true => Verdict::Failed,
        false if switch.rollback.is_complete() => Verdict::Passed,
        false => Verdict::Skipped,
    };
    let message = match verdict {
        Verdict::Skipped => "not judged: the rollback did not come to its end".to_owned(),
        _ => message,
    };
    let case = Told::new("rollback_duration", "Limit", verdict, message);
    (!run.started.dry_run).then_some(Told { duration_ms: took as f64, ..case })
}

#[cfg(test)]
#[path = "junit_switch_tests.rs"]
mod tests;
