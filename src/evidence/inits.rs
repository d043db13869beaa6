//! The evidence of the four inits, in the keys that the runbook's tools rely on. Settings are what the gate was
//! given; steps and success are what the journal says came of them.

use super::Document;
use super::env::Env;
use super::listing::Listing;
use super::view::{GateView, RunView, ServiceState};
use crate::model::{Args, Reading, ServiceKind, Stamp};
use serde_json::Value;

/// One kind of init.
pub(super) struct Init {
    /// The probe of its gates.
    pub probe: &'static str,
    /// Its keys begin with this.
    prefix: &'static str,
    /// The file's name.
    pub file: &'static str,
    /// The file's own keys behind `FAILED_STEP`, with their values.
    settings: fn(&RunView<'_>, &GateView<'_>) -> Vec<(&'static str, String)>,
    /// The name of its first step.
    first: fn(&Args) -> String,
}

/// All inits.
pub(super) const INITS: [Init; 4] = [
    Init {
        probe: "kafka_init",
        prefix: "KAFKA_TOPIC_INIT",
        file: "kafka_topic_init_result.env",
        settings: kafka,
        first: |with| format!("create_{}", texts(with, "topics").first().map_or("topics", String::as_str)),
    },
    Init {
        probe: "clickhouse_init",
        prefix: "CLICKHOUSE_SCHEMA_INIT",
        file: "clickhouse_schema_init_result.env",
        settings: clickhouse,
        first: |_| "verify_clickhouse".to_owned(),
    },
    Init {
        probe: "timescale_init",
        prefix: "TIMESCALE_SCHEMA_INIT",
        file: "timescale_schema_init_result.env",
        settings: timescale,
        first: |_| "wait_ready".to_owned(),
    },
    Init {
        probe: "debezium_init",
        prefix: "DEBEZIUM_CONNECTOR_INIT",
        file: "debezium_connector_init_result.env",
        settings: debezium,
        first: |with| {
            let connectors = with.tables("connectors");
            let key = connectors.first().and_then(|connector| connector.text("key"));
            format!("apply_{}", key.unwrap_or("trading_core"))
        },
    },
];

/// The files of all inits that belong to the run: a second gate of a kind has its name in the file's.
pub(super) fn documents(run: &RunView<'_>) -> Vec<Document> {
    let of_kind = |init: &'static Init| {
        let gates = run.selected().filter(|view| view.gate.probe == init.probe);
        gates.enumerate().map(|(at, gate)| {
            let name = match (at, init.file.strip_suffix(".env")) {
                (1.., Some(stem)) => format!("{stem}.{}.env", gate.gate.id),
                _ => init.file.to_owned(),
            };
            Document { name, bytes: init.env(run, gate).to_string().into_bytes() }
        })
    };
    INITS.iter().flat_map(of_kind).collect()
}

impl Init {
    /// The file of a gate of this kind.
    fn env(&self, run: &RunView<'_>, gate: &GateView<'_>) -> Env<'static> {
        let listing = Listing::of_gate(run, gate, &(self.first)(&gate.gate.with));
        let key = |name: &str| format!("{}_{name}", self.prefix);
        let mut env = Env::new();
        env.set(key("DRY_RUN"), u8::from(run.started.dry_run));
        env.set(key("SUCCESS"), listing.success());
        env.set(key("FAILED_STEP"), listing.failed.as_deref().unwrap_or_default());
        for (name, value) in (self.settings)(run, gate) {
            env.set(key(name), value);
        }
        env.set(key("TOTAL_STEPS"), listing.steps.len());
        listing.write_steps(&mut env);
        let stem = self.file.strip_suffix("_result.env").unwrap_or(self.file);
        write_origin(&mut env, run, stem, listing.reason());
        listing.write_details(&mut env);
        env
    }
}

/// The version of the `.env` projections.
pub const VERSION: u32 = 1;

/// Where a file comes from; these keys stand behind those of the contract.
pub(super) fn write_origin(env: &mut Env, run: &RunView<'_>, projection: &str, reason: &str) {
    let started = run.started;
    env.set("CUTPROOF_PROJECTION", format_args!("{projection}/{VERSION}"));
    env.set("CUTPROOF_VERSION", &started.tool);
    env.set("CUTPROOF_RUN_ID", &started.run);
    env.set("CUTPROOF_ENVIRONMENT", &started.environment);
    env.set("CUTPROOF_PROVISIONER", &started.provisioner);
    env.set("CUTPROOF_PARTIAL", run.partial());
    env.set("CUTPROOF_STARTED_UTC", started.started.to_seconds());
    env.set("CUTPROOF_COMPLETED_UTC", run.ended.map(|end| Stamp::to_seconds(end.at)).unwrap_or_default());
    env.set("CUTPROOF_JOURNAL_HEAD", run.head);
    env.set("CUTPROOF_REASON", reason);
}

/// A setting as text; empty where it is not set.
pub(super) fn text(args: &Args, name: &str) -> String {
    args.get(name).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// A list of texts, also where it was given as one text with commas.
fn texts(args: &Args, name: &str) -> Vec<String> {
    let list = text(args, name);
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A value that the init found out: from its settings, or else from what its gate reported.
fn found(gate: &GateView<'_>, name: &str) -> String {
    let reported = || {
        let ended = gate.ended?;
        let observed = ended.observations.iter().find(|observation| observation.name == name);
        match (ended.facts.get(name), observed.map(|observation| &observation.reading)) {
            (Some(fact), _) => Some(plain(fact)),
            (None, Some(Reading::Number { value, .. })) => Some(value.to_string()),
            (None, Some(Reading::Text { value })) => Some(value.clone()),
            _ => None,
        }
    };
    match gate.gate.with.get(name) {
        Some(set) => plain(set),
        None => reported().unwrap_or_default(),
    }
}

/// A value, or else another where it is empty.
fn known(value: String, or_else: impl FnOnce() -> String) -> String {
    if value.is_empty() { or_else() } else { value }
}

/// What a step of the gate announces that it will do.
fn announced<'a>(gate: &GateView<'a>, step: &str) -> Option<&'a str> {
    gate.planned.iter().find(|planned| planned.name == step).map(|planned| planned.command.as_str())
}

