//! Several runs of a window: which one counts, and what a policy makes of them together.

use super::super::{signoff, tell};
use super::Arguments;
use super::judged::{Shown, code};
use crate::model::Stamp;
use crate::verify::decision::JudgedRun;
use crate::verify::signoff::refused_by;
use crate::verify::{Judged, bundle, runs};
use std::path::PathBuf;

/// Judges the runs together. The exit code is that of a sign-off.
pub fn run(arguments: &Arguments, named: &str) -> super::super::Result {
    let mut policy = signoff::policy(named, None)?;
    policy.requires.no_flaky |= arguments.fail_on_flaky;
    let bundles: Vec<_> = arguments.paths.iter().map(|folder| bundle::open(folder)).collect();
    let judgement = signoff::judged(&bundles, &policy, arguments.at.unwrap_or_else(Stamp::now))?;
    let class = refused_by(&judgement);
    let mut shown = Shown::begin(arguments.format, false)?;
    shown.one(Judged {
        kind: "runs by policy",
        path: judgement.policy.path.clone(),
        run: judgement.runs.iter().find(|run| run.counts).map(|run| run.run.clone()),
        findings: judgement.findings,
        more: judgement.more,
    })?;
    tell_runs(&judgement.runs);
    tell(&format!("{}: {} by {}\n", judgement.decision, judgement.environment, judgement.policy.path));
    shown.end()?;
    Ok(code(class))
}

/// Which of several runs counts and why; all of them are told.
pub fn which_counts(folders: &[&PathBuf]) -> Judged {
    let bundles: Vec<_> = folders.iter().map(|folder| bundle::open(folder)).collect();
    let selection = runs::select(&bundles);
    tell_runs(&selection.runs);
    let counting = selection.runs.iter().find(|run| run.counts);
    Judged {
        kind: "runs of a window",
        path: counting.map_or_else(|| format!("{} runs", folders.len()), |run| run.folder.clone()),
        run: counting.map(|run| run.run.clone()),
        findings: selection.findings,
        more: selection.more,
    }
}

/// A line for each run.
pub fn tell_runs(runs: &[JudgedRun]) {
    for run in runs {
        let mark = if run.counts { "counts" } else { "does not count" };
        tell(&format!("run {} ({}) {mark}: {}\n", run.run, run.outcome, run.why));
    }
}
