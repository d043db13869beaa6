//! What can be wrong with a condition, and where in its text.

use std::ops::Range;

use super::{MAX_DEPTH, MAX_LENGTH};
use crate::model::units::UnitError;

/// A condition that cannot be read, or that does not fit the metrics that there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (character {character})")]
pub struct ConditionError {
    /// The bytes of the condition's text that are at fault.
    pub span: Range<usize>,
    /// Where that begins, in characters from 1.
    pub character: usize,
    /// What is wrong, without the place: for those who print file, line and column themselves.
    pub problem: Problem,
}

impl ConditionError {
    pub(super) fn new(text: &str, span: Range<usize>, problem: Problem) -> Self {
        let character = text.get(..span.start).unwrap_or(text).chars().count() + 1;
        Self { span, character, problem }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("a condition has at most {MAX_LENGTH} bytes, this one has {0}")]
    TooLong(usize),
    #[error("parentheses and `not` nest at most {MAX_DEPTH} deep")]
    TooDeep,
    #[error("expected {expected}, found {found}{}", hint.map(|h| format!("; {h}")).unwrap_or_default())]
    Unexpected { expected: &'static str, found: String, hint: Option<&'static str> },
    #[error("{}", .0.problem())]
    Unit(UnitError),
    #[error("this text has no closing {0}")]
    Unclosed(char),
    #[error(
        "unknown escape {0}; \\\\ \\\" \\' \\n \\r \\t and \\u{{…}} are known, and '…' takes \\ as it is"
    )]
    Escape(String),
    #[error("a control character in a text is written as an escape in \"…\", such as \\n or \\u{{1b}}")]
    ControlCharacter,
    #[error("{0} is compared with == or !=")]
    Unordered(&'static str),
    #[error("not a regular expression: {0}")]
    Pattern(String),
    #[error("two operators share an underscore, so this label can be read in two ways; write an expression")]
    AmbiguousLabel,
    #[error("unknown metric `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownName { name: String, nearest: Option<String> },
    #[error("`{name}` is {is} and cannot be compared with {with}")]
    Type { name: String, is: &'static str, with: String },
    #[error("`{name}` is in {is} and cannot be compared with {with}")]
    Units { name: String, is: String, with: String },
    #[error("`{name}` states no unit, so {with} cannot be compared with it; write a plain number")]
    NoUnit { name: String, with: String },
}
