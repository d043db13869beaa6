//! `junit.xml`, in the dialect that GitLab, Jenkins, mikepenz/action-junit-report and dorny/test-reporter all read:
//! one flat suite a phase; every case with name, dotted classname, time and file; the message as attribute and as
//! text; the position as a line of Java-stack form, which is what test-reporter looks for. `failure` is for what was
//! measured and is wrong, `error` for what could not be measured; attempts are told as Surefire tells them.
//!
//! A run whose report would be too large for its readers keeps every case's verdict as long as it can, gives up texts
//! first and passed cases next, and says in the file that it did. The file is written case by case, from the run: there
//! is no second picture of it.

use super::junit_case::{Case, Fault, Kind, attribute, time};
use super::junit_fit::{Fit, Keep, LIMITS, Limits, Sized};
use super::junit_run;
use super::junit_switch;
use super::text::{cut, cut_middle, visible};
use super::view::{Attempt, GateView, RunView};
use crate::model::switch::Stage;
use crate::model::{Observation, Phase, Reading, Stamp, Verdict};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest message, in characters: GitHub's annotations hold no more.
pub(super) const MESSAGE: usize = 4_096;
/// The longest text of a case that did not pass, in characters.
pub(super) const TEXT: usize = 12_000;
/// The longest excerpt, in characters; of a case that passed, Jenkins keeps 1,000.
pub(super) const EXCERPT: usize = 8_000;
pub(super) const EXCERPT_OF_PASS: usize = 1_000;
/// The longest path, in characters.
pub(super) const FILE: usize = 500;
/// So many attempts before the last one are told, half of them the first, and so many characters of each.
const ATTEMPTS: usize = 10;
const ATTEMPT: usize = 500;
/// What attempts may take of the output of a case that passed.
const ATTEMPTS_OF_PASS: usize = 600;

/// The report of a run, below 30 MB and 500,000 cases.
pub fn junit(run: &RunView<'_>) -> Vec<u8> {
    junit_within(run, LIMITS).into_bytes()
}

/// What a run's report leaves out, since it would be too large for its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many cases are not listed.
    pub cases: usize,
    /// So many are listed without their texts.
    pub texts: usize,
}

/// What the report of this run leaves out; none where it leaves nothing out.
pub fn junit_cut(run: &RunView<'_>) -> Option<Cut> {
    let names = Names::of(run);
    let fit = Listed::of(run, &names).fit(LIMITS);
    let cut = Cut { cases: fit.left_out.iter().map(|(_, count)| count).sum(), texts: fit.without_texts };
    (cut.cases + cut.texts > 0).then_some(cut)
}

pub(super) fn junit_within(run: &RunView<'_>, limits: Limits) -> String {
    let names = Names::of(run);
    let listed = Listed::of(run, &names);
    let fit = listed.fit(limits);
    let mut report = Report { run, names: &names, suites: 0, text: String::with_capacity(fit.bytes + 8_192) };
    report.text.push_str(r#"<?xml version="1.0" encoding="utf-8"?><testsuites>"#);
    let mut from = 0;
    while let Some(first) = listed.items.get(from) {
        let count = listed.items[from..].iter().take_while(|item| item.part == first.part).count();
        let to = from + count;
        let kept = || (from..to).filter(|at| fit.keep[*at] != Keep::Nothing);
        let figures = kept().map(|at| (listed.items[at].kind, listed.items[at].micros));
        if report.begin(first.part.as_str(), figures.collect()) {
            for at in kept() {
                match &fit.keep[at] {
                    Keep::Whole(range) => report.text.push_str(&fit.written[range.clone()]),
                    _ => listed.items[at].bare(run, &names).write_bare(&mut report.text),
                }
            }
            report.end();
        }
        from = to;
    }
    let mut about_run = junit_run::cases(run, &names, &fit);
    if report.suites == 0 && about_run.is_empty() {
        about_run.push(junit_run::good(&names));
    }
    let figures = about_run.iter().map(|case| (case.fault.as_ref().map(|fault| fault.kind), case.micros));
    if report.begin("run", figures.collect()) {
        about_run.iter().for_each(|case| case.write(&mut report.text));
        report.end();
    }
    report.text.push_str("</testsuites>\n");
    report.text
}

/// A report that is being written.
struct Report<'v> {
    run: &'v RunView<'v>,
    names: &'v Names,
    suites: usize,
    text: String,
}

