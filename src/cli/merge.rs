//! `cutproof merge`: the bundles of a plan's shards, made one.

use super::{Refusal, print, run, verify};
use crate::bundle::{self, Part};
use crate::evidence::{self, Merged, RunView};
use crate::exit;
use crate::report;
use crate::verify::bundle::{Bundle, Journal, open};
use crate::verify::{Finding, More, Severity, shards};
use std::path::PathBuf;

/// The flags of `merge`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folders of all shards' runs, in any order
    #[arg(value_name = "SHARD", required = true)]
    shards: Vec<PathBuf>,
    /// The folder of the merged bundle, which is not there yet
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Verifies each shard, whether they fit, and what was made of them; then puts that in place.
pub fn run(arguments: Arguments) -> super::Result {
    let bundles: Vec<Bundle> = arguments.shards.iter().map(|folder| open(folder)).collect();
    let found = bundles.iter().map(|bundle| (&bundle.findings[..], &bundle.more[..]));
    if let Some(code) = refused("the shards can't be merged", found) {
        return Ok(code);
    }
    let (findings, more) = shards::judge(&bundles);
    if let Some(code) = refused("the shards can't be merged", [(&findings[..], &more[..])]) {
        return Ok(code);
    }
    let draft = bundle::merge(&parts(&bundles), &arguments.output).map_err(Refusal::of)?;
    // What was copied is what was verified, or it is not published.
    let merged = open(draft.folder());
    if let Some(code) = refused("what was merged does not hold", [(&merged.findings[..], &merged.more[..])]) {
        return Ok(code);
    }
    draft.publish().map_err(Refusal::of)?;
    tell(&merged, &arguments)
}

/// The shards, each with its run's id.
fn parts(bundles: &[Bundle]) -> Vec<Part> {
    let part = |bundle: &Bundle| {
        let run = bundle.manifest.as_ref()?.run.clone();
        Some(Part { run, folder: bundle.folder.clone() })
    };
    bundles.iter().filter_map(part).collect()
}

/// Tells what was found; the exit code, where something refuses.
fn refused<'f>(what: &str, found: impl IntoIterator<Item = (&'f [Finding], &'f [More])>) -> Option<u8> {
    let (mut lines, mut worst) = (Vec::new(), None);
    for (findings, more) in found {
        for finding in findings {
            match finding.severity {
                Severity::Warning => {
                    super::tell(&format!("warning: {}\n", report::verification::line(finding)));
                }
                Severity::Error => {
                    lines.push(report::verification::line(finding));
                    worst = worst.max(Some(finding.code.class()));
                }
            }
        }
        for more in more.iter().filter(|more| more.severity == Severity::Error) {
            lines.push(format!("{}: {} more of these", more.code, more.count));
            worst = worst.max(Some(more.code.class()));
        }
    }
    worst?;
    super::tell(&format!("error: {what}: {}\n", lines.join("\n  ")));
    Some(verify::code(worst))
}

/// Shows what the shards are worth together.
fn tell(bundle: &Bundle, arguments: &Arguments) -> super::Result {
    let views =
        bundle.journals.iter().map(|Journal { path, records }| Ok((path.as_str(), RunView::of(records)?)));
    let views: Vec<_> = views.collect::<Result<_, evidence::Contradiction>>().map_err(Refusal::of)?;
    let shards = bundle::shards_among(views.iter().map(|(path, view)| (*path, view)));
    let merged =
        Merged::of(&shards).map_err(|misfits| Refusal(misfits.iter().map(ToString::to_string).collect()))?;
    let view = merged.view();
    print(&report::summary(&view, &arguments.output, run::coloured()))?;
    Ok(if evidence::verdict(&view).verdict.is_fine() { exit::OK } else { exit::NOT_PASSED })
}
