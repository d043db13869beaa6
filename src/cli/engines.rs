//! `cutproof engines`: the engines for a person at a desk, as containers or as local processes.

use super::flags::{ProfileFlags, ProvisionFlag};
use super::{Display, Refusal, print, report, tell};
use crate::exit;
use crate::model::service::variables;
use crate::process::{Cancel, Command, Daemons, Exit, Worker, signals};
use crate::profile::{self, Profile};
use crate::rehearsal::detached::{self, Detached};
use crate::rehearsal::provision::{PULLED, Provision, choose};
use crate::service::embedded;
use crate::service::identify::identify;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long an engine has to say how it is.
const ASK: Duration = Duration::from_secs(2);

/// The verbs below `engines`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Fetch and prepare the embedded engines; once, and again only where something is lacking
    Install,
    /// Start the engines of a profile and leave them up; prints their endpoints as variables
    Up(UpArguments),
    /// Show which engines are up, and how they are
    Status,
    /// End engines that were left up
    Down(DownArguments),
    /// Start the holder of engines, and wait until all are up
    #[command(hide = true)]
    Launch(UpArguments),
    /// Hold engines until told to end
    #[command(hide = true)]
    Serve(UpArguments),
}

/// The flags of `engines up`.
#[derive(Debug, clap::Args)]
pub struct UpArguments {
    #[command(flatten)]
    profile: ProfileFlags,
    /// A name for these engines
    #[arg(long, default_value = "desk")]
    name: String,
    /// As what they are started; `attach` starts nothing
    #[arg(long, value_enum, default_value_t = ProvisionFlag::Auto, env = "CUTPROOF_PROVISION")]
    provision: ProvisionFlag,
}

/// The flags of `engines down`.
#[derive(Debug, clap::Args)]
pub struct DownArguments {
    /// Which; all, where none is named
    #[arg(long)]
    name: Option<String>,
}

/// Does what the verb says.
pub fn main(verb: Verb) -> ExitCode {
    match verb {
        Verb::Install => super::held(install),
        Verb::Up(arguments) => super::held(|worker| up(&arguments, worker)),
        Verb::Launch(arguments) => report(launch(&arguments)).into(),
        Verb::Status => report(status()).into(),
        Verb::Down(arguments) => report(down(&arguments)).into(),
        Verb::Serve(arguments) => {
            // In a session of its own, so that the terminal it was started from can be closed. A process that leads
            // a group already is apart enough.
            rustix::process::setsid().ok();
            super::held(|worker| serve(&arguments, worker))
        }
    }
}

fn install(worker: Worker) -> super::Result {
    let cache = embedded::user_cache().map_err(Refusal::of)?;
    let display = Display::new();
    let installed = embedded::install(&cache, worker, &display).map_err(Refusal::of)?;
    display.finish();
    print(&format!("{}\n", installed.root().display()))?;
    Ok(exit::OK)
}

fn up(arguments: &UpArguments, worker: Worker) -> super::Result {
    let path = profile::find(&arguments.profile.profile);
    let profile = Profile::load(&path).map_err(Refusal::of)?;
    let wanted = Provision::from(arguments.provision);
    if !wanted.is_ours() {
        return Err(Refusal(
            "expected --provision auto, containers or embedded: attach starts nothing".to_owned(),
        ));
    }
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let choice = choose(wanted, &profile.services).map_err(Refusal)?;
    if let Some(why) = &choice.why {
        tell(&format!("{}: {why}\n", choice.provision.as_str()));
    }
    let engines = leave_up(&arguments.name, &path, choice.provision, worker, &cancel)?;
    print(&environment(&engines))?;
    Ok(exit::OK)
}

