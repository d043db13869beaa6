//! The process that the user started: it starts the same program again as the worker, passes signals
//! on, and when the worker has ended, however that came, ends what it left and runs what it still owed. Does
//! nothing else, so that nothing else can bring it down.

use std::env;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::ending::{self, Patience};
use super::lifeline::{self, HoldersEnd, Role, Told};
use super::poll::poll;
use super::table::{self, Entry};
use super::worker::Worker;
use super::{HoldError, WORKER_VARIABLE, signals};

/// What the worker left behind is gone within 2 s.
const PATIENCE: Patience<'static> =
    Patience { grace: Duration::from_millis(500), hurry: None, kill: Duration::from_secs(5) };
/// Every event wakes the holder; this is only so that no wait is without end.
const LONG: Duration = Duration::from_secs(60);

/// Runs `work` in a process of its own that is guarded by this one, and returns its exit code, or 128 + n
/// if signal n ended it. Whatever either of the two dies of, SIGKILL included, the other ends all that was
/// started, within 2 s; only what was released ([`Daemons::Release`](super::Daemons)) lives on. Then what the
/// worker owed ([`Worker::owe`]) is done.
///
/// The program is started a second time with the same arguments: call this first thing in `main`, before
/// there are threads, output or side effects. In the process that the user started `work` is never run.
///
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the worker, which is in another session.
///
/// # Errors
/// The holder could not be set up; nothing has run then.
pub fn hold(work: impl FnOnce(&Worker) -> u8) -> Result<ExitCode, HoldError> {
    match lifeline::role()? {
        Role::Unheld => become_holder(),
        Role::Worker(lifeline) => {
            let worker = Worker::held(lifeline)?;
            let code = work(&worker);
            report(worker.finish());
            Ok(ExitCode::from(code))
        }
    }
}

fn become_holder() -> Result<ExitCode, HoldError> {
    set_child_subreaper(Some(getpid())).map_err(|e| HoldError::system("become the heir of orphans", e))?;
    let signals = listen().map_err(|source| HoldError::System { what: "listen for signals", source })?;
    let (lifeline, workers_end) =
        lifeline::pair().map_err(|source| HoldError::System { what: "make a lifeline", source })?;
    let worker = start_worker(&workers_end)?;
    drop(workers_end);
    let mut told = Told::default();
    let status = wait(worker, signals, lifeline, &mut told)
        .map_err(|source| HoldError::System { what: "wait for the worker", source })?;
    let everyone = || Ok(told.released.not_released_below(table::me(), &table::snapshot_if_parent()?));
    report(ending::end(PATIENCE, everyone, std::thread::sleep));
    pay(&told);
    Ok(exit_code(status))
}

/// What the worker owed when it ended is done now.
fn pay(told: &Told) {
    if let Err(error) = told.debts.pay() {
        // Standard error may be closed; then there is nobody to say it to.
        let _ = writeln!(io::stderr(), "error: not everything that the run began was put right: {error}");
    }
}

type Signals = SignalDelivery<UnixStream, SignalOnly>;

/// Signals that whoever started us had ignored (nohup, a shell's background job) stay ignored.
fn listen() -> io::Result<Signals> {
    let (read, write) = UnixStream::pair()?;
    let ignored = signals::ignored()?;
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !ignored.contains(*signal));
    SignalDelivery::with_pipe(read, write, SignalOnly, wanted)
}

fn start_worker(lifeline: &UnixStream) -> Result<Child, HoldError> {
    // The path keeps the program's name in the process list; the link works when the file was replaced.
    let program = env::current_exe()
        .ok()
        .filter(|path| path.is_file())
        .unwrap_or_else(|| Path::new("/proc/self/exe").to_path_buf());
    let mut arguments = env::args_os();
    let mut command = Command::new(&program);
    command.arg0(arguments.next().unwrap_or_else(|| program.clone().into_os_string()));
    command.args(arguments).env(WORKER_VARIABLE, lifeline::number_of(lifeline));
    command.spawn().map_err(|source| HoldError::Start { program, source })
}

/// Passes signals on and collects what the worker tells, until the worker has ended.
fn wait(
    mut worker: Child,
    mut signals: Signals,
    mut lifeline: HoldersEnd,
    told: &mut Told,
) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&worker);
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let mut open = true;
    loop {
        let mut fds = vec![
            PollFd::new(&handle, PollFlags::IN),
            PollFd::from_borrowed_fd(signals.get_read().as_fd(), PollFlags::IN),
        ];
        if open {
            fds.push(PollFd::from_borrowed_fd(lifeline.as_fd(), PollFlags::IN));
        }
        poll(&mut fds, LONG)?;
        let ended = !fds[0].revents().is_empty();
        for signal in signals.pending() {
            if let Some(signal) = Signal::from_named_raw(signal) {
                // It may have ended in this instant: the next round sees that.
                let _ = pidfd_send_signal(&handle, signal);
            }
        }
        open = open && lifeline.receive(told)?;
        if ended {
            return worker.wait();
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => u8::try_from(signal).map_or(u8::MAX, |signal| 128u8.saturating_add(signal)),
        (None, None) => u8::MAX,
    };
    ExitCode::from(code)
}

/// Says what is still there. Standard error may be closed; then there is nobody to say it to.
fn report(survivors: io::Result<Vec<Entry>>) {
    let text = match survivors {
        Ok(survivors) if survivors.is_empty() => return,
        Ok(survivors) => {
            let list: Vec<String> =
                survivors.iter().map(|entry| format!("{} ({})", entry.ident.pid, entry.name)).collect();
            format!("could not end these processes, end them by hand: {}", list.join(", "))
        }
        Err(error) => format!("could not look for processes that were left over: {error}"),
    };
    let _ = writeln!(io::stderr(), "error: {text}");
}
