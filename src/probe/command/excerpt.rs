//! What a command printed as people may read it: its head and its tail, without secrets, and with everything that is
//! no text made visible.

use crate::model::redact::Redactor;
use crate::process::Excerpt;
use std::borrow::Cow;
use std::fmt::Write;

/// How much of its last output an error shows, in characters.
const LAST: usize = 800;

/// Head and tail of both streams; nothing where nothing was printed.
pub(crate) fn of_both(stdout: &Excerpt, stderr: &Excerpt, redactor: &Redactor) -> String {
    match (stdout.total(), stderr.total()) {
        (0, 0) => String::new(),
        (_, 0) => of(stdout, redactor),
        (0, _) => format!("stderr:\n{}", of(stderr, redactor)),
        (_, _) => {
            let stdout = of(stdout, redactor);
            format!("{}\nstderr:\n{}", stdout.trim_end_matches('\n'), of(stderr, redactor))
        }
    }
}

/// Head and tail of a stream.
pub(crate) fn of(stream: &Excerpt, redactor: &Redactor) -> String {
    if stream.dropped == 0 {
        return visible(&redactor.text(&decoded(&stream.head)));
    }
    let tail = at_line_start(&stream.tail);
    let dropped = stream.dropped + (stream.tail.len() - tail.len()) as u64;
    let head = redactor.head(&decoded(without_half_character(&stream.head)));
    let tail = redactor.tail(&decoded(tail));
    format!("{}\n[… {dropped} bytes …]\n{}", visible(&head).trim_end_matches('\n'), visible(&tail))
}

/// The end of what was printed, for an error: of standard error where there is any.
pub(crate) fn last_lines(stdout: &Excerpt, stderr: &Excerpt, redactor: &Redactor) -> String {
    let stream = if stderr.total() > 0 { stderr } else { stdout };
    let shown = of(stream, redactor);
    let shown = shown.trim_end();
    if shown.is_empty() {
        return String::new();
    }
    let from = shown.char_indices().rev().nth(LAST - 1).map_or(0, |(at, _)| at);
    // Secrets are masked already; a line is only easier to read from its beginning.
    let from = if from == 0 { 0 } else { shown[from..].find('\n').map_or(from, |at| from + at + 1) };
    format!("; the last it printed:\n{}", &shown[from..])
}

/// The parts of a stream that were kept, without the lines that were cut: half a number is another number.
pub(super) fn whole_lines(stream: &Excerpt) -> Vec<Cow<'_, str>> {
    if let Some(whole) = stream.whole() {
        return vec![String::from_utf8_lossy(whole)];
    }
    let end = stream.head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let after = stream.tail.iter().position(|byte| *byte == b'\n').map_or(stream.tail.len(), |at| at + 1);
    [&stream.head[..end], &stream.tail[after..]].map(String::from_utf8_lossy).to_vec()
}

/// A tail from where a line begins: what stands before may be the value of a name that was cut off, such as a
/// password's. Of a line that is longer than the tail nothing is shown.
fn at_line_start(tail: &[u8]) -> &[u8] {
    let start = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |at| at + 1);
    &tail[start..]
}

/// A head without the first bytes of a character that was cut, which would hide the beginning of a secret.
fn without_half_character(head: &[u8]) -> &[u8] {
    let whole = |cut: &usize| match std::str::from_utf8(&head[head.len() - cut..]) {
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
        Ok(_) => false,
    };
    let half = (1..=head.len().min(3)).find(whole).unwrap_or(0);
    &head[..head.len() - half]
}

/// Bytes as text; those that are no UTF-8 as `\xff`.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// A text without control characters: they are written as `\x1b`, but line feeds and tabs stay.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\x{:02x}", u32::from(c));
        } else if matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            // They make a text read in another order than it is written.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(head: &[u8], dropped: u64, tail: &[u8]) -> Excerpt {
        Excerpt { head: head.to_vec(), tail: tail.to_vec(), dropped }
    }

    fn whole(text: &[u8]) -> Excerpt {
        cut(text, 0, b"")
    }

    #[test]
    fn what_is_no_text_is_made_visible() {
        let shown = of(&whole(b"a\x1b[31mb\r\n\tc\xff\xfe\x00 \xe2\x80\xae\n"), &Redactor::new());
        assert_eq!(shown, "a\\x1b[31mb\\x0d\n\tc\\xff\\xfe\\x00 \\u{202e}\n");
    }

    #[test]
    fn a_cut_output_says_how_much_is_not_there_and_begins_its_tail_with_a_line() {
        let shown = of(&cut(b"one\ntw", 100, b"PASS=hunter2\nlast\n"), &Redactor::new());
        assert_eq!(shown, "one\ntw\n[… 113 bytes …]\nlast\n");
    }

    #[test]
    fn the_beginning_of_a_secret_at_a_cut_is_masked_also_behind_half_a_character() {
        let redactor = Redactor::new();
        redactor.add("geheimnisvoll-ü");
        let shown = of(&cut(b"x geheimnisvoll-\xc3", 9, b"y\nz\n"), &redactor);
        assert_eq!(shown, "x ***\n[… 11 bytes …]\nz\n");
    }

    #[test]
    fn both_streams_are_told_apart() {
        let redactor = Redactor::new();
        assert_eq!(of_both(&whole(b""), &whole(b""), &redactor), "");
        assert_eq!(of_both(&whole(b"a\n"), &whole(b""), &redactor), "a\n");
        assert_eq!(of_both(&whole(b""), &whole(b"b"), &redactor), "stderr:\nb");
        assert_eq!(of_both(&whole(b"a\n"), &whole(b"b"), &redactor), "a\nstderr:\nb");
    }

    #[test]
    fn values_are_read_from_whole_lines_only() {
        let lines =
            |excerpt: &Excerpt| whole_lines(excerpt).into_iter().map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(lines(&whole(b"ms=12")), ["ms=12"]);
        assert_eq!(lines(&cut(b"a\nms=1", 1, b"2\nb\n")), ["a\n", "b\n"]);
        assert_eq!(lines(&cut(b"aaa", 1, b"bbb")), ["", ""]);
    }

    #[test]
    fn an_error_shows_the_end_of_what_was_printed() {
        let long: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let shown = last_lines(&whole(long.as_bytes()), &whole(b""), &Redactor::new());
        assert!(
            shown.starts_with("; the last it printed:\nline 9") && shown.ends_with("line 999"),
            "{shown}"
        );
        assert!(shown.len() < 900);
        assert_eq!(last_lines(&whole(b"\n"), &whole(b""), &Redactor::new()), "");
    }
}
