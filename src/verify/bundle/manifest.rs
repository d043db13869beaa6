//! Reading a manifest, and the paths in it: whoever made it may want us to read what is not of the bundle.

use super::Checks;
use crate::bundle::{MANIFEST_FILE, Manifest, PROJECTION, VERSION, is_plain};
use crate::journal::Digest;
use crate::verify::code::Code;
use crate::verify::finding::{Evidence, Place};
use crate::verify::meaning::no_key_twice;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::ErrorKind;
use unicode_normalization::UnicodeNormalization;

/// The largest manifest, in bytes: that of 200,000 files.
pub const LARGEST: u64 = 64 << 20;

pub(super) enum Read {
    /// What it says may be wrong, but it is one.
    Whole { manifest: Box<Manifest>, sha256: String },
    /// There is none.
    NotThere,
    /// Why was told.
    Refused,
}

/// What stands first in every version.
#[derive(Deserialize)]
struct Head {
    projection: String,
    version: u64,
}

pub(super) fn read(checks: &mut Checks<'_>) -> Read {
    let at = checks.at(Evidence::Manifest, MANIFEST_FILE, "the manifest");
    let bytes = match checks.bytes(MANIFEST_FILE, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Read::NotThere,
        Err(error) => {
            checks.refuse(Code::ManifestUnreadable, at, "a file with JSON", error.to_string());
            return Read::Refused;
        }
        Ok(bytes) => bytes,
    };
    match parse(&bytes) {
        Ok(manifest) => {
            paths(checks, &manifest);
            Read::Whole { manifest: Box::new(manifest), sha256: Digest::of(&bytes).to_string() }
        }
        Err(Fault::Version(version)) => {
            let at = Place { subject: "version".to_owned(), ..at };
            let advice = "use the cutproof that wrote it";
            let found = &mut checks.found;
            found.refuse_and_advise(Code::UnknownProjection, at, VERSION.to_string(), version, advice);
            Read::Refused
        }
        Err(Fault::Json(error)) => {
            let at = if error.line() > 0 { at.line(error.line()) } else { at };
            checks.refuse(
                Code::ManifestUnreadable,
                at,
                "a manifest as cutproof writes it",
                error.to_string(),
            );
            Read::Refused
        }
    }
}

enum Fault {
    Version(String),
    Json(serde_json::Error),
}

/// The version comes before everything else: another one may have other keys.
fn parse(bytes: &[u8]) -> Result<Manifest, Fault> {
    no_key_twice(bytes).map_err(Fault::Json)?;
    let head: Head = serde_json::from_slice(bytes).map_err(Fault::Json)?;
    if head.projection == PROJECTION && head.version != u64::from(VERSION) {
        return Err(Fault::Version(head.version.to_string()));
    }
    serde_json::from_slice(bytes).map_err(Fault::Json)
}

/// Refuses paths that lead out, that nobody can read, and that are one and the same where case or Unicode's forms
/// don't count.
fn paths(checks: &mut Checks<'_>, manifest: &Manifest) {
    let mut known: HashMap<String, &str> = HashMap::with_capacity(manifest.files.len());
    let mut before = None;
    for file in &manifest.files {
        let path = file.path.as_str();
        let mut refuse = |expected: &str, seen: String| {
            let at = checks.at(Evidence::Manifest, MANIFEST_FILE, "a path in `files`");
            checks.refuse(Code::UnsafePath, at, expected, seen);
        };
        if !is_good(path) {
            let expected = "a path below the folder, of visible characters, with / between its parts";
            refuse(expected, format!("{path:?}"));
        }
        let folded: String = path.nfc().flat_map(char::to_lowercase).nfc().collect();
        if let Some(other) = known.insert(folded, path) {
            let expected = "another path than every other one, on any file system";
            refuse(expected, format!("{path:?}, and {other:?} before it"));
        } else if before.is_some_and(|before| before > path) {
            refuse("in the order of paths", format!("{path:?} behind {:?}", before.unwrap_or_default()));
        }
        before = Some(path);
    }
}

/// Whether a path of a manifest leads nowhere but into the bundle, and everybody reads it alike.
pub(super) fn is_good(path: &str) -> bool {
    is_plain(path) && !path.contains('\\') && crate::evidence::text::visible(path) == path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_the_bundle_or_are_refused() {
        for good in ["a", "runs/x/journal.jsonl", ".hidden", "a b", "报告/é.txt"] {
            assert!(is_good(good), "{good}");
        }
        let bad =
            ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b", "a\nb", "a\u{202e}b"];
        for bad in bad {
            assert!(!is_good(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_version_is_looked_at_before_anything_else() {
        let later = br#"{"projection":"manifest","version":2,"anything":{"new":true}}"#;
        assert!(matches!(parse(later), Err(Fault::Version(version)) if version == "2"));
        for none in [&b"{}"[..], b"[]", b"", b"{\"projection\":\"other\",\"version\":2}", b"\xff"] {
            assert!(matches!(parse(none), Err(Fault::Json(_))));
        }
        let twice = br#"{"projection":"manifest","version":1,"version":2}"#;
        let Err(Fault::Json(error)) = parse(twice) else { panic!("it was accepted") };
        assert!(error.to_string().contains("`version` is there twice"), "{error}");
    }
}
