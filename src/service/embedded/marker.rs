//! The file that makes an installation complete: every file with its size and age, and a digest of the list.
//! It is written last, after everything else is on the disk, and checked at each start by looking at each
//! file once. A file that was cut, lost or replaced shows; a flipped bit on the disk does not (the digests of
//! `engines.lock` were checked when the file was fetched).

use super::pins::hex;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAME: &str = "complete";
const DIGEST: &str = "sha256 ";

/// Lists everything below `root` and marks it complete.
///
/// # Errors
/// Where something can't be read, or the marker can't be written.
pub fn write(root: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    list(root, Path::new(""), &mut files)?;
    files.sort();
    let mut text = String::new();
    for file in files.iter().filter(|file| file.as_os_str() != NAME) {
        let name =
            file.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", file.display())))?;
        let meta = root.join(file).metadata()?;
        // Whole seconds: what archives of a cache keep.
        let _ = writeln!(text, "{} {} {name}", meta.len(), meta.mtime());
    }
    let digest = hex(&Sha256::digest(&text));
    let mut new = tempfile::NamedTempFile::new_in(root)?;
    writeln!(new, "{text}{DIGEST}{digest}")?;
    new.as_file().sync_all()?;
    new.persist(root.join(NAME))?;
    std::fs::File::open(root)?.sync_all()
}

/// Whether everything is as it was when the marker was written.
///
/// # Errors
/// The first thing that is not.
pub fn check(root: &Path) -> Result<(), String> {
    let path = root.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Err("not installed yet".to_owned()),
        Err(other) => return Err(format!("{}: {other}", path.display())),
    };
    let (list, digest) = text.rsplit_once(DIGEST).unwrap_or((&text, ""));
    if digest.trim_end() != hex(&Sha256::digest(list)) {
        return Err(format!("{} is not whole", path.display()));
    }
    for line in list.lines() {
        let mut fields = line.splitn(3, ' ');
        let (Some(size), Some(mtime), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(format!("{} has a line that is none: {line}", path.display()));
        };
        let meta = root.join(name).metadata().map_err(|error| format!("{name}: {error}"))?;
        if size.parse() != Ok(meta.len()) {
            return Err(format!("{name} has {} bytes, not {size}", meta.len()));
        }
        if mtime.parse() != Ok(meta.mtime()) {
            return Err(format!("{name} was changed after the installation"));
        }
    }
    Ok(())
}

fn list(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn installed() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("jars")).unwrap();
        fs::write(root.path().join("jars/a b.jar"), "0123456789").unwrap();
        fs::write(root.path().join("redis"), "x").unwrap();
        write(root.path()).unwrap();
        root
    }

    #[test]
    fn a_whole_installation_passes_and_can_be_marked_again() {
        let root = installed();
        check(root.path()).unwrap();
        write(root.path()).unwrap();
        check(root.path()).unwrap();
    }

    #[test]
    fn what_was_never_installed_says_so() {
        assert_eq!(check(Path::new("/nonexistent")), Err("not installed yet".to_owned()));
    }

    #[test]
    fn a_lost_file_a_cut_file_and_a_replaced_file_show() {
        for (harm, want) in [
            ((|file| fs::remove_file(file).unwrap()) as fn(&Path), "No such file"),
            (|file| fs::write(file, "01234").unwrap(), "has 5 bytes, not 10"),
            (
                |file| {
                    let file = fs::File::options().write(true).open(file).unwrap();
                    file.set_modified(std::time::UNIX_EPOCH).unwrap();
                },
                "was changed after",
            ),
        ] {
            let root = installed();
            harm(&root.path().join("jars/a b.jar"));
            let seen = check(root.path()).unwrap_err();
            assert!(seen.starts_with("jars/a b.jar") && seen.contains(want), "{seen}");
        }
    }

    #[test]
    fn a_marker_that_was_cut_or_edited_is_not_whole() {
        let root = installed();
        let marker = root.path().join(NAME);
        let text = fs::read_to_string(&marker).unwrap();
        for broken in [text[..text.len() / 2].to_owned(), text.replace("10 ", "11 "), String::new()] {
            fs::write(&marker, broken).unwrap();
            assert!(check(root.path()).unwrap_err().contains("is not whole"));
        }
    }
}
