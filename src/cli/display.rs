//! What a person sees while a run goes on: one plain line for each thing that ended, and on a terminal a moving
//! line with what is going on now. Goes to stderr, so that stdout holds results only. A stderr that is closed
//! ends nothing.

use crate::model::event::{Sink, StepStatus};
use crate::model::switch::{ChildRun, CommandEnded, Stage, SwitchMark};
use crate::model::{Event, GateId, Stamp, Verdict};
use crate::service::embedded::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shows events as they come.
pub struct Display {
    bar: Option<ProgressBar>,
    running: Mutex<BTreeSet<String>>,
    installing: Mutex<Vec<(Phase, f64)>>,
    rollback: Arc<Mutex<Rollback>>,
    gates: bool,
}

/// A rollback's limit, and when it is over, once it has begun.
#[derive(Default)]
struct Rollback {
    limit: Duration,
    over: Option<Instant>,
}

impl Rollback {
    /// What is left of its limit, while it goes on.
    fn left(&self) -> String {
        let Some(over) = self.over else { return String::new() };
        match over.checked_duration_since(Instant::now()) {
            Some(left) => format!("{:.0} s left  ", left.as_secs_f64()),
            None => "OVER THE LIMIT  ".to_owned(),
        }
    }
}

impl Display {
    /// A display on stderr: with a moving line where that is a terminal.
    pub fn new() -> Display {
        let rollback = Arc::new(Mutex::new(Rollback::default()));
        let shown = Arc::clone(&rollback);
        let left = move |_: &ProgressState, to: &mut dyn std::fmt::Write| {
            to.write_str(&shown.lock().unwrap_or_else(PoisonError::into_inner).left()).ok();
        };
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {left}{wide_msg}") {
                bar.set_style(style.with_key("left", left));
            }
            bar.set_message("starting services");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Display { bar, running: Mutex::default(), installing: Mutex::default(), rollback, gates: true }
    }

    /// A display that leaves the gates to a test runner's own lines.
    pub fn of_services() -> Display {
        let mut display = Display::new();
        display.gates = false;
        display
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Prints one line above the moving one.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn started(&self, gate: &GateId) {
        self.running(|running| running.insert(gate.to_string()));
    }

    fn ended(&self, gate: &GateId) {
        self.running(|running| running.remove(gate.as_str()));
    }

    /// What the moving line says.
    fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    fn stage_started(&self, stage: Stage, reason: &str) {
        if stage == Stage::Rollback {
            let mut rollback = self.rollback.lock().unwrap_or_else(PoisonError::into_inner);
            rollback.over = Instant::now().checked_add(rollback.limit);
        }
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        self.line(&format!("{stage}{}", visible(&reason)));
        self.message(stage.to_string());
    }

    fn stage_ended(&self, stage: Stage, verdict: Verdict, reason: &str, duration_ms: f64) {
        if stage == Stage::Rollback {
            self.rollback.lock().unwrap_or_else(PoisonError::into_inner).over = None;
        }
        // What was not reached is on record; here it would only stand in the way of what was.
        if verdict == Verdict::Skipped && (reason.is_empty() || reason.starts_with("not ")) {
            return;
        }
        let took =
            if verdict == Verdict::Skipped { String::new() } else { format!("  {:.2} s", duration_ms / 1e3) };
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        self.line(&format!("  {:<8} {stage}{took}{}", mark(verdict), visible(&reason)));
    }

    fn command_ended(&self, step: &CommandEnded) {
        let word = match step.status {
            StepStatus::Ok => "ok",
            StepStatus::SimulatedOk => "simulated",
            StepStatus::Failed => "FAILED",
        };
        let (number, name, seconds) = (step.number, &step.name, step.duration_ms / 1e3);
        let detail = if step.detail.is_empty() { String::new() } else { format!(": {}", step.detail) };
        self.line(&format!("  {word:<8} {number:>2} {name}  {seconds:.2} s{}", visible(&detail)));
        if step.status == StepStatus::Failed && !step.log.is_empty() {
            self.line(&format!("           its output is in {} of the run's folder", visible(&step.log)));
        }
    }

    fn running(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        if let Some(bar) = &self.bar {
            let names: Vec<_> = running.iter().map(String::as_str).collect();
            bar.set_message(names.join(", "));
        }
    }
}

