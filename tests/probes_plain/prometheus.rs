use super::bench::{Bench, fact, judged, number, observation, reading, refused};
use super::web::{Web, answer};
use cutproof::condition::Truth;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A server that gives these pages one after the other, and then the last one for good.
fn pages(pages: &[&str]) -> Web {
    let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
    let next = AtomicUsize::new(0);
    Web::start(move |_, mut stream| {
        let number = next.fetch_add(1, Ordering::SeqCst).min(pages.len() - 1);
        let _ = stream.write_all(answer("200 OK", "text/plain; version=0.0.4", &pages[number]).as_bytes());
    })
}

fn series(name: &str, select: &str, take: &str) -> Value {
    json!({ "name": name, "select": select, "take": take })
}

const BEFORE: &str = "# TYPE orders_total counter\norders_total{env=\"a\"} 100\norders_total{env=\"b\"} 7\n\
    # TYPE lat_seconds histogram\nlat_seconds_bucket{le=\"0.005\"} 10\nlat_seconds_bucket{le=\"0.01\"} 10\n\
    lat_seconds_bucket{le=\"+Inf\"} 10\nlat_seconds_sum 1\nlat_seconds_count 10\nbreaker_state{core=\"1\"} 0\n";
const AFTER: &str = "# TYPE orders_total counter\norders_total{env=\"a\"} 160\norders_total{env=\"b\"} 4\n\
    # TYPE lat_seconds histogram\nlat_seconds_bucket{le=\"0.005\"} 110\nlat_seconds_bucket{le=\"0.01\"} 120\n\
    lat_seconds_bucket{le=\"+Inf\"} 120\nlat_seconds_sum 2\nlat_seconds_count 120\nbreaker_state{core=\"1\"} 1\n";

#[test]
fn gauges_counters_and_quantiles_are_taken_over_a_window() {
    let web = pages(&[BEFORE, AFTER]);
    let bench = Bench::using(Endpoint::at(ServiceKind::Http, web.url.clone()));
    let with = json!({ "window": "200ms", "series": [
        series("breaker_state", "breaker_state", "gauge"),
        series("orders", "orders_total", "counter"),
        series("new_orders", "orders_total{env=\"a\"}", "delta"),
        series("all_new_orders", "orders_total", "delta"),
        series("orders_rate", "orders_total{env=~\"a\"}", "rate"),
        { "name": "latency_p99_ms", "select": "lat_seconds", "take": "quantile", "q": 0.99 },
        series("absent", "nowhere", "gauge"),
    ]});
    let measured = bench.measure("prometheus", with).unwrap();
    assert_eq!(number(&measured, "scraped"), 8.0);
    assert_eq!(number(&measured, "breaker_state"), 1.0);
    assert_eq!(number(&measured, "orders"), 164.0);
    assert_eq!(number(&measured, "new_orders"), 60.0);
    assert_eq!(
        (number(&measured, "all_new_orders"), observation(&measured, "all_new_orders").samples),
        (64.0, 64)
    );
    assert!(fact(&measured, "all_new_orders").contains("1 series reset in the window"));
    let rate = number(&measured, "orders_rate");
    assert!(rate > 0.0 && rate <= 60.0 / 0.2, "{rate}");
    // 110 events, of which 100 at most 5 ms: the 99th percentile lies at 89/100 of the next bucket.
    assert!((number(&measured, "latency_p99_ms") - 9.45).abs() < 1e-9);
    assert_eq!(observation(&measured, "latency_p99_ms").samples, 110);
    assert_eq!(judged(&measured, "latency_p99_ms < 10 and latency_p99_ms > 9ms"), Truth::True);
    assert_eq!(reading(&measured, "absent"), &Reading::Missing);
    assert!(fact(&measured, "absent").contains("no series matches nowhere"));
    let asked = web.asked.lock().unwrap();
    assert!(asked.len() == 2 && asked[0].starts_with("GET /metrics "), "{asked:?}");
}

/// Nine of ten rejects classified, and no disconnect yet.
const COUNTED: &str = "# TYPE rejects_total counter\nrejects_total{classified=\"true\"} 9\n\
    rejects_total{classified=\"false\"} 1\n# TYPE disconnects_total counter\ndisconnects_total 0\n\
    # TYPE recoveries_total counter\nrecoveries_total 0\n";

