//! A cutover or a rollback on one screen: a line a stage, the step that failed with the end of its output, what
//! happened next, what to do now. Whoever reads it may have been woken by it.

use super::layout::{Line, Style, WIDTH, columns, fit, pad, wrap};
use super::summary::{HEIGHT, evidence, seconds};
use crate::evidence::text::visible;
use crate::evidence::{
    Claim, CommandView, Outcome, Reason, RunVerdict, RunView, SequenceView, ServiceState, StageView,
    SwitchView,
};
use crate::model::Verdict;
use crate::model::switch::{ChildGate, Stage};
use std::path::Path;

/// The lines behind the header. Paths may be wider than the screen, since one that is cut can't be copied.
pub(super) fn summary(
    run: &RunView<'_>,
    switch: &SwitchView<'_>,
    judged: &RunVerdict<'_>,
    folder: &Path,
) -> Vec<Line> {
    let mut lines = stages(run, switch);
    let mut tail = told(run, switch, judged);
    tail.push(evidence(folder));
    tail.extend(conclusion(run, switch, judged));
    tail.extend(advice(run, switch));
    let room = HEIGHT.saturating_sub(1 + lines.len() + tail.len());
    lines.extend(details(switch, folder, room));
    lines.extend(tail);
    lines
}

fn stages(run: &RunView<'_>, switch: &SwitchView<'_>) -> Vec<Line> {
    let of_rollback = |stage| matches!(stage, Stage::Preflight | Stage::Rollback | Stage::RollbackReadiness);
    let planned = switch.stages.iter();
    let planned = planned.filter(|stage| switch.plan.cutover.is_some() || of_rollback(stage.stage));
    planned.map(|stage| stage_line(run, switch, stage)).collect()
}

/// `✓ switch_gate         login +0.4 s, settlement +0.8 s, instruments +1.2 s   1.20 s`
fn stage_line(run: &RunView<'_>, switch: &SwitchView<'_>, stage: &StageView<'_>) -> Line {
    let dry = run.started.dry_run && stage.verdict <= Verdict::Skipped;
    let (mark, style) = match stage.verdict {
        _ if dry && stage.began.is_some() => ('~', Style::Doubtful),
        Verdict::Passed => ('✓', Style::Good),
        Verdict::Skipped => ('-', Style::Doubtful),
        Verdict::Inconclusive => ('?', Style::Bad),
        Verdict::Error => ('!', Style::Bad),
        Verdict::Failed => ('✗', Style::Bad),
    };
    let name = format!("{mark} {}", pad(stage.stage.as_str(), NAMES));
    let time = if stage.began.is_some() { seconds(stage.duration_ms) } else { String::new() };
    let room = WIDTH.saturating_sub(columns(&name) + columns(&time) + 4);
    let text = pad(&fit(&visible(&stage_text(run, switch, stage)), room), room);
    Line::new(style, format!("{name}  {text}  {time}").trim_end().to_owned())
}

/// As wide as the longest name of a stage.
const NAMES: usize = "rollback_readiness".len();

fn stage_text(run: &RunView<'_>, switch: &SwitchView<'_>, stage: &StageView<'_>) -> String {
    if stage.began.is_none() {
        let reason = stage.reason.as_ref();
        return if reason.starts_with("not run") { reason.to_owned() } else { format!("not run: {reason}") };
    }
    match stage.stage {
        Stage::Cutover => steps_text(&switch.cutover, stage),
        Stage::Rollback => {
            format!("{}, in {}", steps_text(&switch.rollback, stage), took(switch))
        }
        _ if stage.verdict != Verdict::Passed => format!("{}: {}", stage.verdict, stage.reason),
        Stage::SwitchGate => marks_text(switch),
        Stage::Watch => watch_text(run, switch),
        Stage::Preflight | Stage::Readiness | Stage::RollbackReadiness => gates_text(switch, stage.stage),
    }
}

fn steps_text(sequence: &SequenceView<'_>, stage: &StageView<'_>) -> String {
    let (done, all) = (sequence.done(), sequence.steps.len());
    match sequence.broken() {
        Some(step) if step.ended.is_some() => {
            format!("step {} of {all} failed: {}", step.planned.number, step.planned.name)
        }
        Some(step) => format!("step {} of {all} has no end: {}", step.planned.number, step.planned.name),
        None if stage.verdict > Verdict::Skipped && done == all => {
            format!("{done} of {all} steps, {}: {}", stage.verdict, stage.reason)
        }
        None => format!("{done} of {all} steps"),
    }
}

fn marks_text(switch: &SwitchView<'_>) -> String {
    let Some((started, marks)) = switch.marks else { return String::new() };
    let after = |mark: &crate::model::switch::SwitchMark| {
        let after = mark.at?.millis().saturating_sub(started.millis());
        Some(format!("{} +{:.1}", mark.name, after as f64 / 1e3))
    };
    marks.iter().filter_map(after).collect::<Vec<_>>().join(", ") + " s"
}

