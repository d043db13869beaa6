//! The process that does the work, and the guard in it: a thread that reaps orphans as init would, and
//! that ends everything when the holder is gone. Knows nothing of commands' meaning.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid};

use super::afterwards::{Debt, Debts};
use super::ending::{self, Patience};
use super::lifeline::WorkersEnd;
use super::poll::poll;
use super::roster::ROSTER;
use super::table::Entry;
use super::{HOLDER_LOST, HoldError};

/// How often the guard looks for orphans that have ended: a script that waits for a pid to disappear is
/// kept no longer than this.
const TICK: Duration = Duration::from_millis(20);
/// How often it looks what released daemons have started since.
const FOLLOW: Duration = Duration::from_secs(1);

/// When the holder is lost, all is over within 2 s: 0.1 + 0.5 + 1.0 + 0.3, of which mostly none is used
/// but the grace of those who take it.
const CLOSE_LIMIT: Duration = Duration::from_millis(100);
const LOST_PATIENCE: Patience<'static> =
    Patience { grace: Duration::from_millis(500), hurry: None, kill: Duration::from_secs(1) };
const HOOK_LIMIT: Duration = Duration::from_millis(300);
/// At an orderly end, what is still there has been left over by mistake.
const END_PATIENCE: Patience<'static> =
    Patience { grace: Duration::from_secs(1), hurry: None, kill: Duration::from_secs(3) };

static LOST: AtomicBool = AtomicBool::new(false);
type Hook = Box<dyn FnOnce() + Send>;
static LIFELINE: OnceLock<WorkersEnd> = OnceLock::new();
static LOST_HOLDER: Mutex<Option<Hook>> = Mutex::new(None);
static DEBTS: Mutex<Debts> = Mutex::new(Debts::none());

/// The right to start processes: whoever has one is in a process that inherits the orphans of all that
/// it starts.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    _private: (),
}

impl Worker {
    /// A worker without a holder, for tests of single parts: commands end what they started and can be told
    /// by its mark or group, but nothing outlives this process to clean up after it.
    ///
    /// # Errors
    /// The system refuses to let this process inherit orphans, or to start a thread.
    pub fn unheld() -> io::Result<Worker> {
        static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
        let started = STARTED.get_or_init(|| Worker::begin(None).map_err(|error| error.to_string()));
        started.clone().map_err(io::Error::other)?;
        Ok(Worker { _private: () })
    }

    /// Becomes the worker of the holder at the other end: a session of its own, so that a signal to the
    /// holder's group spares it.
    pub(super) fn held(lifeline: WorkersEnd) -> Result<Worker, HoldError> {
        match setsid() {
            // PERM: it leads a group already, having been started so; that is apart enough.
            Ok(_) | Err(Errno::PERM) => {}
            Err(error) => return Err(HoldError::system("begin a session", error)),
        }
        ROSTER.know_all();
        // Only the first is ever set: this process becomes a worker once.
        let lifeline = LIFELINE.get_or_init(|| lifeline);
        Worker::begin(Some(lifeline))
            .map_err(|source| HoldError::System { what: "start the guard", source })?;
        Ok(Worker { _private: () })
    }

    fn begin(lifeline: Option<&'static WorkersEnd>) -> io::Result<()> {
        set_child_subreaper(Some(getpid()))?;
        std::thread::Builder::new().name("guard".to_string()).spawn(move || guard(lifeline))?;
        Ok(())
    }

