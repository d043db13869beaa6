//! Whether a cutover may rely on a sign-off: what it says, who signed it, and what the cutover is about to use.

use super::summary::{environment_uri, sha256};
use super::{PROJECTION, SignOff, VERSION};
use crate::model::Stamp;
use crate::policy::{APPROVER, Policy, TrustedKey};
use crate::sign::{Envelope, Predicate, PublicKey, Statement, VerificationResult, Why};
use crate::verify::code::Code;
use crate::verify::decision::Signer;
use crate::verify::finding::{Evidence, Finding, Findings, More, Place, Severity};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Where a policy may be that a sign-off names by itself.
const POLICIES: &str = "gates/policy";

/// A sign-off as it was read from the disk.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path as it was given.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The envelopes beside it: their names and what they hold.
    pub envelopes: Vec<(String, Vec<u8>)>,
}

/// What a cutover is about to use.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The commit of the work tree, where it is known.
    pub commit: Option<&'a str>,
    /// Whether the work tree has changes beside it.
    pub dirty: bool,
    /// SHA-256 of the profile, in hex, where there is one.
    pub profile_sha256: Option<&'a str>,
    /// Now.
    pub now: Stamp,
}

/// A sign-off that was checked.
#[derive(Debug)]
pub struct Checked {
    /// What it says, where it could be read.
    pub signoff: Option<SignOff>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Whose signatures over it count.
    pub signers: Vec<Signer>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

impl Checked {
    /// Whether a cutover may rely on it.
    pub fn is_accepted(&self) -> bool {
        let told = self.findings.iter().map(|finding| finding.severity);
        let all = told.chain(self.more.iter().map(|more| more.severity));
        self.signoff.is_some() && !all.into_iter().any(|severity| severity == Severity::Error)
    }
}

/// Why some bytes are no sign-off that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not with the keys that a sign-off has.
    #[error("no sign-off that cutproof wrote: {0}")]
    Shape(String),
    /// Another projection.
    #[error("another projection: {0:?}")]
    Projection(String),
    /// A version that is not known.
    #[error("version {0}")]
    Version(u64),
}

/// Reads a sign-off.
///
/// # Errors
/// Where it is none, or one of another version. A key that is there twice is no key that all read alike.
pub fn read(bytes: &[u8]) -> Result<SignOff, Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        projection: String,
        version: u64,
    }
    let shape = |error: serde_json::Error| Unreadable::Shape(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(shape)?;
    if head.projection != PROJECTION {
        return Err(Unreadable::Projection(head.projection.chars().take(40).collect()));
    }
    if head.version != u64::from(VERSION) {
        return Err(Unreadable::Version(head.version));
    }
    serde_json::from_slice(bytes).map_err(shape)
}

