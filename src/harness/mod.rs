//! Gates as libtest trials. A test target with `harness = false` and this `main` makes every gate of a profile a
//! case of `cargo test` and of cargo-nextest, here and in any other repository:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     cutproof::harness::main("gates/single-host.toml")
//! }
//! ```
//!
//! What a test runner would take for green though nothing was measured is refused here: a filter that selects
//! nothing (under `CI=true`; elsewhere it warns, since `cargo test NAME` hands NAME to every test target),
//! `--ignored`, `--bench`, no threads at all, a stdout that nobody reads. The exit code is that of the run, not only
//! that of the trials. docs/cargo-test.md lists them all.

mod trials;

use crate::cli::{self, Display};
use crate::nextest::{self, ask, settings};
use crate::process::{Cancel, Worker, signals};
use crate::rehearsal::Rehearsal;
use crate::runner::Runner;
use crate::{exit, process};
use libtest_mimic::{Arguments, Conclusion, Trial};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use trials::{Ask, Came, trials};

/// Runs the gates of a profile as trials; for the `main` of a test target.
///
/// Variables change it as flags change `cutproof rehearse`: `CUTPROOF_PROFILE`, `CUTPROOF_PROVISION` (`auto`,
/// `containers`, `embedded` or `attach`), `CUTPROOF_DRY_RUN`, `CUTPROOF_ALLOW_WRITES`, `CUTPROOF_EVIDENCE_DIR`, and
/// `CUTPROOF_ENDPOINT_NAME` for the service NAME. With the arguments `nextest setup` it is the setup script of cargo-nextest.
pub fn main(profile: &str) -> ExitCode {
    // The engines' helpers are started as this very executable.
    if let Some(code) = cli::helper() {
        return code;
    }
    match words().as_slice() {
        [first, second] if [first, second] == nextest::SETUP => {
            return report(nextest::setup(profile).map(|()| exit::OK)).into();
        }
        [first, second, folder] if [first, second] == nextest::SERVE => {
            return cli::nextest::serve(Path::new(folder));
        }
        _ => {}
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return report(list(profile, &arguments)).into();
    }
    if ask::is_test(arguments.filter.as_deref(), arguments.exact) {
        return report(one(profile, &arguments)).into();
    }
    match process::hold(|worker| report(run(profile, &arguments, *worker))) {
        Ok(code) => code,
        Err(error) => report(Err(error)).into(),
    }
}

fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn report(result: Result<u8, impl std::fmt::Display>) -> u8 {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        exit::ERROR
    })
}

/// Names the trials and starts nothing.
fn list(profile: &str, arguments: &Arguments) -> Result<u8, String> {
    let (_, plan) = settings::load(&settings::profile_path(profile))?;
    let never: Ask = Arc::new(|_| Err("the run was not begun".to_owned()));
    // It has nothing to conclude: it prints the names.
    let _ = told(arguments, trials(&plan, &never, false))?;
    Ok(exit::OK)
}

/// One gate, as nextest runs it: the process that the setup script started measures.
fn one(profile: &str, arguments: &Arguments) -> Result<u8, String> {
    refuse_what_measures_nothing(arguments)?;
    let path = settings::profile_path(profile);
    let (_, plan) = settings::load(&path)?;
    let holder = ask::holder().map_err(|error| error.to_string())?;
    let ask: Ask = Arc::new(move |id| {
        let told = ask::gate(&holder, &path, id).map_err(|error| error.to_string())?;
        let (verdict, reason, excerpt) = (told.verdict, told.reason, told.excerpt);
        Ok(Came { verdict, reason, excerpt, attempts: told.attempts, against: told.against })
    });
    let trials = trials(&plan, &ask, settings::dry_run());
    if chosen(arguments, &trials).is_empty() {
        let (filter, gates) = (trials::describe(arguments), plan.gates.len());
        return Err(format!("none of the {gates} gates is selected by {filter}: nothing was measured"));
    }
    Ok(if told(arguments, trials)?.has_failed() { exit::NOT_PASSED } else { exit::OK })
}

fn run(profile: &str, arguments: &Arguments, worker: Worker) -> Result<u8, String> {
    refuse_what_measures_nothing(arguments)?;
    let (profile, plan) = settings::load(&settings::profile_path(profile))?;
    let runner: Arc<OnceLock<Runner>> = Arc::default();
    let asked = Arc::clone(&runner);
    let ask: Ask = Arc::new(move |id| {
        let outcome = asked.get().ok_or("the run was not begun")?.gate(id);
        let (verdict, reason, excerpt) = (outcome.verdict, outcome.reason, outcome.excerpt);
        Ok(Came { verdict, reason, excerpt, attempts: outcome.attempts, against: None })
    });
    let trials = trials(&plan, &ask, settings::dry_run());
    let chosen = chosen(arguments, &trials);
    if chosen.is_empty() {
        return nothing_selected(arguments, plan.gates.len());
    }
    let plan = settings::select(&profile, plan, chosen, trials::describe(arguments))?;
    let options = settings::options("cargo-test")?;
    let cancel = Cancel::new().map_err(|error| error.to_string())?;
    let _listener = signals::listen(&cancel).map_err(|error| error.to_string())?;
    let display = Arc::new(Display::of_services());
    let rehearsal =
        Rehearsal::open(&plan, &options, worker, &cancel, display).map_err(|error| error.to_string())?;
    // Set before the first trial begins, and only here.
    runner.set(rehearsal.runner().clone()).ok();
    let conclusion = told(arguments, trials);
    // Whatever came of the trials' lines, the run has its evidence.
    let finished = rehearsal.finish().map_err(|error| error.to_string())?;
    cli::tell(&cli::run::summary(&finished).map_err(|error| error.to_string())?);
    let failed = conclusion?.has_failed();
    Ok(match finished.exit_code() {
        exit::OK if failed => exit::NOT_PASSED,
        code => code,
    })
}

/// Runs trials, or lists them. A stdout that is closed breaks the library off: then nobody has seen what came of them.
fn told(arguments: &Arguments, trials: Vec<Trial>) -> Result<Conclusion, String> {
    let run = AssertUnwindSafe(|| libtest_mimic::run(arguments, trials));
    std::panic::catch_unwind(run).map_err(|_| {
        "expected to print what came of the gates, and the runner broke off: is stdout closed?".to_owned()
    })
}

/// The cases that these arguments select.
fn chosen(arguments: &Arguments, trials: &[Trial]) -> Vec<String> {
    let chosen = trials.iter().filter(|trial| !arguments.is_filtered_out(trial));
    chosen.map(|trial| trial.name().to_owned()).collect()
}

fn refuse_what_measures_nothing(arguments: &Arguments) -> Result<(), String> {
    if arguments.bench {
        return Err("gates are no benchmarks: expected `cargo test`, and saw --bench".to_owned());
    }
    if arguments.test_threads == Some(0) {
        return Err("expected --test-threads of at least 1, and saw 0".to_owned());
    }
    Ok(())
}

fn nothing_selected(arguments: &Arguments, gates: usize) -> Result<u8, String> {
    let filter = trials::describe(arguments);
    let text = format!("none of the {gates} gates is selected by {filter}; see them with `--list`");
    if settings::switched_on("CI") {
        return Err(format!("{text} (under CI that is an error: nothing was measured)"));
    }
    cli::tell(&format!("warning: {text}; nothing was measured\n"));
    Ok(exit::OK)
}
