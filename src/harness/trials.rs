//! A trial for each gate. They know who to ask for a gate's outcome, and not how it comes about.

use crate::model::{GateId, Verdict};
use crate::plan::{Plan, PlannedGate};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::sync::Arc;

/// What came of a gate.
pub(super) struct Came {
    pub verdict: Verdict,
    pub reason: String,
    pub excerpt: String,
    /// How often it was measured.
    pub attempts: u32,
    /// What stands against the run beside its gates; it fails this trial, since no other would show it.
    pub against: Option<String>,
}

/// Runs a gate, or says what came of it; an error where nothing is known of it.
pub(super) type Ask = Arc<dyn Fn(&GateId) -> Result<Came, String> + Send + Sync>;

/// A trial for each gate of a plan.
pub(super) fn trials(plan: &Plan, ask: &Ask, dry_run: bool) -> Vec<Trial> {
    plan.gates.iter().map(|planned| trial(planned, ask, dry_run)).collect()
}

fn trial(planned: &PlannedGate, ask: &Ask, dry_run: bool) -> Trial {
    let (id, required, ask) = (planned.gate.id.clone(), planned.gate.required, Arc::clone(ask));
    let work = move || {
        let came = ask(&id)?;
        if came.verdict == Verdict::Passed && came.attempts > 1 {
            // A trial that passed has no text.
            eprintln!("{id}: passed, and only at attempt {}", came.attempts);
        }
        conclude(came, required, dry_run)
    };
    Trial::ignorable_test(planned.gate.case(), work).with_kind(if dry_run { "simulated" } else { "" })
}

/// What a test runner is told. A gate that is not required is ignored where it did not pass, with the reason.
fn conclude(came: Came, required: bool, dry_run: bool) -> Result<Completion, Failed> {
    let text = [came.reason.as_str(), came.excerpt.as_str()];
    let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    if let Some(against) = came.against {
        let gate = came.verdict;
        return Err(Failed::from(format!("the gate {gate}, and the run is not green: {against}\n{text}")));
    }
    match came.verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped if dry_run => Ok(Completion::Completed),
        verdict if !required => Ok(Completion::ignored_with(format!("{verdict}, not required: {text}"))),
        verdict => Err(Failed::from(format!("{verdict}: {text}"))),
    }
}

/// The selection in the words of the flags.
pub(super) fn describe(arguments: &Arguments) -> String {
    let filter = arguments.filter.iter().map(|filter| format!("the filter `{filter}`"));
    let skip = arguments.skip.iter().map(|skip| format!("--skip {skip}"));
    let ignored = arguments.ignored.then(|| "--ignored (no gate is)".to_owned());
    let exact = arguments.exact.then(|| "--exact".to_owned());
    filter.chain(skip).chain(ignored).chain(exact).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(verdict: Verdict, against: Option<&str>) -> Came {
        let (reason, excerpt) = Default::default();
        Came { verdict, reason, excerpt, attempts: 1, against: against.map(str::to_owned) }
    }

    #[test]
    fn only_a_gate_that_passed_or_was_simulated_is_green() {
        for verdict in [Verdict::Skipped, Verdict::Inconclusive, Verdict::Error, Verdict::Failed] {
            assert!(conclude(came(verdict, None), true, false).is_err(), "{verdict}");
        }
        assert!(conclude(came(Verdict::Passed, None), true, false).is_ok());
        assert!(conclude(came(Verdict::Skipped, None), true, true).is_ok());
        assert!(conclude(came(Verdict::Failed, None), true, true).is_err());
    }

    #[test]
    fn what_stands_against_the_run_fails_its_last_trial_whatever_its_gate() {
        for required in [true, false] {
            assert!(conclude(came(Verdict::Passed, Some("no evidence")), required, false).is_err());
        }
    }
}
