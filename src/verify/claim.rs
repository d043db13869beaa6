//! What one file claims, with the line of each value. Reading judges nothing: what is absent or malformed is `None`
//! here, and `form` says so.

use super::Level;
use super::finding::{Place, Which};
use super::value::{self, Status};
use crate::evidence::{Entry, Env};
use crate::model::steps;
use std::collections::BTreeMap;
use std::time::Duration;

/// A value that has its form, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'e, T> {
    pub entry: &'e Entry,
    pub value: T,
}

/// A step of the file.
#[derive(Debug, Default)]
pub(super) struct Step<'e> {
    /// Its entries by the part of the key behind the number.
    pub entries: BTreeMap<&'e str, &'e Entry>,
    pub name: Option<Field<'e, &'e str>>,
    pub status: Option<Field<'e, Status>>,
    pub duration: Option<Field<'e, Duration>>,
    pub exit_code: Option<Field<'e, i64>>,
}

/// What one of the two files says.
#[derive(Debug)]
pub(super) struct Claim<'e> {
    pub which: Which,
    pub env: &'e Env,
    pub dry_run: Option<Field<'e, bool>>,
    pub success: Option<Field<'e, bool>>,
    /// Whether a rollback was triggered: both files say it.
    pub triggered: Option<Field<'e, bool>>,
    pub total_steps: Option<Field<'e, u64>>,
    pub failed_step: Option<&'e Entry>,
    pub duration: Option<Field<'e, Duration>>,
    /// Seconds since 1970.
    pub started: Option<Field<'e, i64>>,
    pub completed: Option<Field<'e, i64>>,
    /// Of a rollback only.
    pub slo_met: Option<Field<'e, bool>>,
    pub max_seconds: Option<Field<'e, Duration>>,
    /// By their numbers.
    pub steps: BTreeMap<u64, Step<'e>>,
    /// Keys of steps whose number is 0 or is written in no usual way.
    pub odd_steps: Vec<&'e Entry>,
}

impl<'e> Claim<'e> {
    pub fn read(which: Which, env: &'e Env, level: Level) -> Claim<'e> {
        let entry = |name: &str| env.entry(&format!("{}{name}", which.prefix()));
        let triggered = match which {
            Which::Cutover => "TRIGGERED_ROLLBACK",
            Which::Rollback => "TRIGGERED",
        };
        let boolean = |text: &str| value::boolean(text, level);
        let seconds = |text: &str| value::seconds(text, level);
        let (steps, odd_steps) = steps_of(env, level);
        Claim {
            which,
            env,
            dry_run: field(entry("DRY_RUN"), |text| value::flag(text, level)),
            success: field(entry("SUCCESS"), boolean),
            triggered: field(entry(triggered), boolean),
            total_steps: field(entry("TOTAL_STEPS"), value::whole),
            failed_step: entry("FAILED_STEP"),
            duration: field(entry("DURATION_SECONDS"), seconds),
            started: field(entry("STARTED_UTC"), value::moment),
            completed: field(entry("COMPLETED_UTC"), value::moment),
            slo_met: field(entry("SLO_MET"), boolean),
            max_seconds: field(entry("MAX_SECONDS"), seconds),
            steps,
            odd_steps,
        }
    }

    /// One of the file's own keys: `SUCCESS` for `CUTOVER_SUCCESS`.
    pub fn entry(&self, name: &str) -> Option<&'e Entry> {
        self.env.entry(&self.key(name))
    }

