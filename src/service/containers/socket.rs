//! Where a daemon may listen: DOCKER_HOST, or the usual sockets of Docker and Podman. It asks none of them.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use testcontainers::bollard::{API_DEFAULT_VERSION, Docker};

/// The client's own limit, in seconds. Ours are shorter, but for pulling an image.
const CLIENT_LIMIT: u64 = 3600;

/// How a variable of the environment is read.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a daemon may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    url: String,
    /// The host that published ports are reached at.
    reach: String,
    /// That host, where it is the gateway of the daemon's network.
    gateway: Option<IpAddr>,
    /// Whether testcontainers looks here by itself.
    told: bool,
}

impl Socket {
    fn unix(path: &str, told: bool) -> Socket {
        Socket { url: format!("unix://{path}"), reach: "127.0.0.1".to_owned(), gateway: None, told }
    }

    fn said(url: &str) -> Result<Socket, String> {
        let refused = |why: &str| {
            Err(format!(
                "DOCKER_HOST is {url}: {why}; expected unix:///PATH, tcp://HOST:PORT or https://HOST:PORT"
            ))
        };
        let Some((scheme, rest)) = url.split_once("://") else { return refused("it has no scheme") };
        let reach = match scheme {
            "unix" if rest.starts_with('/') => "127.0.0.1",
            "unix" => return refused("the path of its socket is not absolute"),
            "tcp" | "http" | "https" => host(rest),
            "ssh" => return refused("a daemon is not reached through ssh here: forward its socket"),
            _ => return refused("its scheme is unknown"),
        };
        if reach.is_empty() || rest.contains('@') {
            return refused("its host can't be read");
        }
        Ok(Socket { url: url.to_owned(), reach: reach.to_owned(), gateway: None, told: true })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn reach(&self) -> &str {
        &self.reach
    }

    /// Whether ports are published on this machine's loopback.
    pub fn is_local(&self) -> bool {
        matches!(self.reach.as_str(), "127.0.0.1" | "localhost")
    }

    /// The address that ports are bound to: what reaches them, and nothing else does. All of a daemon elsewhere.
    pub fn bind(&self) -> Option<IpAddr> {
        match self.is_local() {
            true => Some(Ipv4Addr::LOCALHOST.into()),
            false => self.gateway,
        }
    }

    /// The same socket, where the daemon behind it publishes ports at the gateway of its network.
    pub fn behind(self, gateway: Option<IpAddr>) -> Socket {
        let Some(address) = gateway else { return self };
        let reach = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Socket { reach, gateway, ..self }
    }

    /// Makes testcontainers use this daemon: it knows DOCKER_HOST and Docker's sockets, and those of Podman only by
    /// DOCKER_HOST. It reads the variable when its first client is made.
    pub fn tell_testcontainers(&self) {
        if !self.told {
            // SAFETY: a daemon is looked for when a run begins, before clients of C libraries are there that could
            // read the environment beside this; Rust's own readers are kept out by std's lock.
            unsafe { std::env::set_var("DOCKER_HOST", &self.url) };
        }
    }
}

/// Whether this process is in a container: Docker and Podman leave a file in each.
pub(super) fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
}

/// Whether an address is one of this machine, or of this container: only those can be listened at.
pub(super) fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The host of `host:port/path`.
fn host(rest: &str) -> &str {
    let place = rest.split('/').next().unwrap_or(rest);
    match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => &place[..host.len() + 2],
        None => place.rsplit_once(':').map_or(place, |(host, _)| host),
    }
}

/// Where to look, in order. Where DOCKER_HOST is set, nowhere else.
///
/// # Errors
/// DOCKER_HOST can't be used; also where it needs certificates and none are named.
pub(super) fn candidates(variable: Variable<'_>) -> Result<Vec<Socket>, String> {
    if let Some(url) = variable("DOCKER_HOST") {
        let socket = Socket::said(url.trim())?;
        let wants_tls = url.starts_with("https:") || variable("DOCKER_TLS_VERIFY").is_some_and(|v| v == "1");
        if wants_tls && !url.starts_with("unix:") && variable("DOCKER_CERT_PATH").is_none() {
            return Err(format!(
                "DOCKER_HOST is {url}, with TLS: expected DOCKER_CERT_PATH, the folder of key.pem, cert.pem and \
                 ca.pem"
            ));
        }
        return Ok(vec![socket]);
    }
    let mut sockets = vec![Socket::unix("/var/run/docker.sock", true)];
    if let Some(folder) = variable("XDG_RUNTIME_DIR") {
        sockets.push(Socket::unix(&format!("{folder}/docker.sock"), false));
        sockets.push(Socket::unix(&format!("{folder}/.docker/run/docker.sock"), false));
        sockets.push(Socket::unix(&format!("{folder}/podman/podman.sock"), false));
    }
    if let Some(home) = variable("HOME") {
        sockets.push(Socket::unix(&format!("{home}/.docker/run/docker.sock"), false));
        sockets.push(Socket::unix(&format!("{home}/.docker/desktop/docker.sock"), false));
    }
    sockets.push(Socket::unix("/run/podman/podman.sock", false));
    Ok(sockets)
}

