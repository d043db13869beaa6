//! Whether PostgreSQL has the tables that others rely on, whether TimescaleDB is there, and how much is written to
//! the log (change data capture needs `logical`).

use super::client::postgres::Session;
use super::client::schema::{self, Table};
use super::client::sql::Dialect;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::Field;
use crate::model::{Args, Metric, Reading, ServiceKind};
use postgres::{Error, Transaction};

/// The probe `postgres_schema`.
pub struct PostgresSchema;

impl Probe for PostgresSchema {
    fn name(&self) -> &'static str {
        "postgres_schema"
    }

    fn about(&self) -> &'static str {
        "tables are in PostgreSQL with the columns and types that are expected; TimescaleDB, wal_level"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Postgres]
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[schema::TABLES];
        FIELDS
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        let mut metrics = schema::METRICS.to_vec();
        metrics.push(Metric::bool("timescaledb", "whether the extension is installed in the database"));
        metrics.push(Metric::text("wal_level", "`replica`, `logical`, …"));
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        schema::EXPECT.to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        schema::check(args)?;
        match schema::expected(args).into_iter().find(|table| table.engine.is_some()) {
            Some(table) => {
                let message = format!("{}: tables of PostgreSQL have no `engine`", table.name);
                Err(BadArgs { field: "tables", message })
            }
            None => Ok(()),
        }
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let mut session = Session::open(context.endpoint(ServiceKind::Postgres)?, context.deadline)?;
        let expected: Vec<_> = schema::expected(args).into_iter().map(qualified).collect();
        let (seen, expected, server) = session.read(|transaction| {
            Ok((tables(transaction, &expected)?, normal(transaction, &expected)?, server(transaction)?))
        })?;
        let difference = schema::compare(&expected, &seen, Dialect::Postgres);
        let mut measurement = schema::measurement(context, &session.at, &expected, &difference);
        let Server { version, wal_level, timescaledb } = server;
        let there = Reading::bool(timescaledb.is_some());
        measurement.observations.push(context.observed("timescaledb", there, &session.at));
        measurement.observations.push(context.observed("wal_level", Reading::text(wal_level), &session.at));
        measurement.facts.set("version", version);
        if let Some(version) = timescaledb {
            measurement.facts.set("timescaledb_version", version);
        }
        Ok(measurement)
    }
}

/// A table whose name has its schema.
pub(super) fn qualified(table: Table) -> Table {
    if table.name.contains('.') { table } else { Table { name: format!("public.{}", table.name), ..table } }
}

/// What is known of a server.
pub(super) struct Server {
    /// As `SHOW server_version` gives it.
    pub version: String,
    /// How much is written to the log.
    pub wal_level: String,
    /// The extension's version, where it is installed in the database.
    pub timescaledb: Option<String>,
}

/// Asks the server about itself.
pub(super) fn server(transaction: &mut Transaction<'_>) -> Result<Server, Error> {
    let row = transaction.query_one(
        "SELECT current_setting('server_version'), current_setting('wal_level'), \
         (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb')",
        &[],
    )?;
    Ok(Server { version: row.try_get(0)?, wal_level: row.try_get(1)?, timescaledb: row.try_get(2)? })
}

/// Those of these tables that are there, with all their columns.
pub(super) fn tables(transaction: &mut Transaction<'_>, wanted: &[Table]) -> Result<Vec<Table>, Error> {
    let names: Vec<_> = wanted.iter().map(|table| table.name.as_str()).collect();
    let rows = transaction.query(
        "SELECT n.nspname || '.' || c.relname, \
         coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), '{}'), \
         coalesce(array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) \
                  FILTER (WHERE a.attname IS NOT NULL), '{}') \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname || '.' || c.relname = ANY($1) \
         GROUP BY 1",
        &[&names],
    )?;
    let table = |row: postgres::Row| {
        let (names, types): (Vec<String>, Vec<String>) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Table { name: row.try_get(0)?, engine: None, columns: names.into_iter().zip(types).collect() })
    };
    rows.into_iter().map(table).collect()
}

/// The same tables with their types named as the server names them: `timestamptz(3)` is
/// `timestamp(3) with time zone`. A type that the server does not know is left as it is.
pub(super) fn normal(transaction: &mut Transaction<'_>, tables: &[Table]) -> Result<Vec<Table>, Error> {
    let kinds: Vec<_> = tables.iter().flat_map(|table| &table.columns).map(|(_, kind)| plain(kind)).collect();
    let row = transaction.query_one(
        "SELECT coalesce(array_agg(format_type(to_regtype(t), NULL) ORDER BY n), '{}') \
         FROM unnest($1::text[]) WITH ORDINALITY AS kinds(t, n)",
        &[&kinds],
    )?;
    let known: Vec<Option<String>> = row.try_get(0)?;
    let mut known = known.into_iter();
    let column = |(name, kind): &(String, String)| {
        let kind = match known.next().flatten() {
            Some(base) => with_modifier(&base, modifier(kind)),
            None => kind.clone(),
        };
        (name.clone(), kind)
    };
    let mut column = column;
    let table =
        |table: &Table| Table { columns: table.columns.iter().map(&mut column).collect(), ..table.clone() };
    Ok(tables.iter().map(table).collect())
}

/// A type without its modifier, and `serial` as the integer that it makes.
fn plain(kind: &str) -> String {
    let bare = kind.replace(modifier(kind).unwrap_or_default(), "");
    match bare.trim().to_lowercase().as_str() {
        "smallserial" | "serial2" => "smallint".to_owned(),
        "serial" | "serial4" => "integer".to_owned(),
        "bigserial" | "serial8" => "bigint".to_owned(),
        other => other.to_owned(),
    }
}

/// `(18, 8)` of `numeric(18, 8)`.
fn modifier(kind: &str) -> Option<&str> {
    kind.get(kind.find('(')?..=kind.find(')')?)
}

/// The server writes a modifier behind the type's first words, but before `[]` and ` with time zone`.
fn with_modifier(base: &str, modifier: Option<&str>) -> String {
    let Some(modifier) = modifier else { return base.to_owned() };
    let tails = ["[]", " without time zone", " with time zone"];
    let tail = tails.iter().filter_map(|tail| base.find(tail)).min().unwrap_or(base.len());
    format!("{}{modifier}{}", &base[..tail], &base[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modifier_stands_where_the_server_writes_it() {
        assert_eq!(with_modifier("numeric", modifier("numeric(18, 8)")), "numeric(18, 8)");
        assert_eq!(
            with_modifier("timestamp with time zone", modifier("timestamptz(3)")),
            "timestamp(3) with time zone"
        );
        assert_eq!(with_modifier("character varying[]", modifier("varchar(9)[]")), "character varying(9)[]");
        assert_eq!(with_modifier("text", None), "text");
    }

    #[test]
    fn a_type_is_asked_for_without_its_modifier() {
        assert_eq!(plain("numeric(18, 8)"), "numeric");
        assert_eq!(plain("BIGSERIAL"), "bigint");
        assert_eq!(plain("timestamp(3) with time zone"), "timestamp with time zone");
        assert_eq!(plain("odd)("), "odd)(");
    }
}
