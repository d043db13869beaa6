//! A profile's text, and which line and column a byte of it stands at.

use crate::model::Position;
use crate::model::redact::Redactor;
use std::borrow::Cow;
use std::ops::Range;

/// A part of the text, in bytes.
pub(crate) type Span = Range<usize>;

/// The name that positions have where there is no file: settings came from flags.
pub const COMMAND_LINE: &str = "command line";

/// Characters before every so many bytes are counted once, so that a position on a line of a megabyte is cheap.
const STRIDE: usize = 1024;

/// How much of a long line an excerpt shows, in characters.
const EXCERPT: usize = 100;

/// A line longer than this, in bytes, is not shown at all.
const LONGEST: usize = 4096;

/// A text with its name.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    file: String,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each multiple of [`STRIDE`].
    marks: Vec<usize>,
}

/// A line of the source, with the part of it that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or a part of a long one; tabs and control characters are shown as spaces.
    pub line: String,
    /// Characters before the part that is meant.
    pub before: usize,
    /// Characters of the part that is meant; at least 1.
    pub width: usize,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: impl Into<String>, text: &'t str) -> Source<'t> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let mut count = 0;
        let mut marks = vec![0];
        for chunk in text.as_bytes().chunks(STRIDE) {
            count += characters(chunk);
            marks.push(count);
        }
        Source { file: file.into(), text, lines, marks }
    }

    /// The source of settings that stand in no file.
    pub(crate) fn command_line() -> Source<'static> {
        Source::new(COMMAND_LINE, "")
    }

    /// The text of a span; empty where the span is not one of this text.
    pub(crate) fn slice(&self, span: &Span) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Line and column, from 1, of a byte; the end of the text for a byte beyond it.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.line_start(line);
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Position { file: self.file.clone(), line, column }
    }

    /// The text of a line, from 1; the end of the text for a line that it does not have.
    pub(crate) fn line_span(&self, line: usize) -> Span {
        let start =
            line.checked_sub(1).and_then(|place| self.lines.get(place)).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        start..start + rest.lines().next().map_or(0, str::len)
    }

    /// The line on which a span begins. Nothing where there is no text, and for a line that may hold a secret.
    pub(crate) fn excerpt(&self, span: &Span) -> Option<Excerpt> {
        let at = self.position(span.start);
        let start = self.line_start(at.line);
        let end = self.lines.get(at.line).map_or(self.text.len(), |next| next - 1);
        let line = self.text.get(start..end)?.trim_end_matches('\r');
        if line.trim().is_empty() || line.len() > LONGEST || holds_secret(line) {
            return None;
        }
        let long = line.chars().nth(EXCERPT).is_some();
        let column = at.column - 1;
        let skip = if long { column.saturating_sub(EXCERPT / 2) } else { 0 };
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = line.chars().skip(skip).take(EXCERPT).map(visible).collect();
        let until = span.end.min(start + line.len()).max(span.start);
        let width = self.text.get(span.start..until).map_or(1, |part| part.chars().count());
        let length = shown.chars().count();
        let before = (column - skip).min(length);
        let room = (length - before).max(1);
        Some(Excerpt { line: shown, before, width: width.clamp(1, room) })
    }

    fn line_start(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let mark = offset / STRIDE;
        let counted = self.marks.get(mark).copied().unwrap_or(0);
        counted + self.text.as_bytes().get(mark * STRIDE..offset).map_or(0, characters)
    }
}

/// Whether a line names a secret, or has what may be a user and a password before a host.
fn holds_secret(line: &str) -> bool {
    line.contains('@') || matches!(Redactor::new().text(line), Cow::Owned(_))
}

/// How many characters begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str, offset: usize) -> (usize, usize) {
        let at = Source::new("x", text).position(offset);
        (at.line, at.column)
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("ä = 1\nb", 3), (1, 3));
        assert_eq!(place("ä = 1\nb", 7), (2, 1));
        assert_eq!(place("a\n", 2), (2, 1));
        assert_eq!(place("a", 99), (1, 2));
    }

    #[test]
    fn an_excerpt_shows_the_part_of_a_long_line_that_is_meant() {
        let text = format!("{}MARK{}", "é".repeat(500), "b".repeat(500));
        let excerpt = Source::new("x", &text).excerpt(&(1000..1004)).unwrap();
        let meant: String = excerpt.line.chars().skip(excerpt.before).take(excerpt.width).collect();
        assert_eq!(meant, "MARK");
        assert_eq!(excerpt.line.chars().count(), EXCERPT);
    }

    #[test]
    fn a_line_that_holds_a_secret_is_not_shown() {
        let source = Source::new("x", "password = \"hunter2\"\nurl = \"http://u:hunter2@h\"\n\tnext = 1\r\n");
        assert_eq!(source.excerpt(&(0..8)), None);
        assert_eq!(source.excerpt(&(27..30)), None);
        let shown = Excerpt { line: " next = 1".into(), before: 1, width: 4 };
        assert_eq!(source.excerpt(&(49..53)), Some(shown));
    }

    proptest! {
        #[test]
        fn positions_agree_with_counting_by_hand(text in "(?s)[a\u{e9}\u{4e16}\n]{0,3000}", at in 0usize..10_000) {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            prop_assert_eq!(place(&text, at), (line, column));
        }
    }
}
