//! One cutover of an environment at a time: a file for each environment in the user's state folder, which is locked
//! while a run switches it, and says who does. The kernel gives the lock up with the process, however that ends; what
//! the file says then shows that the run was killed, and whether an environment may be left half switched.

use super::resume::begun;
use crate::journal::{self, Digest, End, Fault};
use crate::model::{RunId, Stamp};
use crate::rehearsal::folder;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who has just taken the lock has not yet said who it is; so long is waited for that.
const INTRODUCTION: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(5);

/// More than any run writes about itself.
const MAX_TEXT: u64 = 64 << 10;

/// Who switches an environment, or did so last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The environment.
    pub environment: String,
    /// The run.
    pub run: RunId,
    /// The run's folder, absolute.
    pub folder: PathBuf,
    /// Its process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Since when.
    pub since: Stamp,
    /// When it gave the environment up in order; none while it has it, and where it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Stamp>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { run, pid, host, since, .. } = self;
        write!(f, "run {run} (process {pid} on {host}, since {})", since.to_seconds())
    }
}

/// The right to switch an environment. It ends with this value, or with the process.
#[derive(Debug)]
pub struct EnvironmentLock {
    file: Locked,
    holder: Holder,
    taken_over: Option<TakenOver>,
}

/// A lock that a run left behind that was killed. It is worth a warning in the journal of the run that took it over,
/// and its text is that warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// Who left it.
    pub from: Holder,
    /// A person said that what it left was put in order by hand.
    pub abandoned: bool,
}

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { environment, .. } = &self.from;
        write!(f, "{} was killed and left the lock of `{environment}`, which was taken over: ", self.from)?;
        f.write_str(match self.abandoned {
            true => "--abandon says that what it left was put in order by hand",
            false => "it had begun no step that has no end",
        })
    }
}

/// Why an environment can't be switched now.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A run is at it.
    #[error(
        "environment `{}` is being switched by {}: expected one cutover at a time; see `cutproof status {}`",
        .0.environment, .0, quoted(&.0.folder)
    )]
    Held(Box<Holder>),
    /// A process that does not say who it is is at it.
    #[error(
        "environment `{environment}` is being switched by another process, which holds {} and does not say who \
         it is: expected one cutover at a time",
        path.display()
    )]
    HeldByUnknown {
        /// The environment.
        environment: String,
        /// The lock's file.
        path: PathBuf,
    },
    /// A run that was killed left it half switched.
    #[error(
        "environment `{}` may be half switched: {holder} had begun {step} and has no end. Look with \
         `cutproof cutover --resume {folder}`, then choose --rollback or --continue there; or, when you have put \
         it in order by hand, begin with --abandon {}",
        holder.environment, holder.run, folder = quoted(&holder.folder)
    )]
    Unfinished {
        /// The run.
        holder: Box<Holder>,
        /// Its last step that began.
        step: String,
    },
    /// Nobody can tell what a run left.
    #[error(
        "environment `{}` may be half switched: {holder} has not given it up, and what it did can't be told: {why}. \
         When you have made sure that the environment is in order, begin with --abandon {}",
        holder.environment, holder.run
    )]
    Unclear {
        /// The run.
        holder: Box<Holder>,
        /// Why not.
        why: String,
    },
    /// The file says nothing that can be understood.
    #[error(
        "environment `{environment}` may be half switched: expected {} to say which run had it, and it can't be \
         read: {why}. Look for a run without an end with `cutproof status`; when the environment is in order, \
         remove that file",
        path.display()
    )]
    Unreadable {
        /// The environment.
        environment: String,
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Someone wants to abandon what is not there.
    #[error("--abandon {abandoned}: that run has not left environment `{environment}` locked{}", seen(.left))]
    NothingToAbandon {
        /// The environment.
        environment: String,
        /// The run that was named.
        abandoned: RunId,
        /// The run that did.
        left: Option<RunId>,
    },
    /// A run is to go on, and another one had the environment since.
    #[error(
        "{run} can't go on: {later} had environment `{}` after it, so it is not as {run} left it; \
         `cutproof rollback` goes back from where it is now",
        later.environment
    )]
    Superseded {
        /// The run that was to go on.
        run: RunId,
        /// The one that came after it.
        later: Box<Holder>,
    },
    /// The file system has no locks.
    #[error(
        "expected a state folder on a file system with locks, and {} has none: set XDG_STATE_HOME to another",
        .0.display()
    )]
    NoLocks(PathBuf),
    /// The system says no.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
}

fn seen(left: &Option<RunId>) -> String {
    match left {
        Some(run) => format!("; {run} has"),
        None => "; leave --abandon out".to_owned(),
    }
}

