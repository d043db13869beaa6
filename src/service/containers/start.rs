//! Starts containers side by side, tells of each as soon as it is ready, and removes them all at the end.

use super::board::{Board, Made, Stage};
use super::container::{self, CALL};
use super::daemon::Daemon;
use super::ground::{Ground, SERVICE};
use super::launch::Launch;
use super::sweep::remove_labelled;
use super::{ContainerRequest, StartOptions, default_image, fault};
use crate::model::{Endpoint, Secret, ServiceKind};
use crate::service::{Environment, ServiceError, Strike};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a container's output may take to be had.
const OUTPUT: Duration = Duration::from_secs(5);

/// Containers that are starting or running. All are removed when the value is dropped, but those that are kept.
pub struct Containers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    daemon: Daemon,
    board: Board,
    ground: Ground,
    logs: PathBuf,
    limit: Duration,
    memory: Option<i64>,
}

/// Starts containers side by side. Returns at once; [`Environment::wait`] waits for each.
///
/// # Errors
/// Requests that don't fit together, or a folder that can't be made. What goes wrong with one container is told by
/// [`Environment::wait`].
pub fn start(
    daemon: &Daemon,
    requests: &[ContainerRequest],
    options: StartOptions,
) -> Result<Containers, ServiceError> {
    start_with_memory(daemon, requests, options, None)
}

/// As [`start`], with a limit in bytes for each container.
fn start_with_memory(
    daemon: &Daemon,
    requests: &[ContainerRequest],
    options: StartOptions,
    memory: Option<i64>,
) -> Result<Containers, ServiceError> {
    check(requests)?;
    std::fs::create_dir_all(&options.logs).map_err(|error| {
        ServiceError(format!("expected a folder for logs at {}: {error}", options.logs.display()))
    })?;
    let shared = Arc::new(Shared {
        daemon: daemon.clone(),
        ground: Ground::new(requests, &options)?,
        board: Board::new(requests.iter().map(|request| &request.name), options.cancel),
        logs: options.logs,
        limit: options.limit,
        memory,
    });
    let containers = Containers { shared: Arc::clone(&shared), threads: Mutex::default() };
    for request in requests {
        let (shared, request) = (Arc::clone(&shared), request.clone());
        let thread = std::thread::Builder::new().name(format!("start {}", request.name));
        let thread = thread.spawn(move || shared.drive(&request));
        let thread = thread
            .map_err(|error| ServiceError(format!("expected a thread to start a container: {error}")))?;
        containers.threads().push(thread);
    }
    Ok(containers)
}

/// Whether requests fit together.
fn check(requests: &[ContainerRequest]) -> Result<(), ServiceError> {
    let refused = |name: &str, why: &str| Err(ServiceError(format!("service `{name}`: {why}")));
    for request in requests {
        let name = request.name.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || name.len() > SERVICE || !name.chars().all(plain) {
            let expected = format!(
                "expected a host's name: at most {SERVICE} letters, digits, '-', '_' and '.', a letter or digit first"
            );
            return refused(name, &expected);
        }
        if requests.iter().filter(|other| other.name == name).count() > 1 {
            return refused(name, "expected each name once, and it is asked for twice");
        }
        if default_image(request.kind).is_none() {
            let kind = request.kind;
            return refused(name, &format!("no container is started for services of kind {kind}"));
        }
        if request.image.trim().is_empty() {
            return refused(name, "expected an image, and it is empty");
        }
        if request.kind == ServiceKind::Connect {
            let kafka = |other: &&ContainerRequest| {
                other.kind == ServiceKind::Kafka && Some(&other.name) == request.kafka.as_ref()
            };
            if !requests.iter().any(|other| kafka(&other)) {
                let named = request.kafka.as_deref().unwrap_or("none");
                return refused(
                    name,
                    &format!("expected a Kafka of the same start that it works with: {named}"),
                );
            }
        } else if request.kafka.is_some() {
            return refused(name, "only Kafka Connect works with a Kafka");
        }
    }
    Ok(())
}

impl Shared {
    /// Brings one service up, and tells what became of it, whatever that is.
    fn drive(&self, request: &ContainerRequest) {
        let launch = Launch {
            daemon: &self.daemon,
            board: &self.board,
            ground: &self.ground,
            request,
            limit: self.limit,
            memory: self.memory,
        };
        let name = &request.name;
        let up = catch_unwind(AssertUnwindSafe(|| launch.up()));
        match up.unwrap_or_else(|_| Err("Docker's client panicked: see standard error".to_owned())) {
            Ok((made, endpoint)) => self.board.set(name, Stage::Ready(made, Box::new(endpoint))),
            Err(why) => {
                let made = self.board.stages().get(name).and_then(|stage| stage.made().cloned());
                let why = match &made {
                    Some(made) => self.with_log(name, made, &why),
                    None => why,
                };
                self.board.set(name, Stage::Failed(made, why));
            }
        }
    }