    /// The full name of one of the file's own keys.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.which.prefix())
    }

    /// Where an entry stands.
    pub fn at(&self, entry: &Entry) -> Place {
        Place::of(self.which, entry)
    }

    /// Where one of the file's own keys stands, if it does.
    pub fn at_key(&self, name: &str) -> Place {
        match self.entry(name) {
            Some(entry) => self.at(entry),
            None => Place::nowhere(self.which, self.key(name)),
        }
    }

    pub fn succeeded(&self) -> Option<bool> {
        self.success.map(|field| field.value)
    }

    pub fn was_triggered(&self) -> Option<bool> {
        self.triggered.map(|field| field.value)
    }

    pub fn is_dry_run(&self) -> Option<bool> {
        self.dry_run.map(|field| field.value)
    }

    /// FAILED_STEP; `None` where the key is not there.
    pub fn failed_step(&self) -> Option<&'e str> {
        self.failed_step.map(|entry| entry.value.as_str())
    }

    /// The run id, where the file has one.
    pub fn run_id(&self) -> Option<&'e Entry> {
        self.env.entry("CUTPROOF_RUN_ID").filter(|entry| !entry.value.is_empty())
    }

    /// Whether cutproof says that it wrote the file: then it has all that cutproof writes.
    pub fn is_of_cutproof(&self) -> bool {
        self.env.entry("CUTPROOF_PROJECTION").is_some()
    }

    /// What is written while a run is going on, and is left when it is killed.
    pub fn is_unfinished(&self) -> bool {
        let no_end = self.entry("COMPLETED_UTC").is_some_and(|entry| entry.value.is_empty());
        no_end && self.succeeded() == Some(false)
    }

    /// The steps that the plan has.
    pub fn plan(&self) -> &'static [&'static str] {
        match self.which {
            Which::Cutover => &steps::CUTOVER_STEPS,
            Which::Rollback => &steps::ROLLBACK_STEPS,
        }
    }

    /// What FAILED_STEP may be besides a step.
    pub fn other_failures(&self) -> &'static [&'static str] {
        match self.which {
            Which::Cutover => &steps::CUTOVER_FAILURES,
            Which::Rollback => &steps::ROLLBACK_FAILURES,
        }
    }

    /// The steps whose status is so.
    pub fn with_status(&self, status: Status) -> impl Iterator<Item = Field<'e, Status>> {
        self.steps.values().filter_map(|step| step.status).filter(move |field| field.value == status)
    }

    /// The names of the steps, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = Field<'e, &'e str>> {
        self.steps.values().filter_map(|step| step.name)
    }

    /// How long the steps took together.
    pub fn steps_duration(&self) -> Duration {
        let durations = self.steps.values().filter_map(|step| step.duration);
        durations.fold(Duration::ZERO, |sum, one| sum.saturating_add(one.value))
    }
}

fn field<'e, T>(entry: Option<&'e Entry>, parse: impl Fn(&'e str) -> Option<T>) -> Option<Field<'e, T>> {
    let entry = entry?;
    parse(&entry.value).map(|value| Field { entry, value })
}

/// The steps by number, the last of keys that are there again; and keys that have no usual number.
fn steps_of(env: &Env, level: Level) -> (BTreeMap<u64, Step<'_>>, Vec<&Entry>) {
    let mut steps: BTreeMap<u64, Step<'_>> = BTreeMap::new();
    let mut odd = Vec::new();
    for entry in env.entries() {
        let Some((digits, part)) = split_key(&entry.key) else { continue };
        match value::whole(digits) {
            Some(number) if !digits.starts_with('0') => {
                steps.entry(number).or_default().entries.insert(part, entry);
            }
            _ => odd.push(entry),
        }
    }
    for step in steps.values_mut() {
        let part = |part: &str| step.entries.get(part).copied();
        let name = field(part("NAME"), |text| Some(text).filter(|text| !text.is_empty()));
        let status = field(part("STATUS"), Status::parse);
        let duration = field(part("DURATION_MS"), |text| value::millis(text, level));
        let exit_code = field(part("EXIT_CODE"), |text| value::exit_code(text, level));
        (step.name, step.status, step.duration, step.exit_code) = (name, status, duration, exit_code);
    }
    (steps, odd)
}

/// `STEP_12_NAME` → `12` and `NAME`.
fn split_key(key: &str) -> Option<(&str, &str)> {
    let rest = key.strip_prefix("STEP_")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (digits, part) = rest.split_at(end);
    if digits.is_empty() { None } else { Some((digits, part.strip_prefix('_')?)) }
}
