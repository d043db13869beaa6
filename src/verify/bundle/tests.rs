//! A bundle in which one thing is not as it must be, for each thing that can be: it is refused, and the file is named.

use super::sample::{Sealed, cutover, rehearsal, sealed, unfinished};
use super::{judge, open};
use crate::bundle::{MANIFEST_FILE, Manifest, write_manifest};
use crate::evidence::sample::{Sample, gate};
use crate::evidence::sample_switch as switches;
use crate::model::Verdict;
use crate::verify::tests::rules;
use crate::verify::{Class, Code, Judged, Mode, Rules, Severity};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;

fn judged(bundle: &Sealed) -> Judged {
    judge(&open(&bundle.folder), &rules(Mode::Cutover))
}

/// What refuses it: codes and files, without the folder.
fn refusals(bundle: &Sealed) -> Vec<(Code, String)> {
    let errors = judged(bundle).findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    let folder = format!("{}/", bundle.folder.display());
    errors.map(|finding| (finding.code, finding.file.replacen(&folder, "", 1))).collect()
}

#[track_caller]
fn assert_refused(bundle: &Sealed, code: Code, file: &str, class: Class) {
    let judged = judged(bundle);
    let found = refusals(bundle);
    assert!(found.contains(&(code, file.to_owned())), "{code} {file}: {found:#?}");
    assert_eq!(judged.class(), Some(class), "{:#?}", judged.findings);
}

#[track_caller]
fn assert_good(bundle: &Sealed, rules: &Rules) {
    let judged = judge(&open(&bundle.folder), rules);
    assert_eq!(judged.class(), None, "{:#?}", judged.findings);
}

fn infra() -> Sample {
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    sample.begin("redis-ping").end("redis-ping", Verdict::Passed, "").done();
    sample
}

fn manifest(bundle: &Sealed) -> Manifest {
    serde_json::from_str(&bundle.read(MANIFEST_FILE)).unwrap()
}

/// Changes the manifest, whatever that makes of it.
fn forge(bundle: &Sealed, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = manifest(bundle);
    change(&mut manifest);
    write_manifest(&bundle.folder, &manifest).unwrap();
}

#[test]
fn honest_bundles_hold() {
    for bundle in [sealed(&infra()), cutover(), sealed(&switches::drill())] {
        assert_good(&bundle, &rules(Mode::Cutover));
        assert_eq!(judged(&bundle).findings, []);
    }
    assert_good(&rehearsal(&switches::drill(), Verdict::Passed, None), &rules(Mode::Cutover));
}

#[test]
fn files_that_are_not_as_the_manifest_says_are_named() {
    let junit = "junit.xml";
    let inside = "runs/20261122T194103Z-preflight-aaaaaa/summary.json";
    let outside = tempfile::NamedTempFile::new().unwrap();
    type Change<'a> = Box<dyn Fn(&Sealed) + 'a>;
    let cases: Vec<(Code, &str, Change<'_>)> = vec![
        (Code::FileMissing, junit, Box::new(|bundle| fs::remove_file(bundle.path(junit)).unwrap())),
        (Code::FileMissing, inside, Box::new(|bundle| fs::remove_file(bundle.path(inside)).unwrap())),
        (Code::FileAdded, "release", Box::new(|bundle| bundle.write("release", "new"))),
        (Code::FileAdded, "x", Box::new(|bundle| symlink("/etc/hosts", bundle.path("x")).unwrap())),
        (Code::FileTruncated, junit, Box::new(|bundle| bundle.write(junit, "<x/>"))),
        (Code::FileChanged, junit, Box::new(|bundle| bundle.write(junit, bundle.read(junit) + "\n"))),
        (Code::FileChanged, inside, Box::new(|bundle| bundle.replace(inside, "passed", "pashed"))),
        (
            Code::FileRenamed,
            "junit2.xml",
            Box::new(|bundle| fs::rename(bundle.path(junit), bundle.path("junit2.xml")).unwrap()),
        ),
        (
            Code::FileReplaced,
            junit,
            Box::new(|bundle| {
                fs::copy(bundle.path(junit), outside.path()).unwrap();
                fs::remove_file(bundle.path(junit)).unwrap();
                symlink(outside.path(), bundle.path(junit)).unwrap();
            }),
        ),
        (
            Code::FileReplaced,
            junit,
            Box::new(|bundle| {
                fs::remove_file(bundle.path(junit)).unwrap();
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
                rustix::fs::mknodat(rustix::fs::CWD, bundle.path(junit), kind, mode, 0).unwrap();
            }),
        ),
        (
            Code::FileReplaced,
            junit,
            Box::new(|bundle| {
                fs::remove_file(bundle.path(junit)).unwrap();
                fs::create_dir(bundle.path(junit)).unwrap();
            }),
        ),
        (
            Code::FileReplaced,
            inside,
            Box::new(|bundle| {
                let moved = bundle.folder.with_extension("moved");
                fs::rename(bundle.path("runs"), &moved).unwrap();
                symlink(&moved, bundle.path("runs")).unwrap();
            }),
        ),
    ];
    for (code, file, change) in cases {
        let bundle = cutover();
        change(&bundle);
        assert_refused(&bundle, code, file, Class::Tampered);
    }
}

