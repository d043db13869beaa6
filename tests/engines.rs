//! The embedded engines, for real: installed into the user's cache, started, used, harmed, ended.

use cutproof::model::Endpoint;
use cutproof::process::Worker;
use cutproof::service::embedded::{
    EngineKind, EngineRequest, EngineSource, Installed, Lines, Port, Running, StartOptions, Started, install,
    installed, start, user_cache,
};
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Machines that build something else at the same time are slow.
const PATIENCE: Duration = Duration::from_secs(180);

fn engines() -> Arc<Installed> {
    static ENGINES: OnceLock<Arc<Installed>> = OnceLock::new();
    let engines = ENGINES.get_or_init(|| {
        install(&user_cache().unwrap(), worker(), &Lines::new(std::io::stderr()))
            .unwrap_or_else(|error| panic!("{error}"))
    });
    Arc::clone(engines)
}

fn options() -> StartOptions {
    let mut options = StartOptions::with_exe(env!("CARGO_BIN_EXE_cutproof"), worker());
    options.limit = PATIENCE;
    options
}

fn worker() -> Worker {
    Worker::unheld().expect("this process may inherit orphans")
}

fn request(name: &str, kind: EngineKind) -> EngineRequest {
    EngineRequest { name: name.to_owned(), kind }
}

fn redis() -> EngineRequest {
    request("redis", EngineKind::Redis(EngineSource::Pinned))
}

fn kafka() -> EngineRequest {
    request("kafka", EngineKind::Kafka)
}

fn connect() -> EngineRequest {
    request("connect", EngineKind::Connect { kafka: "kafka".to_owned() })
}

fn postgres(from: EngineSource) -> EngineRequest {
    let (user, database) = ("quant_hft".to_owned(), "quant_hft".to_owned());
    request("postgres", EngineKind::Postgres { from, user, database })
}

fn run(requests: &[EngineRequest], run_dir: &Path) -> Running {
    start(&engines(), requests, run_dir, &options()).unwrap()
}

fn wait(running: &Running, name: &str) -> Started {
    running.wait(name, Instant::now() + PATIENCE).unwrap_or_else(|error| panic!("{error}"))
}

fn product(endpoint: &Endpoint) -> String {
    endpoint.product.as_ref().unwrap().to_string()
}

fn get(url: &str) -> String {
    let answer = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    answer.unwrap_or_else(|error| error.to_string())
}

fn sql(endpoint: &Endpoint) -> postgres::Client {
    let (host, port) = endpoint.address.split_once(':').unwrap();
    postgres::Config::new()
        .host(host)
        .port(port.parse().unwrap())
        .user(endpoint.user.as_ref().unwrap())
        .password(endpoint.password.as_ref().unwrap().reveal())
        .dbname(endpoint.database.as_ref().unwrap())
        .connect(postgres::NoTls)
        .unwrap()
}

fn create_topic(kafka: &Endpoint, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.address).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let made = pollster::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert_eq!(made, [Ok(name.to_owned())]);
}

fn first_message(kafka: &Endpoint, topic: &str) -> String {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.address)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            return String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
        }
    }
    panic!("no message in {topic}");
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("engine.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn all_five_engines_start_answer_plain_clients_and_are_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let clickhouse = request("clickhouse", EngineKind::Clickhouse);
    let requests = [redis(), kafka(), connect(), clickhouse, postgres(EngineSource::Pinned)];
    let running = run(&requests, folder.path());
    let all: Vec<Started> = requests.iter().map(|request| wait(&running, &request.name)).collect();
    let [redis, kafka, connect, clickhouse, postgres] = all.as_slice() else { panic!("five") };
    for started in &all {
        println!(
            "{:>9} ms  {} at {}",
            started.took.as_millis(),
            product(&started.endpoint),
            started.endpoint.address
        );
        assert!(!started.endpoint.identity.is_empty() && started.log.exists());
    }

    let mut client = redis::Client::open(format!("redis://{}/", redis.endpoint.address)).unwrap();
    redis::cmd("SET").arg("key").arg("7").exec(&mut client).unwrap();
    assert_eq!(redis::cmd("GET").arg("key").query::<String>(&mut client).unwrap(), "7");

    create_topic(&kafka.endpoint, "market.ticks.v1", 6);

    let answer =
        ureq::post(&clickhouse.endpoint.address).send("SELECT 6 * 7").unwrap().body_mut().read_to_string();
    assert_eq!(answer.unwrap().trim(), "42");

    let mut client = sql(&postgres.endpoint);
    let level: String = client.query_one("SHOW wal_level", &[]).unwrap().get(0);
    assert_eq!(level, "logical");
    client.batch_execute("CREATE TABLE orders (id int PRIMARY KEY, note text)").unwrap();

    register(&connect.endpoint, &postgres.endpoint);
    client.batch_execute("INSERT INTO orders VALUES (1, 'from the test')").unwrap();
    let change = first_message(&kafka.endpoint, "app.public.orders");
    assert!(change.contains("from the test"), "{change}");
    drop(client);

    assert!(std::fs::read_dir(folder.path().join("data")).unwrap().count() > 0);
    running.stop();
    assert!(all.iter().all(|started| !is_alive(started.pid)), "a process is left");
    assert!(!folder.path().join("data").exists() && folder.path().join("logs/kafka.log").exists());
    let after = running.wait("redis", Instant::now()).unwrap_err().to_string();
    assert!(after.contains("signal 9"), "{after}");
}

