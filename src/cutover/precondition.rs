//! What must hold before the first step of a cutover that is executed. Each fault is told before anything was run.

use crate::evidence::folder_of;
use crate::model::switch::SwitchPlan;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much room each evidence file must have, in bytes: many times what one takes.
const ROOM: usize = 64 << 10;

/// Why nothing was begun: expected, seen, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Precondition(String);

/// Checks the plan and the places of its evidence, and gives what is worth recording.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(plan: &SwitchPlan, enforce_window: bool) -> Result<Vec<String>, Precondition> {
    let outside = window(plan, enforce_window)?;
    outputs(plan)?;
    Ok(outside.into_iter().collect())
}

/// Outside of its window a cutover is an error where that is enforced, and else recorded.
fn window(plan: &SwitchPlan, enforce: bool) -> Result<Option<String>, Precondition> {
    let Some(cutover) = plan.cutover.as_ref().filter(|cutover| !cutover.window_met) else { return Ok(None) };
    let told = format!("this is outside of the window {} (CUTOVER_WINDOW_LOCAL)", cutover.window);
    match enforce {
        true => Err(Precondition(format!("{told}, and the profile says enforce_window"))),
        false => Ok(Some(told)),
    }
}

/// The paths that a run of this plan exports evidence to: the files', and the readiness after a rollback.
pub fn paths(plan: &SwitchPlan) -> Vec<PathBuf> {
    let outputs = plan.cutover.iter().map(|cutover| &cutover.output).chain([&plan.rollback.output]);
    let outputs = outputs.map(PathBuf::from);
    outputs.chain([rollback_readiness(plan)]).collect()
}

/// Where readiness after a rollback is exported to: beside the rollback's file.
pub fn rollback_readiness(plan: &SwitchPlan) -> PathBuf {
    Path::new(&plan.rollback.output).with_file_name("ctp_readiness_rollback.json")
}

fn outputs(plan: &SwitchPlan) -> Result<(), Precondition> {
    let paths = paths(plan);
    let templates =
        plan.cutover.iter().map(|cutover| &cutover.template.path).chain([&plan.rollback.template.path]);
    let templates: Vec<_> = templates.filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut taken: Vec<PathBuf> = Vec::new();
    for path in &paths {
        let at = whole(path).map_err(|error| unwritable(path, &error))?;
        if templates.contains(&at) {
            let path = path.display();
            return Err(Precondition(format!(
                "{path} is the template itself: give another path for the evidence"
            )));
        }
        if taken.contains(&at) {
            let path = path.display();
            return Err(Precondition(format!(
                "{path} is the place of two evidence files: give each its own"
            )));
        }
        taken.push(at);
        writable(path).map_err(|error| unwritable(path, &error))?;
    }
    Ok(())
}

/// The path without links on the way; its folder is made where it is not there.
fn whole(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("expected the path of a file"))?;
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    Ok(fs::canonicalize(folder)?.join(name))
}

/// Whether a file could be put there: what is there is a plain file or nothing, and beside it one can be written.
fn writable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => return Err(io::Error::other("it is a symbolic link")),
        Ok(there) if !there.is_file() => return Err(io::Error::other("what is there is no regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Removed when it is dropped.
    let mut probe =
        tempfile::Builder::new().prefix(".cutproof-").suffix(".tmp").tempfile_in(folder_of(path))?;
    probe.write_all(&vec![b'#'; ROOM])?;
    probe.as_file().sync_all()
}

fn unwritable(path: &Path, error: &io::Error) -> Precondition {
    Precondition(format!(
        "expected to be able to write the evidence file {}, and can't: {error}; free the place, or give another \
         --cutover-output or --rollback-output",
        path.display()
    ))
}
