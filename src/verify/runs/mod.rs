//! Several runs of one window: which of them counts, and why the others don't. The newest counts, never the greenest:
//! what was measured last is how things stand.

mod facts;

#[cfg(test)]
mod tests;

use super::bundle::Bundle;
use super::code::{Code, Group};
use super::decision::JudgedRun;
use super::finding::{Evidence, Finding, Findings, More, Place, Severity};
use crate::evidence::Outcome;
use crate::model::{RunId, Stamp};
use facts::Facts;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Which run counts.
#[derive(Debug)]
pub struct Selection {
    /// Its place among the bundles; none where none of them may count.
    pub counting: Option<usize>,
    /// All of them, newest first.
    pub runs: Vec<JudgedRun>,
    /// What was found of the runs against each other. What stands against a bundle by itself is in its own findings.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

/// Says which of the runs counts: of those that are intact, came to an end, and are no dry run, no selection, no lone
/// shard and no run with a fault made on purpose, the latest. Runs of other verbs than those that run a profile's
/// gates count only where there is no such run; their latest stands beside it, and must have passed.
///
/// Runs of another environment, commit or profile than the one that counts are refused, and so is the same run in two
/// states.
pub fn select(bundles: &[Bundle]) -> Selection {
    let mut found = Findings::new([]);
    let mut runs: Vec<_> = bundles.iter().enumerate().map(|(place, bundle)| Run::of(place, bundle)).collect();
    // Newest first; what says nothing comes last.
    runs.sort_by_key(|run| Reverse((run.started(), run.id().clone())));
    fold(&mut runs, &mut found);
    let counting = counting(&runs);
    let standing = standing(&runs, counting);
    if let Some(counting) = counting {
        refuse_mixed(&mut runs, counting, &mut found);
        tell_reds(&runs, counting, &standing, &mut found);
    } else {
        let seen = match runs.first() {
            Some(newest) => {
                format!("none; the newest of {} is {}: {}", runs.len(), newest.id(), newest.why())
            }
            None => "none".to_owned(),
        };
        let expected = "a run that is intact, came to its end and is no dry run and no selection";
        found.refuse(
            Code::NoRunCounts,
            Place::nowhere(Evidence::Bundle, "the run that counts"),
            expected,
            seen,
        );
    }
    let told = (0..runs.len()).map(|place| judged(&runs, place, counting, &standing)).collect();
    let (findings, more) = found.finish();
    Selection { counting: counting.map(|place| runs[place].place), runs: told, findings, more }
}

/// Whether a finding says that a bundle is not as it was written, or can't be read. That a run has no end is told by
/// its journal and is no reason to mistrust that.
pub(super) fn stands_against(finding: &Finding) -> bool {
    finding.severity == Severity::Error && finding.code.group() != Group::Run
}

/// A run that was handed in.
struct Run<'a> {
    /// Its place among the bundles.
    place: usize,
    bundle: &'a Bundle,
    facts: Option<Facts>,
    /// What stands against it, where it can't count.
    against: Option<String>,
    id: RunId,
}

