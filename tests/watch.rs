//! The watch, on real pages of a small server, and the verb `watch` as a person meets it.

mod common;
#[path = "probes_plain/web.rs"]
mod web;

use common::{Desk, argument};
use cutproof::evidence::{self, RunView};
use cutproof::journal::{self, Journal};
use cutproof::model::event::{RunStarted, Sink};
use cutproof::model::redact::Redactor;
use cutproof::model::watch::{OnNoData, WatchPlan, WatchSample, WatchVerdict};
use cutproof::model::{Args, Clock, Counts, Event, Position, Reading, RunId, Verdict};
use cutproof::monitor;
use cutproof::probe;
use cutproof::process::{Cancel, Worker};
use cutproof::profile::switch::{Measure, Metric, Watch};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use web::{Web, answer};

const INTERVAL: Duration = Duration::from_millis(100);

fn at() -> Position {
    Position { file: "gates/desk.toml".to_owned(), line: 7, column: 1 }
}

/// A source that scrapes a page for the series that tests speak of.
fn page(url: &str, timeout: Duration) -> Measure {
    let series = json!([
        {"name": "p99_ms", "select": "order_seconds", "take": "quantile", "q": 0.99},
        {"name": "orders", "select": "orders_total", "take": "delta"},
        {"name": "lag_ms", "select": "lag_seconds", "take": "gauge"},
    ]);
    let with = json!({ "url": url, "window": 300, "series": series });
    let with: Args = serde_json::from_value(with).expect("settings");
    Measure { probe: probe::find("prometheus").expect("it is there"), with, uses: vec![], timeout, at: at() }
}

/// What a core shows: orders so far, of which so many took longer than 5 ms, or than 100 ms; and a lag.
fn shown(fast: usize, slow: usize, beyond: usize, lag: f64) -> String {
    let (upto, all) = (fast + slow, fast + slow + beyond);
    format!(
        "# TYPE order_seconds histogram\n\
         order_seconds_bucket{{le=\"0.005\"}} {fast}\norder_seconds_bucket{{le=\"0.1\"}} {upto}\n\
         order_seconds_bucket{{le=\"+Inf\"}} {all}\norder_seconds_count {all}\n\
         # TYPE orders_total counter\norders_total {all}\n# TYPE lag_seconds gauge\nlag_seconds {lag}\n"
    )
}

fn good(n: usize) -> String {
    shown(10 * n, 0, 0, 0.002)
}

/// A server whose answer depends on how often it was asked, from 1.
fn pages(of: impl Fn(usize) -> String + Send + Sync + 'static) -> Web {
    let asked = AtomicUsize::new(0);
    Web::start(move |_, mut stream| {
        let page = of(asked.fetch_add(1, Ordering::SeqCst) + 1);
        let answered = answer("200 OK", "text/plain; version=0.0.4", &page);
        drop(std::io::Write::write_all(&mut stream, answered.as_bytes()));
    })
}

fn metric(name: &str, source: &str, value: &str, expect: &str) -> Metric {
    Metric {
        name: name.to_owned(),
        source: source.to_owned(),
        value: value.to_owned(),
        expect: (!expect.is_empty()).then(|| expect.parse().expect("a condition")),
        failure_limit: 0,
        // A window without an order may begin at any tick.
        inconclusive_limit: 3,
        consecutive_error_limit: 2,
        warmup: Duration::ZERO,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: at(),
    }
}

