//! What a CREATE statement asks for: which object, with which columns and clauses. Pure, and no more of the grammar
//! than is needed to compare what was asked with what is there; a statement it does not know gives nothing.

use super::sql::{Dialect, Kind, Statement, Token, squeezed};
use std::collections::{BTreeMap, BTreeSet};

/// An object that a statement creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What kind of object.
    pub kind: Object,
    /// Its database (ClickHouse) or schema (PostgreSQL), where the statement names one.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// `OR REPLACE`: what was there does not matter.
    pub replaces: bool,
    /// Columns with their types, squeezed; empty where the statement lists none.
    pub columns: Vec<(String, String)>,
    /// Clauses behind the columns, by keyword (`ENGINE`, `ORDER`, `TTL`, `AS`, …), squeezed.
    pub clauses: BTreeMap<&'static str, String>,
    /// Values of the `SETTINGS` clause.
    pub settings: BTreeMap<String, String>,
}

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A database of ClickHouse.
    Database,
    /// A schema of PostgreSQL.
    Schema,
    /// A table.
    Table,
    /// A view, materialized or not.
    View,
}

/// What a statement creates, if it is one that creates a database, schema, table or view.
pub fn created(statement: &Statement<'_>) -> Option<Created> {
    let mut at = Cursor { rest: &statement.tokens, dialect: statement.dialect };
    at.word("CREATE").or_else(|| at.word("ATTACH"))?;
    let replaces = at.word("OR").and_then(|()| at.word("REPLACE")).is_some();
    for modifier in ["UNLOGGED", "MATERIALIZED", "RECURSIVE"] {
        at.word(modifier);
    }
    let kinds = [
        ("DATABASE", Object::Database),
        ("SCHEMA", Object::Schema),
        ("TABLE", Object::Table),
        ("VIEW", Object::View),
    ];
    let kind = kinds.into_iter().find_map(|(word, kind)| at.word(word).map(|()| kind))?;
    at.word("IF").and_then(|()| at.word("NOT")).and_then(|()| at.word("EXISTS"));
    let (schema, name) = at.qualified()?;
    at.word("ON").and_then(|()| at.word("CLUSTER")).and_then(|()| at.next());
    let to = at.word("TO").and_then(|()| at.qualified());
    let columns = at.group().map(|list| columns(list, at.dialect)).unwrap_or_default();
    let (mut clauses, settings) = clauses(at.rest);
    if let Some((_, name)) = to {
        clauses.insert("TO", name);
    }
    Some(Created { kind, schema, name, replaces, columns, clauses, settings })
}

/// Names in statements that change what a CREATE made: what they name can't be compared with its CREATE alone.
pub fn changed(statements: &[Statement<'_>]) -> BTreeSet<String> {
    let changes = |statement: &&Statement<'_>| {
        let has = |word: &str| statement.tokens.iter().any(|token| token.is(word));
        let begins = |word: &str| statement.tokens.first().is_some_and(|token| token.is(word));
        let columns =
            || ["ADD", "DROP", "RENAME", "MODIFY", "COLUMN", "TYPE", "ATTACH", "DETACH"].into_iter().any(has);
        ["DROP", "RENAME", "EXCHANGE", "DETACH", "UNDROP"].into_iter().any(begins)
            || (begins("ALTER") && columns())
    };
    let names = |statement: &Statement<'_>| {
        statement.tokens.iter().filter_map(|token| token.name(statement.dialect)).collect::<Vec<_>>()
    };
    statements.iter().filter(changes).flat_map(names).collect()
}

/// Goes through tokens.
struct Cursor<'s, 't> {
    rest: &'s [Token<'t>],
    dialect: Dialect,
}

impl<'s, 't> Cursor<'s, 't> {
    fn next(&mut self) -> Option<&'s Token<'t>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Passes this keyword, if it is next.
    fn word(&mut self, word: &str) -> Option<()> {
        self.rest.first().filter(|token| token.is(word))?;
        self.next().map(|_| ())
    }

    /// Passes `name` or `schema.name`.
    fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let first = self.next()?.name(self.dialect)?;
        if self.rest.first().is_some_and(|token| token.is_symbol('.')) {
            self.next();
            return Some((Some(first), self.next()?.name(self.dialect)?));
        }
        Some((None, first))
    }

    /// Passes a group in parentheses, if it is next, and gives what it holds.
    fn group(&mut self) -> Option<&'s [Token<'t>]> {
        self.rest.first().filter(|token| token.is_symbol('('))?;
        let mut depth = 0_usize;
        for (index, token) in self.rest.iter().enumerate() {
            depth = (depth + usize::from(opens(token))).saturating_sub(usize::from(closes(token)));
            if depth == 0 {
                let group = &self.rest[1..index];
                self.rest = &self.rest[index + 1..];
                return Some(group);
            }
        }
        None
    }
}

