use super::*;
use proptest::prelude::*;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The runbook's own page.
const PAGE: &str = r#"# CTP One-Shot Cutover Checklist

Generated at: 2026-02-12T06:30:25.676550+00:00
Environment: single-host-ubuntu
Cutover window(local): 2026-02-13T09:00:00+08:00
CTP config: `configs/prod/ctp.yaml`

## 1) Pre-Cutover (T-30min)

- [ ] Stop old core engine

```bash
systemctl stop quant-hft-core-engine.service
```

- [ ] Stop old strategy runner

```bash
systemctl stop quant-hft-strategy-runner.service
```

- [ ] Precheck readiness evidence

```bash
python3 scripts/ops/run_ctp_readiness_evidence.py --output-json docs/results/ctp_readiness_precheck.json --environment single-host-ubuntu --query-latency-ms 1200 --flow-control-hits 1 --disconnect-recovery-success-rate 1.0 --reject-classified-ratio 1.0 --core-process-alive true --redis-health healthy --timescale-health healthy --strategy-bridge-chain-status complete
```

- [ ] Bootstrap infra and initialize schemas/topics

```bash
bash scripts/infra/bootstrap_prodlike.sh --profile single-host --compose-file infra/docker-compose.single-host.yaml --project-name quant-hft-single-host --env-file infra/env/prodlike.env --execute --output-file docs/results/single_host_bootstrap_result.env
bash scripts/infra/init_kafka_topics.sh --compose-file infra/docker-compose.single-host.yaml --project-name quant-hft-single-host --env-file infra/env/prodlike.env --execute --output-file docs/results/kafka_topic_init_result.env
bash scripts/infra/init_clickhouse_schema.sh --compose-file infra/docker-compose.single-host.yaml --project-name quant-hft-single-host --env-file infra/env/prodlike.env --execute --output-file docs/results/clickhouse_schema_init_result.env
bash scripts/infra/init_debezium_connectors.sh --connect-url http://kafka-connect:8083 --execute --output-file docs/results/debezium_connector_init_result.env
```

## 2) Cutover Window

- [ ] Start new core engine

```bash
./build/core_engine configs/prod/ctp.yaml
```

- [ ] Start new strategy runner

```bash
python3 scripts/strategy/run_ctp_strategy.py --config configs/prod/ctp.yaml
```

- [ ] Warmup query and settlement verification

```bash
./build/simnow_probe configs/prod/ctp.yaml --monitor-seconds 30
```

## 3) Post-Cutover 30 Minutes Watch

- [ ] order_latency_p99_ms
- [ ] breaker_state
- [ ] query_rate_violation
- [ ] reconnect_p99_s
- [ ] kafka_lag_ms
- [ ] clickhouse_ingest_delay_ms

- [ ] Persist cutover evidence to:

`docs/results/ctp_cutover_result.env`

## 4) Rollback Drill Template

Trigger condition:
- `order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s`

- [ ] Stop new stack

```bash
systemctl stop quant-hft-core-engine.service
systemctl stop quant-hft-strategy-runner.service
```

- [ ] Restore previous binaries and compat bridge

```bash
rsync -av /opt/quant_hft/releases/previous/ /opt/quant_hft/current/
python3 scripts/ops/fake_redis_bridge_server.py --host 127.0.0.1 --port 6379
```

- [ ] Start previous stack

```bash
./build/core_engine configs/prod/ctp.yaml
python3 scripts/strategy/run_strategy.py --config configs/prod/ctp.yaml
```

- [ ] Validate rollback health

```bash
python3 scripts/ops/run_ctp_readiness_evidence.py --output-json docs/results/ctp_readiness_rollback.json --environment single-host-ubuntu --query-latency-ms 1200 --flow-control-hits 1 --disconnect-recovery-success-rate 1.0 --reject-classified-ratio 1.0 --core-process-alive true --redis-health healthy --timescale-health healthy --strategy-bridge-chain-status complete
```

