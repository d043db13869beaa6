//! Images by their names: the one table of defaults, and how a name is taken apart. It knows no Docker.

use crate::model::ServiceKind;

/// The public image that is started for a kind where neither the profile nor a variable names one. The versions are
/// those of the embedded engines, where the image has them.
const DEFAULTS: [(ServiceKind, &str); 5] = [
    (ServiceKind::Redis, "redis:8.2-alpine"),
    (ServiceKind::Kafka, "apache/kafka:4.3.1"),
    (ServiceKind::Connect, "quay.io/debezium/connect:3.7.0.Final"),
    (ServiceKind::Clickhouse, "clickhouse/clickhouse-server:26.3"),
    (ServiceKind::Postgres, "timescale/timescaledb:2.29.2-pg16"),
];

/// The public image of a kind; none where no container is started for it.
pub fn default_image(kind: ServiceKind) -> Option<&'static str> {
    DEFAULTS.iter().find(|(of, _)| *of == kind).map(|(_, image)| *image)
}

/// Whether an image is one of Redpanda, by its name without tag and digest.
pub(super) fn is_redpanda(image: &str) -> bool {
    repository(image).to_ascii_lowercase().contains("redpanda")
}

/// An image's name without tag and digest: `registry:5000/team/kafka` of `registry:5000/team/kafka:4@sha256:…`.
pub(super) fn repository(image: &str) -> &str {
    let named = image.split('@').next().unwrap_or(image);
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    named[last..].find(':').map_or(named, |colon| &named[..last + colon])
}

/// An image as the two halves around its last colon, which is how testcontainers wants it: name and tag, or
/// `name@sha256` and the digest's digits. Without a tag it is `latest`, as for Docker.
pub(super) fn halves(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// What ran: the digest in its registry under the name that was asked for, else any, else the image's id.
pub(super) fn digest(image: &str, in_registries: &[String], id: &str) -> String {
    let same = in_registries.iter().find(|digest| repository(digest) == repository(image));
    same.or(in_registries.first()).map_or_else(|| id.to_owned(), Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_that_is_started_has_a_default_with_an_explicit_tag() {
        for (kind, image) in DEFAULTS {
            let (_, tag) = halves(image);
            assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{image}");
            assert_eq!(default_image(kind), Some(image));
        }
        assert_eq!(default_image(ServiceKind::Prometheus), None);
    }

    #[test]
    fn a_registrys_port_is_not_a_tag() {
        assert_eq!(halves("localhost:5000/kafka"), ("localhost:5000/kafka", "latest"));
        assert_eq!(halves("localhost:5000/kafka:4"), ("localhost:5000/kafka", "4"));
        assert_eq!(halves("redis@sha256:ab"), ("redis@sha256", "ab"));
        assert_eq!(repository("localhost:5000/kafka:4@sha256:ab"), "localhost:5000/kafka");
        assert_eq!(repository("redis"), "redis");
    }

    #[test]
    fn what_ran_is_the_digest_under_the_name_that_was_asked_for() {
        let digests = ["mirror/redis@sha256:1".to_owned(), "redis@sha256:2".to_owned()];
        assert_eq!(digest("redis:8", &digests, "sha256:3"), "redis@sha256:2");
        assert_eq!(digest("other:8", &digests, "sha256:3"), "mirror/redis@sha256:1");
        assert_eq!(digest("cutproof/redis:local", &[], "sha256:3"), "sha256:3");
    }

    proptest! {
        #[test]
        fn any_name_is_taken_apart_without_a_panic(image in "\\PC{0,40}") {
            let (name, _) = halves(&image);
            prop_assert!(image.starts_with(name));
            prop_assert!(image.starts_with(repository(&image)));
        }
    }
}
