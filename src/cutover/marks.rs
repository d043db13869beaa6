//! The switch gate: reads when the new core logged in, had its settlement confirmed and loaded its instruments, from
//! its metrics or from the output of WARMUP_QUERY_CMD, until all is there or too late. What that is worth is judged by
//! [`crate::model::switch::judge_marks`].

use super::measure::Measuring;
use crate::model::switch::{SwitchMark, judge_mark, judge_marks};
use crate::model::time::millis;
use crate::model::units::{Quantity, Unit};
use crate::model::{Observation, Reading, Stamp};
use crate::process::Cancel;
use crate::profile::switch::{Mark, MarkSource, SwitchGate};
use regex::Regex;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(200);

/// How much of the output is searched, in bytes.
const OUTPUT: u64 = 4 << 20;

/// What a switch gate saw, and what stands against it.
pub struct Seen {
    /// Login, settlement, instruments.
    pub marks: Vec<SwitchMark>,
    /// What came of it.
    pub judged: Result<(), String>,
}

/// Looks until all marks are there and as they must be, or one can't be any more.
pub fn look(
    gate: &SwitchGate,
    core_started: Stamp,
    output: Option<&Path>,
    measuring: &Measuring,
    cancel: &Cancel,
) -> Seen {
    let (said, source) = match printed(gate, output) {
        Ok(said) => said,
        Err(why) => (String::new(), why),
    };
    loop {
        // Asked before it is measured: what happened in time may be seen late.
        let now = measuring.clock.now();
        let observed = measure(gate, core_started, measuring, cancel);
        let marks: Vec<_> = gate
            .marks
            .iter()
            .map(|mark| match &mark.from {
                MarkSource::Output(pattern) => of_output(mark, pattern, &said, &source, core_started),
                MarkSource::Value(name) => of_value(mark, name, &observed, measuring.clock.now()),
            })
            .collect();
        let judged = judge_marks(core_started, &marks);
        let since = now.millis().saturating_sub(core_started.millis()) as f64;
        let mut bad =
            gate.marks.iter().zip(&marks).filter(|(_, seen)| judge_mark(core_started, seen).is_err());
        // An output that was printed does not change. Marks that are all there and out of order stay so.
        let can_change = |(mark, seen): (&Mark, &SwitchMark)| {
            !matches!(mark.from, MarkSource::Output(_)) && since <= seen.within_ms
        };
        let first = bad.next();
        let goes_on = first.is_some_and(can_change) && bad.all(can_change);
        if judged.is_ok() || !goes_on || cancel.pause(EVERY) {
            return Seen { marks, judged };
        }
    }
}

/// What WARMUP_QUERY_CMD printed, where a mark is read from it, and the name of that place.
fn printed(gate: &SwitchGate, output: Option<&Path>) -> Result<(String, String), String> {
    if !gate.marks.iter().any(|mark| matches!(mark.from, MarkSource::Output(_))) {
        return Ok((String::new(), String::new()));
    }
    let path = output.ok_or("the output of WARMUP_QUERY_CMD, of which there is no log")?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(OUTPUT).read_to_end(&mut bytes))
        .map_err(|error| format!("{name}, which can't be read: {error}"))?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), name))
}

/// The observations, or why there are none.
fn measure(
    gate: &SwitchGate,
    core_started: Stamp,
    measuring: &Measuring,
    cancel: &Cancel,
) -> Result<Vec<Observation>, String> {
    let Some(measure) = &gate.measure else { return Ok(Vec::new()) };
    let last = gate.marks.iter().map(|mark| mark.within).max().unwrap_or_default();
    let over = core_started.plus(last).millis().saturating_sub(measuring.clock.now().millis());
    // Once more when the time is over, as what happened in time may be seen late.
    let left = Duration::from_millis(u64::try_from(over).unwrap_or(0)).max(Duration::from_secs(1));
    measuring.once(measure, left, cancel, || !cancel.is_cancelled())
}

fn of_value(mark: &Mark, name: &str, observed: &Result<Vec<Observation>, String>, now: Stamp) -> SwitchMark {
    let (at, source) = match observed {
        Err(error) => (None, error.clone()),
        Ok(observed) => match observed.iter().rev().find(|observation| observation.name == *name) {
            None => (None, format!("{name}, which was not observed")),
            Some(observation) => (moment(&observation.reading), format!("{name} of {}", observation.source)),
        },
    };
    // What lies ahead has not happened.
    mark_at(mark, at.filter(|at| *at <= now), source)
}

/// A time since 1970. A metric that is 0 says that it never happened.
fn moment(reading: &Reading) -> Option<Stamp> {
    let Reading::Number { value, unit } = reading else { return None };
    let since = Quantity::new(*value, *unit).convert(Unit::Millisecond).ok()?.value;
    (since.is_finite() && since >= 1.0).then(|| Stamp::from_millis(since.floor() as i64))
}

/// The first moment in the output that is the new core's; else the last one that there is, which is not.
fn of_output(mark: &Mark, pattern: &str, said: &str, source: &str, core_started: Stamp) -> SwitchMark {
    let Ok(pattern) = Regex::new(pattern) else {
        return mark_at(mark, None, format!("{source}: `{pattern}` is no regular expression"));
    };
    let found = pattern.captures_iter(said).filter_map(|found| time(found.name("at")?.as_str()));
    let mut last = None;
    for at in found {
        let candidate = mark_at(mark, Some(at), source.to_owned());
        if judge_mark(core_started, &candidate).is_ok() {
            return candidate;
        }
        last = Some(candidate);
    }
    last.unwrap_or_else(|| mark_at(mark, None, source.to_owned()))
}

/// RFC 3339, or seconds since 1970.
fn time(text: &str) -> Option<Stamp> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(Stamp::from_millis(moment.as_millisecond()));
    }
    moment(&Reading::number(text.parse().ok()?, Unit::Second))
}

fn mark_at(mark: &Mark, at: Option<Stamp>, source: String) -> SwitchMark {
    SwitchMark { name: mark.name.clone(), at, source, within_ms: millis(mark.within) }
}
