//! The containers provisioner on a real Docker, with images that are there. Run with `--ignored`: without a daemon or
//! an image that is a failure, never a skip.

use cutproof::model::{Endpoint, ServiceKind};
use cutproof::process::{Cancel, Worker};
use cutproof::service::containers::{ContainerRequest, Containers, Daemon, StartOptions, start, sweep};
use cutproof::service::{Environment, Strike};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const GENEROUS: Duration = Duration::from_secs(180);

/// What a child process of these tests does; see `child`.
const CHILD: &str = "CUTPROOF_TEST_CHILD";

fn image(service: &str, local: &str) -> String {
    let variable = format!("CUTPROOF_IMAGE_{}", service.to_uppercase());
    std::env::var(variable).unwrap_or_else(|_| local.to_owned())
}

fn request(kind: ServiceKind) -> ContainerRequest {
    let name = kind.as_str();
    let local = match kind {
        ServiceKind::Clickhouse => "cutproof/clickhouse-server:local".to_owned(),
        _ => format!("cutproof/{name}:local"),
    };
    ContainerRequest {
        name: name.to_owned(),
        kind,
        image: image(name, &local),
        user: None,
        database: (kind == ServiceKind::Postgres).then(|| "trade".to_owned()),
        kafka: (kind == ServiceKind::Connect).then(|| "kafka".to_owned()),
    }
}

fn daemon() -> Daemon {
    Daemon::find(Duration::from_secs(20)).expect("a Docker daemon runs: see ci/docker/start")
}

/// A run with a folder for logs and a name of its own.
struct Run {
    name: String,
    logs: tempfile::TempDir,
}

impl Run {
    fn new() -> Run {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Run { name, logs: tempfile::tempdir().expect("a folder") }
    }

    fn options(&self) -> StartOptions {
        StartOptions {
            run: self.name.clone(),
            logs: self.logs.path().to_owned(),
            limit: GENEROUS,
            reuse: false,
            cancel: Cancel::new().expect("a descriptor"),
            worker: Worker::unheld().expect("a worker"),
        }
    }

    fn start(&self, daemon: &Daemon, kinds: &[ServiceKind]) -> Containers {
        let requests: Vec<_> = kinds.iter().map(|kind| request(*kind)).collect();
        start(daemon, &requests, self.options()).expect("the requests fit together")
    }

    fn log(&self, service: &str) -> PathBuf {
        self.logs.path().join(format!("{service}.log"))
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker command is there");
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What is there of a run: containers and networks, by their labels.
fn left(run: &str) -> Vec<String> {
    let label = format!("label=cutproof.run={run}");
    let containers = docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}}"]);
    let networks = docker(&["network", "ls", "--filter", &label, "--format", "{{.Name}}"]);
    containers.lines().chain(networks.lines()).map(str::to_owned).collect()
}

fn assert_nothing_left(run: &str) {
    assert_eq!(left(run), Vec::<String>::new(), "left behind by {run}");
}

fn soon() -> Instant {
    Instant::now() + GENEROUS
}

fn up(containers: &Containers, service: &str) -> Endpoint {
    containers.wait(service, soon()).unwrap_or_else(|error| panic!("{error}"))
}

/// The error of a wait that can't be fulfilled any more.
fn fails(containers: &Containers, service: &str) -> String {
    containers.wait(service, soon()).expect_err("it can't be ready").0
}

