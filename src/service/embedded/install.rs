//! Installs the pinned engines, once, into the user's cache: Maven and npm side by side, then what makes
//! starts fast. An installation appears whole (built in a folder beside it, checked, synced, renamed) or not
//! at all; one that is found broken is built anew.

use super::build;
use super::command::CommandError;
use super::lock;
use super::marker;
use super::pins;
use super::progress::{Phase, Progress};
use super::start::StartError;
use super::tools::{Java, Missing, Tools};
use crate::process::Worker;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Jars, libchdb, PostgreSQL, templates, class data, and what Maven and npm keep of them.
const NEEDED: u64 = 1_200 << 20;
/// Less room than that is none.
const FULL: u64 = 16 << 20;
/// How long to wait for another process that installs.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Engines that are ready to start.
#[derive(Debug, Clone)]
pub struct Installed {
    root: PathBuf,
    java: Java,
}

/// Why the engines can't be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The pinned engines are for Linux on x86-64.
    #[error(
        "the pinned engines run on Linux x86-64 only, and this is {os} {arch}; use containers, or attach to services that run"
    )]
    Platform {
        /// This system.
        os: &'static str,
        /// This processor.
        arch: &'static str,
    },
    /// Neither XDG_CACHE_HOME nor HOME is set.
    #[error("no folder to cache the engines in: set HOME, or XDG_CACHE_HOME to an absolute path")]
    NoCache,
    /// Tools that are not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The cache can't be used.
    #[error("the engines' cache can't be used: {}: {source}{}", path.display(), hint(source))]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too small a disk, found before anything is fetched.
    #[error("the engines need {} MiB and {} has {} MiB free; set XDG_CACHE_HOME to a larger disk", needed >> 20, path.display(), free >> 20)]
    NoSpace {
        /// The cache.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Another process has been installing for too long.
    #[error("{} is held by {holder}; waited {:.0} s for it to finish installing", path.display(), waited.as_secs_f64())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What it wrote about itself.
        holder: String,
        /// How long.
        waited: Duration,
    },
    /// Maven, npm or another helper failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A fetched file is not the pinned one.
    #[error(
        "{file} is not the pinned one: expected SHA-256 {expected}, seen {seen}; remove the copy that {keeper} keeps and try again"
    )]
    Digest {
        /// Relative to the installation.
        file: String,
        /// From engines.lock.
        expected: String,
        /// Of what was fetched.
        seen: String,
        /// Maven's local repository, or npm's cache.
        keeper: &'static str,
    },
    /// The engines don't start for the run that makes the class data.
    #[error("the installed engines don't run: {0}")]
    Exercise(#[from] Box<StartError>),
    /// They start, and something in that run fails.
    #[error("the installed engines don't run: expected {expected}; seen: {seen}")]
    Unusable {
        /// What was tried.
        expected: String,
        /// What came instead.
        seen: String,
    },
}

impl InstallError {
    pub(super) fn io(path: &Path, source: io::Error) -> InstallError {
        InstallError::Io { path: path.to_owned(), source }
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory => "; set XDG_CACHE_HOME to a folder that can be written",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, or set XDG_CACHE_HOME to a larger disk"
        }
        _ => "",
    }
}

impl Installed {
    pub(super) fn new(root: PathBuf, java: Java) -> Installed {
        Installed { root, java }
    }

    /// The folder of the installation.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Java that runs Kafka.
    pub fn java(&self) -> &Java {
        &self.java
    }

    /// The pinned redis-server.
    pub fn redis(&self) -> PathBuf {
        self.root.join("redis-server")
    }

    /// The pinned PostgreSQL: the folder with bin, lib and share.
    pub fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// The pinned libchdb.
    pub fn chdb(&self) -> PathBuf {
        self.root.join(pins::CHDB)
    }

    pub(super) fn kafka_template(&self) -> PathBuf {
        self.root.join("template/kafka")
    }

    pub(super) fn postgres_template(&self) -> PathBuf {
        self.root.join("template/postgres")
    }

    /// The class data for this Java, relative to the root; none while it is being made.
    pub(super) fn class_data(&self) -> Option<String> {
        let name = self.class_data_name();
        self.root.join(&name).is_file().then_some(name)
    }

    pub(super) fn class_data_name(&self) -> String {
        format!("classes-{}.jsa", self.java.identity())
    }
}

/// The folder for cutproof's cache: `$XDG_CACHE_HOME/cutproof`, else `~/.cache/cutproof`.
///
/// # Errors
/// Where neither is known.
pub fn user_cache() -> Result<PathBuf, InstallError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("cutproof")).ok_or(InstallError::NoCache)
}

