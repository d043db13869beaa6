//! What tests and the run's holder say to each other: one JSON object a line. A test asks once; the holder says that
//! it is still at it every second, and then answers.

use crate::model::Verdict;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

/// How often the holder says that it is still at it.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// How long a test waits for a sign of life. The holder bounds the measurement itself.
pub const SILENCE: Duration = Duration::from_secs(60);

/// What a line may be long, in bytes: excerpts are bounded far below.
const LINE: u64 = 4 << 20;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Run this gate, or say what came of it.
    Gate {
        /// The gate.
        id: String,
        /// The profile that the test was made from: its path without links.
        profile: String,
        /// The version of cutproof in the test.
        version: String,
    },
    /// Where the services are, once all have answered or can't be waited for any longer.
    Services,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Still at it.
    Wait,
    /// What came of the gate.
    Gate(Told),
    /// Where the services are.
    Services {
        /// As variables, passwords among them.
        variables: Vec<(String, String)>,
        /// Why services are not there, each with its name.
        missing: Vec<(String, String)>,
    },
    /// Why there is no answer.
    Refused(String),
}

/// What came of a gate, and of the run where this gate was its last.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; empty for a plain pass.
    pub reason: String,
    /// Head and tail of what a command printed.
    pub excerpt: String,
    /// How often it was measured.
    pub attempts: u32,
    /// What stands against the run that no test has shown; the run has ended with this gate.
    pub against: Option<String>,
}

/// Writes one line.
///
/// # Errors
/// The other side is gone.
pub fn write(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// Reads one line; nothing where the other side has closed.
///
/// # Errors
/// It can't be read in time, or is none that is known.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.by_ref().take(LINE).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return match line.is_empty() {
            true => Ok(None),
            false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the line has no end")),
        };
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_that_is_cut_is_no_answer() {
        let mut text = Vec::new();
        write(&mut text, &Answer::Refused("no".to_owned())).unwrap();
        assert!(matches!(read::<Answer>(&mut &text[..]).unwrap(), Some(Answer::Refused(why)) if why == "no"));
        assert!(read::<Answer>(&mut &text[..text.len() - 1]).is_err());
        assert!(read::<Answer>(&mut &b""[..]).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = read::<Answer>(&mut &bytes[..]);
            let _ = read::<Question>(&mut &bytes[..]);
        }
    }
}
