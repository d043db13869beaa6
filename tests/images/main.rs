//! The local images of `ci/images/build`: each one's contract, which is that part of the public image's which
//! docs/containers.md names, and all five on one network. Ignored in a plain `cargo test`; run with `-- --ignored`,
//! where a daemon or an image that is missing is a failure.

mod clickhouse;
mod docker;
mod jvm;
mod postgres;
mod redis;
mod together;

use std::path::Path;
use std::process::Command;

const BUILD: &str = "ci/images/build";

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn the_printed_variables_name_images_that_are_there() {
    let printed =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILD)).arg("--env").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let (names, images): (Vec<_>, Vec<_>) = printed.lines().filter_map(|line| line.split_once('=')).unzip();
    let services = ["REDIS", "KAFKA", "CONNECT", "CLICKHOUSE", "POSTGRES"];
    assert_eq!(names, services.map(|service| format!("CUTPROOF_IMAGE_{service}")));
    images.into_iter().for_each(docker::require);
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn a_build_that_finds_nothing_changed_makes_nothing() {
    docker::require(redis::IMAGE);
    let build =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILD)).arg("redis").output().unwrap();
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success() && !said.contains("made"), "{said}");
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn an_image_that_is_not_known_is_named() {
    let build =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILD)).arg("redpanda").output().unwrap();
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(!build.status.success() && said.contains("error: no image redpanda: one of redis"), "{said}");
}
