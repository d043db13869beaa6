//! The parts of a cutover before they are checked against services, gates and each other.

use super::Placed;
use crate::model::Args;
use crate::model::watch::OnNoData;
use crate::probe::Probe;
use crate::profile::switch::{CutoverSettings, MarkSource};
use crate::settings::source::Span;
use std::time::Duration;

/// All that a profile says of a cutover.
#[derive(Default)]
pub(in crate::profile) struct CutoverDraft {
    pub settings: Option<CutoverSettings>,
    pub steps: Vec<StepDraft>,
    pub switch: Option<SwitchDraft>,
    pub watch: Option<WatchDraft>,
    pub readiness: Option<ReadinessDraft>,
}

/// A key that may be absent.
pub(in crate::profile) enum Said {
    /// It is absent.
    No,
    /// What stands there is at fault, and was told.
    Wrong,
    /// It says this.
    Yes(Placed<String>),
}

impl Said {
    /// What it says, where that is sound.
    pub fn text(&self) -> Option<&Placed<String>> {
        match self {
            Said::Yes(text) => Some(text),
            Said::No | Said::Wrong => None,
        }
    }
}

/// A probe with its settings, beside the gates.
pub(in crate::profile) struct MeasureDraft {
    /// Nothing where there is no such probe.
    pub probe: Option<Placed<&'static dyn Probe>>,
    /// Nothing where they are at fault.
    pub with: Option<Args>,
    pub uses: Placed<Vec<Placed<String>>>,
    pub timeout: Placed<Duration>,
}

/// `[[step]]`
pub(in crate::profile) struct StepDraft {
    /// Nothing where it is none of the steps.
    pub name: Option<Placed<String>>,
    pub timeout: Option<Placed<Duration>>,
    pub background: bool,
    pub ready: Said,
    /// Nothing where no probe is named.
    pub measure: Option<MeasureDraft>,
}

/// `[switch]`
pub(in crate::profile) struct SwitchDraft {
    /// Nothing where no probe is named.
    pub measure: Option<MeasureDraft>,
    /// Nothing where the list itself is at fault.
    pub marks: Option<Vec<MarkDraft>>,
    pub span: Span,
}

/// `[[switch.mark]]`
pub(in crate::profile) struct MarkDraft {
    /// Nothing where it is none of the marks.
    pub name: Option<Placed<String>>,
    /// Nothing where it is at fault.
    pub from: Option<Placed<MarkSource>>,
    /// Nothing where it is at fault.
    pub within: Option<Duration>,
}

/// `[watch]`
pub(in crate::profile) struct WatchDraft {
    pub interval: Placed<Duration>,
    pub max_age: Option<Placed<Duration>>,
    /// Nothing where the list itself is at fault.
    pub sources: Option<Vec<SourceDraft>>,
    /// Nothing where the list itself is at fault.
    pub metrics: Option<Vec<MetricDraft>>,
    pub span: Span,
}

/// `[[watch.source]]`
pub(in crate::profile) struct SourceDraft {
    /// Nothing where it is at fault.
    pub name: Option<Placed<String>>,
    pub measure: MeasureDraft,
}

/// `[[watch.metric]]`
pub(in crate::profile) struct MetricDraft {
    /// Nothing where it is at fault.
    pub name: Option<Placed<String>>,
    /// Nothing where it is at fault.
    pub source: Option<Placed<String>>,
    pub value: Said,
    pub expect: Said,
    pub failure_limit: u32,
    pub inconclusive_limit: u32,
    pub consecutive_error_limit: u32,
    pub warmup: Duration,
    pub on_no_data: OnNoData,
    pub activity: bool,
}

/// `[readiness]`
pub(in crate::profile) struct ReadinessDraft {
    pub service: String,
    /// Nothing where the list itself is at fault.
    pub slis: Option<Vec<SliDraft>>,
    pub span: Span,
}

/// `[[readiness.sli]]`
pub(in crate::profile) struct SliDraft {
    /// Nothing where it is none of the levels.
    pub name: Option<Placed<String>>,
    /// Nothing where it is at fault.
    pub gate: Option<Placed<String>>,
    pub value: Said,
    pub target: Option<Placed<f64>>,
}
