//! A table of a policy's list: what it says, and where.

use crate::model::{Args, GateId, Position, Stamp};
use crate::settings::fault::Report;
use crate::settings::names;
use crate::settings::names::quoted;
use crate::settings::source::Span;
use toml::Spanned;
use toml::de::DeTable;

/// A table with its settings.
pub(super) struct Entry<'a> {
    /// What was read without a fault.
    pub args: Args,
    pub table: &'a DeTable<'a>,
    pub span: Span,
    /// How it is called in messages.
    pub what: String,
}

impl Entry<'_> {
    /// Where it stands.
    pub fn at(&self, report: &Report<'_>) -> Position {
        report.source.position(self.span.start)
    }

    /// Where a key's value stands.
    pub fn place(&self, key: &str) -> Span {
        self.table.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// A text that must not be empty. That it is missing is told elsewhere.
    pub fn filled(&self, key: &str, report: &mut Report<'_>) -> Option<String> {
        let text = self.args.text(key)?.trim();
        if text.is_empty() {
            report.fault(&self.place(key), format!("`{key}` in {} is empty", self.what));
            return None;
        }
        Some(text.to_owned())
    }

    /// The texts of a list, with their places.
    pub fn list(&self, key: &str) -> Vec<(&str, Span)> {
        let items = self.table.get(key).and_then(|found| found.get_ref().as_array());
        let items = items.map_or(&[][..], |items| items);
        items.iter().filter_map(|item| Some((item.get_ref().as_str()?, item.span()))).collect()
    }

    /// A digest or a commit of one of these lengths, in lower case.
    pub fn hex(&self, key: &str, lengths: &[usize], report: &mut Report<'_>) -> Option<String> {
        let text = self.args.text(key)?;
        if lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(text.to_ascii_lowercase());
        }
        let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let expected = format!("expected {} hexadecimal digits", lengths.join(" or "));
        report.fault(&self.place(key), format!("`{key}` in {}: {expected}; got {}", self.what, quoted(text)));
        None
    }

    /// A time.
    pub fn time(&self, key: &str, report: &mut Report<'_>) -> Option<Stamp> {
        let text = self.args.text(key)?;
        match moment(text) {
            Ok(stamp) => Some(stamp),
            Err(why) => {
                let expected = "expected a time with its offset, such as \"2026-11-22T19:30:00+08:00\"";
                let told = format!("`{key}` in {}: {expected}; got {}{why}", self.what, quoted(text));
                report.fault(&self.place(key), told);
                None
            }
        }
    }

    /// The gate that it names.
    pub fn gate(&self, report: &mut Report<'_>) -> Option<GateId> {
        let id = GateId::new(self.args.text("gate")?);
        id.map_err(|bad| report.fault(&self.place("gate"), bad.to_string())).ok()
    }

    /// Which one of these keys is there; a fault where none is, or several.
    pub fn exactly_one<'k>(&self, keys: &[&'k str], report: &mut Report<'_>) -> Option<&'k str> {
        let there: Vec<&str> = keys.iter().copied().filter(|key| self.table.contains_key(*key)).collect();
        match there[..] {
            [one] => return Some(one),
            [] => {
                let told = format!("{} needs one of {}", self.what, names::list(keys.iter().copied()));
                report.fault(&self.span, told);
            }
            [_, second, ..] => {
                let told =
                    format!("{} has {}: expected one of them", self.what, names::list(there.iter().copied()));
                report.fault(&self.place(second), told);
            }
        }
        None
    }
}

/// A moment as RFC 3339 has it: date, `T`, time to the second or finer, and `Z` or an offset.
///
/// # Errors
/// Why it is none, where its form is good: there is no 30th of February.
fn moment(text: &str) -> Result<Stamp, String> {
    if !is_rfc_3339(text) {
        return Err(String::new());
    }
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!(": {error}"))?;
    Ok(Stamp::from_millis(moment.as_millisecond()))
}

fn is_rfc_3339(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let fits = |text: &[u8], form: &[u8]| {
        let like =
            |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        text.len() == form.len() && text.iter().zip(form).all(like)
    };
    let Some((begin, mut rest)) = text.as_bytes().split_at_checked(FORM.len()) else { return false };
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        rest = &fraction[digits..];
    }
    fits(begin, FORM) && (rest == b"Z" || fits(rest, b"+00:00") || fits(rest, b"-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_offset_and_exists() {
        let same = Stamp::from_millis(1_795_347_000_000);
        for text in ["2026-11-22T11:30:00Z", "2026-11-22T19:30:00+08:00", "2026-11-22T11:30:00.000-00:00"] {
            assert_eq!(moment(text), Ok(same), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T11:30:00",
            "2026-11-22 11:30:00Z",
            "2026-11-22T11:30Z",
            "2026-02-30T11:30:00Z",
            "2026-11-22T25:30:00Z",
            "2026-11-22T11:30:00+08",
            "2026-11-22T11:30:00+08:00[Asia/Shanghai]",
            "2026-11-22T11:30:00.Z",
            "20261122T113000Z",
            "２026-11-22T11:30:00Z",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
