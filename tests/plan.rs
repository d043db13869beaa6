//! `cutproof plan` as the runbook's reader runs it: the checklist and its JSON from two templates, and what is refused.

mod common;

use common::{Desk, argument};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;

const CUTOVER: &str = "# the desk's\r
CUTOVER_ENV_NAME=single-host-ubuntu\r
CUTOVER_WINDOW_LOCAL=2026-02-13T09:00:00+08:00
CTP_CONFIG_PATH=configs/prod/ctp.yaml
OLD_CORE_ENGINE_STOP_CMD=systemctl stop quant-hft-core-engine.service
OLD_STRATEGY_RUNNER_STOP_CMD=systemctl stop quant-hft-strategy-runner.service
BOOTSTRAP_INFRA_CMD=DB_PASSWORD=hunter22 bash bootstrap.sh
INIT_KAFKA_TOPIC_CMD=bash init_kafka_topics.sh --at `date +%s`
INIT_CLICKHOUSE_SCHEMA_CMD=bash init_clickhouse_schema.sh
INIT_DEBEZIUM_CONNECTOR_CMD=bash init_debezium_connectors.sh
NEW_CORE_ENGINE_START_CMD=./build/core_engine configs/prod/ctp.yaml
NEW_STRATEGY_RUNNER_START_CMD=python3 run_ctp_strategy.py
PRECHECK_CMD=python3 readiness.py --x=1
WARMUP_QUERY_CMD=echo '```'
POST_SWITCH_MONITOR_MINUTES=30
MONITOR_KEYS=order_latency_p99_ms,breaker_state
CUTOVER_EVIDENCE_OUTPUT=docs/results/ctp_cutover_result.env
FEED_TOKEN=abcdef
";

const ROLLBACK: &str = "ROLLBACK_ENV_NAME=single-host-ubuntu
ROLLBACK_TRIGGER_CONDITION=order_latency_p99_ms_gt_5ms
NEW_CORE_ENGINE_STOP_CMD=systemctl stop core
NEW_STRATEGY_RUNNER_STOP_CMD=systemctl stop runner
RESTORE_PREVIOUS_BINARIES_CMD=rsync -av previous/ current/
RESTORE_REDIS_BRIDGE_COMPAT_CMD=python3 bridge.py
PREVIOUS_CORE_ENGINE_START_CMD=./core
PREVIOUS_STRATEGY_RUNNER_START_CMD=./runner
POST_ROLLBACK_VALIDATE_CMD=./validate
MAX_ROLLBACK_SECONDS=180
ROLLBACK_EVIDENCE_OUTPUT=docs/results/ctp_rollback_result.env
";

/// A desk with both templates, and the flags that name them and the page.
fn desk(cutover: &str, rollback: &str) -> (Desk, Vec<String>) {
    let desk = Desk::new();
    let (cutover, rollback) = (desk.write("cutover.env", cutover), desk.write("rollback.env", rollback));
    let page = argument(&desk.path("out/page.md"));
    let flags =
        ["plan", "--cutover-template", &cutover, "--rollback-template", &rollback, "--output-md", &page];
    let flags = flags.map(str::to_owned).to_vec();
    (desk, flags)
}

fn run(desk: &Desk, flags: &[String], more: &[&str]) -> common::Ended {
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    desk.run(&flags)
}

#[test]
fn it_writes_the_page_and_the_values_and_prints_where() {
    let (desk, flags) = desk(CUTOVER, ROLLBACK);
    let json = argument(&desk.path("out/page.json"));
    let ended = run(&desk, &flags, &["--output-json", &json]).with_code(0);
    let page = argument(&desk.path("out/page.md"));
    assert_eq!(ended.stdout, format!("{page}\n{json}\n"));
    assert!(ended.stderr.contains("unknown key FEED_TOKEN"), "{}", ended.stderr);

    let text = desk.read("out/page.md");
    assert!(text.starts_with("# CTP One-Shot Cutover Checklist\n\nGenerated at: 20"), "{text}");
    assert!(
        text.contains(
            "\n```bash\nDB_PASSWORD=*** bash bootstrap.sh\nbash init_kafka_topics.sh --at `date +%s`\n"
        ),
        "{text}"
    );
    assert!(text.contains("\n````bash\necho '```'\n````\n"), "{text}");
    assert!(
        text.ends_with("- [ ] Persist rollback evidence to `docs/results/ctp_rollback_result.env`.\n"),
        "{text}"
    );

    let values: Value = serde_json::from_str(&desk.read("out/page.json")).expect("it is JSON");
    let keys: Vec<_> = values.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["cutover_template", "rollback_template", "output_md", "cutover_env", "rollback_env"]);
    assert_eq!(values["output_md"], page);
    assert_eq!(values["cutover_env"]["PRECHECK_CMD"], "python3 readiness.py --x=1");
    assert_eq!(values["cutover_env"]["CUTOVER_ENV_NAME"], "single-host-ubuntu");
    assert_eq!(values["rollback_env"]["MAX_ROLLBACK_SECONDS"], "180");
    assert_eq!(values["rollback_env"].as_object().map(|env| env.len()), Some(11));
    assert_eq!(values["cutover_env"]["FEED_TOKEN"], "***");
    assert!(!values.to_string().contains("hunter22") && !text.contains("hunter22"));
    assert_eq!(fs::read_dir(desk.path("out")).expect("the folder is there").count(), 2);
}

