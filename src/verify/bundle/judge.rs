//! What a bundle is worth: what was found in it, what its journals say came of the run, and the rules for the two files
//! of every cutover in it.

use super::{Bundle, Journal, merged, run_folder};
use crate::evidence::{self, CUTOVER_FILE, Document, GateView, ROLLBACK_FILE, Reason, RunView, SUMMARY_FILE};
use crate::journal::{self, End};
use crate::verify::code::Code;
use crate::verify::finding::{Evidence, Findings, Place, Severity};
use crate::verify::{Judged, Mode, Rules, Source, verify};

/// Judges what was read. A run counts as what its own rule says; a dry run and a run of a selection only where
/// `rules` allow them. The two files of a cutover are judged as `verify` judges them, by the mode that the plan asks
/// for: a rollback that was to be made anyway is a drill. The cutover of a rehearsal that makes a fault on purpose is as
/// red as it was; what it is worth is the rehearsal's own verdict.
pub fn judge(bundle: &Bundle, rules: &Rules) -> Judged {
    let shown = super::shown(&bundle.folder);
    let mut found = Findings::new([(Evidence::Bundle, shown.clone())]);
    found.take(bundle.findings.clone(), bundle.more.clone());
    // A journal that contradicts itself was told.
    let views: Vec<_> = bundle
        .journals
        .iter()
        .filter_map(|Journal { path, records }| Some((path.as_str(), RunView::of(records).ok()?)))
        .collect();
    let mut rolled_back = Vec::new();
    for (path, run) in views.iter().filter(|(path, _)| !is_of_fault(path, &views)) {
        if pair(&shown, path, run, rules, &mut found) {
            rolled_back.push(*path);
        }
    }
    match merged::of_journals(views.iter().map(|(path, run)| (*path, run))) {
        // What the shards are worth is what they are together.
        Some(Ok(merged)) => {
            let (run, at) = (&merged.view(), format!("{shown}/{SUMMARY_FILE}"));
            Worth { run, at, rolled_back: false }.tell(rules, &mut found);
        }
        _ => {
            for (path, run) in views.iter().filter(|(path, _)| is_top(path, &views)) {
                let worth =
                    Worth { run, at: format!("{shown}/{path}"), rolled_back: rolled_back.contains(path) };
                worth.tell(rules, &mut found);
            }
        }
    }
    if rules.fail_on_flaky {
        for (path, run) in views.iter().filter(|(path, _)| !is_of_fault(path, &views)) {
            let at = format!("{shown}/{path}");
            evidence::flaky(run).for_each(|gate| tell_flaky(gate, &at, &mut found));
        }
    }
    let own = views.iter().find(|(path, _)| *path == journal::FILE).map(|(_, run)| run.started.run.clone());
    let run = own.or_else(|| bundle.manifest.as_ref().map(|manifest| manifest.run.clone()));
    let (findings, more) = found.finish();
    Judged { kind: "run", path: shown, run, findings, more }
}

type View<'v> = (&'v str, RunView<'v>);

