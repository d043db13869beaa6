//! Puts the schema into PostgreSQL, with or without TimescaleDB, and verifies it. Tables that are there already are
//! compared with what was asked for first: `IF NOT EXISTS` alone would hide that a table is another one.

use super::client::ddl::{Object, changed, created};
use super::client::init::{self, Report, Work, recorded};
use super::client::postgres::{Session, attempt};
use super::client::schema::{self, Table};
use super::client::sql::{Dialect, line, statements};
use super::client::sql_files::{SqlFile, of_file, of_folder};
use super::client::tcp::left;
use super::postgres_schema::{normal, qualified, server, tables};
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use crate::process::Cancel;
use postgres::error::ErrorPosition;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The probe `timescale_init`.
pub struct TimescaleInit;

/// Pause between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(100);

const FIELDS: &[Field] = &[
    Field::optional(
        "schema_dir",
        FieldKind::Text,
        "the folder of the *.sql files; either this or `schema_file`",
    ),
    Field::optional("schema_file", FieldKind::Text, "the one file; either this or `schema_dir`"),
    Field::with_default("database", FieldKind::Text, "\"quant_hft\"", "the database; it must be there"),
    Field::optional("user", FieldKind::Text, "the user; else the service's"),
    Field::optional(
        "expected_table_count",
        FieldKind::Integer { min: 0, max: 100_000 },
        "how many tables the files' schemas must hold afterwards",
    ),
    init::CONNECT_TIMEOUT,
    recorded("compose_file"),
    recorded("project_name"),
    recorded("env_file"),
    recorded("service"),
];

impl Probe for TimescaleInit {
    fn name(&self) -> &'static str {
        "timescale_init"
    }

    fn about(&self) -> &'static str {
        "puts the schema files into PostgreSQL, with or without TimescaleDB, and verifies the tables"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Postgres]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        let mut metrics = init::METRICS.to_vec();
        metrics.push(Metric::number("tables", Unit::Count, "tables in the files' schemas afterwards"));
        metrics.push(Metric::bool("timescaledb", "whether the extension is installed in the database"));
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        "success == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let message = match (args.text("schema_dir"), args.text("schema_file")) {
            (Some(_), Some(_)) => "expected either `schema_dir` or `schema_file`, seen both",
            (None, None) => "expected `schema_dir` or `schema_file`, seen neither",
            _ => return Ok(()),
        };
        Err(BadArgs { field: "schema_dir", message: message.to_owned() })
    }

    fn steps(&self, args: &Args) -> Result<Vec<PlannedStep>, String> {
        let files = files(args)?;
        let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
        let verify = match args.integer("expected_table_count") {
            Some(count) => format!("look for the files' tables, {count} in all"),
            None => "look for the files' tables".to_owned(),
        };
        let step = |name: &str, command: String| PlannedStep { name: name.to_owned(), command };
        Ok(vec![
            step("wait_ready", "connect until the server answers".to_owned()),
            step("apply_schema", format!("apply {}", names.join(", "))),
            step("verify_schema", verify),
        ])
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let mut endpoint = context.endpoint(ServiceKind::Postgres)?.clone();
        endpoint.database = Some(args.text("database").unwrap_or("quant_hft").to_owned());
        endpoint.user = args.text("user").map(str::to_owned).or(endpoint.user);
        let steps = self.steps(args).map_err(ProbeError)?;
        let files = files(args).map_err(ProbeError)?;
        let asked = Asked::of(&files).map_err(ProbeError)?;
        let at = format!(
            "PostgreSQL at {}, database {}",
            endpoint.address,
            args.text("database").unwrap_or_default()
        );
        let mut init = Init {
            cancel: context.cancel,
            endpoint,
            connect: args.duration("connect_timeout").unwrap_or(Duration::from_secs(5)),
            expected: args.integer("expected_table_count"),
            deadline: context.deadline,
            files: &files,
            asked: &asked,
            session: None,
            tables: None,
            timescaledb: None,
            report: Report::default(),
        };
        init.report.facts.set("schema_file_count", files.len());
        let (failed, said) = init::run(context, &steps, &mut init);
        let tables = init.tables.map_or(Reading::Missing, |count| Reading::number(count as f64, Unit::Count));
        let timescaledb = init.timescaledb.map_or(Reading::Missing, Reading::bool);
        let mut measurement = init::measurement(context, &at, &failed, said, init.report);
        measurement.observations.push(context.observed("tables", tables, &at));
        measurement.observations.push(context.observed("timescaledb", timescaledb, &at));
        Ok(measurement)
    }
}

