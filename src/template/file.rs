//! Reads a small text file that a person named, without ever waiting for one that is none.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The largest file that is read, in bytes (1 MiB).
pub const LARGEST: u64 = 1 << 20;

/// Why a file is not read. Printed behind the file's name: "… is a folder, not a file".
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("is not there")]
    NotFound,
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    #[error("is larger than 1 MiB")]
    TooLarge,
    #[error("is not UTF-8 (line {line})")]
    NotUtf8 { line: usize },
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
}

impl From<io::Error> for FileFault {
    fn from(fault: io::Error) -> Self {
        match fault.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound,
            _ => Self::Unreadable(fault),
        }
    }
}

/// The text of a regular file of at most [`LARGEST`] bytes. A FIFO, device, socket or folder is refused
/// before it is opened (opening some devices acts on them), and again once it is open, in case it was
/// swapped in between; the open itself does not block.
pub fn read_text(path: &Path) -> Result<String, FileFault> {
    regular(&std::fs::metadata(path)?)?;
    text(open(path)?)
}

fn open(path: &Path) -> Result<File, FileFault> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads to the end or the limit, whatever length the file was said to have.
fn text(file: impl Read) -> Result<String, FileFault> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileFault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|fault| {
        let good = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        FileFault::NotUtf8 { line: good.iter().filter(|byte| **byte == b'\n').count() + 1 }
    })
}

fn regular(metadata: &Metadata) -> Result<(), FileFault> {
    let kind = metadata.file_type();
    let is = match () {
        () if kind.is_file() && metadata.len() > LARGEST => return Err(FileFault::TooLarge),
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "something else",
    };
    Err(FileFault::NotAFile(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_that_was_swapped_in_neither_blocks_nor_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || send.send(open(&fifo).unwrap_err().to_string()));
        let told = receive.recv_timeout(std::time::Duration::from_secs(30)).expect("opening a FIFO blocked");
        assert_eq!(told, "is a FIFO, not a file");
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_cut_off() {
        assert!(matches!(text(io::repeat(b'#')), Err(FileFault::TooLarge)));
        assert!(text(io::repeat(b'#').take(LARGEST)).is_ok());
    }
}
