use super::*;
use crate::bundle::describe;
use crate::evidence::RunView;
use crate::evidence::sample::{Sample, gate};
use crate::model::Verdict;
use crate::sign::{Algorithm, PrivateKey, TestOutcome};
use crate::verify::Severity;
use crate::verify::bundle::Journal;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

static OURS: LazyLock<PrivateKey> = LazyLock::new(|| key(Algorithm::Ed25519));
static THEIRS: LazyLock<PrivateKey> = LazyLock::new(|| key(Algorithm::EcdsaP256));

fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::generate(algorithm).unwrap()
}

/// The keys that are given to the verifier.
fn given() -> Vec<PublicKey> {
    vec![OURS.public().clone()]
}

fn bundle_of(sample: &Sample) -> Bundle {
    let records = sample.records();
    let view = RunView::of(&records).unwrap();
    let manifest = describe(&[("journal.jsonl".to_owned(), &view)], Vec::new());
    let digest = Sha256::digest(serde_json::to_vec(&manifest).unwrap());
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Bundle {
        folder: "evidence/run".into(),
        manifest: Some(manifest),
        manifest_sha256: Some(sha256),
        journals: vec![Journal { path: "journal.jsonl".to_owned(), records }],
        envelopes: Vec::new(),
        findings: Vec::new(),
        more: Vec::new(),
    }
}

fn sample(verdict: Verdict) -> Sample {
    let mut sample = Sample::new(vec![gate("redis-ping", "redis_ping"), gate("lag", "kafka_lag")]);
    sample.begin("redis-ping").end("redis-ping", Verdict::Passed, "");
    sample.begin("lag").end("lag", verdict, if verdict == Verdict::Passed { "" } else { "too much" });
    sample.done();
    sample
}

fn bundle() -> Bundle {
    bundle_of(&sample(Verdict::Passed))
}

/// The bundle with an envelope of these keys, changed as given.
fn signed_and(keys: &[&PrivateKey], change: impl FnOnce(&mut Value)) -> Bundle {
    let mut bundle = bundle();
    let envelope = Envelope::sign(&of_run(&bundle, "runner").unwrap(), keys).unwrap();
    let mut value: Value = serde_json::from_slice(&envelope.to_json()).unwrap();
    change(&mut value);
    bundle.envelopes.push(("signatures/runner.dsse.json".to_owned(), value.to_string().into_bytes()));
    bundle
}