fn files(args: &Args) -> Result<Vec<SqlFile>, String> {
    match (args.text("schema_file"), args.text("schema_dir")) {
        (Some(file), _) => Ok(vec![of_file(file)?]),
        (None, Some(folder)) => of_folder(folder),
        (None, None) => Err("expected `schema_dir` or `schema_file`, seen neither".to_owned()),
    }
}

/// What the files ask for.
#[derive(Debug, Default)]
struct Asked {
    /// Schemas in which they make something.
    schemas: BTreeSet<String>,
    /// Tables and views, with the columns of those that can be compared.
    tables: Vec<Table>,
    /// Those that the files also drop, rename or alter: whether they are there afterwards is the files' matter.
    changed: BTreeSet<String>,
}

impl Asked {
    fn of(files: &[SqlFile]) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for file in files {
            let found = statements(&file.text, Dialect::Postgres)
                .map_err(|error| format!("{}: {error}", file.path.display()))?;
            asked.changed.extend(changed(&found));
            for it in found.iter().filter_map(created) {
                let schema = match it.kind {
                    Object::Schema => it.name.clone(),
                    Object::Table | Object::View => it.schema.unwrap_or_else(|| "public".to_owned()),
                    Object::Database => continue,
                };
                if it.kind != Object::Schema {
                    let name = format!("{schema}.{}", it.name);
                    asked.tables.push(qualified(Table { name, engine: None, columns: it.columns }));
                }
                asked.schemas.insert(schema);
            }
        }
        let changed =
            |table: &Table| asked.changed.iter().any(|name| table.name.ends_with(&format!(".{name}")));
        asked.tables.retain(|table| !changed(table));
        if asked.schemas.is_empty() {
            return Err("the schema files create no table: expected at least one".to_owned());
        }
        Ok(asked)
    }
}

/// An initialisation as far as it came.
struct Init<'a> {
    cancel: &'a Cancel,
    endpoint: Endpoint,
    connect: Duration,
    expected: Option<i64>,
    deadline: Instant,
    files: &'a [SqlFile],
    asked: &'a Asked,
    /// There from the first step on.
    session: Option<Session>,
    tables: Option<usize>,
    timescaledb: Option<bool>,
    report: Report,
}

impl Work for Init<'_> {
    fn step(&mut self, planned: &PlannedStep) -> Result<String, String> {
        match planned.name.as_str() {
            "wait_ready" => self.wait_ready(),
            "apply_schema" => self.apply(),
            _ => self.verify(),
        }
    }
}

