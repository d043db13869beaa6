//! Wires plan, services, runner and journal into one run. It knows neither arguments nor terminals: whoever calls it
//! hands over settings and someone who watches.

pub mod detached;
pub mod folder;
pub mod parent;
pub mod provenance;
pub mod provision;
pub mod readiness;
pub mod record;
mod watch;

use crate::evidence::{self, Document, Exported, Outcome, RunView};
use crate::exit;
use crate::journal;
use crate::model::event::{RunStarted, Sink};
use crate::model::readiness::ReadinessPlan;
use crate::model::redact::Redactor;
use crate::model::watch::WatchPlan;
use crate::model::{Args, Clock, Endpoint, Event, RunId, Verdict};
use crate::plan::Plan;
use crate::process::{Cancel, Worker, signals};
use crate::runner::{self, Runner};
use crate::service::Environment;
use crate::service::containers::Daemon;
use crate::service::embedded::{self, Installed, Phase, Progress};
use parent::Parent;
use provision::{Local, Provision, Start, choose};
use record::{JOURNAL_ROOM, Place, Record};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long services have to answer, from the start of provisioning.
const SERVICE_DEADLINE: Duration = Duration::from_secs(90);

/// How long they have where images may have to be pulled before.
const CONTAINER_DEADLINE: Duration = provision::PULLED;

/// How long the daemon of containers has to answer that answered when it was chosen.
const DAEMON: Duration = Duration::from_secs(5);

/// Someone who watches a run.
pub trait Watcher: Sink + Progress + Send {}

impl<T: Sink + Progress + Send> Watcher for T {}

/// How a run is made.
#[derive(Clone, Default)]
pub struct Options {
    /// The verb, for the run's name and evidence.
    pub verb: &'static str,
    /// Who gives the services. What `auto` comes to is chosen when the run begins.
    pub provision: Provision,
    /// Containers that an earlier run left are taken up, and left again.
    pub reuse: bool,
    /// Why this one, where nobody named it.
    pub provisioner_why: Option<String>,
    /// The name of the provisioner in evidence, where it is another than `provision` says: engines that were started
    /// before and are attached to.
    pub started_by: Option<Provision>,
    /// Where services are that were started before, by name; flags and variables don't apply then.
    pub attached: Option<BTreeMap<String, Endpoint>>,
    /// Why no service can be there, where that is known before: what was to bring them up did not.
    pub unavailable: Option<String>,
    /// Endpoints from flags, by service.
    pub endpoints: Vec<(String, String)>,
    /// Where the run's folder goes.
    pub evidence_dir: PathBuf,
    /// The run that this one is part of: then it is kept in that one's folder.
    pub parent: Option<Parent>,
    /// Nothing is touched.
    pub dry_run: bool,
    /// Where its files are exported to, each a file or a folder.
    pub exports: Vec<PathBuf>,
    /// Gates that write may do so in an environment that is attached to.
    pub allow_writes: bool,
    /// The bootstrap's recorded settings, where the run is one.
    pub bootstrap: Args,
    /// A gate that passed only after another attempt counts against the run.
    pub fail_on_flaky: bool,
    /// A cutover is rehearsed when the gates have run.
    pub rehearses: bool,
    /// The fault that is made in it on purpose.
    pub fault: Option<String>,
    /// What readiness is judged by, where the run measures it.
    pub readiness: Option<Box<ReadinessPlan>>,
    /// What is watched, where the run is a watch.
    pub watch: Option<Box<WatchPlan>>,
}

/// Why a run could not be made, or its evidence not be written. Nothing is green then.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RehearsalError(String);

impl RehearsalError {
    fn of(error: impl std::fmt::Display) -> RehearsalError {
        RehearsalError(error.to_string())
    }
}

/// A run that has begun.
pub struct Rehearsal {
    runner: Runner,
    record: Record,
    environment: Option<Arc<dyn Environment>>,
    provision: Provision,
    cancel: Cancel,
    redactor: Arc<Redactor>,
    worker: Worker,
    /// What is watched, and what came of it.
    watch: Option<Box<WatchPlan>>,
    watched: Option<Verdict>,
    /// Services that were started before.
    attached: BTreeMap<String, Endpoint>,
}

/// A run that has ended, as its journal tells it.
pub struct Finished {
    records: journal::Records,
    /// The run's folder.
    pub folder: PathBuf,
    /// The files in it that were projected from the journal.
    pub documents: Vec<Document>,
    interrupted: Option<String>,
}

