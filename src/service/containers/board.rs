//! What has become of each service of a start, for those who start them and those who wait. It knows no Docker.

use crate::model::{Endpoint, Secret};
use crate::process::Cancel;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often those who wait look whether the run is cancelled.
const SLICE: Duration = Duration::from_millis(50);

/// A container that was made for a service.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub id: String,
    pub password: Option<Secret>,
}

/// How far a service is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// No container yet: what is done about it.
    Coming(String),
    /// Its container runs, and what was seen last when it was asked.
    Running(Made, String),
    /// It answers.
    Ready(Made, Box<Endpoint>),
    /// It will not: why. What was printed before its container was lost is in its log.
    Failed(Option<Made>, String),
}

impl Stage {
    pub fn made(&self) -> Option<&Made> {
        match self {
            Stage::Coming(_) => None,
            Stage::Running(made, _) | Stage::Ready(made, _) => Some(made),
            Stage::Failed(made, _) => made.as_ref(),
        }
    }
}

/// The services of a start.
pub(super) struct Board {
    stages: Mutex<BTreeMap<String, Stage>>,
    notes: Mutex<Vec<String>>,
    changed: Condvar,
    stopping: AtomicBool,
    cancel: Cancel,
}

impl Board {
    pub fn new<'a>(services: impl Iterator<Item = &'a String>, cancel: Cancel) -> Board {
        let coming = |name: &String| (name.clone(), Stage::Coming("its start has not begun".to_owned()));
        Board {
            stages: Mutex::new(services.map(coming).collect()),
            notes: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            cancel,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, service: &str, stage: Stage) {
        self.lock().insert(service.to_owned(), stage);
        self.changed.notify_all();
    }

    pub fn stages(&self) -> BTreeMap<String, Stage> {
        self.lock().clone()
    }

    pub fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody waits any longer. Returns whether that is new.
    pub fn stop(&self) -> bool {
        let new = !self.stopping.swap(true, Ordering::AcqRel);
        self.changed.notify_all();
        new
    }

    /// Why nothing is waited for any longer, if so.
    pub fn ended(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("the containers are being removed")
        } else if self.cancel.is_cancelled() {
            Some("the run was told to end")
        } else {
            None
        }
    }

    /// Sleeps, less if the run is cancelled meanwhile.
    pub fn pause(&self, time: Duration) {
        self.cancel.pause(time);
    }

    /// Waits until `enough` says so of the service's stage, and returns that stage.
    ///
    /// # Errors
    /// The deadline passed or the run ended before: how far it was.
    pub fn wait(
        &self,
        service: &str,
        deadline: Instant,
        enough: impl Fn(&Stage) -> bool,
    ) -> Result<Stage, String> {
        let mut stages = self.lock();
        loop {
            let Some(stage) = stages.get(service) else {
                let names: Vec<_> = stages.keys().map(String::as_str).collect();
                return Err(format!("it is none of the containers that were started: {}", names.join(", ")));
            };
            if enough(stage) {
                return Ok(stage.clone());
            }
            if let Some(why) = self.ended() {
                return Err(why.to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(match stage {
                    Stage::Coming(doing) => format!("it is not up yet: {doing}"),
                    Stage::Running(_, seen) => format!("it does not answer yet: {seen}"),
                    Stage::Ready(..) => "it answers".to_owned(),
                    Stage::Failed(_, why) => why.clone(),
                });
            }
            let wait = self.changed.wait_timeout(stages, left.min(SLICE));
            stages = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (Board, Cancel) {
        let cancel = Cancel::new().unwrap();
        (Board::new(["it".to_owned()].iter(), cancel.clone()), cancel)
    }

    fn ready(stage: &Stage) -> bool {
        matches!(stage, Stage::Ready(..))
    }

    #[test]
    fn a_wait_that_is_over_says_how_far_the_service_was() {
        let (board, _) = board();
        board.set("it", Stage::Coming("its image is being pulled".to_owned()));
        let error = board.wait("it", Instant::now(), ready).unwrap_err();
        assert!(error.contains("being pulled"), "{error}");
    }

    #[test]
    fn a_cancelled_run_wakes_who_waits() {
        let (board, cancel) = board();
        cancel.cancel("SIGINT");
        let error = board.wait("it", Instant::now() + Duration::from_secs(3600), ready).unwrap_err();
        assert!(error.contains("told to end"), "{error}");
    }

    #[test]
    fn a_service_that_was_never_asked_for_is_told_apart() {
        let (board, _) = board();
        let error = board.wait("other", Instant::now() + Duration::from_secs(3600), ready).unwrap_err();
        assert!(error.contains("none of the containers") && error.contains("it"), "{error}");
    }

    #[test]
    fn what_is_ready_is_given_at_once_even_when_the_time_is_over() {
        let (board, _) = board();
        let made = Made { id: "x".to_owned(), password: None };
        let endpoint = Endpoint::at(crate::model::ServiceKind::Redis, "127.0.0.1:1");
        board.set("it", Stage::Ready(made, Box::new(endpoint)));
        assert!(board.wait("it", Instant::now(), ready).is_ok());
    }
}
