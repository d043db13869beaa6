//! Which services of a plan come from where.

mod choose;
mod contained;
mod image;
mod local;

pub use choose::{Choice, choose};
pub use contained::{LIMIT as PULLED, SWEEP};
pub use image::image;
pub use local::{Local, Start, started_names};

use super::access;
use crate::model::service::variable;
use crate::model::{Endpoint, ServiceKind};
use crate::plan::Plan;
use crate::process::{Cancel, Worker};
use crate::profile::Service;
use crate::service::attach::Attached;
use crate::service::compose::{Composed, Project, Wait, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a service that is said to be up already has to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who gives the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provision {
    /// Containers where they can be had, else the engines as local processes.
    Auto,
    /// Containers of a Docker or Podman that answers on this machine.
    Containers,
    /// The real engines as local processes.
    #[default]
    Embedded,
    /// An environment that already runs.
    Attach,
}

impl Provision {
    /// All of them.
    pub const ALL: [Provision; 4] =
        [Provision::Auto, Provision::Containers, Provision::Embedded, Provision::Attach];

    /// The provisioner of a word.
    pub fn parse(word: &str) -> Option<Provision> {
        Provision::ALL.into_iter().find(|provision| provision.as_str() == word)
    }

    /// The word for it in flags and evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Provision::Auto => "auto",
            Provision::Containers => "containers",
            Provision::Embedded => "embedded",
            Provision::Attach => "attach",
        }
    }

    /// Whether the services are started for the run and thrown away: gates may write, and a cutover be rehearsed.
    pub fn is_ours(self) -> bool {
        self != Provision::Attach
    }
}

/// A compose project that services are found in.
#[derive(Debug, Clone)]
pub struct Composition {
    /// The project.
    pub project: Project,
    /// Whether it is brought up first, and how long is waited.
    pub wait: Wait,
}

impl Composition {
    /// A project that is said to be up already.
    pub fn that_is_up(project: Project) -> Composition {
        Composition { project, wait: Wait { up: None, patience: PATIENCE, every: Duration::from_secs(1) } }
    }
}

/// An environment of services that already run. `provisioner` is who started them, for evidence.
pub fn attached(
    endpoints: BTreeMap<String, Endpoint>,
    provisioner: &'static str,
    cancel: &Cancel,
) -> Attached {
    Attached::new(endpoints, provisioner, PATIENCE, cancel.clone())
}

/// Where the services are: flags go before variables, and those before the profile.
///
/// # Errors
/// Flags that name no service; files of passwords or of TLS that are not what they should be.
pub fn endpoints(
    services: &[Service],
    given: &[(String, String)],
) -> Result<BTreeMap<String, Endpoint>, String> {
    known(services, given)?;
    let at = |service: &Service| said(service, given).or_else(|| service.endpoint.clone());
    let found = |service: &Service| {
        let found = seen(service, &at(service)?, given);
        Some(found.map(|endpoint| (service.name.clone(), endpoint)))
    };
    services.iter().filter_map(found).collect()
}

/// Where the services are that a run does not start. Passwords and certificates of those that it starts are not the
/// profile's, whose files may not be here.
///
/// # Errors
/// As [`endpoints`].
fn others(
    services: &[Service],
    given: &[(String, String)],
    started: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Endpoint>, String> {
    known(services, given)?;
    let services: Vec<_> = services.iter().filter(|service| !started(&service.name)).cloned().collect();
    let given: Vec<_> = given.iter().filter(|(name, _)| !started(name)).cloned().collect();
    endpoints(&services, &given)
}

/// The endpoint at an address, and where the other services see it: a variable says that, unless a flag has named
/// another place than the variables.
fn seen(service: &Service, address: &str, given: &[(String, String)]) -> Result<Endpoint, String> {
    let by_flag = given.iter().any(|(name, _)| *name == service.name);
    let inside = std::env::var(variable("INSIDE", &service.name)).ok();
    let inside = inside.filter(|inside| !inside.is_empty() && !by_flag);
    Ok(Endpoint { inside, ..access::endpoint(service, address)? })
}

/// The services of a compose project: flags and variables go before what compose says, and that before the profile.
///
/// # Errors
/// Flags that name no service, or files that a service is reached with that can't be read.
pub fn composed(
    services: &[Service],
    given: &[(String, String)],
    from: &Composition,
    worker: Worker,
    cancel: &Cancel,
) -> Result<Composed, String> {
    known(services, given)?;
    let wanted = services.iter().map(|service| {
        let said = said(service, given);
        let address = said.as_ref().or(service.endpoint.as_ref()).map_or("", String::as_str);
        let endpoint = seen(service, address, given)?;
        Ok(Wanted { name: service.name.clone(), endpoint, said: said.is_some() })
    });
    let wanted = wanted.collect::<Result<_, String>>()?;
    Ok(Composed::new(from.project.clone(), wanted, from.wait, worker, cancel.clone()))
}

/// Flags must name services that there are.
fn known(services: &[Service], given: &[(String, String)]) -> Result<(), String> {
    let stray = |(name, _): &&(String, String)| !services.iter().any(|service| service.name == *name);
    let Some((name, _)) = given.iter().find(stray) else { return Ok(()) };
    let known: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    Err(format!("--endpoint {name}: there is no such service in the plan; it has {}", known.join(", ")))
}

/// What somebody said for this run, by a flag or else by a variable.
fn said(service: &Service, given: &[(String, String)]) -> Option<String> {
    let flag = given.iter().rev().find(|(name, _)| *name == service.name).map(|(_, address)| address.clone());
    let variable = || std::env::var(variable("ENDPOINT", &service.name)).ok().filter(|text| !text.is_empty());
    flag.or_else(variable)
}

/// The topics that gates of the plan speak of, by the Kafka that they use.
pub fn topics(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let kafkas = plan.services.iter().filter(|service| service.kind == ServiceKind::Kafka);
    let of_gates = |kafka: &Service| {
        let gates = plan.gates.iter().map(|planned| &planned.gate);
        let gates = gates.filter(|gate| gate.uses.contains(&kafka.name));
        gates
            .flat_map(|gate| gate.with.text("topic").into_iter().chain(gate.with.texts("topics")))
            .map(str::to_owned)
            .collect()
    };
    kafkas.map(|kafka| (kafka.name.clone(), of_gates(kafka))).collect()
}
