//! Makes text that nobody vouches for safe to stand in a line, in XML and on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character would not be seen, would end a line, or would change what is seen of its neighbours. U+FFFE
/// and U+FFFF are among them because XML forbids them.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Most of what is written is plain, and there may be 100,000 of it.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let unsafe_at = |c: char| hides(c) && !keep(c);
    let Some(first) = text.find(unsafe_at) else { return Cow::Borrowed(text) };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            c if !unsafe_at(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c => push_code(&mut safe, c),
        }
    }
    Cow::Owned(safe)
}

fn push_code(to: &mut String, c: char) {
    // Writing to a String can't fail.
    let _ = write!(to, "\\u{{{:x}}}", u32::from(c));
}

/// One line without anything that hides: a newline becomes `\n`, an escape character `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// A value for a `KEY=VALUE` line: as [`visible`], and white space at either end, which readers trim, is escaped.
pub fn value(text: &str) -> Cow<'_, str> {
    let text = visible(text);
    let trimmed = text.trim();
    if trimmed.len() == text.len() {
        return text;
    }
    let start = text.len() - text.trim_start().len();
    let (before, after) =
        if trimmed.is_empty() { (&*text, "") } else { (&text[..start], &text[start + trimmed.len()..]) };
    let mut safe = String::with_capacity(text.len() + 12);
    before.chars().for_each(|c| push_code(&mut safe, c));
    safe.push_str(trimmed);
    after.chars().for_each(|c| push_code(&mut safe, c));
    Cow::Owned(safe)
}

/// Text of several lines: lines and tabs stay, whatever else hides is escaped.
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let text =
        if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    match escaped(&text, |c| matches!(c, '\n' | '\t')) {
        Cow::Borrowed(_) => text,
        Cow::Owned(safe) => Cow::Owned(safe),
    }
}

/// Text for an XML character-data section: as [`lines`], and the section's end mark is spread over two sections, which
/// every parser joins again.
pub fn cdata(text: &str) -> Cow<'_, str> {
    let safe = lines(text);
    if safe.contains("]]>") { Cow::Owned(safe.replace("]]>", "]]]]><![CDATA[>")) } else { safe }
}

/// At most `most` characters; a longer text keeps its head, and says that it was cut.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    const MARK: &str = " … (cut)";
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let keep = most.saturating_sub(MARK.chars().count());
    let end = text.char_indices().nth(keep).map_or(text.len(), |(at, _)| at);
    Cow::Owned(format!("{}{MARK}", &text[..end]))
}

/// At most `most` characters of what a command printed: a longer text keeps its head and, as what went wrong stands
/// at its end, twice as much of its tail, and says where it was cut.
pub fn cut_middle(text: &str, most: usize) -> Cow<'_, str> {
    const MARK: &str = "\n… (cut) …\n";
    let count = text.chars().count();
    if count <= most {
        return Cow::Borrowed(text);
    }
    let keep = most.saturating_sub(MARK.chars().count());
    let at = |number: usize| text.char_indices().nth(number).map_or(text.len(), |(at, _)| at);
    let (head, tail) = (at(keep / 3), at(count - (keep - keep / 3)));
    Cow::Owned(format!("{}{MARK}{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_is_cut_in_its_middle_keeps_both_ends() {
        assert_eq!(cut_middle("short", 20), "short");
        let long = format!("first {} last", "é".repeat(100));
        let cut = cut_middle(&long, 40);
        assert_eq!(cut.chars().count(), 40);
        assert!(cut.starts_with("first ") && cut.ends_with(" last") && cut.contains("(cut)"), "{cut}");
        assert_eq!(cut_middle(&long, long.chars().count()), long);
    }

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(visible("a\nb\r\n\tc\u{1b}[31m\u{202e}\u{0}"), r"a\nb\r\n\tc\u{1b}[31m\u{202e}\u{0}");
        assert!(matches!(visible("plain é 日本 ✓"), Cow::Borrowed(_)));
    }

    #[test]
    fn white_space_at_the_ends_of_a_value_survives_a_reader_that_trims() {
        assert_eq!(value(" a b "), r"\u{20}a b\u{20}");
        assert_eq!(value("\u{a0}"), r"\u{a0}");
        assert_eq!(value("  "), r"\u{20}\u{20}");
        assert_eq!(value(""), "");
    }

    #[test]
    fn the_end_of_a_section_is_spread_over_two() {
        assert_eq!(cdata("a]]>b\r\nc\rd"), "a]]]]><![CDATA[>b\nc\\rd");
    }

    #[test]
    fn a_cut_text_says_so_and_is_no_longer_than_asked() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("ééé", 3), "ééé");
        assert_eq!(cut(&"é".repeat(20), 12), "éééé … (cut)");
    }

    proptest! {
        #[test]
        fn no_text_gets_a_line_end_or_a_control_character_through(text in any::<String>()) {
            for safe in [visible(&text), value(&text)] {
                prop_assert!(!safe.contains(hides));
                prop_assert_eq!(safe.lines().count(), usize::from(!safe.is_empty()));
            }
            let value = value(&text);
            prop_assert_eq!(value.trim(), &*value);
        }

        #[test]
        fn a_cut_is_a_head_of_the_text(text in any::<String>(), most in 8usize..40) {
            let cut = cut(&text, most);
            prop_assert!(cut.chars().count() <= most);
            prop_assert!(text.starts_with(cut.strip_suffix(" … (cut)").unwrap_or(&cut)) || *cut == *text);
        }
    }
}
