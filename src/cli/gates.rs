//! `cutproof gates list` and `cutproof gates run`.

use super::flags::{self, ProfileFlags, RunFlags, SelectionFlags};
use super::run::{self, Request};
use crate::process::Worker;
use crate::rehearsal::provision::Provision;
use crate::report;

/// The verbs below `gates`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Show the plan as a table; starts nothing
    List(ListArguments),
    /// Run the gates on an environment that is already up
    Run(RunArguments),
}

/// The flags of `gates list`.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    selection: SelectionFlags,
}

/// The flags of `gates run`.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    run: RunFlags,
    /// Let gates that write do so
    #[arg(long)]
    allow_writes: bool,
    // Last: its heading goes for all flags behind it.
    #[command(flatten)]
    selection: SelectionFlags,
}

/// Prints the plan.
pub fn list(arguments: ListArguments) -> super::Result {
    let (_, plan) = flags::plan(&arguments.profile, &arguments.selection)?;
    super::print(&report::plan_table(plan.gates.iter().map(|planned| (&planned.gate, planned.selected))))?;
    Ok(crate::exit::OK)
}

/// Measures an environment that is already up.
pub fn run(arguments: RunArguments, worker: Worker) -> super::Result {
    let (profile, plan) = flags::plan(&arguments.profile, &arguments.selection)?;
    run::run(Request {
        verb: "gates-run",
        profile,
        plan,
        flags: arguments.run,
        provision: Provision::Attach,
        reuse: false,
        allow_writes: arguments.allow_writes,
        keep: false,
        cutover: None,
        worker,
    })
}
