//! A run's folder as it is read from the disk, with nothing of it believed: files against the manifest, journals
//! against their chains, and everything that was derived from them against them.

use super::finding::{Finding, More};
use crate::bundle::Manifest;
use crate::journal::Records;
use std::path::PathBuf;

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
