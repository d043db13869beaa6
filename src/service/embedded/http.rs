//! Plain HTTP to an engine on this machine: no proxy, no redirect, one deadline for all of it.

use std::time::Duration;

/// The body of a GET.
///
/// # Errors
/// What came instead of 200.
pub(super) fn get(url: &str, patience: Duration) -> Result<String, String> {
    read(agent(patience).get(url).call())
}

/// The answer to a POST of a text.
///
/// # Errors
/// What came instead of 200.
pub(super) fn post(url: &str, body: &str, patience: Duration) -> Result<String, String> {
    read(agent(patience).post(url).content_type("text/plain").send(body))
}

/// The answer to a PUT of JSON.
///
/// # Errors
/// What came instead of 200 or 201.
pub(super) fn put(url: &str, json: &str, patience: Duration) -> Result<String, String> {
    read(agent(patience).put(url).content_type("application/json").send(json))
}

fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder().proxy(None).max_redirects(0).http_status_as_error(false);
    config.timeout_global(Some(patience)).build().into()
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 | 201 => Ok(body),
        status => Err(format!("HTTP {status}: {}", body.chars().take(300).collect::<String>().trim())),
    }
}
