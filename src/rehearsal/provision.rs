//! Which services of a plan come from where.

mod choose;
mod contained;
mod image;
mod local;

pub use choose::{Choice, choose};
pub use contained::{LIMIT as PULLED, SWEEP};
pub use image::image;
pub use local::{Local, Start, started_names};

use crate::model::service::variable;
use crate::model::{Endpoint, Secret, ServiceKind};
use crate::plan::Plan;
use crate::process::Cancel;
use crate::profile::Service;
use crate::service::attach::Attached;
use crate::service::{Environment, ServiceError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

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
/// Flags that name no service.
pub fn endpoints(
    services: &[Service],
    given: &[(String, String)],
) -> Result<BTreeMap<String, Endpoint>, String> {
    if let Some((name, _)) =
        given.iter().find(|(name, _)| !services.iter().any(|service| service.name == *name))
    {
        let known: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        return Err(format!(
            "--endpoint {name}: there is no such service in the plan; it has {}",
            known.join(", ")
        ));
    }
    let said = |service: &Service| {
        let flag =
            given.iter().rev().find(|(name, _)| *name == service.name).map(|(_, address)| address.clone());
        flag.or_else(|| {
            std::env::var(variable("ENDPOINT", &service.name)).ok().filter(|text| !text.is_empty())
        })
        .or_else(|| service.endpoint.clone())
    };
    Ok(services
        .iter()
        .filter_map(|service| Some((service.name.clone(), seen(service, &said(service)?, given))))
        .collect())
}

/// The endpoint at an address, and where the other services see it: a variable says that, unless a flag has named
/// another place than the variables.
fn seen(service: &Service, address: &str, given: &[(String, String)]) -> Endpoint {
    let by_flag = given.iter().any(|(name, _)| *name == service.name);
    let inside = std::env::var(variable("INSIDE", &service.name)).ok();
    let inside = inside.filter(|inside| !inside.is_empty() && !by_flag);
    Endpoint { inside, ..endpoint(service, address) }
}

fn endpoint(service: &Service, address: &str) -> Endpoint {
    let own = service.password_env.as_deref().and_then(|name| std::env::var(name).ok());
    let password = std::env::var(variable("PASSWORD", &service.name)).ok().or(own);
    let user = std::env::var(variable("USER", &service.name)).ok().or_else(|| service.user.clone());
    Endpoint {
        user,
        password: password.filter(|password| !password.is_empty()).map(Secret::new),
        database: service.database.clone(),
        ..Endpoint::at(service.kind, address.trim_end_matches('/'))
    }
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

/// An environment that could not be brought up.
pub struct Unavailable(pub String);

impl Environment for Unavailable {
    fn provisioner(&self) -> &'static str {
        Provision::Attach.as_str()
    }

    fn wait(&self, _: &str, _: Instant) -> Result<Endpoint, ServiceError> {
        Err(ServiceError(self.0.clone()))
    }

    fn stop(&self) {}
}
