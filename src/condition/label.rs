//! Reads a runbook's label, such as `order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s`.
//!
//! A clause is NAME, an operator token (`_gt_` …) and VALUE; clauses are joined by `_and_` and `_or_`.
//! The first operator token ends the name and the next underscore ends the value, so that a name may
//! hold `_or_` and there is one reading only. A name that holds an operator token needs an expression:
//! were it allowed here, a slip in one clause (`lag_gt_5mss_or_x_gt_3`) would make it a part of the
//! next one's name, and the condition would quietly be another.

use std::ops::Range;

use super::error::{ConditionError, Problem};
use super::lexer::{KEYWORDS, continues_name, starts_name};
use super::parser::compare;
use super::syntax::{Leaf, Node, Op};
use super::value::Value;
use crate::model::units::Quantity;

/// Whether the text is one word with an operator token in it, as no expression is.
pub(super) fn is_label(text: &str) -> bool {
    let word = text.trim();
    word.chars().all(|c| continues_name(c) || c == '%' || c == '\u{b5}' || c == '\u{3bc}')
        && Op::ALL.iter().any(|op| word.contains(op.label()))
}

pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    let word = text.trim_end();
    let mut at = word.len() - word.trim_start().len();
    let mut alternatives = vec![Vec::new()];
    loop {
        let leaf = clause(word, at)?;
        let end = leaf.test_span.end;
        // As in expressions, `and` binds more tightly than `or`.
        if let Some(row) = alternatives.last_mut() {
            row.push(Node::Leaf(leaf));
        }
        at = match &word[end..] {
            "" => return Ok(Node::any(alternatives.into_iter().map(Node::all).collect())),
            rest if rest.starts_with("_and_") => end + "_and_".len(),
            rest if rest.starts_with("_or_") => {
                alternatives.push(Vec::new());
                end + "_or_".len()
            }
            _ => return Err(unexpected(word, end, "_and_, _or_ or the end behind the value")),
        };
    }
}

/// The clause that begins at `start`.
fn clause(word: &str, start: usize) -> Result<Leaf, ConditionError> {
    let operator = |at: usize| {
        let rest = &word[at..];
        Op::ALL.into_iter().find(|op| rest.starts_with(op.label()))
    };
    let underscores = word[start..].match_indices('_').map(|(i, _)| start + i);
    let found = underscores.filter(|at| *at > start).find_map(|at| operator(at).map(|op| (at, op)));
    let Some((name_end, op)) = found.filter(|_| word[start..].starts_with(starts_name)) else {
        return Err(unexpected(word, start, "NAME_gt_VALUE (or ge, lt, le, eq, ne)"));
    };
    if let Some(i) = word[start..name_end].find(|c| !continues_name(c)) {
        return Err(unexpected(word, start + i, "a letter, a digit or one of _ . : - in a metric's name"));
    }
    if KEYWORDS.contains(&&word[start..name_end]) {
        return Err(unexpected(word, start, "a metric's name that is no word of the language"));
    }
    let value_at = name_end + op.label().len();
    if operator(value_at - 1).is_some() {
        return Err(ConditionError::new(word, name_end..value_at + 3, Problem::AmbiguousLabel));
    }
    let value_end = word[value_at..].find('_').map_or(word.len(), |length| value_at + length);
    let test_span = value_at..value_end;
    let value = value(word, test_span.clone(), op)?;
    let test = compare(op, value, test_span.clone(), word)?;
    Ok(Leaf { name: word[start..name_end].to_owned(), name_span: start..name_end, test, test_span })
}

/// A number with its unit (`5ms`, `0p5s`), `true`, `false`, or behind `eq` and `ne` a plain word.
fn value(word: &str, span: Range<usize>, op: Op) -> Result<Value, ConditionError> {
    let text = &word[span.clone()];
    match text {
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let is_word = text.starts_with(starts_name) && text.chars().all(|c| c.is_ascii_alphanumeric());
    if is_word && op.is_equality() {
        return Ok(Value::Text(text.to_owned()));
    }
    Quantity::parse(&with_point(text)).map(Value::Number).map_err(|fault| {
        let at = span.start + fault.span.start..span.start + fault.span.end;
        ConditionError::new(word, at, Problem::Unit(fault))
    })
}

/// `0p5s` as `0.5s`: a label may have to do without a point. As long as the original, so that places
/// in it stay true.
fn with_point(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let point = (1..bytes.len()).find(|i| bytes[*i] == b'p' && digit(i - 1) && digit(i + 1));
    match point {
        Some(i) => format!("{}.{}", &text[..i], &text[i + 1..]),
        None => text.to_owned(),
    }
}

fn unexpected(word: &str, at: usize, expected: &'static str) -> ConditionError {
    let found = match &word[at..] {
        "" => "the end".to_owned(),
        rest => format!("`{}`", rest.chars().take(40).collect::<String>()),
    };
    ConditionError::new(word, at..word.len(), Problem::Unexpected { expected, found, hint: None })
}
