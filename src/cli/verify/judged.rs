//! `verify PATH…` and `verify --recursive DIR`: runs and files judged one by one, each with its own verdict, and an exit
//! code that is the worst of them.

use super::super::{Refusal, print, tell};
use super::{Arguments, Format, by_policy, keys, many};
use crate::bundle::MANIFEST_FILE;
use crate::exit;
use crate::journal;
use crate::model::{RunId, Stamp};
use crate::report::judged::{self as report, Totals};
use crate::sign::PublicKey;
use crate::verify::{Class, Judged, Rules, bundle, files, signatures};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The exit code of evidence that was judged; docs/evidence.md has them.
pub fn code(class: Option<Class>) -> u8 {
    match class {
        None => exit::OK,
        Some(Class::Inconclusive) => exit::INCONCLUSIVE,
        Some(Class::Missing) => exit::MISSING,
        Some(Class::Refused) => exit::NOT_PASSED,
        Some(Class::Tampered) => exit::TAMPERED,
    }
}

/// Why something has no verdict.
#[derive(Debug)]
pub enum Fault {
    /// It can't be judged as it was asked for.
    Refused(Refusal),
    /// A fault of cutproof itself.
    Internal(PathBuf),
}

/// Judges what was named, each on its own; of several runs, also says which one counts.
pub fn paths(arguments: &Arguments, rules: &Rules) -> super::super::Result {
    let keys = keys::read(&arguments.keys)?;
    let mut shown = Shown::begin(arguments.format, false)?;
    for path in &arguments.paths {
        if is_folder_of_files(path) && keys.is_empty() {
            files::judge_folder_as(path, &asked(rules))
                .into_iter()
                .try_for_each(|judged| shown.one(judged))?;
            continue;
        }
        match one(path, rules, &keys) {
            Ok(judged) => shown.one(judged)?,
            Err(Fault::Refused(refusal)) => return Err(refusal),
            Err(Fault::Internal(path)) => shown.internal(&path),
        }
    }
    let runs: Vec<_> = arguments.paths.iter().filter(|path| is_run(path)).collect();
    if runs.len() > 1 {
        let together = by_policy::which_counts(&runs);
        if !together.findings.is_empty() {
            shown.one(together)?;
        }
    }
    shown.end()
}

/// Judges every run below a folder, as many at a time as there are processors.
pub fn recursive(folder: &Path, arguments: &Arguments, rules: &Rules) -> super::super::Result {
    let keys = keys::read(&arguments.keys)?;
    let found = many::find(folder);
    let mut shown = Shown::begin(arguments.format, true)?;
    found.unreadable.into_iter().try_for_each(|judged| shown.one(judged))?;
    if found.runs.is_empty() && shown.totals.all() == 0 {
        tell(&format!(
            "error: expected runs below {}, and there is no folder with a {MANIFEST_FILE} or a {}\n",
            folder.display(),
            journal::FILE
        ));
        shown.totals.add(Some(Class::Missing));
    }
    let mut told = 0;
    many::judge(
        &found.runs,
        |path| one(path, rules, &keys),
        |judged| {
            told += 1;
            match judged {
                Ok(judged) => shown.one(judged),
                Err(Fault::Refused(refusal)) => Err(refusal),
                Err(Fault::Internal(path)) => {
                    shown.internal(&path);
                    Ok(())
                }
            }
        },
    )?;
    if told < found.runs.len() {
        shown.internal(folder);
    }
    shown.end()
}

/// Judges a run's folder, or else a file. Only runs are signed: where keys are given, a file is not what was asked for.
fn one(path: &Path, rules: &Rules, keys: &[PublicKey]) -> Result<Judged, Fault> {
    let judged = catch_unwind(AssertUnwindSafe(|| match is_run(path) {
        true => Ok(run(path, rules, keys)),
        false if !keys.is_empty() => {
            let shown = path.display();
            Err(Refusal(format!("--key asks for signatures of runs, and {shown} is no run's folder")))
        }
        false => Ok(files::judge_as(path, &asked(rules))),
    }));
    match judged {
        Ok(judged) => judged.map_err(Fault::Refused),
        Err(_) => Err(Fault::Internal(path.to_owned())),
    }
}

