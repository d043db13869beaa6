//! Every fault shows in the metrics, and is gone when it is cleared.

use crate::common::{Desk, Engines, SOON, expect_soon, within};
use crate::support::{ANSWER, Core};
use reference_engine::{Fault, ask};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

const REJECTS: [&str; 2] =
    ["ctp_rejects_total{classified=\"true\"}", "ctp_rejects_total{classified=\"false\"}"];

#[test]
fn late_orders_are_slower_than_they_may_be() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &["--orders-per-second", "20"]).ready();
    let late = || {
        let page = core.get("/metrics").1;
        let value = |series: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(series)).expect(series);
            line.trim().parse::<f64>().expect("a number")
        };
        value("ctp_order_latency_seconds_count ") - value("ctp_order_latency_seconds_bucket{le=\"0.05\"} ")
    };
    core.more_orders(5.0);
    let before = late();
    core.fault(&["latency", "60"]);
    expect_soon("orders are late", || late() >= before + 5.0);
    core.clear();
    core.more_orders(2.0);
    let cleared = late();
    core.more_orders(20.0);
    // A busy machine may make one late.
    assert!(late() < cleared + 10.0);
}

#[test]
fn late_queries_are_late_for_whoever_asks() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let latency = || {
        let (code, body) = core.get("/query?instrument=au2702");
        assert_eq!(code, 200, "{body}");
        let answer: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        answer["latency_ms"].as_f64().expect("a number")
    };
    core.fault(&["query-latency", "700"]);
    assert!(latency() >= 700.0);
    core.expect("ctp_query_latency_seconds_bucket{le=\"+Inf\"}", |all| {
        all > core.value("ctp_query_latency_seconds_bucket{le=\"0.5\"}")
    });
    core.clear();
    expect_soon("queries are quick again", || latency() < 700.0);
}

#[test]
fn a_lost_front_is_counted_and_found_again() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.fault(&["disconnect", "0.3"]);
    core.expect("ctp_disconnect_recoveries_total", |count| count == 1.0);
    assert_eq!(core.value("ctp_disconnects_total"), 1.0);
    assert_eq!(core.value("ctp_reconnect_duration_seconds_count"), 1.0);
    assert_eq!(core.value("ctp_reconnect_duration_seconds_bucket{le=\"0.25\"}"), 0.0);
    assert!(core.value("ctp_reconnect_duration_seconds_sum") >= 0.3);
    assert_eq!(core.status()["faults"].as_object().expect("an object").len(), 0);
    core.more_orders(1.0);
}

#[test]
fn a_front_that_stays_lost_is_not_recovered_until_the_fault_is_cleared() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.fault(&["disconnect-forever"]);
    expect_soon("it is not ready", || core.get("/ready").0 == 503);
    assert_eq!(
        (core.value("ctp_disconnects_total"), core.value("ctp_disconnect_recoveries_total")),
        (1.0, 0.0)
    );
    assert_eq!(core.get("/query?instrument=rb2701").0, 503);
    core.clear();
    core.expect("ctp_disconnect_recoveries_total", |count| count == 1.0);
    assert_eq!(core.value("ctp_disconnects_total"), 1.0);
    assert_eq!(core.get("/ready").0, 200);
}

#[test]
fn rejects_are_counted_by_whether_their_reason_is_known() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &["--orders-per-second", "50"]).ready();
    for (fault, rises, stays) in
        [("reject-classified", REJECTS[0], REJECTS[1]), ("reject-unclassified", REJECTS[1], REJECTS[0])]
    {
        let (one, other) = (core.value(rises), core.value(stays));
        core.fault(&[fault]);
        core.expect(rises, |count| count >= one + 3.0);
        assert_eq!(core.value(stays), other, "{fault}");
        core.clear();
        core.more_orders(2.0);
        let cleared = core.value(rises);
        core.more_orders(10.0);
        assert_eq!(core.value(rises), cleared, "{fault} is cleared");
    }
}

#[test]
fn an_open_breaker_passes_no_orders_and_is_half_open_before_it_is_closed() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &["--orders-per-second", "50"]).ready();
    core.fault(&["breaker-open"]);
    core.expect("ctp_breaker_state", |state| state == 2.0);
    expect_nothing_more(&core, &["ctp_orders_total"]);
    core.clear();
    let mut seen = Vec::new();
    expect_soon("it closes", || {
        let state = core.value("ctp_breaker_state");
        seen.push(state as u8);
        state == 0.0
    });
    seen.dedup();
    assert!([&[2, 1, 0][..], &[1, 0], &[2, 0], &[0]].contains(&&*seen), "{seen:?}");
    core.more_orders(1.0);
}

#[test]
fn a_burst_of_queries_violates_the_rate() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.fault(&["query-burst"]);
    core.expect("ctp_query_rate_violations_total", |count| count >= 40.0);
    assert!(core.value("ctp_flow_control_hits_total") > 10.0);
    core.clear();
    expect_soon("queries are answered again", || core.get("/query?instrument=rb2701").0 == 200);
}

#[test]
fn a_burst_from_outside_waits_and_is_then_refused() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let address = &core.address;
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let ask = || ask(address, "GET", "/query?instrument=IF2612", ANSWER).expect("an answer").status;
        let all: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    let count = |code| codes.iter().filter(|seen| **seen == code).count() as f64;
    assert!(count(429) > 0.0 && count(200) >= 10.0, "{codes:?}");
    assert_eq!(count(429) + count(200), 50.0, "{codes:?}");
    assert!(core.value("ctp_query_rate_violations_total") >= count(429));
    assert!(core.value("ctp_flow_control_hits_total") > 0.0);
}

