//! The files of a folder against its manifest: missing, added, changed, cut off, renamed, or something else in their
//! place. Sizes are compared first, so that no file is read that is not as large as it must be.

use super::manifest::is_good;
use super::{Checks, kind_of};
use crate::bundle::{
    File, Found, Kind, MANIFEST_FILE, Manifest, Role, WalkError, digest_file, digest_files, role_and_type,
    walk,
};
use crate::verify::code::Code;
use crate::verify::finding::Evidence;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

/// Folders with less than this, in bytes, are not worth threads.
const WORTH_THREADS: u64 = 8 << 20;

/// The files that the manifest has and that are there, whatever they hold now.
pub(super) struct Seen {
    files: BTreeMap<String, Present>,
}

/// A file on the disk.
#[derive(Debug)]
pub(super) struct Present {
    /// In bytes.
    pub size: u64,
    /// Its SHA-256, in hex, where it is what the manifest says.
    pub sound: Option<String>,
}

impl Seen {
    pub fn files(&self) -> impl Iterator<Item = (&str, &Present)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    pub fn get(&self, path: &str) -> Option<&Present> {
        self.files.get(path)
    }

    /// The journals by path, the run's own first.
    pub fn journals(&self) -> Vec<(&str, u64)> {
        let of_runs = self.files().filter(|(path, _)| role_and_type(path).0 == Role::Journal);
        let mut journals: Vec<_> = of_runs.map(|(path, file)| (path, file.size)).collect();
        journals.sort_by_key(|(path, _)| *path != crate::journal::FILE);
        journals
    }

    /// How many journals have something in them.
    pub fn count_of_journals(&self) -> usize {
        self.journals().iter().filter(|(_, size)| *size > 0).count()
    }
}

