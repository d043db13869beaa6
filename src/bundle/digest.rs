//! The size and SHA-256 of a bundle's files. Bundles may come from anyone: no link is followed, nothing that is no file
//! is read, and a file that grows is not read for ever.

use crate::journal::Digest;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Whether this can be the path of a bundle's file: relative, with `/`, and no part of it empty, `.` or `..`.
pub fn is_plain(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Opens a file of a bundle for reading. No part of `path` may be a link; `root` itself may. Opening a pipe in its
/// place does not wait.
///
/// # Errors
/// [`is_plain`] is not so; a part of it is a link or no folder; it is no regular file; the system's own.
pub fn open_file(root: &Path, path: &str) -> io::Result<File> {
    if !is_plain(path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a plain path below the bundle"));
    }
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, folder, Mode::empty())?;
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        at = rustix::fs::openat(&at, part, folder | OFlags::NOFOLLOW, Mode::empty()).map_err(plainly)?;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&at, name, flags, Mode::empty()).map_err(plainly)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("expected a regular file, and it is none")),
    }
}

/// In words where the system's own mislead.
fn plainly(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => io::Error::other("it is a symbolic link, which is not followed"),
        Errno::NOTDIR => io::Error::other("a folder of its path is a symbolic link or no folder"),
        Errno::NXIO => io::Error::other("expected a regular file, and it is none"),
        error => error.into(),
    }
}

/// The size in bytes and the SHA-256, in hex, of a file of a bundle.
///
/// # Errors
/// As [`open_file`]; and where it changes its size while it is read.
pub fn digest_file(root: &Path, path: &str) -> io::Result<(u64, String)> {
    let file = open_file(root, path)?;
    let expected = file.metadata()?.len();
    let (size, digest) = Digest::of_all(file.take(expected.saturating_add(1)))?;
    if size == expected {
        Ok((size, digest.to_string()))
    } else {
        Err(io::Error::other("it changed its size while it was read"))
    }
}

/// As [`digest_file`] for each of these files, in their order; as many at a time as there are processors, the largest
/// first. Each is given with the size that it is thought to have.
pub fn digest_files(root: &Path, files: &[(&str, u64)]) -> Vec<io::Result<(u64, String)>> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(files.get(*at).map(|(_, size)| *size)));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(files.len())));
    let work = || {
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((path, _)) = files.get(*at) else { continue };
            let digest = digest_file(root, path);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*at, digest));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
    thread::scope(|scope| {
        // Where no thread can be had, this one does it all.
        let others = (1..threads).map(|_| thread::Builder::new().spawn_scoped(scope, work));
        let _others: Vec<_> = others.collect();
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, digest)| digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_has_its_size_and_sha_256() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_file(root.path(), "a/b/c").unwrap(), (3, known.to_owned()));
        // The caller's own path may be a link.
        symlink(root.path(), root.path().join("here")).unwrap();
        assert_eq!(digest_file(&root.path().join("here"), "a/b/c").unwrap(), (3, known.to_owned()));
    }

    #[test]
    fn many_files_keep_their_order_and_their_errors() {
        let root = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..40).map(|n| format!("f{n}")).collect();
        for (n, name) in names.iter().enumerate().filter(|(n, _)| *n != 7) {
            fs::write(root.path().join(name), "x".repeat(n * 1000)).unwrap();
        }
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let digests = digest_files(root.path(), &files);
        assert_eq!(digests.len(), 40);
        for (n, digest) in digests.iter().enumerate() {
            match n {
                7 => assert_eq!(digest.as_ref().unwrap_err().kind(), io::ErrorKind::NotFound),
                n => {
                    let expected = Digest::of("x".repeat(n * 1000).as_bytes()).to_string();
                    assert_eq!(digest.as_ref().unwrap(), &(n as u64 * 1000, expected));
                }
            }
        }
        assert!(digest_files(root.path(), &[]).is_empty());
    }

    #[test]
    fn no_link_is_followed_and_no_path_leads_out() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        symlink("file", root.path().join("link")).unwrap();
        symlink("folder", root.path().join("door")).unwrap();
        fs::write(root.path().join("folder/in"), "x").unwrap();
        for (path, why) in [
            ("link", "symbolic link"),
            ("door/in", "symbolic link"),
            ("folder", "regular file"),
            ("file/in", "no folder"),
            ("../file", "plain path"),
            ("/etc/hosts", "plain path"),
            ("folder//in", "plain path"),
            ("./file", "plain path"),
            ("fi\0le", "plain path"),
            ("", "plain path"),
        ] {
            let told = digest_file(root.path(), path).unwrap_err().to_string();
            assert!(told.contains(why), "{path}: {told}");
        }
    }

    #[test]
    fn a_pipe_holds_nobody_up() {
        let root = tempfile::tempdir().unwrap();
        let (pipe, kind) = (root.path().join("pipe"), rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(rustix::fs::CWD, pipe, kind, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let told = digest_file(root.path(), "pipe").unwrap_err().to_string();
        assert!(told.contains("regular file"), "{told}");
    }
}
