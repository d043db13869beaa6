//! Manifests against journals and files: all that they say besides sizes and digests can be said again.

use super::files::Seen;
use super::journals::View;
use super::manifest::LARGEST;
use super::{Checks, run_folder};
use crate::bundle::{File, MANIFEST_FILE, Manifest, PROJECTION, Role, VERSION, describe, role_and_type};
use crate::verify::code::Code;
use crate::verify::finding::Evidence;
use crate::verify::meaning::{no_key_twice, values};
use serde_json::Value;

/// The bundle's own manifest, and those of the runs within it.
pub(super) fn compare(checks: &mut Checks<'_>, manifest: &Manifest, seen: &Seen, views: &[View<'_>]) {
    one(checks, MANIFEST_FILE, manifest, views);
    for (path, _) in seen.files().filter(|(path, _)| role_and_type(path).0 == Role::Manifest) {
        let folder = path.strip_suffix(MANIFEST_FILE).unwrap_or_default();
        // A journal without an end has none, and a folder that only has that name is no run's.
        if views.iter().any(|view| run_folder(view.path) == folder) {
            within(checks, path, folder, manifest, views);
        }
    }
}

/// A run within has its own manifest. Its list of files may be older than the folder: steps of the runs above may have
/// put something there since. What counts of it is as the bundle's own manifest has it.
fn within(checks: &mut Checks<'_>, path: &str, folder: &str, above: &Manifest, views: &[View<'_>]) {
    let parsed = match checks.bytes(path, LARGEST) {
        Ok(bytes) => no_key_twice(&bytes).and_then(|()| serde_json::from_slice::<Manifest>(&bytes)),
        // That it can't be read was told.
        Err(_) => return,
    };
    let manifest = match parsed {
        Ok(manifest) => manifest,
        Err(error) => {
            let at = checks.at(Evidence::Manifest, path, "the manifest").line(error.line().max(1));
            checks.refuse(
                Code::ManifestUnreadable,
                at,
                "a manifest as cutproof writes it",
                error.to_string(),
            );
            return;
        }
    };
    one(checks, path, &manifest, views);
    let counts = |file: &&File| matches!(file.role, Role::Journal | Role::Projection);
    for file in manifest.files.iter().filter(counts) {
        let whole = format!("{folder}{}", file.path);
        let known = above.files.iter().find(|other| other.path == whole);
        let digest = known.map_or("nothing", |known| known.sha256.as_str());
        if digest != file.sha256 {
            let at = checks.at(Evidence::Manifest, path, format!("the SHA-256 of {}", file.path));
            checks.refuse(Code::ManifestDiffers, at, digest, file.sha256.as_str());
        }
    }
}

fn one(checks: &mut Checks<'_>, path: &str, manifest: &Manifest, views: &[View<'_>]) {
    let folder = path.strip_suffix(MANIFEST_FILE).unwrap_or_default();
    let inside =
        views.iter().filter_map(|view| Some((view.path.strip_prefix(folder)?.to_owned(), &view.run)));
    let journals: Vec<_> = inside.collect();
    let files = manifest.files.iter().map(|file| {
        let (role, media_type) = role_and_type(&file.path);
        File { role, media_type: media_type.to_owned(), ..file.clone() }
    });
    let must = describe(&journals, files.collect());
    if must == *manifest {
        return;
    }
    let told: Vec<_> = match (serde_json::to_value(&must), serde_json::to_value(manifest)) {
        (Ok(must), Ok(is)) => values(&must, &is, None),
        (must, is) => values(&must.unwrap_or(Value::Null), &is.unwrap_or(Value::Null), None),
    };
    for difference in told {
        let at = checks.at(Evidence::Manifest, path, difference.subject);
        checks.refuse(Code::ManifestDiffers, at, difference.expected, difference.seen);
    }
    debug_assert_eq!((must.projection.as_str(), must.version), (PROJECTION, VERSION));
}
