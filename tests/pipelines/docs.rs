//! The snippets of docs/ci.md: what can be copied is sound, and names nothing that is not there.

use crate::common::{Desk, ended};
use crate::{source, tool};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn snippets() -> Vec<String> {
    let text = fs::read_to_string(source("docs/ci.md")).expect("the page");
    let blocks = text.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("an end").to_owned()).collect()
}

/// The keys below `inputs:` in a file of ours, by their indent.
fn inputs(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(source(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut lines = text.lines().skip_while(|line| line.trim() != "inputs:");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let of = indent(lines.next().expect("inputs"));
    let below = lines.take_while(|line| line.is_empty() || indent(line) > of);
    let keys = below.filter(|line| indent(line) == of + 2).filter_map(|line| line.trim().split_once(':'));
    keys.map(|(key, _)| key.to_owned()).filter(|key| !key.starts_with('#')).collect()
}

/// The keys that a snippet gives behind a line, deeper than it.
fn given(snippet: &str, uses: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    let mut lines = snippet.lines().peekable();
    while let Some(line) = lines.next() {
        if line.contains(uses) && lines.peek().is_some_and(|next| next.trim() == key) {
            let of = lines.next().map(indent).unwrap_or_default();
            while let Some(given) = lines.next_if(|next| indent(next) > of) {
                found.extend(given.trim().split_once(':').map(|(key, _)| key.to_owned()));
            }
        }
    }
    found
}

#[test]
fn what_snippets_give_is_what_action_workflow_and_component_take() {
    let takers = [
        ("OWNER/cutproof/ci/github@", "with:", "ci/github/action.yml"),
        ("OWNER/cutproof/.github/workflows/cutproof.yml@", "with:", ".github/workflows/cutproof.yml"),
        ("ci/gitlab/templates/cutproof/template.yml", "inputs:", "ci/gitlab/templates/cutproof/template.yml"),
    ];
    for (uses, key, file) in takers {
        let takes = inputs(file);
        let given: Vec<_> = snippets().iter().flat_map(|snippet| given(snippet, uses, key)).collect();
        assert!(!given.is_empty(), "no snippet uses {uses}");
        for key in given {
            assert!(takes.contains(&key), "{file} takes no {key}: {takes:?}");
        }
    }
}

#[test]
fn the_page_tells_of_every_input() {
    let text = fs::read_to_string(source("docs/ci.md")).expect("the page");
    for file in ["ci/github/action.yml", "ci/gitlab/templates/cutproof/template.yml"] {
        for input in inputs(file) {
            assert!(text.contains(&format!("`{input}`")), "docs/ci.md does not tell of {input} of {file}");
        }
    }
}

#[test]
#[ignore = "needs actionlint"]
fn snippets_of_githubs_workflows_are_sound() {
    let desk = Desk::new();
    let mut count = 0;
    for snippet in snippets().iter().filter(|snippet| snippet.contains("jobs:")) {
        let file = desk.write(&format!("snippet-{count}.yml"), snippet);
        let mut lint = Command::new(tool("actionlint"));
        ended({
            lint.arg(file);
            lint
        })
        .with_code(0);
        count += 1;
    }
    assert_eq!(count, 3);
}
