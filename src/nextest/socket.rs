//! Where the run's holder listens: a socket in a folder that only its user can enter. Not in the state folder, whose
//! path may be longer than the kernel takes for a socket.

use super::NextestError;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A socket that is listened on. It is removed when this is dropped.
pub struct Socket {
    /// It.
    pub listener: UnixListener,
    folder: TempDir,
}

impl Socket {
    /// Makes one.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make() -> Result<Socket, NextestError> {
        let places = [std::env::temp_dir(), PathBuf::from("/tmp")];
        let made: Vec<_> = places.iter().map(|place| Socket::make_in(place)).collect();
        let mut why = String::new();
        for (place, made) in places.iter().zip(made) {
            match made {
                Ok(socket) => return Ok(socket),
                Err(error) => why = format!("{}: {error}", place.display()),
            }
        }
        Err(NextestError(format!(
            "expected to make a socket for tests in {why}; set TMPDIR to another folder"
        )))
    }

    fn make_in(place: &Path) -> std::io::Result<Socket> {
        // Its mode is 0700.
        let folder = tempfile::Builder::new().prefix("cutproof-").tempdir_in(place)?;
        let listener = UnixListener::bind(path_in(&folder))?;
        Ok(Socket { listener, folder })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        path_in(&self.folder)
    }
}

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("run")
}