impl Report<'_> {
    /// Begins a suite of cases of which these are kind and microseconds. One without cases is none.
    fn begin(&mut self, part: &str, cases: Vec<(Option<Kind>, u64)>) -> bool {
        if cases.is_empty() {
            return false;
        }
        let count = |kind: Kind| cases.iter().filter(|(of, _)| *of == Some(kind)).count().to_string();
        let micros = cases.iter().fold(0_u64, |sum, (_, micros)| sum.saturating_add(*micros));
        let to_the_millisecond = micros.saturating_add(500) / 1000 * 1000;
        let name = format!("{} {part}{}", self.names.environment, self.names.mark);
        // In the years that have four digits.
        let began = self.run.started.started.millis().clamp(0, 253_402_300_799_000);
        let (to, host) = (&mut self.text, cut(&visible(&self.run.started.host), 100).into_owned());
        to.push_str("<testsuite");
        attribute("id", &self.suites.to_string(), to);
        attribute("name", &name, to);
        attribute("package", "cutproof", to);
        attribute("tests", &cases.len().to_string(), to);
        attribute("errors", &count(Kind::Error), to);
        attribute("failures", &count(Kind::Failure), to);
        attribute("skipped", &count(Kind::Skipped), to);
        attribute("hostname", &host, to);
        attribute("timestamp", &Stamp::from_millis(began).to_seconds(), to);
        time(to_the_millisecond, to);
        to.push('>');
        self.suites += 1;
        true
    }

    fn end(&mut self) {
        self.text.push_str("</testsuite>");
    }
}

/// The parts of names that all cases share.
pub(super) struct Names {
    environment: String,
    dotted: String,
    mark: &'static str,
    /// The classes of each phase's gates.
    phases: [String; Phase::ALL.len()],
}

impl Names {
    fn of(run: &RunView<'_>) -> Names {
        let environment = cut(&visible(&run.started.environment), 100).into_owned();
        let mark = match (run.started.dry_run, run.partial()) {
            (false, false) => "",
            (true, false) => " (dry run)",
            (false, true) => " (partial)",
            (true, true) => " (partial, dry run)",
        };
        // A dot would be one more level of classes for Jenkins.
        let word = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let dotted: String = environment.chars().map(word).collect();
        let phases = Phase::ALL.map(|phase| class(&dotted, phase.as_str()));
        Names { dotted, environment, mark, phases }
    }

    pub(super) fn class(&self, part: &str) -> String {
        class(&self.dotted, part)
    }
}

fn class(dotted: &str, part: &str) -> String {
    format!("cutproof.{dotted}.{part}")
}

/// A duration that can be summed up over any number of cases, in microseconds.
pub(super) fn micros(millis: f64) -> u64 {
    if millis.is_finite() { (millis * 1e3).clamp(0.0, 1e15) as u64 } else { 0 }
}

/// What a suite is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Stage(Stage),
    Phase(Phase),
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Part::Stage(stage) => stage.as_str(),
            Part::Phase(phase) => phase.as_str(),
        }
    }
}

/// A case that is to be listed.
struct Item<'v> {
    part: Part,
    /// As what it counts where room is short.
    verdict: Verdict,
    kind: Option<Kind>,
    micros: u64,
    of: Of<'v>,
}

enum Of<'v> {
    Gate(&'v GateView<'v>),
    /// A part of a cutover.
    Case(Box<Case<'v>>),
}