- [ ] Rollback must finish within `180` seconds.
- [ ] Persist rollback evidence to `docs/results/ctp_rollback_result.env`.
"#;

fn of_runbook() -> Checklist<'static> {
    let readiness = |output: &str| {
        Cow::Owned(format!(
            "python3 scripts/ops/run_ctp_readiness_evidence.py --output-json {output} --environment single-host-ubuntu \
             --query-latency-ms 1200 --flow-control-hits 1 --disconnect-recovery-success-rate 1.0 \
             --reject-classified-ratio 1.0 --core-process-alive true --redis-health healthy \
             --timescale-health healthy --strategy-bridge-chain-status complete"
        ))
    };
    let compose = "--compose-file infra/docker-compose.single-host.yaml --project-name quant-hft-single-host \
                   --env-file infra/env/prodlike.env --execute";
    let infra = |script: &str, flags: &str, output: &str| {
        Cow::Owned(format!(
            "bash scripts/infra/{script}.sh {flags} --output-file docs/results/{output}_result.env"
        ))
    };
    let keys =
        ["order_latency_p99_ms", "breaker_state", "query_rate_violation", "reconnect_p99_s", "kafka_lag_ms"];
    let stop =
        ["systemctl stop quant-hft-core-engine.service", "systemctl stop quant-hft-strategy-runner.service"];
    let core = "./build/core_engine configs/prod/ctp.yaml";
    Checklist {
        generated: Stamp::from_millis(1_770_877_825_676),
        environment: "single-host-ubuntu".into(),
        window: "2026-02-13T09:00:00+08:00".into(),
        config_path: "configs/prod/ctp.yaml".into(),
        old_core_stop: stop[0].into(),
        old_runner_stop: stop[1].into(),
        precheck: readiness("docs/results/ctp_readiness_precheck.json"),
        bootstrap: [
            infra("bootstrap_prodlike", &format!("--profile single-host {compose}"), "single_host_bootstrap"),
            infra("init_kafka_topics", compose, "kafka_topic_init"),
            infra("init_clickhouse_schema", compose, "clickhouse_schema_init"),
            infra(
                "init_debezium_connectors",
                "--connect-url http://kafka-connect:8083 --execute",
                "debezium_connector_init",
            ),
        ],
        new_core_start: core.into(),
        new_runner_start: "python3 scripts/strategy/run_ctp_strategy.py --config configs/prod/ctp.yaml"
            .into(),
        warmup: "./build/simnow_probe configs/prod/ctp.yaml --monitor-seconds 30".into(),
        minutes: "30".into(),
        monitor_keys: keys.into_iter().chain(["clickhouse_ingest_delay_ms"]).map(Cow::Borrowed).collect(),
        cutover_output: "docs/results/ctp_cutover_result.env".into(),
        trigger: "order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s".into(),
        new_stop: stop.map(Cow::Borrowed),
        restore: [
            "rsync -av /opt/quant_hft/releases/previous/ /opt/quant_hft/current/".into(),
            "python3 scripts/ops/fake_redis_bridge_server.py --host 127.0.0.1 --port 6379".into(),
        ],
        previous_start: [
            core.into(),
            "python3 scripts/strategy/run_strategy.py --config configs/prod/ctp.yaml".into(),
        ],
        validate: readiness("docs/results/ctp_readiness_rollback.json"),
        max_seconds: "180".into(),
        rollback_output: "docs/results/ctp_rollback_result.env".into(),
    }
}

#[test]
fn the_page_is_the_runbooks_byte_for_byte() {
    // Its tool wrote microseconds.
    let page = PAGE.replace(".676550+", ".676+");
    assert_eq!(checklist(&of_runbook()), page);
}

