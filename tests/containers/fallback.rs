//! A machine without Docker. None of this needs one.

use crate::common::{Desk, Run, argument};
use crate::support::with;

const NOWHERE: (&str, &str) = ("DOCKER_HOST", "unix:///nowhere/docker.sock");

/// A profile of one Redis.
fn profile(desk: &Desk, more: &str) -> String {
    let text = format!(
        "environment = \"desk\"\n[services.redis]\nkind = \"redis\"\n{more}\n[[gate]]\nid = \"ping\"\nphase = \"infra\"\n\
         probe = \"redis_ping\"\nuses = [\"redis\"]\n"
    );
    desk.write("redis.toml", &text)
}

#[test]
fn auto_runs_on_local_processes_where_no_docker_answers_and_says_why() {
    let desk = Desk::new();
    let (profile, evidence) = (profile(&desk, ""), desk.evidence());
    let flag = argument(&evidence);
    let words = ["rehearse", "--provision", "auto", "--profile", &profile, "--evidence-dir", &flag];
    let run = Run::of(with(&desk, &words, &[NOWHERE]), &evidence).with_code(0);
    assert_eq!(run.summary["provisioner"], "embedded");
    let why = run.summary["provisioner_why"].as_str().expect("it says why");
    assert!(why.starts_with("no containers: ") && why.contains("/nowhere/docker.sock"), "{why}");
    let told = format!("embedded: {why}");
    assert!(run.ended.stderr.lines().any(|line| line.trim() == told), "{}", run.ended.stderr);
    desk.run(&["verify", &argument(&run.folder)]).with_code(0);
}

#[test]
fn containers_by_name_are_an_error_where_no_docker_answers_and_nothing_is_run() {
    let desk = Desk::new();
    let profile = profile(&desk, "");
    let refused = with(&desk, &["rehearse", "--provision", "containers", "--profile", &profile], &[NOWHERE]);
    let refused = refused.with_code(2);
    assert!(refused.error().contains("/nowhere/docker.sock"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--provision embedded"), "{}", refused.stderr);
    let up = with(&desk, &["engines", "up", "--provision", "containers", "--profile", &profile], &[NOWHERE]);
    up.with_code(2);
}

#[test]
fn a_program_of_this_machine_is_refused_in_containers_with_its_position() {
    let desk = Desk::new();
    let profile = profile(&desk, "from = \"/opt/redis/bin/redis-server\"");
    let refused = with(&desk, &["rehearse", "--provision", "containers", "--profile", &profile], &[NOWHERE]);
    let refused = refused.with_code(2);
    assert!(refused.error().contains("redis.toml:2:"), "{}", refused.stderr);
    assert!(refused.error().contains("/opt/redis/bin/redis-server"), "{}", refused.stderr);
}

#[test]
fn reuse_is_for_containers() {
    let desk = Desk::new();
    let profile = profile(&desk, "");
    for provision in ["embedded", "attach"] {
        let refused = desk.run(&["rehearse", "--provision", provision, "--reuse", "--profile", &profile]);
        assert!(refused.with_code(2).error().contains("--reuse is for containers"));
    }
    let refused = desk.run(&["engines", "up", "--provision", "attach", "--profile", &profile]);
    assert!(refused.with_code(2).error().contains("attach starts nothing"));
}
