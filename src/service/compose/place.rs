//! Which container of a project is which service, where it is reached, and what is wrong with it where it is not. Pure:
//! containers in, places out.

use super::ps::{Container, Publisher};
use crate::model::ServiceKind;
use std::collections::BTreeSet;

/// Where Kafka listens for the other services of a project: `kafka:9092` is its address in the runbook too.
const KAFKA_INSIDE: u16 = 9092;

/// What became of looking for a service among the containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It runs, and is reached there.
    At {
        /// `host:port`, or a URL where the kind speaks HTTP.
        address: String,
        /// The same for the other services of the project.
        inside: String,
        /// What compose says of it, in words.
        state: String,
    },
    /// It is none of the project's.
    Absent(String),
    /// It is one of them, and can't be measured as it is.
    Wrong {
        /// Which, how it is, and what to do.
        why: String,
        /// Its container has ended: it won't come back by itself.
        ended: bool,
    },
}

/// A service that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sought<'a> {
    pub name: &'a str,
    pub kind: ServiceKind,
    /// `http` or `https`, for a kind that speaks HTTP.
    pub scheme: &'a str,
    /// Names of all services that are looked for.
    pub names: &'a BTreeSet<String>,
    /// The host that the containers' ports are published at.
    pub host: &'a str,
}

impl Sought<'_> {
    /// Finds it: by its name, else by what the others' images and names say that they are.
    pub fn among(&self, containers: &[Container]) -> Place {
        let named: Vec<_> = containers.iter().filter(|container| container.service == self.name).collect();
        let alike = |container: &&Container| {
            !self.names.contains(&container.service) && kind(container) == Some(self.kind)
        };
        let found = match named.is_empty() {
            false => named,
            true => containers.iter().filter(alike).collect(),
        };
        match found[..] {
            [] => Place::Absent(self.absent(containers)),
            [container] => self.of(container),
            _ => {
                let names = listed(found.iter().map(|container| container.name.as_str()));
                self.wrong(format!("{} containers could be it ({names})", found.len()))
            }
        }
    }

    fn absent(&self, containers: &[Container]) -> String {
        let services: BTreeSet<_> = containers.iter().map(|container| container.service.as_str()).collect();
        format!(
            "no service of the compose project is `{}` by its name, or {} by its image: it has {}; {}",
            self.name,
            self.kind,
            listed(services.into_iter()),
            self.help()
        )
    }

    fn of(&self, container: &Container) -> Place {
        let state = in_words(container);
        if container.state != "running" || container.health == "unhealthy" {
            let ended = matches!(container.state.as_str(), "exited" | "dead");
            let why = format!(
                "compose service `{}` is {state}: expected it to run; see `docker logs {}`, or {}",
                container.service,
                container.name,
                self.help()
            );
            return Place::Wrong { why, ended };
        }
        match self.port(container) {
            Ok(port) => Place::At {
                address: self.written(&self.host_of(port), port.published_port),
                inside: self.written(
                    &container.service,
                    match self.kind {
                        ServiceKind::Kafka => KAFKA_INSIDE,
                        _ => port.target_port,
                    },
                ),
                state,
            },
            Err(why) => self.wrong(format!("compose service `{}` {why}", container.service)),
        }
    }

    fn wrong(&self, why: String) -> Place {
        Place::Wrong { why: format!("{why}; {}", self.help()), ended: false }
    }

    fn help(&self) -> String {
        format!("give --endpoint {}=ADDRESS", self.name)
    }

    /// The port to reach it by: the one that is usual for its kind, else the only one.
    fn port<'c>(&self, container: &'c Container) -> Result<&'c Publisher, String> {
        let mut ports: Vec<&Publisher> = Vec::new();
        for port in container.published() {
            // Once for IPv4 and once for IPv6.
            match ports.iter_mut().find(|known| known.target_port == port.target_port) {
                Some(known) if known.url.contains(':') => *known = port,
                Some(_) => {}
                None => ports.push(port),
            }
        }
        let usual: Vec<&Publisher> =
            ports.iter().copied().filter(|port| usual_ports(self.kind).contains(&port.target_port)).collect();
        match (&usual[..], &ports[..]) {
            ([port], _) | ([], [port]) => Ok(port),
            (_, []) => Err("publishes no port: expected `ports` in the compose file".to_owned()),
            _ => {
                let ports = ports.iter().map(|port| port.target_port.to_string()).collect::<Vec<_>>();
                Err(format!(
                    "publishes the ports {}, and which of them is {} is not plain",
                    ports.join(", "),
                    self.kind
                ))
            }
        }
    }

    /// Where a published port is reached. One that is bound to every address is at the host's own.
    fn host_of(&self, port: &Publisher) -> String {
        match port.url.as_str() {
            "" | "0.0.0.0" | "::" => self.host.to_owned(),
            address if address.contains(':') => format!("[{address}]"),
            address => address.to_owned(),
        }
    }

    fn written(&self, host: &str, port: u16) -> String {
        match self.kind {
            ServiceKind::Redis | ServiceKind::Kafka | ServiceKind::Postgres => format!("{host}:{port}"),
            _ => format!("{}://{host}:{port}", self.scheme),
        }
    }
}

