//! Where a byte of a TOML string's value stands in the file: quotes and escapes lie between.

use super::source::{Source, Span};

/// The place in the source of a part of a string's value, given the span of the string with its quotes.
pub(crate) fn within(source: &Source<'_>, string: &Span, part: &Span) -> Span {
    let raw = source.slice(string);
    let start = string.start + locate(raw, part.start);
    let end = string.start + locate(raw, part.end);
    start..end.max(start)
}

/// The offset in `raw`, a TOML string with its quotes, of byte `offset` of its value.
fn locate(raw: &str, offset: usize) -> usize {
    let several_lines = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let mut at = if several_lines { 3 } else { 1 };
    if several_lines {
        // A line break right behind the opening quotes is not part of the value.
        at += ["\r\n", "\n"].iter().find(|end| after(raw, at).starts_with(**end)).map_or(0, |end| end.len());
    }
    let escapes = raw.starts_with('"');
    let mut seen = 0;
    while let Some(c) = after(raw, at).chars().next() {
        let (raw_length, length) =
            if escapes && c == '\\' { escape(after(raw, at)) } else { (c.len_utf8(), c.len_utf8()) };
        if seen + length > offset {
            break;
        }
        at += raw_length;
        seen += length;
    }
    at.min(raw.len())
}

fn after(raw: &str, at: usize) -> &str {
    raw.get(at..).unwrap_or_default()
}

/// How many bytes the escape at the beginning of `raw` takes there, and how many its value has.
fn escape(raw: &str) -> (usize, usize) {
    let digits = match raw.chars().nth(1) {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        Some(c) if c.is_whitespace() => {
            // A backslash at a line's end swallows the white space around it.
            return (raw.len() - raw[1..].trim_start().len(), 0);
        }
        _ => return (2, 1),
    };
    let code = raw.get(2..2 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What stands in the source where `part` stands in the value.
    fn found<'t>(toml: &'t str, part: &str) -> &'t str {
        let parsed = toml::de::DeValue::parse(toml).unwrap();
        let value = parsed.get_ref().as_str().unwrap();
        let at = value.find(part).unwrap();
        let source = Source::new("x", toml);
        source.slice(&within(&source, &parsed.span(), &(at..at + part.len())))
    }

    #[test]
    fn a_part_of_a_string_is_found_behind_quotes_and_escapes() {
        assert_eq!(found(r#""a == 1""#, "=="), "==");
        assert_eq!(found(r#""state == \"RUNNING\" and lag < 5""#, "lag"), "lag");
        assert_eq!(found(r#""\u00e9\x41\U0001F600 lag""#, "lag"), "lag");
        assert_eq!(found("'a \\ b'", "b"), "b");
        assert_eq!(found("'''\r\nfirst\nsecond'''", "second"), "second");
        assert_eq!(found("\"\"\"\na \\\n   lag \\t x\"\"\"", "lag"), "lag");
        assert_eq!(found("\"\"\"\"quoted\" x\"\"\"", "x"), "x");
    }

    proptest! {
        #[test]
        fn every_character_of_a_value_is_found(pieces in proptest::collection::vec(piece(), 0..20), lines: bool) {
            let quotes = if lines { "\"\"\"" } else { "\"" };
            let raw: String = pieces.iter().filter(|(raw, _)| lines || !raw.contains('\n'))
                .map(|(raw, _)| *raw).collect();
            let toml = format!("{quotes}{raw}{quotes}");
            let parsed = toml::de::DeValue::parse(&toml).unwrap();
            let mut offset = 0;
            let mut expected = quotes.len();
            for (raw, value) in pieces.iter().filter(|(raw, _)| lines || !raw.contains('\n')) {
                if !value.is_empty() {
                    prop_assert_eq!(locate(&toml, offset), expected);
                }
                offset += value.len();
                expected += raw.len();
            }
            prop_assert_eq!(parsed.get_ref().as_str().unwrap().len(), offset);
            prop_assert_eq!(locate(&toml, offset), expected);
        }

        #[test]
        fn any_text_and_offset_stay_in_bounds(raw in any::<String>(), offset in 0usize..300) {
            prop_assert!(locate(&raw, offset) <= raw.len());
        }
    }

    /// A part of a string as it is written, and its value.
    fn piece() -> impl Strategy<Value = (&'static str, &'static str)> {
        let pieces = [
            ("a", "a"),
            ("é", "é"),
            ("\\n", "\n"),
            ("\\\"", "\""),
            ("\\\\", "\\"),
            ("\\x41", "A"),
            ("\\u00e9", "é"),
            ("\\U0001F600", "😀"),
            ("\\e", "\u{1b}"),
            ("b\nc", "b\nc"),
            ("\\ \n  ", ""),
        ];
        // A character behind each keeps a swallowed line end from swallowing the next piece's spaces.
        proptest::sample::select(pieces.to_vec())
    }
}
