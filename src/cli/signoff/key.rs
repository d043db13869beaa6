//! The private key of whoever signs off, from a file, a variable or standard input. It is never told of in a message.

use crate::cli::{Refusal, Result};
use crate::sign::PrivateKey;
use crate::template::read_text;
use std::io::Read as _;
use std::path::Path;

/// The largest key that is read from standard input, in bytes.
const LARGEST: u64 = 64 << 10;

/// The flag.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// The private key that signs it, as PEM: a file, `-` for standard input, or `env:NAME` for a variable
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Key {
    /// Reads it.
    ///
    /// # Errors
    /// Where it can't be read or is no private key; what was read is not quoted.
    pub fn read(&self) -> Result<Option<PrivateKey>> {
        let Some(given) = &self.key else { return Ok(None) };
        let refused = |why: &dyn std::fmt::Display| Refusal(format!("--key {given}: {why}"));
        let pem = match (given.as_str(), given.strip_prefix("env:")) {
            ("-", _) => {
                let mut pem = String::new();
                std::io::stdin()
                    .lock()
                    .take(LARGEST)
                    .read_to_string(&mut pem)
                    .map_err(|error| refused(&error))?;
                pem
            }
            // The error would quote what is no UTF-8.
            (_, Some(name)) => {
                std::env::var(name).map_err(|_| refused(&"expected a variable that holds a PEM"))?
            }
            (path, None) => read_text(Path::new(path)).map_err(|error| refused(&error))?,
        };
        PrivateKey::from_pem(&pem).map(Some).map_err(|error| refused(&error))
    }
}
