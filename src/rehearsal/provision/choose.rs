//! Which provisioner a run gets where nobody named one, and whether the one that was named can be had. Asks the daemon
//! of containers, and starts nothing.

use super::Provision;
use super::image::{image, image_variable};
use crate::profile::{Engine, Service};
use crate::service::ServiceError;
use crate::service::containers::Daemon;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a daemon has to answer where it is only one of two ways.
const GLANCE: Duration = Duration::from_millis(300);

/// How long it has where it was asked for by name.
const NAMED: Duration = Duration::from_secs(5);

/// How long registries have to say whether they have the images.
const REGISTRIES: Duration = Duration::from_secs(10);

/// Who gives the services, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Never `Auto`.
    pub provision: Provision,
    /// In one line, where nobody named it.
    pub why: Option<String>,
}

/// Chooses where the word is `auto`, and checks where it is `containers`; the other words are taken as they are.
///
/// # Errors
/// Containers were asked for by name, and can't be had: what is lacking, and what to do.
pub fn choose(wanted: Provision, services: &[Service]) -> Result<Choice, String> {
    choose_of(wanted, services, Daemon::find)
}

/// Where containers can be had.
trait Host {
    fn name(&self) -> String;
    fn missing(&self, images: &[String], limit: Duration) -> Vec<(String, String)>;
}

impl Host for Daemon {
    fn name(&self) -> String {
        Daemon::name(self)
    }

    fn missing(&self, images: &[String], limit: Duration) -> Vec<(String, String)> {
        Daemon::missing(self, images, limit)
    }
}

fn choose_of<H: Host>(
    wanted: Provision,
    services: &[Service],
    find: impl FnOnce(Duration) -> Result<H, ServiceError>,
) -> Result<Choice, String> {
    match wanted {
        Provision::Embedded | Provision::Attach => Ok(Choice { provision: wanted, why: None }),
        Provision::Containers => {
            let found = fit(services).and_then(|images| have(&images, find, NAMED));
            found.map_err(|lacking| lacking.refusal())?;
            Ok(Choice { provision: wanted, why: None })
        }
        Provision::Auto => Ok(match fit(services).and_then(|images| have(&images, find, GLANCE)) {
            Ok(daemon) => {
                let why = format!("the images can be had from {daemon}");
                Choice { provision: Provision::Containers, why: Some(why) }
            }
            Err(lacking) => {
                let why = format!("no containers: {}", lacking.line());
                Choice { provision: Provision::Embedded, why: Some(why) }
            }
        }),
    }
}

/// Why there are no containers.
#[derive(Debug, PartialEq, Eq)]
enum Lacking {
    /// No service of the plan would run in one.
    Nothing,
    /// A service can't run in one.
    Unfit { at: String, why: String },
    /// No daemon answers.
    Daemon(String),
    /// Images can't be had, each with why.
    Images(Vec<(String, String)>),
}

