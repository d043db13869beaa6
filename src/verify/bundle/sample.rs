//! Sealed folders for the tests of verification: journals as runs write them, their evidence and their manifests, on
//! the disk.

use crate::bundle::seal;
use crate::evidence::sample::{Sample, gate};
use crate::evidence::{RunView, documents, sample_switch};
use crate::journal::{self, read_from, written};
use crate::model::switch::{ChildRun, Stage};
use crate::model::{Event, Phase, RunId, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder that goes with its value.
pub(crate) struct Sealed {
    _root: tempfile::TempDir,
    pub folder: PathBuf,
}

impl Sealed {
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(path), text).unwrap();
    }

    /// Replaces something in a file.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "no {from} in {path}");
        self.write(path, text.replace(from, to));
    }

    /// Makes the manifests anew, as someone would who knows how.
    pub fn seal_again(&self) {
        seal(&self.folder).unwrap();
    }

    /// Writes another run in the place of a journal, its evidence and manifests included or not.
    pub fn rewrite_journal(&self, sample: &Sample) {
        fs::write(self.path(journal::FILE), text(sample)).unwrap();
    }

    /// All files but the bundle's own manifest, by path.
    pub fn files(&self) -> Vec<String> {
        crate::bundle::walk(&self.folder).unwrap().into_iter().map(|found| found.path).collect()
    }
}

/// The folder of a run, with those of the runs within it.
pub(crate) fn sealed(sample: &Sample) -> Sealed {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(sample.started.run.as_str());
    write(&folder, sample);
    seal(&folder).unwrap();
    Sealed { _root: root, folder }
}

/// A cutover with its preflight and readiness.
pub(crate) fn cutover() -> Sealed {
    sealed(&sample_switch::good())
}

/// The folder of a run that did not end: nothing but its journal.
pub(crate) fn unfinished(sample: &Sample) -> Sealed {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(sample.started.run.as_str());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(journal::FILE), text(sample)).unwrap();
    Sealed { _root: root, folder }
}

/// A rehearsal of one gate and a cutover.
pub(crate) fn rehearsal(cutover: &Sample, verdict: Verdict, fault: Option<&str>) -> Sealed {
    let root = tempfile::tempdir().unwrap();
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    sample.started.rehearses = true;
    sample.started.fault = fault.map(str::to_owned);
    let folder = root.path().join(sample.started.run.as_str());
    let mut within = Sample {
        started: cutover.started.clone(),
        events: cutover.events.clone(),
        pauses: cutover.pauses.clone(),
    };
    within.started.parent = Some(sample.started.run.clone());
    let inside = format!("runs/{}", within.started.run);
    write(&folder.join(&inside), &within);
    seal(&folder.join(&inside)).unwrap();
    sample.begin("redis-ping").end("redis-ping", Verdict::Passed, "");
    sample.stage(Stage::Cutover, "");
    let child = ChildRun { gates: Vec::new(), stage: Some(Stage::Cutover), ..told(&folder, &inside) };
    sample.event(Event::ChildRun(Box::new(child)));
    sample.stage_end(Stage::Cutover, verdict, if verdict == Verdict::Passed { "" } else { "not good" });
    sample.done();
    write(&folder, &sample);
    // As the rehearsal exports it.
    for name in [crate::evidence::CUTOVER_FILE, crate::evidence::ROLLBACK_FILE] {
        fs::copy(folder.join(&inside).join(name), folder.join(name)).unwrap();
    }
    seal(&folder).unwrap();
    Sealed { _root: root, folder }
}

fn text(sample: &Sample) -> Vec<u8> {
    written(sample.records().entries.into_iter().map(|record| (record.at, record.event)))
}

/// The files of a run. The runs that it tells of are made, and told of as they are.
fn write(folder: &Path, sample: &Sample) {
    fs::create_dir_all(folder).unwrap();
    let mut sample = Sample {
        started: sample.started.clone(),
        events: sample.events.clone(),
        pauses: sample.pauses.clone(),
    };
    for event in &mut sample.events {
        let Event::ChildRun(child) = event else { continue };
        if child.stage == Some(Stage::Cutover) {
            continue;
        }
        let inside = folder.join(&child.folder);
        write(&inside, &within(child, &sample.started.run));
        seal(&inside).unwrap();
        let (step, stage) = (child.step.clone(), child.stage);
        **child = ChildRun { step, stage, ..told(folder, &child.folder) };
    }
    fs::write(folder.join(journal::FILE), text(&sample)).unwrap();
    let records = read_from(&*text(&sample)).unwrap();
    for document in documents(&RunView::of(&records).unwrap()).unwrap() {
        fs::write(folder.join(&document.name), &document.bytes).unwrap();
    }
}

/// The run of a stage's gates, as the parent tells of them.
fn within(child: &ChildRun, parent: &RunId) -> Sample {
    let parts =
        |case: &str| case.split_once("::").map(|(phase, id)| (phase.to_owned(), id.to_owned())).unwrap();
    let gates = child.gates.iter().map(|told| {
        let (phase, id) = parts(&told.case);
        let phase = if phase == "infra" { Phase::Infra } else { Phase::Readiness };
        crate::model::Gate { phase, ..gate(&id, "redis_ping") }
    });
    let mut sample = Sample::new(gates.collect());
    sample.started.run = child.run.clone();
    sample.started.verb = child.verb.clone();
    sample.started.parent = Some(parent.clone());
    for told in &child.gates {
        let (_, id) = parts(&told.case);
        sample.begin(&id).end(&id, told.verdict, &told.reason);
    }
    sample.done();
    sample
}

/// What a run above tells of one, as `cutover` writes it.
fn told(folder: &Path, inside: &str) -> ChildRun {
    use crate::evidence::verdict;
    use crate::model::switch::ChildGate;
    let records = journal::read(&folder.join(inside).join(journal::FILE)).unwrap();
    let run = RunView::of(&records).unwrap();
    let gates = run.selected().map(|view| ChildGate {
        case: view.gate.case(),
        verdict: view.verdict,
        required: view.gate.required,
        reason: view.reason.clone().into_owned(),
        duration_ms: view.duration_ms(),
        at: view.gate.at.clone(),
    });
    let reasons: Vec<_> = verdict(&run).reasons.iter().map(ToString::to_string).collect();
    ChildRun {
        stage: None,
        step: String::new(),
        run: run.started.run.clone(),
        verb: run.started.verb.clone(),
        folder: inside.to_owned(),
        head: run.head.to_string(),
        outcome: verdict(&run).verdict.as_str().to_owned(),
        reason: reasons.join("; "),
        gates: gates.collect(),
    }
}
