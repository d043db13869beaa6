//! The files of TLS: authorities, our certificate, its key. Each fault names the key of the profile and the file, and
//! nothing of what a file holds is repeated.

use crate::model::service::Tls;
use crate::probe::ProbeError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// A list of all authorities of the world has a quarter of this.
const LARGEST: u64 = 1 << 20;

/// What the files hold.
pub(super) struct Files {
    /// Who vouches for servers.
    pub authorities: Vec<CertificateDer<'static>>,
    /// As whom we are known.
    pub identity: Option<Identity>,
}

/// A certificate with those that vouch for it, and its key.
pub(super) struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    /// The key's file as it is.
    pub pem: Zeroizing<Vec<u8>>,
}

impl Files {
    pub fn read(tls: &Tls) -> Result<Files, ProbeError> {
        let authorities = match &tls.ca {
            Some(file) => certificates("tls.ca", file)?,
            None => of_system()?,
        };
        let identity = match (&tls.certificate, &tls.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let chain = certificates("tls.certificate", certificate)?;
                let (key, pem) = private_key(key)?;
                Some(Identity { chain, key, pem })
            }
            (Some(_), None) => return Err(half("tls.certificate", "tls.key")),
            (None, Some(_)) => return Err(half("tls.key", "tls.certificate")),
        };
        Ok(Files { authorities, identity })
    }
}

fn half(there: &str, lacking: &str) -> ProbeError {
    ProbeError(format!("`{there}` is set and `{lacking}` is not: expected both, or neither"))
}

fn of_system() -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    static FOUND: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let found = FOUND.get_or_init(|| rustls_native_certs::load_native_certs().certs);
    if found.is_empty() {
        return Err(ProbeError::new(
            "expected the system's list of authorities, and there is none on this machine: install its package \
             ca-certificates, or name the file of the server's authority in `tls.ca`",
        ));
    }
    Ok(found.clone())
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    const EXPECTED: &str = "certificates in PEM (-----BEGIN CERTIFICATE-----)";
    let bytes = bytes(key, file, EXPECTED)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(fault(key, file, EXPECTED, "none")),
        Err(_) => Err(fault(key, file, EXPECTED, "one that is cut off or damaged")),
    }
}

fn private_key(file: &Path) -> Result<(PrivateKeyDer<'static>, Zeroizing<Vec<u8>>), ProbeError> {
    const EXPECTED: &str = "a private key in PEM, without a passphrase (-----BEGIN PRIVATE KEY-----)";
    const LOCKED: &[u8] = b"ENCRYPTED";
    let bytes = Zeroizing::new(bytes("tls.key", file, EXPECTED)?);
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok((key, bytes)),
        Err(_) => {
            let locked = bytes.windows(LOCKED.len()).any(|window| window == LOCKED);
            Err(fault("tls.key", file, EXPECTED, if locked { "one with a passphrase" } else { "none" }))
        }
    }
}

fn bytes(key: &str, file: &Path, expected: &str) -> Result<Vec<u8>, ProbeError> {
    let wrong = |seen: &str| fault(key, file, expected, seen);
    let about = std::fs::metadata(file).map_err(|error| wrong(&error.to_string()))?;
    if !about.is_file() {
        return Err(wrong("no regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(&error.to_string()))?;
    if bytes.len() as u64 > LARGEST { Err(wrong("more than 1 MiB")) } else { Ok(bytes) }
}

fn fault(key: &str, file: &Path, expected: &str, seen: &str) -> ProbeError {
    ProbeError(format!("`{key}`: expected {expected} in {}, seen: {seen}", file.display()))
}
