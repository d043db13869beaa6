//! `junit.xml`, in the dialect that GitLab, Jenkins, mikepenz/action-junit-report and dorny/test-reporter all read:
//! one flat suite a phase; every case with name, dotted classname, time and file; the message as attribute and as
//! text; the position as a line of Java-stack form, which is what test-reporter looks for. `failure` is for what was
//! measured and is wrong, `error` for what could not be measured.
//!
//! GitLab refuses files above 30 MB. A run that would make more keeps every case's verdict as long as it can, gives
//! up texts first and passed cases next, and says in the file that it did.

use super::junit_switch;
use super::text::{cdata, cut, cut_middle, visible};
use super::verdict::{Reason, verdict};
use super::view::{GateView, RunView};
use crate::model::{Observation, Phase, Reading, Verdict};
use junit_report::{Duration, OffsetDateTime, Report, TestCase, TestResult, TestSuite};
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
/// What is written at most, in bytes, and how much of that is kept for what is not cases.
const LIMIT: usize = 29_000_000;
const FRAME: usize = 20_000;
/// What stands in place of a text for which there is no room.
const NO_ROOM: &str = "no room: see the journal";

/// Why the report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JunitError(#[from] junit_report::Error);

/// The report of a run, below 30 MB.
///
/// # Errors
/// Where the writer fails, which it has no reason to.
pub fn junit(run: &RunView<'_>) -> Result<Vec<u8>, JunitError> {
    junit_within(run, LIMIT)
}

pub(super) fn junit_within(run: &RunView<'_>, limit: usize) -> Result<Vec<u8>, JunitError> {
    let names = Names::of(run);
    let room = limit.saturating_sub(FRAME);
    let (stages, mut left_out, room) = junit_switch::cases(run, &names, room);
    let Cases { mut by_phase, left_out: gates_left_out } = Cases::of(run, &names, room);
    left_out.extend(gates_left_out);
    let mut report = Report::new();
    for (stage, cases) in stages {
        report.add_testsuite(names.suite(run, stage.as_str(), cases));
    }
    for phase in Phase::ALL {
        let cases = std::mem::take(&mut by_phase[phase as usize]);
        if !cases.is_empty() {
            report.add_testsuite(names.suite(run, phase.as_str(), cases));
        }
    }
    let mut about_run = about_run(run, &names, left_out);
    if report.testsuites().is_empty() && about_run.is_empty() {
        about_run.push(good_run(&names));
    }
    if !about_run.is_empty() {
        report.add_testsuite(names.suite(run, "run", about_run));
    }
    let mut out = Vec::new();
    report.write_xml(&mut out)?;
    out.push(b'\n');
    Ok(out)
}

/// The parts of names that all cases share.
pub(super) struct Names {
    environment: String,
    dotted: String,
    mark: &'static str,
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
        Names { dotted: environment.chars().map(word).collect(), environment, mark }
    }

    pub(super) fn class(&self, part: &str) -> String {
        format!("cutproof.{}.{part}", self.dotted)
    }

    fn suite(&self, run: &RunView<'_>, part: &str, testcases: Vec<TestCase>) -> TestSuite {
        TestSuite {
            name: format!("{} {part}{}", self.environment, self.mark),
            package: "cutproof".to_owned(),
            timestamp: moment(run.started.started.millis()),
            hostname: cut(&visible(&run.started.host), 100).into_owned(),
            testcases,
            system_out: None,
            system_err: None,
        }
    }
}

