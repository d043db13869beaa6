//! Shards' runs joined into the one that they are together. Each journal stays what it is; the joined run is a view
//! of all of them, and everything that is written of it is the projection of that view. It has no clock and no names of
//! its own, so that the same shards give the same run, in whatever order they come.

mod fit;

pub use fit::{Differing, Misfit};

use super::verdict::{Outcome, verdict};
use super::view::{GateView, RunEnd, RunView, ServiceState, ServiceView};
use crate::journal::{Digest, End};
use crate::model::event::{Provenance, RunStarted, Source};
use crate::model::time::millis;
use crate::model::{Args, Counts, RunId, Shard, Stamp, Verdict};
use fit::Part;
use std::collections::{BTreeMap, BTreeSet};

/// So many paths that differ from the commit are told.
const MOST_CHANGED: usize = 10;

/// The folder, in a merged bundle's, of the shards' folders, each under the name of its run.
pub const SHARDS: &str = "shards";

/// Shards that fit each other and are all there.
#[derive(Debug)]
pub struct Merged<'a> {
    started: RunStarted,
    provenance: Option<Provenance>,
    head: Digest,
    end: RunEnd,
    /// By index.
    shards: Vec<Part<'a>>,
}

/// A shard, as the run that was joined from it knows it.
#[derive(Debug)]
pub struct ShardView<'a> {
    /// Which.
    pub shard: Shard,
    /// What it set out to do.
    pub started: &'a RunStarted,
    /// What it is worth by itself.
    pub outcome: Outcome,
    /// How many gates are its own.
    pub gates: usize,
    /// What it ran only because its own gates need it.
    pub set_up: Vec<GateView<'a>>,
    /// How many entries its journal has.
    pub entries: usize,
    /// The digest of the last one.
    pub head: Digest,
    /// When it ended.
    pub completed: Stamp,
}

impl ShardView<'_> {
    /// Its folder, in that of the merged bundle.
    pub fn folder(&self) -> String {
        format!("{SHARDS}/{}", self.started.run)
    }
}

impl<'a> Merged<'a> {
    /// Joins the runs of all shards, in any order.
    ///
    /// # Errors
    /// Everything that does not fit, where something does not: runs that are no shards or have no end; that differ in
    /// what they were made of; a shard that is there twice, or not at all; a gate that not exactly its own shard
    /// reports.
    pub fn of(runs: &[&'a RunView<'a>]) -> Result<Merged<'a>, Vec<Misfit>> {
        let (mut shards, mut misfits): (Vec<Part<'a>>, Vec<Misfit>) = (Vec::new(), Vec::new());
        for run in runs {
            match fit::shard_of(run) {
                Ok(shard) => shards.push((shard, run)),
                Err(misfit) => misfits.push(misfit),
            }
        }
        shards.sort_by(|(a, one), (b, other)| (a, &one.started.run).cmp(&(b, &other.started.run)));
        misfits.extend(fit::differing(&shards));
        // What is not of one plan has no gaps and no gates to compare.
        if misfits.is_empty() {
            misfits.extend(fit::gaps(&shards));
        }
        if misfits.is_empty() {
            misfits.extend(fit::astray(&shards));
        }
        match ends(&shards) {
            Some(ends) if misfits.is_empty() => Ok(join(shards, &ends)),
            None if misfits.is_empty() => Err(vec![Misfit::None]),
            _ => Err(misfits),
        }
    }

    /// The shards' runs, by index.
    pub fn shards(&self) -> impl Iterator<Item = &'a RunView<'a>> {
        self.shards.iter().map(|(_, run)| *run)
    }

    /// The run that they are together.
    pub fn view(&self) -> RunView<'_> {
        RunView {
            started: &self.started,
            provenance: self.provenance.as_ref(),
            gates: gates(&self.shards),
            services: services(&self.shards),
            watch: None,
            switch: None,
            rehearsed: None,
            interrupted: self.shards().find_map(|run| run.interrupted),
            ended: Some(self.end),
            end: End::Finished,
            head: self.head,
            entries: self.shards().map(|run| run.entries).sum(),
            last: self.end.at,
            shards: self.shards.iter().map(|(shard, run)| shard_view(*shard, run)).collect(),
        }
    }
}

