//! The sections behind the gates: timelines, the watch, failures, services, runs, findings and integrity.

use super::room;
use super::writer::{Cell, Markdown};
use crate::model::switch::Sequence;
use crate::report::page::charts::{Chart, ChartState, Watch, measure};
use crate::report::page::failures::{Failure, Failures};
use crate::report::page::findings::{Findings, Found};
use crate::report::page::integrity::{Head, Integrity, Signature};
use crate::report::page::runs::Run;
use crate::report::page::said::{lasting_ms, many};
use crate::report::page::services::Service;
use crate::report::page::timeline::{Stage, Step, Switch, Timeline};

pub(super) fn switches(markdown: &mut Markdown, switches: &[Switch]) {
    if switches.is_empty() {
        return;
    }
    markdown.heading(2, "Cutover and rollback");
    markdown.list(room::SWITCHES, switches, switch);
}

fn switch(markdown: &mut Markdown, switch: &Switch) {
    markdown.said(&switch.run);
    markdown.mark("\n\n");
    for (kind, note) in &switch.notes {
        markdown.mark("- **");
        markdown.own(kind);
        markdown.mark("**: ");
        markdown.said(note);
        markdown.mark("\n");
    }
    markdown.mark("\n");
    markdown.head(&["Result", "Stage", "Began", "Took", "Reason"]);
    switch.stages.iter().for_each(|one| stage(markdown, one));
    switch.timelines.iter().for_each(|one| timeline(markdown, one));
    for mark in &switch.marks {
        markdown.mark(if mark.good { "- ok: " } else { "- **failed**: " });
        markdown.said(&mark.name);
        markdown.mark(" ");
        markdown.own(&mark.seen);
        markdown.mark("\n");
    }
}

fn stage(markdown: &mut Markdown, stage: &Stage) {
    markdown.row(&[
        Cell::Own(stage.verdict.as_str()),
        Cell::Own(&stage.name),
        Cell::Own(&stage.began),
        Cell::Own(&stage.took),
        Cell::Said(&stage.reason),
    ]);
}

fn timeline(markdown: &mut Markdown, timeline: &Timeline) {
    markdown.heading(3, if timeline.sequence == Sequence::Cutover { "Cutover" } else { "Rollback" });
    markdown.paragraph(&timeline.told);
    if !timeline.started_by.is_empty() {
        markdown.mark("Because: ");
        markdown.said(&timeline.started_by);
        markdown.mark("\n\n");
    }
    markdown.head(&["Status", "Step", "Start", "Took", "Limit", "Detail"]);
    timeline.steps.iter().for_each(|one| step(markdown, one));
    markdown.mark("\n");
}

fn step(markdown: &mut Markdown, step: &Step) {
    let status = match step.exit_code {
        Some(code) if code != 0 => format!("{}, exit {code}", step.state.as_str()),
        _ => step.state.as_str().to_owned(),
    };
    markdown.row(&[
        Cell::Own(&status),
        Cell::Said(&step.name),
        Cell::Own(&step.began),
        Cell::Own(&step.took),
        Cell::Own(&step.limit),
        Cell::Said(&step.detail),
    ]);
}

pub(super) fn watches(markdown: &mut Markdown, watches: &[Watch]) {
    if watches.is_empty() {
        return;
    }
    markdown.heading(2, "The minutes after the switch");
    markdown.list(room::WATCHES, watches, |markdown, watch| {
        markdown.said(&watch.run);
        markdown.mark(": ");
        markdown.own(&watch.told);
        markdown.mark("\n\n");
        for (name, said) in [("- Because: ", &watch.reason), ("- Trigger: ", &watch.trigger)] {
            if !said.is_empty() {
                markdown.mark(name);
                markdown.said(said);
                markdown.mark("\n");
            }
        }
        markdown.mark("\n");
        markdown.head(&["Metric", "Result", "Samples", "Last", "Expected", "Limits", "Breach"]);
        watch.charts.iter().for_each(|one| chart(markdown, one));
        if watch.left_out > 0 {
            markdown.mark("\n");
            markdown.own(&format!("{} more: see watch.csv.", many(watch.left_out, "metric")));
            markdown.mark("\n");
        }
        markdown.mark("\n");
    });
}

fn chart(markdown: &mut Markdown, chart: &Chart) {
    let limit = |limit: &crate::report::page::charts::Limit| {
        format!("{} {}", limit.of, measure(limit.value, chart.unit))
    };
    let limits: Vec<_> = chart.limits.iter().map(limit).collect();
    let breach = match chart.breach_ms {
        Some(at) if chart.state == ChartState::Breached => format!("at {}", lasting_ms(at)),
        _ => String::new(),
    };
    markdown.row(&[
        Cell::Said(&chart.name),
        Cell::Own(chart.state.as_str()),
        Cell::Own(&chart.told),
        Cell::Said(&chart.last),
        Cell::Said(&chart.expect),
        Cell::Own(&limits.join(", ")),
        Cell::Own(&breach),
    ]);
}

