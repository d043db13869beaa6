//! PostgreSQL that takes nobody without TLS and SCRAM, and one user only by certificate.

use crate::certificates::certificates;
use crate::ends::{PASSWORD, WRONG, With, end, expect_known, expect_refused, measure, number};
use crate::servers::{Server, engines, port};
use cutproof::model::service::Tls;
use cutproof::model::{Endpoint, ServiceKind};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const RULES: &str = "
hostssl all alice 127.0.0.1/32 scram-sha-256
hostssl all bob   127.0.0.1/32 scram-sha-256 clientcert=verify-ca
hostssl all carol 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostnossl all dave 127.0.0.1/32 scram-sha-256
";

struct Postgres {
    _server: Server,
    _folder: TempDir,
    port: u16,
}

impl Postgres {
    fn end(&self, user: &str) -> Endpoint {
        end(ServiceKind::Postgres, format!("localhost:{}", self.port)).by(user, PASSWORD)
    }
}

/// It refuses root, so as another user where we are root.
fn as_other(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}

/// Runs a program that must succeed.
fn run(command: &mut Command) {
    let done = command.output().expect("it can be started");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Where a program that is not root's finds PostgreSQL.
fn reachable(folder: &Path) -> PathBuf {
    run(Command::new("cp").arg("-r").arg(engines().join("postgres")).arg(folder));
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(folder));
    folder.join("postgres/bin")
}

fn postgres(certificate: Option<&str>) -> Postgres {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = reachable(folder.path());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder of ours");
    let own = || {
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(&data));
        }
        run(Command::new("chmod").arg("-R").arg("go-rwx").arg(&data));
    };
    own();
    run(as_other(&bin.join("initdb")).args(["-U", "admin", "-A", "trust", "--no-sync", "-D"]).arg(&data));
    let users = ["alice", "bob", "carol", "dave"]
        .map(|name| format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';\n"))
        .concat();
    let file = folder.path().join("users.sql");
    fs::write(&file, users).expect("a file of ours");
    let single = format!(
        "'{}' --single -D '{}' postgres < '{}'",
        bin.join("postgres").display(),
        data.display(),
        file.display()
    );
    run(as_other(Path::new("sh")).args(["-c", &single]));
    fs::write(data.join("pg_hba.conf"), RULES).expect("a file of ours");
    let port = port();
    let mut command = as_other(&bin.join("postgres"));
    command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    let mut settings = vec!["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
    if let Some(name) = certificate {
        let made = certificates();
        for (from, to) in [
            (format!("{name}.pem"), "it.pem"),
            (format!("{name}.key"), "it.key"),
            ("ca.pem".into(), "ca.pem"),
        ] {
            fs::copy(made.path(&from), data.join(to)).expect("a file of ours");
        }
        settings.extend(["ssl=on", "ssl_cert_file=it.pem", "ssl_key_file=it.key", "ssl_ca_file=ca.pem"]);
    }
    own();
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    let mut server = Server::start(&mut command, &folder.path().join("log"));
    server.until("it takes connections", |log| log.contains("ready to accept connections"));
    Postgres { _server: server, _folder: folder, port }
}

#[test]
#[ignore = "needs openssl"]
fn postgres_behind_tls_is_read_through_it_and_everything_wrong_is_told_apart() {
    let made = certificates();
    let postgres = postgres(Some("server"));
    let alice = postgres.end("alice").tls(made.trusting("ca"));
    let known = expect_known(&alice);
    assert_eq!(known.product.map(|product| product.name).as_deref(), Some("PostgreSQL"));
    let sql = "SELECT count(*) AS n, sum(length(t)) AS length FROM (SELECT repeat('x', 1000) || i AS t FROM generate_series(1, 5000) i) x";
    let columns = json!({"n": "count"});
    let found =
        measure("postgres_query", json!({"sql": sql, "observes": columns}), &alice).expect("it is asked");
    assert_eq!(number(&found, "n"), 5000.0, "{found:?}");

    let wrong = |tls: Tls| postgres.end("alice").tls(tls);
    expect_refused(&postgres.end("alice"), &["28000", "no encryption", "set `tls`"]);
    expect_refused(&wrong(made.trusting("other")), &["seen one of another", "`tls.ca`"]);
    expect_refused(&wrong(Tls::default()), &["`tls.ca`"]);
    expect_refused(&wrong(made.known_by("stranger")), &["authority of our certificate"]);
    expect_refused(&wrong(made.known_by("expired-client")), &["our certificate expired"]);
    expect_refused(&alice.clone().by("alice", WRONG), &["28P01", "check the service's user and password"]);
    expect_refused(
        &alice.clone().by("nobody", PASSWORD),
        &["no rule that lets this user into this database"],
    );

    expect_known(&postgres.end("bob").tls(made.known_by("client")));
    let words = ["requires a valid client certificate", "`tls.certificate` and `tls.key`"];
    expect_refused(&postgres.end("bob").tls(made.trusting("ca")), &words);
    // The certificate is alice's.
    expect_refused(
        &postgres.end("carol").tls(made.known_by("client")),
        &["28P01", "that `tls.certificate`, where it is set, is this user's"],
    );
    expect_known(&postgres.end("dave"));
}

#[test]
#[ignore = "needs openssl"]
fn a_postgres_with_a_certificate_that_is_over_or_anothers_is_not_spoken_to() {
    let made = certificates();
    expect_refused(
        &postgres(Some("expired")).end("alice").tls(made.trusting("ca")),
        &["expired on 2021-01-01"],
    );
    let words = ["expected a certificate for localhost, seen one for elsewhere.example"];
    expect_refused(&postgres(Some("elsewhere")).end("alice").tls(made.trusting("ca")), &words);
    let none = postgres(None);
    expect_refused(&none.end("dave").tls(made.trusting("ca")), &["seen a server that has none", "`tls`"]);
}

#[test]
fn a_password_of_scram_is_checked_without_tls() {
    let postgres = postgres(None);
    expect_known(&postgres.end("dave"));
    expect_refused(
        &postgres.end("dave").by("dave", WRONG),
        &["28P01", "check the service's user and password"],
    );
    expect_refused(&postgres.end("alice"), &["has no rule for this user"]);
}
