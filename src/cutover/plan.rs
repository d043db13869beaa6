//! From templates, a profile and flags to what will be done: the plan that the journal keeps, and beside it what only
//! memory holds, as commands may hold secrets. It reads no file and asks no clock.

use super::templates::{Read, Templates};
use super::watched;
use crate::model::event::FileDigest;
use crate::model::redact::Redactor;
use crate::model::switch::{CutoverPlan, RollbackPlan, Sequence, SwitchPlan, SwitchStep};
use crate::model::time::millis;
use crate::model::watch::WatchPlan;
use crate::model::{CUTOVER_STEP_KEYS, CUTOVER_STEPS, Position, ROLLBACK_STEP_KEYS, ROLLBACK_STEPS, Stamp};
use crate::profile::Profile;
use crate::profile::switch::{Ready, StepSettings};
use crate::template::{Cutover, Rollback, Template, Window};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a step may take where nobody says otherwise.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a window without an end is open.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// What was asked for.
pub struct Request<'a> {
    /// The templates.
    pub templates: &'a Templates,
    /// The profile, where there is one.
    pub profile: Option<&'a Profile>,
    /// How long a step of the cutover may take that the profile's `[[step]]` does not time. Steps of the rollback have
    /// the rollback's limit: a restore that is killed half way is worse than a late one.
    pub step_timeout: Option<Duration>,
    /// The way back is taken also after a good cutover.
    pub force_rollback: bool,
    /// SIGINT and SIGTERM roll back.
    pub rollback_on_interrupt: bool,
    /// Where the cutover's evidence goes, where that is not where the template says.
    pub cutover_output: Option<PathBuf>,
    /// Where the rollback's evidence goes, where that is not where the template says.
    pub rollback_output: Option<PathBuf>,
    /// How long the watch lasts, where it is compressed: in a rehearsal.
    pub watch: Option<Duration>,
    /// Now.
    pub now: Stamp,
    /// Masks secrets in commands.
    pub redactor: &'a Redactor,
}

/// What will be done.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// As the journal keeps it.
    pub plan: SwitchPlan,
    /// The watch, where a profile has one and this is no rollback on its own.
    pub watch: Option<WatchPlan>,
    /// The ten steps; none where only the rollback is asked for.
    pub cutover: Vec<Work>,
    /// The seven.
    pub rollback: Vec<Work>,
    /// Worth knowing, and stops nothing.
    pub warnings: Vec<String>,
}

/// A step with what only memory holds of it.
#[derive(Debug, Clone)]
pub struct Work {
    /// The step as the journal has it.
    pub step: SwitchStep,
    /// Its command line as it was given.
    pub line: String,
    /// By what a background step is ready.
    pub ready: Option<Ready>,
}

/// Why there is no plan: expected and seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Resolves what was asked for.
///
/// # Errors
/// Templates of two environments, a step's time of zero, or a profile that can't watch what the templates ask for.
pub fn prepare(request: &Request<'_>) -> Result<Prepared, PlanError> {
    let (cutover, rollback) = (request.templates.cutover.as_ref(), &request.templates.rollback);
    if let Some(cutover) = cutover {
        one_environment(cutover, rollback)?;
    }
    if request.step_timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(PlanError("expected a step timeout above zero, and saw 0".to_owned()));
    }
    let mut warnings = request.templates.warnings();
    let watch = match cutover {
        Some(cutover) => watched::plan(request, &cutover.says, &rollback.says, &mut warnings)?,
        None => None,
    };
    let there = cutover.map_or_else(Vec::new, |cutover| cutover_steps(request, cutover));
    let back = rollback_steps(request, rollback);
    let steps = |all: &[Work]| all.iter().map(|work| work.step.clone()).collect();
    let plan = SwitchPlan {
        cutover: cutover.map(|cutover| cutover_plan(request, cutover, steps(&there))),
        rollback: rollback_plan(request, rollback, steps(&back)),
        profile: request.profile.is_some(),
        force_rollback: request.force_rollback,
        rollback_on_interrupt: request.rollback_on_interrupt,
        signoff: None,
    };
    Ok(Prepared { plan, watch, cutover: there, rollback: back, warnings })
}

/// A rollback of another environment would be the wrong one.
fn one_environment(cutover: &Read<Cutover>, rollback: &Read<Rollback>) -> Result<(), PlanError> {
    let (there, back) = (&cutover.says.env_name, &rollback.says.env_name);
    if there.text == back.text {
        return Ok(());
    }
    Err(PlanError(format!(
        "expected both templates to name one environment, and {}:{} has CUTOVER_ENV_NAME={} and {}:{} has \
         ROLLBACK_ENV_NAME={}",
        cutover.file.path, there.line, there.text, rollback.file.path, back.line, back.text
    )))
}

