//! A run's folder as it is read from the disk, with nothing of it believed: files against the manifest, journals
//! against their chains, and everything that was derived from them against them.

mod described;
mod envelopes;
mod evidence;
mod files;
mod journals;
mod judge;
mod manifest;
pub(super) mod merged;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use super::code::Code;
use super::finding::{Evidence, Finding, Findings, More, Place};
use crate::bundle::Manifest;
use crate::journal::{self, Records};
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use journals::MOST_OF_JOURNALS;
pub use judge::judge;
pub use manifest::LARGEST as LARGEST_MANIFEST;

/// The largest file that is held against its journal, in bytes. A run of 100,000 gates has reports of half that.
pub const LARGEST_EVIDENCE: u64 = 128 << 20;

/// A bundle that was read and checked.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder as it was given.
    pub folder: PathBuf,
    /// Its manifest, where that could be read.
    pub manifest: Option<Manifest>,
    /// SHA-256 of the manifest's bytes, in hex.
    pub manifest_sha256: Option<String>,
    /// The journals whose chain holds, by their path in the bundle: the run's own first. A bundle that was merged of
    /// shards has no journal of its own; theirs come by path.
    pub journals: Vec<Journal>,
    /// The envelopes beside it, by name: `signatures/NAME`.
    pub envelopes: Vec<(String, Vec<u8>)>,
    /// What was found. Where something here refuses the bundle, nothing that it says is to be relied on.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

/// A journal of a bundle.
#[derive(Debug)]
pub struct Journal {
    /// Its path in the bundle.
    pub path: String,
    /// Its entries.
    pub records: Records,
}

/// Reads a run's folder and checks all that can be checked without knowing what it is for. It never fails: what can't
/// be read is a finding. Memory is bounded by the manifest's and the journals' largest sizes; of everything else no
/// more than a piece is held, but for files that say something else than their journal.
pub fn open(folder: &Path) -> Bundle {
    let mut checks = Checks::of(folder);
    let mut bundle = Bundle {
        folder: folder.to_owned(),
        manifest: None,
        manifest_sha256: None,
        journals: Vec::new(),
        envelopes: Vec::new(),
        findings: Vec::new(),
        more: Vec::new(),
    };
    if let Some(there) = files::find(&mut checks) {
        match manifest::read(&mut checks) {
            manifest::Read::Whole { manifest, sha256 } => {
                let seen = files::compare(&mut checks, &manifest, &there);
                bundle.journals = journals::read(&mut checks, &seen);
                against_each_other(&mut checks, &manifest, &seen, &bundle.journals);
                (bundle.manifest, bundle.manifest_sha256) = (Some(*manifest), Some(sha256));
            }
            manifest::Read::NotThere => bundle.journals = journals::unsealed(&mut checks),
            manifest::Read::Refused => {}
        }
        bundle.envelopes = envelopes::read(&mut checks);
    }
    (bundle.findings, bundle.more) = checks.found.finish();
    bundle
}

/// Journals, manifests and evidence against each other.
fn against_each_other(
    checks: &mut Checks<'_>,
    manifest: &Manifest,
    seen: &files::Seen,
    journals: &[Journal],
) {
    let views = journals::views(checks, journals);
    journals::finished(checks, &views);
    journals::heads(checks, manifest, &views);
    journals::folders(checks, &views);
    journals::children(checks, seen, &views);
    // What lacks a journal differs for that reason, which was told.
    if views.len() == journals.len() && seen.count_of_journals() == journals.len() {
        merged::compare(checks, manifest, seen, &views);
        described::compare(checks, manifest, seen, &views);
        evidence::compare(checks, seen, &views);
    }
}

/// A folder that is checked, and what was found in it.
struct Checks<'f> {
    folder: &'f Path,
    shown: String,
    found: Findings,
}

impl<'f> Checks<'f> {
    fn of(folder: &'f Path) -> Checks<'f> {
        let shown = shown(folder);
        Checks { folder, found: Findings::new([(Evidence::Bundle, shown.clone())]), shown }
    }

    /// A place in a file of the bundle.
    fn at(&self, evidence: Evidence, path: &str, subject: impl Into<String>) -> Place {
        let file = if path.is_empty() { self.shown.clone() } else { format!("{}/{path}", self.shown) };
        Place::in_file(evidence, file, subject)
    }

    fn refuse(&mut self, code: Code, at: Place, expected: impl Into<String>, seen: impl Into<String>) {
        self.found.refuse(code, at, expected, seen);
    }

    /// Whether something was told of this file already.
    fn is_told(&self, path: &str) -> bool {
        self.found.names(&format!("{}/{path}", self.shown))
    }

    /// A file's bytes, of which there may be so many; none of a link, a FIFO, a device.
    fn bytes(&self, path: &str, most: u64) -> std::io::Result<Vec<u8>> {
        let file = crate::bundle::open_file(self.folder, path)?;
        let too_large =
            |bytes| std::io::Error::other(format!("expected at most {most} bytes, and it has {bytes}"));
        let size = file.metadata()?.len();
        if size > most {
            return Err(too_large(size));
        }
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
    }
}

/// A folder's path as it is shown: without the slash that a shell's completion puts behind it.
fn shown(folder: &Path) -> String {
    folder.components().collect::<PathBuf>().display().to_string()
}

/// The folder of a journal's run, with a `/` behind it; empty for the bundle's own.
fn run_folder(path: &str) -> &str {
    path.strip_suffix(journal::FILE).unwrap_or_default()
}

/// What a file of a run is evidence of, by its name.
fn kind_of(path: &str) -> Evidence {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        journal::FILE => Evidence::Journal,
        crate::bundle::MANIFEST_FILE => Evidence::Manifest,
        crate::evidence::CUTOVER_FILE => Evidence::Cutover,
        crate::evidence::ROLLBACK_FILE => Evidence::Rollback,
        crate::evidence::JUNIT_FILE => Evidence::Junit,
        crate::evidence::SUMMARY_FILE => Evidence::Summary,
        crate::evidence::watch::SERIES | crate::evidence::watch::PLAN => Evidence::Watch,
        name if name.starts_with("ctp_readiness") => Evidence::Readiness,
        name if name.starts_with("kafka_topic_init") => Evidence::KafkaInit,
        name if name.starts_with("clickhouse_schema_init") => Evidence::ClickhouseInit,
        name if name.starts_with("timescale_schema_init") => Evidence::TimescaleInit,
        name if name.starts_with("debezium_connector_init") => Evidence::DebeziumInit,
        name if name.starts_with("single_host_bootstrap") => Evidence::Bootstrap,
        _ => Evidence::Bundle,
    }
}
