//! Folders of runs, sealed, and what their manifests say.

use super::*;
use crate::evidence::sample::{Sample, gate, kafka_init};
use crate::evidence::{RunView, sample_switch};
use crate::journal::{self, Digest, Journal};
use crate::model::event::{Partition, Provenance, RunStarted, Source};
use crate::model::{Clock, Event, Product, RunId, ServiceKind, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a run's journal into a folder of its own, with a summary beside it.
fn run(sample: &Sample, name: &str, runs: &Path) -> PathBuf {
    let folder = runs.join(name);
    fs::create_dir_all(&folder).unwrap();
    let journal = Journal::create(&folder, Clock::start()).unwrap();
    let started = RunStarted { run: RunId::from_text(name), ..sample.started.clone() };
    journal.append(&Event::RunStarted(Box::new(started))).unwrap();
    sample.events.iter().for_each(|event| journal.append(event).unwrap());
    fs::write(folder.join("summary.json"), "{}\n").unwrap();
    folder
}

fn passed() -> Sample {
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    sample.begin("redis-ping").end("redis-ping", Verdict::Passed, "").done();
    sample
}

fn provenance() -> Provenance {
    let source = Source { commit: "c0ffee".to_owned(), dirty: true, changed: vec!["src/a.rs".to_owned()] };
    Provenance { tool_sha256: Some("ab".repeat(32)), source: Some(source), unknown: Vec::new() }
}

#[test]
fn a_sealed_folder_has_a_manifest_of_every_file_of_it() {
    let root = tempfile::tempdir().unwrap();
    let mut sample = passed();
    sample.events.insert(0, Event::Provenance(Box::new(provenance())));
    sample.started.partition = Some(Partition { index: 2, total: 3, setup: Default::default() });
    let folder = run(&sample, "1-rehearse", root.path());
    let child = run(&passed(), "2-init", &folder.join("runs"));
    seal(&child).unwrap();
    fs::create_dir(folder.join("logs")).unwrap();
    fs::write(folder.join("logs/01-stop.log"), "secret").unwrap();
    let manifest = seal(&folder).unwrap();

    let read: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST_FILE)).unwrap()).unwrap();
    assert_eq!(read, manifest);
    let listed: Vec<_> = manifest.files.iter().map(|file| (file.path.as_str(), file.role)).collect();
    let expected = [
        ("journal.jsonl", Role::Journal),
        ("runs/2-init/journal.jsonl", Role::Journal),
        ("runs/2-init/manifest.json", Role::Manifest),
        ("runs/2-init/summary.json", Role::Projection),
        ("summary.json", Role::Projection),
    ];
    assert_eq!(listed, expected);
    for file in &manifest.files {
        let bytes = fs::read(folder.join(&file.path)).unwrap();
        assert_eq!((file.size, &file.sha256), (bytes.len() as u64, &Digest::of(&bytes).to_string()));
    }
    assert_eq!((manifest.run.as_str(), manifest.tool.sha256), ("1-rehearse", Some("ab".repeat(32))));
    assert_eq!(manifest.source.map(|source| source.commit).as_deref(), Some("c0ffee"));
    assert_eq!(manifest.partition.map(|partition| partition.index), Some(2));
    let heads: Vec<_> =
        manifest.journals.iter().map(|journal| (journal.path.as_str(), journal.entries)).collect();
    assert_eq!(heads, [("journal.jsonl", 5), ("runs/2-init/journal.jsonl", 4)]);
    let own = journal::read(&folder.join(journal::FILE)).unwrap();
    assert_eq!(manifest.journals[0].head, own.head.to_string());
    assert!(manifest.completed.is_some());
}

#[test]
fn sealing_again_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(&passed(), "1-rehearse", root.path());
    seal(&folder).unwrap();
    let first = fs::read(folder.join(MANIFEST_FILE)).unwrap();
    seal(&folder).unwrap();
    assert_eq!(fs::read(folder.join(MANIFEST_FILE)).unwrap(), first);
}