#[test]
fn a_huge_file_that_nobody_listed_is_not_read() {
    let bundle = sealed(&infra());
    for name in ["huge", "junit.xml"] {
        fs::File::create(bundle.path(name)).unwrap().set_len(10 << 30).unwrap();
    }
    assert_refused(&bundle, Code::FileAdded, "huge", Class::Tampered);
    assert_refused(&bundle, Code::FileChanged, "junit.xml", Class::Tampered);
    // Also where somebody listed it: as a journal it is too large for any run.
    let bundle = sealed(&infra());
    fs::File::create(bundle.path("journal.jsonl")).unwrap().set_len(10 << 30).unwrap();
    assert_refused(&bundle, Code::JournalUnreadable, "journal.jsonl", Class::Tampered);
}

#[test]
fn a_manifest_that_is_none_is_refused_and_one_of_another_version_is_not_tampering() {
    for text in ["", "{}", "[]", "\u{0}", "{\"projection\":\"manifest\",\"version\":1}"] {
        let bundle = sealed(&infra());
        bundle.write(MANIFEST_FILE, text);
        assert_refused(&bundle, Code::ManifestUnreadable, MANIFEST_FILE, Class::Tampered);
    }
    let bundle = sealed(&infra());
    bundle.replace(MANIFEST_FILE, "\"version\": 1", "\"version\": 2, \"unheard\": []");
    assert_refused(&bundle, Code::UnknownProjection, MANIFEST_FILE, Class::Inconclusive);
    let bundle = sealed(&infra());
    bundle.replace(MANIFEST_FILE, "\"verb\": ", "\"verb\": \"cutover\", \"verb\": ");
    assert_refused(&bundle, Code::ManifestUnreadable, MANIFEST_FILE, Class::Tampered);
    let bundle = sealed(&infra());
    fs::remove_file(bundle.path(MANIFEST_FILE)).unwrap();
    assert_refused(&bundle, Code::ManifestMissing, MANIFEST_FILE, Class::Missing);
}

#[test]
fn paths_that_lead_out_or_clash_are_refused() {
    for path in ["../x", "/etc/hosts", "a\\b", "a//b", "zz\0", "JUNIT.XML", "junit.xml"] {
        let bundle = sealed(&infra());
        forge(&bundle, |manifest| {
            let mut file = manifest.files[0].clone();
            file.path = path.to_owned();
            manifest.files.push(file);
        });
        assert_refused(&bundle, Code::UnsafePath, MANIFEST_FILE, Class::Tampered);
    }
    let bundle = sealed(&infra());
    bundle.write("e\u{301}.txt", "one");
    bundle.write("\u{e9}.txt", "two");
    bundle.seal_again();
    assert_refused(&bundle, Code::UnsafePath, MANIFEST_FILE, Class::Tampered);
}

#[test]
fn a_manifest_that_says_something_else_than_the_journals_is_refused_field_by_field() {
    type Change = fn(&mut Manifest);
    let changes: [(&str, Change); 6] = [
        ("environment", |manifest| manifest.environment = "production".to_owned()),
        ("partial", |manifest| manifest.partial = true),
        ("profile.sha256", |manifest| manifest.profile.as_mut().unwrap().sha256 = "00".repeat(32)),
        ("journals[0].head", |manifest| manifest.journals[0].head = "00".repeat(32)),
        ("files[0].role", |manifest| manifest.files[0].role = crate::bundle::Role::Attachment),
        ("journals", |manifest| manifest.journals.truncate(1)),
    ];
    for (field, change) in changes {
        let bundle = cutover();
        forge(&bundle, change);
        assert_refused(&bundle, Code::ManifestDiffers, MANIFEST_FILE, Class::Tampered);
        let told = judged(&bundle).findings;
        assert!(told.iter().any(|finding| finding.subject == field), "{field}: {told:#?}");
    }
    let bundle = cutover();
    let inside = "runs/20261122T194103Z-preflight-aaaaaa/manifest.json";
    bundle.replace(inside, "single-host-ubuntu", "production");
    bundle.seal_again();
    assert_refused(&bundle, Code::ManifestDiffers, inside, Class::Tampered);
}

