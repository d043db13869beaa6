//! The evidence of a cutover and of its rollback, in the keys that the runbook's tools rely on. The journal so far is
//! enough for both files: while the run is at work, and after it was killed, they read as an unfinished run.

use super::Document;
use super::against::{self, CUT_OFF, Seconds, limit_ms};
use super::claim::Claim;
use super::env::Env;
use super::inits::write_origin;
use super::listing::{Listing, Step};
use super::switch::{CommandView, SequenceView, StageView, SwitchView};
use super::view::RunView;
use crate::model::Stamp;
use crate::model::event::StepStatus;
use crate::model::switch::{CutoverPlan, Stage};
use crate::model::watch::WatchVerdict;

/// The cutover's file.
pub const CUTOVER_FILE: &str = "ctp_cutover_result.env";
/// The rollback's file.
pub const ROLLBACK_FILE: &str = "ctp_rollback_result.env";

/// The exit code of a step that has no end: what ends the run ends the step.
const ENDED_WITH_THE_RUN: i32 = 130;

/// The files of a cutover, or of a rollback on its own, which has none of a cutover; none of any other run.
pub fn documents(run: &RunView<'_>) -> Vec<Document> {
    let Some(switch) = &run.switch else { return Vec::new() };
    let document =
        |name: &str, env: Env| Document { name: name.to_owned(), bytes: env.to_string().into_bytes() };
    let plan = switch.plan.cutover.as_ref();
    let cutover = plan.map(|plan| document(CUTOVER_FILE, cutover(run, switch, plan)));
    cutover.into_iter().chain([document(ROLLBACK_FILE, rollback(run, switch))]).collect()
}

fn cutover(run: &RunView<'_>, switch: &SwitchView<'_>, plan: &CutoverPlan) -> Env<'static> {
    let claim = Claim::of_cutover(run, switch);
    let listing = listing(&switch.cutover);
    let times = Times::of(run, &switch.cutover, switch.rollback.began);
    let mut env = Env::new();
    let mut set = |name: &str, value: &dyn std::fmt::Display| env.set(format!("CUTOVER_{name}"), value);
    set("ENV", &plan.environment);
    set("WINDOW_LOCAL", &plan.window);
    set("CTP_CONFIG_PATH", &plan.config_path);
    set("DRY_RUN", &u8::from(run.started.dry_run));
    set("SUCCESS", &claim.success());
    set("TOTAL_STEPS", &listing.steps.len());
    set("FAILED_STEP", &claim.failed);
    set("MONITOR_MINUTES", &plan.monitor_minutes);
    set("MONITOR_KEYS", &plan.monitor_keys);
    set("TRIGGERED_ROLLBACK", &switch.triggered());
    set("STARTED_UTC", &times.started.to_seconds());
    set("COMPLETED_UTC", &times.completed());
    set("DURATION_SECONDS", &Seconds(times.duration_ms));
    listing.write_steps(&mut env);
    write_run(&mut env, run, "ctp_cutover", &claim.reason);
    env.set("CUTOVER_WINDOW_MET", plan.window_met);
    write_interruptions(&mut env, run, switch, "CUTOVER");
    for stage in [Stage::Preflight, Stage::Cutover, Stage::SwitchGate, Stage::Readiness, Stage::Watch] {
        write_stage(&mut env, switch.stage(stage), "CUTOVER");
    }
    write_watch(&mut env, run, switch);
    write_told(&mut env, "CUTOVER_WARNING", &switch.warnings);
    listing.write_details(&mut env);
    write_logs(&mut env, &switch.cutover, listing.steps.len());
    env
}

