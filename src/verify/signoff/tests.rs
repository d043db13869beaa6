use super::*;
use crate::model::event::FileDigest;
use crate::policy::{APPROVER, Policy, Requirements, Threshold, TrustedKey};
use crate::sign::{Envelope, PrivateKey, Statement};
use crate::verify::bundle::Bundle;
use crate::verify::code::{Class, Code};
use crate::verify::decision::{JudgedRun, Judgement};
use crate::verify::finding::{Evidence, Finding, Severity};
use crate::verify::runs::Selection;
use std::path::Path;
use std::time::Duration;

const NOW: i64 = 1_795_376_463_120;
const PROFILE: &str = "abababababababababababababababababababababababababababababababab";
const POLICY: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

fn now() -> Stamp {
    Stamp::from_millis(NOW)
}

fn counting() -> JudgedRun {
    JudgedRun {
        run: RunId::from_text("run"),
        folder: "evidence/run".to_owned(),
        manifest_sha256: Some("ef".repeat(32)),
        started: now(),
        outcome: "passed".to_owned(),
        counts: true,
        why: "the only one that may".to_owned(),
    }
}

fn judgement() -> Judgement {
    Judgement {
        decision: Decision::Go,
        policy: FileDigest { path: "gates/policy/window.toml".to_owned(), sha256: POLICY.to_owned() },
        policy_name: "window".to_owned(),
        at: now(),
        environment: "desk".to_owned(),
        commit: Some("c0ffee".to_owned()),
        profile: Some(FileDigest { path: "gates/desk.toml".to_owned(), sha256: PROFILE.to_owned() }),
        runs: vec![counting()],
        gates: Vec::new(),
        waivers: Vec::new(),
        signers: Vec::new(),
        valid_until: Some((now().plus(Duration::from_secs(3600)), "the age of `answers`".to_owned())),
        findings: Vec::new(),
        more: Vec::new(),
    }
}

fn selection() -> Selection {
    Selection { counting: Some(0), runs: vec![counting()], findings: Vec::new(), more: Vec::new() }
}

fn bundle(findings: Vec<Finding>) -> Bundle {
    Bundle {
        folder: "evidence/run".into(),
        manifest: None,
        manifest_sha256: None,
        journals: Vec::new(),
        envelopes: vec![("signatures/ci.dsse.json".to_owned(), b"an envelope".to_vec())],
        findings,
        more: Vec::new(),
    }
}

fn finding(code: Code, severity: Severity) -> Finding {
    Finding {
        code,
        severity,
        evidence: Evidence::Bundle,
        file: "evidence/run".to_owned(),
        line: None,
        subject: "it".to_owned(),
        expected: "good".to_owned(),
        seen: "bad".to_owned(),
        advice: None,
    }
}

/// Two people and somebody else.
struct People {
    ci: PrivateKey,
    alice: PrivateKey,
    eve: PrivateKey,
}

fn people() -> People {
    let key = || PrivateKey::generate(crate::sign::Algorithm::Ed25519).unwrap();
    People { ci: key(), alice: key(), eve: key() }
}

fn policy(people: &People) -> Policy {
    let at = crate::model::Position { file: "gates/policy/window.toml".to_owned(), line: 7, column: 1 };
    let trusted = |name: &str, key: &PrivateKey, role: &str| TrustedKey {
        name: name.to_owned(),
        key: key.public().clone(),
        roles: [role.to_owned()].into(),
        at: at.clone(),
    };
    Policy {
        name: "window".to_owned(),
        path: at.file.clone(),
        sha256: POLICY.to_owned(),
        expires: None,
        requires: Requirements::default(),
        gates: Vec::new(),
        keys: vec![trusted("ci", &people.ci, "runner"), trusted("alice", &people.alice, APPROVER)],
        thresholds: vec![
            Threshold { role: "runner".to_owned(), count: 1, at: at.clone() },
            Threshold { role: APPROVER.to_owned(), count: 1, at },
        ],
        waivers: Vec::new(),
    }
}

fn expected() -> Expected<'static> {
    Expected {
        environment: "desk",
        commit: Some("c0ffee"),
        dirty: false,
        profile_sha256: Some(PROFILE),
        now: now(),
    }
}

