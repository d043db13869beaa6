//! Ids, verdicts, observations, units and time: words that every module shares.
pub mod units;
