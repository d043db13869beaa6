//! `cutproof nextest`: what a setup script of cargo-nextest begins, and what is asked for when nextest has ended.

use super::flags::ProfileFlags;
use super::{Display, Refusal, print, report};
use crate::exit;
use crate::model::units::parse_duration;
use crate::nextest;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The verbs below `nextest`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Begin the run that tests ask for their gates; for a setup script in .config/nextest.toml
    Setup(ProfileFlags),
    /// Wait until the evidence of a run of nextest is whole, and print the run's folder; one for each profile
    Wait(WaitArguments),
    /// Hold a run until nextest is gone
    #[command(hide = true)]
    Serve {
        /// The folder of the request
        folder: PathBuf,
    },
}

/// The flags of `nextest wait`.
#[derive(Debug, clap::Args)]
pub struct WaitArguments {
    /// The run, as nextest prints it when it begins [default: the latest on this machine]
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    limit: Duration,
}

/// Does what the verb says.
pub fn main(verb: Verb) -> ExitCode {
    match verb {
        Verb::Setup(arguments) => {
            let set_up = nextest::setup(&arguments.profile).map_err(Refusal::of);
            report(set_up.map(|()| exit::OK)).into()
        }
        Verb::Wait(arguments) => report(wait(&arguments)).into(),
        Verb::Serve { folder } => serve(&folder),
    }
}

fn wait(arguments: &WaitArguments) -> super::Result {
    let folders = nextest::wait(arguments.run_id.as_deref(), arguments.limit).map_err(Refusal::of)?;
    let lines: Vec<_> = folders.iter().map(|folder| format!("{}\n", folder.display())).collect();
    print(&lines.concat())?;
    Ok(exit::OK)
}

/// Holds a run of nextest, in a session of its own, so that what ends the setup script does not end it.
pub fn serve(folder: &Path) -> ExitCode {
    // A process that leads a group already is apart enough.
    rustix::process::setsid().ok();
    super::held(|worker| {
        let display = Arc::new(Display::new());
        nextest::serve(folder, worker, display).map_err(Refusal::of)?;
        Ok(exit::OK)
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
