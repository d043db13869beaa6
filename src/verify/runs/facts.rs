//! What a run says of itself, as far as it matters against other runs.

use crate::evidence::{Outcome, RunView, verdict};
use crate::model::{RunId, Stamp, Verdict};
use crate::verify::bundle::{Bundle, Journal};
use std::path::Path;

/// The verbs that run the gates of a profile's plan. What the other verbs make stands beside such a run.
const WHOLE: [&str; 4] = ["rehearse", "gates-run", "cargo-test", "nextest"];

/// A run as its bundle tells it.
#[derive(Debug)]
pub(super) struct Facts {
    pub run: RunId,
    pub verb: String,
    pub started: Stamp,
    pub environment: String,
    /// Where it is known.
    pub commit: Option<String>,
    /// Whether the work tree was as the commit has it.
    pub dirty: bool,
    /// SHA-256 of the profile.
    pub profile: Option<String>,
    pub fault: Option<String>,
    /// Only a selection of its gates ran.
    pub partial: bool,
    /// Nothing was measured.
    pub dry_run: bool,
    /// One shard of several, that was not merged with the others.
    pub shard: Option<(u32, u32)>,
    pub outcome: Outcome,
    /// Whether something that it must pass was measured and did not.
    pub red: bool,
}

impl Facts {
    /// What the bundle's journals say; none where they say nothing.
    pub fn of(bundle: &Bundle) -> Option<Facts> {
        let roots: Vec<_> = roots(&bundle.journals).map(|journal| RunView::of(&journal.records)).collect();
        let roots = roots.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
        let first = roots.first()?;
        let merged = !bundle.journals.iter().any(|journal| journal.path == crate::journal::FILE);
        // What shards were merged to has a name and a beginning of its own.
        let manifest = bundle.manifest.as_ref().filter(|_| merged);
        let started = first.started;
        let source = first.provenance.and_then(|provenance| provenance.source.as_ref());
        Some(Facts {
            run: manifest.map_or(&started.run, |manifest| &manifest.run).clone(),
            verb: started.verb.clone(),
            started: manifest.map_or(started.started, |manifest| manifest.started),
            environment: started.environment.clone(),
            commit: source.map(|source| source.commit.clone()),
            dirty: source.is_some_and(|source| source.dirty),
            profile: started.profile.as_ref().map(|profile| profile.sha256.clone()),
            fault: started.fault.clone(),
            partial: manifest.map_or_else(|| roots.iter().any(RunView::partial), |manifest| manifest.partial),
            dry_run: roots.iter().any(|root| root.started.dry_run),
            shard: started.partition.as_ref().filter(|_| !merged).map(|part| (part.index, part.total)),
            outcome: worst(&roots, manifest.is_some_and(|manifest| !manifest.partial)),
            red: roots.iter().any(is_red),
        })
    }

    /// Whether it ran the gates of a profile's plan.
    pub fn is_whole(&self) -> bool {
        WHOLE.contains(&&*self.verb)
    }

    /// Why it can't count, whatever else there is.
    pub fn cannot_count(&self) -> Option<String> {
        if let Some((index, total)) = self.shard {
            return Some(format!("shard {index} of {total}: it is worth nothing until they are merged"));
        }
        if let Some(fault) = &self.fault {
            return Some(format!("the fault {fault} was made in it on purpose"));
        }
        // Red or not.
        if self.dry_run {
            return Some("a dry run: nothing was measured".to_owned());
        }
        if self.partial {
            return Some("PARTIAL: only a selection of its gates ran".to_owned());
        }
        match self.outcome {
            Outcome::Partial | Outcome::Simulated => Some(format!("it is {}", self.outcome)),
            Outcome::Interrupted => Some("it was interrupted".to_owned()),
            Outcome::Unfinished => Some("it has no end: it was killed or still runs".to_owned()),
            Outcome::Passed | Outcome::Failed => None,
        }
    }

    /// The commit as findings tell it.
    pub fn commit_told(&self) -> &str {
        self.commit.as_deref().unwrap_or("no known commit")
    }

    /// The profile as findings tell it.
    pub fn profile_told(&self) -> &str {
        self.profile.as_deref().unwrap_or("no profile")
    }
}

/// The run's own journal; of a bundle that was merged, those of the shards.
fn roots(journals: &[Journal]) -> impl Iterator<Item = &Journal> {
    let own = |journal: &&Journal| journal.path == crate::journal::FILE;
    let is_own = journals.iter().any(|journal| own(&journal));
    journals.iter().filter(move |journal| if is_own { own(journal) } else { is_shard(&journal.path) })
}

/// Whether a journal is a shard's own, and not that of a run within one.
fn is_shard(path: &str) -> bool {
    !Path::new(path).components().any(|part| part.as_os_str() == "runs")
}

/// What the journals are worth together. Shards that were merged are PARTIAL each and `whole` together.
fn worst(roots: &[RunView<'_>], whole: bool) -> Outcome {
    let outcomes = roots.iter().map(|root| verdict(root).verdict);
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Passed => 0,
        Outcome::Partial => 1,
        Outcome::Simulated => 2,
        Outcome::Failed => 3,
        Outcome::Interrupted => 4,
        Outcome::Unfinished => 5,
    };
    match outcomes.max_by_key(rank) {
        Some(Outcome::Partial) if whole => Outcome::Passed,
        Some(outcome) => outcome,
        None => Outcome::Unfinished,
    }
}

/// Whether something was measured that stands against the run however it ended: of one that was broken off, a gate
/// that it ended before it had its chance does not.
fn is_red(root: &RunView<'_>) -> bool {
    let gates = root.selected().filter(|gate| gate.gate.required && gate.ended.is_some());
    let gate = gates.map(|gate| gate.verdict).any(|verdict| verdict == Verdict::Failed);
    gate || matches!(root.rehearsed, Some((Verdict::Failed, _))) || verdict(root).verdict == Outcome::Failed
}
