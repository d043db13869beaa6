//! Reads a policy's file and those of its keys, and finds it by name.

use super::parse::{self, Reading};
use super::{Policy, PolicyError};
use crate::settings::names;
use crate::template::{FileFault, read_text};
use std::path::{Component, Path, PathBuf};

/// Where policies are kept, from the working directory.
pub const FOLDER: &str = "gates/policy";

/// The file of `--policy X`: a path where X has a `/` or ends in `.toml`, else the name of a file in `gates/policy/`.
pub fn find(name_or_path: &str) -> PathBuf {
    if name_or_path.contains('/') || name_or_path.ends_with(".toml") {
        PathBuf::from(name_or_path)
    } else {
        Path::new(FOLDER).join(format!("{name_or_path}.toml"))
    }
}

/// The text of a policy's file.
pub(super) fn text(path: &Path) -> Result<String, PolicyError> {
    let shown = path.display().to_string();
    read_text(path).map_err(|fault| match fault {
        FileFault::NotFound => PolicyError::NotFound { path: shown, nearest: nearest(path) },
        fault => PolicyError::Unreadable { path: shown, fault },
    })
}

/// Reads a text that stands at `path`, and the files of its keys.
pub(super) fn parse(path: &Path, text: &str, pinned: bool) -> Result<Policy, PolicyError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let files = |file: &str| beside(folder, file);
    Ok(parse::parse(&path.display().to_string(), text, &Reading { files: &files, pinned })?)
}

/// The text of a key's file. It lies in the policy's folder or below.
fn beside(folder: &Path, file: &str) -> Result<String, String> {
    let path = Path::new(file);
    let below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if file.is_empty() || !below {
        return Err("is no path from the policy's folder down".to_owned());
    }
    read_text(&folder.join(path)).map_err(|fault| fault.to_string())
}

/// A policy beside the one that is not there, with nearly its name.
fn nearest(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let beside = std::fs::read_dir(listed).ok()?.take(1000).flatten();
    let names: Vec<String> = beside.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let policies = names.iter().map(String::as_str).filter(|name| name.ends_with(".toml"));
    names::nearest(wanted, policies).map(|name| folder.join(name).display().to_string())
}