/// Whether a run stands for itself: the bundle's own; in a bundle that has none, each that is in no other's folder.
fn is_top(path: &str, views: &[View<'_>]) -> bool {
    !views.iter().any(|(other, _)| *other != path && path.starts_with(run_folder(other)))
}

/// Whether a run belongs to one in which something is made to fail.
fn is_of_fault(path: &str, views: &[View<'_>]) -> bool {
    views.iter().any(|(other, run)| {
        *other != path && path.starts_with(run_folder(other)) && run.started.fault.is_some()
    })
}

/// A gate that passed only after another attempt, where that is refused.
fn tell_flaky(gate: &GateView<'_>, at: &str, found: &mut Findings) {
    let seen = evidence::Reason::Flaky(gate).to_string();
    let place = Place::in_file(Evidence::Journal, at, gate.gate.case());
    found.refuse(Code::GateFlaky, place, "passed at the first attempt", seen);
}

/// The two files of a cutover. Gives whether they show what was asked for with a cutover that was rolled back.
fn pair(shown: &str, path: &str, run: &RunView<'_>, rules: &Rules, found: &mut Findings) -> bool {
    let Some(switch) = run.switch.as_ref().filter(|_| run.end == End::Finished) else { return false };
    let documents = evidence::switch_documents(run);
    let source = |name: &str| {
        let Document { bytes, .. } = documents.iter().find(|document| document.name == name)?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        Some(Source { path: format!("{shown}/{}{name}", run_folder(path)), text: Ok(text) })
    };
    let (Some(cutover), Some(rollback)) = (source(CUTOVER_FILE), source(ROLLBACK_FILE)) else { return false };
    let mode = if switch.plan.force_rollback { Mode::RollbackDrill } else { rules.mode };
    let verification = verify(&cutover, &rollback, &Rules { mode, ..rules.clone() });
    let accepted = mode == Mode::CutoverOrRollback && verification.passed() && switch.triggered();
    found.take(verification.findings, verification.more);
    accepted
}

/// A run, and whether its rollback is what was asked for.
struct Worth<'v> {
    run: &'v RunView<'v>,
    at: String,
    rolled_back: bool,
}

impl Worth<'_> {
    fn tell(&self, rules: &Rules, found: &mut Findings) {
        let severity = if self.rolled_back { Severity::Warning } else { Severity::Error };
        for reason in evidence::verdict(self.run).reasons {
            if self.run.end == End::Finished || is_told_before_the_end(&reason) {
                self.reason(&reason, severity, rules, found);
            }
        }
        let place = || Place::in_file(Evidence::Journal, &self.at, "the run").line(1);
        if self.run.started.dry_run && !rules.allow_dry_run && !found.has(Code::DryRun) {
            let advice = "to check a dry run: --allow-dry-run";
            found.refuse_and_advise(Code::DryRun, place(), "a real one", "a dry run", advice);
        }
        if self.run.partial() {
            let started = self.run.started;
            let shard = started.partition.as_ref().map(|part| format!("shard {}/{}", part.index, part.total));
            let seen = shard.or_else(|| started.selection.clone());
            let seen = seen.unwrap_or_else(|| "a selection".to_owned());
            match rules.allow_partial {
                true => found.warn(Code::PartialRun, place(), "one of all gates", seen),
                false => {
                    let advice = "to check one all the same: --allow-partial";
                    found.refuse_and_advise(Code::PartialRun, place(), "one of all gates", seen, advice);
                }
            }
        }
    }

    fn reason(&self, reason: &Reason<'_>, severity: Severity, rules: &Rules, found: &mut Findings) {
        let place = |subject: &str| Place::in_file(Evidence::Journal, &self.at, subject);
        match reason {
            Reason::NoEnd(_) if found.has(Code::RunUnfinished) => {}
            Reason::NoEnd(_) => {
                let advice = "see where it stands with `cutproof status`";
                found.refuse_and_advise(
                    Code::RunUnfinished,
                    place("the run"),
                    "ended",
                    reason.to_string(),
                    advice,
                );
            }
            Reason::Interrupted(_) if found.has(Code::RunInterrupted) => {}
            Reason::Interrupted(by) => {
                found.refuse(
                    Code::RunInterrupted,
                    place("the run"),
                    "ended by itself",
                    format!("ended by {by}"),
                );
            }
            // Told of all runs of the bundle.
            Reason::Flaky(_) if rules.fail_on_flaky => {}
            Reason::Flaky(view) => tell_flaky(view, &self.at, found),
            Reason::Gate(view) => {
                let gate = view.gate;
                let seen = format!("{}: {} ({}:{})", view.verdict, view.reason, gate.at.file, gate.at.line);
                found.add(Code::RunNotPassed, severity, place(&gate.case()), "passed".to_owned(), seen, None);
            }
            other => {
                let expected = "passed".to_owned();
                found.add(Code::RunNotPassed, severity, place("the run"), expected, other.to_string(), None);
            }
        }
    }
}

/// Whether a reason is one on its own in a run that has no end, and does not follow from that.
fn is_told_before_the_end(reason: &Reason<'_>) -> bool {
    match reason {
        Reason::NoEnd(_) | Reason::Interrupted(_) => true,
        Reason::Gate(view) => view.ended.is_some(),
        Reason::Flaky(_) => true,
        _ => false,
    }
}
