//! The tree that a condition is read into, and its canonical text.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use regex::Regex;

use super::value::{Value, write_quoted};
use crate::model::units::Quantity;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// At least two nodes, none of them `Any`.
    Any(Vec<Node>),
    /// At least two nodes, none of them `All`.
    All(Vec<Node>),
    Not(Box<Node>),
    Held(Box<Held>),
    Leaf(Leaf),
}

/// `… for DURATION`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub node: Node,
    /// As it was written.
    pub hold: Quantity,
    pub duration: Duration,
}

/// One test of one metric.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub name: String,
    pub name_span: Range<usize>,
    pub test: Test,
    /// Where the value, the pattern or the word `missing` stands.
    pub test_span: Range<usize>,
}

/// Where a leaf stands in the text is no part of what it means.
impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.test == other.test
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare(Op, Value),
    Matches(Pattern),
    Is(State),
}

#[derive(Debug, Clone)]
pub(super) struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// `missing(x)`, `present(x)` and `no_events(x)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Missing,
    Present,
    NoEvents,
}

impl State {
    pub const ALL: [State; 3] = [Self::Missing, Self::Present, Self::NoEvents];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Present => "present",
            Self::NoEvents => "no_events",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    NotEqual,
}

impl Op {
    pub const ALL: [Op; 6] =
        [Self::Less, Self::AtMost, Self::Greater, Self::AtLeast, Self::Equal, Self::NotEqual];

    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// The operator as a label writes it, between name and value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Less => "_lt_",
            Self::AtMost => "_le_",
            Self::Greater => "_gt_",
            Self::AtLeast => "_ge_",
            Self::Equal => "_eq_",
            Self::NotEqual => "_ne_",
        }
    }

    pub const fn negated(self) -> Op {
        match self {
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::Greater,
            Self::Greater => Self::AtMost,
            Self::AtLeast => Self::Less,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
        }
    }

    /// Whether it compares for equality only, the one comparison that texts and booleans have.
    pub const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }

    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
        }
    }
}

impl Node {
    /// Joins nodes by `or`; a lone node stays itself, and nested alternatives become one row.
    pub fn any(nodes: Vec<Node>) -> Node {
        Self::join(nodes, Self::Any, |node| match node {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Joins nodes by `and`, as [`Node::any`] does by `or`.
    pub fn all(nodes: Vec<Node>) -> Node {
        Self::join(nodes, Self::All, |node| match node {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn join(
        nodes: Vec<Node>,
        make: fn(Vec<Node>) -> Node,
        unfold: fn(Node) -> Result<Vec<Node>, Node>,
    ) -> Node {
        let mut row: Vec<Node> =
            nodes.into_iter().flat_map(|node| unfold(node).unwrap_or_else(|other| vec![other])).collect();
        match (row.len(), row.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                row.extend(last);
                make(row)
            }
        }
    }

    fn children(&self) -> &[Node] {
        match self {
            Self::Any(nodes) | Self::All(nodes) => nodes,
            Self::Not(node) => std::slice::from_ref(node),
            Self::Held(held) => std::slice::from_ref(&held.node),
            Self::Leaf(_) => &[],
        }
    }

    /// This node and all below it, in the order of the text.
    fn walk(&self) -> impl Iterator<Item = &Node> {
        let mut stack = vec![self];
        std::iter::from_fn(move || {
            let node = stack.pop()?;
            stack.extend(node.children().iter().rev());
            Some(node)
        })
    }

    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.walk().filter_map(|node| match node {
            Self::Leaf(leaf) => Some(leaf),
            _ => None,
        })
    }

    pub fn holds(&self) -> impl Iterator<Item = &Held> {
        self.walk().filter_map(|node| match node {
            Self::Held(held) => Some(held.as_ref()),
            _ => None,
        })
    }

    /// How tightly the node's own text binds: `or` least, a comparison most.
    fn level(&self) -> Level {
        match self {
            Self::Any(_) => Level::Or,
            Self::All(_) => Level::And,
            Self::Not(_) => Level::Not,
            Self::Held(_) => Level::For,
            Self::Leaf(_) => Level::Test,
        }
    }

    /// Writes the node, in parentheses if it binds less tightly than its place needs.
    fn write(&self, place: Level, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.level() < place {
            f.write_str("(")?;
            self.write(Level::Or, f)?;
            return f.write_str(")");
        }
        let row = |nodes: &[Node], word: &str, place: Level, f: &mut fmt::Formatter<'_>| {
            nodes.iter().enumerate().try_for_each(|(i, node)| {
                f.write_str(if i > 0 { word } else { "" })?;
                node.write(place, f)
            })
        };
        match self {
            Self::Any(nodes) => row(nodes, " or ", Level::And, f),
            Self::All(nodes) => row(nodes, " and ", Level::Not, f),
            Self::Not(node) => {
                f.write_str("not ")?;
                node.write(Level::Not, f)
            }
            Self::Held(held) => {
                held.node.write(Level::Test, f)?;
                write!(f, " for {}", held.hold)
            }
            Self::Leaf(leaf) => write!(f, "{leaf}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    For,
    Test,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(Level::Or, f)
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Compare(op, value) => write!(f, "{} {} {value}", self.name, op.symbol()),
            Test::Matches(pattern) => {
                write!(f, "{} matches ", self.name)?;
                write_quoted(pattern.0.as_str(), f)
            }
            Test::Is(state) => write!(f, "{}({})", state.word(), self.name),
        }
    }
}
