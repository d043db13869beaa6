//! Which gate is next: the first in the plan's order whose services have answered, and for which all have ended that
//! it needs or is to come after.

use super::Runner;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What is still to do.
struct Board<'a> {
    state: Mutex<State>,
    changed: Condvar,
    runner: &'a Runner,
    /// Gates that wait for a gate, by index.
    dependents: Vec<Vec<usize>>,
}

struct State {
    /// How many gates and services each gate still waits for.
    waiting_for: Vec<usize>,
    /// Gates that could begin, in the plan's order.
    ready: BTreeSet<usize>,
    /// Gates that have not ended.
    left: usize,
}

/// Runs all gates with up to `jobs` at a time.
pub(super) fn run(runner: &Runner, jobs: usize) {
    let board = Board::new(runner);
    let measured = runner.0.settings.environment.is_some();
    std::thread::scope(|scope| {
        let board = &board;
        for name in runner.0.services.keys().filter(|_| measured) {
            scope.spawn(move || {
                // Failure is remembered: each gate that uses the service says so.
                runner.service(name).ok();
                board.service_answered(name);
            });
        }
        for _ in 1..jobs.min(runner.0.gates.len()) {
            scope.spawn(|| board.work());
        }
        board.work();
    });
}

impl<'a> Board<'a> {
    fn new(runner: &'a Runner) -> Board<'a> {
        let gates = &runner.0.gates;
        let measured = runner.0.settings.environment.is_some();
        let mut dependents = vec![Vec::new(); gates.len()];
        let mut waiting_for = vec![0; gates.len()];
        for (index, planned) in gates.iter().enumerate().filter(|(_, planned)| planned.selected && measured) {
            let known = |name: &&String| runner.0.services.contains_key(*name);
            waiting_for[index] = planned.gate.uses.iter().filter(known).collect::<BTreeSet<_>>().len();
            let before = planned.gate.needs.iter().chain(&planned.gate.after);
            for other in before.filter_map(|id| runner.0.index.get(id)) {
                waiting_for[index] += 1;
                dependents[*other].push(index);
            }
        }
        let ready = (0..gates.len()).filter(|index| waiting_for[*index] == 0).collect();
        let state = Mutex::new(State { waiting_for, ready, left: gates.len() });
        Board { state, changed: Condvar::new(), runner, dependents }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn service_answered(&self, name: &str) {
        let gates = &self.runner.0.gates;
        let users = |index: &usize| {
            let planned = &gates[*index];
            planned.selected && planned.gate.uses.iter().any(|used| used == name)
        };
        self.release((0..gates.len()).filter(users));
    }

    fn release(&self, gates: impl Iterator<Item = usize>) {
        let mut state = self.lock();
        for index in gates {
            state.waiting_for[index] -= 1;
            if state.waiting_for[index] == 0 {
                state.ready.insert(index);
            }
        }
        self.changed.notify_all();
    }

    /// Takes gates until none is left.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let index = loop {
                if state.left == 0 {
                    return;
                }
                if let Some(index) = state.ready.pop_first() {
                    break index;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            self.runner.at(index);
            self.lock().left -= 1;
            self.release(self.dependents[index].iter().copied());
        }
    }
}