pub(super) fn failures(markdown: &mut Markdown, failures: &Failures) {
    if failures.is_empty() {
        return;
    }
    markdown.heading(2, "What failed");
    for (name, about, list) in failures.groups() {
        markdown.heading(3, &format!("{name}: {}", list.len()));
        markdown.paragraph(about);
        markdown.list(room::FAILURES, list, failure);
    }
}

fn failure(markdown: &mut Markdown, failure: &Failure) {
    markdown.mark("- ");
    markdown.said(&failure.what);
    markdown.mark(" **");
    markdown.own(failure.status);
    markdown.mark("**: ");
    markdown.said(&failure.why);
    if !failure.at.is_empty() {
        markdown.mark(" at ");
        markdown.said(&failure.at);
    }
    markdown.mark("\n");
    if !failure.output.is_empty() {
        markdown.mark("\n");
        markdown.block("  ", failure.output.iter());
    }
}

pub(super) fn services(markdown: &mut Markdown, services: &[Service]) {
    if services.is_empty() {
        return;
    }
    markdown.heading(2, "Services");
    markdown.head(&["Service", "State", "Runs", "Real host", "Differs", "Image", "Identity"]);
    markdown.list(room::SERVICES, services, |markdown, service| {
        let state = match (service.there, service.differs.is_empty()) {
            (false, _) => "not there",
            (true, false) => "differs",
            (true, true) => "there",
        };
        let identity: Vec<_> = service.identity.iter().map(|said| said.as_str()).collect();
        let identity = crate::report::page::said(identity.join("; "), 400);
        markdown.row(&[
            Cell::Said(&service.name),
            Cell::Own(state),
            Cell::Said(&service.runs),
            Cell::Said(&service.real),
            Cell::Said(&service.differs),
            Cell::Said(&service.image),
            Cell::Said(&identity),
        ]);
    });
}

pub(super) fn runs(markdown: &mut Markdown, runs: &[Run]) {
    markdown.heading(2, "Runs");
    markdown.head(&["", "Run", "Began", "Outcome", "Why", "Folder"]);
    markdown.list(room::RUNS, runs, |markdown, run| {
        markdown.row(&[
            Cell::Own(if run.counts { "counts" } else { "discarded" }),
            Cell::Said(&run.run),
            Cell::Own(&run.started),
            Cell::Said(&run.outcome),
            Cell::Said(&run.why),
            Cell::Said(&run.folder),
        ]);
    });
}

pub(super) fn findings(markdown: &mut Markdown, findings: &Findings) {
    if findings.told.is_empty() && findings.counted.is_empty() {
        return;
    }
    markdown.heading(2, "Findings");
    markdown.list(room::FINDINGS, &findings.told, |markdown, found: &Found| {
        markdown.mark("- ");
        markdown.own(found.severity.as_str());
        markdown.mark(" **");
        markdown.own(found.code);
        markdown.mark("** in ");
        markdown.own(found.evidence);
        if !found.place.is_empty() {
            markdown.mark(" ");
            markdown.said(&found.place);
        }
        markdown.mark(": ");
        markdown.said(&found.sentence);
        markdown.mark("\n");
    });
    for (code, severity, count) in &findings.counted {
        markdown.paragraph(&format!("{count} more of {code} ({}).", severity.as_str()));
    }
}

pub(super) fn integrity(markdown: &mut Markdown, integrity: &Integrity) {
    markdown.heading(2, "Integrity");
    markdown.paragraph("This judges it all again, from the files:");
    markdown.block("", std::iter::once(&integrity.command));
    markdown.mark("\n");
    super::facts(markdown, &integrity.facts);
    markdown.mark("\n");
    if !integrity.signatures.is_empty() {
        markdown.head(&["Signed by", "Role", "Key", "Signed"]);
        markdown.list(room::SIGNATURES, &integrity.signatures, |markdown, one: &Signature| {
            let cells = [&one.name, &one.role, &one.key, &one.signed];
            markdown.row(&cells.map(Cell::Said));
        });
    }
    if !integrity.journals.is_empty() {
        markdown.head(&["Journal", "Entries", "Digest of the last entry", "Fault"]);
        markdown.list(room::JOURNALS, &integrity.journals, |markdown, one: &Head| {
            let entries = one.entries.to_string();
            markdown.row(&[
                Cell::Said(&one.path),
                Cell::Own(&entries),
                Cell::Said(&one.head),
                Cell::Said(&one.fault),
            ]);
        });
    }
}
