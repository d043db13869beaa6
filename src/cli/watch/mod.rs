//! `cutproof watch`: the minutes after a switch, on an environment that runs. It only reads; `--replay` judges a watch
//! that was recorded, and starts nothing.

pub mod replay;

use super::compose::ComposeFlags;
use super::flags::{self, ProfileFlags};
use super::{Refusal, Watching};
use crate::model::units::{Quantity, Unit, parse_duration};
use crate::model::watch::WatchPlan;
use crate::monitor;
use crate::process::{Cancel, Worker, signals};
use crate::profile::switch::Watch;
use crate::profile::{self, Profile};
use crate::rehearsal::provision::Provision;
use crate::rehearsal::{Options, Rehearsal};
use crate::report;
use crate::template::{Cutover, Rollback};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The flags of `watch`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    profile: ProfileFlags,
    /// For how many minutes; POST_SWITCH_MONITOR_MINUTES of the cutover template where absent
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<Duration>,
    /// From one sample to the next, such as 1s; the profile's where absent
    #[arg(long, value_name = "TIME", value_parser = interval)]
    interval: Option<Duration>,
    /// The condition that would roll back; ROLLBACK_TRIGGER_CONDITION of the rollback template where absent
    #[arg(long, value_name = "CONDITION")]
    trigger: Option<String>,
    /// Take MONITOR_KEYS and the minutes from this cutover template; the profile's where absent
    #[arg(long, value_name = "FILE")]
    cutover_template: Option<PathBuf>,
    /// Take the trigger from this rollback template; the profile's where absent
    #[arg(long, value_name = "FILE")]
    rollback_template: Option<PathBuf>,
    /// Where a service is, for this run: NAME=ADDRESS (or the variable CUTPROOF_ENDPOINT_NAME)
    #[arg(long = "endpoint", value_name = "NAME=ADDRESS", value_parser = flags::endpoint)]
    endpoints: Vec<(String, String)>,
    #[command(flatten)]
    compose: ComposeFlags,
    /// Where evidence goes, in a folder of the run
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    evidence_dir: PathBuf,
    /// Judge a recorded watch again: a run's folder, its journal.jsonl, or a watch.csv with watch.json beside it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["minutes", "interval", "trigger", "cutover_template", "rollback_template", "endpoints", "compose_file"]
    )]
    replay: Option<PathBuf>,
}

impl Arguments {
    /// The recorded watch, where one is to be judged again.
    pub fn replay(&self) -> Option<&Path> {
        self.replay.as_deref()
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let plain =
        Quantity::parse(text).ok().filter(|minutes| minutes.unit == Unit::None && minutes.value > 0.0);
    plain
        .and_then(|minutes| Quantity::new(minutes.value, Unit::Minute).to_duration().ok())
        .ok_or_else(|| "expected a plain number of minutes above 0, such as 30 or 0.5".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    // Below that it measures itself.
    if interval < Duration::from_millis(10) {
        return Err("expected at least 10ms".to_owned());
    }
    Ok(interval)
}

/// Watches, and writes the evidence.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    let profile = Profile::load(&profile::find(&arguments.profile.profile)).map_err(Refusal::of)?;
    for warning in &profile.warnings {
        eprintln!("warning: {warning}");
    }
    let watch = settings(&arguments, &profile)?;
    let plan = plan(&arguments, &profile, &watch)?;
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let options = Options {
        verb: "watch",
        provision: Provision::Attach,
        compose: arguments.compose.composition()?,
        endpoints: arguments.endpoints,
        evidence_dir: arguments.evidence_dir,
        watch: Some(Box::new(plan.clone())),
        ..Options::default()
    };
    let display = Arc::new(Watching::new());
    let mut rehearsal =
        Rehearsal::open_watch(&profile, &options, worker, &cancel, display.clone()).map_err(Refusal::of)?;
    let verdict = rehearsal.watch(&watch.sources).map_err(Refusal::of)?;
    let finished = rehearsal.finish().map_err(Refusal::of)?;
    display.finish();
    let told = report::watch(&plan, &verdict, super::run::coloured());
    super::print(&format!("{told}evidence  {}  (watch.csv, watch.json)\n", finished.folder.display()))?;
    // The watch may be fine and the run not: interrupted at its very end.
    if verdict.reason.is_empty() && finished.exit_code() != crate::exit::OK {
        eprintln!("{}", finished.reasons());
    }
    Ok(finished.exit_code())
}

/// The profile's watch with what the flags say of it.
fn settings(arguments: &Arguments, profile: &Profile) -> super::Result<Watch> {
    let Some(mut watch) = profile.watch.clone() else {
        let name = profile.file.as_ref().map_or("the profile", |file| file.path.as_str());
        return Err(Refusal(format!(
            "{name} has no [watch]: add its interval, its sources and its metrics (docs/profile.md), or give \
             another --profile"
        )));
    };
    watch.interval = arguments.interval.unwrap_or(watch.interval);
    Ok(watch)
}

/// What is watched: the profile says how, the templates and flags say what for.
fn plan(arguments: &Arguments, profile: &Profile, watch: &Watch) -> super::Result<WatchPlan> {
    let own = profile.cutover.as_ref();
    let of_profile = |path: Option<&String>| path.map(PathBuf::from);
    let cutover = arguments.cutover_template.clone();
    let cutover = cutover.or_else(|| of_profile(own.and_then(|own| own.cutover_template.as_ref())));
    let cutover = cutover.map(|path| Cutover::read(&path)).transpose().map_err(Refusal::of)?;
    let rollback = arguments.rollback_template.clone();
    let rollback = rollback.or_else(|| of_profile(own.and_then(|own| own.rollback_template.as_ref())));
    let trigger = match &arguments.trigger {
        Some(trigger) => trigger.clone(),
        None => {
            let rollback = rollback.map(|path| Rollback::read(&path)).transpose().map_err(Refusal::of)?;
            rollback.map(|rollback| rollback.trigger_condition.text).unwrap_or_default()
        }
    };
    let minutes = arguments.minutes.or(cutover.as_ref().map(|cutover| cutover.monitor.duration));
    let minutes = minutes.ok_or_else(|| {
        Refusal("for how long? expected --minutes, or --cutover-template for its minutes".to_owned())
    })?;
    let keys = cutover.map(|cutover| cutover.monitor_keys).unwrap_or_default();
    monitor::plan(watch, &trigger, &keys, minutes, minutes).map_err(Refusal::of)
}
