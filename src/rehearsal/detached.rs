//! Engines that stay up after the command that started them: a process of their own holds them, and a file in the
//! state folder says where they are. Whoever knows the name can attach to them, and end them.

use super::folder::state;
use super::provision::{Local, PULLED, Provision, Start, started_names};
use crate::model::service::Image;
use crate::model::{Endpoint, Secret, ServiceKind};
use crate::process::{Cancel, Worker};
use crate::profile::Service;
use crate::service::Environment;
use crate::service::containers::Daemon;
use crate::service::embedded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long all engines together have to come up, where they are installed.
const UP: Duration = Duration::from_secs(120);

/// How long the daemon of containers has to answer.
const DAEMON: Duration = Duration::from_secs(5);

/// How long they have to end.
const DOWN: Duration = Duration::from_secs(30);

/// How often files and processes are looked at while waiting.
const LOOK: Duration = Duration::from_millis(50);

/// Engines that are up, as their holder wrote them down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detached {
    /// The name they were started under.
    pub name: String,
    /// The process that holds them.
    pub pid: u32,
    /// When that process began, in the kernel's ticks since boot: a number may be given to another process later.
    pub began: u64,
    /// As what they run: `containers` or `embedded`.
    #[serde(default = "embedded_word")]
    pub provisioner: String,
    /// The engines.
    pub services: Vec<DetachedService>,
}

/// An engine that is up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DetachedService {
    /// The service's name in the profile.
    pub name: String,
    /// Its kind.
    pub kind: ServiceKind,
    /// Where it is.
    pub address: String,
    /// Where the other engines see it, if that is another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// As whom to log in.
    pub user: Option<String>,
    /// With what: made for this start only, and the file can be read by its user only.
    pub password: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The process that serves it; 0 where that is in a container.
    pub pid: u32,
    /// The image of its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
}

fn embedded_word() -> String {
    Provision::Embedded.as_str().to_owned()
}

impl DetachedService {
    /// Where and how it is reached.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            inside: self.inside.clone(),
            image: self.image.clone(),
            user: self.user.clone(),
            password: self.password.clone().map(Secret::new),
            database: self.database.clone(),
            ..Endpoint::at(self.kind, self.address.clone())
        }
    }
}

impl Detached {
    /// The endpoints by the services' names.
    pub fn endpoints(&self) -> BTreeMap<String, Endpoint> {
        self.services.iter().map(|service| (service.name.clone(), service.endpoint())).collect()
    }

    /// Whether the process that holds them is still there.
    pub fn is_up(&self) -> bool {
        began(self.pid) == Some(self.began)
    }

