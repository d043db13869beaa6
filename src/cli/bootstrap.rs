//! `cutproof bootstrap`: brings an environment up, sets it up, and checks its health; or takes it down. One run of a
//! plan whose gates are the inits and the health check; compose is run by the environment that they are measured in, so
//! that its work is part of the run.

use super::init::{self, How};
use super::{Display, Refusal, compose, flags, print, run, tell};
use crate::exit;
use crate::model::{Args, Phase, Retry, ServiceKind};
use crate::plan::{Plan, Selection};
use crate::process::{Cancel, Worker, signals};
use crate::profile::{GateDraft, Profile, Service};
use crate::rehearsal::provision::{Composition, Provision};
use crate::rehearsal::{Options, Rehearsal};
use crate::service::compose::{Project, UP, Wait};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The evidence's file.
const FILE: &str = "single_host_bootstrap_result.env";

/// The flags of `bootstrap`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    how: How,
    /// What to do
    #[arg(long, value_enum, default_value_t = Action::Up)]
    action: Action,
    /// A compose file: `up` runs compose with it, and services are found by the ports that it publishes; without one,
    /// services run already
    #[arg(long, value_name = "FILE")]
    compose_file: Option<PathBuf>,
    /// The compose project [default: quant-hft-single-host, or quant-hft-prodlike with --profile prodlike]
    #[arg(long)]
    project_name: Option<String>,
    /// The compose project's variables [default: infra/env/prodlike.env]
    #[arg(long, value_name = "FILE")]
    env_file: Option<String>,
    /// The program that runs compose
    #[arg(long, value_name = "PROGRAM", default_value = compose::DOCKER)]
    docker_bin: String,
    /// How long `compose up` or `down` may take, images that are pulled included
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    compose_timeout_sec: u64,
    /// The ClickHouse schema
    #[arg(long, value_name = "DIR", default_value = "infra/clickhouse/init")]
    clickhouse_schema_dir: PathBuf,
    /// The PostgreSQL schema
    #[arg(long, visible_alias = "schema-file", value_name = "PATH", default_value = "infra/timescale/init")]
    schema_dir: PathBuf,
    /// The connector of the trading core
    #[arg(long, value_name = "FILE", default_value = "infra/debezium/connector-trading-core.json")]
    trading_core_connector_file: PathBuf,
    /// The connector of the ops audit
    #[arg(long, value_name = "FILE", default_value = "infra/debezium/connector-ops-audit.json")]
    ops_audit_connector_file: PathBuf,
    /// How long services have to answer once they are up, and then to be healthy
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(..=86_400))]
    health_wait_timeout_sec: u64,
    /// How often that is looked at
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=86_400))]
    health_wait_poll_interval_sec: u64,
    #[command(flatten)]
    recorded: Recorded,
}

/// Paths that are recorded in the evidence as they were given.
#[derive(Debug, clap::Args)]
struct Recorded {
    /// Recorded
    #[arg(long, value_name = "FILE", default_value = "docs/results/prodlike_health_report.md")]
    health_report: String,
    /// Recorded
    #[arg(long, value_name = "FILE", default_value = "docs/results/timescale_schema_init_result.env")]
    schema_evidence: String,
    /// Recorded
    #[arg(long, value_name = "FILE", default_value = "docs/results/kafka_topic_init_result.env")]
    kafka_evidence: String,
    /// Recorded
    #[arg(long, value_name = "FILE", default_value = "docs/results/debezium_connector_init_result.env")]
    debezium_evidence: String,
    /// Recorded
    #[arg(long, value_name = "FILE", default_value = "docs/results/clickhouse_schema_init_result.env")]
    clickhouse_evidence: String,
}

/// What a bootstrap does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Services up, schemas, topics, connectors, health
    Up,
    /// Health only
    Health,
    /// compose down
    Down,
    /// compose ps, those that have ended too
    Ps,
}

/// Does what the flags say.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    if let Some(file) = &arguments.compose_file {
        init::there("compose file", file)?;
    }
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    match arguments.action {
        Action::Down => compose_only(&arguments, &["down"], worker, &cancel),
        Action::Ps => compose_only(&arguments, &["ps", "--all"], worker, &cancel),
        Action::Up | Action::Health => bring_up(&arguments, worker, &cancel),
    }
}