/// A path as an argument of a shell.
fn quoted(path: &Path) -> String {
    let text = crate::evidence::text::visible(&path.to_string_lossy()).into_owned();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Who takes a lock may do so for one of these.
#[derive(Debug, Clone, Copy)]
enum Purpose<'a> {
    /// A new run.
    Begin,
    /// A new run; what this one left was put in order by hand.
    Abandon(&'a RunId),
    /// The run that left it, and began then, goes on.
    GoOn(Stamp),
}

impl EnvironmentLock {
    /// Takes an environment for a run whose folder is this. A lock that a killed run left is taken over where that
    /// run had begun no step, or had ended: see [`EnvironmentLock::taken_over`].
    ///
    /// # Errors
    /// [`LockError`] says who has the environment, or what was left of it, and what to do.
    pub fn take(environment: &str, run: &RunId, folder: &Path) -> Result<EnvironmentLock, LockError> {
        EnvironmentLock::take_in(&locks(), (environment, run, folder), Purpose::Begin)
    }

    /// As [`EnvironmentLock::take`], where a person says that what the run `abandoned` left was put in order by hand.
    ///
    /// # Errors
    /// As there; and where that run has left nothing, or its process lives.
    pub fn take_abandoning(
        environment: &str,
        run: &RunId,
        folder: &Path,
        abandoned: &RunId,
    ) -> Result<EnvironmentLock, LockError> {
        EnvironmentLock::take_in(&locks(), (environment, run, folder), Purpose::Abandon(abandoned))
    }

    /// Takes an environment for a run that began then, was killed and goes on.
    ///
    /// # Errors
    /// As [`EnvironmentLock::take`]; and where another run had it since.
    pub fn take_again(
        environment: &str,
        run: &RunId,
        folder: &Path,
        started: Stamp,
    ) -> Result<EnvironmentLock, LockError> {
        EnvironmentLock::take_in(&locks(), (environment, run, folder), Purpose::GoOn(started))
    }

    /// What a killed run left and is taken over: a warning for the journal. None where the environment was free.
    pub fn taken_over(&self) -> Option<&TakenOver> {
        self.taken_over.as_ref()
    }

    /// Who has it: this run.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// As [`EnvironmentLock::take_again`], with a folder of a test's own.
    #[cfg(test)]
    pub(super) fn again_in(
        locks: &Path,
        standing: &super::resume::Standing,
        folder: &Path,
    ) -> Result<EnvironmentLock, LockError> {
        let what = (standing.environment.as_str(), &standing.run, folder);
        EnvironmentLock::take_in(locks, what, Purpose::GoOn(standing.started))
    }

    fn take_in(
        locks: &Path,
        (environment, run, folder): (&str, &RunId, &Path),
        purpose: Purpose<'_>,
    ) -> Result<EnvironmentLock, LockError> {
        let path = locks.join(file_name(environment));
        let file = open(locks, &path)?;
        let holder = Holder {
            environment: environment.to_owned(),
            run: run.clone(),
            folder: std::path::absolute(folder).map_err(|cause| failed("find", folder, cause))?,
            pid: std::process::id(),
            host: host(),
            since: Stamp::now(),
            released: None,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(held(&file, environment, path)),
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => return Err(LockError::NoLocks(path)),
            Err(other) => return Err(failed("lock", &path, other.into())),
        }
        let file = Locked(file);
        let left = said(&file.0).map_err(|why| LockError::Unreadable {
            environment: environment.to_owned(),
            path: path.clone(),
            why,
        })?;
        let taken_over = allowed(&holder, left, purpose)?;
        write(&file.0, &holder).map_err(|cause| failed("write", &path, cause))?;
        Ok(EnvironmentLock { file, holder, taken_over })
    }
}

/// A file that is locked. The lock is given up aloud: closing is not enough, since a child that is being started has
/// the file open too, until it is another program.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Where that fails, the file is closed in an instant.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Drop for EnvironmentLock {
    /// Gives the environment up, unless the run began a step and its journal has no end: then the file goes on to say
    /// so, and the next cutover is refused as after a kill.
    fn drop(&mut self) {
        let free = matches!(left_by(&self.holder), Left::Nothing | Left::NoJournal);
        let ours = matches!(said(&self.file.0), Ok(Some(holder)) if holder == self.holder);
        if free && ours {
            let released = Holder { released: Some(Stamp::now()), ..self.holder.clone() };
            // Where that fails, the file goes on to say that the run has it, and the next one takes it over.
            let _ = write(&self.file.0, &released);
        }
    }
}

