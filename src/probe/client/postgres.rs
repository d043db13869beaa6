//! PostgreSQL: connections that end at a deadline, whatever the server does.
//!
//! The driver waits for an answer without an end, and a server that is paused still acknowledges at TCP, so no
//! keepalive tells. The driver's bytes therefore go through a relay of ours, which shuts both sides at the deadline.

use super::{relay, tcp};
use crate::model::Endpoint;
use crate::probe::ProbeError;
use ::postgres::error::SqlState;
use ::postgres::{Client, Config, Error, NoTls, Transaction};
use std::io;
use std::time::{Duration, Instant};

/// User and database where the endpoint names none.
const DEFAULT: &str = "postgres";

/// A connection that is over `timeout` from now: a wait that lasts longer ends in an error then.
///
/// # Errors
/// Nothing answers there in time, or the server refuses the user, the password or the database.
pub fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Client, ProbeError> {
    attempt(endpoint, timeout).map_err(|refused| refused.error)
}

/// A connection that did not come about.
pub struct Refused {
    /// Why.
    pub error: ProbeError,
    /// Whether waiting may help: nothing listens yet, or the server is starting.
    pub passes: bool,
}

/// As [`connect`], for those who wait for a server.
///
/// # Errors
/// As [`connect`], with whether that may pass.
pub fn attempt(endpoint: &Endpoint, timeout: Duration) -> Result<Client, Refused> {
    let deadline = Instant::now() + timeout;
    let at = format!("PostgreSQL at {}", endpoint.address);
    let server = tcp::dial(&endpoint.address, deadline).map_err(|error| Refused {
        error: tcp::failure(&error, &at),
        passes: error.kind() == io::ErrorKind::ConnectionRefused,
    })?;
    // The driver's name for a socket in a folder, with the default port.
    let relay = relay::open(server, ".s.PGSQL.5432", deadline).map_err(|error| Refused {
        error: ProbeError(format!("{at}: no local socket to reach it through: {error}")),
        passes: false,
    })?;
    let mut config = Config::new();
    config
        .host_path(relay)
        .user(endpoint.user.as_deref().unwrap_or(DEFAULT))
        .dbname(endpoint.database.as_deref().unwrap_or(DEFAULT))
        .application_name("cutproof")
        .options(&format!("-c statement_timeout={}", timeout.as_millis().max(1)))
        .notice_callback(|_| {});
    if let Some(password) = &endpoint.password {
        config.password(password.reveal());
    }
    config.connect(NoTls).map_err(|error| Refused {
        passes: error.code() == Some(&SqlState::CANNOT_CONNECT_NOW),
        error: failure(&error, &at, deadline),
    })
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