impl Init<'_> {
    fn session(&mut self) -> Result<&mut Session, String> {
        self.session.as_mut().ok_or_else(|| "there is no connection".to_owned())
    }

    /// Tries until the server takes a connection; a server that refuses the user is not asked again.
    fn wait_ready(&mut self) -> Result<String, String> {
        let until = self.deadline.min(Instant::now() + self.connect);
        while let Err(refused) = attempt(&self.endpoint, left(until)) {
            if !refused.passes || Instant::now() + AGAIN >= until {
                return Err(refused.error.0);
            }
            self.cancel.pause(AGAIN);
        }
        // It answers; the connection that is used lasts longer than the first one.
        let session = Session::open(&self.endpoint, self.deadline).map_err(|error| error.0)?;
        let server = self.session.insert(session).read(server).map_err(|error| error.0)?;
        self.report.facts.set("version", server.version.as_str());
        Ok(format!("PostgreSQL {}, wal_level {}", server.version, server.wal_level))
    }

    /// What is there of what is asked for, and where it differs.
    fn look(&mut self) -> Result<(Vec<Table>, schema::Difference), String> {
        let asked = &self.asked.tables;
        let looked = self
            .session()?
            .read(|transaction| Ok((tables(transaction, asked)?, normal(transaction, asked)?)));
        let (seen, asked) = looked.map_err(|error| error.0)?;
        let difference = schema::compare(&asked, &seen, Dialect::Postgres);
        Ok((seen, difference))
    }

    /// Each file is one transaction. Nothing is applied beside tables that would not fit it.
    fn apply(&mut self) -> Result<String, String> {
        let (before, difference) = self.look()?;
        let wrong = [difference.columns_missing, difference.columns_wrong].concat();
        if !wrong.is_empty() {
            let wrong = wrong.join("; ");
            return Err(format!(
                "tables are there, and not as asked for: {wrong}; they are left as they are: migrate them"
            ));
        }
        // An ALTER that waits for a lock holds up everyone behind it.
        let waits = self.session()?.run(|client| client.batch_execute("SET lock_timeout = '5s'"));
        waits.map_err(|error| error.0)?;
        for file in self.files {
            let mut at = None;
            let done = self.session()?.run(|client| {
                client.batch_execute(&file.text).inspect_err(|error| at = place(error, &file.text))
            });
            let at = at.map(|line| format!(":{line}")).unwrap_or_default();
            done.map_err(|error| format!("{}{at}: {error}", file.path.display()))?;
            self.report.applied += 1;
        }
        self.report.existed = before.iter().map(|table| table.name.clone()).collect();
        let new =
            self.asked.tables.iter().filter(|table| before.iter().all(|there| there.name != table.name));
        self.report.created = new.map(|table| table.name.clone()).collect();
        let (new, old) = (self.report.created.len(), before.len());
        Ok(format!(
            "files: {}, tables and views created: {new}, already there as asked for: {old}",
            self.files.len()
        ))
    }

    fn verify(&mut self) -> Result<String, String> {
        let (_, difference) = self.look()?;
        let lines = difference.lines();
        if !lines.is_empty() {
            return Err(format!("after applying the files: {}", lines.join("; ")));
        }
        let schemas: Vec<_> = self.asked.schemas.iter().map(String::as_str).collect();
        let sql = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY($1)";
        let looked = self.session()?.read(|transaction| {
            Ok((transaction.query_one(sql, &[&schemas])?.try_get::<_, i64>(0)?, server(transaction)?))
        });
        let (count, server) = looked.map_err(|error| error.0)?;
        self.tables = usize::try_from(count).ok();
        self.timescaledb = Some(server.timescaledb.is_some());
        let timescaledb = match server.timescaledb {
            Some(version) => {
                self.report.facts.set("timescaledb_version", version.as_str());
                format!("with TimescaleDB {version}")
            }
            None => "without TimescaleDB".to_owned(),
        };
        let places = schemas.join(", ");
        match self.expected.filter(|expected| *expected != count) {
            Some(expected) => Err(format!("expected {expected} tables in {places}, seen {count}")),
            None => Ok(format!("{count} tables in {places}, {timescaledb}")),
        }
    }
}

/// The line of the file that the server complains of.
fn place(error: &postgres::Error, text: &str) -> Option<usize> {
    let ErrorPosition::Original(character) = error.as_db_error()?.position()? else { return None };
    let byte = text.char_indices().nth(usize::try_from(*character).ok()?.checked_sub(1)?)?.0;
    Some(line(text, byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Asked, String> {
        Asked::of(&[SqlFile { name: "a.sql".into(), path: "a.sql".into(), text: text.into() }])
    }

    #[test]
    fn what_the_files_ask_for_is_read_from_them() {
        let asked = asked(
            "CREATE SCHEMA s; CREATE TABLE s.a (x int); CREATE TABLE b (y text); \
             CREATE TABLE s.c (z int); ALTER TABLE s.c ADD COLUMN w int; DO $$ CREATE TABLE s.d (x int); $$",
        )
        .unwrap();
        assert_eq!(asked.schemas, ["public", "s"].map(str::to_owned).into());
        let names: Vec<_> = asked.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["s.a", "public.b"]);
    }

    #[test]
    fn files_that_create_nothing_are_refused() {
        assert!(asked("SELECT 1").is_err());
        assert!(asked("SELECT 'x").unwrap_err().starts_with("a.sql: line 1"));
    }

    #[test]
    fn either_a_folder_or_a_file_is_needed() {
        let mut args = Args::default();
        assert!(TimescaleInit.check(&args).is_err());
        args.set("schema_dir", "a");
        assert!(TimescaleInit.check(&args).is_ok());
        args.set("schema_file", "b");
        assert!(TimescaleInit.check(&args).is_err());
    }

    #[test]
    fn the_steps_are_those_of_the_runbook() {
        let mut args = Args::default();
        args.set("schema_dir", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/postgres"));
        args.set("expected_table_count", 7);
        let steps = TimescaleInit.steps(&args).unwrap();
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["wait_ready", "apply_schema", "verify_schema"]);
        assert!(steps[1].command.contains("010_trading_core.sql"));
    }
}
