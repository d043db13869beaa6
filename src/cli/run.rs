//! A run from its flags to its exit code: what `rehearse` and `gates run` share.

use super::engines::{environment, leave_up};
use super::flags::RunFlags;
use super::{Display, Refusal};
use crate::drill::{Drill, Fault};
use crate::evidence::{Document, Exported};
use crate::exit;
use crate::model::switch::Stage;
use crate::model::{Args, Event, Stamp, Verdict};
use crate::plan::Plan;
use crate::process::{Cancel, Worker, signals};
use crate::profile::Profile;
use crate::rehearsal::detached::Detached;
use crate::rehearsal::provision::{Provision, choose};
use crate::rehearsal::{Finished, Options, Rehearsal};
use crate::report;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What is to be run, and how.
pub struct Request {
    pub verb: &'static str,
    pub profile: Profile,
    pub plan: Plan,
    pub flags: RunFlags,
    pub provision: Provision,
    /// Containers that an earlier run left are taken up, and left again.
    pub reuse: bool,
    pub allow_writes: bool,
    pub keep: bool,
    /// The cutover that is rehearsed when the gates have run.
    pub cutover: Option<Cutover>,
    pub worker: Worker,
}

/// How a cutover is rehearsed.
pub struct Cutover {
    pub fault: Option<&'static Fault>,
    pub watch: Option<Duration>,
}

/// Runs it, and prints the summary.
pub fn run(request: Request) -> super::Result {
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let _listener = signals::listen(&cancel).map_err(Refusal::of)?;
    let mut options = Options {
        verb: request.verb,
        provision: request.provision,
        reuse: request.reuse,
        endpoints: request.flags.endpoints.clone(),
        evidence_dir: request.flags.evidence_dir.clone(),
        parent: super::flags::parent(),
        exports: request.flags.export.iter().cloned().collect(),
        dry_run: request.flags.dry_run,
        allow_writes: request.allow_writes || request.provision.is_ours(),
        bootstrap: bootstrap(&request),
        rehearses: request.cutover.is_some(),
        fault: request.cutover.as_ref().and_then(|cutover| cutover.fault).map(|fault| fault.name.to_owned()),
        ..Options::default()
    };
    let kept = match request.keep && request.provision.is_ours() && !options.dry_run {
        true => Some(keep(&request, &mut options, &cancel)?),
        false => None,
    };
    let finished = match (measure(&request, &options, &cancel), &kept) {
        (Ok(finished), _) => finished,
        // Nobody would know their name.
        (Err(refusal), Some(engines)) => {
            return Err(match engines.down() {
                Ok(()) => refusal,
                Err(left) => {
                    Refusal(format!("{refusal}; and the engines `{}` stay up: {left}", engines.name))
                }
            });
        }
        (Err(refusal), None) => return Err(refusal),
    };
    if let Some(folder) = &request.flags.export {
        export(&finished, folder)?;
    }
    super::print(&summary(&finished)?)?;
    if let Some(engines) = kept {
        super::print(&environment(&engines))?;
        eprintln!("the engines stay up: end them with `cutproof engines down --name {}`", engines.name);
    }
    Ok(finished.exit_code())
}

/// The run itself, until its evidence is written.
fn measure(request: &Request, options: &Options, cancel: &Cancel) -> super::Result<Finished> {
    let display = Arc::new(Display::new());
    let rehearsal = Rehearsal::open(&request.plan, options, request.worker, cancel, display.clone())
        .map_err(Refusal::of)?;
    rehearsal.runner().all(usize::from(request.flags.jobs));
    if let Some(cutover) = &request.cutover {
        drill(request, cutover, &rehearsal, cancel, display.clone());
    }
    let finished = rehearsal.finish().map_err(Refusal::of)?;
    display.finish();
    Ok(finished)
}

/// The cutover of a rehearsal: only where every gate is green, as in a real one nothing would be touched.
fn drill(
    request: &Request,
    cutover: &Cutover,
    rehearsal: &Rehearsal,
    cancel: &Cancel,
    watcher: Arc<Display>,
) {
    let Some(settings) = &request.profile.cutover else { return };
    let (verdict, _) = rehearsal.runner().tally();
    if verdict != Verdict::Passed {
        let reason = "not run: a gate is not green".to_owned();
        let (stage, verdict) = (Stage::Cutover, Verdict::Skipped);
        return rehearsal.record().event(Event::StageEnded { stage, verdict, reason, duration_ms: 0.0 });
    }
    let drill = Drill {
        profile: &request.profile,
        settings,
        fault: cutover.fault,
        watch: cutover.watch,
        worker: request.worker,
        cancel: cancel.clone(),
        watcher,
    };
    drill.run(rehearsal);
}

/// A rehearsal that sets an environment up and checks its health is a bootstrap too, and has that evidence.
fn bootstrap(request: &Request) -> Args {
    let mut args = Args::default();
    let checked = request.plan.selected().any(|planned| planned.probe.name() == "health");
    if request.verb == "rehearse" && checked {
        let path = request.profile.file.as_ref().map_or("", |file| file.path.as_str());
        let name = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        args.set("profile", name.unwrap_or_default());
        args.set("action", "up");
    }
    args
}

/// The summary of a run, for whoever reads it where stdout goes.
pub fn summary(finished: &Finished) -> super::Result<String> {
    let view = finished.view().map_err(Refusal::of)?;
    Ok(report::summary(&view, &finished.folder, coloured()))
}

/// Whether stdout is for colours.
pub fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The exit code of a run that the runbook knows with 0 and 2 only; why it is 2 goes to stderr.
pub fn init_code(finished: &Finished) -> super::Result {
    match finished.exit_code() {
        exit::NOT_PASSED => Err(Refusal(finished.reasons())),
        code => Ok(code),
    }
}

/// Copies every `.env` file of the run to the folder of the runbook.
fn export(finished: &Finished, folder: &Path) -> super::Result<()> {
    for document in finished.documents.iter().filter(|document| document.name.ends_with(".env")) {
        super::print(&exported(finished, document, &folder.join(&document.name))?)?;
    }
    Ok(())
}

/// Copies a document of the run to a path, and says so.
pub fn exported(finished: &Finished, document: &Document, to: &Path) -> super::Result<String> {
    let path = to.display();
    Ok(match finished.export(document, to).map_err(Refusal::of)? {
        Exported::Written { kept: None } | Exported::Same => format!("{path}\n"),
        Exported::Written { kept: Some(kept) } => {
            format!("{path}\n  (what it replaced is kept as {})\n", kept.display())
        }
    })
}

/// Starts engines that outlive this run, and points the run at them.
fn keep(request: &Request, options: &mut Options, cancel: &Cancel) -> super::Result<Detached> {
    let file = request.profile.file.as_ref();
    let file = file.ok_or_else(|| Refusal("--keep needs a profile in a file".to_owned()))?;
    let choice = choose(request.provision, &request.profile.services).map_err(Refusal)?;
    let name = format!("kept-{}", Stamp::now().compact().to_lowercase());
    let engines = leave_up(&name, Path::new(&file.path), choice.provision, request.worker, cancel)?;
    options.provision = Provision::Attach;
    options.started_by = Some(choice.provision);
    options.provisioner_why = choice.why;
    options.allow_writes = true;
    options.attached = Some(engines.endpoints());
    Ok(engines)
}
