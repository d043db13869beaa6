//! The profile's gates as stages of a cutover: before anything is touched, on the new core, and on the restored one.
//! Only gates that read: what a cutover writes, its steps write. Each stage is a run within the run.

use super::Settings;
use super::children::Children;
use crate::model::event::Sink;
use crate::model::readiness::{ReadinessPlan, SliSource};
use crate::model::switch::{ChildRun, Stage};
use crate::model::{Event, Gate, GateId, Phase};
use crate::plan::{Plan, Selection};
use crate::process::Cancel;
use crate::profile::Profile;
use crate::profile::switch::Sli;
use crate::rehearsal::provision::Provision;
use crate::rehearsal::readiness::{self, Declared};
use crate::rehearsal::{Finished, Options, Rehearsal, Watcher};
use crate::service::embedded::{self, Progress};
use std::sync::Arc;
use std::time::Duration;

/// How many gates run side by side.
const JOBS: usize = 8;

/// What came of a stage's gates.
pub struct Judged {
    /// The run, as this one's journal keeps it.
    pub child: ChildRun,
    /// The run itself.
    pub finished: Finished,
}

impl Judged {
    /// Whether nothing stands against it.
    pub fn is_fine(&self) -> bool {
        self.finished.outcome().is_fine() && self.finished.exit_code() == crate::exit::OK
    }
}

/// The gates of a stage, as a profile of their own; none where there are none. A gate that needs one that writes is
/// measured without: whether that was done is what it measures. Before a rollback that stands `alone` only the
/// infrastructure is measured: that the core is not ready may be why it is rolled back.
pub fn of_stage(profile: &Profile, stage: Stage, alone: bool) -> Option<Profile> {
    let phases: &[Phase] = match stage {
        Stage::Preflight if alone => &[Phase::Infra],
        Stage::Preflight => &[Phase::Infra, Phase::Readiness],
        Stage::Readiness | Stage::RollbackReadiness => &[Phase::Readiness],
        Stage::Cutover | Stage::SwitchGate | Stage::Watch | Stage::Rollback => &[],
    };
    let mut own = profile.clone();
    let levels = if phases.contains(&Phase::Readiness) { of_levels(profile) } else { Vec::new() };
    let belongs = |gate: &Gate| phases.contains(&gate.phase) || levels.contains(&&gate.id);
    own.gates.retain(|checked| belongs(&checked.gate) && !checked.gate.writes);
    let kept: Vec<_> = own.gates.iter().map(|checked| checked.gate.id.clone()).collect();
    own.gates.iter_mut().for_each(|checked| checked.gate.needs.retain(|need| kept.contains(need)));
    (!own.gates.is_empty()).then_some(own)
}

/// The gates that measure the profile's service levels, of whichever phase.
fn of_levels(profile: &Profile) -> Vec<&GateId> {
    let slis = profile.readiness.iter().flat_map(|readiness| &readiness.slis);
    slis.filter_map(|sli| match &sli.from {
        SliSource::Measured { gate, .. } => Some(gate),
        SliSource::Declared { .. } | SliSource::Defaulted { .. } => None,
    })
    .collect()
}

/// Runs the gates of a stage as a run within the run.
///
/// # Errors
/// Why there is no such run: nothing is green then.
pub fn run(
    settings: &Settings<'_>,
    profile: &Profile,
    stage: Stage,
    children: &mut Children,
    cancel: &Cancel,
) -> Result<Judged, String> {
    let plan = Plan::new(profile, &Selection::default()).map_err(|error| error.to_string())?;
    let options = Options {
        verb: verb(stage),
        provision: Provision::Attach,
        started_by: settings.started_by,
        attached: Some(settings.endpoints.clone()),
        parent: Some(children.parent().clone()),
        readiness: levels(profile, stage, &plan)?,
        ..Options::default()
    };
    let watcher = Arc::new(Within(Arc::clone(&settings.watcher)));
    let opened = Rehearsal::open(&plan, &options, settings.worker, cancel, watcher);
    let rehearsal = opened.map_err(|error| error.to_string())?;
    rehearsal.runner().all(JOBS);
    let finished = rehearsal.finish().map_err(|error| error.to_string())?;
    let child = children.of_stage(stage, &finished)?;
    Ok(Judged { child, finished })
}

fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Preflight => "preflight",
        Stage::RollbackReadiness => "rollback-readiness",
        _ => "readiness",
    }
}

/// What readiness is judged by in this stage.
fn levels(profile: &Profile, stage: Stage, plan: &Plan) -> Result<Option<Box<ReadinessPlan>>, String> {
    let scope = if stage == Stage::Preflight { "precheck" } else { verb(stage) };
    let Some(said) = &profile.readiness else { return Ok(None) };
    // Before a rollback on its own only the infrastructure is measured.
    let measured = |gate: &GateId| plan.gates.iter().any(|planned| planned.gate.id == *gate);
    let is_measured = |sli: &Sli| match &sli.from {
        SliSource::Measured { gate, .. } => measured(gate),
        SliSource::Declared { .. } | SliSource::Defaulted { .. } => true,
    };
    if !said.slis.iter().all(is_measured) {
        return Ok(None);
    }
    let levels = readiness::plan(profile, &Declared::default(), scope).map_err(|error| error.to_string())?;
    Ok(Some(Box::new(levels)))
}

/// Who watches a run within a run: its gates are shown, and that it begins and ends is the stage's.
struct Within(Arc<dyn Watcher + Sync>);

impl Sink for Within {
    fn event(&self, event: Event) {
        match event {
            Event::RunStarted(_) | Event::RunEnded { .. } | Event::Interrupted { .. } => {}
            event => self.0.event(event),
        }
    }
}

impl Progress for Within {
    fn at(&self, phase: embedded::Phase, done: u64, total: u64) {
        self.0.at(phase, done, total);
    }

    fn done(&self, phase: embedded::Phase, took: Duration) {
        self.0.done(phase, took);
    }

    fn note(&self, text: &str) {
        self.0.note(text);
    }
}
