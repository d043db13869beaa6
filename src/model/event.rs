//! What happens in a run, in the order in which it happens. The runner and its callers hand events to a [`Sink`];
//! the journal writes them, the display shows them, and every later file is a projection of them.

use super::args::Args;
use super::gate::Gate;
use super::id::{GateId, RunId};
use super::observation::Observation;
use super::readiness::ReadinessPlan;
use super::service::{Image, Product, ServiceKind};
use super::switch::{ChildRun, CommandEnded, CommandStarted, Resumed, Stage, SwitchMark, SwitchPlan};
use super::time::Stamp;
use super::verdict::{Counts, Verdict};
use super::watch::{WatchPlan, WatchSample, WatchVerdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every run: the resolved plan, thresholds and positions included.
    RunStarted(Box<RunStarted>),
    /// What the run was made with and from; only of a run that belongs to no other.
    Provenance(Box<Provenance>),
    /// A service answers.
    ServiceReady(ServiceReady),
    /// A service could not be started or reached.
    ServiceFailed {
        /// Its name in the profile.
        service: String,
        /// What was expected, what was seen, where, and what to do.
        reason: String,
        /// From the start of provisioning.
        took_ms: f64,
    },
    /// A gate's first attempt begins.
    GateStarted {
        /// Which gate.
        gate: GateId,
    },
    /// A step of a gate that changes something begins.
    StepStarted(StepStarted),
    /// A step ended.
    StepEnded(StepEnded),
    /// An attempt of a gate ended, and another one follows; what came of the last one is `GateEnded`.
    AttemptEnded {
        /// Which gate.
        gate: GateId,
        /// From 1.
        attempt: u32,
        /// What came of this attempt.
        verdict: Verdict,
        /// Why, in one line.
        reason: String,
        /// How long it took.
        duration_ms: f64,
    },
    /// A gate has its verdict.
    GateEnded(Box<GateEnded>),
    /// A part of a cutover begins.
    StageStarted {
        /// Which.
        stage: Stage,
        /// Why, where that is not plain: what a rollback was started by.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A part of a cutover ended, or was not run.
    StageEnded {
        /// Which.
        stage: Stage,
        /// What came of it; skipped where it was not run.
        verdict: Verdict,
        /// Why; empty for a plain pass.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// How long it took.
        duration_ms: f64,
    },
    /// A step of a cutover or rollback begins.
    CommandStarted(CommandStarted),
    /// A step of a cutover or rollback ended.
    CommandEnded(Box<CommandEnded>),
    /// A run within this one ended.
    ChildRun(Box<ChildRun>),
    /// What the switch gate saw.
    SwitchMarks {
        /// The new core's start: when its start step began.
        core_started: Stamp,
        /// Login, settlement, instruments.
        marks: Vec<SwitchMark>,
    },
    /// What a source of the watch said.
    WatchSampled(Box<WatchSample>),
    /// The watch has its verdict.
    WatchEnded(Box<WatchVerdict>),
    /// Worth knowing, and it stopped nothing.
    Warning {
        /// What.
        text: String,
    },
    /// A limit was passed while something goes on: the rollback's.
    Alarm {
        /// What.
        text: String,
    },
    /// A run that was killed goes on.
    Resumed(Resumed),
    /// The run was told to end early.
    Interrupted {
        /// `SIGINT`, `SIGTERM`, or why else.
        by: String,
    },
    /// The last event of a run that ended in order.
    RunEnded {
        /// The worst of the gates' verdicts, as required gates count.
        verdict: Verdict,
        /// Gates by verdict.
        counts: Counts,
        /// From the run's start.
        duration_ms: f64,
    },
}

/// What a run set out to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// The verb that started it: `rehearse`, `gates-run`, `init-kafka`, …
    pub verb: String,
    /// cutproof's version.
    pub tool: String,
    /// The environment's name.
    pub environment: String,
    /// The profile's path and SHA-256, where there is one.
    pub profile: Option<FileDigest>,
    /// Who provisions: `containers`, `embedded`, `attach`.
    pub provisioner: String,
    /// Why that one, in one line, where nobody named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner_why: Option<String>,
    /// Nothing is touched; every step is simulated.
    pub dry_run: bool,
    /// Only a selection of the gates runs; such a run never signs anything off.
    pub partial: bool,
    /// How the selection was made, in the words of the flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: Stamp,
    /// The shard that this run is, where the gates are shared out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Services by name.
    pub services: BTreeMap<String, PlannedService>,
    /// All gates of the plan, in order; those not selected too.
    pub gates: Vec<Gate>,
    /// The gates that the selection left out. They count neither for nor against the run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_selected: BTreeSet<GateId>,
    /// Steps that each gate of an init announces, by gate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<GateId, Vec<PlannedStep>>,
    /// The bootstrap's recorded settings, by the names of its evidence keys in lower case without their prefix:
    /// `profile`, `action`, `compose_file`, …; empty where the run is no bootstrap.
    #[serde(default, skip_serializing_if = "Args::is_empty")]
    pub bootstrap: Args,
    /// The run that this one is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// The cutover or rollback, where the run is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<Box<SwitchPlan>>,
    /// The watch, where the run has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Box<WatchPlan>>,
    /// What readiness is judged by, where the run measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Box<ReadinessPlan>>,
    /// A gate that passed only after another attempt counts against the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_on_flaky: bool,
    /// A cutover is rehearsed when the gates have run; the run is worth nothing without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearses: bool,
    /// The fault that a rehearsal makes on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A share of a plan's gates. Which gate belongs to which shard follows from its id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// From 1.
    pub index: u32,
    /// How many there are.
    pub total: u32,
    /// Gates of other shards that run here only because gates of this one need them: set-up, not results.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub setup: BTreeSet<GateId>,
}

