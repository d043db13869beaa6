//! What a run's signer says of it: its journal's word as an in-toto test result over its manifest.

use crate::evidence::{Contradiction, Outcome, RunView, verdict};
use crate::journal;
use crate::model::Verdict;
use crate::model::event::FileDigest;
use crate::sign::{Predicate, ResourceDescriptor, Statement, TestOutcome, TestResult, uri};
use crate::verify::bundle::{Bundle, merged};
use std::collections::BTreeMap;

/// Why there is nothing to say of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// No manifest that a signature could be over.
    #[error(
        "expected a sealed run, and it has no manifest.json: there is nothing that a signature could be bound to"
    )]
    NoManifest,
    /// No journal of its own, and none of shards that were merged.
    #[error("expected a run with a {}, and it has none that can be read", journal::FILE)]
    NoJournal,
    /// A journal that contradicts itself.
    #[error("{0}")]
    Contradiction(String),
}

/// What a journal says of its run.
pub(super) struct Said {
    pub result: TestOutcome,
    pub outcome: &'static str,
}

/// The statement that whoever signs a bundle in this role makes: a test result whose subject is the manifest. The same
/// bundle and role always give the same statement, so that several people sign one payload.
///
/// # Errors
/// Where it has no manifest, or no journal that says what to state.
pub fn of_run(bundle: &Bundle, role: &str) -> Result<Statement, Unsignable> {
    let (Some(manifest), Some(sha256)) = (&bundle.manifest, &bundle.manifest_sha256) else {
        return Err(Unsignable::NoManifest);
    };
    with_view(bundle, |run| {
        let Said { result, outcome } = said(run);
        let [passed_tests, warned_tests, failed_tests] = tests(run);
        let files = manifest.profile.iter().chain(&manifest.templates);
        let result = TestResult {
            result,
            configuration: files.map(file).collect(),
            url: None,
            passed_tests,
            warned_tests,
            failed_tests,
            extensions: BTreeMap::from([
                (uri::ROLE.to_owned(), role.into()),
                (uri::OUTCOME.to_owned(), outcome.into()),
            ]),
        };
        let name = format!("{}/{}", manifest.run, crate::bundle::MANIFEST_FILE);
        Statement {
            subjects: vec![ResourceDescriptor::file(name, sha256)],
            predicate: Predicate::TestResult(result),
        }
    })
    .ok_or(Unsignable::NoJournal)?
}

/// What the bundle's own journal says; none where it has none.
pub(super) fn said_by_journal(bundle: &Bundle) -> Option<Result<Said, Unsignable>> {
    with_view(bundle, said)
}

fn with_view<T>(bundle: &Bundle, of: impl FnOnce(&RunView<'_>) -> T) -> Option<Result<T, Unsignable>> {
    match bundle.journals.iter().find(|journal| journal.path == journal::FILE) {
        Some(own) => Some(RunView::of(&own.records).map(|view| of(&view)).map_err(contradiction)),
        None => with_merged(bundle, of),
    }
}

/// What shards say together that were merged.
fn with_merged<T>(bundle: &Bundle, of: impl FnOnce(&RunView<'_>) -> T) -> Option<Result<T, Unsignable>> {
    let views = bundle.journals.iter().map(|journal| Ok((&*journal.path, RunView::of(&journal.records)?)));
    let views = match views.collect::<Result<Vec<_>, Contradiction>>() {
        Ok(views) => views,
        Err(error) => return Some(Err(contradiction(error))),
    };
    let merged = merged::of_journals(views.iter().map(|(path, view)| (*path, view)))?;
    let misfit = |misfits: Vec<_>| {
        Unsignable::Contradiction(format!("its shards don't fit each other, in {} ways", misfits.len()))
    };
    Some(merged.map(|merged| of(&merged.view())).map_err(misfit))
}

fn contradiction(error: Contradiction) -> Unsignable {
    Unsignable::Contradiction(error.to_string())
}

/// A run that is fine counts as a whole pass only where no gate is anything else than passed, and at once. Partial and
/// dry runs are none: they sign nothing off.
fn said(run: &RunView<'_>) -> Said {
    let outcome = verdict(run).verdict;
    let [_, warned, failed] = tests(run);
    let result = match outcome {
        Outcome::Passed if warned.is_empty() && failed.is_empty() => TestOutcome::Passed,
        Outcome::Passed | Outcome::Partial | Outcome::Simulated => TestOutcome::Warned,
        Outcome::Failed | Outcome::Interrupted | Outcome::Unfinished => TestOutcome::Failed,
    };
    Said { result, outcome: outcome.as_str() }
}

/// The gates that passed at once, those that passed when they were tried again or were not run and need not, and those
/// that did not pass.
fn tests(run: &RunView<'_>) -> [Vec<String>; 3] {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for gate in run.selected() {
        let place = match gate.verdict {
            Verdict::Passed if gate.attempts() == 1 => 0,
            Verdict::Passed => 1,
            Verdict::Skipped if !gate.gate.required || run.started.dry_run => 1,
            _ => 2,
        };
        lists[place].push(gate.gate.case());
    }
    lists
}

fn file(digest: &FileDigest) -> ResourceDescriptor {
    ResourceDescriptor::file(&digest.path, &digest.sha256)
}
