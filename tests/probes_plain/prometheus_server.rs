//! The probe beside a real Prometheus server that scrapes the same page.

use super::bench::{Bench, GENEROUS, number, reading};
use super::web::{Web, answer};
use cutproof::model::units::Unit;
use cutproof::model::{Endpoint, Reading, ServiceKind};
use cutproof::process::{Cancel, Command, Server, Worker};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bounds of the histograms' buckets.
const BOUNDS: [&str; 7] = ["0.001", "0.005", "0.01", "0.05", "0.1", "1.0", "+Inf"];
/// What the buckets hold before the window, the same in all: much more than they gain, so that Prometheus stretches
/// the increase of each by the same factor, to which a quantile is indifferent.
const HELD: u32 = 1_000_000;

/// Histograms by their labels, with what each bucket gained: cumulative as on a page.
const GAINED: [(&str, &str, [u32; 7]); 5] = [
    ("lat_seconds", "env=\"prod\",core=\"1\"", [5, 40, 70, 90, 97, 100, 100]),
    ("lat_seconds", "env=\"prod\",core=\"2\"", [0, 0, 0, 10, 900, 1000, 1000]),
    ("lat_seconds", "env=\"te\\\"st\",core=\"1\"", [1, 1, 1, 1, 1, 1, 1]),
    ("slow_seconds", "", [0, 0, 0, 0, 0, 10, 100]),
    ("idle_seconds", "", [0; 7]),
];

