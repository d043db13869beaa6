//! Brings one service up: its image, its container by testcontainers, and the wait until it answers. It knows neither
//! who waits for it nor how it is removed.

use super::board::{Board, Made, Stage};
use super::container::{self, CALL, labelled};
use super::daemon::{CallError, Daemon, chain};
use super::ground::Ground;
use super::image::{digest, halves};
use super::ready::ready;
use super::recipe::{self, Chosen, Recipe};
use super::{ContainerRequest, fault, labels};
use crate::model::service::Image;
use crate::model::{Endpoint, Secret};
use crate::service::embedded::Port;
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};
use testcontainers::bollard::models::{ContainerInspectResponse, HostConfig, PortBinding};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::task::JoinHandle;

/// How often a container is made anew when its port was taken in between.
const TRIES: u32 = 3;
/// How long an image may take to be pulled.
const PULL: Duration = Duration::from_secs(900);
/// The pause between two questions whether a service answers.
const PAUSE: Duration = Duration::from_millis(25);
/// How often it is looked whether the container of a service that does not answer still runs.
const LOOK: Duration = Duration::from_millis(250);
/// How long a service may take for one answer: first, and when it has shown to be slow.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// How long the making of a container may go on when the run has ended: one that was given up would appear after all
/// were removed.
const GRACE: Duration = Duration::from_secs(10);
/// How often what takes long is asked whether it is still wanted.
const SLICE: Duration = Duration::from_millis(50);

/// One service's way up.
pub(super) struct Launch<'a> {
    pub daemon: &'a Daemon,
    pub board: &'a Board,
    pub ground: &'a Ground,
    pub request: &'a ContainerRequest,
    pub limit: Duration,
    /// Bytes of memory that the container may use, where that is limited.
    pub memory: Option<i64>,
}

