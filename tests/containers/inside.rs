//! Docker as jobs of CI have it: by a socket from outside of the container that the job is, or by a port.

use crate::common::{Desk, Run, argument, ended, journal};
use crate::proxy::by_tcp;
use crate::support::{desk_of, expect_removed, with};
use std::process::Command;

const SERVICES: [&str; 2] = ["redis", "kafka"];
const SOCKET: &str = "/var/run/docker.sock";

#[test]
#[ignore = "needs Docker and the local images"]
fn a_run_in_a_container_reaches_the_containers_that_it_starts_beside_itself() {
    let desk = desk_of(&SERVICES);
    let profile = profile(&desk);
    let image = desk.variable("CUTPROOF_IMAGE_REDIS").to_owned();
    let (evidence, program) = (desk.evidence(), env!("CARGO_BIN_EXE_cutproof"));
    let (folder, flag) = (argument(&desk.path("")), argument(&evidence));
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--user", "root", "--entrypoint", program]);
    for path in [SOCKET, &folder, program] {
        command.args(["--volume", &format!("{path}:{path}")]);
    }
    for service in ["REDIS", "KAFKA"] {
        let name = format!("CUTPROOF_IMAGE_{service}");
        command.args(["--env", &format!("{name}={}", desk.variable(&name))]);
    }
    command.arg(image);
    command.args(["rehearse", "--provision", "containers", "--profile", &profile, "--evidence-dir", &flag]);
    let run = Run::of(ended(command), &evidence).with_code(0);
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