fn cutover_steps(request: &Request<'_>, cutover: &Read<Cutover>) -> Vec<Work> {
    let of_profile = request.profile.and_then(|profile| profile.cutover.as_ref());
    let default = request.step_timeout.or(of_profile.map(|settings| settings.step_timeout));
    let keys = CUTOVER_STEPS.iter().zip(CUTOVER_STEP_KEYS);
    steps(request, keys, &cutover.says.template, &cutover.file, default.unwrap_or(STEP_TIMEOUT))
}

fn rollback_steps(request: &Request<'_>, rollback: &Read<Rollback>) -> Vec<Work> {
    let keys = ROLLBACK_STEPS.iter().zip(ROLLBACK_STEP_KEYS);
    steps(request, keys, &rollback.says.template, &rollback.file, rollback.says.limit.duration)
}

fn steps<'k>(
    request: &Request<'_>,
    keys: impl Iterator<Item = (&'k &'static str, &'static str)>,
    template: &Template,
    file: &FileDigest,
    timeout: Duration,
) -> Vec<Work> {
    let settings = |name: &str| -> Option<&StepSettings> {
        request.profile.and_then(|profile| profile.steps.iter().find(|step| step.name == name))
    };
    // A template without the key was refused when it was read.
    let given = keys.filter_map(|(name, key)| Some((*name, template.get(key)?)));
    let work = |(number, (name, setting)): (u32, (&'static str, &crate::template::Setting))| {
        let own = settings(name);
        let ready = own.and_then(|own| own.ready.clone());
        let step = SwitchStep {
            number,
            name: name.to_owned(),
            command: request.redactor.text(&setting.text).into_owned(),
            timeout_ms: millis(own.and_then(|own| own.timeout).unwrap_or(timeout)),
            background: own.is_some_and(|own| own.background),
            ready: ready.as_ref().map(|ready| ready.condition.text().to_owned()),
            at: Position { file: file.path.clone(), line: setting.line, column: 1 },
        };
        Work { step, line: setting.text.clone(), ready }
    };
    (1..).zip(given).map(work).collect()
}

fn cutover_plan(request: &Request<'_>, cutover: &Read<Cutover>, steps: Vec<SwitchStep>) -> CutoverPlan {
    let says = &cutover.says;
    let (window_start, window_end) = (stamp(says.window.start), says.window.end.map(stamp));
    CutoverPlan {
        template: cutover.file.clone(),
        environment: says.env_name.text.clone(),
        window: says.window.text.clone(),
        window_start,
        window_end,
        window_met: is_open(&says.window, request.now),
        config_path: says.ctp_config_path.text.clone(),
        monitor_minutes: says.monitor.text.clone(),
        monitor_keys: says.monitor_keys_text.text.clone(),
        steps,
        output: output(request.cutover_output.as_deref(), &says.evidence_output.text),
    }
}

fn rollback_plan(request: &Request<'_>, rollback: &Read<Rollback>, steps: Vec<SwitchStep>) -> RollbackPlan {
    let says = &rollback.says;
    RollbackPlan {
        template: rollback.file.clone(),
        environment: says.env_name.text.clone(),
        trigger: says.trigger_condition.text.clone(),
        max_seconds: says.limit.text.clone(),
        limit_ms: millis(says.limit.duration),
        steps,
        output: output(request.rollback_output.as_deref(), &says.evidence_output.text),
    }
}

fn output(flag: Option<&Path>, template: &str) -> String {
    flag.map_or_else(|| template.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn stamp(moment: jiff::Timestamp) -> Stamp {
    Stamp::from_millis(moment.as_millisecond())
}

/// Whether a moment is in the window; one without an end is open for a day.
fn is_open(window: &Window, now: Stamp) -> bool {
    let start = stamp(window.start);
    let end = window.end.map_or_else(|| start.plus(WINDOW), stamp);
    start <= now && now <= end
}

impl Prepared {
    /// The environment's name.
    pub fn environment(&self) -> &str {
        &self.plan.rollback.environment
    }

    /// The steps of a sequence.
    pub fn steps(&self, sequence: Sequence) -> &[Work] {
        match sequence {
            Sequence::Cutover => &self.cutover,
            Sequence::Rollback => &self.rollback,
        }
    }
}
