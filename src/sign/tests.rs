use super::envelope::pre_authentication_encoding;
use super::*;
use crate::model::Stamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The test key of RFC 8032, 7.1, test 1, as openssl writes it: a head, then the secret.
const RFC8032: &str =
    "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
/// The test key of RFC 6979, A.2.5, as SEC1 DER without its public half.
const RFC6979: &str =
    "30310201010420c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721a00a06082a8648ce3d030107";

pub(super) fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::generate(algorithm).unwrap()
}

pub(super) fn keys() -> [PrivateKey; 2] {
    [key(Algorithm::Ed25519), key(Algorithm::EcdsaP256)]
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn pem(label: &str, der: &str) -> String {
    let text = base64::encode(&bytes(der));
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn statement() -> Statement {
    Statement::approval("signoff.json", &"ab".repeat(32), "approver")
}

fn result() -> TestResult {
    TestResult {
        result: TestOutcome::Failed,
        configuration: vec![ResourceDescriptor::file("gates/desk.toml", "12".repeat(32))],
        url: None,
        passed_tests: vec!["infra::redis".to_owned()],
        warned_tests: Vec::new(),
        failed_tests: vec!["infra::lag".to_owned()],
        extensions: BTreeMap::from([(uri::ROLE.to_owned(), json!("runner"))]),
    }
}

fn summary() -> VerificationSummary {
    VerificationSummary {
        verifier: Verifier { id: uri::VERIFIER.to_owned(), version: BTreeMap::new() },
        time_verified: Stamp::from_millis(1_795_376_463_120),
        resource_uri: "urn:cutproof:environment:desk".to_owned(),
        policy: ResourceDescriptor::resource("file:gates/policy/desk.toml", "12".repeat(32)),
        input_attestations: vec![ResourceDescriptor::file("run/manifest.json", "34".repeat(32))],
        verification_result: VerificationResult::Failed,
        verified_levels: vec!["FAILED".to_owned()],
        dependency_levels: BTreeMap::new(),
        slsa_version: None,
        extensions: BTreeMap::from([(uri::FINDINGS.to_owned(), json!([{"code": "no-run-id"}]))]),
    }
}

fn stated(predicate: Predicate) -> Statement {
    Statement { subjects: vec![ResourceDescriptor::file("run/manifest.json", "34".repeat(32))], predicate }
}

fn written(envelope: &Envelope) -> Value {
    serde_json::from_slice(&envelope.to_json()).unwrap()
}

fn parsed(value: &Value) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(value.to_string().as_bytes())
}

#[test]
fn signatures_are_those_of_the_standards_test_vectors() {
    let key = PrivateKey::from_pem(&pem("PRIVATE KEY", RFC8032)).unwrap();
    let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
                    d25bf5f0595bbe24655141438e7a100b";
    assert_eq!(key.sign(b""), bytes(expected));
    let key = PrivateKey::from_pem(&pem("EC PRIVATE KEY", RFC6979)).unwrap();
    let expected = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d657c41\
                    d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    assert_eq!(key.sign(b"sample"), bytes(expected));
}

#[test]
fn the_encoding_that_is_signed_is_the_one_of_the_protocols_example() {
    let encoding = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoding, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn keys_are_written_and_read_back() {
    for key in keys() {
        let pem = key.to_pem().unwrap();
        assert!(
            pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem.ends_with("-----END PRIVATE KEY-----\n")
        );
        let again = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!(again.public(), key.public());
        let public = key.public().to_pem().unwrap();
        assert_eq!(PublicKey::from_pem(&public).as_ref(), Ok(key.public()));
        assert_eq!(PrivateKey::from_pem(&public).unwrap_err(), KeyError::Public);
        assert_eq!(PublicKey::from_pem(&pem).unwrap_err(), KeyError::Private);
    }
    assert_ne!(key(Algorithm::Ed25519).public(), key(Algorithm::Ed25519).public(), "each is another one");
}

#[test]
fn what_is_no_key_is_refused_without_being_quoted() {
    let long = "x".repeat(100_000);
    let encrypted = pem("ENCRYPTED PRIVATE KEY", "3000");
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----";
    for encrypted in [encrypted.as_str(), old] {
        assert_eq!(PrivateKey::from_pem(encrypted).unwrap_err(), KeyError::Encrypted);
        assert!(KeyError::Encrypted.to_string().contains("openssl pkey"));
    }
    let cut = pem("PRIVATE KEY", &RFC8032[..RFC8032.len() - 2]);
    let more = pem("PRIVATE KEY", &format!("{RFC8032}00"));
    let twice = pem("PRIVATE KEY", RFC8032).repeat(2);
    for text in
        ["", "-----BEGIN PRIVATE KEY-----", &long, &cut, &more, &twice, &pem("RSA PRIVATE KEY", "3000")]
    {
        let error = PrivateKey::from_pem(text).unwrap_err();
        assert_eq!(error, KeyError::NoPrivateKey);
        assert!(error.to_string().len() < 200);
    }
}

#[test]
fn a_private_key_is_not_in_its_debug_form() {
    for key in keys() {
        let pem = key.to_pem().unwrap();
        let secret: String = pem.lines().nth(1).unwrap().chars().rev().take(16).collect();
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("PrivateKey(of {:?})", key.public()));
        assert!(!shown.contains(&secret));
    }
}

#[test]
fn what_is_signed_is_verified_by_its_keys_and_no_others() {
    let [first, second] = keys();
    let other = key(Algorithm::EcdsaP256);
    let envelope = Envelope::sign(&statement(), &[&first, &second]).unwrap();
    let envelope = Envelope::parse(&envelope.to_json()).unwrap();
    assert_eq!(envelope.statement(), Ok(statement()));
    let public = [first.public().clone(), second.public().clone(), other.public().clone()];
    let verified = envelope.verify(&public);
    assert_eq!(verified.by, [first.public().id().clone(), second.public().id().clone()]);
    assert_eq!(verified.ignored, []);
    let verified = envelope.verify(&public[1..]);
    assert_eq!(verified.by, [second.public().id().clone()]);
    assert_eq!(verified.ignored.len(), 1);
    assert_eq!((verified.ignored[0].number, &verified.ignored[0].why), (1, &Why::Foreign));
    assert!(envelope.verify(&public[2..]).by.is_empty());
    assert!(envelope.verify(&[]).by.is_empty());
}

#[test]
fn a_keyid_is_a_hint_and_no_proof() {
    for key in keys() {
        let mut envelope = written(&Envelope::sign(&statement(), &[&key]).unwrap());
        for keyid in [json!("somebody else"), json!(""), Value::Null] {
            envelope["signatures"][0]["keyid"] = keyid;
            let verified = parsed(&envelope).unwrap().verify(&[key.public().clone()]);
            assert_eq!(verified.by, [key.public().id().clone()]);
        }
        envelope["signatures"][0].as_object_mut().unwrap().remove("keyid");
        assert_eq!(parsed(&envelope).unwrap().verify(&[key.public().clone()]).by.len(), 1);
        let other = self::key(Algorithm::Ed25519);
        let mut envelope = written(&Envelope::sign(&statement(), &[&other]).unwrap());
        envelope["signatures"][0]["keyid"] = json!(key.public().id().as_str());
        let verified = parsed(&envelope).unwrap().verify(&[key.public().clone()]);
        assert_eq!(verified.by, []);
        assert_eq!(verified.ignored[0].why, Why::Broken(key.public().id().clone()));
    }
}

#[test]
fn a_key_counts_once_however_often_it_signed() {
    for key in keys() {
        let mut envelope = Envelope::sign(&statement(), &[&key]).unwrap();
        assert!(!envelope.add_signature(&key));
        let mut twice = written(&envelope);
        let again = twice["signatures"][0].clone();
        twice["signatures"].as_array_mut().unwrap().push(again);
        let verified = parsed(&twice).unwrap().verify(&[key.public().clone(), key.public().clone()]);
        assert_eq!(verified.by.len(), 1);
        assert_eq!(
            (verified.ignored[0].number, &verified.ignored[0].why),
            (2, &Why::Again(verified.by[0].clone()))
        );
    }
}

#[test]
fn a_payload_that_was_exchanged_is_signed_by_nobody() {
    for key in keys() {
        let mut envelope = written(&Envelope::sign(&statement(), &[&key]).unwrap());
        let other = Statement::approval("signoff.json", &"cd".repeat(32), "approver").to_payload().unwrap();
        envelope["payload"] = json!(base64::encode(&other));
        let verified = parsed(&envelope).unwrap().verify(&[key.public().clone()]);
        assert_eq!(
            (verified.by.len(), &verified.ignored[0].why),
            (0, &Why::Broken(key.public().id().clone()))
        );
    }
}

#[test]
fn an_envelope_that_is_not_as_it_must_be_is_refused() {
    let good = written(&Envelope::sign(&statement(), &[&key(Algorithm::Ed25519)]).unwrap());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        parsed(&changed).unwrap_err().to_string()
    };
    let cut = |value: &Value| json!(value.as_str().map(|text| text[..text.len() - 1].to_owned()));
    let nested = base64::encode(good.to_string().as_bytes());
    let many = vec![good["signatures"][0].clone(); MAX_SIGNATURES + 1];
    for (told, seen) in [
        ("the payload as padded base64", with(&|e| e["payload"] = cut(&e["payload"]))),
        (
            "signature 1 as padded base64",
            with(&|e| e["signatures"][0]["sig"] = cut(&e["signatures"][0]["sig"])),
        ),
        ("it is \"text/plain\"", with(&|e| e["payloadType"] = json!("text/plain"))),
        ("it is another envelope", with(&|e| e["payload"] = json!(nested))),
        ("there is none", with(&|e| e["signatures"] = json!([]))),
        ("there are 65", with(&|e| e["signatures"] = json!(many))),
        ("missing field `payload`", with(&|e| drop(e.as_object_mut().unwrap().remove("payload")))),
        ("missing field `sig`", with(&|e| drop(e["signatures"][0].as_object_mut().unwrap().remove("sig")))),
        ("invalid type", with(&|e| e["signatures"] = json!({}))),
    ] {
        assert!(seen.contains(told), "expected {told:?} in {seen:?}");
    }
    let twice = good.to_string().replacen('{', r#"{"payload":"e30=","#, 1);
    assert!(matches!(Envelope::parse(twice.as_bytes()), Err(EnvelopeError::Json(_))));
    let large = vec![b' '; MAX_ENVELOPE + 1];
    assert_eq!(Envelope::parse(&large), Err(EnvelopeError::TooLarge(MAX_ENVELOPE + 1)));
}

#[test]
fn an_envelope_of_others_is_read_with_fields_that_are_not_known_and_the_other_alphabet() {
    let key = key(Algorithm::EcdsaP256);
    let odd = Statement::approval("~~~~~?????.json", &"ab".repeat(32), "approver");
    let mut envelope = written(&Envelope::sign(&odd, &[&key]).unwrap());
    let payload = envelope["payload"].as_str().unwrap();
    assert!(payload.contains('+') && payload.contains('/'));
    envelope["payload"] = json!(payload.replace('+', "-").replace('/', "_"));
    envelope["more"] = json!({"a": 1});
    envelope["signatures"][0]["cert"] = json!("none");
    assert_eq!(parsed(&envelope).unwrap().verify(&[key.public().clone()]).by.len(), 1);
}

#[test]
fn statements_are_written_and_read_back() {
    let kinds = [
        Predicate::TestResult(result()),
        Predicate::VerificationSummary(summary()),
        Predicate::Other { kind: "https://example.com/kind/v1".to_owned(), predicate: json!({"a": [1]}) },
    ];
    for predicate in kinds {
        let statement = stated(predicate);
        let payload = statement.to_payload().unwrap();
        assert_eq!(Statement::parse(&payload), Ok(statement));
    }
    assert_eq!(stated(Predicate::TestResult(result())).role(), Some("runner"));
    assert_eq!(statement().role(), Some("approver"));
    assert!(statement().is_about(&"ab".repeat(32)) && !statement().is_about(&"cd".repeat(32)));
}

#[test]
fn a_test_result_and_a_verification_summary_have_the_fields_of_their_specifications() {
    let payload = stated(Predicate::TestResult(result())).to_payload().unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&payload).unwrap(),
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "run/manifest.json", "digest": {"sha256": "34".repeat(32)}}],
            "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
            "predicate": {
                "result": "FAILED",
                "configuration": [{"name": "gates/desk.toml", "digest": {"sha256": "12".repeat(32)}}],
                "passedTests": ["infra::redis"],
                "warnedTests": [],
                "failedTests": ["infra::lag"],
                "urn:cutproof:role": "runner",
            },
        })
    );
    let payload = stated(Predicate::VerificationSummary(summary())).to_payload().unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(
        statement["predicate"],
        json!({
            "verifier": {"id": "urn:cutproof:verifier"},
            "timeVerified": "2026-11-22T19:41:03.120Z",
            "resourceUri": "urn:cutproof:environment:desk",
            "policy": {"uri": "file:gates/policy/desk.toml", "digest": {"sha256": "12".repeat(32)}},
            "inputAttestations": [{"name": "run/manifest.json", "digest": {"sha256": "34".repeat(32)}}],
            "verificationResult": "FAILED",
            "verifiedLevels": ["FAILED"],
            "urn:cutproof:findings": [{"code": "no-run-id"}],
        })
    );
}

