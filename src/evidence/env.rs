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
    /// Places of keys that were read and have other characters than such keys have.
    unusual: Vec<usize>,
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
        let mut start = 0;
        for (at, end) in memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]).enumerate() {
            env.read_line(at + 1, &text[start..end]);
            start = end + 1;
        }
        env
    }

    fn read_line(&mut self, line: usize, raw: &'t str) {
        // The short way: a line as cutproof and the runbook's tools write it.
        let key = raw.bytes().position(|byte| !is_of_key(byte)).unwrap_or(raw.len());
        if key > 0 && raw.as_bytes().get(key) == Some(&b'=') {
            let (key, value) = (&raw[..key], trim(&raw[key + 1..]));
            self.entries.push(Entry { key: key.into(), value: value.into(), line });
            return;
        }
        let raw = raw.trim();
        if raw.is_empty() || raw.starts_with('#') {
            return;
        }
        match raw.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => {
                if !key.bytes().all(is_of_key) {
                    self.unusual.push(self.entries.len());
                }
                self.entries.push(Entry { key: key.into(), value: value.into(), line });
            }
            _ => self.stray.push(Stray { line, text: raw.into() }),
        }
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

    /// Entries whose key has other characters than capital letters, digits and `_`.
    pub fn unusual(&self) -> impl Iterator<Item = &Entry<'t>> {
        self.unusual.iter().filter_map(|at| self.entries.get(*at))
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
        let marks = self.entries.iter().map(|entry| mark(&entry.key));
        if self.entries.len() <= SLOTS / 2 {
            return marks_differ(marks);
        }
        let mut marks: Vec<u64> = marks.collect();
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
            unusual: self.unusual,
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

/// So many slots the table for marks has: more than twice as many as keys of most files.
const SLOTS: usize = 256;

/// Whether so few marks are all different, by a table with open addresses. None is 0.
fn marks_differ(marks: impl Iterator<Item = u64>) -> bool {
    let mut slots = [0u64; SLOTS];
    for mark in marks {
        let mut at = mark as usize % SLOTS;
        while slots[at] != 0 {
            if slots[at] == mark {
                return false;
            }
            at = (at + 1) % SLOTS;
        }
        slots[at] = mark;
    }
    true
}

/// Whether a byte is one that keys are made of: a table, since every byte of every key is asked.
fn is_of_key(byte: u8) -> bool {
    const OF_KEYS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            table[byte as usize] = matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
            byte += 1;
        }
        table
    };
    OF_KEYS[byte as usize]
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
    let mark = rest.iter().fold(mark, |mark, byte| step(mark, u64::from(*byte)));
    // The upper bits are the better ones.
    (mark ^ (mark >> 32)).max(1)
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

    type Lines<'t> = (Vec<(usize, &'t str, &'t str)>, Vec<(usize, &'t str)>);

    /// The reader in the simplest words.
    fn plainly(text: &str) -> Lines<'_> {
        let (mut entries, mut stray) = (Vec::new(), Vec::new());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, raw) in text.split('\n').map(str::trim).enumerate() {
            match raw.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                _ if raw.is_empty() || raw.starts_with('#') => {}
                Some((key, value)) if !key.is_empty() => entries.push((at + 1, key, value)),
                _ => stray.push((at + 1, raw)),
            }
        }
        (entries, stray)
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_plain_one_reads(text in "(A|B_1|c|=|==|#|\n|\r\n| |\t|\u{a0}|\u{feff}|é|x)*") {
            let env = Env::parse(&text);
            let (entries, stray) = plainly(&text);
            let read: Vec<_> = env.entries().iter().map(|entry| (entry.line, &*entry.key, &*entry.value)).collect();
            prop_assert_eq!(read, entries);
            prop_assert_eq!(env.stray().iter().map(|stray| (stray.line, &*stray.text)).collect::<Vec<_>>(), stray);
            let usual = |entry: &&Entry<'_>| !entry.key.bytes().all(is_of_key);
            prop_assert_eq!(env.unusual().count(), env.entries().iter().filter(usual).count());
        }

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
        fn keys_that_are_there_again_are_found(keys in prop_oneof![prop::collection::vec("[A-C]{1,9}|[A-B]{16,18}", 0..12), prop::collection::vec("[A-C]{8}", 200..300)]) {
            let text: String = keys.iter().map(|key| format!("{key}=1\n")).collect();
            let again = |key: &&String| keys.iter().filter(|other| other == key).count() > 1;
            prop_assert_eq!(Env::parse(&text).doubled().len(), keys.iter().filter(again).count());
        }
    }
}
