//! A local socket in front of a server's, so that a connection ends at a deadline, whatever the server and the
//! driver do.
//!
//! A server that is paused still acknowledges at TCP, so no keepalive tells, and a driver may wait for its answer
//! without an end. Both sides are shut at the deadline: the driver then has an error to give.

use super::tcp::left;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// Opens a socket in the abstract name space (it leaves no file), which stands for `server` to whoever of this
/// process connects first, until the deadline. `file` is the last part of its name. Gives the folder before it.
///
/// # Errors
/// The system has no socket or thread to give.
pub fn open(server: TcpStream, file: &str, deadline: Instant) -> io::Result<String> {
    let name = format!("cutproof-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("{name}/{file}"))?)?;
    thread::Builder::new().name("relay".into()).spawn(move || {
        // An error here ends the connection; the driver then tells whoever waits for an answer.
        let _ = carry(&listener, server, deadline);
    })?;
    Ok(format!("\0{name}"))
}

fn carry(listener: &UnixListener, server: TcpStream, deadline: Instant) -> io::Result<()> {
    ready(listener, PollFlags::IN, deadline)?;
    let (driver, _) = listener.accept()?;
    let peer = rustix::net::sockopt::socket_peercred(&driver)?.pid;
    if peer != rustix::process::getpid() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    driver.set_nonblocking(true)?;
    server.set_nonblocking(true)?;
    let (driver, server) = (Arc::new(OwnedFd::from(driver)), Arc::new(OwnedFd::from(server)));
    let (here, there) = (Arc::clone(&driver), Arc::clone(&server));
    thread::Builder::new().name("relay".into()).spawn(move || pump(&here, &there, deadline))?;
    pump(&server, &driver, deadline);
    Ok(())
}

/// Carries bytes one way until either side ends or the deadline passes, and then ends both sides.
fn pump(from: &OwnedFd, to: &OwnedFd, deadline: Instant) {
    // Whatever ended it, both sides are told the same: the connection is over.
    let _ = pour(from, to, deadline);
    for side in [from, to] {
        let _ = rustix::net::shutdown(side, Shutdown::Both);
    }
}

fn pour(from: &OwnedFd, to: &OwnedFd, deadline: Instant) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        ready(from, PollFlags::IN, deadline)?;
        let length = rustix::io::read(from, &mut buffer)?;
        let mut rest = &buffer[..length];
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            ready(to, PollFlags::OUT, deadline)?;
            match rustix::net::send(to, rest, SendFlags::NOSIGNAL) {
                Ok(length) => rest = &rest[length..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Waits until a descriptor is ready.
fn ready(fd: impl AsFd, wanted: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = left(deadline);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&fd, wanted)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
