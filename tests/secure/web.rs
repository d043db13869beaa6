//! What speaks HTTP, behind TLS: ClickHouse, Prometheus' API and pages behind nginx, Kafka Connect on its own.

use crate::certificates::certificates;
use crate::ends::{PASSWORD, WRONG, With, answers, end, expect_known, expect_refused, measure, number, text};
use crate::servers::{Server, engines, nginx, port};
use cutproof::model::service::Tls;
use cutproof::model::{Endpoint, ServiceKind};
use cutproof::service::identify::identify;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// ClickHouse's engine with its front.
fn clickhouse(folder: &TempDir) -> (Server, u16) {
    let port = port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutproof"));
    command.args(["clickhouse-front", "--library"]);
    command.arg(engines().join("node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"));
    command.arg("--data").arg(folder.path().join("data")).args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut server = Server::start(&mut command, &folder.path().join("clickhouse.log"));
    server.until("ClickHouse is ready", |log| log.contains("ready "));
    (server, port)
}

/// One `server` of nginx in TLS.
fn site(port: u16, certificate: &str, wants: &str, place: &str) -> String {
    let made = certificates();
    format!(
        "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; \
         ssl_verify_client {wants}; {place} }}\n",
        made.text(&format!("{certificate}.pem")),
        made.text(&format!("{certificate}.key")),
        made.text("ca.pem"),
    )
}

fn at(kind: ServiceKind, port: u16) -> Endpoint {
    end(kind, format!("https://localhost:{port}"))
}

#[test]
#[ignore = "needs openssl and nginx"]
fn clickhouse_behind_tls_is_asked_through_it_and_everything_wrong_is_told_apart() {
    let (made, folder) = (certificates(), tempfile::tempdir().expect("a folder"));
    let (_clickhouse, plain) = clickhouse(&folder);
    let [mutual, expired, elsewhere, none] = [port(), port(), port(), port()];
    let pass = format!("location / {{ proxy_pass http://127.0.0.1:{plain}; }}");
    let sites = [
        site(mutual, "server", "on", &pass),
        site(expired, "expired", "off", &pass),
        site(elsewhere, "elsewhere", "off", &pass),
        format!("server {{ listen 127.0.0.1:{none}; {pass} }}"),
    ];
    let _nginx = nginx(folder.path(), &sites.concat(), &[mutual, expired, elsewhere, none]);
    let clickhouse = |port, tls: Tls| at(ServiceKind::Clickhouse, port).tls(tls);
    let known = expect_known(&clickhouse(mutual, made.known_by("client")));
    assert_eq!(known.product.map(|product| product.name).as_deref(), Some("ClickHouse"));
    let asked = json!({"sql": "SELECT count() AS n FROM numbers(1000)", "observes": {"n": "count"}});
    let found = measure("clickhouse_query", asked, &clickhouse(mutual, made.known_by("client")))
        .expect("it is asked");
    assert_eq!(number(&found, "n"), 1000.0, "{found:?}");

    expect_refused(&clickhouse(mutual, made.trusting("ca")), &["a certificate of ours", "`tls.certificate`"]);
    expect_refused(&clickhouse(mutual, made.trusting("other")), &["seen one of another", "`tls.ca`"]);
    expect_refused(&at(ServiceKind::Clickhouse, mutual), &["`tls.ca`"]);
    expect_refused(&clickhouse(mutual, made.known_by("stranger")), &["certificate", "`tls.certificate`"]);
    expect_refused(&clickhouse(expired, made.trusting("ca")), &["expired on 2021-01-01"]);
    let words = ["expected a certificate for localhost, seen one for elsewhere.example"];
    expect_refused(&clickhouse(elsewhere, made.trusting("ca")), &words);
    let unsecured = end(ServiceKind::Clickhouse, format!("http://localhost:{mutual}"));
    expect_refused(&unsecured, &["it speaks TLS; write its address with https://"]);
    expect_refused(&clickhouse(none, made.trusting("ca")), &["speaks no TLS at this port"]);
}

#[test]
#[ignore = "needs openssl"]
fn a_server_that_never_answers_in_tls_is_an_error_at_the_deadline() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("its address");
    for kind in ServiceKind::ALL {
        let raw = matches!(kind, ServiceKind::Redis | ServiceKind::Kafka | ServiceKind::Postgres);
        let address = if raw { address.to_string() } else { format!("https://{address}") };
        let endpoint = end(kind, address).tls(certificates().trusting("ca"));
        let began = Instant::now();
        let said =
            identify(&endpoint, &BTreeSet::new(), Duration::from_secs(1)).expect_err("nothing answers");
        println!("{kind} after {:?}: {said}", began.elapsed());
        assert!(said.to_string().contains("no answer"), "{kind}: {said}");
        assert!(began.elapsed() < Duration::from_secs(20), "{kind}: {:?}", began.elapsed());
    }
}

