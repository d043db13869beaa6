//! What is fuzzed: readers of bytes that anybody may have written. Each takes any bytes and must neither panic nor
//! hang; where something was read, what is said of it must hold. `cargo fuzz` calls these with what it makes up,
//! tests/fuzz_corpus.rs with what it found.

use cutproof::condition::{Condition, MAX_LENGTH, Sample, Tracker, Value};
use cutproof::evidence::{Env, RunView, documents, verdict};
use cutproof::journal::{self, Digest, End, Record, Records};
use cutproof::model::units::{Quantity, Unit};
use cutproof::model::{Event, Stamp};
use cutproof::policy;
use cutproof::sign::{Algorithm, Envelope, PrivateKey, PublicKey, Statement};
use cutproof::template;
use cutproof::verify::{Level, Mode, Rules, Source, bundle, verify};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// `KEY=VALUE` files: read, written, read again; as templates; and as a cutover's and a rollback's evidence.
pub fn env(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let env = Env::parse(&text);
    for entry in env.entries() {
        assert!(env.entry(&entry.key).is_some(), "a key that was read is found");
        assert!(entry.line >= 1 && entry.line <= text.split('\n').count());
    }
    for kind in [template::Kind::Cutover, template::Kind::Rollback] {
        // What is wrong with it is for the person who wrote it.
        let _ = template::Template::parse(kind, Path::new("fuzzed.env"), &text);
    }
    let (cutover, rollback) = text.split_once("\n---\n").unwrap_or((&text, &text));
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: Ok(text.to_owned()) };
    let (cutover, rollback) = (source("cutover.env", cutover), source("rollback.env", rollback));
    let Ok(max_rollback) = "180".parse() else { return };
    let mut rules = Rules {
        level: Level::Strict,
        mode: Mode::Cutover,
        allow_dry_run: true,
        allow_partial: false,
        fail_on_flaky: false,
        max_rollback,
        since: None,
    };
    for mode in [Mode::Cutover, Mode::CutoverOrRollback, Mode::RollbackDrill] {
        (rules.mode, rules.level) = (mode, Level::Strict);
        let strict = verify(&cutover, &rollback, &rules);
        rules.level = Level::Contract;
        let contract = verify(&cutover, &rollback, &rules);
        assert!(contract.passed() || !strict.passed(), "what the contract refuses is never strictly right");
    }
}

/// Journals: as bytes; and, since no fuzzer guesses a checksum, as events of a journal whose chain holds.
pub fn journal(data: &[u8]) {
    if let Ok(records) = journal::read_from(data) {
        project(&records);
    }
    let lines = data.split(|byte| *byte == b'\n');
    let events = lines.filter_map(|line| serde_json::from_slice::<Event>(line).ok());
    let entries: Vec<_> = (1u64..)
        .zip(events)
        .map(|(seq, event)| Record { seq, at: Stamp::from_millis(seq.cast_signed() * 1000), event })
        .collect();
    let finished = matches!(entries.last().map(|record| &record.event), Some(Event::RunEnded { .. }));
    let end = if finished { End::Finished } else { End::Unfinished };
    project(&Records { entries, head: Digest::of(data), end });
}

fn project(records: &Records) {
    let Ok(view) = RunView::of(records) else { return };
    let worth = verdict(&view);
    assert_eq!(worth.verdict.is_fine(), worth.reasons.is_empty(), "a run that is not fine says why");
    // A run without an end may pass by no projection.
    if view.ended.is_none() {
        assert!(!worth.verdict.is_fine());
    }
    // A text that no projection can hold is refused, never panicked over.
    let _ = documents(&view);
}

/// Conditions: read, printed, read again, judged at a moment and over time.
pub fn condition(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(condition) = Condition::parse(&text) else { return };
    let printed = condition.to_string();
    // A runbook's label grows when it is printed as an expression.
    if printed.len() <= MAX_LENGTH {
        assert!(Condition::parse(&printed).as_ref() == Ok(&condition), "what is printed means the same");
    }
    condition.check(&|_| None, &["order_latency_p99_ms", "breaker_state"]);
    let samples = [
        Sample::Missing,
        Sample::NoEvents,
        Sample::Value(Value::Bool(true)),
        Sample::Value(Value::Text("RUNNING".to_owned())),
        Sample::Value(Value::Number(Quantity::new(f64::NAN, Unit::Millisecond))),
        Sample::Value(Value::Number(Quantity::new(6.0, Unit::Millisecond))),
    ];
    let mut tracker = Tracker::new(condition.clone(), Duration::from_secs(5));
    for (second, sample) in samples.iter().enumerate() {
        let judged = condition.eval(&|_| sample.clone());
        assert_eq!(judged.is_err(), condition.needs_history());
        let at = Duration::from_secs(second as u64);
        assert!(tracker.observe(at, &|_| sample.clone()).is_ok(), "time went on");
    }
}

/// Manifests: of a folder that has no journal, so that none may ever pass.
pub fn manifest(data: &[u8]) {
    static FOLDER: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let Some(folder) = FOLDER.get_or_init(|| tempfile::tempdir().ok()) else { return };
    if std::fs::write(folder.path().join("manifest.json"), data).is_err() {
        return;
    }
    let (bundle, Ok(max_rollback)) = (bundle::open(folder.path()), "180".parse()) else { return };
    let rules = Rules {
        level: Level::Strict,
        mode: Mode::Cutover,
        allow_dry_run: true,
        allow_partial: true,
        fail_on_flaky: false,
        max_rollback,
        since: None,
    };
    assert!(bundle::judge(&bundle, &rules).class().is_some(), "a manifest alone proves nothing");
}

/// Envelopes, the statements in them, and keys.
pub fn envelope(data: &[u8]) {
    static KEY: OnceLock<Option<PrivateKey>> = OnceLock::new();
    let text = String::from_utf8_lossy(data);
    // What is no key is refused, and nothing of it is told.
    let _ = (PublicKey::from_pem(&text).is_ok(), PrivateKey::from_pem(&text).is_ok());
    if let Ok(statement) = Statement::parse(data) {
        let written = statement.to_payload().expect("a statement that was read can be written");
        assert!(Statement::parse(&written).is_ok_and(|again| again == statement));
    }
    let Ok(envelope) = Envelope::parse(data) else { return };
    let again = Envelope::parse(&envelope.to_json()).expect("what was read and written is an envelope");
    assert_eq!(again.payload(), envelope.payload());
    if let Some(key) = KEY.get_or_init(|| PrivateKey::generate(Algorithm::Ed25519).ok()) {
        let verified = envelope.verify(std::slice::from_ref(key.public()));
        assert!(verified.by.is_empty(), "a key that was made just now signed nothing");
    }
    if let Ok(statement) = envelope.statement() {
        let _ = (statement.role(), statement.is_about("00"));
    }
}

/// Policies: what is refused says where.
pub fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match policy::parse("fuzzed.toml", &text) {
        Ok(policy) => assert_eq!(policy.sha256, policy::digest(&text)),
        Err(faults) => assert!(faults.to_string().contains("fuzzed.toml"), "{faults}"),
    }
}
