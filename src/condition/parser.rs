//! Reads an expression. The grammar is the one of `docs/conditions.md`.

use std::ops::Range;

use regex::RegexBuilder;

use super::MAX_DEPTH;
use super::error::{ConditionError, Problem};
use super::lexer::{KEYWORDS, Spanned, Token, tokens};
use super::syntax::{Held, Leaf, Node, Op, Pattern, State, Test};
use super::value::Value;
use crate::model::units::UnitError;

/// The largest compiled pattern, in bytes: far above any that a person writes.
const PATTERN_SIZE: usize = 1 << 20;

pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let root = parser.any()?;
    if parser.here().token != Token::End {
        return parser.unexpected("`and`, `or`, `for` or the end");
    }
    Ok(root)
}

/// Refuses `<`, `<=`, `>` and `>=` for values that have no order.
pub(super) fn compare(op: Op, value: Value, at: Range<usize>, text: &str) -> Result<Test, ConditionError> {
    let kind = match value {
        Value::Text(_) => "a text",
        Value::Bool(_) => "true or false",
        Value::Number(_) => return Ok(Test::Compare(op, value)),
    };
    if op.is_equality() {
        return Ok(Test::Compare(op, value));
    }
    Err(ConditionError::new(text, at, Problem::Unordered(kind)))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Spanned>,
    next: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// The token to be read. The last token is `End`, and it is never stepped over.
    fn here(&self) -> &Spanned {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn step(&mut self) -> Spanned {
        let here = self.here().clone();
        self.next += 1;
        here
    }

    fn word(&self) -> Option<&'t str> {
        let here = self.here();
        (here.token == Token::Word).then(|| &self.text[here.span.clone()])
    }

    fn eat(&mut self, keyword: &str) -> bool {
        let found = self.word() == Some(keyword);
        self.next += usize::from(found);
        found
    }

    fn unexpected<T>(&self, expected: &'static str) -> Result<T, ConditionError> {
        let span = self.here().span.clone();
        let found = match &self.text[span.clone()] {
            "" if self.text.trim().is_empty() => "nothing".to_owned(),
            "" => "the end".to_owned(),
            seen => format!("`{}`", seen.chars().take(40).collect::<String>()),
        };
        let hint = self.word().and_then(|word| match word.to_ascii_lowercase().as_str() {
            _ if KEYWORDS.contains(&word) => None,
            lower if KEYWORDS.contains(&lower) => Some("words such as `and`, `or`, `not` are written small"),
            _ if expected == VALUE => Some("a text stands in quotes"),
            _ => None,
        });
        Err(ConditionError::new(self.text, span, Problem::Unexpected { expected, found, hint }))
    }

    fn expect(&mut self, token: Token, expected: &'static str) -> Result<(), ConditionError> {
        if self.here().token != token {
            return self.unexpected(expected);
        }
        self.step();
        Ok(())
    }

    /// Reads what a parenthesis or a `not` encloses, one level deeper.
    fn deeper(
        &mut self,
        read: fn(&mut Self) -> Result<Node, ConditionError>,
    ) -> Result<Node, ConditionError> {
        if self.depth == MAX_DEPTH {
            return Err(ConditionError::new(self.text, self.here().span.clone(), Problem::TooDeep));
        }
        self.depth += 1;
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn any(&mut self) -> Result<Node, ConditionError> {
        let mut nodes = vec![self.all()?];
        while self.eat("or") {
            nodes.push(self.all()?);
        }
        Ok(Node::any(nodes))
    }

    fn all(&mut self) -> Result<Node, ConditionError> {
        let mut nodes = vec![self.negation()?];
        while self.eat("and") {
            nodes.push(self.negation()?);
        }
        Ok(Node::all(nodes))
    }

    fn negation(&mut self) -> Result<Node, ConditionError> {
        if self.eat("not") {
            return Ok(Node::Not(Box::new(self.deeper(Self::negation)?)));
        }
        let node = self.primary()?;
        if self.eat("for") { self.held(node) } else { Ok(node) }
    }

    fn held(&mut self, node: Node) -> Result<Node, ConditionError> {
        let Token::Quantity(hold) = self.here().token else {
            return self.unexpected("a time such as 30s behind `for`");
        };
        let span = self.step().span;
        let duration = hold.to_duration().map_err(|fault| {
            let fault = UnitError {
                text: self.text[span.clone()].to_owned(),
                span: 0..span.len(),
                expected: fault.expected(),
                nearest: None,
            };
            ConditionError::new(self.text, span.clone(), Problem::Unit(fault))
        })?;
        Ok(Node::Held(Box::new(Held { node, hold, duration })))
    }

    fn primary(&mut self) -> Result<Node, ConditionError> {
        if self.here().token == Token::Open {
            self.step();
            let node = self.deeper(Self::any)?;
            self.expect(Token::Close, "`)`, `and` or `or`")?;
            return Ok(node);
        }
        if let Some(state) = State::ALL.into_iter().find(|state| self.word() == Some(state.word())) {
            return self.state(state);
        }
        match (&self.here().token, self.word()) {
            (_, Some(word)) if !KEYWORDS.contains(&word) => self.test(),
            (Token::Quantity(_) | Token::Text(_), _) => {
                self.unexpected("the metric's name first, as in `lag_ms < 500`")
            }
            _ => self.unexpected("a metric's name, `not` or `(`"),
        }
    }

    fn state(&mut self, state: State) -> Result<Node, ConditionError> {
        let test_span = self.step().span;
        self.expect(Token::Open, "`(` and a metric's name")?;
        let Some(name) = self.word().filter(|word| !KEYWORDS.contains(word)) else {
            return self.unexpected("a metric's name");
        };
        let name_span = self.step().span;
        self.expect(Token::Close, "`)`")?;
        Ok(Node::Leaf(Leaf { name: name.to_owned(), name_span, test: Test::Is(state), test_span }))
    }

    fn test(&mut self) -> Result<Node, ConditionError> {
        let name_span = self.step().span;
        let name = self.text[name_span.clone()].to_owned();
        let (test, test_span) = if let Token::Op(op) = self.here().token {
            self.step();
            let (value, at) = self.value()?;
            (compare(op, value, at.clone(), self.text)?, at)
        } else if self.eat("matches") {
            self.pattern()?
        } else {
            return self.unexpected("a comparison (<, <=, >, >=, ==, != or matches) behind the name");
        };
        Ok(Node::Leaf(Leaf { name, name_span, test, test_span }))
    }

    fn value(&mut self) -> Result<(Value, Range<usize>), ConditionError> {
        let value = match (&self.here().token, self.word()) {
            (Token::Quantity(quantity), _) => Value::Number(*quantity),
            (Token::Text(text), _) => Value::Text(text.clone()),
            (_, Some("true")) => Value::Bool(true),
            (_, Some("false")) => Value::Bool(false),
            _ => return self.unexpected(VALUE),
        };
        Ok((value, self.step().span))
    }

    fn pattern(&mut self) -> Result<(Test, Range<usize>), ConditionError> {
        let Token::Text(pattern) = self.here().token.clone() else {
            return self.unexpected("a regular expression in quotes behind `matches`");
        };
        let span = self.step().span;
        match RegexBuilder::new(&pattern).size_limit(PATTERN_SIZE).build() {
            Ok(regex) => Ok((Test::Matches(Pattern(regex)), span)),
            Err(fault) => {
                let told = fault.to_string();
                let last = told.lines().last().unwrap_or(&told).trim_start_matches("error: ").to_owned();
                Err(ConditionError::new(self.text, span, Problem::Pattern(last)))
            }
        }
    }
}

const VALUE: &str = "a number, a text in quotes, true or false";
