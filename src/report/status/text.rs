//! A status for people: what the run is doing comes first, what to do comes last.

use super::{
    AttemptStatus, GateStatus, MetricStatus, Progress, RollbackTime, State, Status, StepStanding, WatchStatus,
};
use crate::evidence::text::visible;
use crate::model::switch::{Sequence, Stage};
use crate::model::{Reading, Stamp};
use crate::report::layout::{Line, Style, WIDTH, fit, pad, wrap};

/// As wide as the longest name of a step.
const NAME: usize = 30;

/// Where a run stands, as lines. `name` is what the person calls it: an id or a folder.
pub fn text(status: &Status, name: &str, colour: bool) -> String {
    let mut lines = vec![header(status), standing(status)];
    lines.extend(told(Style::Bad, "", &status.reasons));
    lines.extend(status.stages.iter().flat_map(|stage| stage_lines(status, stage.stage, &stage.progress)));
    lines.extend(gates(&status.gates));
    if status.stages.is_empty() {
        lines.extend(status.watch.iter().flat_map(watch_lines));
    }
    if let Some(by) = &status.interrupted {
        lines.push(Line::new(Style::Bad, format!("interrupted by {}", visible(by))));
    }
    for resumed in &status.resumed {
        let text = format!("went on after it was killed: --{} from {}", resumed.choice, resumed.next);
        lines.push(Line::new(Style::Doubtful, visible(&text).into_owned()));
    }
    lines.extend(told(Style::Bad, "ALARM: ", &status.alarms));
    lines.extend(told(Style::Doubtful, "warning: ", &status.warnings));
    let resumable = matches!(status.verb.as_str(), "cutover" | "rollback") && !status.dry_run;
    if status.state == State::Killed && resumable {
        let advice = format!("see what it left, and choose: cutproof cutover --resume {}", visible(name));
        lines.push(Line::new(Style::Plain, advice));
    }
    lines.into_iter().map(|line| line.paint(colour) + "\n").collect()
}

/// What a run is doing at this moment, in one line.
pub fn now_line(status: &Status) -> String {
    let step = status.steps.iter().find(|step| running(&step.progress).is_some());
    let stage = status.stages.iter().find(|stage| running(&stage.progress).is_some());
    let what = match (step, stage) {
        (Some(step), _) => format!("{} {} {}", step.sequence, visible(&step.name), step_progress(step)),
        (None, Some(stage)) => format!("{} {}", stage.stage, progress(&stage.progress)),
        (None, None) => {
            let gates = status.gates.iter().filter(|gate| running(&gate.progress).is_some());
            let names: Vec<_> = gates.map(|gate| gate.id.to_string()).collect();
            if names.is_empty() { standing(status).text } else { format!("RUNNING {}", names.join(", ")) }
        }
    };
    let watch = status.watch.as_ref().filter(|watch| watch.verdict.is_none()).map(|watch| {
        let metrics: Vec<_> = watch.metrics.iter().map(|metric| format!("; {}", brief(metric))).collect();
        metrics.concat()
    });
    let in_rollback = stage.is_some_and(|stage| stage.stage == Stage::Rollback);
    let time = status.rollback.filter(|_| in_rollback).map(|time| format!("; {}", time_left(&time)));
    what + &watch.unwrap_or_default() + &time.unwrap_or_default()
}

fn header(status: &Status) -> Line {
    let Status { verb, environment, run, host, dry_run, .. } = status;
    let dry = if *dry_run { " (dry run)" } else { "" };
    let line = format!("{verb}{dry}  {environment}  {run} on {host}");
    Line::new(Style::Plain, visible(&line).into_owned())
}

/// The state in one line.
fn standing(status: &Status) -> Line {
    let (last, elapsed) = (status.last_entry.to_seconds(), span(status.elapsed_ms));
    match (status.state, status.outcome) {
        (State::Running, _) => Line::new(Style::Plain, format!("RUNNING for {elapsed}; last entry {last}")),
        (State::Ended, Some(outcome)) => {
            let style = if outcome.is_fine() { Style::Good } else { Style::Bad };
            Line::new(style, format!("ENDED {outcome} after {elapsed}, at {last}"))
        }
        (State::Ended, None) => Line::new(Style::Bad, format!("ENDED after {elapsed}, at {last}")),
        (State::Killed, _) => Line::new(
            Style::Bad,
            format!("KILLED: it has no end, and its process is gone; last entry {last}, after {elapsed}"),
        ),
        (State::Unknown, _) => Line::new(
            Style::Bad,
            format!("NO END, and whether it still runs can't be told here; last entry {last}"),
        ),
    }
}

