//! PostgreSQL: connections that end at a deadline, whatever the server does.
//!
//! The driver waits for an answer without an end, and a server that is paused still acknowledges at TCP, so no
//! keepalive tells. The driver's bytes therefore go through a relay of ours, which shuts both sides at the deadline.

use super::tls::Stream;
use super::{relay, tcp, tls, tls_error};
use crate::model::Endpoint;
use crate::probe::ProbeError;
use ::postgres::error::SqlState;
use ::postgres::{Client, Config, Error, NoTls, Transaction};
use rustls::ClientConfig;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use super::refused::Refused;

/// User and database where the endpoint names none.
const DEFAULT: &str = "postgres";

/// A connection that is over `timeout` from now: a wait that lasts longer ends in an error then.
///
/// # Errors
/// Nothing answers there in time, or the server refuses the user, the password or the database.
pub fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Client, ProbeError> {
    attempt(endpoint, timeout).map_err(|refused| refused.error)
}

/// As [`connect`], for those who wait for a server.
///
/// # Errors
/// As [`connect`], with whether that may pass.
pub fn attempt(endpoint: &Endpoint, timeout: Duration) -> Result<Client, Refused> {
    let deadline = Instant::now() + timeout;
    let at = format!("PostgreSQL at {}", endpoint.address);
    let config = endpoint.tls.as_ref().map(tls::config).transpose().map_err(Refused::for_good)?;
    let server = tcp::dial(&endpoint.address, deadline).map_err(|error| Refused {
        error: tcp::failure(&error, &at),
        passes: error.kind() == io::ErrorKind::ConnectionRefused,
    })?;
    let server = protected(config, server, endpoint, deadline)?;
    // The driver's name for a socket in a folder, with the default port.
    let relay = relay::open(server, ".s.PGSQL.5432", deadline).map_err(|error| Refused {
        error: ProbeError(format!("{at}: no local socket to reach it through: {error}")),
        passes: false,
    })?;
    let mut config = Config::new();
    config
        .host_path(&relay.folder)
        .user(endpoint.user.as_deref().unwrap_or(DEFAULT))
        .dbname(endpoint.database.as_deref().unwrap_or(DEFAULT))
        .application_name("cutproof")
        .options(&format!("-c statement_timeout={}", timeout.as_millis().max(1)))
        .notice_callback(|_| {});
    if let Some(password) = &endpoint.password {
        config.password(password.reveal());
    }
    config.connect(NoTls).map_err(|error| match relay.complaint() {
        Some(complaint) => Refused::for_good(tls_error::told(&complaint, &at)),
        None => Refused {
            passes: error.code() == Some(&SqlState::CANNOT_CONNECT_NOW),
            error: failure(&error, &at, deadline),
        },
    })
}

/// The request for TLS: its length, and its code in place of a version of the protocol.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The connection as the endpoint wants it. What the server says before its certificate was checked is not believed
/// but for one byte, with which it says whether it speaks TLS.
fn protected(
    config: Option<Arc<ClientConfig>>,
    server: TcpStream,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<Stream, Refused> {
    let Some(config) = config else { return Ok(Stream::Plain(server)) };
    let at = &format!("PostgreSQL at {}", endpoint.address);
    let mut server = Stream::Plain(server);
    let mut answer = [0];
    let asked = server.limit(deadline).and_then(|()| server.write_all(&SSL_REQUEST));
    asked.and_then(|()| server.read_exact(&mut answer)).map_err(|error| tcp::failure(&error, at))?;
    let Stream::Plain(socket) = server else { return Ok(server) };
    match &answer {
        b"S" => tls::handshake(config, socket, tls::host(&endpoint.address), deadline)
            .map(Stream::Tls)
            .map_err(|error| tls_error::of_handshake(&error, at)),
        b"N" => Err(Refused::for_good(ProbeError(format!(
            "{at}: expected TLS, seen a server that has none: switch it on there (ssl = on), or leave `tls` out"
        )))),
        b"E" => Err(ProbeError(format!("{at}: expected TLS, seen an error: see the server's log")).into()),
        _ => Err(Refused::for_good(ProbeError(format!(
            "{at}: expected PostgreSQL's answer to a request for TLS, seen another: is this its address?"
        )))),
    }
}

/// A connection with its deadline and its place, for sources and errors.
pub struct Session {
    client: Client,
    deadline: Instant,
    /// `PostgreSQL at HOST:PORT, database NAME`.
    pub at: String,
}

impl Session {
    /// Connects until `deadline`.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Session, ProbeError> {
        let client = connect(endpoint, tcp::left(deadline))?;
        let database = endpoint.database.as_deref().unwrap_or(DEFAULT);
        Ok(Session {
            client,
            deadline,
            at: format!("PostgreSQL at {}, database {database}", endpoint.address),
        })
    }

    /// Does something on the connection.
    ///
    /// # Errors
    /// The server refuses, or does not answer by the deadline.
    pub fn run<T>(&mut self, work: impl FnOnce(&mut Client) -> Result<T, Error>) -> Result<T, ProbeError> {
        work(&mut self.client).map_err(|error| failure(&error, &self.at, self.deadline))
    }

    /// Does something in a transaction that the server keeps from writing.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn read<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, ProbeError> {
        self.run(|client| work(&mut client.build_transaction().read_only(true).start()?))
    }
}

/// Why the server at `at` did not do what was asked, on a connection that was to last until `deadline`.
pub fn failure(error: &Error, at: &str, deadline: Instant) -> ProbeError {
    if let Some(refusal) = error.as_db_error() {
        let hint = match refusal.code().code() {
            "28000" if refusal.message().ends_with("no encryption") => {
                "; it wants TLS of us (or has no rule for this user): set `tls`"
            }
            "28000" if refusal.message().contains("no pg_hba.conf entry") => {
                "; it has no rule that lets this user into this database from here"
            }
            "28000" if refusal.message().contains("client certificate") => {
                "; set `tls.certificate` and `tls.key`"
            }
            "28000" if refusal.message().contains("certificate authentication") => {
                "; `tls.certificate` is not this user's"
            }
            // Of a certificate that is another user's it says no more than of a wrong password.
            "28P01" => {
                "; check the service's user and password, and that `tls.certificate`, where it is set, is this user's"
            }
            "28000" => "; check the service's user and password",
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
        return ProbeError(tcp::no_answer(at));
    }
    if error.is_closed() {
        return tcp::failure(&io::ErrorKind::ConnectionAborted.into(), at);
    }
    let cause = std::error::Error::source(error);
    match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        // So the driver says that the stream ended in the middle of a message.
        Some(error) if error.kind() == io::ErrorKind::Other => {
            tcp::failure(&io::ErrorKind::UnexpectedEof.into(), at)
        }
        Some(error) => tcp::failure(error, at),
        None => {
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            ProbeError(format!("{at}: {error}{cause}"))
        }
    }
}
