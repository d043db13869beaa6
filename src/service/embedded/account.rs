//! PostgreSQL refuses root: whom to run it as, and folders that this user can reach.
//!
//! A cache under a 0700 home, or a run in a 0700 temp folder, can't be reached by another user. The server
//! and its data then live in folders of their own elsewhere, which go when the server goes.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

const PREFIX: &str = "cutproof-postgres-";
const LOCK: &str = "lock";

/// A user to run a server as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// As in /etc/passwd.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Account {
    /// Whom PostgreSQL must run as: nobody else, unless we are root.
    ///
    /// # Errors
    /// Where we are root and the machine knows neither `postgres` nor `nobody`.
    pub fn for_postgres() -> io::Result<Option<Account>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let account = ["postgres", "nobody"].into_iter().find_map(|name| find(&users, name));
        account.map(Some).ok_or_else(|| {
            io::Error::other("PostgreSQL refuses root, and /etc/passwd has neither postgres nor nobody; run as another user")
        })
    }

    /// Whether this user can get to a folder: it needs the x bit of each folder on the way.
    pub fn reaches(&self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else { return false };
        folder.ancestors().all(|folder| {
            folder.metadata().is_ok_and(|meta| {
                let bit = if meta.uid() == self.uid {
                    0o100
                } else if meta.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                meta.mode() & bit != 0
            })
        })
    }

    /// Gives a folder and all in it to this user.
    ///
    /// # Errors
    /// Where something can't be given away.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))?;
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }
}

fn find(users: &str, name: &str) -> Option<Account> {
    let mut fields =
        users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?.skip(2);
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (uid != 0).then(|| Account { name: name.to_owned(), uid, gid })
}

/// A folder of a server's own, gone when the value goes. The file `lock` in it stays locked for as long as we
/// or a process that was given [`Folder::lock`] live; a later run removes folders that nobody holds any more.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes one in the first place that can be written and that the account, if any, can reach.
    ///
    /// # Errors
    /// Where there is no such place: why the last one would not do.
    pub fn new(account: Option<&Account>, places: &[PathBuf]) -> io::Result<Folder> {
        Folder::make(account, places, &|folder| {
            // Locked before it has its name: whoever finds it finds it held.
            let new = folder.join("lock.new");
            let lock = File::create(&new)?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            fs::rename(new, folder.join(LOCK))?;
            Ok(lock)
        })
    }

    /// One that is held for as long as another is.
    ///
    /// # Errors
    /// As [`Folder::new`].
    pub fn beside(other: &Folder, account: Option<&Account>, places: &[PathBuf]) -> io::Result<Folder> {
        Folder::make(account, places, &|folder| {
            symlink(other.path.join(LOCK), folder.join(LOCK))?;
            other.lock()
        })
    }

    fn make(
        account: Option<&Account>,
        places: &[PathBuf],
        hold: &dyn Fn(&Path) -> io::Result<File>,
    ) -> io::Result<Folder> {
        let mut refused = io::Error::other("no place for a folder");
        for place in places {
            if let Some(account) = account
                && !account.reaches(place)
            {
                refused = io::Error::other(format!("user {} can't reach {}", account.name, place.display()));
                continue;
            }
            sweep(place);
            let path = match tempfile::Builder::new().prefix(PREFIX).tempdir_in(place) {
                Ok(folder) => folder.keep(),
                Err(error) => {
                    refused = error;
                    continue;
                }
            };
            let held = fs::set_permissions(&path, Permissions::from_mode(0o711)).and_then(|()| hold(&path));
            return match held {
                Ok(lock) => Ok(Folder { path, lock }),
                Err(error) => fs::remove_dir_all(&path).and(Err(error)),
            };
        }
        Err(refused)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For a process that keeps the folder in use beyond us.
    ///
    /// # Errors
    /// Where there are no more file descriptors.
    pub fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Leaves it to the processes that were given its lock.
    pub fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What can't be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes folders of runs that were killed.
fn sweep(place: &Path) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !ours || !entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == me) {
            continue;
        }
        let lock = entry.path().join(LOCK);
        let unheld = match File::open(&lock) {
            Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            // The folder that it was held with is gone. One without any lock is just being made.
            Err(_) => lock.is_symlink(),
        };
        if unheld {
            // Somebody else may sweep too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Temp folders, where programs may be run from.
pub fn temp_folders() -> Vec<PathBuf> {
    vec![std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]
}

/// Memory, where there is plenty of it for files.
pub fn memory() -> Option<PathBuf> {
    const PLENTY: u64 = 2 << 30;
    let shm = PathBuf::from("/dev/shm");
    let stat = rustix::fs::statvfs(&shm).ok()?;
    (stat.f_bavail.saturating_mul(stat.f_frsize) >= PLENTY).then_some(shm)
}

/// Whether a copy may share its files with the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Hard links where the file system allows: for what nobody writes.
    Linked,
    /// Files of its own.
    Own,
}

