//! poll(2) as this module needs it: a `Duration`, and no error for an interrupted wait.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;

/// Longer waits are cut to this; the callers look at their own clocks and come again.
const LONGEST: Duration = Duration::from_secs(3600);

/// Waits until one of `fds` is ready or `timeout` is over; returns how many are ready. A signal that
/// interrupts the wait counts as nothing ready: callers loop anyway.
pub(super) fn poll(fds: &mut [PollFd<'_>], timeout: Duration) -> io::Result<usize> {
    let timeout = timeout.min(LONGEST);
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    match rustix::event::poll(fds, Some(&timeout)) {
        Ok(ready) => Ok(ready),
        Err(Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
