//! Journals that are whole, cut off, changed, and written where there is no room.

use super::*;
use crate::model::event::Sink as _;
use crate::model::{Clock, Event};
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use std::path::Path;

/// A run of one gate: its start, the gate's start, the gate's end, its end.
pub(super) fn events() -> Vec<Event> {
    let events = json!([
        {
            "event": "run_started", "run": "20261122T194103Z-rehearse-4f7k2q", "verb": "rehearse", "tool": "0.1.0",
            "environment": "desk", "profile": null, "provisioner": "embedded", "dry_run": false, "partial": false,
            "host": "host", "started": "2026-11-22T19:41:03.120Z", "services": {},
            "gates": [{
                "id": "redis-ping", "phase": "infra", "probe": "redis_ping", "expect": "ok", "required": true,
                "timeout": 5000, "writes": false, "at": {"file": "gates/desk.toml", "line": 42, "column": 1},
            }],
        },
        {"event": "gate_started", "gate": "redis-ping"},
        {
            "event": "gate_ended", "gate": "redis-ping", "verdict": "passed", "reason": "", "attempts": 1,
            "duration_ms": 80.0,
            "observations": [{
                "name": "latency_ms", "kind": "number", "value": 0.1 + 0.2, "unit": "ms",
                "at": "2026-11-22T19:41:03.200Z", "source": "localhost:6379", "origin": "measured", "samples": 1,
            }],
        },
        {
            "event": "run_ended", "verdict": "passed", "duration_ms": 6412.0,
            "counts": {"passed": 1, "skipped": 0, "inconclusive": 0, "error": 0, "failed": 0},
        },
    ]);
    serde_json::from_value(events).unwrap()
}

/// A journal's bytes, written by a real one.
pub(super) fn journal_of(events: &[Event]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), Clock::start()).unwrap();
    events.iter().for_each(|event| journal.append(event).unwrap());
    fs::read(journal.path()).unwrap()
}

fn read_bytes(bytes: &[u8]) -> Result<Records, Fault> {
    read_from(bytes)
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("evidence/run");
    let journal = Journal::create(&dir, Clock::start()).unwrap();
    let events = events();
    for event in &events[..2] {
        journal.event(event.clone());
    }
    events[2..].iter().for_each(|event| journal.append_synced(event).unwrap());
    assert_eq!(journal.failure(), None);
    let records = read(journal.path()).unwrap();
    assert_eq!(records.entries.iter().map(|record| record.event.clone()).collect::<Vec<_>>(), events);
    assert_eq!(records.entries.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((records.end, records.head), (End::Finished, journal.head()));
}

#[test]
fn a_line_is_plain_json_with_the_digest_of_the_line_before() {
    let bytes = journal_of(&events());
    let lines: Vec<_> = std::str::from_utf8(&bytes).unwrap().lines().collect();
    let json: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!((json["v"].as_u64(), json["seq"].as_u64()), (Some(1), Some(2)));
    assert_eq!((json["event"].as_str(), json["gate"].as_str()), (Some("gate_started"), Some("redis-ping")));
    assert_eq!(json["prev"].as_str().unwrap(), Digest::of(lines[0].as_bytes()).to_string());
    assert!(lines[0].contains(&format!("\"prev\":\"{}\"", "0".repeat(64))));
}

#[test]
fn a_journal_is_never_written_to_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), Clock::start()).unwrap();
    let error = Journal::create(dir.path(), Clock::start()).unwrap_err();
    assert!(error.to_string().contains("cannot create the journal"), "{error}");
    let events = events();
    events.iter().for_each(|event| journal.append(event).unwrap());
    assert!(journal.append(&events[1]).is_err());
    assert!(journal.failure().is_some());
    assert_eq!(read(journal.path()).unwrap().end, End::Finished);
}

#[test]
fn threads_share_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), Clock::start()).unwrap();
    let events = events();
    journal.append(&events[0]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| journal.event(events[1].clone())));
        }
    });
    let records = read(journal.path()).unwrap();
    assert_eq!((records.entries.len(), records.end), (401, End::Unfinished));
    assert!(records.entries.is_sorted_by_key(|record| record.at));
}

#[test]
fn room_can_be_set_aside_and_is_given_back() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), Clock::start()).unwrap();
    let path = journal.path().to_owned();
    if !journal.reserve(4 << 20).unwrap() {
        return;
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 4 << 20);
    let events = events();
    events.iter().for_each(|event| journal.append(event).unwrap());
    drop(journal);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
    assert_eq!(read(&path).unwrap().entries.len(), events.len());
}

#[test]
fn a_full_disk_is_remembered_and_ends_the_journal() {
    // The kernel's own full device: every write fails with ENOSPC.
    let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    let journal = Journal::over("journal.jsonl".into(), full, Clock::start());
    let error = journal.append(&events()[0]).unwrap_err();
    assert!(error.is_full());
    assert!(error.to_string().contains("free space there, or give another --evidence-dir"), "{error}");
    journal.event(events()[1].clone());
    assert_eq!(journal.failure(), Some(error));
}