/// To the second, in the years that RFC 3339 can write: the writer can't refuse.
fn moment(millis: i64) -> OffsetDateTime {
    let seconds = millis.div_euclid(1000).clamp(0, 253_402_300_799);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A duration that can be summed up over any number of cases.
pub(super) fn time(millis: f64) -> Duration {
    let micros = if millis.is_finite() { (millis * 1e3).clamp(0.0, 1e15) } else { 0.0 };
    Duration::microseconds(micros as i64)
}

/// Cases as far as there is room.
struct Cases {
    by_phase: [Vec<TestCase>; Phase::ALL.len()],
    /// How many of each verdict there was no room for.
    left_out: Vec<(Verdict, usize)>,
}

impl Cases {
    fn of(run: &RunView<'_>, names: &Names, room: usize) -> Cases {
        let (kept, left_out, mut room) = keep(run, names, room);
        let mut by_phase: [Vec<TestCase>; Phase::ALL.len()] = Default::default();
        for (gate, least) in run.gates.iter().zip(kept).filter_map(|(gate, kept)| Some((gate, kept?))) {
            let mut case = case(gate, names);
            let texts = written_size(&case).saturating_sub(least);
            match room.checked_sub(texts) {
                Some(rest) => room = rest,
                None => case = without_texts(case),
            }
            by_phase[gate.gate.phase as usize].push(case);
        }
        Cases { by_phase, left_out }
    }
}

/// Which gates are listed, each with the bytes that it takes without texts; how many are not; and the room that is
/// left for texts. The worst come first, so that room runs out for what matters least.
fn keep(
    run: &RunView<'_>,
    names: &Names,
    mut room: usize,
) -> (Vec<Option<usize>>, Vec<(Verdict, usize)>, usize) {
    let mut kept = vec![None; run.gates.len()];
    let mut left_out = Vec::new();
    for verdict in Verdict::ALL.into_iter().rev() {
        let mut count = 0;
        let of_it = |gate: &GateView<'_>| gate.verdict == verdict && run.is_listed(gate);
        for (at, gate) in run.gates.iter().enumerate().filter(|(_, gate)| of_it(gate)) {
            let least = least_size(gate, names);
            match room.checked_sub(least) {
                Some(rest) => (kept[at], room) = (Some(least), rest),
                None => count += 1,
            }
        }
        if count > 0 {
            left_out.push((verdict, count));
        }
    }
    (kept, left_out, room)
}

fn case(gate: &GateView<'_>, names: &Names) -> TestCase {
    let mut case = TestCase::success(gate.gate.id.as_str(), time(gate.duration_ms()));
    case.classname = Some(names.class(gate.gate.phase.as_str()));
    case.filepath = Some(file_of(gate).into_owned());
    case.result = result(gate);
    let excerpt = gate.ended.map_or("", |ended| ended.excerpt.as_str());
    if !excerpt.is_empty() {
        let most = if gate.verdict == Verdict::Passed { EXCERPT_OF_PASS } else { EXCERPT };
        case.system_out = Some(cdata(&cut_middle(excerpt, most)).into_owned());
    }
    case
}

fn result(gate: &GateView<'_>) -> TestResult {
    let because = |gate: &GateView<'_>| {
        let optional = if gate.gate.required { "" } else { "not required: " };
        let reason = if gate.reason.is_empty() { gate.verdict.as_str() } else { &*gate.reason };
        let message = cut(&visible(&format!("{optional}{reason}")), MESSAGE).into_owned();
        let text = cdata(&text(gate, &message)).into_owned();
        (message, Some(text))
    };
    match gate.verdict {
        Verdict::Passed => TestResult::Success,
        verdict => {
            let (message, cause) = because(gate);
            of_verdict("Gate", verdict, message, cause)
        }
    }
}

/// What a verdict is in JUnit; `what` was judged: a gate, a step, a stage.
pub(super) fn of_verdict(what: &str, verdict: Verdict, message: String, cause: Option<String>) -> TestResult {
    let type_ = |word: &str| format!("{what}{word}");
    match verdict {
        Verdict::Passed => TestResult::Success,
        Verdict::Failed => TestResult::Failure { type_: type_("Failed"), message, cause },
        Verdict::Error => TestResult::Error { type_: type_("Error"), message, cause },
        Verdict::Inconclusive => TestResult::Error { type_: type_("Inconclusive"), message, cause },
        Verdict::Skipped => TestResult::SkippedWithCause { type_: type_("Skipped"), message, cause },
    }
}

