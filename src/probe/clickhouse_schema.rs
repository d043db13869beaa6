//! Whether ClickHouse has the tables that others rely on: with their engines, columns and types.

use super::client::clickhouse::Session;
use super::client::schema::{self, Table};
use super::client::sql::Dialect;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::{Args, Metric, ServiceKind};
use std::time::Instant;

/// The probe `clickhouse_schema`.
pub struct ClickhouseSchema;

/// The database where neither the gate nor the service names one.
pub(super) const DATABASE: &str = "quant_hft";

const FIELDS: &[Field] = &[
    schema::TABLES,
    Field::optional("database", FieldKind::Text, "the database; else the service's, else quant_hft"),
];

impl Probe for ClickhouseSchema {
    fn name(&self) -> &'static str {
        "clickhouse_schema"
    }

    fn about(&self) -> &'static str {
        "tables are in ClickHouse with the engines, columns and types that are expected"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Clickhouse]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        let mut metrics = schema::METRICS.to_vec();
        metrics.push(schema::ENGINES_WRONG);
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        format!("{} and engines_wrong == 0", schema::EXPECT)
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        schema::check(args)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let endpoint = context.endpoint(ServiceKind::Clickhouse)?;
        let database = args.text("database").or(endpoint.database.as_deref()).unwrap_or(DATABASE);
        // Not in the database itself: where that is missing, all of its tables are.
        let session = Session::new(endpoint, None)?;
        let expected = schema::expected(args);
        let seen = tables(&session, database, context.deadline)?;
        let difference = schema::compare(&expected, &seen, Dialect::ClickHouse);
        let at = format!("ClickHouse at {}, database {database}", endpoint.address);
        let mut measurement = schema::measurement(context, &at, &expected, &difference);
        let wrong = difference.engines_wrong.len();
        measurement.observations.push(schema::count(context, &at, "engines_wrong", wrong));
        Ok(measurement)
    }
}

/// All tables of a database.
///
/// # Errors
/// The server does not answer by the deadline, or refuses.
pub(super) fn tables(
    session: &Session<'_>,
    database: &str,
    deadline: Instant,
) -> Result<Vec<Table>, ProbeError> {
    let sql = "SELECT t.name, t.engine, groupArray(c.name), groupArray(c.type) FROM system.tables AS t \
               LEFT JOIN (SELECT table, name, type FROM system.columns WHERE database = {database:String} \
               ORDER BY table, position) AS c ON c.table = t.name \
               WHERE t.database = {database:String} GROUP BY t.name, t.engine";
    let left = deadline.saturating_duration_since(Instant::now());
    let rows =
        session.rows::<(String, String, Vec<String>, Vec<String>)>(sql, &[("database", database)], left)?;
    let table = |(name, engine, names, types): (_, _, Vec<_>, Vec<_>)| Table {
        name,
        engine: Some(engine),
        columns: names.into_iter().zip(types).collect(),
    };
    Ok(rows.into_iter().map(table).collect())
}
