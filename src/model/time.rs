//! Stamps and the run's clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment in UTC, to the millisecond. Written as `2026-11-22T19:41:03.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(i64);

impl Stamp {
    /// The wall clock's present. Within a run, ask the [`Clock`] instead.
    pub fn now() -> Stamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since 1970.
    pub fn from_millis(millis: i64) -> Stamp {
        Stamp(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved by a duration.
    pub fn plus(self, by: Duration) -> Stamp {
        Stamp(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after an earlier moment this one is; nothing where it is not later.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// To the second: `2026-11-22T19:41:03Z`, as the runbook's evidence has it.
    pub fn to_seconds(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// For names of files and runs: `20261122T194103Z`.
    pub fn compact(self) -> String {
        self.format("%Y%m%dT%H%M%SZ")
    }

    fn format(self, pattern: &str) -> String {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(jiff::tz::TimeZone::UTC).strftime(pattern).to_string()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.format("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Stamp(moment.as_millisecond()))
    }
}

/// The clock of one run: the wall clock is read once, everything later is that plus monotonic time. A clock that
/// is stepped during a run must not make honest evidence lie.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Stamp,
    /// What had passed of the run when this process took it up.
    before: Duration,
    began: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock { start: Stamp::now(), before: Duration::ZERO, began: Instant::now() }
    }

    /// The clock of a run that another process began, and whose last entry has the stamp `last`: it goes on from the
    /// wall clock's present, but never from before that entry, whatever was done to the wall clock since.
    pub fn continued(started: Stamp, last: Stamp) -> Clock {
        let now = Stamp::now().max(last).max(started);
        Clock { start: started, before: now.since(started), began: Instant::now() }
    }

    /// When the run began.
    pub fn started(&self) -> Stamp {
        self.start
    }

    /// Now.
    pub fn now(&self) -> Stamp {
        self.start.plus(self.elapsed())
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }
}

/// Milliseconds of a duration, with fractions to the microsecond: as evidence has durations.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_written_in_utc_and_read_back() {
        let stamp = Stamp::from_millis(1_795_376_463_120);
        let json = serde_json::to_string(&stamp).unwrap();
        assert_eq!(json, "\"2026-11-22T19:41:03.120Z\"");
        assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), stamp);
        assert_eq!(stamp.to_seconds(), "2026-11-22T19:41:03Z");
        assert_eq!(stamp.compact(), "20261122T194103Z");
    }

    #[test]
    fn a_clock_that_goes_on_never_goes_back_behind_the_last_entry() {
        let hour = Duration::from_secs(3600);
        let (started, ahead) = (Stamp::now(), Stamp::now().plus(hour));
        let clock = Clock::continued(started, ahead);
        assert!(clock.now() >= ahead && clock.elapsed() >= hour);
        assert_eq!(clock.started(), started);
        let long_ago = Stamp::from_millis(1_000_000_000_000);
        let clock = Clock::continued(long_ago, long_ago.plus(hour));
        assert!(clock.now() >= started, "the time in which nobody ran it counts");
        let clock = Clock::continued(ahead, started);
        assert!(clock.now() >= ahead, "a start behind its last entry is no reason to panic");
    }
}
