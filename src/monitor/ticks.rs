//! Which ticks of a source are still to be told, and when one is given up. Arithmetic on times: it asks nobody.

use super::GRACE;
use std::time::{Duration, Instant};

/// The ticks of one source.
#[derive(Debug)]
pub(super) struct Ticks {
    start: Instant,
    interval: Duration,
    timeout: Duration,
    /// The next tick that is to be told.
    next: u64,
    /// How many there are.
    count: u64,
    /// The tick at which the source fell silent.
    silent_since: Option<u64>,
}

/// A tick that is given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub tick: u64,
    /// When it was due.
    pub due: Instant,
    pub why: String,
}

impl Ticks {
    pub fn new(start: Instant, interval: Duration, duration: Duration, timeout: Duration) -> Ticks {
        let count = duration.as_nanos().div_ceil(interval.as_nanos().max(1));
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Ticks { start, interval, timeout, next: 0, count, silent_since: None }
    }

    /// Whether an answer to this tick is still to be told; then it counts as told.
    pub fn takes(&mut self, tick: u64) -> bool {
        // A source answers its ticks in order.
        let takes = tick == self.next && tick < self.count;
        if takes {
            self.next += 1;
            self.silent_since = None;
        }
        takes
    }

    /// When the next tick is given up; none where all are told.
    pub fn deadline(&self) -> Option<Instant> {
        (self.next < self.count).then(|| self.due(self.next) + self.timeout + GRACE)
    }

    /// The next tick, where its time is up, or that of the watch; it counts as told then.
    pub fn late(&mut self, now: Instant, end: Instant) -> Option<Late> {
        let deadline = self.deadline()?;
        let (tick, due) = (self.next, self.due(self.next));
        if now < deadline && (now < end || due >= end) {
            return None;
        }
        self.next += 1;
        let since = *self.silent_since.get_or_insert(tick);
        let why = if since < tick {
            format!("not asked: no answer to tick {since} yet")
        } else if now < deadline {
            "no answer by the end of the watch".to_owned()
        } else {
            format!("no answer within {:?}", self.timeout)
        };
        Some(Late { tick, due, why })
    }

    fn due(&self, tick: u64) -> Instant {
        due(self.start, self.interval, tick)
    }
}

/// When a tick is due.
pub(super) fn due(start: Instant, interval: Duration, tick: u64) -> Instant {
    let whole = u128::from(tick).saturating_mul(interval.as_nanos());
    let since = Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX));
    // A watch of centuries: its ticks past what the clock can say are due never.
    start.checked_add(since).unwrap_or(start + Duration::from_secs(1 << 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ticks_are_due_at_whole_intervals_from_the_start_however_many_there_were() {
        let start = Instant::now();
        assert_eq!(due(start, SECOND, 1800), start + 1800 * SECOND);
        let third = SECOND / 3;
        assert_eq!(due(start, third, 5400), start + Duration::from_nanos(333_333_333 * 5400));
    }

    #[test]
    fn every_tick_of_the_watch_is_told_once() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND, 5 * SECOND / 2, SECOND);
        assert!(!ticks.takes(1), "tick 0 comes first");
        assert!(ticks.takes(0));
        assert!(!ticks.takes(0));
        let end = start + 5 * SECOND / 2;
        assert_eq!(ticks.late(start + SECOND, end), None);
        assert_eq!(ticks.late(end, end).map(|late| late.tick), Some(1));
        assert_eq!(ticks.late(end, end).map(|late| late.tick), Some(2));
        assert_eq!((ticks.late(end, end), ticks.deadline()), (None, None));
    }

    #[test]
    fn a_tick_is_given_up_at_its_timeout_and_those_behind_it_say_why_they_were_not_asked() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, SECOND, 60 * SECOND, SECOND / 2);
        let end = start + 60 * SECOND;
        assert_eq!(ticks.late(start + SECOND / 2, end), None);
        let late = ticks.late(start + SECOND / 2 + GRACE, end);
        let why = "no answer within 500ms".to_owned();
        assert_eq!(late, Some(Late { tick: 0, due: start, why }));
        assert!(!ticks.takes(0), "its answer comes too late");
        let late = ticks.late(start + 2 * SECOND, end).unwrap();
        assert_eq!(late.why, "not asked: no answer to tick 0 yet");
        assert!(ticks.takes(2), "and then it answers again");
        assert_eq!(ticks.late(start + 4 * SECOND, end).unwrap().why, "no answer within 500ms");
    }
}
