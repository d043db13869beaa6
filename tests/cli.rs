//! The command line as a person or a script meets it: help, mistakes, dry runs, and verbs that need no service.

mod common;

use common::{Desk, argument, env};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A profile with little in it, whose gates no test here runs for real.
const SMALL: &str = r#"
environment = "desk"
[services.redis]
kind = "redis"
stands_for = "redis:7.2-alpine"
[services.kafka]
kind = "kafka"
[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
tags = ["fast"]
[[gate]]
id = "topics"
phase = "infra"
probe = "kafka_init"
uses = ["kafka"]
writes = true
with = { topics = ["a", "b"] }
[[gate]]
id = "topics-there"
phase = "readiness"
probe = "kafka_topics"
uses = ["kafka"]
needs = ["topics"]
required = false
with = { topics = ["a", "b"] }
"#;

#[test]
fn help_names_every_verb() {
    let help = Desk::new().run(&["--help"]).with_code(0);
    insta::assert_snapshot!(help.stdout, @r"
    Test harness and evidence verifier for one-shot cutovers: every readiness, infra and evidence gate
    is a test case, measured against real services

    Usage: cutproof <COMMAND>

    Commands:
      rehearse   Start the real engines, set them up, run every gate, rehearse the cutover, write JUnit
                 and evidence
      plan       Write the runbook's checklist from the two templates
      cutover    Switch to the new core by the two templates, and roll back where anything is red. A dry
                 run unless --execute is given
      rollback   Take the way back by the rollback template: seven steps on their own. A dry run unless
                 --execute is given
      watch      Watch the minutes after a switch on an environment that runs, read only; or judge a
                 recorded watch again
      status     Show where a run stands: going on, ended, or killed; reads only
      readiness  Judge the ten service levels, measured by a profile's gates or declared by flags
      verify     Judge evidence: runs' folders, files, or the two files of a cutover and its rollback;
                 reads files and nothing else
      keygen     Make a pair of keys to sign with
      sign       Sign runs, sign-offs and policies; what was tampered with is not signed
      signoff    Judge the runs of a window by a policy, and write and sign whether it may be used;
                 reads files and nothing else
      report     Write what a policy makes of runs as a page to read, print and sign: HTML, and
                 Markdown. Exits as `signoff` does
      merge      Make one bundle of the bundles of a plan's shards; reads and writes files and nothing
                 else
      gates      List the gates of a profile, or run them on an environment that is already up
      engines    Install, start and end engines that stay up, as containers or as local processes
      nextest    Gates under cargo-nextest: one run for all its processes
      init       Create topics, schemas and connectors; safe to repeat. A dry run unless --execute is
                 given
      bootstrap  Bring an environment up and set it up: services, schemas, topics, connectors, health
      schema     Print the JSON Schema of profiles, for editors
      help       Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version
    ");
}

#[test]
fn help_of_a_rehearsal_names_its_flags() {
    let help = Desk::new().run(&["rehearse", "-h"]).with_code(0);
    insta::assert_snapshot!(help.stdout, @r"
    Start the real engines, set them up, run every gate, rehearse the cutover, write JUnit and evidence

    Usage: cutproof rehearse [OPTIONS]

    Options:
          --profile <FILE>           A profile: a path, or the NAME of gates/NAME.toml [env:
                                     CUTPROOF_PROFILE=] [default: single-host]
          --evidence-dir <DIR>       Where evidence goes, in a folder of the run [env:
                                     CUTPROOF_EVIDENCE_DIR=] [default: evidence]
          --jobs <N>                 How many gates run side by side [default: 8]
          --endpoint <NAME=ADDRESS>  Where a service is, for this run: NAME=ADDRESS (or the variable
                                     CUTPROOF_ENDPOINT_NAME)
          --compose-file <FILE>      Find services in a compose project, by the ports that it publishes:
                                     its compose file
          --project-name <NAME>      The compose project's name [default: quant-hft-single-host]
          --env-file <FILE>          The compose project's variables
          --docker-bin <PROGRAM>     The program that runs compose [default: docker]
          --fail-on-flaky            Count a required gate that passed only after another attempt
                                     against the run
          --dry-run                  Check the plan and touch nothing [env: CUTPROOF_DRY_RUN=]
          --export [<DIR>]           Also copy the evidence to the runbook's paths (default folder:
                                     docs/results)
          --provision <PROVISION>    Who gives the services [env: CUTPROOF_PROVISION=embedded] [default:
                                     auto] [possible values: auto, containers, embedded, attach]
          --reuse                    Take up the containers that an earlier run left, and leave them for
                                     the next (with containers)
          --allow-writes             Let gates that write do so in an environment that is attached to
          --keep                     Leave the services up, and print where they are
          --fault <NAME>             Make a fault in the cutover, and see that it ends as it deserves;
                                     `list` names them all
          --watch <DURATION>         How long the cutover's watch lasts [default: the profile's
                                     `rehearsal_watch`]
          --gates-only               Run the gates only, and rehearse no cutover
      -h, --help                     Print help (see more with '--help')

    Selection (a run of a selection is PARTIAL and signs nothing off):
          --only <GATE>      Only these gates, and what they need; ids or patterns with *
          --skip <GATE>      Not these gates
          --tag <TAG>        Only gates with one of these tags
          --phase <PHASE>    Only gates of these phases
          --partition <I/N>  Only this share of the gates, and what they need; `auto` goes by variables
    ");
}

#[test]
fn help_of_gates_names_its_verbs_and_flags() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.run(&["gates", "-h"]).with_code(0).stdout, @r"
    List the gates of a profile, or run them on an environment that is already up

    Usage: cutproof gates <COMMAND>

    Commands:
      list  Show the plan as a table; starts nothing
      run   Run the gates on an environment that is already up
      help  Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(desk.run(&["gates", "run", "-h"]).with_code(0).stdout, @r"
    Run the gates on an environment that is already up

    Usage: cutproof gates run [OPTIONS]

    Options:
          --profile <FILE>           A profile: a path, or the NAME of gates/NAME.toml [env:
                                     CUTPROOF_PROFILE=] [default: single-host]
          --evidence-dir <DIR>       Where evidence goes, in a folder of the run [env:
                                     CUTPROOF_EVIDENCE_DIR=] [default: evidence]
          --jobs <N>                 How many gates run side by side [default: 8]
          --endpoint <NAME=ADDRESS>  Where a service is, for this run: NAME=ADDRESS (or the variable
                                     CUTPROOF_ENDPOINT_NAME)
          --compose-file <FILE>      Find services in a compose project, by the ports that it publishes:
                                     its compose file
          --project-name <NAME>      The compose project's name [default: quant-hft-single-host]
          --env-file <FILE>          The compose project's variables
          --docker-bin <PROGRAM>     The program that runs compose [default: docker]
          --fail-on-flaky            Count a required gate that passed only after another attempt
                                     against the run
          --dry-run                  Check the plan and touch nothing [env: CUTPROOF_DRY_RUN=]
          --export [<DIR>]           Also copy the evidence to the runbook's paths (default folder:
                                     docs/results)
          --allow-writes             Let gates that write do so
      -h, --help                     Print help (see more with '--help')

    Selection (a run of a selection is PARTIAL and signs nothing off):
          --only <GATE>      Only these gates, and what they need; ids or patterns with *
          --skip <GATE>      Not these gates
          --tag <TAG>        Only gates with one of these tags
          --phase <PHASE>    Only gates of these phases
          --partition <I/N>  Only this share of the gates, and what they need; `auto` goes by variables
    ");
}

