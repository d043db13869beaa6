//! `cutproof verify`: the two files of a cutover, judged. It reads files and nothing else: no network, no processes.

use super::{Refusal, print};
use crate::exit;
use crate::model::Stamp;
use crate::report::verification as report;
use crate::template;
use crate::verify::{Level, Mode, Rules, Seconds, Source, verify};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// The flags of `verify`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
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
    /// Accept the files of a dry run
    #[arg(long)]
    allow_dry_run: bool,
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
    let [cutover, rollback] =
        [&arguments.cutover_evidence_file, &arguments.rollback_evidence_file].map(|path| source(path));
    let found = verify(&cutover, &rollback, &rules(&arguments));
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
        allow_partial: false,
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
