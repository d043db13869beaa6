//! Builds an installation in a folder: fetches, checks, unpacks, and makes the templates and the class data.
//! What makes it appear whole is not its business.

use super::command::{CommandError, Helper, quote, tail};
use super::exercise;
use super::install::{InstallError, Installed, remove};
use super::jvm;
use super::launch::{Failure, clean};
use super::marker;
use super::pins::{self, Pin, hex};
use super::postgres;
use super::progress::{Phase, Progress};
use super::tools::Tools;
use crate::process::Worker;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For Maven and npm, which may have to fetch 250 MB.
const FETCH: Duration = Duration::from_secs(20 * 60);
/// For a helper that works on this machine only.
const LOCAL: Duration = Duration::from_secs(120);

/// Everything, in a folder that is made anew.
pub(super) fn all(
    root: &Path,
    tools: &Tools,
    worker: Worker,
    progress: &dyn Progress,
) -> Result<(), InstallError> {
    remove(root)?;
    fs::create_dir_all(root.join("logs")).map_err(|error| InstallError::io(root, error))?;
    for (name, text) in [
        ("pom.xml", pins::POM),
        ("package.json", pins::PACKAGE),
        ("package-lock.json", pins::PACKAGE_LOCK),
        ("engines.lock", pins::LOCK),
        ("Engines.java", pins::LAUNCHER),
        ("Unpack.java", pins::UNPACKER),
    ] {
        write(&root.join(name), text)?;
    }
    let build = Build { root, tools, worker, progress, failed: Mutex::new(None) };
    // What comes from Maven suffices for the class data: it is made while npm still fetches.
    std::thread::scope(|scope| {
        scope.spawn(|| build.note(build.npm()));
        build.note(build.java());
    });
    if let Some(error) = build.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    remove(&root.join("logs"))?;
    marker::write(root).map_err(|error| InstallError::io(root, error))
}

/// The class data of an installation's Java.
pub(super) fn class_data(
    installed: &Installed,
    worker: Worker,
    progress: &dyn Progress,
) -> Result<(), InstallError> {
    let start = Instant::now();
    exercise::class_data(installed, worker, &mut |done, total| progress.at(Phase::ClassData, done, total))?;
    progress.done(Phase::ClassData, start.elapsed());
    Ok(())
}

struct Build<'a> {
    root: &'a Path,
    tools: &'a Tools,
    worker: Worker,
    progress: &'a dyn Progress,
    /// The first failure; the other thread stops at its sight, and what it then says is no news.
    failed: Mutex<Option<InstallError>>,
}

