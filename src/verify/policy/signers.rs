//! Who signed the run that counts. A signature counts where a key that the policy trusts in a role verifies it, and the
//! statement names that role and the run's manifest. Whatever else lies beside a bundle only warns; that too few count
//! is what refuses.

use super::rule;
use super::runs::Run;
use crate::bundle::MANIFEST_FILE;
use crate::policy::{APPROVER, Policy};
use crate::sign::{Envelope, Ignored, Predicate, PublicKey, Why};
use crate::verify::code::Code;
use crate::verify::decision::Signer;
use crate::verify::finding::{Evidence, Findings, Place};
use std::collections::BTreeSet;

pub(super) fn count(run: &Run<'_>, policy: &Policy, found: &mut Findings) -> Vec<Signer> {
    let keys: Vec<PublicKey> = policy.keys.iter().map(|trusted| trusted.key.clone()).collect();
    let mut signers: Vec<Signer> = Vec::new();
    for (name, bytes) in &run.bundle.envelopes {
        let file = run.bundle.folder.join(name).display().to_string();
        let mut ignore = |why: String| {
            let place = Place::in_file(Evidence::Signature, file.clone(), "the signature");
            found.warn(Code::SignatureIgnored, place, "one that counts", why);
        };
        let said = match read(run, bytes) {
            Ok(said) => said,
            Err(why) => {
                // Without keys nobody asks who signed.
                if !keys.is_empty() {
                    ignore(why);
                }
                continue;
            }
        };
        let verified = said.envelope.verify(&keys);
        verified.ignored.iter().filter(|_| !keys.is_empty()).for_each(|ignored| ignore(told(ignored)));
        for key in &verified.by {
            let Some(owner) = policy.keys.iter().find(|trusted| trusted.key.id() == key) else { continue };
            if !owner.roles.contains(&said.role) {
                ignore(format!("the policy does not let {} sign as {}", owner.name, said.role));
                continue;
            }
            let signer = Signer {
                name: owner.name.clone(),
                key: key.to_string(),
                role: said.role.clone(),
                signed: MANIFEST_FILE.to_owned(),
            };
            if !signers.contains(&signer) {
                signers.push(signer);
            }
        }
    }
    thresholds(&signers, policy, found);
    signers
}

/// An envelope, and as what it was signed.
struct Said {
    envelope: Envelope,
    role: String,
}

fn read(run: &Run<'_>, bytes: &[u8]) -> Result<Said, String> {
    let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
    let statement = envelope.statement().map_err(|error| error.to_string())?;
    if !matches!(statement.predicate, Predicate::TestResult(_) | Predicate::Approval(_)) {
        return Err("it says neither what came of the run nor that somebody stands for it".to_owned());
    }
    let sha256 = run.bundle.manifest_sha256.as_deref();
    if !sha256.is_some_and(|sha256| statement.is_about(sha256)) {
        return Err("it is not about this run's manifest as it is now".to_owned());
    }
    let role = statement.role().ok_or("it does not say as what its signer signs")?.to_owned();
    Ok(Said { envelope, role })
}

fn told(ignored: &Ignored) -> String {
    let why = match &ignored.why {
        Why::Foreign => "is of no key that the policy trusts".to_owned(),
        Why::Broken(key) => format!("does not verify with the key that it names, {key}"),
        Why::Again(key) => format!("is the second of the key {key}"),
    };
    format!("signature {} {why}", ignored.number)
}

/// As many distinct keys must have signed in each role as the policy says. Approvers sign what is made of this.
fn thresholds(signers: &[Signer], policy: &Policy, found: &mut Findings) {
    for threshold in policy.thresholds.iter().filter(|threshold| threshold.role != APPROVER) {
        let of_role = signers.iter().filter(|signer| signer.role == threshold.role);
        let keys: BTreeSet<&str> = of_role.map(|signer| signer.key.as_str()).collect();
        if (keys.len() as u64) < u64::from(threshold.count) {
            let place = rule(&threshold.at, format!("signatures of the role {}", threshold.role));
            let expected = format!("of {} distinct keys that the policy trusts in it", threshold.count);
            let advice = format!("`cutproof sign RUN --role {} --key KEY` adds one", threshold.role);
            found.refuse_and_advise(
                Code::ThresholdUnmet,
                place,
                expected,
                format!("of {}", keys.len()),
                advice,
            );
        }
    }
}
