//! Redis: a connection whose every answer is waited for until one deadline, in TLS where the endpoint says so, and names
//! that belong to one run.

use super::refused::Refused;
use super::tls::Stream;
use super::{tcp, tls, tls_error};
use crate::model::Endpoint;
use crate::probe::ProbeError;
use redis::{
    Cmd, ErrorKind, FromRedisValue, Parser, RedisError, RedisResult, ServerErrorKind, Value, cmd,
    from_redis_value,
};
use std::io::{self, Read, Write};
use std::time::Instant;

/// A connection to one server.
pub struct Session {
    wire: Wire,
    deadline: Instant,
    /// `host:port`, where nothing has been understood yet and TLS was not spoken.
    unsure: Option<String>,
    /// Where it goes, for sources and errors: `Redis at HOST:PORT`.
    pub at: String,
}

/// Bytes to and from a server, with what TLS complained of.
struct Wire {
    stream: Stream,
    parser: Parser,
    complaint: Option<rustls::Error>,
}

impl Wire {
    fn told<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            self.complaint = tls_error::found(error).cloned();
        }
        done
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        self.told(sent)
    }

    fn receive(&mut self) -> RedisResult<Value> {
        let mut parser = std::mem::take(&mut self.parser);
        let value = parser.parse_value(&mut *self);
        self.parser = parser;
        value
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer);
        self.told(read)
    }
}

impl Session {
    /// Connects, logs in where the endpoint has a password, and enters the endpoint's database (a number).
    ///
    /// # Errors
    /// Nothing answers by the deadline, or the server refuses user, password or database.
    pub fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Session, ProbeError> {
        Session::attempt_open(endpoint, deadline).map_err(|refused| refused.error)
    }

    /// As [`Session::open`], for those who wait for a server.
    ///
    /// # Errors
    /// As [`Session::open`], with whether that may pass.
    pub fn attempt_open(endpoint: &Endpoint, deadline: Instant) -> Result<Session, Refused> {
        let at = format!("Redis at {}", endpoint.address);
        let stream = stream(endpoint, &at, deadline)?;
        let unsure = matches!(stream, Stream::Plain(_)).then(|| endpoint.address.clone());
        let wire = Wire { stream, parser: Parser::new(), complaint: None };
        let mut session = Session { wire, deadline, unsure, at };
        if let Some(password) = &endpoint.password {
            let mut login = cmd("AUTH");
            login.arg(endpoint.user.as_deref()).arg(password.reveal());
            session.enter(&login)?;
        }
        if let Some(database) = &endpoint.database {
            session.enter(cmd("SELECT").arg(database))?;
        }
        Ok(session)
    }

    /// Asks what must be answered before anything else.
    fn enter(&mut self, command: &Cmd) -> Result<(), Refused> {
        self.ask_or_refused(command)
    }

    /// Asks one command.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, ProbeError> {
        self.ask_or_refused(command).map_err(|refused| refused.error)
    }

    /// As [`Session::ask`], for those who wait for a server.
    ///
    /// # Errors
    /// As [`Session::ask`], with whether that may pass.
    pub fn ask_or_refused<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Refused> {
        self.attempt(command).map_err(|error| self.refused(&error))
    }

    /// Asks one command, and leaves it to the caller what an error means.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn attempt<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let answer = self.exchange(std::slice::from_ref(command))?.pop().unwrap_or(Value::Nil);
        Ok(from_redis_value(answer.extract_error()?)?)
    }

    /// Asks many commands at once, and gives their answers in the same order.
    ///
    /// # Errors
    /// No answer by the deadline, or one that says no.
    pub fn ask_all<T: FromRedisValue>(&mut self, commands: &[Cmd]) -> Result<Vec<T>, ProbeError> {
        let answer = |answer: Value| Ok(from_redis_value(answer.extract_error()?)?);
        let answers = self.exchange(commands);
        let answers = answers.and_then(|answers| answers.into_iter().map(answer).collect::<RedisResult<_>>());
        answers.map_err(|error| self.refused(&error).error)
    }

    /// Not the driver's own connection: it waits for every answer anew when one did not come, and looks for a host's
    /// address and shakes hands in TLS without a deadline.
    fn exchange(&mut self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        self.wire.stream.limit(self.deadline)?;
        self.wire.send(&commands.iter().flat_map(Cmd::get_packed_command).collect::<Vec<_>>())?;
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            self.wire.stream.limit(self.deadline)?;
            answers.push(self.wire.receive()?);
            self.unsure = None;
        }
        Ok(answers)
    }

    /// Why the server did not do what was asked.
    fn refused(&mut self, error: &RedisError) -> Refused {
        if let Some(complaint) = self.wire.complaint.take() {
            return Refused::for_good(tls_error::told(&complaint, &self.at));
        }
        let understood = error.kind() == ErrorKind::Extension || matches!(error.kind(), ErrorKind::Server(_));
        if let Some(address) = self.unsure.take().filter(|_| !understood)
            && tls::speaks(&address, self.deadline)
        {
            return Refused::for_good(tls_error::plain(&self.at));
        }
        Refused { error: failure(error, &self.at), passes: !for_good(error) }
    }
}

/// The connection, protected as the endpoint says.
fn stream(endpoint: &Endpoint, at: &str, deadline: Instant) -> Result<Stream, Refused> {
    let config = endpoint.tls.as_ref().map(tls::config).transpose().map_err(Refused::for_good)?;
    let socket = tcp::dial(&endpoint.address, deadline).map_err(|error| tcp::failure(&error, at))?;
    let Some(config) = config else { return Ok(Stream::Plain(socket)) };
    let shaken = tls::handshake(config, socket, tls::host(&endpoint.address), deadline);
    shaken.map(Stream::Tls).map_err(|error| tls_error::of_handshake(&error, at))
}

/// Whether the server refused us, rather than not being ready.
fn for_good(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        // What a server without a password says to one who gives one.
        || error.detail().is_some_and(|detail| detail.contains("AUTH"))
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
            Some("NOAUTH") => "; set `password_env` or `password_file`, and `user` where it has users",
            Some("WRONGPASS") => "; check the service's user and password",
            Some("OOM") => "; its memory is full",
            Some("MISCONF") => "; it can't save its data: see its log",
            _ => "",
        },
    };
    ProbeError(format!("{at} refused: {error}{hint}"))
}