/// The installation of this cutproof's engines in a cache, where it is whole. Starts nothing and changes
/// nothing.
///
/// # Errors
/// Why it is not: what is missing or broken.
pub fn installed(cache: &Path) -> Result<Installed, String> {
    let java = Java::find().map_err(|missing| missing.to_string())?;
    let installed = Installed::new(place(cache), java);
    marker::check(installed.root())?;
    match installed.class_data() {
        Some(_) => Ok(installed),
        None => Err(format!("there is no class data for Java {} yet", installed.java().version)),
    }
}

fn place(cache: &Path) -> PathBuf {
    cache.join("engines").join(pins::digest())
}

/// Installs the engines, or finds them installed. Needs Java; and a JDK, Maven, npm and tar where there is
/// anything to do. Uses the user's own Maven and npm settings.
///
/// # Errors
/// See [`InstallError`]; the cache is then as it was before, and the next call begins anew.
pub fn install(
    cache: &Path,
    worker: Worker,
    progress: &dyn Progress,
) -> Result<Arc<Installed>, InstallError> {
    let reason = match installed(cache) {
        Ok(installed) => return Ok(Arc::new(installed)),
        Err(reason) => reason,
    };
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        return Err(InstallError::Platform { os: std::env::consts::OS, arch: std::env::consts::ARCH });
    }
    let tools = Tools::find()?;
    let root = place(cache);
    let folder = cache.join("engines");
    std::fs::create_dir_all(&folder).map_err(|error| InstallError::io(&folder, error))?;
    let lock = root.with_extension("lock");
    let _lock = lock::acquire(&lock, PATIENCE, progress)?;
    // Whoever had the lock may have done it.
    if let Ok(installed) = installed(cache) {
        return Ok(Arc::new(installed));
    }
    let fresh = Installed::new(root.clone(), tools.java.clone());
    if marker::check(&root).is_ok() {
        // Java was replaced since; the rest is as it should be.
        progress.note(&reason);
        build::class_data(&fresh, worker, progress)?;
        marker::write(&root).map_err(|error| InstallError::io(&root, error))?;
        return Ok(Arc::new(fresh));
    }
    if root.exists() {
        progress.note(&format!("the installed engines are not whole ({reason}): installing anew"));
    }
    room(&folder)?;
    let start = Instant::now();
    let part = root.with_extension("part");
    let built = build::all(&part, &tools, worker, progress).and_then(|()| replace(&part, &root));
    built.map_err(|error| full(&folder, &part).unwrap_or(error))?;
    progress.done(Phase::All, start.elapsed());
    Ok(Arc::new(fresh))
}

/// Whether the disk has room for it.
fn room(folder: &Path) -> Result<(), InstallError> {
    let free = free(folder).map_err(|error| InstallError::io(folder, error))?;
    if free < NEEDED {
        return Err(InstallError::NoSpace { path: folder.to_owned(), needed: NEEDED, free });
    }
    Ok(())
}

fn free(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether a failure is for want of room: helpers fail in many ways then, some without a word. The half that
/// is there is given back.
fn full(folder: &Path, part: &Path) -> Option<InstallError> {
    let free = free(folder).ok().filter(|free| *free < FULL)?;
    // A second failure would hide the first, and the next installation begins with the same removal.
    let _ = remove(part);
    Some(InstallError::NoSpace { path: folder.to_owned(), needed: NEEDED, free })
}

/// Puts a whole installation in the place of what was there.
fn replace(part: &Path, root: &Path) -> Result<(), InstallError> {
    let at = |path: &'_ Path| {
        let path = path.to_owned();
        move |error: io::Error| InstallError::Io { path, source: error }
    };
    let sync = std::fs::File::open(part).and_then(|part| rustix::fs::syncfs(part).map_err(io::Error::from));
    sync.map_err(at(part))?;
    let old = root.with_extension("old");
    remove(&old)?;
    if root.exists() {
        std::fs::rename(root, &old).map_err(at(root))?;
    }
    std::fs::rename(part, root).map_err(at(root))?;
    let folder = root.parent().unwrap_or(root);
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
    remove(&old)
}

/// Removes a folder, where there is one.
pub(super) fn remove(folder: &Path) -> Result<(), InstallError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstallError::io(folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::Quiet;
    use super::*;

    #[test]
    fn a_cache_that_can_not_be_written_says_where_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = install(&file, Worker::unheld().unwrap(), &Quiet).unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()) && error.contains("set XDG_CACHE_HOME"), "{error}");
    }

    #[test]
    fn a_broken_installation_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (root, part) = (folder.path().join("abc"), folder.path().join("abc.part"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("broken"), "").unwrap();
        std::fs::create_dir(&part).unwrap();
        std::fs::write(part.join("whole"), "").unwrap();
        replace(&part, &root).unwrap();
        assert!(root.join("whole").exists() && !root.join("broken").exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
