//! The two templates as checked values: commands as text, numbers as times, the window as instants.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

use super::{Kind, Setting, Template, TemplateError};
use crate::model::units::{Quantity, Unit};

/// A time that a template states as a plain number of its key's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timespan {
    /// As it was written, e.g. `180`.
    pub text: String,
    pub duration: Duration,
    pub line: usize,
}

/// CUTOVER_WINDOW_LOCAL: when the cutover is planned to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// As it was written, with the local offset: `2026-02-13T09:00:00+08:00`.
    pub text: String,
    pub start: Timestamp,
    /// There when the template says `START/END`.
    pub end: Option<Timestamp>,
    pub line: usize,
}

/// The cutover template, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutover {
    pub env_name: Setting,
    pub window: Window,
    pub ctp_config_path: Setting,
    pub old_core_engine_stop: Setting,
    pub old_strategy_runner_stop: Setting,
    pub bootstrap_infra: Setting,
    pub init_kafka_topic: Setting,
    pub init_clickhouse_schema: Setting,
    pub init_debezium_connector: Setting,
    pub new_core_engine_start: Setting,
    pub new_strategy_runner_start: Setting,
    pub precheck: Setting,
    pub warmup_query: Setting,
    pub monitor: Timespan,
    /// MONITOR_KEYS as it was written.
    pub monitor_keys_text: Setting,
    /// Its metric names, in its order.
    pub monitor_keys: Vec<String>,
    pub evidence_output: Setting,
    /// All of the file, unknown keys included.
    pub template: Template,
}

impl Cutover {
    pub const KEYS: [&'static str; 16] = [
        "CUTOVER_ENV_NAME",
        "CUTOVER_WINDOW_LOCAL",
        "CTP_CONFIG_PATH",
        "OLD_CORE_ENGINE_STOP_CMD",
        "OLD_STRATEGY_RUNNER_STOP_CMD",
        "BOOTSTRAP_INFRA_CMD",
        "INIT_KAFKA_TOPIC_CMD",
        "INIT_CLICKHOUSE_SCHEMA_CMD",
        "INIT_DEBEZIUM_CONNECTOR_CMD",
        "NEW_CORE_ENGINE_START_CMD",
        "NEW_STRATEGY_RUNNER_START_CMD",
        "PRECHECK_CMD",
        "WARMUP_QUERY_CMD",
        "POST_SWITCH_MONITOR_MINUTES",
        "MONITOR_KEYS",
        "CUTOVER_EVIDENCE_OUTPUT",
    ];

    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        Self::check(Template::read(Kind::Cutover, path)?)
    }

    /// Reads a text; `path` is named in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, TemplateError> {
        Self::check(Template::parse(Kind::Cutover, path, text)?)
    }

    fn check(template: Template) -> Result<Self, TemplateError> {
        let get = |key| template.require(key);
        Ok(Self {
            env_name: get("CUTOVER_ENV_NAME")?,
            window: template.window("CUTOVER_WINDOW_LOCAL")?,
            ctp_config_path: get("CTP_CONFIG_PATH")?,
            old_core_engine_stop: get("OLD_CORE_ENGINE_STOP_CMD")?,
            old_strategy_runner_stop: get("OLD_STRATEGY_RUNNER_STOP_CMD")?,
            bootstrap_infra: get("BOOTSTRAP_INFRA_CMD")?,
            init_kafka_topic: get("INIT_KAFKA_TOPIC_CMD")?,
            init_clickhouse_schema: get("INIT_CLICKHOUSE_SCHEMA_CMD")?,
            init_debezium_connector: get("INIT_DEBEZIUM_CONNECTOR_CMD")?,
            new_core_engine_start: get("NEW_CORE_ENGINE_START_CMD")?,
            new_strategy_runner_start: get("NEW_STRATEGY_RUNNER_START_CMD")?,
            precheck: get("PRECHECK_CMD")?,
            warmup_query: get("WARMUP_QUERY_CMD")?,
            monitor: template.timespan("POST_SWITCH_MONITOR_MINUTES", Unit::Minute, MINUTES)?,
            monitor_keys_text: get("MONITOR_KEYS")?,
            monitor_keys: template.names("MONITOR_KEYS")?,
            evidence_output: get("CUTOVER_EVIDENCE_OUTPUT")?,
            template,
        })
    }
}

/// The rollback template, checked. The trigger is text here: a condition in the runbook's label form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    pub env_name: Setting,
    pub trigger_condition: Setting,
    pub new_core_engine_stop: Setting,
    pub new_strategy_runner_stop: Setting,
    pub restore_previous_binaries: Setting,
    pub restore_redis_bridge_compat: Setting,
    pub previous_core_engine_start: Setting,
    pub previous_strategy_runner_start: Setting,
    pub post_rollback_validate: Setting,
    pub limit: Timespan,
    pub evidence_output: Setting,
    /// All of the file, unknown keys included.
    pub template: Template,
}

