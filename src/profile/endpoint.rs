//! Whether a text is the endpoint of a kind of service.

use crate::model::ServiceKind;

/// The endpoint as it is kept: a URL without its final slash, everything else as it was written.
///
/// # Errors
/// What was expected. A text that may hold a password is not repeated.
pub(super) fn check(kind: ServiceKind, text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err("expected an endpoint without a user or a password in it: use `user` and `password_env`"
            .to_owned());
    }
    match kind {
        ServiceKind::Redis | ServiceKind::Postgres => host_and_port(text)
            .then(|| text.to_owned())
            .ok_or_else(|| format!("expected \"host:port\", such as \"localhost:{}\"", usual_port(kind))),
        ServiceKind::Kafka => {
            let good = text.split(',').all(|part| host_and_port(part.trim()));
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let expected =
                || "expected \"host:port\", several with commas, such as \"localhost:9092\"".to_owned();
            good.then(|| parts.join(",")).ok_or_else(expected)
        }
        ServiceKind::Connect | ServiceKind::Clickhouse | ServiceKind::Prometheus | ServiceKind::Http => {
            let good = url(text).then(|| text.trim_end_matches('/').to_owned());
            good.ok_or_else(|| format!("expected a URL, such as \"http://localhost:{}\"", usual_port(kind)))
        }
    }
}

fn usual_port(kind: ServiceKind) -> u16 {
    match kind {
        ServiceKind::Redis => 6379,
        ServiceKind::Kafka => 9092,
        ServiceKind::Connect => 8083,
        ServiceKind::Clickhouse => 8123,
        ServiceKind::Postgres => 5432,
        ServiceKind::Prometheus => 9090,
        ServiceKind::Http => 8080,
    }
}

/// `localhost:6379`, `10.0.0.1:6379`, `[::1]:6379`
fn host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(name, number)| host(name) && port(number))
}

fn port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !text.is_empty() && text.len() <= 253 && text.chars().all(allowed)
        }
    }
}

fn url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
    path.chars().all(plain) && (host_and_port(authority) || host(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked_by_kind() {
        let good = |kind, text: &str| check(kind, text).unwrap();
        assert_eq!(good(ServiceKind::Redis, "[::1]:6379"), "[::1]:6379");
        assert_eq!(good(ServiceKind::Kafka, "a:9092, b:9092"), "a:9092,b:9092");
        assert_eq!(good(ServiceKind::Connect, "http://kafka-connect:8083/"), "http://kafka-connect:8083");
        assert_eq!(good(ServiceKind::Http, "https://shop.example/app/"), "https://shop.example/app");
        for (kind, text) in [
            (ServiceKind::Redis, "localhost"),
            (ServiceKind::Redis, "localhost:0"),
            (ServiceKind::Redis, "localhost:70000"),
            (ServiceKind::Redis, "redis://localhost:1"),
            (ServiceKind::Redis, ":6379"),
            (ServiceKind::Redis, "::1:6379"),
            (ServiceKind::Kafka, "a:9092,"),
            (ServiceKind::Clickhouse, "localhost:8123"),
            (ServiceKind::Clickhouse, "http://"),
            (ServiceKind::Clickhouse, "http://h:1/?database=x"),
            (ServiceKind::Clickhouse, "ftp://h"),
        ] {
            assert!(check(kind, text).unwrap_err().starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn userinfo_is_refused_and_not_repeated() {
        let told = check(ServiceKind::Clickhouse, "http://u:hunter2@h:8123").unwrap_err();
        assert!(told.contains("password_env") && !told.contains("hunter2"));
    }
}
