//! Containers and a network by Docker's own command line, removed when they are dropped.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For whatever must come sometime. No test passes because of how long it is.
pub const PATIENCE: Duration = Duration::from_secs(180);

fn docker(args: &[&str]) -> Output {
    let output = Command::new("docker").args(args).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("docker: {error}: run ci/docker/start"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What it printed; it must succeed.
fn ask(args: &[&str]) -> String {
    let output = docker(args);
    assert!(output.status.success(), "docker {}: {}", args.join(" "), text(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Fails, saying what to do, where there is no daemon or no such image.
pub fn require(image: &str) {
    let output = docker(&["image", "inspect", image]);
    let hint = "run ci/docker/start, then ci/images/build";
    assert!(output.status.success(), "no image {image}: {hint}: {}", text(&output));
}

fn name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("cutproof-images-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A port that nobody has now, for what must know its port before it starts.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks until there is an answer; what it said last is the failure.
pub fn until<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(answer) => return answer,
            Err(seen) => assert!(Instant::now() < deadline, "no {what} within {PATIENCE:?}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A network of its own.
pub struct Network(pub String);

impl Network {
    pub fn new() -> Network {
        let name = name();
        ask(&["network", "create", &name]);
        Network(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.0]);
    }
}

/// A container that runs in the background, with at most 512 MiB.
pub struct Container(String);

impl Container {
    /// `options` are `docker run`'s, `args` the container's.
    pub fn run(image: &str, options: &[&str], args: &[&str]) -> Container {
        require(image);
        let container = Container(name());
        let fixed = ["run", "--detach", "--memory", "512m", "--name", &container.0];
        ask(&[&fixed, options, &[image], args].concat());
        container
    }

    /// The address on this host of a port that was published with `--publish 127.0.0.1::PORT`.
    pub fn address(&self, port: u16) -> String {
        let published = ask(&["port", &self.0, &format!("{port}/tcp")]);
        published.lines().next().unwrap_or_else(|| panic!("port {port} is not published")).to_owned()
    }

    pub fn exec(&self, command: &[&str]) -> String {
        ask(&[&["exec", &self.0], command].concat())
    }

    pub fn restart(&self) {
        ask(&["restart", &self.0]);
    }

    pub fn kill_and_start(&self) {
        ask(&["kill", &self.0]);
        ask(&["start", &self.0]);
    }

    /// The status and all that it said, once it has ended by itself.
    pub fn ended(&self) -> (i32, String) {
        let status = until("end of the container", || {
            let state = ask(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", &self.0]);
            state.strip_prefix("exited ").and_then(|code| code.parse().ok()).ok_or(state)
        });
        (status, self.logs())
    }

    pub fn logs(&self) -> String {
        text(&docker(&["logs", &self.0]))
    }

    /// Ends it as `docker stop` does. Docker kills what is still there after ten seconds, which would show in its
    /// status.
    pub fn stop(&self) {
        ask(&["stop", "--time", "10", &self.0]);
        let state = ask(&["inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", &self.0]);
        assert!(["0 false", "143 false"].contains(&&*state), "ended with {state}: {}", self.logs());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.0, self.logs());
        }
        docker(&["rm", "--force", "--volumes", &self.0]);
    }
}
