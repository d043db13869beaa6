//! A sign-off on the disk, and the envelopes beside it. They may come from anyone: no link is followed, nothing that is
//! no file is read, and everything has a size that it may have.

use crate::bundle::open_file;
use crate::cli::Refusal;
use crate::evidence::folder_of;
use crate::journal::Digest;
use crate::sign::MAX_ENVELOPE;
use crate::verify::signoff::File;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest sign-off that is read: some 100,000 gates.
const LARGEST: u64 = 64 << 20;
/// The largest envelope.
const LARGEST_ENVELOPE: u64 = MAX_ENVELOPE as u64;
/// How many envelopes are read.
const MOST_ENVELOPES: usize = 64;
/// How the names of envelopes end.
const ENVELOPE: &str = ".dsse.json";

/// Where the envelope goes that is made with a sign-off.
pub fn envelope_path(signoff: &Path) -> PathBuf {
    let mut name = OsString::from(signoff);
    name.push(ENVELOPE);
    PathBuf::from(name)
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// Reads a sign-off and the envelopes beside it: files whose names begin with its own and end in `.dsse.json`. One that
/// can't be read signs nothing; why is told.
pub fn read(path: &Path) -> super::super::Result<(File, Vec<String>)> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Refusal(format!("expected the path of a sign-off, and saw {shown}")))?;
    let folder = folder_of(path);
    let bytes = bytes(folder, name, LARGEST);
    let bytes = bytes.map_err(|error| Refusal(format!("cannot read the sign-off {shown}: {error}")))?;
    let mut unread = Vec::new();
    let mut envelopes = Vec::new();
    for beside in names(folder, name)? {
        match self::bytes(folder, &beside, LARGEST_ENVELOPE) {
            _ if envelopes.len() >= MOST_ENVELOPES => {
                unread.push(format!("{beside}: behind {MOST_ENVELOPES} others"))
            }
            Ok(bytes) => envelopes.push((beside, bytes)),
            Err(error) => unread.push(format!("{beside}: {error}")),
        }
    }
    Ok((File { path: shown.to_string(), bytes, envelopes }, unread))
}

/// The paths of the envelopes beside a sign-off, which need not be there itself.
pub fn envelopes(path: &Path) -> super::super::Result<Vec<PathBuf>> {
    let folder = folder_of(path);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match folder.is_dir() {
        true => Ok(names(folder, name)?.into_iter().map(|name| folder.join(name)).collect()),
        false => Ok(Vec::new()),
    }
}

/// The paths of a sign-off and its envelopes: they may lie in the repository, and are no change of it.
pub fn paths(path: &Path, file: &File) -> Vec<PathBuf> {
    let beside = file.envelopes.iter().map(|(name, _)| folder_of(path).join(name));
    std::iter::once(path.to_owned()).chain(beside).collect()
}

/// The names of the envelopes, sorted.
fn names(folder: &Path, of: &str) -> super::super::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Refusal(format!("cannot list {}: {error}", folder.display())))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| {
            name.strip_prefix(of).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(ENVELOPE))
        })
        .collect();
    names.sort();
    Ok(names)
}

fn bytes(folder: &Path, name: &str, most: u64) -> std::io::Result<Vec<u8>> {
    let file = open_file(folder, name)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(std::io::Error::other(format!("expected at most {most} bytes, and it has more"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn envelopes_are_those_beside_it_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in
            ["a.json", "a.json.dsse.json", "a.json.approver.dsse.json", "b.json.dsse.json", "a.json.txt"]
        {
            fs::write(at(name), name).unwrap();
        }
        symlink(at("b.json.dsse.json"), at("a.json.link.dsse.json")).unwrap();
        let (file, unread) = read(&at("a.json")).unwrap();
        let names: Vec<_> = file.envelopes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.json.approver.dsse.json", "a.json.dsse.json"]);
        assert!(unread.len() == 1 && unread[0].contains("symbolic link"), "{unread:?}");
        assert_eq!(envelope_path(&at("a.json")), at("a.json.dsse.json"));
        assert_eq!(paths(&at("a.json"), &file).len(), 3);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        assert!(read(&folder.path().join("nowhere.json")).is_err());
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        assert!(read(&fifo).is_err());
    }
}