impl Lacking {
    /// In one line, as the reason for another provisioner.
    fn line(&self) -> String {
        let text = match self {
            Lacking::Nothing => "no service of this plan runs in one".to_owned(),
            Lacking::Unfit { why, .. } => why.clone(),
            Lacking::Daemon(why) => why.clone(),
            Lacking::Images(missing) => {
                let told =
                    missing.first().map(|(image, why)| format!("the image {image} can't be had: {why}"));
                let more = match missing.len() {
                    0 | 1 => String::new(),
                    count => format!("; nor can {} more", count - 1),
                };
                told.unwrap_or_default() + &more
            }
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Where containers were asked for by name.
    fn refusal(&self) -> String {
        let instead = "or run with --provision embedded";
        match self {
            Lacking::Nothing => {
                "no service of this plan runs in a container: expected --provision embedded".to_owned()
            }
            Lacking::Unfit { at, why } => format!("{at}: {why}; {instead}"),
            Lacking::Daemon(why) => format!("{why}; {instead}"),
            Lacking::Images(missing) => {
                let lines: Vec<_> =
                    missing.iter().map(|(image, why)| format!("\n  {image}: {why}")).collect();
                format!(
                    "these images are not there and can't be pulled:{}\nexpected `docker pull` to get them; name others in \
                     `image` of a service or in {}, {instead}",
                    lines.concat(),
                    image_variable("NAME"),
                )
            }
        }
    }
}

/// The images of the services, where all of those that run in containers can.
fn fit(services: &[Service]) -> Result<Vec<String>, Lacking> {
    let unfit = |service: &Service, why: String| {
        Err(Lacking::Unfit { at: service.at.to_string(), why: format!("service `{}` {why}", service.name) })
    };
    let mut images = BTreeSet::new();
    for service in services {
        match (image(service), &service.from) {
            (Some(_), Engine::Program(program)) => {
                return unfit(
                    service,
                    format!("names a program of this machine, `from = \"{program}\"`, which is in no image"),
                );
            }
            (Some(image), _) => drop(images.insert(image)),
            (None, Engine::Pinned | Engine::Program(_)) if service.image.is_some() => {
                return unfit(
                    service,
                    format!(
                        "has an `image`, and is of the kind {}, of which no container is started: expected `start` or `endpoint`",
                        service.kind
                    ),
                );
            }
            (None, _) => {}
        }
    }
    if images.is_empty() { Err(Lacking::Nothing) } else { Ok(images.into_iter().collect()) }
}

/// The daemon's name, where it answers and the images can be had.
fn have<H: Host>(
    images: &[String],
    find: impl FnOnce(Duration) -> Result<H, ServiceError>,
    limit: Duration,
) -> Result<String, Lacking> {
    let daemon = find(limit).map_err(|error| Lacking::Daemon(error.0))?;
    let missing = daemon.missing(images, REGISTRIES);
    if missing.is_empty() { Ok(daemon.name()) } else { Err(Lacking::Images(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceKind;

    /// A daemon that lacks some images.
    struct Docker(Vec<(String, String)>);

    impl Host for Docker {
        fn name(&self) -> String {
            "Docker 99 at unix:///d.sock".to_owned()
        }

        fn missing(&self, images: &[String], _: Duration) -> Vec<(String, String)> {
            self.0.iter().filter(|(image, _)| images.contains(image)).cloned().collect()
        }
    }

    fn services() -> Vec<Service> {
        let mut core = Service::new("core", ServiceKind::Http, None);
        core.from = Engine::Command("serve".to_owned());
        let mut redis = Service::new("redis", ServiceKind::Redis, None);
        redis.image = Some("redis:9".to_owned());
        vec![redis, core]
    }

    fn up(_: Duration) -> Result<Docker, ServiceError> {
        Ok(Docker(Vec::new()))
    }

    fn down(_: Duration) -> Result<Docker, ServiceError> {
        Err(ServiceError("no Docker answers at unix:///d.sock:\nrefused".to_owned()))
    }

    fn without_redis(_: Duration) -> Result<Docker, ServiceError> {
        Ok(Docker(vec![("redis:9".to_owned(), "not found".to_owned())]))
    }

    #[test]
    fn auto_takes_containers_where_a_daemon_answers_and_has_the_images() {
        let choice = choose_of(Provision::Auto, &services(), up).unwrap();
        assert_eq!(choice.provision, Provision::Containers);
        assert!(choice.why.unwrap().contains("Docker 99"));
    }

    #[test]
    fn auto_gives_a_daemon_300_ms_and_a_name_gives_it_longer() {
        let limit_of = |wanted| {
            let mut given = None;
            let found = choose_of(wanted, &services(), |limit| {
                given = Some(limit);
                up(limit)
            });
            found.unwrap();
            given.unwrap()
        };
        assert_eq!(limit_of(Provision::Auto), Duration::from_millis(300));
        assert!(limit_of(Provision::Containers) > Duration::from_secs(1));
    }

    #[test]
    fn auto_falls_back_to_embedded_and_says_why_in_one_line() {
        for (find, told) in [
            (
                down as fn(Duration) -> Result<Docker, ServiceError>,
                "no Docker answers at unix:///d.sock: refused",
            ),
            (without_redis, "the image redis:9 can't be had: not found"),
        ] {
            let choice = choose_of(Provision::Auto, &services(), find).unwrap();
            assert_eq!(choice.provision, Provision::Embedded);
            assert_eq!(choice.why.unwrap(), format!("no containers: {told}"));
        }
    }

    #[test]
    fn containers_by_name_never_fall_back() {
        let error = choose_of(Provision::Containers, &services(), down).unwrap_err();
        assert!(error.contains("no Docker answers") && error.contains("--provision embedded"), "{error}");
        let error = choose_of(Provision::Containers, &services(), without_redis).unwrap_err();
        assert!(error.contains("redis:9: not found") && error.contains("CUTPROOF_IMAGE_NAME"), "{error}");
    }

    #[test]
    fn nobody_is_asked_where_the_answer_would_change_nothing() {
        let asked = |_: Duration| -> Result<Docker, ServiceError> { panic!("a daemon was asked") };
        for wanted in [Provision::Embedded, Provision::Attach] {
            assert_eq!(choose_of(wanted, &services(), asked), Ok(Choice { provision: wanted, why: None }));
        }
        let core = &services()[1..];
        let choice = choose_of(Provision::Auto, core, asked).unwrap();
        assert_eq!(choice.provision, Provision::Embedded);
        assert!(choice.why.unwrap().contains("no service of this plan"));
    }

    #[test]
    fn a_program_of_this_machine_is_refused_with_its_position_or_run_embedded() {
        let mut services = services();
        services[0].from = Engine::Program("/opt/redis/redis-server".to_owned());
        services[0].at.line = 7;
        let error = choose_of(Provision::Containers, &services, up).unwrap_err();
        assert!(error.contains(":7:") && error.contains("/opt/redis/redis-server"), "{error}");
        let choice = choose_of(Provision::Auto, &services, up).unwrap();
        assert_eq!(choice.provision, Provision::Embedded);
        assert!(choice.why.unwrap().contains("/opt/redis/redis-server"));
    }

    #[test]
    fn an_image_that_nothing_would_start_is_refused() {
        let mut services = services();
        services[1].from = Engine::Pinned;
        services[1].image = Some("nginx:1".to_owned());
        let error = choose_of(Provision::Containers, &services, up).unwrap_err();
        assert!(error.contains("`core`") && error.contains("kind http"), "{error}");
    }
}