    /// Why, with the last lines of the log, which is saved.
    fn with_log(&self, service: &str, made: &Made, why: &str) -> String {
        let output = self.output(std::slice::from_ref(&made.id)).into_iter().next();
        let log = match output {
            Some(Ok(log)) => hide(&log, made.password.as_ref()),
            Some(Err(error)) => return format!("{why}; its log can't be had: {error}"),
            None => return why.to_owned(),
        };
        let path = self.log(service);
        let saved = std::fs::write(&path, &log);
        let place = match saved {
            Ok(()) => format!("its log {}", path.display()),
            Err(error) => format!("its log, which can't be written to {} ({error}),", path.display()),
        };
        match fault::quote(&log) {
            lines if lines.is_empty() => format!("{why}; {place} is empty"),
            lines => format!("{why}; {place} ends with\n{lines}"),
        }
    }

    fn log(&self, service: &str) -> PathBuf {
        self.logs.join(format!("{service}.log"))
    }

    /// What each of these containers printed.
    fn output(&self, ids: &[String]) -> Vec<Result<String, String>> {
        let results = self.daemon.each(ids.to_vec(), |docker, id| async move {
            tokio::time::timeout(OUTPUT, container::output(docker, id)).await
        });
        let late = || format!("it was not had within {} s", OUTPUT.as_secs());
        results.into_iter().map(|result| result?.map_err(|_| late())?).collect()
    }

    /// Saves the logs of all containers that were made.
    fn save_logs(&self) {
        let stages = self.board.stages();
        let made: Vec<_> = stages.iter().filter_map(|(name, stage)| Some((name, stage.made()?))).collect();
        let ids: Vec<String> = made.iter().map(|(_, made)| made.id.clone()).collect();
        for ((name, made), output) in made.into_iter().zip(self.output(&ids)) {
            let path = self.log(name);
            let saved = output.and_then(|log| write(&path, &hide(&log, made.password.as_ref())));
            if let Err(error) = saved {
                self.board.note(format!("the log of `{name}` was not saved: {error}"));
            }
        }
    }

    fn not_ready(&self, service: &str, why: &str) -> ServiceError {
        ServiceError(format!("`{service}` is not ready: {why}"))
    }

