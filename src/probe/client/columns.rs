//! What a query's first row is to be observed as: `observes = { lag = "ms", state = "text" }` in a gate's settings.
//! Each name is a column, each word a unit, `text` or `bool`.

use crate::condition::KEYWORDS;
use crate::model::field::{Field, FieldKind};
use crate::model::redact::{MASK, names_a_secret};
use crate::model::units::Unit;
use crate::model::{Args, Metric, MetricKind, Observation, Reading};
use crate::probe::{BadArgs, Context, Measurement, ProbeError};
use std::borrow::Cow;

/// The key `observes` of a query gate.
pub const OBSERVES: Field = Field::optional(
    "observes",
    FieldKind::Map,
    "columns of the first row that conditions may use, each with its unit (`ms`, `count`, …), `text` or `bool`",
);

/// The key `sql` of a query gate.
pub const SQL: Field = Field::required("sql", FieldKind::Text, "one statement that only reads");

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A truth.
    Bool(bool),
    /// A value of this type, which is not read.
    Other(String),
}

/// What a query gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Column names with the first row's values; where there is no row, none have one.
    pub columns: Vec<(String, Option<Cell>)>,
    /// How many rows there were.
    pub rows: u64,
}

const ROWS: Metric = Metric::number("rows", Unit::Count, "rows of the answer");
const ELAPSED: Metric = Metric::number("elapsed_ms", Unit::Millisecond, "from asking to the last row");

/// What a query gate with these settings can observe.
pub fn metrics(args: &Args) -> Vec<Metric> {
    let declared = args.map("observes").into_iter().filter_map(|(name, word)| {
        let name = Cow::Owned(name.to_owned());
        Some(Metric {
            name,
            kind: MetricKind::parse(word)?,
            about: Cow::Borrowed("a column of the first row"),
        })
    });
    [ROWS, ELAPSED].into_iter().chain(declared).collect()
}

/// Checks the key `observes`, and that there is SQL.
///
/// # Errors
/// A name that conditions can't use, or a word that is no unit.
pub fn check(args: &Args) -> Result<(), BadArgs> {
    let bad = |field, message: String| Err(BadArgs { field, message });
    if args.text("sql").is_none_or(|sql| sql.trim().is_empty()) {
        return bad("sql", "expected a statement, and it is empty".to_owned());
    }
    for (name, word) in args.map("observes") {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || KEYWORDS.contains(&name) {
            let message =
                format!("`{name}` can't be a name in a condition: give the column another one with AS");
            return bad("observes", message);
        }
        if name == "rows" || name == "elapsed_ms" {
            return bad(
                "observes",
                format!("`{name}` is observed anyway: give the column another name with AS"),
            );
        }
        if MetricKind::parse(word).is_none() {
            let message =
                format!("{name} = \"{word}\": expected text, bool, count, ratio or a unit such as ms or MiB");
            return bad("observes", message);
        }
    }
    Ok(())
}

/// An answer as observations. Declared columns that are NULL, not finite, or of an answer without rows are missing.
///
/// # Errors
/// The answer lacks a declared column, has it twice, or its value is of another kind than was declared.
pub fn measurement(
    args: &Args,
    context: &Context<'_>,
    answer: &Answer,
    elapsed_ms: f64,
    at: &str,
) -> Result<Measurement, ProbeError> {
    let observed = |name: &str, reading| context.observed(name, reading, at);
    let mut observations: Vec<Observation> = vec![
        observed("rows", Reading::number(answer.rows as f64, Unit::Count)),
        observed("elapsed_ms", Reading::number(elapsed_ms, Unit::Millisecond)),
    ];
    for (name, word) in args.map("observes") {
        let mut found = answer.columns.iter().filter(|(column, _)| column == name);
        let (first, second) = (found.next(), found.next());
        let (Some((_, cell)), None) = (first, second) else {
            let columns: Vec<_> = answer.columns.iter().map(|(name, _)| name.as_str()).collect();
            let columns = columns.join(", ");
            return Err(ProbeError(format!(
                "expected one column `{name}` (see `observes`) from {at}, seen: {columns}"
            )));
        };
        let reading = match cell {
            None | Some(Cell::Null) => Reading::Missing,
            Some(text @ Cell::Text(_)) if word == "text" => Reading::text(shown(text, name, context)),
            Some(cell) => reading(cell, word).ok_or_else(|| {
                let seen = cut(&shown(cell, name, context));
                ProbeError(format!(
                    "column `{name}` from {at}: expected {word} (see `observes`), seen {seen}"
                ))
            })?,
        };
        observations.push(observed(name, reading));
    }
    Ok(Measurement { observations, facts: others(args, answer, context), ..Measurement::default() })
}