#[test]
#[ignore = "needs Docker and the local images"]
fn five_services_come_up_side_by_side_and_answer() {
    let (daemon, run) = (daemon(), Run::new());
    let kinds = [
        ServiceKind::Redis,
        ServiceKind::Kafka,
        ServiceKind::Clickhouse,
        ServiceKind::Postgres,
        ServiceKind::Connect,
    ];
    let begun = Instant::now();
    let containers = run.start(&daemon, &kinds);
    let ready = std::thread::scope(|scope| {
        let waits = kinds.map(|kind| {
            let containers = &containers;
            scope.spawn(move || {
                let endpoint = up(containers, kind.as_str());
                println!("{kind} after {:.2} s", begun.elapsed().as_secs_f64());
                endpoint
            })
        });
        waits.map(|wait| wait.join().expect("it came up"))
    });
    for (kind, endpoint) in kinds.iter().zip(&ready) {
        assert!(endpoint.address.contains("127.0.0.1:"), "{}", endpoint.address);
        assert!(endpoint.inside().contains(&format!("{kind}:")), "{}", endpoint.inside());
        // Kafka's protocol has no question for that.
        assert!(endpoint.product.is_some() || *kind == ServiceKind::Kafka, "{kind}");
        let image = endpoint.image.as_ref().expect("what ran is known");
        assert!(image.digest.contains("sha256:"), "{image:?}");
        let published = docker(&["port", &format!("cutproof-{}-{kind}", run.name)]);
        let bound = published.lines().map(|line| line.rsplit("-> ").next().unwrap_or_default());
        assert!(bound.into_iter().all(|bound| bound.starts_with("127.0.0.1:")), "{published}");
    }
    let [_, kafka, _, postgres, connect] = &ready;
    assert_eq!(kafka.identity.get("cluster_id"), connect.identity.get("kafka_cluster_id"));
    // Passwords are in no label.
    let secret = postgres.password.as_ref().expect("it has a password").reveal().to_owned();
    let labels = docker(&[
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        &format!("cutproof-{}-postgres", run.name),
    ]);
    assert!(!labels.contains(&secret), "{labels}");
    // Each finds the others under their names.
    for kind in kinds {
        let name = format!("cutproof-{}-redis", run.name);
        let found = docker(&["exec", &name, "getent", "hosts", kind.as_str()]);
        assert!(!found.is_empty(), "{kind}");
    }
    containers.stop();
    assert!(run.log("kafka").exists() && run.log("connect").exists());
    assert_eq!(containers.notes(), Vec::<String>::new());
    assert!(containers.wait("redis", soon()).is_err(), "nothing is ready after the end");
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_container_that_is_killed_is_told_with_its_log_and_one_that_is_paused_with_the_way_on() {
    let (daemon, run) = (daemon(), Run::new());
    let containers = run.start(&daemon, &[ServiceKind::Redis]);
    up(&containers, "redis");
    containers.strike("redis", Strike::Freeze).expect("it is paused");
    let paused = fails(&containers, "redis");
    assert!(paused.contains("paused") && paused.contains("docker unpause"), "{paused}");
    containers.strike("redis", Strike::Thaw).expect("it goes on");
    up(&containers, "redis");
    containers.strike("redis", Strike::Kill).expect("it is killed");
    let killed = fails(&containers, "redis");
    assert!(killed.contains("exit code 137") && killed.contains("redis.log"), "{killed}");
    let again = containers.strike("redis", Strike::Kill).expect_err("it has ended").0;
    assert!(again.contains("not running"), "{again}");
    drop(containers);
    assert!(run.log("redis").exists());
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_container_that_somebody_removed_is_told() {
    let (daemon, run) = (daemon(), Run::new());
    let containers = run.start(&daemon, &[ServiceKind::Redis]);
    up(&containers, "redis");
    docker(&["rm", "-f", &format!("cutproof-{}-redis", run.name)]);
    let removed = fails(&containers, "redis");
    assert!(removed.contains("removed by somebody"), "{removed}");
    drop(containers);
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_container_that_exits_while_starting_is_told_with_its_code_and_its_log() {
    let (daemon, run) = (daemon(), Run::new());
    // A broker that is taken for a Redis does not know its arguments.
    let wrong =
        ContainerRequest { image: request(ServiceKind::Postgres).image, ..request(ServiceKind::Redis) };
    let containers = start(&daemon, &[wrong], run.options()).expect("the request is well formed");
    let error = fails(&containers, "redis");
    assert!(error.contains("exit code") && error.contains("redis.log"), "{error}");
    drop(containers);
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker"]
fn an_image_that_cannot_be_had_says_what_to_do() {
    let (daemon, run) = (daemon(), Run::new());
    let nowhere = "localhost:1/cutproof/nowhere:0".to_owned();
    let wrong = ContainerRequest { image: nowhere.clone(), ..request(ServiceKind::Redis) };
    let containers = start(&daemon, &[wrong], run.options()).expect("the request is well formed");
    let error = fails(&containers, "redis");
    for part in [nowhere.as_str(), "docker pull", "[services.redis]", "CUTPROOF_IMAGE_REDIS"] {
        assert!(error.contains(part), "{error}");
    }
    let there = request(ServiceKind::Redis).image;
    let missing = daemon.missing(&[nowhere.clone(), there], GENEROUS);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].0 == nowhere && missing[0].1.contains("can't be pulled"), "{missing:?}");
    drop(containers);
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_run_that_is_told_to_end_waits_for_nothing_and_leaves_nothing() {
    let (daemon, run) = (daemon(), Run::new());
    let options = run.options();
    let cancel = options.cancel.clone();
    let requests = [request(ServiceKind::Kafka), request(ServiceKind::Connect)];
    let containers = start(&daemon, &requests, options).expect("the requests fit together");
    cancel.cancel("SIGINT");
    let error = fails(&containers, "connect");
    assert!(error.contains("told to end"), "{error}");
    drop(containers);
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn containers_that_are_kept_are_taken_up_again_by_an_equal_start_only() {
    let (daemon, run) = (daemon(), Run::new());
    // Its database makes this request one that nobody else has.
    let kept =
        [ContainerRequest { database: Some(run.name.replace('-', "_")), ..request(ServiceKind::Postgres) }];
    let options = || StartOptions { reuse: true, ..run.options() };
    let first = start(&daemon, &kept, options()).expect("it is well formed");
    let begun = up(&first, "postgres");
    drop(first);
    let second = start(&daemon, &kept, options()).expect("it is well formed");
    let again = up(&second, "postgres");
    let network = second.notes().iter().find_map(|note| Some(note.split_once("again: ")?.1.to_owned()));
    let network = network.expect("it says what it took up");
    assert_eq!(begun.identity.get("system_identifier"), again.identity.get("system_identifier"));
    assert_eq!(begun.address, again.address);
    // One that does not run any more is made anew.
    second.strike("postgres", Strike::Kill).expect("it is killed");
    drop(second);
    let third = start(&daemon, &kept, options()).expect("it is well formed");
    let anew = up(&third, "postgres");
    assert_ne!(begun.identity.get("system_identifier"), anew.identity.get("system_identifier"));
    drop(third);
    assert!(sweep(&daemon).expect("Docker answers").iter().all(|name| !name.contains(&network)));
    docker(&["rm", "-f", "-v", &format!("{network}-postgres")]);
    docker(&["network", "rm", &network]);
}

/// What these tests do in processes of their own, since DOCKER_HOST is the process's: by itself it does nothing.
#[test]
#[ignore = "is started by other tests"]
fn child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let say = |text: &str| {
        println!("\nchild: {}", text.replace('\n', " "));
        std::io::stdout().flush().expect("the parent listens");
    };
    let daemon = match Daemon::find(Duration::from_secs(3)) {
        Ok(daemon) => daemon,
        Err(error) => return say(&format!("none {error}")),
    };
    let run = Run::new();
    let containers = run.start(&daemon, &[ServiceKind::Redis]);
    match containers.wait("redis", soon()) {
        Ok(_) => say(&format!("up {}", run.name)),
        Err(error) => return say(&format!("error {error}")),
    }
    // Until the parent has done what it does.
    let pause = || std::io::stdin().read_line(&mut String::new()).expect("the parent is there");
    pause();
    if what == "waits" {
        let begun = Instant::now();
        let error = fails(&containers, "redis");
        containers.stop();
        say(&format!("after {} s {error} {}", begun.elapsed().as_secs(), containers.notes().join("; ")));
        // What a process that is there has made is not swept.
        pause();
    }
}

struct Other {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(what: &str, docker_host: Option<&str>) -> Other {
        let host = docker_host.map(|host| ("DOCKER_HOST", host));
        Other::with(what, &Vec::from_iter(host))
    }

    fn with(what: &str, env: &[(&str, &str)]) -> Other {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "child", "--nocapture"]).env(CHILD, what);
        command.envs(env.iter().copied());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program starts again");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Other { child, out }
    }

    /// What the child says next; its end, where it says nothing.
    fn says(&mut self) -> String {
        let mut line = String::new();
        while self.out.read_line(&mut line).expect("it is read") > 0 {
            if let Some(said) = line.strip_prefix("child: ") {
                return said.trim().to_owned();
            }
            line.clear();
        }
        "(it ended)".to_owned()
    }

    fn go_on(&mut self) {
        writeln!(self.child.stdin.as_mut().expect("its input")).expect("it listens");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn up_run(said: &str) -> String {
    said.strip_prefix("up ").unwrap_or_else(|| panic!("expected it to be up: {said}")).to_owned()
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_sweep_removes_what_a_killed_process_left_and_nothing_else() {
    let (daemon, run) = (daemon(), Run::new());
    let ours = run.start(&daemon, &[ServiceKind::Redis]);
    up(&ours, "redis");
    let mut other = Other::start("is killed", None);
    let killed = up_run(&other.says());
    sweep(&daemon).expect("Docker answers");
    assert_eq!(left(&killed).len(), 2, "it is alive, so that nothing of it is removed");
    other.child.kill().expect("it is killed");
    other.child.wait().expect("it ended");
    let removed = sweep(&daemon).expect("Docker answers");
    let of = |run: &str| removed.iter().filter(|name| name.contains(run)).count();
    // Another test's sweep may have been first.
    assert!(of(&killed) <= 2 && of(&run.name) == 0, "{removed:?}");
    assert_nothing_left(&killed);
    up(&ours, "redis");
    drop(ours);
    assert_nothing_left(&run.name);
}

#[test]
#[ignore = "is run where Docker is needed too"]
fn a_docker_host_where_nothing_is_says_so() {
    let said = Other::start("finds", Some("unix:///nonexistent/docker.sock")).says();
    assert!(said.starts_with("none") && said.contains("/nonexistent/docker.sock"), "{said}");
    let said = Other::start("finds", Some("tcp://127.0.0.1:1")).says();
    assert!(said.starts_with("none") && said.contains("127.0.0.1:1") && said.contains("refused"), "{said}");
    let said = Other::start("finds", Some("ssh://me@host")).says();
    assert!(said.starts_with("none") && said.contains("forward its socket"), "{said}");
}

#[test]
#[ignore = "is run where Docker is needed too"]
fn a_daemon_that_accepts_and_never_answers_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let _silent = UnixListener::bind(&socket).expect("a socket");
    let host = format!("unix://{}", socket.display());
    let said = Other::start("finds", Some(&host)).says();
    assert!(said.starts_with("none") && said.contains("no answer within 3000 ms"), "{said}");
}

/// A way to the real daemon that can be cut, or lets nothing through any more.
struct Proxy {
    connections: Arc<Mutex<Vec<UnixStream>>>,
    silent: Arc<std::sync::atomic::AtomicBool>,
    path: PathBuf,
}

impl Proxy {
    fn open(path: &Path) -> Proxy {
        let listener = UnixListener::bind(path).expect("a socket");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let silent = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (kept, quiet) = (Arc::clone(&connections), Arc::clone(&silent));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                let server = UnixStream::connect("/var/run/docker.sock").expect("Docker listens");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("it"), to.try_clone().expect("it"));
                    let quiet = Arc::clone(&quiet);
                    std::thread::spawn(move || pass(from, to, &quiet));
                }
                kept.lock().expect("nobody panicked").extend([client, server]);
            }
        });
        Proxy { connections, silent, path: path.to_owned() }
    }

    fn cut(&self) {
        // Nobody can connect any more, and whoever was is cut off.
        std::fs::remove_file(&self.path).expect("it was there");
        for stream in self.connections.lock().expect("nobody panicked").iter() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn hush(&self) {
        self.silent.store(true, Ordering::Release);
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, silent: &std::sync::atomic::AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if silent.load(Ordering::Acquire) {
            continue;
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn docker_goes_away(how: fn(&Proxy), expected: &[&str]) {
    let daemon = daemon();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let proxy = Proxy::open(&socket);
    let mut other = Other::start("waits", Some(&format!("unix://{}", socket.display())));
    let run = up_run(&other.says());
    how(&proxy);
    other.go_on();
    let said = other.says();
    assert!(said.starts_with("after "), "{said}");
    for part in expected {
        assert!(said.contains(part), "expected {part:?} in: {said}");
    }
    assert_eq!(left(&run).len(), 2, "it could not remove them");
    other.go_on();
    other.child.wait().expect("it ended");
    sweep(&daemon).expect("Docker answers");
    assert_nothing_left(&run);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_daemon_that_stops_midway_is_told_and_what_it_left_is_swept() {
    docker_goes_away(Proxy::cut, &["docker info", "is left"]);
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_daemon_that_hangs_midway_is_told_within_a_limit_and_what_it_left_is_swept() {
    docker_goes_away(Proxy::hush, &["not answered within", "docker info", "is left"]);
}

/// A Docker of its own on a small disk, in a network of its own so that it does nothing to the machine's.
struct SmallDocker {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl SmallDocker {
    fn start() -> SmallDocker {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let script = format!(
            "ip link set lo up; mkdir {at}/disk && mount -t tmpfs -o size=64m tmpfs {at}/disk && exec dockerd \
             --host unix://{at}/docker.sock --data-root {at}/disk --exec-root {at}/exec --pidfile {at}/pid \
             --storage-driver vfs --iptables=false --ip6tables=false >{at}/log 2>&1"
        );
        let unshared = Command::new("unshare").args(["--net", "--mount", "sh", "-c", &script]).spawn();
        let docker = SmallDocker { daemon: unshared.expect("unshare is there"), folder };
        let deadline = soon();
        while !docker.run(&["version"], None).0 {
            let log = || std::fs::read_to_string(docker.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "dockerd does not start (it needs root): {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        docker
    }

    fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    fn run(&self, args: &[&str], input: Option<&Path>) -> (bool, String) {
        let input =
            input.map_or_else(Stdio::null, |path| std::fs::File::open(path).expect("it is there").into());
        let output = Command::new("docker").args(args).env("DOCKER_HOST", self.host()).stdin(input).output();
        let output = output.expect("the docker command is there");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Leaves no byte of its disk.
    fn fill(&self) {
        let disk = format!("/proc/{}/root{}/disk/filler", self.daemon.id(), self.folder.path().display());
        let mut filler = std::fs::File::create(disk).expect("it has a disk");
        while filler.write_all(&[7; 4096]).is_ok() {}
    }
}

impl Drop for SmallDocker {
    fn drop(&mut self) {
        // In order, so that it ends what it started.
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
    }
}

#[test]
#[ignore = "needs Docker, and root for one more of it"]
fn a_docker_whose_disk_is_full_says_so() {
    let docker = SmallDocker::start();
    let file = docker.folder.path().join("program");
    std::fs::write(&file, "#!/none\n").expect("there is room here");
    let archive = docker.folder.path().join("image.tar");
    let tar = ["-C", &docker.folder.path().to_string_lossy(), "-cf", &archive.to_string_lossy(), "program"]
        .map(str::to_owned);
    assert!(Command::new("tar").args(tar).status().expect("tar is there").success());
    let (imported, error) = docker.run(&["import", "-", "full:local"], Some(&archive));
    assert!(imported, "{error}");
    docker.fill();
    let host = docker.host();
    let env = [("DOCKER_HOST", host.as_str()), ("CUTPROOF_IMAGE_REDIS", "full:local")];
    let said = Other::with("finds", &env).says();
    assert!(said.starts_with("error") && said.contains("no space left"), "{said}");
    assert!(said.contains("disk is full") && said.contains("docker system df"), "{said}");
}
