//! A service of the user's own: a command line that serves HTTP in the foreground. It is started when the services
//! that it needs answer, told where they are and where to listen, and ready when something answers there.

use super::launch::{Failure, Launch, Place, Prepared, Watch};
use crate::model::service::{variable, variables};
use crate::model::{Endpoint, ServiceKind};
use rustix::process::Signal;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_millis(500);

/// The variable by which a command line finds the cutproof program.
const PROGRAM: &str = "CUTPROOF";

pub(super) struct Served {
    name: String,
    kind: ServiceKind,
    line: String,
    needs: Vec<String>,
    port: u16,
}

impl Served {
    pub fn new(name: &str, kind: ServiceKind, line: &str, needs: &[String]) -> Served {
        Served { name: name.to_owned(), kind, line: line.to_owned(), needs: needs.to_vec(), port: 0 }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn command(&self, exe: &Path) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.line).stdin(Stdio::null());
        command.env(PROGRAM, exe).env(variable("ENDPOINT", &self.name), self.address());
        command
    }
}

/// Where a service is, in the variables that commands are told it by.
fn tell(command: &mut Command, name: &str, endpoint: &Endpoint) {
    command.envs(variables(name, endpoint));
}

impl Launch for Served {
    fn services(&self) -> Vec<(String, ServiceKind)> {
        vec![(self.name.clone(), self.kind)]
    }

    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure> {
        let port = (place.ports)().map_err(|error| Failure::new("a free port", error))?;
        self.port = port.number();
        let mut command = self.command(&place.exe);
        for name in &self.needs {
            let expected = format!("{name}, which it needs");
            let endpoint =
                (place.others)(name, place.deadline).map_err(|seen| Failure::new(expected, seen))?;
            tell(&mut command, name, &endpoint);
        }
        // Its whole group at once: what the shell has started may be another process.
        Ok(Prepared { command, ports: vec![port], ending: Signal::KILL, folders: Vec::new() })
    }

    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure> {
        let listens = ([127, 0, 0, 1], self.port).into();
        let expected = format!("something that listens at {}", self.address());
        watch.until(&expected, || {
            TcpStream::connect_timeout(&listens, CONNECT).map_err(|error| error.to_string())
        })?;
        ready(&self.name, Endpoint::at(self.kind, self.address()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Endpoint, ServiceKind};
    use crate::process::Worker;
    use crate::service::embedded::{EngineKind, EngineRequest, StartOptions, start_commands};
    use crate::service::{Environment, ServiceError};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// Somebody else, who gives Kafka and nothing else.
    struct Beside;

    impl Environment for Beside {
        fn provisioner(&self) -> &'static str {
            "beside"
        }

        fn wait(&self, service: &str, _: Instant) -> Result<Endpoint, ServiceError> {
            match service {
                "kafka" => {
                    let inside = Some("kafka:9092".to_owned());
                    Ok(Endpoint { inside, ..Endpoint::at(ServiceKind::Kafka, "127.0.0.1:39092") })
                }
                other => Err(ServiceError(format!("`{other}` died"))),
            }
        }

        fn stop(&self) {}
    }

    /// What becomes of a command that needs these.
    fn fails(line: &str, needs: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        let kind = EngineKind::Command { kind: ServiceKind::Http, line: line.to_owned(), needs };
        let mut options = StartOptions::with_exe("cutproof", Worker::unheld().unwrap());
        options.beside = Some(Arc::new(Beside));
        let request = EngineRequest { name: "core".to_owned(), kind };
        let running = start_commands(&[request], folder.path(), &options).unwrap();
        running.wait("core", Instant::now() + Duration::from_secs(60)).unwrap_err().to_string()
    }

    #[test]
    fn a_command_is_told_where_services_are_that_somebody_else_gives() {
        let told =
            fails("echo \"at $CUTPROOF_ENDPOINT_KAFKA, inside $CUTPROOF_INSIDE_KAFKA\"; exit 3", &["kafka"]);
        assert!(told.contains("at 127.0.0.1:39092, inside kafka:9092"), "{told}");
    }

    #[test]
    fn a_command_is_not_started_where_what_it_needs_is_not_there() {
        let told = fails("echo started", &["kafka", "redis"]);
        assert!(told.contains("`redis` died") && !told.contains("started"), "{told}");
    }
}