#[test]
fn what_is_no_file_is_named_and_nothing_is_sealed() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(&passed(), "1-rehearse", root.path());
    fs::create_dir(folder.join("release")).unwrap();
    std::os::unix::fs::symlink("v2", folder.join("release/current")).unwrap();
    let told = seal(&folder).unwrap_err().to_string();
    assert!(told.contains("release/current is a symbolic link"), "{told}");
    assert!(!folder.join(MANIFEST_FILE).exists());
}

#[test]
fn a_folder_without_a_run_is_not_sealed() {
    let root = tempfile::tempdir().unwrap();
    run(&passed(), "1-init", &root.path().join("runs"));
    assert!(matches!(seal(root.path()), Err(SealError::NoRun(_))));
    fs::write(root.path().join(journal::FILE), "").unwrap();
    assert!(matches!(seal(root.path()), Err(SealError::NoRun(_))));
    fs::write(root.path().join(journal::FILE), "not a journal\n").unwrap();
    assert!(matches!(seal(root.path()), Err(SealError::Journal(_))));
}

#[test]
fn a_run_within_that_was_killed_before_its_first_entry_is_files_only() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(&passed(), "1-cutover", root.path());
    fs::create_dir_all(folder.join("runs/2-init")).unwrap();
    fs::write(folder.join("runs/2-init/journal.jsonl"), r#"{"v":1,"se"#).unwrap();
    let manifest = seal(&folder).unwrap();
    assert_eq!(manifest.journals.len(), 1);
    assert!(manifest.files.iter().any(|file| file.path == "runs/2-init/journal.jsonl"));
}

#[test]
fn a_cluster_is_bound_as_it_was_found_last() {
    let ready = |sample: &mut Sample, facts: &[(&str, &str)], product: Option<&str>| {
        sample.ready("kafka", ServiceKind::Kafka, "Kafka 4.3", Some("differs"));
        let Some(Event::ServiceReady(ready)) = sample.events.last_mut() else { panic!("it was put there") };
        ready.identity =
            facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if product.is_none() {
            (ready.product, ready.differs) = (None, None);
        }
    };
    let (mut own, mut within) = (kafka_init(), kafka_init());
    ready(&mut own, &[("cluster_id", "abc"), ("end_offsets", "a=0")], Some("Kafka"));
    ready(&mut within, &[("end_offsets", "a=12")], None);
    let (own, within) = (own.records(), within.records());
    let (own, within) = (RunView::of(&own).unwrap(), RunView::of(&within).unwrap());
    let journals = [("journal.jsonl".to_owned(), &own), ("runs/1/journal.jsonl".to_owned(), &within)];
    let manifest = describe(&journals, Vec::new());
    let binding = &manifest.services["kafka"];
    let facts: Vec<_> =
        binding.identity.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(facts, [("cluster_id", "abc"), ("end_offsets", "a=12")]);
    assert_eq!(binding.product, Some(Product { name: "Kafka".to_owned(), version: "4.3".to_owned() }));
    assert_eq!(binding.differs.as_deref(), Some("differs"));
    assert_eq!(binding.stands_for.as_deref(), Some("redpandadata/redpanda:v24.2.7"));
}

#[test]
fn templates_are_those_of_the_run_and_of_the_runs_within_each_once() {
    let (own, cutover) = (passed().records(), sample_switch::good().records());
    let (own, cutover) = (RunView::of(&own).unwrap(), RunView::of(&cutover).unwrap());
    let journals = [
        ("journal.jsonl".to_owned(), &own),
        ("runs/1/journal.jsonl".to_owned(), &cutover),
        ("runs/2/journal.jsonl".to_owned(), &cutover),
    ];
    let paths: Vec<_> = describe(&journals, Vec::new()).templates.into_iter().map(|file| file.path).collect();
    let plan = sample_switch::plan();
    assert_eq!(paths, [plan.cutover.unwrap().template.path, plan.rollback.template.path]);
}

#[test]
fn without_journals_a_manifest_says_nothing_of_a_run() {
    let manifest = describe(&[], Vec::new());
    assert_eq!((manifest.run.as_str(), manifest.journals.len(), manifest.services.len()), ("", 0, 0));
}