impl<'v> Item<'v> {
    fn of_gate(run: &RunView<'_>, gate: &'v GateView<'v>) -> Item<'v> {
        let verdict = if counts_as_flaky(run, gate) { Verdict::Failed } else { gate.verdict };
        Item {
            part: Part::Phase(gate.gate.phase),
            verdict,
            kind: kind(verdict),
            micros: micros(gate.duration_ms()),
            of: Of::Gate(gate),
        }
    }

    fn of_stage(stage: Stage, verdict: Verdict, case: Case<'v>) -> Item<'v> {
        let kind = case.fault.as_ref().map(|fault| fault.kind);
        Item { part: Part::Stage(stage), verdict, kind, micros: case.micros, of: Of::Case(Box::new(case)) }
    }

    fn case<'i>(&'i self, run: &RunView<'_>, names: &'i Names) -> Cow<'i, Case<'i>> {
        match &self.of {
            Of::Gate(gate) => Cow::Owned(case(run, gate, names)),
            Of::Case(case) => Cow::Borrowed(case),
        }
    }

    /// The case, as far as it is written without its texts.
    fn bare<'i>(&'i self, run: &RunView<'_>, names: &'i Names) -> Cow<'i, Case<'i>> {
        match &self.of {
            Of::Gate(gate) => Cow::Owned(bare(run, gate, names)),
            Of::Case(case) => Cow::Borrowed(case),
        }
    }

    fn has_texts(&self) -> bool {
        match &self.of {
            Of::Gate(gate) => {
                let printed = gate.ended.is_some_and(|ended| !ended.excerpt.is_empty());
                self.kind.is_some() || gate.is_flaky() || printed
            }
            Of::Case(case) => case.fault.is_some() || !case.before.is_empty() || !case.output.is_empty(),
        }
    }
}

/// All cases of a run's parts, suite by suite.
struct Listed<'v> {
    run: &'v RunView<'v>,
    names: &'v Names,
    items: Vec<Item<'v>>,
}

impl<'v> Listed<'v> {
    fn of(run: &'v RunView<'v>, names: &'v Names) -> Listed<'v> {
        let stages = junit_switch::cases(run, names);
        let mut items: Vec<_> =
            stages.into_iter().map(|(stage, verdict, case)| Item::of_stage(stage, verdict, case)).collect();
        for phase in Phase::ALL {
            let of_it = |gate: &&GateView<'_>| gate.gate.phase == phase && run.is_listed(gate);
            items.extend(run.gates.iter().filter(of_it).map(|gate| Item::of_gate(run, gate)));
        }
        Listed { run, names, items }
    }

    fn fit(&self, limits: Limits) -> Fit {
        let mut scratch = String::new();
        let sized = |item: &Item<'_>| {
            scratch.clear();
            item.bare(self.run, self.names).write_bare(&mut scratch);
            Sized { verdict: item.verdict, bare: scratch.len(), has_texts: item.has_texts() }
        };
        let sizes: Vec<_> = self.items.iter().map(sized).collect();
        Fit::of(&sizes, limits, |place, to| self.items[place].case(self.run, self.names).write(to))
    }
}

/// Whether a gate that passed counts as failed, since it did so only at another attempt.
fn counts_as_flaky(run: &RunView<'_>, gate: &GateView<'_>) -> bool {
    run.started.fail_on_flaky && gate.gate.required && gate.is_flaky()
}

/// The case of a gate without what takes room.
fn bare<'v>(run: &RunView<'_>, gate: &'v GateView<'v>, names: &'v Names) -> Case<'v> {
    let class = names.phases[gate.gate.phase as usize].as_str();
    let fault = of_fault(run, gate).map(|(kind, type_)| Fault { kind, type_, ..Fault::default() });
    let before = match gate.given_up().last() {
        _ if fault.is_some() || !gate.is_flaky() => Vec::new(),
        Some(last) => vec![fault_of_attempt(last)],
        None => vec![unknown_attempt()],
    };
    Case {
        file: Some(file_of(gate)),
        fault,
        before,
        ..Case::new(gate.gate.id.as_str(), class, micros(gate.duration_ms()))
    }
}

