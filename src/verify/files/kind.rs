//! What a file is, by what stands in it. Names only help where nothing can be read.

use super::super::finding::{Evidence, Which};
use super::json;
use crate::evidence::Env;
use std::ffi::OsStr;
use std::path::Path;

/// A kind of file that can be judged on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Env(Which),
    Readiness,
    /// `watch.csv`.
    Series,
    /// `watch.json`.
    WatchPlan,
    Junit,
}

impl Kind {
    pub fn evidence(self) -> Evidence {
        match self {
            Kind::Env(which) => which.into(),
            Kind::Readiness => Evidence::Readiness,
            Kind::Series | Kind::WatchPlan => Evidence::Watch,
            Kind::Junit => Evidence::Junit,
        }
    }

    /// What a text is.
    pub fn of_text(text: &str) -> Option<Kind> {
        let start = text.trim_start_matches('\u{feff}').trim_start();
        match start.as_bytes().first()? {
            b'{' => of_json(text),
            b'<' => {
                ["<testsuites", "<testsuite"].iter().any(|tag| start.contains(tag)).then_some(Kind::Junit)
            }
            _ if start.starts_with("tick,at_utc,") => Some(Kind::Series),
            _ => of_env(text),
        }
    }

    /// What a file of this name should be.
    pub fn of_name(path: &Path) -> Option<Kind> {
        let name = path.file_name().and_then(OsStr::to_str)?;
        let of = |(start, kind): &(&str, Kind)| name.starts_with(start).then_some(*kind);
        NAMES.iter().find_map(of)
    }
}

/// How the names of files begin.
const NAMES: [(&str, Kind); 11] = [
    ("ctp_cutover_result", Kind::Env(Which::Cutover)),
    ("ctp_rollback_result", Kind::Env(Which::Rollback)),
    ("kafka_topic_init_result", Kind::Env(Which::Kafka)),
    ("clickhouse_schema_init_result", Kind::Env(Which::Clickhouse)),
    ("timescale_schema_init_result", Kind::Env(Which::Timescale)),
    ("debezium_connector_init_result", Kind::Env(Which::Debezium)),
    ("single_host_bootstrap_result", Kind::Env(Which::Bootstrap)),
    ("ctp_readiness", Kind::Readiness),
    ("watch.csv", Kind::Series),
    ("watch.json", Kind::WatchPlan),
    ("junit.xml", Kind::Junit),
];

/// Also what is no JSON any more is what it was meant to be.
fn of_json(text: &str) -> Option<Kind> {
    let Ok(node) = json::parse(text) else {
        let says = |word: &str| text.contains(word);
        return match () {
            () if says("\"ctp_readiness\"") || says("\"slis\"") => Some(Kind::Readiness),
            () if says("\"watch\"") && says("\"compressed\"") => Some(Kind::WatchPlan),
            () => None,
        };
    };
    let is =
        |of: &json::Node<'_>, key: &str, word: &str| of.get(key).and_then(json::Node::text) == Some(word);
    let of_type = node.get("metadata").is_some_and(|metadata| is(metadata, "evidence_type", "ctp_readiness"));
    match () {
        () if of_type || is(&node, "projection", "ctp_readiness") || node.get("slis").is_some() => {
            Some(Kind::Readiness)
        }
        () if is(&node, "projection", "watch") => Some(Kind::WatchPlan),
        () => None,
    }
}

/// The kind of which it has most keys.
fn of_env(text: &str) -> Option<Kind> {
    let env = Env::parse(text);
    let count =
        |which: Which| env.entries().iter().filter(|entry| entry.key.starts_with(which.prefix())).count();
    let counted = Which::ALL.map(|which| (count(which), which));
    let (most, which) = counted.into_iter().rev().max_by_key(|(count, _)| *count)?;
    (most > 0).then_some(Kind::Env(which))
}
