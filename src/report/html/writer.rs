//! Writes HTML of which no part can come of evidence but as text: names of elements and attributes are ours, and
//! whatever else is written is escaped. There is no way around it.

use std::fmt::{self, Write};

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
}

/// An attribute: its name, and its value as text.
pub(super) type Attribute<'a> = (&'static str, &'a str);

impl Html {
    /// An element with what is inside.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        inside: impl FnOnce(&mut Html),
    ) {
        self.open(name, attributes);
        inside(self);
        for part in ["</", name, ">"] {
            self.out.push_str(part);
        }
    }

    /// An element that has no inside and no end: `meta`.
    pub fn void(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.open(name, attributes);
    }

    /// An element with text inside.
    pub fn leaf(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: impl fmt::Display) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// Text.
    pub fn text(&mut self, text: impl fmt::Display) {
        // Writing to a String can't fail.
        let _ = write!(Escaped(&mut self.out), "{text}");
    }

    /// The one text that is not escaped, since HTML does not read escapes within a style: it is a constant of ours.
    pub fn style(&mut self, style: &'static str) {
        self.out.push_str(style);
    }

    /// A line's end, for whoever reads the source.
    pub fn newline(&mut self) {
        self.out.push('\n');
    }

    /// The document's type and everything that was written.
    pub fn finish(self) -> String {
        format!("<!doctype html>\n{}\n", self.out)
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            for part in [" ", name, "=\""] {
                self.out.push_str(part);
            }
            self.text(value);
            self.out.push('"');
        }
        self.out.push('>');
    }
}

/// Escapes for text and for attributes in double quotes alike.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (before, from) = rest.split_at(at);
            self.0.push_str(before);
            self.0.push_str(match from.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            });
            rest = &from[1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut html = Html::default();
        html.leaf("p", &[("title", "\"'><b>")], "<script>&amp;</script>'\"");
        let expected = "<!doctype html>\n<p title=\"&quot;&#39;&gt;&lt;b&gt;\">&lt;script&gt;&amp;amp;&lt;/script&gt;&#39;&quot;</p>\n";
        assert_eq!(html.finish(), expected);
    }

    proptest! {
        #[test]
        fn no_text_brings_markup(text in any::<String>()) {
            let mut html = Html::default();
            html.text(&text);
            prop_assert!(!html.out.contains(['<', '>', '"', '\'']));
            let back = html.out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), text);
        }
    }
}
