//! Engines for the tests of one target: started by the first test that asks, ended when the test process is gone.
//! A test process has no tear-down, so whoever ends them waits for the end of a pipe that only this process holds.

use cutproof::model::{Endpoint, Secret, ServiceKind};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const CUTPROOF: &str = env!("CARGO_BIN_EXE_cutproof");

struct Engines {
    variables: BTreeMap<String, String>,
    /// Waits for the end of its input, which comes with the end of this process.
    _keeper: Child,
}

/// The engine of this kind, of the single host, but its core.
pub fn engine(kind: ServiceKind) -> Endpoint {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    let engines = ENGINES.get_or_init(up);
    let variable =
        |what: &str| engines.variables.get(&format!("CUTPROOF_{what}_{}", kind.as_str().to_uppercase()));
    let address =
        variable("ENDPOINT").unwrap_or_else(|| panic!("no {kind} in {:?}", engines.variables.keys()));
    let mut endpoint = Endpoint::at(kind, address.as_str());
    endpoint.user = variable("USER").cloned();
    endpoint.password = variable("PASSWORD").cloned().map(Secret::new);
    endpoint
}

fn up() -> Engines {
    let name = format!("tests-{}", std::process::id());
    // Before they are up, so that they are ended also where this process does not live that long.
    let keeper = Command::new("sh")
        .args([
            "-c",
            "trap '' INT TERM; read line; exec \"$0\" engines down --name \"$1\" >/dev/null 2>&1",
            CUTPROOF,
        ])
        .arg(&name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell starts");
    let up = Command::new(CUTPROOF)
        .args([
            "engines",
            "up",
            "--provision",
            "embedded",
            "--name",
            &name,
            "--profile",
            "tests/common/engines.toml",
        ])
        .output()
        .expect("cutproof starts");
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(up.status.success(), "the engines did not come up:\n{said}");
    let text = String::from_utf8_lossy(&up.stdout).into_owned();
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Engines { variables, _keeper: keeper }
}
