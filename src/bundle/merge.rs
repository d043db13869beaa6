//! Shards' bundles made one: each is kept as it is, byte for byte, with its signatures, and what is joined of them
//! stands beside. The same shards give the same bundle, in whatever order they come. That each is whole is for whoever
//! calls this to know; what was made is to be verified before it is published.

use super::digest::is_plain;
use super::{
    Kind, MANIFEST_FILE, Manifest, Role, SIGNATURES, SealError, WalkError, describe, files, open_file, walk,
};
use crate::evidence::{self, Merged, Misfit, ProjectionError, RunView, SHARDS, WriteError};
use crate::journal::{self, ReadError, Records};
use crate::model::RunId;
use std::fs::{self, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The largest signature that is kept, in bytes.
const LARGEST_SIGNATURE: u64 = 1 << 20;

/// A shard's bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its run.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
}

/// A merged bundle that is not yet where it goes. Dropped, it is gone.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
    to: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Why there is no merged bundle.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is something where it is to go.
    #[error("expected {} to be a folder that is not there yet, or an empty one: {why}; give another with --output", to.display())]
    Occupied {
        /// Where it is to go.
        to: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// It would become part of one of its parts.
    #[error("expected --output outside of the shards' folders: {} is in {}", to.display(), shard.display())]
    Within {
        /// Where it is to go.
        to: PathBuf,
        /// The shard's folder.
        shard: PathBuf,
    },
    /// A run whose id is no folder's name.
    #[error("{}: expected a run's id that can be a folder's name, and saw `{}`", folder.display(), run.as_str().escape_debug())]
    Name {
        /// The shard's folder.
        folder: PathBuf,
        /// Its run.
        run: RunId,
    },
    /// A shard's file can't be copied.
    #[error("cannot copy {}: {cause}", path.display())]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What a shard holds is not known.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A journal can't be read, or was changed.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// A journal contradicts itself.
    #[error("{}: {cause}", path.display())]
    Contradiction {
        /// Which.
        path: PathBuf,
        /// How.
        cause: evidence::Contradiction,
    },
    /// The shards don't fit.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Misfits(Vec<Misfit>),
    /// A projection can't be put together.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The bundle's files can't be read back or described.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Makes one bundle of these shards, beside the place where it is to go.
///
/// # Errors
/// Where that place is taken, the shards don't fit each other, or a file can't be read or written. Nothing is left of
/// it then.
pub fn merge(shards: &[Part], to: &Path) -> Result<Draft, MergeError> {
    let beside = vacant(to, shards)?;
    let failed = |cause| MergeError::Copy { path: to.to_owned(), cause };
    let folder = tempfile::Builder::new()
        .prefix(".cutproof-merge-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(beside)
        .map_err(failed)?;
    for shard in shards {
        keep(shard, folder.path())?;
    }
    let manifest = join(folder.path())?;
    Ok(Draft { folder, to: to.to_owned(), manifest })
}

impl Draft {
    /// Where it is for now.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts it where it goes, when all of it is on the disk.
    ///
    /// # Errors
    /// Where it can't go there: somebody put something there meanwhile. Nothing is left of it then.
    pub fn publish(self) -> Result<Manifest, MergeError> {
        let failed = |cause: io::Error| MergeError::Occupied { to: self.to.clone(), why: cause.to_string() };
        let synced = fs::File::open(self.folder.path()).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
        synced.map_err(failed)?;
        // An empty folder gives way; anything else does not.
        fs::rename(self.folder.path(), &self.to).map_err(failed)?;
        let _moved = self.folder.keep();
        fs::File::open(beside(&self.to)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(self.manifest)
    }
}

/// Whether something can be put there; gives the folder that it would be in.
fn vacant<'t>(to: &'t Path, shards: &[Part]) -> Result<&'t Path, MergeError> {
    let occupied = |why: &str| MergeError::Occupied { to: to.to_owned(), why: why.to_owned() };
    if to.file_name().is_none() {
        return Err(occupied("it has no name"));
    }
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(occupied(&error.to_string())),
        Ok(there) if !there.is_dir() => return Err(occupied("it is no folder")),
        Ok(_) => match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(occupied("it is not empty")),
            Err(error) => return Err(occupied(&error.to_string())),
        },
    }
    let beside = beside(to);
    fs::create_dir_all(beside).map_err(|error| occupied(&error.to_string()))?;
    let real = beside.canonicalize().map_err(|error| occupied(&error.to_string()))?;
    for shard in shards {
        if shard.folder.canonicalize().is_ok_and(|folder| real.starts_with(folder)) {
            return Err(MergeError::Within { to: to.to_owned(), shard: shard.folder.clone() });
        }
    }
    Ok(beside)
}