/// The three metrics of one page.
fn core(url: &str) -> Watch {
    let mut orders = metric("orders", "core", "orders", "");
    orders.activity = true;
    Watch {
        interval: INTERVAL,
        max_age: 4 * INTERVAL,
        sources: vec![("core".to_owned(), page(url, INTERVAL))],
        metrics: vec![
            metric("p99_ms", "core", "p99_ms", "p99_ms < 50"),
            orders,
            metric("lag_ms", "core", "lag_ms", "lag_ms < 500"),
        ],
        at: at(),
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<(Event, Instant)>>);

impl Sink for Told {
    fn event(&self, event: Event) {
        self.0.lock().expect("nobody broke off").push((event, Instant::now()));
    }
}

/// A watch that was made.
struct Watched {
    plan: WatchPlan,
    verdict: WatchVerdict,
    samples: Vec<WatchSample>,
    /// From the moment at which the last sample was complete until the watch returned.
    late: Duration,
}

impl Watched {
    /// Ticks and errors of a source, in the order in which they were told.
    fn of(&self, source: &str) -> Vec<(u64, Option<&str>)> {
        let mine = self.samples.iter().filter(|sample| sample.source == source);
        mine.map(|sample| (sample.tick, sample.error.as_deref())).collect()
    }

    fn ticks(&self, source: &str) -> Vec<u64> {
        self.of(source).into_iter().map(|(tick, _)| tick).collect()
    }

    #[track_caller]
    fn expect_error(&self, source: &str, part: &str) {
        let errors: Vec<_> = self.of(source).into_iter().filter_map(|(_, error)| error).collect();
        assert!(errors.iter().any(|error| error.contains(part)), "expected {part:?} in {errors:?}");
    }

    #[track_caller]
    fn expect(&self, verdict: Verdict, part: &str) {
        assert_eq!(self.verdict.verdict, verdict, "{:?}\n{:?}", self.verdict, self.samples);
        assert!(self.verdict.reason.contains(part), "expected {part:?} in {:?}", self.verdict.reason);
    }
}

fn watched(watch: &Watch, trigger: &str, ticks: u32) -> Watched {
    watched_until(watch, trigger, ticks, &Cancel::new().expect("a descriptor"))
}

fn watched_until(watch: &Watch, trigger: &str, ticks: u32, cancel: &Cancel) -> Watched {
    let lasts = watch.interval * ticks;
    let keys: Vec<_> = watch.metrics.iter().map(|metric| metric.name.clone()).collect();
    let plan = monitor::plan(watch, trigger, &keys, lasts, lasts).expect("a sound watch");
    let clock = Clock::start();
    let told = Told::default();
    let began = Instant::now();
    let verdict = monitor::watch(&monitor::Settings {
        plan: &plan,
        sources: &watch.sources,
        endpoints: &BTreeMap::new(),
        sink: &told,
        cancel,
        clock,
        run: &RunId::new(clock.started(), "test"),
        redactor: &Arc::new(Redactor::new()),
        worker: Worker::unheld().expect("a worker"),
    })
    .expect("a sound plan");
    let ended = Instant::now();
    let events = told.0.into_inner().expect("nobody broke off");
    assert!(
        matches!(events.last(), Some((Event::WatchEnded(last), _)) if **last == verdict),
        "the verdict is told last"
    );
    let samples: Vec<_> = events
        .into_iter()
        .filter_map(|(event, _)| match event {
            Event::WatchSampled(sample) => Some(*sample),
            _ => None,
        })
        .collect();
    assert!(samples.is_sorted_by(|a, b| a.at_ms <= b.at_ms), "samples are told in the order of time");
    let last = samples.last().map_or(Duration::ZERO, |last| Duration::from_secs_f64(last.at_ms / 1e3));
    let late = (ended - began).saturating_sub(last);
    Watched { plan, verdict, samples, late }
}

#[test]
fn a_healthy_core_passes_and_every_tick_has_its_sample() {
    let web = pages(good);
    let watched = watched(&core(&web.url), "p99_ms > 80 or lag_ms > 1s", 10);
    watched.expect(Verdict::Passed, "");
    assert_eq!(watched.ticks("core"), (0..10).collect::<Vec<_>>());
    assert_eq!(web.asked.lock().expect("nobody broke off").len(), 10, "nothing else is asked");
    assert_eq!(watched.samples[0].readings["p99_ms"], Reading::Missing, "one scrape is no window");
    assert!(watched.verdict.watched_ms >= 1000.0);
}

#[test]
fn a_breach_rolls_back_at_the_sample_that_shows_it() {
    let web = pages(|n| shown(10 * n.min(4), 10 * n.saturating_sub(4), 0, 0.002));
    let watched = watched(&core(&web.url), "p99_ms > 80 or lag_ms > 1s", 100);
    watched.expect(Verdict::Failed, "trigger p99_ms > 80 or lag_ms > 1 s: p99_ms = ");
    let rollback = watched.verdict.rollback.as_deref().expect("it says why");
    let tick = watched.samples.last().expect("a sample").tick;
    assert!(rollback.contains(&format!("(tick {tick} of source core)")), "{rollback}");
    assert!(tick < 20, "it did not wait for the end: {rollback}");
    println!("from the end of the scrape that breached to the return: {:?}", watched.late);
}

#[test]
fn a_quantile_above_its_highest_bucket_rolls_back() {
    let web = pages(|n| shown(10, 10, 10 * n.saturating_sub(3), 0.002));
    let watched = watched(&core(&web.url), "p99_ms > 80", 100);
    watched.expect(Verdict::Failed, "p99_ms = 100 ms (> 80 ms)");
    assert!(watched.samples.last().expect("a sample").at_least.contains("p99_ms"));
}

#[test]
fn a_source_that_hangs_costs_no_other_its_samples_and_is_left_behind() {
    let hangs = Web::start(|_, stream| {
        std::thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let web = pages(good);
    let mut watch = core(&web.url);
    watch.sources.push(("other".to_owned(), page(&hangs.url, INTERVAL)));
    watch.metrics.push(metric("other_lag_ms", "other", "lag_ms", "other_lag_ms < 500"));
    let watched = watched(&watch, "", 10);
    assert_eq!(watched.ticks("core"), (0..10).collect::<Vec<_>>());
    assert!(watched.of("core").iter().all(|(_, error)| error.is_none()), "{:?}", watched.of("core"));
    assert_eq!(watched.ticks("other"), (0..10).collect::<Vec<_>>());
    assert!(watched.of("other").iter().all(|(_, error)| error.is_some()));
    watched.expect_error("other", "no answer");
    watched.expect(
        Verdict::Error,
        "other_lag_ms could not be measured 10 times in a row of 10 samples, allowed 2",
    );
}

#[test]
fn the_trigger_does_not_wait_for_a_source_that_hangs() {
    let hangs = Web::start(|_, _stream| std::thread::sleep(Duration::from_secs(30)));
    let web = pages(|n| shown(10 * n, 0, 0, if n > 3 { 2.0 } else { 0.002 }));
    let mut watch = core(&web.url);
    watch.sources.push(("other".to_owned(), page(&hangs.url, Duration::from_secs(20))));
    watch.metrics.push(metric("other_lag_ms", "other", "lag_ms", ""));
    let watched = watched(&watch, "lag_ms > 1s or missing(other_lag_ms)", 100);
    watched.expect(Verdict::Failed, ": lag_ms = 2 s (> 1 s); at 0.");
    assert_eq!(watched.ticks("other"), Vec::<u64>::new());
    println!("from the end of the scrape that breached to the return: {:?}", watched.late);
}

#[test]
fn a_slow_source_skips_ticks_and_each_of_them_is_a_sample() {
    let slow = pages(|n| {
        std::thread::sleep(Duration::from_millis(250));
        good(n)
    });
    let mut watch = core(&slow.url);
    watch.sources[0].1.timeout = Duration::from_secs(5);
    let watched = watched(&watch, "", 12);
    assert_eq!(watched.ticks("core"), (0..12).collect::<Vec<_>>());
    watched.expect_error("core", "not asked: the sample before took 0.2");
    let good = watched.of("core").iter().filter(|(_, error)| error.is_none()).count();
    assert!((2..=6).contains(&good), "{:?}", watched.of("core"));
}

#[test]
fn a_source_that_dies_is_an_error_or_rolls_back_as_its_metric_says() {
    for (on_no_data, verdict) in [(OnNoData::Hold, Verdict::Error), (OnNoData::Rollback, Verdict::Failed)] {
        // A server that closes every connection from the fourth request on.
        let asked = AtomicUsize::new(0);
        let web = Web::start(move |_, mut stream| {
            let n = asked.fetch_add(1, Ordering::SeqCst) + 1;
            if n <= 3 {
                let page = answer("200 OK", "text/plain", &good(n));
                drop(std::io::Write::write_all(&mut stream, page.as_bytes()));
            }
        });
        let mut watch = core(&web.url);
        watch.metrics[2].on_no_data = on_no_data;
        let watched = watched(&watch, "", 12);
        watched.expect(verdict, "could not be measured");
        assert_eq!(watched.verdict.rollback.is_some(), on_no_data == OnNoData::Rollback);
        assert_eq!(watched.samples.len(), if on_no_data == OnNoData::Rollback { 6 } else { 12 });
    }
}

#[test]
fn a_counter_that_is_reset_is_no_silence_and_no_flood() {
    // 10 orders a scrape; the core is started anew at the fifth.
    let web = pages(|n| if n < 5 { good(100 + n) } else { good(n - 4) });
    let watched = watched(&core(&web.url), "", 10);
    watched.expect(Verdict::Passed, "");
    let of = |sample: &WatchSample| match sample.readings["orders"] {
        Reading::Number { value, .. } => value,
        _ => f64::NAN,
    };
    let orders: Vec<_> = watched.samples.iter().skip(1).map(of).collect();
    assert!(orders.iter().all(|orders| (10.0..=50.0).contains(orders)), "{orders:?}");
}

#[test]
fn silence_is_not_health() {
    let web = pages(|n| good(n.min(3)));
    let watched = watched(&core(&web.url), "", 12);
    watched.expect(Verdict::Failed, "last: orders = 0: no activity");
}

#[test]
fn refusals_and_pages_that_are_none_are_errors_that_say_what_was_seen() {
    for (status, body, told) in [
        ("429 Too Many Requests", "slow down", "expected status 200 and a metrics page, seen 429"),
        ("500 Internal Server Error", "boom", "expected status 200 and a metrics page, seen 500"),
        ("200 OK", "<html>\n", "not a metrics page: line 1, character 1"),
        ("200 OK", "orders_total{\n", "not a metrics page"),
    ] {
        let web = Web::answers(status, "text/plain", body);
        let watched = watched(&core(&web.url), "", 5);
        watched.expect_error("core", told);
        watched.expect(Verdict::Error, told);
    }
}

#[test]
fn a_service_that_is_not_there_is_an_error_of_every_sample() {
    let mut watch = core("http://127.0.0.1:1");
    watch.sources[0].1.uses = vec!["core".to_owned()];
    let watched = watched(&watch, "", 4);
    watched.expect(Verdict::Error, "service `core` is not there");
    assert_eq!(watched.ticks("core"), [0, 1, 2, 3]);
}

#[test]
fn a_watch_that_is_cancelled_ends_at_once_and_is_not_passed() {
    let web = pages(good);
    let cancel = Cancel::new().expect("a descriptor");
    let later = cancel.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(450));
        later.cancel("SIGTERM");
    });
    let watched = watched_until(&core(&web.url), "", 36_000, &cancel);
    canceller.join().expect("it does not break off");
    watched.expect(Verdict::Inconclusive, "it ended after 0.");
}