/// Whether what the file says lets this run have the environment.
fn allowed(new: &Holder, left: Option<Holder>, purpose: Purpose<'_>) -> Result<Option<TakenOver>, LockError> {
    match (purpose, left) {
        (Purpose::GoOn(_), Some(left)) if left.run == new.run => Ok(None),
        (Purpose::GoOn(started), Some(left)) if left.since >= started => {
            Err(LockError::Superseded { run: new.run.clone(), later: Box::new(left) })
        }
        (Purpose::Abandon(run), Some(left)) if left.run == *run && left.released.is_none() => {
            Ok(Some(TakenOver { from: left, abandoned: true }))
        }
        (Purpose::Abandon(run), left) => Err(LockError::NothingToAbandon {
            environment: new.environment.clone(),
            abandoned: run.clone(),
            left: left.filter(|left| left.released.is_none()).map(|left| left.run),
        }),
        (_, Some(left)) if left.released.is_none() => take_over(left).map(Some),
        (_, _) => Ok(None),
    }
}

/// What a killed run left is taken over only where nothing is half done.
fn take_over(left: Holder) -> Result<TakenOver, LockError> {
    let unclear = |left, why| Err(LockError::Unclear { holder: Box::new(left), why });
    match left_by(&left) {
        Left::Step(step) => Err(LockError::Unfinished { holder: Box::new(left), step }),
        Left::Unclear(why) => unclear(left, why),
        Left::NoJournal => {
            let why = format!("there is no {}", left.folder.join(journal::FILE).display());
            unclear(left, why)
        }
        Left::Nothing => Ok(TakenOver { from: left, abandoned: false }),
    }
}

/// What a run that has an environment, or was killed while it had, has left there.
enum Left {
    /// It ended in order, or had begun no step.
    Nothing,
    /// It has no end, and this is the last step that it began.
    Step(String),
    /// It has no journal.
    NoJournal,
    /// That can't be told.
    Unclear(String),
}

fn left_by(holder: &Holder) -> Left {
    let records = match journal::read(&holder.folder.join(journal::FILE)) {
        Ok(records) => records,
        Err(error) => {
            return match &error.fault {
                Fault::Io(cause) if cause.kind() == io::ErrorKind::NotFound => Left::NoJournal,
                _ => Left::Unclear(error.to_string()),
            };
        }
    };
    match begun(&records) {
        _ if records.end == End::Finished => Left::Nothing,
        Some(step) => Left::Step(step.to_owned()),
        // A lock that is not seen from here may still be held there.
        None if holder.host != host() => {
            Left::Unclear(format!("whether it lives is known on {}", holder.host))
        }
        None => Left::Nothing,
    }
}

/// Where the locks are.
fn locks() -> PathBuf {
    folder::state().join("locks")
}

/// The name of an environment's file: what can be read of its name, and a digest by which no two names share a file
/// and none leaves the folder.
fn file_name(environment: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let readable: String = environment.chars().take(40).map(plain).collect();
    format!("{readable}-{}.lock", Digest::of(environment.as_bytes()))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn open(locks: &Path, path: &Path) -> Result<File, LockError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(locks);
    made.map_err(|cause| failed("make the folder", locks, cause))?;
    // A link in its place is not followed, and a pipe not waited for. Like every file that Rust opens it is closed
    // in the programs that are started: what a cutover leaves running does not keep the lock.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    options.open(path).map_err(|cause| failed("open", path, cause))
}

/// Who holds a lock that can't be had. What is read first may still be what the one before left.
fn held(file: &File, environment: &str, path: PathBuf) -> LockError {
    let start = Instant::now();
    loop {
        match said(file) {
            Ok(Some(holder)) if holder.released.is_none() => return LockError::Held(Box::new(holder)),
            _ if start.elapsed() < INTRODUCTION => std::thread::sleep(POLL),
            _ => return LockError::HeldByUnknown { environment: environment.to_owned(), path },
        }
    }
}

/// What the file says; nothing where nobody has had the environment yet.
fn said(file: &File) -> Result<Option<Holder>, String> {
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > MAX_TEXT {
        return Err("it is not a file that cutproof has written".to_owned());
    }
    let mut text = vec![0; usize::try_from(about.len()).unwrap_or(0)];
    file.read_exact_at(&mut text, 0).map_err(|error| error.to_string())?;
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| error.to_string())
}

fn write(file: &File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_vec(holder)?;
    text.push(b'\n');
    file.set_len(0)?;
    file.write_all_at(&text, 0)?;
    file.sync_all()
}

fn failed(action: &'static str, path: &Path, cause: io::Error) -> LockError {
    LockError::Io { action, path: path.to_owned(), cause }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