#[test]
fn statements_of_others_are_read_with_whatever_they_have_more() {
    let theirs = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"gitCommit": "d20ace7968ba43c0219f62d71334c1095bab1602"}, "new": 1}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED",
            "configuration": [{"name": "ci.yml", "digest": {"gitBlob": "ebe4add40f63c3c98bc9b32ff1e736f04120b023"}}],
            "url": "https://example.com/runs/1",
            "passedTests": ["a"],
            "own": {"x": 1},
            "https://example.com/own": 2,
        },
        "later": true,
    });
    let statement = Statement::parse(theirs.to_string().as_bytes()).unwrap();
    let Predicate::TestResult(result) = &statement.predicate else { panic!("{statement:?}") };
    assert_eq!((result.result, result.passed_tests.len()), (TestOutcome::Passed, 1));
    assert_eq!(result.extensions, BTreeMap::from([("https://example.com/own".to_owned(), json!(2))]));
    let theirs = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": "34".repeat(32)}}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": "https://example.com/publication_verifier"},
            "timeVerified": "1985-04-12T23:20:50.52Z",
            "resourceUri": "https://example.com/example-1.2.3.tar.gz",
            "policy": {"uri": "https://example.com/example_tarball.policy"},
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
            "dependencyLevels": {"SLSA_BUILD_LEVEL_2": 7},
            "slsaVersion": "1.0",
        },
    });
    let statement = Statement::parse(theirs.to_string().as_bytes()).unwrap();
    let Predicate::VerificationSummary(summary) = &statement.predicate else { panic!("{statement:?}") };
    assert_eq!(summary.verified_levels, ["SLSA_BUILD_LEVEL_3"]);
    let error = statement.to_payload().unwrap_err().to_string();
    assert!(error.contains("must not begin with SLSA_"), "we verify no SLSA track: {error}");
}

