//! Judges a condition and says in a few words what decided.

use std::fmt;
use std::ops::Not;

use serde::{Deserialize, Serialize};

use super::number;
use super::syntax::{Held, Leaf, Node, Op, State, Test};
use super::value::{Sample, Value};
use crate::model::units::Quantity;

/// Three-valued truth: what is not known is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::True } else { Self::False }
    }
}

impl Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        })
    }
}

/// A condition's truth and the tests that decided it.
///
/// Printed as people read it in a failure: `lag_ms = 812 ms, expected < 500 ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub truth: Truth,
    /// The tests without which the truth would be another, with the values seen, in the order of the
    /// condition.
    pub reasons: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

/// What decides a `for`: nothing at one moment, a tracker over time.
pub(super) trait Holds {
    /// The truth of `held` now that what it encloses has the truth `now`, and what to say about time.
    fn hold(&mut self, held: &Held, now: Truth) -> (Truth, String);
}

/// One moment: it cannot tell whether anything has held.
pub(super) struct Moment;

impl Holds for Moment {
    fn hold(&mut self, held: &Held, _: Truth) -> (Truth, String) {
        (Truth::Unknown, format!(" (one moment cannot tell if for {})", held.hold))
    }
}

pub(super) fn judge(node: &Node, samples: &dyn Fn(&str) -> Sample, holds: &mut dyn Holds) -> Explanation {
    Judge { samples, holds }.node(node, true)
}

struct Judge<'a> {
    samples: &'a dyn Fn(&str) -> Sample,
    holds: &'a mut dyn Holds,
}

impl Judge<'_> {
    /// `wanted` is false under an odd number of `not`: there, what a test says is what must not be.
    fn node(&mut self, node: &Node, wanted: bool) -> Explanation {
        match node {
            Node::Leaf(leaf) => judge_leaf(leaf, (self.samples)(&leaf.name), wanted),
            Node::Not(inner) => {
                let inner = self.node(inner, !wanted);
                Explanation { truth: !inner.truth, ..inner }
            }
            Node::All(nodes) => self.row(nodes, wanted, Truth::False),
            Node::Any(nodes) => self.row(nodes, wanted, Truth::True),
            Node::Held(held) => {
                let inner = self.node(&held.node, wanted);
                let (truth, time) = self.holds.hold(held, inner.truth);
                let reasons = inner.reasons.into_iter().map(|reason| reason + &time).collect();
                Explanation { truth, reasons }
            }
        }
    }

    /// `and` and `or`: one `decisive` child decides, else one unknown leaves it open. All children are
    /// judged, because each keeps time for its own `for`.
    fn row(&mut self, nodes: &[Node], wanted: bool, decisive: Truth) -> Explanation {
        let children: Vec<Explanation> = nodes.iter().map(|node| self.node(node, wanted)).collect();
        let any = |truth| children.iter().any(|child| child.truth == truth);
        let truth = [decisive, Truth::Unknown].into_iter().find(|truth| any(*truth)).unwrap_or(!decisive);
        let deciding = children.into_iter().filter(|child| child.truth == truth);
        Explanation { truth, reasons: deciding.flat_map(|child| child.reasons).collect() }
    }
}

/// Judges one test. The words follow `wanted`, the truth does not.
fn judge_leaf(leaf: &Leaf, sample: Sample, wanted: bool) -> Explanation {
    let seen = describe(leaf, &sample);
    let truth = match test(leaf, &sample) {
        Ok(truth) => truth,
        Err(reason) => {
            return Explanation { truth: Truth::Unknown, reasons: vec![format!("{seen}{reason}")] };
        }
    };
    let as_wanted = truth == wanted;
    let reason = match &leaf.test {
        Test::Is(_) if as_wanted => seen,
        Test::Is(state) => {
            let state = match state {
                State::Missing => "missing",
                State::Present => "present",
                State::NoEvents => "without events",
            };
            format!("{seen}, expected {}{state}", if wanted { "" } else { "not " })
        }
        Test::Matches(pattern) => {
            let pattern = short(pattern.0.as_str());
            match (as_wanted, wanted) {
                (true, true) => format!("{seen} (matches {pattern})"),
                (true, false) => format!("{seen} (does not match {pattern})"),
                (false, true) => format!("{seen}, expected to match {pattern}"),
                (false, false) => format!("{seen}, expected not to match {pattern}"),
            }
        }
        Test::Compare(op, value) => {
            let op = if wanted { *op } else { op.negated() };
            let limit = limit(leaf, &sample, value);
            match (as_wanted, op) {
                (true, Op::Equal) => seen,
                (true, _) => format!("{seen} ({} {limit})", op.symbol()),
                (false, Op::Equal) => format!("{seen}, expected {limit}"),
                (false, _) => format!("{seen}, expected {} {limit}", op.symbol()),
            }
        }
    };
    Explanation { truth: truth.into(), reasons: vec![reason] }
}

