//! Readiness: ten service levels, each healthy or not by its value and target, and the whole by all of them.

use super::super::code::Code;
use super::super::finding::{Evidence, Findings, Place, quoted};
use super::json::{self, Member, Node, Value};
use super::{Asked, refuse_dry_run, run_id, tell_no_run_id, tell_older};
use crate::evidence::READINESS_VERSION;
use crate::model::readiness::{LEVELS, Level, LevelUnit, level};
use crate::model::{RunId, Stamp};

const OF: Evidence = Evidence::Readiness;

/// No readiness was judged before 2015 or after 2100: a time outside of that is in another unit.
const FIRST_NS: u64 = 1_420_070_400_000_000_000;
const LAST_NS: u64 = 4_102_444_800_000_000_000;

pub(super) fn judge(text: &str, asked: &Asked, found: &mut Findings) -> Option<RunId> {
    let file = match json::parse(text) {
        Ok(file) => file,
        Err(fault) => {
            let at = Place::nowhere(OF, "the file").line(fault.line);
            found.refuse(Code::Malformed, at, "JSON", fault.what);
            return None;
        }
    };
    refuse_doubled(OF, &file, found);
    let known = about_the_file(&file, asked, found);
    if known {
        whole(&file, found);
    }
    let run = file.get("run").and_then(Node::text).unwrap_or_default();
    if run.is_empty() {
        tell_no_run_id(OF, "run", found);
    }
    run_id(run)
}

/// A key that is there again: readers keep one or the other.
pub(super) fn refuse_doubled(of: Evidence, file: &Node<'_>, found: &mut Findings) {
    for (Member { key, node }, first) in file.doubled() {
        let at = Place::nowhere(of, quoted(key)).line(node.line);
        found.refuse(Code::DuplicateKey, at, "there once", format!("again; the first in line {first}"));
    }
}

/// Which version of which projection it is. Gives whether its keys mean what they mean here.
pub(super) fn is_known(of: Evidence, file: &Node<'_>, known: (&str, u32), found: &mut Findings) -> bool {
    let (projection, version) = (file.get("projection"), file.get("version"));
    let same = projection.is_none_or(|node| node.text() == Some(known.0))
        && version.is_none_or(|node| node.whole() == Some(known.1.into()));
    if !same {
        let seen = [projection, version].map(|node| node.map_or("nothing".to_owned(), Node::shown)).join(" ");
        let at = place(of, version.or(projection), "version");
        let (expected, advice) =
            (format!("{} {}", known.0, known.1), "verify with the cutproof that wrote it");
        found.refuse_and_advise(Code::UnknownProjection, at, expected, quoted(&seen), advice);
    }
    same
}

fn place(of: Evidence, node: Option<&Node<'_>>, subject: &str) -> Place {
    let at = Place::nowhere(of, subject);
    match node {
        Some(node) => at.line(node.line),
        None => at,
    }
}

fn shown(node: &Node<'_>) -> String {
    quoted(&node.shown())
}

/// What is said of the file itself. Gives whether its version is known.
fn about_the_file(file: &Node<'_>, asked: &Asked, found: &mut Findings) -> bool {
    let known = is_known(OF, file, ("ctp_readiness", READINESS_VERSION), found);
    let metadata = file.get("metadata");
    if metadata.is_none() {
        found.refuse(Code::MissingKey, Place::nowhere(OF, "metadata"), "there", "nothing");
    }
    if let Some(metadata) = metadata {
        let kind = text_of(metadata, "evidence_type", found);
        if let Some(kind) = kind.filter(|kind| kind.text() != Some("ctp_readiness")) {
            let at = place(OF, Some(kind), "evidence_type");
            found.refuse(Code::BadValue, at, "\"ctp_readiness\"", shown(kind));
        }
        text_of(metadata, "environment", found);
        text_of(metadata, "service", found);
    }
    text_of(file, "scope", found);
    generated(file, asked, found);
    for (key, told) in [("dry_run", true), ("partial", false)] {
        let Some(node) = file.get(key) else { continue };
        match (node.bool(), told) {
            (None, _) => {
                found.refuse(Code::BadBoolean, place(OF, Some(node), key), "true or false", shown(node));
            }
            (Some(true), true) => refuse_dry_run(place(OF, Some(node), key), asked, found),
            (Some(true), false) => {
                let at = place(OF, Some(node), key);
                found.warn(Code::PartialRun, at, "false", "true: a part of the gates");
            }
            (Some(false), _) => {}
        }
    }
    known
}

