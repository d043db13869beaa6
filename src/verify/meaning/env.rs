//! `KEY=VALUE` files: keys and values in any order, each key once.

use super::{Difference, MOST, Origin};
use crate::evidence::{Env, text};

pub(super) fn differences(expected: &str, seen: &str) -> Vec<Difference> {
    let (must, is) = (Env::parse(expected), Env::parse(seen));
    let mut found = Vec::new();
    for (at, line) in seen.strip_prefix('\u{feff}').unwrap_or(seen).split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if !line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && has_hidden(line) {
            let expected = "without characters that nobody sees or that end a line for some readers";
            found.push(Difference::other("the line", Some(at + 1), expected, line));
        }
    }
    for stray in is.stray() {
        found.push(Difference::other("the line", Some(stray.line), "KEY=VALUE", &stray.text).form());
    }
    for doubled in is.doubled() {
        found.push(Difference::other(
            &*doubled.key,
            Some(doubled.line),
            "there once",
            "there more than once",
        ));
    }
    for entry in must.entries() {
        match is.entry(&entry.key) {
            None => found.push(Difference::other(&*entry.key, None, &entry.value, "no such key").form()),
            Some(there) if there.value != entry.value => {
                found.push(Difference::other(&*entry.key, Some(there.line), &entry.value, &there.value));
            }
            Some(_) => {}
        }
        if found.len() > MOST {
            return found;
        }
    }
    let more = is.entries().iter().filter(|entry| must.get(&entry.key).is_none());
    found.extend(more.map(|entry| {
        Difference::other(&*entry.key, Some(entry.line), "no key of the run's", &entry.value).form()
    }));
    found
}

fn has_hidden(line: &str) -> bool {
    let line = line.replace('\t', " ");
    text::visible(&line) != line.as_str()
}

pub(super) fn origin(text: &str) -> Origin {
    let env = Env::parse(text);
    let projection = env.get("CUTPROOF_PROJECTION").and_then(|value| value.rsplit_once('/'));
    Origin {
        projection: projection.map(|(name, _)| name.to_owned()),
        version: projection.map(|(_, version)| version.to_owned()),
        run: env.get("CUTPROOF_RUN_ID").map(str::to_owned),
    }
}