/// A sign-off, made and signed by the machine, and approved by a person.
fn file(signoff: &SignOff, people: &People) -> File {
    let bytes = signoff.to_json().unwrap();
    let sha256 = super::summary::sha256(&bytes);
    let said = summary(signoff, "signoff.json", &sha256, &[bundle(Vec::new())], "runner");
    let approved = Statement::approval("signoff.json", &sha256, APPROVER);
    let sealed = |said: &Statement, key: &PrivateKey| Envelope::sign(said, &[key]).unwrap().to_json();
    let envelopes = vec![
        ("signoff.json.dsse.json".to_owned(), sealed(&said, &people.ci)),
        ("signoff.json.approver.dsse.json".to_owned(), sealed(&approved, &people.alice)),
    ];
    File { path: "signoff.json".to_owned(), bytes, envelopes }
}

fn errors(checked: &Checked) -> Vec<Code> {
    let errors = checked.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

/// What is found where one thing is not as it was.
fn found(change: impl FnOnce(&mut SignOff, &mut Policy, &mut Expected<'static>)) -> Vec<Code> {
    let people = people();
    let (mut signoff, mut policy, mut expected) =
        (make(&judgement(), &[], now()), policy(&people), expected());
    change(&mut signoff, &mut policy, &mut expected);
    let checked = check(&file(&signoff, &people), &policy, &expected);
    assert_eq!(checked.is_accepted(), errors(&checked).is_empty());
    errors(&checked)
}

#[test]
fn a_go_that_two_people_signed_is_accepted() {
    let people = people();
    let signoff = make(&judgement(), &[bundle(Vec::new())], now());
    let checked = check(&file(&signoff, &people), &policy(&people), &expected());
    assert!(checked.is_accepted(), "{:#?}", checked.findings);
    let signers: Vec<_> = checked.signers.iter().map(|signer| (&*signer.name, &*signer.role)).collect();
    assert_eq!(signers, [("ci", "runner"), ("alice", "approver")]);
    assert_eq!(checked.signoff, Some(signoff));
}

#[test]
fn whatever_the_cutover_uses_must_be_what_was_signed_off() {
    assert_eq!(found(|_, _, _| {}), []);
    assert_eq!(found(|_, _, it| it.environment = "other"), [Code::SignoffOtherEnvironment]);
    assert_eq!(found(|_, _, it| it.commit = Some("decaf")), [Code::SignoffOtherCommit]);
    assert_eq!(found(|_, _, it| it.commit = None), [Code::SignoffOtherCommit]);
    // Two commits that nobody knows may be two.
    let unknown = |signoff: &mut SignOff, _: &mut Policy, it: &mut Expected<'static>| {
        (signoff.commit, it.commit) = (None, None);
    };
    assert_eq!(found(unknown), [Code::SignoffOtherCommit]);
    assert_eq!(found(|_, _, it| it.profile_sha256 = Some(POLICY)), [Code::SignoffOtherProfile]);
    assert_eq!(found(|_, _, it| it.profile_sha256 = None), [Code::SignoffOtherProfile]);
    assert_eq!(found(|_, _, it| it.dirty = true), []);
    let clean = |_: &mut SignOff, policy: &mut Policy, it: &mut Expected<'static>| {
        (policy.requires.clean_tree, it.dirty) = (true, true);
    };
    assert_eq!(found(clean), [Code::SignoffDirtyTree]);
}

#[test]
fn a_sign_off_holds_until_its_end_and_not_longer_and_only_by_its_policy() {
    let hours = |hours: u64| now().plus(Duration::from_secs(3600 * hours));
    assert_eq!(found(|_, _, it| it.now = hours(1)), []);
    assert_eq!(found(|_, _, it| it.now = hours(2)), [Code::SignoffExpired]);
    assert_eq!(found(|_, policy, _| policy.expires = Some(now())), [Code::SignoffExpired]);
    // The summary that was signed is by the policy as it was.
    let changed = |_: &mut SignOff, policy: &mut Policy, _: &mut Expected<'static>| {
        policy.sha256 = PROFILE.to_owned();
    };
    assert_eq!(found(changed), [Code::SignoffOtherPolicy]);
}

#[test]
fn only_a_go_that_agrees_with_itself_lets_a_cutover_begin() {
    for decision in [Decision::NoGo, Decision::Incomplete] {
        let codes = found(|signoff, _, _| signoff.decision = decision);
        assert_eq!(codes, [Code::SignoffNotGo]);
    }
    assert_eq!(found(|signoff, _, _| signoff.decision = Decision::GoWithWaivers), []);
    let reason = make::reason_of(&finding(Code::OtherRun, Severity::Error));
    let codes = found(|signoff, _, _| signoff.findings = vec![reason]);
    assert_eq!(codes, [Code::SignoffContradictsItself]);
    assert_eq!(found(|signoff, _, _| signoff.run = None), [Code::SignoffContradictsItself]);
}

