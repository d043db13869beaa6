//! Names and connections within a deadline.

use crate::probe::ProbeError;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Time left until a deadline; zero when it has passed.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Addresses of `host:port`, found in a thread of its own, since the system's resolver knows no deadline.
///
/// # Errors
/// The name is not known, or not in time.
pub fn resolve(address: &str, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let (tell, told) = mpsc::channel();
    let name = address.to_owned();
    thread::Builder::new().name("resolve".into()).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = tell.send(name.to_socket_addrs().map(Vec::from_iter));
    })?;
    let found = told.recv_timeout(left(deadline)).map_err(|_| io::ErrorKind::TimedOut)??;
    if found.is_empty() { Err(io::Error::other("no host of this name is known")) } else { Ok(found) }
}

/// Tries the addresses of `host:port` in turn.
///
/// # Errors
/// The last address's.
pub fn first<T, E: From<io::Error>>(
    address: &str,
    deadline: Instant,
    mut connect: impl FnMut(SocketAddr, Duration) -> Result<T, E>,
) -> Result<T, E> {
    let mut last = E::from(io::ErrorKind::TimedOut.into());
    for place in resolve(address, deadline)? {
        let left = left(deadline);
        if left.is_zero() {
            return Err(last);
        }
        match connect(place, left) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to `host:port`.
///
/// # Errors
/// Nothing answers there in time.
pub fn dial(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let server = first(address, deadline, |place, left| TcpStream::connect_timeout(&place, left))?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// Why the server at `at` can't be reached, and what to do.
pub fn failure(error: &io::Error, at: &str) -> ProbeError {
    use io::ErrorKind as Kind;
    ProbeError(match error.kind() {
        Kind::ConnectionRefused => {
            format!(
                "nothing listens at {at} (connection refused): is the service up, and is this its address?"
            )
        }
        Kind::TimedOut | Kind::WouldBlock => no_answer(at),
        Kind::BrokenPipe | Kind::ConnectionAborted | Kind::ConnectionReset | Kind::UnexpectedEof => {
            format!("{at} cut the connection before its answer was whole: see the service's log")
        }
        _ => format!("{at}: {error}: check the address"),
    })
}

/// What is said of a server that does not answer.
pub fn no_answer(at: &str) -> String {
    format!(
        "no answer from {at} within the time that was left: is it overloaded, paused or behind a firewall?"
    )
}
