//! Two templates in a folder of a test's own. Each command writes the name of its step to the file `order`, and may do
//! more.

use crate::common::{Desk, Ended, Going, argument, ended, env, journal, run_folder};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const CUTOVER: [(&str, &str); 10] = [
    ("OLD_CORE_ENGINE_STOP_CMD", "stop_old_core_engine"),
    ("OLD_STRATEGY_RUNNER_STOP_CMD", "stop_old_strategy_runner"),
    ("PRECHECK_CMD", "precheck"),
    ("BOOTSTRAP_INFRA_CMD", "bootstrap_infra"),
    ("INIT_KAFKA_TOPIC_CMD", "init_kafka_topic"),
    ("INIT_CLICKHOUSE_SCHEMA_CMD", "init_clickhouse_schema"),
    ("INIT_DEBEZIUM_CONNECTOR_CMD", "init_debezium_connector"),
    ("NEW_CORE_ENGINE_START_CMD", "start_new_core_engine"),
    ("NEW_STRATEGY_RUNNER_START_CMD", "start_new_strategy_runner"),
    ("WARMUP_QUERY_CMD", "warmup_query"),
];

pub const ROLLBACK: [(&str, &str); 7] = [
    ("NEW_CORE_ENGINE_STOP_CMD", "stop_new_core_engine"),
    ("NEW_STRATEGY_RUNNER_STOP_CMD", "stop_new_strategy_runner"),
    ("RESTORE_PREVIOUS_BINARIES_CMD", "restore_previous_binaries"),
    ("RESTORE_REDIS_BRIDGE_COMPAT_CMD", "restore_redis_bridge_compat"),
    ("PREVIOUS_CORE_ENGINE_START_CMD", "start_previous_core_engine"),
    ("PREVIOUS_STRATEGY_RUNNER_START_CMD", "start_previous_strategy_runner"),
    ("POST_ROLLBACK_VALIDATE_CMD", "post_rollback_validate"),
];

/// The names of some steps.
pub fn names(steps: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    steps.iter().map(|(_, name)| *name).collect()
}

/// The two templates, and runs by them.
pub struct Runbook {
    pub desk: Desk,
    values: BTreeMap<&'static str, String>,
}

impl Runbook {
    /// Templates whose commands all do their work.
    pub fn new() -> Runbook {
        let desk = Desk::new();
        let path = |name: &str| argument(&desk.path(name));
        let mut values = BTreeMap::from([
            ("CUTOVER_ENV_NAME", "desk".to_owned()),
            ("CUTOVER_WINDOW_LOCAL", "2020-01-01T00:00:00Z/2100-01-01T00:00:00Z".to_owned()),
            ("CTP_CONFIG_PATH", "configs/ctp.yaml".to_owned()),
            ("POST_SWITCH_MONITOR_MINUTES", "30".to_owned()),
            ("MONITOR_KEYS", "order_latency_p99_ms,breaker_state".to_owned()),
            ("CUTOVER_EVIDENCE_OUTPUT", path("results/ctp_cutover_result.env")),
            ("ROLLBACK_ENV_NAME", "desk".to_owned()),
            ("ROLLBACK_TRIGGER_CONDITION", "order_latency_p99_ms_gt_5ms".to_owned()),
            ("MAX_ROLLBACK_SECONDS", "180".to_owned()),
            ("ROLLBACK_EVIDENCE_OUTPUT", path("results/ctp_rollback_result.env")),
        ]);
        let order = path("order");
        let commands = CUTOVER.iter().chain(&ROLLBACK);
        values.extend(commands.map(|(key, name)| (*key, format!("echo {name} >> {order}"))));
        let runbook = Runbook { desk, values };
        runbook.write();
        runbook
    }

    /// Sets a value.
    pub fn set(&mut self, key: &'static str, value: &str) -> &mut Runbook {
        self.values.insert(key, value.to_owned());
        self.write();
        self
    }

    /// Lets a command do something more, behind the note of its name. DESK stands for the test's folder.
    pub fn and(&mut self, key: &'static str, more: &str) -> &mut Runbook {
        let more = more.replace("DESK", &argument(&self.desk.path("")));
        let value = format!("{}; {more}", self.values[key]);
        self.set(key, &value)
    }

    fn write(&self) {
        let of_rollback =
            |key: &str| ROLLBACK.iter().any(|(known, _)| *known == key) || key.contains("ROLLBACK");
        for (file, is_its) in [("cutover.env", false), ("rollback.env", true)] {
            let lines = self.values.iter().filter(|(key, _)| of_rollback(key) == is_its);
            let text: String = lines.map(|(key, value)| format!("{key}={value}\n")).collect();
            self.desk.write(file, &text);
        }
    }

    pub fn template(&self, name: &str) -> PathBuf {
        self.desk.path(&format!("{name}.env"))
    }

    fn arguments(&self, flags: &[&str]) -> Vec<String> {
        let verb = *flags.first().expect("a verb");
        let mut arguments = vec![verb.to_owned()];
        if verb == "cutover" {
            arguments.extend(["--cutover-template".to_owned(), argument(&self.template("cutover"))]);
        }
        arguments.extend(["--rollback-template".to_owned(), argument(&self.template("rollback"))]);
        arguments.extend(["--evidence-dir".to_owned(), argument(&self.desk.path("evidence"))]);
        arguments.extend(flags[1..].iter().map(|flag| (*flag).to_owned()));
        arguments
    }

    pub fn command(&self, flags: &[&str]) -> Command {
        let arguments = self.arguments(flags);
        self.desk.cutproof(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs a verb to its end.
    pub fn run(&self, flags: &[&str]) -> Ended {
        ended(self.command(flags))
    }

    /// Starts a verb and lets it run; what it prints goes to the files `out` and `err`.
    pub fn start(&self, flags: &[&str]) -> Going {
        let file = |name| fs::File::create(self.desk.path(name)).expect("a file of ours");
        Going::start(self.command(flags).stdout(file("out")).stderr(file("err")))
    }

    /// The steps that were run, in order.
    pub fn order(&self) -> Vec<String> {
        let text = fs::read_to_string(self.desk.path("order")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A file at the runbook's path.
    pub fn result(&self, name: &str) -> BTreeMap<String, String> {
        env(&self.desk.read(&format!("results/ctp_{name}_result.env")))
    }

    /// The folder of the only run.
    pub fn folder(&self) -> PathBuf {
        run_folder(&self.desk.path("evidence")).expect("there is a run")
    }

    /// What happened, as `event` or `event name`.
    pub fn happened(&self) -> Vec<String> {
        journal(&self.folder())
            .iter()
            .map(|entry| {
                let text = |key: &str| entry[key].as_str().map(str::to_owned);
                let event = text("event").expect("an event");
                let about = text("name").or_else(|| text("stage")).unwrap_or_default();
                format!("{event} {about}").trim_end().to_owned()
            })
            .collect()
    }

    /// The end of a step, as the journal has it.
    pub fn ended(&self, step: &str) -> serde_json::Value {
        let entries = journal(&self.folder());
        let mut of_step =
            entries.into_iter().filter(|entry| entry["event"] == "command_ended" && entry["name"] == step);
        of_step.next_back().unwrap_or_else(|| panic!("{step} has no end"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.desk.path(name).exists()
    }
}

/// Whether a process lives that wrote its id to this file.
pub fn pid_of(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

pub fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next())
        .is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