fn reading(cell: &Cell, word: &str) -> Option<Reading> {
    match (MetricKind::parse(word)?, cell) {
        (MetricKind::Number(unit), Cell::Number(value)) => Some(Reading::number(*value, unit)),
        (MetricKind::Text, Cell::Number(value)) => Some(Reading::text(value.to_string())),
        (MetricKind::Text, Cell::Bool(value)) => Some(Reading::text(value.to_string())),
        (MetricKind::Bool, Cell::Bool(value)) => Some(Reading::bool(*value)),
        (MetricKind::Bool, Cell::Number(value)) if *value == 0.0 || *value == 1.0 => {
            Some(Reading::bool(*value == 1.0))
        }
        _ => None,
    }
}

/// Columns that nobody declared, as facts: the first 20, cut to 200 characters each.
fn others(args: &Args, answer: &Answer, context: &Context<'_>) -> Args {
    let mut facts = Args::default();
    let declared = args.map("observes");
    let undeclared =
        answer.columns.iter().filter(|(name, _)| declared.iter().all(|(known, _)| known != name));
    for (name, cell) in undeclared.take(20) {
        if let Some(cell) = cell {
            facts.set(name, cut(&shown(cell, name, context)));
        }
    }
    facts
}

/// A value as text, without secrets.
fn shown(cell: &Cell, column: &str, context: &Context<'_>) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Number(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
        Cell::Other(kind) => format!("a value of type {kind}: cast it to text or to a number"),
        Cell::Text(_) if names_a_secret(column) => MASK.to_owned(),
        Cell::Text(text) => context.redactor.text(text).into_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(observes: serde_json::Value) -> Args {
        let mut args = Args::default();
        args.set("sql", "SELECT 1");
        args.set("observes", observes);
        args
    }

    #[test]
    fn declared_columns_are_known_before_the_query_is_run() {
        let args = args(json!({"lag": "ms", "state": "text", "ok": "bool", "share": "%"}));
        assert_eq!(check(&args), Ok(()));
        let metrics = metrics(&args);
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_ref()).collect();
        assert_eq!(names, ["rows", "elapsed_ms", "lag", "state", "ok", "share"]);
        assert_eq!(metrics[2].kind, MetricKind::Number(Unit::Millisecond));
        assert_eq!(metrics[5].kind, MetricKind::Number(Unit::Percent));
    }

    #[test]
    fn names_and_units_that_conditions_cannot_use_are_refused() {
        for bad in
            [json!({"and": "ms"}), json!({"a b": "ms"}), json!({"rows": "count"}), json!({"lag": "parsec"})]
        {
            let found = check(&args(bad.clone()));
            assert_eq!(found.map_err(|bad| bad.field), Err("observes"), "{bad}");
        }
        assert!(check(&Args::default()).is_err());
    }

    #[test]
    fn a_value_is_read_only_as_what_it_was_declared() {
        assert_eq!(reading(&Cell::Number(5.0), "ms"), Some(Reading::number(5.0, Unit::Millisecond)));
        assert_eq!(reading(&Cell::Number(f64::NAN), "ms"), Some(Reading::Missing));
        assert_eq!(reading(&Cell::Number(1.0), "bool"), Some(Reading::bool(true)));
        assert_eq!(reading(&Cell::Number(2.0), "bool"), None);
        assert_eq!(reading(&Cell::Text("5".into()), "ms"), None);
        assert_eq!(reading(&Cell::Bool(true), "text"), Some(Reading::text("true")));
    }
}
