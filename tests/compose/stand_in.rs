//! What compose says and how it fails, by a program that is called in docker's place.

use crate::common::{Desk, FILES, Run, argument, env};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const SMALL: &str = r#"environment = "small"
[services.redis]
kind = "redis"
[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
"#;

/// A desk with a compose file, and a program in docker's place.
struct Stand {
    desk: Desk,
    file: String,
    docker: String,
}

impl Stand {
    /// `script` is the program; what it is called with is kept in the file `asked`.
    fn new(script: &str) -> Stand {
        let desk = Desk::new();
        let file = desk.write("compose.yaml", "services: {}\n");
        let asked = argument(&desk.path("asked"));
        let docker = desk.write("docker", &format!("#!/bin/sh\necho \"$*\" >> '{asked}'\n{script}\n"));
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        Stand { desk, file, docker }
    }

    /// One that answers `ps` with these lines.
    fn with_containers(lines: &str) -> Stand {
        Stand::new(&format!("case \"$*\" in *' ps '*) cat <<'END'\n{lines}\nEND\n;; *) exit 9 ;; esac"))
    }

    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.desk.path("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    fn flags(&self) -> [&str; 6] {
        ["--compose-file", &self.file, "--project-name", "mine", "--docker-bin", &self.docker]
    }

    /// Runs the small profile's gate on what this docker says.
    fn gates(&self, profile: &str, more: &[&str]) -> Run {
        let profile = self.desk.write("small.toml", profile);
        let run = ["gates", "run", "--profile", &profile];
        self.desk.measure(&[&run, &self.flags()[..], more].concat())
    }

    /// Why the gate could not be measured.
    #[track_caller]
    fn why(&self) -> String {
        let run = self.gates(SMALL, &[]).with_code(1);
        assert_eq!(run.verdict("redis-ping"), "error");
        run.expect_junit_agrees();
        run.reason("redis-ping").to_owned()
    }
}

fn redis(state: &str, more: &str) -> String {
    format!(r#"{{"Name":"mine-redis-1","Service":"redis","Image":"redis:7","State":"{state}"{more}}}"#)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port()
}

#[test]
fn a_service_that_has_ended_is_an_error_that_names_its_state_and_exit_code() {
    let stand = Stand::with_containers(&redis("exited", r#","ExitCode":137"#));
    let why = stand.why();
    assert!(why.contains("compose service `redis` is exited (exit code 137)"), "{why}");
    assert!(why.contains("--endpoint redis=ADDRESS"), "{why}");
    let file = &stand.file;
    assert_eq!(stand.asked(), [format!("compose -f {file} -p mine ps --all --format json")]);
}

#[test]
fn a_service_that_is_not_in_the_project_is_an_error_that_says_what_is() {
    let kafka = r#"[{"Name":"mine-kafka-1","Service":"kafka","State":"running","Health":"","ExitCode":0,"Publishers":null}]"#;
    let why = Stand::with_containers(kafka).why();
    assert!(
        why.contains("no service of the compose project is `redis`") && why.contains("it has `kafka`"),
        "{why}"
    );
}

#[test]
fn a_project_without_containers_is_an_error_that_names_those_that_have_some() {
    let stand =
        Stand::new(r#"case "$*" in *' ls '*) echo '[{"Name":"yours","Status":"running(5)"}]' ;; esac"#);
    let why = stand.why();
    assert!(why.contains("compose project `mine` has no containers"), "{why}");
    assert!(why.contains("projects that have some: `yours`"), "{why}");
}

#[test]
fn a_docker_that_is_not_there_or_fails_or_talks_nonsense_is_an_error_with_its_words() {
    let absent = Stand { docker: "/nowhere/docker".to_owned(), ..Stand::new("") };
    let why = absent.why();
    assert!(why.contains("was not started: program /nowhere/docker not found"), "{why}");
    let failing = Stand::new("echo 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2; exit 1");
    let why = failing.why();
    assert!(why.contains("ended with exit code 1: Cannot connect to the Docker daemon"), "{why}");
    let without_plugin = Stand::new("echo \"unknown shorthand flag: 'f' in -f\" >&2; exit 125");
    let why = without_plugin.why();
    assert!(why.contains("compose plugin seems not to be installed"), "{why}");
    let why = Stand::with_containers("NAME  IMAGE").why();
    assert!(why.contains("gave no list as it should") && why.contains("NAME  IMAGE"), "{why}");
}

#[test]
fn a_docker_that_hangs_is_ended_with_what_it_started_and_is_not_asked_again() {
    let stand = Stand::new("sleep 3600 & sleep 3600");
    let began = Instant::now();
    let why = stand.why();
    assert!(why.contains("was not done within 15 s, and was ended"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    assert_eq!(stand.asked().len(), 1);
    stand.desk.expect_nothing_left();
}

#[test]
fn flags_and_variables_go_before_compose_and_compose_before_the_profile() {
    let (port, other) = (free_port(), free_port());
    let publishers = format!(
        r#","Publishers":[{{"URL":"0.0.0.0","TargetPort":6379,"PublishedPort":{port},"Protocol":"tcp"}}]"#
    );
    let profile =
        SMALL.replace("kind = \"redis\"\n", &format!("kind = \"redis\"\nendpoint = \"127.0.0.1:{other}\"\n"));
    let stand = Stand::with_containers(&redis("running", &publishers));
    let run = stand.gates(&profile, &[]);
    let why = run.reason("redis-ping");
    assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("its container is running"), "{why}");
    let asked = stand.asked().len();
    let flag = format!("redis=127.0.0.1:{other}");
    let why = stand.gates(&profile, &["--endpoint", &flag]).reason("redis-ping").to_owned();
    assert!(why.contains(&format!("127.0.0.1:{other}")) && !why.contains("its container"), "{why}");
    assert_eq!(stand.asked().len(), asked, "a service with a flag of its own is not looked for");

    let mut stand = Stand::with_containers(&redis("running", &publishers));
    stand.desk.set("CUTPROOF_ENDPOINT_REDIS", &format!("127.0.0.1:{other}"));
    let why = stand.gates(&profile, &[]).reason("redis-ping").to_owned();
    assert!(why.contains(&format!("127.0.0.1:{other}")), "{why}");
    assert_eq!(stand.asked(), Vec::<String>::new());

    // Not in the project: where the profile says.
    let stand = Stand::with_containers(&redis("running", "").replace("redis", "kafka"));
    let why = stand.gates(&profile, &[]).reason("redis-ping").to_owned();
    assert!(why.contains(&format!("127.0.0.1:{other}")), "{why}");
}

#[test]
fn a_compose_file_that_is_not_there_is_refused_by_every_verb() {
    let desk = Desk::new();
    let evidence = desk.evidence();
    let profile = desk.write("small.toml", SMALL);
    let verbs: [&[&str]; 5] = [
        &["gates", "run", "--profile", &profile],
        &["rehearse", "--provision", "attach", "--profile", &profile],
        &["readiness"],
        &["watch", "--minutes", "1"],
        &["init", "debezium"],
    ];
    let flags = ["--compose-file", "nowhere/compose.yaml", "--evidence-dir", &argument(&evidence)];
    for verb in verbs {
        let refused = desk.run(&[verb, &flags].concat()).with_code(2);
        assert_eq!(refused.error(), "error: compose file not found: nowhere/compose.yaml", "{verb:?}");
    }
    let stray = desk.run(&["gates", "run", "--project-name", "mine"]).with_code(2);
    assert!(stray.stderr.contains("--compose-file <FILE>"), "{}", stray.stderr);
    assert!(!evidence.exists());
}

#[test]
fn a_compose_project_is_for_what_runs_already() {
    let stand = Stand::new("");
    let rehearse = ["rehearse", "--provision", "embedded", "--gates-only"];
    let refused = stand.desk.run(&[&rehearse, &stand.flags()[..]].concat()).with_code(2);
    assert!(refused.error().contains("expected --provision attach beside it"), "{}", refused.stderr);
}

#[test]
fn an_init_finds_its_service_in_the_project_and_records_what_it_always_did() {
    let port = free_port();
    let container = format!(
        r#"{{"Name":"mine-broker-1","Service":"broker","Image":"apache/kafka:4","State":"running","Publishers":[{{"URL":"","TargetPort":9092,"PublishedPort":{port}}}]}}"#
    );
    let stand = Stand::with_containers(&container);
    let (output, evidence) = (argument(&stand.desk.path("kafka.env")), argument(&stand.desk.evidence()));
    let init =
        ["init", "kafka", "--kafka-topics", "a.v1", "--output-file", &output, "--evidence-dir", &evidence];
    let init = [&init, &stand.flags()[..]].concat();
    let values = || env(&stand.desk.read("kafka.env"));
    stand.desk.run(&init).with_code(0);
    assert_eq!(stand.asked(), Vec::<String>::new(), "a dry run asks nobody");
    let dry = values();
    let refused = stand.desk.run(&[&init[..], &["--execute"]].concat()).with_code(2);
    assert!(refused.error().contains(&format!("127.0.0.1:{port}")), "{}", refused.stderr);
    let real = values();
    assert_eq!(real["KAFKA_TOPIC_INIT_SUCCESS"], "false");
    for key in ["COMPOSE_FILE", "PROJECT_NAME", "ENV_FILE", "SERVICE", "BOOTSTRAP_SERVER"] {
        let key = format!("KAFKA_TOPIC_INIT_{key}");
        assert_eq!(real[&key], dry[&key]);
    }
    assert_eq!(real["KAFKA_TOPIC_INIT_BOOTSTRAP_SERVER"], "kafka:9092");
    assert_eq!(real["KAFKA_TOPIC_INIT_ENV_FILE"], "infra/env/prodlike.env");
}

#[test]
fn an_init_never_takes_a_default_in_place_of_a_service_that_compose_lacks() {
    let stand = Stand::with_containers(&redis("running", ""));
    let (output, evidence) = (argument(&stand.desk.path("kafka.env")), argument(&stand.desk.evidence()));
    let init = ["init", "kafka", "--execute", "--output-file", &output, "--evidence-dir", &evidence];
    let refused = stand.desk.run(&[&init, &stand.flags()[..]].concat()).with_code(2);
    assert!(refused.error().contains("no service of the compose project is `kafka`"), "{}", refused.stderr);
}

/// Runs a bootstrap that must fail, and gives its evidence.
#[track_caller]
fn bootstrap(stand: &Stand, more: &[&str]) -> std::collections::BTreeMap<String, String> {
    let (output, evidence) = (argument(&stand.desk.path("result.env")), argument(&stand.desk.evidence()));
    let flags = ["bootstrap", "--execute", "--output-file", &output, "--evidence-dir", &evidence];
    stand.desk.run(&[&flags, &stand.flags()[..], &FILES, more].concat()).with_code(2);
    env(&stand.desk.read("result.env"))
}

#[test]
fn a_compose_up_that_hangs_ends_at_its_deadline_with_all_that_it_started() {
    let stand = Stand::new("echo 'Container redis Pulling' >&2; sleep 3600 & sleep 3600");
    let values = bootstrap(&stand, &["--compose-timeout-sec", "1"]);
    assert_eq!(values["PRODLIKE_FAILED_STEP"], "compose_up", "{values:#?}");
    assert_eq!((values["STEP_1_STATUS"].as_str(), values["PRODLIKE_TOTAL_STEPS"].as_str()), ("failed", "1"));
    let why = &values["STEP_1_DETAIL"];
    assert!(why.contains("was not done within 1 s, and was ended: Container redis Pulling"), "{why}");
    assert!(values["STEP_1_DURATION_MS"].parse::<u64>().expect("a number") >= 1000);
    assert_eq!(stand.asked().len(), 1, "{:?}", stand.asked());
    stand.desk.expect_nothing_left();
}

#[test]
fn a_compose_up_that_fails_is_told_with_its_last_lines() {
    let stand = Stand::new("printf 'one\\ntwo\\nError: port is already allocated\\n' >&2; exit 1");
    let values = bootstrap(&stand, &[]);
    let why = &values["STEP_1_DETAIL"];
    assert!(why.contains("ended with exit code 1: one | two | Error: port is already allocated"), "{why}");
    let up = format!("{} compose -f {} -p mine up -d", stand.docker, stand.file);
    assert_eq!(values["STEP_1_COMMAND"], up);
}

#[test]
fn a_container_that_ends_while_services_come_up_fails_the_bootstrap_at_once() {
    let exited = redis("exited", r#","ExitCode":1"#);
    let stand = Stand::with_containers(&exited);
    let script = fs::read_to_string(&stand.docker).expect("it is there").replace("exit 9", "exit 0");
    fs::write(&stand.docker, script).expect("a file of ours");
    // Nobody else is waited for.
    let others = ["postgres", "kafka", "connect", "clickhouse"].map(|name| format!("{name}=127.0.0.1:1"));
    let others: Vec<_> = others.iter().flat_map(|other| ["--endpoint", other.as_str()]).collect();
    let wait = ["--health-wait-timeout-sec", "1", "--health-wait-poll-interval-sec", "1"];
    let values = bootstrap(&stand, &[&wait[..], &others].concat());
    assert_eq!(values["PRODLIKE_FAILED_STEP"], "compose_up", "{values:#?}");
    assert_eq!(values["PRODLIKE_HEALTH_WAIT_TIMEOUT_SEC"], "1");
}

#[test]
fn down_and_ps_are_composes_own_words_and_a_dry_run_touches_nothing() {
    let stand = Stand::new("echo \"did $*\"; echo progress >&2");
    let down = ["bootstrap", "--action", "down"];
    let dry = stand.desk.run(&[&down, &stand.flags()[..]].concat()).with_code(0);
    let line = format!("compose -f {} -p mine down", stand.file);
    assert_eq!(dry.stdout, format!("dry run, nothing was done: {} {line}\n", stand.docker));
    assert_eq!(stand.asked(), Vec::<String>::new());
    let done = stand.desk.run(&[&down, &stand.flags()[..], &["--execute"]].concat()).with_code(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (&*format!("did {line}\n"), "progress\n"));
    let failing = Stand::new("echo 'no such project' >&2; exit 1");
    let ps = ["bootstrap", "--action", "ps", "--execute"];
    let refused = failing.desk.run(&[&ps, &failing.flags()[..]].concat()).with_code(2);
    assert!(refused.error().contains("ended with exit code 1: no such project"), "{}", refused.stderr);
}
