//! Reads what a metrics page says: Prometheus' text format and OpenMetrics' (both, as servers mix them). Knows
//! nothing of where the text came from and what is wanted of it.
//!
//! What is accepted is what Prometheus accepts (model/textparse/promlex.l and promparse.go in prometheus/prometheus),
//! but for two of its leniencies: labels must be parted by commas, and a label's value stands on one line. Beyond
//! that OpenMetrics' `# EOF`, `# UNIT`, fractional time stamps and exemplars are read.

use std::borrow::Cow;

/// One line that says something.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'t> {
    /// `# TYPE family kind`.
    Kind { family: Cow<'t, str>, kind: &'t str },
    /// A value.
    Sample(Sample<'t>),
    /// `# EOF`: OpenMetrics' end, after which nothing may come.
    End,
}

/// One value of one series. Its time stamp and exemplar are checked and not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'t> {
    /// The metric's name.
    pub name: Cow<'t, str>,
    /// Its labels in the order of the text. One with an empty value is as good as none, and is left out.
    pub labels: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    /// The value; it may be NaN or infinite.
    pub value: f64,
}

impl Sample<'_> {
    /// The value of a label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A line that is none of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, character {column}: expected {expected}, seen {seen}")]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub seen: String,
}

/// The lines of a text that say something, or the first error.
pub fn lines(text: &str) -> Lines<'_> {
    Lines { rest: text, number: 0, ended: false }
}

/// See [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'t> {
    rest: &'t str,
    number: usize,
    ended: bool,
}

impl<'t> Iterator for Lines<'t> {
    type Item = Result<Line<'t>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.number += 1;
            let mut cursor = Cursor { line, at: 0 };
            let read = if self.ended && !line.is_empty() {
                Err(Expected("nothing after # EOF"))
            } else {
                cursor.line()
            };
            match read {
                Ok(None) => {}
                Ok(Some(found)) => {
                    self.ended |= found == Line::End;
                    return Some(Ok(found));
                }
                Err(Expected(expected)) => {
                    self.rest = "";
                    return Some(Err(cursor.error(self.number, expected)));
                }
            }
        }
        None
    }
}

/// What should stand where the cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected(pub &'static str);

/// A place in a line.
pub(super) struct Cursor<'t> {
    pub line: &'t str,
    pub at: usize,
}

impl<'t> Cursor<'t> {
    fn error(&self, line: usize, expected: &'static str) -> TextError {
        let column = self.line[..self.at].chars().count() + 1;
        TextError { line, column, expected, seen: self.seen() }
    }

    /// What stands here, for a message.
    pub fn seen(&self) -> String {
        match self.rest() {
            "" => "the end".to_owned(),
            "\r" => "a carriage return (lines end with a line feed only)".to_owned(),
            rest => format!("`{}`", rest.chars().take(40).flat_map(char::escape_debug).collect::<String>()),
        }
    }

