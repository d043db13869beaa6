//! What files a folder has, found without following a link and without opening any of them: nothing that somebody put
//! there leads out of it, holds us up or is left out.

use super::{MANIFEST_FILE, UNLISTED, in_run};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How deep folders may lie in a bundle: runs within runs take two each.
pub const MOST_FOLDERS: usize = 32;
/// How many files a bundle may have.
pub const MOST_FILES: usize = 200_000;

/// A file of a bundle as it was found, or what stands in a file's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path in the bundle, with `/`. What of a name is not UTF-8 is replaced; such a file is an [`Kind::Other`].
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Regular {
        /// In bytes.
        size: u64,
    },
    /// A symbolic link, wherever it leads.
    Link,
    /// What a bundle does not hold: `a FIFO`, `a socket`, `a device`, `a file whose name is not UTF-8`, …
    Other(&'static str),
}

/// Why what a folder holds is not known.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// It or a folder in it can't be read.
    #[error("cannot read the folder {}: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Folders in folders, beyond what any run makes.
    #[error("{}: expected folders at most {MOST_FOLDERS} deep", .0.display())]
    TooDeep(PathBuf),
    /// Files, beyond what any run makes.
    #[error("{}: expected at most {MOST_FILES} files", .0.display())]
    TooMany(PathBuf),
}

/// Finds all files of a run's folder, sorted by path, but its own manifest and what is in [`UNLISTED`] folders of it
/// and of the runs within it. Folders without files leave no trace. A link in place of the folder itself is followed:
/// it is the caller's path.
///
/// # Errors
/// Where not all of it can be known.
pub fn walk(folder: &Path) -> Result<Vec<Found>, WalkError> {
    let unreadable =
        |cause: rustix::io::Errno| WalkError::Unreadable { path: folder.to_owned(), cause: cause.into() };
    let opened = rustix::fs::open(folder, FOLDER, Mode::empty()).map_err(unreadable)?;
    let mut walker = Walker { root: folder, found: Vec::new() };
    walker.folder(opened, "", 0)?;
    let mut found = walker.found;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether this folder of a bundle is one whose files are not listed: of the run itself, or of a run within it.
pub fn is_unlisted(folder: &str) -> bool {
    let (_, name) = in_run(folder);
    UNLISTED.contains(&name)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

struct Walker<'a> {
    root: &'a Path,
    found: Vec<Found>,
}

impl Walker<'_> {
    /// Takes what is in an open folder. `within` is its path with a `/` behind it; empty for the bundle's own.
    fn folder(&mut self, opened: OwnedFd, within: &str, depth: usize) -> Result<(), WalkError> {
        if depth > MOST_FOLDERS {
            return Err(WalkError::TooDeep(self.root.join(within)));
        }
        let unreadable = |path: &str, cause: rustix::io::Errno| WalkError::Unreadable {
            path: self.root.join(path),
            cause: cause.into(),
        };
        let names = names(&opened).map_err(|cause| unreadable(within, cause))?;
        for name in names {
            let path = format!("{within}{}", name.to_string_lossy());
            let about = rustix::fs::statat(&opened, &*name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|cause| unreadable(&path, cause))?;
            let kind = match FileType::from_raw_mode(about.st_mode) {
                FileType::Directory if is_unlisted(&path) => continue,
                FileType::Directory if name.to_str().is_ok() => {
                    let flags = FOLDER.union(OFlags::NOFOLLOW);
                    let inner = rustix::fs::openat(&opened, &*name, flags, Mode::empty())
                        .map_err(|cause| unreadable(&path, cause))?;
                    self.folder(inner, &format!("{path}/"), depth + 1)?;
                    continue;
                }
                _ if name.to_str().is_err() => Kind::Other("a file whose name is not UTF-8"),
                FileType::RegularFile if path == MANIFEST_FILE => continue,
                FileType::RegularFile => Kind::Regular { size: u64::try_from(about.st_size).unwrap_or(0) },
                FileType::Symlink => Kind::Link,
                FileType::Fifo => Kind::Other("a FIFO"),
                FileType::Socket => Kind::Other("a socket"),
                FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("a device"),
                _ => Kind::Other("no file"),
            };
            if self.found.len() == MOST_FILES {
                return Err(WalkError::TooMany(self.root.to_owned()));
            }
            self.found.push(Found { path, kind });
        }
        Ok(())
    }
}

/// The names in a folder. Read before anything in it is looked at, so that few descriptors are open at a time.
fn names(folder: &OwnedFd) -> Result<Vec<Box<CStr>>, rustix::io::Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.into());
        }
        if names.len() > MOST_FILES {
            return Err(rustix::io::Errno::TOOBIG);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn regular(path: &str, size: u64) -> Found {
        Found { path: path.to_owned(), kind: Kind::Regular { size } }
    }

    #[test]
    fn every_file_is_found_once_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        for path in ["journal.jsonl", "a/b/c.txt", "a.txt", "runs/r1/journal.jsonl", ".hidden"] {
            put(root.path(), path, "four");
        }
        fs::create_dir(root.path().join("empty")).unwrap();
        let found = walk(root.path()).unwrap();
        let paths = [".hidden", "a.txt", "a/b/c.txt", "journal.jsonl", "runs/r1/journal.jsonl"];
        assert_eq!(found, paths.map(|path| regular(path, 4)));
    }

    #[test]
    fn only_what_belongs_to_no_bundle_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let unlisted = [
            "manifest.json",
            "logs/a",
            "signatures/x.json",
            "runs/r1/logs/a",
            "runs/r1/runs/r2/signatures/a",
        ];
        let listed = [
            "a/logs/x",
            "a/manifest.json",
            "runs/logs/x",
            "runs/r1/a/logs/x",
            "runs/r1/manifest.json",
            "runs/signatures",
        ];
        unlisted.iter().chain(&listed).for_each(|path| put(root.path(), path, ""));
        let found = walk(root.path()).unwrap();
        assert_eq!(found, listed.map(|path| regular(path, 0)));
    }

    #[test]
    fn a_file_or_a_link_that_is_named_as_an_unlisted_folder_is_found() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "logs", "x");
        std::os::unix::fs::symlink("/etc", root.path().join("signatures")).unwrap();
        std::os::unix::fs::symlink("/etc/hosts", root.path().join("manifest.json")).unwrap();
        let link = |path: &str| Found { path: path.to_owned(), kind: Kind::Link };
        let found = walk(root.path()).unwrap();
        assert_eq!(found, [regular("logs", 1), link("manifest.json"), link("signatures")]);
    }

    #[test]
    fn links_are_named_and_never_followed_and_pipes_and_sockets_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe"),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"z\xff");
        fs::write(root.path().join(odd), "").unwrap();
        let found = walk(root.path()).unwrap();
        let kinds: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.kind)).collect();
        let expected = [
            ("loop", Kind::Link),
            ("pipe", Kind::Other("a FIFO")),
            ("socket", Kind::Other("a socket")),
            ("z\u{fffd}", Kind::Other("a file whose name is not UTF-8")),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn folders_that_never_end_are_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("x/".repeat(MOST_FOLDERS + 1))).unwrap();
        assert!(matches!(walk(root.path()), Err(WalkError::TooDeep(_))));
        let told = walk(&root.path().join("absent")).unwrap_err().to_string();
        assert!(told.contains("absent") && told.contains("No such file"), "{told}");
    }
}