/// Copies a folder with its links and permissions.
///
/// # Errors
/// Where something can't be read or written.
pub fn copy(from: &Path, to: &Path, sharing: Sharing) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copy(&from, &to, sharing)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if sharing == Sharing::Own || fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    fs::set_permissions(to, from.metadata()?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone() -> Account {
        Account { name: "someone".to_owned(), uid: 54321, gid: 54321 }
    }

    #[test]
    fn postgres_goes_before_nobody_and_root_is_never_taken() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        assert_eq!(find(users, "nobody").map(|it| (it.uid, it.gid)), Some((65534, 65533)));
        assert_eq!(find(users, "postgres"), None);
        assert_eq!(find("postgres:x:0:0::/:/bin/sh", "postgres"), None);
        assert_eq!(find("postgres:x", "postgres"), None);
    }

    #[test]
    fn a_folder_below_one_of_0700_is_not_reached() {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(top.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(!someone().reaches(&inner));
        fs::set_permissions(top.path(), Permissions::from_mode(0o711)).unwrap();
        assert_eq!(someone().reaches(&inner), someone().reaches(&std::env::temp_dir()));
        assert!(!someone().reaches(Path::new("/nonexistent")));
    }

    #[test]
    fn a_folder_is_swept_when_nobody_holds_it_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let places = [PathBuf::from("/nonexistent"), place.path().to_owned()];
        let unlocked = place.path().join(format!("{PREFIX}just-made"));
        fs::create_dir(&unlocked).unwrap();
        let folder = Folder::new(None, &places).unwrap();
        let second = Folder::beside(&folder, None, &places).unwrap();
        let paths = [folder.path().to_owned(), second.path().to_owned()];
        let held = folder.lock().unwrap();
        folder.keep();
        second.keep();
        sweep(place.path());
        assert!(paths.iter().all(|path| path.exists()));
        drop(held);
        // The second goes with the first, in whichever order they are found.
        sweep(place.path());
        sweep(place.path());
        assert!(!paths.iter().any(|path| path.exists()) && unlocked.exists());
    }

    #[test]
    fn a_folder_goes_with_its_value_and_its_place_must_be_reached() {
        let place = tempfile::tempdir().unwrap();
        let path = Folder::new(None, &[place.path().to_owned()]).unwrap().path().to_owned();
        assert!(!path.exists());
        fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
        let refused = Folder::new(Some(&someone()), &[place.path().to_owned()]).unwrap_err();
        assert!(refused.to_string().starts_with("user someone can't reach "), "{refused}");
    }

    #[test]
    fn a_copy_has_the_links_and_permissions_of_the_original() {
        let top = tempfile::tempdir().unwrap();
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir_all(from.join("bin")).unwrap();
        fs::write(from.join("bin/run"), "#!").unwrap();
        fs::set_permissions(from.join("bin/run"), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&from, Permissions::from_mode(0o700)).unwrap();
        symlink("run", from.join("bin/alias")).unwrap();
        for sharing in [Sharing::Linked, Sharing::Own] {
            copy(&from, &to, sharing).unwrap();
            assert_eq!(fs::read_link(to.join("bin/alias")).unwrap(), Path::new("run"));
            assert_eq!(to.metadata().unwrap().mode() & 0o777, 0o700);
            let run = to.join("bin/run").metadata().unwrap();
            assert_eq!((run.mode() & 0o777, run.nlink() > 1), (0o755, sharing == Sharing::Linked));
            fs::remove_dir_all(&to).unwrap();
        }
    }
}
