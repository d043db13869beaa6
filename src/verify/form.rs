//! Which keys a file must have, and the form of each value.

use super::Level;
use super::claim::{Claim, Part, Step};
use super::code::Code;
use super::finding::{Findings, Place, Which, quoted};
use super::value::{self, Status};
use crate::evidence::Entry;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Any text, or none: a setting as it was recorded.
    Setting,
    /// May be empty.
    FailedStep,
    Flag,
    Boolean,
    Whole,
    /// A whole number, or nothing where it is not known.
    WholeOrNothing,
    Decimal,
    Time,
    Status,
    ExitCode,
}

/// A required key behind the prefix of its file, or behind a step's number.
pub(super) struct Key {
    name: &'static str,
    form: Form,
    /// Whether the runbook's verifier required it too. It read no files but the two of a cutover.
    contract: bool,
}

const fn both(name: &'static str, form: Form) -> Key {
    Key { name, form, contract: true }
}

const fn strict(name: &'static str, form: Form) -> Key {
    Key { name, form, contract: false }
}

const CUTOVER: [Key; 13] = [
    both("ENV", Form::Text),
    strict("WINDOW_LOCAL", Form::Text),
    strict("CTP_CONFIG_PATH", Form::Text),
    both("DRY_RUN", Form::Flag),
    both("SUCCESS", Form::Boolean),
    both("TOTAL_STEPS", Form::Whole),
    both("FAILED_STEP", Form::FailedStep),
    strict("MONITOR_MINUTES", Form::Decimal),
    strict("MONITOR_KEYS", Form::Text),
    both("TRIGGERED_ROLLBACK", Form::Boolean),
    strict("STARTED_UTC", Form::Time),
    strict("COMPLETED_UTC", Form::Time),
    both("DURATION_SECONDS", Form::Decimal),
];

const ROLLBACK: [Key; 12] = [
    both("ENV", Form::Text),
    strict("TRIGGER_CONDITION", Form::Text),
    both("DRY_RUN", Form::Flag),
    both("TRIGGERED", Form::Boolean),
    both("SUCCESS", Form::Boolean),
    both("TOTAL_STEPS", Form::Whole),
    both("FAILED_STEP", Form::FailedStep),
    strict("MAX_SECONDS", Form::Decimal),
    both("DURATION_SECONDS", Form::Decimal),
    strict("SLO_MET", Form::Boolean),
    strict("STARTED_UTC", Form::Time),
    strict("COMPLETED_UTC", Form::Time),
];

const KAFKA: [Key; 14] = [
    strict("DRY_RUN", Form::Flag),
    strict("SUCCESS", Form::Boolean),
    strict("FAILED_STEP", Form::FailedStep),
    strict("COMPOSE_FILE", Form::Setting),
    strict("PROJECT_NAME", Form::Setting),
    strict("ENV_FILE", Form::Setting),
    strict("SERVICE", Form::Setting),
    strict("BOOTSTRAP_SERVER", Form::Setting),
    strict("TOPIC", Form::Setting),
    strict("TOPICS", Form::Text),
    strict("TOPIC_COUNT", Form::Whole),
    strict("PARTITIONS", Form::WholeOrNothing),
    strict("REPLICATION_FACTOR", Form::WholeOrNothing),
    strict("TOTAL_STEPS", Form::Whole),
];

const CLICKHOUSE: [Key; 10] = [
    strict("DRY_RUN", Form::Flag),
    strict("SUCCESS", Form::Boolean),
    strict("FAILED_STEP", Form::FailedStep),
    strict("COMPOSE_FILE", Form::Setting),
    strict("PROJECT_NAME", Form::Setting),
    strict("ENV_FILE", Form::Setting),
    strict("SCHEMA_DIR", Form::Setting),
    strict("SERVICE", Form::Setting),
    strict("DB", Form::Setting),
    strict("TOTAL_STEPS", Form::Whole),
];

