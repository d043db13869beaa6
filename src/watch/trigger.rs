//! The condition that rolls back, over time.

use crate::condition::{Condition, Explanation, Sample, Tracker, Truth};
use std::time::Duration;

/// Watches for the trigger.
///
/// Sources answer one after the other, so that at first nothing is known of some metrics, and neither in their
/// warm-up. That is not the same as missing: `missing(x)` must not roll back because another source was faster. So
/// the trigger holds only where it does whatever those metrics turn out to be: each is taken once as missing and once
/// as there, which is all the difference that a condition can make of a metric without a value.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    missing: Tracker,
    there: Tracker,
}

impl Trigger {
    pub fn new(condition: Condition, bridge: Duration) -> Trigger {
        let there = Tracker::new(condition.clone(), bridge);
        Trigger { missing: Tracker::new(condition, bridge), there }
    }

    pub fn condition(&self) -> &Condition {
        self.missing.condition()
    }

    /// Judges this moment; where the trigger holds, by what. `known` gives a metric's sample, or what it is given
    /// where nothing is known of it yet.
    pub fn look(&mut self, now: Duration, known: &dyn Fn(&str, Sample) -> Sample) -> Option<Explanation> {
        let missing = self.missing.observe(now, &|name| known(name, Sample::Missing));
        let there = self.there.observe(now, &|name| known(name, Sample::NoEvents));
        // Times never go back here: the judge's clock only rises.
        let held = |look: Result<Explanation, _>| look.ok().filter(|look| look.truth == Truth::True);
        let (mut there, missing) = (held(there)?, held(missing)?);
        // What decides in both is what is known.
        if there.reasons.iter().any(|reason| missing.reasons.contains(reason)) {
            there.reasons.retain(|reason| missing.reasons.contains(reason));
        }
        Some(there)
    }
}
