//! `cutproof init`: topics, schemas and connectors. Each is a run of a plan with one gate, so it has a journal, a
//! deadline and evidence like everything else; its `.env` file is copied to the runbook's path.

use super::compose::{self, ComposeFlags};
use super::flags;
use super::{Display, Refusal, print, run};
use crate::model::{Args, Phase, ServiceKind};
use crate::plan::{Plan, Selection};
use crate::process::{Cancel, Worker, signals};
use crate::profile::{GateDraft, Profile, Service};
use crate::rehearsal::provision::{Composition, Provision};
use crate::rehearsal::{Options, Rehearsal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The topics of the stack.
pub const TOPICS: &str = "market.ticks.v1,quant_hft_pg.trading_core.orders,quant_hft_pg.trading_core.trades,\
                          quant_hft_pg.trading_core.position_detail,quant_hft_pg.trading_core.account_funds,\
                          quant_hft_pg.trading_core.risk_events";

/// The deadline of a whole init; single steps have their own.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The environment's name where no profile says another.
pub const ENVIRONMENT: &str = "single-host-ubuntu";

/// The verbs below `init`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Create Kafka topics, and verify them
    Kafka(KafkaArguments),
    /// Apply the ClickHouse schema
    Clickhouse(ClickhouseArguments),
    /// Apply the PostgreSQL schema, with TimescaleDB where it is there
    Timescale(TimescaleArguments),
    /// Register the Debezium connectors, and wait until they run
    Debezium(DebeziumArguments),
}

/// What all inits take.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The compose file; recorded in the evidence, and services that nobody else says the address of are found in it
    #[arg(long, value_name = "FILE")]
    pub compose_file: Option<PathBuf>,
    /// The compose project; recorded
    #[arg(long, default_value = compose::PROJECT)]
    pub project_name: String,
    /// The compose project's variables; recorded [default: infra/env/prodlike.env]
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<String>,
    /// The program that runs compose
    #[arg(long, value_name = "PROGRAM", default_value = compose::DOCKER)]
    pub docker_bin: String,
    #[command(flatten)]
    pub how: How,
}

/// How an init is run, and where its evidence goes.
#[derive(Debug, Clone, clap::Args)]
pub struct How {
    /// A profile that says where the services are: a path, or the NAME of gates/NAME.toml
    #[arg(long, value_name = "FILE")]
    pub profile: Option<String>,
    /// The evidence file [default: its name under docs/results]
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Where the run's own folder goes
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    pub evidence_dir: PathBuf,
    /// Where a service is, for this run: NAME=ADDRESS (or the variable CUTPROOF_ENDPOINT_NAME)
    #[arg(long = "endpoint", value_name = "NAME=ADDRESS", value_parser = flags::endpoint)]
    pub endpoints: Vec<(String, String)>,
    /// Do it; without this, nothing is touched
    #[arg(long, conflicts_with = "dry_run")]
    pub execute: bool,
    /// Touch nothing (the default)
    #[arg(long)]
    pub dry_run: bool,
}

/// The flags of `init kafka`.
#[derive(Debug, clap::Args)]
pub struct KafkaArguments {
    #[command(flatten)]
    common: Common,
    /// The brokers [default: the profile's, else kafka:9092]
    #[arg(long, value_name = "HOST:PORT")]
    kafka_bootstrap_server: Option<String>,
    /// The topics, with commas
    #[arg(long, value_name = "CSV", default_value = TOPICS)]
    kafka_topics: String,
    /// One topic instead of the list
    #[arg(long, value_name = "TOPIC")]
    kafka_topic: Option<String>,
    /// Partitions of each topic
    #[arg(long, default_value_t = 6)]
    kafka_partitions: i64,
    /// Replicas of each partition
    #[arg(long, default_value_t = 1)]
    kafka_replication_factor: i64,
    /// The compose service; recorded
    #[arg(long, default_value = "kafka")]
    kafka_service: String,
}

