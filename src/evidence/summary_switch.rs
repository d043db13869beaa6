//! A cutover's part of `summary.json`.

use super::against::limit_ms;
use super::claim::Claim;
use super::switch::{CommandView, SequenceView, StageView, SwitchView};
use super::view::RunView;
use crate::model::event::StepStatus;
use crate::model::switch::{Resumed, Stage};
use crate::model::watch::WatchVerdict;
use crate::model::{RunId, Stamp, Verdict};
use serde::Serialize;

/// What came of a cutover or a rollback.
#[derive(Serialize)]
pub(super) struct Switch<'a> {
    window_met: Option<bool>,
    force_rollback: bool,
    rolled_back: bool,
    stages: Vec<StageSummary<'a>>,
    cutover: Option<Steps<'a>>,
    rollback: Steps<'a>,
    watch: Option<&'a WatchVerdict>,
    children: Vec<Child<'a>>,
    warnings: &'a [&'a str],
    alarms: &'a [&'a str],
    resumed: &'a [&'a Resumed],
}

#[derive(Serialize)]
struct StageSummary<'a> {
    stage: Stage,
    verdict: Verdict,
    reason: &'a str,
    began: Option<Stamp>,
    ended: Option<Stamp>,
    duration_ms: f64,
}

#[derive(Serialize)]
struct Steps<'a> {
    success: bool,
    failed_step: Option<String>,
    reason: String,
    began: Option<Stamp>,
    ended: Option<Stamp>,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_ms: Option<u64>,
    steps: Vec<Step<'a>>,
}

/// A step. One that has not begun has no status, and neither has one that has no end: `begun` tells the two apart.
#[derive(Serialize)]
struct Step<'a> {
    number: u32,
    name: &'a str,
    command: &'a str,
    begun: u32,
    status: Option<StepStatus>,
    exit_code: Option<i32>,
    duration_ms: f64,
    detail: &'a str,
    log: &'a str,
    file: &'a str,
    line: usize,
}

#[derive(Serialize)]
struct Child<'a> {
    stage: Option<Stage>,
    step: &'a str,
    run: &'a RunId,
    verb: &'a str,
    folder: &'a str,
    head: &'a str,
    outcome: &'a str,
    reason: &'a str,
}

impl<'a> Switch<'a> {
    pub fn of(run: &'a RunView<'a>, switch: &'a SwitchView<'a>) -> Switch<'a> {
        let plan = switch.plan.cutover.as_ref();
        let cutover = plan.map(|_| Steps::of(Claim::of_cutover(run, switch), &switch.cutover));
        let mut rollback = Steps::of(Claim::of_rollback(run, switch), &switch.rollback);
        rollback.limit_ms = Some(limit_ms(switch));
        let child = |child: &&'a crate::model::switch::ChildRun| Child {
            stage: child.stage,
            step: &child.step,
            run: &child.run,
            verb: &child.verb,
            folder: &child.folder,
            head: &child.head,
            outcome: &child.outcome,
            reason: &child.reason,
        };
        Switch {
            window_met: plan.map(|plan| plan.window_met),
            force_rollback: switch.plan.force_rollback,
            rolled_back: switch.triggered(),
            stages: switch.stages.iter().map(stage).collect(),
            cutover,
            rollback,
            watch: switch.watch,
            children: switch.children.iter().map(child).collect(),
            warnings: &switch.warnings,
            alarms: &switch.alarms,
            resumed: &switch.resumed,
        }
    }
}

fn stage<'a>(view: &'a StageView<'a>) -> StageSummary<'a> {
    StageSummary {
        stage: view.stage,
        verdict: view.verdict,
        reason: &view.reason,
        began: view.began,
        ended: view.ended,
        duration_ms: view.duration_ms,
    }
}

impl<'a> Steps<'a> {
    fn of(claim: Claim, view: &'a SequenceView<'a>) -> Steps<'a> {
        Steps {
            success: claim.success(),
            failed_step: Some(claim.failed).filter(|failed| !failed.is_empty()),
            reason: claim.reason,
            began: view.began,
            ended: view.ended,
            duration_ms: view.duration_ms,
            limit_ms: None,
            steps: view.steps.iter().map(step).collect(),
        }
    }
}

fn step<'a>(view: &CommandView<'a>) -> Step<'a> {
    let (planned, ended) = (view.planned, view.ended);
    Step {
        number: planned.number,
        name: &planned.name,
        command: &planned.command,
        begun: view.runs,
        status: ended.map(|ended| ended.status),
        exit_code: ended.map(|ended| ended.exit_code),
        duration_ms: view.duration_ms,
        detail: ended.map_or("", |ended| &ended.detail),
        log: ended.map_or("", |ended| &ended.log),
        file: &planned.at.file,
        line: planned.at.line,
    }
}
