//! Reference pages under docs/: tables of fields, and the test that holds a page to what the code says.

use super::decode::expected;
use crate::model::field::{Apart, Field, FieldKind, Presence};
use std::fmt::Write;
use std::path::Path;

/// A line as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{end}", characters.as_str())
}

/// A table of fields; the fields of a table within follow it, with its name before them.
pub(crate) fn field_table(fields: &[Field], apart: &[Apart]) -> String {
    let mut table = String::from("| key | takes | where absent | what |\n| --- | --- | --- | --- |\n");
    field_rows(&mut table, "", fields);
    for Apart { name, about } in apart {
        let _ = writeln!(table, "| `{name}` | | | {} |", cell(about));
    }
    table
}

pub(crate) fn field_rows(table: &mut String, before: &str, fields: &[Field]) {
    for field in fields {
        let absent = match field.presence {
            Presence::Required => "an error".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(written) => format!("`{written}`"),
        };
        let takes = match field.kind {
            FieldKind::Table(_) => "a table".to_owned(),
            FieldKind::Tables(_) => "a list of tables".to_owned(),
            ref kind => expected(kind),
        };
        let name = format!("{before}{}", field.name);
        let _ = writeln!(
            table,
            "| `{name}` | {} | {} | {} |",
            cell(&takes),
            cell(&absent),
            cell(&sentence(field.about))
        );
        match field.kind {
            FieldKind::Table(within) => field_rows(table, &format!("{name}."), within),
            FieldKind::Tables(within) => field_rows(table, &format!("{name}[]."), within),
            _ => {}
        }
    }
}

pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A page whose prose is written by hand, with what stands between its marks made anew.
pub(crate) fn filled(page: &str, tables: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut page = page.to_owned();
    for (name, table) in tables {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let start = page.find(&open).unwrap_or_else(|| panic!("the page lacks {open}")) + open.len();
        let end = page.find(&close).unwrap_or_else(|| panic!("the page lacks {close}"));
        page.replace_range(start..end, &table);
    }
    page
}

pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

pub(crate) fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// Compares a page with what it should be, or writes it where that was asked for.
pub(crate) fn hold(name: &str, rendered: &str, renew: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(name), rendered).unwrap();
    }
    assert!(read(name) == rendered, "docs/{name} is not what the code says; renew it with: {renew}");
}
