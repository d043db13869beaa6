//! Lines of a terminal: how wide text is, where it is broken, and what colour it has.

/// How wide a terminal is taken to be. Most are wider; none that matters is narrower.
pub(super) const WIDTH: usize = 80;

/// A line and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    pub style: Style,
}

/// What a line's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Good,
    Bad,
    Doubtful,
    Aside,
}

impl Line {
    pub fn new(style: Style, text: impl Into<String>) -> Line {
        Line { text: text.into(), style }
    }

    /// The line as it is printed.
    pub fn paint(&self, colour: bool) -> String {
        let code = match self.style {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Doubtful => "33",
            Style::Aside => "2",
            Style::Plain => "",
        };
        if colour && !code.is_empty() {
            format!("\x1b[{code}m{}\x1b[0m", self.text)
        } else {
            self.text.clone()
        }
    }
}

/// How many columns a text takes, at most: everything from Hangul on counts as wide, but our own marks.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(c: char) -> usize {
    if c < '\u{1100}' || matches!(c, '✓' | '✗' | '…') { 1 } else { 2 }
}

/// A text in at most so many columns; one that is longer ends in `…`.
pub(super) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let head = text.chars().take_while(|c| {
        used += column(*c);
        used <= width
    });
    let head: String = head.collect();
    format!("{}…", head.trim_end())
}

/// A text to the left of so many columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A text in lines of at most so many columns, broken between words, at most `most` of them: the last one then ends
/// in `…`.
pub(super) fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() + 1 < most {
        let end = break_at(rest, width);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() && most > 0 {
        lines.push(fit(rest, width));
    }
    lines
}

/// Where a line of `text` ends: behind the last word that fits, or within a word that is longer than a line.
fn break_at(text: &str, width: usize) -> usize {
    let (mut used, mut space) = (0, None);
    for (at, c) in text.char_indices() {
        if c == ' ' {
            space = Some(at);
        }
        used += column(c);
        if used > width {
            let whole = if at == 0 { c.len_utf8() } else { at };
            return space.filter(|space| *space > 0).unwrap_or(whole);
        }
    }
    text.len()
}

/// Words side by side in lines of at most so many columns.
pub(super) fn pack(words: &[String], width: usize) -> Vec<String> {
    const GAP: usize = 2;
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let word = fit(word, width);
        match lines.last_mut() {
            Some(line) if columns(line) + GAP + columns(&word) <= width => {
                line.push_str("  ");
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_broken_between_words_and_cut_with_a_mark() {
        assert_eq!(wrap("one two three four", 9, 5), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "three fo…"]);
        assert_eq!(wrap("abcdefghij", 4, 5), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4, 5), Vec::<String>::new());
        assert_eq!(pack(&["aa".into(), "bb".into(), "ccc".into()], 6), ["aa  bb", "ccc"]);
        assert_eq!(fit("日本語", 5), "日本…");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text in any::<String>(), width in 4usize..40, most in 1usize..6) {
            let lines = wrap(&text, width, most);
            prop_assert!(lines.len() <= most);
            prop_assert!(lines.iter().all(|line| columns(line) <= width));
            prop_assert!(columns(&fit(&text, width)) <= width);
        }
    }
}
