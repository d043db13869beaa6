//! The journals of a bundle: their chains, and whether they are those that the manifest and the runs above them name.

use super::files::Seen;
use super::{Checks, Journal, run_folder};
use crate::bundle::{MANIFEST_FILE, Manifest};
use crate::evidence::{Outcome, RunView, verdict};
use crate::journal::{self, End, Fault, Record, Records, read_from};
use crate::model::switch::ChildRun;
use crate::model::{Event, RunId, Verdict};
use crate::verify::code::Code;
use crate::verify::finding::{Evidence, quoted};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::Path;

/// How large all journals of a bundle may be together, in bytes: they are what is held in memory. A run of 100,000
/// gates takes some 100 MB.
pub const MOST_OF_JOURNALS: u64 = 256 << 20;

/// The journals that can be read, by path, the run's own first.
pub(super) fn read(checks: &mut Checks<'_>, seen: &Seen) -> Vec<Journal> {
    let mut left = MOST_OF_JOURNALS;
    let mut journals = Vec::new();
    for (path, size) in seen.journals() {
        // A run that was killed before it began says nothing.
        if size > 0
            && let Some(records) = one(checks, path, left)
        {
            left = left.saturating_sub(size);
            journals.push(Journal { path: path.to_owned(), records });
        }
    }
    journals
}

/// The journal of a folder without a manifest: of a run that goes on, or was killed.
pub(super) fn unsealed(checks: &mut Checks<'_>) -> Vec<Journal> {
    let records = one(checks, journal::FILE, MOST_OF_JOURNALS);
    let at = checks.at(Evidence::Manifest, MANIFEST_FILE, "the manifest");
    match &records {
        Some(records) if records.end != End::Finished => unfinished(checks, records.end),
        _ => {
            let advice =
                "it was removed, or an older cutproof made the run; nothing shows what its files were";
            let found = &mut checks.found;
            found.refuse_and_advise(
                Code::ManifestMissing,
                at,
                "there, since the run ended",
                "nothing",
                advice,
            );
        }
    }
    let journal = |records| Journal { path: journal::FILE.to_owned(), records };
    records.map(journal).into_iter().collect()
}

fn one(checks: &mut Checks<'_>, path: &str, most: u64) -> Option<Records> {
    let fault = match entries(checks, path, most) {
        Ok(records) => return Some(records),
        Err(fault) => fault,
    };
    let at = checks.at(Evidence::Journal, path, "the journal");
    let at = line(&fault).map_or(at.clone(), |line| at.line(line));
    let expected = "as it was written";
    match fault {
        Fault::Io(error) if error.kind() == ErrorKind::NotFound => {
            checks.refuse(Code::EvidenceNotFound, at, "there", "nothing: this is no run's folder");
        }
        Fault::UnknownVersion { found, .. } => {
            let advice = "use the cutproof that wrote it";
            let (expected, seen) = (journal::VERSION.to_string(), found.to_string());
            checks.found.refuse_and_advise(Code::UnknownProjection, at, expected, seen, advice);
        }
        fault if fault.is_tampering() => checks.refuse(Code::JournalBroken, at, expected, fault.to_string()),
        fault => checks.refuse(Code::JournalUnreadable, at, expected, fault.to_string()),
    }
    None
}

fn entries(checks: &Checks<'_>, path: &str, most: u64) -> Result<Records, Fault> {
    let file = crate::bundle::open_file(checks.folder, path)?;
    let size = file.metadata().map_err(Fault::Io)?.len();
    if size > most {
        let why = format!("expected at most {most} bytes, and it has {size}");
        return Err(Fault::Io(io::Error::new(ErrorKind::FileTooLarge, why)));
    }
    read_from(BufReader::with_capacity(64 << 10, file.take(most)))
}

fn line(fault: &Fault) -> Option<usize> {
    let line = match fault {
        Fault::Io(_) | Fault::NoFile | Fault::TooLarge(_) => return None,
        Fault::TooLong { line }
        | Fault::UnknownVersion { line, .. }
        | Fault::NoEntry { line, .. }
        | Fault::Changed { line, .. }
        | Fault::Chain { line, .. }
        | Fault::Sequence { line, .. }
        | Fault::Unreadable { line, .. }
        | Fault::AfterEnd { line } => *line,
    };
    usize::try_from(line).ok()
}

