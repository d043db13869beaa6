//! ClickHouse's HTTP interface.

use super::http;
use super::refused::Refused;
use crate::model::Endpoint;
use crate::probe::ProbeError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use ureq::Agent;

/// The longest answer that is taken.
const LIMIT: u64 = 16 << 20;

/// The error code of a setting that a read-only user may not change.
const READONLY: &str = "164";

/// The error codes of a user who is not let in: unknown, with a wrong password, without one that is required, and
/// any of these where the server does not say which.
const LOGIN: [&str; 4] = ["192", "193", "194", "516"];

/// Runs one statement and gives its output, at most 16 MiB. `params` are query parameters: `("id", "7")` is
/// `{id:UInt32}` in the statement. The endpoint's database, where it has one, is the session's.
///
/// # Errors
/// Nothing answers within `timeout`, or ClickHouse refuses the statement: its code and the first line of its text.
pub fn query(
    endpoint: &Endpoint,
    sql: &str,
    params: &[(&str, &str)],
    timeout: Duration,
) -> Result<String, ProbeError> {
    attempt(endpoint, sql, params, timeout).map_err(|refused| refused.error)
}

/// As [`query`], for those who wait for a server.
///
/// # Errors
/// As [`query`], with whether that may pass.
pub fn attempt(
    endpoint: &Endpoint,
    sql: &str,
    params: &[(&str, &str)],
    timeout: Duration,
) -> Result<String, Refused> {
    let session = Session::new(endpoint, endpoint.database.as_deref()).map_err(Refused::for_good)?;
    session.send(sql, params, &[], timeout).map_err(|refusal| refusal.explain(endpoint))
}

/// An agent for sessions; each statement has a timeout of its own.
///
/// # Errors
/// As [`http::agent`].
pub fn agent(endpoint: &Endpoint) -> Result<Agent, ProbeError> {
    http::agent_of(endpoint, Duration::from_secs(5))
}

/// Statements to one server over connections that are kept.
pub struct Session<'e> {
    endpoint: &'e Endpoint,
    database: Option<String>,
    agent: Agent,
}