/// What is in the folder; none where that can't be known, which is told.
pub(super) fn find(checks: &mut Checks<'_>) -> Option<Vec<Found>> {
    let error = match walk(checks.folder) {
        Ok(there) => return Some(there),
        Err(error) => error,
    };
    let at = checks.at(Evidence::Bundle, "", "the run's folder");
    match error {
        WalkError::Unreadable { path, cause } if path == checks.folder && is_absent(&cause) => {
            checks.refuse(Code::EvidenceNotFound, at, "there", "no such folder");
        }
        error => checks.refuse(Code::BundleUnreadable, at, "a folder that can be listed", error.to_string()),
    }
    None
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Compares them. Each file that is not as it must be is named.
pub(super) fn compare(checks: &mut Checks<'_>, manifest: &Manifest, there: &[Found]) -> Seen {
    let listed: BTreeMap<&str, &File> = manifest
        .files
        .iter()
        .filter(|file| is_good(&file.path))
        .map(|file| (file.path.as_str(), file))
        .collect();
    let there: BTreeMap<&str, Kind> = there.iter().map(|found| (found.path.as_str(), found.kind)).collect();
    let mut seen = Seen { files: BTreeMap::new() };
    let mut whole = Vec::new();
    let mut missing = Vec::new();
    for (path, file) in &listed {
        match there.get(path) {
            Some(Kind::Regular { size }) => {
                seen.files.insert((*path).to_owned(), Present { size: *size, sound: None });
                if *size == file.size {
                    whole.push((*path, *size));
                } else {
                    sizes_differ(checks, file, *size);
                }
            }
            Some(Kind::Link) => replaced(checks, path, "a symbolic link"),
            Some(Kind::Other(what)) => replaced(checks, path, what),
            None => missing.push(*file),
        }
    }
    contents(checks, &listed, &whole, &mut seen);
    let added = there.iter().filter(|(path, _)| !listed.contains_key(*path));
    elsewhere(checks, missing, added.map(|(path, kind)| (*path, *kind)).collect(), &there);
    seen
}

fn contents(checks: &mut Checks<'_>, listed: &BTreeMap<&str, &File>, whole: &[(&str, u64)], seen: &mut Seen) {
    let total: u64 = whole.iter().map(|(_, size)| *size).fold(0, u64::saturating_add);
    let digests = match total < WORTH_THREADS {
        true => whole.iter().map(|(path, _)| digest_file(checks.folder, path)).collect(),
        false => digest_files(checks.folder, whole),
    };
    for ((path, _), digest) in whole.iter().zip(digests) {
        let Some(file) = listed.get(path) else { continue };
        match digest {
            Ok((_, sha256)) if sha256 == file.sha256 => {
                if let Some(present) = seen.files.get_mut(*path) {
                    present.sound = Some(sha256);
                }
            }
            Ok((_, sha256)) => {
                let at = checks.at(kind_of(path), path, "the SHA-256");
                checks.refuse(Code::FileChanged, at, file.sha256.as_str(), sha256);
            }
            Err(error) => {
                let at = checks.at(kind_of(path), path, "the file");
                checks.refuse(Code::FileUnreadable, at, "readable", error.to_string());
            }
        }
    }
}

fn sizes_differ(checks: &mut Checks<'_>, file: &File, size: u64) {
    let at = checks.at(kind_of(&file.path), &file.path, "the size");
    let code = if size < file.size { Code::FileTruncated } else { Code::FileChanged };
    checks.refuse(code, at, format!("{} bytes", file.size), format!("{size} bytes"));
}

fn replaced(checks: &mut Checks<'_>, path: &str, by: &str) {
    let at = checks.at(kind_of(path), path, "it");
    checks.refuse(Code::FileReplaced, at, "a regular file", by);
}

/// Files that are not where they must be, and files that nobody knows: the same one under another name is found by its
/// contents. Only what is as large as something that is missing is read for that.
fn elsewhere(
    checks: &mut Checks<'_>,
    missing: Vec<&File>,
    added: Vec<(&str, Kind)>,
    there: &BTreeMap<&str, Kind>,
) {
    let mut renamed: BTreeMap<&str, &File> = BTreeMap::new();
    let mut gone: BTreeMap<(u64, String), Vec<&File>> = BTreeMap::new();
    for file in missing {
        gone.entry((file.size, file.sha256.clone())).or_default().push(file);
    }
    for (path, kind) in &added {
        let Kind::Regular { size } = kind else { continue };
        if !gone.keys().any(|(gone, _)| gone == size) {
            continue;
        }
        let Ok(contents) = digest_file(checks.folder, path) else { continue };
        if let Some(files) = gone.get_mut(&contents)
            && let Some(file) = files.pop()
        {
            renamed.insert(path, file);
        }
    }
    for file in gone.into_values().flatten() {
        absent(checks, &file.path, there);
    }
    for (path, kind) in added {
        let at = checks.at(kind_of(path), path, "it");
        match (renamed.get(path), kind) {
            (Some(file), _) => {
                checks.refuse(Code::FileRenamed, at, format!("at {}", file.path), format!("at {path}"))
            }
            (None, Kind::Regular { size }) => {
                let seen = format!("a file of {size} bytes, and {MANIFEST_FILE} does not have it");
                checks.refuse(Code::FileAdded, at, "not there", seen);
            }
            (None, Kind::Link) => checks.refuse(Code::FileAdded, at, "not there", "a symbolic link"),
            (None, Kind::Other(what)) => checks.refuse(Code::FileAdded, at, "not there", what),
        }
    }
}

/// A file that is nowhere; or there is something in its place, or in the place of a folder above it.
fn absent(checks: &mut Checks<'_>, path: &str, there: &BTreeMap<&str, Kind>) {
    let above = path.match_indices('/').map(|(end, _)| &path[..end]);
    let instead = above.filter_map(|folder| Some((folder, there.get(folder)?))).next();
    let inside = format!("{path}/");
    if let Some((folder, kind)) = instead {
        let what = match kind {
            Kind::Regular { .. } => "a file",
            Kind::Link => "a symbolic link",
            Kind::Other(what) => what,
        };
        replaced(checks, path, &format!("nothing: its folder {folder} is {what}"));
    } else if there.range(inside.as_str()..).next().is_some_and(|(next, _)| next.starts_with(&inside))
        || std::fs::symlink_metadata(checks.folder.join(path)).is_ok_and(|about| about.is_dir())
    {
        replaced(checks, path, "a folder");
    } else {
        let at = checks.at(kind_of(path), path, "the file");
        checks.refuse(Code::FileMissing, at, "there", "nothing");
    }
}