impl Rehearsal {
    /// Begins a run: installs what is lacking, makes the run's folder and journal, and starts the services. No gate
    /// is run yet.
    ///
    /// # Errors
    /// Where that can't be done: what was expected, what was seen, and what to do.
    pub fn open(
        plan: &Plan,
        options: &Options,
        worker: Worker,
        cancel: &Cancel,
        watcher: Arc<dyn Watcher + Sync>,
    ) -> Result<Rehearsal, RehearsalError> {
        if !options.provision.is_ours() && !options.dry_run && !options.allow_writes {
            refuse_writes(plan)?;
        }
        let options = &options.chosen(plan).map_err(RehearsalError)?;
        let embedded = options.provision == Provision::Embedded && !options.dry_run;
        let installed = embedded.then(|| {
            embedded::user_cache()
                .and_then(|cache| embedded::install(&cache, worker, &Patient { watcher: &*watcher, cancel }))
        });
        let installed = installed.transpose().map_err(RehearsalError::of)?;
        signals::outlive_file_limit().map_err(RehearsalError::of)?;
        let (evidence_dir, parent) = (&*options.evidence_dir, options.parent.as_ref());
        let place = Place { evidence_dir, parent, room: JOURNAL_ROOM, exports: &options.exports };
        let record = Record::begin(options.verb, place, watcher, worker, cancel)?;
        let redactor = Arc::new(Redactor::of_environment());
        record.event(Event::RunStarted(Box::new(started(plan, options, &record.run, record.clock))));
        let (services, given, run) = (&plan.services[..], &options.endpoints[..], record.run.as_str());
        let start = Start { services, given, run, worker, cancel };
        let environment = match options.dry_run {
            true => None,
            false => Some(environment(plan, options, start, installed.as_ref()).map_err(RehearsalError)?),
        };
        let contained = options.provision == Provision::Containers;
        let settings = runner::Settings {
            environment: environment.clone(),
            service_deadline: if contained { CONTAINER_DEADLINE } else { SERVICE_DEADLINE },
            sink: record.sink(),
            cancel: cancel.clone(),
            clock: record.clock,
            run: record.run.clone(),
            redactor: Arc::clone(&redactor),
            worker,
        };
        let runner = Runner::new(plan, settings);
        Ok(Rehearsal {
            runner,
            record,
            environment,
            provision: options.started_by.unwrap_or(options.provision),
            cancel: cancel.clone(),
            redactor,
            worker,
            watch: options.watch.clone(),
            watched: None,
            attached: options.attached.clone().unwrap_or_default(),
        })
    }

    /// The run's record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Who gives the services.
    pub fn provision(&self) -> Provision {
        self.provision
    }

    /// What is measured; none in a dry run.
    pub fn environment(&self) -> Option<&Arc<dyn Environment>> {
        self.environment.as_ref()
    }

    /// What runs the gates.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Ends the services, closes the journal, and writes all evidence from what the journal says on the disk. Gates
    /// that nobody asked for until now are not run, and say so.
    ///
    /// # Errors
    /// Where the journal or a file could not be written: the run has no evidence then, and is not green.
    pub fn finish(self) -> Result<Finished, RehearsalError> {
        let interrupted = self.cancel.why().map(str::to_owned);
        if let Some(by) = &interrupted {
            self.record.event(Event::Interrupted { by: by.clone() });
        }
        if let Some(environment) = &self.environment {
            environment.stop();
            environment.notes().into_iter().for_each(|text| self.record.event(Event::Warning { text }));
        }
        let (verdict, counts) = self.runner.tally();
        self.record.end(verdict.max(self.watched.unwrap_or(Verdict::Passed)), counts);
        self.record.finish(interrupted)
    }
}

impl Finished {
    /// What the journal says.
    ///
    /// # Errors
    /// Never for a run that was finished: it was read so before.
    pub fn view(&self) -> Result<RunView<'_>, RehearsalError> {
        RunView::of(&self.records).map_err(RehearsalError::of)
    }

    /// The exit code of the run.
    pub fn exit_code(&self) -> u8 {
        let fine = self.view().is_ok_and(|view| evidence::verdict(&view).verdict.is_fine());
        match self.interrupted.as_deref() {
            Some("SIGINT") => exit::INTERRUPTED,
            Some("SIGTERM") => exit::TERMINATED,
            _ if fine => exit::OK,
            _ => exit::NOT_PASSED,
        }
    }

    /// What stands against the run, in one text.
    pub fn reasons(&self) -> String {
        let Ok(view) = self.view() else { return "the journal can't be read".to_owned() };
        let reasons: Vec<_> = evidence::verdict(&view).reasons.iter().map(ToString::to_string).collect();
        reasons.join("\n  ")
    }

    /// What the run is worth.
    pub fn outcome(&self) -> Outcome {
        self.view().map_or(Outcome::Unfinished, |view| evidence::verdict(&view).verdict)
    }

    /// Copies a document of the run to a path of the runbook.
    ///
    /// # Errors
    /// Where it can't be written, or what is there can't be kept.
    pub fn export(&self, document: &Document, to: &Path) -> Result<Exported, RehearsalError> {
        evidence::export(&self.folder, &document.name, to).map_err(RehearsalError::of)
    }
}

