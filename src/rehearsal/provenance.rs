//! What a run was made with and from: the digest of cutproof's own executable, and the state of the repository in the
//! working directory when the run began. It is gathered beside the run, which it never holds up or ends: what can't be
//! known is said so. What variables of a CI say of a commit is not taken in git's place: anyone can set them.

mod repository;

use crate::journal::Digest;
use crate::model::event::{Provenance, Source};
use crate::process::{Cancel, Worker};
use repository::Repository;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// The program that is running, also where another has taken its path since.
const OWN: &str = "/proc/self/exe";

/// How long both may take, from the run's start.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is being gathered.
pub struct Gathering {
    begun: Instant,
    tool: Told<String>,
    source: Told<Source>,
}

/// What one thread found, or why it did not; none where the thread could not be started.
type Told<T> = Mutex<Option<Receiver<Result<T, String>>>>;

impl Gathering {
    /// Begins. Differences in the folder of evidence and at the paths of `exports` are the runs' own doing, and don't
    /// count: a file's path, or that of a folder that runs put their files into.
    pub fn begin(evidence: &Path, exports: &[PathBuf], worker: Worker, cancel: &Cancel) -> Gathering {
        let own = Repository::here(evidence, exports);
        let cancel = cancel.clone();
        Gathering {
            begun: Instant::now(),
            tool: beside("provenance-tool", tool),
            source: beside("provenance-source", move || own.and_then(|own| own.source(&worker, &cancel))),
        }
    }

    /// What was found. Waits where it is not there yet, but not for ever.
    pub fn end(&self) -> Provenance {
        let mut unknown = Vec::new();
        let tool_sha256 = self.wait(&self.tool, "the digest of cutproof's executable", &mut unknown);
        let source = self.wait(&self.source, "the repository's state", &mut unknown);
        Provenance { tool_sha256, source, unknown }
    }

    fn wait<T>(&self, told: &Told<T>, what: &str, unknown: &mut Vec<String>) -> Option<T> {
        let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let left = PATIENCE.saturating_sub(self.begun.elapsed());
        let found = match told.map(|told| told.recv_timeout(left)) {
            Some(Ok(found)) => found,
            Some(Err(RecvTimeoutError::Timeout)) => {
                Err(format!("it was not there {} s after the run's start", PATIENCE.as_secs()))
            }
            Some(Err(RecvTimeoutError::Disconnected)) | None => Err("no thread could look".to_owned()),
        };
        found.map_err(|why| unknown.push(format!("{what}: {why}"))).ok()
    }
}

/// Does this on a thread of its own.
fn beside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Told<T> {
    let (tell, told) = sync_channel(1);
    let work = move || {
        // Nobody may wait any more.
        tell.send(work()).ok();
    };
    let begun = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    Mutex::new(begun.is_ok().then_some(told))
}

fn tool() -> Result<String, String> {
    let digest = File::open(OWN).and_then(Digest::of_all);
    digest.map(|(_, digest)| digest.to_string()).map_err(|error| format!("cannot read {OWN}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_that_runs() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(tool().unwrap(), Digest::of(&bytes).to_string());
    }

    #[test]
    fn both_are_told_and_what_is_asked_for_twice_is_not_waited_for() {
        let (worker, cancel) = (Worker::unheld().unwrap(), Cancel::new().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let gathering = Gathering::begin(folder.path(), &[], worker, &cancel);
        let told = gathering.end();
        assert!(told.tool_sha256.is_some());
        // Where this is built from an archive there is no repository, which is said.
        assert_eq!(told.source.is_none(), !told.unknown.is_empty(), "{told:?}");
        assert_eq!(gathering.end().unknown.len(), 2);
    }
}
