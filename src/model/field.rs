//! Declared settings. A table of a profile is described once, by its fields: the decoder, the JSON Schema, the
//! docs and the error messages all read that description.

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// What holds where it is absent.
    pub presence: Presence,
    /// One line for the docs and the editor.
    pub about: &'static str,
}

/// A key of a table that is of no plain kind: whoever declares it reads it.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    /// The key.
    pub name: &'static str,
    /// One line for the docs and the editor.
    pub about: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may be absent, and then nothing is set.
    Optional,
    /// Where absent, as if this text (in TOML syntax) stood there.
    Default(&'static str),
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A text of these.
    Choice(&'static [&'static str]),
    /// True or false.
    Bool,
    /// A whole number in these bounds.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A finite number.
    Number,
    /// A duration with its unit: `200ms`. Kept in milliseconds.
    Duration,
    /// A size with its unit: `10MiB`. Kept in bytes.
    Bytes,
    /// A list of texts.
    Texts,
    /// Names with texts.
    Map,
    /// A regular expression.
    Regex,
    /// A table of its own.
    Table(&'static [Field]),
    /// A list of tables.
    Tables(&'static [Field]),
}

impl Field {
    /// A key that must be there.
    pub const fn required(name: &'static str, kind: FieldKind, about: &'static str) -> Field {
        Field { name, kind, presence: Presence::Required, about }
    }

    /// A key that may be absent.
    pub const fn optional(name: &'static str, kind: FieldKind, about: &'static str) -> Field {
        Field { name, kind, presence: Presence::Optional, about }
    }

    /// A key with a default, in TOML syntax: `"\"5s\""`, `"6"`, `"[]"`.
    pub const fn with_default(
        name: &'static str,
        kind: FieldKind,
        default: &'static str,
        about: &'static str,
    ) -> Field {
        Field { name, kind, presence: Presence::Default(default), about }
    }
}
