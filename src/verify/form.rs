//! Which keys a file must have, and the form of each value.

use super::Level;
use super::claim::{Claim, Step};
use super::code::Code;
use super::finding::{Findings, Place, Which, quoted};
use super::value::{self, Status};
use crate::evidence::Entry;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// May be empty.
    FailedStep,
    Flag,
    Boolean,
    Whole,
    Decimal,
    Time,
    Status,
    ExitCode,
}

/// A required key behind the prefix of its file, or behind a step's number.
struct Key {
    name: &'static str,
    form: Form,
    /// Whether the runbook's verifier required it too.
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

/// The command is not among them: older tools left it out.
const STEP: [Key; 4] = [
    both("NAME", Form::Text),
    both("STATUS", Form::Status),
    both("DURATION_MS", Form::Decimal),
    both("EXIT_CODE", Form::ExitCode),
];

/// Every required key is there, and each value has its form.
pub(super) fn check(claim: &Claim<'_>, level: Level, found: &mut Findings) {
    let keys: &[Key] = match claim.which {
        Which::Cutover => &CUTOVER,
        Which::Rollback => &ROLLBACK,
    };
    for key in keys {
        let at = || Place::nowhere(claim.which, claim.key(key.name));
        one(claim, key, claim.entry(key.name), at, level, found);
    }
    for (number, step) in judged_steps(claim, level) {
        for key in &STEP {
            let at = || Place::nowhere(claim.which, format!("STEP_{number}_{}", key.name));
            one(claim, key, step.entries.get(key.name).copied(), at, level, found);
        }
        if claim.is_of_cutproof() && !step.entries.contains_key("COMMAND") && level == Level::Strict {
            let at = Place::nowhere(claim.which, format!("STEP_{number}_COMMAND"));
            found.refuse(Code::MissingKey, at, "there, as cutproof writes it", quoted(""));
        }
    }
}

/// The runbook's verifier read as many steps as TOTAL_STEPS says, and none of a rollback that was not triggered.
fn judged_steps<'c, 'e>(
    claim: &'c Claim<'e>,
    level: Level,
) -> impl Iterator<Item = (u64, &'c Step<'e>)> + use<'c, 'e> {
    let idle = claim.which == Which::Rollback && claim.was_triggered() == Some(false);
    let last = match (level, claim.total_steps) {
        (Level::Strict, _) | (_, None) => u64::MAX,
        (Level::Contract, Some(_)) if idle => 0,
        (Level::Contract, Some(total)) => total.value,
    };
    claim.steps.iter().map(|(number, step)| (*number, step)).filter(move |(number, _)| *number <= last)
}

fn one(
    claim: &Claim<'_>,
    key: &Key,
    entry: Option<&Entry>,
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
    let (code, expected) = form(key.form, level);
    // Whatever else a level asks for, no number may be one that every comparison lets through.
    let refused = if required {
        !entry.value.is_empty() && !fits(key.form, &entry.value, level)
    } else {
        key.form == Form::Decimal && value::is_not_finite(&entry.value)
    };
    if refused {
        found.refuse(code, claim.at(entry), expected, quoted(&entry.value));
    } else if required && entry.value.is_empty() && !may_be_empty(claim, key) {
        found.refuse(Code::EmptyValue, claim.at(entry), expected, quoted(""));
    }
}

/// What an unfinished run does not know yet is empty, and so are the times of a rollback that was not triggered.
fn may_be_empty(claim: &Claim<'_>, key: &Key) -> bool {
    let idle = claim.which == Which::Rollback && claim.was_triggered() != Some(true);
    key.form == Form::FailedStep || claim.is_unfinished() || (key.form == Form::Time && idle)
}

fn form(form: Form, level: Level) -> (Code, &'static str) {
    match form {
        Form::Text | Form::FailedStep => (Code::EmptyValue, "not empty"),
        Form::Flag => (Code::BadBoolean, "1 or 0"),
        Form::Boolean => (Code::BadBoolean, "true or false"),
        Form::Whole => (Code::BadNumber, "a whole number, not negative"),
        Form::Decimal if level == Level::Contract => (Code::BadNumber, "a finite number, not negative"),
        Form::Decimal => (Code::BadNumber, "a plain decimal, not negative, such as 2.000"),
        Form::Time => (Code::BadTime, "a time in UTC to the second, such as 2026-02-12T04:00:00Z"),
        Form::Status => (Code::BadStatus, Status::FORM),
        Form::ExitCode => (Code::BadNumber, "an exit code, 0 or above"),
    }
}

fn fits(form: Form, text: &str, level: Level) -> bool {
    match form {
        Form::Text | Form::FailedStep => true,
        // The runbook's verifier did not look at it.
        Form::Flag => level == Level::Contract || value::flag(text, level).is_some(),
        Form::Boolean => value::boolean(text, level).is_some(),
        Form::Whole => value::whole(text).is_some(),
        Form::Decimal => value::seconds(text, level).is_some(),
        Form::Time => value::moment(text).is_some(),
        Form::Status => Status::parse(text).is_some(),
        Form::ExitCode => value::exit_code(text, level).is_some(),
    }
}

/// A version of the projection that this cutproof knows: of another, the keys may mean something else.
pub(super) fn known_projection(claim: &Claim<'_>, found: &mut Findings) {
    let Some(entry) = claim.env.entry("CUTPROOF_PROJECTION") else { return };
    if !entry.value.ends_with("/1") {
        let advice = "verify with the cutproof that wrote it";
        let seen = quoted(&entry.value);
        found.refuse_and_advise(Code::UnknownProjection, claim.at(entry), "of version 1", seen, advice);
    }
}