fn opens(token: &Token<'_>) -> bool {
    token.is_symbol('(') || token.is_symbol('[')
}

fn closes(token: &Token<'_>) -> bool {
    token.is_symbol(')') || token.is_symbol(']')
}

/// Parts of a list, cut at the commas that are in no parentheses.
fn parts<'s, 't>(tokens: &'s [Token<'t>]) -> Vec<&'s [Token<'t>]> {
    let mut depth = 0_usize;
    let part = |token: &Token<'t>| {
        depth = (depth + usize::from(opens(token))).saturating_sub(usize::from(closes(token)));
        depth == 0 && token.is_symbol(',')
    };
    tokens.split(part).filter(|part| !part.is_empty()).collect()
}

/// Words that begin something else than a column in a column list.
const NO_COLUMN: [&str; 11] = [
    "CONSTRAINT",
    "INDEX",
    "PROJECTION",
    "PRIMARY",
    "UNIQUE",
    "FOREIGN",
    "CHECK",
    "EXCLUDE",
    "LIKE",
    "STATISTICS",
    "PERIOD",
];

/// Words that end a column's type.
const AFTER_TYPE: [&str; 19] = [
    "NOT",
    "NULL",
    "DEFAULT",
    "MATERIALIZED",
    "ALIAS",
    "EPHEMERAL",
    "CODEC",
    "COMMENT",
    "TTL",
    "SETTINGS",
    "STATISTICS",
    "PRIMARY",
    "UNIQUE",
    "REFERENCES",
    "CHECK",
    "GENERATED",
    "CONSTRAINT",
    "COLLATE",
    "COMPRESSION",
];

