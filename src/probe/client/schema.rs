//! Tables as they are expected against tables as they are: what the schema gates and the inits share.

use super::sql::{Dialect, squeezed, statements};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading};
use crate::probe::{BadArgs, Context, Measurement};
use std::collections::BTreeMap;

/// A table, expected or seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, with its schema where the store has schemas.
    pub name: String,
    /// Its engine; as expected, none means any.
    pub engine: Option<String>,
    /// Column names with their types; as expected, only those that must be there.
    pub columns: Vec<(String, String)>,
}

/// Where what is there is not what was expected, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Names of tables that are not there.
    pub tables_missing: Vec<String>,
    /// Tables with another engine.
    pub engines_wrong: Vec<String>,
    /// Columns that are not there, of tables that are.
    pub columns_missing: Vec<String>,
    /// Columns of another type.
    pub columns_wrong: Vec<String>,
}

impl Difference {
    /// All of it, in lines.
    pub fn lines(&self) -> Vec<String> {
        let missing = self.tables_missing.iter().map(|name| format!("{name}: not there"));
        let columns = self.columns_missing.iter().map(|name| format!("{name}: not there"));
        let rest = self.engines_wrong.iter().chain(&self.columns_wrong).cloned();
        missing.chain(columns).chain(rest).collect()
    }
}

/// The key `tables` of a schema gate: those that must be there.
pub const TABLES: Field = Field::required(
    "tables",
    FieldKind::Tables(&[
        Field::required("name", FieldKind::Text, "the table's name, in PostgreSQL with its schema"),
        Field::optional("engine", FieldKind::Text, "its engine, where the store has engines"),
        Field::optional("columns", FieldKind::Map, "columns that must be there, with their types"),
    ]),
    "tables that must be there",
);

/// What every schema gate observes.
pub const METRICS: [Metric; 4] = [
    Metric::number("tables_found", Unit::Count, "expected tables that are there"),
    Metric::number("tables_missing", Unit::Count, "expected tables that are not there"),
    Metric::number("columns_missing", Unit::Count, "expected columns that are not there, of tables that are"),
    Metric::number("columns_wrong", Unit::Count, "expected columns of another type"),
];

/// What is observed beside [`METRICS`] where the store has engines.
pub const ENGINES_WRONG: Metric =
    Metric::number("engines_wrong", Unit::Count, "expected tables with another engine");

/// What every schema gate expects.
pub const EXPECT: &str =
    "tables_found > 0 and tables_missing == 0 and columns_missing == 0 and columns_wrong == 0";

/// Checks that something is expected.
///
/// # Errors
/// There is no table, or one without a name.
pub fn check(args: &Args) -> Result<(), BadArgs> {
    let expected = expected(args);
    let message = "expected at least one table, each with its name".to_owned();
    let good = !expected.is_empty() && expected.iter().all(|table| !table.name.is_empty());
    if good { Ok(()) } else { Err(BadArgs { field: "tables", message }) }
}

/// A comparison as observations, with the differences as facts.
pub fn measurement(
    context: &Context<'_>,
    at: &str,
    expected: &[Table],
    difference: &Difference,
) -> Measurement {
    let missing = difference.tables_missing.len();
    let observations = vec![
        count(context, at, "tables_found", expected.len() - missing),
        count(context, at, "tables_missing", missing),
        count(context, at, "columns_missing", difference.columns_missing.len()),
        count(context, at, "columns_wrong", difference.columns_wrong.len()),
    ];
    let mut facts = Args::default();
    let lines = difference.lines();
    if !lines.is_empty() {
        facts.set("differences", lines);
    }
    Measurement { observations, facts, ..Measurement::default() }
}

/// A count as an observation.
pub fn count(context: &Context<'_>, at: &str, name: &str, value: usize) -> Observation {
    context.observed(name, Reading::number(value as f64, Unit::Count), at)
}

/// The tables that the settings expect.
pub fn expected(args: &Args) -> Vec<Table> {
    let table = |table: Args| Table {
        name: table.text("name").unwrap_or_default().to_owned(),
        engine: table.text("engine").map(str::to_owned),
        columns: table
            .map("columns")
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect(),
    };
    args.tables("tables").into_iter().map(table).collect()
}

