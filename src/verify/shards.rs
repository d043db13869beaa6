//! Shards against each other: whether they are all there, made of the same, and each gate is reported once.

use super::bundle::{Bundle, Journal};
use super::code::Code;
use super::finding::{Evidence, Finding, Findings, More, Place};
use crate::evidence::{Merged, Misfit, RunView};
use crate::journal;
use crate::model::RunId;
use std::collections::BTreeMap;

/// What refuses these bundles as the shards of one run. That each is whole by itself is judged where it is opened.
pub fn judge(bundles: &[Bundle]) -> (Vec<Finding>, Vec<More>) {
    let mut found = Findings::new([(Evidence::Bundle, "the shards".to_owned())]);
    let mut views = Vec::new();
    let mut folders: BTreeMap<RunId, String> = BTreeMap::new();
    for bundle in bundles {
        let folder = bundle.folder.display().to_string();
        let own = bundle.journals.iter().find(|journal| journal.path == journal::FILE);
        match own.map(|Journal { records, .. }| RunView::of(records)) {
            Some(Ok(view)) => {
                folders.insert(view.started.run.clone(), folder);
                views.push(view);
            }
            // That a journal contradicts itself was found when it was opened, and refuses it here too.
            Some(Err(contradiction)) => {
                let at = Place::in_file(Evidence::Journal, folder, "the journal");
                found.refuse(Code::NoShard, at, "that of a shard's run", contradiction.to_string());
            }
            None => {
                let at = Place::in_file(Evidence::Bundle, folder, "the folder");
                found.refuse(Code::NoShard, at, "that of a shard's run", "one without a journal of its own");
            }
        }
    }
    let views: Vec<&RunView<'_>> = views.iter().collect();
    if let Err(misfits) = Merged::of(&views) {
        let folder = |run: &RunId| folders.get(run).cloned().unwrap_or_else(|| run.to_string());
        misfits.iter().for_each(|misfit| tell(&mut found, misfit, &folder));
    }
    found.finish()
}

/// Tells why runs are not the shards of one; `file` says where a run is.
pub(super) fn tell(found: &mut Findings, misfit: &Misfit, file: &impl Fn(&RunId) -> String) {
    let of = |run: &RunId, subject: String| Place::in_file(Evidence::Bundle, file(run), subject);
    let nowhere = |subject: String| Place::nowhere(Evidence::Bundle, subject);
    match misfit {
        Misfit::None => {
            let at = nowhere("the shards".to_owned());
            found.refuse(Code::ShardMissing, at, "there", "none");
        }
        Misfit::NoShard { run } => {
            let (at, expected) = (of(run, "the run".to_owned()), "one of a shard, made with --partition");
            found.refuse(Code::NoShard, at, expected, "one that is none");
        }
        Misfit::BadName { run } => {
            let expected = "of letters, digits and `-`, and of one run only";
            let seen = run.as_str().escape_debug().to_string();
            found.refuse(Code::RunIdUnusable, of(run, "the run's id".to_owned()), expected, seen);
        }
        Misfit::Unfinished { run } => {
            let at = of(run, "the run".to_owned());
            let advice = "run this shard again";
            found.refuse_and_advise(Code::RunUnfinished, at, "ended", "a journal without an end", advice);
        }
        Misfit::Differs { what, run, of: other, expected, seen } => {
            let expected = format!("{expected}, as of {other}");
            found.refuse(Code::ShardsDiffer, of(run, format!("the {what}")), expected, seen.as_str());
        }
        Misfit::Twice { shard, first, second } => {
            let advice = "hand in the one that counts: each shard is one run";
            let seen = format!("{first} and {second}");
            found.refuse_and_advise(
                Code::ShardTwice,
                of(second, format!("shard {shard}")),
                "one run",
                seen,
                advice,
            );
        }
        Misfit::Missing { shard } => {
            let advice =
                format!("hand in the folder of its run too, or run it again with --partition {shard}");
            let (at, expected) = (nowhere(format!("shard {shard}")), "there: its run's folder");
            found.refuse_and_advise(Code::ShardMissing, at, expected, "nothing: it is missing", advice);
        }
        Misfit::GateElsewhere { gate, belongs, shard, run } => {
            let at = of(run, format!("gate {gate}"));
            let expected = format!("reported once, by shard {belongs}");
            found.refuse(Code::GateOfOtherShard, at, expected, format!("also reported by shard {shard}"));
        }
        Misfit::GateMissing { gate, shard, run } => {
            let at = of(run, format!("gate {gate}"));
            found.refuse(Code::GateNotReported, at, format!("reported by its shard {shard}"), "left out");
        }
    }
}
