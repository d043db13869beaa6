//! What is wrong with a profile: each fault with its place, all faults of a file at once.

use super::names;
use super::source::{COMMAND_LINE, Excerpt, Source, Span};
use crate::model::Position;
use std::fmt;

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// Expected and seen, on one line.
    pub message: String,
    /// The line in question, where it can be shown.
    pub excerpt: Option<Excerpt>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.file == COMMAND_LINE {
            write!(f, "{COMMAND_LINE}: {}", self.message)?;
        } else {
            write!(f, "{}: {}", self.at, self.message)?;
        }
        let Some(Excerpt { line, before, width }) = &self.excerpt else { return Ok(()) };
        write!(f, "\n    {line}\n    {:before$}{}", "", "^".repeat(*width))
    }
}

/// So many faults are shown; who has more has another kind of file.
const SHOWN: usize = 200;

/// All faults of a profile, in the order in which they stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// A single one, of which no line is shown.
    pub fn one(at: Position, message: impl Into<String>) -> Faults {
        Faults(vec![Fault { at, message: message.into(), excerpt: None }])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().take(SHOWN).enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for Faults {}

/// So many names are compared in all to find nearest ones: a file of ten thousand wrong names must not take
/// minutes.
const COMPARISONS: usize = 300_000;

/// Collects what is found in one source.
#[derive(Debug)]
pub(crate) struct Report<'s> {
    pub(crate) source: &'s Source<'s>,
    faults: Vec<(usize, Fault)>,
    warnings: Vec<(usize, Fault)>,
    compared: usize,
}

impl<'s> Report<'s> {
    pub(crate) fn new(source: &'s Source<'s>) -> Report<'s> {
        Report { source, faults: Vec::new(), warnings: Vec::new(), compared: 0 }
    }

    /// Something that is wrong.
    pub(crate) fn fault(&mut self, span: &Span, message: impl Into<String>) {
        self.faults.push(place(self.source, span, message.into()));
    }

    /// A name that is not one of those that are known here.
    pub(crate) fn unknown<'a>(
        &mut self,
        span: &Span,
        message: impl fmt::Display,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let hint = self.hint(name, known);
        self.fault(span, format!("{message}{hint}"));
    }

    /// The end of a message about an unknown name, as long as not too many names were compared.
    pub(crate) fn hint<'a>(&mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
        if self.compared >= COMPARISONS {
            return String::new();
        }
        let known: Vec<&str> = known.into_iter().collect();
        self.compared += known.len();
        names::hint(name, known)
    }

    /// A key that has no place here. What stands behind it is not shown: it may be a secret under a name that nobody
    /// knows as one.
    pub(crate) fn key(&mut self, span: &Span, message: String) {
        self.fault(span, message);
        if let Some((_, Fault { excerpt: Some(excerpt), .. })) = self.faults.last_mut() {
            let end = excerpt.before + excerpt.width;
            if excerpt.line.chars().nth(end).is_some() {
                excerpt.line = excerpt.line.chars().take(end).chain(" …".chars()).collect();
            }
        }
    }

    /// Something that is worth saying and stops nothing.
    pub(crate) fn warn(&mut self, span: &Span, message: impl Into<String>) {
        self.warnings.push(place(self.source, span, message.into()));
    }

    /// How many faults there are so far.
    pub(crate) fn count(&self) -> usize {
        self.faults.len()
    }

    /// The warnings, or the faults where there are any.
    pub(crate) fn finish(self) -> Result<Vec<Fault>, Faults> {
        if self.faults.is_empty() { Ok(sorted(self.warnings)) } else { Err(Faults(sorted(self.faults))) }
    }
}

fn place(source: &Source<'_>, span: &Span, message: String) -> (usize, Fault) {
    let excerpt = source.excerpt(span);
    (span.start, Fault { at: source.position(span.start), message, excerpt })
}

fn sorted(mut faults: Vec<(usize, Fault)>) -> Vec<Fault> {
    faults.sort_by_key(|(offset, _)| *offset);
    faults.into_iter().map(|(_, fault)| fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_shown_in_the_order_of_the_file_with_line_and_caret() {
        let source = Source::new("gates/x.toml", "a = 1\nbb = 2\n");
        let mut report = Report::new(&source);
        report.fault(&(6..8), "second");
        report.unknown(&(0..1), "unknown key `a`", "a", ["ab"]);
        let shown = report.finish().unwrap_err().to_string();
        insta::assert_snapshot!(shown, @r"
        gates/x.toml:1:1: unknown key `a`; nearest: `ab`
            a = 1
            ^
        gates/x.toml:2:1: second
            bb = 2
            ^^
        ");
    }

    #[test]
    fn a_fault_of_the_command_line_has_no_line_number() {
        let source = Source::command_line();
        let mut report = Report::new(&source);
        report.fault(&(0..0), "wrong");
        assert_eq!(report.finish().unwrap_err().to_string(), "command line: wrong");
    }

    #[test]
    fn of_very_many_faults_the_first_are_shown_and_the_others_counted() {
        let source = Source::new("x", "a");
        let mut report = Report::new(&source);
        (0..SHOWN + 5).for_each(|_| report.fault(&(1..1), "wrong"));
        let faults = report.finish().unwrap_err();
        assert_eq!(faults.0.len(), SHOWN + 5);
        assert!(faults.to_string().ends_with("\n… and 5 more"));
    }

    #[test]
    fn warnings_alone_are_no_fault() {
        let source = Source::new("x", "a");
        let mut report = Report::new(&source);
        report.warn(&(0..1), "careful");
        assert_eq!(report.finish().unwrap().len(), 1);
    }
}
