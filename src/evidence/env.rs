//! `KEY=VALUE` files: one type for those that are written and those that are read back to be judged. What is read
//! borrows from the text: bulk verification reads a file in a few microseconds.

use super::text;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The lines of a `KEY=VALUE` file in order. One that is built here has each key once; one that was read may have a
/// key again, and whoever judges it decides what that means.
#[derive(Debug, Clone, Default)]
pub struct Env<'t> {
    entries: Vec<Entry<'t>>,
    stray: Vec<Stray<'t>>,
    /// Where each key stands that was set here. What was only read is searched.
    places: HashMap<String, usize>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The key.
    pub key: Cow<'t, str>,
    /// The value as it stands in the file.
    pub value: Cow<'t, str>,
    /// The line, from 1.
    pub line: usize,
}

/// A line that is neither empty nor a comment, and has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray<'t> {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: Cow<'t, str>,
}

/// So many bytes a line has at least, mostly: a first guess at how many there are.
const SHORT_LINE: usize = 24;

impl<'t> Env<'t> {
    /// A file without lines.
    pub fn new() -> Env<'t> {
        Env::default()
    }

    /// Sets a key: behind the others, or in its place where it is set already. A value that would not survive in a
    /// line is escaped visibly: a newline is `\n`, an escape character `\u{1b}`.
    pub fn set(&mut self, key: impl Into<String>, value: impl fmt::Display) {
        let (key, value) = (key.into(), value.to_string());
        let value = text::value(&value).into_owned().into();
        match self.places.get(&key) {
            Some(at) => self.entries[*at].value = value,
            None => {
                let line = self.entries.len() + 1;
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push(Entry { key: key.into(), value, line });
            }
        }
    }

    /// Reads a file: `#` begins a comment, the first `=` splits, key and value are trimmed, CRLF and a leading byte
    /// order mark are accepted. Nothing is refused: what is odd is kept where it can be asked for.
    pub fn parse(text: &'t str) -> Env<'t> {
        let mut env = Env::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        env.entries.reserve(text.len() / SHORT_LINE);
        for (at, raw) in text.split('\n').enumerate() {
            let (line, raw) = (at + 1, trim(raw));
            if raw.is_empty() || raw.starts_with('#') {
                continue;
            }
            match raw.split_once('=').map(|(key, value)| (trim(key), trim(value))) {
                Some((key, value)) if !key.is_empty() => {
                    env.entries.push(Entry { key: key.into(), value: value.into(), line });
                }
                _ => env.stray.push(Stray { line, text: raw.into() }),
            }
        }
        env
    }

    /// The value of a key; the last one where it is there more than once.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| &*entry.value)
    }

    /// A key's last entry. It is searched for: whoever asks for many walks the entries instead.
    pub fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries.iter().rfind(|entry| entry.key == key)
    }

    /// All entries in the order of the file, keys that are there again included.
    pub fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }

    /// Entries whose key is there more than once, those of a key together and in the order of the file.
    pub fn doubled(&self) -> Vec<&Entry<'t>> {
        if self.keys_differ() {
            return Vec::new();
        }
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        let same = entries.chunk_by(|one, other| one.key == other.key);
        same.filter(|same| same.len() > 1).flatten().copied().collect()
    }

    /// Whether the keys are known to differ, which those of nearly every file do. Keys that are the same have the same
    /// mark; that others may have it too costs time and nothing else.
    fn keys_differ(&self) -> bool {
        let mut marks: Vec<u64> = self.entries.iter().map(|entry| mark(&entry.key)).collect();
        marks.sort_unstable();
        marks.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// The same, borrowing from nothing.
    pub fn into_owned(self) -> Env<'static> {
        let owned = |text: Cow<'t, str>| Cow::Owned(text.into_owned());
        let entry = |Entry { key, value, line }| Entry { key: owned(key), value: owned(value), line };
        let stray = |Stray { line, text }| Stray { line, text: owned(text) };
        Env {
            entries: self.entries.into_iter().map(entry).collect(),
            stray: self.stray.into_iter().map(stray).collect(),
            places: self.places,
        }
    }

    /// Lines without a key.
    pub fn stray(&self) -> &[Stray<'t>] {
        &self.stray
    }
}

impl PartialEq for Env<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries && self.stray == other.stray
    }
}

impl Eq for Env<'_> {}

impl fmt::Display for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{}={}", entry.key, entry.value))
    }
}

/// As `str::trim`, with a short way for text that has nothing to trim.
fn trim(text: &str) -> &str {
    match (text.as_bytes().first(), text.as_bytes().last()) {
        (Some(b'!'..=b'~'), Some(b'!'..=b'~')) => text,
        _ => text.trim(),
    }
}

/// A number for a key, by which most keys can be told apart.
fn mark(key: &str) -> u64 {
    let step = |mark: u64, word: u64| (mark.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    let mark = words.iter().fold(key.len() as u64, |mark, word| step(mark, u64::from_le_bytes(*word)));
    rest.iter().fold(mark, |mark, byte| step(mark, u64::from(*byte)))
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
        let again: Vec<_> = env.doubled().iter().map(|entry| (entry.line, &*entry.value)).collect();
        assert_eq!(again, [(2, "1=2"), (6, "3")]);
        let stray: Vec<_> = env.stray().iter().map(|stray| (stray.line, &*stray.text)).collect();
        assert_eq!(stray, [(4, "nothing"), (5, "=x")]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(any::<String>(), 0..20)) {
            let mut env = Env::new();
            for (at, value) in values.iter().enumerate() {
                env.set(format!("STEP_{at}_COMMAND"), value);
            }
            let text = env.to_string();
            prop_assert_eq!(Env::parse(&text), env);
        }

        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            let env = Env::parse(&text);
            prop_assert!(env.entries().len() + env.stray().len() <= text.split('\n').count());
            for entry in env.entries() {
                prop_assert_eq!((entry.key.trim(), entry.value.trim()), (&*entry.key, &*entry.value));
            }
        }

        #[test]
        fn keys_that_are_there_again_are_found(keys in prop::collection::vec("[A-C]{1,9}|[A-B]{16,18}", 0..12)) {
            let text: String = keys.iter().map(|key| format!("{key}=1\n")).collect();
            let again = |key: &&String| keys.iter().filter(|other| other == key).count() > 1;
            prop_assert_eq!(Env::parse(&text).doubled().len(), keys.iter().filter(again).count());
        }
    }
}
