//! Which series are meant: `order_latency_seconds{env="prod",path!~"/internal.*"}`, as PromQL writes it.

use super::text::{Cursor, Expected, Sample};
use regex::Regex;

/// A metric's name and what its labels must be.
#[derive(Debug, Clone)]
pub struct Selector {
    /// The metric's name.
    pub name: String,
    matchers: Vec<(String, Matcher)>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Is(String),
    IsNot(String),
    Matches(Regex),
    MatchesNot(Regex),
}

/// A text that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {problem}")]
pub struct SelectorError {
    text: String,
    problem: String,
}

impl Selector {
    /// Reads a selector. A regular expression must match the whole value, and a label that is not there has an empty
    /// one, as in PromQL.
    ///
    /// # Errors
    /// What was expected, what was seen, and where.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        let mut cursor = Cursor { line: text, at: 0 };
        let read = read(&mut cursor);
        read.map_err(|fault| {
            let problem = match fault {
                Fault::Expected(Expected(expected)) => {
                    let character = text[..cursor.at].chars().count() + 1;
                    format!("expected {expected} at character {character}, seen {}", cursor.seen())
                }
                Fault::Regex(error) => error,
            };
            SelectorError { text: text.to_owned(), problem }
        })
    }

    /// Whether a sample of this name has labels as they must be.
    pub fn matches_labels(&self, sample: &Sample<'_>) -> bool {
        self.matchers.iter().all(|(label, matcher)| {
            let value = sample.label(label);
            match matcher {
                Matcher::Is(wanted) => value == wanted,
                Matcher::IsNot(unwanted) => value != unwanted,
                Matcher::Matches(wanted) => wanted.is_match(value),
                Matcher::MatchesNot(unwanted) => !unwanted.is_match(value),
            }
        })
    }

    /// Whether a label is spoken of.
    pub fn names(&self, label: &str) -> bool {
        self.matchers.iter().any(|(name, _)| name == label)
    }
}

enum Fault {
    Expected(Expected),
    Regex(String),
}

impl From<Expected> for Fault {
    fn from(expected: Expected) -> Fault {
        Fault::Expected(expected)
    }
}

fn read(cursor: &mut Cursor<'_>) -> Result<Selector, Fault> {
    cursor.skip_blanks();
    let name = cursor.name(true)?.to_owned();
    cursor.skip_blanks();
    let mut matchers = Vec::new();
    if cursor.took("{") {
        loop {
            cursor.skip_blanks();
            if cursor.took("}") {
                break;
            }
            matchers.push(matcher(cursor)?);
            cursor.skip_blanks();
            if !cursor.took(",") && !cursor.rest().starts_with('}') {
                return Err(Expected("`,` or `}`").into());
            }
        }
        cursor.skip_blanks();
    }
    if cursor.rest().is_empty() {
        Ok(Selector { name, matchers })
    } else {
        Err(Expected("`{` or the end (functions and ranges are not read here: see `take`)").into())
    }
}

fn matcher(cursor: &mut Cursor<'_>) -> Result<(String, Matcher), Fault> {
    let label = cursor.name(false)?.to_owned();
    cursor.skip_blanks();
    let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| cursor.took(operator));
    let Some(operator) = operator else { return Err(Expected("=, !=, =~ or !~").into()) };
    cursor.skip_blanks();
    let value = quoted(cursor)?;
    let whole = |value: &str| {
        // The value by itself first, so that `)|(` cannot open the anchored group.
        Regex::new(value)
            .and_then(|_| Regex::new(&format!("^(?s:{value})$")))
            .map_err(|error| Fault::Regex(format!("label {label}: {error}")))
    };
    let matcher = match operator {
        "=~" => Matcher::Matches(whole(&value)?),
        "!~" => Matcher::MatchesNot(whole(&value)?),
        "!=" => Matcher::IsNot(value),
        _ => Matcher::Is(value),
    };
    Ok((label, matcher))
}

/// A text in double or single quotes with PromQL's commonest escapes.
fn quoted(cursor: &mut Cursor<'_>) -> Result<String, Expected> {
    let quote = if cursor.took("\"") {
        '"'
    } else if cursor.took("'") {
        '\''
    } else {
        return Err(Expected("a value in quotes"));
    };
    let mut text = String::new();
    let mut chars = cursor.rest().char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            cursor.at += at + 1;
            return Ok(text);
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next() {
            Some((_, 'n')) => '\n',
            Some((_, 't')) => '\t',
            Some((_, c @ ('\\' | '"' | '\''))) => c,
            _ => {
                cursor.at += at;
                return Err(Expected(
                    "an escape: \\\\, \\\", \\n or \\t (a regular expression's \\d is written \\\\d)",
                ));
            }
        });
    }
    Err(Expected("a closing quote"))
}

#[cfg(test)]
mod tests {
    use super::super::text::{Line, lines};
    use super::*;
    use proptest::prelude::*;

    fn matches(selector: &str, line: &str) -> bool {
        let selector = Selector::parse(selector).unwrap();
        match lines(line).next() {
            Some(Ok(Line::Sample(sample))) => {
                sample.name == selector.name && selector.matches_labels(&sample)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn labels_are_matched_as_promql_does() {
        let line = r#"up{env="prod",path="/a/b"} 1"#;
        for (selector, expected) in [
            ("up", true),
            ("up{}", true),
            ("down", false),
            (r#"up{env="prod"}"#, true),
            (r#"up { env = 'prod' , }"#, true),
            (r#"up{env!="prod"}"#, false),
            (r#"up{env=~"pro"}"#, false),
            (r#"up{env=~"pro.|test"}"#, true),
            (r#"up{path!~"/a/.*"}"#, false),
            (r#"up{zone=""}"#, true),
            (r#"up{zone!=""}"#, false),
            (r#"up{zone=~".*"}"#, true),
            (r#"up{env=~"\\w+",path="/a/b"}"#, true),
        ] {
            assert_eq!(matches(selector, line), expected, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_told_with_its_place() {
        for (text, expected) in [
            ("", "expected a metric's name at character 1, seen the end"),
            ("rate(x[5m])", "expected `{` or the end"),
            ("a{b}", "expected =, !=, =~ or !~ at character 4"),
            ("a{b=c}", "expected a value in quotes"),
            ("a{b=\"c}", "expected a closing quote"),
            (r#"a{b=~"\d"}"#, r"is written \\d"),
            ("a{b=~\"(\"}", "label b:"),
            ("a{b=~\")|(\"}", "label b:"),
        ] {
            let error = Selector::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"([a-z_{}=!~,"'\\ ]|.){0,40}"#) {
            let _ = Selector::parse(&text);
        }
    }
}
