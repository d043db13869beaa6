//! A policy that somebody signed: an envelope beside its file, over the digest of its text.

use super::{Policy, PolicyError, digest, disk};
use crate::sign::{Envelope, Predicate, PublicKey};
use crate::template::{FileFault, read_text};
use std::path::{Path, PathBuf};

/// What the name of a policy's envelope ends in, behind the name of its file: `production.toml.dsse.json`.
pub const ENVELOPE: &str = ".dsse.json";

/// The envelope of a policy's file.
pub fn envelope(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ENVELOPE);
    PathBuf::from(name)
}

/// Reads and checks a file that this key must have signed, as [`super::load`] does. A key that stands in a file of its
/// own must be named by its id too: the signature does not cover that file.
///
/// # Errors
/// As [`super::load`]; and where there is no envelope over this very text that the key signed.
pub fn load_signed(path: &Path, by: &PublicKey) -> Result<Policy, PolicyError> {
    let text = disk::text(path)?;
    let beside = envelope(path);
    let signed = read_text(&beside).map_err(|fault| match fault {
        FileFault::NotFound => "there is none".to_owned(),
        fault => format!("it {fault}"),
    });
    signed.and_then(|bytes| is_signed(&text, bytes.as_bytes(), by)).map_err(|why| PolicyError::Unsigned {
        path: path.display().to_string(),
        envelope: beside.display().to_string(),
        why,
    })?;
    disk::parse(path, &text, true)
}

/// Whether an envelope says that the key's owner stands for this text.
///
/// # Errors
/// Why not.
pub(super) fn is_signed(text: &str, envelope: &[u8], by: &PublicKey) -> Result<(), String> {
    let envelope = Envelope::parse(envelope).map_err(|error| error.to_string())?;
    let statement = envelope.statement().map_err(|error| error.to_string())?;
    if !statement.is_about(&digest(text)) {
        return Err("it is not about this policy as it is now".to_owned());
    }
    if !matches!(statement.predicate, Predicate::Approval(_)) {
        return Err("it does not say that somebody stands for the policy".to_owned());
    }
    let verified = envelope.verify(std::slice::from_ref(by));
    match verified.by.contains(by.id()) {
        true => Ok(()),
        false => Err(format!("none of its signatures is of the key {}", by.id())),
    }
}
