use super::*;
use crate::evidence::sample::{Sample, gate, id, number, observation};
use crate::model::{Event, ServiceKind};
use proptest::prelude::*;

fn told(sample: &Sample) -> String {
    let records = sample.records();
    let text = summary(
        &RunView::of(&records).unwrap(),
        Path::new("evidence/20261122T194103Z-rehearse-4f7k2q"),
        false,
    );
    assert!(text.lines().count() <= HEIGHT, "{} lines:\n{text}", text.lines().count());
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "too wide: {line}");
        assert!(!line.contains(char::is_control));
    }
    text
}

/// A run of gates named as those of a real profile are.
fn run_of(gates: usize) -> Sample {
    let name = |at: usize| format!("clickhouse-table-{at:02}");
    let mut sample = Sample::new((0..gates).map(|at| gate(&name(at), "clickhouse_schema")).collect());
    sample.service("redis", ServiceKind::Redis, Some("redis:7.2-alpine"));
    sample.service("kafka", ServiceKind::Kafka, Some("redpandadata/redpanda:v24.2.7"));
    sample.ready("redis", ServiceKind::Redis, "Redis 6.2.14", Some("another version"));
    sample.ready("kafka", ServiceKind::Kafka, "Kafka 4.3.1", Some("another product"));
    sample
}

fn names(sample: &Sample) -> Vec<String> {
    sample.started.gates.iter().map(|gate| gate.id.to_string()).collect()
}

