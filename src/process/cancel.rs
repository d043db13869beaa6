//! A request to stop, seen by everyone who waits. Knows nothing of who asks and what is stopped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

use super::poll::poll;

/// A token that is cloned to all who wait. It is cancelled once and stays so; its descriptor then polls
/// readable for everyone, for good.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wake: OwnedFd,
    why: OnceLock<String>,
    hurried: AtomicBool,
}

impl Cancel {
    /// A token that nobody has cancelled.
    ///
    /// # Errors
    /// The system is out of file descriptors.
    pub fn new() -> io::Result<Cancel> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Cancel(Arc::new(Inner { wake, why: OnceLock::new(), hurried: AtomicBool::new(false) })))
    }

    /// Cancels. The first reason is kept: a signal's name ("SIGINT"), or words.
    pub fn cancel(&self, why: impl Into<String>) {
        if self.0.why.set(why.into()).is_ok() {
            // An eventfd takes 2^64 - 2 before it would block: this one write cannot fail.
            let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
        }
    }

    /// Asks those who are ending in order to take less time over it (a second Ctrl-C).
    pub fn hurry(&self) {
        self.0.hurried.store(true, Ordering::Release);
    }

    /// Why it was cancelled, or None if it was not.
    pub fn why(&self) -> Option<&str> {
        self.0.why.get().map(String::as_str)
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.why.get().is_some()
    }

    pub fn is_hurried(&self) -> bool {
        self.0.hurried.load(Ordering::Acquire)
    }

    /// Sleeps for `time`, less if cancelled meanwhile. Returns whether it is cancelled.
    pub fn pause(&self, time: Duration) -> bool {
        let begun = Instant::now();
        while !self.is_cancelled() {
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            let mut fds = [PollFd::new(&self.0.wake, PollFlags::IN)];
            if poll(&mut fds, left).is_err() {
                // Out of memory for poll is all that is left: then sleep in short pieces.
                std::thread::sleep(left.min(Duration::from_millis(50)));
            }
        }
        true
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_kept() {
        let cancel = Cancel::new().unwrap();
        assert!(!cancel.is_cancelled());
        cancel.clone().cancel("SIGINT");
        cancel.cancel("SIGTERM");
        assert_eq!(cancel.why(), Some("SIGINT"));
    }

    #[test]
    fn everyone_who_pauses_is_woken() {
        let cancel = Cancel::new().unwrap();
        let sleepers: Vec<_> = (0..3)
            .map(|_| {
                let cancel = cancel.clone();
                std::thread::spawn(move || cancel.pause(Duration::from_secs(3600)))
            })
            .collect();
        cancel.cancel("enough");
        for sleeper in sleepers {
            assert!(sleeper.join().unwrap());
        }
    }

    #[test]
    fn a_pause_that_is_not_disturbed_ends_by_itself() {
        assert!(!Cancel::new().unwrap().pause(Duration::from_millis(5)));
    }
}
