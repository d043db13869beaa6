//! Copies of a run's files at the paths of the runbook. What is there may be the only proof of a real run, so a dry
//! run never takes its place, and a real run only after it was kept under `evidence/`.

use super::Env;
use super::write::{WriteError, folder_of, make_folder, put, sync_folder};
use crate::journal::Digest;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Where copies of replaced exports go, under the evidence folder.
const REPLACED: &str = "replaced";

/// Files of ours are far smaller than this. A larger one at an export's path is kept, but not read to tell what it is.
const READABLE: u64 = 64 << 20;

/// What came of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exported {
    /// The file is there.
    Written {
        /// Where what it replaced was kept, if it was kept nowhere yet.
        kept: Option<PathBuf>,
    },
    /// It was there already.
    Same,
}

/// Copies the file `name` of a run's folder to `to`, whose folder is made where it is not there. What it replaces
/// stays under the folder that the run's folder is in: it stands in a run's folder already, or is copied to
/// `replaced/`.
///
/// # Errors
/// Where it can't be written, where what it would replace can't be kept, where `to` is no regular file, and where the
/// run was a dry one and what is at `to` is not known to come of a dry run too.
pub fn export(run: &Path, name: &str, to: &Path) -> Result<Exported, WriteError> {
    renew(run, name, to, None)
}

/// As [`export`], for a file that this very run has exported before: where `last` stands at `to`, it is replaced and
/// not kept.
///
/// # Errors
/// As [`export`].
pub fn renew(run: &Path, name: &str, to: &Path, last: Option<&[u8]>) -> Result<Exported, WriteError> {
    let from = run.join(name);
    let bytes = fs::read(&from).map_err(|cause| WriteError::new("read", &from, cause))?;
    let evidence = folder_of(run);
    let kept = match existing(to)? {
        None => None,
        Some(Existing::Read(there)) if there == bytes => return Ok(Exported::Same),
        Some(Existing::Read(there)) if Some(&*there) == last => None,
        Some(there) if there.is_simulated() => None,
        Some(_) if is_simulated(&bytes) => {
            let why =
                "it is not known to come of a dry run, and this run is one; its file is in the run's folder";
            return Err(WriteError::new("replace", to, io::Error::other(why)));
        }
        Some(there) if there.is_kept(evidence, name) => None,
        Some(_) => Some(keep(to, evidence)?),
    };
    let folder = folder_of(to);
    make_folder(folder)?;
    put(to, &bytes)?;
    sync_folder(folder)?;
    Ok(Exported::Written { kept })
}

/// What stands at a path.
enum Existing {
    Read(Vec<u8>),
    TooLarge,
}

fn existing(path: &Path) -> Result<Option<Existing>, WriteError> {
    let failed = |cause| WriteError::new("replace", path, cause);
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        about => about.map_err(failed)?,
    };
    if about.is_symlink() {
        return Err(failed(io::Error::other("it is a symbolic link; give the path of the file itself")));
    }
    if !about.is_file() {
        return Err(failed(io::Error::other("expected a regular file or nothing there")));
    }
    if about.len() > READABLE {
        return Ok(Some(Existing::TooLarge));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(READABLE).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(Some(Existing::Read(bytes)))
}

impl Existing {
    fn is_simulated(&self) -> bool {
        matches!(self, Existing::Read(bytes) if is_simulated(bytes))
    }

    /// Whether a run's folder holds this very file.
    fn is_kept(&self, evidence: &Path, name: &str) -> bool {
        let Existing::Read(bytes) = self else { return false };
        let same = |path: PathBuf| {
            let size =
                fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file).map(|about| about.len());
            size == Some(bytes.len() as u64) && fs::read(path).is_ok_and(|other| other == *bytes)
        };
        let mut runs = fs::read_dir(evidence).into_iter().flatten().flatten();
        runs.any(|run| same(run.path().join(name)))
    }
}

/// Copies what is about to be replaced to where it stays.
fn keep(path: &Path, evidence: &Path) -> Result<PathBuf, WriteError> {
    let failed = |cause| WriteError::new("keep a copy of", path, cause);
    let bytes = fs::read(path).map_err(failed)?;
    let dir = evidence.join(REPLACED);
    make_folder(&dir)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let copy = dir.join(kept_name(&bytes, &name));
    put(&copy, &bytes)?;
    sync_folder(&dir)?;
    Ok(copy)
}

/// A name that says what the file is and that no other contents have.
fn kept_name(bytes: &[u8], name: &str) -> String {
    let digest = Digest::of(bytes).to_string();
    format!("{}-{name}", &digest[..16])
}

