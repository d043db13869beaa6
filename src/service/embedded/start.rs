//! Starts engines side by side and tells of each as soon as it is ready. It knows which engines there are,
//! and neither how they were installed nor what is measured on them.

use super::clickhouse::Clickhouse;
use super::command::{quote, tail};
use super::install::Installed;
use super::jvm::Jvm;
use super::launch::{Failure, Launch, Others, Place, Process, Watch, fresh};
use super::ports::{Port, PortSource};
use super::postgres::Postgres;
use super::redis::Redis;
use super::served::Served;
use crate::model::{Endpoint, ServiceKind};
use crate::process::Worker;
use crate::service::Environment;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often an engine is started anew when its port was taken in between.
const TRIES: u32 = 4;

/// Where an engine's program comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EngineSource {
    /// The version that cutproof pins and installs.
    #[default]
    Pinned,
    /// A program of this machine: a path, or a name on PATH. For PostgreSQL its bin folder will do.
    Path(PathBuf),
}

/// An engine to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineKind {
    /// Redis.
    Redis(EngineSource),
    /// A Kafka broker with its own controller.
    Kafka,
    /// Kafka Connect with the Debezium PostgreSQL connector, in the JVM of this Kafka.
    Connect {
        /// The name of the Kafka of the same start.
        kafka: String,
    },
    /// ClickHouse.
    Clickhouse,
    /// PostgreSQL with logical decoding.
    Postgres {
        /// Pinned, or a bin folder.
        from: EngineSource,
        /// A superuser that is made, with a password of its own for this run.
        user: String,
        /// A database that is made.
        database: String,
    },
    /// A command line that serves HTTP in the foreground, at the address that CUTPROOF_ENDPOINT_NAME tells it.
    Command {
        /// What it is in the profile.
        kind: ServiceKind,
        /// The line for `sh -c`.
        line: String,
        /// Services that must answer before, of the same start or beside it; it is told where they are.
        needs: Vec<String>,
    },
}

/// An engine and the service that it is in the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRequest {
    /// The service's name, also of its log.
    pub name: String,
    /// Which engine.
    pub kind: EngineKind,
}

/// How to start.
#[derive(Clone)]
pub struct StartOptions {
    /// The cutproof program, for its hidden verb `clickhouse-front`.
    pub exe: PathBuf,
    /// How long one engine may take.
    pub limit: Duration,
    /// Where ports come from.
    pub ports: PortSource,
    /// Services that are given by somebody else, for commands that need them.
    pub beside: Option<Arc<dyn Environment>>,
    /// More options for the JVM.
    pub(super) jvm: Vec<String>,
    worker: Worker,
}

impl StartOptions {
    /// This program, 60 s, free ports.
    ///
    /// # Errors
    /// Where the system does not tell which program this is.
    pub fn new(worker: Worker) -> std::io::Result<StartOptions> {
        Ok(StartOptions::with_exe(std::env::current_exe()?, worker))
    }

    /// As [`StartOptions::new`], with the cutproof program given: for test programs, which are not it.
    pub fn with_exe(exe: impl Into<PathBuf>, worker: Worker) -> StartOptions {
        let limit = Duration::from_secs(60);
        let (exe, ports) = (exe.into(), Arc::new(Port::free));
        StartOptions { exe, limit, ports, beside: None, jvm: Vec::new(), worker }
    }
}

/// A service that answers.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where, as whom, and what it is.
    pub endpoint: Endpoint,
    /// The process that serves it; Kafka and its Connect have the same.
    pub pid: u32,
    /// Everything that the process printed.
    pub log: PathBuf,
    /// From the call of [`start`] until it answered.
    pub took: Duration,
}

/// An engine that is not ready, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct StartError {
    /// The service's name.
    pub service: String,
    /// What was waited for.
    pub expected: String,
    /// What came instead: an exit status, a refused connection.
    pub seen: String,
    /// Its log, where it got that far.
    pub log: Option<PathBuf>,
    /// The log's last lines.
    pub tail: Vec<String>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not ready: expected {}; seen: {}", self.service, self.expected, self.seen)?;
        match &self.log {
            Some(log) => write!(f, "; its log {} ends with\n{}", log.display(), quote(&self.tail)),
            None => Ok(()),
        }
    }
}

