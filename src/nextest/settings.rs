//! How a run of gates as tests is made: the variables that stand in for the flags of `cutproof rehearse`, since test
//! runners have no place for those.

use crate::plan::{Plan, Selection};
use crate::profile::{self, Profile};
use crate::rehearsal::Options;
use crate::rehearsal::provision::Provision;
use std::path::{Path, PathBuf};

/// The profile that tests are made from, as a path: the test target's own, unless `CUTPROOF_PROFILE` says another.
pub fn profile_path(own: &str) -> PathBuf {
    profile::find(&said("CUTPROOF_PROFILE").unwrap_or_else(|| own.to_owned()))
}

/// The profile at a path, and the plan of all its gates.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<(Profile, Plan), String> {
    let profile = Profile::load(path).map_err(|error| error.to_string())?;
    let plan = Plan::new(&profile, &Selection::default()).map_err(|error| error.to_string())?;
    Ok((profile, plan))
}

/// Whether nothing is to be touched.
pub fn dry_run() -> bool {
    switched_on("CUTPROOF_DRY_RUN")
}

/// How the run is made.
///
/// # Errors
/// A variable says what can't be meant.
pub fn options(verb: &'static str) -> Result<Options, String> {
    let provision = provision()?;
    Ok(Options {
        verb,
        provision,
        evidence_dir: said("CUTPROOF_EVIDENCE_DIR").unwrap_or_else(|| "evidence".to_owned()).into(),
        dry_run: dry_run(),
        allow_writes: provision.is_ours() || switched_on("CUTPROOF_ALLOW_WRITES"),
        ..Options::default()
    })
}

fn provision() -> Result<Provision, String> {
    let Some(word) = said("CUTPROOF_PROVISION") else { return Ok(Provision::Auto) };
    Provision::parse(&word).ok_or_else(|| {
        let words = Provision::ALL.map(Provision::as_str);
        format!("expected CUTPROOF_PROVISION to be one of {}, and saw `{word}`", words.join(", "))
    })
}

/// What a variable says; one that is empty says nothing.
fn said(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

/// The plan of some cases of a profile's plan; `words` say how they were selected.
///
/// # Errors
/// They can't be a plan.
pub fn select(profile: &Profile, plan: Plan, cases: Vec<String>, words: String) -> Result<Plan, String> {
    if cases.len() == plan.gates.len() {
        return Ok(plan);
    }
    let selection = Selection { only: cases, ..Selection::default() };
    let plan = Plan::new(profile, &selection).map_err(|error| error.to_string())?;
    Ok(Plan { selection: Some(words), ..plan })
}

/// Whether a variable is set to something that means yes.
pub fn switched_on(variable: &str) -> bool {
    let value = std::env::var(variable).unwrap_or_default().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "false" | "no" | "off")
}
