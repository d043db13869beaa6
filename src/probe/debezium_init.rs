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
//! connector whose configuration changes is stopped first, and what runs then is what was asked for. And a task is
//! told to run before it reads: where the gate uses the PostgreSQL too, a connector of it runs only once its
//! replication slot is read from.

mod file;

use self::file::{Plan, plans, resolve};
use super::client::connect::{Config, Connect, Status, cause, excerpt};
use super::client::init::{self, Work};
use super::client::postgres;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The probe.
pub struct DebeziumInit;

const CONNECTOR: &[Field] = &[
    Field::required("key", FieldKind::Text, "its name in steps: `trading_core` is apply_trading_core"),
    Field::required("file", FieldKind::Text, "its file"),
];

const FIELDS: &[Field] = &[
    Field::required("connectors", FieldKind::Tables(CONNECTOR), "the connectors, in their order"),
    init::CONNECT_TIMEOUT,
    Field::with_default(
        "operation_timeout",
        FieldKind::Duration,
        "\"60s\"",
        "how long each connector may take to be applied, and then to run",
    ),
    Field::optional("connect_url", FieldKind::Text, "Recorded in the evidence."),
];

/// The fields' defaults.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause between two looks at a connector's state.
const AGAIN: Duration = Duration::from_millis(50);

impl Probe for DebeziumInit {
    fn name(&self) -> &'static str {
        "debezium_init"
    }

    fn about(&self) -> &'static str {
        "puts Kafka Connect connectors in place from their files, and verifies that they run with all their tasks"
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
            Metric::bool("success", "whether every connector is in place and runs with all its tasks"),
            count("connectors_created", "Connectors that are new"),
            count("connectors_updated", "Connectors whose configuration was another"),
            count("connectors_unchanged", "Connectors that were in place already"),
            Metric::text("failed_step", "the step that failed, and nothing where none did"),
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
        self.check(args).map_err(|bad| ProbeError(bad.message))?;
        let endpoint = context.endpoint(ServiceKind::Connect)?;
        let mut work = Init {
            context,
            connect: Connect::new(context, endpoint, context.deadline),
            connect_timeout: args.duration("connect_timeout").unwrap_or(CONNECT_TIMEOUT),
            operation_timeout: args.duration("operation_timeout").unwrap_or(OPERATION_TIMEOUT),
            plans: plans(args).map_err(ProbeError)?,
            reached: false,
            applied: Vec::new(),
            facts: Args::default(),
        };
        let steps = self.steps(args).map_err(ProbeError)?;
        let (failed_step, said) = init::run(context, &steps, &mut work);
        Ok(work.measurement(&failed_step, said))
    }
}

/// The replication slot by which a connector reads its PostgreSQL.
struct Slot<'a> {
    postgres: &'a Endpoint,
    name: &'a str,
}

impl<'a> Slot<'a> {
    /// None where the connector is of another kind, or its database is not among the gate's services.
    fn of(plan: &'a Plan, context: &'a Context<'_>) -> Option<Slot<'a>> {
        let entry = |name: &str| plan.config.get(name).and_then(Value::as_str);
        let ours = entry("database.hostname").is_some_and(|host| host.contains("postgres.host"));
        let class = entry("connector.class").unwrap_or_default();
        if !ours || class != "io.debezium.connector.postgresql.PostgresConnector" {
            return None;
        }
        let postgres = context.endpoint(ServiceKind::Postgres).ok()?;
        Some(Slot { postgres, name: entry("slot.name").unwrap_or("debezium") })
    }

    /// Whether somebody reads from it.
    fn active(&self, until: Instant) -> Result<bool, ProbeError> {
        let mut client = postgres::connect(self.postgres, until.saturating_duration_since(Instant::now()))?;
        let at = format!("PostgreSQL at {}", self.postgres.address);
        let sql = "SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active";
        let rows = client.query(sql, &[&self.name]).map_err(|error| postgres::failure(&error, &at, until))?;
        Ok(!rows.is_empty())
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
    plans: Vec<Plan>,
    /// Whether the worker has answered.
    reached: bool,
    applied: Vec<Applied>,
    facts: Args,
}

impl Work for Init<'_> {
    fn step(&mut self, planned: &PlannedStep) -> Result<String, String> {
        let named = |plan: &&Plan| planned.name.split_once('_').is_some_and(|(_, key)| key == plan.key);
        let Some(plan) = self.plans.iter().find(named).cloned() else {
            return Err(format!("no connector has the step {}", planned.name));
        };
        match planned.name.starts_with("apply_") {
            true => self.apply(&plan),
            false => self.verify(&plan),
        }
    }
}

impl Init<'_> {
    /// The deadline of what begins now.
    fn until(&self, most: Duration) -> Instant {
        self.context.deadline.min(Instant::now() + most)
    }

