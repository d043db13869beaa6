//! Runs one step: its command under `sh -c`, its output to a log of its own, and what came of it in the words of the
//! journal. It knows neither the order of steps nor what follows from one that failed.

use super::Settings;
use super::background;
use super::held::Held;
use super::measure::Measuring;
use super::plan::Work;
use crate::model::event::StepStatus;
use crate::model::redact::Redactor;
use crate::model::service;
use crate::model::switch::{CommandEnded, Sequence};
use crate::model::time::millis;
use crate::probe::excerpt;
use crate::process::{Cancel, Capture, Command, Daemons, Excerpt, Exit, Fate, LeftBehind, Outcome, Output};
use crate::process::{StartError, Worker};
use crate::rehearsal::parent;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The folder of the logs, in the run's.
const LOGS: &str = "logs";

/// What a log must have room for, or the command's output is kept in memory: one that can't write may fail by that.
const LOG_ROOM: u64 = 64 << 10;

/// How much of a step's output the journal keeps.
pub const EXCERPT: Capture = Capture { head: 4 << 10, tail: 8 << 10 };

/// The exit code of what was given up when its time was over, as of timeout(1).
pub const TIMED_OUT: i32 = 124;
/// Of what ran, and it could not be found out how it ended.
pub const NOT_KNOWN: i32 = 125;
/// Of what could not be started, as of a shell.
pub const NOT_STARTED: i32 = 127;
/// Of what was ended because the run is.
pub const ENDED_WITH_THE_RUN: i32 = 130;

/// What running steps needs.
pub struct Stepper {
    /// The run's folder.
    pub folder: PathBuf,
    /// What every command's environment has besides ours.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether what a step leaves running lives on after the run; in a rehearsal it does not.
    pub keep_daemons: bool,
    /// Measures whether a background step is ready.
    pub measuring: Measuring,
    /// Servers of background steps that are ended with the run.
    pub held: Mutex<Vec<Held>>,
}

/// What came of a command.
pub struct Came {
    /// The exit code: 0 only where it did its work.
    pub code: i32,
    /// Why it failed, or what is worth knowing.
    pub detail: Vec<String>,
    /// How long it took.
    pub duration: Duration,
    /// What it printed.
    pub printed: Excerpt,
}

/// The variable by which verbs are told where the runbook's files go; docs/results where it is not set.
pub const RESULTS: &str = "CUTPROOF_RESULTS";

/// The variables that each step's command is given: this program, the run, and where the services are.
pub fn environment(folder: &Path, settings: &Settings<'_>) -> Vec<(OsString, OsString)> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).into_os_string();
    let mut told: Vec<(OsString, OsString)> =
        vec![("CUTPROOF_RUN_FOLDER".into(), folder.clone()), (parent::VARIABLE.into(), folder)];
    if let Ok(program) = std::env::current_exe() {
        told.push(("CUTPROOF".into(), program.into_os_string()));
    }
    if let Some(results) = &settings.results {
        let results = std::path::absolute(results).unwrap_or_else(|_| results.clone());
        told.push((RESULTS.into(), results.into_os_string()));
    }
    for (name, endpoint) in &settings.endpoints {
        let known = service::variables(name, endpoint);
        told.extend(known.map(|(name, value)| (name.into(), value.into())));
    }
    told
}

impl Stepper {
    /// Runs a step to its end; a background step until it is ready.
    pub fn run(&self, sequence: Sequence, work: &Work, cancel: &Cancel) -> CommandEnded {
        let step = &work.step;
        let mut log = self.log(step.number, &step.name);
        let mut came = match step.background {
            true => background::run(self, work, &mut log, cancel),
            false => self.foreground(work, &mut log, cancel),
        };
        let path = match log {
            Log::File(path) => self.relative(&path),
            Log::None(why) => {
                came.detail.push(format!("its output is in no log: {why}"));
                String::new()
            }
        };
        let redactor = self.redactor();
        CommandEnded {
            sequence,
            number: step.number,
            name: step.name.clone(),
            status: if came.code == 0 { StepStatus::Ok } else { StepStatus::Failed },
            exit_code: came.code,
            duration_ms: millis(came.duration),
            detail: redactor.text(&came.detail.join("; ")).replace('\n', " "),
            excerpt: excerpt::of(&came.printed, redactor),
            log: path,
        }
    }

