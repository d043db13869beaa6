//! Kafka behind TLS that wants to know who we are, and behind SASL in each mechanism, with TLS and without. One broker
//! with a listener for each.

use crate::certificates::certificates;
use crate::ends::{
    PASSWORD, WRONG, With, end, expect_error, expect_known, expect_refused, measure, number, reading, text,
};
use crate::servers::{Server, engines, port};
use cutproof::model::service::{Sasl, Tls};
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const SETTINGS: &str = include_str!("../../fixtures/engines/broker.properties");

pub struct Kafka {
    _server: Server,
    folder: TempDir,
    ports: Vec<(&'static str, u16)>,
}

impl Kafka {
    fn end(&self, listener: &str) -> Endpoint {
        let port = self.ports.iter().find(|(name, _)| *name == listener).expect("such a listener").1;
        end(ServiceKind::Kafka, format!("localhost:{port}"))
    }
}

/// A JVM on the jars of the engines.
fn java(class: &str, folder: &Path) -> Command {
    let jars = fs::read_dir(engines().join("jars")).expect("jars").map(|jar| jar.expect("a jar").path());
    let jars = jars.filter(|jar| jar.extension().is_some_and(|ending| ending == "jar"));
    let path = std::iter::once(engines().join("engines.jar")).chain(jars);
    let path: Vec<_> = path.map(|jar| jar.to_str().expect("UTF-8").to_owned()).collect();
    let mut command = Command::new("java");
    command.current_dir(folder).args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", &path.join(":"), class]);
    command
}

/// A broker with these listeners, each a name, a protocol and its settings; PLAIN is always there for its own use.
fn kafka(listeners: &[(&'static str, &str, String)]) -> Kafka {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ports = vec![("plaintext", port())];
    ports.extend(listeners.iter().map(|(name, ..)| (*name, port())));
    let controller = port();
    let at = ports.iter().map(|(name, port)| format!("{}://localhost:{port}", name.to_uppercase()));
    let at = at.collect::<Vec<_>>().join(",");
    let map = listeners.iter().map(|(name, protocol, _)| format!(",{}:{protocol}", name.to_uppercase()));
    let mut text: String = SETTINGS
        .lines()
        .filter(|line| !line.starts_with("listener.security"))
        .map(|line| format!("{line}\n"))
        .collect();
    let _ = writeln!(
        text,
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{}",
        map.collect::<String>()
    );
    let _ = writeln!(text, "listeners={at},CONTROLLER://localhost:{controller}\nadvertised.listeners={at}");
    let _ = writeln!(
        text,
        "controller.quorum.voters=1@localhost:{controller}\nlog.dirs={}/log",
        folder.path().display()
    );
    for (name, _, settings) in listeners {
        for line in settings.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "listener.name.{name}.{line}");
        }
    }
    let file = folder.path().join("broker.properties");
    fs::write(&file, text).expect("a file of ours");
    let mut format = java("kafka.tools.StorageTool", folder.path());
    format.args(["format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"]).arg(&file);
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        format.args(["--add-scram", &format!("{mechanism}=[name=alice,password={PASSWORD}]")]);
    }
    let done = format.output().expect("java is there");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr) + String::from_utf8_lossy(&done.stdout)
    );
    let mut broker = java("Engines", folder.path());
    let mut server = Server::start(broker.arg(&file), &folder.path().join("log.txt"));
    server.until("the broker is up", |log| log.contains("broker up "));
    Kafka { _server: server, folder, ports }
}

/// A broker, and Connect with these settings beside it.
pub fn with_connect(settings: &str) -> (Server, Kafka) {
    let kafka = kafka(&[]);
    let file = kafka.folder.path().join("worker.properties");
    let broker = &kafka.end("plaintext").address;
    let worker = include_str!("../../fixtures/engines/worker.properties");
    fs::write(&file, format!("{worker}bootstrap.servers={broker}\n{settings}")).expect("a file of ours");
    let mut worker = java("org.apache.kafka.connect.cli.ConnectDistributed", kafka.folder.path());
    let server = Server::start(worker.arg(&file), &kafka.folder.path().join("connect.txt"));
    (server, kafka)
}

fn sasl(mechanisms: &[&str]) -> String {
    let mut text = format!("sasl.enabled.mechanisms={}\n", mechanisms.join(","));
    for mechanism in mechanisms {
        let module = match *mechanism {
            "PLAIN" => format!("plain.PlainLoginModule required user_alice=\"{PASSWORD}\""),
            _ => "scram.ScramLoginModule required".to_owned(),
        };
        let name = mechanism.to_lowercase();
        let _ = writeln!(text, "{name}.sasl.jaas.config=org.apache.kafka.common.security.{module};");
    }
    text
}

