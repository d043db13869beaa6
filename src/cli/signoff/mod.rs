//! `cutproof signoff`: what a policy makes of the runs of a window, written and signed; and what `cutover` asks of it.
//! It reads files and nothing else: no network, no processes.

pub mod file;
pub mod required;

use super::{Refusal, print, tell};
use crate::evidence::place;
use crate::model::Stamp;
use crate::policy::{self, Policy};
use crate::report::verification as report;
use crate::sign::{Envelope, PrivateKey, PublicKey};
use crate::template::read_text;
use crate::verify::bundle::{self, Bundle};
use crate::verify::decision::Judgement;
use crate::verify::policy::judge;
use crate::verify::runs;
use crate::verify::signoff::{SignOff, combine, make, refused_by, summary, unjudged};
use crate::verify::{Finding, Severity};
use std::path::{Path, PathBuf};

/// The flags of `signoff`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The runs' folders: all of the window, those that failed too
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The policy: a path, or the NAME of gates/policy/NAME.toml
    #[arg(long, value_name = "FILE")]
    policy: String,
    /// A public key that must have signed the policy
    #[arg(long, value_name = "PUB")]
    policy_key: Option<PathBuf>,
    /// The moment for which it is judged, e.g. the window's start: 2026-02-12T04:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = super::verify::time)]
    at: Option<Stamp>,
    /// Refuse gates that passed only after another attempt, also where the policy has no `no_flaky`
    #[arg(long)]
    fail_on_flaky: bool,
    /// The private key that signs it: a file, env:NAME for a variable, - for standard input
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,
    /// As what the key signs; the policy says who may
    #[arg(long, value_name = "ROLE", default_value = "runner", value_parser = super::sign::role)]
    role: String,
    /// Where the sign-off goes; what signs it goes beside it
    #[arg(long, value_name = "FILE", default_value = "signoff.json")]
    output: PathBuf,
}

/// Judges the runs, writes what came of it, and says that.
pub fn run(arguments: Arguments) -> super::Result {
    let mut policy = self::policy(&arguments.policy, arguments.policy_key.as_deref())?;
    policy.requires.no_flaky |= arguments.fail_on_flaky;
    refuse_signed(&arguments.output)?;
    // Before anything is written: a key that can't be read is no reason to leave a sign-off without its signature.
    let key = arguments.key.as_deref().map(super::sign::key::read).transpose()?;
    let made = Stamp::now();
    let bundles: Vec<_> = arguments.runs.iter().map(|folder| bundle::open(folder)).collect();
    let judgement = judged(&bundles, &policy, arguments.at.unwrap_or(made))?;
    let signoff = make(&judgement, &bundles, made);
    write(&signoff, &bundles, key.as_ref(), &arguments)?;
    say(&judgement, &signoff)?;
    Ok(super::verify::judged::code(refused_by(&judgement)))
}

/// The policy of a name or path, which a key must have signed where one is given.
pub(super) fn policy(named: &str, signed_by: Option<&Path>) -> super::Result<Policy> {
    let key = signed_by.map(|path| {
        let refused =
            |why: &dyn std::fmt::Display| Refusal(format!("--policy-key {}: {why}", path.display()));
        let pem = read_text(path).map_err(|fault| refused(&fault))?;
        PublicKey::from_pem(&pem).map_err(|error| refused(&error))
    });
    policy::of_flags(Some(named), key.transpose()?.as_ref()).map_err(Refusal::of)
}

/// What the policy makes of the run that counts, and of how the others stand to it.
pub(super) fn judged(bundles: &[Bundle], policy: &Policy, at: Stamp) -> super::Result<Judgement> {
    let selection = runs::select(bundles);
    let judgement = match selection.counting {
        Some(counting) => judge(bundles, counting, policy, at).map_err(Refusal::of)?,
        None => unjudged(bundles, policy, at),
    };
    Ok(combine(judgement, selection, bundles))
}

/// What others have signed already is not replaced: their signatures would stand beside another sign-off.
fn refuse_signed(output: &Path) -> super::Result<()> {
    let own = file::envelope_path(output);
    let others = file::envelopes(output)?;
    let others: Vec<_> = others.into_iter().filter(|path| *path != own).collect();
    match others.first() {
        None => Ok(()),
        Some(other) => Err(Refusal(format!(
            "{} has signatures of others beside it ({}): choose another --output, or move both away",
            output.display(),
            other.display()
        ))),
    }
}

/// The sign-off, and its envelope where there is a key. An envelope of a former sign-off is about that one, and goes.
fn write(
    signoff: &SignOff,
    bundles: &[Bundle],
    key: Option<&PrivateKey>,
    flags: &Arguments,
) -> super::Result<()> {
    let output = &flags.output;
    let bytes = signoff.to_json().map_err(Refusal::of)?;
    let beside = file::envelope_path(output);
    let sealed = key.map(|key| {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let sha256 = file::sha256(&bytes);
        let statement = summary(signoff, &name, &sha256, bundles, &flags.role);
        Envelope::sign(&statement, &[key]).map(|envelope| envelope.to_json()).map_err(Refusal::of)
    });
    let sealed = sealed.transpose()?;
    place(output, &bytes).map_err(Refusal::of)?;
    print(&format!("{}\n", output.display()))?;
    match sealed {
        Some(sealed) => {
            place(&beside, &sealed).map_err(Refusal::of)?;
            print(&format!("{}\n", beside.display()))?;
        }
        None => {
            remove(&beside)?;
            tell("warning: nobody signed it: `cutover --require-signoff` takes none without (--key KEY)\n");
        }
    }
    Ok(())
}

/// Takes away what signed a former sign-off.
fn remove(envelope: &Path) -> super::Result<()> {
    match std::fs::remove_file(envelope) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Refusal(format!(
            "cannot remove {}, which signs a former sign-off: {error}",
            envelope.display()
        ))),
        _ => Ok(()),
    }
}

/// What came of it, for people: on stderr, with the reasons.
fn say(judgement: &Judgement, signoff: &SignOff) -> super::Result<()> {
    let lines = |severity: Severity| {
        judgement.findings.iter().filter(move |finding| finding.severity == severity).map(line)
    };
    lines(Severity::Warning).for_each(|line| tell(&format!("warning: {line}\n")));
    lines(Severity::Error).for_each(|line| tell(&format!("  {line}\n")));
    super::verify::tell_runs(&judgement.runs);
    let until = match (signoff.valid_until, &signoff.expires_first) {
        (Some(until), Some(what)) => format!(", valid until {until} ({what})"),
        (Some(until), None) => format!(", valid until {until}"),
        (None, _) => String::new(),
    };
    tell(&format!("{}: {} by {}{until}\n", signoff.decision, signoff.environment, signoff.policy.path));
    Ok(())
}

fn line(finding: &Finding) -> String {
    report::line(finding)
}
