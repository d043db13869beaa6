//! The moment between a process's birth and its entry on the roster. Whoever must not mistake a newborn
//! for an orphan pauses all starting; whoever ends the run closes it for good. Every wait has a limit: a
//! start may hang on a broken disk, and must not hold up those who end things.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Starting {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    in_progress: usize,
    /// How many want it paused. They need not exclude each other.
    pauses: usize,
    closed: bool,
}

/// Somebody is being started.
pub(super) struct InProgress<'a>(&'a Starting);

/// Nobody new is being started.
pub(super) struct Paused<'a> {
    starting: &'a Starting,
    /// Also nobody from before is any more: all who were started are entered.
    pub complete: bool,
}

impl Starting {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to start somebody, after the pauses of others; None once it is closed.
    pub fn begin(&self) -> Option<InProgress<'_>> {
        let waiting = |counts: &mut Counts| counts.pauses > 0 && !counts.closed;
        let mut counts =
            self.changed.wait_while(self.counts(), waiting).unwrap_or_else(PoisonError::into_inner);
        if counts.closed {
            return None;
        }
        counts.in_progress += 1;
        Some(InProgress(self))
    }

    /// Keeps others from starting anyone, and waits up to `limit` for those who are being started.
    pub fn pause(&self, limit: Duration) -> Paused<'_> {
        let mut counts = self.counts();
        counts.pauses += 1;
        Paused { starting: self, complete: self.settle(counts, limit) }
    }

    /// Lets nobody start any more, for good, and waits up to `limit` for those who are being started.
    pub fn close(&self, limit: Duration) {
        let mut counts = self.counts();
        counts.closed = true;
        self.changed.notify_all();
        self.settle(counts, limit);
    }

    pub fn is_closed(&self) -> bool {
        self.counts().closed
    }

    /// Whether nobody is being started, at the latest after `limit`.
    fn settle(&self, counts: MutexGuard<'_, Counts>, limit: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(counts, limit, |counts| counts.in_progress > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.in_progress == 0
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        counts.in_progress -= 1;
        // Spares every command a system call.
        if counts.pauses > 0 || counts.closed {
            self.0.changed.notify_all();
        }
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.starting.counts().pauses -= 1;
        self.starting.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_starts_during_a_pause_and_everybody_after() {
        let starting = Starting::default();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let paused = starting.pause(LONG);
            assert!(paused.complete);
            let thread = scope.spawn(|| {
                let begun = starting.begin().is_some();
                (begun, over.load(Ordering::SeqCst))
            });
            std::thread::sleep(Duration::from_millis(20));
            over.store(true, Ordering::SeqCst);
            drop(paused);
            assert_eq!(thread.join().unwrap(), (true, true));
        });
    }

    #[test]
    fn a_start_that_hangs_does_not_hold_up_a_pause() {
        let starting = Starting::default();
        let _hanging = starting.begin();
        assert!(!starting.pause(Duration::from_millis(5)).complete);
    }

    #[test]
    fn a_pause_waits_for_those_who_are_being_started() {
        let starting = Starting::default();
        std::thread::scope(|scope| {
            let begun = starting.begin();
            let pause = scope.spawn(|| starting.pause(LONG).complete);
            drop(begun);
            assert!(pause.join().unwrap());
        });
    }

    #[test]
    fn nobody_starts_once_it_is_closed_not_even_those_who_waited() {
        let starting = Starting::default();
        std::thread::scope(|scope| {
            let _paused = starting.pause(LONG);
            let waiting = scope.spawn(|| starting.begin().is_none());
            starting.close(LONG);
            assert!(waiting.join().unwrap());
        });
        assert!(starting.begin().is_none());
        assert!(starting.is_closed());
    }
}
