//! Does a condition fit the metrics that there are?

use super::error::{ConditionError, Problem};
use super::number::units;
use super::syntax::{Leaf, Test};
use super::value::Value;
use crate::model::units::Unit;

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// A number in this unit; [`Unit::None`] if nobody says which.
    Number(Unit),
    Text,
    Bool,
    /// Known by name only, as what a command prints is: judged when it is seen.
    Any,
}

impl MetricType {
    fn describe(self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text => "a text",
            Self::Bool => "true or false",
            Self::Any => "of any type",
        }
    }
}

/// What is wrong with one test, if anything is.
pub(super) fn check(
    leaf: &Leaf,
    text: &str,
    kind: &dyn Fn(&str) -> Option<MetricType>,
    names: &[&str],
) -> Option<ConditionError> {
    let name = leaf.name.clone();
    let fault =
        |span: &std::ops::Range<usize>, problem| Some(ConditionError::new(text, span.clone(), problem));
    let Some(metric) = kind(&leaf.name) else {
        let nearest = nearest(&name, names).map(str::to_owned);
        return fault(&leaf.name_span, Problem::UnknownName { name, nearest });
    };
    let type_fault = |with: String| Problem::Type { name: leaf.name.clone(), is: metric.describe(), with };
    let problem = match (&leaf.test, metric) {
        (Test::Is(_), _) | (_, MetricType::Any) => return None,
        (Test::Matches(_), MetricType::Text) => return None,
        (Test::Matches(_), _) => type_fault("a regular expression".to_owned()),
        (Test::Compare(_, Value::Text(_)), MetricType::Text) => return None,
        (Test::Compare(_, Value::Bool(_)), MetricType::Bool) => return None,
        (Test::Compare(_, value @ Value::Number(threshold)), MetricType::Number(unit)) => {
            let fault = units(&leaf.name, unit, threshold.unit).err()?;
            if fault.to == Unit::None {
                Problem::NoUnit { name, with: value.to_string() }
            } else {
                let is = format!("{} ({})", fault.to, fault.to.dimension());
                Problem::Units { name, is, with: value.to_string() }
            }
        }
        (Test::Compare(_, value), _) => type_fault(value.to_string()),
    };
    fault(&leaf.test_span, problem)
}

/// The known name that was most likely meant, if any is near.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let ranked = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known));
    let (distance, known) = ranked.min()?;
    (distance <= name.len().max(known.len()) / 3).then_some(known)
}