/// A text that must be there and not be empty.
fn text_of<'n, 't>(of: &'n Node<'t>, key: &str, found: &mut Findings) -> Option<&'n Node<'t>> {
    let Some(node) = of.get(key) else {
        found.refuse(Code::MissingKey, Place::nowhere(OF, key), "there", "nothing");
        return None;
    };
    match node.text() {
        Some("") => found.refuse(Code::EmptyValue, place(OF, Some(node), key), "not empty", "nothing"),
        Some(_) => return Some(node),
        None => found.refuse(Code::BadValue, place(OF, Some(node), key), "a text", shown(node)),
    }
    None
}

fn generated(file: &Node<'_>, asked: &Asked, found: &mut Findings) {
    const KEY: &str = "generated_ts_ns";
    let Some(node) = file.get(KEY) else {
        found.refuse(Code::MissingKey, Place::nowhere(OF, KEY), "there", "nothing");
        return;
    };
    let at = place(OF, Some(node), KEY);
    match node.whole() {
        Some(ns) if (FIRST_NS..LAST_NS).contains(&ns) => {
            let millis = i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
            tell_older(at, Stamp::from_millis(millis), asked, found);
        }
        Some(_) => {
            found.refuse(Code::BadTime, at, "nanoseconds since 1970, from 2015 to 2100", shown(node));
        }
        None => found.refuse(Code::BadNumber, at, "a whole number of nanoseconds since 1970", shown(node)),
    }
}

/// All levels, and what is said of them together.
fn whole(file: &Node<'_>, found: &mut Findings) {
    let Some(Value::List(levels)) = file.get("slis").map(|node| &node.value) else {
        let at = place(OF, file.get("slis"), "slis");
        found.refuse(Code::MissingKey, at, "a list of service levels", "none");
        return;
    };
    let rules = Rules::of(file);
    let healthy: Vec<_> = levels.iter().map(|node| one(node, file, rules, found)).collect();
    each_once(levels, found);
    overall(file, levels.len(), healthy.iter().filter(|healthy| **healthy == Some(false)).count(), found);
}

