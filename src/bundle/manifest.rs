//! `manifest.json`: every file of a run's folder with its digest, and what the run was made with, from and against.
//! All of it but the files' sizes and digests follows from the journals.

use crate::model::event::{FileDigest, Partition, Source};
use crate::model::{Product, RunId, ServiceKind, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The manifest's name in a run's folder. The folders of runs within the run have their own.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The folder, in a bundle's, of the envelopes that sign it. They are made when the manifest is there, so it lists
/// none of them.
pub const SIGNATURES: &str = "signatures";
/// Folders, in a run's, that belong to no bundle: what steps printed may hold secrets, and goes on growing while what
/// they started lives.
pub const UNLISTED: [&str; 2] = ["logs", SIGNATURES];
/// The name of this projection.
pub const PROJECTION: &str = "manifest";
/// The version of this projection.
pub const VERSION: u32 = 1;

/// What a bundle is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`PROJECTION`].
    pub projection: String,
    /// [`VERSION`].
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The verb that started it.
    pub verb: String,
    /// The environment's name.
    pub environment: String,
    /// The machine.
    pub host: String,
    /// When the run began.
    pub started: Stamp,
    /// When it ended; none where its journal has no end.
    pub completed: Option<Stamp>,
    /// What it was made with.
    pub tool: Tool,
    /// The state of the repository it was made from, where there is one.
    pub source: Option<Source>,
    /// Who gave the services.
    pub provisioner: String,
    /// Whether nothing was touched.
    pub dry_run: bool,
    /// Whether only a selection of the gates ran.
    pub partial: bool,
    /// The shard that the run is.
    pub partition: Option<Partition>,
    /// The profile.
    pub profile: Option<FileDigest>,
    /// The templates of the cutover and the rollback, in this order, of the run or the runs within it.
    pub templates: Vec<FileDigest>,
    /// The services and the state that binds the run to them, by name.
    pub services: BTreeMap<String, Binding>,
    /// The journals: the run's own first, then those of the runs within it, by path.
    pub journals: Vec<BundledJournal>,
    /// Every file of the folder but this one and those of [`UNLISTED`] folders, by path.
    pub files: Vec<File>,
}

impl Manifest {
    /// The file's bytes: what is signed, and what another writes for the same bundle.
    ///
    /// # Errors
    /// Where it can't be put together; that is a fault of cutproof.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// What a run was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// cutproof's version.
    pub version: String,
    /// SHA-256 of its executable, in hex.
    pub sha256: Option<String>,
}

/// A service as the run found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Its kind.
    pub kind: Option<ServiceKind>,
    /// What ran there, as it said itself.
    pub product: Option<Product>,
    /// What the real environment runs, as the profile says.
    pub stands_for: Option<String>,
    /// Where it differs from that.
    pub differs: Option<String>,
    /// The image's digest, where it ran in a container.
    pub image: Option<String>,
    /// What binds the run to this very cluster: `cluster_id`, `run_id`, `system_identifier`, … .
    pub identity: BTreeMap<String, String>,
}

/// A journal of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledJournal {
    /// Its path in the bundle.
    pub path: String,
    /// Its run.
    pub run: RunId,
    /// How many entries it has.
    pub entries: usize,
    /// The digest of the last one, in hex.
    pub head: String,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the bundle, with `/`; no part of it is `.`, `..` or empty.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// In hex.
    pub sha256: String,
    /// `application/json`, `text/plain; charset=utf-8`, …
    pub media_type: String,
    /// What it is there for.
    pub role: Role,
}

/// What a file is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The record of a run.
    Journal,
    /// A projection of a journal: the runbook's files, `junit.xml`, `summary.json`, `watch.csv`, …
    Projection,
    /// A manifest of a run within the run.
    Manifest,
    /// Something that a step of the run put there; nothing is derived from it.
    Attachment,
}
