//! What `cutover --require-signoff` asks before it touches anything.

use super::file;
use crate::cli::{Refusal, Result, tell};
use crate::cutover::plan::Prepared;
use crate::cutover::precondition;
use crate::model::Stamp;
use crate::model::event::{FileDigest, Provenance};
use crate::model::switch::ReliedOn;
use crate::policy::Policy;
use crate::process::{Cancel, Worker};
use crate::profile::Profile;
use crate::rehearsal::provenance::Gathering;
use crate::report::verification as report;
use crate::verify::signoff::{Checked, Expected, check, policy_path, read};
use crate::verify::{Finding, Severity};
use std::path::{Path, PathBuf};

/// The flags.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Begin only where this sign-off says GO, holds now, is signed as its policy asks, and is for this environment,
    /// commit and profile
    #[arg(long, value_name = "FILE")]
    require_signoff: Option<PathBuf>,
    /// The policy of the sign-off: a path, or the NAME of gates/policy/NAME.toml [default: the one that the sign-off
    /// names, where that is in gates/policy/ and was not changed]
    #[arg(long, value_name = "FILE", requires = "require_signoff")]
    policy: Option<String>,
    /// A public key that must have signed the policy
    #[arg(long, value_name = "PUB", requires = "require_signoff")]
    policy_key: Option<PathBuf>,
}

/// A cutover that is about to begin.
pub struct About<'a> {
    pub prepared: &'a Prepared,
    pub profile: Option<&'a Profile>,
    pub evidence_dir: &'a Path,
    pub worker: Worker,
    /// Nothing will be touched anyway.
    pub dry_run: bool,
}

impl Flags {
    /// Checks the sign-off, where one is asked for, and gives what the journal keeps of it.
    ///
    /// # Errors
    /// Where the cutover may not begin, with all that was found.
    pub fn check(&self, about: &About<'_>) -> Result<Option<ReliedOn>> {
        let Some(path) = &self.require_signoff else { return Ok(None) };
        let (file, unread) = file::read(path)?;
        for why in unread {
            tell(&format!("warning: an envelope that signs nothing: {why}\n"));
        }
        let policy = self.policy(path, &file.bytes)?;
        let source = source(about, file::paths(path, &file))?;
        let profile = about.profile.and_then(|profile| profile.file.as_ref());
        let checked = check(
            &file,
            &policy,
            &Expected {
                environment: about.prepared.environment(),
                commit: source.source.as_ref().map(|source| source.commit.as_str()),
                dirty: source.source.as_ref().is_some_and(|source| source.dirty),
                profile_sha256: profile.map(|file| file.sha256.as_str()),
                now: Stamp::now(),
            },
        );
        for why in source.unknown.iter().filter(|_| source.source.is_none()) {
            tell(&format!("warning: {why}\n"));
        }
        let relied = relied(path, &policy, &checked);
        for warning in of(&checked, Severity::Warning) {
            tell(&format!("warning: {}\n", report::line(warning)));
        }
        match relied {
            Some(relied) => {
                tell(&accepted(&relied));
                Ok(Some(relied))
            }
            None => Err(refusal(path, &checked, about.dry_run)),
        }
    }

    /// The policy that was given, or the one that the sign-off names, with the digest that it had then.
    fn policy(&self, path: &Path, bytes: &[u8]) -> Result<Policy> {
        if let Some(given) = &self.policy {
            return super::policy(given, self.policy_key.as_deref());
        }
        let shown = path.display();
        let signoff =
            read(bytes).map_err(|error| Refusal(format!("the sign-off {shown} can't be used: {error}")))?;
        let named = policy_path(&signoff).ok_or_else(|| {
            let named = signoff.policy.path.chars().take(200).collect::<String>();
            Refusal(format!(
                "expected --policy FILE: the sign-off {shown} names {named:?}, and only a policy in gates/policy/ is \
                 taken unasked"
            ))
        })?;
        super::policy(&named.display().to_string(), self.policy_key.as_deref())
    }
}

/// The state of the repository, evidence, its exports and the sign-off itself apart.
fn source(about: &About<'_>, own: Vec<PathBuf>) -> Result<Provenance> {
    let cancel = Cancel::new().map_err(Refusal::of)?;
    let exports = [precondition::paths(&about.prepared.plan), own].concat();
    Ok(Gathering::begin(about.evidence_dir, &exports, about.worker, &cancel).end())
}

/// What the journal keeps of a sign-off that was accepted.
fn relied(path: &Path, policy: &Policy, checked: &Checked) -> Option<ReliedOn> {
    let signoff = checked.signoff.as_ref().filter(|_| checked.is_accepted())?;
    Some(ReliedOn {
        file: FileDigest { path: path.display().to_string(), sha256: checked.sha256.clone() },
        decision: signoff.decision.to_string(),
        valid_until: signoff.valid_until,
        policy: FileDigest { path: policy.path.clone(), sha256: policy.sha256.clone() },
        signers: checked.signers.iter().map(|signer| format!("{} ({})", signer.name, signer.role)).collect(),
    })
}

fn accepted(relied: &ReliedOn) -> String {
    let until = relied.valid_until.map_or(String::new(), |until| format!(", valid until {until}"));
    let signers = relied.signers.join(", ");
    format!("sign-off {}: {}{until}, signed by {signers}\n", relied.file.path, relied.decision)
}

fn of(checked: &Checked, severity: Severity) -> impl Iterator<Item = &Finding> {
    checked.findings.iter().filter(move |finding| finding.severity == severity)
}

fn refusal(path: &Path, checked: &Checked, dry_run: bool) -> Refusal {
    let lines: Vec<_> = of(checked, Severity::Error).map(report::line).collect();
    let what = match dry_run {
        true => "the cutover would be refused: its sign-off",
        false => "nothing was begun: the sign-off",
    };
    Refusal(format!("{what} {} does not hold:\n  {}", path.display(), lines.join("\n  ")))
}