fn told(findings: &[Finding]) -> Vec<(Code, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

const MISSING: (Code, Severity) = (Code::SignatureMissing, Severity::Error);

fn expect(bundle: &Bundle, expected: &[(Code, Severity)]) {
    let (findings, more) = judge(bundle, &given());
    assert_eq!(told(&findings), expected, "{findings:?}");
    assert!(more.is_empty());
    let only_told = read(bundle, &given());
    assert!(only_told.findings.iter().all(|finding| finding.severity == Severity::Warning));
    let refused = expected.iter().any(|(_, severity)| *severity == Severity::Error);
    assert_eq!(only_told.signed.is_empty(), refused);
}

/// What does not count is told, whether it refuses or another signature counts.
fn expect_doubt(bundle: Bundle, code: Code, said: &str) {
    let tampered = code.class() == Class::Tampered;
    let severity = if tampered { Severity::Error } else { Severity::Warning };
    let mut alone = vec![MISSING, (code, severity)];
    alone.sort_by_key(|(_, severity)| *severity);
    let (findings, _) = judge(&bundle, &given());
    let mut seen = told(&findings);
    seen.sort_by_key(|(code, severity)| (*severity, *code != Code::SignatureMissing));
    assert_eq!(seen, alone, "{findings:?}");
    let doubt = findings.iter().find(|finding| finding.code == code).unwrap();
    assert!(doubt.seen.contains(said), "expected {said:?} in {doubt:?}");
    assert_eq!(doubt.file, "evidence/run/signatures/runner.dsse.json");
    let mut with = signed_and(&[&OURS], |_| ());
    with.envelopes[0].0 = "signatures/good.dsse.json".to_owned();
    with.envelopes.extend(bundle.envelopes);
    expect(&with, &[(code, Severity::Warning)]);
}

#[test]
fn a_signature_of_a_given_key_over_the_manifest_is_all_that_is_asked() {
    let bundle = signed_and(&[&OURS], |_| ());
    expect(&bundle, &[]);
    let signed = read(&bundle, &given()).signed;
    let expected = Signed {
        key: OURS.public().id().clone(),
        role: Some("runner".to_owned()),
        envelope: "signatures/runner.dsse.json".to_owned(),
    };
    assert_eq!(signed, [expected]);
}

#[test]
fn a_bundle_that_nobody_signed_is_refused_as_missing_a_signature() {
    expect(&bundle(), &[MISSING]);
    assert_eq!(MISSING.0.class(), Class::Missing);
    let mut without = signed_and(&[&OURS], |_| ());
    without.manifest_sha256 = None;
    let (findings, _) = judge(&without, &given());
    assert!(findings.iter().any(|finding| finding.seen.contains("no manifest")), "{findings:?}");
}

#[test]
fn keys_of_others_do_not_count() {
    expect_doubt(signed_and(&[&THEIRS], |_| ()), Code::SignatureForeign, "it names the key");
    expect(&signed_and(&[&THEIRS, &OURS], |_| ()), &[(Code::SignatureForeign, Severity::Warning)]);
}

#[test]
fn another_payload_type_does_not_count() {
    let bundle = signed_and(&[&OURS], |envelope| envelope["payloadType"] = json!("application/json"));
    expect_doubt(bundle, Code::EnvelopeUnusable, "payload type");
}

#[test]
fn a_second_signature_of_a_key_is_told_and_counts_once() {
    let twice = |envelope: &mut Value| {
        let first = envelope["signatures"][0].clone();
        envelope["signatures"].as_array_mut().unwrap().push(first);
    };
    let again = [(Code::SignatureAgain, Severity::Warning)];
    expect(&signed_and(&[&OURS], twice), &again);
    let mut copied = signed_and(&[&OURS], |_| ());
    let copy = copied.envelopes[0].1.clone();
    copied.envelopes.push(("signatures/copy.dsse.json".to_owned(), copy));
    expect(&copied, &again);
    assert_eq!(read(&copied, &given()).signed.len(), 1);
}

#[test]
fn base64_that_is_cut_off_does_not_count() {
    for field in ["payload", "sig"] {
        let cut = |envelope: &mut Value| {
            let at =
                if field == "sig" { &mut envelope["signatures"][0]["sig"] } else { &mut envelope["payload"] };
            let text = at.as_str().unwrap();
            *at = json!(text[..text.len() - 1]);
        };
        expect_doubt(signed_and(&[&OURS], cut), Code::EnvelopeUnusable, "cut off");
    }
}

#[test]
fn an_envelope_inside_an_envelope_does_not_count() {
    let inner = signed_and(&[&OURS], |_| ()).envelopes.remove(0).1;
    let bundle = signed_and(&[&OURS], |envelope| {
        envelope["payload"] =
            json!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, inner));
    });
    expect_doubt(bundle, Code::EnvelopeUnusable, "another envelope");
}

#[test]
fn a_signature_that_does_not_verify_with_the_key_that_it_names_is_tampering() {
    let bundle = signed_and(&[&THEIRS], |envelope| {
        envelope["signatures"][0]["keyid"] = json!(OURS.public().id().as_str());
    });
    expect_doubt(bundle, Code::SignatureBroken, "does not verify");
}

#[test]
fn a_signature_over_another_manifest_is_tampering() {
    let mut bundle = signed_and(&[&OURS], |_| ());
    let mut sample = sample(Verdict::Passed);
    sample.started.run = crate::model::RunId::from_text("20261123T194103Z-rehearse-aaaaaa");
    let mut other = bundle_of(&sample);
    other.envelopes.append(&mut bundle.envelopes);
    let (findings, _) = judge(&other, &given());
    assert!(told(&findings).contains(&(Code::SignatureOtherSubject, Severity::Error)), "{findings:?}");
    assert_eq!(Code::SignatureOtherSubject.class(), Class::Tampered);
}

#[test]
fn a_result_that_is_not_the_journals_does_not_count() {
    let bundle = bundle_of(&sample(Verdict::Failed));
    let mut statement = of_run(&bundle, "runner").unwrap();
    let Predicate::TestResult(result) = &mut statement.predicate else { panic!("{statement:?}") };
    assert_eq!(result.result, TestOutcome::Failed);
    for outcome in [None, Some("passed")] {
        let Predicate::TestResult(result) = &mut statement.predicate else { panic!("{statement:?}") };
        result.result = TestOutcome::Passed;
        match outcome {
            Some(outcome) => result.extensions.insert(uri::OUTCOME.to_owned(), json!(outcome)),
            None => result.extensions.remove(uri::OUTCOME),
        };
        let mut bundle = bundle_of(&sample(Verdict::Failed));
        let envelope = Envelope::sign(&statement, &[&OURS]).unwrap().to_json();
        bundle.envelopes.push(("signatures/runner.dsse.json".to_owned(), envelope));
        let (findings, _) = judge(&bundle, &given());
        assert!(told(&findings).contains(&(Code::StatementDiffers, Severity::Error)), "{findings:?}");
    }
}