#[test]
fn dropping_a_signature_or_giving_it_by_somebody_else_never_helps() {
    let people = people();
    let (whole, policy) = (file(&make(&judgement(), &[], now()), &people), policy(&people));
    let of = |envelopes: Vec<(String, Vec<u8>)>| {
        let checked = check(&File { envelopes, ..whole.clone() }, &policy, &expected());
        (errors(&checked), checked.findings.len())
    };
    assert_eq!(of(whole.envelopes.clone()).0, []);
    assert_eq!(of(whole.envelopes[..1].to_vec()).0, [Code::SignoffUnsigned]);
    assert_eq!(of(Vec::new()).0, [Code::SignoffUnsigned, Code::SignoffUnsigned]);
    // The machine may not approve, a stranger may nothing, and the same key twice is one.
    for (key, role) in [(&people.ci, APPROVER), (&people.eve, APPROVER), (&people.alice, "runner")] {
        let said = Statement::approval("signoff.json", &super::summary::sha256(&whole.bytes), role);
        let sealed = Envelope::sign(&said, &[key]).unwrap().to_json();
        let (codes, all) = of(vec![whole.envelopes[0].clone(), ("other".to_owned(), sealed)]);
        assert_eq!((codes, all), (vec![Code::SignoffUnsigned], 2));
    }
    let mut two = policy.clone();
    two.thresholds[1].count = 2;
    let again = [whole.envelopes.clone(), vec![("again".to_owned(), whole.envelopes[1].1.clone())]].concat();
    let checked = check(&File { envelopes: again, ..whole.clone() }, &two, &expected());
    assert_eq!(errors(&checked), [Code::SignoffUnsigned]);
    // What can't be read is told and counts for nothing.
    let (codes, all) = of([whole.envelopes.clone(), vec![("x".to_owned(), b"{".to_vec())]].concat());
    assert_eq!((codes, all), (vec![], 1));
}

/// Every byte of the file is signed.
#[test]
fn an_edited_sign_off_has_no_signature() {
    let people = people();
    let (whole, policy) = (file(&make(&judgement(), &[], now()), &people), policy(&people));
    let text = String::from_utf8(whole.bytes.clone()).unwrap();
    for (from, to) in [("c0ffee", "decaf0"), ("\"GO\"", "\"GO WITH WAIVERS\""), ("\n}\n", "\n}")] {
        assert!(text.contains(from));
        let bytes = text.replace(from, to).into_bytes();
        let checked = check(&File { bytes, ..whole.clone() }, &policy, &expected());
        let codes = errors(&checked);
        assert!(codes.contains(&Code::SignoffUnsigned), "{from}: {codes:?}");
        assert!(checked.signers.is_empty());
    }
}