impl Options {
    /// The same with a provisioner that can be had.
    fn chosen(&self, plan: &Plan) -> Result<Options, String> {
        let choice = choose(self.provision, &plan.services)?;
        let why = choice.why.or_else(|| self.provisioner_why.clone());
        Ok(Options { provision: choice.provision, provisioner_why: why, ..self.clone() })
    }
}

/// Starts the services, or attaches to them.
fn environment(
    plan: &Plan,
    options: &Options,
    start: Start<'_>,
    installed: Option<&Arc<Installed>>,
) -> Result<Arc<dyn Environment>, String> {
    if let Some(installed) = installed {
        return Ok(Arc::new(Local::engines(start, installed)?));
    }
    if options.provision == Provision::Containers {
        let daemon = Daemon::find(DAEMON).map_err(|error| error.0)?;
        return Ok(Arc::new(Local::containers(start, &daemon, options.reuse)?));
    }
    if let Some(why) = &options.unavailable {
        return Ok(Arc::new(provision::Unavailable(why.clone())));
    }
    let name = options.started_by.unwrap_or(options.provision).as_str();
    let endpoints = match &options.attached {
        Some(endpoints) => endpoints.clone(),
        None => provision::endpoints(start.services, start.given)?,
    };
    let attached = provision::attached(endpoints, name, start.cancel);
    Ok(Arc::new(attached.with_topics(provision::topics(plan))))
}

/// Gates that write are refused where nobody allowed it by name.
fn refuse_writes(plan: &Plan) -> Result<(), RehearsalError> {
    let writers = plan.selected().filter(|planned| planned.gate.writes);
    let writers: Vec<_> = writers.map(|planned| format!("`{}`", planned.gate.id)).collect();
    if writers.is_empty() {
        return Ok(());
    }
    Err(RehearsalError(format!(
        "gates that write to the environment, which is not ours: {}; expected --allow-writes, or --skip for each of them",
        writers.join(", ")
    )))
}

fn started(plan: &Plan, options: &Options, run: &RunId, clock: Clock) -> RunStarted {
    let steps = plan.gates.iter().filter(|planned| !planned.steps.is_empty());
    let left_out = plan.gates.iter().filter(|planned| !planned.selected);
    RunStarted {
        run: run.clone(),
        verb: options.verb.to_owned(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        environment: plan.environment.clone(),
        profile: plan.file.clone(),
        provisioner: options.started_by.unwrap_or(options.provision).as_str().to_owned(),
        provisioner_why: options.provisioner_why.clone(),
        dry_run: options.dry_run,
        partial: plan.partial(),
        selection: plan.selection.clone(),
        host: record::host(),
        started: clock.started(),
        partition: plan.partition.clone(),
        services: plan.planned_services(),
        gates: plan.gates.iter().map(|planned| planned.gate.clone()).collect(),
        not_selected: left_out.map(|planned| planned.gate.id.clone()).collect(),
        steps: steps.map(|planned| (planned.gate.id.clone(), planned.steps.clone())).collect(),
        bootstrap: options.bootstrap.clone(),
        parent: options.parent.as_ref().map(|parent| parent.run.clone()),
        switch: None,
        watch: options.watch.clone(),
        readiness: options.readiness.clone(),
        fail_on_flaky: options.fail_on_flaky,
        rehearses: options.rehearses,
        fault: options.fault.clone(),
    }
}

/// An installation that is broken off when the run is told to end.
struct Patient<'a> {
    watcher: &'a (dyn Watcher + Sync),
    cancel: &'a Cancel,
}

impl Progress for Patient<'_> {
    fn at(&self, phase: Phase, done: u64, total: u64) {
        self.watcher.at(phase, done, total);
    }

    fn done(&self, phase: Phase, took: Duration) {
        self.watcher.done(phase, took);
    }

    fn note(&self, text: &str) {
        self.watcher.note(text);
    }

    fn going(&self) -> bool {
        !self.cancel.is_cancelled()
    }
}