fn watch_text(run: &RunView<'_>, switch: &SwitchView<'_>) -> String {
    let watched = switch.watch.map_or(0.0, |watch| watch.watched_ms);
    let text = format!("{} watched, {} samples", seconds(watched), switch.samples);
    match run.started.watch.as_deref().map(|plan| plan.planned_ms / plan.duration_ms) {
        Some(by) if by > 1.001 => format!("{text}; compressed {by:.0} times"),
        _ => text,
    }
}

fn gates_text(switch: &SwitchView<'_>, stage: Stage) -> String {
    let gates = switch.child(stage).map_or(&[][..], |child| &child.gates);
    let passed = gates.iter().filter(|gate| gate.verdict == Verdict::Passed).count();
    format!("{passed} of {} gates passed", gates.len())
}

/// What is red, in at most so many lines: steps with command and output, then gates.
fn details(switch: &SwitchView<'_>, folder: &Path, room: usize) -> Vec<Line> {
    let broken: Vec<_> = [&switch.cutover, &switch.rollback]
        .into_iter()
        .filter_map(|sequence| Some((sequence, sequence.broken()?)))
        .collect();
    let gates = red_gates(switch);
    let for_gates = gates.len().min(4).min(room / 2);
    let each = (room - for_gates) / broken.len().max(1);
    let mut lines: Vec<_> =
        broken.into_iter().flat_map(|(sequence, step)| step_lines(sequence, step, folder, each)).collect();
    let left = room - lines.len();
    lines.extend(gates.into_iter().take(left).map(gate_line));
    lines
}

/// The step, its command, as much of its output's end as there is room for, and where all of it is.
fn step_lines(sequence: &SequenceView<'_>, step: &CommandView<'_>, folder: &Path, room: usize) -> Vec<Line> {
    let planned = step.planned;
    let how = step.ended.map_or("has no end".to_owned(), |ended| format!("exit code {}", ended.exit_code));
    let title = format!(
        "✗ {} step {} {}  {how} after {}",
        sequence.sequence,
        planned.number,
        visible(&planned.name),
        seconds(step.duration_ms)
    );
    let mut lines = vec![Line::new(Style::Bad, fit(&title, WIDTH))];
    let aside = |text: String| Line::new(Style::Aside, format!("    {}", fit(&text, WIDTH - 4)));
    lines.push(aside(format!("$ {}", visible(&planned.command))));
    let detail = step
        .ended
        .map_or("it still runs, or was cut off: nobody knows what it did", |ended| ended.detail.as_str());
    lines.extend(
        Some(detail).filter(|detail| !detail.is_empty()).map(|detail| aside(visible(detail).into_owned())),
    );
    let log = step.ended.map_or("", |ended| &ended.log);
    let log = (!log.is_empty()).then(|| folder.join(log).display().to_string());
    let log = log.map(|log| Line::new(Style::Aside, format!("    log  {}", visible(&log))));
    let excerpt = step.ended.map_or("", |ended| ended.excerpt.trim_end());
    let output: Vec<_> = excerpt.lines().filter(|line| !line.trim().is_empty()).collect();
    let fits = room.saturating_sub(lines.len() + usize::from(log.is_some())).min(6);
    let last = output[output.len().saturating_sub(fits)..].iter();
    lines.extend(last.map(|line| aside(format!("| {}", visible(line.trim_end())))));
    lines.truncate(room.saturating_sub(usize::from(log.is_some())));
    lines.extend(log);
    lines.truncate(room);
    lines
}

fn red_gates<'a>(switch: &SwitchView<'a>) -> Vec<&'a ChildGate> {
    let runs = switch.children.iter().filter(|child| child.stage.is_some());
    let gates = runs.flat_map(|child| &child.gates);
    gates.filter(|gate| gate.required && gate.verdict > Verdict::Skipped).collect()
}

fn gate_line(gate: &ChildGate) -> Line {
    let text = format!("✗ {}  {}: {}", visible(&gate.case), gate.verdict, visible(&gate.reason));
    Line::new(Style::Bad, fit(&text, WIDTH))
}

