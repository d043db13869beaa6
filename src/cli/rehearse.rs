//! `cutproof rehearse`.

use super::flags::{self, ProfileFlags, ProvisionFlag, RunFlags, SelectionFlags};
use super::run::{self, Request};
use crate::process::Worker;

/// The flags of `rehearse`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    run: RunFlags,
    /// Who gives the services
    #[arg(long, value_enum, default_value_t = ProvisionFlag::Embedded, env = "CUTPROOF_PROVISION")]
    provision: ProvisionFlag,
    /// Let gates that write do so in an environment that is attached to
    #[arg(long)]
    allow_writes: bool,
    /// Leave the services up, and print where they are
    #[arg(long)]
    keep: bool,
    // Last: its heading goes for all flags behind it.
    #[command(flatten)]
    selection: SelectionFlags,
}

/// Starts the engines, runs every gate, writes JUnit and evidence.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    let (profile, plan) = flags::plan(&arguments.profile, &arguments.selection)?;
    run::run(Request {
        verb: "rehearse",
        profile,
        plan,
        flags: arguments.run,
        provision: arguments.provision.into(),
        allow_writes: arguments.allow_writes,
        keep: arguments.keep,
        worker,
    })
}