impl Build<'_> {
    fn note(&self, result: Result<(), InstallError>) {
        if let Err(error) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn going(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_none() && self.progress.going()
    }

    fn run(
        &self,
        name: &str,
        command: &mut Command,
        limit: Duration,
        told: &dyn Fn(&Path),
    ) -> Result<(), CommandError> {
        let log = self.root.join("logs").join(format!("{name}.log"));
        command.current_dir(self.root);
        let helper = Helper { what: name, worker: self.worker, log: &log, limit };
        helper.run(command, &mut || {
            told(&log);
            self.going()
        })
    }

    fn java(&self) -> Result<(), InstallError> {
        self.maven()?;
        self.unpack()?;
        self.templates()?;
        class_data(&Installed::new(self.root.to_owned(), self.tools.java.clone()), self.worker, self.progress)
    }

    fn maven(&self) -> Result<(), InstallError> {
        let start = Instant::now();
        let total = pins::jars().count() as u64;
        let mut mvn = Command::new(&self.tools.mvn);
        mvn.stdin(Stdio::null());
        mvn.args(["--batch-mode", "--file", "pom.xml", "generate-resources"]);
        mvn.arg(format!("-Djars={}", self.root.join("jars").display()));
        self.run("mvn", &mut mvn, FETCH, &|log| self.progress.at(Phase::Maven, fetched(log), total))?;
        pins::jars().try_for_each(|pin| verify(self.root, pin, "the local Maven repository"))?;
        self.progress.at(Phase::Maven, total, total);
        self.progress.done(Phase::Maven, start.elapsed());
        Ok(())
    }

    fn npm(&self) -> Result<(), InstallError> {
        let start = Instant::now();
        let library = self.root.join(pins::CHDB);
        let mut npm = Command::new(&self.tools.npm);
        npm.stdin(Stdio::null());
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
        self.run("npm", &mut npm, FETCH, &|_| {
            let done = library.metadata().map_or(0, |library| library.len());
            self.progress.at(Phase::Npm, done.min(pins::CHDB_BYTES), pins::CHDB_BYTES);
        })?;
        pins::pins()
            .filter(|pin| pin.path == pins::CHDB)
            .try_for_each(|pin| verify(self.root, pin, "npm's cache"))?;
        self.progress.at(Phase::Npm, pins::CHDB_BYTES, pins::CHDB_BYTES);
        self.progress.done(Phase::Npm, start.elapsed());
        Ok(())
    }

    /// Compiles our two classes, and takes Redis and PostgreSQL out of their jars with one of them.
    fn unpack(&self) -> Result<(), InstallError> {
        let start = Instant::now();
        let step = |done| self.progress.at(Phase::Unpack, done, 4);
        step(0);
        let java = &self.tools.java;
        let path = format!("{}:{}", pins::class_path(), pins::jar(pins::XZ_JAR));
        let mut javac = clean(java.program("javac"));
        javac.args(["-d", "classes", "-cp", &path, "Engines.java", "Unpack.java"]);
        self.run("javac", &mut javac, LOCAL, &|_| {})?;
        step(1);
        // The class data needs a jar: it takes no classes from folders.
        let mut jar = clean(java.program("jar"));
        self.run("jar", jar.args(["cf", pins::LAUNCHER_JAR, "-C", "classes", "."]), LOCAL, &|_| {})?;
        step(2);
        let (xz, tar) = (format!("{}:{}", pins::LAUNCHER_JAR, pins::jar(pins::XZ_JAR)), "postgres.tar");
        let mut unpack = clean(java.program("java"));
        unpack.args(["-XX:TieredStopAtLevel=1", "-cp", &xz, "Unpack"]);
        unpack.args([pins::jar(pins::REDIS_JAR), pins::REDIS_ENTRY, "redis-server"]);
        unpack.args([pins::jar(pins::POSTGRES_JAR), pins::POSTGRES_ENTRY, tar]);
        self.run("unpack", &mut unpack, LOCAL, &|_| {})?;
        self.mode("redis-server")?;
        step(3);
        fs::create_dir(self.root.join("postgres")).map_err(|error| InstallError::io(self.root, error))?;
        self.mode("postgres")?;
        let mut untar = clean(&self.tools.tar);
        self.run("tar", untar.args(["-x", "--no-same-owner", "-f", tar, "-C", "postgres"]), LOCAL, &|_| {})?;
        for leftover in [tar, "Engines.java", "Unpack.java"] {
            fs::remove_file(self.root.join(leftover)).map_err(|error| InstallError::io(self.root, error))?;
        }
        remove(&self.root.join("classes"))?;
        step(4);
        self.progress.done(Phase::Unpack, start.elapsed());
        Ok(())
    }

    fn templates(&self) -> Result<(), InstallError> {
        let start = Instant::now();
        self.progress.at(Phase::Templates, 0, 2);
        let template = self.root.join("template/kafka");
        fs::create_dir_all(&template).map_err(|error| InstallError::io(&template, error))?;
        let settings = self.root.join("template/broker.properties");
        // The ports are only to have settings that are whole; each start has its own.
        write(&settings, &jvm::broker_settings(&template, 9092, 9093).map_err(unusable)?)?;
        let mut format = clean(self.tools.java.program("java"));
        format.args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
        format.args(["-cp", &pins::class_path(), "kafka.tools.StorageTool", "format"]);
        format.args(["-t", &jvm::uuid(), "-c"]).arg(&settings);
        self.run("format", &mut format, LOCAL, &|_| {})?;
        self.progress.at(Phase::Templates, 1, 2);
        let (server, template) = (self.root.join("postgres"), self.root.join("template/postgres"));
        let log = self.root.join("logs/initdb.log");
        let helper = Helper { what: "initdb", worker: self.worker, log: &log, limit: LOCAL };
        postgres::make_template(&server, &template, &helper).map_err(|failure| {
            let seen = format!("{}; {} ends with\n{}", failure.seen, log.display(), quote(&tail(&log)));
            unusable(Failure { seen, ..failure })
        })?;
        self.progress.at(Phase::Templates, 2, 2);
        self.progress.done(Phase::Templates, start.elapsed());
        Ok(())
    }

    /// What another user may have to run or reach.
    fn mode(&self, name: &str) -> Result<(), InstallError> {
        let path = self.root.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o755))
            .map_err(|error| InstallError::io(&path, error))
    }
}

fn unusable(failure: Failure) -> InstallError {
    InstallError::Unusable { expected: failure.expected, seen: failure.seen }
}

fn write(path: &Path, text: &str) -> Result<(), InstallError> {
    fs::write(path, text).map_err(|error| InstallError::io(path, error))
}

/// How many of our jars Maven says that it has downloaded.
fn fetched(log: &Path) -> u64 {
    let log = fs::read(log).unwrap_or_default();
    let ours = |line: &str| {
        let name = line.split(".jar").next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        pins::jars()
            .any(|pin| pin.path.strip_prefix("jars/").and_then(|jar| jar.strip_suffix(".jar")) == Some(name))
    };
    String::from_utf8_lossy(&log)
        .lines()
        .filter(|line| line.contains("Downloaded from") && ours(line))
        .count() as u64
}

fn verify(root: &Path, pin: Pin, keeper: &'static str) -> Result<(), InstallError> {
    let path = root.join(pin.path);
    let seen = digest(&path).map_err(|error| InstallError::io(&path, error))?;
    if seen == pin.sha256 {
        return Ok(());
    }
    Err(InstallError::Digest { file: pin.path.to_owned(), expected: pin.sha256.to_owned(), seen, keeper })
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_pinned_one_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let pin = Pin { sha256: "00", path: "jars/a.jar" };
        fs::create_dir(root.path().join("jars")).unwrap();
        assert!(matches!(verify(root.path(), pin, "x"), Err(InstallError::Io { .. })));
        fs::write(root.path().join(pin.path), "abc").unwrap();
        let error = verify(root.path(), pin, "the local Maven repository").unwrap_err().to_string();
        assert!(
            error.contains("jars/a.jar is not the pinned one: expected SHA-256 00, seen ba7816bf"),
            "{error}"
        );
    }

    #[test]
    fn maven_progress_counts_our_jars_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let jar = pins::jars().next().unwrap().path.strip_prefix("jars/").unwrap();
        let lines = format!(
            "[INFO] Downloading from r: https://x/{jar}\n[INFO] Downloaded from r: https://x/{jar} (1 kB at 2 kB/s)\n\
             [INFO] Downloaded from r: https://x/maven-plugin.jar (1 kB)\n[INFO] Downloaded from r: https://x/a.pom\n"
        );
        fs::write(&log, lines).unwrap();
        assert_eq!(fetched(&log), 1);
    }
}
