//! `cutproof verify`: the two files of a cutover, or the folders of runs, judged. It reads files and nothing else: no
//! network, no processes.

mod by_policy;
pub mod judged;
mod keys;
mod many;

pub use by_policy::tell_runs;
pub use judged::code;

use super::{Refusal, print};
use crate::exit;
use crate::model::Stamp;
use crate::report::verification as report;
use crate::template;
use crate::verify::{Level, Mode, Rules, Seconds, Source, verify};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Shown behind the flags.
const CODES: &str = "\
Exit codes without PATH: 0 the evidence holds, 2 it does not, or a flag is wrong.
Exit codes with PATH or --recursive, of several the worst: 0 passed, 1 refused by what the evidence says, 2 a flag or
path is wrong, 4 something is missing or the run did not finish, 5 not as it was written, 6 of another cutproof's
version, 70 a fault of cutproof.

A dry run and a run of a selection prove nothing about a whole one and are refused; to check such a folder all the
same, allow it. A cutover in which the rollback was asked for (--force-rollback) is judged as a drill, and one of a
rehearsal that makes a fault on purpose by the rehearsal's verdict.";

/// The flags of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CODES)]
pub struct Arguments {
    /// A run's folder: its files against its manifest, its journals and each other, and what the run is worth; or a
    /// file of evidence, or a folder of such files, each on its own
    #[arg(value_name = "PATH", conflicts_with_all = ["cutover_evidence_file", "rollback_evidence_file"])]
    paths: Vec<PathBuf>,
    /// Judge every run below this folder, side by side, a line each and a summary
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["paths", "cutover_evidence_file", "rollback_evidence_file"]
    )]
    recursive: Option<PathBuf>,
    /// A public key: each run must be signed by at least one of those given, over its manifest as it is
    #[arg(long = "key", value_name = "PUB", conflicts_with_all = ["cutover_evidence_file", "rollback_evidence_file"])]
    keys: Vec<PathBuf>,
    /// Judge the runs together by a policy: a path, or the NAME of gates/policy/NAME.toml
    #[arg(long, value_name = "FILE", requires = "paths", conflicts_with_all = ["recursive", "keys"])]
    policy: Option<String>,
    /// The moment for which the policy judges [default: now]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "policy")]
    at: Option<Stamp>,
    /// The cutover's evidence
    #[arg(long, value_name = "FILE", default_value = "docs/results/ctp_cutover_result.env")]
    cutover_evidence_file: PathBuf,
    /// The rollback's evidence
    #[arg(long, value_name = "FILE", default_value = "docs/results/ctp_rollback_result.env")]
    rollback_evidence_file: PathBuf,
    /// How much is asked: all of it, or only what the runbook's own verifier asked
    #[arg(long, value_name = "LEVEL", default_value = "strict")]
    level: LevelFlag,
    /// Also accept a cutover that failed and was rolled back, with success and within the limit
    #[arg(long)]
    allow_cutover_rollback: bool,
    /// Expect a cutover that succeeded, and a rollback all the same, with success and within the limit
    #[arg(long, conflicts_with = "allow_cutover_rollback")]
    expect_rollback_drill: bool,
    /// Accept a dry run, which proves nothing about a real one
    #[arg(long)]
    allow_dry_run: bool,
    /// Accept a run of a selection of its gates, which signs nothing off; of runs' folders only
    #[arg(long)]
    allow_partial: bool,
    /// Refuse runs in which a required gate passed only after another attempt, also those made without that flag
    #[arg(long, conflicts_with_all = ["cutover_evidence_file", "rollback_evidence_file"])]
    fail_on_flaky: bool,
    /// The longest rollback, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "180", allow_hyphen_values = true)]
    max_rollback_seconds: Seconds,
    /// Warn of evidence that was completed before this time, e.g. 2026-02-12T04:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Stamp>,
    /// What goes to stdout
    #[arg(long, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelFlag {
    Strict,
    Contract,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
    Github,
}

/// Verifies, and tells what was found. With a format other than text that goes to stdout, and the lines for people
/// to stderr.
pub fn run(arguments: Arguments) -> super::Result {
    if let Some(folder) = &arguments.recursive {
        return judged::recursive(folder, &arguments, &rules(&arguments));
    }
    if let Some(policy) = &arguments.policy {
        return by_policy::run(&arguments, policy);
    }
    if !arguments.paths.is_empty() {
        return judged::paths(&arguments, &rules(&arguments));
    }
    if !arguments.keys.is_empty() {
        return Err(Refusal(
            "--key asks for signatures of runs: expected PATH or --recursive DIR beside it".to_owned(),
        ));
    }
    if arguments.fail_on_flaky {
        return Err(Refusal(
            "--fail-on-flaky asks for the attempts of gates, which the two files of a cutover don't tell: expected PATH or \
             --recursive DIR beside it"
                .to_owned(),
        ));
    }
    pair(&arguments)
}

/// The runbook's form.
fn pair(arguments: &Arguments) -> super::Result {
    let [cutover, rollback] =
        [&arguments.cutover_evidence_file, &arguments.rollback_evidence_file].map(|path| source(path));
    let found = verify(&cutover, &rollback, &rules(arguments));
    match arguments.format {
        Format::Text => {}
        Format::Json => print(&report::json(&found))?,
        Format::Github => print(&report::github(&found))?,
        Format::Junit => {
            let report = report::junit(&found, Stamp::now()).map_err(Refusal::of)?;
            print(&String::from_utf8_lossy(&report))?;
        }
    }
    for warning in found.warnings() {
        super::tell(&format!("warning: {}\n", report::line(warning)));
    }
    if !found.passed() {
        return Err(Refusal(report::refusal(&found)));
    }
    match arguments.format {
        Format::Text => print(&report::passed(&found))?,
        _ => super::tell(&report::passed(&found)),
    }
    Ok(exit::OK)
}

fn rules(arguments: &Arguments) -> Rules {
    Rules {
        level: match arguments.level {
            LevelFlag::Strict => Level::Strict,
            LevelFlag::Contract => Level::Contract,
        },
        mode: match (arguments.allow_cutover_rollback, arguments.expect_rollback_drill) {
            (_, true) => Mode::RollbackDrill,
            (true, false) => Mode::CutoverOrRollback,
            (false, false) => Mode::Cutover,
        },
        allow_dry_run: arguments.allow_dry_run,
        allow_partial: arguments.allow_partial,
        fail_on_flaky: arguments.fail_on_flaky,
        max_rollback: arguments.max_rollback_seconds.clone(),
        since: arguments.since,
    }
}

fn source(path: &Path) -> Source {
    Source { path: path.display().to_string(), text: template::read_text(path) }
}

pub fn time(text: &str) -> Result<Stamp, String> {
    let moment: Result<jiff::Timestamp, _> = text.parse();
    let expected = "expected a time with its offset, such as 2026-02-12T04:00:00Z";
    moment
        .map(|moment| Stamp::from_millis(moment.as_millisecond()))
        .map_err(|error| format!("{expected}: {error}"))
}
