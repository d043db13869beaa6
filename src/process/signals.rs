//! Signals to this process, made into a [`Cancel`]. Knows nothing of what is then stopped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::signal_name;

use super::cancel::Cancel;

/// Turns SIGINT and SIGTERM into a cancellation, for as long as it lives: the first one cancels with its
/// name as the reason, a further SIGINT asks those who are ending to hurry. A signal that whoever started
/// us had ignored stays ignored. Once it is dropped, both are ignored: listen until the very end.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Starts listening.
///
/// # Errors
/// The handlers or the thread could not be set up.
pub fn listen(cancel: &Cancel) -> io::Result<Listener> {
    let ignored = ignored()?;
    let wanted = [SIGINT, SIGTERM].into_iter().filter(|signal| !ignored.contains(*signal));
    let mut signals = Signals::new(wanted)?;
    let handle = signals.handle();
    let cancel = cancel.clone();
    let thread = std::thread::Builder::new().name("signals".to_string()).spawn(move || {
        for signal in signals.forever() {
            if !cancel.is_cancelled() {
                cancel.cancel(signal_name(signal).unwrap_or("a signal"));
            } else if signal == SIGINT {
                cancel.hurry();
            }
        }
    })?;
    Ok(Listener { handle, thread: Some(thread) })
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// From now on a hangup (the terminal was closed, the connection lost) does not end this process. What it
/// starts gets the usual handling back.
///
/// # Errors
/// The handler could not be set.
pub fn outlive_hangup() -> io::Result<()> {
    // A handler, not "ignore": that would be inherited by every command.
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false))).map(drop)
}

/// From now on a file that reaches the limit of its size (`ulimit -f`) is an error of the write, and does not end
/// this process. What it starts gets the usual handling back.
///
/// # Errors
/// The handler could not be set.
pub fn outlive_file_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// The signals that this process ignores.
pub(super) struct Ignored(u64);

impl Ignored {
    pub fn contains(&self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 & (1 << (signal - 1)) != 0
    }
}

pub(super) fn ignored() -> io::Result<Ignored> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .map(Ignored)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no SigIgn mask"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_programs_ignore_sigpipe_and_not_sigterm() {
        let ignored = ignored().unwrap();
        assert!(ignored.contains(signal_hook::consts::SIGPIPE));
        assert!(!ignored.contains(signal_hook::consts::SIGKILL));
        assert!(!Ignored(u64::MAX).contains(65));
    }
}