/// Writes a watch as a run of its own does, and gives its folder.
fn recorded(desk: &Desk, watched: &Watched) -> PathBuf {
    let clock = Clock::start();
    let run = RunId::new(clock.started(), "watch");
    let folder = desk.path("evidence").join(run.as_str());
    let journal = Journal::create(&folder, clock).expect("a journal");
    let started = json!({
        "run": run, "verb": "watch", "tool": "0.1.0", "environment": "desk", "profile": null,
        "provisioner": "attach", "dry_run": false, "partial": false, "selection": null, "host": "desk",
        "started": clock.started(), "services": {}, "gates": [], "not_selected": [], "steps": {},
        "watch": watched.plan,
    });
    let started: RunStarted = serde_json::from_value(started).expect("a run's start");
    let mut events = vec![Event::RunStarted(Box::new(started))];
    events.extend(watched.samples.iter().cloned().map(|sample| Event::WatchSampled(Box::new(sample))));
    let (verdict, duration_ms) = (watched.verdict.verdict, watched.verdict.watched_ms);
    events.push(Event::WatchEnded(Box::new(watched.verdict.clone())));
    events.push(Event::RunEnded { verdict, counts: Counts::default(), duration_ms });
    events.iter().for_each(|event| journal.append(event).expect("there is room"));
    let records = journal::read(journal.path()).expect("it reads back");
    let view = RunView::of(&records).expect("it fits together");
    let documents = evidence::documents(&view).expect("its files");
    evidence::write(&folder, &documents).expect("there is room");
    folder
}

