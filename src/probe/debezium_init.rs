//! `debezium_init`: puts connectors in place and verifies that they run, in steps. Run twice it gives the same
//! state and says what was there already.
//!
//! A connector file is JSON, either `{"name": …, "config": {…}}` or the configuration alone. Its texts may hold
//! `{{postgres.host}}`, `{{postgres.port}}`, `{{postgres.user}}`, `{{postgres.password}}` and
//! `{{postgres.database}}`, of the PostgreSQL among the gate's services as Connect sees it, and `{{env.NAME}}`, a
//! variable of this process. Connect's own `${env:NAME}` and `${file:…}` are left to Connect. Values reach the
//! worker only: neither they nor the configuration are told to anyone else.
//!
//! Connect keeps telling the state of the tasks of the configuration before until they are replaced. So a
//! connector whose configuration changes is stopped first, and what runs then is what was asked for.

use super::client::connect::{Config, Connect, Status, cause, excerpt};
use super::placeholder::fill;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::redact::names_a_secret;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The probe.
pub struct DebeziumInit;

const CONNECTOR: &[Field] = &[
    Field::required("key", FieldKind::Text, "Its name in steps: `trading_core` is apply_trading_core."),
    Field::required("file", FieldKind::Text, "Its file."),
];

const FIELDS: &[Field] = &[
    Field::required("connectors", FieldKind::Tables(CONNECTOR), "The connectors, in their order."),
    Field::with_default(
        "connect_timeout",
        FieldKind::Duration,
        "\"5s\"",
        "How long Kafka Connect has to answer for the first time.",
    ),
    Field::with_default(
        "operation_timeout",
        FieldKind::Duration,
        "\"60s\"",
        "How long each connector may take to be applied, and then to run.",
    ),
];

/// Where `connect_timeout` does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two looks at a connector's state.
const AGAIN: Duration = Duration::from_millis(50);

/// The longest file that is read.
const LONGEST_FILE: u64 = 1 << 20;

impl Probe for DebeziumInit {
    fn name(&self) -> &'static str {
        "debezium_init"
    }

    fn about(&self) -> &'static str {
        "Puts Kafka Connect connectors in place from their files, and verifies that they run with all their tasks."
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Connect]
    }

    fn may_use(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Postgres]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn writes(&self) -> bool {
        true
    }

    fn metrics(&self, _: &Args) -> Vec<Metric> {
        let count = |name, about| Metric::number(name, Unit::Count, about);
        vec![
            Metric::bool("success", "Whether every connector is in place and runs with all its tasks."),
            count("connectors_created", "Connectors that are new."),
            count("connectors_updated", "Connectors whose configuration was another."),
            count("connectors_unchanged", "Connectors that were in place already."),
            Metric::text("failed_step", "The step that failed, and nothing where none did."),
        ]
    }

    fn expect(&self, _: &Args) -> String {
        "success == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        let bad = |message: String| BadArgs { field: "connectors", message };
        let connectors = args.tables("connectors");
        if connectors.is_empty() {
            return Err(bad("expected at least one connector".to_owned()));
        }
        for (index, connector) in connectors.iter().enumerate() {
            let key = connector.text("key").unwrap_or_default();
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if key.is_empty() || !key.chars().all(allowed) {
                return Err(bad(format!("`{key}` is no key: expected letters, digits, `_`, `-` or `.`")));
            }
            if connectors[..index].iter().any(|other| other.text("key") == Some(key)) {
                return Err(bad(format!("the key `{key}` stands there twice")));
            }
        }
        Ok(())
    }

    fn steps(&self, args: &Args) -> Result<Vec<PlannedStep>, String> {
        let mut steps = Vec::new();
        for plan in plans(args)? {
            let Plan { key, file, name, .. } = plan;
            steps.push(PlannedStep {
                name: format!("apply_{key}"),
                command: format!("PUT /connectors/{name}/config from {file}"),
            });
            steps.push(PlannedStep {
                name: format!("verify_{key}"),
                command: format!("GET /connectors/{name}/status: expect RUNNING with all tasks"),
            });
        }
        Ok(steps)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let plans = plans(args).map_err(ProbeError)?;
        let steps = self.steps(args).map_err(ProbeError)?;
        let endpoint = context.endpoint(ServiceKind::Connect)?;
        let mut init = Init {
            context,
            connect: Connect::new(context, endpoint, context.deadline),
            connect_timeout: args.duration("connect_timeout").unwrap_or(CONNECT_TIMEOUT),
            operation_timeout: args.duration("operation_timeout").unwrap_or(Duration::from_secs(60)),
            reached: false,
            applied: Vec::new(),
            report: Vec::new(),
            facts: Args::default(),
        };
        let failed_step = init.run(&plans, &steps);
        Ok(init.measurement(&failed_step))
    }
}

