//! A compose project of a test's own: this repository's stack on the local images, at ports of its own. It is gone when
//! it is dropped, also where the test panicked.

use crate::common::{Desk, Ended, argument, ended};
use std::net::TcpListener;

/// The compose file.
pub const FILE: &str = "fixtures/compose/single-host.yaml";

/// The database's password.
const PASSWORD: &str = "of-the-tests-only";

/// The local image of each service's variable.
const IMAGES: [(&str, &str); 5] = [
    ("REDIS", "cutproof/redis:local"),
    ("POSTGRES", "cutproof/postgres:local"),
    ("KAFKA", "cutproof/kafka:local"),
    ("CONNECT", "cutproof/connect:local"),
    ("CLICKHOUSE", "cutproof/clickhouse-server:local"),
];

pub struct Project<'a> {
    desk: &'a Desk,
    pub name: String,
    env_file: String,
}

impl<'a> Project<'a> {
    /// Nothing is up yet. `what` tells the projects of a test apart.
    pub fn new(desk: &'a Desk, what: &str) -> Project<'a> {
        require(desk);
        let kafka =
            TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
        let mut variables = format!("QUANT_HFT_DB_PASSWORD={PASSWORD}\nCUTPROOF_PORT_KAFKA={kafka}\n");
        for (name, image) in IMAGES {
            variables.push_str(&format!("CUTPROOF_IMAGE_{name}={image}\n"));
            if name != "KAFKA" {
                variables.push_str(&format!("CUTPROOF_PORT_{name}=0\n"));
            }
        }
        let name = format!("cutproof-test-{}-{what}", std::process::id());
        let env_file = desk.write(&format!("{name}.env"), &variables);
        Project { desk, name, env_file }
    }

    /// The flags by which cutproof finds it.
    pub fn flags(&self) -> [&str; 6] {
        ["--compose-file", FILE, "--project-name", &self.name, "--env-file", &self.env_file]
    }

    /// Runs compose itself.
    pub fn compose(&self, words: &[&str]) -> Ended {
        let mut docker = self.desk.program("docker");
        docker.args(["compose", "-f", FILE, "-p", &self.name, "--env-file", &self.env_file]).args(words);
        ended(docker)
    }

    /// The services that run, by name.
    pub fn running(&self) -> Vec<String> {
        let listed = self.compose(&["ps", "--services", "--status", "running"]).with_code(0).stdout;
        let mut names: Vec<_> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let gone = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "1"]);
        if gone.code != Some(0) {
            eprintln!("{} is left: {}", self.name, gone.stderr);
        }
    }
}

/// A desk whose runs know the database's password.
pub fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.set("QUANT_HFT_DB_PASSWORD", PASSWORD);
    desk
}

/// What these tests need, each with the way to get it.
fn require(desk: &Desk) {
    let docker = |words: &[&str]| {
        let mut docker = desk.program("docker");
        docker.args(words);
        ended(docker)
    };
    let daemon = docker(&["version", "--format", "{{.Server.Version}}"]);
    assert_eq!(daemon.code, Some(0), "expected a Docker daemon: {}", daemon.stderr);
    let compose = docker(&["compose", "version"]);
    assert_eq!(
        compose.code,
        Some(0),
        "expected Docker's compose plugin (ci/tools/compose): {}",
        compose.stderr
    );
    for (_, image) in IMAGES {
        let found = docker(&["image", "inspect", "--format", "{{.Id}}", image]);
        assert_eq!(found.code, Some(0), "expected the image {image} (ci/images/build): {}", found.stderr);
    }
}

/// A path in the desk, as an argument.
pub fn to(desk: &Desk, name: &str) -> String {
    argument(&desk.path(name))
}
