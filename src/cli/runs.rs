//! Finding a run by what a person calls it.

use super::Refusal;
use crate::journal;
use std::io;
use std::path::{Path, PathBuf};

/// How long the time is with which names begin: 20261122T194103Z.
const SECOND: usize = 16;

/// How many runs are named where none or several fit.
const NAMED: usize = 8;

/// The folder of a run: a folder with a journal, a run's id or the beginning of one below `evidence`, and the newest
/// there where nothing is said.
pub fn find(evidence: &Path, run: Option<&str>) -> super::Result<PathBuf> {
    if let Some(folder) = run.map(Path::new).filter(|folder| is_run(folder)) {
        return Ok(folder.to_owned());
    }
    // Names begin with the time: the newest last.
    let runs = names(evidence).map_err(|error| {
        Refusal(format!("expected a folder with runs, and {} can't be read: {error}", evidence.display()))
    })?;
    let Some(run) = run else {
        // Of two that began in the same second, the one that was written last.
        let newest = runs.iter().max_by_key(|name| {
            let journal = evidence.join(name).join(journal::FILE);
            (name.get(..SECOND), std::fs::metadata(journal).and_then(|file| file.modified()).ok())
        });
        return newest.map(|newest| evidence.join(newest)).ok_or_else(|| {
            let evidence = evidence.display();
            Refusal(format!(
                "expected a run in {evidence}, and there is none: give its folder, or --evidence-dir"
            ))
        });
    };
    let fits = |name: &&String| !run.is_empty() && name.starts_with(run);
    let fitting: Vec<_> = match runs.iter().find(|name| *name == run) {
        Some(name) => vec![name],
        None => runs.iter().filter(fits).collect(),
    };
    match fitting[..] {
        [name] => Ok(evidence.join(name)),
        [] => Err(Refusal(format!(
            "no run `{run}` in {}, and no folder with a journal of that name; there {}",
            evidence.display(),
            listed(&runs.iter().rev().collect::<Vec<_>>())
        ))),
        _ => Err(Refusal(format!(
            "expected one run, and `{run}` is the beginning of {}: there {}",
            fitting.len(),
            listed(&fitting)
        ))),
    }
}

fn is_run(folder: &Path) -> bool {
    folder.join(journal::FILE).exists()
}

fn names(evidence: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(evidence)? {
        let entry = entry?;
        if let (true, Ok(name)) = (is_run(&entry.path()), entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn listed(names: &[&String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = names.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, _) => "is none".to_owned(),
        (false, 0) => format!("are {}", shown.join(", ")),
        (false, more) => format!("are {}, and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn evidence(runs: &[&str]) -> tempfile::TempDir {
        let evidence = tempfile::tempdir().unwrap();
        for run in runs {
            fs::create_dir(evidence.path().join(run)).unwrap();
            fs::write(evidence.path().join(run).join(journal::FILE), "").unwrap();
        }
        fs::create_dir(evidence.path().join("replaced")).unwrap();
        evidence
    }

    fn found(evidence: &Path, run: Option<&str>) -> Result<String, String> {
        let found =
            find(evidence, run).map_err(|refusal| refusal.0.replace(&evidence.display().to_string(), "DIR"));
        found.map(|folder| folder.strip_prefix(evidence).unwrap().display().to_string())
    }

    #[test]
    fn a_run_is_found_by_its_name_a_unique_beginning_its_folder_or_as_the_newest() {
        let evidence = evidence(&["20261122T1-a", "20261122T1-ab", "20261123T1-c"]);
        let evidence = evidence.path();
        assert_eq!(found(evidence, None).unwrap(), "20261123T1-c");
        assert_eq!(found(evidence, Some("20261122T1-a")).unwrap(), "20261122T1-a");
        assert_eq!(found(evidence, Some("20261122T1-ab")).unwrap(), "20261122T1-ab");
        assert_eq!(found(evidence, Some("20261123")).unwrap(), "20261123T1-c");
        let folder = evidence.join("20261122T1-a");
        assert_eq!(find(Path::new("/nowhere"), folder.to_str()).unwrap(), folder);
    }

    #[test]
    fn what_is_not_found_or_not_unique_is_refused_with_what_there_is() {
        let there = evidence(&["20261122T1-a", "20261122T1-b"]);
        let told = found(there.path(), Some("20261122")).unwrap_err();
        let many =
            "expected one run, and `20261122` is the beginning of 2: there are 20261122T1-a, 20261122T1-b";
        assert_eq!(told, many);
        let told = found(there.path(), Some("x")).unwrap_err();
        let none = "no run `x` in DIR, and no folder with a journal of that name; there are 20261122T1-b, 20261122T1-a";
        assert_eq!(told, none);
        assert!(found(there.path(), Some("")).is_err());
        assert!(found(there.path(), Some("replaced")).unwrap_err().starts_with("no run `replaced`"));
        let empty = evidence(&[]);
        assert!(
            found(empty.path(), None).unwrap_err().starts_with("expected a run in DIR, and there is none")
        );
        assert!(found(&empty.path().join("absent"), None).unwrap_err().contains("No such file"));
    }
}
