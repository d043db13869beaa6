//! Reading a journal while it is written.

use super::digest::Digest;
use super::line::{self, MAX_LINE, Record};
use super::read::{self, End, Fault, MAX_FILE, ReadError, Records};
use crate::model::Event;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// A reader that takes up where it stopped. What is half written is read again the next time: it may have become
/// whole, or been cut off by a run that goes on.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: File,
    /// Behind the last whole line.
    offset: u64,
    records: Records,
}

impl Follower {
    /// Opens a journal, and reads nothing yet.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open(path: &Path) -> Result<Follower, ReadError> {
        let file = read::open(path).map_err(|fault| ReadError { path: path.to_owned(), fault })?;
        let records = Records { entries: Vec::new(), head: Digest::ZERO, end: End::Unfinished };
        Ok(Follower { path: path.to_owned(), file, offset: 0, records })
    }

    /// All that was read so far.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Reads what was written since, and gives the new entries.
    ///
    /// # Errors
    /// Where the file can't be read, or what was written does not follow what was read before.
    pub fn poll(&mut self) -> Result<&[Record], ReadError> {
        let known = self.records.entries.len();
        // What a run that goes on cut off while it was read here may look like damage; what is damaged stays so.
        let read = self.take().or_else(|_| self.take());
        read.map_err(|fault| ReadError { path: self.path.clone(), fault })?;
        Ok(self.records.entries.get(known..).unwrap_or_default())
    }

    fn take(&mut self) -> Result<(), Fault> {
        let bytes = self.rest()?;
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line(&rest[..end])?;
            self.offset += end as u64 + 1;
            rest = &rest[end + 1..];
        }
        let next = self.records.entries.len() as u64 + 1;
        match (rest.len(), self.records.end) {
            (0, End::Finished) => {}
            (_, End::Finished) => return Err(Fault::AfterEnd { line: next }),
            (0, _) => self.records.end = End::Unfinished,
            (bytes, _) if bytes > MAX_LINE => return Err(Fault::TooLong { line: next }),
            (bytes, _) => self.records.end = End::Cut { bytes },
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let number = self.records.entries.len() as u64 + 1;
        if self.records.end == End::Finished {
            return Err(Fault::AfterEnd { line: number });
        }
        let (record, digest) = line::decode(line, number, &self.records.head)?;
        self.records.head = digest;
        let ended = matches!(record.event, Event::RunEnded { .. });
        self.records.end = if ended { End::Finished } else { End::Unfinished };
        self.records.entries.push(record);
        Ok(())
    }

    /// Everything behind the last whole line.
    fn rest(&self) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        loop {
            let (known, at) = (bytes.len(), self.offset + bytes.len() as u64);
            if at > MAX_FILE {
                return Err(Fault::TooLarge(at));
            }
            bytes.resize(known + CHUNK, 0);
            let read = loop {
                match self.file.read_at(&mut bytes[known..], at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => break read?,
                }
            };
            bytes.truncate(known + read);
            if read == 0 {
                return Ok(bytes);
            }
        }
    }
}
