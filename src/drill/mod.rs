//! A cutover in a rehearsal: the reference engine plays the old and the new core on the rehearsal's engines. A good one
//! is followed by the way back as a drill; with a fault, the evidence must end as the fault deserves. What came of it is
//! judged by the two files of the evidence as they are on the disk, and by the verifier that everybody uses.

mod fault;
mod make;
mod table;

pub use fault::{Deserved, Fault, Make, find};
pub use table::FAULTS;

use crate::cutover::plan::{Prepared, Request, prepare};
use crate::cutover::templates::Templates;
use crate::cutover::{self, Children, Settings};
use crate::evidence::Env;
use crate::model::redact::Redactor;
use crate::model::switch::Stage;
use crate::model::time::millis;
use crate::model::{Endpoint, Event, Stamp, Verdict};
use crate::process::{Cancel, Worker};
use crate::profile::Profile;
use crate::profile::switch::CutoverSettings;
use crate::rehearsal::{Rehearsal, Watcher};
use crate::verify::{self, Level, Rules, Source};
use make::{Saboteur, Struck};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The evidence of the rehearsed cutover, in the rehearsal's folder.
const CUTOVER_FILE: &str = "ctp_cutover_result.env";
const ROLLBACK_FILE: &str = "ctp_rollback_result.env";

/// The exports of the steps, in the rehearsal's folder: the runbook's paths are for real runs.
const RESULTS: &str = "results";

/// How often is looked whether the rehearsal is told to end.
const LOOK: Duration = Duration::from_millis(50);

/// The longest rollback that the verifier accepts, in seconds: the runbook's.
const LIMIT: &str = "180";

/// How a cutover is rehearsed.
pub struct Drill<'a> {
    /// How to measure.
    pub profile: &'a Profile,
    /// Where templates are, and how long the watch lasts.
    pub settings: &'a CutoverSettings,
    /// What goes wrong.
    pub fault: Option<&'static Fault>,
    /// How long the watch lasts, where that is not what the profile says.
    pub watch: Option<Duration>,
    /// The right to start processes.
    pub worker: Worker,
    /// Ends it early.
    pub cancel: Cancel,
    /// Who watches.
    pub watcher: Arc<dyn Watcher + Sync>,
}

impl Drill<'_> {
    /// Switches the rehearsal's engines to the new core and back, and puts on the rehearsal's record what came of it.
    pub fn run(&self, rehearsal: &Rehearsal) {
        let record = rehearsal.record();
        let begun = Instant::now();
        let reason = self.fault.map_or_else(String::new, |fault| format!("with the fault {}", fault.name));
        record.event(Event::StageStarted { stage: Stage::Cutover, reason });
        let ended = self.ended(rehearsal);
        for child in Children::of(record.as_parent(), []).new_ones("", true) {
            match child {
                Ok(child) => record.event(Event::ChildRun(Box::new(child))),
                Err(text) => record.event(Event::Warning { text }),
            }
        }
        let (verdict, reason) = match ended {
            Ok(()) => (Verdict::Passed, String::new()),
            Err(why) => (Verdict::Failed, why),
        };
        let duration_ms = millis(begun.elapsed());
        record.event(Event::StageEnded { stage: Stage::Cutover, verdict, reason, duration_ms });
    }

    /// Whether it ended as it should.
    fn ended(&self, rehearsal: &Rehearsal) -> Result<(), String> {
        let folder = &rehearsal.record().folder;
        let redactor = Arc::new(Redactor::of_environment());
        let results = folder.join(RESULTS);
        std::fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
        let prepared = self.prepared(folder, &redactor)?;
        let endpoints = services(self.profile, rehearsal)?;
        let environment = rehearsal.environment().ok_or("a dry run has no services")?;
        let saboteur = self.fault.map(|fault| {
            let (environment, watcher) = (Arc::clone(environment), Arc::clone(&self.watcher));
            Arc::new(Saboteur::new(fault, endpoints.clone(), environment, watcher))
        });
        let watcher: Arc<dyn Watcher + Sync> = match &saboteur {
            Some(saboteur) => Arc::new(Struck(Arc::clone(saboteur))),
            None => Arc::clone(&self.watcher),
        };
        // Of its own: a journal that can't be written ends the cutover, and not the rehearsal.
        let cancel = Cancel::new().map_err(|error| error.to_string())?;
        let relay = Relay::begin(&self.cancel, &cancel);
        let ended = cutover::run(&Settings {
            verb: "cutover",
            prepared: &prepared,
            profile: Some(self.profile),
            endpoints,
            started_by: Some(rehearsal.provision()),
            evidence_dir: folder.clone(),
            parent: Some(rehearsal.record().as_parent()),
            dry_run: false,
            keep_daemons: false,
            results: Some(results),
            abandon: None,
            fault: self.fault.map(|fault| fault.name.to_owned()),
            redactor,
            worker: self.worker,
            cancel,
            watcher,
        });
        relay.end();
        saboteur.map_or(Ok(()), |saboteur| saboteur.end())?;
        let told = ended.map_err(|error| error.to_string())?.told;
        if let Some(by) = self.cancel.why() {
            return Err(format!("interrupted by {by}"));
        }
        let deserved = self.fault.map_or(Deserved::DRILL, |fault| fault.deserves);
        judge(&deserved, folder).map_err(|wrong| format!("{wrong} ({told})"))
    }

    /// How long the watch lasts: as asked for, and long enough for the fault to show.
    fn lasts(&self) -> Duration {
        let shows = self.fault.map_or(Duration::ZERO, |fault| fault.make.shows_after());
        self.watch.unwrap_or(self.settings.rehearsal_watch).max(shows)
    }

    fn prepared(&self, folder: &Path, redactor: &Redactor) -> Result<Prepared, String> {
        let template = |path: &Option<String>, key: &str| {
            path.clone().map(PathBuf::from).ok_or_else(|| format!("expected `{key}` in [cutover]"))
        };
        let cutover = template(&self.settings.cutover_template, "cutover_template")?;
        let rollback = template(&self.settings.rollback_template, "rollback_template")?;
        let templates = Templates::read(Some(&cutover), &rollback).map_err(|error| error.to_string())?;
        let prepared = prepare(&Request {
            templates: &templates,
            profile: Some(self.profile),
            step_timeout: None,
            force_rollback: self.fault.is_none_or(|fault| fault.deserves.switched),
            rollback_on_interrupt: true,
            cutover_output: Some(folder.join(CUTOVER_FILE)),
            rollback_output: Some(folder.join(ROLLBACK_FILE)),
            watch: Some(self.lasts()),
            now: Stamp::now(),
            redactor,
        });
        let mut prepared = prepared.map_err(|error| error.to_string())?;
        if let Some(fault) = self.fault {
            make::prepare(fault, &mut prepared);
        }
        Ok(prepared)
    }
}

