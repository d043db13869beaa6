//! `cutproof report`: what a policy makes of runs, as a page for people. It judges the files anew, as `signoff` does,
//! and signs nothing. It reads files and nothing else: no network, no processes.

use super::{Refusal, print, signoff, tell};
use crate::evidence::place;
use crate::model::Stamp;
use crate::policy::Policy;
use crate::report;
use crate::verify::bundle::{self, Bundle};
use crate::verify::decision::Judgement;
use crate::verify::signoff::refused_by;
use crate::verify::{Severity, signatures};
use std::fs::OpenOptions;
use std::io::Write;
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
    /// Where the in-toto test result of the one run goes, unsigned: what a pipeline attests that signs by itself
    #[arg(long, value_name = "FILE")]
    output_predicate: Option<PathBuf>,
    /// In a step of GitHub Actions: annotations on the profile's lines to stdout, the Markdown to the step's summary, and
    /// the step's outputs `verdict` and `decision`
    #[arg(long)]
    github: bool,
}

/// Judges the runs, and writes the pages. The exit code is that of the judgement, so that no pipeline takes a page
/// that was written for a window that may be used.
pub fn run(arguments: Arguments) -> super::Result {
    let policy = match &arguments.policy {
        Some(named) => signoff::policy(named, arguments.policy_key.as_deref())?,
        None => Policy::built_in(),
    };
    let outputs = [&arguments.output_html, &arguments.output_md, &arguments.output_predicate];
    let outputs: Vec<_> = outputs.into_iter().flatten().collect();
    outputs.iter().try_for_each(|output| outside_of_runs(output, &arguments.runs))?;
    if (1..outputs.len()).any(|place| outputs[..place].contains(&outputs[place])) {
        return Err(Refusal("expected a file for each output, and two are the same".to_owned()));
    }
    let bundles: Vec<_> = arguments.runs.iter().map(|folder| bundle::open(folder)).collect();
    let judgement = signoff::judged(&bundles, &policy, arguments.at.unwrap_or_else(Stamp::now))?;
    let bundles: Vec<&Bundle> = bundles.iter().collect();
    if let Some(output) = &arguments.output_html {
        write(output, &report::html(&judgement, &bundles))?;
    }
    match &arguments.output_md {
        Some(output) => write(output, &report::markdown(&judgement, &bundles))?,
        None if outputs.is_empty() && !arguments.github => {
            print(&report::markdown(&judgement, &bundles))?;
        }
        None => {}
    }
    if let Some(output) = &arguments.output_predicate {
        write(output, &predicate(&bundles)?)?;
    }
    if arguments.github {
        step(&judgement, &bundles)?;
    }
    tell(&format!("{}: {} by {}\n", judgement.decision, judgement.environment, judgement.policy.path));
    Ok(super::verify::code(refused_by(&judgement)))
}

/// What `sign` would sign of the run, without the signature.
fn predicate(bundles: &[&Bundle]) -> super::Result<String> {
    let &[bundle] = bundles else {
        let count = bundles.len();
        return Err(Refusal(format!(
            "--output-predicate is of one run: expected one folder, and saw {count}"
        )));
    };
    let shown = bundle.folder.display();
    if let Some(finding) = bundle.findings.iter().find(|finding| finding.severity == Severity::Error) {
        let line = report::verification::line(finding);
        return Err(Refusal(format!("{shown} is not attested, since it is not as a run leaves it: {line}")));
    }
    let failed = |error: &dyn std::fmt::Display| Refusal(format!("{shown}: {error}"));
    let statement = signatures::of_run(bundle, super::sign::RUNNER).map_err(|error| failed(&error))?;
    let payload = statement.to_payload().map_err(|error| failed(&error))?;
    let mut payload: serde_json::Value = serde_json::from_slice(&payload).map_err(|error| failed(&error))?;
    Ok(format!("{:#}\n", payload["predicate"].take()))
}

/// The variables by which GitHub names the files of a step.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
const OUTPUT: &str = "GITHUB_OUTPUT";

/// What a step of GitHub Actions shows: first what is annotated, since that needs no file.
fn step(judgement: &Judgement, bundles: &[&Bundle]) -> super::Result<()> {
    print(&report::annotations(judgement, bundles))?;
    append(SUMMARY, |room| report::within(&report::step_summary(judgement, bundles), room).into_owned())?;
    let verdict = report::told(judgement).map_or("none", |run| &run.outcome);
    append(OUTPUT, |_| format!("verdict={verdict}\ndecision={}\n", judgement.decision))
}

/// Adds to a file of the step, in which other commands may have written before: `text` is given how much room there
/// still is in a summary. Outside of a step there is no such file, and nothing is lost.
fn append(variable: &str, text: impl FnOnce(usize) -> String) -> super::Result<()> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        tell(&format!("note: {variable} is not set: this is no step of GitHub Actions\n"));
        return Ok(());
    };
    let failed = |error: std::io::Error| {
        Refusal(format!("expected to write to {variable}, which is {}: {error}", path.display()))
    };
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    let taken = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
    let text = text(report::SUMMARY.saturating_sub(taken));
    file.write_all(text.as_bytes()).map_err(failed)
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
