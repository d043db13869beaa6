//! Reads a profile's file, and finds it by name. Nothing that stands where a file should can make it wait.

use super::ProfileError;
use crate::model::event::FileDigest;
use crate::settings::names;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// A profile is written by a person: what is larger than this, in bytes, is none.
pub const MAX_SIZE: u64 = 1024 * 1024;

/// Where profiles are kept, from the working directory.
pub const FOLDER: &str = "gates";

/// A file's text, and what it is called in messages and evidence.
pub(super) struct Text {
    pub digest: FileDigest,
    pub text: String,
}

/// Reads a file.
///
/// # Errors
/// Where it is absent, no regular file, too large, empty, not readable or not UTF-8.
pub(super) fn read(path: &Path) -> Result<Text, ProfileError> {
    let shown = relative(path);
    let unreadable = |reason: String| ProfileError::Unreadable { path: shown.clone(), reason };
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProfileError::NotFound { path: shown, nearest: nearest(path) });
        }
        Err(Refusal::Io(error)) => return Err(unreadable(format!("cannot be read: {error}"))),
        Err(Refusal::Other(reason)) => return Err(unreadable(reason.to_owned())),
    };
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("is not UTF-8: byte {} on line {line} is not part of any character", good + 1))
    })?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    if text.trim().is_empty() {
        return Err(unreadable("is empty: expected at least `environment` and one `[[gate]]`".to_owned()));
    }
    Ok(Text { digest: FileDigest { path: shown, sha256 }, text })
}

enum Refusal {
    Io(io::Error),
    Other(&'static str),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Io(error)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Refusal> {
    regular(&fs::metadata(path)?)?;
    // It may have become a FIFO since: opening one without this flag would wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE { Err(Refusal::Other(TOO_LARGE)) } else { Ok(bytes) }
}

const TOO_LARGE: &str = "is larger than 1 MiB: expected a profile that a person wrote";

fn regular(metadata: &fs::Metadata) -> Result<(), Refusal> {
    if metadata.is_dir() {
        return Err(Refusal::Other("is a folder: expected a TOML file"));
    }
    if !metadata.is_file() {
        return Err(Refusal::Other("is no regular file: expected a TOML file"));
    }
    if metadata.len() > MAX_SIZE {
        return Err(Refusal::Other(TOO_LARGE));
    }
    Ok(())
}

/// The file of `--profile X`: a path where X has a `/` or ends in `.toml`, else the name of a file in `gates/`.
pub fn find(name_or_path: &str) -> PathBuf {
    if name_or_path.contains('/') || name_or_path.ends_with(".toml") {
        PathBuf::from(name_or_path)
    } else {
        Path::new(FOLDER).join(format!("{name_or_path}.toml"))
    }
}

/// A profile beside the one that is not there, with nearly its name.
fn nearest(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let beside = fs::read_dir(folder).ok()?.take(1000).flatten();
    let names: Vec<String> = beside.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let profiles = names.iter().map(String::as_str).filter(|name| name.ends_with(".toml"));
    names::nearest(wanted, profiles).map(|name| relative(&folder.join(name)))
}

/// A path as it is shown: from the working directory where it is below that, without `./`.
fn relative(path: &Path) -> String {
    let below = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok());
    let path = below.unwrap_or(path);
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    plain.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn refused(path: &Path) -> String {
        read(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn what_is_no_profile_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| refused(path).replace(folder.path().to_str().unwrap(), "DIR");
        assert_eq!(told(folder.path()), "profile DIR is a folder: expected a TOML file");
        assert_eq!(told(&folder.path().join("a.toml")), "profile not found: DIR/a.toml");
        let empty = file(&folder, "empty.toml", b"\n \n");
        assert!(told(&empty).contains("is empty: expected at least `environment`"), "{}", told(&empty));
        let bad = file(&folder, "bad.toml", b"a = 1\nb = \"\xff\"\n");
        assert_eq!(
            told(&bad),
            "profile DIR/bad.toml is not UTF-8: byte 12 on line 2 is not part of any character"
        );
        let large = file(&folder, "large.toml", &vec![b'#'; MAX_SIZE as usize + 1]);
        assert!(told(&large).contains("larger than 1 MiB"));
        assert!(read(&file(&folder, "just.toml", &vec![b'#'; MAX_SIZE as usize])).is_ok());
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe.toml");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(refused(&path).contains("is no regular file"));
        assert!(refused(Path::new("/dev/zero")).contains("is no regular file"));
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_profile() {
        let folder = tempfile::tempdir().unwrap();
        file(&folder, "single-host.toml", b"x");
        let told = refused(&folder.path().join("singlehost.toml"));
        assert!(told.ends_with("single-host.toml") && told.contains("; nearest: "), "{told}");
    }

    #[test]
    fn a_name_is_a_file_in_gates_and_a_path_is_itself() {
        assert_eq!(find("single-host"), Path::new("gates/single-host.toml"));
        assert_eq!(find("x.toml"), Path::new("x.toml"));
        assert_eq!(find("./x"), Path::new("./x"));
    }

    #[test]
    fn paths_are_shown_from_the_working_directory() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(relative(&here.join("gates/x.toml")), "gates/x.toml");
        assert_eq!(relative(Path::new("./gates/./x.toml")), "gates/x.toml");
        assert_eq!(relative(Path::new("/a/x.toml")), "/a/x.toml");
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_and_a_byte_order_mark_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let read = read(&file(&folder, "bom.toml", b"\xef\xbb\xbfa")).ok().unwrap();
        assert_eq!(read.text, "a");
        // printf '\xef\xbb\xbfa' | sha256sum
        let expected = "1951c7860e968e742658b3af34e60741eb4aaf2a8d2ecc3993727016b12e81e8";
        assert_eq!(read.digest.sha256, expected);
    }
}
