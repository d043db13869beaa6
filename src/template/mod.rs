//! The cutover and rollback templates: `KEY=VALUE` files that a runbook's reader fills in.
//!
//! UTF-8; `#` begins a comment line; the first `=` splits; key and value are trimmed; CRLF and a leading
//! BOM are accepted. A key that is set twice is refused. Lines are kept, so that everything built on a
//! value can say where it came from. Values may be secrets: no error and no `Debug` here prints one,
//! except the four settings that are checked (two numbers, the window, the metrics' names).
//!
//! A pure leaf: it knows no plan, step or journal, and runs nothing.

mod error;
mod file;
mod lines;
mod typed;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use error::TemplateError;
pub use file::{FileFault, LARGEST, read_text, read_text_within, read_unlinked};
pub use lines::{Entry, LineFault, entries};
pub use typed::{Cutover, Rollback, Timespan, Window};

/// Which of the two templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cutover,
    Rollback,
}

impl Kind {
    /// The keys that must be there and not be empty, in the order in which they are asked for.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Cutover => &Cutover::KEYS,
            Self::Rollback => &Rollback::KEYS,
        }
    }

    /// The required key that is at most three slips of the pen away.
    fn nearest(self, key: &str) -> Option<&'static str> {
        let alike = self.keys().iter().filter(|known| known.len().abs_diff(key.len()) <= 3);
        let ranked = alike.map(|known| (strsim::damerau_levenshtein(known, key), *known));
        ranked.min().filter(|(distance, _)| *distance <= 3).map(|(_, known)| known)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cutover => "cutover",
            Self::Rollback => "rollback",
        })
    }
}

/// A value and the line that it stands on, from 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    pub text: String,
    pub line: usize,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting(line {}, {} bytes)", self.line, self.text.len())
    }
}

/// A template whose required keys are all there. Other keys are kept, see [`Template::warnings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub kind: Kind,
    pub path: PathBuf,
    /// In the order of the file.
    pub settings: Vec<(String, Setting)>,
}

impl Template {
    /// Reads the file at `path`, which must be a regular file of at most [`LARGEST`] bytes.
    pub fn read(kind: Kind, path: &Path) -> Result<Self, TemplateError> {
        let text = read_text(path).map_err(|fault| TemplateError::file(kind, path, fault))?;
        Self::parse(kind, path, &text)
    }

    /// Reads a text; `path` is named in errors.
    pub fn parse(kind: Kind, path: &Path, text: &str) -> Result<Self, TemplateError> {
        let mut template = Self { kind, path: path.to_owned(), settings: Vec::new() };
        let mut lines = HashMap::new();
        for entry in entries(text) {
            let Entry { key, value, line } =
                entry.map_err(|fault| TemplateError::Line { kind, path: path.to_owned(), fault })?;
            if let Some(first) = lines.insert(key, line) {
                let key = key.to_owned();
                return Err(TemplateError::Duplicate { kind, path: path.to_owned(), key, first, line });
            }
            template.settings.push((key.to_owned(), Setting { text: value.to_owned(), line }));
        }
        let empty = |key: &&&str| template.get(key).is_none_or(|setting| setting.text.is_empty());
        let keys: Vec<&'static str> = kind.keys().iter().filter(empty).copied().collect();
        if keys.is_empty() { Ok(template) } else { Err(TemplateError::MissingKeys { kind, keys }) }
    }

    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|(known, _)| known == key).map(|(_, setting)| setting)
    }

    /// A line for each key that no one asks for: kept, but most likely a slip.
    pub fn warnings(&self) -> Vec<String> {
        let unknown = self.settings.iter().filter(|(key, _)| !self.kind.keys().contains(&key.as_str()));
        let warning = |(key, setting): &(String, Setting)| {
            let hint =
                self.kind.nearest(key).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
            let (kind, path, line) = (self.kind, self.path.display(), setting.line);
            format!("{kind} template {path}:{line}: unknown key {key} is not used{hint}")
        };
        unknown.map(warning).collect()
    }
}
