//! Containers that stay up: `engines up`, `--keep` and `--reuse`.

use crate::common::{Desk, argument, ended, env, expect_soon, signal};
use crate::support::{desk, desk_of, docker, expect_removed, single_host, whole};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;

/// The engines of a name, as their holder wrote them down: its process, and the run of their containers.
fn held(desk: &Desk, name: &str) -> i32 {
    let text = desk.read(&format!("state/cutproof/engines/{name}.json"));
    let file: Value = serde_json::from_str(&text).expect("the file is JSON");
    assert_eq!(file["provisioner"], "containers");
    file["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a process")
}

/// The run whose containers have this name of engines in it.
fn run_of(name: &str) -> String {
    let format = "{{.Label \"cutproof.run\"}}";
    let runs = docker(&["ps", "--filter", "label=cutproof.run", "--format", format]);
    let end = format!("-engines-{name}");
    let run = runs.lines().find(|run| run.ends_with(&end));
    run.unwrap_or_else(|| panic!("no containers of {name} in {runs}")).to_owned()
}

fn up(desk: &Desk, name: &str) -> BTreeMap<String, String> {
    let profile = single_host(desk);
    let words = ["engines", "up", "--provision", "containers", "--name", name, "--profile", &profile];
    env(&desk.run(&words).with_code(0).stdout)
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn containers_that_are_left_up_can_be_measured_and_ended() {
    let (_whole, desk) = (whole(), desk());
    let name = format!("up-{}", std::process::id());
    let variables = up(&desk, &name);
    let run = run_of(&name);
    let status = desk.run(&["engines", "status"]).with_code(0).stdout;
    assert!(
        status.contains(&format!("{name}: up (containers)")) && status.contains("cutproof/kafka:local"),
        "{status}"
    );
    // What one container is told of another is where that one sees it.
    let evidence = desk.evidence();
    let mut command = desk.cutproof(&["gates", "run", "--allow-writes", "--profile", &single_host(&desk)]);
    let only = "kafka-topic-init,clickhouse-schema-init,debezium-connector-init";
    command.args(["--only", only, "--evidence-dir", &argument(&evidence)]).envs(&variables);
    ended(command).with_code(0);
    desk.run(&["engines", "down", "--name", &name]).with_code(0);
    expect_removed(&run);
    desk.expect_nothing_left();
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn containers_that_are_left_up_are_gone_with_their_holder() {
    let (_whole, desk) = (whole(), desk());
    let name = format!("held-{}", std::process::id());
    up(&desk, &name);
    let run = run_of(&name);
    signal(held(&desk, &name), Signal::KILL);
    expect_removed(&run);
    expect_soon("no process is left", || desk.processes().is_empty());
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_run_that_keeps_its_containers_is_of_containers_and_they_can_be_ended() {
    let (_whole, desk) = (whole(), desk());
    let kept =
        desk.measure(&["rehearse", "--keep", "--provision", "containers", "--profile", &single_host(&desk)]);
    let kept = kept.with_code(0);
    assert_eq!(kept.summary["provisioner"], "containers");
    let told = kept.ended.stderr.lines().find_map(|line| line.split("engines down --name ").nth(1));
    let name = told.expect("it says how to end them").trim_end_matches('`');
    let run = run_of(name);
    desk.run(&["engines", "down", "--name", name]).with_code(0);
    expect_removed(&run);
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn containers_that_are_reused_are_the_same_ones() {
    let mut desk = desk_of(&["redis"]);
    // A service of this test's own, so that nobody else's containers answer to the same requests.
    let name = format!("reuse-{}", std::process::id());
    let text = format!(
        "environment = \"reuse\"\n[services.{name}]\nkind = \"redis\"\n[[gate]]\nid = \"ping\"\nphase = \"infra\"\n\
         probe = \"redis_ping\"\nuses = [\"{name}\"]\n"
    );
    let image = std::env::var("CUTPROOF_IMAGE_REDIS").unwrap_or_else(|_| "cutproof/redis:local".to_owned());
    desk.set(&format!("CUTPROOF_IMAGE_{}", name.to_uppercase().replace('-', "_")), &image);
    let profile = desk.write("reuse.toml", &text);
    let filter = format!("label=cutproof.service={name}");
    let there = || docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter]).trim().to_owned();
    let words = ["rehearse", "--provision", "containers", "--reuse", "--profile", &profile];
    desk.measure(&words).with_code(0);
    let first = there();
    let second = desk.measure(&words).with_code(0);
    assert!(!first.is_empty());
    assert_eq!(there(), first);
    assert!(
        second.ended.stderr.contains("containers of an earlier run are used again"),
        "{}",
        second.ended.stderr
    );
    let network = docker(&[
        "inspect",
        "--format",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}",
        &first,
    ]);
    docker(&["rm", "--force", &first]);
    docker(&["network", "rm", network.trim()]);
}
