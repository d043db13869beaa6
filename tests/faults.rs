//! What turns red when something breaks: on the real engines of the single host, exactly the gates that use what is
//! broken, and those that need them blocked, with the reason. Which gates that are is read from the profile.

mod common;

use common::{Desk, Engines, Run, expect_soon, signal};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

const PROFILE: &str = "gates/single-host.toml";

/// The single host without its core: what a core says of a broken service is not what is asked here.
fn without_core(desk: &Desk) -> String {
    let text = std::fs::read_to_string(PROFILE).expect("the profile is there");
    let (services, rest) = text.split_once("[services.core]").expect("a core");
    let (_, rest) = rest.split_once("\n# ---").expect("a section behind it");
    let (infra, _) = rest.split_once("# --- whether the core is ready").expect("the core's own section");
    let text = format!("{services}\n# ---{infra}\n");
    let (head, thresholds) = text.split_once("[thresholds]\n").expect("thresholds");
    let (thresholds, rest) = thresholds.split_once("\n# --- services").expect("a section behind them");
    // One that nothing uses is a fault.
    let used = |line: &&str| line.split(' ').next().is_some_and(|name| rest.contains(&format!("${name}")));
    let thresholds: Vec<_> = thresholds.lines().filter(used).collect();
    desk.write(
        "without-core.toml",
        &format!("{head}[thresholds]\n{}\n# --- services{rest}", thresholds.join("\n")),
    )
}

/// What the profile says of its gates: ids, and by id what each uses and needs.
struct Plan(BTreeMap<String, (BTreeSet<String>, Vec<String>)>);

impl Plan {
    fn of(profile: &str) -> Plan {
        let text = std::fs::read_to_string(profile).expect("the profile is there");
        let profile = DeTable::parse(&text).expect("the profile is TOML");
        let gates =
            profile.get_ref()["gate"].get_ref().as_array().expect("a list of gates").iter().map(|gate| {
                let gate = gate.get_ref().as_table().expect("a gate is a table");
                let texts = |name: &str| -> Vec<String> {
                    let list =
                        gate.get(name).and_then(|list| list.get_ref().as_array()).into_iter().flatten();
                    list.map(|item| item.get_ref().as_str().expect("a text").to_owned()).collect()
                };
                let id = gate["id"].get_ref().as_str().expect("a gate has an id").to_owned();
                (id, (texts("uses").into_iter().collect(), texts("needs")))
            });
        Plan(gates.collect())
    }

    /// The verdict of every gate where these gates are red wherever they are run, and all others are fine.
    fn expected(&self, red: impl Fn(&str) -> bool) -> BTreeMap<String, &'static str> {
        let mut verdicts = BTreeMap::new();
        while verdicts.len() < self.0.len() {
            let before = verdicts.len();
            for (id, (_, needs)) in &self.0 {
                if let Some(needed) =
                    needs.iter().map(|need| verdicts.get(need).copied()).collect::<Option<Vec<_>>>()
                {
                    let blocked = needed.iter().any(|verdict| *verdict != "green");
                    let verdict = if blocked {
                        "blocked"
                    } else if red(id) {
                        "red"
                    } else {
                        "green"
                    };
                    verdicts.insert(id.clone(), verdict);
                }
            }
            assert!(verdicts.len() > before || verdicts.len() == self.0.len(), "the profile has a cycle");
        }
        verdicts
    }

    fn uses(&self, gate: &str, services: &[&str]) -> bool {
        services.iter().any(|service| self.0[gate].0.contains(*service))
    }

    /// That exactly the gates that use these services could not be measured.
    #[track_caller]
    fn expect_broken(&self, run: Run, services: &[&str]) -> Run {
        let expected = self.expected(|gate| self.uses(gate, services));
        let run = expect(run, &expected);
        for gate in run.with_verdict("error") {
            let reason = run.reason(gate);
            assert!(
                services.iter().any(|service| reason.to_lowercase().contains(service)),
                "{gate}: {reason}"
            );
        }
        assert!(
            run.with_verdict("failed").is_empty(),
            "what can't be measured has not failed: {:#?}",
            run.gates()
        );
        run
    }

    #[track_caller]
    fn expect_green(&self, run: Run) -> Run {
        let run = expect(run.with_code(0), &self.expected(|_| false));
        assert_eq!(run.summary["verdict"], "passed");
        run
    }
}

