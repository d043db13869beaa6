//! The templates of fixtures/cutover: they read, and what they command can be done, in the runbook's order.

use crate::common::{Desk, Ended, Engines, Going, ended, expect_soon};
use cutproof::template::{Cutover, Rollback, Setting};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

fn templates() -> (Cutover, Rollback) {
    let cutover = Cutover::read(Path::new("fixtures/cutover/ctp_cutover.template.env"));
    let rollback = Rollback::read(Path::new("fixtures/cutover/ctp_rollback_drill.template.env"));
    (cutover.unwrap_or_else(|error| panic!("{error}")), rollback.unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn both_templates_read_and_belong_together() {
    let (cutover, rollback) = templates();
    assert!(cutover.template.warnings().is_empty() && rollback.template.warnings().is_empty());
    assert_eq!(cutover.env_name.text, rollback.env_name.text);
    assert_eq!(cutover.monitor.text, "30");
    assert_eq!(rollback.limit.text, "180");
    let watched = "order_latency_p99_ms breaker_state query_rate_violation reconnect_p99_s kafka_lag_ms \
                   clickhouse_ingest_delay_ms";
    assert_eq!(cutover.monitor_keys.join(" "), watched);
    assert_eq!(rollback.trigger_condition.text, "order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s");
    assert_eq!(cutover.evidence_output.text, "docs/results/ctp_cutover_result.env");
    assert_eq!(rollback.evidence_output.text, "docs/results/ctp_rollback_result.env");
}

/// A folder with the repository's profiles and fixtures, where what the commands write is the test's own.
struct Site<'a> {
    desk: &'a Desk,
    engines: &'a Engines<'a>,
    core: String,
}

impl<'a> Site<'a> {
    fn new(desk: &'a Desk, engines: &'a Engines<'a>) -> Site<'a> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(desk.path("site")).expect("a folder of ours");
        fs::create_dir_all(desk.path("run")).expect("a folder of ours");
        for name in ["fixtures", "gates"] {
            let link = desk.path("site").join(name);
            std::os::unix::fs::symlink(repository.join(name), link).expect("a link of ours");
        }
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
        Site { desk, engines, core: format!("http://{port}") }
    }

    /// As the orchestrator runs a command.
    fn command(&self, setting: &Setting) -> Command {
        let mut shell = self.desk.program("sh");
        shell.args(["-c", &setting.text]).current_dir(self.desk.path("site"));
        shell.envs(&self.engines.variables).env("CUTPROOF_ENDPOINT_CORE", &self.core);
        shell
            .env("CUTPROOF", env!("CARGO_BIN_EXE_cutproof"))
            .env("CUTPROOF_RUN_FOLDER", self.desk.path("run"))
            .env("CUTPROOF_RESULTS", self.desk.path("run"));
        shell
    }

    #[track_caller]
    fn run(&self, setting: &Setting) -> Ended {
        let ended = ended(self.command(setting));
        assert_eq!(ended.code, Some(0), "{}:\n{}{}", setting.text, ended.stdout, ended.stderr);
        ended
    }

    fn start(&self, setting: &Setting, state: &str) -> Going {
        let going = Going::start(self.command(setting).stdout(Stdio::null()));
        expect_soon("it says which process it is", || {
            let text = fs::read_to_string(self.desk.path(&format!("run/{state}.json"))).unwrap_or_default();
            // The shell has become it.
            text.contains(&format!("\"pid\":{},", going.pid()))
        });
        going
    }

    fn metrics(&self) -> String {
        let address = self.core.parse().expect("an address");
        reference_engine::ask(&address, "GET", "/metrics", crate::support::ANSWER).expect("an answer").body
    }
}

#[test]
fn the_templates_commands_switch_to_the_new_core_and_back() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, "tests/common/engines.toml");
    let site = Site::new(&desk, &engines);
    let (cutover, rollback) = templates();

    let refused = ended(site.command(&rollback.previous_core_engine_start)).with_code(2);
    assert!(refused.error().contains("restore the previous binaries"), "{}", refused.stderr);
    site.run(&rollback.restore_previous_binaries);
    let old = site.start(&rollback.previous_core_engine_start, "core");
    let old_strategy = site.start(&rollback.previous_strategy_runner_start, "strategy");

    assert!(site.run(&cutover.old_core_engine_stop).stdout.contains("ended in order"));
    assert!(site.run(&cutover.old_strategy_runner_stop).stdout.contains("SIGTERM"));
    assert!(old.end().success() && old_strategy.end().success());
    for setting in [
        &cutover.bootstrap_infra,
        &cutover.init_kafka_topic,
        &cutover.init_clickhouse_schema,
        &cutover.init_debezium_connector,
    ] {
        site.run(setting);
    }
    for file in
        ["single_host_bootstrap", "kafka_topic_init", "clickhouse_schema_init", "debezium_connector_init"]
    {
        let text = desk.read(&format!("run/{file}_result.env"));
        assert!(text.contains("_SUCCESS=true\n"), "{file}:\n{text}");
    }
    let new = site.start(&cutover.new_core_engine_start, "core");
    let new_strategy = site.start(&cutover.new_strategy_runner_start, "strategy");
    assert!(site.run(&cutover.warmup_query).stdout.starts_with("login ok at="));
    assert!(site.metrics().contains("ctp_core_info{version=\"new\"} 1\n"));

    expect_intents_of(&engines, "new");
    // Without its state file a runner that writes is not taken for none.
    let elsewhere = Setting {
        text: cutover.old_strategy_runner_stop.text.replace("strategy.json", "nowhere.json"),
        ..cutover.old_strategy_runner_stop.clone()
    };
    let found = ended(site.command(&elsewhere)).with_code(2);
    assert!(found.error().contains("strategy:intent:reference:latest"), "{}", found.stderr);

    site.run(&rollback.new_core_engine_stop);
    site.run(&rollback.new_strategy_runner_stop);
    assert!(new.end().success() && new_strategy.end().success());
    site.run(&rollback.restore_previous_binaries);
    assert_eq!(site.run(&rollback.restore_redis_bridge_compat).stdout, "bridge mode=compat\n");
    let old = site.start(&rollback.previous_core_engine_start, "core");
    let old_strategy = site.start(&rollback.previous_strategy_runner_start, "strategy");
    site.run(&cutover.warmup_query);
    let page = site.metrics();
    assert!(
        page.contains("ctp_core_info{version=\"old\"} 1\n") && page.contains("strategy_bridge_compat 1\n")
    );
    expect_intents_of(&engines, "old");
    drop((old, old_strategy));
    engines.down();
}

fn expect_intents_of(engines: &Engines<'_>, version: &str) {
    let client = redis::Client::open(format!("redis://{}/", engines.address("redis"))).expect("an address");
    let mut redis = client.get_connection().expect("Redis answers");
    expect_soon("the runner writes intents", || {
        let key = "strategy:intent:reference:latest";
        let told: (Option<String>, Option<u64>) =
            redis::cmd("HMGET").arg(key).arg(&["version", "market_ts_ns"]).query(&mut redis).expect("a hash");
        told.0.as_deref() == Some(version) && told.1.is_some_and(|seen| seen > 0)
    });
}
