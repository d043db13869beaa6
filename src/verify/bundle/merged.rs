//! A bundle that was merged of shards: each of them is a bundle of its own, they fit each other, and what is joined of
//! them is all that stands beside.

use super::described::read_within;
use super::files::Seen;
use super::journals::View;
use super::{Checks, run_folder};
use crate::bundle::{MANIFEST_FILE, Manifest, in_run, shards_among};
use crate::evidence::{JUNIT_FILE, Merged, Misfit, RunView, SUMMARY_FILE};
use crate::verify::code::Code;
use crate::verify::finding::Evidence;
use crate::verify::shards::tell;
use std::collections::BTreeMap;

/// The run that is joined of a bundle's shards; none where the bundle has no shards.
pub(super) fn joined<'v>(views: &'v [View<'v>]) -> Option<Result<Merged<'v>, Vec<Misfit>>> {
    of_journals(views.iter().map(|view| (view.path, &view.run)))
}

/// The same of journals with their paths.
pub(in crate::verify) fn of_journals<'v>(
    journals: impl IntoIterator<Item = (&'v str, &'v RunView<'v>)> + Clone,
) -> Option<Result<Merged<'v>, Vec<Misfit>>> {
    let shards = shards_among(journals);
    (!shards.is_empty()).then(|| Merged::of(&shards))
}

/// What a merged bundle must be besides what every bundle must be.
pub(super) fn compare(checks: &mut Checks<'_>, manifest: &Manifest, seen: &Seen, views: &[View<'_>]) {
    let Some(joined) = joined(views) else { return };
    if let Err(misfits) = joined {
        let shown = checks.shown.clone();
        misfits.iter().for_each(|misfit| tell(&mut checks.found, misfit, &|_| shown.clone()));
    }
    for (path, _) in seen.files() {
        if in_run(path).0.is_empty() && ![JUNIT_FILE, SUMMARY_FILE].contains(&path) {
            let at = checks.at(Evidence::Bundle, path, "a file beside the shards");
            checks.refuse(Code::FileAdded, at, "not there", "one that is joined of none");
        }
    }
    let own = |view: &&View<'_>| run_folder(view.path).matches('/').count() == 2;
    for view in views.iter().filter(own) {
        shard(checks, run_folder(view.path), manifest, seen);
    }
}

/// A shard's own manifest has the files that are there of it, and no others.
fn shard(checks: &mut Checks<'_>, folder: &str, above: &Manifest, seen: &Seen) {
    let path = format!("{folder}{MANIFEST_FILE}");
    if seen.get(&path).is_none() {
        let at = checks.at(Evidence::Manifest, &path, "the shard's manifest");
        return checks.refuse(Code::ManifestMissing, at, "there", "nothing");
    }
    // One that can't be read was told.
    let Some(manifest) = read_within(checks, &path) else { return };
    let digests = |manifest: &Manifest, folder: &str| -> BTreeMap<String, String> {
        let inside =
            manifest.files.iter().filter_map(|file| Some((file.path.strip_prefix(folder)?, &file.sha256)));
        inside.map(|(path, sha256)| (path.to_owned(), sha256.clone())).collect()
    };
    let mut there = digests(above, folder);
    there.remove(MANIFEST_FILE);
    let listed = digests(&manifest, "");
    for file in there.keys().chain(listed.keys().filter(|file| !there.contains_key(*file))) {
        let told =
            |of: &BTreeMap<String, String>| of.get(file).cloned().unwrap_or_else(|| "nothing".to_owned());
        if there.get(file) != listed.get(file) {
            let at = checks.at(Evidence::Manifest, &path, format!("the SHA-256 of {file}"));
            checks.refuse(Code::ManifestDiffers, at, told(&there), told(&listed));
        }
    }
}