#[test]
fn a_journal_that_was_changed_is_found_by_its_line_also_under_a_new_manifest() {
    let bundle = cutover();
    bundle.replace(
        "journal.jsonl",
        "stop_old_strategy_runner\",\"status\":\"ok",
        "stop_old_strategy_runner\",\"status\":\"no",
    );
    let broken = judged(&bundle).findings;
    let line =
        broken.iter().find(|finding| finding.code == Code::JournalBroken).and_then(|finding| finding.line);
    let text = bundle.read("journal.jsonl");
    let expected = text.lines().position(|line| line.contains("\"status\":\"no")).map(|at| at + 1);
    assert_eq!(line, expected, "{broken:#?}");
    assert!(crate::bundle::seal(&bundle.folder).is_err());
}

#[test]
fn a_journal_that_was_written_anew_differs_from_its_evidence() {
    let bundle = sealed(&infra());
    let mut red = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    red.begin("redis-ping").end("redis-ping", Verdict::Failed, "no answer").done();
    bundle.rewrite_journal(&red);
    bundle.seal_again();
    assert_refused(&bundle, Code::EvidenceDiffers, "summary.json", Class::Tampered);
    assert_refused(&bundle, Code::EvidenceDiffers, "junit.xml", Class::Tampered);
    assert!(refusals(&bundle).contains(&(Code::RunNotPassed, "journal.jsonl".to_owned())));
}

#[test]
fn evidence_that_says_something_else_than_its_journal_is_named_by_key_and_line() {
    let bundle = cutover();
    bundle.replace("ctp_cutover_result.env", "CUTOVER_WATCH_VERDICT=passed", "CUTOVER_WATCH_VERDICT=failed");
    bundle.seal_again();
    let findings = judged(&bundle).findings;
    let told = findings.iter().find(|finding| finding.code == Code::EvidenceDiffers).unwrap();
    assert_eq!((told.subject.as_str(), told.seen.as_str()), ("CUTOVER_WATCH_VERDICT", "failed"));
    assert!(told.expected.starts_with("passed, as the journal of") && told.line.is_some(), "{told:?}");
    for (file, from, to) in [
        ("summary.json", "\"verdict\": \"passed\"", "\"verdict\": \"failed\""),
        ("junit.xml", "tests=\"", "tests=\"9"),
        ("watch.csv", "order_latency_p99_ms", "order_latency_p98_ms"),
        ("watch.json", "\"verdict\": \"passed\"", "\"verdict\": \"failed\""),
        ("runs/20261122T194103Z-preflight-aaaaaa/junit.xml", "kafka-topics", "kafka-topicz"),
    ] {
        let bundle = cutover();
        bundle.replace(file, from, to);
        bundle.seal_again();
        assert_refused(&bundle, Code::EvidenceDiffers, file, Class::Tampered);
    }
}

#[test]
fn what_a_file_says_counts_and_not_how_it_is_written() {
    let bundle = cutover();
    let mut lines: Vec<String> = bundle.read("ctp_cutover_result.env").lines().map(str::to_owned).collect();
    lines.reverse();
    bundle.write("ctp_cutover_result.env", format!("# copied by hand\r\n{}\r\n", lines.join("\r\n")));
    let summary: serde_json::Value = serde_json::from_str(&bundle.read("summary.json")).unwrap();
    bundle.write("summary.json", summary.to_string());
    bundle.write("watch.csv", bundle.read("watch.csv").replace("\r\n", "\n"));
    bundle.write("junit.xml", bundle.read("junit.xml").replace("><", ">\n  <"));
    // The manifest within the bundle's files is only sealed anew.
    bundle.seal_again();
    assert_good(&bundle, &rules(Mode::Cutover));
}

#[test]
fn evidence_of_another_version_is_inconclusive() {
    for (file, from, to) in [
        (
            "ctp_rollback_result.env",
            "CUTPROOF_PROJECTION=ctp_rollback/1",
            "CUTPROOF_PROJECTION=ctp_rollback/2",
        ),
        ("summary.json", "\"version\": 1", "\"version\": 3"),
        ("watch.json", "\"version\": 1", "\"version\": 3"),
    ] {
        let bundle = cutover();
        bundle.replace(file, from, to);
        bundle.seal_again();
        assert_refused(&bundle, Code::UnknownProjection, file, Class::Inconclusive);
    }
}