/// The text of a case that did not pass: its message once more, what was expected and seen, and where it stands.
fn text(gate: &GateView<'_>, message: &str) -> String {
    let mut text = message.to_owned();
    if gate.attempts() > 0 {
        // Writing to a String can't fail.
        let _ = write!(text, "\nexpected: {}\nattempts: {}", visible(&gate.gate.expect), gate.attempts());
    }
    for seen in gate.ended.iter().flat_map(|ended| &ended.observations) {
        let _ = write!(text, "\nseen: {}", visible(&observed(seen)));
    }
    let text = cut(&text, TEXT);
    let at = &gate.gate.at;
    let file = visible(&at.file);
    format!("{text}\n\ngate {} at {file}:{}\n    at {}\n", gate.gate.case(), at.line, stack(&file, at.line))
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

pub(super) fn without_texts(mut case: TestCase) -> TestCase {
    case.system_out = None;
    match &mut case.result {
        TestResult::Failure { message, cause, .. }
        | TestResult::Error { message, cause, .. }
        | TestResult::SkippedWithCause { message, cause, .. } => {
            NO_ROOM.clone_into(message);
            *cause = Some(NO_ROOM.to_owned());
        }
        TestResult::Success | TestResult::Skipped => {}
    }
    case
}

/// Bytes around a case's names and time, around its result, and around its output.
const CASE: usize = r#"<testcase name="" time="1000000000.000001" classname="" file=""></testcase>"#.len();
const RESULT: usize = r#"<failure type="GateInconclusive" message=""><![CDATA[]]></failure>"#.len();
const OUTPUT: usize = "<system-out><![CDATA[]]></system-out>".len();

/// At least as many bytes as a case takes in the file.
pub(super) fn written_size(case: &TestCase) -> usize {
    let result = match &case.result {
        TestResult::Failure { message, cause, .. }
        | TestResult::Error { message, cause, .. }
        | TestResult::SkippedWithCause { message, cause, .. } => {
            RESULT + attribute(message) + cause.as_ref().map_or(0, String::len)
        }
        TestResult::Success | TestResult::Skipped => 0,
    };
    let [class, file] = [&case.classname, &case.filepath].map(|name| name.as_deref().map_or(0, attribute));
    let output = case.system_out.as_ref().map_or(0, |output| OUTPUT + output.len());
    CASE + attribute(&case.name) + class + file + result + output
}

/// At least as many bytes as the case of a gate takes in the file without its texts.
fn least_size(gate: &GateView<'_>, names: &Names) -> usize {
    let class = "cutproof..readiness".len() + names.dotted.len();
    let result = if gate.verdict == Verdict::Passed { 0 } else { RESULT + 2 * NO_ROOM.len() };
    CASE + gate.gate.id.as_str().len() + class + attribute(&file_of(gate)) + result
}

/// Bytes of a text in an attribute, with everything escaped that may be.
fn attribute(text: &str) -> usize {
    text.bytes().map(|byte| if b"<>&'\"".contains(&byte) { 6 } else { 1 }).sum()
}

fn file_of<'a>(gate: &'a GateView<'_>) -> Cow<'a, str> {
    match visible(&gate.gate.at.file) {
        Cow::Borrowed(file) => cut(file, FILE),
        Cow::Owned(file) => Cow::Owned(cut(&file, FILE).into_owned()),
    }
}

/// The case of a rehearsed cutover. Where it did not end as it must, the run's verdict says so.
fn rehearsed(run: &RunView<'_>) -> String {
    match &run.started.fault {
        None => "rehearsed-cutover".to_owned(),
        Some(fault) => format!("rehearsed-cutover-with-{}", cut(&visible(fault), 60)),
    }
}

/// The case of a shard to which no gate falls: a report without cases is an error for some readers, and green for
/// others.
fn of_no_gate(run: &RunView<'_>, names: &Names) -> Option<TestCase> {
    let shard = run.started.partition.as_ref().filter(|_| run.selected().next().is_none())?;
    let message = format!("no gate of the plan falls to shard {}/{}", shard.index, shard.total);
    let mut case = TestCase::success(&format!("shard-{}-of-{}", shard.index, shard.total), Duration::ZERO);
    case.classname = Some(names.class("run"));
    let cause = Some(message.clone());
    case.result = TestResult::SkippedWithCause { type_: "ShardEmpty".to_owned(), message, cause };
    Some(case)
}

/// The case of a good run that has no other: readiness by flags, a watch. A report without cases says nothing, and a
/// reader can't tell it from one that was emptied.
fn good_run(names: &Names) -> TestCase {
    let mut case = TestCase::success("verdict", Duration::ZERO);
    case.classname = Some(names.class("run"));
    case
}

/// Cases that speak of the run and not of a gate: why it is not good where no gate shows that, and what was left out.
/// Without them a run that was killed between two gates would read as one in which nothing failed.
fn about_run(run: &RunView<'_>, names: &Names, left_out: Vec<(Verdict, usize)>) -> Vec<TestCase> {
    let error = |name: &str, message: String| {
        let mut case = TestCase::error(name, Duration::ZERO, "RunNotGood", "");
        let message = cut(&visible(&message), MESSAGE).into_owned();
        let text = Some(cdata(&message).into_owned());
        case.result = TestResult::Error { type_: "RunNotGood".to_owned(), message, cause: text };
        case.classname = Some(names.class("run"));
        case.filepath =
            run.started.profile.as_ref().map(|profile| cut(&visible(&profile.path), FILE).into_owned());
        case
    };
    let verdict = verdict(run);
    let is_red = |reason: &Reason<'_>| match reason {
        Reason::Gate(gate) => gate.verdict > Verdict::Skipped,
        Reason::Switch(against) => against.is_red(),
        _ => false,
    };
    let red = verdict.reasons.iter().any(is_red);
    let of_case = |reason: &Reason<'_>| matches!(reason, Reason::Gate(_) | Reason::Switch(_));
    let hidden = verdict.reasons.iter().filter(|reason| !(red && of_case(reason)));
    let mut cases = Vec::new();
    if let Some((Verdict::Passed, _)) = run.rehearsed {
        let mut case = TestCase::success(&rehearsed(run), Duration::ZERO);
        case.classname = Some(names.class("run"));
        cases.push(case);
    }
    cases.extend(of_no_gate(run, names));
    let reasons: Vec<_> = hidden.take(20).map(Reason::to_string).collect();
    if !reasons.is_empty() {
        cases.push(error("verdict", format!("the run is {}: {}", verdict.verdict, reasons.join("; "))));
    }
    for verdict in Verdict::ALL.into_iter().rev() {
        let of_it = left_out.iter().filter(|(of, _)| *of == verdict);
        let count: usize = of_it.map(|(_, count)| count).sum();
        if count == 0 {
            continue;
        }
        let name = format!("left-out-{verdict}");
        let message =
            format!("{count} gates that {verdict} are not listed: this report is at its size limit");
        if verdict > Verdict::Skipped {
            cases.push(error(&name, message));
        } else {
            let mut case = error(&name, String::new());
            let (type_, cause) = ("ReportCut".to_owned(), Some(message.clone()));
            case.result = TestResult::SkippedWithCause { type_, message, cause };
            cases.push(case);
        }
    }
    cases
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
