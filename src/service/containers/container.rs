//! One container as Docker has it: how it stands, what it printed, its end. It knows no service's protocol.

use super::daemon::{CallError, Daemon, chain};
use super::fault::Standing;
use std::collections::HashMap;
use std::time::Duration;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::ContainerInspectResponse;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use tokio_stream::StreamExt;

/// How long the daemon may take for what it does at once.
pub(super) const CALL: Duration = Duration::from_secs(5);

/// How much of a container's output is kept, in lines and in bytes.
const LINES: &str = "20000";
const BYTES: usize = 16 << 20;

/// A container that was made, by what Docker calls it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub id: String,
    pub name: String,
    pub labels: HashMap<String, String>,
}

/// All that it is.
pub(super) fn inspect(
    daemon: &Daemon,
    id: &str,
    limit: Duration,
) -> Result<ContainerInspectResponse, CallError> {
    let docker = daemon.docker();
    daemon.call(
        "how a container stands",
        limit,
        docker.inspect_container(id, None::<InspectContainerOptions>),
    )
}

/// How it stands; one that is not there any more has been removed by somebody.
pub(super) fn fault(daemon: &Daemon, id: &str, limit: Duration) -> Result<Option<String>, CallError> {
    match inspect(daemon, id, limit) {
        Ok(container) => Ok(Standing::of(&container).fault(id)),
        Err(error) if error.is_missing() => Ok(Some("its container was removed by somebody".to_owned())),
        Err(error) => Err(error),
    }
}

/// Containers with this label, ended ones too.
pub(super) fn labelled(daemon: &Daemon, label: &str, value: Option<&str>) -> Result<Vec<Found>, CallError> {
    let filters = super::labels::filter(label, value);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let docker = daemon.docker();
    let found = daemon.call("which containers there are", CALL, docker.list_containers(Some(options)))?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            Some(Found {
                id: container.id?,
                name: name.trim_start_matches('/').to_owned(),
                labels: container.labels.unwrap_or_default(),
            })
        })
        .collect())
}

/// What it printed so far: its last 20,000 lines, of those the first 16 MiB.
pub(super) async fn output(docker: Docker, id: String) -> Result<String, String> {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LINES).build();
    let mut chunks = std::pin::pin!(docker.logs(&id, Some(options)));
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| chain(&error))?.into_bytes());
        if bytes.len() > BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes it, running or not, with its volumes. That it is not there is fine.
pub(super) async fn remove(docker: Docker, id: String) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(&id, Some(options)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) if chain(&error).contains("already in progress") => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}

/// Ends its processes at once.
pub(super) fn kill(daemon: &Daemon, id: &str) -> Result<(), CallError> {
    let docker = daemon.docker();
    let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
    daemon.call("to kill a container", CALL, docker.kill_container(id, Some(options)))
}

/// Lets its processes stand still.
pub(super) fn pause(daemon: &Daemon, id: &str) -> Result<(), CallError> {
    let docker = daemon.docker();
    daemon.call("to pause a container", CALL, docker.pause_container(id))
}

/// Lets them go on.
pub(super) fn unpause(daemon: &Daemon, id: &str) -> Result<(), CallError> {
    let docker = daemon.docker();
    daemon.call("to unpause a container", CALL, docker.unpause_container(id))
}