/// A client for a daemon; nothing is asked yet.
///
/// # Errors
/// No socket is there, or certificates can't be read.
pub(super) fn connect(url: &str) -> Result<Docker, String> {
    if let Some(path) = url.strip_prefix("unix://") {
        if !Path::new(path).exists() {
            return Err("there is no socket".to_owned());
        }
        let docker = Docker::connect_with_unix(path, CLIENT_LIMIT, API_DEFAULT_VERSION);
        return docker.map_err(|error| error.to_string());
    }
    Docker::connect_with_host(url).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn found(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let read = |name: &str| variables.get(name).map(|text| (*text).to_owned());
        candidates(&read).map(|sockets| sockets.iter().map(|socket| socket.url().to_owned()).collect())
    }

    #[test]
    fn docker_host_is_the_only_place_where_it_is_set() {
        let said = [("DOCKER_HOST", "unix:///tmp/d.sock"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        assert_eq!(found(&said).expect("it is fine"), ["unix:///tmp/d.sock"]);
    }

    #[test]
    fn dockers_socket_goes_before_podmans() {
        let found = found(&[("XDG_RUNTIME_DIR", "/run/user/7")]).expect("they are fine");
        assert_eq!(found[0], "unix:///var/run/docker.sock");
        let at = |url: &str| found.iter().position(|found| found == url).expect("it is looked for");
        assert!(at("unix:///run/user/7/docker.sock") < at("unix:///run/user/7/podman/podman.sock"));
        assert_eq!(at("unix:///run/podman/podman.sock"), found.len() - 1);
    }

    #[test]
    fn a_docker_host_that_cannot_be_used_says_what_is_expected() {
        for url in [
            "/var/run/docker.sock",
            "unix://docker.sock",
            "ssh://me@host",
            "ftp://x",
            "tcp://:2375",
            "tcp://",
        ] {
            let error = found(&[("DOCKER_HOST", url)]).expect_err(url);
            assert!(error.contains(url) && error.contains("unix:///PATH"), "{error}");
        }
        let tls = [("DOCKER_HOST", "tcp://docker:2376"), ("DOCKER_TLS_VERIFY", "1")];
        assert!(found(&tls).expect_err("no certificates").contains("DOCKER_CERT_PATH"));
    }

    #[test]
    fn ports_of_a_daemon_elsewhere_are_reached_there() {
        let reach = |url: &str| Socket::said(url).expect(url).reach;
        assert_eq!(reach("tcp://docker:2375"), "docker");
        assert_eq!(reach("tcp://[::1]:2375/v1.41"), "[::1]");
        assert_eq!(reach("unix:///var/run/docker.sock"), "127.0.0.1");
        assert!(Socket::said("tcp://localhost:2375").expect("it is fine").is_local());
        assert!(!Socket::said("tcp://docker:2375").expect("it is fine").is_local());
    }

    #[test]
    fn ports_are_bound_where_they_are_reached_and_nowhere_else() {
        let socket = || Socket::unix("/var/run/docker.sock", true);
        assert_eq!(socket().bind(), Some("127.0.0.1".parse().expect("an address")));
        let gateway = |address: &str| socket().behind(Some(address.parse().expect(address)));
        let bridged = gateway("172.17.0.1");
        assert_eq!((bridged.reach(), bridged.bind()), ("172.17.0.1", "172.17.0.1".parse().ok()));
        assert_eq!(gateway("fd00::1").reach(), "[fd00::1]");
        assert!(!bridged.is_local() && socket().behind(None).is_local());
        assert_eq!(Socket::said("tcp://docker:2375").expect("it is fine").bind(), None);
    }

    #[test]
    fn an_address_is_ours_where_this_machine_has_it() {
        assert!(is_ours("127.0.0.1".parse().expect("an address")));
        // Of the block that is for documents (RFC 5737).
        assert!(!is_ours("192.0.2.1".parse().expect("an address")));
    }
}