#[test]
fn a_recorded_watch_is_judged_again_with_the_same_verdict() {
    let desk = Desk::new();
    let web = pages(good);
    let passed = recorded(&desk, &watched(&core(&web.url), "lag_ms > 1s", 6));
    let web = pages(|n| shown(10 * n, 0, 0, if n > 3 { 2.0 } else { 0.002 }));
    let breached = recorded(&desk, &watched(&core(&web.url), "lag_ms > 1s", 20));
    for (folder, code, told) in
        [(&passed, 0, "PASSED watch, 6"), (&breached, 1, "trigger lag_ms > 1 s: lag_ms = 2 s (> 1 s); at 0.")]
    {
        for from in [folder.clone(), folder.join("journal.jsonl"), folder.join("watch.csv")] {
            let replayed = desk.run(&["watch", "--replay", &argument(&from)]).with_code(code);
            let out = replayed.stdout.replace("\n  ", " ");
            assert!(out.contains(told) && out.contains("the same as recorded\n"), "{out}");
            assert_eq!(replayed.stderr, "");
        }
    }
}

#[test]
fn a_series_that_was_edited_contradicts_its_verdict() {
    let desk = Desk::new();
    let web = pages(|n| shown(10 * n, 0, 0, if n > 3 { 2.0 } else { 0.002 }));
    let folder = recorded(&desk, &watched(&core(&web.url), "lag_ms > 1s", 20));
    let series = folder.join("watch.csv");
    let csv = fs::read_to_string(&series).expect("it is there");
    fs::write(&series, csv.replace(",lag_ms,2000,", ",lag_ms,2,")).expect("it is ours");
    let replayed = desk.run(&["watch", "--replay", &argument(&series)]).with_code(2);
    assert!(replayed.stderr.contains("the watch is recorded as failed"), "{}", replayed.stderr);
    // A sample less.
    let rows: Vec<_> = csv.lines().collect();
    fs::write(&series, rows[..rows.len() - 3].join("\r\n")).expect("it is ours");
    let replayed = desk.run(&["watch", "--replay", &argument(&series)]).with_code(2);
    assert!(replayed.stderr.contains("rows were removed or added"), "{}", replayed.stderr);
}