/// The flags of `init clickhouse`.
#[derive(Debug, clap::Args)]
pub struct ClickhouseArguments {
    #[command(flatten)]
    common: Common,
    /// The folder with the *.sql files, applied in the order of their names
    #[arg(
        long,
        visible_alias = "clickhouse-schema-dir",
        value_name = "DIR",
        default_value = "infra/clickhouse/init"
    )]
    schema_dir: PathBuf,
    /// The database
    #[arg(long, default_value = "quant_hft")]
    clickhouse_db: String,
    /// The compose service; recorded
    #[arg(long, default_value = "clickhouse")]
    clickhouse_service: String,
}

/// The flags of `init timescale`.
#[derive(Debug, clap::Args)]
pub struct TimescaleArguments {
    #[command(flatten)]
    common: Common,
    /// The folder with the *.sql files
    #[arg(long, value_name = "DIR", default_value = "infra/timescale/init", conflicts_with = "schema_file")]
    schema_dir: PathBuf,
    /// One file instead of the folder
    #[arg(long, value_name = "FILE")]
    schema_file: Option<PathBuf>,
    /// The database
    #[arg(long, default_value = "quant_hft")]
    timescale_db: String,
    /// The user
    #[arg(long)]
    timescale_user: Option<String>,
    /// How many tables must be there afterwards
    #[arg(long, value_name = "N")]
    expected_table_count: Option<i64>,
    /// The compose service; recorded
    #[arg(long, default_value = "timescale")]
    timescale_service: String,
}

/// The flags of `init debezium`.
#[derive(Debug, clap::Args)]
pub struct DebeziumArguments {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    compose: ComposeFlags,
    /// Kafka Connect's REST interface [default: the profile's, else http://localhost:8083]
    #[arg(long, visible_alias = "debezium-connect-url", value_name = "URL")]
    connect_url: Option<String>,
    /// The connector of the trading core
    #[arg(long, value_name = "FILE", default_value = "infra/debezium/connector-trading-core.json")]
    trading_core_connector_file: PathBuf,
    /// The connector of the ops audit
    #[arg(long, value_name = "FILE", default_value = "infra/debezium/connector-ops-audit.json")]
    ops_audit_connector_file: PathBuf,
    /// Recorded
    #[arg(long, hide = true)]
    curl_bin: Option<String>,
}

/// One init: its probe, its settings, and the services that it needs.
pub struct Init {
    /// The probe, which is also the gate's name.
    pub probe: &'static str,
    /// The verb of the run.
    pub verb: &'static str,
    /// The evidence's file.
    pub file: &'static str,
    /// The probe's settings.
    pub with: Args,
    /// The services.
    pub services: Vec<Service>,
    /// Endpoints that flags gave.
    pub given: Vec<(String, String)>,
    /// The compose project that the services are found in, where they are.
    pub compose: Option<Composition>,
}

/// Does what the verb says.
pub fn run(verb: Verb, worker: Worker) -> super::Result {
    let (init, how) = match verb {
        Verb::Kafka(arguments) => kafka(arguments)?,
        Verb::Clickhouse(arguments) => clickhouse(arguments)?,
        Verb::Timescale(arguments) => timescale(arguments)?,
        Verb::Debezium(arguments) => debezium(arguments)?,
    };
    let services = match init.compose {
        Some(_) => without_defaults(profile(&how)?.as_ref(), init.services),
        None => init.services,
    };
    let probe = crate::probe::find(init.probe)
        .ok_or_else(|| Refusal(format!("the probe {} is not part of this cutproof", init.probe)))?;
    let id = init.probe.replace('_', "-");
    let gate = GateDraft::new(&id, Phase::Infra, probe, &init.with)
        .map_err(Refusal)?
        .uses(names(&services))
        .timeout(DEADLINE);
    let profile = Profile::assemble(&environment(&how)?, services, vec![gate]).map_err(Refusal::of)?;
    let plan = Plan::new(&profile, &Selection::default()).map_err(Refusal::of)?;
    let options = Options {
        verb: init.verb,
        provision: Provision::Attach,
        endpoints: how.endpoints.iter().cloned().chain(init.given).collect(),
        compose: init.compose,
        evidence_dir: how.evidence_dir.clone(),
        parent: flags::parent(),
        exports: how.output_file.iter().cloned().collect(),
        dry_run: !how.execute,
        allow_writes: how.execute,
        bootstrap: Args::default(),
        ..Options::default()
    };
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let display = Arc::new(Display::new());
    let rehearsal =
        Rehearsal::open(&plan, &options, worker, &cancel, display.clone()).map_err(Refusal::of)?;
    rehearsal.runner().all(1);
    let finished = rehearsal.finish().map_err(Refusal::of)?;
    display.finish();
    let to = how.output_file.unwrap_or_else(|| flags::results().join(init.file));
    let document = finished.documents.iter().find(|document| document.name == init.file);
    let document = document.ok_or_else(|| Refusal(format!("the run gave no {}", init.file)))?;
    print(&run::exported(&finished, document, &to)?)?;
    run::init_code(&finished)
}