#[test]
#[ignore = "needs openssl and nginx"]
fn pages_and_apis_are_asked_as_a_user_and_the_user_is_told_nobody_else() {
    let (made, folder) = (certificates(), tempfile::tempdir().expect("a folder"));
    let users = folder.path().join("users");
    let hash =
        Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().expect("openssl is there");
    fs::write(&users, format!("alice:{}", String::from_utf8_lossy(&hash.stdout))).expect("a file of ours");
    let answer =
        |path: &str, body: &str| format!("location = {path} {{ default_type text/plain; alias {body}; }}");
    let page = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("a file of ours");
        file.to_str().expect("UTF-8").to_owned()
    };
    page("index", "hello\n");
    let build = page("build", r#"{"status":"success","data":{"version":"2.54.1"}}"#);
    let query = page("query", r#"{"status":"success","data":{"resultType":"scalar","result":[1,"4.5"]}}"#);
    let place = [
        format!("auth_basic it; auth_basic_user_file {};", users.display()),
        answer("/-/ready", &page("ready", "ready\n")),
        answer("/api/v1/status/buildinfo", &build),
        answer("/api/v1/query", &query),
        answer("/metrics", &page("metrics", "a_seconds 1.5\n")),
        format!("location = / {{ root {}; try_files /index =404; }}", folder.path().display()),
    ]
    .concat();
    let port = port();
    let _nginx = nginx(folder.path(), &site(port, "server", "off", &place), &[port]);
    let as_alice = |kind| at(kind, port).by("alice", PASSWORD).tls(made.trusting("ca"));

    let known = expect_known(&as_alice(ServiceKind::Prometheus));
    assert_eq!(known.product.map(|product| product.version).as_deref(), Some("2.54.1"));
    let found = measure("prometheus_query", json!({"query": "x"}), &as_alice(ServiceKind::Prometheus));
    assert_eq!(number(&found.expect("it answers"), "value"), 4.5);
    let found = measure("http", json!({}), &as_alice(ServiceKind::Http)).expect("it answers");
    assert_eq!((number(&found, "status"), text(&found, "body")), (200.0, "hello".to_owned()));
    let series = json!({"series": [{"name": "a", "select": "a_seconds", "take": "value"}]});
    measure("prometheus", series, &as_alice(ServiceKind::Http)).expect("the page is read");
    expect_known(&as_alice(ServiceKind::Http));

    let prometheus = at(ServiceKind::Prometheus, port).tls(made.trusting("ca"));
    expect_refused(&prometheus.clone().by("alice", WRONG), &["status 401", "check `user` and the password"]);
    expect_refused(&prometheus, &["status 401", "set `user` and `password_env` or `password_file`"]);
    expect_refused(&at(ServiceKind::Http, port).tls(made.trusting("other")), &["`tls.ca`"]);
}

#[test]
#[ignore = "needs openssl and nginx"]
fn connect_serves_tls_itself_and_asks_for_a_user_behind_nginx() {
    let (made, folder) = (certificates(), tempfile::tempdir().expect("a folder"));
    let own = port();
    let store = |what: &str, file: &str| {
        let settings = [("type", "PKCS12"), ("location", file), ("password", "changeit")];
        settings.map(|(name, value)| format!("listeners.https.ssl.{what}.{name}={value}\n")).concat()
    };
    let settings = format!(
        "listeners=https://localhost:{own}\nrest.advertised.listener=https\nlisteners.https.ssl.client.auth=required\n{}{}",
        store("keystore", &made.text("server.p12")),
        store("truststore", &made.for_java()),
    );
    let (mut connect, _kafka) = crate::kafka::with_connect(&settings);
    let mutual = at(ServiceKind::Connect, own).tls(made.known_by("client"));
    connect.until("Connect answers", |_| answers(&mutual));
    let known = expect_known(&mutual);
    assert_eq!(known.product.map(|product| product.name).as_deref(), Some("Kafka Connect"));
    let seen = measure("connector", json!({"name": "none"}), &mutual);
    assert!(seen.is_ok(), "{seen:?}");
    expect_refused(
        &at(ServiceKind::Connect, own).tls(made.trusting("ca")),
        &["certificate", "`tls.certificate`"],
    );
    expect_refused(&at(ServiceKind::Connect, own).tls(made.trusting("other")), &["`tls.ca`"]);

    let users = folder.path().join("users");
    let hash =
        Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().expect("openssl is there");
    fs::write(&users, format!("alice:{}", String::from_utf8_lossy(&hash.stdout))).expect("a file of ours");
    let front = port();
    let place = format!(
        "auth_basic it; auth_basic_user_file {}; location / {{ proxy_pass https://localhost:{own}; \
         proxy_ssl_certificate {}; proxy_ssl_certificate_key {}; }}",
        users.display(),
        made.text("client.pem"),
        made.text("client.key")
    );
    let _nginx = nginx(folder.path(), &site(front, "server", "off", &place), &[front]);
    let front = at(ServiceKind::Connect, front).tls(made.trusting("ca"));
    expect_known(&front.clone().by("alice", PASSWORD));
    let refused = measure("connector", json!({"name": "none"}), &front.clone().by("alice", WRONG));
    assert!(refused.expect_err("a wrong password").0.contains("check `user` and the password"));
    expect_refused(&front.clone().by("alice", WRONG), &["status 401", "check `user` and the password"]);
    expect_refused(&front, &["status 401", "set `user`"]);
}