#[test]
fn help_of_merge_names_its_flags() {
    insta::assert_snapshot!(Desk::new().run(&["merge", "-h"]).with_code(0).stdout, @r"
    Make one bundle of the bundles of a plan's shards; reads and writes files and nothing else

    Usage: cutproof merge --output <DIR> <SHARD>...

    Arguments:
      <SHARD>...  The folders of all shards' runs, in any order

    Options:
          --output <DIR>  The folder of the merged bundle, which is not there yet
      -h, --help          Print help
    ");
}

#[test]
fn help_of_engines_names_its_verbs() {
    let help = Desk::new().run(&["engines", "-h"]).with_code(0);
    insta::assert_snapshot!(help.stdout, @r"
    Install, start and end engines that stay up, as containers or as local processes

    Usage: cutproof engines <COMMAND>

    Commands:
      install  Fetch and prepare the embedded engines; once, and again only where something is lacking
      up       Start the engines of a profile and leave them up; prints their endpoints as variables
      status   Show which engines are up, and how they are
      down     End engines that were left up
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help
    ");
}

#[test]
fn help_of_inits_has_the_flags_of_the_runbook() {
    let desk = Desk::new();
    let flags = |verb: &[&str]| {
        let help = desk.run(&[verb, &["--help"]].concat()).with_code(0).stdout;
        let words = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
            .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').to_owned());
        words.collect::<std::collections::BTreeSet<_>>()
    };
    let common =
        ["--compose-file", "--project-name", "--env-file", "--output-file", "--execute", "--dry-run"];
    let cases: [(&[&str], &[&str]); 4] = [
        (
            &["init", "kafka"],
            &[
                "--kafka-bootstrap-server",
                "--kafka-topics",
                "--kafka-topic",
                "--kafka-partitions",
                "--kafka-replication-factor",
                "--kafka-service",
            ],
        ),
        (&["init", "clickhouse"], &["--schema-dir", "--clickhouse-db", "--clickhouse-service"]),
        (
            &["init", "timescale"],
            &[
                "--schema-dir",
                "--schema-file",
                "--timescale-db",
                "--timescale-user",
                "--expected-table-count",
            ],
        ),
        (&["bootstrap"], &["--profile", "--action", "--docker-bin", "--health-wait-timeout-sec"]),
    ];
    for (verb, own) in cases {
        let flags = flags(verb);
        for flag in common.iter().chain(own) {
            assert!(flags.contains(*flag), "{verb:?} has no {flag}; it has {flags:?}");
        }
    }
    let debezium = flags(&["init", "debezium"]);
    for flag in [
        "--connect-url",
        "--trading-core-connector-file",
        "--ops-audit-connector-file",
        "--output-file",
        "--execute",
    ] {
        assert!(debezium.contains(flag), "init debezium has no {flag}; it has {debezium:?}");
    }
}

#[test]
fn the_version_is_one_line() {
    let version = Desk::new().run(&["--version"]).with_code(0);
    assert_eq!(version.stdout, format!("cutproof {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.stderr, "");
}

#[test]
fn what_is_no_verb_or_option_is_exit_code_2() {
    let desk = Desk::new();
    let mistakes: [&[&str]; 8] = [
        &[],
        &["nonsense"],
        &["rehearse", "--nonsense"],
        &["rehearse", "--jobs", "0"],
        &["rehearse", "--endpoint", "redis"],
        &["rehearse", "--provision", "cloud"],
        &["init", "kafka", "--execute", "--dry-run"],
        &["init", "kafka", "--kafka-partitions", "six"],
    ];
    for arguments in mistakes {
        let ended = desk.run(arguments).with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    let unknown = desk.run(&["rehearse", "--dry-rum"]).with_code(2);
    insta::assert_snapshot!(unknown.stderr, @r"
    error: unexpected argument '--dry-rum' found

      tip: a similar argument exists: '--dry-run'

    Usage: cutproof rehearse --dry-run

    For more information, try '--help'.
    ");
}

#[test]
fn a_mistake_leaves_no_evidence() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("small.toml", SMALL), desk.evidence());
    let mistakes: [&[&str]; 6] = [
        &["--only", "redis-pin"],
        &["--skip", "nothing-like-it"],
        &["--tag", "slow"],
        &["--phase", "before"],
        &["--only", "redis-ping", "--tag", "fast", "--phase", "readiness"],
        &["--skip", "*"],
    ];
    let mut said = String::new();
    for mistake in mistakes {
        let flags = ["rehearse", "--dry-run", "--profile", &profile, "--evidence-dir"];
        let evidence = argument(&evidence);
        let ended = desk.run(&[&flags[..], &[&evidence], mistake].concat()).with_code(2);
        said.push_str(ended.error());
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r"
    error: --only: unknown gate `redis-pin`; nearest: `redis-ping`
    error: --skip: unknown gate `nothing-like-it`; expected one of `redis-ping`, `topics`, `topics-there`
    error: --tag: no gate has the tag `slow`; expected `fast`
    error: --phase: unknown phase `before`; expected one of `infra`, `readiness`, `switch`, `watch`, `rollback`, `evidence`
    error: nothing is selected: no gate fits --only redis-ping --tag fast --phase readiness
    error: nothing is selected: no gate fits --skip *; `redis-ping`: --skip leaves it out
    ");
    assert!(!evidence.exists());
}

#[test]
fn the_schema_is_the_one_in_the_documents() {
    let schema = Desk::new().run(&["schema"]).with_code(0);
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profile.schema.json"));
    assert!(
        schema.stdout == kept.expect("it is there"),
        "write it anew: cutproof schema > docs/profile.schema.json"
    );
}

#[test]
fn a_plan_is_listed_without_a_service() {
    let desk = Desk::new();
    let profile = desk.write("small.toml", SMALL);
    let all = desk.run(&["gates", "list", "--profile", &profile]).with_code(0);
    insta::assert_snapshot!(all.stdout, @r#"
    GATE                     RUNS      PROBE         USES   NEEDS   EXPECTS
    infra::redis-ping        required  redis_ping    redis  -       role == "master" and loading == false
    infra::topics            required  kafka_init    kafka  -       success == true
    readiness::topics-there  optional  kafka_topics  kafka  topics  topics_missing == 0 and mismatched == 0 and offline_partitions == 0 and under_replicated == 0
    "#);
    let some = desk.run(&["gates", "list", "--profile", &profile, "--tag", "fast"]).with_code(0);
    insta::assert_snapshot!(some.stdout, @r#"
    GATE                     RUNS          PROBE         USES   NEEDS   EXPECTS
    infra::redis-ping        required      redis_ping    redis  -       role == "master" and loading == false
    infra::topics            not selected  kafka_init    kafka  -       success == true
    readiness::topics-there  not selected  kafka_topics  kafka  topics  topics_missing == 0 and mismatched == 0 and offline_partitions == 0 and under_replicated == 0
    "#);
}

#[test]
fn every_profile_of_the_repository_is_sound() {
    let desk = Desk::new();
    let gates =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("gates")).expect("there are profiles");
    let mut seen = 0;
    let files = gates.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    for profile in files {
        let name = profile.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
        desk.run(&["gates", "list", "--profile", &name]).with_code(0);
        let run = desk.measure(&["rehearse", "--dry-run", "--profile", &name]).with_code(0);
        assert_eq!(run.summary["verdict"], "simulated", "{name}");
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn a_wrong_profile_is_told_with_place_and_nearest_name() {
    let desk = Desk::new();
    let said = |text: &str| {
        let profile = desk.write("wrong.toml", text);
        let ended = desk.run(&["gates", "list", "--profile", &profile]).with_code(2);
        ended.stderr.replace(&profile, "wrong.toml")
    };
    let wrong = SMALL
        .replace("probe = \"redis_ping\"", "probe = \"redis_pong\"")
        .replace("needs = [\"topics\"]", "needs = [\"topic\"]\ntimeout = \"5 sheep\"")
        .replace("required = false", "requierd = false");
    insta::assert_snapshot!(said(&wrong), @r#"
    error: wrong.toml:11:9: unknown probe `redis_pong` in gate `redis-ping`; nearest: `redis_ping`
        probe = "redis_pong"
                ^^^^^^^^^^^^
    wrong.toml:26:10: unknown gate `topic` in `needs` of gate `topics-there`; nearest: `topics`
        needs = ["topic"]
                 ^^^^^^^
    wrong.toml:27:14: `timeout` in gate `topics-there`: expected a duration with its unit, such as "200ms" or "5s"; got `5 sheep`
        timeout = "5 sheep"
                     ^^^^^
    wrong.toml:28:1: unknown key `requierd` in gate `topics-there`; nearest: `required`
        requierd …
        ^^^^^^^^
    "#);
    insta::assert_snapshot!(said("environment = \"x\"\n[services.redis\n"), @r"
    error: wrong.toml:2:16: not TOML: unclosed table, expected `]`
        [services.redis
                       ^
    ");
    insta::assert_snapshot!(said(""), @"error: profile wrong.toml is empty: expected at least `environment` and one `[[gate]]`");
    insta::assert_snapshot!(said(&SMALL.replace("tags = [\"fast\"]", "needs = [\"redis-ping\"]")), @r#"
    error: wrong.toml:13:10: gates wait for each other in a circle: redis-ping → redis-ping
        needs = ["redis-ping"]
                 ^^^^^^^^^^^^
    "#);
}

#[test]
fn a_profile_that_can_not_be_read_is_one_error() {
    let desk = Desk::new();
    let folder = argument(&desk.path("folder"));
    fs::create_dir(&folder).expect("a folder of ours");
    let binary = desk.path("binary.toml");
    fs::write(&binary, b"environment = \"\xff\xfe\"\n").expect("a file of ours");
    let mut said = String::new();
    for profile in ["no-such-profile", "gates/nowhere.toml", &folder, &argument(&binary)] {
        let ended = desk.run(&["rehearse", "--dry-run", "--profile", profile]).with_code(2);
        said.push_str(&ended.error().replace(&argument(&desk.path("")), "DESK/"));
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r"
    error: profile not found: gates/no-such-profile.toml
    error: profile not found: gates/nowhere.toml
    error: profile DESK/folder is a folder: expected a TOML file
    error: profile DESK/binary.toml is not UTF-8: byte 16 on line 1 is not part of any character
    ");
}

#[test]
fn a_dry_run_needs_no_service_and_says_simulated_everywhere() {
    let desk = Desk::new();
    let profile = desk.write("small.toml", SMALL);
    let run = desk.measure(&["rehearse", "--dry-run", "--profile", &profile]).with_code(0);
    assert_eq!(run.summary["verdict"], "simulated");
    assert_eq!(run.summary["dry_run"], true);
    for (id, (verdict, reason)) in run.gates() {
        assert_eq!((verdict, reason.contains("simulated")), ("skipped", true), "{id}: {reason}");
    }
    let topics = run.env("kafka_topic_init_result.env");
    assert_eq!(topics["KAFKA_TOPIC_INIT_DRY_RUN"], "1");
    let steps: Vec<_> =
        topics.iter().filter(|(key, _)| key.ends_with("_STATUS")).map(|(_, value)| value).collect();
    assert_eq!(steps, ["simulated_ok"; 4]);
    for case in run.junit().test_suites.iter().flat_map(|suite| &suite.test_cases) {
        assert!(matches!(case.status, quick_junit::TestCaseStatus::Skipped { .. }), "{:?}", case.name);
    }
    assert!(
        run.ended.stdout.lines().last().is_some_and(|line| line.starts_with("DRY RUN")),
        "{}",
        run.ended.stdout
    );
    assert!(!desk.path("state").exists(), "a dry run makes no folder for engines");
    // The variable says the same as the flag.
    let evidence = desk.evidence();
    let mut command =
        desk.cutproof(&["gates", "run", "--profile", &profile, "--evidence-dir", &argument(&evidence)]);
    let by_variable = common::Run::of(
        common::ended({
            command.env("CUTPROOF_DRY_RUN", "1");
            command
        }),
        &evidence,
    );
    assert_eq!(by_variable.with_code(0).summary["verdict"], "simulated");
}

#[test]
fn an_init_is_a_dry_run_that_prints_the_path_of_its_evidence() {
    let desk = Desk::new();
    let (evidence, output) = (argument(&desk.evidence()), argument(&desk.path("out/kafka.env")));
    let flags = ["--output-file", &output, "--evidence-dir", &evidence];
    let dry = desk.run(&[&["init", "kafka"][..], &flags].concat()).with_code(0);
    assert_eq!(dry.stdout, format!("{output}\n"));
    let text = fs::read_to_string(&output).expect("the evidence is there");
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key);
    let own: Vec<_> = keys.filter(|key| key.starts_with("KAFKA_") || key.starts_with("STEP_1_")).collect();
    insta::assert_snapshot!(own.join("\n"), @r"
    KAFKA_TOPIC_INIT_DRY_RUN
    KAFKA_TOPIC_INIT_SUCCESS
    KAFKA_TOPIC_INIT_FAILED_STEP
    KAFKA_TOPIC_INIT_COMPOSE_FILE
    KAFKA_TOPIC_INIT_PROJECT_NAME
    KAFKA_TOPIC_INIT_ENV_FILE
    KAFKA_TOPIC_INIT_SERVICE
    KAFKA_TOPIC_INIT_BOOTSTRAP_SERVER
    KAFKA_TOPIC_INIT_TOPIC
    KAFKA_TOPIC_INIT_TOPICS
    KAFKA_TOPIC_INIT_TOPIC_COUNT
    KAFKA_TOPIC_INIT_PARTITIONS
    KAFKA_TOPIC_INIT_REPLICATION_FACTOR
    KAFKA_TOPIC_INIT_TOTAL_STEPS
    STEP_1_NAME
    STEP_1_STATUS
    STEP_1_DURATION_MS
    STEP_1_COMMAND
    ");
    let values = env(&text);
    assert_eq!(values["KAFKA_TOPIC_INIT_DRY_RUN"], "1");
    assert_eq!(values["KAFKA_TOPIC_INIT_SUCCESS"], "true");
    assert_eq!(values["KAFKA_TOPIC_INIT_TOTAL_STEPS"], "12");
    assert_eq!(values["KAFKA_TOPIC_INIT_BOOTSTRAP_SERVER"], "kafka:9092");
    let names: Vec<_> = (1..=12).map(|n| values[&format!("STEP_{n}_NAME")].as_str()).collect();
    assert_eq!(
        names[..3],
        ["create_market.ticks.v1", "verify_market.ticks.v1", "create_quant_hft_pg.trading_core.orders"]
    );
    assert!((1..=12).all(|n| values[&format!("STEP_{n}_STATUS")] == "simulated_ok"));
}

#[test]
fn the_init_of_connectors_knows_their_names_before_it_begins() {
    let desk = Desk::new();
    let (evidence, output) = (argument(&desk.evidence()), argument(&desk.path("debezium.env")));
    desk.run(&[
        "init",
        "debezium",
        "--connect-url",
        "http://connect.example:8083",
        "--trading-core-connector-file",
        "fixtures/debezium/connector-trading-core.json",
        "--ops-audit-connector-file",
        "fixtures/debezium/connector-ops-audit.json",
        "--output-file",
        &output,
        "--evidence-dir",
        &evidence,
    ])
    .with_code(0);
    let values = env(&fs::read_to_string(&output).expect("the evidence is there"));
    let value = |key: &str| values[&format!("DEBEZIUM_CONNECTOR_INIT_{key}")].clone();
    assert_eq!(value("DRY_RUN"), "1");
    assert_eq!(value("CONNECT_URL"), "http://connect.example:8083");
    assert_eq!(value("TRADING_CORE_FILE"), "fixtures/debezium/connector-trading-core.json");
    assert_eq!(value("TRADING_CORE_NAME"), "trading-core-connector");
    assert_eq!(value("OPS_AUDIT_NAME"), "ops-audit-connector");
    let names: Vec<_> = (1..=4).map(|n| values[&format!("STEP_{n}_NAME")].as_str()).collect();
    assert_eq!(names, ["apply_trading_core", "verify_trading_core", "apply_ops_audit", "verify_ops_audit"]);
}

#[test]
fn a_file_that_an_init_is_given_must_be_there_also_in_a_dry_run() {
    let desk = Desk::new();
    let (evidence, output) = (desk.evidence(), desk.path("none.env"));
    let cases: [&[&str]; 7] = [
        &["init", "kafka", "--compose-file", "nowhere/compose.yaml"],
        &["init", "clickhouse", "--schema-dir", "nowhere/schema"],
        &["init", "timescale", "--schema-dir", "nowhere/schema"],
        &["init", "timescale", "--schema-file", "nowhere/schema.sql"],
        &["init", "debezium", "--trading-core-connector-file", "nowhere/core.json"],
        &[
            "init",
            "debezium",
            "--trading-core-connector-file",
            "fixtures/debezium/connector-trading-core.json",
            "--ops-audit-connector-file",
            "nowhere/audit.json",
        ],
        &["bootstrap", "--compose-file", "nowhere/compose.yaml"],
    ];
    let mut said = String::new();
    for arguments in cases {
        let (evidence, output) = (argument(&evidence), argument(&output));
        let flags = ["--output-file", &output, "--evidence-dir", &evidence];
        let ended = desk.run(&[arguments, &flags].concat()).with_code(2);
        said.push_str(ended.error());
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r"
    error: compose file not found: nowhere/compose.yaml
    error: schema folder not found: nowhere/schema
    error: schema folder not found: nowhere/schema
    error: schema file not found: nowhere/schema.sql
    error: connector file not found: nowhere/core.json
    error: connector file not found: nowhere/audit.json
    error: compose file not found: nowhere/compose.yaml
    ");
    assert!(!output.exists() && !evidence.exists());
}

#[test]
fn an_init_with_nothing_listening_fails_soon_and_names_its_first_step() {
    let desk = Desk::new();
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let (server, output) = (free.to_string(), argument(&desk.path("kafka.env")));
    let began = Instant::now();
    let evidence = argument(&desk.evidence());
    let flags = ["--kafka-bootstrap-server", &server, "--output-file", &output, "--evidence-dir", &evidence];
    let ended = desk.run(&[&["init", "kafka", "--execute"][..], &flags].concat()).with_code(2);
    assert!(began.elapsed() < Duration::from_secs(30), "the connect timeout is 5 s: {:?}", began.elapsed());
    assert!(ended.error().contains(&server), "{}", ended.stderr);
    let values = env(&fs::read_to_string(&output).expect("the evidence is there"));
    assert_eq!(values["KAFKA_TOPIC_INIT_DRY_RUN"], "0");
    assert_eq!(values["KAFKA_TOPIC_INIT_SUCCESS"], "false");
    assert_eq!(values["KAFKA_TOPIC_INIT_FAILED_STEP"], "create_market.ticks.v1");
    assert_eq!(values["STEP_1_STATUS"], "failed");
}

#[test]
fn gates_that_write_are_refused_where_nobody_allowed_them() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("small.toml", SMALL), desk.evidence());
    let flags = ["gates", "run", "--profile", &profile, "--evidence-dir", &argument(&evidence)];
    let refused = desk.run(&flags).with_code(2);
    insta::assert_snapshot!(refused.error(), @"error: gates that write to the environment, which is not ours: `topics`; expected --allow-writes, or --skip for each of them");
    assert!(!evidence.exists());
}

#[test]
fn an_endpoint_of_no_service_is_refused() {
    let desk = Desk::new();
    let (profile, evidence) = (desk.write("small.toml", SMALL), argument(&desk.evidence()));
    let flags = ["gates", "run", "--only", "redis-ping", "--profile", &profile, "--evidence-dir", &evidence];
    let refused = desk.run(&[&flags[..], &["--endpoint", "redsi=127.0.0.1:1"]].concat()).with_code(2);
    insta::assert_snapshot!(refused.error(), @"error: --endpoint redsi: there is no such service in the plan; it has redis");
}

#[test]
fn engines_that_nobody_started_can_not_be_ended() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["engines", "status"]).with_code(0).stdout, "no engines are up\n");
    let ended = desk.run(&["engines", "down", "--name", "nobody"]).with_code(2);
    insta::assert_snapshot!(ended.error(), @"error: no engines named `nobody` are up; none is");
    let outside = desk.run(&["engines", "up", "--name", "../outside", "--profile", "web-shop"]).with_code(2);
    assert!(outside.error().contains("../outside"), "{}", outside.stderr);
}

#[test]
fn a_dry_run_never_replaces_the_evidence_of_a_real_run() {
    let desk = Desk::new();
    let output = desk.path("kafka.env");
    let (evidence, to) = (argument(&desk.evidence()), argument(&output));
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let server = free.to_string();
    let flags = ["--kafka-topics", "a", "--output-file", &to, "--evidence-dir", &evidence];
    let at = ["--kafka-bootstrap-server", &server];
    desk.run(&[&["init", "kafka", "--execute"][..], &flags, &at].concat()).with_code(2);
    let real = fs::read_to_string(&output).expect("the evidence is there");
    desk.run(&[&["init", "kafka"][..], &flags].concat());
    assert_eq!(fs::read_to_string(&output).expect("still there"), real);
}