const TIMESCALE: [Key; 14] = [
    strict("DRY_RUN", Form::Flag),
    strict("SUCCESS", Form::Boolean),
    strict("FAILED_STEP", Form::FailedStep),
    strict("COMPOSE_FILE", Form::Setting),
    strict("PROJECT_NAME", Form::Setting),
    strict("ENV_FILE", Form::Setting),
    strict("SCHEMA_FILE", Form::Setting),
    strict("SCHEMA_DIR", Form::Setting),
    strict("SCHEMA_FILE_COUNT", Form::WholeOrNothing),
    strict("EXPECTED_TABLE_COUNT", Form::WholeOrNothing),
    strict("SERVICE", Form::Setting),
    strict("DB", Form::Setting),
    strict("USER", Form::Setting),
    strict("TOTAL_STEPS", Form::Whole),
];

const DEBEZIUM: [Key; 9] = [
    strict("DRY_RUN", Form::Flag),
    strict("SUCCESS", Form::Boolean),
    strict("FAILED_STEP", Form::FailedStep),
    strict("CONNECT_URL", Form::Setting),
    strict("TRADING_CORE_FILE", Form::Setting),
    strict("OPS_AUDIT_FILE", Form::Setting),
    strict("TRADING_CORE_NAME", Form::Setting),
    strict("OPS_AUDIT_NAME", Form::Setting),
    strict("TOTAL_STEPS", Form::Whole),
];

const BOOTSTRAP: [Key; 16] = [
    strict("PROFILE", Form::Setting),
    strict("ACTION", Form::Text),
    strict("DRY_RUN", Form::Flag),
    strict("SUCCESS", Form::Boolean),
    strict("TOTAL_STEPS", Form::Whole),
    strict("FAILED_STEP", Form::FailedStep),
    strict("COMPOSE_FILE", Form::Setting),
    strict("PROJECT_NAME", Form::Setting),
    strict("ENV_FILE", Form::Setting),
    strict("HEALTH_REPORT", Form::Setting),
    strict("TIMESCALE_SCHEMA_EVIDENCE", Form::Setting),
    strict("KAFKA_TOPIC_EVIDENCE", Form::Setting),
    strict("DEBEZIUM_EVIDENCE", Form::Setting),
    strict("CLICKHOUSE_SCHEMA_EVIDENCE", Form::Setting),
    strict("HEALTH_WAIT_TIMEOUT_SEC", Form::WholeOrNothing),
    strict("HEALTH_WAIT_POLL_INTERVAL_SEC", Form::WholeOrNothing),
];

/// More keys no file has.
pub(super) const MOST_KEYS: usize = 16;

/// The command is not among them: older tools left it out.
const STEP: [(Part, Key); 4] = [
    (Part::Name, both("NAME", Form::Text)),
    (Part::Status, both("STATUS", Form::Status)),
    (Part::Duration, both("DURATION_MS", Form::Decimal)),
    (Part::ExitCode, both("EXIT_CODE", Form::ExitCode)),
];

/// A file's own keys behind its prefix.
pub(super) fn keys(which: Which) -> &'static [Key] {
    match which {
        Which::Cutover => &CUTOVER,
        Which::Rollback => &ROLLBACK,
        Which::Kafka => &KAFKA,
        Which::Clickhouse => &CLICKHOUSE,
        Which::Timescale => &TIMESCALE,
        Which::Debezium => &DEBEZIUM,
        Which::Bootstrap => &BOOTSTRAP,
    }
}

/// The place of a key among them.
pub(super) fn place_of(which: Which, name: &str) -> Option<usize> {
    keys(which).iter().position(|key| key.name == name)
}

/// The same, where it is the key of this place most likely: files have their keys in order.
pub(super) fn place_from(which: Which, name: &str, next: usize) -> Option<usize> {
    match keys(which).get(next) {
        Some(key) if key.name == name => Some(next),
        _ => place_of(which, name),
    }
}