/// A run of the bundle.
pub(super) struct View<'j> {
    /// Its journal's path.
    pub path: &'j str,
    /// The journal.
    pub records: &'j Records,
    /// What that says.
    pub run: RunView<'j>,
}

impl<'j> View<'j> {
    /// Whether it is the bundle's own.
    fn is_own(&self) -> bool {
        self.path == journal::FILE
    }

    /// The runs within it that it tells of, each with its line.
    fn children(&self) -> impl Iterator<Item = (usize, &'j ChildRun)> {
        let told = |(line, record): (usize, &'j Record)| match &record.event {
            Event::ChildRun(child) => Some((line, &**child)),
            _ => None,
        };
        (1..).zip(&self.records.entries).filter_map(told)
    }
}

/// What the journals say; those that contradict themselves are told.
pub(super) fn views<'j>(checks: &mut Checks<'_>, journals: &'j [Journal]) -> Vec<View<'j>> {
    let mut views = Vec::new();
    for Journal { path, records } in journals {
        match RunView::of(records) {
            Ok(run) => views.push(View { path, records, run }),
            Err(fault) => {
                let at = checks.at(Evidence::Journal, path, "an entry");
                let at = at.line(usize::try_from(fault.line).unwrap_or(usize::MAX));
                checks.refuse(
                    Code::JournalContradiction,
                    at,
                    "true together with those before it",
                    fault.what,
                );
            }
        }
    }
    views
}

/// The bundle's own run has an end. Runs within that have none are told by the run above.
pub(super) fn finished(checks: &mut Checks<'_>, views: &[View<'_>]) {
    for view in views.iter().filter(|view| view.is_own() && view.run.end != End::Finished) {
        unfinished(checks, view.run.end);
    }
}

fn unfinished(checks: &mut Checks<'_>, end: End) {
    let at = checks.at(Evidence::Journal, journal::FILE, "the last entry");
    let seen = match end {
        End::Cut { bytes } => format!("{bytes} bytes of a line that was cut off"),
        End::Unfinished | End::Finished => "another one".to_owned(),
    };
    let advice = format!("see where it stands with `cutproof status {}`", checks.shown);
    checks.found.refuse_and_advise(Code::RunUnfinished, at, "the run's end", seen, advice);
}

/// The manifest's list of journals.
pub(super) fn heads(checks: &mut Checks<'_>, manifest: &Manifest, views: &[View<'_>]) {
    for listed in &manifest.journals {
        let Some(view) = views.iter().find(|view| view.path == listed.path) else { continue };
        let head = view.run.head.to_string();
        if (listed.head.as_str(), listed.entries) != (&head, view.run.entries) {
            let at = checks.at(Evidence::Journal, view.path, "the journal");
            let told =
                |entries: usize, head: &str| format!("{entries} entries with the head {}", quoted(head));
            let expected = format!("{}, as {MANIFEST_FILE} says", told(listed.entries, &listed.head));
            checks.refuse(Code::JournalHead, at, expected, told(view.run.entries, &head));
        }
    }
}

