//! Gates as libtest trials. A test target with `harness = false` and this `main` makes every gate of a profile a
//! case of `cargo test`, here and in any other repository:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     cutproof::harness::main("gates/single-host.toml")
//! }
//! ```
//!
//! What a test runner would take for green though nothing was measured is refused here: a filter that selects
//! nothing (under `CI=true`; elsewhere it warns, since `cargo test NAME` hands NAME to every test target),
//! `--ignored`, `--bench`, and no threads at all. The exit code is that of the run, not only that of the trials.

use crate::cli::{self, Display};
use crate::plan::{Plan, Selection};
use crate::process::{Cancel, Worker, signals};
use crate::rehearsal::provision::Provision;
use crate::rehearsal::{Options, Rehearsal};
use crate::runner::Runner;
use crate::{exit, model::Verdict, profile, profile::Profile};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// Runs the gates of a profile as trials; for the `main` of a test target.
///
/// Variables change it as flags change `cutproof rehearse`: `CUTPROOF_PROFILE`, `CUTPROOF_PROVISION` (`auto`,
/// `containers`, `embedded` or `attach`), `CUTPROOF_DRY_RUN`, `CUTPROOF_ALLOW_WRITES`, `CUTPROOF_EVIDENCE_DIR`, and `CUTPROOF_ENDPOINT_NAME` for the service NAME.
pub fn main(profile: &str) -> ExitCode {
    // The engines' helpers are started as this very executable.
    if let Some(code) = cli::helper() {
        return code;
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return report(list(profile, &arguments)).into();
    }
    match crate::process::hold(|worker| report(run(profile, &arguments, *worker))) {
        Ok(code) => code,
        Err(error) => report(Err(error.to_string())).into(),
    }
}

fn report(result: Result<u8, String>) -> u8 {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        exit::ERROR
    })
}

fn load(profile: &str) -> Result<(Profile, Plan), String> {
    let profile = std::env::var("CUTPROOF_PROFILE").unwrap_or_else(|_| profile.to_owned());
    let profile = Profile::load(&profile::find(&profile)).map_err(|error| error.to_string())?;
    let plan = Plan::new(&profile, &Selection::default()).map_err(|error| error.to_string())?;
    Ok((profile, plan))
}

/// Names the trials and starts nothing.
fn list(profile: &str, arguments: &Arguments) -> Result<u8, String> {
    let (_, plan) = load(profile)?;
    // It has nothing to conclude: it prints the names.
    let _ = libtest_mimic::run(arguments, trials(&plan, &Arc::default(), false));
    Ok(exit::OK)
}

fn run(profile: &str, arguments: &Arguments, worker: Worker) -> Result<u8, String> {
    if arguments.bench {
        return Err("gates are no benchmarks: expected `cargo test`, and saw --bench".to_owned());
    }
    if arguments.test_threads == Some(0) {
        return Err("expected --test-threads of at least 1, and saw 0".to_owned());
    }
    let (profile, mut plan) = load(profile)?;
    let dry_run = switched_on("CUTPROOF_DRY_RUN");
    let runner = Arc::default();
    let trials = trials(&plan, &runner, dry_run);
    let chosen: Vec<_> = trials
        .iter()
        .filter(|trial| !arguments.is_filtered_out(trial))
        .map(|trial| trial.name().to_owned())
        .collect();
    if chosen.is_empty() {
        return nothing_selected(arguments, plan.gates.len());
    }
    if chosen.len() < plan.gates.len() {
        let selection = Selection { only: chosen, ..Selection::default() };
        plan = Plan::new(&profile, &selection).map_err(|error| error.to_string())?;
        plan.selection = Some(describe(arguments));
    }
    let display = Arc::new(Display::of_services());
    let provision = provision()?;
    let options = Options {
        verb: "cargo-test",
        provision,
        evidence_dir: std::env::var_os("CUTPROOF_EVIDENCE_DIR")
            .map_or_else(|| "evidence".into(), PathBuf::from),
        dry_run,
        allow_writes: provision.is_ours() || switched_on("CUTPROOF_ALLOW_WRITES"),
        ..Options::default()
    };
    let cancel = Cancel::new().map_err(|error| error.to_string())?;
    let _listener = signals::listen(&cancel).map_err(|error| error.to_string())?;
    let rehearsal =
        Rehearsal::open(&plan, &options, worker, &cancel, display).map_err(|error| error.to_string())?;
    // Set before the first trial begins, and only here.
    runner.set(rehearsal.runner().clone()).ok();
    let conclusion = libtest_mimic::run(arguments, trials);
    let finished = rehearsal.finish().map_err(|error| error.to_string())?;
    eprint!("{}", cli::run::summary(&finished).map_err(|error| error.to_string())?);
    Ok(match finished.exit_code() {
        exit::OK if conclusion.has_failed() => exit::NOT_PASSED,
        code => code,
    })
}

/// A trial for each gate. They ask the runner that is set when the run begins.
fn trials(plan: &Plan, runner: &Arc<OnceLock<Runner>>, dry_run: bool) -> Vec<Trial> {
    let trial = |planned: &crate::plan::PlannedGate| {
        let (id, required, runner) = (planned.gate.id.clone(), planned.gate.required, Arc::clone(runner));
        let kind = if dry_run { "simulated" } else { "" };
        let work = move || {
            let runner = runner.get().ok_or("the run was not begun")?;
            let outcome = runner.gate(&id);
            let text = [outcome.reason.as_str(), outcome.excerpt.as_str()];
            let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
            match outcome.verdict {
                Verdict::Passed => Ok(Completion::Completed),
                Verdict::Skipped if dry_run => Ok(Completion::Completed),
                verdict if !required => {
                    Ok(Completion::ignored_with(format!("{verdict}, not required: {text}")))
                }
                verdict => Err(Failed::from(format!("{verdict}: {text}"))),
            }
        };
        Trial::ignorable_test(planned.gate.case(), work).with_kind(kind)
    };
    plan.gates.iter().map(trial).collect()
}

fn nothing_selected(arguments: &Arguments, gates: usize) -> Result<u8, String> {
    let filter = describe(arguments);
    let text = format!("none of the {gates} gates is selected by {filter}; see them with `--list`");
    if switched_on("CI") {
        return Err(format!("{text} (under CI that is an error: nothing was measured)"));
    }
    eprintln!("warning: {text}; nothing was measured");
    Ok(exit::OK)
}

/// The selection in the words of the flags.
fn describe(arguments: &Arguments) -> String {
    let filter = arguments.filter.iter().map(|filter| format!("the filter `{filter}`"));
    let skip = arguments.skip.iter().map(|skip| format!("--skip {skip}"));
    let ignored = arguments.ignored.then(|| "--ignored (no gate is)".to_owned());
    let exact = arguments.exact.then(|| "--exact".to_owned());
    filter.chain(skip).chain(ignored).chain(exact).collect::<Vec<_>>().join(", ")
}

fn provision() -> Result<Provision, String> {
    match std::env::var("CUTPROOF_PROVISION") {
        Err(_) => Ok(Provision::Auto),
        Ok(word) => Provision::parse(&word).ok_or_else(|| {
            format!(
                "expected CUTPROOF_PROVISION to be auto, containers, embedded or attach, and saw `{word}`"
            )
        }),
    }
}

/// Whether a variable is set to something that means yes.
fn switched_on(variable: &str) -> bool {
    let value = std::env::var(variable).unwrap_or_default().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "false" | "no" | "off")
}
