//! Starting and ending processes, so that nothing that a run starts outlives it but what is meant to.
//!
//! A run is two processes that guard each other ([`hold`]): the *holder*, which the user started, and the
//! *worker*, the same program again, which does everything. Both inherit the orphans of what is started
//! below them, so all of it stays their descendants whatever it does: fork twice, leave the session or
//! clear the environment. When one of the two dies, even by SIGKILL, the other ends them all.
//!
//! What is no process of ours but was begun by the run, whoever of the two is left has put right by a
//! command ([`Worker::owe`]).
//!
//! [`Command`] runs one to its end, with its output bounded and everything ended that it started;
//! [`Server`] is one that runs along. [`Cancel`] and [`signals`] stop those who wait.
//!
//! A leaf: it must not know of gates, steps, verdicts, journals or secrets. Whoever has a [`Worker`] must
//! start processes through this module only.

mod afterwards;
mod cancel;
mod capture;
mod command;
mod ending;
mod enlist;
mod holder;
mod lifeline;
mod orphans;
mod poll;
mod released;
mod roster;
mod run;
mod server;
pub mod signals;
mod start;
mod starting;
mod streams;
mod table;
mod worker;

use std::io;
use std::path::PathBuf;

pub use rustix::process::Signal;

pub use cancel::Cancel;
pub use capture::{Capture, Excerpt};
pub use command::{Command, Daemons, Exit, Fate, LeftBehind, Outcome, Output};
pub use enlist::{Enlisted, enlist};
pub use holder::hold;
pub use server::{Server, Stopped};
pub use start::{Line, StartError, User};
pub use worker::Worker;

/// Set by the holder for the worker only: the number of the lifeline's descriptor.
pub const WORKER_VARIABLE: &str = "CUTPROOF_WORKER";
/// Set for every command and server, with a mark of its own, by which their orphans are told apart.
pub const COMMAND_VARIABLE: &str = "CUTPROOF_COMMAND";
/// Exit code of a worker whose holder was killed: 128 + SIGKILL, as the holder's own.
pub const HOLDER_LOST: u8 = 137;

/// Why a run could not be put under a holder's guard. Nothing has been run.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error(
        "{WORKER_VARIABLE}={value} is set, but not by a process that holds this one; \
         it is for internal use: unset it and run again"
    )]
    Stray { value: String },
    #[error(
        "the run must be put under a holder's guard before threads are started, but there are {count} threads"
    )]
    Threads { count: usize },
    #[error("cannot start {} again as the worker: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("this process cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl HoldError {
    fn system(what: &'static str, source: impl Into<io::Error>) -> HoldError {
        HoldError::System { what, source: source.into() }
    }
}