    /// Ends them.
    ///
    /// # Errors
    /// Where the holder can't be told to, or is still there after 30 s.
    pub fn down(&self) -> Result<(), String> {
        if self.is_up() {
            let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.ok_or_else(|| format!("{} is no process id", self.pid))?;
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| format!("expected to end process {}: {error}", self.pid))?;
            let deadline = Instant::now() + DOWN;
            while self.is_up() {
                if Instant::now() > deadline {
                    return Err(format!("process {} did not end its engines within 30 s", self.pid));
                }
                std::thread::sleep(LOOK);
            }
        }
        match std::fs::remove_file(file(&self.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("expected to remove {}: {error}", file(&self.name).display()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether this can be the name of engines: it is a file's name.
///
/// # Errors
/// What is expected of one.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 80 && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!("expected a name of letters, digits, `-` and `_`, at most 80, and saw `{name}`"))
}

/// The engines of a name, where they were started and not ended; they may have died since.
pub fn find(name: &str) -> Option<Detached> {
    serde_json::from_str(&std::fs::read_to_string(file(name)).ok()?).ok()
}

/// All engines that were started and not ended, by name.
pub fn all() -> Vec<Detached> {
    let entries = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    let names =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
    let mut all: Vec<_> = names.filter_map(|name| find(&name)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Starts the engines of a profile under a name, in a process of their own, and waits until all are up. Where they are
/// local processes they must be installed. For a process that is not held: what it starts is to outlive it.
///
/// # Errors
/// Where engines of this name are up already, or one does not come up: the last lines of what their holder said.
pub fn up(name: &str, profile: &str, provision: Provision, cancel: &Cancel) -> Result<Detached, String> {
    check_name(name)?;
    if let Some(there) = find(name) {
        if there.is_up() {
            return Err(format!(
                "engines named `{name}` are up already (process {}); end them with `cutproof engines down --name {name}`",
                there.pid
            ));
        }
        there.down()?;
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder())
        .map_err(|error| format!("expected to make {}: {error}", folder().display()))?;
    let log = folder().join(format!("{name}.log"));
    let mut child = spawn(name, profile, provision, &log)
        .map_err(|error| format!("expected to start the engines' holder: {error}"))?;
    let limit = limit(provision);
    let deadline = Instant::now() + limit;
    loop {
        if let Some(there) = find(name).filter(Detached::is_up) {
            return Ok(there);
        }
        match child.try_wait() {
            Ok(Some(_)) => return Err(said(&log)),
            Ok(None) => {}
            Err(error) => return Err(format!("expected to see how the engines' holder is: {error}")),
        }
        if cancel.pause(LOOK) || Instant::now() > deadline {
            let why =
                cancel.why().map_or(format!("not all engines came up within {} s", limit.as_secs()), |by| {
                    format!("interrupted by {by}")
                });
            end(&mut child);
            return Err(format!("{why}; see {}", log.display()));
        }
    }
}

/// Holds the engines of some services until it is told to end. For the process that [`up`] starts.
///
/// # Errors
/// Where an engine does not come up, or what is up can't be written down.
pub fn serve(
    name: &str,
    provision: Provision,
    services: &[Service],
    worker: Worker,
    cancel: &Cancel,
) -> Result<(), String> {
    check_name(name)?;
    let run = format!("{}-engines-{name}", crate::model::Stamp::now().compact());
    let start = Start { services, given: &[], run: &run, worker, cancel };
    let running = started(provision, start)?;
    let deadline = Instant::now() + limit(provision);
    let engines = started_names(services);
    let mut found = Vec::new();
    for service in services.iter().filter(|service| engines.contains(service.name.as_str())) {
        found.push((service, running.wait(&service.name, deadline).map_err(|error| error.0)?));
    }
    let pids = running.pids();
    let services = found.into_iter().map(|(service, endpoint)| DetachedService {
        name: service.name.clone(),
        kind: service.kind,
        address: endpoint.address,
        inside: endpoint.inside,
        image: endpoint.image,
        user: endpoint.user,
        password: endpoint.password.map(|password| password.reveal().to_owned()),
        database: endpoint.database,
        pid: pids.get(&service.name).copied().unwrap_or_default(),
    });
    let pid = holder();
    let began = began(pid).ok_or("expected to see this process in /proc")?;
    let detached = Detached {
        name: name.to_owned(),
        pid,
        began,
        provisioner: provision.as_str().to_owned(),
        services: services.collect(),
    };
    write(&detached).map_err(|error| format!("expected to write {}: {error}", file(name).display()))?;
    while !cancel.pause(Duration::from_secs(3600)) {}
    running.stop();
    // Whoever told us to end removes it where we can't.
    std::fs::remove_file(file(name)).ok();
    Ok(())
}

/// How long all have to come up.
fn limit(provision: Provision) -> Duration {
    if provision == Provision::Containers { PULLED } else { UP }
}

/// Starts them.
fn started(provision: Provision, start: Start<'_>) -> Result<Local, String> {
    if provision == Provision::Containers {
        let daemon = Daemon::find(DAEMON).map_err(|error| error.0)?;
        return Local::containers(start, &daemon, false);
    }
    let installed = embedded::user_cache()
        .and_then(|cache| embedded::install(&cache, start.worker, &embedded::Quiet))
        .map_err(|error| error.to_string())?;
    Local::engines(start, &installed)
}

/// The process that a person or `down` may end: the holder of this worker.
fn holder() -> u32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

fn folder() -> PathBuf {
    state().join("engines")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.json"))
}

fn write(detached: &Detached) -> io::Result<()> {
    let mut part = tempfile::NamedTempFile::new_in(folder())?;
    part.write_all(&serde_json::to_vec_pretty(detached)?)?;
    part.persist(file(&detached.name))?;
    Ok(())
}

fn spawn(name: &str, profile: &str, provision: Provision, log: &Path) -> io::Result<Child> {
    let out = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(log)?;
    let err = out.try_clone()?;
    std::process::Command::new(std::env::current_exe()?)
        .args(["engines", "serve", "--name", name, "--provision", provision.as_str(), "--profile", profile])
        .env_remove(crate::process::WORKER_VARIABLE)
        .env_remove(crate::process::COMMAND_VARIABLE)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
}

fn end(child: &mut Child) {
    // It may have ended by itself; either way it is waited for.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
    }
    child.wait().ok();
}

/// The last lines of a holder that ended, without the word that `main` puts before an error.
fn said(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let text = text.trim();
    match text.rfind("error: ") {
        Some(at) => text[at + "error: ".len()..].to_owned(),
        None => format!("the engines' holder ended before they were up; see {}", log.display()),
    }
}

/// When a process began, in ticks since boot: field 22 of /proc/PID/stat; none where there is no such process, or
/// only what is left of it.
fn began(pid: u32) -> Option<u64> {
    let mut text = String::new();
    io::Read::read_to_string(&mut File::open(format!("/proc/{pid}/stat")).ok()?, &mut text).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number_by_when_it_began() {
        let mine = began(std::process::id());
        assert!(mine.is_some_and(|ticks| ticks > 0));
        assert_eq!(began(std::process::id()), mine);
        assert_eq!(began(u32::MAX), None);
    }

    #[test]
    fn a_name_of_engines_can_not_leave_its_folder() {
        assert!(check_name("desk-1").is_ok());
        for bad in ["", "../x", "a/b", "a b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
