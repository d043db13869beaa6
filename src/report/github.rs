//! The report for a step of GitHub Actions: annotations on the lines of the profile, and the Markdown as the step's
//! summary. Pure: it knows neither variables nor files.

use super::annotations::{Annotation, Kind, lines};
use super::findings::{annotation, line};
use super::markdown::{self, markdown};
use super::page::{Sources, findings::is_of_row};
use super::summary;
use crate::evidence::{GateView, Reason, RunView, verdict};
use crate::journal;
use crate::model::{GateId, Verdict};
use crate::verify::bundle::Bundle;
use crate::verify::decision::{GateStatus, JudgedRun, Judgement};
use crate::verify::{Code, Severity};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What GitHub takes as the summary of a step, in bytes; it shows nothing of a longer one.
pub const SUMMARY: usize = 1024 * 1024;

/// Stands behind a summary that was cut.
const CUT: &str =
    "\n\n… cut: the summary of a step has no more room; the report is in the evidence's files\n";

/// The summary of a step. A shard signs nothing off, and a page that says so of each would hide what it measured: of a
/// shard it is what a person sees at a terminal, and the page is that of the merged bundle.
pub fn step_summary(judgement: &Judgement, bundles: &[&Bundle]) -> String {
    let sources = Sources::of(judgement, bundles);
    let (own, _) = runs(&sources);
    match (&own[..], sources.bundle) {
        ([run], Some(bundle)) if own_journal(bundle) && run.started.partition.is_some() => {
            let told = summary(run, &bundle.folder, false);
            let why = bundle.findings.iter().filter(|finding| finding.severity == Severity::Error).map(line);
            markdown::printed(&shard_heading(run), told.lines().map(str::to_owned).chain(why))
        }
        _ => markdown(judgement, bundles),
    }
}

/// Whether it is a run's bundle, and not one that was merged.
fn own_journal(bundle: &Bundle) -> bool {
    bundle.journals.iter().any(|own| own.path == journal::FILE)
}

fn shard_heading(run: &RunView<'_>) -> String {
    let shard = run.started.partition.as_ref().map(|part| format!("shard {}/{}: ", part.index, part.total));
    format!("{}{}", shard.unwrap_or_default(), verdict(run).verdict)
}

/// As much of a summary as fits into so many bytes: whole lines, and that it was cut.
pub fn within(markdown: &str, room: usize) -> Cow<'_, str> {
    if markdown.len() <= room {
        return Cow::Borrowed(markdown);
    }
    let Some(room) = room.checked_sub(CUT.len()) else { return Cow::Borrowed("") };
    // Neither `\n` nor what stands before it is within a character.
    let end = markdown.as_bytes()[..room].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    Cow::Owned(format!("{}{CUT}", markdown.get(..end).unwrap_or_default()))
}

/// Workflow commands of the run that the report tells of: an error for whatever stands against it, a warning for what
/// did not simply pass and is not asked for or is waived. At most ten of a kind, as many as GitHub shows of a step.
pub fn annotations(judgement: &Judgement, bundles: &[&Bundle]) -> String {
    let sources = Sources::of(judgement, bundles);
    let told = Told::of(&sources);
    lines(Kind::Error, &told.errors, told.counted, "cutproof report")
        + &lines(Kind::Warning, &told.warnings, 0, "cutproof report")
}

/// The run that the report tells of: the one that counts, or the newest where none does.
pub fn told(judgement: &Judgement) -> Option<&JudgedRun> {
    Sources::of(judgement, &[]).run
}

/// What is told, the worst first.
#[derive(Default)]
struct Told {
    errors: Vec<Annotation>,
    warnings: Vec<Annotation>,
    /// Findings of which only the number is known.
    counted: usize,
}

impl Told {
    fn of(sources: &Sources<'_>) -> Told {
        let mut told = Told::default();
        let (own, within) = runs(sources);
        let red = own.iter().any(|run| !verdict(run).verdict.is_fine());
        told.evidence(sources, &own);
        // What a run within another found is told where it made that one red; a fault that was made on purpose did not.
        let runs: Vec<_> = own.iter().chain(within.iter().filter(|_| red)).collect();
        told.reasons(&runs);
        let mut gates: Vec<_> = runs.iter().flat_map(|run| notable(run)).collect();
        gates.sort_by_key(|(view, asked)| (std::cmp::Reverse(view.verdict), *asked));
        let own: BTreeSet<_> =
            gates.iter().filter(|(view, _)| view.selected).map(|(view, _)| &view.gate.id).collect();
        for (view, asked) in &gates {
            // What a gate was as the set-up of another shard, it was for itself too.
            if view.selected || !own.contains(&view.gate.id) {
                told.gate(sources.judgement, view, *asked);
            }
        }
        told
    }

