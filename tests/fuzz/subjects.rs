//! What is fuzzed: readers of bytes that anybody may have written. Each takes any bytes and must neither panic nor
//! hang; where something was read, what is said of it must hold. `cargo fuzz` calls these with what it makes up,
//! tests/fuzz_corpus.rs with what it found.

use cutproof::condition::{Condition, MAX_LENGTH, Sample, Tracker, Value};
use cutproof::evidence::{Env, RunView, documents, verdict};
use cutproof::journal::{self, Digest, End, Record, Records};
use cutproof::model::units::{Quantity, Unit};
use cutproof::model::{Event, Stamp};
use cutproof::template;
use cutproof::verify::{Level, Mode, Rules, Source, verify};
use std::path::Path;
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
    let mut rules =
        Rules { level: Level::Strict, mode: Mode::Cutover, allow_dry_run: true, max_rollback, since: None };
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
