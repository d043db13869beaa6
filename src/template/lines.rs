//! `KEY=VALUE` text, line by line.

use std::fmt;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 128;

/// One line `KEY=VALUE`, trimmed. The line counts from 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'t> {
    pub key: &'t str,
    pub value: &'t str,
    pub line: usize,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} in line {}, {} bytes)", self.key, self.line, self.value.len())
    }
}

/// A line that is no `KEY=VALUE`. It says nothing of the line's text, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("expected KEY=VALUE, found a line without =")]
    NoEquals { line: usize },
    #[error("expected a key of letters, digits and _ (at most {LONGEST_KEY}) before the =")]
    BadKey { line: usize },
    /// Also the Unicode line separators: what other readers take for a line end must not be in a value.
    #[error("a control character or line separator in the line")]
    ControlCharacter { line: usize },
}

impl LineFault {
    pub const fn line(self) -> usize {
        match self {
            Self::NoEquals { line } | Self::BadKey { line } | Self::ControlCharacter { line } => line,
        }
    }
}

/// The entries of a text in its order; blank lines and comments are passed over. Duplicates are for the
/// caller to judge.
pub fn entries(text: &str) -> impl Iterator<Item = Result<Entry<'_>, LineFault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().filter_map(|(index, line)| entry(line.trim(), index + 1).transpose())
}

fn entry(text: &str, line: usize) -> Result<Option<Entry<'_>>, LineFault> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let breaks = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}');
    if text.contains(breaks) {
        return Err(LineFault::ControlCharacter { line });
    }
    let (key, value) = text.split_once('=').ok_or(LineFault::NoEquals { line })?;
    let (key, value) = (key.trim_end(), value.trim_start());
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts
        || key.len() > LONGEST_KEY
        || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    {
        return Err(LineFault::BadKey { line });
    }
    Ok(Some(Entry { key, value, line }))
}
