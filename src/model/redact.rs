//! Keeps secrets out of free text: what commands printed, what servers answered, what logs say.
//!
//! Two rules. By name: the value of a variable or field whose name ends in PASSWORD, PASSWD, SECRET, TOKEN,
//! CREDENTIAL(S), PRIVATE_KEY or API_KEY, or is CUTPROOF_PASSWORD_NAME, and the password in a URL. By value: every secret that was handed to
//! [`Redactor::add`] wherever it stands, and, where an excerpt was cut, also a part of it at the cut.
//! Fixed values (ids, metric names) are not passed through here.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::{LazyLock, RwLock};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// Values shorter than this are not masked by value: they would mask every `1` and `a` of a text.
const SHORTEST: usize = 4;

static BY_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:[\w.\-]*(?:PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|PRIVATE[_\-]?KEY|API[_\-]?KEY)|CUTPROOF_PASSWORD_\w+)";
    let value = r#""(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"',;&}]+"#;
    Regex::new(&format!(r#"(?i)({name}["']?\s*(?:=>|[:=])\s*|--{name}\s+)({value})"#)).ok()
});
static USERINFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z][A-Za-z0-9+.\-]*://)([^\s/@"'?#]+)@"#).ok());
static PEM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)").ok()
});

/// Whether a variable or field of this name holds a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let ends =
        ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS", "PRIVATE_KEY", "API_KEY"];
    let of_service = name.starts_with("CUTPROOF_PASSWORD_") && !name.starts_with("CUTPROOF_PASSWORD_FILE_");
    of_service || ends.iter().any(|end| name.ends_with(end))
}

/// Knows the secrets of a run.
#[derive(Debug, Default)]
pub struct Redactor {
    values: RwLock<Vec<String>>,
}

impl Redactor {
    /// Knows no values yet, only names.
    pub fn new() -> Redactor {
        Redactor::default()
    }

    /// Knows the values of this process's environment variables whose names name secrets.
    pub fn of_environment() -> Redactor {
        let redactor = Redactor::new();
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && names_a_secret(name)
            {
                redactor.add(value);
            }
        }
        redactor
    }

    /// Masks this value from now on.
    pub fn add(&self, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut values = self.values.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
            // The longest first, so that a secret that begins with another is masked whole.
            values.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// A text without its secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for value in self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), MASK));
            }
        }
        text = replace(&PEM, text, |_| MASK.to_owned());
        text = replace(&USERINFO, text, |found| format!("{}{MASK}@", &found[1]));
        replace(&BY_NAME, text, |found| {
            let quote = found[2].chars().next().filter(|c| matches!(c, '"' | '\'')).map(String::from);
            let quote = quote.unwrap_or_default();
            format!("{}{quote}{MASK}{quote}", &found[1])
        })
    }

    /// The head of a text that was cut at its end: a secret's beginning at the cut is masked too.
    pub fn head(&self, text: &str) -> String {
        let cut = self.partial(text, |value, part| text.ends_with(&value[..part]));
        self.text(&text[..text.len() - cut]).into_owned() + if cut > 0 { MASK } else { "" }
    }

    /// The tail of a text that was cut at its beginning: a secret's end at the cut is masked too. What follows a
    /// cut may also be the value of a name that was cut off, so callers cut tails at the beginning of a line.
    pub fn tail(&self, text: &str) -> String {
        let cut = self.partial(text, |value, part| text.starts_with(&value[value.len() - part..]));
        let mask = if cut > 0 { MASK } else { "" };
        mask.to_owned() + &self.text(&text[cut..])
    }

    /// The length of the longest part of a secret for which `stands` holds.
    fn partial(&self, text: &str, stands: impl Fn(&str, usize) -> bool) -> usize {
        let values = self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let longest = |value: &String| {
            let ends =
                |part: usize| value.is_char_boundary(part) && value.is_char_boundary(value.len() - part);
            (1..value.len().min(text.len() + 1)).rev().find(|part| ends(*part) && stands(value, *part))
        };
        values.iter().filter_map(longest).max().unwrap_or(0)
    }
}

fn replace<'a>(
    pattern: &LazyLock<Option<Regex>>,
    text: Cow<'a, str>,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'a, str> {
    let Some(pattern) = pattern.as_ref() else { return text };
    match pattern.replace_all(&text, |found: &Captures<'_>| with(found)) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => Cow::Owned(changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        Redactor::new().text(text).into_owned()
    }

    #[test]
    fn all_patterns_compile() {
        assert!(BY_NAME.is_some() && USERINFO.is_some() && PEM.is_some());
    }

    #[test]
    fn values_of_fields_that_name_secrets_are_masked() {
        assert_eq!(plain("DB_PASSWORD=hunter2 ok"), "DB_PASSWORD=*** ok");
        assert_eq!(plain(r#"{"api_key": "a b c", "x": 1}"#), r#"{"api_key": "***", "x": 1}"#);
        assert_eq!(plain("auth-token: abc"), "auth-token: ***");
        assert_eq!(plain("run --db-password hunter2"), "run --db-password ***");
        assert_eq!(plain("PRIVATE_KEY='x y'"), "PRIVATE_KEY='***'");
        assert_eq!(plain("CUTPROOF_PASSWORD_REDIS=hunter2 ok"), "CUTPROOF_PASSWORD_REDIS=*** ok");
        assert!(names_a_secret("CUTPROOF_PASSWORD_REDIS") && !names_a_secret("CUTPROOF_PASSWORD_FILE_REDIS"));
    }

    #[test]
    fn the_userinfo_of_a_url_is_masked() {
        assert_eq!(plain("redis://u:p@h:1/0"), "redis://***@h:1/0");
        assert_eq!(plain("http://h:1/a@b"), "http://h:1/a@b");
    }

    #[test]
    fn words_that_only_look_alike_are_left() {
        for text in ["tokens=5 issued", "secretary: Ms X", "breaker_state == 0", "MONITOR_KEYS=a,b"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn a_private_key_is_masked_even_where_its_end_is_cut_off() {
        assert_eq!(plain("a\n-----BEGIN PRIVATE KEY-----\nMIIE\n"), "a\n***");
    }

    #[test]
    fn a_known_secret_is_masked_wherever_it_stands_and_at_a_cut() {
        let redactor = Redactor::new();
        redactor.add("correct horse");
        assert_eq!(redactor.text("say correct horse now"), "say *** now");
        assert_eq!(redactor.head("say correct h"), "say ***");
        assert_eq!(redactor.tail("horse now"), "*** now");
        assert_eq!(redactor.head("nothing"), "nothing");
    }
}
