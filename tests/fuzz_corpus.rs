//! Reads again, in every test run, what fuzzing has found worth keeping: tests/fuzz/corpus has a folder for each target.

#[path = "fuzz/subjects.rs"]
mod subjects;

use std::path::Path;

fn every_input(target: &str, subject: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut read = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        subject(&std::fs::read(&path).expect("an input"));
        read += 1;
    }
    assert!(read > 0, "{} is empty", folder.display());
}

#[test]
fn env_files_of_the_corpus_are_read() {
    every_input("env", subjects::env);
}

#[test]
fn journals_of_the_corpus_are_read() {
    every_input("journal", subjects::journal);
}

#[test]
fn conditions_of_the_corpus_are_read() {
    every_input("condition", subjects::condition);
}

#[test]
fn manifests_of_the_corpus_are_read() {
    every_input("manifest", subjects::manifest);
}

#[test]
fn envelopes_of_the_corpus_are_read() {
    every_input("envelope", subjects::envelope);
}

#[test]
fn policies_of_the_corpus_are_read() {
    every_input("policy", subjects::policy);
}