#[test]
fn a_ratio_is_what_part_some_series_are_of_others() {
    let web = pages(&[COUNTED]);
    let of = |name: &str, select: &str, of: &str| json!({ "name": name, "select": select, "take": "ratio", "of": of });
    let mut recovered = of("recovered_ratio", "recoveries_total", "disconnects_total");
    let with = json!({ "url": web.url, "series": [
        of("classified_ratio", "rejects_total{classified=\"true\"}", "rejects_total"),
        of("classified_pct", "rejects_total{classified=\"true\"}", "rejects_total"),
        recovered.clone(),
        of("no_part", "rejects_total{classified=\"maybe\"}", "rejects_total"),
        of("no_whole", "rejects_total", "nowhere"),
    ]});
    let measured = Bench::new().measure("prometheus", with).unwrap();
    assert_eq!(number(&measured, "classified_ratio"), 0.9);
    assert_eq!(number(&measured, "classified_pct"), 90.0);
    let classified = observation(&measured, "classified_ratio");
    let source = "ratio of rejects_total{classified=\"true\"} to rejects_total at ";
    assert!(classified.samples == 10 && classified.source.starts_with(source), "{classified:?}");
    assert!(fact(&measured, "classified_ratio").contains("9 of 10"));
    assert_eq!(judged(&measured, "classified_ratio >= 0.95"), Truth::False);
    assert_eq!(reading(&measured, "recovered_ratio"), &Reading::NoEvents);
    assert_eq!(reading(&measured, "no_part"), &Reading::Missing);
    assert!(fact(&measured, "no_whole").contains("no series of the whole"));
    assert_eq!(web.asked.lock().unwrap().len(), 1);

    recovered["idle"] = json!(1);
    let measured =
        Bench::new().measure("prometheus", json!({ "url": web.url, "series": [recovered] })).unwrap();
    let idle = observation(&measured, "recovered_ratio");
    assert_eq!((number(&measured, "recovered_ratio"), idle.samples), (1.0, 0));
    assert!(fact(&measured, "recovered_ratio").contains("`idle` says 1 while nothing has happened"));
}

#[test]
fn what_compares_two_scrapes_says_over_which_window() {
    let web = pages(&[BEFORE, AFTER]);
    let with = json!({ "url": web.url, "window": "200ms", "series": [
        series("new_orders", "orders_total", "delta"),
        { "name": "p99_ms", "select": "lat_seconds", "take": "quantile", "q": 0.99 },
        series("breaker_state", "breaker_state", "gauge"),
    ]});
    let measured = Bench::new().measure("prometheus", with).unwrap();
    let source = |name: &str| observation(&measured, name).source.replace(&web.url, "URL");
    assert_eq!(source("new_orders"), "delta of orders_total over 0.2 s at URL");
    assert_eq!(source("p99_ms"), "quantile 0.99 of lat_seconds over 0.2 s at URL");
    assert_eq!(source("breaker_state"), "gauge breaker_state at URL");
}

#[test]
fn without_a_window_the_page_is_asked_for_once() {
    let web = pages(&[BEFORE]);
    let with = json!({ "url": format!("{}/other", web.url), "series": [series("orders", "orders_total", "counter")] });
    Bench::new().measure("prometheus", with).unwrap();
    let asked = web.asked.lock().unwrap();
    assert!(asked.len() == 1 && asked[0].starts_with("GET /other "), "{asked:?}");
}

#[test]
fn a_quantile_without_events_is_no_value() {
    let web = pages(&[BEFORE]);
    let p99 = json!({ "name": "p99_ms", "select": "lat_seconds", "take": "quantile", "q": 0.99 });
    let with = json!({ "url": web.url, "window": "1ms", "series": [p99] });
    let measured = Bench::new().measure("prometheus", with).unwrap();
    assert_eq!(reading(&measured, "p99_ms"), &Reading::NoEvents);
    assert_eq!(judged(&measured, "p99_ms < 5"), Truth::Unknown);
    assert_eq!(judged(&measured, "no_events(p99_ms)"), Truth::True);
}

#[test]
fn a_quantile_above_the_highest_bucket_is_not_known_unless_the_bound_is_asked_for() {
    let slow = BEFORE.replace("lat_seconds_bucket{le=\"+Inf\"} 10", "lat_seconds_bucket{le=\"+Inf\"} 60");
    let p99 = |beyond: &str| json!({ "name": "p99_ms", "select": "lat_seconds", "take": "quantile", "q": 0.99, "beyond": beyond });
    for (beyond, expected) in [("missing", Truth::Unknown), ("bound", Truth::True)] {
        let web = pages(&[BEFORE, &slow]);
        let with = json!({ "url": web.url, "window": "1ms", "series": [p99(beyond)] });
        let measured = Bench::new().measure("prometheus", with).unwrap();
        assert_eq!(judged(&measured, "p99_ms < 60s"), expected);
        assert!(fact(&measured, "p99_ms").contains("above 0.01 s, the highest bucket of lat_seconds"));
    }
}

