//! Whether something accepts TCP connections, and how fast. Nothing is sent.

use super::client::tcp;
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The probe `tcp`.
pub struct Tcp;

const FIELDS: &[Field] = &[
    Field::optional("address", FieldKind::Text, "`host:port`; where absent, the one service in `uses`"),
    Field::with_default(
        "connect_timeout",
        FieldKind::Duration,
        "\"5s\"",
        "after this long without an answer nothing listens there",
    ),
];

impl Probe for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn about(&self) -> &'static str {
        "something accepts TCP connections at an address; nothing is sent"
    }

    fn one_of(&self, args: &Args) -> &'static [ServiceKind] {
        if args.text("address").is_some() { &[] } else { &ServiceKind::ALL }
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        vec![
            Metric::bool("connected", "whether the connection was accepted"),
            Metric::number(
                "latency_ms",
                Unit::Millisecond,
                "how long connecting took, without finding the host's address; missing where not connected",
            ),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        "connected == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        match args.text("address") {
            Some(address) if !is_place(address) => {
                let message =
                    format!("`{address}`: expected host:port, such as 127.0.0.1:6379 or [::1]:6379");
                Err(BadArgs { field: "address", message })
            }
            _ => Ok(()),
        }
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let place = match args.text("address") {
            Some(address) => address.to_owned(),
            None => place(context.one_endpoint(&ServiceKind::ALL)?)?,
        };
        let addresses = tcp::resolve(&place, context.deadline).map_err(|error| {
            let hint = "check the name, or the machine's name servers";
            ProbeError(format!(
                "{place}: expected the address of a host, and none was found: {error}: {hint}"
            ))
        })?;
        let limit = args.duration("connect_timeout").unwrap_or(Duration::from_secs(5));
        let deadline = context.deadline.min(Instant::now() + limit);
        let mut facts = Args::default();
        let mut latency = Reading::Missing;
        let mut connected = false;
        for address in addresses {
            let began = Instant::now();
            match connect(&address, deadline) {
                Ok(stream) => {
                    latency = Reading::number(millis(began.elapsed()), Unit::Millisecond);
                    connected = true;
                    drop(stream);
                    break;
                }
                Err(error) if tells_of_the_other_side(&error) => {
                    facts.set(&address.to_string(), tcp::failure(&error, &place).0);
                }
                Err(error) => return Err(ProbeError(format!("cannot connect to {place}: {error}"))),
            }
        }
        let observations = vec![
            context.observed("connected", Reading::bool(connected), &place),
            context.observed("latency_ms", latency, &place),
        ];
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

fn connect(address: &std::net::SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let left = tcp::left(deadline);
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(address, left)
}

/// Whether an error is a measured value (nothing listens there, or no way leads there) rather than a trouble of
/// this machine.
fn tells_of_the_other_side(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::TimedOut
            | Kind::WouldBlock
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
    )
}

fn is_place(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_one = if let Some(inner) = host.strip_prefix('[') {
        inner.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        !host.is_empty() && !host.contains([':', '/', '@']) && !host.contains(char::is_whitespace)
    };
    host_is_one && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// `host:port` of a service: the first broker of a list, the host of a URL.
fn place(endpoint: &Endpoint) -> Result<String, ProbeError> {
    let address = endpoint.address.split(',').next().unwrap_or_default().trim();
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let authority = rest.split('/').next().unwrap_or_default();
    let place = match (scheme, is_place(authority)) {
        (_, true) => authority.to_owned(),
        ("http", false) => format!("{authority}:80"),
        ("https", false) => format!("{authority}:443"),
        _ => authority.to_owned(),
    };
    if is_place(&place) {
        Ok(place)
    } else {
        Err(ProbeError(format!("expected a service with an address host:port, seen `{}`", endpoint.address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["localhost:80", "127.0.0.1:1", "[::1]:65535", "kafka-1.example.org:9092"] {
            assert!(is_place(good), "{good}");
        }
        for bad in ["localhost", ":80", "a:0", "a:65536", "::1:80", "http://a:80", "u@a:80", "a b:1", "[a]:1"]
        {
            assert!(!is_place(bad), "{bad}");
        }
    }

    #[test]
    fn the_place_of_a_service_is_found_in_its_address() {
        let at = |kind, address| place(&Endpoint::at(kind, address)).ok();
        assert_eq!(at(ServiceKind::Kafka, "a:9092,b:9092").as_deref(), Some("a:9092"));
        assert_eq!(at(ServiceKind::Http, "http://web").as_deref(), Some("web:80"));
        assert_eq!(at(ServiceKind::Http, "https://web/x").as_deref(), Some("web:443"));
        assert_eq!(at(ServiceKind::Clickhouse, "http://127.0.0.1:8123").as_deref(), Some("127.0.0.1:8123"));
        assert_eq!(at(ServiceKind::Redis, "nowhere"), None);
    }
}
