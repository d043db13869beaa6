//! The gate matrix and the waivers.

use super::parts::{cell, fold, row, section, status, table};
use super::writer::Html;
use crate::report::page::Page;
use crate::report::page::gates::{Gate, Gates, Waiver, state};
use crate::verify::decision::{GateStatus, WaiverState};

const HEADS: [&str; 6] = ["Status", "Gate", "Required", "Threshold", "Observed", "Age"];

pub(super) fn write(html: &mut Html, page: &Page) {
    section(html, "gates", "Gates", |html| {
        counts(html, &page.gates);
        let Gates { notable, passed, .. } = &page.gates;
        if !notable.is_empty() {
            let caption = format!("Gates to look at ({})", notable.len());
            fold(html, &caption, notable.len(), |html| matrix(html, &caption, notable));
        }
        if !passed.is_empty() {
            let caption = format!("Gates that passed ({})", passed.len());
            fold(html, &caption, passed.len(), |html| matrix(html, &caption, passed));
        }
    });
    if !page.waivers.is_empty() {
        section(html, "waivers", "Waivers", |html| page.waivers.iter().for_each(|one| waiver(html, one)));
    }
}

fn counts(html: &mut Html, gates: &Gates) {
    if gates.counts.is_empty() {
        html.leaf("p", &[("class", "caution")], "No gate: that proves nothing.");
        return;
    }
    html.element("ul", &[("class", "counts")], |html| {
        for (status, count) in &gates.counts {
            let (mark, class) = look(*status);
            html.element("li", &[("class", class)], |html| {
                html.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], mark);
                html.leaf("b", &[], count);
                html.text(" ");
                html.text(status.as_str());
            });
        }
    });
}

fn matrix(html: &mut Html, caption: &str, gates: &[Gate]) {
    table(html, "cards gates", caption, &HEADS, |html| {
        for gate in gates {
            let (mark, class) = look(gate.status);
            row(html, &format!("gate {class}"), |html| cells(html, mark, gate));
        }
    });
}

fn cells(html: &mut Html, mark: &str, gate: &Gate) {
    status(html, mark, gate.status.as_str());
    html.element("th", &[("scope", "row")], |html| {
        html.text(&gate.case);
        if !gate.at.is_empty() {
            html.leaf("div", &[("class", "aside")], &gate.at);
        }
    });
    cell(html, "Required", &gate.required);
    cell(html, "Threshold", &gate.threshold);
    html.element("td", &[("data-label", "Observed")], |html| {
        html.text(&gate.observed);
        if let Some(attempts) = gate.attempts {
            html.leaf("div", &[("class", "aside")], format_args!("{attempts} attempts"));
        }
        for attempt in &gate.before {
            html.leaf("div", &[("class", "aside")], attempt);
        }
        if !gate.reason.is_empty() && gate.reason != gate.observed {
            html.leaf("div", &[("class", "why")], &gate.reason);
        }
    });
    cell(html, "Age", &gate.age);
}

/// A status as a mark, each with its own, and as a class.
fn look(status: GateStatus) -> (&'static str, &'static str) {
    match status {
        GateStatus::Passed => ("✓", "good"),
        GateStatus::PassedOnRetry => ("↻", "doubt"),
        GateStatus::Unexpected => ("≠", "doubt"),
        GateStatus::Waived => ("△", "doubt"),
        GateStatus::NotRun => ("–", "doubt"),
        GateStatus::Blocked => ("⊘", "doubt"),
        GateStatus::Missing => ("∅", "bad"),
        GateStatus::Stale => ("⌛", "bad"),
        GateStatus::Inconclusive => ("?", "bad"),
        GateStatus::Error => ("!", "bad"),
        GateStatus::Failed => ("✗", "bad"),
    }
}

fn waiver(html: &mut Html, waiver: &Waiver) {
    let (mark, class) = match waiver.state {
        WaiverState::Used => ("△", "waiver doubt"),
        WaiverState::Unused => ("–", "waiver"),
        WaiverState::Expired | WaiverState::OtherBound => ("✗", "waiver bad"),
    };
    html.element("article", &[("class", class)], |html| {
        html.element("h3", &[], |html| {
            html.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], mark);
            html.text(&waiver.gate);
        });
        html.element("p", &[], |html| {
            html.leaf("b", &[], state(waiver.state));
            html.text(". Waived by ");
            html.leaf("b", &[], &waiver.approver);
            html.text(" until ");
            html.leaf("b", &[], &waiver.expires);
            html.text(", for ");
            html.text(&waiver.bound);
            html.text(". Because: ");
            html.text(&waiver.reason);
        });
        html.element("p", &[("class", "result")], |html| {
            html.text("The gate itself says: ");
            html.leaf("b", &[], &waiver.result);
        });
    });
}
