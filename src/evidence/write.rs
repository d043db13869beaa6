//! Getting files to the disk: each whole or not at all.

use super::Document;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {cause}", path.display())]
pub struct WriteError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What was tried: `write`, `make the folder`, …
    pub action: &'static str,
    /// Why it failed.
    pub cause: io::Error,
}

impl WriteError {
    pub(super) fn new(action: &'static str, path: &Path, cause: io::Error) -> WriteError {
        WriteError { path: path.to_owned(), action, cause }
    }
}

/// Writes these files into a folder, which is made where it is not there, and returns their paths when they are on
/// the disk.
///
/// # Errors
/// Where a file can't be written: those before it are there whole, it and those behind it are as they were before.
pub fn write(dir: &Path, documents: &[Document]) -> Result<Vec<PathBuf>, WriteError> {
    make_folder(dir)?;
    let mut paths = Vec::with_capacity(documents.len());
    for document in documents {
        let name = Path::new(&document.name);
        if !matches!(name.components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "expected a plain file name");
            return Err(WriteError::new("write", &dir.join(name), cause));
        }
        let path = dir.join(name);
        put(&path, &document.bytes)?;
        paths.push(path);
    }
    sync_folder(dir)?;
    Ok(paths)
}

/// Puts a file at a path that a person gave, and returns when it is on the disk. Its folder is made where it is not
/// there.
///
/// # Errors
/// Where it can't be written, and where what is there is no regular file. What was there is then as it was before.
pub fn place(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => {
            let cause = io::Error::other("expected a regular file or nothing there");
            return Err(WriteError::new("replace", path, cause));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(WriteError::new("replace", path, error));
        }
        _ => {}
    }
    let folder = folder_of(path);
    make_folder(folder)?;
    put(path, bytes)?;
    sync_folder(folder)
}

/// Puts a file in place under another name, syncs it, and renames it. The folder is the caller's to sync.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |cause| WriteError::new("write", path, cause);
    // Dropped without being persisted, it is removed.
    let mut file = tempfile::Builder::new()
        .prefix(".cutproof-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder_of(path))
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Makes a folder with those above it.
pub(super) fn make_folder(dir: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(dir).map_err(|cause| WriteError::new("make the folder", dir, cause))
}

/// Returns when the names in a folder are on the disk.
pub(super) fn sync_folder(dir: &Path) -> Result<(), WriteError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|cause| WriteError::new("sync the folder", dir, cause))
}

/// The folder that a path's file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, text: &str) -> Document {
        Document { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_there_whole_and_readable_and_nothing_else_is() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("evidence/run");
        let paths = write(&dir, &[document("a.env", "A=1\n"), document("b.xml", "<b/>")]).unwrap();
        write(&dir, &[document("a.env", "A=2\n")]).unwrap();
        assert_eq!(paths, [dir.join("a.env"), dir.join("b.xml")]);
        assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "A=2\n");
        assert_eq!(names(&dir), ["a.env", "b.xml"]);
        assert_eq!(fs::metadata(&paths[0]).unwrap().permissions().mode() & 0o600, 0o600);
    }

    #[test]
    fn a_file_that_cannot_take_its_place_leaves_no_half_of_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("junit.xml/in-the-way")).unwrap();
        let error = write(root.path(), &[document("junit.xml", "<x/>")]).unwrap_err();
        assert_eq!(error.path, root.path().join("junit.xml"));
        assert!(error.to_string().contains("junit.xml: "), "{error}");
        assert_eq!(names(root.path()), ["junit.xml"]);
    }

    /// The body of `a_full_disk_leaves_no_half_file`, in a process with a limit on file sizes.
    #[test]
    #[ignore = "run by another test in a process of its own"]
    fn write_what_there_is_no_room_for() {
        let Some(dir) = std::env::var_os("CUTPROOF_TEST_NO_ROOM") else { return };
        let dir = Path::new(&dir);
        let error =
            write(dir, &[document("a.env", "A=1\n"), document("b.xml", &"x".repeat(20_000))]).unwrap_err();
        assert_eq!((error.path, error.cause.kind()), (dir.join("b.xml"), io::ErrorKind::FileTooLarge));
        assert_eq!(fs::read_to_string(dir.join("b.xml")).unwrap(), "as it was");
        assert_eq!(names(dir), ["a.env", "b.xml"]);
    }

    #[test]
    fn a_full_disk_leaves_no_half_file() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("b.xml"), "as it was").unwrap();
        let done = std::process::Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; ulimit -f 16; exec "$0" --exact "$1" --ignored"#])
            .arg(std::env::current_exe().unwrap())
            .arg("evidence::write::tests::write_what_there_is_no_room_for")
            .env("CUTPROOF_TEST_NO_ROOM", root.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for name in ["../x", "/tmp/x", "a/b", "", "."] {
            assert!(write(root.path(), &[document(name, "")]).is_err(), "{name}");
        }
        assert!(names(root.path()).is_empty());
    }
}