fn register(connect: &Endpoint, postgres: &Endpoint) {
    let (host, port) = postgres.address.split_once(':').unwrap();
    let config = serde_json::json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": host,
        "database.port": port,
        "database.user": postgres.user,
        "database.password": postgres.password.as_ref().unwrap().reveal(),
        "database.dbname": postgres.database,
        "plugin.name": "pgoutput",
        "topic.prefix": "app",
        "poll.interval.ms": 50,
        "topic.creation.default.partitions": 1,
        "topic.creation.default.replication.factor": 1,
    });
    let url = format!("{}/connectors/orders", connect.address);
    let request = ureq::put(format!("{url}/config")).content_type("application/json");
    assert_eq!(request.send(config.to_string()).unwrap().status(), 201);
    let end = Instant::now() + PATIENCE;
    while get(&format!("{url}/status")).matches("\"RUNNING\"").count() < 2 {
        assert!(Instant::now() < end, "{}", get(&format!("{url}/status")));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn kafka_without_connect_is_kafka_alone_and_says_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let running = run(&[redis(), kafka()], folder.path());
    let (redis, kafka) = (wait(&running, "redis"), wait(&running, "kafka"));
    assert_eq!(product(&kafka.endpoint), "Apache Kafka 4.3.1");
    let log = std::fs::read_to_string(&kafka.log).unwrap();
    assert!(!log.contains("[cds]"), "its class data was refused: {log}");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", kafka.pid)).unwrap();
    assert!(maps.contains("/classes-") && maps.contains(".jsa"), "its class data is not mapped");
    assert!(!folder.path().join("data/kafka/worker.properties").exists());
    running.health("kafka").unwrap();

    let pid = rustix::process::Pid::from_raw(kafka.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let end = Instant::now() + PATIENCE;
    let error = loop {
        match running.health("kafka") {
            Err(error) => break error.to_string(),
            Ok(()) => assert!(Instant::now() < end, "nobody noticed"),
        }
    };
    assert!(error.contains("kafka is not ready: expected 127.0.0.1:"), "{error}");
    assert!(error.contains("was ended by signal 9") && error.contains("| broker up 4.3.1"), "{error}");
    running.health("redis").unwrap();
    drop(running);
    assert!(!is_alive(redis.pid));
}

#[test]
fn a_port_that_is_taken_in_between_is_another_try_and_a_note() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [redis(), kafka(), postgres(EngineSource::Pinned)] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (number, first) = (taken.local_addr().unwrap().port(), AtomicBool::new(true));
        let mut options = options();
        options.ports = Arc::new(move || match first.swap(false, Ordering::Relaxed) {
            true => Ok(Port::unheld(number)),
            false => Port::free(),
        });
        let running = start(&engines(), std::slice::from_ref(&kind), folder.path(), &options).unwrap();
        let started = wait(&running, &kind.name);
        assert!(!started.endpoint.address.ends_with(&format!(":{number}")));
        let note = format!("{}: a port was taken in between; started again on others", kind.name);
        assert_eq!(running.notes(), [note]);
        assert!(folder.path().join(format!("logs/{}.log.1", kind.name)).exists());
        drop(taken);
    }
}

#[test]
fn an_engine_that_ends_at_once_shows_its_status_and_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    let broken = script(folder.path(), "echo 'can not open config'; echo 'bye' >&2; exit 3");
    let running = run(&[request("cache", EngineKind::Redis(EngineSource::Path(broken)))], folder.path());
    let error = running.wait("cache", Instant::now() + PATIENCE).unwrap_err();
    assert_eq!(error.tail, ["can not open config", "bye"]);
    let text = error.to_string();
    assert!(
        text.contains("expected a PONG from 127.0.0.1:") && text.contains("exited with status 3"),
        "{text}"
    );
    assert!(text.contains("logs/cache.log ends with\n  | can not open config\n  | bye"), "{text}");
}

#[test]
fn an_engine_that_hangs_is_an_error_at_its_limit_and_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let hung = script(folder.path(), &format!("echo $$ > {}; exec sleep 600", pid.display()));
    let mut options = options();
    options.limit = Duration::from_millis(300);
    let requests = [request("cache", EngineKind::Redis(EngineSource::Path(hung)))];
    let running = start(&engines(), &requests, folder.path(), &options).unwrap();
    let error = running.wait("cache", Instant::now() + PATIENCE).unwrap_err().to_string();
    assert!(error.contains("when the time allowed was over"), "{error}");
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "process {pid} is still there");
}