/// The body of `a_line_for_which_there_is_no_room_leaves_no_part_of_it`, in a process with a limit on file sizes.
#[test]
#[ignore = "run by another test in a process of its own"]
fn write_until_there_is_no_room() {
    let Some(dir) = std::env::var_os("CUTPROOF_TEST_NO_ROOM") else { return };
    let journal = Journal::create(Path::new(&dir), Clock::start()).unwrap();
    let events = events();
    journal.append(&events[0]).unwrap();
    for _ in 0..1_000 {
        journal.event(events[1].clone());
    }
    let failure = journal.failure().unwrap();
    assert!(failure.is_full(), "{failure}");
    // Nothing follows what was lost, though a shorter entry might have had room.
    assert!(journal.append_synced(&events[3]).is_err());
}

#[test]
fn a_line_for_which_there_is_no_room_leaves_no_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let test = "journal::tests::write_until_there_is_no_room";
    // A write that crosses the limit is cut short by the kernel, as on a disk that fills up.
    let done = std::process::Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 16; exec "$0" --exact "$1" --ignored"#])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env("CUTPROOF_TEST_NO_ROOM", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    let path = dir.path().join(FILE);
    let records = read(&path).unwrap();
    assert_eq!(records.end, End::Unfinished);
    assert!(records.entries.len() > 10);
    assert!(fs::metadata(&path).unwrap().len() < 16 * 1024);
}

#[test]
fn a_run_that_was_cut_off_reads_as_one() {
    let bytes = journal_of(&events());
    let whole = read_bytes(&bytes).unwrap();
    assert_eq!(read_bytes(b"").unwrap().end, End::Unfinished);
    assert_eq!(read_bytes(&bytes[..bytes.len() - 1]).unwrap().entries, whole.entries[..3]);
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    assert_eq!(read_bytes(&bytes[..=last]).unwrap().end, End::Unfinished);
    assert_eq!(read_bytes(&bytes[..last + 11]).unwrap().end, End::Cut { bytes: 10 });
}

#[test]
fn every_way_to_change_a_journal_is_named_with_its_line() {
    let bytes = journal_of(&events());
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let fault = |text: String| read_bytes(text.as_bytes()).unwrap_err();
    let [first, second, third, last] = lines[..] else { panic!("four lines") };

    let changed = fault([first, second, &third.replace("passed", "failed"), last].concat());
    assert!(matches!(changed, Fault::Changed { line: 3, .. }), "{changed}");
    let last_changed = fault([first, second, third, &last.replace("6412", "6413")].concat());
    assert!(matches!(last_changed, Fault::Changed { line: 4, .. }), "{last_changed}");
    let removed = fault([first, third, last].concat());
    assert!(matches!(removed, Fault::Chain { line: 2, .. }), "{removed}");
    let swapped = fault([first, third, second, last].concat());
    assert!(matches!(swapped, Fault::Chain { line: 2, .. }), "{swapped}");
    let twice = fault([first, second, second, third, last].concat());
    assert!(matches!(twice, Fault::Chain { line: 3, .. }), "{twice}");
    let behind = fault([&*text, "x"].concat());
    assert!(matches!(behind, Fault::AfterEnd { line: 5 }), "{behind}");
    let stranger = fault([first, "hello\n"].concat());
    assert!(matches!(&stranger, Fault::NoEntry { line: 2, start } if start == "hello"), "{stranger}");
    for fault in [changed, last_changed, removed, swapped, twice, behind, stranger] {
        assert!(fault.is_tampering());
    }
}

#[test]
fn a_version_that_is_not_known_is_no_tampering() {
    let mut line = br#"{"v":2,"something":"else""#.to_vec();
    let sum = Digest::of(&line).short();
    line.extend_from_slice(format!(",\"sum\":\"{sum}\"}}\n").as_bytes());
    let fault = read_bytes(&line).unwrap_err();
    assert!(matches!(fault, Fault::UnknownVersion { line: 1, found: 2 }));
    assert!(!fault.is_tampering());
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [pipe.as_path(), dir.path(), Path::new("/dev/zero")] {
        assert!(matches!(read(path).unwrap_err().fault, Fault::NoFile), "{}", path.display());
    }
    let absent = read(&dir.path().join("absent")).unwrap_err();
    assert!(absent.to_string().contains("absent: cannot read it: No such file"), "{absent}");
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    use std::io::Read as _;
    let endless = std::io::BufReader::with_capacity(1 << 20, std::io::repeat(b'x').take(1 << 40));
    assert!(matches!(read_from(endless).unwrap_err(), Fault::TooLong { line: 1 }));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        // Either nothing that counts is in it, or a fault is told.
        if let Ok(records) = read_bytes(&bytes) {
            prop_assert!(records.entries.is_empty() && records.end != End::Finished);
        }
    }

    #[test]
    fn any_one_bit_that_is_flipped_is_found(place in any::<prop::sample::Index>(), bit in 0u8..8, whole in any::<bool>()) {
        let events = events();
        let mut bytes = journal_of(if whole { &events } else { &events[..3] });
        let before = read_bytes(&bytes).unwrap();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        match read_bytes(&bytes) {
            Err(_) => {}
            // The newline at the very end is gone: the last line is not whole any more.
            Ok(after) => {
                prop_assert_eq!(at, bytes.len() - 1);
                let cut = matches!(after.end, End::Cut { .. });
                prop_assert!(cut);
                prop_assert!(after.entries.len() < before.entries.len());
            }
        }
    }

    #[test]
    fn any_truncation_is_unfinished(place in any::<prop::sample::Index>()) {
        let bytes = journal_of(&events());
        let cut = read_bytes(&bytes[..place.index(bytes.len())]).unwrap();
        prop_assert!(cut.end != End::Finished);
        prop_assert!(cut.entries.len() < 4);
    }
}