impl Rollback {
    pub const KEYS: [&'static str; 11] = [
        "ROLLBACK_ENV_NAME",
        "ROLLBACK_TRIGGER_CONDITION",
        "NEW_CORE_ENGINE_STOP_CMD",
        "NEW_STRATEGY_RUNNER_STOP_CMD",
        "RESTORE_PREVIOUS_BINARIES_CMD",
        "RESTORE_REDIS_BRIDGE_COMPAT_CMD",
        "PREVIOUS_CORE_ENGINE_START_CMD",
        "PREVIOUS_STRATEGY_RUNNER_START_CMD",
        "POST_ROLLBACK_VALIDATE_CMD",
        "MAX_ROLLBACK_SECONDS",
        "ROLLBACK_EVIDENCE_OUTPUT",
    ];

    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        Self::check(Template::read(Kind::Rollback, path)?)
    }

    /// Reads a text; `path` is named in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, TemplateError> {
        Self::check(Template::parse(Kind::Rollback, path, text)?)
    }

    fn check(template: Template) -> Result<Self, TemplateError> {
        let get = |key| template.require(key);
        Ok(Self {
            env_name: get("ROLLBACK_ENV_NAME")?,
            trigger_condition: get("ROLLBACK_TRIGGER_CONDITION")?,
            new_core_engine_stop: get("NEW_CORE_ENGINE_STOP_CMD")?,
            new_strategy_runner_stop: get("NEW_STRATEGY_RUNNER_STOP_CMD")?,
            restore_previous_binaries: get("RESTORE_PREVIOUS_BINARIES_CMD")?,
            restore_redis_bridge_compat: get("RESTORE_REDIS_BRIDGE_COMPAT_CMD")?,
            previous_core_engine_start: get("PREVIOUS_CORE_ENGINE_START_CMD")?,
            previous_strategy_runner_start: get("PREVIOUS_STRATEGY_RUNNER_START_CMD")?,
            post_rollback_validate: get("POST_ROLLBACK_VALIDATE_CMD")?,
            limit: template.timespan("MAX_ROLLBACK_SECONDS", Unit::Second, SECONDS)?,
            evidence_output: get("ROLLBACK_EVIDENCE_OUTPUT")?,
            template,
        })
    }
}

const MINUTES: &str = "a plain number of minutes above 0 and below a year, such as 30";
const SECONDS: &str = "a plain number of seconds above 0 and below a year, such as 180";
const WINDOW: &str = "a time with its offset, such as 2026-02-13T09:00:00+08:00, or START/END with END later";
const NAMES: &str = "different metric names, separated by commas";

impl Template {
    fn require(&self, key: &'static str) -> Result<Setting, TemplateError> {
        let missing = || TemplateError::MissingKeys { kind: self.kind, keys: vec![key] };
        self.get(key).cloned().ok_or_else(missing)
    }

    fn refuse(&self, key: &'static str, setting: &Setting, expected: &'static str) -> TemplateError {
        let found = setting.text.chars().take(60).flat_map(char::escape_debug).collect();
        let (kind, path, line) = (self.kind, self.path.clone(), setting.line);
        TemplateError::Value { kind, path, line, key, expected, found }
    }

    /// A plain decimal in `unit`, above zero.
    fn timespan(
        &self,
        key: &'static str,
        unit: Unit,
        expected: &'static str,
    ) -> Result<Timespan, TemplateError> {
        let setting = self.require(key)?;
        let plain = Quantity::parse(&setting.text).ok().filter(|quantity| quantity.unit == Unit::None);
        match plain.and_then(|quantity| Quantity::new(quantity.value, unit).to_duration().ok()) {
            Some(duration) => Ok(Timespan { text: setting.text, duration, line: setting.line }),
            None => Err(self.refuse(key, &setting, expected)),
        }
    }

    fn window(&self, key: &'static str) -> Result<Window, TemplateError> {
        let setting = self.require(key)?;
        let parts = match setting.text.split_once('/') {
            Some((start, end)) => instant(start).zip(instant(end).map(Some)),
            None => instant(&setting.text).map(|start| (start, None)),
        };
        match parts.filter(|(start, end)| end.is_none_or(|end| end > *start)) {
            Some((start, end)) => Ok(Window { text: setting.text, start, end, line: setting.line }),
            None => Err(self.refuse(key, &setting, WINDOW)),
        }
    }

    fn names(&self, key: &'static str) -> Result<Vec<String>, TemplateError> {
        let setting = self.require(key)?;
        let names: Vec<&str> = setting.text.split(',').map(str::trim).collect();
        let name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
        };
        let good = |(i, one): (usize, &&str)| name(one) && !names[..i].contains(one);
        match names.iter().enumerate().all(good) {
            true => Ok(names.into_iter().map(str::to_owned).collect()),
            false => Err(self.refuse(key, &setting, NAMES)),
        }
    }
}

/// A date and time with its offset. A local time without one is nobody's time, and the name of a zone
/// would need a database of zones.
fn instant(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    pieces.to_numeric_offset()?.to_timestamp(pieces.date().to_datetime(pieces.time()?)).ok()
}