#[test]
fn a_program_that_is_not_there_and_requests_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = EngineSource::Path("/nonexistent/redis-server".into());
    let running =
        run(&[request("cache", EngineKind::Redis(absent.clone())), postgres(absent)], folder.path());
    let error = |name| running.wait(name, Instant::now() + PATIENCE).unwrap_err().to_string();
    assert!(error("cache").contains("seen: no program /nonexistent/redis-server"), "{}", error("cache"));
    assert!(error("postgres").contains("seen: none at /nonexistent"), "{}", error("postgres"));
    assert!(error("other").contains("it is none"));

    let refused = |requests: &[EngineRequest]| {
        start(&engines(), requests, folder.path(), &options()).unwrap_err().to_string()
    };
    assert!(refused(&[connect()]).contains("no Kafka named kafka"));
    assert!(refused(&[redis(), redis()]).contains("it is asked for twice"));
    assert!(refused(&[request("../up", EngineKind::Kafka)]).contains("expected a name of letters"));
}

#[test]
fn servers_of_the_machine_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    // Where another user can reach it: root runs PostgreSQL as one.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = folder.path().join("server");
    let copied = std::process::Command::new("cp").arg("-a").arg(engines().postgres()).arg(&server).status();
    assert!(copied.unwrap().success());
    let own = EngineKind::Redis(EngineSource::Path(engines().redis()));
    let running =
        run(&[request("cache", own), postgres(EngineSource::Path(server.join("bin")))], folder.path());
    assert!(product(&wait(&running, "cache").endpoint).starts_with("Redis 6.2."));
    let postgres = wait(&running, "postgres").endpoint;
    assert_eq!(product(&postgres), "PostgreSQL 16.9");
    let row =
        sql(&postgres).query_one("SELECT current_user::text || '@' || current_database()", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), "quant_hft@quant_hft");
}

#[test]
fn two_starts_at_once_do_not_disturb_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let requests = [redis(), kafka(), connect(), postgres(EngineSource::Pinned)];
    let [one, two] = folders.each_ref().map(|folder| run(&requests, folder.path()));
    let both = |name| (wait(&one, name).endpoint, wait(&two, name).endpoint);
    for request in &requests {
        let (one, two) = both(&request.name);
        assert_ne!(one.address, two.address);
        assert_ne!(one.identity, two.identity, "{}", request.name);
    }
    let (first, second) = both("postgres");
    assert_ne!(first.password, second.password);
    let (first, second) = both("kafka");
    create_topic(&first, "only.here", 1);
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &second.address).create().unwrap();
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(30)).unwrap();
    assert!(metadata.topics().iter().all(|topic| topic.name() != "only.here"));
    one.stop();
    requests.iter().for_each(|request| two.health(&request.name).unwrap());
}

#[test]
fn a_cache_that_lost_one_jar_and_half_of_another_is_installed_anew() {
    let cache = tempfile::tempdir().unwrap();
    let name = engines().root().file_name().unwrap().to_owned();
    let (folder, root) = (cache.path().join("engines"), cache.path().join("engines").join(&name));
    std::fs::create_dir(&folder).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(engines().root()).arg(&root).status();
    assert!(copied.unwrap().success());
    installed(cache.path()).unwrap();

    let jars: Vec<PathBuf> =
        std::fs::read_dir(root.join("jars")).unwrap().map(|jar| jar.unwrap().path()).collect();
    let length = jars[1].metadata().unwrap().len();
    std::fs::remove_file(&jars[0]).unwrap();
    std::fs::File::options().write(true).open(&jars[1]).unwrap().set_len(length / 2).unwrap();
    // What an installation that was killed leaves.
    std::fs::create_dir(root.with_extension("part")).unwrap();
    std::fs::write(root.with_extension("part").join("pom.xml"), "<half").unwrap();
    let reason = installed(cache.path()).unwrap_err();
    assert!(reason.contains("jars/"), "{reason}");

    // Two at once: one installs, the other waits and finds it done.
    let notes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let lines = Lines::new(Vec::new());
                install(cache.path(), worker(), &lines).unwrap_or_else(|error| panic!("{error}"));
                notes.lock().unwrap().push(String::from_utf8(lines.into_inner()).unwrap());
            });
        }
    });
    let notes = notes.into_inner().unwrap();
    let said = |text: &str| notes.iter().filter(|notes| notes.contains(text)).count();
    assert_eq!((said("are not whole"), said("which is installing")), (1, 1), "{notes:?}");
    assert_eq!(jars[1].metadata().unwrap().len(), length);
    let mut left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [name.clone(), root.with_extension("lock").file_name().unwrap().to_owned()]);

    let again = installed(cache.path()).unwrap();
    let run_dir = tempfile::tempdir().unwrap();
    let running = start(&Arc::new(again), &[kafka(), connect()], run_dir.path(), &options()).unwrap();
    wait(&running, "connect");
}
