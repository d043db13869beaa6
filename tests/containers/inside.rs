//! Docker as jobs of CI have it: by a socket from outside of the container that the job is, or by a port.

use crate::common::{Desk, Ended, Run, argument, journal};
use crate::proxy::{by_tcp, socket};
use crate::support::{desk_of, docker, expect_removed, with};

const SERVICES: [&str; 2] = ["redis", "kafka"];

#[test]
#[ignore = "needs Docker and the local images"]
fn a_run_in_a_container_reaches_the_containers_that_it_starts_beside_itself() {
    let desk = desk_of(&SERVICES);
    let profile = profile(&desk);
    let image = desk.variable("CUTPROOF_IMAGE_REDIS").to_owned();
    let (evidence, program) = (desk.evidence(), env!("CARGO_BIN_EXE_cutproof"));
    let (folder, flag) = (argument(&desk.path("")), argument(&evidence));
    let mut words = vec!["run", "--detach", "--user", "root", "--entrypoint", program];
    let socket = format!("{}:/var/run/docker.sock", socket().display());
    let same = [&*folder, program].map(|path| format!("{path}:{path}"));
    let images = ["REDIS", "KAFKA"].map(|service| format!("CUTPROOF_IMAGE_{service}"));
    let images = images.map(|name| format!("{name}={}", desk.variable(&name)));
    [&socket, &same[0], &same[1]].into_iter().for_each(|mount| words.extend(["--volume", mount]));
    images.iter().for_each(|image| words.extend(["--env", image]));
    words.extend([&*image, "rehearse", "--provision", "containers", "--profile", &profile]);
    words.extend(["--evidence-dir", &flag]);
    let job = docker(&words).trim().to_owned();
    let code = docker(&["wait", &job]).trim().parse().ok();
    let said = Ended { code, stdout: docker(&["logs", &job]), stderr: String::new() };
    docker(&["rm", &job]);
    let run = Run::of(said, &evidence).with_code(0);
    assert_eq!(run.summary["provisioner"], "containers");
    assert_eq!((run.verdict("ping"), run.verdict("round-trip")), ("passed", "passed"));
    // Not at the loopback of either side, where the other could not be reached, nor at every address of the machine.
    for ready in journal(&run.folder).iter().filter(|line| line["event"] == "service_ready") {
        let address = ready["address"].as_str().expect("it is told");
        assert!(!address.starts_with("127.0.0.1:") && !address.starts_with("0.0.0.0:"), "{address}");
    }
    expect_removed(run.summary["run"].as_str().expect("it has a name"));
}

#[test]
#[ignore = "needs Docker and the local images"]
fn a_daemon_behind_a_port_is_as_good_as_one_behind_a_socket() {
    let desk = desk_of(&SERVICES);
    let (profile, evidence, host) = (profile(&desk), desk.evidence(), by_tcp());
    let words =
        ["rehearse", "--provision", "auto", "--profile", &profile, "--evidence-dir", &argument(&evidence)];
    let run = Run::of(with(&desk, &words, &[("DOCKER_HOST", &host)]), &evidence).with_code(0);
    assert_eq!(run.summary["provisioner"], "containers");
    let why = run.summary["provisioner_why"].as_str().expect("it says why");
    assert!(why.contains(&host), "{why}");
    expect_removed(run.summary["run"].as_str().expect("it has a name"));
}

/// Of two services; Kafka's clients go on to the address that it tells them.
fn profile(desk: &Desk) -> String {
    desk.write(
        "beside.toml",
        r#"environment = "desk"

[services.redis]
kind = "redis"

[services.kafka]
kind = "kafka"

[[gate]]
id = "ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]

[[gate]]
id = "round-trip"
phase = "infra"
probe = "kafka_round_trip"
uses = ["kafka"]
writes = true
timeout = "60s"
"#,
    )
}
