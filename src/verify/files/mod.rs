//! Evidence files judged one by one, each by what it says itself: the files of the inits and of the bootstrap, one of a
//! cutover or its rollback without the other, readiness, a watch, a JUnit report; and a folder of such files. What a
//! file is, is told by what stands in it. It knows neither manifests nor journals: `bundle` holds files against those.

mod folder;
mod json;
mod junit;
mod kind;
mod levels;
mod single;
mod watch;

#[cfg(test)]
mod tests;

use super::code::Code;
use super::finding::{Evidence, Findings, Place};
use super::{Judged, Level, Mode, Rules, Seconds};
use crate::model::{RunId, Stamp};
use crate::template::{FileFault, read_text_within, read_unlinked};
pub use folder::{judge_folder, judge_folder_as};
use kind::Kind;
use std::ffi::OsStr;
use std::path::Path;

/// What is asked of files that are judged on their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Evidence that was completed before this may be left over from another run.
    pub since: Option<Stamp>,
    /// Whether a dry run's files are accepted.
    pub allow_dry_run: bool,
    /// Whether a case is refused that passed only after another attempt. Only JUnit tells attempts.
    pub fail_on_flaky: bool,
    /// Which outcome of a cutover and its rollback is accepted, where both are in a folder.
    pub mode: Mode,
    /// The longest rollback.
    pub max_rollback: Seconds,
    /// Whether a folder must have every mandatory output; where not, the missing ones are told as warnings.
    pub whole: bool,
}

impl Default for Asked {
    /// No dry run, no rollback, the runbook's limit, and a folder may be a part.
    fn default() -> Asked {
        let max_rollback = Seconds { text: "180".to_owned(), duration: std::time::Duration::from_secs(180) };
        let (allow_dry_run, fail_on_flaky, whole) = (false, false, false);
        Asked { since: None, allow_dry_run, fail_on_flaky, mode: Mode::Cutover, max_rollback, whole }
    }
}

impl Asked {
    /// The same as rules for the files of a cutover.
    fn rules(&self) -> Rules {
        Rules {
            level: Level::Strict,
            mode: self.mode,
            allow_dry_run: self.allow_dry_run,
            allow_partial: false,
            fail_on_flaky: false,
            max_rollback: self.max_rollback.clone(),
            since: self.since,
        }
    }
}

/// Judges one evidence file; or a folder, with what was found in all of its files together.
pub fn judge(path: &Path, since: Option<Stamp>) -> Judged {
    judge_as(path, &Asked { since, ..Asked::default() })
}

/// The same, with all that can be asked.
pub fn judge_as(path: &Path, asked: &Asked) -> Judged {
    if path.is_dir() {
        return folder::in_one(path, asked);
    }
    file(path, &path.display().to_string(), Trust::Named, asked)
}

/// Whether a person named the file, or it was only found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A link is followed.
    Named,
    /// A link is not.
    Found,
}

/// The largest file of each kind, in bytes.
const LARGEST: u64 = 1 << 20;
const LARGEST_SERIES: u64 = 32 << 20;
const LARGEST_JUNIT: u64 = 32 << 20;

fn read(path: &Path, trust: Trust) -> Result<String, FileFault> {
    let most = match path.extension().and_then(OsStr::to_str) {
        Some("csv") => LARGEST_SERIES,
        Some("xml") => LARGEST_JUNIT,
        _ => LARGEST,
    };
    match trust {
        Trust::Named => read_text_within(path, most),
        Trust::Found => read_unlinked(path, most),
    }
}

fn file(path: &Path, shown: &str, trust: Trust, asked: &Asked) -> Judged {
    match read(path, trust) {
        Ok(text) => of_text(path, shown, &text, trust, asked),
        Err(fault) => unreadable(shown, Kind::of_name(path), &fault),
    }
}

/// Judges a file of which the text is known already.
fn of_text(path: &Path, shown: &str, text: &str, trust: Trust, asked: &Asked) -> Judged {
    let Some(kind) = Kind::of_text(text) else {
        let mut found = Findings::new([]);
        let at = Place::in_file(Evidence::Bundle, shown, "the file");
        let expected = "an evidence file: .env of a cutover, init or bootstrap, readiness, a watch, JUnit";
        found.refuse(Code::UnknownEvidence, at, expected, "nothing by which it can be told what it is");
        return finished("file", shown, None, found);
    };
    let mut found = Findings::new([(kind.evidence(), shown.to_owned())]);
    let run = match kind {
        Kind::Env(which) => single::judge(which, text, asked, &mut found),
        Kind::Readiness => levels::judge(text, asked, &mut found),
        Kind::Series | Kind::WatchPlan => watch::judge(path, text, kind, trust, asked, &mut found),
        Kind::Junit => junit::judge(text, asked, &mut found),
    };
    finished(kind.evidence().as_str(), shown, run, found)
}

fn unreadable(shown: &str, kind: Option<Kind>, fault: &FileFault) -> Judged {
    let evidence = kind.map_or(Evidence::Bundle, Kind::evidence);
    let mut found = Findings::new([(evidence, shown.to_owned())]);
    tell_unreadable(Place::in_file(evidence, shown, "the file"), fault, &mut found);
    finished(kind.map_or("file", |kind| kind.evidence().as_str()), shown, None, found)
}

fn tell_unreadable(at: Place, fault: &FileFault, found: &mut Findings) {
    match fault {
        FileFault::NotFound => {
            found.refuse(Code::EvidenceNotFound, at, "there", "nothing: evidence file not found");
        }
        fault => {
            let expected = "a regular text file of a sensible size";
            found.refuse(Code::EvidenceUnreadable, at, expected, format!("it {fault}"));
        }
    }
}

fn finished(kind: &'static str, shown: &str, run: Option<RunId>, found: Findings) -> Judged {
    let (findings, more) = found.finish();
    Judged { kind, path: shown.to_owned(), run, findings, more }
}

/// A run id that a file names.
fn run_id(text: &str) -> Option<RunId> {
    if text.is_empty() { None } else { Some(RunId::from_text(text)) }
}

/// A file that does not say of which run it is.
fn tell_no_run_id(evidence: Evidence, subject: &str, found: &mut Findings) {
    found.warn(Code::NoRunId, Place::nowhere(evidence, subject), "there", "nothing");
}

/// A file that was completed before this time.
fn tell_older(at: Place, completed: Stamp, asked: &Asked, found: &mut Findings) {
    if let Some(since) =
        asked.since.filter(|since| completed.millis() < since.millis().div_euclid(1000) * 1000)
    {
        let expected = format!("at or after {} (--since)", since.to_seconds());
        found.warn(Code::OlderThanSince, at, expected, completed.to_seconds());
    }
}

/// A dry run proves nothing about a real one.
fn refuse_dry_run(at: Place, asked: &Asked, found: &mut Findings) {
    if !asked.allow_dry_run {
        let advice = "to check a dry run's files: --allow-dry-run";
        found.refuse_and_advise(Code::DryRun, at, "of a real run", "a dry run", advice);
    }
}