impl Launch<'_> {
    /// The service's container and endpoint, once it answers.
    ///
    /// # Errors
    /// Why it does not: its image, its container, or what it says.
    pub fn up(&self) -> Result<(Made, Endpoint), String> {
        let place = self.ground.lay(self.daemon, self.board)?;
        let name = &self.request.name;
        let kept = place.kept.get(name);
        let (made, recipe) = match kept {
            Some(made) => (made.clone(), self.recipe(made.password.as_ref(), "")?),
            None => {
                self.pull()?;
                self.after_kafka()?;
                self.make()?
            }
        };
        self.doing(&made, "it was not asked yet");
        let deadline = Instant::now() + self.limit;
        let container = container::inspect(self.daemon, &made.id, CALL).map_err(|error| self.told(&error))?;
        let endpoint = self.endpoint(&made, &recipe, &container)?;
        let mut endpoint = self.until_ready(&made, &endpoint, deadline)?;
        endpoint.image = Some(self.image(&container)?);
        Ok((made, endpoint))
    }

    fn doing(&self, made: &Made, seen: &str) {
        self.board.set(&self.request.name, Stage::Running(made.clone(), seen.to_owned()));
    }

    fn told(&self, error: &CallError) -> String {
        fault::call(error, &self.daemon.name())
    }

    /// Waits for what runs beside, which goes on for `grace` when the run has ended; whoever stops waiting lets it end
    /// by itself.
    fn wait<T>(
        &self,
        what: &str,
        mut task: JoinHandle<T>,
        limit: Duration,
        grace: Duration,
    ) -> Result<T, String> {
        let mut deadline = Instant::now() + limit;
        let mut ended = None;
        loop {
            match self.daemon.run(what, SLICE, &mut task) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(died)) => return Err(format!("{what}: Docker's client failed: {died}")),
                Err(_) => {}
            }
            if ended.is_none() {
                ended = self.board.ended();
                deadline = ended.map_or(deadline, |_| deadline.min(Instant::now() + grace));
            }
            if Instant::now() >= deadline {
                let late = || self.told(&CallError::Late { what: what.to_owned(), limit });
                return Err(ended.map_or_else(late, str::to_owned));
            }
        }
    }

    /// Has the image pulled where it is not there.
    fn pull(&self) -> Result<(), String> {
        let image = &self.request.image;
        let docker = self.daemon.docker();
        let doing = |doing: String| self.board.set(&self.request.name, Stage::Coming(doing));
        doing(format!("it is looked whether {image} is there"));
        match self.daemon.call("an image", CALL, docker.inspect_image(image)) {
            Ok(_) => return Ok(()),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(self.told(&error)),
        }
        let begun = Instant::now();
        doing(format!("its image {image} is being pulled"));
        let (name, tag) = halves(image);
        let wanted = GenericImage::new(name, tag);
        let pulling = self.daemon.spawn(async move { wanted.pull_image().await.map(drop) });
        let refused = |said: &str| fault::no_image(&self.request.name, image, said, &self.daemon.name());
        let nothing = Duration::ZERO;
        self.wait("the pulling of an image", pulling, PULL, nothing)?
            .map_err(|error| refused(&chain(&error)))?;
        let took = begun.elapsed().as_secs_f64();
        self.board.note(format!("{}: {image} was pulled in {took:.1} s", self.request.name));
        Ok(())
    }

    /// Connect's container starts when that of its Kafka runs, since its name can't be resolved before; that Kafka
    /// answers is not waited for.
    fn after_kafka(&self) -> Result<(), String> {
        let Some(kafka) = &self.request.kafka else { return Ok(()) };
        self.board.set(&self.request.name, Stage::Coming(format!("it waits for the container of `{kafka}`")));
        let runs = |stage: &Stage| !matches!(stage, Stage::Coming(_));
        // Pulling has a limit of its own.
        match self.board.wait(kafka, Instant::now() + PULL + self.limit, runs)? {
            Stage::Failed(_, why) => Err(format!("it needs `{kafka}`, which failed: {why}")),
            _ => Ok(()),
        }
    }

    fn recipe(&self, password: Option<&Secret>, outside: &str) -> Result<Recipe, String> {
        let cluster = self.ground.cluster();
        let host = self.ground.container(&self.request.name);
        let kafka = self.request.kafka.as_ref().map(|kafka| self.ground.container(kafka)).unwrap_or_default();
        let chosen = Chosen { host: &host, kafka: &kafka, password, cluster, outside };
        recipe::recipe(self.request, &chosen)
            .ok_or_else(|| format!("no image is known for a service of kind {}", self.request.kind))
    }

    /// Makes the container and starts it; again on another port where that was taken in between.
    fn make(&self) -> Result<(Made, Recipe), String> {
        let password = recipe::has_password(self.request.kind).then(super::ground::secret).transpose()?;
        for left in (0..TRIES).rev() {
            self.board.set(&self.request.name, Stage::Coming("its container is being started".to_owned()));
            let port = self.port()?;
            let number = port.as_ref().map(Port::number);
            let outside = format!("{}:{}", self.daemon.reach(), number.unwrap_or_default());
            let recipe = self.recipe(password.as_ref(), &outside)?;
            match self.start(&recipe, number) {
                Ok(id) => return Ok((Made { id, password }, recipe)),
                Err(said) if left > 0 && fault::is_port_taken(&said) => {
                    self.discard();
                    let name = &self.request.name;
                    self.board
                        .note(format!("{name}: its port was taken in between; started again on another"));
                }
                Err(said) => return Err(self.remember(&said, password)),
            }
        }
        Err("no port could be had".to_owned())
    }

    /// A port to publish at, for those who tell it to their clients. It is held here until Docker takes it.
    fn port(&self) -> Result<Option<Port>, String> {
        if !recipe::advertises(self.request.kind) {
            return Ok(None);
        }
        if self.daemon.is_local() {
            return Port::free().map(Some).map_err(|error| format!("no free port can be had: {error}"));
        }
        // Which are free there can't be seen from here: outside of what Linux gives to clients, and tried again.
        Ok(Some(Port::unheld(fastrand::u16(20_000..32_000))))
    }

    /// Asks testcontainers for the container. It neither waits for anything in it nor removes it: that is ours.
    fn start(&self, recipe: &Recipe, port: Option<u16>) -> Result<String, String> {
        let wanted = self.container(recipe, port);
        let starting = self.daemon.spawn(wanted.start());
        let started: Result<ContainerAsync<GenericImage>, _> =
            self.wait("the start of a container", starting, self.limit, GRACE)?;
        match started {
            Ok(container) => Ok(ManuallyDrop::new(container).id().to_owned()),
            Err(error) => Err(fault::explain(&chain(&error), &self.daemon.name())),
        }
    }

    fn container(
        &self,
        recipe: &Recipe,
        port: Option<u16>,
    ) -> testcontainers::ContainerRequest<GenericImage> {
        let (name, tag) = halves(&self.request.image);
        let (inside, memory) = (recipe.port, self.memory);
        let address = self.daemon.bind().map(|address| address.to_string());
        let publish = move |host: &mut HostConfig| {
            let binding = PortBinding {
                host_ip: address.clone(),
                host_port: Some(port.map(|port| port.to_string()).unwrap_or_default()),
            };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(format!("{inside}/tcp"), Some(vec![binding]))]));
            host.memory = memory;
            host.memory_swap = memory;
        };
        let wanted = GenericImage::new(name, tag)
            .with_exposed_port(inside.tcp())
            .with_container_name(self.ground.container(&self.request.name))
            .with_network(self.ground.network())
            .with_hostname(&self.request.name)
            .with_labels(self.ground.labels(Some(&self.request.name)))
            .with_startup_timeout(self.limit)
            .with_host_config_modifier(publish);
        let wanted = if recipe.args.is_empty() { wanted } else { wanted.with_cmd(recipe.args.clone()) };
        recipe.env.iter().fold(wanted, |wanted, (name, value)| wanted.with_env_var(name, value))
    }

    /// The id of the container that was made and did not start, so that its log is told.
    fn half_made(&self) -> Option<String> {
        let (label, value) = self.ground.label();
        let made = labelled(self.daemon, label, Some(value)).ok()?;
        let ours = |labels: &HashMap<String, String>| labels.get(labels::SERVICE) == Some(&self.request.name);
        made.into_iter().find(|found| ours(&found.labels)).map(|found| found.id)
    }

    fn remember(&self, said: &str, password: Option<Secret>) -> String {
        let Some(id) = self.half_made() else { return said.to_owned() };
        let why = container::fault(self.daemon, &id, CALL).ok().flatten();
        self.doing(&Made { id, password }, said);
        // That it has ended says more than that it could not be looked at.
        why.unwrap_or_else(|| said.to_owned())
    }

    fn discard(&self) {
        if let Some(id) = self.half_made() {
            let late = |_| "it took too long".to_owned();
            let removal = container::remove(self.daemon.docker(), id);
            let removed =
                self.daemon.run("a removal", CALL, removal).map_err(late).and_then(|removed| removed);
            if let Err(error) = removed {
                self.board.note(format!("{}: a first try is left for the end: {error}", self.request.name));
            }
        }
    }

    fn endpoint(
        &self,
        made: &Made,
        recipe: &Recipe,
        container: &ContainerInspectResponse,
    ) -> Result<Endpoint, String> {
        if let Some(fault) = fault::Standing::of(container).fault(&made.id) {
            return Err(fault);
        }
        let inside = format!("{}/tcp", recipe.port);
        let ports = container.network_settings.as_ref().and_then(|network| network.ports.as_ref());
        let bindings = ports.and_then(|ports| ports.get(&inside)).and_then(Option::as_ref);
        let port = bindings.into_iter().flatten().find_map(|binding| binding.host_port.clone());
        let port = port.ok_or_else(|| format!("its port {inside} is not published"))?;
        let reached = format!("{}:{port}", self.daemon.reach());
        Ok(recipe::endpoint(self.request, made.password.as_ref(), recipe, &reached))
    }

    fn until_ready(&self, made: &Made, endpoint: &Endpoint, deadline: Instant) -> Result<Endpoint, String> {
        let (begun, mut looked) = (Instant::now(), Instant::now());
        loop {
            let patience = (begun.elapsed() / 4).clamp(PATIENCE.0, PATIENCE.1);
            let seen = match ready(endpoint, patience) {
                Ok(known) => return Ok(known),
                Err(seen) => seen,
            };
            if let Some(why) = self.board.ended() {
                return Err(why.to_owned());
            }
            let over = Instant::now() >= deadline;
            if over || looked.elapsed() >= LOOK {
                let fault = container::fault(self.daemon, &made.id, CALL);
                if let Some(fault) = fault.map_err(|error| self.told(&error))? {
                    return Err(fault);
                }
                looked = Instant::now();
            }
            if over {
                return Err(format!("no answer as its kind within {} s: {seen}", self.limit.as_secs_f64()));
            }
            self.doing(made, &seen);
            self.board.pause(PAUSE);
        }
    }

    /// The image that runs, by its digest.
    fn image(&self, container: &ContainerInspectResponse) -> Result<Image, String> {
        let id = container.image.clone().ok_or("Docker does not say which image its container has")?;
        let docker = self.daemon.docker();
        let image = self.daemon.call("an image", CALL, docker.inspect_image(&id));
        let image = image.map_err(|error| self.told(&error))?;
        let digests = image.repo_digests.unwrap_or_default();
        let name = self.request.image.clone();
        Ok(Image { digest: digest(&name, &digests, &id), name })
    }
}
