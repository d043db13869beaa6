//! Kafka in KRaft mode and, where it is asked for, Kafka Connect after it, in one JVM.

use super::http;
use super::launch::{Failure, Launch, Place, Prepared, Watch, at, clean};
use super::pins;
use super::ports::Port;
use crate::model::{Endpoint, Product, ServiceKind};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The connector that a worker must list.
const DEBEZIUM: &str = "io.debezium.connector.postgresql.PostgresConnector";

pub(super) struct Jvm {
    kafka: String,
    connect: Option<String>,
    options: Vec<String>,
    cluster: String,
    broker: u16,
    rest: u16,
}

impl Jvm {
    pub fn new(kafka: &str, connect: Option<String>, options: Vec<String>) -> Jvm {
        Jvm { kafka: kafka.to_owned(), connect, options, cluster: String::new(), broker: 0, rest: 0 }
    }

    fn kafka_ready(&self, watch: &Watch<'_>) -> Result<Endpoint, Failure> {
        let version = watch.line("broker up ")?;
        let address = format!("127.0.0.1:{}", self.broker);
        let failed = |error: rdkafka::error::KafkaError| Failure::new("a Kafka client", error);
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &address).create().map_err(failed)?;
        watch.until(&format!("metadata of cluster {} from {address}", self.cluster), || {
            let metadata =
                client.fetch_metadata(None, watch.patience()).map_err(|error| error.to_string())?;
            match client.client().fetch_cluster_id(watch.patience()) {
                Some(id) if id == self.cluster && !metadata.brokers().is_empty() => Ok(()),
                other => Err(format!("cluster {other:?} with {} brokers", metadata.brokers().len())),
            }
        })?;
        let mut endpoint = Endpoint::at(ServiceKind::Kafka, address);
        endpoint.product = Some(Product { name: "Apache Kafka".to_owned(), version });
        endpoint.identity.insert("cluster_id".to_owned(), self.cluster.clone());
        Ok(endpoint)
    }

    fn connect_ready(&self, watch: &Watch<'_>) -> Result<Endpoint, Failure> {
        let url = format!("http://127.0.0.1:{}", self.rest);
        let get = |path: &str| {
            let body = http::get(&format!("{url}{path}"), watch.patience())?;
            serde_json::from_str::<serde_json::Value>(&body)
                .map_err(|error| format!("{path}: {error}: {body}"))
        };
        let worker =
            watch.until(&format!("a Connect worker of cluster {} at {url}", self.cluster), || {
                let worker = get("/")?;
                get("/connectors")?;
                if worker["kafka_cluster_id"] == self.cluster.as_str() {
                    Ok(worker)
                } else {
                    Err(worker.to_string())
                }
            })?;
        let plugin = watch.until(&format!("{DEBEZIUM} among the plugins of {url}"), || {
            let plugins = get("/connector-plugins")?;
            let found = plugins.as_array().into_iter().flatten().find(|plugin| plugin["class"] == DEBEZIUM);
            found
                .and_then(|plugin| plugin["version"].as_str())
                .map(str::to_owned)
                .ok_or_else(|| plugins.to_string())
        })?;
        let mut endpoint = Endpoint::at(ServiceKind::Connect, url);
        let version = worker["version"].as_str().unwrap_or("unknown").to_owned();
        endpoint.product = Some(Product { name: "Apache Kafka Connect".to_owned(), version });
        endpoint.identity.insert("kafka_cluster_id".to_owned(), self.cluster.clone());
        endpoint.identity.insert(DEBEZIUM.to_owned(), plugin);
        Ok(endpoint)
    }

    fn command(&self, place: &Place) -> Result<std::process::Command, Failure> {
        let installed = place.installed()?;
        let mut command = clean(installed.java().program("java"));
        command.current_dir(installed.root());
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx192m"]);
        command.args(["-XX:+ExitOnOutOfMemoryError", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
        command.args(["-Dorg.slf4j.simpleLogger.showDateTime=true"]);
        command.arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX");
        command.arg(format!("-XX:ErrorFile={}/{}.crash.log", place.logs.display(), self.kafka));
        command.args(&self.options);
        if let Some(archive) = installed.class_data() {
            command.arg(format!("-XX:SharedArchiveFile={archive}"));
        }
        command.args(["-cp", &pins::class_path(), "Engines"]);
        Ok(command)
    }
}

impl Launch for Jvm {
    fn services(&self) -> Vec<(String, ServiceKind)> {
        let connect = self.connect.iter().map(|name| (name.clone(), ServiceKind::Connect));
        std::iter::once((self.kafka.clone(), ServiceKind::Kafka)).chain(connect).collect()
    }

    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure> {
        let port = || (place.ports)().map_err(|error| Failure::new("a free port", error));
        let (broker, controller) = (port()?, port()?);
        let logs = place.data.join("log");
        self.cluster = lay_out(&place.installed()?.kafka_template(), &logs)?;
        self.broker = broker.number();
        let settings = place.data.join("broker.properties");
        let text = broker_settings(&logs, broker.number(), controller.number())?;
        std::fs::write(&settings, text).map_err(at(&settings))?;
        let mut command = self.command(place)?;
        command.arg(&settings);
        let mut ports = vec![broker, controller];
        if self.connect.is_some() {
            let rest = port()?;
            self.rest = rest.number();
            command.arg(self.worker(place, &rest)?);
            ports.push(rest);
        }
        // Ending in order takes up to ten seconds, for data that is thrown away.
        Ok(Prepared { command, ports, ending: Signal::KILL, folders: Vec::new() })
    }

    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure> {
        ready(&self.kafka, self.kafka_ready(watch)?);
        if let Some(connect) = &self.connect {
            ready(connect, self.connect_ready(watch)?);
        }
        Ok(())
    }
}

impl Jvm {
    fn worker(&self, place: &Place, rest: &Port) -> Result<PathBuf, Failure> {
        let file = place.data.join("worker.properties");
        let (broker, rest) = (self.broker, rest.number());
        let text = format!(
            "{}bootstrap.servers=127.0.0.1:{broker}\nlisteners=http://127.0.0.1:{rest}\n",
            pins::WORKER
        );
        std::fs::write(&file, text).map_err(at(&file))?;
        Ok(file)
    }
}

/// A formatted log folder with a cluster id of its own, which it returns.
fn lay_out(template: &Path, logs: &Path) -> Result<String, Failure> {
    std::fs::create_dir(logs).map_err(at(logs))?;
    let checkpoint = template.join("bootstrap.checkpoint");
    std::fs::copy(&checkpoint, logs.join("bootstrap.checkpoint")).map_err(at(&checkpoint))?;
    let (cluster, folder) = (uuid(), uuid());
    let meta = format!("version=1\nnode.id=1\ncluster.id={cluster}\ndirectory.id={folder}\n");
    let file = logs.join("meta.properties");
    std::fs::write(&file, meta).map_err(at(&file))?;
    Ok(cluster)
}

/// 128 random bits as Kafka writes them: URL-safe base64 without padding. It never begins with a dash, which
/// Kafka's own tools avoid too.
pub(super) fn uuid() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 21 digits of 6 bits, and one of the two bits that are left.
    let digits = (0..22).map(|i| match i {
        0 => fastrand::usize(..62),
        21 => fastrand::usize(..4) << 4,
        _ => fastrand::usize(..64),
    });
    digits.map(|digit| char::from(DIGITS[digit])).collect()
}

