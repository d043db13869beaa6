//! Holds runs against a policy: what they were made of, which gates passed and how long ago, who signed, and until when
//! that holds. Bundles that were read, checked rules and a moment in; a judgement out. It reads no file and no clock.
//!
//! What does not count is told and leaves what must be there unmet, so nothing that is left out of a bundle makes a
//! judgement better. Nothing here excuses what was found in a bundle: a waiver is for a gate that is red.

mod drill;
mod gates;
mod made_of;
mod names;
mod runs;
mod signers;
mod until;
mod waivers;
mod worth;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use names::BadPolicy;

use super::bundle::Bundle;
use super::code::{Class, Code};
use super::decision::{Decision, JudgedRun, Judgement};
use super::finding::{Evidence, Finding, Findings, More, Place, Severity};
use crate::evidence::verdict;
use crate::model::event::FileDigest;
use crate::model::{Position, RunId, Stamp};
use crate::policy::Policy;
use gates::Judged;
use runs::Run;
use until::Until;

/// Judges the run at `counting`, as it will be at `at`. The other bundles are asked for a rollback drill, and nothing of
/// their gates is mixed in.
///
/// Thresholds of the role `approver` are not counted here: approvers sign the sign-off that is made of this.
///
/// # Errors
/// Where the policy names a gate, tag, phase or service that no run has: a rule that selects nothing would be no rule.
pub fn judge(
    bundles: &[Bundle],
    counting: usize,
    policy: &Policy,
    at: Stamp,
) -> Result<Judgement, BadPolicy> {
    let runs: Vec<Run<'_>> = bundles.iter().map(Run::of).collect();
    let Some(run) = runs.get(counting) else { return Ok(nothing(policy, at)) };
    names::check(&runs, run, policy)?;
    let mut found = Findings::new([(Evidence::Policy, policy.path.clone())]);
    let mut until = Until::default();
    found.take(run.bundle.findings.clone(), run.bundle.more.clone());
    run.is_there(&mut found);
    expired(policy, at, &mut found, &mut until);
    made_of::check(run, policy, at, &mut found);
    drill::check(&runs, run, policy, at, &mut found, &mut until);
    let Judged { rows, waivers } = gates::judge(run, policy, at, &mut found, &mut until);
    worth::check(run, policy, &mut found);
    let signers = signers::count(run, policy, &mut found);
    let (findings, more) = found.finish();
    let waived = rows.iter().any(|row| row.status == super::decision::GateStatus::Waived);
    let decision = decide(&findings, &more, waived);
    Ok(Judgement {
        decision,
        environment: run.started().map(|started| started.environment.clone()).unwrap_or_default(),
        commit: run.source().map(|source| source.commit.clone()),
        profile: run.started().and_then(|started| started.profile.clone()),
        runs: judged_runs(&runs, counting),
        gates: rows,
        waivers,
        signers,
        valid_until: until.earliest().filter(|_| decision.is_go()),
        findings,
        more,
        ..nothing(policy, at)
    })
}

/// The judgement where there is no run to judge.
fn nothing(policy: &Policy, at: Stamp) -> Judgement {
    let mut found = Findings::new([]);
    let place = Place::nowhere(Evidence::Bundle, "the run that counts");
    found.refuse(Code::EvidenceNotFound, place, "there", "nothing: no run was handed in that counts");
    let (findings, more) = found.finish();
    Judgement {
        decision: Decision::Incomplete,
        policy: FileDigest { path: policy.path.clone(), sha256: policy.sha256.clone() },
        policy_name: policy.name.clone(),
        at,
        environment: String::new(),
        commit: None,
        profile: None,
        runs: Vec::new(),
        gates: Vec::new(),
        waivers: Vec::new(),
        signers: Vec::new(),
        valid_until: None,
        findings,
        more,
    }
}

/// A policy whose time is over refuses nothing that is green: it has to be renewed before anything is signed off.
fn expired(policy: &Policy, at: Stamp, found: &mut Findings, until: &mut Until) {
    let Some(expires) = policy.expires else { return };
    if at < expires {
        until.ends(expires, || "the policy expires".to_owned());
    } else {
        let place = Place::nowhere(Evidence::Policy, "`expires`");
        let advice = "renew the policy";
        found.refuse_and_advise(
            Code::PolicyExpired,
            place,
            format!("after {at}"),
            expires.to_string(),
            advice,
        );
    }
}

fn decide(findings: &[Finding], more: &[More], waived: bool) -> Decision {
    let told = findings.iter().map(|finding| (finding.severity, finding.code));
    let all = told.chain(more.iter().map(|more| (more.severity, more.code)));
    let worst = all.filter(|(severity, _)| *severity == Severity::Error).map(|(_, code)| code.class()).max();
    match worst {
        Some(Class::Tampered | Class::Refused) => Decision::NoGo,
        Some(Class::Missing | Class::Inconclusive) => Decision::Incomplete,
        None if waived => Decision::GoWithWaivers,
        None => Decision::Go,
    }
}

/// All runs, newest first. Which one counts was decided before.
fn judged_runs(runs: &[Run<'_>], counting: usize) -> Vec<JudgedRun> {
    let judged = |(place, run): (usize, &Run<'_>)| {
        let manifest = run.bundle.manifest.as_ref();
        let folder = run.bundle.folder.display().to_string();
        let own = run.started();
        let counts = place == counting;
        let of_name =
            || RunId::from_text(run.bundle.folder.file_name().unwrap_or_default().to_string_lossy().as_ref());
        let of_own = || own.map(|started| started.run.clone());
        JudgedRun {
            run: manifest.map(|manifest| manifest.run.clone()).or_else(of_own).unwrap_or_else(of_name),
            folder,
            manifest_sha256: run.bundle.manifest_sha256.clone(),
            started: manifest
                .map(|manifest| manifest.started)
                .or(own.map(|started| started.started))
                .unwrap_or(Stamp::from_millis(0)),
            outcome: run.tops().next().map_or("unknown", |top| verdict(&top.run).verdict.as_str()).to_owned(),
            counts,
            why: if counts { "it was handed in as the one that counts" } else { "another one counts" }
                .to_owned(),
        }
    };
    let mut list: Vec<_> = runs.iter().enumerate().map(judged).collect();
    list.sort_by_key(|run| std::cmp::Reverse(run.started));
    list
}

/// A rule of the policy, as the place of a finding.
fn rule(at: &Position, subject: impl Into<String>) -> Place {
    Place::in_file(Evidence::Policy, &at.file, subject).line(at.line)
}

/// A rule of the policy, as findings name it.
fn stands(at: &Position) -> String {
    format!("{}:{}", at.file, at.line)
}
