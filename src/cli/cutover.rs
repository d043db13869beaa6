//! `cutproof cutover`, and what it shares with `cutproof rollback`.

use super::flags;
use super::signoff::required::{self, About};
use super::{Display, Refusal, print, resume};
use crate::cutover::plan::{Prepared, Request, prepare};
use crate::cutover::resume::Choice;
use crate::cutover::templates::Templates;
use crate::cutover::{self, Ended, Settings, Written};
use crate::exit;
use crate::model::redact::Redactor;
use crate::model::units::parse_duration;
use crate::model::{RunId, Stamp};
use crate::process::{Cancel, Worker, signals};
use crate::profile::Profile;
use crate::rehearsal::provision;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where the templates are, where nobody says otherwise.
const CUTOVER_TEMPLATE: &str = "configs/ops/ctp_cutover.template.env";
const ROLLBACK_TEMPLATE: &str = "configs/ops/ctp_rollback_drill.template.env";

/// The flags of `cutover`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The cutover template [default: the profile's, else configs/ops/ctp_cutover.template.env]
    #[arg(long, value_name = "FILE")]
    cutover_template: Option<PathBuf>,
    /// The cutover's evidence [default: the template's CUTOVER_EVIDENCE_OUTPUT]
    #[arg(long, value_name = "FILE")]
    cutover_output: Option<PathBuf>,
    #[command(flatten)]
    back: BackFlags,
    #[command(flatten)]
    signoff: required::Flags,
    /// Roll back also after a good cutover: a drill
    #[arg(long)]
    force_rollback: bool,
    /// How long a step of the cutover may take [default: the profile's, else 10min]; steps of the rollback have the
    /// rollback's limit
    #[arg(long, value_name = "DURATION", value_parser = step_timeout)]
    step_timeout: Option<Duration>,
    /// Leave things as they are where SIGINT or SIGTERM ends the cutover
    #[arg(long)]
    no_rollback_on_interrupt: bool,
    /// Show where a cutover or rollback stands that was killed; with --rollback or --continue, go on with it. RUN is a
    /// run's id, the beginning of one, or its folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["execute", "dry_run", "cutover_template", "rollback_template",
          "cutover_output", "rollback_output", "profile", "force_rollback", "step_timeout", "abandon", "require_signoff"])]
    resume: Option<String>,
    /// With --resume: roll back
    #[arg(long, requires = "resume", conflicts_with = "go_on")]
    rollback: bool,
    /// With --resume: go on with the cutover
    #[arg(long = "continue", requires = "resume")]
    go_on: bool,
}

/// What `cutover` and `rollback` both take.
#[derive(Debug, clap::Args)]
pub struct BackFlags {
    /// The rollback template [default: the profile's, else configs/ops/ctp_rollback_drill.template.env]
    #[arg(long, value_name = "FILE")]
    pub rollback_template: Option<PathBuf>,
    /// The rollback's evidence [default: the template's ROLLBACK_EVIDENCE_OUTPUT]
    #[arg(long, value_name = "FILE")]
    pub rollback_output: Option<PathBuf>,
    /// A profile that says how to measure: a path, or the NAME of gates/NAME.toml. Without one there is no preflight,
    /// switch gate, readiness and watch
    #[arg(long, value_name = "FILE")]
    pub profile: Option<String>,
    /// Where a service is, for this run: NAME=ADDRESS (or the variable CUTPROOF_ENDPOINT_NAME)
    #[arg(long = "endpoint", value_name = "NAME=ADDRESS", value_parser = flags::endpoint)]
    pub endpoints: Vec<(String, String)>,
    /// Where the run's own folder goes
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    pub evidence_dir: PathBuf,
    /// Do it; without this, nothing is touched
    #[arg(long, conflicts_with = "dry_run")]
    pub execute: bool,
    /// Touch nothing (the default)
    #[arg(long)]
    pub dry_run: bool,
    /// Begin though this run was killed and left the environment half switched: it was put in order by hand
    #[arg(long, value_name = "RUN")]
    pub abandon: Option<String>,
    /// Don't ask for the environment's name on a terminal; without a terminal nobody is asked
    #[arg(long)]
    pub yes: bool,
}

fn step_timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Does what the flags say.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    let back = &arguments.back;
    if let Some(run) = &arguments.resume {
        let choice = match (arguments.rollback, arguments.go_on) {
            (true, _) => Some(Choice::Rollback),
            (false, true) => Some(Choice::Continue),
            (false, false) => None,
        };
        return resume::run(run, choice, back, worker);
    }
    let profile = flags::named_profile(back.profile.as_deref())?;
    let cutover = template(&arguments.cutover_template, profile.as_ref(), CUTOVER_TEMPLATE, |settings| {
        settings.cutover_template.as_deref()
    });
    let templates = Templates::read(Some(&cutover), &rollback_template(back, profile.as_ref()));
    let templates = templates.map_err(Refusal::of)?;
    let redactor = Arc::new(Redactor::of_environment());
    let prepared = prepare(&Request {
        templates: &templates,
        profile: profile.as_ref(),
        step_timeout: arguments.step_timeout,
        force_rollback: arguments.force_rollback,
        rollback_on_interrupt: !arguments.no_rollback_on_interrupt,
        cutover_output: arguments.cutover_output.clone(),
        rollback_output: back.rollback_output.clone(),
        watch: None,
        now: Stamp::now(),
        redactor: &redactor,
    });
    let mut prepared = prepared.map_err(Refusal::of)?;
    let relied = arguments.signoff.check(&About {
        prepared: &prepared,
        profile: profile.as_ref(),
        evidence_dir: &back.evidence_dir,
        worker,
        dry_run: !back.execute,
    })?;
    prepared.plan.signoff = relied.map(Box::new);
    make(
        &Asked { verb: "cutover", prepared: &prepared, profile: profile.as_ref(), flags: back },
        redactor,
        worker,
    )
}

