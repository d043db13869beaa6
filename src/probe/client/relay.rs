//! A local socket in front of a server's, so that a connection ends at a deadline, whatever the server and the
//! driver do. Where the server's side is in TLS, the driver need not know.
//!
//! A server that is paused still acknowledges at TCP, so no keepalive tells, and a driver may wait for its answer
//! without an end. Both sides are shut at the deadline: the driver then has an error to give.

use super::tcp::left;
use super::tls::Stream;
use super::tls_error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// The way to a server through a socket of ours.
pub struct Relay {
    /// The folder that the driver finds the socket in.
    pub folder: String,
    complaint: Complaint,
}

/// What TLS complained of.
type Complaint = Arc<Mutex<Option<rustls::Error>>>;

impl Relay {
    /// What TLS complained of after the handshake: a server may refuse our certificate as late as that.
    pub fn complaint(&self) -> Option<rustls::Error> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Opens a socket in the abstract name space (it leaves no file), which stands for `server` to whoever of this
/// process connects first, until the deadline. `file` is the last part of its name.
///
/// # Errors
/// The system has no socket or thread to give.
pub fn open(server: Stream, file: &str, deadline: Instant) -> io::Result<Relay> {
    let name = format!("cutproof-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("{name}/{file}"))?)?;
    let complaint = Complaint::default();
    let told = Arc::clone(&complaint);
    thread::Builder::new().name("relay".into()).spawn(move || {
        // An error here ends the connection; the driver then tells whoever waits for an answer.
        let _ = carry(&listener, server, &told, deadline);
    })?;
    Ok(Relay { folder: format!("\0{name}"), complaint })
}

fn carry(
    listener: &UnixListener,
    server: Stream,
    complaint: &Complaint,
    deadline: Instant,
) -> io::Result<()> {
    ready(listener, PollFlags::IN, deadline)?;
    let (driver, _) = listener.accept()?;
    let peer = rustix::net::sockopt::socket_peercred(&driver)?.pid;
    if peer != rustix::process::getpid() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    driver.set_nonblocking(true)?;
    match server {
        Stream::Plain(server) => plain(driver.into(), server, deadline),
        Stream::Tls(stream) => {
            let StreamOwned { conn, sock } = *stream;
            sock.set_nonblocking(true)?;
            let mut within = Within { session: conn, server: sock, driver, rest: Vec::new() };
            if let Err(error) = within.pour(deadline) {
                *complaint.lock().unwrap_or_else(PoisonError::into_inner) = tls_error::found(&error).cloned();
            }
            within.end();
            Ok(())
        }
    }
}

fn plain(driver: OwnedFd, server: TcpStream, deadline: Instant) -> io::Result<()> {
    server.set_nonblocking(true)?;
    let (driver, server) = (Arc::new(driver), Arc::new(OwnedFd::from(server)));
    let (here, there) = (Arc::clone(&driver), Arc::clone(&server));
    thread::Builder::new().name("relay".into()).spawn(move || pump(&here, &there, deadline))?;
    pump(&server, &driver, deadline);
    Ok(())
}

/// A driver's bytes within TLS. One thread for both ways: they share the keys.
struct Within {
    session: ClientConnection,
    server: TcpStream,
    driver: UnixStream,
    /// What the driver has not taken yet.
    rest: Vec<u8>,
}

impl Within {
    /// Carries bytes both ways until either side ends or the deadline passes. What one side has not taken keeps the
    /// other from being read.
    fn pour(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            let (sending, giving) = (self.session.wants_write(), !self.rest.is_empty());
            let server = if sending { PollFlags::OUT } else { PollFlags::empty() };
            let server = if giving { server } else { server | PollFlags::IN };
            let driver = if giving { PollFlags::OUT } else { PollFlags::empty() };
            let driver = if sending { driver } else { driver | PollFlags::IN };
            let (server, driver) = self.ready(server, driver, deadline)?;
            if server.contains(PollFlags::OUT) {
                passing(self.session.write_tls(&mut self.server))?;
            }
            if !giving && !server.is_empty() && self.take_from_server()? {
                return Ok(());
            }
            if driver.contains(PollFlags::OUT) {
                self.give_to_driver()?;
            }
            if !sending && !driver.is_empty() && self.take_from_driver()? {
                return Ok(());
            }
            if driver.contains(PollFlags::ERR) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// Reads what the server sent; whether that was its end.
    fn take_from_server(&mut self) -> io::Result<bool> {
        let ended = passing(self.session.read_tls(&mut self.server))? == Some(0);
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let state = self.session.process_new_packets().map_err(wrong)?;
        let length = state.plaintext_bytes_to_read();
        let before = self.rest.len();
        self.rest.resize(before + length, 0);
        self.session.reader().read_exact(&mut self.rest[before..])?;
        if ended || state.peer_has_closed() {
            self.give_to_driver()?;
            return Ok(true);
        }
        Ok(false)
    }

    fn give_to_driver(&mut self) -> io::Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        match rustix::net::send(&self.driver, &self.rest, SendFlags::NOSIGNAL) {
            Ok(length) => drop(self.rest.drain(..length)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads what the driver sent; whether that was its end.
    fn take_from_driver(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let Some(length) = passing(self.driver.read(&mut buffer))? else { return Ok(false) };
        if length == 0 {
            return Ok(true);
        }
        self.session.writer().write_all(&buffer[..length])?;
        Ok(false)
    }

    /// Waits until either side is ready for what is wanted of it. Of a side that nothing is wanted of, nothing is heard:
    /// its end would be told again and again.
    fn ready(
        &self,
        server: PollFlags,
        driver: PollFlags,
        deadline: Instant,
    ) -> io::Result<(PollFlags, PollFlags)> {
        loop {
            let left = left(deadline);
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            let sides = [(self.server.as_fd(), server), (self.driver.as_fd(), driver)];
            let mut asked: Vec<_> = sides
                .iter()
                .filter(|(_, wanted)| !wanted.is_empty())
                .map(|(fd, wanted)| PollFd::from_borrowed_fd(*fd, *wanted))
                .collect();
            match poll(&mut asked, Some(&left)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let mut found = asked.iter().map(PollFd::revents);
            let mut of = |wanted: PollFlags| {
                if wanted.is_empty() {
                    PollFlags::empty()
                } else {
                    found.next().unwrap_or(PollFlags::empty())
                }
            };
            return Ok((of(server), of(driver)));
        }
    }

    /// Tells both sides that it is over.
    fn end(mut self) {
        self.session.send_close_notify();
        // Whoever does not hear it sees the end of the connection.
        let _ = self.session.write_tls(&mut self.server);
        let _ = rustix::net::shutdown(&self.server, Shutdown::Both);
        let _ = rustix::net::shutdown(&self.driver, Shutdown::Both);
    }
}

/// Nothing where the other side was not ready after all.
fn passing(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
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
