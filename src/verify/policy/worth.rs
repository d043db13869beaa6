//! What a run is worth by its own rule, beside its gates, which are judged one by one.

use super::runs::{Run, View};
use crate::evidence::{Reason, verdict};
use crate::policy::Policy;
use crate::verify::code::Code;
use crate::verify::finding::Findings;

/// A run that signs something off came to its end, is real and whole, nothing was made to fail in it, and nothing but
/// gates stands against it.
pub(super) fn check(run: &Run<'_>, policy: &Policy, found: &mut Findings) {
    for top in run.tops() {
        worth(run, top, policy, found);
        if let Some(parent) = &top.run.started.parent {
            let advice = "hand in the folder of that run";
            let (expected, seen) = ("a run of its own", format!("a part of the run {parent}"));
            found.refuse_and_advise(Code::RunWithin, run.at(top, "the run"), expected, seen, advice);
        }
    }
    for view in &run.views {
        if view.run.started.dry_run {
            found.refuse(Code::DryRun, run.at(view, "the run").line(1), "a real one", "a dry run");
        }
        if let Some(fault) = &view.run.started.fault {
            let (expected, seen) = ("one in which nothing is made to fail", format!("the fault {fault}"));
            found.refuse(Code::FaultOnPurpose, run.at(view, "the run").line(1), expected, seen);
        }
    }
    if run.is_partial() {
        let selection = run.tops().find_map(|top| top.run.started.selection.as_deref());
        let seen = selection.unwrap_or("some of them");
        found.refuse(Code::PartialRun, run.here("the run"), "one of all gates", seen);
    }
}

fn worth(run: &Run<'_>, top: &View<'_>, policy: &Policy, found: &mut Findings) {
    let at = |subject: &str| run.at(top, subject);
    for reason in verdict(&top.run).reasons {
        match &reason {
            Reason::NoEnd(_) if found.has(Code::RunUnfinished) => {}
            Reason::NoEnd(_) => found.refuse(Code::RunUnfinished, at("the run"), "ended", reason.to_string()),
            Reason::Interrupted(by) => {
                found.refuse(
                    Code::RunInterrupted,
                    at("the run"),
                    "ended by itself",
                    format!("ended by {by}"),
                );
            }
            Reason::Gate(view) if top.is_setup(&view.gate.id) => {
                found.refuse(Code::RunNotPassed, at(&view.gate.case()), "passed", reason.to_string());
            }
            // Told by its row, where it may be waived.
            Reason::Gate(_) => {}
            // Told by its row.
            Reason::Flaky(_) if policy.requires.no_flaky => {}
            Reason::Flaky(view) => {
                let (expected, seen) = ("passed at the first attempt", reason.to_string());
                found.refuse(Code::GateFlaky, at(&view.gate.case()), expected, seen);
            }
            other => found.refuse(Code::RunNotPassed, at("the run"), "passed", other.to_string()),
        }
    }
}
