//! Redis: a connection whose every answer is waited for until one deadline, and names that belong to one run.

use super::tcp;
use crate::model::Endpoint;
use crate::probe::ProbeError;
use redis::{
    Client, Cmd, Connection, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, Value, cmd, from_redis_value,
};
use std::io;
use std::time::Instant;

/// A connection to one server.
pub struct Session {
    connection: Connection,
    deadline: Instant,
    /// Where it goes, for sources and errors: `Redis at HOST:PORT`.
    pub at: String,
}

impl Session {
    /// Connects, logs in where the endpoint has a password, and enters the endpoint's database (a number).
    ///
    /// # Errors
    /// Nothing answers by the deadline, or the server refuses user, password or database.
    pub fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Session, ProbeError> {
        let at = format!("Redis at {}", endpoint.address);
        // Nothing is asked while connecting: the driver gives each of its own questions the whole time again.
        let settings =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let connection: RedisResult<_> = tcp::first(&endpoint.address, deadline, |place, left| {
            let place = ConnectionAddr::Tcp(place.ip().to_string(), place.port());
            let info = place.into_connection_info()?.set_redis_settings(settings.clone());
            Client::open(info)?.get_connection_with_timeout(left)
        });
        let connection = connection.map_err(|error| failure(&error, &at))?;
        let mut session = Session { connection, deadline, at };
        if let Some(password) = &endpoint.password {
            let mut login = cmd("AUTH");
            login.arg(endpoint.user.as_deref()).arg(password.reveal());
            session.ask::<()>(&login)?;
        }
        if let Some(database) = &endpoint.database {
            session.ask::<()>(cmd("SELECT").arg(database))?;
        }
        Ok(session)
    }

    /// Asks one command.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, ProbeError> {
        self.attempt(command).map_err(|error| failure(&error, &self.at))
    }

    /// Asks one command, and leaves it to the caller what an error means.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn attempt<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        self.limit()?;
        command.query(&mut self.connection)
    }

    /// Asks many commands at once, and gives their answers in the same order.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn ask_all<T: FromRedisValue>(&mut self, commands: &[Cmd]) -> Result<Vec<T>, ProbeError> {
        self.attempt_all(commands).map_err(|error| failure(&error, &self.at))
    }

    /// Not the driver's own pipeline, which waits for every answer anew when one did not come.
    fn attempt_all<T: FromRedisValue>(&mut self, commands: &[Cmd]) -> RedisResult<Vec<T>> {
        self.limit()?;
        self.connection
            .send_packed_command(&commands.iter().flat_map(Cmd::get_packed_command).collect::<Vec<_>>())?;
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            self.limit()?;
            answers.push(self.connection.recv_response()?);
        }
        let answer = |answer: Value| Ok(from_redis_value(answer.extract_error()?)?);
        answers.into_iter().map(answer).collect()
    }

    /// Bounds the next answer by what is left of the time.
    fn limit(&self) -> RedisResult<()> {
        let left = tcp::left(self.deadline);
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        self.connection.set_read_timeout(Some(left))?;
        self.connection.set_write_timeout(Some(left))
    }
}

/// Why the server at `at` did not do what was asked, and what to do.
pub fn failure(error: &RedisError, at: &str) -> ProbeError {
    let connection = [
        (error.is_connection_refusal(), io::ErrorKind::ConnectionRefused),
        (error.is_timeout(), io::ErrorKind::TimedOut),
        (error.is_connection_dropped(), io::ErrorKind::ConnectionAborted),
    ];
    if let Some((_, kind)) = connection.into_iter().find(|(is, _)| *is) {
        return tcp::failure(&kind.into(), at);
    }
    let hint = match error.kind() {
        ErrorKind::AuthenticationFailed => "; check the service's user and password",
        ErrorKind::Server(ServerErrorKind::NoPerm) => "; the user lacks this right",
        ErrorKind::Server(ServerErrorKind::ReadOnly) => "; this is a replica: expected the master",
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "; wait until it has loaded its data",
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            "; name the node that holds the key"
        }
        ErrorKind::Parse => "; is this Redis's port?",
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => "; check the service's user and password",
            Some("OOM") => "; its memory is full",
            Some("MISCONF") => "; it can't save its data: see its log",
            _ => "",
        },
    };
    ProbeError(format!("{at} refused: {error}{hint}"))
}