    /// Sets what is still to be done when the holder is lost and all processes are ended: to flush the
    /// journal, say. It gets 300 ms. A later hook replaces an earlier one.
    pub fn on_lost_holder(&self, hook: impl FnOnce() + Send + 'static) {
        *LOST_HOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// A command that puts right what this run is about to begin and what is no process of its own: it is run when this
    /// worker has ended without [`Worker::settle`], however that came, by the holder, which waits 30 s for it; or where
    /// the holder was killed, by this process as the last thing that it does, which waits for nothing. To be called
    /// before anything is begun.
    ///
    /// # Errors
    /// The holder could not be told.
    pub fn owe(&self, command: &[OsString]) -> io::Result<()> {
        note(Debt::Owed(command.to_vec()))
    }

    /// What the command was to put right was put right by the run itself.
    ///
    /// # Errors
    /// The holder could not be told: it runs the command once more than needed.
    pub fn settle(&self, command: &[OsString]) -> io::Result<()> {
        note(Debt::Settled(command.to_vec()))
    }

    /// Never returns where the holder was lost: this process is about to be ended, and what commands now report is its
    /// end's doing. For whoever keeps a record, before it writes down what would not be true.
    pub fn stand_still_if_lost(&self) {
        leave_it_to_the_guard();
    }

    /// Ends all that is still there, except the released, and lets nothing start any more. Returns those
    /// that could not be ended.
    pub(super) fn finish(self) -> io::Result<Vec<Entry>> {
        leave_it_to_the_guard();
        ROSTER.close(END_PATIENCE.grace);
        // The holder would end the released daemons that it does not know.
        tell_holder_all(END_PATIENCE.grace)?;
        let survivors = ending::end(END_PATIENCE, || ROSTER.everyone(), std::thread::sleep);
        leave_it_to_the_guard();
        survivors
    }
}

/// If the holder was lost, the guard is about to end this process, and has a hook to run before.
fn leave_it_to_the_guard() {
    while LOST.load(Ordering::Acquire) {
        std::thread::park();
    }
}

/// Tells the holder who has been released, without waiting. Returns whether it knows all now.
pub(super) fn tell_holder() -> io::Result<bool> {
    match LIFELINE.get() {
        Some(lifeline) => ROSTER.tell_holder(|lines| lifeline.send(lines)),
        None => Ok(true),
    }
}

/// As [`tell_holder`], and waits so long for it to take all.
fn tell_holder_all(limit: Duration) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        let all = tell_holder()?;
        if all || begun.elapsed() >= limit {
            return Ok(all);
        }
        std::thread::sleep(TICK);
    }
}

/// Keeps what is owed, and tells the holder before anything else happens.
fn note(debt: Debt) -> io::Result<()> {
    ROSTER.tell(&debt.to_line());
    DEBTS.lock().unwrap_or_else(PoisonError::into_inner).note(debt);
    match tell_holder_all(END_PATIENCE.grace)? {
        true => Ok(()),
        false => Err(io::Error::other("the holder of this run does not listen")),
    }
}

fn guard(lifeline: Option<&WorkersEnd>) {
    let mut followed = Instant::now();
    loop {
        match lifeline {
            Some(lifeline) if is_broken(lifeline) => lost_holder(),
            Some(_) => {}
            None => std::thread::sleep(TICK),
        }
        // What fails here (out of descriptors, say) is tried again at the next tick.
        let _ = ROSTER.reap();
        if followed.elapsed() >= FOLLOW {
            let _ = ROSTER.follow_released();
            followed = Instant::now();
        }
        let _ = tell_holder();
    }
}

/// Waits a tick. The holder never writes: anything on the lifeline is its end.
fn is_broken(lifeline: &WorkersEnd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(lifeline.as_fd(), PollFlags::IN)];
    match poll(&mut fds, TICK) {
        Ok(_) => fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
        Err(_) => {
            std::thread::sleep(TICK);
            false
        }
    }
}

/// The holder was killed, and with it everybody's hope of an orderly end.
fn lost_holder() -> ! {
    LOST.store(true, Ordering::Release);
    ROSTER.close(CLOSE_LIMIT);
    // Nobody is left to hear of survivors or errors.
    let _ = ending::end(LOST_PATIENCE, || ROSTER.everyone(), std::thread::sleep);
    let hook = LOST_HOLDER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(hook) = hook {
        let (done, wait) = mpsc::channel::<()>();
        let started = std::thread::Builder::new().spawn(move || {
            hook();
            drop(done);
        });
        if started.is_ok() {
            let _ = wait.recv_timeout(HOOK_LIMIT);
        }
    }
    DEBTS.lock().unwrap_or_else(PoisonError::into_inner).leave();
    // No exit handlers: those of C libraries wait for threads that wait for processes that are gone.
    signal_hook::low_level::exit(i32::from(HOLDER_LOST))
}
