//! gates/NAME.toml → a checked profile: services, thresholds and gates of one environment, and its cutover, every error
//! with its position and the nearest right name, all errors of a file at once.
//!
//! It knows which settings a probe declares and what a probe can observe, and no probe by name. It starts nothing,
//! reaches nothing, and does not know in which order gates run: that is the plan's.

mod check;
mod complete;
mod conditions;
mod disk;
mod draft;
mod endpoint;
mod fields;
pub(crate) mod graph;
mod parse;
mod schema;
pub mod switch;

#[cfg(test)]
mod cutover_messages;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use crate::settings::{COMMAND_LINE, Excerpt, Fault, Faults};
pub use disk::{FOLDER, MAX_SIZE, find};
pub use draft::GateDraft;
pub use schema::schema;

use crate::condition::Condition;
use crate::model::event::FileDigest;
use crate::model::service::{Sasl, Tls};
use crate::model::{Gate, Position, ServiceKind};
use crate::probe::{self, Probe};
use crate::settings::fault::Report;
use crate::settings::source::Source;
use draft::{Draft, Placed};
use std::fmt;
use std::path::Path;

/// A checked profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The environment's name.
    pub environment: String,
    /// One line on what it is; may be empty.
    pub about: String,
    /// The file it was read from; nothing where it was put together from flags.
    pub file: Option<FileDigest>,
    /// Services in the order of the file.
    pub services: Vec<Service>,
    /// Gates in the order of the file; at least one.
    pub gates: Vec<CheckedGate>,
    /// The cutover, where the profile has one.
    pub cutover: Option<switch::CutoverSettings>,
    /// What templates cannot say about single steps.
    pub steps: Vec<switch::StepSettings>,
    /// Login, settlement, instruments.
    pub switch_gate: Option<switch::SwitchGate>,
    /// The minutes after.
    pub watch: Option<switch::Watch>,
    /// What readiness is measured by.
    pub readiness: Option<switch::Readiness>,
    /// What is worth saying and stops nothing.
    pub warnings: Vec<Fault>,
}

/// A service as the profile declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What speaks there.
    pub kind: ServiceKind,
    /// Where it runs already: `host:port` (Kafka: several with commas) or a URL without a final slash.
    pub endpoint: Option<String>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The environment variable that holds the user's password.
    pub password_env: Option<String>,
    /// The file that holds it, in place of a variable.
    pub password_file: Option<String>,
    /// How it is protected; files from the working directory.
    pub tls: Option<Tls>,
    /// How to log in, for Kafka.
    pub sasl: Option<Sasl>,
    /// The database to use.
    pub database: Option<String>,
    /// The image of its container.
    pub image: Option<String>,
    /// What the real environment runs: `redis:7.2-alpine`.
    pub stands_for: Option<String>,
    /// What a rehearsal starts.
    pub from: Engine,
    /// Services that must be up before, by name.
    pub needs: Vec<String>,
    /// Where it stands.
    pub at: Position,
}

impl Service {
    /// A service that is known from flags.
    pub fn new(name: &str, kind: ServiceKind, endpoint: Option<&str>) -> Service {
        Service {
            name: name.to_owned(),
            kind,
            endpoint: endpoint.map(str::to_owned),
            user: None,
            password_env: None,
            password_file: None,
            tls: None,
            sasl: None,
            database: None,
            image: None,
            stands_for: None,
            from: Engine::Pinned,
            needs: Vec::new(),
            at: Position { file: COMMAND_LINE.to_owned(), line: 1, column: 1 },
        }
    }
}

/// The engine that a rehearsal starts for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// The one whose version and hash cutproof pins.
    Pinned,
    /// A server program, on PATH or by its path.
    Program(String),
    /// A command line under `sh -c` that serves in the foreground, told its address by CUTPROOF_ENDPOINT_NAME and
    /// those of the services that it needs likewise; for the kinds `prometheus` and `http`.
    Command(String),
}

/// A gate with what is needed to run and judge it.
#[derive(Clone)]
pub struct CheckedGate {
    /// The gate.
    pub gate: Gate,
    /// What it expects; `gate.expect` is its text.
    pub condition: Condition,
    /// What measures.
    pub probe: &'static dyn Probe,
}

impl fmt::Debug for CheckedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedGate").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// Why there is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There is no such file.
    #[error("profile not found: {path}{}", nearest.as_ref().map(|name| format!("; nearest: {name}")).unwrap_or_default())]
    NotFound {
        /// The path that was looked for.
        path: String,
        /// A file beside it with nearly its name.
        nearest: Option<String>,
    },
    /// What is there can't be read as a text.
    #[error("profile {path} {reason}")]
    Unreadable {
        /// Its path.
        path: String,
        /// What it is instead.
        reason: String,
    },
    /// It says something that can't be.
    #[error(transparent)]
    Faults(#[from] Faults),
}

impl Profile {
    /// Reads and checks a file, with the probes that there are.
    ///
    /// # Errors
    /// Where there is no such file, it is no text, or it holds faults; all faults at once.
    pub fn load(path: &Path) -> Result<Profile, ProfileError> {
        Profile::load_with(path, probe::registry())
    }

    /// Reads and checks the file of a name or path, as [`find`] takes it.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn find(name_or_path: &str) -> Result<Profile, ProfileError> {
        Profile::load(&find(name_or_path))
    }

    /// Reads and checks a file, with these probes.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn load_with(path: &Path, probes: &[&'static dyn Probe]) -> Result<Profile, ProfileError> {
        let disk::Text { digest, text } = disk::read(path)?;
        let mut profile = Profile::parse(&digest.path, &text, probes)?;
        profile.file = Some(digest);
        Ok(profile)
    }

    /// Checks a text that `name` stands for in positions.
    ///
    /// # Errors
    /// All faults of the text.
    pub fn parse(name: &str, text: &str, probes: &[&'static dyn Probe]) -> Result<Profile, Faults> {
        let source = Source::new(name, text);
        let mut report = Report::new(&source);
        let draft = parse::parse(text, probes, &mut report);
        finish(draft, report)
    }

    /// Checks a profile that was put together from flags; its positions are [`COMMAND_LINE`].
    ///
    /// # Errors
    /// All faults, as for a file.
    pub fn assemble(
        environment: &str,
        services: Vec<Service>,
        gates: Vec<GateDraft>,
    ) -> Result<Profile, Faults> {
        let source = Source::command_line();
        let draft = Draft {
            environment: Some(Placed::nowhere(environment.to_owned())),
            about: String::new(),
            services: services.into_iter().map(Into::into).collect(),
            thresholds: Vec::new(),
            gates: Some(gates),
            cutover: draft::switch::CutoverDraft::default(),
        };
        finish(draft, Report::new(&source))
    }
}

fn finish(draft: Draft, mut report: Report<'_>) -> Result<Profile, Faults> {
    let environment = draft.environment.as_ref().map(|name| name.value.clone()).unwrap_or_default();
    let about = draft.about.clone();
    let checked = check::check(draft, &mut report);
    let warnings = report.finish()?;
    Ok(Profile {
        environment,
        about,
        file: None,
        services: checked.services,
        gates: checked.gates,
        cutover: checked.cutover,
        steps: checked.steps,
        switch_gate: checked.switch_gate,
        watch: checked.watch,
        readiness: checked.readiness,
        warnings,
    })
}
