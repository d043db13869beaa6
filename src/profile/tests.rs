//! What a profile says. What it is told where it is wrong: see `messages`.

use super::samples::{PROBES, SHOP, parse};
use super::*;
use crate::model::{Args, Phase, Retry};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_profile_is_read_whole() {
    let profile = parse(SHOP).unwrap();
    assert_eq!((profile.environment.as_str(), profile.about.as_str()), ("web-shop", "A shop."));
    let [redis, kafka] = profile.services.as_slice() else { panic!("{:?}", profile.services) };
    assert_eq!((redis.name.as_str(), redis.kind), ("redis", ServiceKind::Redis));
    assert_eq!(redis.endpoint.as_deref(), Some("localhost:6379"));
    assert_eq!(redis.password_env.as_deref(), Some("REDIS_PASSWORD"));
    assert_eq!((kafka.needs.as_slice(), &kafka.from), (&["redis".to_owned()][..], &Engine::Pinned));
    let [ping, answers, topics, init] = profile.gates.as_slice() else { panic!("{:?}", profile.gates) };
    assert_eq!(
        ping.gate.expect,
        Condition::parse("alive == true and latency_ms < 500 ms").unwrap().to_string()
    );
    assert_eq!(ping.gate.timeout, Duration::from_secs(5));
    assert_eq!(ping.gate.at.to_string(), "gates/x.toml:21:6");
    assert_eq!(ping.gate.tags, ["fast"]);
    assert_eq!(answers.gate.phase, Phase::Readiness);
    let retry = Retry { every: Duration::from_millis(200), within: Duration::from_secs(5) };
    assert_eq!(answers.gate.retry, Some(retry));
    assert_eq!(
        topics.gate.with,
        Args::new(json!({"topics": ["shop.orders.v1"], "partitions": 6}).as_object().unwrap().clone())
    );
    assert_eq!((topics.gate.timeout, topics.probe.name()), (Duration::from_secs(2), "kafka_topics"));
    assert!(init.gate.writes && init.gate.required && init.gate.retry.is_none());
    assert!(profile.warnings.is_empty());
}

#[test]
fn every_kind_of_setting_is_read_with_its_default() {
    let text = r#"
        environment = "x"
        [[gate]]
        id = "all"
        phase = "infra"
        probe = "every_kind"
        [gate.with]
        text = "t"
        truth = true
        count = 0b101
        number = 2
        size = "1.5KiB"
        texts = []
        map = { B = "2", A = "1" }
        pattern = "^a+$"
        table = { topic = "t" }
        tables = [{ topic = "u", partitions = 3 }]
    "#;
    let expected = json!({
        "text": "t", "choice": "latest", "truth": true, "count": 5, "number": 2, "pause": 1500, "size": 1536,
        "texts": [], "map": {"B": "2", "A": "1"}, "pattern": "^a+$",
        "table": {"topic": "t", "partitions": 6}, "tables": [{"topic": "u", "partitions": 3}]
    });
    assert_eq!(serde_json::to_value(&parse(text).unwrap().gates[0].gate.with).unwrap(), expected);
}

#[test]
fn a_gate_without_a_file_is_checked_the_same_way() {
    let probe = PROBES.iter().copied().find(|probe| probe.name() == "kafka_init").unwrap();
    let mut with = Args::default();
    with.set("topics", vec!["a"]);
    let kafka = || Service::new("kafka", ServiceKind::Kafka, Some("localhost:9092"));
    let gate = || GateDraft::new("init-kafka", Phase::Infra, probe, &with).unwrap().uses(["kafka"]);
    let profile = Profile::assemble("single-host", vec![kafka()], vec![gate()]).unwrap();
    assert_eq!(profile.gates[0].gate.at.file, COMMAND_LINE);
    assert_eq!(profile.gates[0].gate.with.texts("topics"), ["a"]);
    assert!(profile.gates[0].gate.writes);
    let fault = Profile::assemble("single-host", vec![], vec![gate()]).unwrap_err();
    insta::assert_snapshot!(fault.to_string(), @"command line: unknown service `kafka` in `uses` of gate `init-kafka`; there is none");
    let bad = GateDraft::new("x", Phase::Infra, probe, &Args::default()).err().unwrap();
    insta::assert_snapshot!(bad, @r#"probe `kafka_init`: `topics` is missing: expected a list of texts, such as ["a", "b"]"#);
}

#[test]
fn a_file_is_read_with_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    std::fs::write(&path, SHOP).unwrap();
    let profile = Profile::load_with(&path, PROBES).unwrap();
    let digest = profile.file.unwrap();
    assert_eq!(digest.path, path.to_str().unwrap());
    assert_eq!(digest.sha256.len(), 64);
    assert_eq!(profile.gates[0].gate.at.file, digest.path);
}

#[test]
fn the_profiles_of_this_repository_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let profiles: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(!profiles.is_empty());
    let mut told = Vec::new();
    for path in profiles {
        match Profile::load(&path) {
            Ok(profile) => told.extend(profile.warnings.iter().map(Fault::to_string)),
            Err(error) => told.push(error.to_string()),
        }
    }
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn a_service_that_no_gate_uses_is_a_warning() {
    let text = format!("{SHOP}\n[services.spare]\nkind = \"http\"\n");
    let warnings = parse(&text).unwrap().warnings;
    insta::assert_snapshot!(Faults(warnings).to_string(), @"
    gates/x.toml:56:11: no gate uses service `spare`
        [services.spare]
                  ^^^^^
    ");
}