impl<'e> Session<'e> {
    /// A session in this database; the server's default where there is none. Nothing is asked yet.
    ///
    /// # Errors
    /// As [`http::agent`].
    pub fn new(endpoint: &'e Endpoint, database: Option<&str>) -> Result<Session<'e>, ProbeError> {
        Ok(Session::over(agent(endpoint)?, endpoint, database))
    }

    /// A session over the connections of an agent that is kept.
    pub fn over(agent: Agent, endpoint: &'e Endpoint, database: Option<&str>) -> Session<'e> {
        Session { endpoint, database: database.map(str::to_owned), agent }
    }

    /// The server.
    pub fn endpoint(&self) -> &'e Endpoint {
        self.endpoint
    }

    /// Later statements are in this database.
    pub fn enter(&mut self, database: &str) {
        self.database = Some(database.to_owned());
    }

    /// Runs one statement and gives its output.
    ///
    /// # Errors
    /// As [`query`].
    pub fn run(&self, sql: &str, params: &[(&str, &str)], timeout: Duration) -> Result<String, ProbeError> {
        self.send(sql, params, &[], timeout).map_err(|refusal| refusal.explain(self.endpoint).error)
    }

    /// Runs one statement that the server itself keeps from writing, and gives its output in JSONCompact.
    ///
    /// # Errors
    /// As [`query`]; a statement that would write is refused by the server.
    pub fn read(&self, sql: &str, params: &[(&str, &str)], timeout: Duration) -> Result<String, ProbeError> {
        let began = Instant::now();
        let format = ("default_format", "JSONCompact");
        let guard = [format, ("readonly", "1"), ("cancel_http_readonly_queries_on_client_close", "1")];
        let answer = match self.send(sql, params, &guard, timeout) {
            // A user who is read-only already may not say so again. A statement that tries to change the guard is
            // answered in the same words, so the server is asked which it is.
            Err(Refusal::Exception { code, text }) if code == READONLY && text.contains("Cannot modify") => {
                let left = || timeout.saturating_sub(began.elapsed());
                match self.send("SELECT getSetting('readonly')", &[], &[], left()) {
                    Ok(level) if matches!(level.trim(), "1" | "2") => {
                        self.send(sql, params, &[format], left())
                    }
                    _ => Err(Refusal::Exception { code, text }),
                }
            }
            answer => answer,
        };
        answer.map_err(|refusal| refusal.explain(self.endpoint).error)
    }

    /// As [`Session::read`], with the rows decoded.
    ///
    /// # Errors
    /// As [`Session::read`], and rows of another shape than `T`.
    pub fn rows<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Vec<T>, ProbeError> {
        #[derive(Deserialize)]
        struct Rows<T> {
            data: Vec<T>,
        }
        let answer = self.read(sql, params, timeout)?;
        let rows: Rows<T> =
            serde_json::from_str(&answer).map_err(|error| unreadable(self.endpoint, &error))?;
        Ok(rows.data)
    }

    fn send(
        &self,
        sql: &str,
        params: &[(&str, &str)],
        settings: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<String, Refusal> {
        let Endpoint { address, user, password, .. } = self.endpoint;
        let at = format!("ClickHouse at {address}");
        // The answer is held back until the statement has ended: an error in its middle has a status of its own.
        let mut request = self.agent.post(format!("{address}/")).query("wait_end_of_query", "1");
        if let Some(database) = &self.database {
            request = request.query("database", database);
        }
        for (name, value) in params {
            request = request.query(format!("param_{name}"), escaped(value));
        }
        for (name, value) in settings {
            request = request.query(name, value);
        }
        if let Some(user) = user {
            request = request.header("X-ClickHouse-User", user);
        }
        if let Some(password) = password {
            request = request.header("X-ClickHouse-Key", password.reveal());
        }
        let request = request.config().timeout_global(Some(timeout.max(http::SHORTEST))).build();
        let unreachable = |error: ureq::Error| Refusal::Unreachable(http::refused(&error, &at));
        let mut response = request.send(sql).map_err(unreachable)?;
        let code = response.headers().get("X-ClickHouse-Exception-Code");
        let code = code.and_then(|code| code.to_str().ok()).map(str::to_owned);
        let status = response.status();
        let body =
            http::text(&mut response, LIMIT, &at).map_err(|error| Refusal::Unreachable(error.into()))?;
        match code {
            None if status.is_success() => Ok(body),
            Some(code) => Err(Refusal::Exception { code, text: first_line(&body) }),
            None => Err(Refusal::Unreachable(
                http::refusal(status.as_u16(), &body, self.endpoint, &at).unwrap_or_else(|| {
                    ProbeError(format!(
                        "{at} answered with status {status}, expected 200: {}; is this ClickHouse's HTTP port?",
                        first_line(&body)
                    ))
                    .into()
                }),
            )),
        }
    }
}

/// An answer that is not in the format that was asked for.
pub fn unreadable(endpoint: &Endpoint, error: &serde_json::Error) -> ProbeError {
    ProbeError(format!(
        "ClickHouse at {}: expected an answer in JSONCompact, and {error}; leave FORMAT out of the statement",
        endpoint.address
    ))
}

/// A parameter's value as the HTTP interface takes it: in the escaping of TabSeparated.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

/// Why there is no output.
enum Refusal {
    /// No answer.
    Unreachable(Refused),
    /// ClickHouse says no.
    Exception { code: String, text: String },
}

impl Refusal {
    fn explain(self, endpoint: &Endpoint) -> Refused {
        match self {
            Refusal::Unreachable(refused) => refused,
            Refusal::Exception { code, text } => {
                let hint = hint(&code);
                let at = &endpoint.address;
                let error = ProbeError(format!("ClickHouse at {at} refused (code {code}): {text}{hint}"));
                Refused { error, passes: !LOGIN.contains(&code.as_str()) }
            }
        }
    }
}

fn hint(code: &str) -> &'static str {
    match code {
        "60" => "; is the schema there (init clickhouse)?",
        "81" => "; is the database there (init clickhouse)?",
        "164" => "; this gate only reads",
        code if LOGIN.contains(&code) => "; check the service's user and password",
        "497" => "; the user lacks this right",
        _ => "",
    }
}

/// The part of an exception that a person needs: without code, stack and version, at most 300 characters. It may
/// stand anywhere in the body: some formats have a field for it.
fn first_line(body: &str) -> String {
    let text = match body.split_once("DB::Exception: ") {
        Some((_, text)) => text.lines().next(),
        None => body.lines().find(|line| !line.trim().is_empty()),
    };
    let text = text.unwrap_or_default();
    let text = text.split(" (version ").next().unwrap_or(text).trim_end_matches(['.', ' ']);
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_keeps_its_tabs_and_backslashes() {
        assert_eq!(escaped("a\tb\\c\nd"), r"a\tb\\c\nd");
    }

    #[test]
    fn an_exception_is_cut_down_to_what_a_person_needs() {
        let body = "Code: 60. DB::Exception: Unknown table expression identifier 'x'. (UNKNOWN_TABLE) (version 24.8.1)\n";
        assert_eq!(first_line(body), "Unknown table expression identifier 'x'. (UNKNOWN_TABLE)");
        let json =
            "{\n\t\"exception\": \"Code: 60. DB::Exception: No x. (UNKNOWN_TABLE) (version 24.8.1)\"\n}";
        assert_eq!(first_line(json), "No x. (UNKNOWN_TABLE)");
        assert_eq!(first_line("\n<html>"), "<html>");
        assert_eq!(first_line(""), "");
        assert_eq!(first_line(&"é".repeat(1000)).chars().count(), 300);
    }
}
