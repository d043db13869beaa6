//! The one-shot switch: preflight, ten steps, switch gate, readiness, watch, and the way back.
//!
//! Everything is on record before it is done and when it has ended; the evidence is projected from that record, and so
//! is what a person reads later. It knows neither arguments nor terminals: whoever calls it hands over checked settings
//! and someone who watches.

mod back;
mod background;
mod before;
mod children;
mod decide;
mod exports;
mod gates;
mod held;
mod limit;
pub mod lock;
mod marks;
mod measure;
pub mod plan;
pub mod precondition;
pub mod resume;
mod sequence;
mod stages;
mod step;
pub mod templates;
mod watched;

#[cfg(test)]
mod tests;

use crate::exit;
use crate::model::event::RunStarted;
use crate::model::redact::Redactor;
use crate::model::switch::{Sequence, Stage};
use crate::model::{Args, Counts, Endpoint, Event, RunId, Stamp, Verdict};
use crate::process::{Cancel, Worker, signals};
use crate::profile::Profile;
use crate::rehearsal::parent::Parent;
use crate::rehearsal::provision::Provision;
use crate::rehearsal::record::{self, JOURNAL_ROOM, LOST_JOURNAL, Place, Record};
use crate::rehearsal::{Finished, Watcher};
use before::Before;
use decide::{Back, Way};
use exports::Exports;
use lock::{EnvironmentLock, LockError};
use measure::Measuring;
use plan::Prepared;
use resume::{Resumption, StartAt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use step::Stepper;

pub use children::Children;
pub use exports::Written;
pub use step::RESULTS;

/// What one sample of a watch takes in the journal, in bytes, and what is reserved for all at most.
const SAMPLE: f64 = 1024.0;
const MOST_ROOM: f64 = 64.0 * 1024.0 * 1024.0;

/// How a cutover, or a rollback on its own, is made.
pub struct Settings<'a> {
    /// The verb, for the run's name and evidence.
    pub verb: &'static str,
    /// What will be done.
    pub prepared: &'a Prepared,
    /// How to measure, where a profile says so.
    pub profile: Option<&'a Profile>,
    /// Where services are, by name; the steps' commands are told.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Who started them, where that was not somebody else.
    pub started_by: Option<Provision>,
    /// Where the run's folder goes.
    pub evidence_dir: PathBuf,
    /// The run that this one is part of.
    pub parent: Option<Parent>,
    /// Nothing is touched.
    pub dry_run: bool,
    /// What steps leave running lives on after the run: it is the new core. Not so in a rehearsal.
    pub keep_daemons: bool,
    /// Where verbs that steps call put their exports, where that is not at the runbook's paths: in a rehearsal.
    pub results: Option<PathBuf>,
    /// A killed run whose leavings a person has put in order by hand.
    pub abandon: Option<RunId>,
    /// The fault that a rehearsal makes on purpose.
    pub fault: Option<String>,
    /// Knows the run's secrets.
    pub redactor: Arc<Redactor>,
    /// The right to start processes.
    pub worker: Worker,
    /// Told when the run is to end.
    pub cancel: Cancel,
    /// Who watches.
    pub watcher: Arc<dyn Watcher + Sync>,
}

/// Where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// At its beginning.
    Start,
    /// At this step of the cutover, from 1; behind the last one: at what follows the steps.
    Cutover {
        /// Which.
        step: u32,
    },
    /// At this step of the rollback, from 1.
    Rollback {
        /// Which.
        step: u32,
        /// Why.
        reason: String,
    },
}

/// Why a cutover could not be begun, or its evidence not be written. Nothing is green then.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CutoverError(String);

impl CutoverError {
    /// From anything that says what is wrong.
    pub fn of(error: &dyn std::fmt::Display) -> CutoverError {
        CutoverError(error.to_string())
    }
}

/// A cutover that has ended.
pub struct Ended {
    /// The run, as its journal tells it; none where the journal could not be written to its end.
    pub finished: Option<Finished>,
    /// The files at the runbook's paths.
    pub written: Vec<Written>,
    /// What came of it, in one line.
    pub told: String,
    /// The exit code: 0 only where all is good and on record.
    pub code: u8,
}

