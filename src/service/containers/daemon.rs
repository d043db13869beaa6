//! The daemon that containers are asked of: where it is, and every call to it with a limit of ours. It knows neither
//! services nor runs.

use super::runtime::Pool;
use super::socket::{self, Socket};
use crate::service::ServiceError;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::SystemVersion;
use tokio::task::JoinHandle;

/// A Docker or Podman that answers. Its runtime ends with the last clone.
#[derive(Clone)]
pub struct Daemon {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    docker: Docker,
    socket: Socket,
    product: String,
    podman: bool,
}

/// How long a daemon that answers has to say what it is: Podman starts several programs for that.
const TELLS: Duration = Duration::from_secs(2);

/// A call to the daemon that was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It took longer than it may.
    #[error("{what} was not answered within {} s", limit.as_secs_f64())]
    Late { what: String, limit: Duration },
    /// The daemon, or the way to it, said no.
    #[error("{what}: {said}")]
    Said { what: String, said: String, status: Option<u16> },
}

impl CallError {
    pub fn said(what: &str, error: &Error) -> CallError {
        let (said, status) = match error {
            Error::DockerResponseServerError { status_code, .. } => {
                (error.to_string().trim().to_owned(), Some(*status_code))
            }
            other => (chain(other), None),
        };
        CallError::Said { what: what.to_owned(), said, status }
    }

    /// Whether the daemon says that there is no such thing.
    pub fn is_missing(&self) -> bool {
        matches!(self, CallError::Said { status: Some(404), .. })
    }
}

impl Daemon {
    /// The first Docker or Podman socket that answers within `limit`: DOCKER_HOST alone where it is set, else the
    /// usual places. All are asked at once.
    ///
    /// # Errors
    /// None answers: what was tried, what was seen there, and what to do.
    pub fn find(limit: Duration) -> Result<Daemon, ServiceError> {
        let sockets = socket::candidates(&|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
            .map_err(ServiceError)?;
        let pool = Pool::start()?;
        let asked: Vec<_> = sockets
            .into_iter()
            .map(|socket| {
                let url = socket.url().to_owned();
                let here = url.starts_with("unix:");
                (socket, pool.spawn(async move { ask(&url, here, limit).await }))
            })
            .collect();
        let mut tried = Vec::new();
        for (socket, asked) in asked {
            match pool.wait(asked) {
                Ok(Ok(Answer { docker, version, gateway })) => {
                    socket.tell_testcontainers();
                    return Ok(Daemon::new(pool, docker, socket.behind(gateway), &version));
                }
                Ok(Err(why)) => tried.push(format!("{}: {why}", socket.url())),
                Err(died) => tried.push(format!("{}: {died}", socket.url())),
            }
        }
        Err(ServiceError(format!(
            "expected a Docker or Podman that answers within {} ms; seen: {}; start it, set DOCKER_HOST to its \
             socket, or run with --provision embedded",
            limit.as_millis(),
            tried.join("; ")
        )))
    }

    fn new(pool: Pool, docker: Docker, socket: Socket, version: &SystemVersion) -> Daemon {
        let engines = version.components.iter().flatten().map(|component| component.name.as_str());
        let podman = engines.into_iter().any(|name| name.contains("Podman"));
        let product = format!(
            "{} {}",
            if podman { "Podman" } else { "Docker" },
            version.version.as_deref().unwrap_or("of unknown version")
        );
        Daemon { inner: Arc::new(Inner { pool, docker, socket, product, podman }) }
    }

    /// What it is and where: `Docker 20.10.24 at unix:///var/run/docker.sock`.
    pub fn name(&self) -> String {
        format!("{} at {}", self.inner.product, self.inner.socket.url())
    }

    /// Those of these images that are neither there nor can be pulled, each with why. Nothing is pulled; registries are
    /// asked side by side.
    pub fn missing(&self, images: &[String], limit: Duration) -> Vec<(String, String)> {
        let distinct: BTreeSet<&String> = images.iter().collect();
        let asked: Vec<_> = distinct
            .into_iter()
            .map(|image| {
                let (docker, name, podman) = (self.docker(), image.clone(), self.inner.podman);
                let asked =
                    async move { tokio::time::timeout(limit, available(&docker, &name, podman)).await };
                (image.clone(), self.inner.pool.spawn(asked))
            })
            .collect();
        let late = || format!("{} did not say within {} ms", self.name(), limit.as_millis());
        let why = |asked: JoinHandle<Result<Result<(), String>, _>>| match self.inner.pool.wait(asked) {
            Ok(Ok(found)) => found.err(),
            Ok(Err(_)) => Some(late()),
            Err(died) => Some(died),
        };
        asked.into_iter().filter_map(|(image, asked)| Some((image, why(asked)?))).collect()
    }

    /// The host that the ports of containers are reached at.
    pub(super) fn reach(&self) -> &str {
        self.inner.socket.reach()
    }

    /// Whether that is this machine's loopback.
    pub(super) fn is_local(&self) -> bool {
        self.inner.socket.is_local()
    }

    /// The address to which ports are bound; all of the daemon's machine where there is none.
    pub(super) fn bind(&self) -> Option<Ipv4Addr> {
        self.inner.socket.bind()
    }

    pub(super) fn docker(&self) -> Docker {
        self.inner.docker.clone()
    }

    /// One request to the daemon. `what` is what it is about, for the error.
    pub(super) fn call<T>(
        &self,
        what: &str,
        limit: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, CallError> {
        let answer = self.run(what, limit, request)?;
        answer.map_err(|error| CallError::said(what, &error))
    }

    /// Anything that is done on the runtime, with a limit.
    pub(super) fn run<T>(
        &self,
        what: &str,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        let late = |_| CallError::Late { what: what.to_owned(), limit };
        self.inner.pool.block_on(async { tokio::time::timeout(limit, work).await }).map_err(late)
    }

    /// Runs it beside; what nobody waits for ends by itself.
    pub(super) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.pool.spawn(work)
    }

    /// Does the same for each of several at once, and gives what became of each.
    pub(super) fn each<I, T, F>(&self, items: Vec<I>, work: impl Fn(Docker, I) -> F) -> Vec<Result<T, String>>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let tasks: Vec<_> =
            items.into_iter().map(|item| self.inner.pool.spawn(work(self.docker(), item))).collect();
        tasks.into_iter().map(|task| self.inner.pool.wait(task)).collect()
    }
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Daemon").field(&self.name()).finish()
    }
}

