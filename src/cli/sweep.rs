//! `cutproof containers-sweep`: what a run owes when its processes are gone. Started by whoever of its two processes is
//! left, never by a person.

use super::{Refusal, tell};
use crate::exit;
use crate::service::containers::{self, Daemon};
use std::time::{Duration, Instant};

/// How long the daemon has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the run's process may take to be gone: what still has a process is nobody's to remove.
const GONE: Duration = Duration::from_secs(10);

/// Between two sweeps: what the run had asked for last may be made only after it is gone.
const AGAIN: Duration = Duration::from_millis(500);

/// How often it is swept at most; two sweeps that find nothing are enough.
const SWEEPS: usize = 6;

/// The flags of `containers-sweep`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The process that started containers
    process: u32,
}

/// Removes what processes that are gone have left, and names it.
pub fn run(arguments: &Arguments) -> super::Result {
    let daemon = Daemon::find(ANSWER).map_err(Refusal::of)?;
    await_end(arguments.process);
    let mut quiet = 0;
    for _ in 0..SWEEPS {
        let removed = containers::sweep(&daemon).map_err(Refusal::of)?;
        if removed.is_empty() {
            quiet += 1;
        } else {
            tell(&format!("removed what was left of containers: {}\n", removed.join(", ")));
        }
        if quiet == 2 {
            break;
        }
        std::thread::sleep(AGAIN);
    }
    Ok(exit::OK)
}

/// Waits until a process is gone, or only its remains that nobody has asked for. One that was given its number since is
/// none of ours, and waited for in vain.
fn await_end(process: u32) {
    let begun = Instant::now();
    let there = || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
    };
    while there() && begun.elapsed() < GONE {
        std::thread::sleep(Duration::from_millis(20));
    }
}