/// Makes a cutover, or a rollback on its own.
///
/// # Errors
/// What does not hold before the first step. Nothing was run then.
pub fn run(settings: &Settings<'_>) -> Result<Ended, CutoverError> {
    signals::outlive_file_limit().map_err(|error| CutoverError::of(&error))?;
    let mut warnings = settings.prepared.warnings.clone();
    if !settings.dry_run {
        let enforce = settings.profile.and_then(|profile| profile.cutover.as_ref());
        let enforce = enforce.is_some_and(|cutover| cutover.enforce_window);
        let more = precondition::check(&settings.prepared.plan, enforce);
        warnings.extend(more.map_err(|error| CutoverError::of(&error))?);
    }
    let (evidence_dir, parent) = (&*settings.evidence_dir, settings.parent.as_ref());
    let exports = precondition::paths(&settings.prepared.plan);
    let place = Place { evidence_dir, parent, room: room(settings.prepared), exports: &exports };
    let watcher = Arc::clone(&settings.watcher);
    let begun = Record::begin(settings.verb, place, watcher, settings.worker, &settings.cancel);
    let record = begun.map_err(|error| CutoverError::of(&error))?;
    // Dropped last: it looks then whether the journal has its end.
    let lock = match lock(settings, &record) {
        Ok(lock) => lock,
        Err(error) => {
            record.discard();
            return Err(CutoverError::of(&error));
        }
    };
    warnings.extend(lock.as_ref().and_then(EnvironmentLock::taken_over).map(ToString::to_string));
    record.event(Event::RunStarted(Box::new(started(settings, &record))));
    for text in warnings {
        record.event(Event::Warning { text });
    }
    go(settings, record, &From::Start)
}

/// The environment, for this run alone. A rehearsal's is its own already.
fn lock(settings: &Settings<'_>, record: &Record) -> Result<Option<EnvironmentLock>, LockError> {
    if settings.dry_run || settings.started_by.is_some_and(Provision::is_ours) {
        return Ok(None);
    }
    let environment = settings.prepared.environment();
    let taken = match &settings.abandon {
        None => EnvironmentLock::take(environment, &record.run, &record.folder),
        Some(other) => EnvironmentLock::take_abandoning(environment, &record.run, &record.folder, other),
    };
    taken.map(Some)
}

/// Goes on with a run that was killed, as [`resume::begin`] took it up.
///
/// # Errors
/// Where its evidence could not be written.
pub fn go_on(settings: &Settings<'_>, resumed: Resumption) -> Result<Ended, CutoverError> {
    let Resumption { journal, clock, records, standing, at, lock: _lock, .. } = resumed;
    signals::outlive_file_limit().map_err(|error| CutoverError::of(&error))?;
    let folder = std::path::absolute(journal.path()).map_err(|error| CutoverError::of(&error))?;
    let folder = folder.parent().map(PathBuf::from).unwrap_or_default();
    let watcher = Arc::clone(&settings.watcher);
    let record = Record::over(standing.run, folder, clock, Arc::new(journal), watcher, &settings.cancel);
    // It may have been killed when that was told already.
    let told = records.entries.iter().any(|record| matches!(record.event, Event::Provenance(_)));
    let record = match told {
        true => record,
        false => record.gathering(
            &settings.evidence_dir,
            &precondition::paths(&settings.prepared.plan),
            settings.worker,
            &settings.cancel,
        ),
    };
    let from = match at {
        StartAt::Start => From::Cutover { step: 1 },
        StartAt::Cutover(done) => From::Cutover { step: number(done) },
        StartAt::Rollback(done) => From::Rollback {
            step: number(done),
            reason: "the run was killed, and a person chose to roll back".to_owned(),
        },
    };
    go(settings, record, &from)
}

/// The number of the step behind so many that are done.
fn number(done: usize) -> u32 {
    u32::try_from(done).unwrap_or(u32::MAX).saturating_add(1)
}