/// The host that ports are published at: this one, unless `DOCKER_HOST` says that Docker runs on another.
pub(super) fn docker_host(variable: Option<&str>) -> String {
    let elsewhere = variable.and_then(|variable| {
        let (scheme, rest) = variable.split_once("://")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
        (matches!(scheme, "tcp" | "ssh" | "http" | "https") && !host.is_empty()).then(|| host.to_owned())
    });
    elsewhere.unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// How a container is, with its exit code where it has one.
fn in_words(container: &Container) -> String {
    let state = &container.state;
    match (state.as_str(), container.health.as_str()) {
        ("exited" | "restarting" | "dead", _) => format!("{state} (exit code {})", container.exit_code),
        ("running", "") => state.clone(),
        ("running", health) => format!("{state} ({health})"),
        ("created", _) => "created, and was never started".to_owned(),
        _ => state.clone(),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The ports that a kind listens on in images of it. For Kafka those of the listeners that are meant for the host.
fn usual_ports(kind: ServiceKind) -> &'static [u16] {
    match kind {
        ServiceKind::Redis => &[6379],
        ServiceKind::Kafka => &[9092, 9094, 19092, 29092],
        ServiceKind::Connect => &[8083],
        ServiceKind::Clickhouse => &[8123],
        ServiceKind::Postgres => &[5432],
        ServiceKind::Prometheus => &[9090],
        ServiceKind::Http => &[],
    }
}

/// Words by which images and services are known; those of Connect before those of Kafka, which are in them.
const WORDS: [(&str, ServiceKind); 10] = [
    ("connect", ServiceKind::Connect),
    ("debezium", ServiceKind::Connect),
    ("redpanda", ServiceKind::Kafka),
    ("kafka", ServiceKind::Kafka),
    ("clickhouse", ServiceKind::Clickhouse),
    ("timescale", ServiceKind::Postgres),
    ("postgres", ServiceKind::Postgres),
    ("prometheus", ServiceKind::Prometheus),
    ("valkey", ServiceKind::Redis),
    ("redis", ServiceKind::Redis),
];

/// Words by which tools around a service are known, whatever else is in their names: `kafka-exporter`, `kafka-init`.
const TOOLS: [&str; 8] = ["exporter", "commander", "-ui", "console", "admin", "backup", "keeper", "init"];

/// What a container is, by its image's name, else by its service's. A tool is none.
fn kind(container: &Container) -> Option<ServiceKind> {
    let image = container.image.split('@').next().unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or(image);
    // Not what stands behind the colon: a tag may name anything.
    let names = [image.split(':').next().unwrap_or(image), &container.service].map(str::to_ascii_lowercase);
    if names.iter().any(|name| TOOLS.iter().any(|tool| name.contains(tool))) {
        return None;
    }
    let of = |name: &String| WORDS.iter().find(|(word, _)| name.contains(word)).map(|(_, kind)| *kind);
    names.iter().find_map(of)
}

#[cfg(test)]
mod tests;
