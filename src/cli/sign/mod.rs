//! `cutproof sign`: stands for runs and files with a private key. What was tampered with is not signed; a run that
//! failed is signed as failed.

pub(super) mod key;

use super::{Refusal, Result, print};
use crate::bundle::{self, SIGNATURES};
use crate::evidence::{self, Document};
use crate::exit;
use crate::report::verification::line;
use crate::sign::{Envelope, MAX_ENVELOPE, MAX_SIGNATURES, Predicate, PrivateKey, Statement};
use crate::verify::signatures;
use crate::verify::{Severity, bundle::open};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What the signer of a run is, where nothing is said.
pub(super) const RUNNER: &str = "runner";
/// So many findings are told of a run that is not signed.
const TOLD: usize = 10;
const LONGEST_ROLE: usize = 40;

/// The flags of `sign`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to sign: folders of runs; files, such as signoff.json or a policy
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The private key: a file, env:NAME for a variable, - for standard input
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    /// As what you sign: runner where it is left out (for runs), approver, …
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Option<String>,
}

/// Signs each path. Those before one that can't be signed stay signed.
pub fn run(arguments: &Arguments) -> Result {
    let key = key::read(&arguments.key)?;
    for path in &arguments.paths {
        let role = arguments.role.as_deref();
        let told = match path.is_dir() {
            true => run_folder(path, role.unwrap_or(RUNNER), &key)?,
            false => file(path, role, &key)?,
        };
        print(&told)?;
    }
    Ok(exit::OK)
}

pub(super) fn role(text: &str) -> std::result::Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    match !text.is_empty() && text.len() <= LONGEST_ROLE && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a word of lower-case letters, digits, `-` and `_`, such as approver".to_owned())
        }
    }
}

/// Signs a run: a test result over its manifest, in `signatures/ROLE.dsse.json`.
fn run_folder(folder: &Path, role: &str, key: &PrivateKey) -> Result<String> {
    let shown = folder.display();
    let bundle = open(folder);
    if bundle.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(not_signed(folder, &bundle.findings));
    }
    let statement =
        signatures::of_run(&bundle, role).map_err(|error| Refusal(format!("{shown}: {error}")))?;
    let envelope = folder.join(SIGNATURES).join(format!("{role}.dsse.json"));
    let added = add(&statement, key, folder, &format!("{SIGNATURES}/{role}.dsse.json"), &envelope)?;
    let result = match &statement.predicate {
        Predicate::TestResult(result) => result.result.as_str(),
        _ => "",
    };
    Ok(told(&format!("{shown}, {result}"), role, key, added, &envelope))
}

fn not_signed(folder: &Path, findings: &[crate::verify::Finding]) -> Refusal {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let mut lines: Vec<_> = errors.iter().take(TOLD).map(|finding| line(finding)).collect();
    if errors.len() > TOLD {
        lines.push(format!("{} more", errors.len() - TOLD));
    }
    let shown = folder.display();
    Refusal(format!("{shown} is not signed, since it is not as a run leaves it:\n  {}", lines.join("\n  ")))
}

/// Signs a file: an approval of its bytes, beside it in `FILE.ROLE.dsse.json`.
fn file(path: &Path, role: Option<&str>, key: &PrivateKey) -> Result<String> {
    let shown = path.display();
    let Some(role) = role else {
        return Err(Refusal(format!(
            "expected --role for the file {shown}: as what you stand for it, such as approver"
        )));
    };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Refusal(format!("expected a run's folder or a file to sign: {shown}")));
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (_, sha256) = bundle::digest_file(folder, name)
        .map_err(|error| Refusal(format!("cannot read {shown}: {error}")))?;
    let statement = Statement::approval(name, &sha256, role);
    let beside = format!("{name}.{role}.dsse.json");
    let envelope = path.with_file_name(&beside);
    let added = add(&statement, key, folder, &beside, &envelope)?;
    Ok(told(&format!("{shown}, sha256 {sha256}"), role, key, added, &envelope))
}

fn told(what: &str, role: &str, key: &PrivateKey, added: bool, envelope: &Path) -> String {
    let done = if added { "signed" } else { "signed already" };
    format!("{done}: {what}, as {role} with key {}: {}\n", key.public().id(), envelope.display())
}

/// Adds a key's signature to the envelope at `path` below `root`, which is made where it is not there. Gives whether
/// there was none of that key.
fn add(statement: &Statement, key: &PrivateKey, root: &Path, path: &str, shown: &Path) -> Result<bool> {
    let fresh =
        Envelope::sign(statement, &[key]).map_err(|error| Refusal(format!("cannot sign: {error}")))?;
    let envelope = match existing(root, path, shown)? {
        None => fresh,
        Some(there) if there.payload() != fresh.payload() => {
            return Err(Refusal(format!(
                "{} signs something else: expected the same statement as would be signed now; what it is about was \
                 changed since, or another version of cutproof signed it. Move it away to sign anew",
                shown.display()
            )));
        }
        Some(mut there) => {
            if !there.add_signature(key) {
                return Ok(false);
            }
            if there.signatures().len() > MAX_SIGNATURES {
                let (shown, most) = (shown.display(), MAX_SIGNATURES);
                return Err(Refusal(format!("{shown} has {most} signatures already: no more are read")));
            }
            there
        }
    };
    let folder = shown.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_link = |about: std::fs::Metadata| !about.is_dir();
    if folder != root && std::fs::symlink_metadata(folder).is_ok_and(is_link) {
        return Err(Refusal(format!("expected a folder, and {} is none", folder.display())));
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    evidence::write(folder, &[Document { name, bytes: envelope.to_json() }]).map_err(Refusal::of)?;
    Ok(true)
}

/// The envelope that is there already.
fn existing(root: &Path, path: &str, shown: &Path) -> Result<Option<Envelope>> {
    let refused = |why: String| Refusal(format!("{}: {why}. Move it away to sign anew", shown.display()));
    let file = match bundle::open_file(root, path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_ENVELOPE as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| refused(error.to_string()))?;
    Envelope::parse(&bytes).map(Some).map_err(|error| refused(error.to_string()))
}
