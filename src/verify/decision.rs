//! What a policy makes of runs: the words of a sign-off, of its JSON and of its report.

use super::finding::{Finding, More};
use crate::model::event::FileDigest;
use crate::model::{GateId, Phase, RunId, Stamp, Verdict};
use crate::policy::{Bound, Select};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Whether the window may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Everything that the policy asks for is there and as it must be.
    Go,
    /// The same, but for gates that the policy waives.
    GoWithWaivers,
    /// Nothing is red, but something is not there yet, or too old: evidence, a gate, a signature.
    Incomplete,
    /// Something is red, contradicts itself or was tampered with.
    NoGo,
}

impl Decision {
    /// The words for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Go => "GO",
            Decision::GoWithWaivers => "GO WITH WAIVERS",
            Decision::Incomplete => "INCOMPLETE",
            Decision::NoGo => "NO-GO",
        }
    }

    /// Whether the window may be used.
    pub fn is_go(self) -> bool {
        matches!(self, Decision::Go | Decision::GoWithWaivers)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Runs judged by a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What comes of it.
    pub decision: Decision,
    /// The policy's path and digest.
    pub policy: FileDigest,
    /// Its name.
    pub policy_name: String,
    /// The moment for which it was judged: ages and expiries are counted to it.
    pub at: Stamp,
    /// The environment of the run that counts.
    pub environment: String,
    /// Its commit, where it is known.
    pub commit: Option<String>,
    /// Its profile, where it had one.
    pub profile: Option<FileDigest>,
    /// All runs that were handed in, newest first.
    pub runs: Vec<JudgedRun>,
    /// What the policy or the profile asks of gates, and any other gates of the run that counts, in the plan's order.
    pub gates: Vec<GateRow>,
    /// The policy's waivers and what became of each.
    pub waivers: Vec<WaiverRow>,
    /// Who signed.
    pub signers: Vec<Signer>,
    /// Until when it holds, and what ends it; none where it is no go.
    pub valid_until: Option<(Stamp, String)>,
    /// Everything that was found: what refuses first.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

/// A run that was handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRun {
    /// The run.
    pub run: RunId,
    /// Its folder as it was given.
    pub folder: String,
    /// SHA-256 of its manifest, in hex; none where it has none.
    pub manifest_sha256: Option<String>,
    /// When it began.
    pub started: Stamp,
    /// What it is worth by itself, in a word: `passed`, `failed`, …
    pub outcome: String,
    /// Whether it is the one that counts.
    pub counts: bool,
    /// Why it counts or does not.
    pub why: String,
}

/// A gate, as it is asked for and as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRow {
    /// Which.
    pub gate: GateId,
    /// Its part of the cutover; none where no run has it.
    pub phase: Option<Phase>,
    /// Who asks for it: the rules of the policy that select it. Empty where only the profile does, or nobody.
    pub asked_by: Vec<Select>,
    /// Whether it must have passed.
    pub required: bool,
    /// The condition it was judged by.
    pub expect: String,
    /// What was seen, in a line.
    pub seen: String,
    /// The gate's own verdict, where it ran.
    pub verdict: Option<Verdict>,
    /// How often it was tried.
    pub attempts: u32,
    /// The attempts after which it was tried again, a line each, of the result with the most; the first and last few.
    pub before: Vec<String>,
    /// When it was measured.
    pub measured: Option<Stamp>,
    /// How old that may be.
    pub max_age: Option<Duration>,
    /// What is made of it.
    pub status: GateStatus,
    /// The reason, where it is not simply as it must be.
    pub reason: String,
    /// Where the profile has it, `FILE:LINE`.
    pub at: String,
}

/// What is made of a gate; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateStatus {
    /// It passed.
    Passed,
    /// It passed when it was tried again.
    PassedOnRetry,
    /// It is not as it must be, and nobody asks for it.
    Unexpected,
    /// It is not as it must be, and the policy waives that.
    Waived,
    /// It did not run: the selection left it out.
    NotRun,
    /// It did not run: a gate that it needs did not pass.
    Blocked,
    /// No run has it.
    Missing,
    /// It passed, too long ago.
    Stale,
    /// It was measured, and there was no data.
    Inconclusive,
    /// It could not be measured.
    Error,
    /// It was measured, and is not as it must be.
    Failed,
}

impl GateStatus {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            GateStatus::Passed => "passed",
            GateStatus::PassedOnRetry => "passed on retry",
            GateStatus::Unexpected => "unexpected",
            GateStatus::Waived => "waived",
            GateStatus::NotRun => "not run",
            GateStatus::Blocked => "blocked",
            GateStatus::Missing => "missing",
            GateStatus::Stale => "stale",
            GateStatus::Inconclusive => "inconclusive",
            GateStatus::Error => "error",
            GateStatus::Failed => "failed",
        }
    }
}

/// A waiver, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WaiverRow {
    /// The gate that it waives.
    pub gate: GateId,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub approver: String,
    /// Until then.
    pub expires: Stamp,
    /// What it holds for.
    pub bound: Bound,
    /// What became of it.
    pub state: WaiverState,
    /// The result that it stands over: what the gate says itself.
    pub result: String,
}

/// What became of a waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaiverState {
    /// A red gate is let through by it.
    Used,
    /// The gate passed, or did not run: it is not needed.
    Unused,
    /// Its time is over.
    Expired,
    /// It is for another commit or another run.
    OtherBound,
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Whose key it is, as the policy says.
    pub name: String,
    /// The key's name.
    pub key: String,
    /// As what it signed.
    pub role: String,
    /// What it signed: a file's name.
    pub signed: String,
}
