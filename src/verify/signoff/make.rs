//! From a judgement to the sign-off that says it.

use super::{
    CountingRun, Gate, NotListed, OtherRun, PROJECTION, PolicyUsed, Reason, SignOff, VERSION, Waived,
};
use crate::bundle::BundledJournal;
use crate::model::event::FileDigest;
use crate::model::{RunId, Stamp};
use crate::policy::{Bound, Policy};
use crate::verify::bundle::Bundle;
use crate::verify::code::Class;
use crate::verify::decision::{Decision, GateRow, JudgedRun, Judgement, WaiverRow};
use crate::verify::finding::{Finding, Findings, More, Severity};
use crate::verify::runs::{Selection, stands_against};

/// What a policy made of the run that counts, together with what stands against the runs as they were handed in: a
/// bundle that is not intact refuses, whether it counts or not; that one has no end only tells why it does not count.
/// Where it is no go, nothing holds until any time.
pub fn combine(judgement: Judgement, selection: Selection, bundles: &[Bundle]) -> Judgement {
    let mut found = Findings::new([]);
    let mut seen: Vec<Finding> = Vec::new();
    let counting = selection.counting.and_then(|place| bundles.get(place));
    let others =
        bundles.iter().filter(|bundle| counting.is_none_or(|counting| !std::ptr::eq(counting, *bundle)));
    let of_others = others.flat_map(|bundle| &bundle.findings).map(of_other);
    let of_counting = counting.into_iter().flat_map(|bundle| bundle.findings.clone());
    let all = judgement.findings.into_iter().chain(selection.findings).chain(of_counting).chain(of_others);
    for finding in all {
        // The same may have been told by whoever judged the bundle before.
        if !seen.contains(&finding) {
            seen.push(finding);
        }
    }
    found.take(seen, [judgement.more, selection.more].concat());
    let (findings, more) = found.finish();
    let decision = match class(&findings, &more) {
        Some(Class::Tampered | Class::Refused) => Decision::NoGo,
        Some(Class::Missing | Class::Inconclusive) => judgement.decision.max(Decision::Incomplete),
        None => judgement.decision,
    };
    let valid_until = judgement.valid_until.filter(|_| decision.is_go());
    Judgement { decision, valid_until, runs: selection.runs, findings, more, ..judgement }
}

/// A finding of a bundle that does not count.
fn of_other(finding: &Finding) -> Finding {
    match stands_against(finding) {
        true => finding.clone(),
        false => Finding { severity: Severity::Warning, ..finding.clone() },
    }
}

/// The judgement where no run counts: there was nothing to judge.
pub fn unjudged(bundles: &[Bundle], policy: &Policy, at: Stamp) -> Judgement {
    let manifest = bundles.iter().filter_map(|bundle| bundle.manifest.as_ref()).max_by_key(|it| it.started);
    Judgement {
        decision: Decision::Incomplete,
        policy: FileDigest { path: policy.path.clone(), sha256: policy.sha256.clone() },
        policy_name: policy.name.clone(),
        at,
        environment: manifest.map_or_else(|| "unknown".to_owned(), |manifest| manifest.environment.clone()),
        commit: manifest.and_then(|manifest| manifest.source.as_ref()).map(|source| source.commit.clone()),
        profile: manifest.and_then(|manifest| manifest.profile.clone()),
        runs: Vec::new(),
        gates: Vec::new(),
        waivers: Vec::new(),
        signers: Vec::new(),
        valid_until: None,
        findings: Vec::new(),
        more: Vec::new(),
    }
}

/// What refuses it, in the words of exit codes; none where it is a go.
pub fn refused_by(judgement: &Judgement) -> Option<Class> {
    let class = class(&judgement.findings, &judgement.more);
    match judgement.decision {
        Decision::Go | Decision::GoWithWaivers => None,
        Decision::NoGo => class.filter(|class| *class == Class::Tampered).or(Some(Class::Refused)),
        Decision::Incomplete => class.filter(|class| *class == Class::Inconclusive).or(Some(Class::Missing)),
    }
}

/// What refuses, where something does.
fn class(findings: &[Finding], more: &[More]) -> Option<Class> {
    let told = findings.iter().map(|finding| (finding.severity, finding.code));
    let all = told.chain(more.iter().map(|more| (more.severity, more.code)));
    all.filter(|(severity, _)| *severity == Severity::Error).map(|(_, code)| code.class()).max()
}