fn case<'v>(run: &RunView<'_>, gate: &'v GateView<'v>, names: &'v Names) -> Case<'v> {
    let (before, between) = before(gate);
    let excerpt = gate.ended.map_or("", |ended| ended.excerpt.as_str());
    let output = match gate.verdict {
        Verdict::Passed => output_of_pass(gate, &before, between, excerpt),
        _ => cut_middle(excerpt, EXCERPT).into_owned(),
    };
    let mut case = bare(run, gate, names);
    if !before.is_empty() {
        case.before = before.iter().map(fault_of_attempt).collect();
    }
    if let Some(fault) = &mut case.fault {
        fault.message = message(run, gate);
        fault.text = text(gate, &fault.message, &before, between);
    }
    Case { output, ..case }
}

/// The attempts before the last one, as far as they are told, and how many between them are not.
fn before<'v>(gate: &GateView<'v>) -> (Vec<Attempt<'v>>, usize) {
    let all = gate.given_up();
    let between = all.len().saturating_sub(ATTEMPTS);
    if between == 0 {
        return (all.to_vec(), 0);
    }
    let (first, others) = all.split_at(ATTEMPTS / 2);
    ([first, &others[between..]].concat(), between)
}

fn fault_of_attempt(attempt: &Attempt<'_>) -> Fault {
    let message = told_attempt(attempt);
    Fault {
        kind: kind(attempt.verdict).unwrap_or(Kind::Error),
        type_: type_of("Gate", attempt.verdict),
        text: message.clone(),
        message,
    }
}

/// That there was an attempt of which nothing is on record.
fn unknown_attempt() -> Fault {
    let message = "an attempt before did not pass, and it is not on record why".to_owned();
    Fault { kind: Kind::Error, type_: type_of("Gate", Verdict::Error), text: message.clone(), message }
}

fn told_attempt(attempt: &Attempt<'_>) -> String {
    cut(&attempt.to_string(), ATTEMPT).into_owned()
}

fn told_attempts(attempts: &[Attempt<'_>], between: usize) -> String {
    let mut told = String::new();
    for (place, attempt) in attempts.iter().enumerate() {
        if place == ATTEMPTS / 2 && between > 0 {
            // Writing to a String can't fail.
            let _ = write!(told, "\n… and {between} attempts between");
        }
        let _ = write!(told, "\n{}", told_attempt(attempt));
    }
    told
}

/// What a gate printed that passed; where that was not at once, the attempts before it. Of such a case readers show
/// nothing else, if anything.
fn output_of_pass(gate: &GateView<'_>, before: &[Attempt<'_>], between: usize, excerpt: &str) -> String {
    if before.is_empty() && !gate.is_flaky() {
        return cut_middle(excerpt, EXCERPT_OF_PASS).into_owned();
    }
    let attempts = gate.attempts();
    let told = format!("passed at attempt {attempts}{}", told_attempts(before, between));
    let mut told = cut_middle(&told, ATTEMPTS_OF_PASS).into_owned();
    if !excerpt.is_empty() {
        let room = EXCERPT_OF_PASS.saturating_sub(told.chars().count() + 2);
        told.push_str("\n\n");
        told.push_str(&cut_middle(excerpt, room));
    }
    told
}

/// What a gate's result is, and its type; nothing for a pass.
fn of_fault(run: &RunView<'_>, gate: &GateView<'_>) -> Option<(Kind, String)> {
    match counts_as_flaky(run, gate) {
        true => Some((Kind::Failure, "GateFlaky".to_owned())),
        false => kind(gate.verdict).map(|kind| (kind, type_of("Gate", gate.verdict))),
    }
}

