//! `cutproof watch --replay`: judges a recorded watch again, from a journal or from its files.

use crate::cli::{Refusal, Result, print, run};
use crate::evidence::RunView;
use crate::evidence::watch::{PLAN, Recorded, SERIES};
use crate::model::Verdict;
use crate::{exit, journal, report};
use std::fs;
use std::path::Path;

/// The longest file that is read: far above what any watch writes.
const LARGEST: u64 = 1 << 28;

/// Prints what the samples give, and whether that is what was recorded.
pub fn run(path: &Path) -> Result {
    let recorded = read(path)?;
    let judged = recorded.judge().map_err(|fault| Refusal(format!("{}: {fault}", path.display())))?;
    let told = report::watch(&recorded.plan, &judged, run::coloured());
    print(&format!("replay of {}, {} samples\n{told}", recorded.run, recorded.samples.len()))?;
    if let Some(contradiction) = recorded.contradiction(&judged) {
        return Err(Refusal(format!("{}: {contradiction}", path.display())));
    }
    match &recorded.verdict {
        Some(_) => print("the same as recorded\n")?,
        None => print("no verdict is recorded: the run was cut off\n")?,
    }
    let passed = recorded.verdict.is_some() && judged.verdict == Verdict::Passed;
    Ok(if passed { exit::OK } else { exit::NOT_PASSED })
}

fn read(path: &Path) -> Result<Recorded> {
    let of = |file: &Path| format!("{}: ", file.display());
    if path.is_dir() {
        let inside =
            [journal::FILE, SERIES].map(|name| path.join(name)).into_iter().find(|file| file.exists());
        return match inside {
            Some(file) => read(&file),
            None => Err(Refusal(format!(
                "{}: expected the folder of a run, with {} or {SERIES} in it",
                path.display(),
                journal::FILE
            ))),
        };
    }
    if path.extension().is_some_and(|extension| extension == "csv") {
        let series = text(path)?;
        let plan = text(&path.with_file_name(PLAN))?;
        return Recorded::of_files(&series, &plan)
            .map_err(|error| Refusal(format!("{}{error}", of(path.parent().unwrap_or(path)))));
    }
    let records = journal::read(path).map_err(Refusal::of)?;
    let view = RunView::of(&records).map_err(|error| Refusal(format!("{}{error}", of(path))))?;
    Recorded::of_run(&view).map_err(|error| Refusal(format!("{}{error}", of(path))))
}

fn text(path: &Path) -> Result<String> {
    let told = |what: String| Refusal(format!("{}: {what}", path.display()));
    let about = fs::metadata(path).map_err(|error| told(format!("cannot read it: {error}")))?;
    if !about.is_file() {
        return Err(told("expected a regular file, and it is none".to_owned()));
    }
    if about.len() > LARGEST {
        return Err(told(format!("expected at most {LARGEST} bytes, and it has {}", about.len())));
    }
    fs::read_to_string(path).map_err(|error| told(format!("cannot read it: {error}")))
}
