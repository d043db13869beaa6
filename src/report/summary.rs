//! A run on one screen: what a person sees when it has ended. As much as fits 80 columns and 24 lines is told; what
//! is not green comes before what is, and the verdict stands in the last line.

use super::layout::{Line, Style, WIDTH, columns, fit, pack, pad, wrap};
use super::switch;
use crate::evidence::text::visible;
use crate::evidence::{GateView, Outcome, Reason, RunVerdict, RunView, ServiceState, verdict};
use crate::model::{Observation, Reading, Verdict};
use std::path::Path;

/// A screen's lines but one, in which the shell asks for the next command.
pub(super) const HEIGHT: usize = 23;

/// The summary of a run whose evidence is in `folder`. Only that path may be wider than the screen: a path that is
/// cut can't be copied.
pub fn summary(run: &RunView<'_>, folder: &Path, colour: bool) -> String {
    let judged = verdict(run);
    if let Some(switch) = &run.switch {
        let lines = std::iter::once(header(run)).chain(switch::summary(run, switch, &judged, folder));
        return lines.map(|line| line.paint(colour) + "\n").collect();
    }
    let mut head = vec![header(run)];
    head.extend(why(run));
    let mut tail = services(run);
    tail.extend(rehearsed(run));
    tail.extend(run_reasons(&judged));
    tail.push(evidence(folder));
    tail.extend(conclusion(run, &judged));
    let room = HEIGHT.saturating_sub(tail.len() + head.len());
    let lines = head.into_iter().chain(gates(run, room)).chain(tail);
    lines.map(|line| line.paint(colour) + "\n").collect()
}

fn header(run: &RunView<'_>) -> Line {
    let started = run.started;
    let (verb, environment) = (visible(&started.verb), visible(&started.environment));
    let line = format!(
        "{verb}  {environment} ({})  {}",
        visible(&started.provisioner),
        visible(started.run.as_str())
    );
    Line::new(Style::Plain, fit(&line, WIDTH))
}

/// Why this provisioner, where nobody named it.
fn why(run: &RunView<'_>) -> Option<Line> {
    let why = run.started.provisioner_why.as_deref()?;
    let line = format!("{}: {}", visible(&run.started.provisioner), visible(why));
    Some(Line::new(Style::Plain, fit(&line, WIDTH)))
}

/// The cutover that was rehearsed; one that did not end as it must is among the reasons.
fn rehearsed(run: &RunView<'_>) -> Option<Line> {
    let (Verdict::Passed, _) = run.rehearsed? else { return None };
    let told = match &run.started.fault {
        None => "cutover: switched to the new core, watched it, and rolled back as a drill".to_owned(),
        Some(fault) => format!("cutover with the fault {}: ended as it deserves", visible(fault)),
    };
    Some(Line::new(Style::Good, format!("✓ {told}")))
}

/// How much is told of gates. The first that fits is taken.
#[derive(Clone, Copy)]
struct Telling {
    good: Good,
    /// Lines for each reason.
    reason: usize,
}

/// How gates are told that passed, or that a dry run simulated.
#[derive(Clone, Copy)]
enum Good {
    Line,
    Packed,
    Counted,
}

/// Why a gate is red matters more than the names of those that passed.
const TELLINGS: [Telling; 5] = [
    Telling { good: Good::Line, reason: 4 },
    Telling { good: Good::Packed, reason: 4 },
    Telling { good: Good::Counted, reason: 4 },
    Telling { good: Good::Counted, reason: 2 },
    Telling { good: Good::Counted, reason: 0 },
];

fn gates(run: &RunView<'_>, room: usize) -> Vec<Line> {
    let (good, mut bad): (Vec<_>, Vec<_>) = run.selected().partition(|gate| is_good(run, gate));
    bad.sort_by_key(|gate| std::cmp::Reverse(gate.verdict));
    // Never put more together than could fit: a run may have 100,000 gates.
    let could_fit = |telling: &Telling| {
        bad.len() <= room && (matches!(telling.good, Good::Counted) || good.len() <= 40 * room)
    };
    for telling in TELLINGS.iter().filter(|telling| could_fit(telling)) {
        let mut lines = told_good(run, &good, telling.good);
        lines.extend(bad.iter().flat_map(|gate| told_bad(gate, telling.reason)));
        if lines.len() <= room {
            return lines;
        }
    }
    let mut lines = told_good(run, &good, Good::Counted);
    let fits = room.saturating_sub(lines.len() + 1);
    lines.extend(bad.iter().take(fits).flat_map(|gate| told_bad(gate, 0)));
    let more = format!("  … and {} more that did not pass: see summary.json", bad.len().saturating_sub(fits));
    lines.push(Line::new(Style::Bad, more));
    lines
}

fn is_good(run: &RunView<'_>, gate: &GateView<'_>) -> bool {
    gate.verdict == Verdict::Passed || (run.started.dry_run && gate.verdict == Verdict::Skipped)
}

