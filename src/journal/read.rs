//! Reading a journal back, whoever may have had it in hand since.

use super::digest::Digest;
use super::line::{self, MAX_LINE, Record, VERSION};
use crate::model::Event;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that is read: far above what any run writes, far below what would fill a machine's memory.
pub(super) const MAX_FILE: u64 = 1 << 30;

/// A journal whose chain holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// Its entries in order; those of a cut-off last line are not among them.
    pub entries: Vec<Record>,
    /// The digest of the last whole line; [`Digest::ZERO`] where there is none.
    pub head: Digest,
    /// How it ends.
    pub end: End,
}

/// How a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the run's end.
    Finished,
    /// Without the run's end: the run goes on, or was killed, or could not write any more.
    Unfinished,
    /// In the middle of a line, for the same reasons.
    Cut {
        /// How much of the last line is there.
        bytes: usize,
    },
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ReadError {
    /// The journal.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a journal. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file itself can't be read.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// A folder, a pipe, a device.
    #[error("expected a regular file, and it is none")]
    NoFile,
    /// More than is ever written.
    #[error("expected at most {MAX_FILE} bytes, and it has {0}")]
    TooLarge(u64),
    /// A line without an end.
    #[error("line {line} is longer than {MAX_LINE} bytes, which no run writes")]
    TooLong {
        /// Which line.
        line: u64,
    },
    /// Written by another cutproof; that is no sign of tampering.
    #[error(
        "line {line} has version {found}, and this cutproof reads version {VERSION}: use the one that wrote it"
    )]
    UnknownVersion {
        /// Which line.
        line: u64,
        /// Its version.
        found: u64,
    },
    /// Not a line of a journal.
    #[error("line {line} is no entry: expected one that ends in its sum, and it begins with {start:?}")]
    NoEntry {
        /// Which line.
        line: u64,
        /// Its first characters.
        start: String,
    },
    /// A line is not as it was written.
    #[error(
        "line {line} was changed after it was written: its text gives the sum {expected}, it says {seen}"
    )]
    Changed {
        /// Which line.
        line: u64,
        /// The sum of its text.
        expected: String,
        /// The sum it carries.
        seen: String,
    },
    /// A line is whole, but does not follow the one before it.
    #[error(
        "line {line} does not follow the line before it: expected prev {expected}, it says {seen}: \
         a line was removed, added, moved or written anew"
    )]
    Chain {
        /// Which line.
        line: u64,
        /// The digest of the line before.
        expected: String,
        /// What it says that is.
        seen: String,
    },
    /// A line has another number than its place.
    #[error("line {line} says that it is number {seen}")]
    Sequence {
        /// Which line.
        line: u64,
        /// The number it carries.
        seen: u64,
    },
    /// A line of this version that says nothing known.
    #[error("line {line} says nothing that this cutproof understands: {why}")]
    Unreadable {
        /// Which line.
        line: u64,
        /// What was expected, with its column.
        why: String,
    },
    /// Something was written behind the run's end.
    #[error("line {line} stands behind the run's end")]
    AfterEnd {
        /// Which line.
        line: u64,
    },
}

impl Fault {
    /// Whether the journal is not as it was written. Not so for one that can't be opened or whose version is not
    /// known: that leaves open what it says.
    pub fn is_tampering(&self) -> bool {
        !matches!(self, Fault::Io(_) | Fault::NoFile | Fault::TooLarge(_) | Fault::UnknownVersion { .. })
    }
}

/// Reads and checks a journal.
///
/// # Errors
/// [`Fault`] says what is wrong and in which line. A journal that merely ends too early is none: see [`End`].
pub fn read(path: &Path) -> Result<Records, ReadError> {
    open(path)
        .and_then(|file| read_from(BufReader::new(file.take(MAX_FILE))))
        .map_err(|fault| ReadError { path: path.to_owned(), fault })
}

/// Reads and checks a journal's bytes.
///
/// # Errors
/// As [`read`].
pub fn read_from(input: impl BufRead) -> Result<Records, Fault> {
    let mut reader = Reader::new(input);
    let entries = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Records { entries, head: reader.head(), end: reader.end() })
}

/// Opens without waiting: a pipe in the journal's place must not hang the reader.
pub(super) fn open(path: &Path) -> Result<File, Fault> {
    open_with(path, OFlags::RDONLY)
}

/// As [`open`], for reading or for more.
pub(super) fn open_with(path: &Path, access: OFlags) -> Result<File, Fault> {
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from)?);
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Fault::NoFile);
    }
    if about.len() > MAX_FILE { Err(Fault::TooLarge(about.len())) } else { Ok(file) }
}

/// Reads entries one by one, and stops at the first fault. Memory is bounded by the longest line.
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    line: u64,
    head: Digest,
    end: End,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the journal's beginning.
    pub fn new(input: R) -> Reader<R> {
        Reader { input, buffer: Vec::new(), line: 0, head: Digest::ZERO, end: End::Unfinished, done: false }
    }

    /// The digest of the last line that was read.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// How the journal ends, once the iterator has.
    pub fn end(&self) -> End {
        self.end
    }

    /// The next line without its newline is then in the buffer; false at the end, or where only a part is there.
    fn fill(&mut self) -> Result<bool, Fault> {
        self.buffer.clear();
        let limit = MAX_LINE as u64 + 1;
        self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer)?;
        if self.end == End::Finished && !self.buffer.is_empty() {
            return Err(Fault::AfterEnd { line: self.line + 1 });
        }
        let whole = self.buffer.pop_if(|byte| *byte == b'\n').is_some();
        if !whole && self.buffer.len() as u64 == limit {
            return Err(Fault::TooLong { line: self.line + 1 });
        }
        if !whole && !self.buffer.is_empty() {
            self.end = End::Cut { bytes: self.buffer.len() };
        }
        Ok(whole)
    }

    fn step(&mut self) -> Result<Option<Record>, Fault> {
        if !self.fill()? {
            return Ok(None);
        }
        self.line += 1;
        let (record, digest) = line::decode(&self.buffer, self.line, &self.head)?;
        self.head = digest;
        if matches!(record.event, Event::RunEnded { .. }) {
            self.end = End::Finished;
        }
        Ok(Some(record))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.step().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}