    pub fn rest(&self) -> &'t str {
        &self.line[self.at..]
    }

    pub fn skip_blanks(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t');
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes this text if it stands here.
    pub fn took(&mut self, text: &str) -> bool {
        let stands = self.rest().starts_with(text);
        self.at += if stands { text.len() } else { 0 };
        stands
    }

    fn line(&mut self) -> Result<Option<Line<'t>>, Expected> {
        self.skip_blanks();
        if self.rest().is_empty() {
            return Ok(None);
        }
        if self.took("#") {
            return self.comment();
        }
        let mut name = None;
        if !self.rest().starts_with('{') {
            name = Some(Cow::Borrowed(self.name(true)?));
            self.skip_blanks();
        }
        let mut labels = Vec::new();
        if self.took("{") {
            labels = self.labels(&mut name)?;
        }
        let Some(name) = name else { return Err(Expected("a metric's name")) };
        let value = self.value()?;
        self.after_value()?;
        labels.retain(|(_, value)| !value.is_empty());
        Ok(Some(Line::Sample(Sample { name, labels, value })))
    }

    /// What stands behind a `#`.
    fn comment(&mut self) -> Result<Option<Line<'t>>, Expected> {
        if self.line == "# EOF" {
            return Ok(Some(Line::End));
        }
        self.skip_blanks();
        let is_kind = self.rest().strip_prefix("TYPE").is_some_and(|rest| rest.starts_with([' ', '\t']));
        if !is_kind {
            return Ok(None);
        }
        self.took("TYPE");
        self.skip_blanks();
        let family =
            if self.rest().starts_with('"') { self.quoted()? } else { Cow::Borrowed(self.name(true)?) };
        self.skip_blanks();
        let kind = self.rest().trim_end_matches([' ', '\t']);
        if !KINDS.contains(&kind) {
            return Err(Expected(
                "a type: counter, gauge, histogram, summary, untyped, unknown, info, stateset or gaugehistogram",
            ));
        }
        Ok(Some(Line::Kind { family, kind }))
    }

    /// A metric's name, or a label's, which has no colons.
    pub fn name(&mut self, colons: bool) -> Result<&'t str, Expected> {
        let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
        if !self.rest().starts_with(begins) {
            return Err(Expected(if colons { "a metric's name" } else { "a label's name" }));
        }
        Ok(self.take_while(|c| begins(c) || c.is_ascii_digit()))
    }

    /// Labels from behind the opening brace to behind the closing one. A text in quotes without a value is the
    /// metric's name.
    fn labels(&mut self, name: &mut Option<Cow<'t, str>>) -> Result<Labels<'t>, Expected> {
        let mut labels: Labels<'t> = Vec::new();
        loop {
            self.skip_blanks();
            if self.took("}") {
                return Ok(labels);
            }
            let quoted = self.rest().starts_with('"');
            let label = if quoted { self.quoted()? } else { Cow::Borrowed(self.name(false)?) };
            self.skip_blanks();
            if self.took("=") {
                self.skip_blanks();
                let value = self.quoted()?;
                if labels.iter().any(|(known, _)| *known == label) {
                    return Err(Expected("a label that was not there before"));
                }
                labels.push((label, value));
            } else if quoted && name.is_none() {
                *name = Some(label);
            } else {
                return Err(Expected("`=` behind the label's name"));
            }
            self.skip_blanks();
            if !self.took(",") && !self.rest().starts_with('}') {
                return Err(Expected("`,` or `}`"));
            }
        }
    }

    /// A text in double quotes, in which `\\`, `\"` and `\n` stand for `\`, `"` and a line feed. A backslash before
    /// anything else is itself, as in Prometheus.
    fn quoted(&mut self) -> Result<Cow<'t, str>, Expected> {
        if !self.took("\"") {
            return Err(Expected("a value in double quotes"));
        }
        let rest = self.rest();
        let end = rest.find(['"', '\\']).ok_or(Expected("a closing quote on the same line"))?;
        if rest.as_bytes()[end] == b'"' {
            self.at += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        let mut text = String::new();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(Cow::Owned(text));
                }
                '\\' => match chars.next() {
                    Some((_, '\\')) => text.push('\\'),
                    Some((_, '"')) => text.push('"'),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(Expected("a closing quote on the same line"))
    }

    fn value(&mut self) -> Result<f64, Expected> {
        self.skip_blanks();
        let start = self.at;
        let word = self.take_while(|c| c != ' ' && c != '\t');
        number(word).ok_or_else(|| {
            self.at = start;
            Expected("a number, NaN, +Inf or -Inf")
        })
    }

    /// A time stamp, an exemplar, or nothing.
    fn after_value(&mut self) -> Result<(), Expected> {
        self.skip_blanks();
        if !self.rest().is_empty() && !self.rest().starts_with('#') {
            self.stamp()?;
        }
        if self.took("#") {
            self.skip_blanks();
            if !self.took("{") {
                return Err(Expected("an exemplar's labels in braces"));
            }
            self.labels(&mut Some(Cow::Borrowed("")))?;
            self.value()?;
            self.skip_blanks();
            if !self.rest().is_empty() {
                self.stamp()?;
            }
        }
        if self.rest().is_empty() { Ok(()) } else { Err(Expected("the end of the line")) }
    }

    fn stamp(&mut self) -> Result<(), Expected> {
        let start = self.at;
        let word = self.take_while(|c| c != ' ' && c != '\t');
        if !number(word).is_some_and(f64::is_finite) {
            self.at = start;
            return Err(Expected("a time stamp or the end of the line"));
        }
        self.skip_blanks();
        Ok(())
    }
}

type Labels<'t> = Vec<(Cow<'t, str>, Cow<'t, str>)>;

const KINDS: [&str; 9] =
    ["counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset", "gaugehistogram"];