/// Why a gate did not pass, or not as it must.
fn message(run: &RunView<'_>, gate: &GateView<'_>) -> String {
    if counts_as_flaky(run, gate) {
        let attempts = gate.attempts();
        let what = format!("passed only at attempt {attempts}, which --fail-on-flaky counts as failed");
        let before = gate.given_up().last().map(|last| format!("; {}", told_attempt(last)));
        return cut(&(what + &before.unwrap_or_default()), MESSAGE).into_owned();
    }
    let optional = if gate.gate.required { "" } else { "not required: " };
    let reason = if gate.reason.is_empty() { gate.verdict.as_str() } else { &*gate.reason };
    // What is cut away is not made visible first.
    let message = format!("{optional}{}", visible(head(reason)));
    cut(&message, MESSAGE).into_owned()
}

/// More of a text than any message holds.
fn head(text: &str) -> &str {
    text.char_indices().nth(MESSAGE + 1).map_or(text, |(end, _)| &text[..end])
}

/// What a verdict is in JUnit; nothing for a pass.
pub(super) fn kind(verdict: Verdict) -> Option<Kind> {
    match verdict {
        Verdict::Passed => None,
        Verdict::Failed => Some(Kind::Failure),
        Verdict::Error | Verdict::Inconclusive => Some(Kind::Error),
        Verdict::Skipped => Some(Kind::Skipped),
    }
}

/// The type of what did not pass; `what` was judged: a gate, a step, a stage.
pub(super) fn type_of(what: &str, verdict: Verdict) -> String {
    let word = match verdict {
        Verdict::Passed => "Passed",
        Verdict::Failed => "Failed",
        Verdict::Error => "Error",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::Skipped => "Skipped",
    };
    format!("{what}{word}")
}

/// The text of a case that did not pass: its message once more, what was expected and seen, and where it stands.
fn text(gate: &GateView<'_>, message: &str, attempts: &[Attempt<'_>], between: usize) -> String {
    let mut text = message.to_owned();
    if gate.attempts() > 0 {
        // Writing to a String can't fail.
        let _ = write!(text, "\nexpected: {}\nattempts: {}", visible(&gate.gate.expect), gate.attempts());
        text.push_str(&told_attempts(attempts, between));
    }
    for seen in gate.ended.iter().flat_map(|ended| &ended.observations) {
        let _ = write!(text, "\nseen: {}", visible(&observed(seen)));
    }
    if let Cow::Owned(cut) = cut(&text, TEXT) {
        text = cut;
    }
    let (at, case) = (&gate.gate.at, gate.gate.case());
    let file = visible(&at.file);
    let _ = write!(text, "\n\ngate {case} at {file}:{}\n    at {}\n", at.line, stack(&file, at.line));
    text
}

fn observed(seen: &Observation) -> String {
    let value = match &seen.reading {
        Reading::Number { value, unit } => format!("= {value} {}", unit.name()),
        Reading::Text { value } => format!("= {value:?}"),
        Reading::Bool { value } => format!("= {value}"),
        Reading::NoEvents => "had no events".to_owned(),
        Reading::Missing => "is missing".to_owned(),
    };
    let samples = if seen.samples == 1 { "sample" } else { "samples" };
    format!("{} {value} ({}, {} {samples}, from {})", seen.name, seen.at, seen.samples, seen.source)
}

/// `gates(single-host.toml:42)`: test-reporter finds a file by its name and by folders that read like a package, of
/// which the last ones are enough; a part that begins with a capital, a digit or a sign ends a package for it.
pub fn stack(file: &str, line: usize) -> String {
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
    let of_package = |part: &&str| part.starts_with(|c: char| c > 'Z') && !part.contains('.');
    let mut package: Vec<_> = folders.rsplit('/').take_while(of_package).collect();
    package.reverse();
    let package = if package.is_empty() { "profile".to_owned() } else { package.join(".") };
    format!("{package}({name}:{line})")
}

fn file_of<'a>(gate: &'a GateView<'_>) -> Cow<'a, str> {
    match visible(&gate.gate.at.file) {
        Cow::Borrowed(file) => cut(file, FILE),
        Cow::Owned(file) => Cow::Owned(cut(&file, FILE).into_owned()),
    }
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