/// The rollback template of the flags.
pub fn rollback_template(flags: &BackFlags, profile: Option<&Profile>) -> PathBuf {
    template(&flags.rollback_template, profile, ROLLBACK_TEMPLATE, |settings| {
        settings.rollback_template.as_deref()
    })
}

/// A flag goes before the profile, and that before the runbook's path.
fn template(
    flag: &Option<PathBuf>,
    profile: Option<&Profile>,
    default: &str,
    of_profile: fn(&crate::profile::switch::CutoverSettings) -> Option<&str>,
) -> PathBuf {
    let of_profile = || profile.and_then(|profile| profile.cutover.as_ref()).and_then(of_profile);
    flag.clone().unwrap_or_else(|| PathBuf::from(of_profile().unwrap_or(default)))
}

/// What was asked for.
pub struct Asked<'a> {
    /// The verb.
    pub verb: &'static str,
    /// What will be done.
    pub prepared: &'a Prepared,
    /// How to measure.
    pub profile: Option<&'a Profile>,
    /// The flags.
    pub flags: &'a BackFlags,
}

/// Makes the run, prints the paths of its evidence, and says what came of it.
pub fn make(asked: &Asked<'_>, redactor: Arc<Redactor>, worker: Worker) -> super::Result {
    let real = asked.flags.execute;
    conduct(asked, real, redactor, worker, cutover::run)
}

/// Asks the person, listens to signals, and has `work` do it.
pub fn conduct(
    asked: &Asked<'_>,
    real: bool,
    redactor: Arc<Redactor>,
    worker: Worker,
    work: impl FnOnce(&Settings<'_>) -> Result<Ended, cutover::CutoverError>,
) -> super::Result {
    let Asked { verb, prepared, profile, flags } = *asked;
    let services = profile.map_or(&[][..], |profile| &profile.services);
    let endpoints = provision::endpoints(services, &flags.endpoints).map_err(Refusal)?;
    if real {
        // Asked before signals are listened to: Ctrl-C ends the question, and nothing has begun.
        if !flags.yes {
            confirm(verb, prepared.environment())?;
        }
        signals::outlive_hangup().map_err(Refusal::of)?;
    }
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let display = Arc::new(Display::new());
    let ended = work(&Settings {
        verb,
        prepared,
        profile,
        endpoints,
        started_by: None,
        evidence_dir: flags.evidence_dir.clone(),
        parent: flags::parent(),
        dry_run: !real,
        keep_daemons: true,
        results: None,
        abandon: flags.abandon.as_deref().map(RunId::from_text),
        fault: None,
        redactor,
        worker,
        cancel,
        watcher: display.clone(),
    });
    display.finish();
    tell(&ended.map_err(Refusal::of)?)
}

/// On a terminal the environment's name is typed. A pipeline has none, and says by its own means who may do this.
fn confirm(verb: &str, environment: &str) -> super::Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(());
    }
    let mut err = std::io::stderr().lock();
    write!(err, "{verb} of {environment}, for real. Type the environment's name to begin: ").ok();
    err.flush().ok();
    let mut typed = String::new();
    stdin.lock().read_line(&mut typed).map_err(Refusal::of)?;
    if typed.trim() == environment {
        return Ok(());
    }
    Err(Refusal(format!(
        "expected the name {environment}, and saw {:?}: nothing was begun; --yes does without",
        typed.trim()
    )))
}

/// The paths go to stdout, and what came of it to stderr. Both are in the evidence too: a terminal that was closed
/// makes nothing worse.
fn tell(ended: &Ended) -> super::Result {
    for written in &ended.written {
        print(&path_line(written)).ok();
    }
    match ended.code {
        exit::ERROR => Err(Refusal(ended.told.clone())),
        code => {
            writeln!(std::io::stderr().lock(), "{}", ended.told).ok();
            Ok(code)
        }
    }
}

fn path_line(written: &Written) -> String {
    let path = written.path.display();
    match &written.kept {
        None => format!("{path}\n"),
        Some(kept) => format!("{path}\n  (what it replaced is kept as {})\n", kept.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_step_that_may_take_no_time_is_refused() {
        for bad in ["0", "0s", "-1s", "5", "soon"] {
            assert!(step_timeout(bad).is_err(), "{bad}");
        }
        assert_eq!(step_timeout("90s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn a_flag_goes_before_the_runbooks_path() {
        let of = |flag: Option<PathBuf>| template(&flag, None, ROLLBACK_TEMPLATE, |_| None);
        assert_eq!(of(None), Path::new(ROLLBACK_TEMPLATE));
        assert_eq!(of(Some("x.env".into())), Path::new("x.env"));
    }
}
