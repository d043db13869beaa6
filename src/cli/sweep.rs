//! `cutproof containers-sweep`: what a run owes when its processes are gone. Started by whoever of its two processes is
//! left, never by a person.

use super::{Refusal, tell};
use crate::exit;
use crate::service::containers::{self, Daemon};
use std::time::Duration;

/// How long the daemon has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The flags of `containers-sweep`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run that is over
    run: String,
}

/// Removes them, and names what was left.
pub fn run(arguments: &Arguments) -> super::Result {
    let daemon = Daemon::find(ANSWER).map_err(Refusal::of)?;
    let removed = containers::sweep(&daemon).map_err(Refusal::of)?;
    if !removed.is_empty() {
        tell(&format!("removed what run {} had left: {}\n", arguments.run, removed.join(", ")));
    }
    Ok(exit::OK)
}