fn columns(list: &[Token<'_>], dialect: Dialect) -> Vec<(String, String)> {
    let column = |part: &[Token<'_>]| {
        let (first, rest) = part.split_first()?;
        if first.kind == Kind::Word && NO_COLUMN.iter().any(|word| first.is(word)) {
            return None;
        }
        let mut depth = 0_usize;
        let end = rest.iter().position(|token| {
            let ends = depth == 0 && AFTER_TYPE.iter().any(|word| token.is(word));
            depth = (depth + usize::from(opens(token))).saturating_sub(usize::from(closes(token)));
            ends
        });
        let type_name = squeezed(&rest[..end.unwrap_or(rest.len())]);
        (!type_name.is_empty()).then_some((first.name(dialect)?, type_name))
    };
    parts(list).into_iter().filter_map(column).collect()
}

/// Keywords that begin a clause behind the column list; `BY` belongs to the one before it.
const CLAUSES: [&str; 9] =
    ["ENGINE", "PARTITION", "PRIMARY", "ORDER", "SAMPLE", "TTL", "SETTINGS", "COMMENT", "AS"];

fn clauses(tokens: &[Token<'_>]) -> (BTreeMap<&'static str, String>, BTreeMap<String, String>) {
    let mut found = BTreeMap::new();
    let mut settings = BTreeMap::new();
    let mut depth = 0_usize;
    let mut starts: Vec<(usize, &'static str)> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let keyword = CLAUSES.into_iter().find(|word| depth == 0 && token.is(word));
        starts.extend(keyword.map(|word| (index, word)));
        if keyword == Some("AS") {
            // The query goes on to the end, with clauses of its own.
            break;
        }
        depth = (depth + usize::from(opens(token))).saturating_sub(usize::from(closes(token)));
    }
    for (nth, (start, keyword)) in starts.iter().enumerate() {
        let end = starts.get(nth + 1).map_or(tokens.len(), |(next, _)| *next);
        let body = said(&tokens[start + 1..end]);
        if *keyword == "SETTINGS" {
            settings.extend(parts(body).into_iter().filter_map(setting));
        } else {
            found.insert(*keyword, squeezed(body));
        }
    }
    (found, settings)
}

fn setting(part: &[Token<'_>]) -> Option<(String, String)> {
    let (name, value) = part.split_first()?;
    let value = value.split_first().filter(|(sign, _)| sign.is_symbol('='))?.1;
    Some((name.name(Dialect::ClickHouse)?, squeezed(value)))
}

/// What a clause says, without the second word of its keyword or its `=`.
fn said<'s, 't>(clause: &'s [Token<'t>]) -> &'s [Token<'t>] {
    match clause.split_first() {
        Some((first, rest)) if first.is("BY") || first.is("KEY") || first.is_symbol('=') => rest,
        _ => clause,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sql::statements;
    use super::*;

    fn of(text: &str, dialect: Dialect) -> Option<Created> {
        created(&statements(text, dialect).unwrap()[0])
    }

    #[test]
    fn a_table_of_clickhouse_is_read_with_its_clauses() {
        let sql = "CREATE TABLE IF NOT EXISTS q.`market ticks` (instrument LowCardinality(String), \
                   t DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD), INDEX i price TYPE minmax) \
                   ENGINE = MergeTree() PARTITION BY toYYYYMM(t) ORDER BY (instrument, t) \
                   TTL toDateTime(t) + INTERVAL 180 DAY SETTINGS index_granularity = 8192, x = 'a,b'";
        let table = of(sql, Dialect::ClickHouse).unwrap();
        assert_eq!(
            (table.kind, table.schema.as_deref(), table.name.as_str()),
            (Object::Table, Some("q"), "market ticks")
        );
        let columns: Vec<_> =
            table.columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        assert_eq!(columns, [("instrument", "LowCardinality(String)"), ("t", "DateTime64(3,'UTC')")]);
        assert_eq!(table.clauses["ENGINE"], "MergeTree()");
        assert_eq!(table.clauses["PARTITION"], "toYYYYMM(t)");
        assert_eq!(table.clauses["ORDER"], "(instrument,t)");
        assert_eq!(table.clauses["TTL"], "toDateTime(t)+INTERVAL 180 DAY");
        assert_eq!(table.settings["x"], "'a,b'");
    }

    #[test]
    fn a_materialized_view_is_read_up_to_its_query() {
        let sql = "CREATE MATERIALIZED VIEW q.mv TO q.ticks (`a` String) AS SELECT a FROM k ORDER BY a SETTINGS b = 1";
        let view = of(sql, Dialect::ClickHouse).unwrap();
        assert_eq!((view.kind, view.name.as_str()), (Object::View, "mv"));
        assert_eq!(view.clauses["TO"], "ticks");
        assert_eq!(view.clauses["AS"], "SELECT a FROM k ORDER BY a SETTINGS b=1");
        assert!(view.settings.is_empty() && !view.clauses.contains_key("ORDER"));
    }

    #[test]
    fn a_table_of_postgres_is_read_without_its_constraints() {
        let sql = "create table if not exists Trading_Core.\"Orders\" (ID bigint primary key, \
                   price numeric(18, 8) not null default 0, at timestamp(3) with time zone, \
                   tags text[] , check (price > 0), constraint u unique (id))";
        let table = of(sql, Dialect::Postgres).unwrap();
        assert_eq!((table.schema.as_deref(), table.name.as_str()), (Some("trading_core"), "Orders"));
        let columns: Vec<_> =
            table.columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        let expected = [
            ("id", "bigint"),
            ("price", "numeric(18,8)"),
            ("at", "timestamp(3) with time zone"),
            ("tags", "text[]"),
        ];
        assert_eq!(columns, expected);
    }

    #[test]
    fn what_creates_no_table_gives_nothing() {
        for sql in [
            "SELECT 1",
            "CREATE INDEX i ON t (a)",
            "CREATE TABLE",
            "ALTER TABLE t ADD x int",
            "CREATE TABLE (a)",
        ] {
            assert_eq!(of(sql, Dialect::Postgres), None, "{sql}");
        }
        assert_eq!(
            of("CREATE OR REPLACE VIEW v AS SELECT 1", Dialect::Postgres).map(|view| view.replaces),
            Some(true)
        );
        assert_eq!(
            of("CREATE DATABASE IF NOT EXISTS q", Dialect::ClickHouse).map(|it| it.kind),
            Some(Object::Database)
        );
    }

    #[test]
    fn only_statements_that_change_a_definition_count_as_changes() {
        let text = "ALTER TABLE a REPLICA IDENTITY FULL; ALTER TABLE b ADD COLUMN x int; DROP VIEW c; INSERT INTO d VALUES (1)";
        let names = changed(&statements(text, Dialect::Postgres).unwrap());
        let of = |name: &str| names.contains(name);
        assert_eq!((of("a"), of("b"), of("c"), of("d")), (false, true, true, false));
    }

    proptest::proptest! {
        #[test]
        fn any_statement_is_read_or_passed_over(text in "(CREATE )?(TABLE |VIEW |DATABASE )?[a-z(),'. =]{0,40}( AS | ENGINE | SETTINGS )?[a-z(),'. =\\[\\]]{0,40}") {
            for dialect in [Dialect::ClickHouse, Dialect::Postgres] {
                for statement in statements(&text, dialect).unwrap_or_default() {
                    let _ = created(&statement);
                }
            }
        }
    }
}