/// Alarms, warnings, what it was started by and how it went on, and what stands against the run and is seen nowhere
/// else.
fn told(run: &RunView<'_>, switch: &SwitchView<'_>, judged: &RunVerdict<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |style, text: String| lines.push(Line::new(style, fit(&text, WIDTH)));
    let stage = switch.stage(Stage::Rollback);
    if stage.began.is_some() && !stage.started_by.is_empty() {
        add(Style::Aside, format!("rolled back because: {}", visible(stage.started_by)));
    }
    for (name, service) in &run.services {
        if let ServiceState::Failed { reason, .. } = service.state {
            add(Style::Bad, format!("! {} is not there: {}", visible(name), visible(reason)));
        }
    }
    for alarm in switch.alarms.iter().rev().take(1) {
        add(Style::Bad, format!("! {}", visible(alarm)));
    }
    if let Some(resumed) = switch.resumed.last() {
        let text = format!("resumed with --{} at {}", visible(&resumed.choice), visible(&resumed.next));
        add(Style::Doubtful, format!("~ {text}, {} in all", times(switch.resumed.len())));
    }
    for warning in switch.warnings.iter().take(2) {
        add(Style::Doubtful, format!("~ {}", visible(warning)));
    }
    if switch.warnings.len() > 2 {
        add(Style::Doubtful, format!("~ and {} more warnings: see summary.json", switch.warnings.len() - 2));
    }
    let hidden = judged.reasons.iter().filter(|reason| {
        matches!(reason, Reason::NoEnd(_) | Reason::EndedAs(_) | Reason::NoGates | Reason::Gate(_))
    });
    for reason in hidden.take(2) {
        add(Style::Bad, format!("! {}", visible(&reason.to_string())));
    }
    lines
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The verdict in one line, or two where it does not fit.
fn conclusion(run: &RunView<'_>, switch: &SwitchView<'_>, judged: &RunVerdict<'_>) -> Vec<Line> {
    let alone = switch.plan.cutover.is_none();
    let what = if alone { "ROLLBACK" } else { "CUTOVER" };
    let time = seconds(run.duration_ms());
    let next = next(switch);
    let steps = if alone { &switch.rollback } else { &switch.cutover };
    let steps = format!("{} of {} steps", steps.done(), steps.steps.len());
    let (style, text) = match judged.verdict {
        Outcome::Passed | Outcome::Partial if switch.plan.force_rollback => {
            (Style::Good, format!("{what} PASSED {steps}, and the drill too: {next}"))
        }
        Outcome::Passed | Outcome::Partial => (Style::Good, format!("{what} PASSED {steps} in {time}")),
        Outcome::Simulated => {
            (Style::Doubtful, format!("DRY RUN {steps} simulated: nothing was touched or measured"))
        }
        Outcome::Failed => {
            let at = failed_at(run, switch);
            (Style::Bad, format!("{what} FAILED at {} after {time}: {next}", visible(&at)))
        }
        Outcome::Interrupted => {
            let by = visible(run.interrupted.unwrap_or_default()).into_owned();
            (Style::Bad, format!("{what} INTERRUPTED by {by} after {time}: {next}"))
        }
        Outcome::Unfinished => (Style::Bad, format!("{what} UNFINISHED after {time}: {steps}; {next}")),
    };
    wrap(&text, WIDTH, 2).into_iter().map(|line| Line::new(style, line)).collect()
}

/// `43.0 s of 180 s`
fn took(switch: &SwitchView<'_>) -> String {
    let limit = switch.plan.rollback.limit_ms / 1e3;
    format!("{} of {limit} s", seconds(switch.rollback.duration_ms as f64))
}

/// What happened after the cutover.
fn next(switch: &SwitchView<'_>) -> String {
    let (rollback, took) = (&switch.rollback, took(switch));
    let late = rollback.duration_ms as f64 > switch.plan.rollback.limit_ms;
    match (rollback.began.is_some(), rollback.is_complete()) {
        (false, _) if switch.cutover.began.is_none() => "nothing was touched".to_owned(),
        (false, _) => "not rolled back".to_owned(),
        (true, true) if late => format!("rolled back TOO LATE, in {took}"),
        (true, true) => format!("rolled back in {took}"),
        (true, false) => {
            let (done, all) = (rollback.done(), rollback.steps.len());
            format!("NOT ROLLED BACK: {done} of {all} steps in {took}")
        }
    }
}

/// Where it failed: as FAILED_STEP has it, or on the restored core.
fn failed_at(run: &RunView<'_>, switch: &SwitchView<'_>) -> String {
    let of_cutover = switch.plan.cutover.as_ref().map(|_| Claim::of_cutover(run, switch).failed);
    let claims = of_cutover.into_iter().chain([Claim::of_rollback(run, switch).failed]);
    let mut named = claims.filter(|failed| !failed.is_empty());
    named.next().unwrap_or_else(|| Stage::RollbackReadiness.as_str().to_owned())
}

/// What a person can do now, where something is left to do.
fn advice(run: &RunView<'_>, switch: &SwitchView<'_>) -> Option<Line> {
    let touched = switch.cutover.began.is_some() || switch.rollback.began.is_some();
    if run.started.dry_run || !touched || switch.rollback.is_complete() {
        return None;
    }
    let good =
        switch.cutover.is_complete() && switch.stages.iter().all(|stage| stage.verdict <= Verdict::Skipped);
    let text = match run.ended {
        None => format!("next  cutproof status {}", visible(run.started.run.as_str())),
        Some(_) if good => return None,
        Some(_) => "next  look at the log, then `cutproof rollback --execute`".to_owned(),
    };
    Some(Line::new(Style::Plain, fit(&text, WIDTH)))
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
