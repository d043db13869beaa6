//! Services as local processes: the real engines, or beside containers only those that a command serves. What is
//! neither is given by somebody else, beside them.

use super::{Provision, attached, contained, others};
use crate::model::{Endpoint, ServiceKind};
use crate::process::{Cancel, Worker};
use crate::profile::{Engine, Service};
use crate::rehearsal::folder::{self, RunFolder};
use crate::service::containers::Daemon;
use crate::service::embedded::{
    self, EngineKind, EngineRequest, EngineSource, Installed, Running, StartOptions,
};
use crate::service::{Environment, ServiceError, Strike};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The user and the database of a PostgreSQL that is started, where the profile names none.
pub(super) const POSTGRES_USER: &str = "postgres";

/// How often is looked whether the run is to end while an engine is waited for.
const SLICE: Duration = Duration::from_millis(100);

/// What is to be started, for which run.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The services of the plan.
    pub services: &'a [Service],
    /// Endpoints from flags, of those that run already.
    pub given: &'a [(String, String)],
    /// The run's id.
    pub run: &'a str,
    /// The right to start processes.
    pub worker: Worker,
    /// Ends all waiting.
    pub cancel: &'a Cancel,
}

/// Local processes, and beside them what somebody else gives.
pub struct Local {
    provisioner: Provision,
    running: Running,
    /// What runs here, each with the database that the profile names.
    own: BTreeMap<String, Option<String>>,
    beside: Arc<dyn Environment>,
    cancel: Cancel,
    _folder: RunFolder,
}

impl Local {
    /// Starts the engines of these services side by side, and returns at once.
    ///
    /// # Errors
    /// Requests that don't fit together, or a folder that can't be made.
    pub fn engines(start: Start<'_>, installed: &Arc<Installed>) -> Result<Local, String> {
        let requests = engines(start.services)?;
        let started = |name: &str| requests.iter().any(|request| request.name == name);
        let known = others(start.services, start.given, started)?;
        let beside = Arc::new(attached(known, Provision::Attach.as_str(), start.cancel));
        let folder = make_folder(start.run)?;
        let options = options(&start)?;
        let running = embedded::start(installed, &requests, folder.path(), &options);
        let running = running.map_err(|error| error.to_string())?;
        Ok(Local::of(Provision::Embedded, start, running, &requests, beside, folder))
    }

    /// Starts containers for the services side by side, beside them the commands that serve others, and returns at
    /// once. With `reuse`, containers that an earlier run left are taken up, and left again.
    ///
    /// # Errors
    /// Requests that don't fit together, or a folder that can't be made.
    pub fn containers(start: Start<'_>, daemon: &Daemon, reuse: bool) -> Result<Local, String> {
        let folder = make_folder(start.run)?;
        let beside: Arc<dyn Environment> =
            Arc::new(contained::start(start, daemon, folder.path().join("logs"), reuse)?);
        let requests = commands(start.services);
        let mut options = options(&start)?;
        options.beside = Some(Arc::clone(&beside));
        // The images may have to be pulled before anything that a command needs can begin.
        options.limit = contained::LIMIT;
        let running = embedded::start_commands(&requests, folder.path(), &options);
        let running = running.map_err(|error| error.to_string())?;
        Ok(Local::of(Provision::Containers, start, running, &requests, beside, folder))
    }

    fn of(
        provisioner: Provision,
        start: Start<'_>,
        running: Running,
        requests: &[EngineRequest],
        beside: Arc<dyn Environment>,
        folder: RunFolder,
    ) -> Local {
        let asked = |service: &&Service| requests.iter().any(|request| request.name == service.name);
        let own = start.services.iter().filter(asked);
        let own = own.map(|service| (service.name.clone(), service.database.clone())).collect();
        Local { provisioner, running, own, beside, cancel: start.cancel.clone(), _folder: folder }
    }

    /// The process of each service that is up and runs as one.
    pub fn pids(&self) -> BTreeMap<String, u32> {
        let now = Instant::now();
        let pid = |name: &String| Some((name.clone(), self.running.wait(name, now).ok()?.pid));
        self.own.keys().filter_map(pid).collect()
    }
}

impl Environment for Local {
    fn provisioner(&self) -> &'static str {
        self.provisioner.as_str()
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let Some(database) = self.own.get(service) else { return self.beside.wait(service, deadline) };
        loop {
            // In slices, so that a run that is told to end does not wait for an engine.
            let slice = deadline.min(Instant::now() + SLICE);
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
        if !self.own.contains_key(service) {
            return self.beside.strike(service, strike);
        }
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
        // First what others wait for: then nobody waits any more.
        self.beside.stop();
        self.running.stop();
    }

    fn notes(&self) -> Vec<String> {
        [self.beside.notes(), self.running.notes()].concat()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop();
    }
}

fn make_folder(run: &str) -> Result<RunFolder, String> {
    RunFolder::make(run).map_err(|error| {
        let state = folder::state();
        format!(
            "expected to make a folder for the run under {}: {error}; set XDG_STATE_HOME to another",
            state.display()
        )
    })
}

fn options(start: &Start<'_>) -> Result<StartOptions, String> {
    StartOptions::new(start.worker)
        .map_err(|error| format!("expected to find the program that is running: {error}"))
}

/// What an embedded engine is asked for, for each service that has one; the others must run already.
///
/// # Errors
/// A Connect without a Kafka.
fn engines(services: &[Service]) -> Result<Vec<EngineRequest>, String> {
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
            ServiceKind::Connect => EngineKind::Connect { kafka: kafka_of(service, services)? },
            // Those that a command serves are below.
            ServiceKind::Prometheus | ServiceKind::Http => continue,
        };
        requests.push(EngineRequest { name: service.name.clone(), kind });
    }
    requests.extend(commands(services));
    Ok(requests)
}

/// The Kafka that a Connect works with: the one that it needs, or else the first.
pub(super) fn kafka_of(connect: &Service, services: &[Service]) -> Result<String, String> {
    let kafkas = || services.iter().filter(|service| service.kind == ServiceKind::Kafka);
    let named = kafkas().find(|kafka| connect.needs.contains(&kafka.name));
    let kafka = named.or_else(|| kafkas().next()).map(|kafka| kafka.name.clone());
    kafka.ok_or_else(|| {
        format!(
            "service `{}` is Kafka Connect: expected a Kafka among the services, and there is none",
            connect.name
        )
    })
}

/// The services that a command of the user's own serves. Each waits for what it needs of those that are started too;
/// the others are up already.
fn commands(services: &[Service]) -> Vec<EngineRequest> {
    let started = started_names(services);
    let command = |service: &Service| {
        let Engine::Command(line) = &service.from else { return None };
        if !matches!(service.kind, ServiceKind::Prometheus | ServiceKind::Http) {
            return None;
        }
        let needs = service.needs.iter().filter(|need| started.contains(need.as_str())).cloned().collect();
        let kind = EngineKind::Command { kind: service.kind, line: line.clone(), needs };
        Some(EngineRequest { name: service.name.clone(), kind })
    };
    services.iter().filter_map(command).collect()
}

/// Names of the services that a run starts, as containers or as processes.
pub fn started_names(services: &[Service]) -> BTreeSet<&str> {
    let outside = |service: &Service| matches!(service.kind, ServiceKind::Prometheus | ServiceKind::Http);
    let started = |service: &&Service| !outside(service) || matches!(service.from, Engine::Command(_));
    services.iter().filter(started).map(|service| service.name.as_str()).collect()
}
