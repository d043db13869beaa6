//! Whether runs are the shards of one: made of the same, all there, none twice, and each gate reported by the shard
//! that it belongs to.

use super::super::view::{RunView, ServiceState};
use crate::journal::End;
use crate::model::event::RunStarted;
use crate::model::{GateId, RunId, Shard};
use std::collections::BTreeSet;
use std::fmt;

/// Why runs are not the shards of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is none.
    #[error("expected the runs of all shards, and there is none")]
    None,
    /// A run that is no shard.
    #[error("{run}: expected the run of a shard, made with --partition, and it is none")]
    NoShard {
        /// Which.
        run: RunId,
    },
    /// A run whose id can't be a folder's name, or is another's too.
    #[error("{}: expected a run's id of its own, of letters, digits and `-`", run.as_str().escape_debug())]
    BadName {
        /// Which.
        run: RunId,
    },
    /// A run without an end.
    #[error("{run}: expected a run that has ended, and its journal has no end: it was killed or still runs")]
    Unfinished {
        /// Which.
        run: RunId,
    },
    /// A run that is not made as the first one is.
    #[error("{run}: expected {what} {expected}, as of {of}, and saw {seen}")]
    Differs {
        /// In what.
        what: Differing,
        /// Which.
        run: RunId,
        /// The one that it was compared with.
        of: RunId,
        /// What that one has.
        expected: String,
        /// What it has.
        seen: String,
    },
    /// Two runs of one shard.
    #[error("shard {shard} is there twice: {first} and {second}; expected one of them")]
    Twice {
        /// Which.
        shard: Shard,
        /// One run.
        first: RunId,
        /// The other.
        second: RunId,
    },
    /// No run of a shard.
    #[error("shard {shard} is missing: expected its run's folder")]
    Missing {
        /// Which.
        shard: Shard,
    },
    /// A gate that is reported by a shard that it does not belong to.
    #[error(
        "{run}: gate `{gate}` belongs to shard {belongs}, and is reported by shard {shard} too: expected it once"
    )]
    GateElsewhere {
        /// Which gate.
        gate: GateId,
        /// Its shard.
        belongs: Shard,
        /// The other shard.
        shard: Shard,
        /// Its run.
        run: RunId,
    },
    /// A gate that its shard does not report.
    #[error("{run}: gate `{gate}` belongs to shard {shard}, which does not report it")]
    GateMissing {
        /// Which gate.
        gate: GateId,
        /// Its shard.
        shard: Shard,
        /// Its run.
        run: RunId,
    },
}

/// In what shards must not differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Differing {
    /// How many shards there are.
    Total,
    /// The commit.
    Commit,
    /// The profile's digest.
    Profile,
    /// The environment.
    Environment,
    /// The gates.
    Plan,
    /// What was selected of them.
    Selection,
    /// Who gave the services.
    Provisioner,
    /// What a service is.
    Service,
    /// Whether anything was touched.
    DryRun,
    /// The verb.
    Verb,
    /// cutproof's version.
    Tool,
}

impl Differing {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Differing::Total => "number of shards",
            Differing::Commit => "commit",
            Differing::Profile => "profile",
            Differing::Environment => "environment",
            Differing::Plan => "plan",
            Differing::Selection => "selection",
            Differing::Provisioner => "provisioner",
            Differing::Service => "service",
            Differing::DryRun => "dry run",
            Differing::Verb => "verb",
            Differing::Tool => "cutproof",
        }
    }
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run and the shard that it is.
pub(super) type Part<'a> = (Shard, &'a RunView<'a>);

/// The shard of a run.
pub(super) fn shard_of(run: &RunView<'_>) -> Result<Shard, Misfit> {
    let started = run.started;
    let id = || started.run.clone();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let name = started.run.as_str();
    if !(1..=100).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(Misfit::BadName { run: id() });
    }
    // Only gates are shared out.
    let more = started.switch.is_some()
        || started.watch.is_some()
        || started.readiness.is_some()
        || started.rehearses
        || started.parent.is_some();
    let shard = started.partition.as_ref().and_then(|partition| partition.shard().ok());
    let shard = shard.filter(|_| !more).ok_or_else(|| Misfit::NoShard { run: id() })?;
    match run.end == End::Finished && run.ended.is_some() {
        true => Ok(shard),
        false => Err(Misfit::Unfinished { run: id() }),
    }
}