fn rollback(run: &RunView<'_>, switch: &SwitchView<'_>) -> Env<'static> {
    let plan = &switch.plan.rollback;
    let (triggered, finished) = (switch.triggered(), run.ended.is_some());
    let claim = Claim::of_rollback(run, switch);
    let listing = listing(&switch.rollback);
    let times = Times::of(run, &switch.rollback, None);
    let duration_ms = if triggered { times.duration_ms } else { 0 };
    let mut env = Env::new();
    let mut set = |name: &str, value: &dyn std::fmt::Display| env.set(format!("ROLLBACK_{name}"), value);
    set("ENV", &plan.environment);
    set("TRIGGER_CONDITION", &plan.trigger);
    set("DRY_RUN", &u8::from(run.started.dry_run));
    set("TRIGGERED", &triggered);
    set("SUCCESS", &claim.success());
    set("TOTAL_STEPS", &listing.steps.len());
    set("FAILED_STEP", &claim.failed);
    set("MAX_SECONDS", &Seconds(limit_ms(switch)));
    set("DURATION_SECONDS", &Seconds(duration_ms));
    // What has no end has met nothing.
    set("SLO_MET", &(finished && duration_ms <= limit_ms(switch)));
    set("STARTED_UTC", &if triggered { times.started.to_seconds() } else { String::new() });
    set("COMPLETED_UTC", &if triggered { times.completed() } else { String::new() });
    listing.write_steps(&mut env);
    write_run(&mut env, run, "ctp_rollback", &claim.reason);
    let stage = switch.stage(Stage::Rollback);
    env.set("ROLLBACK_STARTED_BY", stage.started_by);
    env.set("ROLLBACK_DRILL", triggered && against::is_drill(run, switch));
    write_interruptions(&mut env, run, switch, "ROLLBACK");
    if switch.plan.cutover.is_none() {
        write_stage(&mut env, switch.stage(Stage::Preflight), "ROLLBACK");
    }
    write_stage(&mut env, stage, "ROLLBACK");
    let restored = switch.stage(Stage::RollbackReadiness);
    env.set("ROLLBACK_READINESS_VERDICT", restored.verdict);
    env.set("ROLLBACK_READINESS_REASON", &restored.reason);
    write_told(&mut env, "ROLLBACK_ALARM", &switch.alarms);
    listing.write_details(&mut env);
    write_logs(&mut env, &switch.rollback, listing.steps.len());
    env
}

/// The steps up to the first that was not done.
fn listing(sequence: &SequenceView<'_>) -> Listing {
    let mut listing = Listing::default();
    for step in sequence.steps.iter().take_while(|step| step.began.is_some()) {
        if !listing.push(listed(step)) {
            break;
        }
    }
    listing
}

fn listed(step: &CommandView<'_>) -> Step {
    let again = match step.runs {
        0 | 1 => String::new(),
        runs => format!(" (begun {runs} times)"),
    };
    let (status, exit_code, detail) = match step.ended {
        Some(ended) => (ended.status, ended.exit_code, ended.detail.as_str()),
        None => (StepStatus::Failed, ENDED_WITH_THE_RUN, CUT_OFF),
    };
    Step {
        name: step.planned.name.clone(),
        status,
        duration_ms: step.duration_ms,
        exit_code: Some(exit_code),
        command: step.planned.command.clone(),
        detail: format!("{detail}{again}").trim_start().to_owned(),
    }
}

/// When a sequence was made. One of which no step began lasts as long as its run: it was tried, and went no further.
struct Times {
    started: Stamp,
    ended: Option<Stamp>,
    duration_ms: u64,
}

impl Times {
    /// `next` is when something began that only begins behind it.
    fn of(run: &RunView<'_>, sequence: &SequenceView<'_>, next: Option<Stamp>) -> Times {
        let run_ended = run.ended.map(|end| end.at);
        match sequence.began {
            Some(started) => {
                let ended = run_ended.and(sequence.ended);
                Times { started, ended, duration_ms: sequence.duration_ms }
            }
            None => {
                let started = run.started.started;
                let until = next.or(run_ended).unwrap_or(run.last).max(started);
                let duration_ms = super::switch::between(started, until);
                Times { started, ended: run_ended.map(|_| until), duration_ms }
            }
        }
    }

