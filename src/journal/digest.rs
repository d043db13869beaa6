//! SHA-256, as the chain uses it.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

/// How much of a file is in memory at a time: large enough that reading is not what takes time.
const CHUNK: usize = 256 << 10;

/// A SHA-256; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands in place of the digest of a line before the first.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// How much there is to read, in bytes, and its digest. Memory is bounded, however much it is.
    ///
    /// # Errors
    /// Where it can't be read to its end.
    pub fn of_all(mut input: impl Read) -> io::Result<(u64, Digest)> {
        let (mut state, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
        loop {
            match input.read(&mut chunk) {
                Ok(0) => return Ok((size, Digest::of_state(state))),
                Ok(read) => {
                    state.update(chunk.get(..read).unwrap_or_default());
                    size += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn of_state(state: Sha256) -> Digest {
        Digest(state.finalize().into())
    }

    /// The first 8 bytes as 16 hex digits: enough against damage, which is all that a sum without a key is for.
    pub(super) fn short(&self) -> String {
        hex(&self.0[..8])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_bit_by_bit_has_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..CHUNK * 2 + 17).map(|at| at as u8).collect();
        let (size, digest) = Digest::of_all(&*bytes).unwrap();
        assert_eq!((size, digest), (bytes.len() as u64, Digest::of(&bytes)));
        assert_eq!(Digest::of_all(io::empty()).unwrap(), (0, Digest::of(b"")));
    }
}
