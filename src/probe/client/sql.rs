//! Cuts SQL files into statements and tokens, as ClickHouse and PostgreSQL read them: strings, quoted names,
//! dollar quotes and comments may hold semicolons. Pure; what a statement means is read elsewhere.

use std::fmt;
use std::ops::Range;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A backslash escapes in strings and quoted names; comments don't nest; `` ` `` quotes names.
    ClickHouse,
    /// A backslash escapes only in `E'…'`; `/* */` nests.
    Postgres,
}

/// One statement, without its semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'t> {
    /// From its first token to its last, comments between them included.
    pub text: &'t str,
    /// The line of its first token, from 1.
    pub line: usize,
    /// Its tokens; never empty.
    pub tokens: Vec<Token<'t>>,
    /// Whose it is.
    pub dialect: Dialect,
}

/// A piece of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: Kind,
    /// As it is written, quotes included.
    pub text: &'t str,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, name or number.
    Word,
    /// A name in quotes.
    Name,
    /// A string.
    Text,
    /// One character of anything else.
    Symbol,
}

/// A file that ends in the middle of something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {opened} that begins here has no end")]
pub struct SqlError {
    /// Where it begins, from 1.
    pub line: usize,
    /// What it is.
    pub opened: &'static str,
}

impl<'t> Token<'t> {
    /// Whether it is this keyword, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this symbol.
    pub fn is_symbol(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol && self.text.starts_with(symbol)
    }

    /// The name that it stands for, without quotes. PostgreSQL writes names without quotes in lower case.
    pub fn name(&self, dialect: Dialect) -> Option<String> {
        match self.kind {
            Kind::Word if dialect == Dialect::Postgres => Some(self.text.to_lowercase()),
            Kind::Word => Some(self.text.to_owned()),
            Kind::Name => {
                let quote = self.text.chars().next()?;
                let inner = self.text.strip_prefix(quote)?.strip_suffix(quote)?;
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Kind::Text | Kind::Symbol => None,
        }
    }
}

/// Tokens in one way of writing: a space between two words, none elsewhere.
pub fn squeezed(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut wide = false;
    for token in tokens {
        let word = token.kind != Kind::Symbol;
        if wide && word {
            text.push(' ');
        }
        text.push_str(token.text);
        wide = word || token.is_symbol(')');
    }
    text
}

/// The statements of a text.
///
/// # Errors
/// A string, quoted name or comment has no end.
pub fn statements(text: &str, dialect: Dialect) -> Result<Vec<Statement<'_>>, SqlError> {
    let mut found = Vec::new();
    let mut open: Vec<(Token<'_>, Range<usize>)> = Vec::new();
    let mut lexer = Lexer { text, dialect, at: 0 };
    while let Some((token, range)) = lexer.token()? {
        if token.is_symbol(';') {
            found.extend(close(text, dialect, &mut open));
        } else {
            open.push((token, range));
        }
    }
    found.extend(close(text, dialect, &mut open));
    Ok(found)
}

fn close<'t>(
    text: &'t str,
    dialect: Dialect,
    open: &mut Vec<(Token<'t>, Range<usize>)>,
) -> Option<Statement<'t>> {
    let range = open.first()?.1.start..open.last()?.1.end;
    let line = line(text, range.start);
    let tokens = open.drain(..).map(|(token, _)| token).collect();
    Some(Statement { text: &text[range], line, tokens, dialect })
}

/// The line of a byte of the text, from 1.
pub fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

