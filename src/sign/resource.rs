//! What a statement points at: in-toto's ResourceDescriptor, version 1.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The digest that everything here is bound by.
const SHA256: &str = "sha256";

/// A resource. It has at least a URI or a digest, or it points at nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// What it is called among others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is called everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests in hex, by algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// Its content as base64, where it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// `application/json`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Whatever else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

impl ResourceDescriptor {
    /// A file by its name and SHA-256, in hex.
    pub fn file(name: impl Into<String>, sha256: impl Into<String>) -> ResourceDescriptor {
        let digest = BTreeMap::from([(SHA256.to_owned(), sha256.into())]);
        ResourceDescriptor { name: Some(name.into()), digest, ..ResourceDescriptor::default() }
    }

    /// Something by its URI and SHA-256, in hex.
    pub fn resource(uri: impl Into<String>, sha256: impl Into<String>) -> ResourceDescriptor {
        let digest = BTreeMap::from([(SHA256.to_owned(), sha256.into())]);
        ResourceDescriptor { uri: Some(uri.into()), digest, ..ResourceDescriptor::default() }
    }

    /// Its SHA-256, in hex, where it has one.
    pub fn sha256(&self) -> Option<&str> {
        self.digest.get(SHA256).map(String::as_str)
    }

    /// What is wrong with it, in words.
    pub(super) fn fault(&self) -> Option<String> {
        if self.uri.is_none() && self.digest.is_empty() && self.content.is_none() {
            return Some("has no uri, no digest and no content".to_owned());
        }
        if let Some(uri) = self.uri.as_deref().filter(|uri| !is_uri(uri)) {
            return Some(format!("has the uri {:?}, which has no scheme", short(uri)));
        }
        let bad = self.digest.iter().find(|(algorithm, digest)| !is_digest(algorithm, digest));
        bad.map(|(algorithm, digest)| {
            format!("has the digest {:?} {:?}, expected lower-case hex", short(algorithm), short(digest))
        })
    }
}

fn is_digest(algorithm: &str, digest: &str) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    match algorithm {
        SHA256 => digest.len() == 64 && digest.bytes().all(hex),
        // Others need not be hex: `dirHash` is base64.
        _ => !digest.is_empty(),
    }
}

/// Whether a text has a URI's form (RFC 3986): a scheme, a colon, something behind it, and no white space.
pub(super) fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_ascii_graphic())
    })
}

/// So much of a text as an error tells.
pub(super) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
