//! HTTP: an agent whose every request has a deadline, bodies that are bounded, and errors in plain words.

use super::refused::Refused;
use super::{tcp, tls, tls_error};
use crate::model::Endpoint;
use crate::model::service::Tls;
use crate::probe::ProbeError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::time::Duration;
use ureq::{Agent, Body, http::Response};

/// The shortest timeout.
pub const SHORTEST: Duration = Duration::from_millis(1);

/// An agent whose requests, name resolution and bodies included, end within `timeout`. A URL with `https` is asked
/// with these settings of TLS, or with the system's authorities.
///
/// Any status is an answer, also a redirect: it is not followed, so that credentials go nowhere else. Proxies of
/// the environment are not used: what is measured is the service itself.
///
/// # Errors
/// The files of TLS are not what they should be, or there are some and the URL is not one of `https`.
pub fn agent(url: &str, tls: Option<&Tls>, timeout: Duration) -> Result<Agent, ProbeError> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // A timeout of zero would mean none.
        .timeout_global(Some(timeout.max(SHORTEST)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent("cutproof");
    if url.starts_with("https:") {
        config = config.tls_config(tls::for_http(tls.unwrap_or(&Tls::default()))?).https_only(true);
    } else if tls.is_some() {
        return Err(ProbeError(format!("{url}: expected a URL with https://, since the service has `tls`")));
    }
    Ok(config.build().new_agent())
}

/// An agent for a service.
///
/// # Errors
/// As [`agent`].
pub fn agent_of(endpoint: &Endpoint, timeout: Duration) -> Result<Agent, ProbeError> {
    agent(&endpoint.address, endpoint.tls.as_ref(), timeout)
}

/// Asks a service for a path, as the user that it has.
///
/// # Errors
/// As [`agent`]; within, why there is no answer.
pub fn get(
    endpoint: &Endpoint,
    path: &str,
    timeout: Duration,
) -> Result<Result<Response<Body>, ureq::Error>, ProbeError> {
    let request = agent_of(endpoint, timeout)?.get(format!("{}{path}", endpoint.address));
    Ok(match login(endpoint) {
        Some(login) => request.header("Authorization", login).call(),
        None => request.call(),
    })
}

/// The value of the header `Authorization` for a service that has a user: `Basic …`. It is a secret.
pub fn login(endpoint: &Endpoint) -> Option<String> {
    let user = endpoint.user.as_deref()?;
    let password = endpoint.password.as_ref().map_or("", |password| password.reveal());
    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// What a status says of our user, our certificate or our protocol, where it says anything. `body` is what came with
/// it: proxies tell there.
pub fn refusal(status: u16, body: &str, endpoint: &Endpoint, at: &str) -> Option<Refused> {
    let told = match status {
        401 | 403 if endpoint.user.is_none() => {
            "it wants to know who we are; set `user` and `password_env` or `password_file`"
        }
        401 => "it does not know this user with this password; check `user` and the password",
        403 => "the user lacks this right",
        400 if body.contains("plain HTTP request was sent to HTTPS") => {
            "it speaks TLS; write its address with https://"
        }
        400 if body.contains("No required SSL certificate") => {
            "it demands a certificate of ours; set `tls.certificate` and `tls.key`"
        }
        400 | 495 | 496 if body.contains("SSL certificate error") => {
            "it does not take our certificate; is `tls.certificate` valid, and of an authority that it trusts?"
        }
        _ => return None,
    };
    Some(Refused::for_good(ProbeError(format!("{at} refused us with status {status}: {told}"))))
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
    refused(error, at).error
}

/// As [`failure`], with whether it may pass.
pub fn refused(error: &ureq::Error, at: &str) -> Refused {
    let told = match error {
        ureq::Error::Timeout(_) => tcp::no_answer(at),
        ureq::Error::HostNotFound => format!("{at}: no host of this name is known: check the address"),
        ureq::Error::BadUri(_) => format!("{at} is no URL: expected one such as http://host:port"),
        ureq::Error::Rustls(error) => return Refused::for_good(tls_error::told(error, at)),
        ureq::Error::Io(error) => {
            return match tls_error::explain(error, at) {
                Some(told) => Refused::for_good(told),
                None if error.kind() == io::ErrorKind::UnexpectedEof && at.contains("https:") => {
                    tls_error::cut(at).into()
                }
                None => tcp::failure(error, at).into(),
            };
        }
        ureq::Error::Protocol(error) => {
            format!("{at} does not answer in HTTP: {error}; is this its address, and is it one of https?")
        }
        error => format!("{at}: {error}"),
    };
    ProbeError(told).into()
}
