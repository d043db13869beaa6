//! `gates/policy/NAME.toml`: what a sign-off asks of the evidence. Text in, checked rules out: it knows no run, no
//! evidence and no clock. A rule that can't be read is an error, never a rule that is left out.

mod disk;
#[cfg(test)]
mod docs;
mod fields;
mod parse;
mod signed;
#[cfg(test)]
pub(crate) mod tests;

pub use disk::{FOLDER, find};
pub use signed::{ENVELOPE, envelope, load_signed};

use crate::model::{Gate, GateId, Phase, Position, Stamp};
use crate::settings::Faults;
use crate::sign::PublicKey;
use crate::template::FileFault;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// The role of those who sign a sign-off. A threshold for it is counted over the sign-off's signatures, those for other
/// roles over the run's.
pub const APPROVER: &str = "approver";

/// What a sign-off asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The file as it was given.
    pub path: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// From then on it says nothing any more.
    pub expires: Option<Stamp>,
    /// What the runs must have been made of.
    pub requires: Requirements,
    /// Gates that must have passed, each within its age.
    pub gates: Vec<GateRule>,
    /// Who may sign.
    pub keys: Vec<TrustedKey>,
    /// How many of whom must have signed. Empty where no signature is asked for.
    pub thresholds: Vec<Threshold>,
    /// Gates that may be red all the same.
    pub waivers: Vec<Waiver>,
}

/// What the runs must have been made of. What is none is not asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requirements {
    /// The environment's name.
    pub environment: Option<String>,
    /// The commit, in hex, whole.
    pub commit: Option<String>,
    /// The work tree was as the commit has it.
    pub clean_tree: bool,
    /// SHA-256 of the profile, in hex.
    pub profile_sha256: Option<String>,
    /// Who may have given the services: `embedded`, `containers`, `attach`; any where it is empty.
    pub provisioners: Vec<String>,
    /// Which products may have run.
    pub products: Vec<ProductRule>,
    /// Every service level was measured: none declared, none defaulted.
    pub measured_only: bool,
    /// A rollback was drilled.
    pub rollback_drill: Option<DrillRule>,
    /// The watch after the switch lasted at least so long.
    pub min_watch: Option<Duration>,
    /// No gate passed only when it was tried again.
    pub no_flaky: bool,
}

/// Which product a service must have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRule {
    /// The service's name in the profile.
    pub service: String,
    /// The product's name; any where there is none.
    pub name: Option<String>,
    /// What its version must begin with, part by part (`7.2` takes `7.2` and `7.2.4`, not `7.20`); any where empty.
    pub versions: Vec<String>,
    /// Where it stands.
    pub at: Position,
}

/// A rollback that was drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRule {
    /// It may be so old.
    pub max_age: Duration,
    /// It took at most so long; the limit of its own plan holds besides.
    pub max_duration: Option<Duration>,
    /// Where it stands.
    pub at: Position,
}

/// Gates that must have passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRule {
    /// Which.
    pub select: Select,
    /// What was measured of them may be so old; any age where there is none.
    pub max_age: Option<Duration>,
    /// Where it stands.
    pub at: Position,
}

/// Which gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// This one.
    Id(GateId),
    /// All that have this word.
    Tag(String),
    /// All of this part of the cutover.
    Phase(Phase),
    /// All that the profile says are required.
    Required,
}

/// A key that may sign.
#[derive(Debug, Clone, PartialEq)]
pub struct TrustedKey {
    /// Whose it is.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// As what its owner may sign: `runner`, `approver`, …
    pub roles: BTreeSet<String>,
    /// Where it stands.
    pub at: Position,
}

/// How many distinct keys of a role must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The role.
    pub role: String,
    /// How many; at least one.
    pub count: u32,
    /// Where it stands.
    pub at: Position,
}

/// A gate that may be red all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Which gate.
    pub gate: GateId,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub approver: String,
    /// Until then.
    pub expires: Stamp,
    /// What it holds for.
    pub bound: Bound,
    /// Where it stands.
    pub at: Position,
}

/// What a waiver holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Runs of this commit, in hex, whole.
    Commit(String),
    /// The run whose manifest has this SHA-256, in hex.
    Evidence(String),
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// There is no such file.
    #[error("policy not found: {path}{}", nearest.as_ref().map(|name| format!("; nearest: {name}")).unwrap_or_default())]
    NotFound {
        /// The path that was looked for.
        path: String,
        /// A file beside it with nearly its name.
        nearest: Option<String>,
    },
    /// What is there can't be read as a text.
    #[error("policy {path} {fault}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        fault: FileFault,
    },
    /// It must be signed, and is not.
    #[error("policy {path} is not signed as it must be: its envelope is {envelope}, and {why}")]
    Unsigned {
        /// Its path.
        path: String,
        /// The envelope that was looked for.
        envelope: String,
        /// What is wrong with that.
        why: String,
    },
    /// It must be signed, and is the built-in one, which nobody signs.
    #[error("a key that must have signed the policy is given, and no policy: name it with --policy")]
    NothingSigned,
    /// It says something that can't be.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Reads and checks a text that `path` stands for in positions. It reads no file: keys must stand in it as PEM.
///
/// # Errors
/// All faults of the text, each with its place.
pub fn parse(path: &str, text: &str) -> Result<Policy, Faults> {
    let none = |_: &str| Err("can't be read here: give the key as `pem`".to_owned());
    parse::parse(path, text, &parse::Reading { files: &none, pinned: false })
}

/// Reads and checks a file, and the files of its keys.
///
/// # Errors
/// Where there is no such file, it is no text, or it holds faults; all faults at once.
pub fn load(path: &Path) -> Result<Policy, PolicyError> {
    disk::parse(path, &disk::text(path)?, false)
}

/// The policy of the flags `--policy` and `--policy-key`: a name or path as [`find`] takes it, which this key must have
/// signed where one is given; the built-in one where no policy is named.
///
/// # Errors
/// As [`load`] and [`load_signed`]; and where a key is given and no policy that it could have signed.
pub fn of_flags(named: Option<&str>, signed_by: Option<&PublicKey>) -> Result<Policy, PolicyError> {
    match (named, signed_by) {
        (Some(named), Some(key)) => load_signed(&find(named), key),
        (Some(named), None) => load(&find(named)),
        (None, None) => Ok(Policy::built_in()),
        (None, Some(_)) => Err(PolicyError::NothingSigned),
    }
}

/// SHA-256 of a policy's text, in hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the policy says that is there where nobody gives one.
const BUILT_IN: &str = "name = \"built-in\"\n\n[[require]]\nrequired = true\n";

impl Policy {
    /// The policy where nobody gives one: the gates that the profile requires have passed, and nothing else is asked.
    pub fn built_in() -> Policy {
        let path = "(built in)".to_owned();
        let at = Position { file: path.clone(), line: 3, column: 1 };
        Policy {
            name: "built-in".to_owned(),
            path,
            sha256: digest(BUILT_IN),
            expires: None,
            requires: Requirements::default(),
            gates: vec![GateRule { select: Select::Required, max_age: None, at }],
            keys: Vec::new(),
            thresholds: Vec::new(),
            waivers: Vec::new(),
        }
    }
}

impl Select {
    /// Whether this gate is one of those.
    pub fn selects(&self, gate: &Gate) -> bool {
        match self {
            Select::Id(id) => gate.id == *id,
            Select::Tag(tag) => gate.tags.contains(tag),
            Select::Phase(phase) => gate.phase == *phase,
            Select::Required => gate.required,
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&parse::shown(self))
    }
}
