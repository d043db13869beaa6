//! A watch on one screen: each metric with what was counted of it, why the watch is not passed, and its verdict.

use super::layout::{Line, Style, WIDTH, columns, fit, pad, wrap};
use crate::evidence::text::visible;
use crate::model::Verdict;
use crate::model::watch::{MetricCounts, WatchPlan, WatchVerdict};

/// What came of a watch.
pub fn watch(plan: &WatchPlan, verdict: &WatchVerdict, colour: bool) -> String {
    let mut lines: Vec<Line> = vec![head(plan)];
    let names = verdict.metrics.iter().map(|counts| columns(&visible(&counts.name))).max().unwrap_or(0);
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
    lines.extend(wrap(&conclusion(plan, verdict), WIDTH, 2).into_iter().map(|text| Line::new(style, text)));
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
        Verdict::Failed => "FAILED",
    };
    let compressed = plan.planned_ms / plan.duration_ms;
    let compressed = match compressed > 1.001 {
        true => format!(", compressed {compressed:.1} times from {}", time(plan.planned_ms)),
        false => String::new(),
    };
    let (watched, lasts) = (time(verdict.watched_ms), time(plan.duration_ms));
    let back = if verdict.rollback.is_some() { ": a cutover rolls back here" } else { "" };
    format!("{word} watch, {watched} of {lasts}{compressed}{back}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_as_people_say_it() {
        let said = [250.0, 12_500.0, 60_000.0, 1_800_000.0].map(time);
        assert_eq!(said, ["250 ms", "12.5 s", "60 s", "30 min"]);
    }

    #[test]
    fn a_watch_is_told_on_one_screen_with_its_verdict_last() {
        let plan = WatchPlan {
            duration_ms: 10_000.0,
            planned_ms: 1_800_000.0,
            interval_ms: 1000.0,
            max_age_ms: 3000.0,
            trigger: "p99_ms > 50".to_owned(),
            monitor_keys: Vec::new(),
            sources: Vec::new(),
            metrics: Vec::new(),
        };
        let counts = MetricCounts {
            name: "p99_ms".to_owned(),
            successful: 4,
            failed: 1,
            inconclusive: 0,
            errors: 2,
            last: "70 ms".to_owned(),
        };
        let verdict = WatchVerdict {
            verdict: Verdict::Failed,
            reason: "trigger p99_ms > 50: p99_ms = 70 ms (> 50 ms); at 7.010 s (tick 7 of source core)"
                .to_owned(),
            rollback: Some("the same".to_owned()),
            watched_ms: 7011.5,
            metrics: vec![counts],
        };
        insta::assert_snapshot!(watch(&plan, &verdict, false), @r"
        watch  every 1 s, trigger p99_ms > 50
          p99_ms  4 good, 1 failed, 2 not measured; last 70 ms
          trigger p99_ms > 50: p99_ms = 70 ms (> 50 ms); at 7.010 s (tick 7 of source
          core)
        FAILED watch, 7 s of 10 s, compressed 180.0 times from 30 min: a cutover rolls
        back here
        ");
    }
}
