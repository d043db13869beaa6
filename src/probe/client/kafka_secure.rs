//! Kafka behind TLS and SASL: what librdkafka is told of them, and in whose words it is refused. It knows no probe.

use super::kafka_error::{describe, silent};
use super::refused::Refused;
use super::{tls, tls_error};
use crate::model::Endpoint;
use crate::model::service::{Sasl, Tls};
use crate::probe::ProbeError;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long is spent on finding out what is wrong with TLS.
const LOOK: Duration = Duration::from_secs(2);

/// Sets how the brokers are spoken to, and as whom.
///
/// # Errors
/// As [`super::kafka::config`].
pub(super) fn protect(config: &mut ClientConfig, endpoint: &Endpoint) -> Result<(), ProbeError> {
    let protocol = match (&endpoint.tls, endpoint.sasl) {
        (None, None) => "PLAINTEXT",
        (Some(_), None) => "SSL",
        (None, Some(_)) => "SASL_PLAINTEXT",
        (Some(_), Some(_)) => "SASL_SSL",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &endpoint.tls {
        encrypt(config, tls)?;
    }
    if let Some(sasl) = endpoint.sasl {
        let (Some(user), Some(password)) = (&endpoint.user, &endpoint.password) else {
            return Err(ProbeError(format!(
                "Kafka at {}: expected a user and a password for SASL {}, and there are not both: set `user` and \
                 `password_env` or `password_file`",
                endpoint.address,
                sasl.as_str()
            )));
        };
        config
            .set("sasl.mechanism", sasl.as_str())
            .set("sasl.username", user)
            .set("sasl.password", password.reveal());
    }
    Ok(())
}

fn encrypt(config: &mut ClientConfig, tls: &Tls) -> Result<(), ProbeError> {
    // librdkafka would say less of a file that is not what it should be.
    tls::check(tls)?;
    let files = [
        ("ssl.ca.location", &tls.ca),
        ("ssl.certificate.location", &tls.certificate),
        ("ssl.key.location", &tls.key),
    ];
    for (setting, file) in files {
        if let Some(file) = file.as_deref() {
            config.set(setting, text(file)?);
        }
    }
    // Both are its defaults; what we rely on is said.
    config
        .set("enable.ssl.certificate.verification", "true")
        .set("ssl.endpoint.identification.algorithm", "https");
    Ok(())
}

fn text(file: &Path) -> Result<&str, ProbeError> {
    file.to_str().ok_or_else(|| ProbeError(format!("{}: expected a path in UTF-8", file.display())))
}

/// Why a cluster was not reached. `why` is what librdkafka complained of, which may be nothing.
pub(super) fn unreachable(endpoint: &Endpoint, error: &KafkaError, why: &str, waited: Duration) -> Refused {
    let at = format!("Kafka at {}", endpoint.address);
    if let Some(refused) = login(why, endpoint, &at).or_else(|| protection(why, endpoint, &at)) {
        return Refused::for_good(refused);
    }
    let cut = why.contains("Disconnected") && endpoint.sasl.is_none();
    ProbeError(if cut {
        // A broker that ends does the same: so this may pass.
        format!(
            "{at}: expected to be let in without a user, seen that the connection is cut at once: does it want SASL (set \
             `sasl`, `user` and `password_env` or `password_file`), or is it ending? It said: {}",
            said(why)
        )
    } else if why.is_empty() && silent(error) {
        let seconds = (waited.as_secs_f64() * 10.0).round() / 10.0;
        format!(
            "no answer from {at} within {seconds} s: is the broker overloaded, paused or behind a firewall?"
        )
    } else if why.contains("Invalid response size") {
        format!("what answers at {} is not Kafka: is this its address?", endpoint.address)
    } else {
        let why = if why.is_empty() { describe(error) } else { said(why).to_owned() };
        format!("nothing answers as {at} ({why}): is the broker up, and is this its address?")
    })
    .into()
}

/// A complaint without the broker that it is about: `ssl://host:9093/bootstrap: SSL handshake failed: …`.
fn said(why: &str) -> &str {
    why.split_once("/bootstrap: ").map_or(why, |(_, said)| said)
}

/// What a complaint says of user, password and mechanism.
fn login(why: &str, endpoint: &Endpoint, at: &str) -> Option<ProbeError> {
    let mechanism = endpoint.sasl.map_or("none", Sasl::as_str);
    let supported = why.split_once("supported mechanisms: ").map(|(_, supported)| supported.trim());
    let told = if let Some(supported) = supported.filter(|supported| !supported.is_empty()) {
        format!("expected SASL {mechanism}, seen a broker that takes {supported}: set `sasl` to one of these")
    } else if why.contains("mechanism handshake failed") {
        format!(
            "expected SASL {mechanism}, seen a broker that refuses it: is there SASL at this port, and with this \
             mechanism (`sasl`)? It said: {}",
            said(why)
        )
    } else if why.contains("SASL") && why.contains("uthentication") {
        let detail = said(why).trim_start_matches("SASL authentication error: ");
        format!(
            "refused this user with this password (SASL {mechanism}): {detail}; check `user` and the password"
        )
    } else {
        return None;
    };
    Some(ProbeError(format!("{at}: {told}")))
}

/// What TLS says itself, where a complaint has to do with it.
fn protection(why: &str, endpoint: &Endpoint, at: &str) -> Option<ProbeError> {
    let hints = ["SSL", "ssl", "Disconnected", "isconnect"];
    if !hints.iter().any(|hint| why.contains(hint)) {
        return None;
    }
    let (broker, deadline) = (broker(why, endpoint), Instant::now() + LOOK);
    let Some(tls) = &endpoint.tls else {
        return tls::speaks(broker, deadline).then(|| tls_error::plain(at));
    };
    match tls::look(tls, broker, deadline) {
        Err(error) => Some(tls_error::of_handshake(&error, &format!("Kafka at {broker}")).error),
        // What our look does not show, such as a file that OpenSSL reads otherwise, is told as it was said.
        Ok(()) if why.contains("SSL handshake failed") => {
            Some(ProbeError(format!("{at}: TLS did not come about: {}", said(why))))
        }
        Ok(()) => None,
    }
}

/// The broker that a complaint is about: `host:port` of `ssl://host:port/3: …`; the first of the endpoint's where it
/// names none.
fn broker<'a>(why: &'a str, endpoint: &'a Endpoint) -> &'a str {
    let named = why
        .split_once('/')
        .map(|(head, rest)| if head.ends_with(':') { rest.trim_start_matches('/') } else { why });
    let named = named.and_then(|named| named.split_once('/')).map(|(broker, _)| broker);
    let is_broker = |text: &&str| text.contains(':') && !text.contains(' ');
    named.filter(is_broker).unwrap_or_else(|| endpoint.address.split(',').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, ServiceKind};

    fn kafka() -> Endpoint {
        Endpoint { sasl: Some(Sasl::ScramSha256), ..Endpoint::at(ServiceKind::Kafka, "a:1,b:2") }
    }

    #[test]
    fn the_broker_of_a_complaint_is_found() {
        let kafka = kafka();
        for (why, found) in [
            ("ssl://h.example:9093/bootstrap: SSL handshake failed: x", "h.example:9093"),
            ("sasl_ssl://[::1]:9093/3: Disconnected", "[::1]:9093"),
            ("127.0.0.1:9092/bootstrap: Disconnected: x", "127.0.0.1:9092"),
            ("GroupCoordinator: Disconnected", "a:1"),
            ("", "a:1"),
        ] {
            assert_eq!(broker(why, &kafka), found, "{why}");
        }
    }

    #[test]
    fn a_mechanism_without_a_user_and_a_password_is_no_client() {
        let mut config = ClientConfig::new();
        let wrong = protect(&mut config, &kafka()).unwrap_err().0;
        assert!(wrong.contains("SASL SCRAM-SHA-256") && wrong.contains("`password_env`"), "{wrong}");
        let user = Some("u".to_owned());
        let whole = Endpoint { user, password: Some(Secret::new("p")), ..kafka() };
        assert!(protect(&mut config, &whole).is_ok());
        assert_eq!(config.get("security.protocol"), Some("SASL_PLAINTEXT"));
    }

    #[test]
    fn what_a_broker_takes_is_told() {
        let why = "sasl_plaintext://h:1/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported \
                   SASL mechanism: broker's supported mechanisms: PLAIN";
        let told = login(why, &kafka(), "Kafka at h:1").unwrap().0;
        assert!(told.contains("expected SASL SCRAM-SHA-256, seen a broker that takes PLAIN"), "{told}");
    }
}
