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
    #[error("is larger than {} MiB", most >> 20)]
    TooLarge { most: u64 },
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
    read_text_within(path, LARGEST)
}

/// The same with another limit, in bytes.
pub fn read_text_within(path: &Path, most: u64) -> Result<String, FileFault> {
    regular(&std::fs::metadata(path)?, most)?;
    let (file, length) = open(path, OFlags::empty(), most)?;
    text(file, length, most)
}

/// The same of a file whose name nobody vouches for: a symbolic link in its place is refused.
pub fn read_unlinked(path: &Path, most: u64) -> Result<String, FileFault> {
    regular(&std::fs::symlink_metadata(path)?, most)?;
    let (file, length) = open(path, OFlags::NOFOLLOW, most)?;
    text(file, length, most)
}

/// The file, and the length that it says that it has.
fn open(path: &Path, more: OFlags, most: u64) -> Result<(File, u64), FileFault> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    regular(&metadata, most)?;
    Ok((file, metadata.len()))
}

/// Reads to the end or the limit, whatever length the file was said to have.
fn text(file: impl Read, length: u64, most: u64) -> Result<String, FileFault> {
    // One more than there should be: then the end is seen without asking for more room.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(most) + 1).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(FileFault::TooLarge { most });
    }
    String::from_utf8(bytes).map_err(|fault| {
        let good = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        FileFault::NotUtf8 { line: good.iter().filter(|byte| **byte == b'\n').count() + 1 }
    })
}

fn regular(metadata: &Metadata, most: u64) -> Result<(), FileFault> {
    let kind = metadata.file_type();
    let is = match () {
        () if kind.is_file() && metadata.len() > most => return Err(FileFault::TooLarge { most }),
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "a symbolic link",
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
        std::thread::spawn(move || send.send(open(&fifo, OFlags::empty(), LARGEST).unwrap_err().to_string()));
        let told = receive.recv_timeout(std::time::Duration::from_secs(30)).expect("opening a FIFO blocked");
        assert_eq!(told, "is a FIFO, not a file");
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_cut_off() {
        assert!(matches!(text(io::repeat(b'#'), 0, LARGEST), Err(FileFault::TooLarge { .. })));
        assert!(text(io::repeat(b'#').take(LARGEST), LARGEST, LARGEST).is_ok());
    }

    #[test]
    fn a_link_is_followed_only_where_a_person_named_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "A=1\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_text(&link).unwrap(), "A=1\n");
        let told = read_unlinked(&link, LARGEST).unwrap_err().to_string();
        assert_eq!(told, "is a symbolic link, not a file");
        assert_eq!(read_unlinked(&file, LARGEST).unwrap(), "A=1\n");
    }
}
