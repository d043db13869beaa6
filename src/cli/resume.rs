//! `cutproof cutover --resume`: shows where a killed run stands and, when a person chose how, goes on with it. The plan
//! is the journal's. Commands stand there with their secrets masked, so they are read from the templates again, which
//! must be those that the run began with.

use super::cutover::{Asked, BackFlags, conduct};
use super::{Refusal, print, runs};
use crate::cutover;
use crate::cutover::plan::{Prepared, Request, Work, prepare};
use crate::cutover::resume::{self, Choice};
use crate::cutover::templates::Templates;
use crate::exit;
use crate::journal::{self, Digest};
use crate::model::event::{FileDigest, RunStarted};
use crate::model::redact::Redactor;
use crate::model::switch::{SwitchPlan, SwitchStep};
use crate::model::{Event, Stamp};
use crate::process::Worker;
use crate::profile::Profile;
use std::path::Path;
use std::sync::Arc;

/// Shows where the run stands; with a choice, goes on with it.
pub fn run(run: &str, choice: Option<Choice>, flags: &BackFlags, worker: Worker) -> super::Result {
    let folder = runs::find(&flags.evidence_dir, Some(run))?;
    let standing = resume::look(&folder).map_err(Refusal::of)?;
    let Some(choice) = choice else {
        print(&resume::text(&standing, run))?;
        return Ok(exit::ERROR);
    };
    let at = standing.start_at(choice).map_err(Refusal::of)?;
    let started = started(&folder)?;
    let redactor = Arc::new(Redactor::of_environment());
    let profile = profile(&started)?;
    let prepared = prepared(&started, profile.as_ref(), &redactor)?;
    print(&resume::going_on(&standing, at))?;
    let verb = if standing.cutover.is_empty() { "rollback" } else { "cutover" };
    let asked = Asked { verb, prepared: &prepared, profile: profile.as_ref(), flags };
    conduct(&asked, true, redactor, worker, |settings| {
        let resumed = resume::begin(&folder, choice).map_err(|error| cutover::CutoverError::of(&error))?;
        cutover::go_on(settings, resumed)
    })
}

/// What the run set out to do.
fn started(folder: &Path) -> super::Result<RunStarted> {
    let records = journal::read(&folder.join(journal::FILE)).map_err(Refusal::of)?;
    match records.entries.into_iter().next().map(|record| record.event) {
        Some(Event::RunStarted(started)) => Ok(*started),
        _ => Err(Refusal(format!("expected the plan in the first line of {}", folder.display()))),
    }
}

/// The profile that the run began with.
fn profile(started: &RunStarted) -> super::Result<Option<Profile>> {
    let Some(file) = &started.profile else { return Ok(None) };
    let profile = Profile::load(Path::new(&file.path)).map_err(Refusal::of)?;
    same(file, profile.file.as_ref())?;
    Ok(Some(profile))
}

/// What will be done: the plan of the journal, with the commands as the templates have them.
fn prepared(started: &RunStarted, profile: Option<&Profile>, redactor: &Redactor) -> super::Result<Prepared> {
    let plan = started.switch.as_deref();
    let plan =
        plan.ok_or_else(|| Refusal("expected a cutover or a rollback, and this run is none".to_owned()))?;
    let cutover = plan.cutover.as_ref().map(|cutover| Path::new(&cutover.template.path));
    let templates = Templates::read(cutover, Path::new(&plan.rollback.template.path)).map_err(Refusal::of)?;
    same(&plan.rollback.template, Some(&templates.rollback.file))?;
    if let (Some(plan), Some(read)) = (&plan.cutover, &templates.cutover) {
        same(&plan.template, Some(&read.file))?;
    }
    let prepared = prepare(&Request {
        templates: &templates,
        profile,
        step_timeout: None,
        force_rollback: plan.force_rollback,
        rollback_on_interrupt: plan.rollback_on_interrupt,
        cutover_output: None,
        rollback_output: None,
        watch: None,
        now: Stamp::now(),
        redactor,
    });
    let mut prepared = prepared.map_err(Refusal::of)?;
    let SwitchPlan { cutover, rollback, .. } = plan;
    keep(&mut prepared.cutover, cutover.as_ref().map_or(&[][..], |cutover| &cutover.steps));
    keep(&mut prepared.rollback, &rollback.steps);
    (prepared.plan, prepared.watch) = (plan.clone(), started.watch.as_deref().cloned());
    Ok(prepared)
}

/// Steps as the journal has them: their times may have come from flags.
fn keep(works: &mut [Work], steps: &[SwitchStep]) {
    for work in works {
        if let Some(step) = steps.iter().find(|step| step.name == work.step.name) {
            work.step = step.clone();
        }
    }
}

/// Refuses a file that is not what the run began with.
fn same(began: &FileDigest, now: Option<&FileDigest>) -> super::Result<()> {
    let now = now.map_or_else(|| Digest::ZERO.to_string(), |now| now.sha256.clone());
    if now == began.sha256 {
        return Ok(());
    }
    Err(Refusal(format!(
        "{} is not what the run began with: expected SHA-256 {}, and saw {now}; put the former file back, or do what is \
         left by hand and begin anew with --abandon",
        began.path, began.sha256
    )))
}