/// What a run was made with and from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// SHA-256 of cutproof's own executable, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_sha256: Option<String>,
    /// The repository's state in the working directory, when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What of this is not known, and why, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// The state of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The commit, in hex.
    pub commit: String,
    /// Whether the work tree differs from it, evidence and its exports apart.
    pub dirty: bool,
    /// The first few paths that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// A file and what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Its path as it was given.
    pub path: String,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A service that the plan uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedService {
    /// Its kind.
    pub kind: ServiceKind,
    /// What the real environment runs, as the profile says: `redis:7.2-alpine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<String>,
}

/// A step that an init announces before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// `create_market.ticks.v1`, `apply_020_orders.sql`, …
    pub name: String,
    /// What it does, as a line that a person can read.
    pub command: String,
}

/// A service that answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceReady {
    /// Its name in the profile.
    pub service: String,
    /// Its kind.
    pub kind: ServiceKind,
    /// Where it is reached; without userinfo.
    pub address: String,
    /// What runs there.
    pub product: Option<Product>,
    /// Where it differs from what it stands for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// The image, where it runs in a container that this run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// What binds a measurement to this very cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identity: BTreeMap<String, String>,
    /// From the start of provisioning.
    pub took_ms: f64,
}

/// A step begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// The gate it belongs to.
    pub gate: GateId,
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
}

/// A step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    /// The gate it belongs to.
    pub gate: GateId,
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What came of it.
    pub status: StepStatus,
    /// How long it took.
    pub duration_ms: f64,
    /// What it did.
    pub command: String,
    /// One line: what was found, what already existed, why it failed.
    pub detail: String,
}

/// What came of a step; the words are the runbook's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Done.
    Ok,
    /// Not done, because the run is dry.
    SimulatedOk,
    /// Tried, and not done.
    Failed,
}

impl StepStatus {
    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            StepStatus::Ok => "ok",
            StepStatus::SimulatedOk => "simulated_ok",
            StepStatus::Failed => "failed",
        }
    }
}

/// A gate's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateEnded {
    /// Which gate.
    pub gate: GateId,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in one line: what was expected and what was seen; empty for a plain pass.
    pub reason: String,
    /// How many attempts there were; 0 for a gate that was not run.
    pub attempts: u32,
    /// From the first attempt's start to the last one's end, pauses included.
    pub duration_ms: f64,
    /// How long the last attempt took, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_ms: Option<f64>,
    /// The last attempt's observations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// Facts worth reading that are not judged: what existed already, a failed task's trace.
    #[serde(default, skip_serializing_if = "Args::is_empty")]
    pub facts: Args,
    /// Head and tail of what a command printed, redacted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// Takes events, in order, from any thread.
pub trait Sink: Sync {
    /// Takes one event. A sink that cannot keep it remembers that and lets the run's end say so.
    fn event(&self, event: Event);
}
