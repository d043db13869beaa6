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
    let kinds: Vec<_> =
        tables.iter().flat_map(|table| &table.columns).map(|(_, kind)| kind.as_str()).collect();
    let mut named = Vec::with_capacity(kinds.len());
    for kinds in kinds.chunks(MOST_COLUMNS) {
        named.extend(names(transaction, kinds)?);
    }
    let mut named = named.into_iter();
    let mut column = |(name, kind): &(String, String)| {
        (name.clone(), named.next().flatten().unwrap_or_else(|| kind.clone()))
    };
    let table =
        |table: &Table| Table { columns: table.columns.iter().map(&mut column).collect(), ..table.clone() };
    Ok(tables.iter().map(table).collect())
}

/// Types that are asked for at once; the server takes 1,664 columns.
const MOST_COLUMNS: usize = 500;

/// The server's names of types, by the columns of a query that is prepared and not run.
fn names(transaction: &mut Transaction<'_>, kinds: &[&str]) -> Result<Vec<Option<String>>, Error> {
    let nulls: Vec<_> = kinds.iter().map(|kind| format!("NULL::{}", plain(kind))).collect();
    let mut attempt = transaction.transaction()?;
    let statement = match attempt.prepare(&format!("SELECT {}", nulls.join(", "))) {
        Ok(statement) if statement.columns().len() == kinds.len() => statement,
        Err(error) if error.as_db_error().is_none() => return Err(error),
        // One of them is no type; alone, each of the others still is.
        Ok(_) | Err(_) if kinds.len() == 1 => return Ok(vec![None]),
        Ok(_) | Err(_) => {
            attempt.rollback()?;
            return kinds.iter().map(|kind| Ok(names(transaction, &[kind])?.pop().flatten())).collect();
        }
    };
    let oids: Vec<_> = statement.columns().iter().map(|column| column.type_().oid()).collect();
    let modifiers: Vec<_> = statement.columns().iter().map(postgres::Column::type_modifier).collect();
    let rows = attempt.query(
        "SELECT format_type(o, m) FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS kinds(o, m, n) ORDER BY n",
        &[&oids, &modifiers],
    )?;
    attempt.commit()?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// `serial` is no type, but a way to write an integer column.
fn plain(kind: &str) -> &str {
    match kind.trim().to_lowercase().as_str() {
        "smallserial" | "serial2" => "smallint",
        "serial" | "serial4" => "integer",
        "bigserial" | "serial8" => "bigint",
        _ => kind,
    }
}
