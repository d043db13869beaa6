//! A case of `junit.xml`, and how it is written: straight to the text that becomes the file, so that 100,000 cases need
//! no tree beside it. Texts are escaped, not put in character-data sections: some readers take a section that had to be
//! split for two. It knows nothing of runs and their verdicts.

use super::text::{lines, visible};
use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands in place of a text for which there is no room.
pub(super) const NO_ROOM: &str = "no room: see the journal";

/// What came of a case, as JUnit knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was measured is wrong.
    Failure,
    /// It could not be measured.
    #[default]
    Error,
    /// It was not run.
    Skipped,
}

impl Kind {
    const fn element(self) -> &'static str {
        match self {
            Kind::Failure => "failure",
            Kind::Error => "error",
            Kind::Skipped => "skipped",
        }
    }
}

/// Why a case, or one of its attempts, did not pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    pub kind: Kind,
    /// `GateFailed`, …
    pub type_: String,
    /// In one line, in which nothing hides.
    pub message: String,
    /// The message and more.
    pub text: String,
}

/// A case.
#[derive(Debug, Clone)]
pub(super) struct Case<'a> {
    pub name: Cow<'a, str>,
    pub class: Cow<'a, str>,
    pub file: Option<Cow<'a, str>>,
    pub micros: u64,
    /// None where it passed.
    pub fault: Option<Fault>,
    /// The attempts before the last one. Surefire's words for them are what readers know: of a case that passed
    /// `flakyFailure` and `flakyError`, of one that did not `rerunFailure` and `rerunError`.
    pub before: Vec<Fault>,
    pub output: String,
}

impl<'a> Case<'a> {
    /// One that passed.
    pub fn new(name: impl Into<Cow<'a, str>>, class: impl Into<Cow<'a, str>>, micros: u64) -> Case<'a> {
        let (name, class) = (name.into(), class.into());
        Case { name, class, file: None, micros, fault: None, before: Vec::new(), output: String::new() }
    }

    /// Writes all of it.
    pub fn write(&self, to: &mut String) {
        self.begin(to);
        if self.is_plain() {
            to.push_str("/>");
            return;
        }
        to.push('>');
        if let Some(fault) = &self.fault {
            write_fault(fault.kind.element(), fault, &fault.message, &fault.text, to);
        }
        for before in &self.before {
            write_fault(self.element_before(before.kind), before, &before.message, &before.text, to);
        }
        if !self.output.is_empty() {
            to.push_str("<system-out>");
            push_text(&self.output, to);
            to.push_str("</system-out>");
        }
        to.push_str("</testcase>");
    }

    /// Writes it without its texts: its verdict stays, and so does that it was tried before.
    pub fn write_bare(&self, to: &mut String) {
        self.begin(to);
        if self.fault.is_none() && self.before.is_empty() {
            to.push_str("/>");
            return;
        }
        to.push('>');
        if let Some(fault) = &self.fault {
            write_fault(fault.kind.element(), fault, NO_ROOM, NO_ROOM, to);
        } else if let Some(before) = self.before.last() {
            write_fault(self.element_before(before.kind), before, NO_ROOM, NO_ROOM, to);
        }
        to.push_str("</testcase>");
    }

    fn is_plain(&self) -> bool {
        self.fault.is_none() && self.before.is_empty() && self.output.is_empty()
    }

    fn element_before(&self, kind: Kind) -> &'static str {
        match (self.fault.is_some(), kind) {
            (false, Kind::Failure) => "flakyFailure",
            (false, Kind::Error | Kind::Skipped) => "flakyError",
            (true, Kind::Failure) => "rerunFailure",
            (true, Kind::Error | Kind::Skipped) => "rerunError",
        }
    }

    fn begin(&self, to: &mut String) {
        to.push_str("<testcase");
        attribute("name", &self.name, to);
        time(self.micros, to);
        attribute("classname", &self.class, to);
        if let Some(file) = &self.file {
            attribute("file", file, to);
        }
    }
}

