//! Finding the runs below a folder, and judging them side by side, told in the order in which they were found.

use super::judged::is_run;
use crate::verify::{Code, Evidence, Finding, Judged, Severity};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How deep below the folder runs are looked for.
const DEEPEST: usize = 32;

/// What there is below a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The folders of runs, by path. Those of runs within runs belong to them.
    pub runs: Vec<PathBuf>,
    /// Folders that can't be listed, as findings: what is in them was not judged.
    pub unreadable: Vec<Judged>,
}

/// Looks for runs. No link is followed but the folder itself.
pub fn find(folder: &Path) -> Found {
    let mut found = Found::default();
    look(folder, 0, &mut found);
    found
}

fn look(folder: &Path, depth: usize, found: &mut Found) {
    if is_run(folder) {
        found.runs.push(folder.to_owned());
        return;
    }
    let entries = std::fs::read_dir(folder).and_then(|entries| {
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let folders = entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        Ok(folders.map(|entry| entry.path()).collect::<Vec<_>>())
    });
    match entries {
        Ok(_) if depth == DEEPEST => found.unreadable.push(unreadable(folder, "it is too deep")),
        Ok(mut folders) => {
            folders.sort();
            folders.iter().for_each(|folder| look(folder, depth + 1, found));
        }
        Err(error) => found.unreadable.push(unreadable(folder, &error.to_string())),
    }
}

fn unreadable(folder: &Path, why: &str) -> Judged {
    let path = folder.display().to_string();
    let finding = Finding {
        code: Code::BundleUnreadable,
        severity: Severity::Error,
        evidence: Evidence::Bundle,
        file: path.clone(),
        line: None,
        subject: "the folder".to_owned(),
        expected: "one that can be listed".to_owned(),
        seen: why.to_owned(),
        advice: None,
    };
    Judged { kind: "folder", path, run: None, findings: vec![finding], more: Vec::new() }
}

/// Does something with each path, as many at a time as there are processors, and hands on what comes of it in the
/// paths' order, as soon as it can be. The first error of `take` ends it.
pub fn judge<T: Send, E>(
    paths: &[PathBuf],
    work: impl Fn(&Path) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(paths.len());
    let next = AtomicUsize::new(0);
    // Few wait to be told, so that those who judge never run far ahead.
    let (sender, results) = sync_channel(threads.max(1));
    let work = &work;
    let next = &next;
    thread::scope(|scope| {
        let judge = move |sender: SyncSender<_>| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(at) else { return };
                if sender.send((at, work(path))).is_err() {
                    return;
                }
            }
        };
        let start = |_: &usize| {
            let sender = sender.clone();
            thread::Builder::new().spawn_scoped(scope, move || judge(sender)).is_ok()
        };
        let started = (0..threads).filter(start).count();
        drop(sender);
        match started {
            // Where no thread can be had, this one does it all.
            0 => paths.iter().try_for_each(|path| take(work(path))),
            _ => in_order(results, &mut take),
        }
    })
}

fn in_order<T, E>(results: Receiver<(usize, T)>, take: &mut impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut due = 0;
    for (at, result) in results {
        early.insert(at, result);
        while let Some(result) = early.remove(&due) {
            take(result)?;
            due += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_is_judged_once_and_told_in_order() {
        let paths: Vec<_> = (0..500).map(|n| PathBuf::from(n.to_string())).collect();
        let mut told = Vec::new();
        let take = |path: PathBuf| -> Result<(), ()> {
            told.push(path);
            Ok(())
        };
        judge(&paths, Path::to_owned, take).unwrap();
        assert_eq!(told, paths);
    }

    #[test]
    fn the_first_that_can_not_be_told_ends_it() {
        let paths: Vec<_> = (0..500).map(|n| PathBuf::from(n.to_string())).collect();
        let mut told = 0;
        let take = |_: PathBuf| {
            told += 1;
            if told == 3 { Err("closed") } else { Ok(()) }
        };
        assert_eq!(judge(&paths, Path::to_owned, take), Err("closed"));
        assert_eq!(told, 3);
    }

    #[test]
    fn runs_are_found_by_what_they_hold_or_by_their_names() {
        let root = tempfile::tempdir().unwrap();
        let stripped = "2025/20261122T194103Z-cutover-4f7k2q";
        for folder in ["2025/a/runs/b", "2025/empty", "2026/c", stripped] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["2025/a/journal.jsonl", "2025/a/runs/b/journal.jsonl", "2026/c/manifest.json"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        let found = find(root.path());
        assert_eq!(found.runs, [stripped, "2025/a", "2026/c"].map(|folder| root.path().join(folder)));
        assert!(found.unreadable.is_empty());
        assert_eq!(find(&root.path().join("absent")).unreadable.len(), 1);
    }
}
