//! The flags by which a verb finds services in a compose project.

use super::{Refusal, init};
use crate::rehearsal::provision::Composition;
use crate::service::compose::Project;
use std::path::{Path, PathBuf};

/// The program that runs compose.
pub const DOCKER: &str = "docker";

/// The project where no flag names another.
pub const PROJECT: &str = "quant-hft-single-host";

/// Which compose project.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ComposeFlags {
    /// Find services in a compose project, by the ports that it publishes: its compose file
    #[arg(long, value_name = "FILE")]
    pub compose_file: Option<PathBuf>,
    /// The compose project's name
    #[arg(long, value_name = "NAME", default_value = PROJECT, requires = "compose_file")]
    pub project_name: String,
    /// The compose project's variables
    #[arg(long, value_name = "FILE", requires = "compose_file")]
    pub env_file: Option<PathBuf>,
    /// The program that runs compose
    #[arg(long, value_name = "PROGRAM", default_value = DOCKER, requires = "compose_file")]
    pub docker_bin: String,
}

impl ComposeFlags {
    /// The project, where one is named.
    ///
    /// # Errors
    /// A file is not there.
    pub fn project(&self) -> super::Result<Option<Project>> {
        let Some(file) = &self.compose_file else { return Ok(None) };
        let env_file = self.env_file.as_deref();
        project(&self.docker_bin, file, &self.project_name, env_file).map(Some)
    }

    /// The project as one that is up, where one is named.
    ///
    /// # Errors
    /// As [`ComposeFlags::project`].
    pub fn composition(&self) -> super::Result<Option<Composition>> {
        Ok(self.project()?.map(Composition::that_is_up))
    }
}

/// A compose project, whose files must be there.
///
/// # Errors
/// One is not.
pub fn project(docker: &str, file: &Path, name: &str, env_file: Option<&Path>) -> super::Result<Project> {
    init::there("compose file", file)?;
    if let Some(env_file) = env_file {
        init::there("env file", env_file)?;
    }
    if name.is_empty() {
        return Err(Refusal("--project-name: expected a name, and saw none".to_owned()));
    }
    Ok(Project {
        docker: docker.to_owned(),
        file: file.to_owned(),
        name: name.to_owned(),
        env_file: env_file.map(Path::to_owned),
    })
}

/// The variables of the runbook's project: the file that was named, else the default where that is there.
pub fn variables(given: Option<&str>) -> Option<PathBuf> {
    let default = || Some(PathBuf::from(ENV_FILE)).filter(|file| file.is_file());
    given.map(PathBuf::from).or_else(default)
}

/// The file of variables that is recorded where none is named.
pub const ENV_FILE: &str = "infra/env/prodlike.env";
