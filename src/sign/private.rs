//! Private keys. They come and go as PEM, leave no trace in a message, and are wiped when they are let go.

use super::key::{Algorithm, KeyError, PublicKey, Verifying};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{SecretKey, Signer as _};
use p256::pkcs8::LineEnding;
use std::fmt;
use zeroize::Zeroizing;

/// So often a random number is drawn anew where it is no key of P-256; one in 2^32 is none.
const DRAWS: usize = 16;

/// A private key.
pub struct PrivateKey {
    key: Signing,
    public: PublicKey,
}

enum Signing {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
}

/// The system gave no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected random numbers from the system for a new key: {0}")]
pub struct RandomError(String);

impl PrivateKey {
    /// A new key, from the system's random source.
    ///
    /// # Errors
    /// Where that gives nothing.
    pub fn generate(algorithm: Algorithm) -> Result<PrivateKey, RandomError> {
        for _ in 0..DRAWS {
            let drawn = random()?;
            let key = match algorithm {
                Algorithm::Ed25519 => Some(Signing::Ed25519(ed25519_dalek::SigningKey::from_bytes(&drawn))),
                Algorithm::EcdsaP256 => {
                    p256::ecdsa::SigningKey::from_slice(&drawn[..]).ok().map(Signing::EcdsaP256)
                }
            };
            if let Some(key) = key.and_then(|key| PrivateKey::of(key).ok()) {
                return Ok(key);
            }
        }
        Err(RandomError(format!("{DRAWS} numbers in a row were no key")))
    }

    /// Reads a key as PEM: PKCS#8, and SEC1 (`EC PRIVATE KEY`) for ECDSA P-256.
    ///
    /// # Errors
    /// Where it is none, another kind, encrypted, or a public one. The error never quotes the text.
    pub fn from_pem(pem: &str) -> Result<PrivateKey, KeyError> {
        let pem = pem.trim();
        let label = pem.lines().next().unwrap_or_default().trim_end();
        let key = match label {
            "-----BEGIN PRIVATE KEY-----" => pkcs8(pem),
            "-----BEGIN EC PRIVATE KEY-----" if pem.contains("ENCRYPTED") => return Err(KeyError::Encrypted),
            "-----BEGIN EC PRIVATE KEY-----" => {
                p256::SecretKey::from_sec1_pem(pem).ok().map(|key| Signing::EcdsaP256(key.into()))
            }
            "-----BEGIN ENCRYPTED PRIVATE KEY-----" => return Err(KeyError::Encrypted),
            "-----BEGIN PUBLIC KEY-----" => return Err(KeyError::Public),
            _ => None,
        };
        PrivateKey::of(key.ok_or(KeyError::NoPrivateKey)?)
    }

    fn of(key: Signing) -> Result<PrivateKey, KeyError> {
        let public = PublicKey::of(match &key {
            Signing::Ed25519(key) => Verifying::Ed25519(key.verifying_key()),
            Signing::EcdsaP256(key) => Verifying::EcdsaP256(*key.verifying_key()),
        })?;
        Ok(PrivateKey { key, public })
    }

    /// The key as PKCS#8 PEM, as openssl writes it; wiped when it is let go.
    ///
    /// # Errors
    /// Never for a key that was read or made; the encoder says that it may.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pem = match &self.key {
            // Without the public half: openssl does not read the newer form that has it.
            Signing::Ed25519(key) => {
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
            }
            Signing::EcdsaP256(key) => {
                p256::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_pem(LineEnding::LF)
            }
        };
        pem.map_err(|_| KeyError::NoPrivateKey)
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. Ed25519: 64 bytes; ECDSA: ASN.1 DER over the message's SHA-256, with RFC 6979's number. The
    /// same key and message always give the same signature.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Signing::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Signing::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

fn pkcs8(pem: &str) -> Option<Signing> {
    let ed25519 = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(Signing::Ed25519);
    ed25519.or_else(|_| p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map(Signing::EcdsaP256)).ok()
}

/// A random number of a key's length.
fn random() -> Result<Zeroizing<SecretKey>, RandomError> {
    let mut drawn = Zeroizing::new(SecretKey::default());
    let mut filled = 0;
    while filled < drawn.len() {
        match rustix::rand::getrandom(&mut drawn[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(0) => return Err(RandomError("it gave none".to_owned())),
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(RandomError(error.to_string())),
        }
    }
    Ok(drawn)
}