#[test]
fn evidence_that_is_gone_is_missing_also_under_a_new_manifest() {
    let bundle = cutover();
    fs::remove_file(bundle.path("watch.csv")).unwrap();
    bundle.seal_again();
    assert_refused(&bundle, Code::EvidenceMissing, "watch.csv", Class::Missing);
}

#[test]
fn evidence_that_no_journal_gives_is_refused() {
    let bundle = sealed(&infra());
    let other = cutover();
    bundle.write("ctp_cutover_result.env", other.read("ctp_cutover_result.env"));
    bundle.seal_again();
    assert_refused(&bundle, Code::EvidenceWithoutJournal, "ctp_cutover_result.env", Class::Tampered);
    // Elsewhere in the folder it stands for nothing, and is told.
    let bundle = sealed(&infra());
    fs::create_dir(bundle.path("results")).unwrap();
    bundle.write("results/ctp_cutover_result.env", other.read("ctp_cutover_result.env"));
    bundle.seal_again();
    assert_good(&bundle, &rules(Mode::Cutover));
    assert_eq!(judged(&bundle).findings[0].code, Code::EvidenceOfOtherRun);
}

#[test]
fn a_copy_of_evidence_says_what_its_journal_says() {
    let bundle = rehearsal(&switches::drill(), Verdict::Passed, None);
    bundle.replace("ctp_rollback_result.env", "ROLLBACK_DRILL=true", "ROLLBACK_DRILL=false");
    bundle.seal_again();
    assert_refused(&bundle, Code::EvidenceDiffers, "ctp_rollback_result.env", Class::Tampered);
}

#[test]
fn runs_within_are_those_that_the_run_above_tells_of() {
    let inside = "runs/20261122T194103Z-preflight-aaaaaa";
    let bundle = cutover();
    fs::remove_dir_all(bundle.path(inside)).unwrap();
    bundle.seal_again();
    assert_refused(&bundle, Code::RunMissing, "journal.jsonl", Class::Tampered);
    // Another run in its place, sealed with all that belongs to it.
    let bundle = cutover();
    fs::remove_dir_all(bundle.path(inside)).unwrap();
    let mut other = infra();
    other.started.parent = Some(switches::good().started.run);
    fs::rename(sealed(&other).folder, bundle.path(inside)).unwrap();
    bundle.seal_again();
    let journal = format!("{inside}/journal.jsonl");
    assert_refused(&bundle, Code::JournalHead, &journal, Class::Tampered);
    let found = refusals(&bundle);
    assert!(
        found.contains(&(Code::RunDiffers, journal.clone())) && found.contains(&(Code::RunFolder, journal))
    );
    // One more that nobody tells of.
    let bundle = cutover();
    let more = sealed(&other);
    fs::rename(&more.folder, bundle.path("runs").join(other.started.run.as_str())).unwrap();
    bundle.seal_again();
    assert_eq!(judged(&bundle).findings[0].code, Code::RunUntold);
    assert_eq!(judged(&bundle).class(), None);
}

#[test]
fn a_folder_with_another_name_is_another_run_s() {
    let bundle = sealed(&infra());
    let moved = bundle.folder.with_file_name("20261122T194103Z-rehearse-zzzzzz");
    fs::rename(&bundle.folder, &moved).unwrap();
    let judged = judge(&open(&moved), &rules(Mode::Cutover));
    assert_eq!(judged.findings[0].code, Code::RunFolder);
    assert_eq!(judged.class(), Some(Class::Refused));
    let unpacked = moved.with_file_name("artifact");
    fs::rename(&moved, &unpacked).unwrap();
    assert_eq!(judge(&open(&unpacked), &rules(Mode::Cutover)).class(), None);
}

#[test]
fn a_run_that_did_not_finish_is_missing_its_end() {
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    sample.begin("redis-ping");
    let bundle = unfinished(&sample);
    assert_refused(&bundle, Code::RunUnfinished, "journal.jsonl", Class::Missing);
    let findings = judged(&bundle).findings;
    assert!(findings[0].advice.as_ref().unwrap().contains("cutproof status"), "{findings:?}");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let absent = judge(&open(&bundle.folder.join("absent")), &rules(Mode::Cutover));
    assert_eq!(absent.class(), Some(Class::Missing));
}

#[test]
fn a_red_run_is_refused_with_its_reasons() {
    let mut red = Sample::new(vec![gate("redis-ping", "redis_ping")]);
    red.begin("redis-ping").end("redis-ping", Verdict::Failed, "no answer").done();
    let bundle = sealed(&red);
    assert_refused(&bundle, Code::RunNotPassed, "journal.jsonl", Class::Refused);
    let finding = judged(&bundle).findings.remove(0);
    assert!(finding.subject == "infra::redis-ping" && finding.seen.contains("no answer"), "{finding:?}");
}