proptest::proptest! {
    #[test]
    fn a_sign_off_with_one_byte_changed_is_never_accepted(place: proptest::sample::Index, by in 1u8..) {
        let people = people();
        let mut whole = file(&make(&judgement(), &[], now()), &people);
        let place = place.index(whole.bytes.len());
        whole.bytes[place] ^= by;
        let checked = check(&whole, &policy(&people), &expected());
        proptest::prop_assert!(!checked.is_accepted() && checked.signers.is_empty());
    }

    #[test]
    fn any_bytes_can_be_read(bytes: Vec<u8>) {
        proptest::prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn a_no_go_is_signed_as_failed_and_that_signature_approves_nothing() {
    let people = people();
    let mut no = make(&judgement(), &[], now());
    no.decision = Decision::NoGo;
    let statement = summary(&no, "signoff.json", PROFILE, &[bundle(Vec::new())], "runner");
    let payload = String::from_utf8(statement.to_payload().unwrap()).unwrap();
    assert!(payload.contains(r#""verificationResult":"FAILED""#), "{payload}");
    assert!(payload.contains(r#""verifiedLevels":["FAILED"]"#), "{payload}");
    assert!(payload.contains("run/signatures/ci.dsse.json"), "{payload}");
    // The same key says FAILED of bytes that say GO.
    let go = make(&judgement(), &[], now());
    let mut file = file(&go, &people);
    let failed = summary(&no, "signoff.json", &super::summary::sha256(&file.bytes), &[], "runner");
    file.envelopes[0].1 = Envelope::sign(&failed, &[&people.ci]).unwrap().to_json();
    file.envelopes.truncate(1);
    let checked = check(&file, &policy(&people), &expected());
    assert!(checked.signers.is_empty() && !checked.is_accepted());
}

#[test]
fn what_two_readers_would_read_differently_is_not_read() {
    let text = String::from_utf8(make(&judgement(), &[], now()).to_json().unwrap()).unwrap();
    assert!(read(text.as_bytes()).is_ok());
    let twice = text.replacen("{\n", "{\n  \"decision\": \"NO-GO\",\n", 1);
    assert!(matches!(read(twice.as_bytes()), Err(Unreadable::Shape(why)) if why.contains("duplicate")));
    let more = text.replacen("{\n", "{\n  \"approved\": true,\n", 1);
    assert!(matches!(read(more.as_bytes()), Err(Unreadable::Shape(_))));
    let other = text.replacen("\"signoff\"", "\"summary\"", 1);
    assert!(matches!(read(other.as_bytes()), Err(Unreadable::Projection(_))));
    let newer = text.replacen("\"version\": 1", "\"version\": 2", 1);
    assert_eq!(read(newer.as_bytes()), Err(Unreadable::Version(2)));
    for (place, _) in text.char_indices().step_by(7) {
        assert!(read(&text.as_bytes()[..place]).is_err());
    }
}

#[test]
fn an_unknown_version_is_no_sign_of_tampering() {
    let people = people();
    let mut whole = file(&make(&judgement(), &[], now()), &people);
    let text = String::from_utf8(whole.bytes).unwrap();
    whole.bytes = text.replacen("\"version\": 1", "\"version\": 2", 1).into_bytes();
    let checked = check(&whole, &policy(&people), &expected());
    assert_eq!(errors(&checked), [Code::UnknownProjection]);
    assert!(!checked.is_accepted());
}

#[test]
fn only_a_policy_below_gates_policy_is_opened_unasked() {
    let mut signoff = make(&judgement(), &[], now());
    assert_eq!(policy_path(&signoff), Some(Path::new("gates/policy/window.toml")));
    for path in [
        "/gates/policy/x.toml",
        "gates/policy/../x.toml",
        "gates/policy",
        "policy/x.toml",
        "../gates/policy/x.toml",
        "",
    ] {
        signoff.policy.path = path.to_owned();
        assert_eq!(policy_path(&signoff), None, "{path}");
    }
}

#[test]
fn a_bundle_that_is_not_intact_refuses_whatever_the_policy_made_of_it() {
    let combined = |code, severity| {
        let bundles = [bundle(vec![finding(code, severity)])];
        combine(judgement(), selection(), &bundles)
    };
    let good = combined(Code::LineWithoutKey, Severity::Warning);
    assert_eq!((good.decision, refused_by(&good)), (Decision::Go, None));
    assert!(good.valid_until.is_some());
    let red = combined(Code::OtherRun, Severity::Error);
    assert_eq!((red.decision, refused_by(&red)), (Decision::NoGo, Some(Class::Refused)));
    assert_eq!(red.valid_until, None);
    let missing = combined(Code::EvidenceNotFound, Severity::Error);
    assert_eq!((missing.decision, refused_by(&missing)), (Decision::Incomplete, Some(Class::Missing)));
    let unknown = combined(Code::UnknownProjection, Severity::Error);
    assert_eq!((unknown.decision, refused_by(&unknown)), (Decision::Incomplete, Some(Class::Inconclusive)));
    // What the policy refused stays refused.
    let no = Judgement { decision: Decision::NoGo, ..judgement() };
    let no = combine(no, selection(), &[bundle(vec![finding(Code::EvidenceNotFound, Severity::Error)])]);
    assert_eq!(no.decision, Decision::NoGo);
}

#[test]
fn that_another_run_was_killed_only_tells_why_it_does_not_count() {
    let bundles = [bundle(Vec::new()), bundle(vec![finding(Code::RunUnfinished, Severity::Error)])];
    let combined = combine(judgement(), selection(), &bundles);
    assert_eq!(combined.decision, Decision::Go);
    assert_eq!(combined.findings[0].severity, Severity::Warning);
}
