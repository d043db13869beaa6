//! What a run owes when its processes are gone: command lines that put right what is no process of ours (containers of
//! a daemon, say). The worker keeps the list, the holder a copy of it; the lifeline carries it as lines. Whoever of the
//! two is left runs it. Knows nothing of what the commands do.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{COMMAND_VARIABLE, WORKER_VARIABLE};

/// How long all of them together may take, where somebody waits for them.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether one has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A line on the lifeline about what is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Debt {
    /// To be run when the run is over.
    Owed(Vec<OsString>),
    /// Done by the run itself.
    Settled(Vec<OsString>),
}

impl Debt {
    /// The line, with its line feed: each word in hexadecimal digits, as words can hold anything.
    pub fn to_line(&self) -> String {
        let (kind, words) = match self {
            Debt::Owed(words) => ("owed", words),
            Debt::Settled(words) => ("settled", words),
        };
        let hex = |word: &OsString| word.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let words: Vec<String> = words.iter().map(hex).collect();
        format!("{kind} {}\n", words.join(","))
    }

    pub fn from_line(line: &str) -> Option<Debt> {
        let (kind, words) = line.split_once(' ')?;
        let words = words.split(',').map(word).collect::<Option<_>>()?;
        match kind {
            "owed" => Some(Debt::Owed(words)),
            "settled" => Some(Debt::Settled(words)),
            _ => None,
        }
    }
}

fn word(hex: &str) -> Option<OsString> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair.filter(|pair| pair.len() == 2)?, 16).ok());
    Some(OsString::from_vec(bytes.collect::<Option<_>>()?))
}

/// What is still owed.
#[derive(Debug, Default)]
pub(super) struct Debts(Vec<Vec<OsString>>);

impl Debts {
    pub const fn none() -> Debts {
        Debts(Vec::new())
    }

    pub fn note(&mut self, debt: Debt) {
        match debt {
            Debt::Owed(words) if !self.0.contains(&words) => self.0.push(words),
            Debt::Owed(_) => {}
            Debt::Settled(words) => self.0.retain(|owed| *owed != words),
        }
    }

    /// Runs them one after the other, and waits for each until the time for all is up; one that is not done then is
    /// ended.
    ///
    /// # Errors
    /// One could not be run, or not to its end: the first such.
    pub fn pay(&self) -> io::Result<()> {
        let begun = Instant::now();
        let left = || LIMIT.saturating_sub(begun.elapsed());
        self.0.iter().map(|words| run(words, left())).fold(Ok(()), io::Result::and)
    }

    /// Starts them and leaves them to themselves: this process is about to end.
    pub fn leave(&self) {
        for words in &self.0 {
            if let Some(mut command) = command(words) {
                // Nobody is left to be told.
                let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            }
        }
    }
}

/// In a group of its own: what ends ours must not end it.
fn command(words: &[OsString]) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).env_remove(WORKER_VARIABLE).env_remove(COMMAND_VARIABLE);
    command.stdin(Stdio::null()).process_group(0);
    Some(command)
}

fn run(words: &[OsString], limit: Duration) -> io::Result<()> {
    let Some(mut command) = command(words) else { return Ok(()) };
    let begun = Instant::now();
    // What it has to say are errors.
    let mut child = command.stdout(Stdio::null()).spawn()?;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        if begun.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("it did not end within {} s", LIMIT.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_debt_survives_the_lifeline_whatever_its_words_hold() {
        let strange = vec![OsString::from("a b,c\nd"), OsString::new(), OsString::from_vec(vec![0xff, 0x0a])];
        for debt in [Debt::Owed(words(&["/bin/rm", "-f"])), Debt::Settled(strange)] {
            let line = debt.to_line();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(Debt::from_line(line.trim_end_matches('\n')), Some(debt));
        }
        for bad in ["owed", "owed 7", "owed zz", "paid 61", "group 12"] {
            assert_eq!(Debt::from_line(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_settled_is_no_longer_owed() {
        let mut debts = Debts::none();
        debts.note(Debt::Owed(words(&["a"])));
        debts.note(Debt::Owed(words(&["b"])));
        debts.note(Debt::Owed(words(&["b"])));
        debts.note(Debt::Settled(words(&["a"])));
        assert_eq!(debts.0, [words(&["b"])]);
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let error = run(&words(&["sleep", "300"]), Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }
}
