//! The session, the services that are away, and the control port.

use crate::common::{Desk, Engines, expect_soon};
use crate::support::Core;
use std::io::Write;
use std::process::{Command, Stdio};

const STAMPS: [&str; 3] = [
    "ctp_login_timestamp_seconds",
    "ctp_settlement_confirmed_timestamp_seconds",
    "ctp_instruments_loaded_timestamp_seconds",
];

#[test]
fn login_settlement_and_instruments_come_in_this_order_and_only_then_it_trades() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &["--pace", "300"]);
    let began = core.value("process_start_time_seconds");
    let (code, told) = core.get("/ready");
    let early = core.get("/query?instrument=rb2701").0;
    let orders = core.value("ctp_orders_total");
    if core.sample(STAMPS[2]).is_none() {
        // Looked at before it was ready, as it is after the fact known to have been.
        assert_eq!((code, early, orders), (503, 503, 0.0), "{told}");
    }
    let core = core.ready();
    let stamps = STAMPS.map(|name| core.value(name));
    let all = [&[began], &stamps[..]].concat();
    assert!(all.windows(2).all(|two| two[1] - two[0] > 0.25), "{all:?}");
    assert_eq!(core.value("ctp_instruments_loaded"), 20.0);
    core.more_orders(2.0);
    let status = core.status();
    assert_eq!(
        (&status["version"], &status["phase"], &status["mode"]),
        (&"new".into(), &"ready".into(), &"direct".into())
    );
    assert_eq!(status["pid"], core.pid());
    assert_eq!(status["login_timestamp_seconds"].as_f64(), Some(stamps[0]));
}

#[test]
fn the_warm_up_tells_each_step_in_order_and_some_queries() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]);
    let told = core.run(&["warmup", "--seconds", "60"]).with_code(0).stdout;
    let lines: Vec<_> = told.lines().collect();
    let begins = ["login ok at=2", "settlement confirmed at=2", "instruments loaded at=2"];
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{told}");
    assert!(lines[0].ends_with(" version=new") && lines[2].ends_with("Z count=20"), "{told}");
    let queries = lines[3..].iter().filter(|line| line.starts_with("query ok instrument="));
    assert_eq!((lines.len(), queries.count()), (8, 5), "{told}");
    assert_eq!(core.value("ctp_flow_control_hits_total"), 0.0);
}

#[test]
fn services_that_are_away_end_nothing_and_are_said() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.more_orders(3.0);
    for service in ["kafka", "postgres", "redis"] {
        assert_eq!(core.value(&format!("ctp_service_connected{{service=\"{service}\"}}")), 0.0);
        expect_soon("the reason names the address", || {
            let seen = core.status()["services"][service].clone();
            assert_eq!(seen["connected"], false);
            seen["reason"].as_str().is_some_and(|reason| reason.contains("127.0.0.1:1"))
        });
    }
    let none = ["market_ticks_published_total", "ctp_orders_stored_total", "strategy_bridge_chain_complete"];
    assert_eq!(none.map(|series| core.value(series)), [0.0; 3]);
    assert!(core.value("ctp_orders_unstored") >= 3.0);
    let told = core.run(&["status"]).with_code(0).stdout;
    assert!(told.contains("\nkafka not connected: nothing answers at 127.0.0.1:1\n"), "{told}");
}

#[test]
fn a_service_without_an_address_is_not_connected() {
    let desk = Desk::new();
    let core = Core::start(&desk, &["--version", "old"]).ready();
    let told = core.run(&["status"]).with_code(0).stdout;
    for variable in ["CUTPROOF_ENDPOINT_KAFKA", "CUTPROOF_ENDPOINT_POSTGRES", "CUTPROOF_ENDPOINT_REDIS"] {
        assert!(told.contains(variable), "{told}");
    }
    assert_eq!(core.value("ctp_core_info{version=\"old\"}"), 1.0);
}

#[test]
fn counters_and_histograms_are_there_from_the_start_at_0() {
    let desk = Desk::new();
    // A session that never gets to trading.
    let core = Core::alone(&desk, &["--fault", "settlement-never"]);
    for series in [
        "ctp_query_latency_seconds_count",
        "ctp_flow_control_hits_total",
        "ctp_query_rate_violations_total",
        "ctp_disconnects_total",
        "ctp_disconnect_recoveries_total",
        "ctp_reconnect_duration_seconds_count",
        "ctp_reconnect_duration_seconds_bucket{le=\"10\"}",
        "ctp_rejects_total{classified=\"true\"}",
        "ctp_rejects_total{classified=\"false\"}",
        "ctp_order_latency_seconds_bucket{le=\"0.005\"}",
        "ctp_query_latency_seconds_bucket{le=\"2\"}",
        "strategy_bridge_latency_seconds_bucket{le=\"1.5\"}",
        "ctp_breaker_state",
        "market_ticks_published_total",
        "ctp_orders_total",
        "ctp_trades_total",
    ] {
        assert_eq!(core.value(series), 0.0, "{series}");
    }
    assert_eq!(core.value("ctp_core_alive"), 1.0);
}

/// Prometheus' own opinion, where its package is installed.
#[test]
fn prometheus_accepts_the_page() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.more_orders(1.0);
    let page = core.get("/metrics").1;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match promtool.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not checked: promtool (Debian's package prometheus) is not installed");
            return;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    child.stdin.take().expect("piped").write_all(page.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
}

#[test]
fn only_loopback_is_listened_on() {
    let desk = Desk::new();
    let refused = desk.run(&["core", "serve", "--version", "new", "--listen", "0.0.0.0:0"]).with_code(2);
    assert!(refused.error().contains("loopback addresses only"), "{}", refused.stderr);
}

#[test]
fn what_the_control_port_does_not_serve_it_refuses() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    assert_eq!(core.get("/query?instrument=XX9999").0, 404);
    assert_eq!(core.get("/query").0, 400);
    assert_eq!(core.get("/nowhere").0, 404);
    // A link that somebody follows must stop nothing.
    assert_eq!(core.get("/stop").0, 405);
    assert_eq!(core.get("/ready").0, 200);
}

#[test]
fn a_core_starts_only_where_it_is_installed() {
    let desk = Desk::new();
    let release = desk.write("release", "new\n");
    let start = |release| {
        let words = ["core", "serve", "--listen", "127.0.0.1:0", "--version", "old", "--release", release];
        desk.run(&words).with_code(2).error().to_owned()
    };
    assert!(start(&release).contains("it says `new`"));
    assert!(start("/no/such/file").contains("/no/such/file"));
    Core::alone(&desk, &["--release", &release]).ready();
}

#[test]
fn a_password_is_nowhere_to_be_read() {
    let mut desk = Desk::new();
    desk.set("CUTPROOF_PASSWORD_POSTGRES", "very-secret-word");
    let engines = Engines::up(&desk, "tests/common/engines.toml");
    let core = Core::start(&desk, &["--version", "new", "--postgres", engines.address("postgres")]).ready();
    expect_soon("PostgreSQL refuses", || {
        core.run(&["status"]).stdout.contains("password authentication failed")
    });
    let told = [core.get("/status").1, core.get("/metrics").1, core.log()].concat();
    assert!(!told.contains("very-secret-word"), "{told}");
    drop(core);
    engines.down();
}
