//! One line of a journal:
//! `{"v":1,"seq":7,"at":"2026-11-22T19:41:03.120Z","prev":"…64 hex…","event":"gate_started",…,"sum":"…16 hex…"}`.
//!
//! The frame is the same in every version: `v` first, `sum` last, and `sum` is the beginning of the SHA-256 of all
//! that stands before `,"sum"`. So a line of a version that is not known yet can be told from one that was changed.

use super::digest::Digest;
use super::read::Fault;
use crate::model::{Event, Stamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::io::Write as _;

/// The version of the lines that are written, and the only one that is read.
pub const VERSION: u64 = 1;

/// The longest line in bytes. The first line holds the whole plan: 100,000 gates take some 40 MB.
pub const MAX_LINE: usize = 64 << 20;

/// How a line of that version begins.
const BEGINS: &[u8] = br#"{"v":1,"#;
const SUM_OPENS: &[u8] = br#","sum":""#;
const SUM_CLOSES: &[u8] = br#""}"#;
const SUM_DIGITS: usize = 16;

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// From 1; it is also the number of its line.
    pub seq: u64,
    /// When it was written, by the run's clock.
    pub at: Stamp,
    /// What happened.
    pub event: Event,
}

/// Writes a line with its newline into `out`, and returns the digest that the next line carries as `prev`: that of
/// the line's bytes without the newline.
pub(super) fn encode(
    out: &mut Vec<u8>,
    seq: u64,
    at: Stamp,
    prev: &Digest,
    event: &Event,
) -> std::io::Result<Digest> {
    out.clear();
    out.extend_from_slice(BEGINS);
    write!(out, r#""seq":{seq},"at":"{at}","prev":"{prev}""#)?;
    let opens = out.len();
    serde_json::to_writer(&mut *out, event)?;
    out[opens] = b',';
    out.pop();
    let mut state = Sha256::new_with_prefix(&*out);
    let sum = Digest::of_state(state.clone());
    let sum_from = out.len();
    out.extend_from_slice(SUM_OPENS);
    out.extend_from_slice(sum.short().as_bytes());
    out.extend_from_slice(SUM_CLOSES);
    state.update(&out[sum_from..]);
    out.push(b'\n');
    Ok(Digest::of_state(state))
}

/// What stands before the event's own fields.
#[derive(Deserialize)]
struct Head<'a> {
    seq: u64,
    at: Stamp,
    #[serde(borrow)]
    prev: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Reads line number `number`, which must follow a line with the digest `before`.
pub(super) fn decode(line: &[u8], number: u64, before: &Digest) -> Result<(Record, Digest), Fault> {
    let digest = checked(line, number)?;
    let unreadable = |error: serde_json::Error| Fault::Unreadable { line: number, why: error.to_string() };
    if !line.starts_with(BEGINS) {
        let Version { v } = serde_json::from_slice(line).map_err(unreadable)?;
        return Err(Fault::UnknownVersion { line: number, found: v });
    }
    let head: Head<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    if head.prev != before.to_string() {
        let (expected, seen) = (before.to_string(), head.prev.into_owned());
        return Err(Fault::Chain { line: number, expected, seen });
    }
    if head.seq != number {
        return Err(Fault::Sequence { line: number, seen: head.seq });
    }
    let event = serde_json::from_slice(line).map_err(unreadable)?;
    Ok((Record { seq: head.seq, at: head.at, event }, digest))
}

/// Checks a line's own sum, and gives the line's digest.
fn checked(line: &[u8], number: u64) -> Result<Digest, Fault> {
    let sum = line.strip_suffix(SUM_CLOSES).and_then(|rest| {
        let (rest, seen) = rest.split_at_checked(rest.len().checked_sub(SUM_DIGITS)?)?;
        Some((rest.strip_suffix(SUM_OPENS)?, seen))
    });
    let Some((text, seen)) = sum else {
        let start = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
        return Err(Fault::NoEntry { line: number, start });
    };
    let mut state = Sha256::new_with_prefix(text);
    let expected = Digest::of_state(state.clone()).short();
    if expected.as_bytes() != seen {
        let seen = String::from_utf8_lossy(seen).into_owned();
        return Err(Fault::Changed { line: number, expected, seen });
    }
    state.update(&line[text.len()..]);
    Ok(Digest::of_state(state))
}
