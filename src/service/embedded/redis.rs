//! Redis: a server without persistence, ready when it answers PING and says that it is ours.

use super::launch::{Failure, Launch, Place, Prepared, Watch, clean};
use super::start::EngineSource;
use super::tools;
use crate::model::{Endpoint, Product, ServiceKind};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;

pub(super) struct Redis {
    name: String,
    from: EngineSource,
    port: u16,
}

impl Redis {
    pub fn new(name: &str, from: EngineSource) -> Redis {
        Redis { name: name.to_owned(), from, port: 0 }
    }

    fn program(&self, place: &Place) -> Result<PathBuf, Failure> {
        let path = match &self.from {
            EngineSource::Pinned => return Ok(place.installed()?.redis()),
            EngineSource::Path(path) => path,
        };
        let found = if path.components().count() == 1 { tools::on_path(path) } else { Some(path.clone()) };
        found.filter(|file| tools::is_program(file)).ok_or_else(|| {
            Failure::new(
                "a redis-server: a path, or a name on PATH",
                format!("no program {}", path.display()),
            )
        })
    }
}

impl Launch for Redis {
    fn services(&self) -> Vec<(String, ServiceKind)> {
        vec![(self.name.clone(), ServiceKind::Redis)]
    }

    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure> {
        let port = (place.ports)().map_err(|error| Failure::new("a free port", error))?;
        self.port = port.number();
        let mut command = clean(self.program(place)?);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--daemonize", "no"]);
        command.args(["--save", "", "--appendonly", "no", "--loglevel", "warning"]);
        command.arg("--dir").arg(&place.data);
        Ok(Prepared { command, ports: vec![port], ending: Signal::KILL, folders: Vec::new() })
    }

    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure> {
        let address = format!("127.0.0.1:{}", self.port);
        let info = watch.until(&format!("a PONG from {address}"), || {
            let info = ask(&address, watch.patience()).map_err(|error| error.to_string())?;
            match field(&info, "process_id") {
                Some(pid) if pid == watch.process.pid().to_string() => Ok(info),
                other => Err(format!("another server is there: process {}", other.unwrap_or("unknown"))),
            }
        })?;
        let mut endpoint = Endpoint::at(ServiceKind::Redis, address);
        let version = field(&info, "redis_version").unwrap_or("unknown").to_owned();
        endpoint.product = Some(Product { name: "Redis".to_owned(), version });
        endpoint.identity.extend(field(&info, "run_id").map(|id| ("run_id".to_owned(), id.to_owned())));
        ready(&self.name, endpoint);
        Ok(())
    }
}

/// PING, then what INFO says of the server.
fn ask(address: &str, patience: Duration) -> redis::RedisResult<String> {
    let client = redis::Client::open(format!("redis://{address}/"))?;
    let mut connection = client.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    redis::cmd("PING").query::<String>(&mut connection)?;
    redis::cmd("INFO").arg("server").query(&mut connection)
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