#[test]
fn a_flaky_gate_is_refused_where_the_run_or_whoever_verifies_asks_for_that() {
    let asked = Rules { fail_on_flaky: true, ..rules(Mode::Cutover) };
    let mut sample = Sample::new(vec![gate("lag", "kafka_lag")]);
    sample.flaky("lag", 2).done();
    let bundle = sealed(&sample);
    assert_good(&bundle, &rules(Mode::Cutover));
    let refused = |judged: Judged| {
        let [finding] = &judged.findings[..] else { panic!("{:#?}", judged.findings) };
        assert_eq!((finding.code, finding.severity), (Code::GateFlaky, Severity::Error));
        assert_eq!(finding.subject, "infra::lag");
        assert!(finding.seen.contains("attempt 1 failed after 0.01 s: not yet"), "{finding:?}");
        assert_eq!(judged.class(), Some(Class::Refused));
    };
    refused(judge(&open(&bundle.folder), &asked));
    sample.started.fail_on_flaky = true;
    let bundle = sealed(&sample);
    refused(judge(&open(&bundle.folder), &rules(Mode::Cutover)));
    refused(judge(&open(&bundle.folder), &asked));
}

#[test]
fn dry_runs_and_selections_are_no_proof_unless_they_are_allowed() {
    let allowed = Rules { allow_dry_run: true, allow_partial: true, ..rules(Mode::Cutover) };
    let dry = sealed(&switches::dry(false));
    assert_eq!(judged(&dry).class(), Some(Class::Refused));
    assert_good(&dry, &allowed);
    let mut sample = infra();
    sample.started.partial = true;
    let partial = sealed(&sample);
    assert_refused(&partial, Code::PartialRun, "journal.jsonl", Class::Refused);
    assert_good(&partial, &allowed);
}

#[test]
fn a_rollback_is_what_was_asked_for_or_it_is_not() {
    let rolled_back = sealed(&switches::triggered(0));
    assert_eq!(judged(&rolled_back).class(), Some(Class::Refused));
    assert_good(&rolled_back, &rules(Mode::CutoverOrRollback));
    let late = judge(&open(&sealed(&switches::triggered(180_001)).folder), &rules(Mode::CutoverOrRollback));
    assert_eq!(late.class(), Some(Class::Refused));
    let none = judge(&open(&cutover().folder), &rules(Mode::RollbackDrill));
    assert!(none.findings.iter().any(|finding| finding.code == Code::RollbackNotTriggered));
}

#[test]
fn a_fault_on_purpose_is_judged_by_the_rehearsal() {
    let deserved = rehearsal(&switches::triggered(0), Verdict::Passed, Some("latency"));
    assert_good(&deserved, &rules(Mode::Cutover));
    let not_deserved = rehearsal(&switches::triggered(0), Verdict::Failed, Some("latency"));
    assert_refused(&not_deserved, Code::RunNotPassed, "journal.jsonl", Class::Refused);
    let without = rehearsal(&switches::triggered(0), Verdict::Passed, None);
    assert_eq!(judged(&without).class(), Some(Class::Refused));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever is done to any one file of a real bundle: it is refused, and the file is named.
    #[test]
    fn one_change_of_any_file_is_found_and_named(
        at in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
        what in 0..5_u8,
    ) {
        let bundle = cutover();
        let mut files = bundle.files();
        files.push(MANIFEST_FILE.to_owned());
        let file = at.get(&files).clone();
        let mut bytes = fs::read(bundle.path(&file)).unwrap();
        let mut named = file.clone();
        match what {
            0 => {
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                bundle.write(&file, bytes);
            }
            1 => bundle.write(&file, &bytes[..bit.index(bytes.len())]),
            2 => fs::remove_file(bundle.path(&file)).unwrap(),
            3 => {
                named = format!("{file}.old");
                fs::rename(bundle.path(&file), bundle.path(&named)).unwrap();
            }
            _ => {
                named = format!("{file}~");
                bundle.write(&named, bytes);
            }
        }
        let found = refusals(&bundle);
        // Of a manifest that says something else, the files that it then does not fit may be named.
        let of_manifest = file == MANIFEST_FILE && !found.is_empty();
        prop_assert!(found.iter().any(|(_, seen)| *seen == named) || of_manifest, "{named}: {found:#?}");
    }
}
