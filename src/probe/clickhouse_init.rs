//! Puts the schema into ClickHouse, file by file. What is not there is created; what is there is compared with what
//! was asked for, and left as it is: `IF NOT EXISTS` alone would hide that a table is another one.

use super::clickhouse_schema::DATABASE;
use super::client::clickhouse::Session;
use super::client::ddl::{Created, Object, changed, created};
use super::client::init::{self, Report, Work, recorded};
use super::client::sql::{Dialect, Statement, statements};
use super::client::sql_files::{fill, of_folder};
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::{Args, Metric, ServiceKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

mod compare;

/// The probe `clickhouse_init`.
pub struct ClickhouseInit;

/// The first step.
const VERIFY: &str = "verify_clickhouse";

const FIELDS: &[Field] = &[
    Field::with_default(
        "schema_dir",
        FieldKind::Text,
        "\"infra/clickhouse/init\"",
        "the folder of the *.sql files",
    ),
    Field::with_default(
        "database",
        FieldKind::Text,
        "\"quant_hft\"",
        "{{database}} in the files; created if need be",
    ),
    Field::optional(
        "kafka_broker",
        FieldKind::Text,
        "{{kafka_broker}} in the files: the brokers as ClickHouse reaches them; else those of the gate's Kafka",
    ),
    Field::with_default(
        "kafka_group",
        FieldKind::Text,
        "\"quant_hft_clickhouse\"",
        "{{kafka_group}} in the files: how the names of the consumer groups begin",
    ),
    init::CONNECT_TIMEOUT,
    recorded("compose_file"),
    recorded("project_name"),
    recorded("env_file"),
    recorded("service"),
];

impl Probe for ClickhouseInit {
    fn name(&self) -> &'static str {
        "clickhouse_init"
    }

    fn about(&self) -> &'static str {
        "puts the schema files into ClickHouse; what is there already is compared and left as it is"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Clickhouse]
    }

    fn may_use(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Kafka]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        init::METRICS.to_vec()
    }

    fn expect(&self, _args: &Args) -> String {
        "success == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let database = args.text("database").unwrap_or(DATABASE);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if database.is_empty()
            || !database.chars().all(word)
            || database.starts_with(|c: char| c.is_ascii_digit())
        {
            let message = format!("`{database}` is no database name: expected letters, digits and `_`");
            return Err(BadArgs { field: "database", message });
        }
        for field in ["kafka_broker", "kafka_group"] {
            if let Some(value) = args.text(field).filter(|value| !harmless(value)) {
                let message =
                    format!("`{value}`: expected a text without quotes, backslashes and white space");
                return Err(BadArgs { field, message });
            }
        }
        Ok(())
    }

    fn steps(&self, args: &Args) -> Result<Vec<PlannedStep>, String> {
        plan(args, "broker:9092").map(|(steps, _)| steps)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        self.check(args).map_err(|bad| ProbeError(bad.message))?;
        let endpoint = context.endpoint(ServiceKind::Clickhouse)?;
        let kafka = context.endpoints.iter().find(|(_, endpoint)| endpoint.kind == ServiceKind::Kafka);
        let broker = args.text("kafka_broker").or(kafka.map(|(_, endpoint)| endpoint.inside()));
        let (steps, files) = plan(args, broker.unwrap_or_default()).map_err(ProbeError)?;
        if let (None, Some(file)) = (broker, files.iter().find(|file| file.needs_broker)) {
            return Err(ProbeError(format!(
                "{} needs {{{{kafka_broker}}}}: set `kafka_broker`, or name a Kafka service in the gate's `uses`",
                file.path
            )));
        }
        let mut init = Init {
            session: Session::new(endpoint, None)?,
            database: args.text("database").unwrap_or(DATABASE),
            connect: args.duration("connect_timeout").unwrap_or(Duration::from_secs(5)),
            deadline: context.deadline,
            files: &files,
            there: BTreeMap::new(),
            report: Report::default(),
        };
        let (failed, said) = init::run(context, &steps, &mut init);
        let at = format!("ClickHouse at {}, database {}", endpoint.address, init.database);
        Ok(init::measurement(context, &at, &failed, said, init.report))
    }
}

/// Whether a value can stand in a string of SQL as it is.
fn harmless(value: &str) -> bool {
    !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '\\'))
}

