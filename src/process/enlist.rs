//! Puts a command of the standard library on the roster: for engines, which need what [`Command`](super::Command)
//! does not offer (an environment of their own, a descriptor as standard input).

use super::roster::{Family, Kind, ROSTER};
use super::worker::Worker;
use super::{COMMAND_VARIABLE, WORKER_VARIABLE};
use rustix::process::Pid;
use std::io;
use std::process::{Child, Command, ExitStatus};

/// A process that runs along. It is not ended when this is dropped: its owner does that, or the run's end.
#[derive(Debug)]
pub struct Enlisted {
    family: Family,
    child: Child,
}

/// Starts a command in a process group of its own, known to be ours.
///
/// # Errors
/// Nothing was started.
pub fn enlist(_worker: &Worker, command: &mut Command) -> io::Result<Enlisted> {
    use std::os::unix::process::CommandExt;
    let mut family = ROSTER.enter(Kind::Server)?;
    command.process_group(0).env(COMMAND_VARIABLE, ROSTER.mark(&family)).env_remove(WORKER_VARIABLE);
    let child = ROSTER.start(&mut family, || {
        let child = command.spawn()?;
        let pid = Pid::from_child(&child).as_raw_nonzero().get();
        Ok::<_, io::Error>((child, pid))
    });
    let child =
        child.ok_or_else(|| io::Error::other("the run is being ended, and starts nothing any more"))??;
    Ok(Enlisted { family, child })
}

impl Enlisted {
    /// Its process, which leads a group of its own.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// The system would not say.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            ROSTER.reaped(&mut self.family);
        }
        Ok(status)
    }
}