/// A daemon that answered.
struct Answer {
    docker: Docker,
    version: SystemVersion,
    gateway: Option<Ipv4Addr>,
}

async fn ask(url: &str, here: bool, limit: Duration) -> Result<Answer, String> {
    let docker = socket::connect(url)?;
    within(limit, docker.ping()).await?;
    let told = async {
        let version = docker.version().await?;
        let gateway = if here { gateway(&docker).await? } else { None };
        Ok((version, gateway))
    };
    let (version, gateway) = within(limit.max(TELLS), told).await?;
    Ok(Answer { docker, version, gateway })
}

async fn within<T>(limit: Duration, asked: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answered) => answered.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}

/// Where a container reaches the ports of those beside it, whose daemon it has by a socket from outside: at the host that
/// its own network leads to. None where our way out is no network of the daemon's: then its loopback is ours.
async fn gateway(docker: &Docker) -> Result<Option<Ipv4Addr>, Error> {
    let Some(out) = socket::way_out().filter(|out| !socket::is_ours(*out)) else { return Ok(None) };
    let networks = docker.list_networks(None).await?;
    let pools = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
    let mut subnets = pools.filter_map(|pool| pool.subnet);
    Ok(subnets.any(|subnet| socket::is_in(out, &subnet)).then_some(out))
}

/// Whether an image is there, or its registry has it.
async fn available(docker: &Docker, image: &str, podman: bool) -> Result<(), String> {
    match docker.inspect_image(image).await {
        Ok(_) => return Ok(()),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(chain(&error)),
    }
    if podman {
        return Err(
            "it is not there, and Podman does not say whether it can be pulled: podman pull it".to_owned()
        );
    }
    match docker.inspect_registry_image(image, None).await {
        Ok(_) => Ok(()),
        Err(Error::DockerResponseServerError { message, .. }) => {
            Err(format!("it is not there, and can't be pulled: {}", message.trim()))
        }
        Err(error) => Err(chain(&error)),
    }
}

/// An error with all that it says of why.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text.trim().to_owned()
}
