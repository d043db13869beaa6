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