fn told_good(run: &RunView<'_>, gates: &[&GateView<'_>], telling: Good) -> Vec<Line> {
    let mark = if run.started.dry_run { '~' } else { '✓' };
    let style = if run.started.dry_run { Style::Doubtful } else { Style::Good };
    match telling {
        _ if gates.is_empty() => Vec::new(),
        Good::Line => {
            let names = gates.iter().map(|gate| gate.gate.case().len()).max().unwrap_or(0).min(40);
            gates.iter().map(|gate| Line::new(style, one_line(mark, gate, names))).collect()
        }
        Good::Packed => {
            let words: Vec<_> = gates.iter().map(|gate| format!("{mark} {}", gate.gate.id)).collect();
            pack(&words, WIDTH).into_iter().map(|line| Line::new(style, line)).collect()
        }
        Good::Counted => {
            let what = if run.started.dry_run { "simulated" } else { "passed" };
            vec![Line::new(style, format!("{mark} {} gates {what}", gates.len()))]
        }
    }
}

/// `✓ infra::kafka-topics  6 topics, 6 partitions  0.08 s`
fn one_line(mark: char, gate: &GateView<'_>, names: usize) -> String {
    let time = seconds(gate.duration_ms());
    let name = format!("{mark} {}", pad(&fit(&gate.gate.case(), names), names));
    let room = WIDTH.saturating_sub(columns(&name) + columns(&time) + 4);
    let seen = gate.ended.map_or(&[][..], |ended| &ended.observations);
    let seen = seen.iter().map(observed).collect::<Vec<_>>().join(", ");
    format!("{name}  {}  {time}", pad(&fit(&visible(&seen), room), room))
}

fn observed(seen: &Observation) -> String {
    let name = &seen.name;
    match &seen.reading {
        Reading::Number { value, unit } => {
            let (value, unit) = (rounded(*value), unit.name());
            match unit {
                "count" => format!("{value} {}", name.replace('_', " ")),
                "ratio" | "none" => format!("{name} {value}"),
                unit => format!("{} {value} {unit}", name.strip_suffix(&format!("_{unit}")).unwrap_or(name)),
            }
        }
        Reading::Text { value } => format!("{name} {value}"),
        Reading::Bool { value: true } => name.clone(),
        Reading::Bool { value: false } => format!("not {name}"),
        Reading::NoEvents => format!("no {name} yet"),
        Reading::Missing => format!("{name} missing"),
    }
}

/// At most three digits behind the point.
fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A gate that did not pass: what, and in at most so many lines why and where. With none, and where it was skipped
/// (what it needs is listed too), all of it takes one line.
fn told_bad(gate: &GateView<'_>, reason_lines: usize) -> Vec<Line> {
    let (mark, style) = match gate.verdict {
        Verdict::Failed => ('✗', Style::Bad),
        Verdict::Error => ('!', Style::Bad),
        Verdict::Inconclusive => ('?', Style::Bad),
        Verdict::Skipped | Verdict::Passed => ('-', Style::Doubtful),
    };
    let optional = if gate.gate.required { "" } else { " (not required)" };
    let reason = visible(&gate.reason);
    let title = format!("{mark} {}  {}{optional}", gate.gate.case(), gate.verdict);
    if gate.verdict == Verdict::Skipped || reason_lines == 0 {
        return vec![Line::new(style, fit(&format!("{title}: {reason}"), WIDTH))];
    }
    let tries = match gate.attempts() {
        0 | 1 => String::new(),
        attempts => format!(" after {attempts} attempts"),
    };
    let title = fit(&format!("{title}{tries}  {}", seconds(gate.duration_ms())), WIDTH);
    let at = format!("{}:{}", visible(&gate.gate.at.file), gate.gate.at.line);
    let why = with_place(&reason, &at, reason_lines).into_iter();
    let why = why.map(|line| Line::new(Style::Aside, format!("    {line}")));
    std::iter::once(Line::new(style, title)).chain(why).collect()
}

/// A reason and the place it speaks of: behind the reason where it fits, or in the last of the lines.
fn with_place(reason: &str, at: &str, most: usize) -> Vec<String> {
    let width = WIDTH - 4;
    let at = fit(at, width);
    let mut lines = wrap(reason, width, most);
    match lines.last_mut() {
        Some(last) if columns(last) + columns(&at) + 4 <= width => *last = format!("{last}  ({at})"),
        _ => {
            lines = wrap(reason, width, most.saturating_sub(1));
            lines.push(at);
        }
    }
    lines
}

