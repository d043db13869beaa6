//! Writes Markdown of which no part can come of evidence but as code: within a code span there is no markup, no link,
//! no address that becomes one, and nobody is mentioned. Lists end before the text gets too long, and say so.

use crate::report::page::Said;
use std::fmt::Write;

/// A text that is being written.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    out: String,
}

/// A cell of a table.
pub(super) enum Cell<'a> {
    /// Words of ours.
    Own(&'a str),
    /// What comes of evidence.
    Said(&'a Said),
}

impl Markdown {
    /// Words of ours.
    pub fn own(&mut self, text: &str) {
        for c in text.chars() {
            if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '#') {
                self.out.push('\\');
            }
            self.out.push(c);
        }
    }

    /// What comes of evidence.
    pub fn said(&mut self, said: &Said) {
        let text = code(said.as_str());
        self.out.push_str(&text);
    }

    /// Marks and line ends of ours.
    pub fn mark(&mut self, mark: &'static str) {
        self.out.push_str(mark);
    }

    pub fn heading(&mut self, level: usize, text: &str) {
        self.blank();
        let _ = write!(self.out, "{} ", "#".repeat(level));
        self.own(text);
        self.out.push_str("\n\n");
    }

    pub fn paragraph(&mut self, text: &str) {
        self.blank();
        self.own(text);
        self.out.push_str("\n\n");
    }

    /// Lines that were printed, in a block that none of them ends.
    pub fn block<'l>(&mut self, indent: &'static str, lines: impl Iterator<Item = &'l Said> + Clone) {
        let longest = lines.clone().map(|line| longest_run(line.as_str())).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let _ = writeln!(self.out, "{indent}{fence}text");
        for line in lines {
            let _ = writeln!(self.out, "{indent}{line}");
        }
        let _ = writeln!(self.out, "{indent}{fence}");
    }

    /// Exactly one empty line, but at the beginning.
    pub fn blank(&mut self) {
        self.out.truncate(self.out.trim_end_matches('\n').len());
        if !self.out.is_empty() {
            self.out.push_str("\n\n");
        }
    }

    /// The head of a table.
    pub fn head(&mut self, heads: &[&'static str]) {
        self.blank();
        let _ = writeln!(self.out, "| {} |", heads.join(" | "));
        let _ = writeln!(self.out, "|{}", " --- |".repeat(heads.len()));
    }

    /// A row of a table.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        self.out.push('|');
        for cell in cells {
            self.out.push(' ');
            match cell {
                Cell::Own(text) => self.own(text),
                Cell::Said(said) => self.out.push_str(&in_a_table(&code(said.as_str()))),
            }
            self.out.push_str(" |");
        }
        self.out.push('\n');
    }

    /// Writes each of these in at most so many bytes together, and how many are left out.
    pub fn list<T>(&mut self, most: usize, items: &[T], write: impl Fn(&mut Markdown, &T)) {
        let end = self.out.len() + most;
        for (written, item) in items.iter().enumerate() {
            let mut one = Markdown::default();
            write(&mut one, item);
            if self.out.len() + one.out.len() > end {
                let left = items.len() - written;
                let _ = write!(
                    self.out,
                    "\n**{left} of {} are left out here; the HTML page has them.**\n",
                    items.len()
                );
                break;
            }
            self.out.push_str(&one.out);
        }
        self.blank();
    }

    pub fn finish(self) -> String {
        let mut text = self.out.trim().to_owned();
        text.push('\n');
        text
    }
}

/// A code span that holds exactly this text.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    let fence = match longest_run(text) {
        0 => "`".to_owned(),
        run => "`".repeat(run + 1),
    };
    // One space at both ends is taken away again.
    let spaced = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let space = if spaced && !text.trim_matches(' ').is_empty() { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Cells end at a bar, in code too, and a backslash before it is the only way out; before that one, it is none.
fn in_a_table(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 8);
    let mut behind_backslash = false;
    for c in code.chars() {
        match c {
            '|' if behind_backslash => out.push_str("\\u{7c}"),
            '|' => out.push_str("\\|"),
            c => out.push(c),
        }
        behind_backslash = c == '\\';
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::said;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser};

    /// The texts of all code spans; anything else but text and structure is a fault.
    fn spans(markdown: &str) -> Vec<String> {
        let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
        let span = |event| match event {
            Event::Code(text) => Some(text.into_string()),
            Event::Html(_) | Event::InlineHtml(_) => panic!("raw HTML in {markdown}"),
            Event::Start(pulldown_cmark::Tag::Link { .. } | pulldown_cmark::Tag::Image { .. }) => {
                panic!("a link in {markdown}")
            }
            _ => None,
        };
        parser.filter_map(span).collect()
    }

    #[test]
    fn backticks_and_bars_end_neither_a_span_nor_a_cell() {
        for hostile in ["`", "a``b`", "|", "a|b", "x\\|y", "\\", "` |", "<b>", "[a](http://b)", "a\\\\|"] {
            let mut markdown = Markdown::default();
            markdown.head(&["one", "two"]);
            markdown.row(&[Cell::Said(&said(hostile, 100)), Cell::Own("end")]);
            let seen = spans(&markdown.finish());
            assert_eq!(seen.len(), 1, "{hostile}: {seen:?}");
            assert_eq!(seen[0].replace("\\u{7c}", "|"), hostile);
        }
    }

    #[test]
    fn a_list_ends_before_it_is_too_long_and_says_so() {
        let mut markdown = Markdown::default();
        markdown.list(100, &[(); 40], |markdown, ()| markdown.mark("- 0123\n"));
        let text = markdown.finish();
        assert!(text.contains("- 0123\n\n**26 of 40 are left out here"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_said_stands_in_a_span_of_its_own(text in "[a`|\\\\<\\[ *_!~&#@:/.-]{0,20}|\\PC{0,20}") {
            let of = said(&text, 100);
            let mut markdown = Markdown::default();
            markdown.mark("- ");
            markdown.said(&of);
            markdown.mark(" end\n\n");
            markdown.head(&["one", "two"]);
            markdown.row(&[Cell::Said(&of), Cell::Own("end")]);
            let seen = spans(&markdown.finish());
            let expected = if of.is_empty() { 0 } else { 2 };
            prop_assert_eq!(seen.len(), expected);
            let plain = |text: &str| text.replace("\\u{7c}", "|");
            let same = seen.iter().all(|seen| plain(seen) == plain(of.as_str()));
            prop_assert!(same);
        }

        #[test]
        fn no_line_ends_a_block(lines in prop::collection::vec("[`~a ]{0,8}", 0..5)) {
            let lines: Vec<_> = lines.iter().map(|line| said(line, 100)).collect();
            let mut markdown = Markdown::default();
            markdown.block("", lines.iter());
            let text = markdown.finish();
            let ends = Parser::new(&text).filter(|event| matches!(event, Event::End(_))).count();
            prop_assert_eq!(ends, 1);
        }
    }
}
