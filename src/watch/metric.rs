//! One metric: how its samples are counted, and which limits they passed.

use super::shown;
use crate::condition::{Condition, Explanation, Sample, Tracker, Truth};
use crate::model::Reading;
use crate::model::watch::{MetricCounts, WatchMetric};
use std::time::Duration;

/// What a sample of a metric is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// For nothing: it is too early.
    Warmup,
    /// As expected, or only recorded.
    Successful,
    /// Not as expected.
    Failed,
    /// There is no data to judge.
    Inconclusive,
    /// It could not be measured.
    Error,
}

impl State {
    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Warmup => "warmup",
            State::Successful => "successful",
            State::Failed => "failed",
            State::Inconclusive => "inconclusive",
            State::Error => "error",
        }
    }
}

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Failures,
    Inconclusive,
    Errors,
}

/// What was counted of one metric.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    expect: Option<Tracker>,
    successful: u64,
    failed: u64,
    inconclusive: u64,
    errors: u64,
    in_a_row: u64,
    /// The longest row of errors.
    longest: u64,
    /// Whether a value, or that there were no events, was ever read.
    read: bool,
    last: String,
    /// The last sample of each kind that was not as it should be, in words.
    failure: String,
    doubt: String,
    error: String,
    passed: Vec<Passed>,
}

impl Tally {
    pub fn new(expect: Option<Condition>, bridge: Duration) -> Tally {
        Tally {
            expect: expect.map(|expect| Tracker::new(expect, bridge)),
            successful: 0,
            failed: 0,
            inconclusive: 0,
            errors: 0,
            in_a_row: 0,
            longest: 0,
            read: false,
            last: String::new(),
            failure: String::new(),
            doubt: String::new(),
            error: String::new(),
            passed: Vec::new(),
        }
    }

    /// Limits that were passed, in the order in which they were.
    pub fn passed(&self) -> &[Passed] {
        &self.passed
    }

    /// Counts a reading. `bound`: the value is at least as great as this, and nobody knows how great.
    pub fn read(
        &mut self,
        metric: &WatchMetric,
        reading: &Reading,
        bound: bool,
        now: Duration,
        known: &dyn Fn(&str) -> Sample,
    ) -> (State, String) {
        let above = if bound { "above " } else { "" };
        self.last = format!("{above}{}", shown(reading));
        self.read |= *reading != Reading::Missing;
        let (state, detail) = self.judge(metric, reading, bound, now, known);
        self.in_a_row = 0;
        match state {
            State::Failed => {
                self.failed += 1;
                self.failure.clone_from(&detail);
                self.pass(Passed::Failures, self.failed > u64::from(metric.failure_limit));
            }
            State::Inconclusive => {
                self.inconclusive += 1;
                self.doubt.clone_from(&detail);
                self.pass(Passed::Inconclusive, self.inconclusive > u64::from(metric.inconclusive_limit));
            }
            State::Successful | State::Warmup | State::Error => self.successful += 1,
        }
        (state, detail)
    }

    fn judge(
        &mut self,
        metric: &WatchMetric,
        reading: &Reading,
        bound: bool,
        now: Duration,
        known: &dyn Fn(&str) -> Sample,
    ) -> (State, String) {
        let looked = self.expect.as_mut().and_then(|expect| expect.observe(now, known).ok());
        let (state, detail) = match (&looked, reading) {
            (Some(Explanation { truth: Truth::True, .. }), _) => (State::Successful, String::new()),
            (Some(look), _) if look.truth == Truth::False => (State::Failed, look.to_string()),
            (Some(look), _) => (State::Inconclusive, look.to_string()),
            (None, Reading::Missing) => (State::Inconclusive, format!("{} is missing", metric.name)),
            (None, _) => (State::Successful, String::new()),
        };
        if state == State::Failed {
            return (state, detail);
        }
        if metric.activity && is_silent(reading) {
            return (State::Failed, format!("{} = {}: no activity", metric.name, shown(reading)));
        }
        if state == State::Successful && bound {
            // It may be far above: that it is as expected at its least proves nothing.
            let told = format!("{} is above {}, and how far is not known", metric.name, shown(reading));
            return (State::Inconclusive, told);
        }
        (state, detail)
    }

    /// Counts samples that are errors.
    pub fn fail_to_read(&mut self, metric: &WatchMetric, error: &str, samples: u64) -> (State, String) {
        self.errors = self.errors.saturating_add(samples);
        self.in_a_row = self.in_a_row.saturating_add(samples);
        self.longest = self.longest.max(self.in_a_row);
        error.clone_into(&mut self.error);
        self.pass(Passed::Errors, self.in_a_row > u64::from(metric.consecutive_error_limit));
        (State::Error, error.to_owned())
    }

    fn pass(&mut self, limit: Passed, is: bool) {
        if is && !self.passed.contains(&limit) {
            self.passed.push(limit);
        }
    }

    fn total(&self) -> u64 {
        let read = self.successful + self.failed + self.inconclusive;
        read.saturating_add(self.errors)
    }

    /// That nothing was ever read, where that is so.
    pub fn never_read(&self, metric: &WatchMetric) -> Option<String> {
        let name = &metric.name;
        if self.read {
            return None;
        }
        Some(match (self.total(), self.error.as_str()) {
            (0, _) => format!("{name} was never measured after its warm-up"),
            (total, "") => format!("{name} was missing in all of {total} samples"),
            (total, error) => format!("{name} was never measured in {total} samples: {error}"),
        })
    }

    /// The counts as evidence has them.
    pub fn counts(&self, name: &str) -> MetricCounts {
        MetricCounts {
            name: name.to_owned(),
            successful: self.successful,
            failed: self.failed,
            inconclusive: self.inconclusive,
            errors: self.errors,
            last: self.last.clone(),
        }
    }
}

impl Passed {
    /// Whether it means that there is no data.
    pub fn is_no_data(self) -> bool {
        self != Passed::Failures
    }

    /// What was passed, in one line: metric, value, limit, how often.
    pub fn explain(self, metric: &WatchMetric, tally: &Tally) -> String {
        let (name, total) = (&metric.name, tally.total());
        match self {
            Passed::Failures => {
                let (failed, limit) = (tally.failed, metric.failure_limit);
                let last = &tally.failure;
                format!("{name} failed in {failed} of {total} samples, allowed {limit}; last: {last}")
            }
            Passed::Inconclusive => {
                let (times, limit) = (tally.inconclusive, metric.inconclusive_limit);
                let last = &tally.doubt;
                format!("{name} had no data in {times} of {total} samples, allowed {limit}; last: {last}")
            }
            Passed::Errors => {
                let (row, limit) = (tally.longest, metric.consecutive_error_limit);
                let last = &tally.error;
                format!(
                    "{name} could not be measured {row} times in a row of {total} samples, allowed {limit}; \
                     last: {last}"
                )
            }
        }
    }
}

/// Whether a metric of activity says that there is none.
fn is_silent(reading: &Reading) -> bool {
    match reading {
        Reading::Number { value, .. } => *value <= 0.0,
        Reading::Bool { value } => !value,
        Reading::NoEvents => true,
        Reading::Text { .. } | Reading::Missing => false,
    }
}
