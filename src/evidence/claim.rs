//! What the two files of a cutover claim: success or not, and FAILED_STEP.

use super::against::{self, Against};
use super::switch::{StageView, SwitchView};
use super::verdict::{Outcome, Reason, verdict};
use super::view::RunView;
use crate::model::Verdict;
use crate::model::steps::{
    INTERRUPTED, POST_SWITCH_WATCH, PREFLIGHT, ROLLBACK_DURATION_EXCEEDED, SWITCH_GATE,
};
use crate::model::switch::Stage;

/// What a file says of success.
#[derive(Debug)]
pub struct Claim {
    /// What FAILED_STEP says; empty only for a success.
    pub failed: String,
    /// All that stands against it; empty only for a success.
    pub reason: String,
}

impl Claim {
    /// What the cutover's file says.
    pub fn of_cutover(run: &RunView<'_>, switch: &SwitchView<'_>) -> Claim {
        let found = against::of_cutover(run, switch);
        Claim::of(run, &found, true, || cutover_failure(run, switch, &found))
    }

    /// What the rollback's file says. That no drill was made says nothing of it, nor, where it was not triggered,
    /// what else stands against the run.
    pub fn of_rollback(run: &RunView<'_>, switch: &SwitchView<'_>) -> Claim {
        let mut found = against::of_rollback(run, switch);
        found.retain(|against| !matches!(against, Against::NoDrill));
        Claim::of(run, &found, switch.triggered(), || rollback_failure(&found))
    }

    /// Success only where nothing stands against it, nor against the run as a whole, which has ended.
    fn of(run: &RunView<'_>, found: &[Against<'_>], acted: bool, name: impl FnOnce() -> String) -> Claim {
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        let judged = verdict(run);
        let of_run = judged.reasons.iter().find(|reason| match reason {
            Reason::NoEnd(_) => true,
            // Each file has its own of these.
            Reason::Interrupted(_) | Reason::Switch(_) => false,
            _ => acted,
        });
        let reason = texts.into_iter().chain(of_run.map(ToString::to_string)).collect::<Vec<_>>().join("; ");
        let failed = match (found.is_empty(), of_run) {
            (true, None) => String::new(),
            (true, Some(_)) => INTERRUPTED.to_owned(),
            (false, _) => name(),
        };
        Claim { failed, reason }
    }

    /// Whether it claims success.
    pub fn success(&self) -> bool {
        self.failed.is_empty()
    }
}

/// FAILED_STEP of a cutover.
fn cutover_failure(run: &RunView<'_>, switch: &SwitchView<'_>, found: &[Against<'_>]) -> String {
    let begun = switch.cutover.steps.iter().any(|step| step.began.is_some());
    let word = |against: &Against<'_>| match against {
        Against::Stage(stage) if run.interrupted.is_some() && says_nothing(switch, stage) => INTERRUPTED,
        Against::Stage(stage) => match stage.stage {
            _ if stage.is_open() => INTERRUPTED,
            // It says that nothing was touched.
            Stage::Preflight if begun => INTERRUPTED,
            Stage::Preflight => PREFLIGHT,
            Stage::SwitchGate | Stage::Readiness => SWITCH_GATE,
            Stage::Watch => POST_SWITCH_WATCH,
            Stage::Cutover | Stage::Rollback | Stage::RollbackReadiness => INTERRUPTED,
        },
        _ => INTERRUPTED,
    };
    step_of(found).or_else(|| found.first().map(word)).unwrap_or(INTERRUPTED).to_owned()
}

/// Whether a stage is red for no other reason than that the run was told to end.
fn says_nothing(switch: &SwitchView<'_>, stage: &StageView<'_>) -> bool {
    let ended = switch.child(stage.stage).is_some_and(|child| child.outcome == Outcome::Interrupted.as_str());
    stage.verdict != Verdict::Failed || ended
}

/// FAILED_STEP of a rollback. A step that failed is named also where the rollback took too long: SLO_MET says that.
fn rollback_failure(found: &[Against<'_>]) -> String {
    let over = found.iter().any(|against| matches!(against, Against::Limit { .. }));
    let word = if over { ROLLBACK_DURATION_EXCEEDED } else { INTERRUPTED };
    step_of(found).unwrap_or(word).to_owned()
}

fn step_of<'a>(found: &[Against<'a>]) -> Option<&'a str> {
    found.iter().find_map(|against| match against {
        Against::Step(_, step) => Some(step.planned.name.as_str()),
        _ => None,
    })
}
