//! Cuts the text of an expression into tokens.

use std::ops::Range;

use super::error::{ConditionError, Problem};
use super::syntax::Op;
use crate::model::units::Quantity;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a metric's name.
    Word,
    Quantity(Quantity),
    Text(String),
    Op(Op),
    Open,
    Close,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    pub token: Token,
    pub span: Range<usize>,
}

/// Words that no metric can be called in an expression.
pub(super) const KEYWORDS: [&str; 10] =
    ["and", "or", "not", "for", "matches", "true", "false", "missing", "present", "no_events"];

pub(super) fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

pub(super) fn continues_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

/// All tokens of the text, closed by [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, ConditionError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push(Spanned { token, span: start..lexer.at });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip(&mut self, pattern: impl Fn(char) -> bool) {
        self.at = self.text.len() - self.rest().trim_start_matches(pattern).len();
    }

    fn error<T>(&self, start: usize, problem: Problem) -> Result<T, ConditionError> {
        Err(ConditionError::new(self.text, start..self.at, problem))
    }

    fn token(&mut self) -> Result<Token, ConditionError> {
        const SYMBOLS: [(&str, Token); 8] = [
            ("<=", Token::Op(Op::AtMost)),
            (">=", Token::Op(Op::AtLeast)),
            ("==", Token::Op(Op::Equal)),
            ("!=", Token::Op(Op::NotEqual)),
            ("<", Token::Op(Op::Less)),
            (">", Token::Op(Op::Greater)),
            ("(", Token::Open),
            (")", Token::Close),
        ];
        let Some(c) = self.rest().chars().next() else { return Ok(Token::End) };
        if starts_name(c) {
            self.skip(continues_name);
            return Ok(Token::Word);
        }
        if c.is_ascii_digit() || matches!(c, '-' | '.' | '+') {
            return self.quantity();
        }
        if matches!(c, '"' | '\'') {
            return self.quoted(c);
        }
        if let Some((symbol, token)) = SYMBOLS.iter().find(|(symbol, _)| self.rest().starts_with(symbol)) {
            self.at += symbol.len();
            return Ok(token.clone());
        }
        self.stray(c)
    }

    /// A number, its unit glued to it (`5ms`) or behind a space (`5 ms`).
    fn quantity(&mut self) -> Result<Token, ConditionError> {
        let start = self.at;
        self.at += 1;
        self.skip(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '_' | '%'));
        if self.text[start..self.at].ends_with(|c: char| c.is_ascii_digit()) {
            let number_end = self.at;
            self.skip(char::is_whitespace);
            let unit = self.at;
            self.skip(|c| c.is_alphabetic() || c == '%');
            let word = &self.text[unit..self.at];
            if word.is_empty() || KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) {
                self.at = number_end;
            }
        }
        Quantity::parse(&self.text[start..self.at]).map(Token::Quantity).map_err(|fault| {
            let span = start + fault.span.start..start + fault.span.end;
            ConditionError::new(self.text, span, Problem::Unit(fault))
        })
    }

    /// A text: in `'…'` everything stands for itself, in `"…"` a backslash escapes.
    fn quoted(&mut self, quote: char) -> Result<Token, ConditionError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let here = self.at;
            let Some(c) = self.rest().chars().next() else {
                return self.error(start, Problem::Unclosed(quote));
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(Token::Text(text)),
                '\\' if quote == '"' => text.push(self.escape(here)?),
                c if c.is_control() => return self.error(here, Problem::ControlCharacter),
                c => text.push(c),
            }
        }
    }

    /// What stands behind a backslash at `start`.
    fn escape(&mut self, start: usize) -> Result<char, ConditionError> {
        let c = self.rest().chars().next();
        self.at += c.map_or(0, char::len_utf8);
        let escaped = match c {
            Some(c @ ('\\' | '"' | '\'')) => Some(c),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => self.code_point(),
            _ => None,
        };
        match escaped {
            Some(c) => Ok(c),
            None => self.error(start, Problem::Escape(self.text[start..self.at].escape_debug().to_string())),
        }
    }

    /// `{1b}`, up to six hexadecimal digits.
    fn code_point(&mut self) -> Option<char> {
        let (digits, _) = self.rest().strip_prefix('{')?.split_once('}')?;
        let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let c = char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| plain)?)?;
        self.at += digits.len() + 2;
        Some(c)
    }

    fn stray<T>(&mut self, c: char) -> Result<T, ConditionError> {
        let start = self.at;
        self.at += c.len_utf8();
        let hint = match c {
            '=' => Some("equality is written =="),
            '!' => Some("negation is written `not`"),
            '&' => Some("write `and`"),
            '|' => Some("write `or`"),
            _ => None,
        };
        let found = format!("`{}`", c.escape_debug());
        self.error(start, Problem::Unexpected { expected: "a name, a value or a comparison", found, hint })
    }
}
