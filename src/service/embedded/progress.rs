//! What an installation tells its caller while it works. It knows no terminal: the caller draws the bar.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The parts of an installation. `Maven` and `Npm` run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Another process installs; waiting for it. Counted in seconds of the time allowed.
    Waiting,
    /// Jars are fetched. Counted in jars.
    Maven,
    /// libchdb is fetched. Counted in bytes.
    Npm,
    /// The launcher is compiled and the native engines are unpacked. Counted in steps.
    Unpack,
    /// The data folders that each start copies. Counted in folders.
    Templates,
    /// The JVM's class data, from one exercised run. Counted in steps.
    ClassData,
    /// The whole installation; only [`Progress::done`] tells of it.
    All,
}

impl Phase {
    /// What it does, for a line of output.
    pub fn about(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting for another installation",
            Phase::Maven => "Kafka, Connect, Debezium, PostgreSQL, Redis (Maven)",
            Phase::Npm => "ClickHouse (npm)",
            Phase::Unpack => "unpacking",
            Phase::Templates => "data folders",
            Phase::ClassData => "class data for fast starts",
            Phase::All => "installed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.about())
    }
}

/// Is told how far an installation is; from several threads.
pub trait Progress: Sync {
    /// So much of a phase is done. A phase is over when `done == total`.
    fn at(&self, phase: Phase, done: u64, total: u64);

    /// A phase is over.
    fn done(&self, phase: Phase, took: Duration);

    /// Something worth a line: why it is installed anew, who is waited for.
    fn note(&self, text: &str);

    /// Whether to go on; an installation that is not to is broken off, and begins anew the next time.
    fn going(&self) -> bool {
        true
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn at(&self, _: Phase, _: u64, _: u64) {}
    fn done(&self, _: Phase, _: Duration) {}
    fn note(&self, _: &str) {}
}

/// Plain lines, for what is not a terminal: one when a phase is over, and one for each note.
#[derive(Debug)]
pub struct Lines<W>(Mutex<W>);

impl<W: Write + Send> Lines<W> {
    /// Lines go there; a failure to write them does not stop the installation.
    pub fn new(out: W) -> Lines<W> {
        Lines(Mutex::new(out))
    }

    /// What they were written to.
    pub fn into_inner(self) -> W {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, text: fmt::Arguments<'_>) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed stderr is no reason to stop installing.
        let _ = writeln!(out, "engines: {text}");
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn at(&self, _: Phase, _: u64, _: u64) {}

    fn done(&self, phase: Phase, took: Duration) {
        self.line(format_args!("{phase}: {:.1} s", took.as_secs_f64()));
    }

    fn note(&self, text: &str) {
        self.line(format_args!("{text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_a_finished_phase_and_one_a_note() {
        let lines = Lines::new(Vec::new());
        lines.at(Phase::Maven, 3, 9);
        lines.done(Phase::Maven, Duration::from_millis(1540));
        lines.note("fetched anew: a jar is missing");
        let text = String::from_utf8(lines.into_inner()).unwrap();
        assert_eq!(
            text,
            "engines: Kafka, Connect, Debezium, PostgreSQL, Redis (Maven): 1.5 s\nengines: fetched anew: a jar is missing\n"
        );
    }
}