/// The broker's settings for one run. Also those that its log folder is formatted with.
pub(super) fn broker_settings(logs: &Path, broker: u16, controller: u16) -> Result<String, Failure> {
    let folder = logs.to_str().filter(|folder| !folder.contains(','));
    let folder = folder.ok_or_else(|| {
        Failure::new("a folder for Kafka whose name is UTF-8 and has no comma", logs.display())
    })?;
    Ok(format!(
        "{}log.dirs={}\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n",
        pins::BROKER,
        property(folder)
    ))
}

/// A value as java.util.Properties reads it from Latin-1.
fn property(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    // A leading space would be taken for the separator's.
    if out.starts_with(' ') { format!("\\{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_canonical_base64_of_sixteen_bytes_and_never_the_same() {
        let (a, b) = (uuid(), uuid());
        assert_ne!(a, b);
        assert!(a.len() == 22 && "AQgw".contains(&a[21..]) && !a.starts_with('-'), "{a}");
    }

    #[test]
    fn any_folder_name_is_written_as_java_reads_it() {
        assert_eq!(property("/a b/ü/😀/c\\d\n"), "/a b/\\u00fc/\\ud83d\\ude00/c\\\\d\\u000a");
        assert_eq!(property(" x"), "\\ x");
    }

    #[test]
    fn a_folder_that_kafka_would_split_is_refused() {
        let failure = broker_settings(Path::new("/tmp/a,b"), 1, 2).unwrap_err();
        assert!(failure.expected.contains("no comma") && failure.seen == "/tmp/a,b");
    }
}
