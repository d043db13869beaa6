//! JSON with the line of every value and every key that is there, also those that are there again: what keeps the last
//! of them silently can't judge evidence.

use std::borrow::Cow;

/// Nobody nests evidence deeper.
const DEEPEST: usize = 64;

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// From 1.
    pub line: usize,
    pub value: Value<'t>,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'t str),
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Map(Vec<Member<'t>>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Member<'t> {
    pub key: Cow<'t, str>,
    pub node: Node<'t>,
}

/// A text that is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub what: String,
}

/// Reads a document.
///
/// # Errors
/// Where it is none: the line and what is wrong.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Says whether it is JSON, and where not, better than is done below, which only finds its way in what is.
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| Fault { line: error.line().max(1), what: error.to_string() })?;
    let mut reader = Reader { text, at: 0, line: 1 };
    reader.node(0)
}

impl<'t> Node<'t> {
    /// A member of a map; the last where the key is there again.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        let Value::Map(members) = &self.value else { return None };
        members.iter().rfind(|member| member.key == key).map(|member| &member.node)
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub fn bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self.value { Some(value) } else { None }
    }

    /// A finite number.
    pub fn number(&self) -> Option<f64> {
        let Value::Number(text) = self.value else { return None };
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A whole number without a sign.
    pub fn whole(&self) -> Option<u64> {
        if let Value::Number(text) = self.value { text.parse().ok() } else { None }
    }

    /// What it is, for a finding.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) => (*text).to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(members) => format!("an object with {} keys", members.len()),
        }
    }

    /// Keys that are there again in the same object, wherever that is: where, and the line of the first.
    pub fn doubled(&self) -> Vec<(&Member<'t>, usize)> {
        let mut found = Vec::new();
        self.find_doubled(&mut found);
        found
    }

    fn find_doubled<'n>(&'n self, found: &mut Vec<(&'n Member<'t>, usize)>) {
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.find_doubled(found)),
            Value::Map(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|one, other| one.key.cmp(&other.key));
                for same in sorted.chunk_by(|one, other| one.key == other.key) {
                    found.extend(same.iter().skip(1).map(|again| (*again, same[0].node.line)));
                }
                members.iter().for_each(|member| member.node.find_doubled(found));
            }
            _ => {}
        }
    }
}

/// Walks a text that is known to be JSON.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Reader<'t> {
    fn fault<T>(&self, what: &str) -> Result<T, Fault> {
        Err(Fault { line: self.line, what: what.to_owned() })
    }

    /// The next byte that is no white space; 0 at the end.
    fn peek(&mut self) -> u8 {
        for byte in self.text.as_bytes()[self.at..].iter().copied() {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' => self.line += 1,
                other => return other,
            }
            self.at += 1;
        }
        0
    }

    /// Goes over this byte where it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    fn node(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        if depth > DEEPEST {
            return self.fault("nested too deeply");
        }
        let first = self.peek();
        let line = self.line;
        let value = match first {
            b'{' => self.map(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Value::Text(self.string()?),
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'n' => self.word("null", Value::Null)?,
            _ => Value::Number(self.number()?),
        };
        Ok(Node { line, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.take(b'{');
        let mut members = Vec::new();
        while !self.take(b'}') {
            self.take(b',');
            if self.peek() != b'"' {
                return self.fault("expected a key");
            }
            let key = self.string()?;
            self.take(b':');
            members.push(Member { key, node: self.node(depth + 1)? });
        }
        Ok(Value::Map(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.take(b'[');
        let mut items = Vec::new();
        while !self.take(b']') {
            self.take(b',');
            items.push(self.node(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Result<Value<'t>, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return self.fault("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<&'t str, Fault> {
        let rest = &self.text[self.at..];
        let is_of_it = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let end = rest.bytes().position(|byte| !is_of_it(byte)).unwrap_or(rest.len());
        if !rest[..end].parse().is_ok_and(f64::is_finite) {
            return self.fault("expected a finite number");
        }
        self.at += end;
        Ok(&rest[..end])
    }

    /// With both quotes gone over. A line never ends within a string.
    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        let rest = &self.text[self.at..];
        let mut escaped = false;
        for (at, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'\\' => escaped = !escaped,
                b'"' if !escaped => {
                    self.at += at + 1;
                    return match rest[1..at].contains('\\') {
                        false => Ok(Cow::Borrowed(&rest[1..at])),
                        true => match serde_json::from_str(&rest[..=at]) {
                            Ok(text) => Ok(Cow::Owned(text)),
                            Err(_) => self.fault("expected a text: half of a surrogate pair stands in it"),
                        },
                    };
                }
                _ => escaped = false,
            }
        }
        self.fault("expected a closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Serde;

    fn as_serde(node: &Node<'_>) -> Serde {
        match &node.value {
            Value::Null => Serde::Null,
            Value::Bool(value) => Serde::Bool(*value),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::Text(text) => Serde::String(text.to_string()),
            Value::List(items) => items.iter().map(as_serde).collect(),
            Value::Map(members) => {
                Serde::Object(members.iter().map(|m| (m.key.to_string(), as_serde(&m.node))).collect())
            }
        }
    }

    #[test]
    fn every_value_has_its_line_and_every_key_is_there() {
        let text = "{\n \"a\": [1,\n  {\"b\": true, \"b\": \"x\\\"\\u00e9\"}],\n \"a\": null\n}\n";
        let node = parse(text).unwrap();
        let again: Vec<_> = node.doubled().iter().map(|(m, first)| (&*m.key, m.node.line, *first)).collect();
        assert_eq!(again, [("a", 4, 2), ("b", 3, 3)]);
        assert_eq!(node.get("a").map(|node| (node.line, node.shown())), Some((4, "null".to_owned())));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("{", 1),
            ("{}\n\nx", 3),
            ("{\"a\":\n NaN}", 2),
            ("[1,]", 1),
            ("[01]", 1),
            ("[\n1e999]", 2),
            ("\"\\ud800\"", 1),
            ("{\"a\" 1}", 1),
        ] {
            assert_eq!(parse(text).map(|_| ()).map_err(|fault| fault.line), Err(line), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
        assert_eq!(parse(&deep).unwrap_err().what, "nested too deeply");
    }

    fn any_json() -> impl Strategy<Value = Serde> {
        let leaf = prop_oneof![
            Just(Serde::Null),
            any::<bool>().prop_map(Serde::from),
            any::<i64>().prop_map(Serde::from),
            any::<f64>().prop_map(Serde::from),
            any::<String>().prop_map(Serde::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Serde::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Serde::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_is_read_as_it_meant_it(json in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
            prop_assert_eq!(as_serde(&parse(&text.unwrap()).unwrap()), json);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), odd in "[\\[\\]{}\":,\\\\ntrue0-9.eE\n -]{0,40}") {
            for text in [text, odd] {
                let serde: Result<Serde, _> = serde_json::from_str(&text);
                let read = parse(&text);
                prop_assert!(read.is_err() || serde.is_ok(), "{text}");
            }
        }
    }
}
