//! Another repository's crate that has gates among its tests, driven as its owner would. It is built into this
//! repository's target folder, with its lock file and profile, so that nothing but the crate and cutproof itself is
//! built for it.

use super::Desk;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

/// How long a build may take on a machine that builds something else.
const BUILD: Duration = Duration::from_secs(1200);

/// Its folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/consumer")
}

/// cargo in the crate's folder; evidence goes to this one.
pub fn cargo(desk: &Desk, evidence: &Path) -> Command {
    let mut command = desk.program(env!("CARGO"));
    own(&mut command, evidence);
    command
}

/// `cargo nextest run` in the crate's folder. Started by its own name, so that a signal to it is one to nextest.
pub fn nextest(desk: &Desk, evidence: &Path) -> Command {
    let mut command = desk.program(program().to_str().expect("a path of text"));
    own(&mut command, evidence);
    command.args(["nextest", "run"]);
    command
}

fn own(command: &mut Command, evidence: &Path) {
    prepare();
    settle(command);
    command.env("CUTPROOF_EVIDENCE_DIR", evidence);
}

/// As if no cargo had started it.
fn settle(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("NEXTEST") || (name.starts_with("CARGO") && name != "CARGO_HOME") {
            command.env_remove(name.as_ref());
        }
    }
    let target = std::env::current_exe().expect("this program has a path");
    let target = target.ancestors().nth(3).expect("target/debug/deps/NAME").to_owned();
    command.current_dir(folder()).env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
}

/// cargo-nextest on the path.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join("cargo-nextest"));
    programs.into_iter().find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "cargo-nextest is not on the path: run ci/tools/nextest FOLDER, and put FOLDER/bin on the path"
        )
    })
}

/// Gives the crate this repository's lock file and profile, and builds it: that takes longer than a run.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| fs::read_to_string(root.join(name)).expect("a file of this repository");
        let manifest = read("Cargo.toml");
        let profile = manifest.find("[profile.dev]").expect("the manifest has a profile");
        fs::create_dir_all(folder().join(".cargo")).expect("a folder of ours");
        let write = |name: &str, text: &str| {
            let path = folder().join(name);
            if fs::read_to_string(&path).ok().as_deref() != Some(text) {
                fs::write(path, text).expect("a file of ours");
            }
        };
        write(".cargo/config.toml", &manifest[profile..]);
        // cargo leaves out of it what the crate does not need.
        if !folder().join("Cargo.lock").exists() {
            write("Cargo.lock", &read("Cargo.lock"));
        }
        let mut build = Command::new(env!("CARGO"));
        settle(build.args(["test", "--no-run", "--quiet"]));
        assert_cmd::Command::from_std(build).timeout(BUILD).assert().success();
    });
}

/// Words as arguments.
pub fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}
