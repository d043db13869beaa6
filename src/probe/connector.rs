//! `connector`: the state of a Kafka Connect connector and of each of its tasks. A connector that runs with a
//! failed task, or with none, does not do its work.

use super::client::connect::{Connect, Status, cause, excerpt};
use super::{BadArgs, Context, Measurement, Probe, ProbeError};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Reading, ServiceKind};

/// The probe.
pub struct Connector;

const FIELDS: &[Field] = &[Field::required("name", FieldKind::Text, "the connector's name")];

impl Probe for Connector {
    fn name(&self) -> &'static str {
        "connector"
    }

    fn about(&self) -> &'static str {
        "the state of a Kafka Connect connector and of each of its tasks"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Connect]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, _: &Args) -> Vec<Metric> {
        let count = |name, about| Metric::number(name, Unit::Count, about);
        vec![
            Metric::text(
                "state",
                "the connector's own state: RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED, RESTARTING; MISSING where \
                 there is no such connector",
            ),
            count("tasks", "its tasks"),
            count("tasks_running", "tasks that run"),
            count("tasks_failed", "tasks that failed; the facts have their traces"),
            count("tasks_not_running", "tasks in any other state than RUNNING"),
        ]
    }

    fn expect(&self, _: &Args) -> String {
        "state == \"RUNNING\" and tasks_running >= 1 and tasks_not_running == 0".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        match args.text("name") {
            Some(name) if !name.is_empty() => Ok(()),
            _ => Err(BadArgs { field: "name", message: "expected the name of a connector".to_owned() }),
        }
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let endpoint = context.endpoint(ServiceKind::Connect)?;
        let connect = Connect::new(context, endpoint, context.deadline);
        let name = args.text("name").unwrap_or_default();
        let status = connect.status(name)?;
        Ok(report(status.as_ref(), context, &format!("{}, connector {name}", connect.at())))
    }
}

fn report(status: Option<&Status>, context: &Context<'_>, source: &str) -> Measurement {
    let (tasks, running, failed) = status.map_or((0, 0, 0), |status| {
        (status.tasks.len(), status.tasks_in("RUNNING"), status.tasks_in("FAILED"))
    });
    let see = |name: &str, reading| context.observed(name, reading, source);
    let count = |number: usize| Reading::number(number as f64, Unit::Count);
    let observations = vec![
        see("state", Reading::text(status.map_or("MISSING", |status| status.state.as_str()))),
        see("tasks", count(tasks)),
        see("tasks_running", count(running)),
        see("tasks_failed", count(failed)),
        see("tasks_not_running", count(tasks - running)),
    ];
    let mut facts = Args::default();
    for (who, trace) in status.into_iter().flat_map(Status::traces) {
        facts.set(&format!("{who}_failed"), context.redactor.text(cause(trace)).into_owned());
        facts.set(&format!("{who}_trace"), excerpt(trace, context));
    }
    Measurement { observations, facts, excerpt: String::new() }
}