    /// Evidence that is not there, or not to be believed.
    fn evidence(&mut self, sources: &Sources<'_>, own: &[RunView<'_>]) {
        let judgement = sources.judgement;
        // A shard counts only when it is merged: that is no fault of it. What stands against a run is told below, gate by
        // gate.
        let shard = own.iter().any(|run| run.started.partition.is_some());
        let excused = |code: Code| match code {
            Code::RunNotPassed => !own.is_empty(),
            Code::NoRunCounts | Code::PartialRun => shard,
            _ => false,
        };
        let findings = judgement.findings.iter().filter(|finding| {
            finding.severity == Severity::Error && !excused(finding.code) && !is_of_row(judgement, finding)
        });
        self.errors.extend(findings.map(annotation));
        let more = judgement.more.iter().filter(|more| more.severity == Severity::Error);
        self.counted = more.map(|more| more.count).sum();
    }

    /// What stands against the runs besides gates.
    fn reasons(&mut self, runs: &[&RunView<'_>]) {
        for run in runs {
            for reason in verdict(run).reasons {
                if !matches!(reason, Reason::Gate(_) | Reason::SetUp(_)) {
                    let title = format!("{} {}", run.started.verb, verdict(run).verdict);
                    let message = reason.to_string();
                    self.errors.push(Annotation { file: None, line: None, title, message });
                }
            }
        }
    }

    fn gate(&mut self, judgement: &Judgement, view: &GateView<'_>, asked: Asked) {
        let waived = |id: &GateId| {
            judgement.gates.iter().any(|row| row.gate == *id && row.status == GateStatus::Waived)
        };
        let what = match (asked, view.verdict) {
            (_, Verdict::Passed) => "passed on retry".to_owned(),
            (Asked::No, verdict) => format!("{verdict} (not required)"),
            (Asked::Yes, verdict) if waived(&view.gate.id) => format!("{verdict} (waived)"),
            (Asked::Yes, verdict) => verdict.to_string(),
        };
        let at = &view.gate.at;
        let set_up = if view.selected { "" } else { "set-up " };
        let annotation = Annotation {
            file: Some(at.file.clone()),
            line: Some(at.line),
            title: format!("{set_up}{} {what}", view.gate.case()),
            message: message(view),
        };
        match asked {
            Asked::Yes if view.verdict != Verdict::Passed && !waived(&view.gate.id) => {
                self.errors.push(annotation)
            }
            _ => self.warnings.push(annotation),
        }
    }
}

/// Whether a run fails where the gate does not pass. Those that are asked for come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Yes,
    No,
}

/// The run that is told of, of shards each, and the runs within it. One that contradicts itself is among the findings.
fn runs<'a>(sources: &Sources<'a>) -> (Vec<RunView<'a>>, Vec<RunView<'a>>) {
    let journals = sources.bundle.map_or(&[][..], |bundle| &bundle.journals);
    let views =
        journals.iter().filter_map(|journal| Some((&journal.path, RunView::of(&journal.records).ok()?)));
    let (own, within): (Vec<_>, Vec<_>) =
        views.partition(|(path, _)| !path.split('/').any(|part| part == "runs"));
    let views = |of: Vec<(_, RunView<'a>)>| of.into_iter().map(|(_, view)| view).collect();
    (views(own), views(within))
}

/// The gates that did not simply pass.
fn notable<'r>(run: &'r RunView<'_>) -> impl Iterator<Item = (&'r GateView<'r>, Asked)> {
    let reasons = verdict(run).reasons;
    let against: BTreeSet<_> = reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Gate(view) | Reason::SetUp(view) => Some(&view.gate.id),
            _ => None,
        })
        .cloned()
        .collect();
    let dry = run.started.dry_run;
    run.gates.iter().filter(|view| view.selected || view.set_up).filter_map(move |view| {
        let asked = if against.contains(&view.gate.id) { Asked::Yes } else { Asked::No };
        let simply = match view.verdict {
            Verdict::Passed => view.attempts() <= 1,
            Verdict::Skipped => dry,
            _ => false,
        };
        (asked == Asked::Yes || !simply).then_some((view, asked))
    })
}

fn message(view: &GateView<'_>) -> String {
    let tries = match view.attempts() {
        0 | 1 => String::new(),
        attempts => format!(" (after {attempts} attempts)"),
    };
    let reason = match (&*view.reason, view.verdict) {
        ("", Verdict::Passed) => "a gate that passes only when it is tried again is not to be relied on",
        ("", _) => "no reason is on record",
        (reason, _) => reason,
    };
    format!("{reason}{tries}")
}

#[cfg(test)]
#[path = "github_tests.rs"]
mod tests;
