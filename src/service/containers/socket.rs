//! Where a daemon may listen: DOCKER_HOST, or the usual sockets of Docker and Podman. It asks none of them.

use std::net::{Ipv4Addr, UdpSocket};
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
    gateway: Option<Ipv4Addr>,
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
    pub fn bind(&self) -> Option<Ipv4Addr> {
        match self.is_local() {
            true => Some(Ipv4Addr::LOCALHOST),
            false => self.gateway,
        }
    }

    /// The same socket, where the daemon behind it publishes ports at the gateway of its network.
    pub fn behind(self, gateway: Option<Ipv4Addr>) -> Socket {
        let Some(address) = gateway else { return self };
        Socket { reach: address.to_string(), gateway, ..self }
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

/// Where what is for no nearer network is sent: in a container, the host that it runs on. Of IPv4, by route(5)'s
/// /proc/net/route.
pub(super) fn way_out() -> Option<Ipv4Addr> {
    way_out_of(&std::fs::read_to_string("/proc/net/route").ok()?)
}

fn way_out_of(routes: &str) -> Option<Ipv4Addr> {
    // Interface, destination and gateway: numbers in the order of their bytes in memory, in hexadecimal.
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(|raw| Ipv4Addr::from(raw.to_ne_bytes()));
    let mut gateways = routes.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (to, gateway) = (number(fields.next()?)?, number(fields.next()?)?);
        (to.is_unspecified() && !gateway.is_unspecified()).then_some(gateway)
    });
    gateways.next()
}

/// Whether an address is in a network, written as `172.17.0.0/16`.
pub(super) fn is_in(address: Ipv4Addr, network: &str) -> bool {
    let parts =
        network.split_once('/').and_then(|(start, bits)| Some((start.parse().ok()?, bits.parse().ok()?)));
    let Some((start, bits)): Option<(Ipv4Addr, u32)> = parts.filter(|(_, bits)| *bits <= 32) else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    address.to_bits() & mask == start.to_bits() & mask
}

/// Whether an address is one of this machine, or of this container: only those can be listened at.
pub(super) fn is_ours(address: Ipv4Addr) -> bool {
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
        assert!(!bridged.is_local() && socket().behind(None).is_local());
        assert_eq!(Socket::said("tcp://docker:2375").expect("it is fine").bind(), None);
    }

    #[test]
    fn the_way_out_is_the_gateway_of_the_default_route() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let local = "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        let out = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n";
        assert_eq!(way_out_of(&format!("{head}{local}{out}")), Some(Ipv4Addr::new(172, 17, 0, 1)));
        for none in ["", head, &format!("{head}{local}"), &format!("{head}eth0\t0000\n{local}x y z\n")] {
            assert_eq!(way_out_of(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_is_in_the_networks_that_hold_it() {
        let address = Ipv4Addr::new(172, 17, 255, 1);
        assert!(
            ["172.17.0.0/16", "0.0.0.0/0", "172.17.255.1/32"].iter().all(|network| is_in(address, network))
        );
        for other in
            ["172.18.0.0/16", "172.17.255.0/32", "172.17.0.0", "172.17.0.0/33", "fd00::/8", "", "/", "a/b"]
        {
            assert!(!is_in(address, other), "{other}");
        }
    }

    #[test]
    fn an_address_is_ours_where_this_machine_has_it() {
        assert!(is_ours("127.0.0.1".parse().expect("an address")));
        // Of the block that is for documents (RFC 5737).
        assert!(!is_ours("203.0.113.7".parse().expect("an address")));
    }
}