    /// Whether a service that was ready still runs.
    fn still_runs(&self, service: &str, made: &Made, limit: Duration) -> Result<(), ServiceError> {
        match container::fault(&self.daemon, &made.id, limit) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(ServiceError(format!(
                "`{service}` was ready, and is not any more: {}",
                self.with_log(service, made, &why)
            ))),
            Err(error) => {
                let why = fault::call(&error, &self.daemon.name());
                Err(ServiceError(format!(
                    "`{service}` was ready, and whether it still is can't be seen: {why}"
                )))
            }
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A log without the password that we gave the service.
fn hide(log: &str, password: Option<&Secret>) -> String {
    match password {
        Some(password) => log.replace(password.reveal(), "***"),
        None => log.to_owned(),
    }
}

impl Containers {
    /// What is worth telling a person: images that were pulled, ports that were taken, what could not be removed.
    pub fn notes(&self) -> Vec<String> {
        self.shared.board.notes()
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for Containers {
    fn provisioner(&self) -> &'static str {
        "containers"
    }

    fn wait(&self, service: &str, deadline: Instant) -> Result<Endpoint, ServiceError> {
        let shared = &self.shared;
        let settled = |stage: &Stage| matches!(stage, Stage::Ready(..) | Stage::Failed(..));
        let stage = shared.board.wait(service, deadline, settled);
        match stage.map_err(|why| shared.not_ready(service, &why))? {
            Stage::Ready(made, endpoint) => {
                if let Some(why) = shared.board.ended() {
                    return Err(shared.not_ready(service, why));
                }
                let left = deadline.saturating_duration_since(Instant::now());
                shared.still_runs(service, &made, left.clamp(Duration::from_secs(1), CALL))?;
                Ok(*endpoint)
            }
            Stage::Failed(_, why) => Err(shared.not_ready(service, &why)),
            Stage::Coming(why) | Stage::Running(_, why) => Err(shared.not_ready(service, &why)),
        }
    }

    fn strike(&self, service: &str, strike: Strike) -> Result<(), ServiceError> {
        let shared = &self.shared;
        let stage = shared.board.wait(service, Instant::now(), |stage| stage.made().is_some());
        let stage = stage.map_err(|why| ServiceError(format!("nothing is done to `{service}`: {why}")))?;
        let Some(made) = stage.made() else {
            return Err(ServiceError(format!("nothing is done to `{service}`: it has no container")));
        };
        let done = match strike {
            Strike::Kill => container::kill(&shared.daemon, &made.id),
            Strike::Freeze => container::pause(&shared.daemon, &made.id),
            Strike::Thaw => container::unpause(&shared.daemon, &made.id),
        };
        done.map_err(|error| {
            ServiceError(format!("`{service}`: {}", fault::call(&error, &shared.daemon.name())))
        })
    }

    /// Saves the logs, and removes all containers and their network; those that are kept stay. What could not be
    /// removed is among the notes, and [`super::sweep`] finds it when this process has ended.
    fn stop(&self) {
        let shared = &self.shared;
        let first = shared.board.stop();
        for thread in self.threads().drain(..) {
            // One that panicked has told so on stderr; its container is removed here all the same.
            let _ = thread.join();
        }
        if !first {
            return;
        }
        shared.save_logs();
        if !shared.ground.is_kept() {
            let (label, value) = shared.ground.label();
            for problem in remove_labelled(&shared.daemon, label, value) {
                shared.board.note(problem);
            }
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<String> = self.shared.board.stages().into_keys().collect();
        f.debug_struct("Containers").field("services", &services).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Cancel, Worker};

    fn request(name: &str, kind: ServiceKind) -> ContainerRequest {
        let image = "cutproof/redis:local".to_owned();
        ContainerRequest { name: name.to_owned(), kind, image, user: None, database: None, kafka: None }
    }

    fn refused(requests: &[ContainerRequest]) -> String {
        check(requests).expect_err("they don't fit together").0
    }

    #[test]
    fn requests_that_do_not_fit_together_are_refused_by_name() {
        let redis = request("cache", ServiceKind::Redis);
        assert!(refused(&[redis.clone(), redis.clone()]).contains("asked for twice"));
        for name in ["", "a/b", "-a", "ü", &"a".repeat(41)] {
            let error = refused(&[request(name, ServiceKind::Redis)]);
            assert!(error.contains("a host's name"), "{name}: {error}");
        }
        assert!(refused(&[request("web", ServiceKind::Http)]).contains("kind http"));
        let blank = ContainerRequest { image: " ".to_owned(), ..redis };
        assert!(refused(&[blank]).contains("expected an image"));
    }

    #[test]
    fn connect_needs_a_kafka_of_the_same_start() {
        let connect = request("cdc", ServiceKind::Connect);
        assert!(refused(std::slice::from_ref(&connect)).contains("expected a Kafka"));
        let named = ContainerRequest { kafka: Some("bus".to_owned()), ..connect };
        assert!(refused(&[named.clone(), request("bus", ServiceKind::Redis)]).contains("bus"));
        assert!(check(&[named, request("bus", ServiceKind::Kafka)]).is_ok());
    }

    #[test]
    fn a_password_that_a_service_prints_is_not_in_its_log() {
        let secret = Secret::new("0123abcd");
        assert_eq!(hide("login 0123abcd ok", Some(&secret)), "login *** ok");
        assert_eq!(hide("login", None), "login");
    }

    /// A service in a container of 6 MiB, the least that Docker gives.
    fn confined(name: &str, kind: ServiceKind) -> (Containers, tempfile::TempDir) {
        let daemon =
            Daemon::find(Duration::from_secs(20)).expect("a Docker daemon runs: see ci/docker/start");
        let logs = tempfile::tempdir().expect("a folder");
        let options = StartOptions {
            run: format!("test-memory-{name}-{}", std::process::id()),
            logs: logs.path().to_owned(),
            limit: Duration::from_secs(120),
            reuse: false,
            cancel: Cancel::new().expect("a descriptor"),
            worker: Worker::unheld().expect("a worker"),
        };
        let image = format!("cutproof/{name}:local");
        let requests = [ContainerRequest { image, ..request(name, kind) }];
        (start_with_memory(&daemon, &requests, options, Some(6 << 20)).expect("they fit"), logs)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(240)
    }

    #[test]
    #[ignore = "needs Docker and the local images"]
    fn a_service_that_starts_without_enough_memory_says_that_it_was_killed_for_it() {
        let (containers, _logs) = confined("kafka", ServiceKind::Kafka);
        let error = containers.wait("kafka", soon()).expect_err("a JVM needs more").0;
        assert!(error.contains("out of memory") && error.contains("is not ready"), "{error}");
    }

    #[test]
    #[ignore = "needs Docker and the local images"]
    fn a_service_that_runs_out_of_memory_later_says_so() {
        use std::io::{Read, Write};
        let (containers, _logs) = confined("redis", ServiceKind::Redis);
        let endpoint = containers.wait("redis", soon()).expect("an empty one fits");
        let mut filling = std::net::TcpStream::connect(&endpoint.address).expect("it listens");
        let script = "for i=1,100000 do redis.call('set','k'..i,string.rep('x',1000)) end";
        writeln!(filling, "EVAL \"{script}\" 0\r").expect("it is sent");
        // Until the kernel ends it.
        filling.read_to_end(&mut Vec::new()).ok();
        // The daemon sees a little later that it was killed.
        let end = soon();
        let error = loop {
            match containers.wait("redis", end) {
                Err(error) => break error.0,
                Ok(_) => assert!(Instant::now() < end, "it was killed, and the daemon does not say so"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert!(error.contains("out of memory") && error.contains("not any more"), "{error}");
    }
}