struct Lexer<'t> {
    text: &'t str,
    dialect: Dialect,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn token(&mut self) -> Result<Option<(Token<'t>, Range<usize>)>, SqlError> {
        self.skip()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match first {
            '\'' => self.quoted(self.dialect == Dialect::ClickHouse)?,
            '"' => self.quoted(self.dialect == Dialect::ClickHouse)?,
            '`' if self.dialect == Dialect::ClickHouse => self.quoted(true)?,
            '$' if self.dollar_tag().is_some() => self.dollar_quoted()?,
            c if is_word(c) => self.word()?,
            c => {
                self.at += c.len_utf8();
                Kind::Symbol
            }
        };
        Ok(Some((Token { kind, text: &self.text[start..self.at] }, start..self.at)))
    }

    /// Passes white space and comments.
    fn skip(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let blank =
                rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            let hash =
                self.dialect == Dialect::ClickHouse && (rest.starts_with("# ") || rest.starts_with("#!"));
            if blank > 0 {
                self.at += blank;
            } else if rest.starts_with("--") || hash {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.block_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn block_comment(&mut self) -> Result<(), SqlError> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else if let Some(c) = rest.chars().next() {
                self.at += c.len_utf8();
            } else {
                return Err(self.unclosed(start, "a comment"));
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// From a quote to the same quote; a doubled one stands for itself.
    fn quoted(&mut self, escapes: bool) -> Result<Kind, SqlError> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map_or('\'', |(_, c)| c);
        let kind = if quote == '\'' { Kind::Text } else { Kind::Name };
        while let Some((offset, c)) = chars.next() {
            let doubled = c == quote && self.rest()[offset + 1..].starts_with(quote);
            if doubled || (c == '\\' && escapes) {
                chars.next();
            } else if c == quote {
                self.at += offset + 1;
                return Ok(kind);
            }
        }
        let opened = if kind == Kind::Text { "a string" } else { "a quoted name" };
        Err(self.unclosed(start, opened))
    }

    /// `$$` or `$tag$`, where the text goes on with one.
    fn dollar_tag(&self) -> Option<&'t str> {
        let rest = self.rest().strip_prefix('$')?;
        let tag = rest.len() - rest.trim_start_matches(is_word).len();
        let digit = rest.starts_with(|c: char| c.is_ascii_digit());
        (rest[tag..].starts_with('$') && !digit).then(|| &self.rest()[..tag + 2])
    }

    fn dollar_quoted(&mut self) -> Result<Kind, SqlError> {
        let tag = self.dollar_tag().unwrap_or("$$");
        let body = &self.rest()[tag.len()..];
        let length = body.find(tag).ok_or_else(|| self.unclosed(self.at, "a dollar-quoted string"))?;
        self.at += tag.len() * 2 + length;
        Ok(Kind::Text)
    }

    fn word(&mut self) -> Result<Kind, SqlError> {
        let rest = self.rest();
        // A word of PostgreSQL may hold a dollar sign, so that `a$b$` opens no quote.
        let goes_on = |c: char| is_word(c) || (c == '$' && self.dialect == Dialect::Postgres);
        let word = &rest[..rest.len() - rest.trim_start_matches(goes_on).len()];
        self.at += word.len();
        if word.eq_ignore_ascii_case("e")
            && self.dialect == Dialect::Postgres
            && self.rest().starts_with('\'')
        {
            return self.quoted(true);
        }
        Ok(Kind::Word)
    }

    fn unclosed(&self, start: usize, opened: &'static str) -> SqlError {
        SqlError { line: line(self.text, start), opened }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl fmt::Display for Statement<'_> {
    /// The first words, for a line that a person reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.tokens.iter().take(6).map(|token| token.text).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str, dialect: Dialect) -> Vec<&str> {
        statements(text, dialect).unwrap().into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_semicolon_in_a_string_a_name_or_a_comment_ends_nothing() {
        let text = "-- a; b\nSELECT ';', \"x;y\" /* ; */ FROM t; # c;\nSELECT 2;;";
        assert_eq!(cut(text, Dialect::ClickHouse), ["SELECT ';', \"x;y\" /* ; */ FROM t", "SELECT 2"]);
    }

    #[test]
    fn a_backslash_escapes_where_the_dialect_says_so() {
        assert_eq!(cut(r"SELECT '\';'; SELECT 2", Dialect::ClickHouse).len(), 2);
        assert_eq!(cut(r"SELECT '\'; SELECT 2", Dialect::Postgres).len(), 2);
        assert_eq!(cut(r"SELECT E'\';'; SELECT 2", Dialect::Postgres).len(), 2);
        assert_eq!(cut("SELECT 'it''s;'; SELECT 2", Dialect::Postgres).len(), 2);
    }

    #[test]
    fn dollar_quotes_and_nested_comments_are_one_piece() {
        let text = "DO $f$ BEGIN; $$ ; $$ END; $f$; /* a /* ; */ ; */ SELECT a$b$, $1; SELECT 3";
        assert_eq!(cut(text, Dialect::Postgres).len(), 3);
        assert_eq!(cut("SELECT 1 /* /* */ ; SELECT 2", Dialect::ClickHouse).len(), 2);
    }

    #[test]
    fn what_has_no_end_is_an_error_with_its_line() {
        let error = |text, dialect| statements(text, dialect).unwrap_err().to_string();
        assert_eq!(
            error("SELECT 1;\nSELECT 'x", Dialect::ClickHouse),
            "line 2: a string that begins here has no end"
        );
        assert_eq!(error("\n\n/* x", Dialect::Postgres), "line 3: a comment that begins here has no end");
        assert_eq!(
            error("$$ x", Dialect::Postgres),
            "line 1: a dollar-quoted string that begins here has no end"
        );
        assert_eq!(error("`x", Dialect::ClickHouse), "line 1: a quoted name that begins here has no end");
    }

    #[test]
    fn a_statement_knows_its_line() {
        let text = "\u{feff}-- head\n\nSELECT 1;\n\n-- more\nSELECT 2";
        let lines: Vec<_> = statements(text, Dialect::Postgres).unwrap().iter().map(|s| s.line).collect();
        assert_eq!(lines, [3, 6]);
    }

    #[test]
    fn types_are_the_same_however_they_are_spaced() {
        let squeeze = |text| squeezed(&statements(text, Dialect::ClickHouse).unwrap()[0].tokens);
        assert_eq!(squeeze("DateTime64( 3 , 'UTC' )"), "DateTime64(3,'UTC')");
        assert_eq!(squeeze("timestamp (3)  with time zone"), "timestamp(3) with time zone");
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_refused_and_no_statement_is_lost(text in "[a-z;'\"`$/*\\\\ \n#-]{0,60}") {
            for dialect in [Dialect::ClickHouse, Dialect::Postgres] {
                let Ok(found) = statements(&text, dialect) else { continue };
                for statement in &found {
                    prop_assert!(text.contains(statement.text));
                    // A statement read again by itself is the same single statement.
                    let again = statements(statement.text, dialect).unwrap();
                    prop_assert_eq!(again.len(), 1);
                    prop_assert_eq!(&again[0].tokens, &statement.tokens);
                }
            }
        }

        #[test]
        fn quoted_values_come_back_as_one_statement_each(values in proptest::collection::vec("[^\\\\']{0,20}", 1..5)) {
            let text = values.iter().map(|value| format!("SELECT '{value}'")).collect::<Vec<_>>().join(";\n");
            for dialect in [Dialect::ClickHouse, Dialect::Postgres] {
                prop_assert_eq!(statements(&text, dialect).unwrap().len(), values.len());
            }
        }
    }
}
