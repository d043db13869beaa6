//! Sealing a run's folder: its manifest is written when everything else in it is there.

use super::digest::digest_files;
use super::{File, Kind, MANIFEST_FILE, Manifest, Role, WalkError, describe, role_and_type, walk};
use crate::evidence::{self, Contradiction, Document, RunView, WriteError};
use crate::journal::{self, ReadError, Records};
use std::io;
use std::path::{Path, PathBuf};

/// Why a folder has no manifest.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// What it holds is not known.
    #[error("the evidence can't be sealed: {0}")]
    Walk(#[from] WalkError),
    /// Something in it is no file.
    #[error(
        "the evidence can't be sealed: {} is {what}, and a bundle holds regular files only; \
         let the step that puts it there put it elsewhere",
        path.display()
    )]
    NoFile {
        /// Which.
        path: PathBuf,
        /// `a symbolic link`, `a FIFO`, …
        what: &'static str,
    },
    /// A file can't be read.
    #[error("the evidence can't be sealed: cannot read {}: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is still written to.
    #[error(
        "the evidence can't be sealed: {} was written to meanwhile; expected that nothing writes there any more: \
         a run within this one, or something that a step started, goes on",
        .0.display()
    )]
    Changing(PathBuf),
    /// A journal can't be read, or was changed.
    #[error("the evidence can't be sealed: {0}")]
    Journal(#[from] ReadError),
    /// A journal contradicts itself.
    #[error("the evidence can't be sealed: {}: {cause}", path.display())]
    Contradiction {
        /// Which.
        path: PathBuf,
        /// How.
        cause: Contradiction,
    },
    /// There is no journal: this is no run's folder.
    #[error("the evidence can't be sealed: {} has no journal with an entry", .0.display())]
    NoRun(PathBuf),
    /// The manifest can't be put together; that is a fault of cutproof.
    #[error("cannot make manifest.json: {0}")]
    Json(#[from] serde_json::Error),
    /// The manifest can't be written.
    #[error("the evidence can't be sealed: {0}")]
    Write(#[from] WriteError),
}

/// Writes the manifest of a run's folder, as the last file in it: those of the runs within it are there already. Files
/// are read as many at a time as there are processors, and never held in memory but for the journals.
///
/// # Errors
/// Where the folder holds what can't be sealed, a file can't be read, or the manifest can't be written. What was there
/// of a manifest is then as it was.
pub fn seal(folder: &Path) -> Result<Manifest, SealError> {
    let files = files(folder)?;
    let mut journals = Vec::new();
    for file in files.iter().filter(|file| file.role == Role::Journal) {
        journals.extend(read(folder, file)?);
    }
    // By path as the files are, and the run's own before those within it.
    journals.sort_by_key(|(path, _)| path != journal::FILE);
    // The views borrow the records.
    let views = journals.iter().map(|(path, records)| match RunView::of(records) {
        Ok(view) => Ok((path.clone(), view)),
        Err(cause) => Err(SealError::Contradiction { path: folder.join(path), cause }),
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    if views.first().is_none_or(|(path, _)| path != journal::FILE) {
        return Err(SealError::NoRun(folder.to_owned()));
    }
    let views: Vec<_> = views.iter().map(|(path, view)| (path.clone(), view)).collect();
    let manifest = describe(&views, files);
    write_manifest(folder, &manifest)?;
    Ok(manifest)
}

/// Writes a manifest into its folder, whole or not at all.
///
/// # Errors
/// Where it can't be written.
pub fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<(), SealError> {
    let document = Document { name: MANIFEST_FILE.to_owned(), bytes: manifest.to_bytes()? };
    evidence::write(folder, &[document])?;
    Ok(())
}

/// Every file of the folder with its digest, by path.
///
/// # Errors
/// Where it holds what is no file, or one can't be read or changes meanwhile.
pub fn files(folder: &Path) -> Result<Vec<File>, SealError> {
    let mut found = Vec::new();
    for one in walk(folder)? {
        match one.kind {
            Kind::Regular { size } => found.push((one.path, size)),
            Kind::Link => return Err(no_file(folder, &one.path, "a symbolic link")),
            Kind::Other(what) => return Err(no_file(folder, &one.path, what)),
        }
    }
    let asked: Vec<_> = found.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    let digests = digest_files(folder, &asked);
    let digested = asked.iter().zip(digests).map(|((path, found), digest)| {
        let unreadable = |cause| SealError::Unreadable { path: folder.join(path), cause };
        let (size, sha256) = digest.map_err(unreadable)?;
        if size != *found {
            return Err(SealError::Changing(folder.join(path)));
        }
        let (role, media_type) = role_and_type(path);
        Ok(File { path: (*path).to_owned(), size, sha256, media_type: media_type.to_owned(), role })
    });
    digested.collect()
}

fn no_file(folder: &Path, path: &str, what: &'static str) -> SealError {
    SealError::NoFile { path: folder.join(path), what }
}

/// Reads a journal as it was when its digest was taken; none where it has no entry: a run that was killed before it
/// began.
fn read(folder: &Path, file: &File) -> Result<Option<(String, Records)>, SealError> {
    let path = folder.join(&file.path);
    let records = journal::read(&path)?;
    match std::fs::symlink_metadata(&path) {
        Ok(about) if about.len() == file.size => {}
        Ok(_) => return Err(SealError::Changing(path)),
        Err(cause) => return Err(SealError::Unreadable { path, cause }),
    }
    Ok((!records.entries.is_empty()).then(|| (file.path.clone(), records)))
}
