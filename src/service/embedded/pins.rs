//! What exactly is installed: the pinned files of `fixtures/engines/`, carried in the binary, so that an
//! installed cutproof works from anywhere. It knows nothing of how they are fetched or started.

use sha2::{Digest, Sha256};

/// Maven's project: the JVM engines, and the native ones that come in jars.
pub const POM: &str = include_str!("../../../fixtures/engines/pom.xml");
/// npm's project: libchdb.
pub const PACKAGE: &str = include_str!("../../../fixtures/engines/package.json");
/// npm's lock, with integrity hashes and without addresses.
pub const PACKAGE_LOCK: &str = include_str!("../../../fixtures/engines/package-lock.json");
/// SHA-256 of every fetched file, as `sha256sum` writes it, paths relative to the installation.
pub const LOCK: &str = include_str!("../../../fixtures/engines/engines.lock");
/// The launcher of Kafka and Connect.
pub const LAUNCHER: &str = include_str!("../../../fixtures/engines/Engines.java");
/// Takes the native engines out of their jars.
pub const UNPACKER: &str = include_str!("../../../fixtures/engines/Unpack.java");
/// The broker's fixed settings.
pub const BROKER: &str = include_str!("../../../fixtures/engines/broker.properties");
/// The Connect worker's fixed settings.
pub const WORKER: &str = include_str!("../../../fixtures/engines/worker.properties");
/// ClickHouse's settings.
pub const CLICKHOUSE: &str = include_str!("../../../fixtures/engines/clickhouse.xml");

/// libchdb's path in an installation.
pub const CHDB: &str = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so";
/// libchdb.so's size, for the progress bar; its digest stands in the lock.
pub const CHDB_BYTES: u64 = 559_044_752;
/// The jar with our two classes.
pub const LAUNCHER_JAR: &str = "engines.jar";
/// Redis, inside the jar whose name begins with [`REDIS_JAR`].
pub const REDIS_ENTRY: &str = "redis-server-6.2.6-v5-linux-amd64";
/// The jar that holds Redis.
pub const REDIS_JAR: &str = "jars/embedded-redis-";
/// PostgreSQL, inside the jar whose name begins with [`POSTGRES_JAR`].
pub const POSTGRES_ENTRY: &str = "postgres-linux-x86_64.txz";
/// The jar that holds PostgreSQL.
pub const POSTGRES_JAR: &str = "jars/embedded-postgres-binaries-";
/// The decompressor that [`UNPACKER`] needs.
pub const XZ_JAR: &str = "jars/xz-";

/// Raised when an installation is laid out otherwise than before, so that old ones are not taken for new
/// ones.
const FORMAT: u32 = 2;

/// One fetched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// In lower-case hexadecimal.
    pub sha256: &'static str,
    /// Relative to the installation.
    pub path: &'static str,
}

/// All fetched files, in the lock's order.
pub fn pins() -> impl Iterator<Item = Pin> {
    LOCK.lines().filter_map(|line| {
        let (sha256, path) = line.split_once("  ")?;
        Some(Pin { sha256, path })
    })
}

/// Only the jars.
pub fn jars() -> impl Iterator<Item = Pin> {
    pins().filter(|pin| pin.path.starts_with("jars/"))
}

/// The one jar whose path begins so.
pub fn jar(prefix: &str) -> &'static str {
    jars().find(|pin| pin.path.starts_with(prefix)).map_or("", |pin| pin.path)
}

/// The JVM's class path, relative to the installation and always in the same order: class data is only taken
/// by a JVM that is given the very same path.
pub fn class_path() -> String {
    let packed = [REDIS_JAR, POSTGRES_JAR, XZ_JAR];
    let jars = jars().map(|pin| pin.path).filter(|path| !packed.iter().any(|jar| path.starts_with(jar)));
    std::iter::once(LAUNCHER_JAR).chain(jars).collect::<Vec<_>>().join(":")
}

/// Names an installation: any change of a pinned file, or of the layout, gives another one.
pub fn digest() -> String {
    let mut hasher = Sha256::new();
    hasher.update(FORMAT.to_le_bytes());
    for text in [POM, PACKAGE, PACKAGE_LOCK, LOCK, LAUNCHER, UNPACKER, BROKER, WORKER] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hex(&hasher.finalize())[..16].to_owned()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lock_is_a_pin() {
        assert_eq!(pins().count(), LOCK.lines().count());
        for pin in pins() {
            assert!(pin.sha256.len() == 64 && pin.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{pin:?}");
            assert!(pin.path.starts_with("jars/") || pin.path == CHDB, "{pin:?}");
        }
    }

    #[test]
    fn the_lock_holds_the_versions_that_the_pom_asks_for() {
        let version = |tag: &str| {
            let rest = POM.split_once(&format!("<{tag}>")).map(|(_, rest)| rest).unwrap_or_default();
            rest.split_once('<').map(|(version, _)| version).unwrap_or_default()
        };
        for (name, tag) in [
            ("kafka_2.13", "kafka.version"),
            ("kafka-clients", "kafka.version"),
            ("connect-runtime", "kafka.version"),
            ("debezium-connector-postgres", "debezium.version"),
        ] {
            let path = format!("jars/{name}-{}.jar", version(tag));
            assert!(jars().any(|pin| pin.path == path), "{path}");
        }
    }

    #[test]
    fn no_version_is_a_range_and_no_registry_is_named() {
        assert!(!POM.contains("<version>[") && !POM.contains("<version>(") && !POM.contains("<repository>"));
        assert!(!PACKAGE_LOCK.contains("resolved") && PACKAGE_LOCK.contains("sha512-"));
        assert!(!PACKAGE.contains('^') && !PACKAGE.contains('~'));
    }

    #[test]
    fn the_engines_that_come_in_jars_are_there_and_not_on_the_class_path() {
        for prefix in [REDIS_JAR, POSTGRES_JAR, XZ_JAR] {
            assert!(jar(prefix).ends_with(".jar"), "{prefix}");
            assert!(!class_path().contains(jar(prefix)));
        }
        assert!(class_path().starts_with("engines.jar:jars/"));
    }
}
