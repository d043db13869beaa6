//! The service levels of readiness: each once, measured by a gate that is there, in the level's unit.

use super::super::draft::Placed;
use super::super::draft::switch::{ReadinessDraft, Said, SliDraft};
use super::super::switch::{Readiness, Sli};
use super::gates::Outline;
use super::measure::kind_of;
use super::{refuse_doubled, whole};
use crate::model::readiness::SliSource;
use crate::model::units::{Dimension, Unit, unit_of_metric_name};
use crate::model::{GateId, Metric, MetricKind, Phase};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use std::collections::BTreeMap;

type Gates = BTreeMap<String, Outline>;

/// What a level's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Truth,
    Time,
    Count,
    Ratio,
}

impl Kind {
    /// The kind of one of the ten levels.
    fn of(name: &str) -> Kind {
        match name {
            _ if name.ends_with("_ms") => Kind::Time,
            "quant_hft_ctp_flow_control_hits" => Kind::Count,
            "quant_hft_ctp_disconnect_recovery_success_rate" | "quant_hft_ctp_reject_classified_ratio" => {
                Kind::Ratio
            }
            _ => Kind::Truth,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Kind::Truth => "true or false, or a number of which 1 is true",
            Kind::Time => "a time",
            Kind::Count => "a count",
            Kind::Ratio => "a ratio",
        }
    }

    /// Whether a metric can be its value. A number without a unit is what the level is.
    fn takes(self, metric: &Metric) -> bool {
        let unit = match metric.kind {
            MetricKind::Bool => return self == Kind::Truth,
            MetricKind::Text => return false,
            MetricKind::Number(Unit::None) => unit_of_metric_name(&metric.name).unwrap_or(Unit::None),
            MetricKind::Number(unit) => unit,
        };
        match self {
            Kind::Truth | Kind::Count => matches!(unit.dimension(), Dimension::Count | Dimension::None),
            // Of a time without its unit nobody knows how long it is.
            Kind::Time => unit.dimension() == Dimension::Time,
            Kind::Ratio => matches!(unit.dimension(), Dimension::Ratio | Dimension::None),
        }
    }
}

/// Checks readiness. `gates`: those of the profile; nothing where their list is at fault.
pub(super) fn check(
    draft: ReadinessDraft,
    gates: Option<&Gates>,
    report: &mut Report<'_>,
) -> Option<Readiness> {
    let slis = draft.slis?;
    if slis.is_empty() {
        report.fault(&draft.span, "`[readiness]` needs at least one [[readiness.sli]], and has none");
    }
    refuse_doubled("sli", slis.iter().map(|sli| sli.name.as_ref()), report);
    let checked = slis.into_iter().map(|sli| whole(report, |report| check_sli(sli, gates, report)));
    // All are checked before one at fault makes the list none.
    let slis = checked.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    Some(Readiness { service: draft.service, slis })
}

fn check_sli(draft: SliDraft, gates: Option<&Gates>, report: &mut Report<'_>) -> Option<Sli> {
    let before = report.count();
    let outline = draft.gate.as_ref().zip(gates).and_then(|(gate, gates)| find(gate, &draft, gates, report));
    // Without a name nobody knows what it should be.
    let name = draft.name?;
    let (kind, what) = (Kind::of(&name.value), format!("sli {}", quoted(&name.value)));
    let value = match draft.value {
        Said::Yes(value) => {
            if let Some(metrics) = outline.and_then(|outline| outline.metrics.as_ref()) {
                check_value(&value, kind, &what, metrics, report);
            }
            Some(value.value)
        }
        Said::No if kind != Kind::Truth => {
            let told = format!("expected `value`, which of the gate's observations is {}", kind.describe());
            report.fault(&name.span, format!("{what}: {told}"));
            None
        }
        Said::No => None,
        Said::Wrong => return None,
    };
    if let Some(target) = &draft.target {
        check_target(target, kind, &what, report);
    }
    let at = report.source.position(name.span.start);
    // An id that none can have names no gate, which was told.
    let gate = GateId::new(&draft.gate?.value).ok()?;
    let from = SliSource::Measured { gate, value, at };
    let sli = Sli { name: name.value, from, target: draft.target.map(|target| target.value) };
    (report.count() == before).then_some(sli)
}

/// The gate that measures.
fn find<'g>(
    gate: &Placed<String>,
    sli: &SliDraft,
    gates: &'g Gates,
    report: &mut Report<'_>,
) -> Option<&'g Outline> {
    let what = sli.name.as_ref().map_or("an sli".to_owned(), |name| format!("sli {}", quoted(&name.value)));
    let Some(outline) = gates.get(&gate.value) else {
        let message = format!("`gate` of {what}: unknown gate {}", quoted(&gate.value));
        report.unknown(&gate.span, message, &gate.value, gates.keys().map(String::as_str));
        return None;
    };
    if let Some(phase) = outline.phase.filter(|phase| !matches!(phase, Phase::Infra | Phase::Readiness)) {
        let told = "expected one of phase infra or readiness";
        report.fault(
            &gate.span,
            format!("`gate` of {what}: {} is of phase {phase}; {told}", quoted(&gate.value)),
        );
    }
    Some(outline)
}

fn check_value(value: &Placed<String>, kind: Kind, what: &str, metrics: &[Metric], report: &mut Report<'_>) {
    let Some(metric) = metrics.iter().find(|metric| metric.name == value.value) else {
        let message = format!("`value` of {what}: its gate does not observe {}", quoted(&value.value));
        report.unknown(&value.span, message, &value.value, metrics.iter().map(|metric| &*metric.name));
        return;
    };
    if !kind.takes(metric) {
        let told = format!("expected {}; {} is {}", kind.describe(), quoted(&value.value), kind_of(metric));
        report.fault(&value.span, format!("`value` of {what}: {told}"));
    }
}

/// Whether a level could ever be held to it.
fn check_target(target: &Placed<f64>, kind: Kind, what: &str, report: &mut Report<'_>) {
    let number = target.value;
    let expected = match kind {
        Kind::Truth => "it is true or false, so its target is true: leave `target` out".to_owned(),
        _ if number < 0.0 => format!("expected a target of at least 0; got {number}"),
        Kind::Ratio if number > 1.0 => format!("expected a ratio from 0 to 1; got {number}"),
        _ => return,
    };
    report.fault(&target.span, format!("`target` of {what}: {expected}"));
}
