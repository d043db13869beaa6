//! Free loopback ports, kept free until the engine listens.

use rustix::net::{
    AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A port for one engine.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: Option<OwnedFd>,
}

/// Where ports come from; [`Port::free`] but for tests.
pub type PortSource = Arc<dyn Fn() -> io::Result<Port> + Send + Sync>;

impl Port {
    /// A port that nobody uses. Until the value is dropped no client and no other server is given it: it
    /// stays bound, without listening, and with SO_REUSEADDR, so that an engine that sets the same (all of
    /// ours do) can listen on it. Should a server that does not ask for a port of its own listen first, the
    /// engine's own bind fails.
    ///
    /// # Errors
    /// Where no socket can be had.
    pub fn free() -> io::Result<Port> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        // After the bind: two that both allow reuse could be given the same port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
        Ok(Port { number: address.port(), _held: Some(socket) })
    }

    /// This port, whoever uses it.
    pub fn unheld(number: u16) -> Port {
        Port { number, _held: None }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_free_port_is_given_to_nobody_else_and_can_be_listened_on() {
        let ports: Vec<Port> = (0..50).map(|_| Port::free().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        // std sets SO_REUSEADDR as the engines do.
        let server = TcpListener::bind(("127.0.0.1", ports[0].number())).unwrap();
        TcpStream::connect(server.local_addr().unwrap()).unwrap();
    }

    #[test]
    fn a_port_that_nobody_listens_on_refuses_at_once() {
        let port = Port::free().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port.number())).is_err());
    }
}
