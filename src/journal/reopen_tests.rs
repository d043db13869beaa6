//! Journals that are taken up again, and read while they are written.

use super::tests::{events, journal_of};
use super::*;
use crate::model::{Clock, Event, Stamp};
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder with a journal of these bytes.
fn folder_with(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), bytes).unwrap();
    dir
}

/// Takes a journal up and ends its run; what was there before must be a part of what is there now.
fn goes_on(bytes: &[u8]) -> Result<u64, ReopenError> {
    let dir = folder_with(bytes);
    let path = dir.path().join(FILE);
    let before = read_from(bytes);
    let reopened = match Journal::reopen(dir.path()) {
        Ok(reopened) => reopened,
        Err(refused) => {
            assert_eq!(fs::read(&path).unwrap(), bytes, "a refusal changes nothing");
            return Err(refused);
        }
    };
    let before = before.unwrap();
    assert_eq!(reopened.records, before);
    assert_eq!(reopened.journal.head(), before.head);
    let last = before.entries.last().unwrap().at;
    let events = events();
    reopened.journal.append_synced(&events[1]).unwrap();
    reopened.journal.append(&events[3]).unwrap();
    let after = read(&path).unwrap();
    assert_eq!(after.end, End::Finished);
    assert_eq!(after.entries[..before.entries.len()], before.entries);
    assert_eq!(after.entries.len(), before.entries.len() + 2);
    assert!(after.entries[before.entries.len()..].iter().all(|record| record.at >= last));
    Ok(reopened.cut_off)
}

#[test]
fn a_journal_that_is_cut_anywhere_goes_on_behind_its_last_whole_line_or_is_refused() {
    let bytes = journal_of(&events());
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in 0..=bytes.len() {
        let whole = bytes[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        match goes_on(&bytes[..cut]) {
            Ok(cut_off) => {
                assert!(cut >= first && cut < bytes.len(), "byte {cut}");
                assert_eq!(cut_off, (cut - whole) as u64, "byte {cut}");
            }
            Err(ReopenError::Empty(_)) => assert!(cut < first, "byte {cut}"),
            Err(ReopenError::Ended(_)) => assert_eq!(cut, bytes.len()),
            Err(other) => panic!("byte {cut}: {other}"),
        }
    }
}

#[test]
fn a_journal_that_was_changed_is_not_taken_up() {
    let whole = journal_of(&events()[..3]);
    let text = String::from_utf8(whole).unwrap();
    let changed = text.replace("\"passed\"", "\"failed\"");
    let refused = goes_on(changed.as_bytes()).unwrap_err();
    assert!(matches!(&refused, ReopenError::Unsound(error) if error.fault.is_tampering()), "{refused}");
    assert!(refused.to_string().contains("line 3 was changed"), "{refused}");
    let absent = tempfile::tempdir().unwrap();
    let refused = Journal::reopen(absent.path()).unwrap_err();
    assert!(refused.to_string().contains("No such file"), "{refused}");
    assert!(!absent.path().join(FILE).exists());
}

#[test]
fn a_clock_that_was_ahead_does_not_make_later_entries_earlier() {
    let dir = tempfile::tempdir().unwrap();
    let ahead = Stamp::now().plus(Duration::from_secs(86_400));
    let journal = Journal::create(dir.path(), Clock::continued(ahead, ahead)).unwrap();
    let events = events();
    journal.append(&events[0]).unwrap();
    drop(journal);
    let reopened = Journal::reopen(dir.path()).unwrap();
    assert!(reopened.clock.now() >= ahead);
    reopened.journal.append(&events[1]).unwrap();
    let records = read(reopened.journal.path()).unwrap();
    assert!(records.entries.is_sorted_by_key(|record| record.at));
}

#[test]
fn a_journal_has_one_writer_at_a_time_and_any_number_of_readers() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), Clock::start()).unwrap();
    let path = journal.path().to_owned();
    journal.append(&events()[0]).unwrap();
    assert!(is_being_written(&path).unwrap());
    assert!(matches!(Journal::reopen(dir.path()).unwrap_err(), ReopenError::Busy(_)));
    assert_eq!(read(&path).unwrap().entries.len(), 1);
    drop(journal);
    assert!(!is_being_written(&path).unwrap());
    let reopened = Journal::reopen(dir.path()).unwrap();
    assert!(is_being_written(&path).unwrap());
    assert!(matches!(Journal::reopen(dir.path()).unwrap_err(), ReopenError::Busy(_)));
    drop(reopened);
}