/// Places of the keys that rules ask for.
pub(super) struct Places {
    pub dry_run: Option<usize>,
    pub success: Option<usize>,
    /// Whether a rollback was triggered: both files of a cutover say it.
    pub triggered: Option<usize>,
    pub total_steps: Option<usize>,
    pub failed_step: Option<usize>,
    pub duration: Option<usize>,
    pub started: Option<usize>,
    pub completed: Option<usize>,
    pub slo_met: Option<usize>,
    pub max_seconds: Option<usize>,
}

impl Places {
    pub const fn of(which: Which) -> &'static Places {
        match which {
            Which::Cutover => const { &Places::among(&CUTOVER, "TRIGGERED_ROLLBACK") },
            Which::Rollback => const { &Places::among(&ROLLBACK, "TRIGGERED") },
            Which::Kafka => const { &Places::among(&KAFKA, "") },
            Which::Clickhouse => const { &Places::among(&CLICKHOUSE, "") },
            Which::Timescale => const { &Places::among(&TIMESCALE, "") },
            Which::Debezium => const { &Places::among(&DEBEZIUM, "") },
            Which::Bootstrap => const { &Places::among(&BOOTSTRAP, "") },
        }
    }

    const fn among(keys: &[Key], triggered: &str) -> Places {
        Places {
            dry_run: find(keys, "DRY_RUN"),
            success: find(keys, "SUCCESS"),
            triggered: find(keys, triggered),
            total_steps: find(keys, "TOTAL_STEPS"),
            failed_step: find(keys, "FAILED_STEP"),
            duration: find(keys, "DURATION_SECONDS"),
            started: find(keys, "STARTED_UTC"),
            completed: find(keys, "COMPLETED_UTC"),
            slo_met: find(keys, "SLO_MET"),
            max_seconds: find(keys, "MAX_SECONDS"),
        }
    }
}

const fn find(keys: &[Key], name: &str) -> Option<usize> {
    let mut place = 0;
    while place < keys.len() {
        if same(keys[place].name.as_bytes(), name.as_bytes()) {
            return Some(place);
        }
        place += 1;
    }
    None
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// What a step must have. Only those of a cutover and a rollback have an exit code.
fn step_keys(which: Which) -> &'static [(Part, Key)] {
    if which.has_times() { &STEP } else { &STEP[..3] }
}

/// Every required key is there, and each value has its form.
pub(super) fn check(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    for (place, key) in keys(claim.which).iter().enumerate() {
        let at = || Place::nowhere(claim.which, claim.key(key.name));
        let fits = |text: &str| fits(key.form, text, level);
        one(claim, key, claim.own(place), fits, at, level, found);
    }
    let last = last_judged(claim, level);
    for step in &claim.steps {
        if step.number <= last {
            one_step(claim, step, level, found);
        } else {
            no_comparison_is_fooled(claim, step, found);
        }
    }
}

fn one_step(claim: &Claim<'_>, step: &Step<'_>, level: Level, found: &mut Findings) {
    let number = step.number;
    for (part, key) in step_keys(claim.which) {
        let at = || Place::nowhere(claim.which, format!("STEP_{number}_{}", key.name));
        // What was read of it has its form.
        let fits = |_: &str| step.has(*part);
        one(claim, key, step.part(*part), fits, at, level, found);
    }
    if level == Level::Strict && claim.is_of_cutproof() && step.part(Part::Command).is_none() {
        let at = Place::nowhere(claim.which, format!("STEP_{number}_COMMAND"));
        found.refuse(Code::MissingKey, at, "there, as cutproof writes it", quoted(""));
    }
}

/// Also of a step that is not judged, no duration is one that is above and below any limit.
fn no_comparison_is_fooled(claim: &Claim<'_>, step: &Step<'_>, found: &mut Findings) {
    if let Some(entry) = step.part(Part::Duration).filter(|entry| value::is_not_finite(&entry.value)) {
        let (code, expected) = form(Form::Decimal, Level::Contract);
        found.refuse(code, claim.at(entry), expected, quoted(&entry.value));
    }
}