/// A run's folder has the run's name. The bundle's own may have any that is no other run's: archives and pipelines
/// unpack it where they like.
pub(super) fn folders(checks: &mut Checks<'_>, views: &[View<'_>]) {
    for view in views {
        let name = match run_folder(view.path) {
            "" => own_name(checks.folder),
            folder => folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let run = view.run.started.run.as_str();
        let anywhere = run_folder(view.path).is_empty() && !RunId::is_form(&name);
        if name != run && !anywhere {
            let at = checks.at(Evidence::Journal, view.path, "the name of its folder").line(1);
            checks.refuse(Code::RunFolder, at, quoted(run), quoted(&name));
        }
    }
}

/// What a folder is called, also where it was given as `.`.
fn own_name(folder: &Path) -> String {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Runs within runs: each is as the run above it says, and none is there that no run tells of.
pub(super) fn children(checks: &mut Checks<'_>, seen: &Seen, views: &[View<'_>]) {
    let by_path: BTreeMap<&str, &View<'_>> = views.iter().map(|view| (view.path, view)).collect();
    let mut told = BTreeSet::new();
    for parent in views {
        for (line, child) in parent.children() {
            let path = format!("{}{}/{}", run_folder(parent.path), child.folder, journal::FILE);
            match by_path.get(path.as_str()) {
                Some(within) => compare(checks, child, within, &parent.run),
                // That it can't be read was told.
                None if seen.get(&path).is_some() => {}
                None => {
                    let subject = format!("the run {} within", child.run);
                    let at = checks.at(Evidence::Journal, parent.path, subject).line(line);
                    checks.refuse(Code::RunMissing, at, format!("at {}", quoted(&path)), "nothing");
                }
            }
            told.insert(path);
        }
    }
    let within =
        views.iter().filter(|view| above(view.path).is_some_and(|above| by_path.contains_key(&*above)));
    for view in within.filter(|view| !told.contains(view.path)) {
        let at = checks.at(Evidence::Journal, view.path, "the run");
        checks.found.warn(Code::RunUntold, at, "told of by the run above", "not told of");
    }
}

/// The journal of the run in whose folder a journal's run is.
fn above(path: &str) -> Option<String> {
    let (runs, _) = run_folder(path).strip_suffix('/')?.rsplit_once('/')?;
    Some(format!("{}{}", runs.strip_suffix("runs")?, journal::FILE))
}

fn compare(checks: &mut Checks<'_>, told: &ChildRun, within: &View<'_>, parent: &RunView<'_>) {
    let started = within.run.started;
    let mut differs = |code: Code, what: &str, expected: &str, seen: &str| {
        let at = checks.at(Evidence::Journal, within.path, what);
        checks.refuse(code, at, format!("{}, as the run above it says", quoted(expected)), quoted(seen));
    };
    let belongs = started.parent.as_ref().map_or("", |run| run.as_str());
    for (what, expected, seen) in [
        ("the run that it belongs to", parent.started.run.as_str(), belongs),
        ("the run", told.run.as_str(), started.run.as_str()),
        ("the verb", &told.verb, &started.verb),
    ] {
        if expected != seen {
            differs(Code::RunDiffers, what, expected, seen);
        }
    }
    // One that went on when it was told of has another head and an end by now.
    if told.outcome == Outcome::Unfinished.as_str() {
        return;
    }
    let head = within.run.head.to_string();
    if told.head != head {
        differs(Code::JournalHead, "the head", &told.head, &head);
    }
    let outcome = verdict(&within.run).verdict;
    if told.outcome != outcome.as_str() {
        differs(Code::RunDiffers, "the outcome", &told.outcome, outcome.as_str());
    }
    for (case, expected, seen) in gates_differ(told, &within.run) {
        differs(Code::RunDiffers, &case, &expected, &seen);
    }
}

/// Gates of which the run above says something else than the run itself. Of a rehearsed cutover it says nothing.
fn gates_differ(told: &ChildRun, run: &RunView<'_>) -> Vec<(String, String, String)> {
    if told.gates.is_empty() {
        return Vec::new();
    }
    let word = |verdict: Verdict, required: bool| {
        format!("{verdict}{}", if required { "" } else { " and not required" })
    };
    let mut gates: BTreeMap<String, String> =
        run.selected().map(|gate| (gate.gate.case(), word(gate.verdict, gate.gate.required))).collect();
    let mut differ = Vec::new();
    for gate in &told.gates {
        let expected = word(gate.verdict, gate.required);
        let seen = gates.remove(&gate.case).unwrap_or_else(|| "no such gate".to_owned());
        if expected != seen {
            differ.push((gate.case.clone(), expected, seen));
        }
    }
    differ.extend(gates.into_iter().map(|(case, seen)| (case, "no such gate".to_owned(), seen)));
    differ
}
