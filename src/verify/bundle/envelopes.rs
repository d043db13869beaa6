//! The envelopes beside a bundle. They are only read here. One that can't be read signs nothing, and that is for
//! whoever asks for its signature to refuse: it is no fault of the bundle.

use super::Checks;
use crate::bundle::SIGNATURES;
use crate::verify::code::Code;
use crate::verify::finding::Evidence;

/// The largest envelope, in bytes.
const LARGEST: u64 = 4 << 20;
/// How many are read.
const MOST: usize = 100;

pub(super) fn read(checks: &mut Checks<'_>) -> Vec<(String, Vec<u8>)> {
    let folder = checks.folder.join(SIGNATURES);
    // A link in its place is an added file, which is told.
    if !std::fs::symlink_metadata(&folder).is_ok_and(|about| about.is_dir()) {
        return Vec::new();
    }
    let mut names = match std::fs::read_dir(&folder) {
        Ok(entries) => entries
            .take(2 * MOST)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect::<Vec<_>>(),
        Err(error) => {
            unread(checks, SIGNATURES, &error.to_string());
            return Vec::new();
        }
    };
    names.sort();
    let mut envelopes = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        let path = format!("{SIGNATURES}/{name}");
        match checks.bytes(&path, LARGEST) {
            _ if place >= MOST => unread(checks, &path, &format!("behind {MOST} others")),
            Ok(bytes) => envelopes.push((path, bytes)),
            Err(error) => unread(checks, &path, &error.to_string()),
        }
    }
    envelopes
}

fn unread(checks: &mut Checks<'_>, path: &str, why: &str) {
    let at = checks.at(Evidence::Signature, path, "an envelope");
    checks.found.warn(Code::EnvelopeUnread, at, "a small regular file", why);
}