fn run(path: &Path, rules: &Rules, keys: &[PublicKey]) -> Judged {
    let bundle = bundle::open(path);
    let judged = bundle::judge(&bundle, rules);
    if keys.is_empty() { judged } else { signatures::judged_with(&bundle, judged, keys) }
}

/// What is asked of files that are judged on their own.
fn asked(rules: &Rules) -> files::Asked {
    files::Asked {
        since: rules.since,
        allow_dry_run: rules.allow_dry_run,
        fail_on_flaky: rules.fail_on_flaky,
        mode: rules.mode,
        max_rollback: rules.max_rollback.clone(),
        whole: false,
    }
}

/// Whether this is a folder of evidence files, such as docs/results.
fn is_folder_of_files(path: &Path) -> bool {
    path.is_dir() && !is_run(path)
}

/// Whether this is a run's folder: by what it holds, or by its name where that was removed.
pub fn is_run(path: &Path) -> bool {
    let there = |name| std::fs::symlink_metadata(path.join(name)).is_ok();
    path.is_dir() && (there(MANIFEST_FILE) || there(journal::FILE) || named_as_run(path))
}

fn named_as_run(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(RunId::is_form)
}

/// What goes to stdout and stderr, one after another.
pub(super) struct Shown {
    format: Format,
    many: bool,
    totals: Totals,
    /// Those that are only shown together.
    kept: Vec<Judged>,
    internal: bool,
}

/// So many findings of one of many are kept for a report.
const FINDINGS: usize = 20;

impl Shown {
    pub(super) fn begin(format: Format, many: bool) -> super::super::Result<Shown> {
        if format == Format::Json {
            print(&report::json_opens())?;
        }
        Ok(Shown { format, many, totals: Totals::default(), kept: Vec::new(), internal: false })
    }

    pub(super) fn one(&mut self, judged: Judged) -> super::super::Result<()> {
        let class = judged.class();
        if self.format == Format::Json {
            print(&report::json_one(&judged, self.totals.all() == 0))?;
        }
        self.totals.add(class);
        match (self.format, self.many) {
            (Format::Text, true) => print(&report::line(&judged))?,
            (_, true) => {}
            (format, false) => {
                report::warnings(&judged).for_each(|warning| tell(&format!("warning: {warning}\n")));
                match class {
                    Some(_) => tell(&format!("error: {}\n", report::refusal(&judged))),
                    None if format == Format::Text => print(&report::passed(&judged))?,
                    None => tell(&report::passed(&judged)),
                }
            }
        }
        if matches!(self.format, Format::Junit | Format::Github) {
            self.kept.push(if self.many { shortened(judged) } else { judged });
        }
        Ok(())
    }

    fn internal(&mut self, path: &Path) {
        self.internal = true;
        tell(&format!(
            "error: {}: cutproof failed while it judged this; it says nothing of it\n",
            path.display()
        ));
    }

    pub(super) fn end(self) -> super::super::Result {
        match self.format {
            Format::Text => {}
            Format::Json => print(&report::json_closes(&self.totals))?,
            Format::Github => print(&report::github(&self.kept))?,
            Format::Junit => match report::junit(&self.kept, Stamp::now()) {
                Ok(text) => print(&String::from_utf8_lossy(&text))?,
                Err(error) => {
                    tell(&format!("error: {error}\n"));
                    return Ok(exit::INTERNAL);
                }
            },
        }
        if self.many {
            let line = format!("verified {}: {}\n", self.totals.all(), self.totals.line());
            if self.format == Format::Text { print(&line)? } else { tell(&line) }
        }
        Ok(if self.internal { exit::INTERNAL } else { code(self.totals.class) })
    }
}

/// The same with fewer findings: what refuses stands first.
fn shortened(judged: Judged) -> Judged {
    let mut judged = judged;
    judged.findings.truncate(FINDINGS);
    judged
}
