//! What goes wrong with containers in the middle of a run: red gates, an end, and nothing left.

use crate::common::{argument, expect_soon, run_folder};
use crate::proxy::Proxy;
use crate::support::{
    Late, container, desk, desk_of, docker, expect_removed, of_run, single_host, slow, whole, with,
};

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_container_that_is_killed_or_paused_turns_a_gate_red_and_the_run_ends() {
    for command in ["kill", "pause"] {
        let desk = desk_of(&["redis"]);
        let late = Late::start(&desk);
        let run = late.run();
        docker(&[command, &container(&run, "redis")]);
        late.go_on();
        let ended = late.end().with_code(1);
        assert_eq!(ended.verdict("before"), "passed", "{command}");
        assert_ne!(ended.verdict("behind"), "passed", "{command}");
        expect_removed(&run);
    }
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_network_that_is_cut_turns_gates_red_and_the_run_ends() {
    let (_whole, desk) = (whole(), desk());
    let profile = single_host(&desk);
    let (evidence, flag) = (desk.evidence(), argument(&desk.path("evidence-0")));
    let words = ["rehearse", "--provision", "containers", "--gates-only", "--profile", &profile];
    let going = desk.start(&[&words[..], &["--evidence-dir", &flag]].concat());
    let up = |service: &str| {
        desk.read("err").lines().any(|line| line.starts_with(&format!("  up       {service} ")))
    };
    expect_soon("ClickHouse is up", || up("clickhouse"));
    let folder = argument(&run_folder(&evidence).expect("the run has a folder"));
    let run = folder.rsplit('/').next().expect("a folder has a name");
    let network = docker(&["network", "ls", "--quiet", "--filter", &format!("label=cutproof.run={run}")]);
    docker(&["network", "disconnect", "--force", network.trim(), &container(run, "clickhouse")]);
    let code = going.end().code();
    assert_eq!(code, Some(1), "{}", desk.read("err"));
    let red = desk.read("err");
    let of_clickhouse = |line: &&str| {
        line.contains("clickhouse") && ["FAILED", "ERROR", "NO DATA"].iter().any(|word| line.contains(word))
    };
    assert!(red.lines().any(|line| of_clickhouse(&line)), "{red}");
    expect_removed(run);
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_docker_that_goes_away_ends_the_run_red_and_the_next_run_removes_what_is_left() {
    let mut desk = desk_of(&["kafka", "redis"]);
    let proxy = Proxy::start(desk.path("docker.sock"));
    desk.set("DOCKER_HOST", &proxy.address());
    let (profile, words) = slow(&desk);
    let (evidence, flag) = (desk.evidence(), argument(&desk.path("evidence-0")));
    let going = desk.start(&[&words[..], &["--profile", &profile, "--evidence-dir", &flag]].concat());
    let run = || {
        run_folder(&evidence)
            .map(|folder| argument(&folder).rsplit('/').next().unwrap_or_default().to_owned())
    };
    let made = || run().is_some_and(|run| of_run(&run).iter().any(|name| name.ends_with("kafka")));
    expect_soon("Kafka's container is made", made);
    proxy.cut();
    let code = going.end().code();
    assert_eq!(code, Some(1), "{}", desk.read("err"));
    let told = desk.read("err");
    assert!(told.contains("DOWN     kafka"), "{told}");
    // Nobody could remove them; whoever reaches Docker again does.
    let run = run().expect("the run has a folder");
    desk.set("DOCKER_HOST", &Proxy::real());
    let next = Late::begin(&desk);
    desk.write("go", "");
    next.end().with_code(0);
    expect_removed(&run);
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn an_image_that_is_nowhere_is_an_error_before_anything_runs() {
    let desk = desk_of(&[]);
    let profile = desk.write(
        "nowhere.toml",
        "environment = \"nowhere\"\n[services.redis]\nkind = \"redis\"\n[[gate]]\nid = \"ping\"\nphase = \"infra\"\n\
         probe = \"redis_ping\"\nuses = [\"redis\"]\n",
    );
    let image = ("CUTPROOF_IMAGE_REDIS", "localhost:1/cutproof/nowhere:0");
    let refused = with(&desk, &["rehearse", "--provision", "containers", "--profile", &profile], &[image]);
    let refused = refused.with_code(2);
    assert!(refused.stderr.contains("localhost:1/cutproof/nowhere:0"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--provision embedded"), "{}", refused.stderr);
}
