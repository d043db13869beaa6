//! The first screen: the decision, why in a sentence, and for what it was made.

use super::said::{PATH, REASON, VALUE, lasting, many, moment};
use super::{Said, Sources, said};
use crate::evidence::{RunView, SequenceView, verdict};
use crate::policy::Policy;
use crate::verify::Severity;
use crate::verify::decision::{Decision, GateStatus, Judgement};

/// So many signers are named in the banner.
const SIGNERS: usize = 8;

/// The decision and what it is about.
#[derive(Debug)]
pub(in crate::report) struct Banner {
    pub decision: Decision,
    /// Why, in a sentence of ours.
    pub why: String,
    /// What must be known before anything below is read, in sentences of ours.
    pub cautions: Vec<String>,
    /// For what, when and by whom it was made.
    pub facts: Vec<Fact>,
}

/// Something that is known: a name of ours, what is said, and a remark of ours.
#[derive(Debug, PartialEq)]
pub(in crate::report) struct Fact {
    pub name: &'static str,
    pub said: Vec<Said>,
    pub remark: String,
}

impl Fact {
    pub fn new(name: &'static str, of: Said, remark: impl Into<String>) -> Fact {
        Fact { name, said: vec![of], remark: remark.into() }
    }

    /// Something of which nothing is said.
    pub fn none(name: &'static str, remark: impl Into<String>) -> Fact {
        Fact { name, said: Vec::new(), remark: remark.into() }
    }
}

pub(super) fn gather(sources: &Sources<'_>) -> Banner {
    let judgement = sources.judgement;
    Banner {
        decision: judgement.decision,
        why: why(judgement),
        cautions: cautions(sources),
        facts: vec![
            Fact::new("Environment", said(&judgement.environment, VALUE), ""),
            commit(sources),
            window(sources),
            Fact::new("Policy", said(&judgement.policy_name, VALUE), ""),
            signers(judgement),
            valid_until(judgement),
            Fact::new(
                "Judged for",
                said(moment(judgement.at), VALUE),
                "ages and expiries are counted to then",
            ),
            run(sources),
        ],
    }
}

/// How many gates must have passed and did, what became of the others, and what else stands against it.
fn why(judgement: &Judgement) -> String {
    let required = judgement.gates.iter().filter(|row| row.required);
    let count = |status: GateStatus| required.clone().filter(|row| row.status == status).count();
    let total = required.clone().count();
    let retried = count(GateStatus::PassedOnRetry);
    let passed = count(GateStatus::Passed) + retried;
    let mut parts = match total {
        0 => vec!["No gate is required".to_owned()],
        1 if passed == 1 => vec!["The one required gate passed".to_owned()],
        total if passed == total => vec![format!("All {total} required gates passed")],
        total => vec![format!("{passed} of {} passed", many(total, "required gate"))],
    };
    parts.extend((retried > 0).then(|| format!("{retried} of them on retry")));
    let others = super::gates::STATUSES.iter().filter(|status| **status > GateStatus::PassedOnRetry);
    let told = others.map(|status| (count(*status), status)).filter(|(count, _)| *count > 0);
    parts.extend(told.map(|(count, status)| format!("{count} {}", status.as_str())));
    let mut why = parts.join(", ") + ".";
    let errors = judgement.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let counted = judgement.more.iter().filter(|more| more.severity == Severity::Error);
    let errors = errors + counted.map(|more| more.count).sum::<usize>();
    if errors > 0 {
        let stand = if errors == 1 { "stands" } else { "stand" };
        why.push_str(&format!(" {} {stand} against it.", many(errors, "finding")));
    }
    why
}

fn cautions(sources: &Sources<'_>) -> Vec<String> {
    let mut cautions = Vec::new();
    if sources.counting().is_none() {
        let text =
            "No run counts: there is nothing here to sign. What is told below of a run is of the newest one.";
        cautions.push(text.to_owned());
    }
    if sources.run.is_some() && sources.bundle.is_none() {
        cautions.push("The evidence of the run is not at hand: only the judgement is told.".to_owned());
    }
    if sources.is_refused() {
        let text = "The evidence of this run is refused. What is told of it below is only what it claims.";
        cautions.push(text.to_owned());
    }
    let own = sources.journals.first().and_then(|journal| journal.run.as_ref().ok());
    if own.is_some_and(|run| run.started.dry_run) {
        cautions.push("A dry run: nothing was touched or measured.".to_owned());
    }
    if own.is_some_and(|run| run.partial()) {
        cautions.push("A partial run: only a selection of the gates ran. It signs nothing off.".to_owned());
    }
    cautions.extend(sources.views().filter_map(switched));
    cautions.extend(less_than_it_seems(sources));
    if sources.journals.iter().any(|journal| journal.run.is_err()) {
        cautions.push("A journal contradicts itself, and is not told below.".to_owned());
    }
    cautions
}

