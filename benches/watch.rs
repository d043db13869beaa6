//! What a watch of the six metrics costs: memory and its share of a core, and how long a breach takes to be acted on.
//!
//! ```text
//! export $(cutproof engines up --name bench)
//! cargo bench --bench watch -- 180        # seconds; 60 where absent
//! cutproof engines down --name bench
//! ```
//!
//! The engine's page is served by a second process. Kafka and ClickHouse are those of CUTPROOF_ENDPOINT_KAFKA and
//! CUTPROOF_ENDPOINT_CLICKHOUSE; where one is not given its metric is left out, and the bench says so. A topic with a
//! group that is behind is made in Kafka.

use cutproof::journal::Journal;
use cutproof::model::event::Sink;
use cutproof::model::redact::Redactor;
use cutproof::model::watch::OnNoData;
use cutproof::model::{Args, Clock, Endpoint, Event, Position, RunId, ServiceKind};
use cutproof::monitor;
use cutproof::probe;
use cutproof::process::{Cancel, Worker};
use cutproof::profile::switch::{Measure, Metric, Watch};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

const TOPIC: &str = "cutproof-bench-watch";
const SECOND: Duration = Duration::from_secs(1);

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    if arguments.first().is_some_and(|first| first == "serve") {
        return serve();
    }
    let seconds = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(60);
    let mut page = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut url = String::new();
    BufReader::new(page.stdout.take().ok_or("no stdout")?).read_line(&mut url)?;
    let done = bench(url.trim(), seconds);
    // The server ends with its stdin.
    drop(page.stdin.take());
    page.wait()?;
    done
}

fn bench(url: &str, seconds: u32) -> Fallible<()> {
    let mut endpoints = BTreeMap::new();
    let mut watch = engine(url);
    for (name, kind) in [("kafka", ServiceKind::Kafka), ("clickhouse", ServiceKind::Clickhouse)] {
        match std::env::var(format!("CUTPROOF_ENDPOINT_{}", name.to_uppercase())) {
            Ok(address) => {
                endpoints.insert(name.to_owned(), Endpoint::at(kind, address));
            }
            Err(_) => println!("without {name}: CUTPROOF_ENDPOINT_{} is not set", name.to_uppercase()),
        }
    }
    if let Some(kafka) = endpoints.get("kafka") {
        fall_behind(&kafka.address)?;
        let with = json!({"group": TOPIC, "topics": [TOPIC]});
        watch.sources.push(("kafka".to_owned(), measure("kafka_lag", with, &["kafka"])?));
        watch.metrics.push(metric("kafka_lag_ms", "kafka", "lag_ms", "kafka_lag_ms >= 0")?);
    }
    if endpoints.contains_key("clickhouse") {
        let sql = "SELECT toFloat64(count()) AS delay FROM system.tables WHERE database = 'quant_hft'";
        let with = json!({"sql": sql, "observes": {"delay": "ms"}, "params": {}});
        watch.sources.push(("clickhouse".to_owned(), measure("clickhouse_query", with, &["clickhouse"])?));
        watch.metrics.push(metric("clickhouse_ingest_delay_ms", "clickhouse", "delay", "")?);
    }
    let trigger = "order_latency_p99_ms > 5 for 5s or reconnect_p99_s > 10";
    cost(&watch, &endpoints, trigger, SECOND * seconds)?;
    breach(&watch, &endpoints)
}

/// A long watch in which nothing happens.
fn cost(
    watch: &Watch,
    endpoints: &BTreeMap<String, Endpoint>,
    trigger: &str,
    lasts: Duration,
) -> Fallible<()> {
    let (cpu, began) = (cpu_time()?, Instant::now());
    let (verdict, samples, late) = watched(watch, endpoints, trigger, lasts)?;
    let share = 100.0 * (cpu_time()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
    };
    println!(
        "{} metrics of {} sources, {lasts:?} at {:?}",
        watch.metrics.len(),
        watch.sources.len(),
        watch.interval
    );
    println!("  verdict      {} {}", verdict.verdict, verdict.reason);
    println!("  samples      {samples}, of which the latest came {late:.2} ms after its tick was due");
    println!("  CPU          {share:.2}% of a core");
    println!(
        "  memory       {:.1} MiB now, {:.1} MiB at most, of which {:.1} MiB are files of the program",
        kib("VmRSS:"),
        kib("VmHWM:"),
        kib("RssFile:")
    );
    Ok(())
}

