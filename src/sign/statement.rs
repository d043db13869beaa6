//! in-toto Statements, version 1: what is said (a predicate) of what (subjects, by their digests).

use super::envelope::MAX_PAYLOAD;
use super::json::{self, JsonError};
use super::predicate::{Approval, Predicate, uri};
use super::resource::{ResourceDescriptor, short};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The type of every statement that is read and written.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What is said of what.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Of what; each has a digest.
    pub subjects: Vec<ResourceDescriptor>,
    /// What.
    pub predicate: Predicate,
}

/// Why a payload is no statement that can be used, or a statement none that can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It is not JSON that all read alike.
    #[error("expected an in-toto Statement as JSON: {0}")]
    Json(JsonError),
    /// It is JSON and has not what a statement must have.
    #[error("expected an in-toto Statement with _type, subject, predicateType and predicate: {0}")]
    Shape(JsonError),
    /// A statement of another version, or none.
    #[error("expected _type {STATEMENT_TYPE}, and it is {0:?}")]
    Type(String),
    /// The predicate has not what its type asks.
    #[error("expected a predicate of the type {kind}: {why}")]
    Predicate {
        /// The type's URI.
        kind: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody could read it again.
    #[error("expected a statement of at most {MAX_PAYLOAD} bytes, and it has {0}")]
    TooLarge(usize),
    /// Its subjects can't be told.
    #[error("expected subjects with digests: {0}")]
    Subject(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<ResourceDescriptor>,
    predicate_type: String,
    #[serde(default)]
    predicate: Map<String, Value>,
}

impl Statement {
    /// That somebody stands for a file, by its name and SHA-256 in hex, in this role. The same file and role always
    /// give the same bytes, so that several people sign one payload.
    pub fn approval(name: &str, sha256: &str, role: &str) -> Statement {
        let extensions = BTreeMap::from([(uri::ROLE.to_owned(), Value::from(role))]);
        Statement {
            subjects: vec![ResourceDescriptor::file(name, sha256)],
            predicate: Predicate::Approval(Approval { extensions }),
        }
    }

    /// Reads a payload, ours or another's. Fields that are not known are passed over, as in-toto asks.
    ///
    /// # Errors
    /// Where it is no statement, or its predicate is of a known type and not as that asks.
    pub fn parse(payload: &[u8]) -> Result<Statement, StatementError> {
        let value = json::parse(payload).map_err(StatementError::Json)?;
        let written =
            Written::deserialize(value).map_err(|error| StatementError::Shape(JsonError::of(&error)))?;
        if written.kind != STATEMENT_TYPE {
            return Err(StatementError::Type(short(&written.kind)));
        }
        let kind = written.predicate_type;
        let predicate = Predicate::read(kind.clone(), Value::Object(written.predicate)).map_err(|error| {
            StatementError::Predicate { kind: short(&kind), why: short(&error.to_string()) }
        })?;
        let statement = Statement { subjects: written.subject, predicate };
        statement.check()?;
        Ok(statement)
    }

    /// The statement as the bytes that are signed. The same statement always gives the same bytes.
    ///
    /// # Errors
    /// Where it is not as its type asks.
    pub fn to_payload(&self) -> Result<Vec<u8>, StatementError> {
        self.check()?;
        let kind = self.predicate.kind();
        let of_predicate = |why| StatementError::Predicate { kind: short(kind), why };
        if let Some(why) = self.predicate.fault_of_ours() {
            return Err(of_predicate(why));
        }
        let predicate = self.predicate.write().map_err(|error| of_predicate(error.to_string()))?;
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": self.subjects,
            "predicateType": kind,
            "predicate": predicate,
        });
        let payload = statement.to_string().into_bytes();
        match payload.len() {
            size if size > MAX_PAYLOAD => Err(StatementError::TooLarge(size)),
            _ => Ok(payload),
        }
    }

    /// Whether one of its subjects has this SHA-256, in hex. Subjects are told by their digests alone.
    pub fn is_about(&self, sha256: &str) -> bool {
        self.subjects.iter().any(|subject| subject.sha256() == Some(sha256))
    }

    /// As what the signer signed, where it says so.
    pub fn role(&self) -> Option<&str> {
        self.predicate.extensions()?.get(uri::ROLE)?.as_str()
    }

    fn check(&self) -> Result<(), StatementError> {
        if self.subjects.is_empty() {
            return Err(StatementError::Subject("there is none".to_owned()));
        }
        for (place, subject) in self.subjects.iter().enumerate() {
            let fault =
                subject.digest.is_empty().then(|| "has no digest".to_owned()).or_else(|| subject.fault());
            if let Some(fault) = fault {
                return Err(StatementError::Subject(format!("subject[{place}] {fault}")));
            }
        }
        match self.predicate.fault() {
            Some(why) => Err(StatementError::Predicate { kind: short(self.predicate.kind()), why }),
            None => Ok(()),
        }
    }
}