fn bring_up(arguments: &Arguments, worker: Worker, cancel: &Cancel) -> super::Result {
    let profile = flags::named_profile(arguments.how.profile.as_deref())?;
    let composition = composition(arguments)?;
    let services = services(profile.as_ref());
    let services = match composition {
        Some(_) => init::without_defaults(profile.as_ref(), services),
        None => services,
    };
    let gates = gates(arguments, &services)?;
    let environment = profile.map_or_else(|| init::ENVIRONMENT.to_owned(), |profile| profile.environment);
    let profile = Profile::assemble(&environment, services, gates).map_err(Refusal::of)?;
    let plan = Plan::new(&profile, &Selection::default()).map_err(Refusal::of)?;
    let options = Options {
        verb: "bootstrap",
        provision: Provision::Attach,
        compose: composition,
        patience: (arguments.action == Action::Health).then(|| arguments.wait().0),
        endpoints: arguments.how.endpoints.clone(),
        evidence_dir: arguments.how.evidence_dir.clone(),
        parent: flags::parent(),
        exports: exports(arguments),
        dry_run: !arguments.how.execute,
        allow_writes: arguments.how.execute,
        bootstrap: recorded(arguments),
        ..Options::default()
    };
    let display = Arc::new(Display::new());
    let rehearsal = Rehearsal::open(&plan, &options, worker, cancel, display.clone()).map_err(Refusal::of)?;
    rehearsal.runner().all(4);
    let finished = rehearsal.finish().map_err(Refusal::of)?;
    display.finish();
    let to = arguments.how.output_file.clone().unwrap_or_else(|| flags::results().join(FILE));
    for document in finished.documents.iter().filter(|document| document.name.ends_with(".env")) {
        let evidence = match document.name.as_str() {
            FILE => to.clone(),
            name => to.with_file_name(name),
        };
        print(&run::exported(&finished, document, &evidence)?)?;
    }
    run::init_code(&finished)
}

/// Where the files go: the bootstrap's own, and those of the inits beside it.
fn exports(arguments: &Arguments) -> Vec<PathBuf> {
    let to = arguments.how.output_file.iter();
    to.flat_map(|to| [to.clone(), to.with_file_name("")]).collect()
}

/// The services of the single host, as the profile has them or at their compose names.
fn services(profile: Option<&Profile>) -> Vec<Service> {
    let at = |kind, default| init::service(profile, kind, default);
    vec![
        at(ServiceKind::Redis, "redis:6379"),
        at(ServiceKind::Postgres, "localhost:5432"),
        at(ServiceKind::Kafka, "kafka:9092"),
        at(ServiceKind::Connect, "http://localhost:8083"),
        at(ServiceKind::Clickhouse, "http://localhost:8123"),
    ]
}

fn gates(arguments: &Arguments, services: &[Service]) -> super::Result<Vec<GateDraft>> {
    let of = |kinds: &[ServiceKind]| {
        let chosen = services.iter().filter(|service| kinds.contains(&service.kind));
        chosen.map(|service| service.name.as_str()).collect::<Vec<_>>()
    };
    let (wait, every) = arguments.wait();
    let health = draft("health", Args::default())?.uses(init::names(services));
    let health = health.retry(Retry { every, within: wait });
    if arguments.action == Action::Health {
        return Ok(vec![health]);
    }
    let topics: Vec<_> = init::TOPICS.split(',').collect();
    let timescale = args(&[("schema_dir", json!(init::path(&arguments.schema_dir)))]);
    let timescale = match arguments.schema_dir.is_file() {
        true => args(&[("schema_file", json!(init::path(&arguments.schema_dir)))]),
        false => timescale,
    };
    init::there("schema folder", &arguments.schema_dir)?;
    init::there("schema folder", &arguments.clickhouse_schema_dir)?;
    init::there("connector file", &arguments.trading_core_connector_file)?;
    init::there("connector file", &arguments.ops_audit_connector_file)?;
    let connectors = json!([
        { "key": "trading_core", "file": init::path(&arguments.trading_core_connector_file) },
        { "key": "ops_audit", "file": init::path(&arguments.ops_audit_connector_file) },
    ]);
    let clickhouse = args(&[("schema_dir", json!(init::path(&arguments.clickhouse_schema_dir)))]);
    use ServiceKind::{Clickhouse, Connect, Kafka, Postgres};
    Ok(vec![
        draft("timescale_init", timescale)?.uses(of(&[Postgres])),
        draft("kafka_init", args(&[("topics", json!(topics))]))?.uses(of(&[Kafka])),
        draft("debezium_init", args(&[("connectors", connectors)]))?
            .uses(of(&[Connect, Postgres]))
            .needs(["kafka-init", "timescale-init"]),
        draft("clickhouse_init", clickhouse)?.uses(of(&[Clickhouse, Kafka])).needs(["kafka-init"]),
        health.needs(["timescale-init", "kafka-init", "debezium-init", "clickhouse-init"]),
    ])
}

