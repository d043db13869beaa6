//! Flags that several verbs share.

use super::Refusal;
use super::partition::PartitionFlag;
use crate::plan::{Plan, Selection};
use crate::profile::{self, Profile};
use crate::rehearsal::parent::Parent;
use crate::rehearsal::provision::Provision;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Which profile.
#[derive(Debug, Clone, Args)]
pub struct ProfileFlags {
    /// A profile: a path, or the NAME of gates/NAME.toml
    #[arg(long, value_name = "FILE", default_value = "single-host", env = "CUTPROOF_PROFILE")]
    pub profile: String,
}

/// Which gates.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection (a run of a selection is PARTIAL and signs nothing off)")]
pub struct SelectionFlags {
    /// Only these gates, and what they need; ids or patterns with *
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not these gates
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Only gates with one of these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tag: Vec<String>,
    /// Only gates of these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    pub phase: Vec<String>,
    /// Only this share of the gates, and what they need; `auto` goes by variables
    ///
    /// The share comes from GitLab's CI_NODE_INDEX and CI_NODE_TOTAL, or from Kubernetes' JOB_COMPLETION_INDEX and
    /// CUTPROOF_PARTITION_TOTAL, only where the flag says `auto`. `cutproof merge` makes one bundle of all shares.
    #[arg(long, value_name = "I/N")]
    pub partition: Option<PartitionFlag>,
}

/// Who gives the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProvisionFlag {
    /// Containers where they can be had, else the engines as local processes
    Auto,
    /// Containers of a Docker or Podman that answers on this machine
    Containers,
    /// The real engines as local processes
    Embedded,
    /// An environment that already runs
    Attach,
}

impl From<ProvisionFlag> for Provision {
    fn from(flag: ProvisionFlag) -> Provision {
        match flag {
            ProvisionFlag::Auto => Provision::Auto,
            ProvisionFlag::Containers => Provision::Containers,
            ProvisionFlag::Embedded => Provision::Embedded,
            ProvisionFlag::Attach => Provision::Attach,
        }
    }
}

/// The profile of a flag that may also be one of the runbook's names: `single-host` and `prodlike` need no file, every
/// other name and path does.
pub fn named_profile(name: Option<&str>) -> super::Result<Option<Profile>> {
    let Some(name) = name else { return Ok(None) };
    let path = profile::find(name);
    if !path.exists() && matches!(name, "single-host" | "prodlike") {
        return Ok(None);
    }
    Profile::load(&path).map(Some).map_err(Refusal::of)
}

/// The profile and the plan that the flags ask for. Warnings go to stderr.
pub fn plan(profile: &ProfileFlags, selection: &SelectionFlags) -> super::Result<(Profile, Plan)> {
    let profile = Profile::load(&profile::find(&profile.profile)).map_err(Refusal::of)?;
    for warning in &profile.warnings {
        eprintln!("warning: {warning}");
    }
    let plan = Plan::new(&profile, &selection.selection()?).map_err(Refusal::of)?;
    Ok((profile, plan))
}

/// How a run is made.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    /// Where evidence goes, in a folder of the run
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    pub evidence_dir: PathBuf,
    /// How many gates run side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: u16,
    /// Where a service is, for this run: NAME=ADDRESS (or the variable CUTPROOF_ENDPOINT_NAME)
    #[arg(long = "endpoint", value_name = "NAME=ADDRESS", value_parser = endpoint)]
    pub endpoints: Vec<(String, String)>,
    /// Check the plan and touch nothing
    #[arg(long, env = "CUTPROOF_DRY_RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub dry_run: bool,
    /// Also copy the evidence to the runbook's paths (default folder: docs/results)
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "docs/results")]
    pub export: Option<PathBuf>,
}

impl SelectionFlags {
    /// The selection that the plan understands.
    ///
    /// # Errors
    /// Where the shard is to come from variables, and they name none.
    pub fn selection(&self) -> super::Result<Selection> {
        Ok(Selection {
            only: self.only.clone(),
            skip: self.skip.clone(),
            tags: self.tag.clone(),
            phases: self.phase.clone(),
            shard: self.partition.map(PartitionFlag::shard).transpose()?,
        })
    }
}

/// The run that this one is part of, where a step of that one started it.
pub fn parent() -> Option<Parent> {
    Parent::of_environment().unwrap_or_else(|why| {
        eprintln!("warning: {why}");
        None
    })
}

pub fn endpoint(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, address)) if !name.is_empty() && !address.is_empty() => {
            Ok((name.to_owned(), address.to_owned()))
        }
        _ => Err(format!("expected NAME=ADDRESS, such as redis=127.0.0.1:6379, and saw `{text}`")),
    }
}

/// Where the runbook's files go: docs/results, or where the run says of which this is a step.
pub fn results() -> PathBuf {
    let named = std::env::var_os(crate::cutover::RESULTS).filter(|folder| !folder.is_empty());
    named.map_or_else(|| PathBuf::from("docs/results"), PathBuf::from)
}
