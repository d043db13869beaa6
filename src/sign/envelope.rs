//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse>, `protocol.md` and `envelope.md`, version 1): a payload
//! with signatures over its pre-authentication encoding. Only in-toto Statements are carried.

use super::base64;
use super::json::{self, JsonError};
use super::key::{KeyId, PublicKey};
use super::private::PrivateKey;
use super::statement::{Statement, StatementError};
use serde::Deserialize;
use serde_json::{Value, json};

/// The only type of payload that is read and written.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The largest envelope that is read, in bytes: some 50 times that of a run with 1,000 gates.
pub const MAX_ENVELOPE: usize = 4 << 20;
/// The largest payload that is written: with as many signatures as there may be, it can be read again.
pub(super) const MAX_PAYLOAD: usize = (MAX_ENVELOPE - (64 << 10)) / 4 * 3;
/// The most signatures that an envelope may have.
pub const MAX_SIGNATURES: usize = 64;

/// A payload and its signatures. That it could be read says nothing of them: see [`Envelope::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// A signature, of which nothing is known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it says it is. Nobody signs that: it is a hint, and no more.
    pub keyid: String,
    /// Its bytes.
    pub sig: Vec<u8>,
}

/// Why some bytes are no envelope that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is too large to be read.
    #[error("expected at most {MAX_ENVELOPE} bytes, and it has {0}")]
    TooLarge(usize),
    /// It is not JSON that all read alike.
    #[error("expected a DSSE envelope as JSON: {0}")]
    Json(JsonError),
    /// It is JSON and has not what an envelope must have.
    #[error("expected a DSSE envelope with payload, payloadType and signatures: {0}")]
    Shape(JsonError),
    /// A payload of another type.
    #[error("expected the payload type {PAYLOAD_TYPE}, and it is {0:?}")]
    PayloadType(String),
    /// What it carries is cut off, or no base64.
    #[error("expected {0} as padded base64: it is cut off, or something else stands in it")]
    Base64(String),
    /// Nobody signed it.
    #[error("expected at least one signature, and there is none")]
    NoSignature,
    /// More signatures than anyone needs.
    #[error("expected at most {MAX_SIGNATURES} signatures, and there are {0}")]
    TooManySignatures(usize),
    /// What it carries is an envelope again.
    #[error(
        "expected an in-toto Statement in it, and it is another envelope: who signed what would not be plain"
    )]
    Nested,
}

/// What became of an envelope's signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The keys that signed it, each once, in the order of their signatures.
    pub by: Vec<KeyId>,
    /// The signatures that don't count.
    pub ignored: Vec<Ignored>,
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its place among the envelope's signatures, from 1.
    pub number: usize,
    /// Whose it says it is.
    pub keyid: String,
    /// Why it does not count.
    pub why: Why,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is of none of the keys.
    Foreign,
    /// It says that it is of this key, and that does not verify it: it, the payload or the hint was changed.
    Broken(KeyId),
    /// This key has signed already.
    Again(KeyId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    payload: String,
    payload_type: String,
    signatures: Vec<WrittenSignature>,
}

#[derive(Deserialize)]
struct WrittenSignature {
    #[serde(default)]
    keyid: Option<String>,
    sig: String,
}

impl Envelope {
    /// Reads an envelope. Fields that are not known are passed over, as the format asks.
    ///
    /// # Errors
    /// Where it is no envelope, or one that is not used here.
    pub fn parse(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let value = json::parse(bytes).map_err(EnvelopeError::Json)?;
        let written =
            Written::deserialize(value).map_err(|error| EnvelopeError::Shape(JsonError::of(&error)))?;
        if written.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType(written.payload_type.chars().take(100).collect()));
        }
        match written.signatures.len() {
            0 => return Err(EnvelopeError::NoSignature),
            count if count > MAX_SIGNATURES => return Err(EnvelopeError::TooManySignatures(count)),
            _ => {}
        }
        let payload = base64::decode(&written.payload)
            .ok_or_else(|| EnvelopeError::Base64("the payload".to_owned()))?;
        if is_envelope(&payload) {
            return Err(EnvelopeError::Nested);
        }
        let signatures = written.signatures.into_iter().enumerate().map(|(place, signature)| {
            let sig = base64::decode(&signature.sig)
                .ok_or_else(|| EnvelopeError::Base64(format!("signature {}", place + 1)))?;
            Ok(Signature { keyid: signature.keyid.unwrap_or_default(), sig })
        });
        Ok(Envelope { payload, signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// A statement, signed with these keys.
    ///
    /// # Errors
    /// Where the statement is not as its type asks: that is not signed.
    pub fn sign(statement: &Statement, keys: &[&PrivateKey]) -> Result<Envelope, StatementError> {
        Ok(Envelope::over(statement.to_payload()?, keys))
    }

    /// A payload, signed with these keys, whatever it is.
    pub(super) fn over(payload: Vec<u8>, keys: &[&PrivateKey]) -> Envelope {
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        for key in keys {
            envelope.add_signature(key);
        }
        envelope
    }

    /// Adds a key's signature over the same payload. Gives whether it was added: not so where that key has signed
    /// already.
    pub fn add_signature(&mut self, key: &PrivateKey) -> bool {
        let message = self.message();
        if self.signatures.iter().any(|signature| key.public().verifies(&message, &signature.sig)) {
            return false;
        }
        let keyid = key.public().id().to_string();
        self.signatures.push(Signature { keyid, sig: key.sign(&message) });
        true
    }

    /// Which of these keys have signed it, and which signatures don't count. Every signature is tried with every key:
    /// what a signature says of its key is no proof, neither for nor against it.
    pub fn verify(&self, keys: &[PublicKey]) -> Verified {
        let message = self.message();
        let mut verified = Verified { by: Vec::new(), ignored: Vec::new() };
        for (place, signature) in self.signatures.iter().enumerate() {
            let why = match keys.iter().find(|key| key.verifies(&message, &signature.sig)) {
                Some(key) if verified.by.contains(key.id()) => Why::Again(key.id().clone()),
                Some(key) => {
                    verified.by.push(key.id().clone());
                    continue;
                }
                None => match keys.iter().find(|key| key.id().as_str() == signature.keyid) {
                    Some(key) => Why::Broken(key.id().clone()),
                    None => Why::Foreign,
                },
            };
            verified.ignored.push(Ignored { number: place + 1, keyid: signature.keyid.clone(), why });
        }
        verified
    }

    /// What is signed. It says something only where [`Envelope::verify`] names a key that is trusted.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as a statement.
    ///
    /// # Errors
    /// Where it is none.
    pub fn statement(&self) -> Result<Statement, StatementError> {
        Statement::parse(&self.payload)
    }

    /// The signatures, of which nothing is known.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The envelope as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let signatures: Vec<Value> = self
            .signatures
            .iter()
            .map(|signature| json!({"keyid": signature.keyid, "sig": base64::encode(&signature.sig)}))
            .collect();
        let envelope = json!({
            "payload": base64::encode(&self.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": signatures,
        });
        format!("{envelope:#}\n").into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        pre_authentication_encoding(PAYLOAD_TYPE, &self.payload)
    }
}

/// What is signed of a payload, so that no two types and payloads are signed alike.
pub(super) fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

/// Whether a payload is an envelope again: those who look for a statement and those who look for an envelope would
/// find different things in it.
fn is_envelope(payload: &[u8]) -> bool {
    let value: Result<Value, _> = serde_json::from_slice(payload);
    value.is_ok_and(|value| value.get("payload").is_some() && value.get("signatures").is_some())
}
