//! A JUnit report: well-formed, with as many cases as it counts, each once and with one result, and none that is red.
//! Whether it says what the journal says, is for those who have the journal.

use super::super::code::Code;
use super::super::finding::{Evidence, Findings, Place, quoted};
use super::{Asked, refuse_dry_run, tell_no_run_id, tell_older};
use crate::model::{RunId, Stamp};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::borrow::Cow;
use std::collections::HashSet;

const OF: Evidence = Evidence::Junit;

/// The longest message, in characters: GitHub's annotations hold no more.
const MESSAGE: usize = 4_096;
/// GitLab takes values of these types for other things.
const TYPES_OF_GITLAB: [&str; 5] = ["yaml", "symbol", "integer", "file", "string"];

pub(super) fn judge(text: &str, asked: &Asked, found: &mut Findings) -> Option<RunId> {
    let mut report = Report { fail_on_flaky: asked.fail_on_flaky, ..Report::new(text) };
    match report.read(found) {
        Ok(()) => report.conclude(asked, found),
        Err(fault) => {
            let at = Place::nowhere(OF, "the file").line(report.lines.at(text, report.position));
            found.refuse(Code::Malformed, at, "a well-formed JUnit report", quoted(&fault));
        }
    }
    tell_no_run_id(OF, "the run", found);
    None
}

/// Lines by their place in the text, asked for in the text's order.
#[derive(Default)]
struct Lines {
    at: usize,
    lines: usize,
}

impl Lines {
    fn at(&mut self, text: &str, to: usize) -> usize {
        let to = to.min(text.len());
        let passed = text.as_bytes().get(self.at..to).unwrap_or_default();
        self.lines += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at = self.at.max(to);
        self.lines + 1
    }
}

/// What a suite counts: of itself, or of its cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }

    fn named(self) -> [(&'static str, u64); 4] {
        [
            ("tests", self.tests),
            ("failures", self.failures),
            ("errors", self.errors),
            ("skipped", self.skipped),
        ]
    }
}

/// What an element says it counts, with the line.
#[derive(Debug, Default)]
struct Said {
    name: String,
    line: usize,
    counts: [Option<u64>; 4],
}

#[derive(Debug, Default)]
struct Suite {
    said: Said,
    seen: Counts,
    is_ours: bool,
    names: HashSet<(String, String)>,
}

#[derive(Debug, Default)]
struct Case {
    line: usize,
    name: String,
    class: String,
    results: Vec<&'static str>,
    message: String,
    text: bool,
    outputs: usize,
    /// It passed, and an attempt before did not.
    flaky: bool,
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Suites,
    Suite,
    Case,
    Result,
    /// Output, properties: nothing that is judged.
    Other,
}

struct Report<'t> {
    text: &'t str,
    position: usize,
    lines: Lines,
    open: Vec<Element>,
    root: Option<Said>,
    suite: Suite,
    case: Case,
    all: Counts,
    suites: usize,
    dry_run: bool,
    partial: bool,
    fail_on_flaky: bool,
    /// The last moment of which a suite says that it was at work.
    last: Option<Stamp>,
}

