//! Files against what their journal gives, by meaning: order, comments and white space are anybody's, what is said is
//! not. Two texts in, differences out; it knows no path and no run.

mod env;
mod json;
mod rows;
mod xml;

#[cfg(test)]
mod tests;

pub(super) use json::{no_key_twice, values};

/// So many differences of a file are told.
pub(super) const MOST: usize = 20;

/// Something that a file says otherwise than it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// A key, a cell, an element.
    pub subject: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What the journal says.
    pub expected: String,
    /// What the file says.
    pub seen: String,
    /// Whether the file only says more or less than it must; another version of cutproof may do that.
    pub only_form: bool,
}

impl Difference {
    fn other(subject: impl Into<String>, line: Option<usize>, expected: &str, seen: &str) -> Difference {
        let (expected, seen) = (super::finding::quoted(expected), super::finding::quoted(seen));
        Difference { subject: subject.into(), line, expected, seen, only_form: false }
    }

    fn form(self) -> Difference {
        Difference { only_form: true, ..self }
    }
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `KEY=VALUE` lines.
    Env,
    /// One JSON value.
    Json,
    /// Rows of cells.
    Csv,
    /// JUnit.
    Xml,
}

impl Form {
    /// By a file's name.
    pub fn of(path: &str) -> Option<Form> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "env" => Some(Form::Env),
            "json" => Some(Form::Json),
            "csv" => Some(Form::Csv),
            "xml" => Some(Form::Xml),
            _ => None,
        }
    }
}

/// What a file says otherwise than `expected` does: at most [`MOST`].
pub(super) fn differences(form: Form, expected: &str, seen: &str) -> Vec<Difference> {
    let mut differences = match form {
        Form::Env => env::differences(expected, seen),
        Form::Json => json::differences(expected, seen),
        Form::Csv => rows::differences(expected, seen),
        Form::Xml => xml::differences(expected, seen),
    };
    differences.truncate(MOST);
    differences
}

/// What a file says it is: the projection's name, its version as it is written, and its run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub projection: Option<String>,
    pub version: Option<String>,
    pub run: Option<String>,
}

/// Reads what a file says it is; nothing of files that have no place for it.
pub(super) fn origin(form: Form, text: &str) -> Origin {
    match form {
        Form::Env => env::origin(text),
        Form::Json => json::origin(text),
        Form::Csv | Form::Xml => Origin::default(),
    }
}