fn told(style: Style, what: &str, texts: &[String]) -> Vec<Line> {
    const MOST: usize = 10;
    let mut lines: Vec<_> = texts
        .iter()
        .take(MOST)
        .flat_map(|text| wrap(&format!("{what}{}", visible(text)), WIDTH, 4))
        .map(|line| Line::new(style, line))
        .collect();
    if texts.len() > MOST {
        lines.push(Line::new(style, format!("{what}… and {} more", texts.len() - MOST)));
    }
    lines
}

fn stage_lines(status: &Status, stage: Stage, how: &Progress) -> Vec<Line> {
    let mut title = format!("{} {}", pad(stage.as_str(), 18), progress(how));
    if let (Stage::Rollback, Some(time)) = (stage, &status.rollback) {
        title = format!("{title}; {}", time_left(time));
    }
    let mut lines = vec![Line::new(style(how), title)];
    lines.extend(reason(how, 2));
    match (stage, &status.watch) {
        (Stage::Cutover, _) => lines.extend(steps(status, Sequence::Cutover)),
        (Stage::Rollback, _) => lines.extend(steps(status, Sequence::Rollback)),
        (Stage::Watch, Some(watch)) => lines.extend(watch_lines(watch)),
        _ => {}
    }
    lines
}

/// The steps of a sequence, once one of them has begun.
fn steps(status: &Status, sequence: Sequence) -> Vec<Line> {
    let steps: Vec<_> = status.steps.iter().filter(|step| step.sequence == sequence).collect();
    if steps.iter().all(|step| step.progress == Progress::NotBegun) {
        return Vec::new();
    }
    let line = |step: &&StepStanding| {
        let name = pad(&visible(&step.name), NAME);
        let line = format!("  {:>2} {name}  {}", step.number, step_progress(step));
        let mut lines = vec![Line::new(style(&step.progress), line)];
        lines.extend(reason(&step.progress, 5));
        lines
    };
    steps.iter().flat_map(line).collect()
}

fn step_progress(step: &StepStanding) -> String {
    match (&step.progress, step.exit_code) {
        (Progress::Running { for_ms }, _) => {
            format!("RUNNING for {}, of at most {}", span(*for_ms), span(step.timeout_ms))
        }
        (Progress::Ended { good: false, duration_ms, .. }, Some(code)) => {
            format!("FAILED with exit code {code} after {}", span(*duration_ms))
        }
        (how, _) => progress(how),
    }
}

fn time_left(time: &RollbackTime) -> String {
    let limit = span(time.limit_ms);
    if time.left_ms >= 0.0 {
        format!("{} left of {limit}", span(time.left_ms))
    } else {
        format!("OVER its limit of {limit} by {}", span(-time.left_ms))
    }
}

fn watch_lines(watch: &WatchStatus) -> Vec<Line> {
    let (so_far, all) = (span(watch.watched_ms), span(watch.duration_ms));
    let title = format!("  watched {so_far} of {all}, {} samples", watch.samples);
    let metric = |metric: &MetricStatus| {
        let value = metric.value.as_deref().unwrap_or("no value yet");
        let age = metric.age_ms.map(|age| format!("  {} ago", span(age))).unwrap_or_default();
        let error =
            metric.error.as_deref().map(|why| format!("  ERROR {}", visible(why))).unwrap_or_default();
        let style = if error.is_empty() { Style::Plain } else { Style::Bad };
        let name = pad(&visible(&metric.name), NAME);
        Line::new(style, fit(&format!("     {name}  {}{age}{error}", visible(value)), WIDTH))
    };
    let title = std::iter::once(Line::new(Style::Plain, title));
    title.chain(watch.metrics.iter().map(metric)).collect()
}

fn brief(metric: &MetricStatus) -> String {
    let value = match (&metric.error, &metric.value) {
        (Some(_), _) => "ERROR",
        (None, Some(value)) => value,
        (None, None) => "no value yet",
    };
    format!("{} {}", visible(&metric.name), visible(value))
}

/// Gates that run and those that are not good have a line; the others are counted.
fn gates(gates: &[GateStatus]) -> Vec<Line> {
    const MOST: usize = 40;
    if gates.is_empty() {
        return Vec::new();
    }
    let good = |gate: &&GateStatus| matches!(gate.progress, Progress::Ended { good: true, .. });
    let waits = |gate: &&GateStatus| gate.progress == Progress::NotBegun;
    let (passed, waiting) = (gates.iter().filter(good).count(), gates.iter().filter(waits).count());
    let title = format!("{passed} of {} gates passed, {waiting} not begun", gates.len());
    let mut lines = vec![Line::new(Style::Plain, title)];
    let plain = |gate: &&GateStatus| (good(gate) && gate.attempts.is_empty()) || waits(gate);
    let shown: Vec<_> = gates.iter().filter(|gate| !plain(gate)).collect();
    for gate in shown.iter().take(MOST) {
        let optional = if gate.required { "" } else { " (not required)" };
        let line = format!(
            "  {}  {}{optional}{}{}",
            pad(gate.id.as_str(), NAME),
            progress(&gate.progress),
            of_attempts(gate),
            of_step(gate)
        );
        let style = if good(gate) { Style::Doubtful } else { style(&gate.progress) };
        lines.push(Line::new(style, fit(&line, 2 * WIDTH)));
        lines.extend(attempts(gate));
        lines.extend(reason(&gate.progress, 4));
    }
    if shown.len() > MOST {
        lines.push(Line::new(Style::Bad, format!("  … and {} more", shown.len() - MOST)));
    }
    lines
}