impl<'a> Run<'a> {
    fn of(place: usize, bundle: &'a Bundle) -> Run<'a> {
        let facts = Facts::of(bundle);
        let refused = bundle.findings.iter().find(|finding| stands_against(finding));
        let against = match (refused, &facts) {
            (Some(finding), _) => Some(format!("not intact: {}", finding.code)),
            (None, None) => Some("it has no journal that says what it is".to_owned()),
            (None, Some(facts)) => facts.cannot_count(),
        };
        let name = || bundle.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of_manifest = || bundle.manifest.as_ref().map(|manifest| manifest.run.clone());
        let of_facts = facts.as_ref().map(|facts| facts.run.clone());
        let id = of_facts.or_else(of_manifest).unwrap_or_else(|| RunId::from_text(&name()));
        Run { place, bundle, facts, against, id }
    }

    fn id(&self) -> &RunId {
        &self.id
    }

    fn is_intact(&self) -> bool {
        !self.bundle.findings.iter().any(stands_against) && self.facts.is_some()
    }

    fn started(&self) -> Stamp {
        let of_manifest = || self.bundle.manifest.as_ref().map(|manifest| manifest.started);
        let of_facts = self.facts.as_ref().map(|facts| facts.started);
        of_facts.or_else(of_manifest).unwrap_or(Stamp::from_millis(0))
    }

    /// What it says of itself, where that may be relied on.
    fn reliable(&self) -> Option<&Facts> {
        self.facts.as_ref().filter(|_| self.is_intact())
    }

    fn may_count(&self) -> bool {
        self.against.is_none()
    }

    fn why(&self) -> &str {
        self.against.as_deref().unwrap_or("it may count")
    }

    fn folder(&self) -> String {
        self.bundle.folder.display().to_string()
    }

    fn at(&self, subject: &str) -> Place {
        Place::in_file(Evidence::Bundle, self.folder(), subject)
    }
}

/// The same run handed in twice is one run; in two states it is none that can be relied on.
fn fold(runs: &mut [Run<'_>], found: &mut Findings) {
    for place in 1..runs.len() {
        let Some(other) = (0..place).find(|other| runs[*other].id == runs[place].id) else { continue };
        let (sha, folder) = (&runs[other].bundle.manifest_sha256, runs[other].folder());
        if *sha == runs[place].bundle.manifest_sha256 && sha.is_some() {
            let seen = format!("also as {folder}");
            found.warn(Code::RunTwice, runs[place].at("the run"), "handed in once", seen);
        } else {
            let (expected, seen) = (format!("the same as in {folder}"), "another manifest of the same run");
            found.refuse(Code::RunTwice, runs[place].at("the run"), expected, seen);
        }
        runs[place].against = Some(format!("the same run as {folder}"));
    }
}

/// The place of the run that counts.
fn counting(runs: &[Run<'_>]) -> Option<usize> {
    let may = |place: &usize| runs[*place].may_count();
    let whole = |place: &usize| runs[*place].facts.as_ref().is_some_and(Facts::is_whole);
    (0..runs.len()).filter(may).find(whole).or_else(|| (0..runs.len()).find(may))
}

/// The places of the runs that stand beside it: the latest of each other verb.
fn standing(runs: &[Run<'_>], counting: Option<usize>) -> BTreeSet<usize> {
    let verb = |place: usize| runs[place].facts.as_ref().map(|facts| facts.verb.as_str());
    let Some(own) = counting.map(verb) else { return BTreeSet::new() };
    let mut verbs = BTreeSet::from([own]);
    (0..runs.len()).filter(|place| runs[*place].may_count() && verbs.insert(verb(*place))).collect()
}

/// What is of something else than the run that counts.
fn refuse_mixed(runs: &mut [Run<'_>], counting: usize, found: &mut Findings) {
    let Some(own) = runs[counting].facts.as_ref() else { return };
    let mut against = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let Some(other) = run.reliable() else { continue };
        let said = [
            (Code::MixedEnvironments, "environment", &*own.environment, &*other.environment),
            (Code::MixedCommits, "commit", own.commit_told(), other.commit_told()),
            (Code::MixedProfiles, "profile", own.profile_told(), other.profile_told()),
        ];
        for (code, what, expected, seen) in said.into_iter().filter(|(_, _, own, other)| own != other) {
            let expected = format!("{expected}, as the run that counts has it ({})", own.run);
            let (at, seen) = (run.at(what), format!("{seen} ({})", other.run));
            found.refuse_and_advise(code, at, expected, seen, "hand in runs of one window only");
            against.push((place, format!("of another {what} than the run that counts")));
        }
        if own.commit == other.commit && own.dirty != other.dirty {
            let state = |facts: &Facts| if facts.dirty { "with changes" } else { "as the commit has it" };
            let expected = format!("{}, as for the run that counts ({})", state(own), own.run);
            let seen = format!("{} ({})", state(other), other.run);
            found.warn(Code::TreesDiffer, run.at("work tree"), expected, seen);
        }
    }
    for (place, why) in against {
        runs[place].against = Some(why);
    }
}

/// Red that the run that counts does not show.
fn tell_reds(runs: &[Run<'_>], counting: usize, standing: &BTreeSet<usize>, found: &mut Findings) {
    let own = &runs[counting].id;
    for (place, run) in runs.iter().enumerate().filter(|(place, _)| *place != counting) {
        let Some(facts) = run.reliable().filter(|facts| facts.red && facts.fault.is_none()) else { continue };
        let (id, verb) = (&facts.run, &facts.verb);
        let outcome = facts.outcome;
        if standing.contains(&place) {
            let expected = format!("passed: it is the latest {verb}, and stands beside {own}");
            found.refuse(Code::RunBesideRed, run.at("the run"), expected, format!("{outcome} ({id})"));
        } else if place < counting && !run.may_count() {
            let seen = format!("{outcome}, with something red, after {own}: {} ({id})", run.why());
            let at = run.at("the run");
            found.refuse_and_advise(
                Code::LaterRunRed,
                at,
                "without anything red",
                seen,
                "run all gates again",
            );
        } else if run.may_count() && facts.outcome == Outcome::Failed {
            let seen = format!("failed ({id}), and {own} counts, which began later");
            found.warn(Code::EarlierRunFailed, run.at("the run"), "passed", seen);
        }
    }
}

/// A run's row.
fn judged(runs: &[Run<'_>], place: usize, counting: Option<usize>, standing: &BTreeSet<usize>) -> JudgedRun {
    let run = &runs[place];
    let outcome = match (run.is_intact(), &run.facts) {
        (true, Some(facts)) => facts.outcome.as_str(),
        _ => "not intact",
    };
    let why = match (&run.against, counting) {
        (Some(against), _) => against.clone(),
        (None, Some(counts)) if counts == place => why_it_counts(runs, place),
        (None, Some(_)) if standing.contains(&place) => {
            let verb = run.facts.as_ref().map_or("its verb", |facts| &facts.verb);
            format!("stands beside the run that counts: the latest {verb}")
        }
        (None, Some(_)) => format!("superseded by {}", newer(runs, place)),
        (None, None) => "no run counts".to_owned(),
    };
    JudgedRun {
        run: run.id.clone(),
        folder: run.folder(),
        manifest_sha256: run.bundle.manifest_sha256.clone(),
        started: run.started(),
        outcome: outcome.to_owned(),
        counts: counting == Some(place),
        why,
    }
}

/// The latest run of the same verb that may count.
fn newer<'a>(runs: &'a [Run<'_>], place: usize) -> &'a RunId {
    let verb = |place: usize| runs[place].facts.as_ref().map(|facts| &facts.verb);
    let newest = (0..place).find(|newer| runs[*newer].may_count() && verb(*newer) == verb(place));
    &runs[newest.unwrap_or(place)].id
}

fn why_it_counts(runs: &[Run<'_>], place: usize) -> String {
    let verb = |run: &Run<'_>| run.facts.as_ref().map(|facts| facts.verb.clone());
    let own = verb(&runs[place]);
    let older = runs[place + 1..].iter().filter(|run| run.may_count() && verb(run) == own);
    let older: Vec<_> = older.filter_map(|run| run.facts.as_ref()).collect();
    let failed = older.iter().filter(|facts| facts.outcome == Outcome::Failed).count();
    match (older.len(), failed) {
        (0, _) => "the only one that may".to_owned(),
        (older, 0) => format!("the latest of {}", older + 1),
        (older, failed) => format!("the latest of {}, {failed} of which failed before", older + 1),
    }
}