#[test]
fn what_is_no_metrics_page_is_an_error() {
    let with = |web: &Web| json!({ "url": web.url, "series": [series("x", "x", "gauge")] });
    let error = |web: Web| Bench::new().error("prometheus", with(&web));
    let html = error(Web::answers("200 OK", "text/html", "<!DOCTYPE html>\n"));
    assert!(html.contains("not a metrics page: line 1, character 1: expected a metric's name"), "{html}");
    let busy = error(Web::answers("503 Busy", "text/plain", "x 1\n"));
    assert!(busy.contains("expected status 200 and a metrics page, seen 503 and `x 1"), "{busy}");
    let binary = error(Web::sends(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()));
    assert!(binary.contains("expected a metrics page in text"), "{binary}");
    let cut = error(Web::sends("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nx 12"));
    assert!(cut.contains("one that may be cut off"), "{cut}");
    let cut = error(Web::sends("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx 12"));
    assert!(cut.contains("cut the connection"), "{cut}");
    let cut = error(Web::answers("200 OK", "application/openmetrics-text; version=1.0.0", "x 1\n"));
    assert!(cut.contains("expected # EOF"), "{cut}");
    let twice = error(Web::answers("200 OK", "text/plain", "x 1\nx 2\n"));
    assert!(twice.contains("series x{} is there twice"), "{twice}");
    let large = error(Web::answers("200 OK", "text/plain", &"# a comment\n".repeat((16 << 20) / 12 + 1)));
    assert!(large.contains("more than 16 MiB"), "{large}");
}

#[test]
fn a_page_that_never_ends_is_an_error_at_the_deadline() {
    let web = Web::start(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b"x 1\n").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let bench = Bench { within: Duration::from_millis(300), ..Bench::new() };
    let error = bench.error("prometheus", json!({ "url": web.url, "series": [series("x", "x", "gauge")] }));
    assert!(error.contains("no answer from"), "{error}");
}

#[test]
fn a_window_that_does_not_fit_or_is_cancelled_is_an_error() {
    let web = pages(&[BEFORE]);
    let with =
        json!({ "url": web.url, "window": "1h", "series": [series("orders", "orders_total", "delta")] });
    let error = Bench::new().error("prometheus", with.clone());
    assert!(error.contains("a window of 3600s does not fit into"), "{error}");
    let bench = Bench { within: Duration::from_secs(7200), ..Bench::new() };
    bench.cancel.cancel("SIGTERM");
    let error = bench.error("prometheus", with);
    assert!(error.contains("the run is being ended (SIGTERM)"), "{error}");
}

#[test]
fn a_gauge_is_not_taken_for_a_counter() {
    let web = pages(&["# TYPE depth gauge\ndepth 5\n"]);
    let with = json!({ "url": web.url, "window": "1ms", "series": [series("deeper", "depth", "delta")] });
    let error = Bench::new().error("prometheus", with);
    assert!(error.contains("depth is a gauge, and deeper takes it as a delta"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (item, expected) in [
        (series("x", "rate(x[5m])", "gauge"), "expected `{` or the end"),
        (series("x", "x", "quantile"), "needs q"),
        (json!({ "name": "x", "select": "x", "take": "quantile", "q": 99 }), "q = 99"),
        (json!({ "name": "x", "select": "x", "take": "gauge", "q": 0.5 }), "q is for take"),
        (json!({ "name": "x", "select": "x{le=\"1\"}", "take": "quantile", "q": 0.5 }), "no matcher of `le`"),
        (json!({ "name": "x", "select": "x", "take": "gauge", "unit": "parsec" }), "unit:"),
        (series("lag_ms", "heap_bytes", "gauge"), "lag_ms says ms, but heap_bytes is measured in B"),
        (series("scraped", "x", "gauge"), "is observed already"),
        (series("x", "x", "ratio"), "needs of"),
        (json!({ "name": "x", "select": "x", "take": "ratio", "of": "sum(x)" }), "of = "),
        (json!({ "name": "x", "select": "x", "take": "gauge", "of": "x" }), "are for take = \"ratio\""),
        (json!({ "name": "x", "select": "x", "take": "ratio", "of": "x", "idle": 1.5 }), "idle = 1.5"),
        (json!({ "name": "x", "select": "x", "take": "ratio", "of": "x", "unit": "s" }), "unit:"),
        (json!({ "name": "x_ms", "select": "x", "take": "ratio", "of": "x" }), "x_ms says ms"),
    ] {
        let bad = refused("prometheus", json!({ "url": "http://localhost/", "series": [item] }));
        assert!(bad.field == "series" && bad.message.contains(expected), "{}", bad.message);
    }
    assert!(refused("prometheus", json!({ "series": [] })).message.contains("at least one"));
}
