//! A compose project as an environment: brought up first where that is asked for, then each service where compose
//! publishes it. What is not in the project is reached as it would be without.

use super::place::{Place, Sought, docker_host};
use super::project::{ComposeError, Project};
use super::ps::Container;
use crate::model::Endpoint;
use crate::process::{Cancel, Worker};
use crate::service::attach::Attached;
use crate::service::{Environment, ServiceError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a service is tried at one address before compose is asked again.
const ROUND: Duration = Duration::from_secs(2);

/// What compose does to bring a project up.
pub const UP: [&str; 2] = ["up", "-d"];

/// A service that is looked for in the project.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// As whom to log in and how the connection is protected; its address is where the service is if compose does not
    /// have it, and empty where nobody says so.
    pub endpoint: Endpoint,
    /// Somebody said where it is by name: then that counts, and compose is not asked.
    pub said: bool,
}

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// The project is brought up first, which may take this long; containers that end meanwhile are an error.
    pub up: Option<Duration>,
    /// How long a service has to answer, once the project is up.
    pub patience: Duration,
    /// How often compose is asked while one does not.
    pub every: Duration,
}

impl Wait {
    /// The longest that a service can take.
    pub fn limit(&self) -> Duration {
        self.up.unwrap_or_default() + self.patience
    }
}

/// A compose project.
pub struct Composed {
    project: Project,
    wanted: BTreeMap<String, Wanted>,
    names: BTreeSet<String>,
    /// The topics whose offsets are to be known, by the Kafka that has them.
    topics: BTreeMap<String, BTreeSet<String>>,
    wait: Wait,
    host: String,
    worker: Worker,
    cancel: Cancel,
    state: Mutex<State>,
}

/// What is known of the project by now.
#[derive(Default)]
struct State {
    /// Since when it is up, as far as compose is concerned; or why it is not.
    up: Option<Result<Instant, ComposeError>>,
    seen: Option<Seen>,
}

/// What compose said, and when.
#[derive(Clone)]
struct Seen {
    at: Instant,
    containers: Result<Vec<Container>, ComposeError>,
}

impl Composed {
    /// The project as it will be found: compose is run when somebody waits for a service.
    pub fn new(
        project: Project,
        wanted: Vec<Wanted>,
        wait: Wait,
        worker: Worker,
        cancel: Cancel,
    ) -> Composed {
        let names = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let wanted = wanted.into_iter().map(|wanted| (wanted.name.clone(), wanted)).collect();
        let host = docker_host(std::env::var("DOCKER_HOST").ok().as_deref());
        let (topics, state) = (BTreeMap::new(), Mutex::default());
        Composed { project, wanted, names, topics, wait, host, worker, cancel, state }
    }

    /// With the topics of each Kafka whose end offsets its identity is to tell.
    pub fn with_topics(self, topics: BTreeMap<String, BTreeSet<String>>) -> Composed {
        Composed { topics, ..self }
    }

    /// Brings the project up where that is asked for, once, whoever comes first; gives when that was done.
    fn up(&self) -> Result<Instant, ComposeError> {
        let Some(limit) = self.wait.up else { return Ok(Instant::now()) };
        let mut state = self.state();
        let up = state.up.get_or_insert_with(|| {
            self.project.run(&UP, limit, &self.worker, &self.cancel).map(|_| Instant::now())
        });
        up.clone()
    }

    /// The containers as they were a moment ago. Whoever comes while compose is asked waits for the same answer.
    fn containers(&self) -> Result<Vec<Container>, ComposeError> {
        let mut state = self.state();
        let fresh = |seen: &&Seen| {
            let lasting = seen.containers.as_ref().is_err_and(|error| error.lasting);
            lasting || seen.at.elapsed() < self.wait.every
        };
        if let Some(seen) = state.seen.as_ref().filter(fresh) {
            return seen.containers.clone();
        }
        let containers = self.project.containers(&self.worker, &self.cancel);
        state.seen = Some(Seen { at: Instant::now(), containers: containers.clone() });
        containers
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round: finds it, and tries to reach it.
    fn reach(&self, wanted: &Wanted, deadline: Instant) -> Result<Endpoint, Failure> {
        let containers =
            self.containers().map_err(|error| Failure { lasting: error.lasting, why: error.to_string() })?;
        let known = wanted.endpoint.address.split_once("://").map(|(scheme, _)| scheme);
        let scheme = known.unwrap_or(if wanted.endpoint.tls.is_some() { "https" } else { "http" });
        let (name, kind, names, host) = (&*wanted.name, wanted.endpoint.kind, &self.names, &*self.host);
        match (Sought { name, kind, scheme, names, host }).among(&containers) {
            Place::At { address, inside, state } => {
                let endpoint = Endpoint { address, inside: Some(inside), ..wanted.endpoint.clone() };
                self.ask(wanted, endpoint, deadline).map_err(|error| Failure {
                    lasting: false,
                    why: format!("{error}; its container is {state}"),
                })
            }
            Place::Absent(why) if wanted.endpoint.address.is_empty() => Err(Failure { lasting: true, why }),
            Place::Absent(_) => self
                .ask(wanted, wanted.endpoint.clone(), deadline)
                .map_err(|error| Failure { lasting: false, why: error.0 }),
            Place::Wrong { why, ended } => Err(Failure { lasting: ended, why }),
        }
    }

    fn ask(&self, wanted: &Wanted, endpoint: Endpoint, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let endpoints = BTreeMap::from([(wanted.name.clone(), endpoint)]);
        let attached = Attached::new(endpoints, self.provisioner(), ROUND, self.cancel.clone());
        attached.with_topics(self.topics.clone()).wait(&wanted.name, deadline)
    }
}

/// Why a service was not reached.
struct Failure {
    why: String,
    /// It won't be otherwise in a moment.
    lasting: bool,
}

impl Environment for Composed {
    fn provisioner(&self) -> &'static str {
        "attach"
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let since = self.up().map_err(|error| ServiceError(error.to_string()))?;
        let wanted = self.wanted.get(service);
        let wanted =
            wanted.ok_or_else(|| ServiceError(format!("there is no service `{service}` in the plan")))?;
        let deadline = deadline.min(since + self.wait.patience);
        loop {
            let found = match wanted.said {
                true => self
                    .ask(wanted, wanted.endpoint.clone(), deadline)
                    .map_err(|error| Failure { lasting: false, why: error.0 }),
                false => self.reach(wanted, deadline),
            };
            match found {
                Ok(endpoint) => return Ok(endpoint),
                Err(failure)
                    if failure.lasting
                        || Instant::now() + self.wait.every >= deadline
                        || self.cancel.pause(self.wait.every) =>
                {
                    return Err(ServiceError(failure.why));
                }
                Err(_) => {}
            }
        }
    }

    fn stop(&self) {}
}