/// In what runs are not made as the first of them.
pub(super) fn differing(shards: &[Part<'_>]) -> Vec<Misfit> {
    let Some(((_, first), others)) = shards.split_first() else { return Vec::new() };
    others.iter().flat_map(|(_, run)| differing_from(first, run)).collect()
}

fn differing_from(first: &RunView<'_>, run: &RunView<'_>) -> Vec<Misfit> {
    let (of, is) = (first.started, run.started);
    let mut found = Vec::new();
    let mut compare = |what: Differing, expected: String, seen: String| {
        if expected != seen {
            let (run, of) = (is.run.clone(), of.run.clone());
            found.push(Misfit::Differs { what, run, of, expected, seen });
        }
    };
    let text = |text: &str| format!("`{text}`");
    compare(Differing::Total, total(of), total(is));
    compare(Differing::Commit, commit(first), commit(run));
    compare(Differing::Profile, profile(of), profile(is));
    compare(Differing::Environment, text(&of.environment), text(&is.environment));
    compare(Differing::Selection, selection(of), selection(is));
    compare(Differing::Provisioner, text(&of.provisioner), text(&is.provisioner));
    compare(Differing::DryRun, of.dry_run.to_string(), is.dry_run.to_string());
    compare(Differing::Verb, text(&of.verb), text(&is.verb));
    compare(Differing::Tool, text(&of.tool), text(&is.tool));
    if let Some((expected, seen)) = plan(of, is) {
        compare(Differing::Plan, expected, seen);
    }
    for name in first.services.keys() {
        if let Some((expected, seen)) = product(first, name).zip(product(run, name)) {
            compare(Differing::Service, expected, seen);
        }
    }
    found
}

fn total(started: &RunStarted) -> String {
    started.partition.as_ref().map_or_else(|| "none".to_owned(), |partition| partition.total.to_string())
}

fn commit(run: &RunView<'_>) -> String {
    let source = run.provenance.and_then(|provenance| provenance.source.as_ref());
    source.map_or_else(|| "an unknown one".to_owned(), |source| source.commit.clone())
}

fn profile(started: &RunStarted) -> String {
    let file = started.profile.as_ref();
    file.map_or_else(|| "none".to_owned(), |file| format!("{} (SHA-256 {})", file.path, file.sha256))
}

fn selection(started: &RunStarted) -> String {
    started.selection.as_ref().map_or_else(|| "of all gates".to_owned(), |words| format!("`{words}`"))
}

/// The first gates that differ, or how many there are.
fn plan(of: &RunStarted, is: &RunStarted) -> Option<(String, String)> {
    match of.gates.iter().zip(&is.gates).find(|(of, is)| of != is) {
        Some((of, is)) if of.id == is.id => {
            Some((format!("with gate `{}` of {}", of.id, of.at), "one with other settings".to_owned()))
        }
        Some((of, is)) => Some((format!("with gate `{}`", of.id), format!("`{}` in its place", is.id))),
        None if of.gates.len() == is.gates.len() => None,
        None => Some((format!("of {} gates", of.gates.len()), format!("{}", is.gates.len()))),
    }
}

/// What a service is, where the run reached it and it said so.
fn product(run: &RunView<'_>, name: &str) -> Option<String> {
    match run.services.get(name)?.state {
        ServiceState::Ready(ready) => ready.product.as_ref().map(|product| format!("{name} is {product}")),
        ServiceState::Unknown | ServiceState::Failed { .. } => None,
    }
}

/// Shards that are there twice, and those that are not there.
pub(super) fn gaps(shards: &[Part<'_>]) -> Vec<Misfit> {
    let mut found = Vec::new();
    for pair in shards.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let [first, second] = [&pair[0], &pair[1]].map(|(_, run)| run.started.run.clone());
        found.push(Misfit::Twice { shard: pair[0].0, first, second });
    }
    let mut names = BTreeSet::new();
    let again = shards.iter().filter(|(_, run)| !names.insert(&run.started.run));
    found.extend(again.map(|(_, run)| Misfit::BadName { run: run.started.run.clone() }));
    let there: BTreeSet<u32> = shards.iter().map(|(shard, _)| shard.index()).collect();
    let total = shards.first().map_or(0, |(shard, _)| shard.total());
    let missing = (1..=total).filter(|index| !there.contains(index));
    found.extend(
        missing.filter_map(|index| Shard::new(index, total).ok()).map(|shard| Misfit::Missing { shard }),
    );
    found
}

/// Gates that another shard than their own reports, or that their own does not report. The shards are all there, by
/// index.
pub(super) fn astray(shards: &[Part<'_>]) -> Vec<Misfit> {
    let mut found = Vec::new();
    for (shard, run) in shards {
        for (place, view) in run.gates.iter().enumerate() {
            let belongs = Shard::of(&view.gate.id, shard.total());
            let (gate, shard, run) = (view.gate.id.clone(), *shard, run.started.run.clone());
            if belongs != shard && view.selected {
                found.push(Misfit::GateElsewhere { gate, belongs, shard, run });
            } else if belongs == shard && !view.selected {
                // A selection leaves a gate out everywhere.
                let elsewhere = shards.iter().any(|(_, other)| other.gates[place].set_up);
                let of_all = shards.iter().all(|(_, other)| other.started.selection.is_none());
                if of_all || elsewhere {
                    found.push(Misfit::GateMissing { gate, shard, run });
                }
            }
        }
    }
    found
}
