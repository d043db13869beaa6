//! PostgreSQL: connections that end at a deadline, whatever the server does.
//!
//! The driver waits for an answer without an end, and a server that is paused still acknowledges at TCP, so no
//! keepalive tells. The driver's bytes therefore go through a relay of ours, which shuts both sides at the deadline.

use crate::model::Endpoint;
use crate::probe::ProbeError;
use ::postgres::{Client, Config, Error, NoTls};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A connection that is over `timeout` from now: a wait that lasts longer ends in an error then.
///
/// # Errors
/// Nothing answers there in time, or the server refuses the user, the password or the database.
pub fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Client, ProbeError> {
    let deadline = Instant::now() + timeout;
    let at = format!("PostgreSQL at {}", endpoint.address);
    let server = dial(&endpoint.address, deadline).map_err(|error| unreachable(&at, &error))?;
    let relay = relay(server, deadline)
        .map_err(|error| ProbeError(format!("{at}: no local socket to reach it through: {error}")))?;
    let mut config = Config::new();
    config
        .host_path(relay)
        .user(endpoint.user.as_deref().unwrap_or("postgres"))
        .dbname(endpoint.database.as_deref().unwrap_or("postgres"))
        .application_name("cutproof")
        .options(&format!("-c statement_timeout={}", timeout.as_millis().max(1)))
        .notice_callback(|_| {});
    if let Some(password) = &endpoint.password {
        config.password(password.reveal());
    }
    config.connect(NoTls).map_err(|error| failure(&error, &at, deadline))
}

/// Why the server at `at` did not do what was asked, on a connection that was to last until `deadline`.
pub fn failure(error: &Error, at: &str, deadline: Instant) -> ProbeError {
    if let Some(refusal) = error.as_db_error() {
        let hint = match refusal.code().code() {
            "28P01" | "28000" => "; check the service's user and password",
            "3D000" | "3F000" => "; is the database initialised (init timescale)?",
            "42P01" | "42703" => "; is the schema there (init timescale)?",
            "25006" => "; this gate only reads",
            "57014" => "; it took longer than the time that was left",
            "57P03" => "; it is still starting or recovering",
            _ => "",
        };
        let code = refusal.code().code();
        return ProbeError(format!("{at} refused ({code}): {}{hint}", refusal.message()));
    }
    if Instant::now() >= deadline {
        return unreachable(at, &io::ErrorKind::TimedOut.into());
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = if error.is_closed() { "; see the server's log" } else { "" };
    ProbeError(format!("{at}: {error}{cause}{hint}"))
}

fn unreachable(at: &str, error: &io::Error) -> ProbeError {
    ProbeError(match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("nothing listens: {at} (connection refused): is the service up, and is this its address?")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!(
                "no answer from {at} within the time that was left: is it overloaded, paused or behind a firewall?"
            )
        }
        _ => format!("{at}: {error}: check the address"),
    })
}

/// Connects to `host:port`. Names are resolved in a thread of their own, since the system's resolver knows no
/// deadline.
fn dial(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let (tell, told) = mpsc::channel();
    let name = address.to_owned();
    thread::Builder::new().name("resolve".into()).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = tell.send(name.to_socket_addrs().map(Vec::from_iter));
    })?;
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    let found = told.recv_timeout(left(deadline)).map_err(|_| io::ErrorKind::TimedOut)??;
    let mut last = io::Error::other("no host of this name is known");
    for place in found {
        let left = left(deadline);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&place, left) {
            Ok(server) => {
                server.set_nodelay(true)?;
                return Ok(server);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Port in the name of the relay's socket: the driver's default.
const PORT: u16 = 5432;

/// Opens a socket in the abstract name space (it leaves no file), which stands for `server` to whoever of this
/// process connects first, until the deadline. Gives the folder to hand to the driver.
fn relay(server: TcpStream, deadline: Instant) -> io::Result<String> {
    let name = format!("cutproof-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let listener =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("{name}/.s.PGSQL.{PORT}"))?)?;
    thread::Builder::new().name("postgres-relay".into()).spawn(move || {
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
    thread::Builder::new().name("postgres-relay".into()).spawn(move || pump(&here, &there, deadline))?;
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
        let left = deadline.saturating_duration_since(Instant::now());
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