/// The runbook's verifier read as many steps as TOTAL_STEPS says, and none of a rollback that was not triggered.
fn last_judged(claim: &Claim<'_>, level: Level) -> u64 {
    let idle = claim.which == Which::Rollback && claim.was_triggered() == Some(false);
    match (level, claim.total_steps) {
        (Level::Strict, _) | (_, None) => u64::MAX,
        (Level::Contract, Some(_)) if idle => 0,
        (Level::Contract, Some(total)) => total.value,
    }
}

fn one(
    claim: &Claim<'_>,
    key: &Key,
    entry: Option<&Entry<'_>>,
    fits: impl Fn(&str) -> bool,
    at: impl Fn() -> Place,
    level: Level,
    found: &mut Findings,
) {
    let required = level == Level::Strict || key.contract;
    let Some(entry) = entry else {
        if required {
            found.refuse(Code::MissingKey, at(), "there", quoted(""));
        }
        return;
    };
    // Whatever else a level asks for, no number may be one that every comparison lets through.
    let refused = if required {
        !entry.value.is_empty() && !fits(&entry.value)
    } else {
        key.form == Form::Decimal && value::is_not_finite(&entry.value)
    };
    if refused {
        let (code, expected) = form(key.form, level);
        found.refuse(code, claim.at(entry), expected, quoted(&entry.value));
    } else if required && entry.value.is_empty() && !may_be_empty(claim, key) {
        let (_, expected) = form(key.form, level);
        found.refuse(Code::EmptyValue, claim.at(entry), expected, quoted(""));
    }
}

/// What an unfinished run does not know yet is empty, and so are the times of a rollback that was not triggered.
fn may_be_empty(claim: &Claim<'_>, key: &Key) -> bool {
    let idle = claim.which == Which::Rollback && claim.was_triggered() != Some(true);
    let always = matches!(key.form, Form::FailedStep | Form::Setting | Form::WholeOrNothing);
    always || claim.is_unfinished() || (key.form == Form::Time && idle)
}

fn form(form: Form, level: Level) -> (Code, &'static str) {
    match form {
        Form::Text | Form::FailedStep | Form::Setting => (Code::EmptyValue, "not empty"),
        Form::Flag => (Code::BadBoolean, "1 or 0"),
        Form::Boolean => (Code::BadBoolean, "true or false"),
        Form::Whole | Form::WholeOrNothing => (Code::BadNumber, "a whole number, not negative"),
        Form::Decimal if level == Level::Contract => (Code::BadNumber, "a finite number, not negative"),
        Form::Decimal => (Code::BadNumber, "a plain decimal, not negative, such as 2.000"),
        Form::Time => (Code::BadTime, "a time in UTC to the second, such as 2026-02-12T04:00:00Z"),
        Form::Status => (Code::BadStatus, Status::FORM),
        Form::ExitCode => (Code::BadNumber, "an exit code, 0 or above"),
    }
}

fn fits(form: Form, text: &str, level: Level) -> bool {
    match form {
        Form::Text | Form::FailedStep | Form::Setting => true,
        // The runbook's verifier did not look at it.
        Form::Flag => level == Level::Contract || value::flag(text, level).is_some(),
        Form::Boolean => value::boolean(text, level).is_some(),
        Form::Whole | Form::WholeOrNothing => value::whole(text, level).is_some(),
        Form::Decimal => value::seconds(text, level).is_some(),
        Form::Time => value::moment(text).is_some(),
        Form::Status => Status::parse(text).is_some(),
        Form::ExitCode => value::exit_code(text, level).is_some(),
    }
}

/// A version of the projection that this cutproof knows: of another, the keys may mean something else.
pub(super) fn known_projection(claim: &Claim<'_>, found: &mut Findings) {
    let Some(entry) = claim.projection else { return };
    if !entry.value.ends_with("/1") {
        let advice = "verify with the cutproof that wrote it";
        let seen = quoted(&entry.value);
        found.refuse_and_advise(Code::UnknownProjection, claim.at(entry), "of version 1", seen, advice);
    }
}
