//! What came of a gate, and of a run.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of a gate. The order is the order of badness: a run's verdict is the worst of its gates'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Measured, and as required.
    Passed,
    /// Not run, for a reason that is recorded.
    Skipped,
    /// Measured, but there was no data to judge.
    Inconclusive,
    /// Could not be measured.
    Error,
    /// Measured, and not as required.
    Failed,
}

impl Verdict {
    /// All verdicts, best first.
    pub const ALL: [Verdict; 5] =
        [Verdict::Passed, Verdict::Skipped, Verdict::Inconclusive, Verdict::Error, Verdict::Failed];

    /// The word for it in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Skipped => "skipped",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Error => "error",
            Verdict::Failed => "failed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many gates ended in each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Gates that passed.
    pub passed: usize,
    /// Gates that were not run.
    pub skipped: usize,
    /// Gates that had no data.
    pub inconclusive: usize,
    /// Gates that could not be measured.
    pub error: usize,
    /// Gates that were measured and not as required.
    pub failed: usize,
}

impl Counts {
    /// Counts one more gate.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
            Verdict::Error => self.error += 1,
            Verdict::Failed => self.failed += 1,
        }
    }

    /// All gates that were counted.
    pub fn total(&self) -> usize {
        self.passed + self.skipped + self.inconclusive + self.error + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_is_the_greatest() {
        assert_eq!(Verdict::ALL.into_iter().max(), Some(Verdict::Failed));
        assert!(Verdict::ALL.is_sorted());
    }
}
