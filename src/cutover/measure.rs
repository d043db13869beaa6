//! One measurement outside of gates: whether a background step is ready, what a new core says of its login. On a
//! thread of its own, so that a probe that never answers holds up nobody.

use crate::model::event::PlannedStep;
use crate::model::redact::Redactor;
use crate::model::{Clock, Endpoint, Observation, RunId};
use crate::probe::{Context, Steps};
use crate::process::{Cancel, Worker};
use crate::profile::switch::Measure;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How much later than its deadline a probe may answer, and still be heard.
const GRACE: Duration = Duration::from_millis(500);

/// How often a wait for an answer looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// What measurements share.
#[derive(Clone)]
pub struct Measuring {
    /// Where services are.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The run's clock.
    pub clock: Clock,
    /// The run.
    pub run: RunId,
    /// Knows the run's secrets.
    pub redactor: Arc<Redactor>,
    /// For probes that start processes.
    pub worker: Worker,
}

impl Measuring {
    /// Measures once, in at most `limit`. Where it is not `wanted` any more, it is given up.
    ///
    /// # Errors
    /// Why nothing was measured.
    pub fn once(
        &self,
        measure: &Measure,
        limit: Duration,
        cancel: &Cancel,
        mut wanted: impl FnMut() -> bool,
    ) -> Result<Vec<Observation>, String> {
        let deadline = Instant::now() + limit.min(measure.timeout);
        let (answer, answers) = mpsc::sync_channel(1);
        let (own, of_measure, cancel) = (self.clone(), measure.clone(), cancel.clone());
        let endpoints = self.endpoints_of(measure)?;
        let thread = std::thread::Builder::new().name("measure".to_owned()).spawn(move || {
            let context = Context {
                endpoints: &endpoints,
                deadline,
                cancel: &cancel,
                clock: own.clock,
                run: &own.run,
                redactor: &own.redactor,
                steps: &Plain,
                worker: own.worker,
            };
            // The receiver is gone only where this thread was left behind, and then nobody is to be told.
            answer.send(of_measure.probe.measure(&of_measure.with, &context)).ok();
        });
        thread.map_err(|error| {
            format!("expected to start a thread to measure, and the system said: {error}")
        })?;
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(measured) => {
                    let measured = measured.map(|measured| measured.observations);
                    return measured.map_err(|error| self.redactor.text(&error.0).into_owned());
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(format!(
                        "the probe `{}` broke off, which is a fault in cutproof",
                        measure.probe.name()
                    ));
                }
                Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() > deadline + GRACE => {
                    return Err(format!(
                        "`{}` gave no answer in time ({})",
                        measure.probe.name(),
                        measure.at
                    ));
                }
                Err(mpsc::RecvTimeoutError::Timeout) if !wanted() => {
                    return Err("not measured to its end".to_owned());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn endpoints_of(&self, measure: &Measure) -> Result<Vec<(String, Endpoint)>, String> {
        let known = |name: &String| {
            let found = self.endpoints.get(name).map(|endpoint| (name.clone(), endpoint.clone()));
            found.ok_or_else(|| {
                format!(
                    "no endpoint of the service `{name}` is known ({}); give --endpoint {name}=ADDRESS",
                    measure.at
                )
            })
        };
        measure.uses.iter().map(known).collect()
    }
}

/// Steps of what is measured outside of gates are told to nobody.
struct Plain;

impl Steps for Plain {
    fn step(
        &self,
        _: &PlannedStep,
        work: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<String, String> {
        work()
    }
}
