//! What a CREATE asks for against what is there. The server writes both in its own way first, so that spacing,
//! aliases and the order of clauses don't count.

use super::super::ProbeError;
use super::super::client::clickhouse::Session;
use super::super::client::ddl::{Created, created};
use super::super::client::schema::{self, Table};
use super::super::client::sql::{Dialect, Statement, statements};
use super::quoted;
use std::time::{Duration, Instant};

/// Compares each statement (with what it creates, and the statement that made what is there). Gives lines with what
/// differs.
///
/// # Errors
/// The server does not answer within `limit`.
pub(super) fn all(
    session: &Session<'_>,
    database: &str,
    asked: &[(&Statement<'_>, Created, &str)],
    limit: Duration,
) -> Result<Vec<(usize, String)>, ProbeError> {
    let until = Instant::now() + limit;
    let left = || until.saturating_duration_since(Instant::now());
    // Databases have no definition to compare.
    let asked: Vec<_> = asked.iter().filter(|(_, _, seen)| !seen.is_empty()).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let queries: Vec<_> = asked.iter().map(|(statement, ..)| quoted(statement.text)).collect();
    let sql = format!("SELECT arrayMap(query -> formatQuerySingleLine(query), [{}])", queries.join(","));
    let formatted: Vec<(Vec<String>,)> = session.rows(&sql, &[], left())?;
    let formatted = formatted.into_iter().next().map(|row| row.0).unwrap_or_default();
    let mut found = Vec::new();
    for ((statement, _, seen), formatted) in asked.iter().zip(&formatted) {
        let (Some(mut asked), Some(seen)) = (read(formatted), read(seen)) else {
            found.push((statement.line, "what is there can't be compared with what is asked for".to_owned()));
            continue;
        };
        if !columns(&asked, &seen).is_empty() {
            // Perhaps only by an alias: VARCHAR is String.
            asked.columns = types(session, &asked, left())?;
        }
        found.extend(differences(&asked, &seen, database).into_iter().map(|why| (statement.line, why)));
    }
    Ok(found)
}

fn read(sql: &str) -> Option<Created> {
    statements(sql, Dialect::ClickHouse).ok()?.first().and_then(created)
}

/// The columns with their types as the server names them.
fn types(
    session: &Session<'_>,
    asked: &Created,
    limit: Duration,
) -> Result<Vec<(String, String)>, ProbeError> {
    let column = |(name, kind): &(String, String)| format!("`{}` {kind}", name.replace('`', "``"));
    let list: Vec<_> = asked.columns.iter().map(column).collect();
    let sql = format!("DESCRIBE TABLE null({})", quoted(&list.join(", ")));
    // Name and type come first; the rest is not read.
    let rows: Vec<Vec<String>> = session.rows(&sql, &[], limit)?;
    let pair = |row: Vec<String>| {
        let mut row = row.into_iter();
        Some((row.next()?, row.next()?))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

fn columns(asked: &Created, seen: &Created) -> Vec<String> {
    let table = |it: &Created| Table { name: asked.name.clone(), engine: None, columns: it.columns.clone() };
    schema::compare(&[table(asked)], &[table(seen)], Dialect::ClickHouse).lines()
}

/// Clauses that must say the same, or be absent from both.
const CLAUSES: [(&str, &str); 7] = [
    ("PARTITION", "PARTITION BY"),
    ("PRIMARY", "PRIMARY KEY"),
    ("ORDER", "ORDER BY"),
    ("SAMPLE", "SAMPLE BY"),
    ("TTL", "TTL"),
    ("TO", "TO"),
    ("AS", "AS"),
];

/// What differs, in words. Columns and settings that nobody asked for don't count.
fn differences(asked: &Created, seen: &Created, database: &str) -> Vec<String> {
    let name = &asked.name;
    let mut found = columns(asked, seen);
    let plain = |created: &Created, clause| {
        let text = created.clauses.get(clause).cloned().unwrap_or_default();
        // The server adds the database to names that have none.
        let text = text.replace(&format!("{database}."), "").replace('`', "");
        unwrapped(&text).to_owned()
    };
    let (wanted, there) = (plain(asked, "ENGINE"), plain(seen, "ENGINE"));
    // An engine without arguments is the same whatever the server fills in.
    let same = wanted == there || (!wanted.contains('(') && there.split('(').next() == Some(wanted.as_str()));
    if !wanted.is_empty() && !same {
        found.push(format!("{name}: expected engine {wanted}, seen {there}"));
    }
    for (clause, words) in CLAUSES {
        let (wanted, there) = (plain(asked, clause), plain(seen, clause));
        if wanted != there {
            found.push(format!("{name}: expected {words} {}, seen {}", cut(&wanted), cut(&there)));
        }
    }
    for (setting, wanted) in &asked.settings {
        match seen.settings.get(setting) {
            // The server hides passwords.
            Some(there) if there == wanted || there.contains("[HIDDEN]") => {}
            Some(there) => found.push(format!("{name}: expected {setting} = {wanted}, seen {there}")),
            None => found.push(format!("{name}: expected {setting} = {wanted}, and it is not set")),
        }
    }
    found
}

/// `a` of `(a)`: the server keeps such parentheses as they were written.
fn unwrapped(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else { return text };
    let mut depth = 0_i32;
    let closes_early = inner.chars().any(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    if closes_early { text } else { inner }
}

fn cut(text: &str) -> String {
    if text.is_empty() {
        return "none".to_owned();
    }
    let short: String = text.chars().take(120).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &str = "CREATE TABLE q.t (`a` String, `b` UInt8) ENGINE = MergeTree PARTITION BY a ORDER BY a \
                        TTL b + toIntervalDay(180) SETTINGS index_granularity = 8192";

    fn of(asked: &str, seen: &str) -> Vec<String> {
        differences(&read(asked).unwrap(), &read(seen).unwrap(), "q")
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let asked = "CREATE TABLE IF NOT EXISTS t (`a` String) ENGINE = MergeTree PARTITION BY a ORDER BY a \
                     TTL b + toIntervalDay(180)";
        assert_eq!(of(asked, SEEN), Vec::<String>::new());
        let replicated = SEEN.replace("MergeTree", "MergeTree('/path', 'r')");
        assert_eq!(of(asked, &replicated), Vec::<String>::new());
    }

    #[test]
    fn every_clause_that_differs_is_named() {
        let asked =
            "CREATE TABLE t (`a` UInt8, `c` String) ENGINE = Log PARTITION BY a ORDER BY b SETTINGS x = 1";
        assert_eq!(
            of(asked, SEEN),
            [
                "t.c: not there",
                "t.a: expected UInt8, seen String",
                "t: expected engine Log, seen MergeTree",
                "t: expected ORDER BY b, seen a",
                "t: expected TTL none, seen b+toIntervalDay(180)",
                "t: expected x = 1, and it is not set",
            ]
        );
    }

    #[test]
    fn parentheses_around_everything_do_not_count() {
        assert_eq!(unwrapped("(a)"), "a");
        assert_eq!(unwrapped("(a,f(b))"), "a,f(b)");
        assert_eq!(unwrapped("(a)+(b)"), "(a)+(b)");
        assert_eq!(unwrapped("a"), "a");
    }

    #[test]
    fn a_kafka_table_of_another_broker_differs_and_a_hidden_password_does_not() {
        let kafka = |broker: &str, password: &str| {
            format!(
                "CREATE TABLE q.k (`raw` String) ENGINE = Kafka SETTINGS kafka_broker_list = '{broker}', \
                 kafka_sasl_password = '{password}'"
            )
        };
        assert_eq!(of(&kafka("a:1", "secret"), &kafka("a:1", "[HIDDEN]")), Vec::<String>::new());
        assert_eq!(
            of(&kafka("a:1", "s"), &kafka("b:1", "[HIDDEN]")),
            ["k: expected kafka_broker_list = 'a:1', seen 'b:1'"]
        );
    }

    #[test]
    fn a_view_is_compared_by_its_query_and_its_table() {
        let asked = "CREATE MATERIALIZED VIEW mv TO t AS SELECT a FROM k";
        let seen = "CREATE MATERIALIZED VIEW q.mv TO q.t (`a` String) AS SELECT a FROM q.k";
        assert_eq!(of(asked, seen), Vec::<String>::new());
        assert_eq!(of(asked, &seen.replace("SELECT a", "SELECT b")).len(), 1);
        assert_eq!(of(asked, &seen.replace("q.t ", "q.u ")).len(), 1);
    }
}