#[test]
fn only_what_would_break_a_span_or_a_fence_gets_more_marks() {
    assert_eq!(code("a"), "`a`");
    assert_eq!(code("a `b` c"), "``a `b` c``");
    assert_eq!(code("`date`"), "`` `date` ``");
    let mut list = of_runbook();
    list.warmup = "echo `date`".into();
    assert!(checklist(&list).contains("\n```bash\necho `date`\n```\n"));
    list.warmup = "echo ```x".into();
    assert!(checklist(&list).contains("\n````bash\necho ```x\n````\n"));
    assert_eq!(plain("order_latency_p99_ms"), "order_latency_p99_ms");
    assert_eq!(plain("*a* _b_ <c> [d]"), r"\*a\* \_b\_ \<c\> \[d\]");
}

/// Every block of commands, every code span, and all other text, as a reader of CommonMark has them.
#[derive(Default, Debug)]
struct Reading {
    blocks: Vec<String>,
    spans: Vec<String>,
    lines: Vec<String>,
    other: usize,
}

fn reading(page: &str) -> Reading {
    let mut read = Reading::default();
    let (mut block, mut line) = (None::<String>, String::new());
    for event in Parser::new(page) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => block = Some(String::new()),
            Event::End(TagEnd::CodeBlock) => read.blocks.extend(block.take()),
            Event::Text(text) => block.as_mut().unwrap_or(&mut line).push_str(&text),
            Event::Code(text) => read.spans.push(text.into_string()),
            Event::SoftBreak | Event::End(TagEnd::Item | TagEnd::Paragraph | TagEnd::Heading(_)) => {
                read.lines.push(std::mem::take(&mut line));
            }
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(None) | Tag::Heading { .. })
            | Event::End(TagEnd::List(false)) => {}
            _ => read.other += 1,
        }
    }
    read
}

/// A value as a template can hold it: one line, trimmed, not empty; with what Markdown minds more often than not.
fn value() -> impl Strategy<Value = String> {
    let minded = prop::sample::select(vec![
        "`", "``", "```", "~~~", "*", "_", "[", "](x)", "<b>", "&amp;", "\\", "#", "$x", " ", "\t", "- ", "!",
    ]);
    let piece = prop_oneof![minded.prop_map(str::to_owned), "[a-z0-9_./-]{1,6}", "\\PC{1,3}"];
    let text = prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat().trim().to_owned());
    text.prop_filter("templates refuse it", |text| {
        !text.is_empty()
            && !text.contains(|c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}'))
    })
}

proptest! {
    #[test]
    fn a_reader_gets_every_value_back(values in prop::collection::vec(value(), 8)) {
        let mut list = of_runbook();
        let plain_text = |text: &String| text.replace('\t', " ");
        list.environment = plain_text(&values[0]).into();
        list.config_path = values[1].clone().into();
        list.warmup = values[2].clone().into();
        list.new_stop = [values[3].clone().into(), values[4].clone().into()];
        list.trigger = values[5].clone().into();
        list.cutover_output = values[6].clone().into();
        list.rollback_output = values[7].clone().into();
        let page = checklist(&list);
        let read = reading(&page);
        prop_assert_eq!(read.other, 0, "{}", page);
        let lines = |commands: &[Cow<'_, str>]| commands.iter().map(|it| format!("{it}\n")).collect::<String>();
        let one = std::slice::from_ref;
        let blocks = [
            lines(one(&list.old_core_stop)), lines(one(&list.old_runner_stop)), lines(one(&list.precheck)),
            lines(&list.bootstrap), lines(one(&list.new_core_start)), lines(one(&list.new_runner_start)),
            lines(one(&list.warmup)), lines(&list.new_stop), lines(&list.restore), lines(&list.previous_start),
            lines(one(&list.validate)),
        ];
        prop_assert_eq!(&read.blocks[..], &blocks[..], "{}", page);
        let spans = [&list.config_path, &list.cutover_output, &list.trigger, &list.max_seconds, &list.rollback_output];
        prop_assert_eq!(&read.spans, &spans.map(|span| span.to_string()), "{}", page);
        let environment = format!("Environment: {}", list.environment);
        prop_assert!(read.lines.contains(&environment), "{:?} in {}", read.lines, page);
    }
}