/// The truth of a test, or why it has none.
fn test(leaf: &Leaf, sample: &Sample) -> Result<bool, String> {
    let value = match (&leaf.test, sample) {
        (Test::Is(State::Missing), _) => return Ok(*sample == Sample::Missing),
        (Test::Is(State::Present), _) => return Ok(*sample != Sample::Missing),
        (Test::Is(State::NoEvents), _) => return Ok(*sample == Sample::NoEvents),
        (_, Sample::Value(value)) => value,
        (_, Sample::NoEvents | Sample::Missing) => return Err(String::new()),
    };
    match (&leaf.test, value) {
        (Test::Matches(pattern), Value::Text(text)) => Ok(pattern.0.is_match(text)),
        (Test::Compare(op, Value::Text(threshold)), Value::Text(seen)) => Ok(op.holds(seen.cmp(threshold))),
        (Test::Compare(op, Value::Bool(threshold)), Value::Bool(seen)) => Ok(op.holds(seen.cmp(threshold))),
        (Test::Compare(op, Value::Number(threshold)), Value::Number(seen)) => {
            let Some((seen, threshold)) = meet(leaf, *seen, *threshold) else {
                return Err(format!(" cannot be compared with {threshold}"));
            };
            match number::compare(seen, threshold) {
                Some(ordering) => Ok(op.holds(ordering)),
                None => Err(format!(" cannot be compared with {threshold}")),
            }
        }
        (Test::Compare(_, threshold), seen) => {
            Err(format!(" is {} and cannot be compared with {}", seen.kind(), short_value(threshold)))
        }
        (_, seen) => Err(format!(" is {} and cannot be matched", seen.kind())),
    }
}

/// Both quantities with the units that they are stated in; `None` if those do not convert.
fn meet(leaf: &Leaf, seen: Quantity, threshold: Quantity) -> Option<(Quantity, Quantity)> {
    let (seen_unit, unit) = number::units(&leaf.name, seen.unit, threshold.unit).ok()?;
    Some((Quantity::new(seen.value, seen_unit), Quantity::new(threshold.value, unit)))
}

/// What was seen: `lag_ms = 812 ms`.
fn describe(leaf: &Leaf, sample: &Sample) -> String {
    let name = &leaf.name;
    let seen = match (sample, &leaf.test) {
        (Sample::Missing, _) => return format!("{name} is missing"),
        (Sample::NoEvents, _) => return format!("{name} has no events yet"),
        (Sample::Value(Value::Number(seen)), Test::Compare(_, Value::Number(threshold))) => {
            match meet(leaf, *seen, *threshold) {
                Some((seen, threshold)) => number::readable(seen, threshold),
                None => number::text(*seen),
            }
        }
        (Sample::Value(value), _) => short_value(value),
    };
    format!("{name} = {seen}")
}

/// The threshold with the unit in which it is stated.
fn limit(leaf: &Leaf, sample: &Sample, threshold: &Value) -> String {
    match (sample, threshold) {
        (Sample::Value(Value::Number(seen)), Value::Number(threshold)) => {
            number::text(meet(leaf, *seen, *threshold).map_or(*threshold, |(_, threshold)| threshold))
        }
        _ => short_value(threshold),
    }
}

fn short_value(value: &Value) -> String {
    match value {
        Value::Number(quantity) => number::text(*quantity),
        Value::Text(text) => short(text),
        Value::Bool(truth) => truth.to_string(),
    }
}

/// A text in quotes, on one line, cut after 80 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", Value::from(&text[..cut])),
        None => Value::from(text).to_string(),
    }
}