#[test]
fn what_cannot_be_replayed_is_refused_with_its_path() {
    let desk = Desk::new();
    let empty = desk.path("empty");
    fs::create_dir_all(&empty).expect("a folder of ours");
    let csv = desk.write("alone/watch.csv", "tick\r\n");
    let text = desk.write("text.txt", "hello\n");
    for (path, told) in [
        (argument(&empty), "expected the folder of a run"),
        (argument(&desk.path("nothing.jsonl")), "cannot read it"),
        (csv, "watch.json: cannot read it"),
        (text, "line 1 is no entry"),
    ] {
        let refused = desk.run(&["watch", "--replay", &path]).with_code(2);
        assert!(refused.stderr.starts_with("error: ") && refused.stderr.contains(told), "{}", refused.stderr);
    }
}

const PROFILE: &str = r#"
environment = "desk"
[services.core]
kind = "http"
[[gate]]
id = "answers"
phase = "infra"
probe = "http"
uses = ["core"]
"#;

#[test]
fn bad_input_is_refused_before_anything_is_asked() {
    let desk = Desk::new();
    let profile = desk.write("desk.toml", PROFILE);
    for (flags, told) in [
        (vec!["--minutes", "1"], "has no [watch]"),
        (vec!["--minutes", "0"], "expected a plain number of minutes above 0"),
        (vec!["--minutes=-3"], "expected a plain number of minutes above 0"),
        (vec!["--minutes", "NaN"], "expected a plain number of minutes above 0"),
        (vec!["--minutes", "inf"], "expected a plain number of minutes above 0"),
        (vec!["--minutes", "5m"], "expected a plain number of minutes above 0"),
        (vec!["--interval", "0s"], "expected a time above zero"),
        (vec!["--interval", "5us"], "expected at least 10ms"),
        (vec!["--interval", "5"], "--interval"),
        (vec!["--endpoint", "core"], "expected NAME=ADDRESS"),
        (vec!["--replay", "x", "--minutes", "3"], "cannot be used with"),
        (vec!["--bogus"], "--bogus"),
    ] {
        let refused = desk.run(&[&["watch", "--profile", &profile][..], &flags].concat()).with_code(2);
        assert!(refused.stderr.starts_with("error: ") && refused.stderr.contains(told), "{}", refused.stderr);
    }
    assert!(!desk.path("evidence").exists());
}
