//! Measuring the same thing again and again, as a watch does: clients and connections are kept, and what compares two
//! moments needs no second look each time.

use super::{Context, Measurement, Probe, ProbeError};
use crate::model::{Args, Observation};

/// Measures one thing again and again.
pub trait Sampler: Send {
    /// Measures once more, within the context's deadline.
    ///
    /// # Errors
    /// Where it could not be measured this time; the next time it may.
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError>;
}

/// What a sampler found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampled {
    /// Values.
    pub observations: Vec<Observation>,
    /// Names of those that are a bound which the value is above, nobody knows how far: a quantile above the highest
    /// bucket. A trigger must see it, and nothing may pass by it.
    pub at_least: Vec<String>,
}

impl From<Measurement> for Sampled {
    fn from(measurement: Measurement) -> Sampled {
        Sampled { observations: measurement.observations, at_least: Vec::new() }
    }
}

/// A sampler of a probe with these settings: the probe's own, or one that measures anew each time.
pub fn sampler(probe: &'static dyn Probe, args: &Args) -> Box<dyn Sampler> {
    probe.sampler(args).unwrap_or_else(|| Box::new(Again { probe, args: args.clone() }))
}

struct Again {
    probe: &'static dyn Probe,
    args: Args,
}

impl Sampler for Again {
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError> {
        self.probe.measure(&self.args, context).map(Sampled::from)
    }
}