#[test]
fn a_statement_that_is_not_as_its_type_asks_is_neither_read_nor_written() {
    type Change = fn(&mut Value);
    let result: [(&str, Change); 7] = [
        ("https://in-toto.io/Statement/v0.1", |s| s["_type"] = json!("https://in-toto.io/Statement/v0.1")),
        ("there is none", |s| s["subject"] = json!([])),
        ("subject[0] has no digest", |s| s["subject"] = json!([{"name": "x"}])),
        ("lower-case hex", |s| s["subject"][0]["digest"]["sha256"] = json!("AB".repeat(32))),
        ("lower-case hex", |s| s["subject"][0]["digest"]["sha256"] = json!("ab")),
        ("unknown variant", |s| s["predicate"]["result"] = json!("GREAT")),
        ("configuration[0] has no uri", |s| s["predicate"]["configuration"] = json!([{"name": "x"}])),
    ];
    let summary: [(&str, Change); 8] = [
        ("missing field `policy`", |s| drop(s["predicate"].as_object_mut().unwrap().remove("policy"))),
        ("policy must have a uri", |s| s["predicate"]["policy"] = json!({"name": "x"})),
        ("resourceUri must be a URI", |s| s["predicate"]["resourceUri"] = json!("desk")),
        ("verifier.id must be a URI", |s| s["predicate"]["verifier"]["id"] = json!("")),
        ("inputAttestations[0] must have a digest", |s| {
            s["predicate"]["inputAttestations"] = json!([{"uri": "file:x"}]);
        }),
        ("FAILED alone", |s| s["predicate"]["verifiedLevels"] = json!(["DESK"])),
        ("verificationResult is PASSED", |s| s["predicate"]["verificationResult"] = json!("PASSED")),
        ("timeVerified", |s| s["predicate"]["timeVerified"] = json!("yesterday")),
    ];
    let good = [
        stated(Predicate::TestResult(self::result())),
        stated(Predicate::VerificationSummary(self::summary())),
    ];
    for (good, changes) in good.iter().zip([&result[..], &summary[..]]) {
        let good: Value = serde_json::from_slice(&good.to_payload().unwrap()).unwrap();
        for (told, change) in changes {
            let mut changed = good.clone();
            change(&mut changed);
            let error = Statement::parse(changed.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told) || *told == "timeVerified", "expected {told:?} in {error:?}");
        }
    }
    let mut passed = self::summary();
    passed.verification_result = VerificationResult::Passed;
    assert!(stated(Predicate::VerificationSummary(passed)).to_payload().is_err());
    let mut named = self::result();
    named.extensions.insert("role".to_owned(), json!("x"));
    let error = stated(Predicate::TestResult(named)).to_payload().unwrap_err().to_string();
    assert!(error.contains("must have a URI for its name"), "{error}");
}