/// Engines that are starting or running. All end when the value is dropped.
pub struct Running {
    board: Arc<Board>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    data: PathBuf,
}

struct Board {
    state: Mutex<State>,
    changed: Condvar,
    stopping: Arc<AtomicBool>,
    start: Instant,
}

#[derive(Default)]
struct State {
    services: BTreeMap<String, Service>,
    processes: Vec<Arc<Process>>,
    notes: Vec<String>,
}

enum Service {
    Starting,
    Ready(Box<Started>, Arc<Process>),
    Failed(StartError),
}

/// Starts engines side by side: data in `run_dir/data/NAME`, output in `run_dir/logs/NAME.log`. Returns at
/// once; [`Running::wait`] waits for each.
///
/// # Errors
/// Where the requests don't fit together, or the folders can't be made. What goes wrong with one engine is
/// told by [`Running::wait`].
pub fn start(
    installed: &Arc<Installed>,
    requests: &[EngineRequest],
    run_dir: &Path,
    options: &StartOptions,
) -> Result<Running, StartError> {
    begin(Some(installed), requests, run_dir, options)
}

/// As [`start`], for commands only: no engine has to be installed.
///
/// # Errors
/// As [`start`].
pub fn start_commands(
    requests: &[EngineRequest],
    run_dir: &Path,
    options: &StartOptions,
) -> Result<Running, StartError> {
    begin(None, requests, run_dir, options)
}

fn begin(
    installed: Option<&Arc<Installed>>,
    requests: &[EngineRequest],
    run_dir: &Path,
    options: &StartOptions,
) -> Result<Running, StartError> {
    let launches = launches(requests, options)?;
    let (data, logs) = (run_dir.join("data"), run_dir.join("logs"));
    for folder in [&data, &logs] {
        std::fs::create_dir_all(folder)
            .map_err(|error| refusal("engines", "a folder to run in", at(folder, &error)))?;
    }
    // The JVM changes its folder, so that a relative one would be another.
    let absolute = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let (data, logs) = (absolute(data), absolute(logs));
    let stopping = Arc::new(AtomicBool::new(false));
    let board = Arc::new(Board {
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
        stopping: Arc::clone(&stopping),
        start: Instant::now(),
    });
    let running = Running { board: Arc::clone(&board), threads: Mutex::default(), data: data.clone() };
    for mut launch in launches {
        let services = launch.services();
        for (name, _) in &services {
            board.lock().services.insert(name.clone(), Service::Starting);
        }
        let Some((name, _)) = services.first() else { continue };
        let place = Place {
            data: data.join(name),
            log: logs.join(format!("{name}.log")),
            logs: logs.clone(),
            ports: Arc::clone(&options.ports),
            installed: installed.cloned(),
            exe: options.exe.clone(),
            others: others(&board, options.beside.clone()),
            deadline: board.start + options.limit,
            stopping: Arc::clone(&stopping),
            worker: options.worker,
        };
        let board = Arc::clone(&board);
        let thread = std::thread::Builder::new().name(format!("start {name}"));
        let thread = thread.spawn(move || board.drive(launch.as_mut(), &place));
        let thread = thread.map_err(|error| refusal(name, "a thread to start it", error.to_string()))?;
        running.threads().push(thread);
    }
    Ok(running)
}

/// Waits on the board for others, and for those that are on none where they are given.
fn others(board: &Arc<Board>, beside: Option<Arc<dyn Environment>>) -> Others {
    let board = Arc::clone(board);
    Arc::new(move |name, deadline| {
        if let Some(beside) = beside.as_ref().filter(|_| !board.has(name)) {
            return beside.wait(name, deadline).map_err(|error| error.to_string());
        }
        let started = board.wait(name, deadline).map_err(|error| error.to_string())?;
        Ok(started.endpoint)
    })
}

