//! Keys as PEM: SPKI for public ones, PKCS#8 for private ones.

use ed25519_dalek::pkcs8::DecodePublicKey as _;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA over NIST P-256 with SHA-256; signatures are ASN.1 DER, as DSSE's other tools write them.
    EcdsaP256,
}

impl Algorithm {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaP256 => "ecdsa-p256",
        }
    }
}

/// A key's name: SHA-256 of its public half as SPKI DER, in hex. So two files with the same key have one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no key. It never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither of the two kinds of public key.
    #[error("expected a public key as PEM (`-----BEGIN PUBLIC KEY-----`), of Ed25519 or ECDSA P-256")]
    NoPublicKey,
    /// A private key where a public one belongs.
    #[error("expected a public key, and this is a private one: it must not lie here")]
    Private,
    /// Neither of the two kinds of private key.
    #[error(
        "expected a private key as PEM (`-----BEGIN PRIVATE KEY-----`), of Ed25519 or ECDSA P-256; \
         `cutproof keygen` makes one"
    )]
    NoPrivateKey,
    /// A public key where a private one belongs.
    #[error("expected a private key, and this is a public one")]
    Public,
    /// A key under a passphrase.
    #[error(
        "expected a private key that is not encrypted: `openssl pkey -in KEY` decrypts it, and its output can be \
         given on standard input, with --key -"
    )]
    Encrypted,
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Verifying,
    id: KeyId,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Verifying {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Reads a key as PEM.
    ///
    /// # Errors
    /// Where it is none, or another kind, or a private one.
    pub fn from_pem(pem: &str) -> Result<PublicKey, KeyError> {
        let pem = pem.trim();
        if pem.starts_with("-----BEGIN")
            && pem.lines().next().is_some_and(|line| line.contains("PRIVATE KEY"))
        {
            return Err(KeyError::Private);
        }
        let ed25519 = ed25519_dalek::VerifyingKey::from_public_key_pem(pem).map(Verifying::Ed25519);
        let key = ed25519
            .or_else(|_| p256::ecdsa::VerifyingKey::from_public_key_pem(pem).map(Verifying::EcdsaP256));
        PublicKey::of(key.map_err(|_| KeyError::NoPublicKey)?)
    }

    pub(super) fn of(key: Verifying) -> Result<PublicKey, KeyError> {
        let der = match &key {
            Verifying::Ed25519(key) => key.to_public_key_der(),
            Verifying::EcdsaP256(key) => key.to_public_key_der(),
        };
        let der = der.map_err(|_| KeyError::NoPublicKey)?;
        let id = Sha256::digest(der.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PublicKey { key, id: KeyId(id) })
    }

    /// What it is called by.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key as SPKI PEM, as openssl writes it.
    ///
    /// # Errors
    /// Never for a key that was read or made; the encoder says that it may.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = match &self.key {
            Verifying::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Verifying::EcdsaP256(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(|_| KeyError::NoPublicKey)
    }

    /// Whether a signature is this key's over this message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            // Strict: keys of small order, under which one signature fits many messages, verify nothing.
            Verifying::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Verifying::EcdsaP256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Verifying::Ed25519(_) => Algorithm::Ed25519,
            Verifying::EcdsaP256(_) => Algorithm::EcdsaP256,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm().as_str(), self.id)
    }
}
