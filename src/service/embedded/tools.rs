//! The programs that an installation needs from the machine, and one message that names all that are missing.
//! It starts none of them but a Java that does not say its version in a file.

use super::pins::hex;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest Java that Kafka 4 runs on.
const OLDEST_JAVA: u32 = 17;

/// A Java that is new enough to run the engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The folder that holds `bin/java`.
    pub home: PathBuf,
    /// As it gives it: `17.0.15`.
    pub version: String,
}

/// All that an installation runs.
#[derive(Debug, Clone)]
pub struct Tools {
    /// With javac and jar.
    pub java: Java,
    /// Maven.
    pub mvn: PathBuf,
    /// npm.
    pub npm: PathBuf,
    /// tar.
    pub tar: PathBuf,
}

/// Tools that are not on this machine, and how to get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    jdk: Option<String>,
    others: Vec<&'static str>,
}

impl Java {
    /// The Java of `JAVA_HOME`, else the one on PATH: the same that Maven takes.
    ///
    /// # Errors
    /// What was found instead.
    pub fn find() -> Result<Java, Missing> {
        let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
        let java = home.filter(|java| is_program(java)).or_else(|| on_path("java"));
        let missing = |seen: String| Missing { jdk: Some(seen), others: Vec::new() };
        let Some(java) = java else { return Err(missing("no java on PATH".to_owned())) };
        let (home, version) = home_and_version(&java)
            .ok_or_else(|| missing(format!("{} does not say its version", java.display())))?;
        let major = version.split(['.', '-', '+']).next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(major) if major >= OLDEST_JAVA => Ok(Java { home, version }),
            _ => Err(missing(format!("{} is version {version}", java.display()))),
        }
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    /// Tells this build of Java from every other: class data of one is refused by another, and each checks
    /// the size and age of its `lib/modules`.
    pub fn identity(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.home.as_os_str().as_encoded_bytes());
        hasher.update(&self.version);
        if let Ok(modules) = self.home.join("lib/modules").metadata() {
            hasher.update(modules.len().to_le_bytes());
            hasher.update(modules.mtime().to_le_bytes());
        }
        hex(&hasher.finalize())[..12].to_owned()
    }
}

impl Tools {
    /// Looks for all of them.
    ///
    /// # Errors
    /// All that are missing, in one.
    pub fn find() -> Result<Tools, Missing> {
        let mut missing = Missing { jdk: None, others: Vec::new() };
        let java = Java::find().map_err(|java| missing.jdk = java.jdk).ok();
        if let Some(java) = &java
            && let Some(absent) = ["javac", "jar"].into_iter().find(|name| !is_program(&java.program(name)))
        {
            missing.jdk = Some(format!("{} has no {absent}: it is a runtime only", java.home.display()));
        }
        let (mvn, npm, tar) = (on_path("mvn"), on_path("npm"), on_path("tar"));
        let absent = [("mvn", mvn.is_none()), ("npm", npm.is_none()), ("tar", tar.is_none())];
        missing.others.extend(absent.iter().filter(|(_, absent)| *absent).map(|(name, _)| *name));
        match (java, mvn, npm, tar) {
            (Some(java), Some(mvn), Some(npm), Some(tar)) if missing.jdk.is_none() => {
                Ok(Tools { java, mvn, npm, tar })
            }
            _ => Err(missing),
        }
    }
}

impl Missing {
    fn packages(&self, jdk: &str, maven: &str, npm: &str) -> String {
        let others = self.others.iter().map(|name| match *name {
            "mvn" => maven,
            "npm" => npm,
            other => other,
        });
        self.jdk.iter().map(|_| jdk).chain(others).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jdk = self.jdk.iter().map(|seen| format!("a JDK {OLDEST_JAVA} or newer ({seen})"));
        let others = self.others.iter().map(|name| format!("{name} (not on PATH)"));
        let all: Vec<String> = jdk.chain(others).collect();
        writeln!(f, "the engines need {}; install with", all.join(", "))?;
        writeln!(
            f,
            "  Debian, Ubuntu: apt-get install {}",
            self.packages("openjdk-17-jdk-headless", "maven", "npm")
        )?;
        writeln!(
            f,
            "  Fedora:         dnf install {}",
            self.packages("java-latest-openjdk-devel", "maven", "npm")
        )?;
        write!(f, "  Homebrew:       brew install {}", self.packages("openjdk", "maven", "node"))
    }
}

impl std::error::Error for Missing {}

/// The first program of this name on PATH.
pub fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name.as_ref())).find(|file| is_program(file))
}

/// Whether this is a file that somebody may run.
pub fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// From the file `release` that every JDK has; a wrapper script is asked instead.
fn home_and_version(java: &Path) -> Option<(PathBuf, String)> {
    let home = java.canonicalize().ok()?.parent()?.parent()?.to_owned();
    if let Ok(release) = std::fs::read_to_string(home.join("release")) {
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="));
        if let Some(version) = version {
            return Some((home, version.trim_matches('"').to_owned()));
        }
    }
    let said =
        Command::new(java).args(["-XshowSettings:properties", "-version"]).stdin(Stdio::null()).output();
    let said = String::from_utf8_lossy(&said.ok()?.stderr).into_owned();
    let property = |name: &str| {
        said.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix('=')).map(str::trim)
    };
    Some((PathBuf::from(property("java.home")?), property("java.version")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_one_message_with_how_to_get_it() {
        let missing = Missing { jdk: Some("no java on PATH".to_owned()), others: vec!["mvn", "npm"] };
        insta::assert_snapshot!(missing.to_string(), @r"
        the engines need a JDK 17 or newer (no java on PATH), mvn (not on PATH), npm (not on PATH); install with
          Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven npm
          Fedora:         dnf install java-latest-openjdk-devel maven npm
          Homebrew:       brew install openjdk maven node
        ");
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let missing = Missing { jdk: None, others: vec!["npm"] };
        assert!(!missing.to_string().contains("maven") && !missing.to_string().contains("jdk"));
    }

    #[test]
    fn a_java_that_is_a_script_is_asked_for_its_home() {
        let Ok(real) = Java::find() else { panic!("these tests need a JDK") };
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("java");
        std::fs::write(&script, format!("#!/bin/sh\nexec '{}' \"$@\"\n", real.program("java").display()))
            .unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (home, version) = home_and_version(&script).unwrap();
        assert_eq!((home, version), (real.home, real.version));
    }
}
