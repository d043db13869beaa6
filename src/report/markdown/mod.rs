//! The report as Markdown, for a step's summary on GitHub or a ticket: it says what the HTML page says, but for the
//! drawings, and it stays below GitHub's 1 MiB.

mod sections;
mod writer;

use super::page::Page;
use super::page::banner::{Banner, Fact};
use super::page::gates::{Gate, Gates, Waiver, state};
use super::page::next::Advice;
use super::page::said;
use super::page::said::{PATH, many};
use crate::verify::bundle::Bundle;
use crate::verify::decision::Judgement;
use writer::{Cell, Markdown};

/// What a list may take, in bytes. All of them together, and what is told besides, are less than 1 MiB.
mod room {
    pub const NOTABLE: usize = 300_000;
    pub const PASSED: usize = 150_000;
    pub const WAIVERS: usize = 60_000;
    pub const SWITCHES: usize = 100_000;
    pub const WATCHES: usize = 60_000;
    /// Of each of the three groups.
    pub const FAILURES: usize = 30_000;
    pub const FINDINGS: usize = 60_000;
    pub const SERVICES: usize = 30_000;
    pub const RUNS: usize = 30_000;
    pub const SIGNATURES: usize = 15_000;
    pub const JOURNALS: usize = 15_000;
}

/// The Markdown of a judgement; `bundles` are those that it was made of, in any order.
pub fn markdown(judgement: &Judgement, bundles: &[&Bundle]) -> String {
    let page = Page::of(judgement, bundles);
    let mut markdown = Markdown::default();
    banner(&mut markdown, &page.banner);
    next(&mut markdown, &page.next);
    gates(&mut markdown, &page.gates);
    waivers(&mut markdown, &page.waivers);
    sections::switches(&mut markdown, &page.switches);
    sections::watches(&mut markdown, &page.watches);
    sections::failures(&mut markdown, &page.failures);
    sections::services(&mut markdown, &page.services);
    sections::runs(&mut markdown, &page.runs);
    sections::findings(&mut markdown, &page.findings);
    sections::integrity(&mut markdown, &page.integrity);
    markdown.finish()
}

/// Lines that were printed, below a heading.
pub(super) fn printed(heading: &str, lines: impl IntoIterator<Item = String>) -> String {
    let mut markdown = Markdown::default();
    markdown.heading(1, heading);
    let lines: Vec<_> = lines.into_iter().map(|line| said(line, PATH)).collect();
    markdown.block("", lines.iter());
    markdown.finish()
}

fn banner(markdown: &mut Markdown, banner: &Banner) {
    markdown.heading(1, banner.decision.as_str());
    markdown.paragraph(&banner.why);
    for caution in &banner.cautions {
        markdown.mark("**");
        markdown.own(caution);
        markdown.mark("**\n\n");
    }
    facts(markdown, &banner.facts);
}

fn facts(markdown: &mut Markdown, facts: &[Fact]) {
    for fact in facts {
        markdown.mark("- ");
        markdown.own(fact.name);
        markdown.mark(":");
        for (place, said) in fact.said.iter().enumerate() {
            markdown.mark(if place == 0 { " " } else { ", " });
            markdown.said(said);
        }
        if !fact.remark.is_empty() {
            markdown.mark(if fact.said.is_empty() { " " } else { ", " });
            markdown.own(&fact.remark);
        }
        markdown.mark("\n");
    }
}

fn next(markdown: &mut Markdown, advice: &[Advice]) {
    markdown.heading(2, "What to do next");
    for advice in advice {
        markdown.mark("1. ");
        markdown.own(&advice.what);
        markdown.mark("\n");
        for about in &advice.about {
            markdown.mark("   - ");
            markdown.said(about);
            markdown.mark("\n");
        }
    }
}

fn gates(markdown: &mut Markdown, gates: &Gates) {
    markdown.heading(2, "Gates");
    if gates.counts.is_empty() {
        markdown.paragraph("No gate: that proves nothing.");
    }
    let counts: Vec<_> =
        gates.counts.iter().map(|(status, count)| format!("{count} {}", status.as_str())).collect();
    markdown.paragraph(&counts.join(", "));
    let lists = [
        ("Gates to look at", &gates.notable, room::NOTABLE),
        ("Gates that passed", &gates.passed, room::PASSED),
    ];
    for (name, list, room) in lists.into_iter().filter(|(_, list, _)| !list.is_empty()) {
        markdown.paragraph(&format!("{name} ({}):", many(list.len(), "gate")));
        markdown.head(&["Status", "Gate", "Required", "Threshold", "Observed", "Age", "Reason", "At"]);
        markdown.list(room, list, gate);
    }
}

fn gate(markdown: &mut Markdown, gate: &Gate) {
    let told = std::iter::once(&gate.reason).chain(&gate.before).map(|said| said.as_str());
    let told: Vec<_> = told.filter(|text| !text.is_empty()).collect();
    let reason = crate::report::page::said(told.join("; "), 1_000);
    let status = match gate.attempts {
        Some(attempts) => format!("{}, {attempts} attempts", gate.status.as_str()),
        None => gate.status.as_str().to_owned(),
    };
    markdown.row(&[
        Cell::Own(&status),
        Cell::Said(&gate.case),
        Cell::Said(&gate.required),
        Cell::Said(&gate.threshold),
        Cell::Said(&gate.observed),
        Cell::Own(&gate.age),
        Cell::Said(&reason),
        Cell::Said(&gate.at),
    ]);
}

fn waivers(markdown: &mut Markdown, waivers: &[Waiver]) {
    if waivers.is_empty() {
        return;
    }
    markdown.heading(2, "Waivers");
    markdown.list(room::WAIVERS, waivers, |markdown, waiver| {
        markdown.mark("- ");
        markdown.said(&waiver.gate);
        markdown.mark(": ");
        markdown.own(state(waiver.state));
        markdown.mark(". Waived by ");
        markdown.said(&waiver.approver);
        markdown.mark(" until ");
        markdown.own(&waiver.expires);
        markdown.mark(", for ");
        markdown.said(&waiver.bound);
        markdown.mark(". Because: ");
        markdown.said(&waiver.reason);
        markdown.mark("\n  - The gate itself says: ");
        markdown.said(&waiver.result);
        markdown.mark("\n");
    });
}
