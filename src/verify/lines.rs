//! Rules about a file's lines, before anyone asks what they mean.

use super::claim::is_judged;
use super::code::Code;
use super::finding::{Findings, Place, Which, quoted};
use crate::evidence::Env;
use crate::evidence::text::visible;
use std::borrow::Cow;

/// Characters at which some readers end a line and others do not, or which are not seen: the lines would depend on
/// who reads them.
pub(super) fn no_hidden_line_breaks(which: Which, text: &str, found: &mut Findings) {
    if is_plain(text) {
        return;
    }
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(hidden) = line.chars().find(|c| breaks(*c)) {
            let at = Place::nowhere(which, "the line").line(at + 1);
            let seen = format!("the character U+{:04X} in it", u32::from(hidden));
            found.refuse(Code::HiddenLineBreak, at, "one line for every reader", seen);
        }
    }
}

/// Whether nothing in a text could hide: the short way for nearly every file.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    // Without a way out of the inner loop, so that it is done for many bytes at once.
    text.as_bytes().chunks(64).all(|bytes| bytes.iter().fold(true, |plain, byte| plain & is_plain(byte)))
}

fn breaks(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// No line begins with `=`. What stands in it is not quoted: it may be anything.
pub(super) fn no_empty_keys(which: Which, env: &Env<'_>, found: &mut Findings) {
    for stray in env.stray().iter().filter(|stray| stray.text.starts_with('=')) {
        let at = Place::nowhere(which, "the line").line(stray.line);
        found.refuse(Code::EmptyKey, at, "KEY=VALUE", "no key before the =");
    }
}

/// Each key is there once.
pub(super) fn no_duplicates(which: Which, env: &Env<'_>, found: &mut Findings) {
    for same in env.doubled().chunk_by(|one, other| one.key == other.key) {
        let (Some(first), Some(last)) = (same.first(), same.last()) else { continue };
        let seen = format!("{} of it, the first in line {}", same.len(), first.line);
        found.refuse(Code::DuplicateKey, Place::of(which, last), "there once", seen);
    }
}

/// No key reads as one that is judged and is another: in other letters' case, with characters that are not seen, with
/// a word before it that shells pass over.
pub(super) fn no_look_alikes(which: Which, env: &Env<'_>, found: &mut Findings) {
    for entry in env.unusual() {
        let read = as_it_reads(&entry.key);
        if read != entry.key && is_judged(which, &read) {
            let expected = format!("written as {}", quoted(&read));
            found.refuse(Code::LookAlikeKey, Place::of(which, entry), expected, "another key");
        }
    }
}

/// A key as a person reads it, or a shell.
fn as_it_reads(key: &str) -> String {
    let is_seen =
        |c: &char| c.is_whitespace() || matches!(visible(c.encode_utf8(&mut [0; 4])), Cow::Borrowed(_));
    let seen: String = key.chars().filter(is_seen).collect();
    seen.split_whitespace().next_back().unwrap_or_default().to_uppercase()
}

/// Lines that say nothing to a reader of `KEY=VALUE`. What stands in them is not quoted.
pub(super) fn tell_stray_lines(which: Which, env: &Env<'_>, found: &mut Findings) {
    for stray in env.stray().iter().filter(|stray| !stray.text.starts_with('=')) {
        let at = Place::nowhere(which, "the line").line(stray.line);
        found.warn(Code::LineWithoutKey, at, "KEY=VALUE or a # comment", "no = in it: it was not read");
    }
}

/// A last line without an end: who writes evidence ends every line, so something may be missing.
pub(super) fn tell_no_final_newline(which: Which, text: &str, found: &mut Findings) {
    if !text.is_empty() && !text.ends_with('\n') {
        let line = Some(text.split('\n').count());
        let at = Place { line, ..Place::nowhere(which, "the last line") };
        found.warn(Code::NoFinalNewline, at, "ended by a newline", "no end");
    }
}