/// A connector as its file has it, placeholders and all.
#[derive(Debug)]
struct Plan {
    key: String,
    file: String,
    name: String,
    config: Config,
}

/// Reads the connector files.
///
/// # Errors
/// A file that is not there, or holds no connector: its path and what is wrong.
fn plans(args: &Args) -> Result<Vec<Plan>, String> {
    let connectors = args.tables("connectors");
    let plan = |connector: &Args| {
        let (key, file) =
            (connector.text("key").unwrap_or_default(), connector.text("file").unwrap_or_default());
        let (name, config) =
            parse(&read(file)?, key).map_err(|why| format!("connector file {file}: {why}"))?;
        Ok(Plan { key: key.to_owned(), file: file.to_owned(), name, config })
    };
    let plans: Vec<Plan> = connectors.iter().map(plan).collect::<Result<_, String>>()?;
    for (index, plan) in plans.iter().enumerate() {
        if let Some(other) = plans[..index].iter().find(|other| other.name == plan.name) {
            let (name, file) = (&plan.name, &plan.file);
            return Err(format!("connector file {file}: {} names its connector {name} too", other.file));
        }
    }
    Ok(plans)
}

fn read(file: &str) -> Result<String, String> {
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("connector file not found: {file}"));
        }
        Err(error) => return Err(format!("connector file {file}: {error}")),
        Ok(found) if !found.is_file() => return Err(format!("connector file {file} is no file")),
        Ok(found) if found.len() > LONGEST_FILE => {
            return Err(format!("connector file {file} has {} bytes, expected at most 1 MiB", found.len()));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(file).map_err(|error| format!("connector file {file}: {error}"))
}

/// A connector's name and configuration; without a name it is called as its key.
fn parse(text: &str, key: &str) -> Result<(String, Config), String> {
    let body: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        format!("expected JSON, and at line {} column {}: {error}", error.line(), error.column())
    })?;
    let Value::Object(mut body) = body else { return Err("expected a JSON object".to_owned()) };
    let name = |of: &Config| of.get("name").and_then(Value::as_str).map(str::to_owned);
    let (named, mut config) = match body.remove("config") {
        Some(Value::Object(config)) => (name(&body).or_else(|| name(&config)), config),
        Some(_) => return Err("expected `config` to be an object".to_owned()),
        None => (name(&body), body),
    };
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| key.to_owned());
    config.insert("name".to_owned(), Value::String(name.clone()));
    if !config.contains_key("connector.class") {
        return Err("expected `connector.class` in its configuration".to_owned());
    }
    if let Some((entry, value)) = config.iter().find(|(_, value)| value.is_object() || value.is_array()) {
        return Err(format!("expected a text, number or truth for `{entry}`, and got {value}"));
    }
    Ok((name, config))
}