fn draft(probe: &str, with: Args) -> super::Result<GateDraft> {
    let found = crate::probe::find(probe)
        .ok_or_else(|| Refusal(format!("the probe {probe} is not part of this cutproof")))?;
    let draft = GateDraft::new(&probe.replace('_', "-"), Phase::Infra, found, &with).map_err(Refusal)?;
    Ok(draft.timeout(init::DEADLINE))
}

fn args(values: &[(&str, serde_json::Value)]) -> Args {
    let mut args = Args::default();
    for (name, value) in values {
        args.set(name, value.clone());
    }
    args
}

/// Settings for the evidence.
fn recorded(arguments: &Arguments) -> Args {
    let paths = &arguments.recorded;
    let profile = arguments.how.profile.clone().unwrap_or_else(|| "single-host".to_owned());
    let mut args = args(&[
        ("profile", json!(profile)),
        ("action", json!(if arguments.action == Action::Up { "up" } else { "health" })),
        ("compose_file", json!(init::path(&compose_file(arguments)))),
        ("project_name", json!(name(arguments))),
        ("env_file", json!(arguments.env_file.as_deref().unwrap_or(compose::ENV_FILE))),
        ("health_report", json!(paths.health_report)),
        ("timescale_schema_evidence", json!(paths.schema_evidence)),
        ("kafka_topic_evidence", json!(paths.kafka_evidence)),
        ("debezium_evidence", json!(paths.debezium_evidence)),
        ("clickhouse_schema_evidence", json!(paths.clickhouse_evidence)),
        ("health_wait_timeout_sec", json!(arguments.health_wait_timeout_sec)),
        ("health_wait_poll_interval_sec", json!(arguments.health_wait_poll_interval_sec)),
    ]);
    if arguments.action == Action::Up && arguments.compose_file.is_some() {
        args.set("compose_up_command", project(arguments).line(&UP));
    }
    args
}

fn prodlike(arguments: &Arguments) -> bool {
    arguments.how.profile.as_deref() == Some("prodlike")
}

fn name(arguments: &Arguments) -> String {
    let name = if prodlike(arguments) { "quant-hft-prodlike" } else { compose::PROJECT };
    arguments.project_name.clone().unwrap_or_else(|| name.to_owned())
}

fn compose_file(arguments: &Arguments) -> PathBuf {
    let name = if prodlike(arguments) { "prodlike" } else { "single-host" };
    let default = || PathBuf::from(format!("infra/docker-compose.{name}.yaml"));
    arguments.compose_file.clone().unwrap_or_else(default)
}

fn project(arguments: &Arguments) -> Project {
    Project {
        docker: arguments.docker_bin.clone(),
        file: compose_file(arguments),
        name: name(arguments),
        env_file: compose::variables(arguments.env_file.as_deref()),
    }
}

/// The compose project, where one is named and something is done.
fn composition(arguments: &Arguments) -> super::Result<Option<Composition>> {
    if arguments.compose_file.is_none() || !arguments.how.execute {
        return Ok(None);
    }
    let project = checked(arguments)?;
    let (patience, every) = arguments.wait();
    let up = (arguments.action == Action::Up).then(|| arguments.limit());
    Ok(Some(Composition { project, wait: Wait { up, patience, every } }))
}

/// The project, whose files are there.
fn checked(arguments: &Arguments) -> super::Result<Project> {
    let Project { docker, file, name, env_file } = project(arguments);
    compose::project(&docker, &file, &name, env_file.as_deref())
}

impl Arguments {
    /// How long services are waited for, and how often they are looked at.
    fn wait(&self) -> (Duration, Duration) {
        let wait = Duration::from_secs(self.health_wait_timeout_sec.max(1));
        let every = Duration::from_secs(self.health_wait_poll_interval_sec.max(1));
        (wait, every.min(wait))
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.compose_timeout_sec)
    }
}

/// `down` and `ps`: compose alone, and what it said.
fn compose_only(arguments: &Arguments, words: &[&str], worker: Worker, cancel: &Cancel) -> super::Result {
    if !arguments.how.execute {
        print(&format!("dry run, nothing was done: {}\n", project(arguments).line(words)))?;
        return Ok(exit::OK);
    }
    let project = checked(arguments)?;
    let said = project.run(words, arguments.limit(), &worker, cancel).map_err(Refusal::of)?;
    tell(&said.stderr);
    print(&said.stdout)?;
    Ok(exit::OK)
}
