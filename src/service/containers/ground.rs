//! What the containers of a start share: names, labels, their network, and those that an earlier start has kept.

use super::board::{Board, Made};
use super::container::{CALL, inspect, labelled};
use super::daemon::{CallError, Daemon};
use super::fault::{self, Standing};
use super::labels::{self, Owner};
use super::recipe::password_variable;
use super::sweep::remove_labelled;
use super::{ContainerRequest, StartOptions};
use crate::model::{Secret, ServiceKind};
use crate::service::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use testcontainers::bollard::models::{ContainerInspectResponse, NetworkCreateRequest};

/// How many letters of the run's id are part of names.
const NAMED: usize = 40;

/// How long a host's name may be (RFC 1035).
const HOST: usize = 63;

/// How long a service's name may be: in its container's there must be room for what tells runs apart, their ends.
pub(super) const SERVICE: usize = 40;

/// The containers that an earlier start has kept for this one; none where it makes its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub kept: BTreeMap<String, Made>,
}

/// What the containers of a start share.
pub(super) struct Ground {
    run: String,
    owner: String,
    /// The digest of the requests, where containers are kept.
    reuse: Option<String>,
    services: Vec<(String, ServiceKind)>,
    cluster: String,
    laid: Mutex<Option<Result<Place, String>>>,
}

impl Ground {
    /// For these requests. Nothing is made yet.
    pub fn new(requests: &[ContainerRequest], options: &StartOptions) -> Result<Ground, ServiceError> {
        let owner = Owner::this().map_err(|error| {
            ServiceError(format!(
                "expected to know this process from /proc, for the containers' labels: {error}"
            ))
        })?;
        Ok(Ground {
            run: options.run.clone(),
            owner: owner.to_string(),
            reuse: options.reuse.then(|| digest(requests)),
            services: requests.iter().map(|request| (request.name.clone(), request.kind)).collect(),
            cluster: URL_SAFE_NO_PAD.encode(random()?),
            laid: Mutex::new(None),
        })
    }

    /// The id of the run's Kafka cluster, as Kafka writes 128 random bits.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Whether containers are kept for later starts.
    pub fn is_kept(&self) -> bool {
        self.reuse.is_some()
    }

    /// The label that all of this start has and nothing else.
    pub fn label(&self) -> (&'static str, &str) {
        match &self.reuse {
            Some(digest) => (labels::REUSE, digest),
            None => (labels::RUN, &self.run),
        }
    }

    /// The labels of a container, or of the network. What is kept has no owner: its process may end.
    pub fn labels(&self, service: Option<&str>) -> Vec<(&'static str, String)> {
        let (label, value) = self.label();
        let owner = self.reuse.is_none().then(|| (labels::OWNER, self.owner.clone()));
        let service = service.map(|service| (labels::SERVICE, service.to_owned()));
        [(label, value.to_owned())].into_iter().chain(owner).chain(service).collect()
    }

    /// The network's name.
    pub fn network(&self) -> String {
        format!("cutproof-{}", self.named(NAMED))
    }

    /// A container's name, by which those on its network find it: Docker and Podman both have it in their DNS.
    pub fn container(&self, service: &str) -> String {
        let room = HOST - "cutproof--".len() - service.len().min(SERVICE);
        format!("cutproof-{}-{service}", self.named(room.min(NAMED))).to_ascii_lowercase()
    }

    /// The end of what is alike in all names, of at most so many letters.
    fn named(&self, most: usize) -> String {
        let whole = match &self.reuse {
            Some(digest) => format!("kept-{}", &digest[..digest.len().min(12)]),
            None => self.run.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect(),
        };
        let end = &whole[whole.len() - whole.len().min(most)..];
        end.trim_start_matches('-').to_owned()
    }

    /// Makes the network, or takes up what was kept; whoever comes first does it for all.
    ///
    /// # Errors
    /// The daemon does not do it.
    pub fn lay(&self, daemon: &Daemon, board: &Board) -> Result<Place, String> {
        let mut laid = self.laid.lock().unwrap_or_else(PoisonError::into_inner);
        laid.get_or_insert_with(|| self.try_to_lay(daemon, board)).clone()
    }

    fn try_to_lay(&self, daemon: &Daemon, board: &Board) -> Result<Place, String> {
        let told = |error: CallError| fault::call(&error, &daemon.name());
        if let Some(digest) = &self.reuse {
            if let Some(kept) = self.kept(daemon, digest).map_err(told)? {
                board.note(format!("containers of an earlier run are used again: {}", self.network()));
                return Ok(Place { kept });
            }
            // One of them is not as it was: all are made anew, since they know each other.
            let problems = remove_labelled(daemon, labels::REUSE, digest);
            if !problems.is_empty() {
                return Err(problems.join("; "));
            }
        }
        if let Some(why) = board.ended() {
            return Err(why.to_owned());
        }
        let labels = self.labels(None).into_iter().map(|(label, value)| (label.to_owned(), value));
        let wanted = NetworkCreateRequest {
            name: self.network(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.collect()),
            ..Default::default()
        };
        let docker = daemon.docker();
        let made = daemon.call("a network for the run", CALL * 2, docker.create_network(wanted));
        made.map(|_| Place::default()).map_err(told)
    }

