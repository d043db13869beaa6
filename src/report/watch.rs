//! A watch on one screen: each metric with what was counted of it, why the watch is not passed, and its verdict.

use super::layout::{Line, Style, WIDTH, columns, fit, pad, wrap};
use crate::evidence::text::visible;
use crate::model::Verdict;
use crate::model::watch::{MetricCounts, WatchPlan, WatchVerdict};

/// What came of a watch.
pub fn watch(plan: &WatchPlan, verdict: &WatchVerdict, colour: bool) -> String {
    let mut lines: Vec<Line> = vec![head(plan)];
    let names = plan.metrics.iter().map(|metric| columns(&visible(&metric.name))).max().unwrap_or(0);
    let names = names.min(WIDTH / 2);
    lines.extend(verdict.metrics.iter().map(|counts| {
        let expect = plan.metrics.iter().find(|metric| metric.name == counts.name);
        line(counts, names, expect.and_then(|metric| metric.expect.as_deref()))
    }));
    let style = match verdict.verdict {
        Verdict::Passed => Style::Good,
        Verdict::Inconclusive | Verdict::Skipped => Style::Doubtful,
        Verdict::Error | Verdict::Failed => Style::Bad,
    };
    let reason = wrap(&visible(&verdict.reason), WIDTH - 2, 12);
    lines.extend(reason.into_iter().map(|text| Line::new(style, format!("  {text}"))));
    lines.push(Line::new(style, conclusion(plan, verdict)));
    lines.iter().map(|line| line.paint(colour) + "\n").collect()
}

fn head(plan: &WatchPlan) -> Line {
    let trigger = match plan.trigger.as_str() {
        "" => "no trigger".to_owned(),
        trigger => format!("trigger {}", visible(trigger)),
    };
    Line::new(Style::Plain, fit(&format!("watch  every {}, {trigger}", time(plan.interval_ms)), WIDTH))
}

fn line(counts: &MetricCounts, names: usize, expect: Option<&str>) -> Line {
    let MetricCounts { successful, failed, inconclusive, errors, .. } = counts;
    let others = [(failed, "failed"), (inconclusive, "without data"), (errors, "not measured")];
    let others: String = others
        .iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    let style = if others.is_empty() { Style::Plain } else { Style::Doubtful };
    let expect = expect.map(|expect| format!("  ({})", visible(expect))).unwrap_or_default();
    let name = pad(&fit(&visible(&counts.name), names), names);
    let last = if counts.last.is_empty() { "-".into() } else { visible(&counts.last) };
    Line::new(style, fit(&format!("  {name}  {successful} good{others}; last {last}{expect}"), WIDTH))
}

fn conclusion(plan: &WatchPlan, verdict: &WatchVerdict) -> String {
    let word = match verdict.verdict {
        Verdict::Passed => "PASSED",
        Verdict::Skipped => "SKIPPED",
        Verdict::Inconclusive => "NO DATA",
        Verdict::Error => "ERROR",
        Verdict::Failed if verdict.rollback.is_some() => "FAILED, and the trigger is to roll back:",
        Verdict::Failed => "FAILED",
    };
    let compressed = plan.planned_ms / plan.duration_ms;
    let compressed = match compressed > 1.001 {
        true => format!(", compressed {compressed:.1} times from {}", time(plan.planned_ms)),
        false => String::new(),
    };
    let (watched, lasts) = (time(verdict.watched_ms), time(plan.duration_ms));
    format!("{word} watch of {} metrics, {watched} of {lasts}{compressed}", plan.metrics.len())
}

/// Milliseconds as people say them: `200 ms`, `12.5 s`, `30 min`.
fn time(ms: f64) -> String {
    let tidy = |value: f64, unit| {
        let text = format!("{value:.1}");
        format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
    };
    match ms {
        ms if ms < 1e3 => tidy(ms, "ms"),
        ms if ms < 120e3 => tidy(ms / 1e3, "s"),
        ms => tidy(ms / 60e3, "min"),
    }
}
