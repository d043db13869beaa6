//! GitHub's workflow commands that become annotations: `::error file=…,line=…,title=…::message`. What they quote is
//! nobody's word: it is escaped, so that no text ends a command or begins one.

use super::findings::plain;
use crate::evidence::text::{cut, visible};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// GitHub shows so many annotations of a kind for a step.
pub(super) const MOST: usize = 10;
/// GitHub cuts a message at 4,096 characters. Whoever reads it wants a sentence.
const MESSAGE: usize = 1000;
/// The longest title and path.
const SHORT: usize = 500;

/// What an annotation looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Warning,
}

/// An annotation, still unescaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Annotation {
    /// The file, from the repository's folder; none for what stands nowhere.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    pub title: String,
    pub message: String,
}

/// The commands, a line each: at most ten, the last of which says how many more there are, of these and of `counted`
/// ones. Whoever says the same twice is heard once. `whose` is the title of that last line.
pub(super) fn lines(kind: Kind, annotations: &[Annotation], counted: usize, whose: &str) -> String {
    let mut seen = BTreeSet::new();
    let different: Vec<_> = annotations.iter().filter(|annotation| seen.insert(*annotation)).collect();
    let total = different.len() + counted;
    let told = if total > MOST { MOST - 1 } else { different.len() };
    let mut lines: String = different.iter().take(told).map(|annotation| command(kind, annotation)).collect();
    if total > told.min(different.len()) {
        let left = total - told.min(different.len());
        // Writing to a String can't fail.
        let _ = writeln!(
            lines,
            "::{} title={}::{left} more findings: see the log of this step",
            word(kind),
            property(whose)
        );
    }
    lines
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Error => "error",
        Kind::Warning => "warning",
    }
}

fn command(kind: Kind, annotation: &Annotation) -> String {
    let Annotation { file, line, title, message } = annotation;
    let mut properties = Vec::new();
    properties.extend(file.as_ref().map(|file| format!("file={}", property(&shown(file, SHORT)))));
    properties.extend(line.map(|line| format!("line={line}")));
    properties.push(format!("title={}", property(&shown(title, SHORT))));
    format!("::{} {}::{}\n", word(kind), properties.join(","), data(&shown(message, MESSAGE)))
}

fn shown(text: &str, most: usize) -> String {
    plain(&cut(&visible(&cut(text, most)), most))
}

/// As GitHub's own toolkit escapes the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As GitHub's own toolkit escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn annotation(message: &str) -> Annotation {
        Annotation {
            file: Some("gates/a,b:c.toml".to_owned()),
            line: Some(7),
            title: "infra::x failed".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_would_end_a_property_is_escaped() {
        insta::assert_snapshot!(lines(Kind::Error, &[annotation("100% of a: b, c")], 0, "us"), @r"
        ::error file=gates/a%2Cb%3Ac.toml,line=7,title=infra%3A%3Ax failed::100%25 of a: b, c
        ");
    }

    #[test]
    fn what_stands_nowhere_has_no_file() {
        let nowhere = Annotation { file: None, line: None, ..annotation("m") };
        assert_eq!(lines(Kind::Warning, &[nowhere], 0, "us"), "::warning title=infra%3A%3Ax failed::m\n");
    }

    #[test]
    fn ten_are_shown_and_of_more_the_tenth_says_how_many() {
        let of = |count: usize| (0..count).map(|n| annotation(&n.to_string())).collect::<Vec<_>>();
        assert_eq!(lines(Kind::Error, &of(10), 0, "us").lines().count(), 10);
        let more = lines(Kind::Error, &of(12), 5, "us");
        assert_eq!(more.lines().count(), 10);
        assert!(
            more.ends_with("::error title=us::8 more findings: see the log of this step\n"),
            "17 in all, 9 of them told: {more}"
        );
        assert_eq!(
            lines(Kind::Error, &[], 3, "us"),
            "::error title=us::3 more findings: see the log of this step\n"
        );
        assert_eq!(lines(Kind::Error, &[annotation("a"), annotation("a")], 0, "us").lines().count(), 1);
        assert_eq!(lines(Kind::Error, &[], 0, "us"), "");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_line_or_a_command_of_its_own(text in any::<String>(), file in any::<String>()) {
            let hostile = Annotation { file: Some(file), line: None, title: text.clone(), message: text };
            let lines = lines(Kind::Error, &[hostile], 0, "us");
            prop_assert_eq!(lines.lines().count(), 1);
            prop_assert!(lines.starts_with("::error file=") && !lines.contains("##["), "{}", lines);
            // Two of these end the properties: none but ours.
            let (properties, _) = lines["::error ".len()..].split_once("::").unwrap();
            prop_assert!(properties.matches(',').count() == 1 && !properties.contains(':'), "{}", properties);
        }
    }
}
