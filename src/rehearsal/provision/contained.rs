//! Services in containers, and beside them what already runs. The run owes their removal from before the first is
//! made: whoever of the two processes is left sees to it ([`Worker::owe`](crate::process::Worker::owe)).

use super::image::image;
use super::local::{POSTGRES_USER, Start, kafka_of};
use super::{Provision, attached, others};
use crate::model::{Endpoint, ServiceKind};
use crate::process::Worker;
use crate::profile::Service;
use crate::service::attach::Attached;
use crate::service::containers::{self, ContainerRequest, Containers, Daemon, StartOptions};
use crate::service::{Environment, ServiceError, Strike};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a service may take, with the time to pull its image.
pub const LIMIT: Duration = Duration::from_secs(900);

/// How long it may take when its image is there.
const START: Duration = Duration::from_secs(90);

/// The hidden verb that removes the containers of runs whose processes are gone.
pub const SWEEP: &str = "containers-sweep";

/// Containers, and what runs already.
pub(super) struct Contained {
    containers: Containers,
    /// What runs in them, each with the database that the profile names.
    own: BTreeMap<String, Option<String>>,
    beside: Attached,
    worker: Worker,
    /// The command that removes them where this process can't; none where they are to stay.
    owed: Option<Vec<OsString>>,
    notes: Option<String>,
}

/// Starts containers for all services that have an image, and returns at once.
pub(super) fn start(
    start: Start<'_>,
    daemon: &Daemon,
    logs: PathBuf,
    reuse: bool,
) -> Result<Contained, String> {
    let requests = requests(start.services)?;
    let started = |name: &str| requests.iter().any(|request| request.name == name);
    let known = others(start.services, start.given, started)?;
    let owed = if reuse { None } else { Some(sweeping()?) };
    // What runs whose processes were all killed have left.
    let swept = containers::sweep(daemon).err();
    if let Some(owed) = &owed {
        let told = start.worker.owe(owed);
        told.map_err(|error| {
            format!("expected to see to the removal of containers whatever happens: {error}")
        })?;
    }
    let options = StartOptions {
        run: start.run.to_owned(),
        logs,
        limit: START,
        reuse,
        cancel: start.cancel.clone(),
        worker: start.worker,
    };
    let own =
        start.services.iter().filter(|service| requests.iter().any(|request| request.name == service.name));
    let own = own.map(|service| (service.name.clone(), service.database.clone())).collect();
    let containers = containers::start(daemon, &requests, options).map_err(|error| error.0)?;
    let beside = attached(known, Provision::Attach.as_str(), start.cancel);
    let notes = swept.map(|error| format!("what earlier runs have left was not removed: {error}"));
    Ok(Contained { containers, own, beside, worker: start.worker, owed, notes })
}

fn requests(services: &[Service]) -> Result<Vec<ContainerRequest>, String> {
    let mut requests = Vec::new();
    for service in services {
        let Some(image) = image(service) else { continue };
        let connects = service.kind == ServiceKind::Connect;
        let stores = service.kind == ServiceKind::Postgres;
        let or_usual =
            |said: &Option<String>| said.clone().or_else(|| stores.then(|| POSTGRES_USER.to_owned()));
        requests.push(ContainerRequest {
            name: service.name.clone(),
            kind: service.kind,
            image,
            user: or_usual(&service.user),
            database: or_usual(&service.database),
            kafka: connects.then(|| kafka_of(service, services)).transpose()?,
        });
    }
    Ok(requests)
}

fn sweeping() -> Result<Vec<OsString>, String> {
    let exe = std::env::current_exe();
    let exe = exe.map_err(|error| format!("expected to find the program that is running: {error}"))?;
    Ok(vec![exe.into_os_string(), SWEEP.into(), std::process::id().to_string().into()])
}

impl Environment for Contained {
    fn provisioner(&self) -> &'static str {
        Provision::Containers.as_str()
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let Some(database) = self.own.get(service) else { return self.beside.wait(service, deadline) };
        let mut endpoint = self.containers.wait(service, deadline)?;
        endpoint.database = database.clone().or(endpoint.database);
        Ok(endpoint)
    }

    fn strike(&self, service: &str, strike: Strike) -> Result<(), ServiceError> {
        match self.own.contains_key(service) {
            true => self.containers.strike(service, strike),
            false => self.beside.strike(service, strike),
        }
    }

    fn stop(&self) {
        let before = self.containers.notes().len();
        self.containers.stop();
        // What was noted now may be a container that is left: then it is owed still.
        if let Some(owed) = self.owed.as_ref().filter(|_| self.containers.notes().len() == before) {
            // What can't be settled is done once more, and finds nothing to do.
            self.worker.settle(owed).ok();
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.containers.notes()).collect()
    }
}
