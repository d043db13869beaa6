//! Which services of a plan come from where.

use super::access;
use super::folder::RunFolder;
use crate::model::service::variable;
use crate::model::{Endpoint, ServiceKind};
use crate::plan::Plan;
use crate::process::{Cancel, Worker};
use crate::profile::{Engine, Service};
use crate::service::attach::Attached;
use crate::service::embedded::{
    EngineKind, EngineRequest, EngineSource, Installed, Running, StartOptions, start,
};
use crate::service::{Environment, ServiceError, Strike};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a service that is said to be up already has to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The user and the database of a PostgreSQL that is started, where the profile names none.
const POSTGRES_USER: &str = "postgres";

/// Who gives the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provision {
    /// The real engines as local processes.
    #[default]
    Embedded,
    /// An environment that already runs.
    Attach,
}

impl Provision {
    /// The provisioner of a word.
    pub fn parse(word: &str) -> Option<Provision> {
        match word {
            "embedded" => Some(Provision::Embedded),
            "attach" => Some(Provision::Attach),
            _ => None,
        }
    }

    /// The word for it in evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Provision::Embedded => "embedded",
            Provision::Attach => "attach",
        }
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
    let known = |service: &Service| {
        let known = access::endpoint(service, &said(service)?);
        Some(known.map(|endpoint| (service.name.clone(), endpoint)))
    };
    services.iter().filter_map(known).collect()
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

/// What an embedded engine is asked for, for each service that has one; the others must run already.
///
/// # Errors
/// A Connect without a Kafka.
pub fn engines(services: &[Service]) -> Result<Vec<EngineRequest>, String> {
    let kafka = |connect: &Service| {
        let kafkas = || services.iter().filter(|service| service.kind == ServiceKind::Kafka);
        let named = kafkas().find(|kafka| connect.needs.contains(&kafka.name));
        named.or_else(|| kafkas().next()).map(|kafka| kafka.name.clone())
    };
    let mut requests = Vec::new();
    for service in services {
        let from = match &service.from {
            Engine::Pinned => EngineSource::Pinned,
            Engine::Program(program) => EngineSource::Path(PathBuf::from(program)),
            Engine::Command(_) => EngineSource::Pinned,
        };
        let kind = match service.kind {
            ServiceKind::Redis => EngineKind::Redis(from),
            ServiceKind::Kafka => EngineKind::Kafka,
            ServiceKind::Clickhouse => EngineKind::Clickhouse,
            ServiceKind::Postgres => EngineKind::Postgres {
                from,
                user: service.user.clone().unwrap_or_else(|| POSTGRES_USER.to_owned()),
                database: service.database.clone().unwrap_or_else(|| POSTGRES_USER.to_owned()),
            },
            ServiceKind::Connect => EngineKind::Connect {
                kafka: kafka(service).ok_or_else(|| {
                    format!("service `{}` is Kafka Connect: expected a Kafka among the services, and there is none", service.name)
                })?,
            },
            ServiceKind::Prometheus | ServiceKind::Http => match &service.from {
                Engine::Command(line) => command(service, line, services),
                _ => continue,
            },
        };
        requests.push(EngineRequest { name: service.name.clone(), kind });
    }
    Ok(requests)
}

/// A service that is started by a command. It waits for what it needs of those that are started too; the others are
/// up already.
fn command(service: &Service, line: &str, services: &[Service]) -> EngineKind {
    let engines = engine_names(services);
    let needs = service.needs.iter().filter(|need| engines.contains(need.as_str()));
    EngineKind::Command { kind: service.kind, line: line.to_owned(), needs: needs.cloned().collect() }
}

/// The real engines as local processes, and beside them what already runs.
pub struct Embedded {
    running: Running,
    engines: BTreeMap<String, Option<String>>,
    beside: Attached,
    cancel: Cancel,
    _folder: RunFolder,
}

impl Embedded {
    /// Starts the engines of these services side by side, and returns at once.
    ///
    /// # Errors
    /// Requests that don't fit together, or a folder that can't be made.
    pub fn start(
        services: &[Service],
        given: &[(String, String)],
        installed: &Arc<Installed>,
        run: &str,
        worker: Worker,
        cancel: &Cancel,
    ) -> Result<Embedded, String> {
        let requests = engines(services)?;
        // Passwords and certificates of what is started here are not those of the profile, whose files may not be here.
        let started = |name: &String| requests.iter().any(|request| request.name == *name);
        let others: Vec<_> = services.iter().filter(|service| !started(&service.name)).cloned().collect();
        let given: Vec<_> = given.iter().filter(|(name, _)| !started(name)).cloned().collect();
        let beside = attached(endpoints(&others, &given)?, Provision::Attach.as_str(), cancel);
        let folder = RunFolder::make(run).map_err(|error| {
            let state = super::folder::state();
            format!(
                "expected to make a folder for the run under {}: {error}; set XDG_STATE_HOME to another",
                state.display()
            )
        })?;
        let options = StartOptions::new(worker)
            .map_err(|error| format!("expected to find the program that is running: {error}"))?;
        let running =
            start(installed, &requests, folder.path(), &options).map_err(|error| error.to_string())?;
        let engines = services
            .iter()
            .filter(|service| requests.iter().any(|request| request.name == service.name))
            .map(|service| (service.name.clone(), service.database.clone()))
            .collect();
        Ok(Embedded { running, engines, beside, cancel: cancel.clone(), _folder: folder })
    }

    /// What is worth telling a person about the start.
    pub fn notes(&self) -> Vec<String> {
        self.running.notes()
    }

    /// The process of each engine that is up.
    pub fn pids(&self) -> BTreeMap<String, u32> {
        let now = Instant::now();
        let pid = |name: &String| Some((name.clone(), self.running.wait(name, now).ok()?.pid));
        self.engines.keys().filter_map(pid).collect()
    }
}

impl Environment for Embedded {
    fn provisioner(&self) -> &'static str {
        Provision::Embedded.as_str()
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let Some(database) = self.engines.get(service) else { return self.beside.wait(service, deadline) };
        loop {
            // In slices, so that a run that is told to end does not wait for an engine.
            let slice = deadline.min(Instant::now() + Duration::from_millis(100));
            match self.running.wait(service, slice) {
                Ok(started) => {
                    let mut endpoint = started.endpoint;
                    endpoint.database = database.clone().or(endpoint.database);
                    return Ok(endpoint);
                }
                Err(_)
                    if self.running.is_starting(service)
                        && slice < deadline
                        && !self.cancel.is_cancelled() => {}
                Err(error) => return Err(ServiceError(error.to_string())),
            }
        }
    }

    fn strike(&self, service: &str, strike: Strike) -> Result<(), ServiceError> {
        let pids = self.pids();
        let pid = pids.get(service).and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?));
        let pid = pid.ok_or_else(|| ServiceError(format!("the process of `{service}` is not known")))?;
        let signal = match strike {
            Strike::Kill => Signal::KILL,
            Strike::Freeze => Signal::STOP,
            Strike::Thaw => Signal::CONT,
        };
        kill_process(pid, signal).map_err(|error| ServiceError(format!("`{service}`: {error}")))
    }

    fn stop(&self) {
        self.running.stop();
    }
}

/// Names of services that are engines of the embedded provisioner.
pub fn engine_names(services: &[Service]) -> BTreeSet<&str> {
    let outside = |service: &Service| matches!(service.kind, ServiceKind::Prometheus | ServiceKind::Http);
    let engine = |service: &&Service| !outside(service) || matches!(service.from, Engine::Command(_));
    services.iter().filter(engine).map(|service| service.name.as_str()).collect()
}