#[test]
fn a_second_page_takes_the_place_of_the_first() {
    let (desk, flags) = desk(CUTOVER, ROLLBACK);
    run(&desk, &flags, &[]).with_code(0);
    desk.write("cutover.env", &CUTOVER.replace("single-host-ubuntu", "the-other"));
    let ended = run(&desk, &flags, &[]).with_code(0);
    assert!(ended.stderr.contains("the cutover is of the environment the-other"), "{}", ended.stderr);
    assert!(desk.read("out/page.md").contains("\nEnvironment: the-other\n"));
}

#[test]
fn templates_that_lack_something_are_refused_in_the_words_that_tools_know() {
    let lacking = CUTOVER.replace("PRECHECK_CMD=python3 readiness.py --x=1", "PRECHECK_CMD=");
    let lacking = lacking.replace("CTP_CONFIG_PATH=configs/prod/ctp.yaml\n", "");
    let (first, flags) = desk(&lacking, ROLLBACK);
    let ended = run(&first, &flags, &[]).with_code(2);
    assert_eq!(ended.error(), "error: cutover template missing required keys: CTP_CONFIG_PATH,PRECHECK_CMD");
    assert!(!first.path("out").exists());

    let (second, flags) = desk(CUTOVER, &ROLLBACK.replace("MAX_ROLLBACK_SECONDS=180\n", ""));
    let ended = run(&second, &flags, &[]).with_code(2);
    assert_eq!(ended.error(), "error: rollback template missing required keys: MAX_ROLLBACK_SECONDS");

    let ended = second.run(&["plan", "--output-md", &argument(&second.path("out/page.md"))]).with_code(2);
    let expected = "error: cutover template not found: configs/ops/ctp_cutover.template.env";
    assert_eq!(ended.error(), expected);
    let (none, page) = (argument(&second.path("none.env")), argument(&second.path("out/page.md")));
    let cutover = argument(&second.path("cutover.env"));
    let flags = ["plan", "--cutover-template", &cutover, "--rollback-template", &none, "--output-md", &page];
    let ended = second.run(&flags).with_code(2);
    assert_eq!(ended.error(), format!("error: rollback template not found: {none}"));
    let folder = argument(&second.path(""));
    let flags = ["plan", "--cutover-template", &folder, "--rollback-template", &none, "--output-md", &page];
    assert!(second.run(&flags).with_code(2).error().ends_with("is a folder, not a file"));
    assert!(!second.path("out").exists());
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in ["-1", "NaN", "inf", "0", "1e3"] {
        let (desk, flags) = desk(CUTOVER, &ROLLBACK.replace("=180", &format!("={bad}")));
        let ended = run(&desk, &flags, &[]).with_code(2);
        assert!(ended.error().contains("MAX_ROLLBACK_SECONDS must be"), "{bad}: {}", ended.stderr);
        assert!(!desk.path("out").exists());
    }
}

#[test]
fn nothing_that_was_read_or_is_no_file_is_written_over() {
    let (desk, flags) = desk(CUTOVER, ROLLBACK);
    let page = &flags[flags.len() - 1];
    let template = argument(&desk.path("cutover.env"));
    fs::create_dir_all(desk.path("out")).expect("a folder of ours");
    for json in [page.as_str(), &template, &argument(&desk.path("out/../cutover.env"))] {
        let ended = run(&desk, &flags, &["--output-json", json]).with_code(2);
        assert!(ended.error().contains("would take the place of"), "{}", ended.stderr);
    }
    assert_eq!(desk.read("cutover.env"), CUTOVER);
    symlink(desk.path("rollback.env"), desk.path("out/page.md")).expect("a link of ours");
    let ended = run(&desk, &flags, &[]).with_code(2);
    assert!(ended.error().starts_with("error: "), "{}", ended.stderr);
    assert_eq!(desk.read("rollback.env"), ROLLBACK);
    fs::remove_file(desk.path("out/page.md")).expect("the link");
    fs::create_dir(desk.path("out/page.md")).expect("a folder of ours");
    let ended = run(&desk, &flags, &[]).with_code(2);
    assert!(ended.error().contains("expected a regular file"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(desk.path("out")).expect("the folder").count(), 1);
}
