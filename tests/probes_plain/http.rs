use super::bench::{Bench, fact, judged, number, reading, refused, text};
use super::web::{Web, answer};
use cutproof::condition::Truth;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::json;
use std::io::Write;
use std::time::Duration;

#[test]
fn an_answer_is_measured_by_status_latency_body_and_its_values() {
    let web = Web::answers("200 OK", "application/json", "{\"lag\":41,\"state\":\"RUNNING\"}\n");
    let bench = Bench::using(Endpoint::at(ServiceKind::Http, web.url.clone()));
    let with = json!({ "path": "/health?deep=1", "matches": "RUN+", "headers": { "Accept": "application/json" },
        "json": [{ "name": "lag_ms", "pointer": "/lag", "as": "ms" }, { "name": "state", "pointer": "/state" }] });
    let measured = bench.measure("http", with).unwrap();
    assert_eq!(number(&measured, "status"), 200.0);
    assert!(number(&measured, "latency_ms") > 0.0);
    assert_eq!(number(&measured, "body_bytes"), 29.0);
    assert_eq!(text(&measured, "body"), "{\"lag\":41,\"state\":\"RUNNING\"}");
    assert_eq!(reading(&measured, "matches"), &Reading::bool(true));
    assert_eq!(judged(&measured, "status == 200 and lag_ms < 50ms and state == \"RUNNING\""), Truth::True);
    assert_eq!(measured.observations[0].source, format!("GET {}/health?deep=1", web.url));
    let asked = web.asked.lock().unwrap();
    assert!(asked[0].starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].to_lowercase().contains("accept: application/json"), "{}", asked[0]);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let web =
        Web::sends("HTTP/1.1 302 Found\r\nlocation: http://nowhere.invalid/\r\ncontent-length: 0\r\n\r\n");
    let measured = Bench::new().measure("http", json!({ "url": web.url })).unwrap();
    assert_eq!(number(&measured, "status"), 302.0);
    assert_eq!(judged(&measured, "status == 200"), Truth::False);
    assert_eq!(fact(&measured, "location"), "\"http://nowhere.invalid/\"");
}

#[test]
fn a_head_request_has_a_status_and_no_body() {
    let web = Web::sends("HTTP/1.1 503 Busy\r\ncontent-length: 1000000000\r\n\r\n");
    let measured = Bench::new().measure("http", json!({ "url": web.url, "method": "HEAD" })).unwrap();
    assert_eq!((number(&measured, "status"), number(&measured, "body_bytes")), (503.0, 0.0));
    assert!(web.asked.lock().unwrap()[0].starts_with("HEAD / "));
}

#[test]
fn a_token_comes_from_the_environment_and_is_shown_nowhere() {
    let web = Web::start(|head, mut stream| {
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
        let _ = stream.write_all(answer("200 OK", "text/plain", &format!("you sent {token}")).as_bytes());
    });
    // What every process has: the value only has to be known.
    let path = std::env::var("PATH").unwrap();
    let with = json!({ "url": web.url, "headers_env": { "Authorization": "PATH" } });
    let measured = Bench::new().measure("http", with).unwrap();
    assert!(web.asked.lock().unwrap()[0].contains(&path));
    assert_eq!(text(&measured, "body"), "you sent ***");

    let with = json!({ "url": web.url, "headers_env": { "Authorization": "NOT_SET_ANYWHERE" } });
    let error = Bench::new().error("http", with);
    assert!(error.contains("environment variable NOT_SET_ANYWHERE, and it is not set"), "{error}");
}

#[test]
fn a_body_beyond_the_bound_is_an_error() {
    let web = Web::answers("200 OK", "text/plain", &"x".repeat((1 << 20) + 1));
    let error = Bench::new().error("http", json!({ "url": web.url }));
    assert!(error.contains("answered 200 with more than 1 MiB"), "{error}");
    let web = Web::answers("200 OK", "text/plain", &"x".repeat(1 << 20));
    let measured = Bench::new().measure("http", json!({ "url": web.url })).unwrap();
    assert_eq!(number(&measured, "body_bytes"), f64::from(1 << 20));
    assert_eq!(reading(&measured, "body"), &Reading::Missing);
}

#[test]
fn an_endless_body_and_a_silent_server_end_at_the_deadline() {
    let endless = Web::start(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let silent = Web::start(|_, stream| {
        std::thread::sleep(Duration::from_secs(3600));
        drop(stream);
    });
    for web in [endless, silent] {
        let bench = Bench { within: Duration::from_millis(400), ..Bench::new() };
        let error = bench.error("http", json!({ "url": web.url }));
        assert!(error.contains("no answer from http://127.0.0.1"), "{error}");
    }
}

#[test]
fn a_cut_or_garbled_answer_is_an_error() {
    let cut = Web::sends("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    let error = Bench::new().error("http", json!({ "url": cut.url }));
    assert!(error.contains("cut the connection"), "{error}");
    let garbage = Web::sends("220 mail.example.org ESMTP\r\n");
    let error = Bench::new().error("http", json!({ "url": garbage.url }));
    assert!(error.contains("does not answer in HTTP"), "{error}");
}

#[test]
fn a_refused_connection_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = Bench::new().error("http", json!({ "url": url }));
    assert!(error.contains("nothing listens at") && error.contains("connection refused"), "{error}");
}

#[test]
fn a_page_where_json_was_expected_is_an_error_that_tells_the_status() {
    let web = Web::answers("503 Busy", "text/html", "<h1>busy</h1>");
    let with = json!({ "url": web.url, "json": [{ "name": "error", "pointer": "/error" }] });
    let error = Bench::new().error("http", with);
    assert!(error.contains("seen `<h1>busy</h1>`") && error.ends_with("(status 503)"), "{error}");
}

#[test]
fn without_a_url_exactly_one_service_that_speaks_http_is_needed() {
    assert!(Bench::new().error("http", json!({})).contains("there are none"));
    let redis = Bench::using(Endpoint::at(ServiceKind::Redis, "127.0.0.1:1"));
    assert!(redis.error("http", json!({})).contains("there are none"));
    let mut two = Bench::using(Endpoint::at(ServiceKind::Http, "http://127.0.0.1:1"));
    two.endpoints.push(("b".to_owned(), Endpoint::at(ServiceKind::Connect, "http://127.0.0.1:1")));
    assert!(two.error("http", json!({})).contains("there are several"));
}

#[test]
fn settings_that_cannot_work_or_hold_secrets_are_refused() {
    for (with, field) in [
        (json!({ "url": "localhost:80" }), "url"),
        (json!({ "url": "ftp://localhost/" }), "url"),
        (json!({ "url": "http://user:word@localhost/" }), "url"),
        (json!({ "url": "http://localhost/", "path": "/" }), "url"),
        (json!({ "path": "health" }), "path"),
        (json!({ "path": "/a b" }), "path"),
        (json!({ "headers": { "Authorization": "Bearer x" } }), "headers"),
        (json!({ "headers": { "X-Api-Key": "x" } }), "headers"),
        (json!({ "headers": { "a b": "x" } }), "headers"),
        (json!({ "headers": { "a": "x\ny" } }), "headers"),
        (json!({ "headers_env": { "Authorization": "" } }), "headers_env"),
        (json!({ "method": "HEAD", "matches": "x" }), "method"),
        (json!({ "json": [{ "name": "status", "pointer": "/a" }] }), "json"),
    ] {
        assert_eq!(refused("http", with.clone()).field, field, "{with}");
    }
}
