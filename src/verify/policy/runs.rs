//! A bundle with what its journals say: its own run, or the shards that it was merged of, and the runs within those.

use crate::evidence::RunView;
use crate::journal;
use crate::model::event::{RunStarted, Source};
use crate::verify::bundle::Bundle;
use crate::verify::code::Code;
use crate::verify::finding::{Evidence, Findings, Place, Severity};
use std::collections::BTreeSet;

/// A bundle and its runs.
pub(super) struct Run<'a> {
    pub bundle: &'a Bundle,
    /// Those whose journals can be read: the bundle's own first.
    pub views: Vec<View<'a>>,
    /// What is missing of what its manifest says; nothing where all is there.
    lacks: Option<String>,
}

/// A run of a bundle.
pub(super) struct View<'a> {
    /// Its journal's path in the bundle.
    pub path: &'a str,
    pub run: RunView<'a>,
    /// Whether it stands for itself, in the folder of no other.
    pub top: bool,
}

impl<'a> Run<'a> {
    pub fn of(bundle: &'a Bundle) -> Run<'a> {
        let paths: Vec<&str> = bundle.journals.iter().map(|journal| journal.path.as_str()).collect();
        let views = bundle.journals.iter().filter_map(|journal| {
            let run = RunView::of(&journal.records).ok()?;
            Some(View { path: &journal.path, run, top: is_top(&journal.path, &paths) })
        });
        let views: Vec<_> = views.collect();
        let lacks = lacks(bundle, &views);
        Run { bundle, views, lacks }
    }

    /// The runs that stand for themselves: one, or the shards.
    pub fn tops(&self) -> impl Iterator<Item = &View<'a>> {
        self.views.iter().filter(|view| view.top)
    }

    /// What the run set out to do; of shards, the first.
    pub fn started(&self) -> Option<&'a RunStarted> {
        self.tops().next().map(|top| top.run.started)
    }

    /// The state of the repository that it was made from, where that is known of all of it, and one and the same.
    pub fn source(&self) -> Option<&'a Source> {
        let mut sources = self.tops().map(|top| top.run.provenance.and_then(|made| made.source.as_ref()));
        let first = sources.next()??;
        let same = |source: Option<&Source>| {
            source.is_some_and(|source| (&source.commit, source.dirty) == (&first.commit, first.dirty))
        };
        sources.all(same).then_some(first)
    }

    /// Whether nothing stands against it as a bundle: what it says may be relied on.
    pub fn is_intact(&self) -> bool {
        self.lacks.is_none() && !self.is_refused()
    }

    /// Whether every journal that its manifest lists is there.
    pub fn is_whole(&self) -> bool {
        self.lacks.is_none()
    }

    fn is_refused(&self) -> bool {
        let told = self.bundle.findings.iter().map(|finding| finding.severity);
        told.chain(self.bundle.more.iter().map(|more| more.severity))
            .any(|severity| severity == Severity::Error)
    }

    /// Refuses a bundle that is not all there, where whoever read it did not.
    pub fn is_there(&self, found: &mut Findings) {
        if let Some(lacks) = self.lacks.as_ref().filter(|_| !self.is_refused()) {
            let place =
                Place::in_file(Evidence::Bundle, self.bundle.folder.display().to_string(), "the bundle");
            found.refuse(Code::FileMissing, place, "all that its manifest lists", lacks.clone());
        }
    }

    /// A place in a journal.
    pub fn at(&self, view: &View<'_>, subject: impl Into<String>) -> Place {
        let file = self.bundle.folder.join(view.path).display().to_string();
        Place::in_file(Evidence::Gate, file, subject)
    }

    /// The bundle as a place.
    pub fn here(&self, subject: impl Into<String>) -> Place {
        Place::in_file(Evidence::Gate, self.bundle.folder.display().to_string(), subject)
    }

    /// Whether only a selection of the plan's gates has results. Shards that are all there have them all.
    pub fn is_partial(&self) -> bool {
        self.tops().any(|top| top.run.partial() || top.run.started.partition.is_some())
            && !self.is_merged_whole()
    }

    /// Whether these are all shards of one plan, and every gate of it is a result of exactly one of them.
    fn is_merged_whole(&self) -> bool {
        let parts: Option<Vec<_>> = self.tops().map(|top| top.run.started.partition.as_ref()).collect();
        let (Some(parts), Some(first)) = (parts, self.started()) else { return false };
        let total = parts.first().map_or(0, |part| part.total);
        let indexes: BTreeSet<u32> = parts.iter().map(|part| part.index).collect();
        let numbered = parts.len() == total as usize
            && parts.iter().all(|part| part.total == total)
            && indexes.into_iter().eq(1..=total);
        numbered
            && self.tops().all(|top| top.run.started.gates == first.gates)
            && first.gates.iter().all(|gate| {
                let has = |top: &&View<'_>| top.results().any(|view| view.gate.id == gate.id);
                self.tops().filter(has).count() == 1
            })
    }
}

impl<'a> View<'a> {
    /// The gates that it has results of: not those that a selection left out, nor those that ran in a shard only because
    /// others needed them.
    pub fn results(&self) -> impl Iterator<Item = &crate::evidence::GateView<'a>> {
        self.run.selected().filter(|view| !self.is_setup(&view.gate.id))
    }

    /// Whether a gate ran only because others needed it.
    pub fn is_setup(&self, gate: &crate::model::GateId) -> bool {
        self.run.started.partition.as_ref().is_some_and(|part| part.setup.contains(gate))
    }
}

/// Whether a journal is in the folder of no other.
fn is_top(path: &str, paths: &[&str]) -> bool {
    let folder = |path: &str| path.strip_suffix(journal::FILE).unwrap_or_default().to_owned();
    !paths.iter().any(|other| *other != path && path.starts_with(&folder(other)))
}

fn lacks(bundle: &Bundle, views: &[View<'_>]) -> Option<String> {
    let Some(manifest) = &bundle.manifest else { return Some("no manifest".to_owned()) };
    if bundle.manifest_sha256.is_none() {
        return Some("no digest of the manifest".to_owned());
    }
    if views.is_empty() {
        return Some("no journal".to_owned());
    }
    if views.len() != bundle.journals.len() {
        return Some("a journal that contradicts itself".to_owned());
    }
    let there = |path: &str, head: &str, entries: usize| {
        let is_it = |view: &View<'_>| (view.path, view.run.entries) == (path, entries);
        views.iter().any(|view| is_it(view) && view.run.head.to_string() == head)
    };
    let mut listed = manifest.journals.iter();
    let missing = listed.find(|listed| !there(&listed.path, &listed.head, listed.entries))?;
    Some(format!("not the journal {} with the head {}", missing.path, missing.head))
}