/// Hands on to the cutover that the rehearsal is told to end.
struct Relay {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    fn begin(from: &Cancel, to: &Cancel) -> Relay {
        let (from, to, done) = (from.clone(), to.clone(), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            while !over.load(Ordering::Acquire) {
                if from.pause(LOOK) {
                    to.cancel(from.why().unwrap_or("asked to"));
                    if from.is_hurried() {
                        to.hurry();
                    }
                    std::thread::sleep(LOOK);
                }
            }
        });
        Relay { done, thread: thread.ok() }
    }

    fn end(self) {
        self.done.store(true, Ordering::Release);
        // It waits for nothing but the next look.
        self.thread.map(JoinHandle::join);
    }
}

/// Where the services are.
fn services(profile: &Profile, rehearsal: &Rehearsal) -> Result<BTreeMap<String, Endpoint>, String> {
    let mut endpoints = BTreeMap::new();
    for service in &profile.services {
        let endpoint = rehearsal.runner().service(&service.name).map_err(|error| error.to_string())?;
        endpoints.insert(service.name.clone(), endpoint);
    }
    Ok(endpoints)
}

/// Compares what the two files say with what is deserved; good ones must pass the verifier too.
fn judge(deserved: &Deserved, folder: &Path) -> Result<(), String> {
    let read = |name: &str| {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path);
        text.map(|text| (path.display().to_string(), text)).map_err(|error| format!("{name}: {error}"))
    };
    let (cutover, rollback) = (read(CUTOVER_FILE)?, read(ROLLBACK_FILE)?);
    deserved.compare(&Env::parse(&cutover.1), &Env::parse(&rollback.1))?;
    let source = |(path, text): (String, String)| Source { path, text: Ok(text) };
    let rules = Rules {
        level: Level::Strict,
        mode: deserved.mode(),
        allow_dry_run: false,
        allow_partial: false,
        max_rollback: LIMIT.parse().map_err(|_| format!("{LIMIT} is no number of seconds"))?,
        since: None,
    };
    let verification = verify::verify(&source(cutover), &source(rollback), &rules);
    let passes = verification.passed();
    if passes == deserved.is_verified() {
        return Ok(());
    }
    let found: Vec<_> =
        verification.errors().map(|finding| format!("{}: {}", finding.code.as_str(), finding.seen)).collect();
    Err(match passes {
        true => "the verifier accepts what it must refuse".to_owned(),
        false => format!("the verifier refuses what should be good: {}", found.join("; ")),
    })
}