impl Default for Display {
    fn default() -> Self {
        Display::new()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Sink for Display {
    fn event(&self, event: Event) {
        match event {
            Event::RunStarted(started) => {
                if let Some(switch) = &started.switch {
                    let mut rollback = self.rollback.lock().unwrap_or_else(PoisonError::into_inner);
                    rollback.limit =
                        Duration::try_from_secs_f64(switch.rollback.limit_ms / 1e3).unwrap_or_default();
                }
                self.line(&format!("run {}", started.run));
                if let Some(why) = &started.provisioner_why {
                    self.line(&format!("  {}: {}", started.provisioner, visible(why)));
                }
            }
            Event::Provenance(_) => {}
            Event::ServiceReady(ready) => {
                let product = ready.product.map(|product| format!("  {product}")).unwrap_or_default();
                let seconds = ready.took_ms / 1e3;
                self.line(&format!(
                    "  up       {}{product} at {}  {seconds:.2} s",
                    ready.service, ready.address
                ));
            }
            Event::ServiceFailed { service, reason, .. } => {
                self.line(&format!("  DOWN     {service}: {}", visible(&reason)));
            }
            Event::GateStarted { gate } => self.started(&gate),
            Event::StepStarted(_) => {}
            Event::StepEnded(step) if step.status == StepStatus::Failed && self.gates => {
                self.line(&format!("  step     {} failed: {}", step.name, visible(&step.detail)));
            }
            Event::AttemptEnded { gate, attempt, reason, .. } if self.gates => {
                self.line(&format!("  again    {gate} (attempt {attempt}: {})", visible(&reason)));
            }
            Event::StepEnded(_) | Event::AttemptEnded { .. } => {}
            Event::GateEnded(ended) => {
                self.ended(&ended.gate);
                if !self.gates {
                    return;
                }
                let seconds = ended.duration_ms / 1e3;
                let (word, gate) = (mark(ended.verdict), &ended.gate);
                let reason =
                    if ended.reason.is_empty() { String::new() } else { format!(": {}", ended.reason) };
                self.line(&format!("  {word:<8} {gate}  {seconds:.2} s{}", visible(&reason)));
            }
            Event::StageStarted { stage, reason } => self.stage_started(stage, &reason),
            Event::StageEnded { stage, verdict, reason, duration_ms } => {
                self.stage_ended(stage, verdict, &reason, duration_ms);
            }
            Event::CommandStarted(step) => {
                self.message(format!("{} {} {}", step.sequence, step.number, step.name))
            }
            Event::CommandEnded(step) => self.command_ended(&step),
            Event::ChildRun(child) => self.line(&child_line(&child)),
            Event::SwitchMarks { core_started, marks } => self.line(&marks_line(core_started, &marks)),
            Event::Warning { text } => self.line(&format!("warning: {}", visible(&text))),
            Event::Alarm { text } => self.line(&format!("ALARM: {}", visible(&text))),
            Event::WatchSampled(_) | Event::WatchEnded(_) | Event::Resumed(_) => {}
            Event::Interrupted { by } => self.line(&format!("interrupted by {by}: putting things in order")),
            Event::RunEnded { .. } => self.finish(),
        }
    }
}

/// The installation of the engines: a bar on a terminal, elsewhere a line for each part that is done.
impl Progress for Display {
    fn at(&self, phase: Phase, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        let share = if total == 0 { 0.0 } else { 100.0 * done as f64 / total as f64 };
        let mut parts = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|(other, _)| *other != phase);
        if done < total {
            parts.push((phase, share));
        }
        let parts: Vec<_> = parts.iter().map(|(phase, share)| format!("{phase} {share:.0}%")).collect();
        bar.set_message(format!("installing engines (once): {}", parts.join(", ")));
    }

    fn done(&self, phase: Phase, took: Duration) {
        self.line(&format!("  install  {phase}  {:.1} s", took.as_secs_f64()));
    }

    fn note(&self, text: &str) {
        self.line(&format!("  install  {}", visible(text)));
    }
}

/// The word at the head of a gate's line. What is not green is in capitals, so that it is seen without colour.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Skipped => "skipped",
        Verdict::Inconclusive => "NO DATA",
        Verdict::Error => "ERROR",
        Verdict::Failed => "FAILED",
    }
}

fn child_line(child: &ChildRun) -> String {
    format!("  run      {} {}: {}", child.verb, child.outcome, child.run)
}

/// Login, settlement and instruments, from the new core's start on.
fn marks_line(core_started: Stamp, marks: &[SwitchMark]) -> String {
    let since = |at: Stamp| at.millis().saturating_sub(core_started.millis()) as f64 / 1e3;
    let mark = |mark: &SwitchMark| match mark.at {
        Some(at) => format!("{} {:+.2} s", mark.name, since(at)),
        None => format!("{} NOT SEEN", mark.name),
    };
    format!("  marks    {}", marks.iter().map(mark).collect::<Vec<_>>().join(", "))
}

/// Untrusted text on one line, without control characters.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A line on stderr; a closed stderr is no reason to end a run.
fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}
