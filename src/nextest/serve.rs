//! The process that holds a run of nextest: it begins the run, answers tests, and when nextest is gone writes what is
//! not yet written and ends the services.

use super::caller::Process;
use super::holding::{ENDED, Holding};
use super::request::{Held, Request};
use super::socket::Socket;
use super::wire::{self, Answer, Question, SIGN_OF_LIFE, SILENCE};
use super::{NextestError, settings};
use crate::process::{Cancel, Worker, signals};
use crate::rehearsal::{Rehearsal, Watcher};
use std::io::{self, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Nothing takes this long: waits that an event ends are begun anew.
const LONG: Duration = Duration::from_secs(3600);

/// How often is looked whether a signal came.
const LOOK: Duration = Duration::from_millis(200);

/// Holds the run that the request in this folder asks for, until nextest is gone. For the process that
/// [`setup`](super::setup) starts.
///
/// # Errors
/// The run could not begin.
pub fn serve(folder: &Path, worker: Worker, watcher: Arc<dyn Watcher + Sync>) -> Result<(), NextestError> {
    let request = Request::read(folder)?;
    let cancel = Cancel::new().map_err(NextestError::of)?;
    let _listener = signals::listen(&cancel).map_err(NextestError::of)?;
    let over = Cancel::new().map_err(NextestError::of)?;
    let begun = Arc::new(AtomicBool::new(false));
    watch(request.caller, &over, &cancel, &begun)?;
    let path = settings::profile_path(&request.profile);
    let (profile, plan) = settings::load(&path).map_err(NextestError)?;
    let plan = match &request.cases {
        Some(cases) => settings::select(&profile, plan, cases.clone(), request.words.clone()),
        None => Ok(plan),
    };
    let plan = plan.map_err(NextestError)?;
    let options = settings::options("nextest").map_err(NextestError)?;
    let rehearsal = Rehearsal::open(&plan, &options, worker, &cancel, watcher).map_err(NextestError::of)?;
    begun.store(true, Ordering::SeqCst);
    let environment = rehearsal.environment().cloned();
    let run = rehearsal.record().folder.clone();
    let holding = Arc::new(Holding::new(rehearsal, &plan, &path, options.dry_run));
    let socket = Socket::make();
    let served = socket.and_then(|socket| {
        let held = Held {
            run: request.run.clone(),
            caller: request.caller,
            holder: Process::parent().ok_or_else(|| NextestError("expected to see /proc".to_owned()))?,
            socket: socket.path(),
            folder: run.canonicalize().unwrap_or(run),
        };
        answer(&socket.listener, &holding)?;
        held.write(folder)?;
        until(&over, &cancel);
        Ok(())
    });
    holding.end(&cancel);
    if let Some(environment) = environment {
        environment.stop();
        environment.notes().iter().for_each(|note| eprintln!("warning: {note}"));
    }
    served
}

/// Waits until nextest is gone, or somebody ends this process.
fn until(over: &Cancel, cancel: &Cancel) {
    while !over.pause(LOOK) {
        if matches!(cancel.why(), Some("SIGINT" | "SIGTERM")) {
            return;
        }
    }
}

/// Looks at nextest's process, on a thread of its own. A run that has not begun when it ends never does.
fn watch(
    nextest: Process,
    over: &Cancel,
    cancel: &Cancel,
    begun: &Arc<AtomicBool>,
) -> Result<(), NextestError> {
    let (over, cancel, begun) = (over.clone(), cancel.clone(), Arc::clone(begun));
    let look = move || {
        while !nextest.wait(Instant::now() + LONG) {}
        over.cancel(ENDED);
        if !begun.load(Ordering::SeqCst) {
            cancel.cancel(ENDED);
        }
    };
    std::thread::Builder::new().name("nextest".to_owned()).spawn(look).map_err(NextestError::of)?;
    Ok(())
}

/// Answers tests from now on, each on a thread of its own.
fn answer(listener: &UnixListener, holding: &Arc<Holding>) -> Result<(), NextestError> {
    let listener = listener.try_clone().map_err(NextestError::of)?;
    let holding = Arc::clone(holding);
    let accept = move || {
        for stream in listener.incoming() {
            let holding = Arc::clone(&holding);
            // A test that is not answered fails, and says why.
            let begun = stream.and_then(|stream| {
                std::thread::Builder::new().name("test".to_owned()).spawn(move || {
                    if let Err(error) = converse(stream, &holding) {
                        eprintln!("a test did not wait for its answer: {error}");
                    }
                })
            });
            if let Err(error) = begun {
                eprintln!("warning: a test could not be answered: {error}");
                std::thread::sleep(LOOK);
            }
        }
    };
    std::thread::Builder::new().name("tests".to_owned()).spawn(accept).map_err(NextestError::of)?;
    Ok(())
}

/// Answers one question. The measurement goes on also where its test does not wait: others may need the gate.
fn converse(mut stream: UnixStream, holding: &Arc<Holding>) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let Some(question) = wire::read::<Question>(&mut BufReader::new(&stream))? else { return Ok(()) };
    let (tell, told) = sync_channel(1);
    let holding = Arc::clone(holding);
    std::thread::Builder::new().name("asked".to_owned()).spawn(move || {
        // The one who asked may be gone.
        tell.send(holding.answer(question)).ok();
    })?;
    loop {
        match told.recv_timeout(SIGN_OF_LIFE) {
            Ok(answer) => return wire::write(&mut stream, &answer),
            Err(RecvTimeoutError::Timeout) => wire::write(&mut stream, &Answer::Wait)?,
            Err(RecvTimeoutError::Disconnected) => {
                let why = "the measurement broke off, which is a fault in cutproof".to_owned();
                return wire::write(&mut stream, &Answer::Refused(why));
            }
        }
    }
}