    /// The containers that an earlier start has kept, if all of them run.
    fn kept(&self, daemon: &Daemon, digest: &str) -> Result<Option<BTreeMap<String, Made>>, CallError> {
        let found = labelled(daemon, labels::REUSE, Some(digest))?;
        let mut kept = BTreeMap::new();
        for (name, kind) in &self.services {
            let of = |label: Option<&String>| label == Some(name);
            let Some(found) = found.iter().find(|found| of(found.labels.get(labels::SERVICE))) else {
                return Ok(None);
            };
            let container = inspect(daemon, &found.id, CALL)?;
            let runs = container.state.as_ref().and_then(|state| state.running) == Some(true);
            if !runs || Standing::of(&container) != Standing::Runs {
                return Ok(None);
            }
            kept.insert(name.clone(), Made { id: found.id.clone(), password: password(&container, *kind) });
        }
        Ok(Some(kept))
    }
}

/// The password that a container was made with. Whoever may ask Docker for it may do anything with it anyway.
fn password(container: &ContainerInspectResponse, kind: ServiceKind) -> Option<Secret> {
    let variable = password_variable(kind)?;
    let env = container.config.as_ref()?.env.as_ref()?;
    env.iter().find_map(|line| line.strip_prefix(variable)?.strip_prefix('=')).map(Secret::new)
}

/// What tells equal starts: the requests in the order of their names.
fn digest(requests: &[ContainerRequest]) -> String {
    let mut told: Vec<String> = requests.iter().map(|request| format!("{request:?}")).collect();
    told.sort();
    let version = env!("CARGO_PKG_VERSION");
    hex(&Sha256::digest(format!("{version}\n{}", told.join("\n"))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 128 random bits of the system's.
fn random() -> Result<[u8; 16], ServiceError> {
    let mut bytes = [0; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match got {
        Ok(16) => Ok(bytes),
        Ok(less) => Err(ServiceError(format!("expected 16 random bytes, got {less}"))),
        Err(error) => Err(ServiceError(format!("expected random bytes of the system: {error}"))),
    }
}

/// A fresh password: 128 random bits in hexadecimal, safe in any quotes.
pub(super) fn secret() -> Result<Secret, String> {
    random().map(|bytes| Secret::new(hex(&bytes))).map_err(|error| error.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Cancel, Worker};
    use std::time::Duration;

    fn request(name: &str) -> ContainerRequest {
        ContainerRequest {
            name: name.to_owned(),
            kind: ServiceKind::Redis,
            image: "redis:8".to_owned(),
            user: None,
            database: None,
            kafka: None,
        }
    }

    fn ground(run: &str, reuse: bool) -> Ground {
        let options = StartOptions {
            run: run.to_owned(),
            logs: "logs".into(),
            limit: Duration::from_secs(1),
            reuse,
            cancel: Cancel::new().unwrap(),
            worker: Worker::unheld().unwrap(),
        };
        Ground::new(&[request("redis")], &options).unwrap()
    }

    #[test]
    fn what_a_run_makes_has_its_run_its_owner_and_its_service() {
        let labels = ground("2026-R1", false).labels(Some("redis"));
        let of =
            |name: &str| labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str());
        assert_eq!(of("cutproof.run"), Some("2026-R1"));
        assert_eq!(of("cutproof.service"), Some("redis"));
        assert_eq!(of("cutproof.owner").and_then(Owner::parse), Some(Owner::this().unwrap()));
    }

    #[test]
    fn what_is_kept_has_no_owner_that_a_sweep_could_miss() {
        let kept = ground("R1", true);
        let labels = kept.labels(None);
        assert!(labels.iter().all(|(label, _)| *label == "cutproof.reuse"), "{labels:?}");
        assert_eq!(kept.network(), ground("R2", true).network());
    }

    #[test]
    fn names_are_made_of_what_docker_takes() {
        let name = ground("2026-11-23T05:34:15Z/ü_x", false).container("redis");
        assert!(name.starts_with("cutproof-2026-11-23t05-34-15z"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
    }

    #[test]
    fn the_name_of_a_container_is_a_hosts_and_has_the_end_of_its_run() {
        let (run, kept) = (ground("20261123T094215Z-rehearse-re3etm", false), ground("R1", true));
        assert_eq!(run.container("redis"), "cutproof-20261123t094215z-rehearse-re3etm-redis");
        for service in ["a".to_owned(), "clickhouse".to_owned(), "x".repeat(SERVICE)] {
            for ground in [&run, &kept] {
                let name = ground.container(&service);
                assert!(name.len() <= HOST && name.ends_with(&format!("-{service}")), "{name}");
            }
            assert!(run.container(&service).contains("-re3etm-"), "{}", run.container(&service));
        }
    }

    #[test]
    fn equal_requests_have_one_digest_in_any_order_and_others_another() {
        let (a, b) = (request("a"), request("b"));
        assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
        let other = ContainerRequest { image: "redis:7".to_owned(), ..b.clone() };
        assert_ne!(digest(&[a.clone(), b]), digest(&[a, other]));
    }

    #[test]
    fn a_kept_password_is_read_back_from_its_own_variable() {
        let config = testcontainers::bollard::models::ContainerConfig {
            env: Some(vec!["POSTGRES_PASSWORD_FILE=/x".to_owned(), "POSTGRES_PASSWORD=ab=c".to_owned()]),
            ..Default::default()
        };
        let container = ContainerInspectResponse { config: Some(config), ..Default::default() };
        let found = password(&container, ServiceKind::Postgres).map(|secret| secret.reveal().to_owned());
        assert_eq!(found.as_deref(), Some("ab=c"));
        assert_eq!(password(&container, ServiceKind::Redis), None);
    }

    #[test]
    fn secrets_differ_and_are_never_shown() {
        let (a, b) = (secret().unwrap(), secret().unwrap());
        assert!(a != b && a.reveal().len() == 32);
        assert_eq!(format!("{a:?}"), "***");
    }
}
