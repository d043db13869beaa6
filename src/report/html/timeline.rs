//! The cutover's and the rollback's timeline: a table whose rows hold a bar each, with the limit marked in all of them.

use super::parts::{cell, fold, marked, of_verdict, row, section, status, table};
use super::writer::Html;
use crate::model::switch::Sequence;
use crate::report::page::said::lasting_ms;
use crate::report::page::timeline::{Mark, Stage, Step, StepState, Switch, Timeline};

pub(super) fn write(html: &mut Html, switches: &[Switch]) {
    for (number, switch) in (1..).zip(switches) {
        section(html, &format!("timeline-{number}"), "Cutover and rollback", |html| {
            html.leaf("p", &[("class", "aside")], &switch.run);
            for (kind, note) in &switch.notes {
                html.element("p", &[("class", "caution")], |html| {
                    html.leaf("b", &[], kind);
                    html.text(": ");
                    html.text(note);
                });
            }
            stages(html, &switch.stages);
            switch.timelines.iter().for_each(|one| timeline(html, one));
            marks(html, &switch.marks);
        });
    }
}

fn stages(html: &mut Html, stages: &[Stage]) {
    table(html, "cards", "Stages", &["Result", "Stage", "Began", "Took", "Reason"], |html| {
        for stage in stages {
            let (mark, class) = of_verdict(stage.verdict);
            row(html, class, |html| {
                status(html, mark, stage.verdict.as_str());
                html.leaf("th", &[("scope", "row")], &stage.name);
                cell(html, "Began", &stage.began);
                cell(html, "Took", &stage.took);
                cell(html, "Reason", &stage.reason);
            });
        }
    });
}

fn timeline(html: &mut Html, timeline: &Timeline) {
    let (heading, caption) = match timeline.sequence {
        Sequence::Cutover => ("Cutover", "The cutover, step by step"),
        Sequence::Rollback => ("Rollback", "The rollback, step by step"),
    };
    html.leaf("h3", &[], heading);
    html.leaf("p", &[], &timeline.told);
    if !timeline.started_by.is_empty() {
        html.element("p", &[], |html| {
            html.text("Because: ");
            html.leaf("b", &[], &timeline.started_by);
        });
    }
    if let Some(limit) = timeline.limit_ms {
        let where_it_is = match limit <= timeline.spans_ms {
            true => "the dashed line in the bars",
            false => "far to the right of the bars",
        };
        let limit = lasting_ms(limit);
        html.leaf("p", &[("class", "aside")], format_args!("The limit of {limit} is {where_it_is}."));
    }
    fold(html, caption, timeline.steps.len(), |html| {
        let heads = ["Status", "Step", "Start", "Took", "Limit", "When", "Detail"];
        table(html, "cards steps", caption, &heads, |html| {
            for step in &timeline.steps {
                steps(html, timeline, step);
            }
        });
    });
}

fn steps(html: &mut Html, timeline: &Timeline, step: &Step) {
    let (mark, class) = match step.state {
        StepState::Done => ("✓", "good"),
        StepState::Simulated => ("~", "doubt"),
        StepState::NotRun => ("–", "doubt"),
        StepState::CutOff => ("!", "bad"),
        StepState::Failed => ("✗", "bad"),
    };
    row(html, class, |html| {
        let word = match step.exit_code {
            Some(code) if code != 0 => format!("{}, exit {code}", step.state.as_str()),
            _ => step.state.as_str().to_owned(),
        };
        status(html, mark, &word);
        html.element("th", &[("scope", "row")], |html| {
            html.text(format_args!("{}. ", step.number));
            html.text(&step.name);
        });
        cell(html, "Start", &step.began);
        cell(html, "Took", &step.took);
        cell(html, "Limit", &step.limit);
        html.element("td", &[("class", "when"), ("aria-hidden", "true")], |html| bar(html, timeline, step));
        cell(html, "Detail", &step.detail);
    });
}

/// When a step ran, and the limit. Lengths are parts of the whole, so that it is as wide as its cell.
fn bar(html: &mut Html, timeline: &Timeline, step: &Step) {
    let part = |ms: f64| (100.0 * ms / timeline.spans_ms).clamp(0.0, 100.0);
    let percent = |part: f64| format!("{part:.2}%");
    html.element("svg", &[("class", "bar")], |html| {
        if let Some((start, took)) = step.bar {
            let from = part(start).min(99.2);
            let width = part(took).min(100.0 - from).max(0.8);
            let class = match step.state {
                StepState::Failed | StepState::CutOff => "broken",
                _ => "ran",
            };
            let (x, width) = (percent(from), percent(width));
            let place = [("x", &*x), ("y", "3"), ("width", &*width), ("height", "10"), ("class", class)];
            html.element("rect", &place, |_| {});
        }
        if let Some(limit) = timeline.limit_ms.filter(|limit| *limit <= timeline.spans_ms) {
            let x = percent(part(limit));
            let line = [("x1", &*x), ("x2", &*x), ("y1", "0"), ("y2", "16"), ("class", "limit")];
            html.element("line", &line, |_| {});
        }
    });
}

fn marks(html: &mut Html, marks: &[Mark]) {
    if marks.is_empty() {
        return;
    }
    html.leaf("h3", &[], "The new core");
    html.element("ul", &[], |html| {
        for mark in marks {
            let (sign, class) = if mark.good { ("✓", "good") } else { ("✗", "bad") };
            html.element("li", &[("class", class)], |html| {
                marked(html, sign, if mark.good { "" } else { "failed: " });
                html.leaf("b", &[], &mark.name);
                html.text(" ");
                html.text(&mark.seen);
            });
        }
    });
}