/// Short watches that end by their trigger: from the end of the scrape to the return.
fn breach(watch: &Watch, endpoints: &BTreeMap<String, Endpoint>) -> Fallible<()> {
    let mut took = Vec::new();
    for _ in 0..20 {
        let told = Instant::now();
        let (_, _, _) = watched(watch, endpoints, "breaker_state >= 0", 10 * SECOND)?;
        took.push(LAST.with(|last| last.get()).map_or(told.elapsed(), |last| last));
    }
    took.sort();
    println!("from the end of the scrape that breaches to the watch's return (20 watches):");
    println!("  median       {:?}", took[took.len() / 2]);
    println!("  slowest      {:?}", took[took.len() - 1]);
    Ok(())
}

thread_local! {
    /// How long the last watch took from the end of its last sample to its return.
    static LAST: std::cell::Cell<Option<Duration>> = const { std::cell::Cell::new(None) };
}

/// Writes samples to a journal, as a run does.
struct Journaled {
    journal: Journal,
    seen: std::sync::Mutex<(usize, f64, f64)>,
}

impl Sink for Journaled {
    fn event(&self, event: Event) {
        if let Event::WatchSampled(sample) = &event
            && let Ok(mut seen) = self.seen.lock()
        {
            let due = sample.tick as f64 * 1000.0;
            *seen = (seen.0 + 1, seen.1.max(sample.at_ms - sample.took_ms - due), sample.at_ms);
        }
        self.journal.append(&event).ok();
    }
}

fn watched(
    watch: &Watch,
    endpoints: &BTreeMap<String, Endpoint>,
    trigger: &str,
    lasts: Duration,
) -> Fallible<(cutproof::model::watch::WatchVerdict, usize, f64)> {
    let folder = tempfile::tempdir()?;
    let clock = Clock::start();
    let sink = Journaled { journal: Journal::create(folder.path(), clock)?, seen: Default::default() };
    let plan = monitor::plan(watch, trigger, &[], lasts, lasts)?;
    let began = Instant::now();
    let verdict = monitor::watch(&monitor::Settings {
        plan: &plan,
        sources: &watch.sources,
        endpoints,
        sink: &sink,
        cancel: &Cancel::new()?,
        clock,
        run: &RunId::new(clock.started(), "bench"),
        redactor: &Arc::new(Redactor::new()),
        worker: Worker::unheld()?,
    })?;
    let took = began.elapsed();
    let (samples, late, at_ms) = *sink.seen.lock().map_err(|_| "a thread broke off")?;
    LAST.with(|last| last.set(Some(took.saturating_sub(Duration::from_secs_f64(at_ms / 1e3)))));
    Ok((verdict, samples, late))
}

/// The four metrics of the engine's page.
fn engine(url: &str) -> Watch {
    let series = json!([
        {"name": "order_latency_p99_ms", "select": "order_latency_seconds", "take": "quantile", "q": 0.99},
        {"name": "breaker", "select": "breaker_open", "take": "gauge"},
        {"name": "violations", "select": "query_rate_violations_total", "take": "delta"},
        {"name": "reconnect_p99_s", "select": "reconnect_seconds", "take": "quantile", "q": 0.99},
    ]);
    let metrics = [
        ("order_latency_p99_ms", "order_latency_p99_ms", "order_latency_p99_ms < 50"),
        ("breaker_state", "breaker", "breaker_state == 0"),
        ("query_rate_violation", "violations", "query_rate_violation < 1"),
        ("reconnect_p99_s", "reconnect_p99_s", "reconnect_p99_s < 10 or no_events(reconnect_p99_s)"),
    ];
    let with = json!({"url": url, "window": 5000, "series": series});
    Watch {
        interval: SECOND,
        max_age: 3 * SECOND,
        sources: measure("prometheus", with, &[])
            .into_iter()
            .map(|page| ("engine".to_owned(), page))
            .collect(),
        metrics: metrics
            .iter()
            .flat_map(|(name, value, expect)| metric(name, "engine", value, expect))
            .collect(),
        at: at(),
    }
}

