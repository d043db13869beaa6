//! The append-only, hash-chained record of a run: `journal.jsonl`, one event a line.
//!
//! A line carries the SHA-256 of the line before, so that none can be removed, added or moved, and a check sum of
//! its own, so that a change is found in the very line that was changed, the last one included. What a journal
//! says is read elsewhere: this module knows the shape of a line and the order of lines, not what makes a run good.
//! Whoever can write the file can chain it anew; that is what signatures are for.

mod digest;
mod follow;
mod line;
mod lock;
mod read;
mod reopen;
mod write;

pub use digest::Digest;
pub use follow::Follower;
pub use line::{MAX_LINE, Record, VERSION};
pub use lock::is_being_written;
pub use read::{End, Fault, ReadError, Reader, Records, read, read_from};
pub use reopen::{ReopenError, Reopened};
pub use write::{Journal, JournalError};

/// The journal's name in a run's folder.
pub const FILE: &str = "journal.jsonl";

/// A journal of these events, each with when it was written, as its bytes.
#[cfg(test)]
pub(crate) fn written(
    events: impl IntoIterator<Item = (crate::model::Stamp, crate::model::Event)>,
) -> Vec<u8> {
    let (mut bytes, mut line, mut head) = (Vec::new(), Vec::new(), Digest::ZERO);
    for (seq, (at, event)) in (1..).zip(events) {
        head = line::encode(&mut line, seq, at, &head, &event).unwrap();
        bytes.extend_from_slice(&line);
    }
    bytes
}

#[cfg(test)]
mod reopen_tests;
#[cfg(test)]
mod tests;
