//! A folder of evidence, such as `docs/results`: every file in it of a kind that can be judged, the two of a cutover as
//! the pair that they are, and which of the mandatory outputs are not there.

use super::super::code::Code;
use super::super::finding::{Evidence, Findings, Place, Which};
use super::super::{Judged, Source, verify};
use super::kind::Kind;
use super::{Asked, Trust, finished, of_text, read, run_id, unreadable};
use crate::evidence::Env;
use crate::model::Stamp;
use crate::template::FileFault;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The runbook's mandatory outputs.
const MANDATORY: [(&str, Evidence); 7] = [
    ("single_host_bootstrap_result.env", Evidence::Bootstrap),
    ("kafka_topic_init_result.env", Evidence::KafkaInit),
    ("clickhouse_schema_init_result.env", Evidence::ClickhouseInit),
    ("debezium_connector_init_result.env", Evidence::DebeziumInit),
    ("ctp_readiness_precheck.json", Evidence::Readiness),
    ("ctp_cutover_result.env", Evidence::Cutover),
    ("ctp_rollback_result.env", Evidence::Rollback),
];

/// The files that evidence can be in.
const EXTENSIONS: [&str; 4] = ["csv", "env", "json", "xml"];

/// So many names of a folder are looked at.
const MOST_NAMES: usize = 10_000;

/// A file that was read.
struct Text {
    path: PathBuf,
    text: String,
    kind: Kind,
}

/// Judges every file of a folder whose kind is known, by name; then what is to be said of the folder itself.
pub fn judge_folder(path: &Path, since: Option<Stamp>) -> Vec<Judged> {
    judge_folder_as(path, &Asked { since, ..Asked::default() })
}

/// The same in one.
pub(super) fn in_one(path: &Path, asked: &Asked) -> Judged {
    let mut found = Findings::new([]);
    let mut runs = BTreeSet::new();
    for judged in judge_folder_as(path, asked) {
        runs.extend(judged.run.map(|run| run.to_string()));
        found.take(judged.findings, judged.more);
    }
    let run = if runs.len() == 1 { runs.first().and_then(|run| run_id(run)) } else { None };
    finished("folder", &path.display().to_string(), run, found)
}

/// The same, with all that can be asked.
pub fn judge_folder_as(folder: &Path, asked: &Asked) -> Vec<Judged> {
    let shown = folder.display().to_string();
    let mut found = Findings::new([]);
    let names = match names(folder) {
        Ok(names) => names,
        Err(error) => {
            let at = Place::in_file(Evidence::Bundle, &shown, "the folder");
            found.refuse(Code::EvidenceUnreadable, at, "a folder that can be read", error.to_string());
            return vec![finished("folder", &shown, None, found)];
        }
    };
    if names.len() > MOST_NAMES {
        let at = Place::in_file(Evidence::Bundle, &shown, "the folder");
        let expected = format!("one with at most {MOST_NAMES} files");
        found.refuse(Code::EvidenceUnreadable, at, expected, "more");
        return vec![finished("folder", &shown, None, found)];
    }
    let mut judged = Vec::new();
    let mut there = BTreeSet::new();
    let mut pair = Vec::new();
    for path in names {
        match read_one(&path) {
            Some(Ok(text)) => {
                there.insert(text.kind.evidence());
                match text.kind {
                    Kind::Env(Which::Cutover | Which::Rollback) => pair.push(text),
                    // A watch is judged once, with its plan.
                    Kind::Series if path.with_extension("json").is_file() => {}
                    _ => judged.push(of_text(&path, &shown_path(&path), &text.text, Trust::Found, asked)),
                }
            }
            Some(Err((kind, fault))) => {
                there.insert(kind.evidence());
                judged.push(unreadable(&shown_path(&path), Some(kind), &fault));
            }
            None => {}
        }
    }
    judged.extend(switches(pair, asked));
    tell_missing(folder, &there, asked, &mut found);
    judged.push(finished("folder", &shown, None, found));
    judged
}

fn shown_path(path: &Path) -> String {
    path.display().to_string()
}

/// The folder's files in the order of their names, one more than are looked at where there are more.
fn names(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(MOST_NAMES + 1) {
        names.push(entry?.path());
    }
    names.sort();
    Ok(names)
}

/// A file whose kind is known, or of which that can't be told though its name says that it is evidence.
fn read_one(path: &Path) -> Option<Result<Text, (Kind, FileFault)>> {
    let extension = path.extension().and_then(OsStr::to_str)?;
    if !EXTENSIONS.contains(&extension) {
        return None;
    }
    let named = Kind::of_name(path);
    match read(path, Trust::Found) {
        Ok(text) => {
            let kind = Kind::of_text(&text).or(named)?;
            Some(Ok(Text { path: path.to_owned(), text, kind }))
        }
        Err(fault) => named.map(|kind| Err((kind, fault))),
    }
}

/// The two files of a cutover as a pair, where there is one of each; others each on its own.
fn switches(mut files: Vec<Text>, asked: &Asked) -> Vec<Judged> {
    let of = |which: Which| move |file: &&Text| file.kind == Kind::Env(which);
    let one_each =
        [Which::Cutover, Which::Rollback].iter().all(|which| files.iter().filter(of(*which)).count() == 1);
    if !one_each {
        let alone =
            |file: &Text| of_text(&file.path, &shown_path(&file.path), &file.text, Trust::Found, asked);
        return files.iter().map(alone).collect();
    }
    files.sort_by_key(|file| file.kind == Kind::Env(Which::Rollback));
    let mut sources =
        files.into_iter().map(|file| Source { path: shown_path(&file.path), text: Ok(file.text) });
    match (sources.next(), sources.next()) {
        (Some(cutover), Some(rollback)) => vec![pair(&cutover, &rollback, asked)],
        _ => Vec::new(),
    }
}

fn pair(cutover: &Source, rollback: &Source, asked: &Asked) -> Judged {
    let run = cutover
        .text
        .as_deref()
        .ok()
        .and_then(|text| Env::parse(text).get("CUTPROOF_RUN_ID").and_then(run_id));
    let verified = verify(cutover, rollback, &asked.rules());
    Judged {
        kind: "cutover and rollback",
        path: cutover.path.clone(),
        run,
        findings: verified.findings,
        more: verified.more,
    }
}

/// Which of the mandatory outputs are not there.
fn tell_missing(folder: &Path, there: &BTreeSet<Evidence>, asked: &Asked, found: &mut Findings) {
    for (name, evidence) in MANDATORY.iter().filter(|(_, evidence)| !there.contains(evidence)) {
        let at = Place::in_file(*evidence, shown_path(&folder.join(name)), "the mandatory output");
        if asked.whole {
            found.refuse(Code::EvidenceNotFound, at, "there", "nothing");
        } else {
            found.warn(Code::EvidenceNotFound, at, "there", "nothing");
        }
    }
    if there.is_empty() {
        let at = Place::in_file(Evidence::Bundle, shown_path(folder), "the folder");
        found.refuse(Code::EvidenceNotFound, at, "one with evidence files", "none");
    }
}
