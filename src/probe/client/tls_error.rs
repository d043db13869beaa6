//! What goes wrong in TLS, in words: what was expected, what was seen, and which key to set.

use super::refused::Refused;
use super::tcp;
use crate::model::Stamp;
use crate::probe::ProbeError;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, Error};
use std::io;

/// The error of TLS within an error of input or output.
pub fn found(error: &io::Error) -> Option<&Error> {
    let inner = error.get_ref()?;
    // A library may have put one into another.
    inner.downcast_ref::<Error>().or_else(|| found(inner.downcast_ref::<io::Error>()?))
}

/// Why TLS with the server at `at` did not come about; nothing where the error is none of TLS.
pub fn explain(error: &io::Error, at: &str) -> Option<ProbeError> {
    found(error).map(|error| told(error, at))
}

/// Why TLS with the server at `at` did not come about.
pub fn told(error: &Error, at: &str) -> ProbeError {
    let why = match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refusal(*alert),
        Error::InvalidMessage(_) => {
            "expected TLS, seen something else: it speaks no TLS at this port; name its TLS \
                                     port, or leave `tls` out"
                .to_owned()
        }
        Error::PeerIncompatible(error) => {
            format!(
                "expected TLS 1.2 or 1.3 with today's ciphers, seen a server that has none of them: {error:?}"
            )
        }
        error => format!("expected to speak TLS with it, seen: {error}"),
    };
    ProbeError(format!("{at}: {why}"))
}

/// Why a handshake with the server at `at` failed.
pub fn of_handshake(error: &io::Error, at: &str) -> Refused {
    use io::ErrorKind as Kind;
    match (explain(error, at), error.kind()) {
        (Some(told), _) => Refused::for_good(told),
        (None, Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted) => {
            cut(at).into()
        }
        (None, Kind::TimedOut | Kind::WouldBlock) => silence(at).into(),
        (None, _) => tcp::failure(error, at).into(),
    }
}

/// What is said of a connection that ended in the middle of the handshake.
pub fn cut(at: &str) -> ProbeError {
    ProbeError(format!(
        "{at}: expected TLS, seen the end of the connection: does it speak TLS at this port, and does it demand a \
         certificate of ours (`tls.certificate` and `tls.key`)?"
    ))
}

/// What is said of a server that does not answer a TLS greeting.
pub fn silence(at: &str) -> ProbeError {
    ProbeError(format!(
        "{at}: expected TLS, seen no answer within the time that was left: does it speak TLS at this port (what does \
         not waits for more), or is it overloaded, paused or behind a firewall?"
    ))
}

/// What is said of a server that speaks TLS where we did not.
pub fn plain(at: &str) -> ProbeError {
    ProbeError(format!(
        "{at}: expected its plain protocol, seen a server that speaks TLS: set `tls = true` for the service, or \
         `tls = {{ ca = \"FILE\" }}` where its authority is not one of the system's"
    ))
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "expected a certificate of an authority that we trust, seen one of another: name the file of the server's \
             authority in `tls.ca`"
                .to_owned()
        }
        CertificateError::Expired => expired(None),
        CertificateError::ExpiredContext { not_after, .. } => expired(Some(*not_after)),
        CertificateError::NotValidYet => not_yet(None),
        CertificateError::NotValidYetContext { not_before, .. } => not_yet(Some(*not_before)),
        CertificateError::NotValidForName => {
            "expected a certificate for the host of its address, seen one for another: name it as its certificate does"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no host".to_owned() } else { names.join(", ") };
            format!(
                "expected a certificate for {}, seen one for {names}: name the server as its certificate does, or give it \
                 one for this name",
                expected.to_str()
            )
        }
        CertificateError::Other(error) => format!(
            "expected the certificate of a server, seen one that can't be used ({error}): is it an authority's own, or \
             made for something else?"
        ),
        error => format!("expected a certificate that can be trusted, seen one that can't: {error}"),
    }
}

fn expired(when: Option<UnixTime>) -> String {
    let when = when.map(|when| format!(" on {}", date(when))).unwrap_or_default();
    format!("expected a valid certificate, seen one that expired{when}: the server needs a new one")
}

fn not_yet(when: Option<UnixTime>) -> String {
    let when = when.map(|when| format!(" only from {} on", date(when))).unwrap_or_default();
    format!("expected a valid certificate, seen one that is valid{when}: check the clocks of both machines")
}

fn date(when: UnixTime) -> String {
    let seconds = i64::try_from(when.as_secs()).unwrap_or(0);
    Stamp::from_millis(seconds.saturating_mul(1000)).to_seconds()
}

/// `DnsName("localhost")` → `localhost`, `IpAddress(127.0.0.1)` → `127.0.0.1`
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

/// What a server says of our certificate.
fn refusal(alert: Alert) -> String {
    let what = match alert {
        Alert::CertificateRequired => "demands a certificate of ours: set `tls.certificate` and `tls.key`",
        Alert::UnknownCA => {
            "does not know the authority of our certificate: expected `tls.certificate` to be of one that it trusts"
        }
        Alert::CertificateExpired => "finds our certificate expired: renew the file of `tls.certificate`",
        Alert::CertificateRevoked => "finds our certificate revoked: renew the file of `tls.certificate`",
        Alert::BadCertificate
        | Alert::HandshakeFailure
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied => {
            return format!(
                "expected the server to take us, seen its alert {alert:?}: it demands a certificate of ours that it trusts; \
                 set `tls.certificate` and `tls.key`, or check them where they are set"
            );
        }
        Alert::ProtocolVersion => "speaks neither TLS 1.2 nor 1.3",
        Alert::UnrecognisedName => {
            "has no certificate for the host of its address: name it as its certificate does"
        }
        other => return format!("expected the server to take us, seen its alert {other:?}: see its log"),
    };
    format!("expected the server to take us, seen that it {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: Error) -> String {
        told(&error, "Redis at h:1").0
    }

    #[test]
    fn each_fault_of_a_certificate_is_told_apart_and_says_what_to_do() {
        let wrong = |error| said(Error::InvalidCertificate(error));
        assert!(wrong(CertificateError::UnknownIssuer).contains("`tls.ca`"));
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expired =
            CertificateError::ExpiredContext { time: time(2_000_000_000), not_after: time(1_700_000_000) };
        assert!(wrong(expired).contains("expired on 2023-11-14T22:13:20Z"));
        let name = CertificateError::NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("db.example").unwrap(),
            presented: vec!["DnsName(\"localhost\")".to_owned(), "IpAddress(127.0.0.2)".to_owned()],
        };
        assert!(wrong(name).contains("certificate for db.example, seen one for localhost, 127.0.0.2"));
    }

    #[test]
    fn a_server_that_wants_to_know_who_we_are_names_the_keys() {
        for alert in [Alert::CertificateRequired, Alert::BadCertificate, Alert::HandshakeFailure] {
            assert!(said(Error::AlertReceived(alert)).contains("`tls.certificate` and `tls.key`"));
        }
    }

    #[test]
    fn an_error_within_an_error_is_found() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(Alert::UnknownCA));
        let outer = io::Error::other(inner);
        assert!(explain(&outer, "it").unwrap().0.contains("does not know the authority"));
        assert!(explain(&io::ErrorKind::TimedOut.into(), "it").is_none());
    }
}