/// The sign-off that says this. `made` is now.
pub fn make(judgement: &Judgement, bundles: &[Bundle], made: Stamp) -> SignOff {
    let Judgement { policy, valid_until, .. } = judgement;
    let counting = judgement.runs.iter().find(|run| run.counts);
    SignOff {
        projection: PROJECTION.to_owned(),
        version: VERSION,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        made,
        decision: judgement.decision,
        at: judgement.at,
        valid_until: valid_until.as_ref().map(|(until, _)| *until),
        expires_first: valid_until.as_ref().map(|(_, what)| what.clone()),
        environment: judgement.environment.clone(),
        commit: judgement.commit.clone(),
        profile: judgement.profile.clone(),
        policy: PolicyUsed {
            name: judgement.policy_name.clone(),
            path: policy.path.clone(),
            sha256: policy.sha256.clone(),
        },
        run: counting.map(|run| counting_run(run, bundles)),
        other_runs: judgement.runs.iter().filter(|run| !run.counts).map(other_run).collect(),
        gates: judgement.gates.iter().map(gate).collect(),
        waivers: judgement.waivers.iter().map(waived).collect(),
        signers: judgement.signers.clone(),
        findings: judgement.findings.iter().map(reason_of).collect(),
        not_listed: judgement.more.iter().map(not_listed).collect(),
    }
}

fn counting_run(run: &JudgedRun, bundles: &[Bundle]) -> CountingRun {
    let bundle = bundles.iter().find(|bundle| bundle.folder.display().to_string() == run.folder);
    CountingRun {
        run: run.run.clone(),
        folder: run.folder.clone(),
        started: run.started,
        outcome: run.outcome.clone(),
        why: run.why.clone(),
        manifest_sha256: run.manifest_sha256.clone(),
        journals: bundle.map_or_else(Vec::new, |bundle| journals(bundle, &run.run)),
    }
}

/// The heads of the journals as they were read, not as the manifest claims them.
fn journals(bundle: &Bundle, run: &RunId) -> Vec<BundledJournal> {
    let of_manifest = |path: &str| {
        let listed = bundle.manifest.iter().flat_map(|manifest| &manifest.journals);
        listed.into_iter().find(|journal| journal.path == path).map(|journal| journal.run.clone())
    };
    let journal = |journal: &crate::verify::bundle::Journal| BundledJournal {
        path: journal.path.clone(),
        run: of_manifest(&journal.path).unwrap_or_else(|| run.clone()),
        entries: journal.records.entries.len(),
        head: journal.records.head.to_string(),
    };
    bundle.journals.iter().map(journal).collect()
}

fn other_run(run: &JudgedRun) -> OtherRun {
    let JudgedRun { run, folder, manifest_sha256, started, outcome, why, .. } = run.clone();
    OtherRun { run, folder, started, outcome, why, manifest_sha256 }
}

fn gate(row: &GateRow) -> Gate {
    Gate {
        gate: row.gate.to_string(),
        phase: row.phase,
        required: row.required,
        expect: row.expect.clone(),
        seen: row.seen.clone(),
        verdict: row.verdict,
        attempts: row.attempts,
        measured: row.measured,
        max_age_s: row.max_age.map(|age| age.as_secs_f64()),
        status: row.status,
        reason: row.reason.clone(),
        at: row.at.clone(),
    }
}

fn waived(row: &WaiverRow) -> Waived {
    let (commit, evidence) = match &row.bound {
        Bound::Commit(commit) => (Some(commit.clone()), None),
        Bound::Evidence(sha256) => (None, Some(sha256.clone())),
    };
    Waived {
        gate: row.gate.to_string(),
        reason: row.reason.clone(),
        approver: row.approver.clone(),
        expires: row.expires,
        commit,
        evidence,
        state: row.state,
        result: row.result.clone(),
    }
}

pub(super) fn reason_of(finding: &Finding) -> Reason {
    Reason {
        code: finding.code.as_str().to_owned(),
        group: finding.code.group().as_str().to_owned(),
        severity: finding.severity.as_str().to_owned(),
        evidence: finding.evidence.as_str().to_owned(),
        file: finding.file.clone(),
        line: finding.line,
        subject: finding.subject.clone(),
        meaning: finding.code.meaning().map(str::to_owned),
        expected: finding.expected.clone(),
        seen: finding.seen.clone(),
        advice: finding.advice.clone(),
    }
}

fn not_listed(more: &More) -> NotListed {
    let (code, severity) = (more.code.as_str().to_owned(), more.severity.as_str().to_owned());
    NotListed { code, severity, count: more.count }
}