/// Compares. Types are compared as [`one_way`] writes them.
pub fn compare(expected: &[Table], seen: &[Table], dialect: Dialect) -> Difference {
    let seen: BTreeMap<_, _> = seen.iter().map(|table| (table.name.as_str(), table)).collect();
    let mut difference = Difference::default();
    for table in expected {
        match seen.get(table.name.as_str()) {
            Some(there) => difference.of(table, there, dialect),
            None => difference.tables_missing.push(table.name.clone()),
        }
    }
    difference
}

impl Difference {
    fn of(&mut self, expected: &Table, seen: &Table, dialect: Dialect) {
        let Table { name, .. } = expected;
        if let Some(engine) = expected.engine.as_ref().filter(|engine| Some(*engine) != seen.engine.as_ref())
        {
            let there = seen.engine.as_deref().unwrap_or("none");
            self.engines_wrong.push(format!("{name}: expected engine {engine}, seen {there}"));
        }
        for (column, kind) in &expected.columns {
            match seen.columns.iter().find(|(there, _)| there == column) {
                None => self.columns_missing.push(format!("{name}.{column}")),
                Some((_, there)) if one_way(kind, dialect) == one_way(there, dialect) => {}
                Some((_, there)) => {
                    self.columns_wrong.push(format!("{name}.{column}: expected {kind}, seen {there}"));
                }
            }
        }
    }
}

/// A type in one way of writing: `DateTime64( 3,'UTC')` and `DateTime64(3, 'UTC')` are one.
pub fn one_way(kind: &str, dialect: Dialect) -> String {
    let squeeze = |kind: &str| {
        let found = statements(kind, dialect).ok()?;
        let [statement] = found.as_slice() else { return None };
        Some(squeezed(&statement.tokens))
    };
    squeeze(kind).unwrap_or_else(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(name: &str, engine: Option<&str>, columns: &[(&str, &str)]) -> Table {
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
        Table { name: name.to_owned(), engine: engine.map(str::to_owned), columns }
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let expected = [
            table("gone", None, &[]),
            table("t", Some("MergeTree"), &[("a", "UInt8"), ("b", "DateTime64(3,'UTC')"), ("c", "String")]),
        ];
        let seen = [table("t", Some("Log"), &[("a", "UInt16"), ("b", "DateTime64(3, 'UTC')")])];
        let difference = compare(&expected, &seen, Dialect::ClickHouse);
        assert_eq!(difference.tables_missing, ["gone"]);
        assert_eq!(difference.engines_wrong, ["t: expected engine MergeTree, seen Log"]);
        assert_eq!(difference.columns_missing, ["t.c"]);
        assert_eq!(difference.columns_wrong, ["t.a: expected UInt8, seen UInt16"]);
        assert_eq!(difference.lines().len(), 4);
    }

    #[test]
    fn tables_and_columns_that_nobody_asked_for_do_not_matter() {
        let expected = [table("t", None, &[("a", "text")])];
        let seen = [table("t", Some("heap"), &[("a", "text"), ("z", "int")]), table("u", None, &[])];
        assert_eq!(compare(&expected, &seen, Dialect::Postgres), Difference::default());
    }

    proptest! {
        #[test]
        fn a_schema_does_not_differ_from_itself_and_one_missing_piece_is_seen(
            names in proptest::collection::btree_set("[a-z]{1,6}", 1..6),
            columns in proptest::collection::btree_map("[a-z]{1,6}", "[A-Z][a-z]{1,6}(\\([0-9], '[a-z]'\\))?", 1..6),
            pick in any::<prop::sample::Index>(),
        ) {
            let columns: Vec<_> = columns.into_iter().collect();
            let tables: Vec<_> =
                names.iter().map(|name| Table { name: name.clone(), engine: None, columns: columns.clone() }).collect();
            prop_assert_eq!(compare(&tables, &tables, Dialect::ClickHouse), Difference::default());
            let mut fewer = tables.clone();
            let gone = fewer.remove(pick.index(tables.len()));
            prop_assert_eq!(compare(&tables, &fewer, Dialect::ClickHouse).tables_missing, vec![gone.name]);
            let mut narrower = tables.clone();
            let place = pick.index(tables.len());
            narrower[place].columns.remove(0);
            prop_assert_eq!(compare(&tables, &narrower, Dialect::ClickHouse).columns_missing.len(), 1);
        }
    }
}
