//! HTTP: an agent whose every request has a deadline, bodies that are bounded, and errors in plain words.

use super::tcp;
use crate::probe::ProbeError;
use std::time::Duration;
use ureq::{Agent, Body, http::Response};

/// The shortest timeout.
pub const SHORTEST: Duration = Duration::from_millis(1);

/// An agent whose requests, name resolution and bodies included, end within `timeout`.
///
/// Any status is an answer, also a redirect: it is not followed, so that credentials go nowhere else. Proxies of
/// the environment are not used: what is measured is the service itself.
pub fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        // A timeout of zero would mean none.
        .timeout_global(Some(timeout.max(SHORTEST)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent("cutproof")
        .build()
        .new_agent()
}

/// A response's body as text, at most `limit` bytes of it; what is no UTF-8 is replaced by U+FFFD.
///
/// # Errors
/// The body is longer than the limit, broke off, or took longer than the agent's timeout.
pub fn text(response: &mut Response<Body>, limit: u64, at: &str) -> Result<String, ProbeError> {
    let body = response.body_mut().with_config().limit(limit).read_to_vec();
    let body = body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => ProbeError(format!(
            "{at} answered with more than {} MiB; expected less: ask for less, such as with a LIMIT",
            limit >> 20
        )),
        error => failure(&error, at),
    })?;
    Ok(match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Why a request to the service at `at` had no usable answer.
pub fn failure(error: &ureq::Error, at: &str) -> ProbeError {
    ProbeError(match error {
        ureq::Error::Timeout(_) => tcp::no_answer(at),
        ureq::Error::HostNotFound => format!("{at}: no host of this name is known: check the address"),
        ureq::Error::BadUri(_) => format!("{at} is no URL: expected one such as http://host:port"),
        ureq::Error::Io(error) => return tcp::failure(error, at),
        ureq::Error::Protocol(error) => {
            format!("{at} does not answer in HTTP: {error}; is this its address?")
        }
        error => format!("{at}: {error}"),
    })
}