#[test]
fn a_good_run_has_a_line_for_each_gate() {
    let mut sample = run_of(3);
    for name in names(&sample) {
        sample.end_with(&name, Verdict::Passed, "", |ended| {
            ended.observations = vec![
                number("tables", 6.0, "count"),
                number("delay_ms", 12.3456, "ms"),
                number("hit_ratio", 0.5, "ratio"),
                observation("engine", Reading::text("MergeTree")),
                observation("reachable", Reading::bool(true)),
            ];
        });
    }
    insta::assert_snapshot!(told(sample.done()), @r"
    rehearse  single-host-ubuntu (embedded)  20261122T194103Z-rehearse-4f7k2q
    ✓ infra::clickhouse-table-00  6 tables, delay 12.346 ms, hit_ratio 0.5,…  0.08 s
    ✓ infra::clickhouse-table-01  6 tables, delay 12.346 ms, hit_ratio 0.5,…  0.08 s
    ✓ infra::clickhouse-table-02  6 tables, delay 12.346 ms, hit_ratio 0.5,…  0.08 s
    ~ kafka: Kafka 4.3.1 stands for redpandadata/redpanda:v24.2.7
    ~ redis: Redis 6.2.14 stands for redis:7.2-alpine
    evidence  evidence/20261122T194103Z-rehearse-4f7k2q  (junit.xml, summary.json)
    PASSED 3 of 3 gates in 6.4 s
    ");
}

#[test]
fn a_run_of_25_gates_fits_a_screen_whatever_came_of_them() {
    for red in [0, 1, 4, 9, 25] {
        let mut sample = run_of(25);
        for (at, name) in names(&sample).iter().enumerate() {
            let verdict = if at < red { [Verdict::Failed, Verdict::Error][at % 2] } else { Verdict::Passed };
            sample.end(
                name,
                verdict,
                if at < red { "expected table_count == 6, and seen 5: market_ticks is missing" } else { "" },
            );
        }
        let text = told(sample.done());
        let listed =
            text.lines().filter(|line| line.starts_with("✗ ") || line.starts_with("! infra")).count();
        assert!(listed >= red.min(14), "{text}");
        if red == 4 {
            insta::assert_snapshot!(text, @r"
            rehearse  single-host-ubuntu (embedded)  20261122T194103Z-rehearse-4f7k2q
            ✓ 21 gates passed
            ✗ infra::clickhouse-table-00  failed  0.08 s
                expected table_count == 6, and seen 5: market_ticks is missing
                gates/single-host.toml:42
            ✗ infra::clickhouse-table-02  failed  0.08 s
                expected table_count == 6, and seen 5: market_ticks is missing
                gates/single-host.toml:42
            ! infra::clickhouse-table-01  error  0.08 s
                expected table_count == 6, and seen 5: market_ticks is missing
                gates/single-host.toml:42
            ! infra::clickhouse-table-03  error  0.08 s
                expected table_count == 6, and seen 5: market_ticks is missing
                gates/single-host.toml:42
            ~ kafka: Kafka 4.3.1 stands for redpandadata/redpanda:v24.2.7
            ~ redis: Redis 6.2.14 stands for redis:7.2-alpine
            evidence  evidence/20261122T194103Z-rehearse-4f7k2q  (junit.xml, summary.json)
            FAILED 21 of 25 gates passed, 2 failed, 2 error in 6.4 s
            ");
        }
    }
}

#[test]
fn a_large_run_lists_what_did_not_pass_and_counts_the_rest() {
    for (red, listed) in [(0, 0), (6, 6), (400, 14)] {
        let mut sample = run_of(1_000);
        for (at, name) in names(&sample).iter().enumerate() {
            sample.end(name, if at < red { Verdict::Failed } else { Verdict::Passed }, "no");
        }
        let text = told(sample.done());
        assert!(text.contains(&format!("✓ {} gates passed\n", 1_000 - red)), "{text}");
        assert!(text.matches("✗ ").count() >= listed, "{text}");
        let more = 400 - text.matches("✗ ").count();
        assert_eq!(text.contains(&format!("… and {more} more that did not pass")), red == 400, "{text}");
    }
}

#[test]
fn what_is_red_says_why_and_where_and_the_worst_comes_first() {
    let mut sample = Sample::new(
        ["kafka-up", "topics", "lag", "cdc", "ticks", "optional"].map(|name| gate(name, "x")).to_vec(),
    );
    sample.started.gates[5].required = false;
    sample.service("kafka", ServiceKind::Kafka, None);
    sample.event(Event::ServiceFailed {
        service: "kafka".to_owned(),
        reason: "the port is taken".to_owned(),
        took_ms: 3.0,
    });
    sample.end("kafka-up", Verdict::Passed, "");
    sample.end_with("topics", Verdict::Error, "expected an answer from localhost:9092 within 5 s, and there was none; is the broker up? \u{1b}[31mlook\nat its log", |ended| ended.attempts = 3);
    sample.end("lag", Verdict::Inconclusive, "expected lag_ms < 500, and there were no records");
    sample.end("cdc", Verdict::Skipped, "blocked: needs `topics`, which could not be measured");
    sample.end("ticks", Verdict::Failed, "expected delay_ms < 500, seen 900 ms");
    sample.end("optional", Verdict::Failed, "expected x == 1, seen 2");
    insta::assert_snapshot!(told(sample.done()), @r"
    rehearse  single-host-ubuntu (embedded)  20261122T194103Z-rehearse-4f7k2q
    ✓ infra::kafka-up                                                         0.08 s
    ✗ infra::ticks  failed  0.08 s
        expected delay_ms < 500, seen 900 ms  (gates/single-host.toml:42)
    ✗ infra::optional  failed (not required)  0.08 s
        expected x == 1, seen 2  (gates/single-host.toml:42)
    ! infra::topics  error after 3 attempts  0.08 s
        expected an answer from localhost:9092 within 5 s, and there was none; is
        the broker up? \u{1b}[31mlook\nat its log  (gates/single-host.toml:42)
    ? infra::lag  inconclusive  0.08 s
        expected lag_ms < 500, and there were no records
        gates/single-host.toml:42
    - infra::cdc  skipped: blocked: needs `topics`, which could not be measured
    ! kafka is not there: the port is taken
    evidence  evidence/20261122T194103Z-rehearse-4f7k2q  (junit.xml, summary.json)
    FAILED 1 of 6 gates passed, 2 failed, 1 error, 1 inconclusive, 1 skipped in 6.4
    s
    ");
}

#[test]
fn a_gate_that_passed_on_retry_is_told_with_its_attempts() {
    let mut sample = Sample::new(vec![gate("lag", "kafka_lag"), gate("ping", "redis_ping")]);
    sample.flaky("lag", 3).end("ping", Verdict::Passed, "").done();
    insta::assert_snapshot!(told(&sample), @r"
    rehearse  single-host-ubuntu (embedded)  20261122T194103Z-rehearse-4f7k2q
    ✓ infra::ping                                                             0.08 s
    ↻ infra::lag  passed at attempt 3  0.08 s
        attempt 1 failed after 0.01 s: not yet
        attempt 2 failed after 0.01 s: not yet
    evidence  evidence/20261122T194103Z-rehearse-4f7k2q  (junit.xml, summary.json)
    PASSED 2 of 2 gates in 6.4 s, 1 on retry
    ");
    sample.started.fail_on_flaky = true;
    let text = told(&sample);
    let last = text.lines().last().unwrap();
    assert_eq!(last, "FAILED 2 of 2 gates passed, 1 on retry (--fail-on-flaky) in 6.4 s");
}

#[test]
fn the_last_line_says_what_the_run_is_worth() {
    let last = |sample: &Sample| told(sample).lines().last().unwrap().to_owned();
    let two = || Sample::new(vec![gate("one", "tcp"), gate("two", "tcp")]);
    let mut lines = Vec::new();
    let mut sample = two();
    lines.push(last(sample.end("one", Verdict::Passed, "")));
    lines.push(last(sample.end("two", Verdict::Passed, "").done()));
    sample = two();
    sample.started.gates[1].required = false;
    lines.push(last(sample.end("one", Verdict::Passed, "").end("two", Verdict::Failed, "no").done()));
    sample = two();
    sample.started.not_selected.insert(id("two"));
    lines.push(last(
        sample.end("one", Verdict::Passed, "").end("two", Verdict::Skipped, "not selected").done(),
    ));
    sample = two();
    sample.started.not_selected.insert(id("two"));
    lines.push(last(sample.end("one", Verdict::Failed, "no").done()));
    sample = two();
    sample.started.dry_run = true;
    lines.push(last(sample.end("one", Verdict::Skipped, "dry").end("two", Verdict::Skipped, "dry").done()));
    sample = two();
    sample.event(Event::Interrupted { by: "SIGINT".to_owned() });
    lines.push(last(
        sample.end("one", Verdict::Passed, "").end("two", Verdict::Skipped, "interrupted").done(),
    ));
    lines.push(last(Sample::new(vec![]).done()));
    insta::assert_snapshot!(lines.join("\n"), @r"
    UNFINISHED after 0.10 s: 1 of 2 gates passed, 1 skipped
    PASSED 2 of 2 gates in 6.4 s
    PASSED 1 of 2 gates in 6.4 s (not required: 1 failed)
    PARTIAL 1 of 1 gates passed, 1 not selected, in 6.4 s: signs nothing off
    FAILED (PARTIAL) 0 of 1 gates passed, 1 failed in 6.4 s
    DRY RUN 2 gates simulated: nothing was touched or measured
    INTERRUPTED by SIGINT after 6.4 s: 1 of 2 gates passed, 1 skipped
    FAILED 0 of 0 gates passed in 6.4 s
    ");
}

#[test]
fn colour_is_only_where_it_was_asked_for() {
    let mut sample = run_of(1);
    sample.end("clickhouse-table-00", Verdict::Passed, "").done();
    let records = sample.records();
    let painted = summary(&RunView::of(&records).unwrap(), Path::new("evidence"), true);
    assert!(painted.contains("\u{1b}[32m✓ infra::clickhouse-table-00"), "{painted}");
}

proptest! {
    #[test]
    fn any_text_fits_and_escapes_nothing_to_the_terminal(texts in prop::array::uniform5(any::<String>()), gates in 0usize..40) {
        let [reason, environment, file, service, source] = texts;
        let mut sample = run_of(gates);
        sample.started.environment = environment;
        sample.service(&service, ServiceKind::Http, None);
        sample.event(Event::ServiceFailed { service, reason: reason.clone(), took_ms: 0.0 });
        for (at, name) in names(&sample).iter().enumerate() {
            sample.started.gates[at].at.file = file.clone();
            sample.end_with(name, Verdict::ALL[at % 5], &reason, |ended| {
                ended.observations = vec![observation(&source, Reading::text(source.clone()))];
            });
        }
        told(sample.done());
    }
}
