//! `cutproof rehearse`.

use super::flags::{self, ProfileFlags, ProvisionFlag, RunFlags, SelectionFlags};
use super::run::{self, Cutover, Request};
use super::{Refusal, print};
use crate::drill;
use crate::exit;
use crate::model::units::parse_duration;
use crate::process::Worker;
use crate::rehearsal::provision::Provision;
use std::fmt::Write as _;
use std::time::Duration;

/// The flags of `rehearse`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    run: RunFlags,
    /// Who gives the services
    #[arg(long, value_enum, default_value_t = ProvisionFlag::Auto, env = "CUTPROOF_PROVISION")]
    provision: ProvisionFlag,
    /// Take up the containers that an earlier run left, and leave them for the next (with containers)
    #[arg(long)]
    reuse: bool,
    /// Let gates that write do so in an environment that is attached to
    #[arg(long)]
    allow_writes: bool,
    /// Leave the services up, and print where they are
    #[arg(long)]
    keep: bool,
    /// Make a fault in the cutover, and see that it ends as it deserves; `list` names them all
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// How long the cutover's watch lasts [default: the profile's `rehearsal_watch`]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    watch: Option<Duration>,
    /// Run the gates only, and rehearse no cutover
    #[arg(long, conflicts_with_all = ["fault", "watch"])]
    gates_only: bool,
    // Last: its heading goes for all flags behind it.
    #[command(flatten)]
    selection: SelectionFlags,
}

/// Starts the engines, runs every gate, writes JUnit and evidence.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    if arguments.fault.as_deref() == Some("list") {
        return list();
    }
    let fault = arguments.fault.as_deref().map(drill::find).transpose().map_err(Refusal)?;
    if arguments.selection.partition.is_some() && !arguments.gates_only {
        return Err(Refusal(
            "a shard rehearses no cutover: expected --gates-only beside --partition; rehearse the cutover in a job of its \
             own, without --partition"
                .to_owned(),
        ));
    }
    let (profile, plan) = flags::plan(&arguments.profile, &arguments.selection)?;
    let provision: Provision = arguments.provision.into();
    if arguments.reuse && matches!(provision, Provision::Embedded | Provision::Attach) {
        return Err(Refusal(format!(
            "--reuse is for containers: expected --provision containers or auto, and saw {}",
            provision.as_str()
        )));
    }
    if arguments.reuse && arguments.keep {
        return Err(Refusal(
            "expected either --reuse or --keep: containers that are kept are not taken up again".to_owned(),
        ));
    }
    // A selection, a plan that is only looked at, and an environment that is not ours are no place for a switch.
    let place = !plan.partial() && !arguments.run.dry_run && provision.is_ours() && !arguments.keep;
    if !place && (fault.is_some() || arguments.watch.is_some()) {
        return Err(Refusal(
            "expected a whole rehearsal on engines of its own with --fault and --watch: without --only, --skip, --tag, \
             --phase, --dry-run, --keep and --provision attach"
                .to_owned(),
        ));
    }
    if fault.is_some() && profile.cutover.is_none() {
        return Err(Refusal(
            "expected a [cutover] in the profile, and there is none: nothing to make a fault in".to_owned(),
        ));
    }
    let rehearses = place && !arguments.gates_only && profile.cutover.is_some();
    run::run(Request {
        cutover: rehearses.then_some(Cutover { fault, watch: arguments.watch }),
        verb: "rehearse",
        profile,
        plan,
        flags: arguments.run,
        provision,
        reuse: arguments.reuse,
        allow_writes: arguments.allow_writes,
        keep: arguments.keep,
        worker,
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn list() -> super::Result {
    let mut text = String::new();
    for fault in drill::FAULTS {
        writeln!(text, "{:<20} {}; {}", fault.name, fault.about, fault.deserves).ok();
    }
    print(&text)?;
    Ok(exit::OK)
}