/// Each of the ten is there once.
fn each_once(levels: &[Node<'_>], found: &mut Findings) {
    let name = |node: &Node<'_>| node.get("name").and_then(|name| name.text().map(str::to_owned));
    for level in &LEVELS {
        let mut same = levels.iter().filter(|node| name(node).as_deref() == Some(level.name));
        if same.next().is_none() {
            found.refuse(Code::LevelMissing, Place::nowhere(OF, level.name), "there", "nothing");
        }
        for again in same {
            let at = Place::nowhere(OF, level.name).line(again.line);
            found.refuse(Code::LevelTwice, at, "there once", "again");
        }
    }
}

fn overall(file: &Node<'_>, levels: usize, unhealthy: usize, found: &mut Findings) {
    const KEY: &str = "overall_healthy";
    let Some(node) = file.get(KEY) else {
        found.refuse(Code::MissingKey, Place::nowhere(OF, KEY), "there", "nothing");
        return;
    };
    let at = || place(OF, Some(node), KEY);
    let verdict = file.get("verdict").and_then(Node::text);
    let stands_against = verdict.filter(|verdict| !["passed", "partial", "simulated"].contains(verdict));
    match node.bool() {
        None => found.refuse(Code::BadBoolean, at(), "true or false", shown(node)),
        Some(true) if unhealthy > 0 || levels == 0 => {
            let seen = format!("true, and {unhealthy} of {levels} levels are not healthy");
            found.refuse(Code::OverallAgainstLevels, at(), "false where a level is not healthy", seen);
        }
        Some(true) => {
            if let Some(verdict) = stands_against {
                let expected = format!("false where the verdict is {}", quoted(verdict));
                found.refuse(Code::OverallAgainstLevels, at(), expected, "true");
            }
        }
        // A run that did not pass is not healthy, whatever its levels are.
        Some(false) if unhealthy == 0 && levels > 0 && stands_against.is_none() => {
            let seen = format!("false, and all {levels} levels are healthy");
            found.refuse(Code::OverallAgainstLevels, at(), "true where every level is healthy", seen);
        }
        Some(false) => {
            let seen = match stands_against.filter(|_| unhealthy == 0) {
                Some(verdict) => format!("false: the run is {}", quoted(verdict)),
                None => format!("false: {unhealthy} of {levels} levels are not healthy"),
            };
            found.refuse(Code::Unhealthy, at(), "true", seen);
        }
    }
}

/// Which values count, as the file says.
#[derive(Debug, Clone, Copy)]
struct Rules {
    measuring: bool,
    require_measured: bool,
    /// Whether cutproof wrote it: then every level says where its value comes from.
    of_cutproof: bool,
}

impl Rules {
    fn of(file: &Node<'_>) -> Rules {
        let says = |key: &str| file.get(key).and_then(Node::bool).unwrap_or(false);
        let of_cutproof = file.get("projection").is_some();
        Rules { measuring: says("measuring"), require_measured: says("require_measured"), of_cutproof }
    }
}

/// One level. Gives whether it says that it is healthy.
fn one(node: &Node<'_>, file: &Node<'_>, rules: Rules, found: &mut Findings) -> Option<bool> {
    let Value::Map(_) = node.value else {
        found.refuse(Code::BadValue, place(OF, Some(node), "slis"), "an object for each level", shown(node));
        return None;
    };
    let name = text_of(node, "name", found)?.text()?;
    let Some(level) = level(name) else {
        let at = Place::nowhere(OF, quoted(name)).line(node.line);
        found.refuse(Code::LevelUnknown, at, "one of the ten service levels", "another");
        return node.get("healthy").and_then(Node::bool);
    };
    same_as_the_file(node, file, level, found);
    let healthy = says_healthy(node, level, found);
    let unit = unit(node, level, found);
    let (value, target) = (value(node, level, found), target(node, level, found));
    if let (Some(healthy), Some(value), Some(target), true) = (healthy, value, target, unit) {
        health(node, level, healthy, value, target, rules, found);
    }
    origin(node, level, healthy, rules, found);
    healthy
}

fn at(node: Option<&Node<'_>>, level: &Level, key: &str) -> Place {
    place(OF, node, &format!("{} {key}", level.name))
}

/// Names that are said again say the same.
fn same_as_the_file(node: &Node<'_>, file: &Node<'_>, level: &Level, found: &mut Findings) {
    let metadata = |key| file.get("metadata").and_then(|metadata| metadata.get(key)?.text());
    let metadata = |key| metadata(key).filter(|said| !said.is_empty());
    for (key, expected) in [
        ("slo_name", Some(level.name)),
        ("environment", metadata("environment")),
        ("service", metadata("service")),
    ] {
        let (Some(expected), said) = (expected, node.get(key)) else { continue };
        match said {
            None => found.refuse(Code::MissingKey, at(Some(node), level, key), "there", "nothing"),
            Some(said) if said.text() != Some(expected) => {
                found.refuse(Code::BadValue, at(Some(said), level, key), quoted(expected), shown(said));
            }
            Some(_) => {}
        }
    }
    if node.get("detail").is_none() {
        found.refuse(Code::MissingKey, at(Some(node), level, "detail"), "there", "nothing");
    }
}

fn says_healthy(node: &Node<'_>, level: &Level, found: &mut Findings) -> Option<bool> {
    let Some(said) = node.get("healthy") else {
        found.refuse(Code::MissingKey, at(Some(node), level, "healthy"), "there", "nothing");
        return None;
    };
    if said.bool().is_none() {
        found.refuse(Code::BadBoolean, at(Some(said), level, "healthy"), "true or false", shown(said));
    }
    said.bool()
}

/// Whether the unit is the level's.
fn unit(node: &Node<'_>, level: &Level, found: &mut Findings) -> bool {
    let Some(said) = node.get("unit") else {
        found.refuse(Code::MissingKey, at(Some(node), level, "unit"), "there", "nothing");
        return false;
    };
    let same = said.text() == Some(level.unit.as_str());
    if !same {
        found.refuse(Code::LevelUnit, at(Some(said), level, "unit"), level.unit.as_str(), shown(said));
    }
    same
}

/// The value: none where it is not there or can't be, `Some(None)` where the file says that it is not known.
fn value(node: &Node<'_>, level: &Level, found: &mut Findings) -> Option<Option<f64>> {
    match node.get("value") {
        Some(Node { value: Value::Null, .. }) => Some(None),
        _ => number(node, level, "value", found).map(Some),
    }
}

fn target(node: &Node<'_>, level: &Level, found: &mut Findings) -> Option<f64> {
    let target = number(node, level, "target", found)?;
    let said = node.get("target");
    let is_looser = if level.at_most { target > level.target } else { target < level.target };
    if level.unit == LevelUnit::Bool {
        if target != 1.0 {
            let seen = said.map_or_else(String::new, shown);
            found.refuse(Code::LevelOutOfRange, at(said, level, "target"), "1: a truth must be true", seen);
            return None;
        }
    } else if is_looser {
        let word = if level.at_most { "at most" } else { "at least" };
        let expected = format!("{word} {}, the contract's", level.target);
        found.warn(Code::LooserTarget, at(said, level, "target"), expected, target.to_string());
    }
    Some(target)
}

/// A number that there can be in the level's unit. Older tools may write a truth as one.
fn number(node: &Node<'_>, level: &Level, key: &str, found: &mut Findings) -> Option<f64> {
    let Some(said) = node.get(key) else {
        found.refuse(Code::MissingKey, at(Some(node), level, key), "there", "nothing");
        return None;
    };
    let truth = said.bool().filter(|_| level.unit == LevelUnit::Bool).map(|truth| f64::from(u8::from(truth)));
    let Some(number) = said.number().or(truth) else {
        let expected = level.unit.expected();
        found.refuse(Code::BadNumber, at(Some(said), level, key), expected, shown(said));
        return None;
    };
    if !level.unit.accepts(number) {
        let expected = level.unit.expected();
        found.refuse(Code::LevelOutOfRange, at(Some(said), level, key), expected, shown(said));
        return None;
    }
    Some(number)
}

/// `healthy` is what value and target say. A value that does not count is not healthy, however good it is.
fn health(
    node: &Node<'_>,
    level: &Level,
    healthy: bool,
    value: Option<f64>,
    target: f64,
    rules: Rules,
    found: &mut Findings,
) {
    let met = value.is_some_and(|value| if level.at_most { value <= target } else { value >= target });
    let word = if level.at_most { "at most" } else { "at least" };
    let value = value.map_or("not known".to_owned(), |value| value.to_string());
    let said = at(node.get("healthy"), level, "healthy");
    if healthy && !met {
        let expected = format!("false: the value is {value}, and it must be {word} {target}");
        found.refuse(Code::HealthAgainstValue, said, expected, "true");
    } else if !healthy && met && !is_discounted(node, rules) {
        let expected = format!("true: the value is {value}, and it must be {word} {target}");
        found.refuse(Code::HealthAgainstValue, said, expected, "false");
    } else if !healthy {
        let seen = format!("false: the value is {value}, and it must be {word} {target}");
        found.refuse(Code::Unhealthy, said, "true", seen);
    }
}

/// Whether the file says that a value does not count, since nobody measured it.
fn is_discounted(node: &Node<'_>, rules: Rules) -> bool {
    match node.get("origin").and_then(Node::text) {
        Some("defaulted") => rules.measuring || rules.require_measured,
        Some("declared") => rules.require_measured,
        _ => false,
    }
}

/// Where the value comes from.
fn origin(node: &Node<'_>, level: &Level, healthy: Option<bool>, rules: Rules, found: &mut Findings) {
    let Some(origin) = node.get("origin") else {
        if rules.of_cutproof {
            let at = at(Some(node), level, "origin");
            found.refuse(Code::MissingKey, at, "there, as cutproof writes it", "nothing");
        } else {
            let expected = "measured, declared or defaulted";
            found.warn(Code::NoOrigin, at(Some(node), level, "origin"), expected, "nothing");
        }
        return;
    };
    if !matches!(origin.text(), Some("measured" | "declared" | "defaulted")) {
        let expected = "measured, declared or defaulted";
        found.refuse(Code::BadValue, at(Some(origin), level, "origin"), expected, shown(origin));
        return;
    }
    if healthy == Some(true) && is_discounted(node, rules) {
        let expected = if rules.require_measured {
            "measured where the file says require_measured and the level is healthy"
        } else {
            "measured or declared where the file says measuring and the level is healthy"
        };
        found.refuse(Code::NotMeasured, at(Some(origin), level, "origin"), expected, shown(origin));
    }
}