fn write_fault(element: &str, fault: &Fault, message: &str, text: &str, to: &mut String) {
    to.push('<');
    to.push_str(element);
    attribute("type", &fault.type_, to);
    attribute("message", message, to);
    to.push('>');
    push_text(text, to);
    to.push_str("</");
    to.push_str(element);
    to.push('>');
}

/// ` key="value"`, on one line, with everything escaped that may be.
pub(super) fn attribute(key: &str, value: &str, to: &mut String) {
    to.push(' ');
    to.push_str(key);
    to.push_str("=\"");
    if value.bytes().all(|byte| PLAIN[usize::from(byte)]) {
        to.push_str(value);
    } else {
        escape(&visible(value), to);
    }
    to.push('"');
}

/// ` time="0.08"`, in seconds. Of a suite Jenkins' schema takes three decimals.
pub(super) fn time(micros: u64, to: &mut String) {
    // Writing to a String can't fail.
    let _ = write!(to, " time=\"{}\"", micros as f64 / 1e6);
}

fn push_text(text: &str, to: &mut String) {
    if text.bytes().all(|byte| PLAIN[usize::from(byte)] || matches!(byte, b'\n' | b'\t')) {
        to.push_str(text);
    } else {
        escape(&lines(text), to);
    }
}

/// Bytes that are written as they are wherever they stand. Most of what is written is nothing else, and there may be
/// 100,000 cases of it.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
        byte += 1;
    }
    plain
};

fn escape(text: &str, to: &mut String) {
    let special = |byte: u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(special) {
        to.push_str(&rest[..at]);
        to.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&apos;",
        });
        rest = &rest[at + 1..];
    }
    to.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Kind) -> Fault {
        let (message, text) = ("a \"b\" <c>".to_owned(), "a ]]> & b\n\u{1b}[31m".to_owned());
        Fault { kind, type_: "GateFailed".to_owned(), message, text }
    }

    fn written(case: &Case<'_>) -> (String, String) {
        let (mut whole, mut bare) = (String::new(), String::new());
        case.write(&mut whole);
        case.write_bare(&mut bare);
        (whole, bare)
    }

    #[test]
    fn a_case_that_simply_passed_is_one_element() {
        let mut case = Case::new("one", "a.b", 80_000);
        let plain = r#"<testcase name="one" time="0.08" classname="a.b"/>"#;
        assert_eq!(written(&case), (plain.to_owned(), plain.to_owned()));
        case.output = "said\tso".to_owned();
        let (whole, bare) = written(&case);
        assert_eq!(bare, plain);
        assert!(whole.ends_with("<system-out>said\tso</system-out></testcase>"), "{whole}");
    }

    #[test]
    fn what_would_be_markup_is_text() {
        let case = Case { fault: Some(fault(Kind::Failure)), ..Case::new("n", "c", 0) };
        let (whole, bare) = written(&case);
        insta::assert_snapshot!(whole, @r#"
        <testcase name="n" time="0" classname="c"><failure type="GateFailed" message="a &quot;b&quot; &lt;c&gt;">a ]]&gt; &amp; b
        \u{1b}[31m</failure></testcase>
        "#);
        insta::assert_snapshot!(bare, @r#"<testcase name="n" time="0" classname="c"><failure type="GateFailed" message="no room: see the journal">no room: see the journal</failure></testcase>"#);
    }

    #[test]
    fn attempts_are_flaky_where_it_passed_and_reruns_where_it_did_not() {
        let before = vec![fault(Kind::Failure), fault(Kind::Error)];
        let passed = Case { before: before.clone(), ..Case::new("n", "c", 0) };
        let (whole, bare) = written(&passed);
        assert!(whole.contains("<flakyFailure ") && whole.contains("<flakyError "), "{whole}");
        assert_eq!(bare.matches("<flaky").count(), 1, "{bare}");
        let failed = Case { fault: Some(fault(Kind::Failure)), before, ..Case::new("n", "c", 0) };
        let (whole, bare) = written(&failed);
        assert!(whole.contains("<rerunFailure ") && whole.contains("<rerunError "), "{whole}");
        assert!(bare.contains("<failure ") && !bare.contains("<rerun"), "{bare}");
    }
}
