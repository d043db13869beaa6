//! What can be wrong with a template. The texts of the first two are relied on by other tools.

use std::path::{Path, PathBuf};

use super::Kind;
use super::file::FileFault;
use super::lines::LineFault;

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{kind} template not found: {}", path.display())]
    NotFound { kind: Kind, path: PathBuf },
    /// Absent or empty, in the contract's order.
    #[error("{kind} template missing required keys: {}", keys.join(","))]
    MissingKeys { kind: Kind, keys: Vec<&'static str> },
    #[error("{kind} template {} {fault}", path.display())]
    File { kind: Kind, path: PathBuf, fault: FileFault },
    #[error("{kind} template {}:{}: {fault}", path.display(), fault.line())]
    Line { kind: Kind, path: PathBuf, fault: LineFault },
    /// Of two values one is wrong, and taking either could run the wrong command.
    #[error("{kind} template {}:{line}: {key} is set again, first in line {first}; keep one", path.display())]
    Duplicate { kind: Kind, path: PathBuf, key: String, first: usize, line: usize },
    #[error("{kind} template {}:{line}: {key} must be {expected}, found \"{found}\"", path.display())]
    Value { kind: Kind, path: PathBuf, line: usize, key: &'static str, expected: &'static str, found: String },
}

impl TemplateError {
    pub(super) fn file(kind: Kind, path: &Path, fault: FileFault) -> Self {
        let path = path.to_owned();
        match fault {
            FileFault::NotFound => Self::NotFound { kind, path },
            fault => Self::File { kind, path, fault },
        }
    }
}
