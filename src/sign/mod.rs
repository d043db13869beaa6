//! Keys, signatures and what is signed: DSSE envelopes over in-toto Statements. Bytes in, bytes out: it reads no file
//! and judges no run. Private keys are in no `Debug`, no error and no message.

mod base64;
mod envelope;
mod json;
mod key;
mod predicate;
mod private;
mod resource;
mod statement;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use envelope::{
    Envelope, EnvelopeError, Ignored, MAX_ENVELOPE, MAX_SIGNATURES, PAYLOAD_TYPE, Signature, Verified, Why,
};
pub use json::JsonError;
pub use key::{Algorithm, KeyError, KeyId, PublicKey};
pub use predicate::{
    Approval, Predicate, TestOutcome, TestResult, VerificationResult, VerificationSummary, Verifier, uri,
};
pub use private::{PrivateKey, RandomError};
pub use resource::ResourceDescriptor;
pub use statement::{STATEMENT_TYPE, Statement, StatementError};
