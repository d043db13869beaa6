//! Removing by label: all of a run at its end, and what runs have left behind whose processes are gone.

use super::container::{self, Found, labelled};
use super::daemon::{CallError, Daemon, chain};
use super::labels::{self, Owner};
use super::{container::CALL, fault};
use crate::service::ServiceError;
use std::collections::HashMap;
use std::time::Duration;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::Network;
use testcontainers::bollard::query_parameters::ListNetworksOptionsBuilder;

/// How long a container may take to be killed and removed.
const REMOVAL: Duration = Duration::from_secs(20);

/// Removes the containers and networks of runs whose processes are gone on this machine, and says which. Those of
/// processes that can't be seen from here (another machine's, another container's, another boot's) are left alone.
///
/// # Errors
/// The daemon does not answer, or does not remove them.
pub fn sweep(daemon: &Daemon) -> Result<Vec<String>, ServiceError> {
    let here = Owner::this()
        .map_err(|error| ServiceError(format!("expected to know this process from /proc: {error}")))?;
    let left = |labels: &HashMap<String, String>| {
        let owner = labels.get(labels::OWNER).and_then(|owner| Owner::parse(owner));
        owner.is_some_and(|owner| owner.is_gone(&here))
    };
    let told = |error: CallError| ServiceError(fault::call(&error, &daemon.name()));
    let mut containers = labelled(daemon, labels::OWNER, None).map_err(told)?;
    containers.retain(|container| left(&container.labels));
    let mut networks = networks(daemon, labels::OWNER, None).map_err(told)?;
    networks.retain(|network| left(&network.labels));
    let named =
        |what: &str, all: &[Found]| all.iter().map(|one| format!("{what} {}", one.name)).collect::<Vec<_>>();
    let names = [named("container", &containers), named("network", &networks)].concat();
    let problems = remove(daemon, containers, networks);
    if problems.is_empty() { Ok(names) } else { Err(ServiceError(problems.join("; "))) }
}

/// Removes all that has this label with this value. Returns what could not be removed, each with why.
pub(super) fn remove_labelled(daemon: &Daemon, label: &str, value: &str) -> Vec<String> {
    let told = |error: CallError| {
        vec![format!("what is labelled {label}={value} is left: {}", fault::call(&error, &daemon.name()))]
    };
    let containers = match labelled(daemon, label, Some(value)) {
        Ok(containers) => containers,
        Err(error) => return told(error),
    };
    match networks(daemon, label, Some(value)) {
        Ok(networks) => remove(daemon, containers, networks),
        Err(error) => told(error),
    }
}

/// All at once, networks after what is in them.
fn remove(daemon: &Daemon, containers: Vec<Found>, networks: Vec<Found>) -> Vec<String> {
    let mut problems = each(daemon, "container", containers, container::remove);
    problems.extend(each(daemon, "network", networks, remove_network));
    problems
}

fn each<F>(daemon: &Daemon, what: &str, all: Vec<Found>, removal: fn(Docker, String) -> F) -> Vec<String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let names: Vec<_> = all.iter().map(|one| one.name.clone()).collect();
    let ids = all.into_iter().map(|one| one.id).collect();
    let results = daemon.each(ids, |docker, id| {
        let removal = removal(docker, id);
        async move {
            let late = |_| Err(format!("not done within {} s", REMOVAL.as_secs()));
            tokio::time::timeout(REMOVAL, removal).await.unwrap_or_else(late)
        }
    });
    let problem = |(name, result): (&String, Result<Result<(), String>, String>)| {
        let why = match result {
            Ok(Ok(())) => return None,
            Ok(Err(said)) => fault::explain(&said, &daemon.name()),
            Err(died) => died,
        };
        Some(format!("{what} {name} is left: {why}"))
    };
    names.iter().zip(results).filter_map(problem).collect()
}

/// Networks with this label.
fn networks(daemon: &Daemon, label: &str, value: Option<&str>) -> Result<Vec<Found>, CallError> {
    let filters = labels::filter(label, value);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let docker = daemon.docker();
    let found = daemon.call("which networks there are", CALL, docker.list_networks(Some(options)))?;
    let found = found.into_iter().filter_map(|Network { id, name, labels, .. }| {
        Some(Found { id: id?, name: name.unwrap_or_default(), labels: labels.unwrap_or_default() })
    });
    Ok(found.collect())
}

async fn remove_network(docker: Docker, id: String) -> Result<(), String> {
    match docker.remove_network(&id).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}