#[test]
fn an_approval_of_the_manifest_is_no_result_of_the_run() {
    let mut bundle = bundle();
    let approval = Statement::approval("manifest.json", bundle.manifest_sha256.as_ref().unwrap(), "runner");
    let envelope = Envelope::sign(&approval, &[&OURS]).unwrap().to_json();
    bundle.envelopes.push(("signatures/runner.dsse.json".to_owned(), envelope));
    expect_doubt(bundle, Code::StatementUnusable, "approval");
}

#[test]
fn taking_a_signature_away_never_makes_a_bundle_better() {
    let broken = signed_and(&[&THEIRS], |envelope| {
        envelope["signatures"][0]["keyid"] = json!(OURS.public().id().as_str());
    });
    let mut all = signed_and(&[&OURS, &THEIRS], |_| ());
    all.envelopes.extend(broken.envelopes);
    all.envelopes.push(("signatures/x".to_owned(), b"x".to_vec()));
    let refused = |bundle: &Bundle| {
        let (findings, _) = judge(bundle, &given());
        findings.iter().any(|finding| finding.severity == Severity::Error)
    };
    for left in 0..1_u32 << all.envelopes.len() {
        let mut fewer = bundle();
        let kept = all.envelopes.iter().enumerate().filter(|(place, _)| left & (1 << place) != 0);
        fewer.envelopes = kept.map(|(_, envelope)| envelope.clone()).collect();
        for dropped in 0..fewer.envelopes.len() {
            let mut less = bundle();
            less.envelopes = fewer.envelopes.clone();
            less.envelopes.remove(dropped);
            assert!(!refused(&fewer) || refused(&less), "without {dropped} of {:?}", fewer.envelopes);
        }
    }
}

#[test]
fn a_run_is_signed_as_what_its_journal_says() {
    let result = |sample: &Sample| {
        let statement = of_run(&bundle_of(sample), "runner").unwrap();
        let Predicate::TestResult(result) = statement.predicate else { panic!("{statement:?}") };
        (result.result, result.extensions[uri::OUTCOME].as_str().unwrap().to_owned(), result)
    };
    let (passed, outcome, tests) = result(&sample(Verdict::Passed));
    assert_eq!((passed, outcome.as_str()), (TestOutcome::Passed, "passed"));
    assert_eq!(tests.passed_tests, ["infra::redis-ping", "infra::lag"]);
    assert!(tests.warned_tests.is_empty() && tests.failed_tests.is_empty());
    assert_eq!(tests.configuration.len(), 1, "the profile");
    let (failed, outcome, tests) = result(&sample(Verdict::Error));
    assert_eq!((failed, outcome.as_str()), (TestOutcome::Failed, "failed"));
    assert_eq!(tests.failed_tests, ["infra::lag"]);
    let mut flaky = Sample::new(vec![gate("lag", "kafka_lag")]);
    flaky.begin("lag").again("lag", 1);
    flaky.end_with("lag", Verdict::Passed, "", |ended| ended.attempts = 2).done();
    let (flaky, _, tests) = result(&flaky);
    assert_eq!((flaky, tests.warned_tests.len()), (TestOutcome::Warned, 1));
    let mut partial = sample(Verdict::Passed);
    partial.started.partial = true;
    let (partial, outcome, _) = result(&partial);
    assert_eq!((partial, outcome.as_str()), (TestOutcome::Warned, "partial"));
    let mut killed = sample(Verdict::Passed);
    killed.events.pop();
    let (killed, outcome, _) = result(&killed);
    assert_eq!((killed, outcome.as_str()), (TestOutcome::Failed, "unfinished"));
}

#[test]
fn what_has_no_manifest_or_no_journal_can_not_be_signed() {
    let mut without = bundle();
    without.manifest = None;
    assert_eq!(of_run(&without, "runner"), Err(Unsignable::NoManifest));
    let mut without = bundle();
    without.journals.clear();
    assert_eq!(of_run(&without, "runner"), Err(Unsignable::NoJournal));
}
