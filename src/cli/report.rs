//! `cutproof report`: what a policy makes of runs, as a page for people. It judges the files anew, as `signoff` does,
//! and signs nothing. It reads files and nothing else: no network, no processes.

use super::{Refusal, print, signoff, tell};
use crate::evidence::place;
use crate::model::Stamp;
use crate::policy::Policy;
use crate::report;
use crate::verify::bundle::{self, Bundle};
use crate::verify::signoff::refused_by;
use std::path::{Path, PathBuf};

/// The flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The runs' folders: all of the window, those that failed too
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The policy: a path, or the NAME of gates/policy/NAME.toml [default: the profile's required gates passed]
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// A public key that must have signed the policy
    #[arg(long, value_name = "PUB", requires = "policy")]
    policy_key: Option<PathBuf>,
    /// The moment for which it is judged, e.g. the window's start: 2026-02-12T04:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = super::verify::time)]
    at: Option<Stamp>,
    /// Where the HTML page goes
    #[arg(long, value_name = "FILE")]
    output_html: Option<PathBuf>,
    /// Where the Markdown goes; without any output it goes to stdout
    #[arg(long, value_name = "FILE")]
    output_md: Option<PathBuf>,
}

/// Judges the runs, and writes the pages. The exit code is that of the judgement, so that no pipeline takes a page
/// that was written for a window that may be used.
pub fn run(arguments: Arguments) -> super::Result {
    let policy = match &arguments.policy {
        Some(named) => signoff::policy(named, arguments.policy_key.as_deref())?,
        None => Policy::built_in(),
    };
    let outputs = [&arguments.output_html, &arguments.output_md];
    outputs.into_iter().flatten().try_for_each(|output| outside_of_runs(output, &arguments.runs))?;
    if outputs[0].is_some() && outputs[0] == outputs[1] {
        return Err(Refusal(
            "expected two files, seen the same for --output-html and --output-md".to_owned(),
        ));
    }
    let bundles: Vec<_> = arguments.runs.iter().map(|folder| bundle::open(folder)).collect();
    let judgement = signoff::judged(&bundles, &policy, arguments.at.unwrap_or_else(Stamp::now))?;
    let bundles: Vec<&Bundle> = bundles.iter().collect();
    if let Some(output) = &arguments.output_html {
        write(output, &report::html(&judgement, &bundles))?;
    }
    match &arguments.output_md {
        Some(output) => write(output, &report::markdown(&judgement, &bundles))?,
        None if arguments.output_html.is_none() => print(&report::markdown(&judgement, &bundles))?,
        None => {}
    }
    tell(&format!("{}: {} by {}\n", judgement.decision, judgement.environment, judgement.policy.path));
    Ok(super::verify::code(refused_by(&judgement)))
}

fn write(output: &Path, text: &str) -> super::Result<()> {
    place(output, text.as_bytes()).map_err(Refusal::of)?;
    print(&format!("{}\n", output.display()))
}

/// A file that is added to a run's folder makes its evidence another one.
fn outside_of_runs(output: &Path, runs: &[PathBuf]) -> super::Result<()> {
    // Folders that are not there yet will be made below the first that is.
    let there = std::path::absolute(output).map_err(Refusal::of)?;
    let Some(folder) = there.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok()) else {
        return Ok(());
    };
    let inside = |run: &&PathBuf| run.canonicalize().is_ok_and(|run| folder.starts_with(run));
    match runs.iter().find(inside) {
        None => Ok(()),
        Some(run) => Err(Refusal(format!(
            "{} is in the folder of the run {}, to whose evidence nothing may be added: choose another path",
            output.display(),
            run.display()
        ))),
    }
}