impl<'t> Report<'t> {
    fn new(text: &'t str) -> Report<'t> {
        Report {
            text,
            position: 0,
            lines: Lines::default(),
            open: Vec::new(),
            root: None,
            suite: Suite::default(),
            case: Case::default(),
            all: Counts::default(),
            suites: 0,
            dry_run: false,
            partial: false,
            fail_on_flaky: false,
            last: None,
        }
    }

    fn line(&mut self) -> usize {
        self.lines.at(self.text, self.position)
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// What makes it ill-formed, or no report.
    fn read(&mut self, found: &mut Findings) -> Result<(), String> {
        let mut reader = Reader::from_str(self.text);
        let mut is_over = false;
        loop {
            self.position = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let inside = !self.open.is_empty();
            match event {
                Event::Start(_) | Event::Empty(_) if is_over => return Err("a second root".to_owned()),
                Event::Start(tag) => self.begin(&tag, found)?,
                Event::Empty(tag) => {
                    self.begin(&tag, found)?;
                    is_over = self.end(found);
                }
                Event::End(_) => is_over = self.end(found),
                Event::Text(text) => self.characters(&text, inside)?,
                Event::CData(text) if inside => self.characters(&text, inside)?,
                Event::CData(_) => return Err("text outside of the root".to_owned()),
                Event::GeneralRef(name) => {
                    let name = name.decode().map_err(|error| error.to_string())?;
                    refers(&name)?;
                    self.characters(b"&", inside)?;
                }
                Event::DocType(_) => return Err("a document type: entities are not read".to_owned()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if is_over => return Ok(()),
                Event::Eof => return Err("its end is missing".to_owned()),
            }
        }
    }

    fn characters(&mut self, text: &[u8], inside: bool) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        if let Some(c) = text.chars().find(|c| !is_xml(*c)) {
            return Err(format!("the character U+{:04X}, which XML forbids", u32::from(c)));
        }
        let is_blank = text.trim().is_empty();
        if !inside && !is_blank && text != "\u{feff}" {
            return Err("text outside of the root".to_owned());
        }
        if !is_blank && self.open.last() == Some(&Element::Result) {
            self.case.text = true;
        }
        Ok(())
    }

    fn begin(&mut self, tag: &BytesStart<'_>, found: &mut Findings) -> Result<(), String> {
        let parent = self.open.last().copied();
        let attributes = Attributes::of(tag)?;
        let element = match (parent, tag.name().as_ref()) {
            (None, b"testsuites") => Element::Suites,
            (None | Some(Element::Suites), b"testsuite") => Element::Suite,
            (Some(Element::Suite), b"testsuite") => return Err("a suite within a suite".to_owned()),
            (Some(Element::Suite), b"testcase") => Element::Case,
            (Some(Element::Case), b"failure" | b"error" | b"skipped") => Element::Result,
            (None, _) => return Err("another root than testsuites or testsuite".to_owned()),
            (_, b"testsuites" | b"testsuite" | b"testcase" | b"failure" | b"error" | b"skipped") => {
                return Err("an element where none of its kind can be".to_owned());
            }
            _ => Element::Other,
        };
        match element {
            Element::Suites => self.root = Some(self.said(&attributes, found)),
            Element::Suite => self.begin_suite(&attributes, found),
            Element::Case => self.begin_case(&attributes, found),
            Element::Result => self.result(tag.name().as_ref(), &attributes, found),
            Element::Other => {
                let is_output = parent == Some(Element::Case) && tag.name().as_ref() == b"system-out";
                self.case.outputs += usize::from(is_output);
                let flaky = matches!(tag.name().as_ref(), b"flakyFailure" | b"flakyError");
                self.case.flaky |= flaky && parent == Some(Element::Case);
            }
        }
        self.open.push(element);
        Ok(())
    }

    /// What an element counts. What is no number is told.
    fn said(&mut self, attributes: &Attributes, found: &mut Findings) -> Said {
        let line = self.line();
        let name = attributes.get("name").unwrap_or_default().to_owned();
        let counts = Counts::default().named().map(|(key, _)| {
            let text = attributes.get(key)?;
            let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            if number.is_none() {
                let at = Place::nowhere(OF, format!("{key} of {}", quoted(&name))).line(line);
                found.refuse(Code::BadNumber, at, "a whole number, not negative", quoted(text));
            }
            number
        });
        self.time(attributes, &name, found);
        Said { name, line, counts }
    }

    fn time(&mut self, attributes: &Attributes, of: &str, found: &mut Findings) -> f64 {
        let Some(text) = attributes.get("time") else { return 0.0 };
        let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
        seconds.unwrap_or_else(|| {
            let at = Place::nowhere(OF, format!("time of {}", quoted(of))).line(self.line());
            found.refuse(Code::BadNumber, at, "a finite number of seconds, not negative", quoted(text));
            0.0
        })
    }

    fn begin_suite(&mut self, attributes: &Attributes, found: &mut Findings) {
        let said = self.said(attributes, found);
        if said.name.is_empty() {
            let at = Place::nowhere(OF, "name of a suite").line(said.line);
            found.refuse(Code::MissingKey, at, "there", "nothing");
        }
        if let Some(text) = attributes.get("timestamp") {
            match moment(text) {
                Some(began) => {
                    let took = self.time(attributes, "", &mut Findings::new([]));
                    let ended = Stamp::from_millis(began.millis().saturating_add((took * 1e3) as i64));
                    self.last = self.last.max(Some(ended));
                }
                None => {
                    let at =
                        Place::nowhere(OF, format!("timestamp of {}", quoted(&said.name))).line(said.line);
                    found.refuse(Code::BadTime, at, "a time such as 2026-02-12T04:00:00Z", quoted(text));
                }
            }
        }
        self.dry_run |= said.name.ends_with("dry run)");
        self.partial |= said.name.contains("(partial");
        let is_ours = attributes.get("package") == Some("cutproof");
        self.suites += 1;
        self.suite = Suite { said, is_ours, ..Suite::default() };
    }

    fn begin_case(&mut self, attributes: &Attributes, found: &mut Findings) {
        let line = self.line();
        let text = |key| attributes.get(key).unwrap_or_default().to_owned();
        self.case = Case { line, name: text("name"), class: text("classname"), ..Case::default() };
        if self.case.name.is_empty() {
            let at = Place::nowhere(OF, "name of a case").line(line);
            found.refuse(Code::MissingKey, at, "there", "nothing");
        }
        let name = self.case.name.clone();
        self.time(attributes, &name, found);
        if self.case.class.is_empty() || self.case.class.contains("::") {
            let at = Place::nowhere(OF, format!("classname of {}", quoted(&name))).line(line);
            found.warn(Code::JunitDialect, at, "words with dots between them", quoted(&self.case.class));
        }
        if !self.suite.names.insert((self.case.class.clone(), name)) {
            let at = Place::nowhere(OF, quoted(&self.case.name)).line(line);
            let seen = format!("again in suite {}", quoted(&self.suite.said.name));
            found.refuse(Code::CaseTwice, at, "there once with its class", seen);
        }
    }

    fn result(&mut self, tag: &[u8], attributes: &Attributes, found: &mut Findings) {
        let word = match tag {
            b"failure" => "failure",
            b"error" => "error",
            _ => "skipped",
        };
        self.case.results.push(word);
        self.case.message = attributes.get("message").unwrap_or_default().to_owned();
        let line = self.line();
        let at = |what: &str| Place::nowhere(OF, format!("{what} of {}", quoted(&self.case.name))).line(line);
        if let Some(kind) = attributes.get("type").filter(|kind| TYPES_OF_GITLAB.contains(kind)) {
            found.warn(
                Code::JunitDialect,
                at("type"),
                "none that GitLab takes for another thing",
                quoted(kind),
            );
        }
        if self.case.message.chars().nth(MESSAGE).is_some() {
            found.warn(Code::JunitDialect, at("message"), format!("at most {MESSAGE} characters"), "more");
        }
    }

    /// The end of the element that is open. Gives whether it is the root's.
    fn end(&mut self, found: &mut Findings) -> bool {
        match self.open.pop() {
            Some(Element::Case) => self.end_case(found),
            Some(Element::Suite) => self.end_suite(found),
            _ => {}
        }
        self.open.is_empty()
    }

    fn end_case(&mut self, found: &mut Findings) {
        let case = std::mem::take(&mut self.case);
        let at = || Place::nowhere(OF, quoted(&case.name)).line(case.line);
        let has = |word: &str| u64::from(case.results.contains(&word));
        let counts =
            Counts { tests: 1, failures: has("failure"), errors: has("error"), skipped: has("skipped") };
        self.suite.seen.add(counts);
        if case.results.len() > 1 {
            let seen = case.results.join(" and ");
            found.refuse(Code::CaseContradicts, at(), "one of failure, error and skipped at most", seen);
        }
        if case.outputs > 1 {
            found.warn(Code::JunitDialect, at(), "with one system-out", format!("{} of them", case.outputs));
        }
        if !case.results.is_empty() && !case.text {
            let expected = "with its message as text too: GitLab drops what is an attribute only";
            found.warn(Code::JunitDialect, at(), expected, "no text");
        }
        if case.flaky && case.results.is_empty() && self.fail_on_flaky {
            found.refuse(Code::GateFlaky, at(), "passed at the first attempt", "passed at a later one");
        }
        if counts.failures + counts.errors > 0 {
            let seen = format!("{}: {}", case.results.join(" and "), case.message);
            let optional = case.message.strip_prefix("not required: ");
            let is_optional = self.suite.is_ours && optional.is_some() && case.results.len() == 1;
            if is_optional {
                found.warn(Code::CaseNotPassed, at(), "passed", quoted(&seen));
            } else {
                found.refuse(Code::CaseNotPassed, at(), "passed", quoted(&seen));
            }
        }
    }

    fn end_suite(&mut self, found: &mut Findings) {
        let suite = std::mem::take(&mut self.suite);
        counts_fit("suite", &suite.said, suite.seen, found);
        self.all.add(suite.seen);
    }

    fn conclude(&mut self, asked: &Asked, found: &mut Findings) {
        if let Some(root) = self.root.take() {
            counts_fit("report", &root, self.all, found);
        }
        if self.all.tests == 0 {
            let seen = format!("none in {} suites", self.suites);
            found.refuse(Code::NoCases, Place::nowhere(OF, "the cases"), "at least one", seen);
        } else if self.all.tests == self.all.skipped && !self.dry_run {
            let seen = format!("all {} skipped", self.all.tests);
            found.refuse(Code::NoCases, Place::nowhere(OF, "the cases"), "at least one that was run", seen);
        }
        if self.dry_run {
            refuse_dry_run(Place::nowhere(OF, "the report"), asked, found);
        }
        if self.partial {
            let at = Place::nowhere(OF, "the report");
            found.warn(Code::PartialRun, at, "of all gates", "a part of them");
        }
        if let Some(last) = self.last {
            tell_older(Place::nowhere(OF, "the report"), last, asked, found);
        }
    }
}

/// What is counted is what is there. A count that nobody says is none.
fn counts_fit(what: &str, said: &Said, seen: Counts, found: &mut Findings) {
    for ((key, seen), said_count) in seen.named().into_iter().zip(said.counts) {
        if let Some(count) = said_count.filter(|count| *count != seen) {
            let subject = format!("{key} of {what} {}", quoted(&said.name));
            let at = Place::nowhere(OF, subject).line(said.line);
            let expected = format!("{seen}, as many as there are");
            found.refuse(Code::CountAgainstCases, at, expected, count.to_string());
        }
    }
}

/// The attributes of an element, with what they refer to filled in.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// # Errors
    /// One that is ill-formed or there twice.
    fn of(tag: &BytesStart<'_>) -> Result<Attributes, String> {
        let mut all = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = std::str::from_utf8(attribute.key.as_ref()).map_err(|error| error.to_string())?;
            let value: Cow<'_, str> =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            if let Some(c) = value.chars().find(|c| !is_xml(*c)) {
                return Err(format!("the character U+{:04X}, which XML forbids", u32::from(c)));
            }
            if attribute.value.contains(&b'<') {
                return Err(format!("a < in the attribute {key}"));
            }
            all.push((key.to_owned(), value.into_owned()));
        }
        Ok(Attributes(all))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// Whether XML 1.0 allows a character.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A reference is to one of the five names that XML has, or to a character that it allows.
fn refers(name: &str) -> Result<(), String> {
    if ["amp", "lt", "gt", "quot", "apos"].contains(&name) {
        return Ok(());
    }
    let number = match name.strip_prefix("#x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => name.strip_prefix('#').and_then(|decimal| decimal.parse().ok()),
    };
    let is_allowed = number.and_then(char::from_u32).is_some_and(is_xml);
    if is_allowed { Ok(()) } else { Err(format!("a reference to &{name};, which is nothing")) }
}

/// A time with its offset; or without, as some writers have it, taken for UTC.
fn moment(text: &str) -> Option<Stamp> {
    let moment: Option<jiff::Timestamp> = text.parse().ok();
    let moment = moment.or_else(|| format!("{text}Z").parse().ok())?;
    Some(Stamp::from_millis(moment.as_millisecond()))
}
