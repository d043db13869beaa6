//! Redis with a password, with users, and behind TLS that wants to know who we are.

use crate::certificates::certificates;
use crate::ends::{PASSWORD, WRONG, With, end, expect_known, expect_refused, measure, reading};
use crate::servers::{Server, engines, port};
use cutproof::model::service::Tls;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::json;
use std::process::Command;
use tempfile::TempDir;

/// A server, while this lives.
pub struct Redis {
    _server: Server,
    _folder: TempDir,
    port: u16,
}

/// Starts a server with these settings at a port of its own.
fn redis(settings: &[&str], plain: bool) -> Redis {
    let folder = tempfile::tempdir().expect("a folder");
    let port = port();
    let ports = if plain { ["0".to_owned(), port.to_string()] } else { [port.to_string(), "0".to_owned()] };
    let mut command = Command::new(engines().join("redis-server"));
    command.args([
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--tls-port",
        &ports[0],
        "--port",
        &ports[1],
        "--dir",
    ]);
    command.arg(folder.path()).args(settings);
    if plain {
        command = without_tls(command);
    }
    let mut server = Server::start(&mut command, &folder.path().join("log"));
    server.until_it_listens(&[port]);
    Redis { _server: server, _folder: folder, port }
}

/// A port of TLS, also none, is only known to a server that was built with it.
fn without_tls(command: Command) -> Command {
    let mut plain = Command::new(command.get_program());
    let arguments: Vec<_> = command.get_args().collect();
    let at = arguments.iter().position(|argument| *argument == "--tls-port").expect("it is there");
    plain.args(
        arguments.iter().enumerate().filter(|(place, _)| *place != at && *place != at + 1).map(|(_, it)| it),
    );
    plain
}

/// A server that wants the password.
pub fn with_password() -> Redis {
    redis(&["--requirepass", PASSWORD], true)
}

impl Redis {
    /// `localhost:PORT`
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn end(&self) -> Endpoint {
        end(ServiceKind::Redis, self.address())
    }
}

#[test]
fn a_password_is_wanted_and_a_wrong_one_is_told() {
    let redis = with_password();
    let known = expect_known(&redis.end().by("", PASSWORD));
    assert!(known.identity.contains_key("run_id"));
    let place = format!("Redis at localhost:{}", redis.port);
    expect_refused(&redis.end(), &[&place, "NOAUTH", "set `password_env` or `password_file`"]);
    expect_refused(&redis.end().by("", WRONG), &[&place, "check the service's user and password"]);
    expect_refused(&redis.end().by("nobody", PASSWORD), &[&place, "check the service's user and password"]);
}

#[test]
fn a_user_of_a_list_reads_what_it_may() {
    let may = format!("user alice on >{PASSWORD} ~* +ping +info +get +select");
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("users");
    std::fs::write(&list, format!("user default off\n{may}\n")).expect("a file of ours");
    let redis = redis(&["--aclfile", list.to_str().expect("UTF-8")], true);
    expect_known(&redis.end().by("alice", PASSWORD));
    expect_refused(&redis.end().by("alice", WRONG), &["check the service's user and password"]);
    let refused = measure("redis_keys", json!({"keys": ["a"]}), &redis.end().by("alice", PASSWORD));
    let said = refused.expect_err("it may not ask for types").0;
    assert!(said.contains("the user lacks this right"), "{said}");
}

fn behind_tls(certificate: &str) -> Redis {
    let made = certificates();
    let file = |name: &str| made.text(name);
    let (cert, key) = (file(&format!("{certificate}.pem")), file(&format!("{certificate}.key")));
    let tls = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &file("ca.pem")];
    redis(&[&tls[..], &["--tls-auth-clients", "yes", "--requirepass", PASSWORD]].concat(), false)
}

#[test]
#[ignore = "needs openssl"]
fn redis_behind_tls_knows_us_by_our_certificate_and_everything_wrong_is_told_apart() {
    let made = certificates();
    let redis = behind_tls("server");
    let with = |tls: Tls| redis.end().by("", PASSWORD).tls(tls);
    let known = expect_known(&with(made.known_by("client")));
    assert_eq!(known.product.map(|product| product.name).as_deref(), Some("Redis"));
    let found = measure("redis_ping", json!({}), &with(made.known_by("client"))).expect("it answers");
    assert_eq!(*reading(&found, "loading"), Reading::bool(false));
    let many: Vec<_> = (0..2000).map(|n| format!("key:{n}")).collect();
    measure("redis_keys", json!({"keys": many}), &with(made.known_by("client")))
        .expect("many answers at once");

    expect_refused(&redis.end().by("", WRONG).tls(made.known_by("client")), &["check the service's user"]);
    expect_refused(&with(made.trusting("ca")), &["a certificate of ours", "`tls.certificate` and `tls.key`"]);
    expect_refused(&with(made.trusting("other")), &["seen one of another", "`tls.ca`"]);
    expect_refused(&with(Tls::default()), &["`tls.ca`"]);
    expect_refused(&with(made.known_by("stranger")), &["authority of our certificate"]);
    expect_refused(&with(made.known_by("expired-client")), &["our certificate expired", "`tls.certificate`"]);
    expect_refused(&redis.end().by("", PASSWORD), &["seen a server that speaks TLS", "`tls = true`"]);

    expect_refused(
        &behind_tls("expired").end().tls(made.known_by("client")),
        &["expired on 2021-01-01T00:00:00Z"],
    );
    let elsewhere = behind_tls("elsewhere");
    let words = ["expected a certificate for localhost, seen one for elsewhere.example"];
    expect_refused(&elsewhere.end().tls(made.known_by("client")), &words);
}

#[test]
#[ignore = "needs openssl"]
fn a_redis_without_tls_does_not_pass_for_one_with_it() {
    let made = certificates();
    let redis = redis(&[], true);
    let asked = cutproof::service::identify::identify(
        &redis.end().tls(made.trusting("ca")),
        &std::collections::BTreeSet::new(),
        std::time::Duration::from_secs(3),
    );
    let said = asked.expect_err("it speaks no TLS").to_string();
    assert!(said.contains("does it speak TLS at this port") || said.contains("speaks no TLS"), "{said}");
}
