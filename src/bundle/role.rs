//! What a file of a bundle is there for, told by its place and name alone.

use super::{MANIFEST_FILE, Role};
use crate::{evidence, journal};

/// Where a run's folder has those of the runs within it.
const RUNS: &str = "runs";

/// What the file at this path is there for, and its media type.
pub fn role_and_type(path: &str) -> (Role, &'static str) {
    let (_, name) = in_run(path);
    let role = match name {
        journal::FILE => Role::Journal,
        MANIFEST_FILE => Role::Manifest,
        name if evidence::is_document(name) => Role::Projection,
        _ => Role::Attachment,
    };
    (role, media_type(path))
}

/// Parts a path of a bundle into the folder of the run that it belongs to, with a `/` behind it, and what is left:
/// `runs/ID/junit.xml` into `runs/ID/` and `junit.xml`. The bundle's own run has an empty folder.
pub fn in_run(path: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some(inner) = path.get(at..).and_then(|rest| rest.strip_prefix(RUNS)?.strip_prefix('/')) {
        match inner.find('/') {
            Some(end) if end > 0 => at = path.len() - inner.len() + end + 1,
            _ => break,
        }
    }
    path.split_at(at)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending) {
        Some("json") => "application/json",
        Some("jsonl") => "application/jsonl",
        Some("xml") => "application/xml",
        Some("csv") => "text/csv; charset=utf-8",
        Some("env" | "txt" | "log") => "text/plain; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("toml") => "application/toml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_within_a_run_has_a_folder_of_its_own() {
        assert_eq!(in_run("junit.xml"), ("", "junit.xml"));
        assert_eq!(in_run("runs/a/junit.xml"), ("runs/a/", "junit.xml"));
        assert_eq!(in_run("runs/a/runs/b/x/y"), ("runs/a/runs/b/", "x/y"));
        for none in ["runs", "runs/a", "runs//a", "runsx/a/b", "x/runs/a/b"] {
            assert_eq!(in_run(none), ("", none));
        }
        assert_eq!(in_run("runs/a/runs/b"), ("runs/a/", "runs/b"));
    }

    #[test]
    fn only_what_stands_in_a_run_s_folder_itself_is_its_evidence() {
        let role = |path| role_and_type(path).0;
        assert_eq!(role("journal.jsonl"), Role::Journal);
        assert_eq!(role("runs/a/journal.jsonl"), Role::Journal);
        assert_eq!(role("x/journal.jsonl"), Role::Attachment);
        assert_eq!(role("runs/a/manifest.json"), Role::Manifest);
        assert_eq!(role("runs/a/kafka_topic_init_result.second.env"), Role::Projection);
        assert_eq!(role("results/kafka_topic_init_result.env"), Role::Attachment);
        assert_eq!(role("core.bin"), Role::Attachment);
    }

    #[test]
    fn media_types_follow_the_ending() {
        assert_eq!(role_and_type("summary.json").1, "application/json");
        assert_eq!(role_and_type("runs/a.json/x").1, "application/octet-stream");
        assert_eq!(role_and_type("watch.csv").1, "text/csv; charset=utf-8");
    }
}