/// Goes on with a run from there: its beginning is on record.
///
/// # Errors
/// Where it could not be begun, or its evidence not be written.
fn go(settings: &Settings<'_>, record: Record, from: &From) -> Result<Ended, CutoverError> {
    let mut flow = Flow::of(settings, &record, from)?;
    if *from == From::Start
        && !settings.dry_run
        && let Err(error) = flow.exports.publish(&record)
    {
        record.event(Event::Interrupted { by: "an evidence file that can't be written".to_owned() });
        record.end(Verdict::Failed, Counts::default());
        return Err(CutoverError(error));
    }
    let (way, step, spent) = match from {
        From::Start => (flow.there(1), 1, Duration::ZERO),
        From::Cutover { step } => (flow.there(*step), 1, Duration::ZERO),
        From::Rollback { step, reason } => (Way::Red(reason.clone()), *step, flow.spent),
    };
    let back = match decide::way_back(&way, &settings.prepared.plan) {
        Some(why) => Some(flow.back(&why, step, spent)?),
        None => None,
    };
    flow.conclude(&way, back.as_ref());
    let Flow { exports, .. } = flow;
    Ok(finish(settings, record, exports, &way, back.as_ref()))
}

/// A run that goes on.
struct Flow<'a> {
    settings: &'a Settings<'a>,
    record: &'a Record,
    stepper: Stepper,
    children: Children,
    exports: Exports,
    told: BTreeSet<Stage>,
    core_started: Option<Stamp>,
    warmup_log: Option<PathBuf>,
    /// How much of the rollback's limit is spent already.
    spent: Duration,
}