/// The shards' ends, where there are any shards.
fn ends(shards: &[Part<'_>]) -> Option<Vec<RunEnd>> {
    let ends: Option<Vec<RunEnd>> = shards.iter().map(|(_, run)| run.ended).collect();
    ends.filter(|ends| !ends.is_empty())
}

fn join<'a>(shards: Vec<Part<'a>>, ends: &[RunEnd]) -> Merged<'a> {
    let head = head(&shards);
    let mut started = shards[0].1.started.clone();
    let began = shards.iter().map(|(_, run)| run.started.started).min().unwrap_or(started.started);
    started.run = RunId::from_text(&format!("{}-merge-{:.8}", began.compact(), head.to_string()));
    started.started = began;
    started.host = distinct(shards.iter().map(|(_, run)| run.started.host.as_str()));
    started.partial = started.selection.is_some();
    started.partition = None;
    // Asked for once, it is asked of all: what is joined is no better than any of them.
    started.fail_on_flaky = shards.iter().any(|(_, run)| run.started.fail_on_flaky);
    started.bootstrap = Args::default();
    let left_out = gates(&shards).into_iter().filter(|gate| !gate.selected);
    started.not_selected = left_out.map(|gate| gate.gate.id.clone()).collect();
    for (_, run) in &shards {
        started.services.extend(run.started.services.clone());
        started.steps.extend(run.started.steps.clone());
    }
    Merged { provenance: provenance(&shards), end: end(ends, began), head, started, shards }
}

/// What stands for the journals' heads: the SHA-256 of all of them, sorted, in hex, one a line.
fn head(shards: &[Part<'_>]) -> Digest {
    let heads: BTreeSet<String> = shards.iter().map(|(_, run)| format!("{}\n", run.head)).collect();
    Digest::of(heads.into_iter().collect::<String>().as_bytes())
}

/// From the first start to the last end.
fn end(ends: &[RunEnd], began: Stamp) -> RunEnd {
    let mut counts = Counts::default();
    for end in ends {
        counts.passed += end.counts.passed;
        counts.skipped += end.counts.skipped;
        counts.inconclusive += end.counts.inconclusive;
        counts.error += end.counts.error;
        counts.failed += end.counts.failed;
    }
    let at = ends.iter().map(|end| end.at).max().unwrap_or(began);
    let verdict = ends.iter().map(|end| end.verdict).max().unwrap_or(Verdict::Error);
    RunEnd { verdict, counts, duration_ms: millis(at.since(began)), at }
}

/// Each gate as the shard that it belongs to tells of it, in the plan's order.
fn gates<'a>(shards: &[Part<'a>]) -> Vec<GateView<'a>> {
    let by_index: BTreeMap<u32, &RunView<'a>> =
        shards.iter().map(|(shard, run)| (shard.index(), *run)).collect();
    let (first, run) = shards[0];
    let of_place = |place: usize| {
        let shard = Shard::of(&run.gates[place].gate.id, first.total());
        by_index.get(&shard.index()).map(|run| run.gates[place].clone())
    };
    (0..run.gates.len()).filter_map(of_place).collect()
}

/// Each service as the first shard has it that could not reach it, or else that could.
fn services<'a>(shards: &[Part<'a>]) -> BTreeMap<&'a str, ServiceView<'a>> {
    let mut services: BTreeMap<&str, ServiceView<'a>> = BTreeMap::new();
    for (name, view) in shards.iter().flat_map(|(_, run)| &run.services) {
        let known = services.entry(*name).or_insert_with(|| view.clone());
        if rank(&view.state) > rank(&known.state) {
            *known = view.clone();
        }
    }
    services
}

fn rank(state: &ServiceState<'_>) -> u8 {
    match state {
        ServiceState::Unknown => 0,
        ServiceState::Ready(_) => 1,
        ServiceState::Failed { .. } => 2,
    }
}

/// What all shards were made with and from; where they differ, that is said.
fn provenance(shards: &[Part<'_>]) -> Option<Provenance> {
    let told: Vec<&Provenance> = shards.iter().filter_map(|(_, run)| run.provenance).collect();
    let first = *told.first()?;
    let same_tool =
        told.len() == shards.len() && told.iter().all(|other| other.tool_sha256 == first.tool_sha256);
    let mut unknown: BTreeSet<String> = told.iter().flat_map(|other| other.unknown.clone()).collect();
    if !same_tool {
        unknown.insert("the shards were not all made with one executable".to_owned());
    }
    Some(Provenance {
        tool_sha256: first.tool_sha256.clone().filter(|_| same_tool),
        source: first.source.as_ref().map(|source| {
            let sources = || told.iter().filter_map(|other| other.source.as_ref());
            let changed: BTreeSet<String> = sources().flat_map(|source| source.changed.clone()).collect();
            Source {
                commit: source.commit.clone(),
                dirty: sources().any(|source| source.dirty),
                changed: changed.into_iter().take(MOST_CHANGED).collect(),
            }
        }),
        unknown: unknown.into_iter().collect(),
    })
}

fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: BTreeSet<&str> = texts.collect();
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

fn shard_view<'a>(shard: Shard, run: &'a RunView<'a>) -> ShardView<'a> {
    ShardView {
        shard,
        started: run.started,
        outcome: verdict(run).verdict,
        gates: run.selected().count(),
        set_up: run.set_up().cloned().collect(),
        entries: run.entries,
        head: run.head,
        completed: run.ended.map_or(run.last, |end| end.at),
    }
}

#[cfg(test)]
mod tests;
