//! TOML text → rules. Every fault of the text is told, each with its place; a rule at fault makes no policy.

mod entry;
mod signing;
mod waivers;

use super::fields::{self, LISTS, POLICY, PRODUCT, PROVISIONERS, REQUIRE, RUNS};
use super::{DrillRule, GateRule, Policy, ProductRule, Requirements, Select};
use crate::model::field::Field;
use crate::model::{GateId, Phase, Position};
use crate::settings::Faults;
use crate::settings::decode::{self, Shape};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use crate::settings::source::Source;
use crate::settings::tables;
use entry::Entry;
use std::collections::BTreeMap;
use toml::de::DeTable;

/// Gives the text of a key's file.
///
/// # Errors
/// Why there is none, as a message goes on with it.
pub(super) type KeyFiles<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// What a text is read with.
pub(super) struct Reading<'a> {
    pub files: KeyFiles<'a>,
    /// Keys in files must be named by their ids too.
    pub pinned: bool,
}

/// Reads a text that `path` stands for in positions.
///
/// # Errors
/// All faults of the text.
pub(super) fn parse(path: &str, text: &str, reading: &Reading<'_>) -> Result<Policy, Faults> {
    let sha256 = super::digest(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(path, text);
    let mut report = Report::new(&source);
    let policy = tables::toml(text, &mut report).and_then(|top| read(top.get_ref(), reading, &mut report));
    report.finish()?;
    let nothing = || Faults::one(Position { file: path.to_owned(), line: 1, column: 1 }, "it says nothing");
    let policy = policy.ok_or_else(nothing)?;
    Ok(Policy { path: path.to_owned(), sha256, ..policy })
}

fn read(top: &DeTable<'_>, reading: &Reading<'_>, report: &mut Report<'_>) -> Option<Policy> {
    let apart = LISTS.map(|key| key.name);
    let what = "the policy";
    let args =
        decode::table(&Shape { what, fields: POLICY, apart: &apart, refused: &[] }, top, &(0..0), report);
    let top_entry = Entry { args, table: top, span: 0..0, what: what.to_owned() };
    let name = top_entry.filled("name", report);
    let expires = top_entry.time("expires", report);
    let mut requires = runs(top, report);
    requires.products = each("product", PRODUCT, "service", top, report, product);
    one_each("product", &requires.products, report, |rule| (rule.service.clone(), &rule.at));
    let gates = each("require", REQUIRE, "gate", top, report, require);
    one_each("rule", &gates, report, |rule| (shown(&rule.select), &rule.at));
    let keys =
        each("key", fields::KEY, "name", top, report, |entry, report| signing::key(entry, reading, report));
    signing::distinct(&keys, report);
    let threshold = |entry: &Entry<'_>, report: &mut Report<'_>| signing::threshold(entry, &keys, report);
    let thresholds = each("threshold", fields::THRESHOLD, "role", top, report, threshold);
    one_each("threshold", &thresholds, report, |threshold| (threshold.role.clone(), &threshold.at));
    let waivers = each("waiver", fields::WAIVER, "gate", top, report, waivers::waiver);
    one_each("waiver", &waivers, report, |waiver| (waivers::shown(waiver), &waiver.at));
    let (path, sha256) = Default::default();
    Some(Policy { name: name?, path, sha256, expires, requires, gates, keys, thresholds, waivers })
}

/// The tables of a list, each as what it says. `naming` is the key that a table is called by in messages.
fn each<T>(
    key: &str,
    fields: &[Field],
    naming: &str,
    top: &DeTable<'_>,
    report: &mut Report<'_>,
    mut read: impl FnMut(&Entry<'_>, &mut Report<'_>) -> Option<T>,
) -> Vec<T> {
    let tables = tables::tables(key, key, top, report).unwrap_or_default();
    let mut list = Vec::with_capacity(tables.len());
    for (number, (table, span)) in (1..).zip(tables) {
        let name = table.get(naming).and_then(|name| name.get_ref().as_str());
        let what = match name {
            Some(name) => format!("{key} {}", quoted(name)),
            None => format!("{key} number {number}"),
        };
        let shape = Shape { what: &what, fields, apart: &[], refused: &[] };
        let args = decode::table(&shape, table, &span, report);
        list.extend(read(&Entry { args, table, span, what }, report));
    }
    list
}

/// Refuses what says the same as something before it.
fn one_each<T>(what: &str, list: &[T], report: &mut Report<'_>, name: impl Fn(&T) -> (String, &Position)) {
    let mut before: BTreeMap<String, &Position> = BTreeMap::new();
    for item in list {
        let (name, at) = name(item);
        if let Some(first) = before.get(&name) {
            let span = report.source.line_span(at.line);
            report
                .fault(&span, format!("a second {what} for {name}; the first stands in line {}", first.line));
        } else {
            before.insert(name, at);
        }
    }
}

fn runs(top: &DeTable<'_>, report: &mut Report<'_>) -> Requirements {
    let found = top.get("runs").and_then(|found| Some((found.get_ref().as_table()?, found.span())));
    // A fault of the table itself is told by the top's fields; what it says is then not needed.
    let Some((table, span)) = found else { return Requirements::default() };
    let source = report.source;
    let mut quiet = Report::new(source);
    let shape = Shape { what: "`[runs]`", fields: RUNS, apart: &[], refused: &[] };
    let args = decode::table(&shape, table, &span, &mut quiet);
    let entry = Entry { args, table, span, what: "`[runs]`".to_owned() };
    provisioners(&entry, report);
    Requirements {
        environment: entry.filled("environment", report),
        commit: entry.hex("commit", &[40, 64], report),
        clean_tree: entry.args.flag("clean_tree"),
        profile_sha256: entry.hex("profile_sha256", &[64], report),
        provisioners: entry.args.texts("provisioners").into_iter().map(str::to_owned).collect(),
        products: Vec::new(),
        measured_only: entry.args.flag("measured_only"),
        rollback_drill: drill(&entry, report),
        min_watch: entry.args.duration("min_watch"),
        no_flaky: entry.args.flag("no_flaky"),
    }
}

fn provisioners(entry: &Entry<'_>, report: &mut Report<'_>) {
    for (word, span) in entry.list("provisioners") {
        if !PROVISIONERS.contains(&word) {
            let message = format!("`provisioners` in {}: {} gives no services", entry.what, quoted(word));
            report.unknown(&span, message, word, PROVISIONERS);
        }
    }
}

fn drill(entry: &Entry<'_>, report: &Report<'_>) -> Option<DrillRule> {
    let args = entry.args.table(RUNS_DRILL)?;
    let at = report.source.position(entry.place(RUNS_DRILL).start);
    Some(DrillRule { max_age: args.duration("max_age")?, max_duration: args.duration("max_duration"), at })
}

const RUNS_DRILL: &str = "rollback_drill";

fn product(entry: &Entry<'_>, report: &mut Report<'_>) -> Option<ProductRule> {
    let service = entry.filled("service", report);
    let name = entry.filled("name", report);
    let versions = entry.list("versions");
    for (version, span) in &versions {
        if version.split('.').any(|part| part.trim() != part || part.is_empty()) {
            let told = "expected the beginning of a version, such as \"7.2\"";
            report.fault(span, format!("`versions` in {}: {told}; got {}", entry.what, quoted(version)));
        }
    }
    if !entry.table.contains_key("name") && !entry.table.contains_key("versions") {
        report.fault(&entry.span, format!("{} asks for nothing: give `name` or `versions`", entry.what));
    } else if entry.table.contains_key("versions") && versions.is_empty() && name.is_none() {
        report.fault(&entry.span, format!("{} asks for nothing: `versions` is empty", entry.what));
    }
    let versions = versions.iter().map(|(version, _)| (*version).to_owned()).collect();
    Some(ProductRule { service: service?, name, versions, at: entry.at(report) })
}

fn require(entry: &Entry<'_>, report: &mut Report<'_>) -> Option<GateRule> {
    let key = entry.exactly_one(&["gate", "tag", "phase", "required"], report)?;
    let select = match key {
        "gate" => Select::Id(entry.gate(report)?),
        "tag" => Select::Tag(entry.filled("tag", report)?),
        "phase" => Select::Phase(Phase::parse(entry.args.text("phase")?)?),
        _ if entry.args.flag("required") => Select::Required,
        _ => {
            if entry.args.get("required").is_some() {
                let told =
                    "`required = false` would loosen the profile, which a policy can't; leave the rule out";
                report.fault(&entry.place("required"), told);
            }
            return None;
        }
    };
    Some(GateRule { select, max_age: entry.args.duration("max_age"), at: entry.at(report) })
}

/// What a rule selects, in the words of the file.
pub(super) fn shown(select: &Select) -> String {
    match select {
        Select::Id(id) => format!("gate {}", quoted(GateId::as_str(id))),
        Select::Tag(tag) => format!("tag {}", quoted(tag)),
        Select::Phase(phase) => format!("phase {phase}"),
        Select::Required => "required gates".to_owned(),
    }
}