    /// Why nothing is waited for any more.
    fn why_no_longer(&self) -> &'static str {
        if self.context.cancel.is_cancelled() { "until told to stop" } else { "in time" }
    }

    fn apply(&mut self, plan: &Plan) -> Result<String, String> {
        let config = resolve(&plan.config, self.context)
            .map_err(|why| format!("connector file {}: {why}", plan.file))?;
        if !self.reached {
            self.connect.until(self.until(self.connect_timeout)).version().map_err(|error| error.0)?;
            self.reached = true;
        }
        let (applied, words) = self.put(&plan.name, &config).map_err(|error| error.0)?;
        self.applied.push(applied);
        Ok(format!("{} {words}", plan.name))
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
                let (at, why) = (connect.at(), self.why_no_longer());
                return Err(ProbeError(format!(
                    "{at}: expected {name} to stop, to be given its new configuration, and got {state} {why}"
                )));
            }
        }
    }

    /// Looks at a connector until it runs with all its tasks, or something of it failed.
    fn verify(&mut self, plan: &Plan) -> Result<String, String> {
        let until = self.until(self.operation_timeout);
        let (connect, name) = (self.connect.until(until), plan.name.as_str());
        let slot = Slot::of(plan, self.context);
        let mut seen = "no state".to_owned();
        loop {
            // A state that could not be read because time was up tells less than the one before.
            match connect.status(name) {
                Ok(Some(status)) if status.failed() => return Err(self.failed(plan, &status)),
                Ok(Some(status)) if status.runs() => match slot.as_ref().map(|slot| slot.active(until)) {
                    None | Some(Ok(true)) => return Ok(format!("{name}: {}", status.describe())),
                    Some(Ok(false)) => seen = format!("{}, and its slot not read", status.describe()),
                    Some(Err(error)) => return Err(error.0),
                },
                Ok(Some(status)) => seen = status.describe(),
                // The status appears a moment after the connector.
                Ok(None) => {}
                Err(error) if Instant::now() < until => return Err(error.0),
                Err(_) => {}
            }
            if Instant::now() >= until || self.context.cancel.pause(AGAIN) {
                let (at, why) = (connect.at(), self.why_no_longer());
                return Err(format!("{at}: expected {name} to run with all its tasks, and got {seen} {why}"));
            }
        }
    }

    fn failed(&mut self, plan: &Plan, status: &Status) -> String {
        let Plan { key, name, .. } = plan;
        for (who, trace) in status.traces() {
            self.facts.set(&format!("{key}_{who}_trace"), excerpt(trace, self.context));
        }
        let why = status.traces().map(|(_, trace)| cause(trace)).find(|why| !why.is_empty());
        let why = why.unwrap_or("it gives no trace");
        format!(
            "{name}: {}: {why}; once that is mended: POST /connectors/{name}/restart?includeTasks=true&onlyFailed=true",
            status.describe()
        )
    }

    fn measurement(mut self, failed_step: &str, said: Vec<String>) -> Measurement {
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
        self.facts.set("steps", said);
        Measurement { observations, facts: self.facts, excerpt: String::new() }
    }
}
