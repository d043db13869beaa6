//! What the inits of stores have in common: steps until one fails, and what they say of them.

use crate::model::event::PlannedStep;
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Reading};
use crate::probe::{Context, Measurement};

/// What every init of a store can observe.
pub const METRICS: [Metric; 5] = [
    Metric::bool("success", "whether every step was done"),
    Metric::text("failed_step", "the step that failed; empty where none did"),
    Metric::number("applied", Unit::Count, "schema files that were applied"),
    Metric::number("created", Unit::Count, "tables, views, schemas and databases that are new"),
    Metric::number("existed", Unit::Count, "those that were there already, as asked for"),
];

/// How long the service has to answer for the first time.
pub const CONNECT_TIMEOUT: Field = Field::with_default(
    "connect_timeout",
    FieldKind::Duration,
    "\"5s\"",
    "how long the service has to answer for the first time",
);

/// A setting that is only recorded.
pub const fn recorded(name: &'static str) -> Field {
    Field::optional(name, FieldKind::Text, "recorded in the evidence")
}

/// What an init found and did.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that were applied.
    pub applied: usize,
    /// Names of what is new.
    pub created: Vec<String>,
    /// Names of what was there already.
    pub existed: Vec<String>,
    /// Facts beside these.
    pub facts: Args,
}

/// Takes one step of an init.
pub trait Work {
    /// Does the step of this name; a line on what was done or already there.
    ///
    /// # Errors
    /// Why it could not be done.
    fn step(&mut self, planned: &PlannedStep) -> Result<String, String>;
}

/// Takes the steps in order until one fails. Gives the name of that one, and what each said, without secrets.
pub fn run(context: &Context<'_>, steps: &[PlannedStep], work: &mut dyn Work) -> (String, Vec<String>) {
    let mut said = Vec::new();
    for planned in steps {
        let clean = |text: String| context.redactor.text(&text).into_owned();
        let done = context.steps.step(planned, &mut || work.step(planned).map(clean).map_err(clean));
        match done {
            Ok(line) => said.push(format!("{}: {line}", planned.name)),
            Err(why) => {
                said.push(format!("{}: {why}", planned.name));
                return (planned.name.clone(), said);
            }
        }
    }
    (String::new(), said)
}

/// An init as a measurement.
pub fn measurement(
    context: &Context<'_>,
    at: &str,
    failed_step: &str,
    said: Vec<String>,
    report: Report,
) -> Measurement {
    let count = |value: usize| Reading::number(value as f64, Unit::Count);
    let observations = vec![
        context.observed("success", Reading::bool(failed_step.is_empty()), at),
        context.observed("failed_step", Reading::text(failed_step), at),
        context.observed("applied", count(report.applied), at),
        context.observed("created", count(report.created.len()), at),
        context.observed("existed", count(report.existed.len()), at),
    ];
    let mut facts = report.facts;
    facts.set("steps", said);
    for (fact, names) in [("created", report.created), ("existed", report.existed)] {
        if !names.is_empty() {
            facts.set(fact, names);
        }
    }
    Measurement { observations, facts, ..Measurement::default() }
}