#[test]
fn a_lost_login_has_no_stamp_and_is_followed_by_the_whole_session_again() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let before = core.value("ctp_login_timestamp_seconds");
    core.fault(&["lost-login"]);
    expect_soon("the stamp is gone", || core.sample("ctp_login_timestamp_seconds").is_none());
    assert_eq!((core.status()["phase"].as_str(), core.get("/ready").0), (Some("starting"), 503));
    expect_nothing_more(&core, &["ctp_orders_total"]);
    core.clear();
    expect_soon("it is ready again", || core.get("/ready").0 == 200);
    let login = core.value("ctp_login_timestamp_seconds");
    let settlement = core.value("ctp_settlement_confirmed_timestamp_seconds");
    let instruments = core.value("ctp_instruments_loaded_timestamp_seconds");
    assert!(before < login && login < settlement && settlement < instruments);
}

#[test]
fn settlement_that_never_comes_keeps_it_from_trading() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &["--fault", "settlement-never"]);
    expect_soon("it logs in", || core.status()["phase"] == "logged_in");
    let cold = core.run(&["warmup", "--seconds", "0.5"]).with_code(1);
    assert!(cold.error().contains("expected `settlement confirmed` within 0.5 s"), "{}", cold.stderr);
    assert!(cold.stdout.starts_with("login ok at=") && cold.stdout.lines().count() == 1, "{}", cold.stdout);
    assert_eq!(core.sample("ctp_settlement_confirmed_timestamp_seconds"), None);
    assert_eq!((core.value("ctp_instruments_loaded"), core.value("ctp_orders_total")), (0.0, 0.0));
    core.clear();
    let core = core.ready();
    let late = core.run(&["fault", "settlement-never"]).with_code(2);
    assert!(late.error().contains("confirmed already"), "{}", late.stderr);
}

#[test]
fn a_silent_core_is_alive_and_ready_and_does_nothing() {
    let desk = Desk::new();
    let engines = Engines::up(&desk, "tests/common/engines.toml");
    engines.gates(&["--only", "kafka-topic-init", "--allow-writes"]);
    let kafka = engines.address("kafka");
    let core =
        Core::start(&desk, &["--version", "new", "--kafka", kafka, "--orders-per-second", "50"]).ready();
    core.expect("market_ticks_published_total", |ticks| ticks >= 5.0);
    core.fault(&["silence"]);
    expect_nothing_more(&core, &["ctp_orders_total", "market_ticks_published_total"]);
    assert_eq!((core.get("/ready").0, core.value("ctp_core_alive")), (200, 1.0));
    assert_eq!(core.value("ctp_service_connected{service=\"kafka\"}"), 1.0);
    core.clear();
    core.more_orders(2.0);
    let ticks = core.value("market_ticks_published_total");
    core.expect("market_ticks_published_total", |now| now > ticks);
    drop(core);
    engines.down();
}

/// That counters stand still, once what was on its way has arrived.
fn expect_nothing_more(core: &Core<'_>, series: &[&str]) {
    let read = || series.iter().map(|series| core.value(series)).collect::<Vec<_>>();
    let still = within(SOON, || {
        let before = read();
        std::thread::sleep(Duration::from_millis(700));
        read() == before
    });
    assert!(still, "{series:?} do not stand still: {:?}", read());
}

#[test]
fn a_core_that_hangs_answers_nothing_outlives_sigterm_and_is_killed_by_stop() {
    let desk = Desk::new();
    let mut core = Core::alone(&desk, &[]).ready();
    core.fault(&["hang"]);
    let silent = |target| ask(&core.address, "GET", target, Duration::from_secs(1)).is_err();
    expect_soon("it hangs", || silent("/metrics"));
    assert!(silent("/status") && silent("/ready"));
    core.process().signal(Signal::TERM);
    assert!(!within(Duration::from_secs(1), || core.process().child().try_wait().expect("ours").is_some()));
    let nameless = core.run(&["stop"]).with_code(2);
    assert!(nameless.error().contains("--state FILE"), "{}", nameless.stderr);
    let state = core.state.to_str().expect("UTF-8").to_owned();
    let stopped = core.run(&["stop", "--state", &state, "--within", "1"]).with_code(0);
    assert!(stopped.stdout.contains("killed"), "{}", stopped.stdout);
    assert!(!core.state.exists());
    assert_eq!(core.end().signal(), Some(9));
}

#[test]
fn a_crash_ends_the_process_badly_at_once_or_from_the_start() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    core.fault(&["crash"]);
    let status = core.end();
    assert!(!status.success() && status.signal() == Some(6) && !status.core_dumped(), "{status}");
    let listen = ["core", "serve", "--version", "new", "--listen", "127.0.0.1:0", "--fault", "crash"];
    assert_ne!(desk.run(&listen).code, Some(0));
}

#[test]
fn unknown_faults_and_values_are_refused_with_what_there_is() {
    let desk = Desk::new();
    let core = Core::alone(&desk, &[]).ready();
    let unknown = core.run(&["fault", "gremlin"]).with_code(2);
    assert!(Fault::ALL.iter().all(|fault| unknown.error().contains(fault.name())), "{}", unknown.stderr);
    assert!(core.run(&["fault", "latency", "NaN"]).with_code(2).error().contains("milliseconds"));
    for target in ["/fault?name=gremlin", "/fault", "/fault?name=latency&value=-1"] {
        let answer = ask(&core.address, "POST", target, ANSWER).expect("an answer");
        assert_eq!(answer.status, 400, "{target}: {}", answer.body);
    }
    assert_eq!(core.status()["faults"].as_object().expect("an object").len(), 0);
}
