//! The tables of a text as TOML has them, before anybody knows what they mean.

use super::decode::seen;
use super::fault::Report;
use super::names::quoted;
use super::source::Span;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The tables of a text. Doubled keys leave tables that can be read on; any other error of TOML does not.
pub(crate) fn toml<'t>(text: &'t str, report: &mut Report<'_>) -> Option<Spanned<DeTable<'t>>> {
    const DOUBLED: &str = "duplicate key";
    if let Ok(table) = DeTable::parse(text) {
        return Some(table);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut line = 0;
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let at = report.source.position(span.start);
        if error.message() == DOUBLED {
            let key = quoted(report.source.slice(&span).trim_matches(['"', '\'']));
            report.fault(&span, format!("{key} stands here for the second time"));
        } else if at.line != line {
            // What follows on the same line is mostly a consequence of the first error.
            line = at.line;
            report.fault(&span, format!("not TOML: {}", error.message()));
        }
    }
    errors.iter().all(|error| error.message() == DOUBLED).then_some(table)
}

/// Where a key stands; the beginning of the file where it does not.
pub(crate) fn key_span(table: &DeTable<'_>, key: &str) -> Span {
    table.get_key_value(key).map_or(0..0, |(key, _)| key.span())
}

/// The tables of a list, which is called `path` from the top of the file; nothing where the list itself is at fault.
pub(crate) fn tables<'a>(
    key: &str,
    path: &str,
    table: &'a DeTable<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<(&'a DeTable<'a>, Span)>> {
    let Some(found) = table.get(key) else { return Some(Vec::new()) };
    let DeValue::Array(items) = found.get_ref() else {
        report.fault(&found.span(), format!("`{path}` is a list of tables: write [[{path}]], not [{path}]"));
        return None;
    };
    let mut tables = Vec::new();
    for item in items.iter() {
        match item.get_ref() {
            DeValue::Table(table) => tables.push((table, item.span())),
            other => report.fault(&item.span(), format!("`{path}`: expected a table; got {}", seen(other))),
        }
    }
    (tables.len() == items.len()).then_some(tables)
}