fn at() -> Position {
    Position { file: file!().to_owned(), line: 1, column: 1 }
}

fn measure(probe: &str, with: serde_json::Value, uses: &[&str]) -> Fallible<Measure> {
    let probe = probe::find(probe).ok_or("no such probe")?;
    let (with, uses) =
        (serde_json::from_value::<Args>(with)?, uses.iter().map(|name| (*name).to_owned()).collect());
    Ok(Measure { probe, with, uses, timeout: SECOND, at: at() })
}

fn metric(name: &str, source: &str, value: &str, expect: &str) -> Fallible<Metric> {
    let expect = if expect.is_empty() { None } else { Some(expect.parse()?) };
    Ok(Metric {
        name: name.to_owned(),
        source: source.to_owned(),
        value: value.to_owned(),
        expect,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        warmup: Duration::ZERO,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: at(),
    })
}

/// Makes a topic and a group that has consumed half of it, so that each sample reads the oldest record not consumed.
fn fall_behind(address: &str) -> Fallible<()> {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", address).create()?;
    // Where it is there already, from a bench before, that is as good.
    let topic = [NewTopic::new(TOPIC, 6, TopicReplication::Fixed(1))];
    pollster::block_on(admin.create_topics(&topic, &AdminOptions::new()))?;
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", address).create()?;
    for n in 0..10 {
        producer
            .send(BaseRecord::<(), str>::to(TOPIC).payload(&format!("record {n}")))
            .map_err(|(error, _)| error)?;
    }
    producer.flush(20 * SECOND)?;
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", address).set("group.id", TOPIC).create()?;
    let mut offsets = TopicPartitionList::new();
    let topic = consumer.fetch_metadata(Some(TOPIC), 20 * SECOND)?;
    for partition in topic.topics().iter().flat_map(|topic| topic.partitions()) {
        let (_, high) = consumer.fetch_watermarks(TOPIC, partition.id(), 20 * SECOND)?;
        offsets.add_partition_offset(TOPIC, partition.id(), Offset::Offset(high / 2))?;
    }
    Ok(consumer.commit(&offsets, CommitMode::Sync)?)
}

/// Processor time of this process.
fn cpu_time() -> Fallible<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks / rustix::param::clock_ticks_per_second() as f64))
}

/// A page as long as an engine's, with counters that rise; until stdin ends.
fn serve() -> Fallible<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}/metrics", listener.local_addr()?);
    std::io::stdout().flush()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream).ok());
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn answer(mut stream: std::net::TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let began = Instant::now();
    loop {
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        if head.is_empty() {
            return Ok(());
        }
        let page = page(1000.0 + began.elapsed().as_secs_f64() * 100.0);
        let length = page.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{page}"
        )?;
    }
}

fn page(orders: f64) -> String {
    let mut page = String::from("breaker_open 0\nquery_rate_violations_total 3\n");
    for (name, count) in [("order_latency_seconds", orders), ("reconnect_seconds", 7.0)] {
        for (bound, share) in [
            ("0.001", 0.5),
            ("0.0025", 0.9),
            ("0.005", 1.0),
            ("0.01", 1.0),
            ("0.1", 1.0),
            ("1", 1.0),
            ("10", 1.0),
            ("+Inf", 1.0),
        ] {
            page += &format!("{name}_bucket{{le=\"{bound}\"}} {}\n", (count * share).floor());
        }
        page += &format!("{name}_sum 1.5\n{name}_count {}\n", count.floor());
    }
    for n in 0..200 {
        page += &format!(
            "# HELP other_{n} Another metric\n# TYPE other_{n} gauge\nother_{n}{{core=\"new\"}} {n}.5\n"
        );
    }
    page
}
