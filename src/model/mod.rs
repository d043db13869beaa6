//! The words that every module shares: ids, phases, verdicts, observations, gates, services, events and time.
//!
//! It knows nothing of how a value is measured, stored or shown, and imports no other module of the crate.

pub mod args;
pub mod event;
pub mod field;
pub mod gate;
pub mod id;
pub mod metric;
pub mod observation;
pub mod readiness;
pub mod redact;
pub mod service;
pub mod shard;
pub mod steps;
pub mod switch;
pub mod time;
pub mod units;
pub mod verdict;
pub mod watch;

pub use args::Args;
pub use event::Event;
pub use gate::{Gate, Phase, Position, Retry};
pub use id::{GateId, RunId};
pub use metric::{Metric, MetricKind};
pub use observation::{Observation, Origin, Reading};
pub use service::{Endpoint, Product, Secret, ServiceKind};
pub use shard::Shard;
pub use steps::{CUTOVER_STEP_KEYS, CUTOVER_STEPS, ROLLBACK_STEP_KEYS, ROLLBACK_STEPS};
pub use time::{Clock, Stamp};
pub use verdict::{Counts, Verdict};
