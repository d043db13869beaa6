//! Which image a service runs in, where it runs in a container. Knows no Docker.

use crate::model::ServiceKind;
use crate::model::service::variable;
use crate::profile::Service;
use crate::service::containers::default_image;

/// The public repositories whose images can be started, by kind: what a profile's `stands_for` may name. Others
/// behave differently, or may: those are started only where somebody asks for them by name.
const REPOSITORIES: [(ServiceKind, &[&str]); 5] = [
    (ServiceKind::Redis, &["redis"]),
    (ServiceKind::Kafka, &["apache/kafka", "redpandadata/redpanda"]),
    (ServiceKind::Connect, &["debezium/connect"]),
    (ServiceKind::Clickhouse, &["clickhouse", "clickhouse/clickhouse-server"]),
    (ServiceKind::Postgres, &["postgres", "timescale/timescaledb"]),
];

/// The variable that names the image of a service.
pub fn image_variable(service: &str) -> String {
    variable("IMAGE", service)
}

/// The image of a service: the variable goes before the profile's `image`, that before what the real environment runs
/// (where `stands_for` names an image of its kind), and that before the default of its kind. None where its kind is
/// never started in a container.
pub fn image(service: &Service) -> Option<String> {
    let default = default_image(service.kind)?;
    let said = std::env::var(image_variable(&service.name)).ok().filter(|image| !image.is_empty());
    let real = || service.stands_for.clone().filter(|image| is_of(service.kind, image));
    Some(said.or_else(|| service.image.clone()).or_else(real).unwrap_or_else(|| default.to_owned()))
}

/// Whether this is an image of that kind, with a tag or a digest: `redis:7.2-alpine`, `docker.io/library/redis:7`.
fn is_of(kind: ServiceKind, image: &str) -> bool {
    let Some((name, _)) = image.split_once('@').or_else(|| image.rsplit_once(':')) else { return false };
    // A digest may follow a tag.
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    let name = name.strip_prefix("docker.io/").or_else(|| name.strip_prefix("quay.io/")).unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    REPOSITORIES.iter().any(|(of, names)| *of == kind && names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ServiceKind, image: Option<&str>, stands_for: Option<&str>) -> Option<String> {
        let mut service = Service::new("image-test", kind, None);
        service.image = image.map(str::to_owned);
        service.stands_for = stands_for.map(str::to_owned);
        super::image(&service)
    }

    #[test]
    fn a_service_runs_what_the_real_one_runs_unless_the_profile_names_an_image() {
        let real = Some("redis:7.2-alpine");
        assert_eq!(of(ServiceKind::Redis, None, real).as_deref(), real);
        let own = Some("registry.example/mirror/redis:7");
        assert_eq!(of(ServiceKind::Redis, own, real).as_deref(), own);
        assert_eq!(of(ServiceKind::Redis, None, None).as_deref(), default_image(ServiceKind::Redis));
    }

    #[test]
    fn what_a_service_stands_for_is_no_image_where_it_is_of_another_kind_or_in_other_words() {
        for other in
            ["PostgreSQL 16", "redis", "bitnami/redis:7", "timescale/timescaledb:2.14.2-pg16", "redis-like:1"]
        {
            assert_eq!(
                of(ServiceKind::Redis, None, Some(other)).as_deref(),
                default_image(ServiceKind::Redis),
                "{other}"
            );
        }
    }

    #[test]
    fn an_image_is_known_with_its_registry_and_its_digest_too() {
        for (kind, image) in [
            (ServiceKind::Redis, "docker.io/library/redis:7.2-alpine"),
            (ServiceKind::Redis, "redis:7.2@sha256:0123"),
            (ServiceKind::Redis, "redis@sha256:0123"),
            (ServiceKind::Kafka, "redpandadata/redpanda:v24.2.7"),
            (ServiceKind::Connect, "quay.io/debezium/connect:2.7.3.Final"),
            (ServiceKind::Postgres, "timescale/timescaledb:2.14.2-pg16"),
            (ServiceKind::Clickhouse, "clickhouse/clickhouse-server:24.8"),
        ] {
            assert_eq!(of(kind, None, Some(image)).as_deref(), Some(image));
        }
    }

    #[test]
    fn what_is_never_started_in_a_container_has_no_image() {
        assert_eq!(of(ServiceKind::Http, None, Some("nginx:1")), None);
    }
}
