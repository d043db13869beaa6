//! What a sealed run's manifest must say, found by `find` and `sha256sum`: nothing of the code under test looks.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The manifest of a run's folder.
#[track_caller]
pub fn manifest(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("manifest.json")).expect("there is a manifest");
    assert!(text.ends_with("}\n"), "it is whole");
    serde_json::from_str(&text).expect("it is JSON")
}

/// That the run and every run within it that ended have a manifest, and that each lists every file of its folder, with
/// the digest that `sha256sum` gives. Gives the run's own.
#[track_caller]
pub fn expect_sealed(folder: &Path) -> Value {
    for within in folders(&folder.join("runs")) {
        expect_sealed(&within);
    }
    let manifest = manifest(folder);
    let listed: BTreeMap<_, _> = manifest["files"].as_array().expect("a list").iter().map(listed).collect();
    assert_eq!(listed, found(folder), "{}", folder.display());
    let paths: Vec<_> =
        manifest["files"].as_array().expect("a list").iter().map(|file| &file["path"]).collect();
    assert!(paths.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()), "they are in order: {paths:?}");
    let journals = manifest["journals"].as_array().expect("a list");
    for journal in journals {
        let text =
            fs::read_to_string(folder.join(journal["path"].as_str().expect("a path"))).expect("it is there");
        assert_eq!(journal["entries"], text.lines().count());
    }
    let all = listed.keys().filter(|path| path.ends_with("journal.jsonl")).count();
    assert_eq!((journals.len(), &journals[0]["path"]), (all, &Value::from("journal.jsonl")));
    manifest
}

fn folders(of: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn listed(file: &Value) -> (String, (u64, String)) {
    let text = |key: &str| file[key].as_str().unwrap_or_else(|| panic!("no {key} in {file}")).to_owned();
    (text("path"), (file["size"].as_u64().expect("a size"), text("sha256")))
}

/// Size and digest of each file that belongs to the bundle.
fn found(folder: &Path) -> BTreeMap<String, (u64, String)> {
    let script = r#"cd "$0" && find . -type f ! -path ./manifest.json ! -path './logs/*' ! -path './signatures/*' \
        ! -path '*/runs/*/logs/*' ! -path '*/runs/*/signatures/*' -exec sha256sum {} + "#;
    let output = Command::new("sh").args(["-c", script]).arg(folder).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("paths of tests are UTF-8");
    let file = |line: &str| {
        let (digest, path) = line.split_once("  ./").expect("a digest and a path");
        let size = fs::metadata(folder.join(path)).expect("it is there").len();
        (path.to_owned(), (size, digest.to_owned()))
    };
    text.lines().map(file).collect()
}