/// Services that are not there, and those that are not what the real host runs.
fn services(run: &RunView<'_>) -> Vec<Line> {
    const MOST: usize = 6;
    let line = |(name, service): (&&str, &crate::evidence::ServiceView<'_>)| match service.state {
        ServiceState::Failed { reason, .. } => {
            let line = format!("! {} is not there: {}", visible(name), visible(reason));
            Some(Line::new(Style::Bad, fit(&line, WIDTH)))
        }
        ServiceState::Ready(ready) => {
            let differs = ready.differs.as_deref()?;
            let line =
                match (&ready.product, service.planned.and_then(|planned| planned.stands_for.as_deref())) {
                    (Some(product), Some(real)) => {
                        let (product, real) = (product.to_string(), visible(real));
                        format!("~ {}: {} stands for {real}", visible(name), visible(&product))
                    }
                    _ => format!("~ {}: {}", visible(name), visible(differs)),
                };
            Some(Line::new(Style::Doubtful, fit(&line, WIDTH)))
        }
        ServiceState::Unknown => None,
    };
    let mut lines: Vec<_> = run.services.iter().filter_map(line).collect();
    lines.sort_by_key(|line| line.style != Style::Bad);
    if lines.len() > MOST {
        let more = lines.len() - (MOST - 1);
        lines.truncate(MOST - 1);
        lines
            .push(Line::new(Style::Doubtful, format!("~ and {more} more services differ: see summary.json")));
    }
    lines
}

/// What stands against the run and is seen in no gate.
fn run_reasons(judged: &RunVerdict<'_>) -> Vec<Line> {
    let of_run =
        judged.reasons.iter().filter(|reason| !matches!(reason, Reason::Gate(_) | Reason::Interrupted(_)));
    of_run.map(|reason| Line::new(Style::Bad, fit(&format!("! {reason}"), WIDTH))).collect()
}

pub(super) fn evidence(folder: &Path) -> Line {
    let folder = folder.display().to_string();
    let line = format!("evidence  {}", visible(&folder));
    let files = "  (junit.xml, summary.json)";
    Line::new(Style::Plain, if columns(&line) + files.len() <= WIDTH { line + files } else { line })
}

/// The verdict, in one line, or two where it does not fit.
fn conclusion(run: &RunView<'_>, judged: &RunVerdict<'_>) -> Vec<Line> {
    let counts = run.counts();
    let (total, passed) = (counts.total(), counts.passed);
    let time = seconds(run.duration_ms());
    let left_out = left_out(run);
    let others = [
        (counts.failed, "failed"),
        (counts.error, "error"),
        (counts.inconclusive, "inconclusive"),
        (counts.skipped, "skipped"),
    ];
    let others: String = others
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    let (tally, until) = match &run.started.partition {
        None => (format!("{passed} of {total} gates passed{others}"), ""),
        Some(part) => {
            let shard = format!("shard {}/{}", part.index, part.total);
            let tally = match total {
                0 => format!("{shard}: no gate of the plan falls to it"),
                _ => format!("{shard}: {passed} of {total} gates passed{others}"),
            };
            (tally, " until `cutproof merge` makes one of all shards")
        }
    };
    let partial = if run.partial() { " (PARTIAL)" } else { "" };
    let (style, text) = match judged.verdict {
        Outcome::Passed if others.is_empty() => {
            (Style::Good, format!("PASSED {passed} of {total} gates in {time}"))
        }
        Outcome::Passed => {
            let others = others.trim_start_matches(", ");
            (Style::Good, format!("PASSED {passed} of {total} gates in {time} (not required: {others})"))
        }
        Outcome::Partial => {
            (Style::Doubtful, format!("PARTIAL {tally}{left_out}, in {time}: signs nothing off{until}"))
        }
        Outcome::Simulated => (
            Style::Doubtful,
            format!("DRY RUN{partial} {total} gates simulated: nothing was touched or measured"),
        ),
        Outcome::Failed if run.started.dry_run => (Style::Bad, format!("FAILED (DRY RUN){partial} {tally}")),
        Outcome::Failed => (Style::Bad, format!("FAILED{partial} {tally} in {time}")),
        Outcome::Interrupted => {
            let by = visible(run.interrupted.unwrap_or_default());
            (Style::Bad, format!("INTERRUPTED{partial} by {by} after {time}: {tally}"))
        }
        Outcome::Unfinished => (Style::Bad, format!("UNFINISHED{partial} after {time}: {tally}")),
    };
    wrap(&text, WIDTH, 3).into_iter().map(|line| Line::new(style, line)).collect()
}

/// Gates that a selection left out, or that a shard ran only because it needs them.
fn left_out(run: &RunView<'_>) -> String {
    match &run.started.partition {
        Some(part) if part.setup.is_empty() => String::new(),
        Some(part) => format!(", {} as set-up", part.setup.len()),
        None => format!(", {} not selected", run.gates.len() - run.selected().count()),
    }
}

pub(super) fn seconds(millis: f64) -> String {
    let seconds = millis / 1e3;
    if seconds < 1.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
