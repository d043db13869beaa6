//! The two templates of a cutover as they were read, each with what it held: the journal says so, and a run that is
//! gone on with can tell whether they are still the same.

use crate::journal::Digest;
use crate::model::event::FileDigest;
use crate::template::{Cutover, FileFault, Kind, Rollback, TemplateError, read_text};
use std::path::Path;

/// A template and the digest of its file.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// What it says.
    pub says: T,
    /// Its path and SHA-256.
    pub file: FileDigest,
}

/// The templates of a cutover; of a rollback on its own only the one.
#[derive(Debug, Clone)]
pub struct Templates {
    /// The way there.
    pub cutover: Option<Read<Cutover>>,
    /// The way back.
    pub rollback: Read<Rollback>,
}

impl Templates {
    /// Reads and checks them, the cutover's first.
    ///
    /// # Errors
    /// What is wrong with the first that can't be used.
    pub fn read(cutover: Option<&Path>, rollback: &Path) -> Result<Templates, TemplateError> {
        let cutover = cutover.map(|path| read(Kind::Cutover, path, Cutover::parse)).transpose()?;
        Ok(Templates { cutover, rollback: read(Kind::Rollback, rollback, Rollback::parse)? })
    }

    /// Keys that nobody asks for: most likely slips.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.cutover.as_ref().map_or_else(Vec::new, |read| read.says.template.warnings());
        warnings.extend(self.rollback.says.template.warnings());
        warnings
    }
}

/// Reads once, so that what is run is what was digested.
fn read<T>(
    kind: Kind,
    path: &Path,
    parse: fn(&Path, &str) -> Result<T, TemplateError>,
) -> Result<Read<T>, TemplateError> {
    let text = read_text(path).map_err(|fault| match fault {
        FileFault::NotFound => TemplateError::NotFound { kind, path: path.to_owned() },
        fault => TemplateError::File { kind, path: path.to_owned(), fault },
    })?;
    let sha256 = Digest::of(text.as_bytes()).to_string();
    let file = FileDigest { path: path.to_string_lossy().into_owned(), sha256 };
    Ok(Read { says: parse(path, &text)?, file })
}
