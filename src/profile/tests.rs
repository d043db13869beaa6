//! What a profile says. What it is told where it is wrong: see `messages`.

use super::samples::{PROBES, SHOP, night, parse};
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
fn a_cutover_is_read_whole() {
    use crate::model::readiness::SliSource;
    use crate::model::watch::OnNoData;
    use switch::MarkSource;
    let profile = parse(&night()).unwrap();
    assert_eq!(profile.warnings, []);
    let (seconds, millis) = (Duration::from_secs, Duration::from_millis);

    let cutover = profile.cutover.unwrap();
    assert_eq!(cutover.cutover_template.as_deref(), Some("cutover.env"));
    assert_eq!((cutover.step_timeout, cutover.rehearsal_watch), (seconds(300), seconds(10)));
    assert!(!cutover.enforce_window);
    assert_eq!(cutover.at.to_string(), "gates/x.toml:56:2");

    let [start, precheck] = profile.steps.as_slice() else { panic!("{:?}", profile.steps) };
    assert_eq!(
        (start.name.as_str(), start.timeout, start.background),
        ("start_new_core_engine", Some(seconds(60)), true)
    );
    let ready = start.ready.as_ref().unwrap();
    assert_eq!(ready.condition, Condition::parse("alive == true and latency_ms < 500ms").unwrap());
    assert_eq!((ready.measure.probe.name(), ready.measure.timeout), ("redis_ping", seconds(5)));
    assert_eq!(ready.measure.uses, ["redis"]);
    assert_eq!(start.at.to_string(), "gates/x.toml:62:8");
    assert!(!precheck.background && precheck.ready.is_none());

    let gate = profile.switch_gate.unwrap();
    assert_eq!(gate.measure.unwrap().uses, ["redis"]);
    let marks: Vec<_> = gate.marks.iter().map(|mark| (mark.name.as_str(), &mark.from, mark.within)).collect();
    let value = MarkSource::Value("latency_ms".to_owned());
    let output = MarkSource::Output("settled at=(?<at>\\S+)".to_owned());
    assert_eq!(
        marks,
        [
            ("login", &value, seconds(30)),
            ("settlement", &output, seconds(40)),
            ("instruments", &value, seconds(60))
        ]
    );

    let watch = profile.watch.unwrap();
    assert_eq!((watch.interval, watch.max_age), (millis(500), millis(1500)));
    let sources: Vec<_> = watch.sources.iter().map(|(name, of)| (name.as_str(), of.timeout)).collect();
    assert_eq!(sources, [("shop", millis(500)), ("topics", millis(400))]);
    assert_eq!(watch.sources[1].1.with.texts("topics"), ["shop.orders.v1"]);
    let [latency, absent] = watch.metrics.as_slice() else { panic!("{:?}", watch.metrics) };
    assert_eq!((latency.source.as_str(), latency.value.as_str()), ("shop", "latency_ms"));
    assert_eq!(latency.expect, Condition::parse("order_latency_p99_ms < 500ms for 5s").ok());
    assert_eq!(
        (latency.failure_limit, latency.inconclusive_limit, latency.consecutive_error_limit),
        (3, 0, 4)
    );
    assert_eq!(
        (latency.on_no_data, latency.warmup, latency.activity),
        (OnNoData::Rollback, seconds(0), false)
    );
    assert_eq!((absent.value.as_str(), absent.on_no_data), ("absent", OnNoData::Hold));
    assert_eq!((absent.warmup, absent.activity), (seconds(10), true));

    let readiness = profile.readiness.unwrap();
    let [latency, redis] = readiness.slis.as_slice() else { panic!("{readiness:?}") };
    assert_eq!((readiness.service.as_str(), latency.target, redis.target), ("web_shop", Some(1500.0), None));
    let SliSource::Measured { gate, value, at } = &latency.from else { panic!("{latency:?}") };
    assert_eq!((gate.as_str(), value.as_deref()), ("redis-ping", Some("latency_ms")));
    assert_eq!(at.to_string(), "gates/x.toml:126:8");
    assert!(matches!(&redis.from, SliSource::Measured { value: None, .. }), "{redis:?}");
}

#[test]
fn a_profile_without_a_cutover_has_none() {
    let profile = parse(SHOP).unwrap();
    assert!(profile.cutover.is_none() && profile.steps.is_empty() && profile.switch_gate.is_none());
    assert!(profile.watch.is_none() && profile.readiness.is_none());
}

#[test]
fn a_service_may_be_started_by_a_command() {
    let text = format!("{}\n[services.core]\nkind = \"prometheus\"\nstart = \"serve --port 0\"\n", night());
    let services = parse(&text).unwrap().services;
    assert_eq!(services[2].from, Engine::Command("serve --port 0".to_owned()));
}

#[test]
fn what_a_cutover_uses_is_used() {
    let core = "\n[services.core]\nkind = \"prometheus\"\n[services.front]\nkind = \"http\"\n";
    let ready = "ready = \"alive == true\"\nprobe = \"http\"\nuses = [\"core\"]";
    let start = format!("\n[[step]]\nname = \"start_new_strategy_runner\"\nbackground = true\n{ready}\n");
    let warnings = parse(&format!("{}{core}{start}", night())).unwrap().warnings;
    let told: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(told, ["nothing uses service `front`"]);
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
fn a_service_that_nothing_uses_is_a_warning() {
    let text = format!("{SHOP}\n[services.spare]\nkind = \"http\"\n");
    let warnings = parse(&text).unwrap().warnings;
    insta::assert_snapshot!(Faults(warnings).to_string(), @"
    gates/x.toml:56:11: nothing uses service `spare`
        [services.spare]
                  ^^^^^
    ");
}
