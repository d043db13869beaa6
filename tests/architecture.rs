//! Holds the house's one-way imports: who may know whom stands in the table below and in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// For each folder of src/, the folders that it may import from. Everything may import `model`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("condition", &[]),
    ("template", &[]),
    ("process", &[]),
    ("watch", &["condition"]),
    ("journal", &["condition", "template"]),
    ("evidence", &["journal", "condition", "template", "watch"]),
    ("sign", &[]),
    ("bundle", &["evidence", "journal"]),
    ("policy", &["settings", "sign", "template"]),
    (
        "verify",
        &["bundle", "condition", "evidence", "journal", "policy", "settings", "sign", "template", "watch"],
    ),
    ("report", &["bundle", "condition", "evidence", "journal", "policy", "sign", "verify", "watch"]),
    ("probe", &["condition", "process"]),
    ("settings", &[]),
    ("profile", &["condition", "probe", "settings"]),
    ("service", &["probe", "process"]),
    ("plan", &["condition", "probe", "profile", "settings"]),
    ("runner", &["condition", "plan", "probe", "process", "service"]),
    ("monitor", &["condition", "probe", "process", "profile", "settings", "watch"]),
    (
        "cutover",
        &[
            "bundle",
            "condition",
            "evidence",
            "exit",
            "journal",
            "monitor",
            "plan",
            "probe",
            "process",
            "profile",
            "rehearsal",
            "runner",
            "service",
            "template",
            "watch",
        ],
    ),
    ("drill", &["cutover", "evidence", "process", "profile", "rehearsal", "runner", "service", "verify"]),
    (
        "rehearsal",
        &[
            "bundle",
            "condition",
            "evidence",
            "exit",
            "journal",
            "monitor",
            "plan",
            "probe",
            "process",
            "profile",
            "runner",
            "service",
            "settings",
        ],
    ),
    ("nextest", &["exit", "plan", "process", "profile", "rehearsal", "report", "runner"]),
    (
        "harness",
        &[
            "cli",
            "evidence",
            "exit",
            "nextest",
            "plan",
            "process",
            "profile",
            "rehearsal",
            "report",
            "runner",
        ],
    ),
    (
        "cli",
        &[
            "bundle",
            "condition",
            "cutover",
            "drill",
            "evidence",
            "exit",
            "journal",
            "monitor",
            "nextest",
            "plan",
            "policy",
            "probe",
            "process",
            "profile",
            "rehearsal",
            "report",
            "runner",
            "service",
            "settings",
            "sign",
            "template",
            "verify",
            "watch",
        ],
    ),
];

#[test]
fn modules_import_one_way_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for module in folders(&src) {
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("src/{module} is not in MAY_IMPORT"));
        for file in rust_files(&src.join(&module)) {
            let text = std::fs::read_to_string(&file).expect("a source file is readable");
            for other in imports(&text) {
                if other != module && other != "model" && !may.contains(&other.as_str()) {
                    wrong.push(format!("{} imports crate::{other}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the house's order:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    for (module, _) in MAY_IMPORT {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = allowed[module].to_vec();
        while let Some(next) = open.pop() {
            assert_ne!(next, *module, "{module} reaches itself");
            if seen.insert(next) {
                open.extend(allowed.get(next).copied().unwrap_or_default());
            }
        }
    }
}

fn folders(src: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(src).expect("src/ is readable").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of src/ is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_tests(&path) {
            files.push(path);
        }
    }
    files
}

/// Whether a file holds nothing but unit tests: they may look at the whole house.
fn is_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name == "tests" || name.ends_with("_tests")
}

/// Every X of `crate::X` in a file, comments and unit tests left out; `crate::{a, b}` too.
fn imports(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = &list[..list.find('}').unwrap_or(list.len())];
                found.extend(list.split(',').map(|item| first_word(item.trim())));
            }
            None => {
                found.insert(first_word(rest));
            }
        }
    }
    found.retain(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}