fn beside(to: &Path) -> &Path {
    to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Copies a shard's bundle and its signatures.
fn keep(shard: &Part, into: &Path) -> Result<(), MergeError> {
    let name = shard.run.as_str();
    if name.contains('/') || !is_plain(name) {
        return Err(MergeError::Name { folder: shard.folder.clone(), run: shard.run.clone() });
    }
    let target = into.join(SHARDS).join(name);
    for found in walk(&shard.folder)? {
        match found.kind {
            Kind::Regular { .. } => copy(&shard.folder, &found.path, &target, u64::MAX)?,
            Kind::Link => return Err(no_file(&shard.folder, &found.path)),
            Kind::Other(_) => return Err(no_file(&shard.folder, &found.path)),
        }
    }
    copy(&shard.folder, MANIFEST_FILE, &target, u64::MAX)?;
    let signatures = shard.folder.join(SIGNATURES);
    if !fs::symlink_metadata(&signatures).is_ok_and(|there| there.is_dir()) {
        return Ok(());
    }
    for found in walk(&signatures)? {
        // What is no envelope signs nothing, here as there.
        if let Kind::Regular { size } = found.kind
            && size <= LARGEST_SIGNATURE
        {
            copy(&shard.folder, &format!("{SIGNATURES}/{}", found.path), &target, LARGEST_SIGNATURE)?;
        }
    }
    Ok(())
}

fn no_file(folder: &Path, path: &str) -> MergeError {
    let cause = io::Error::other("expected regular files only");
    MergeError::Copy { path: folder.join(path), cause }
}

fn copy(from: &Path, path: &str, target: &Path, most: u64) -> Result<(), MergeError> {
    let to = target.join(path);
    let copied = || -> io::Result<()> {
        let file = open_file(from, path)?;
        let size = file.metadata()?.len();
        fs::create_dir_all(beside(&to))?;
        let mut written = fs::File::create_new(&to)?;
        // One that grows meanwhile is not read for ever, and does not have the digest that it must have.
        io::copy(&mut file.take(size.min(most)), &mut written)?;
        Ok(())
    };
    copied().map_err(|cause| MergeError::Copy { path: from.join(path), cause })
}

/// Writes what is joined of the shards in a bundle's folder, and its manifest. All of it comes from what was copied.
fn join(folder: &Path) -> Result<Manifest, MergeError> {
    let records = records(folder)?;
    let views = records.iter().map(|(path, records)| match RunView::of(records) {
        Ok(view) => Ok((path.clone(), view)),
        Err(cause) => Err(MergeError::Contradiction { path: folder.join(path), cause }),
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let journals: Vec<(String, &RunView<'_>)> =
        views.iter().map(|(path, view)| (path.clone(), view)).collect();
    let shards = super::shards_among(views.iter().map(|(path, view)| (path.as_str(), view)));
    let merged = Merged::of(&shards).map_err(MergeError::Misfits)?;
    evidence::write(folder, &evidence::joined_documents(&merged)?)?;
    let manifest = describe(&journals, files(folder)?);
    super::write_manifest(folder, &manifest)?;
    Ok(manifest)
}

/// Every journal with an entry, by path.
fn records(folder: &Path) -> Result<Vec<(String, Records)>, MergeError> {
    let mut journals = Vec::new();
    for found in
        walk(folder)?.into_iter().filter(|found| super::role_and_type(&found.path).0 == Role::Journal)
    {
        let records = journal::read(&folder.join(&found.path))?;
        if !records.entries.is_empty() {
            journals.push((found.path, records));
        }
    }
    Ok(journals)
}
