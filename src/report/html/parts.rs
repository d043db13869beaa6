//! What all sections are made of: headings, tables that become cards on a phone, lists that print open.

use super::writer::Html;
use crate::model::Verdict;
use std::fmt::Display;

/// So many rows stand open; more are folded away, and print all the same.
const OPEN: usize = 60;

/// A section with its heading, which can be linked to.
pub(super) fn section(html: &mut Html, id: &str, heading: &str, inside: impl FnOnce(&mut Html)) {
    html.newline();
    html.element("section", &[("id", id)], |html| {
        html.leaf("h2", &[], heading);
        inside(html);
    });
}

/// A list that is folded away where it is long.
pub(super) fn fold(html: &mut Html, summary: &str, rows: usize, inside: impl FnOnce(&mut Html)) {
    let open: &[_] = if rows <= OPEN { &[("open", "")] } else { &[] };
    html.element("details", open, |html| {
        html.leaf("summary", &[], summary);
        inside(html);
    });
}

/// A table with its caption and the heads of its columns, in a box of its own that scrolls where it is too wide.
pub(super) fn table(
    html: &mut Html,
    class: &str,
    caption: &str,
    heads: &[&'static str],
    rows: impl FnOnce(&mut Html),
) {
    let region = [("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-label", caption)];
    html.element("div", &region, |html| {
        html.element("table", &[("class", class)], |html| {
            html.leaf("caption", &[], caption);
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for head in heads {
                        html.leaf("th", &[("scope", "col")], head);
                    }
                });
            });
            html.element("tbody", &[], rows);
        });
    });
}

/// A row of a table.
pub(super) fn row(html: &mut Html, class: &str, cells: impl FnOnce(&mut Html)) {
    html.newline();
    html.element("tr", &[("class", class)], cells);
}

/// A cell; on a phone its label stands before it. One without text is left out there.
pub(super) fn cell(html: &mut Html, label: &'static str, text: impl Display) {
    html.leaf("td", &[("data-label", label)], text);
}

/// A row's status: a mark and a word.
pub(super) fn status(html: &mut Html, mark: &str, word: &str) {
    html.element("td", &[("class", "status")], |html| marked(html, mark, word));
}

/// A mark, which is read by nobody aloud, and the word for it.
pub(super) fn marked(html: &mut Html, mark: &str, word: &str) {
    html.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], mark);
    html.text(word);
}

/// The mark and the class of a verdict.
pub(super) fn of_verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Passed => ("✓", "good"),
        Verdict::Skipped => ("–", "doubt"),
        Verdict::Inconclusive => ("?", "bad"),
        Verdict::Error => ("!", "bad"),
        Verdict::Failed => ("✗", "bad"),
    }
}