/// The page before (0) and after (1) the window. One counter was reset in between.
fn page(step: usize) -> String {
    let mut page =
        String::from("# HELP lat_seconds Latency \\\\ of \"orders\"\n# TYPE lat_seconds histogram\n");
    for (name, labels, gained) in GAINED {
        for (bound, gained) in BOUNDS.iter().zip(gained) {
            let count = HELD + gained * step as u32;
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
    }
    let (depth, reset) = if step == 0 { (3, 2_000_000) } else { (-4, 900_000) };
    let _ = writeln!(page, "# TYPE depth gauge\ndepth{{q=\"a\"}} {depth}\ndepth {{ q = \"b\", }} 1e-3");
    let _ = writeln!(page, "# TYPE restarts_total counter\nrestarts_total{{path=\"C:\\\\a\\nb\"}} {reset}");
    for (le, gained) in BOUNDS.iter().zip([10, 20, 30, 40, 50, 60, 70]) {
        let count = if step == 0 { 5_000_000 } else { 1_000_000 + gained };
        let _ = writeln!(page, "restarted_seconds_bucket{{le=\"{le}\"}} {count}");
    }
    page
}

/// Turns its page after the probe's first request, and only then.
fn turning_page() -> (Web, Arc<AtomicUsize>) {
    let step = Arc::new(AtomicUsize::new(0));
    let shown = Arc::clone(&step);
    let web = Web::start(move |head, mut stream| {
        let page = page(shown.load(Ordering::SeqCst));
        let _ = stream.write_all(answer("200 OK", "text/plain; version=0.0.4", &page).as_bytes());
        if head.to_lowercase().contains("user-agent: cutproof") {
            shown.store(1, Ordering::SeqCst);
        }
    });
    (web, step)
}

/// A Prometheus that scrapes `target` every 200 ms.
struct Prometheus {
    address: String,
    _server: Server,
}

impl Prometheus {
    fn start(target: &str, folder: &Path) -> Prometheus {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = folder.join("prometheus.yml");
        let job = format!("{{ job_name: core, static_configs: [{{ targets: ['{target}'] }}] }}");
        let global = "{ scrape_interval: 200ms, scrape_timeout: 200ms }";
        std::fs::write(&config, format!("global: {global}\nscrape_configs: [{job}]\n")).unwrap();
        let argv = [
            "prometheus".to_owned(),
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address={address}"),
            "--query.lookback-delta=1m".to_owned(),
        ];
        let started = Command::argv(argv, GENEROUS).start(&Worker::unheld().unwrap(), &folder.join("log"));
        let server = started.unwrap_or_else(|error| {
            panic!(
                "{error}\nThis test compares with a real Prometheus: RUNLEVEL=1 apt-get install prometheus"
            )
        });
        Prometheus { address, _server: server }
    }

    /// The values that a query gives; none where it can't be reached.
    fn ask(&self, query: &str) -> Vec<f64> {
        let url = format!("http://{}/api/v1/query", self.address);
        let Ok(mut response) = ureq::get(&url).query("query", query).call() else { return Vec::new() };
        let answer: Value = serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap();
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        result.iter().map(|item| item["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    fn wait(&self, query: &str, expected: &[f64]) {
        let begun = Instant::now();
        while self.ask(query) != expected {
            assert!(begun.elapsed() < GENEROUS, "{query}: expected {expected:?}, seen {:?}", self.ask(query));
            assert!(!Cancel::new().unwrap().pause(Duration::from_millis(50)));
        }
    }

    fn one(&self, query: &str) -> f64 {
        let values = self.ask(query);
        assert_eq!(values.len(), 1, "{query}: {values:?}");
        values[0]
    }
}

const QUANTILES: [f64; 5] = [0.01, 0.5, 0.9, 0.99, 1.0];
/// Counters of which one is a part of the other.
const PART: &str = "lat_seconds_bucket{le=\"0.05\",env=\"prod\"}";
const WHOLE: &str = "lat_seconds_bucket{le=\"+Inf\"}";
const SELECTED: [&str; 5] = [
    "lat_seconds",
    r#"lat_seconds{env="prod"}"#,
    r#"lat_seconds{env!~"pro.",core=~"1|2"}"#,
    "slow_seconds",
    "restarted_seconds",
];

fn with(url: &str) -> Value {
    let mut series = Vec::new();
    for (s, select) in SELECTED.iter().enumerate() {
        for (n, q) in QUANTILES.iter().enumerate() {
            series.push(json!({ "name": format!("s{s}_q{n}"), "select": select, "take": "quantile", "q": q, "beyond": "bound" }));
        }
    }
    series.extend([
        json!({ "name": "idle", "select": "idle_seconds", "take": "quantile", "q": 0.5 }),
        json!({ "name": "depth", "select": "depth", "take": "gauge" }),
        json!({ "name": "least", "select": "depth", "take": "gauge_min" }),
        json!({ "name": "share_ratio", "select": PART, "take": "ratio", "of": WHOLE }),
        json!({ "name": "query_latency_p99_ms", "select": SELECTED[1], "take": "quantile", "q": 0.99 }),
        json!({ "name": "restarts", "select": r#"restarts_total{path="C:\\a\nb"}"#, "take": "counter" }),
    ]);
    json!({ "url": url, "window": "1s", "series": series })
}

#[test]
#[ignore = "needs a Prometheus server on PATH; .ci/run installs one and runs this"]
fn quantiles_and_gauges_are_those_that_prometheus_computes() {
    let folder = tempfile::tempdir().unwrap();
    let (web, _step) = turning_page();
    let prometheus = Prometheus::start(web.url.trim_start_matches("http://"), folder.path());
    prometheus.wait("max(depth)", &[3.0]);
    prometheus.wait("max(count_over_time(depth[1m])) > bool 2", &[1.0]);
    let measured = Bench::new().measure("prometheus", with(&format!("{}/metrics", web.url))).unwrap();
    prometheus.wait("min(depth)", &[-4.0]);

    for (s, select) in SELECTED.iter().enumerate() {
        let buckets = select.replacen("_seconds", "_seconds_bucket", 1);
        for (n, q) in QUANTILES.iter().enumerate() {
            let query = format!("histogram_quantile({q}, sum by (le) (increase({buckets}[1m])))");
            let (theirs, ours) = (prometheus.one(&query), number(&measured, &format!("s{s}_q{n}")));
            println!("{q} of {select}: Prometheus {theirs}, cutproof {ours}");
            assert!((theirs - ours).abs() <= 1e-9 * theirs.abs(), "{query}: {theirs}, seen {ours}");
        }
    }
    let p99 = format!(
        "1000 * histogram_quantile(0.99, sum by (le) (increase({}[1m])))",
        SELECTED[1].replacen("_seconds", "_seconds_bucket", 1)
    );
    let (theirs, ours) = (prometheus.one(&p99), number(&measured, "query_latency_p99_ms"));
    assert!((theirs - ours).abs() <= 1e-9 * theirs, "{p99}: {theirs}, seen {ours}");
    let ratio = format!("sum({PART}) / sum({WHOLE})");
    assert_eq!(prometheus.one(&ratio), number(&measured, "share_ratio"));
    assert!(
        prometheus.one("histogram_quantile(0.5, sum by (le) (increase(idle_seconds_bucket[1m])))").is_nan()
    );
    assert_eq!(reading(&measured, "idle"), &Reading::NoEvents);
    assert_eq!(prometheus.one("max(depth)"), number(&measured, "depth"));
    assert_eq!(prometheus.one("min(depth)"), number(&measured, "least"));
    assert_eq!(prometheus.one(r#"restarts_total{path="C:\\a\nb"}"#), number(&measured, "restarts"));
    assert_eq!(prometheus.one("scrape_samples_scraped"), number(&measured, "scraped"));
}

#[test]
#[ignore = "needs a Prometheus server on PATH; .ci/run installs one and runs this"]
fn a_query_gives_the_value_that_the_server_has() {
    let folder = tempfile::tempdir().unwrap();
    let (web, _step) = turning_page();
    let prometheus = Prometheus::start(web.url.trim_start_matches("http://"), folder.path());
    prometheus.wait("max(depth)", &[3.0]);
    prometheus.wait("max(count_over_time(depth[1m])) > bool 2", &[1.0]);
    let bench = Bench::using(Endpoint::at(ServiceKind::Prometheus, format!("http://{}", prometheus.address)));
    let ask = |with: Value| bench.measure("prometheus_query", with);

    for query in
        ["max(depth)", r#"depth{q="a"} * 2"#, "scalar(min(depth))", "42.5", "sum(lat_seconds_bucket) > 1"]
    {
        let measured = ask(json!({ "query": query })).unwrap();
        let theirs = match query {
            "42.5" => 42.5,
            query => {
                prometheus.one(query.trim_start_matches("scalar(").replace("(depth))", "(depth)").as_str())
            }
        };
        assert_eq!((number(&measured, "value"), number(&measured, "series")), (theirs, 1.0), "{query}");
    }
    let measured = ask(json!({ "query": "max(depth)", "unit": "s" })).unwrap();
    assert_eq!(reading(&measured, "value"), &Reading::number(3.0, Unit::Second));
    let none = ask(json!({ "query": "nothing_of_this_name" })).unwrap();
    assert_eq!((reading(&none, "value"), number(&none, "series")), (&Reading::Missing, 0.0));

    let idle = "histogram_quantile(0.99, sum by (le) (increase(idle_seconds_bucket[1m])))";
    assert_eq!(reading(&ask(json!({ "query": idle })).unwrap(), "value"), &Reading::Missing);
    let quiet = ask(json!({ "query": idle, "nan": "no_events" })).unwrap();
    assert_eq!(reading(&quiet, "value"), &Reading::NoEvents);

    let told = bench.error("prometheus_query", json!({ "query": "depth" }));
    assert!(told.contains("expected one series, and the query gives 2: aggregate them"), "{told}");
    let told = bench.error("prometheus_query", json!({ "query": "max(depth" }));
    assert!(told.contains("it refused the query (bad_data, status 400)"), "{told}");
    let told = bench.error("prometheus_query", json!({ "query": "depth[1m]" }));
    assert!(told.contains("the query gives a matrix"), "{told}");
    let page = Bench::using(Endpoint::at(ServiceKind::Prometheus, web.url.clone()));
    let told = page.error("prometheus_query", json!({ "query": "1" }));
    assert!(told.contains("expected an answer of the query API, seen status 200"), "{told}");
}
