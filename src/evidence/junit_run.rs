//! Cases of `junit.xml` that speak of the run and not of a gate: why it is not good where no gate shows that, that a
//! cutover was rehearsed, and what there was no room for. Without them a run that was killed between two gates would read
//! as one in which nothing failed.

use super::junit::{FILE, MESSAGE, Names};
use super::junit_case::{Case, Fault, Kind};
use super::junit_fit::Fit;
use super::text::{cut, visible};
use super::verdict::{Reason, verdict};
use super::view::RunView;
use crate::model::Verdict;

/// So many reasons are told.
const REASONS: usize = 20;

/// The cases; none where there is nothing to say.
pub(super) fn cases(run: &RunView<'_>, names: &Names, fit: &Fit) -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    if let Some((Verdict::Passed, _)) = run.rehearsed {
        cases.push(Case::new(rehearsed(run), names.class("run"), 0));
    }
    cases.extend(of_no_gate(run, names));
    cases.extend(of_verdict(run, names));
    cases.extend(left_out(run, names, fit));
    cases
}

/// The case of a good run that has no other: readiness by flags, a watch. A report without cases says nothing, and a
/// reader can't tell it from one that was emptied.
pub(super) fn good(names: &Names) -> Case<'static> {
    Case::new("verdict", names.class("run"), 0)
}

/// Why the run is not good, as far as no other case shows that.
fn of_verdict(run: &RunView<'_>, names: &Names) -> Option<Case<'static>> {
    let verdict = verdict(run);
    let is_red = |reason: &Reason<'_>| match reason {
        Reason::Gate(gate) => gate.verdict > Verdict::Skipped,
        Reason::Flaky(_) => true,
        Reason::Switch(against) => against.is_red(),
        _ => false,
    };
    let red = verdict.reasons.iter().any(is_red);
    let has_case =
        |reason: &Reason<'_>| matches!(reason, Reason::Gate(_) | Reason::Flaky(_) | Reason::Switch(_));
    let hidden = verdict.reasons.iter().filter(|reason| !(red && has_case(reason)));
    let reasons: Vec<_> = hidden.take(REASONS).map(Reason::to_string).collect();
    let message = format!("the run is {}: {}", verdict.verdict, reasons.join("; "));
    (!reasons.is_empty()).then(|| case("verdict".to_owned(), Kind::Error, "RunNotGood", &message, run, names))
}

/// What there was no room for, the worst first. That a case is not listed that did not pass is red.
fn left_out(run: &RunView<'_>, names: &Names, fit: &Fit) -> Vec<Case<'static>> {
    const WHY: &str = "this report is at its size limit";
    let of_cases = fit.left_out.iter().map(|(verdict, count)| {
        let message = format!("{count} gates that {verdict} are not listed: {WHY}");
        let (kind, type_) = match *verdict > Verdict::Skipped {
            true => (Kind::Error, "RunNotGood"),
            false => (Kind::Skipped, "ReportCut"),
        };
        case(format!("left-out-{verdict}"), kind, type_, &message, run, names)
    });
    let of_texts = (fit.without_texts > 0).then(|| {
        let message = format!(
            "{} cases are listed without their texts, which the journal has: {WHY}",
            fit.without_texts
        );
        case("left-out-texts".to_owned(), Kind::Skipped, "ReportCut", &message, run, names)
    });
    of_cases.chain(of_texts).collect()
}

/// The case of a shard to which no gate falls: a report without cases is an error for some readers, and green for
/// others.
fn of_no_gate(run: &RunView<'_>, names: &Names) -> Option<Case<'static>> {
    let shard = run.started.partition.as_ref().filter(|_| run.selected().next().is_none())?;
    let message = format!("no gate of the plan falls to shard {}/{}", shard.index, shard.total);
    let name = format!("shard-{}-of-{}", shard.index, shard.total);
    Some(Case { file: None, ..case(name, Kind::Skipped, "ShardEmpty", &message, run, names) })
}

fn case(
    name: String,
    kind: Kind,
    type_: &str,
    message: &str,
    run: &RunView<'_>,
    names: &Names,
) -> Case<'static> {
    let message = cut(&visible(message), MESSAGE).into_owned();
    let profile = run.started.profile.as_ref();
    Case {
        file: profile.map(|profile| cut(&visible(&profile.path), FILE).into_owned().into()),
        fault: Some(Fault { kind, type_: type_.to_owned(), text: message.clone(), message }),
        ..Case::new(name, names.class("run"), 0)
    }
}

/// The case of a rehearsed cutover. Where it did not end as it must, the run's verdict says so.
fn rehearsed(run: &RunView<'_>) -> String {
    match &run.started.fault {
        None => "rehearsed-cutover".to_owned(),
        Some(fault) => format!("rehearsed-cutover-with-{}", cut(&visible(fault), 60)),
    }
}
