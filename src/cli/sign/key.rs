//! Where private keys come from: a file, a variable, standard input. They are held in memory that is wiped.

use super::super::{Refusal, Result, tell};
use crate::sign::PrivateKey;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use zeroize::Zeroizing;

/// The largest file that is read as a key, in bytes.
const LARGEST: u64 = 64 << 10;
const ENVIRONMENT: &str = "env:";

/// Reads the private key that `--key` names.
pub fn read(from: &str) -> Result<PrivateKey> {
    let refused = |error: String| Refusal(format!("the key of --key {from}: {error}"));
    let text = match from.strip_prefix(ENVIRONMENT) {
        _ if from == "-" => text(std::io::stdin().lock()),
        Some(name) => variable(name),
        None => open(from).and_then(text),
    };
    let text = text.map_err(refused)?;
    PrivateKey::from_pem(&text).map_err(|error| refused(error.to_string()))
}

fn variable(name: &str) -> std::result::Result<Zeroizing<String>, String> {
    match std::env::var(name).map(Zeroizing::new) {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(_) => Err(format!("expected a private key in the variable {name}, and it is empty")),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("expected a private key in the variable {name}, and it is not set"))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the variable {name} is no text")),
    }
}

/// Opens a key's file. A pipe that a shell gives (`<(…)`) is fine, since somebody writes to it.
fn open(path: &str) -> std::result::Result<File, String> {
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty());
    let file = opened.map(File::from).map_err(|error| format!("cannot open it: {error}"))?;
    let about = file.metadata().map_err(|error| format!("cannot open it: {error}"))?;
    if about.is_file() && about.permissions().mode() & 0o077 != 0 {
        tell(&format!("warning: {path} can be read by others than its owner: `chmod 600 {path}`\n"));
    }
    Ok(file)
}

fn text(from: impl Read) -> std::result::Result<Zeroizing<String>, String> {
    // As large as it may become, so that no copy of it is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 2));
    let read = from.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("expected a private key of at most {LARGEST} bytes, and there is more"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("expected a private key as PEM, and it is no text".to_owned()),
    }
}
