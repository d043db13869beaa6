//! ClickHouse: libchdb behind our own HTTP front, which is a hidden verb of the cutproof program.

use super::http;
use super::launch::{Failure, Launch, Place, Prepared, Watch, at, clean};
use super::pins;
use crate::model::{Endpoint, Product, ServiceKind};
use rustix::process::Signal;

pub(super) struct Clickhouse {
    name: String,
}

impl Clickhouse {
    pub fn new(name: &str) -> Clickhouse {
        Clickhouse { name: name.to_owned() }
    }
}

impl Launch for Clickhouse {
    fn services(&self) -> Vec<(String, ServiceKind)> {
        vec![(self.name.clone(), ServiceKind::Clickhouse)]
    }

    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure> {
        let (data, config) = (place.data.join("store"), place.data.join("config.xml"));
        std::fs::write(&config, pins::CLICKHOUSE).map_err(at(&config))?;
        let mut command = clean(&place.exe);
        command.arg("clickhouse-front").arg("--library").arg(place.installed()?.chdb());
        command.arg("--data").arg(data).arg("--config-file").arg(config);
        // The front picks the port itself and says which.
        command.args(["--listen", "127.0.0.1:0"]);
        Ok(Prepared { command, ports: Vec::new(), ending: Signal::KILL, folders: Vec::new() })
    }

    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure> {
        let url = format!("http://{}", watch.line("ready ")?);
        let query =
            |sql: &str| http::post(&url, sql, watch.patience()).map(|answer| answer.trim().to_owned());
        let version = watch
            .until(&format!("an answer to SELECT version() from {url}"), || query("SELECT version()"))?;
        let mut endpoint = Endpoint::at(ServiceKind::Clickhouse, url.clone());
        endpoint.product = Some(Product { name: "ClickHouse".to_owned(), version });
        endpoint.user = Some("default".to_owned());
        endpoint.database = Some("default".to_owned());
        // serverUUID() is zeros in this build; a database's is made with the data.
        let uuid = query("SELECT uuid FROM system.databases WHERE name = 'default'");
        endpoint.identity.extend(uuid.ok().map(|uuid| ("default_database_uuid".to_owned(), uuid)));
        ready(&self.name, endpoint);
        Ok(())
    }
}
