//! Conditions on what probes observed.

use super::{Condition, Explanation, NeedsHistory, Sample, Value};
use crate::model::units::Quantity;
use crate::model::{Observation, Reading};

impl From<&Reading> for Sample {
    fn from(reading: &Reading) -> Sample {
        match reading {
            Reading::Number { value, unit } => Sample::Value(Value::Number(Quantity::new(*value, *unit))),
            Reading::Text { value } => Sample::Value(Value::Text(value.clone())),
            Reading::Bool { value } => Sample::Value(Value::Bool(*value)),
            Reading::NoEvents => Sample::NoEvents,
            Reading::Missing => Sample::Missing,
        }
    }
}

impl Condition {
    /// Judges the condition on these observations; a name that is observed twice has its last value.
    ///
    /// # Errors
    /// The condition says `for`.
    pub fn judge(&self, observations: &[Observation]) -> Result<Explanation, NeedsHistory> {
        self.explain(&|name| {
            let seen = observations.iter().rev().find(|observation| observation.name == name);
            seen.map_or(Sample::Missing, |observation| Sample::from(&observation.reading))
        })
    }
}