/// Why a decision may say less than it seems to.
fn less_than_it_seems(sources: &Sources<'_>) -> Vec<String> {
    let mut cautions = Vec::new();
    if sources.judgement.policy.path == Policy::built_in().path {
        cautions.push("No policy was given: only the profile's required gates were asked for.".to_owned());
    }
    let source = sources.bundle.and_then(|bundle| bundle.manifest.as_ref()?.source.as_ref());
    if source.is_some_and(|source| source.dirty) {
        cautions.push("The work tree was not as the commit has it.".to_owned());
    }
    let services = super::services::gather(sources);
    let differ = services.iter().filter(|service| !service.differs.is_empty()).count();
    if differ > 0 {
        let all = many(services.len(), "service");
        cautions.push(format!("{differ} of {all} differ from what the real host runs."));
    }
    cautions
}

/// Which core runs, where that is not the new one after a cutover that went well.
fn switched(run: &RunView<'_>) -> Option<String> {
    let switch = run.switch.as_ref().filter(|_| !run.started.dry_run)?;
    let (cutover, rollback) = (&switch.cutover, &switch.rollback);
    // What was made of a drill is told with its steps.
    let drill = switch.plan.force_rollback && verdict(run).verdict.is_fine();
    let steps = |sequence: &SequenceView<'_>| {
        format!("{} of {} steps are done", sequence.done(), sequence.steps.len())
    };
    match (cutover.began, rollback.began) {
        (_, Some(_)) if !rollback.is_complete() => {
            Some(format!("The rollback is not complete: {}. Find out which core runs.", steps(rollback)))
        }
        (_, Some(_)) if drill => None,
        (_, Some(_)) => Some("It was rolled back: the previous core runs.".to_owned()),
        (Some(_), None) if !cutover.is_complete() => {
            Some(format!("The cutover is not complete: {}. Find out which core runs.", steps(cutover)))
        }
        _ => None,
    }
}

fn commit(sources: &Sources<'_>) -> Fact {
    const NAME: &str = "Commit";
    let Some(commit) = &sources.judgement.commit else { return Fact::none(NAME, "not known") };
    let source = sources.bundle.and_then(|bundle| bundle.manifest.as_ref()?.source.as_ref());
    let remark = match source {
        Some(source) if source.dirty => "the work tree differs",
        Some(_) => "the work tree was as the commit has it",
        None => "",
    };
    Fact::new(NAME, said(commit, VALUE), remark)
}

/// The window of the cutover, as its template has it.
fn window(sources: &Sources<'_>) -> Fact {
    const NAME: &str = "Window";
    let plan = sources.views().find_map(|run| run.started.switch.as_ref()?.cutover.as_ref());
    let Some(plan) = plan else { return Fact::none(NAME, "the run has no cutover") };
    let mut remark = match plan.window_end {
        Some(end) => format!("{} to {}", moment(plan.window_start), moment(end)),
        None => format!("from {}", moment(plan.window_start)),
    };
    if !plan.window_met {
        remark.push_str("; the run began outside of it");
    }
    Fact::new(NAME, said(&plan.window, VALUE), remark)
}

fn signers(judgement: &Judgement) -> Fact {
    const NAME: &str = "Signed by";
    if judgement.signers.is_empty() {
        return Fact::none(NAME, "nobody");
    }
    let signer =
        |signer: &crate::verify::decision::Signer| said(format!("{} ({})", signer.name, signer.role), VALUE);
    let more = judgement.signers.len().saturating_sub(SIGNERS);
    let remark = if more > 0 { format!("and {more} more, told below") } else { String::new() };
    Fact { name: NAME, said: judgement.signers.iter().take(SIGNERS).map(signer).collect(), remark }
}

fn valid_until(judgement: &Judgement) -> Fact {
    const NAME: &str = "Valid until";
    match &judgement.valid_until {
        Some((until, what)) => {
            let left = lasting(until.since(judgement.at));
            let said = vec![said(moment(*until), VALUE), said(what, REASON)];
            Fact { name: NAME, said, remark: format!("{left} from when it was judged for") }
        }
        None if judgement.decision.is_go() => Fact::none(NAME, "no end: nothing that it rests on expires"),
        None => Fact::none(NAME, "not valid"),
    }
}

fn run(sources: &Sources<'_>) -> Fact {
    const NAME: &str = "Run that counts";
    let Some(run) = sources.counting() else { return Fact::none(NAME, "none") };
    let remark = match sources.judgement.runs.len() - 1 {
        0 => String::new(),
        others => format!("{} discarded, told below", many(others, "other run")),
    };
    Fact { name: NAME, said: vec![said(run.run.as_str(), PATH), said(&run.outcome, VALUE)], remark }
}
