//! Probes and profiles for tests of the profile and the plan: they declare all kinds of settings and measure nothing.

use super::{Faults, Profile};
use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, ServiceKind};
use crate::probe::{BadArgs, Context, Measurement, Probe, ProbeError};

/// A probe that declares itself and cannot measure.
pub struct Sample {
    pub name: &'static str,
    pub services: &'static [ServiceKind],
    pub fields: &'static [Field],
    pub writes: bool,
    pub expect: &'static str,
}

impl Probe for Sample {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "Declares itself, for tests."
    }

    fn services(&self) -> &'static [ServiceKind] {
        self.services
    }

    fn fields(&self) -> &'static [Field] {
        self.fields
    }

    fn may_use(&self) -> &'static [ServiceKind] {
        if self.name == "kafka_init" { &[ServiceKind::Connect] } else { &[] }
    }

    fn any_services(&self) -> bool {
        self.name == "command"
    }

    fn one_of(&self, args: &Args) -> &'static [ServiceKind] {
        match (self.name, args.text("url")) {
            ("http", None) => &[ServiceKind::Http, ServiceKind::Prometheus],
            _ => &[],
        }
    }

    fn writes(&self) -> bool {
        self.writes
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        vec![
            Metric::bool("alive", "Whether it answered."),
            Metric::number("latency_ms", Unit::Millisecond, "How long the answer took."),
            Metric::number("absent", Unit::Count, "How many are not there."),
            Metric::text("state", "What it says of itself."),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        self.expect.to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        if self.name == "command" && args.texts("argv").is_empty() {
            return Err(BadArgs {
                field: "argv",
                message: "expected a program and its arguments".to_owned(),
            });
        }
        Ok(())
    }

    fn steps(&self, args: &Args) -> Result<Vec<PlannedStep>, String> {
        match (self.name, args.texts("topics").as_slice()) {
            ("kafka_init", ["absent", ..]) => Err("topics file not found: absent".to_owned()),
            ("kafka_init", topics) => Ok(topics.iter().map(|topic| step(topic)).collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn measure(&self, _args: &Args, _context: &Context<'_>) -> Result<Measurement, ProbeError> {
        Err(ProbeError::new("a sample measures nothing"))
    }
}

fn step(topic: &str) -> PlannedStep {
    PlannedStep { name: format!("create_{topic}"), command: format!("create topic {topic}") }
}

const CONFIG: &[Field] = &[
    Field::required("topic", FieldKind::Text, "The topic."),
    Field::with_default("partitions", FieldKind::Integer { min: 1, max: 10_000 }, "6", "How many."),
];

/// One field of every kind.
const EVERY_KIND: &[Field] = &[
    Field::optional("text", FieldKind::Text, "A text."),
    Field::with_default("choice", FieldKind::Choice(&["earliest", "latest"]), "\"latest\"", "A word."),
    Field::optional("truth", FieldKind::Bool, "A truth."),
    Field::optional("count", FieldKind::Integer { min: 1, max: 9 }, "A count."),
    Field::optional("number", FieldKind::Number, "A number."),
    Field::with_default("pause", FieldKind::Duration, "\"1.5s\"", "A duration."),
    Field::optional("size", FieldKind::Bytes, "A size."),
    Field::optional("texts", FieldKind::Texts, "Texts."),
    Field::optional("map", FieldKind::Map, "Names with texts."),
    Field::optional("pattern", FieldKind::Regex, "A pattern."),
    Field::optional("table", FieldKind::Table(CONFIG), "A table."),
    Field::optional("tables", FieldKind::Tables(CONFIG), "Tables."),
];

const ALIVE: &str = "alive == true";

/// In the order of the alphabet, as the registry has them.
pub const PROBES: &[&dyn Probe] = &[
    &Sample {
        name: "cdc",
        services: &[ServiceKind::Postgres, ServiceKind::Kafka],
        fields: &[],
        writes: true,
        expect: ALIVE,
    },
    &Sample {
        name: "command",
        services: &[],
        fields: &[
            Field::required("argv", FieldKind::Texts, "The program and its arguments."),
            Field::optional("env", FieldKind::Map, "Variables."),
        ],
        writes: false,
        expect: ALIVE,
    },
    &Sample { name: "every_kind", services: &[], fields: EVERY_KIND, writes: false, expect: ALIVE },
    &Sample {
        name: "http",
        services: &[],
        fields: &[Field::optional("url", FieldKind::Text, "Where to ask.")],
        writes: false,
        expect: ALIVE,
    },
    &Sample {
        name: "kafka_init",
        services: &[ServiceKind::Kafka],
        fields: &[Field::required("topics", FieldKind::Texts, "The topics.")],
        writes: true,
        expect: "absent == 0",
    },
    &Sample {
        name: "kafka_topics",
        services: &[ServiceKind::Kafka],
        fields: &[
            Field::required("topics", FieldKind::Texts, "The topics."),
            Field::with_default(
                "partitions",
                FieldKind::Integer { min: 1, max: 10_000 },
                "6",
                "How many each has.",
            ),
        ],
        writes: false,
        expect: "absent == 0",
    },
    &Sample { name: "misspelt", services: &[], fields: &[], writes: false, expect: "alife == true" },
    &Sample {
        name: "redis_ping",
        services: &[ServiceKind::Redis],
        fields: &[],
        writes: false,
        expect: ALIVE,
    },
];

/// A profile of two services and four gates, two of which need others.
pub const SHOP: &str = r#"environment = "web-shop"
about = "A shop."

[defaults]
timeout = "5s"

[services.redis]
kind = "redis"
endpoint = "localhost:6379"
password_env = "REDIS_PASSWORD"
stands_for = "redis:7.2-alpine"

[services.kafka]
kind = "kafka"
needs = ["redis"]

[thresholds]
slow = "500ms"

[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
expect = "alive == true and latency_ms < $slow"
tags = ["fast"]

[[gate]]
id = "shop-answers"
phase = "readiness"
probe = "command"
with.argv = ["true"]
needs = ["kafka-topics"]
retry = { every = "200ms", for = "5s" }

[[gate]]
id = "kafka-topics"
phase = "infra"
probe = "kafka_topics"
uses = ["kafka"]
needs = ["kafka-init"]
timeout = "2s"
tags = ["fast", "kafka"]

[gate.with]
topics = ["shop.orders.v1"]

[[gate]]
id = "kafka-init"
phase = "infra"
probe = "kafka_init"
uses = ["kafka"]
with = { topics = ["shop.orders.v1"] }
writes = true
"#;

/// What [`SHOP`] says of its cutover; it begins on line 56 of [`night`].
const CUTOVER: &str = r#"
[cutover]
cutover_template = "cutover.env"
rollback_template = "rollback.env"
step_timeout = "5m"

[[step]]
name = "start_new_core_engine"
timeout = "60s"
background = true
ready = "alive == true and latency_ms < $slow"
probe = "redis_ping"
uses = ["redis"]

[[step]]
name = "precheck"
timeout = "90s"

[switch]
probe = "redis_ping"
uses = ["redis"]

[[switch.mark]]
name = "login"
value = "latency_ms"
within = "30s"

[[switch.mark]]
name = "settlement"
match = 'settled at=(?<at>\S+)'
within = "40s"

[[switch.mark]]
name = "instruments"
value = "latency_ms"
within = "1min"

[watch]
interval = "500ms"

[[watch.source]]
name = "shop"
probe = "redis_ping"
uses = ["redis"]

[[watch.source]]
name = "topics"
probe = "kafka_topics"
uses = ["kafka"]
timeout = "400ms"
with = { topics = ["shop.orders.v1"] }

[[watch.metric]]
name = "order_latency_p99_ms"
source = "shop"
value = "latency_ms"
expect = "order_latency_p99_ms < $slow for 5s"
failure_limit = 3
on_no_data = "rollback"

[[watch.metric]]
name = "absent"
source = "topics"
expect = "absent == 0 or order_latency_p99_ms < 5ms"
warmup = "10s"
activity = true

[readiness]
service = "web_shop"

[[readiness.sli]]
name = "quant_hft_ctp_query_latency_p99_ms"
gate = "redis-ping"
value = "latency_ms"
target = 1500

[[readiness.sli]]
name = "quant_hft_storage_redis_health"
gate = "redis-ping"
"#;

/// [`SHOP`] with its cutover.
pub fn night() -> String {
    format!("{SHOP}{CUTOVER}")
}

/// [`SHOP`] with its cutover, in which this stands in place of that.
pub fn night_with(that: &str, this: &str) -> String {
    assert!(CUTOVER.contains(that), "{that}");
    format!("{SHOP}{}", CUTOVER.replacen(that, this, 1))
}

/// What is wrong with that.
pub fn night_faults_with(that: &str, this: &str) -> String {
    faults(&night_with(that, this))
}

/// A text as gates/x.toml.
pub fn parse(text: &str) -> Result<Profile, Faults> {
    Profile::parse("gates/x.toml", text, PROBES)
}

/// The faults of a text, as they are shown.
pub fn faults(text: &str) -> String {
    parse(text).err().map(|faults| faults.to_string()).unwrap_or_default()
}

/// What is wrong where this stands in place of that in [`SHOP`].
pub fn faults_with(that: &str, this: &str) -> String {
    assert!(SHOP.contains(that), "{that}");
    faults(&SHOP.replacen(that, this, 1))
}