/// Whether a file says of itself that it comes of a dry run. What says nothing of the kind counts as real.
fn is_simulated(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let start = text.trim_start();
    if start.starts_with('<') {
        let suite = start.split_once("<testsuite ").and_then(|(_, rest)| rest.split_once('>'));
        return suite.is_some_and(|(tag, _)| tag.contains("dry run)\" "));
    }
    if start.starts_with('{') {
        let json: Option<serde_json::Value> = serde_json::from_str(start).ok();
        return json.and_then(|json| json.get("dry_run")?.as_bool()).unwrap_or(false);
    }
    let env = Env::parse(text);
    let mut marks = env.entries().iter().filter(|entry| entry.key.ends_with("_DRY_RUN")).peekable();
    marks.peek().is_some() && marks.all(|entry| entry.value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "kafka_topic_init_result.env";
    const REAL: &str = "KAFKA_TOPIC_INIT_DRY_RUN=0\nKAFKA_TOPIC_INIT_SUCCESS=true\n";
    const DRY: &str = "KAFKA_TOPIC_INIT_DRY_RUN=1\nKAFKA_TOPIC_INIT_SUCCESS=true\n";

    /// Runs under `evidence/`, and the runbook's path beside it.
    struct Desk {
        root: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Desk {
            Desk { root: tempfile::tempdir().unwrap() }
        }

        fn run(&self, name: &str, text: &str) -> PathBuf {
            let dir = self.root.path().join("evidence").join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(NAME), text).unwrap();
            dir
        }

        fn to(&self) -> PathBuf {
            self.root.path().join("docs/results").join(NAME)
        }

        fn there(&self) -> String {
            fs::read_to_string(self.to()).unwrap()
        }
    }

    #[test]
    fn a_dry_run_gives_way_to_a_real_one_and_never_the_other_way_round() {
        let desk = Desk::new();
        let (dry, real) = (desk.run("1-dry", DRY), desk.run("2-real", REAL));
        let written = Exported::Written { kept: None };
        assert_eq!(export(&dry, NAME, &desk.to()).unwrap(), written);
        assert_eq!(export(&dry, NAME, &desk.to()).unwrap(), Exported::Same);
        assert_eq!(export(&real, NAME, &desk.to()).unwrap(), written);
        let refused = export(&dry, NAME, &desk.to()).unwrap_err().to_string();
        assert!(refused.contains("not known to come of a dry run"), "{refused}");
        assert_eq!(desk.there(), REAL);
    }

    #[test]
    fn a_real_run_is_replaced_only_where_it_is_kept() {
        let desk = Desk::new();
        let (first, second) = (desk.run("1", REAL), desk.run("2", &REAL.replace("true", "false")));
        export(&first, NAME, &desk.to()).unwrap();
        assert_eq!(export(&second, NAME, &desk.to()).unwrap(), Exported::Written { kept: None });
        // Written by another tool, or its run's folder is gone.
        fs::write(desk.to(), format!("{REAL}# by hand\n")).unwrap();
        let Exported::Written { kept: Some(copy) } = export(&second, NAME, &desk.to()).unwrap() else {
            panic!("nothing was kept")
        };
        assert_eq!(fs::read_to_string(&copy).unwrap(), format!("{REAL}# by hand\n"));
        assert!(copy.starts_with(desk.root.path().join("evidence/replaced")));
        assert_eq!(desk.there(), REAL.replace("true", "false"));
    }

    #[test]
    fn a_run_replaces_its_own_file_without_keeping_it() {
        let desk = Desk::new();
        let run = desk.run("1", REAL);
        export(&run, NAME, &desk.to()).unwrap();
        let later = desk.run("1", "KAFKA_TOPIC_INIT_SUCCESS=false\n");
        let written = renew(&later, NAME, &desk.to(), Some(REAL.as_bytes())).unwrap();
        assert_eq!(written, Exported::Written { kept: None });
        assert_eq!(desk.there(), "KAFKA_TOPIC_INIT_SUCCESS=false\n");
        // Somebody else's stays, also where something of ours was there before.
        fs::write(desk.to(), "by=hand\n").unwrap();
        let kept = renew(&later, NAME, &desk.to(), Some(REAL.as_bytes())).unwrap();
        assert!(matches!(kept, Exported::Written { kept: Some(_) }), "{kept:?}");
    }

    #[test]
    fn what_is_no_file_of_a_run_is_kept_or_refused() {
        let desk = Desk::new();
        let (real, dry) = (desk.run("1", REAL), desk.run("2", DRY));
        let source = desk.root.path().join("main.rs");
        fs::write(&source, "fn main() {}").unwrap();
        assert!(export(&dry, NAME, &source).is_err());
        assert!(matches!(export(&real, NAME, &source).unwrap(), Exported::Written { kept: Some(_) }));
        let link = desk.root.path().join("link");
        std::os::unix::fs::symlink(&source, &link).unwrap();
        for to in [link.as_path(), desk.root.path()] {
            let error = export(&real, NAME, to).unwrap_err();
            assert_eq!(error.path, to);
        }
        let absent = export(&real, "absent.env", &desk.to()).unwrap_err();
        assert_eq!(absent.path, real.join("absent.env"));
        assert!(!desk.to().exists());
    }

    #[test]
    fn files_say_themselves_whether_they_come_of_a_dry_run() {
        let junit = |name: &str, text: &str| {
            format!(r#"<?xml version="1.0"?><testsuites><testsuite id="0" name="{name}" tests="1">{text}"#)
        };
        let dry = [
            DRY.to_owned(),
            junit("desk infra (dry run)", ""),
            junit("desk infra (partial, dry run)", ""),
            r#"{"dry_run": true}"#.to_owned(),
        ];
        let not_known = [
            REAL.to_owned(),
            format!("{DRY}{REAL}"),
            String::new(),
            junit("desk infra", r#"says (dry run)" "#),
            r#"{"dry_run": false}"#.to_owned(),
            r#"{"dry_run": "#.to_owned(),
        ];
        assert!(dry.iter().all(|text| is_simulated(text.as_bytes())));
        assert!(not_known.iter().all(|text| !is_simulated(text.as_bytes())));
        assert!(!is_simulated(&[0xff, 0xfe]));
    }
}
