//! Runs within runs: a run that a step of another started is kept in that other's folder, and names it. The parent
//! tells its children by a variable; it knows nothing of what they do.

use crate::journal;
use crate::model::RunId;
use std::path::{Path, PathBuf};

/// The variable that holds the folder of the run that a command belongs to.
pub const VARIABLE: &str = "CUTPROOF_PARENT_RUN";

/// Where a run's folder has the folders of the runs within it.
const RUNS: &str = "runs";

/// A run that has others within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its name.
    pub run: RunId,
    /// Its folder.
    pub folder: PathBuf,
}

impl Parent {
    /// The run that this process was started by, where its environment names one.
    ///
    /// # Errors
    /// What the variable names is no run's folder; the run is then nobody's child.
    pub fn of_environment() -> Result<Option<Parent>, String> {
        std::env::var_os(VARIABLE).map(|value| Parent::at(Path::new(&value))).transpose()
    }

    fn at(folder: &Path) -> Result<Parent, String> {
        let name = folder.file_name().and_then(|name| name.to_str());
        match name.filter(|_| folder.join(journal::FILE).is_file()) {
            Some(name) => Ok(Parent { run: RunId::from_text(name), folder: folder.to_owned() }),
            None => Err(format!(
                "{VARIABLE} is set, and {} is no folder of a run: this run is kept by itself",
                folder.display()
            )),
        }
    }

    /// The folder that its children's folders are in.
    pub fn runs(&self) -> PathBuf {
        self.folder.join(RUNS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_of_a_run_is_a_parent() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("20261122T194103Z-cutover-4f7k2q");
        std::fs::create_dir(&run).unwrap();
        let told = Parent::at(&run).unwrap_err();
        assert!(told.contains("is no folder of a run") && told.contains("cutover-4f7k2q"), "{told}");
        std::fs::write(run.join(journal::FILE), "").unwrap();
        let parent = Parent::at(&run).unwrap();
        assert_eq!(parent.run.as_str(), "20261122T194103Z-cutover-4f7k2q");
        assert_eq!(parent.runs(), run.join("runs"));
        assert!(Parent::at(Path::new("/")).is_err());
    }
}