    /// Knows the run's secrets.
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.measuring.redactor
    }

    /// The right to start processes.
    pub fn worker(&self) -> &Worker {
        &self.measuring.worker
    }

    /// The command of a step.
    pub fn command(&self, work: &Work) -> Command {
        Command {
            environment: self.environment.clone(),
            daemons: if self.keep_daemons { Daemons::Release } else { Daemons::End },
            ..Command::shell(&work.line, timeout(work))
        }
    }

    fn foreground(&self, work: &Work, log: &mut Log, cancel: &Cancel) -> Came {
        let mut command = self.command(work);
        if let Log::File(path) = log {
            command.output = Output::Log { path: path.clone(), excerpt: EXCERPT };
        }
        let mut outcome = command.run(self.worker(), cancel);
        if let Exit::NotStarted(StartError::Log { source, .. }) = &outcome.exit {
            // Nothing was started. A step is not given up for its log.
            *log = Log::None(source.to_string());
            command.output = Output::Captured(EXCERPT);
            outcome = command.run(self.worker(), cancel);
        }
        came(outcome, work, cancel)
    }

    /// Where a step's output goes: a file that is not there yet, where there is room for one.
    fn log(&self, number: u32, name: &str) -> Log {
        let folder = self.folder.join(LOGS);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        if let Err(error) = made.and_then(|()| has_room(&folder)) {
            return Log::None(error.to_string());
        }
        let first = folder.join(format!("{number:02}-{name}.log"));
        let again = (2..).map(|time| folder.join(format!("{number:02}-{name}.{time}.log")));
        // A step that is run once more, in a run that was killed, leaves the first log as it is.
        let free = std::iter::once(first).chain(again).find(|path| !path.exists());
        free.map_or_else(|| Log::None("there is no name for it".to_owned()), Log::File)
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Takes charge of a server that is ended with the run.
    pub fn hold(&self, held: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    /// Ends the servers that are ended with the run, and tells of those that could not be.
    pub fn end_held(&self) -> Vec<String> {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        held.into_iter().filter_map(|held| held.end().err()).collect()
    }
}

/// Where a step's output goes.
pub enum Log {
    /// To this file.
    File(PathBuf),
    /// To none, and why.
    None(String),
}

/// Whether a log of some size could be written here. On a disk that is full a command that prints may fail by that,
/// and it may be a restore.
fn has_room(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(".room");
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
    let room = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, LOG_ROOM);
    std::fs::remove_file(&path)?;
    match room {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// How long a step may take.
pub fn timeout(work: &Work) -> Duration {
    // It was a duration before it was written down.
    Duration::try_from_secs_f64(work.step.timeout_ms / 1e3).unwrap_or(Duration::MAX)
}

fn came(outcome: Outcome, work: &Work, cancel: &Cancel) -> Came {
    let (code, why) = exit(&outcome.exit, work, cancel);
    let mut detail: Vec<_> = why.into_iter().collect();
    detail.extend(left_running(&outcome.left_behind));
    Came { code, detail, duration: outcome.duration, printed: outcome.stdout }
}

/// The exit code as it is recorded, and why where it is not 0.
fn exit(exit: &Exit, work: &Work, cancel: &Cancel) -> (i32, Option<String>) {
    match exit {
        Exit::Exited(0) => (0, None),
        Exit::Exited(code) => (*code, Some(format!("it ended with exit code {code}"))),
        Exit::Signalled(signal) => (128 + signal, Some(by_signal(*signal))),
        Exit::TimedOut => (TIMED_OUT, Some(timed_out(work))),
        Exit::Cancelled => (ENDED_WITH_THE_RUN, Some(ended_with_the_run(cancel))),
        Exit::NotStarted(error) => (NOT_STARTED, Some(format!("it could not be started: {error}"))),
        Exit::Unknown(error) => {
            (NOT_KNOWN, Some(format!("it ran, and it could not be found out how it ended: {error}")))
        }
    }
}

/// That it was ended with the run, and by what.
pub fn ended_with_the_run(cancel: &Cancel) -> String {
    format!("it was ended with the run: {}", cancel.why().unwrap_or("the run is over"))
}

/// Which signal ended it.
pub fn by_signal(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some(name) => format!("it was ended by signal {signal} ({name})"),
        None => format!("it was ended by signal {signal}"),
    }
}

/// That its time was up. The runbook's start commands are servers in the foreground, which never end.
fn timed_out(work: &Work) -> String {
    let told = format!("it did not end within {} s, and was ended", seconds(timeout(work)));
    match work.step.name.starts_with("start_") {
        true => format!(
            "{told}; a command that serves in the foreground needs `background = true` and `ready` in a profile's \
             [[step]] with name = \"{}\", or must put itself in the background and end",
            work.step.name
        ),
        false => told,
    }
}

/// Seconds as people read them.
pub fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// Who is still running, or could not be ended.
pub fn left_running(left: &[LeftBehind]) -> Vec<String> {
    let told = |word: &str, fates: &[Fate]| {
        let those: Vec<_> = left.iter().filter(|left| fates.contains(&left.fate)).collect();
        let mut names: Vec<_> =
            those.iter().take(10).map(|left| format!("{} (pid {})", left.name, left.pid)).collect();
        if those.len() > names.len() {
            names.push(format!("and {} more", those.len() - names.len()));
        }
        (!names.is_empty()).then(|| format!("{word}: {}", names.join(", ")))
    };
    let all = [
        told("left running", &[Fate::Released]),
        told("ended with it", &[Fate::Ended]),
        told("could not be ended", &[Fate::Survived]),
    ];
    all.into_iter().flatten().collect()
}
