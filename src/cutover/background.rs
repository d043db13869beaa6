//! A background step: a server in the foreground, as the runbook's start commands are. It is started, measured until it
//! is ready, and then left running; one that does not get ready is ended again.

use super::held::Held;
use super::plan::Work;
use super::step::{self, Came, EXCERPT, Log, Stepper};
use crate::condition::Truth;
use crate::process::{Cancel, Excerpt, Server, Signal, StartError};
use crate::profile::switch::Ready;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// From one measurement to the next.
const EVERY: Duration = Duration::from_millis(50);

/// How long one that is given up has to end in order.
const GRACE: Duration = Duration::from_secs(5);

/// How waiting for one to be ready ended.
enum Up {
    /// It is; what was seen.
    Ready(String),
    /// It ended before.
    Ended(ExitStatus),
    /// Its time was up; what was seen last.
    Late(String),
    /// The run is being ended.
    Cancelled,
    /// The system would not say whether it runs.
    Unknown(std::io::Error),
}

/// Starts it and waits until it is ready.
pub fn run(stepper: &Stepper, work: &Work, log: &mut Log, cancel: &Cancel) -> Came {
    let began = Instant::now();
    let failed = |code, why: String| Came {
        code,
        detail: vec![why],
        duration: began.elapsed(),
        printed: Excerpt::default(),
    };
    if cancel.is_cancelled() {
        return failed(step::ENDED_WITH_THE_RUN, step::ended_with_the_run(cancel));
    }
    let Some(ready) = &work.ready else {
        return failed(
            step::NOT_STARTED,
            "a background step needs `ready`, and the profile gives none".to_owned(),
        );
    };
    let mut server = match start(stepper, work, log) {
        Ok(server) => server,
        Err(error) => return failed(step::NOT_STARTED, format!("it could not be started: {error}")),
    };
    let up = wait(stepper, &mut server, ready, step::timeout(work).saturating_sub(began.elapsed()), cancel);
    let duration = began.elapsed();
    let printed = server.printed(EXCERPT);
    let (code, mut detail) = settle(stepper, server, up, cancel, duration, work);
    if let Err(error) = &printed {
        detail.push(format!("its log can't be read: {error}"));
    }
    Came { code, detail, duration, printed: printed.unwrap_or_default() }
}

fn start(stepper: &Stepper, work: &Work, log: &mut Log) -> Result<Server, StartError> {
    let command = stepper.command(work);
    if let Log::File(path) = &*log {
        match command.start(stepper.worker(), path) {
            // A step is not given up for its log.
            Err(StartError::Log { source, .. }) => *log = Log::None(source.to_string()),
            started => return started,
        }
    }
    command.start_unlogged(stepper.worker())
}

fn wait(stepper: &Stepper, server: &mut Server, ready: &Ready, limit: Duration, cancel: &Cancel) -> Up {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let measured = stepper.measuring.once(&ready.measure, left, cancel, || {
            !cancel.is_cancelled() && Instant::now() < deadline && matches!(server.exited(), Ok(None))
        });
        let (holds, seen) = match measured.map(|observations| ready.condition.judge(&observations)) {
            Ok(Ok(judged)) => (judged.truth == Truth::True, judged.to_string()),
            Ok(Err(error)) => (false, error.to_string()),
            Err(error) => (false, error),
        };
        // Whoever answered, it was not one that has ended.
        match server.exited() {
            Ok(Some(status)) => return Up::Ended(status),
            Err(error) => return Up::Unknown(error),
            Ok(None) if holds => return Up::Ready(seen),
            Ok(None) => {}
        }
        if cancel.is_cancelled() {
            return Up::Cancelled;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Up::Late(seen);
        }
        if let Err(error) = server.wait(left.min(EVERY), Some(cancel)) {
            return Up::Unknown(error);
        }
    }
}

/// What becomes of the server: it lives on, or is ended.
fn settle(
    stepper: &Stepper,
    server: Server,
    up: Up,
    cancel: &Cancel,
    took: Duration,
    work: &Work,
) -> (i32, Vec<String>) {
    let (code, why) = match up {
        Up::Ready(seen) => {
            let ready = format!("ready after {} s: {seen}", step::seconds(took));
            return live_on(stepper, server, ready);
        }
        Up::Ended(status) => ended(status),
        Up::Late(seen) => {
            let limit = step::seconds(step::timeout(work));
            (step::TIMED_OUT, format!("it was not ready within {limit} s, and was ended: {seen}"))
        }
        Up::Cancelled => (step::ENDED_WITH_THE_RUN, step::ended_with_the_run(cancel)),
        Up::Unknown(error) => {
            (step::NOT_KNOWN, format!("it could not be found out whether it runs: {error}"))
        }
    };
    let mut detail = vec![why];
    match server.stop(Signal::TERM, GRACE) {
        Ok(stopped) if stopped.survivors > 0 => {
            detail.push(format!("{} of its processes could not be ended", stopped.survivors));
        }
        Ok(_) => {}
        Err(error) => detail.push(format!("it could not be found out whether all of it has ended: {error}")),
    }
    (code, detail)
}

fn live_on(stepper: &Stepper, server: Server, ready: String) -> (i32, Vec<String>) {
    if !stepper.keep_daemons {
        return match Held::new(server) {
            Ok(held) => {
                stepper.hold(held);
                (0, vec![ready, "ended with the rehearsal".to_owned()])
            }
            Err(error) => (step::NOT_KNOWN, vec![format!("it could not be kept running: {error}")]),
        };
    }
    match server.release() {
        Ok(left) if left.is_empty() => (1, vec![ready, "and then it ended".to_owned()]),
        Ok(left) => (0, std::iter::once(ready).chain(step::left_running(&left)).collect()),
        Err(error) => (step::NOT_KNOWN, vec![ready, format!("and it could not be left running: {error}")]),
    }
}

/// A server that ends is no success, whatever its exit code.
fn ended(status: ExitStatus) -> (i32, String) {
    match (status.code(), status.signal()) {
        (Some(code), _) => (code.max(1), format!("it ended with exit code {code} before it was ready")),
        (None, Some(signal)) => (128 + signal, format!("{} before it was ready", step::by_signal(signal))),
        (None, None) => (step::NOT_KNOWN, "it ended before it was ready, nobody knows how".to_owned()),
    }
}
