//! Texts with `{{name}}` in them, and the unique values that probes which write put there.

use super::Context;
use crate::model::Stamp;

/// Puts values in place of `{{name}}`; `value` gives the value of a name.
///
/// # Errors
/// A `{{` that is never closed, or what `value` says of a name.
pub(super) fn fill(
    text: &str,
    value: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once("{{") {
        let Some((name, after)) = opened.split_once("}}") else {
            let shown: String = opened.chars().take(40).collect();
            return Err(format!("expected `}}}}` after `{{{{{shown}`"));
        };
        filled += before;
        filled += &value(name.trim())?;
        rest = after;
    }
    Ok(filled + rest)
}

/// Values that no other run, and no other record of this run, has.
#[derive(Debug, Clone)]
pub(super) struct Unique {
    /// Letters, digits and `-`, at most 76: safe in SQL and JSON without quoting.
    pub id: String,
    number: u64,
    now_ms: i64,
}

impl Unique {
    /// New values for this run.
    pub fn new(context: &Context<'_>) -> Unique {
        let run = context.run.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
        let run: String = run.take(63).collect();
        let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
        // JSON's numbers are whole up to 2^53.
        let number = fastrand::u64(1 << 40..1 << 53);
        Unique { id: format!("{run}-{random}"), number, now_ms: context.clock.now().millis() }
    }

    /// Puts them in place of `{{id}}`, `{{number}}` (a whole number below 2^53), `{{now_ms}}` (milliseconds since
    /// 1970) and `{{now}}` (`2026-11-22T19:41:03.120Z`).
    ///
    /// # Errors
    /// Another name, or a `{{` that is never closed.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        fill(text, &mut |name| self.value(name))
    }

    /// Whether the id or the number stands in these bytes, as a whole.
    pub fn stands_in(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let whole = |value: &str| {
            text.match_indices(value).any(|(at, found)| {
                let outside = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
                outside(text[..at].chars().next_back()) && outside(text[at + found.len()..].chars().next())
            })
        };
        whole(&self.id) || whole(&self.number.to_string())
    }

    /// Whether a text could be filled.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(text: &str) -> Result<(), String> {
        Unique::parts(text).map(drop)
    }

    /// Whether a text could be filled, and would then be like no other.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_unique(text: &str) -> Result<(), String> {
        if Unique::parts(text)?.iter().any(|name| matches!(name.as_str(), "id" | "number")) {
            return Ok(());
        }
        Err("expected `{{id}}` or `{{number}}` in it: without one, another run's row could be taken for this one's"
            .to_owned())
    }

    /// The names in a text, each of them known.
    fn parts(text: &str) -> Result<Vec<String>, String> {
        let example = Unique { id: String::new(), number: 0, now_ms: 0 };
        let mut names = Vec::new();
        fill(text, &mut |name| {
            names.push(name.to_owned());
            example.value(name)
        })?;
        Ok(names)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        match name {
            "id" => Ok(self.id.clone()),
            "number" => Ok(self.number.to_string()),
            "now_ms" => Ok(self.now_ms.to_string()),
            "now" => Ok(Stamp::from_millis(self.now_ms).to_string()),
            other => Err(format!(
                "`{{{{{other}}}}}` is not known here: expected {{{{id}}}}, {{{{number}}}}, {{{{now_ms}}}} or {{{{now}}}}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unique() -> Unique {
        Unique { id: "run-7".to_owned(), number: 42, now_ms: 1_795_376_463_120 }
    }

    #[test]
    fn values_stand_where_their_names_stood() {
        let filled =
            unique().fill("{\"id\":\"{{id}}\",\"n\":{{ number }},\"t\":{{now_ms}},\"at\":\"{{now}}\"}");
        let expected = r#"{"id":"run-7","n":42,"t":1795376463120,"at":"2026-11-22T19:41:03.120Z"}"#;
        assert_eq!(filled.unwrap(), expected);
    }

    #[test]
    fn a_name_that_is_not_known_and_an_open_end_are_errors() {
        assert!(unique().fill("{{ids}}").unwrap_err().contains("{{ids}}"));
        assert!(unique().fill("x {{id").unwrap_err().contains("expected `}}`"));
    }

    #[test]
    fn a_value_is_found_only_where_it_stands_whole() {
        for there in ["{\"id\":\"run-7\"}", "42", "[1,42]"] {
            assert!(unique().stands_in(there.as_bytes()), "{there}");
        }
        for not in ["run-70", "142", "421", ""] {
            assert!(!unique().stands_in(not.as_bytes()), "{not}");
        }
    }

    #[test]
    fn a_text_that_is_the_same_every_time_is_refused() {
        assert!(Unique::check_unique("SELECT count() FROM t").is_err());
        assert!(Unique::check_unique("SELECT {{now_ms}}").is_err());
        assert!(Unique::check_unique("SELECT '{{id}}'").is_ok());
        assert!(Unique::check_unique("SELECT '{{id}}' {{x}}").is_err());
        assert!(Unique::check("{{now_ms}}").is_ok() && Unique::check("{{x}}").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_filled_or_refused(text: String) {
            let _ = unique().fill(&text);
        }

        #[test]
        fn a_text_without_placeholders_stays_as_it_is(text in "[^{]*") {
            prop_assert_eq!(unique().fill(&text).unwrap(), text);
        }
    }
}
