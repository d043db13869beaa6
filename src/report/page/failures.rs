//! What failed, sorted by whose it is to repair: the product was measured and is not as it must be; something between
//! it and us could not be measured; or the evidence is not there, too old, or not to be believed.

use super::said::{REASON, VALUE, output};
use super::timeline::printed;
use super::{Said, Sources, findings, said};
use crate::evidence::{Against, Reason, RunView, ServiceState, verdict};
use crate::model::switch::Stage;
use crate::model::{GateId, Phase, Verdict};
use crate::verify::Severity;
use crate::verify::decision::{GateRow, GateStatus};
use std::collections::{BTreeMap, BTreeSet};

/// The three groups.
#[derive(Debug, Default)]
pub(in crate::report) struct Failures {
    pub product: Vec<Failure>,
    pub infrastructure: Vec<Failure>,
    pub evidence: Vec<Failure>,
}

/// Something that failed.
#[derive(Debug)]
pub(in crate::report) struct Failure {
    pub what: Said,
    /// A word of ours.
    pub status: &'static str,
    pub why: Said,
    /// Where it stands.
    pub at: Said,
    /// What it printed, cut.
    pub output: Vec<Said>,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Product,
    Infrastructure,
    Evidence,
}

impl Failures {
    /// The groups with their names and what they mean.
    pub fn groups(&self) -> [(&'static str, &'static str, &[Failure]); 3] {
        [
            ("Product", "measured, and not as it must be", &self.product),
            (
                "Infrastructure",
                "what the product stands on, or what could not be measured",
                &self.infrastructure,
            ),
            ("Evidence", "not there, too old, or not to be believed", &self.evidence),
        ]
    }

    pub fn is_empty(&self) -> bool {
        self.groups().iter().all(|(_, _, list)| list.is_empty())
    }

    fn add(&mut self, kind: Kind, failure: Failure) {
        match kind {
            Kind::Product => &mut self.product,
            Kind::Infrastructure => &mut self.infrastructure,
            Kind::Evidence => &mut self.evidence,
        }
        .push(failure);
    }
}

pub(super) fn gather(sources: &Sources<'_>) -> Failures {
    let mut failures = Failures::default();
    let excerpts = excerpts(sources);
    let mut rows: Vec<_> =
        sources.judgement.gates.iter().filter(|row| row.status > GateStatus::PassedOnRetry).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.status));
    let red: BTreeSet<_> = rows.iter().map(|row| &row.gate).collect();
    for row in rows {
        failures.add(kind_of_row(row), of_row(row, excerpts.get(row.gate.as_str()).copied().unwrap_or("")));
    }
    for run in sources.views() {
        services(run, &mut failures);
        reasons(run, &red, &mut failures);
    }
    for finding in &sources.judgement.findings {
        if finding.severity == Severity::Error && !findings::is_of_row(sources.judgement, finding) {
            let what = said(finding.code.as_str(), VALUE);
            let (at, why) = (findings::place(finding), findings::sentence(finding));
            let failure = Failure { what, status: "refused", why, at, output: Vec::new() };
            failures.add(Kind::Evidence, failure);
        }
    }
    failures
}

/// What gates printed, by their names; the run's own before those of runs within it.
fn excerpts<'a>(sources: &'a Sources<'_>) -> BTreeMap<&'a str, &'a str> {
    let mut excerpts = BTreeMap::new();
    for gate in sources.views().flat_map(|run| &run.gates) {
        let printed = gate.ended.map_or("", |ended| ended.excerpt.as_str());
        if !printed.is_empty() {
            excerpts.entry(gate.gate.id.as_str()).or_insert(printed);
        }
    }
    excerpts
}

fn kind_of_row(row: &GateRow) -> Kind {
    match row.status {
        GateStatus::Missing | GateStatus::Stale | GateStatus::NotRun | GateStatus::Blocked => Kind::Evidence,
        _ => row.verdict.map_or(Kind::Evidence, |verdict| kind(verdict, row.phase)),
    }
}

fn kind(verdict: Verdict, phase: Option<Phase>) -> Kind {
    match (verdict, phase) {
        (Verdict::Error | Verdict::Inconclusive, _) | (Verdict::Failed, Some(Phase::Infra)) => {
            Kind::Infrastructure
        }
        (_, Some(Phase::Evidence)) | (Verdict::Skipped, _) => Kind::Evidence,
        _ => Kind::Product,
    }
}

fn of_row(row: &GateRow, excerpt: &str) -> Failure {
    let why = match row.reason.as_str() {
        "" => format!("expected {}, seen {}", row.expect, row.seen),
        reason => reason.to_owned(),
    };
    Failure {
        what: said(row.gate.as_str(), VALUE),
        status: row.status.as_str(),
        why: said(why, REASON),
        at: said(&row.at, VALUE),
        output: output(excerpt),
    }
}

fn services(run: &RunView<'_>, failures: &mut Failures) {
    for (name, service) in &run.services {
        if let ServiceState::Failed { reason, .. } = service.state {
            let what = said(format!("service {name}"), VALUE);
            let why = said(reason, REASON);
            let failure = Failure { what, status: "not there", why, at: Said::default(), output: Vec::new() };
            failures.add(Kind::Infrastructure, failure);
        }
    }
}

/// What stands against a run besides the gates that the matrix shows as red.
fn reasons<'a>(run: &'a RunView<'a>, red: &BTreeSet<&GateId>, failures: &mut Failures) {
    for reason in verdict(run).reasons {
        let (kind, status, output) = match &reason {
            Reason::Gate(view) if red.contains(&view.gate.id) => continue,
            Reason::Gate(view) | Reason::SetUp(view) => {
                let printed = view.ended.map_or("", |ended| ended.excerpt.as_str());
                (kind(view.verdict, Some(view.gate.phase)), view.verdict.as_str(), output(printed))
            }
            Reason::Flaky(_) => (Kind::Product, "flaky", Vec::new()),
            Reason::Unhealthy(_) => (Kind::Product, "not healthy", Vec::new()),
            Reason::Watch(_) => (Kind::Product, "watch", Vec::new()),
            Reason::Rehearsed(_) => (Kind::Product, "rehearsal", Vec::new()),
            Reason::Switch(against) => switch(against),
            Reason::Interrupted(_) => (Kind::Evidence, "interrupted", Vec::new()),
            Reason::NoEnd(_) => (Kind::Evidence, "no end", Vec::new()),
            Reason::NoGates | Reason::NoLevels | Reason::EndedAs(_) => {
                (Kind::Evidence, "no proof", Vec::new())
            }
        };
        let what = said(run.started.run.as_str(), VALUE);
        let why = said(reason.to_string(), REASON);
        failures.add(kind, Failure { what, status, why, at: Said::default(), output });
    }
}

fn switch(against: &Against<'_>) -> (Kind, &'static str, Vec<Said>) {
    match against {
        Against::Step(_, step) => (Kind::Product, "step failed", printed(step)),
        Against::Stage(stage) => {
            let of_gates = matches!(stage.stage, Stage::Preflight);
            let phase = if of_gates { Phase::Infra } else { Phase::Switch };
            (kind(stage.verdict, Some(phase)), stage.verdict.as_str(), Vec::new())
        }
        Against::Incomplete(_) | Against::NoDrill => (Kind::Evidence, "not complete", Vec::new()),
        Against::Interrupted(_) => (Kind::Evidence, "interrupted", Vec::new()),
        Against::RolledBack(_) => (Kind::Product, "rolled back", Vec::new()),
        Against::Limit { .. } => (Kind::Product, "too late", Vec::new()),
    }
}