/// That the run ended as expected, in every file and in its exit code.
#[track_caller]
fn expect(run: Run, expected: &BTreeMap<String, &'static str>) -> Run {
    let seen = run.gates().into_iter().map(|(id, (verdict, _))| {
        let seen = match verdict {
            "passed" => "green",
            "skipped" => "blocked",
            "failed" | "error" | "inconclusive" => "red",
            other => panic!("{id} has the verdict {other}"),
        };
        (id.to_owned(), seen)
    });
    assert_eq!(&seen.collect::<BTreeMap<_, _>>(), expected, "{:#?}\n{}", run.gates(), run.ended.stdout);
    for gate in run.with_verdict("skipped") {
        let reason = run.reason(gate);
        assert!(reason.starts_with("blocked: needs `"), "{gate}: {reason}");
    }
    run.expect_junit_agrees();
    let is_green = expected.values().all(|verdict| *verdict == "green");
    run.with_code(if is_green { 0 } else { 1 })
}

#[test]
fn exactly_the_gates_that_use_what_is_broken_are_red_and_those_that_need_them_blocked() {
    let desk = Desk::new();
    let profile = without_core(&desk);
    let plan = Plan::of(&profile);
    let engines = Engines::up(&desk, &profile);
    let gates = || engines.gates(&["--profile", &profile, "--allow-writes"]);
    plan.expect_green(gates());

    paused(&engines, "clickhouse", || {
        plan.expect_broken(gates(), &["clickhouse"]);
    });
    expect_soon("all is green again", || gates().ended.code == Some(0));

    let connect = Connect(engines.address("connect"));
    connect.break_task(&mut database(&engines), "trading-core-connector", "quant_hft_trading_core");
    // A gate that registers the connector sees it first; those that only look are tried for themselves.
    let of_connector = ["debezium-connector-init", "connector-trading-core", "order-cdc"];
    expect(gates(), &plan.expected(|gate| of_connector.contains(&gate)));
    a_failed_task_is_seen_behind_a_connector_that_runs(&desk, &engines);
    connect.mend_task("trading-core-connector");
    plan.expect_green(gates());

    signal(engines.pids["redis"], Signal::KILL);
    plan.expect_broken(gates(), &["redis"]);

    // Kafka and Connect are one process here.
    assert_eq!(engines.pids["kafka"], engines.pids["connect"]);
    signal(engines.pids["kafka"], Signal::KILL);
    plan.expect_broken(gates(), &["redis", "kafka", "connect"]);
    engines.down();
}

/// Does something while an engine is stopped in its tracks: its port is open, and nobody answers.
fn paused(engines: &Engines<'_>, service: &str, then: impl FnOnce()) {
    signal(engines.pids[service], Signal::STOP);
    then();
    signal(engines.pids[service], Signal::CONT);
}

fn a_failed_task_is_seen_behind_a_connector_that_runs(desk: &Desk, engines: &Engines<'_>) {
    let profile = desk.write("looks.toml", LOOKS);
    let expected = Plan::of(&profile).expected(|gate| gate == "trading-core");
    let run = expect(engines.gates(&["--profile", &profile]), &expected);
    assert_eq!(run.verdict("trading-core"), "failed", "it was measured: {}", run.reason("trading-core"));
    assert!(run.reason("trading-core").contains("tasks_running"), "{}", run.reason("trading-core"));
    assert!(!run.reason("trading-core").contains("MISSING"), "{}", run.reason("trading-core"));
}