    /// Empty in a run that has no end.
    fn completed(&self) -> String {
        self.ended.map(Stamp::to_seconds).unwrap_or_default()
    }
}

fn write_run(env: &mut Env, run: &RunView<'_>, projection: &str, reason: &str) {
    write_origin(env, run, projection, reason);
    env.set("CUTPROOF_HOST", &run.started.host);
    env.set("CUTPROOF_VERB", &run.started.verb);
}

fn write_interruptions(env: &mut Env, run: &RunView<'_>, switch: &SwitchView<'_>, prefix: &str) {
    env.set(format!("{prefix}_INTERRUPTED"), run.interrupted.is_some());
    if let Some(by) = run.interrupted {
        env.set(format!("{prefix}_INTERRUPTED_BY"), by);
    }
    env.set(format!("{prefix}_RESUMED"), !switch.resumed.is_empty());
    for (n, resumed) in (1..).zip(&switch.resumed) {
        let unknown = resumed.unknown.as_ref().map(|step| format!("; not known: {step}")).unwrap_or_default();
        let told = format_args!("{} from {} on {}{unknown}", resumed.choice, resumed.next, resumed.host);
        env.set(format!("{prefix}_RESUMED_{n}"), told);
    }
}

fn write_stage(env: &mut Env, stage: &StageView<'_>, prefix: &str) {
    let key = format!("{prefix}_STAGE_{}", stage.stage.as_str().to_ascii_uppercase());
    env.set(&key, stage.verdict);
    if !stage.reason.is_empty() {
        env.set(format!("{key}_REASON"), &stage.reason);
    }
}

/// The watch's verdict, how much of the template's time was watched, and how often each metric was what.
fn write_watch(env: &mut Env, run: &RunView<'_>, switch: &SwitchView<'_>) {
    let watch = switch.watch;
    env.set("CUTOVER_WATCH_VERDICT", switch.stage(Stage::Watch).verdict);
    env.set("CUTOVER_WATCH_SAMPLES", switch.samples);
    if let Some(plan) = &run.started.watch {
        let by = plan.planned_ms / plan.duration_ms;
        env.set("CUTOVER_WATCH_COMPRESSED_BY", format_args!("{:.3}", if by.is_finite() { by } else { 0.0 }));
        env.set("CUTOVER_WATCH_PLANNED_SECONDS", format_args!("{:.3}", plan.planned_ms / 1e3));
    }
    let Some(WatchVerdict { reason, rollback, watched_ms, metrics, .. }) = watch else { return };
    env.set("CUTOVER_WATCH_SECONDS", format_args!("{:.3}", watched_ms / 1e3));
    env.set("CUTOVER_WATCH_REASON", reason);
    env.set("CUTOVER_WATCH_TRIGGERED_BY", rollback.as_deref().unwrap_or_default());
    for (n, metric) in (1..).zip(metrics) {
        let mut set =
            |name: &str, value: &dyn std::fmt::Display| env.set(format!("CUTOVER_WATCH_{n}_{name}"), value);
        set("METRIC", &metric.name);
        set("SUCCESSFUL", &metric.successful);
        set("FAILED", &metric.failed);
        set("INCONCLUSIVE", &metric.inconclusive);
        set("ERRORS", &metric.errors);
        set("LAST", &metric.last);
    }
}

fn write_told(env: &mut Env, key: &str, told: &[&str]) {
    env.set(format!("{key}S"), told.len());
    for (n, text) in (1..).zip(told) {
        env.set(format!("{key}_{n}"), text);
    }
}

/// Where all of a step's output is.
fn write_logs(env: &mut Env, sequence: &SequenceView<'_>, listed: usize) {
    for step in sequence.steps.iter().take(listed) {
        let log = step.ended.map_or("", |ended| &ended.log);
        if !log.is_empty() {
            env.set(format!("STEP_{}_LOG", step.planned.number), log);
        }
    }
}
