//! Keys, and how many of them must have signed.

use super::Reading;
use super::entry::Entry;
use crate::policy::{Threshold, TrustedKey};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use crate::settings::tables::key_span;
use crate::sign::PublicKey;
use std::collections::BTreeSet;

pub(super) fn key(entry: &Entry<'_>, reading: &Reading<'_>, report: &mut Report<'_>) -> Option<TrustedKey> {
    let name = entry.filled("name", report);
    let roles = roles(entry, report);
    let id = entry.hex("id", &[64], report);
    let key = public(entry, reading, report)?;
    if let Some(expected) = id.filter(|id| id != key.id().as_str()) {
        let told =
            format!("{} has another key: expected the id {expected}, and it is {}", entry.what, key.id());
        report.fault(&entry.place("id"), told);
    }
    Some(TrustedKey { name: name?, key, roles, at: entry.at(report) })
}

fn roles(entry: &Entry<'_>, report: &mut Report<'_>) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    let list = entry.list("roles");
    if list.is_empty() && entry.args.get("roles").is_some() {
        report.fault(&entry.place("roles"), format!("{} has no role: it may sign nothing", entry.what));
    }
    for (role, span) in list {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if role.is_empty() || !role.chars().all(plain) {
            let expected = "expected lower-case letters, digits, `-` and `_`";
            report.fault(&span, format!("`roles` in {}: {expected}; got {}", entry.what, quoted(role)));
        } else if !roles.insert(role.to_owned()) {
            report.fault(&span, format!("`roles` in {}: {} stands here twice", entry.what, quoted(role)));
        }
    }
    roles
}

/// The key itself. No message shows what stands there: it may be a private one.
fn public(entry: &Entry<'_>, reading: &Reading<'_>, report: &mut Report<'_>) -> Option<PublicKey> {
    let from = entry.exactly_one(&["file", "pem"], report)?;
    let text = entry.args.text(from)?;
    let pem = match from {
        "pem" => Ok(text.to_owned()),
        _ if reading.pinned && !entry.table.contains_key("id") => {
            Err("a policy that is signed must name the key in a file by its `id` too".to_owned())
        }
        _ => (reading.files)(text).map_err(|why| format!("{} {why}", quoted(text))),
    };
    let key = pem.and_then(|pem| PublicKey::from_pem(&pem).map_err(|error| error.to_string()));
    key.map_err(|why| report.key(&key_span(entry.table, from), format!("`{from}` in {}: {why}", entry.what)))
        .ok()
}

/// Refuses a key that is there twice, and a name that two keys have: one person would count as two.
pub(super) fn distinct(keys: &[TrustedKey], report: &mut Report<'_>) {
    for (place, key) in keys.iter().enumerate() {
        let span = report.source.line_span(key.at.line);
        if let Some(before) = keys[..place].iter().find(|before| before.key.id() == key.key.id()) {
            let told = format!(
                "key {} is the key of {} in line {}: whoever holds it would count twice",
                quoted(&key.name),
                quoted(&before.name),
                before.at.line
            );
            report.fault(&span, told);
        } else if let Some(before) = keys[..place].iter().find(|before| before.name == key.name) {
            let told =
                format!("a second key {}; the first stands in line {}", quoted(&key.name), before.at.line);
            report.fault(&span, told);
        }
    }
}

pub(super) fn threshold(
    entry: &Entry<'_>,
    keys: &[TrustedKey],
    report: &mut Report<'_>,
) -> Option<Threshold> {
    let role = entry.filled("role", report)?;
    let count = u32::try_from(entry.args.integer("count")?).ok()?;
    let able = keys.iter().filter(|key| key.roles.contains(&role)).count();
    if able == 0 {
        let known: BTreeSet<&str> = keys.iter().flat_map(|key| &key.roles).map(String::as_str).collect();
        let message = format!("unknown role {} in a threshold: no key has it", quoted(&role));
        report.unknown(&entry.place("role"), message, &role, known);
    } else if (able as u64) < u64::from(count) {
        let told = format!("{} asks for {count} keys, and {able} may sign in that role", entry.what);
        report.fault(&entry.place("count"), told);
    }
    Some(Threshold { role, count, at: entry.at(report) })
}