/// A file, filled in.
struct Filled {
    step: String,
    path: String,
    text: String,
    needs_broker: bool,
}

impl Filled {
    fn statements(&self) -> Result<Vec<Statement<'_>>, String> {
        statements(&self.text, Dialect::ClickHouse).map_err(|error| format!("{}: {error}", self.path))
    }
}

/// The steps, and the files in their order.
fn plan(args: &Args, broker: &str) -> Result<(Vec<PlannedStep>, Vec<Filled>), String> {
    let values = [
        ("database", args.text("database").unwrap_or(DATABASE)),
        ("kafka_broker", broker),
        ("kafka_group", args.text("kafka_group").unwrap_or("quant_hft_clickhouse")),
    ];
    let command = "SELECT version(), and what is there already".to_owned();
    let mut steps = vec![PlannedStep { name: VERIFY.to_owned(), command }];
    let mut files = Vec::new();
    for file in of_folder(args.text("schema_dir").unwrap_or("infra/clickhouse/init"))? {
        let path = file.path.display().to_string();
        let step = format!("apply_{}", file.name);
        let needs_broker = file.text.contains("{{kafka_broker}}");
        let filled = Filled { step: step.clone(), path, text: fill(&file, &values)?, needs_broker };
        let count = filled.statements()?.len();
        if count == 0 {
            return Err(format!("{} holds no statement: expected at least one", filled.path));
        }
        steps.push(PlannedStep {
            name: step,
            command: format!("apply {} (statements: {count})", filled.path),
        });
        files.push(filled);
    }
    Ok((steps, files))
}

/// Where an object is: its database and name; a database itself has the name "".
type Place = (String, String);

/// An initialisation as far as it came.
struct Init<'a> {
    session: Session<'a>,
    database: &'a str,
    connect: Duration,
    deadline: Instant,
    files: &'a [Filled],
    /// What was there before, with the statement that makes it.
    there: BTreeMap<Place, String>,
    report: Report,
}

impl Work for Init<'_> {
    fn step(&mut self, planned: &PlannedStep) -> Result<String, String> {
        if planned.name == VERIFY {
            return self.verify();
        }
        let files = self.files;
        match files.iter().find(|file| file.step == planned.name) {
            Some(file) => self.apply(file),
            None => Err(format!("no file belongs to the step {}", planned.name)),
        }
    }
}

