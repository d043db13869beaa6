//! `signoff.json`: what a policy made of the runs of a window, and whether a cutover may rely on it. Bytes and values
//! in, findings out: it reads no file, asks no clock and signs nothing.

mod check;
mod make;
mod summary;

#[cfg(test)]
mod tests;

pub use check::{Checked, Expected, File, Unreadable, check, policy_path, read};
pub use make::{combine, make, refused_by, unjudged};
pub use summary::summary;

use super::decision::{Decision, GateStatus, Signer, WaiverState};
use crate::bundle::BundledJournal;
use crate::model::event::FileDigest;
use crate::model::{Phase, RunId, Stamp, Verdict};
use serde::{Deserialize, Serialize};

/// The name of the projection.
pub const PROJECTION: &str = "signoff";
/// The version of this projection.
pub const VERSION: u32 = 1;

/// A sign-off. Every key is there, and no other: a reader that passes one over would read something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// [`PROJECTION`].
    pub projection: String,
    /// [`VERSION`].
    pub version: u32,
    /// cutproof's version.
    pub tool: String,
    /// When it was made.
    pub made: Stamp,
    /// `GO`, `GO WITH WAIVERS`, `INCOMPLETE` or `NO-GO`.
    #[serde(with = "words")]
    pub decision: Decision,
    /// The moment for which it was judged: the window's start, or when it was made.
    pub at: Stamp,
    /// Until when it holds; none where it is no go, or nothing ends it.
    pub valid_until: Option<Stamp>,
    /// What ends it.
    pub expires_first: Option<String>,
    /// The environment.
    pub environment: String,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// The profile, where there is one.
    pub profile: Option<FileDigest>,
    /// The policy.
    pub policy: PolicyUsed,
    /// The run that counts; none where none may.
    pub run: Option<CountingRun>,
    /// All other runs that were handed in, newest first.
    pub other_runs: Vec<OtherRun>,
    /// What is asked of gates and what was seen.
    pub gates: Vec<Gate>,
    /// The policy's waivers and what became of each.
    pub waivers: Vec<Waived>,
    /// Who signed the run.
    pub signers: Vec<Signer>,
    /// What was found: the reasons.
    pub findings: Vec<Reason>,
    /// What was only counted.
    pub not_listed: Vec<NotListed>,
}

/// The policy that was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyUsed {
    /// Its name.
    pub name: String,
    /// Its path as it was given.
    pub path: String,
    /// SHA-256 of it, in hex.
    pub sha256: String,
}

/// The run that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountingRun {
    /// Its id.
    pub run: RunId,
    /// Its folder as it was given.
    pub folder: String,
    /// When it began.
    pub started: Stamp,
    /// What it is worth by itself.
    pub outcome: String,
    /// Why it counts.
    pub why: String,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: Option<String>,
    /// Its journals.
    pub journals: Vec<BundledJournal>,
}

/// A run that was handed in, and does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherRun {
    /// Its id.
    pub run: RunId,
    /// Its folder as it was given.
    pub folder: String,
    /// When it began.
    pub started: Stamp,
    /// What it is worth by itself.
    pub outcome: String,
    /// Why it does not count.
    pub why: String,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: Option<String>,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its id.
    pub gate: String,
    /// Its part of the cutover.
    pub phase: Option<Phase>,
    /// Whether it must have passed.
    pub required: bool,
    /// The condition it was judged by.
    pub expect: String,
    /// What was seen.
    pub seen: String,
    /// Its own verdict.
    pub verdict: Option<Verdict>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was measured.
    pub measured: Option<Stamp>,
    /// How old that may be, in seconds.
    pub max_age_s: Option<f64>,
    /// What is made of it.
    pub status: GateStatus,
    /// Why it is not simply as it must be.
    pub reason: String,
    /// Where the profile has it.
    pub at: String,
}

/// A waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waived {
    /// The gate that it waives.
    pub gate: String,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub approver: String,
    /// Until then.
    pub expires: Stamp,
    /// The commit that it is for.
    pub commit: Option<String>,
    /// SHA-256 of the manifest that it is for.
    pub evidence: Option<String>,
    /// What became of it.
    pub state: WaiverState,
    /// What the gate says itself.
    pub result: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Its code.
    pub code: String,
    /// What it is about.
    pub group: String,
    /// `error` or `warning`.
    pub severity: String,
    /// In which kind of evidence.
    pub evidence: String,
    /// The file.
    pub file: String,
    /// The line.
    pub line: Option<usize>,
    /// What is not as it must be.
    pub subject: String,
    /// What that means.
    pub meaning: Option<String>,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub seen: String,
    /// What to do next.
    pub advice: Option<String>,
}

/// Findings that are only counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotListed {
    /// Of which code.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// How many.
    pub count: usize,
}

impl SignOff {
    /// The file's bytes.
    ///
    /// # Errors
    /// Never for what was made here.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A decision in the words that people use.
mod words {
    use super::Decision;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const ALL: [Decision; 4] = [Decision::Go, Decision::GoWithWaivers, Decision::Incomplete, Decision::NoGo];

    pub fn serialize<S: Serializer>(decision: &Decision, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(decision.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decision, D::Error> {
        let text = String::deserialize(from)?;
        let known = ALL.into_iter().find(|decision| decision.as_str() == text);
        known.ok_or_else(|| {
            let seen: String = text.chars().take(40).collect();
            D::Error::custom(format!("expected GO, GO WITH WAIVERS, INCOMPLETE or NO-GO, and saw {seen:?}"))
        })
    }
}
