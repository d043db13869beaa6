//! Who stands for a bundle: the envelopes beside it, held against its manifest and against given keys. What does not
//! count is only told; what refuses a bundle is that nothing counts, so that taking an envelope away never makes a
//! bundle better.

mod run;
#[cfg(test)]
mod tests;

use super::bundle::Bundle;
use super::code::{Class, Code};
use super::finding::{Evidence, Finding, Findings, More, Place};
use crate::sign::{Envelope, Ignored, KeyId, Predicate, PublicKey, Statement, TestResult, Why, uri};
pub use run::{Unsignable, of_run};
use serde_json::Value;
use std::collections::BTreeSet;

/// A signature that counts: of one of the keys, over what the bundle's manifest is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Whose.
    pub key: KeyId,
    /// As what it was signed, where the statement says so.
    pub role: Option<String>,
    /// The envelope: `signatures/NAME`.
    pub envelope: String,
}

/// What came of a bundle's envelopes.
#[derive(Debug)]
pub struct Signatures {
    /// What counts. A key that signed in two roles is here twice, one that signed twice in a role once.
    pub signed: Vec<Signed>,
    /// Everything that does not count, as warnings: by file and reason.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

/// Which of these keys stand for a bundle. Nothing here refuses it.
pub fn read(bundle: &Bundle, keys: &[PublicKey]) -> Signatures {
    let Looked { signed, doubts } = look(bundle, keys);
    let mut found = Findings::new([]);
    doubts.into_iter().for_each(|doubt| doubt.tell(false, &mut found));
    let (findings, more) = found.finish();
    Signatures { signed, findings, more }
}

/// What `verify --key` finds: at least one of these keys must stand for the bundle. Where none does, a signature of
/// theirs that does not verify, or is over something else, is tampering; else it is missing.
pub fn judge(bundle: &Bundle, keys: &[PublicKey]) -> (Vec<Finding>, Vec<More>) {
    let Looked { signed, doubts } = look(bundle, keys);
    let mut found = Findings::new([]);
    doubts.into_iter().for_each(|doubt| doubt.tell(signed.is_empty(), &mut found));
    if signed.is_empty() {
        let shown = bundle.folder.display().to_string();
        let of = if keys.len() == 1 {
            "of the given key".to_owned()
        } else {
            format!("of one of the {} given keys", keys.len())
        };
        let seen = match (bundle.manifest_sha256.is_some(), bundle.envelopes.len()) {
            (false, _) => "no manifest that it could be over".to_owned(),
            (true, 0) => "no envelope".to_owned(),
            (true, count) => format!("none that counts in {count} envelope(s)"),
        };
        let at = Place::in_file(Evidence::Signature, &shown, "a signature");
        let advice = "`cutproof sign RUN --key KEY` signs a run";
        found.refuse_and_advise(
            Code::SignatureMissing,
            at,
            format!("{of}, over manifest.json as it is"),
            seen,
            advice,
        );
    }
    found.finish()
}

/// What counts, and what does not.
struct Looked {
    signed: Vec<Signed>,
    doubts: Vec<Doubt>,
}

/// Something that does not count.
struct Doubt {
    code: Code,
    file: String,
    subject: String,
    expected: String,
    seen: String,
}

impl Doubt {
    /// Where nothing counts at all, what was tampered with is what refuses.
    fn tell(self, nothing_counts: bool, found: &mut Findings) {
        let at = Place::in_file(Evidence::Signature, self.file, self.subject);
        match nothing_counts && self.code.class() == Class::Tampered {
            true => found.refuse(self.code, at, self.expected, self.seen),
            false => found.warn(self.code, at, self.expected, self.seen),
        }
    }
}

fn look(bundle: &Bundle, keys: &[PublicKey]) -> Looked {
    let mut looked = Looked { signed: Vec::new(), doubts: Vec::new() };
    let mut counted = BTreeSet::new();
    for (name, bytes) in &bundle.envelopes {
        let file = format!("{}/{name}", bundle.folder.display());
        let mut doubt = |code, subject: &str, expected: &str, seen: String| {
            let (subject, expected) = (subject.to_owned(), expected.to_owned());
            looked.doubts.push(Doubt { code, file: file.clone(), subject, expected, seen });
        };
        let envelope = match Envelope::parse(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                doubt(Code::EnvelopeUnusable, "the envelope", "a DSSE envelope", error.to_string());
                continue;
            }
        };
        let verified = envelope.verify(keys);
        for ignored in &verified.ignored {
            let (code, expected, seen) = why(ignored);
            doubt(code, &format!("signature {}", ignored.number), expected, seen);
        }
        if verified.by.is_empty() {
            continue;
        }
        let statement = match said(bundle, &envelope) {
            Ok(statement) => statement,
            Err((code, expected, seen)) => {
                doubt(code, "the statement", expected, seen);
                continue;
            }
        };
        let role = statement.role().map(str::to_owned);
        for key in verified.by {
            if counted.insert((key.clone(), role.clone())) {
                looked.signed.push(Signed { key, role: role.clone(), envelope: name.clone() });
            } else {
                let seen = format!("key {key} has signed in this role already");
                doubt(Code::SignatureAgain, "the signature", "the first of its key", seen);
            }
        }
    }
    looked
}

fn why(ignored: &Ignored) -> (Code, &'static str, String) {
    let named = |keyid: &str| match keyid {
        "" => "it names no key".to_owned(),
        keyid => format!("it names the key {keyid}"),
    };
    match &ignored.why {
        Why::Foreign => (Code::SignatureForeign, "of a given key", named(&ignored.keyid)),
        Why::Broken(key) => {
            let seen = format!("it does not verify with the key that it names, {key}");
            (Code::SignatureBroken, "as that key made it", seen)
        }
        Why::Again(key) => {
            (Code::SignatureAgain, "the first of its key", format!("key {key} has signed already"))
        }
    }
}

/// What a key stands for, where that is this run as it is.
fn said(bundle: &Bundle, envelope: &Envelope) -> Result<Statement, (Code, &'static str, String)> {
    let statement = envelope
        .statement()
        .map_err(|error| (Code::StatementUnusable, "an in-toto Statement", error.to_string()))?;
    let Predicate::TestResult(result) = &statement.predicate else {
        let seen = format!("{:?}", statement.predicate.kind());
        return Err((Code::StatementUnusable, "a test result of the run", seen));
    };
    let is_about = bundle.manifest_sha256.as_deref().is_some_and(|sha256| statement.is_about(sha256));
    if !is_about {
        let of = statement.subjects.first().and_then(|subject| subject.sha256()).unwrap_or("none");
        let seen = format!("one over another manifest: sha256 {of}");
        return Err((Code::SignatureOtherSubject, "over manifest.json as it is", seen));
    }
    agrees(bundle, result)?;
    Ok(statement)
}

/// Whether a statement says of the run what its journal says. A signed PASSED over a run that failed is no pass.
fn agrees(bundle: &Bundle, result: &TestResult) -> Result<(), (Code, &'static str, String)> {
    // Without a journal that can be read the bundle is refused anyway.
    let Some(Ok(run::Said { result: own, outcome })) = run::said_by_journal(bundle) else { return Ok(()) };
    let told = result.extensions.get(uri::OUTCOME).and_then(Value::as_str);
    if result.result == own && told.is_none_or(|told| told == outcome) {
        return Ok(());
    }
    let told = told.map_or(String::new(), |told| format!(" ({told})"));
    let seen = format!("{}{told}, and the journal says {} ({outcome})", result.result.as_str(), own.as_str());
    Err((Code::StatementDiffers, "what the journal says of the run", seen))
}