impl Init<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn place(&self, created: &Created) -> Place {
        if created.kind == Object::Database {
            return (created.name.clone(), String::new());
        }
        (created.schema.clone().unwrap_or_else(|| self.database.to_owned()), created.name.clone())
    }

    /// Asks for the version and for all that the files are about, in one go.
    fn verify(&mut self) -> Result<String, String> {
        let mut databases = BTreeSet::from([self.database.to_owned()]);
        for file in self.files {
            databases.extend(file.statements()?.iter().filter_map(created).map(|it| self.place(&it).0));
        }
        let names: Vec<_> = databases.iter().map(|name| quoted(name)).collect();
        let names = format!("[{}]", names.join(","));
        let sql = "SELECT '', '', version() \
                   UNION ALL SELECT name, '', '' FROM system.databases WHERE has({names:Array(String)}, name) \
                   UNION ALL SELECT database, name, create_table_query FROM system.tables \
                   WHERE has({names:Array(String)}, database)";
        let limit = self.connect.min(self.left());
        let rows = self.session.rows(sql, &[("names", &names)], limit).map_err(|error| error.0)?;
        self.there = rows.into_iter().map(|(database, name, sql)| ((database, name), sql)).collect();
        let version = self.there.remove(&(String::new(), String::new())).unwrap_or_default();
        let tables = self.there.keys().filter(|(_, name)| !name.is_empty()).count();
        let found = format!("ClickHouse {version}; {tables} tables and views are there already");
        self.report.facts.set("version", version);
        Ok(found)
    }

    /// First compares what is there, so that nothing is created beside what would not fit it.
    fn apply(&mut self, file: &Filled) -> Result<String, String> {
        self.enter().map_err(|error| error.0)?;
        let found = file.statements()?;
        let changed = self.changed()?;
        let mut asked = Vec::new();
        let mut open = Vec::new();
        for statement in &found {
            let object = created(statement).filter(|it| !it.replaces && !changed.contains(&it.name));
            match object
                .and_then(|it| self.there.get(&self.place(&it)).map(|seen| (statement, it, seen.as_str())))
            {
                Some(known) => asked.push(known),
                None => open.push(statement),
            }
        }
        let differences = compare::all(&self.session, self.database, &asked, self.left());
        let differences = differences.map_err(|error| format!("{}: {error}", file.path))?;
        if !differences.is_empty() {
            let lines: Vec<_> =
                differences.iter().map(|(line, why)| format!("{}:{line}: {why}", file.path)).collect();
            return Err(format!("{}; it is left as it is: migrate or drop it", lines.join("; ")));
        }
        let existed: Vec<_> = asked.iter().map(|(_, it, _)| shown(&self.place(it))).collect();
        let old = existed.len();
        self.report.existed.extend(existed);
        let new = self.run(file, &open)?;
        self.report.applied += 1;
        Ok(format!("statements: {}, created: {new}, already there as asked for: {old}", found.len()))
    }

    /// Names that the files also change by other statements.
    fn changed(&self) -> Result<BTreeSet<String>, String> {
        let mut names = BTreeSet::new();
        for file in self.files {
            names.extend(changed(&file.statements()?));
        }
        Ok(names)
    }

    /// Runs statements in their order; gives how many objects are new.
    fn run(&mut self, file: &Filled, open: &[&Statement<'_>]) -> Result<usize, String> {
        let mut new = 0;
        for statement in open {
            let done = self.session.run(statement.text, &[], self.left());
            done.map_err(|error| format!("{}:{}: {statement} …: {error}", file.path, statement.line))?;
            let Some(place) = created(statement).map(|it| self.place(&it)) else { continue };
            if self.there.contains_key(&place) {
                self.report.existed.push(shown(&place));
            } else {
                self.report.created.push(shown(&place));
                new += 1;
            }
        }
        Ok(new)
    }

    /// The database is where names without one are; it is created where it is not there.
    fn enter(&mut self) -> Result<(), ProbeError> {
        let place = (self.database.to_owned(), String::new());
        if !self.there.contains_key(&place) {
            let sql = format!("CREATE DATABASE IF NOT EXISTS {}", self.database);
            self.session.run(&sql, &[], self.left())?;
            self.report.created.push(self.database.to_owned());
            self.there.insert(place, sql);
        }
        self.session.enter(self.database);
        Ok(())
    }
}

fn shown((database, name): &Place) -> String {
    if name.is_empty() { database.clone() } else { format!("{database}.{name}") }
}

/// A string of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn args(folder: &tempfile::TempDir) -> Args {
        let mut args = Args::default();
        args.set("schema_dir", folder.path().to_str().unwrap());
        args
    }

    #[test]
    fn the_steps_are_one_to_verify_and_one_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("020_b.sql"), "SELECT 1; SELECT 2").unwrap();
        fs::write(folder.path().join("010_a.sql"), "CREATE TABLE {{database}}.t (a Int8) ENGINE = Memory")
            .unwrap();
        let steps = ClickhouseInit.steps(&args(&folder)).unwrap();
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["verify_clickhouse", "apply_010_a.sql", "apply_020_b.sql"]);
        assert!(steps[2].command.ends_with("020_b.sql (statements: 2)"), "{}", steps[2].command);
    }

    #[test]
    fn a_file_that_cannot_be_applied_is_refused_before_anything_is() {
        for (text, why) in
            [("SELECT 'x", "a string"), ("SELECT {{databse}}", "{{databse}}"), ("-- nothing", "no statement")]
        {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.sql"), text).unwrap();
            let error = ClickhouseInit.steps(&args(&folder)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn values_that_would_break_out_of_the_sql_are_refused() {
        for (field, value) in
            [("database", "a; DROP"), ("database", ""), ("kafka_broker", "a'b"), ("kafka_group", "a b")]
        {
            let mut args = Args::default();
            args.set(field, value);
            assert_eq!(ClickhouseInit.check(&args).map_err(|bad| bad.field), Err(field), "{value}");
        }
        assert!(ClickhouseInit.check(&Args::default()).is_ok());
    }

    #[test]
    fn the_schema_of_the_stack_can_be_planned() {
        let mut args = Args::default();
        args.set("schema_dir", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/clickhouse"));
        assert_eq!(ClickhouseInit.steps(&args).unwrap().len(), 8);
    }
}
