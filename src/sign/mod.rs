//! Keys, signatures and what is signed: DSSE envelopes over in-toto Statements. Bytes in, bytes out: it reads no file
//! and judges no run. Private keys are in no `Debug`, no error and no message.

mod key;

pub use key::{Algorithm, KeyError, KeyId, PublicKey};