impl<'a> Flow<'a> {
    fn of(settings: &'a Settings<'a>, record: &'a Record, from: &From) -> Result<Flow<'a>, CutoverError> {
        let before = match from {
            From::Start => Before::default(),
            _ => Before::of(&record.read().map_err(|error| CutoverError::of(&error))?),
        };
        for password in settings.endpoints.values().filter_map(|endpoint| endpoint.password.as_ref()) {
            settings.redactor.add(password.reveal());
        }
        let measuring = Measuring {
            endpoints: settings.endpoints.clone(),
            clock: record.clock,
            run: record.run.clone(),
            redactor: Arc::clone(&settings.redactor),
            worker: settings.worker,
        };
        let stepper = Stepper {
            folder: record.folder.clone(),
            environment: step::environment(&record.folder, settings),
            keep_daemons: settings.keep_daemons,
            measuring,
            held: Mutex::default(),
        };
        let spent = before.rollback_began.map_or(0, |began| record.clock.now().millis() - began.millis());
        Ok(Flow {
            settings,
            record,
            stepper,
            children: Children::of(record.as_parent(), before.children),
            exports: Exports::of(&settings.prepared.plan),
            told: before.told,
            core_started: before.core_started,
            warmup_log: before.warmup_log.map(|log| record.folder.join(log)),
            spent: Duration::from_millis(u64::try_from(spent).unwrap_or(0)),
        })
    }

    /// Puts on record what is left to say: stages that were not run, runs that still go on, and the end.
    fn conclude(&mut self, way: &Way, back: Option<&Back>) {
        for left in self.stepper.end_held() {
            self.record.event(Event::Warning { text: left });
        }
        self.tell_children("", true);
        let missing: Vec<_> = Stage::ALL.into_iter().filter(|stage| !self.told.contains(stage)).collect();
        for stage in missing {
            let why = self.why_not(stage, way);
            self.skip(stage, &why);
        }
        if let Some(text) = advice(self.settings, way, back) {
            self.record.event(Event::Warning { text });
        }
        let verdict = match (decide::is_good(way, back), self.settings.dry_run) {
            (true, false) => Verdict::Passed,
            (true, true) => Verdict::Skipped,
            (false, _) => Verdict::Failed,
        };
        self.record.end(verdict, Counts::default());
    }

    /// Why a stage was not run.
    fn why_not(&self, stage: Stage, way: &Way) -> String {
        let alone = self.settings.prepared.plan.cutover.is_none();
        match stage {
            Stage::Rollback | Stage::RollbackReadiness => "not triggered".to_owned(),
            _ if alone => "this is a rollback on its own".to_owned(),
            _ if self.settings.dry_run => "not run: dry run".to_owned(),
            _ => format!("not run: {}", decide::why(way)),
        }
    }
}

/// What the run set out to do.
fn started(settings: &Settings<'_>, record: &Record) -> RunStarted {
    let services = settings.profile.map_or(&[][..], |profile| &profile.services);
    let planned = services.iter().map(|service| {
        let (kind, stands_for) = (service.kind, service.stands_for.clone());
        (service.name.clone(), crate::model::event::PlannedService { kind, stands_for })
    });
    let provisioner = match (settings.profile, settings.started_by) {
        (None, _) => "none",
        (Some(_), by) => by.unwrap_or(Provision::Attach).as_str(),
    };
    RunStarted {
        run: record.run.clone(),
        verb: settings.verb.to_owned(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        environment: settings.prepared.environment().to_owned(),
        profile: settings.profile.and_then(|profile| profile.file.clone()),
        provisioner: provisioner.to_owned(),
        provisioner_why: None,
        dry_run: settings.dry_run,
        partial: false,
        selection: None,
        host: record::host(),
        started: record.clock.started(),
        partition: None,
        services: planned.collect(),
        gates: Vec::new(),
        not_selected: BTreeSet::new(),
        steps: BTreeMap::new(),
        bootstrap: Args::default(),
        parent: settings.parent.as_ref().map(|parent| parent.run.clone()),
        switch: Some(Box::new(settings.prepared.plan.clone())),
        watch: settings.prepared.watch.clone().map(Box::new),
        readiness: None,
        fail_on_flaky: false,
        rehearses: false,
        fault: settings.fault.clone(),
    }
}

/// What is reserved for the journal: a watch's samples are most of it.
fn room(prepared: &Prepared) -> u64 {
    let samples = prepared.watch.as_ref().map_or(0.0, |watch| {
        watch.sources.len() as f64 * (watch.duration_ms / watch.interval_ms.max(1.0) + 1.0)
    });
    JOURNAL_ROOM + (samples * SAMPLE).clamp(0.0, MOST_ROOM) as u64
}

/// Writes the evidence, and says what came of the run.
fn finish(
    settings: &Settings<'_>,
    record: Record,
    mut exports: Exports,
    way: &Way,
    back: Option<&Back>,
) -> Ended {
    let interrupted = match way {
        Way::Interrupted(by) => Some(by.clone()),
        Way::NotBegun(_) => settings.cancel.why().filter(|why| *why != LOST_JOURNAL).map(str::to_owned),
        _ => None,
    };
    let mut told = match settings.dry_run {
        true => "dry run: nothing was touched".to_owned(),
        false => decide::told(way, back),
    };
    let mut code = match interrupted.as_deref() {
        Some("SIGINT") => exit::INTERRUPTED,
        Some("SIGTERM") => exit::TERMINATED,
        _ if decide::is_good(way, back) => exit::OK,
        _ => exit::ERROR,
    };
    let mut lost = |why: String| {
        told = if told.is_empty() { why } else { format!("{told}; {why}") };
        code = if code == exit::OK { exit::ERROR } else { code };
    };
    if record.failure().is_some() && !settings.dry_run
        // What is at the runbook's paths then reads as unfinished, as far as it can be written at all.
        && let Err(why) = exports.publish(&record)
    {
        lost(why);
    }
    let finished = match record.finish(interrupted) {
        Ok(finished) => finished,
        Err(error) => {
            lost(error.to_string());
            return Ended { finished: None, written: Vec::new(), told, code };
        }
    };
    let written = exports.put(&finished.folder, &finished.documents).unwrap_or_else(|why| {
        lost(why);
        Vec::new()
    });
    Ended { finished: Some(finished), written, told, code }
}

/// What a person has to do where the run does not do it.
fn advice(settings: &Settings<'_>, way: &Way, back: Option<&Back>) -> Option<String> {
    let plan = &settings.prepared.plan;
    let template = &plan.rollback.template.path;
    let profile = settings.profile.and_then(|profile| profile.file.as_ref());
    let profile = profile.map_or_else(String::new, |file| format!(" --profile {}", file.path));
    let command = format!("cutproof rollback --rollback-template {template}{profile} --execute");
    match (way, back) {
        (Way::Unsettled(_) | Way::Interrupted(_), None) => {
            Some(format!("the new core was left as it is: look at it, and roll back with `{command}`"))
        }
        (_, Some(Back::Bad(_))) => {
            let steps = settings.prepared.steps(Sequence::Rollback).len();
            Some(format!(
                "look which of the rollback's {steps} steps were done (the evidence and logs/ in the run's folder \
                 say so); when the cause is mended, `{command}` runs all of them again"
            ))
        }
        _ => None,
    }
}
