//! `KEY=VALUE` files: one type for those that are written and those that are read back to be judged.

use super::text;
use std::collections::HashMap;
use std::fmt;

/// The lines of a `KEY=VALUE` file in order. One that is built here has each key once; one that was read may have a
/// key again, and whoever judges it decides what that means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    entries: Vec<Entry>,
    last: HashMap<String, usize>,
    stray: Vec<Stray>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value as it stands in the file.
    pub value: String,
    /// The line, from 1.
    pub line: usize,
}

/// A line that is neither empty nor a comment, and has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

impl Env {
    /// A file without lines.
    pub fn new() -> Env {
        Env::default()
    }

    /// Sets a key: behind the others, or in its place where it is set already. A value that would not survive in a
    /// line is escaped visibly: a newline is `\n`, an escape character `\u{1b}`.
    pub fn set(&mut self, key: impl Into<String>, value: impl fmt::Display) {
        let (key, value) = (key.into(), value.to_string());
        let value = text::value(&value).into_owned();
        match self.last.get(&key) {
            Some(at) => self.entries[*at].value = value,
            None => {
                let line = self.entries.len() + 1;
                self.push(Entry { key, value, line });
            }
        }
    }

    /// Reads a file: `#` begins a comment, the first `=` splits, key and value are trimmed, CRLF and a leading byte
    /// order mark are accepted. Nothing is refused: what is odd is kept where it can be asked for.
    pub fn parse(text: &str) -> Env {
        let mut env = Env::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, raw) in text.split('\n').enumerate() {
            let (line, raw) = (at + 1, raw.trim());
            if raw.is_empty() || raw.starts_with('#') {
                continue;
            }
            match raw.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                    env.push(Entry { key, value, line });
                }
                _ => env.stray.push(Stray { line, text: raw.to_owned() }),
            }
        }
        env
    }

    fn push(&mut self, entry: Entry) {
        self.last.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
    }

    /// The value of a key; the last one where it is there more than once.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// A key's last entry.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.last.get(key)?)
    }

    /// All entries in the order of the file, keys that are there again included.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Entries whose key stands there again later.
    pub fn shadowed(&self) -> impl Iterator<Item = &Entry> {
        let is_last = |at: usize, entry: &Entry| self.last.get(&entry.key) == Some(&at);
        self.entries
            .iter()
            .enumerate()
            .filter(move |(at, entry)| !is_last(*at, entry))
            .map(|(_, entry)| entry)
    }

    /// Lines without a key.
    pub fn stray(&self) -> &[Stray] {
        &self.stray
    }
}

impl fmt::Display for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{}={}", entry.key, entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_keep_their_order_and_are_there_once() {
        let mut env = Env::new();
        env.set("B", 1);
        env.set("A", "x = y");
        env.set("B", "two\nlines");
        assert_eq!(env.to_string(), "B=two\\nlines\nA=x = y\n");
    }

    #[test]
    fn a_reader_keeps_lines_duplicates_and_what_has_no_key() {
        let env = Env::parse("\u{feff}# note\r\nA = 1=2 \r\n\r\nnothing\r\n=x\r\nA=3\r\nB=\r\n");
        assert_eq!((env.get("A"), env.get("B"), env.get("C")), (Some("3"), Some(""), None));
        assert_eq!(env.entry("A").map(|entry| entry.line), Some(6));
        let again: Vec<_> = env.shadowed().map(|entry| (entry.line, entry.value.as_str())).collect();
        assert_eq!(again, [(2, "1=2")]);
        let stray: Vec<_> = env.stray().iter().map(|stray| (stray.line, stray.text.as_str())).collect();
        assert_eq!(stray, [(4, "nothing"), (5, "=x")]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(any::<String>(), 0..20)) {
            let mut env = Env::new();
            for (at, value) in values.iter().enumerate() {
                env.set(format!("STEP_{at}_COMMAND"), value);
            }
            prop_assert_eq!(Env::parse(&env.to_string()), env);
        }

        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            let env = Env::parse(&text);
            prop_assert!(env.entries().len() + env.stray().len() <= text.split('\n').count());
        }
    }
}