/// The names of services.
pub fn names(services: &[Service]) -> Vec<&str> {
    services.iter().map(|service| service.name.as_str()).collect()
}

/// The environment's name.
fn environment(how: &How) -> super::Result<String> {
    Ok(profile(how)?.map_or_else(|| ENVIRONMENT.to_owned(), |profile| profile.environment))
}

/// The profile that says where services are, where one is named and there.
fn profile(how: &How) -> super::Result<Option<Profile>> {
    flags::named_profile(how.profile.as_deref())
}

/// A service of this kind: as the profile has it, else at its default.
pub fn service(profile: Option<&Profile>, kind: ServiceKind, default: &str) -> Service {
    let known = profile.and_then(|profile| profile.services.iter().find(|service| service.kind == kind));
    let mut service = known.cloned().unwrap_or_else(|| Service::new(kind.as_str(), kind, None));
    service.endpoint = service.endpoint.or_else(|| Some(default.to_owned()));
    service.needs = Vec::new();
    service
}

/// Services without their defaults: where a compose project was named, nothing else is guessed. What is recorded in
/// evidence stays as it was.
pub fn without_defaults(profile: Option<&Profile>, services: Vec<Service>) -> Vec<Service> {
    let known = |name: &str| profile?.services.iter().find(|service| service.name == name)?.endpoint.clone();
    services.into_iter().map(|service| Service { endpoint: known(&service.name), ..service }).collect()
}

fn kafka(arguments: KafkaArguments) -> super::Result<(Init, How)> {
    let mut with = common(&arguments.common)?;
    let compose = arguments.common.composition()?;
    let how = arguments.common.how;
    let topics = arguments.kafka_topic.unwrap_or(arguments.kafka_topics);
    let topics: Vec<_> = topics.split(',').map(str::trim).filter(|topic| !topic.is_empty()).collect();
    let kafka = service(profile(&how)?.as_ref(), ServiceKind::Kafka, "kafka:9092");
    let given = arguments.kafka_bootstrap_server.map(|server| (kafka.name.clone(), server));
    let server = given.as_ref().map(|(_, server)| server.clone()).or_else(|| kafka.endpoint.clone());
    with.set("topics", topics);
    with.set("partitions", arguments.kafka_partitions);
    with.set("replication_factor", arguments.kafka_replication_factor);
    with.set("service", arguments.kafka_service);
    with.set("bootstrap_server", server);
    let init = Init {
        probe: "kafka_init",
        verb: "init-kafka",
        file: "kafka_topic_init_result.env",
        with,
        services: vec![kafka],
        given: given.into_iter().collect(),
        compose,
    };
    Ok((init, how))
}

fn clickhouse(arguments: ClickhouseArguments) -> super::Result<(Init, How)> {
    let mut with = common(&arguments.common)?;
    let compose = arguments.common.composition()?;
    let how = arguments.common.how;
    there("schema folder", &arguments.schema_dir)?;
    with.set("schema_dir", path(&arguments.schema_dir));
    with.set("database", arguments.clickhouse_db);
    with.set("service", arguments.clickhouse_service);
    let profile = profile(&how)?;
    let services = vec![
        service(profile.as_ref(), ServiceKind::Clickhouse, "http://localhost:8123"),
        service(profile.as_ref(), ServiceKind::Kafka, "kafka:9092"),
    ];
    let init = Init {
        probe: "clickhouse_init",
        verb: "init-clickhouse",
        file: "clickhouse_schema_init_result.env",
        with,
        services,
        given: Vec::new(),
        compose,
    };
    Ok((init, how))
}

