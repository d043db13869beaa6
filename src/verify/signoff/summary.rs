//! The sign-off as what is signed of it: SLSA's verification summary, for a NO-GO as for a GO.

use super::SignOff;
use crate::journal::Digest;
use crate::model::Stamp;
use crate::sign::{ResourceDescriptor, Statement, VerificationResult, VerificationSummary, Verifier, uri};
use crate::verify::bundle::Bundle;
use crate::verify::decision::Decision;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is said of a sign-off: `name` and `sha256` are its file's. The signer signs as `role`.
///
/// The subjects are the file and the manifest of the run that counts; what was looked at are the envelopes of the runs.
pub fn summary(signoff: &SignOff, name: &str, sha256: &str, bundles: &[Bundle], role: &str) -> Statement {
    let mut subjects = vec![ResourceDescriptor::file(name, sha256)];
    let of_run = signoff.run.as_ref().and_then(|run| Some((&run.run, run.manifest_sha256.as_ref()?)));
    subjects
        .extend(of_run.map(|(run, sha256)| ResourceDescriptor::file(format!("{run}/manifest.json"), sha256)));
    let policy = &signoff.policy;
    let summary = VerificationSummary {
        verifier: Verifier {
            id: uri::VERIFIER.to_owned(),
            version: BTreeMap::from([("cutproof".to_owned(), signoff.tool.clone())]),
        },
        time_verified: signoff.made,
        resource_uri: environment_uri(&signoff.environment),
        policy: ResourceDescriptor {
            name: Some(policy.path.clone()),
            ..ResourceDescriptor::resource(urn("policy", &policy.name), &policy.sha256)
        },
        input_attestations: bundles.iter().flat_map(inputs).collect(),
        verification_result: match signoff.decision.is_go() {
            true => VerificationResult::Passed,
            false => VerificationResult::Failed,
        },
        verified_levels: vec![level(signoff.decision).to_owned()],
        dependency_levels: BTreeMap::new(),
        slsa_version: None,
        extensions: extensions(signoff, role),
    };
    Statement { subjects, predicate: crate::sign::Predicate::VerificationSummary(summary) }
}

/// The environment as what a verdict is for.
pub(super) fn environment_uri(environment: &str) -> String {
    urn("environment", environment)
}

/// SLSA's word where it did not pass; else one of our own.
fn level(decision: Decision) -> &'static str {
    match decision {
        Decision::Go => "CUTPROOF_GO",
        Decision::GoWithWaivers => "CUTPROOF_GO_WITH_WAIVERS",
        Decision::Incomplete | Decision::NoGo => "FAILED",
    }
}

fn extensions(signoff: &SignOff, role: &str) -> BTreeMap<String, Value> {
    let stamp = |stamp: Stamp| Value::from(stamp.to_string());
    let mut extensions = BTreeMap::from([
        (uri::ROLE.to_owned(), Value::from(role)),
        (uri::FINDINGS.to_owned(), json!(signoff.findings)),
        (uri::WAIVERS.to_owned(), json!(signoff.waivers)),
        (DECISION.to_owned(), Value::from(signoff.decision.as_str())),
    ]);
    extensions.extend(signoff.valid_until.map(|until| (VALID_UNTIL.to_owned(), stamp(until))));
    extensions
}

/// Extension: the decision in words.
const DECISION: &str = "urn:cutproof:decision";
/// Extension: until when it holds.
const VALID_UNTIL: &str = "urn:cutproof:valid-until";

/// The envelopes of a run.
fn inputs(bundle: &Bundle) -> impl Iterator<Item = ResourceDescriptor> {
    let folder = bundle.folder.file_name().unwrap_or_default().to_string_lossy();
    bundle
        .envelopes
        .iter()
        .map(move |(name, bytes)| ResourceDescriptor::file(format!("{folder}/{name}"), sha256(bytes)))
}

/// SHA-256 in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// A name as a URN: what RFC 3986 reserves is written as `%XX`.
fn urn(kind: &str, name: &str) -> String {
    let mut urn = format!("urn:cutproof:{kind}:");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            urn.push(char::from(byte));
        } else {
            let _ = write!(urn, "%{byte:02X}");
        }
    }
    urn
}
