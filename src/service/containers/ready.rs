//! Whether a service answers as its kind. It knows no Docker.

use crate::model::{Endpoint, ServiceKind};
use crate::probe::client::http;
use crate::service::identify::identify;
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest list of connectors that is read.
const LIMIT: u64 = 1 << 20;

/// The endpoint with what the service says of itself.
///
/// # Errors
/// It does not answer within `timeout`, or not as its kind: what was seen.
pub(super) fn ready(endpoint: &Endpoint, timeout: Duration) -> Result<Endpoint, String> {
    let known = identify(endpoint, &BTreeSet::new(), timeout).map_err(|error| error.0)?;
    if endpoint.kind == ServiceKind::Connect {
        takes_connectors(endpoint, timeout)?;
    }
    Ok(known)
}

/// A Connect worker says what it is before it has joined its group; connectors it takes only then.
fn takes_connectors(endpoint: &Endpoint, timeout: Duration) -> Result<(), String> {
    let at = format!("Kafka Connect at {}", endpoint.address);
    let url = format!("{}/connectors", endpoint.address);
    let answer = http::agent(timeout).get(url).call();
    let mut answer = answer.map_err(|error| http::failure(&error, &at).0)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = http::text(&mut answer, LIMIT, &at).map_err(|error| error.0)?;
    Err(format!("{at} answered /connectors with status {status}: {}", said.trim()))
}
