//! Rules about a file's lines, before anyone asks what they mean.

use super::code::Code;
use super::finding::{Findings, Place, Which};
use crate::evidence::{Entry, Env};
use std::collections::BTreeMap;

/// Characters at which some readers end a line and others do not, or which are not seen: the lines would depend on
/// who reads them.
pub(super) fn no_hidden_line_breaks(which: Which, text: &str, found: &mut Findings) {
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(hidden) = line.chars().find(|c| breaks(*c)) {
            let at = Place::nowhere(which, "the line").line(at + 1);
            let seen = format!("the character U+{:04X} in it", u32::from(hidden));
            found.refuse(Code::HiddenLineBreak, at, "one line for every reader", seen);
        }
    }
}

fn breaks(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// No line begins with `=`. What stands in it is not quoted: it may be anything.
pub(super) fn no_empty_keys(which: Which, env: &Env, found: &mut Findings) {
    for stray in env.stray().iter().filter(|stray| stray.text.starts_with('=')) {
        let at = Place::nowhere(which, "the line").line(stray.line);
        found.refuse(Code::EmptyKey, at, "KEY=VALUE", "no key before the =");
    }
}

/// Each key is there once.
pub(super) fn no_duplicates(which: Which, env: &Env, found: &mut Findings) {
    let mut lines: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in env.shadowed() {
        lines.entry(&entry.key).or_default().push(entry);
    }
    for (key, before) in lines {
        let (Some(first), Some(last)) = (before.first(), env.entry(key)) else { continue };
        let seen = format!("{} of it, the first in line {}", before.len() + 1, first.line);
        found.refuse(Code::DuplicateKey, Place::of(which, last), "there once", seen);
    }
}

/// Lines that say nothing to a reader of `KEY=VALUE`. What stands in them is not quoted.
pub(super) fn tell_stray_lines(which: Which, env: &Env, found: &mut Findings) {
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
