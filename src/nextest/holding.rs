//! A run that tests ask for gates, one process each: one runner and one journal. When the last gate that nextest
//! selected has an outcome the evidence is written, before that gate's test is answered: so it is there when nextest
//! ends, and what stands against the run fails a test.

use super::NextestError;
use super::ask::canonical;
use super::wire::{Answer, Question, Told};
use crate::exit;
use crate::model::service::variables;
use crate::model::{GateId, Verdict};
use crate::plan::Plan;
use crate::process::Cancel;
use crate::rehearsal::{Finished, Rehearsal};
use crate::report;
use crate::runner::{Outcome, Runner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a run is ended whose tests did not all ask.
pub const ENDED: &str = "the end of nextest";

/// A run that is held.
pub struct Holding {
    runner: Runner,
    /// Each selected gate, and whether it is required.
    gates: BTreeMap<GateId, bool>,
    services: Vec<String>,
    profile: String,
    dry_run: bool,
    state: Mutex<State>,
}

struct State {
    /// Until its evidence is written.
    rehearsal: Option<Rehearsal>,
    /// Gates that nextest selected, and that have no outcome yet.
    left: BTreeSet<GateId>,
    /// A test has failed for what stands against the run.
    shown: bool,
    /// What stands against the run, and no test has shown.
    against: Option<String>,
}

impl Holding {
    /// Holds a run of this plan of the profile at this path.
    pub fn new(rehearsal: Rehearsal, plan: &Plan, profile: &Path, dry_run: bool) -> Holding {
        let selected = || plan.selected();
        let asked = selected().filter(|planned| !planned.set_up);
        let left = asked.map(|planned| planned.gate.id.clone()).collect();
        Holding {
            runner: rehearsal.runner().clone(),
            gates: selected().map(|planned| (planned.gate.id.clone(), planned.gate.required)).collect(),
            services: plan.services.iter().map(|service| service.name.clone()).collect(),
            profile: canonical(profile),
            dry_run,
            state: Mutex::new(State { rehearsal: Some(rehearsal), left, shown: false, against: None }),
        }
    }

    /// Answers a question. It may take as long as the gate does.
    pub fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Services => self.find_services(),
            Question::Gate { id, profile, version } => match self.known(&id, &profile, &version) {
                Ok(id) => Answer::Gate(self.gate(&id)),
                Err(why) => Answer::Refused(why),
            },
        }
    }

    /// The gate of a question, where it can be meant.
    fn known(&self, id: &str, profile: &str, version: &str) -> Result<GateId, String> {
        let own = env!("CARGO_PKG_VERSION");
        if version != own {
            return Err(format!(
                "the test was built with cutproof {version}, and the setup script is of {own}: expected the same"
            ));
        }
        if profile != self.profile {
            return Err(format!(
                "the test is of the profile {profile}, and the setup script has begun a run of {}: expected a setup \
                 script of its own for each profile, with a filter for its test target",
                self.profile
            ));
        }
        let selected = self.gates.keys().find(|gate| gate.as_str() == id).cloned();
        selected.ok_or_else(|| format!(
            "nextest asks for the gate `{id}`, and had not listed it among the tests that it selected: nothing is measured, \
             since the run's evidence says that it is left out"
        ))
    }

    fn gate(&self, id: &GateId) -> Told {
        let Outcome { verdict, reason, excerpt, attempts } = self.runner.gate(id);
        let mut state = self.lock();
        state.left.remove(id);
        let fine = verdict == Verdict::Passed || (self.dry_run && verdict == Verdict::Skipped);
        state.shown |= !fine && self.gates.get(id).copied().unwrap_or(true);
        if state.left.is_empty() {
            state.finish();
        }
        Told { verdict, reason, excerpt, attempts, against: state.against.clone() }
    }

    /// Asks for all services side by side.
    fn find_services(&self) -> Answer {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        if self.dry_run {
            return Answer::Services { variables: found, missing };
        }
        let runner = &self.runner;
        let asked = std::thread::scope(|scope| {
            let ask = |name: &'_ String| {
                let name = name.clone();
                scope.spawn(move || runner.service(&name))
            };
            let asked: Vec<_> = self.services.iter().map(ask).collect();
            asked.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for (name, asked) in self.services.iter().zip(asked) {
            match asked {
                Ok(Ok(endpoint)) => found.extend(variables(name, &endpoint)),
                Ok(Err(error)) => missing.push((name.clone(), error.to_string())),
                Err(_) => missing.push((name.clone(), "asking for it broke off".to_owned())),
            }
        }
        Answer::Services { variables: found, missing }
    }

    /// Ends the run, where it has not ended by itself: gates that nobody asked for are not run, and say so; one that is
    /// being measured is interrupted.
    pub fn end(&self, cancel: &Cancel) {
        if !self.lock().left.is_empty() {
            cancel.cancel(ENDED);
        }
        for id in self.gates.keys() {
            self.runner.gate(id);
        }
        self.lock().finish();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes the evidence, once.
    fn finish(&mut self) {
        let Some(rehearsal) = self.rehearsal.take() else { return };
        let finished = rehearsal.finish_and_leave_up().map_err(NextestError::of);
        match finished.and_then(|finished| summary(&finished).map(|summary| (finished, summary))) {
            Ok((finished, summary)) => {
                eprintln!("{summary}");
                if finished.exit_code() != exit::OK && !self.shown {
                    self.against = Some(finished.reasons());
                }
            }
            Err(error) => {
                eprintln!("error: {error}");
                self.against = Some(format!("the run has no evidence: {error}"));
            }
        }
    }
}

fn summary(finished: &Finished) -> Result<String, NextestError> {
    let view = finished.view().map_err(NextestError::of)?;
    Ok(report::summary(&view, &finished.folder, false))
}