/// The path of the policy that a sign-off names, where that may be opened without being given by name: a relative path
/// below `gates/policy`.
pub fn policy_path(signoff: &SignOff) -> Option<&Path> {
    let path = Path::new(&signoff.policy.path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let below = path.strip_prefix(POLICIES).is_ok_and(|rest| rest.components().next().is_some());
    (plain && below).then_some(path)
}

/// Checks a sign-off against the policy and against what a cutover is about to use.
///
/// What does not count – an envelope that can't be read, a key that nobody trusts, a signature over something else – is
/// a warning; that a signature is missing which must be there is what refuses.
pub fn check(file: &File, policy: &Policy, expected: &Expected<'_>) -> Checked {
    let mut found = Findings::new([(Evidence::Signoff, file.path.clone())]);
    let sha256 = sha256(&file.bytes);
    let signoff = match read(&file.bytes) {
        Ok(signoff) => Some(signoff),
        Err(Unreadable::Version(version)) => {
            let (expected, seen) = (VERSION.to_string(), version.to_string());
            found.refuse(Code::UnknownProjection, at("version"), expected, seen);
            None
        }
        Err(error) => {
            let expected = format!("a sign-off of version {VERSION}, with every key once");
            found.refuse(Code::SignoffUnreadable, at("the sign-off"), expected, error.to_string());
            None
        }
    };
    let mut signers = Vec::new();
    if let Some(signoff) = &signoff {
        says_go(signoff, &mut found);
        is_of_policy(signoff, policy, &mut found);
        still_holds(signoff, policy, expected.now, &mut found);
        is_for_this(signoff, policy, expected, &mut found);
        let by = signed_by(&Signed { file, sha256: &sha256, signoff, policy }, &mut found);
        made_by_whom(&by, &mut found);
        signers = by.into_iter().map(|by| by.signer).collect();
        thresholds(&signers, policy, &mut found);
    }
    let (findings, more) = found.finish();
    Checked { signoff, sha256, signers, findings, more }
}

fn at(subject: &str) -> Place {
    Place::nowhere(Evidence::Signoff, subject)
}

/// A GO that lists what refuses it was not written by cutproof.
fn says_go(signoff: &SignOff, found: &mut Findings) {
    let decision = signoff.decision;
    if !decision.is_go() {
        found.refuse(Code::SignoffNotGo, at("decision"), "GO or GO WITH WAIVERS", decision.as_str());
        return;
    }
    let error = signoff.findings.iter().find(|finding| finding.severity != Severity::Warning.as_str());
    let counted = signoff.not_listed.iter().find(|more| more.severity != Severity::Warning.as_str());
    let code = error.map(|finding| &finding.code).or(counted.map(|more| &more.code));
    if let Some(code) = code {
        let seen = format!("{decision}, and the finding {code}, which refuses it");
        found.refuse(Code::SignoffContradictsItself, at("decision"), "what its findings say", seen);
    }
    if signoff.run.as_ref().is_none_or(|run| run.manifest_sha256.is_none()) {
        let expected = "there, with the digest of its manifest: the sign-off is a GO";
        found.refuse(Code::SignoffContradictsItself, at("run"), expected, "nothing");
    }
}

fn is_of_policy(signoff: &SignOff, policy: &Policy, found: &mut Findings) {
    let (asked, used) = (&policy.sha256, &signoff.policy);
    if *asked != used.sha256 {
        let expected = format!("{} with the digest {asked}", policy.path);
        let seen = format!("{} with the digest {}", used.path, used.sha256);
        found.refuse_and_advise(Code::SignoffOtherPolicy, at("policy"), expected, seen, "sign off anew");
    }
}

fn still_holds(signoff: &SignOff, policy: &Policy, now: Stamp, found: &mut Findings) {
    if let Some(until) = signoff.valid_until.filter(|until| now > *until) {
        let what = signoff.expires_first.as_deref().unwrap_or("it");
        let (expected, seen) =
            (format!("not before {now}, which is now"), format!("{until}: {what} is over"));
        found.refuse_and_advise(Code::SignoffExpired, at("valid_until"), expected, seen, "sign off anew");
    }
    if let Some(expires) = policy.expires.filter(|expires| now >= *expires) {
        let place = Place::in_file(Evidence::Policy, &policy.path, "expires");
        found.refuse(Code::SignoffExpired, place, format!("after {now}, which is now"), expires.to_string());
    }
}

/// What was signed off is what is about to be used.
fn is_for_this(signoff: &SignOff, policy: &Policy, expected: &Expected<'_>, found: &mut Findings) {
    if signoff.environment != expected.environment {
        let asked = format!("{}, as the cutover has it", expected.environment);
        found.refuse(Code::SignoffOtherEnvironment, at("environment"), asked, &signoff.environment);
    }
    match (expected.commit, signoff.commit.as_deref()) {
        (Some(own), Some(signed)) if own == signed => {}
        // Two commits that nobody knows are not known to be the same.
        (own, signed) => {
            let own = own.map_or(
                "known, and the cutover's commit is not: it runs in no repository".to_owned(),
                |own| format!("{own}, as the work tree has it"),
            );
            found.refuse(Code::SignoffOtherCommit, at("commit"), own, signed.unwrap_or("no known commit"));
        }
    }
    if expected.dirty {
        let (asked, seen) =
            ("as the commit has it", "changes beside it: what is used is not what was signed off");
        match policy.requires.clean_tree {
            true => found.refuse(Code::SignoffDirtyTree, at("the work tree"), asked, seen),
            false => found.warn(Code::SignoffDirtyTree, at("the work tree"), asked, seen),
        }
    }
    let signed = signoff.profile.as_ref().map(|profile| profile.sha256.as_str());
    if signed != expected.profile_sha256 {
        let asked = expected.profile_sha256.map_or("none: the cutover was given none".to_owned(), |sha256| {
            format!("of the digest {sha256}, as the cutover's")
        });
        let seen = signoff.profile.as_ref().map_or("none".to_owned(), |profile| {
            format!("{} with the digest {}", profile.path, profile.sha256)
        });
        let advice = "give the cutover the --profile that was signed off";
        found.refuse_and_advise(Code::SignoffOtherProfile, at("profile"), asked, seen, advice);
    }
}

struct Signed<'a> {
    file: &'a File,
    sha256: &'a str,
    signoff: &'a SignOff,
    policy: &'a Policy,
}

