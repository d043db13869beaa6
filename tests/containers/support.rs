//! What the tests of containers share: a desk that knows the images, and what Docker says is there.

use crate::common::{Desk, Ended, Going, Run, argument, ended, expect_soon, run_folder, within};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whole environments come one after the other: five containers are much for a small machine.
static WHOLE: Mutex<()> = Mutex::new(());

/// The thresholds of the single host that a machine misses which does other things beside.
const PATIENT: [(&str, &str); 4] =
    [("answer", "5s"), ("round_trip", "20s"), ("ingest_delay", "30s"), ("cdc_delay", "30s")];

/// The services of the single host that run in containers.
pub const SERVICES: [&str; 5] = ["clickhouse", "connect", "kafka", "postgres", "redis"];

/// How long the daemon may take to have removed everything.
const REMOVED: Duration = Duration::from_secs(30);

/// A desk whose runs use the images of this machine.
pub fn desk() -> Desk {
    desk_of(&SERVICES)
}

/// The same where only these services are started.
pub fn desk_of(services: &[&str]) -> Desk {
    let there = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let mut desk = Desk::new();
    for service in services {
        let variable = format!("CUTPROOF_IMAGE_{}", service.to_uppercase());
        let image = std::env::var(&variable).unwrap_or_else(|_| local(service));
        let known = there.lines().any(|line| line == image);
        assert!(known, "no image {image}: build it with ci/images/build, or name another in {variable}");
        desk.set(&variable, &image);
    }
    desk
}

/// The right to start a whole environment.
pub fn whole() -> MutexGuard<'static, ()> {
    WHOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// gates/single-host.toml with patience: what is asked here is what happens, not how fast this machine is.
pub fn single_host(desk: &Desk) -> String {
    let text = std::fs::read_to_string("gates/single-host.toml").expect("the profile is there");
    let line = |line: &str| {
        let name = line.split(" = ").next().unwrap_or_default();
        let patient = PATIENT.iter().find(|(threshold, _)| *threshold == name);
        patient.map_or_else(|| line.to_owned(), |(name, limit)| format!("{name} = \"{limit}\""))
    };
    desk.write("single-host.toml", &text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

/// The image of a service that `ci/images/build` makes.
fn local(service: &str) -> String {
    let name = if service == "clickhouse" { "clickhouse-server" } else { service };
    format!("cutproof/{name}:local")
}

/// What `docker` prints.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("these tests need Docker: there is no program `docker`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "these tests need a Docker that answers: docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Containers and networks of a run.
pub fn of_run(run: &str) -> Vec<String> {
    let filter = format!("label=cutproof.run={run}");
    let containers = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
    let networks = docker(&["network", "ls", "--filter", &filter, "--format", "network {{.Name}}"]);
    containers.lines().chain(networks.lines()).map(str::to_owned).collect()
}

/// The container of a run's service.
#[track_caller]
pub fn container(run: &str, service: &str) -> String {
    let (run, service) = (format!("label=cutproof.run={run}"), format!("label=cutproof.service={service}"));
    let id = docker(&["ps", "--all", "--quiet", "--filter", &run, "--filter", &service]);
    assert_eq!(id.lines().count(), 1, "one container of {service}: {id}");
    id.trim().to_owned()
}

/// Waits until Docker has nothing of a run.
#[track_caller]
pub fn expect_removed(run: &str) {
    if !within(REMOVED, || of_run(run).is_empty()) {
        panic!("left of {run}: {:?}", of_run(run));
    }
}

/// A profile of one service, with a gate that waits until the test has done something, and one behind it.
fn late(desk: &Desk, service: &str, kind: &str, probe: &str) -> String {
    let (waits, go) = (argument(&desk.path("waits")), argument(&desk.path("go")));
    let profile = format!(
        r#"
environment = "late"
[services.{service}]
kind = "{kind}"
[[gate]]
id = "before"
phase = "infra"
probe = "{probe}"
uses = ["{service}"]
timeout = "30s"
[[gate]]
id = "waits"
phase = "infra"
probe = "command"
needs = ["before"]
timeout = "100s"
with = {{ shell = "touch {waits}; until [ -e {go} ]; do sleep 0.05; done" }}
[[gate]]
id = "behind"
phase = "infra"
probe = "{probe}"
uses = ["{service}"]
needs = ["waits"]
timeout = "4s"
"#
    );
    desk.write("late.toml", &profile)
}

/// A run on one Redis whose last gate waits for the test.
pub struct Late<'a> {
    desk: &'a Desk,
    pub going: Going,
    evidence: PathBuf,
}

impl<'a> Late<'a> {
    /// Starts it, and waits until its first gate is green.
    pub fn start(desk: &'a Desk) -> Late<'a> {
        let late = Late::begin(desk);
        expect_soon("the first gate is green", || desk.path("waits").exists());
        late
    }

    /// Starts it.
    pub fn begin(desk: &'a Desk) -> Late<'a> {
        let (profile, evidence) = (late(desk, "redis", "redis", "redis_ping"), desk.evidence());
        let flag = argument(&evidence);
        let words = ["rehearse", "--provision", "containers", "--profile", &profile, "--evidence-dir", &flag];
        Late { desk, going: desk.start(&words), evidence }
    }

    /// The run's id.
    pub fn run(&self) -> String {
        let folder = run_folder(&self.evidence).expect("the run has a folder");
        argument(&folder).rsplit('/').next().expect("a folder has a name").to_owned()
    }

    /// Lets the last gate go on.
    pub fn go_on(&self) {
        self.desk.write("go", "");
    }

    /// Waits for its end, and reads what it left.
    pub fn end(self) -> Run {
        let code = self.going.end().code();
        let ended = Ended { code, stdout: self.desk.read("out"), stderr: self.desk.read("err") };
        Run::of(ended, &self.evidence)
    }
}

/// A run on one Kafka, which takes its time, that has begun.
pub fn slow(desk: &Desk) -> (String, [&'static str; 3]) {
    (late(desk, "kafka", "kafka", "health"), ["rehearse", "--provision", "containers"])
}

/// Runs a verb of the binary with these variables.
pub fn with(desk: &Desk, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = desk.cutproof(arguments);
    ended({
        command.envs(variables.iter().copied());
        command
    })
}
