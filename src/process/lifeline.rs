//! The line between holder and worker: one socket pair. Each sees the other's end by its closing; the
//! worker also sends who is released and what is owed, a line each. Knows nothing of what either does then.

use std::env;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::fs::FileType;
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{AddressFamily, SendFlags, send};

use super::afterwards::{Debt, Debts};
use super::released::{Mark, Released};
use super::{HoldError, WORKER_VARIABLE};

/// The holder's end.
pub(super) struct HoldersEnd {
    socket: UnixStream,
    /// A line that has not arrived completely.
    begun: Vec<u8>,
}

/// What the worker has told.
#[derive(Default)]
pub(super) struct Told {
    pub released: Released,
    pub debts: Debts,
}

impl Told {
    fn line(&mut self, line: &str) {
        if let Some(mark) = Mark::from_line(line) {
            self.released.add(mark);
        } else if let Some(debt) = Debt::from_line(line) {
            self.debts.note(debt);
        }
    }
}

/// The worker's end.
pub(super) struct WorkersEnd {
    socket: UnixStream,
}

/// Both ends. The worker's is inherited by whatever is started until it is dropped.
pub(super) fn pair() -> io::Result<(HoldersEnd, UnixStream)> {
    let (holder, worker) = UnixStream::pair()?;
    holder.set_nonblocking(true)?;
    fcntl_setfd(&worker, FdFlags::empty())?;
    Ok((HoldersEnd { socket: holder, begun: Vec::new() }, worker))
}

impl HoldersEnd {
    /// Reads what the worker has sent. Returns false when the worker's end is closed.
    pub fn receive(&mut self, told: &mut Told) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => self.begun.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
            while let Some(end) = self.begun.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=end).collect();
                if let Ok(line) = std::str::from_utf8(&line[..end]) {
                    told.line(line);
                }
            }
        }
    }
}

impl AsFd for HoldersEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl WorkersEnd {
    /// Sends as much of `lines` as goes without waiting; returns how many bytes that was.
    pub fn send(&self, lines: &[u8]) -> io::Result<usize> {
        match send(&self.socket, lines, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for WorkersEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What this process's environment says it is.
pub(super) enum Role {
    /// Nobody holds us.
    Unheld,
    /// A holder started us.
    Worker(WorkersEnd),
}

/// Finds out whether a holder started this process, and if so takes the lifeline and clears the variable,
/// so that nothing that is started later can see it.
///
/// # Errors
/// The variable is set, but not by a holder that is our parent: it leaked from elsewhere.
pub(super) fn role() -> Result<Role, HoldError> {
    let Some(value) = env::var_os(WORKER_VARIABLE) else { return Ok(Role::Unheld) };
    let stray = || HoldError::Stray { value: value.to_string_lossy().into_owned() };
    let number: RawFd = value.to_str().and_then(|text| text.parse().ok()).ok_or_else(stray)?;
    if number <= 2 {
        return Err(stray());
    }
    only_thread()?;
    // SAFETY: only borrowed for two questions, to which a closed descriptor answers EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if !is_lifeline(borrowed) {
        return Err(stray());
    }
    // SAFETY: it is open, and a socket that our parent made for us and handed on under this number; this
    // process has no other thread and has run nothing yet that could own it.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) });
    fcntl_setfd(&socket, FdFlags::CLOEXEC)
        .map_err(|e| HoldError::system("keep the lifeline from its children", e))?;
    // SAFETY: no other thread that could read the environment meanwhile.
    unsafe { env::remove_var(WORKER_VARIABLE) };
    Ok(Role::Worker(WorkersEnd { socket }))
}

/// A socket that is still inheritable and whose other end our parent made. If the parent has ended
/// already, its pid is no longer our parent's: then this is no lifeline, and the run has no holder.
fn is_lifeline(fd: BorrowedFd<'_>) -> bool {
    let is_socket =
        rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    is_socket
        && fcntl_getfd(fd).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
        && rustix::net::sockopt::socket_domain(fd).is_ok_and(|domain| domain == AddressFamily::UNIX)
        && rustix::net::sockopt::socket_peercred(fd)
            .is_ok_and(|peer| Some(peer.pid) == rustix::process::getppid())
}

/// Changing the environment is only safe before there are threads.
fn only_thread() -> Result<(), HoldError> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    match threads.map_err(|e| HoldError::System { what: "count its threads", source: e })? {
        1 => Ok(()),
        count => Err(HoldError::Threads { count }),
    }
}

/// The number under which the worker finds its end.
pub(super) fn number_of(end: &UnixStream) -> String {
    end.as_raw_fd().to_string()
}