/// Whose signatures count: of a key that the policy trusts in the role that the statement names, over these bytes.
fn signed_by(signed: &Signed<'_>, found: &mut Findings) -> Vec<By> {
    let keys: Vec<PublicKey> = signed.policy.keys.iter().map(|trusted| trusted.key.clone()).collect();
    let mut signers = Vec::new();
    for (name, bytes) in &signed.file.envelopes {
        let said = match envelope(signed, bytes) {
            Ok(said) => said,
            Err(why) => {
                ignored(name, &why, found);
                continue;
            }
        };
        let verified = said.envelope.verify(&keys);
        for signature in &verified.ignored {
            let why = match &signature.why {
                Why::Foreign => "is of no key that the policy trusts".to_owned(),
                Why::Broken(key) => format!("does not verify with the key that it names, {key}"),
                Why::Again(key) => format!("is the second of the key {key}"),
            };
            ignored(name, &format!("signature {} {why}", signature.number), found);
        }
        for key in &verified.by {
            // One key may stand in the policy under two names.
            let owners = signed.policy.keys.iter().filter(|trusted| trusted.key.id() == key);
            match owners.clone().find(|trusted| trusted.roles.contains(&said.role)) {
                Some(owner) => {
                    let signer = signer(owner, &said.role, name);
                    signers.push(By { signer, summary: said.summary });
                }
                None => {
                    let names: Vec<_> = owners.map(|trusted| trusted.name.as_str()).collect();
                    let why = format!("{} may not sign as {}", names.join(", "), said.role);
                    ignored(name, &why, found);
                }
            }
        }
    }
    signers
}

fn signer(owner: &TrustedKey, role: &str, envelope: &str) -> Signer {
    Signer {
        name: owner.name.clone(),
        key: owner.key.id().to_string(),
        role: role.to_owned(),
        signed: envelope.to_owned(),
    }
}

/// A signature that counts.
struct By {
    signer: Signer,
    /// Over the verification summary, not an approval.
    summary: bool,
}

/// What an envelope says, where that is of this sign-off.
struct Said {
    envelope: Envelope,
    role: String,
    summary: bool,
}

fn envelope(signed: &Signed<'_>, bytes: &[u8]) -> Result<Said, String> {
    let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
    let statement = envelope.statement().map_err(|error| error.to_string())?;
    if !statement.is_about(signed.sha256) {
        return Err("it is not about this sign-off as it is now".to_owned());
    }
    let role = statement.role().ok_or("it says no role")?.to_owned();
    agrees(&statement, signed)?;
    let summary = matches!(statement.predicate, Predicate::VerificationSummary(_));
    Ok(Said { envelope, role, summary })
}

/// Whether a statement says of the sign-off what that says itself.
fn agrees(statement: &Statement, signed: &Signed<'_>) -> Result<(), String> {
    match &statement.predicate {
        Predicate::Approval(_) => Ok(()),
        Predicate::VerificationSummary(summary) => {
            let said = summary.verification_result == VerificationResult::Passed;
            if said != signed.signoff.decision.is_go() {
                let decision = signed.signoff.decision;
                return Err(format!(
                    "its verification summary does not say {decision}, as the sign-off does"
                ));
            }
            if summary.policy.sha256() != Some(&signed.signoff.policy.sha256) {
                return Err("its verification summary is by another policy than the sign-off".to_owned());
            }
            if summary.resource_uri != environment_uri(&signed.signoff.environment) {
                return Err(format!("its verification summary is for {:?}", summary.resource_uri));
            }
            Ok(())
        }
        other => Err(format!("it is neither an approval nor a verification summary: {:?}", other.kind())),
    }
}

fn ignored(name: &str, why: &str, found: &mut Findings) {
    let at = Place::in_file(Evidence::Signature, name, "the signature");
    found.warn(Code::SignoffSignatureIgnored, at, "one that counts for the sign-off", why);
}

/// Somebody who is trusted made it: an approval says that it was read, the summary that the runs were judged.
fn made_by_whom(by: &[By], found: &mut Findings) {
    if !by.iter().any(|by| by.summary) {
        let expected = "there, by a key that the policy trusts, over these very bytes";
        let advice = "make it with `signoff --key KEY`; the policy names who may";
        let at = at("the signed verification summary");
        found.refuse_and_advise(Code::SignoffUnsigned, at, expected, "none that counts", advice);
    }
}

/// As many approvers as the policy asks for.
fn thresholds(signers: &[Signer], policy: &Policy, found: &mut Findings) {
    for threshold in policy.thresholds.iter().filter(|threshold| threshold.role == APPROVER) {
        let of_role = signers.iter().filter(|signer| signer.role == threshold.role);
        let keys: BTreeSet<_> = of_role.map(|signer| signer.key.as_str()).collect();
        if (keys.len() as u64) < u64::from(threshold.count) {
            let expected = format!(
                "of {} distinct keys in the role {} ({}:{})",
                threshold.count, threshold.role, policy.path, threshold.at.line
            );
            let advice = format!("`sign FILE --role {} --key KEY` adds one", threshold.role);
            let seen = format!("{} that count", keys.len());
            found.refuse_and_advise(Code::SignoffUnsigned, at("signatures"), expected, seen, advice);
        }
    }
}
