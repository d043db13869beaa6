//! From a command line to a started process: finding the program, its environment, its group. Uses only
//! what the standard library can do with posix_spawn: fork would cost 20% and more.

use std::borrow::Cow;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::roster::{Family, ROSTER};
use super::{COMMAND_VARIABLE, WORKER_VARIABLE};

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A program, found on PATH unless it has a slash, and its arguments.
    Argv(Vec<OsString>),
    /// A line for `sh -c`.
    Shell(OsString),
}

/// Another user to run as. Only root can; costs a fork instead of posix_spawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the command is empty: there is no program to run")]
    Empty,
    #[error("program {program} not found on PATH ({})", if searched.is_empty() { "which is empty" } else { searched })]
    NotOnPath { program: String, searched: String },
    #[error("program {} not found: there is no such file{}", program.display(), inside(folder))]
    NoSuchFile { program: PathBuf, folder: Option<PathBuf> },
    #[error("program {} cannot be executed: {source}", program.display())]
    NotExecutable { program: PathBuf, source: io::Error },
    #[error("program {} is there, but the interpreter that it names on its first line, or its loader, is not", program.display())]
    NoInterpreter { program: PathBuf },
    #[error("the folder to run in is missing: {}", folder.display())]
    NoFolder { folder: PathBuf },
    #[error("cannot create the log {}: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("the run is being ended: nothing is started any more")]
    Ending,
    #[error("the system refused to start {program}: {source}")]
    System { program: String, source: io::Error },
}

fn inside(folder: &Option<PathBuf>) -> String {
    folder.as_ref().map_or(String::new(), |folder| format!(" (seen from {})", folder.display()))
}

/// How to start one process.
pub(super) struct Recipe<'a> {
    pub line: &'a Line,
    pub folder: Option<&'a Path>,
    pub environment: &'a [(OsString, OsString)],
    pub user: Option<User>,
    pub stdout: Stdio,
    pub stderr: Stdio,
}

/// A started process that leads a group of its own, on the roster.
pub(super) struct Started {
    pub child: Child,
    /// Polls readable when it has ended.
    pub handle: rustix::fd::OwnedFd,
}

/// Starts it as the first process of `family`.
pub(super) fn start(recipe: Recipe<'_>, family: &mut Family) -> Result<Started, StartError> {
    let (program, arguments): (&OsStr, &[OsString]) = match recipe.line {
        Line::Argv(argv) => match argv.split_first() {
            Some((program, arguments)) if !program.is_empty() => (program, arguments),
            _ => return Err(StartError::Empty),
        },
        Line::Shell(line) if line.as_bytes().trim_ascii().is_empty() => return Err(StartError::Empty),
        Line::Shell(line) => (OsStr::new("sh"), &[OsString::from("-c"), line.clone()]),
    };
    let path = match recipe.line {
        Line::Argv(_) => find(program, recipe.folder, recipe.environment)?,
        Line::Shell(_) => PathBuf::from("/bin/sh"),
    };
    // A path, as with a bare name and a PATH of its own the library would fork.
    let mut command = std::process::Command::new(&path);
    command.arg0(program).args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(recipe.stdout).stderr(recipe.stderr);
    command.envs(recipe.environment.iter().map(|(name, value)| (name, value)));
    command.env(COMMAND_VARIABLE, ROSTER.mark(family)).env_remove(WORKER_VARIABLE);
    if let Some(folder) = recipe.folder {
        command.current_dir(folder);
    }
    if let Some(User { uid, gid }) = recipe.user {
        command.uid(uid).gid(gid);
    }
    let spawn = || {
        let child = command.spawn()?;
        let pid = Pid::from_child(&child).as_raw_nonzero().get();
        Ok((child, pid))
    };
    let child = ROSTER.start(family, spawn).ok_or(StartError::Ending)?;
    let child = child.map_err(|source| explain(source, &path, recipe.folder))?;
    watch(child, family, &path)
}

/// Opens the handle by which the end is seen; the child is not reaped yet, so its pid is its own.
fn watch(mut child: Child, family: &mut Family, path: &Path) -> Result<Started, StartError> {
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(handle) => Ok(Started { child, handle }),
        Err(error) => {
            // It has not run for long enough to have started others, or they end as orphans.
            let ended = child.kill().and_then(|()| child.wait());
            ROSTER.reaped(family);
            let source = ended.err().unwrap_or_else(|| error.into());
            Err(StartError::System { program: path.display().to_string(), source })
        }
    }
}

/// The file that a program name means, as execvp(3) looks for it: in the command's own PATH.
fn find(
    program: &OsStr,
    folder: Option<&Path>,
    environment: &[(OsString, OsString)],
) -> Result<PathBuf, StartError> {
    if program.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(program));
    }
    let own = environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let searched = own.or_else(|| env::var_os("PATH")).unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    let mut denied = None;
    let mut candidate = PathBuf::new();
    for place in env::split_paths(&searched) {
        // An empty entry is the current folder. With a slash, exec looks nowhere else.
        candidate.clear();
        candidate.push(if place.as_os_str().is_empty() { Path::new(".") } else { &place });
        candidate.push(program);
        let seen = seen_from(folder, &candidate);
        match access(&*seen, Access::EXEC_OK) {
            Ok(()) if seen.is_file() => return Ok(candidate),
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) if seen.is_file() => denied = denied.or(Some((seen.into_owned(), error))),
            Err(_) => {}
        }
    }
    match denied {
        Some((program, error)) => Err(StartError::NotExecutable { program, source: error.into() }),
        None => Err(StartError::NotOnPath {
            program: program.to_string_lossy().into_owned(),
            searched: searched.to_string_lossy().into_owned(),
        }),
    }
}

/// A relative path means what it means in the folder that the command runs in.
fn seen_from<'a>(folder: Option<&Path>, path: &'a Path) -> Cow<'a, Path> {
    match folder {
        Some(folder) if path.is_relative() => Cow::Owned(folder.join(path)),
        _ => Cow::Borrowed(path),
    }
}

/// What the system's refusal means: "not found" alone may be said of the folder, the program or its
/// interpreter.
fn explain(source: io::Error, path: &Path, folder: Option<&Path>) -> StartError {
    let program = path.to_path_buf();
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        return StartError::NoFolder { folder: folder.to_path_buf() };
    }
    let seen = seen_from(folder, path);
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) if fs::metadata(&*seen).is_ok() => StartError::NoInterpreter { program },
        Some(Errno::NOENT | Errno::NOTDIR) => {
            StartError::NoSuchFile { program, folder: folder.map(Path::to_path_buf) }
        }
        Some(Errno::ACCESS | Errno::NOEXEC) => StartError::NotExecutable { program, source },
        _ => StartError::System { program: program.display().to_string(), source },
    }
}