/// The configuration with values for its placeholders. Those that are secrets, the context's redactor knows from
/// here on.
fn resolve(config: &Config, context: &Context<'_>) -> Result<Config, String> {
    let postgres = context.endpoint(ServiceKind::Postgres).ok();
    let mut resolved = Config::new();
    for (entry, value) in config {
        let mut secret = names_a_secret(entry);
        let text = match value {
            Value::String(text) => fill(text, &mut |name| {
                secret |= names_a_secret(name);
                lookup(name, postgres)
            })
            .map_err(|why| format!("`{entry}`: {why}"))?,
            // Connect takes texts only, and gives them back as texts.
            other => other.to_string(),
        };
        if secret && !text.starts_with("${") {
            context.redactor.add(&text);
        }
        resolved.insert(entry.clone(), Value::String(text));
    }
    Ok(resolved)
}

fn lookup(name: &str, postgres: Option<&Endpoint>) -> Result<String, String> {
    if let Some(variable) = name.strip_prefix("env.") {
        return std::env::var(variable)
            .map_err(|_| format!("`{{{{{name}}}}}` has no value: the variable {variable} is not set"));
    }
    let Some(part) = name.strip_prefix("postgres.") else {
        return Err(format!(
            "`{{{{{name}}}}}` is not known here: expected {{{{postgres.host}}}}, .port, .user, .password or .database, \
             or {{{{env.NAME}}}}"
        ));
    };
    let Some(postgres) = postgres else {
        return Err(format!("`{{{{{name}}}}}` has no value: the gate uses no service of kind postgres"));
    };
    let (host, port) = postgres.inside().rsplit_once(':').unwrap_or((postgres.inside(), "5432"));
    match part {
        "host" => Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned()),
        "port" => Ok(port.to_owned()),
        "user" => Ok(postgres.user.clone().unwrap_or_else(|| "postgres".to_owned())),
        // A server that asks for none takes any; Debezium wants one to be there.
        "password" => Ok(postgres.password.as_ref().map_or("none", |password| password.reveal()).to_owned()),
        "database" => Ok(postgres.database.clone().unwrap_or_else(|| "postgres".to_owned())),
        _ => Err(format!(
            "`{{{{{name}}}}}` is not known here: expected host, port, user, password or database"
        )),
    }
}

/// What became of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Created,
    Updated,
    Unchanged,
}

/// An initialisation as far as it came.
struct Init<'a> {
    context: &'a Context<'a>,
    connect: Connect<'a>,
    connect_timeout: Duration,
    operation_timeout: Duration,
    /// Whether the worker has answered.
    reached: bool,
    applied: Vec<Applied>,
    /// What each step found.
    report: Vec<String>,
    facts: Args,
}