/// Gates that only look at what is there.
const LOOKS: &str = r#"
environment = "looks"
[services.redis]
kind = "redis"
[services.postgres]
kind = "postgres"
user = "quant_hft"
database = "quant_hft"
[services.connect]
kind = "connect"
[[gate]]
id = "redis-ping"
phase = "infra"
probe = "redis_ping"
uses = ["redis"]
[[gate]]
id = "database"
phase = "infra"
probe = "postgres_query"
uses = ["postgres"]
with = { sql = "SELECT 1" }
[[gate]]
id = "trading-core"
phase = "infra"
probe = "connector"
uses = ["connect"]
with = { name = "trading-core-connector" }
[[gate]]
id = "ops-audit"
phase = "infra"
probe = "connector"
uses = ["connect"]
with = { name = "ops-audit-connector" }
[[gate]]
id = "behind-trading-core"
phase = "readiness"
probe = "redis_ping"
uses = ["redis"]
needs = ["trading-core"]
[[gate]]
id = "behind-ops-audit"
phase = "readiness"
probe = "redis_ping"
uses = ["redis"]
needs = ["ops-audit"]
"#;

/// Kafka Connect's REST interface.
struct Connect<'a>(&'a str);

impl Connect<'_> {
    /// The states of a connector and of its first task.
    fn state(&self, connector: &str) -> (String, String) {
        let url = format!("{}/connectors/{connector}/status", self.0);
        let status = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let status: Value = serde_json::from_str(&status.expect("Connect answers")).expect("in JSON");
        let state = |of: &Value| of["state"].as_str().unwrap_or_default().to_owned();
        (state(&status["connector"]), state(&status["tasks"][0]))
    }

    fn put(&self, connector: &str, what: &str) {
        let url = format!("{}/connectors/{connector}/{what}", self.0);
        ureq::put(&url).send_empty().unwrap_or_else(|error| panic!("PUT {url}: {error}"));
    }

    /// Stops a connector, does something, and lets it go on until its task has this state.
    fn meanwhile(&self, connector: &str, then: impl FnOnce(), state: &str) {
        self.put(connector, "stop");
        expect_soon("the connector stops", || self.state(connector).0 == "STOPPED");
        then();
        self.put(connector, "resume");
        let wanted = ("RUNNING".to_owned(), state.to_owned());
        expect_soon(&format!("the connector runs, and its task is {state}"), || {
            self.state(connector) == wanted
        });
    }

    /// Makes the task's slot in the database anew, behind its back: it can't go on where it was.
    fn break_task(&self, database: &mut postgres::Client, connector: &str, slot: &str) {
        let forget = || {
            let free = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active";
            expect_soon("the slot is free", || {
                database.query_one(free, &[&slot]).expect("the database answers").get::<_, i64>(0) == 1
            });
            let anew = "SELECT pg_drop_replication_slot($1::text::name)";
            database.execute(anew, &[&slot]).expect("the slot can be dropped");
            let anew = "SELECT 1 FROM pg_create_logical_replication_slot($1::text::name, 'pgoutput')";
            database.execute(anew, &[&slot]).expect("the slot can be made");
        };
        self.meanwhile(connector, forget, "FAILED");
    }

    /// Lets the connector begin anew, with a snapshot.
    fn mend_task(&self, connector: &str) {
        let forget = || {
            let url = format!("{}/connectors/{connector}/offsets", self.0);
            ureq::delete(&url).call().unwrap_or_else(|error| panic!("DELETE {url}: {error}"));
        };
        self.meanwhile(connector, forget, "RUNNING");
    }
}

fn database(engines: &Engines<'_>) -> postgres::Client {
    let (host, port) = engines.address("postgres").split_once(':').expect("an address has a port");
    let mut config = postgres::Config::new();
    config.host(host).port(port.parse().expect("a port")).dbname("quant_hft");
    config.user(&engines.variables["CUTPROOF_USER_POSTGRES"]);
    config.password(&engines.variables["CUTPROOF_PASSWORD_POSTGRES"]);
    config.connect(postgres::NoTls).expect("PostgreSQL answers")
}