fn timescale(arguments: TimescaleArguments) -> super::Result<(Init, How)> {
    let mut with = common(&arguments.common)?;
    let compose = arguments.common.composition()?;
    let how = arguments.common.how;
    match &arguments.schema_file {
        Some(file) => {
            there("schema file", file)?;
            with.set("schema_file", path(file));
        }
        None => {
            there("schema folder", &arguments.schema_dir)?;
            with.set("schema_dir", path(&arguments.schema_dir));
        }
    }
    if let Some(count) = arguments.expected_table_count {
        with.set("expected_table_count", count);
    }
    with.set("database", arguments.timescale_db.clone());
    with.set("service", arguments.timescale_service);
    let mut postgres = service(profile(&how)?.as_ref(), ServiceKind::Postgres, "localhost:5432");
    postgres.database = Some(arguments.timescale_db);
    postgres.user = arguments.timescale_user.or(postgres.user);
    if let Some(user) = &postgres.user {
        with.set("user", user.clone());
    }
    let init = Init {
        probe: "timescale_init",
        verb: "init-timescale",
        file: "timescale_schema_init_result.env",
        with,
        services: vec![postgres],
        given: Vec::new(),
        compose,
    };
    Ok((init, how))
}

fn debezium(arguments: DebeziumArguments) -> super::Result<(Init, How)> {
    let how = arguments.how;
    let compose = arguments.compose.composition()?.filter(|_| how.execute);
    let profile = profile(&how)?;
    let connect = service(profile.as_ref(), ServiceKind::Connect, "http://localhost:8083");
    let given = arguments.connect_url.map(|url| (connect.name.clone(), url));
    let connector = |key: &str, file: &Path| -> super::Result<serde_json::Value> {
        there("connector file", file)?;
        Ok(serde_json::json!({ "key": key, "file": path(file) }))
    };
    let connectors = [
        connector("trading_core", &arguments.trading_core_connector_file)?,
        connector("ops_audit", &arguments.ops_audit_connector_file)?,
    ];
    let mut with = Args::default();
    let url = given.as_ref().map(|(_, url)| url.clone()).or_else(|| connect.endpoint.clone());
    with.set("connect_url", url);
    with.set("connectors", connectors.to_vec());
    let postgres = service(profile.as_ref(), ServiceKind::Postgres, "localhost:5432");
    let init = Init {
        probe: "debezium_init",
        verb: "init-debezium",
        file: "debezium_connector_init_result.env",
        with,
        services: vec![connect, postgres],
        given: given.into_iter().collect(),
        compose,
    };
    Ok((init, how))
}

impl Common {
    /// The compose project, where one is named and something is done.
    fn composition(&self) -> super::Result<Option<Composition>> {
        let Some(file) = self.compose_file.as_ref().filter(|_| self.how.execute) else { return Ok(None) };
        let env_file = compose::variables(self.env_file.as_deref());
        let project = compose::project(&self.docker_bin, file, &self.project_name, env_file.as_deref())?;
        Ok(Some(Composition::that_is_up(project)))
    }
}

/// Settings that are recorded as they were given.
fn common(common: &Common) -> super::Result<Args> {
    let mut with = Args::default();
    let compose = match &common.compose_file {
        Some(file) => {
            there("compose file", file)?;
            path(file)
        }
        None => "infra/docker-compose.single-host.yaml".to_owned(),
    };
    with.set("compose_file", compose);
    with.set("project_name", common.project_name.clone());
    with.set("env_file", common.env_file.clone().unwrap_or_else(|| compose::ENV_FILE.to_owned()));
    Ok(with)
}

/// Refuses a file or folder that is not there, also in a dry run.
pub fn there(what: &str, path: &Path) -> super::Result<()> {
    if path.exists() { Ok(()) } else { Err(Refusal(format!("{what} not found: {}", path.display()))) }
}

/// A path as settings hold it.
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
