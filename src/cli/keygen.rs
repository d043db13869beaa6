//! `cutproof keygen`: a new pair of keys, in two files that are not there yet.

use super::{Refusal, print};
use crate::exit;
use crate::sign::{Algorithm, PrivateKey};
use clap::ValueEnum;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The flags of `keygen`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What the keys sign with
    #[arg(long, value_name = "ALGORITHM", default_value = "ed25519")]
    algorithm: AlgorithmFlag,
    /// Where they go: the private key to PREFIX.key, readable by nobody else, the public one to PREFIX.pub
    #[arg(long, value_name = "PREFIX")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AlgorithmFlag {
    #[value(name = "ed25519")]
    Ed25519,
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
}

/// Makes the keys. Nothing is ever replaced: where one of the files is there, neither is written.
pub fn run(arguments: &Arguments) -> super::Result {
    let algorithm = match arguments.algorithm {
        AlgorithmFlag::Ed25519 => Algorithm::Ed25519,
        AlgorithmFlag::EcdsaP256 => Algorithm::EcdsaP256,
    };
    let key = PrivateKey::generate(algorithm).map_err(Refusal::of)?;
    let (secret, public) = (key.to_pem().map_err(Refusal::of)?, key.public().to_pem().map_err(Refusal::of)?);
    let [private_file, public_file] = ["key", "pub"].map(|ending| with_ending(&arguments.output, ending));
    create(&private_file, 0o600, &secret)?;
    if let Err(refusal) = create(&public_file, 0o644, &public) {
        // It was made just now, and is of no use without its other half.
        std::fs::remove_file(&private_file).map_err(|error| failed("remove", &private_file, &error))?;
        return Err(refusal);
    }
    print(&format!(
        "private key: {}\npublic key:  {}\nkey id:      {} ({})\n",
        private_file.display(),
        public_file.display(),
        key.public().id(),
        algorithm.as_str()
    ))?;
    Ok(exit::OK)
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    PathBuf::from(path)
}

/// Writes a new file; a link in its place is not followed.
fn create(path: &Path, mode: u32, text: &str) -> super::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| failed("create", path, &error))?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    written.map_err(|error| {
        std::fs::remove_file(path).ok();
        failed("write", path, &error)
    })
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> Refusal {
    let hint = match error.kind() {
        std::io::ErrorKind::AlreadyExists => "; a key is never replaced: take another PREFIX",
        _ => "",
    };
    Refusal(format!("cannot {action} {}: {error}{hint}", path.display()))
}
