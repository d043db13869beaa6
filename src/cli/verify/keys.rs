//! The public keys that `verify --key` names.

use super::super::{Refusal, Result};
use crate::sign::PublicKey;
use crate::template;
use std::path::PathBuf;

/// Reads them all. A key that can't be read is bad usage: to pass it over would be to ask for less.
pub fn read(paths: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let one = |path: &PathBuf| {
        let shown = path.display();
        let text =
            template::read_text(path).map_err(|fault| Refusal(format!("the key {shown}: it {fault}")))?;
        PublicKey::from_pem(&text).map_err(|error| Refusal(format!("the key {shown}: {error}")))
    };
    paths.iter().map(one).collect()
}