/// The connector in `PUT /connectors/NAME/config from FILE`.
fn announced_name(gate: &GateView<'_>, key: &str) -> String {
    let path =
        announced(gate, &format!("apply_{key}")).and_then(|command| command.split_once("/connectors/"));
    path.and_then(|(_, rest)| rest.split_once("/config")).map(|(name, _)| name.to_owned()).unwrap_or_default()
}

/// One where it is one by its setting, or else the files of `apply A.sql, B.sql`.
fn schema_file_count(gate: &GateView<'_>) -> String {
    if !text(&gate.gate.with, "schema_file").is_empty() {
        return "1".to_owned();
    }
    let files = |command: &str| command.split(", ").filter(|file| file.ends_with(".sql")).count().to_string();
    announced(gate, "apply_schema").map(files).unwrap_or_default()
}

/// The recorded name of the service, or else its name in the profile.
fn service(run: &RunView<'_>, gate: &GateView<'_>, kind: ServiceKind) -> String {
    known(text(&gate.gate.with, "service"), || used(run, gate, kind).unwrap_or_default().to_owned())
}

/// The recorded address, or else where the service answered.
fn address(run: &RunView<'_>, gate: &GateView<'_>, setting: &str, kind: ServiceKind) -> String {
    let recorded = text(&gate.gate.with, setting);
    let state = used(run, gate, kind).and_then(|name| run.services.get(name)).map(|service| &service.state);
    match state {
        Some(ServiceState::Ready(ready)) if recorded.is_empty() => ready.address.clone(),
        _ => recorded,
    }
}

/// The service of this kind that the gate uses.
fn used<'a>(run: &RunView<'_>, gate: &'a GateView<'_>, kind: ServiceKind) -> Option<&'a str> {
    let planned =
        |name: &&String| run.started.services.get(*name).is_some_and(|service| service.kind == kind);
    gate.gate.uses.iter().find(planned).map(String::as_str)
}

fn compose(with: &Args) -> Vec<(&'static str, String)> {
    vec![
        ("COMPOSE_FILE", text(with, "compose_file")),
        ("PROJECT_NAME", text(with, "project_name")),
        ("ENV_FILE", text(with, "env_file")),
    ]
}

fn kafka(run: &RunView<'_>, gate: &GateView<'_>) -> Vec<(&'static str, String)> {
    let with = &gate.gate.with;
    let topics = texts(with, "topics");
    let topic = Some(text(with, "topic")).filter(|topic| !topic.is_empty());
    let mut settings = compose(with);
    settings.extend([
        ("SERVICE", service(run, gate, ServiceKind::Kafka)),
        ("BOOTSTRAP_SERVER", address(run, gate, "bootstrap_server", ServiceKind::Kafka)),
        ("TOPIC", topic.or_else(|| topics.first().cloned()).unwrap_or_default()),
        ("TOPICS", topics.join(",")),
        ("TOPIC_COUNT", topics.len().to_string()),
        ("PARTITIONS", text(with, "partitions")),
        ("REPLICATION_FACTOR", text(with, "replication_factor")),
    ]);
    settings
}

fn clickhouse(run: &RunView<'_>, gate: &GateView<'_>) -> Vec<(&'static str, String)> {
    let with = &gate.gate.with;
    let mut settings = compose(with);
    settings.extend([
        ("SCHEMA_DIR", text(with, "schema_dir")),
        ("SERVICE", service(run, gate, ServiceKind::Clickhouse)),
        ("DB", text(with, "database")),
    ]);
    settings
}

fn timescale(run: &RunView<'_>, gate: &GateView<'_>) -> Vec<(&'static str, String)> {
    let with = &gate.gate.with;
    let mut settings = compose(with);
    settings.extend([
        ("SCHEMA_FILE", text(with, "schema_file")),
        ("SCHEMA_DIR", text(with, "schema_dir")),
        ("SCHEMA_FILE_COUNT", known(found(gate, "schema_file_count"), || schema_file_count(gate))),
        ("EXPECTED_TABLE_COUNT", text(with, "expected_table_count")),
        ("SERVICE", service(run, gate, ServiceKind::Postgres)),
        ("DB", text(with, "database")),
        ("USER", text(with, "user")),
    ]);
    settings
}

fn debezium(run: &RunView<'_>, gate: &GateView<'_>) -> Vec<(&'static str, String)> {
    let with = &gate.gate.with;
    let connectors = with.tables("connectors");
    let of = |key: &str, name: &str| {
        let connector = connectors.iter().find(|connector| connector.text("key") == Some(key));
        connector.map(|connector| text(connector, name)).unwrap_or_default()
    };
    // The name stands in the connector's file. Where the profile does not repeat it, the gate reports it, or at least
    // announces the path under which it will be put in place.
    let name = |key: &str| {
        let reported = || known(found(gate, &format!("{key}_name")), || announced_name(gate, key));
        known(of(key, "name"), reported)
    };
    vec![
        ("CONNECT_URL", address(run, gate, "connect_url", ServiceKind::Connect)),
        ("TRADING_CORE_FILE", of("trading_core", "file")),
        ("OPS_AUDIT_FILE", of("ops_audit", "file")),
        ("TRADING_CORE_NAME", name("trading_core")),
        ("OPS_AUDIT_NAME", name("ops_audit")),
    ]
}