#[test]
fn many_who_look_do_not_keep_a_writer_out() {
    let dir = tempfile::tempdir().unwrap();
    Journal::create(dir.path(), Clock::start()).unwrap().append(&events()[0]).unwrap();
    let path = dir.path().join(FILE);
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    is_being_written(&path).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        let reopened: Vec<_> = (0..20).map(|_| Journal::reopen(dir.path()).map(drop)).collect();
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        reopened.into_iter().for_each(|reopened| reopened.unwrap());
    });
}

/// A run in a process of its own, that writes an entry every millisecond until it is killed.
#[test]
#[ignore = "run by other tests in a process of its own"]
fn write_until_killed() {
    let Some(dir) = std::env::var_os("CUTPROOF_TEST_WRITE") else { return };
    let journal = Journal::create(Path::new(&dir), Clock::start()).unwrap();
    let events = events();
    journal.append(&events[0]).unwrap();
    // A child of a step that outlives the run must not keep the journal.
    let mut left =
        Command::new("sleep").arg("60").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    fs::write(Path::new(&dir).join("left"), left.id().to_string()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        journal.append_synced(&events[1]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    left.kill().unwrap();
    left.wait().unwrap();
}

fn writer(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::reopen_tests::write_until_killed", "--ignored"])
        .env("CUTPROOF_TEST_WRITE", dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn soon(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "it did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_is_killed_is_seen_as_gone_and_goes_on_with_every_entry_that_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut run = writer(dir.path());
    soon(|| path.exists());
    let mut follower = Follower::open(&path).unwrap();
    soon(|| {
        follower.poll().unwrap();
        follower.records().entries.len() > 20
    });
    assert!(is_being_written(&path).unwrap());
    assert!(matches!(Journal::reopen(dir.path()).unwrap_err(), ReopenError::Busy(_)));
    run.kill().unwrap();
    run.wait().unwrap();
    // Its child lives, and has not inherited the journal.
    soon(|| !is_being_written(&path).unwrap());
    let reopened = Journal::reopen(dir.path()).unwrap();
    let seen = follower.records().entries.len();
    assert_eq!(reopened.records.entries[..seen], follower.records().entries);
    reopened.journal.append(&events()[3]).unwrap();
    follower.poll().unwrap();
    assert_eq!(follower.records(), &read(&path).unwrap());
    let left: i32 = fs::read_to_string(dir.path().join("left")).unwrap().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(left).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn a_half_written_line_is_waited_for_and_one_that_is_cut_off_is_forgotten() {
    let bytes = journal_of(&events());
    let dir = folder_with(b"");
    let path = dir.path().join(FILE);
    let mut file = File::options().append(true).open(&path).unwrap();
    let mut follower = Follower::open(&path).unwrap();
    assert!(follower.poll().unwrap().is_empty());
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    file.write_all(&bytes[..first + 10]).unwrap();
    assert_eq!(follower.poll().unwrap().len(), 1);
    assert_eq!(follower.records().end, End::Cut { bytes: 10 });
    assert!(follower.poll().unwrap().is_empty());
    drop(file);
    let reopened = Journal::reopen(dir.path()).unwrap();
    assert_eq!(reopened.cut_off, 10);
    assert!(follower.poll().unwrap().is_empty());
    assert_eq!(follower.records().end, End::Unfinished);
    events()[1..].iter().for_each(|event: &Event| reopened.journal.append(event).unwrap());
    assert_eq!(follower.poll().unwrap().len(), 3);
    assert_eq!(follower.records(), &read(&path).unwrap());
    File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    assert!(matches!(follower.poll().unwrap_err().fault, Fault::AfterEnd { line: 5 }));
}

proptest! {
    #[test]
    fn a_follower_reads_what_a_reader_reads_however_the_file_grows(
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)
    ) {
        let bytes = journal_of(&events());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let dir = folder_with(b"");
        let path = dir.path().join(FILE);
        let mut follower = Follower::open(&path).unwrap();
        for cut in cuts {
            fs::write(&path, &bytes[..cut]).unwrap();
            follower.poll().unwrap();
            prop_assert_eq!(follower.records(), &read_from(&bytes[..cut]).unwrap());
        }
    }

    #[test]
    fn no_changed_bit_is_taken_up_as_if_nothing_were(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = journal_of(&events()[..3]);
        let mut changed = bytes.clone();
        let at = place.index(changed.len());
        changed[at] ^= 1 << bit;
        match goes_on(&changed) {
            Err(_) => {}
            // The last newline is gone: that line is not whole any more, and is cut off.
            Ok(cut_off) => {
                prop_assert_eq!(at, bytes.len() - 1);
                prop_assert!(cut_off > 0);
            }
        }
    }
}