fn tls(certificate: &str, wants: &str) -> String {
    let made = certificates();
    format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         ssl.client.auth={wants}\n",
        made.text(&format!("{certificate}.both")),
        made.text("ca.pem")
    )
}

/// What gates do with a broker: topics, records there and back, lag.
fn expect_usable(kafka: &Endpoint) {
    expect_known(kafka);
    let found = measure("kafka_round_trip", json!({}), kafka).expect("a record goes there and back");
    assert_eq!(*reading(&found, "returned"), Reading::bool(true), "{found:?}");
    let topics = json!({"topics": ["a-topic"], "partitions": 1, "replication_factor": 1});
    let made = measure("kafka_init", topics.clone(), kafka).expect("a topic is made");
    assert_eq!(text(&made, "failed_step"), "", "{made:?}");
    let seen = measure("kafka_topics", topics, kafka).expect("the topic is seen");
    assert_eq!(number(&seen, "topics_missing"), 0.0, "{seen:?}");
    measure("kafka_lag", json!({"group": "nobody", "topics": ["a-topic"]}), kafka).expect("offsets are read");
}

#[test]
fn each_mechanism_of_sasl_lets_the_right_password_in_and_tells_why_not() {
    let kafka = kafka(&[
        ("all", "SASL_PLAINTEXT", sasl(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])),
        ("only", "SASL_PLAINTEXT", sasl(&["SCRAM-SHA-512"])),
    ]);
    let all = kafka.end("all");
    for mechanism in Sasl::ALL {
        expect_usable(&all.clone().by("alice", PASSWORD).sasl(mechanism));
        let words = [mechanism.as_str(), "check `user` and the password"];
        expect_refused(&all.clone().by("alice", WRONG).sasl(mechanism), &words);
    }
    let nobody = all.clone().by("nobody", PASSWORD).sasl(Sasl::ScramSha256);
    expect_refused(&nobody, &["check `user` and the password"]);
    let other = kafka.end("only").by("alice", PASSWORD).sasl(Sasl::Plain);
    expect_refused(&other, &["expected SASL PLAIN, seen a broker that takes SCRAM-SHA-512: set `sasl`"]);
    expect_error(&all, &["does it want SASL (set `sasl`, `user` and `password_env` or `password_file`)"]);
    let none = kafka.end("plaintext").by("alice", PASSWORD).sasl(Sasl::Plain);
    expect_refused(&none, &["is there SASL at this port", "`sasl`"]);
}

#[test]
#[ignore = "needs openssl"]
fn kafka_behind_tls_knows_us_by_our_certificate_and_everything_wrong_is_told_apart() {
    let made = certificates();
    let kafka = kafka(&[
        ("mutual", "SSL", tls("server", "required")),
        ("both", "SASL_SSL", tls("server", "none") + &sasl(&["PLAIN", "SCRAM-SHA-512"])),
        ("expired", "SSL", tls("expired", "none")),
        ("elsewhere", "SSL", tls("elsewhere", "none")),
    ]);
    expect_usable(&kafka.end("mutual").tls(made.known_by("client")));
    let both = kafka.end("both").by("alice", PASSWORD).tls(made.trusting("ca"));
    for mechanism in [Sasl::Plain, Sasl::ScramSha512] {
        expect_usable(&both.clone().sasl(mechanism));
    }
    let wrong = kafka.end("both").by("alice", WRONG).tls(made.trusting("ca")).sasl(Sasl::ScramSha512);
    expect_refused(&wrong, &["SASL SCRAM-SHA-512", "check `user` and the password"]);
    expect_refused(&both.clone().sasl(Sasl::ScramSha256), &["seen a broker that takes", "set `sasl`"]);

    let mutual = |tls: Tls| kafka.end("mutual").tls(tls);
    expect_refused(
        &mutual(made.trusting("ca")),
        &["a certificate of ours", "`tls.certificate` and `tls.key`"],
    );
    expect_refused(&mutual(made.trusting("other")), &["seen one of another", "`tls.ca`"]);
    expect_refused(&mutual(made.known_by("stranger")), &["`tls.certificate`"]);
    expect_refused(&mutual(made.known_by("expired-client")), &["`tls.certificate`"]);
    expect_refused(&kafka.end("mutual"), &["seen a server that speaks TLS", "`tls = true`"]);
    expect_refused(&kafka.end("expired").tls(made.trusting("ca")), &["expired on 2021-01-01"]);
    let words = ["expected a certificate for localhost, seen one for elsewhere.example"];
    expect_refused(&kafka.end("elsewhere").tls(made.trusting("ca")), &words);
    expect_error(&kafka.end("plaintext").tls(made.trusting("ca")), &["TLS at this port"]);
}