/// A number as Go's ParseFloat reads it in Prometheus: decimal, `Inf` with or without a sign, `NaN` without one; one
/// too large for a float is none.
pub(super) fn number(word: &str) -> Option<f64> {
    let value: f64 = word.parse().ok()?;
    let spelled = word.contains(['n', 'N']);
    match () {
        () if value.is_nan() && !word.starts_with(['n', 'N']) => None,
        () if value.is_infinite() && !spelled => None,
        () => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    fn read(text: &str) -> Vec<Line<'_>> {
        lines(text).collect::<Result<_, _>>().unwrap()
    }

    fn sample<'t>(name: &'t str, labels: &[(&'t str, &'t str)], value: f64) -> Line<'t> {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Line::Sample(Sample { name: name.into(), labels, value })
    }

    fn error(text: &str) -> String {
        lines(text)
            .find_map(Result::err)
            .map_or_else(|| panic!("`{text}` was read"), |error| error.to_string())
    }

    #[test]
    fn the_text_format_is_read() {
        let text = "# HELP http_requests_total The \\\\ total\n# TYPE http_requests_total counter\n\
            http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\n\
            # a comment\n#also\n  spaced { a = \"1\" , b=\"\", } 1.7560473e+07\n\
            esc{path=\"C:\\\\DIR\\n\\\"x\\\" \\d\"} -3.25\ninf +Inf\nless -inf -1\nx:y 5.";
        assert_eq!(
            read(text),
            [
                Line::Kind { family: "http_requests_total".into(), kind: "counter" },
                sample("http_requests_total", &[("method", "post"), ("code", "200")], 1027.0),
                sample("spaced", &[("a", "1")], 1.756_047_3e7),
                sample("esc", &[("path", "C:\\DIR\n\"x\" \\d")], -3.25),
                sample("inf", &[], f64::INFINITY),
                sample("less", &[], f64::NEG_INFINITY),
                sample("x:y", &[], 5.0),
            ]
        );
        let [Line::Sample(nan)] = &read("nan NaN\n")[..] else { panic!() };
        assert!(nan.value.is_nan());
    }

    #[test]
    fn openmetrics_is_read_with_exemplars_units_and_its_end() {
        let text = "# TYPE lat histogram\n# UNIT lat seconds\n\
            lat_bucket{le=\"0.1\"} 8 # {trace_id=\"a b\"} 0.067 1520879607.789\n\
            lat_bucket{le=\"+Inf\"} 9 1520879607.5 # {} 3\n{\"my.metric\",\"a.b\"=\"c\"} 1\n# EOF\n";
        assert_eq!(
            read(text),
            [
                Line::Kind { family: "lat".into(), kind: "histogram" },
                sample("lat_bucket", &[("le", "0.1")], 8.0),
                sample("lat_bucket", &[("le", "+Inf")], 9.0),
                sample("my.metric", &[("a.b", "c")], 1.0),
                Line::End,
            ]
        );
        assert!(error("a 1\n# EOF\nb 2\n").contains("line 3, character 1: expected nothing after # EOF"));
    }

    #[test]
    fn what_is_no_metrics_page_is_told_with_its_place() {
        assert_eq!(error("a 1\n<html>\n"), "line 2, character 1: expected a metric's name, seen `<html>`");
        assert_eq!(
            error("a{b=\"c\"} x"),
            "line 1, character 10: expected a number, NaN, +Inf or -Inf, seen `x`"
        );
        for (text, expected) in [
            ("a", "a number"),
            ("a 1\r\n", "a number"),
            ("a 1 2 3", "the end of the line"),
            ("a 1 x", "a time stamp"),
            ("a{b=\"c} 1", "a closing quote"),
            ("a{b=\"c\\", "a closing quote"),
            ("a{b=c} 1", "a value in double quotes"),
            ("a{b} 1", "`=` behind"),
            ("a{b=\"1\" c=\"2\"} 1", "`,` or `}`"),
            ("a{b=\"1\",b=\"2\"} 1", "a label that was not there before"),
            ("a{,} 1", "a label's name"),
            ("a{b=\"1\"", "`,` or `}`"),
            ("{b=\"1\"} 1", "a metric's name"),
            ("{\"a\",\"b\"} 1", "`=` behind"),
            ("a 1 # 2", "an exemplar's labels"),
            ("a 1e999", "a number"),
            ("a +NaN", "a number"),
            ("a 0x1p-2", "a number"),
            ("a 1_000", "a number"),
            ("1a 1", "a metric's name"),
            ("# TYPE a number", "a type"),
        ] {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
    }

    fn rendered(name: &str, labels: &[(String, String)], value: f64) -> String {
        let mut line = name.to_owned();
        if !labels.is_empty() {
            let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let one = |(name, value): &(String, String)| format!("{name}=\"{}\"", escaped(value));
            let _ = write!(line, "{{{}}}", labels.iter().map(one).collect::<Vec<_>>().join(","));
        }
        format!("{line} {value}\n")
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
            labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,4}", "(?s).{1,8}", 0..4),
            value in prop::num::f64::ANY.prop_filter("a number", |value| !value.is_nan()),
        ) {
            let labels: Vec<_> = labels.into_iter().collect();
            let text = rendered(&name, &labels, value);
            let borrowed: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert_eq!(read(&text), [sample(&name, &borrowed, value)]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in r#"([a-z_ \t\n{}=,"\\#.0-9]|# TYPE |# EOF\n|.){0,60}"#) {
            let read: Vec<_> = lines(&text).collect();
            prop_assert!(read.iter().filter(|line| line.is_err()).count() <= 1);
        }
    }
}