/// At which attempt it is, or ended, where it was tried again.
fn of_attempts(gate: &GateStatus) -> String {
    match gate.attempts.len() {
        0 => String::new(),
        before => format!(", attempt {}", before + 1),
    }
}

/// The last attempts after which it was tried again.
fn attempts(gate: &GateStatus) -> Vec<Line> {
    const MOST: usize = 3;
    let before = gate.attempts.len().saturating_sub(MOST);
    let earlier =
        (before > 0).then(|| Line::new(Style::Aside, format!("    {before} attempts before these")));
    let told = gate.attempts[before..].iter().map(|attempt| {
        let AttemptStatus { number, verdict, reason, duration_ms } = attempt;
        let line = format!("    attempt {number} {verdict}  {}  {}", span(*duration_ms), visible(reason));
        Line::new(Style::Aside, fit(&line, 2 * WIDTH))
    });
    earlier.into_iter().chain(told).collect()
}

fn of_step(gate: &GateStatus) -> String {
    match (&gate.progress, &gate.step) {
        (Progress::Ended { .. }, _) | (_, None) => String::new(),
        (_, Some((name, Some(status)))) => format!(", step {} {}", visible(name), status.as_str()),
        (_, Some((name, None))) => format!(", in step {}", visible(name)),
    }
}

fn progress(how: &Progress) -> String {
    match how {
        Progress::NotBegun => "-".to_owned(),
        Progress::Running { for_ms } => format!("RUNNING for {}", span(*for_ms)),
        Progress::CutOff { since } => format!("CUT OFF: began {} and has no end", since.to_seconds()),
        Progress::Ended { result: "skipped", .. } => "not run".to_owned(),
        Progress::Ended { result, good: true, duration_ms, .. } => {
            format!("{result}  {}", span(*duration_ms))
        }
        Progress::Ended { result, duration_ms, .. } => {
            format!("{}  {}", result.to_uppercase(), span(*duration_ms))
        }
    }
}

fn reason(how: &Progress, indent: usize) -> Vec<Line> {
    let Progress::Ended { reason, .. } = how else { return Vec::new() };
    let lines = wrap(&visible(reason), WIDTH - indent, 3).into_iter();
    lines.map(|line| Line::new(Style::Aside, format!("{:indent$}{line}", ""))).collect()
}

fn running(how: &Progress) -> Option<f64> {
    match how {
        Progress::Running { for_ms } => Some(*for_ms),
        Progress::NotBegun | Progress::CutOff { .. } | Progress::Ended { .. } => None,
    }
}

fn style(how: &Progress) -> Style {
    match how {
        Progress::NotBegun => Style::Aside,
        Progress::Running { .. } => Style::Plain,
        Progress::CutOff { .. } | Progress::Ended { good: false, .. } => Style::Bad,
        Progress::Ended { result: "skipped" | "simulated_ok", .. } => Style::Doubtful,
        Progress::Ended { .. } => Style::Good,
    }
}

/// A value, as people read it.
pub(super) fn reading(reading: &Reading) -> String {
    match reading {
        Reading::Number { value, unit } => {
            let text = format!("{value:.3}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            if unit.is_written() { format!("{text} {}", unit.name()) } else { text.to_owned() }
        }
        Reading::Text { value } => value.clone(),
        Reading::Bool { value } => value.to_string(),
        Reading::NoEvents => "no events yet".to_owned(),
        Reading::Missing => "missing".to_owned(),
    }
}

/// A duration in milliseconds, as people read it: `0.42 s`, `68 s`, `12 min 4 s`, `3 h 12 min`.
pub(super) fn span(millis: f64) -> String {
    let seconds = millis.max(0.0) / 1e3;
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 1.0 => format!("{seconds:.2} s"),
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        0..120 => format!("{whole} s"),
        120..7200 => match (whole / 60, whole % 60) {
            (minutes, 0) => format!("{minutes} min"),
            (minutes, seconds) => format!("{minutes} min {seconds} s"),
        },
        _ => match (whole / 3600, whole / 60 % 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        },
    }
}

/// The time of the day in UTC, before a line of what happened.
pub(super) fn time(at: Stamp) -> String {
    at.to_seconds().chars().skip(11).collect()
}