/// One launch a process; Connect goes into its Kafka's.
fn launches(requests: &[EngineRequest], options: &StartOptions) -> Result<Vec<Box<dyn Launch>>, StartError> {
    let mut launches: Vec<Box<dyn Launch>> = Vec::new();
    for request in requests {
        let name = &request.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            let seen = format!("{name:?}");
            return Err(refusal(
                name,
                "a name of letters, digits, '-', '_' and '.', for a folder and a log",
                seen,
            ));
        }
        if requests.iter().filter(|other| other.name == *name).count() > 1 {
            return Err(refusal(name, "each name once", "it is asked for twice".to_owned()));
        }
        match &request.kind {
            EngineKind::Redis(from) => launches.push(Box::new(Redis::new(name, from.clone()))),
            EngineKind::Clickhouse => launches.push(Box::new(Clickhouse::new(name))),
            EngineKind::Postgres { from, user, database } => {
                launches.push(Box::new(Postgres::new(name, from.clone(), user, database)));
            }
            EngineKind::Kafka => {
                let mut workers = requests
                    .iter()
                    .filter(|other| matches!(&other.kind, EngineKind::Connect { kafka } if kafka == name));
                let connect = workers.next().map(|worker| worker.name.clone());
                if let Some(second) = workers.next() {
                    return Err(refusal(
                        &second.name,
                        "one Connect for a Kafka",
                        format!("{name} has one already"),
                    ));
                }
                launches.push(Box::new(Jvm::new(name, connect, options.jvm.clone())));
            }
            EngineKind::Connect { kafka } => {
                if !requests.iter().any(|other| other.name == *kafka && other.kind == EngineKind::Kafka) {
                    return Err(refusal(
                        name,
                        "the Kafka that it belongs to",
                        format!("no Kafka named {kafka}"),
                    ));
                }
            }
            EngineKind::Command { kind, line, needs } => {
                let known = |need: &&String| !requests.iter().any(|other| other.name == **need);
                if let Some(missing) = needs.iter().find(known).filter(|_| options.beside.is_none()) {
                    return Err(refusal(name, "services of the same start", format!("no {missing}")));
                }
                launches.push(Box::new(Served::new(name, *kind, line, needs)));
            }
        }
    }
    Ok(launches)
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn refusal(service: &str, expected: &str, seen: String) -> StartError {
    StartError {
        service: service.to_owned(),
        expected: expected.to_owned(),
        seen,
        log: None,
        tail: Vec::new(),
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, name: &str) -> bool {
        self.lock().services.contains_key(name)
    }

    /// Starts one engine, again with other ports where one was taken, and tells what became of it.
    fn drive(self: &Arc<Board>, launch: &mut dyn Launch, place: &Place) {
        for left in (0..TRIES).rev() {
            let Err(failure) = self.attempt(launch, place) else { return };
            let tail = tail(&place.log);
            let taken = tail.iter().any(|line| line.contains("ddress already in use"));
            let services = launch.services();
            // Whoever was given an endpoint keeps it: no second try then.
            let handed_over = services.iter().any(|(name, _)| self.is_ready(name));
            if !taken || left == 0 || handed_over || self.stopping.load(Ordering::Relaxed) {
                return self.fail(&services, &failure, place, &tail);
            }
            let kept = place.log.with_extension(format!("log.{}", TRIES - left));
            // The log of the try that failed is worth keeping, not worth failing for.
            let _ = std::fs::rename(&place.log, &kept);
            let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
            let note = format!("{}: a port was taken in between; started again on others", names.join(", "));
            self.lock().notes.push(note);
        }
    }

    fn attempt(self: &Arc<Board>, launch: &mut dyn Launch, place: &Place) -> Result<(), Failure> {
        fresh(&place.data).map_err(super::launch::at(&place.data))?;
        let prepared = launch.prepare(place)?;
        let (process, ports) = Process::spawn(prepared, &place.log, place.worker)?;
        let process = Arc::new(process);
        self.lock().processes.push(Arc::clone(&process));
        let watch = Watch { process: &process, deadline: place.deadline, stopping: &self.stopping };
        let ready = launch.ready(&watch, &mut |name, endpoint| self.ready(name, endpoint, &process));
        drop(ports);
        if ready.is_err() {
            process.end();
        }
        ready
    }

    /// As [`Running::wait`].
    fn wait(&self, name: &str, deadline: Instant) -> Result<Started, StartError> {
        let mut state = self.lock();
        loop {
            match state.services.get(name) {
                None => {
                    return Err(refusal(
                        name,
                        "one of the engines that were started",
                        "it is none".to_owned(),
                    ));
                }
                Some(Service::Failed(error)) => return Err(error.clone()),
                Some(Service::Ready(started, process)) => return alive(name, started, process),
                Some(Service::Starting) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stopping.load(Ordering::Relaxed) {
                let seen = if left.is_zero() { "it is still starting" } else { "the run was told to end" };
                return Err(refusal(name, "an answer by the deadline", seen.to_owned()));
            }
            let (next, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }

    fn ready(&self, name: &str, endpoint: Endpoint, process: &Arc<Process>) {
        let took = self.start.elapsed();
        let started = Started { endpoint, pid: process.pid(), log: process.log().to_owned(), took };
        self.lock().services.insert(name.to_owned(), Service::Ready(Box::new(started), Arc::clone(process)));
        self.changed.notify_all();
    }

    fn is_ready(&self, name: &str) -> bool {
        matches!(self.lock().services.get(name), Some(Service::Ready(..)))
    }

    fn fail(&self, services: &[(String, ServiceKind)], failure: &Failure, place: &Place, tail: &[String]) {
        let mut state = self.lock();
        for (name, _) in services {
            let error = StartError {
                service: name.clone(),
                expected: failure.expected.clone(),
                seen: failure.seen.clone(),
                log: place.log.exists().then(|| place.log.clone()),
                tail: tail.to_vec(),
            };
            state.services.insert(name.clone(), Service::Failed(error));
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl Running {
    /// Waits until this service answers.
    ///
    /// # Errors
    /// Where it does not start, does not answer by the deadline, or has ended since.
    pub fn wait(&self, name: &str, deadline: Instant) -> Result<Started, StartError> {
        self.board.wait(name, deadline)
    }

    /// Whether this service is neither ready nor failed yet.
    pub fn is_starting(&self, name: &str) -> bool {
        matches!(self.board.lock().services.get(name), Some(Service::Starting))
    }

    /// Whether a service that was ready still has its process.
    ///
    /// # Errors
    /// How the process ended, with its last lines; also where the service is not ready.
    pub fn health(&self, name: &str) -> Result<(), StartError> {
        self.wait(name, Instant::now()).map(drop)
    }

    /// What is worth telling a person: engines that were started again on other ports.
    pub fn notes(&self) -> Vec<String> {
        self.board.lock().notes.clone()
    }

    /// Ends all engines, and removes their data; logs stay. Whoever waits is told. Can be called again.
    pub fn stop(&self) {
        self.board.stopping.store(true, Ordering::Relaxed);
        self.board.changed.notify_all();
        let signal = |running: &Running| {
            let processes = running.board.lock().processes.clone();
            processes.iter().for_each(|process| process.signal());
            processes
        };
        signal(self);
        let threads: Vec<_> = self.threads().drain(..).collect();
        for thread in threads {
            // One that panicked has told so on stderr; its process is ended here all the same.
            let _ = thread.join();
        }
        let processes = signal(self);
        processes.iter().for_each(|process| process.end());
        // Thrown away; what can't be removed is in a folder of the run, which its owner removes.
        let _ = std::fs::remove_dir_all(&self.data);
    }

    /// Leaves all engines running, also after our end.
    pub fn leave(self) {
        for thread in self.threads().drain(..) {
            let _ = thread.join();
        }
        let processes = std::mem::take(&mut self.board.lock().processes);
        processes.iter().for_each(|process| process.leave());
        self.board.stopping.store(true, Ordering::Relaxed);
        std::mem::forget(self);
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn alive(name: &str, started: &Started, process: &Process) -> Result<Started, StartError> {
    match process.ended() {
        None => Ok(started.clone()),
        Some(ended) => Err(StartError {
            service: name.to_owned(),
            expected: format!("{} to stay up", started.endpoint.address),
            seen: format!("the process {ended}"),
            log: Some(started.log.clone()),
            tail: tail(&started.log),
        }),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<String> = self.board.lock().services.keys().cloned().collect();
        f.debug_struct("Running").field("services", &services).finish_non_exhaustive()
    }
}