/// Starts engines that outlive this run, as containers or, installed first where they are not, as local processes.
pub fn leave_up(
    name: &str,
    profile: &Path,
    provision: Provision,
    worker: Worker,
    cancel: &Cancel,
) -> super::Result<Detached> {
    if provision == Provision::Embedded {
        let cache = embedded::user_cache().map_err(Refusal::of)?;
        embedded::install(&cache, worker, &Display::new()).map_err(Refusal::of)?;
    }
    let exe = std::env::current_exe().map_err(Refusal::of)?;
    let words = ["engines", "launch", "--name", name, "--provision", provision.as_str(), "--profile"];
    let argv = std::iter::once(exe.into_os_string()).chain(words.map(OsString::from)).chain([profile.into()]);
    // What is launched has a limit of its own, which says more.
    let limit = PULLED + Duration::from_secs(30);
    let outcome = Command { daemons: Daemons::Release, ..Command::argv(argv, limit) }.run(&worker, cancel);
    if !matches!(outcome.exit, Exit::Exited(0)) {
        let said = String::from_utf8_lossy(&outcome.stderr.head).trim().to_owned();
        let said = said.strip_prefix("error: ").map_or(said.clone(), str::to_owned);
        return Err(Refusal(if said.is_empty() {
            format!("the engines did not come up: {:?}", outcome.exit)
        } else {
            said
        }));
    }
    detached::find(name)
        .ok_or_else(|| Refusal(format!("engines were started under the name {name}, and are gone")))
}

fn launch(arguments: &UpArguments) -> super::Result {
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let provision = Provision::from(arguments.provision);
    detached::up(&arguments.name, &arguments.profile.profile, provision, &cancel).map_err(Refusal)?;
    Ok(exit::OK)
}

/// The endpoints of engines as lines that a shell takes: `export $(cutproof engines up)`.
pub fn environment(engines: &Detached) -> String {
    let mut text = String::new();
    for service in &engines.services {
        for (name, value) in variables(&service.name, &service.endpoint()) {
            writeln!(text, "{name}={value}").ok();
        }
    }
    text
}

fn status() -> super::Result {
    let all = detached::all();
    if all.is_empty() {
        print("no engines are up\n")?;
    }
    let mut code = exit::OK;
    for engines in &all {
        let state = if engines.is_up() { "up" } else { "GONE" };
        let (name, by) = (&engines.name, engines.provisioner.as_str());
        let mut text = format!("{name}: {state} ({by}), held by process {}\n", engines.pid);
        for service in &engines.services {
            let found = identify(&service.endpoint(), &BTreeSet::new(), ASK);
            let says = match &found {
                Ok(known) => known.product.as_ref().map_or("answers".to_owned(), ToString::to_string),
                Err(error) => format!("DOWN: {error}"),
            };
            if found.is_err() {
                code = exit::NOT_PASSED;
            }
            let runs = match &service.image {
                Some(image) => image.name.clone(),
                None => format!("pid {:<8}", service.pid),
            };
            writeln!(text, "  {:<12} {:<28} {runs} {says}", service.name, service.address).ok();
        }
        print(&text)?;
    }
    Ok(code)
}

fn down(arguments: &DownArguments) -> super::Result {
    let chosen: Vec<_> = match &arguments.name {
        None => detached::all(),
        Some(name) => vec![detached::find(name).ok_or_else(|| {
            let up: Vec<_> = detached::all().into_iter().map(|engines| engines.name).collect();
            let up =
                if up.is_empty() { "none is".to_owned() } else { format!("there are: {}", up.join(", ")) };
            Refusal(format!("no engines named `{name}` are up; {up}"))
        })?],
    };
    for engines in &chosen {
        engines.down().map_err(Refusal)?;
        print(&format!("{}: ended\n", engines.name))?;
    }
    Ok(exit::OK)
}

fn serve(arguments: &UpArguments, worker: Worker) -> super::Result {
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let profile = Profile::load(&profile::find(&arguments.profile.profile)).map_err(Refusal::of)?;
    let choice = choose(arguments.provision.into(), &profile.services).map_err(Refusal)?;
    detached::serve(&arguments.name, choice.provision, &profile.services, worker, &cancel)
        .map_err(Refusal)?;
    Ok(exit::OK)
}