impl Init<'_> {
    /// Runs the steps, two a connector, until one fails; gives its name.
    fn run(&mut self, plans: &[Plan], planned: &[PlannedStep]) -> String {
        let steps = self.context.steps;
        for (plan, pair) in plans.iter().zip(planned.chunks(2)) {
            for (step, verifies) in pair.iter().zip([false, true]) {
                let mut work = || if verifies { self.verify(plan) } else { self.apply(plan) };
                match steps.step(step, &mut work) {
                    Ok(found) => self.report.push(found),
                    Err(why) => {
                        self.report.push(why);
                        return step.name.clone();
                    }
                }
            }
        }
        String::new()
    }

    /// The deadline of what begins now.
    fn until(&self, most: Duration) -> Instant {
        self.context.deadline.min(Instant::now() + most)
    }

    fn plain(&self, error: ProbeError) -> String {
        self.context.redactor.text(&error.0).into_owned()
    }

    fn apply(&mut self, plan: &Plan) -> Result<String, String> {
        let config = resolve(&plan.config, self.context)
            .map_err(|why| format!("connector file {}: {}", plan.file, self.context.redactor.text(&why)))?;
        if !self.reached {
            let connect = self.connect.until(self.until(self.connect_timeout));
            connect.version().map_err(|error| self.plain(error))?;
            self.reached = true;
        }
        let applied = self.put(&plan.name, &config).map_err(|error| self.plain(error))?;
        self.applied.push(applied.0);
        Ok(format!("{} {}", plan.name, applied.1))
    }

    /// Brings a connector to this configuration, and lets it run.
    fn put(&self, name: &str, config: &Config) -> Result<(Applied, &'static str), ProbeError> {
        let connect = self.connect.until(self.until(self.operation_timeout));
        let Some(before) = connect.config(name)? else {
            connect.configure(name, config)?;
            return Ok((Applied::Created, "created"));
        };
        if before == *config {
            let state = connect.status(name)?.map(|status| status.state);
            if matches!(state.as_deref(), Some("PAUSED" | "STOPPED")) {
                connect.ask(name, "resume")?;
                return Ok((
                    Applied::Unchanged,
                    "already exists with this configuration; it was paused and is resumed",
                ));
            }
            return Ok((Applied::Unchanged, "already exists with this configuration"));
        }
        connect.ask(name, "stop")?;
        self.await_stop(&connect, name)?;
        connect.configure(name, config)?;
        connect.ask(name, "resume")?;
        Ok((Applied::Updated, "already exists with another configuration; updated"))
    }

    fn await_stop(&self, connect: &Connect<'_>, name: &str) -> Result<(), ProbeError> {
        let until = self.until(self.operation_timeout);
        loop {
            let status = connect.status(name)?;
            let state = match &status {
                Some(status) if status.state == "STOPPED" && status.tasks.is_empty() => return Ok(()),
                Some(status) => status.describe(),
                None => "no connector".to_owned(),
            };
            if Instant::now() >= until || self.context.cancel.pause(AGAIN) {
                let at = connect.at();
                return Err(ProbeError(format!(
                    "{at}: expected {name} to stop, to be given its new configuration, and got {state}"
                )));
            }
        }
    }

    /// Looks at a connector until it runs with all its tasks, or something of it failed.
    fn verify(&mut self, plan: &Plan) -> Result<String, String> {
        let until = self.until(self.operation_timeout);
        let (connect, name) = (self.connect.until(until), plan.name.as_str());
        let mut seen = "no state".to_owned();
        loop {
            // A state that could not be read because time was up tells less than the one before.
            match connect.status(name) {
                Ok(Some(status)) if status.runs() => return Ok(format!("{name}: {}", status.describe())),
                Ok(Some(status)) if status.failed() => return Err(self.failed(plan, &status)),
                Ok(Some(status)) => seen = status.describe(),
                // The status appears a moment after the connector.
                Ok(None) => {}
                Err(error) if Instant::now() < until => return Err(self.plain(error)),
                Err(_) => {}
            }
            if Instant::now() >= until || self.context.cancel.pause(AGAIN) {
                let at = connect.at();
                return Err(format!(
                    "{at}: expected {name} to run with all its tasks, and got {seen} in time"
                ));
            }
        }
    }

    fn failed(&mut self, plan: &Plan, status: &Status) -> String {
        let Plan { key, name, .. } = plan;
        for (who, trace) in status.traces() {
            self.facts.set(&format!("{key} {who} trace"), excerpt(trace, self.context));
        }
        let why = status.traces().map(|(_, trace)| cause(trace)).find(|why| !why.is_empty());
        let why = self.context.redactor.text(why.unwrap_or("it gives no trace")).into_owned();
        format!(
            "{name}: {}: {why}; once that is mended: POST /connectors/{name}/restart?includeTasks=true&onlyFailed=true",
            status.describe()
        )
    }

    fn measurement(mut self, failed_step: &str) -> Measurement {
        let see = |name: &str, reading| self.context.observed(name, reading, self.connect.at());
        let count = |wanted| {
            let number = self.applied.iter().filter(|applied| **applied == wanted).count();
            Reading::number(number as f64, Unit::Count)
        };
        let observations = vec![
            see("success", Reading::bool(failed_step.is_empty())),
            see("connectors_created", count(Applied::Created)),
            see("connectors_updated", count(Applied::Updated)),
            see("connectors_unchanged", count(Applied::Unchanged)),
            see("failed_step", Reading::text(failed_step)),
        ];
        self.facts.set("steps", self.report);
        Measurement { observations, facts: self.facts, excerpt: String::new() }
    }
}
